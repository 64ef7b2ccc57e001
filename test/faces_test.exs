defmodule Cambrian.FacesTest do
  # Elixir documents every option, event and reason that Erlang has.
  use ExUnit.Case, async: true

  alias Cambrian.{Bridge, Error, Governor, Population}

  describe "every option of a population" do
    test "is documented in Elixir" do
      told = doc(Cambrian, {:function, :evolve, 2}) <> moduledoc(Population)

      for %{name: name} <- :cambrian_population_options.table(),
          do: assert(told =~ "  * `:#{name}` - ")
    end

    test "is in the Erlang type, which has no other" do
      types = keys(:cambrian_population, :options) ++ keys(:cambrian_population, :goal)
      evolve = for %{name: name, for: :evolve} <- :cambrian_population_options.table(), do: name
      all = for %{name: name} <- :cambrian_population_options.table(), do: name
      assert Enum.sort(types) == Enum.sort(all -- evolve)
      assert Enum.sort(keys(:cambrian, :options)) == Enum.sort(evolve)
    end

    test "is documented in Erlang" do
      told =
        for {module, type} <- [
              cambrian_population: :options,
              cambrian_population: :goal,
              cambrian: :options
            ],
            code <- code_in(doc(module, {:type, type, 0})),
            do: code

      for %{name: name} <- :cambrian_population_options.table(),
          do: assert({name, Enum.any?(told, &(&1 =~ ~r/^#{name}\b/))} == {name, true})
    end
  end

  test "every option of a bridge and every key of its configuration is documented" do
    for name <- keys(:cambrian_bridge, :options) ++ environment(),
        do: assert({name, moduledoc(Bridge) =~ "#{name}"} == {name, true})

    # capability, rate and tolerance are checked by the trust
    [{:function, _, :table, 0, [{:clause, _, [], [], [{:map, _, checks}]}]}] =
      for {:function, _, :table, 0, _} = table <- forms(:cambrian_bridge_options), do: table

    checked = for {:map_field_assoc, _, {:atom, _, name}, _} <- checks, do: name
    told = keys(:cambrian_bridge, :options) -- [:capability, :rate, :tolerance]
    assert Enum.sort(checked) == Enum.sort(told)
  end

  test "every step of a genotype's story is documented" do
    steps =
      for module <- modules(),
          {:call, _, called, [_, {:atom, _, step} | _]} <- nodes(forms(module)),
          called == {:atom, 0, :note},
          uniq: true,
          do: step

    told = doc(Bridge, {:type, :step, 0})
    erlang = code_in(doc(:cambrian_bridge, {:type, :story, 0}))
    assert length(steps) >= 10

    for step <- [:refused | steps],
        do: assert({step, told =~ "`:#{step}`", "#{step}" in erlang} == {step, true, true})
  end

  test "every setting of the governor is documented" do
    for name <- keys(:cambrian_governor, :settings),
        do: assert(moduledoc(Governor) =~ "`:#{name}`")
  end

  test "every part of a result is in the struct and documented" do
    for name <- keys(:cambrian_population, :result) do
      assert Map.has_key?(struct(Cambrian.Result), name)
      assert moduledoc(Cambrian.Result) =~ "`#{name}`"
    end
  end

  test "every event is documented" do
    {_, {:type, _, :union, events}, _} = type(:cambrian_population, :event)

    for {:type, _, :tuple, [{:atom, _, kind} | _]} <- events,
        do: assert(moduledoc(Population) =~ "`{:#{kind}, ")
  end

  describe "a reason of an error" do
    # One reason of each kind, which is its name, or its name and the size of its tuple.
    @reasons [
      :already_succeeded,
      :bad_compression,
      :bad_signature,
      :banned_genotype,
      :banned_key,
      :busy,
      :circular,
      :corrupted,
      :crashed,
      :disconnected,
      :enoent,
      :gone,
      :incompatible,
      :malformed,
      :not_applicable,
      :not_canonical,
      :not_evaluated,
      :not_found,
      :not_started,
      :population_kept_failing,
      :running,
      :timeout,
      :too_large,
      :too_many,
      :too_many_bans,
      :too_many_successions,
      :superseded,
      :grant_expired,
      :not_permitted,
      :too_few_owners,
      :retired_owner,
      :banned_owner,
      :rate_limited,
      :unknown,
      :unknown_procedure,
      :wrong_id,
      {:already_started, self()},
      {:application_unavailable, :ssl},
      {:bad_charter, {:threshold, 2, "from 1 to the number of owners"}},
      {:bad_charter, {:number, :missing, "an integer from 1"}},
      {:bad_claim, :parents},
      {:bad_json, "nodes[1].bias: invalid type: null, expected f32"},
      {:bad_name, {:topic, :chess, "a binary"}},
      {:bad_dataset, {:inputs, :chess, "lists of rows"}},
      {:bad_dataset, {{:inputs, 2}, :chess, "a list of numbers"}},
      {:bad_dataset, {{:targets, 2, 1}, :chess, "a number"}},
      {:bad_table, {:file, "nothing", "a header and rows"}},
      {:bad_table, {"age", "more", "at most 10000 classes"}},
      {:bad_table, {2, "3 fields", "a row of 2 fields"}},
      {:bad_table, {{2, "age"}, :missing, "a value"}},
      {:bad_table, {{0, 3}, "a", "another name"}},
      {:missing_columns, ["age"], ["size"]},
      {:unknown_columns, ["age"], ["size"]},
      {:bad_schema, "expected columns"},
      {:no_trial, :fun},
      {:evaluation_failed, :timeout},
      {:evaluation_failed, :memory},
      {:evaluation_failed, {:bad_fitness, nil}},
      {:evaluation_failed, {:crashed, {:error, :badarith, []}}},
      {:evaluation_failed, {:bad_reward, 1.0e300}},
      {:bad_option, {:seed, -1, "an integer"}},
      {:bad_option, {:until, {:error, :badarg, []}, "a fun"}},
      {:bad_return, {String, :init, 1}, :rubbish},
      {:bad_signature, <<1::256>>},
      {:bad_parameter, {:add_node, 2, "a number"}},
      {:bad_task, {:task, 3, "a task"}},
      {:bad_task, {:module, String, "a module"}},
      {:cambrian,
       {{:bad_option, {:threads, 0, "a positive integer"}}, {:cambrian_app, :start, []}}},
      {:ambiguous_name, "lusab-bovik"},
      {:cannot_listen, "127.0.0.1:4040", :eaddrinuse},
      {:checkpoint_of_another_task, "xor"},
      {:crashed, {String, :init, 1}, {:error, :badarg, []}},
      {:data_dir_in_use, "/data/cambrian", "process 7 on pi, node nonode@nohost"},
      {:efbig, "pole.checkpoint"},
      {:eisdir, "reports"},
      {:grant_expired, 1_764_460_800},
      {:grant_too_long, 31_622_400_000},
      {:no_identity_file, ["org.example.lab"]},
      {:enoent, "identity"},
      {:evaluations_failed, %{count: 150, first: {:bad_fitness, nil}}},
      {:enospc, String.to_charlist("identity")},
      {:invalid_genotype, "a node is missing"},
      {:checkpoint_differs, :seed, 42, 7},
      {:invalid_substrate, "no layers"},
      {:malformed, "pole.checkpoint"},
      {:missing_base, <<1::256>>},
      {:missing_options, [:task]},
      {:nif_not_loaded, {:load_failed, []}},
      {:name_taken, :kernel_sup},
      {:no_equal, "nodes[0]: the activation lelu"},
      {:not_a_file, "identity"},
      {:not_damaged, "org.example.lab"},
      {:not_an_identity, "identity"},
      {:other_file, "identity"},
      {:out_of_range, :inputs},
      {:not_enough_memory, 80_000_000_000, 4_000_000_000},
      {:too_large, 1_000_000},
      {:program, "python3", :program_not_found},
      {:program, "python3", {:program_not_started, :enomem}},
      {:program, "python3", {:program_exited, 1}},
      {:program, "python3", {:program_hangs, 2000}},
      {:program, "python3", {:program_failed, "no such environment"}},
      {:program, "python3", {:bad_answer, {:unsupported_protocol, 2, 1}}},
      {:program, "python3", {:bad_answer, 3}},
      {:realm_damaged, "org.example.lab"},
      {:realm_unavailable, "org.example.lab"},
      {:torn_checkpoint, "pole.checkpoint"},
      {:other_member, :lab@host, {:other_code, :heater}},
      :no_federation,
      {:torn_file, "identity"},
      {:transport_unavailable, :macula},
      {:unknown_gene, :activation, :chess},
      {:unknown_name, "lusab-bovik"},
      {:unknown_operator, :chess, %{see: "cambrian_genotype:operators/0"}},
      {:unknown_option, :sede, %{see: "type cambrian_population:options()", did_you_mean: :seed}},
      {:unknown_parameter, :colour, %{see: "cambrian:parameters/0"}},
      {:unknown_realm, "org.example.lab"},
      {:unknown_task, :chess, %{see: "cambrian:tasks/0"}},
      {:unsafe_permissions, "identity"},
      {:unsupported_version, 9},
      {{:unsupported_version, 9}, "pole.checkpoint"},
      {:unsupported_version, :macula, "13.0.1"},
      {:wrong_base, <<1::256>>},
      {:wrong_size, :inputs, 2, 3}
    ]

    test "has a text in both languages" do
      for reason <- @reasons do
        elixir = Exception.message(Error.exception(reason))
        erlang = reason |> :cambrian_error.format_error() |> IO.chardata_to_string()

        for words <- [elixir, erlang], do: assert(words =~ " ")
        refute elixir == inspect(reason)
        refute erlang == IO.chardata_to_string(:io_lib.format("~0tp", [reason]))
      end
    end

    test "names options, functions and terms in the syntax of its language" do
      hint = %{see: "type cambrian_population:options()", did_you_mean: :seed}

      for {reason, elixir, erlang} <- [
            {{:unknown_option, :sede, hint},
             "unknown option :sede (did you mean :seed?); Cambrian.evolve/2 lists them",
             "unknown option sede (did you mean seed?); " <>
               "the type cambrian_population:options() lists them"},
            {{:bad_return, {String, :init, 1}, nil},
             "String.init/1 returned nil, expected {:ok, %{inputs: inputs, outputs: outputs}, state} with integers from 1 to 10000",
             "'Elixir.String':init/1 returned nil, expected {ok, \#{inputs => Inputs, outputs => Outputs}, State} with integers from 1 to 10000"},
            {{:checkpoint_of_another_task, "xor"},
             "the checkpoint of that name is of task \"xor\"; resume: false drops it",
             "the checkpoint of that name is of task <<\"xor\">>; resume => false drops it"},
            {{:realm_damaged, "lab"},
             "the realm \"lab\" is closed, as none of its files is whole; " <>
               "Cambrian.Trust.reset/2 opens it anew, without its bans",
             "the realm <<\"lab\">> is closed, as none of its files is whole; " <>
               "cambrian_trust:reset/2 opens it anew, without its bans"}
          ] do
        assert Exception.message(Error.exception(reason)) == elixir
        assert IO.chardata_to_string(:cambrian_error.format_error(reason)) == erlang
      end
    end

    test "lists the forms of a task in Elixir's syntax" do
      for task <- [3, %{}], words <- [message(Cambrian.evolve(task))] do
        assert words =~ "a task must be a name of Cambrian.tasks/0, a module, {module, args}, "
      end

      assert message(Cambrian.Task.classes(3)) ==
               "a task must be {:dataset, inputs: rows, targets: rows}, got: 3"
    end

    defp message({:error, reason}), do: Exception.message(Error.exception(reason))
  end

  test "every list of names that an Erlang error points to has a page in Elixir" do
    pages =
      for module <- modules(),
          # Elixir has no module for these
          not ("#{module}" =~ ~r/^cambrian_(transport|discovery|log)/),
          {:bin, _, [{:bin_element, _, {:string, _, text}, _, _}]} <- nodes(forms(module)),
          page = to_string(text),
          page =~ ~r/^(type cambrian|cambrian_\w+:|cambrian:|cambrian_task$)[\w:\/()]*$/,
          uniq: true,
          do: page

    assert length(pages) >= 14

    for page <- pages do
      # a page of a type must begin with "type", or it reads as a call
      assert String.starts_with?(page, "type ") == String.ends_with?(page, "()")
      message = Exception.message(Error.exception({:unknown_option, :sede, %{see: page}}))
      assert message =~ ~r"; Cambrian[\w./]+ lists them$"
    end
  end

  # Cambrian's modules in Erlang.
  defp modules do
    {:ok, modules} = :application.get_key(:cambrian, :modules)
    for module <- modules, not String.starts_with?("#{module}", "Elixir."), do: module
  end

  # The forms without their places in the source, so that they can be compared.
  defp forms(module) do
    {:ok, {_, [abstract_code: {_, forms}]}} =
      :beam_lib.chunks(:code.which(module), [:abstract_code])

    Enum.map(forms, &:erl_parse.map_anno(fn _place -> 0 end, &1))
  end

  # All tuples in the forms.
  defp nodes(form) when is_tuple(form), do: [form | form |> Tuple.to_list() |> nodes()]
  defp nodes([first | rest]), do: nodes(first) ++ nodes(rest)
  defp nodes(_form), do: []

  # The text that an Erlang doc marks as code.
  defp code_in({:code, _, content}), do: [Enum.join(content)]
  defp code_in({_element, _, content}), do: code_in(content)
  defp code_in(content) when is_list(content), do: Enum.flat_map(content, &code_in/1)
  defp code_in(_text), do: []

  defp environment, do: Map.keys(:cambrian_bridge_options.environment_table())

  defp moduledoc(module) do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(module)
    doc
  end

  defp doc(module, name) do
    {:docs_v1, _, _, _, _, _, docs} = Code.fetch_docs(module)
    {_, _, _, %{"en" => doc}, _} = List.keyfind(docs, name, 0)
    doc
  end

  defp keys(module, name) do
    {_, {:type, _, :map, fields}, _} = type(module, name)
    for {:type, _, _, [{:atom, _, key} | _]} <- fields, do: key
  end

  defp type(module, name) do
    {:ok, types} = Code.Typespec.fetch_types(module)
    Enum.find_value(types, fn {_, {found, _, _} = type} -> found == name && type end)
  end
end
