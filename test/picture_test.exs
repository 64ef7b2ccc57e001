defmodule Cambrian.PictureTest do
  use ExUnit.Case, async: true

  doctest Cambrian.Picture
  doctest Cambrian.Recorder
  doctest Cambrian.Report

  test "an option that is none is an error as everywhere" do
    assert_raise Cambrian.Error, ~r/a keyword list/, fn ->
      Cambrian.Picture.fitness([], %{title: 1})
    end
  end
end
