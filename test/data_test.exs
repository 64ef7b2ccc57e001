defmodule Cambrian.DataTest do
  use ExUnit.Case, async: true

  doctest Cambrian.Table
  doctest Cambrian.Schema
  doctest Cambrian.Data

  # The part of Explorer that Cambrian calls, with Explorer's semantics.
  defmodule Frame do
    def names(%{columns: columns}), do: for({name, _} <- columns, do: name)
    def to_columns(%{columns: columns}), do: Map.new(columns)
  end

  test "a frame of Explorer is a table, its columns in their order" do
    unless Code.ensure_loaded?(Explorer.DataFrame) do
      {:module, _, _, _} =
        Module.create(
          Explorer.DataFrame,
          quote do
            defstruct [:columns]
            defdelegate names(frame), to: Cambrian.DataTest.Frame
            defdelegate to_columns(frame), to: Cambrian.DataTest.Frame
          end,
          Macro.Env.location(__ENV__)
        )
    end

    columns = [{"z", [1.5, nil]}, {"a", ["x", "y"]}, {"b", [true, false]}]
    frame = struct(Explorer.DataFrame, columns: columns)
    {:ok, table} = Cambrian.Table.from_columns(frame)
    assert {:ok, table} == Cambrian.Table.from_columns(columns)
    assert Enum.map(Cambrian.Table.info(table).columns, & &1.name) == ["z", "a", "b"]
  end

  test "data, schemas and tables show what they are" do
    {:ok, table} = Cambrian.Table.from_columns(x: 1..10, y: 1..10)
    {:ok, data} = Cambrian.Data.prepare(table, label: "y", kind: :regression)
    assert inspect(data) == "#Cambrian.Data<regression of y, 6 train, 2 validation, 2 test>"
    assert inspect(data.schema) == "#Cambrian.Schema<1 column -> y>"
    assert {:error, {:bad_option, _}} = Cambrian.Data.prepare(table, label: "y", split: :first)
    assert {:error, {:bad_option, _}} = Cambrian.Table.from_text("a\n1\n", separator: :dot)
    assert_raise ArgumentError, fn -> Cambrian.Data.prepare(:table, label: "y") end
  end
end
