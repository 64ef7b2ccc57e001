defmodule WarmBox.Controller do
  @moduledoc """
  Keeps the box at its setpoint, step by step, and lets a champion do it only once the champion
  has proved itself in this box.

  A thermostat or a champion drives the heater. A new champion (`offer/1`) waits until the driver
  in charge has kept the box near the setpoint for ten minutes. Then it is in charge for ten
  minutes itself: its trial. It stays if that cost no more, else it goes and is not tried again.
  The last two that stayed are trusted: they are kept in files, and are in charge again after a
  power cut.

  Whichever driver is in charge, these rules apply at once:

    * without a plausible reading the heater is off;
    * above 45 °C the heater is off, and the driver in charge loses its trust;
    * a trial ends if the temperature is 5 °C from the setpoint.
  """

  use GenServer
  require Logger

  alias Cambrian.{Genotype, Network}
  alias WarmBox.{Plant, Trusted, Watchdog}

  @window 60
  @settled 2.0
  @too_far 5.0
  @too_hot 45.0

  # One that drives. The thermostat has no genotype.
  defstruct [:genotype, :network, :memory, id: :thermostat, cost: 0.0, steps: 0]

  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: __MODULE__)

  @doc "A champion to be tried, the last one that was offered."
  def offer(%Genotype{} = genotype), do: GenServer.cast(__MODULE__, {:offer, genotype})

  @doc "Who is in charge, who is on trial, whom it trusts, the last temperature and the last fault."
  def status, do: GenServer.call(__MODULE__, :status)

  @impl true
  def init(options) do
    state = %{
      hardware: Keyword.fetch!(options, :hardware),
      setpoint: Keyword.fetch!(options, :setpoint),
      tick_ms: Keyword.fetch!(options, :tick_ms),
      data_dir: options[:data_dir],
      trusted: Trusted.load(options[:data_dir]),
      rejected: MapSet.new(),
      waiting: nil,
      trial: nil,
      celsius: nil,
      fault: nil
    }

    send(self(), :tick)
    {:ok, put_in_charge(state)}
  end

  @impl true
  def handle_cast({:offer, genotype}, state) do
    id = Genotype.id(genotype)

    known =
      MapSet.member?(state.rejected, id) or Enum.any?(state.trusted, &(Genotype.id(&1) == id))

    {:noreply, if(known, do: state, else: %{state | waiting: genotype})}
  end

  @impl true
  def handle_call(:status, _from, state) do
    {:reply,
     %{
       in_charge: state.in_charge.id,
       trial: state.trial && state.trial.id,
       trusted: Enum.map(state.trusted, &name/1),
       rejected: MapSet.size(state.rejected),
       celsius: state.celsius,
       fault: state.fault
     }, state}
  end

  @impl true
  def handle_info(:tick, state) do
    Process.send_after(self(), :tick, state.tick_ms)
    state = act(state.hardware.read(), state)
    Watchdog.beat()
    {:noreply, state}
  end

  # ---- a step

  defp act({:ok, celsius}, state) when celsius > @too_hot and celsius <= 100.0,
    do: state |> off({:too_hot, celsius}) |> distrust()

  defp act({:ok, celsius}, %{setpoint: setpoint} = state)
       when celsius >= -40.0 and celsius <= 100.0 do
    observation = Plant.observation(setpoint, celsius, state.celsius || celsius)
    cost = Plant.cost(setpoint, celsius)

    case driven(state.trial || state.in_charge, observation) do
      {:ok, driver, duty} ->
        fault = with :ok <- state.hardware.heat(duty), do: nil
        driver = %{driver | cost: driver.cost + cost, steps: driver.steps + 1}
        judged(%{state | celsius: celsius, fault: fault}, driver, abs(celsius - setpoint))

      {:error, reason} ->
        state |> off(reason) |> distrust()
    end
  end

  # Nothing that was measured of a trial counts, and it is not the champion's fault.
  defp act(no_reading, state) do
    state = off(state, {:no_reading, no_reading})
    put_in_charge(%{state | waiting: (state.trial && state.trial.genotype) || state.waiting})
  end

  defp driven(%{network: nil} = thermostat, [error, _rate]),
    do: {:ok, thermostat, if(error > 0, do: 1.0, else: 0.0)}

  defp driven(%{network: network, memory: memory} = driver, observation) do
    case Network.step(network, memory, observation) do
      {output, memory} when is_list(output) ->
        {:ok, %{driver | memory: memory}, Plant.duty(output)}

      {:error, reason} ->
        {:error, reason}
    end
  end

  defp off(state, fault) do
    _ = state.hardware.heat(0.0)
    if fault != state.fault, do: Logger.warning("heater off: #{inspect(fault)}")
    %{state | celsius: nil, fault: fault}
  end

  # ---- who is in charge

  defp judged(%{trial: nil} = state, %{steps: @window} = driver, _distance) do
    case state.waiting do
      %Genotype{} = genotype when driver.cost / @window < @settled ->
        %{state | in_charge: driver, trial: driver(genotype), waiting: nil}

      _ ->
        %{state | in_charge: %{driver | cost: 0.0, steps: 0}}
    end
  end

  defp judged(%{trial: nil} = state, driver, _distance), do: %{state | in_charge: driver}

  defp judged(state, driver, distance) when distance > @too_far,
    do: distrust(%{state | trial: driver})

  defp judged(state, %{steps: @window} = driver, _distance) do
    if driver.cost <= state.in_charge.cost * 1.05,
      do: promote(%{state | trial: driver}),
      else: distrust(%{state | trial: driver})
  end

  defp judged(state, driver, _distance), do: %{state | trial: driver}

  defp promote(%{trial: driver} = state) do
    Logger.info("#{driver.id} has passed its trial")
    trusted = Enum.take([driver.genotype | state.trusted], 2)
    Trusted.save(state.data_dir, trusted)
    %{state | trusted: trusted, trial: nil, in_charge: %{driver | cost: 0.0, steps: 0}}
  end

  # The one on trial, else the one in charge.
  defp distrust(%{trial: nil, in_charge: %{genotype: nil}} = state), do: put_in_charge(state)

  defp distrust(%{trial: nil, trusted: [genotype | trusted]} = state) do
    Trusted.save(state.data_dir, trusted)
    put_in_charge(%{reject(state, genotype) | trusted: trusted})
  end

  defp distrust(%{trial: driver} = state), do: put_in_charge(reject(state, driver.genotype))

  defp reject(state, genotype) do
    Logger.info("#{name(genotype)} is not trusted")
    %{state | rejected: MapSet.put(state.rejected, Genotype.id(genotype))}
  end

  # The last one that is trusted, and without any the thermostat; from rest.
  defp put_in_charge(state) do
    in_charge =
      case state.trusted do
        [genotype | _] -> driver(genotype)
        [] -> %__MODULE__{}
      end

    Map.merge(state, %{in_charge: in_charge, trial: nil})
  end

  defp driver(genotype) do
    network = Network.compile(genotype)

    %__MODULE__{
      id: name(genotype),
      genotype: genotype,
      network: network,
      memory: Network.initial_state(network)
    }
  end

  defp name(genotype),
    do: genotype |> Genotype.id() |> Base.encode16(case: :lower) |> binary_part(0, 12)
end
