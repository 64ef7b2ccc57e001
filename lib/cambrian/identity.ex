defmodule Cambrian.Identity do
  @moduledoc """
  Keys: who a node is to others, and what the owners of keys say of one another.

  A secret is 32 random bytes; its public key is what others know its owner by. An identity in a
  file is kept with the certificates by which each earlier key named its successor.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_identity")
      iex> {:ok, identity} = Cambrian.Identity.load(path)
      iex> {:ok, next} = Cambrian.Identity.rotate(path)
      iex> {:ok, succession} = next.successions |> List.last() |> Cambrian.Identity.read_succession()
      iex> succession.old == identity.key and succession.new == next.key
      true
      iex> File.rm!(path)
      :ok

  `inspect/1` of an identity shows no secret, as that is behind a function.
  """

  alias Cambrian.{Boundary, Error}

  @typedoc "32 bytes that nobody else has."
  @type secret :: <<_::256>>

  @typedoc """
  What may stand for a secret, wherever one is taken: it, a function that gives it, or an identity. So the
  owner whose key is a file signs with what `load/1` gives.
  """
  @type holder :: secret | (... -> secret) | t

  @typedoc "An Ed25519 public key."
  @type key :: <<_::256>>

  @typedoc "Two words of five letters: see `name/1`."
  @type name :: String.t()

  @typedoc "The oldest succession comes first."
  @type t :: %{secret: (... -> secret), key: key, successions: [binary]}

  @typedoc "`:time` in ms since 1970."
  @type succession :: %{old: key, new: key, time: non_neg_integer}

  @typedoc """
  `:by` are the owners of the realm who signed it; `:issued` and `:until` in ms since 1970, and one of
  version 1 does not say when it was issued. `:id` is what a charter revokes it by: `Cambrian.Charter`.
  """
  @type grant :: %{
          realm: String.t(),
          key: key,
          issued: non_neg_integer | nil,
          until: non_neg_integer,
          by: [key],
          id: <<_::256>>
        }

  @doc """
  A new secret.

      iex> byte_size(Cambrian.Identity.new())
      32
  """
  @spec new() :: secret
  defdelegate new, to: :cambrian_identity

  @doc """
  What others know the owner of a secret by.

      iex> <<start::binary-size(4), _::binary>> = Cambrian.Identity.public_key(<<1::256>>)
      iex> Base.encode16(start)
      "4CB5ABF6"
  """
  @spec public_key(holder) :: key
  defdelegate public_key(holder), to: :cambrian_identity

  @doc """
  What to call a key among people: two words that can be said, the same on every node.

  They are the first 32 bits of the key's SHA-256 as proquints. Of 10,000 keys two have the same name
  with a probability of 1 %, and somebody can try keys until one has the name of another: a name is to
  be read, and the key is who somebody is.

      iex> Cambrian.Identity.name(Cambrian.Identity.public_key(<<1::256>>))
      "honol-gasar"
  """
  @spec name(key) :: name
  defdelegate name(key), to: :cambrian_identity

  @doc """
  The identity of a bare secret.

      iex> Cambrian.Identity.from_secret(<<1::256>>).key == Cambrian.Identity.public_key(<<1::256>>)
      true
  """
  @spec from_secret(secret | (... -> secret)) :: t
  defdelegate from_secret(secret), to: :cambrian_identity

  @doc """
  The identity in a file, which is made, for this user only, if there is none.

  One that others may read is refused as `{:unsafe_permissions, path}`; one that is damaged, as
  `{:torn_file, path}` or `{:not_an_identity, path}`, stays as it is if its copy beside it, `*.copy`, is
  no good either.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_load")
      iex> {:ok, %{key: key}} = Cambrian.Identity.load(path)
      iex> {:ok, %{key: ^key}} = Cambrian.Identity.load(path)
      iex> File.chmod!(path, 0o644)
      iex> {:error, {:unsafe_permissions, ^path}} = Cambrian.Identity.load(path)
      iex> File.rm!(path)
      :ok
  """
  @spec load(Path.t()) :: {:ok, t} | {:error, Error.reason()}
  defdelegate load(path), to: :cambrian_identity

  @doc """
  A new secret for the identity in a file, or for one in memory, whose present key names the new one
  as its successor.

      iex> identity = Cambrian.Identity.from_secret(<<1::256>>)
      iex> {:ok, next} = Cambrian.Identity.rotate(identity)
      iex> {next.key == identity.key, length(next.successions)}
      {false, 1}
  """
  @spec rotate(Path.t() | t) :: {:ok, t} | {:error, Error.reason()}
  defdelegate rotate(path_or_identity), to: :cambrian_identity

  @doc """
  A certificate, signed by both, that the second speaks for the first from now on.

      iex> certificate = Cambrian.Identity.succession(<<1::256>>, <<2::256>>)
      iex> {:ok, %{new: new}} = Cambrian.Identity.read_succession(certificate)
      iex> new == Cambrian.Identity.public_key(<<2::256>>)
      true
  """
  @spec succession(old :: holder, new :: holder) :: binary
  defdelegate succession(old, new), to: :cambrian_identity

  @doc """
  What a certificate of succession says, if both signatures are genuine.

      iex> Cambrian.Identity.read_succession("from a stranger")
      {:error, :malformed}
  """
  @spec read_succession(binary) :: {:ok, succession} | {:error, Error.reason()}
  defdelegate read_succession(bytes), to: :cambrian_identity

  @doc """
  Lets a key publish in a realm that takes what its owners have signed, from now until a time in ms
  since 1970, at most 366 days from now. Where the realm wants several owners, the others sign it too:
  `cosign/2`.

      iex> key = Cambrian.Identity.public_key(<<2::256>>)
      iex> tomorrow = System.system_time(:millisecond) + 86_400_000
      iex> {:ok, grant} = Cambrian.Identity.grant(<<1::256>>, "org.example.docs", key, tomorrow)
      iex> {:ok, %{realm: "org.example.docs", key: ^key, until: until}} = Cambrian.Identity.read_grant(grant)
      iex> until == tomorrow
      true
      iex> Cambrian.Identity.grant(<<1::256>>, "org.example.docs", key, 4_102_444_800_000)
      {:error, {:grant_too_long, 31622400000}}

  A time in seconds is long ago:

      iex> Cambrian.Identity.grant(<<1::256>>, "org.example.docs", <<7::256>>, 1_764_460_800)
      {:error, {:grant_expired, 1764460800}}
  """
  @spec grant(holder, String.t(), key, non_neg_integer) ::
          {:ok, binary} | {:error, Error.reason()}
  defdelegate grant(owner, realm, key, until), to: :cambrian_identity

  @doc """
  The same grant with the signature of one owner more.

      iex> tomorrow = System.system_time(:millisecond) + 86_400_000
      iex> {:ok, grant} = Cambrian.Identity.grant(<<1::256>>, "org.example.docs", <<7::256>>, tomorrow)
      iex> {:ok, grant} = Cambrian.Identity.cosign(<<2::256>>, grant)
      iex> {:ok, %{by: by}} = Cambrian.Identity.read_grant(grant)
      iex> length(by)
      2
  """
  @spec cosign(holder, grant :: binary) :: {:ok, binary} | {:error, Error.reason()}
  defdelegate cosign(owner, grant), to: :cambrian_identity

  @doc """
  A grant that another key signed, signed anew by this one: for the same realm and key, from now until
  the same time. For an owner who rotated, as what the retired key signed is refused.

      iex> tomorrow = System.system_time(:millisecond) + 86_400_000
      iex> {:ok, grant} = Cambrian.Identity.grant(<<1::256>>, "org.example.docs", <<7::256>>, tomorrow)
      iex> {:ok, again} = Cambrian.Identity.reissue(<<2::256>>, grant)
      iex> {:ok, %{by: [by]}} = Cambrian.Identity.read_grant(again)
      iex> by == Cambrian.Identity.public_key(<<2::256>>)
      true
  """
  @spec reissue(holder, grant :: binary) :: {:ok, binary} | {:error, Error.reason()}
  defdelegate reissue(owner, grant), to: :cambrian_identity

  @doc """
  What a grant of `grant/4` says, if its signatures are genuine.

      iex> Cambrian.Identity.read_grant("from a stranger")
      {:error, :malformed}
  """
  @spec read_grant(binary) :: {:ok, grant} | {:error, Error.reason()}
  def read_grant(bytes) do
    with {:ok, grant} <- :cambrian_identity.read_grant(bytes),
         do: {:ok, Boundary.without_undefined(grant)}
  end
end
