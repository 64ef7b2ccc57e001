-module(cambrian_record_tests).
-include_lib("eunit/include/eunit.hrl").

first() -> cambrian_record:first([<<"b">>, <<"a">>, <<"c">>], <<"begin">>).
second() -> cambrian_record:next({7, <<"a">>}, [<<"a">>], <<"score">>, first()).

bytes_give_the_record_again_test() ->
    [?assertEqual({ok, Record}, cambrian_record:decode(cambrian_record:encode(Record)))
     || Record <- [first(), second(), cambrian_record:first([], <<>>)]].

voters_are_sorted_test() ->
    ?assertMatch(#{voters := [<<"a">>, <<"b">>, <<"c">>]}, first()).

the_hash_is_that_of_the_bytes_test() ->
    #{hash := Hash} = second(),
    ?assertEqual(crypto:hash(sha256, cambrian_record:encode(second())), Hash).

%% A golden value: the bytes are a format that nodes of other versions read.
the_bytes_stay_as_they_are_test() ->
    ?assertEqual(<<16#97, 1, 0, 0, 16#c4, 0, 16#c4, 32, 0:256, 16#91, 16#c4, 1, $a,
                   16#c4, 2, "hi">>,
                 cambrian_record:encode(cambrian_record:first([<<"a">>], <<"hi">>))).

a_record_follows_only_the_one_that_it_names_test() ->
    ?assert(cambrian_record:follows(first(), none)),
    ?assertNot(cambrian_record:follows(second(), none)),
    ?assert(cambrian_record:follows(second(), first())),
    ?assertNot(cambrian_record:follows(second(), cambrian_record:first([<<"a">>], <<"other">>))),
    ?assertNot(cambrian_record:follows(first(), first())).

strangers_bytes_are_refused_by_name_test() ->
    Pack = fun(Parts) -> iolist_to_binary(cambrian_msgpack:encode(Parts)) end,
    Zero = <<0:256>>,
    Good = cambrian_record:encode(first()),
    Of = fun(Voters) -> Pack([1, 0, 0, <<>>, Zero, Voters, <<>>]) end,
    [?assertEqual({error, Reason}, cambrian_record:decode(Bytes))
     || {Reason, Bytes} <- [{malformed, <<>>}, {malformed, atom}, {malformed, <<Good/binary, 0>>},
                            {malformed, Pack([1, -1, 0, <<>>, Zero, [<<"a">>], <<>>])},
                            {malformed, Pack([1, 0, 1, <<>>, Zero, [<<"a">>], <<>>])},
                            {malformed, Pack([1, 0, 0, <<>>, <<0>>, [<<"a">>], <<>>])},
                            {malformed, Of([<<"a">>, <<"b">>])},
                            {malformed, Of([<<"b">>, <<"a">>, <<"c">>])},
                            {malformed, Of([<<"a">>, <<"a">>, <<"b">>])},
                            {malformed, Of([7])}, {malformed, Of([<<0:2048>>])},
                            {malformed, Of(nil)},
                            {malformed, Pack([1, 0, 0, <<>>, Zero, [<<"a">>], 7])},
                            {{unsupported_version, 2}, Pack([2, 0])},
                            {{too_large, 1_052_673}, <<0:(1_052_673 * 8)>>},
                            %% a number in two bytes where one suffices
                            {not_canonical, <<16#97, 1, 16#cc, 0, (tail(3, Good))/binary>>}]].

tail(At, Bytes) -> binary:part(Bytes, At, byte_size(Bytes) - At).

a_body_has_a_largest_size_test() ->
    Of = fun(Size) ->
             cambrian_record:decode(cambrian_record:encode(
                 cambrian_record:first([<<"a">>], <<0:(8 * Size)>>)))
         end,
    Max = cambrian_record:max_body(),
    ?assertMatch({ok, _}, Of(Max)),
    ?assertEqual({error, malformed}, Of(Max + 1)).

%% Every change of a byte is refused, or is another record with another hash.
no_damaged_bytes_crash_the_reader_test() ->
    #{hash := Hash} = second(),
    Bytes = cambrian_record:encode(second()),
    [case cambrian_record:decode(<<Before/binary, (Byte bxor Flip), After/binary>>) of
         {ok, #{hash := Other}} -> ?assertNotEqual(Hash, Other);
         {error, _} -> ok
     end
     || At <- lists:seq(0, byte_size(Bytes) - 1), Flip <- [1, 16#40, 16#80, 16#ff],
        <<Before:At/binary, Byte, After/binary>> <- [Bytes]].
