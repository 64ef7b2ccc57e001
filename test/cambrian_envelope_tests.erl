-module(cambrian_envelope_tests).
-include_lib("eunit/include/eunit.hrl").

-define(MEGABYTE, 1_048_576).

genotype() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    G.

claims() ->
    #{realm => <<"lab">>, task => <<"xor">>, fitness => 3.5, generation => 4,
      parents => [<<1:256>>],
      operators => [crossover, <<"add_node">>], sequence => 7,
      time => erlang:system_time(millisecond)}.

a_sealed_envelope_can_be_read_test() ->
    Secret = cambrian_identity:new(),
    {ok, Bytes} = cambrian_envelope:seal(claims(), genotype(), Secret),
    {ok, Envelope, #{origin := Origin, genotype := Id} = Read} = cambrian_envelope:read(Bytes),
    ?assertEqual(cambrian_identity:public_key(Secret), Origin),
    ?assertEqual(cambrian_genotype:id(genotype()), Id),
    ?assertMatch(#{realm := <<"lab">>, fitness := 3.5, sequence := 7, parents := [<<1:256>>],
                   operators := [<<"crossover">>, <<"add_node">>], grant := undefined,
                   base := undefined}, Read),
    {ok, Opened} = cambrian_envelope:open(Envelope),
    ?assertEqual(Id, cambrian_genotype:id(Opened)).

%% OTP's implementations of Ed25519 and of SHA-256 agree with ours.
otp_verifies_our_signature_test() ->
    Secret = cambrian_identity:new(),
    {ok, Bytes} = cambrian_envelope:seal(claims(), genotype(), Secret),
    {Public, Secret} = crypto:generate_key(eddsa, ed25519, Secret),
    ?assertEqual(Public, cambrian_identity:public_key(Secret)),
    {Claims, Signature, Payload} = parts(Bytes),
    Verify = fun(Message) -> crypto:verify(eddsa, none, Message, Signature, [Public, ed25519]) end,
    ?assert(Verify(<<"cambrian envelope 2\n", Claims/binary>>)),
    ?assertNot(Verify(Claims)),
    ?assertNotEqual(nomatch, binary:match(Claims, crypto:hash(sha256, Payload))).

