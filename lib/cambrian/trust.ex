defmodule Cambrian.Trust do
  @moduledoc """
  Decides who may publish in a realm, rates how far keys can be believed, and explains why
  something was refused.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.check("org.example.docs.trust", "from a stranger")
      {:error, :malformed}
      iex> [refusal | _] = Cambrian.Trust.refusals("org.example.docs.trust")
      iex> {refusal.reason, refusal.origin}
      {:malformed, nil}

  `Cambrian.Bridge` opens its realm and asks this module what to take. A new origin's reputation
  is 0.5. A claim that is confirmed here moves it up by a fiftieth of the distance to 1, an
  inflated claim multiplies it by 0.7, a signature over bytes that are no genotype by 0.5; below
  0.1 the key is banned.

  With the application's `:data_dir` set, the facts about a realm survive a restart, and an audit
  there records decisions and refusals: see `decisions/1`. If the application `:telemetry` is
  loaded, a refusal is also its event `[:cambrian, :mesh, :rejected]`.

  ## Options

    * `:capability` - who may publish: `:open` for everybody, the default; `{:keys, keys}`;
      `{:signed_by, key}` for the owner of that key and the keys with its grant
      (`Cambrian.Identity.grant/4`); `{:signed_by, %{owners: keys, threshold: n}}` names several
      owners, n of whom must sign. These are the first owners: charters name later ones
      (`amend/2`), and stay as long as the first owners are the same. `{:work, bits}` is for every
      key that shows that it cost 2^bits hashes, 1 to 24 bits; `{:invited, keys}` for these keys
      and those with a grant from one of them or from a key that has earned its place here.
    * `:rate` - `{per_second, burst}` for each origin, default `{5, 50}`.
    * `:tolerance` - by how much a claim may exceed the measured fitness, relative to the larger
      of the two, default 0.01. A task with noise needs more.
  """

  alias Cambrian.{Boundary, Error, Genotype, Identity}

  @type realm :: String.t()

  @typedoc """
  The subject of a ban. You may give a key by its name (`Cambrian.Identity.name/1`), if it is
  known in the realm: `{:error, {:unknown_name, name}}` if no key has that name, `{:error,
  {:ambiguous_name, name}}` if several have it. Keys and ids may also be the 64 hexadecimal digits
  that the audit and the dashboard show.
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
  Opens anew a realm that is closed because none of its files is whole.

  Its bans and standings are lost: before you do this, copy a backup of its directory back, or
  look in `decisions/1` for the bans. You must give `:capability`, because it is lost too. The
  damaged files stay, as `*.torn`.

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
  Reads an envelope from a stranger and returns its claims, of which the fitness is not verified
  yet.

  An envelope may contain a difference to another genotype. To read it, `base_of` gets the id of
  that genotype and answers `{:ok, genotype}` or `:error`.

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
  Does the same for claims and signature without the genotype (`Cambrian.Envelope.record/1`): like
  an envelope, a record is taken once, and counts for its origin's rate.

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
  Takes a certificate of succession. From now on the new key has the reputation, the capability
  and the sequence of the old one, which is refused; if the old key owned the realm, the new one
  does. A realm that is not open takes no certificate of a key that may not publish there.

  A realm verifies at most ten a second for a key that has earned a name or may publish in a
  closed realm, and ten for all others together.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> certificate = Cambrian.Identity.succession(<<1::256>>, <<2::256>>)
      iex> Cambrian.Trust.follow("org.example.docs.trust", certificate)
      :ok
  """
  @spec follow(realm, binary) :: :ok | {:error, Error.reason()}
  defdelegate follow(realm, certificate), to: :cambrian_trust

  @doc """
  Takes a charter of the realm, which the owners of the realm and those that it names must have
  signed. From now on it says who owns the realm and what is revoked.

  `Cambrian.Bridge.publish_charter/1` tells others at once. A charter that you pass here goes out
  when a bridge next tells of charters, within a quarter of an hour.

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
  Returns the charter that counts, as bytes; `nil` if the realm has none. Raises `Cambrian.Error`
  if the realm was not opened here, or is closed.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.charter("org.example.docs.trust")
      nil
  """
  @spec charter(realm) :: binary | nil
  def charter(realm) do
    with :none <- known(fn -> :cambrian_trust.charter(realm) end), do: nil
  end

  @doc """
  Reports the measured fitness for a claim, which moves its origin's reputation.

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
  Bans a key, with the heir that it named, or a genotype: from now on this node takes nothing from
  that key, and that genotype from nobody. The reason is a text of at most 255 bytes. A wrong
  argument raises an `ArgumentError` that names it.

  Genotypes that the populations of this node's bridge took in from that key, or the genotype
  itself, leave them with the next generation, and so does every genotype that carries their genes
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
  Ends a ban of `ban/3`; a key starts anew with the reputation 0.5.

      iex> :ok = Cambrian.Trust.open("org.example.docs.bans")
      iex> :ok = Cambrian.Trust.ban("org.example.docs.bans", {:key, <<7::256>>})
      iex> Cambrian.Trust.unban("org.example.docs.bans", {:key, <<7::256>>})
      :ok
  """
  @spec unban(realm, subject) :: :ok | {:error, Error.reason()}
  def unban(realm, subject), do: :cambrian_trust.unban(realm, subject(subject))

  @doc """
  Lists the banned keys and genotypes, the oldest ban first. Raises `Cambrian.Error` if the realm
  was not opened here, or is closed.

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
  the realm was not opened here.

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

  `:condition` is `:sound`; `{:fell_back, damaged}` if the newest file was damaged and the one
  before it was taken, so that the last bans and standings are lost; or `{:closed, damaged}` if
  none was whole, so that everything is refused as `:realm_damaged` until `reset/2`. `{:closed,
  {reason, file}}` says that the files cannot be read. In both cases `:capability` is `:closed`.
  `:condition` and `:capability` are `:unknown` if this node does not know such a realm.

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
  Lists the last refusals with their reasons: at most 100 since the application started, the
  newest first. Raises `Cambrian.Error` if the realm was not opened here.

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
  Lists the decisions that people made for a realm on this node, the oldest first: bans, options,
  damaged files.

  They come from files in the `:data_dir`, which others cannot fill; without a `:data_dir` the
  list is empty. `damaged` names the files in which a line was changed or lost.

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
