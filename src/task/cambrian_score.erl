%% @private
%% What the evaluation of a network gave, checked: its fitness, its result in each of the task's
%% cases, its behaviour, and its objectives.
-module(cambrian_score).

-export([check/1, episode/1, of_episodes/2, is_score/1, fitness/1, behaviour/1, with_fitness/1,
         same_lengths/2, no_lengths/0, expect/3, behaviours_of/1]).
-export_type([score/0, fault/0, lengths/0, episode/0]).

%% Each list may be empty. A score that has none is the fitness alone. Without a fitness there are
%% objectives. `Work' is 0 unless the library has measured it.
-type score() :: float() | {Fitness :: float() | none, Cases :: [float()], Behaviour :: [float()],
                            Objectives :: [float()], Work :: non_neg_integer()}.
-type fault() :: {bad_fitness, term()}
               | {bad_score, {Key :: term(), Got :: term(), Expected :: binary()}}.
%% `Got' is the length of a list that is too long, or not as long as others.
%% How many numbers a behaviour and objectives have, once one is known, as the score before said or
%% the parameter `bounds' or `objective_weights'.
-type lengths() :: {Behaviour :: known(), Objectives :: known()}.
-type known() :: none | {non_neg_integer(), before | bounds | archive | objective_weights}.
-type episode() :: {Cases :: [float()], Behaviour :: [float()], Objectives :: [float()]}.
%% What an episode of an environment gave besides its rewards.
-type result() :: {pos_integer(), score() | {fault, term()}}.

%% So many numbers may be in a behaviour, and so many objectives.
-define(MAX_BEHAVIOUR, 1_000).
-define(MAX_OBJECTIVES, 100).
-define(FIELDS, [fitness, cases, behaviour, objectives]).

