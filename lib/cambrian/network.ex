defmodule Cambrian.Network do
  @moduledoc """
  Compiles genotypes to networks (phenotypes), and runs them.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> network = Cambrian.Network.compile(genotype)
      iex> [output] = Cambrian.Network.activate(network, [0.5, -1])
      iex> output > 0 and output < 1
      true

  Inputs are a list of numbers or a binary of little-endian 32-bit floats, such as the result of
  `Nx.to_binary/1`; outputs come in the same form. Inputs lie within plus and minus 1.0e12; every
  output is finite.

  ## Nx

  If Nx is loaded, inputs may also be tensors of any real type, and outputs are then tensors of
  32-bit floats. Cambrian does not depend on Nx, and needs no configuration to find it:

      Cambrian.Network.activate(network, Nx.tensor([0.5, -1]))
      #=> #Nx.Tensor<f32[1] [...]>
      Cambrian.Network.activate_batch(network, Nx.tensor([[0, 0], [0, 1], [1, 0]]))
      #=> #Nx.Tensor<f32[3][1] [...]>

  The inputs of one network have the shape `{inputs}` and give `{outputs}`. The inputs of a batch,
  or of many networks, have the shape `{n, inputs}` and give `{n, outputs}`, or they are a list of
  tensors and give a list. A state is always a binary. The results are the same as for a list of the
  same numbers.

  ## States

  A network is an immutable value that any number of processes share without a lock. Its memory is
  also a value, its state, which `step/3` takes and returns: the values that recurrent connections
  carry from the last step, the states of nodes with dynamics, and the learnt weights of plastic
  nodes. So a network learns while it runs, and its genotype does not change:

      iex> options = [inputs: 1, outputs: 1, seed: 7, output_activation: :identity]
      iex> {:ok, genotype} = Cambrian.Genotype.new(options)
      iex> map = Cambrian.Genotype.to_map(genotype)
      iex> %{nodes: [input, output], connections: [connection]} = map
      iex> hebbian = %{output | plasticity: :hebbian, learning_rate: 0.5}
      iex> learner = %{map | nodes: [input, hebbian], connections: [%{connection | weight: 1.0}]}
      iex> {:ok, learner} = Cambrian.Genotype.from_map(learner)
      iex> network = Cambrian.Network.compile(learner)
      iex> state = Cambrian.Network.initial_state(network)
      iex> {[first], state} = Cambrian.Network.step(network, state, [1])
      iex> {[second], state} = Cambrian.Network.step(network, state, [1])
      iex> {[third], _state} = Cambrian.Network.step(network, state, [1])
      iex> {first, second, third}
      {1.0, 1.5, 2.25}
      iex> <<learnt::float-32-little>> = state
      iex> learnt
      1.25
      iex> Cambrian.Network.activate(network, [1])
      [1.0]

  The struct holds the reference that Erlang's `:cambrian_network` works with, and prints as
  `#Cambrian.Network<2 -> 1, 7 connections, feed-forward>` or, if it has a memory,
  `#Cambrian.Network<2 -> 1, 7 connections, memory 3>`.

  ## Errors

    * `{:error, {:wrong_size, :inputs | :memory, expected, got}}`; for a tensor these are shapes,
      such as `{nil, 2}` and `{4, 3}`, where `nil` stands for any number.
    * `{:error, {:wrong_size, :outputs, expected, got}}` if the outputs should be one tensor, but
      a network does not have as many outputs as the first.
    * `{:error, {:not_enough_memory, wanted, allowed}}`, in bytes, for a batch or many networks:
      the application's `memory_limit` says how much is allowed
    * `{:error, {:out_of_range, :inputs | :memory | :reward}}`
    * `ArgumentError` for inputs that are not numbers, or a binary that is not a multiple of 4
      bytes.
  """

  import Cambrian.Tensor, only: [is_tensor: 1]

  alias Cambrian.{Boundary, Genotype, Tensor}

  @enforce_keys [:ref]
  defstruct [:ref]

  @type t :: %__MODULE__{ref: :cambrian_network.network()}

  @typedoc "A list of numbers, or little-endian 32-bit floats."
  @type numbers :: [number] | binary

  @typedoc "An `Nx.Tensor`."
  @type tensor :: struct

  @typedoc "A memory: 32-bit floats, little-endian, as many as `:memory` of `info/1`."
  @type state :: binary

  @typedoc """
  For each input, a mean to subtract and then a factor; the product is cut off at 10 and -10.
  """
  @type normalisation :: %{means: numbers, factors: numbers}

  @typedoc "A number, or the shape of a tensor."
  @type size :: non_neg_integer | tuple

  @type error ::
          {:error,
           {:wrong_size, :inputs | :memory | :outputs, expected :: size, got :: size}
           | {:not_enough_memory, wanted :: pos_integer, allowed :: pos_integer}
           | {:out_of_range, :inputs | :memory | :reward}}

  @doc """
  Compiles a genotype into a network that can run.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> inspect(Cambrian.Network.compile(genotype))
      "#Cambrian.Network<2 -> 1, 2 connections, feed-forward>"
  """
  @spec compile(Genotype.t()) :: t
  def compile(genotype),
    do: %__MODULE__{ref: :cambrian_network.compile(Boundary.ref(genotype, Genotype))}

  @doc """
  Returns the same network for inputs that are not normalised: it normalises them first. With `nil`
  it normalises none.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> plain = Cambrian.Network.compile(genotype)
      iex> network = Cambrian.Network.normalise(plain, %{means: [4, 100], factors: [2, 0.5]})
      iex> Cambrian.Network.activate(network, [5, 98]) == Cambrian.Network.activate(plain, [2, -1])
      true
      iex> Cambrian.Network.normalise(plain, %{means: [4], factors: [2]})
      {:error, {:wrong_size, :normalisation, 2, 1}}
  """
  @spec normalise(t, normalisation | nil) :: t | {:error, Cambrian.Error.reason()}
  def normalise(network, normalisation) do
    reference = Boundary.ref(network, __MODULE__)

    case :cambrian_network.normalise(reference, normalisation || :none) do
      {:error, reason} -> {:error, reason}
      normalised -> %__MODULE__{ref: normalised}
    end
  end

  @doc """
  Returns sizes. `:connections` counts the enabled connections, which are the work of a step.
  `:memory` counts the numbers that are carried from step to step: 0 for a feed-forward network
  whose nodes have neither dynamics nor plasticity.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> genotype |> Cambrian.Network.compile() |> Cambrian.Network.info()
      %{inputs: 2, outputs: 1, connections: 2, memory: 0}
  """
  @spec info(t) :: %{
          inputs: pos_integer,
          outputs: pos_integer,
          connections: non_neg_integer,
          memory: non_neg_integer
        }
  def info(network), do: :cambrian_network.info(Boundary.ref(network, __MODULE__))

  @doc """
  Computes outputs for inputs, from rest: one step with an empty memory.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> network = Cambrian.Network.compile(genotype)
      iex> [output] = Cambrian.Network.activate(network, [1, 0])
      iex> inputs = <<1.0::float-32-little, 0.0::float-32-little>>
      iex> bytes = Cambrian.Network.activate(network, inputs)
      iex> bytes == <<output::float-32-little>>
      true
      iex> Cambrian.Network.activate(network, [1])
      {:error, {:wrong_size, :inputs, 2, 1}}
      iex> Cambrian.Network.activate(network, [1.0e30, 0])
      {:error, {:out_of_range, :inputs}}
  """
  @spec activate(t, numbers | tensor) :: numbers | tensor | error
  def activate(network, inputs) when is_tensor(inputs) do
    network = Boundary.ref(network, __MODULE__)

    with {:ok, inputs} <- Tensor.numbers(inputs, {inputs(network)}),
         outputs when is_binary(outputs) <- :cambrian_network.activate(network, inputs),
         do: Tensor.vector(outputs)
  end

  def activate(network, inputs),
    do: :cambrian_network.activate(Boundary.ref(network, __MODULE__), inputs)

  @doc """
  Returns an empty memory, for the first `step/3`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> genotype |> Cambrian.Network.compile() |> Cambrian.Network.initial_state()
      ""
  """
  @spec initial_state(t) :: state
  def initial_state(network),
    do: :cambrian_network.initial_state(Boundary.ref(network, __MODULE__))

  @doc """
  Computes one step: forward connections carry the values of this step, recurrent connections the
  values of the last step.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 1, outputs: 1, seed: 7)
      iex> {:ok, genotype} = Cambrian.Genotype.mutate(genotype, :add_recurrent, seed: 8)
      iex> network = Cambrian.Network.compile(genotype)
      iex> state = Cambrian.Network.initial_state(network)
      iex> {[first], state} = Cambrian.Network.step(network, state, [1])
      iex> {[second], _state} = Cambrian.Network.step(network, state, [1])
      iex> first == second
      false
  """
  @spec step(t, state, numbers | tensor) :: {outputs :: numbers | tensor, state} | error
  def step(network, state, inputs) when is_tensor(inputs) do
    network = Boundary.ref(network, __MODULE__)

    with {:ok, inputs} <- Tensor.numbers(inputs, {inputs(network)}),
         {outputs, state} when is_binary(state) <- :cambrian_network.step(network, state, inputs),
         do: {Tensor.vector(outputs), state}
  end

  def step(network, state, inputs),
    do: :cambrian_network.step(Boundary.ref(network, __MODULE__), state, inputs)

  @doc """
  Gives a network a reward, within plus and minus 1.0e12.

  Nodes whose plasticity is `:reward` learn from it at every step until you give another reward.
  The reward is 0 at rest. A network without such nodes ignores it.

      iex> options = [inputs: 1, outputs: 1, seed: 7, output_activation: :identity]
      iex> {:ok, genotype} = Cambrian.Genotype.new(options)
      iex> map = Cambrian.Genotype.to_map(genotype)
      iex> %{nodes: [input, output], connections: [connection]} = map
      iex> willing = %{output | plasticity: :reward, learning_rate: 0.5}
      iex> learner = %{map | nodes: [input, willing], connections: [%{connection | weight: 1.0}]}
      iex> {:ok, learner} = Cambrian.Genotype.from_map(learner)
      iex> network = Cambrian.Network.compile(learner)
      iex> state = Cambrian.Network.initial_state(network)
      iex> {[first], state} = Cambrian.Network.step(network, state, [1])
      iex> state = Cambrian.Network.reward(network, state, 1)
      iex> {[second], state} = Cambrian.Network.step(network, state, [1])
      iex> {[third], _state} = Cambrian.Network.step(network, state, [1])
      iex> {first, second, third}
      {1.0, 1.0, 1.5}
  """
  @spec reward(t, state, number) :: state | error
  def reward(network, state, reward),
    do: :cambrian_network.reward(Boundary.ref(network, __MODULE__), state, reward)

  @doc """
  Computes many inputs through one network, each from rest.

  A list of inputs gives a list of outputs; one binary with all inputs in a row gives one binary
  with all outputs, and one tensor gives one tensor.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 1, outputs: 1, seed: 7)
      iex> network = Cambrian.Network.compile(genotype)
      iex> outputs = Cambrian.Network.activate_batch(network, [[0], [1]])
      iex> outputs == Enum.map([[0], [1]], &Cambrian.Network.activate(network, &1))
      true
  """
  @spec activate_batch(t, [numbers] | [tensor] | binary | tensor) ::
          [numbers] | [tensor] | binary | tensor | error
  def activate_batch(network, batch) when is_tensor(batch) do
    network = Boundary.ref(network, __MODULE__)

    with {:ok, batch} <- Tensor.numbers(batch, {nil, inputs(network)}),
         outputs when is_binary(outputs) <- :cambrian_network.activate_batch(network, batch),
         do: Tensor.matrix(outputs, outputs(network))
  end

  def activate_batch(network, [first | _] = batch) when is_tensor(first) do
    network = Boundary.ref(network, __MODULE__)

    with {:ok, batch} <- Tensor.each_numbers(batch, {inputs(network)}),
         outputs when is_list(outputs) <- :cambrian_network.activate_batch(network, batch),
         do: Enum.map(outputs, &Tensor.vector/1)
  end

  def activate_batch(network, batch),
    do: :cambrian_network.activate_batch(Boundary.ref(network, __MODULE__), batch)

  @doc """
  Computes many networks, each on its own inputs: two lists of the same length, or a list and a
  tensor with as many rows.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 1, outputs: 1, seed: 7)
      iex> network = Cambrian.Network.compile(genotype)
      iex> outputs = Cambrian.Network.activate_many([network, network], [[0], [1]])
      iex> outputs == Cambrian.Network.activate_batch(network, [[0], [1]])
      true
  """
  @spec activate_many([t], [numbers] | [tensor] | tensor) ::
          [numbers] | [tensor] | tensor | error
  def activate_many(networks, inputs) when is_tensor(inputs) do
    with {:ok, networks, width, rows} <- each_row(networks, inputs),
         outputs when is_list(outputs) <- :cambrian_network.activate_many(networks, rows),
         do: outputs |> IO.iodata_to_binary() |> Tensor.matrix(width)
  end

  def activate_many(networks, [first | _] = inputs) when is_tensor(first) do
    networks = references(networks)

    with {:ok, inputs} <- Tensor.each_numbers(inputs, {nil}),
         outputs when is_list(outputs) <- :cambrian_network.activate_many(networks, inputs),
         do: Enum.map(outputs, &Tensor.vector/1)
  end

  def activate_many(networks, inputs),
    do: :cambrian_network.activate_many(references(networks), inputs)

  @doc """
  Computes a step of many networks, each with its own state and inputs, so that a population runs in
  lock-step. Takes three lists of the same length, and returns a list of outputs and states.

  If the last is a tensor with as many rows instead, it returns a tensor of all outputs and a list
  of the states: `{outputs, states} = Cambrian.Network.step_many(networks, states, inputs)`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 1, outputs: 1, seed: 7)
      iex> {:ok, recurrent} = Cambrian.Genotype.mutate(genotype, :add_recurrent, seed: 8)
      iex> networks = Enum.map([genotype, recurrent], &Cambrian.Network.compile/1)
      iex> states = Enum.map(networks, &Cambrian.Network.initial_state/1)
      iex> [{_, first}, {_, second}] = Cambrian.Network.step_many(networks, states, [[1], [1]])
      iex> {byte_size(first), byte_size(second)}
      {0, 4}
  """
  @spec step_many([t], [state], [numbers] | [tensor] | tensor) ::
          [{outputs :: numbers | tensor, state}] | {outputs :: tensor, [state]} | error
  def step_many(networks, states, inputs) when is_tensor(inputs) do
    with {:ok, networks, width, rows} <- each_row(networks, inputs),
         stepped when is_list(stepped) <- :cambrian_network.step_many(networks, states, rows) do
      {outputs, states} = Enum.unzip(stepped)
      {outputs |> IO.iodata_to_binary() |> Tensor.matrix(width), states}
    end
  end

  def step_many(networks, states, [first | _] = inputs) when is_tensor(first) do
    networks = references(networks)

    with {:ok, inputs} <- Tensor.each_numbers(inputs, {nil}),
         stepped when is_list(stepped) <- :cambrian_network.step_many(networks, states, inputs),
         do: for({outputs, state} <- stepped, do: {Tensor.vector(outputs), state})
  end

  def step_many(networks, states, inputs),
    do: :cambrian_network.step_many(references(networks), states, inputs)

  # A row for each network, and how many outputs each of them has.
  defp each_row(networks, tensor) do
    networks = references(networks)
    sizes = Enum.map(networks, &:cambrian_network.info/1)
    width = Enum.find_value(sizes, & &1.inputs)

    with {:ok, rows} <- Tensor.rows(tensor, {length(networks), width}),
         [outputs] <- sizes |> Enum.map(& &1.outputs) |> Enum.uniq() do
      {:ok, networks, outputs, rows}
    else
      [expected, got | _] -> {:error, {:wrong_size, :outputs, expected, got}}
      error -> error
    end
  end

  defp inputs(network), do: :cambrian_network.info(network).inputs
  defp outputs(network), do: :cambrian_network.info(network).outputs

  defp references(networks) when is_list(networks),
    do: Enum.map(networks, &Boundary.ref(&1, __MODULE__))

  defp references(other),
    do: raise(ArgumentError, "expected a list of networks, got: #{inspect(other, limit: 5)}")

  defimpl Inspect do
    def inspect(network, _opts) do
      %{inputs: inputs, outputs: outputs, connections: connections, memory: memory} =
        Cambrian.Network.info(network)

      kind = if memory == 0, do: "feed-forward", else: "memory #{memory}"

      "#Cambrian.Network<#{inputs} -> #{outputs}, " <>
        "#{Cambrian.Boundary.counted(connections, "connection")}, #{kind}>"
    end
  end
end
