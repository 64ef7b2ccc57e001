-module(cambrian_envelope_tests).
-include_lib("eunit/include/eunit.hrl").

genotype() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    G.

claims() ->
    #{realm => <<"lab">>, task => <<"xor">>, fitness => 3.5, generation => 4, parents => [], sequence => 7,
      time => erlang:system_time(millisecond)}.

what_was_sealed_is_read_test() ->
    Secret = cambrian_identity:new(),
    {ok, Bytes} = cambrian_envelope:seal(claims(), genotype(), Secret),
    {ok, Envelope, #{origin := Origin, genotype := Id} = Read} = cambrian_envelope:read(Bytes),
    ?assertEqual(cambrian_identity:public_key(Secret), Origin),
    ?assertEqual(cambrian_genotype:id(genotype()), Id),
    ?assertMatch(#{realm := <<"lab">>, fitness := 3.5, sequence := 7}, Read),
    {ok, Opened} = cambrian_envelope:open(Envelope),
    ?assertEqual(Id, cambrian_genotype:id(Opened)).

%% Another implementation of Ed25519 agrees.
otp_verifies_our_signature_test() ->
    Secret = cambrian_identity:new(),
    {ok, Bytes} = cambrian_envelope:seal(claims(), genotype(), Secret),
    {Public, Secret} = crypto:generate_key(eddsa, ed25519, Secret),
    ?assertEqual(Public, cambrian_identity:public_key(Secret)),
    {Body, Signature} = parts(Bytes),
    ?assert(crypto:verify(eddsa, none, <<"cambrian envelope 1\n", Body/binary>>, Signature, [Public, ed25519])),
    ?assertNot(crypto:verify(eddsa, none, Body, Signature, [Public, ed25519])).

%% MessagePack: an array of two bins.
parts(<<16#92, 16#c5, Size:16, Body:Size/binary, 16#c4, 64, Signature:64/binary>>) -> {Body, Signature};
parts(<<16#92, 16#c4, Size, Body:Size/binary, 16#c4, 64, Signature:64/binary>>) -> {Body, Signature}.

every_changed_byte_is_refused_test() ->
    {ok, Bytes} = cambrian_envelope:seal(claims(), genotype(), cambrian_identity:new()),
    [begin
         <<Before:At/binary, Byte, After/binary>> = Bytes,
         Changed = <<Before/binary, (Byte bxor 1), After/binary>>,
         ?assertMatch({error, _}, case cambrian_envelope:read(Changed) of
                                      {ok, Envelope, _} -> cambrian_envelope:open(Envelope);
                                      Error -> Error
                                  end)
     end || At <- lists:seq(0, byte_size(Bytes) - 1)].

realm_age_and_replay_test() ->
    Now = erlang:system_time(millisecond),
    Claims = (claims())#{origin => <<1:256>>},
    ?assertEqual(ok, cambrian_envelope:admit(Claims, <<"lab">>, #{})),
    ?assertEqual({error, wrong_realm}, cambrian_envelope:admit(Claims, <<"other">>, #{})),
    ?assertEqual({error, too_old}, cambrian_envelope:admit(Claims#{time := Now - 86_400_000}, <<"lab">>, #{})),
    ?assertEqual({error, from_the_future}, cambrian_envelope:admit(Claims#{time := Now + 86_400_000}, <<"lab">>, #{})),
    ?assertEqual({error, replay}, cambrian_envelope:admit(Claims, <<"lab">>, #{<<1:256>> => 7})),
    ?assertEqual(ok, cambrian_envelope:admit(Claims, <<"lab">>, #{<<1:256>> => 6, <<2:256>> => 9})).
