%% Types in every shell example of the modules' docs and compares the answers.
%% cambrian_guides_tests does the same for the README and the guides.
-module(cambrian_examples_tests).
-include_lib("eunit/include/eunit.hrl").

examples_give_the_documented_answers_test_() ->
    {timeout, 120, [{File ++ ":" ++ integer_to_list(Line), {timeout, 60, fun() -> run(Block) end}}
                    || File <- files(), {Line, Block} <- blocks(File)]}.

every_public_module_of_the_list_has_examples_test() ->
    With = [filename:basename(File) || File <- files(), blocks(File) =/= []],
    ?assertEqual([], ["cambrian.erl", "cambrian_genotype.erl", "cambrian_network.erl",
                      "cambrian_substrate.erl", "cambrian_population.erl", "cambrian_bridge.erl",
                      "cambrian_trust.erl"] -- With).

%% Every public function of these modules has a doc and an example. A function that refers to
%% another arity is shown there.
every_function_is_shown_in_an_example_test_() ->
    {timeout, 60, fun() -> ?assertEqual([], lists:append([not_shown(File) || File <- api()])) end}.

%% Every module that is not private.
api() ->
    [File || File <- files(), {ok, Text} <- [file:read_file(File)],
             string:prefix(Text, "%% @private") =:= nomatch].

%% The states of the population are callbacks of gen_statem too.
-define(STATES,
        [{State, 3} || State <- [idle, welcoming, evaluating, receiving, trying, breeding]]).

not_shown(File) ->
    {ok, Forms} = epp:parse_file(File, []),
    Exported = lists:append([Names || {attribute, _, export, Names} <- Forms]),
    Callbacks =
        lists:append([Behaviour:behaviour_info(callbacks)
                      || {attribute, _, behaviour, Behaviour} <- Forms]),
    Comments = comments(File, Forms),
    Public = [{Function, Comment} || Function <- Exported -- (Callbacks ++ ?STATES),
                                     Comment <- [maps:get(Function, Comments)],
              not has("@private", Comment)],
    Shown = [Name || {{Name, _}, Comment} <- Public, has("(?m)^%% ```$", Comment)],
    [{filename:basename(File), Function, Fault}
     || {{Name, _} = Function, Comment} <- Public,
        {Fault, true} <- [{no_doc, not has("@doc", Comment)},
                          {no_example,
                           not (has("(?m)^%% ```$", Comment) orelse
                                lists:member(Name, Shown) andalso
                                has(["[Tt]he same|@link ", atom_to_list(Name), "/"], Comment))}]].

has(Pattern, Text) -> re:run(Text, Pattern, [unicode]) =/= nomatch.

%% The comment directly above each function or its spec.
comments(File, Forms) ->
    {ok, Bytes} = file:read_file(File),
    Lines = string:split(unicode:characters_to_list(Bytes), "\n", all),
    Places = [{Function, erl_anno:line(At)} || {attribute, At, spec, {Function, _}} <- Forms]
             ++ [{{Name, Arity}, erl_anno:line(At)} || {function, At, Name, Arity, _} <- Forms],
    maps:from_list([{Function, comment_above(Line, Lines)}
                    || {Function, Line} <- lists:reverse(Places)]).

comment_above(Line, Lines) ->
    Above = lists:reverse(lists:sublist(Lines, Line - 1)),
    lists:join("\n",
               lists:reverse(lists:takewhile(fun(Text) -> lists:prefix("%%", Text) end, Above))).

files() ->
    lists:append([filelib:wildcard(cambrian_checkout:path(Modules))
                  || Modules <- ["src/**/*.erl", "simulation/*.erl"]]).

%% The text between ``` and ''' in a comment.
blocks(File) ->
    {ok, Bytes} = file:read_file(File),
    Lines = [re:replace(Line, "^%% ?", "", [{return, list}, unicode])
             || Line <- string:split(unicode:characters_to_list(Bytes), "\n", all)],
    blocks(lists:zip(lists:seq(1, length(Lines)), Lines), outside, []).

blocks([], _, Blocks) -> lists:reverse(Blocks);
blocks([{Line, "```" ++ _} | Rest], outside, Blocks) -> blocks(Rest, {Line, []}, Blocks);
blocks([{_, "'''"} | Rest], {Line, Block}, Blocks) ->
    blocks(Rest, outside, [{Line, prompted(lists:reverse(Block))} | Blocks]);
blocks([{_, Text} | Rest], {Line, Block}, Blocks) -> blocks(Rest, {Line, [Text | Block]}, Blocks);
blocks([_ | Rest], outside, Blocks) -> blocks(Rest, outside, Blocks).

%% An example of a single expression needs no prompt.
prompted([First | Rest] = Block) ->
    case cambrian_session:is_prompt(First) of
        true -> Block;
        false -> ["1> " ++ First | Rest]
    end.

run(Block) -> cambrian_session:started(fun() -> cambrian_session:run(Block) end).
