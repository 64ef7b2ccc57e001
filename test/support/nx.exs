# The part of Nx that Cambrian calls, with Nx's semantics, for machines without Nx.
defmodule Nx.Tensor do
  @moduledoc false
  defstruct [:data, :shape, :type, names: [], vectorized_axes: []]
end

defmodule Nx do
  @moduledoc false
  alias Nx.Tensor

  def tensor(numbers, opts \\ []) do
    flat = List.flatten([numbers])
    type = opts[:type] || if Enum.all?(flat, &is_integer/1), do: {:s, 64}, else: {:f, 32}
    data = for number <- flat, into: <<>>, do: write(number, type)
    %Tensor{data: data, shape: List.to_tuple(dimensions(numbers)), type: type}
  end

  def as_type(%Tensor{} = tensor, type) do
    data = for number <- to_flat_list(tensor), into: <<>>, do: write(number, type)
    %{tensor | data: data, type: type}
  end

  def to_binary(%Tensor{data: data}), do: data

  def to_flat_list(%Tensor{data: data, type: type}), do: read(data, type)

  def from_binary(data, {_, bits} = type) when rem(bit_size(data), bits) == 0,
    do: %Tensor{data: data, shape: {div(bit_size(data), bits)}, type: type}

  def reshape(%Tensor{} = tensor, shape) do
    true = Tuple.product(shape) == Tuple.product(tensor.shape)
    %{tensor | shape: shape}
  end

  def vectorize(%Tensor{shape: shape} = tensor, axis),
    do: %{tensor | vectorized_axes: [{axis, elem(shape, 0)}], shape: Tuple.delete_at(shape, 0)}

  def shape(%Tensor{shape: shape}), do: shape
  def type(%Tensor{type: type}), do: type

  defp dimensions([first | _] = list), do: [length(list) | dimensions(first)]
  defp dimensions(_number), do: []

  defp write(number, {:f, 32}) when abs(number) > 3.5e38, do: <<0x7F800000::32-native>>
  defp write(number, {:f, bits}), do: <<number::float-size(bits)-native>>
  defp write(number, {_, bits}), do: <<trunc(number)::size(bits)-native>>

  defp read(data, {:f, bits}), do: for(<<x::float-size(bits)-native <- data>>, do: x)
  defp read(data, {:s, bits}), do: for(<<x::signed-size(bits)-native <- data>>, do: x)
  defp read(data, {:u, bits}), do: for(<<x::size(bits)-native <- data>>, do: x)
end
