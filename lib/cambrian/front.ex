defmodule Cambrian.Front do
  @moduledoc """
  Draws a front, and writes it for other programs: all compromises between several goals, as the
  search `:pareto` gives them.

  A front is a list, the `front` of a `Cambrian.Result`, or what `Cambrian.Population.front/1`
  returns, also while a population runs.

      iex> result =
      ...>   Cambrian.evolve!(:xor, search: :pareto, seed: 1, generations: 20,
      ...>     params: %{objectives: [:fitness, :connections]})
      iex> labels = ["fitness", "connections times -1"]
      iex> svg = Cambrian.Front.to_svg(result.front, champion: result.champion, labels: labels)
      iex> IO.iodata_to_binary(svg) =~ "connections times -1"
      true
  """

  alias Cambrian.{Boundary, Genotype, Result}

  @doc """
  Draws the front: of two objectives a point for each network, of more objectives a line for each
  across parallel axes. More is better in each objective, so better is to the right and up.

  The picture shows at most 400 networks, chosen evenly, and the champion; in parallel axes at most
  16 objectives.

  ## Options

    * `:title` - the title.
    * `:width` - the width in pixels, 720 by default.
    * `:labels` - the name of each objective.
    * `:champion` - the genotype to mark, or its id: that of a result is the knee of its front.
    * `:count` - how many networks the whole front has, if the list is a part of it.
    * `:embed` - for a page that has the style sheet of pictures.

      iex> options = [search: :pareto, seed: 1, generations: 5, target: 1]
      iex> front = Cambrian.evolve!(:zdt1, options).front
      iex> IO.iodata_to_binary(Cambrian.Front.to_svg(front, title: "ZDT1")) =~ "<title>ZDT1</title>"
      true
  """
  @spec to_svg([Result.compromise()], keyword) :: iodata
  def to_svg(front, opts \\ []) do
    options =
      case Map.new(opts) do
        %{champion: %Genotype{ref: ref}} = options -> %{options | champion: ref}
        options -> options
      end

    :cambrian_front.to_svg(refs(front), options)
  end

  @doc """
  Returns a line for each network: id, fitness, and a column for each objective.

      iex> options = [search: :pareto, seed: 1, generations: 5, target: 1]
      iex> front = Cambrian.evolve!(:zdt1, options).front
      iex> [head | _] = front |> Cambrian.Front.to_csv() |> IO.iodata_to_binary() |> String.split()
      iex> head
      "id,fitness,objective_1,objective_2"
  """
  @spec to_csv([Result.compromise()]) :: iodata
  def to_csv(front), do: front |> refs() |> :cambrian_front.to_csv()

  @doc """
  Returns the networks as a JSON array, with their genotypes.

      iex> options = [search: :pareto, seed: 1, generations: 5, target: 1]
      iex> front = Cambrian.evolve!(:zdt1, options).front
      iex> IO.iodata_to_binary(Cambrian.Front.to_json(front)) =~ ~s("objectives":[)
      true
  """
  @spec to_json([Result.compromise()]) :: iodata
  def to_json(front), do: front |> refs() |> :cambrian_front.to_json()

  defp refs(front) when is_list(front), do: Enum.map(front, &ref/1)

  defp refs(other) do
    raise ArgumentError,
          "expected a front, as a result of the search :pareto has it, got: " <>
            inspect(other, limit: 5, printable_limit: 50)
  end

  defp ref(%{genotype: genotype} = one), do: %{one | genotype: Boundary.ref(genotype, Genotype)}
  defp ref(other), do: other
end
