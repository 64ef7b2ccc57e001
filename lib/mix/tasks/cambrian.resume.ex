defmodule Mix.Tasks.Cambrian.Resume do
  @shortdoc "Goes on with a population at its last checkpoint"

  @moduledoc """
  Continues a population at its last checkpoint, to the same bits as if it had never stopped.

      $ mix cambrian.resume pole --data-dir data
      $ mix cambrian.resume pole --data-dir data --generations 5000
      $ mix cambrian.resume data/populations/pole/000000000123.checkpoint

  Options of the goal replace those of the checkpoint; the others stay. `mix cambrian.resume
  --help` lists them. A population at its end gives its result again.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("resume", argv, "app.start")
end
