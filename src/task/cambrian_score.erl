%% @private
%% What the evaluation of a network gave, checked: its fitness, its result in each of the task's
%% cases, and its behaviour.
-module(cambrian_score).

-export([check/1, is_score/1, fitness/1, same_lengths/2]).
-export_type([score/0, fault/0, known/0]).

%% How many numbers a behaviour has, as the score before said or the parameter `bounds'.
-type known() :: {non_neg_integer(), before | bounds}.

%% Both lists may be empty. A score without either is the fitness alone.
-type score() :: float() | {Fitness :: float(), Cases :: [float()], Behaviour :: [float()]}.
-type fault() :: {bad_fitness, term()}
               | {bad_score, {Key :: term(), Got :: term(), Expected :: binary()}}.

%% So many numbers may be in a behaviour.
-define(MAX_BEHAVIOUR, 1_000).

%% @doc Checks what a task's `evaluate/2' returned.
-spec check(term()) -> {ok, score()} | {fault, fault()}.
check(#{fitness := Fitness} = Map) ->
    Cases = maps:get(cases, Map, []),
    Behaviour = maps:get(behaviour, Map, []),
    Unknown = maps:keys(maps:without([fitness, cases, behaviour], Map)),
    case {number(Fitness), numbers(Cases), numbers(Behaviour)} of
        _ when Unknown =/= [] -> bad(hd(Unknown), Map, <<"only fitness, cases and behaviour">>);
        {error, _, _} -> {fault, {bad_fitness, Fitness}};
        {_, error, _} -> bad(cases, Map, <<"a list of finite numbers">>);
        {_, _, error} -> bad(behaviour, Map, <<"a list of finite numbers">>);
        {{ok, Float}, {ok, []}, {ok, []}} -> {ok, Float};
        {_, _, {ok, Long}} when length(Long) > ?MAX_BEHAVIOUR ->
            bad(behaviour, Map, <<"at most 1,000 numbers">>);
        {{ok, Float}, {ok, FloatCases}, {ok, Floats}} -> {ok, {Float, FloatCases, Floats}}
    end;
check(Fitness) ->
    case number(Fitness) of
        error -> {fault, {bad_fitness, Fitness}};
        Number -> Number
    end.

bad(Key, Map, Expected) -> {fault, {bad_score, {Key, map_get(Key, Map), Expected}}}.

number(Number) -> try {ok, float(Number)} catch error:badarg -> error end.

%% Crashes in `length' for an improper list.
numbers(Numbers) ->
    try {ok, [float(Number) || Number <- Numbers, length(Numbers) > 0]} catch error:_ -> error end.

%% @doc Whether a term, which may come from another node, is a score.
-spec is_score(term()) -> boolean().
is_score({Fitness, Cases, Behaviour}) ->
    is_float(Fitness) andalso are_floats(Cases) andalso are_floats(Behaviour)
        andalso length(Behaviour) =< ?MAX_BEHAVIOUR;
is_score(Fitness) -> is_float(Fitness).

are_floats([Float | Floats]) -> is_float(Float) andalso are_floats(Floats);
are_floats(End) -> End =:= [].

-spec fitness(score()) -> float().
fitness({Fitness, _Cases, _Behaviour}) -> Fitness;
fitness(Fitness) -> Fitness.

%% @doc Makes a fault of each score whose behaviour has another length than is known; if none is
%% known, the first score says it. Returns the length that is known then.
-spec same_lengths([{pos_integer(), score() | {fault, term()}}], none | known()) ->
          {[{pos_integer(), score() | {fault, term()}}], none | known()}.
same_lengths(Results, Known) -> lists:mapfoldl(fun same_length/2, Known, Results).

same_length({_, {fault, _}} = Result, Known) -> {Result, Known};
same_length({_, Score} = Result, none) -> {Result, {length(behaviour(Score)), before}};
same_length({Index, Score} = Result, {Length, Why} = Known) ->
    case length(behaviour(Score)) of
        Length -> {Result, Known};
        Other ->
            Expected = iolist_to_binary(expected(Length, Why)),
            {{Index, {fault, {bad_score, {behaviour, Other, Expected}}}}, Known}
    end.

expected(0, bounds) -> "no behaviour, or the parameter bounds for it";
expected(Length, bounds) -> [counted(Length), ", as the parameter bounds has"];
expected(Length, before) -> [counted(Length), ", as before"].

counted(Length) -> cambrian_text:counted(Length, "number").

behaviour({_Fitness, _Cases, Behaviour}) -> Behaviour;
behaviour(_Fitness) -> [].
