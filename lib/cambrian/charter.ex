defmodule Cambrian.Charter do
  @moduledoc """
  Writes and reads charters, which name the owners of a realm, how many owners must sign, and the
  revoked keys and grants.

  A realm that requires its owners' grants (`{:signed_by, owners}` of `Cambrian.Trust.open/2`)
  starts with the owners in its options. A charter names other owners, or revokes grants; nodes of
  the realm send each other the newest charter.

      iex> {a, b} = {Cambrian.Identity.new(), Cambrian.Identity.new()}
      iex> owners = Enum.map([a, b], &Cambrian.Identity.public_key/1)
      iex> realm = "org.example.docs.charter"
      iex> capability = {:signed_by, %{owners: owners, threshold: 2}}
      iex> :ok = Cambrian.Trust.open(realm, capability: capability)
      iex> draft = %{realm: realm, number: 1, owners: owners, threshold: 2, revoked: [<<7::256>>]}
      iex> {:ok, charter} = Cambrian.Charter.seal(draft, a)
      iex> Cambrian.Trust.amend(realm, charter)
      {:error, :too_few_owners}
      iex> {:ok, charter} = Cambrian.Charter.cosign(charter, b)
      iex> Cambrian.Trust.amend(realm, charter)
      :ok
      iex> {:ok, known} = realm |> Cambrian.Trust.charter() |> Cambrian.Charter.read()
      iex> known.revoked
      [<<7::256>>]
  """

  alias Cambrian.{Boundary, Error, Identity}

  @typedoc """
  `:number` is higher than the number of the charter before. Of 1 to 6 `:owners`, `:threshold`
  (default 1) must sign. `:revoked` lists at most 256 ids of grants, and keys that may not publish
  with any grant. Each charter is complete: it revokes only what it lists. `:issued` is now, in ms
  since 1970, unless you give it.
  """
  @type draft :: %{
          required(:realm) => String.t(),
          required(:number) => pos_integer,
          required(:owners) => [Identity.key()],
          optional(:threshold) => pos_integer,
          optional(:revoked) => [<<_::256>>],
          optional(:issued) => non_neg_integer
        }

  @typedoc "`:by` are the keys that signed it; `:id` does not depend on the signatures."
  @type t :: %{
          realm: String.t(),
          number: pos_integer,
          issued: non_neg_integer,
          owners: [Identity.key()],
          threshold: pos_integer,
          revoked: [<<_::256>>],
          by: [Identity.key()],
          id: <<_::256>>
        }

  @doc """
  Makes a charter with its first signature from a keyword list or a map. A charter that was read
  gets a new time of issue.

  The previous owners and the new owners must sign, as many of each as their threshold says. The
  other owners sign with `cosign/2`, in any order.

      iex> owner = Cambrian.Identity.public_key(<<1::256>>)
      iex> draft = %{realm: "org.example.docs", number: 1, owners: [owner]}
      iex> {:ok, charter} = Cambrian.Charter.seal(draft, <<1::256>>)
      iex> {:ok, %{owners: [^owner], threshold: 1, by: [^owner]}} = Cambrian.Charter.read(charter)
      iex> Cambrian.Charter.seal(Map.put(draft, :threshold, 2), <<1::256>>)
      {:error, {:bad_charter, {:threshold, 2, "from 1 to the number of owners"}}}
      iex> Cambrian.Charter.seal([realm: "org.example.docs", owners: [owner]], <<1::256>>)
      {:error, {:bad_charter, {:number, :missing, "an integer from 1"}}}
  """
  @spec seal(draft | keyword | t, Identity.holder()) :: {:ok, binary} | {:error, Error.reason()}
  def seal(draft, owner) do
    case Boundary.to_map(:draft, draft) do
      {:ok, map} -> :cambrian_charter.seal(map, owner)
      # a map already; or perhaps a secret, which no error may show
      {:error, _} -> :cambrian_charter.seal(draft, owner)
    end
  end

  @doc """
  Adds one signature to a charter.

      iex> owners = for n <- [1, 2], do: Cambrian.Identity.public_key(<<n::256>>)
      iex> draft = %{realm: "org.example.docs", number: 1, owners: owners}
      iex> {:ok, charter} = Cambrian.Charter.seal(draft, <<1::256>>)
      iex> {:ok, charter} = Cambrian.Charter.cosign(charter, <<2::256>>)
      iex> {:ok, %{by: by}} = Cambrian.Charter.read(charter)
      iex> by == Enum.sort(owners)
      true
  """
  @spec cosign(binary, Identity.holder()) :: {:ok, binary} | {:error, Error.reason()}
  defdelegate cosign(charter, owner), to: :cambrian_charter

  @doc """
  Reads a charter, if all of its signatures are genuine. The realm decides whether it is in force:
  `Cambrian.Trust.amend/2`.

      iex> Cambrian.Charter.read("from a stranger")
      {:error, :malformed}
  """
  @spec read(binary) :: {:ok, t} | {:error, Error.reason()}
  defdelegate read(bytes), to: :cambrian_charter
end
