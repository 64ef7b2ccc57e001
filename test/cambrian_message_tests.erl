-module(cambrian_message_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).
-define(HOUR, 3_600_000).

identity() -> cambrian_identity:from_secret(<<7:256>>).

heartbeat() -> heartbeat(?REALM, <<"node@host/1f">>).
heartbeat(Realm, Address) ->
    cambrian_message:heartbeat(Realm, Address, {1_800_000_000_000, 8500}, identity()).

record() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Claims =
        #{realm => ?REALM, task => <<"xor">>, fitness => 2.87, generation => 0, sequence => 1,
          time => 1_800_000_000_000},
    {ok, Bytes} = cambrian_envelope:seal(Claims, G, <<7:256>>),
    {ok, Envelope, _} = cambrian_envelope:read(Bytes),
    {Bytes, cambrian_envelope:record(Envelope)}.

%%% ---- encode and decode -------------------------------------------------------------------

each_message_has_its_kind_test() ->
    {Envelope, Record} = record(),
    Succession = cambrian_identity:succession(<<1:256>>, <<2:256>>),
    ?assertEqual({envelope, Envelope}, cambrian_message:kind(Envelope)),
    ?assertEqual({succession, Succession}, cambrian_message:kind(Succession)),
    [?assertEqual({announcement, Urgency, Record, Address},
                  cambrian_message:kind(cambrian_message:announcement(Urgency, Record, Address)))
     || Urgency <- [news, best], Address <- [<<>>, <<"node@host/1f">>, binary:copy(<<255>>, 255)]],
    ?assertMatch({heartbeat, _, _}, cambrian_message:kind(heartbeat())).

