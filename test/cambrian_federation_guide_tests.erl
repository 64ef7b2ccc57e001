%% What docs/federation.md shows of the code and of the model is there.
-module(cambrian_federation_guide_tests).
-include_lib("eunit/include/eunit.hrl").

-define(GUIDE, "docs/federation.md").

every_excerpt_stands_in_its_file_test() ->
    Excerpts = [{unicode:characters_to_list(File), Text}
                || #{kind := <<"text">>, text := Block} <- cambrian_document:blocks(?GUIDE),
                   [File, Text] <- [binary:split(Block, <<"\n">>)],
                   lists:member(filename:extension(File), [<<".erl">>, <<".pml">>])],
    ?assert(length(Excerpts) >= 7),
    ?assertEqual([], [Excerpt || {File, Text} = Excerpt <- Excerpts,
                                 binary:match(cambrian_document:read(File),
                                              string:trim(Text, trailing, "\n")) =:= nomatch]).

every_function_of_the_table_is_there_test() ->
    {ok, Source} = file:read_file(cambrian_checkout:path("src/federation/cambrian_consensus.erl")),
    {match, Named} = re:run(cambrian_document:read(?GUIDE), "`(\\w+)/\\d`",
                            [global, {capture, all_but_first, binary}]),
    ?assert(length(Named) >= 10),
    ?assertEqual([], [Name || [Name] <- Named,
                              binary:match(Source, <<"\n", Name/binary, "(">>) =:= nomatch]).
