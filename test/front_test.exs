defmodule Cambrian.FrontTest do
  use ExUnit.Case, async: true

  doctest Cambrian.Front

  alias Cambrian.{Front, Genotype}

  test "marks a champion that is given as a genotype or as an id" do
    result = Cambrian.evolve!(:zdt1, search: :pareto, seed: 1, generations: 5, target: 1)
    draw = &IO.iodata_to_binary(Front.to_svg(result.front, champion: &1))
    assert draw.(result.champion) == draw.(Genotype.id(result.champion))
    assert draw.(result.champion) =~ ~s(class="cb-mark cb-bold)
  end

  test "writes each network of a front" do
    front = Cambrian.evolve!(:zdt1, search: :pareto, seed: 1, generations: 5, target: 1).front

    [_ | lines] =
      front |> Front.to_csv() |> IO.iodata_to_binary() |> String.split("\n", trim: true)

    assert length(lines) == length(front)
    assert Front.to_json([]) |> IO.iodata_to_binary() == "[]"
  end

  test "names an argument that is no front" do
    [one | _] = Cambrian.evolve!(:zdt1, search: :pareto, seed: 1, generations: 2, target: 1).front
    assert_raise ArgumentError, ~r/front/, fn -> Front.to_csv([%{one | objectives: []}]) end
    assert_raise ArgumentError, ~r/lable/, fn -> Front.to_svg([one], lable: "") end
    assert_raise ArgumentError, fn -> Front.to_csv([%{one | genotype: :none}]) end
    assert_raise ArgumentError, ~r/front/, fn -> Front.to_svg([1, 2]) end
    assert_raise ArgumentError, ~r/expected a front.*nil/, fn -> Front.to_svg(nil) end
  end
end
