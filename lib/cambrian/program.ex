defmodule Cambrian.Program do
  @moduledoc """
  Environments in another program, in whatever language: Gymnasium's come ready to use.

      task = Cambrian.Program.gymnasium("CartPole-v1", command: "venv/bin/python", episodes: 10)
      {:ok, result} = Cambrian.evolve(task, target: 475, seed: 1)

  A program runs on from generation to generation, and is started again when it died. If it dies,
  hangs or answers rubbish, the networks that were with it are tried again in halves, until the one
  with which it does so is alone; only that one has no fitness.

  `docs/programs.md` says how to write one.
  """

  alias Cambrian.Boundary

  @typedoc "A task of `Cambrian.evolve/2`."
  @type task :: {:program, map}

  @doc """
  A task that is a program of your own.

      iex> Cambrian.Program.new(command: "no_such_program") |> Cambrian.evolve()
      {:error, {:program, "no_such_program", :program_not_found}}

  Options, of which `:command` must be there:

    * `:command` - looked for on the `PATH`.
    * `:args`, `:env`, `:cd` - arguments, what is added to the environment (`{name, value}`, `false`
      for one that is to be absent), and the folder.
    * `:name` - an atom, the task's name in checkpoints and on the mesh. Default `:program`.
    * `:steps` - how long an episode lasts at most. Default what the program says, else 1,000.
    * `:episodes` - how many a network lives. Default 1.
    * `:processes` - how many run at the same time at most. Default 1.
    * `:timeout`, `:start_timeout` - milliseconds for an answer, 2,000, and for its hello, 30,000.
    * `:idle` - after how many milliseconds without a user it is ended. Default 30,000.
  """
  @spec new(keyword) :: task
  def new(opts), do: {:program, opts |> map() |> with_env()}

  @doc """
  A task that is an environment of Gymnasium.

      iex> {:program, options} = Cambrian.Program.gymnasium("Pendulum-v1", episodes: 3, range: {-1, 1})
      iex> Map.delete(options, :args)
      %{command: "python3", episodes: 3, name: :"Pendulum-v1"}

  Options are those of `new/1`, with `"python3"` for the `:command`, and

    * `:seed` - episode n begins with the seed plus n. Default 0.
    * `:range` - between which outputs a network's are, to be mapped to the bounds of a continuous
      action. Default `{0, 1}`.
    * `:scale` - which observations are mapped to -1..1: by default, `:auto`, those with bounds
      within -10..10, with `true` all that have bounds, with `false` none.
    * `:kwargs` - what `gymnasium.make` is given.
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

  defp with_kwargs(%{kwargs: kwargs} = options), do: %{options | kwargs: Map.new(kwargs)}
  defp with_kwargs(options), do: options
end
