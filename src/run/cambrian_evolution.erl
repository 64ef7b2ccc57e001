%% @private
%% The evolution of a population as a value. It decides the next step: it answers every event with
%% effects, and the holder of the value executes them in order. It has no process and no clock:
%% `Now' comes with each event, in ms, and only differences between times matter. {@link
%% cambrian_population_server} holds it for a user, {@link cambrian_colony} in a simulation.
%%
%% At most one job runs, and the phase says which: no job while `idle'; `evaluate' or `score' while
%% `evaluating'; `examine' while `receiving' or, if the population rests, `welcoming'; `try' while
%% `trying'; `breed' while `breeding'.
-module(cambrian_evolution).

-export([new/3, handle/3, phase/1, population/1, answer/2, checkpoint/2, worked/2]).
-export_type([evolution/0, event/0, effect/0, phase/0]).

-type phase() :: idle | welcoming | evaluating | receiving | trying | breeding.
%% {@link cambrian_effect} has the tables of both.
-type event() :: cambrian_effect:event().
-type effect() :: cambrian_effect:effect().

-record(evolution,
        {conf :: cambrian_standing:conf(),
         %% when the present event happened
         now :: integer(),
         phase = idle :: phase(),
         %% the present generation, and the same generation once it is evaluated
         population :: reference(),
         evaluated :: undefined | reference(),
         %% the generation before, for questions while `evaluated' is undefined
         last :: undefined | reference(),
         %% how many migrants the evaluated generation has sent
         drawn = 0 :: non_neg_integer(),
         %% the evaluation of the generation by evaluators
         rounds :: undefined | cambrian_rounds:rounds(),
         %% whether a limit ended the evaluation of the generation early
         is_cut = false :: boolean(),
         %% when the evaluation of this generation began
         began = 0 :: integer(),
         %% of the last generation that this VM evaluated
         stats :: undefined | cambrian_population:stats(),
         history :: cambrian_history:history(),
         champions :: cambrian_champions:champions(),
         newcomers :: cambrian_newcomers:newcomers(),
         conditions :: cambrian_conditions:conditions(),
         run :: cambrian_run:run(),
         %% whether the population has nothing to do, as the last `account' said
         rests = true :: boolean(),
         effects = [] :: [effect()]}).
-opaque evolution() :: #evolution{}.

%% Generations: the library keeps lines of descent of this length.
-define(WINDOW, 32).

%% @doc Starts from a checkpoint or a first generation, with a `goal'. It runs if `running' is true.
-spec new(cambrian_standing:conf(),
          #{population := reference(), goal := map(), running := boolean(), atom() => term()},
          Now :: integer()) -> {[effect()], evolution()}.
