defmodule Cambrian.DashboardTest do
  use ExUnit.Case

  doctest Cambrian.Dashboard

  test "every option of the dashboard in Erlang is documented in Elixir" do
    {:docs_v1, _, _, _, %{"en" => told}, _, _} = Code.fetch_docs(Cambrian.Dashboard)
    {:ok, types} = Code.Typespec.fetch_types(:cambrian_dashboard)
    {_, {:options, {:type, _, :map, fields}, _}} = List.keyfind(types, :type, 0)
    assert length(fields) == 5
    for {:type, _, _, [{:atom, _, name} | _]} <- fields, do: assert(told =~ "`:#{name}` - ")
  end

  test "a wrong option is explained" do
    {:error, reason} = Cambrian.Dashboard.start(token: "short")

    assert Exception.message(Cambrian.Error.exception(reason)) =~
             "option :token must be at least 16 letters"

    {:error, reason} = Cambrian.Dashboard.start(port: 0, ssl: [certfile: "/nowhere.pem"])

    assert Exception.message(Cambrian.Error.exception(reason)) =~
             "option :ssl must be a certificate in PEM as certfile, got: \"certfile /nowhere.pem: no such file or directory\""
  end
end
