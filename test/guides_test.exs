defmodule GuidesTest do
  @moduledoc """
  The Elixir in README.md and docs/*.md, run in the order of each document: see test/cambrian_document.erl.
  """

  # Not async: it changes the current folder and restarts the application.
  use ExUnit.Case

  for name <- [~c"cambrian_checkout", ~c"cambrian_document"] do
    {:ok, module, code} = :compile.file(~c"test/" ++ name, [:binary, :report_errors])
    {:module, ^module} = :code.load_binary(module, name ++ ~c".erl", code)
  end

  for document <- :cambrian_document.all(),
      Enum.any?(:cambrian_document.blocks(document), &(:cambrian_document.runner(&1) == :exunit)) do
    @tag timeout: 300_000
    test "the Elixir of #{document}", do: run_document(unquote(document))
  end

  setup do
    on_exit(&anew/0)
  end

  # Without the settings of a session.
  defp anew do
    for {key, _} <- Application.get_all_env(:cambrian), do: Application.delete_env(:cambrian, key)
    restart()
  end

  defp restart do
    _ = Application.stop(:cambrian)
    {:ok, _} = Application.ensure_all_started(:cambrian)
  end

  defp run_document(document) do
    blocks = :cambrian_document.blocks(document)

    try do
      File.cd!(:cambrian_document.scratch(:exunit, document), fn ->
        Enum.reduce(blocks, [], &block/2)
      end)
    after
      for %{kind: "elixir", text: text} <- blocks,
          [name] <- Regex.scan(~r/^defmodule ([\w.]+)/m, text, capture: :all_but_first) do
        module = Module.concat([name])
        :code.delete(module) && :code.purge(module)
      end
    end
  end

  # The bindings of `elixir` blocks are kept from block to block; a session starts without any.
  defp block(block, bindings) do
    runner = :cambrian_document.runner(block)
    if runner in [:eunit, :exunit, :file], do: :cambrian_document.write(block, File.cwd!())

    case {runner, block.kind} do
      {:exunit, "iex"} ->
        anew()
        session(block)
        bindings

      {:exunit, "elixir"} ->
        elixir(block, bindings)

      _ ->
        bindings
    end
  end

  defp elixir(%{text: text} = block, bindings) do
    cond do
      # the form of a project's configuration
      text =~ ~r/\A(import Config|config )/ ->
        start_with(Config.Reader.eval!("config.exs", "import Config\n" <> text))
        bindings

      # the deps of a mix.exs
      text =~ ~r/\A(defp? deps|\{:cambrian, )/ ->
        Code.string_to_quoted!(text)
        bindings

      true ->
        {_value, bindings} = eval(block, text, bindings)
        bindings
    end
  end

  defp start_with(cambrian: environment) do
    before = Application.get_all_env(:cambrian)

    try do
      # another program may use the port
      tried =
        environment
        |> Keyword.delete(:data_dir)
        |> Keyword.replace_lazy(:dashboard, &Map.replace(&1, :port, 0))

      Application.put_all_env(cambrian: tried)
      restart()
    after
      for {key, _} <- environment, do: Application.delete_env(:cambrian, key)
      Application.put_all_env(cambrian: before)
      restart()
    end
  end

  defp session(%{text: text} = block) do
    steps = text |> String.split(~r/^iex> /m, trim: true) |> Enum.map(&typed_and_answer/1)
    assert steps != [] and String.starts_with?(text, "iex> "), at(block) <> ": no prompt"

    Enum.reduce(steps, [], fn {typed, expected}, bindings ->
      {seen, bindings} = answer(block, typed, expected, bindings)

      unless plain(expected) in ["", plain(seen)],
        do: flunk("#{at(block)}\ntyped: #{typed}\nexpected: #{expected}\nseen: #{seen}")

      bindings
    end)
  end

  # An expression continues after `...> `.
  defp typed_and_answer(step) do
    [first | rest] = String.split(step, "\n")
    {more, answer} = Enum.split_while(rest, &String.starts_with?(&1, "...> "))

    {Enum.join([first | Enum.map(more, &String.trim_leading(&1, "...> "))], "\n"),
     Enum.join(answer, "\n")}
  end

  defp answer(block, typed, "** (" <> _, bindings) do
    Code.eval_string(typed, bindings)
    flunk("#{at(block)}\ntyped: #{typed}\nseen: no exception")
  rescue
    error in ExUnit.AssertionError -> reraise error, __STACKTRACE__
    error -> {Exception.format_banner(:error, error), bindings}
  end

  defp answer(block, typed, _expected, bindings) do
    {value, bindings} = eval(block, typed, bindings)
    {inspect(value, limit: :infinity, printable_limit: :infinity), bindings}
  end

  defp eval(block, text, bindings) do
    Code.eval_string(text, bindings, file: to_string(block.document), line: block.line + 1)
  rescue
    error ->
      flunk(
        "#{at(block)}\ntyped: #{text}\nseen: #{Exception.format(:error, error, __STACKTRACE__)}"
      )
  end

  defp at(block), do: block |> :cambrian_document.title() |> to_string()

  # Times and process ids differ from run to run, and line breaks do not matter.
  defp plain(text) do
    text
    |> String.replace(~r/\s/, "")
    |> String.replace(~r/(elapsed_ms|evaluations_per_second): ?\d+/, "\\1:_")
    |> String.replace(~r/#(PID|Reference|Function)<[^>]+>/, "#\\1<_>")
  end
end
