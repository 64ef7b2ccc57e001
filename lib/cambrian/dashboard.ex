defmodule Cambrian.Dashboard do
  @moduledoc """
  Serves a page that shows live what evolves on this node and what the mesh brings, and on which
  you can pause, resume and ban; also `/metrics` for Prometheus, and `/health` for tools that
  watch machines.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0)
      iex> "http://127.0.0.1:" <> _ = Cambrian.Dashboard.url()
      iex> Cambrian.Dashboard.stop()
      :ok

  It is off unless you start it, or configure it as a map of the options:

      config :cambrian, dashboard: %{port: 4040}

  With the option `:ssl` it needs OTP's application `:ssl`, and no other. The guide is
  `docs/dashboard.md`.

  ## Options

    * `:port` - 4040 by default; 0 takes a free one.
    * `:address` - where to listen, a tuple or a text; by default this machine only,
      `{127, 0, 0, 1}`. `"0.0.0.0"` is everywhere.
    * `:token` - at least 16 characters out of letters, digits and `-._~`. Whoever has it may see
      and change everything. On an address that others can reach there is always a token: if you
      give none, the dashboard makes one and logs it once.
    * `:hosts` - other names, beside `localhost` and the address, under which the page is reached.
    * `:ssl` - options of `:ssl.handshake/2`, as `[certfile: "cert.pem", keyfile: "key.pem"]`:
      then everything goes over TLS. The dashboard tries a handshake at its start.
  """

  alias Cambrian.{Boundary, Error}

  @doc """
  Starts the dashboard, and the application if it does not run. It ends with the application.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0, token: "correct-horse-battery")
      iex> {:error, {:already_started, _}} = Cambrian.Dashboard.start(port: 0)
      iex> Cambrian.Dashboard.stop()
      :ok
      iex> Cambrian.Dashboard.start(prot: 4040)
      {:error,
       {:unknown_option, :prot,
        %{did_you_mean: :port, see: "type cambrian_dashboard:options()"}}}
  """
  @spec start(keyword) :: {:ok, pid} | {:error, Error.reason()}
  def start(opts \\ []) do
    with {:ok, options} <- Boundary.to_map(:options, opts),
         do: :cambrian_dashboard.start(options)
  end

  @doc """
  Ends the dashboard and its connections; also `:ok` if there is none.

      iex> Cambrian.Dashboard.stop()
      :ok
  """
  @spec stop() :: :ok
  defdelegate stop, to: :cambrian_dashboard

  @doc """
  Returns its URL, with its token if it has one: so keep the URL for yourself. Exits with
  `:noproc` if there is no dashboard.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0, token: "correct-horse-battery")
      iex> Cambrian.Dashboard.url() =~ ~r"^http://127.0.0.1:[0-9]+/.token=correct-horse-battery$"
      true
      iex> Cambrian.Dashboard.stop()
      :ok
  """
  @spec url() :: String.t()
  defdelegate url, to: :cambrian_dashboard

  @doc """
  Ends the sessions of all browsers and closes their pages; returns how many there were. Somebody
  with the token can log in again; to keep them out, restart the dashboard with another token. 0
  if there is no dashboard.

      iex> {:ok, _} = Cambrian.Dashboard.start(port: 0, token: "correct-horse-battery")
      iex> Cambrian.Dashboard.end_sessions()
      0
      iex> Cambrian.Dashboard.stop()
      :ok
  """
  @spec end_sessions() :: non_neg_integer
  defdelegate end_sessions, to: :cambrian_dashboard
end
