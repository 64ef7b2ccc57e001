%% `docs/parameters.md' has every parameter and every option, with its default and its range, and no other.
-module(cambrian_parameters_tests).
-include_lib("eunit/include/eunit.hrl").

-define(CHOICES, [{activations, activation}, {aggregations, aggregation}, {dynamics, dynamics}, {plasticities, plasticity}]).

every_parameter_is_in_the_guide_test() ->
    Table = lists:sort([{atom_to_list(Name), default(Name, Default), range(Expected)}
                        || #{name := Name, default := Default, expected := Expected} <- cambrian:parameters()]),
    Guide = lists:sort([{Name, Default, Range}
                        || Section <- sections(), Section =/= "Options", [Name, Default, Range, _About] <- rows(Section)]),
    ?assertEqual(Table, Guide).

%% Of the activations it says where they are told of.
every_choice_is_in_the_guide_test() ->
    Guide = [{Name, Choices} || Line <- lines(),
                                {match, [Name, Choices]} <- [match("^\\| (\\w+) \\| ([a-z_0-9, ]+) \\|$", Line)]],
    ?assertEqual([{atom_to_list(Name), names(Name)} || {Name, _} <- ?CHOICES, Name =/= activations], Guide).

%% Of each task that has others, all of them.
every_task_s_own_defaults_are_in_the_guide_test_() ->
    [{Shown, ?_assertEqual(own(Task), lists:sort(Guide))}
     || {Shown, Cell} <- [{Task, Cell} || [Task, Cell] <- rows("Tasks with other defaults")],
        Guide <- [[{Name, Value} || [Name, Value] <- all("`(\\w+)` (\\[.*?\\]|\\w+(?:\\.\\w+)?)", Cell)]],
        Task <- tasks(Shown)].

a_task_that_is_not_in_the_guide_has_the_defaults_test() ->
    Named = [Task || [Shown, _] <- rows("Tasks with other defaults"), Task <- tasks(Shown)],
    ?assertEqual([], [Task || Task <- [{dataset, [[1]], [[1]]} | cambrian:tasks() -- Named], own(Task) =/= []]).

every_option_is_in_the_guide_test() ->
    Guide = [Name || [Name, _, _, _] <- rows("Options")],
    ?assertEqual(lists:sort(["progress", "report" | [atom_to_list(Name) || Name <- cambrian_population_options:names()]]),
                 lists:sort(Guide)).

every_option_says_what_it_may_be_test_() ->
    [{Name, ?_assertEqual(Expected, expected(list_to_atom(Name)))}
     || [Name, _, Expected, _] <- rows("Options"), Name =/= "task"].

%% What stands there as code; in words is what is not the same every time, or is no value.
every_option_s_default_is_in_the_guide_test() ->
    {ok, Checked} = cambrian_population_options:prepare(#{task => 'xor'}),
    Known = maps:without([task, text, name, seed, given], Checked#{progress => false}),
    Guide = [{Name, Default} || [Name, "`" ++ _ = Default, _, _] <- rows("Options")],
    ?assertEqual(lists:sort([{atom_to_list(Name), "`" ++ shown(Default) ++ "`"} || {Name, Default} <- maps:to_list(Known)]),
                 lists:sort(Guide)).

%%% ---- what is so -------------------------------------------------------------------------

default(Name, Default) ->
    case lists:keymember(Name, 1, ?CHOICES) of
        true -> [] = maps:get(element(2, lists:keyfind(Name, 1, ?CHOICES)), cambrian_genotype:choices()) -- Default, "all";
        false -> shown(Default)
    end.

shown(Value) -> lists:flatten(io_lib:format("~0tp", [Value])).

range(Expected) ->
    Names = [{"one of " ++ names(activations), "an activation"}
             | [{"a list of one or more of " ++ names(Name), atom_to_list(Name)} || {Name, _} <- ?CHOICES]],
    Text = unicode:characters_to_list(Expected),
    case {lists:keyfind(Text, 1, Names), match("^an? (number|integer) from (.*)$", Text)} of
        {{_, Short}, _} -> Short;
        {false, {match, ["number", Range]}} -> Range;
        {false, {match, ["integer", Range]}} -> Range ++ ", an integer";
        {false, nomatch} -> Text
    end.

names(Name) ->
    Choices = maps:get(proplists:get_value(Name, ?CHOICES), cambrian_genotype:choices()),
    lists:append(lists:join(", ", [atom_to_list(Choice) || Choice <- Choices])).

own(Task) ->
    {ok, Own} = cambrian:parameters(Task),
    lists:sort([{atom_to_list(Name), shown(maps:get(Name, Own))}
                || #{name := Name, default := Default} <- cambrian:parameters(), maps:get(Name, Own) =/= Default]).

tasks("single_pole") -> [single_pole, single_pole_novel, double_pole, double_pole_novel];
tasks("dataset") -> [{dataset, #{inputs => [[1], [2]], targets => [0, 1], kind => classification}},
                     {dataset, [[1]], [[7]]}];
tasks(Task) -> [list_to_atom(Task)].

expected(population) -> % as the parameter, whose error is another
    {error, {bad_parameter, {population, 1, Expected}}} = cambrian:evolve('xor', #{population => 1}),
    unicode:characters_to_list(Expected);
expected(Name) ->
    {error, {bad_option, {Name, _, Expected}}} = cambrian:evolve('xor', #{Name => {no, such, value}}),
    unicode:characters_to_list(Expected).

%%% ---- what the guide says ----------------------------------------------------------------

%% The cells of a section's rows, of the first of them its first name.
rows(Section) ->
    [[Name | [string:trim(Cell) || Cell <- string:split(Rest, "|", all)]]
     || Line <- section(Section), {match, [Name, Rest]} <- [match("^\\| `(\\w+)`[^|]*\\|(.*)\\|$", Line)]].

section(Section) ->
    [_ | After] = lists:dropwhile(fun(Line) -> Line =/= "## " ++ Section end, lines()),
    lists:takewhile(fun(Line) -> not lists:prefix("## ", Line) end, After).

sections() -> [Section || "## " ++ Section <- lines()] -- ["Where to begin", "Tasks with other defaults"].

lines() ->
    [Guide] = [Document || Document <- cambrian_document:all(), filename:basename(Document) =:= "parameters.md"],
    string:split(unicode:characters_to_list(cambrian_document:read(Guide)), "\n", all).

match(Pattern, Text) -> re:run(Text, Pattern, [unicode, {capture, all_but_first, list}]).

all(Pattern, Text) ->
    {match, Found} = re:run(Text, Pattern, [unicode, global, {capture, all_but_first, list}]),
    Found.
