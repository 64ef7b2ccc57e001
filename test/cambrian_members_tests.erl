-module(cambrian_members_tests).
-include_lib("eunit/include/eunit.hrl").

-define(T0, 1_800_000_000_000).
-define(MINUTE, 60_000).

key(N) -> <<N:256>>.

new() -> cambrian_members:new(key(50), 1).

heartbeat(N, At) -> heartbeat(N, At, 5000).
heartbeat(N, At, Interval) -> #{key => key(N), address => address(N), time => At, interval => Interval}.

address(N) -> <<"node ", (integer_to_binary(N))/binary>>.

heard(Heartbeat, Now, Members) -> element(2, cambrian_members:heartbeat(Heartbeat, Now, Members)).

with(Ns) -> lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0), ?T0, M) end, new(), Ns).

%% All of them have earned a place.
with_places(Ns) -> with_places(Ns, with(Ns)).
with_places(Ns, Members) -> lists:foldl(fun(N, M) -> cambrian_members:earned(key(N), M) end, Members, Ns).

%% Beside those, so many keys of one attacker that claim to speak once an hour.
with_sybils(Count, Members) ->
    lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0, 3_600_000), ?T0, M) end, Members, lists:seq(100_001, 100_000 + Count)).

alive(Now, Members) -> [N || <<N:256>> <- lists:sort(maps:keys(cambrian_members:alive(Now, Members)))].

numbers(Keys) -> [N || <<N:256>> <- Keys].

%%% ---- alive ------------------------------------------------------------------------------

three_heartbeats_may_be_missed_test() ->
    Members = heard(heartbeat(1, ?T0, 20_000), ?T0, with([2])),
    ?assertEqual([1, 2], alive(?T0 + 15_000, Members)),
    ?assertEqual([1], alive(?T0 + 15_001, Members)),
    ?assertEqual([1], alive(?T0 + 60_000, Members)),
    ?assertEqual([], alive(?T0 + 60_001, Members)).

a_tiny_interval_is_no_reason_to_be_dead_at_once_test() ->
    ?assertEqual([1], alive(?T0 + 14_000, heard(heartbeat(1, ?T0, 1), ?T0, new()))).

whoever_comes_back_is_new_test() ->
    {new, Once} = cambrian_members:heartbeat(heartbeat(1, ?T0), ?T0, new()),
    {known, Twice} = cambrian_members:heartbeat(heartbeat(1, ?T0 + 5000), ?T0 + 5000, Once),
    ?assertMatch({new, _}, cambrian_members:heartbeat(heartbeat(1, ?T0 + ?MINUTE), ?T0 + ?MINUTE, Twice)).

other_signs_of_life_count_test() ->
    Members = cambrian_members:spoke(key(1), ?T0 + 14_000, with([1])),
    ?assertEqual([1], alive(?T0 + 28_000, Members)),
    Unknown = cambrian_members:spoke(key(2), ?T0, new()),
    ?assertEqual([2], alive(?T0, Unknown)),
    ?assertEqual([], cambrian_members:addresses(?T0, Unknown)),
    ?assertEqual(new(), cambrian_members:spoke(key(50), ?T0, new())).

where_they_are_called_test() ->
    ?assertEqual([{address(1), key(1)}, {address(2), key(2)}], cambrian_members:addresses(?T0, with([2, 1]))),
    ?assertEqual([], cambrian_members:addresses(?T0 + ?MINUTE, with([2, 1]))).

who_is_forgotten_is_not_there_test() ->
    ?assertEqual([2], alive(?T0, cambrian_members:forget(key(1), with([1, 2])))).

%%% ---- what is worth a signature ----------------------------------------------------------

is_news(Heartbeat, Now, Members) -> cambrian_members:is_news(Heartbeat, Now, Members).

a_heartbeat_counts_once_test() ->
    Members = with([1]),
    ?assertNot(is_news(heartbeat(1, ?T0), ?T0, Members)),
    ?assertNot(is_news(heartbeat(1, ?T0 - 1), ?T0, Members)),
    ?assert(is_news(heartbeat(1, ?T0 + 1), ?T0, Members)).

