defmodule Cambrian.TrustTest do
  # Its doctests name realms that others do not.
  use ExUnit.Case, async: true

  alias Cambrian.{Genotype, Identity, Trust}

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

  test "an envelope becomes a struct and its claims" do
    secret = Identity.new()
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)

    assert {:ok, %Genotype{} = copy, %{fitness: 2.5, grant: nil, base: nil} = claims} =
             Trust.check(@realm, envelope(secret, genotype))

    assert Genotype.id(copy) == Genotype.id(genotype)
    assert Trust.checked(@realm, claims, 2.5) == :confirmed
    assert Trust.reputation(@realm, Identity.public_key(secret)) == 0.51
  end

  test "a base is a struct too" do
    {:ok, base} = Genotype.new(inputs: 20, outputs: 5, seed: 7)
    {:ok, grown} = Genotype.mutate(base, :add_node, seed: 1)
    bytes = envelope(Identity.new(), grown, base.ref)
    id = Genotype.id(base)

    assert {:error, {:missing_base, ^id}} = Trust.check(@realm, bytes)

    assert {:ok, %Genotype{}, %{base: ^id}} =
             Trust.check(@realm, bytes, fn ^id -> {:ok, base} end)
  end

  test "a ban takes a genotype, and what the audit shows" do
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

  test "a mistake is an answer" do
    assert {:error, {:bad_option, {:rate, 5, _}}} = Trust.open(@realm, rate: 5)
    assert {:error, {:bad_option, {:options, %{}, "a keyword list"}}} = Trust.open(@realm, %{})
    assert {:error, {:bad_option, {:realm, :lab, _}}} = Trust.open(:lab)

    assert Exception.message(Cambrian.Error.exception({:unknown_realm, "x"})) ==
             "the realm \"x\" was not opened here"
  end
end
