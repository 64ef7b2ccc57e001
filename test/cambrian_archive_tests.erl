%% Quality diversity as users call it: the archive of a run, its files and its errors.
-module(cambrian_archive_tests).
-include_lib("eunit/include/eunit.hrl").

-define(OPTIONS, #{search => map_elites, seed => 3, population => 40, target => 1000,
                   params => #{cells => 400}}).

archive(Task, Options) -> archive(Task, Options, ?OPTIONS).

archive(Task, Options, Defaults) ->
    {ok, #{archive := Archive}} = cambrian:evolve(Task, maps:merge(Defaults, Options)),
    Archive.

small() -> archive(maze_medium, #{generations => 10}).

a_task_in_erlang_fills_the_archive_as_the_same_task_in_rust_does_test_() ->
    {timeout, 120, fun() ->
        {ok, Own} = cambrian:parameters(maze_medium),
        Params = (maps:without([population, search], Own))#{cells => 400},
        Given = #{inputs => 10, outputs => 2, params => Params, generations => 6},
        Native = cambrian_archive:elites(archive(maze_medium, #{generations => 6})),
        Erlang = cambrian_archive:elites(archive(cambrian_searches_tests:maze(), Given)),
        Shown = fun(Elites) -> [Elite#{genotype := cambrian_genotype:id(Genotype)}
                                || #{genotype := Genotype} = Elite <- Elites] end,
        ?assert(length(Native) > 5),
        ?assertEqual(Shown(Native), Shown(Erlang))
    end}.

a_task_without_a_behaviour_fills_an_archive_too_test() ->
    Fun = fun(Network) -> {ok, Fitness} = cambrian_task:evaluate('xor', Network), Fitness end,
    Filled = fun(Task, Size) ->
                 #{filled := Filled, bounds := [_, _]} =
                     cambrian_archive:stats(archive(Task, Size#{generations => 8})),
                 Filled
             end,
    ?assert(Filled('xor', #{}) > 10),
    ?assertEqual(Filled('xor', #{}), Filled(Fun, #{inputs => 2, outputs => 1})).

a_new_evaluation_of_an_elite_finds_its_fitness_and_behaviour_test() ->
    Archive = small(),
    #{filled := Filled, cells := Cells, coverage := Coverage, best := Best, qd_score := Score} =
        cambrian_archive:stats(Archive),
    Elites = cambrian_archive:elites(Archive),
    ?assertEqual({Filled, Filled / Cells}, {length(Elites), Coverage}),
    [?assertEqual({ok, Fitness},
                  cambrian_task:evaluate(maze_medium, cambrian_network:compile(Genotype)))
     || #{genotype := Genotype, fitness := Fitness} <- lists:sublist(Elites, 5)],
    ?assertEqual(Best, lists:max([Fitness || #{fitness := Fitness} <- Elites])),
    ?assert(abs(Score - lists:sum([Fitness || #{fitness := Fitness} <- Elites])) < 1.0e-6),
    #{qd_score := Above} = cambrian_archive:stats(Archive, #{offset => 100}),
    ?assert(abs(Score - 100 * Filled - Above) < 1.0e-6).

elites_are_found_by_behaviour_test() ->
    Archive = small(),
    Elites = cambrian_archive:elites(Archive),
    #{cell := Cell, behaviour := Behaviour} = hd(Elites),
    ?assertMatch({ok, #{cell := Cell}}, cambrian_archive:at(Archive, Behaviour)),
    ?assertMatch({ok, #{cell := Cell}}, cambrian_archive:nearest(Archive, Behaviour)),
    Cells = [Other || #{cell := Other} <- Elites],
    ?assert(lists:all(fun(#{cell := Other}) -> lists:member(Other, Cells) end,
                      cambrian_archive:sample(Archive, 20, 1))),
    Sampled = fun(Seed) -> [C || #{cell := C} <- cambrian_archive:sample(Archive, 20, Seed)] end,
    ?assertEqual(Sampled(1), Sampled(1)),
    ?assertNotEqual(Sampled(1), Sampled(2)).

merging_archives_in_any_order_gives_the_same_archive_test() ->
    [A, B, C] = [archive(maze_medium, #{generations => 5, seed => Seed}) || Seed <- [1, 2, 3]],
    Merge = fun(One, Other) -> {ok, Union} = cambrian_archive:merge(One, Other), Union end,
    Id = fun cambrian_archive:id/1,
    Whole = Id(Merge(A, Merge(B, C))),
    ?assertEqual([Whole, Whole, Whole],
                 [Id(Merge(Merge(C, B), A)), Id(Merge(Merge(B, A), Merge(C, A))),
                  Id(Merge(Merge(A, Merge(B, C)), B))]),
    {ok, Read} = cambrian_archive:from_binary(cambrian_archive:to_binary(A)),
    ?assertEqual(Id(A), Id(Read)).

an_archive_that_cannot_be_merged_or_read_is_an_error_test() ->
    Archive = small(),
    Other = archive('xor', #{generations => 2}),
    {error, {different_archives, Why}} = Reason = cambrian_archive:merge(Archive, Other),
    ?assertEqual(<<"the archives are of different tasks">>, Why),
    ?assertEqual(<<"these archives cannot be merged: ", Why/binary>>,
                 iolist_to_binary(cambrian_error:format_error(element(2, Reason)))),
    Finer = archive(maze_medium, #{generations => 2, params => #{cells => 900}}),
    ?assertMatch({error, {different_archives, <<"the archives divide", _/binary>>}},
                 cambrian_archive:merge(Archive, Finer)),
    Bytes = cambrian_archive:to_binary(Archive),
    ?assertEqual({error, malformed},
                 cambrian_archive:from_binary(binary:part(Bytes, 0, byte_size(Bytes) - 1))),
    ?assertEqual({error, malformed}, cambrian_archive:from_binary(<<>>)),
    <<Array, 1, Rest/binary>> = Bytes,
    ?assertEqual({error, {unsupported_version, 3}},
                 cambrian_archive:from_binary(<<Array, 3, Rest/binary>>)).

an_argument_that_is_no_archive_is_named_test() ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    ?assertNot(cambrian_archive:is_archive(Genotype)),
    ?assert(cambrian_archive:is_archive(small())),
    ?assertEqual(#{1 => <<"has to be an archive, and is a genotype">>},
                 cambrian_refused:arguments(fun() -> cambrian_archive:elites(Genotype) end)),
    ?assertEqual(#{2 => <<"has to be an archive, and is 7">>},
                 cambrian_refused:arguments(fun() -> cambrian_archive:merge(small(), 7) end)),
    ?assertEqual(#{2 => <<"has to be a list of 2 numbers, as many as the archive has dimensions">>},
                 cambrian_refused:arguments(fun() -> cambrian_archive:at(small(), [1]) end)),
    [?assertEqual(#{2 => <<"has to be a list of 2 numbers, as many as the archive has "
                           "dimensions">>},
                  cambrian_refused:arguments(fun() -> cambrian_archive:nearest(small(), Point) end))
     || Point <- [[1, 1 bsl 2000], [1 | 2], [1, a], none]],
    [?assertMatch(#{2 := <<"has to be a map with at most the option offset", _/binary>>},
                  cambrian_refused:arguments(fun() -> cambrian_archive:stats(small(), Options) end))
     || Options <- [#{ofset => 1}, #{offset => 1 bsl 2000}, #{offset => none}, []]],
    [?assertMatch(#{At := <<"has to be an integer from 0", _/binary>>},
                  cambrian_refused:arguments(fun() -> cambrian_archive:sample(small(), Count, Seed)
                  end))
     || {At, Count, Seed} <- [{2, 1_000_001, 1}, {2, -1, 1}, {2, 1.0, 1}, {3, 1, 1 bsl 64},
                              {3, 1, -1}]].

a_bad_archive_parameter_is_refused_test_() ->
    [?_assertEqual({error, {bad_parameter, {Name, Value, Expected}}},
                   cambrian:evolve(maze_medium,
                                   maps:merge(?OPTIONS, #{params => #{Name => Value}})))
     || {Name, Value, Expected} <-
            [{bounds, [{5, 2}, {0, 1}], <<"a list of pairs of a lower and a higher number">>},
             {bounds, [{0, 1}, {0, left}], <<"a list of pairs of a lower and a higher number">>},
             {bounds, [1, 2], <<"a list of pairs of a lower and a higher number">>},
             {bounds, lists:duplicate(17, {0, 1}),
              <<"2 pairs, as many as the behaviour of maze_medium has numbers">>},
             {cells, 1_000_000_000_000, <<"an integer from 1 to 1000000">>},
             {cells, 3,
              <<"at least 4: a grid of this many dimensions needs two places along each">>},
             {emitters, lists:duplicate(17, neat), <<"at most 16">>},
             {partition, squares, <<"one of grid, cvt">>},
             {emitters, [neat, magic],
              <<"a list of one or more of neat, iso_line, cma_me, cma_mae">>}]].

a_behaviour_whose_length_differs_from_the_bounds_is_an_error_test() ->
    Fun = fun(_) -> #{fitness => 1, behaviour => [1, 2, 3]} end,
    Failure = fun(Params) ->
                  {error, {evaluations_failed, #{count := 40, first := First}}} =
                      cambrian:evolve(Fun, ?OPTIONS#{inputs => 1, outputs => 1, params => Params}),
                  First
              end,
    ?assertEqual({bad_score, {behaviour, 3, <<"2 numbers, as the parameter bounds has">>}},
                 Failure(#{bounds => [{0, 1}, {0, 1}]})),
    ?assertEqual({bad_score, {behaviour, 3, <<"no behaviour, or the parameter bounds or projection "
                                               "for it">>}},
                 Failure(#{})).

a_population_returns_its_archive_while_it_runs_and_after_a_restart_test_() ->
    {timeout, 60, fun() ->
        {ok, Population} = cambrian_population:start(?OPTIONS#{task => maze_medium}),
        Filled = fun() ->
                     {ok, Archive} = cambrian_population:archive(Population),
                     maps:get(filled, cambrian_archive:stats(Archive))
                 end,
        ?assertEqual(0, Filled()),
        {ok, _} = cambrian_population:step(Population, 3),
        Few = Filled(),
        ?assert(Few > 0),
        {ok, _} = cambrian_population:step(Population, 10),
        ?assert(Filled() > Few),
        ok = cambrian_population:stop(Population)
    end}.

a_search_other_than_map_elites_has_no_archive_test() ->
    {ok, Population} = cambrian_population:start(#{task => 'xor'}),
    {error, Reason} = cambrian_population:archive(Population),
    ?assertEqual(<<"the population keeps no archive, which needs search map_elites">>,
                 iolist_to_binary(cambrian_error:format_error(Reason))),
    ok = cambrian_population:stop(Population),
    {ok, Result} = cambrian:evolve('xor', #{seed => 1, generations => 1}),
    ?assertNot(is_map_key(archive, Result)).

pictures_and_tables_show_all_elites_test() ->
    Archive = small(),
    #{filled := Filled} = cambrian_archive:stats(Archive),
    [Head | Lines] = string:lexemes(iolist_to_binary(cambrian_archive:to_csv(Archive)), "\n"),
    ?assertEqual({<<"cell,id,fitness,behaviour_1,behaviour_2">>, Filled}, {Head, length(Lines)}),
    Svg = iolist_to_binary(cambrian_archive:to_svg(Archive, #{title => <<"Maze">>})),
    {match, Cells} = re:run(Svg, "M[0-9.]+ [0-9.]+h", [global]),
    ?assertEqual(Filled, length(Cells)),
    {match, [[Words]]} =
        re:run(Svg, "<desc>(.*)</desc>", [global, {capture, all_but_first, binary}]),
    ?assertEqual(integer_to_binary(Filled), hd(string:lexemes(Words, " "))),
    Json = iolist_to_binary(cambrian_archive:to_json(Archive)),
    ?assertEqual(Filled, length(binary:matches(Json, <<"\"cell\":">>))),
    Wide = archive(fun(Network) ->
                       [Out] = cambrian_network:activate(Network, [1]),
                       #{fitness => Out, behaviour => [Out, Out * Out, 1 - Out]}
                   end, #{inputs => 1, outputs => 1, generations => 5,
                          params =>
                              #{bounds => [{0, 1}, {0, 1}, {0, 1}], partition => cvt,
                                cells => 100}}),
    ?assertMatch({match, _}, re:run(cambrian_archive:to_svg(Wide, #{}), "cb-line")),
    ?assertError(_, cambrian_archive:to_svg(Archive, #{titel => <<"Maze">>})).

%% An archive without elites and an archive of the largest numbers both have a table, a picture
%% and JSON.
an_empty_archive_and_extreme_values_are_shown_test() ->
    Largest = 1.7976931348623157e308,
    Fun = fun(Network) ->
              [Out] = cambrian_network:activate(Network, [1]),
              #{fitness => (2 * Out - 1) * Largest, behaviour => [(2 * Out - 1) * Largest, Out]}
          end,
    Options =
        #{task => Fun, inputs => 1, outputs => 1, search => map_elites, seed => 1,
          population => 40},
    [begin
         {ok, Population} =
             cambrian_population:start(Options#{params => #{bounds => Bounds, cells => 100}}),
         {ok, Empty} = cambrian_population:archive(Population),
         {ok, _} = cambrian_population:step(Population, 3),
         {ok, Full} = cambrian_population:archive(Population),
         ?assertMatch({match, _}, re:run(cambrian_archive:to_json(Empty), "\"best\":null")),
         [begin
              ?assertMatch(<<"<svg", _/binary>>,
                           iolist_to_binary(cambrian_archive:to_svg(Archive, Opts))),
              ?assertMatch(<<"cell,id", _/binary>>,
                           iolist_to_binary(cambrian_archive:to_csv(Archive))),
              ?assertMatch(<<"{", _/binary>>, iolist_to_binary(cambrian_archive:to_json(Archive)))
          end || Archive <- [Empty, Full], Opts <- [#{}, #{width => 1}]],
         ok = cambrian_population:stop(Population)
     end || Bounds <- [[{-Largest, Largest}, {0, 1}], [{0, 1}, {-Largest, Largest}],
                       [{-Largest, Largest}, {0, 5.0e-324}]]].

%% Of genotypes that are equally fit in a cell, the one with the lowest id stays, in whatever order
%% they come: else replicas of a common archive could differ for ever.
among_elites_of_equal_fitness_the_lowest_id_stays_test() ->
    {ok, P} =
        cambrian_population:start(#{task => maze_medium, search => map_elites, seed => 1,
                                    target => 1000, params => #{population => 20}}),
    {ok, _} = cambrian_population:step(P, 1),
    {ok, Archive} = cambrian_population:archive(P),
    {ok, #{cell := Cell, genotype := Elite, behaviour := Behaviour, fitness := Fitness}} =
        cambrian_archive:best(Archive),
    Twins = [with_idle_node(N, Elite) || N <- lists:seq(1, 8)],
    ok = cambrian_population:subscribe(P),
    Outcomes = [begin
                    ok = cambrian_population:inject(P, Twin),
                    receive {cambrian, _,
                             {received,
                              #{outcome := Outcome, fitness := Fitness, behaviour := Behaviour}}} ->
                            Outcome end
                end || Twin <- Twins],
    {ok, After} = cambrian_population:archive(P),
    Lowest = lists:min([cambrian_genotype:id(G) || G <- [Elite | Twins]]),
    {ok, #{cell := Cell, genotype := Stays}} = cambrian_archive:at(After, Behaviour),
    ?assertEqual(Lowest, cambrian_genotype:id(Stays)),
    ?assertEqual([accepted, not_better], lists:usort(Outcomes)),
    ok = cambrian_population:stop(P).

with_idle_node(Id, Genotype) ->
    #{nodes := Nodes} = Genes = cambrian_genotype:to_map(Genotype),
    {ok, Twin} =
        cambrian_genotype:from_map(Genes#{nodes := Nodes ++
                                              [#{kind => hidden, id => 1_000_000 + Id,
                                                 layer => 1 bsl 62}]}),
    Twin.

%% What a sensor reads at 60 times: a wave, of which the network sets height and shift.
sensed(Network) ->
    [High, Shift] = cambrian_network:activate(Network, [1.0]),
    #{fitness => High, behaviour => [High * math:sin(At / 5) + Shift || At <- lists:seq(1, 60)]}.

projected(Params) ->
    Options = #{inputs => 1, outputs => 2, search => map_elites, seed => 2, generations => 12},
    {ok, #{archive := Archive}} =
        cambrian:evolve(fun sensed/1, Options#{params => Params#{cells => 100}}),
    Archive.

long_behaviours_have_positions_in_the_box_test_() ->
    [{timeout, 60, fun() ->
        Archive = projected(Params),
        #{filled := Filled, bounds := Bounds} = Stats = cambrian_archive:stats(Archive),
        ?assertMatch(#{projection := Projection, length := 60}, Stats),
        ?assert(Filled > 10),
        [begin
             ?assertEqual({60, Dimensions}, {length(Behaviour), length(Position)}),
             ?assertMatch({ok, #{cell := Cell}}, cambrian_archive:at(Archive, Behaviour)),
             ?assertMatch({ok, #{cell := Cell}}, cambrian_archive:nearest(Archive, Behaviour))
         end || #{cell := Cell, behaviour := Behaviour, position := Position}
                    <- cambrian_archive:elites(Archive)],
        ?assertEqual(Dimensions, length(Bounds)),
        {ok, Read} = cambrian_archive:from_binary(cambrian_archive:to_binary(Archive)),
        ?assertEqual(cambrian_archive:id(Archive), cambrian_archive:id(Read)),
        ?assertEqual(cambrian_archive:id(Archive), cambrian_archive:id(projected(Params))),
        ?assertEqual(#{2 => <<"has to be a list of 60 numbers, as many as a behaviour in the "
                              "archive has">>},
                     cambrian_refused:arguments(fun() -> cambrian_archive:at(Archive, [1, 2]) end)),
        Lines = binary:matches(iolist_to_binary(cambrian_archive:to_csv(Archive)), <<"\n">>),
        ?assertEqual(Filled + 1, length(Lines)),
        ?assertEqual({projection, Projection},
                     lists:keyfind(projection, 1, cambrian_cli_archive:json(Archive, 0))),
        Text = ["behaviours of 60 numbers by the projection ", atom_to_list(Projection), "$"],
        ?assertMatch({match, _}, re:run(cambrian_cli_archive:text(Stats), Text)),
        ?assertMatch({match, _}, re:run(cambrian_archive:to_svg(Archive, #{}), [Name, " 1"]))
     end}
     || {Projection, Name, Dimensions, Params} <-
            [{random, "projection", 2, #{projection => random, bounds => [{-9, 9}, {-9, 9}]}},
             {principal, "component", 2, #{projection => principal}},
             {principal, "component", 3, #{projection => principal, components => 3}}]].

%% Other behaviours of the task, and so other components.
archives_of_other_components_are_not_merged_test_() ->
    {timeout, 60, fun() ->
        [A, B] = [projected(#{projection => principal, initial_weight => Weight})
                  || Weight <- [1, 2]],
        ?assertMatch({error, {different_archives, <<"the archives divide", _/binary>>}},
                     cambrian_archive:merge(A, B))
    end}.

an_archive_with_a_projection_is_measured_again_test_() ->
    [{timeout, 60, fun() ->
        {ok, #{stats := Stats, corrected := Corrected, lost := 0}} =
            cambrian_remeasure:archive(Archive, Task, #{trials => 2}),
        ?assertEqual(Stats, Corrected)
     end}
     || Params <- [#{projection => principal}],
        {Archive, Task} <- [{projected(Params), fun sensed/1},
                            {archive('xor', #{generations => 5, params => Params}), 'xor'}]].

a_projection_needs_bounds_and_a_known_name_test() ->
    Refused = fun(Params) ->
                  cambrian:evolve('xor', #{search => map_elites, seed => 1, params => Params})
              end,
    ?assertEqual({error, {bad_parameter, {bounds, [], <<"a pair for each dimension of the "
                                                        "projection">>}}},
                 Refused(#{projection => random})),
    ?assertEqual({error, {bad_parameter, {projection, pca, <<"one of none, random, principal">>}}},
                 Refused(#{projection => pca})).
