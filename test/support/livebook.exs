# Evaluates a notebook as Livebook does: cell after cell in one process, which keeps bindings and
# imports. Compares the output of a cell in the notebook: the text it prints, then its value.
# Times, process ids and the like do not count.
defmodule Notebook do
  @width 80

  # `{line, code, outputs}` of each cell.
  def cells(text) do
    lines = text |> String.split("\n") |> Enum.with_index(1)
    lines |> fences(false, []) |> Enum.reduce([], &gather/2) |> Enum.reverse()
  end

  defp fences([], _output, fences), do: Enum.reverse(fences)

  defp fences([{"<!-- livebook:{\"output\":true" <> _, _} | rest], _, fences),
    do: fences(rest, true, fences)

  defp fences([{"```" <> kind, line} | rest], output, fences) do
    {body, [_ | rest]} = Enum.split_while(rest, fn {text, _} -> text != "```" end)
    body = Enum.map_join(body, "\n", &elem(&1, 0))
    fences(rest, false, [{if(output, do: :output, else: kind), line, body} | fences])
  end

  defp fences([{"", _} | rest], output, fences), do: fences(rest, output, fences)
  defp fences([_ | rest], _output, fences), do: fences(rest, false, fences)

  defp gather({"elixir", line, code}, cells), do: [{line, code, []} | cells]

  defp gather({:output, _, body}, [{line, code, outputs} | cells]),
    do: [{line, code, outputs ++ [body]} | cells]

  defp gather(_, cells), do: cells

  def run(file) do
    env = Code.env_for_eval(file: Path.expand(file))
    file |> File.read!() |> cells() |> Enum.reduce({[], env}, &evaluate(&1, &2, file))
  end

  defp evaluate({line, code, outputs}, {bindings, env}, file) do
    {:ok, device} = StringIO.open("")
    leader = Process.group_leader()
    Process.group_leader(self(), device)

    {value, bindings, env} =
      try do
        {:ok, quoted} = Code.string_to_quoted(code, file: env.file, line: line + 1)
        Code.eval_quoted_with_env(quoted, bindings, env)
      after
        Process.group_leader(self(), leader)
      end

    {:ok, {_, printed}} = StringIO.close(device)
    compare(outputs, [printed, shown(value)], "#{file}:#{line}")
    {bindings, env}
  end

  defp shown(value), do: inspect(value, pretty: true, width: @width)

  # If a cell has two outputs, the first is the printed text.
  defp compare(outputs, seen, place) do
    seen = Enum.take(seen, -length(outputs))

    for {said, seen} <- Enum.zip(outputs, seen), plain(said) != plain(seen) do
      IO.puts("#{place}: the notebook says\n#{said}\nand it is\n#{seen}")
      System.halt(1)
    end
  end

  defp plain(text) do
    [
      {~r/#(Reference|PID|Port)<[0-9.]+>/, "\\1"},
      {~r/elapsed_ms: \d+/, "elapsed_ms"},
      {~r/\s+/, " "}
    ]
    |> Enum.reduce(text, fn {pattern, same}, text -> Regex.replace(pattern, text, same) end)
    |> String.trim()
  end
end

System.argv() |> Enum.each(&Notebook.run/1)
