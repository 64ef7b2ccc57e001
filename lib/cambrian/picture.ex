defmodule Cambrian.Picture do
  @moduledoc """
  Draws pictures as SVG: a network, and fitness and species over the generations.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 20)
      iex> story = Cambrian.Recorder.read(recorder)
      iex> File.write(Path.join(System.tmp_dir!(), "species.svg"), Cambrian.Picture.species(story))
      :ok

  Each picture is a text that loads nothing and follows the reader's light or dark setting; the
  same record gives the same bytes. A source of generations is

    * the result of `Cambrian.Population.history/1`;
    * a population, as it is now;
    * the record of a population by `Cambrian.Recorder.read/1`; or a list of several of these two.

  An option that is wrong or unknown raises `Cambrian.Error`.
  """

  alias Cambrian.{Boundary, Error, Genotype, Population, Recorder}

  @type source :: [map] | Population.t() | Recorder.story() | [Population.t() | Recorder.story()]

  @doc """
  Draws the network of a genotype, from the inputs at the left to the outputs at the right.

  The width of a line is its weight and its colour the sign; a recurrent link is an arc with an
  arrow head, a disabled connection is dashed. A node shows its activation as a small curve and
  its bias as an arc around it; a clock on its rim stands for dynamics, a triangle for plasticity,
  and a sign such as `×` for another aggregation than the sum. Point at a part for its exact
  values.

  Options: `:width` in pixels, `:title`, and `:labels`, `%{inputs: [...], outputs: [...]}`.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> labels = %{inputs: ["x", "angle"], outputs: ["force"]}
      iex> Cambrian.Picture.network(genotype, labels: labels, width: 480) =~ "angle → force"
      true
  """
  @spec network(Genotype.t(), keyword) :: String.t()
  def network(genotype, opts \\ []),
    do: :cambrian_picture.network(Boundary.ref(genotype, Genotype), options(:network, opts))

  @doc """
  Returns the network of a genotype as text for Graphviz.

      iex> {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
      iex> Cambrian.Picture.dot(genotype) =~ "digraph"
      true
  """
  @spec dot(Genotype.t()) :: String.t()
  def dot(genotype), do: :cambrian_picture.dot(Boundary.ref(genotype, Genotype))

  @doc """
  Draws the best and the mean fitness of each generation, of one population or of several.

  Options: `:width` and `:height` in pixels, `:title`, `:x_label`, `:y_label`.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, _} = Cambrian.Population.step(population, 20)
      iex> svg = Cambrian.Picture.fitness(population, title: "XOR")
      iex> [_, said] = Regex.run(~r|<desc>(.*)</desc>|, svg)
      iex> said
      "fitness over generation: best ends at 3.896; mean ends at 2.952."
  """
  @spec fitness(source, keyword) :: String.t()
  def fitness(source, opts \\ []), do: :cambrian_picture.fitness(source, options(:chart, opts))

  @doc """
  Draws the species of each generation of one population: a band for each, as tall as it has
  members.

  Only a `Cambrian.Recorder` keeps the sizes of species. For a source with only their number, such
  as a population itself, the picture shows the number as a line. Options as in `fitness/2`.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 20)
      iex> for source <- [Cambrian.Recorder.read(recorder), population] do
      ...>   [_, said] = Regex.run(~r|<desc>(.*)</desc>|, Cambrian.Picture.species(source))
      ...>   said
      ...> end
      ["37 species over 20 generations; 34 at the end.",
       "species over generation: species ends at 34."]
  """
  @spec species(source, keyword) :: String.t()
  def species(source, opts \\ []), do: :cambrian_picture.species(source, options(:chart, opts))

  defp options(picture, opts) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         :ok <- :cambrian_picture.check_options(picture, options) do
      options
    else
      {:error, reason} -> raise Error, reason
    end
  end
end
