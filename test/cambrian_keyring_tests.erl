%% The owners of a realm, the keys that may publish there, and successions, as signed bytes that
%% arrive in any order. The test sets the clock.
-module(cambrian_keyring_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).
-define(DAY, 86_400_000).
-define(YEAR, (366 * ?DAY)).

secret(N) -> <<N:256>>.
key(N) -> cambrian_identity:public_key(secret(N)).
now_ms() -> erlang:system_time(millisecond).

realm(Capability) -> realm(Capability, #{}).
realm(Capability, Options) ->
    cambrian_realm:new(Options#{name => ?REALM, capability => Capability}).

owned(Threshold, Owners) ->
    realm({signed_by, #{owners => lists:map(fun key/1, Owners), threshold => Threshold}}).

%% The answer of {@link cambrian_admission} to these bytes at a time. Some tests also count the
%% verified signatures.
ask(Now) -> fun(Request, Realm) -> cambrian_realm:ask(Request, Now, Realm) end.

counting() ->
    Counter = counters:new(1, []),
    {fun(_Key, Fun) -> counters:add(Counter, 1, 1), Fun() end,
     fun() -> counters:get(Counter, 1) end}.

follow(Certificate, Now, Realm) ->
    follow(Certificate, fun cambrian_admission:every_time/2, Now, Realm).
follow(Certificate, Once, Now, Realm) ->
    cambrian_admission:succession(Certificate, Once, ask(Now), Realm).

followed(Old, New, Now, Realm) ->
    {ok, Next} = follow(cambrian_identity:succession(secret(Old), secret(New)), Now, Realm),
    Next.

amend(Charter, Now, Realm) ->
    cambrian_admission:charter(Charter, fun cambrian_admission:every_time/2, ask(Now), Realm).

amended(Charter, Now, Realm) ->
    {ok, Next} = amend(Charter, Now, Realm),
    Next.

%% A charter that all of these keys signed.
charter(Number, Owners, Threshold, Revoked, [First | Others]) ->
    {ok, Draft} =
        cambrian_charter:seal(#{realm => ?REALM, number => Number,
                                owners => lists:map(fun key/1, Owners),
                                threshold => Threshold, revoked => Revoked}, secret(First)),
    lists:foldl(fun(N, Bytes) -> {ok, Next} = cambrian_charter:cosign(Bytes, secret(N)), Next end,
                Draft, Others).

grant([First | Others], Key, Until) ->
    {ok, Grant} = cambrian_identity:grant(secret(First), ?REALM, key(Key), Until),
    lists:foldl(fun(N, Bytes) -> {ok, Next} = cambrian_identity:cosign(secret(N), Bytes), Next end,
                Grant, Others).

grant_id(Grant) ->
    {ok, #{id := Id}} = cambrian_identity:read_grant(Grant),
    Id.

%% The answer to an envelope of this key with this grant, `ok' or the reason, and the realm after
%% it.
arrives(N, Grant, Now, Realm) -> arrives(N, Grant, fun cambrian_admission:every_time/2, Now, Realm).
arrives(N, Grant, Once, Now, Realm) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => <<"xor">>, fitness => 1.0,
                                 generation => 0,
                                 time => Now,
                                 sequence => erlang:unique_integer([positive, monotonic]),
                                 grant => Grant}, G, secret(N)),
    case cambrian_admission:envelope(Bytes, fun(_) -> error end, Once, ask(Now), Realm) of
        {{ok, _, _, _}, Next} -> {ok, Next};
        {{error, Reason}, Next} -> {Reason, Next}
    end.

refusal(N, Grant, Now, Realm) -> element(1, arrives(N, Grant, Now, Realm)).

restarted(Realm) ->
    {ok, Restored} =
        cambrian_realm:restore(binary_to_term(term_to_binary(cambrian_realm:save(Realm)))),
    Restored.

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

%% A realm verifies few signatures a second, however many charters name its owners, and accepts
%% the genuine charter in the next second.
the_verification_of_charters_is_metered_test() ->
    Now = now_ms() div 1000 * 1000,
    {Once, Count} = counting(),
    Good = charter(1, [1], 1, [], [1]),
    {ok, G} = cambrian_charter:peek(Good),
    Forged = [begin
                  {ok, Bytes} =
                      cambrian_charter:seal(G#{number := N, owners := [key(1)]}, secret(1)),
                  Size = byte_size(Bytes) - 1,
                  <<Body:Size/binary, Last>> = Bytes,
                  <<Body/binary, (Last bxor 1)>>
              end || N <- lists:seq(2, 200)],
    Flooded = lists:foldl(fun(Bytes, R) ->
                              {{error, _}, Next} =
                                  cambrian_admission:charter(Bytes, Once, ask(Now), R),
                              Next
                          end, realm({signed_by, key(1)}), Forged),
    ?assertEqual(20, Count()),
    ?assertMatch(#{refused := #{bad_signature := 20, rate_limited := 179}},
                 cambrian_realm:report(Flooded)),
    ?assertMatch({ok, _}, amend(Good, Now + 1000, Flooded)),
    %% the last signature within the budget counts
    Almost =
        lists:foldl(fun(Bytes, R) -> element(2, amend(Bytes, Now, R)) end,
                    realm({signed_by, key(1)}), lists:sublist(Forged, 19)),
    ?assertMatch({ok, _}, amend(Good, Now, Almost)).

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

%%% ---- successions (M6) -------------------------------------------------------------------

%% A flood of successions of unknown keys: few are verified, none replaces the remembered
%% succession, and a key that has delivered a genotype can still rotate.
a_flood_of_successions_replaces_none_and_is_seldom_verified_test_() ->
    {timeout, 120, fun() ->
        Now = now_ms() div 1000 * 1000,
        {confirmed, Earned} =
            cambrian_realm:checked(key(3), 1.0, 1.0, Now,
                                   element(2, {ok, _} = arrives(3, undefined, Now, realm(open)))),
        Realm = followed(1, 2, Now, cambrian_realm:accepted(key(3), Earned)),
        ?assertEqual(retired_key, refusal(1, undefined, Now, Realm)),
        Flood =
            [cambrian_identity:succession(secret(1000 + N), secret(20_000 + N))
             || N <- lists:seq(1, 10_400)],
        %% ten seconds of the flood, and then enough seconds with ten each to fill the room
        {Once, Count} = counting(),
        {_, Flooded} =
            lists:foldl(fun(Bytes, {At, R}) -> {At + 1, element(2, follow(Bytes, Once, At, R))} end,
                        {Now, Realm}, Flood),
        ?assert(Count() =< 10 * 11),
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
        %% the search for room has a budget as well
        [Less, More] =
            [reductions(fun() ->
                lists:foldl(fun(Bytes, R) -> element(2, follow(Bytes, Later, R)) end, Start,
                            lists:sublist(Flood, 1000)) end)
             || Start <- [Realm, Full]],
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
    ?assertMatch(#{refused := #{rate_limited := 20}}, cambrian_realm:report(Flooded)),
    ?assertEqual(key(4), cambrian_realm:heir(key(3), followed(3, 4, Now, Flooded))).

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

%%% ---- in any order -----------------------------------------------------------------------

%% Random actions of owners and members, told to two nodes in different orders: once all messages
%% have arrived and the owners have signed again, the nodes give the same answers.
two_nodes_agree_whatever_the_order_of_messages_test_() ->
    {timeout, 300, fun() ->
        First = erlang:system_time(microsecond),
        [begin
             _ = rand:seed(exsss, Seed),
             try two_nodes_agree_whatever_the_order_of_messages()
             catch Class:Reason:Stack -> erlang:raise(Class, {seed, Seed, Reason}, Stack)
             end
         end || Seed <- lists:seq(First, First + 24)]
    end}.

-record(story,
        {speaks = #{} :: #{pos_integer() => pos_integer()},
         %% the key that each owner or member has now
         owners = [1, 2, 3], banned = [], number = 0, next = 100, grants = [], told = [],
         bans = []}).

two_nodes_agree_whatever_the_order_of_messages() ->
    Now = now_ms(),
    Beginning =
        granted(Now, #story{speaks = maps:from_list([{N, N} || N <- [1, 2, 3, 4, 11, 12, 13]])}),
    Lived =
        lists:foldl(fun(_, Story) -> lives(rand:uniform(5), Now, Story) end, Beginning,
                    lists:seq(1, 12)),
    %% a node that hears late of a retired key does not accept its signatures, so the owners sign
    %% again
    #story{told = Told, grants = Grants} = End = granted(Now, revises(Lived)),
    [A, B] = [told_all(shuffled(Told), Now, owned(2, [1, 2, 3])) || _ <- [1, 2]],
    [A1, B1] = [banned_here(End, Now, R) || R <- [A, B]],
    Exchanged = told_all(shuffled(Told), Now + 2000, A1),
    Other = told_all(shuffled(Told), Now + 2000, B1),
    Answers = fun(R) -> [{N, refusal(N, Grant, Now + 3000, R) =:= ok} || {N, Grant} <- Grants] end,
    ?assertEqual(Answers(Exchanged), Answers(Other)),
    Owners = fun(R) -> maps:with([owners, charter], cambrian_realm:report(R)) end,
    ?assertEqual(Owners(Exchanged), Owners(Other)),
    ?assertEqual(Answers(Exchanged), Answers(restarted(Exchanged))),
    %% at least one key may publish
    ?assert(lists:any(fun({_, Answer}) -> Answer end, Answers(Exchanged))).

shuffled(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

%% The secrets of the owners that are not banned.
good(#story{speaks = Speaks, owners = Owners, banned = Banned}) ->
    [maps:get(Owner, Speaks) || Owner <- Owners -- Banned].

granted(Now, #story{speaks = Speaks, grants = Grants, told = Told} = Story) ->
    %% Two grants of the same millisecond with the same end would be the same bytes, and be
    %% revoked together.
    Until = Now + ?DAY + length(Grants),
    New =
        [{Key, grant(good(Story), Key, Until)}
         || Member <- [11, 12, 13], Key <- [maps:get(Member, Speaks)]],
    Story#story{grants = New ++ Grants,
                told = [{shown, Key, Grant} || {Key, Grant} <- New] ++ Told}.

lives(1, _Now, Story) -> rotates(11 + rand:uniform(3) - 1, Story);
lives(2, _Now, #story{owners = Owners} = Story) ->
    rotates(lists:nth(rand:uniform(length(Owners)), Owners), Story);
lives(3, _Now, Story) -> revises(Story);
lives(4, Now, Story) -> granted(Now, Story);
%% Bans one owner, once; the other owners reach the threshold without it.
lives(5, _Now, #story{banned = [], bans = Bans, speaks = Speaks} = Story) ->
    Story#story{banned = [2], bans = [maps:get(2, Speaks) | Bans]};
lives(5, _Now, #story{owners = [1, 2, 3]} = Story) -> revises(Story#story{owners = [1, 2, 3, 4]});
lives(5, _Now, Story) -> Story.

%% A banned owner does not rotate.
rotates(Who, #story{banned = Banned, speaks = Speaks, next = Next, told = Told} = Story) ->
    case lists:member(Who, Banned) of
        true -> Story;
        false ->
            Certificate = cambrian_identity:succession(secret(maps:get(Who, Speaks)), secret(Next)),
            Story#story{speaks = Speaks#{Who := Next}, next = Next + 1,
                        told = [{succession, Certificate} | Told]}
    end.

revises(#story{number = Number, owners = Owners, speaks = Speaks, grants = Grants, told = Told} =
            Story) ->
    Revoked = [grant_id(Grant) || {_, Grant} <- Grants, rand:uniform(6) =:= 1],
    Charter =
        charter(Number + 1, [maps:get(Owner, Speaks) || Owner <- Owners], 2, lists:usort(Revoked),
                good(Story)),
    Story#story{number = Number + 1, told = [{charter, Charter} | Told]}.

banned_here(#story{bans = Bans}, Now, Realm) ->
    lists:foldl(fun(N, R) -> {ok, Next} = cambrian_realm:ban({key, key(N)}, <<>>, Now, R), Next end,
                Realm, Bans).

%% Delivers all messages again until nothing changes, each second as many as may be verified in
%% one.
told_all(Told, Now, Realm) ->
    Next =
        element(2,
                lists:foldl(fun(Message, {At, R}) -> {At + 1, told(Message, At, R)} end,
                            {Now, Realm}, Told)),
    case known(Next) =:= known(Realm) of
        true -> Next;
        false -> told_all(Told, Now, Next)
    end.

known(Realm) ->
    #{retired := Retired, charter := Charter, origins := Origins} = cambrian_realm:report(Realm),
    {Retired, Charter, maps:map(fun(_, #{grant := Grant}) -> Grant end, Origins)}.

told({shown, Key, Grant}, Now, Realm) -> element(2, arrives(Key, Grant, Now, Realm));
told({succession, Certificate}, Now, Realm) -> element(2, follow(Certificate, Now, Realm));
told({charter, Charter}, Now, Realm) -> element(2, amend(Charter, Now, Realm)).
