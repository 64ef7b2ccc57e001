%% @private
%% A map that holds so many entries, and forgets those that were put first.
-module(cambrian_recent).

-export([new/1, put/3, find/2, get/3, remove/2, to_list/1]).
-export_type([recent/2]).

-record(recent, {max :: pos_integer(), order = queue:new() :: queue:queue(term()), entries = #{} :: map()}).
-opaque recent(_Key, _Value) :: #recent{}.

-spec new(pos_integer()) -> recent(_, _).
new(Max) -> #recent{max = Max}.

%% @doc One that is there keeps its place.
-spec put(Key, Value, recent(Key, Value)) -> recent(Key, Value).
put(Key, Value, #recent{entries = Entries} = Recent) when is_map_key(Key, Entries) ->
    Recent#recent{entries = Entries#{Key := Value}};
put(Key, Value, #recent{order = Order, entries = Entries} = Recent) ->
    with_room(Recent#recent{order = queue:in(Key, Order), entries = Entries#{Key => Value}}).

with_room(#recent{max = Max, order = Order, entries = Entries} = Recent) when map_size(Entries) > Max ->
    {{value, Oldest}, Left} = queue:out(Order),
    Recent#recent{order = Left, entries = maps:remove(Oldest, Entries)};
with_room(Recent) -> Recent.

-spec find(Key, recent(Key, Value)) -> {ok, Value} | error.
find(Key, #recent{entries = Entries}) -> maps:find(Key, Entries).

-spec get(Key, recent(Key, Value), Default) -> Value | Default.
get(Key, #recent{entries = Entries}, Default) -> maps:get(Key, Entries, Default).

-spec remove(Key, recent(Key, Value)) -> recent(Key, Value).
remove(Key, #recent{order = Order, entries = Entries} = Recent) ->
    Recent#recent{order = queue:delete(Key, Order), entries = maps:remove(Key, Entries)}.

%% @doc Those that were put first come first.
-spec to_list(recent(Key, Value)) -> [{Key, Value}].
to_list(#recent{order = Order, entries = Entries}) -> [{Key, maps:get(Key, Entries)} || Key <- queue:to_list(Order)].
