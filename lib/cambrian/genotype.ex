defmodule Cambrian.Genotype do
  @moduledoc """
  Makes, changes, reads and writes genotypes. A genotype has node genes and connection genes; it
  evolves, and nodes send it to each other.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, child} = Cambrian.Genotype.mutate(genotype, :add_node, seed: 8)
      iex> Cambrian.Genotype.info(child)
      %{inputs: 2, outputs: 1, nodes: 4, hidden: 1, connections: 4, recurrent: 0}

  A genotype is an immutable value that lives outside the heap: you can send it to any process of
  this node at no cost, and to other nodes by `to_binary/1`. Ids of genes are computed from the
  origin of the gene, so genotypes bred on machines that never met still align.

  The struct holds the reference that Erlang's `:cambrian_genotype` works with, and prints as
  `#Cambrian.Genotype<2 -> 1, 3 hidden, 7 connections, 1149588551>`, with the first digits of
  `hex_id/1` at the end. Two structs of the same genes are not `==`; their ids are.

  Random functions take a `:seed` from 0 to 2^64 - 1, and the same seed gives the same genotype on
  any machine. All other options are parameters, as `Cambrian.parameters/0` lists them. A value of
  the wrong type raises `ArgumentError`.
  """

  alias Cambrian.{Boundary, Error, Network}

  @enforce_keys [:ref]
  defstruct [:ref]

  @type t :: %__MODULE__{ref: :cambrian_genotype.genotype()}

  @typedoc "32 bytes: the SHA-256 of `to_binary/1`."
  @type id :: <<_::256>>

  @typedoc "From 0 to 2^64 - 1."
  @type seed :: non_neg_integer

  @typedoc "One of `operators/0`."
  @type operator :: atom

  @doc """
  Makes a first genotype: inputs joined to outputs, with random weights and no hidden node.

  `:inputs` and `:outputs`, from 1 to 10,000, and `:seed` are required.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 3, outputs: 2, seed: 1)
      iex> Cambrian.Genotype.info(genotype).connections
      6

      iex> Cambrian.Genotype.new(inputs: 3, outputs: 2)
      {:error, {:missing_options, [:seed]}}

      iex> Cambrian.Genotype.new(inputs: 0, outputs: 1, seed: 1)
      {:error, {:invalid_genotype, "0 inputs and 1 outputs; expected 1 to 10000 of each"}}
  """
  @spec new(keyword) :: {:ok, t} | {:error, Error.reason()}
  def new(opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         {:ok, [_, _, seed], _} <- Boundary.take(options, [:inputs, :outputs, :seed]) do
      options |> Map.delete(:seed) |> :cambrian_genotype.new(seed) |> Boundary.genotype()
    end
  end

  @doc """
  Applies every operator with the probability in the parameters.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, child} = Cambrian.Genotype.mutate(genotype, seed: 8, add_node: 1.0)
      iex> Cambrian.Genotype.info(child).hidden
      1

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Genotype.mutate(genotype, seed: 8, add_nodes: 1.0)
      {:error,
       {:unknown_parameter, :add_nodes, %{did_you_mean: :add_node, see: "cambrian:parameters/0"}}}
  """
  @spec mutate(t, keyword) :: {:ok, t} | {:error, Error.reason()}
  def mutate(genotype, opts) do
    reference = Boundary.ref(genotype, __MODULE__)

    with {:ok, seed, params} <- seed_and_params(opts),
         do: Boundary.genotype(:cambrian_genotype.mutate(reference, params, seed))
  end

  @doc """
  Applies one operator.

  `{:error, :not_applicable}` if it finds nothing to change.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, child} = Cambrian.Genotype.mutate(genotype, :remove_connection, seed: 8)
      iex> Cambrian.Genotype.info(child).connections
      1
      iex> Cambrian.Genotype.mutate(genotype, :add_connection, seed: 8)
      {:error, :not_applicable}
      iex> Cambrian.Genotype.mutate(genotype, :grow, seed: 8)
      {:error, {:unknown_operator, :grow, %{see: "cambrian_genotype:operators/0"}}}
  """
  @spec mutate(t, operator, keyword) :: {:ok, t} | {:error, Error.reason()}
  def mutate(genotype, operator, opts) do
    reference = Boundary.ref(genotype, __MODULE__)

    with {:ok, seed, params} <- seed_and_params(opts),
         do: Boundary.genotype(:cambrian_genotype.mutate(reference, operator, params, seed))
  end

  @doc """
  Lists the names of the mutation operators, in the order in which `mutate/2` tries them.

  Each has a rate of the same name among `Cambrian.parameters/0`, with a description:

      iex> operators = Cambrian.Genotype.operators()
      iex> table =
      ...>   for %{name: name, about: about} <- Cambrian.parameters(),
      ...>       name in operators,
      ...>       do: {name, about}
      iex> {table[:add_node], table[:remove_node]}
      {"rate: a connection is split by a node",
       "rate: a hidden node is removed, and its sources are joined to its targets"}
  """
  @spec operators() :: [operator]
  defdelegate operators, to: :cambrian_genotype

  @doc """
  Lists the possible values of each gene that has named values.

  The pages of the Rust core say what each computes, with its source: `Activation`, `Aggregation`,
  `Dynamics` and `Plasticity`.

      iex> %{aggregation: _, activation: _} = choices = Cambrian.Genotype.choices()
      iex> {choices.dynamics, choices.plasticity}
      {[:none, :leaky, :cfc, :ltc, :delay], [:none, :hebbian, :oja, :bcm, :reward]}
  """
  @spec choices() :: %{
          activation: [atom],
          aggregation: [atom],
          dynamics: [atom],
          plasticity: [atom]
        }
  defdelegate choices, to: :cambrian_genotype

  @doc """
  Adapts a genotype to a task with more or fewer inputs or outputs.

  New inputs and outputs are unconnected, so the outputs that stay compute the same as before;
  `:add_input` and `:add_output` connect new ones. A removed input or output takes its connections
  with it. A size that you omit stays the same; all other options are parameters
  (`:output_activation`).

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, larger} = Cambrian.Genotype.resize(genotype, inputs: 3, outputs: 2)
      iex> Cambrian.Genotype.info(larger)
      %{inputs: 3, outputs: 2, nodes: 5, hidden: 0, connections: 2, recurrent: 0}
      iex> {:ok, back} = Cambrian.Genotype.resize(larger, inputs: 2, outputs: 1)
      iex> Cambrian.Genotype.id(back) == Cambrian.Genotype.id(genotype)
      true
  """
  @spec resize(t, keyword) :: {:ok, t} | {:error, Error.reason()}
  def resize(genotype, opts) do
    reference = Boundary.ref(genotype, __MODULE__)

    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: Boundary.genotype(:cambrian_genotype.resize(reference, options))
  end

  @doc """
  Makes a child of two parents.

  A matching gene comes from either parent; all other genes come from the first parent, which is the
  fitter (Stanley and Miikkulainen 2002, section III-B).

      iex> {:ok, fitter} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, fitter} = Cambrian.Genotype.mutate(fitter, :add_node, seed: 8)
      iex> {:ok, other} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 9)
      iex> {:ok, child} = Cambrian.Genotype.crossover(fitter, other, seed: 10)
      iex> Cambrian.Genotype.info(child) == Cambrian.Genotype.info(fitter)
      true

  Parents that differ in inputs or outputs are incompatible:

      iex> {:ok, two} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, three} = Cambrian.Genotype.new(inputs: 3, outputs: 1, seed: 7)
      iex> Cambrian.Genotype.crossover(two, three, seed: 10)
      {:error, :incompatible}
  """
  @spec crossover(fitter :: t, other :: t, keyword) :: {:ok, t} | {:error, Error.reason()}
  def crossover(fitter, other, opts) do
    fitter = Boundary.ref(fitter, __MODULE__)
    other = Boundary.ref(other, __MODULE__)

    with {:ok, seed, params} <- seed_and_params(opts),
         do: Boundary.genotype(:cambrian_genotype.crossover(fitter, other, params, seed))
  end

  @doc """
  Returns the distance of two genotypes, as speciation uses it: 0.0 for the same genes and
  weights.

  The distance is the share of connection genes that do not match, in the genotype with more,
  times the parameter `:disjoint_weight`, plus the mean difference of the weights that do match,
  times `:weight_weight`: equation 1 of Stanley and Miikkulainen 2002, where excess and disjoint
  genes are one kind, because computed ids have no age.

      iex> {:ok, a} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, b} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 8)
      iex> Cambrian.Genotype.distance(a, a)
      0.0
      iex> Cambrian.Genotype.distance(a, b, weight_weight: 0)
      0.0
      iex> Cambrian.Genotype.distance(a, b) > 0
      true
  """
  @spec distance(t, t, keyword) :: float | {:error, Error.reason()}
  def distance(a, b, opts \\ []) do
    a = Boundary.ref(a, __MODULE__)
    b = Boundary.ref(b, __MODULE__)

    with {:ok, params} <- Boundary.to_map(:options, opts),
         do: :cambrian_genotype.distance(a, b, params)
  end

  @doc """
  Returns the genotype's id, which is the same everywhere: the SHA-256 of `to_binary/1`, 32 bytes.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> bytes = Cambrian.Genotype.to_binary(genotype)
      iex> Cambrian.Genotype.id(genotype) == :crypto.hash(:sha256, bytes)
      true
  """
  @spec id(t) :: id
  def id(genotype), do: :cambrian_genotype.id(Boundary.ref(genotype, __MODULE__))

  @doc """
  Returns `id/1` as 64 hexadecimal digits, to print.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Genotype.hex_id(genotype) =~ ~r/^[0-9a-f]{64}$/
      true
  """
  @spec hex_id(t) :: String.t()
  def hex_id(genotype), do: Base.encode16(id(genotype), case: :lower)

  @doc """
  Returns sizes. `:nodes` includes inputs and outputs, `:connections` includes disabled connections.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Genotype.info(genotype)
      %{inputs: 2, outputs: 1, nodes: 3, hidden: 0, connections: 2, recurrent: 0}
  """
  @spec info(t) :: %{
          inputs: pos_integer,
          outputs: pos_integer,
          nodes: pos_integer,
          hidden: non_neg_integer,
          connections: non_neg_integer,
          recurrent: non_neg_integer
        }
  def info(genotype), do: :cambrian_genotype.info(Boundary.ref(genotype, __MODULE__))

  @doc """
  Returns the cost of one activation of its network, from its genes alone, in units of work. An
  enabled connection costs 1 unit, which takes about a nanosecond; a node that sums and activates
  costs 2; a node that does more costs from 28 to 76. The units are the same on every machine.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Genotype.cost(genotype)
      4
  """
  @spec cost(t) :: pos_integer
  def cost(genotype), do: :cambrian_genotype.cost(Boundary.ref(genotype, __MODULE__))

  @doc """
  Returns every gene as a map, to look at, to draw or to edit.

  Nodes stand in (layer, id) order. A layer is from 0 (inputs) to 2^63 (outputs); a connection is
  recurrent exactly when its source is not on a lower layer than its target.

  A hidden or output node multiplies each incoming value by the weight of its connection, and
  combines the products by its `:aggregation`. It multiplies the result by its `:gain`, adds its
  `:bias` and applies its `:activation`. A node with `:dynamics` has a state, whose `:time_constant`
  is in steps, from 0.01 to 1000. The weights of a node with `:plasticity` learn while the network
  runs, with a `:learning_rate` within plus and minus 1 and a `:decay` from 0 to 1. `choices/0`
  lists the values of each named gene. An input node passes its value on.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> %{schema: 2, nodes: nodes, connections: connections} = Cambrian.Genotype.to_map(genotype)
      iex> Enum.map(nodes, & &1.kind)
      [:input, :input, :output]
      iex> connections |> hd() |> Map.keys() |> Enum.sort()
      [:enabled, :from, :id, :to, :weight]
      iex> nodes |> List.last() |> Map.drop([:id, :index, :kind, :layer])
      %{activation: :sigmoid, aggregation: :sum, bias: 0.0, gain: 1.0, dynamics: :none,
        time_constant: 1.0, plasticity: :none, learning_rate: 0.0, decay: 0.0}
  """
  @spec to_map(t) :: map
  def to_map(genotype), do: :cambrian_genotype.to_map(Boundary.ref(genotype, __MODULE__))

  @doc """
  Reads a map of `to_map/1`.

  A gene that a node lacks gets its default: activation `:identity`, aggregation `:sum`, bias 0,
  gain 1, neither dynamics nor plasticity. So this also reads maps of schema 1, in which nodes had
  only an activation and a bias. Numbers are rounded to 32 bits; ids of connections are computed
  again. A map of another shape raises `ArgumentError`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> map = Cambrian.Genotype.to_map(genotype)
      iex> {:ok, same} = Cambrian.Genotype.from_map(map)
      iex> Cambrian.Genotype.id(same) == Cambrian.Genotype.id(genotype)
      true
      iex> {:error, {:invalid_genotype, _why}} = Cambrian.Genotype.from_map(%{map | nodes: []})
      iex> [in1, in2, out] = map.nodes
      iex> Cambrian.Genotype.from_map(%{map | nodes: [in1, in2, %{out | activation: :chess}]})
      {:error, {:unknown_gene, :activation, :chess}}
      iex> Cambrian.Genotype.from_map(%{map | schema: 3})
      {:error, {:unsupported_version, 3}}
  """
  @spec from_map(map) :: {:ok, t} | {:error, Error.reason()}
  def from_map(map), do: Boundary.genotype(:cambrian_genotype.from_map(map))

  @doc """
  Returns the canonical bytes: the same genotype gives the same bytes on every machine.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> is_binary(Cambrian.Genotype.to_binary(genotype))
      true
  """
  @spec to_binary(t) :: binary
  def to_binary(genotype), do: :cambrian_genotype.to_binary(Boundary.ref(genotype, __MODULE__))

  @doc """
  Reads bytes from any sender; no bytes can do harm.

  The reason of a refusal is `:malformed`, `:not_canonical`, `{:too_large, size}`,
  `{:unsupported_version, version}`, `{:unknown_gene, gene, number}` or `{:invalid_genotype, why}`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> bytes = Cambrian.Genotype.to_binary(genotype)
      iex> {:ok, same} = Cambrian.Genotype.from_binary(bytes)
      iex> Cambrian.Genotype.id(same) == Cambrian.Genotype.id(genotype)
      true
      iex> Cambrian.Genotype.from_binary("a picture of a cat")
      {:error, :malformed}
  """
  @spec from_binary(binary) :: {:ok, t} | {:error, Error.reason()}
  def from_binary(bytes), do: Boundary.genotype(:cambrian_genotype.from_binary(bytes))

  @doc """
  Returns, as bytes, the difference between a base, which the reader holds, and a target: the genes
  that were removed or added, and the values that changed.

      iex> {:ok, base} = Cambrian.Genotype.new(inputs: 20, outputs: 5, seed: 7)
      iex> {:ok, target} = Cambrian.Genotype.mutate(base, :add_node, seed: 1)
      iex> delta = Cambrian.Genotype.diff(base, target)
      iex> byte_size(delta) < div(byte_size(Cambrian.Genotype.to_binary(target)), 3)
      true
  """
  @spec diff(base :: t, target :: t) :: binary
  def diff(base, target),
    do: :cambrian_genotype.diff(Boundary.ref(base, __MODULE__), Boundary.ref(target, __MODULE__))

  @doc """
  Applies a `diff/2` to its base, and returns the target. The bytes may come from any sender.

  With another base, the error names the right base. The result always has the id that the
  difference names; otherwise it is an error.

      iex> {:ok, base} = Cambrian.Genotype.new(inputs: 20, outputs: 5, seed: 7)
      iex> {:ok, target} = Cambrian.Genotype.mutate(base, :add_node, seed: 1)
      iex> delta = Cambrian.Genotype.diff(base, target)
      iex> {:ok, copy} = Cambrian.Genotype.patch(base, delta)
      iex> Cambrian.Genotype.id(copy) == Cambrian.Genotype.id(target)
      true
      iex> wrong_base = {:error, {:wrong_base, Cambrian.Genotype.id(base)}}
      iex> Cambrian.Genotype.patch(target, delta) == wrong_base
      true
  """
  @spec patch(base :: t, delta :: binary) :: {:ok, t} | {:error, Error.reason()}
  def patch(base, delta),
    do: Boundary.genotype(:cambrian_genotype.patch(Boundary.ref(base, __MODULE__), delta))

  @doc """
  Returns every gene as JSON, a line for each, to look at, to edit or to read in other languages.

  It has the content of `to_map/1`; `docs/export.md` has a table of the fields. Ids and layers are
  strings of 16 hexadecimal digits; numbers have the fewest digits that read back to the same bits.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> json = Cambrian.Genotype.to_json(genotype)
      iex> json =~ ~S|{"id":"0ff428b25743d371","kind":"input","index":1,"layer":"0000000000000000"}|
      true

  With `:normalisation`, that of a result, the text has a line for it, which `from_json/1` ignores.
  """
  @spec to_json(t, normalisation: Network.normalisation() | nil) ::
          String.t() | {:error, Error.reason()}
  def to_json(genotype, opts \\ []), do: export(genotype, opts, &:cambrian_genotype.to_json/2)

  @doc """
  Reads the text of `to_json/1`. It may come from any sender, and has at most 256 MiB.

  Genes may be in any order. A node needs its id and its layer; other missing genes get the values
  of `from_map/1`. The id of a connection may be missing too, because it follows from its ends.
  The reason of a refusal is `{:bad_json, why}`, which says where, `{:invalid_genotype, why}`,
  `{:unsupported_version, schema}` or `{:too_large, size}`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, same} = genotype |> Cambrian.Genotype.to_json() |> Cambrian.Genotype.from_json()
      iex> Cambrian.Genotype.id(same) == Cambrian.Genotype.id(genotype)
      true
      iex> Cambrian.Genotype.from_json(~S|{"schema": 2, "inputs": "two"}|)
      {:error,
       {:bad_json, ~S|inputs: invalid type: string "two", expected u32 at line 1 column 29|}}
  """
  @spec from_json(String.t()) :: {:ok, t} | {:error, Error.reason()}
  def from_json(text), do: Boundary.genotype(:cambrian_genotype.from_json(text))

  @doc """
  Reads a network that neat-python wrote as JSON, and returns a genotype that computes the same
  outputs. The text may come from any sender, and has at most 256 MiB.

  It reads feed-forward and recurrent networks, as `neat.export.export_network_json` of
  neat-python 1.1 and 2.0 writes them. `{:no_equal, what}` names a part that Cambrian cannot
  compute: the activations `lelu`, `inv` and `cube`, your own functions, CTRNNs, spiking networks.
  Some nodes become more than one: `docs/export.md` says which, and why.

      iex> node = ~S|{"id": 0, "activation": {"name": "tanh", "custom": false}, "bias": 0.25,
      ...>   "aggregation": {"name": "sum", "custom": false}, "response": 1.0}|
      iex> {:ok, genotype} = Cambrian.Genotype.from_neat_python(~s|{
      ...>   "format_version": "1.0", "network_type": "feedforward",
      ...>   "topology": {"input_keys": [-1], "output_keys": [0]}, "nodes": [\#{node}],
      ...>   "connections": [{"from": -1, "to": 0, "weight": 2.0, "enabled": true}]}|)
      iex> [y] = genotype |> Cambrian.Network.compile() |> Cambrian.Network.activate([0.1])
      iex> abs(y - :math.tanh(2.5 * (0.25 + 2.0 * 0.1))) < 1.0e-6
      true
  """
  @spec from_neat_python(String.t()) :: {:ok, t} | {:error, Error.reason()}
  def from_neat_python(text), do: Boundary.genotype(:cambrian_genotype.from_neat_python(text))

  @doc """
  Returns the network as one file of C99, for a program or a microcontroller without Cambrian.

  The file needs no library, not even libm, and no heap. It has tables that stay in flash, and a
  struct of 4 bytes for each input, each number of memory, and each hidden and output node. The
  number of `nodes` at the top of the file counts hidden and output nodes. Its outputs have the same
  bits as those of `Cambrian.Network.step/3`, and its memory has the layout of a state, so you can
  copy a state into it. The top of the file says how to call and compile it; it refuses
  `-ffast-math`. Inputs must be within plus and minus 1.0e12; the file does not check that.

  For a CPPN this exports the CPPN itself; `Cambrian.Substrate.express/2` makes the network that the
  CPPN describes.

  `:name` is the prefix of the names in the file, by default `"cambrian"`. With `:normalisation`,
  that of a result, the file normalises its inputs first.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> file = Cambrian.Genotype.to_c(genotype, name: "pole")
      iex> file =~ "void pole_step(struct pole_network *network, const float *inputs, "
      true
      iex> {:error, {:bad_option, {:name, "*/", _expected}}} =
      ...>   Cambrian.Genotype.to_c(genotype, name: "*/")
  """
  @spec to_c(t, name: String.t(), normalisation: Network.normalisation() | nil) ::
          String.t() | {:error, Error.reason()}
  def to_c(genotype, opts \\ []), do: export(genotype, opts, &:cambrian_genotype.to_c/2)

  @doc """
  Returns the network as one file of Rust, a module for a program or a device without Cambrian.

  The file uses only `core`, does not allocate and has no unsafe code. Its outputs and memory are
  the same as in the file of `to_c/2`; the top of the file says how to call it. `:name` is the name
  of the module, and `:normalisation` as in `to_c/2`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> file = Cambrian.Genotype.to_rust(genotype, name: "pole")
      iex> file =~ "pub fn step(&mut self, inputs: &[f32; INPUTS]) -> [f32; OUTPUTS] {"
      true
      iex> {:error, {:bad_option, {:name, "match", _expected}}} =
      ...>   Cambrian.Genotype.to_rust(genotype, name: "match")
  """
  @spec to_rust(t, name: String.t(), normalisation: Network.normalisation() | nil) ::
          String.t() | {:error, Error.reason()}
  def to_rust(genotype, opts \\ []), do: export(genotype, opts, &:cambrian_genotype.to_rust/2)

  @doc """
  Returns the network as an ONNX model of opset 17, for any runtime that reads it.

  Its input `inputs` and its output `outputs` are 32-bit floats of shape `{batch, inputs}` and
  `{batch, outputs}`. If the network has a memory, it also takes `state` and returns `next_state`,
  of shape `{batch, memory}`: a state of `Cambrian.Network.step/3`, zero at rest. If the network
  learns from a reward, the last number of the state is the reward.

  A runtime adds in its own order and has its own functions, so its numbers equal those of
  Cambrian to about 1.0e-6, unless a step function or a feedback magnifies the last bit.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> model = Cambrian.Genotype.to_onnx(genotype)
      iex> for name <- ["inputs", "outputs", "state"], model =~ name, do: name
      ["inputs", "outputs"]

  With `:normalisation`, that of a result, the model normalises its inputs first.
  """
  @spec to_onnx(t, normalisation: Network.normalisation() | nil) ::
          binary | {:error, Error.reason()}
  def to_onnx(genotype, opts \\ []), do: export(genotype, opts, &:cambrian_genotype.to_onnx/2)

  defp export(genotype, opts, write) do
    reference = Boundary.ref(genotype, __MODULE__)

    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: write.(reference, without_nil(options))
  end

  # A result has nil where Erlang has no key.
  defp without_nil(%{normalisation: nil} = options), do: Map.delete(options, :normalisation)
  defp without_nil(options), do: options

  defp seed_and_params(opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         {:ok, [seed], params} <- Boundary.take(options, [:seed]),
         do: {:ok, seed, params}
  end

  defimpl Inspect do
    def inspect(genotype, _opts) do
      %{inputs: inputs, outputs: outputs, hidden: hidden, connections: connections} =
        Cambrian.Genotype.info(genotype)

      short = String.slice(Cambrian.Genotype.hex_id(genotype), 0, 10)

      "#Cambrian.Genotype<#{inputs} -> #{outputs}, #{hidden} hidden, " <>
        "#{Cambrian.Boundary.counted(connections, "connection")}, #{short}>"
    end
  end
end
