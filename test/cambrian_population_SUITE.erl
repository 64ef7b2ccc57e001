%% Populations that are watched, paused, fed, killed and brought back.
-module(cambrian_population_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

all() ->
    [killed_and_resumed, awaited_and_killed, stepped_and_killed, awaited_and_gone, called_by_an_old_pid,
     kept_on_disk, torn_file, falls_back_to_one_before, goes_on_without_a_disk,
     told_anew_in_another_vm, until_a_fun_says_so, a_fun_that_says_nothing, patience, early_stopping,
     asleep_when_idle, afresh_once, a_name_that_is_taken, who_waits_to_be_let_in_still_does, checkpoint_of_another_task, keeps_failing_alone,
     paused_and_stepped, run_while_stepping, run_again_at_the_limit,
     what_is_no_genotype_harms_only_who_offers_it, fed, a_newcomer_that_fails,
     fed_at_rest, fed_while_fed_at_rest, fed_at_rest_and_killed,
     fed_after_the_end, a_stranger_that_is_too_costly, a_tenth_of_strangers, a_stranger_that_stalls,
     a_stranger_that_is_late, strangers_rest_with_the_governor, its_own_work, a_stranger_and_a_crash,
     migrants, watched, many_at_once, under_a_supervisor, known_to_all, idle_answers].

init_per_suite(Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Config.

end_per_suite(_) -> application:stop(cambrian).

init_per_testcase(Case, Config) -> [{dir, filename:join(proplists:get_value(priv_dir, Config), Case)} | Config].

end_per_testcase(_, _) ->
    _ = application:unset_env(cambrian, data_dir),
    ok = cambrian_governor:configure(#{pause_when => none}),
    lists:foreach(fun end_quietly/1, [here, doomed, solid]).

%% One that its guard let go is not there.
end_quietly(Name) ->
    try cambrian_population:stop(Name) catch exit:_ -> ok end.

options(Seed) ->
    #{task => double_pole_novel, seed => Seed, population => 200, generations => 40, target => 99}.

champion_of({ok, #{champion := Champion, generations := Generations, evaluations := Evaluations}}) ->
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

%% Killed in every tenth generation, it ends with the same champion as one that never died. A guard lets one
%% that is killed more than five times in ten seconds go.
killed_and_resumed(_) ->
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

%% Who waits, by the name or by the pid, is answered by the one that comes back.
awaited_and_killed(_) ->
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

%% It goes as far as it was to go, and not as far again.
stepped_and_killed(_) ->
    {ok, P} = cambrian_population:start(options(11)),
    {ok, _} = cambrian_population:step(P, 3),
    ok = cambrian_population:subscribe(P),
    Asked = asked(fun() -> {ok, #{generation := Last}} = cambrian_population:step(P, 12), Last end),
    receive {cambrian, _, {generation, #{generation := 7}}} -> exit(P, kill) end,
    ?assertEqual({ok, 14}, answer(Asked)),
    ok = cambrian_population:stop(P).

%% One that nobody starts again: the caller exits with what it died of.
awaited_and_gone(_) ->
    {Pid, Monitor} = spawn_monitor(fun() ->
                                       {ok, P} = cambrian_population:start_link(options(11)),
                                       unlink(P),
                                       spawn(fun() -> timer:sleep(50), exit(P, kill) end),
                                       cambrian_population:await(P, 60_000)
                                   end),
    receive {'DOWN', Monitor, process, Pid, Reason} -> ?assertMatch({killed, {gen_statem, call, [_, await | _]}}, Reason) end,
    ?assertExit({noproc, _}, cambrian_population:await(nobody, 60_000)),
    ?assertExit({noproc, _}, cambrian_population:step(nobody, 1)),
    ?assertExit(noproc, cambrian_population:stop(nobody)).

called_by_an_old_pid(_) ->
    {ok, P} = cambrian_population:start(options(11)),
    {ok, _} = cambrian_population:step(P, 3),
    Asked = [fun cambrian_population:info/1, fun cambrian_population:best/1, fun cambrian_population:history/1,
             fun cambrian_population:checkpoint/1, fun cambrian_population:pause/1],
    Before = [Ask(P) || Ask <- Asked],
    exit(P, kill),
    ?assertEqual(Before, [Ask(P) || Ask <- Asked]),
    [Again] = maps:values(cambrian_store:populations()),
    ?assertNotEqual(P, Again),
    exit(Again, kill),
    %% and twice
    #{generation := 2} = cambrian_population:info(P),
    ok = cambrian_population:stop(P),
    ?assertEqual(#{}, cambrian_store:populations()).

asked(Ask) -> spawn_monitor(fun() -> exit({answer, Ask()}) end).

answer({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {answer, Answer}} -> {ok, Answer};
        {'DOWN', Monitor, process, Pid, Reason} -> {exit, Reason}
    end.

%% The application stops and starts, as after a power cut: the file brings it back.
kept_on_disk(Config) ->
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

torn_file(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = cambrian_population:start((options(1))#{name => solid, checkpoints => 1}),
    {ok, _} = cambrian_population:step(solid, 2),
    ok = cambrian_population:stop(solid),
    [File] = filelib:wildcard(filename:join([Dir, "populations", "solid", "*.checkpoint"])),
    tear(File),
    ?assertMatch({error, {torn_checkpoint, _}}, cambrian_population:start((options(1))#{name => solid})),
    {ok, Fresh} = cambrian_population:start((options(1))#{name => solid, resume => false}),
    ?assertMatch(#{generation := 0}, cambrian_population:info(Fresh)),
    %% afresh once: after a crash it goes on where it was
    {ok, _} = cambrian_population:step(solid, 3),
    exit(Fresh, kill),
    Back = await_return(solid, Fresh),
    ?assertMatch(#{generation := 2}, cambrian_population:info(Back)).

tear(File) ->
    {ok, Bytes} = file:read_file(File),
    ok = file:write_file(File, binary:part(Bytes, 0, byte_size(Bytes) - 7)).

%% The last three are kept; from those that are sound it ends where it would have ended.
falls_back_to_one_before(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    Options = (options(14))#{name => here, checkpoint_interval => 0},
    Whole = run_whole(options(14)),
    {ok, _} = cambrian_population:start(Options),
    {ok, _} = cambrian_population:step(here, 9),
    ok = cambrian_population:stop(here),
    Files = fun() -> lists:sort(filelib:wildcard(filename:join([Dir, "populations", "here", "*.checkpoint"]))) end,
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

%% What is in the way of its directory stands for a disk that is full: it says so once, goes on, and writes when it can.
goes_on_without_a_disk(Config) ->
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

%% After a crash the goal is what it was; where it is started anew from a file, what it is told then counts.
told_anew_in_another_vm(Config) ->
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

until_a_fun_says_so(_) ->
    Until = fun(#{generation := G, species := Species}) -> G >= 3 andalso length(Species) > 1 end,
    {ok, P} = cambrian_population:start((options(17))#{name => here, until => Until}),
    ok = cambrian_population:run(P),
    {ok, #{solved := true, generations := 4, fitness := Fitness}} = cambrian_population:await(P, 60_000),
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    %% it is there after a crash, too
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{solved := true, generations := 4}}, cambrian_population:await(Back, 60_000)).

a_fun_that_says_nothing(_) ->
    {ok, P} = cambrian_population:start((options(18))#{name => here, until => fun(_) -> error(on_purpose) end}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    ?assertMatch({error, {bad_option, {until, {error, on_purpose, _}, _}}}, cambrian_population:await(P, 60_000)),
    ?assertMatch([_], [Event || {failed, {bad_option, _}} = Event <- events(here)]),
    ok = cambrian_population:run(P, #{until => fun(_) -> perhaps end}),
    ?assertMatch({error, {bad_option, {until, perhaps, _}}}, cambrian_population:await(P, 60_000)),
    ok = cambrian_population:run(P, #{until => fun(#{generation := G}) -> G >= 5 end}),
    ?assertMatch({ok, #{generations := 6}}, cambrian_population:await(P, 60_000)).

%% The best was found so many generations ago, and no other limit was reached.
patience(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 3, target => 5, patience => 7}),
    ok = cambrian_population:run(P),
    {ok, #{generations := Generations, solved := false}} = cambrian_population:await(P, 60_000),
    ?assertMatch({ok, #{generation := Best}} when Best + 8 =:= Generations, cambrian_population:best(P)),
    ok = cambrian_population:stop(P).

%% The champion is who did best on rows that evolution did not see, killed on the way or not.
early_stopping(_) ->
    _ = rand:seed(exsss, 1),
    Rows = [[rand:normal() + 2 * (K rem 2), rand:normal()] || K <- lists:seq(1, 60)],
    Data = {dataset, #{inputs => Rows, targets => [K rem 2 || K <- lists:seq(1, 60)], kind => classification,
                       validation => 0.4, seed => 5}},
    Options = #{task => Data, seed => 9, population => 60, patience => 12},
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    {ok, #{champion := Champion, validation := Held, generations := Generations} = Result} =
        cambrian_population:await(P, 60_000),
    {ok, #{validation := Again}} = cambrian_task:trial(Data, cambrian_network:compile(Champion)),
    ?assertEqual(Held, Again),
    %% not the fittest of all: that one had learnt the rows by heart
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

asleep_when_idle(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    {ok, _} = cambrian_population:step(P, 3),
    hibernates(P),
    ?assertMatch({ok, #{generation := 2}}, cambrian_population:stats(P)),
    ok = cambrian_population:stop(P).

%% Under a supervisor of the user's, too, a crash is no new start; in another VM it is.
afresh_once(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    Options = (options(1))#{name => here, resume => false},
    Supervised = fun() ->
        Flags = #{strategy => one_for_one, intensity => 3, period => 1},
        {ok, Supervisor} = supervisor:start_link(?MODULE, {Flags, [cambrian_population:child_spec(Options)]}),
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

%% By a population, whose files stay, or by what is none: an error, and nothing is started, crashes or is deleted.
a_name_that_is_taken(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, Here} = cambrian_population:start((options(1))#{name => here, checkpoint_interval => 0}),
    {ok, _} = cambrian_population:step(here, 5),
    %% answers once the last file is there, which a step does not wait for
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
         ?assertEqual(Taken, cambrian:evolve(maps:get(task, Options), maps:remove(task, Options#{resume => Resume})))
     end || Options <- [(options(1))#{name => here}, Other], Resume <- [true, false]],
    %% files of a name that another process has
    ok = filelib:ensure_dir(filename:join([Dir, "populations", "kernel_sup", "x"])),
    ok = file:write_file(filename:join([Dir, "populations", "kernel_sup", "000000000001.checkpoint"]), "mine"),
    [?assertEqual({error, {name_taken, Name}}, cambrian_population:start(Other#{name => Name, resume => Resume}))
     || Name <- [kernel_sup, init, user, cambrian_sup, cambrian_store], Resume <- [true, false]],
    ?assertEqual({error, {name_taken, init}}, cambrian:evolve('xor', #{name => init, resume => false})),
    ?assertEqual(Guards, supervisor:count_children(cambrian_population_sup)),
    ?assertEqual(Before, Files() -- [filename:join([Dir, "populations", "kernel_sup" | Below])
                                     || Below <- [[], ["000000000001.checkpoint"]]]),
    exit(Here, kill),
    Back = await_return(here, Here),
    ?assertMatch(#{generation := 4}, cambrian_population:info(Back)).

init(Flags) -> {ok, Flags}.

who_waits_to_be_let_in_still_does(_) ->
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

checkpoint_of_another_task(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, _} = cambrian_population:start((options(1))#{name => solid}),
    {ok, _} = cambrian_population:step(solid, 1),
    ok = cambrian_population:stop(solid),
    ?assertEqual({error, {checkpoint_of_another_task, <<"double_pole_novel">>}},
                 cambrian_population:start(#{task => 'xor', name => solid})).

%% One that dies again and again gives up alone.
keeps_failing_alone(_) ->
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

paused_and_stepped(_) ->
    {ok, P} = cambrian_population:start(options(3)),
    ?assertMatch({ok, #{generation := 0}}, cambrian_population:step(P, 1)),
    {ok, #{generation := 4, evaluations := Evaluations}} = cambrian_population:step(P, 4),
    ?assert(Evaluations > 800 andalso Evaluations =< 1000),
    ok = cambrian_population:run(P),
    ok = cambrian_population:pause(P),
    {ok, #{generation := Before}} = settled(P),
    ?assertMatch({ok, #{generation := After}} when After =:= Before + 1, cambrian_population:step(P, 1)),
    ok = cambrian_population:resume(P),
    Whole = run_whole(options(3)),
    ?assertEqual(Whole, champion_of(cambrian_population:await(P, 60_000))),
    ok = cambrian_population:stop(P).

%% A paused population ends its generation first; `step' is refused until it has.
settled(P) ->
    case cambrian_population:step(P, 1) of
        {ok, Stats} -> {ok, Stats};
        {error, running} -> settled(P)
    end.

%% What could not be measured has no fitness, and nobody is told that it has.
a_newcomer_that_fails(_) ->
    {ok, Newcomer} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 5),
    {ok, Other} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 6),
    Bad = cambrian_network:activate(cambrian_network:compile(Newcomer), [1, 1]),
    Task = fun(Network) ->
               case cambrian_network:activate(Network, [1, 1]) of
                   Bad -> error(no_luck);
                   [Output] -> Output
               end
           end,
    {ok, P} = cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 1, population => 10}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:inject(P, Newcomer, bad),
    ok = cambrian_population:inject(P, Other, good),
    {ok, _} = cambrian_population:step(P, 1),
    Received = fun(From) -> receive {cambrian, _, {received, #{from := From} = Event}} -> Event end end,
    ?assertEqual(#{id => cambrian_genotype:id(Newcomer), from => bad, generation => 0, outcome => failed, work => 4}, Received(bad)),
    ?assertMatch(#{fitness := _}, Received(good)),
    ok = cambrian_population:stop(P).

received(P, Generation) ->
    receive {cambrian, _, {received, #{generation := Generation} = Received}} -> maps:with([from, outcome, fitness], Received)
    after 300_000 -> error({nothing_received, sys:get_state(P)})
    end.

no_more(Kind) -> no_more(Kind, 0).
no_more(Kind, Ms) -> receive {cambrian, _, {Kind, _} = Event} -> error(Event) after Ms -> ok end.

%% A population that rests takes in who is better at once, and rests on: no generation, no page, no other stats. What
%% it took in is there when it goes on.
fed_at_rest(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    Newborn = [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed)) || Seed <- lists:seq(1, 10)],
    {ok, Stranger} = cambrian_genotype:new(#{inputs => 5, outputs => 1}, 1),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, population => 50}),
    ok = cambrian_population:inject(P, hd(Newborn), early),
    {ok, _} = cambrian_population:step(P, 2),
    ok = cambrian_population:subscribe(P),
    Before = {cambrian_population:stats(P), cambrian_population:history(P), maps:remove(parameters, cambrian_population:info(P))},
    [ok = cambrian_population:inject(P, Genotype, From)
     || {Genotype, From} <- [{Champion, good}, {Stranger, strange}, {Champion, again} | [{New, newborn} || New <- Newborn]]],
    Received = [received(P, 1) || _ <- lists:seq(1, 13)],
    Of = fun(From) -> [maps:remove(from, R) || #{from := F} = R <- Received, F =:= From] end,
    ?assertEqual([#{outcome => accepted, fitness => Fitness}], Of(good)),
    ?assertEqual([#{outcome => known, fitness => Fitness}], Of(again)),
    ?assertEqual([#{outcome => shape}], Of(strange)),
    ?assertEqual(10, length([Measured || #{fitness := Measured} <- Of(newborn)])),
    receive {cambrian, _, {champion, #{champion := C, fitness := Fitness, operators := [injection], generation := 1}}} ->
        ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(C))
    after 300_000 -> error(no_champion)
    end,
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    ?assertEqual(Before, {cambrian_population:stats(P), cambrian_population:history(P),
                          maps:remove(parameters, cambrian_population:info(P))}),
    no_more(generation),
    ?assertMatch({ok, #{generation := 2, best := Best}} when Best >= Fitness, cambrian_population:step(P, 1)),
    ok = cambrian_population:stop(P).

%% Who is offered while another is evaluated is evaluated after it; to step or run waits until then.
fed_while_fed_at_rest(_) ->
    {Gate, Test} = {atomics:new(1, []), self()},
    Task = fun(Network) -> wait_at(Gate, Test), hd(cambrian_network:activate(Network, [1, 1])) end,
    {ok, P} = cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 3, population => 10}),
    {ok, #{generation := 0}} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    Newcomers = [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed)) || Seed <- lists:seq(100, 163)],
    ok = atomics:put(Gate, 1, 1),
    [ok = cambrian_population:inject(P, Newcomer, N) || {N, Newcomer} <- lists:enumerate(Newcomers)],
    receive at_the_gate -> ok end,
    ?assertEqual({error, busy}, cambrian_population:inject(P, hd(Newcomers))),
    ?assertMatch({ok, _}, cambrian_population:migrant(P, random)),
    spawn_link(fun() -> Test ! {stepped, cambrian_population:step(P, 1)} end),
    _ = cambrian_population:info(P),
    no_more(generation),
    ok = atomics:put(Gate, 1, 0),
    ?assertEqual(lists:seq(1, 64), [N || _ <- Newcomers, #{from := N, fitness := _} <- [received(P, 0)]]),
    receive {stepped, Answer} -> ?assertMatch({ok, #{generation := 1}}, Answer) after 300_000 -> error(no_answer) end,
    ok = cambrian_population:stop(P).

%% Killed at rest, it has whom it took in there when it goes on, and tells nobody of them again.
fed_at_rest_and_killed(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, name => here, population => 50}),
    {ok, _} = cambrian_population:step(P, 2),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:inject(P, Champion),
    #{outcome := accepted} = received(P, 1),
    {ok, Whole} = cambrian_population:step(P, 3),
    ok = cambrian_population:stop(P),
    flush(),
    {ok, Again} = cambrian_population:start(#{task => 'xor', seed => 1, name => here, population => 50}),
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

%% One that has its result is fed as well; the result stays, also after a crash and in another VM.
fed_after_the_end(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    Options = #{task => 'xor', seed => 1, name => here, population => 50, generations => 3},
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3} = Result} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:inject(P, Champion),
    {ok, _} = fitter(P, Fitness),
    ?assertEqual({ok, Result}, cambrian_population:await(P, 300_000)),
    Files = filelib:wildcard(filename:join([proplists:get_value(dir, Config), "populations", "here", "*.checkpoint"])),
    ?assertMatch({ok, #{champion := #{fitness := Fitness}, running := true}}, cambrian_store:open(lists:last(lists:sort(Files)))),
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{generations := 3, fitness := Fitness}}, cambrian_population:await(Back, 300_000)),
    exit(whereis(cambrian_sup), kill),
    Monitor = monitor(process, Back),
    receive {'DOWN', Monitor, process, _, _} -> ok end,
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Restarted} = cambrian_population:start(Options),
    ?assertMatch({ok, #{generations := 3, fitness := Fitness}}, cambrian_population:await(Restarted, 300_000)),
    ok = cambrian_population:stop(Restarted).

%% Also while the next generation is being evaluated, which a gate keeps from ending; and the same from the same seed.
migrants(_) ->
    {Gate, Test} = {atomics:new(1, []), self()},
    Fitness = fun(Network) -> hd(cambrian_network:activate(Network, [1, 1])) end,
    Task = fun(Network) -> wait_at(Gate, Test), Fitness(Network) end,
    Options = #{task => Task, inputs => 2, outputs => 1, seed => 3, population => 30},
    [P, Twin] = [element(2, cambrian_population:start(Options)) || _ <- [1, 2]],
    Policies = [champion, tournament, novel, random | lists:duplicate(20, random)],
    [?assertEqual({error, not_evaluated}, cambrian_population:migrant(P, Policy)) || Policy <- Policies],
    [{ok, _} = cambrian_population:step(Either, 1) || Either <- [P, Twin]],
    ok = atomics:put(Gate, 1, 1),
    ok = cambrian_population:run(P, #{generations => 2}),
    receive at_the_gate -> ok end,
    Migrants = fun(Of) -> [Migrant || Policy <- Policies, {ok, Migrant} <- [cambrian_population:migrant(Of, Policy)]] end,
    Ids = fun(All) -> [cambrian_genotype:id(G) || #{champion := G} <- All] end,
    [Best | _] = Sent = Migrants(P),
    ?assertEqual({ok, Best}, cambrian_population:best(P)),
    [?assertEqual({0, F}, {Generation, Fitness(cambrian_network:compile(G))})
     || #{champion := G, fitness := F, generation := Generation, parents := [], operators := []} <- Sent],
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

fed(_) ->
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
    receive {cambrian, _, {received, #{id := Id, outcome := Again}}} -> ?assertEqual(known, Again) end,
    ok = cambrian_population:stop(P),
    %% before its first generation, all wait
    {ok, Q} = cambrian_population:start(#{task => 'xor', seed => 3}),
    [?assertEqual({N, ok}, {N, cambrian_population:inject(Q, Champion)}) || N <- lists:seq(1, 64)],
    ?assertEqual({error, busy}, cambrian_population:inject(Q, Champion)),
    ok = cambrian_population:stop(Q).

watched(_) ->
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

many_at_once(_) ->
    Whole = [run_whole(#{task => 'xor', seed => Seed}) || Seed <- lists:seq(1, 6)],
    Populations = [element(2, cambrian_population:start(#{task => 'xor', seed => Seed})) || Seed <- lists:seq(1, 6)],
    [ok = cambrian_population:run(P) || P <- Populations],
    ?assertEqual(Whole, [champion_of(cambrian_population:await(P, 300_000)) || P <- Populations]),
    [ok = cambrian_population:stop(P) || P <- Populations].

under_a_supervisor(_) ->
    Spec = cambrian_population:child_spec(#{task => 'xor', name => here, seed => 1}),
    {ok, Supervisor} = supervisor_of(Spec),
    First = whereis(here),
    exit(First, kill),
    ?assert(is_pid(await_return(here, First))),
    unlink(Supervisor),
    exit(Supervisor, shutdown).

%% Whoever looks after all populations of a node is told of each, wherever it is supervised, and when it comes back.
known_to_all(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    #{name := Nameless} = cambrian_population:info(P),
    ?assertMatch(#{Nameless := P}, cambrian_store:watch()),
    ?assertMatch(#{Nameless := P}, cambrian_store:watch()),
    {ok, Supervisor} = supervisor_of(cambrian_population:child_spec(#{task => 'xor', name => here, seed => 1})),
    Here = whereis(here),
    receive {cambrian_store, population, here, First} -> ?assertEqual(Here, First) after 300_000 -> error(not_told) end,
    ?assertMatch(#{here := Here, Nameless := P}, cambrian_store:populations()),
    {ok, _} = cambrian_population:step(here, 2),
    exit(Here, kill),
    Back = await_return(here, Here),
    receive {cambrian_store, population, here, Second} -> ?assertEqual(Back, Second) after 300_000 -> error(not_told) end,
    ok = cambrian_population:stop(P),
    ok = gen_server:stop(Supervisor),
    Left = cambrian_store:populations(),
    ?assertNot(is_map_key(here, Left) orelse is_map_key(Nameless, Left)),
    receive {cambrian_store, _, _, _} = Told -> error(Told) after 0 -> ok end.

supervisor_of(Spec) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {#{}, []}),
    {ok, _} = supervisor:start_child(Supervisor, Spec),
    {ok, Supervisor}.


idle_answers(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 5}),
    ?assertEqual({error, not_evaluated}, cambrian_population:best(P)),
    ?assertEqual({error, not_evaluated}, cambrian_population:stats(P)),
    ?assertMatch(#{task := 'xor', seed := 5, inputs := 2, outputs := 1, parameters := #{population := 150}},
                 cambrian_population:info(P)),
    ?assertEqual({error, {bad_option, {generations, none, <<"a positive integer">>}}},
                 cambrian_population:run(P, #{generations => none})),
    ?assertEqual({error, timeout}, cambrian_population:await(P, 10)),
    {ok, Bytes} = cambrian_population:checkpoint(P),
    ?assertMatch({ok, _}, cambrian_nif:population_decode(Bytes)),
    ok = cambrian_population:stop(P).

%% To run while steps are under way answers the steps in time, and goes on.
run_while_stepping(_) ->
    {ok, P} = cambrian_population:start((options(3))#{generations => 30}),
    Self = self(),
    ok = cambrian_population:subscribe(P),
    spawn_link(fun() -> Self ! {stepped, cambrian_population:step(P, 10)} end),
    receive {cambrian, _, {generation, #{generation := 0}}} -> ok end,
    ok = cambrian_population:run(P),
    receive {stepped, {ok, #{generation := 9}}} -> ok after 300_000 -> error(no_answer) end,
    {ok, #{generations := 30}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:stop(P).

%% A limit is a limit: to run again at it does nothing, to raise it goes on.
run_again_at_the_limit(_) ->
    {ok, P} = cambrian_population:start((options(3))#{generations => 3}),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3} = Result} = cambrian_population:await(P, 300_000),
    false = is_map_key(trial, Result),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:run(P, #{generations => 5}),
    {ok, #{generations := 5}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:stop(P).

what_is_no_genotype_harms_only_who_offers_it(_) ->
    {ok, P} = cambrian_population:start(options(3)),
    ?assertError(badarg, cambrian_population:inject(P, make_ref())),
    ?assertMatch({ok, _}, cambrian_population:step(P, 1)),
    ok = cambrian_population:stop(P).

%%% ---- strangers --------------------------------------------------------------------------

%% A champion that does what it did, with so many idle neurons beside.
bloated(Genotype, Count) ->
    #{nodes := Nodes, connections := Connections} = Genes = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Idle = [1000 + N || N <- lists:seq(1, Count)],
    {ok, Bloated} = cambrian_genotype:from_map(Genes#{
        nodes := Nodes ++ [#{id => Id, layer => 1 bsl 62, activation => tanh, dynamics => ltc, time_constant => 1.0} || Id <- Idle],
        connections := Connections ++ [#{from => Id, to => Output, weight => 0.0, enabled => true} || Id <- Idle]}),
    Bloated.

from_the_mesh(P, Genotype, From) -> cambrian_population:inject_from_mesh(P, Genotype, From, 8).

told(From) ->
    receive {cambrian, _, {received, #{from := From} = Received}} -> Received
    after 300_000 -> error({nothing_told_of, From})
    end.

%% What a stranger sends is not even compiled where it is far dearer than what is here; what a user gives is.
a_stranger_that_is_too_costly(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    {ok, P} = cambrian_population:start(#{task => double_pole_novel, seed => 4, population => 50, target => 1.0e9}),
    {ok, _} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    Bloated = bloated(Champion, 20_000),
    Cost = cambrian_genotype:cost(Bloated),
    ok = from_the_mesh(P, Bloated, mesh),
    #{outcome := too_costly, cost := Cost, median := Median, bound := Bound} = Told = told(mesh),
    ?assert(Cost > Bound),
    ?assertEqual(8 * max(16, Median), Bound),
    ?assertNot(is_map_key(work, Told)),
    %% the same champion without it is welcome, and what it cost is known
    ok = from_the_mesh(P, Champion, friend),
    #{outcome := accepted, fitness := Fitness, work := Work} = told(friend),
    ?assertEqual(0, Work rem cambrian_genotype:cost(Champion)),
    %% and by a user anything can be put in
    ok = cambrian_population:inject(P, bloated(Champion, 100), user),
    ?assertMatch(#{fitness := Fitness}, told(user)),
    ok = cambrian_population:stop(P).

%% However many come that are as good as the champion: a generation lets in a tenth, and beside those only who is better than all.
a_tenth_of_strangers(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 4, population => 50, target => 1.0e9}),
    {ok, _} = cambrian_population:step(P, 1),
    {ok, #{champion := Good}} = cambrian_population:best(P),
    ok = cambrian_population:subscribe(P),
    %% its own, one after the other, each with a weight that differs by nothing that matters
    Told = [begin
                ok = from_the_mesh(P, like(Good, N), N),
                told(N)
            end || N <- lists:seq(1, 12)],
    Outcomes = [Outcome || #{outcome := Outcome} <- Told],
    Accepted = length([accepted || accepted <- Outcomes]),
    ?assert(Accepted >= 5),
    %% those beyond a tenth were each better than all before
    Beyond = lists:nthtail(5, [F || #{outcome := accepted, fitness := F} <- Told]),
    ?assertEqual(lists:sort(Beyond), Beyond),
    ?assert(lists:member(full, Outcomes)),
    ?assert(lists:all(fun(#{outcome := full, fitness := F}) -> is_float(F); (_) -> true end, Told)),
    %% the next generation lets others in
    {ok, _} = cambrian_population:step(P, 1),
    ok = from_the_mesh(P, like(Good, 100), next),
    ?assertEqual(accepted, maps:get(outcome, told(next))),
    ok = cambrian_population:stop(P).

like(Genotype, N) ->
    #{connections := [#{weight := Weight} = First | Others]} = Genes = cambrian_genotype:to_map(Genotype),
    {ok, Like} = cambrian_genotype:from_map(Genes#{connections := [First#{weight := Weight * (1 - N * 1.0e-6)} | Others]}),
    Like.

%% A genotype of a stranger that is never done: the population goes on meanwhile, and takes others in when it has ended.
a_stranger_that_stalls(_) ->
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
    {ok, P} = cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 1, population => 10, evaluation_timeout => infinity,
                                          newcomer_timeout => 4000, target => 99, generations => 1_000_000}),
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
    %% which cost what the population could have done meanwhile
    ?assert(Work > 1000 * cambrian_genotype:cost(Stalling)),
    ?assertMatch(#{outcome := Outcome} when Outcome =/= failed, told(other)),
    ok = cambrian_population:stop(P).

%% In a task in Rust, where it is no failure: it takes longer than a millisecond.
a_stranger_that_is_late(_) ->
    Task = {sequence_recall, #{length => 8, delay => 16}},
    {ok, P} = cambrian_population:start(#{task => Task, seed => 1, population => 10, newcomer_timeout => 1}),
    ok = cambrian_population:subscribe(P),
    {ok, Small} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 900),
    Late = bloated(Small, 90_000),
    ok = cambrian_population:inject_from_mesh(P, Late, late, 1_000_000),
    {ok, _} = cambrian_population:step(P, 1),
    #{outcome := late} = Told = told(late),
    ?assertNot(is_map_key(fitness, Told)),
    ok = cambrian_population:stop(P).

%% What the governor has it wait is no time of its own, be it evaluated in Rust or by a fun.
strangers_rest_with_the_governor(_) ->
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

%% One who accounts for it knows what each generation of its own cost, whatever evaluates it, and whether it rests.
its_own_work(_) ->
    Worked = fun(P) -> receive {cambrian, P, {worked, Report}} -> Report after 300_000 -> error({no_word_of, P}) end end,
    Fun = fun(Network) -> [Output] = cambrian_network:activate(Network, [1, 1]), Output end,
    [begin
         {ok, P} = cambrian_population:start(maps:merge(#{name => solid, seed => 1, population => 10}, Options)),
         ok = cambrian_population:account(solid),
         #{work := 0, rests := true, failing := false} = Worked(solid),
         {ok, _} = cambrian_population:step(solid, 1),
         #{work := 0, rests := false} = Worked(solid),
         %% first networks of two connections and an output cost 4 a tick
         ?assertEqual(#{work => 10 * Ticks * 4, rests => false, failing => false}, Worked(solid)),
         #{work := 0, rests := true} = Worked(solid),
         ok = cambrian_population:unsubscribe(solid),
         {ok, _} = cambrian_population:step(solid, 1),
         ?assertEqual(none, receive {cambrian, solid, {worked, _} = More} -> More after 0 -> none end),
         ok = cambrian_population:stop(P)
     end || {Ticks, Options} <- [{4, #{task => 'xor'}}, {1, #{task => Fun, inputs => 2, outputs => 1}}]].

%% A stranger that was measured and not taken in yet is measured again after a crash, and told of once.
a_stranger_and_a_crash(_) ->
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
