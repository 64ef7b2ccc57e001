%% @private
%% Reads the task, its settings and the parameters of a command line. It makes atoms from their
%% text: whoever types a command line may start a VM anyway.
-module(cambrian_cli_settings).

-export([tasks/0, task/2, settings/1, parameters/1, did_you_mean/2]).

-import(cambrian_cli_reason, [usage/1]).

-type typed() :: [{Key :: string(), Text :: string()}].

%% @doc The tasks that come with Cambrian, and the two that consist of their settings.
-spec tasks() -> [string()].
tasks() -> [atom_to_list(Task) || Task <- native_tasks()].

native_tasks() -> cambrian_task:names() ++ [dataset, program].

%% @doc A task by its name, with its settings: a map for a task of Cambrian; for a module, which
%% must be in the code path, a property list, because `init/1' gets `[]' without settings.
-spec task(string(), typed()) -> atom() | {atom(), #{atom() => term()} | [{atom(), term()}]}.
task(Word, Settings) ->
    case {[Task || Task <- native_tasks(), atom_to_list(Task) =:= Word], settings(set, Settings)} of
        {[Native], None} when None =:= #{} -> Native;
        {[Native], Map} -> {Native, Map};
        {[], None} when None =:= #{} -> module(Word);
        {[], Map} -> {module(Word), lists:sort(maps:to_list(Map))}
    end.

module(Word) ->
    case [list_to_atom(Name) || Name <- [Word, "Elixir." ++ Word], is_module(Name)] of
        [Module | _] -> _ = code:ensure_loaded(Module), Module;
        [] ->
            usage(["the task ", Word, did_you_mean(Word, tasks()),
                   ": expected a module in the code path or one of ", lists:join(", ", tasks())])
    end.

is_module(Name) ->
    lists:all(fun(C) -> C > $\s andalso C =/= $/ end, Name) andalso length(Name) < 256 andalso
        (code:where_is_file(Name ++ ".beam") =/= non_existing orelse is_loaded(Name)).

is_loaded(Name) ->
    case cambrian_cli_arguments:word(Name) of
        {ok, Module} -> code:is_loaded(Module) =/= false;
        error -> false
    end.

%% @doc The settings of a table of data.
-spec settings(typed()) -> #{atom() => term()}.
settings(Settings) -> settings(set, Settings).

%% @doc The parameters among what was given.
-spec parameters(cambrian_cli_arguments:given()) -> #{atom() => term()}.
parameters(Given) -> settings(param, maps:get(param, Given, [])).

settings(Flag, Settings) -> maps:from_list([setting(Flag, Key, Text) || {Key, Text} <- Settings]).

setting(param, Key, Text) ->
    Expected = lists:append([binary_to_list(Expected)
                             || #{name := Name, expected := Expected} <- cambrian:parameters(),
                                atom_to_list(Name) =:= Key]),
    IsChoice = lists:member(Text, string:lexemes(Expected, ", ")),
    case {Expected, cambrian_cli_arguments:value(Text)} of
        {"", _} ->
            Names = [Name || #{name := Name} <- cambrian:parameters()],
            Unknown = cambrian_cli_reason:unknown(param, cambrian_options:nearest(Key, Names)),
            usage([typed(param, Key, Text), Unknown]);
        {_, {ok, Value}} -> {list_to_existing_atom(Key), Value};
        %% a choice whose atom no loaded module has
        {_, error} when IsChoice -> {list_to_existing_atom(Key), list_to_atom(Text)};
        {_, error} -> usage([typed(param, Key, Text), "expected ", Expected])
    end;
%% Only the task knows its settings, so any word becomes an atom here.
setting(set, Key, Text) ->
    case {is_word(Key), cambrian_cli_arguments:value(Text), is_word(Text)} of
        {false, _, _} ->
            usage([typed(set, Key, Text), cambrian_cli_reason:unknown(set, [])]);
        {true, {ok, Value}, _} -> {list_to_atom(Key), Value};
        {true, error, true} -> {list_to_atom(Key), list_to_atom(Text)};
        {true, error, false} ->
            usage([typed(set, Key, Text), "expected a number, a word or a term of Erlang"])
    end.

typed(Flag, Key, Text) -> [cambrian_cli_arguments:flag(Flag), $\s, Key, $=, Text, ": "].

is_word(Text) -> re:run(Text, "^[a-z][a-zA-Z0-9_]{0,99}$", [unicode]) =/= nomatch.

%% @doc A question that names the most similar of the known names, if one is similar.
-spec did_you_mean(string(), [string()]) -> unicode:chardata().
did_you_mean(Name, Known) ->
    [[" (did you mean ", Near, "?)"] || Near <- cambrian_options:nearest(Name, Known)].
