defmodule Cambrian.BridgeTest do
  # One bridge a node.
  use ExUnit.Case, async: false

  alias Cambrian.{Bridge, Genotype, Identity, Population, Trust}

  doctest Bridge

  # Each test has a realm of its own: what is known of others outlives the bridge.
  setup do
    Process.put(:realm, "org.example.test#{System.unique_integer([:positive])}")
    :ok
  end

  defp realm, do: Process.get(:realm)

  # What another node would send: the same realm, another key.
  defp envelope(genotype, claims, secret \\ Identity.new()) do
    %{realm: realm(), task: "xor", fitness: 1.0, generation: 0, parents: [], sequence: 1}
    |> Map.put(:time, System.system_time(:millisecond))
    |> Map.merge(claims)
    |> :cambrian_envelope.seal(genotype.ref, secret)
  end

  defp deliver({:ok, bytes}),
    do: :cambrian_transport_dist.publish(realm() <> "/genotype", self(), bytes)

  defp genotype do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)
    genotype
  end

  test "publishes the champions of a population under the same supervisor" do
    children = [
      {Population, task: :xor, name: :bridged, seed: 42},
      {Bridge, realm: realm(), populations: [:bridged], publish_interval: 60_000}
    ]

    start_supervised!(%{
      id: :sup,
      start: {Supervisor, :start_link, [children, [strategy: :one_for_one]]}
    })

    :ok = Population.run(:bridged)
    {:ok, result} = Population.await(:bridged, 30_000)

    # the bridge has the champion's event before it has our call
    assert %{"xor" => best} = Bridge.global_best()
    assert best.fitness == result.fitness
    assert Genotype.id(best.genotype) == Genotype.id(result.champion)
    assert best.origin == Bridge.identity()
    assert %{published: 1} = Bridge.counts()
    assert Bridge.list_nodes() == []
  end

  test "hands genotypes that pass every check to a subscriber" do
    start_supervised!({Bridge, realm: realm()})
    {:ok, xor} = Bridge.subscribe_genotypes(:xor)
    {:ok, other} = Bridge.subscribe_genotypes(:chess)
    genotype = genotype()
    deliver(envelope(genotype, %{fitness: 2.5, generation: 3}))

    assert_receive {:cambrian_bridge, ^xor, %{task: "xor", fitness: 2.5, generation: 3} = message}
    assert Genotype.id(%Genotype{ref: message.genotype}) == Genotype.id(genotype)
    refute_received {:cambrian_bridge, ^other, _}
    assert [%{received: 1, accepted: 0, origin: origin}] = Bridge.list_nodes()
    assert origin == message.origin

    :ok = Bridge.unsubscribe_genotypes(xor)
    deliver(envelope(genotype, %{}))
    assert %{received: 2} = Bridge.counts()
    refute_received {:cambrian_bridge, _, _}
  end

  test "refuses what does not pass" do
    start_supervised!({Bridge, realm: realm()})
    deliver({:ok, "rubbish"})
    deliver(envelope(genotype(), %{realm: "org.example.other"}))
    deliver(envelope(genotype(), %{time: 0}))

    assert Bridge.counts() == %{
             :received => 3,
             {:rejected, :malformed} => 1,
             {:rejected, :wrong_realm} => 1,
             {:rejected, :too_old} => 1
           }
  end

  test "a stranger's genotype is evaluated here and taken in" do
    %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)
    {:ok, population} = Population.start_link(task: :xor, seed: 1)
    :ok = Population.subscribe(population)
    start_supervised!({Bridge, realm: realm()})
    :ok = Bridge.join(population)
    deliver(envelope(champion, %{fitness: 1.0e9}))
    # answered after the delivery
    assert %{received: 1} = Bridge.counts()

    {:ok, %{best: best}} = Population.step(population, 1)
    assert best == fitness

    assert_receive {:cambrian, _, {:received, %{outcome: :accepted, fitness: ^fitness}}}
    assert [%{accepted: 1}] = Bridge.list_nodes()
    assert %{"xor" => %{fitness: ^fitness, origin: origin}} = Bridge.global_best()
    refute origin == Bridge.identity()
  end

  test "an identity is kept by its secret" do
    secret = :crypto.hash(:sha256, "a secret of the tests")
    start_supervised!({Bridge, realm: realm(), identity: secret, transport_options: []})
    assert Bridge.identity() == Identity.public_key(secret)
  end

  test "an identity and what is known of others are kept" do
    dir = Path.join(System.tmp_dir!(), "cambrian_bridge_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(dir) end)
    path = Path.join(dir, "identity")
    start_supervised!({Bridge, realm: realm(), identity: path})
    first = Bridge.identity()
    stop_supervised!(Bridge)
    start_supervised!({Bridge, realm: realm(), identity: path})
    assert Bridge.identity() == first
    {:ok, second} = Bridge.rotate()
    assert {:ok, %{key: ^second}} = Identity.load(path)
    assert Bitwise.band(File.stat!(path).mode, 0o777) == 0o600
  end

  test "only those with a grant, at a rate" do
    owner = Identity.new()
    member = Identity.new()
    until = System.system_time(:millisecond) + 60_000
    {:ok, grant} = Identity.grant(owner, realm(), Identity.public_key(member), until)

    start_supervised!(
      {Bridge,
       realm: realm(), capability: {:signed_by, Identity.public_key(owner)}, rate: {0.001, 1}}
    )

    deliver(envelope(genotype(), %{}))
    deliver(envelope(genotype(), %{grant: grant}, member))
    deliver(envelope(genotype(), %{sequence: 2}, member))

    assert %{{:rejected, :not_permitted} => 1, {:rejected, :rate_limited} => 1} = Bridge.counts()
    assert [%{reputation: 0.5}] = Bridge.list_nodes()
    assert [:rate_limited, :not_permitted] == Enum.map(Trust.refusals(realm()), & &1.reason)
  end

  test "a mistake is an answer" do
    assert Bridge.start_link([]) == {:error, {:missing_options, [:realm]}}
    assert Bridge.start_link(realms: realm()) == {:error, {:unknown_option, :realms}}
    assert {:error, {:bad_option, {:realm, :lab, _}}} = Bridge.start_link(realm: :lab)

    assert {:error, {:bad_option, {:transport_options, 1, _}}} =
             Bridge.start_link(realm: realm(), transport_options: 1)
  end
end
