%% Searches that compare behaviours, as users call them.
-module(cambrian_novelty_tests).
-include_lib("eunit/include/eunit.hrl").

-define(SEARCHES, [novelty, dominated_novelty, local_competition]).

%% Both tasks return the same behaviours.
a_task_in_erlang_finds_the_champion_of_the_task_in_rust_test_() ->
    {ok, Own} = cambrian:parameters(maze_medium),
    Given = #{inputs => 10, outputs => 2, params => maps:without([population, search], Own)},
    [{timeout, 120,
      ?_assertEqual(id(maze_medium, #{}, Search),
                    id(cambrian_searches_tests:maze(), Given, Search))}
     || Search <- ?SEARCHES].

id(Task, Size, Search) ->
    Options =
        Size#{search => Search, seed => 3, population => 40, generations => 6, target => 1000},
    {ok, #{champion := Champion, evaluations := Evaluations}} = cambrian:evolve(Task, Options),
    {Evaluations, cambrian_genotype:id(Champion)}.

%% A task without a behaviour gets one from probes, in Rust and in Erlang.
a_task_without_a_behaviour_gets_that_of_the_probes_test_() ->
    Fun = fun(Network) -> {ok, Fitness} = cambrian_task:evaluate('xor', Network), Fitness end,
    [{timeout, 60, ?_assertNotEqual(id('xor', #{}, novelty), id('xor', #{}, neat))}
     | [{timeout, 60,
         ?_assertEqual(id('xor', #{}, Search), id(Fun, #{inputs => 2, outputs => 1}, Search))}
        || Search <- ?SEARCHES]].

search_is_an_option_and_a_parameter_test() ->
    Options = #{seed => 3, population => 40, generations => 6, target => 1000},
    {ok, #{champion := Champion}} =
        cambrian:evolve(maze_medium, Options#{params => #{search => novelty}}),
    ?assertEqual(element(2, id(maze_medium, #{}, novelty)), cambrian_genotype:id(Champion)),
    ?assertEqual({error, {bad_option, {search, neat, <<"novelty, as among the parameters">>}}},
                 cambrian:evolve(maze_medium,
                                 Options#{search => neat, params => #{search => novelty}})),
    ?assertMatch({error, {bad_parameter, {search, novel, <<"one of neat, novelty", _/binary>>}}},
                 cambrian:evolve(maze_medium, Options#{search => novel})).

%% Every second network returns one number more.
a_behaviour_of_another_length_is_an_error_test() ->
    Calls = counters:new(1, []),
    Odd = fun(_) ->
              ok = counters:add(Calls, 1, 1),
              #{fitness => 1, behaviour => lists:duplicate(1 + counters:get(Calls, 1) rem 2, 0)}
          end,
    Options =
        #{task => Odd, inputs => 1, outputs => 1, population => 10, search => novelty, seed => 1},
    {ok, Population} = cambrian_population:start(Options),
    ok = cambrian_population:subscribe(Population),
    {ok, _} = cambrian_population:step(Population, 1),
    receive
        {cambrian, _, {evaluations_failed, #{count := Count, first := First}}} ->
            ?assert(Count > 0 andalso Count < 10),
            ?assertMatch({bad_score, {behaviour, _, <<_, " numbers, as before">>}}, First)
    after 5000 -> error(no_event)
    end,
    ok = cambrian_population:stop(Population).

a_population_too_large_to_compare_behaviours_is_refused_test() ->
    [?assertMatch({error,
                   {bad_parameter,
                    {population, 10_001, <<"at most 10000 with a search", _/binary>>}}},
                  cambrian:evolve(maze_hard, #{search => Search, population => 10_001}))
     || Search <- ?SEARCHES].

an_unknown_distance_or_archive_is_refused_test() ->
    Refused = fun(Params) ->
                  {error, {bad_parameter, Fault}} =
                      cambrian:evolve(maze_medium, #{search => novelty, params => Params}),
                  Fault
              end,
    ?assertEqual({distance, cosine, <<"one of euclidean, squared_euclidean, manhattan, hamming">>},
                 Refused(#{distance => cosine})),
    ?assertEqual({novelty_archive, all, <<"one of sample, threshold">>},
                 Refused(#{novelty_archive => all})),
    ?assertMatch({novelty_threshold, 0, _}, Refused(#{novelty_threshold => 0})).

%% Local competition has the fittest of all as its champion, and no front.
local_competition_has_a_champion_and_no_front_test_() ->
    {timeout, 60, fun() ->
        Options =
            #{search => local_competition, seed => 3, population => 40, generations => 6,
              target => 1000},
        {ok, #{fitness := Fitness} = Result} =
            cambrian:evolve(maze_medium, Options#{progress => best_to(self())}),
        ?assertEqual(false, is_map_key(front, Result)),
        ?assertEqual(Fitness, lists:max(bests()))
    end}.

best_to(Self) -> fun(#{best := Best}) -> Self ! {best, Best} end.

bests() -> receive {best, Best} -> [Best | bests()] after 0 -> [] end.

a_score_with_a_bad_behaviour_is_a_fault_test_() ->
    [{lists:flatten(io_lib:format("~0p", [Score])), ?_assertEqual(Fault, fault(Score))}
     || {Score,
         Fault} <- [{#{fitness => 1, behaviour => nan},
                     {behaviour, nan, <<"a list of finite numbers">>}},
                    {#{fitness => 1, behaviour => [1, a]},
                     {behaviour, [1, a], <<"a list of finite numbers">>}},
                    {#{fitness => 1, behaviour => [1 | 2]},
                     {behaviour, [1 | 2], <<"a list of finite numbers">>}},
                    {#{fitness => 1, cases => #{}}, {cases, #{}, <<"a list of finite numbers">>}},
                    {#{fitness => 1, behavior => [1]},
                     {behavior, [1], <<"only fitness, cases, behaviour and objectives">>}}]].

fault(Score) ->
    {error, {evaluation_failed, {bad_score, Fault}} = Reason} =
        cambrian_task:evaluate(fun(_) -> Score end, network()),
    Text = unicode:characters_to_binary(cambrian_error:format_error(Reason)),
    ?assertNotEqual(nomatch, binary:match(Text, element(3, Fault))),
    Fault.

a_behaviour_that_is_too_long_is_a_fault_test() ->
    ?assertMatch({error,
                  {evaluation_failed, {bad_score, {behaviour, _, <<"at most 1,000 numbers">>}}}},
                 cambrian_task:evaluate(fun(_) ->
                     #{fitness => 1, behaviour => lists:duplicate(1_001, 0)} end, network())).

network() ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    cambrian_network:compile(Genotype).

%% A newcomer is compared by its behaviour, from the mesh and from `inject/2'.
a_newcomer_is_admitted_by_its_novelty_test_() ->
    {timeout, 60, fun() ->
        {ok, #{champion := Champion}} =
            cambrian:evolve(maze_medium, #{search => novelty, seed => 3, generations => 30}),
        [a_newcomer_is_admitted_by_its_novelty(Champion, Search)
         || Search <- [novelty, local_competition]]
    end}.

a_newcomer_is_admitted_by_its_novelty(Champion, Search) ->
    {ok, Population} =
        cambrian_population:start(#{task => maze_medium, search => Search, seed => 4,
                                    population => 30}),
    {ok, _} = cambrian_population:step(Population, 1),
    ok = cambrian_population:subscribe(Population),
    ok = cambrian_population:inject(Population, Champion),
    {ok, _} = cambrian_population:step(Population, 1),
    receive {cambrian, _, {received, #{outcome := Outcome}}} ->
            ?assertEqual(accepted, Outcome) after 5000 -> error(no_event) end,
    ok = cambrian_population:stop(Population).
