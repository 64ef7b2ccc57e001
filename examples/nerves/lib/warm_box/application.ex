defmodule WarmBox.Application do
  @moduledoc false
  use Application

  alias WarmBox.{Controller, Evolution, Mesh, Thermal, Watchdog}

  # From what must not fail to what may: the heater is under control, or off, before anything is
  # evolved, and whatever becomes of evolution and the mesh. Each starts without what comes after it.
  @impl true
  def start(_type, _args) do
    env = Application.get_all_env(:warm_box)
    {hardware, hardware_args} = Keyword.fetch!(env, :hardware)

    children = [
      {hardware, hardware_args},
      {Watchdog, hardware: hardware, limit_ms: max(3 * env[:tick_ms], 1000)},
      {Controller,
       hardware: hardware,
       setpoint: env[:setpoint],
       tick_ms: env[:tick_ms],
       data_dir: env[:data_dir]},
      {Thermal, zone: env[:thermal_zone]},
      {Evolution, env[:evolution] || []},
      {Mesh, mesh: env[:mesh], clock: env[:clock]}
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: WarmBox.Supervisor)
  end
end
