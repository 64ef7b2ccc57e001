defmodule Mix.Tasks.Cambrian.Export do
  @shortdoc "Writes a genotype in another form"

  @moduledoc """
  Writes a genotype, the champion of a checkpoint or what an envelope holds as JSON, Graphviz's DOT,
  SVG, C, Rust or ONNX.

      $ mix cambrian.export champions/champion.genotype --to json
      $ mix cambrian.export champions/champion.genotype --out champion.onnx
      $ mix cambrian.export pole --data-dir data --to c --name pole --out pole.c

  Without `--out` it goes to standard output. `docs/export.md` has what each form holds. The exit
  status is 1 where there is no such genotype, and 2 where an option is at fault. Nothing is started
  for it.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("export", argv, "app.config")
end
