%% Texts are valid, bounded and safe whatever their input; numbers are readable and read back.
-module(cambrian_text_tests).

-include_lib("eunit/include/eunit.hrl").

html_characters_are_escaped_test_() ->
    [
        ?_assertEqual(<<"&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;">>,
                      cambrian_text:escape(<<"<a b='c' d=\"e\">&">>)),
        ?_assertEqual(<<"żółw"/utf8>>, cambrian_text:escape(<<"żółw"/utf8>>)),
        ?_assertEqual(<<"żółw"/utf8>>, cambrian_text:escape([380, 243, 322, 119])),
        ?_assertEqual(<<"a", 16#FFFD/utf8, "b">>, cambrian_text:escape(<<"a", 255, "b">>)),
        ?_assertEqual(<<"a", 16#FFFD/utf8, "b">>, cambrian_text:escape(<<"a", 0, "b">>)),
        ?_assertEqual(<<16#FFFD/utf8, "exe">>, cambrian_text:escape(<<16#202E/utf8, "exe">>)),
        ?_assertEqual(<<"{bad,1}">>, cambrian_text:escape({bad, 1})),
        ?_assert(byte_size(cambrian_text:escape(binary:copy(<<"<">>, 1000000))) =< 40000)
    ].

exact_numbers_read_back_test_() ->
    [
        ?_assertEqual(<<"0.1">>, cambrian_text:exact(single(0.1))),
        ?_assertEqual(<<"-2.71">>, cambrian_text:exact(single(-2.71))),
        ?_assertEqual(<<"0.1">>, cambrian_text:exact(0.1)),
        ?_assertEqual(<<"0.12345678901234">>, cambrian_text:exact(0.12345678901234)),
        ?_assertEqual(<<"0.0">>, cambrian_text:exact(0.0)),
        ?_assertEqual(<<"1.0e300">>, cambrian_text:exact(1.0e300)),
        ?_assertEqual(<<"7">>, cambrian_text:exact(7)),
        ?_test([
            ?assertEqual(S, single(binary_to_float(cambrian_text:exact(S))))
         || I <- lists:seq(1, 500), S <- [single(math:sin(I) * math:pow(1.3, I rem 90 - 45))]
        ])
    ].

short_numbers_are_readable_test_() ->
    [
        ?_assertEqual(<<"0.9463">>, cambrian_text:short(0.946321)),
        ?_assertEqual(<<"12,346">>, cambrian_text:short(12345.6)),
        ?_assertEqual(<<"1,234,567">>, cambrian_text:short(1234567)),
        ?_assertEqual(<<"−4"/utf8>>, cambrian_text:short(-4.0)),
        ?_assertEqual(<<"0">>, cambrian_text:short(-0.0)),
        ?_assertEqual(<<"1.5e-7">>, cambrian_text:short(1.5e-7)),
        ?_assertEqual(<<"100">>, cambrian_text:short(100))
    ].

a_long_text_is_clipped_test_() ->
    [
        ?_assertEqual(<<"abcd">>, cambrian_text:clip("abcd", 4)),
        ?_assertEqual(<<"żół…"/utf8>>, cambrian_text:clip(<<"żółwie"/utf8>>, 4))
    ].

a_count_has_its_plural_test_() ->
    [
        ?_assertEqual(<<"1 node">>, iolist_to_binary(cambrian_text:counted(1, "node"))),
        ?_assertEqual(<<"12,000 nodes">>, iolist_to_binary(cambrian_text:counted(12000, "node")))
    ].

single(Value) ->
    <<Single:32/float>> = <<Value:32/float>>,
    Single.
