defmodule WarmBox.ControllerTest do
  use ExUnit.Case

  import ExUnit.CaptureLog
  import WarmBox.Device, only: [directory: 1, until: 1]

  alias Cambrian.Genotype
  alias WarmBox.{Controller, Genotypes, Plant, Trusted, Watchdog}
  alias WarmBox.Hardware.Simulated

  defp start(options \\ []) do
    start_supervised!({Simulated, []})
    start_supervised!({Watchdog, hardware: Simulated, limit_ms: 200})

    start_supervised!({Controller, [hardware: Simulated, setpoint: 28.0, tick_ms: 1] ++ options})

    until(fn -> settled?() end)
  end

  defp settled?, do: abs((Controller.status().celsius || 0.0) - 28.0) < 1.0
  defp in_charge, do: Controller.status().in_charge

  defp name(genotype),
    do: genotype |> Genotype.id() |> Base.encode16(case: :lower) |> binary_part(0, 12)

  test "the model settles where the power that goes in is the power that goes out" do
    plant = Enum.reduce(1..10_000, Plant.new(0), fn _, plant -> Plant.heated(plant, 0.1) end)
    assert_in_delta plant.air, plant.room + plant.power * 0.1 * plant.loss, 1.0e-6
  end

  test "evolution finds what is better than a thermostat" do
    {:ok, config, nil} = Plant.init([])

    thermostat =
      for episode <- 0..(config.episodes - 1) do
        {observation, plant} = Plant.reset(episode, nil)

        Enum.reduce(1..config.steps, {observation, plant, 0.0}, fn _, {[error | _], plant, sum} ->
          {observation, reward, plant} = Plant.step([if(error > 0, do: 1.0, else: 0.0)], plant)
          {observation, plant, sum + reward}
        end)
        |> elem(2)
      end

    mean = Enum.sum(thermostat) / config.episodes
    {:ok, result} = Cambrian.evolve(Plant, seed: 1, population: 60, generations: 15)
    assert result.fitness > mean / 2
  end

  test "a champion that is better than the thermostat is in charge after its trial" do
    start()
    assert in_charge() == :thermostat
    Controller.offer(Genotypes.good())
    until(fn -> Controller.status().trial == name(Genotypes.good()) end)
    assert in_charge() == :thermostat
    until(fn -> in_charge() == name(Genotypes.good()) end)
    until(fn -> abs(Controller.status().celsius - 28.0) < 0.2 end)
  end

  test "one that is not goes again, and is not tried again" do
    start()
    Controller.offer(Genotypes.reckless())
    until(fn -> Controller.status().rejected == 1 end)
    assert in_charge() == :thermostat
    until(fn -> settled?() end)
    Controller.offer(Genotypes.reckless())
    Controller.offer(Genotypes.good())
    until(fn -> in_charge() == name(Genotypes.good()) end)
    assert Controller.status().rejected == 1
  end

  test "without a reading the heater is off, and with one it goes on" do
    start()

    log =
      capture_log(fn ->
        Simulated.break(:sensor)
        until(fn -> Controller.status().fault && Simulated.duty() == 0 end)
        Simulated.break(nil)
        until(fn -> Controller.status().fault == nil and settled?() end)
      end)

    assert log =~ "heater off: {:no_reading, {:error, :eio}}"
  end

  test "where it is too hot the heater is off, and who was in charge is trusted no more" do
    dir = directory("hot")
    start(data_dir: dir)
    Controller.offer(Genotypes.good())
    until(fn -> in_charge() == name(Genotypes.good()) end)

    capture_log(fn ->
      Simulated.break({:stuck, 60.0})
      until(fn -> in_charge() == :thermostat end)
      assert Simulated.duty() == 0
    end)

    assert Trusted.load(dir) == []
  end

  test "those that are trusted are in charge after a restart; a torn file is no champion" do
    dir = directory("trusted")
    start(data_dir: dir)
    Controller.offer(Genotypes.good())
    until(fn -> in_charge() == name(Genotypes.good()) end)
    stop_supervised!(Controller)

    start_supervised!(
      {Controller, hardware: Simulated, setpoint: 28.0, tick_ms: 1, data_dir: dir}
    )

    assert in_charge() == name(Genotypes.good())

    path = Path.join(dir, "trusted")
    bytes = File.read!(path)
    File.write!(path, binary_part(bytes, 0, byte_size(bytes) - 1))
    assert Trusted.load(dir) == []
    <<id::binary-32, first, rest::binary>> = bytes
    File.write!(path, [id, Bitwise.bxor(first, 1), rest])
    assert Trusted.load(dir) == []
  end

  test "where nothing can be written it goes on without" do
    file = Path.join(directory("file"), "a_file")
    File.write!(file, "")

    assert capture_log(fn ->
             start(data_dir: Path.join(file, "below"))
             Controller.offer(Genotypes.good())
             until(fn -> in_charge() == name(Genotypes.good()) end)
           end) =~ "not a directory"
  end

  test "the heater is off when the controller is silent, and heart hears of it" do
    start()
    assert Watchdog.healthy() == :ok

    assert capture_log(fn ->
             :sys.suspend(Controller)
             Simulated.heat(1.0)
             until(fn -> Simulated.duty() == 0 end)
             until(fn -> Watchdog.healthy() == {:error, :no_beat} end)
           end) =~ "the controller is silent"

    :sys.resume(Controller)
    until(fn -> Watchdog.healthy() == :ok end)
  end
end
