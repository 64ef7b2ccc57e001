defmodule Cambrian.Recorder do
  @moduledoc """
  Keeps the story of a population, for pictures and reports: every generation with its species, what
  came in from whom, the champion, the result.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> %{task: :xor, seed: 42, history: history} = Cambrian.Recorder.read(recorder)
      iex> for page <- history, do: {page.generation, page.species, length(page.sizes)}
      [{0, 2, 2}, {1, 3, 3}, {2, 5, 5}]
      iex> Cambrian.Recorder.stop(recorder)
      :ok

  `Cambrian.Picture` and `Cambrian.Report` take a story as it is. `:cambrian_recorder` says more.
  """

  alias Cambrian.Population

  @typedoc "What was recorded, oldest first; genotypes are bytes, so that a story can travel."
  @type story :: :cambrian_recorder.story()

  @doc """
  Records a population from now on, until `stop/1`: also when the population or the caller is gone.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start(population)
      iex> Cambrian.Recorder.stop(recorder)
      :ok
  """
  @spec start(Population.t()) :: {:ok, pid} | {:error, {:noproc, term}}
  defdelegate start(population), to: :cambrian_recorder

  @doc """
  The same, linked to the caller.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> Cambrian.Recorder.read(recorder).history
      []
  """
  @spec start_link(Population.t()) :: {:ok, pid} | {:error, {:noproc, term}}
  defdelegate start_link(population), to: :cambrian_recorder

  @doc """
  The whole story so far: at most 4,000 generations, evenly chosen of a longer one, and the last
  4,000 that came in.

  Of each generation `:species` is their number and `:sizes` are their ids and sizes.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> recorder |> Cambrian.Recorder.read() |> Map.keys() |> Enum.sort()
      [:best, :history, :name, :parameters, :received, :seed, :task]
  """
  @spec read(pid) :: story
  defdelegate read(recorder), to: :cambrian_recorder

  @doc """
  Its last page: the last generation, the last newcomer, and the result when there is one.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start_link(population)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> Cambrian.Recorder.latest(recorder).generation.generation
      2
  """
  @spec latest(pid) :: map
  defdelegate latest(recorder), to: :cambrian_recorder

  @doc """
  Ends the recorder, and with it its story; the population goes on.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, recorder} = Cambrian.Recorder.start(population)
      iex> Cambrian.Recorder.stop(recorder)
      :ok
  """
  @spec stop(pid) :: :ok
  defdelegate stop(recorder), to: :cambrian_recorder
end
