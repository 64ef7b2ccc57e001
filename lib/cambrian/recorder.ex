defmodule Cambrian.Recorder do
  @moduledoc """
  Records a population for pictures and reports: every generation with its species, the newcomers
  and their origins, the champion, the result with its archive or front.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> %{task: :xor, seed: 42, history: history} = Cambrian.Recorder.read(recorder)
      iex> for page <- history, do: {page.generation, page.species, length(page.sizes)}
      [{0, 2, 2}, {1, 3, 3}, {2, 5, 5}]
      iex> Cambrian.Recorder.stop(recorder)
      :ok

  `Cambrian.Picture` and `Cambrian.Report` take a record as it is. `:cambrian_recorder` says more.
  """

  alias Cambrian.Population

  @typedoc "A record, oldest entries first; genotypes are bytes, so that a record can be sent."
  @type story :: :cambrian_recorder.story()

  @doc """
  Records a population from now on, until `stop/1`, even after the population or the caller has
  ended.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start(population)
      iex> Cambrian.Recorder.stop(recorder)
      :ok
  """
  @spec start(Population.t()) :: {:ok, pid} | {:error, {:noproc, term}}
  defdelegate start(population), to: :cambrian_recorder

  @doc """
  Does the same, linked to the caller.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> Cambrian.Recorder.read(recorder).history
      []
  """
  @spec start_link(Population.t()) :: {:ok, pid} | {:error, {:noproc, term}}
  defdelegate start_link(population), to: :cambrian_recorder

  @doc """
  Returns the whole record so far: at most 4,000 generations, evenly chosen from a longer run, and
  the last 4,000 newcomers.

  For each generation `:species` is the number of species and `:sizes` has their ids and sizes.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> recorder |> Cambrian.Recorder.read() |> Map.keys() |> Enum.sort()
      [:best, :history, :name, :parameters, :received, :seed, :task]
  """
  @spec read(pid) :: story
  defdelegate read(recorder), to: :cambrian_recorder

  @doc """
  Returns the end of the record: the last generation, the last newcomer, and the result if there
  is one.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> Cambrian.Recorder.latest(recorder).generation.generation
      2
  """
  @spec latest(pid) :: map
  defdelegate latest(recorder), to: :cambrian_recorder

  @doc """
  Ends the recorder and drops its record; the population goes on.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start(population)
      iex> Cambrian.Recorder.stop(recorder)
      :ok
  """
  @spec stop(pid) :: :ok
  defdelegate stop(recorder), to: :cambrian_recorder
end
