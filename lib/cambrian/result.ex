defmodule Cambrian.Result do
  @moduledoc """
  What an evolution came to.

      iex> %Cambrian.Result{} = result = Cambrian.evolve!(:xor, seed: 42)
      iex> {result.solved, result.fitness >= 3.9, result.seed}
      {true, true, 42}

    * `champion` - the `Cambrian.Genotype` that solved the task, else the fittest there was.
    * `fitness` - of the champion.
    * `solved` - whether the target was reached or, without one, the task's own trial passed.
    * `generations`, `evaluations` - in all. Where a limit ended the run within a generation, that one counts.
    * `failures` - how many of the evaluations failed.
    * `seed` - to run the same again.
    * `elapsed_ms` - in ms, pauses left out.
    * `trial` - what the task's own trial measured of a champion that passed it; a keyword list,
      empty where none did.
    * `validation` - where the task holds data back, as a dataset with `:validation` does, what the
      fitness would be there. The champion is then the one that did best on them, unless it reached
      the target; `nil` otherwise.
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
  defstruct @enforce_keys ++ [trial: [], validation: nil]

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
          validation: float | nil
        }
end
