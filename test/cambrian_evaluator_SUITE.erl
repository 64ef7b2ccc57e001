%% Tasks that crash, hang, take too much memory and forge results.
-module(cambrian_evaluator_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).
-import(cambrian_misdeeds, [bomb/0, each/2, expected_scores/0, genotypes/1, hang/0, key/1, logged/1,
                            misdeeds/0, once/2, once/3, population_at_work/1, round/2, round/3,
                            start/2, stop/1, together/2]).

all() ->
    [a_fault_costs_only_its_own_network, a_batch_gives_the_scores_of_single_evaluations,
     the_size_of_a_batch_changes_no_score, a_runner_that_returns_too_few_scores_costs_one_network,
     a_failed_evaluation_has_no_fitness, a_time_limit_ends_a_round, a_time_limit_ends_a_batch,
     a_time_limit_waits_for_one_fitness, every_fault_has_a_bounded_text,
     a_worker_that_forges_its_exit_is_ended, faults_are_bounded_in_size,
     evaluations_that_use_too_much_memory_fail_the_run, the_memory_limit_is_for_one_evaluation,
     each_kind_of_fault_is_logged_once, a_killed_population_leaves_no_process,
     an_idle_evaluator_has_no_workers, options_of_the_evaluator_are_checked,
     a_thousand_empty_evaluations_take_less_than_20_ms].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Config.

end_per_suite(_) -> application:stop(cambrian).

a_fault_costs_only_its_own_network(_) ->
    Gs = genotypes(30),
    {Scores, Faults} = once(each(Gs, misdeeds()), Gs),
    ?assertEqual(expected_scores(), Scores),
    ?assertMatch([{2, {crashed, {error, crash, [_ | _]}}}, {3, {crashed, {exit, leave, _}}},
                  {5, {crashed, {throw, ball, _}}},
                  {7, timeout}, {8, memory}, {9, memory}, {11, {bad_fitness, rubbish}},
                  {12, {bad_fitness, _}}, {13, {bad_fitness, nan}},
                  {14, {bad_score, {cases, [1 | 2], _}}}, {17, {crashed, child}}, {18, timeout},
                  {19, {crashed, normal}}], Faults).

