defmodule WarmBox.MixProject do
  use Mix.Project

  @app :warm_box
  @targets [:rpi0, :rpi3, :rpi4, :rpi5, :bbb, :x86_64]

  def project do
    [
      app: @app,
      version: "0.1.0",
      elixir: "~> 1.14",
      archives: archives(Mix.target()),
      start_permanent: Mix.env() == :prod,
      preferred_cli_target: [run: :host, test: :host],
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "test/support"], else: ["lib"]),
      deps: deps(Mix.target()),
      # Tests start what they test
      aliases: [test: "test --no-start"],
      releases: [{@app, release(Mix.target())}]
    ]
  end

  # sasl has the alarms that the governor of Cambrian listens to. os_mon sets one when memory is short.
  def application do
    [
      extra_applications: [:logger, :sasl, :os_mon, :crypto],
      mod: {WarmBox.Application, []}
    ]
  end

  # On the host there is nothing to fetch, and no need of Hex.
  defp archives(:host), do: []
  defp archives(_target), do: [nerves_bootstrap: "~> 1.13"]

  defp deps(:host), do: [cambrian()]

  defp deps(target) when target in @targets do
    [
      cambrian(),
      {:nerves, "~> 1.11", runtime: false},
      {:nerves_runtime, "~> 0.13"},
      {:nerves_pack, "~> 0.7"},
      {:ring_logger, "~> 0.11"},
      {:"nerves_system_#{target}", ">= 1.28.0", runtime: false}
    ]
  end

  # In a project of your own: {:cambrian, git: "...", runtime: false}.
  #
  # Not started with the others: where its library does not load, Cambrian does not start, and a
  # device that does not start cannot be repaired. WarmBox.Evolution starts it and lives without it.
  defp cambrian, do: {:cambrian, path: "../..", runtime: false}

  defp release(:host), do: [include_erts: true, applications: [cambrian: :load]]

  # Called by name, as on the host there is no Nerves.
  defp release(_target) do
    [
      overwrite: true,
      applications: [cambrian: :load],
      cookie: "#{@app}_cookie",
      include_erts: fn -> apply(Nerves.Release, :erts, []) end,
      steps: [fn release -> apply(Nerves.Release, :init, [release]) end, :assemble],
      strip_beams: Mix.env() == :prod or [keep: ["Docs"]]
    ]
  end
end
