%% docs/threats.md says for each attack which test tries it: those tests are there, and run.
-module(cambrian_threats_tests).
-include_lib("eunit/include/eunit.hrl").

every_row_has_tests_that_are_there_test_() ->
    Rows = rows(),
    [?_assert(length(Rows) > 10)
     | [{iolist_to_binary([What, " ", Test]), ?_assertEqual(ok, there(Test))} || {What, Tests} <- Rows, Test <- tests(What, Tests)]].

rows() ->
    Page = cambrian_document:read("docs/threats.md"),
    [{What, Tests} || <<"| ", Row/binary>> <- binary:split(Page, <<"\n">>, [global]),
                      [What, _Bound, Tests, <<>>] <- [[string:trim(Cell) || Cell <- binary:split(Row, <<"|">>, [global])]],
                      What =/= <<"an attacker can">>, What =/= <<"an attacker, or a disk, can">>].

%% At least one for each attack.
tests(What, Cell) ->
    case re:run(Cell, "`([^`]+)`", [global, {capture, all_but_first, binary}]) of
        {match, Found} -> lists:append(Found);
        nomatch -> [<<"no test for: ", What/binary>>]
    end.

%% A function of a module of tests, or `file: words' of another file.
there(Test) ->
    case binary:split(Test, [<<": ">>, <<":">>]) of
        [<<"cambrian_", _/binary>> = Module, Function] ->
            is_in(["test/", Module, ".erl"], ["^", Function, "\\("]);
        [File, Words] -> is_in([File], [<<"\\Q">>, Words, <<"\\E">>]);
        _ -> {not_a_test, Test}
    end.

is_in(File, Pattern) ->
    case re:run(cambrian_document:read(unicode:characters_to_list(File)), Pattern, [multiline, {capture, none}]) of
        match -> ok;
        nomatch -> {not_in, unicode:characters_to_binary(File), iolist_to_binary(Pattern)}
    end.
