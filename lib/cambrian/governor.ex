defmodule Cambrian.Governor do
  @moduledoc """
  Limits how much of a machine evolution may take: threads, a share of their time, quiet hours,
  and a pause while an alarm is raised.

      iex> Cambrian.Governor.configure(cpu: 0.5)
      :ok
      iex> {:ok, %{solved: true}} = Cambrian.evolve(:xor, seed: 42)
      iex> %{state: :working, cpu: 0.5} = Cambrian.Governor.status()
      iex> Cambrian.Governor.configure(cpu: 1)
      :ok

  The governor does not change the result of a run. It governs all populations of this node. Its
  first settings are the application's `:governor`, a map:

      config :cambrian, governor: %{cpu: 0.25, quiet_hours: [{{8, 0}, {20, 0}}]}

  A pause begins at the next genotype, in Rust and in evaluations by functions and modules alike;
  a running evaluation is not cut.

  ## Settings

    * `:cpu` - the share of its time, above 0 and up to 1, that each thread works. Default 1.
    * `:threads` - the number of threads in Rust; by default as many as there are schedulers, and
      never more.
    * `:quiet_hours` - pairs of `{hour, minute}`, local time, between which there is no work;
      `[{{22, 0}, {6, 0}}]` is a night. Default `[]`.
    * `:alarms` - the alarms of SASL's `:alarm_handler`, if it runs, that stop work while they are
      set. Default `[:system_memory_high_watermark, :thermal]`; `:os_mon` sets the first when
      memory is short.
    * `:pause_when` - a function without arguments, or `{module, function, args}`, that returns
      `true` if there should be no work now. It may take as long as `:check_interval`; a failure
      is logged, and holds nothing up. Default `:none`.
    * `:check_interval` - ms between two checks of clock, alarms and `:pause_when`. Default 1000.
  """

  alias Cambrian.{Boundary, Error}

  @typedoc """
  Whether there is work now, or why not, and the work done. `:cpu_seconds` are those of the whole
  VM since the governor started, as are the evaluations of all populations.
  """
  @type status :: %{
          state: :working | {:paused, :quiet_hours | {:alarm, term} | :pause_when},
          cpu: number,
          threads: pos_integer,
          evaluations: non_neg_integer,
          cpu_seconds: float,
          evaluations_per_cpu_second: float
        }

  @doc """
  Changes these settings and keeps the others. An unknown setting, or a value out of its range,
  changes nothing.

      iex> Cambrian.Governor.configure(pause_when: fn -> true end)
      :ok
      iex> Cambrian.Governor.status().state
      {:paused, :pause_when}
      iex> Cambrian.Governor.configure(pause_when: :none)
      :ok
      iex> Cambrian.Governor.status().state
      :working
      iex> Cambrian.Governor.configure(cpu: 0)
      {:error, {:bad_option, {:cpu, 0, "a number above 0, up to 1"}}}
  """
  @spec configure(keyword) :: :ok | {:error, Error.reason()}
  def configure(settings) do
    with {:ok, settings} <- Boundary.to_map(:settings, settings),
         do: :cambrian_governor.configure(settings)
  end

  @doc """
  Returns whether there is work now, or why not, and the work done.

      iex> %{evaluations: before} = Cambrian.Governor.status()
      iex> {:ok, result} = Cambrian.evolve(:xor, seed: 42)
      iex> status = Cambrian.Governor.status()
      iex> status.evaluations - before == result.evaluations and status.cpu_seconds > 0
      true
  """
  @spec status() :: status
  defdelegate status, to: :cambrian_governor
end
