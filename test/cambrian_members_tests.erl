-module(cambrian_members_tests).
-include_lib("eunit/include/eunit.hrl").

-define(T0, 1_800_000_000_000).
-define(MINUTE, 60_000).

key(N) -> <<N:256>>.

new() -> cambrian_members:new(key(50), 1).

heartbeat(N, At) -> heartbeat(N, At, 5000).
heartbeat(N, At, Interval) ->
    #{key => key(N), address => address(N), time => At, interval => Interval}.

address(N) -> <<"node ", (integer_to_binary(N))/binary>>.

heard(Heartbeat, Now, Members) -> element(2, cambrian_members:heartbeat(Heartbeat, Now, Members)).

with(Ns) -> lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0), ?T0, M) end, new(), Ns).

%% Members that have all earned a place.
with_places(Ns) -> with_places(Ns, with(Ns)).
with_places(Ns, Members) ->
    lists:foldl(fun(N, M) -> cambrian_members:earned(key(N), M) end, Members, Ns).

%% Adds so many keys of one attacker that claim a heartbeat interval of an hour.
with_sybils(Count, Members) ->
    lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0, 3_600_000), ?T0, M) end, Members,
                lists:seq(100_001, 100_000 + Count)).

alive(Now, Members) ->
    [N || <<N:256>> <- lists:sort(maps:keys(cambrian_members:alive(Now, Members)))].

numbers(Keys) -> [N || <<N:256>> <- Keys].

%%% ---- alive ------------------------------------------------------------------------------

a_member_is_gone_after_three_missed_heartbeats_test() ->
    Members = heard(heartbeat(1, ?T0, 20_000), ?T0, with([2])),
    ?assertEqual([1, 2], alive(?T0 + 15_000, Members)),
    ?assertEqual([1], alive(?T0 + 15_001, Members)),
    ?assertEqual([1], alive(?T0 + 60_000, Members)),
    ?assertEqual([], alive(?T0 + 60_001, Members)).

a_tiny_interval_does_not_make_a_member_dead_at_once_test() ->
    ?assertEqual([1], alive(?T0 + 14_000, heard(heartbeat(1, ?T0, 1), ?T0, new()))).

a_member_that_comes_back_is_new_test() ->
    {new, Once} = cambrian_members:heartbeat(heartbeat(1, ?T0), ?T0, new()),
    {known, Twice} = cambrian_members:heartbeat(heartbeat(1, ?T0 + 5000), ?T0 + 5000, Once),
    ?assertMatch({new, _},
                 cambrian_members:heartbeat(heartbeat(1, ?T0 + ?MINUTE), ?T0 + ?MINUTE, Twice)).

any_message_of_a_member_keeps_it_alive_test() ->
    Members = cambrian_members:spoke(key(1), ?T0 + 14_000, with([1])),
    ?assertEqual([1], alive(?T0 + 28_000, Members)),
    Unknown = cambrian_members:spoke(key(2), ?T0, new()),
    ?assertEqual([2], alive(?T0, Unknown)),
    ?assertEqual([], cambrian_members:addresses(?T0, Unknown)),
    ?assertEqual(new(), cambrian_members:spoke(key(50), ?T0, new())).

only_addresses_of_members_that_are_alive_are_listed_test() ->
    ?assertEqual([{address(1), key(1)}, {address(2), key(2)}],
                 cambrian_members:addresses(?T0, with([2, 1]))),
    ?assertEqual([], cambrian_members:addresses(?T0 + ?MINUTE, with([2, 1]))).

a_forgotten_member_is_gone_test() ->
    ?assertEqual([2], alive(?T0, cambrian_members:forget(key(1), with([1, 2])))).

%%% ---- heartbeats worth verifying ----------------------------------------------------------

is_news(Heartbeat, Now, Members) -> cambrian_members:is_news(Heartbeat, Now, Members).

a_heartbeat_counts_once_test() ->
    Members = with([1]),
    ?assertNot(is_news(heartbeat(1, ?T0), ?T0, Members)),
    ?assertNot(is_news(heartbeat(1, ?T0 - 1), ?T0, Members)),
    ?assert(is_news(heartbeat(1, ?T0 + 1), ?T0, Members)).

