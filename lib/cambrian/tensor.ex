defmodule Cambrian.Tensor do
  @moduledoc false
  # Converts Nx's tensors, if Nx is loaded. Nx is no dependency: a tensor is recognised by its
  # struct, and Nx is called by name at run time, so that the compiler does not warn.

  @type t :: struct
  @typedoc "`nil` is any size."
  @type shape :: tuple
  @type error :: {:error, {:wrong_size, :inputs, expected :: shape, got :: shape}}

  defguard is_tensor(term) when is_struct(term, Nx.Tensor)

  @doc "Returns the numbers of a tensor of this shape as a network takes them."
  @spec numbers(t, shape) :: {:ok, binary} | error
  def numbers(tensor, expected) do
    shape = shape(tensor)

    if fits?(Tuple.to_list(shape), Tuple.to_list(expected)),
      do: {:ok, floats(tensor)},
      else: {:error, {:wrong_size, :inputs, expected, shape}}
  end

  @doc "Does the same for each of many tensors."
  @spec each_numbers([t], shape) :: {:ok, [binary]} | error
  def each_numbers(tensors, expected) do
    numbers = Enum.map(tensors, &numbers(&1, expected))
    Enum.find(numbers, {:ok, for({:ok, bytes} <- numbers, do: bytes)}, &match?({:error, _}, &1))
  end

  @doc "Returns the numbers of the rows of a tensor of this shape, which has two dimensions."
  @spec rows(t, shape) :: {:ok, [binary]} | error
  def rows(tensor, expected) do
    with {:ok, bytes} <- numbers(tensor, expected) do
      {_count, width} = shape(tensor)
      {:ok, for(<<row::binary-size(width * 4) <- bytes>>, do: row)}
    end
  end

  @doc "Returns outputs as a tensor."
  @spec vector(binary) :: t
  def vector(bytes), do: nx(:from_binary, [bytes, {:f, 32}])

  @doc "Returns the outputs for many inputs as a tensor of two dimensions; so is the argument."
  @spec matrix(binary, width :: pos_integer) :: t
  def matrix(bytes, width),
    do: nx(:reshape, [vector(bytes), {div(byte_size(bytes), width * 4), width}])

  @doc """
  Returns the inputs or targets of a dataset: rows, or one class each. A tensor of any other shape
  is returned unchanged, and the dataset refuses it later.
  """
  @spec dataset(term) :: Cambrian.Task.rows() | [integer] | term
  def dataset(tensor) when is_tensor(tensor) do
    case shape(tensor) do
      {_count, width} -> {width, floats(tensor)}
      {_count} -> nx(:to_flat_list, [tensor])
      _other -> tensor
    end
  end

  def dataset(rows), do: rows

  # Includes the vectorized dimensions, because the binary includes them too.
  defp shape(%{vectorized_axes: [_ | _] = axes, shape: shape}),
    do: List.to_tuple(Keyword.values(axes) ++ Tuple.to_list(shape))

  defp shape(%{shape: shape}), do: shape

  defp fits?([size | sizes], [expected | rest]),
    do: expected in [nil, size] and fits?(sizes, rest)

  defp fits?(sizes, expected), do: sizes == expected

  defp floats(tensor), do: nx(:to_binary, [nx(:as_type, [tensor, {:f, 32}])])

  defp nx(function, args), do: apply(Nx, function, args)
end
