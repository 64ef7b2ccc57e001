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
  A reason as it comes from Erlang. The common ones:

    * `{:unknown_option, name, hint}`, `{:missing_options, names}`; the hint is a map with the page
      that lists the options as `:see` and, if a name is similar, that name as `:did_you_mean`
    * `{:bad_option, {name, value, expected}}`
    * `{:unknown_parameter, name, hint}`, `{:invalid_parameter, {name, value, expected}}`
    * `{:checkpoint_differs, name, own, given}` if an option contradicts a checkpoint
    * `{:unknown_task, name}`, `{:bad_task, task, expected}`, `{:bad_dataset, expected}`,
      `{:bad_dataset, {:inputs | :targets, row, column}, expected}` or without a column, both
      counted from 1
    * `{:evaluation_failed, fault}`, `{:no_trial, name}` from `Cambrian.Task`
    * `{:not_a_task, module, expected}`, `{:bad_return, function, value}`,
      `{:crashed, function, {class, reason, stacktrace}}` from a module's `init/1`
    * `{:evaluations_failed, %{count: count, first: fault}}` if the whole first generation failed:
      `{:crashed, {class, reason, stacktrace}}`, `{:bad_fitness, value}`, `:timeout` or `:memory`
    * `{:wrong_size, :inputs | :outputs, expected, got}` if a network, a substrate, a checkpoint
      or a tensor does not fit; sizes of tensors are shapes
  """
  @type reason :: term
  @type t :: %__MODULE__{reason: reason}

  @impl true
  def exception(reason), do: %__MODULE__{reason: reason}

  @impl true
  def message(%__MODULE__{reason: reason}), do: text(reason)

  # Options, parameters and tasks. Erlang's words for the expected value hold in Elixir too, except
  # for a task.
  defp text({:unknown_option, name, hint}), do: "unknown option #{inspect(name)}#{hint(hint)}"
  defp text({:missing_options, [name]}), do: "option #{inspect(name)} is missing"
  defp text({:missing_options, names}), do: "options #{names(names)} are missing"

  defp text({:bad_option, {:options, value, expected}}),
    do: "options must be #{expected}, got: #{inspect(value)}"

  defp text({:bad_option, {:until, {class, reason, stacktrace}, _expected}})
       when is_list(stacktrace) do
    "the function of :until failed: " <> Exception.format_banner(class, reason, stacktrace)
  end

  defp text({:bad_option, {name, value, expected}}),
    do: "option #{inspect(name)} must be #{expected}, got: #{inspect(value)}"

  defp text({:unknown_parameter, name, hint}),
    do: "unknown parameter #{inspect(name)}#{hint(hint)}"

  defp text({:invalid_parameter, {name, value, expected}}),
    do: "parameter #{inspect(name)} must be #{expected}, got: #{inspect(value)}"

  defp text({:unknown_task, name}) do
    "#{inspect(name)} is neither a module nor a task of Cambrian (#{names(Cambrian.tasks())})" <>
      near(:cambrian_options.nearest(name, Cambrian.tasks()))
  end

  defp text({:not_a_task, module, expected}),
    do: "#{inspect(module)} is no task: expected #{expected}"

  defp text({:bad_task, task, "{dataset, Settings}"}),
    do: "expected a dataset, {:dataset, inputs: rows, targets: rows}, got: #{inspect(task)}"

  defp text({:bad_task, task, _expected}) do
    "a task must be a name of Cambrian.tasks/0, a module, {module, args}, " <>
      "a function of one argument, {:program, options} or {:dataset, inputs, targets}, got: #{inspect(task)}"
  end

  defp text({:bad_dataset, expected}), do: "a dataset must have #{expected}"

  defp text({:bad_dataset, {part, row}, expected}),
    do: "row #{row} of a dataset's #{part} must be #{expected}"

  defp text({:bad_dataset, {part, row, column}, expected}),
    do: "row #{row}, column #{column} of a dataset's #{part} must be #{expected}"

  defp text({:no_trial, name}),
    do: "the task #{inspect(name)} has no trial: only you know what solves it"

  defp text({:evaluation_failed, :timeout}), do: "the evaluation took too long"

  defp text({:evaluation_failed, :memory}),
    do: "the evaluation took too much memory, or its process was killed"

  defp text({:evaluation_failed, {:bad_fitness, fitness}}),
    do: "the evaluation gave no number: #{inspect(fitness, limit: 5)}"

  defp text({:evaluation_failed, {:crashed, {class, reason, stacktrace}}})
       when is_list(stacktrace),
       do: "the evaluation failed: " <> Exception.format(class, reason, stacktrace)

  defp text({:evaluation_failed, fault}),
    do: "the evaluation failed: #{inspect(fault, limit: 10)}"

  defp text({:bad_return, mfa, value}), do: "#{mfa(mfa)} returned #{inspect(value)}"

  defp text({:crashed, mfa, {class, reason, stacktrace}}),
    do: "#{mfa(mfa)} failed: " <> Exception.format_banner(class, reason, stacktrace)

  # Programs.
  defp text({:program, command, :program_not_found}),
    do: "the program #{inspect(command)} is not on the PATH"

  defp text({:program, command, {:program_not_started, why}}),
    do: "the program #{inspect(command)} did not start: #{inspect(why)}"

  defp text({:program, command, {:program_exited, status}}) do
    "the program #{inspect(command)} ended with status #{status} before its first message; " <>
      "its standard error goes to that of this VM"
  end

  defp text({:program, command, {:program_hangs, ms}}),
    do: "the program #{inspect(command)} sent no first message within #{ms} ms"

  defp text({:program, command, {:program_failed, message}}),
    do: "the program #{inspect(command)} says: #{message}"

  defp text({:program, command, {:bad_answer, {:unsupported_protocol, got, expected}}}),
    do: "the program #{inspect(command)} speaks protocol #{got}, but Cambrian speaks #{expected}"

  defp text({:program, command, {:bad_answer, answer}}),
    do: "the program #{inspect(command)} answered #{inspect(answer)}; see docs/programs.md"

  # Populations.
  defp text({:evaluations_failed, %{count: count, first: fault}}) do
    "no network of the first generation has a fitness, as all #{count} evaluations failed; the first: " <>
      to_string(:cambrian_fault.text(fault))
  end

  defp text(:not_started),
    do: "the application does not run: Application.ensure_all_started(:cambrian)"

  defp text(:population_kept_failing), do: "the population crashed again and again"
  defp text({:already_started, pid}), do: "the name is taken by #{inspect(pid)}"
  defp text({:name_taken, name}), do: "the name #{inspect(name)} is that of another process"

  defp text({:data_dir_in_use, dir, holder}),
    do: "the data directory #{dir} is in use by another VM (#{holder})"

  defp text({:checkpoint_of_another_task, task}),
    do: "the checkpoint of that name is of task #{inspect(task)}; resume: false drops it"

  defp text({:checkpoint_differs, name, own, given}) do
    "the checkpoint of that name has #{inspect(own)} for #{inspect(name)}, but the option is " <>
      "#{inspect(given)}; resume: false drops it"
  end

  defp text({:torn_checkpoint, path}), do: "the checkpoint #{path} is damaged"
  defp text(:not_evaluated), do: "no generation has been evaluated yet"
  defp text(:running), do: "the population is running"
  defp text(:busy), do: "too many genotypes are waiting"
  defp text(:timeout), do: "the time was up"

  # Genotypes and networks.
  defp text(:not_applicable), do: "the operator found nothing to change"

  defp text({:unknown_operator, name}) do
    near = near(:cambrian_options.nearest(name, Cambrian.Genotype.operators()))
    "unknown operator #{inspect(name)}#{near}; Cambrian.Genotype.operators/0 lists them"
  end

  defp text(:incompatible), do: "the genotypes differ in inputs or outputs"
  defp text(:malformed), do: "these bytes are malformed"
  defp text(:bad_compression), do: "the compressed data are damaged or too large"
  defp text(:wrong_id), do: "the genotype does not have the id that was named"
  defp text({:wrong_base, id}), do: "the difference is to another genotype, #{hex(id)}"

  defp text({:missing_base, id}),
    do: "the difference needs a genotype that was not given, #{hex(id)}"

  defp text({:bad_claim, field}), do: "the claimed #{field} is invalid"
  defp text(:bad_signature), do: "the signature is not by the key that is named"

  defp text({:bad_signature, id}),
    do: "the claims about #{hex(id)} are not signed by the key that they name"

  defp text(:unknown), do: "this node does not know the genotype"
  defp text(:not_canonical), do: "these bytes are not the canonical bytes of their genotype"
  defp text({:too_large, size}), do: "#{size} is too large"

  defp text({:not_enough_memory, wanted, allowed}),
    do: "it would take #{wanted} bytes, but only #{allowed} are allowed (memory_limit)"

  defp text({:bad_json, why}), do: "not the JSON that was expected: #{why}"
  defp text({:no_equal, what}), do: "#{what} has no equal in Cambrian"
  defp text({:unsupported_version, version}), do: "version #{version} is not supported"

  defp text({:unsupported_version, what, version}),
    do: "version #{version} of #{what} is not supported"

  defp text({:unknown_gene, gene, name}), do: "unknown #{gene} #{inspect(name)}"
  defp text({:invalid_genotype, why}), do: "invalid genotype: #{why}"

  defp text({:invalid_substrate, why}), do: "invalid substrate: #{why}"

  defp text({:wrong_size, what, expected, got}),
    do: "wrong size of #{what}: expected #{inspect(expected)}, got #{inspect(got)}"

  defp text({:out_of_range, what}), do: "#{what} beyond plus or minus 1.0e12"

  # The bridge and the library.
  defp text({:transport_unavailable, transport}),
    do: "transport #{inspect(transport)} is not available"

  defp text({:application_unavailable, name}),
    do: "OTP's application #{inspect(name)} is not here: install it, or add it to the release"

  defp text({:cannot_listen, place, why}),
    do: "cannot listen on #{place}: #{:inet.format_error(why)}"

  defp text({:bad_name, name}),
    do:
      "a topic, a procedure or a key must be a binary of at most 255 bytes, got: #{inspect(name)}"

  defp text(:too_large), do: "more bytes than a message or a blob may have"
  defp text(:too_many), do: "a connection may announce no more keys"
  defp text(:disconnected), do: "the transport's connection has ended"
  defp text(:unknown_procedure), do: "the node there serves no procedure of this name"
  defp text(:crashed), do: "the called procedure crashed, or returned no binary"
  defp text(:gone), do: "no node is known at this address"
  defp text(:not_found), do: "no node has it"
  defp text(:corrupted), do: "the received content has another hash than the one that was named"

  # Trust, identities and files.
  defp text({:unknown_realm, realm}),
    do: "the realm #{inspect(realm)} was not opened here"

  defp text({:realm_damaged, realm}),
    do:
      "the realm #{inspect(realm)} is closed, as none of its files is whole; " <>
        "Cambrian.Trust.reset/2 opens it anew, without its bans"

  defp text({:realm_unavailable, realm}),
    do: "the process of the realm #{inspect(realm)} crashed; ask again"

  defp text({:not_damaged, realm}),
    do: "the files of the realm #{inspect(realm)} are not damaged, so there is nothing to reset"

  defp text({:unknown_name, name}), do: "no key that is known here has the name #{name}"
  defp text({:ambiguous_name, name}), do: "several keys have the name #{name}; give the key"

  defp text({:unsafe_permissions, path}),
    do: "users other than its owner may read or write #{path}"

  defp text({:not_an_identity, path}), do: "the file #{path} holds no identity"
  defp text({:torn_file, path}), do: "the file #{path} is damaged"
  defp text({:malformed, path}), do: "the file #{path} is malformed"
  defp text(:enoent), do: "there is no such file"
  defp text({:not_a_file, path}), do: "#{path} is a device, a pipe or the like, not a file"
  defp text({:other_file, path}), do: "the file #{path} is not one of Cambrian's"
  defp text(:too_many_bans), do: "too many bans; unban some"
  defp text(:already_succeeded), do: "the key named another successor before"
  defp text(:circular), do: "the key would succeed itself"
  defp text(:banned_key), do: "the key is banned"
  defp text(:banned_genotype), do: "the genotype is banned"
  defp text(:too_many_successions), do: "there is no room for one more succession"
  defp text(:superseded), do: "a charter with a higher number counts"
  defp text(:grant_expired), do: "the grant has ended"

  defp text({:grant_expired, until}),
    do: "a grant until #{until} has ended: that is in ms since 1970, and not after now"

  defp text({:no_identity_file, realms}) do
    "the bridge of #{names(realms)} has no file to keep a new secret in: " <>
      "give it a path as :identity, or set :data_dir"
  end

  defp text({:grant_too_long, ms}), do: "a grant may last for at most #{ms} ms, 366 days"

  defp text({:bad_charter, {field, :missing, expected}}),
    do: "#{inspect(field)} of a charter is missing: #{expected}"

  defp text({:bad_charter, {field, value, expected}}),
    do: "#{inspect(field)} of a charter must be #{expected}, got: #{inspect(value)}"

  defp text(:not_permitted),
    do: "it is not signed by a key that may publish in the realm or owns it"

  defp text(:too_few_owners), do: "too few owners of the realm have signed it"
  defp text(:retired_owner), do: "an owner signed it with a retired key"
  defp text(:banned_owner), do: "an owner signed it with a key that is banned here"
  defp text(:rate_limited), do: "its origin sent more than its rate allows"

  defp text({:cambrian, {reason, {:cambrian_app, :start, _}}}),
    do: "the application :cambrian did not start: " <> text(reason)

  defp text({:nif_not_loaded, why}), do: "the native library is not loaded: #{inspect(why)}"

  # Erlang's errors about a file.
  defp text({reason, path}) when is_atom(reason) and (is_binary(path) or is_list(path)) do
    words = to_string(:file.format_error(reason))
    if words =~ ~r/^unknown/, do: inspect({reason, path}), else: "#{path}: #{words}"
  end

  defp text(reason), do: inspect(reason)

  # Where Erlang lists names, and where Elixir does.
  @lists %{
    "cambrian:parameters/0" => "Cambrian.parameters/0",
    "type cambrian_bridge:options()" => "Cambrian.Bridge",
    "type cambrian_charter:draft()" => "Cambrian.Charter",
    "cambrian_bridge:publish_genotype/2" => "Cambrian.Bridge.publish_genotype/2",
    "type cambrian_dashboard:options()" => "Cambrian.Dashboard",
    "cambrian_environment:init/1" => "Cambrian.Environment",
    "cambrian_genotype:to_c/2" => "Cambrian.Genotype.to_c/2",
    "type cambrian_governor:settings()" => "Cambrian.Governor",
    "type cambrian_population:goal()" => "Cambrian.Population",
    "type cambrian_population:options()" => "Cambrian.evolve/2",
    "cambrian_population:purge/2" => "Cambrian.Population.purge/2",
    "type cambrian_program:options()" => "Cambrian.Program",
    "type cambrian_substrate:options()" => "Cambrian.Substrate",
    "cambrian_task" => "Cambrian.evolve/2",
    "cambrian_task:evaluate/3" => "Cambrian.Task.evaluate/3",
    "cambrian_task:init/1" => "Cambrian.Task",
    "type cambrian_trust:options()" => "Cambrian.Trust"
  }

  defp hint(%{see: see} = hint) do
    near = near(for {:did_you_mean, name} <- Map.to_list(hint), do: name)
    "#{near}; #{Map.get(@lists, see, see)} lists them"
  end

  defp near([name]), do: " (did you mean #{inspect(name)}?)"
  defp near([]), do: ""

  defp hex(id), do: Base.encode16(id, case: :lower)
  defp names(names), do: Enum.map_join(names, ", ", &inspect/1)
  defp mfa({module, function, arity}), do: Exception.format_mfa(module, function, arity)
end
