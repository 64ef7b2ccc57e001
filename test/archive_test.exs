defmodule Cambrian.ArchiveTest do
  use ExUnit.Case, async: true
  doctest Cambrian.Archive

  alias Cambrian.Archive

  defp archive(opts \\ []) do
    defaults = [search: :map_elites, seed: 3, generations: 5, target: 1000]
    Cambrian.evolve!(:maze_medium, Keyword.merge(defaults, opts)).archive
  end

  test "an archive is an enumerable of elites" do
    archive = archive()
    assert Enum.count(archive) == length(Archive.elites(archive))
    assert [%{cell: _, genotype: %Cambrian.Genotype{}} | _] = Enum.take(archive, 2)
    assert length(Enum.take(archive, 2)) == 2
    assert Enum.map(archive, & &1.cell) == Enum.sort(Enum.map(archive, & &1.cell))
    assert archive |> Stream.filter(&(&1.fitness > 0)) |> Enum.any?()
    assert [_, _] = Enum.slice(archive, 1, 2)
    assert [elite] = Enum.take(archive, 1)
    assert elite in archive
    refute %{elite | fitness: elite.fitness + 1} in archive
    refute :another in archive
  end

  test "elites are found by their behaviour" do
    archive = archive()
    %{behaviour: behaviour, cell: cell} = Archive.best(archive)
    assert %{cell: ^cell} = Archive.at(archive, behaviour)
    assert %{cell: ^cell} = Archive.nearest(archive, behaviour)
    assert Archive.at(archive, [295, 5]) == nil
    assert length(Archive.sample(archive, 7, 1)) == 7
  end

  test "an archive can be read, drawn and written" do
    archive = archive()
    {:ok, read} = Archive.from_binary(Archive.to_binary(archive))
    assert Archive.id(read) == Archive.id(archive)
    assert IO.iodata_to_binary(Archive.to_svg(archive, title: "Maze")) =~ "<title>Maze</title>"

    assert [head | lines] =
             archive
             |> Archive.to_csv()
             |> IO.iodata_to_binary()
             |> String.split("\n", trim: true)

    assert head == "cell,id,fitness,behaviour_1,behaviour_2"
    assert length(lines) == Enum.count(archive)
    assert IO.iodata_to_binary(Archive.to_json(archive)) =~ ~s("elites":[)
  end

  test "wrong archives and options are named" do
    {:error, reason} = Archive.merge(archive(), archive(params: %{cells: 100}))

    assert Exception.message(Cambrian.Error.exception(reason)) =~
             "these archives cannot be merged: the archives divide behaviours differently"

    assert_raise ArgumentError, ~r/expected a Cambrian.Archive/, fn -> Archive.best(:none) end
    assert_raise ArgumentError, fn -> Archive.stats(archive(), ofset: 1) end
  end
end
