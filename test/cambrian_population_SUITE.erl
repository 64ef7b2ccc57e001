%% Populations that are watched, paused, killed and restarted, and that get newcomers.
-module(cambrian_population_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

all() ->
    [a_killed_population_ends_with_the_same_champion,
     await_is_answered_by_the_restarted_population,
     a_step_of_a_killed_population_ends_at_the_same_generation,
     await_exits_if_the_population_is_not_restarted,
     a_call_by_an_old_pid_reaches_the_restarted_population,
     a_population_continues_from_its_file_after_a_restart,
     a_torn_checkpoint_is_an_error_and_resume_false_starts_anew,
     a_population_falls_back_to_the_last_whole_checkpoint, a_population_goes_on_without_a_disk,
     the_goal_survives_a_crash_and_is_set_anew_in_another_vm,
     a_run_ends_when_the_fun_of_until_returns_true,
     an_until_fun_that_fails_or_returns_no_boolean_is_an_error, a_run_ends_after_its_patience,
     early_stopping_picks_the_champion_by_its_validation, an_idle_population_hibernates,
     resume_false_starts_anew_once_a_vm, a_name_in_use_is_refused,
     a_newcomer_that_waits_survives_a_crash, a_checkpoint_of_another_task_is_refused,
     a_population_that_keeps_crashing_is_given_up_alone, a_paused_population_can_be_stepped,
     a_run_may_start_during_steps, a_run_at_its_limit_goes_on_if_the_limit_is_raised,
     injecting_a_term_that_is_no_genotype_raises_in_the_caller,
     a_population_takes_an_injected_genotype_in, a_newcomer_that_fails_has_no_fitness,
     an_idle_population_takes_newcomers_in_at_once,
     an_idle_population_takes_newcomers_in_one_after_another,
     a_killed_idle_population_keeps_its_newcomers,
     a_finished_population_takes_newcomers_in_and_keeps_its_result,
     a_mesh_newcomer_that_is_too_costly_is_refused,
     a_generation_admits_a_tenth_of_mesh_newcomers,
     a_mesh_newcomer_that_hangs_does_not_block_the_population,
     a_mesh_newcomer_beyond_the_timeout_is_late_and_not_failed,
     a_pause_by_the_governor_makes_no_newcomer_late,
     a_population_reports_the_work_of_its_own_genotypes, a_mesh_newcomer_survives_a_crash,
     each_policy_gives_migrants, a_subscriber_gets_an_event_of_each_generation,
     many_populations_run_at_once, a_population_runs_under_a_supervisor_of_the_user,
     all_populations_of_a_node_can_be_watched,
     an_idle_population_answers_before_its_first_generation].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Config.

end_per_suite(_) -> application:stop(cambrian).

init_per_testcase(Case, Config) ->
    [{dir, filename:join(proplists:get_value(priv_dir, Config), Case)} | Config].

end_per_testcase(_, _) ->
    _ = application:unset_env(cambrian, data_dir),
    ok = cambrian_governor:configure(#{pause_when => none}),
    lists:foreach(fun end_quietly/1, [here, doomed, solid]).

%% Stops the population if its supervisor still has it.
end_quietly(Name) ->
    try cambrian_population:stop(Name) catch exit:_ -> ok end.

options(Seed) ->
    #{task => double_pole_novel, seed => Seed, population => 200, generations => 40, target => 99}.

champion_of({ok,
             #{champion := Champion, generations := Generations, evaluations := Evaluations}}) ->
    {cambrian_genotype:id(Champion), Generations, Evaluations}.

run_whole(Options) ->
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    Result = champion_of(cambrian_population:await(P, 60_000)),
    ok = cambrian_population:stop(P),
    Result.

wait_for_generation(Name, Wanted) ->
    ok = cambrian_population:subscribe(Name),
    receive {cambrian, Name, {generation, #{generation := G}}} when G >= Wanted -> ok
    after 300_000 -> error({no_progress, Name, Wanted})
    end.

flush() -> receive {cambrian, _, _} -> flush() after 0 -> ok end.

await_return(Name, Dead) ->
    case whereis(Name) of
        Pid when is_pid(Pid), Pid =/= Dead -> Pid;
        _ -> erlang:yield(), await_return(Name, Dead)
    end.

%% The population is killed at several generations and ends with the champion of a population that
%% was not killed. Its supervisor gives up after more than five kills in ten seconds.
a_killed_population_ends_with_the_same_champion(_) ->
    Whole = run_whole(options(11)),
    {ok, _} = cambrian_population:start((options(11))#{name => here}),
    ok = cambrian_population:run(here),
    lists:foreach(fun(Generation) ->
                      wait_for_generation(here, Generation),
                      Pid = whereis(here),
                      exit(Pid, kill),
                      _ = await_return(here, Pid),
                      flush()
                  end, [3, 12, 21, 30]),
    ?assertEqual(Whole, champion_of(cambrian_population:await(here, 60_000))).

%% The restarted population answers a caller that awaits it, by its name or by its pid.
await_is_answered_by_the_restarted_population(_) ->
    Whole = run_whole(options(11)),
    _ = [begin
             {ok, P} = cambrian_population:start(maps:merge(options(11), Name)),
             ok = cambrian_population:subscribe(P),
             ok = cambrian_population:run(P),
             Waiting = [asked(fun() -> champion_of(cambrian_population:await(Handle, 60_000)) end)
                        || Handle <- [P | maps:values(Name)]],
             receive {cambrian, _, {generation, #{generation := 5}}} -> exit(P, kill) end,
             _ = [?assertEqual({ok, Whole}, answer(Asked)) || Asked <- Waiting],
             ok = cambrian_population:stop(P)
         end || Name <- [#{name => here}, #{}]].

%% After the restart the population makes only the rest of its steps.
a_step_of_a_killed_population_ends_at_the_same_generation(_) ->
    {ok, P} = cambrian_population:start(options(11)),
    {ok, _} = cambrian_population:step(P, 3),
    ok = cambrian_population:subscribe(P),
    Asked = asked(fun() -> {ok, #{generation := Last}} = cambrian_population:step(P, 12), Last end),
    receive {cambrian, _, {generation, #{generation := 7}}} -> exit(P, kill) end,
    ?assertEqual({ok, 14}, answer(Asked)),
    ok = cambrian_population:stop(P).

%% No supervisor restarts this population: its callers exit with its reason.
await_exits_if_the_population_is_not_restarted(_) ->
    {Pid, Monitor} = spawn_monitor(fun() ->
                                       {ok, P} = cambrian_population:start_link(options(11)),
                                       unlink(P),
                                       spawn(fun() -> timer:sleep(50), exit(P, kill) end),
                                       cambrian_population:await(P, 60_000)
                                   end),
    receive {'DOWN', Monitor, process, Pid, Reason} ->
            ?assertMatch({killed, {gen_statem, call, [_, await | _]}}, Reason) end,
    ?assertExit({noproc, _}, cambrian_population:await(nobody, 60_000)),
    ?assertExit({noproc, _}, cambrian_population:step(nobody, 1)),
    ?assertExit(noproc, cambrian_population:stop(nobody)).

a_call_by_an_old_pid_reaches_the_restarted_population(_) ->
    {ok, P} = cambrian_population:start(options(11)),
    {ok, _} = cambrian_population:step(P, 3),
    Asked =
        [fun cambrian_population:info/1, fun cambrian_population:best/1,
         fun cambrian_population:history/1,
         fun cambrian_population:checkpoint/1, fun cambrian_population:pause/1],
    Before = [Ask(P) || Ask <- Asked],
    exit(P, kill),
    ?assertEqual(Before, [Ask(P) || Ask <- Asked]),
    [Again] = maps:values(cambrian_store:populations()),
    ?assertNotEqual(P, Again),
    exit(Again, kill),
    %% also after a second restart
    #{generation := 2} = cambrian_population:info(P),
    ok = cambrian_population:stop(P),
    ?assertEqual(#{}, cambrian_store:populations()).

asked(Ask) -> spawn_monitor(fun() -> exit({answer, Ask()}) end).

answer({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {answer, Answer}} -> {ok, Answer};
        {'DOWN', Monitor, process, Pid, Reason} -> {exit, Reason}
    end.

%% The application is killed and started again, as after a power cut.
a_population_continues_from_its_file_after_a_restart(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    Whole = run_whole(options(12)),
    {ok, _} = cambrian_population:start((options(12))#{name => here}),
    ok = cambrian_population:run(here),
    wait_for_generation(here, 9),
    Pid = whereis(here),
    Monitor = monitor(process, Pid),
    exit(whereis(cambrian_sup), kill),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end,
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = cambrian_population:start((options(12))#{name => here}),
    ok = cambrian_population:subscribe(here),
    ?assertEqual(Whole, champion_of(cambrian_population:await(here, 60_000))).

a_torn_checkpoint_is_an_error_and_resume_false_starts_anew(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = cambrian_population:start((options(1))#{name => solid, checkpoints => 1}),
    {ok, _} = cambrian_population:step(solid, 2),
    ok = cambrian_population:stop(solid),
    [File] = filelib:wildcard(filename:join([Dir, "populations", "solid", "*.checkpoint"])),
    tear(File),
    ?assertMatch({error, {torn_checkpoint, _}},
                 cambrian_population:start((options(1))#{name => solid})),
    {ok, Fresh} = cambrian_population:start((options(1))#{name => solid, resume => false}),
    ?assertMatch(#{generation := 0}, cambrian_population:info(Fresh)),
    %% `resume => false' holds for the start only: after a crash the population continues
    {ok, _} = cambrian_population:step(solid, 3),
    exit(Fresh, kill),
    Back = await_return(solid, Fresh),
    ?assertMatch(#{generation := 2}, cambrian_population:info(Back)).

tear(File) ->
    {ok, Bytes} = file:read_file(File),
    ok = file:write_file(File, binary:part(Bytes, 0, byte_size(Bytes) - 7)).

%% The last three checkpoints are kept. From the last whole one the run ends with the same
%% champion.
a_population_falls_back_to_the_last_whole_checkpoint(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    Options = (options(14))#{name => here, checkpoint_interval => 0},
    Whole = run_whole(options(14)),
    {ok, _} = cambrian_population:start(Options),
    {ok, _} = cambrian_population:step(here, 9),
    ok = cambrian_population:stop(here),
    Files =
        fun() ->
            lists:sort(filelib:wildcard(filename:join([Dir, "populations", "here",
                                                       "*.checkpoint"]))) end,
    ?assertEqual(["000000000006.checkpoint", "000000000007.checkpoint", "000000000008.checkpoint"],
                 [filename:basename(File) || File <- Files()]),
    lists:foreach(fun tear/1, tl(Files())),
    {ok, Again} = cambrian_population:start(Options),
    ?assertMatch(#{generation := 6}, cambrian_population:info(Again)),
    ?assertEqual([0, 1, 2, 3, 4, 5, 6, 7, 8],
                 [G || #{generation := G} <- begin {ok, _} = cambrian_population:step(Again, 3),
                                                   cambrian_population:history(Again) end]),
    ok = cambrian_population:run(Again),
    ?assertEqual(Whole, champion_of(cambrian_population:await(Again, 60_000))).

%% A file at the path of the directory acts as a full disk. The population reports it once, goes
%% on, and writes again once it can.
a_population_goes_on_without_a_disk(Config) ->
    Dir = filename:join(proplists:get_value(dir, Config), "populations"),
    InTheWay = filename:join(Dir, "here"),
    ok = filelib:ensure_dir(InTheWay),
    ok = file:write_file(InTheWay, <<>>),
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, _} = cambrian_population:start((options(15))#{name => here, checkpoint_interval => 0}),
    ok = cambrian_population:subscribe(here),
    {ok, _} = cambrian_population:step(here, 5),
    ?assertMatch([{checkpoint_failed, #{generation := 0, reason := {_, _}}}],
                 [Event || {checkpoint_failed, _} = Event <- events(here)]),
    ok = file:delete(InTheWay),
    {ok, #{generation := 6}} = cambrian_population:step(here, 2),
    ?assertEqual([], [Event || {checkpoint_failed, _} = Event <- events(here)]),
    ?assertMatch([_ | _], filelib:wildcard(filename:join(InTheWay, "*6.checkpoint"))),
    ok = cambrian_population:run(here),
    ?assertEqual(run_whole(options(15)), champion_of(cambrian_population:await(here, 60_000))).

events(Name) -> receive {cambrian, Name, Event} -> [Event | events(Name)] after 0 -> [] end.

%% After a crash the goal stays. In another VM the options of the new start count.
the_goal_survives_a_crash_and_is_set_anew_in_another_vm(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, First} = cambrian_population:start((options(16))#{name => here, generations => 4}),
    ok = cambrian_population:run(here, #{generations => 6}),
    {ok, #{generations := 6}} = cambrian_population:await(here, 60_000),
    exit(First, kill),
    Second = await_return(here, First),
    ?assertMatch({ok, #{generations := 6}}, cambrian_population:await(Second, 60_000)),
    ok = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = cambrian_population:start((options(16))#{name => here, generations => 9}),
    ?assertMatch({ok, #{generation := 5}}, cambrian_population:best(here)),
    ok = cambrian_population:run(here),
    ?assertMatch({ok, #{generations := 9}}, cambrian_population:await(here, 60_000)).

a_run_ends_when_the_fun_of_until_returns_true(_) ->
    Until = fun(#{generation := G, species := Species}) -> G >= 3 andalso length(Species) > 1 end,
    {ok, P} = cambrian_population:start((options(17))#{name => here, until => Until}),
    ok = cambrian_population:run(P),
    {ok, #{solved := true, generations := 4, fitness := Fitness}} =
        cambrian_population:await(P, 60_000),
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    %% the result survives a crash
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{solved := true, generations := 4}},
                 cambrian_population:await(Back, 60_000)).

an_until_fun_that_fails_or_returns_no_boolean_is_an_error(_) ->
    {ok, P} =
        cambrian_population:start((options(18))#{name => here,
                                                 until => fun(_) -> error(on_purpose) end}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    ?assertMatch({error, {bad_option, {until, {error, on_purpose, _}, _}}},
                 cambrian_population:await(P, 60_000)),
    ?assertMatch([_], [Event || {failed, {bad_option, _}} = Event <- events(here)]),
    ok = cambrian_population:run(P, #{until => fun(_) -> perhaps end}),
    ?assertMatch({error, {bad_option, {until, perhaps, _}}}, cambrian_population:await(P, 60_000)),
    ok = cambrian_population:run(P, #{until => fun(#{generation := G}) -> G >= 5 end}),
    ?assertMatch({ok, #{generations := 6}}, cambrian_population:await(P, 60_000)).

%% Patience ends the run, before any other limit.
a_run_ends_after_its_patience(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 3, target => 5, patience => 7}),
    ok = cambrian_population:run(P),
    {ok, #{generations := Generations, solved := false}} = cambrian_population:await(P, 60_000),
    ?assertMatch({ok, #{generation := Best}} when Best + 8 =:= Generations,
                 cambrian_population:best(P)),
    ok = cambrian_population:stop(P).

%% The champion is the genotype with the best validation, with and without a kill on the way.
early_stopping_picks_the_champion_by_its_validation(_) ->
    _ = rand:seed(exsss, 1),
    Rows = [[rand:normal() + 2 * (K rem 2), rand:normal()] || K <- lists:seq(1, 60)],
    Data =
        {dataset,
         #{inputs => Rows, targets => [K rem 2 || K <- lists:seq(1, 60)], kind => classification,
           validation => 0.4, seed => 5}},
    Options = #{task => Data, seed => 9, population => 60, patience => 12},
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    {ok, #{champion := Champion, validation := Held, generations := Generations} = Result} =
        cambrian_population:await(P, 60_000),
    {ok, #{validation := Again}} = cambrian_task:trial(Data, cambrian_network:compile(Champion)),
    ?assertEqual(Held, Again),
    %% the champion is not the fittest genotype, which overfits the training rows
    {ok, #{fitness := Fittest}} = cambrian_population:best(P),
    ?assert(maps:get(fitness, Result) < Fittest),
    ok = cambrian_population:stop(P),
    {ok, _} = cambrian_population:start(Options#{name => here}),
    ok = cambrian_population:run(here),
    wait_for_generation(here, Generations div 2),
    Pid = whereis(here),
    exit(Pid, kill),
    _ = await_return(here, Pid),
    {ok, #{champion := Other, validation := Held, generations := Generations}} =
        cambrian_population:await(here, 60_000),
    ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(Other)).

an_idle_population_hibernates(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    {ok, _} = cambrian_population:step(P, 3),
    hibernates(P),
    ?assertMatch({ok, #{generation := 2}}, cambrian_population:stats(P)),
    ok = cambrian_population:stop(P).

%% After a crash under a user's supervisor the population continues, in another VM it starts anew.
resume_false_starts_anew_once_a_vm(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    Options = (options(1))#{name => here, resume => false},
    Supervised = fun() ->
        Flags = #{strategy => one_for_one, intensity => 3, period => 1},
        {ok, Supervisor} =
            supervisor:start_link(?MODULE, {Flags, [cambrian_population:child_spec(Options)]}),
        #{generation := Generation} = cambrian_population:info(here),
        {Supervisor, Generation}
    end,
    {First, 0} = Supervised(),
    {ok, _} = cambrian_population:step(here, 4),
    Pid = whereis(here),
    exit(Pid, kill),
    Back = await_return(here, Pid),
    ?assertMatch(#{generation := 3}, cambrian_population:info(Back)),
    ok = gen_server:stop(First),
    {Second, 0} = Supervised(),
    ok = gen_server:stop(Second).

%% The name belongs to a population, whose files stay, or to another process: an error, and
%% nothing starts, crashes or is deleted.
a_name_in_use_is_refused(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, Here} = cambrian_population:start((options(1))#{name => here, checkpoint_interval => 0}),
    {ok, _} = cambrian_population:step(here, 5),
    %% this call returns once the last file is written, which a step does not wait for
    _ = cambrian_population:info(here),
    Files = fun() -> lists:sort(filelib:wildcard(filename:join([Dir, "populations", "**"]))) end,
    Before = Files(),
    ?assertMatch([_, _, _, _], Before),
    Guards = supervisor:count_children(cambrian_population_sup),
    Taken = {error, {already_started, Here}},
    Other = #{task => single_pole, seed => 1, name => here, generations => 2},
    [begin
         ?assertEqual(Taken, cambrian_population:start(Options#{resume => Resume})),
         ?assertEqual(Taken, cambrian_population:start_link(Options#{resume => Resume})),
         ?assertEqual(Taken,
                      cambrian:evolve(maps:get(task, Options),
                                      maps:remove(task, Options#{resume => Resume})))
     end || Options <- [(options(1))#{name => here}, Other], Resume <- [true, false]],
    %% files under the name of another process
    ok = filelib:ensure_dir(filename:join([Dir, "populations", "kernel_sup", "x"])),
    ok = file:write_file(filename:join([Dir, "populations", "kernel_sup",
                                        "000000000001.checkpoint"]), "mine"),
    [?assertEqual({error, {name_taken, Name}},
                  cambrian_population:start(Other#{name => Name, resume => Resume}))
     || Name <- [kernel_sup, init, user, cambrian_sup, cambrian_store], Resume <- [true, false]],
    ?assertEqual({error, {name_taken, init}},
                 cambrian:evolve('xor', #{name => init, resume => false})),
    ?assertEqual(Guards, supervisor:count_children(cambrian_population_sup)),
    ?assertEqual(Before, Files() -- [filename:join([Dir, "populations", "kernel_sup" | Below])
                                     || Below <- [[], ["000000000001.checkpoint"]]]),
    exit(Here, kill),
    Back = await_return(here, Here),
    ?assertMatch(#{generation := 4}, cambrian_population:info(Back)).

init(Flags) -> {ok, Flags}.

a_newcomer_that_waits_survives_a_crash(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, name => here}),
    ok = cambrian_population:inject(P, Champion),
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{best := Fitness}}, cambrian_population:step(Back, 1)).

hibernates(P) ->
    case process_info(P, current_function) of
        {_, {erlang, hibernate, 3}} -> ok;
        {_, {gen_statem, loop_hibernate, 3}} -> ok;
        _ -> erlang:yield(), hibernates(P)
    end.

a_checkpoint_of_another_task_is_refused(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, _} = cambrian_population:start((options(1))#{name => solid}),
    {ok, _} = cambrian_population:step(solid, 1),
    ok = cambrian_population:stop(solid),
    ?assertEqual({error, {checkpoint_of_another_task, <<"double_pole_novel">>}},
                 cambrian_population:start(#{task => 'xor', name => solid})).

a_population_that_keeps_crashing_is_given_up_alone(_) ->
    {ok, Solid} = cambrian_population:start((options(1))#{name => solid}),
    {ok, First} = cambrian_population:start((options(2))#{name => doomed}),
    Last = lists:foldl(fun(_, Pid) ->
                           exit(Pid, kill),
                           await_return(doomed, Pid)
                       end, First, lists:seq(1, 5)),
    Monitor = monitor(process, Last),
    exit(Last, kill),
    receive {'DOWN', Monitor, process, Last, _} -> ok end,
    ?assertEqual(undefined, gone(doomed)),
    ?assertEqual(Solid, whereis(solid)).

gone(Name) ->
    _ = supervisor:which_children(cambrian_population_sup),
    whereis(Name).

a_paused_population_can_be_stepped(_) ->
    {ok, P} = cambrian_population:start(options(3)),
    ?assertMatch({ok, #{generation := 0}}, cambrian_population:step(P, 1)),
    {ok, #{generation := 4, evaluations := Evaluations}} = cambrian_population:step(P, 4),
    ?assert(Evaluations > 800 andalso Evaluations =< 1000),
    ok = cambrian_population:run(P),
    ok = cambrian_population:pause(P),
    {ok, #{generation := Before}} = settled(P),
    ?assertMatch({ok, #{generation := After}} when After =:= Before + 1,
                 cambrian_population:step(P, 1)),
    ok = cambrian_population:resume(P),
    Whole = run_whole(options(3)),
    ?assertEqual(Whole, champion_of(cambrian_population:await(P, 60_000))),
    ok = cambrian_population:stop(P).

%% A paused population first ends its generation; `step' is refused until then.
settled(P) ->
    case cambrian_population:step(P, 1) of
        {ok, Stats} -> {ok, Stats};
        {error, running} -> settled(P)
    end.

a_newcomer_that_fails_has_no_fitness(_) ->
    {ok, Newcomer} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 5),
    {ok, Other} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 6),
    Bad = cambrian_network:activate(cambrian_network:compile(Newcomer), [1, 1]),
    Task = fun(Network) ->
               case cambrian_network:activate(Network, [1, 1]) of
                   Bad -> error(no_luck);
                   [Output] -> Output
               end
           end,
    {ok, P} =
        cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 1,
                                    population => 10}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:inject(P, Newcomer, bad),
    ok = cambrian_population:inject(P, Other, good),
    {ok, _} = cambrian_population:step(P, 1),
    Received =
        fun(From) -> receive {cambrian, _, {received, #{from := From} = Event}} -> Event end end,
    ?assertEqual(#{id => cambrian_genotype:id(Newcomer), from => bad, generation => 0,
                   outcome => failed, work => 4}, Received(bad)),
    ?assertMatch(#{fitness := _}, Received(good)),
    ok = cambrian_population:stop(P).

received(P, Generation) ->
    receive {cambrian, _, {received, #{generation := Generation} = Received}} ->
            maps:with([from, outcome, fitness], Received)
    after 300_000 -> error({nothing_received, sys:get_state(P)})
    end.

no_more(Kind) -> no_more(Kind, 0).
no_more(Kind, Ms) -> receive {cambrian, _, {Kind, _} = Event} -> error(Event) after Ms -> ok end.

%% An idle population takes a fitter newcomer in at once and stays idle: no generation, no row of
%% the history, the same stats. Its next generation has the newcomer.
an_idle_population_takes_newcomers_in_at_once(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    Newborn =
        [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed))
         || Seed <- lists:seq(1, 10)],
    {ok, Stranger} = cambrian_genotype:new(#{inputs => 5, outputs => 1}, 1),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, population => 50}),
    ok = cambrian_population:inject(P, hd(Newborn), early),
    {ok, _} = cambrian_population:step(P, 2),
    ok = cambrian_population:subscribe(P),
    Before =
        {cambrian_population:stats(P), cambrian_population:history(P),
         maps:remove(parameters, cambrian_population:info(P))},
    [ok = cambrian_population:inject(P, Genotype, From)
     || {Genotype, From} <- [{Champion, good}, {Stranger, strange},
                             {Champion, again} | [{New, newborn} || New <- Newborn]]],
    Received = [received(P, 1) || _ <- lists:seq(1, 13)],
    Of = fun(From) -> [maps:remove(from, R) || #{from := F} = R <- Received, F =:= From] end,
    ?assertEqual([#{outcome => accepted, fitness => Fitness}], Of(good)),
    ?assertEqual([#{outcome => known, fitness => Fitness}], Of(again)),
    ?assertEqual([#{outcome => shape}], Of(strange)),
    ?assertEqual(10, length([Measured || #{fitness := Measured} <- Of(newborn)])),
    receive {cambrian, _,
             {champion,
              #{champion := C, fitness := Fitness, operators := [injection], generation := 1}}} ->
        ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(C))
    after 300_000 -> error(no_champion)
    end,
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    ?assertEqual(Before, {cambrian_population:stats(P), cambrian_population:history(P),
                          maps:remove(parameters, cambrian_population:info(P))}),
    no_more(generation),
    ?assertMatch({ok, #{generation := 2, best := Best}} when Best >= Fitness,
                 cambrian_population:step(P, 1)),
    ok = cambrian_population:stop(P).

%% A newcomer that arrives during an evaluation is evaluated after it. A call of step or run waits
%% until then.
an_idle_population_takes_newcomers_in_one_after_another(_) ->
    {Gate, Test} = {atomics:new(1, []), self()},
    Task = fun(Network) -> wait_at(Gate, Test), hd(cambrian_network:activate(Network, [1, 1])) end,
    {ok, P} =
        cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 3,
                                    population => 10}),
    {ok, #{generation := 0}} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    Newcomers =
        [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed))
         || Seed <- lists:seq(100, 163)],
    ok = atomics:put(Gate, 1, 1),
    [ok = cambrian_population:inject(P, Newcomer, N)
     || {N, Newcomer} <- lists:enumerate(Newcomers)],
    receive at_the_gate -> ok end,
    ?assertEqual({error, busy}, cambrian_population:inject(P, hd(Newcomers))),
    ?assertMatch({ok, _}, cambrian_population:migrant(P, random)),
    spawn_link(fun() -> Test ! {stepped, cambrian_population:step(P, 1)} end),
    _ = cambrian_population:info(P),
    no_more(generation),
    ok = atomics:put(Gate, 1, 0),
    ?assertEqual(lists:seq(1, 64),
                 [N || _ <- Newcomers, #{from := N, fitness := _} <- [received(P, 0)]]),
    receive {stepped, Answer} -> ?assertMatch({ok, #{generation := 1}}, Answer) after 300_000 ->
            error(no_answer) end,
    ok = cambrian_population:stop(P).

%% The population is killed while idle: its next generation has the newcomers it took in, and it
%% reports none again.
a_killed_idle_population_keeps_its_newcomers(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} =
        cambrian_population:start(#{task => 'xor', seed => 1, name => here, population => 50}),
    {ok, _} = cambrian_population:step(P, 2),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:inject(P, Champion),
    #{outcome := accepted} = received(P, 1),
    {ok, Whole} = cambrian_population:step(P, 3),
    ok = cambrian_population:stop(P),
    flush(),
    {ok, Again} =
        cambrian_population:start(#{task => 'xor', seed => 1, name => here, population => 50}),
    {ok, _} = cambrian_population:step(Again, 2),
    ok = cambrian_population:inject(Again, Champion),
    {ok, #{fitness := Fitness}} = fitter(Again, Fitness),
    exit(Again, kill),
    Back = await_return(here, Again),
    ok = cambrian_population:subscribe(Back),
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(Back)),
    ?assertMatch({ok, #{generation := 1, best := Fitness}}, cambrian_population:step(Back, 1)),
    no_more(champion),
    {ok, Last} = cambrian_population:step(Back, 3),
    Facts = [generation, best, mean, species, evaluations],
    ?assertEqual(maps:with(Facts, Whole), maps:with(Facts, Last)),
    no_more(received).

fitter(P, Fitness) ->
    case cambrian_population:best(P) of
        {ok, #{fitness := Fitness}} = Best -> Best;
        _ -> erlang:yield(), fitter(P, Fitness)
    end.

%% A finished population takes newcomers in too. Its result stays, also after a crash and in
%% another VM.
a_finished_population_takes_newcomers_in_and_keeps_its_result(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    Options = #{task => 'xor', seed => 1, name => here, population => 50, generations => 3},
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3} = Result} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:inject(P, Champion),
    {ok, _} = fitter(P, Fitness),
    ?assertEqual({ok, Result}, cambrian_population:await(P, 300_000)),
    Files =
        filelib:wildcard(filename:join([proplists:get_value(dir, Config), "populations", "here",
                                        "*.checkpoint"])),
    ?assertMatch({ok, #{champion := #{fitness := Fitness}, running := true}},
                 cambrian_store:open(lists:last(lists:sort(Files)))),
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{generations := 3, fitness := Fitness}},
                 cambrian_population:await(Back, 300_000)),
    exit(whereis(cambrian_sup), kill),
    Monitor = monitor(process, Back),
    receive {'DOWN', Monitor, process, _, _} -> ok end,
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Restarted} = cambrian_population:start(Options),
    ?assertMatch({ok, #{generations := 3, fitness := Fitness}},
                 cambrian_population:await(Restarted, 300_000)),
    ok = cambrian_population:stop(Restarted).

%% Migrants can be asked for during the evaluation of the next generation, which a gate keeps from
%% ending. The same seed gives the same migrants.
each_policy_gives_migrants(_) ->
    {Gate, Test} = {atomics:new(1, []), self()},
    Fitness = fun(Network) -> hd(cambrian_network:activate(Network, [1, 1])) end,
    Task = fun(Network) -> wait_at(Gate, Test), Fitness(Network) end,
    Options = #{task => Task, inputs => 2, outputs => 1, seed => 3, population => 30},
    [P, Twin] = [element(2, cambrian_population:start(Options)) || _ <- [1, 2]],
    Policies = [champion, tournament, novel, random | lists:duplicate(20, random)],
    [?assertEqual({error, not_evaluated}, cambrian_population:migrant(P, Policy))
     || Policy <- Policies],
    [{ok, _} = cambrian_population:step(Either, 1) || Either <- [P, Twin]],
    ok = atomics:put(Gate, 1, 1),
    ok = cambrian_population:run(P, #{generations => 2}),
    receive at_the_gate -> ok end,
    Migrants =
        fun(Of) ->
            [Migrant
             || Policy <- Policies, {ok, Migrant} <- [cambrian_population:migrant(Of, Policy)]] end,
    Ids = fun(All) -> [cambrian_genotype:id(G) || #{champion := G} <- All] end,
    [Best | _] = Sent = Migrants(P),
    ?assertEqual({ok, Best}, cambrian_population:best(P)),
    [?assertEqual({0, F}, {Generation, Fitness(cambrian_network:compile(G))})
     || #{champion := G, fitness := F, generation := Generation, parents := [],
          operators := []} <- Sent],
    ?assertEqual(length(Policies), length(Sent)),
    ?assertEqual(Ids(Sent), Ids(Migrants(Twin))),
    ?assert(length(lists:usort(Ids(Sent))) > 10),
    ok = atomics:put(Gate, 1, 0),
    {ok, _} = cambrian_population:await(P, 300_000),
    ?assertMatch({ok, #{generation := 1}}, cambrian_population:migrant(P, random)),
    [ok = cambrian_population:stop(Either) || Either <- [P, Twin]].

wait_at(Gate, Test) ->
    case atomics:get(Gate, 1) of
        0 -> ok;
        1 -> Test ! at_the_gate, wait_while_closed(Gate)
    end.

wait_while_closed(Gate) ->
    case atomics:get(Gate, 1) of
        0 -> ok;
        1 -> timer:sleep(1), wait_while_closed(Gate)
    end.

a_population_takes_an_injected_genotype_in(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 1}),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 2}),
    ok = cambrian_population:subscribe(P),
    Id = cambrian_genotype:id(Champion),
    ok = cambrian_population:inject(P, Champion, a_friend),
    {ok, _} = cambrian_population:step(P, 1),
    receive {cambrian, _, {received, #{id := Id, from := a_friend, fitness := F, outcome := O}}} ->
        ?assertEqual({Fitness, accepted}, {F, O})
    end,
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    {ok, Stranger} = cambrian_genotype:new(#{inputs => 5, outputs => 1}, 1),
    ok = cambrian_population:inject(P, Stranger),
    ok = cambrian_population:inject(P, Champion),
    {ok, _} = cambrian_population:step(P, 1),
    receive {cambrian, _, {received, #{id := Id, outcome := Again}}} -> ?assertEqual(known, Again)
    end,
    ok = cambrian_population:stop(P),
    %% before the first generation all newcomers wait, at most 64
    {ok, Q} = cambrian_population:start(#{task => 'xor', seed => 3}),
    [?assertEqual({N, ok}, {N, cambrian_population:inject(Q, Champion)}) || N <- lists:seq(1, 64)],
    ?assertEqual({error, busy}, cambrian_population:inject(Q, Champion)),
    ok = cambrian_population:stop(Q).

a_subscriber_gets_an_event_of_each_generation(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    {ok, #{generations := Count} = Result} = cambrian_population:await(P, 300_000),
    ?assertEqual(lists:seq(0, Count - 1), seen()),
    receive {cambrian, _, {finished, Last}} -> ?assertEqual(Result, Last) end,
    ok = cambrian_population:unsubscribe(P),
    flush(),
    {ok, _} = cambrian_population:step(P, 1),
    receive {cambrian, _, _} = Event -> error({still_told, Event}) after 0 -> ok end,
    ok = cambrian_population:stop(P).

seen() -> receive {cambrian, _, {generation, #{generation := G}}} -> [G | seen()] after 0 -> [] end.

many_populations_run_at_once(_) ->
    Whole = [run_whole(#{task => 'xor', seed => Seed}) || Seed <- lists:seq(1, 6)],
    Populations =
        [element(2, cambrian_population:start(#{task => 'xor', seed => Seed}))
         || Seed <- lists:seq(1, 6)],
    [ok = cambrian_population:run(P) || P <- Populations],
    ?assertEqual(Whole, [champion_of(cambrian_population:await(P, 300_000)) || P <- Populations]),
    [ok = cambrian_population:stop(P) || P <- Populations].

a_population_runs_under_a_supervisor_of_the_user(_) ->
    Spec = cambrian_population:child_spec(#{task => 'xor', name => here, seed => 1}),
    {ok, Supervisor} = supervisor_of(Spec),
    First = whereis(here),
    exit(First, kill),
    ?assert(is_pid(await_return(here, First))),
    unlink(Supervisor),
    exit(Supervisor, shutdown).

%% A watcher of all populations hears of each start and restart, under any supervisor.
all_populations_of_a_node_can_be_watched(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    #{name := Nameless} = cambrian_population:info(P),
    ?assertMatch(#{Nameless := P}, cambrian_store:watch()),
    ?assertMatch(#{Nameless := P}, cambrian_store:watch()),
    {ok, Supervisor} =
        supervisor_of(cambrian_population:child_spec(#{task => 'xor', name => here, seed => 1})),
    Here = whereis(here),
    receive {cambrian_store, population, here, First} -> ?assertEqual(Here, First) after 300_000 ->
            error(not_told) end,
    ?assertMatch(#{here := Here, Nameless := P}, cambrian_store:populations()),
    {ok, _} = cambrian_population:step(here, 2),
    exit(Here, kill),
    Back = await_return(here, Here),
    receive {cambrian_store, population, here, Second} ->
            ?assertEqual(Back, Second) after 300_000 ->
            error(not_told) end,
    ok = cambrian_population:stop(P),
    ok = gen_server:stop(Supervisor),
    Left = cambrian_store:populations(),
    ?assertNot(is_map_key(here, Left) orelse is_map_key(Nameless, Left)),
    receive {cambrian_store, _, _, _} = Told -> error(Told) after 0 -> ok end.

supervisor_of(Spec) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {#{}, []}),
    {ok, _} = supervisor:start_child(Supervisor, Spec),
    {ok, Supervisor}.


an_idle_population_answers_before_its_first_generation(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 5}),
    ?assertEqual({error, not_evaluated}, cambrian_population:best(P)),
    ?assertEqual({error, not_evaluated}, cambrian_population:stats(P)),
    ?assertMatch(#{task := 'xor', seed := 5, inputs := 2, outputs := 1,
                   parameters := #{population := 150}},
                 cambrian_population:info(P)),
    ?assertEqual({error, {bad_option, {generations, none, <<"a positive integer">>}}},
                 cambrian_population:run(P, #{generations => none})),
    ?assertEqual({error, timeout}, cambrian_population:await(P, 10)),
    {ok, Bytes} = cambrian_population:checkpoint(P),
    ?assertMatch({ok, _}, cambrian_nif:population_decode(Bytes)),
    ok = cambrian_population:stop(P).

%% run/1 during steps: the caller of step gets its answer in time, and the run goes on.
a_run_may_start_during_steps(_) ->
    {ok, P} = cambrian_population:start((options(3))#{generations => 30}),
    Self = self(),
    ok = cambrian_population:subscribe(P),
    spawn_link(fun() -> Self ! {stepped, cambrian_population:step(P, 10)} end),
    receive {cambrian, _, {generation, #{generation := 0}}} -> ok end,
    ok = cambrian_population:run(P),
    receive {stepped, {ok, #{generation := 9}}} -> ok after 300_000 -> error(no_answer) end,
    {ok, #{generations := 30}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:stop(P).

%% Another run with the same limit does nothing; with a higher limit it goes on.
a_run_at_its_limit_goes_on_if_the_limit_is_raised(_) ->
    {ok, P} = cambrian_population:start((options(3))#{generations => 3}),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3} = Result} = cambrian_population:await(P, 300_000),
    false = is_map_key(trial, Result),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:run(P, #{generations => 5}),
    {ok, #{generations := 5}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:stop(P).

injecting_a_term_that_is_no_genotype_raises_in_the_caller(_) ->
    {ok, P} = cambrian_population:start(options(3)),
    ?assertError(badarg, cambrian_population:inject(P, make_ref())),
    ?assertMatch({ok, _}, cambrian_population:step(P, 1)),
    ok = cambrian_population:stop(P).

%%% ---- mesh newcomers ----------------------------------------------------------------------

%% A genotype with the same outputs and so many idle neurons more.
bloated(Genotype, Count) ->
    #{nodes := Nodes, connections := Connections} = Genes = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Idle = [1000 + N || N <- lists:seq(1, Count)],
    {ok, Bloated} = cambrian_genotype:from_map(Genes#{
        nodes := Nodes ++ [#{id => Id, layer => 1 bsl 62, activation => tanh, dynamics => ltc,
                             time_constant => 1.0} || Id <- Idle],
        connections := Connections ++ [#{from => Id, to => Output, weight => 0.0, enabled => true}
                                       || Id <- Idle]}),
    Bloated.

from_the_mesh(P, Genotype, From) ->
    cambrian_population_client:inject_from_mesh(P, Genotype, From, 8).

told(From) ->
    receive {cambrian, _, {received, #{from := From} = Received}} -> Received
    after 300_000 -> error({nothing_told_of, From})
    end.

%% A newcomer from the mesh that costs far more than the population's own is not even compiled; a
%% genotype that a user injects is.
a_mesh_newcomer_that_is_too_costly_is_refused(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} =
        cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    {ok, P} =
        cambrian_population:start(#{task => double_pole_novel, seed => 4, population => 50,
                                    target => 1.0e9}),
    {ok, _} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    Bloated = bloated(Champion, 20_000),
    Cost = cambrian_genotype:cost(Bloated),
    ok = from_the_mesh(P, Bloated, mesh),
    #{outcome := too_costly, cost := Cost, median := Median, bound := Bound} = Told = told(mesh),
    ?assert(Cost > Bound),
    ?assertEqual(8 * max(16, Median), Bound),
    ?assertNot(is_map_key(work, Told)),
    %% the same champion without these neurons is taken in, and its cost is known
    ok = from_the_mesh(P, Champion, friend),
    #{outcome := accepted, fitness := Fitness, work := Work} = told(friend),
    ?assertEqual(0, Work rem cambrian_genotype:cost(Champion)),
    %% a user may inject a genotype of any cost
    ok = cambrian_population:inject(P, bloated(Champion, 100), user),
    ?assertMatch(#{fitness := Fitness}, told(user)),
    ok = cambrian_population:stop(P).

%% Many newcomers are as fit as the champion: a generation admits a tenth of its size, and beyond
%% that only a newcomer fitter than all.
a_generation_admits_a_tenth_of_mesh_newcomers(_) ->
    {ok, P} =
        cambrian_population:start(#{task => 'xor', seed => 4, population => 50, target => 1.0e9}),
    {ok, _} = cambrian_population:step(P, 1),
    {ok, #{champion := Good}} = cambrian_population:best(P),
    ok = cambrian_population:subscribe(P),
    %% newcomers made of its own champion, each with a slightly different weight
    Told = [begin
                ok = from_the_mesh(P, like(Good, N), N),
                told(N)
            end || N <- lists:seq(1, 12)],
    Outcomes = [Outcome || #{outcome := Outcome} <- Told],
    Accepted = length([accepted || accepted <- Outcomes]),
    ?assert(Accepted >= 5),
    %% each newcomer beyond the tenth was fitter than all before it
    Beyond = lists:nthtail(5, [F || #{outcome := accepted, fitness := F} <- Told]),
    ?assertEqual(lists:sort(Beyond), Beyond),
    ?assert(lists:member(full, Outcomes)),
    ?assert(lists:all(fun(#{outcome := full, fitness := F}) -> is_float(F); (_) -> true end, Told)),
    %% the next generation admits others
    {ok, _} = cambrian_population:step(P, 1),
    ok = from_the_mesh(P, like(Good, 100), next),
    ?assertEqual(accepted, maps:get(outcome, told(next))),
    ok = cambrian_population:stop(P).

like(Genotype, N) ->
    #{connections := [#{weight := Weight} = First | Others]} = Genes =
        cambrian_genotype:to_map(Genotype),
    {ok, Like} =
        cambrian_genotype:from_map(Genes#{connections :=
                                              [First#{weight := Weight * (1 - N * 1.0e-6)}
                                               | Others]}),
    Like.

%% The evaluation of a newcomer hangs: the population goes on meanwhile, and takes others in after
%% its timeout.
a_mesh_newcomer_that_hangs_does_not_block_the_population(_) ->
    {ok, Stalling} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 900),
    {ok, Other} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 901),
    Same = cambrian_network:activate(cambrian_network:compile(Stalling), [1, 1]),
    Test = self(),
    Task = fun(Network) ->
               case cambrian_network:activate(Network, [1, 1]) of
                   Same -> Test ! {stalled, self()}, receive never -> 1.0 end;
                   [Output] -> Output
               end
           end,
    {ok, P} =
        cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 1,
                                    population => 10, evaluation_timeout => infinity,
                                    newcomer_timeout => 4000, target => 99,
                                    generations => 1_000_000}),
    ok = cambrian_population:subscribe(P),
    ok = from_the_mesh(P, Stalling, staller),
    Worker = receive {stalled, Pid} -> monitor(process, Pid), Pid end,
    ok = from_the_mesh(P, Other, other),
    {ok, #{generation := 19}} = cambrian_population:step(P, 20),
    ?assert(is_process_alive(Worker)),
    no_more(received),
    ok = cambrian_population:run(P),
    #{outcome := failed, work := Work} = told(staller),
    receive {'DOWN', _, process, Worker, _} -> ok end,
    %% the work is what the population could have done in that time
    ?assert(Work > 1000 * cambrian_genotype:cost(Stalling)),
    ?assertMatch(#{outcome := Outcome} when Outcome =/= failed, told(other)),
    ok = cambrian_population:stop(P).

%% The newcomer takes longer than a millisecond, in a task in Rust.
a_mesh_newcomer_beyond_the_timeout_is_late_and_not_failed(_) ->
    Task = {sequence_recall, #{length => 8, delay => 16}},
    {ok, P} =
        cambrian_population:start(#{task => Task, seed => 1, population => 10,
                                    newcomer_timeout => 1}),
    ok = cambrian_population:subscribe(P),
    {ok, Small} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 900),
    Late = bloated(Small, 90_000),
    ok = cambrian_population_client:inject_from_mesh(P, Late, late, 1_000_000),
    {ok, _} = cambrian_population:step(P, 1),
    #{outcome := late} = Told = told(late),
    ?assertNot(is_map_key(fitness, Told)),
    ok = cambrian_population:stop(P).

%% A pause by the governor does not count as evaluation time, in Rust or of a fun.
a_pause_by_the_governor_makes_no_newcomer_late(_) ->
    Fun = fun(Network) -> hd(cambrian_network:activate(Network, [1, 1])) end,
    Options = #{seed => 1, population => 10, target => 99, newcomer_timeout => 1000},
    [begin
         {ok, P} = cambrian_population:start(maps:merge(Options, Task)),
         ok = cambrian_population:subscribe(P),
         {ok, _} = cambrian_population:step(P, 1),
         ok = cambrian_governor:configure(#{pause_when => fun() -> true end}),
         {ok, Stranger} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 900),
         ok = from_the_mesh(P, Stranger, patient),
         no_more(received, 1500),
         ok = cambrian_governor:configure(#{pause_when => none}),
         #{outcome := Outcome, fitness := _} = told(patient),
         ?assert(lists:member(Outcome, [accepted, full, not_better])),
         ok = cambrian_population:stop(P)
     end || Task <- [#{task => 'xor'}, #{task => Fun, inputs => 2, outputs => 1}]].

%% A bridge learns the work of each generation of the population's own genotypes, in Rust or
%% Erlang, and whether the population is idle.
a_population_reports_the_work_of_its_own_genotypes(_) ->
    Worked =
        fun(P) ->
            receive {cambrian, P, {worked, Report}} -> Report after 300_000 ->
                    error({no_word_of, P}) end end,
    Fun = fun(Network) -> [Output] = cambrian_network:activate(Network, [1, 1]), Output end,
    [begin
         {ok, P} =
             cambrian_population:start(maps:merge(#{name => solid, seed => 1, population => 10},
                                                  Options)),
         ok = cambrian_population_client:account(solid),
         #{work := 0, rests := true, failing := false} = Worked(solid),
         {ok, _} = cambrian_population:step(solid, 1),
         #{work := 0, rests := false} = Worked(solid),
         %% a first network of two connections and an output costs 4 a tick
         ?assertEqual(#{work => 10 * Ticks * 4, rests => false, failing => false}, Worked(solid)),
         #{work := 0, rests := true} = Worked(solid),
         ok = cambrian_population:unsubscribe(solid),
         {ok, _} = cambrian_population:step(solid, 1),
         ?assertEqual(none,
                      receive {cambrian, solid, {worked, _} = More} -> More after 0 -> none end),
         ok = cambrian_population:stop(P)
     end
     || {Ticks, Options} <- [{4, #{task => 'xor'}},
                             {1, #{task => Fun, inputs => 2, outputs => 1}}]].

%% A newcomer that was measured but not yet in a generation is measured again after a crash, and
%% reported once.
a_mesh_newcomer_survives_a_crash(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => doomed, seed => 1, target => 99}),
    ok = from_the_mesh(P, Champion, mesh),
    exit(P, kill),
    Back = await_return(doomed, P),
    ok = cambrian_population:subscribe(Back),
    {ok, _} = cambrian_population:step(doomed, 1),
    ?assertMatch(#{outcome := accepted, fitness := Fitness}, told(mesh)),
    {ok, #{fitness := Fitness}} = cambrian_population:best(doomed),
    no_more(received).
