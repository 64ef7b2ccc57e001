defmodule Mix.Tasks.Cambrian.Inspect do
  @shortdoc "Shows a checkpoint, a genotype or an envelope"

  @moduledoc """
  Says what kind of file of Cambrian's a file is, and shows its contents.

      $ mix cambrian.inspect champions/champion.genotype
      $ mix cambrian.inspect data/populations/pole/000000000123.checkpoint
      $ mix cambrian.inspect pole --data-dir data

  The exit status is 1 for a file that is torn, or not one of Cambrian's. It starts no
  application.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("inspect", argv, "app.config")
end
