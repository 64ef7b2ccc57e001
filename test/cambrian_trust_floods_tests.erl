%% A realm under forgeries, replays and floods.
-module(cambrian_trust_floods_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_envelopes, [arrives/1, arrives/2, damaged/2, key/1, sealed/2, secret/1, server/0,
                             with_app/1]).

-define(REALM, <<"org.example.test">>).

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