new(#{newcomer_timeout := Timeout} = Conf, #{population := Population} = Saved, Now) ->
    Begun = #evolution{conf = Conf, now = Now, population = Population,
                       history = maps:get(history, Saved, cambrian_history:new()),
                       champions = cambrian_champions:new(Saved),
                       newcomers = cambrian_newcomers:new(Timeout, Saved),
                       conditions = cambrian_conditions:new(maps:get(varying, Conf, none), Saved),
                       run = cambrian_run:new(Saved)},
    E = start_measuring(Begun),
    done(case cambrian_run:is_running(E#evolution.run) of
             true -> start(E);
             false -> save(memory, E)
         end).

-spec phase(evolution()) -> phase().
phase(#evolution{phase = Phase}) -> Phase.

%% @doc The present generation.
-spec population(evolution()) -> reference().
population(#evolution{population = Population}) -> Population.

-spec handle(event(), Now :: integer(), evolution()) -> {[effect()], evolution()}.
handle(Event, Now, E) -> done(on(Event, E#evolution{now = Now})).

done(#evolution{effects = Effects} = E) -> {lists:reverse(Effects), E#evolution{effects = []}}.

effect(Effect, #evolution{effects = Effects} = E) -> E#evolution{effects = [Effect | Effects]}.

notify(Event, E) -> effect({notify, Event}, E).

reply(Callers, Answer, E) ->
    lists:foldl(fun(Caller, Next) -> effect({reply, Caller, Answer}, Next) end, E, Callers).

%% Begins the job of another phase.
begin_job(Phase, Effect, E) -> effect(Effect, E#evolution{phase = Phase}).

%%% ---- events -----------------------------------------------------------------------------

on({call, Caller, Request}, #evolution{phase = Phase} = E) -> asked(Request, Phase, Caller, E);
on({evaluated, {no_fitness, Failures, IsCut}}, #evolution{phase = evaluating} = E) ->
    First = case IsCut of true -> timeout; false -> {bad_fitness, not_finite} end,
    no_fitness(#{count => Failures, first => First}, E#evolution{is_cut = IsCut});
on({evaluated, {cut, Evaluated}}, #evolution{phase = evaluating} = E) ->
    evaluated(Evaluated, E#evolution{is_cut = true});
on({evaluated, Evaluated}, #evolution{phase = evaluating} = E) ->
    evaluated(Evaluated, E);
on({scored, Outcomes, Faults, Statistics}, #evolution{conditions = Conditions} = E) ->
    Observed = cambrian_conditions:observed(Statistics, Conditions),
    on({scored, Outcomes, Faults}, E#evolution{conditions = Observed});
on({scored, Outcomes, Faults}, #evolution{phase = evaluating, rounds = Rounds, run = Run} = E) ->
    Target = maps:get(target, cambrian_run:goal(Run), none),
    evaluate_round(cambrian_rounds:scored(Outcomes, Target, Rounds), Faults, report(Faults, E));
on({examined, Found, Faults}, #evolution{phase = receiving} = E) ->
    judge(admit_injected(Found, report(Faults, E)));
on({examined, Found, Faults}, #evolution{phase = welcoming} = E) ->
    welcome(admit_injected(Found, report(Faults, E)));
on({tried, Trial}, #evolution{phase = trying, run = Run} = E) ->
    conclude(is_solved(Trial, cambrian_run:goal(Run)), Trial, validate(Trial, E));
on({bred, {not_enough_memory, _, _} = Reason}, #evolution{phase = breeding} = E) ->
    give_up(Reason, E);
on({bred, Population}, #evolution{phase = breeding, evaluated = Evaluated} = E) ->
    #evolution{newcomers = Newcomers, conditions = Conditions} = E,
    evaluate(save(due, E#evolution{population = Population, evaluated = undefined, last = Evaluated,
                                   newcomers = cambrian_newcomers:next_generation(Newcomers),
                                   conditions = cambrian_conditions:next_generation(Conditions)}));
%% Injected newcomers wait until the population rests or continues.
on(timeout, #evolution{phase = receiving, newcomers = Newcomers} = E) ->
    Stopped = cambrian_newcomers:stop_injected(Newcomers),
    judge(remember_newcomers(E#evolution{newcomers = Stopped}));
%% The trial could not tell whether the task is solved, so the generation counts as cut.
on(timeout, #evolution{phase = trying} = E) -> conclude(false, #{}, E#evolution{is_cut = true});
on(timeout, #evolution{phase = breeding} = E) -> conclude_with_last(E);
on({measured, panicked}, E) ->
    measured(on_mesh(fun cambrian_mesh_newcomers:panicked/1, E));
on({measured, Found, Faults}, #evolution{now = Now} = E) ->
    Measured = fun(Mesh) -> cambrian_mesh_newcomers:measured(Found, Faults, Now, Mesh) end,
    measured(report(Faults, on_mesh(Measured, E)));
on({not_saved, Reason}, E) ->
    notify({checkpoint_failed, #{generation => generation(E), reason => Reason}}, E).

asked({What, _}, welcoming, _, E) when What =:= run; What =:= step -> effect(postpone, E);
asked(await, welcoming, _, E) -> effect(postpone, E);
asked({run, Goal}, idle, Caller, #evolution{run = Run} = E) ->
    Aimed = E#evolution{run = cambrian_run:aim(Goal, Run)},
    case cambrian_standing:is_settled(facts(Aimed)) of
        true -> reply([Caller], ok, Aimed#evolution{run = cambrian_run:halt(Aimed#evolution.run)});
        false -> reply([Caller], ok, start(Aimed))
    end;
asked({run, Goal}, _, Caller, #evolution{run = Run} = E) ->
    reply([Caller], ok, remember_orders(E#evolution{run = cambrian_run:aim(Goal, Run)}));
asked({step, Count}, idle, Caller, #evolution{run = Run} = E) ->
    start(E#evolution{run = cambrian_run:step(Caller, Count, Run)});
asked({step, _}, _, Caller, E) -> reply([Caller], {error, running}, E);
asked(pause, _, Caller, #evolution{run = Run} = E) ->
    reply([Caller], ok, remember_orders(E#evolution{run = cambrian_run:pause(Run)}));
asked(await, Phase, Caller, #evolution{run = Run} = E) ->
    case cambrian_run:outcome(Run) of
        Outcome when Phase =:= idle, Outcome =/= none -> reply([Caller], Outcome, E);
        _ -> E#evolution{run = cambrian_run:await(Caller, Run)}
    end;
asked({inject, Shape, Newcomer}, Phase, Caller, E) ->
    {Answer, Next} = offer(Shape, Newcomer, E),
    IsMeasuredNow = Phase =:= idle andalso not is_map_key(bound, Newcomer),
    reply([Caller], Answer, case IsMeasuredNow of true -> be_idle(Next); false -> Next end);
asked({purge, Banned}, Phase, Caller, E) ->
    purge(Banned, Phase, Caller, E);
asked(draw, _, Caller, #evolution{drawn = Drawn} = E) ->
    case at_hand(E) of
        undefined -> reply([Caller], {error, not_evaluated}, E);
        Evaluated -> reply([Caller], {ok, Evaluated, Drawn}, E#evolution{drawn = Drawn + 1})
    end;
asked(Question, _, Caller, E) -> reply([Caller], answer(Question, E), E).

%%% ---- a run ------------------------------------------------------------------------------

start(#evolution{run = Run, now = Now} = E) ->
    case resting(false, E#evolution{run = cambrian_run:start(Now, Run)}) of
        #evolution{evaluated = undefined} = Going ->
            case cambrian_standing:is_over(facts(Going)) of
                true -> conclude_with_last(Going);
                false -> evaluate(save(due, Going))
            end;
        Going -> breed(Going)
    end.

%%% ---- evaluation -------------------------------------------------------------------------

evaluate(#evolution{now = Now, conf = #{by := By}} = E) ->
    evaluate(By, under(E#evolution{phase = evaluating, began = Now, is_cut = false})).

under(#evolution{conditions = Old, population = Population, champions = Champions} = E) ->
    case cambrian_conditions:is_varying(Old) of
        true ->
            New = cambrian_conditions:begin_generation(Old),
            Under = cambrian_champions:under(cambrian_conditions:normalisation(New), Champions),
            effect({conditions, cambrian_conditions:at(Population, New)},
                   E#evolution{conditions = New, champions = Under});
        false -> E
    end.

evaluate(rust, #evolution{population = Population, run = Run} = E) ->
    Most = maps:get(evaluations, cambrian_run:goal(Run), infinity),
    effect({evaluate, Population, Most, time_left(E)}, E);
evaluate(rounds, #evolution{population = Population, run = Run} = E) ->
    #{evaluations := Before} = cambrian_nif:population_info(Population),
    Left = case cambrian_run:goal(Run) of
               #{evaluations := Most} -> max(0, Most - Before);
               _ -> infinity
           end,
    evaluate_round(cambrian_rounds:start(Population, Left), [], E).

evaluate_round({score, Genotypes, Rounds}, _Faults, #evolution{population = Population} = E) ->
    effect({score, Population, Genotypes, limit(Rounds, E)}, E#evolution{rounds = Rounds});
evaluate_round({evaluated, Evaluated, IsCut}, _Faults, E) ->
    evaluated(Evaluated, E#evolution{rounds = undefined, is_cut = IsCut});
evaluate_round({no_fitness, IsCut}, Faults, E) ->
    no_fitness(cambrian_fault:counted(Faults), E#evolution{rounds = undefined, is_cut = IsCut}).

%% Later generations have the fitness of the genotypes that survived.
limit(Rounds, #evolution{stats = Stats} = E) ->
    case {time_left(E), cambrian_rounds:spent(Rounds)} of
        {infinity, _} -> infinity;
        {Ms, 0} when Stats =:= undefined -> {Ms, fitness};
        {Ms, _} -> {Ms, nothing}
    end.

report([], E) -> E;
report(Faults, E) -> notify({evaluations_failed, cambrian_fault:counted(Faults)}, E).

%% No genotype has a fitness, so selection is impossible. If a limit came before the first
%% evaluation ended, the last generation is the result; without a last generation, the outcome is a
%% timeout. Otherwise the user's code is at fault, and the failure is the outcome.
no_fitness(#{count := Count} = Failed, #evolution{is_cut = IsCut, champions = Champions} = E) ->
    case IsCut andalso cambrian_champions:champion(Champions) =/= undefined of
        true -> conclude_with_last(E);
        false when Count =:= 0 -> give_up(timeout, E);
        false -> give_up({evaluations_failed, Failed}, effect({count, Count}, E))
    end.

%% If the population continues, it evaluates a cut generation again, and newcomers wait until then.
evaluated(Evaluated, Before) ->
    E = paced(Before#evolution{evaluated = Evaluated, last = undefined, drawn = 0}),
    case E#evolution.is_cut of
        true -> judge(E);
        false -> receive_newcomers(E)
    end.

paced(#evolution{evaluated = Evaluated, began = Began, now = Now} = E) ->
    Work = cambrian_nif:population_work(Evaluated),
    Paced = on_mesh(fun(Mesh) -> cambrian_mesh_newcomers:pace({Work, Now - Began}, Mesh) end, E),
    effect({account, worked(Work, Paced)}, Paced).

on_mesh(Fun, #evolution{newcomers = Newcomers} = E) ->
    E#evolution{newcomers = cambrian_newcomers:on_mesh(Fun, Newcomers)}.

%%% ---- judgement --------------------------------------------------------------------------

judge(#evolution{evaluated = Evaluated, run = Run, conf = Conf, conditions = Conditions} = E) ->
    Judged = remember_the_best(crown(measure(E))),
    case {cambrian_run:goal(Run), Conf#{validates => cambrian_conditions:validates(Conditions)}} of
        {_, #{validates := true}} -> try_contender(Judged);
        {#{target := Target}, _} ->
            {_, Fitness} = Best = cambrian_nif:population_best(Evaluated),
            conclude(Fitness >= Target, #{}, contend(Best, Judged));
        {_, #{has_trial := true}} -> try_contender(Judged);
        _ -> conclude(false, #{}, Judged)
    end.

%% In held-out episodes the target counts.
is_solved(#{validation := Value}, #{target := Target}) -> Value >= Target;
is_solved(#{solved := Solved}, _Goal) -> Solved.

contend(Contender, #evolution{champions = Champions} = E) ->
    E#evolution{champions = cambrian_champions:contend(Contender, Champions)}.

%% The fittest genotype that was not tried before.
try_contender(#evolution{evaluated = Evaluated, population = Population} = E) ->
    case cambrian_nif:population_contender(Evaluated) of
        undefined -> conclude(false, #{}, E);
        {Contender, Fitness, Next} ->
            begin_job(trying, {'try', Population, Contender, time_left(E)},
                      contend({Contender, Fitness}, E#evolution{evaluated = Next}))
    end.

crown(#evolution{evaluated = Evaluated, population = Population, champions = Champions} = E) ->
    case cambrian_champions:crown(Evaluated, cambrian_standing:is_pareto(Population), Champions) of
        same -> E;
        {new, #{champion := Genotype} = Champion, Next} ->
            notify({champion, Champion}, remember(Genotype, E#evolution{champions = Next}))
    end.

%% Often enough that the line of every later champion begins with a remembered genotype.
remember_the_best(#evolution{evaluated = Evaluated, stats = #{generation := Generation}} = E)
  when Generation rem ?WINDOW =:= 0 ->
    {Best, _} = cambrian_nif:population_best(Evaluated),
    remember(Best, E);
remember_the_best(E) -> E.

remember(Genotype, #evolution{evaluated = Evaluated} = E) ->
    effect({remember, cambrian_nif:population_lineage(Evaluated, Genotype)}, E).

measure(E) ->
    {Stats, New} = cambrian_standing:measure(facts(E)),
    effect({count, New}, E#evolution{stats = Stats}).

%% The contender of a partly evaluated generation may not be the contender of the whole generation.
validate(_Trial, #evolution{is_cut = true} = E) -> E;
validate(Trial, #evolution{stats = #{generation := Generation}, champions = Champions} = E) ->
    Validated = cambrian_champions:validate(Trial, Generation, at_hand(E), Champions),
    E#evolution{champions = Validated}.

%% The generation is over: the run ends, pauses or continues.
conclude(Solved, Trial, #evolution{stats = Stats, history = History, run = Run} = E) ->
    Told = notify({generation, Stats}, E),
    Next = stepped(Told#evolution{history = cambrian_history:add(Stats, History),
                                  run = cambrian_run:count(Run)}),
    case Solved orelse Next#evolution.is_cut orelse cambrian_standing:reached(facts(Next)) of
        true -> finish(Solved, Trial, Next);
        until -> finish(until, Trial, Next);
        {error, Reason} -> give_up(Reason, Next);
        false ->
            case cambrian_run:is_active(Next#evolution.run) of
                true -> breed(Next);
                false -> be_idle(save(file, stop(Next)))
            end
    end.

breed(#evolution{evaluated = Evaluated} = E) ->
    begin_job(breeding, {breed, Evaluated, time_left(E)}, E).

%% A caller of `step' gets its answer after the last of its steps, even if the run continues.
stepped(#evolution{run = Run} = E) ->
    {Callers, Next} = cambrian_run:stepped(Run),
    reply(Callers, answer(stats, E), E#evolution{run = Next}).

%%% ---- the end of a run -------------------------------------------------------------------

%% The checkpoint says that the population runs, so another VM repeats its last generation and gets
%% the same result.
finish(Solved, Trial, E) ->
    Ended = #{champion := Champion} = cambrian_standing:result(Solved, facts(E)),
    Facts = [{trial, Facts} || Solved =:= true, #{facts := Facts} <- [Trial]],
    Result = maps:merge(Ended, maps:from_list(Facts)),
    Finished = finish({ok, Result}, notify({finished, Result}, remember(Champion, E))),
    be_idle(stop(stepped(uncut(save(file, Finished))))).

uncut(#evolution{is_cut = true, evaluated = Evaluated} = E) ->
    E#evolution{evaluated = undefined, last = Evaluated};
uncut(E) -> E.

%% An earlier generation passed a limit, so the present standing is the result.
conclude_with_last(E) ->
    Result = cambrian_standing:result(false, facts(E)),
    Finished = finish({ok, Result}, notify({finished, Result}, E)),
    be_idle(save(file, stop(stepped(Finished)))).

%% The cause is the user's goal or task, or a lack of memory.
give_up(Reason, E) ->
    #evolution{run = Run} = Failed = finish({error, Reason}, notify({failed, Reason}, E)),
    {Callers, Next} = cambrian_run:stepped(Run),
    be_idle(save(file, stop(reply(Callers, {error, Reason}, Failed#evolution{run = Next})))).

finish(Outcome, #evolution{run = Run} = E) ->
    {Callers, Next} = cambrian_run:finish(Outcome, Run),
    reply(Callers, Outcome, E#evolution{run = Next}).

stop(#evolution{run = Run, now = Now} = E) -> E#evolution{run = cambrian_run:stop(Now, Run)}.

%% The population rests when no waiting newcomer can be admitted.
be_idle(E) ->
    case resting(true, E#evolution{phase = idle}) of
        #evolution{evaluated = undefined} = Resting -> Resting;
        Resting ->
            case admit_mesh(Resting) of
                none -> examine(welcoming, infinity, fun(Idle) -> Idle end, Resting);
                With -> welcome(With)
            end
    end.

resting(Rests, #evolution{rests = Rests} = E) -> E;
resting(Rests, E) ->
    Changed = E#evolution{rests = Rests},
    effect({account, worked(0, Changed)}, Changed).

%% @doc As {@link cambrian_standing:worked/3}.
-spec worked(Work :: non_neg_integer(), evolution()) -> cambrian_standing:worked().
worked(Work, #evolution{rests = Rests} = E) -> cambrian_standing:worked(Work, Rests, facts(E)).

%%% ---- newcomers --------------------------------------------------------------------------

offer(Shape, Newcomer, #evolution{population = Population, newcomers = Newcomers} = E) ->
    case cambrian_newcomers:offer(Shape, Newcomer, Population, Newcomers) of
        {waits, Next} -> {ok, remember_newcomers(start_measuring(E#evolution{newcomers = Next}))};
        {refused, Verdict, Next} -> {ok, received(Verdict, E#evolution{newcomers = Next})};
        Busy -> {Busy, E}
    end.

%% Measures the waiting newcomers from the mesh, unless a measurement is running.
start_measuring(#evolution{newcomers = N, population = Population, now = Now} = E) ->
    case cambrian_newcomers:start_mesh(Now, N) of
        none -> E;
        {Gs, Ms, Next} -> effect({measure, Population, Gs, Ms}, E#evolution{newcomers = Next})
    end.

measured(#evolution{phase = idle} = E) -> be_idle(E);
measured(E) -> E.

%% Judges the newcomers from the mesh that are already measured, without waiting for the others, and
%% then measures the injected newcomers.
receive_newcomers(E) ->
    With = case admit_mesh(E) of none -> E; Admitted -> Admitted end,
    examine(receiving, time_left(With), fun judge/1, With).

admit_mesh(#evolution{evaluated = Evaluated, newcomers = Newcomers} = E) ->
    IsBest = fun(Fitness) -> cambrian_champions:is_better(Fitness, E#evolution.champions) end,
    case cambrian_newcomers:admit_mesh(Evaluated, E#evolution.population, IsBest, Newcomers) of
        none -> none;
        Admitted -> remember_newcomers(start_measuring(admitted(Admitted, E)))
    end.

admit_injected(Found, #evolution{evaluated = Evaluated, newcomers = Newcomers} = E) ->
    Admitted = cambrian_newcomers:admit_injected(Found, Evaluated, Newcomers),
    remember_newcomers(admitted(Admitted, E)).

admitted({Verdicts, Evaluated, Newcomers}, E) ->
    With = E#evolution{evaluated = Evaluated, newcomers = Newcomers},
    lists:foldl(fun received/2, With, Verdicts).

received({#{told := true}, _Outcome}, E) -> E;
received({#{genotype := Genotype, from := From}, Outcome}, E) ->
    notify({received, Outcome#{id => cambrian_genotype:id(Genotype), from => From,
                               generation => generation(E)}}, E).

%% Measures the waiting injected newcomers; if none waits, `Else' comes next.
examine(Phase, Ms, Else, #evolution{newcomers = Newcomers, population = Population} = E) ->
    case cambrian_newcomers:start_injected(Newcomers) of
        none -> Else(E);
        {Genotypes, Next} ->
            begin_job(Phase, {examine, Population, Genotypes, Ms}, E#evolution{newcomers = Next})
    end.

%% The generation stays the last generation, and its stats do not change.
welcome(#evolution{champions = Old} = E) ->
    case crown(E) of
        #evolution{champions = Old} = Same -> be_idle(Same);
        #evolution{champions = New} = Crowned ->
            be_idle(effect({amend, file, maps:with([champion], cambrian_champions:saved(New))},
                           Crowned))
    end.

%%% ---- bans -------------------------------------------------------------------------------

purge(Banned, Phase, Caller, E) ->
    case without(Banned, E) of
        {same, Purged, Same} -> reply([Caller], {ok, Purged}, Same);
        {changed, Purged, Changed} when Phase =:= idle; Phase =:= welcoming ->
            reply([Caller], {ok, Purged}, Changed);
        {changed, Purged, #evolution{run = Run} = Changed} ->
            %% a repeated step does not count twice
            Again = case Phase =:= breeding andalso cambrian_run:is_stepping(Run) of
                        true -> 1;
                        false -> 0
                    end,
            Going = evaluate(Changed#evolution{run = cambrian_run:repeat(Again, Run)}),
            reply([Caller], {ok, Purged}, Going)
    end.

%% Removes banned genotypes from the present generation, begins it again as from a checkpoint, and
%% writes that checkpoint. The other genotypes keep their results.
without(Banned, #evolution{newcomers = Newcomers, champions = Champions} = E) ->
    {#{banned := Gone} = Stopped, Left} = cambrian_newcomers:without(Banned, Newcomers),
    {Population, #{leaving := Leaving, founded := Founded, headless := Headless}, Best} =
        cambrian_purge:purged(done_so_far(E), Banned),
    IsGone = Headless orelse cambrian_champions:is_banned(Banned, Champions),
    Purged = #{generation => maps:get(generation, cambrian_nif:population_info(Population)),
               leaving => Leaving, newcomers => length(Gone), founded => Founded,
               champion => IsGone},
    Told = lists:foldl(fun(One, N) -> received({One, #{outcome => banned}}, N) end, E, Gone),
    Halted = case Stopped of
                 #{mesh := stopped} -> effect({drop, measurement}, Told);
                 _ -> Told
             end,
    Next = start_measuring(Halted#evolution{newcomers = Left}),
    Results = without_results(Banned, Next),
    IsAnyResult = {Results#evolution.champions, Results#evolution.run}
        =/= {Next#evolution.champions, Next#evolution.run},
    IsStopped = maps:get(injected, Stopped) =:= stopped,
    case Leaving > 0 orelse IsGone orelse IsStopped orelse IsAnyResult of
        true -> {changed, Purged, begin_again(Population, Best, Purged, Banned, Results)};
        false -> {same, Purged, remember_newcomers(Results)}
    end.

%% A cut generation is evaluated again anyway.
done_so_far(#evolution{evaluated = Evaluated, is_cut = false}) when Evaluated =/= undefined ->
    Evaluated;
done_so_far(#evolution{population = Population}) -> Population.

begin_again(Population, Best, #{champion := IsGone} = Purged, Banned, Before) ->
    #evolution{newcomers = Newcomers, champions = Champions, phase = Phase} = Before,
    E = case Phase of idle -> Before; _ -> effect({drop, job}, Before) end,
    From = case done_so_far(E) =:= E#evolution.evaluated of true -> evaluated; false -> start end,
    Champion = case IsGone of true -> Best; false -> same end,
    Next = E#evolution{phase = idle, population = Population, evaluated = undefined,
                       last = cambrian_purge:last_without(Banned, at_hand(E)),
                       is_cut = false, rounds = undefined,
                       newcomers = cambrian_newcomers:begin_again(From, Newcomers),
                       champions = cambrian_champions:begin_again(Champion, Champions)},
    %% another VM repeats the end of a finished run, unless its result was withdrawn
    Running = [running || not cambrian_run:has_result(Next#evolution.run)],
    Kept = [population, champion, validated, injected, from_mesh | Running],
    Written = effect({amend, file, maps:with(Kept, snapshot(Next))}, Next),
    Told = notify({purged, Purged}, Written),
    case IsGone andalso Best =/= undefined of
        true -> notify({champion, Best}, Told);
        false -> Told
    end.

%% Withdraws a result whose champion is banned.
without_results(Banned, #evolution{champions = Champions, run = Run} = E) ->
    Without = E#evolution{champions = cambrian_champions:without(Banned, Champions)},
    case cambrian_run:outcome(Run) of
        {ok, #{champion := Champion}} ->
            Sources = cambrian_champions:sources(Champion, at_hand(E), Champions),
            case cambrian_purge:is_champion({Champion, Sources}, Banned) of
                true -> Without#evolution{run = cambrian_run:forget_result(Run)};
                false -> Without
            end;
        _ -> Without
    end.

%%% ---- checkpoints ------------------------------------------------------------------------

save(When, E) -> effect({save, When, snapshot(E)}, E).

%% Saves the callers' orders, so that a crash within the generation does not lose them.
remember_orders(#evolution{run = Run, now = Now} = E) ->
    Orders = maps:with([running, goal, until], cambrian_run:saved(Now, Run)),
    effect({amend, memory, Orders}, E).

remember_newcomers(#evolution{newcomers = Newcomers} = E) ->
    effect({amend, memory, cambrian_newcomers:saved(Newcomers)}, E).

%% @doc The checkpoint at which the population continues after a crash.
-spec checkpoint(Now :: integer(), evolution()) -> cambrian_store:checkpoint().
checkpoint(Now, E) -> snapshot(E#evolution{now = Now}).

snapshot(#evolution{conf = #{task := Task, text := Text, from := From}, now = Now} = E) ->
    #evolution{population = Population, history = History, run = Run, champions = Champions,
               newcomers = Newcomers, conditions = Conditions} = E,
    Kept = #{population => Population, from => From, generation => generation(E),
             history => History, task => atom_to_binary(Task), text => Text},
    lists:foldl(fun maps:merge/2, Kept,
                [cambrian_champions:saved(Champions), cambrian_run:saved(Now, Run),
                 cambrian_newcomers:saved(Newcomers), cambrian_conditions:saved(Conditions)]).

%%% ---- questions --------------------------------------------------------------------------

at_hand(#evolution{evaluated = undefined, last = Last}) -> Last;
at_hand(#evolution{evaluated = Evaluated}) -> Evaluated.

time_left(E) -> cambrian_standing:time_left(facts(E)).

generation(E) -> cambrian_standing:generation(facts(E)).

facts(#evolution{conf = Conf, now = Now, population = Population, evaluated = Evaluated,
                 last = Last, is_cut = IsCut, stats = Stats, history = History,
                 champions = Champions, run = Run}) ->
    #{conf => Conf, now => Now, population => Population, evaluated => Evaluated, last => Last,
      is_cut => IsCut, stats => Stats, history => History, champions => Champions, run => Run}.

%% @doc As {@link cambrian_standing:answer/2}, at the time of the last event.
-spec answer(Question :: term(), evolution()) -> term().
answer(Question, E) -> cambrian_standing:answer(Question, facts(E)).
