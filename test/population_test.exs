defmodule Cambrian.PopulationTest do
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Network, Population, Result}

  doctest Population

  @moduletag timeout: 60_000

  # The last child of a supervisor whose first child is a population. At each start it sends the
  # registered process, so also when the population has restarted.
  defp herald(name) do
    test = self()

    %{
      id: :herald,
      start: {Agent, :start_link, [fn -> send(test, {:up, Process.whereis(name)}) end]}
    }
  end

  defp name, do: :"population_#{System.unique_integer([:positive])}"

  test "a killed population restarts under its supervisor and ends with the same champion" do
    name = name()
    goal = [task: :xor, seed: 11, target: 5, generations: 60]

    children = [{Population, [name: name] ++ goal}, herald(name)]

    start_supervised!(%{
      id: :sup,
      start: {Supervisor, :start_link, [children, [strategy: :rest_for_one]]}
    })

    assert_receive {:up, first}

    :ok = Population.subscribe(name)
    :ok = Population.run(name)
    assert_receive {:cambrian, ^name, {:generation, %{generation: 5}}}
    Process.exit(first, :kill)

    assert_receive {:up, second}
    assert is_pid(second) and second != first
    assert Population.info(name).generation >= 5
    assert {:ok, %Result{generations: 60} = result} = Population.await(name, 300_000)

    undisturbed = Cambrian.evolve!(:xor, Keyword.delete(goal, :task))
    assert Genotype.id(result.champion) == Genotype.id(undisturbed.champion)
    assert result.fitness == undisturbed.fitness
    assert result.evaluations == undisturbed.evaluations
  end

  test "a population without a name continues after a restart" do
    spec = Population.child_spec(task: :xor, target: 5, generations: 60)
    assert spec.id == Population
    {module, function, args} = spec.start

    # as a supervisor does
    Process.flag(:trap_exit, true)
    {:ok, first} = apply(module, function, args)
    :ok = Population.subscribe(first)
    :ok = Population.run(first)
    assert_receive {:cambrian, _, {:generation, %{generation: 5}}}
    Process.exit(first, :kill)
    assert_receive {:EXIT, ^first, :killed}

    {:ok, second} = apply(module, function, args)
    assert Population.info(second).generation >= 5
    assert {:ok, %{generations: 60}} = Population.await(second, 300_000)
  end

  test "several populations under one supervisor have their own names and restart alone" do
    [one, other] = [name(), name()]

    children =
      for name <- [one, other], do: {Population, task: :xor, name: name, seed: 11, target: 5}

    start_supervised!(%{
      id: :sup,
      start: {Supervisor, :start_link, [children, [strategy: :one_for_one]]}
    })

    {:ok, _} = Population.step(one, 4)
    undisturbed = Process.whereis(other)
    kill(Process.whereis(one))
    assert back(fn -> Population.info(one) end).generation >= 3
    assert Process.whereis(other) == undisturbed
    assert Population.info(other).generation == 0
  end

  test "populations without a name under a dynamic supervisor have their own checkpoints" do
    supervisor = start_supervised!({DynamicSupervisor, strategy: :one_for_one})

    populations =
      for generations <- [2, 4, 6] do
        child = {Population, task: :xor, seed: generations, target: 5}
        {:ok, population} = DynamicSupervisor.start_child(supervisor, child)
        {:ok, _} = Population.step(population, generations)
        {population, generations}
      end

    for {population, generations} <- populations do
      %{name: name, generation: generation} = Population.info(population)
      assert generation == generations - 1
      kill(population)

      assert %{seed: ^generations, generation: ^generation} =
               back(fn ->
                 DynamicSupervisor.which_children(supervisor)
                 |> Enum.map(fn {_, pid, _, _} -> Population.info(pid) end)
                 |> Enum.find(&(&1.name == name)) || exit(:not_yet)
               end)
    end
  end

  test "a partition supervisor gives each population a name and a seed" do
    islands = name()

    start_supervised!(
      {PartitionSupervisor,
       name: islands,
       partitions: 3,
       child_spec: {Population, task: :xor},
       with_arguments: fn [options], partition ->
         [Keyword.merge(options, name: :"#{islands}_#{partition}", seed: partition)]
       end}
    )

    for partition <- 0..2 do
      assert %{seed: ^partition} = Population.info(:"#{islands}_#{partition}")
    end

    assert PartitionSupervisor.count_children(islands).active == 3
  end

  # Returns once the supervisor knows it.
  defp kill(population) do
    monitor = Process.monitor(population)
    Process.exit(population, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^population, :killed}
  end

  # The answer once the population has restarted.
  defp back(ask, tries \\ 15_000) do
    ask.()
  catch
    :exit, _ when tries > 0 ->
      Process.sleep(20)
      back(ask, tries - 1)
  end

  test "messages that the function of :until leaves behind change no run" do
    run = fn until ->
      {:ok, %{champion: champion, generations: 20}} =
        Cambrian.evolve(:xor, seed: 3, target: 99, generations: 20, until: until)

      Cambrian.Genotype.id(champion)
    end

    leaves = fn %{generation: generation} ->
      if generation == 5, do: Task.async(fn -> :ok end)
      false
    end

    assert run.(leaves) == run.(fn _ -> false end)
  end

  test "await is answered by the restarted population" do
    {:ok, population} = Population.start(task: :xor, seed: 1, target: 99, generations: 200)
    :ok = Population.subscribe(population)
    :ok = Population.run(population)
    waiting = Task.async(fn -> Population.await(population, 300_000) end)
    assert_receive {:cambrian, _, {:generation, %{generation: 5}}}
    kill(population)
    assert {:ok, %{generations: 200}} = Task.await(waiting, 300_000)
    assert %{generation: 199} = Population.info(population)
    :ok = Population.stop(population)
  end

  test "a goal may be a function of the stats, whose failure is an error" do
    {:ok, population} = Population.start_link(task: :xor, seed: 1, target: 5)
    :ok = Population.subscribe(population)
    :ok = Population.run(population, until: &(&1.generation == 2))
    assert {:ok, %{solved: true, generations: 3}} = Population.await(population, 300_000)

    :ok = Population.run(population, until: fn _ -> :perhaps end)

    assert {:error, {:bad_option, {:until, :perhaps, _}} = reason} =
             Population.await(population, 300_000)

    assert_receive {:cambrian, _, {:failed, ^reason}}

    assert_raise Cambrian.Error,
                 ~r/^the function of :until failed: \*\* \(RuntimeError\) no/,
                 fn ->
                   Cambrian.evolve!(:xor, target: 5, until: fn _ -> raise("no") end)
                 end
  end

  test "patience ends a run without improvement, and the history has all generations" do
    {:ok, population} =
      Population.start_link(
        task: fn _ -> 1 end,
        inputs: 1,
        outputs: 1,
        population: 10,
        patience: 4,
        evaluation_memory: :infinity,
        nodes: []
      )

    :ok = Population.run(population)
    assert {:ok, %{solved: false, generations: 5}} = Population.await(population, 300_000)
    assert [0, 1, 2, 3, 4] = Enum.map(Population.history(population), & &1.generation)
  end

  test "held-back rows choose the champion, and the result has its validation" do
    rows = for x <- 1..20, do: [x / 10]
    dataset = {:dataset, inputs: rows, targets: rows, validation: 0.25}

    assert {:ok, %Result{validation: validation, solved: false}} =
             Cambrian.evolve(dataset, generations: 5, seed: 1, population: 20)

    assert is_float(validation)
    assert %Result{validation: nil} = Cambrian.evolve!(:xor, seed: 42)
  end

  test "events report generations, champions and the end" do
    {:ok, population} = Population.start_link(task: :xor, seed: 42)
    %{name: name} = Population.info(population)
    :ok = Population.subscribe(population)
    :ok = Population.run(population)
    {:ok, result} = Population.await(population, 300_000)

    assert_receive {:cambrian, ^name, {:finished, %{solved: true} = finished}}
    assert finished.generations == result.generations
    assert Genotype.id(%Genotype{ref: finished.champion}) == Genotype.id(result.champion)

    assert_received {:cambrian, ^name, {:champion, %{champion: reference, generation: 0}}}
    assert %{inputs: 2, outputs: 1} = Genotype.info(%Genotype{ref: reference})

    for generation <- 0..(result.generations - 1) do
      assert_received {:cambrian, ^name, {:generation, %{generation: ^generation}}}
    end

    :ok = Population.unsubscribe(population)
    {:ok, %{generation: after_the_end}} = Population.step(population, 1)
    refute_received {:cambrian, _, {:generation, %{generation: ^after_the_end}}}
  end

  test "stats, best and info are of the same generation" do
    {:ok, population} = Population.start_link(task: :xor, seed: 1, population: 40)
    assert Population.stats(population) == {:error, :not_evaluated}
    assert Population.best(population) == {:error, :not_evaluated}

    {:ok, stats} = Population.step(population, 3)
    assert %{generation: 2, evaluations: evaluations, mean_nodes: nodes} = stats
    # the elite keeps its fitness
    assert evaluations in 100..120
    assert nodes >= 3
    assert stats.best >= stats.mean
    assert Population.stats(population) == {:ok, stats}

    assert {:ok, %{champion: %Genotype{} = champion, fitness: fitness}} =
             Population.best(population)

    assert {:ok, ^fitness} = Cambrian.Task.evaluate(:xor, Network.compile(champion))
    assert %{generation: 2, seed: 1, parameters: %{population: 40}} = Population.info(population)
  end

  test "steps and a run find the same champion" do
    {:ok, stepped} = Population.start_link(task: :xor, seed: 2, target: 5)
    for _ <- 1..10, do: {:ok, _} = Population.step(stepped, 1)
    {:ok, %{champion: champion}} = Population.best(stepped)

    result = Cambrian.evolve!(:xor, seed: 2, target: 5, generations: 10)
    assert Genotype.id(champion) == Genotype.id(result.champion)
  end

  test "a running population refuses steps, can be paused and goes on" do
    {:ok, population} = Population.start_link(task: :xor, target: 5)
    :ok = Population.subscribe(population)
    :ok = Population.run(population)
    assert Population.step(population, 1) == {:error, :running}
    assert Population.await(population, 1) == {:error, :timeout}

    :ok = Population.pause(population)
    # the pause waits for the end of the generation, then a step is accepted
    assert {:ok, %{generation: paused}} = step_when_idle(population)
    assert Population.info(population).generation == paused

    :ok = Population.run(population, generations: paused + 3)

    assert {:ok, %{generations: generations, solved: false}} =
             Population.await(population, 300_000)

    assert generations == paused + 3
  end

  # After each refusal comes the event of the generation under way.
  defp step_when_idle(population) do
    case Population.step(population, 1) do
      {:error, :running} ->
        assert_receive {:cambrian, _, {:generation, _}}
        step_when_idle(population)

      answer ->
        answer
    end
  end

  test "an injected genotype is evaluated and reported" do
    %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)
    {:ok, stranger} = Genotype.new(inputs: 3, outputs: 1, seed: 1)
    {:ok, population} = Population.start_link(task: :xor, seed: 1)
    :ok = Population.subscribe(population)
    :ok = Population.inject(population, champion)
    :ok = Population.inject(population, stranger)
    {:ok, %{best: best}} = Population.step(population, 1)
    assert best == fitness

    id = Genotype.id(champion)
    assert_receive {:cambrian, _, {:received, %{id: ^id, outcome: :accepted, fitness: ^fitness}}}
  end

  test "a full queue refuses injected genotypes as busy" do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 1)
    {:ok, population} = Population.start_link(task: :xor)
    for _ <- 1..64, do: :ok = Population.inject(population, genotype)
    assert Population.inject(population, genotype) == {:error, :busy}
  end

  test "failed evaluations are reported" do
    {:ok, population} =
      Population.start_link(task: fn _ -> :rubbish end, inputs: 1, outputs: 1, population: 10)

    :ok = Population.subscribe(population)
    failed = {:evaluations_failed, %{count: 10, first: {:bad_fitness, :rubbish}}}
    assert {:error, ^failed} = Population.step(population, 1)
    assert {:error, ^failed} = Population.await(population, 300_000)

    assert_receive {:cambrian, _, ^failed}
    assert_receive {:cambrian, _, {:failed, ^failed}}
  end

  test "a checkpoint depends only on the seed" do
    checkpoints =
      for _ <- 1..2 do
        {:ok, population} = Population.start_link(task: :xor, seed: 9)
        {:ok, _} = Population.step(population, 2)
        {:ok, bytes} = Population.checkpoint(population)
        bytes
      end

    assert [same, same] = checkpoints
    assert is_binary(same)
  end

  test "start/1 outlives its caller" do
    {:ok, population} = Task.await(Task.async(fn -> Population.start(task: :xor) end))
    assert Process.alive?(population)
    assert Population.stop(population) == :ok
  end

  test "a wrong option is an error and no crash" do
    assert Population.start_link([]) == {:error, {:missing_options, [:task]}}

    assert {:error, {:unknown_option, :sede, %{did_you_mean: :seed}}} =
             Population.start(task: :xor, sede: 1)

    assert {:error, {:bad_option, {:options, :xor, _}}} = Population.start(:xor)

    {:ok, population} = Population.start_link(task: :xor)
    assert {:error, {:unknown_option, :seed, _}} = Population.run(population, seed: 1)
    assert {:error, {:bad_option, {:goal, 3, _}}} = Population.run(population, 3)
  end

  test "name: nil gives the population no name" do
    {:ok, population} = Population.start_link(task: :xor, name: nil)
    assert is_reference(Population.info(population).name)
    assert Process.whereis(nil) == nil
  end

  test "a population with run: true runs from its start under a supervisor" do
    population = start_supervised!({Population, task: :xor, seed: 42, run: true})
    assert {:ok, %{solved: true, generations: 24}} = Population.await(population, 300_000)
  end

  test "a population may start from given genotypes" do
    %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)

    for from <- [champion, [champion]] do
      {:ok, population} = Population.start_link(task: :xor, from: from, seed: 1)
      {:ok, %{best: best}} = Population.step(population, 1)
      assert best >= fitness
    end

    for from <- [[], [champion | :rest], [champion.ref, 1], :champion] do
      assert {:error, {:bad_option, {:from, _, expected}}} =
               Population.start_link(task: :xor, from: from)

      assert expected == "a genotype, or a list of one or more"
    end

    assert Population.start_link(task: :parity, from: champion) ==
             {:error, {:wrong_size, :inputs, 3, 2}}
  end

  test "a name in use is refused" do
    name = name()
    {:ok, population} = Population.start_link(task: :xor, name: name)

    assert Population.start_link(task: :xor, name: name) ==
             {:error, {:already_started, population}}
  end
end

defmodule Cambrian.PopulationFilesTest do
  # Not async: the directory of checkpoints is the same for all populations.
  use ExUnit.Case, async: false

  alias Cambrian.Population

  test "a checkpoint that cannot be written is reported, and the run goes on" do
    dir = Path.join(System.tmp_dir!(), "cambrian_no_folder_#{System.pid()}")
    on_exit(fn -> File.rm_rf!(dir) end)
    population = :population_that_cannot_write
    Application.put_env(:cambrian, :data_dir, dir)
    on_exit(fn -> Application.delete_env(:cambrian, :data_dir) end)
    # a single checkpoint, so the population stops before it could write another
    options = [task: :xor, name: population, checkpoint_interval: 0, checkpoints: 1]
    start_supervised!({Population, options})
    :ok = Population.subscribe(population)
    File.rm_rf!(dir)
    File.write!(dir, "")
    assert {:ok, _} = Population.step(population, 2)
    assert_receive {:cambrian, ^population, {:checkpoint_failed, %{reason: reason}}}
    assert Exception.message(Cambrian.Error.exception(reason)) =~ "not a directory"
  end
end
