%% The owners of a realm and the keys that may publish there, as signed bytes. The test sets the
%% clock.
-module(cambrian_keyring_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_owners, [amend/3, amended/3, arrives/4, arrives/5, ask/1, charter/5, counting/0,
                          followed/4, grant/3, grant_id/1, key/1, now_ms/0, owned/2, realm/1,
                          realm/2, refusal/4, restarted/1, secret/1]).

-define(REALM, <<"org.example.test">>).
-define(DAY, 86_400_000).
-define(YEAR, (366 * ?DAY)).

%%% ---- an owner rotates its key (M3) -------------------------------------------------------

a_realm_follows_its_owner_to_the_new_key_test() ->
    Now = now_ms(),
    Realm = realm({signed_by, key(1)}),
    Old = grant([1], 12, Now + ?DAY),
    {ok, Heard} = arrives(12, Old, Now, Realm),
    [begin
         ?assertEqual(ok, refusal(2, undefined, Now, Moved)),
         ?assertEqual(retired_key, refusal(1, undefined, Now, Moved)),
         %% a grant of the retired key admits no key, whether it was signed before or after
         ?assertEqual(retired_owner, refusal(12, Old, Now, Moved)),
         ?assertEqual(retired_owner, refusal(13, grant([1], 13, Now + ?DAY), Now, Moved)),
         {ok, Again} = cambrian_identity:reissue(secret(2), Old),
         ?assertEqual(ok, refusal(12, Again, Now + 1000, Moved)),
         ?assertEqual(#{owners => [key(2)], threshold => 1},
                      maps:get(owners, cambrian_realm:report(Moved)))
     end || Before <- [Realm, Heard], Followed <- [followed(1, 2, Now, Before)],
            Moved <- [Followed, restarted(Followed),
                      cambrian_realm:change(#{capability => {signed_by, key(1)}}, Followed)]].

a_grant_of_a_banned_owner_is_refused_test() ->
    Now = now_ms(),
    Grant = grant([1], 12, Now + ?DAY),
    {ok, Heard} = arrives(12, Grant, Now, realm({signed_by, key(1)})),
    {ok, Banned} = cambrian_realm:ban({key, key(1)}, <<>>, Now, Heard),
    ?assertEqual([banned_owner, banned_owner],
                 [refusal(12, Shown, Now, Banned) || Shown <- [undefined, Grant]]),
    ?assertEqual(ok, refusal(12, Grant, Now, cambrian_realm:unban({key, key(1)}, Banned))),
    %% if several owners may sign, the other owners still can
    {ok, One} = cambrian_realm:ban({key, key(1)}, <<>>, Now, owned(1, [1, 2])),
    ?assertEqual([banned_owner, ok],
                 [refusal(12, grant([Owner], 12, Now + ?DAY), Now, One) || Owner <- [1, 2]]).

%%% ---- grants -----------------------------------------------------------------------------

a_grant_is_valid_only_in_its_time_test() ->
    Now = now_ms(),
    Realm = realm({signed_by, key(1)}),
    Sealed = fun(Issued, Until) ->
                 {ok, Bytes} =
                     cambrian_nif:identity_grant(secret(1), ?REALM, key(12), {Issued, Until}),
                 Bytes
             end,
    [?assertEqual({Issued, Until, Answer},
                  {Issued, Until, refusal(12, Sealed(Now + Issued, Now + Until), Now, Realm)})
     || {Issued, Until, Answer} <- [{0, ?YEAR, ok}, {-?DAY, ?YEAR - ?DAY, ok},
                                    {0, ?YEAR + 1, grant_too_long},
                                    {-?DAY, ?YEAR, grant_too_long}, {4 * 60_000, ?DAY, ok},
                                    {6 * 60_000, ?DAY, grant_from_the_future},
                                    {-?DAY, 0, grant_expired}, {-?YEAR, 1, grant_too_long}]],
    ?assertEqual(grant_too_long, refusal(12, Sealed(0, 1 bsl 63), Now, Realm)),
    ?assertMatch({error, {grant_too_long, ?YEAR}},
                 cambrian_identity:grant(secret(1), ?REALM, key(12), 1 bsl 60)).

%% A grant of the first version ends at the latest with the year in which the last of them was
%% written.
grants_of_the_first_version_end_test() ->
    Now = 1_800_000_000_000,
    Earlier = fun(Until) ->
                  Body =
                      iolist_to_binary(cambrian_msgpack:encode([1, {text, ?REALM}, key(1), key(12),
                                                                Until])),
                  Signature =
                      crypto:sign(eddsa, none, [<<"cambrian grant 1\n">>, Body],
                                  [secret(1), ed25519]),
                  iolist_to_binary(cambrian_msgpack:encode([Body, Signature]))
              end,
    Realm = realm({signed_by, key(1)}),
    End = 1_827_619_200_000,
    ?assertEqual([ok, ok, grant_expired, grant_expired],
                 [refusal(12, Earlier(Until), At, Realm)
                  || {Until, At} <- [{1 bsl 60, Now}, {Now + 1, Now}, {Now, Now},
                                     {1 bsl 60, End}]]),
    {ok, Heard} = arrives(12, Earlier(1 bsl 60), Now, Realm),
    ?assertEqual(grant_expired, refusal(12, undefined, End, Heard)),
    ?assertEqual({error, {unsupported_version, 1}},
                 cambrian_identity:cosign(secret(2), Earlier(Now))).

a_grant_needs_as_many_owners_as_the_threshold_test() ->
    Now = now_ms(),
    Realm = owned(2, [1, 2, 3]),
    Answer = fun(Owners, R) -> refusal(12, grant(Owners, 12, Now + ?DAY), Now, R) end,
    ?assertEqual([too_few_owners, ok, ok, too_few_owners, not_permitted],
                 [Answer(Owners, Realm) || Owners <- [[1], [1, 2], [3, 2, 1], [2, 9], [8, 9]]]),
    {ok, Banned} = cambrian_realm:ban({key, key(2)}, <<>>, Now, followed(1, 4, Now, Realm)),
    ?assertEqual([retired_owner, retired_owner, banned_owner, ok],
                 [Answer(Owners, Banned) || Owners <- [[1, 2], [1, 3], [2, 3], [4, 3]]]),
    %% two owners that rotate to the same key count as one
    Two = followed(2, 4, Now, followed(1, 4, Now, owned(2, [1, 2]))),
    ?assertEqual(too_few_owners, Answer([4], Two)).

%% A forged grant changes nothing for any key, and the node verifies its signature only if the
%% cheap checks pass.
forged_grants_change_nothing_and_are_seldom_verified_test() ->
    Now = now_ms(),
    Realm = owned(2, [1, 2]),
    {Once, Count} = counting(),
    {not_permitted, Other} = arrives(12, grant([8, 9], 12, Now + ?DAY), Once, Now, Realm),
    {too_few_owners, Few} = arrives(12, grant([1], 12, Now + ?DAY), Once, Now, Other),
    ?assertEqual(0, Count()),
    Good = grant([1, 2], 12, Now + ?DAY),
    Size = byte_size(Good) - 1,
    <<Whole:Size/binary, Last>> = Good,
    {not_permitted, Forged} = arrives(12, <<Whole/binary, (Last bxor 1)>>, Once, Now, Few),
    ?assertEqual(1, Count()),
    ?assertMatch(#{origins := Origins, bans := []} when map_size(Origins) =:= 0,
                 cambrian_realm:report(Forged)),
    ?assertEqual(ok, refusal(12, Good, Now, Forged)).

%%% ---- charters ---------------------------------------------------------------------------

a_charter_revokes_a_grant_test() ->
    Now = now_ms(),
    [Kept, Gone, Regranted] = Grants = [grant([1], N, Now + ?DAY) || N <- [11, 12, 13]],
    Heard =
        lists:foldl(fun({N, Grant}, R) -> {ok, Next} = arrives(N, Grant, Now, R), Next end,
                    realm({signed_by, key(1)}),
                    lists:zip([11, 12, 13], Grants)),
    Amended = amended(charter(1, [1], 1, [key(12), grant_id(Regranted)], [1]), Now, Heard),
    {ok, Anew} = cambrian_nif:identity_grant(secret(1), ?REALM, key(13), {Now - 1, Now + ?DAY}),
    [?assertEqual([ok, grant_revoked, grant_revoked, grant_revoked, ok],
                  [refusal(N, Grant, Now, R)
                   || {N, Grant} <- [{11, Kept}, {12, Gone}, {12, grant([1], 12, Now + ?YEAR)},
                                     {13, Regranted}, {13, Anew}]])
     || R <- [Amended, restarted(Amended)]],
    %% each charter is complete and replaces the one before
    Later = amended(charter(2, [1], 1, [key(11)], [1]), Now, Amended),
    ?assertEqual([grant_revoked, ok],
                 [refusal(N, Grant, Now, Later) || {N, Grant} <- [{11, Kept}, {12, Gone}]]),
    ?assertMatch({older, _}, amend(charter(1, [1], 1, [], [1]), Now, Later)),
    ?assertMatch({same, _}, amend(maps:get(charter, cambrian_realm:report(Later)), Now, Later)).

a_change_of_owners_needs_signatures_of_old_and_new_owners_test() ->
    Now = now_ms(),
    Realm = owned(2, [1, 2, 3]),
    Answer =
        fun(Signers) -> element(1, amend(charter(1, [3, 4, 5], 2, [], Signers), Now, Realm)) end,
    ?assertEqual([{error, not_permitted}, {error, too_few_owners}, {error, too_few_owners},
                  {error, not_permitted}, ok, ok],
                 [Answer(Signers)
                  || Signers <- [[4, 5], [1, 4, 5], [1, 3], [1, 2], [1, 3, 4], [1, 2, 4, 5]]]),
    Next = amended(charter(1, [3, 4, 5], 2, [], [1, 3, 4]), Now, Realm),
    ?assertEqual([not_permitted, ok],
                 [refusal(12, grant(Owners, 12, Now + ?DAY), Now, Next)
                  || Owners <- [[1, 2], [4, 5]]]),
    ?assertEqual({error, not_permitted},
                 element(1, amend(charter(2, [1, 2], 1, [], [1, 2]), Now, Next))).

a_forged_charter_is_refused_with_its_reason_test() ->
    Now = now_ms(),
    Realm = amended(charter(3, [1, 2], 1, [], [1]), Now, owned(1, [1, 2])),
    Good = charter(4, [1, 2], 1, [key(9)], [1]),
    {Once, Count} = counting(),
    Answer = fun(Bytes) -> element(1, cambrian_admission:charter(Bytes, Once, ask(Now), Realm)) end,
    {ok, Elsewhere} =
        cambrian_charter:seal(#{realm => <<"else">>, number => 9, owners => [key(1)]}, secret(1)),
    {ok, Ahead} =
        cambrian_charter:seal(#{realm => ?REALM, number => 9, owners => [key(1)],
                                issued => Now + ?DAY}, secret(1)),
    ?assertEqual([{error, malformed}, {error, wrong_realm}, {error, from_the_future}, older,
                  {error, not_permitted}],
                 [Answer(Bytes)
                  || Bytes <- [<<"noise">>, Elsewhere, Ahead, charter(2, [1], 1, [], [1]),
                               charter(9, [7], 1, [], [7])]]),
    ?assertEqual(0, Count()),
    Damaged =
        [<<Before/binary, (Byte bxor 1), After/binary>> || At <- lists:seq(0, byte_size(Good) - 1),
                                                          <<Before:At/binary, Byte,
                                                            After/binary>> <- [Good]],
    [?assertMatch({error, _}, Answer(Bytes)) || Bytes <- Damaged],
    ?assertEqual(ok, Answer(Good)),
    ?assertEqual({error, not_permitted}, element(1, amend(Good, Now, realm(open)))).

%% A realm verifies few signatures a second, however many charters name its owners.
the_verification_of_charters_is_metered_test() ->
    {Once, Count} = counting(),
    Second = now_ms() div 1000 * 1000,
    Flooded = flooded(forged_charters(5000), Second, Once, realm({signed_by, key(1)})),
    %% 200 (1 + ln 25) on average, in the second in which a flood begins
    ?assert(Count() < 1000, Count()),
    Before = Count(),
    Again = flooded(forged_charters(5000), Second + 1000, Once, Flooded),
    ?assert(Count() - Before < 300, Count() - Before),
    #{refused := #{bad_signature := Bad, rate_limited := Limited}} = cambrian_realm:report(Again),
    ?assertEqual({Count(), 10_000}, {Bad, Bad + Limited}),
    %% without a flood all are verified
    {Quiet, QuietCount} = counting(),
    Few = flooded(forged_charters(199), Second, Quiet, realm({signed_by, key(1)})),
    ?assertEqual(199, QuietCount()),
    ?assertMatch({ok, _}, amend(charter(1, [1], 1, [], [1]), Second, Few)).

%% A stranger's own signatures are genuine, and only that of the owner is false: they count too.
forged_charters_count_by_their_signatures_test() ->
    Second = now_ms() div 1000 * 1000,
    Strangers = lists:seq(101, 111),
    Forged = fun(By) -> lists:duplicate(2000, forged(charter(2, [1, 101], 1, [], By))) end,
    [{One, OneCount}, {Twelve, TwelveCount}] = [counting(), counting()],
    _ = flooded(Forged([1]), Second, One, realm({signed_by, key(1)})),
    _ = flooded(Forged(Strangers ++ [1]), Second, Twelve, realm({signed_by, key(1)})),
    %% 200 (1 + ln 10) and 200 (1 + ln 120) signatures on average
    ?assert(12 * TwelveCount() < 2.5 * OneCount(), {OneCount(), TwelveCount()}).

%% A flood of 1,000 a second begins with each second, so it is always first.
a_charter_gets_through_a_flood_of_forged_charters_test() ->
    Forged = forged_charters(1000),
    Good = charter(1, [1], 1, [], [1]),
    Tries = fun Try(N, Second, Realm) ->
                Once = fun cambrian_admission:every_time/2,
                case amend(Good, Second + 999, flooded(Forged, Second, Once, Realm)) of
                    {ok, _} -> N;
                    {{error, rate_limited}, Next} -> Try(N + 1, Second + 1000, Next)
                end
            end,
    Start = now_ms() div 1000 * 1000,
    All = [Tries(1, Start, realm({signed_by, key(1)}, #{seed => Seed})) || Seed <- lists:seq(1, 5)],
    ?assert(lists:sum(All) < 50, All).

%% Each is newer than the one before, and names an owner whose signature is false.
forged_charters(Count) ->
    {ok, Good} = cambrian_charter:peek(charter(1, [1], 1, [], [1])),
    {ok, Bytes} = cambrian_charter:seal(Good#{number := 2, owners := [key(1)]}, secret(1)),
    lists:duplicate(Count, forged(Bytes)).

%% With another last byte, which belongs to the last signature.
forged(Bytes) ->
    Size = byte_size(Bytes) - 1,
    <<Body:Size/binary, Last>> = Bytes,
    <<Body/binary, (Last bxor 1)>>.

flooded(Charters, Now, Once, Realm) ->
    lists:foldl(fun(Bytes, R) ->
                    {{error, _}, Next} = cambrian_admission:charter(Bytes, Once, ask(Now), R),
                    Next
                end, Realm, Charters).

%% A node that knows only the first owners finds the last ones by the charters that others repeat,
%% up to so many changes.
a_late_node_follows_eight_changes_of_owners_test() ->
    Now = now_ms(),
    Change = fun(N) -> charter(2 * N, [N + 1], 1, [], [N, N + 1]) end,
    Revoke = fun(N) -> charter(2 * N + 1, [N + 1], 1, [key(99)], [N + 1]) end,
    Chain = fun(Changes) ->
                lists:foldl(fun(N, R) ->
                    amended(Revoke(N), Now + 1000 * N, amended(Change(N), Now + 1000 * N, R)) end,
                            realm({signed_by, key(1)}), lists:seq(1, Changes))
            end,
    Told = fun(R) -> {Charters, _} = cambrian_realm:ask(charters, Now, R), Charters end,
    [begin
         Charters = Told(Chain(Changes)),
         ?assertEqual(min(Changes, 8) + 1, length(Charters)),
         Late =
             lists:foldl(fun(Charter, R) -> element(2, amend(Charter, Now + ?DAY, R)) end,
                         realm({signed_by, key(1)}), Charters),
         ?assertEqual(case Changes =< 8 of true -> [key(Changes + 1)]; false -> [key(1)] end,
                      maps:get(owners, maps:get(owners, cambrian_realm:report(Late)))),
         ?assert(Changes > 8 orelse Told(Late) =:= Charters andalso
                 Told(restarted(Late)) =:= Charters)
     end || Changes <- [1, 3, 8, 9]].

%% Of two charters with the same number all nodes keep the same one, in any order of arrival.
all_nodes_keep_the_same_of_two_conflicting_charters_test() ->
    Now = now_ms(),
    Realm = amended(charter(1, [1, 2], 1, [], [1]), Now, owned(1, [1, 2])),
    [A, B] = [charter(2, [1, 2], 1, [key(20 + N)], [N]) || N <- [1, 2]],
    Last = fun(Charters) ->
               maps:get(charter,
                        cambrian_realm:report(lists:foldl(fun(C, R) -> element(2, amend(C, Now, R))
                        end, Realm, Charters)))
           end,
    ?assertEqual(Last([A, B]), Last([B, A])),
    ?assert(lists:member(Last([A, B]), [A, B])),
    %% neither charter is kept for late nodes, since neither changed the owners
    Next = charter(3, [1, 2], 1, [], [2]),
    ?assertEqual(Next, Last([B, Next, A])).

%% Other options restart the history of owners, the same options do not.
options_name_the_first_owners_test() ->
    Now = now_ms(),
    Realm = amended(charter(1, [2], 1, [], [1, 2]), Now, realm({signed_by, key(1)})),
    Owners =
        fun(Options) ->
            maps:get(owners, cambrian_realm:report(cambrian_realm:change(Options, Realm))) end,
    One = fun(N) -> #{owners => [key(N)], threshold => 1} end,
    ?assertEqual([One(2), One(2), One(2), One(3), none],
                 [Owners(Options)
                  || Options <- [#{}, #{capability => {signed_by, key(1)}},
                                 #{capability => {signed_by, One(1)}},
                                 #{capability => {signed_by, key(3)}}, #{capability => open}]]).

capabilities_are_checked_test() ->
    Is = fun cambrian_keyring:is_capability/1,
    [?assert(Is(C))
     || C <- [open, {keys, [key(1)]}, {invited, [key(1)]}, {work, 24}, {signed_by, key(1)},
              {signed_by, #{owners => [key(1)], threshold => 1}},
              {signed_by, #{owners => [key(N) || N <- lists:seq(1, 6)], threshold => 6}}]],
    [?assertNot(Is(C))
     || C <- [closed, {keys, [a | b]}, {signed_by, <<1>>}, {signed_by, #{owners => [key(1)]}},
              {signed_by, #{owners => [], threshold => 1}},
              {signed_by, #{owners => [key(1)], threshold => 0}},
              {signed_by, #{owners => [key(1)], threshold => 2}},
              {signed_by, #{owners => [key(1), key(1)], threshold => 1}},
              {signed_by, #{owners => [a | b], threshold => 1}},
              {signed_by, #{owners => [key(N) || N <- lists:seq(1, 7)], threshold => 1}}]].

a_wrong_capability_names_its_wrong_part_test() ->
    Of = fun(Owners, Threshold) -> {signed_by, #{owners => Owners, threshold => Threshold}} end,
    Two = [key(1), key(2)],
    Owners = <<"1 to 6 owners, none twice">>,
    [?assertEqual({Wrong, {error, {bad_option, {capability, Wrong, Expected}}}},
                  {Wrong,
                   cambrian_options:check(#{capability => Wrong}, cambrian_realm:table(), <<>>)})
     || {Expected, Wrongs} <-
            [{<<"a threshold from 1 to the number of owners, 2">>,
              [Of(Two, 0), Of(Two, 3), Of(Two, two)]},
             {Owners,
              [Of([], 1), Of([key(N) || N <- lists:seq(1, 7)], 1), Of([key(1), key(1)], 1),
               Of([key(1) | key(2)], 1)]},
             {<<"owners whose keys have 32 bytes">>, [Of([<<1>>, key(1)], 1)]},
             {<<"signed_by a map of owners and threshold, and nothing else">>,
              [{signed_by, #{owners => Two}},
               {signed_by, #{owners => Two, threshold => 1, revoked => []}}]},
             {<<"signed_by a key of 32 bytes, or a map of owners and threshold">>,
              [{signed_by, <<1>>}, {signed_by, Two}]},
             {<<"work of 1 to 24 bits">>, [{work, 0}, {work, 25}, {work, lots}]},
             {<<"a list of at least one key">>,
              [{keys, []}, {invited, []}, {keys, key(1)}, {invited, [key(1) | key(2)]}]},
             {<<"keys of 32 bytes">>, [{keys, [<<1>>]}, {invited, [key(1), <<1>>]}]},
             {<<"open, {keys, Keys}, {signed_by, KeyOrOwners}, {work, Bits} or {invited, Keys}">>,
              [closed, {key, Two}, {keys, Two, 1}, 7]}],
        Wrong <- Wrongs].

%% An earlier release could save such a realm.
a_realm_without_keys_is_restored_test() ->
    Saved = cambrian_realm:save(realm({keys, []})),
    {ok, Realm} = cambrian_realm:restore(Saved),
    ?assertMatch(#{capability := {keys, []}}, cambrian_realm:report(Realm)).

%%% ---- files of earlier releases ----------------------------------------------------------

realms_of_earlier_releases_are_read_test() ->
    Now = now_ms(),
    Saved =
        cambrian_realm:save(followed(1, 2, Now,
                                     element(2,
                                             {ok, _} =
                                                 arrives(12, grant([1], 12, Now + ?DAY), Now,
                                                         realm({signed_by, key(1)}))))),
    #{origins := Origins} = Saved,
    Earlier = (maps:without([charters, before], Saved))
                  #{origins :=
                        maps:map(fun(_, Standing) -> Standing#{grant := {key(1), Now + ?DAY}} end,
                                 Origins)},
    {ok, Restored} = cambrian_realm:restore(Earlier),
    ?assertEqual([ok, not_permitted, ok],
                 [refusal(2, undefined, Now, Restored), refusal(12, undefined, Now, Restored),
                 refusal(12, grant([2], 12, Now + ?DAY), Now, Restored)]).

a_realm_with_a_damaged_charter_is_refused_test() ->
    Now = now_ms(),
    #{charters := [Charter]} = Saved =
        cambrian_realm:save(amended(charter(1, [1, 2], 2, [], [1, 2]), Now, owned(1, [1, 2]))),
    ?assertMatch({ok, _}, cambrian_realm:restore(Saved)),
    Size = byte_size(Charter) - 1,
    <<Body:Size/binary, Last>> = Charter,
    [?assertEqual({Changes, error}, {Changes, cambrian_realm:restore(maps:merge(Saved, Changes))})
     || Changes <- [#{charters => [<<Body/binary, (Last bxor 1)>>]},
                    #{charters => [Charter, Charter]}, #{charters => []},
                    #{charters => [a | b]}, #{charters => [none]}, #{before => none},
                    #{before => #{owners => [], threshold => 1}},
                    #{capability => open}]].
