# Not *_test.exs, which Cambrian's own `mix test` would find: bin/test runs it by name.
defmodule MixAppCheck do
  use ExUnit.Case

  test "a dependency on Cambrian evolves" do
    assert {:ok, %{solved: true}} = MixApp.evolve()
  end

  test "it finds the helper for Gymnasium" do
    {:program, %{args: [helper | _]}} = Cambrian.Program.gymnasium("CartPole-v1")
    assert File.regular?(helper)
  end

  test "h shows the docs, of Erlang too" do
    require IEx.Helpers
    {:ok, _} = Application.ensure_all_started(:iex)
    erlang = ExUnit.CaptureIO.capture_io(fn -> IEx.Helpers.h(:cambrian.evolve() / 2) end)
    assert erlang =~ "@spec evolve(:cambrian_task.task()"
    assert erlang =~ "Evolves"
    elixir = ExUnit.CaptureIO.capture_io(fn -> IEx.Helpers.h(Cambrian.evolve()) end)
    assert elixir =~ "Evolves"
  end
end
