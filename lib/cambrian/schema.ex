defmodule Cambrian.Schema do
  @moduledoc """
  The schema of a table: how a row becomes the inputs of a network, and its outputs an answer.

  `Cambrian.Data.prepare/2` makes a schema with a task. Keep it beside the champion, which sees only
  scaled numbers: `predict/3` then answers for other tables with the same columns.

  A column of numbers is one input, `(x - offset) * factor` in 32-bit floats, cut off at 10 and -10:
  the offset is the mean of the training rows, and the factor one over their standard deviation. A
  column of words is an input for each word, which is 1 for that word and 0 for the others.
  """

  alias Cambrian.{Boundary, Error, Network, Table}

  @enforce_keys [:ref]
  defstruct [:ref]

  @opaque t :: %__MODULE__{ref: :cambrian_schema.schema()}

  @typedoc "For a classification, `:scores` are the outputs of the network in the order of classes."
  @type prediction :: %{answer: integer | String.t() | float, scores: [float]}

  @doc """
  Answers for each row of a table. The table needs the columns of the schema, in any order; it may
  lack the label, and have others.

      iex> {:ok, table} = Cambrian.Table.from_columns(size: [1, 2, 3, 4], kind: ~w(a a b b))
      iex> {:ok, data} = Cambrian.Data.prepare(table, label: "kind", validation: 0, test: 0)
      iex> champion = Cambrian.evolve!(data.task, seed: 1, generations: 20).champion
      iex> {:ok, new} = Cambrian.Table.from_columns(size: [1.5, 10])
      iex> network = Cambrian.Network.compile(champion)
      iex> {:ok, predictions} = Cambrian.Schema.predict(data.schema, network, new)
      iex> Enum.map(predictions, & &1.answer)
      ["a", "b"]
  """
  @spec predict(t, Network.t(), Table.t()) :: {:ok, [prediction]} | {:error, Error.reason()}
  def predict(schema, network, table) do
    :cambrian_schema.predict(
      Boundary.ref(schema, __MODULE__),
      Boundary.ref(network, Network),
      Boundary.ref(table, Table)
    )
  end

  @doc """
  Returns the scales of all inputs of a network, in their order, for programs that have the exported
  network alone. The inputs of a column of words have the mean 0 and the factor 1.

      iex> {:ok, table} = Cambrian.Table.from_columns(size: [1, 3], kind: ~w(a b))
      iex> {:ok, data} = Cambrian.Data.prepare(table, label: "kind", validation: 0, test: 0)
      iex> Cambrian.Schema.normalisation(data.schema)
      %{factors: [1.0], means: [2.0]}
  """
  @spec normalisation(t) :: %{means: [float], factors: [float]}
  def normalisation(schema), do: :cambrian_schema.normalisation(Boundary.ref(schema, __MODULE__))

  @doc """
  Writes a schema as JSON, for a file beside the champion's, and for other programs.

      iex> {:ok, table} = Cambrian.Table.from_columns(size: [1, 3], kind: ~w(a b))
      iex> {:ok, data} = Cambrian.Data.prepare(table, label: "kind", validation: 0, test: 0)
      iex> Cambrian.Schema.from_json(Cambrian.Schema.to_json(data.schema)) == {:ok, data.schema}
      true
  """
  @spec to_json(t) :: String.t()
  def to_json(schema), do: :cambrian_schema.to_json(Boundary.ref(schema, __MODULE__))

  @doc """
  Reads the JSON of `to_json/1`. The text may come from anyone.

      iex> Cambrian.Schema.from_json("[1]")
      {:error, {:bad_schema, "expected an object with a schema of version 1"}}
  """
  @spec from_json(String.t()) :: {:ok, t} | {:error, Error.reason()}
  def from_json(text) do
    with {:ok, schema} <- :cambrian_schema.from_json(text), do: {:ok, %__MODULE__{ref: schema}}
  end

  defimpl Inspect do
    def inspect(%{ref: %{label: label, columns: columns}}, _opts) do
      count = Cambrian.Boundary.counted(length(columns), "column")
      "#Cambrian.Schema<#{count} -> #{label}>"
    end
  end
end
