%% @private
%% Genotypes of others that wait for their evaluation here: a bounded queue that is fair to origins, not to genotypes.
%%
%% Next is the one of the origin that had the fewest turns lately, so that diversity pays: a node that sends a hundred
%% times as much as the others has one turn for each of theirs, and pushes out nothing but its own.
-module(cambrian_quarantine).

-export([new/0, new/1, in/3, out/1, drop/2, size/1]).
-export_type([quarantine/1]).

%% Of each origin, the newest are kept; `turns' are halved now and then, or who came late would have all of them.
-record(quarantine, {limits :: #{origin := pos_integer(), all := pos_integer()},
                     waiting = #{} :: #{cambrian_identity:key() => [term()]},
                     turns = #{} :: #{cambrian_identity:key() => pos_integer()},
                     taken = 0 :: non_neg_integer(), size = 0 :: non_neg_integer()}).
-opaque quarantine(_Item) :: #quarantine{}.

-define(FORGET_AFTER, 256).

-spec new() -> quarantine(_).
new() -> new(#{origin => 8, all => 256}).

-spec new(#{origin := pos_integer(), all := pos_integer()}) -> quarantine(_).
new(Limits) -> #quarantine{limits = Limits}.

%% @doc With what has to go for it: the oldest of the same origin, or of the one that has the most waiting.
-spec in(cambrian_identity:key(), Item, quarantine(Item)) -> {Dropped :: [Item], quarantine(Item)}.
in(Origin, Item, #quarantine{limits = #{origin := Most, all := All}, waiting = Waiting, size = Size} = Q) ->
    Items = maps:get(Origin, Waiting, []),
    With = Q#quarantine{waiting = Waiting#{Origin => Items ++ [Item]}, size = Size + 1},
    if length(Items) >= Most -> without_oldest(Origin, With);
       Size >= All -> without_oldest(greediest(With), With);
       true -> {[], With}
    end.

without_oldest(Origin, #quarantine{waiting = Waiting, size = Size} = Q) ->
    #{Origin := [Oldest | Left]} = Waiting,
    {[Oldest], Q#quarantine{waiting = put_items(Origin, Left, Waiting), size = Size - 1}}.

greediest(#quarantine{waiting = Waiting}) ->
    {_, Origin} = lists:max([{length(Items), Origin} || {Origin, Items} <- maps:to_list(Waiting)]),
    Origin.

put_items(Origin, [], Waiting) -> maps:remove(Origin, Waiting);
put_items(Origin, Items, Waiting) -> Waiting#{Origin => Items}.

%% @doc The newest of the origin whose turn it is.
-spec out(quarantine(Item)) -> {Item, quarantine(Item)} | empty.
out(#quarantine{size = 0}) -> empty;
out(#quarantine{waiting = Waiting, turns = Turns, size = Size} = Q) ->
    {Had, Origin} = lists:min([{maps:get(Origin, Turns, 0), Origin} || Origin <- maps:keys(Waiting)]),
    Items = maps:get(Origin, Waiting),
    Item = lists:last(Items),
    {Item, turned(Q#quarantine{waiting = put_items(Origin, lists:droplast(Items), Waiting), size = Size - 1,
                               turns = Turns#{Origin => Had + 1}})}.

turned(#quarantine{taken = Taken} = Q) when Taken < ?FORGET_AFTER -> Q#quarantine{taken = Taken + 1};
turned(#quarantine{turns = Turns} = Q) ->
    Q#quarantine{taken = 0, turns = maps:filtermap(fun(_, N) -> N > 1 andalso {true, N div 2} end, Turns)}.

%% @doc Nothing of this origin any more.
-spec drop(cambrian_identity:key(), quarantine(Item)) -> {Dropped :: [Item], quarantine(Item)}.
drop(Origin, #quarantine{waiting = Waiting, size = Size} = Q) ->
    Items = maps:get(Origin, Waiting, []),
    {Items, Q#quarantine{waiting = maps:remove(Origin, Waiting), size = Size - length(Items)}}.

-spec size(quarantine(_)) -> non_neg_integer().
size(#quarantine{size = Size}) -> Size.
