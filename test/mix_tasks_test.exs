defmodule MixTasksTest do
  # Not async: all tests share the device of standard error.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  defmodule Half do
    use Cambrian.Task

    @impl true
    def init(_), do: {:ok, %{inputs: 1, outputs: 1}, nil}

    @impl true
    def evaluate(network, nil) do
      [output] = Cambrian.Network.activate(network, [1])
      1 - abs(output - 0.5)
    end
  end

  @solved "xor: solved. 24 generations, 3290 evaluations, "

  test "cambrian.evolve runs a built-in task and a module of the project" do
    assert capture_io(fn -> evolve(~w(xor --seed 42 --quiet)) end) =~ @solved

    module = inspect(Half)
    args = [module | ~w(--seed 1 --target 0.99 --quiet)]
    assert capture_io(fn -> evolve(args) end) =~ "#{module}: solved. "
  end

  test "progress and errors are on standard error, and an error sets the status" do
    assert capture_io(:stderr, fn -> capture_io(fn -> evolve(~w(xor --seed 42)) end) end) =~
             ~r/^0%, generation 0, best 2.9998/

    mistake = fn -> assert catch_exit(evolve(~w(xor --sede 42))) == {:shutdown, 2} end
    help = "mix cambrian.evolve --help lists the options"

    assert capture_io(:stderr, mistake) ==
             "cambrian: --sede: there is no such option (did you mean --seed?); #{help}\n"
  end

  test "cambrian.resume continues a run and cambrian.inspect shows its checkpoint" do
    dir =
      Path.join(
        System.tmp_dir!(),
        "cambrian_#{System.unique_integer([:positive])}_#{System.pid()}"
      )

    on_exit(fn -> File.rm_rf!(dir) end)
    at = ["--data-dir", dir]

    where =
      capture_io(:stderr, fn ->
        capture_io(fn ->
          evolve(~w(xor --seed 42 --generations 5 --quiet --name mix_tasks_test) ++ at)
        end)
      end)

    assert where =~ "mix cambrian.resume mix_tasks_test --data-dir #{dir}"

    resume = fn ->
      run("resume", ~w(mix_tasks_test --generations 1000 --quiet) ++ at)
    end

    capture_io(:stderr, fn -> send(self(), {:resumed, capture_io(resume)}) end)
    assert_received {:resumed, @solved <> _}

    shown = capture_io(fn -> run("inspect", ["mix_tasks_test" | at]) end)
    assert shown =~ "  name         mix_tasks_test\n"
    assert shown =~ "Fitness: * best, . mean"
  end

  test "cambrian.export and cambrian.import convert genotypes" do
    path = fn name ->
      Path.join(
        System.tmp_dir!(),
        "#{System.unique_integer([:positive])}_#{System.pid()}_#{name}"
      )
    end

    [json, copy] = files = [path.("a.json"), path.("copy.genotype")]
    on_exit(fn -> Enum.each(files, &File.rm/1) end)
    {:ok, genotype} = Cambrian.Genotype.new(inputs: 2, outputs: 1, seed: 7)
    File.write!(json, Cambrian.Genotype.to_json(genotype))

    assert capture_io(fn -> run("import", [json, "--out", copy]) end) =~ "Written: #{copy}\n"
    assert File.read!(copy) == Cambrian.Genotype.to_binary(genotype)

    assert capture_io(fn -> run("export", [copy, "--to", "json"]) end) ==
             Cambrian.Genotype.to_json(genotype)
  end

  test "the status of mix is that of the task" do
    mix = fn args ->
      System.cmd("mix", args, stderr_to_stdout: true, env: [{"MIX_ENV", "test"}])
    end

    assert {out, 0} = mix.(~w(cambrian.evolve xor --seed 42 --quiet))
    assert out =~ @solved
    assert {out, 2} = mix.(~w(cambrian.evolve xor --generations none))
    assert out =~ "cambrian: --generations none: expected a positive integer; "
  end

  @tag timeout: 600_000
  test "Ctrl-C and SIGTERM end a run, which writes its result" do
    for {signal, status} <- [INT: 130, TERM: 143] do
      dir = temporary("interrupted")
      args = ~w(cambrian.evolve double_pole_novel --seed 1 --target 999999 --cpu 0.2 --out #{dir})
      port = open("mix", args, [])
      {:os_pid, pid} = Port.info(port, :os_pid)
      said = wait_for(port, "generation 0, ", "")
      {"", 0} = System.cmd("kill", ["-#{signal}", "#{pid}"])
      assert {^status, rest} = wait_for_end(port, said)
      assert rest =~ "SIG#{signal}: it ends with what there is"
      assert rest =~ "double_pole_novel: interrupted. "

      assert ["champion.genotype", "champion.svg", "report.html"] ==
               dir |> File.ls!() |> Enum.sort()
    end
  end

  @tag timeout: 600_000
  test "names work in any locale, and output that cannot be written sets the status" do
    dir = temporary("größe日本")
    run = fn args, env -> wait_for_end(open("mix", args, env), "") end
    c = [{~c"LC_ALL", ~c"C"}]
    named = ["--name", "größe", "--data-dir", dir, "--quiet"]

    assert {0, out} =
             run.(~w(cambrian.evolve xor --seed 42 --generations 3 --out #{dir}/ö) ++ named, c)

    assert out =~ "Written: #{dir}/ö/champion.genotype"
    assert File.regular?("#{dir}/ö/champion.genotype")
    assert ["gr%C3%B6%C3%9Fe"] == File.ls!("#{dir}/populations")

    assert {0, out} =
             run.(~w(cambrian.resume größe --generations 1000 --quiet --data-dir) ++ [dir], [])

    assert out =~ @solved
    assert {2, out} = run.(~w(cambrian.evolve xor --target −5), c)
    assert out =~ "cambrian: --target −5: expected a number; "

    assert {1, out} =
             wait_for_end(
               open("sh", ["-c", "mix cambrian.evolve xor --quiet 2>&1 >/dev/full"], []),
               ""
             )

    assert out =~ "cambrian: standard output: no space left on device"
  end

  test "mix help lists every task" do
    for name <- ~w(evolve resume inspect archive export import) do
      task = Mix.Task.get!("cambrian.#{name}")
      assert Mix.Task.shortdoc(task)
      assert Mix.Task.moduledoc(task) =~ "mix cambrian.#{name} "
    end
  end

  defp temporary(name) do
    dir =
      Path.join(
        System.tmp_dir!(),
        "cambrian_#{System.unique_integer([:positive])}_#{System.pid()}_#{name}"
      )

    on_exit(fn -> File.rm_rf!(dir) end)
    dir
  end

  defp open(command, args, env) do
    options = [:binary, :exit_status, :stderr_to_stdout, args: args]
    env = [{~c"MIX_ENV", ~c"test"} | env]
    Port.open({:spawn_executable, System.find_executable(command)}, [{:env, env} | options])
  end

  defp wait_for(port, text, said) do
    if said =~ text do
      said
    else
      receive do
        {^port, {:data, data}} -> wait_for(port, text, said <> data)
        {^port, {:exit_status, status}} -> flunk("ended with #{status}, and said only: #{said}")
      after
        240_000 -> flunk("did not say #{text}, but: #{said}")
      end
    end
  end

  defp wait_for_end(port, said) do
    receive do
      {^port, {:data, data}} -> wait_for_end(port, said <> data)
      {^port, {:exit_status, status}} -> {status, said}
    after
      240_000 -> flunk("did not end: #{said}")
    end
  end

  defp evolve(args), do: run("evolve", args)

  defp run(name, args) do
    Mix.Task.reenable("cambrian.#{name}")
    Mix.Task.run("cambrian.#{name}", args)
  end
end
