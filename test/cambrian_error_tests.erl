%% Reasons in words: each reason that the sources can give is of the documented type, and each
%% reason of that type has a text.
-module(cambrian_error_tests).
-include_lib("eunit/include/eunit.hrl").

%% Reasons that functions of Cambrian answer each other, and that become another reason before a
%% user sees them. A reason is here by its name, or by its name and the size of its tuple.
-define(INTERNAL, [address, already_member, already_present, badarg, bad_fitness, bad_name, closed,
                   eacces, eaddrinuse, efbig, einval, eisdir, enotsup, locked, metered,
                   missing_base, no_fitness, no_shell, not_a_file, not_there, panicked, stale,
                   terminated, unknown_call, {already_loaded, 2}, {bad_answer, 2}, {call_error, 3},
                   {locked, 2}, {not_kept, 2}, {program_failed, 2}, {program_not_started, 2},
                   {shutdown, 2}, {tls_alert, 2}, {unknown_operator, 2}, {unknown_parameter, 2},
                   {unknown_task, 2}]).

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

a_text_is_one_line_with_names_in_the_syntax_of_erlang_test_() ->
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

%% Each of these terms once took seconds or megabytes, crashed, or gave a list that is no text.
every_hostile_term_has_a_bounded_text_test_() ->
    [{timeout, 30, {Name, fun() -> in_bounds(Make) end}} || {Name, Make} <- hostile()].

