-module(cambrian_msgpack_tests).
-include_lib("eunit/include/eunit.hrl").

encoded(Term) -> iolist_to_binary(cambrian_msgpack:encode(Term)).

values() ->
    [nil, true, false, 0, 127, 128, 255, 256, 65535, 65536, 1 bsl 32 - 1, 1 bsl 32, 1 bsl 64 - 1,
     -1,
     -32, -33, -128, -129,
     -32768, -32769, -1 bsl 31, -1 bsl 31 - 1, -1 bsl 63, 0.0, -1.5, 1.0e300, <<>>, <<1, 2, 3>>,
     binary:copy(<<7>>, 255),
     binary:copy(<<7>>, 256), binary:copy(<<7>>, 70_000), [], [1, [2, []]], lists:seq(1, 15),
     lists:seq(1, 16),
     lists:seq(1, 70_000), #{}, #{1 => #{2 => 3}},
     maps:from_list([{N, N} || N <- lists:seq(1, 16)]),
     maps:from_list([{N, -N} || N <- lists:seq(1, 70_000)])].

every_value_survives_encoding_and_decoding_test() ->
    [?assertEqual({ok, Value}, cambrian_msgpack:decode(encoded(Value))) || Value <- values()],
    [?assertEqual({ok, Text}, cambrian_msgpack:decode(encoded({text, Text})))
     || Size <- [0, 31, 32, 255, 256, 70_000], Text <- [binary:copy(<<"x">>, Size)]],
    ?assertEqual({ok, #{<<"do">> => <<"step">>}}, cambrian_msgpack:decode(encoded(#{do => step}))),
    ?assertEqual({ok, 0.5}, cambrian_msgpack:decode(<<16#ca, 0.5:32/float>>)).

%% An example of the specification.
the_bytes_are_those_of_the_specification_test() ->
    ?assertEqual(<<16#82, 16#a7, "compact", 16#c3, 16#a6, "schema", 0>>,
                 encoded(#{compact => true, schema => 0})).

%% Bytes cut short, bytes after the end, or a changed byte: the decoder returns, does not crash
%% and makes no atom.
damaged_bytes_are_malformed_test() ->
    Bytes = encoded(#{a => [1, 2.5, <<"xyz">>, nil, true], b => #{c => -70_000, d => 1 bsl 40}}),
    Atoms = erlang:system_info(atom_count),
    [?assertEqual({error, malformed}, cambrian_msgpack:decode(binary:part(Bytes, 0, Size)))
     || Size <- lists:seq(0, byte_size(Bytes) - 1)],
    ?assertEqual({error, malformed}, cambrian_msgpack:decode(<<Bytes/binary, 0>>)),
    [begin
         <<Head:At/binary, _, Tail/binary>> = Bytes,
         case cambrian_msgpack:decode(<<Head/binary, Byte, Tail/binary>>) of
             {ok, _} -> ok;
             {error, malformed} -> ok
         end
     end || At <- lists:seq(0, byte_size(Bytes) - 1), Byte <- lists:seq(0, 255)],
    ?assertEqual(Atoms, erlang:system_info(atom_count)).

values_beyond_the_bounds_are_malformed_test() ->
    Deep = fun(Depth) -> iolist_to_binary([lists:duplicate(Depth, 16#91), 0]) end,
    ?assertMatch({ok, [[_]]}, cambrian_msgpack:decode(Deep(15))),
    [?assertEqual({error, malformed}, cambrian_msgpack:decode(Bytes))
     || Bytes <- [Deep(16), Deep(1_000_000), <<16#c1>>, <<16#cb, -1:64>>, <<16#ca, 127, 192, 0, 0>>,
                  <<16#d4, 1, 1>>,
                  <<16#dd, -1:32, 0>>, <<16#df, -1:32, 0>>, <<16#c6, -1:32, 0>>,
                  <<16#dd, 2_000_000:32, 0:16_000_000>>,
                  <<16#dd, 2_000_000:32, (binary:copy(<<16#90>>, 2_000_000))/binary>>]].

%% Decodes every message of docs/programs.md, and compares the bytes of those that Cambrian
%% writes.
the_documented_messages_are_valid_test() ->
    Messages = messages(),
    ?assertEqual(7, length(Messages)),
    Read = [begin {ok, #{} = Value} = cambrian_msgpack:decode(Bytes), Value end
            || <<Size:32, Bytes:Size/binary>> <- Messages],
    ?assertMatch([#{<<"protocol">> := 1, <<"inputs">> := 1, <<"outputs">> := 1},
                  #{<<"do">> := <<"reset">>}, _, _,
                  #{<<"rewards">> := <<0.5:64/float-little, 0.75:64/float-little>>,
                    <<"done">> := <<0, 1>>}, _,
                  #{<<"behaviour">> := <<0.5:64/float-little, 0.75:64/float-little>>}], Read),
    Ours = [#{do => reset, slots => [0, 1], episode => 0},
            #{do => step, slots => [0, 1],
              outputs => <<0.5:32/float-little, 0.75:32/float-little>>},
            #{do => score, slots => [0, 1]}],
    ?assertEqual([lists:nth(N, Messages) || N <- [2, 4, 6]],
                 [<<(byte_size(Bytes)):32, Bytes/binary>>
                  || Bytes <- lists:map(fun encoded/1, Ours)]).

messages() ->
    {ok, Guide} = file:read_file(cambrian_checkout:path("docs/programs.md")),
    [_, Shown] = string:split(Guide, "\n## Bytes\n"),
    {match, Blocks} = re:run(Shown, "```\\n(.*?)```", [global, dotall, {capture, [1], list}]),
    [binary:decode_hex(list_to_binary(lists:append([hex(Line)
                                                    || Line <- string:split(Block, "\n", all)])))
     || [Block] <- Blocks].

%% The hexadecimal digits, which are the left half of a line.
hex(Line) -> [C || C <- lists:sublist(Line, 51), C =/= $\s].
