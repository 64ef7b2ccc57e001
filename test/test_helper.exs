# Processes that a test kills are not logged.
killed = fn
  %{msg: {:report, %{label: {:supervisor, _}, report: report}}}, _ ->
    if report[:reason] == :killed, do: :stop, else: :ignore

  _, _ ->
    :ignore
end

:ok = :logger.add_primary_filter(:killed_on_purpose, {killed, []})

# The guides show it, and newer releases of Elixir hide what mix.exs does not name.
if function_exported?(Mix, :ensure_application!, 1), do: Mix.ensure_application!(:sasl)

# Nx itself if CAMBRIAN_NX has its compiled folders and those of its dependencies, with colons
# between them; else a stand-in.
for path <- "CAMBRIAN_NX" |> System.get_env("") |> String.split(":", trim: true) do
  true = Code.prepend_path(path)
end

if Code.ensure_loaded?(Nx),
  do: {:ok, _} = Application.ensure_all_started(:nx),
  else: Code.require_file("support/nx.exs", __DIR__)

# Timeouts for a busy machine: elsewhere the tests wait only a moment.
ExUnit.start(timeout: 600_000, assert_receive_timeout: 300_000)
