defmodule WarmBox.Mesh do
  @moduledoc """
  Joins the mesh as soon as it makes sense: when evolution runs, when the clock is right (others
  refuse messages that are five minutes old or from the future), and when this node has a name.

    * `:mesh` - the options of `Cambrian.Bridge`, and `:node`: `{module, function, args}` that gives the
      name of this node, or `nil` while it has no address. Without them the device is alone.
    * `:clock` - `{module, function, args}` that says whether the clock can be trusted.
  """

  use GenServer
  require Logger

  alias Cambrian.Bridge
  alias WarmBox.Evolution

  @retry_ms 2000

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc "`:alone`, `{:waiting, why}` or `:joined`, and who is alive."
  def status, do: GenServer.call(__MODULE__, :status)

  @doc "A name that says the address of this network interface and the port, as `cambrian_epmd` reads it."
  def node_name(interface, port) do
    with {:ok, interfaces} <- :inet.getifaddrs(),
         {_, properties} <- List.keyfind(interfaces, to_charlist(interface), 0),
         {_, _, _, _} = address <-
           Enum.find(for({:addr, a} <- properties, do: a), &(tuple_size(&1) == 4)) do
      :"warm_box_#{port}@#{:inet.ntoa(address)}"
    else
      _ -> nil
    end
  end

  @impl true
  def init(options) do
    {node, bridge} = Keyword.pop(options[:mesh] || [], :node)
    state = %{bridge: bridge, node: node, clock: options[:clock], state: :alone}
    if bridge == [], do: {:ok, state}, else: {:ok, state, {:continue, :join}}
  end

  @impl true
  def handle_continue(:join, state), do: {:noreply, join(state)}

  @impl true
  def handle_info(:join, state), do: {:noreply, join(state)}

  @impl true
  def handle_call(:status, _from, %{state: :joined} = state) do
    alive = for %{alive: true} = peer <- Bridge.list_nodes(), do: peer.address
    {:reply, %{state: :joined, node: node(), alive: alive}, state}
  end

  def handle_call(:status, _from, state), do: {:reply, %{state: state.state, node: node()}, state}

  defp join(state) do
    with :ok <-
           ready(:evolution, Evolution.status().state in [:evolving, :resting]),
         :ok <- ready(:clock, state.clock == nil or called(state.clock)),
         :ok <- ready(:node, Node.alive?() or named(state.node)),
         {:ok, _bridge} <- bridge(state.bridge) do
      %{state | state: :joined}
    else
      {:error, why} ->
        Process.send_after(self(), :join, @retry_ms)
        if state.state != {:waiting, why}, do: Logger.info("no mesh yet: #{inspect(why)}")
        %{state | state: {:waiting, why}}
    end
  end

  defp ready(_what, true), do: :ok
  defp ready(what, _), do: {:error, what}

  # Under Cambrian's own supervisor, so that it outlives this process.
  defp bridge(options) do
    case Bridge.start([populations: [:warm_box]] ++ options) do
      {:error, {:already_started, bridge}} -> {:ok, bridge}
      other -> other
    end
  end

  defp named(nil), do: true

  defp named(node) do
    case called(node) do
      nil -> false
      name -> match?({:ok, _}, Node.start(name))
    end
  end

  defp called({module, function, args}), do: apply(module, function, args)
end
