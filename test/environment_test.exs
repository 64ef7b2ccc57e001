defmodule Cambrian.EnvironmentTest do
  use ExUnit.Case, async: true

  doctest Cambrian.Environment
  doctest Cambrian.Program

  alias Cambrian.{Error, Genotype, Network, Program}

  # An environment with binaries, as Nx uses them; one of its two episodes ends early.
  defmodule Walk do
    use Cambrian.Environment

    @impl true
    def init(aim: aim), do: {:ok, %{inputs: 2, outputs: 1, steps: 10, episodes: 2}, aim}

    @impl true
    def reset(episode, aim), do: {see(0.0, aim), {0.0, aim, episode}}

    @impl true
    def step(<<output::float-little-32>>, {at, aim, episode}) do
      next = at + output - 0.5

      if episode == 1 and abs(next - aim) < 0.01,
        do: {:done, 10},
        else: {see(next, aim), -abs(next - aim), {next, aim, episode}}
    end

    defp see(at, aim), do: <<at::float-little-32, aim::float-little-32>>
  end

  defmodule Failing do
    use Cambrian.Environment

    def init(:rubbish), do: :rubbish
    def init(_), do: {:ok, %{inputs: 1, outputs: 1}, nil}
    def reset(_episode, _config), do: raise("no start")
    def step(_outputs, _state), do: {:done, 0}
  end

  test "an environment of binaries evolves and repeats" do
    evolve = fn -> Cambrian.evolve!({Walk, aim: 0.5}, generations: 5, seed: 3) end
    %{champion: champion, fitness: fitness} = evolve.()
    assert %{fitness: ^fitness, champion: again} = evolve.()
    assert Genotype.id(champion) == Genotype.id(again)
    assert fitness > -2
    assert %Network{} = Network.compile(champion)
  end

  test "a failure names its function" do
    assert {:error, {:bad_return, {Failing, :init, 1}, :rubbish}} =
             Cambrian.evolve({Failing, :rubbish})

    {:error, reason} = Cambrian.evolve(Failing, target: 0)
    message = Exception.message(Error.exception(reason))
    assert message =~ "all 150 evaluations failed; the first: ** (RuntimeError) no start"
    assert message =~ "Cambrian.EnvironmentTest.Failing.reset/2"
  end

  test "a program that cannot run is explained" do
    {:error, reason} = Cambrian.evolve(Program.new(command: "no_such_program"))

    assert Exception.message(Error.exception(reason)) ==
             ~s(the program "no_such_program" is not on the PATH)

    {:error, reason} = Cambrian.evolve(Program.new(command: "false"))

    assert Exception.message(Error.exception(reason)) =~
             ~r/^the program "false" ended with status 1/

    {:error, reason} = Cambrian.evolve(Program.new(command: "x", proceses: 2))

    assert Exception.message(Error.exception(reason)) ==
             "unknown option :proceses (did you mean :processes?); Cambrian.Program lists them"

    assert_raise Error, ~r/keyword list/, fn -> Program.new(%{command: "x"}) end
  end

  test "a program gets the environment variables of its task" do
    say = ~S(test "$WORLD" = small && test -z "$HOME" && exit 5)

    task =
      Program.new(command: "sh", args: ["-c", say], env: %{"WORLD" => "small", "HOME" => false})

    assert {:error, {:program, "sh", {:program_exited, 5}}} = Cambrian.evolve(task)
  end

  test "the task of Gymnasium names the path of its helper" do
    {:program, %{args: [helper | _]}} =
      Program.gymnasium("CartPole-v1", kwargs: [render_mode: nil])

    assert File.read!(helper) == File.read!("python/cambrian_gym.py")
  end
end
