defmodule Cambrian.Trust do
  @moduledoc """
  Who may publish in which realm, what their word is worth, and why something was refused.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> Cambrian.Trust.check("org.example.docs.trust", "from a stranger")
      {:error, :malformed}
      iex> [refusal | _] = Cambrian.Trust.refusals("org.example.docs.trust")
      iex> {refusal.reason, refusal.origin}
      {:malformed, nil}

  `Cambrian.Bridge` opens its realm and asks here what to take. A new origin's reputation is 0.5. A
  claim that is confirmed here moves it up by a fiftieth of what is missing to 1, one that is
  inflated takes it times 0.7, a signature over what is no genotype times 0.5; below 0.1 the key is
  banned.

  What is known of a realm stays after a restart where the application's `:data_dir` is set, and what
  was decided and refused is written to an audit there: see `decisions/1`. Where the application
  `:telemetry` is loaded, a refusal is its event `[:cambrian, :mesh, :rejected]` as well.

  ## Options

    * `:capability` - who may publish: `:open` for everybody, the default; `{:keys, keys}`;
      `{:signed_by, key}` for those whom the owner of that key let, by `Cambrian.Identity.grant/4`;
      `{:signed_by, %{owners: keys, threshold: n}}` names several owners, n of whom must sign. These are
      the first owners: later ones are named by charters, `amend/2`, which stay as long as the first
      owners are the same. `{:work, bits}` is for whoever shows that its key cost 2^bits hashes, 1 to 24
      bits; `{:invited, keys}` for these and whom one of them, or a key that has earned its place here,
      signed a grant for.
    * `:rate` - `{per_second, burst}` for each origin, default `{5, 50}`.
    * `:tolerance` - how much more than is measured may be claimed, relative to the larger of the
      two, default 0.01. A task that is not the same every time needs more.
  """

  alias Cambrian.{Boundary, Error, Genotype, Identity}

  @type realm :: String.t()

  @typedoc """
  What a ban is of. By its name (`Cambrian.Identity.name/1`), a key that is known in the realm:
  `{:error, {:unknown_name, name}}` where none is, `{:error, {:ambiguous_name, name}}` where several
  have it. Keys and ids may be the 64 hexadecimal digits that the audit and the dashboard show, too.
  """
  @type subject ::
          {:key, Identity.key() | Identity.name() | (digits :: String.t())}
          | {:genotype, Genotype.t() | Genotype.id() | (digits :: String.t())}

  @typedoc "`:by` is `:reputation` for a key that lied too often; `:name` is that of a key."
  @type ban :: %{
          required(:what) => subject,
          required(:reason) => String.t(),
          required(:by) => :user | :reputation,
          required(:time) => integer,
          optional(:name) => Identity.name()
        }

  @typedoc "Origin and genotype as they were claimed, and the name of the origin's key; `:time` in ms since 1970."
  @type refusal :: %{
          required(:reason) => atom,
          required(:origin) => Identity.key() | nil,
          required(:genotype) => Genotype.id() | nil,
          required(:time) => integer,
          optional(atom) => term
        }

  @doc """
  Makes a realm known here, or changes its options; those not given, standings and bans stay.

      iex> Cambrian.Trust.open("org.example.docs.trust", rate: {1, 10}, tolerance: 0.05)
      :ok
      iex> Cambrian.Trust.open("org.example.docs.trust", rates: {1, 10})
      {:error, {:unknown_option, :rates, %{did_you_mean: :rate, see: "type cambrian_trust:options()"}}}
  """
  @spec open(realm, keyword) :: :ok | {:error, Error.reason()}
  def open(realm, opts \\ []) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: :cambrian_trust.open(realm, options)
  end

  @doc """
  Opens a realm anew that is closed because none of its files is whole.

  Its bans and standings are lost: copy a backup of its directory back, or look at `decisions/1` for
  what was banned, before you do this. `:capability` must be given, as it is lost, too. The damaged
  files stay, as `*.torn`.

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
  Reads an envelope from a stranger; the answer has its claims, of which the fitness is still one.

  One that is a difference to another genotype needs that: `base_of` gets an id and answers
  `{:ok, genotype}` or `:error`.

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
  The same for claims and signature without the genotype (`Cambrian.Envelope.record/1`): like an
  envelope, it is taken once, and counts for its origin's rate.

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
  Takes a certificate of succession: from now on the new key has the reputation, the capability and
  the sequence of the old one, which is refused; if that owns the realm, the new one does. A realm that
  is not open takes none of keys that may not publish there.

  At most ten a second are verified for a key that has earned a name or may publish in a closed realm,
  and ten for all others together.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> certificate = Cambrian.Identity.succession(<<1::256>>, <<2::256>>)
      iex> Cambrian.Trust.follow("org.example.docs.trust", certificate)
      :ok
  """
  @spec follow(realm, binary) :: :ok | {:error, Error.reason()}
  defdelegate follow(realm, certificate), to: :cambrian_trust

  @doc """
  Takes a charter of the realm, which the owners of the realm and those that it names must have signed:
  from now on it says who owns the realm and what is revoked.

  `Cambrian.Bridge.publish_charter/1` tells others at once; given here, it is told when a bridge next
  tells of charters, within a quarter of an hour.

      iex> owner = Cambrian.Identity.public_key(<<1::256>>)
      iex> realm = "org.example.docs.amend"
      iex> :ok = Cambrian.Trust.open(realm, capability: {:signed_by, owner})
      iex> {:ok, charter} = Cambrian.Charter.seal(%{realm: realm, number: 2, owners: [owner]}, <<1::256>>)
      iex> Cambrian.Trust.amend(realm, charter)
      :ok
      iex> {:ok, older} = Cambrian.Charter.seal(%{realm: realm, number: 1, owners: [owner]}, <<1::256>>)
      iex> Cambrian.Trust.amend(realm, older)
      {:error, :superseded}
  """
  @spec amend(realm, binary) :: :ok | {:error, Error.reason()}
  defdelegate amend(realm, charter), to: :cambrian_trust

  @doc """
  The charter that counts, as bytes; nil, if the realm has none.

      iex> Cambrian.Trust.charter("org.example.docs.unknown")
      nil
  """
  @spec charter(realm) :: binary | nil
  def charter(realm) do
    with :none <- :cambrian_trust.charter(realm), do: nil
  end

  @doc """
  Tells what was measured here of a claim, which moves its origin's reputation.

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
  From now on, nothing of this key, or of the heir that it named, is taken; or this genotype from
  nobody. The reason is a text of at most 255 bytes. Anything else raises an `ArgumentError` that says
  which argument is wrong.

  What the populations of this node's bridge took in of it leaves them with the next generation, and so
  does all that carries its genes (`Cambrian.Population.purge/2`), unless the bridge's option `:purge` is
  `false`.

      iex> :ok = Cambrian.Trust.open("org.example.docs.bans")
      iex> :ok = Cambrian.Trust.ban("org.example.docs.bans", {:genotype, <<7::256>>}, "it shakes the arm")
      iex> [%{what: {:genotype, <<7::256>>}, reason: reason}] = Cambrian.Trust.bans("org.example.docs.bans")
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
  Ends a ban of `ban/3`; a key starts anew, at 0.5.

      iex> :ok = Cambrian.Trust.open("org.example.docs.bans")
      iex> :ok = Cambrian.Trust.ban("org.example.docs.bans", {:key, <<7::256>>})
      iex> Cambrian.Trust.unban("org.example.docs.bans", {:key, <<7::256>>})
      :ok
  """
  @spec unban(realm, subject) :: :ok | {:error, Error.reason()}
  def unban(realm, subject), do: :cambrian_trust.unban(realm, subject(subject))

  @doc """
  Who and what is banned, the oldest ban first.

      iex> Cambrian.Trust.bans("org.example.docs.unknown")
      []
  """
  @spec bans(realm) :: [ban]
  defdelegate bans(realm), to: :cambrian_trust

  @doc """
  What the word of a key is worth, from 0 to 1.

      iex> Cambrian.Trust.reputation("org.example.docs.trust", <<9::256>>)
      0.5
  """
  @spec reputation(realm, Identity.key()) :: float
  defdelegate reputation(realm, key), to: :cambrian_trust

  @doc """
  All that is known of a realm: `:origins` with their standings, `:bans`, `:retired` keys with their
  successors, the `:owners` that may sign now and the `:charter` that says so, as bytes for
  `Cambrian.Charter.read/1`, `:none` where there are none, how many were `:refused` for which reason, and the options.

  `:condition` is `:sound`; `{:fell_back, damaged}` where the newest file was damaged and the one
  before it was taken, so that bans and standings of the last moments before that are lost; or
  `{:closed, damaged}` where none was whole, so that everything is refused as `:realm_damaged` until
  `reset/2`. `{:closed, {reason, file}}` says that the files cannot be read. Then `:capability` is
  `:closed`. Both are `:unknown` where no such realm is known on this node.

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
  What was refused last, and why: at most 100 since the application started, the last one first.

      iex> :ok = Cambrian.Trust.open("org.example.docs.refusals")
      iex> {:error, :malformed} = Cambrian.Trust.check("org.example.docs.refusals", "from a stranger")
      iex> [refusal] = Cambrian.Trust.refusals("org.example.docs.refusals")
      iex> {refusal.reason, refusal.origin, refusal.genotype}
      {:malformed, nil, nil}
  """
  @spec refusals(realm) :: [refusal]
  def refusals(realm), do: report(realm).last

  @doc """
  What people decided for a realm on this node, the oldest first: bans, options, what was found
  damaged.

  It comes from files in the `:data_dir`, which nothing that others send can fill; without a
  `:data_dir` there is nothing. `damaged` names the files in which a line was changed or lost.

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

  They arrive as Erlang's message `{:cambrian_trust, realm, event}`, with what is not known as
  `:undefined`. The events are `{:refused, refusal}`, `{:banned, ban}`, `{:unbanned, subject}`,
  `{:followed, succession}` and `{:amended, charter}`. A process that does not read its messages loses some.

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
  Ends what `subscribe/1` began.

      iex> :ok = Cambrian.Trust.open("org.example.docs.trust")
      iex> :ok = Cambrian.Trust.subscribe("org.example.docs.trust")
      iex> Cambrian.Trust.unsubscribe("org.example.docs.trust")
      :ok
  """
  @spec unsubscribe(realm) :: :ok | {:error, Error.reason()}
  defdelegate unsubscribe(realm), to: :cambrian_trust
end
