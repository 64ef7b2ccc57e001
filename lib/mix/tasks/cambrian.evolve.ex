defmodule Mix.Tasks.Cambrian.Evolve do
  @shortdoc "Evolves networks for a task"

  @moduledoc """
  Evolves networks for a task: one that comes with Cambrian, or a module of the project.

      $ mix cambrian.evolve xor --seed 42
      $ mix cambrian.evolve MyApp.Task --generations 200 --out champions
      $ mix cambrian.evolve double_pole_novel --name pole --data-dir data

  `mix cambrian.evolve --help` lists the options. The project's application is started before.

  What came of it goes to standard output; progress and what is wrong go to standard error. The exit
  status is 0 when it was done, also where a limit came before the goal, as the result then says;
  1 when it failed, and 2 where an option is at fault.

  With a name, checkpoints are written to the data directory, and `mix cambrian.resume` goes on
  after a stop of any kind.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("evolve", argv, "app.start")
end
