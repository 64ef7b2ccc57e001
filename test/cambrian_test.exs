defmodule CambrianTest do
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Network}

  doctest Cambrian
  doctest Cambrian.Error
  doctest Cambrian.Result

  describe "evolve" do
    test "solves XOR with a champion whose outputs are right" do
      assert {:ok, %Cambrian.Result{solved: true, champion: champion} = result} =
               Cambrian.evolve(:xor)

      network = Network.compile(champion)

      for a <- [0, 1], b <- [0, 1] do
        assert [output] = Network.activate(network, [a, b])
        assert round(output) == Bitwise.bxor(a, b)
      end

      assert result.fitness >= 3.9
      assert result.evaluations >= result.generations
      assert [squared_error: _] = result.trial
    end

    test "gives the same champion for the same seed, and returns the seed" do
      first = Cambrian.evolve!(:xor)
      again = Cambrian.evolve!(:xor, seed: first.seed)
      other = Cambrian.evolve!(:xor, seed: rem(first.seed + 1, 4_000_000_000))

      assert Genotype.id(again.champion) == Genotype.id(first.champion)
      assert %{again | champion: nil, elapsed_ms: 0} == %{first | champion: nil, elapsed_ms: 0}
      refute Genotype.id(other.champion) == Genotype.id(first.champion)
    end

    test "gives the champion of cambrian:evolve/2" do
      {:ok, %{champion: reference}} = :cambrian.evolve(:xor, %{seed: 5})
      champion = Cambrian.evolve!(:xor, seed: 5).champion
      assert Genotype.id(champion) == :cambrian_genotype.id(reference)
    end

    test "stops at its limits without a solution" do
      assert {:ok, %{solved: false, generations: 2, evaluations: evaluations}} =
               Cambrian.evolve(:double_pole_novel, generations: 2, population: 150)

      assert evaluations in 200..300

      assert {:ok, %{solved: false}} =
               Cambrian.evolve(:xor, target: 5, evaluations: 400, population: 20)
    end

    test "takes parameters as a keyword list or as a map" do
      from_list = Cambrian.evolve!(:xor, seed: 3, params: [add_node: 0.2, population: 99])
      from_map = Cambrian.evolve!(:xor, seed: 3, params: %{add_node: 0.2, population: 99})
      assert Genotype.id(from_list.champion) == Genotype.id(from_map.champion)
      assert from_list.evaluations <= 99 * from_list.generations
    end

    test "calls a function with the stats of each generation" do
      test = self()
      progress = &send(test, {:progress, &1})
      %{generations: generations} = Cambrian.evolve!(:xor, seed: 42, progress: progress)

      for generation <- 0..(generations - 1) do
        assert_received {:progress, %{generation: ^generation, best: best, mean: mean}}
        assert best >= mean
      end
    end

    test "takes the first of two equal options, as Keyword does" do
      assert %{seed: 1} = Cambrian.evolve!(:xor, seed: 1, seed: 2)
    end
  end

  describe "a function as a task" do
    test "gets a network" do
      test = self()

      task = fn network ->
        send(test, {:network, network})
        [output] = Network.activate(network, [1.0])
        output
      end

      assert {:ok, %{solved: true}} =
               Cambrian.evolve(task, inputs: 1, outputs: 1, target: 0.9, population: 20)

      assert_received {:network, %Network{}}
    end

    test "may crash, which costs fitness but does not end the run" do
      task = fn network ->
        [output] = Network.activate(network, [1.0])
        if output > 0.7, do: raise("too high"), else: output
      end

      assert {:ok, %{fitness: fitness}} =
               Cambrian.evolve(task, inputs: 1, outputs: 1, generations: 3, population: 20)

      assert fitness <= 0.7
    end

    test "needs the number of inputs and outputs" do
      assert Cambrian.evolve(fn _ -> 1 end) == {:error, {:missing_options, [:inputs, :outputs]}}
    end
  end

  test "a dataset is a task" do
    rows = for a <- [0, 1], b <- [0, 1], do: {[a, b], [Bitwise.bor(a, b)]}
    {inputs, targets} = Enum.unzip(rows)

    assert {:ok, %{solved: true, champion: champion}} =
             Cambrian.evolve({:dataset, inputs, targets}, target: 0.98)

    outputs = champion |> Network.compile() |> Network.activate_batch(inputs)
    assert Enum.map(outputs, fn [output] -> [round(output)] end) == targets
  end

  describe "a wrong option" do
    test "is an error" do
      assert {:error, {:unknown_option, :sede, %{did_you_mean: :seed}}} =
               Cambrian.evolve(:xor, sede: 42)

      assert Cambrian.evolve(:chess) ==
               {:error, {:unknown_task, :chess, %{see: "cambrian:tasks/0"}}}

      assert {:error, {:bad_option, {:options, %{seed: 42}, _}}} =
               Cambrian.evolve(:xor, %{seed: 42})

      assert {:error, {:bad_option, {:params, 3, _}}} = Cambrian.evolve(:xor, params: 3)

      assert Cambrian.evolve(:xor, params: [colour: 1]) ==
               {:error, {:unknown_parameter, :colour, %{see: "cambrian:parameters/0"}}}
    end

    test "is explained with the option and what was expected" do
      for {task, opts, message} <- [
            {:xor, [sede: 42],
             "unknown option :sede (did you mean :seed?); Cambrian.evolve/2 lists them"},
            {:xor, [inputs: 3], "option :inputs must be 2, as the task has, got: 3"},
            {:xor, [params: [add_nod: 0.1]],
             "unknown parameter :add_nod (did you mean :add_node?); Cambrian.parameters/0 lists them"},
            {{:parity, bist: 3}, [],
             "unknown option :bist (did you mean :bits?); Cambrian.evolve/2 lists them"},
            {:xor, [seed: -1], "option :seed must be an integer from 0 to 2^64 - 1, got: -1"},
            {:xor, [generations: 0], "option :generations must be a positive integer, got: 0"},
            {:xor, [progress: :yes],
             "option :progress must be a boolean, a device or a fun of one argument, got: :yes"},
            {:xor, %{seed: 1}, "options must be a keyword list, got: %{seed: 1}"},
            {:xor, [params: 3], "option :params must be a keyword list or a map, got: 3"},
            {:xor, [params: [add_node: 2]],
             "parameter :add_node must be a number from 0 to 1, got: 2"},
            {:xor, [params: [colour: 1]],
             "unknown parameter :colour; Cambrian.parameters/0 lists them"},
            {fn _ -> 1 end, [], "options :inputs, :outputs are missing"},
            {fn _ -> 1 end, [inputs: 1], "options :inputs, :outputs are missing"},
            {String, [],
             "String is no task: expected a module that exports init/1 and evaluate/2, " <>
               "or init/1, reset/2 and step/2"},
            {"xor", [],
             "a task must be a name of Cambrian.tasks/0, a module, {module, args}, " <>
               "a function of one argument, {:program, options} or {:dataset, inputs, targets}, got: \"xor\""},
            {{:dataset, [[1], [1, 2]], [[1], [2]]}, [],
             "row 2 of a dataset's inputs must be 1 numbers as in the first row, got: 2"},
            {Chess, [],
             "Chess is neither a module nor a task of Cambrian; Cambrian.tasks/0 lists them"}
          ] do
        error = assert_raise Cambrian.Error, fn -> Cambrian.evolve!(task, opts) end
        assert Exception.message(error) == message
      end
    end
  end
end
