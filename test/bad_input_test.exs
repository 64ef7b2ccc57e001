defmodule Cambrian.BadInputTest do
  @moduledoc "The texts of test/cambrian_bad_input_tests.erl, as Elixir writes them."
  use ExUnit.Case, async: true

  @options [seed: 1, population: 6, generations: 2, target: 1000]

  defmodule Lift do
    use Cambrian.Environment

    @impl true
    def init(args), do: {:ok, %{inputs: 1, outputs: 2, steps: 3}, args}

    @impl true
    def reset(_episode, args), do: {[0], {0, args}}

    @impl true
    def step([up, down], {height, args}) do
      reward = Keyword.get(args, :reward, 0)
      {Keyword.get(args, :seen, [height]), reward, {height + up - down, args}}
    end

    @impl true
    def score({height, args}), do: Keyword.get(args, :score, %{behaviour: [height]})
  end

  defp message(task, opts) do
    {:error, reason} = Cambrian.evolve(task, @options ++ opts)
    reason |> Cambrian.Error.exception() |> Exception.message()
  end

  defp first_fault(task, opts) do
    [_, fault] = task |> message(opts) |> String.split("; the first: ")
    fault
  end

  test "a bad parameter of a search is an error in words" do
    elites = fn params -> message(:maze_medium, search: :map_elites, params: params) end

    assert elites.(bounds: [{1, 0}, {0, 1}]) ==
             "parameter :bounds must be a list of pairs of a lower and a higher number, got: " <>
               "[{1, 0}, {0, 1}]"

    assert elites.(bounds: [{0, 1}]) ==
             "parameter :bounds must be 2 pairs, as many as the behaviour of maze_medium has " <>
               "numbers, got: [{0, 1}]"

    assert elites.(cells: 1_000_000_000_000) ==
             "parameter :cells must be an integer from 1 to 1000000, got: 1000000000000"

    assert message(:xor, search: :pareto, params: [objectives: [:fitness, :fitness]]) ==
             "parameter :objectives must be a list with fitness once, got: [:fitness, :fitness]"
  end

  test "a bad score is a fault in words" do
    fault = fn score, opts -> first_fault(fn _ -> score end, [inputs: 1, outputs: 1] ++ opts) end
    bounds = [search: :map_elites, params: [bounds: [{0, 1}, {0, 1}]]]

    assert fault.(%{fitness: 1, behaviour: [1, 2, 3]}, bounds) ==
             "it gave 3 numbers as :behaviour, expected 2 numbers, as the parameter bounds has"

    assert fault.(%{fitness: 1, behaviour: [:nan, 0]}, bounds) ==
             "it gave [:nan, 0] as :behaviour, expected a list of finite numbers"

    assert fault.({:ok, 1}, []) == "it gave {:ok, 1}, expected a finite number"

    assert fault.(%{fit: 1}, []) ==
             "it gave %{fit: 1}, expected a finite number, or a map with fitness or objectives"
  end

  test "a bad score of an environment is a fault in words" do
    fault = fn args -> first_fault({Lift, args}, search: :novelty) end

    assert fault.(score: [1]) ==
             "Cambrian.BadInputTest.Lift.score/1 returned [1], expected a map with :behaviour, " <>
               ":objectives or :cases"

    assert fault.(score: %{behaviour: [:up]}) ==
             "it gave [:up] as :behaviour, expected a list of finite numbers"

    assert fault.(reward: 1.0e30) ==
             "a reward was 1.0e30, expected a number within plus and minus 1.0e12"

    assert fault.(seen: [:on]) ==
             "an observation was [:on], expected a list of numbers or a binary of 32-bit floats"

    assert fault.(reward: nil) ==
             "Cambrian.BadInputTest.Lift.step/2 returned {[0], nil, {0.0, [reward: nil]}}, expected " <>
               "{observation, reward, state}, {:done, reward} or {:done, reward, state}, with a " <>
               "number as reward"
  end

  test "a bad archive or option is an error in words" do
    archive = fn task, params ->
      Cambrian.evolve!(task, @options ++ [search: :map_elites, params: params]).archive
    end

    {:error, reason} = Cambrian.Archive.merge(archive.(:maze_medium, []), archive.(:xor, []))

    assert Exception.message(Cambrian.Error.exception(reason)) ==
             "these archives cannot be merged: the archives are of different tasks"
  end
end
