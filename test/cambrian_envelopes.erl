%% Envelopes, genuine and others, and the application that checks them.
-module(cambrian_envelopes).
-export([secret/1, key/1, now_ms/0, genotype/0, sealed/2, arrives/2, arrives/1, damaged/2, forged/1,
         with_app/1, restart/0, kill_server/0, server/0, rubbish/2]).
-import(cambrian_wait, [until/1]).

-define(REALM, <<"org.example.test">>).

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

kill_server() ->
    Server = server(),
    true = exit(Server, kill),
    until(fun() -> not is_process_alive(Server) end).

server() ->
    {ok, Server} = cambrian_realms:find(?REALM),
    Server.

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
