defmodule WarmBox.Hardware do
  @moduledoc "A sensor and a heater: a process under `child_spec/1`, and two functions."

  @callback child_spec(args :: keyword) :: Supervisor.child_spec()
  @doc "The temperature of the air in °C."
  @callback read() :: {:ok, float} | {:error, term}
  @doc "The share of the time that the heater is on, from 0 to 1."
  @callback heat(duty :: float) :: :ok | {:error, term}
end
