%% @private
%% The nodes that are present in a realm, by their heartbeats; their addresses and distances; and
%% the nodes from which this node takes migrants.
%%
%% This is a value without a clock: `Now' is in ms of a monotonic clock, `Time' in ms since 1970.
-module(cambrian_members).

-export([new/2, is_known/2, earned/2, fresh/2, is_news/3, stamp/2, heartbeat/3, spoke/3, measured/3,
         renamed/2, forget/2, alive/2, addresses/2, address/2, at/3, draw/4, pace/2, interval/2,
         max_interval/0, unmeasured/2, sources/3]).
-export_type([members/0, member/0, topology/0]).

%% The nodes whose migrants are taken: all nodes; the node whose key comes before; `K' nodes, which
%% change every hour; or the `K' nodes with the shortest round trip.
-type topology() :: all | ring | {random, K :: pos_integer()} | {nearest, K :: pos_integer()}.
%% `seen' has the clock of `Now', `time' is the time in the last heartbeat, `round_trip' is in ms.
-type member() :: #{address := undefined | binary(), seen := integer(), time := integer(),
                    interval := pos_integer(), round_trip := undefined | number()}.

%% The `fresh' members have not earned a place. A new key may replace any of them. An attacker can
%% make any number of fresh members, so together they have little influence.
-record(members, {own :: cambrian_identity:key(),
                  known = #{} :: #{cambrian_identity:key() => member()},
                  fresh :: cambrian_random_eviction:candidates()}).
-opaque members() :: #members{}.

-define(MAX_KNOWN, 10_000).
-define(AGE_MS, 5 * 60_000).
%% A member is gone after so many missing heartbeats.
-define(MISSED, 3).
%% A node spends so many bytes a second on other nodes' heartbeats: the more nodes there are, the
%% more rarely each node sends a heartbeat.
-define(BYTES_PER_SECOND, 60).
-define(HEARTBEAT_BYTES, 170).
-define(SHORTEST_MS, 5_000).
-define(LONGEST_MS, 3_600_000).
%% A fresh member that announces a longer interval is expected after this time anyway.
-define(LONGEST_FRESH_MS, 600_000).
-define(HOUR_MS, 3_600_000).
%% At most so many fresh members slow the pace of a node, and so many more for each member with a
%% place.
-define(MOST_FRESH, 32).
-define(FRESH_EACH, 3).

%% @doc No members yet. The seed decides which members are forgotten when there is no room.
-spec new(cambrian_identity:key(), Seed :: integer()) -> members().
new(Own, Seed) -> #members{own = Own, fresh = cambrian_random_eviction:new(Seed)}.

