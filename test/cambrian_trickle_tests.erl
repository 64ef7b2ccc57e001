%% The rules of RFC 6206, section 4.2.
-module(cambrian_trickle_tests).
-include_lib("eunit/include/eunit.hrl").

-define(OPTIONS, #{shortest => 1000, longest => 16_000, redundancy => 2}).
-define(SEEDS, lists:seq(1, 200)).

new(Seed) -> new(Seed, ?OPTIONS).
new(Seed, Options) -> cambrian_trickle:new(Options, rand:seed_s(exsss, Seed), 0).

%% Ticks so many times exactly at its wake times. Returns `{When, speak | quiet}' of each tick,
%% and the timer afterwards.
wakes(Count, Trickle) -> wakes(Count, Trickle, []).

wakes(0, Trickle, Seen) -> {lists:reverse(Seen), Trickle};
wakes(Count, Trickle, Seen) ->
    At = cambrian_trickle:wake(Trickle),
    {What, Next} = cambrian_trickle:tick(At, Trickle),
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
    ?assertEqual({quiet, new(1)}, cambrian_trickle:tick(cambrian_trickle:wake(new(1)) - 1, new(1))).

%% A machine that slept wakes up late.
a_late_tick_speaks_once_and_continues_from_now_test() ->
    {speak, Spoken} = cambrian_trickle:tick(1_000_000, new(1)),
    {quiet, Next} = cambrian_trickle:tick(1_000_000, Spoken),
    ?assert(cambrian_trickle:wake(Next) >= 1_001_000),
    ?assert(cambrian_trickle:wake(Next) < 1_002_000).

%% A node hears a constant number of messages an interval, however many nodes there are.
the_number_of_speakers_does_not_grow_with_the_nodes_test() ->
    ?assertEqual([20, 20, 20], [spoken(Nodes) || Nodes <- [2, 10, 100]]).

%% The number of messages in ten intervals of nodes that all hear each other.
spoken(Nodes) ->
    Options = #{shortest => 1000, longest => 1000, redundancy => 2},
    until(10_000, maps:from_list([{Seed, new(Seed, Options)} || Seed <- lists:seq(1, Nodes)]), 0).

until(End, Nodes, Spoken) ->
    {At, Seed} =
        lists:min([{cambrian_trickle:wake(Trickle), Seed}
                   || {Seed, Trickle} <- maps:to_list(Nodes)]),
    case At < End andalso cambrian_trickle:tick(At, map_get(Seed, Nodes)) of
        false -> Spoken;
        {quiet, Next} -> until(End, Nodes#{Seed := Next}, Spoken);
        {speak, Next} ->
            Heard = maps:map(fun(_, Trickle) -> cambrian_trickle:consistent(Trickle) end, Nodes),
            until(End, Heard#{Seed := Next}, Spoken + 1)
    end.
