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
end
