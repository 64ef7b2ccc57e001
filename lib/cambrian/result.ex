defmodule Cambrian.Result do
  @moduledoc """
  The result of an evolution.

      iex> %Cambrian.Result{} = result = Cambrian.evolve!(:xor, seed: 42)
      iex> {result.solved, result.fitness >= 3.9, result.seed}
      {true, true, 42}

    * `champion` - the `Cambrian.Genotype` that solved the task, else the fittest one.
    * `fitness` - the champion's fitness.
    * `solved` - whether the champion reached the target or, without a target, passed the task's
      own trial.
    * `generations`, `evaluations` - how many in all. If a limit ended the run within a
      generation, that generation counts.
    * `failures` - how many of the evaluations failed.
    * `seed` - repeats the run.
    * `elapsed_ms` - the time in ms, without pauses.
    * `trial` - the measurements of the task's own trial for a champion that passed it; a keyword
      list, empty if none passed.
    * `validation` - the fitness on held-out data, if the task has some, as a dataset with
      `:validation`. The champion is then the genotype that did best on these data, unless one
      reached the target; otherwise `nil`.
    * `normalisation` - the means and factors by which the champion's observations are normalised,
      if the task has the setting `normalise`; otherwise `nil`. `Cambrian.Network.normalise/2` and
      exports take it.
    * `archive` - with `search: :map_elites`, the `Cambrian.Archive` of the elites; otherwise `nil`.
    * `front` - in the search `:pareto`, what `Cambrian.Population.front/1` returns; otherwise `[]`.
  """

  @enforce_keys [
    :champion,
    :fitness,
    :solved,
    :generations,
    :evaluations,
    :failures,
    :seed,
    :elapsed_ms
  ]
  defstruct @enforce_keys ++
              [trial: [], validation: nil, normalisation: nil, archive: nil, front: []]

  @type t :: %__MODULE__{
          champion: Cambrian.Genotype.t(),
          fitness: float,
          solved: boolean,
          generations: pos_integer,
          evaluations: pos_integer,
          failures: non_neg_integer,
          seed: Cambrian.Genotype.seed(),
          elapsed_ms: non_neg_integer,
          trial: [{atom, float}],
          validation: float | nil,
          normalisation: Cambrian.Network.normalisation() | nil,
          archive: Cambrian.Archive.t() | nil,
          front: [compromise]
        }

  @typedoc "A genotype of a front, with what it reaches in each objective."
  @type compromise :: %{
          genotype: Cambrian.Genotype.t(),
          objectives: [float],
          fitness: float
        }

  @doc false
  def front(compromises) do
    for %{genotype: reference} = compromise <- compromises,
        do: %{compromise | genotype: %Cambrian.Genotype{ref: reference}}
  end
end
