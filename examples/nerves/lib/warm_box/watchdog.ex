defmodule WarmBox.Watchdog do
  @moduledoc """
  Turns the heater off when the controller has not finished a step for too long, and makes `heart`
  restart the device if that goes on: on a Nerves device `heart` keeps the hardware's watchdog
  quiet.

  No program is a substitute for a thermal fuse.
  """

  use GenServer
  require Logger

  @key {__MODULE__, :beat}

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc "The controller has finished a step."
  def beat, do: :atomics.put(:persistent_term.get(@key), 1, now_ms())

  @doc "What `heart` asks: `:ok`, or an error that lets it restart the device."
  def healthy do
    {beat, limit_ms} =
      {:atomics.get(:persistent_term.get(@key), 1), GenServer.call(__MODULE__, :limit_ms)}

    if now_ms() - beat < 3 * limit_ms, do: :ok, else: {:error, :no_beat}
  end

  @impl true
  def init(options) do
    state = %{
      hardware: Keyword.fetch!(options, :hardware),
      limit_ms: Keyword.fetch!(options, :limit_ms)
    }

    :persistent_term.put(@key, :atomics.new(1, signed: true))
    beat()
    if Process.whereis(:heart), do: :heart.set_callback(__MODULE__, :healthy)
    {:ok, state, state.limit_ms}
  end

  @impl true
  def handle_call(:limit_ms, _from, state), do: {:reply, state.limit_ms, state, state.limit_ms}

  @impl true
  def handle_info(:timeout, state) do
    if now_ms() - :atomics.get(:persistent_term.get(@key), 1) > state.limit_ms do
      Logger.error("the controller is silent: heater off")
      state.hardware.heat(0.0)
    end

    {:noreply, state, state.limit_ms}
  end

  defp now_ms, do: System.monotonic_time(:millisecond)
end
