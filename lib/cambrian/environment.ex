defmodule Cambrian.Environment do
  @moduledoc """
  An environment of your own, in which networks live step by step.

      iex> defmodule Lamp do
      ...>   use Cambrian.Environment
      ...>
      ...>   # It goes on and off: say which it is now.
      ...>   @impl true
      ...>   def init(_args), do: {:ok, %{inputs: 1, outputs: 1, steps: 20}, nil}
      ...>
      ...>   @impl true
      ...>   def reset(_episode, nil), do: {[0], 0}
      ...>
      ...>   @impl true
      ...>   def step([output], lamp) do
      ...>     next = 1 - lamp
      ...>     {[next], 1 - abs(output - lamp), next}
      ...>   end
      ...> end
      iex> {:ok, result} = Cambrian.evolve(Lamp, target: 19.5, seed: 1)
      iex> result.solved
      true

  Such a module is a task as one of `Cambrian.Task` is: `Lamp`, or `{Lamp, args}` with the argument
  of `init/1`. Fitness is the mean over the episodes of the sum of rewards. A network begins each
  episode from rest and remembers what was from one step to the next.

  An observation is a list of numbers or a little-endian 32-bit float binary, which is what
  `Nx.to_binary/1` gives, and the outputs come as it went in.

  All networks that are evaluated together take a step at a time, with one call of the library for
  all their outputs. One whose environment crashes or answers rubbish has no fitness, and the others
  go on.

  An environment in another program, as those of Gymnasium, is `Cambrian.Program`.
  """

  alias Cambrian.Network

  @doc """
  Gives the size of the network, how many `steps` an episode lasts at most (1,000), how many
  `episodes` a network lives (1), and what `reset/2` is to know.

  The argument is the `args` of `{module, args}`, and `[]` for the module alone.
  """
  @callback init(args :: term) ::
              {:ok,
               %{
                 required(:inputs) => pos_integer,
                 required(:outputs) => pos_integer,
                 optional(:steps) => pos_integer,
                 optional(:episodes) => pos_integer
               }, config :: term}

  @doc """
  Begins an episode, from 0.

  Every network must get the same start in the same episode, or runs cannot be repeated and the
  lucky win. What a step needs of the configuration goes into the state.
  """
  @callback reset(episode :: non_neg_integer, config :: term) ::
              {observation :: Network.numbers(), state :: term}

  @doc """
  Takes a network's outputs, and gives what it observes next, a reward and the state; or
  `{:done, reward}`, which ends the episode.
  """
  @callback step(outputs :: Network.numbers(), state :: term) ::
              {observation :: Network.numbers(), reward :: number, state :: term}
              | {:done, reward :: number}

  @doc false
  defmacro __using__(_opts) do
    quote do
      @behaviour Cambrian.Environment
    end
  end
end
