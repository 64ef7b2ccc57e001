%% The evolution of a population as a value: events in, effects out, without a process.
-module(cambrian_evolution_tests).
-include_lib("eunit/include/eunit.hrl").

%%% ---- a run ends -------------------------------------------------------------------------

a_run_ends_at_its_target_test() ->
    {Effects, E} = run(#{target => 2.0}),
    ?assertMatch([#{solved := true, generations := 1, fitness := Fitness}] when Fitness >= 2.0,
                 finished(Effects)),
    ?assertEqual(idle, cambrian_evolution:phase(E)),
    %% a run with a target needs no trial
    ?assertEqual([], [Trial || {'try', _, _, _} = Trial <- Effects]).

a_run_ends_when_its_trial_solves_the_task_test() ->
    {Effects, E} = run(#{}),
    [#{solved := true, generations := 24, evaluations := 3290, trial := [{squared_error, Error}]}] =
        finished(Effects),
    ?assert(Error < 0.1),
    %% the run has one result, and the checkpoint says that it ended
    [Result] = finished(Effects),
    {[{reply, me, {ok, Result}}], _} = ask(await, E),
    ?assertMatch(#{running := true, generation := 23}, lists:last(saved(file, Effects))).

a_run_ends_after_its_patience_test() ->
    {Effects, _} = run(#{patience => 2, target => 99}),
    [#{solved := false, generations := Generations}] = finished(Effects),
    Last = lists:max([Generation || #{generation := Generation} <- champions(Effects)]),
    ?assertEqual(Last + 2 + 1, Generations).

a_run_ends_at_its_limit_of_evaluations_test() ->
    {Effects, E} = run(#{evaluations => 200, target => 99}),
    ?assertMatch([#{solved := false, evaluations := 200, generations := 2}], finished(Effects)),
    ?assertMatch([_, {evaluate, _, 200, infinity}], [Job || {evaluate, _, _, _} = Job <- Effects]),
    %% another run with the same limit evaluates nothing, a run with a higher limit goes on
    {[{reply, me, ok}], Same} = ask({run, #{}}, E),
    ?assertEqual(idle, cambrian_evolution:phase(Same)),
    {More, _} = carry_out(ask({run, #{evaluations => 400}}, Same)),
    ?assertMatch([#{evaluations := 400}], finished(More)).

a_run_ends_at_its_limit_of_generations_test() ->
    {Effects, _} = run(#{generations => 3, target => 99}),
    ?assertMatch([#{solved := false, generations := 3, evaluations := 447}], finished(Effects)),
    Told = [Generation || {notify, {generation, #{generation := Generation}}} <- Effects],
    ?assertEqual([0, 1, 2], Told).

%% The value has no clock: the test tells it that an hour has passed.
a_run_ends_at_its_timeout_test() ->
    {First, E} = ask({run, #{timeout => 3_600_000, target => 99}}, new(#{})),
    [{evaluate, Population, infinity, 3_600_000}] = [Job || {evaluate, _, _, _} = Job <- First],
    Late = 3_600_000,
    {Effects, Over} = cambrian_evolution:handle({evaluated, evaluated(Population)}, Late, E),
    ?assertMatch([#{solved := false, generations := 1, elapsed_ms := Late}], finished(Effects)),
    ?assertEqual(idle, cambrian_evolution:phase(Over)).

a_job_gets_the_rest_of_the_timeout_test() ->
    {First, E} = ask({run, #{timeout => 1000, target => 99}}, new(#{})),
    [Population] = [P || {evaluate, P, _, _} <- First],
    {Second, Breeding} = cambrian_evolution:handle({evaluated, evaluated(Population)}, 400, E),
    ?assertMatch({breed, _, 600}, lists:last(Second)),
    {Effects, Over} = cambrian_evolution:handle(timeout, 1000, Breeding),
    ?assertMatch([#{generations := 1, solved := false}], finished(Effects)),
    ?assertEqual(idle, cambrian_evolution:phase(Over)).

a_run_ends_when_until_returns_true_test() ->
    {Effects, _} = run(#{until => fun(#{generation := G}) -> G =:= 1 end, target => 99}),
    ?assertMatch([#{solved := true, generations := 2}], finished(Effects)),
    {Failed, E} = run(#{until => fun(_) -> maybe_later end, target => 99}),
    ?assertMatch([{bad_option, {until, maybe_later, _}}],
                 [Reason || {notify, {failed, Reason}} <- Failed]),
    ?assertMatch(#{state := failed}, cambrian_evolution:answer(overview, E)).

%%% ---- what goes wrong --------------------------------------------------------------------

a_run_fails_if_all_evaluations_fail_test() ->
    {First, E} = ask({run, #{}}, new(#{by => rounds, has_trial => false})),
    {_, Awaiting} = ask(await, E),
    [{_, Genotypes}] = [{P, Gs} || {score, P, Gs, infinity} <- First],
    Fault = {crashed, {error, badarg, []}},
    Answer = {scored, [failed || _ <- Genotypes], [{1, Fault}, {2, timeout}]},
    {Effects, Failed} = cambrian_evolution:handle(Answer, 5, Awaiting),
    Why = {evaluations_failed, #{count => 2, first => Fault}},
    ?assertEqual([{notify, Why}, {count, 2}, {notify, {failed, Why}}, {reply, me, {error, Why}}],
                 lists:sublist(Effects, 4)),
    ?assertMatch([{save, file, _}, {account, #{rests := true, work := 0}}],
                 lists:nthtail(4, Effects)),
    ?assertMatch(#{state := failed, failure := Why}, cambrian_evolution:answer(overview, Failed)),
    %% the population can run again
    {Again, _} = ask({run, #{}}, Failed),
    ?assertMatch([_], [Job || {score, _, _, _} = Job <- Again]).

%% A time limit that is too short for one evaluation is not the fault of the task.
a_step_without_time_for_one_evaluation_returns_timeout_test() ->
    {_, E} = ask({step, 1}, new(#{})),
    {Effects, Over} = cambrian_evolution:handle({evaluated, {no_fitness, 0, true}}, 5, E),
    ?assertEqual([{error, timeout}], [Answer || {reply, me, Answer} <- Effects]),
    ?assertEqual([{failed, timeout}], [Event || {notify, Event} <- Effects]),
    ?assertMatch(#{state := failed, failure := timeout}, cambrian_evolution:answer(overview, Over)),
    {Rounds, Began} = ask({step, 1}, new(#{by => rounds, has_trial => false})),
    [Genotypes] = [Gs || {score, _, Gs, _} <- Rounds],
    {Late, _} = cambrian_evolution:handle({scored, [skipped || _ <- Genotypes], []}, 5, Began),
    ?assertEqual([{error, timeout}], [Answer || {reply, me, Answer} <- Late]).

one_failed_evaluation_is_counted_and_the_run_goes_on_test() ->
    {First, E} = ask({step, 1}, new(#{by => rounds, has_trial => false})),
    [Genotypes] = [Gs || {score, _, Gs, _} <- First],
    Answer = {scored, [failed | [1.0 || _ <- tl(Genotypes)]], [{1, timeout}]},
    {Effects, _} = cambrian_evolution:handle(Answer, 5, E),
    ?assertEqual([{evaluations_failed, #{count => 1, first => timeout}}],
                 [Event || {notify, {evaluations_failed, _} = Event} <- Effects]),
    ?assertMatch([{ok, #{failures := 1, generation := 0, best := 1.0}}],
                 [Stats || {reply, me, Stats} <- Effects]).

a_run_fails_without_enough_memory_to_breed_test() ->
    {First, E} = ask({run, #{target => 99}}, new(#{})),
    [Population] = [P || {evaluate, P, _, _} <- First],
    {_, Breeding} = cambrian_evolution:handle({evaluated, evaluated(Population)}, 1, E),
    Reason = {not_enough_memory, 2, 1},
    {Effects, Failed} = cambrian_evolution:handle({bred, Reason}, 2, Breeding),
    ?assertEqual([Reason], [Why || {notify, {failed, Why}} <- Effects]),
    Overview = cambrian_evolution:answer(overview, Failed),
    ?assertMatch(#{state := failed, failure := Reason}, Overview).

a_checkpoint_that_cannot_be_written_is_an_event_test() ->
    {Effects, _} = cambrian_evolution:handle({not_saved, enospc}, 0, new(#{})),
    ?assertEqual([{notify, {checkpoint_failed, #{generation => 0, reason => enospc}}}], Effects).

%% Evaluations of a generation that a limit cuts count in the result. The next run repeats the
%% generation.
a_generation_cut_by_a_limit_counts_in_the_result_test() ->
    {First, E} = ask({run, #{evaluations => 10, target => 99}}, new(#{by => rounds})),
    [Ten] = [Gs || {score, _, Gs, _} <- First],
    ?assertEqual(10, length(Ten)),
    {Effects, Cut} = cambrian_evolution:handle({scored, [1.0 || _ <- Ten], []}, 1, E),
    ?assertMatch([#{generations := 1, evaluations := 10}], finished(Effects)),
    {Again, Going} = ask({run, #{evaluations => 1000}}, Cut),
    [All] = [Gs || {score, _, Gs, _} <- Again],
    ?assertEqual(150, length(All)),
    ?assertEqual(evaluating, cambrian_evolution:phase(Going)).

%%% ---- newcomers ---------------------------------------------------------------------------

%% An idle population measures newcomers at once, one after the other. A call that makes it go on
%% waits until then.
an_idle_population_measures_newcomers_in_order_test() ->
    {_, Rests} = step(new(#{})),
    [A, B] = [newcomer(Seed) || Seed <- [1, 2]],
    {Effects, Welcoming} = ask({inject, {2, 1}, A}, Rests),
    ?assertMatch([{amend, memory, #{injected := _}}, {examine, _, [_], infinity},
                  {reply, me, ok}], Effects),
    ?assertEqual(welcoming, cambrian_evolution:phase(Welcoming)),
    {[postpone], Welcoming} = ask({step, 1}, Welcoming),
    {_, Two} = ask({inject, {2, 1}, B}, Welcoming),
    {First, Second} = cambrian_evolution:handle({examined, [{4.0, 7}], []}, 0, Two),
    ?assertMatch([#{outcome := accepted, fitness := 4.0, work := 7, from := 1}], received(First)),
    ?assertMatch([#{fitness := 4.0, operators := [injection]}], champions(First)),
    ?assertMatch([_], [Champion || {amend, file, #{champion := Champion}} <- First]),
    ?assertMatch({examine, _, [_], infinity}, lists:last(First)),
    {Last, Idle} = cambrian_evolution:handle({examined, [{0.5, 7}], []}, 0, Second),
    ?assertMatch([#{outcome := not_better, from := 2}], received(Last)),
    ?assertEqual(idle, cambrian_evolution:phase(Idle)).

newcomers_wait_for_the_end_of_the_generation_test() ->
    {First, Evaluating} = ask({run, #{generations => 1, target => 99}}, new(#{})),
    [Population] = [P || {evaluate, P, _, _} <- First],
    {[{amend, memory, _}, {reply, me, ok}], With} = ask({inject, {2, 1}, newcomer(1)}, Evaluating),
    {Second, Receiving} = cambrian_evolution:handle({evaluated, evaluated(Population)}, 0, With),
    ?assertMatch({examine, Population, [_], infinity}, lists:last(Second)),
    {Third, _} = cambrian_evolution:handle({examined, [{4.0, 1}], []}, 0, Receiving),
    ?assertMatch([#{outcome := accepted}], received(Third)),
    ?assertEqual(4.0, map_get(best, hd([Stats || {notify, {generation, Stats}} <- Third]))).

%% A population measures newcomers from the mesh beside its own genotypes, without a delay of its
%% evaluations. A generation admits at most a tenth of its size.
mesh_newcomers_are_measured_beside_a_generation_test() ->
    {_, Rests} = step(new(#{})),
    Newcomers = [mesh_newcomer(Seed) || Seed <- lists:seq(1, 20)],
    {[{measure, _, [_], 1000}, {amend, memory, _}, {reply, me, ok}], One} =
        ask({inject, {2, 1}, hd(Newcomers)}, Rests),
    {Effects, All} = lists:foldl(fun(S, {Before, E}) ->
                                     {More, Next} = ask({inject, {2, 1}, S}, E),
                                     {Before ++ More, Next}
                                 end, {[], One}, tl(Newcomers)),
    ?assertEqual([], [Job || {measure, _, _, _} = Job <- Effects]),
    {First, Next} = cambrian_evolution:handle({measured, [{2.9, 5}], []}, 10, All),
    ?assertMatch([#{from := 1, outcome := accepted, work := 5}], received(First)),
    [Genotypes] = [Gs || {measure, _, Gs, _} <- First],
    ?assertEqual(19, length(Genotypes)),
    %% they are fitter than most, but none is better than the champion
    Measured = {measured, [{2.95, 5} || _ <- Genotypes], []},
    {Second, _} = cambrian_evolution:handle(Measured, 20, Next),
    Outcomes = [Outcome || #{outcome := Outcome} <- received(Second)],
    ?assertEqual(lists:duplicate(14, accepted) ++ lists:duplicate(5, full), Outcomes),
    ?assertEqual(lists:seq(2, 20), [From || #{from := From} <- received(Second)]).

an_inject_of_another_shape_is_refused_test() ->
    {Effects, _} = ask({inject, {3, 1}, newcomer(1)}, new(#{})),
    ?assertMatch([{notify, {received, #{outcome := shape}}}, {reply, me, ok}], Effects).

%%% ---- bans --------------------------------------------------------------------------------

%% The ban of an admitted newcomer: the population sends an event, writes its checkpoint and then
%% answers.
a_purge_removes_a_newcomer_and_saves_before_it_answers_test() ->
    {_, Rests} = step(new(#{})),
    #{genotype := Genotype} = Newcomer = newcomer(1),
    {_, Welcoming} = ask({inject, {2, 1}, Newcomer}, Rests),
    {_, With} = cambrian_evolution:handle({examined, [{4.0, 7}], []}, 0, Welcoming),
    Banned = #{keys => [], genotypes => [cambrian_genotype:id(Genotype)]},
    {Effects, Without} = ask({purge, Banned}, With),
    [{amend, file, #{champion := #{fitness := Best}}}, {notify, {purged, Purged}},
     {notify, {champion, #{fitness := Best}}}, {reply, me, {ok, Purged}}] = Effects,
    ?assertMatch(#{champion := true, generation := 0, leaving := 1, newcomers := 0}, Purged),
    ?assert(Best < 4.0),
    ?assertMatch({ok, #{fitness := Best}}, cambrian_evolution:answer(best, Without)),
    %% the population carries none of its genes
    {[_, {reply, me, {ok, #{champion := false, leaving := 0}}}], _} = ask({purge, Banned}, Without).

%% The ban of a newcomer under evaluation ends the job, and the generation starts again.
a_purge_during_a_job_restarts_the_generation_test() ->
    {First, Evaluating} = ask({step, 1}, new(#{})),
    [Population] = [P || {evaluate, P, _, _} <- First],
    #{genotype := Genotype} = Newcomer = newcomer(1),
    {_, With} = ask({inject, {2, 1}, Newcomer}, Evaluating),
    {_, Receiving} = cambrian_evolution:handle({evaluated, evaluated(Population)}, 0, With),
    Banned = #{keys => [], genotypes => [cambrian_genotype:id(Genotype)]},
    {Effects, Again} = ask({purge, Banned}, Receiving),
    ?assertMatch([{notify, {received, #{outcome := banned}}}, {drop, job}, {amend, file, _},
                  {notify, {purged, #{newcomers := 1}}}, {evaluate, _, infinity, infinity},
                  {reply, me, {ok, _}}], Effects),
    ?assertEqual(evaluating, cambrian_evolution:phase(Again)).

%%% ---- the value and the process -----------------------------------------------------------

the_value_finds_the_champion_of_the_process_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}),
    ok = cambrian_population:run(P),
    {ok, #{champion := Champion}} = cambrian_population:await(P, 60_000),
    {Effects, E} = run(#{}),
    [#{champion := Same}] = finished(Effects),
    ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(Same)),
    Timeless = fun(Pages) -> [maps:remove(elapsed_ms, Page) || Page <- Pages] end,
    ?assertEqual(Timeless(cambrian_population:history(P)),
                 Timeless(cambrian_evolution:answer(history, E))),
    ok = cambrian_population:stop(P).

%% A run that is resumed from a checkpoint in the middle ends with the same champion.
a_run_resumed_from_a_checkpoint_ends_with_the_same_champion_test() ->
    {Effects, _} = run(#{generations => 5, target => 99}),
    [#{champion := Champion}] = finished(Effects),
    [_, _, Checkpoint | _] = saved(due, Effects),
    {Resumed, E} = cambrian_evolution:new(conf(#{}), Checkpoint, 0),
    ?assertMatch([{account, #{rests := false}}, {save, due, _}, {evaluate, _, _, _}], Resumed),
    {Rest, _} = carry_out({Resumed, E}),
    [#{champion := Same, generations := 5}] = finished(Rest),
    ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(Same)).

%% The time of a run ends while the evaluation of a newcomer hangs. The run returns its result,
%% and the population goes on with another evaluator.
a_run_ends_at_its_timeout_while_a_newcomer_hangs_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Count = counters:new(1, []),
    Task = fun(_) ->
               ok = counters:add(Count, 1, 1),
               %% the first generation has ten
               case counters:get(Count, 1) > 10 of
                   true -> timer:sleep(infinity);
                   false -> 1.0
               end
           end,
    {ok, P} = cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, population => 10,
                                          evaluation_timeout => 60_000}),
    {links, Links} = process_info(P, links),
    [Evaluator] = [Pid || Pid <- Links, is_pid(Pid), {cambrian_evaluator, init, 1}
                              =:= proc_lib:translate_initial_call(Pid)],
    Monitor = monitor(process, Evaluator),
    #{genotype := Genotype} = newcomer(1),
    ok = cambrian_population:inject(P, Genotype),
    ok = cambrian_population:run(P, #{timeout => 300}),
    ?assertMatch({ok, #{generations := 1, fitness := 1.0}}, cambrian_population:await(P, 30_000)),
    receive {'DOWN', Monitor, process, _, _} -> ok after 30_000 -> error(timeout) end,
    ?assertMatch({ok, #{evaluations := 10}}, cambrian_population:stats(P)),
    ?assert(is_process_alive(P)),
    ok = cambrian_population:stop(P).

%%% ---- helpers ----------------------------------------------------------------------------

new(Changes) ->
    {ok, Population} = cambrian_nif:population_new({2, 1}, native(), #{population => 150}, 42, []),
    Begin = #{population => Population, goal => #{}, running => false},
    {[{save, memory, _}], E} = cambrian_evolution:new(conf(Changes), Begin, 0),
    E.

conf(Changes) ->
    maps:merge(#{name => here, task => 'xor', task_id => <<"xor">>, text => <<>>, from => [],
                 by => rust, has_trial => true, newcomer_timeout => undefined}, Changes).

native() ->
    {ok, Native} = cambrian_task:new('xor'),
    Native.

ask(Request, E) -> cambrian_evolution:handle({call, me, Request}, 0, E).

run(Goal) -> carry_out(ask({run, Goal}, new(#{}))).

step(E) -> carry_out(ask({step, 1}, E)).

%% Does the jobs, one after the other, until none is left. Returns all effects.
carry_out({Effects, E}) ->
    case [Event || Effect <- Effects, Event <- done(Effect)] of
        [] -> {Effects, E};
        [Event] ->
            {More, Last} = carry_out(cambrian_evolution:handle(Event, 0, E)),
            {Effects ++ More, Last}
    end.

done({evaluate, Population, Most, Ms}) ->
    [{evaluated, await(fun(Tag) ->
        cambrian_nif:population_evaluate(Tag, Population, native(), Most, Ms)
    end)}];
done({'try', Population, Genotype, _}) ->
    [{tried, await(fun(Tag) ->
        cambrian_nif:population_trial(Tag, Population, native(), Genotype)
    end)}];
done({breed, Evaluated, _}) ->
    [{bred, await(fun(Tag) -> cambrian_nif:population_next(Tag, Evaluated) end)}];
done(_) -> [].

await(Post) ->
    {ok, Answer} = cambrian_job:await(Post),
    Answer.

evaluated(Population) ->
    [{evaluated, Evaluated}] = done({evaluate, Population, infinity, infinity}),
    Evaluated.

newcomer(Seed) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed),
    #{genotype => Genotype, size => 3, from => Seed, told => false}.

mesh_newcomer(Seed) ->
    #{genotype := Genotype} = Newcomer = newcomer(Seed),
    Newcomer#{cost => cambrian_genotype:cost(Genotype), bound => 8}.

finished(Effects) -> [Result || {notify, {finished, Result}} <- Effects].

champions(Effects) -> [Champion || {notify, {champion, Champion}} <- Effects].

received(Effects) -> [Received || {notify, {received, Received}} <- Effects].

saved(Where, Effects) -> [Checkpoint || {save, W, Checkpoint} <- Effects, W =:= Where].

%% A user's fun that hangs blocks neither the caller nor the population.
an_until_that_hangs_is_an_error_test_() ->
    {timeout, 60, fun() ->
        Hangs =
            #{until => fun(_) -> receive never -> true end end, timeout => 500, generations => 3,
              seed => 1},
        {ok, _} = application:ensure_all_started(cambrian),
        Before = supervisor:which_children(cambrian_population_sup),
        {error, Reason} = cambrian:evolve('xor', Hangs),
        ?assertMatch({bad_option, {until, {timeout, 5000}, _}}, Reason),
        ?assertEqual([], supervisor:which_children(cambrian_population_sup) -- Before)
    end}.

%% A population that is killed while the fun of `until' runs leaves no process behind.
the_process_of_an_until_fun_ends_with_its_population_test() ->
    Self = self(),
    Hangs = fun(_) -> Self ! {asked, self()}, receive never -> true end end,
    Stats = #{generation => 0, evaluations => 1, elapsed_ms => 0},
    Population = spawn(fun() -> cambrian_goal:reached(#{until => Hangs}, Stats, 0) end),
    Asked = receive {asked, Pid} -> monitor(process, Pid) end,
    exit(Population, kill),
    receive {'DOWN', Asked, process, _, Reason} -> ?assertEqual(killed, Reason) end.
