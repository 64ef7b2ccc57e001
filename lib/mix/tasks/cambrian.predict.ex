defmodule Mix.Tasks.Cambrian.Predict do
  @shortdoc "Answers for the rows of a table"

  @moduledoc """
  Answers for the rows of a CSV file, by a champion of `mix cambrian.evolve --csv`.

      $ mix cambrian.evolve --csv flowers.csv --label kind --out flowers
      $ mix cambrian.predict flowers/champion.genotype --csv new.csv
      $ mix cambrian.predict flowers/champion.genotype --csv new.csv --scores --out answers.csv

  The answers go to standard output, a line for each row. `mix cambrian.predict --help` lists the
  options. It starts no application.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("predict", argv, "app.config")
end
