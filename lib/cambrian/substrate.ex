defmodule Cambrian.Substrate do
  @moduledoc """
  Describes a substrate for indirect encoding: a large network whose weights follow from the
  places of its nodes.

  This is HyperNEAT (Stanley, D'Ambrosio and Gauci 2009). A substrate has nodes at points in space.
  A small network, the CPPN, computes the weight of the connection between each pair of nodes. The
  CPPN is a genotype like any other: with the option `:substrate` of `Cambrian.evolve/2`, the CPPNs
  evolve, travel and become champions. `express/2` makes the network that runs, as another genotype;
  on a substrate with more points it makes a larger network from the same CPPN, without further
  evolution.

      iex> strip = fn size ->
      ...>   pixels = Cambrian.Substrate.grid([size])
      ...>   Cambrian.Substrate.new!(inputs: pixels, outputs: pixels, output_activation: :identity)
      ...> end
      iex> shown = fn network, at, size ->
      ...>   lit = List.duplicate(0, size) |> List.replace_at(at, 1)
      ...>   outputs = Cambrian.Network.activate(network, lit)
      ...>   Enum.max(outputs) == Enum.at(outputs, at)
      ...> end
      iex> count = fn network, size -> Enum.count(0..(size - 1), &shown.(network, &1, size)) end
      iex> options = [substrate: strip.(7), target: 7, seed: 1]
      iex> %{solved: true} = result = Cambrian.evolve!(&count.(&1, 7), options)
      iex> {:ok, larger} = Cambrian.Substrate.express(strip.(28), result.champion)
      iex> larger |> Cambrian.Network.compile() |> count.(28)
      28

  ## Options

    * `:inputs`, `:outputs` - required: the points of the nodes. A point is a list of 1 to 3
      numbers, by custom from -1 to 1; all points have the same number.
    * `:hidden` - a list of layers, which are lists of points; or, with a keyword list or map, the
      CPPN decides where hidden nodes are: see below. Default `[]`, no layers.
    * `:joins` - which layers lead to which, as `{from, to}`, where 0 is the inputs and the last
      the outputs. By default each leads to the next. Connections to the same or a lower layer are
      recurrent.
    * `:activation`, `:output_activation` - the activations of hidden nodes, default `:tanh`, and
      of outputs, default `:sigmoid`.
    * `:weight_range` - the weight for a CPPN's output 1.0, above 0 and up to 1000. Default 3.0.
    * `:threshold` - t, from 0 to less than 1, default 0.2. A CPPN's output w is clamped to -1..1.
      If |w| is at most t there is no connection; else its weight is sign(w) (|w| - t) / (1 - t)
      times the range, so that weights begin at 0, by the rule of the HyperNEAT paper.
    * `:leo` - with `true`, a further output of the CPPN decides instead of the threshold: above 0
      there is a connection (Verbancsics and Stanley 2011), whose weight is w times the range.
      Default `false`.
    * `:bias` - `true` gives the CPPN an output for the bias of a node, computed for the pair of
      the origin and the node. Default `false`.

  ## Hidden nodes that are found

  This is ES-HyperNEAT (Risi and Stanley 2012), for points of 2 coordinates. The weights around a
  node form a picture over the square from -1 to 1, which is divided into four cells again and
  again.

    * `:initial_depth`, `:max_depth` - the least and the most divisions, from 1. Default 3 and 3.
    * `:division_threshold` - in between, a cell with a higher variance is divided. Default 0.03.
    * `:variance_threshold` - a cell with a lower variance is one node. Default 0.03.
    * `:band_threshold` - by how much its weight must differ from the weights on either side.
      Default 0.3.
    * `:iterations` - how many times the search continues from the nodes that it found. Default 1.
  """

  alias Cambrian.{Boundary, Error, Genotype}

  @enforce_keys [:ref]
  defstruct [:ref]

  @type t :: %__MODULE__{ref: :cambrian_substrate.substrate()}

  @typedoc "1 to 3 coordinates."
  @type point :: [number]

  @doc """
  Makes a substrate and checks that every CPPN of its shape can be expressed on it.

  A network can have 10,000 inputs and outputs, and 100,000 nodes. A substrate can have 10,000,000
  pairs of nodes that may be connected. `new/1` counts the pairs before it allocates them: each
  takes some 200 ns and 53 bytes.

      iex> field = Cambrian.Substrate.grid([3, 3])
      iex> layers = [inputs: field, hidden: [field], outputs: [[0, 0]]]
      iex> {:ok, substrate} = Cambrian.Substrate.new(layers)
      iex> inspect(substrate)
      "#Cambrian.Substrate<9 -> 1 in 2 dimensions, up to 90 connections>"

      iex> Cambrian.Substrate.new(inputs: [[0, 0]], outputs: [[0]])
      ...> |> elem(1)
      ...> |> Cambrian.Error.exception()
      ...> |> Exception.message()
      "invalid substrate: point 0 of layer 1: expected as many coordinates as the first, " <>
        "which has 2 of 1 to 3, each within ±1000000"

      iex> Cambrian.Substrate.new(inputs: [[0, 0]])
      {:error, {:missing_options, [:outputs]}}
  """
  @spec new(keyword) :: {:ok, t} | {:error, Error.reason()}
  def new(opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         {:ok, reference} <- options |> with_quadtree() |> :cambrian_substrate.new(),
         do: {:ok, %__MODULE__{ref: reference}}
  end

  # `[]` means no layers. It does not mean a quadtree with default options.
  defp with_quadtree(%{hidden: [{_, _} | _] = hidden} = options) do
    if Keyword.keyword?(hidden), do: %{options | hidden: Map.new(hidden)}, else: options
  end

  defp with_quadtree(options), do: options

  @doc """
  Does the same as `new/1`, but returns the substrate itself or raises a `Cambrian.Error`.

      iex> Cambrian.Substrate.new!(inputs: [[0]], outputs: [[1]], threshold: 1)
      ** (Cambrian.Error) invalid substrate: threshold: expected a number from 0 to less than 1
  """
  @spec new!(keyword) :: t
  def new!(opts) do
    case new(opts) do
      {:ok, substrate} -> substrate
      {:error, reason} -> raise Error, reason
    end
  end

  @doc """
  Returns points in regular order: the centres of the cells of a grid from -1 to 1, the first
  coordinate changing slowest.

  It takes 1 to 3 sizes, for at most 100,000 points in all, or raises `ArgumentError`. A grid of
  other sizes covers the same space.

      iex> Cambrian.Substrate.grid([2, 2])
      [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]
  """
  @spec grid([pos_integer]) :: [point]
  defdelegate grid(sizes), to: :cambrian_substrate

  @doc """
  Returns the sizes of the networks of a substrate; `:pairs` is the most connections that a network
  can have.

      iex> substrate = Cambrian.Substrate.new!(inputs: Cambrian.Substrate.grid([5]), outputs: [[0]])
      iex> Cambrian.Substrate.info(substrate)
      %{dimensions: 1, inputs: 5, outputs: 1, pairs: 5}
  """
  @spec info(t) :: %{
          dimensions: 1..3,
          inputs: pos_integer,
          outputs: pos_integer,
          pairs: non_neg_integer
        }
  def info(substrate), do: :cambrian_substrate.info(Boundary.ref(substrate, __MODULE__))

  @doc """
  Returns the sizes of the CPPNs for a substrate.

  The inputs are the coordinates of the source, the coordinates of the target, their distance, and
  1.0. The outputs are the weight; with `:bias`, the bias; and with `:leo`, whether to connect.

      iex> layers = [inputs: [[-1, 0], [1, 0]], outputs: [[0, 1]]]
      iex> substrate = Cambrian.Substrate.new!(layers ++ [bias: true])
      iex> Cambrian.Substrate.shape(substrate)
      %{inputs: 6, outputs: 2}
  """
  @spec shape(t) :: %{inputs: pos_integer, outputs: pos_integer}
  def shape(substrate), do: :cambrian_substrate.shape(Boundary.ref(substrate, __MODULE__))

  @doc """
  Returns the network that a CPPN describes, as a genotype. A network of more than 1,000,000
  connections can be compiled and run, but it is too large to be read from bytes or a map.

      iex> field = Cambrian.Substrate.grid([4, 4])
      iex> substrate = Cambrian.Substrate.new!(inputs: field, outputs: [[0, 0]], threshold: 0)
      iex> options = [inputs: 6, outputs: 1, seed: 7, output_activation: :tanh]
      iex> {:ok, cppn} = Cambrian.Genotype.new(options)
      iex> {:ok, genotype} = Cambrian.Substrate.express(substrate, cppn)
      iex> Map.take(Cambrian.Genotype.info(genotype), [:inputs, :outputs, :connections])
      %{inputs: 16, outputs: 1, connections: 16}
      iex> Cambrian.Substrate.express(substrate, genotype)
      {:error, {:wrong_size, :inputs, 6, 16}}
  """
  @spec express(t, Genotype.t()) :: {:ok, Genotype.t()} | {:error, Error.reason()}
  def express(substrate, cppn),
    do:
      Boundary.genotype(
        :cambrian_substrate.express(
          Boundary.ref(substrate, __MODULE__),
          Boundary.ref(cppn, Genotype)
        )
      )

  defimpl Inspect do
    def inspect(substrate, _opts) do
      %{dimensions: dimensions, inputs: inputs, outputs: outputs, pairs: pairs} =
        Cambrian.Substrate.info(substrate)

      "#Cambrian.Substrate<#{inputs} -> #{outputs} in " <>
        "#{Cambrian.Boundary.counted(dimensions, "dimension")}, " <>
        "up to #{Cambrian.Boundary.counted(pairs, "connection")}>"
    end
  end
end
