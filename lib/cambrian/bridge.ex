defmodule Cambrian.Bridge do
  @moduledoc """
  Joins populations to the mesh.

      iex> {:ok, _} = Cambrian.Population.start_link(task: :xor, name: :of_the_bridge, seed: 42)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", populations: [:of_the_bridge])
      iex> :ok = Cambrian.Population.run(:of_the_bridge)
      iex> {:ok, %{solved: true}} = Cambrian.Population.await(:of_the_bridge, 60_000)
      iex> Cambrian.Bridge.stop()
      :ok

  A champion of a joined population is published, signed, when it is better than the last one that
  was; what others publish for the same task is checked, evaluated here, and taken in if it is
  worth it. Nothing that others claim is believed; `Cambrian.Trust` remembers what came of it.

  There is one bridge a node, and every function but `start_link/1`, `start/1` and `child_spec/1`
  exits where it does not run.

  ## Options

    * `:realm` - required: who may meet whom, a binary of at most 255 bytes.
    * `:populations` - those to join, by pid or name; a name that is not there yet is waited for.
      Default `[]`.
    * `:publish_interval` - the least time in ms between two champions of one population, default
      1000.
    * `:identity` - a secret of 32 bytes, a function that gives it, or the path of a file
      (`Cambrian.Identity.load/1`); one of 32 bytes as a charlist. By default the file `identity` in the
      application's `:data_dir`; where there is none, a secret is made anew.
    * `:capability`, `:rate`, `:tolerance` - who may publish here, how often, and how far a claim may
      be off: see `Cambrian.Trust`.
    * `:grant` - the leave to publish that others ask for, from `Cambrian.Identity.grant/4`.
    * `:transport` - a module, default `:cambrian_transport_dist`, which is Erlang distribution.
    * `:transport_options` - keyword list or map.

  Under a supervisor:

      children = [
        {Cambrian.Population, task: :double_pole, name: :pole},
        {Cambrian.Bridge, realm: "org.example.lab", populations: [:pole]}
      ]
  """

  alias Cambrian.{Boundary, Error, Genotype, Population}

  @typedoc "What others know a node by: an Ed25519 public key, 32 bytes."
  @type key :: Cambrian.Identity.key()

  @typedoc "`:seen` in ms since 1970."
  @type peer :: %{
          origin: key,
          seen: integer,
          received: pos_integer,
          accepted: non_neg_integer,
          reputation: float
        }

  @typedoc "`:fitness` as it was measured on this node."
  @type best :: %{genotype: Genotype.t(), fitness: float, origin: key}

  @doc """
  Starts the bridge linked to the caller, or under a supervisor by `child_spec/1`.

      iex> Cambrian.Bridge.start_link(populations: [])
      {:error, {:missing_options, [:realm]}}
  """
  @spec start_link(keyword) :: {:ok, pid} | {:error, Error.reason()}
  def start_link(opts) do
    with {:ok, options} <- options(opts), do: :cambrian_bridge.start_link(options)
  end

  @doc """
  Starts the bridge under Cambrian's own supervisor: it outlives the caller.

      iex> {:ok, bridge} = Cambrian.Bridge.start(realm: "org.example.docs")
      iex> {:error, {:already_started, ^bridge}} = Cambrian.Bridge.start(realm: "org.example.docs")
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec start(keyword) :: {:ok, pid} | {:error, Error.reason()}
  def start(opts) do
    with {:ok, options} <- options(opts), do: :cambrian_bridge.start(options)
  end

  @doc """
  For a supervisor of your own.

      iex> Cambrian.Bridge.child_spec(realm: "org.example.docs").id
      Cambrian.Bridge
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts),
    do: %{id: __MODULE__, start: {__MODULE__, :start_link, [opts]}, restart: :transient}

  @doc """
  Leaves the mesh.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec stop() :: :ok
  defdelegate stop, to: :cambrian_bridge

  @doc """
  Joins one more population. One with a name is joined again when it comes back from a crash.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor)
      iex> Cambrian.Bridge.join(population)
      :ok
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec join(Population.t()) :: :ok
  defdelegate join(population), to: :cambrian_bridge

  @doc """
  Publishes a genotype at once, with what is claimed of it, and answers its id.

  The claims are `:task`, an atom or a binary, and `:fitness`, both required; `:generation`,
  default 0; `:parents`, at most eight ids; and `:operators`, at most 32 names of what made it of them.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, id} = Cambrian.Bridge.publish_genotype(genotype, task: :xor, fitness: 2.5)
      iex> id == Cambrian.Genotype.id(genotype)
      true
      iex> Cambrian.Bridge.publish_genotype(genotype, task: :xor)
      {:error, {:missing_options, [:fitness]}}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec publish_genotype(Genotype.t(), keyword) :: {:ok, Genotype.id()} | {:error, Error.reason()}
  def publish_genotype(%Genotype{ref: genotype}, claims) do
    with {:ok, claims} <- Boundary.to_map(:claims, claims),
         {:ok, _, _} <- Boundary.take(claims, [:task, :fitness]),
         do: :cambrian_bridge.publish_genotype(genotype, claims)
  end

  @doc """
  Sends every genotype of a task, or of `:all`, to a process.

  Those that pass every check of their envelope arrive as Erlang's message,

      {:cambrian_bridge, subscription,
       %{genotype: reference, task: task, fitness: claimed, generation: generation, origin: key}}

  with the task as a binary. The fitness is a claim. The genotype is the bare reference;
  `%Cambrian.Genotype{ref: reference}` is the struct.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> {:ok, subscription} = Cambrian.Bridge.subscribe_genotypes(:xor)
      iex> Cambrian.Bridge.unsubscribe_genotypes(subscription)
      :ok
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec subscribe_genotypes(task :: atom | binary, pid) :: {:ok, subscription :: reference}
  def subscribe_genotypes(task, pid \\ self()),
    do: :cambrian_bridge.subscribe_genotypes(task, pid)

  @doc "Ends a subscription of `subscribe_genotypes/2`, which has an example."
  @spec unsubscribe_genotypes(subscription :: reference) :: :ok
  defdelegate unsubscribe_genotypes(subscription), to: :cambrian_bridge

  @doc """
  Everyone that a genuine envelope of this realm came from.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.list_nodes()
      []
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec list_nodes() :: [peer]
  defdelegate list_nodes, to: :cambrian_bridge

  @doc """
  The best of each task that was evaluated on this node, wherever it was bred. Tasks are binaries.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.global_best()
      %{}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec global_best() :: %{(task :: String.t()) => best}
  def global_best do
    for {task, %{genotype: reference} = best} <- :cambrian_bridge.global_best(),
        into: %{},
        do: {task, %{best | genotype: %Genotype{ref: reference}}}
  end

  @doc """
  The key that others know this node by.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> byte_size(Cambrian.Bridge.identity())
      32
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec identity() :: key
  defdelegate identity, to: :cambrian_bridge

  @doc """
  Goes on under a new key, in the identity's file as well if it has one, and tells the others in the
  realm, who keep what they know of the old key for the new one.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> old = Cambrian.Bridge.identity()
      iex> {:ok, new} = Cambrian.Bridge.rotate()
      iex> {new == Cambrian.Bridge.identity(), new == old}
      {true, false}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec rotate() :: {:ok, key} | {:error, Error.reason()}
  defdelegate rotate, to: :cambrian_bridge

  @doc """
  How many envelopes were published, received, and rejected for which reason.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, _} = Cambrian.Bridge.publish_genotype(genotype, task: :xor, fitness: 2.5)
      iex> Cambrian.Bridge.counts()
      %{published: 1}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec counts() :: %{(:published | :received | {:rejected, term}) => pos_integer}
  defdelegate counts, to: :cambrian_bridge

  defp options(opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: Boundary.nested(options, :transport_options)
  end
end
