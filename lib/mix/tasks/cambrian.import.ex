defmodule Mix.Tasks.Cambrian.Import do
  @shortdoc "Makes a genotype of JSON"

  @moduledoc """
  Makes a genotype from Cambrian's own JSON, or from a network that neat-python wrote as JSON.

      $ mix cambrian.import champion.json --out champion.genotype
      $ mix cambrian.import winner.json --from neat-python --out winner.genotype

  It prints the result. The exit status is 1 for a text that is no genotype, with the mistake and
  its place, and 2 if an option is wrong. It starts no application.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("import", argv, "app.config")
end
