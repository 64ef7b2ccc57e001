defmodule Mix.Tasks.Cambrian.Resume do
  @shortdoc "Goes on with a population at its last checkpoint"

  @moduledoc """
  Goes on with a population where its last checkpoint is, to the same bits as if it had never stopped.

      $ mix cambrian.resume pole --data-dir data
      $ mix cambrian.resume pole --data-dir data --generations 5000
      $ mix cambrian.resume data/populations/pole/000000000123.checkpoint

  Options of the goal take the place of what they were; the others stay.
  `mix cambrian.resume --help` lists them. A population at its end has its result again.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("resume", argv, "app.start")
end
