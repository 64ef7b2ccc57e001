defmodule MixApp do
  @moduledoc false
  def evolve, do: Cambrian.evolve(:xor)
end
