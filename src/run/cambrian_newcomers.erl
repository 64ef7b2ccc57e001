%% @private
%% Who came to a population from elsewhere: those who wait, those who are with the evaluators, and those who were taken
%% in by the generation at hand.
%%
%% The last are in no checkpoint of the population until there is a next generation. After a crash, which has the
%% generation evaluated anew, they are asked in again, in the same order, and nobody is told of them twice.
-module(cambrian_newcomers).

-export([new/0, add/2, examine/1, examined/2, put_off/1, kept/2, taken_in/2, bred/1, again/1, without/2]).
-export_type([newcomers/0, newcomer/0]).

%% `cost' and `bound' are of one that came from the mesh.
-type newcomer() :: #{genotype := cambrian_genotype:genotype(), size := non_neg_integer(), from := term(), told := boolean(),
                      cost => non_neg_integer(), bound => number()}.

%% Each the last first.
-record(newcomers, {waiting = [] :: [newcomer()], examined = [] :: [newcomer()], taken_in = [] :: [newcomer()]}).
-opaque newcomers() :: #newcomers{}.

%% More strangers than this are told to come back later; or than have so many connections together, unless it is one: 64
%% of the largest would take a gigabyte, and keep the population from answering for seconds.
-define(MAX, 64).
-define(MAX_SIZE, 2_000_000).

-spec new() -> newcomers().
new() -> #newcomers{}.

-spec add(newcomer(), newcomers()) -> {ok, newcomers()} | {error, busy}.
add(#{size := Size} = Newcomer, #newcomers{waiting = Waiting, examined = Examined} = Newcomers) ->
    Sizes = [S || #{size := S} <- Waiting ++ Examined],
    case Sizes =:= [] orelse length(Sizes) < ?MAX andalso Size + lists:sum(Sizes) =< ?MAX_SIZE of
        true -> {ok, Newcomers#newcomers{waiting = [Newcomer | Waiting]}};
        false -> {error, busy}
    end.

%% @doc Those who wait, the first first, are with the evaluators from now on.
-spec examine(newcomers()) -> {[cambrian_genotype:genotype()], newcomers()}.
examine(#newcomers{waiting = Waiting, examined = []} = Newcomers) ->
    {[Genotype || #{genotype := Genotype} <- lists:reverse(Waiting)], Newcomers#newcomers{waiting = [], examined = Waiting}}.

%% @doc With what the evaluators found, the first first.
-spec examined([cambrian_evaluator:outcome() | late], newcomers()) -> {[{newcomer(), failed | late | float()}], newcomers()}.
examined(Outcomes, #newcomers{examined = Examined} = Newcomers) ->
    Fitness = [cambrian_evaluator:fitness(Outcome) || Outcome <- Outcomes],
    {lists:zip(lists:reverse(Examined), Fitness), Newcomers#newcomers{examined = []}}.

%% @doc Those who are with the evaluators wait again.
-spec put_off(newcomers()) -> newcomers().
put_off(#newcomers{waiting = Waiting, examined = Examined} = Newcomers) ->
    Newcomers#newcomers{waiting = Waiting ++ Examined, examined = []}.

%% @doc These, the first first, are still to be told of what was found.
-spec kept([newcomer()], newcomers()) -> newcomers().
kept(Told, Newcomers) -> Newcomers#newcomers{examined = lists:reverse(Told)}.

%% @doc A population that rests may be fed for ever: the last are kept.
-spec taken_in(newcomer(), newcomers()) -> newcomers().
taken_in(Newcomer, #newcomers{taken_in = TakenIn} = Newcomers) ->
    Newcomers#newcomers{taken_in = lists:sublist([Newcomer#{told := true} | TakenIn], ?MAX)}.

%% @doc The next generation has what it has of them.
-spec bred(newcomers()) -> newcomers().
bred(Newcomers) -> Newcomers#newcomers{taken_in = []}.

%% @doc Without those that are banned, which are told: those who waited, and those who were with the evaluators, the first first.
-spec without(fun((newcomer()) -> boolean()), newcomers()) ->
          {{Waiting :: [newcomer()], Examined :: [newcomer()]}, newcomers()}.
without(IsBanned, #newcomers{waiting = Waiting, examined = Examined, taken_in = TakenIn}) ->
    {Gone, Left} = lists:partition(IsBanned, Waiting),
    {Stopped, Going} = lists:partition(IsBanned, Examined),
    {_, In} = lists:partition(IsBanned, TakenIn),
    {{lists:reverse(Gone), lists:reverse(Stopped)}, #newcomers{waiting = Left, examined = Going, taken_in = In}}.

%% @doc Nothing of the generation at hand was evaluated.
-spec again(newcomers()) -> newcomers().
again(#newcomers{waiting = Waiting, examined = Examined, taken_in = TakenIn}) ->
    #newcomers{waiting = Waiting ++ Examined ++ TakenIn}.
