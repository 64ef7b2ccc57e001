%% Which messages of a key count: its sequence numbers and its rate, also after a clock is set.
-module(cambrian_realm_sequence_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_claims, [arrives/4, claims/2, claims/3, for_all_seeds/1, pick/1, realm/0, realm/1,
                          refusal/3]).

-define(NOW, 1_800_000_000_000).
-define(MINUTE, 60_000).

%%% ---- sequence ---------------------------------------------------------------------------

%% Messages may overtake each other and come twice: each number counts once, and always if it is
%% less than 2,048 behind the highest.
each_sequence_number_counts_once_in_any_order_test() ->
    for_all_seeds(fun() ->
        Many = realm(#{rate => {1, 1_000_000}}),
        First = pick([0, 1, rand:uniform(1000), 1 bsl 63]),
        lists:foldl(fun(_, {Taken, R}) -> sent(next_number(First, Taken), Taken, R) end, {[], Many},
                    lists:seq(1, 300))
    end).

%% Mostly a number near the highest so far.
next_number(First, []) -> First;
next_number(_, Taken) ->
    max(0,
        lists:max(Taken) + pick([1, 1, -1, 0, rand:uniform(5), -rand:uniform(80),
                                 rand:uniform(6000) - 3000])).

sent(Number, Taken, Realm) ->
    New = not lists:member(Number, Taken) andalso
        (Taken =:= [] orelse Number > lists:max(Taken) - 2048),
    case cambrian_realm:genuine(claims(1, Number), ?NOW, Realm) of
        {ok, Next} -> ?assert(New), {[Number | Taken], Next};
        {error, replay, Next} -> ?assertNot(New), {Taken, Next}
    end.

all_messages_of_a_shuffled_burst_count_test() ->
    for_all_seeds(fun() ->
        Burst = [N || {_, N} <- lists:sort([{rand:uniform(), N} || N <- lists:seq(1000, 1049)])],
        All = lists:foldl(fun(N, R) -> arrives(1, N, ?NOW, R) end, realm(), Burst),
        {ok, Restored} = cambrian_realm:restore(cambrian_realm:save(All)),
        [?assertEqual(replay, refusal(claims(1, N), ?NOW, Restored)) || N <- Burst]
    end).

%% As many messages as the default rate admits within five minutes, the maximal age of an
%% envelope, in reverse order.
all_messages_within_the_rate_may_come_in_reverse_order_test() ->
    Burst = lists:seq(50 + 5 * 5 * 60 - 1, 0, -1),
    Later = fun(N) -> ?NOW + max(0, length(Burst) - 50 - N) * 200 end,
    All =
        lists:foldl(fun(N, R) ->
            {ok, Next} = cambrian_realm:genuine(claims(1, N), Later(N), R), Next end, realm(),
                    Burst),
    ?assertMatch(#{origins := #{<<1:256>> := #{received := 1550}}, refused := Refused}
                 when Refused =:= #{},
                 cambrian_realm:report(All)).

%% The window of an earlier release had 64 numbers; numbers below it do not count any more.
windows_of_earlier_releases_are_restored_test() ->
    #{origins := Origins} = Saved =
        cambrian_realm:save(arrives(1, 3000, ?NOW, arrives(1, 2998, ?NOW, realm()))),
    ?assertMatch(#{<<1:256>> := #{window := 2#101}}, Origins),
    {ok, Restored} = cambrian_realm:restore(maps:remove(window, Saved)),
    ?assertEqual([replay, ok, replay, ok, replay, replay],
                 [refusal(claims(1, N), ?NOW, Restored)
                  || N <- [3000, 2999, 2998, 3000 - 63, 3000 - 64, 3000 - 2000]]),
    {ok, Again} = cambrian_realm:restore(cambrian_realm:save(Restored)),
    ?assertEqual([ok, replay], [refusal(claims(1, N), ?NOW, Again) || N <- [3000 - 63, 3000 - 64]]).

%% An earlier release saved no window, so all numbers below the highest count as used.
origins_without_a_window_are_restored_test() ->
    #{origins := Origins} = Saved = cambrian_realm:save(arrives(1, 70, ?NOW, realm())),
    Earlier =
        Saved#{origins := maps:map(fun(_, Standing) -> maps:remove(window, Standing) end, Origins)},
    {ok, Restored} = cambrian_realm:restore(Earlier),
    [?assertEqual(replay, refusal(claims(1, N), ?NOW, Restored)) || N <- lists:seq(0, 70)],
    Next = arrives(1, 72, ?NOW, Restored),
    ?assertEqual([replay, ok, replay], [refusal(claims(1, N), ?NOW, Next) || N <- [70, 71, 72]]).

%%% ---- rate -------------------------------------------------------------------------------

%% In any time t at most rate * t + burst messages are admitted, and exactly that if more are
%% sent.
the_rate_bounds_the_admitted_messages_test() ->
    for_all_seeds(fun() ->
        {PerSecond, Burst} = Rate = {rand:uniform(20), rand:uniform(50)},
        {_, Now, Admitted} =
            lists:foldl(fun(N, Before) -> asks(N, Before) end, {realm(#{rate => Rate}), ?NOW, 0},
                        lists:seq(1, 300)),
        Elapsed = (Now - ?NOW) / 1000,
        ?assert(Admitted =< PerSecond * Elapsed + Burst + 1.0e-6),
        ?assert(Admitted >= min(300, Burst))
    end).

asks(N, {Realm, Now, Admitted}) ->
    Later = Now + pick([0, 0, 0, rand:uniform(20), rand:uniform(1000)]),
    case cambrian_realm:genuine(claims(1, N, Later), Later, Realm) of
        {ok, Next} -> {Next, Later, Admitted + 1};
        {error, rate_limited, Next} -> {Next, Later, Admitted}
    end.

a_clock_that_is_set_back_silences_no_key_test() ->
    Spent =
        lists:foldl(fun(N, R) -> arrives(1, N, ?NOW, R) end, realm(#{rate => {1, 3}}), [1, 2, 3]),
    ?assertEqual(rate_limited, refusal(claims(1, 4), ?NOW, Spent)),
    Years = ?NOW - 1_000_000 * ?MINUTE,
    Again = lists:foldl(fun(N, R) -> arrives(1, N, Years, R) end, Spent, [4, 5, 6]),
    ?assertEqual(rate_limited, refusal(claims(1, 7, Years), Years, Again)),
    ?assertEqual(ok, refusal(claims(1, 7, Years), Years + 1000, Again)).

own_sequence_numbers_never_go_back_test() ->
    {First, Once} = cambrian_realm:sequence(1000, realm()),
    {ok, Restored} = cambrian_realm:restore(cambrian_realm:save(Once)),
    {Second, Twice} = cambrian_realm:sequence(1, Restored),
    {Third, _} = cambrian_realm:sequence(1 bsl 60, Twice),
    ?assertEqual({1000, 1 bsl 60}, {First, Third}),
    ?assert(Second > First + 1_000_000),
    %% a realm of an earlier release
    {ok, Earlier} = cambrian_realm:restore(maps:remove(sequence, cambrian_realm:save(Twice))),
    ?assertMatch({7, _}, cambrian_realm:sequence(7, Earlier)).
