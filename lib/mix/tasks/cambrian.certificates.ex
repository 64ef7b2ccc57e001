defmodule Mix.Tasks.Cambrian.Certificates do
  @shortdoc "Makes a certificate for Erlang distribution over TLS"

  @moduledoc """
  Makes a certificate for a node, and the authority that signs it if there is none yet.

      $ mix cambrian.certificates opabinia@10.0.0.7 --out certificates
      $ mix cambrian.certificates anomalocaris@10.0.0.8 --out certificates --at /etc/balance \\
          --days 90

  The node's machine gets the node's folder, `certificates/opabinia@10.0.0.7`; `ca.key` stays
  where it is. `--at` says where the folder will be on that machine. OpenSSL must be on the PATH.
  The guide is `docs/distribution.md`.
  """

  use Mix.Task

  @impl true
  def run(argv), do: Cambrian.Shell.run("certificates", argv, "app.config")
end
