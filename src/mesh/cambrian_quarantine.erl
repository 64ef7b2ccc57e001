%% @private
%% Genotypes of others that wait for their evaluation here: a bounded queue that is fair to origins, not to genotypes.
%%
%% Next is the one of the origin that had the fewest turns lately, so that diversity pays: a node that sends a hundred
%% times as much as the others has one turn for each of theirs, and pushes out nothing but its own.
-module(cambrian_quarantine).

-export([new/0, new/1, in/3, in/4, out/1, drop/2, without/2, size/1]).
-export_type([quarantine/1]).

%% Of each origin, the newest are kept, so many of all and so much together; `turns' are halved now and then, or who came
%% late would have all of them.
-record(quarantine, {limits :: #{origin := pos_integer(), all := pos_integer(), weight := pos_integer()},
                     waiting = #{} :: #{cambrian_identity:key() => [{Weight :: pos_integer(), term()}]},
                     %% the same origins by how many each has waiting
                     counts = gb_sets:new() :: gb_sets:set({pos_integer(), cambrian_identity:key()}),
                     turns = #{} :: #{cambrian_identity:key() => pos_integer()},
                     taken = 0 :: non_neg_integer(), size = 0 :: non_neg_integer(), weight = 0 :: non_neg_integer()}).
-opaque quarantine(_Item) :: #quarantine{}.

-define(LIMITS, #{origin => 8, all => 256, weight => 4_000_000}).
-define(FORGET_AFTER, 256).

-spec new() -> quarantine(_).
new() -> new(#{}).

-spec new(#{origin => pos_integer(), all => pos_integer(), weight => pos_integer()}) -> quarantine(_).
new(Limits) -> #quarantine{limits = maps:merge(?LIMITS, Limits)}.

%% @doc The same for one of weight 1.
-spec in(cambrian_identity:key(), Item, quarantine(Item)) -> {Dropped :: [Item], quarantine(Item)}.
in(Origin, Item, Q) -> in(Origin, Item, 1, Q).

%% @doc With what has to go for it: the oldest of the same origin, or of the one that has the most waiting, or that weighs
%% the most. One alone may weigh what it likes.
-spec in(cambrian_identity:key(), Item, Weight :: pos_integer(), quarantine(Item)) -> {Dropped :: [Item], quarantine(Item)}.
in(Origin, Item, Weight, #quarantine{waiting = Waiting, size = Size, weight = All} = Q) ->
    Items = maps:get(Origin, Waiting, []),
    fit(Origin, [], put_items(Origin, Items ++ [{Weight, Item}], Q#quarantine{size = Size + 1, weight = All + Weight})).

fit(Origin, Dropped, #quarantine{limits = #{origin := Most, all := All, weight := Heaviest}, waiting = Waiting, size = Size,
                                 weight = Weight} = Q) ->
    if length(map_get(Origin, Waiting)) > Most -> without_oldest(Origin, Origin, Dropped, Q);
       Size > All -> without_oldest(element(2, gb_sets:largest(Q#quarantine.counts)), Origin, Dropped, Q);
       Weight > Heaviest, Size > 1 -> without_oldest(heaviest(Q), Origin, Dropped, Q);
       true -> {lists:reverse(Dropped), Q}
    end.

without_oldest(Which, Origin, Dropped, #quarantine{waiting = Waiting} = Q) ->
    #{Which := [{_, Oldest} = Item | Left]} = Waiting,
    Next = less([Item], put_items(Which, Left, Q)),
    case is_map_key(Origin, Next#quarantine.waiting) of
        true -> fit(Origin, [Oldest | Dropped], Next);
        false -> {lists:reverse([Oldest | Dropped]), Next}
    end.

heaviest(#quarantine{waiting = Waiting}) ->
    {_, Origin} = lists:max([{weight(Items), Origin} || {Origin, Items} <- maps:to_list(Waiting)]),
    Origin.

weight(Items) -> lists:sum([Weight || {Weight, _} <- Items]).

less(Items, #quarantine{size = Size, weight = Weight} = Q) ->
    Q#quarantine{size = Size - length(Items), weight = Weight - weight(Items)}.

put_items(Origin, Items, #quarantine{waiting = Waiting, counts = Counts} = Q) ->
    Others = gb_sets:del_element({length(maps:get(Origin, Waiting, [])), Origin}, Counts),
    case Items of
        [] -> Q#quarantine{waiting = maps:remove(Origin, Waiting), counts = Others};
        _ -> Q#quarantine{waiting = Waiting#{Origin => Items}, counts = gb_sets:add_element({length(Items), Origin}, Others)}
    end.

%% @doc The newest of the origin whose turn it is.
-spec out(quarantine(Item)) -> {Item, quarantine(Item)} | empty.
out(#quarantine{size = 0}) -> empty;
out(#quarantine{waiting = Waiting, turns = Turns} = Q) ->
    {Had, Origin} = lists:min([{maps:get(Origin, Turns, 0), Origin} || Origin <- maps:keys(Waiting)]),
    Items = maps:get(Origin, Waiting),
    {_, Item} = Newest = lists:last(Items),
    {Item, turned(less([Newest], put_items(Origin, lists:droplast(Items), Q#quarantine{turns = Turns#{Origin => Had + 1}})))}.

turned(#quarantine{taken = Taken} = Q) when Taken < ?FORGET_AFTER -> Q#quarantine{taken = Taken + 1};
turned(#quarantine{turns = Turns} = Q) ->
    Q#quarantine{taken = 0, turns = maps:filtermap(fun(_, N) -> N > 1 andalso {true, N div 2} end, Turns)}.

%% @doc Nothing of this origin any more.
-spec drop(cambrian_identity:key(), quarantine(Item)) -> {Dropped :: [Item], quarantine(Item)}.
drop(Origin, #quarantine{waiting = Waiting} = Q) ->
    Items = maps:get(Origin, Waiting, []),
    {[Item || {_, Item} <- Items], less(Items, put_items(Origin, [], Q))}.

%% @doc Nothing any more of which this is true.
-spec without(fun((Item) -> boolean()), quarantine(Item)) -> {Dropped :: [Item], quarantine(Item)}.
without(IsUnwanted, #quarantine{waiting = Waiting} = Q) ->
    lists:foldl(fun({Origin, Items}, {Dropped, Rest}) ->
                    case lists:partition(fun({_, Item}) -> IsUnwanted(Item) end, Items) of
                        {[], _} -> {Dropped, Rest};
                        {Gone, Left} -> {Dropped ++ [Item || {_, Item} <- Gone], less(Gone, put_items(Origin, Left, Rest))}
                    end
                end, {[], Q}, lists:sort(maps:to_list(Waiting))).

-spec size(quarantine(_)) -> non_neg_integer().
size(#quarantine{size = Size}) -> Size.
