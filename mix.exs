defmodule Cambrian.MixProject do
  use Mix.Project

  # src/cambrian.app.src is the one source of version, description, applications and env.
  {:ok, [{:application, :cambrian, app}]} =
    :file.consult(Path.join(__DIR__, "src/cambrian.app.src"))

  @app app

  def project do
    [
      app: :cambrian,
      version: to_string(@app[:vsn]),
      description: to_string(@app[:description]),
      elixir: "~> 1.14",
      compilers: [:cambrian_native | Mix.compilers()] ++ [:cambrian_chunks],
      erlc_options: [:debug_info],
      # Apart from rebar3's: its test profile and mix's test environment have the same name.
      build_path: "_build/mix",
      start_permanent: Mix.env() == :prod,
      test_ignore_filters: [&String.starts_with?(&1, ["test/consumers/", "test/support/"])],
      # None, not even for development: with any hex dependency `mix compile` asks for Hex.
      deps: [],
      package: package(),
      docs: docs(),
      # ExDoc as a dependency would bring this task.
      aliases: [docs: "cmd bin/docs"]
    ]
  end

  def application do
    [mod: @app[:mod], registered: @app[:registered], env: @app[:env]] ++ applications()
  end

  # Before Elixir 1.15, mix drops an application that is marked as optional.
  defp applications do
    optional = @app[:optional_applications]
    needed = @app[:applications] -- [:kernel, :stdlib | optional]

    if Version.match?(System.version(), ">= 1.15.0"),
      do: [extra_applications: needed ++ Enum.map(optional, &{&1, :optional})],
      else: [extra_applications: needed ++ optional, optional_applications: optional]
  end

  defp package do
    [
      licenses: ["Apache-2.0"],
      build_tools: ["rebar3", "mix"],
      # What a build needs, and what changed. Guides and notebooks are among the pages of the docs; tests, benches
      # and fuzz targets are in the repository: with what fuzzers leave behind these are gigabytes.
      files:
        ~w(lib src python native/cambrian_build.erl native/cambrian_chunks.erl native/cambrian_nif
           native/cambrian_core/Cargo.toml native/cambrian_core/src
           .cargo Cargo.toml Cargo.lock mix.exs rebar.config README.md CHANGELOG.md LICENSE)
    ]
  end

  # What builds is a file for rebar3 and mix alike.
  def load(file) do
    source = to_charlist(Path.join(__DIR__, file))
    {:ok, module, beam} = :compile.file(source, [:binary, :report_errors])
    {:module, ^module} = :code.load_binary(module, source, beam)
    module
  end

  # For ExDoc, where it is: `make docs` makes its pages without.
  defp docs do
    [
      main: "readme",
      extras: extras(),
      groups_for_extras: [Notebooks: ~r"^livebooks/", Guides: ~r"^docs/"],
      groups_for_modules: [
        "Networks and how they evolve":
          ~r"^Cambrian\.(Genotype|Network|Substrate|Population|Archive|Result|Governor|Error)",
        "What is to be solved": ~r"^Cambrian\.(Task|Environment|Program)",
        "Many nodes": ~r"^Cambrian\.(Bridge|Federation|Trust|Envelope|Identity)",
        Erlang: ~r"^:?cambrian"
      ],
      assets: %{"docs/pictures" => "docs/pictures"}
    ]
  end

  defp extras do
    guides = Path.wildcard("docs/*.md") -- ["docs/README.md"]

    index =
      if File.exists?("docs/README.md"), do: [{:"docs/README.md", filename: "guides"}], else: []

    ["README.md"] ++
      index ++
      guides ++
      Path.wildcard("livebooks/*.livemd") ++ ["CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"]
  end
end

defmodule Mix.Tasks.Compile.CambrianNative do
  @moduledoc false
  use Mix.Task.Compiler

  @root __DIR__

  @impl true
  def run(_args) do
    module = Cambrian.MixProject.load("native/cambrian_build.erl")
    unlink_priv()

    case module.build(to_charlist(@root), to_charlist(out_dir())) do
      :noop -> {:noop, []}
      :ok -> {:ok, []}
      {:error, message} -> Mix.raise("cambrian: #{message}")
    end
  end

  @impl true
  def clean, do: File.rm_rf!(out_dir())

  # mix keeps _build by environment and target, so two targets have a library each. In the
  # source's priv/, where rebar3 puts it, they would overwrite each other's.
  defp out_dir, do: Path.join(Mix.Project.app_path(), "priv/native")

  # Where rebar3 has made a priv/, mix links it into _build.
  defp unlink_priv do
    priv = Path.join(Mix.Project.app_path(), "priv")
    if match?({:ok, _}, File.read_link(priv)), do: File.rm!(priv)
  end
end

defmodule Mix.Tasks.Compile.CambrianChunks do
  @moduledoc false
  use Mix.Task.Compiler

  @root __DIR__

  @impl true
  def run(_args) do
    module = Cambrian.MixProject.load("native/cambrian_chunks.erl")
    {module.make(to_charlist(@root), to_charlist(Mix.Project.app_path())), []}
  end

  @impl true
  def clean, do: File.rm_rf!(Path.join(Mix.Project.app_path(), "doc"))
end
