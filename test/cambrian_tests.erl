%% Runs of cambrian:evolve/2.
-module(cambrian_tests).
-include_lib("eunit/include/eunit.hrl").
-compile([export_all, nowarn_export_all]).

%% Every exported function whose name ends in _case. An evolution takes milliseconds, but seconds
%% on a busy machine, and EUnit gives a test five.
cases_test_() ->
    [{Name, {timeout, 120, fun ?MODULE:Case/0}}
     || {Case, 0} <- module_info(exports), Name <- [atom_to_list(Case)],
     lists:suffix("_case", Name)].

xor_is_solved_and_a_loaded_champion_solves_it_case() ->
    {ok, #{solved := true, champion := Champion, fitness := Fitness}} =
        cambrian:evolve('xor', #{seed => 42}),
    {ok, Loaded} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(Champion)),
    Network = cambrian_network:compile(Loaded),
    ?assertEqual([0, 1, 1, 0],
                 [round(hd(cambrian_network:activate(Network, [A, B])))
                  || A <- [0, 1], B <- [0, 1]]),
    ?assertEqual({ok, Fitness}, cambrian_task:evaluate('xor', Network)),
    ?assert(Fitness >= 3.9).

the_same_seed_gives_the_same_champion_case() ->
    Ids =
        [begin {ok, #{champion := C}} = cambrian:evolve('xor', #{seed => Seed}),
            cambrian_genotype:id(C) end
         || Seed <- [7, 7, 8]],
    ?assertMatch([Id, Id, Other] when Id =/= Other, Ids).

the_reported_seed_repeats_the_run_case() ->
    {ok, #{seed := Seed, champion := First}} = cambrian:evolve('xor', #{}),
    {ok, #{seed := Seed, champion := Second}} = cambrian:evolve('xor', #{seed => Seed}),
    ?assertEqual(cambrian_genotype:id(First), cambrian_genotype:id(Second)).

a_run_that_misses_its_target_is_no_error_case() ->
    {ok, #{solved := false, generations := 3, evaluations := Of3}} =
        cambrian:evolve('xor', #{seed => 1, generations => 3, target => 5}),
    ?assert(Of3 > 300 andalso Of3 =< 450),
    {ok, #{solved := false, evaluations := Of500}} =
        cambrian:evolve('xor', #{seed => 1, evaluations => 500, target => 5}),
    ?assert(Of500 >= 500 andalso Of500 =< 600),
    {ok, #{solved := false, elapsed_ms := Ms}} =
        cambrian:evolve('xor', #{seed => 1, timeout => 50, target => 5}),
    ?assert(Ms >= 50).

a_bad_task_is_named_case() ->
    ?assertMatch({error, {bad_task, {task, 17, _}}}, cambrian:evolve(17)).

a_fun_is_a_task_case() ->
    Fitness = fun(Network) ->
                  [Out] = cambrian_network:activate(Network, [0.5, -0.5]),
                  1 - abs(Out - 0.25)
              end,
    ?assertMatch({ok, #{solved := true, fitness := F}} when F >= 0.999,
                 cambrian:evolve(Fitness,
                                 #{inputs => 2, outputs => 1, target => 0.999, seed => 1})).

a_fault_costs_only_one_evaluation_case() ->
    Self = self(),
    Turn = atomics:new(1, []),
    Fitness = fun(_) ->
                  case atomics:add_get(Turn, 1, 1) rem 5 of
                      0 -> error(on_purpose);
                      1 -> exit(on_purpose);
                      2 -> timer:sleep(infinity);
                      3 -> rubbish;
                      4 -> 1.0
                  end
              end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 1, outputs => 1,
                                         population => 20,
                                         evaluation_timeout => 20, generations => 2}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    %% the elite of the first generation keeps its fitness
    {ok, #{evaluations := 39, fitness := 1.0}} = cambrian_population:await(P, 300_000),
    [receive {cambrian, _, {evaluations_failed, #{count := Count, first := _}}} -> Self ! Count end
     || _ <- [1, 2]],
    Counts = [receive Count when is_integer(Count) -> Count end || _ <- [1, 2]],
    ?assertEqual(31, lists:sum(Counts)),
    ok = cambrian_population:stop(P).

the_tuned_champion_of_a_fun_repeats_and_keeps_its_fitness_case() ->
    Fitness = fun(Network) ->
                  [Out] = cambrian_network:activate(Network, [0.5, -0.5]),
                  1 - abs(Out - 0.25)
              end,
    Evolve = fun(Tuning, Inheritance) ->
                 {ok, #{champion := C, fitness := F, evaluations := N}} =
                     cambrian:evolve(Fitness,
                                     #{inputs => 2, outputs => 1, seed => 3, population => 8,
                                       generations => 3,
                                       target => 2,
                                       params => #{tuning => Tuning, inheritance => Inheritance}}),
                 ?assertEqual(F, Fitness(cambrian_network:compile(C))),
                 {cambrian_genotype:id(C), F, N}
             end,
    [begin
         {Id, F, N} = Evolve(Tuning, Inheritance),
         ?assertEqual({Id, F, N}, Evolve(Tuning, Inheritance)),
         ?assert(N > 24),
         ?assert(F > 0.99)
     end || Tuning <- [cma_es, sep_cma_es, hill_climbing], Inheritance <- [lamarckian, baldwinian]].

%% Whatever the target, and however the task fails.
a_task_that_always_fails_is_an_error_case() ->
    Small = #{inputs => 1, outputs => 1, population => 10},
    Fails = fun(Task, Options) ->
                {error, {evaluations_failed, #{count := 10, first := First}}} =
                    cambrian:evolve(Task, maps:merge(Small, Options)),
                First
            end,
    [?assertMatch({crashed, {error, boom, [{?MODULE, _, 1, _} | _]}},
                  Fails(fun(_) -> error(boom) end, Goal))
     || Goal <- [#{}, #{target => -0.5}, #{target => 0}, #{until => fun(_) -> true end},
                 #{generations => 1},
                 #{params => #{tuning => cma_es}}, #{params => #{replacement => 0.1}},
                 #{nodes => [node()]}]],
    ?assertEqual({bad_fitness, nil}, Fails(fun(_) -> nil end, #{})),
    ?assertEqual({bad_fitness, {ok, 1.0}}, Fails(fun(_) -> {ok, 1.0} end, #{})),
    ?assertEqual({bad_fitness, nan}, Fails(fun(_) -> #{fitness => nan} end, #{target => -1})),
    Wrong = fun(Network) -> [Out] = cambrian_network:activate(Network, [1, 2]), Out end,
    ?assertMatch({crashed, {error, {badmatch, {error, {wrong_size, inputs, 1, 2}}}, _}},
                 Fails(Wrong, #{})),
    ?assertEqual(timeout, Fails(fun(_) -> timer:sleep(infinity) end, #{evaluation_timeout => 20})).

%% Every waiting caller gets the error, and the next run tries again.
a_population_whose_first_generation_failed_can_run_again_case() ->
    Works = atomics:new(1, []),
    Fitness = fun(_) -> 1 = atomics:get(Works, 1), 1.0 end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 1, outputs => 1,
                                         population => 10, seed => 1,
                                         generations => 2}),
    {error, Failed} = cambrian_population:step(P, 3),
    ?assertMatch({evaluations_failed,
                  #{count := 10, first := {crashed, {error, {badmatch, 0}, _}}}},
                 Failed),
    ?assertEqual({error, Failed}, cambrian_population:await(P, 10_000)),
    ?assertEqual({error, not_evaluated}, cambrian_population:best(P)),
    ?assertMatch(#{state := failed, solved := false, stats := undefined, failure := Failed},
                 cambrian_population_client:overview(P)),
    ?assertMatch(#{evaluations := 10, failures := 10}, cambrian_population:info(P)),
    ok = atomics:put(Works, 1, 1),
    ok = cambrian_population:run(P),
    ?assertMatch({ok, #{generations := 2, failures := 0}}, cambrian_population:await(P, 60_000)),
    ok = cambrian_population:stop(P).

%% A failed evaluation counts with no value: not in the best, not in the mean, and not in messages
%% to other nodes.
a_failed_evaluation_has_no_fitness_case() ->
    Fitness = fun(Network) ->
                  [Out] = cambrian_network:activate(Network, [0.5, -0.5]),
                  case round(1000 * Out) rem 3 of
                      0 -> error(on_purpose);
                      _ -> -5
                  end
              end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 2, outputs => 1, seed => 1,
                                         generations => 8}),
    ok = cambrian_population:run(P),
    {ok, #{fitness := -5.0, failures := Failures, evaluations := Evaluations}} =
        cambrian_population:await(P, 60_000),
    ?assert(Failures > 50 andalso Failures < Evaluations),
    History = cambrian_population:history(P),
    ?assertEqual([{-5.0, -5.0}],
                 lists:usort([{Best, Mean} || #{best := Best, mean := Mean} <- History])),
    Counts = [Count || #{failures := Count} <- History],
    ?assertEqual({Counts, Failures}, {lists:sort(Counts), lists:last(Counts)}),
    [begin
         {ok, #{champion := Migrant, fitness := -5.0}} = cambrian_population:migrant(P, Policy),
         ?assertEqual(-5, Fitness(cambrian_network:compile(Migrant)))
     end || Policy <- [champion, tournament, novel, random], _ <- lists:seq(1, 20)],
    ok = cambrian_population:stop(P).

%% The sum and the differences of these values are not finite.
a_fitness_may_be_any_finite_number_case() ->
    Max = 1.7976931348623157e308,
    Of = fun(Low, High) ->
             fun(Network) ->
                 [Out] = cambrian_network:activate(Network, [1]),
                 if Out > 0.6 -> Low; true -> High end
             end
         end,
    [begin
         Selected =
             #{params => #{selection => Selection, survival => 1.0, replacement => Replacement}},
         Options = Selected#{inputs => 1, outputs => 1, seed => 1, generations => 10},
         {ok, #{fitness := Best}} = cambrian:evolve(Of(Low, High), Options),
         ?assertEqual(max(Low, High), Best)
     end || Selection <- [truncation, tournament, roulette, rank, sus, lexicase,
                     epsilon_lexicase], Replacement <- [1.0, 0.1],
            {Low, High} <- [{-Max, 1.0}, {-Max, Max}, {Max, Max}, {-Max, -Max},
                            {5.0e-324, 1.0e-323}]].

%% The limit is exact to one evaluation, also with tuning. The population continues as if there
%% had been no limit.
the_limit_of_evaluations_is_exact_case() ->
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [0.5, -0.5]), 1 - abs(Out - 0.25)
        end,
    [begin
         All = maps:merge(#{task => Task, seed => 3, target => 99}, Options),
         {ok, #{evaluations := Limit}} =
             cambrian:evolve(Task, maps:remove(task, All#{evaluations => Limit})),
         Id = fun(Goals) ->
                  {ok, P} = cambrian_population:start_link(All),
                  Results = [begin
                                 ok = cambrian_population:run(P, Goal),
                                 {ok, #{champion := C} = Result} =
                                     cambrian_population:await(P, 60_000),
                                 {cambrian_genotype:id(C), maps:get(evaluations, Result)}
                             end || Goal <- Goals],
                  ok = cambrian_population:stop(P),
                  lists:last(Results)
              end,
         More = #{evaluations => 1 bsl 40, generations => 6},
         ?assertEqual(Id([More]), Id([#{evaluations => Limit}, More]))
     end || {Task, Options} <- [{'xor', #{}}, {Fitness, #{inputs => 2, outputs => 1}},
                                {'xor', #{params => #{tuning => cma_es, tuning_budget => 40}}},
                                {Fitness,
                                 #{inputs => 2, outputs => 1,
                                   params => #{tuning => hill_climbing, tuning_budget => 20}}}],
            Limit <- [1, 100, 150, 400]].

%% With `reevaluate', no genotype has a fitness yet when the limit comes: that is no failure.
a_limit_before_any_evaluation_keeps_the_last_champion_case() ->
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [0.5, -0.5]), 1 - abs(Out - 0.25)
        end,
    [begin
         {ok, P} =
             cambrian_population:start_link(Options#{task => Task, seed => 1, target => 99,
                                                     evaluations => 300,
                                                     params => #{reevaluate => true}}),
         ok = cambrian_population:run(P),
         {ok, #{evaluations := 300, generations := 2, failures := 0, champion := C}} =
             cambrian_population:await(P, 60_000),
         %% the step begins the next generation, but no evaluation is left
         {ok, #{generation := 1, evaluations := 300}} = cambrian_population:step(P, 1),
         {ok, #{champion := Best}} = cambrian_population:best(P),
         ?assertEqual(cambrian_genotype:id(C), cambrian_genotype:id(Best)),
         ok = cambrian_population:run(P, #{evaluations => 450}),
         ?assertMatch({ok, #{evaluations := 450, generations := 3}},
                      cambrian_population:await(P, 60_000)),
         ok = cambrian_population:stop(P)
     end || {Task, Options} <- [{'xor', #{}}, {Fitness, #{inputs => 2, outputs => 1}}]].

%% Many genotypes are equally fit, and a cut generation lists another one first.
a_cut_generation_changes_no_champion_case() ->
    Steps =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [1.0]), float(trunc(Out * 6))
        end,
    Tuned =
        #{inputs => 1, outputs => 1, population => 10,
          params => #{tuning => cma_es, tuning_budget => 60, tuning_share => 0.5}},
    Rows = [[X / 60, math:sin(X)] || X <- lists:seq(1, 60)],
    Held = {dataset, #{inputs => Rows, targets => [[X * Y] || [X, Y] <- Rows], validation => 0.4}},
    [begin
         Champion = fun(Goals) ->
                        {ok, P} =
                            cambrian_population:start_link(Options#{task => Task, seed => Seed}),
                        Last = [begin
                                    ok = cambrian_population:run(P, Goal#{target => 99}),
                                    {ok, #{champion := C} = Result} =
                                        cambrian_population:await(P, 60_000),
                                    {cambrian_genotype:id(C),
                                     maps:without([champion, elapsed_ms], Result)}
                                end || Goal <- Goals],
                        ok = cambrian_population:stop(P),
                        lists:last(Last)
                    end,
         Whole = #{generations => 6, evaluations => 1 bsl 40},
         Uncut = Champion([Whole]),
         _ = [?assertEqual({Cut, Uncut}, {Cut, Champion([#{evaluations => Cut}, Whole])})
              || Cut <- [1, 7, 21, 90, 150]]
     end || {Task, Options} <- [{Steps, Tuned}, {Held, #{population => 40}}], Seed <- [1, 2, 3]].

a_cut_generation_is_completed_when_the_limit_is_raised_case() ->
    {ok, P} =
        cambrian_population:start_link(#{task => 'xor', seed => 42, generations => 3,
                                         evaluations => 400}),
    ok = cambrian_population:run(P),
    {ok, #{evaluations := 400, generations := 3}} = cambrian_population:await(P, 60_000),
    %% a run with the same goal ends at once
    ok = cambrian_population:run(P),
    {ok, #{evaluations := 400}} = cambrian_population:await(P, 60_000),
    ok = cambrian_population:run(P, #{evaluations => 100_000}),
    ?assertMatch({ok, #{evaluations := 447, generations := 3}},
                 cambrian_population:await(P, 60_000)),
    ?assertMatch(#{evaluations := 447, failures := 0}, cambrian_population:info(P)),
    ok = cambrian_population:stop(P).

%% All evaluations would take 40 s or more, but at least one is made.
a_timeout_ends_within_a_generation_case() ->
    Fitness = fun(_) -> timer:sleep(20), 1.0 end,
    [begin
         {ok, #{generations := 1, evaluations := Evaluations, fitness := 1.0}} =
             cambrian:evolve(Fitness,
                             #{inputs => 1, outputs => 1, timeout => Ms, population => 2000}),
         ?assert(Evaluations >= 1 andalso Evaluations < 2000)
     end || Ms <- [0, 200]],
    {ok, #{generations := 1, evaluations := 1}} =
        cambrian:evolve(double_pole_novel, #{timeout => 0}).

a_failed_evaluation_does_not_improve_a_tuned_genotype_case() ->
    Seen = counters:new(1, []),
    Fitness =
        fun(_) ->
            counters:add(Seen, 1, 1),
            case counters:get(Seen, 1) of N when N =< 5 -> -5; _ -> error(on_purpose) end end,
    {ok, #{fitness := F, evaluations := Evaluations}} =
        cambrian:evolve(Fitness, #{inputs => 1, outputs => 1, population => 5, generations => 1,
                                   params =>
                                       #{tuning => hill_climbing, tuning_share => 1,
                                         tuning_budget => 4}}),
    ?assertEqual({-5.0, 20}, {F, Evaluations}).

tuning_ends_when_the_target_is_reached_case() ->
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [0.5]), 1 - abs(Out - 0.25) end,
    Params = #{tuning_share => 1, tuning_budget => 100000, tuning_patience => 100000},
    [begin
         {ok, #{champion := C, solved := true, generations := 1, evaluations := Evaluations}} =
             cambrian:evolve(Fitness,
                             #{inputs => 1, outputs => 1, seed => 1, population => 5,
                               target => 0.999,
                               params => Params#{tuning => Tuning}}),
         ?assert(Fitness(cambrian_network:compile(C)) >= 0.999),
         ?assert(Evaluations > 5 andalso Evaluations < 5000)
     end || Tuning <- [cma_es, hill_climbing]].

a_dataset_is_a_task_case() ->
    {ok, #{champion := C, solved := true}} =
        cambrian:evolve({dataset, [[0], [1], [2]], [[0], [0.5], [1]]},
                        #{target => 0.99, seed => 1}),
    Network = cambrian_network:compile(C),
    [[A], [B], [D]] = cambrian_network:activate_batch(Network, [[0], [1], [2]]),
    ?assert(abs(A) < 0.2 andalso abs(B - 0.5) < 0.2 andalso abs(D - 1) < 0.2).

a_dataset_may_be_given_in_every_form_case() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 2}, 1),
    Network = cambrian_network:compile(G),
    Binary = fun(Rows) -> << <<X:32/float-little>> || X <- lists:append(Rows) >> end,
    Inputs = [[0, 0], [0, 1], [1, 0], [1, 1]],
    Targets = [[1, 0], [0, 1], [0, 1], [1, 0]],
    {ok, Fitness} = cambrian_task:evaluate({dataset, Inputs, Targets}, Network),
    Outputs = cambrian_network:activate_batch(Network, Inputs),
    Errors =
        [(O - T) * (O - T)
         || {Row, Target} <- lists:zip(Outputs, Targets), {O, T} <- lists:zip(Row, Target)],
    ?assert(abs(Fitness - 1 / (1 + lists:sum(Errors) / 8)) < 1.0e-9),
    [?assertEqual({ok, Fitness},
                  cambrian_task:evaluate({dataset, #{inputs => I, targets => T}}, Network))
     || I <- [{2, Binary(Inputs)}, [Binary([Row]) || Row <- Inputs]],
     T <- [Targets, {2, Binary(Targets)}]],
    Classes =
        [cambrian_task:trial({dataset, #{inputs => Inputs, targets => T, kind => classification}},
                             Network)
         || T <- [[0, 1, 1, 0], Targets, {2, Binary(Targets)}]],
    ?assertMatch([{ok, #{solved := false, facts := [{error, _}, {accuracy, _}]} = Same}, {ok, Same},
                  {ok, Same}]
                 when not is_map_key(validation, Same), Classes).

only_the_trial_measures_held_back_rows_case() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    Network = cambrian_network:compile(G),
    Trial = fun(Settings) -> element(2, cambrian_task:trial(votes(Settings), Network)) end,
    #{validation := Held, facts := [{error, _}, {validation_error, Error}]} = First =
        Trial(#{validation => 0.5}),
    ?assert(abs(Held - 1 / (1 + Error)) < 1.0e-12),
    ?assertEqual(First, Trial(#{validation => 0.5, seed => 0})),
    ?assert(lists:any(fun(Seed) -> Trial(#{validation => 0.5, seed => Seed}) =/= First end,
                      lists:seq(1, 5))).

votes(Settings) ->
    {dataset,
     maps:merge(#{inputs => [[0, 0], [0, 1], [1, 0], [1, 1]], targets => [[0], [1], [1], [1]]},
                Settings)}.

tasks_with_settings_evolve_case() ->
    [?assertMatch({ok, #{solved := true, trial := [_ | _]}}, cambrian:evolve(Task, #{seed => 1}))
     || Task <- [{parity, #{bits => 2}}, {sequence_recall, #{length => 1, delay => 2}},
                 mountain_car]],
    {ok, P} = cambrian_population:start(#{task => {parity, #{bits => 4}}}),
    ?assertMatch(#{task := parity, inputs := 4}, cambrian_population:info(P)),
    ok = cambrian_population:stop(P),
    ?assertMatch({ok, #{population := 150}}, cambrian:parameters({parity, #{bits => 4}})).

a_progress_fun_gets_every_generation_case() ->
    Self = self(),
    {ok, #{generations := N}} =
        cambrian:evolve('xor',
                        #{seed => 1,
                          progress => fun(#{generation := G}) -> Self ! {generation, G} end}),
    ?assertEqual(lists:seq(0, N - 1), generations()).

a_progress_fun_that_raises_does_not_end_the_run_case() ->
    ?assertMatch({ok, #{solved := true}},
                 cambrian:evolve('xor', #{seed => 1, progress => fun(_) -> exit(on_purpose) end})).

generations() -> receive {generation, G} -> [G | generations()] after 0 -> [] end.

a_run_ends_with_its_caller_case() ->
    Self = self(),
    Caller = spawn(fun() ->
        cambrian:evolve(fun(_) -> Self ! {worker, self()}, timer:sleep(infinity) end,
                        #{inputs => 1, outputs => 1, evaluation_timeout => infinity})
    end),
    Worker = receive {worker, Pid} -> monitor(process, Pid) end,
    exit(Caller, kill),
    receive {'DOWN', Worker, process, _, _} -> ok after 300_000 -> error(still_working) end.

every_parameter_is_described_case() ->
    Rows = cambrian:parameters(),
    {ok, Values} = cambrian:parameters('xor'),
    ?assertEqual(lists:sort([Name || #{name := Name} <- Rows]), lists:sort(maps:keys(Values))),
    ?assertMatch([], [Name || #{name := Name, about := About, expected := Expected} <- Rows,
                              byte_size(About) < 10 orelse byte_size(Expected) < 5]),
    ?assertMatch({error, {unknown_task, nothing, #{see := _}}}, cambrian:parameters(nothing)).

the_pool_has_at_most_a_thread_a_scheduler_case() ->
    ?assert(cambrian_nif:pool_start(1) =< erlang:system_info(schedulers_online)).
