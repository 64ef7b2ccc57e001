defmodule Cambrian.Envelope do
  @moduledoc """
  Writes and reads envelopes: signed genotypes for other nodes.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> claims = [realm: "org.example.lab", task: :xor, fitness: 2.87, generation: 0]
      iex> {:ok, bytes} = Cambrian.Envelope.seal(genotype, <<1::256>>, [sequence: 1] ++ claims)
      iex> {:ok, envelope, %{fitness: 2.87, parents: []}} = Cambrian.Envelope.read(bytes)
      iex> {:ok, copy} = Cambrian.Envelope.open(envelope)
      iex> Cambrian.Genotype.id(copy) == Cambrian.Genotype.id(genotype)
      true

  `read/1` checks size, shape and version; `open/2` checks the signature, decompresses within
  bounds, and checks validity and id. Realm, replay and bans are checked in between:
  `Cambrian.Trust.check/3` makes all checks. None of them verifies the claimed fitness.

  Claims and signature without the genotype are a record: it still proves which key claimed what of
  a genotype when the genes are gone.
  """

  alias Cambrian.{Boundary, Error, Genotype, Identity}

  @opaque t :: :cambrian_envelope.envelope()

  @typedoc """
  The claims; none is verified yet. `:base` is the id of the genotype that the payload is a
  difference to.
  """
  @type claims :: %{
          realm: String.t(),
          task: String.t(),
          fitness: float,
          generation: non_neg_integer,
          parents: [Genotype.id()],
          operators: [String.t()],
          grant: binary | nil,
          genotype: Genotype.id(),
          base: Genotype.id() | nil,
          origin: Identity.key(),
          sequence: non_neg_integer,
          time: non_neg_integer
        }

  @optional [:time, :parents, :operators, :grant]

  @doc """
  Signs and packs a genotype; at most 1 MiB.

  ## Options

    * `:realm`, `:task`, `:fitness`, `:generation`, `:sequence` - the claims; all are required.
      The sequence grows with every envelope of an origin.
    * `:time` - ms since 1970, now by default.
    * `:parents` - ids, the fitter first; at most 8. `:operators` - names; at most 32.
    * `:grant` - the realm's permission to publish: `Cambrian.Identity.grant/4`.
    * `:base` - a genotype that the reader holds: the envelope then contains a difference to it,
      if that is shorter.

  A claim of another type raises `ArgumentError`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Envelope.seal(genotype, <<1::256>>, realm: "org.example.lab", task: :xor)
      {:error, {:missing_options, [:fitness, :generation, :sequence]}}
  """
  @spec seal(Genotype.t(), Identity.holder(), keyword) :: {:ok, binary} | {:error, Error.reason()}
  def seal(genotype, secret, opts) do
    reference = Boundary.ref(genotype, Genotype)

    with {:ok, options} <- Boundary.to_map(:options, opts),
         {base, claims} = Map.pop(options, :base),
         {:ok, _, rest} <-
           Boundary.take(claims, [:realm, :task, :fitness, :generation, :sequence]),
         :ok <- known(Map.keys(rest) -- @optional) do
      :cambrian_envelope.seal(sealed(claims), reference, reference(base), secret)
    end
  end

  defp known([]), do: :ok

  defp known([name | _]) do
    names = [:realm, :task, :fitness, :generation, :sequence, :base | @optional]
    {:error, :cambrian_options.unknown(:unknown_option, name, names, "Cambrian.Envelope.seal/3")}
  end

  defp sealed(%{task: task, fitness: fitness} = claims) do
    %{time: System.system_time(:millisecond)}
    |> Map.merge(claims)
    |> Map.merge(%{task: to_string(task), fitness: fitness / 1})
    |> Map.reject(fn {_name, value} -> is_nil(value) end)
  end

  defp reference(nil), do: :undefined
  defp reference(base), do: Boundary.ref(base, Genotype)

  @doc """
  Checks size, shape and version, and returns the claims.

      iex> Cambrian.Envelope.read("from a stranger")
      {:error, :malformed}
  """
  @spec read(binary) :: {:ok, t, claims} | {:error, Error.reason()}
  def read(bytes) do
    with {:ok, envelope, claims} <- :cambrian_envelope.read(bytes),
         do: {:ok, envelope, Boundary.without_undefined(claims)}
  end

  @doc """
  Checks the signature, decompresses within bounds, and checks that the genotype is valid and has
  the claimed id.

  An envelope with a difference needs its base: without it, the error names the base.

      iex> {:ok, base} = Cambrian.Genotype.new(inputs: 20, outputs: 5, seed: 7)
      iex> {:ok, grown} = Cambrian.Genotype.mutate(base, :add_node, seed: 1)
      iex> claims = [realm: "org.example.lab", task: :xor, fitness: 1, generation: 1, sequence: 1]
      iex> {:ok, bytes} = Cambrian.Envelope.seal(grown, <<1::256>>, [base: base] ++ claims)
      iex> {:ok, envelope, _claims} = Cambrian.Envelope.read(bytes)
      iex> Cambrian.Envelope.open(envelope) == {:error, {:missing_base, Cambrian.Genotype.id(base)}}
      true
      iex> {:ok, copy} = Cambrian.Envelope.open(envelope, base)
      iex> Cambrian.Genotype.id(copy) == Cambrian.Genotype.id(grown)
      true
  """
  @spec open(t, base :: Genotype.t() | nil) :: {:ok, Genotype.t()} | {:error, Error.reason()}
  def open(envelope, base \\ nil),
    do: Boundary.genotype(:cambrian_envelope.open(envelope, reference(base)))

  @doc """
  Returns claims and signature, to keep them without the genes.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> claims = [realm: "org.example.lab", task: :xor, fitness: 1, generation: 0, sequence: 1]
      iex> {:ok, bytes} = Cambrian.Envelope.seal(genotype, <<1::256>>, claims)
      iex> {:ok, envelope, claims} = Cambrian.Envelope.read(bytes)
      iex> Cambrian.Envelope.read_record(Cambrian.Envelope.record(envelope)) == {:ok, claims}
      true
  """
  @spec record(t) :: binary
  defdelegate record(envelope), to: :cambrian_envelope

  @doc """
  Reads the claims of a record without checking its signature.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> claims = [realm: "org.example.lab", task: :xor, fitness: 1, generation: 0, sequence: 1]
      iex> {:ok, bytes} = Cambrian.Envelope.seal(genotype, <<1::256>>, claims)
      iex> {:ok, envelope, claims} = Cambrian.Envelope.read(bytes)
      iex> Cambrian.Envelope.peek_record(Cambrian.Envelope.record(envelope)) == {:ok, claims}
      true
  """
  @spec peek_record(binary) :: {:ok, claims} | {:error, Error.reason()}
  def peek_record(bytes) do
    with {:ok, claims} <- :cambrian_envelope.peek_record(bytes),
         do: {:ok, Boundary.without_undefined(claims)}
  end

  @doc """
  Reads the claims of a record, if its signature is genuine.

      iex> Cambrian.Envelope.read_record(<<>>)
      {:error, :malformed}
  """
  @spec read_record(binary) :: {:ok, claims} | {:error, Error.reason()}
  def read_record(bytes) do
    with {:ok, claims} <- :cambrian_envelope.read_record(bytes),
         do: {:ok, Boundary.without_undefined(claims)}
  end
end
