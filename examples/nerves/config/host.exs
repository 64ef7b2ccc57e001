import Config

# A simulated box, a step of ten seconds each ms, and no file but what a test asks for.
config :warm_box,
  hardware: {WarmBox.Hardware.Simulated, []},
  setpoint: 28.0,
  tick_ms: 1

config :logger, level: :warning
