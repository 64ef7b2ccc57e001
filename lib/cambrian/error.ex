defmodule Cambrian.Error do
  @moduledoc """
  Describes a reason in words.

      iex> {:error, reason} = Cambrian.evolve(:xor, sede: 42)
      iex> Exception.message(Cambrian.Error.exception(reason))
      "unknown option :sede (did you mean :seed?); Cambrian.evolve/2 lists them"

  Functions answer `{:error, reason}`; `Cambrian.evolve!/2` raises this. To raise it yourself:
  `raise Cambrian.Error, reason`.
  """

  defexception [:reason]

  @typedoc """
  A reason as it comes from Erlang. Reasons of one kind have one shape:

    * a wrong value: `{:bad_option, {name, got, expected}}`, and the same with `:bad_parameter`,
      `:bad_task`, `:bad_charter`, `:bad_name`
    * a wrong row of a dataset: `{:bad_dataset, {{:inputs | :targets, row, column}, got, expected}}`
      or without a column, both counted from 1; a fault of the whole has `:inputs`, `:targets`,
      `:rows` or `:memory` instead
    * an unknown name: `{:unknown_option, name, hint}`, and the same with `:unknown_parameter`,
      `:unknown_task`, `:unknown_operator`; the hint is a map with the page that lists the names as
      `:see` and, if a name is similar, that name as `:did_you_mean`, or `is_parameter: true` if the
      option is a parameter, which belongs into `:params`
    * `{:missing_options, names}`
    * `{:checkpoint_differs, name, own, given}` if an option contradicts a checkpoint
    * `{:evaluation_failed, fault}`, `{:no_trial, name}` from `Cambrian.Task`
    * `{:bad_return, function, value}`, `{:crashed, function, {class, reason, stacktrace}}` from a
      module's `init/1`
    * `{:evaluations_failed, %{count: count, first: fault}}` if the whole first generation failed:
      `{:crashed, {class, reason, stacktrace}}`, `{:bad_fitness, value}`, `:timeout` or `:memory`
    * `{:wrong_size, :inputs | :outputs, expected, got}` if a network, a substrate, a checkpoint
      or a tensor does not fit; sizes of tensors are shapes

  The docs of `cambrian_error` list all of them.
  """
  @type reason :: :cambrian_error.reason() | term
  @type t :: %__MODULE__{reason: reason}

  @impl true
  def exception(reason), do: %__MODULE__{reason: reason}

  @impl true
  def message(%__MODULE__{reason: reason}),
    do: reason |> :cambrian_error.format_error(:elixir) |> IO.chardata_to_string()
end
