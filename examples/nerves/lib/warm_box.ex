defmodule WarmBox do
  @moduledoc """
  A box that a heater keeps warm: for seedlings, dough or yoghurt.

  The controller of the heater evolves on the device, on a model of such boxes (`WarmBox.Plant`),
  and has to prove itself in the real box before it is trusted (`WarmBox.Controller`).
  """

  @doc "What drives the heater, how evolution is, and who is on the mesh."
  def status do
    %{
      controller: WarmBox.Controller.status(),
      evolution: WarmBox.Evolution.status(),
      mesh: WarmBox.Mesh.status()
    }
  end
end
