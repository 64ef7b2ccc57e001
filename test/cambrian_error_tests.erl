%% Reasons in words: each reason that the sources can give is of the documented type, and each
%% reason of that type has a text.
-module(cambrian_error_tests).
-include_lib("eunit/include/eunit.hrl").

%% Reasons that functions of Cambrian answer each other, and that become another reason before a
%% user sees them. A reason is here by its name, or by its name and the size of its tuple.
-define(INTERNAL, [address, already_present, badarg, bad_fitness, bad_name, closed, eacces,
                   eaddrinuse, efbig, einval, eisdir, enotsup, locked, metered, missing_base,
                   no_fitness, no_shell, not_a_file, not_there, panicked, stale, terminated,
                   unknown_call, {already_loaded, 2}, {bad_answer, 2}, {call_error, 3},
                   {locked, 2},
                   {program_failed, 2}, {program_not_started, 2}, {shutdown, 2}, {tls_alert, 2},
                   {unknown_operator, 2}, {unknown_parameter, 2}, {unknown_task, 2}]).

every_reason_of_the_sources_is_documented_test() ->
    Documented = [kind(Reason) || Reason <- reasons()],
    {Erlang, Rust} = {reasons_in_erlang(), reasons_in_rust()},
    ?assert(length(Erlang) > 50),
    ?assert(length(Rust) > 10),
    Others = lists:usort(Erlang ++ Rust) -- (Documented ++ ?INTERNAL),
    ?assertEqual([], [Kind || Kind <- Others, not is_of_a_file(Kind)]).

is_of_a_file({Posix, 2}) -> file:format_error(Posix) =/= file:format_error(no_posix);
is_of_a_file(_) -> false.

every_internal_reason_is_in_the_sources_test() ->
    ?assertEqual([], ?INTERNAL -- (reasons_in_erlang() ++ reasons_in_rust())).

every_documented_reason_has_a_text_test_() ->
    [?_assertEqual({Reason, in_words}, {Reason, is_in_words(text(Reason), Reason)})
     || Reason <- reasons()].

is_in_words(Text, Reason) ->
    case string:find(Text, " ") =/= nomatch andalso not is_raw(Text, Reason) of
        true -> in_words;
        false -> Text
    end.

is_raw(_Text, Name) when is_atom(Name) -> false;
is_raw(Text, Reason) ->
    string:find(Text, lists:flatten(io_lib:format("~0tp", [Reason]))) =/= nomatch.

