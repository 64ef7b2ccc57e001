%% Elites that are measured again: what is repeatable stays, what was luck goes, what fails is
%% counted.
-module(cambrian_remeasure_tests).
-include_lib("eunit/include/eunit.hrl").

-define(NOISE, 0.2).

evolve(Task, More) ->
    Options =
        #{search => map_elites, seed => 3, population => 40, generations => 8, target => 1000},
    {ok, #{archive := Archive}} = cambrian:evolve(Task, maps:merge(Options, More)),
    Archive.

%% The fitness is 1 but for noise, and the behaviour is that of the network.
noisy() ->
    fun(Network) ->
        [X, Y] = cambrian_network:activate(Network, [1]),
        #{fitness => 1 + ?NOISE * rand:normal(), behaviour => [X, Y]}
    end.

of_points(Task) ->
    evolve(Task,
           #{inputs => 1, outputs => 2, params => #{bounds => [{0, 1}, {0, 1}], cells => 64}}).

elites(#{elites := Elites}) -> [maps:remove(genotype, Elite) || Elite <- Elites].

a_repeatable_task_keeps_its_scores_test_() ->
    [{timeout, 60, fun() ->
        Archive = evolve(Task, More),
        {ok, Report} = cambrian_remeasure:archive(Archive, Task, #{trials => 3, offset => -2}),
        #{stats := Stats, corrected := Corrected, archive := Again, evaluations := Evaluations} =
            Report,
        ?assertEqual(cambrian_archive:stats(Archive, #{offset => -2}), Stats),
        ?assertEqual(Stats, Corrected),
        ?assertEqual(cambrian_archive:id(Archive), cambrian_archive:id(Again)),
        ?assertEqual(3 * maps:get(filled, Stats), Evaluations),
        ?assertMatch(#{failures := 0, lost := 0}, Report),
        ?assertNot(is_map_key(first_failure, Report))
     end}
     || {Task, More} <- [{maze_medium, #{}}, {'xor', #{}},
                         {maze_medium, #{params => #{bounds => []}}},
                         {{parity, #{bits => 2}}, #{}}]].

%% The luckiest of many measurements is above the mean, and the mean of many others is near to it.
the_corrected_fitness_of_a_noisy_task_is_near_its_mean_test_() ->
    {timeout, 60, fun() ->
        Archive = of_points(noisy()),
        Id = cambrian_archive:id(Archive),
        {ok, #{stats := #{mean := Claimed, filled := Filled}} = Report} =
            cambrian_remeasure:archive(Archive, noisy(), #{trials => 50}),
        #{corrected := #{mean := Mean, filled := Same, qd_score := Score}} = Report,
        ?assert(Claimed > 1.1),
        ?assertEqual(Filled, Same),
        %% five standard errors
        ?assert(abs(Mean - 1) < 5 * ?NOISE / math:sqrt(50 * Filled)),
        ?assert(abs(Score - Mean * Filled) < 1.0e-9),
        ?assertEqual(Id, cambrian_archive:id(Archive))
    end}.

the_same_seed_gives_the_same_report_test_() ->
    {timeout, 60, fun() ->
        Archive = of_points(noisy()),
        Report = fun(Options) ->
                     {ok, #{archive := Again} = Report} =
                         cambrian_remeasure:archive(Archive, noisy(), Options),
                     {cambrian_archive:id(Again), elites(Report)}
                 end,
        ?assertEqual(Report(#{trials => 4}), Report(#{trials => 4, seed => 0})),
        ?assertNotEqual(Report(#{trials => 4}), Report(#{trials => 4, seed => 1}))
    end}.

%% Where the behaviour is noisy too, elites of several cells meet in the cells of the mean.
noise_of_behaviour_moves_elites_test_() ->
    {timeout, 60, fun() ->
        Luck = fun(_) -> #{fitness => 1, behaviour => [rand:uniform(), rand:uniform()]} end,
        Archive = of_points(Luck),
        {ok, #{stats := Stats, corrected := Corrected}} =
            cambrian_remeasure:archive(Archive, Luck, #{trials => 100}),
        ?assert(maps:get(coverage, Stats) > 0.9),
        %% all means are near to the middle, where four cells meet
        ?assert(maps:get(filled, Corrected) =< 8)
    end}.

failures_are_counted_and_give_no_number_test_() ->
    {timeout, 60, fun() ->
        Archive = of_points(fun(Network) ->
                                [X, Y] = cambrian_network:activate(Network, [1]),
                                #{fitness => X, behaviour => [X, Y]}
                            end),
        #{filled := Filled} = cambrian_archive:stats(Archive),
        Left = fun(Network) ->
                   [X, Y] = cambrian_network:activate(Network, [1]),
                   X < 0.5 orelse error(too_far),
                   #{fitness => X, behaviour => [X, Y]}
               end,
        {ok, Report} = cambrian_remeasure:archive(Archive, Left, #{trials => 2}),
        #{failures := Failures, lost := Lost, first_failure := First, elites := Elites,
          corrected := #{filled := Stay, best := Best}} = Report,
        ?assert(Lost > 0 andalso Stay > 0),
        ?assertEqual({2 * Lost, Filled}, {Failures, Lost + Stay}),
        ?assertMatch({crashed, {error, too_far, _}}, First),
        ?assert(Best < 0.5),
        ?assertEqual(Lost,
                     length([none
                             || #{corrected := none, behaviour := none, failures := 2} <- Elites])),
        ?assertEqual({error,
                      {evaluations_failed, #{count => Filled, first => {bad_fitness, none}}}},
                     cambrian_remeasure:archive(Archive, fun(_) -> none end, #{trials => 1})),
        Short = fun(_) -> #{fitness => 1, behaviour => [1]} end,
        ?assertMatch({error,
                      {evaluations_failed,
                       #{first := {bad_score, {behaviour, 1, <<"2 numbers", _/binary>>}}}}},
                     cambrian_remeasure:archive(Archive, Short, #{trials => 1})),
        Slow = fun(_) -> timer:sleep(60_000) end,
        ?assertMatch({error, {evaluations_failed, #{first := timeout}}},
                     cambrian_remeasure:archive(Archive, Slow, #{trials => 1, timeout => 5}))
    end}.

an_archive_without_elites_has_an_empty_report_test() ->
    {ok, Population} = cambrian_population:start(#{task => maze_medium, search => map_elites}),
    {ok, Archive} = cambrian_population:archive(Population),
    ok = cambrian_population:stop(Population),
    ?assertMatch({ok, #{evaluations := 0, lost := 0, elites := [], corrected := #{best := none}}},
                 cambrian_remeasure:archive(Archive, maze_medium)).

elites_of_a_substrate_are_measured_on_it_test_() ->
    {timeout, 60, fun() ->
        {ok, Substrate} =
            cambrian_substrate:new(#{inputs => [[-1, -1], [1, -1]], outputs => [[0, 1]]}),
        Archive = evolve('xor', #{substrate => Substrate, generations => 4}),
        {ok, #{stats := Stats, corrected := Stats}} =
            cambrian_remeasure:archive(Archive, 'xor', #{trials => 1, substrate => Substrate}),
        ?assertMatch({error, {wrong_size, inputs, 2, _}},
                     cambrian_remeasure:archive(Archive, 'xor'))
    end}.

a_wrong_argument_or_task_is_an_error_test_() ->
    {setup, fun() -> evolve(maze_medium, #{generations => 2}) end, fun(Archive) ->
        Said = fun(Task, Options) -> cambrian_remeasure:archive(Archive, Task, Options) end,
        [?_assertEqual({error, {bad_option, {trials, 0, <<"an integer from 1 to 1000000">>}}},
                       Said(maze_medium, #{trials => 0})),
         ?_assertMatch({error, {bad_option, {seed, -1, _}}}, Said(maze_medium, #{seed => -1})),
         ?_assertMatch({error, {bad_option, {offset, low, <<"a number">>}}},
                       Said(maze_medium, #{offset => low})),
         ?_assertMatch({error, {unknown_option, trial, #{did_you_mean := trials}}},
                       Said(maze_medium, #{trial => 3})),
         ?_assertEqual({error,
                        {bad_task, {task, maze_hard, <<"the task of the archive, maze_medium">>}}},
                       Said(maze_hard, #{})),
         ?_assertMatch({error, {unknown_task, chess, _}}, Said(chess, #{})),
         ?_assertError(badarg, cambrian_remeasure:archive(none, maze_medium, #{}))]
    end}.

%% Who asked is gone: the evaluations end.
evaluations_end_with_the_caller_test_() ->
    {timeout, 60, fun() ->
        Archive = of_points(noisy()),
        Test = self(),
        Hang = fun(_) -> Test ! {hangs, self()}, receive never -> 1 end end,
        {Caller, Monitor} = spawn_monitor(fun() ->
            cambrian_remeasure:archive(Archive, Hang, #{timeout => infinity})
        end),
        Evaluator = receive {hangs, Pid} -> Pid end,
        Ends = monitor(process, Evaluator),
        exit(Caller, kill),
        receive {'DOWN', Monitor, process, Caller, killed} -> ok end,
        receive {'DOWN', Ends, process, Evaluator, _} -> ok end
    end}.
