%% @private
%% Computes the standing of an evolution from a few facts: its result, whether it is over, and the
%% answers to a user's questions.
-module(cambrian_standing).

-export([generation/1, is_pareto/1, front/1, some_of_front/2, archive/1, result/2, time_left/1,
         is_over/1, is_settled/1, reached/1, measure/1, worked/3, answer/2]).
-export_type([conf/0, facts/0, worked/0]).

%% More than any front has.
-define(ALL, 16#ffffffff).

%% Fields that never change in an evolution. `by' says how a generation is evaluated: by Rust as a
%% whole, or by evaluators in rounds. `has_trial' says whether the task has a trial. `text' is the
%% task as a user wrote it. `from' has the ids of the genotypes from which the first generation
%% descends.
-type conf() :: #{name := term(), task := atom(), task_id := binary(), text := binary(),
                  from := [cambrian_genotype:id()], by := rust | rounds, has_trial := boolean(),
                  varying => none | cambrian_environment:varying(),
                  newcomer_timeout := undefined | pos_integer()}.
%% `stats' are the stats of the last generation that this VM evaluated, with the time of the runs.
-type facts() :: #{conf := conf(), now := integer(), population := reference(),
                   evaluated := undefined | reference(), last := undefined | reference(),
                   is_cut := boolean(),
                   stats := undefined | cambrian_population:stats(),
                   history := cambrian_history:history(),
                   champions := cambrian_champions:champions(), run := cambrian_run:run()}.
%% The work that a bridge accounts for, of one population or of all populations of a task. `rests'
%% is true if no population works. `failing' is true if in one population many of the genotypes that
%% it bred fail.
-type worked() :: #{work := non_neg_integer(), rests := boolean(), failing := boolean()}.

%% @doc The number of the present generation.
-spec generation(facts()) -> non_neg_integer().
generation(#{population := Population}) ->
    maps:get(generation, cambrian_nif:population_info(Population)).

%% @doc Whether a population pursues several objectives.
-spec is_pareto(Population :: reference()) -> boolean().
is_pareto(Population) -> search(Population) =:= pareto.

search(Population) -> maps:get(search, cambrian_nif:population_parameters(Population)).

%% @doc The front of a generation; empty in searches that have none.
-spec front(Evaluated :: reference()) -> cambrian_front:front().
front(Evaluated) -> element(2, front(Evaluated, ?ALL)).

front(Evaluated, Most) ->
    {Count, Some} = cambrian_nif:population_front(Evaluated, Most),
    {Count, [#{genotype => Genotype, objectives => Objectives, fitness => Fitness}
             || {Genotype, Objectives, Fitness} <- Some]}.

%% @doc At most so many of a front, evenly chosen, with the champion among them.
-spec some_of_front(Evaluated :: reference(), Most :: pos_integer()) ->
          #{front := cambrian_front:front(), count := non_neg_integer(),
            champion := cambrian_genotype:genotype()}.
some_of_front(Evaluated, Most) ->
    {Count, Some} = front(Evaluated, Most),
    #{champion := Champion} = cambrian_nif:population_evaluated_champion(Evaluated),
    #{front => Some, count => Count, champion => Champion}.

