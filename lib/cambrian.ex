defmodule Cambrian do
  @moduledoc """
  Evolves a neural network for a task.

      iex> {:ok, %{solved: true} = result} = Cambrian.evolve(:xor, seed: 42)
      iex> network = Cambrian.Network.compile(result.champion)
      iex> for a <- [0, 1], b <- [0, 1], [output] = Cambrian.Network.activate(network, [a, b]),
      ...>   do: round(output)
      [0, 1, 1, 0]

  `evolve/2` waits for the end. `Cambrian.Population` runs an evolution as a process, which you
  can watch, pause and supervise; `Cambrian.Bridge` joins populations of several machines, and
  `Cambrian.Governor` limits how much of this machine they may take. A task of your own is a
  function or a `Cambrian.Task`.
  """

  alias Cambrian.{Boundary, Error, Genotype, Result}

  # The docs list the options of this table.
  @external_resource "src/run/cambrian_population_options.erl"
  @external_resource "src/run/cambrian_goal.erl"

  @typedoc "A parameter: its name, default, range and meaning."
  @type parameter :: %{name: atom, default: term, expected: String.t(), about: String.t()}

  @doc """
  Evolves until the task is solved.

  A task is one of

    * a name of `tasks/0`, which runs in Rust, or `{name, settings}`, a keyword list or a map:
      `{:parity, bits: 5}` (2 to 12, by default 3), `{:sequence_recall, length: 1, delay: 4}`;
    * a module that uses `Cambrian.Task` or `Cambrian.Environment`, or `{module, args}` with the
      argument of its `init/1`;
    * another program: see `Cambrian.Program`;
    * a function from a `Cambrian.Network` to a fitness, with the options `:inputs` and `:outputs`;
    * `{:dataset, inputs, targets}`, two lists with as many rows of numbers; the fitness is
      1 / (1 + mean squared error);
    * `{:dataset, settings}`, with `:inputs` and `:targets`, each a list of rows, `{width,
      binary}` of 32-bit floats or, if Nx is loaded, a tensor of the shape `{n, width}`; a row of
      one number may be the number, and a tensor of the shape `{n}` is such a column; `:kind`,
      `:regression` or `:classification`; for the latter targets are classes (a list of integers,
      atoms or strings; the outputs are in their sorted order, see `Cambrian.Task.classes/1`) or
      one-hot rows, and the fitness is 1 / (1 + mean cross entropy); `:validation`, a share of the
      rows, the same of each class, that fitness does not see but `Cambrian.Task.trial/2`
      measures, or `{:last, n}` for the last rows; the `:seed` that draws them; `:loss`, for a
      regression `:squared`, `:absolute` or `{:huber, delta}` instead of the squared error; and
      `:weights`, for a classification `:equal`, `:balanced`, or a list with one for each class. A
      dataset has no trial that solves it: give a `:target`, or limits. `Cambrian.Data` makes one of
      a table with names, words and missing values.

  A fitness is a number, and more is better. For a repeatable run, the same network must always
  get the same fitness.

  The evolution stops when the calling process dies. A run that misses its goal is not an error:
  the result has the best network found, and `solved: false`.

  ## Options

  #{Cambrian.Options.list([:all, :evolve])}

  The options of `Cambrian.Population` that name and keep checkpoints, such as `:name`, work here
  too. `t:Cambrian.Population.goal/0` says how `:timeout` and `:evaluations` end a run within a
  generation, and `Cambrian.Report` what the page of `:report` shows.

  ## Errors

  `{:error, reason}` if an option, a parameter or the task is not sound: see
  `t:Cambrian.Error.reason/0`. Nothing has run then. An option without effect is an error too, as
  `:evaluation_timeout` for a task that runs in Rust.

  `{:error, {:evaluations_failed, %{count: count, first: fault}}}` if every evaluation of the
  first generation failed: there is nothing to select from.

      iex> {:error, reason} = Cambrian.evolve(fn _network -> :none end, inputs: 1, outputs: 1)
      iex> reason
      {:evaluations_failed, %{count: 150, first: {:bad_fitness, :none}}}

  ## Examples

  A function as the task:

      iex> half = fn network ->
      ...>   [output] = Cambrian.Network.activate(network, [1])
      ...>   1 - abs(output - 0.5)
      ...> end
      iex> options = [inputs: 1, outputs: 1, target: 0.99, seed: 7]
      iex> {:ok, %{solved: true, fitness: fitness}} = Cambrian.evolve(half, options)
      iex> fitness >= 0.99
      true

  A dataset, and another parameter:

      iex> conjunction = {:dataset, [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [0], [0], [1]]}
      iex> options = [target: 0.95, seed: 7, params: [add_node: 0.1]]
      iex> {:ok, result} = Cambrian.evolve(conjunction, options)
      iex> result.solved
      true

  From an earlier champion:

      iex> %{champion: champion} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, result} = Cambrian.evolve(:xor, from: champion, seed: 1)
      iex> {result.solved, result.generations}
      {true, 1}

  A mistake:

      iex> Cambrian.evolve(:xor, sede: 42)
      {:error,
       {:unknown_option, :sede,
        %{did_you_mean: :seed, see: "type cambrian_population:options()"}}}
  """
  @spec evolve(Cambrian.Task.task(), keyword) :: {:ok, Result.t()} | {:error, Error.reason()}
  def evolve(task, opts \\ []) do
    with {:ok, options} <- Boundary.options(opts),
         {:ok, result} <- :cambrian.evolve(Boundary.task(task), options) do
      {:ok, Boundary.result(result)}
    end
  end

  @doc """
  Does the same as `evolve/2`, but returns the result itself or raises a `Cambrian.Error`.

      iex> Cambrian.evolve!(:xor, seed: 42).solved
      true

      iex> Cambrian.evolve!(:xor, population: 1)
      ** (Cambrian.Error) parameter :population must be an integer from 2 to 1000000, got: 1
  """
  @spec evolve!(Cambrian.Task.task(), keyword) :: Result.t()
  def evolve!(task, opts \\ []) do
    case evolve(task, opts) do
      {:ok, result} -> result
      {:error, reason} -> raise Error, reason
    end
  end

  @doc """
  Lists the ancestry of a genotype as far as this node knows it: itself, its parents, their
  parents and so on, the nearest first.

  The node knows the champions of its populations with their line of fitter parents (and the other
  parent of each by name), back to the first generation, unless there was no better champion for
  so long that a line is lost. It also knows what others signed about theirs. `:origin` is `:own`,
  or the key whose signature was found genuine on the way. With the application's `:data_dir` set,
  this survives a restart.

  What others sign changes nothing about genotypes that were bred here. If several keys signed the
  same genotype, `:origin` is `:conflicting`, and `:breeders` has what each of them says, in the
  order of the times that they claim; `:measured` is the key that sent it when it was first
  measured here. Claimed parents that descend from the genotype are impossible: they are left out,
  and named as `:circular`.

      iex> %{champion: champion} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, [last | ancestors]} = Cambrian.lineage(champion)
      iex> {last.operators, last.generation, last.origin, length(ancestors)}
      {[:crossover, :perturb_weights], 23, :own, 19}
      iex> Cambrian.lineage(<<0::256>>)
      {:error, :unknown}
  """
  @spec lineage(Genotype.t() | Genotype.id()) ::
          {:ok, [:cambrian_lineage.entry(), ...]} | {:error, Error.reason()}
  def lineage(id) when is_binary(id), do: :cambrian.lineage(id)
  def lineage(genotype), do: :cambrian.lineage(Boundary.ref(genotype, Genotype))

  @doc """
  Lists every parameter with its description and range.

      iex> [first | _] = Cambrian.parameters()
      iex> {first.name, first.about, first.expected}
      {:population, "genotypes in a generation", "an integer from 2 to 1000000"}
  """
  @spec parameters() :: [parameter]
  defdelegate parameters, to: :cambrian

  @doc """
  Returns the default values of all parameters for a task of `tasks/0`.

      iex> {:ok, %{population: population}} = Cambrian.parameters(:xor)
      iex> population
      150

      iex> Cambrian.parameters(:chess)
      {:error, {:unknown_task, :chess, %{see: "cambrian:tasks/0"}}}
  """
  @spec parameters(Cambrian.Task.native()) :: {:ok, %{atom => term}} | {:error, Error.reason()}
  def parameters(task), do: :cambrian.parameters(Boundary.task(task))

  @doc """
  Lists the names of the tasks that come with Cambrian.

      iex> :xor in Cambrian.tasks()
      true
  """
  @spec tasks() :: [atom]
  defdelegate tasks, to: :cambrian
end
