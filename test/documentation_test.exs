defmodule Cambrian.DocumentationTest do
  # Every public module, function and callback has a doc; every function has a spec and an
  # example.
  use ExUnit.Case, async: true

  {:ok, modules} = :application.get_key(:cambrian, :modules)
  elixir = Enum.filter(modules, &String.starts_with?(Atom.to_string(&1), "Elixir.Cambrian"))
  protocols = for module <- elixir, function_exported?(module, :__impl__, 1), do: module
  @modules elixir -- protocols

  test "every module has a moduledoc or is hidden" do
    assert [] ==
             for(
               module <- @modules,
               {_, _, _, _, :none, _, _} <- [Code.fetch_docs(module)],
               do: module
             )
  end

  test "every function and callback has a doc" do
    assert [] ==
             for(
               {module, {{kind, _, _} = what, _, _, :none, _}} <- entries(),
               kind != :type,
               do: {module, what}
             )
  end

  test "every function has a spec" do
    assert [] ==
             for(
               {module, {{:function, name, arity}, _, _, doc, meta}} <- entries(),
               is_map(doc),
               {:ok, specs} = Code.Typespec.fetch_specs(module),
               Enum.all?(
                 (arity - Map.get(meta, :defaults, 0))..arity,
                 &(not List.keymember?(specs, {name, &1}, 0))
               ),
               do: {module, name, arity}
             )
  end

  test "every function has an example, which is a doctest" do
    assert [] ==
             for(
               {module, {{:function, name, arity}, _, _, %{"en" => doc}, _}} <- entries(),
               not (doc =~ ~r/^    iex> /m),
               do: {module, name, arity}
             )
  end

  # Without the functions that others define: a struct and the callbacks of a protocol or a
  # behaviour have docs of their own.
  defp entries do
    for module <- @modules,
        {:docs_v1, _, _, _, about, _, docs} <- [Code.fetch_docs(module)],
        about != :hidden,
        {{_, name, _}, _, _, _, _} = entry <- docs,
        name not in [:__struct__, :exception, :message],
        do: {module, entry}
  end
end
