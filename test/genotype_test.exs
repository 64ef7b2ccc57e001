defmodule Cambrian.GenotypeTest do
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Picture}

  doctest Genotype

  defp genotype(opts \\ []) do
    {:ok, genotype} = [inputs: 2, outputs: 1, seed: 7] |> Keyword.merge(opts) |> Genotype.new()
    genotype
  end

  # A genotype with hidden nodes and a recurrent connection.
  defp grown do
    Enum.reduce([add_node: 1, add_node: 2, add_recurrent: 3], genotype(), fn {operator, seed},
                                                                             g ->
      {:ok, changed} = Genotype.mutate(g, operator, seed: seed)
      changed
    end)
  end

  test "inspect writes singular and plural numbers" do
    for {inputs, shown} <- [{1, "1 connection, "}, {2, "2 connections, "}] do
      {:ok, genotype} = Cambrian.Genotype.new(inputs: inputs, outputs: 1, seed: 1)
      assert inspect(genotype) =~ shown
      assert inspect(Cambrian.Network.compile(genotype)) =~ shown
    end

    {:ok, line} = Cambrian.Substrate.new(inputs: [[0]], outputs: [[1]])
    assert inspect(line) == "#Cambrian.Substrate<1 -> 1 in 1 dimension, up to 1 connection>"
  end

  test "the same seed gives the same genotype" do
    assert Genotype.id(genotype(seed: 1)) == Genotype.id(genotype(seed: 1))
    refute Genotype.id(genotype(seed: 1)) == Genotype.id(genotype(seed: 2))

    {:ok, a} = Genotype.mutate(genotype(), seed: 5)
    {:ok, b} = Genotype.mutate(genotype(), seed: 5)
    assert Genotype.id(a) == Genotype.id(b)
  end

  test "a mutation does not change its parent" do
    parent = genotype()
    before = Genotype.id(parent)
    {:ok, child} = Genotype.mutate(parent, :add_node, seed: 1)
    assert Genotype.id(parent) == before
    refute Genotype.id(child) == before
  end

  test "parameters shape a genotype" do
    bare = genotype(inputs: 9, outputs: 9, initial_connections: 0.0)
    full = genotype(inputs: 9, outputs: 9)
    assert Genotype.info(bare).connections < Genotype.info(full).connections
    assert Genotype.info(full).connections == 81
  end

  test "every operator is applied by its name or finds nothing to change" do
    for operator <- Genotype.operators() do
      case Genotype.mutate(grown(), operator, seed: 4) do
        {:ok, %Genotype{}} -> :ok
        {:error, reason} -> assert reason == :not_applicable
      end
    end
  end

  test "missing options are named" do
    assert Genotype.new(outputs: 1) == {:error, {:missing_options, [:inputs, :seed]}}
    assert Genotype.mutate(genotype(), []) == {:error, {:missing_options, [:seed]}}
    assert Genotype.mutate(genotype(), :add_node, []) == {:error, {:missing_options, [:seed]}}

    assert Genotype.crossover(genotype(), genotype(), []) ==
             {:error, {:missing_options, [:seed]}}

    assert {:error, {:bad_option, {:options, 8, _}}} = Genotype.mutate(genotype(), 8)
  end

  test "a value of the wrong type raises" do
    assert_raise ArgumentError, fn -> genotype(seed: :seven) end
    assert_raise ArgumentError, fn -> Genotype.from_binary(~c"bytes") end
    assert_raise ArgumentError, fn -> Genotype.from_map(%{}) end
  end

  describe "bytes" do
    test "can be read again" do
      bytes = Genotype.to_binary(grown())
      assert {:ok, same} = Genotype.from_binary(bytes)
      assert Genotype.to_binary(same) == bytes
      assert Genotype.to_map(same) == Genotype.to_map(grown())
      assert Genotype.id(same) == :crypto.hash(:sha256, bytes)
    end

    test "of a large genotype can be read again" do
      big = genotype(inputs: 100, outputs: 20)
      bytes = Genotype.to_binary(big)
      assert byte_size(bytes) > 4096
      assert {:ok, same} = Genotype.from_binary(bytes)
      assert Genotype.id(same) == Genotype.id(big)
    end

    test "that are cut short or changed are refused or give another genotype" do
      bytes = Genotype.to_binary(grown())

      for size <- 0..(byte_size(bytes) - 1) do
        assert {:error, _} = Genotype.from_binary(binary_part(bytes, 0, size))
      end

      for at <- 0..(byte_size(bytes) - 1) do
        <<head::binary-size(at), byte, tail::binary>> = bytes

        case Genotype.from_binary(<<head::binary, Bitwise.bxor(byte, 1), tail::binary>>) do
          {:ok, other} -> refute Genotype.id(other) == Genotype.id(grown())
          {:error, _} -> :ok
        end
      end

      assert {:error, _} = Genotype.from_binary(bytes <> <<0>>)
      assert {:error, _} = Genotype.from_binary(:binary.copy(<<255>>, 10_000))
    end
  end

  test "a map can be edited" do
    %{connections: [first | rest]} = map = Genotype.to_map(grown())
    edited = %{map | connections: [%{first | weight: 0.5, enabled: false} | rest]}
    assert {:ok, genotype} = Genotype.from_map(edited)

    assert %{weight: 0.5, enabled: false} =
             Enum.find(Genotype.to_map(genotype).connections, &(&1.id == first.id))
  end

  test "crossover and distance match the genes of genotypes that were bred apart" do
    {:ok, a} = Genotype.mutate(genotype(), :add_node, seed: 1)
    {:ok, b} = Genotype.mutate(genotype(), :add_node, seed: 1)
    assert Genotype.distance(a, b) == 0.0
    assert Genotype.distance(a, genotype(seed: 8)) > 0
    assert {:ok, child} = Genotype.crossover(a, b, seed: 3)
    assert Genotype.id(child) == Genotype.id(a)
  end

  test "inspect shows the sizes and the first digits of the id" do
    short = grown() |> Genotype.id() |> Base.encode16(case: :lower) |> binary_part(0, 10)
    %{connections: connections} = Genotype.info(grown())

    assert inspect(grown()) ==
             "#Cambrian.Genotype<2 -> 1, 2 hidden, #{connections} connections, #{short}>"
  end

  test "a picture has all nodes" do
    assert Picture.dot(grown()) =~ "digraph"
    assert Picture.network(grown()) =~ "</svg>"
  end

  test "a genotype can be sent to another process" do
    genotype = grown()
    assert Task.await(Task.async(fn -> Genotype.id(genotype) end)) == Genotype.id(genotype)
  end
end
