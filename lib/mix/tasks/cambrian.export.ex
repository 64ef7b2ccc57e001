defmodule Mix.Tasks.Cambrian.Export do
  @shortdoc "Writes a genotype in another form"

  @moduledoc """
  Writes a genotype, the champion of a checkpoint or the genotype in an envelope as JSON,
  Graphviz's DOT, SVG, C, Rust or ONNX.

      $ mix cambrian.export champions/champion.genotype --to json
      $ mix cambrian.export champions/champion.genotype --out champion.onnx
      $ mix cambrian.export pole --data-dir data --to c --name pole --out pole.c

  Without `--out` it writes to standard output. `docs/export.md` describes each form. The exit
  status is 1 if there is no such genotype, and 2 if an option is wrong. It starts no application.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("export", argv, "app.config")
end
