defmodule Cambrian.PictureTest do
  use ExUnit.Case, async: true

  doctest Cambrian.Picture
  doctest Cambrian.Recorder
  doctest Cambrian.Report

  test "options must be a keyword list" do
    assert_raise Cambrian.Error, ~r/a keyword list/, fn ->
      Cambrian.Picture.fitness([], %{title: 1})
    end
  end

  test "a misspelt option is named" do
    {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)

    for {draw, page} <- [
          {&Cambrian.Picture.network(genotype, &1), "network/2"},
          {&Cambrian.Picture.fitness([], &1), "fitness/2"},
          {&Cambrian.Picture.species([], &1), "fitness/2"}
        ] do
      error = assert_raise Cambrian.Error, fn -> draw.(widht: 300) end

      assert Exception.message(error) ==
               "unknown option :widht (did you mean :width?); Cambrian.Picture.#{page} lists them"
    end
  end
end
