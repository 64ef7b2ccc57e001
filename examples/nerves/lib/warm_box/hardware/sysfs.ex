defmodule WarmBox.Hardware.Sysfs do
  @moduledoc """
  A DS18B20 on the 1-Wire bus and a heater behind a PWM, as Linux shows them in files: the kernel's
  modules `w1-gpio`, `w1-therm` and a PWM, no other library.

    * `:root` - where the files are, `/sys`.
    * `:period_ns` - of the PWM, 1 s: slow enough for a solid-state relay.
  """

  @behaviour WarmBox.Hardware
  use Agent

  def start_link(args) do
    Agent.start_link(fn -> prepare(args[:root] || "/sys", args[:period_ns] || 1_000_000_000) end,
      name: __MODULE__
    )
  end

  @impl true
  def read, do: Agent.get(__MODULE__, &celsius(&1.root), 5000)

  @impl true
  def heat(duty) when duty >= 0 and duty <= 1 do
    Agent.get(__MODULE__, fn %{pwm: pwm, period_ns: period} ->
      File.write(Path.join(pwm, "duty_cycle"), to_string(round(duty * period)))
    end)
  end

  # What fails here fails again when it is used, and is told of there.
  defp prepare(root, period) do
    chip = Path.join(root, "class/pwm/pwmchip0")
    pwm = Path.join(chip, "pwm0")
    unless File.dir?(pwm), do: File.write(Path.join(chip, "export"), "0")

    for {file, value} <- [period: period, duty_cycle: 0, enable: 1],
        do: File.write(Path.join(pwm, to_string(file)), to_string(value))

    %{root: root, pwm: pwm, period_ns: period}
  end

  # Thousandths of a degree. 85,000 is what the sensor says before its first measurement.
  defp celsius(root) do
    with [sensor | _] <- Path.wildcard(Path.join(root, "bus/w1/devices/28-*/temperature")),
         {:ok, text} <- File.read(sensor),
         {thousandths, "\n"} when thousandths != 85_000 <- Integer.parse(text) do
      {:ok, thousandths / 1000}
    else
      [] -> {:error, :no_sensor}
      {:error, reason} -> {:error, reason}
      _ -> {:error, :no_reading}
    end
  end
end
