defmodule Cambrian.Program do
  @moduledoc """
  Runs environments in another program, in any language; Gymnasium's come ready to use.

      task = Cambrian.Program.gymnasium("CartPole-v1", command: "venv/bin/python", episodes: 10)
      {:ok, result} = Cambrian.evolve(task, target: 475, seed: 1)

  A program keeps running from generation to generation, and is started again when it dies. If it
  dies, hangs or answers rubbish, the networks that were with it are tried again in halves, until
  the network that causes the failure is alone; only that network has no fitness.

  `docs/programs.md` says how to write one.
  """

  alias Cambrian.Boundary

  @typedoc "A task of `Cambrian.evolve/2`."
  @type task :: {:program, map}

  @doc """
  Makes a task of a program of your own.

      iex> Cambrian.Program.new(command: "no_such_program") |> Cambrian.evolve()
      {:error, {:program, "no_such_program", :program_not_found}}

  Options, of which `:command` is required:

    * `:command` - looked for on the `PATH`.
    * `:args`, `:env`, `:cd` - arguments, additions to the environment (`{name, value}`, `false`
      to remove a variable), and the folder.
    * `:validation_args` - the arguments for held-out episodes. Default `:args`.
    * `:name` - an atom, the task's name in checkpoints and on the mesh. Default `:program`.
    * `:steps` - how many steps an episode lasts at most. Default the program's number, else
      1,000.
    * `:episodes` - how many episodes a network lives. Default 1.
    * `:processes` - how many copies of the program run at the same time at most. Default 1.
    * `:timeout`, `:start_timeout` - milliseconds for an answer, 2,000, and for its first message,
      30,000.
    * `:idle` - after how many milliseconds without use the program is ended. Default 30,000.
    * `:normalise`, `:fresh_episodes`, `:validation` - as in `c:Cambrian.Environment.init/1`.
  """
  @spec new(keyword) :: task
  def new(opts), do: {:program, opts |> map() |> with_env()}

  @doc """
  Makes a task of an environment of Gymnasium.

      iex> task = Cambrian.Program.gymnasium("Pendulum-v1", episodes: 3, range: {-1, 1})
      iex> {:program, options} = task
      iex> Map.delete(options, :args)
      %{command: "python3", episodes: 3, name: :"Pendulum-v1"}

  The options are those of `new/1`, with `"python3"` as the default `:command`, and

    * `:seed` - episode n begins with the seed plus n. Default 0.
    * `:range` - the range of a network's outputs, which is mapped to the bounds of a continuous
      action. Default `{0, 1}`.
    * `:scale` - which observations are mapped to -1..1: with `:auto`, the default, those with
      bounds within -10..10, with `true` all with bounds, with `false` none.
    * `:kwargs` - the keyword arguments of `gymnasium.make`.
    * `:training` - further ones, which held-out episodes do not have.
    * `:score` - what an episode gives besides its rewards: `:observation` gives the last
      observation as the behaviour, as the network sees it; `"module:function"` names a function in
      Python, which `docs/programs.md` describes.
  """
  @spec gymnasium(String.t(), keyword) :: task
  def gymnasium(environment, opts \\ []) do
    {:program, options} = :cambrian_program.gymnasium(environment, opts |> map() |> with_kwargs())
    {:program, options |> with_env() |> Map.update!(:command, &to_string/1)}
  end

  defp map(opts) do
    case Boundary.to_map(:options, opts) do
      {:ok, map} -> map
      {:error, reason} -> raise Cambrian.Error, reason
    end
  end

  # Erlang's ports want them so.
  defp with_env(%{env: env} = options) when is_list(env) or is_map(env) do
    charlist = fn text -> if is_binary(text), do: String.to_charlist(text), else: text end
    %{options | env: for({name, value} <- env, do: {charlist.(name), charlist.(value)})}
  end

  defp with_env(options), do: options

  defp with_kwargs(options) do
    Map.merge(options, Map.new(Map.take(options, [:kwargs, :training]), &with_map/1))
  end

  defp with_map({name, arguments}), do: {name, Map.new(arguments)}
end
