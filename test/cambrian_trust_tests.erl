%% The functions of cambrian_trust, with genuine envelopes and others.
-module(cambrian_trust_tests).
-include_lib("eunit/include/eunit.hrl").
-export([execute/3]).
-import(cambrian_envelopes, [arrives/1, arrives/2, damaged/2, forged/1, genotype/0, key/1, now_ms/0,
                             restart/0, rubbish/2, sealed/2, secret/1, with_app/1]).

-define(REALM, <<"org.example.test">>).
-define(DAY, 86_400_000).

%%% ---- who may publish --------------------------------------------------------------------

an_open_realm_takes_envelopes_of_any_key_test_() ->
    with_app(fun(_) ->
        ?assertEqual(ok, arrives(1, #{})),
        ?assertMatch({ok, _, #{fitness := 3.0, grant := undefined}},
                     cambrian_trust:check(?REALM, sealed(2, #{})))
    end).

a_realm_with_a_list_takes_envelopes_of_the_listed_keys_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:open(?REALM, #{capability => {keys, [key(1)]}}),
        ?assertEqual(ok, arrives(1, #{})),
        ?assertEqual(not_permitted, arrives(2, #{})),
        %% a restart does not open the realm
        restart(),
        ok = cambrian_trust:open(?REALM, #{}),
        ?assertEqual(not_permitted, arrives(2, #{})),
        ok = cambrian_trust:open(?REALM, #{capability => open}),
        ?assertEqual(ok, arrives(2, #{}))
    end).

a_realm_with_an_owner_takes_envelopes_with_a_grant_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:open(?REALM, #{capability => {signed_by, key(9)}}),
        Grant = fun(By, Realm, Key, Until) ->
                    {ok, Bytes} =
                        cambrian_nif:identity_grant(secret(By), Realm, Key,
                                                    {now_ms() - 2, now_ms() + Until}),
                    Bytes
                end,
        Good = Grant(9, ?REALM, key(1), ?DAY),
        ?assertEqual(not_permitted, arrives(1, #{})),
        ?assertEqual(not_permitted, arrives(1, #{grant => <<"leave">>})),
        ?assertEqual(not_permitted, arrives(1, #{grant => damaged(byte_size(Good) - 1, Good)})),
        ?assertEqual(not_permitted, arrives(1, #{grant => Grant(8, ?REALM, key(1), ?DAY)})),
        ?assertEqual(not_permitted, arrives(1, #{grant => Grant(9, <<"else">>, key(1), ?DAY)})),
        ?assertEqual(not_permitted, arrives(1, #{grant => Grant(9, ?REALM, key(2), ?DAY)})),
        ?assertEqual(grant_expired, arrives(1, #{grant => Grant(9, ?REALM, key(1), -1)})),
        ?assertMatch({ok, _, #{grant := Good}},
                     cambrian_trust:check(?REALM, sealed(1, #{grant => Good}))),
        ?assertEqual(ok, arrives(1, #{sequence => 2})),
        restart(),
        ?assertEqual(ok, arrives(1, #{sequence => 3})),
        ok = cambrian_trust:follow(?REALM, cambrian_identity:succession(secret(1), secret(3))),
        ?assertEqual(retired_key, arrives(1, #{sequence => 4, grant => Good})),
        ?assertEqual(ok, arrives(3, #{sequence => 4, grant => Good}))
    end).

the_rate_of_each_origin_is_bounded_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:open(?REALM, #{rate => {0.001, 3}}),
        ?assertEqual([ok, ok, ok, rate_limited, rate_limited],
                     [arrives(1, #{sequence => N}) || N <- lists:seq(1, 5)]),
        %% each origin has a rate of its own, and a forged envelope does not count
        Forged = forged(sealed(2, #{})),
        ?assertEqual(lists:duplicate(20, bad_signature),
                     [arrives(Forged) || _ <- lists:seq(1, 20)]),
        ?assertEqual([ok, ok, ok, rate_limited],
                     [arrives(2, #{sequence => N}) || N <- lists:seq(1, 4)])
    end).

envelopes_with_a_wrong_time_are_refused_test_() ->
    with_app(fun(_) ->
        ?assertEqual([too_old, from_the_future, ok],
                     [arrives(1, #{time => now_ms() + Skew}) || Skew <- [-?DAY, ?DAY, 0]])
    end).

a_replayed_envelope_is_refused_test_() ->
    with_app(fun(_) ->
        Bytes = sealed(1, #{sequence => 5}),
        Overtaken = sealed(1, #{sequence => 4}),
        ?assertEqual([ok, replay, ok, replay],
                     [arrives(B) || B <- [Bytes, Bytes, Overtaken, Overtaken]]),
        restart(),
        ?assertEqual([replay, replay, ok],
                     [arrives(B) || B <- [Bytes, Overtaken, sealed(1, #{sequence => 3})]]),
        %% many callers at once: one of them is first
        Again = sealed(1, #{sequence => 6}),
        Self = self(),
        _ = [spawn_link(fun() -> Self ! {answer, arrives(Again)} end) || _ <- lists:seq(1, 20)],
        Answers = [receive {answer, A} -> A end || _ <- lists:seq(1, 20)],
        ?assertEqual([ok | lists:duplicate(19, replay)], lists:sort(Answers))
    end).

%%% ---- bans -------------------------------------------------------------------------------

a_liar_is_banned_by_reputation_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:subscribe(?REALM),
        ?assertEqual(ok, arrives(1, #{})),
        Claim = #{origin => key(1), fitness => 4.0},
        ?assertEqual(lists:duplicate(5, inflated),
                     [cambrian_trust:checked(?REALM, Claim, 1) || _ <- lists:seq(1, 5)]),
        Key = key(1),
        receive {cambrian_trust, ?REALM, {banned, Ban}} ->
            ?assertMatch(#{what := {key, Key}, by := reputation}, Ban)
        after 0 -> error(no_event)
        end,
        ?assertEqual(banned_key, arrives(1, #{sequence => 2})),
        restart(),
        ?assertEqual(banned_key, arrives(1, #{sequence => 2})),
        ok = cambrian_trust:unban(?REALM, {key, key(1)}),
        ?assertEqual(0.5, cambrian_trust:reputation(?REALM, key(1))),
        ?assertEqual(ok, arrives(1, #{sequence => 2}))
    end).

%% The payload is signed but no genotype: each costs half of the reputation, and a replay costs
%% nothing.
a_signed_bad_payload_costs_reputation_test_() ->
    with_app(fun(_) ->
        Rubbish = [rubbish(1, #{sequence => N}) || N <- [1, 2, 3]],
        ?assertEqual([bad_compression, replay, bad_compression, replay, bad_compression],
                     [arrives(lists:nth(N, Rubbish)) || N <- [1, 1, 2, 1, 3]]),
        ?assertEqual(0.0625, cambrian_trust:reputation(?REALM, key(1))),
        ?assertEqual(banned_key, arrives(1, #{sequence => 4})),
        ?assertMatch([#{by := reputation}], cambrian_trust:bans(?REALM))
    end).

faults_that_the_origin_did_not_sign_cost_no_reputation_test_() ->
    with_app(fun(_) ->
        {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7),
        {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1),
        Claims =
            #{realm => ?REALM, task => <<"xor">>, fitness => 1.0, generation => 0,
              time => now_ms()},
        {ok, Bytes} = cambrian_envelope:seal(Claims#{sequence => 1}, Grown, G, secret(1)),
        Id = cambrian_genotype:id(G),
        %% a difference whose base is missing or wrong is not the fault of its origin
        ?assertEqual({error, {missing_base, Id}}, cambrian_trust:check(?REALM, Bytes)),
        ?assertEqual({error, {wrong_base, Id}},
                     cambrian_trust:check(?REALM, Bytes, fun(_) -> {ok, Grown} end)),
        ?assertEqual(0.5, cambrian_trust:reputation(?REALM, key(1))),
        ?assertMatch({ok, _, _},
                     cambrian_trust:check(?REALM, Bytes,
                                          fun(Base) when Base =:= Id -> {ok, G} end)),
        %% a base is looked up only after the signature was verified
        {ok, Next} = cambrian_envelope:seal(Claims#{sequence => 2}, Grown, G, secret(1)),
        ?assertEqual({error, bad_signature},
                     cambrian_trust:check(?REALM, forged(Next), fun(_) -> error(asked) end)),
        [#{reason := bad_signature}, #{reason := wrong_base, base := Id} | _] =
            cambrian_trust:refusals(?REALM)
    end).

%%% ---- successions ------------------------------------------------------------------------

a_successor_gets_the_standing_of_its_predecessor_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:subscribe(?REALM),
        ?assertEqual(ok, arrives(1, #{})),
        confirmed = cambrian_trust:checked(?REALM, #{origin => key(1), fitness => 3.0}, 3.0),
        Reputation = cambrian_trust:reputation(?REALM, key(1)),
        Certificate = cambrian_identity:succession(secret(1), secret(2)),
        ok = cambrian_trust:follow(?REALM, Certificate),
        ok = cambrian_trust:follow(?REALM, Certificate),
        {Old, New} = {key(1), key(2)},
        receive {cambrian_trust, ?REALM, {followed, Followed}} ->
                ?assertMatch(#{old := Old, new := New}, Followed) end,
        Check = fun() ->
                    ?assertEqual(Reputation, cambrian_trust:reputation(?REALM, New)),
                    ?assertEqual(retired_key, arrives(1, #{sequence => 2}))
                end,
        Check(),
        ?assertEqual(ok, arrives(2, #{sequence => 2})),
        ?assertEqual({error, already_succeeded},
                     cambrian_trust:follow(?REALM,
                                           cambrian_identity:succession(secret(1), secret(3)))),
        ?assertEqual({error, circular},
                     cambrian_trust:follow(?REALM,
                                           cambrian_identity:succession(secret(2), secret(1)))),
        %% a known succession is not verified again
        ok = cambrian_trust:follow(?REALM, damaged(byte_size(Certificate) - 1, Certificate)),
        Other = cambrian_identity:succession(secret(5), secret(6)),
        ?assertEqual({error, bad_signature},
                     cambrian_trust:follow(?REALM, damaged(byte_size(Other) - 1, Other))),
        restart(),
        Check(),
        ok = cambrian_trust:ban(?REALM, {key, key(1)}),
        ?assertEqual({error, banned_key},
                     cambrian_trust:follow(?REALM,
                                           cambrian_identity:succession(secret(2), secret(4))))
    end).

%% The successor of an owner owns the realm, and grants revoked by a charter stay revoked, also
%% after a restart.
owners_and_charters_survive_a_restart_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:open(?REALM, #{capability => {signed_by, key(9)}}),
        ok = cambrian_trust:subscribe(?REALM),
        ok = cambrian_trust:follow(?REALM, cambrian_identity:succession(secret(9), secret(8))),
        {ok, Charter} =
            cambrian_charter:seal(#{realm => ?REALM, number => 1, owners => [key(8)],
                                    revoked => [key(1)]}, secret(8)),
        ok = cambrian_trust:amend(?REALM, Charter),
        ok = cambrian_trust:amend(?REALM, Charter),
        receive {cambrian_trust, ?REALM, {amended, Amended}} ->
                ?assertMatch(#{number := 1}, Amended) end,
        Grant =
            fun(N) ->
                {ok, Bytes} = cambrian_identity:grant(secret(8), ?REALM, key(N), now_ms() + ?DAY),
                Bytes end,
        Check = fun(Sequence) ->
                    ?assertEqual([ok, retired_key, grant_revoked, ok],
                                 [arrives(N, #{grant => G, sequence => Sequence})
                                  || {N, G} <- [{8, undefined}, {9, undefined}, {1, Grant(1)},
                                                {2, Grant(2)}]]),
                    ?assertEqual(Charter, cambrian_trust:charter(?REALM))
                end,
        Check(1),
        restart(),
        ok = cambrian_trust:open(?REALM, #{capability => {signed_by, key(9)}}),
        Check(2)
    end).

%%% ---- events ------------------------------------------------------------------------------

%% Acts as the module telemetry, which a user's application may have loaded.
execute(Event, Measurements, Metadata) ->
    case whereis(cambrian_trust_tests) of
        undefined -> ok;
        Pid -> Pid ! {telemetry, Event, Measurements, Metadata}, ok
    end.

every_refusal_is_reported_test_() ->
    with_app(fun(Dir) ->
        telemetry = load_telemetry(),
        true = register(cambrian_trust_tests, self()),
        try
            ok = cambrian_trust:subscribe(?REALM),
            Bytes = sealed(1, #{}),
            Sent =
                [<<"noise">>, sealed(1, #{realm => <<"else">>}), forged(Bytes),
                 sealed(1, #{time => 0})],
            Reasons = [arrives(B) || B <- Sent],
            ?assertEqual([malformed, wrong_realm, bad_signature, too_old], Reasons),
            Events =
                [receive {cambrian_trust, ?REALM, {refused, #{reason := R} = Refusal}} ->
                        {R, Refusal}
                 after 0 -> none end || _ <- Reasons],
            ?assertEqual(Reasons, [Reason || {Reason, _} <- Events]),
            ?assertEqual([Refusal || {_, Refusal} <- lists:reverse(Events)],
                         cambrian_trust:refusals(?REALM)),
            {Key, Id} = {key(1), cambrian_genotype:id(genotype())},
            ?assertMatch({_, #{origin := Key, genotype := Id, task := <<"xor">>}},
                         lists:last(Events)),
            ?assertMatch([#{origin := undefined, genotype := undefined} | _],
                         [Refusal || {_, Refusal} <- Events]),
            Rejected = [cambrian, mesh, rejected],
            ?assertEqual(Reasons,
                         [receive {telemetry, Rejected, #{count := 1},
                                   #{reason := R, realm := ?REALM}} -> R
                          after 0 -> none end || _ <- Reasons]),
            Counts = maps:from_list([{Reason, 1} || Reason <- Reasons]),
            ?assertMatch(#{refused := Counts}, cambrian_trust:report(?REALM)),
            ok = cambrian_trust:unsubscribe(?REALM),
            malformed = arrives(<<"noise">>),
            ?assertEqual(none, receive {cambrian_trust, _, _} = Event -> Event after 0 -> none end),
            restart(),
            {ok, Log, []} = cambrian_audit:read(filename:join([Dir, "realms", ?REALM]), refusals),
            ?assertEqual([atom_to_binary(Reason) || Reason <- Reasons ++ [malformed]],
                         [What || #{what := What} <- Log])
        after
            true = unregister(cambrian_trust_tests),
            true = code:delete(telemetry),
            code:purge(telemetry)
        end
    end).

load_telemetry() ->
    Forms = [{attribute, 1, module, telemetry}, {attribute, 1, export, [{execute, 3}]},
             {function, 1, execute, 3,
              [{clause, 1, [{var, 1, 'A'}, {var, 1, 'B'}, {var, 1, 'C'}], [],
                [{call, 1, {remote, 1, {atom, 1, ?MODULE}, {atom, 1, execute}},
                  [{var, 1, 'A'}, {var, 1, 'B'}, {var, 1, 'C'}]}]}]}],
    {ok, telemetry, Beam} = compile:forms(Forms),
    {module, telemetry} = code:load_binary(telemetry, "telemetry.beam", Beam),
    telemetry.

wrong_arguments_are_errors_test_() ->
    with_app(fun(_) ->
        [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      cambrian_trust:open(?REALM, #{Name => Value}))
         || {Name, Value} <- [{capability, closed}, {capability, {keys, [<<1>>]}},
                              {capability, {signed_by, <<1>>}},
                              {rate, {0, 1}}, {rate, {1, 0}}, {rate, 1}, {tolerance, -1},
                              {tolerance, a}]],
        ?assertMatch({error, {unknown_option, capabilty, _}},
                     cambrian_trust:open(?REALM, #{capabilty => open})),
        ?assertMatch({error, {bad_option, {realm, lab, _}}}, cambrian_trust:open(lab, #{})),
        ?assertMatch({error, {bad_option, {realm, _, _}}},
                     cambrian_trust:open(binary:copy(<<"x">>, 256), #{})),
        Unknown = {error, {unknown_realm, <<"x">>}},
        [?assertEqual(Unknown, Answer)
         || Answer <- [cambrian_trust:check(<<"x">>, <<>>),
                       cambrian_trust:ban(<<"x">>, {key, key(1)}),
                       cambrian_trust:unban(<<"x">>, {key, key(1)}),
                       cambrian_trust:subscribe(<<"x">>),
                       cambrian_trust:follow(<<"x">>,
                                             cambrian_identity:succession(secret(1), secret(2))),
                       cambrian_trust:checked(<<"x">>, #{origin => key(1), fitness => 1}, 1)]]
    end).

%%% ---- names ------------------------------------------------------------------------------

a_key_is_banned_by_its_name_test_() ->
    with_app(fun(Dir) ->
        Name = cambrian_identity:name(key(1)),
        ?assertEqual({error, {unknown_name, Name}}, cambrian_trust:ban(?REALM, {key, Name})),
        ?assertEqual(ok, arrives(1, #{})),
        ?assertMatch(#{name := Name},
                     maps:get(key(1), maps:get(origins, cambrian_trust:report(?REALM)))),
        ?assertEqual(ok, cambrian_trust:ban(?REALM, {key, Name}, <<"it lies">>)),
        ?assertMatch([#{what := {key, _}, name := Name}], cambrian_trust:bans(?REALM)),
        ?assertEqual(banned_key, arrives(1, #{sequence => 2})),
        ?assertMatch([#{reason := banned_key, name := Name} | _], cambrian_trust:refusals(?REALM)),
        ?assertEqual(ok, cambrian_trust:unban(?REALM, {key, Name})),
        ?assertEqual(ok, arrives(1, #{sequence => 2})),
        ok = application:stop(cambrian),
        {ok, Refused, []} = cambrian_audit:read(filename:join([Dir, "realms", ?REALM]), refusals),
        ?assertMatch([#{details := #{<<"name">> := Name}}], Refused)
    end).

%% Keys and genotypes in the forms that the audit, the dashboard and a shell show.
a_key_or_genotype_may_be_banned_in_every_form_in_which_it_is_shown_test_() ->
    with_app(fun(_) ->
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
        Id = cambrian_genotype:id(G),
        [begin
             ?assertEqual({Given, ok}, {Given, cambrian_trust:ban(?REALM, Given, Reason)}),
             ?assertMatch({Given, [#{what := Whom, reason := <<"grösse"/utf8>>}]},
                          {Given, cambrian_trust:bans(?REALM)}),
             ?assertEqual({Given, ok}, {Given, cambrian_trust:unban(?REALM, Given)}),
             ?assertEqual({Given, []}, {Given, cambrian_trust:bans(?REALM)})
         end || {Given, Whom} <- [{{key, binary:encode_hex(key(1))}, {key, key(1)}},
                                  {{key,
                                    string:lowercase(binary_to_list(binary:encode_hex(key(1))))},
                                   {key, key(1)}},
                                  {{genotype, binary:encode_hex(Id)}, {genotype, Id}},
                                  {{genotype, G}, {genotype, Id}},
                                  {{genotype, Id}, {genotype, Id}}],
                Reason <- [<<"grösse"/utf8>>, "grösse"]],
        ?assertEqual(ok, arrives(1, #{})),
        ?assertEqual(ok,
                     cambrian_trust:ban(?REALM,
                                        {key, binary_to_list(cambrian_identity:name(key(1)))}))
    end).

a_wrong_subject_of_a_ban_is_explained_test_() ->
    with_app(fun(_) ->
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
        Network = cambrian_network:compile(G),
        Key = {key, key(1)},
        [begin
             Said = in_words(fun() -> cambrian_trust:ban(Realm, Subject, Reason) end),
             ?assertMatch({{Realm, Subject, Reason}, {match, _}},
                          {{Realm, Subject, Reason}, re:run(Said, Words)})
         end || {Realm, Subject, Reason, Words} <-
             [{?REALM, {key, <<"too short">>}, <<>>,
               "argument 2: has to be {key, Key} with 32 bytes, 64 hexadecimal digits or a name"},
              {?REALM, key(1), <<>>, "argument 2: "},
              {?REALM, {key, <<"x">>, 1}, <<>>, "argument 2: "},
              {?REALM, {key, lists:duplicate(64, $g)}, <<>>, "argument 2: "},
              {?REALM, {genotype, Network}, <<>>, "argument 2: "},
              {?REALM, {genotype, "lusab-bovik"}, <<>>, "argument 2: "},
              {?REALM, {key, [a | b]}, <<>>, "argument 2: "},
              {"lab", Key, <<>>, "argument 1: has to be a realm, as <<\"org.example.lab\">>"},
              {?REALM, Key, binary:copy(<<"x">>, 256),
               "argument 3: has to be a text of at most 255 bytes"},
              {?REALM, Key, <<255>>, "argument 3: "}, {?REALM, Key, none, "argument 3: "}]],
        ?assertMatch({match, _},
                     re:run(in_words(fun() -> cambrian_trust:unban(?REALM, key(1)) end),
                            "argument 2: ")),
        ?assertEqual([], cambrian_trust:bans(?REALM))
    end).

%% The error as a shell shows it.
in_words(Fun) ->
    try Fun() of
        Answer -> error({no_error, Answer})
    catch error:badarg:Stack ->
            unicode:characters_to_list(erl_error:format_exception(error, badarg, Stack))
    end.

an_unknown_realm_is_reported_as_unknown_test_() ->
    with_app(fun(Dir) ->
        ?assertMatch(#{condition := sound, capability := open}, cambrian_trust:report(?REALM)),
        ?assertMatch(#{condition := unknown, capability := unknown},
                     cambrian_trust:report(<<"org.example.lap">>)),
        ?assertMatch(#{condition := unknown}, cambrian_trust:overview(<<"org.example.lap">>)),
        Unknown = {unknown_realm, <<"org.example.lap">>},
        [?assertError(Unknown, Ask(<<"org.example.lap">>))
         || Ask <- [fun cambrian_trust:bans/1, fun cambrian_trust:refusals/1,
                    fun cambrian_trust:charter/1,
                    fun(Realm) -> cambrian_trust:reputation(Realm, key(1)) end]],
        ?assertEqual({error, Unknown}, cambrian_trust:decisions(<<"org.example.lap">>)),
        ok = application:stop(cambrian),
        Files = filelib:wildcard(filename:join([Dir, "realms", binary_to_list(?REALM), "*.trust"])),
        [ok, ok] = [file:write_file(File, <<"damaged">>) || File <- Files],
        {ok, _} = application:ensure_all_started(cambrian),
        ?assertMatch(#{condition := {closed, _}, capability := closed},
                     cambrian_trust:report(?REALM)),
        [?assertError({realm_damaged, ?REALM}, Ask(?REALM))
         || Ask <- [fun cambrian_trust:bans/1, fun cambrian_trust:charter/1]]
    end).