a_nodes_own_heartbeat_does_not_count_test() ->
    ?assertNot(is_news(heartbeat(50, ?T0), ?T0, new())),
    ?assert(is_news(heartbeat(50, ?T0), ?T0, cambrian_members:renamed(key(51), new()))),
    ?assertNot(is_news(heartbeat(51, ?T0), ?T0, cambrian_members:renamed(key(51), new()))).

a_heartbeat_may_be_off_by_five_minutes_either_way_test() ->
    [?assertEqual({Off, News}, {Off, is_news(heartbeat(1, ?T0 + Off), ?T0, new())})
     || {Off, News} <- [{-5 * ?MINUTE - 1, false}, {-5 * ?MINUTE, true}, {5 * ?MINUTE, true},
                        {5 * ?MINUTE + 1, false}]].

%% After this node's clock was set back, earlier heartbeats of others lie in the future. Their
%% next heartbeats must still count.
heartbeats_from_before_a_clock_was_set_back_silence_no_member_test() ->
    Members = with([1]),
    ?assertNot(is_news(heartbeat(1, ?T0 - ?MINUTE), ?T0 - ?MINUTE, Members)),
    ?assert(is_news(heartbeat(1, ?T0 - 60 * ?MINUTE), ?T0 - 60 * ?MINUTE, Members)),
    ?assertNot(is_news(heartbeat(1, ?T0), ?T0 - 60 * ?MINUTE, Members)).

%% A node accepts each heartbeat that follows one it accepted, if its clock is about right.
the_next_heartbeat_has_a_later_time_whatever_the_clock_does_test() ->
    [?assertEqual({Step, Stamp - ?T0}, {Step, cambrian_members:stamp(?T0 + Step, ?T0) - ?T0})
     || {Step, Stamp} <- [{5000, ?T0 + 5000}, {0, ?T0 + 1}, {-?MINUTE, ?T0 + 1},
                          {-5 * ?MINUTE, ?T0 + 1},
                          {-60 * ?MINUTE, ?T0 - 60 * ?MINUTE}, {60 * ?MINUTE, ?T0 + 60 * ?MINUTE}]].

%%% ---- intervals --------------------------------------------------------------------------

%% The number of heartbeats that a node hears does not grow with the number of nodes.
the_interval_grows_with_the_number_of_nodes_test() ->
    Intervals =
        [{Nodes, cambrian_members:interval(?T0, with_places(lists:seq(100, 98 + Nodes)))}
         || Nodes <- [1, 2, 3, 30, 300, 1000]],
    ?assertEqual([5000, 5666, 8500, 85_000, 850_000, 2_833_333],
                 [Interval || {_, Interval} <- Intervals]),
    [?assert(Nodes * 170 / (Interval / 1000) < 60.1) || {Nodes, Interval} <- Intervals],
    ?assertEqual(cambrian_members:max_interval(),
                 cambrian_members:interval(?T0, with_places(lists:seq(100, 3000)))).

members_that_are_gone_do_not_slow_the_others_test() ->
    ?assertEqual(5000, cambrian_members:interval(?T0 + ?MINUTE, with_places(lists:seq(100, 400)))).

%% Anybody can make keys, so all keys without a place together count at most as 32, plus three for
%% each key with a place and for this node.
a_flood_of_keys_slows_heartbeats_only_to_a_bound_test() ->
    [begin
         Flooded = with_sybils(1400, with_places(lists:seq(1, Places))),
         Most = 4 * (Places + 1) + 32,
         ?assertEqual({Most, Most * 170 * 1000 div 60},
                      {cambrian_members:pace(?T0, Flooded),
                       cambrian_members:interval(?T0, Flooded)})
     end || Places <- [0, 1, 3, 30]].

a_few_fresh_keys_count_like_others_test() ->
    ?assertEqual([4, 6, 47, 48, 48],
                 [cambrian_members:pace(?T0, with_sybils(Fresh, with_places([1, 2, 3])))
                  || Fresh <- [0, 2, 43, 44, 45]]).

