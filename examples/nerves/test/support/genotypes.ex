defmodule WarmBox.Genotypes do
  @moduledoc "Controllers made by hand: duty = `weights` · observation + `bias`, from 0 to 1."

  alias Cambrian.Genotype

  def linear(weights, bias \\ 0.0) do
    {:ok, genotype} = Genotype.new(inputs: 2, outputs: 1, seed: 1, output_activation: :clamp)
    %{nodes: nodes, connections: connections} = map = Genotype.to_map(genotype)

    weight =
      for {%{id: id}, weight} <- Enum.zip(inputs(nodes), weights), into: %{}, do: {id, weight}

    {:ok, genotype} =
      Genotype.from_map(%{
        map
        | nodes:
            for(node <- nodes, do: if(node.kind == :output, do: %{node | bias: bias}, else: node)),
          connections: for(c <- connections, do: %{c | weight: weight[c.from]})
      })

    genotype
  end

  @doc "Holds the box within a tenth of a degree."
  def good, do: linear([20.0, -10.0])

  @doc "Heats whatever the temperature."
  def reckless, do: linear([0.0, 0.0], 1.0)

  defp inputs(nodes), do: nodes |> Enum.filter(&(&1.kind == :input)) |> Enum.sort_by(& &1.index)
end