hostile() ->
    Option = fun(Got) -> {bad_option, {seed, Got, <<"an integer">>}} end,
    Nested = fun(Wrap) -> lists:foldl(fun(_, Term) -> Wrap(Term) end, x, lists:seq(1, 300_000)) end,
    Tree = fun(Join) -> lists:foldl(fun(_, Term) -> Join(Term) end, x, lists:seq(1, 40)) end,
    [{Name, Make}
     || {Name, Make} <-
            [{"integer", fun() -> Option(1 bsl 3_000_000) end},
             {"negative", fun() -> Option([-(1 bsl 600_000), {1 bsl 600_000}]) end},
             {"size", fun() -> {too_large, 1 bsl 3_000_000} end},
             {"text", fun() -> {unknown_gene, 1 bsl 3_000_000, a} end},
             {"nested reason",
              fun() -> Nested(fun(T) -> {cambrian, {T, {cambrian_app, start, 1}}} end) end},
             {"deep", fun() -> Option(Nested(fun(T) -> {T} end)) end},
             {"deep list", fun() -> {unknown_name, Nested(fun(T) -> [T] end)} end},
             {"tree", fun() -> Option(Tree(fun(T) -> [T, T, T] end)) end},
             {"tree of maps", fun() -> Option(Tree(fun(T) -> #{a => T, T => c} end)) end},
             {"tree of texts", fun() -> {unknown_name, Tree(fun(T) -> [T, T] end)} end},
             {"names", fun() -> {missing_options, lists:seq(1, 1_000_000)} end},
             {"binary", fun() -> {bad_json, binary:copy(<<"a">>, 50_000_000)} end},
             {"expected", fun() -> {bad_option, {seed, 1, binary:copy(<<"a">>, 50_000_000)}} end},
             {"path", fun() -> {enoent, lists:duplicate(3_000_000, $a)} end}]]
        ++ [{lists:flatten(io_lib:format("~0tp", [Reason])), fun() -> Reason end}
            || Reason <- [{missing_options, foo}, {missing_options, [a | b]}, {wrong_base, foo},
                          {wrong_base, []},
                          {crashed, {a, b, [c]}, {error, x, []}}, {bad_option, {x, 1, foo}},
                          {bad_option, {x, 1, {a, b}}},
                          {unknown_option, foo, #{see => bar}}, {bad_return, {1, 2, 3}, x},
                          {cannot_listen, <<"x">>, {a, b}},
                          {bad_option, {until, {error, x, [foo | bar]}, x}},
                          {bad_option, {until, {1, x, []}, x}},
                          {enoent, [16#110000]}, {torn_file, <<255, 254>>},
                          {torn_checkpoint, [a | b]},
                          {evaluation_failed, {crashed, {error, x, [foo | bar]}}}]].

%% Makes the text in a process that is killed at 64 MB more than the term takes. Elixir's texts
%% need Elixir.
in_bounds(Make) ->
    Self = self(),
    {Pid, Monitor} = spawn_monitor(fun() ->
        Reason = Make(),
        true = erlang:garbage_collect(),
        {total_heap_size, Words} = process_info(self(), total_heap_size),
        process_flag(max_heap_size,
                     #{size => Words * 2 + 8_000_000, kill => true, error_logger => false}),
        {reductions, Before} = process_info(self(), reductions),
        Text = unicode:characters_to_list(cambrian_error:format_error(Reason)),
        {reductions, After} = process_info(self(), reductions),
        Self ! {self(), Text, After - Before}
    end),
    receive
        {Pid, Text, Reductions} ->
            demonitor(Monitor, [flush]),
            ?assert(length(Text) < 20_000),
            ?assert(Reductions < 10_000_000),
            ?assertEqual([], [C || C <- Text, C < 32, C =/= $\n]);
        {'DOWN', Monitor, process, Pid, Why} -> ?assertEqual(normal, Why)
    end.

random_terms_have_bounded_texts_test_() ->
    {timeout, 60, fun() ->
        _ = rand:seed(exsss, {1, 2, 3}),
        Names = lists:usort([Name || Reason <- reasons(), Name <- [name(Reason)], Name =/= other]),
        [begin
             Reason = case rand:uniform(4) of
                          1 -> random(4);
                          _ -> list_to_tuple([lists:nth(rand:uniform(length(Names)), Names)
                                              | [random(3) || _ <- lists:seq(1, rand:uniform(3))]])
                      end,
             Text = unicode:characters_to_list(cambrian_error:format_error(Reason)),
             ?assert(is_list(Text) andalso length(Text) < 20_000)
         end || _ <- lists:seq(1, 5_000)]
    end}.

name(Reason) when is_atom(Reason) -> Reason;
name(Reason) when is_atom(element(1, Reason)) -> element(1, Reason);
name(_) -> other.

random(0) -> lists:nth(rand:uniform(5), [a, -1, 1.5, <<"ab">>, []]);
random(Depth) ->
    Some = fun() -> [random(Depth - 1) || _ <- lists:seq(1, rand:uniform(4) - 1)] end,
    case rand:uniform(8) of
        1 -> Some();
        2 -> list_to_tuple(Some());
        3 -> maps:from_list([{Key, random(Depth - 1)} || Key <- Some()]);
        4 -> [random(Depth - 1) | random(Depth - 1)];
        5 -> crypto:strong_rand_bytes(rand:uniform(40));
        6 -> 1 bsl rand:uniform(5000);
        7 -> fun() -> ok end;
        8 -> random(Depth - 1)
    end.

%% A name from another node can neither move the cursor of a terminal nor add a line to a log.
control_characters_are_escaped_test() ->
    ?assertEqual("this node knows no key with the name a\\x{1b}[31mb\\n\\r",
                 text({unknown_name, <<"a\e[31mb\n\r">>})),
    [?assertEqual([],
                  [C
                   || C <- text(Reason),
                   C < 32 orelse C >= 127 andalso C < 160 orelse C =:= 16#202E])
     || Reason <- [{data_dir_in_use, "a\nb", <<"x\e]0;evil\a">>},
                   {unknown_name, <<"a", 16#9B/utf8, 16#202E/utf8>>},
                   {bad_option, {seed, 1, <<"\e[2J">>}}, {torn_file, "a\nb"}]].

large_integers_are_shown_by_their_size_test() ->
    ?assertEqual("option seed must be an integer, got: an integer of 75001 bytes",
                 text({bad_option, {seed, 1 bsl 600_000, <<"an integer">>}})).

text(Reason) -> lists:flatten(unicode:characters_to_list(cambrian_error:format_error(Reason))).

kind(Reason) when is_atom(Reason) -> Reason;
kind(Reason) when is_atom(element(1, Reason)) -> {element(1, Reason), tuple_size(Reason)};
kind(_Reason) -> other.

%%% ---- the reasons of the type ------------------------------------------------------------

%% One reason of each kind, made from the type `cambrian_error:reason()'.
reasons() -> samples(cambrian_error, type(cambrian_error, reason)).

type(Module, Name) ->
    [Type] = [Type || {attribute, _, type, {Found, Type, []}} <- forms(Module), Found =:= Name],
    Type.

%% Terms of a type. A union gives a term of each alternative.
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
samples(_Module, {type, _, node, []}) -> ['lab@host'];
samples(Module, {type, _, list, [Type]}) -> [[hd(samples(Module, Type))]];
samples(_Module, {type, _, list, []}) -> [[]];
samples(_Module, {type, _, Integer, _}) when Integer =:= integer; Integer =:= pos_integer -> [7];
samples(_Module, {type, _, binary, _}) -> [<<"abc">>];
samples(_Module, {type, _, string, _}) -> ["abc"];
samples(_Module, {type, _, pid, _}) -> [self()];
samples(_Module, {type, _, mfa, _}) -> [{lists, init, 1}];
samples(_Module, {type, _, Any, _}) when Any =:= term; Any =:= atom; Any =:= module -> [thing].

%%% ---- the reasons of the sources ---------------------------------------------------------

%% Each `{error, Reason}' in a module. With a boolean as Reason it is a pair of two values, not an
%% error.
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

%% The number of expressions between commas outside parentheses.
parts(Source) ->
    case re:replace(Source, "\\([^()]*\\)", "", [global, {return, list}]) of
        Source -> length(string:split(Source, ",", all));
        Shorter -> parts(Shorter)
    end.
