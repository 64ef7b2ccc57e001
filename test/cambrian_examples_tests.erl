%% Every shell example in the documentation of a module, in the README and in the guides is typed in,
%% and must answer what it says it answers.
-module(cambrian_examples_tests).
-include_lib("eunit/include/eunit.hrl").

examples_test_() ->
    {timeout, 120, [{File ++ ":" ++ integer_to_list(Line), {timeout, 60, fun() -> run(Block) end}}
                    || File <- files(), {Line, Block} <- blocks(File)]}.

every_place_has_examples_test() ->
    With = [filename:basename(File) || File <- files(), blocks(File) =/= []],
    ?assertEqual([], ["README.md", "mesh.md", "trust.md", "cambrian.erl", "cambrian_genotype.erl", "cambrian_network.erl",
                      "cambrian_substrate.erl", "cambrian_population.erl", "cambrian_bridge.erl", "cambrian_trust.erl"] -- With).

%% What a user may call in these modules says what it does, and shows it: in an example of its own, or, where it
%% says that it is the same as another arity, in that one's.
every_function_is_shown_test_() ->
    {timeout, 60, fun() -> ?assertEqual([], lists:append([not_shown(File) || File <- api()])) end}.

api() ->
    Root = root(filename:absname(".")),
    [filename:join(Root, File) || Pattern <- ["cambrian.erl", "genome/*.erl", "task/cambrian_{task,environment,program}.erl", "run/cambrian_{population,governor}.erl",
                                              "mesh/cambrian_bridge.erl", "trust/cambrian_{envelope,identity,trust}.erl",
                                              "transport/cambrian_{epmd,transport*}.erl", "simulation/cambrian_transport_sim.erl",
                                              "watch/cambrian_{recorder,progress}.erl", "dashboard/cambrian_dashboard.erl", "shell/cambrian_cli.erl", "picture/*.erl"],
                                  File <- matching("src/" ++ Pattern, Root)].

%% A file that was moved must not be forgotten.
matching(Pattern, Root) ->
    [_ | _] = filelib:wildcard(Pattern, Root).

%% The states of the population are callbacks too, which gen_statem cannot know by name.
-define(STATES, [{State, 3} || State <- [idle, welcoming, evaluating, receiving, trying, breeding]]).

not_shown(File) ->
    {ok, Forms} = epp:parse_file(File, []),
    Exported = lists:append([Names || {attribute, _, export, Names} <- Forms]),
    Callbacks = lists:append([Behaviour:behaviour_info(callbacks) || {attribute, _, behaviour, Behaviour} <- Forms]),
    Comments = comments(File, Forms),
    Public = [{Function, Comment} || Function <- Exported -- (Callbacks ++ ?STATES),
                                     Comment <- [maps:get(Function, Comments)], not has("@private", Comment)],
    Shown = [Name || {{Name, _}, Comment} <- Public, has("(?m)^%% ```$", Comment)],
    [{filename:basename(File), Function, Fault}
     || {{Name, _} = Function, Comment} <- Public,
        {Fault, true} <- [{no_doc, not has("@doc", Comment)},
                          {no_example, not (has("(?m)^%% ```$", Comment) orelse lists:member(Name, Shown) andalso
                                            has(["[Tt]he same|@link ", atom_to_list(Name), "/"], Comment))}]].

has(Pattern, Text) -> re:run(Text, Pattern, [unicode]) =/= nomatch.

%% The comment that stands right above each function or its spec.
comments(File, Forms) ->
    {ok, Bytes} = file:read_file(File),
    Lines = string:split(unicode:characters_to_list(Bytes), "\n", all),
    Places = [{Function, erl_anno:line(At)} || {attribute, At, spec, {Function, _}} <- Forms]
             ++ [{{Name, Arity}, erl_anno:line(At)} || {function, At, Name, Arity, _} <- Forms],
    maps:from_list([{Function, comment_above(Line, Lines)} || {Function, Line} <- lists:reverse(Places)]).

comment_above(Line, Lines) ->
    Above = lists:reverse(lists:sublist(Lines, Line - 1)),
    lists:join("\n", lists:reverse(lists:takewhile(fun(Text) -> lists:prefix("%%", Text) end, Above))).