%% The last evaluated generation, also before a crash or in another VM.
last(#{stats := undefined, history := History}) -> cambrian_history:last(History);
last(#{stats := Stats}) -> Stats.

elapsed(#{run := Run, now := Now}) -> cambrian_run:elapsed(Now, Run).

%% @doc The stats of the generation that was just evaluated, and the number of new evaluations.
-spec measure(facts()) -> {cambrian_population:stats(), New :: non_neg_integer()}.
measure(#{evaluated := Evaluated, population := Population, stats := Last} = Facts) ->
    Stats = #{evaluations := Evaluations} = cambrian_nif:population_stats(Evaluated),
    Elapsed = elapsed(Facts),
    {Before, Since} = case Last of
                          #{evaluations := N, elapsed_ms := Ms} when Ms < Elapsed -> {N, Ms};
                          _ -> {0, 0}
                      end,
    Rate = (Evaluations - Before) * 1000 div max(1, Elapsed - Since),
    #{evaluations := Counted} = case Last of
                                    undefined -> cambrian_nif:population_info(Population);
                                    _ -> Last
                                end,
    {Stats#{elapsed_ms => Elapsed, evaluations_per_second => Rate}, Evaluations - Counted}.

%% @doc How much the population worked. It is `failing' if at least one in ten of its own
%% evaluations fails: then a failure says little against a genotype from another node.
-spec worked(Work :: non_neg_integer(), Rests :: boolean(), facts()) -> worked().
worked(Work, Rests, #{evaluated := Evaluated, population := Population}) ->
    #{evaluations := Evaluations, failures := Failures} =
        case Evaluated of
            undefined -> cambrian_nif:population_info(Population);
            _ -> cambrian_nif:population_stats(Evaluated)
        end,
    IsFailing = Failures > 0 andalso 10 * Failures >= Evaluations,
    #{work => Work, rests => Rests, failing => IsFailing}.

%% @doc The result after the last generation. `Solved' is `until' if the fun of the goal ended the
%% run.
-spec result(Solved :: boolean() | until, facts()) -> cambrian_population:result().
result(Solved, Facts) -> result(Solved, last(Facts), Facts).

result(Solved, #{generation := Generation} = Last, #{champions := Champions} = Facts) ->
    #{seed := Seed} = cambrian_nif:population_info(maps:get(population, Facts)),
    Archives = maps:from_list([{archive, Archive}
                               || {ok, Archive} <- [archive(with_elites(Facts))]]),
    Counts = maps:with([evaluations, failures], Last),
    lists:foldl(fun maps:merge/2, cambrian_champions:winner(Solved, Champions),
                [Archives, front_of(Facts),
                 Counts#{solved => Solved =/= false, generations => Generation + 1, seed => Seed,
                         elapsed_ms => elapsed(Facts)}]).

%% @doc The archive of an answer to the question `archive'.
-spec archive({Generation :: reference(), TaskId :: binary()}) ->
          {ok, cambrian_archive:archive()} | {error, no_archive}.
archive({Generation, TaskId}) ->
    case cambrian_nif:population_archive(Generation, TaskId) of
        undefined -> {error, no_archive};
        Archive -> {ok, Archive}
    end.

%% With the elites of the last generation that was evaluated.
with_elites(#{conf := #{task_id := TaskId}, population := Population, evaluated := Evaluated}) ->
    {case Evaluated of undefined -> Population; _ -> Evaluated end, TaskId}.

%% After a restart from a checkpoint there is no front until a generation is evaluated.
front_of(Facts) ->
    case answer(front, Facts) of
        {ok, Evaluated} -> #{front => front(Evaluated)};
        {error, not_evaluated} -> #{front => []};
        {error, no_front} -> #{}
    end.

%%% ---- limits -----------------------------------------------------------------------------

%% @doc The time that is left for the present generation, in ms.
-spec time_left(facts()) -> infinity | non_neg_integer().
time_left(#{stats := Stats, run := Run, now := Now} = Facts) ->
    Generation = generation(Facts),
    Which = case {Stats, last(Facts)} of
                {undefined, #{generation := Generation}} -> again;
                _ -> first
            end,
    cambrian_run:time_left(Which, Now, Run).

%% @doc Whether the checkpoint has already passed a limit of the goal. A generation that ended a run
%% is evaluated again and ends the run again.
-spec is_over(facts()) -> boolean().
is_over(#{stats := undefined, champions := Champions, run := Run} = Facts) ->
    IsKnown = cambrian_champions:champion(Champions) =/= undefined,
    not cambrian_run:is_stepping(Run) andalso IsKnown
        andalso is_over(last(Facts), generation(Facts), Facts);
is_over(_) -> false.

is_over(none, _Generation, _Facts) -> false;
is_over(#{generation := Generation, evaluations := Evaluations}, Generation, #{run := Run}) ->
    Goal = cambrian_run:goal(Run),
    Generation + 1 > maps:get(generations, Goal, infinity)
        orelse Evaluations > maps:get(evaluations, Goal, infinity);
is_over(Last, _Generation, Facts) -> is_at_limit(Last#{elapsed_ms := elapsed(Facts)}, Facts).

%% @doc Whether there is a result and a limit of the goal forbids another generation. A cut
%% generation does not count.
-spec is_settled(facts()) -> boolean().
is_settled(#{stats := undefined}) -> false;
is_settled(#{stats := #{generation := Generation} = Stats, is_cut := IsCut, run := Run} = Facts) ->
    case cambrian_run:outcome(Run) of
        {ok, _} when IsCut -> is_at_limit(Stats#{generation := Generation - 1}, Facts);
        {ok, _} -> is_at_limit(Stats, Facts);
        _ -> false
    end.

is_at_limit(Stats, #{run := Run} = Facts) ->
    cambrian_goal:is_at_limit(cambrian_run:goal(Run), Stats, improved(Facts)).

%% @doc As {@link cambrian_goal:reached/3}, after a generation.
-spec reached(facts()) -> until | boolean() | {error, cambrian_options:error()}.
reached(#{run := Run, stats := Stats} = Facts) ->
    cambrian_goal:reached(cambrian_run:goal(Run), Stats, improved(Facts)).

improved(#{champions := Champions} = Facts) ->
    case cambrian_champions:improved(Champions) of
        none -> generation(Facts);
        Generation -> Generation
    end.

%%% ---- questions --------------------------------------------------------------------------

%% @doc The answer to a question of {@link cambrian_population}.
-spec answer(Question :: term(), facts()) -> term().
answer(best, #{champions := Champions}) ->
    case cambrian_champions:champion(Champions) of
        undefined -> {error, not_evaluated};
        Champion -> {ok, Champion}
    end;
answer(archive, Facts) -> with_elites(Facts);
%% The generation that has the front.
answer(front, #{population := Population, evaluated := Evaluated, last := Last}) ->
    case {is_pareto(Population), Evaluated, Last} of
        {false, _, _} -> {error, no_front};
        {true, undefined, undefined} -> {error, not_evaluated};
        {true, undefined, _} -> {ok, Last};
        {true, _, _} -> {ok, Evaluated}
    end;
answer(stats, #{stats := undefined}) -> {error, not_evaluated};
answer(stats, #{stats := Stats}) -> {ok, Stats};
answer(history, #{history := History}) -> cambrian_history:pages(History);
answer(population, #{population := Population}) -> {ok, Population};
%% The number of the generation that is evaluated next.
answer(next, #{evaluated := undefined} = Facts) -> #{next => generation(Facts)};
answer(next, Facts) -> #{next => generation(Facts) + 1};
answer(so_far, #{champions := Champions} = Facts) ->
    case cambrian_champions:champion(Champions) of
        undefined -> {error, not_evaluated};
        _ -> {ok, result(false, so_far(Facts), Facts)}
    end;
answer(overview, #{conf := Conf, run := Run, champions := Champions, stats := Stats,
                   population := Population} = Facts) ->
    Outcome = cambrian_run:outcome(Run),
    (maps:with([name, task, task_id], Conf))#{
      varies => maps:get(varying, Conf, none) =/= none,
      search => search(Population), goal => cambrian_run:goal(Run),
      state => state(Outcome, Facts), stats => Stats,
      solved => case Outcome of {ok, #{solved := Solved}} -> Solved; _ -> false end,
      failure => case Outcome of {error, Failure} -> Failure; _ -> undefined end,
      champion => cambrian_champions:champion(Champions), elapsed_ms => elapsed(Facts),
      history => maps:get(history, Facts)};
answer(info, #{conf := Conf, population := Population} = Facts) ->
    Parameters = cambrian_nif:population_parameters(Population),
    lists:foldl(fun maps:merge/2, #{parameters => Parameters},
                [maps:with([name, task, task_id], Conf), counts(Facts),
                 cambrian_nif:population_info(Population)]);
answer(_, _Facts) -> {error, unknown_call}.

%% There are no stats if the population began from a checkpoint and has evaluated no generation
%% since.
so_far(#{stats := undefined, population := Population}) ->
    #{generation := Next} = Info = cambrian_nif:population_info(Population),
    Info#{generation := Next - 1};
so_far(#{stats := Stats}) -> Stats.

%% Evaluations and failures up to the last evaluated generation.
counts(#{run := Run} = Facts) ->
    case {cambrian_run:outcome(Run), last(Facts)} of
        {{error, {evaluations_failed, #{count := Count}}}, _} ->
            #{evaluations => Count, failures => Count};
        {_, none} -> #{};
        {_, Last} -> maps:with([evaluations, failures], Last)
    end.

state({ok, _}, _Facts) -> finished;
state({error, _}, _Facts) -> failed;
state(none, #{run := Run, stats := Stats}) ->
    case cambrian_run:is_active(Run) of
        true -> running;
        false when Stats =:= undefined -> new;
        false -> paused
    end.