a_text_is_one_line_in_the_words_of_erlang_test_() ->
    Page = <<"type cambrian_population:options()">>,
    [?_assertEqual(Text, text(Reason))
     || {Text, Reason} <-
            [{"option seed must be an integer, got: -1",
              {bad_option, {seed, -1, <<"an integer">>}}},
             {"options must be a map, got: []", {bad_option, {options, [], <<"a map">>}}},
             {"options inputs, outputs are missing", {missing_options, [inputs, outputs]}},
             {"unknown option \"se\\nde\"; the " ++ binary_to_list(Page) ++ " lists them",
              {unknown_option, "se\nde", #{see => Page}}},
             {"the function of until failed: error badarith",
              {bad_option, {until, {error, badarith, []}, <<"a fun">>}}},
             {"lists:init([{a,1}]) failed: exit shutdown",
              {crashed, {lists, init, [[{a, 1}]]}, {exit, shutdown, []}}},
             {"row 2, column 1 of a dataset's inputs must be a number, got: nan",
              {bad_dataset, {{inputs, 2, 1}, nan, <<"a number">>}}},
             {"the application cambrian did not start: the file /data/ö is damaged",
              {cambrian, {{torn_file, <<"/data/ö"/utf8>>}, {cambrian_app, start, []}}}},
             {"/nowhere: not a directory", {enotdir, "/nowhere"}},
             {"{some,\"other reason\"}", {some, "other reason"}}]].

a_large_term_is_cut_short_test() ->
    Many = lists:duplicate(100_000, {a, <<0:8000>>}),
    ?assert(length(text({bad_option, {seed, Many, <<"an integer">>}})) < 1000).

text(Reason) -> lists:flatten(unicode:characters_to_list(cambrian_error:format_error(Reason))).

kind(Reason) when is_atom(Reason) -> Reason;
kind(Reason) when is_atom(element(1, Reason)) -> {element(1, Reason), tuple_size(Reason)};
kind(_Reason) -> other.

%%% ---- the reasons of the type ------------------------------------------------------------

%% One of each kind, made from the type `cambrian_error:reason()'.
reasons() -> samples(cambrian_error, type(cambrian_error, reason)).

type(Module, Name) ->
    [Type] = [Type || {attribute, _, type, {Found, Type, []}} <- forms(Module), Found =:= Name],
    Type.

%% Terms of a type: of a union one of each alternative, so that each of them is in one term.
samples(Module, {type, _, union, Types}) -> lists:append([samples(Module, T) || T <- Types]);
samples(Module, {ann_type, _, [_Name, Type]}) -> samples(Module, Type);
samples(Module, {user_type, _, reason, []}) when Module =:= cambrian_error -> [not_started];
samples(Module, {user_type, _, Name, []}) -> samples(Module, type(Module, Name));
samples(_Module, {remote_type, _, [{atom, _, file}, {atom, _, posix}, []]}) -> [enotdir];
samples(_Module, {remote_type, _, [{atom, _, file}, _, []]}) -> ["a/file"];
samples(_Module, {remote_type, _, [{atom, _, inet}, _, []]}) -> [eaddrinuse];
samples(_Module, {remote_type, _, [{atom, _, Other}, {atom, _, Name}, []]}) ->
    samples(Other, type(Other, Name));
samples(Module, {type, _, tuple, Types}) when is_list(Types) ->
    Parts = [samples(Module, Type) || Type <- Types],
    [list_to_tuple([lists:nth(min(At, length(Part)), Part) || Part <- Parts])
     || At <- lists:seq(1, lists:max([length(Part) || Part <- Parts]))];
samples(Module, {type, _, map, Fields}) ->
    [maps:from_list([{Key, hd(samples(Module, Type))}
                     || {type, _, _, [{atom, _, Key}, Type]} <- Fields])];
samples(_Module, {atom, _, Atom}) -> [Atom];
samples(Module, {type, _, list, [Type]}) -> [[hd(samples(Module, Type))]];
samples(_Module, {type, _, list, []}) -> [[]];
samples(_Module, {type, _, Integer, _}) when Integer =:= integer; Integer =:= pos_integer -> [7];
samples(_Module, {type, _, binary, _}) -> [<<"abc">>];
samples(_Module, {type, _, string, _}) -> ["abc"];
samples(_Module, {type, _, pid, _}) -> [self()];
samples(_Module, {type, _, mfa, _}) -> [{lists, init, 1}];
samples(_Module, {type, _, Any, _}) when Any =:= term; Any =:= atom; Any =:= module -> [thing].

%%% ---- the reasons of the sources ---------------------------------------------------------

%% `{error, Reason}' wherever a module has it; with a boolean it is a pair of two answers.
reasons_in_erlang() ->
    Files = filelib:wildcard(cambrian_checkout:path("src/**/*.erl")),
    Modules = [list_to_atom(filename:basename(File, ".erl")) || File <- Files],
    Functions = [Form || Module <- Modules, {function, _, _, _, _} = Form <- forms(Module)],
    lists:usort(errors(Functions)).

errors({tuple, _, [{atom, _, error}, {atom, _, Name}]}) when not is_boolean(Name) -> [Name];
errors({tuple, _, [{atom, _, error}, {tuple, _, [{atom, _, Name} | Rest]}]}) ->
    [{Name, length(Rest) + 1} | errors(Rest)];
errors(Form) when is_tuple(Form) -> errors(tuple_to_list(Form));
errors([First | Rest]) -> errors(First) ++ errors(Rest);
errors(_) -> [].

forms(Module) ->
    {ok, {Module, [{abstract_code, {_, Forms}}]}} =
        beam_lib:chunks(code:which(Module), [abstract_code]),
    Forms.

%% Reasons as the boundary in Rust writes them: `refuse(atoms::name())' or
%% `refuse((atoms::name(), ...))'.
reasons_in_rust() ->
    Sources = filelib:wildcard(cambrian_checkout:path("native/cambrian_nif/src/*.rs")),
    Texts = [Text || Source <- Sources, {ok, Text} <- [file:read_file(Source)]],
    Options = [global, {capture, all_but_first, list}],
    Find = fun(Pattern) ->
               lists:append([Found || Text <- Texts,
                                      {match, Found} <- [re:run(Text, Pattern, Options)]])
           end,
    lists:usort([list_to_atom(Name) || [Name] <- Find("refuse\\(atoms::(\\w+)\\(\\)\\)")]
                ++ [{list_to_atom(Name), 1 + parts(Rest)}
                    || [Name, Rest] <- Find("refuse\\(\\(atoms::(\\w+)\\(\\), ([^\\n]*)\\)\\)")]).

%% How many expressions stand between commas outside parentheses.
parts(Source) ->
    case re:replace(Source, "\\([^()]*\\)", "", [global, {return, list}]) of
        Source -> length(string:split(Source, ",", all));
        Shorter -> parts(Shorter)
    end.
