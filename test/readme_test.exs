defmodule ReadmeTest do
  use ExUnit.Case, async: true

  # What is shown of iex is typed in, and must answer what it says it answers.
  for file <- ["README.md", "docs/mesh.md", "docs/trust.md"] do
    test "the iex session of #{file}", do: assert_session(unquote(file))
  end

  defp assert_session(file) do
    [session] = Regex.run(~r/```iex\n(.*?)```/s, File.read!(file), capture: :all_but_first)
    steps = session |> String.split(~r/^iex> /m, trim: true) |> Enum.map(&typed_and_answer/1)
    assert length(steps) >= 3

    Enum.reduce(steps, [], fn {typed, answer}, bindings ->
      {value, bindings} = Code.eval_string(typed, bindings)
      assert {typed, plain(inspect(value, limit: :infinity))} == {typed, plain(answer)}
      bindings
    end)
  end

  # The expression is the first line.
  defp typed_and_answer(step) do
    [typed, answer] = String.split(step, "\n", parts: 2)
    {typed, answer}
  end

  # Times and processes differ from run to run.
  defp plain(text) do
    text
    |> String.replace(~r/\s/, "")
    |> String.replace(~r/elapsed_ms:\d+/, "elapsed_ms:_")
    |> String.replace(~r/#PID<[\d.]+>/, "#PID<_>")
  end
end
