defmodule WarmBox.Hardware.Simulated do
  @moduledoc """
  A box that is computed, for the host: each reading is a step of `WarmBox.Plant` later.

  `break/1` makes it fail as real ones do.
  """

  @behaviour WarmBox.Hardware
  use Agent

  alias WarmBox.Plant

  def start_link(args) do
    start = %{plant: Plant.new(args[:box] || 0), duty: 0.0, broken: nil}
    Agent.start_link(fn -> start end, name: __MODULE__)
  end

  @impl true
  def read, do: Agent.get_and_update(__MODULE__, &reading/1)

  @impl true
  def heat(duty) when duty >= 0 and duty <= 1,
    do: Agent.update(__MODULE__, &%{&1 | duty: duty})

  @doc "`:sensor` gives no reading, `{:stuck, celsius}` always that one, `nil` repairs it."
  def break(how), do: Agent.update(__MODULE__, &%{&1 | broken: how})

  @doc "What the heater is set to, which only a test can ask."
  def duty, do: Agent.get(__MODULE__, & &1.duty)

  defp reading(state) do
    plant = Plant.heated(state.plant, state.duty)

    answer =
      case state.broken do
        nil -> {:ok, plant.air}
        :sensor -> {:error, :eio}
        {:stuck, celsius} -> {:ok, celsius}
      end

    {answer, %{state | plant: plant}}
  end
end
