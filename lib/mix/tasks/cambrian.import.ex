defmodule Mix.Tasks.Cambrian.Import do
  @shortdoc "Makes a genotype of JSON"

  @moduledoc """
  Makes a genotype of Cambrian's own JSON, or of a network that neat-python wrote as JSON.

      $ mix cambrian.import champion.json --out champion.genotype
      $ mix cambrian.import winner.json --from neat-python --out winner.genotype

  It says what came of it. The exit status is 1 for a text that is no genotype, of which it says what
  is wrong and where, and 2 where an option is at fault. Nothing is started for it.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("import", argv, "app.config")
end
