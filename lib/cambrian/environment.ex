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

  Such a module is a task like one of `Cambrian.Task`: `Lamp`, or `{Lamp, args}` with the argument
  of `init/1`. Fitness is the mean over the episodes of the sum of rewards. A network begins each
  episode from rest and remembers its state from one step to the next.

  With a behaviour, a search compares what networks do. An optional `score/1` gives it, at the end
  of each episode. Here it is the last height of a lift, which gets a reward for little power:

      iex> defmodule Lift do
      ...>   use Cambrian.Environment
      ...>
      ...>   @impl true
      ...>   def init(_args), do: {:ok, %{inputs: 1, outputs: 2, steps: 20}, nil}
      ...>
      ...>   @impl true
      ...>   def reset(_episode, nil), do: {[0], 0}
      ...>
      ...>   @impl true
      ...>   def step([up, down], height), do: {[height / 20], -(up + down), height + up - down}
      ...>
      ...>   @impl true
      ...>   def score(height), do: %{behaviour: [height]}
      ...> end
      iex> params = [bounds: [{-20, 20}], cells: 40]
      iex> options = [search: :map_elites, seed: 1, generations: 20, params: params]
      iex> result = Cambrian.evolve!(Lift, options)
      iex> Enum.count(result.archive) > 20
      true

  An observation is a list of numbers or a little-endian 32-bit float binary, such as the result
  of `Nx.to_binary/1`; the outputs come in the same form.

  All networks that are evaluated together take a step together, with one call of the library for
  all their outputs. If an environment crashes or answers rubbish, only its network has no
  fitness, and the others go on.

  For an environment in another program, such as those of Gymnasium, use `Cambrian.Program`.
  """

  alias Cambrian.Network

  @doc """
  Gives the size of the network, how many `steps` an episode lasts at most (1,000), how many
  `episodes` a network lives (1), and the configuration that `reset/2` gets.

  The argument is the `args` of `{module, args}`, and `[]` for the module alone.

  Three further settings make the evaluation differ from generation to generation; with one of the
  first two, each generation measures its survivors again (`reevaluate`):

    * `normalise` - networks see observations of mean 0 and standard deviation 1, by all that
      networks saw in the generations before; the first generation sees them as they are. The
      `normalisation` of the result is for `Cambrian.Network.normalise/2` and for exports. Default
      false.
    * `fresh_episodes` - each generation has other episodes, drawn from the run's seed and the same
      for all its networks. Their numbers are from 2^30 on. Default false.
    * `validation` - in how many held-out episodes, from 2^29 on, the fittest new genotype of each
      generation is measured. The champion of the result is the best in these, and the goals
      `:target` and `:patience` count these. Default 30 with `fresh_episodes`, else 0.
  """
  @callback init(args :: term) ::
              {:ok,
               %{
                 required(:inputs) => pos_integer,
                 required(:outputs) => pos_integer,
                 optional(:steps) => pos_integer,
                 optional(:episodes) => pos_integer,
                 optional(:normalise) => boolean,
                 optional(:fresh_episodes) => boolean,
                 optional(:validation) => non_neg_integer
               }, config :: term}

  @doc """
  Begins an episode, from 0.

  Every network must get the same start in the same episode. Otherwise runs do not repeat, and
  luck decides. Put the parts of the configuration that a step needs into the state.
  """
  @callback reset(episode :: non_neg_integer, config :: term) ::
              {observation :: Network.numbers(), state :: term}

  @doc """
  Takes a network's outputs, and returns its next observation, a reward and the state; or `{:done,
  reward}` or `{:done, reward, state}`, which end the episode.
  """
  @callback step(outputs :: Network.numbers(), state :: term) ::
              {observation :: Network.numbers(), reward :: number, state :: term}
              | {:done, reward :: number}
              | {:done, reward :: number, state :: term}

  @doc """
  Returns what an episode gave besides its rewards, as in `c:Cambrian.Task.evaluate/2`.

  The argument is the last state of the episode; after `{:done, reward}` it is the state that
  `c:step/2` got. Behaviours and objectives are averaged over the episodes, number by number: a list
  has as many numbers in every episode of every network. Cases are those of the first episode, then
  those of the second.
  """
  @callback score(state :: term) :: %{
              optional(:behaviour) => [number],
              optional(:objectives) => [number],
              optional(:cases) => [number]
            }

  @optional_callbacks score: 1

  @doc false
  defmacro __using__(_opts) do
    quote do
      @behaviour Cambrian.Environment
    end
  end
end
