defmodule WarmBox.DeviceTest do
  @moduledoc "What happens to a device in the field, tried with one in a VM of its own."
  use ExUnit.Case

  import WarmBox.Device

  @run [seed: 5, population: 50, generations: 15, checkpoint_interval: 0]

  defp evolution(device), do: call(device, WarmBox.Evolution, :status, [])
  defp controller(device), do: call(device, WarmBox.Controller, :status, [])

  defp mesh(device), do: call(device, WarmBox.Mesh, :status, [])

  defp ending(device) do
    until(fn -> evolution(device).state == :resting end)
    {:ok, result} = call(device, Cambrian.Population, :await, [:warm_box, 1000])
    {call(device, Cambrian.Genotype, :to_binary, [result.champion]), result.evaluations}
  end

  defp in_control?(device), do: abs((controller(device).celsius || 0.0) - 28.0) < 1.5

  test "a run whose power is cut ends as one that was not" do
    whole = start(env(evolution: @run))
    expected = ending(whole)
    :peer.stop(whole)

    data = directory("power")
    env = env([evolution: @run, data_dir: data], data_dir: data)

    for generation <- [2, 5, 9] do
      device = start(env)
      until(fn -> Map.get(evolution(device), :generation, 0) >= generation end)
      cut_power(device)
    end

    device = start(env)
    assert evolution(device).state == :evolving
    assert call(device, Cambrian.Population, :info, [:warm_box]).generation >= 9
    assert ending(device) == expected
    :peer.stop(device)
  end

  test "who was in charge when the power was cut is in charge again" do
    data = directory("charge")
    env = env([evolution: @run, data_dir: data], data_dir: data)
    device = start(env)
    until(fn -> controller(device).trusted != [] and evolution(device).state == :resting end)
    cut_power(device)

    device = start(env)
    assert [first | _] = controller(device).trusted
    assert call(device, File, :regular?, [Path.join(data, "trusted")])
    until(fn -> controller(device).in_charge == first and in_control?(device) end)
    :peer.stop(device)
  end

  test "where an update cannot read the checkpoint it starts anew, and those that are trusted stay" do
    data = directory("update")
    env = env([evolution: @run, data_dir: data], data_dir: data)
    device = start(env)
    until(fn -> controller(device).trusted != [] and evolution(device).state == :resting end)
    trusted = controller(device).trusted
    :peer.stop(device)
    File.rm_rf!(Path.join(data, "populations/warm_box"))
    File.mkdir!(Path.join(data, "populations/warm_box"))

    File.write!(
      Path.join(data, "populations/warm_box/000000000024.checkpoint"),
      "cambrian checkpoint 99\n"
    )

    device =
      start(env([evolution: Keyword.put(@run, :generations, 1), data_dir: data], data_dir: data))

    until(fn -> evolution(device).state == :resting end)

    {:ok, %{champion: best, generation: 0}} =
      call(device, Cambrian.Population, :best, [:warm_box])

    id = device |> call(Cambrian.Genotype, :id, [best]) |> Base.encode16(case: :lower)
    assert binary_part(id, 0, 12) in trusted
    assert hd(trusted) in controller(device).trusted
    :peer.stop(device)
  end

  test "without the native library there is a thermostat, a shell, and the reason" do
    library = Path.join(directory("library"), "cambrian")
    File.cp_r!(:code.lib_dir(:cambrian), library)
    nif = Path.join(library, "priv/native/cambrian_nif.so")
    File.rm!(nif)
    File.write!(nif, "of another machine")

    device = start(env(evolution: @run, mesh: [realm: "org.example.warm_box"]), library: library)
    assert {:unavailable, reason} = evolution(device).state
    assert inspect(reason) =~ "load_failed"
    assert {:error, {:load_failed, text}} = call(device, :cambrian_nif, :loaded, [])
    assert to_string(text) =~ "cambrian_nif.so"
    assert mesh(device).state == {:waiting, :evolution}
    until(fn -> in_control?(device) end)
    assert controller(device).in_charge == :thermostat
    :peer.stop(device)
  end

  test "where /data cannot be written, all goes on but nothing is kept" do
    file = Path.join(directory("no_data"), "a_file")
    File.write!(file, "")
    data = Path.join(file, "below")
    device = start(env([evolution: @run, data_dir: data], data_dir: data))
    {champion, _} = ending(device)
    assert byte_size(champion) > 0
    assert {:error, {:bad_option, {:data_dir, ^data, text}}} = evolution(device).checkpoints
    assert text =~ "not a directory"
    until(fn -> controller(device).in_charge != :thermostat end)
    :peer.stop(device)
  end

  # A file system of 16 KiB that only this VM sees. It takes leave to mount one.
  @tag :mounts
  test "a full /data keeps what was there, and all goes on" do
    data = directory("full")
    mount = ~s(mount -t tmpfs -o size=16k tmpfs "$0" && exec "$@")
    wrapped = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, data]
    run = Keyword.merge(@run, population: 200, generations: 4)
    device = start(env([evolution: run, data_dir: data], data_dir: data), wrapped_in: wrapped)
    ending(device)
    assert {:error, {:enospc, _}} = evolution(device).checkpoints
    until(fn -> in_control?(device) end)
    :peer.stop(device)
  end

  test "a champion goes from one device to another, and has to prove itself there" do
    [from, to] = for _ <- 1..2, do: free_port()

    device = fn port, other, run ->
      mesh = [
        realm: "org.example.warm_box",
        node: {WarmBox.Mesh, :node_name, ["lo", port]},
        transport_options: %{discovery: {:static, [:"warm_box_#{other}@127.0.0.1"]}}
      ]

      start(env(evolution: run, mesh: mesh), distributed: true)
    end

    # One that finds nothing itself
    receiver = device.(to, from, seed: 1, population: 4, generations: 1)
    sender = device.(from, to, @run)
    for device <- [sender, receiver], do: until(fn -> mesh(device).state == :joined end)
    key = call(sender, Cambrian.Bridge, :identity, [])

    best =
      until(fn ->
        case call(receiver, Cambrian.Bridge, :global_best, []) do
          %{} = all -> Enum.find_value(all, fn {_task, best} -> best.origin == key and best end)
        end
      end)

    assert best.fitness > -1.0
    until(fn -> controller(receiver).in_charge != :thermostat end)
    assert [_] = mesh(receiver).alive
    for device <- [sender, receiver], do: :peer.stop(device)
  end

  test "a device joins no mesh before its clock is right" do
    env =
      env(
        evolution: @run,
        mesh: [realm: "org.example.warm_box"],
        clock: {:persistent_term, :get, [:clock, false]}
      )

    device = start(env)
    assert mesh(device).state == {:waiting, :clock}
    :ok = call(device, :persistent_term, :put, [:clock, true])
    until(fn -> mesh(device).state == :joined end)
    :peer.stop(device)
  end

  defp free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end
end
