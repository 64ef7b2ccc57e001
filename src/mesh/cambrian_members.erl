%% @private
%% Which nodes are there in a realm, by their heartbeats; their addresses, and how far away they
%% are; and from which of them this node takes migrants.
%%
%% A value without a clock: `Now' is in ms of a clock that never goes back, `Time' in ms since 1970.
-module(cambrian_members).

-export([new/2, is_known/2, earned/2, is_news/3, stamp/2, heartbeat/3, spoke/3, measured/3,
         renamed/2, forget/2, alive/2, addresses/2, address/2, interval/2, max_interval/0,
         unmeasured/2, sources/3]).
-export_type([members/0, member/0, topology/0]).

%% Whose migrants are taken: those of all nodes; of the node whose key comes before; of `K' nodes,
%% others every hour; or of the `K' nodes with the shortest round trip.
-type topology() :: all | ring | {random, K :: pos_integer()} | {nearest, K :: pos_integer()}.
%% `seen' is as `Now', `time' is that of the last heartbeat, `round_trip' is in ms.
-type member() :: #{address := undefined | binary(), seen := integer(), time := integer(),
                    interval := pos_integer(), round_trip := undefined | number()}.

%% A new key may push out any of the `fresh' members.
-record(members, {own :: cambrian_identity:key(),
                  known = #{} :: #{cambrian_identity:key() => member()},
                  fresh :: cambrian_random_eviction:candidates()}).
-opaque members() :: #members{}.

-define(MAX_KNOWN, 10_000).
-define(AGE_MS, 5 * 60_000).
%% A member is gone when so many of its heartbeats are missing.
-define(MISSED, 3).
%% A node spends so many bytes a second on heartbeats of others: the more nodes there are, the more
%% seldom each speaks.
-define(BYTES_PER_SECOND, 60).
-define(HEARTBEAT_BYTES, 170).
-define(SHORTEST_MS, 5_000).
-define(LONGEST_MS, 3_600_000).
-define(HOUR_MS, 3_600_000).

%% @doc The seed decides which members are forgotten when there is no room.
-spec new(cambrian_identity:key(), Seed :: integer()) -> members().
new(Own, Seed) -> #members{own = Own, fresh = cambrian_random_eviction:new(Seed)}.

