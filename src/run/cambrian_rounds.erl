%% @private
%% The evaluation of a generation by evaluators, as a value: each genotype that waits, and then, if
%% the parameters say so, round after round of what tuning makes of the fittest.
-module(cambrian_rounds).

-export([start/2, told/3, spent/1]).
-export_type([rounds/0, step/0]).

-record(rounds, {tuning :: reference(),
                 %% evaluations that the goal allows, and those of them that were made
                 most :: non_neg_integer() | infinity,
                 spent = 0 :: non_neg_integer()}).
-opaque rounds() :: #rounds{}.
%% These genotypes are to be scored; or the generation is evaluated, or nobody has a fitness, and a
%% limit came before some of it where it `IsCut'.
-type step() :: {score, [cambrian_genotype:genotype()], rounds()}
              | {evaluated, reference(), IsCut :: boolean()} | {no_fitness, IsCut :: boolean()}.

%% @doc A generation, of which so many evaluations may be made.
-spec start(Population :: reference(), Most :: non_neg_integer() | infinity) -> step().
start(Population, Most) ->
    next(false, #rounds{tuning = cambrian_nif:population_tuning(Population), most = Most}).

%% @doc The first of those that were to be scored came to this. The next round follows, unless there
%% is none, somebody has the target or a limit came first.
-spec told([cambrian_evaluator:outcome()], Target :: number() | none, rounds()) -> step().
told(Known, Target, #rounds{tuning = Tuning, spent = Spent} = Rounds) ->
    Asked = length(cambrian_nif:tuning_candidates(Tuning)),
    Outcomes = Known ++ lists:duplicate(Asked - length(Known), skipped),
    {ok, Next} = cambrian_nif:tuning_tell(Tuning, Outcomes),
    Told = Rounds#rounds{tuning = Next, spent = Spent + length(Known)},
    IsCut = lists:member(skipped, Outcomes),
    case IsCut orelse is_reached(Target, Outcomes) of
        true -> settle(IsCut, Told);
        false -> next(IsCut, Told)
    end.

is_reached(none, _Outcomes) -> false;
is_reached(Target, Outcomes) ->
    lists:any(fun(Outcome) ->
                  Fitness = cambrian_evaluator:fitness(Outcome),
                  is_number(Fitness) andalso Fitness >= Target
              end, Outcomes).

next(IsCut, #rounds{tuning = Tuning} = Rounds) ->
    case cambrian_nif:tuning_candidates(Tuning) of
        [] -> settle(IsCut, Rounds);
        Candidates -> {score, affordable(Candidates, Rounds), Rounds}
    end.

affordable(Candidates, #rounds{most = infinity}) -> Candidates;
affordable(Candidates, #rounds{most = Most, spent = Spent}) ->
    lists:sublist(Candidates, max(0, Most - Spent)).

settle(IsCut, #rounds{tuning = Tuning}) ->
    case cambrian_nif:tuning_settle(Tuning) of
        {ok, Evaluated} -> {evaluated, Evaluated, IsCut};
        {error, no_fitness} -> {no_fitness, IsCut}
    end.

-spec spent(rounds()) -> non_neg_integer().
spent(#rounds{spent = Spent}) -> Spent.
