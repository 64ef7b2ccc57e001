%% The simulated network as a value: which messages arrive, when, and that the same seed gives the
%% same history.
-module(cambrian_ether_tests).
-include_lib("eunit/include/eunit.hrl").

ether(Options) -> cambrian_ether:new(maps:merge(#{seed => 7}, Options)).

%% All messages that arrive, in order of time.
all(E) ->
    case cambrian_ether:next(E) of
        {At, From, To, Message, Next} -> [{At, From, To, Message} | all(Next)];
        none -> []
    end.

messages_arrive_in_order_of_time_test() ->
    E = lists:foldl(fun(N, Next) -> cambrian_ether:send(a, b, N, 1, N, Next) end,
                    ether(#{latency => {1, 500}}), lists:seq(1, 1000)),
    Arrived = all(E),
    Times = [At || {At, _, _, _} <- Arrived],
    ?assertEqual(1000, length(Arrived)),
    ?assertEqual(lists:sort(Times), Times),
    ?assert(lists:all(fun({At, a, b, Sent}) -> At > Sent andalso At =< Sent + 500 end, Arrived)),
    %% a later message may overtake an earlier one
    Messages = [N || {_, _, _, N} <- Arrived],
    ?assertNotEqual(lists:sort(Messages), Messages).

messages_of_the_same_time_arrive_in_the_order_of_sending_test() ->
    E = lists:foldl(fun(N, Next) -> cambrian_ether:send(a, b, N, 1, 0, Next) end, ether(#{}),
                    lists:seq(1, 100)),
    ?assertEqual([{1, a, b, N} || N <- lists:seq(1, 100)], all(E)).

%% Timers set while the timers of a time are delivered: earlier, at the same time and later.
a_timer_set_during_delivery_fires_in_its_turn_test() ->
    Timer = fun(Name, At, E) -> cambrian_ether:later(a, Name, At, E) end,
    {10, a, a, one, E} =
        cambrian_ether:next(Timer(three, 20, Timer(two, 10, Timer(one, 10, ether(#{}))))),
    ?assertEqual([{5, a, a, early}, {10, a, a, two}, {10, a, a, late}, {20, a, a, three}],
                 all(Timer(early, 5, Timer(late, 10, E)))),
    ?assertEqual([{10, a, a, two}, {15, a, a, between}, {20, a, a, three}],
                 all(Timer(between, 15, E))),
    ?assertEqual(5, cambrian_ether:due(Timer(early, 5, E))),
    ?assertEqual(3, cambrian_ether:under_way(Timer(early, 5, E))).

%% The order of sending does not matter, and no message is lost.
a_random_mix_of_sends_and_deliveries_stays_in_order_of_time_test() ->
    Random = rand:seed_s(exsss, 3),
    Step = fun Step(0, _, E, Now) -> [At || {At, _, _, _} <- all(E), At < Now];
               Step(N, R, E, Now) ->
                   {Ahead, R1} = rand:uniform_s(30, R),
                   Sent =
                       cambrian_ether:later(a, N, Now + Ahead, cambrian_ether:later(b, N, Now, E)),
                   {At, _, _, _, Next} = cambrian_ether:next(Sent),
                   ?assert(At >= Now),
                   ?assertEqual(N, 200 - cambrian_ether:under_way(Next) + 1),
                   Step(N - 1, R1, Next, At)
           end,
    ?assertEqual([], Step(200, Random, ether(#{}), 0)).

one_seed_gives_one_history_test() ->
    Run =
        fun(Seed) ->
            all(lists:foldl(fun(N, E) -> cambrian_ether:send(N, lists:seq(1, 50), N, 10, N, E) end,
                            cambrian_ether:new(#{seed => Seed, loss => 0.2, duplication => 0.2,
                                                 latency => {1, 90}}),
                            lists:seq(1, 50)))
          end,
    ?assertEqual(Run(1), Run(1)),
    ?assertNotEqual(Run(1), Run(2)).

loss_and_duplication_follow_their_probabilities_test() ->
    Arrived =
        fun(Options) ->
            length(all(cambrian_ether:send(a, lists:seq(1, 10_000), x, 1, 0, ether(Options)))) end,
    ?assertEqual(10_000, Arrived(#{})),
    ?assertEqual(0, Arrived(#{loss => 1})),
    ?assertEqual(20_000, Arrived(#{duplication => 1.0})),
    Lossy = Arrived(#{loss => 0.3}),
    ?assert(Lossy > 6800 andalso Lossy < 7200).

latency_may_depend_on_the_pair_of_nodes_test() ->
    Far = fun(a, c) -> {100, 100}; (_, _) -> {1, 1} end,
    ?assertEqual([{1, a, b, x}, {100, a, c, x}],
                 all(cambrian_ether:send(a, [c, b], x, 1, 0, ether(#{latency => Far})))).

%% A split loses the messages that are on their way and those sent during the split.
a_split_loses_messages_between_the_parts_test() ->
    Sent = cambrian_ether:send(a, [b, c], before, 1, 0, ether(#{})),
    Split = cambrian_ether:split([[a, b], [c]], Sent),
    Meanwhile =
        cambrian_ether:send(c, [a, d], meanwhile, 1, 0,
                            cambrian_ether:send(d, e, meanwhile, 1, 0, Split)),
    ?assertEqual([{1, a, b, before}, {1, d, e, meanwhile}], all(Meanwhile)),
    Healed = cambrian_ether:heal(cambrian_ether:split([[a]], ether(#{}))),
    ?assertEqual([{1, a, b, x}], all(cambrian_ether:send(a, b, x, 1, 0, Healed))).

a_crash_loses_the_messages_and_timers_of_a_node_test() ->
    Sent =
        cambrian_ether:later(b, tick, 5,
                             cambrian_ether:send(b, c, last_words, 1, 0,
                                                 cambrian_ether:send(a, b, x, 1, 0, ether(#{})))),
    Down = cambrian_ether:crash(b, Sent),
    ?assertEqual([{1, b, c, last_words}],
                 all(cambrian_ether:send(b, c, from_the_grave, 1, 0, Down))),
    ?assertEqual(3, length(all(cambrian_ether:restart(b, Down)))).

traffic_is_counted_in_messages_and_bytes_test() ->
    E = cambrian_ether:send(a, [b, c], x, 100, 0, cambrian_ether:later(a, tick, 1, ether(#{}))),
    {_, a, a, tick, One} = cambrian_ether:next(E),
    {_, a, b, x, Two} = cambrian_ether:next(One),
    ?assertEqual(#{a => #{sent => 2, bytes_sent => 200, received => 0, bytes_received => 0},
                   b => #{sent => 0, bytes_sent => 0, received => 1, bytes_received => 100}},
                 cambrian_ether:traffic(Two)).
