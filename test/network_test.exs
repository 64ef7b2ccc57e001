defmodule Cambrian.NetworkTest do
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Network}

  doctest Network

  defp feed_forward do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 2, seed: 7)
    Network.compile(genotype)
  end

  defp recurrent do
    {:ok, genotype} = Genotype.new(inputs: 1, outputs: 1, seed: 7)
    {:ok, genotype} = Genotype.mutate(genotype, :add_recurrent, seed: 8)
    Network.compile(genotype)
  end

  defp run(network, inputs) do
    {outputs, _state} =
      Enum.map_reduce(inputs, Network.initial_state(network), fn input, state ->
        Network.step(network, state, [input])
      end)

    outputs
  end

  defp floats(numbers), do: for(x <- numbers, into: <<>>, do: <<x::float-32-little>>)

  test "lists and binaries give the same outputs, each in its own form" do
    rows = [[0, 1], [0.5, -3], [1.0e6, 0]]
    outputs = Network.activate_batch(feed_forward(), rows)

    assert outputs == Enum.map(rows, &Network.activate(feed_forward(), &1))
    assert outputs == Network.activate_many(List.duplicate(feed_forward(), 3), rows)

    assert floats(List.flatten(outputs)) ==
             Network.activate_batch(feed_forward(), floats(List.flatten(rows)))

    assert Enum.map(outputs, &floats/1) ==
             Network.activate_batch(feed_forward(), Enum.map(rows, &floats/1))
  end

  test "a recurrent network remembers only in its state" do
    network = recurrent()
    assert %{memory: 1} = Network.info(network)

    ones = run(network, [1, 1, 1])
    assert ones == run(network, [1, 1, 1])
    assert Enum.uniq(ones) == ones
    assert hd(ones) == Network.activate(network, [1])

    [_, after_one] = run(network, [1, 1])
    [_, after_zero] = run(network, [0, 1])
    refute after_one == after_zero
  end

  test "a state can be saved and used again" do
    network = recurrent()
    {_, state} = Network.step(network, Network.initial_state(network), [1])
    assert byte_size(state) == 4
    here = Network.step(network, state, [0.5])
    assert Task.await(Task.async(fn -> Network.step(network, state, [0.5]) end)) == here
    {[output], next} = here
    assert Network.step(network, state, floats([0.5])) == {floats([output]), next}
  end

  test "a wrong size is an error with the expected size" do
    network = recurrent()
    state = Network.initial_state(network)

    assert Network.activate(network, [1, 2]) == {:error, {:wrong_size, :inputs, 1, 2}}
    assert Network.step(network, state, []) == {:error, {:wrong_size, :inputs, 1, 0}}
    assert Network.step(network, "", [1]) == {:error, {:wrong_size, :memory, 1, 0}}
    assert Network.activate_batch(network, [[1], []]) == {:error, {:wrong_size, :inputs, 1, 0}}
    assert {:error, {:wrong_size, :inputs, 1, 0}} = Network.activate_many([network], [])
  end

  test "a number out of range is an error, and any other term raises" do
    not_a_number = <<0, 0, 0xC0, 0x7F>>
    assert Network.activate(recurrent(), [1.0e13]) == {:error, {:out_of_range, :inputs}}
    assert Network.activate(recurrent(), not_a_number) == {:error, {:out_of_range, :inputs}}
    assert_raise ArgumentError, fn -> Network.activate(recurrent(), [:one]) end
    assert_raise ArgumentError, fn -> Network.activate(recurrent(), <<1, 2, 3>>) end
  end

  test "inspect shows the sizes and the memory" do
    assert inspect(feed_forward()) == "#Cambrian.Network<2 -> 2, 4 connections, feed-forward>"
    assert inspect(recurrent()) == "#Cambrian.Network<1 -> 1, 2 connections, memory 1>"
  end
end
