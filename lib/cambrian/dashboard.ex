defmodule Cambrian.Dashboard do
  @moduledoc """
  A page that shows what evolves on this node and what the mesh brings, live, and lets you pause,
  resume and ban; for Prometheus `/metrics`, for whoever watches machines `/health`.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0)
      iex> "http://127.0.0.1:" <> _ = Cambrian.Dashboard.url()
      iex> Cambrian.Dashboard.stop()
      :ok

  It is off unless you start it, or the configuration has it, as a map of the options:

      config :cambrian, dashboard: %{port: 4040}

  With the option `:ssl` it needs OTP's application `:ssl`, and else none. The guide is
  `docs/dashboard.md`.

  ## Options

    * `:port` - 4040 by default; 0 takes one that is free.
    * `:address` - where to listen, a tuple or a text; by default this machine only, `{127, 0, 0, 1}`.
      `"0.0.0.0"` is everywhere.
    * `:token` - at least 16 characters out of letters, digits and `-._~`. Whoever has it may see and
      change everything. On an address that others can reach there is always one: not given, it is
      made, and logged once.
    * `:hosts` - other names, beside `localhost` and the address, under which the page is reached.
    * `:ssl` - options of `:ssl.handshake/2`, as `[certfile: "cert.pem", keyfile: "key.pem"]`: then all is
      over TLS. A handshake is tried at the start.
  """

  alias Cambrian.{Boundary, Error}

  @doc """
  Starts the dashboard, and the application if it does not run. It ends with the application.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0, token: "correct-horse-battery")
      iex> {:error, {:already_started, _}} = Cambrian.Dashboard.start(port: 0)
      iex> Cambrian.Dashboard.stop()
      :ok
      iex> Cambrian.Dashboard.start(prot: 4040)
      {:error, {:unknown_option, :prot, %{did_you_mean: :port, see: "type cambrian_dashboard:options()"}}}
  """
  @spec start(keyword) :: {:ok, pid} | {:error, Error.reason()}
  def start(opts \\ []) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: :cambrian_dashboard.start(options)
  end

  @doc """
  Ends it, with what is connected to it; `:ok` where there is none, too.

      iex> Cambrian.Dashboard.stop()
      :ok
  """
  @spec stop() :: :ok
  defdelegate stop, to: :cambrian_dashboard

  @doc """
  Where it is, with its token if it has one: so keep it for yourself. Exits with `:noproc` where there
  is none.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0, token: "correct-horse-battery")
      iex> Cambrian.Dashboard.url() =~ ~r"^http://127.0.0.1:[0-9]+/.token=correct-horse-battery$"
      true
      iex> Cambrian.Dashboard.stop()
      :ok
  """
  @spec url() :: String.t()
  defdelegate url, to: :cambrian_dashboard

  @doc """
  Ends the sessions of all browsers, with the pages that are open by them: how many there were. Who has
  the token can come in again; to keep them out, start it with another. 0 where there is no dashboard.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0, token: "correct-horse-battery")
      iex> Cambrian.Dashboard.end_sessions()
      0
      iex> Cambrian.Dashboard.stop()
      :ok
  """
  @spec end_sessions() :: non_neg_integer
  defdelegate end_sessions, to: :cambrian_dashboard
end