%% @doc Whether this node has received a message that the key signed.
-spec is_known(cambrian_identity:key(), members()) -> boolean().
is_known(Key, #members{known = Known}) -> is_map_key(Key, Known).

%% @doc The key has earned its place, and keeps it.
-spec earned(cambrian_identity:key(), members()) -> members().
earned(Key, #members{fresh = Fresh} = Members) ->
    Members#members{fresh = cambrian_random_eviction:remove(Key, Fresh)}.

%% @doc The key has no place, or has lost it.
-spec fresh(cambrian_identity:key(), members()) -> members().
fresh(Key, #members{known = Known, fresh = Fresh} = Members) when is_map_key(Key, Known) ->
    Members#members{fresh = cambrian_random_eviction:add(Key, Fresh)};
fresh(_Key, Members) -> Members.

%% @doc Whether the signature of a heartbeat is worth verifying: it must be newer than the last
%% heartbeat. A last time that lies in the future was accepted before a clock was set back, and is
%% ignored.
-spec is_news(cambrian_message:heartbeat(), Time :: integer(), members()) -> boolean().
is_news(#{key := Own}, _Time, #members{own = Own}) -> false;
is_news(#{time := Said}, Time, _) when abs(Time - Said) > ?AGE_MS -> false;
is_news(#{key := Key, time := Said}, Time, #members{known = Known}) ->
    case Known of
        #{Key := #{time := Last}} -> Said > Last orelse Last > Time + ?AGE_MS;
        _ -> true
    end.

%% @doc The time in this node's next heartbeat. Other nodes accept only a later time than the last
%% one. So if the clock was set back a little, the time is one ms after the last. If it was set back
%% by more, other nodes have not accepted the last time, or ignore it now.
-spec stamp(Time :: integer(), Last :: integer()) -> integer().
stamp(Time, Last) when Time > Last; Last > Time + ?AGE_MS -> Time;
stamp(_Time, Last) -> Last + 1.

%% @doc Handles a heartbeat with a genuine signature. `new': the member was not alive before.
-spec heartbeat(cambrian_message:heartbeat(), Now :: integer(), members()) ->
          {new | known, members()}.
heartbeat(#{key := Key} = Heartbeat, Now, #members{known = Known, fresh = Fresh} = Members) ->
    Said = (maps:with([address, time, interval], Heartbeat))#{seen => Now},
    case Known of
        #{Key := Member} ->
            {case is_alive(Key, Member, Now, Fresh) of true -> known; false -> new end,
             Members#members{known = Known#{Key := maps:merge(Member, Said)}}};
        _ -> {new, add(Key, Said#{round_trip => undefined}, Members)}
    end.

add(Key, Member, Members) ->
    #members{known = Known, fresh = Fresh} = Room = with_room(Members),
    Room#members{known = Known#{Key => Member}, fresh = cambrian_random_eviction:add(Key, Fresh)}.

%% An attacker can make any number of keys, so a random key without a place is forgotten first. If
%% all keys have a place, the key that was silent for the longest time is forgotten.
with_room(#members{known = Known} = Members) when map_size(Known) < ?MAX_KNOWN -> Members;
with_room(#members{known = Known, fresh = Fresh} = Members) ->
    case cambrian_random_eviction:draw(Fresh) of
        {ok, Key, Drawn} -> forget(Key, Members#members{fresh = Drawn});
        empty ->
            {_, Oldest} = lists:min([{Seen, Key} || {Key, #{seen := Seen}} <- maps:to_list(Known)]),
            forget(Oldest, Members)
    end.

%% @doc Any other message that the key signed is a sign of life.
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

%% @doc Records how long a call to the key's address took.
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

%% @doc The members with recent messages.
-spec alive(Now :: integer(), members()) -> #{cambrian_identity:key() => member()}.
alive(Now, #members{known = Known, fresh = Fresh}) ->
    maps:filter(fun(Key, Member) -> is_alive(Key, Member, Now, Fresh) end, Known).

is_alive(Key, #{seen := Seen, interval := Interval}, Now, Fresh) ->
    Longest = case cambrian_random_eviction:is_candidate(Key, Fresh) of
                  true -> ?LONGEST_FRESH_MS;
                  false -> ?LONGEST_MS
              end,
    Now - Seen =< ?MISSED * max(?SHORTEST_MS, min(Interval, Longest)).

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

%% @doc The key of a living member that claims this address.
-spec at(Address :: binary(), Now :: integer(), members()) -> {ok, cambrian_identity:key()} | none.
at(Address, Now, Members) ->
    case [Key || {Key, #{address := Claimed}} <- maps:to_list(alive(Now, Members)),
                 Claimed =:= Address] of
        [Key | _] -> {ok, Key};
        [] -> none
    end.

%% @doc A living member with an address, at random. Two of three draws are of those that have earned
%% a place, one of fresh ones; what one kind leaves empty, the other fills.
-spec draw(IsWanted :: fun(({Address :: binary(), cambrian_identity:key()}) -> boolean()),
           Now :: integer(), rand:state(), members()) ->
          {{Address :: binary(), cambrian_identity:key()} | none, rand:state()}.
draw(IsWanted, Now, Rand, Members) ->
    {Earned, Fresh} = by_place(Now, Members),
    {Turn, Next} = rand:uniform_s(3, Rand),
    Kinds = case Turn of 3 -> [Fresh, Earned]; _ -> [Earned, Fresh] end,
    draw(Kinds, IsWanted, Next).

draw([], _IsWanted, Rand) -> {none, Rand};
draw([Kind | Others], IsWanted, Rand) ->
    case [{Address, Key} || {Key, #{address := Address}} <- Kind, is_binary(Address),
                            IsWanted({Address, Key})] of
        [] -> draw(Others, IsWanted, Rand);
        Wanted ->
            {Nth, Next} = rand:uniform_s(length(Wanted), Rand),
            {lists:nth(Nth, lists:sort(Wanted)), Next}
    end.

%% @doc How many nodes determine the pace of this node, itself included. All fresh members together
%% count for at most 32, and three for each of the others. So a node in a young mesh of some thirty
%% nodes receives no more heartbeats than in a mature mesh, and a flood of keys slows it only to a
%% bounded pace.
-spec pace(Now :: integer(), members()) -> pos_integer().
pace(Now, Members) ->
    {Earned, Fresh} = by_place(Now, Members),
    Others = length(Earned) + 1,
    Others + min(?MOST_FRESH + ?FRESH_EACH * Others, length(Fresh)).

%% The living members, those with a place first.
by_place(Now, #members{fresh = Fresh} = Members) ->
    IsFresh = fun({Key, _}) -> cambrian_random_eviction:is_candidate(Key, Fresh) end,
    {Strangers, Earned} = lists:partition(IsFresh, maps:to_list(alive(Now, Members))),
    {Earned, Strangers}.

%% @doc How long this node waits between two heartbeats.
-spec interval(Now :: integer(), members()) -> pos_integer().
interval(Now, Members) ->
    Fair = pace(Now, Members) * ?HEARTBEAT_BYTES * 1000 div ?BYTES_PER_SECOND,
    max(?SHORTEST_MS, min(?LONGEST_MS, Fair)).

-spec max_interval() -> pos_integer().
max_interval() -> ?LONGEST_MS.

%% @doc The addresses of living members that this node never called: first those of members with a
%% place.
-spec unmeasured(Now :: integer(), members()) -> [{Address :: binary(), cambrian_identity:key()}].
unmeasured(Now, Members) ->
    {Earned, Fresh} = by_place(Now, Members),
    never_called(Earned) ++ never_called(Fresh).

never_called(Members) ->
    lists:sort([{Address, Key}
                || {Key, #{address := Address, round_trip := undefined}} <- Members,
                   is_binary(Address)]).

%%% ---- topologies -------------------------------------------------------------------------

%% @doc The keys whose migrants are taken, or `all'. Two thirds of the slots are for members with a
%% place, and one third for fresh members: otherwise no stranger could ever earn a place. Slots that
%% one kind leaves empty are for the other kind.
-spec sources(topology(), Now :: integer(), members()) -> all | [cambrian_identity:key()].
sources(all, _Now, _Members) -> all;
sources(Topology, Now, #members{own = Own} = Members) ->
    Hour = Now div ?HOUR_MS,
    Slots = slots(Topology),
    {Earned, Fresh} = by_place(Now, Members),
    ForFresh = min(length(Fresh), fresh_slots(Slots, Hour)),
    FromEarned = min(length(Earned), Slots - ForFresh),
    first(FromEarned, Topology, Own, Hour, Earned)
        ++ first(Slots - FromEarned, Topology, Own, Hour, Fresh).

slots(ring) -> 1;
slots({random, K}) -> K;
slots({nearest, K}) -> K.

%% Every third slot, counted over slots and hours. With a single slot: the slot of every third hour.
fresh_slots(Slots, Hour) -> (Hour + 1) * Slots div 3 - Hour * Slots div 3.

first(Slots, Topology, Own, Hour, Members) ->
    InOrder = lists:sort([{order(Topology, Own, Hour, Member), Key}
                          || {Key, _} = Member <- Members]),
    [Key || {_, Key} <- lists:sublist(InOrder, Slots)].

%% In a ring, from the key before the own key down to the smallest, then from the largest. Atoms
%% sort after numbers, so members with an unknown distance come last.
order(ring, Own, _Hour, {Key, _}) ->
    {Key > Own, -binary:decode_unsigned(Key)};
order({random, _}, Own, Hour, {Key, _}) -> erlang:phash2({Own, Key, Hour});
order({nearest, _}, _Own, _Hour, {_, #{round_trip := Trip}}) -> Trip.