%% A fresh key may claim an interval of an hour, but it is expected after ten minutes.
the_claimed_interval_of_a_fresh_key_is_bounded_test() ->
    Sybils = with_sybils(1400, new()),
    ?assertEqual({1400, 0},
                 {length(alive(?T0 + 30 * ?MINUTE, Sybils)),
                  length(alive(?T0 + 30 * ?MINUTE + 1, Sybils))}),
    Earned = with_places([1], heard(heartbeat(1, ?T0, 3_600_000), ?T0, Sybils)),
    ?assertEqual([1], alive(?T0 + 180 * ?MINUTE, Earned)),
    ?assertEqual([], alive(?T0 + 180 * ?MINUTE, cambrian_members:fresh(key(1), Earned))).

%%% ---- bounds -----------------------------------------------------------------------------

%% A newcomer always becomes a member. It replaces a random member without a place, whenever that
%% member last spoke.
a_newcomer_replaces_a_random_member_without_a_place_test_() ->
    {timeout, 60, fun() ->
        Old = lists:seq(100, 1_099),
        Few = with_places([7], heard(heartbeat(7, ?T0, 3_600_000), ?T0, new())),
        Members =
            lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0 + N, 3_600_000), ?T0 + N, M) end, Few,
                        lists:seq(100, 20_098)),
        Alive = alive(?T0 + 20_000, Members),
        ?assertEqual({10_000, true, true},
                     {length(Alive), lists:member(7, Alive), lists:member(20_098, Alive)}),
        %% of the first thousand, which were silent longest, as many stay as of others: (1 -
        %% 1/9999)^10000 of them
        Stayed = length([N || N <- Alive, lists:member(N, Old)]),
        ?assert(Stayed > 300 andalso Stayed < 440)
    end}.

a_member_that_earned_its_place_is_forgotten_last_test() ->
    Members = cambrian_members:earned(key(1), with([1, 2])),
    ?assertEqual([2], alive(?T0, cambrian_members:forget(key(1), Members))).

%%% ---- distances --------------------------------------------------------------------------

a_distance_is_measured_once_and_smoothed_test() ->
    ?assertEqual([{address(1), key(1)}, {address(2), key(2)}],
                 cambrian_members:unmeasured(?T0, with([2, 1]))),
    One = cambrian_members:measured(key(1), 10, with([2, 1])),
    ?assertEqual([{address(2), key(2)}], cambrian_members:unmeasured(?T0, One)),
    Both = cambrian_members:measured(key(1), 20, cambrian_members:measured(key(2), 5, One)),
    ?assertEqual([], cambrian_members:unmeasured(?T0, Both)),
    #{round_trip := Trip} = maps:get(key(1), cambrian_members:alive(?T0, Both)),
    ?assert(abs(Trip - 13) < 1.0e-9).

a_heartbeat_keeps_the_measured_distance_test() ->
    Members =
        heard(heartbeat(1, ?T0 + 1), ?T0 + 1, cambrian_members:measured(key(1), 10, with([1]))),
    ?assertMatch(#{round_trip := 10}, maps:get(key(1), cambrian_members:alive(?T0, Members))).

a_member_without_an_address_is_not_measured_test() ->
    ?assertEqual([], cambrian_members:unmeasured(?T0, cambrian_members:spoke(key(1), ?T0, new()))).

%%% ---- topologies -------------------------------------------------------------------------

sources(Topology, Now, Members) ->
    case cambrian_members:sources(Topology, Now, Members) of
        all -> all;
        Keys -> numbers(Keys)
    end.

the_topology_all_takes_from_all_members_test() -> ?assertEqual(all, sources(all, ?T0, new())).

a_node_alone_takes_from_no_member_test() ->
    [?assertEqual([], sources(Topology, ?T0, new()))
     || Topology <- [ring, {random, 3}, {nearest, 3}]].

%% Each member takes from the one before it, all the way round.
a_ring_leads_through_all_members_test() ->
    Ns = [3, 14, 15, 92, 65],
    Before =
        [{N,
          sources(ring, ?T0,
                  lists:foldl(fun(Other, M) -> heard(heartbeat(Other, ?T0), ?T0, M) end,
                              cambrian_members:new(key(N), 1), Ns -- [N]))}
         || N <- Ns],
    ?assertEqual([{3, [92]}, {14, [3]}, {15, [14]}, {65, [15]}, {92, [65]}], lists:sort(Before)).

a_ring_closes_over_members_that_are_gone_test() ->
    Members = heard(heartbeat(20, ?T0 + ?MINUTE), ?T0 + ?MINUTE, with([20, 30, 40])),
    ?assertEqual([40], sources(ring, ?T0, Members)),
    ?assertEqual([20], sources(ring, ?T0 + ?MINUTE, Members)).

random_sources_stay_the_same_for_an_hour_test() ->
    Ns = lists:seq(100, 130),
    Members =
        with_places(Ns,
                    lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0, 3_600_000), ?T0, M) end, new(),
                                Ns)),
    Hour = fun(H) -> lists:sort(sources({random, 3}, ?T0 + H, Members)) end,
    ?assertEqual(3, length(Hour(0))),
    ?assertEqual(Hour(0), Hour(3_599_999)),
    Hours = [Hour(H * 3_600_000) || H <- lists:seq(0, 2)],
    ?assertEqual(3, length(lists:usort(Hours))),
    ?assertEqual(31, length(sources({random, 100}, ?T0, Members))).

