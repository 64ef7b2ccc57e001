%% Populations that are killed and restarted, with and without files.
-module(cambrian_population_crash_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_populations, [await_return/2, champion_of/1, events/1, flush/0, options/1,
                               run_whole/1, wait_for_generation/2]).

all() ->
    [a_killed_population_ends_with_the_same_champion, await_is_answered_by_the_restarted_population,
     await_waits_for_a_restart_that_takes_seconds,
     a_step_of_a_killed_population_ends_at_the_same_generation,
     await_exits_if_the_population_is_not_restarted,
     a_call_by_an_old_pid_reaches_the_restarted_population,
     a_population_continues_from_its_file_after_a_restart,
     a_torn_checkpoint_is_an_error_and_resume_false_starts_anew,
     a_population_falls_back_to_the_last_whole_checkpoint, a_population_goes_on_without_a_disk,
     the_goal_survives_a_crash_and_is_set_anew_in_another_vm, resume_false_starts_anew_once_a_vm,
     a_checkpoint_of_another_task_is_refused, a_population_that_keeps_crashing_is_given_up_alone].

init_per_suite(Config) -> cambrian_populations:started(Config).

end_per_suite(_) -> application:stop(cambrian).

init_per_testcase(Case, Config) -> cambrian_populations:with_dir(Case, Config).

end_per_testcase(_, _) -> cambrian_populations:end_all().

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

%% On a slow or loaded machine a restart takes seconds. Meanwhile the supervisor lives.
await_waits_for_a_restart_that_takes_seconds(_) ->
    Whole = run_whole(options(11)),
    Options = (options(11))#{name => here},
    {ok, Guard} = cambrian_population_sup:start({?MODULE, start_slowly, [Options]}),
    {ok, P} = cambrian_population_sup:population(Guard),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    Asked = asked(fun() -> champion_of(cambrian_population:await(P, 60_000)) end),
    receive {cambrian, _, {generation, #{generation := 5}}} -> exit(P, kill) end,
    ?assertEqual({ok, Whole}, answer(Asked)),
    ok = cambrian_population:stop(P).

start_slowly(Options) ->
    timer:sleep(1500),
    cambrian_population:start_link(Options).

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

%% After a crash under a user's supervisor the population continues, in another VM it starts anew.
resume_false_starts_anew_once_a_vm(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    Options = (options(1))#{name => here, resume => false},
    Supervised = fun() ->
        Flags = #{strategy => one_for_one, intensity => 3, period => 1},
        {ok, Supervisor} =
            supervisor:start_link(cambrian_populations,
                                  {Flags, [cambrian_population:child_spec(Options)]}),
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
