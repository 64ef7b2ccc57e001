defmodule Cambrian.TrustTest do
  # Its doctests use realms that no other test uses.
  use ExUnit.Case, async: true

  alias Cambrian.{Charter, Genotype, Identity, Trust}

  doctest Charter
  doctest Cambrian.Envelope
  doctest Identity
  doctest Trust

  @realm "org.example.test.trust"

  setup do
    :ok = Trust.open(@realm)
  end

  defp envelope(secret, genotype, base \\ :undefined) do
    {:ok, bytes} =
      :cambrian_envelope.seal(
        %{
          realm: @realm,
          task: "xor",
          fitness: 2.5,
          generation: 0,
          sequence: 1,
          time: System.system_time(:millisecond)
        },
        genotype.ref,
        base,
        secret
      )

    bytes
  end

  test "check returns the genotype of an envelope as a struct, and its claims" do
    secret = Identity.new()
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)

    assert {:ok, %Genotype{} = copy, %{fitness: 2.5, grant: nil, base: nil} = claims} =
             Trust.check(@realm, envelope(secret, genotype))

    assert Genotype.id(copy) == Genotype.id(genotype)
    assert Trust.checked(@realm, claims, 2.5) == :confirmed
    assert Trust.reputation(@realm, Identity.public_key(secret)) == 0.51
  end

  test "the base of a difference is a struct too" do
    {:ok, base} = Genotype.new(inputs: 20, outputs: 5, seed: 7)
    {:ok, grown} = Genotype.mutate(base, :add_node, seed: 1)
    bytes = envelope(Identity.new(), grown, base.ref)
    id = Genotype.id(base)

    assert {:error, {:missing_base, ^id}} = Trust.check(@realm, bytes)

    assert {:ok, %Genotype{}, %{base: ^id}} =
             Trust.check(@realm, bytes, fn ^id -> {:ok, base} end)
  end

  describe "a secret" do
    @secret <<"0123456789abcdef0123456789abcdef">>

    test "is shown by no error" do
      draft = %{realm: @realm, number: 1, owners: [<<1::256>>]}

      for wrong <- [
            fn -> Charter.seal(@secret, draft) end,
            fn -> Charter.seal(@secret, Map.to_list(draft)) end,
            fn -> Charter.seal(draft, @secret <> "!") end,
            fn -> Charter.cosign(nil, @secret) end,
            fn -> Charter.read([@secret]) end,
            fn -> Identity.grant(@secret, :lab, <<7::256>>, 1) end,
            fn -> Identity.cosign(@secret, nil) end,
            fn -> Identity.reissue(@secret <> "!", <<>>) end,
            fn -> Identity.from_secret(@secret <> "!") end,
            fn -> Identity.name(@secret <> "!") end
          ] do
        {error, stacktrace} =
          try do
            wrong.()
          rescue
            error in ArgumentError -> {error, __STACKTRACE__}
          end

        assert Exception.message(error) =~ "has to be"
        refute Exception.format(:error, error, stacktrace) =~ "0123456789abcdef"
      end
    end

    test "may be given as an identity or as a function" do
      identity = Identity.from_secret(@secret)
      until = System.system_time(:millisecond) + 60_000

      for holder <- [@secret, identity, identity.secret] do
        {:ok, grant} = Identity.grant(holder, @realm, <<7::256>>, until)
        assert {:ok, %{by: [by]}} = Identity.read_grant(grant)
        {:ok, charter} = Charter.seal([realm: @realm, number: 1, owners: [by]], holder)
        assert {:ok, %{by: [^by]}} = Charter.read(charter)
        assert by == identity.key
      end
    end
  end

  test "a wrong charter, grant or capability is explained" do
    draft = [realm: @realm, number: 1, owners: [<<1::256>>]]

    for {answer, words} <- [
          {Charter.seal(Keyword.delete(draft, :number), <<1::256>>),
           ":number of a charter is missing: an integer from 1"},
          {Charter.seal(draft ++ [revoke: []], <<1::256>>),
           "unknown option :revoke (did you mean :revoked?); Cambrian.Charter lists them"},
          {Identity.grant(<<1::256>>, @realm, <<7::256>>, 1_764_460_800),
           "a grant until 1764460800 has already ended (the time is in ms since 1970)"},
          {Trust.open(@realm, capability: {:keys, []}),
           "option :capability must be a list of at least one key, got: {:keys, []}"},
          {Trust.open(@realm, capability: {:work, 99}),
           "option :capability must be work of 1 to 24 bits, got: {:work, 99}"}
        ] do
      assert {:error, reason} = answer
      assert Exception.message(Cambrian.Error.exception(reason)) == words
    end
  end

  test "a ban takes a genotype in every form that the audit shows" do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)
    id = Genotype.id(genotype)
    digits = Base.encode16(id, case: :lower)

    for given <- [genotype, id, digits] do
      assert Trust.ban(@realm, {:genotype, given}, "it shakes") == :ok
      assert [%{what: {:genotype, ^id}}] = Trust.bans(@realm)
      assert Trust.unban(@realm, {:genotype, given}) == :ok
    end

    for ban <- [&Trust.ban(@realm, &1, ""), &Trust.unban(@realm, &1)] do
      error = assert_raise ArgumentError, fn -> ban.(id) end
      assert Exception.message(error) =~ "2nd argument: has to be {key, Key} with 32 bytes"
    end

    assert Trust.report("org.example.test.tust").condition == :unknown
  end

  test "a wrong argument is an error" do
    assert {:error, {:bad_option, {:rate, 5, _}}} = Trust.open(@realm, rate: 5)
    assert {:error, {:bad_option, {:options, %{}, "a keyword list"}}} = Trust.open(@realm, %{})
    assert {:error, {:bad_option, {:realm, :lab, _}}} = Trust.open(:lab)

    assert Exception.message(Cambrian.Error.exception({:unknown_realm, "x"})) ==
             "the realm \"x\" was not opened here"
  end
end
