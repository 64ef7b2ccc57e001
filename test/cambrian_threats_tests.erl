%% docs/threats.md names the tests that try each attack: these tests exist and run.
-module(cambrian_threats_tests).
-include_lib("eunit/include/eunit.hrl").

every_row_names_tests_that_exist_test_() ->
    Rows = rows(),
    [?_assert(length(Rows) > 10)
     | [{iolist_to_binary([What, " ", Test]), ?_assertEqual(ok, there(Test))}
        || {What, Tests} <- Rows, Test <- tests(What, Tests)]].

rows() ->
    Page = cambrian_document:read("docs/threats.md"),
    [{What, Tests} || <<"| ", Row/binary>> <- binary:split(Page, <<"\n">>, [global]),
                      [What, _Bound, Tests,
                       <<>>] <- [[string:trim(Cell)
                                  || Cell <- binary:split(Row, <<"|">>, [global])]],
                      What =/= <<"an attacker can">>, What =/= <<"an attacker, or a disk, can">>].

%% Every attack has at least one test.
tests(What, Cell) ->
    case re:run(Cell, "`([^`]+)`", [global, {capture, all_but_first, binary}]) of
        {match, Found} -> lists:append(Found);
        nomatch -> [<<"no test for: ", What/binary>>]
    end.

%% A test in a module of tests, or `file: words' in another file.
there(Test) ->
    case binary:split(Test, [<<": ">>, <<":">>]) of
        [<<"cambrian_", _/binary>> = Module, Name] ->
            is_run(binary_to_atom(Module), binary_to_list(Name));
        [File, Words] -> is_in([File], [<<"\\Q">>, Words, <<"\\E">>]);
        _ -> {not_a_test, Test}
    end.

is_in(File, Pattern) ->
    case re:run(cambrian_document:read(unicode:characters_to_list(File)), Pattern,
                [multiline, {capture, none}]) of
        match -> ok;
        nomatch -> {not_in, unicode:characters_to_binary(File), iolist_to_binary(Pattern)}
    end.

%% A case of Common Test, a test of EUnit, or the title of a test that a generator makes.
is_run(Module, Name) ->
    {module, _} = code:ensure_loaded(Module),
    IsRun = case lists:suffix("_SUITE", atom_to_list(Module)) of
                true -> lists:member(list_to_atom(Name), cases(Module:all(), Module));
                false -> lists:member(Name, by_name(Module)) orelse is_given(Name, Module)
            end,
    case IsRun of
        true -> ok;
        false -> {not_run, Module, Name}
    end.

cases(All, Module) -> lists:append([named(Case, Module) || Case <- All]).

named({group, Name}, Module) ->
    {Name, _, Cases} = lists:keyfind(Name, 1, Module:groups()),
    cases(Cases, Module);
named(Case, _Module) when is_atom(Case) -> [Case].

by_name(Module) ->
    [Name || {Test, 0} <- Module:module_info(exports), Name <- [atom_to_list(Test)],
             lists:suffix("_test", Name) orelse lists:suffix("_test_", Name)].

%% A test may be skipped because something is missing on the machine: then its title must be in
%% the source.
is_given(Title, Module) ->
    Generators = [list_to_atom(Name) || Name <- by_name(Module), lists:suffix("_test_", Name)],
    Titles = lists:append([titles(Module:Generator()) || Generator <- Generators]),
    lists:member(Title, Titles) orelse
        lists:any(fun(Given) -> lists:prefix("skipped: ", Given) end, Titles) andalso
            is_in_source(Title, Module).

is_in_source(Title, Module) ->
    Source = cambrian_document:read("test/" ++ atom_to_list(Module) ++ ".erl"),
    re:run(Source, ["\\b\\Q", Title, "\\E\\b"], [unicode, {capture, none}]) =:= match.

the_title_of_a_skipped_test_is_found_in_its_source_test() ->
    ?assertEqual([true, false], [is_in_source(Title, cambrian_program_tests)
                                 || Title <- ["the_children_of_a_program_end_when_it_ends",
                                              "the_children_of_a_program_end_when"]]).

titles({[Char | _] = Title, Tests}) when is_integer(Char) -> [Title | titles(Tests)];
titles(Tests) when is_tuple(Tests) -> titles(tuple_to_list(Tests));
titles(Tests) when is_list(Tests) -> lists:append([titles(Test) || Test <- Tests]);
titles(_) -> [].