a_batch_gives_the_scores_of_single_evaluations(_) ->
    Gs = genotypes(30),
    {Scores, Faults} = once(together(Gs, misdeeds()), Gs),
    ?assertEqual(expected_scores(), Scores),
    ?assertEqual([2, 3, 5, 7, 8, 9, 11, 12, 13, 14, 17, 18, 19], [I || {I, _} <- Faults]),
    ?assertMatch(#{2 := {crashed, {error, crash, _}}, 7 := timeout, 9 := memory,
                   17 := {crashed, child}}, maps:from_list(Faults)),
    %% the runner itself may return a fault
    {together, Run} = together(Gs, #{}),
    {_, Named} =
        once({together,
              fun(Networks, Mark) ->
                  [case A of {4, _} -> {4, {fault, timeout}}; _ -> A end
                   || A <- Run(Networks, Mark)] end}, Gs),
    ?assertEqual([{4, timeout}], Named).

the_size_of_a_batch_changes_no_score(_) ->
    Gs = genotypes(30),
    How = together(Gs, misdeeds()),
    Online = erlang:system_flag(schedulers_online, 1),
    {Scores, Faults} = once(How, Gs),
    _ = erlang:system_flag(schedulers_online, Online),
    ?assertEqual(expected_scores(), Scores),
    ?assertEqual([I || {I, _} <- Faults], [I || {I, _} <- element(2, once(How, Gs))]).

%% A fault of the whole runner blames no network until the batch has only one.
a_runner_that_returns_too_few_scores_costs_one_network(_) ->
    Gs = genotypes(9),
    Without = fun(Networks, Mark) -> [begin Mark(I), {I, I} end || {I, _} <- Networks, I =/= 4] end,
    {Scores, [{4, {crashed, {error, {badkey, 4}, _}}}]} = once({together, Without}, Gs),
    ?assertEqual([1.0, 2.0, 3.0, failed, 5.0, 6.0, 7.0, 8.0, 9.0], Scores),
    %% a runner that never marks
    Silent = fun(Networks, _) -> [case I of 4 -> hang(); _ -> {I, I} end || {I, _} <- Networks] end,
    {Scores, [{4, timeout}]} = once({together, Silent}, Gs).

a_failed_evaluation_has_no_fitness(_) ->
    Gs = genotypes(3),
    ?assertMatch({[11.0, failed, 13.0], [{2, _}]}, once(each(Gs, #{2 => fun() -> no end}), Gs)),
    ?assertMatch({[failed], [{1, _}]},
                 once(each(tl(Gs), #{1 => fun() -> no end, 2 => fun() -> no end}), [hd(tl(Gs))])).

%% The hanging evaluations would end after a minute. Scores until the limit count, and the workers
%% are free for the next round.
a_time_limit_ends_a_round(_) ->
    Gs = genotypes(30),
    Hanging = maps:from_list([{I, fun cambrian_misdeeds:hang/0} || I <- lists:seq(20, 30)]),
    Evaluator = start(each(Gs, Hanging), #{timeout => 16_000}),
    {Outcomes, Faults} = round(Evaluator, Gs, {300, fitness}),
    ?assertEqual({30, []}, {length(Outcomes), Faults}),
    ?assertEqual([skipped], lists:usort(lists:nthtail(19, Outcomes))),
    ?assertEqual([], [Outcome || {I, Outcome} <- lists:enumerate(lists:sublist(Outcomes, 19)),
                                 Outcome =/= 10.0 + I, Outcome =/= skipped]),
    ?assert(lists:any(fun is_float/1, Outcomes)),
    {First, []} = round(Evaluator, lists:sublist(Gs, 10)),
    ?assertEqual([10.0 + I || I <- lists:seq(1, 10)], First),
    ok = stop(Evaluator).

%% The networks of one batch end together.
a_time_limit_ends_a_batch(_) ->
    Gs = genotypes(4),
    Evaluator = start({together, fun(_, _) -> hang() end}, #{timeout => 60_000}),
    ?assertEqual({[skipped || _ <- Gs], []}, round(Evaluator, Gs, {50, nothing})),
    ok = stop(Evaluator).

%% A limit of 0 ms still gives one fitness if any evaluation succeeds, and otherwise all failures.
a_time_limit_waits_for_one_fitness(_) ->
    Gs = genotypes(8),
    Failing = maps:from_list([{I, fun() -> error(no) end} || I <- lists:seq(1, 7)]),
    Evaluator = start(each(Gs, Failing), #{}),
    {Outcomes, _} = round(Evaluator, Gs, {0, fitness}),
    ?assert(lists:member(18.0, Outcomes)),
    ok = stop(Evaluator),
    ?assertMatch({[failed, failed], [_, _]}, once(each(Gs, Failing), lists:sublist(Gs, 2))),
    %% all evaluations hang, and the round does not wait for all of them
    Many = genotypes(400 * erlang:system_info(schedulers_online)),
    Hopeless = start({each, fun(_) -> hang() end}, #{timeout => 50}),
    {Hung, Faults} = round(Hopeless, Many, {0, fitness}),
    ?assertEqual([failed, skipped], lists:usort(Hung)),
    ?assertMatch([{_, timeout} | _], Faults),
    ok = stop(Hopeless).

faults_are_bounded_in_size(_) ->
    Large = fun() -> lists:duplicate(300_000, <<0:80>>) end,
    Shared = fun Twice(0) -> []; Twice(N) -> X = Twice(N - 1), [X, X] end,
    Gs = genotypes(8),
    {_, Faults} = once(each(Gs, #{1 => Large,
                                  2 => fun() -> error(Large()) end,
                                  3 => fun() -> lists:nth(first, Large()) end,
                                  4 => fun() -> Shared(100) end,
                                  5 => fun() -> binary:copy(<<0>>, 50_000_000) end,
                                  6 => fun() -> exit(self(), Large()), hang() end,
                                  7 => fun() -> #{fitness => Large()} end,
                                  8 => fun() ->
                                      exit(self(), {error, x, [{m, f, [a | b], [c | d]} | e]}),
                                      hang() end}),
                       Gs, #{memory => 1 bsl 28, timeout => 5000}),
    ?assertEqual(lists:seq(1, 8), [I || {I, _} <- Faults]),
    _ = [?assert(byte_size(term_to_binary(Fault)) < 4000) || {_, Fault} <- Faults],
    ?assertMatch([{_, {bad_fitness, <<"[<<0,", _/binary>>}} | _], Faults).

%% User code may exit with any term: its text is bounded, and the run goes on.
every_fault_has_a_bounded_text(_) ->
    Deep = lists:foldl(fun(_, Term) -> {Term} end, x, lists:seq(1, 100_000)),
    Emoji = list_to_atom(lists:duplicate(255, 16#1F600)),
    Odd =
        [{error, enoent, <<"/some/path">>}, {error, foo, 3}, {error, foo, [a | b]},
         {error, foo, [{m, f, 1, [{file, 3}, {line, x}]}]},
         {bad_return, {m, f, []}, 3}, {bad_return, {'Elixir.Nothing', f, x}, 3},
         {bad_observation, {wrong_size, inputs, a, b}}, Deep,
         <<255, 254>>, [<<255>>], lists:duplicate(60, Emoji)],
    Stacks =
        [[{m, f, 1, [{file, {a}}, {line, 1}]}],
         [{m, f, 1, [{file, lists:duplicate(1_000_000, $a)}, {line, 3}]}],
         [{m, f, 1, [{error_info, #{cause => lists:seq(1, 1_000_000)}}]}],
         [{fun() -> Deep end, 0, []}],
         [{fun() -> lists:seq(1, 1_000_000) end, 0, []}], [{m, f, [a, b], []}], []],
    Faults = [cambrian_fault:crashed(Term) || Term <- Odd] ++
        [cambrian_fault:bad_fitness(Term) || Term <- Odd]
             ++ [cambrian_fault:crashed(Class, Term, Stack)
                 || Class <- [error, exit, throw], Term <- [x | Odd], Stack <- Stacks],
    [begin
         Text = cambrian_fault:text(Fault),
         ?assert(is_binary(Text) andalso byte_size(Text) > 0 andalso byte_size(Text) < 20_000),
         ?assert(is_list(unicode:characters_to_list(Text)))
     end || Fault <- Faults],
    %% the same in a run: a linked process exits with the term
    Ends = fun(Reason) ->
               Fitness = fun(Network) ->
                             case key(Network) > 0.5 of
                                 true -> _ = spawn_link(fun() -> exit(Reason) end), hang();
                                 false -> 0.1
                             end
                         end,
               {ok, #{failures := Failures}} =
                   cambrian:evolve(Fitness,
                                   #{inputs => 2, outputs => 1, seed => 1, population => 20,
                                     generations => 2}),
               ?assert(Failures > 0)
           end,
    lists:foreach(Ends, Odd).

%% The evaluator takes a forged exit message for the worker's end, so it must kill the worker.
a_worker_that_forges_its_exit_is_ended(_) ->
    Before = erlang:system_info(process_count),
    Fitness = fun(_) ->
                  {links, Links} = process_info(self(), links),
                  _ = [Pid ! {'EXIT', self(), boo} || Pid <- Links, is_pid(Pid)],
                  0.1
              end,
    _ = cambrian:evolve(Fitness, #{inputs => 2, outputs => 1, population => 100, generations => 2}),
    until(fun() -> erlang:system_info(process_count) < Before + 20 end).

evaluations_that_use_too_much_memory_fail_the_run(_) ->
    {ok, P} =
        cambrian_population:start_link(#{task => fun(_) -> bomb() end, inputs => 1, outputs => 1,
                                         population => 2, generations => 1,
                                         evaluation_memory => 1 bsl 22}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    Failed = #{count => 2, first => memory},
    ?assertEqual({error, {evaluations_failed, Failed}}, cambrian_population:await(P, 300_000)),
    receive {cambrian, _, {evaluations_failed, Told}} -> ?assertEqual(Failed, Told) end,
    receive {cambrian, _, {failed, Why}} -> ?assertEqual({evaluations_failed, Failed}, Why) end,
    ok = cambrian_population:stop(P).

%% The limit counts neither the garbage of earlier evaluations nor the data that the task's fun
%% carries.
the_memory_limit_is_for_one_evaluation(_) ->
    Gs = genotypes(60),
    Burden = lists:seq(1, 400_000),
    {Scores, []} =
        once({each, fun(_) -> length(lists:seq(1, 50_000)) + hd(Burden) end}, Gs,
             #{memory => 1 bsl 22, timeout => 5000}),
    ?assertEqual([50_001.0], lists:usort(Scores)).

%% 100 generations with faults of three kinds, which come again and again.
each_kind_of_fault_is_logged_once(_) ->
    Fitness = fun(Network) ->
                  case round(1000 * key(Network)) rem 5 of
                      0 -> error({at, erlang:unique_integer()});
                      1 -> {made, up, erlang:unique_integer()};
                      2 -> list_to_integer(lists:concat(["no", erlang:unique_integer()]));
                      Rest -> Rest
                  end
              end,
    Lines = logged(fun() ->
        {ok, P} =
            cambrian_population:start_link(#{task => Fitness, inputs => 2, outputs => 1,
                                             population => 30, seed => 1, generations => 100}),
        ok = cambrian_population:subscribe(P),
        ok = cambrian_population:run(P),
        {ok, #{generations := 100}} = cambrian_population:await(P, 300_000),
        ok = cambrian_population:stop(P)
    end),
    ?assertEqual(3, length(Lines)),
    ?assertEqual(100, failed_events()).

failed_events() ->
    receive {cambrian, _, {evaluations_failed, _}} -> 1 + failed_events();
        {cambrian, _, _} -> failed_events() after 0 -> 0
    end.

%% The population is killed at any moment, whatever its tasks do.
a_killed_population_leaves_no_process(_) ->
    Before = processes(),
    _ = [begin
             P = population_at_work([]),
             exit(P, kill)
         end || _ <- lists:seq(1, 10)],
    until(fun() -> processes() -- Before =:= [] end).

%% An evaluator without work ends its workers after a while.
an_idle_evaluator_has_no_workers(_) ->
    Gs = genotypes(10),
    Evaluator = start(each(Gs, #{}), #{}),
    _ = round(Evaluator, Gs),
    {links, Links} = process_info(Evaluator, links),
    [Crew] = Links -- [self()],
    until(fun() -> process_info(Crew, links) =:= {links, [Evaluator]} end),
    until(fun() ->
        process_info(Crew, current_function) =:= {current_function, {erlang, hibernate, 3}}
                       orelse element(2, process_info(Crew, total_heap_size)) < 1000 end),
    {[11.0 | _], []} = round(Evaluator, Gs),
    ok = stop(Evaluator).

options_of_the_evaluator_are_checked(_) ->
    Fun = fun(_) -> 1 end,
    Options = #{task => Fun, inputs => 1, outputs => 1},
    _ = [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      cambrian_population:start(Options#{Name => Value}))
         || {Name, Value} <- [{nodes, all}, {nodes, ["a"]}, {nodes, [a | b]},
                              {evaluation_memory, 0},
                              {evaluation_memory, 1 bsl 70},
                              {nodes, low}]],
    ?assertEqual({error,
                  {bad_option,
                   {nodes, [n@h], <<"none with a task that runs in Rust and is tuned">>}}},
                 cambrian_population:start(#{task => 'xor', nodes => [n@h],
                                             params => #{tuning => cma_es}})),
    {ok, Substrate} = cambrian_substrate:new(#{inputs => [[0, 0]], outputs => [[0, 1]]}),
    ?assertEqual({error, {bad_option, {nodes, connected, <<"none with a substrate">>}}},
                 cambrian_population:start(#{task => Fun, substrate => Substrate,
                                             nodes => connected})).

%% 1,000 evaluations that do nothing. The best round counts, since other programs use this machine
%% too.
a_thousand_empty_evaluations_take_less_than_20_ms(_) ->
    Gs = genotypes(1000),
    Evaluator = start({each, fun(_) -> 0.0 end}, #{timeout => 5000, memory => 1 bsl 28}),
    Best = until(fun() ->
                     {Time, _} = timer:tc(fun() -> {[+0.0 | _], []} = round(Evaluator, Gs) end),
                     Time < 20_000 andalso Time
                 end),
    ct:pal("1,000 evaluations: ~p us", [Best]),
    ok = stop(Evaluator).
