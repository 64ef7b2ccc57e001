defmodule WarmBox.HardwareTest do
  use ExUnit.Case

  import WarmBox.Device, only: [directory: 1, until: 1]

  alias Cambrian.Governor
  alias WarmBox.Hardware.Sysfs
  alias WarmBox.Thermal

  # As Linux shows a DS18B20 and a PWM.
  defp sysfs do
    root = directory("sys")

    for dir <- ["bus/w1/devices/28-0316a2b3c4d5", "class/pwm/pwmchip0/pwm0"],
        do: File.mkdir_p!(Path.join(root, dir))

    {root, Path.join(root, "bus/w1/devices/28-0316a2b3c4d5/temperature"),
     Path.join(root, "class/pwm/pwmchip0/pwm0")}
  end

  test "a sensor and a heater that are files" do
    {root, sensor, pwm} = sysfs()
    start_supervised!({Sysfs, root: root, period_ns: 1000})
    assert File.read!(Path.join(pwm, "enable")) == "1"
    assert Sysfs.read() == {:error, :no_sensor}

    for {text, reading} <- [
          {"27562\n", {:ok, 27.562}},
          {"-1250\n", {:ok, -1.25}},
          {"85000\n", {:error, :no_reading}},
          {"", {:error, :no_reading}}
        ] do
      File.write!(sensor, text)
      assert Sysfs.read() == reading
    end

    assert Sysfs.heat(0.25) == :ok
    assert File.read!(Path.join(pwm, "duty_cycle")) == "250"
    File.rm_rf!(root)
    assert Sysfs.read() == {:error, :no_sensor}
    assert Sysfs.heat(1.0) == {:error, :enoent}
  end

  test "evolution rests while the processor is too hot" do
    {:ok, _} = Application.ensure_all_started(:sasl)
    {:ok, _} = Application.ensure_all_started(:cambrian)
    :ok = Governor.configure(check_interval: 10)
    zone = Path.join(directory("thermal"), "temp")
    File.write!(zone, "50000\n")
    start_supervised!({Thermal, zone: zone, interval_ms: 5})
    assert Governor.status().state == :working
    File.write!(zone, "80000\n")
    until(fn -> Governor.status().state == {:paused, {:alarm, :thermal}} end)
    File.write!(zone, "72000\n")
    Process.sleep(50)
    assert Governor.status().state == {:paused, {:alarm, :thermal}}
    File.write!(zone, "65000\n")
    until(fn -> Governor.status().state == :working end)
  end
end
