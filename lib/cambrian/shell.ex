defmodule Cambrian.Shell do
  @moduledoc false
  # The mix tasks are commands of :cambrian_cli, of which they only know the name.

  @doc "Runs a command once mix has run `before`; another status than 0 becomes that of mix."
  @spec run(String.t(), [String.t()], String.t()) :: :ok
  def run(command, argv, before) do
    Mix.Task.run(before)
    args = Enum.map([command | argv], &String.to_charlist/1)

    case :cambrian_cli.run(args, %{call: ~c"mix cambrian."}) do
      0 -> :ok
      status -> exit({:shutdown, status})
    end
  end
end
