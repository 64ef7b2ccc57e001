%% Signed bytes of owners and members, and a realm that gets them, for the tests of its keyring.
-module(cambrian_owners).
-export([secret/1, key/1, now_ms/0, realm/1, realm/2, owned/2, ask/1, counting/0, follow/3,
         follow/4, followed/4, amend/3, amended/3, charter/5, grant/3, grant_id/1, arrives/4,
         arrives/5, refusal/4, restarted/1]).

-define(REALM, <<"org.example.test">>).

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
