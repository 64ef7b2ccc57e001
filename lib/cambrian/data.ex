defmodule Cambrian.Data do
  @moduledoc """
  Makes a task of a table: which column is the answer, which rows are held back, and how inputs are
  scaled.

  Fitness sees the training rows. The validation rows choose the champion and end a run with
  `:patience`. The test rows are for `measure/2` alone. Scales are those of the training rows.

      iex> rows = for x <- 1..10, y <- 1..10, do: {x, y, if(x + y > 10, do: "large", else: "small")}
      iex> column = fn at -> Enum.map(rows, &elem(&1, at)) end
      iex> columns = [x: column.(0), y: column.(1), size: column.(2)]
      iex> {:ok, table} = Cambrian.Table.from_columns(columns)
      iex> {:ok, data} = Cambrian.Data.prepare(table, label: "size", seed: 1)
      iex> champion = Cambrian.evolve!(data.task, seed: 1, generations: 30).champion
      iex> measures = Cambrian.Data.measure(data, Cambrian.Network.compile(champion))
      iex> measures.test.accuracy >= 0.9
      true
  """

  alias Cambrian.{Boundary, Error, Network, Schema, Table}

  @enforce_keys [:task, :schema, :kind, :rows, :ref]
  defstruct [:task, :schema, :kind, :rows, :ref]

  @typedoc """
  `:rows` lists the rows of `:train`, `:validation` and `:test`, counted from 1, and counts those
  that were `:dropped`.
  """
  @type t :: %__MODULE__{
          task: Cambrian.Task.native(),
          schema: Schema.t(),
          kind: :classification | :regression,
          rows: map,
          ref: :cambrian_data.data()
        }

  @type measures ::
          %{accuracy: float, balanced_accuracy: float}
          | %{r2: float | nil, rmse: float, mae: float}

  @doc """
  Makes a task of a table, and the schema to keep beside its champion.

  ## Options

    * `:label` (required) - the column to predict.
    * `:kind` - `:classification` or `:regression`; by default a column of words is a
      classification, and so is one of at most 20 different whole numbers.
    * `:ignore` - columns that are neither inputs nor the label.
    * `:words` - columns of words; by default those without a number. A column that has both and is
      not named here is an error, because one of them is a mistake more often than not.
    * `:max_words` (100) - the most different words of an input column, as each is an input.
    * `:missing` - with `:error`, the default, a missing field is an error; with `:drop`, rows that
      lack one are left out, and counted; with `:mean`, a missing number counts as the mean of the
      training rows, and a missing word as none of the words. The label of a row is never filled in.
    * `:validation` and `:test` (0.2 each) - the shares of the rows that are held back.
    * `:split` - with `:random`, the default, rows are drawn with the seed, of each class the same
      share; with `:last`, the test rows are the last, and the validation rows those before: for
      rows in the order of time.
    * `:seed` (0) - draws the rows.
    * `:loss` and `:weights` - those of a dataset, see `Cambrian.evolve/2`.

  An unknown column is named:

      iex> {:ok, table} = Cambrian.Table.from_columns(x: 1..6, y: ~w(a a a b b b))
      iex> {:ok, data} = Cambrian.Data.prepare(table, label: "y", ignore: [], seed: 1)
      iex> data.kind
      :classification
      iex> Cambrian.Data.prepare(table, label: "z")
      {:error, {:unknown_columns, ["z"], ["x", "y"]}}
  """
  @spec prepare(Table.t(), keyword) :: {:ok, t} | {:error, Error.reason()}
  def prepare(table, opts) do
    reference = Boundary.ref(table, Table)

    with {:ok, options} <- Boundary.to_map(:options, opts),
         {:ok, data} <- :cambrian_data.prepare(reference, options),
         do: {:ok, data(data)}
  end

  @doc """
  Makes the data of `k` folds: each row is a test row in one of them, and with a random split each
  fold has the same share of each class. The option `:test` does not apply.

      iex> {:ok, table} = Cambrian.Table.from_columns(x: 1..6, y: ~w(a a a b b b))
      iex> {:ok, folds} = Cambrian.Data.folds(table, 3, label: "y", validation: 0)
      iex> for fold <- folds, do: length(fold.rows.test)
      [2, 2, 2]
  """
  @spec folds(Table.t(), pos_integer, keyword) :: {:ok, [t]} | {:error, Error.reason()}
  def folds(table, k, opts) do
    reference = Boundary.ref(table, Table)

    with {:ok, options} <- Boundary.to_map(:options, opts),
         {:ok, folds} <- :cambrian_data.folds(reference, k, options),
         do: {:ok, Enum.map(folds, &data/1)}
  end

  @doc """
  Measures a network on each part of the data. A part without rows is left out.

  A classification has `:accuracy`, the share of the rows whose class is right, and
  `:balanced_accuracy`, the mean of that share over the classes. A regression has the coefficient of
  determination `:r2` (`nil` if all labels are the same), the root of the mean squared error
  `:rmse`, and the mean absolute error `:mae`, in the units of the label.

      iex> {:ok, table} = Cambrian.Table.from_columns(x: 1..50, y: 1..50)
      iex> {:ok, data} = Cambrian.Data.prepare(table, label: "y")
      iex> champion = Cambrian.evolve!(data.task, seed: 1, generations: 30).champion
      iex> Cambrian.Data.measure(data, Cambrian.Network.compile(champion)).test.r2 > 0.99
      true
  """
  @spec measure(t, Network.t()) :: %{optional(:train | :validation | :test) => measures}
  def measure(data, network) do
    measures =
      :cambrian_data.measure(Boundary.ref(data, __MODULE__), Boundary.ref(network, Network))

    Map.new(measures, fn {part, of} -> {part, Boundary.without_undefined(of)} end)
  end

  defp data(%{task: task, schema: schema, kind: kind, rows: rows} = data),
    do: %__MODULE__{task: task, schema: %Schema{ref: schema}, kind: kind, rows: rows, ref: data}

  defimpl Inspect do
    def inspect(%{kind: kind, schema: schema, rows: rows}, _opts) do
      parts = for part <- [:train, :validation, :test], do: "#{length(rows[part])} #{part}"
      "#Cambrian.Data<#{kind} of #{schema.ref.label}, #{Enum.join(parts, ", ")}>"
    end
  end
end
