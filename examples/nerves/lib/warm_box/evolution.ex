defmodule WarmBox.Evolution do
  @moduledoc """
  Keeps a population at work and hands its champions to the controller.

  This process starts Cambrian. So a device whose library does not load still boots, without
  evolution: `status/0` says why, and the process tries again every minute.

  The population is under Cambrian's own supervisor and comes back from a crash by itself; with
  Cambrian's `data_dir` it also comes back from a power cut, at its last checkpoint. It rests when
  nothing got better for 200 generations, and still takes genotypes of other devices.
  """

  use GenServer
  require Logger

  alias Cambrian.{Genotype, Population}
  alias WarmBox.{Controller, Plant, Trusted}

  @name :warm_box
  @retry_ms 60_000

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc """
  Returns `:evolving`, `:resting` or `{:unavailable, reason}`, and the generation and best
  fitness. It waits while the process starts: a small device takes some seconds to load the
  library.
  """
  def status, do: GenServer.call(__MODULE__, :status, :infinity)

  @impl true
  def init(options) do
    options = Keyword.merge([task: Plant, name: @name, population: 100, patience: 200], options)
    {:ok, %{options: options, state: :starting, checkpoints: :ok}, {:continue, :start}}
  end

  @impl true
  def handle_continue(:start, state), do: {:noreply, start(state)}

  @impl true
  def handle_info(:start, state), do: {:noreply, start(state)}

  def handle_info({:cambrian, @name, event}, state), do: {:noreply, heard(event, state)}

  def handle_info({:DOWN, _monitor, :process, _population, _reason}, state) do
    Process.send_after(self(), :start, 1000)
    {:noreply, %{state | state: :starting}}
  end

  @impl true
  def handle_call(:status, _from, state) do
    stats =
      with true <- state.state in [:evolving, :resting],
           {:ok, stats} <- Population.stats(@name) do
        Map.take(stats, [:generation, :best])
      else
        _ -> %{}
      end

    {:reply, Map.merge(%{state: state.state, checkpoints: state.checkpoints}, stats), state}
  end

  defp start(state) do
    with {:ok, state} <- library(state),
         {:ok, population} <- population(state.options) do
      Process.monitor(population)
      :ok = Population.subscribe(population)
      :ok = Population.run(population)

      with {:ok, %{champion: champion}} <- Population.best(population),
           do: Controller.offer(champion)

      %{state | state: :evolving}
    else
      {:error, reason} ->
        Logger.error("no evolution: #{inspect(reason)}")
        Process.send_after(self(), :start, @retry_ms)
        %{state | state: {:unavailable, reason}}
    end
  end

  # Cambrian does not start with a data directory that it cannot use. A device that cannot write
  # there still learns: it goes on without the directory, and `status/0` says so.
  defp library(state) do
    case Application.ensure_all_started(:cambrian) do
      {:ok, _started} ->
        {:ok, state}

      {:error, {:cambrian, {{:bad_option, {:data_dir, _dir, _expected}} = reason, _start}}} ->
        Logger.error("nothing is kept: #{:cambrian_error.format_error(reason)}")
        Application.delete_env(:cambrian, :data_dir)
        library(%{state | checkpoints: {:error, reason}})

      error ->
        error
    end
  end

  # After a crash of this process it is there already.
  defp population(options) do
    case Population.start(options) do
      {:error, {:already_started, population}} -> {:ok, population}
      {:error, reason} -> afresh(reason, options)
      started -> started
    end
  end

  # Of a release with other checkpoints or, after an update of the firmware, of a network of another size.
  # What was learnt is not lost: those that are trusted are the first newcomers, if they fit.
  defp afresh(reason, options) do
    with {:ok, population} <- Population.start([resume: false] ++ options) do
      Logger.warning("started anew, as the checkpoint cannot be taken up: #{inspect(reason)}")

      for genotype <- Trusted.load(Application.get_env(:warm_box, :data_dir)),
          do: Population.inject(population, genotype)

      {:ok, population}
    end
  end

  defp heard({:champion, %{champion: reference}}, state) do
    Controller.offer(%Genotype{ref: reference})
    state
  end

  defp heard({:checkpoint_failed, %{reason: reason}}, state) do
    Logger.warning("no checkpoint can be written: #{inspect(reason)}")
    %{state | checkpoints: {:error, reason}}
  end

  defp heard({:finished, _result}, state), do: %{state | state: :resting}
  defp heard(_event, state), do: state
end
