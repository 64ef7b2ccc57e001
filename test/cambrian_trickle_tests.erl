%% The rules of RFC 6206, section 4.2, in a mesh of so many nodes that a quiet node stays quiet.
-module(cambrian_trickle_tests).
-include_lib("eunit/include/eunit.hrl").

-define(OPTIONS, #{shortest => 1000, longest => 16_000, redundancy => 2}).
-define(SEEDS, lists:seq(1, 200)).
-define(MANY, 1 bsl 40).

new(Seed) -> new(Seed, ?OPTIONS).
new(Seed, Options) -> cambrian_trickle:new(Options, rand:seed_s(exsss, Seed), 0).

%% Ticks so many times exactly at its wake times. Returns `{When, speak | quiet}' of each tick,
%% and the timer afterwards.
wakes(Count, Trickle) -> wakes(Count, Trickle, []).

wakes(0, Trickle, Seen) -> {lists:reverse(Seen), Trickle};
wakes(Count, Trickle, Seen) ->
    At = cambrian_trickle:wake(Trickle),
    {What, Next} = cambrian_trickle:tick(At, ?MANY, Trickle),
    wakes(Count - 1, Next, [{At, What} | Seen]).

%% Each interval has one wake to speak and one at its end.
a_timer_alone_speaks_once_in_the_second_half_of_each_interval_test() ->
    Intervals =
        [{0, 1000}, {1000, 3000}, {3000, 7000}, {7000, 15_000}, {15_000, 31_000}, {31_000, 47_000},
         {47_000, 63_000}],
    [begin
         {Seen, _} = wakes(2 * length(Intervals), new(Seed)),
         ?assertEqual([End || {_, End} <- Intervals], [At || {At, quiet} <- Seen]),
         [?assert(At >= Begin + (End - Begin) div 2 andalso At < End)
          || {{Begin, End}, {At, speak}} <- lists:zip(Intervals,
                                                      [Spoke || {_, speak} = Spoke <- Seen])]
     end || Seed <- ?SEEDS].

the_time_to_speak_is_spread_over_the_second_half_test() ->
    First = [At || Seed <- lists:seq(1, 1000), {[{At, speak}], _} <- [wakes(1, new(Seed))]],
    ?assert(lists:min(First) < 510),
    ?assert(lists:max(First) > 990).

a_timer_is_quiet_after_enough_consistent_messages_test() ->
    [begin
         Trickle =
             lists:foldl(fun(_, T) -> cambrian_trickle:consistent(T) end, new(Seed),
                         lists:seq(1, Heard)),
         {[{_, What}], _} = wakes(1, Trickle),
         ?assertEqual({Heard, case Heard < 2 of true -> speak; false -> quiet end}, {Heard, What})
     end || Seed <- ?SEEDS, Heard <- [0, 1, 2, 3]].

consistent_messages_count_only_in_their_interval_test() ->
    {_, Second} = wakes(2, cambrian_trickle:consistent(cambrian_trickle:consistent(new(1)))),
    {[{_, What}], _} = wakes(1, Second),
    ?assertEqual(speak, What).

an_inconsistent_message_starts_the_shortest_interval_test() ->
    {_, Long} = wakes(9, new(1)),
    [begin
         Reset =
             cambrian_trickle:reset(20_000,
                                    cambrian_trickle:consistent(cambrian_trickle:consistent(Long))),
         {[{At, speak}, {End, quiet}], _} = wakes(2, Reset),
         ?assert(At >= 20_500 andalso At < 21_000),
         ?assertEqual(21_000, End)
     end || _ <- ?SEEDS].

%% "If I is equal to Imin when Trickle hears an inconsistent transmission, Trickle does nothing."
an_inconsistent_message_in_the_shortest_interval_changes_nothing_test() ->
    ?assertEqual(new(1), cambrian_trickle:reset(10, new(1))).

a_tick_before_the_wake_time_does_nothing_test() ->
    Before = cambrian_trickle:wake(new(1)) - 1,
    ?assertEqual({quiet, new(1)}, cambrian_trickle:tick(Before, ?MANY, new(1))).

%% A machine that slept wakes up late.
a_late_tick_speaks_once_and_continues_from_now_test() ->
    {speak, Spoken} = cambrian_trickle:tick(1_000_000, ?MANY, new(1)),
    {quiet, Next} = cambrian_trickle:tick(1_000_000, ?MANY, Spoken),
    ?assert(cambrian_trickle:wake(Next) >= 1_001_000),
    ?assert(cambrian_trickle:wake(Next) < 1_002_000).

%% An attacker sends the same to one node alone, so often that it is always quiet by the RFC.
a_quiet_node_speaks_in_one_interval_of_as_many_as_there_are_nodes_test() ->
    Options = #{shortest => 1000, longest => 1000, redundancy => 1},
    [?assert(abs(spoken_with_echo(10_000, Nodes, new(1, Options), 0) - 10_000 div Nodes) < 250)
     || Nodes <- [1, 2, 10, 100]].

%% It also resets each interval to the shortest, which is a sixteenth of a long one.
a_quiet_node_speaks_as_often_in_short_intervals_test() ->
    Options = #{shortest => 1000, longest => 64_000, redundancy => 1},
    Spoken = spoken_while_reset(160_000, cambrian_trickle:consistent(new(1, Options)), 0),
    ?assert(abs(Spoken - 160_000 div (16 * 10)) < 150, Spoken).

spoken_while_reset(0, _Trickle, Spoken) -> Spoken;
spoken_while_reset(Intervals, Trickle, Spoken) ->
    At = cambrian_trickle:wake(Trickle),
    {What, Next} = cambrian_trickle:tick(At, 10, Trickle),
    End = cambrian_trickle:wake(Next),
    {quiet, Ended} = cambrian_trickle:tick(End, 10, Next),
    Heard = cambrian_trickle:consistent(cambrian_trickle:reset(End, Ended)),
    Count = case What of speak -> Spoken + 1; quiet -> Spoken end,
    spoken_while_reset(Intervals - 1, Heard, Count).

spoken_with_echo(0, _Nodes, _Trickle, Spoken) -> Spoken;
spoken_with_echo(Intervals, Nodes, Trickle, Spoken) ->
    Heard = cambrian_trickle:consistent(Trickle),
    {What, Next} = cambrian_trickle:tick(cambrian_trickle:wake(Heard), Nodes, Heard),
    {quiet, Ended} = cambrian_trickle:tick(cambrian_trickle:wake(Next), Nodes, Next),
    Count = case What of speak -> Spoken + 1; quiet -> Spoken end,
    spoken_with_echo(Intervals - 1, Nodes, Ended, Count).

%% A node hears a constant number of messages an interval, however many nodes there are: two by the
%% RFC, and about one that some node sends though it has heard enough.
the_number_of_speakers_does_not_grow_with_the_nodes_test() ->
    [?assert(abs(spoken(Nodes) - 300) < 50, {Nodes, spoken(Nodes)}) || Nodes <- [10, 100]].

%% The number of messages in a hundred intervals of nodes that all hear each other.
spoken(Nodes) ->
    Options = #{shortest => 1000, longest => 1000, redundancy => 2},
    All = maps:from_list([{Seed, new(Seed, Options)} || Seed <- lists:seq(1, Nodes)]),
    until(100_000, Nodes, All, 0).

until(End, Count, Nodes, Spoken) ->
    {At, Seed} =
        lists:min([{cambrian_trickle:wake(Trickle), Seed}
                   || {Seed, Trickle} <- maps:to_list(Nodes)]),
    case At < End andalso cambrian_trickle:tick(At, Count, map_get(Seed, Nodes)) of
        false -> Spoken;
        {quiet, Next} -> until(End, Count, Nodes#{Seed := Next}, Spoken);
        {speak, Next} ->
            Heard = maps:map(fun(_, Trickle) -> cambrian_trickle:consistent(Trickle) end, Nodes),
            until(End, Count, Heard#{Seed := Next}, Spoken + 1)
    end.
