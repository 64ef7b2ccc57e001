%% @private
%% Who is there in a realm, by their heartbeats, where they are called and how far away they are; and of whom a node takes
%% migrants.
%%
%% A value without a clock: `Now' is in ms of one that never goes back, and `Time' in ms since 1970.
-module(cambrian_members).

-export([new/2, is_known/2, earned/2, is_news/3, stamp/2, heartbeat/3, spoke/3, answered/3, renamed/2, forget/2, alive/2, addresses/2,
         address/2, interval/2, max_interval/0, unmeasured/2, sources/3]).
-export_type([members/0, member/0, topology/0]).

%% Of whom migrants are taken: of all; of the one whose key comes before; of `K', others every hour; of the `K' that
%% answer fastest.
-type topology() :: all | ring | {random, K :: pos_integer()} | {nearest, K :: pos_integer()}.
%% `seen' as `Now', `time' as in its last heartbeat, `round_trip' in ms.
-type member() :: #{address := undefined | binary(), seen := integer(), time := integer(), interval := pos_integer(),
                    round_trip := undefined | number()}.

%% `fresh' are those of the known that any newcomer may push out.
-record(members, {own :: cambrian_identity:key(), known = #{} :: #{cambrian_identity:key() => member()},
                  fresh :: cambrian_random_eviction:candidates()}).
-opaque members() :: #members{}.

-define(MAX_KNOWN, 10_000).
-define(AGE_MS, 5 * 60_000).
%% So many heartbeats may be lost.
-define(MISSED, 3).
%% A node spends so many bytes a second on hearing who is there, so that with many nodes each speaks more seldom.
-define(BYTES_PER_SECOND, 60).
-define(HEARTBEAT_BYTES, 170).
-define(SHORTEST_MS, 5_000).
-define(LONGEST_MS, 3_600_000).
-define(HOUR_MS, 3_600_000).

%% @doc From the seed follows who is forgotten where there is no room.
-spec new(cambrian_identity:key(), Seed :: integer()) -> members().
new(Own, Seed) -> #members{own = Own, fresh = cambrian_random_eviction:new(Seed)}.

%% @doc Whether something that this key signed was heard before.
-spec is_known(cambrian_identity:key(), members()) -> boolean().
is_known(Key, #members{known = Known}) -> is_map_key(Key, Known).

%% @doc Whoever has earned a place here keeps it.
-spec earned(cambrian_identity:key(), members()) -> members().
earned(Key, #members{fresh = Fresh} = Members) -> Members#members{fresh = cambrian_random_eviction:remove(Key, Fresh)}.

%% @doc Whether it is worth looking at the signature. A time that cannot have been was taken before a clock was set back,
%% and refuses none that came after.
-spec is_news(cambrian_message:heartbeat(), Time :: integer(), members()) -> boolean().
is_news(#{key := Own}, _Time, #members{own = Own}) -> false;
is_news(#{time := Said}, Time, _) when abs(Time - Said) > ?AGE_MS -> false;
is_news(#{key := Key, time := Said}, Time, #members{known = Known}) ->
    case Known of
        #{Key := #{time := Last}} -> Said > Last orelse Last > Time + ?AGE_MS;
        _ -> true
    end.

%% @doc The time for our next heartbeat. Others take none that is not later than the last: after a clock was set back a
%% little, it is the last one and a ms; after more they would not have taken that one for true, or would not now.
-spec stamp(Time :: integer(), Last :: integer()) -> integer().
stamp(Time, Last) when Time > Last; Last > Time + ?AGE_MS -> Time;
stamp(_Time, Last) -> Last + 1.

%% @doc With a signature that held.
-spec heartbeat(cambrian_message:heartbeat(), Now :: integer(), members()) -> {new | known, members()}.
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

%% Anybody can make keys: of those that have not earned their place any one goes, and who has is the last to go.
with_room(#members{known = Known} = Members) when map_size(Known) < ?MAX_KNOWN -> Members;
with_room(#members{known = Known, fresh = Fresh} = Members) ->
    case cambrian_random_eviction:draw(Fresh) of
        {ok, Key, Drawn} -> forget(Key, Members#members{fresh = Drawn});
        empty ->
            {_, Oldest} = lists:min([{Seen, Key} || {Key, #{seen := Seen}} <- maps:to_list(Known)]),
            forget(Oldest, Members)
    end.

%% @doc What else this key signed is a sign of life.
-spec spoke(cambrian_identity:key(), Now :: integer(), members()) -> members().
spoke(Own, _Now, #members{own = Own} = Members) -> Members;
spoke(Key, Now, #members{known = Known} = Members) ->
    case Known of
        #{Key := Member} -> Members#members{known = Known#{Key := Member#{seen := Now}}};
        _ -> add(Key, #{address => undefined, seen => Now, time => 0, interval => ?SHORTEST_MS, round_trip => undefined}, Members)
    end.

%% @doc How long a call of this key's address took.
-spec answered(cambrian_identity:key(), Ms :: number(), members()) -> members().
answered(Key, Ms, #members{known = Known} = Members) ->
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
    Members#members{known = maps:remove(Key, Known), fresh = cambrian_random_eviction:remove(Key, Fresh)}.

%% @doc Those that were heard of lately.
-spec alive(Now :: integer(), members()) -> #{cambrian_identity:key() => member()}.
alive(Now, #members{known = Known}) -> maps:filter(fun(_, Member) -> is_alive(Member, Now) end, Known).

is_alive(#{seen := Seen, interval := Interval}, Now) -> Now - Seen =< ?MISSED * max(Interval, ?SHORTEST_MS).

%% @doc Where those that are there say that they can be called, in the order of their keys.
-spec addresses(Now :: integer(), members()) -> [{Address :: binary(), cambrian_identity:key()}].
addresses(Now, Members) ->
    [{Address, Key} || {Key, #{address := Address}} <- lists:sort(maps:to_list(alive(Now, Members))), is_binary(Address)].

%% @doc Where this key said that it can be called.
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
    max(?SHORTEST_MS, min(?LONGEST_MS, Nodes * ?HEARTBEAT_BYTES * 1000 div ?BYTES_PER_SECOND)).

-spec max_interval() -> pos_integer().
max_interval() -> ?LONGEST_MS.

%% @doc Those that are there and were never called, in the order of their addresses.
-spec unmeasured(Now :: integer(), members()) -> [{Address :: binary(), cambrian_identity:key()}].
unmeasured(Now, Members) ->
    lists:sort([{Address, Key} || {Key, #{address := Address, round_trip := undefined}} <- maps:to_list(alive(Now, Members)),
                                  is_binary(Address)]).

%%% ---- topologies -------------------------------------------------------------------------

%% @doc The keys of whom migrants are taken, or all.
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
    %% atoms come after numbers: those that were not measured come last
    ByDistance = [{Trip, Key} || {Key, #{round_trip := Trip}} <- maps:to_list(alive(Now, Members))],
    [Key || {_, Key} <- lists:sublist(lists:sort(ByDistance), K)].