%% @doc Checks what a task's `evaluate/2' returned. A native task returns `{measured, Score}'.
-spec check(term()) -> {ok, score()} | {fault, fault()}.
check({measured, Score} = Answer) ->
    case is_score(Score) of
        true -> {ok, Score};
        false -> {fault, {bad_fitness, Answer}}
    end;
check(#{} = Map) when is_map_key(fitness, Map); is_map_key(objectives, Map) ->
    Lists = [{Key, maps:get(Key, Map, [])} || Key <- tl(?FIELDS)],
    case {maps:keys(maps:without(?FIELDS, Map)), lists:append([wrong(Key, List)
                                                               || {Key, List} <- Lists])} of
        {[Unknown | _], _} ->
            bad(Unknown, Map, <<"only fitness, cases, behaviour and objectives">>);
        {[], [Wrong | _]} -> {fault, {bad_score, Wrong}};
        {[], []} -> checked(Map, [floats(List) || {_, List} <- Lists])
    end;
check(Fitness) -> checked(#{fitness => Fitness}, [[], [], []]).

checked(#{fitness := Fitness}, [Cases, Behaviour, Objectives] = Lists) ->
    case number(Fitness) of
        error -> {fault, {bad_fitness, Fitness}};
        {ok, Float} when Lists =:= [[], [], []] -> {ok, Float};
        {ok, Float} -> {ok, {Float, Cases, Behaviour, Objectives, 0}}
    end;
checked(Map, [_, _, []]) -> bad(objectives, Map, <<"one number at least, without a fitness">>);
checked(Map, [Cases, Behaviour, Objectives]) ->
    case sum(Objectives) of
        error -> bad(objectives, Map, <<"numbers with a finite sum, without a fitness">>);
        _ -> {ok, {none, Cases, Behaviour, Objectives, 0}}
    end.

sum(Floats) -> try lists:sum(Floats) catch error:badarith -> error end.

%% @doc Checks what an environment's `score/1' returned after an episode.
-spec episode(#{term() => term()}) -> {ok, episode()} | {fault, fault()}.
episode(#{fitness := Fitness}) ->
    Expected = <<"none from score/1, as the fitness of an environment is its sum of rewards">>,
    {fault, {bad_score, {fitness, Fitness, Expected}}};
episode(Map) ->
    case check(Map#{fitness => 0}) of
        {ok, {_, Cases, Behaviour, Objectives, _}} -> {ok, {Cases, Behaviour, Objectives}};
        {ok, _} -> {ok, {[], [], []}};
        {fault, _} = Fault -> Fault
    end.

%% @doc The score of all episodes of a network: the means of behaviours and of objectives, and the
%% cases of the first episode, then of the second.
-spec of_episodes(Fitness :: float(), [episode(), ...]) -> {ok, score()} | {fault, fault()}.
of_episodes(Fitness, Episodes) ->
    {Cases, Behaviours, Objectives} = lists:unzip3(Episodes),
    case {mean(Behaviours), mean(Objectives)} of
        {{error, Got, Expected}, _} -> {fault, {bad_score, {behaviour, Got, Expected}}};
        {_, {error, Got, Expected}} -> {fault, {bad_score, {objectives, Got, Expected}}};
        {Behaviour, Means} -> {ok, {Fitness, lists:append(Cases), Behaviour, Means, 0}}
    end.

%% Sums in the order of episodes.
mean([First | Others] = Vectors) ->
    Length = length(First),
    case [length(Other) || Other <- Others, length(Other) =/= Length] of
        [Got | _] -> {error, Got, iolist_to_binary([counted(Length), ", as in episodes before"])};
        [] ->
            Count = length(Vectors),
            Add = fun(Vector, Sums) -> lists:zipwith(fun(X, Sum) -> Sum + X end, Vector, Sums) end,
            try [Sum / Count || Sum <- lists:foldl(Add, First, Others)]
            catch error:badarith -> {error, First, <<"numbers with a finite sum over episodes">>}
            end
    end.

bad(Key, Map, Expected) -> {fault, {bad_score, {Key, map_get(Key, Map), Expected}}}.

number(Number) -> try {ok, float(Number)} catch error:badarg -> error end.

%% A list that is too long is named by its length.
wrong(Key, List) ->
    case {floats(List), Key} of
        {error, _} -> [{Key, List, <<"a list of finite numbers">>}];
        {Floats, behaviour} when length(Floats) > ?MAX_BEHAVIOUR ->
            [{Key, length(Floats), <<"at most 1,000 numbers">>}];
        {Floats, objectives} when length(Floats) > ?MAX_OBJECTIVES ->
            [{Key, length(Floats), <<"at most 100 numbers">>}];
        _ -> []
    end.

floats(Numbers) when is_list(Numbers), length(Numbers) >= 0 ->
    try [float(Number) || Number <- Numbers] catch error:_ -> error end;
floats(_ImproperOrNoList) -> error.

%% @doc Whether a term, which may come from another node, is a score.
-spec is_score(term()) -> boolean().
is_score({Fitness, Cases, Behaviour, Objectives, Work}) ->
    are_floats(Cases) andalso are_floats(Behaviour) andalso are_floats(Objectives)
        andalso (is_float(Fitness)
                 orelse Fitness =:= none andalso Objectives =/= []
                        andalso sum(Objectives) =/= error)
        andalso length(Behaviour) =< ?MAX_BEHAVIOUR andalso length(Objectives) =< ?MAX_OBJECTIVES
        andalso is_integer(Work) andalso Work >= 0 andalso Work < 1 bsl 64;
is_score(Fitness) -> is_float(Fitness).

are_floats([Float | Floats]) -> is_float(Float) andalso are_floats(Floats);
are_floats(End) -> End =:= [].

%% @doc The fitness; the sum of the objectives if the task gives none.
-spec fitness(score()) -> float().
fitness({none, _Cases, _Behaviour, Objectives, _Work}) -> lists:sum(Objectives);
fitness({Fitness, _Cases, _Behaviour, _Objectives, _Work}) -> Fitness;
fitness(Fitness) -> Fitness.

%% @doc The behaviour; empty if the task gives none.
-spec behaviour(score()) -> [float()].
behaviour({_Fitness, _Cases, Behaviour, _Objectives, _Work}) -> Behaviour;
behaviour(_Fitness) -> [].

%% @doc Makes a fault of each score without a fitness, which only some searches can do without.
-spec with_fitness([result()]) -> [result()].
with_fitness(Results) -> [with_fitness_of(Result) || Result <- Results].

with_fitness_of({Index, {none, _, _, _, _}}) ->
    Expected = <<"a number, which only the search pareto can do without">>,
    {Index, {fault, {bad_score, {fitness, none, Expected}}}};
with_fitness_of(Result) -> Result.

-spec no_lengths() -> lengths().
no_lengths() -> {none, none}.

%% @doc The lengths with one that parameters say.
-spec expect(behaviour | objectives, non_neg_integer(), lengths()) -> lengths().
expect(behaviour, Length, {_, Objectives}) -> {{Length, bounds}, Objectives};
expect(objectives, Length, {Behaviour, _}) -> {Behaviour, {Length, objective_weights}}.

%% @doc The lengths where behaviours are those of an archive: as its bounds say, or as it has them.
-spec behaviours_of({non_neg_integer(), bounds | archive}) -> lengths().
behaviours_of(Length) -> {Length, none}.

%% @doc Makes a fault of each score whose behaviour or objectives are not as many numbers as those
%% of the first, or as those that are known. Returns also how many that are.
-spec same_lengths([result()], lengths()) -> {[result()], lengths()}.
same_lengths(Results, Known) -> lists:mapfoldl(fun same_length/2, Known, Results).

same_length({_, {fault, _}} = Result, Known) -> {Result, Known};
same_length({Index, Score} = Result, {KnownBehaviour, KnownObjectives} = Known) ->
    {Behaviour, Objectives} = lengths(Score),
    case {fits(Behaviour, KnownBehaviour), fits(Objectives, KnownObjectives)} of
        {true, true} ->
            {Result, {known(Behaviour, KnownBehaviour), known(Objectives, KnownObjectives)}};
        {false, _} -> {{Index, other(behaviour, Behaviour, KnownBehaviour)}, Known};
        {true, false} -> {{Index, other(objectives, Objectives, KnownObjectives)}, Known}
    end.

fits(_Length, none) -> true;
%% the fitness is the one objective
fits(0, {1, objective_weights}) -> true;
fits(Length, {Known, _Why}) -> Length =:= Known.

known(Length, none) -> {Length, before};
known(_Length, Known) -> Known.

other(Key, Length, Known) ->
    {fault, {bad_score, {Key, Length, iolist_to_binary(expected(Known))}}}.

expected({0, bounds}) -> "no behaviour, or the parameter bounds or projection for it";
expected({Length, archive}) -> [counted(Length), ", as the archive has"];
expected({Length, bounds}) -> [counted(Length), ", as the parameter bounds has"];
expected({Length, objective_weights}) ->
    [counted(Length), ", which the parameter objective_weights leaves to the task"];
expected({Length, before}) -> [counted(Length), ", as before"].

counted(Length) -> cambrian_text:counted(Length, "number").

lengths({_Fitness, _Cases, Behaviour, Objectives, _Work}) ->
    {length(Behaviour), length(Objectives)};
lengths(_Fitness) -> {0, 0}.
