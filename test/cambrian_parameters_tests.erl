%% `docs/parameters.md' has exactly the parameters and options of Cambrian, with defaults and
%% ranges. The checks of options refuse and fill in what the table of options says.
-module(cambrian_parameters_tests).
-include_lib("eunit/include/eunit.hrl").

-define(CHOICES,
        [{activations, activation}, {aggregations, aggregation}, {dynamics, dynamics},
         {plasticities, plasticity}]).

every_parameter_is_in_the_guide_test() ->
    Table = lists:sort([{atom_to_list(Name), default(Name, Default), range(Expected)}
                        || #{name := Name, default := Default,
                             expected := Expected} <- cambrian:parameters()]),
    Guide = lists:sort([{Name, Default, Range}
                        || Section <- sections(), Section =/= "Options",
                        [Name, Default, Range, _About] <- rows(Section)]),
    ?assertEqual(Table, Guide).

%% For activations the guide names the page that lists them.
every_choice_of_a_parameter_is_in_the_guide_test() ->
    Guide = [{Name, Choices} || Line <- lines(),
                                {match,
                                 [Name, Choices]} <- [match("^\\| (\\w+) \\| ([a-z_0-9, ]+) \\|$",
                                                            Line)]],
    ?assertEqual([{atom_to_list(Name), names(Name)} || {Name, _} <- ?CHOICES, Name =/= activations],
                 Guide).

%% All own defaults of each task that has any.
every_default_of_a_task_is_in_the_guide_test_() ->
    [{Shown, ?_assertEqual(own(Task), lists:sort(Guide))}
     || {Shown, Cell} <- [{Task, Cell} || [Task, Cell] <- rows("Tasks with other defaults")],
        Guide <- [[{Name, Value}
                   || [Name, Value] <- all("`(\\w+)` (\\[.*?\\]|\\w+(?:\\.\\w+)?)", Cell)]],
        Task <- tasks(Shown)].

a_task_that_is_not_in_the_guide_has_the_usual_defaults_test() ->
    Named = [Task || [Shown, _] <- rows("Tasks with other defaults"), Task <- tasks(Shown)],
    ?assertEqual([],
                 [Task
                  || Task <- [{dataset, [[1]], [[1]]} | cambrian:tasks() -- Named],
                  own(Task) =/= []]).

%% `BLESS=1' writes the section from the table.
the_guide_lists_the_options_of_the_table_test() ->
    Rows = [option(Row) || Row <- cambrian_population_options:table()],
    [Before, Old, After] = around_options(),
    case os:getenv("BLESS") of
        "1" ->
            Guide = unicode:characters_to_binary([Before, lists:join("\n", Rows), After]),
            ok = file:write_file(cambrian_checkout:path(guide()), Guide);
        _ -> ?assertEqual(Rows, string:split(Old, "\n", all))
    end.

%% `population' is checked as a parameter, and `task' by the task that it names.
a_wrong_option_is_refused_with_the_text_of_the_table_test_() ->
    [{atom_to_list(Name), ?_assertEqual(Expected, refused(Name))}
     || #{name := Name, expected := Expected} <- cambrian_population_options:table(),
     Name =/= task].

every_default_of_the_table_is_used_test() ->
    {ok, Prepared} = cambrian_preparation:prepare(#{task => 'xor'}),
    Table = maps:from_list([{Name, Default}
                            || #{name := Name, default := {value, Default}} = Row
                                   <- cambrian_population_options:table(),
                               maps:get(for, Row, both) =/= evolve]),
    ?assertEqual(Table, maps:without([task, text, name, seed, given, idle], Prepared)).

%%% ---- the code ----------------------------------------------------------------------------

default(Name, Default) ->
    case lists:keymember(Name, 1, ?CHOICES) of
        true ->
            [] = maps:get(element(2, lists:keyfind(Name, 1, ?CHOICES)),
                          cambrian_genotype:choices()) -- Default, "all";
        false -> shown(Default)
    end.

shown(Value) -> lists:flatten(io_lib:format("~0tp", [Value])).

range(Expected) ->
    Names = [{"one of " ++ names(activations), "an activation"}
             | [{"a list of one or more of " ++ names(Name), atom_to_list(Name)}
                || {Name, _} <- ?CHOICES]],
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
                || #{name := Name, default := Default} <- cambrian:parameters(),
                maps:get(Name, Own) =/= Default]).

tasks("single_pole") -> [single_pole, single_pole_novel, double_pole, double_pole_novel];
tasks("zdt1") -> [zdt1, zdt2, zdt3, zdt4, zdt6, dtlz2];
tasks("dataset") -> [{dataset, #{inputs => [[1], [2]], targets => [0, 1], kind => classification}},
                     {dataset, [[1]], [[7]]}];
tasks(Task) -> [list_to_atom(Task)].

refused(Name) ->
    {error, {_, {Name, _, Expected}}} = cambrian:evolve('xor', #{Name => {no, such, value}}),
    Expected.

option(#{name := Name, expected := Expected, text := Text} = Row) ->
    Whose = case Row of
                #{required := true} -> "required for a population: ";
                #{for := population} -> "for a population: ";
                #{for := evolve} -> "only for `evolve`: ";
                _ -> ""
            end,
    More = [[". ", More] || #{more := More} <- [Row]],
    See = [[": [", Title, "](", Page, $)] || #{see := {Title, Page}} <- [Row]],
    Cells = [["`", atom_to_list(Name), "`"], by_default(Row), Expected, [Whose, Text, More, See]],
    unicode:characters_to_list([[["| ", [[Cell, $\s] || iolist_size(Cell) > 0]] || Cell <- Cells],
                                $|]).

by_default(#{default := {value, Value}}) -> ["`", shown(Value), "`"];
by_default(#{default := {drawn, _, Words}}) -> Words;
by_default(#{default := {words, Words}}) -> Words;
by_default(_) -> "".

%%% ---- the guide ---------------------------------------------------------------------------

%% The cells of a section's rows. A first cell with several names gives only the first.
rows(Section) ->
    [[Name | [string:trim(Cell) || Cell <- string:split(Rest, "|", all)]]
     || Line <- section(Section),
     {match, [Name, Rest]} <- [match("^\\| `(\\w+)`[^|]*\\|(.*)\\|$", Line)]].

section(Section) ->
    [_ | After] = lists:dropwhile(fun(Line) -> Line =/= "## " ++ Section end, lines()),
    lists:takewhile(fun(Line) -> not lists:prefix("## ", Line) end, After).

sections() ->
    [Section || "## " ++ Section <- lines()] -- ["Where to begin", "Tasks with other defaults"].

lines() -> string:split(text(), "\n", all).

text() -> unicode:characters_to_list(cambrian_document:read(guide())).

guide() ->
    [Guide] =
        [Document
         || Document <- cambrian_document:all(), filename:basename(Document) =:= "parameters.md"],
    Guide.

%% The guide before the rows of its options, these rows, and the rest.
around_options() ->
    {match, Parts} = re:run(text(), "^(.*\\n## Options\\n.*?\\n\\|---.*?\\n)(.*?)(\\n\\n.*)$",
                            [unicode, dotall, {capture, all_but_first, list}]),
    Parts.

match(Pattern, Text) -> re:run(Text, Pattern, [unicode, {capture, all_but_first, list}]).

all(Pattern, Text) ->
    {match, Found} = re:run(Text, Pattern, [unicode, global, {capture, all_but_first, list}]),
    Found.
