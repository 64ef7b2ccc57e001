import Config

# Checkpoints, the identity's key, what is known of others: everything that Cambrian writes is here.
# The root file system of a Nerves device is read-only, and /data outlives an update of the firmware.
config :cambrian,
  data_dir: "/data/cambrian",
  # A quarter of each core, not while somebody uses the device, and not while it is too hot
  # (WarmBox.Thermal sets the alarm) or short of memory (os_mon does).
  governor: %{
    cpu: 0.25,
    quiet_hours: [{{7, 0}, {9, 0}}, {{17, 0}, {22, 0}}],
    alarms: [:thermal, :system_memory_high_watermark]
  }

config :warm_box,
  hardware: {WarmBox.Hardware.Sysfs, []},
  setpoint: 28.0,
  # As long as a step of the model
  tick_ms: 10_000,
  data_dir: "/data/warm_box",
  # A checkpoint is some 35 kB: one a minute is kind to an SD card, and a minute of work is what a power
  # cut costs
  evolution: [checkpoint_interval: 60_000],
  thermal_zone: "/sys/class/thermal/thermal_zone0/temp",
  # Others refuse what comes from a wrong clock: without a battery it is wrong until NTP has spoken.
  clock: {NervesTime, :synchronized?, []},
  # Over Erlang distribution: for devices of one owner in one network. With
  # transport: :cambrian_transport_macula, devices that cannot reach each other meet at a relay.
  mesh: [
    realm: "org.example.warm_box",
    node: {WarmBox.Mesh, :node_name, ["wlan0", 41_001]},
    transport_options: %{discovery: {:multicast, %{}}}
  ]

config :logger, backends: [RingLogger]
config :nerves, :firmware, rootfs_overlay: "rootfs_overlay"
config :nerves_runtime, startup_guard_enabled: true
config :nerves, :erlinit, update_clock: true

config :nerves_ssh,
  authorized_keys:
    for(path <- Path.wildcard(Path.expand("~/.ssh/id_*.pub")), do: File.read!(path))

config :vintage_net,
  regulatory_domain: "00",
  config: [
    {"eth0", %{type: VintageNetEthernet, ipv4: %{method: :dhcp}}},
    {"wlan0", %{type: VintageNetWiFi}}
  ]