%% @doc Whether this node has heard something that the key signed.
-spec is_known(cambrian_identity:key(), members()) -> boolean().
is_known(Key, #members{known = Known}) -> is_map_key(Key, Known).

%% @doc The key has earned its place, and keeps it.
-spec earned(cambrian_identity:key(), members()) -> members().
earned(Key, #members{fresh = Fresh} = Members) ->
    Members#members{fresh = cambrian_random_eviction:remove(Key, Fresh)}.

%% @doc Whether the signature of a heartbeat is worth verifying: it must be newer than the last. A
%% last time that lies in the future was accepted before a clock was set back, and does not count.
-spec is_news(cambrian_message:heartbeat(), Time :: integer(), members()) -> boolean().
is_news(#{key := Own}, _Time, #members{own = Own}) -> false;
is_news(#{time := Said}, Time, _) when abs(Time - Said) > ?AGE_MS -> false;
is_news(#{key := Key, time := Said}, Time, #members{known = Known}) ->
    case Known of
        #{Key := #{time := Last}} -> Said > Last orelse Last > Time + ?AGE_MS;
        _ -> true
    end.

%% @doc The time for this node's next heartbeat. Others accept only a later time than the last. So
%% after a clock was set back a little, it is one ms after the last. After more than that, others
%% have not accepted the last one, or do not count it any more.
-spec stamp(Time :: integer(), Last :: integer()) -> integer().
stamp(Time, Last) when Time > Last; Last > Time + ?AGE_MS -> Time;
stamp(_Time, Last) -> Last + 1.

%% @doc A heartbeat with a genuine signature. `new': the member was not alive before.
-spec heartbeat(cambrian_message:heartbeat(), Now :: integer(), members()) ->
          {new | known, members()}.
heartbeat(#{key := Key} = Heartbeat, Now, #members{known = Known} = Members) ->
    Said = (maps:with([address, time, interval], Heartbeat))#{seen => Now},
    case Known of
        #{Key := Member} ->
            {case is_alive(Member, Now) of true -> known; false -> new end,
             Members#members{known = Known#{Key := maps:merge(Member, Said)}}};
        _ -> {new, add(Key, Said#{round_trip => undefined}, Members)}
    end.

add(Key, Member, Members) ->
    #members{known = Known, fresh = Fresh} = Room = with_room(Members),
    Room#members{known = Known#{Key => Member}, fresh = cambrian_random_eviction:add(Key, Fresh)}.

%% Anybody can make keys: a random key that has not earned its place goes first. If all have earned
%% theirs, the one that was silent for longest goes.
with_room(#members{known = Known} = Members) when map_size(Known) < ?MAX_KNOWN -> Members;
with_room(#members{known = Known, fresh = Fresh} = Members) ->
    case cambrian_random_eviction:draw(Fresh) of
        {ok, Key, Drawn} -> forget(Key, Members#members{fresh = Drawn});
        empty ->
            {_, Oldest} = lists:min([{Seen, Key} || {Key, #{seen := Seen}} <- maps:to_list(Known)]),
            forget(Oldest, Members)
    end.

%% @doc Anything else that the key signed is a sign of life.
-spec spoke(cambrian_identity:key(), Now :: integer(), members()) -> members().
spoke(Own, _Now, #members{own = Own} = Members) -> Members;
spoke(Key, Now, #members{known = Known} = Members) ->
    case Known of
        #{Key := Member} -> Members#members{known = Known#{Key := Member#{seen := Now}}};
        _ ->
            Member = #{address => undefined, seen => Now, time => 0, interval => ?SHORTEST_MS,
                       round_trip => undefined},
            add(Key, Member, Members)
    end.

%% @doc How long a call to the key's address took.
-spec measured(cambrian_identity:key(), Ms :: number(), members()) -> members().
measured(Key, Ms, #members{known = Known} = Members) ->
    case Known of
        #{Key := #{round_trip := Before} = Member} ->
            Smoothed = case Before of undefined -> Ms; _ -> 0.7 * Before + 0.3 * Ms end,
            Members#members{known = Known#{Key := Member#{round_trip := Smoothed}}};
        _ -> Members
    end.

%% @doc This node has another key from now on.
-spec renamed(cambrian_identity:key(), members()) -> members().
renamed(Own, Members) -> Members#members{own = Own}.

-spec forget(cambrian_identity:key(), members()) -> members().
forget(Key, #members{known = Known, fresh = Fresh} = Members) ->
    Members#members{known = maps:remove(Key, Known),
                    fresh = cambrian_random_eviction:remove(Key, Fresh)}.

%% @doc The members that spoke lately.
-spec alive(Now :: integer(), members()) -> #{cambrian_identity:key() => member()}.
alive(Now, #members{known = Known}) ->
    maps:filter(fun(_, Member) -> is_alive(Member, Now) end, Known).

is_alive(#{seen := Seen, interval := Interval}, Now) ->
    Now - Seen =< ?MISSED * max(Interval, ?SHORTEST_MS).

%% @doc The addresses that living members claim, in the order of their keys.
-spec addresses(Now :: integer(), members()) -> [{Address :: binary(), cambrian_identity:key()}].
addresses(Now, Members) ->
    InOrder = lists:sort(maps:to_list(alive(Now, Members))),
    [{Address, Key} || {Key, #{address := Address}} <- InOrder, is_binary(Address)].

%% @doc The address that this key claims.
-spec address(cambrian_identity:key(), members()) -> {ok, binary()} | none.
address(Key, #members{known = Known}) ->
    case Known of
        #{Key := #{address := Address}} when is_binary(Address) -> {ok, Address};
        _ -> none
    end.

%% @doc How long this node waits between two heartbeats.
-spec interval(Now :: integer(), members()) -> pos_integer().
interval(Now, Members) ->
    Nodes = map_size(alive(Now, Members)) + 1,
    Fair = Nodes * ?HEARTBEAT_BYTES * 1000 div ?BYTES_PER_SECOND,
    max(?SHORTEST_MS, min(?LONGEST_MS, Fair)).

-spec max_interval() -> pos_integer().
max_interval() -> ?LONGEST_MS.

%% @doc The addresses of living members that were never called, in order.
-spec unmeasured(Now :: integer(), members()) -> [{Address :: binary(), cambrian_identity:key()}].
unmeasured(Now, Members) ->
    lists:sort([{Address, Key} || {Key, #{address := Address, round_trip := undefined}}
                                      <- maps:to_list(alive(Now, Members)),
                                  is_binary(Address)]).

%%% ---- topologies -------------------------------------------------------------------------

%% @doc The keys whose migrants are taken, or all.
-spec sources(topology(), Now :: integer(), members()) -> all | [cambrian_identity:key()].
sources(all, _Now, _Members) -> all;
sources(ring, Now, #members{own = Own} = Members) ->
    case lists:sort(maps:keys(alive(Now, Members))) of
        [] -> [];
        Keys ->
            case [Key || Key <- Keys, Key < Own] of
                [] -> [lists:last(Keys)];
                Before -> [lists:last(Before)]
            end
    end;
sources({random, K}, Now, #members{own = Own} = Members) ->
    Hour = Now div ?HOUR_MS,
    Drawn = [{erlang:phash2({Own, Key, Hour}), Key} || Key <- maps:keys(alive(Now, Members))],
    [Key || {_, Key} <- lists:sublist(lists:sort(Drawn), K)];
sources({nearest, K}, Now, Members) ->
    %% atoms sort after numbers: members that were not measured come last
    ByDistance = [{Trip, Key}
                  || {Key, #{round_trip := Trip}} <- maps:to_list(alive(Now, Members))],
    [Key || {_, Key} <- lists:sublist(lists:sort(ByDistance), K)].
