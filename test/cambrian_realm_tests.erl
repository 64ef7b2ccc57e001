%% Random sequences of messages that strangers can send. A failure prints its seed.
-module(cambrian_realm_tests).
-include_lib("eunit/include/eunit.hrl").

-define(NOW, 1_800_000_000_000).
-define(MINUTE, 60_000).

realm() -> realm(#{}).
realm(Options) -> cambrian_realm:new(Options#{name => <<"lab">>}).

key(N) -> <<N:256>>.

claims(Origin, Sequence) -> claims(Origin, Sequence, ?NOW).
claims(Origin, Sequence, Time) ->
    #{realm => <<"lab">>, origin => key(Origin), genotype => <<Sequence:256>>, sequence => Sequence,
      time => Time,
      grant => undefined}.

arrives(Origin, Sequence, Now, Realm) ->
    {ok, Next} = cambrian_realm:genuine(claims(Origin, Sequence, Now), Now, Realm),
    Next.

refusal(Claims, Now, Realm) ->
    case cambrian_realm:admit(Claims, Now, Realm) of
        {ok, _} -> ok;
        {error, Reason, Counted} ->
            ?assertMatch(#{refused := #{Reason := _}}, cambrian_realm:report(Counted)),
            Reason;
        Other -> Other
    end.

%% Checks `Property' for many seeds, each with its own random numbers.
for_all_seeds(Property) ->
    First = erlang:system_time(microsecond),
    _ = [begin
             _ = rand:seed(exsss, Seed),
             try Property()
             catch Class:Reason:Stack -> erlang:raise(Class, {seed, Seed, Reason}, Stack)
             end
         end || Seed <- lists:seq(First, First + 99)],
    ok.

pick(List) -> lists:nth(rand:uniform(length(List)), List).

%%% ---- the order of checks -----------------------------------------------------------------

the_first_check_that_fails_gives_the_reason_test() ->
    Claims = claims(1, 1),
    {ok, Banned} = cambrian_realm:ban({genotype, <<1:256>>}, <<>>, ?NOW, realm()),
    ?assertEqual(ok, refusal(Claims, ?NOW, realm())),
    ?assertEqual(wrong_realm, refusal(Claims#{realm => <<"else">>, time => 0}, ?NOW, Banned)),
    ?assertEqual(too_old, refusal(Claims#{time => ?NOW - 5 * ?MINUTE - 1}, ?NOW, Banned)),
    ?assertEqual(from_the_future, refusal(Claims#{time => ?NOW + 5 * ?MINUTE + 1}, ?NOW, Banned)),
    ?assertEqual(ok, refusal(Claims#{time => ?NOW + 5 * ?MINUTE}, ?NOW, realm())),
    ?assertEqual(ok, refusal(Claims#{time => ?NOW - 5 * ?MINUTE}, ?NOW, realm())),
    ?assertEqual(banned_genotype, refusal(Claims, ?NOW, Banned)),
    ?assertEqual(replay, refusal(Claims, ?NOW, arrives(1, 1, ?NOW, realm()))),
    ?assertEqual(ok, refusal(claims(1, 2), ?NOW, arrives(1, 1, ?NOW, realm()))),
    {ok, NoKey} = cambrian_realm:ban({key, key(1)}, <<>>, ?NOW, realm()),
    ?assertEqual(banned_key, refusal(Claims, ?NOW, NoKey)),
    ?assertEqual(ok, refusal(claims(2, 1), ?NOW, NoKey)),
    ?assertEqual(ok, refusal(Claims, ?NOW, cambrian_realm:unban({key, key(1)}, NoKey))).

%%% ---- capability -------------------------------------------------------------------------

only_the_listed_keys_may_publish_test() ->
    Realm = realm(#{capability => {keys, [key(1), key(2)]}}),
    ?assertEqual(ok, refusal(claims(1, 1), ?NOW, Realm)),
    ?assertEqual(not_permitted, refusal(claims(3, 1), ?NOW, Realm)),
    {ok, Followed} = cambrian_realm:succeed(#{old => key(1), new => key(4)}, ?NOW, Realm),
    ?assertEqual(ok, refusal(claims(4, 1), ?NOW, Followed)),
    ?assertEqual(retired_key, refusal(claims(1, 1), ?NOW, Followed)),
    %% the options may list the same keys again, or others
    ?assertEqual(ok,
                 refusal(claims(4, 1), ?NOW,
                         cambrian_realm:change(#{capability => {keys, [key(1)]}}, Followed))),
    ?assertEqual(not_permitted,
                 refusal(claims(4, 1), ?NOW,
                         cambrian_realm:change(#{capability => {keys, [key(2)]}}, Followed))).

only_a_key_with_a_grant_of_the_owner_may_publish_test() ->
    Realm = realm(#{capability => {signed_by, key(9)}}),
    Claims = claims(1, 1),
    Grant =
        #{realm => <<"lab">>, by => [key(9)], key => key(1), issued => ?NOW,
          until => ?NOW + ?MINUTE,
          id => key(100)},
    With = fun(Changes) -> Claims#{grant => maps:merge(Grant, Changes)} end,
    ?assertEqual(not_permitted, refusal(Claims, ?NOW, Realm)),
    ?assertEqual({read_grant, <<"bytes">>}, refusal(Claims#{grant => <<"bytes">>}, ?NOW, Realm)),
    ?assertEqual(ok, refusal(With(#{}), ?NOW, Realm)),
    ?assertEqual(not_permitted, refusal(With(#{realm => <<"else">>}), ?NOW, Realm)),
    ?assertEqual(not_permitted, refusal(With(#{by => [key(8)]}), ?NOW, Realm)),
    ?assertEqual(not_permitted, refusal(With(#{key => key(2)}), ?NOW, Realm)),
    ?assertEqual(grant_expired, refusal(With(#{until => ?NOW}), ?NOW, Realm)),
    ?assertEqual(ok, refusal(claims(9, 1), ?NOW, Realm)),
    %% a key whose grant was genuine may publish without it until it ends
    {ok, Granted} = cambrian_realm:genuine(With(#{}), ?NOW, Realm),
    ?assertEqual(ok, refusal((claims(1, 2))#{grant => <<"not looked at">>}, ?NOW, Granted)),
    Later = ?NOW + ?MINUTE,
    ?assertEqual(grant_expired, refusal(claims(1, 2, Later), Later, Granted)),
    ?assertEqual({read_grant, <<"new">>},
                 refusal((claims(1, 2, Later))#{grant => <<"new">>}, Later, Granted)),
    %% its successor has the grant too, and may show the old one
    {ok, Followed} = cambrian_realm:succeed(#{old => key(1), new => key(5)}, ?NOW, Granted),
    ?assertEqual(ok, refusal(claims(5, 2), ?NOW, Followed)),
    ?assertEqual(ok, refusal((claims(5, 2))#{grant => Grant}, ?NOW, Followed)),
    %% a key without a known grant cannot name a successor
    ?assertEqual({error, not_permitted},
                 cambrian_realm:succeed(#{old => key(1), new => key(5)}, ?NOW, Realm)),
    ?assertEqual(not_permitted,
                 refusal(claims(1, 3), ?NOW,
                         cambrian_realm:change(#{capability => {signed_by, key(7)}}, Granted))).

%%% ---- reputation -------------------------------------------------------------------------

a_liar_is_banned_after_five_lies_test() ->
    Lie =
        fun(_, R) -> {inflated, Next} = cambrian_realm:checked(key(1), 4.0, 3.0, ?NOW, R), Next end,
    Known = arrives(1, 1, ?NOW, realm()),
    Four = lists:foldl(Lie, Known, lists:seq(1, 4)),
    ?assertNot(cambrian_realm:is_banned({key, key(1)}, Four)),
    Five = Lie(5, Four),
    ?assertMatch([#{what := {key, _}, by := reputation}], cambrian_realm:bans(Five)),
    ?assertEqual(banned_key, refusal(claims(1, 2), ?NOW, Five)),
    Forgiven = cambrian_realm:unban({key, key(1)}, Five),
    ?assertEqual(0.5, cambrian_realm:reputation(key(1), Forgiven)),
    ?assertEqual(ok, refusal(claims(1, 2), ?NOW, Forgiven)).

honest_claims_make_up_for_at_most_six_lies_test() ->
    Told = fun(Claimed, R) -> element(2, cambrian_realm:checked(key(1), Claimed, 3.0, ?NOW, R)) end,
    Lie = fun(_, R) -> lists:foldl(Told, R, [4.0 | lists:duplicate(500, 3.0)]) end,
    Six = lists:foldl(Lie, arrives(1, 1, ?NOW, realm()), lists:seq(1, 6)),
    ?assertNot(cambrian_realm:is_banned({key, key(1)}, Six)),
    ?assert(cambrian_realm:is_banned({key, key(1)}, Lie(7, Six))).

a_bad_payload_costs_half_of_the_reputation_and_only_once_test() ->
    {ok, Once} = cambrian_realm:cheated(claims(1, 1), wrong_id, ?NOW, realm()),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Once)),
    {error, replay, Twice} = cambrian_realm:cheated(claims(1, 1), wrong_id, ?NOW, Once),
    ?assertEqual(0.25, cambrian_realm:reputation(key(1), Twice)),
    ?assertMatch(#{refused := #{wrong_id := 1, replay := 1}}, cambrian_realm:report(Twice)).

only_faults_that_the_origin_signed_count_as_lies_test() ->
    [?assertNot(cambrian_admission:is_lie(Reason))
     || Reason <- [bad_signature, {missing_base, key(1)}, {wrong_base, key(1)},
                   {unsupported_version, 9}]],
    [?assert(cambrian_admission:is_lie(Reason))
     || Reason <- [bad_compression, wrong_id, malformed, not_canonical,
                   {invalid_genotype, <<"why">>}, {too_large, 1}]].

tolerance_is_relative_test() ->
    Verdict = fun(Claimed, Measured, Options) ->
                  element(1,
                          cambrian_realm:checked(key(1), Claimed, Measured, ?NOW,
                                                 arrives(1, 1, ?NOW, realm(Options))))
              end,
    [?assertEqual({Claimed, Measured, Expected},
                  {Claimed, Measured, Verdict(Claimed, Measured, #{})})
     || {Claimed, Measured, Expected} <- [{1.0, 1.0, confirmed}, {1.0, 2.0, confirmed},
                                          {1.0, 0.995, confirmed},
                                          {1.0, 0.98, inflated}, {-1.0, -1.005, confirmed},
                                          {-1.0, -2.0, inflated},
                                          {0.0, 0.0, confirmed}, {0.0, -1.0, inflated},
                                          {1.0e308, -1.0e308, inflated},
                                          {-1.0e308, 1.0e308, confirmed},
                                          {5.0e-324, 0.0, inflated}]],
    ?assertEqual(confirmed, Verdict(1.0, 0.6, #{tolerance => 0.5})),
    ?assertEqual(confirmed, Verdict(1.0e308, -1.0e308, #{tolerance => 2})).

%% A key that only lies is banned by its fifth lie. A key that never lies is never banned.
liars_are_banned_and_honest_keys_are_not_test() ->
    for_all_seeds(fun() ->
        Known =
            lists:foldl(fun(Origin, R) -> arrives(Origin, 1, ?NOW, R) end, realm(),
                        lists:seq(1, 10)),
        {_, Lies} =
            lists:foldl(fun(_, {R, Told}) -> told(rand:uniform(10), R, Told) end, {Known, #{}},
                        lists:seq(1, 200)),
        ?assert(lists:all(fun(N) -> N =< 5 end, maps:values(Lies)))
    end).

told(Origin, Realm, Lies) when Origin =< 5 ->
    {confirmed, Next} =
        cambrian_realm:checked(key(Origin), rand:uniform(), 1 + rand:uniform(), ?NOW, Realm),
    ?assertNot(cambrian_realm:is_banned({key, key(Origin)}, Next)),
    ?assert(cambrian_realm:reputation(key(Origin), Next) =< 1.0),
    {Next, Lies};
told(Origin, Realm, Lies) ->
    case cambrian_realm:is_banned({key, key(Origin)}, Realm) of
        true -> {Realm, Lies};
        false ->
            {inflated, Next} =
                cambrian_realm:checked(key(Origin), 2 + rand:uniform(), rand:uniform(), ?NOW,
                                       Realm),
            {Next, maps:update_with(Origin, fun(N) -> N + 1 end, 1, Lies)}
    end.

%% A forger cannot sign for the victim, whatever it claims.
forged_messages_change_nothing_of_the_victim_test() ->
    for_all_seeds(fun() ->
        Before = arrives(1, 5, ?NOW, realm()),
        After = lists:foldl(fun(_, R) -> forged(R) end, Before, lists:seq(1, 200)),
        #{origins := Known} = cambrian_realm:report(Before),
        ?assertMatch(#{origins := Known, bans := []}, cambrian_realm:report(After)),
        ?assertEqual(ok, refusal(claims(1, 6), ?NOW, After))
    end).

forged(Realm) ->
    Claims = claims(1, rand:uniform(1000), ?NOW + pick([-1, 0, 1]) * rand:uniform(10) * ?MINUTE),
    case cambrian_realm:admit(Claims, ?NOW, Realm) of
        {ok, Next} -> cambrian_realm:refused(bad_signature, Next);
        {error, _, Next} -> Next
    end.

replayed_messages_change_nothing_of_the_victim_test() ->
    for_all_seeds(fun() ->
        Signed = [claims(1, N, ?NOW) || N <- lists:seq(1, 20)],
        Sent =
            lists:foldl(fun(Claims, R) -> {ok, Next} = cambrian_realm:genuine(Claims, ?NOW, R), Next
            end, realm(), Signed),
        After = lists:foldl(fun(_, R) ->
                                Again = pick([genuine, cheated]),
                                {error, _, Next} = case Again of
                                                       genuine ->
                                        cambrian_realm:genuine(pick(Signed), ?NOW, R);
                                                       cheated ->
                                        cambrian_realm:cheated(pick(Signed), wrong_id, ?NOW, R)
                                                   end,
                                Next
                            end, Sent, lists:seq(1, 100)),
        #{origins := Origins} = cambrian_realm:report(Sent),
        ?assertMatch(#{origins := Origins, bans := []}, cambrian_realm:report(After))
    end).

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

%%% ---- places ------------------------------------------------------------------------------

%% The origin delivered a genotype, and its claim was true.
earns(Origin, Realm) ->
    {confirmed, Good} = cambrian_realm:checked(key(Origin), 1.0, 1.0, ?NOW, Realm),
    cambrian_realm:accepted(key(Origin), Good).

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

%%% ---- proof of work and invitations -------------------------------------------------------

a_proof_of_work_is_checked_once_test() ->
    Bits = 8,
    Realm = realm(#{capability => {work, Bits}}),
    #{realm := Name} = claims(1, 1),
    Stamp = cambrian_proof_of_work:find(Bits, Name, key(1)),
    ?assertEqual([not_permitted, not_permitted, not_permitted, ok],
                 [refusal((claims(1, 1))#{grant => Shown}, ?NOW, Realm)
                  || Shown <- [undefined, <<"no stamp">>,
                               cambrian_proof_of_work:find(Bits, Name, key(2)), Stamp]]),
    ?assertEqual(not_permitted, refusal((claims(2, 1))#{grant => Stamp}, ?NOW, Realm)),
    {ok, Known} = cambrian_realm:genuine((claims(1, 1))#{grant => Stamp}, ?NOW, Realm),
    ?assertEqual(ok, refusal(claims(1, 2), ?NOW, Known)),
    ?assertEqual([false, true], [cambrian_realm:is_heard(key(1), ?NOW, R) || R <- [Realm, Known]]).

%% A proof takes 2^bits tries on average, and one to check.
a_proof_of_work_costs_work_test() ->
    Tries =
        [binary:decode_unsigned(cambrian_proof_of_work:find(6, <<"r">>, key(N))) + 1
         || N <- lists:seq(1, 200)],
    Mean = lists:sum(Tries) / length(Tries),
    ?assert(Mean > 48 andalso Mean < 84),
    Stamp = cambrian_proof_of_work:find(10, <<"r">>, key(1)),
    ?assert(cambrian_proof_of_work:is_stamp(Stamp, 10, <<"r">>, key(1))),
    [?assertNot(cambrian_proof_of_work:is_stamp(Bytes, Bits, Name, key(N)))
     || {Bytes, Bits, Name, N} <- [{Stamp, 24, <<"r">>, 1}, {Stamp, 10, <<"s">>, 1},
                                   {Stamp, 10, <<"r">>, 2}, {<<>>, 1, <<"r">>, 1},
                                   {undefined, 1, <<"r">>, 1},
                                   {<<0, Stamp/binary>>, 1, <<"r">>, 1}]].

invitation(By, To) ->
    #{realm => maps:get(realm, claims(1, 1)), by => [key(By)], key => key(To), issued => ?NOW,
      until => ?NOW + ?MINUTE,
      id => crypto:hash(sha256, <<By, To>>)}.

%% The host 1 invites 2, which must earn its place before it can invite 3.
a_key_that_earned_its_place_may_invite_test() ->
    Realm = realm(#{capability => {invited, [key(1)]}}),
    Asks = fun(N, By, R) -> refusal((claims(N, 1))#{grant => invitation(By, N)}, ?NOW, R) end,
    ?assertEqual([ok, not_permitted, ok, not_permitted],
                 [refusal(claims(1, 1), ?NOW, Realm), refusal(claims(2, 1), ?NOW, Realm),
                  Asks(2, 1, Realm), Asks(3, 2, Realm)]),
    {ok, Guest} = cambrian_realm:genuine((claims(2, 1))#{grant => invitation(1, 2)}, ?NOW, Realm),
    ?assertEqual([ok, not_permitted], [refusal(claims(2, 2), ?NOW, Guest), Asks(3, 2, Guest)]),
    Host = earns(2, Guest),
    ?assertEqual(ok, Asks(3, 2, Host)),
    {ok, Both} = cambrian_realm:genuine((claims(3, 1))#{grant => invitation(2, 3)}, ?NOW, Host),
    ?assertEqual(ok, refusal(claims(3, 2), ?NOW, Both)),
    ?assert(cambrian_realm:is_heard(key(3), ?NOW, Both)),
    %% an invitation ends at its time, and when its host has lied or is banned
    {inflated, Lied} = cambrian_realm:checked(key(2), 9.0, 1.0, ?NOW, Both),
    {ok, Banned} = cambrian_realm:ban({key, key(2)}, <<>>, ?NOW, Both),
    ?assertEqual([not_permitted, not_permitted],
                 [refusal(claims(3, 2), ?NOW, R) || R <- [Lied, Banned]]),
    Late = ?NOW + 2 * ?MINUTE,
    ?assertEqual(grant_expired, refusal(claims(3, 2, Late), Late, Both)),
    ?assertEqual({read_grant, <<"invitation">>},
                 cambrian_realm:admit((claims(4, 1))#{grant => <<"invitation">>}, ?NOW, Realm)).

all_parts_of_a_realm_are_bounded_test() ->
    for_all_seeds(fun() ->
        Max = 8,
        {_, Realm} =
            lists:foldl(fun(N, {Now, R}) -> {Now + rand:uniform(2 * ?MINUTE), anything(N, Now, R)}
            end,
                        {?NOW, realm(#{max => Max})}, lists:seq(1, 300)),
        #{origins := Origins, bans := Bans, retired := Retired} = Report =
            cambrian_realm:report(Realm),
        ?assert(map_size(Origins) =< Max),
        ?assert(length(Bans) =< 2 * Max),
        ?assert(map_size(Retired) =< Max),
        {ok, Restored} = cambrian_realm:restore(cambrian_realm:save(Realm)),
        ?assertEqual(Report, cambrian_realm:report(Restored))
    end).

anything(N, Now, Realm) ->
    Claims = claims(rand:uniform(100), N, Now),
    Other = rand:uniform(100),
    kept(case rand:uniform(8) of
             1 -> cambrian_realm:genuine(Claims, Now, Realm);
             2 -> cambrian_realm:cheated(Claims, wrong_id, Now, Realm);
             3 -> cambrian_realm:admit(Claims, Now, Realm);
             4 ->
            cambrian_realm:succeed(#{old => key(rand:uniform(100)), new => key(Other)}, Now, Realm);
             5 -> cambrian_realm:ban({pick([key, genotype]), key(Other)}, <<>>, Now, Realm);
             6 -> {ok, cambrian_realm:unban({key, key(Other)}, Realm)};
             7 ->
            {ok, element(2, cambrian_realm:checked(key(Other), 2.0, pick([0.5, 2.0]), Now, Realm))};
             8 -> {ok, cambrian_realm:accepted(key(Other), Realm)}
         end, Realm).

kept({ok, Realm}, _) -> Realm;
kept({error, _, Realm}, _) -> Realm;
kept({error, _}, Realm) -> Realm.

%%% ---- successions ------------------------------------------------------------------------

a_successor_gets_the_standing_of_its_predecessor_test() ->
    {confirmed, Known} =
        cambrian_realm:checked(key(1), 1.0, 1.0, ?NOW, arrives(1, 7, ?NOW, realm())),
    Reputation = cambrian_realm:reputation(key(1), Known),
    {ok, Followed} = cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, Known),
    ?assertEqual(Reputation, cambrian_realm:reputation(key(2), Followed)),
    ?assertEqual(replay, refusal(claims(2, 7), ?NOW, Followed)),
    ?assertEqual(ok, refusal(claims(2, 8), ?NOW, Followed)),
    ?assertEqual(retired_key, refusal(claims(1, 8), ?NOW, Followed)),
    %% no message of either key counts twice under the successor
    {ok, Both} =
        cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, arrives(2, 6, ?NOW, Known)),
    ?assertEqual([ok, replay, replay, ok],
                 [refusal(claims(2, N), ?NOW, Both) || N <- [5, 6, 7, 8]]),
    %% a second time the succession changes nothing
    ?assertEqual({ok, Followed},
                 cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, Followed)),
    ?assertEqual({error, already_succeeded},
                 cambrian_realm:succeed(#{old => key(1), new => key(3)}, ?NOW, Followed)),
    ?assertEqual({error, circular},
                 cambrian_realm:succeed(#{old => key(2), new => key(1)}, ?NOW, Followed)),
    ?assertEqual({error, circular},
                 cambrian_realm:succeed(#{old => key(3), new => key(3)}, ?NOW, Followed)),
    %% a lie from before the rotation that is measured after it counts against the successor
    {inflated, Lied} = cambrian_realm:checked(key(1), 4.0, 1.0, ?NOW, Followed),
    ?assert(cambrian_realm:reputation(key(2), Lied) < Reputation).

successions_may_come_in_any_order_test() ->
    for_all_seeds(fun() ->
        {inflated, Known} =
            cambrian_realm:checked(key(1), 2.0, 1.0, ?NOW, arrives(1, 7, ?NOW, realm())),
        Chain = [#{old => key(N), new => key(N + 1)} || N <- lists:seq(1, 6)],
        Shuffled = [Link || {_, Link} <- lists:sort([{rand:uniform(), Link} || Link <- Chain])],
        Followed =
            lists:foldl(fun(Link, R) -> {ok, Next} = cambrian_realm:succeed(Link, ?NOW, R), Next
            end,
                        Known, Shuffled),
        ?assertEqual([key(7)], maps:keys(maps:get(origins, cambrian_realm:report(Followed)))),
        ?assertEqual(0.35, cambrian_realm:reputation(key(7), Followed))
    end).

a_banned_key_has_no_successor_test() ->
    {ok, Banned} = cambrian_realm:ban({key, key(1)}, <<>>, ?NOW, realm()),
    ?assertEqual({error, banned_key},
                 cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, Banned)),
    ?assertEqual({error, banned_key},
                 cambrian_realm:succeed(#{old => key(2), new => key(1)}, ?NOW, Banned)),
    %% a ban also reaches the successor of an earlier succession
    {ok, Quick} = cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, realm()),
    {ok, Late} = cambrian_realm:ban({key, key(1)}, <<>>, ?NOW, Quick),
    ?assertEqual(banned_key, refusal(claims(2, 1), ?NOW, Late)).

%% A succession removes neither the lies of the successor nor those of the predecessor.
a_succession_removes_no_lies_test() ->
    Both = arrives(2, 1, ?NOW, arrives(1, 1, ?NOW, realm())),
    {inflated, Lied} = cambrian_realm:checked(key(2), 2.0, 1.0, ?NOW, Both),
    {ok, Followed} = cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, Lied),
    ?assertEqual(0.35, cambrian_realm:reputation(key(2), Followed)),
    {inflated, Bad} = cambrian_realm:checked(key(1), 2.0, 1.0, ?NOW, Both),
    {ok, Same} = cambrian_realm:succeed(#{old => key(1), new => key(2)}, ?NOW, Bad),
    ?assertEqual(0.35, cambrian_realm:reputation(key(2), Same)).

a_key_that_delivered_has_earned_its_place_test() ->
    Key = cambrian_identity:public_key(<<5:256>>),
    Realm = cambrian_realm:new(#{name => <<"r">>}),
    ?assertNot(cambrian_realm:has_earned(Key, Realm)),
    {ok, Heard} =
        cambrian_realm:genuine(#{realm => <<"r">>, origin => Key, genotype => <<1:256>>,
                                 sequence => 1, time => 0}, 0, Realm),
    ?assertNot(cambrian_realm:has_earned(Key, Heard)),
    {confirmed, Confirmed} = cambrian_realm:checked(Key, 1.0, 1.0, 0, Heard),
    ?assertNot(cambrian_realm:has_earned(Key, Confirmed)),
    Earned = cambrian_realm:accepted(Key, Confirmed),
    ?assert(cambrian_realm:has_earned(Key, Earned)),
    {inflated, Lied} = cambrian_realm:checked(Key, 2.0, 1.0, 0, Earned),
    ?assertNot(cambrian_realm:has_earned(Key, Lied)).

only_keys_that_may_publish_are_heard_test() ->
    [A, B, Owner] = [cambrian_identity:public_key(<<N:256>>) || N <- [1, 2, 3]],
    Open = cambrian_realm:new(#{name => <<"r">>}),
    Listed = cambrian_realm:new(#{name => <<"r">>, capability => {keys, [A]}}),
    Granted = cambrian_realm:new(#{name => <<"r">>, capability => {signed_by, Owner}}),
    {ok, Banned} = cambrian_realm:ban({key, A}, <<>>, 0, Open),
    {ok, Retired} = cambrian_realm:succeed(#{old => A, new => B}, 0, Listed),
    ?assertEqual([{true, true}, {true, false}, {false, false}, {false, true}, {false, true}],
                 [{cambrian_realm:is_heard(A, 0, Realm), cambrian_realm:is_heard(B, 0, Realm)}
                  || Realm <- [Open, Listed, Granted, Banned, Retired]]),
    ?assert(cambrian_realm:is_heard(Owner, 0, Granted)).

%%% ---- a clock that is set -----------------------------------------------------------------

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

a_key_is_found_by_its_name_test() ->
    Name = cambrian_identity:name(key(1)),
    ?assertEqual({error, {unknown_name, Name}}, cambrian_realm:named(Name, realm())),
    ?assertEqual({ok, key(1)},
                 cambrian_realm:named(Name, arrives(2, 1, ?NOW, arrives(1, 1, ?NOW, realm())))).

%% A ban of a key covers its predecessors and successors, each once.
a_ban_covers_predecessors_and_successors_test() ->
    Realm0 = cambrian_realm:new(#{name => <<"r">>}),
    [A, B, C, D] = [<<N:256>> || N <- [1, 2, 3, 4]],
    {ok, Realm1} = cambrian_realm:succeed(#{old => A, new => B}, 0, Realm0),
    {ok, Realm2} = cambrian_realm:succeed(#{old => B, new => C}, 0, Realm1),
    {ok, Realm3} = cambrian_realm:ban({key, C}, <<>>, 0, Realm2),
    {ok, Realm} = cambrian_realm:ban({genotype, D}, <<>>, 0, Realm3),
    ?assertEqual(#{keys => [A, B, C], genotypes => []}, cambrian_realm:banned({key, C}, Realm)),
    ?assertEqual(#{keys => [A, B, C], genotypes => [D]}, cambrian_realm:banned(all, Realm)),
    ?assertEqual(#{keys => [], genotypes => [D]}, cambrian_realm:banned({genotype, D}, Realm)),
    ?assertEqual([true, true, true, false, true],
                 [cambrian_realm:is_any_banned(Subjects, Realm)
                  || Subjects <- [[{key, A}], [{key, C}], [{key, D}, {genotype, D}],
                                  [{key, D}, {genotype, A}], [{key, D}, {key, B}]]]),
    ?assertEqual(#{keys => [], genotypes => []}, cambrian_realm:banned(all, Realm2)).
