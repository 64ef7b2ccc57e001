defmodule Cambrian.Identity do
  @moduledoc """
  Manages keys, which identify a node, and the certificates and grants that the owners of keys sign.

  A secret is 32 random bytes; others know its owner by its public key. A file keeps an identity
  with the certificates by which each earlier key named its successor.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_identity")
      iex> {:ok, identity} = Cambrian.Identity.load_or_new(path)
      iex> {:ok, next} = Cambrian.Identity.rotate(path)
      iex> certificate = List.last(next.successions)
      iex> {:ok, succession} = Cambrian.Identity.read_succession(certificate)
      iex> succession.old == identity.key and succession.new == next.key
      true
      iex> for file <- [path, path <> ".copy"], do: File.rm!(file)
      [:ok, :ok]

  `inspect/1` of an identity shows no secret, because a function hides it.
  """

  alias Cambrian.{Boundary, Error}

  @typedoc "32 bytes that nobody else has."
  @type secret :: <<_::256>>

  @typedoc """
  Every function that takes a secret also takes an identity, or the function in it that returns the
  secret. So the owner of a key in a file signs with the result of `load/1`.
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
  `:by` are the owners of the realm who signed it; `:issued` and `:until` are in ms since 1970,
  and a grant of version 1 does not say when it was issued. A charter revokes a grant by its
  `:id`: `Cambrian.Charter`.
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
  Makes a new secret.

      iex> byte_size(Cambrian.Identity.new())
      32
  """
  @spec new() :: secret
  defdelegate new, to: :cambrian_identity

  @doc """
  Returns the public key of a secret, by which others know its owner.

      iex> <<start::binary-size(4), _::binary>> = Cambrian.Identity.public_key(<<1::256>>)
      iex> Base.encode16(start)
      "4CB5ABF6"
  """
  @spec public_key(holder) :: key
  defdelegate public_key(holder), to: :cambrian_identity

  @doc """
  Returns a name for a key: two words that people can say, the same on every node.

  The words are the first 32 bits of the key's SHA-256 as proquints. Among 10,000 keys two have the
  same name with a probability of 1 %, and an attacker can try keys until one has the name of
  another key. So read the name, but identify a node by its key.

      iex> Cambrian.Identity.name(Cambrian.Identity.public_key(<<1::256>>))
      "honol-gasar"
  """
  @spec name(key) :: name
  defdelegate name(key), to: :cambrian_identity

  @doc """
  Makes an identity from a bare secret.

      iex> Cambrian.Identity.from_secret(<<1::256>>).key == Cambrian.Identity.public_key(<<1::256>>)
      true
  """
  @spec from_secret(secret | (... -> secret)) :: t
  defdelegate from_secret(secret), to: :cambrian_identity

  @doc """
  Loads the identity in a file.

  If the file is damaged or gone, the copy beside it, `*.copy`, replaces it. If the copy is damaged
  too, the answer is `{:torn_file, path}` or `{:not_an_identity, path}`, and both files stay as they
  are. Without a file and a copy, the answer is `{:enoent, path}`. A file that other users may read
  is refused with `{:unsafe_permissions, path}`.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_load")
      iex> {:ok, %{key: key}} = Cambrian.Identity.load_or_new(path)
      iex> {:ok, %{key: ^key}} = Cambrian.Identity.load(path)
      iex> File.chmod!(path, 0o644)
      iex> {:error, {:unsafe_permissions, ^path}} = Cambrian.Identity.load(path)
      iex> for file <- [path, path <> ".copy"], do: File.rm!(file)
      iex> Cambrian.Identity.load(path) == {:error, {:enoent, path}}
      true
  """
  @spec load(Path.t()) :: {:ok, t} | {:error, Error.reason()}
  defdelegate load(path), to: :cambrian_identity

  @doc """
  Loads the identity in a file as `load/1` does. If there is no file, makes a new identity and
  writes it to a file that only this user can read.

      iex> path = Path.join(System.tmp_dir!(), "cambrian_docs_load_or_new")
      iex> {:ok, %{key: key}} = Cambrian.Identity.load_or_new(path)
      iex> {:ok, %{key: ^key}} = Cambrian.Identity.load_or_new(path)
      iex> for file <- [path, path <> ".copy"], do: File.rm!(file)
      [:ok, :ok]
  """
  @spec load_or_new(Path.t()) :: {:ok, t} | {:error, Error.reason()}
  defdelegate load_or_new(path), to: :cambrian_identity

  @doc """
  Replaces the secret of an identity, in a file or in memory. The present key names the new key as
  its successor.

      iex> identity = Cambrian.Identity.from_secret(<<1::256>>)
      iex> {:ok, next} = Cambrian.Identity.rotate(identity)
      iex> {next.key == identity.key, length(next.successions)}
      {false, 1}
  """
  @spec rotate(Path.t() | t) :: {:ok, t} | {:error, Error.reason()}
  defdelegate rotate(path_or_identity), to: :cambrian_identity

  @doc """
  Makes a certificate, signed by both keys: from now on the new key speaks for the old key.

      iex> certificate = Cambrian.Identity.succession(<<1::256>>, <<2::256>>)
      iex> {:ok, %{new: new}} = Cambrian.Identity.read_succession(certificate)
      iex> new == Cambrian.Identity.public_key(<<2::256>>)
      true
  """
  @spec succession(old :: holder, new :: holder) :: binary
  defdelegate succession(old, new), to: :cambrian_identity

  @doc """
  Reads a certificate of succession, if both signatures are genuine.

      iex> Cambrian.Identity.read_succession("from a stranger")
      {:error, :malformed}
  """
  @spec read_succession(binary) :: {:ok, succession} | {:error, Error.reason()}
  defdelegate read_succession(bytes), to: :cambrian_identity

  @doc """
  Lets a key publish in a realm that requires a grant of its owners, from now until a time in ms
  since 1970, at most 366 days from now. If the realm requires several owners, the others sign the
  grant with `cosign/2`.

      iex> key = Cambrian.Identity.public_key(<<2::256>>)
      iex> tomorrow = System.system_time(:millisecond) + 86_400_000
      iex> {:ok, grant} = Cambrian.Identity.grant(<<1::256>>, "org.example.docs", key, tomorrow)
      iex> {:ok, read} = Cambrian.Identity.read_grant(grant)
      iex> %{realm: "org.example.docs", key: ^key, until: until} = read
      iex> until == tomorrow
      true
      iex> Cambrian.Identity.grant(<<1::256>>, "org.example.docs", key, 4_102_444_800_000)
      {:error, {:grant_too_long, 31622400000}}

  A time in seconds is in the distant past:

      iex> Cambrian.Identity.grant(<<1::256>>, "org.example.docs", <<7::256>>, 1_764_460_800)
      {:error, {:grant_expired, 1764460800}}
  """
  @spec grant(holder, String.t(), key, non_neg_integer) ::
          {:ok, binary} | {:error, Error.reason()}
  defdelegate grant(owner, realm, key, until), to: :cambrian_identity

  @doc """
  Adds the signature of one more owner to a grant.

      iex> tomorrow = System.system_time(:millisecond) + 86_400_000
      iex> realm = "org.example.docs"
      iex> {:ok, grant} = Cambrian.Identity.grant(<<1::256>>, realm, <<7::256>>, tomorrow)
      iex> {:ok, grant} = Cambrian.Identity.cosign(<<2::256>>, grant)
      iex> {:ok, %{by: by}} = Cambrian.Identity.read_grant(grant)
      iex> length(by)
      2
  """
  @spec cosign(holder, grant :: binary) :: {:ok, binary} | {:error, Error.reason()}
  defdelegate cosign(owner, grant), to: :cambrian_identity

  @doc """
  Signs another owner's grant again: for the same realm and key, from now until the same time. An
  owner that rotated its key must do this, because realms refuse the signatures of the retired key.

      iex> tomorrow = System.system_time(:millisecond) + 86_400_000
      iex> realm = "org.example.docs"
      iex> {:ok, grant} = Cambrian.Identity.grant(<<1::256>>, realm, <<7::256>>, tomorrow)
      iex> {:ok, again} = Cambrian.Identity.reissue(<<2::256>>, grant)
      iex> {:ok, %{by: [by]}} = Cambrian.Identity.read_grant(again)
      iex> by == Cambrian.Identity.public_key(<<2::256>>)
      true
  """
  @spec reissue(holder, grant :: binary) :: {:ok, binary} | {:error, Error.reason()}
  defdelegate reissue(owner, grant), to: :cambrian_identity

  @doc """
  Reads a grant of `grant/4`, if its signatures are genuine.

      iex> Cambrian.Identity.read_grant("from a stranger")
      {:error, :malformed}
  """
  @spec read_grant(binary) :: {:ok, grant} | {:error, Error.reason()}
  def read_grant(bytes) do
    with {:ok, grant} <- :cambrian_identity.read_grant(bytes),
         do: {:ok, Boundary.without_undefined(grant)}
  end
end
