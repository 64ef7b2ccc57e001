defmodule Cambrian.Bridge do
  @moduledoc """
  Joins populations to the mesh.

      iex> {:ok, _} = Cambrian.Population.start_link(task: :xor, name: :of_the_bridge, seed: 42)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", populations: [:of_the_bridge])
      iex> :ok = Cambrian.Population.run(:of_the_bridge)
      iex> {:ok, %{solved: true}} = Cambrian.Population.await(:of_the_bridge, 60_000)
      iex> Cambrian.Bridge.stop()
      :ok

  A champion of a joined population is published, signed, when it is enough better than the last one
  that was; what others publish for the same task is checked, evaluated here, and taken in if it is
  worth it. Nothing that others claim is believed; `Cambrian.Trust` remembers what came of it.

  There is a bridge for each realm that the node is in. Where a function is not told which, it speaks
  for all of them, or, where that makes no sense, for the only one: of several it raises
  `{:which_realm, realms}`. Where there is no bridge, it exits with `:noproc`, and where the application
  does not run it raises `{:not_started, how}`.

  ## Options

    * `:realm` - required: who may meet whom, a binary of at most 255 bytes.
    * `:populations` - those to join, by pid or name, or `:all` of this node; a name that is not there
      yet is waited for, which is logged, and `status/0` shows it. Default `[]`.
    * `:aliases` - what this node calls others, or itself: a map of keys, or of their names
      (`Cambrian.Identity.name/1`), to texts of 1 to 64 printable bytes without parentheses. They are
      shown with the name behind them, `"pole-pi (lusab-bovik)"`, and do not travel.
    * `:publish` - with `false` this node only takes in. Default `true`.
    * `:publish_best_fitness_threshold` - a champion is published when it is better than the last that
      all were told of by as much as this share of the single improvements before it were: default
      0.99, the top 1 % of improvements; 0 publishes each. The last one of a run is published in any
      case.
    * `:publish_interval` - the least time in ms between two champions of one task, default 1000.
    * `:migration_policy` - `:champion`, the default; with `:tournament`, `:novel` or `:random` one that
      is so chosen (`Cambrian.Population.migrant/2`) is published every `:migration_interval` ms
      instead.
    * `:migration_interval` - default 10,000.
    * `:topology` - of whom newcomers are taken: `:all`, the default, `:ring`, `{:random, k}` or
      `{:nearest, k}`.
    * `:purge` - what is banned in the realm leaves the populations, and so does all that carries its genes
      (`Cambrian.Population.purge/2`). With `false` they keep it, and none of it is published. Default
      `true`.
    * `:budget` - how many newcomers at once wait for their evaluation in the populations here, default
      8; the others wait in quarantine.
    * `:evaluation_share` - the part of all evaluation, from 0 to 1, that what others send may take while
      the populations run, default 0.1: each origin of which a population here took something in has
      that much, and all other keys have it together.
    * `:cost_bound` - how many times the median of a population's own genotypes
      (`Cambrian.Genotype.cost/1`) another's may cost, from 1, default 8. What costs more is not
      evaluated (`:too_costly`).
    * `:identity` - a secret of 32 bytes, a function that gives it, or the path of a file
      (`Cambrian.Identity.load/1`); one of 32 bytes as a charlist. By default the file `identity` in the
      application's `:data_dir`; where there is none, a secret is made anew.
    * `:capability`, `:rate`, `:tolerance` - who may publish here, how often, and how far a claim may
      be off: see `Cambrian.Trust`.
    * `:grant` - the leave to publish that others ask for, from `Cambrian.Identity.grant/4`: for this realm
      and this node's key, or one that it succeeded. One that is not, or has ended, is refused at the start.
    * `:transport` - a module of Erlang's or your own with the behaviour `:cambrian_transport`; default
      `:cambrian_transport_dist`, which is Erlang distribution.
    * `:transport_options` - keyword list or map, such as `[discovery: {:multicast, %{}}]`.

  Under a supervisor:

      children = [
        {Cambrian.Population, task: :double_pole, name: :pole},
        {Cambrian.Bridge, realm: "org.example.lab", populations: [:pole]}
      ]

  ## In the configuration

  Bridges can be there from the start of the application, with all populations of the node:

      config :cambrian,
        mesh_enabled: true,
        mesh_realm: "org.example.lab",
        subscribe_to_realms: ["org.example.field"],
        publish_best_fitness_threshold: 0.99,
        mesh_options: %{transport_options: %{discovery: {:multicast, %{}}}}

  The node is in its `:mesh_realm`, and in those that it subscribes to without publishing there.
  `:mesh_options` is a map of the options above. The guide is `docs/mesh.md`.
  """

  alias Cambrian.{Boundary, Error, Genotype, Population}

  @typedoc "What others know a node by: an Ed25519 public key, 32 bytes."
  @type key :: Cambrian.Identity.key()

  @typedoc """
  `:name` is that of its key, after the alias if it has one; `:alive` by its heartbeats; `:seen` in ms since 1970; `:round_trip` in ms, where it was measured.
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

  @typedoc "`:fitness` as it was measured on this node; `:origin` is who bred it, and `:name` what that is called."
  @type best :: %{genotype: Genotype.t(), fitness: float, origin: key, name: String.t()}

  @typedoc """
  What happened to a genotype here, `:time` in ms since 1970.

  `:step` is `:announced`, `:asked`, `:not_delivered`, `:received`, `:not_a_source` (the topology takes
  nothing of its origin), `:dropped` (too many waited), `:offered` (to a population), `:busy`, `:judged`
  (with `:task`, `:outcome`, its breeder's `:generation`, the fitness `:claimed`, the `:fitness` that
  was measured and the `:work` of that, or, where it was `:too_costly`, its `:cost`, the `:median` of the
  population's own and the `:bound`), `:banned` (as it waited or was held here),
  `:published`, or `:refused` with the `:reason` and what `Cambrian.Trust.refusals/1`
  knows of it. One with an `:origin` has its `:name`, too.
  """
  @type step :: %{
          required(:time) => integer,
          required(:step) => atom,
          required(:realm) => String.t(),
          optional(atom) => term
        }

  @typedoc """
  What became of another's genotype. `:claimed` and `:generation` are what its origin says of it, `:fitness` is what was
  measured here, and `:work` what that cost in the units of `Cambrian.Genotype.cost/1`; without a fitness its evaluation
  failed. Of one that was `:too_costly`, `:cost` is that of its network, `:median` that of the population's own, and
  `:bound` the most that it may be.
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
  How the transport is connected, of which some say more; the populations that take part, by their
  names; and those that are to and are not there. `:trust` is there where files of the realm are
  damaged: `:closed` takes nothing in (`Cambrian.Trust.report/1`). `:may_publish` is `false`
  when this node's own `:capability` would refuse its key, or when its grant has ended; otherwise it is
  absent.
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
  For a supervisor of your own, which may have one for each realm.

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
  Leaves the mesh. The populations go on.

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
  The realms that this node is in.

      iex> Cambrian.Bridge.realms()
      []
  """
  @spec realms() :: [String.t()]
  defdelegate realms, to: :cambrian_bridge

  @doc """
  Joins one more population. One with a name is joined as soon as it is there, and again when it
  comes back from a crash.

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

  The claims are `:task`, an atom or what `Cambrian.Task.id/1` gives, and `:fitness`, both required;
  `:generation`, default 0; `:parents`, at most eight ids; `:operators`, at most 32 names of what made it
  of them; and `:realm`, of a node that is in several.

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
  Publishes a charter in its realm, if it counts here (`Cambrian.Trust.amend/2`): from now on, all nodes
  that take it tell it to others.

      iex> owner = Cambrian.Identity.public_key(<<1::256>>)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs.owned", capability: {:signed_by, owner})
      iex> draft = %{realm: "org.example.docs.owned", number: 1, owners: [owner], revoked: [<<7::256>>]}
      iex> {:ok, charter} = Cambrian.Charter.seal(draft, <<1::256>>)
      iex> Cambrian.Bridge.publish_charter(charter)
      :ok
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec publish_charter(binary) :: :ok | {:error, Error.reason()}
  defdelegate publish_charter(charter), to: :cambrian_bridge

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

  @doc """
  Ends a subscription of `subscribe_genotypes/2`; `:ok` for one that there is not, too.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.unsubscribe_genotypes(make_ref())
      :ok
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec unsubscribe_genotypes(subscription :: reference) :: :ok
  defdelegate unsubscribe_genotypes(subscription), to: :cambrian_bridge

  @doc """
  Everyone else that was heard of, those that are silent by now among them, at most 20,000 a realm.

  Here a stranger of the same realm, without a bridge, is heard:

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
  The same of one realm.

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
  The best of each task that was evaluated on this node, wherever it was bred. Tasks are binaries.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, %{best: best}} = Cambrian.Population.step(population, 1)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", populations: [population])
      iex> %{"xor" => %{fitness: ^best, origin: origin}} = Cambrian.Bridge.global_best()
      iex> origin == Cambrian.Bridge.identity()
      true
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec global_best() :: %{(task :: String.t()) => best}
  def global_best, do: with_structs(:cambrian_bridge.global_best())

  @doc """
  The same of one realm.

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
  Why a genotype came here, or why it did not: what happened to it, the first step first.

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
  What others' genotypes were measured to be here, and what became of them: the last thousand, the
  first one first. `why/1` tells more of each.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.migrations()
      []
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec migrations() :: [migration]
  defdelegate migrations, to: :cambrian_bridge

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
  Goes on under a new key, in the identity's file as well, and tells the others in the
  realm, who keep what they know of the old key for the new one, and take nothing more from the old.
  Where a bridge has no file to keep the new secret in, nothing changes.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_rotated")
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", identity: path)
      iex> old = Cambrian.Bridge.identity()
      iex> {:ok, new} = Cambrian.Bridge.rotate()
      iex> {new == Cambrian.Bridge.identity(), new == old}
      {true, false}
      iex> :ok = Cambrian.Bridge.stop()
      iex> File.rm!(path)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", identity: <<1::256>>)
      iex> Cambrian.Bridge.rotate()
      {:error, {:no_identity_file, ["org.example.docs"]}}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec rotate() :: {:ok, key} | {:error, Error.reason()}
  defdelegate rotate, to: :cambrian_bridge

  @doc """
  What the transport says of its connection, as a node that has one may still be alone; and which
  populations take part and which are missing. Here one was misspelt:

      iex> {:ok, _} = Cambrian.Population.start_link(task: :xor, name: :pole)
      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs", populations: [:pole, :poel])
      iex> Cambrian.Bridge.status()
      %{connected: true, missing: [:poel], peers: 0, populations: [:pole]}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec status() :: status
  defdelegate status, to: :cambrian_bridge

  @doc """
  The same of one realm.

      iex> {:ok, _} = Cambrian.Bridge.start_link(realm: "org.example.docs")
      iex> Cambrian.Bridge.status("org.example.docs")
      %{connected: true, missing: [], peers: 0, populations: []}
      iex> Cambrian.Bridge.stop()
      :ok
  """
  @spec status(realm :: String.t()) :: status
  defdelegate status(realm), to: :cambrian_bridge

  @doc """
  How many messages all bridges received and how many bytes, how many of them were rejected for which
  reason; how many genotypes were published, and how often the best was announced again, with the
  bytes of all that was published. Of strangers' messages, `:metered` are those above the budget for
  their signatures, and `:overloaded` those that came while too many waited; `:busy` are the calls
  above theirs.

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
