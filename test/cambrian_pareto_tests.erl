%% Searches with several objectives, as users call them.
-module(cambrian_pareto_tests).
-include_lib("eunit/include/eunit.hrl").

%% Two objectives that contradict each other, without a fitness.
between(Network) ->
    [X] = cambrian_network:activate(Network, [1]),
    #{objectives => [-X * X, -(X - 1) * (X - 1)]}.

options() ->
    #{inputs => 1, outputs => 1, search => pareto, seed => 3, population => 20, generations => 15,
      params => #{output_activation => identity}}.

without_a_fitness_the_sum_of_the_objectives_is_the_fitness_test() ->
    {ok, #{front := Front, champion := Champion, fitness := Fitness, solved := false}} =
        cambrian:evolve(fun between/1, options()),
    ?assert(length(Front) > 10),
    [?assertEqual(lists:sum(Objectives), Found)
     || #{objectives := Objectives, fitness := Found} <- Front],
    Firsts = [First || #{objectives := [First, _]} <- Front],
    ?assertEqual(lists:reverse(lists:sort(Firsts)), Firsts),
    %% the sum is largest between the two goals, where the knee is
    ?assert(Fitness > -0.6),
    ?assert(lists:member(cambrian_genotype:id(Champion),
                         [cambrian_genotype:id(Genotype) || #{genotype := Genotype} <- Front])),
    Network = cambrian_network:compile(Champion),
    ?assertEqual({ok, Fitness}, cambrian_task:evaluate(fun between/1, Network)).

a_search_other_than_pareto_needs_a_fitness_test() ->
    {error, {evaluations_failed, #{count := 20, first := First}}} =
        cambrian:evolve(fun between/1, (options())#{search => neat}),
    ?assertMatch({bad_score,
                  {fitness, none, <<"a number, which only the search pareto", _/binary>>}}, First).

a_score_with_bad_objectives_is_a_fault_test_() ->
    [{lists:flatten(io_lib:format("~0p", [Score])), ?_assertEqual(Fault, fault(Score))}
     || {Score,
         Fault} <- [{#{objectives => [1, nan]},
                     {objectives, [1, nan], <<"a list of finite numbers">>}},
                    {#{objectives => []},
                     {objectives, [], <<"one number at least, without a fitness">>}},
                    {#{objectives => lists:duplicate(101, 0)},
                     {objectives, 101, <<"at most 100 numbers">>}},
                    {#{objective => [1], fitness => 1},
                     {objective, [1], <<"only fitness, cases, behaviour and objectives">>}}]].

fault(Score) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    Network = cambrian_network:compile(Genotype),
    {error, {evaluation_failed, {bad_score, Fault}}} =
        cambrian_task:evaluate(fun(_) -> Score end, Network),
    Fault.

%% Every second network returns one number more.
another_number_of_objectives_is_an_error_test() ->
    Calls = counters:new(1, []),
    Odd = fun(_) ->
              ok = counters:add(Calls, 1, 1),
              #{objectives => lists:duplicate(1 + counters:get(Calls, 1) rem 2, 0)}
          end,
    {ok, Population} =
        cambrian_population:start(maps:remove(generations, (options())#{task => Odd})),
    ok = cambrian_population:subscribe(Population),
    {ok, _} = cambrian_population:step(Population, 1),
    receive
        {cambrian, _, {evaluations_failed, #{count := Count, first := First}}} ->
            ?assert(Count > 0 andalso Count < 20),
            ?assertMatch({bad_score, {objectives, _, <<_, " numbers, as before">>}}, First)
    after 5000 -> error(no_event)
    end,
    ok = cambrian_population:stop(Population).

%% In both languages the work of a native task is measured.
a_task_in_erlang_finds_the_front_of_the_task_in_rust_test_() ->
    {timeout, 60, fun() ->
        {ok, Own} = cambrian:parameters(zdt3),
        {ok, Native} = cambrian_task:new(zdt3),
        Fun = fun(Network) ->
                  Job = fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end,
                  {ok, {Fitness, [], [], Objectives, _Work}} = cambrian_job:await(Job),
                  #{fitness => Fitness, objectives => Objectives}
              end,
        Options = #{search => pareto, seed => 5, population => 30, generations => 8, target => 1},
        Given =
            Options#{inputs => 1, outputs => 30, params => maps:without([population, search], Own)},
        ?assertEqual(ids(zdt3, Options), ids(Fun, Given)),
        ?assertNotEqual(ids(zdt3, Options), ids(zdt3, Options#{seed => 6}))
    end}.

ids(Task, Options) ->
    {ok, #{front := Front, evaluations := Evaluations}} = cambrian:evolve(Task, Options),
    {Evaluations, [cambrian_genotype:id(Genotype) || #{genotype := Genotype} <- Front]}.

the_built_in_objectives_can_be_used_test_() ->
    {timeout, 60, fun() ->
        Options = #{search => pareto, seed => 2, generations => 20,
                    params =>
                        #{objectives => [fitness, connections, energy, novelty], pareto => nsga3}},
        {ok, #{front := Front}} = cambrian:evolve('xor', Options#{target => 5}),
        [begin
             #{connections := Connections} = cambrian_genotype:info(Genotype),
             [Fitness, Few, Little, Novel] = Objectives,
             ?assert(-Few =< Connections andalso Little < 0 andalso Novel >= 0)
         end || #{genotype := Genotype, objectives := Objectives, fitness := Fitness} <- Front]
    end}.

a_search_other_than_pareto_has_no_front_test() ->
    {ok, Population} = cambrian_population:start(#{task => 'xor', seed => 1}),
    ?assertEqual({error, no_front}, cambrian_population:front(Population)),
    {ok, _} = cambrian_population:step(Population, 1),
    ?assertEqual({error, no_front}, cambrian_population:front(Population)),
    ok = cambrian_population:stop(Population),
    {ok, Result} = cambrian:evolve('xor', #{seed => 1, generations => 1}),
    ?assertNot(is_map_key(front, Result)).

a_newcomer_is_admitted_to_a_pareto_search_test() ->
    {ok, #{champion := Champion}} =
        cambrian:evolve(zdt1, #{search => pareto, seed => 3, generations => 60}),
    {ok, Population} = cambrian_population:start(#{task => zdt1, search => pareto, seed => 4}),
    {ok, _} = cambrian_population:step(Population, 1),
    ok = cambrian_population:subscribe(Population),
    ok = cambrian_population:inject(Population, Champion),
    {ok, _} = cambrian_population:step(Population, 1),
    receive {cambrian, _, {received, #{outcome := Outcome}}} -> ?assertEqual(accepted, Outcome)
    after 5000 -> error(no_event)
    end,
    {ok, #{champion := Best}} = cambrian_population:best(Population),
    {ok, #{champion := Migrant}} = cambrian_population:migrant(Population, champion),
    ?assertEqual(cambrian_genotype:id(Best), cambrian_genotype:id(Migrant)),
    ok = cambrian_population:stop(Population).

%% Without a fitness the sum of the objectives stands for it, so an infinite sum is a fault.
objectives_without_a_finite_sum_are_a_fault_test() ->
    Fun = fun(_) -> #{objectives => [1.7e308, 1.7e308]} end,
    {error, {evaluations_failed, #{first := First}} = Reason} =
        cambrian:evolve(Fun,
                        #{inputs => 1, outputs => 1, search => pareto, target => 1,
                          generations => 2}),
    ?assertMatch({bad_score, {objectives, _, <<"numbers with a finite sum, without a fitness">>}},
                 First),
    ?assertMatch({match, _}, re:run(cambrian_error:format_error(Reason), "finite sum")),
    ?assertNot(cambrian_score:is_score({none, [], [], [1.7e308, 1.7e308], 0})),
    ?assert(cambrian_score:is_score({none, [], [], [1.7e308, -1.7e308], 0})).

weighted(Weights) ->
    #{params := Params} = Options = options(),
    Options#{params := Params#{objective_weights => Weights}}.

%% With all the weight on one objective, the champion is the best of the front in it.
weights_choose_the_champion_test_() ->
    {timeout, 120, fun() ->
        Best = fun(Weights) ->
                   Options = weighted(Weights),
                   {ok, #{champion := Champion, front := Front}} =
                       cambrian:evolve(fun between/1, Options),
                   Id = cambrian_genotype:id(Champion),
                   [Chosen] = [Objectives || #{genotype := One, objectives := Objectives} <- Front,
                                             cambrian_genotype:id(One) =:= Id],
                   {Chosen, [Objectives || #{objectives := Objectives} <- Front]}
               end,
        {[First, _], Front} = Best([1, 0]),
        {[_, Second], Front} = Best([0, 0.5]),
        ?assertEqual({lists:max([A || [A, _] <- Front]), lists:max([B || [_, B] <- Front])},
                     {First, Second}),
        ?assertEqual(Best([]), Best([3, 3]))
    end}.

wrong_weights_are_refused_with_what_was_expected_test_() ->
    Said =
        fun(Task, Params) ->
            cambrian:evolve(Task, #{search => pareto, generations => 2, params => Params}) end,
    Number = <<"a list of numbers from 0 to 1000000000, not all of them 0">>,
    [?_assertEqual({error, {bad_parameter, {objective_weights, Weights, Expected}}},
                   Said(Task, #{objective_weights => Weights, objectives => Objectives}))
     || {Task, Objectives, Weights, Expected} <-
            [{'xor', [fitness, connections], [1],
              <<"a list of 2 numbers, one for each objective">>},
             {'xor', [task, connections], [1, 2, 3],
              <<"a list of 2 numbers, one for each objective">>},
             {zdt1, [task], [1, 2, 3], <<"a list of 2 numbers, one for each objective">>},
             {dtlz2, [task, energy], [1, 2, 3], <<"a list of 4 numbers, one for each objective">>},
             {zdt1, [task], [1, -1], Number}, {zdt1, [task], [0, 0], Number},
             {zdt1, [task], [1, none], Number},
             {zdt1, [task], heavy, Number}, {zdt1, [task], [1.0e10, 1], Number},
             {zdt1, [task], [1 | 2], Number}]].

%% How many objectives a task in Erlang gives is known when it gives them.
a_number_of_objectives_that_differs_from_the_weights_is_a_fault_test_() ->
    {timeout, 60, fun() ->
        Options = weighted([1, 2, 3]),
        {error, {evaluations_failed, #{first := First}}} = cambrian:evolve(fun between/1, Options),
        ?assertEqual({bad_score,
                      {objectives, 2,
                       <<"3 numbers, which the parameter objective_weights leaves to the task">>}},
                     First),
        %% one weight is that of the fitness
        Fitness = fun(Network) -> hd(cambrian_network:activate(Network, [1])) end,
        {ok, _} = cambrian:evolve(Fitness, weighted([2]))
    end}.
