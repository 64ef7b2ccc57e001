defmodule Cambrian.Task do
  @moduledoc """
  A task of your own.

      iex> defmodule Majority do
      ...>   use Cambrian.Task
      ...>   alias Cambrian.Network
      ...>
      ...>   @impl true
      ...>   def init(_args) do
      ...>     {:ok, %{inputs: 3, outputs: 1}, for(a <- 0..1, b <- 0..1, c <- 0..1, do: [a, b, c])}
      ...>   end
      ...>
      ...>   @impl true
      ...>   def evaluate(network, votes) do
      ...>     Enum.count(votes, fn vote ->
      ...>       [output] = Network.activate(network, vote)
      ...>       (output > 0.5) == (Enum.sum(vote) > 1)
      ...>     end)
      ...>   end
      ...> end
      iex> {:ok, result} = Cambrian.evolve(Majority, target: 8, seed: 1)
      iex> {result.solved, result.fitness}
      {true, 8.0}

  Evaluations run in processes apart, as many as the VM has schedulers; one that crashes, hangs or
  gives no number costs that one fitness. See `Cambrian.evolve/2` for what else a task may be.

  ## Networks

  `evaluate/2` gets a `Cambrian.Network`. Erlang calls it with a bare reference, and `use
  Cambrian.Task` wraps the function so that both are right: the module works with
  `Cambrian.evolve/2`, with `:cambrian.evolve/2` and when you call it yourself. A module with only
  `@behaviour Cambrian.Task` gets the bare reference, as a task written in Erlang does.
  """

  alias Cambrian.Network

  @typedoc "More is better."
  @type fitness :: number

  @typedoc "What can be evolved for: see `Cambrian.evolve/2`."
  @type task ::
          atom
          | {module, args :: term}
          | (Network.t() -> fitness)
          | Cambrian.Program.task()
          | {:dataset, inputs :: [Network.numbers()], targets :: [[number]]}

  @doc """
  Gives the size of the network, and what `evaluate/2` is to know.

  The argument is the `args` of `{module, args}`, and `[]` for the module alone. It is called
  by the process that starts the evolution.
  """
  @callback init(args :: term) ::
              {:ok, %{required(:inputs) => pos_integer, required(:outputs) => pos_integer},
               state :: term}

  @doc """
  The fitness of a network, or a map that has it as `:fitness`.

  The same network must always get the same fitness if a run is to be repeatable.
  """
  @callback evaluate(Network.t(), state :: term) ::
              fitness
              | %{
                  required(:fitness) => fitness,
                  optional(:behaviour) => [float],
                  optional(:objectives) => [float]
                }

  @doc """
  The fitness that a task of `Cambrian.tasks/0` gives a network.

      iex> %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, again} = Cambrian.Task.evaluate(:xor, Cambrian.Network.compile(champion))
      iex> again == fitness
      true
  """
  @spec evaluate(atom, Network.t()) :: {:ok, float} | {:error, {:unknown_task, atom}}
  def evaluate(task, %Network{ref: network}), do: :cambrian_task.evaluate(task, network)

  @doc """
  Whether a network solves a task of `Cambrian.tasks/0` by the task's own criterion, and what was
  measured.

      iex> %{champion: champion} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, trial} = Cambrian.Task.trial(:xor, Cambrian.Network.compile(champion))
      iex> {trial.solved, Keyword.keys(trial.facts)}
      {true, [:squared_error]}
  """
  @spec trial(atom, Network.t()) ::
          {:ok, %{solved: boolean, facts: [{atom, float}]}} | {:error, {:unknown_task, atom}}
  def trial(task, %Network{ref: network}), do: :cambrian_task.trial(task, network)

  @doc false
  defmacro __using__(_opts) do
    quote do
      @behaviour Cambrian.Task
      @before_compile Cambrian.Task
    end
  end

  @doc false
  defmacro __before_compile__(env) do
    if Module.defines?(env.module, {:evaluate, 2}, :def) do
      quote do
        defoverridable evaluate: 2

        def evaluate(network, state) when is_reference(network),
          do: super(%Cambrian.Network{ref: network}, state)

        def evaluate(network, state), do: super(network, state)
      end
    end
  end
end
