defmodule Mix.Tasks.Cambrian.Inspect do
  @shortdoc "Shows a checkpoint, a genotype or an envelope"

  @moduledoc """
  Says what a file of Cambrian's is, and shows what is in it.

      $ mix cambrian.inspect champions/champion.genotype
      $ mix cambrian.inspect data/populations/pole/000000000123.checkpoint
      $ mix cambrian.inspect pole --data-dir data

  The exit status is 1 for a file that is torn, or none of Cambrian's. Nothing is started for it.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("inspect", argv, "app.config")
end
