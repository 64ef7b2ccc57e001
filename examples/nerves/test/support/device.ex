defmodule WarmBox.Device do
  @moduledoc """
  The application in a VM of its own, which can be cut off from its power.
  """

  @doc """
  Starts one with this environment of `:warm_box` and of `:cambrian`.

    * `:wrapped_in` - what its command is given to, such as `["sh", "-c", "ulimit -f 8; exec \\"$@\\"", "sh"]`.
    * `:distributed` - whether it can be a node, with the flags of `rel/vm.args.eex`.
    * `:library` - the directory of Cambrian to take.
  """
  def start(env, options \\ []) do
    [first | args] = List.wrap(options[:wrapped_in]) ++ [to_string(:os.find_executable('erl'))]

    {:ok, peer, _node} =
      :peer.start_link(%{
        connection: :standard_io,
        wait_boot: 300_000,
        exec:
          {first |> System.find_executable() |> to_charlist(), Enum.map(args, &to_charlist/1)},
        args: distribution(options[:distributed]) ++ paths(options[:library])
      })

    for {app, app_env} <- env do
      _ = call(peer, :application, :load, [app])
      for {key, value} <- app_env, do: :ok = call(peer, :application, :set_env, [app, key, value])
    end

    {:ok, _} = call(peer, :application, :ensure_all_started, [:warm_box])
    peer
  end

  @doc "What `config/host.exs` has, a box that is steady at once, and this."
  def env(warm_box, cambrian \\ []) do
    host = [hardware: {WarmBox.Hardware.Simulated, []}, setpoint: 28.0, tick_ms: 1]
    quiet = [start_cpu_sup: false, start_memsup: false, start_disksup: false]

    [
      logger: [level: :critical],
      os_mon: quiet,
      cambrian: cambrian,
      warm_box: Keyword.merge(host, warm_box)
    ]
  end

  def call(peer, module, function, args), do: :peer.call(peer, module, function, args, 300_000)

  @doc "As a power cut does: nothing is written any more, nobody is told."
  def cut_power(peer) do
    Process.unlink(peer)
    monitor = Process.monitor(peer)
    {_, 0} = System.cmd("sh", ["-c", "kill -9 #{call(peer, :os, :getpid, [])}"])
    receive do: ({:DOWN, ^monitor, :process, _, _} -> :ok)
  end

  @doc "Waits until it is so."
  def until(question, ms \\ 300_000) do
    cond do
      answer = question.() ->
        answer

      ms <= 0 ->
        raise "waited five minutes for #{inspect(question)}"

      true ->
        Process.sleep(20)
        until(question, ms - 20)
    end
  end

  @doc "A directory for one test."
  def directory(name) do
    dir = Path.join(System.tmp_dir!(), "warm_box_#{System.pid()}_#{name}")
    File.rm_rf!(dir)
    File.mkdir_p!(dir)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(dir) end)
    dir
  end

  defp distribution(true) do
    ['-start_epmd', 'false', '-epmd_module', 'cambrian_epmd', '-setcookie', 'warm_box_test'] ++
      ['-kernel', 'inet_dist_use_interface', '{127,0,0,1}']
  end

  defp distribution(_), do: []

  defp paths(library) do
    ours = to_string(:code.lib_dir(:cambrian))

    for path <- :code.get_path(), path = to_string(path), String.starts_with?(path, "/") do
      ['-pa', path |> String.replace_prefix(ours, library || ours) |> to_charlist()]
    end
    |> Enum.concat()
  end
end
