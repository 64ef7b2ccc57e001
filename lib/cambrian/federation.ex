defmodule Cambrian.Federation do
  @moduledoc """
  Several nodes that evolve one population together.

  With the option `:federation` a population looks for its name on the connected nodes, and joins
  it there; if it is nowhere, it begins. The same seed gives the same champion as on one node,
  whichever nodes come and go. The guide `docs/federation.md` explains it.

      iex> {:ok, population} =
      ...>   Cambrian.Population.start(task: :xor, name: :federated_docs, seed: 42, federation: %{})
      iex> :ok = Cambrian.Population.run(:federated_docs)
      iex> {:ok, %{generations: 24, evaluations: 3290}} =
      ...>   Cambrian.Population.await(:federated_docs, 300_000)
      iex> %{members: [_], voters: [_]} = Cambrian.Federation.status(:federated_docs)
      iex> Cambrian.Population.stop(population)
      :ok
  """

  @typedoc """
  What a member knows of its federation. `:epoch` is the number of the present coordinator, and
  `:record` that of the last record that this member has applied. `:coordinators` counts the
  coordinators that it has followed since it joined, and `:bytes` those of the records it applied.
  """
  @type status :: %{
          coordinator: node | :none,
          epoch: non_neg_integer | :none,
          members: [node],
          voters: [node],
          record: non_neg_integer,
          coordinators: non_neg_integer,
          bytes: non_neg_integer
        }

  @doc """
  The state of the federation of a population. A population without the option `:federation` has
  none. It exits if there is no such population.

      iex> {:ok, population} =
      ...>   Cambrian.Population.start(task: :xor, name: :status_docs, federation: %{})
      iex> %{members: [node], record: 0} = Cambrian.Federation.status(:status_docs)
      iex> node == node()
      true
      iex> Cambrian.Population.stop(population)
      :ok
  """
  @spec status(pid | atom) :: status | {:error, :no_federation}
  def status(population), do: :cambrian_federation.status(population)
end
