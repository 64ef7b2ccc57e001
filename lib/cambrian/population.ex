defmodule Cambrian.Population do
  # The docs list the options of this table.
  @external_resource "src/run/cambrian_population_options.erl"
  @external_resource "src/run/cambrian_goal.erl"

  @moduledoc """
  Runs a population as a process: it evolves, you can watch, pause, feed and query it, and it
  comes back at its last checkpoint when it dies.

      iex> {:ok, population} = Cambrian.Population.start(task: :xor, seed: 42)
      iex> :ok = Cambrian.Population.run(population)
      iex> {:ok, %Cambrian.Result{solved: true}} = Cambrian.Population.await(population, 60_000)
      iex> Cambrian.Population.stop(population)
      :ok

  Under a supervisor of your own it is a child like any other:

      children = [{Cambrian.Population, task: :xor, name: :xor, run: true}]
      Supervisor.start_link(children, strategy: :one_for_one)

  Without `:run` a population starts idle. A population that was running when it died continues
  where it was, and ends with the same champion as one that never died.

  ## Options

  The options of `Cambrian.evolve/2` except `:progress` and `:report`, and

  #{Cambrian.Options.list([:population])}

  A start under the name of a live population is `{:error, {:already_started, pid}}`, and under the
  name of another process `{:error, {:name_taken, name}}`; it drops no checkpoints.

  There is no limit on generations unless you give one.

  A population that continues from a checkpoint has its seed, parameters, substrate and `:from`.
  Options that contradict these are an error, `{:checkpoint_differs, name, own, given}`; goals and
  limits may be new.

  ## Many of them

  A population without a name also has a checkpoint, from which its supervisor restarts it; any
  number of them can run under a `DynamicSupervisor`:

      DynamicSupervisor.start_child(supervisor, {Cambrian.Population, task: :xor})

  A `PartitionSupervisor` starts all its children with the same arguments. Give each a name of its
  own, or they share a checkpoint:

      {PartitionSupervisor,
       name: Islands,
       child_spec: {Cambrian.Population, task: :xor},
       with_arguments: fn [options], partition ->
         [Keyword.merge(options, name: :"island_\#{partition}", seed: partition)]
       end}

  ## Events

  After `subscribe/1` the process gets Erlang messages, `{:cambrian, name, event}`. For a
  population without a name, a reference stands for the name, which is also the `:name` of
  `info/1`. An event is

  | event | when |
  | --- | --- |
  | `{:generation, stats}` | a generation was evaluated; `t:stats/0` |
  | `{:champion, %{champion: reference, fitness: fitness, generation: generation, parents: ids, operators: names, sources: sources}}` | there is a new best champion, or one that replaces a banned one |
  | `{:finished, result}` | the goal was reached; a map with the keys of `Cambrian.Result` |
  | `{:received, %{id: id, from: term, fitness: fitness, work: work, generation: generation, outcome: outcome}}` | a genotype from elsewhere was evaluated, which cost `work` (`Cambrian.Genotype.cost/1`); the outcome is `:accepted`, or the reason against it: `:shape`, `:known`, `:not_better`, `:not_finite`, `:behaviour` (in a search that compares behaviours, its own has another length), `:objectives` (in the search `:pareto`, it has another number of them), `:full` (a tenth of the generation came from strangers already, and this genotype is not better than all here), or, without a fitness, `:failed`, `:late` (missed its deadline, in a task in Rust) or `:banned`; or `:too_costly`: not evaluated, with `cost`, `median` and `bound` |
  | `{:purged, %{generation: generation, leaving: count, newcomers: count, founded: boolean, champion: boolean}}` | genotypes were banned: see `purge/2` |
  | `{:evaluations_failed, %{count: count, first: fault}}` | evaluations crashed, hung or gave no number |
  | `{:checkpoint_failed, %{generation: generation, reason: reason}}` | the first of several failures in a row to write a checkpoint; evolution goes on |
  | `{:failed, reason}` | the function of `:until` crashed or gave no boolean, or the whole first generation failed; the run stopped, and callers of `await/2` get `{:error, reason}` |

  A genotype in an event is the bare reference; `%Cambrian.Genotype{ref: reference}` is the struct.

  ## Errors

  A call to a population that does not exist exits, as with any process.
  """

  alias Cambrian.{Boundary, Error, Genotype, Result}

  @type t :: pid | atom

  @typedoc """
  When to stop, whichever comes first: `:target`, `:until`, `:generations`, `:evaluations`,
  `:timeout` and `:patience`, as among the options of `Cambrian.evolve/2`.

  `:evaluations` and `:timeout` may end a run within a generation. The evaluations of that
  generation so far count in the result. If the population continues later, it evaluates that
  generation again, as if it had not been cut. `:evaluations` is exact, except that trials do not
  count. `:timeout` is time on the clock: the run then drops what is under way, an evaluation, a
  trial or the making of the next generation, in Rust within some milliseconds. Only the first
  evaluation of a run goes on, because without it there is no result: until one has succeeded, but
  for little longer than `:evaluation_timeout`, or 5 s for a task in Rust. Networks that live
  together in an environment or a program end together; if none of them has ended by then, the
  answer is `{:error, :timeout}`.
  """
  @type goal :: [
          target: number,
          until: (stats -> boolean),
          generations: pos_integer,
          evaluations: pos_integer,
          timeout: timeout,
          patience: pos_integer
        ]

  @typedoc "A generation of `history/1`; `:species` is their number."
  @type page :: %{
          generation: non_neg_integer,
          evaluations: non_neg_integer,
          failures: non_neg_integer,
          best: float,
          mean: float,
          species: pos_integer,
          mean_nodes: float,
          mean_connections: float,
          elapsed_ms: non_neg_integer
        }

  @typedoc """
  The numbers of a generation. `:species` has the id and size of each; `:best` and `:mean` are
  over the fitnesses of this generation; `:evaluations`, the `:failures` among them, and
  `:elapsed_ms` are counted from the beginning.
  """
  @type stats :: %{
          generation: non_neg_integer,
          evaluations: non_neg_integer,
          failures: non_neg_integer,
          best: float,
          mean: float,
          species: [{id :: non_neg_integer, size :: pos_integer}],
          mean_nodes: float,
          mean_connections: float,
          elapsed_ms: non_neg_integer,
          evaluations_per_second: non_neg_integer
        }

  @typedoc """
  `:generation` is the one in which it was found to be the best; `:parents`, the fitter first, and
  `:operators` say how it arose: see `Cambrian.lineage/1`. `:sources` are the newcomers from
  elsewhere whose genes it carries: see `purge/2`.
  """
  @type champion :: %{
          champion: Genotype.t(),
          fitness: float,
          generation: non_neg_integer,
          parents: [Genotype.id()],
          operators: [atom],
          sources: [%{genotype: Genotype.id(), keys: [Cambrian.Identity.key()]}]
        }

  @typedoc """
  The effect of a ban: how many genotypes are `:leaving` with the next generation, and how many
  waiting `:newcomers` are not taken in; `:founded` if none stays, so that all are new;
  `:champion` if the best so far is banned.
  """
  @type purged :: %{
          generation: non_neg_integer,
          leaving: non_neg_integer,
          newcomers: non_neg_integer,
          founded: boolean,
          champion: boolean
        }

  @doc """
  Starts a population linked to the caller, or under a supervisor by `child_spec/1`.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, name: :of_the_docs)
      iex> population == Process.whereis(:of_the_docs)
      true
      iex> Cambrian.Population.stop(:of_the_docs)
      :ok

      iex> {:error, {:bad_option, {:seed, -1, expected}}} =
      ...>   Cambrian.Population.start_link(task: :xor, seed: -1)
      iex> to_string(expected)
      "an integer from 0 to 2^64 - 1"
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Error.reason()}
  def start_link(opts) do
    with {:ok, options} <- Boundary.options(opts),
         do: :cambrian_population.start_link(options)
  end

  @doc """
  Starts a population under Cambrian's own supervisor: it outlives the caller.

      iex> Cambrian.Population.start([])
      {:error, {:missing_options, [:task]}}
  """
  @spec start(keyword) :: {:ok, pid} | {:error, Error.reason()}
  def start(opts) do
    with {:ok, options} <- Boundary.options(opts), do: :cambrian_population.start(options)
  end

  @doc """
  Returns the child specification for a supervisor. The child's id is its name, or
  `Cambrian.Population`.

      iex> Cambrian.Population.child_spec(task: :xor, name: :pole).id
      :pole
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    # A child without a name gets one that its checkpoint is found by after a crash.
    opts = Keyword.put(opts, :name, opts[:name] || make_ref())
    # The first start discards the checkpoints of that name; a start after a crash does not.
    opts = if opts[:resume] == false, do: Keyword.put_new(opts, :discard, make_ref()), else: opts

    %{
      id: if(is_reference(opts[:name]), do: __MODULE__, else: opts[:name]),
      start: {__MODULE__, :start_link, [opts]},
      restart: :transient
    }
  end

  @doc """
  Evolves until the goal is reached; answers at once.

  The arguments here override the goal in the options.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
      iex> :ok = Cambrian.Population.run(population, generations: 3)
      iex> {:ok, result} = Cambrian.Population.await(population, 60_000)
      iex> result.generations
      3
      iex> {:error, {:bad_option, {:generations, 0, _expected}}} =
      ...>   Cambrian.Population.run(population, generations: 0)

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> :ok = Cambrian.Population.run(population, until: &(&1.evaluations > 400))
      iex> {:ok, result} = Cambrian.Population.await(population, 60_000)
      iex> {result.solved, result.generations, result.evaluations}
      {true, 3, 447}
  """
  @spec run(t, goal) :: :ok | {:error, Error.reason()}
  def run(population, goal \\ []) do
    with {:ok, goal} <- Boundary.to_map(:goal, goal),
         do: :cambrian_population.run(population, goal)
  end

  @doc """
  Evolves the given number of generations, and answers when they are done or the goal is reached.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
      iex> {:ok, stats} = Cambrian.Population.step(population, 2)
      iex> {stats.generation, stats.evaluations}
      {1, 299}

  `{:error, :running}` if it is already running.
  """
  @spec step(t, pos_integer) :: {:ok, stats} | {:error, :running | Error.reason()}
  defdelegate step(population, generations), to: :cambrian_population

  @doc """
  Stops after the current generation.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :double_pole, target: 1.0e9)
      iex> :ok = Cambrian.Population.run(population)
      iex> Cambrian.Population.pause(population)
      :ok
  """
  @spec pause(t) :: :ok
  defdelegate pause(population), to: :cambrian_population

  @doc """
  Continues after a pause.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1, generations: 9)
      iex> :ok = Cambrian.Population.run(population)
      iex> :ok = Cambrian.Population.pause(population)
      iex> :ok = Cambrian.Population.resume(population)
      iex> {:ok, result} = Cambrian.Population.await(population, 60_000)
      iex> result.generations
      9
  """
  @spec resume(t) :: :ok
  defdelegate resume(population), to: :cambrian_population

  @doc """
  Ends the population, and drops its current work.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor)
      iex> Cambrian.Population.stop(population)
      :ok
      iex> Process.alive?(population)
      false
  """
  @spec stop(t) :: :ok
  defdelegate stop(population), to: :cambrian_population

  @doc """
  Waits, in ms or for `:infinity`, until the goal is reached.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor)
      iex> Cambrian.Population.await(population, 10)
      {:error, :timeout}
  """
  @spec await(t, timeout) :: {:ok, Result.t()} | {:error, :timeout | Error.reason()}
  def await(population, timeout) do
    with {:ok, result} <- :cambrian_population.await(population, timeout),
         do: {:ok, Boundary.result(result)}
  end

  @doc """
  Returns the best genotype of all generations so far.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
      iex> Cambrian.Population.best(population)
      {:error, :not_evaluated}
      iex> {:ok, %{best: best}} = Cambrian.Population.step(population, 1)
      iex> {:ok, %{champion: champion, fitness: ^best}} = Cambrian.Population.best(population)
      iex> %Cambrian.Genotype{} = champion
  """
  @spec best(t) :: {:ok, champion} | {:error, :not_evaluated}
  def best(population), do: champion(:cambrian_population.best(population))

  @doc """
  Returns the archive of a population with `search: :map_elites`, also while it runs: that of the
  last generation that was evaluated.

      iex> options = [task: :maze_medium, search: :map_elites, seed: 1]
      iex> {:ok, population} = Cambrian.Population.start_link(options)
      iex> {:ok, _stats} = Cambrian.Population.step(population, 2)
      iex> {:ok, archive} = Cambrian.Population.archive(population)
      iex> Cambrian.Archive.stats(archive).cells
      2500
  """
  @spec archive(t) :: {:ok, Cambrian.Archive.t()} | {:error, :no_archive}
  def archive(population) do
    with {:ok, reference} <- :cambrian_population.archive(population),
         do: {:ok, %Cambrian.Archive{ref: reference}}
  end

  defp champion({:ok, %{champion: reference} = champion}),
    do: {:ok, %{champion | champion: %Genotype{ref: reference}}}

  defp champion(error), do: error

  @doc """
  Returns the front of the last evaluated generation, in the search `:pareto`: the genotypes than
  which no other is as good in every objective and better in one. The first objective descends.
  Other searches have none.

      iex> options = [task: :zdt1, search: :pareto, seed: 42]
      iex> {:ok, population} = Cambrian.Population.start_link(options)
      iex> {:ok, _} = Cambrian.Population.step(population, 5)
      iex> {:ok, [%{genotype: %Cambrian.Genotype{}, objectives: objectives} | _]} =
      ...>   Cambrian.Population.front(population)
      iex> length(objectives)
      2
  """
  @spec front(t) ::
          {:ok, [Cambrian.Result.compromise()]} | {:error, :not_evaluated | :no_front}
  def front(population) do
    with {:ok, front} <- :cambrian_population.front(population),
         do: {:ok, Cambrian.Result.front(front)}
  end

  @doc """
  Picks a genotype of the last evaluated generation to send elsewhere.

    * `:champion` - as `best/1`.
    * `:tournament` - the fittest of three random ones.
    * `:novel` - the genotype of the fitter half that is most unlike the others here.
    * `:random` - any genotype.

  Each call draws anew; a run with the same seed draws the same genotypes.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
      iex> Cambrian.Population.migrant(population, :novel)
      {:error, :not_evaluated}
      iex> {:ok, _stats} = Cambrian.Population.step(population, 2)
      iex> {:ok, migrant} = Cambrian.Population.migrant(population, :novel)
      iex> %{champion: %Cambrian.Genotype{}, fitness: _, generation: 1} = migrant
      iex> is_list(migrant.parents) and is_list(migrant.operators)
      true
  """
  @spec migrant(t, :champion | :tournament | :novel | :random) ::
          {:ok, champion} | {:error, :not_evaluated}
  def migrant(population, policy),
    do: champion(:cambrian_population.migrant(population, policy))

  @doc """
  Returns the numbers of the last evaluated generation.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1, population: 50)
      iex> Cambrian.Population.stats(population)
      {:error, :not_evaluated}
      iex> {:ok, stats} = Cambrian.Population.step(population, 1)
      iex> Cambrian.Population.stats(population) == {:ok, stats}
      true
      iex> stats.species |> Enum.map(fn {_id, size} -> size end) |> Enum.sum()
      50
  """
  @spec stats(t) :: {:ok, stats} | {:error, :not_evaluated}
  defdelegate stats(population), to: :cambrian_population

  @doc """
  Lists the population's generations from the beginning, oldest first, including those before a
  crash or a power cut: each of the first thousand, then evenly chosen ones.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, _stats} = Cambrian.Population.step(population, 3)
      iex> for page <- Cambrian.Population.history(population),
      ...>   do: {page.generation, page.evaluations, page.species}
      [{0, 150, 2}, {1, 299, 3}, {2, 447, 5}]
  """
  @spec history(t) :: [page]
  defdelegate history(population), to: :cambrian_population

  @doc """
  Offers a genotype from elsewhere.

  The population evaluates it with the next generation, or at once if it rests after one. The
  genotype then takes the place of the worst of its species if it is better; a `:received` event
  says the outcome. `{:error, :busy}` if 64 are waiting already, or several with two million
  connections together.

      iex> %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
      iex> :ok = Cambrian.Population.inject(population, champion)
      iex> {:ok, %{best: best}} = Cambrian.Population.step(population, 1)
      iex> best == fitness
      true
  """
  @spec inject(t, Genotype.t()) :: :ok | {:error, :busy}
  def inject(population, genotype),
    do: :cambrian_population.inject(population, Boundary.ref(genotype, Genotype))

  @doc """
  Removes banned genotypes: newcomers with these `:genotypes` (ids) or from these `:keys`, and
  every genotype that carries their genes. A bridge does this for the bans of its realm
  (`Cambrian.Trust.ban/3`).

  From now on none of these genotypes is evaluated, breeds, is the best or goes to others, and the
  next generation has none of them: their places go to the offspring of the others or, if none is
  left, to new genotypes like the first ones. `best/1` is then the best of those that stay, and a
  result with a banned champion is withdrawn.

  A genotype carries a newcomer's genes as long as one of its connections or neurons came from it:
  through mutation, tuning, and crossovers that took that gene from the parent that had it.

      iex> %{champion: champion} = Cambrian.evolve!(:xor, seed: 42)
      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1, target: 99)
      iex> :ok = Cambrian.Population.inject(population, champion)
      iex> {:ok, _stats} = Cambrian.Population.step(population, 3)
      iex> {:ok, %{sources: [%{genotype: id}]}} = Cambrian.Population.best(population)
      iex> {:ok, purged} = Cambrian.Population.purge(population, genotypes: [id])
      iex> {purged.champion, purged.founded}
      {true, false}
      iex> {:ok, %{sources: sources}} = Cambrian.Population.best(population)
      iex> sources
      []
  """
  @spec purge(t, keys: [Cambrian.Identity.key()], genotypes: [Genotype.id()]) ::
          {:ok, purged} | {:error, Error.reason()}
  def purge(population, banned) do
    with {:ok, banned} <- Boundary.to_map(:banned, banned),
         do: :cambrian_population.purge(population, banned)
  end

  @doc """
  Returns the state as bytes: the generation under evaluation, with all results of earlier
  generations.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
      iex> {:ok, bytes} = Cambrian.Population.checkpoint(population)
      iex> is_binary(bytes)
      true
  """
  @spec checkpoint(t) :: {:ok, binary}
  defdelegate checkpoint(population), to: :cambrian_population

  @doc """
  Sends events to the calling process, until it ends or unsubscribes. See "Events" above.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1, name: :watched)
      iex> :ok = Cambrian.Population.subscribe(:watched)
      iex> {:ok, stats} = Cambrian.Population.step(population, 1)
      iex> receive do
      ...>   {:cambrian, :watched, {:generation, ^stats}} -> :seen
      ...> end
      :seen
  """
  @spec subscribe(t) :: :ok
  defdelegate subscribe(population), to: :cambrian_population

  @doc """
  Ends the events for the calling process.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor)
      iex> :ok = Cambrian.Population.subscribe(population)
      iex> Cambrian.Population.unsubscribe(population)
      :ok
  """
  @spec unsubscribe(t) :: :ok
  defdelegate unsubscribe(population), to: :cambrian_population

  @doc """
  Returns the task, the parameters and the seed of the population.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1, population: 50)
      iex> info = Cambrian.Population.info(population)
      iex> {info.task, info.seed, info.generation, info.inputs, info.outputs}
      {:xor, 1, 0, 2, 1}
      iex> info.parameters.population
      50
  """
  @spec info(t) :: %{
          name: term,
          task: atom,
          task_id: String.t(),
          seed: Genotype.seed(),
          generation: non_neg_integer,
          evaluations: non_neg_integer,
          failures: non_neg_integer,
          inputs: pos_integer,
          outputs: pos_integer,
          networks: {inputs :: pos_integer, outputs :: pos_integer},
          parameters: %{atom => term}
        }
  defdelegate info(population), to: :cambrian_population
end
