defmodule Cambrian.TaskTest do
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Network, Population}

  doctest Cambrian.Task

  defmodule Half do
    use Cambrian.Task

    @impl true
    def init(aim: aim), do: {:ok, %{inputs: 1, outputs: 1}, aim}
    def init([]), do: init(aim: 0.5)

    @impl true
    def evaluate(%Network{} = network, aim) do
      [output] = Network.activate(network, [1])
      %{fitness: 1 - abs(output - aim), behaviour: [output]}
    end
  end

  # A task without @impl and with several clauses, whose init/1 may fail.
  defmodule Clauses do
    use Cambrian.Task

    def init(:crash), do: raise("no")
    def init(:rubbish), do: :rubbish
    def init(state), do: {:ok, %{inputs: 1, outputs: 1}, state}

    def evaluate(%Network{}, :constant), do: 1

    def evaluate(%Network{} = network, :first) do
      [output] = Network.activate(network, [1])
      output
    end
  end

  # A task as in Erlang, which gets a reference.
  defmodule Bare do
    @behaviour :cambrian_task

    @impl true
    def init(_args), do: {:ok, %{inputs: 1, outputs: 1}, :no_state}

    @impl true
    def evaluate(network, :no_state) do
      [output] = :cambrian_network.activate(network, [1])
      output
    end
  end

  test "a module gets networks, with and without an argument" do
    assert {:ok, %{solved: true}} = Cambrian.evolve(Half, target: 0.99)

    assert {:ok, %{solved: true, champion: champion}} =
             Cambrian.evolve({Half, aim: 0.25}, target: 0.99)

    [output] = champion |> Network.compile() |> Network.activate([1])
    assert_in_delta output, 0.25, 0.01
  end

  test "the same module works from Erlang, and evolves the same" do
    {:ok, %{champion: reference}} = :cambrian.evolve(Half, %{target: 0.99, seed: 3})
    %{champion: champion} = Cambrian.evolve!(Half, target: 0.99, seed: 3)
    assert :cambrian_genotype.id(reference) == Genotype.id(champion)
  end

  test "the same module works when it is called by hand" do
    {:ok, genotype} = Genotype.new(inputs: 1, outputs: 1, seed: 7)
    network = Network.compile(genotype)
    assert %{fitness: fitness} = Half.evaluate(network, 0.5)
    assert %{fitness: ^fitness} = Half.evaluate(network.ref, 0.5)
  end

  test "all clauses of evaluate/2 get networks" do
    assert {:ok, %{fitness: 1.0}} = Cambrian.evolve({Clauses, :constant}, generations: 1)
    assert {:ok, %{solved: true}} = Cambrian.evolve({Clauses, :first}, target: 0.9)
  end

  test "a population takes a module as its task" do
    {:ok, population} = Population.start_link(task: {Half, aim: 0.25}, target: 0.99)
    :ok = Population.run(population)
    assert {:ok, %{solved: true}} = Population.await(population, 300_000)
    assert Population.info(population).task == Half
  end

  test "a task written for Erlang gets references" do
    assert {:ok, %{solved: true}} = Cambrian.evolve(Bare, target: 0.9)
  end

  test "a failure of init/1 is an error that names the function" do
    assert {:error, {:bad_return, {Clauses, :init, 1}, :rubbish}} =
             Cambrian.evolve({Clauses, :rubbish})

    assert {:error, {:crashed, {Clauses, :init, [:crash]}, {:error, %RuntimeError{}, _}} = reason} =
             Cambrian.evolve({Clauses, :crash})

    message = Exception.message(Cambrian.Error.exception(reason))
    assert message =~ "Cambrian.TaskTest.Clauses.init(:crash) failed: ** (RuntimeError) no\n"
    assert message =~ "test/task_test.exs:"
  end

  test "using Cambrian.Task compiles without a warning" do
    for impl <- ["@impl true", "@impl Cambrian.Task", ""] do
      code = """
      defmodule Cambrian.TaskTest.Silent#{System.unique_integer([:positive])} do
        use Cambrian.Task
        #{impl}
        def init(_), do: {:ok, %{inputs: 1, outputs: 1}, nil}
        #{impl}
        def evaluate(_network, _state), do: 1
      end
      """

      assert ExUnit.CaptureIO.capture_io(:stderr, fn -> Code.compile_string(code) end) == ""
    end
  end

  test "native tasks evaluate a network" do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)
    network = Network.compile(genotype)
    assert {:ok, fitness} = Cambrian.Task.evaluate(:xor, network)
    assert fitness >= 0 and fitness <= 4
    assert {:ok, %{solved: false, facts: [_ | _]}} = Cambrian.Task.trial(:xor, network)

    assert Cambrian.Task.evaluate(:chess, network) ==
             {:error, {:unknown_task, :chess, %{see: "cambrian:tasks/0"}}}
  end

  test "settings may be a keyword list or a map, and a wrong setting is explained" do
    {:ok, genotype} = Genotype.new(inputs: 4, outputs: 1, seed: 7)
    network = Network.compile(genotype)
    assert {:ok, fitness} = Cambrian.Task.evaluate({:parity, bits: 4}, network)
    assert {:ok, ^fitness} = Cambrian.Task.evaluate({:parity, %{bits: 4}}, network)
    assert {:ok, %{add_node: _}} = Cambrian.parameters({:parity, bits: 4})
    assert {:error, {:wrong_size, :inputs, 3, 4}} = Cambrian.Task.evaluate(:parity, network)

    assert_raise Cambrian.Error, "option :bits must be an integer from 2 to 12, got: 1", fn ->
      Cambrian.evolve!({:parity, bits: 1})
    end

    assert_raise Cambrian.Error, "option :settings must be a map, got: [1]", fn ->
      Cambrian.evolve!({:parity, [1]})
    end
  end

  test "a dataset can be learnt, and the trial measures the held-back rows" do
    inputs = for a <- [0, 1], b <- [0, 1], _ <- 1..10, do: [a, b]

    dataset =
      {:dataset,
       inputs: inputs,
       targets: Enum.map(inputs, fn [a, b] -> if a == b, do: 0, else: 1 end),
       kind: :classification,
       validation: 0.2,
       seed: 7}

    assert {:ok, %{solved: true, champion: champion}} =
             Cambrian.evolve(dataset, target: 0.95, seed: 1)

    assert {:ok, %{solved: false, validation: validation, facts: facts}} =
             Cambrian.Task.trial(dataset, Network.compile(champion))

    assert validation > 0.9
    assert facts[:validation_accuracy] == 1.0
  end

  defmodule Told do
    use Cambrian.Task

    @impl true
    def init(fun), do: {:ok, %{inputs: 2, outputs: 1}, fun}

    @impl true
    def evaluate(%Network{} = network, fun), do: fun.(network)
  end

  describe "the evaluation of one network" do
    setup do
      {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      %{network: Network.compile(genotype), genotype: genotype}
    end

    test "gives its fitness in any task", %{network: network} do
      one = fn %Network{} = network -> Network.info(network).outputs end
      assert Cambrian.Task.evaluate(one, network) == {:ok, 1.0}
      assert Cambrian.Task.evaluate({Told, one}, network) == {:ok, 1.0}
      assert {:ok, _} = Cambrian.Task.evaluate({:parity, bits: 2}, network)
      assert Cambrian.Task.evaluate(:parity, network) == {:error, {:wrong_size, :inputs, 3, 2}}

      assert Cambrian.Task.evaluate(one, network, episodes: 2) ==
               {:error, {:bad_option, {:episodes, 2, "absent, as the task is no environment"}}}
    end

    test "returns the stack of the task's code if it fails", %{network: network} do
      boom = fn _network -> raise "boom" end
      assert {:error, reason} = Cambrian.Task.evaluate({Told, boom}, network)
      message = Exception.message(Cambrian.Error.exception(reason))
      assert message =~ "(RuntimeError) boom"
      assert message =~ "task_test.exs"

      hang = fn _network -> Process.sleep(:infinity) end

      assert Cambrian.Task.evaluate({Told, hang}, network, timeout: 10) ==
               {:error, {:evaluation_failed, :timeout}}
    end

    test "gives its trial if the task has one", %{network: network} do
      assert {:ok, %{solved: false}} = Cambrian.Task.trial(:xor, network)
      assert {:error, {:no_trial, Told}} = Cambrian.Task.trial({Told, & &1}, network)
    end

    test "takes a network and nothing else", %{network: network, genotype: genotype} do
      alias Cambrian.{Genotype, Substrate}
      substrate = Substrate.new!(inputs: [[0]], outputs: [[1]])

      for {expected, call} <- [
            {"expected a Cambrian.Network, got: nil", fn -> Network.activate(nil, [1, 2]) end},
            {"expected a Cambrian.Network, got: :word", fn -> Network.info(:word) end},
            {"Cambrian.Network.compile/1 makes one of it",
             fn -> Network.activate(genotype, [1, 2]) end},
            {"Cambrian.Network.compile/1 makes one of it",
             fn -> Network.step(genotype, "", [1, 2]) end},
            {"Cambrian.Network.compile/1 makes one of it",
             fn -> Network.activate_many([network, genotype], [[1, 2], [1, 2]]) end},
            {"expected a list of networks", fn -> Network.activate_many(network, [[1, 2]]) end},
            {"expected a Cambrian.Genotype, got: #Cambrian.Network",
             fn -> Network.compile(network) end},
            {"expected a Cambrian.Genotype, got: nil", fn -> Genotype.info(nil) end},
            {"expected a Cambrian.Genotype, got: nil", fn -> Genotype.diff(genotype, nil) end},
            {"expected a Cambrian.Genotype, got: #Cambrian.Network",
             fn -> Genotype.crossover(genotype, network, seed: 1) end},
            {"expected a Cambrian.Substrate, got: #Cambrian.Genotype",
             fn -> Substrate.info(genotype) end},
            {"expected a Cambrian.Genotype, got: nil",
             fn -> Substrate.express(substrate, nil) end},
            {"expected a Cambrian.Network, got: nil",
             fn -> Cambrian.Task.evaluate(:xor, nil) end},
            {"expected a Cambrian.Network, got: #Cambrian.Genotype",
             fn -> Cambrian.Task.trial(:xor, genotype) end},
            {"expected a Cambrian.Genotype, got: nil", fn -> Cambrian.Picture.network(nil) end},
            {"expected a Cambrian.Genotype, got: nil", fn -> Cambrian.lineage(nil) end},
            {"expected a Cambrian.Genotype, got: nil",
             fn -> Cambrian.Population.inject(self(), nil) end}
          ] do
        error = assert_raise ArgumentError, call
        assert Exception.message(error) =~ expected
      end
    end
  end
end
