defmodule Cambrian.Trust do
  @moduledoc """
  Decides which keys may publish in a realm and how far their claims are trusted, and explains why
  the realm refused something.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.check("org.example.docs.trust", "from a stranger")
      {:error, :malformed}
      iex> [refusal | _] = Cambrian.Trust.refusals("org.example.docs.trust")
      iex> {refusal.reason, refusal.origin}
      {:malformed, nil}

  `Cambrian.Bridge` opens its realm and asks this module what to accept. A new origin's reputation
  is 0.5. A claim that this node confirms raises it by a fiftieth of the way to 1. An inflated claim
  multiplies it by 0.7, and a signature over bytes that are not the claimed genotype by 0.5. Below
  0.1 the key is banned.

  If the application's `:data_dir` is set, files there keep the realm, and an audit of decisions and
  refusals: see `decisions/1`. If the application `:telemetry` is loaded, a refusal is also an event
  `[:cambrian, :mesh, :rejected]`.

  ## Options

    * `:capability` - which keys may publish: `:open` for all keys, the default; `{:keys, keys}`;
      `{:signed_by, key}` for the owner of that key and the keys with its grant
      (`Cambrian.Identity.grant/4`); `{:signed_by, %{owners: keys, threshold: n}}` names several
      owners, n of whom must sign. These are the first owners: charters name later ones
      (`amend/2`), and stay as long as the first owners are the same. `{:work, bits}` is for keys
      that prove a work of 2^bits hashes, 1 to 24 bits; `{:invited, keys}` for these keys, and keys
      with a grant from one of them or from a key that has earned its place on this node.
    * `:rate` - `{per_second, burst}` for each origin, default `{5, 50}`.
    * `:tolerance` - by how much a claim may exceed the measured fitness, relative to the larger
      of the two, default 0.01. A task with noise needs more.
  """

  alias Cambrian.{Boundary, Error, Genotype, Identity}

  @type realm :: String.t()

  @typedoc """
  The subject of a ban. You may give a key by its name (`Cambrian.Identity.name/1`) if the realm
  knows the key: `{:error, {:unknown_name, name}}` if no key has that name,
  `{:error, {:ambiguous_name, name}}` if several have it. Keys and ids may also be the 64
  hexadecimal digits that the audit and the dashboard show.
  """
  @type subject ::
          {:key, Identity.key() | Identity.name() | (digits :: String.t())}
          | {:genotype, Genotype.t() | Genotype.id() | (digits :: String.t())}

  @typedoc "`:by` is `:reputation` for a key that lied too often; `:name` is the name of a key."
  @type ban :: %{
          required(:what) => subject,
          required(:reason) => String.t(),
          required(:by) => :user | :reputation,
          required(:time) => integer,
          optional(:name) => Identity.name()
        }

  @typedoc """
  Origin and genotype as claimed, and the name of the origin's key; `:time` in ms since 1970.
  """
  @type refusal :: %{
          required(:reason) => atom,
          required(:origin) => Identity.key() | nil,
          required(:genotype) => Genotype.id() | nil,
          required(:time) => integer,
          optional(atom) => term
        }

  @doc """
  Opens a realm on this node, or changes its options. Options that you omit keep their value;
  standings and bans stay.

      iex> Cambrian.Trust.open("org.example.docs.trust", rate: {1, 10}, tolerance: 0.05)
      :ok
      iex> Cambrian.Trust.open("org.example.docs.trust", rates: {1, 10})
      {:error,
       {:unknown_option, :rates, %{did_you_mean: :rate, see: "type cambrian_trust:options()"}}}
  """
  @spec open(realm, keyword) :: :ok | {:error, Error.reason()}
  def open(realm, opts \\ []) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: :cambrian_trust.open(realm, options)
  end

  @doc """
  Reopens a realm that is closed because none of its files is whole.

  Its bans and standings are lost. Before you reset it, try a backup of its directory, or look in
  `decisions/1` for the bans. You must give `:capability`, because it is lost too. The damaged files
  stay, as `*.torn`.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.reset("org.example.docs.trust", capability: :open)
      {:error, {:not_damaged, "org.example.docs.trust"}}
      iex> Cambrian.Trust.reset("org.example.docs.trust", [])
      {:error, {:missing_options, [:capability]}}
  """
  @spec reset(realm, keyword) :: :ok | {:error, Error.reason()}
  def reset(realm, opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: :cambrian_trust.reset(realm, options)
  end

  @doc """
  Reads an envelope from a stranger and returns its claims. The claimed fitness is not verified yet.

  An envelope may contain a difference to another genotype, its base. To read it, the function
  `base_of` gets the id of the base and returns `{:ok, genotype}` or `:error`.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.check("org.example.docs.trust", <<>>)
      {:error, :malformed}
      iex> Cambrian.Trust.check("org.example.docs.unknown", <<>>)
      {:error, {:unknown_realm, "org.example.docs.unknown"}}
  """
  @spec check(realm, binary, (Genotype.id() -> {:ok, Genotype.t()} | :error)) ::
          {:ok, Genotype.t(), claims :: map} | {:error, Error.reason()}
  def check(realm, bytes, base_of \\ fn _id -> :error end) do
    reference_of = fn id ->
      with {:ok, %Genotype{ref: reference}} <- base_of.(id), do: {:ok, reference}
    end

    with {:ok, reference, claims} <- :cambrian_trust.check(realm, bytes, reference_of),
         do: {:ok, %Genotype{ref: reference}, Boundary.without_undefined(claims)}
  end

  @doc """
  Checks a record: claims and signature without the genotype (`Cambrian.Envelope.record/1`). Like an
  envelope, a record is accepted only once, and counts for its origin's rate.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.check_record("org.example.docs.trust", <<>>)
      {:error, :malformed}
  """
  @spec check_record(realm, binary) :: {:ok, claims :: map} | {:error, Error.reason()}
  def check_record(realm, bytes) do
    with {:ok, claims} <- :cambrian_trust.check_record(realm, bytes),
         do: {:ok, Boundary.without_undefined(claims)}
  end

  @doc """
  Follows a certificate of succession. From now on the new key has the reputation, the capability
  and the sequence numbers of the old key; if the old key owned the realm, so does the new key. The
  old key is refused. A realm that is not open follows no certificate of a key that may not publish
  there.

  Per second, a realm verifies at most ten certificates of each key that has earned its place or may
  publish in a closed realm, and ten of all other keys together.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> certificate = Cambrian.Identity.succession(<<1::256>>, <<2::256>>)
      iex> Cambrian.Trust.follow("org.example.docs.trust", certificate)
      :ok
  """
  @spec follow(realm, binary) :: :ok | {:error, Error.reason()}
  defdelegate follow(realm, certificate), to: :cambrian_trust

  @doc """
  Adopts a charter of the realm. The present owners and the owners that it names must have signed
  it. From now on the charter says who owns the realm and what is revoked.

  `Cambrian.Bridge.publish_charter/1` sends a charter to others at once. If you pass it to
  `amend/2`, a bridge sends it within a quarter of an hour.

      iex> owner = Cambrian.Identity.public_key(<<1::256>>)
      iex> realm = "org.example.docs.amend"
      iex> :ok = Cambrian.Trust.open(realm, capability: {:signed_by, owner})
      iex> second = %{realm: realm, number: 2, owners: [owner]}
      iex> {:ok, charter} = Cambrian.Charter.seal(second, <<1::256>>)
      iex> Cambrian.Trust.amend(realm, charter)
      :ok
      iex> {:ok, older} = Cambrian.Charter.seal(%{second | number: 1}, <<1::256>>)
      iex> Cambrian.Trust.amend(realm, older)
      {:error, :superseded}
  """
  @spec amend(realm, binary) :: :ok | {:error, Error.reason()}
  defdelegate amend(realm, charter), to: :cambrian_trust

  @doc """
  Returns the charter that is in force, as bytes; `nil` if the realm has none. Raises
  `Cambrian.Error` if the realm was not opened on this node, or is closed.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.charter("org.example.docs.trust")
      nil
  """
  @spec charter(realm) :: binary | nil
  def charter(realm) do
    with :none <- known(fn -> :cambrian_trust.charter(realm) end), do: nil
  end

  @doc """
  Reports the measured fitness of a claim. This changes the reputation of its origin.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust", tolerance: 0.01)
      iex> claims = %{origin: <<1::256>>, fitness: 3.0}
      iex> Cambrian.Trust.checked("org.example.docs.trust", claims, 2.99)
      :confirmed
      iex> Cambrian.Trust.checked("org.example.docs.trust", claims, 2.9)
      :inflated
  """
  @spec checked(realm, %{origin: Identity.key(), fitness: number}, number) ::
          :confirmed | :inflated | {:error, Error.reason()}
  defdelegate checked(realm, claims, measured), to: :cambrian_trust

  @doc """
  Bans a key and its heir, or a genotype from any sender. The reason is a text of at most 255 bytes.
  A wrong argument raises an `ArgumentError` that names it.

  In their next generation, the populations of this node's bridge remove the genotypes that they
  took in from the banned key, or the banned genotype, and every genotype that carries their genes
  (`Cambrian.Population.purge/2`), unless the bridge's option `:purge` is `false`.

      iex> :ok = Cambrian.Trust.open("org.example.docs.bans")
      iex> realm = "org.example.docs.bans"
      iex> :ok = Cambrian.Trust.ban(realm, {:genotype, <<7::256>>}, "it shakes the arm")
      iex> [%{what: {:genotype, <<7::256>>}, reason: reason}] = Cambrian.Trust.bans(realm)
      iex> reason
      "it shakes the arm"
      iex> Cambrian.Trust.ban("org.example.docs.bans", {:key, "lusab-bovik"})
      {:error, {:unknown_name, "lusab-bovik"}}
      iex> Cambrian.Trust.unban("org.example.docs.bans", {:genotype, <<7::256>>})
      :ok
  """
  @spec ban(realm, subject, String.t()) :: :ok | {:error, Error.reason()}
  def ban(realm, subject, reason \\ ""), do: :cambrian_trust.ban(realm, subject(subject), reason)

  defp subject({:genotype, %Genotype{ref: reference}}), do: {:genotype, reference}
  defp subject(other), do: other

  @doc """
  Ends a ban of `ban/3`. A key starts again with the reputation 0.5.

      iex> :ok = Cambrian.Trust.open("org.example.docs.bans")
      iex> :ok = Cambrian.Trust.ban("org.example.docs.bans", {:key, <<7::256>>})
      iex> Cambrian.Trust.unban("org.example.docs.bans", {:key, <<7::256>>})
      :ok
  """
  @spec unban(realm, subject) :: :ok | {:error, Error.reason()}
  def unban(realm, subject), do: :cambrian_trust.unban(realm, subject(subject))

  @doc """
  Lists the banned keys and genotypes, the oldest ban first. Raises `Cambrian.Error` if the realm
  was not opened on this node, or is closed.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.bans("org.example.docs.trust")
      []
      iex> Cambrian.Trust.bans("org.example.docs.turst")
      ** (Cambrian.Error) the realm "org.example.docs.turst" was not opened here
  """
  @spec bans(realm) :: [ban]
  def bans(realm), do: known(fn -> :cambrian_trust.bans(realm) end)

  @doc """
  Returns the reputation of a key, from 0 to 1; 0.0 in a closed realm. Raises `Cambrian.Error` if
  the realm was not opened on this node.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.reputation("org.example.docs.trust", <<9::256>>)
      0.5
  """
  @spec reputation(realm, Identity.key()) :: float
  def reputation(realm, key), do: known(fn -> :cambrian_trust.reputation(realm, key) end)

  @doc """
  Returns everything that this node knows of a realm: `:origins` with their standings, `:bans`,
  `:retired` keys with their successors, the `:owners` that may sign now and the `:charter` that
  names them, as bytes for `Cambrian.Charter.read/1` (`:none` if there are none), how many were
  `:refused` for which reason, and the options.

  `:condition` is `:sound`; or `{:fell_back, damaged}` if the newest file was damaged and the realm
  uses the file before it, so that the last bans and standings are lost; or `{:closed, damaged}` if
  no file was whole, so that the realm refuses everything with `:realm_damaged` until `reset/2`; or
  `{:closed, {reason, file}}` if the files cannot be read. In the last two cases `:capability` is
  `:closed`. `:condition` and `:capability` are `:unknown` if this node does not know such a realm.

      iex> report = Cambrian.Trust.report("org.example.docs.unknown")
      iex> {report.condition, report.capability, report.origins}
      {:unknown, :unknown, %{}}
  """
  @spec report(realm) :: map
  def report(realm) do
    report = :cambrian_trust.report(realm)
    %{report | last: Enum.map(report.last, &Boundary.without_undefined/1)}
  end

  @doc """
  Lists the last refusals with their reasons: at most 100 since the application started, the newest
  first. Raises `Cambrian.Error` if the realm was not opened on this node.

      iex> :ok = Cambrian.Trust.open("org.example.docs.refusals")
      iex> realm = "org.example.docs.refusals"
      iex> {:error, :malformed} = Cambrian.Trust.check(realm, "from a stranger")
      iex> [refusal] = Cambrian.Trust.refusals("org.example.docs.refusals")
      iex> {refusal.reason, refusal.origin, refusal.genotype}
      {:malformed, nil, nil}
  """
  @spec refusals(realm) :: [refusal]
  def refusals(realm) do
    for refusal <- known(fn -> :cambrian_trust.refusals(realm) end),
        do: Boundary.without_undefined(refusal)
  end

  @doc """
  Lists the decisions that people made for a realm on this node, the oldest first: bans and options,
  and also the damage of files.

  Separate files in the `:data_dir` hold the decisions, so other nodes cannot fill them; without a
  `:data_dir` the list is empty. `damaged` names the files in which a line was changed or lost.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.decisions("org.example.docs.trust")
      {:ok, [], []}
  """
  @spec decisions(realm) ::
          {:ok, [%{time: String.t(), what: String.t(), details: %{String.t() => String.t()}}],
           damaged :: [%{file: Path.t(), line: pos_integer, reason: :torn_end | :changed}]}
          | {:error, Error.reason()}
  defdelegate decisions(realm), to: :cambrian_trust

  @doc """
  Sends events to the caller from now on.

  They arrive as Erlang messages `{:cambrian_trust, realm, event}`, with `:undefined` for unknown
  values. The events are `{:refused, refusal}`, `{:banned, ban}`, `{:unbanned, subject}`,
  `{:followed, succession}` and `{:amended, charter}`. A process that does not read its messages
  loses some.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> :ok = Cambrian.Trust.subscribe("org.example.docs.trust")
      iex> {:error, :malformed} = Cambrian.Trust.check("org.example.docs.trust", "noise")
      iex> receive do
      ...>   {:cambrian_trust, "org.example.docs.trust", {:refused, refusal}} -> refusal.reason
      ...> end
      :malformed
      iex> Cambrian.Trust.unsubscribe("org.example.docs.trust")
      :ok
  """
  @spec subscribe(realm) :: :ok | {:error, Error.reason()}
  defdelegate subscribe(realm), to: :cambrian_trust

  @doc """
  Ends the subscription of `subscribe/1`.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> :ok = Cambrian.Trust.subscribe("org.example.docs.trust")
      iex> Cambrian.Trust.unsubscribe("org.example.docs.trust")
      :ok
  """
  @spec unsubscribe(realm) :: :ok | {:error, Error.reason()}
  defdelegate unsubscribe(realm), to: :cambrian_trust

  defp known(ask) do
    ask.()
  rescue
    error in ErlangError -> reraise Error, error.original, __STACKTRACE__
  end
end
