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

  Evaluations run in separate processes, as many as the VM has schedulers; an evaluation that
  crashes, hangs or gives no number costs only its own fitness. See `Cambrian.evolve/2` for other
  kinds of tasks.

  ## Networks

  `evaluate/2` gets a `Cambrian.Network`. Erlang calls it with a bare reference, and `use
  Cambrian.Task` wraps the function so that both work: the module works with `Cambrian.evolve/2`,
  with `:cambrian.evolve/2` and when you call it yourself. A module with only `@behaviour
  Cambrian.Task` gets the bare reference, as a task written in Erlang does.
  """

  alias Cambrian.{Boundary, Error, Network}

  @typedoc "More is better."
  @type fitness :: number

  @typedoc """
  Rows of numbers: a list, one binary of little-endian 32-bit floats, or a tensor of Nx of the
  shape `{n, width}`. A list of numbers, or a tensor of the shape `{n}`, has rows of one number.

  The targets of a classification are a list of `t:label/0`, or rows with a 1 in the place of the
  class: see `classes/1`.
  """
  @type rows ::
          [Network.numbers() | number | label] | {width :: pos_integer, binary} | Network.tensor()

  @typedoc "A task of `Cambrian.tasks/0`, with settings or without, or a dataset."
  @type native ::
          atom
          | {atom, settings :: keyword | map}
          | {:dataset, inputs :: rows, targets :: rows}

  @typedoc "The label of a class."
  @type label :: integer | atom | String.t()

  @typedoc "Any task that `Cambrian.evolve/2` takes."
  @type task ::
          native | {module, args :: term} | (Network.t() -> fitness) | Cambrian.Program.task()

  @doc """
  Gives the size of the network, and the configuration that `evaluate/2` gets.

  The argument is the `args` of `{module, args}`, and `[]` for the module alone. The process that
  starts the evolution calls it.
  """
  @callback init(args :: term) ::
              {:ok, %{required(:inputs) => pos_integer, required(:outputs) => pos_integer},
               state :: term}

  @doc """
  Returns the fitness of a network, or a map that has it as `:fitness`.

  `:cases` are its results in each case, for the selection `:lexicase`. `:behaviour` tells in
  numbers what the network did, for searches that compare behaviours: as many numbers for every
  network.
  `:objectives` are several goals for the search `:pareto`, in each of which more is better. With
  objectives and that search, a fitness is not needed; without one it is their sum.

  For a repeatable run, the same network must always get the same fitness.
  """
  @callback evaluate(Network.t(), state :: term) ::
              fitness
              | %{
                  optional(:fitness) => fitness,
                  optional(:behaviour) => [float],
                  optional(:cases) => [float],
                  optional(:objectives) => [float]
                }

  @doc """
  Evaluates a network by any task that `Cambrian.evolve/2` takes. A function needs no sizes here,
  because the network has them.

  Options are `:timeout` (5,000), how many milliseconds the evaluation may take, or, in an
  environment, may pass without a step; `:memory` (268,435,456), the bytes that the code of a task
  may take, or `:infinity`; and for environments `:episodes`: a number, from 0, or a list of
  episodes, which may differ from those of evolution.

  A failing task is an error, `{:evaluation_failed, fault}`: `Cambrian.Error` describes it in
  words, with the stack of the task's code.

      iex> %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)
      iex> network = Cambrian.Network.compile(champion)
      iex> {:ok, again} = Cambrian.Task.evaluate(:xor, network)
      iex> again == fitness
      true
      iex> Cambrian.Task.evaluate(fn network -> Cambrian.Network.info(network).inputs end, network)
      {:ok, 2.0}
      iex> Cambrian.Task.evaluate({:parity, bits: 13}, network)
      {:error, {:bad_option, {:bits, 13, "an integer from 2 to 12"}}}
      iex> Cambrian.Task.evaluate(fn _ -> Process.sleep(60_000) end, network, timeout: 10)
      {:error, {:evaluation_failed, :timeout}}
  """
  @spec evaluate(task, Network.t(),
          timeout: timeout,
          memory: pos_integer | :infinity,
          episodes: pos_integer | [non_neg_integer]
        ) :: {:ok, float} | {:error, Error.reason()}
  def evaluate(task, network, opts \\ []) do
    reference = Boundary.ref(network, Network)

    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: :cambrian_task.evaluate(Boundary.task(task), reference, options)
  end

  @doc """
  Says whether a network solves a task of `Cambrian.tasks/0` by the task's own criterion, with the
  measurements. A task of your own has no trial: `{:error, {:no_trial, name}}`.

  For a dataset with held-out rows, `:validation` is the fitness on these; for a dataset of
  classes, `:classes` lists them in the order of the outputs.

      iex> %{champion: champion} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, trial} = Cambrian.Task.trial(:xor, Cambrian.Network.compile(champion))
      iex> {trial.solved, Keyword.keys(trial.facts)}
      {true, [:squared_error]}

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 1, outputs: 2, seed: 7)
      iex> inputs = for(x <- 1..20, do: x / 10)
      iex> data = [inputs: inputs, targets: for(x <- 1..20, do: rem(x, 2) == 1)]
      iex> dataset = {:dataset, [kind: :classification, validation: 0.2] ++ data}
      iex> {:ok, trial} = Cambrian.Task.trial(dataset, Cambrian.Network.compile(genotype))
      iex> {is_float(trial.validation), Keyword.keys(trial.facts), trial.classes}
      {true, [:error, :accuracy, :validation_error, :validation_accuracy], [false, true]}
  """
  @spec trial(task, Network.t()) ::
          {:ok,
           %{
             required(:solved) => boolean,
             required(:facts) => [{atom, float}],
             optional(:validation) => float,
             optional(:classes) => [label]
           }}
          | {:error, Error.reason()}
  def trial(task, network),
    do: :cambrian_task.trial(Boundary.task(task), Boundary.ref(network, Network))

  @doc """
  Lists the classes of a dataset in the order of the outputs: for the first class the first output
  should be the highest. A regression has none.

      iex> data = [inputs: [1, 2, 3, 4], targets: ["no", "yes", "maybe", "no"]]
      iex> Cambrian.Task.classes({:dataset, [kind: :classification] ++ data})
      {:ok, ["maybe", "no", "yes"]}
  """
  @spec classes({:dataset, keyword | map} | {:dataset, rows, rows}) ::
          {:ok, [label]} | {:error, Error.reason()}
  def classes(dataset), do: :cambrian_task.classes(Boundary.task(dataset))

  @doc """
  Returns the id by which other nodes know a task: only the same settings give the same id.

      iex> Cambrian.Task.id(:parity)
      "parity"
      iex> Cambrian.Task.id({:parity, bits: 5})
      "parity/4f654de4"
  """
  @spec id(term) :: String.t()
  def id(task), do: :cambrian_task.id(Boundary.task(task))

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
