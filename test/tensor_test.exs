defmodule Cambrian.TensorTest do
  # Runs with a stand-in for Nx, in support/nx.exs, or with Nx itself if the environment says
  # where it is. Any project that depends on Nx (0.6 or newer) has it compiled:
  #
  #     nx=/path/to/project/_build/dev/lib
  #     CAMBRIAN_NX=$nx/nx/ebin:$nx/complex/ebin:$nx/telemetry/ebin mix test test/tensor_test.exs
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Network}

  @types [{:u, 8}, {:s, 64}, {:f, 32}, {:f, 64}]

  # Calls Nx by name, since the compiler would look for a module that does not exist yet.
  defp nx(function, args), do: apply(Nx, function, args)
  defp tensor(numbers, type \\ {:f, 32}), do: nx(:tensor, [numbers, [type: type]])

  defp network(opts \\ []) do
    {:ok, genotype} = Genotype.new(Keyword.merge([inputs: 2, outputs: 3, seed: 7], opts))
    Network.compile(genotype)
  end

  defp recurrent do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)
    {:ok, genotype} = Genotype.mutate(genotype, :add_recurrent, seed: 8)
    Network.compile(genotype)
  end

  # Checks bits, shape and type.
  defp assert_tensor(tensor, numbers, shape) do
    assert %{__struct__: Nx.Tensor} = tensor
    assert nx(:shape, [tensor]) == shape
    assert nx(:type, [tensor]) == {:f, 32}
    assert nx(:to_flat_list, [tensor]) == List.flatten(numbers)
  end

  test "inputs of any type give outputs of 32-bit floats" do
    for type <- @types do
      outputs = Network.activate(network(), [3, 1])
      assert_tensor(Network.activate(network(), tensor([3, 1], type)), outputs, {3})
    end

    outputs = Network.activate(network(), [0.1, -2.5])
    assert_tensor(Network.activate(network(), tensor([0.1, -2.5], {:f, 64})), outputs, {3})
  end

  test "a batch is a tensor of two dimensions or a list of tensors" do
    rows = [[0, 1], [2, 3], [1, 1], [9, 0]]
    outputs = Network.activate_batch(network(), rows)

    for type <- @types do
      assert_tensor(Network.activate_batch(network(), tensor(rows, type)), outputs, {4, 3})
    end

    one_row = Network.activate_batch(network(), tensor([[0, 1]]))
    assert_tensor(one_row, hd(outputs), {1, 3})

    each = Network.activate_batch(network(), Enum.map(rows, &tensor/1))
    for {tensor, row} <- Enum.zip(each, outputs), do: assert_tensor(tensor, row, {3})
  end

  test "a step returns a tensor and a state" do
    network = recurrent()
    rest = Network.initial_state(network)
    {first, state} = Network.step(network, rest, [1, 0])
    {second, last} = Network.step(network, state, [0, 1])

    assert {tensor, ^state} = Network.step(network, rest, tensor([1, 0]))
    assert_tensor(tensor, first, {1})
    assert {tensor, ^last} = Network.step(network, state, tensor([0, 1]))
    assert_tensor(tensor, second, {1})
  end

  test "each of many networks takes a row" do
    networks = [network(), network(seed: 8), network(seed: 9)]
    rows = [[0, 1], [2, 3], [1, 1]]
    outputs = Network.activate_many(networks, rows)

    assert_tensor(Network.activate_many(networks, tensor(rows)), outputs, {3, 3})
    each = Network.activate_many(networks, Enum.map(rows, &tensor/1))
    for {tensor, row} <- Enum.zip(each, outputs), do: assert_tensor(tensor, row, {3})
  end

  test "a step of many networks takes a row each" do
    networks = [recurrent(), recurrent()]
    states = Enum.map(networks, &Network.initial_state/1)
    rows = [[0, 1], [2, 3]]
    {outputs, next} = networks |> Network.step_many(states, rows) |> Enum.unzip()

    assert {tensor, ^next} = Network.step_many(networks, states, tensor(rows))
    assert_tensor(tensor, outputs, {2, 1})

    stepped = Network.step_many(networks, states, Enum.map(rows, &tensor/1))

    for {{tensor, state}, row, expected} <- Enum.zip([stepped, outputs, next]) do
      assert_tensor(tensor, row, {1})
      assert state == expected
    end
  end

  test "a tensor of another shape is an error with the expected shape" do
    network = network()
    state = Network.initial_state(network)

    for shape <- [{}, {1}, {3}, {1, 2}, {2, 1}] do
      tensor = zeros(shape)
      error = {:error, {:wrong_size, :inputs, {2}, shape}}
      assert Network.activate(network, tensor) == error
      assert Network.step(network, state, tensor) == error
      assert Network.activate_batch(network, [tensor, zeros({2})]) == error
    end

    # the last has as many numbers as four rows
    for shape <- [{}, {2}, {2, 2, 2}, {4, 1}, {2, 4}] do
      error = {:error, {:wrong_size, :inputs, {nil, 2}, shape}}
      assert Network.activate_batch(network, zeros(shape)) == error
    end

    for shape <- [{2}, {1, 2}, {3, 2}, {2, 3}] do
      error = {:error, {:wrong_size, :inputs, {2, 2}, shape}}
      assert Network.activate_many([network, network], zeros(shape)) == error
      assert Network.step_many([network, network], [state, state], zeros(shape)) == error
    end

    assert Network.activate_many([], zeros({1, 2})) ==
             {:error, {:wrong_size, :inputs, {0, nil}, {1, 2}}}

    assert Exception.message(Cambrian.Error.exception({:wrong_size, :inputs, {nil, 2}, {4, 3}})) ==
             "wrong size of inputs: expected {nil, 2}, got {4, 3}"
  end

  test "networks with different numbers of outputs give no single tensor" do
    networks = [network(), network(outputs: 1)]

    assert Network.activate_many(networks, zeros({2, 2})) ==
             {:error, {:wrong_size, :outputs, 3, 1}}

    assert [_, _] = Network.activate_many(networks, [zeros({2}), zeros({2})])

    assert Network.activate_many([network()], [zeros({3})]) ==
             {:error, {:wrong_size, :inputs, 2, 3}}
  end

  test "other errors are those of lists" do
    network = network()
    huge = tensor([1.0e300, 0], {:f, 64})
    assert Network.activate(network, huge) == {:error, {:out_of_range, :inputs}}
    assert Network.activate_batch(network, [huge]) == {:error, {:out_of_range, :inputs}}
    assert Network.step(network, "abcd", zeros({2})) == {:error, {:wrong_size, :memory, 0, 1}}
  end

  test "vectorized dimensions count as dimensions" do
    vectorized = nx(:vectorize, [tensor([[1, 2], [3, 4]]), :x])

    assert Network.activate(network(), vectorized) ==
             {:error, {:wrong_size, :inputs, {2}, {2, 2}}}

    outputs = Network.activate_batch(network(), [[1, 2], [3, 4]])
    assert_tensor(Network.activate_batch(network(), vectorized), outputs, {2, 3})
  end

  describe "a dataset of tensors" do
    @inputs [[0, 0], [0, 1], [1, 0], [1, 1]]
    @targets [[0], [0], [0], [1]]

    test "is the dataset of their rows" do
      options = [target: 0.95, seed: 7]
      rows = Cambrian.evolve!({:dataset, @inputs, @targets}, options)

      for type <- @types do
        dataset = {:dataset, tensor(@inputs, type), tensor(@targets, type)}
        assert %{solved: true, champion: champion} = Cambrian.evolve!(dataset, options)
        assert Genotype.id(champion) == Genotype.id(rows.champion)
      end

      settings = [inputs: tensor(@inputs), targets: tensor(@targets)]

      for settings <- [settings, Map.new(settings)] do
        assert %{champion: champion} = Cambrian.evolve!({:dataset, settings}, options)
        assert Genotype.id(champion) == Genotype.id(rows.champion)
      end
    end

    test "may have one dimension if rows have one number" do
      network = network(inputs: 1, outputs: 1)
      [column, flat] = [[[1], [2], [3], [4]], [1, 2, 3, 4]]

      scores =
        for inputs <- [column, flat, tensor(column), tensor(flat)],
            targets <- [column, flat, tensor(column), tensor(flat)],
            do: Cambrian.Task.evaluate({:dataset, inputs, targets}, network)

      assert [{:ok, _}] = Enum.uniq(scores)
      ids = for rows <- [column, tensor(flat)], do: Cambrian.Task.id({:dataset, rows, column})
      assert [_] = Enum.uniq(ids)
    end

    test "may have its classes in one dimension" do
      network = network(outputs: 2)
      settings = [kind: :classification, inputs: tensor(@inputs)]
      classes = {:dataset, [targets: List.flatten(@targets)] ++ settings}
      tensors = {:dataset, [targets: tensor(List.flatten(@targets), {:u, 8})] ++ settings}
      assert Cambrian.Task.evaluate(tensors, network) == Cambrian.Task.evaluate(classes, network)
    end

    test "of another shape is refused" do
      for {inputs, targets} <- [
            {zeros({4, 2, 1}), tensor(@targets)},
            {tensor(@inputs), zeros({})},
            {zeros({5}), tensor(@targets)},
            {tensor(@inputs), zeros({3, 1})},
            {tensor(@inputs), tensor([[1.0e300], [0], [0], [0]], {:f, 64})}
          ] do
        assert_raise Cambrian.Error, ~r/dataset/, fn ->
          Cambrian.evolve!({:dataset, inputs, targets})
        end
      end

      assert {:error, _} = Cambrian.evolve({:dataset, tensor(@inputs)})
    end
  end

  defp zeros({}), do: tensor(0)
  defp zeros(shape), do: nx(:reshape, [tensor(List.duplicate(0, Tuple.product(shape))), shape])
end