unknown_bytes_are_read_as_an_envelope_and_other_terms_as_malformed_test() ->
    [?assertEqual({envelope, Bytes}, cambrian_message:kind(Bytes))
     || Bytes <- [<<>>, <<"noise">>, <<16#92, 1, 2>>]],
    [?assertEqual(malformed, cambrian_message:kind(Term))
     || Term <- [noise, "noise", 7, <<1:3>>, {envelope, <<>>}]].

a_heartbeat_has_its_key_its_address_and_its_interval_test() ->
    {heartbeat, Body, Signature} = cambrian_message:kind(heartbeat()),
    #{key := Key} = identity(),
    ?assertEqual({ok,
                  #{key => Key, address => <<"node@host/1f">>, time => 1_800_000_000_000,
                    interval => 8500}},
                 cambrian_message:read_heartbeat(Body, ?HOUR)),
    ?assert(cambrian_message:is_genuine(?REALM, {Body, Signature}, Key)),
    ?assertNot(cambrian_message:is_genuine(<<"org.example.other">>, {Body, Signature}, Key)),
    ?assertNot(cambrian_message:is_genuine(?REALM, {Body, Signature},
                                           cambrian_identity:public_key(<<8:256>>))),
    ?assertNot(cambrian_message:is_genuine(?REALM, {Body, Signature}, <<"no key">>)).

%% A byte must not move from the end of a realm's name to the start of a body.
a_signature_holds_for_one_realm_and_one_body_test() ->
    {heartbeat, Body, Signature} = cambrian_message:kind(heartbeat()),
    #{key := Key} = identity(),
    {Long, Short} =
        {<<?REALM/binary, (binary:first(Body))>>, binary:part(Body, 1, byte_size(Body) - 1)},
    ?assertNot(cambrian_message:is_genuine(Long, {Short, Signature}, Key)).

an_interval_has_a_maximum_test() ->
    {heartbeat, Body, _} = cambrian_message:kind(heartbeat()),
    ?assertMatch({ok, #{interval := 60}}, cambrian_message:read_heartbeat(Body, 60)).

%% The interval of heartbeats is computed with this number of bytes.
a_heartbeat_has_at_most_170_bytes_test() ->
    ?assert(byte_size(heartbeat(?REALM, binary:copy(<<"a">>, 40))) =< 170).

a_request_names_a_genotype_and_the_bases_held_test() ->
    Ids = [<<N:256>> || N <- lists:seq(1, 20)],
    ?assertEqual({ok, {<<1:256>>, []}},
                 cambrian_message:read_request(cambrian_message:request(<<1:256>>, []))),
    ?assertEqual({ok, {<<1:256>>, lists:sublist(tl(Ids), 4)}},
                 cambrian_message:read_request(cambrian_message:request(<<1:256>>, tl(Ids)))),
    ?assertEqual({ok, ping}, cambrian_message:read_request(cambrian_message:ping())).

%% The proof holds for this realm, address, nonce and key only, and has one encoding.
a_proof_of_address_is_signed_test() ->
    Nonce = crypto:hash(sha256, <<"nonce">>),
    #{key := Key} = identity(),
    Question = cambrian_message:who(Nonce),
    ?assertEqual(<<16#92, 0, 16#c4, 32, Nonce/binary>>, Question),
    ?assertEqual({ok, {who, Nonce}}, cambrian_message:read_request(Question)),
    Answer = cambrian_message:lives(?REALM, <<"here">>, Nonce, identity()),
    ?assertMatch(<<16#93, 4, 16#c4, 32, Key:32/binary, 16#c4, 64, _:64/binary>>, Answer),
    ?assertEqual({ok, Key}, cambrian_message:lives_at(?REALM, <<"here">>, Nonce, Answer)),
    [?assertEqual({error, bad_signature}, cambrian_message:lives_at(Realm, Address, Drawn, Answer))
     || {Realm, Address, Drawn} <- [{<<"org.example.other">>, <<"here">>, Nonce},
                                    {?REALM, <<"there">>, Nonce}, {?REALM, <<"here">>, Key}]],
    [?assertMatch({error, _},
                  cambrian_message:lives_at(?REALM, <<"here">>, Nonce,
                                            <<Before/binary, (Byte bxor Mask), After/binary>>))
     || At <- lists:seq(0, byte_size(Answer) - 1), Mask <- [1, 128],
     <<Before:At/binary, Byte, After/binary>> <- [Answer]],
    [?assertEqual({error, malformed}, cambrian_message:lives_at(?REALM, <<"here">>, Nonce, Other))
     || Other <- [<<>>, no_bytes, cambrian_message:answer(none), <<Answer/binary, 0>>,
                  binary:copy(<<0>>, 1 bsl 20)]],
    [?assertEqual({error, malformed}, cambrian_message:read_request(pack(Request)))
     || Request <- [[0], [0, <<1:248>>], [1, Nonce], [0, Nonce, Nonce]]].

%% The kind of a large message costs as much as that of a small one, because nothing in it is
%% decoded.
the_kind_of_a_message_is_found_without_decoding_test() ->
    Nested = binary:copy(<<16#91>>, 16_000),
    Count = fun(Bytes) ->
                {reductions, Before} = process_info(self(), reductions),
                _ = cambrian_message:kind(Bytes),
                {reductions, After} = process_info(self(), reductions),
                After - Before
            end,
    [?assert(Count(<<16#93, Kind, Nested/binary>>) < 1000) || Kind <- [1, 2, 3]],
    ?assertEqual(malformed, cambrian_message:kind(pack([3, binary:copy(<<1>>, 513), <<0:512>>]))).

answers() ->
    [none] ++ [Answer || Breeder <- [undefined, <<>>, binary:copy(<<1>>, 16_384)],
                         Answer <- [{whole, <<"an envelope">>, Breeder},
                                    {difference, <<1:256>>, <<"a difference">>, Breeder},
                                    {elsewhere, <<2:256>>, Breeder}]].

an_answer_is_read_as_it_was_written_test() ->
    [?assertEqual({ok, Answer}, cambrian_message:read_answer(cambrian_message:answer(Answer)))
     || Answer <- answers()].

%%% ---- bounds -----------------------------------------------------------------------------

pack(Term) -> iolist_to_binary(cambrian_msgpack:encode(Term)).

a_message_beyond_its_bounds_is_malformed_test() ->
    Key = <<1:256>>,
    Large = cambrian_message:announcement(best, binary:copy(<<1>>, 16_384), <<"a node">>),
    ?assertEqual({{envelope, Large}, {error, malformed}},
                 {cambrian_message:kind(Large), cambrian_envelope:read(Large)}),
    [?assertEqual(malformed, cambrian_message:kind(Bytes))
     || Bytes <- [cambrian_message:announcement(news, <<"a record">>, binary:copy(<<1>>, 256)),
                  pack([3, <<"body">>, <<0:504>>]), pack([3, <<"body">>, <<0:520>>]),
                  pack([3, 7, <<0:512>>]),
                  pack([1, <<"record">>, 7]), pack([1, nil, <<"a node">>]), <<16#93, 1>>]],
    [?assertEqual({error, malformed}, cambrian_message:read_heartbeat(pack(Body), ?HOUR))
     || Body <- [[2, Key, <<>>, 1, 1], [1, <<1:248>>, <<>>, 1, 1],
                 [1, Key, binary:copy(<<1>>, 256), 1, 1], [1, Key, <<>>, -1, 1],
                 [1, Key, <<>>, 1, 0], [1, Key, <<>>, 1, -1], [1, Key, <<>>, 1, 1.0],
                 [1, Key, <<>>, 1], [1, Key, <<>>, 1, 1, 1], [], #{}]],
    [?assertEqual({error, malformed}, cambrian_message:read_request(pack(Request)))
     || Request <- [[Key || _ <- lists:seq(1, 6)], [<<1:248>>], [7], Key, nil, [Key | [nil]]]],
    [?assertEqual({error, malformed}, cambrian_message:read_answer(pack(Answer)))
     || Answer <- [[0], [1, 7, nil], [1, <<>>], [1, <<>>, nil, nil], [2, <<1:248>>, <<>>, nil],
                   [3, <<1:264>>, nil], [4, Key, nil],
                   [1, <<>>, 7], [1, <<>>, binary:copy(<<1>>, 16_385)], nil, 7]].

%% Each value has one encoding: a `str' is no `bin', a number is as short as possible, and no byte
%% follows.
another_encoding_of_a_message_is_malformed_test() ->
    Record = binary:copy(<<7>>, 300),
    Size = byte_size(Record),
    ?assertMatch({announcement, _, _, _},
                 cambrian_message:kind(<<16#93, 1, 16#c5, Size:16, Record/binary, 16#c4, 1, $a>>)),
    [?assertEqual(malformed, cambrian_message:kind(Bytes))
     || Bytes <- [<<16#93, 1, 16#da, Size:16, Record/binary, 16#c4, 1, $a>>,
                  <<16#93, 1, 16#c6, Size:32, Record/binary, 16#c4, 1, $a>>,
                  <<16#93, 1, 16#c5, Size:16, Record/binary, 16#a1, $a>>,
                  <<16#93, 1, 16#c5, Size:16, Record/binary, 16#c4, 1, $a, 0>>]],
    ?assertEqual({ok, ping}, cambrian_message:read_request(<<16#90>>)),
    [?assertEqual({error, malformed}, cambrian_message:read_request(Bytes))
     || Bytes <- [<<16#dc, 0, 0>>, <<16#90, 0>>, <<16#91, 16#c5, 32:16, 1:256>>,
                  <<16#91, 16#d9, 32, 1:256>>]],
    [?assertEqual({error, malformed}, cambrian_message:read_answer(Bytes))
     || Bytes <- [<<16#dd, 0:32>>, <<16#93, 16#cc, 1, 16#c4, 0, 16#c0>>]].

%%% ---- any bytes ---------------------------------------------------------------------------

%% Twenty thousand messages of noise and of damaged bytes: each is read or refused.
no_bytes_crash_a_reader_test_() ->
    {timeout, 120, fun() ->
        Good = messages(),
        lists:foldl(fun(_, Rand) ->
                            {Bytes, Next} = strange(Good, Rand),
                            read_all(Bytes),
                            Next
                    end, rand:seed_s(exsss, 42), lists:seq(1, 20_000))
    end}.

messages() ->
    {Envelope, Record} = record(),
    list_to_tuple([Envelope, heartbeat(), cambrian_message:announcement(news, Record, <<"a node">>),
                   cambrian_message:ping(),
                   cambrian_message:announcement(best, Record, <<"a node">>),
                   cambrian_identity:succession(<<1:256>>, <<2:256>>),
                   cambrian_message:request(<<1:256>>, [<<2:256>>, <<3:256>>])] ++
                      [cambrian_message:answer(Answer) || Answer <- answers()]).

strange(Good, Rand) ->
    {How, Rand1} = rand:uniform_s(5, Rand),
    {Which, Rand2} = rand:uniform_s(tuple_size(Good), Rand1),
    {X, Rand3} = rand:uniform_s(Rand2),
    {Bytes, Rand4} = rand:bytes_s(1 + trunc(X * 200), Rand3),
    Message = element(Which, Good),
    At = trunc(X * byte_size(Message)),
    <<Before:At/binary, Byte, After/binary>> = Message,
    <<First, _/binary>> = Bytes,
    {case How of
         1 -> Bytes;
         2 -> <<16#93, (First rem 4), Bytes/binary>>;
         3 -> <<Before/binary, (Byte bxor max(1, First)), After/binary>>;
         4 -> Before;
         5 -> <<Before/binary, Bytes/binary, After/binary>>
     end, Rand4}.

read_all(Bytes) ->
    case cambrian_message:kind(Bytes) of
        {envelope, Bytes} -> ok;
        {succession, Bytes} -> ok;
        malformed -> ok;
        {announcement, Urgency, Record, Address} ->
            ?assertEqual(Bytes, cambrian_message:announcement(Urgency, Record, Address));
        {heartbeat, Body, Signature} ->
            ?assertEqual(64, byte_size(Signature)),
            read_heartbeat(Body, Signature)
    end,
    read_heartbeat(Bytes, <<0:512>>),
    case cambrian_message:read_request(Bytes) of
        {ok, ping} -> ?assertEqual(cambrian_message:ping(), Bytes);
        {ok, {Id, Held}} -> ?assertEqual(Bytes, cambrian_message:request(Id, Held));
        {error, malformed} -> ok
    end,
    case cambrian_message:read_answer(Bytes) of
        {ok, Answer} -> ?assertEqual(Bytes, cambrian_message:answer(Answer));
        {error, malformed} -> ok
    end.

read_heartbeat(Body, Signature) ->
    case cambrian_message:read_heartbeat(Body, ?HOUR) of
        {ok, #{key := Key, address := Address, interval := Interval}} ->
            ?assert(byte_size(Address) =< 255 andalso Interval =< ?HOUR),
            ?assert(is_boolean(cambrian_message:is_genuine(?REALM, {Body, Signature}, Key)));
        {error, malformed} -> ok
    end.

a_damaged_heartbeat_is_not_genuine_test() ->
    Bytes = heartbeat(),
    [?assertNot(is_whole(<<Before/binary, (Byte bxor Mask), After/binary>>))
     || At <- lists:seq(0, byte_size(Bytes) - 1), Mask <- [1, 16, 128, 255],
        <<Before:At/binary, Byte, After/binary>> <- [Bytes]],
    ?assert(is_whole(Bytes)).

is_whole(Bytes) ->
    case cambrian_message:kind(Bytes) of
        {heartbeat, Body, Signature} ->
            case cambrian_message:read_heartbeat(Body, ?HOUR) of
                {ok, #{key := Key}} -> cambrian_message:is_genuine(?REALM, {Body, Signature}, Key);
                {error, malformed} -> false
            end;
        _ -> false
    end.
