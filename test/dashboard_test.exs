defmodule Cambrian.DashboardTest do
  use ExUnit.Case

  doctest Cambrian.Dashboard

  test "its options are those of Erlang, and told of" do
    {:docs_v1, _, _, _, %{"en" => told}, _, _} = Code.fetch_docs(Cambrian.Dashboard)
    {:ok, types} = Code.Typespec.fetch_types(:cambrian_dashboard)
    {_, {:options, {:type, _, :map, fields}, _}} = List.keyfind(types, :type, 0)
    assert length(fields) == 4
    for {:type, _, _, [{:atom, _, name} | _]} <- fields, do: assert(told =~ "`:#{name}` - ")
  end

  test "a mistake is said in words" do
    {:error, reason} = Cambrian.Dashboard.start(token: "short")

    assert Exception.message(Cambrian.Error.exception(reason)) =~
             "option :token must be at least 16 letters"
  end
end
