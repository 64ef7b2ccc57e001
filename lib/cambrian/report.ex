defmodule Cambrian.Report do
  @moduledoc """
  Writes a run as one HTML page: who found what, how it got there, and how to repeat it.

  The page is complete. It loads nothing, runs no script, follows the reader's light or dark
  setting and fits a phone. `Cambrian.evolve/2` writes one with the option `:report`:

      iex> path = Path.join(System.tmp_dir!(), "xor.html")
      iex> {:ok, %{solved: true}} = Cambrian.evolve(:xor, seed: 42, report: path)
      iex> File.read!(path) =~ "found a champion for xor"
      true

  The source of a report is a population, which knows its generations, its champion, and its archive
  or front; the record of a `Cambrian.Recorder`, which also knows the species and the newcomers; or
  a list of several, such as the islands of a mesh.
  """

  alias Cambrian.{Error, Population, Recorder}

  @typedoc "The source of a report; you may change a map of `run/1` before you pass it."
  @type source :: Population.t() | Recorder.story() | [Population.t() | Recorder.story()] | map

  @doc """
  Returns the page as text.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> Cambrian.Report.html(population) =~ "<title>xor, seed 42</title>"
      true
  """
  @spec html(source) :: String.t()
  def html(source), do: source |> :cambrian_report.html() |> IO.iodata_to_binary()

  @doc """
  Writes the page to a file, whole or not at all.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> Cambrian.Report.write(Path.join(System.tmp_dir!(), "run.html"), population)
      :ok
      iex> Cambrian.Report.write("/no/such/folder/run.html", population)
      {:error, :enoent}
  """
  @spec write(Path.t(), source) :: :ok | {:error, Error.reason()}
  def write(path, source), do: :cambrian_report.write(path, source)

  @doc """
  Returns the contents of a report as a map, which you may change or extend: another title, labels
  of inputs and outputs, facts. Its type is `:cambrian_report.run()`.

      iex> {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 42)
      iex> {:ok, _} = Cambrian.Population.step(population, 3)
      iex> run = Cambrian.Report.run(population)
      iex> Cambrian.Report.html(%{run | title: "A start"}) =~ "<title>A start</title>"
      true
  """
  @spec run(Population.t() | Recorder.story() | [Population.t() | Recorder.story()]) :: map
  defdelegate run(source), to: :cambrian_report
end
