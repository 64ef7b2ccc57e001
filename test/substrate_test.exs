defmodule Cambrian.SubstrateTest do
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Network, Population, Substrate}

  doctest Substrate

  @moduletag timeout: 60_000

  @ends [inputs: [[-1, -1], [1, -1]], outputs: [[0, 1]]]

  defp squared_error(network) do
    for a <- [0, 1], b <- [0, 1], reduce: 0 do
      sum ->
        [output] = Network.activate(network, [a, b])
        sum + (output - abs(a - b)) ** 2
    end
  end

  test "the champion of a substrate expresses the network that was evaluated" do
    hidden = [Substrate.grid([3, 1])]
    substrate = Substrate.new!(@ends ++ [hidden: hidden, bias: true, weight_range: 8])
    options = [substrate: substrate, target: 3.9, seed: 2]
    result = Cambrian.evolve!(&(4 - squared_error(&1)), options)

    assert result.solved
    assert %{inputs: 6, outputs: 2} = Genotype.info(result.champion)
    {:ok, genotype} = Substrate.express(substrate, result.champion)
    assert 4 - squared_error(Network.compile(genotype)) == result.fitness
  end

  test "a population takes a substrate" do
    substrate = Substrate.new!(@ends)
    {:ok, population} = Population.start_link(task: :xor, substrate: substrate, seed: 1)
    {:ok, _} = Population.step(population, 1)
    assert %{inputs: 6, outputs: 1} = Population.info(population)
  end

  test "the options of hidden nodes may be a keyword list or a map" do
    express = fn hidden ->
      substrate = Substrate.new!(@ends ++ [hidden: hidden])

      {:ok, cppn} =
        Genotype.new(inputs: 6, outputs: 1, seed: 2, output_activation: :sin, initial_weight: 4)

      {:ok, genotype} = Substrate.express(substrate, cppn)
      Genotype.id(genotype)
    end

    assert express.(max_depth: 4) == express.(%{max_depth: 4})
    assert express.(iterations: 0) != express.(%{})
    assert express.([]) != express.(%{})
  end

  test "a wrong substrate is explained" do
    assert {:error, {:bad_option, {:options, 7, _}}} = Substrate.new(7)
    assert {:error, {:unknown_option, :input, _}} = Substrate.new(@ends ++ [input: []])
    assert {:error, {:unknown_option, :depth, _}} = Substrate.new(@ends ++ [hidden: [depth: 1]])

    assert {:error, {:bad_option, {:substrate, :none, _}}} =
             Cambrian.evolve(:xor, substrate: :none)

    assert_raise ArgumentError, fn -> Substrate.grid([]) end
  end
end