our_own_is_none_test() ->
    ?assertNot(is_news(heartbeat(50, ?T0), ?T0, new())),
    ?assert(is_news(heartbeat(50, ?T0), ?T0, cambrian_members:renamed(key(51), new()))),
    ?assertNot(is_news(heartbeat(51, ?T0), ?T0, cambrian_members:renamed(key(51), new()))).

five_minutes_either_way_test() ->
    [?assertEqual({Off, News}, {Off, is_news(heartbeat(1, ?T0 + Off), ?T0, new())})
     || {Off, News} <- [{-5 * ?MINUTE - 1, false}, {-5 * ?MINUTE, true}, {5 * ?MINUTE, true}, {5 * ?MINUTE + 1, false}]].

%% After our clock was set back, what others said before is from the future, and must not silence them.
what_was_said_before_a_clock_was_set_back_refuses_nothing_test() ->
    Members = with([1]),
    ?assertNot(is_news(heartbeat(1, ?T0 - ?MINUTE), ?T0 - ?MINUTE, Members)),
    ?assert(is_news(heartbeat(1, ?T0 - 60 * ?MINUTE), ?T0 - 60 * ?MINUTE, Members)),
    ?assertNot(is_news(heartbeat(1, ?T0), ?T0 - 60 * ?MINUTE, Members)).

%% Each heartbeat is taken by those who took the one before it, if their clocks are about right.
our_next_heartbeat_is_later_whatever_the_clock_does_test() ->
    [?assertEqual({Step, Stamp - ?T0}, {Step, cambrian_members:stamp(?T0 + Step, ?T0) - ?T0})
     || {Step, Stamp} <- [{5000, ?T0 + 5000}, {0, ?T0 + 1}, {-?MINUTE, ?T0 + 1}, {-5 * ?MINUTE, ?T0 + 1},
                          {-60 * ?MINUTE, ?T0 - 60 * ?MINUTE}, {60 * ?MINUTE, ?T0 + 60 * ?MINUTE}]].

%%% ---- intervals --------------------------------------------------------------------------

%% Of all heartbeats together a node hears as much, however many nodes there are.
many_nodes_speak_more_seldom_test() ->
    Intervals = [{Nodes, cambrian_members:interval(?T0, with_places(lists:seq(100, 98 + Nodes)))} || Nodes <- [1, 2, 3, 30, 300, 1000]],
    ?assertEqual([5000, 5666, 8500, 85_000, 850_000, 2_833_333], [Interval || {_, Interval} <- Intervals]),
    [?assert(Nodes * 170 / (Interval / 1000) < 60.1) || {Nodes, Interval} <- Intervals],
    ?assertEqual(cambrian_members:max_interval(), cambrian_members:interval(?T0, with_places(lists:seq(100, 3000)))).

those_that_are_gone_do_not_slow_the_others_test() ->
    ?assertEqual(5000, cambrian_members:interval(?T0 + ?MINUTE, with_places(lists:seq(100, 400)))).

%% Anybody can make keys, so all those without a place count for at most as many as this node and those with one.
%% 32, and three for each key that has a place and for the node itself.
a_flood_of_keys_slows_nobody_beyond_a_bound_test() ->
    [begin
         Flooded = with_sybils(1400, with_places(lists:seq(1, Places))),
         Most = 4 * (Places + 1) + 32,
         ?assertEqual({Most, Most * 170 * 1000 div 60}, {cambrian_members:pace(?T0, Flooded), cambrian_members:interval(?T0, Flooded)})
     end || Places <- [0, 1, 3, 30]].

a_few_fresh_ones_count_as_others_do_test() ->
    ?assertEqual([4, 6, 47, 48, 48],
                 [cambrian_members:pace(?T0, with_sybils(Fresh, with_places([1, 2, 3]))) || Fresh <- [0, 2, 43, 44, 45]]).

