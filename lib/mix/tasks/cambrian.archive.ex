defmodule Mix.Tasks.Cambrian.Archive do
  @shortdoc "Shows, draws, merges or measures an archive of elites"

  @moduledoc """
  Shows an archive that `mix cambrian.evolve TASK --search map_elites --out DIR` wrote, draws it,
  merges archives, or measures its elites again.

      $ mix cambrian.archive found/elites.archive --svg elites.svg
      $ mix cambrian.archive found/elites.archive --again 10
      $ mix cambrian.archive merge a.archive b.archive --out both.archive

  `mix cambrian.archive --help` lists the options.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("archive", argv, "app.start")
end
