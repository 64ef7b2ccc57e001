# What a test kills on purpose is no news.
killed = fn
  %{msg: {:report, %{label: {:supervisor, _}, report: report}}}, _ ->
    if report[:reason] == :killed, do: :stop, else: :ignore

  _, _ ->
    :ignore
end

:ok = :logger.add_primary_filter(:killed_on_purpose, {killed, []})

ExUnit.start()
