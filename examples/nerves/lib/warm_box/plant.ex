defmodule WarmBox.Plant do
  @moduledoc """
  The physics of a box, and the task of its evolution.

  The heater warms a block, the block the air, and the air loses heat to the room:

      block' = power * duty - (block - air) / lag
      air'   = (block - air) / lag - (air - room) / loss

  in °C and minutes, at a step of `1/6` min. A network for any box of this kind is tried on
  several boxes, in rooms of several temperatures, one an episode: a device does not know its own
  box, and its champions should be useful to others. Measure your own plant and use its ranges.
  The physics uses only +, -, * and /, which give the same bits on every machine, so that others
  can confirm a claim.
  * and / are used, which give the same bits on every machine, so that others confirm what one claims.
  """

  use Cambrian.Environment

  @step_min 1 / 6
  @steps 240

  # {power in °C/min at full duty, lag in min, loss in min, room in °C, setpoint in °C}
  @boxes [
    {3.0, 2.0, 30.0, 20.0, 28.0},
    {2.0, 4.0, 40.0, 12.0, 30.0},
    {5.0, 1.5, 20.0, 24.0, 32.0},
    {3.0, 3.0, 25.0, 5.0, 24.0}
  ]

  defstruct [:power, :lag, :loss, :room, :setpoint, :block, :air, left: @steps]

  @doc "A box with all at the temperature of its room."
  def new(number) do
    {power, lag, loss, room, setpoint} = Enum.at(@boxes, rem(number, length(@boxes)))

    %__MODULE__{
      power: power,
      lag: lag,
      loss: loss,
      room: room,
      setpoint: setpoint,
      block: room,
      air: room
    }
  end

  @doc "The same, a step later, with the heater on for a share of it from 0 to 1."
  def heated(%__MODULE__{} = plant, duty) do
    flow = (plant.block - plant.air) / plant.lag
    lost = (plant.air - plant.room) / plant.loss

    %{
      plant
      | block: plant.block + @step_min * (plant.power * duty - flow),
        air: plant.air + @step_min * (flow - lost)
    }
  end

  @doc "What a network sees: how much it is too cold, and how fast that changes."
  def observation(setpoint, celsius, before),
    do: [clipped((setpoint - celsius) / 10), clipped(celsius - before)]

  @doc "The heater's duty, for a network's output."
  def duty([output]), do: output |> max(0.0) |> min(1.0)

  @doc "What a step costs: the distance from the setpoint, and more of it when it is too hot."
  def cost(setpoint, celsius) when celsius > setpoint, do: 3 * (celsius - setpoint)
  def cost(setpoint, celsius), do: setpoint - celsius

  defp clipped(number), do: number |> max(-3.0) |> min(3.0)

  # ---- the task

  @impl true
  def init(_args),
    do: {:ok, %{inputs: 2, outputs: 1, steps: @steps, episodes: length(@boxes)}, nil}

  @impl true
  def reset(episode, nil) do
    plant = new(episode)
    {observation(plant.setpoint, plant.air, plant.air), plant}
  end

  # The first twenty minutes, in which little can be done but heat, do not count.
  @impl true
  def step(output, plant) do
    next = heated(plant, duty(output))
    reward = if plant.left > 120, do: 0.0, else: -cost(next.setpoint, next.air) / 120
    {observation(next.setpoint, next.air, plant.air), reward, %{next | left: plant.left - 1}}
  end
end