files() ->
    Root = root(filename:absname(".")),
    [filename:join(Root, File) || Pattern <- ["README.md", "docs/*.md", "src/**/*.erl"],
                                  File <- filelib:wildcard(Pattern, Root)].

root(Dir) ->
    case filelib:is_regular(filename:join(Dir, "README.md")) of
        true -> Dir;
        false -> root(filename:dirname(Dir))
    end.

%% Between ``` and ''' in a comment, or between fences in Markdown; of these only those with a prompt.
blocks(File) ->
    {ok, Bytes} = file:read_file(File),
    Lines = [re:replace(Line, "^%% ?", "", [{return, list}, unicode])
             || Line <- string:split(unicode:characters_to_list(Bytes), "\n", all)],
    blocks(lists:zip(lists:seq(1, length(Lines)), Lines), outside, []).

blocks([], _, Blocks) -> lists:reverse(Blocks);
blocks([{Line, "```" ++ _} | Rest], outside, Blocks) -> blocks(Rest, {Line, []}, Blocks);
blocks([{_, End} | Rest], {Line, Block}, Blocks) when End =:= "```"; End =:= "'''" ->
    Typed = prompted(End, lists:reverse(Block)),
    blocks(Rest, outside, [{Line, Typed} || lists:any(fun is_prompt/1, Typed)] ++ Blocks);
blocks([{_, Text} | Rest], {Line, Block}, Blocks) -> blocks(Rest, {Line, [Text | Block]}, Blocks);
blocks([_ | Rest], outside, Blocks) -> blocks(Rest, outside, Blocks).

%% An example in a comment that is one expression needs no prompt.
prompted("'''", [First | Rest] = Block) ->
    case is_prompt(First) of
        true -> Block;
        false -> ["1> " ++ First | Rest]
    end;
prompted(_, Block) -> Block.

is_prompt(Text) -> re:run(Text, "^[0-9]+> ", [unicode]) =/= nomatch.

run(Block) ->
    {ok, _} = application:ensure_all_started(cambrian),
    try lists:foldl(fun step/2, erl_eval:new_bindings(), steps(Block))
    after
        application:stop(cambrian),
        forget_messages()
    end.

%% What one example leaves unread, the next must not read.
forget_messages() ->
    receive _ -> forget_messages()
    after 0 -> ok
    end.

%% `{Typed, Answer}'; an expression ends with a full stop at the end of its line.
steps(Block) ->
    Numbered = lists:dropwhile(fun(Text) -> not is_prompt(Text) end, Block),
    steps(Numbered, []).

steps([], Steps) -> lists:reverse(Steps);
steps([Prompt | Rest], Steps) ->
    {Typed, AfterTyped} = typed([re:replace(Prompt, "^[0-9]+> ", "", [unicode, {return, list}]) | Rest], []),
    {Answer, Left} = lists:splitwith(fun(Text) -> not is_prompt(Text) end, AfterTyped),
    steps(Left, [{Typed, Answer} | Steps]).

typed([Line | Rest], Before) ->
    case re:run(Line, "\\.\\s*$", [unicode]) of
        nomatch -> typed(Rest, Before ++ Line ++ "\n");
        _ -> {Before ++ Line, Rest}
    end.

step({Typed, Answer}, Bindings) ->
    {ok, Tokens, _} = erl_scan:string(Typed),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, Next} = erl_eval:exprs(Expressions, Bindings),
    case string:trim(lists:append(Answer)) of
        "" -> ok;
        Expected -> ?assertEqual({Typed, term(Expected)}, {Typed, term(io_lib:format("~tp", [Value]))})
    end,
    Next.

%% What is shown, as a term: the order of a map's keys differs between releases. References, process ids and
%% times differ from run to run.
term(Shown) ->
    Plain = lists:foldl(fun({Pattern, Same}, T) -> re:replace(T, Pattern, Same, [global, unicode, {return, list}]) end,
                        unicode:characters_to_list(Shown),
                        [{"#Ref<[0-9.]+>", "ref"}, {"<[0-9]+\\.[0-9]+\\.[0-9]+>", "pid"},
                         {"elapsed_ms\\s*=>\\s*[0-9]+", "elapsed_ms=>0"},
                         {"evaluations_per_second\\s*=>\\s*[0-9]+", "evaluations_per_second=>0"}]),
    {ok, Tokens, _} = erl_scan:string(Plain ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.
