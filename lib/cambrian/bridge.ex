defmodule Cambrian.Bridge do
  @moduledoc """
  Joins populations to the mesh.

      iex> {:ok, _} = Cambrian.Population.start_link(task: :xor, name: :of_the_bridge, seed: 42)
      iex> realm = "org.example.docs"
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: realm, populations: [:of_the_bridge])
      iex> :ok = Cambrian.Population.run(:of_the_bridge)
      iex> {:ok, %{solved: true}} = Cambrian.Population.await(:of_the_bridge, 60_000)
      iex> Cambrian.Bridge.stop()
      :ok

  The bridge signs and publishes a champion of a joined population when it is clearly better than
  the last published champion. It checks the genotypes that other nodes publish for the same task,
  this node evaluates them, and the population takes them in if they are good enough. The bridge
  believes no claims of other nodes; `Cambrian.Trust` remembers how true their claims were.

  A node has one bridge for each of its realms. A function without a realm acts on all bridges. If
  that is impossible, it acts on the only bridge; with several it raises `{:which_realm, realms}`.
  Without a bridge it exits with `:noproc`, and if the application does not run it raises
  `{:not_started, how}`.

  ## Options

    * `:realm` - required: the name by which bridges meet, a binary of at most 255 bytes.
    * `:populations` - the populations to join, by pid or name, or `:all` of this node. The bridge
      waits for a name that does not exist yet; the log and `status/0` say so. Default `[]`.
    * `:aliases` - this node's own names for other nodes, or for itself: a map of keys, or of their
      names (`Cambrian.Identity.name/1`), to texts of 1 to 64 printable bytes without parentheses.
      They are shown together with the name, `"pole-pi (lusab-bovik)"`, and are never sent.
    * `:publish` - with `false` this node publishes nothing and only takes genotypes in. Default
      `true`.
    * `:publish_best_fitness_threshold` - a champion is published when its lead over the last
      published one is larger than this share of the single improvements before it. Default 0.99,
      the top 1 % of improvements; 0 publishes each. The last champion of a run is published in
      any case.
    * `:publish_interval` - the least time in ms between two champions of one task, default 1000.
    * `:migration_policy` - `:champion`, the default; with `:tournament`, `:novel` or `:random`
      the bridge instead publishes a genotype chosen in this way (`Cambrian.Population.migrant/2`)
      every `:migration_interval` ms.
    * `:migration_interval` - default 10,000.
    * `:topology` - from which nodes newcomers are taken: `:all`, the default, `:ring`, `{:random,
      k}` or `{:nearest, k}`.
    * `:common_archive` - with `true` the nodes of the realm that have this option hold the archive
      of a task in common: each population with `search: :map_elites`, and with the same bounds,
      partition and cells, takes in the elites of the others that beat its own by what is measured
      here. The task must give the same fitness and behaviour each time and everywhere. Default
      `false`.
    * `:purge` - banned genotypes leave the populations, and so does every genotype that carries
      their genes (`Cambrian.Population.purge/2`). With `false` the populations keep them, and the
      bridge publishes none of them. Default `true`.
    * `:budget` - how many newcomers at once wait for evaluation by this node's populations, default
      8; the others wait in quarantine.
    * `:evaluation_share` - the share of all evaluation, from 0 to 1, that genotypes of others may
      take while the populations run, default 0.1. Each origin with an accepted genotype has that
      share for itself; all other keys together have one share.
    * `:cost_bound` - how many times the median cost of a population's own genotypes
      (`Cambrian.Genotype.cost/1`) a genotype of another node may cost, from 1, default 8. A
      genotype that costs more is not evaluated (`:too_costly`).
    * `:identity` - a secret of 32 bytes, a function that returns it, or the path of a file
      (`Cambrian.Identity.load_or_new/1`); give a path of 32 bytes as a charlist. By default the
      file `identity` in the application's `:data_dir`; without a `:data_dir`, a new secret.
    * `:capability`, `:rate`, `:tolerance` - who may publish here, how often, and how far a claim
      may exceed the measured fitness: see `Cambrian.Trust`.
    * `:grant` - the permission to publish that others require, from `Cambrian.Identity.grant/4`:
      for this realm, and for this node's key or one of its predecessors. A grant for another realm
      or key, or an expired grant, is refused at the start.
    * `:transport` - a module, Cambrian's or your own, with the behaviour `:cambrian_transport`;
      default `:cambrian_transport_dist`, which is Erlang distribution.
    * `:transport_options` - keyword list or map, such as `[discovery: {:multicast, %{}}]`.

  Under a supervisor:

      children = [
        {Cambrian.Population, task: :double_pole, name: :pole},
        {Cambrian.Bridge, realm: "org.example.lab", populations: [:pole]}
      ]

  ## In the configuration

  The application can start bridges by itself, with all populations of the node:

      config :cambrian,
        mesh_enabled: true,
        mesh_realm: "org.example.lab",
        subscribe_to_realms: ["org.example.field"],
        publish_best_fitness_threshold: 0.99,
        mesh_options: %{transport_options: %{discovery: {:multicast, %{}}}}

  The node publishes in its `:mesh_realm`; in the realms of `:subscribe_to_realms` it only takes
  genotypes in. `:mesh_options` is a map of the options above. The guide is `docs/mesh.md`.
  """

  alias Cambrian.{Boundary, Error, Genotype, Population}

  @typedoc "The key by which others know a node: an Ed25519 public key, 32 bytes."
  @type key :: Cambrian.Identity.key()

  @typedoc """
  `:name` is the name of its key, after the alias if it has one. `:alive` follows from its
  heartbeats. `:seen` is in ms since 1970, and `:round_trip` in ms, if it was measured.
  """
  @type peer :: %{
          origin: key,
          name: String.t(),
          realm: String.t(),
          alive: boolean,
          seen: integer,
          received: non_neg_integer,
          accepted: non_neg_integer,
          reputation: float,
          address: binary | nil,
          round_trip: number | nil
        }

  @typedoc """
  `:fitness` was measured on this node; `:origin` is the key that bred it, and `:name` the name of
  that key.
  """
  @type best :: %{genotype: Genotype.t(), fitness: float, origin: key, name: String.t()}

  @typedoc """
  The steps of a genotype on this node, `:time` in ms since 1970.

  `:step` is `:announced`, `:compared` (this node lacks an elite of another node's archive),
  `:asked`, `:not_delivered`, `:received`, `:not_a_source` (the topology takes no genotypes of its
  origin), `:dropped` (too many waited), `:offered` (to a population),
  `:busy`, `:judged` (with `:task`, `:outcome`, its breeder's `:generation`, the fitness `:claimed`,
  the measured `:fitness` and its `:work`, or, for `:too_costly`, its `:cost`, the `:median` of the
  population's own genotypes and the `:bound`), `:banned` (while it waited or was held),
  `:published`, or `:refused` with the `:reason` and the facts of `Cambrian.Trust.refusals/1`. A
  step with an `:origin` also has its `:name`.
  """
  @type step :: %{
          required(:time) => integer,
          required(:step) => atom,
          required(:realm) => String.t(),
          optional(atom) => term
        }

  @typedoc """
  The outcome of a genotype from another node. `:claimed` and `:generation` are its origin's claims.
  This node measured `:fitness`, and `:work` is the cost of that measurement in the units of
  `Cambrian.Genotype.cost/1`; without a fitness the evaluation failed. For `:too_costly`, `:cost` is
  the cost of its network, `:median` the median cost of the population's own genotypes, and `:bound`
  the highest allowed cost.
  """
  @type migration :: %{
          required(:time) => integer,
          required(:realm) => String.t(),
          required(:genotype) => Genotype.id(),
          required(:origin) => key,
          required(:name) => String.t(),
          required(:task) => String.t(),
          required(:generation) => non_neg_integer,
          required(:claimed) => float,
          required(:outcome) => atom,
          optional(:fitness) => float,
          optional(:work | :cost | :median) => non_neg_integer,
          optional(:bound) => number
        }

  @typedoc """
  The state of the connection (some transports report more); the names of the populations that take
  part; and the `:missing` ones, which do not exist yet. `:trust` is present if files of the realm
  are damaged: `:closed` means that the bridge takes nothing in (`Cambrian.Trust.report/1`).
  `:may_publish` is `false` when this node's own `:capability` would refuse its key, or when its
  grant has expired; otherwise it is absent.
  """
  @type status :: %{
          required(:connected) => boolean,
          required(:peers) => non_neg_integer | :unknown,
          required(:populations) => [term],
          required(:missing) => [Population.t()],
          optional(:trust) => :fell_back | :closed,
          optional(:may_publish) => false,
          optional(atom) => term
        }

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
  Starts the bridge under Cambrian's own supervisor. The bridge outlives the caller.

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
  Returns the child specification for a supervisor, which may have one bridge for each realm.

      iex> Cambrian.Bridge.child_spec(realm: "org.example.docs").id
      {Cambrian.Bridge, "org.example.docs"}
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    %{
      id: {__MODULE__, Keyword.get(opts, :realm)},
      start: {__MODULE__, :start_link, [opts]},
      restart: :transient
    }
  end

  @doc """
  Leaves the mesh in all realms. The populations continue.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec stop() :: :ok
  defdelegate stop, to: :cambrian_bridge

  @doc """
  Leaves one realm.

      iex> {:ok, _} = Cambrian.Bridge.start(realm: "org.example.docs")
      iex> {:ok, _} = Cambrian.Bridge.start(realm: "org.example.field")
      iex> Cambrian.Bridge.stop("org.example.docs")
      :ok
      iex> Cambrian.Bridge.realms()
      ["org.example.field"]
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec stop(realm :: String.t()) :: :ok
  defdelegate stop(realm), to: :cambrian_bridge

  @doc """
  Lists the realms that this node is in.

      iex> Cambrian.Bridge.realms()
      []
  """
  @spec realms() :: [String.t()]
  defdelegate realms, to: :cambrian_bridge

  @doc """
  Joins one more population. A population with a name joins as soon as it exists, and again when it
  returns after a crash.

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
  Publishes a genotype at once with your claims about it, and returns its id.

  The claims are `:task`, an atom or the text of `Cambrian.Task.id/1`, and `:fitness`, both
  required; `:generation`, default 0; `:parents`, at most eight ids; `:operators`, at most 32
  names of the operators that made it; and `:realm`, if the node is in several.

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
  def publish_genotype(genotype, claims) do
    genotype = Boundary.ref(genotype, Genotype)

    with {:ok, claims} <- Boundary.to_map(:claims, claims),
         {:ok, _, _} <- Boundary.take(claims, [:task, :fitness]),
         do: :cambrian_bridge.publish_genotype(genotype, claims)
  end

  @doc """
  Publishes a charter in its realm, if this node adopts it (`Cambrian.Trust.amend/2`). From now on,
  all nodes that adopt it publish it.

      iex> owner = Cambrian.Identity.public_key(<<1::256>>)
      iex> realm = "org.example.docs.owned"
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: realm, capability: {:signed_by, owner})
      iex> draft = %{realm: realm, number: 1, owners: [owner], revoked: [<<7::256>>]}
      iex> {:ok, charter} = Cambrian.Charter.seal(draft, <<1::256>>)
      iex> Cambrian.Bridge.publish_charter(charter)
      :ok
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec publish_charter(binary) :: :ok | {:error, Error.reason()}
  defdelegate publish_charter(charter), to: :cambrian_bridge

  @doc """
  Sends every received genotype of a task, or of `:all`, to a process.

  A genotype whose envelope passes every check arrives as an Erlang message,

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

  @doc """
  Ends a subscription of `subscribe_genotypes/2`; also `:ok` if there is no such subscription.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.unsubscribe_genotypes(make_ref())
      :ok
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec unsubscribe_genotypes(subscription :: reference) :: :ok
  defdelegate unsubscribe_genotypes(subscription), to: :cambrian_bridge

  @doc """
  Lists all other nodes whose messages this node has received, silent nodes included, at most 20,000
  per realm.

  In this example, a stranger of the same realm publishes without a bridge:

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs.nodes")
      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> claims = %{realm: "org.example.docs.nodes", task: "xor", fitness: 2.87, generation: 0,
      ...>   sequence: 1, time: System.system_time(:millisecond)}
      iex> {:ok, bytes} = :cambrian_envelope.seal(claims, genotype.ref, <<1::256>>)
      iex> {:ok, stranger} = :cambrian_transport_dist.connect(%{realm: "org.example.docs.nodes"})
      iex> :ok = :cambrian_transport_dist.publish(stranger, "genotype", bytes)
      iex> [peer] = Cambrian.Bridge.list_nodes()
      iex> {peer.alive, peer.received, peer.accepted, peer.reputation, peer.address}
      {true, 1, 0, 0.5, nil}
      iex> {peer.origin == Cambrian.Identity.public_key(<<1::256>>), peer.name}
      {true, "honol-gasar"}
      iex> :ok = :cambrian_transport_dist.disconnect(stranger)
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec list_nodes() :: [peer]
  def list_nodes, do: Enum.map(:cambrian_bridge.list_nodes(), &Boundary.without_undefined/1)

  @doc """
  Does the same for one realm.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.list_nodes("org.example.docs")
      []
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec list_nodes(realm :: String.t()) :: [peer]
  def list_nodes(realm),
    do: Enum.map(:cambrian_bridge.list_nodes(realm), &Boundary.without_undefined/1)

  @doc """
  Returns the best genotype of each task that this node has evaluated, from any breeder. Tasks are
  binaries.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, %{best: best}} = Cambrian.Population.step(population, 1)
      iex> options = [realm: "org.example.docs", populations: [population]]
      iex> {:ok, _} = Cambrian.Bridge.start_link(options)
      iex> %{"xor" => %{fitness: ^best, origin: origin}} = Cambrian.Bridge.global_best()
      iex> origin == Cambrian.Bridge.identity()
      true
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec global_best() :: %{(task :: String.t()) => best}
  def global_best, do: with_structs(:cambrian_bridge.global_best())

  @doc """
  Does the same for one realm.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.global_best("org.example.docs")
      %{}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec global_best(realm :: String.t()) :: %{(task :: String.t()) => best}
  def global_best(realm), do: with_structs(:cambrian_bridge.global_best(realm))

  defp with_structs(best) do
    Map.new(best, fn {task, %{genotype: reference} = one} ->
      {task, %{one | genotype: %Genotype{ref: reference}}}
    end)
  end

  @doc """
  Explains why a genotype came to this node, or why not: its steps, the first step first.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Bridge.why(genotype)
      []
      iex> {:ok, id} = Cambrian.Bridge.publish_genotype(genotype, task: :xor, fitness: 2.5)
      iex> for step <- Cambrian.Bridge.why(id), do: {step.step, step.task, step.fitness}
      [{:published, "xor", 2.5}]
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec why(Genotype.t() | Genotype.id()) :: [step]
  def why(id) when is_binary(id),
    do: Enum.map(:cambrian_bridge.why(id), &Boundary.without_undefined/1)

  def why(genotype), do: why(:cambrian_genotype.id(Boundary.ref(genotype, Genotype)))

  @doc """
  Lists the measured fitness and the outcome of other nodes' genotypes: the last thousand, the
  oldest first. `why/1` tells more about each.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.migrations()
      []
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec migrations() :: [migration]
  defdelegate migrations, to: :cambrian_bridge

  @doc """
  Returns the public key of this node.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> byte_size(Cambrian.Bridge.identity())
      32
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec identity() :: key
  defdelegate identity, to: :cambrian_bridge

  @doc """
  Replaces the key of this node, also in the identity's file, and tells the other nodes of the
  realm. They transfer the reputation of the old key to the new key, and accept no new messages of
  the old key. If a bridge has no file for the new secret, nothing changes.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_rotated")
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", identity: path)
      iex> old = Cambrian.Bridge.identity()
      iex> {:ok, new} = Cambrian.Bridge.rotate()
      iex> {new == Cambrian.Bridge.identity(), new == old}
      {true, false}
      iex> :ok = Cambrian.Bridge.stop()
      iex> for file <- [path, path <> ".copy"], do: File.rm!(file)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", identity: <<1::256>>)
      iex> Cambrian.Bridge.rotate()
      {:error, {:no_identity_file, ["org.example.docs"]}}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec rotate() :: {:ok, key} | {:error, Error.reason()}
  defdelegate rotate, to: :cambrian_bridge

  @doc """
  Returns the state of the connection (a connected node may still be alone), the populations that
  take part, and the missing populations. In this example the VM has no node name, so Erlang
  distribution connects it to no node, and the name of one population is misspelt:

      iex> {:ok, _} = Cambrian.Population.start_link(task: :xor, name: :pole)
      iex> options = [realm: "org.example.docs", populations: [:pole, :poel]]
      iex> {:ok, _} = Cambrian.Bridge.start_link(options)
      iex> Cambrian.Bridge.status()
      %{connected: false, missing: [:poel], peers: 0, populations: [:pole]}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec status() :: status
  defdelegate status, to: :cambrian_bridge

  @doc """
  Does the same for one realm.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.status("org.example.docs")
      %{connected: false, missing: [], peers: 0, populations: []}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec status(realm :: String.t()) :: status
  defdelegate status(realm), to: :cambrian_bridge

  @doc """
  Counts the messages and bytes that all bridges received, and the rejected messages by reason; the
  published genotypes, how often the best was announced again, and the bytes of all published
  messages. Among strangers' messages, `:metered` counts those above the budget for verifying
  signatures, and `:overloaded` those that arrived while too many waited; `:busy` counts the calls
  above their budget.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> {:ok, _} = Cambrian.Bridge.publish_genotype(genotype, task: :xor, fitness: 2.5)
      iex> %{published: 1, bytes_published: bytes} = Cambrian.Bridge.counts()
      iex> bytes > 0
      true
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec counts() :: %{
          (:received
           | :bytes_received
           | {:rejected, atom}
           | :published
           | :announced
           | :bytes_published) => pos_integer
        }
  defdelegate counts, to: :cambrian_bridge

  defp options(opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: Boundary.nested(options, :transport_options)
  end
end
