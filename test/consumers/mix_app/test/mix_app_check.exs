# Not *_test.exs, which Cambrian's own `mix test` would find: bin/test runs it by name.
defmodule MixAppCheck do
  use ExUnit.Case

  test "a dependency on Cambrian evolves" do
    assert {:ok, %{solved: true}} = MixApp.evolve()
  end
end