random_sources_include_every_member_equally_often_test() ->
    Members = with(lists:seq(100, 109)),
    Drawn =
        [N
         || Own <- lists:seq(1000, 1299),
         N <- sources({random, 2}, ?T0, cambrian_members:renamed(key(Own), Members))],
    [?assert(abs(length([D || D <- Drawn, D =:= N]) - 60) < 30) || N <- lists:seq(100, 109)].

the_nearest_sources_are_those_that_answer_fastest_test() ->
    Members =
        lists:foldl(fun({N, Ms}, M) -> cambrian_members:measured(key(N), Ms, M) end,
                    with([1, 2, 3, 4]),
                    [{1, 30}, {2, 5.5}, {3, 10}]),
    ?assertEqual([2, 3], sources({nearest, 2}, ?T0, Members)),
    ?assertEqual([2, 3, 1, 4], sources({nearest, 9}, ?T0, Members)).

%% Among 1,400 keys of an attacker, two thirds of the picked members have earned a place. In every
%% third hour a ring picks a key without a place.
keys_without_a_place_get_a_third_of_a_topology_test_() ->
    {timeout, 60, fun() ->
        Places = [10, 20, 30],
        Members =
            lists:foldl(fun(N, M) -> cambrian_members:measured(key(N), 50, M) end,
                        with_sybils(1400, with_places(Places)), Places),
        %% the attacker's keys are the nearest, and one of them precedes this node's key
        Near =
            lists:foldl(fun(N, M) -> cambrian_members:measured(key(N), 1, M) end,
                        heard(heartbeat(49, ?T0), ?T0, Members), lists:seq(100_001, 100_100)),
        Start = ?T0 div 3_600_000 * 3_600_000,
        Beating =
            fun(Hour) ->
                lists:foldl(fun(N, M) -> heard(heartbeat(N, Hour), Hour, M) end, Near,
                            Places ++ [49 | lists:seq(100_001, 101_400)]) end,
        [begin
             Picked =
                 lists:append([sources(Topology, Hour, Beating(Hour))
                               || H <- lists:seq(0, 2), Hour <- [Start + H * 3_600_000]]),
             ?assertEqual({Topology, 3 * K}, {Topology, length(Picked)}),
             ?assertEqual({Topology, 2 * K},
                          {Topology, length([N || N <- Picked, lists:member(N, Places)])})
         end
         || {Topology, K} <- [{ring, 1}, {{random, 1}, 1}, {{random, 3}, 3}, {{nearest, 1}, 1},
                              {{nearest, 3}, 3}]]
    end}.

%% If there are no members of one kind, members of the other kind fill the slots.
every_slot_of_a_topology_is_filled_test() ->
    [?assertEqual({Count, 3}, {Count, length(sources({random, 3}, ?T0, Members))})
     || {Count, Members} <- [{none, with(lists:seq(1, 9))},
                             {one, with_places([1], with(lists:seq(1, 9)))},
                             {all, with_places(lists:seq(1, 9))}]].

members_with_a_place_are_measured_first_in_a_flood_test() ->
    ?assertEqual([{address(200_000), key(200_000)}],
                 lists:sublist(cambrian_members:unmeasured(?T0,
                                                           with_places([200_000],
                                                                       with([1, 2, 200_000]))), 1)).
