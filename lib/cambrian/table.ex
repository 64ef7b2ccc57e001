defmodule Cambrian.Table do
  @moduledoc """
  Reads tables of data: CSV files, frames of Explorer, or columns of terms.

  A table has named columns. A column is of numbers, or of words, which stand for categories or for
  classes; a field may be missing. `Cambrian.Data.prepare/2` makes a task of a table.

  A table takes at most 12 bytes for each field, and each different word once. No table takes more
  than the application's `memory_limit`.
  """

  alias Cambrian.{Boundary, Error, Tensor}

  @enforce_keys [:ref]
  defstruct [:ref]

  @opaque t :: %__MODULE__{ref: :cambrian_table.table()}

  @doc """
  Reads a file of CSV (RFC 4180): the first line has the names of the columns, and every other line
  a field for each. The file is UTF-8, with or without a byte order mark. Lines end with LF, CR LF
  or CR; empty lines are skipped. A quoted field may hold separators, line ends and doubled quotes.

  `:separator` is `:comma`, `:semicolon`, `:tab`, or `:auto`, the default: the one that the header
  has most of. A number has a point, as 12.5 or 1e-3, and lies within plus and minus 1.0e12. A field
  is missing if it is empty, or `NA`, `N/A`, `n/a`, `NaN`, `nan`, `NULL`, `null`, `None` or `?`.
  Blanks around a field do not count.

  An error names the row, counted from 1 below the header, and the column.

      iex> Cambrian.Table.read("no/such.csv")
      {:error, {:enoent, "no/such.csv"}}
  """
  @spec read(Path.t(), keyword) :: {:ok, t} | {:error, Error.reason()}
  def read(path, opts \\ []) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: path |> :cambrian_table.read(options) |> table()
  end

  @doc """
  Reads CSV that is in memory. See `read/2`.

      iex> Cambrian.Table.from_text("size,colour\\n1.5\\n")
      {:error,
       {:bad_table, {1, "1 fields", "a row of 2 fields as the header (line 2 of the file)"}}}
  """
  @spec from_text(String.t(), keyword) :: {:ok, t} | {:error, Error.reason()}
  def from_text(text, opts \\ []) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: text |> :cambrian_table.from_text(options) |> table()
  end

  @doc """
  Makes a table of columns, each with its name and as many values: numbers, words (strings or
  atoms), and `nil` for a missing value. A tensor of Nx with one dimension is such a column too, and
  a frame of Explorer has columns.

      iex> {:ok, table} = Cambrian.Table.from_columns(size: [1, nil, 3], colour: ~w(red blue red))
      iex> table
      #Cambrian.Table<3 rows, 2 columns>
  """
  @spec from_columns(Enumerable.t() | struct) :: {:ok, t} | {:error, Error.reason()}
  def from_columns(frame) when is_struct(frame, Explorer.DataFrame) do
    # Explorer is no dependency: it is called by name
    columns = apply(Explorer.DataFrame, :to_columns, [frame])
    names = apply(Explorer.DataFrame, :names, [frame])
    from_columns(for name <- names, do: {name, Map.fetch!(columns, name)})
  end

  def from_columns(columns) do
    columns = for {name, values} <- columns, do: {name, values(values)}
    columns |> :cambrian_table.from_columns() |> table()
  end

  @doc """
  Describes a table: how many rows it has, and of each column the kind and whether fields are
  missing. A column is of `:numbers` or of `:words`; one of both is `:mixed`.

      iex> {:ok, table} = Cambrian.Table.from_text("a;b\\n1;x\\n;3\\n")
      iex> Cambrian.Table.info(table).columns
      [%{kind: :numbers, missing: true, name: "a"}, %{kind: :mixed, missing: false, name: "b"}]
  """
  @spec info(t) :: %{
          rows: non_neg_integer,
          columns: [%{name: String.t(), kind: :numbers | :words | :mixed, missing: boolean}]
        }
  def info(table), do: :cambrian_table.info(Boundary.ref(table, __MODULE__))

  defp values(values) when is_list(values), do: values
  defp values(%Range{} = range), do: Enum.to_list(range)
  defp values(tensor), do: Tensor.dataset(tensor)

  defp table({:ok, table}), do: {:ok, %__MODULE__{ref: table}}
  defp table({:error, reason}), do: {:error, reason}

  defimpl Inspect do
    def inspect(table, _opts) do
      %{rows: rows, columns: columns} = Cambrian.Table.info(table)

      "#Cambrian.Table<#{Cambrian.Boundary.counted(rows, "row")}, " <>
        "#{Cambrian.Boundary.counted(length(columns), "column")}>"
    end
  end
end
