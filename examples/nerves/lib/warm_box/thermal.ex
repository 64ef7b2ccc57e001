defmodule WarmBox.Thermal do
  @moduledoc """
  Raises the alarm `:thermal` above 75 °C of the processor and clears it below 70 °C. Cambrian's
  governor pauses while it is set; other programs may do so too.

    * `:zone` - the file with thousandths of a degree; without a file this process does nothing.
    * `:interval_ms` - 5000.
  """

  use GenServer

  @hot 75_000
  @cool 70_000

  def start_link(options), do: GenServer.start_link(__MODULE__, options)

  @impl true
  def init(options) do
    interval_ms = options[:interval_ms] || 5000

    if zone = options[:zone],
      do: {:ok, %{zone: zone, interval_ms: interval_ms, hot: false}, {:continue, :look}},
      else: :ignore
  end

  @impl true
  def handle_continue(:look, state), do: look(state)

  @impl true
  def handle_info(:look, state), do: look(state)

  defp look(state) do
    Process.send_after(self(), :look, state.interval_ms)
    {:noreply, alarm(thousandths(state.zone), state)}
  end

  defp alarm(heat, %{hot: false} = state) when is_integer(heat) and heat > @hot do
    :alarm_handler.set_alarm({:thermal, heat / 1000})
    %{state | hot: true}
  end

  defp alarm(heat, %{hot: true} = state) when is_integer(heat) and heat < @cool do
    :alarm_handler.clear_alarm(:thermal)
    %{state | hot: false}
  end

  defp alarm(_heat, state), do: state

  defp thousandths(zone) do
    with {:ok, text} <- File.read(zone), {heat, _} <- Integer.parse(text), do: heat
  end
end