%% Whoever is new may say that it speaks once an hour: it is expected after ten minutes.
what_a_stranger_says_of_its_interval_is_bounded_test() ->
    Sybils = with_sybils(1400, new()),
    ?assertEqual({1400, 0}, {length(alive(?T0 + 30 * ?MINUTE, Sybils)), length(alive(?T0 + 30 * ?MINUTE + 1, Sybils))}),
    Earned = with_places([1], heard(heartbeat(1, ?T0, 3_600_000), ?T0, Sybils)),
    ?assertEqual([1], alive(?T0 + 180 * ?MINUTE, Earned)),
    ?assertEqual([], alive(?T0 + 180 * ?MINUTE, cambrian_members:fresh(key(1), Earned))).

%%% ---- bounds -----------------------------------------------------------------------------

%% Whoever comes is known, and pushes out any one of those that have not earned their place, whenever these spoke last.
newcomers_push_out_any_one_but_who_has_earned_its_place_test_() ->
    {timeout, 60, fun() ->
        Old = lists:seq(100, 1_099),
        Few = with_places([7], heard(heartbeat(7, ?T0, 3_600_000), ?T0, new())),
        Members = lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0 + N, 3_600_000), ?T0 + N, M) end, Few, lists:seq(100, 20_098)),
        Alive = alive(?T0 + 20_000, Members),
        ?assertEqual({10_000, true, true}, {length(Alive), lists:member(7, Alive), lists:member(20_098, Alive)}),
        %% of the first thousand, which were silent for longest, as many stay as of others: (1 - 1/9999)^10000 of them
        Stayed = length([N || N <- Alive, lists:member(N, Old)]),
        ?assert(Stayed > 300 andalso Stayed < 440)
    end}.

who_has_earned_its_place_is_the_last_to_go_test() ->
    Members = cambrian_members:earned(key(1), with([1, 2])),
    ?assertEqual([2], alive(?T0, cambrian_members:forget(key(1), Members))).

%%% ---- distances --------------------------------------------------------------------------

a_distance_is_measured_once_and_smoothed_test() ->
    ?assertEqual([{address(1), key(1)}, {address(2), key(2)}], cambrian_members:unmeasured(?T0, with([2, 1]))),
    One = cambrian_members:measured(key(1), 10, with([2, 1])),
    ?assertEqual([{address(2), key(2)}], cambrian_members:unmeasured(?T0, One)),
    Both = cambrian_members:measured(key(1), 20, cambrian_members:measured(key(2), 5, One)),
    ?assertEqual([], cambrian_members:unmeasured(?T0, Both)),
    #{round_trip := Trip} = maps:get(key(1), cambrian_members:alive(?T0, Both)),
    ?assert(abs(Trip - 13) < 1.0e-9).

