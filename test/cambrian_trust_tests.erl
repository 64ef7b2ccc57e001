%% The functions of cambrian_trust, with genuine envelopes and others.
-module(cambrian_trust_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).
-export([execute/3]).
%% Used by cambrian_admission_tests.
-export([secret/1, key/1, sealed/2, forged/1, rubbish/2]).

-define(REALM, <<"org.example.test">>).
-define(DAY, 86_400_000).

secret(N) -> <<N:256>>.
key(N) -> cambrian_identity:public_key(secret(N)).

now_ms() -> erlang:system_time(millisecond).

genotype() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    G.

sealed(N, Changes) ->
    Claims =
        #{realm => ?REALM, task => <<"xor">>, fitness => 3.0, generation => 1, sequence => 1,
          time => now_ms()},
    {ok, Bytes} = cambrian_envelope:seal(maps:merge(Claims, Changes), genotype(), secret(N)),
    Bytes.

%% `ok' or the reason of the refusal.
arrives(N, Changes) -> arrives(sealed(N, Changes)).
arrives(Bytes) ->
    case cambrian_trust:check(?REALM, Bytes) of
        {ok, _, _} -> ok;
        {error, Reason} -> Reason
    end.

damaged(At, Bytes) ->
    <<Before:At/binary, Byte, After/binary>> = Bytes,
    <<Before/binary, (Byte bxor (1 bsl (At rem 8))), After/binary>>.

forged(Bytes) ->
    %% the signature ends where the payload begins
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    damaged(byte_size(cambrian_envelope:record(Envelope)) - 5, Bytes).

with_app(Test) ->
    {timeout, 60, fun() ->
        cambrian_temporary:with_data_dir(fun(Dir) ->
            ok = cambrian_trust:open(?REALM, #{}),
            forget_messages(),
            Test(Dir),
            %% other test modules must not run with this application
            _ = application:stop(cambrian),
            forget_messages()
        end)
    end}.

forget_messages() ->
    receive _ -> forget_messages()
    after 0 -> ok
    end.

restart() ->
    ok = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    ok.

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

a_ban_survives_a_crash_and_a_restart_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:ban(?REALM, {genotype, cambrian_genotype:id(genotype())},
                                <<"it shakes the arm">>),
        ok = cambrian_trust:ban(?REALM, {key, key(2)}),
        Check = fun() -> [arrives(1, #{}), arrives(2, #{})] end,
        ?assertEqual([banned_genotype, banned_key], Check()),
        restart(),
        ?assertEqual([banned_genotype, banned_key], Check()),
        ?assertMatch([#{what := {genotype, _}, reason := <<"it shakes the arm">>, by := user},
                      #{what := {key, _}}],
                     cambrian_trust:bans(?REALM)),
        %% immediately after a crash
        kill_server(),
        ?assertEqual([banned_genotype, banned_key], Check()),
        _ = [ok = cambrian_trust:unban(?REALM, What)
             || #{what := What} <- cambrian_trust:bans(?REALM)],
        ?assertEqual([ok, ok], Check())
    end).

kill_server() ->
    Server = server(),
    true = exit(Server, kill),
    until(fun() -> not is_process_alive(Server) end).

server() ->
    {ok, Server} = cambrian_realms:find(?REALM),
    Server.

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

%% A payload that is no genotype, with its hash and a signature.
rubbish(N, Changes) ->
    Payload = <<"rubbish">>,
    <<16#93, 16#c4, Size, Body:Size/binary, 16#c4, 64, _:64/binary, 16#c4, Length,
      Was:Length/binary>>
        = sealed(N, Changes),
    Changed = binary:replace(Body, crypto:hash(sha256, Was), crypto:hash(sha256, Payload)),
    Signature =
        crypto:sign(eddsa, none, <<"cambrian envelope 2\n", Changed/binary>>, [secret(N), ed25519]),
    <<16#93, 16#c4, Size, Changed/binary, 16#c4, 64, Signature/binary, 16#c4, (byte_size(Payload)),
      Payload/binary>>.

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

%%% ---- forgeries, replays and floods -------------------------------------------------------

forged_and_replayed_envelopes_change_nothing_of_their_origin_test_() ->
    with_app(fun(_) ->
        ?assertEqual(ok, arrives(1, #{})),
        Before = maps:get(key(1), maps:get(origins, cambrian_trust:report(?REALM))),
        Genuine = [sealed(1, #{sequence => 1}), sealed(1, #{sequence => 1000})],
        Size = byte_size(hd(Genuine)),
        _ = [?assertNotEqual(ok, arrives(damaged(At, Bytes)))
             || Bytes <- Genuine, At <- lists:seq(0, Size - 1)],
        _ = [?assertEqual(replay, arrives(hd(Genuine))) || _ <- lists:seq(1, 20)],
        ?assertEqual(Before, maps:get(key(1), maps:get(origins, cambrian_trust:report(?REALM)))),
        ?assertEqual([], cambrian_trust:bans(?REALM)),
        ?assertEqual(ok, arrives(1, #{sequence => 2}))
    end).

random_bytes_do_not_crash_the_trust_server_test_() ->
    with_app(fun(_) ->
        Server = server(),
        Seed = erlang:system_time(microsecond),
        _ = rand:seed(exsss, Seed),
        Good = sealed(1, #{}),
        Certificate = cambrian_identity:succession(secret(1), secret(2)),
        try
            _ = [bombard(Good, Certificate) || _ <- lists:seq(1, 3000)],
            Odd =
                [{no, bytes}, undefined, <<>>, <<1:3>>, binary:copy(<<16#93>>, 1000),
                 binary:copy(<<0>>, 2 bsl 20)],
            _ = [?assertMatch({error, _}, cambrian_trust:check(?REALM, Bytes)) || Bytes <- Odd]
        catch Class:Reason:Stack -> erlang:raise(Class, {seed, Seed, Reason}, Stack)
        end,
        ?assertEqual(Server, server()),
        ?assertEqual(ok, arrives(Good))
    end).

bombard(Good, Certificate) ->
    Bytes = case rand:uniform(3) of
                1 -> rand:bytes(rand:uniform(400));
                2 -> damaged(rand:uniform(byte_size(Good)) - 1, Good);
                3 -> binary:part(Good, 0, rand:uniform(byte_size(Good)) - 1)
            end,
    {error, _} = cambrian_trust:check(?REALM, Bytes),
    {error, _} =
        cambrian_trust:follow(?REALM,
                              damaged(rand:uniform(byte_size(Certificate)) - 1, Certificate)).

the_memory_of_the_trust_server_is_bounded_test_() ->
    with_app(fun(_) ->
        Server = server(),
        Self = self(),
        Sleeper = spawn_link(fun() ->
                      ok = cambrian_trust:subscribe(?REALM),
                      Self ! subscribed,
                      receive stop -> ok end
                  end),
        receive subscribed -> ok end,
        Bytes =
            [sealed(N, #{realm => <<"else">>, task => binary:copy(<<"x">>, 255)})
             || N <- lists:seq(1, 100)],
        Flood =
            fun() -> _ = [wrong_realm = arrives(B) || _ <- lists:seq(1, 50), B <- Bytes], ok end,
        Flood(),
        Before = memory(Server),
        Flood(),
        ?assertEqual(10_000,
                     maps:get(wrong_realm, maps:get(refused, cambrian_trust:report(?REALM)))),
        ?assertEqual(100, length(cambrian_trust:refusals(?REALM))),
        ?assert(memory(Server) < Before + 1_000_000),
        {message_queue_len, Unread} = process_info(Sleeper, message_queue_len),
        ?assert(Unread =< 1000),
        Sleeper ! stop
    end).

memory(Pid) ->
    true = garbage_collect(Pid),
    {memory, Bytes} = process_info(Pid, memory),
    Bytes.

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

%%% ---- persistence -------------------------------------------------------------------------

a_realm_survives_a_restart_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:open(?REALM,
                                 #{rate => {2, 20}, tolerance => 0.5,
                                   capability => {keys, [key(1)]}}),
        [ok, not_permitted] = [arrives(N, #{}) || N <- [1, 2]],
        confirmed = cambrian_trust:checked(?REALM, #{origin => key(1), fitness => 1}, 0.8),
        ok = cambrian_trust:accepted(?REALM, key(1)),
        Before = cambrian_trust:report(?REALM),
        restart(),
        ?assertEqual(Before#{last := []}, cambrian_trust:report(?REALM))
    end).

%% At the latest after five seconds.
standings_are_saved_without_a_restart_test_() ->
    with_app(fun(Dir) ->
        Saved = fun() -> lists:sort(filelib:wildcard(filename:join(Dir, "realms/*/*.trust"))) end,
        Before = Saved(),
        ok = arrives(1, #{}),
        Reputation = cambrian_trust:reputation(?REALM, key(1)),
        until(fun() -> Saved() =/= Before end),
        kill_server(),
        ?assertEqual(replay, arrives(1, #{})),
        ?assertEqual(Reputation, cambrian_trust:reputation(?REALM, key(1)))
    end).

%% If it is the only file, the realm is closed until a user opens it again.
a_damaged_file_closes_the_realm_test_() ->
    {timeout, 300, fun() -> cambrian_temporary:with_data_dir(fun(Dir) ->
        ok = cambrian_trust:open(?REALM, #{}),
        ok = application:stop(cambrian),
        [Path, _] = trust_files(Dir),
        {ok, Whole} = file:read_file(Path),
        Bad =
            [<<>>, binary:part(Whole, 0, 30), binary:part(Whole, 0, byte_size(Whole) - 1),
             <<"not ours">>,
             of_earlier(<<"no term">>), of_earlier(term_to_binary(#{})),
             of_earlier(term_to_binary(#{origins => 1})),
             %% an atom that does not exist here
             of_earlier(<<131, 119, 22, "no_atom_of_this_system">>)
             | [packed(Other) || Other <- unlike(saved(Whole))]],
        quietly(fun() ->
            [begin
                 ok = file:del_dir_r(filename:join(Dir, "realms")),
                 ok = filelib:ensure_dir(Path),
                 ok = file:write_file(Path, Bytes),
                 {ok, _} = application:ensure_all_started(cambrian),
                 ?assertEqual({realm_damaged, Bytes}, {arrives(1, #{}), Bytes}),
                 ?assertEqual({error, {realm_damaged, ?REALM}}, cambrian_trust:open(?REALM, #{})),
                 ?assertEqual({ok, Bytes}, file:read_file([Path, ".torn"])),
                 ok = application:stop(cambrian)
             end || Bytes <- Bad]
        end)
    end) end}.

trust_files(Dir) -> lists:sort(filelib:wildcard(filename:join([Dir, "realms", "*", "*.trust"]))).

quietly(Test) ->
    ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
    try Test() after ok = logger:remove_primary_filter(expected) end.

%% The file as an earlier release wrote it.
of_earlier(Payload) ->
    <<"cambrian trust 1\n", (crypto:hash(sha256, Payload))/binary, Payload/binary>>.

packed(Saved) when is_map(Saved) ->
    Payload = iolist_to_binary([<<1:64>>, cambrian_realm_file:pack_all(Saved)]),
    <<"cambrian trust 2\n", (crypto:hash(sha256, Payload))/binary, Payload/binary>>.

saved(<<"cambrian trust 2\n", _Hash:32/binary, 1:64, Frames/binary>>) ->
    cambrian_realm_file:unpack([<<Size:32, Frame/binary>>
                                || <<Size:32, Frame:Size/binary>> <= Frames]).

%% Variants of a realm's saved state: each part missing or of a wrong type, another realm's, and
%% with successions in a circle.
unlike(Saved) ->
    Standing =
        #{reputation => 0.5, received => 0, accepted => 0, checked => 0, lies => 0, sequence => 0,
          window => 0,
          seen => 0, tokens => 1, filled => 0, grant => none},
    Odd = [none, -1, 1.5, <<1>>, [a | b], {1}],
    {Key, Other} = {key(1), key(2)},
    Retired = fun(Heir) -> #{heir => Heir, known => false, time => 0} end,
    Ban = #{what => {key, Key}, reason => <<>>, by => user, time => 0},
    [maps:remove(Part, Saved) || Part <- [name, max, retired, bans, origins, refused]]
        ++ [Saved#{Part => Value} || Part <- maps:keys(Saved), Value <- Odd,
                                          not lists:member({Part, Value},
                                                           [{tolerance, 1.5}, {before, none}])]
        ++ [Saved#{name => <<"org.example.else">>}, Saved#{max => 0}, Saved#{rate => {0, 1}},
            Saved#{capability => {keys, [Key | Other]}}, Saved#{refused => #{<<"a">> => 1}},
            Saved#{retired => #{Key => Retired(Key)}},
            Saved#{retired => #{Key => Retired(Other), Other => Retired(Key)}},
            Saved#{retired => #{Key => Retired(<<1>>)}}, Saved#{bans => #{{key, Other} => Ban}},
            Saved#{bans => #{{key, Key} => maps:remove(time, Ban)}},
            Saved#{origins => #{<<1>> => Standing}}]
        ++ [Saved#{origins => #{Key => maps:remove(Part, Standing)}}
            || Part <- maps:keys(Standing), Part =/= window]
        ++ [Saved#{origins => #{Key => Standing#{Part => Value}}}
            || Part <- maps:keys(Standing), Value <- [<<1>>, nan, -1],
               Value =/= -1 orelse not lists:member(Part, [seen, filled, tokens])].

%% The ban holds, but returns an error, since it would not survive a restart.
a_ban_on_a_full_disk_holds_and_returns_an_error_test_() ->
    with_app(fun(Dir) ->
        ok = file:del_dir_r(filename:join(Dir, "realms")),
        ok = file:write_file(filename:join(Dir, "realms"), <<>>),
        {error, {_, Path}} = cambrian_trust:ban(?REALM, {key, key(1)}),
        ?assertEqual(<<".trust">>, filename:extension(Path)),
        ?assertEqual(banned_key, arrives(1, #{})),
        ok = file:delete(filename:join(Dir, "realms")),
        ok = cambrian_trust:ban(?REALM, {key, key(2)}),
        restart(),
        ?assertEqual([banned_key, banned_key], [arrives(N, #{}) || N <- [1, 2]])
    end).

without_a_data_dir_nothing_is_written_test() ->
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    ok = cambrian_trust:open(?REALM, #{}),
    ok = cambrian_trust:ban(?REALM, {key, key(1)}),
    banned_key = arrives(1, #{}),
    restart(),
    ?assertError({unknown_realm, ?REALM}, cambrian_trust:bans(?REALM)),
    ?assertEqual({error, {unknown_realm, ?REALM}}, cambrian_trust:check(?REALM, sealed(1, #{}))),
    ok = application:stop(cambrian).

realms_have_their_own_files_test_() ->
    with_app(fun(_) ->
        Odd = [<<>>, <<"..">>, <<"a/b">>, binary:copy(<<"é"/utf8>>, 127)],
        _ = [ok = cambrian_trust:open(Realm, #{}) || Realm <- Odd],
        ok = cambrian_trust:ban(<<"..">>, {key, key(1)}),
        restart(),
        ?assertEqual([0, 1, 0, 0], [length(cambrian_trust:bans(Realm)) || Realm <- Odd]),
        ?assertMatch({ok, _, _}, cambrian_trust:check(<<"a/b">>, sealed(1, #{realm => <<"a/b">>})))
    end).

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

%% The clock was set back during the restart: other nodes must not take the next message for a
%% replay.
sequence_numbers_survive_a_restart_test_() ->
    with_app(fun(_) ->
        Now = os:system_time(microsecond),
        First = cambrian_trust:ask(?REALM, {sequence, Now}),
        ok = restart(),
        ?assertEqual(Now, First),
        ?assert(cambrian_trust:ask(?REALM, {sequence, Now - 3_600_000_000}) > First + 1_000_000)
    end).
