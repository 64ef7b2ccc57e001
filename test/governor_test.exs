defmodule Cambrian.GovernorTest do
  # Not async: the governor acts on all populations.
  use ExUnit.Case, async: false

  alias Cambrian.Governor

  setup do
    on_exit(fn ->
      :ok = Governor.configure(cpu: 1, quiet_hours: [], pause_when: :none)
      Application.delete_env(:cambrian, :governor)
    end)
  end

  doctest Governor

  test "the governor changes no result" do
    alone = Cambrian.evolve!(:xor, seed: 5)
    :ok = Governor.configure(cpu: 0.5, threads: 1)
    governed = Cambrian.evolve!(:xor, seed: 5)
    assert Cambrian.Genotype.id(governed.champion) == Cambrian.Genotype.id(alone.champion)
  end

  test "a pause stops a population" do
    :ok = Governor.configure(pause_when: fn -> true end)
    {:ok, population} = Cambrian.Population.start_link(task: :xor, seed: 1)
    :ok = Cambrian.Population.run(population)
    assert Cambrian.Population.await(population, 200) == {:error, :timeout}
    :ok = Governor.configure(pause_when: :none)
    assert {:ok, %{solved: true}} = Cambrian.Population.await(population, 300_000)
  end

  test "a wrong setting is an error and changes nothing" do
    :ok = Governor.configure(cpu: 0.5)

    assert {:error, {:bad_option, {:cpu, 2, _}}} = Governor.configure(cpu: 2, threads: 1)
    assert {:error, {:unknown_option, :gpu, _}} = Governor.configure(gpu: 1)

    assert Governor.configure(%{cpu: 1}) ==
             {:error, {:bad_option, {:settings, %{cpu: 1}, "a keyword list"}}}

    assert %{cpu: 0.5} = Governor.status()
  end
end
