%% Who may publish in a realm, and what messages of strangers change. A test of random sequences
%% prints the seed of a failure.
-module(cambrian_realm_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_claims, [arrives/4, claims/2, claims/3, earns/2, for_all_seeds/1, key/1, pick/1,
                          realm/0, realm/1, refusal/3]).

-define(NOW, 1_800_000_000_000).
-define(MINUTE, 60_000).

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

%%% ---- names and bans ---------------------------------------------------------------------

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
