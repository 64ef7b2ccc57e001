defmodule Cambrian.FederationTest do
  use ExUnit.Case

  doctest Cambrian.Federation
end
