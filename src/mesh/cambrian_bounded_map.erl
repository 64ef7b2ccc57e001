%% @private
%% A map with a limit for the number of its entries and for their total weight. It drops the oldest
%% entries.
-module(cambrian_bounded_map).

-export([new/1, new/2, put/3, put/4, find/2, get/3, remove/2, to_list/1]).
-export_type([bounded_map/2]).

-record(bounded_map,
        {max :: pos_integer(), heaviest :: pos_integer() | infinity,
         weight = 0 :: non_neg_integer(), order = queue:new() :: queue:queue(term()),
         entries = #{} :: #{term() => {Value :: term(), Weight :: pos_integer()}}}).
-opaque bounded_map(_Key, _Value) :: #bounded_map{}.

-spec new(Entries :: pos_integer()) -> bounded_map(_, _).
new(Max) -> new(Max, infinity).

-spec new(Entries :: pos_integer(), Weight :: pos_integer() | infinity) -> bounded_map(_, _).
new(Max, Heaviest) -> #bounded_map{max = Max, heaviest = Heaviest}.

%% @doc Puts an entry with a weight of 1.
-spec put(Key, Value, bounded_map(Key, Value)) -> bounded_map(Key, Value).
put(Key, Value, Map) -> put(Key, Value, 1, Map).

%% @doc Puts an entry. A present key keeps its place in the order. The last entry stays, whatever
%% its weight is.
-spec put(Key, Value, Weight :: pos_integer(), bounded_map(Key, Value)) -> bounded_map(Key, Value).
put(Key, Value, Weight, #bounded_map{entries = Entries, weight = All} = Map)
  when is_map_key(Key, Entries) ->
    #{Key := {_, Old}} = Entries,
    with_room(Map#bounded_map{entries = Entries#{Key := {Value, Weight}},
                              weight = All - Old + Weight});
put(Key, Value, Weight, #bounded_map{order = Order, entries = Entries, weight = All} = Map) ->
    with_room(Map#bounded_map{order = queue:in(Key, Order),
                              entries = Entries#{Key => {Value, Weight}}, weight = All + Weight}).

with_room(#bounded_map{max = Max, heaviest = Heaviest, entries = Entries, weight = Weight} = Map)
  when map_size(Entries) > Max; Weight > Heaviest, map_size(Entries) > 1 ->
    {{value, Oldest}, Left} = queue:out(Map#bounded_map.order),
    {{_, Less}, Others} = maps:take(Oldest, Entries),
    with_room(Map#bounded_map{order = Left, entries = Others, weight = Weight - Less});
with_room(Map) -> Map.

-spec find(Key, bounded_map(Key, Value)) -> {ok, Value} | error.
find(Key, #bounded_map{entries = Entries}) ->
    case Entries of
        #{Key := {Value, _}} -> {ok, Value};
        _ -> error
    end.

-spec get(Key, bounded_map(Key, Value), Default) -> Value | Default.
get(Key, Map, Default) ->
    case find(Key, Map) of
        {ok, Value} -> Value;
        error -> Default
    end.

-spec remove(Key, bounded_map(Key, Value)) -> bounded_map(Key, Value).
remove(Key, #bounded_map{order = Order, entries = Entries, weight = Weight} = Map) ->
    case maps:take(Key, Entries) of
        {{_, Less}, Left} ->
            Map#bounded_map{order = queue:delete(Key, Order), entries = Left,
                            weight = Weight - Less};
        error -> Map
    end.

%% @doc The entries, in the order in which their keys were put.
-spec to_list(bounded_map(Key, Value)) -> [{Key, Value}].
to_list(#bounded_map{order = Order, entries = Entries}) ->
    [{Key, Value} || Key <- queue:to_list(Order), {Value, _} <- [maps:get(Key, Entries)]].
