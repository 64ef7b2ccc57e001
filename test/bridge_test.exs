defmodule Cambrian.BridgeTest do
  # Bridges belong to the node, so a test would see the bridges of another.
  use ExUnit.Case, async: false

  alias Cambrian.{Bridge, Genotype, Identity, Population, Trust}

  doctest Bridge

  # Each test has a realm of its own, since trust outlives a bridge.
  setup context do
    Process.put(:realm, "org.example.test#{System.unique_integer([:positive])}")
    if context[:quiet], do: silence()
    :ok
  end

  # Logs nothing of failures and stops that a test causes on purpose.
  defp silence do
    %{level: level} = :logger.get_primary_config()
    :ok = :logger.set_primary_config(:level, :none)
    on_exit(fn -> :logger.set_primary_config(:level, level) end)
  end

  defp realm, do: Process.get(:realm)

  # An envelope of another node: the same realm, another key.
  defp envelope(genotype, claims, secret \\ Identity.new()) do
    %{realm: realm(), task: "xor", fitness: 1.0, generation: 0, parents: [], sequence: 1}
    |> Map.put(:time, System.system_time(:millisecond))
    |> Map.merge(claims)
    |> :cambrian_envelope.seal(genotype.ref, secret)
  end

  # Publishes as a stranger, whose connection a test opens once.
  defp deliver({:ok, bytes}) do
    stranger = Process.get(:stranger) || connected()
    :ok = :cambrian_transport_dist.publish(stranger, "genotype", bytes)
  end

  defp connected do
    {:ok, stranger} = :cambrian_transport_dist.connect(%{realm: realm()})
    Process.put(:stranger, stranger)
    stranger
  end

  defp genotype do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 7)
    genotype
  end

  @tag :quiet
  test "status shows a population as missing until it starts" do
    {:ok, _} = Bridge.start(realm: realm(), populations: [:misspelt])
    assert %{populations: [], missing: [:misspelt]} = Bridge.status()
    {:ok, _} = Population.start_link(task: :xor, name: :misspelt)
    assert_eventually(fn -> match?(%{populations: [:misspelt], missing: []}, Bridge.status()) end)
    :ok = Bridge.stop()
  end

  test "other nodes are shown by an alias and the name of their key" do
    secret = Identity.new()
    key = Identity.public_key(secret)
    name = Identity.name(key)
    {:ok, _} = Bridge.start(realm: realm(), aliases: %{name => "pole-pi"})
    deliver(envelope(genotype(), %{}, secret))
    called = "pole-pi (#{name})"
    assert_eventually(fn -> match?([%{name: ^called, origin: ^key}], Bridge.list_nodes()) end)
    assert [%{step: :received, name: ^called}] = Bridge.why(genotype())
    :ok = Bridge.stop()

    for alias <- [
          "",
          "a (lusab-bovik)",
          "line\nbreak",
          "\e[31m",
          String.duplicate("x", 65),
          <<255>>,
          :pole
        ] do
      assert {:error, {:bad_option, {:aliases, %{^key => ^alias}, _}}} =
               Bridge.start(realm: realm(), aliases: %{key => alias})
    end
  end

  @tag :quiet
  test "without the application each call names the function that starts it" do
    :ok = Application.stop(:cambrian)
    asks = [&Bridge.list_nodes/0, &Cambrian.Governor.status/0, fn -> Population.info(:nobody) end]

    for ask <- asks do
      error = assert_raise ErlangError, ask
      assert Exception.message(error) =~ "application:ensure_all_started(cambrian)"
    end

    {:ok, population} = Population.start(task: :xor)
    assert %{generation: 0} = Population.info(population)
    :ok = Population.stop(population)
  end

  test "a bridge publishes the champions of a population under the same supervisor" do
    children = [
      {Population, task: :xor, name: :bridged, seed: 42},
      {Bridge, realm: realm(), populations: [:bridged], publish_interval: 60_000}
    ]

    start_supervised!(%{
      id: :sup,
      start: {Supervisor, :start_link, [children, [strategy: :one_for_one]]}
    })

    :ok = Population.run(:bridged)
    {:ok, result} = Population.await(:bridged, 300_000)

    # the bridge gets the champion's event before this call
    assert %{"xor" => best} = Bridge.global_best()
    assert best.fitness == result.fitness
    assert Genotype.id(best.genotype) == Genotype.id(result.champion)
    assert best.origin == Bridge.identity()
    assert %{published: 1} = Bridge.counts()
    assert Bridge.list_nodes() == []
  end

  test "a subscriber gets the genotypes that pass every check" do
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

  test "genotypes that fail a check are refused" do
    start_supervised!({Bridge, realm: realm()})
    deliver({:ok, "rubbish"})
    deliver(envelope(genotype(), %{realm: "org.example.other"}))
    deliver(envelope(genotype(), %{time: 0}))

    counts = Bridge.counts()
    assert %{received: 3, bytes_received: bytes} = counts
    assert bytes > byte_size("rubbish")

    assert %{
             {:rejected, :malformed} => 1,
             {:rejected, :wrong_realm} => 1,
             {:rejected, :too_old} => 1
           } = Map.drop(counts, [:received, :bytes_received, :bytes_published])

    assert [%{step: :refused, reason: :wrong_realm}, %{step: :refused, reason: :too_old} = old] =
             Bridge.why(genotype())

    assert old.realm == realm()
  end

  test "a genotype of another node is evaluated here and taken in" do
    %{champion: champion, fitness: fitness} = Cambrian.evolve!(:xor, seed: 42)
    {:ok, population} = Population.start_link(task: :xor, seed: 1)
    :ok = Population.subscribe(population)
    start_supervised!({Bridge, realm: realm()})
    :ok = Bridge.join(population)
    deliver(envelope(champion, %{fitness: 1.0e9}))
    # the bridge answers this call after the delivery
    assert %{received: 1} = Bridge.counts()

    # the population measures it beside its own genotypes and is not delayed
    {:ok, _} = Population.step(population, 1)
    assert_receive {:cambrian, _, {:received, %{outcome: :accepted, fitness: ^fitness}}}, 60_000
    assert {:ok, %{fitness: ^fitness}} = Population.best(population)
    assert [%{accepted: 1}] = Bridge.list_nodes()
    assert %{"xor" => %{fitness: ^fitness, origin: origin}} = Bridge.global_best()
    refute origin == Bridge.identity()

    assert [%{outcome: :accepted, claimed: 1.0e9, fitness: ^fitness} = migration] =
             Bridge.migrations()

    assert migration.genotype == Genotype.id(champion)
    assert [:received, :offered, :judged] == Enum.map(Bridge.why(champion), & &1.step)
  end

  test "each of several realms has its own nodes and genotypes" do
    other = realm() <> ".other"
    start_supervised!({Bridge, realm: realm(), publish: false})
    start_supervised!({Bridge, realm: other, populations: :all, topology: {:nearest, 3}})
    assert Bridge.realms() == Enum.sort([realm(), other])
    deliver(envelope(genotype(), %{}))
    assert [%{realm: heard_in, round_trip: nil}] = Bridge.list_nodes()
    assert heard_in == realm()
    assert Bridge.list_nodes(other) == []
    assert_raise ErlangError, ~r/which_realm/, fn -> Bridge.identity() end

    claims = [task: :xor, fitness: 1]

    assert_raise ErlangError, ~r/which_realm/, fn ->
      Bridge.publish_genotype(genotype(), claims)
    end

    assert {:ok, id} = Bridge.publish_genotype(genotype(), [realm: other] ++ claims)
    assert [%{step: :received}, %{step: :published, realm: ^other}] = Bridge.why(id)

    :ok = Bridge.stop(other)
    assert Bridge.realms() == [realm()]
  end

  test "a realm is gone as soon as its bridge has stopped" do
    for _ <- 1..50 do
      {:ok, _} = Bridge.start(realm: realm())
      assert Bridge.realms() == [realm()]
      :ok = Bridge.stop()
      assert Bridge.realms() == []
    end
  end

  test "a population with another policy sends migrants instead of champions" do
    {:ok, population} = Population.start_link(task: :xor, seed: 1)
    {:ok, _} = Population.step(population, 1)

    start_supervised!(
      {Bridge,
       realm: realm(),
       populations: [population],
       migration_policy: :random,
       migration_interval: 50,
       publish_interval: 0,
       publish_best_fitness_threshold: 0}
    )

    {:ok, stranger} = :cambrian_transport_dist.connect(%{realm: realm()})
    :ok = :cambrian_transport_dist.subscribe(stranger, "genotype")
    refute Map.has_key?(Bridge.counts(), :published)
    assert_receive {:cambrian_transport, "genotype", bytes} when byte_size(bytes) > 250
    assert %{published: _} = Bridge.counts()
  end

  test "a bridge with a secret has the key of that secret" do
    secret = :crypto.hash(:sha256, "a secret of the tests")
    start_supervised!({Bridge, realm: realm(), identity: secret, transport_options: []})
    assert Bridge.identity() == Identity.public_key(secret)
  end

  test "an identity in a file survives a restart and a rotation" do
    dir = Path.join(System.tmp_dir!(), "cambrian_bridge_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(dir) end)
    path = Path.join(dir, "identity")
    start_supervised!({Bridge, realm: realm(), identity: path})
    first = Bridge.identity()
    stop_supervised!({Bridge, realm()})
    start_supervised!({Bridge, realm: realm(), identity: path})
    assert Bridge.identity() == first
    {:ok, second} = Bridge.rotate()
    assert {:ok, %{key: ^second}} = Identity.load(path)
    assert Bitwise.band(File.stat!(path).mode, 0o777) == 0o600
  end

  @tag :quiet
  test "a wrong grant is refused, and a key without a file cannot be rotated" do
    until = System.system_time(:millisecond) + 60_000
    {:ok, grant} = Identity.grant(<<9::256>>, realm(), <<7::256>>, until)
    owner = Identity.public_key(<<9::256>>)

    for wrong <- ["nope", grant] do
      assert {:error, {:bad_option, {:grant, ^wrong, expected}}} =
               Bridge.start(realm: realm(), identity: <<1::256>>, grant: wrong)

      assert expected =~ "a grant "
    end

    start_supervised!(
      {Bridge, realm: realm(), identity: <<1::256>>, capability: {:signed_by, owner}}
    )

    assert %{may_publish: false} = Bridge.status()
    assert {:error, {:no_identity_file, [_]} = reason} = Bridge.rotate()
    assert Exception.message(Cambrian.Error.exception(reason)) =~ "has no file to keep"
  end

  test "a realm takes genotypes only of keys with a grant, within their rate" do
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

  @tag :quiet
  test "a wrong option is an error" do
    assert Bridge.start_link([]) == {:error, {:missing_options, [:realm]}}

    assert {:error, {:unknown_option, :realms, %{did_you_mean: :realm}}} =
             Bridge.start_link(realms: realm())

    assert {:error, {:bad_option, {:realm, :lab, _}}} = Bridge.start_link(realm: :lab)

    assert {:error, {:bad_option, {:transport_options, 1, _}}} =
             Bridge.start_link(realm: realm(), transport_options: 1)

    for {name, value} <- [
          publish: :yes,
          publish_best_fitness_threshold: 99,
          budget: 0,
          migration_policy: :best,
          migration_interval: 0,
          topology: {:random, 0},
          populations: :some
        ] do
      opts = [{name, value}, {:realm, realm()}]
      assert {:error, {:bad_option, {^name, ^value, expected}}} = Bridge.start_link(opts)
      assert is_binary(expected)
    end

    assert {:error, {:transport_unavailable, :no_such_transport}} =
             Bridge.start(realm: realm(), transport: :no_such_transport)

    assert catch_exit(Bridge.status()) == {:noproc, :cambrian_bridge}
  end

  @tag :quiet
  test "the configuration of the application starts its bridges" do
    on_exit(fn -> restart_with([]) end)

    restart_with(
      mesh_enabled: true,
      mesh_realm: realm(),
      subscribe_to_realms: [realm() <> ".other"],
      publish_best_fitness_threshold: 0,
      mesh_options: %{publish_interval: 0}
    )

    assert Bridge.realms() == [realm(), realm() <> ".other"]
    {:ok, population} = Population.start_link(task: :xor, seed: 42)
    {:ok, %{best: best}} = Population.step(population, 1)

    assert_eventually(fn -> match?(%{"xor" => %{fitness: ^best}}, Bridge.global_best(realm())) end)

    assert %{published: 1} = Bridge.counts()
  end

  defp restart_with(environment) do
    :ok = Application.stop(:cambrian)

    for key <- Map.keys(:cambrian_bridge_options.environment_table()),
        do: Application.delete_env(:cambrian, key)

    Application.put_all_env(cambrian: environment)
    :ok = Application.start(:cambrian)
  end

  defp assert_eventually(holds) do
    unless holds.() do
      Process.sleep(20)
      assert_eventually(holds)
    end
  end
end
