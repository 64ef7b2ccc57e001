defmodule Cambrian.Shell do
  @moduledoc false
  # The mix tasks are commands of :cambrian_cli, of which they only know the name.

  @doc "Runs a command once mix has run `before`; another status than 0 becomes that of mix."
  @spec run(String.t(), [String.t()], String.t()) :: :ok
  def run(command, argv, before) do
    Mix.Task.run(before)
    args = Enum.map([command | argv], &String.to_charlist/1)

    case :cambrian_cli.attended(args, context()) do
      0 -> :ok
      status -> exit({:shutdown, status})
    end
  end

  # Where results go to the VM's own standard output, as they do but in tests, it is to be known
  # whether they came there.
  defp context do
    own = Process.whereis(:user)
    out = Process.group_leader()
    out = if out == own, do: :cambrian_cli_output.start(1, own), else: out
    %{call: ~c"mix cambrian.", out: out}
  end
end
