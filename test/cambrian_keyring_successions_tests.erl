%% Successions of keys, as signed bytes that arrive in any order. The test sets the clock.
-module(cambrian_keyring_successions_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_owners, [arrives/4, counting/0, follow/3, follow/4, followed/4, grant/3, key/1,
                          now_ms/0, realm/1, realm/2, refusal/4, restarted/1, secret/1]).

-define(DAY, 86_400_000).

%% A flood of successions of unknown keys: few are verified, none replaces the remembered
%% succession, and a key that has delivered a genotype can still rotate.
a_flood_of_successions_replaces_none_and_is_seldom_verified_test_() ->
    {timeout, 120, fun() ->
        Now = now_ms() div 1000 * 1000,
        {confirmed, Earned} =
            cambrian_realm:checked(key(3), 1.0, 1.0, Now,
                                   element(2, {ok, _} = arrives(3, undefined, Now,
                                                                realm(open, #{seed => 1})))),
        Realm = followed(1, 2, Now, cambrian_realm:accepted(key(3), Earned)),
        ?assertEqual(retired_key, refusal(1, undefined, Now, Realm)),
        Flood =
            [cambrian_identity:succession(secret(1000 + N), secret(20_000 + N))
             || N <- lists:seq(1, 10_400)],
        %% ten seconds of the flood, and then enough seconds with ten each to fill the room
        {Once, Count} = counting(),
        Follow =
            fun(Bytes, {At, R}) -> {At + 1, element(2, follow(Bytes, Once, At, R))} end,
        {First, Others} = lists:split(1000, Flood),
        Begun = lists:foldl(Follow, {Now, Realm}, First),
        %% the second in which a flood begins has 10 (1 + ln 100) on average
        AtFirst = Count(),
        ?assert(AtFirst < 80, AtFirst),
        {_, Flooded} = lists:foldl(Follow, Begun, Others),
        ?assert(Count() - AtFirst =< 10 * 11, Count() - AtFirst),
        {_, Full} =
            lists:foldl(fun(Bytes, {At, R}) -> {At + 100, element(2, follow(Bytes, At, R))} end,
                        {Now + 20_000, Flooded}, Flood),
        Later = Now + 20_000 + 100 * 10_400,
        ?assertMatch(#{refused := #{too_many_successions := _}}, cambrian_realm:report(Full)),
        ?assert(map_size(maps:get(retired, cambrian_realm:report(Full))) =< 1000),
        [begin
             ?assertEqual(key(2), cambrian_realm:heir(key(1), R)),
             ?assertEqual(retired_key, refusal(1, undefined, Later, R)),
             ?assertEqual(retired_key, refusal(3, undefined, Later, followed(3, 4, Later, R)))
         end || R <- [Full, restarted(Full)]],
        %% the search for room has a budget as well, seen in the second second of a flood
        Second = fun(At, Start) ->
                     lists:foldl(fun(Bytes, R) -> element(2, follow(Bytes, At, R)) end, Start,
                                 lists:sublist(Flood, 1000))
                 end,
        [Less, More] =
            [begin
                 Flows = Second(Later, Start),
                 reductions(fun() -> Second(Later + 1000, Flows) end)
             end || Start <- [Realm, Full]],
        ?assertEqual({Less, More, true}, {Less, More, More < 2 * Less}),
        %% a month later there is room again
        ?assertMatch({ok, _},
                     follow(cambrian_identity:succession(secret(5), secret(6)), Later + 31 * ?DAY,
                            Full))
    end}.

%% In the second of a flood, a key with a budget of its own is still heard.
a_known_key_has_its_own_budget_of_successions_test() ->
    Now = now_ms() div 1000 * 1000,
    {confirmed, Heard} =
        cambrian_realm:checked(key(3), 1.0, 1.0, Now,
                               element(2, {ok, _} = arrives(3, undefined, Now, realm(open)))),
    Known = cambrian_realm:accepted(key(3), Heard),
    Flood =
        [cambrian_identity:succession(secret(1000 + N), secret(2000 + N)) || N <- lists:seq(1, 30)],
    Flooded = lists:foldl(fun(Bytes, R) -> element(2, follow(Bytes, Now, R)) end, Known, Flood),
    ?assertMatch(#{refused := #{rate_limited := N}} when N > 0, cambrian_realm:report(Flooded)),
    ?assertEqual(key(4), cambrian_realm:heir(key(3), followed(3, 4, Now, Flooded))).

%% Anybody may forge certificates in the names of all keys that have earned their place.
successions_of_all_trusted_keys_have_one_budget_test() ->
    Now = now_ms() div 1000 * 1000,
    Earns = fun(N, R) ->
                {ok, Heard} = arrives(N, undefined, Now, R),
                {confirmed, Checked} = cambrian_realm:checked(key(N), 1.0, 1.0, Now, Heard),
                cambrian_realm:accepted(key(N), Checked)
            end,
    Realm = lists:foldl(Earns, realm(open), lists:seq(1, 60)),
    Forged = [begin
                  Size = byte_size(Genuine) - 1,
                  <<Body:Size/binary, Last>> = Genuine,
                  <<Body/binary, (Last bxor 1)>>
              end || N <- lists:seq(1, 60), New <- lists:seq(1, 30),
                     Genuine <- [cambrian_identity:succession(secret(N), secret(1000 + New))]],
    {Once, Count} = counting(),
    Flooded = fun(Time, R) ->
                  lists:foldl(fun(Bytes, Before) ->
                                  {{error, _}, Next} = follow(Bytes, Once, Time, Before),
                                  Next
                              end, R, Forged)
              end,
    Begun = Flooded(Now, Realm),
    First = Count(),
    _ = Flooded(Now + 1000, Begun),
    ?assert(Count() - First < 260, Count() - First),
    ?assert(Count() - First > 100, Count() - First).

%% No signature is verified of a key that may not publish, of a known succession, or of an
%% impossible one.
a_succession_that_cannot_count_is_not_verified_test() ->
    Now = now_ms(),
    {Once, Count} = counting(),
    Answer = fun(Old, New, Realm) ->
                 element(1,
                         follow(cambrian_identity:succession(secret(Old), secret(New)), Once, Now,
                                Realm))
             end,
    Listed = followed(1, 2, Now, realm({keys, [key(1)]})),
    ?assertEqual([{error, not_permitted}, known, {error, already_succeeded}, {error, circular}],
                 [Answer(Old, New, Listed) || {Old, New} <- [{7, 8}, {1, 2}, {1, 3}, {2, 1}]]),
    ?assertEqual({error, not_permitted}, Answer(7, 8, realm({signed_by, key(1)}))),
    {ok, Banned} = cambrian_realm:ban({key, key(5)}, <<>>, Now, realm(open)),
    ?assertEqual([{error, banned_key}, {error, banned_key}],
                 [Answer(Old, New, Banned) || {Old, New} <- [{5, 6}, {6, 5}]]),
    ?assertEqual(0, Count()),
    %% the members of a closed realm are the listed keys, their successors, the owners, and every
    %% key that has shown a grant
    {ok, Granted} = arrives(12, grant([1], 12, Now + ?DAY), Now, realm({signed_by, key(1)})),
    ?assertEqual([ok, ok, ok],
                 [Answer(Old, New, R)
                  || {Old, New, R} <- [{2, 3, Listed}, {1, 2, Granted}, {12, 14, Granted}]]),
    Heir = followed(12, 14, Now, Granted),
    ?assertEqual(ok, refusal(14, grant([1], 12, Now + ?DAY), Now, Heir)).

%% The chain may be long, and its links may arrive in any order.
finding_the_last_successor_costs_the_same_in_any_chain_test() ->
    Links = [{N, N + 1} || N <- lists:seq(1, 100)],
    [begin
         Chain =
             lists:foldl(fun({Old, New}, R) ->
                 {ok, Next} =
                     cambrian_realm:succeed(#{old => <<Old:256>>, new => <<New:256>>}, 0, R), Next
             end,
                         realm(open), Order),
         [?assertEqual(<<101:256>>, cambrian_realm:heir(<<N:256>>, Chain))
          || N <- lists:seq(1, 101)],
         ?assertEqual(<<101:256>>, cambrian_realm:heir(<<1:256>>, restarted(Chain))),
         {First, Last} =
             {cost(fun() -> cambrian_realm:heir(<<1:256>>, Chain) end),
              cost(fun() -> cambrian_realm:heir(<<100:256>>, Chain) end)},
         ?assertEqual({First, Last, true}, {First, Last, First < 2 * Last})
     end
     || Order <- [Links, lists:reverse(Links),
                  [Link || {_, Link} <- lists:sort([{rand:uniform(), Link} || Link <- Links])]]].

cost(Fun) ->
    Repeat = fun Repeat(0) -> ok; Repeat(N) -> _ = Fun(), Repeat(N - 1) end,
    reductions(fun() -> Repeat(10_000) end).

reductions(Fun) ->
    {reductions, Before} = process_info(self(), reductions),
    _ = Fun(),
    {reductions, After} = process_info(self(), reductions),
    After - Before.

%% A long chain forgets its oldest keys, but a key that the options name stays retired.
a_long_chain_forgets_its_oldest_keys_test() ->
    Chain = fun(Realm) ->
                lists:foldl(fun(N, R) ->
                                {ok, Next} =
                                    cambrian_realm:succeed(#{old => <<N:256>>,
                                                             new => <<(N + 1):256>>}, N, R),
                                Next
                            end, Realm, lists:seq(1, 250))
            end,
    [begin
         #{retired := Retired} = cambrian_realm:report(Realm),
         ?assertEqual(100, map_size(Retired)),
         ?assertEqual(Kept, is_map_key(<<1:256>>, Retired)),
         %% a forgotten key may not publish in a realm that requires permission
         ?assertEqual([not Kept, true],
                      [cambrian_realm:is_heard(<<N:256>>, 0, Realm) || N <- [120, 251]]),
         [?assertEqual(<<251:256>>, cambrian_realm:heir(<<N:256>>, R))
          || R <- [Realm, restarted(Realm)], N <- lists:seq(200, 251) ++ [1 || Kept]]
     end
     || {Realm, Kept} <- [{Chain(realm(open)), false}, {Chain(realm({keys, [<<1:256>>]})), true},
                          {Chain(realm({signed_by, <<1:256>>})), true}]].
