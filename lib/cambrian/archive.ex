defmodule Cambrian.Archive do
  @moduledoc """
  An archive: many good and different networks, as quality diversity gives them.

  With `search: :map_elites`, `Cambrian.evolve/2` divides the behaviours of networks into cells and
  keeps the fittest network of each cell, its elite (Mouret and Clune 2015). The result has the
  archive under `archive`; `Cambrian.Population.archive/1` returns that of a population, also while
  it runs.

      iex> result = Cambrian.evolve!(:maze_medium, search: :map_elites, seed: 1, generations: 20)
      iex> %Cambrian.Archive{} = archive = result.archive
      iex> Cambrian.Archive.stats(archive).cells
      2500
      iex> Enum.count(archive) == Cambrian.Archive.stats(archive).filled
      true
      iex> Enum.max_by(archive, & &1.fitness).fitness == Cambrian.Archive.best(archive).fitness
      true

  An archive is a value, and an `Enumerable` of its elites, by their cells. `merge/2` makes the
  union of two: each cell keeps the fitter elite, of equals the one with the lower id. So archives
  that are merged in any order, any number of times, end the same, and have the same `id/1`.
  """

  alias Cambrian.{Boundary, Error, Genotype}

  @enforce_keys [:ref]
  defstruct [:ref]

  @type t :: %__MODULE__{ref: :cambrian_archive.archive()}

  @typedoc """
  The number of its cell, and what was measured of it. In a grid of n places along each dimension, a
  behaviour at the places x and y is in the cell n * x + y, from 0. `position` is where the
  behaviour lies in the box of bounds, if the archive has a projection.
  """
  @type elite :: %{
          required(:cell) => non_neg_integer,
          required(:genotype) => Genotype.t(),
          required(:fitness) => float,
          required(:behaviour) => [float],
          optional(:position) => [float]
        }

  @doc """
  Returns what the archive is of, and how full and how good it is.

  `coverage` is the share of cells that have an elite. `qd_score` is the sum of the fitness of all
  elites, less the `:offset` of each (Pugh, Soros and Stanley 2016). Where fitness can be negative,
  choose the lowest fitness that can be: else a full archive may have a lower score than an empty
  one.

      iex> result = Cambrian.evolve!(:xor, search: :map_elites, seed: 1, generations: 5)
      iex> stats = Cambrian.Archive.stats(result.archive, offset: -4)
      iex> {stats.task, stats.coverage == stats.filled / stats.cells, stats.qd_score > 0}
      {"xor", true, true}
  """
  @spec stats(t, offset: number) :: :cambrian_archive.stats()
  def stats(archive, opts \\ []) do
    :cambrian_archive.stats(ref(archive), opts |> Keyword.validate!([:offset]) |> Map.new())
  end

  @doc """
  Returns the fittest elite, of equals the one with the lowest id; `nil` of an empty archive.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> Cambrian.Archive.best(archive).fitness == Cambrian.Archive.stats(archive).best
      true
  """
  @spec best(t) :: elite | nil
  def best(archive), do: archive |> ref() |> :cambrian_archive.best() |> found()

  @doc """
  Returns the elite of the cell of a behaviour, or `nil`. What is beyond a bound counts as the
  bound.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> Cambrian.Archive.at(archive, [295, 5])
      nil
  """
  @spec at(t, [number]) :: elite | nil
  def at(archive, behaviour), do: archive |> ref() |> :cambrian_archive.at(behaviour) |> found()

  @doc """
  Returns the elite whose position is nearest, or `nil` of an empty archive. Each dimension is
  scaled from 0 at its lower bound to 1 at its upper bound; the distance is Euclidean. Without a
  projection, the position is the behaviour itself.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> %{behaviour: [_x, _y]} = Cambrian.Archive.nearest(archive, [295, 5])
  """
  @spec nearest(t, [number]) :: elite | nil
  def nearest(archive, behaviour),
    do: archive |> ref() |> :cambrian_archive.nearest(behaviour) |> found()

  @doc """
  Returns so many elites, each drawn from all of them; the same seed draws the same ones.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> length(Cambrian.Archive.sample(archive, 5, 42))
      5
  """
  @spec sample(t, non_neg_integer, Genotype.seed()) :: [elite]
  def sample(archive, count, seed),
    do: archive |> ref() |> :cambrian_archive.sample(count, seed) |> Enum.map(&elite/1)

  @doc """
  Returns all elites, by their cells, as `Enum.to_list/1` does.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> [%{genotype: %Cambrian.Genotype{}} | _] = Cambrian.Archive.elites(archive)
  """
  @spec elites(t) :: [elite]
  def elites(archive), do: archive |> ref() |> :cambrian_archive.elites() |> Enum.map(&elite/1)

  @doc """
  Evaluates each elite again, and says what the archive is worth by the means of these evaluations:
  the corrected stats, for tasks whose evaluations are noisy. The archive does not change.

  The task must be the one that the archive is of. Options: `:trials` (10) for each elite, `:seed`
  (0) for the noise of `:rand`, `:offset` (0) as in `stats/2`, `:substrate` for elites that describe
  its networks, and `:timeout`, `:memory` and `:episodes` as in `Cambrian.Task.evaluate/3`. The keys
  of the report are those of `t::cambrian_remeasure.report/0`: among them `corrected`, the `stats`
  by the means, `archive`, which has the elites where the means put them, and `failures`, the number
  of evaluations that failed.

      iex> noisy = fn network ->
      ...>   [x, y] = Cambrian.Network.activate(network, [1])
      ...>   %{fitness: 1 + 0.2 * :rand.normal(), behaviour: [x, y]}
      ...> end
      iex> opts = [inputs: 1, outputs: 2, search: :map_elites, seed: 1, generations: 10]
      iex> params = [bounds: [{0, 1}, {0, 1}], cells: 100]
      iex> archive = Cambrian.evolve!(noisy, opts ++ [params: params]).archive
      iex> {:ok, report} = Cambrian.Archive.remeasure(archive, noisy, trials: 20)
      iex> {report.corrected.qd_score < report.stats.qd_score, report.failures}
      {true, 0}
      iex> %Cambrian.Archive{} = report.archive
  """
  @spec remeasure(t, Cambrian.Task.task(), keyword) :: {:ok, map} | {:error, Error.reason()}
  def remeasure(archive, task, opts \\ []) do
    with {:ok, options} <- Boundary.options(opts),
         {:ok, report} <-
           :cambrian_remeasure.archive(ref(archive), Boundary.task(task), options) do
      corrected = %__MODULE__{ref: report.archive}
      {:ok, %{report | archive: corrected, elites: Enum.map(report.elites, &elite/1)}}
    end
  end

  @doc """
  Makes the union of two archives of the same task, bounds, partition and cells.

      iex> [a, b] =
      ...>   for seed <- 1..2,
      ...>       do: Cambrian.evolve!(:xor, search: :map_elites, seed: seed, generations: 5).archive
      iex> {:ok, union} = Cambrian.Archive.merge(a, b)
      iex> {:ok, same} = Cambrian.Archive.merge(b, a)
      iex> Cambrian.Archive.id(union) == Cambrian.Archive.id(same)
      true
  """
  @spec merge(t, t) :: {:ok, t} | {:error, Error.reason()}
  def merge(a, b), do: wrap(:cambrian_archive.merge(ref(a), ref(b)))

  @doc """
  Returns the SHA-256 of `to_binary/1`: of the cells and their elites, and of nothing that depends
  on how they were found.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> byte_size(Cambrian.Archive.id(archive))
      32
  """
  @spec id(t) :: <<_::256>>
  def id(archive), do: :cambrian_archive.id(ref(archive))

  @doc """
  Returns the canonical bytes: equal archives have equal bytes, on every machine.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> {:ok, read} = archive |> Cambrian.Archive.to_binary() |> Cambrian.Archive.from_binary()
      iex> Cambrian.Archive.id(read) == Cambrian.Archive.id(archive)
      true
  """
  @spec to_binary(t) :: binary
  def to_binary(archive), do: :cambrian_archive.to_binary(ref(archive))

  @doc """
  Reads what `to_binary/1` wrote, from anyone: each elite must be in the cell of its behaviour. At
  most 1 GiB.

      iex> Cambrian.Archive.from_binary("archive")
      {:error, :malformed}
  """
  @spec from_binary(binary) :: {:ok, t} | {:error, Error.reason()}
  def from_binary(bytes), do: wrap(:cambrian_archive.from_binary(bytes))

  @doc """
  Draws the archive: of one or two dimensions a heat map of the cells, of more dimensions a line for
  each of some elites across parallel axes. Options: `:title`, `:width` in pixels, `:labels` with
  the name of each dimension, and `:embed` for a page that has the style sheet of pictures.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> svg = Cambrian.Archive.to_svg(archive, title: "Maze", labels: ["x", "y"])
      iex> IO.iodata_to_binary(svg) =~ "<title>Maze</title>"
      true
  """
  @spec to_svg(t, keyword) :: iodata
  def to_svg(archive, opts \\ []), do: :cambrian_archive.to_svg(ref(archive), Map.new(opts))

  @doc """
  Returns a line for each elite: cell, id, fitness, and a column for each dimension of behaviour.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> csv = archive |> Cambrian.Archive.to_csv() |> IO.iodata_to_binary()
      iex> [head | _] = String.split(csv)
      iex> head
      "cell,id,fitness,behaviour_1,behaviour_2"
  """
  @spec to_csv(t) :: iodata
  def to_csv(archive), do: :cambrian_archive.to_csv(ref(archive))

  @doc """
  Returns the id, the stats and the elites with their genotypes as JSON.

      iex> options = [search: :map_elites, seed: 1, generations: 2]
      iex> archive = Cambrian.evolve!(:maze_medium, options).archive
      iex> IO.iodata_to_binary(Cambrian.Archive.to_json(archive)) =~ ~s("elites":[)
      true
  """
  @spec to_json(t) :: iodata
  def to_json(archive), do: :cambrian_archive.to_json(ref(archive))

  defp ref(archive), do: Boundary.ref(archive, __MODULE__)

  defp wrap({:ok, reference}), do: {:ok, %__MODULE__{ref: reference}}
  defp wrap(error), do: error

  defp found({:ok, elite}), do: elite(elite)
  defp found(:none), do: nil

  defp elite(%{genotype: reference} = elite), do: %{elite | genotype: %Genotype{ref: reference}}

  defimpl Enumerable do
    alias Cambrian.{Archive, Genotype}

    def count(archive), do: {:ok, Archive.stats(archive).filled}

    # a genotype is a new reference at each call, so two elites are compared by its id
    def member?(archive, elite) do
      wanted = by_id(elite)
      {:ok, Enum.any?(archive, &(by_id(&1) == wanted))}
    end

    defp by_id(%{genotype: %Genotype{} = genotype} = elite),
      do: %{elite | genotype: Genotype.id(genotype)}

    defp by_id(other), do: other

    def slice(_archive), do: {:error, __MODULE__}

    def reduce(archive, acc, fun),
      do: Enumerable.List.reduce(Archive.elites(archive), acc, fun)
  end

  defimpl Inspect do
    def inspect(archive, _opts) do
      %{task: task, filled: filled, cells: cells} = Cambrian.Archive.stats(archive)
      "#Cambrian.Archive<#{task}, #{filled} of #{cells} cells>"
    end
  end
end
