%% Which keys a realm keeps, and whom it forgets for newcomers.
-module(cambrian_realm_places_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_claims, [arrives/4, claims/2, claims/3, earns/2, for_all_seeds/1, key/1, realm/0,
                          realm/1, refusal/3]).

-define(NOW, 1_800_000_000_000).
-define(MINUTE, 60_000).

origins(Realm) -> lists:sort(maps:keys(maps:get(origins, cambrian_realm:report(Realm)))).

%% M10. Ten thousand fresh keys with a record each: a newcomer gets a place at once, and a key
%% that earned its place keeps it.
a_flood_of_fresh_keys_shuts_no_newcomer_out_test_() ->
    {timeout, 60, fun a_flood_of_fresh_keys_shuts_no_newcomer_out/0}.

a_flood_of_fresh_keys_shuts_no_newcomer_out() ->
    Earned = earns(1, arrives(1, 1, ?NOW, realm())),
    Full = lists:foldl(fun(N, R) -> arrives(N, 1, ?NOW, R) end, Earned, lists:seq(2, 20_000)),
    ?assertEqual(10_000, length(origins(Full))),
    Honest = arrives(30_000, 1, ?NOW, Full),
    ?assert(lists:member(key(30_000), origins(Honest))),
    ?assert(lists:member(key(1), origins(Honest))),
    %% a message of a forgotten key does not count a second time
    [?assertEqual(replay, refusal(claims(N, 1), ?NOW, Honest)) || N <- lists:seq(1, 20_000, 37)],
    ?assertEqual(ok, refusal(claims(2, 2), ?NOW, Honest)).

%% The forgotten key is random: of a hundred runs each key goes about equally often, whenever it
%% came or spoke.
a_random_key_is_forgotten_test() ->
    Gone = [begin
                Full =
                    lists:foldl(fun(N, R) -> arrives(N, 1, ?NOW + N, R) end,
                                realm(#{max => 10, seed => Seed}), lists:seq(1, 10)),
                [Key] =
                    lists:seq(1, 11) -- [N
                                         || N <- lists:seq(1, 11),
                                         lists:member(key(N),
                                                      origins(arrives(11, 1, ?NOW + 11, Full)))],
                Key
            end || Seed <- lists:seq(1, 300)],
    ?assertNot(lists:member(11, Gone)),
    [?assert(abs(length([G || G <- Gone, G =:= N]) - 30) < 24) || N <- lists:seq(1, 10)].

an_earned_place_is_lost_after_thirty_silent_days_test() ->
    Earned =
        lists:foldl(fun(N, R) -> earns(N, arrives(N, 1, ?NOW + N, R)) end, realm(#{max => 4}),
                    [1, 2, 3]),
    Full = arrives(4, 1, ?NOW + 4, Earned),
    Soon = ?NOW + 10 * ?MINUTE,
    ?assertEqual([key(N) || N <- [1, 2, 3, 5]], origins(arrives(5, 1, Soon, Full))),
    ?assertEqual(ok, refusal(claims(2, 2, Soon), Soon, Full)),
    Month = ?NOW + 30 * 24 * 60 * ?MINUTE + 2,
    ?assertEqual([key(N) || N <- [2, 3, 4, 5]], origins(arrives(5, 1, Month, Full))).

%% A place is easy to earn, so keys with a place leave some to others. The longest silent one goes
%% first.
keys_with_a_place_leave_a_quarter_of_the_places_to_others_test() ->
    Full =
        lists:foldl(fun(N, R) -> earns(N, arrives(N, 1, ?NOW + N, R)) end, realm(#{max => 4}),
                    [1, 2, 3, 4]),
    Soon = ?NOW + 10 * ?MINUTE,
    ?assertEqual([key(N) || N <- [2, 3, 4, 5]], origins(arrives(5, 1, Soon, Full))),
    %% and its messages cannot be replayed
    ?assertEqual(replay, refusal(claims(1, 1), ?NOW + ?MINUTE, arrives(5, 1, ?NOW + 1, Full))).

%% Within ten minutes the number is remembered; after them the message is too old.
a_message_of_a_forgotten_origin_cannot_be_replayed_test() ->
    for_all_seeds(fun() ->
        Time = ?NOW + rand:uniform(10 * ?MINUTE) - 5 * ?MINUTE,
        Full =
            element(2,
                    {ok, _} = cambrian_realm:genuine(claims(1, 1, Time), ?NOW, realm(#{max => 1}))),
        Later = ?NOW + rand:uniform(20 * ?MINUTE),
        Replaced = arrives(2, 1, Later, Full),
        Again = Later + rand:uniform(20 * ?MINUTE),
        ?assert(lists:member(refusal(claims(1, 1, Time), Again, Replaced), [replay, too_old]))
    end).

%% The memory of forgotten keys is bounded: when it is full, no key is forgotten for some minutes.
the_memory_of_forgotten_keys_is_bounded_test_() ->
    {timeout, 120, fun the_memory_of_forgotten_keys_is_bounded/0}.

the_memory_of_forgotten_keys_is_bounded() ->
    Flooded =
        lists:foldl(fun(N, R) -> arrives(N, 1, ?NOW, R) end, realm(#{max => 1}),
                    lists:seq(1, 65_537)),
    ?assertEqual(too_many_origins, refusal(claims(70_000, 1), ?NOW, Flooded)),
    ?assertEqual(ok, refusal(claims(70_000, 1, ?NOW + 10 * ?MINUTE), ?NOW + 10 * ?MINUTE, Flooded)).

%% The clock was set back, so known keys were seen in the future: newcomers still get a place, and
%% no old message counts again.
keys_seen_in_the_future_make_room_for_newcomers_test() ->
    Full = arrives(2, 1, ?NOW, arrives(1, 1, ?NOW, realm(#{max => 2}))),
    Back =
        fun(Minutes) -> Then = ?NOW - Minutes * ?MINUTE, refusal(claims(3, 1, Then), Then, Full)
        end,
    ?assertEqual([ok, ok, ok, ok], [Back(Minutes) || Minutes <- [0, 9, 11, 60]]),
    Then = ?NOW - 60 * ?MINUTE,
    Replaced = arrives(3, 1, Then, Full),
    [?assertEqual(replay, refusal(claims(N, 1, Then), Then, Replaced)) || N <- [1, 2, 3]].