a_heartbeat_leaves_the_distance_test() ->
    Members = heard(heartbeat(1, ?T0 + 1), ?T0 + 1, cambrian_members:measured(key(1), 10, with([1]))),
    ?assertMatch(#{round_trip := 10}, maps:get(key(1), cambrian_members:alive(?T0, Members))).

whose_address_is_not_known_is_not_measured_test() ->
    ?assertEqual([], cambrian_members:unmeasured(?T0, cambrian_members:spoke(key(1), ?T0, new()))).

%%% ---- topologies -------------------------------------------------------------------------

sources(Topology, Now, Members) ->
    case cambrian_members:sources(Topology, Now, Members) of
        all -> all;
        Keys -> numbers(Keys)
    end.

all_are_all_test() -> ?assertEqual(all, sources(all, ?T0, new())).

alone_there_is_nobody_test() ->
    [?assertEqual([], sources(Topology, ?T0, new())) || Topology <- [ring, {random, 3}, {nearest, 3}]].

%% Seen from each, of those before them, all the way round.
a_ring_is_one_test() ->
    Ns = [3, 14, 15, 92, 65],
    Before = [{N, sources(ring, ?T0, lists:foldl(fun(Other, M) -> heard(heartbeat(Other, ?T0), ?T0, M) end, cambrian_members:new(key(N), 1), Ns -- [N]))}
              || N <- Ns],
    ?assertEqual([{3, [92]}, {14, [3]}, {15, [14]}, {65, [15]}, {92, [65]}], lists:sort(Before)).

a_ring_closes_over_those_that_are_gone_test() ->
    Members = heard(heartbeat(20, ?T0 + ?MINUTE), ?T0 + ?MINUTE, with([20, 30, 40])),
    ?assertEqual([40], sources(ring, ?T0, Members)),
    ?assertEqual([20], sources(ring, ?T0 + ?MINUTE, Members)).

random_ones_are_so_many_the_same_for_an_hour_and_others_then_test() ->
    Ns = lists:seq(100, 130),
    Members = with_places(Ns, lists:foldl(fun(N, M) -> heard(heartbeat(N, ?T0, 3_600_000), ?T0, M) end, new(), Ns)),
    Hour = fun(H) -> lists:sort(sources({random, 3}, ?T0 + H, Members)) end,
    ?assertEqual(3, length(Hour(0))),
    ?assertEqual(Hour(0), Hour(3_599_999)),
    Hours = [Hour(H * 3_600_000) || H <- lists:seq(0, 2)],
    ?assertEqual(3, length(lists:usort(Hours))),
    ?assertEqual(31, length(sources({random, 100}, ?T0, Members))).

nobody_is_left_out_by_chance_test() ->
    Members = with(lists:seq(100, 109)),
    Drawn = [N || Own <- lists:seq(1000, 1299), N <- sources({random, 2}, ?T0, cambrian_members:renamed(key(Own), Members))],
    [?assert(abs(length([D || D <- Drawn, D =:= N]) - 60) < 30) || N <- lists:seq(100, 109)].

the_nearest_are_those_that_answer_fastest_test() ->
    Members = lists:foldl(fun({N, Ms}, M) -> cambrian_members:measured(key(N), Ms, M) end, with([1, 2, 3, 4]),
                          [{1, 30}, {2, 5.5}, {3, 10}]),
    ?assertEqual([2, 3], sources({nearest, 2}, ?T0, Members)),
    ?assertEqual([2, 3, 1, 4], sources({nearest, 9}, ?T0, Members)).

%% Among 1,400 keys of an attacker, two thirds of those that are picked have earned a place; in every third hour a ring picks another.
keys_without_a_place_get_a_third_of_a_topology_test_() ->
    {timeout, 60, fun() ->
        Places = [10, 20, 30],
        Members = lists:foldl(fun(N, M) -> cambrian_members:measured(key(N), 50, M) end, with_sybils(1400, with_places(Places)), Places),
        %% those of an attacker are the nearest, and one is just before the own key
        Near = lists:foldl(fun(N, M) -> cambrian_members:measured(key(N), 1, M) end, heard(heartbeat(49, ?T0), ?T0, Members), lists:seq(100_001, 100_100)),
        Start = ?T0 div 3_600_000 * 3_600_000,
        Beating = fun(Hour) -> lists:foldl(fun(N, M) -> heard(heartbeat(N, Hour), Hour, M) end, Near, Places ++ [49 | lists:seq(100_001, 101_400)]) end,
        [begin
             Picked = lists:append([sources(Topology, Hour, Beating(Hour)) || H <- lists:seq(0, 2), Hour <- [Start + H * 3_600_000]]),
             ?assertEqual({Topology, 3 * K}, {Topology, length(Picked)}),
             ?assertEqual({Topology, 2 * K}, {Topology, length([N || N <- Picked, lists:member(N, Places)])})
         end || {Topology, K} <- [{ring, 1}, {{random, 1}, 1}, {{random, 3}, 3}, {{nearest, 1}, 1}, {{nearest, 3}, 3}]]
    end}.

%% Where one kind is missing, the other has all.
no_slot_stays_empty_test() ->
    [?assertEqual({Count, 3}, {Count, length(sources({random, 3}, ?T0, Members))})
     || {Count, Members} <- [{none, with(lists:seq(1, 9))}, {one, with_places([1], with(lists:seq(1, 9)))}, {all, with_places(lists:seq(1, 9))}]].

a_flood_of_keys_does_not_keep_those_with_a_place_from_being_measured_test() ->
    ?assertEqual([{address(200_000), key(200_000)}],
                 lists:sublist(cambrian_members:unmeasured(?T0, with_places([200_000], with([1, 2, 200_000]))), 1)).
