defmodule Mix.Tasks.Cambrian.Evolve do
  @shortdoc "Evolves networks for a task"

  @moduledoc """
  Evolves networks for a task: one that comes with Cambrian, or a module of the project.

      $ mix cambrian.evolve xor --seed 42
      $ mix cambrian.evolve MyApp.Task --generations 200 --out champions
      $ mix cambrian.evolve double_pole_novel --name pole --data-dir data

  `mix cambrian.evolve --help` lists the options. It starts the project's application first.

  The result goes to standard output; progress and errors go to standard error. The exit status is
  0 when the run ended, also at a limit before the goal, as the result then says; 1 when it
  failed, and 2 when an option is wrong.

  With a name, it writes checkpoints to the data directory, and `mix cambrian.resume` continues
  after a stop of any kind.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("evolve", argv, "app.start")
end