%% MessagePack: an array of three bins.
parts(<<16#93, Rest/binary>>) ->
    {Claims, <<16#c4, 64, Signature:64/binary, More/binary>>} = bin(Rest),
    {Payload, <<>>} = bin(More),
    {Claims, Signature, Payload}.

bin(<<16#c4, Size, Bytes:Size/binary, Rest/binary>>) -> {Bytes, Rest};
bin(<<16#c5, Size:16, Bytes:Size/binary, Rest/binary>>) -> {Bytes, Rest}.

%% A caller without the signature gets the claims of a record, and an error for any other shape.
the_claims_of_a_record_are_read_before_its_signature_is_checked_test() ->
    {ok, Bytes} = cambrian_envelope:seal(claims(), genotype(), cambrian_identity:new()),
    {ok, Envelope, Read} = cambrian_envelope:read(Bytes),
    Record = cambrian_envelope:record(Envelope),
    Size = byte_size(Record) - 1,
    <<Said:Size/binary, Last>> = Record,
    Forged = <<Said/binary, (Last bxor 1)>>,
    ?assertEqual({ok, Read}, cambrian_envelope:peek_record(Forged)),
    ?assertEqual({error, bad_signature}, cambrian_envelope:read_record(Forged)),
    ?assertEqual({error, malformed}, cambrian_envelope:peek_record(Said)),
    ?assertEqual({error, malformed}, cambrian_envelope:peek_record(<<Record/binary, 0>>)),
    ?assertEqual({error, malformed}, cambrian_envelope:peek_record(Bytes)),
    Newer = binary:replace(Record, <<16#9f, 2>>, <<16#9f, 3>>),
    ?assertEqual({error, {unsupported_version, 3}}, cambrian_envelope:peek_record(Newer)).

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

every_malformed_envelope_has_a_reason_test() ->
    G = genotype(),
    {ok, Sealed} = cambrian_envelope:seal(claims(), G, <<1:256>>),
    Cut = binary:part(Sealed, 0, byte_size(Sealed) div 2),
    Newer = binary:replace(Sealed, <<16#9f, 2>>, <<16#9f, 3>>),
    ?assertEqual({error, malformed}, cambrian_envelope:read(Cut)),
    ?assertEqual({error, {unsupported_version, 3}}, cambrian_envelope:read(Newer)),
    Genes = cambrian_genotype:to_binary(G),
    <<Array, _Schema, Columns/binary>> = Genes,
    ?assertEqual({error, {unsupported_version, 4}},
                 cambrian_genotype:from_binary(<<Array, 4, Columns/binary>>)),
    ?assertEqual({error, malformed},
                 cambrian_genotype:from_binary(binary:part(Genes, 0, byte_size(Genes) - 1))),
    Delta = cambrian_genotype:diff(G, G),
    <<Head, _Version, Rest/binary>> = Delta,
    ?assertEqual({error, {unsupported_version, 2}},
                 cambrian_genotype:patch(G, <<Head, 2, Rest/binary>>)),
    {ok, Other} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 2),
    ?assertEqual({error, {wrong_base, cambrian_genotype:id(G)}},
                 cambrian_genotype:patch(Other, Delta)).

%% The test reads the VM's peak memory from the kernel.
hostile_bytes_take_no_memory_test_() ->
    case file:write_file("/proc/self/clear_refs", "5") of
        ok -> {timeout, 60, fun hostile_bytes_take_no_memory/0};
        {error, _} -> []
    end.

hostile_bytes_take_no_memory() ->
    Large = binary:copy(<<16#90>>, 100 * ?MEGABYTE),
    Bomb = bomb(),
    {ok, Sealed} = cambrian_envelope:seal(claims(), genotype(), <<1:256>>),
    Forged =
        [<<16#9a, 3, 1, 1, 16#c6, 16#ff, 16#ff, 16#ff, 16#ff>>,
         <<16#dd, 16#ff, 16#ff, 16#ff, 16#ff, 3>>,
         <<16#dc, 16#ff, 16#ff, 2>>, Bomb, Sealed, binary:part(Sealed, 0, 100)],
    _ = erlang:garbage_collect(),
    ok = file:write_file("/proc/self/clear_refs", "5"),
    Before = peak(),
    ?assertEqual({error, {too_large, byte_size(Large)}}, cambrian_genotype:from_binary(Large)),
    ?assertEqual({error, {too_large, byte_size(Large)}},
                 cambrian_genotype:patch(genotype(), Large)),
    ?assertEqual({error, {too_large, byte_size(Large)}}, cambrian_envelope:read(Large)),
    ?assertEqual({error, {too_large, byte_size(Large)}}, cambrian_envelope:read_record(Large)),
    ?assertEqual({error, {too_large, byte_size(Large)}}, cambrian_envelope:peek_record(Large)),
    _ = [{error, _} = Read(Bytes) || _ <- lists:seq(1, 200), Bytes <- Forged,
                                     Read <- [fun cambrian_genotype:from_binary/1,
                                              fun cambrian_envelope:read_record/1,
                                              fun(B) -> cambrian_genotype:patch(genotype(), B)
                                              end]],
    {ok, Envelope, _} = cambrian_envelope:read(around(Bomb)),
    _ = [?assertEqual({error, bad_compression}, cambrian_envelope:open(Envelope))
         || _ <- lists:seq(1, 50)],
    ?assert(peak() - Before < 48 * ?MEGABYTE).

peak() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} =
        re:run(Status, "VmHWM:\\s+(\\d+) kB", [{capture, all_but_first, binary}]),
    1024 * binary_to_integer(Kilobytes).

%% A gigabyte of zeros in one zstd frame: 8192 blocks that each repeat a byte.
bomb() ->
    Block = fun(Last) -> <<((128 * 1024) bsl 3 bor 2 bor Last):24/little, 0>> end,
    iolist_to_binary([<<16#28, 16#b5, 16#2f, 16#fd, 16#a0, (1 bsl 30):32/little>>,
                      lists:duplicate(8191, Block(0)), Block(1)]).

%% A genuinely signed envelope around a payload that is no genotype.
around(Payload) ->
    {ok, Sealed} = cambrian_envelope:seal(claims(), genotype(), <<1:256>>),
    {Claims, _, Old} = parts(Sealed),
    Said = binary:replace(Claims, crypto:hash(sha256, Old), crypto:hash(sha256, Payload)),
    Signature =
        crypto:sign(eddsa, none, <<"cambrian envelope 2\n", Said/binary>>, [<<1:256>>, ed25519]),
    iolist_to_binary([16#93, 16#c4, byte_size(Said), Said, 16#c4, 64, Signature,
                      16#c5, <<(byte_size(Payload)):16>>, Payload]).
