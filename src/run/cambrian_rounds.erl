%% @private
%% The evaluation of a generation by evaluators, as a value. The first round scores each genotype
%% without a fitness. With tuning, further rounds score variants of the fittest genotypes.
-module(cambrian_rounds).

-export([start/2, scored/3, spent/1]).
-export_type([rounds/0, step/0]).

-record(rounds, {tuning :: reference(),
                 %% the most evaluations that the goal allows, and the evaluations so far
                 most :: non_neg_integer() | infinity,
                 spent = 0 :: non_neg_integer()}).
-opaque rounds() :: #rounds{}.
%% The next step: score these genotypes; or the generation is evaluated; or no genotype has a
%% fitness. `IsCut' says whether a limit left some genotypes out.
-type step() :: {score, [cambrian_genotype:genotype()], rounds()}
              | {evaluated, reference(), IsCut :: boolean()} | {no_fitness, IsCut :: boolean()}.

%% @doc Starts the evaluation of a generation with at most so many evaluations.
-spec start(Population :: reference(), Most :: non_neg_integer() | infinity) -> step().
start(Population, Most) ->
    next(false, #rounds{tuning = cambrian_nif:population_tuning(Population), most = Most}).

%% @doc Takes the outcomes of a round. A limit may have cut the list of outcomes short. The next
%% round follows, unless no genotype is left to score, a genotype reached the target, or a limit was
%% reached.
-spec scored([cambrian_evaluator:outcome()], Target :: number() | none, rounds()) -> step().
scored(Known, Target, #rounds{tuning = Tuning, spent = Spent} = Rounds) ->
    Asked = length(cambrian_nif:tuning_candidates(Tuning)),
    Outcomes = Known ++ lists:duplicate(Asked - length(Known), skipped),
    {ok, Next} = cambrian_nif:tuning_tell(Tuning, Outcomes),
    Scored = Rounds#rounds{tuning = Next, spent = Spent + length(Known)},
    IsCut = lists:member(skipped, Outcomes),
    case IsCut orelse is_reached(Target, Outcomes) of
        true -> settle(IsCut, Scored);
        false -> next(IsCut, Scored)
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
