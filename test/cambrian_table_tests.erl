%% Tables: CSV that another tool wrote, and CSV that is broken.
-module(cambrian_table_tests).
-include_lib("eunit/include/eunit.hrl").

%%% ---- CSV of Python ----------------------------------------------------------------------

%% Random tables of Python's csv module, in several dialects, are read back field by field. Words
%% begin with a letter, so that they are no numbers and not missing.
what_python_writes_is_read_back_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            ok = file:write_file(filename:join(Dir, "write.py"), writer()),
            "" = os:cmd("cd " ++ Dir ++ " && python3 write.py"),
            {ok, Names} = file:consult(filename:join(Dir, "names")),
            ?assertEqual(60, length(Names)),
            [read_back(filename:join(Dir, Name), Separator) || {Name, Separator} <- Names]
        end)
    end}.

read_back(File, Separator) ->
    {ok, [Columns]} = file:consult(File ++ ".terms"),
    {ok, Table} = cambrian_table:read(File, #{separator => Separator}),
    ?assertEqual([unicode:characters_to_binary(Name) || {Name, _} <- Columns],
                 cambrian_table:names(Table)),
    [begin
         {ok, Column} = cambrian_table:column(unicode:characters_to_binary(Name), Table),
         ?assertEqual({File, [unicode:characters_to_binary(Word) || Word <- Words]},
                      {File, cambrian_table:words(lists:seq(1, length(Words)), Column)})
     end || {Name, Words} <- Columns].

writer() ->
    "import csv, random\n"
    "letters = 'ab \"\",;\\t\\n\\r\\u00e4\\u4e2d\\U0001f600.1'\n"
    "names = open('names', 'w')\n"
    "for seed in range(60):\n"
    "    random.seed(seed)\n"
    "    word = lambda: 'w' + ''.join(random.choices(letters, k=random.randrange(9))) + 'x'\n"
    "    width, count = random.randrange(1, 6), random.choice([1, 5, 40, 3000])\n"
    "    header = ['c%d,;\\u00e4' % column for column in range(width)]\n"
    "    rows = [[word() for _ in header] for _ in range(count)]\n"
    "    mark = random.choice(['utf-8', 'utf-8-sig'])\n"
    "    with open('%d.csv' % seed, 'w', newline='', encoding=mark) as file:\n"
    "        name = random.choice(['comma', 'semicolon', 'tab'])\n"
    "        end = random.choice(['\\n', '\\r\\n', '\\r'])\n"
    "        # before 3.13, Python quotes only line ends of the same kind\n"
    "        quotings = [csv.QUOTE_ALL, csv.QUOTE_MINIMAL][:1 + (end == '\\r\\n')]\n"
    "        delimiter = {'comma': ',', 'semicolon': ';', 'tab': '\\t'}[name]\n"
    "        writer = csv.writer(file, delimiter=delimiter,\n"
    "            lineterminator=end, quoting=random.choice(quotings))\n"
    "        writer.writerow(header)\n"
    "        writer.writerows(rows)\n"
    "    columns = zip(header, zip(*rows))\n"
    "    text = lambda word: str([ord(c) for c in word])\n"
    "    terms = ['{%s, [%s]}' % (text(name), ','.join(map(text, words)))\n"
    "             for name, words in columns]\n"
    "    open('%d.csv.terms' % seed, 'w').write('[%s].\\n' % ','.join(terms))\n"
    "    names.write('{\"%d.csv\", %s}.\\n' % (seed, name))\n".

%%% ---- fields -----------------------------------------------------------------------------

numbers_are_read_as_people_write_them_test() ->
    Texts = ["1", "-1", "+2.5", ".5", "5.", "1e3", "1E-2", " 7 ", "-0", "1e12", "000.5"],
    Numbers = [1.0, -1.0, 2.5, 0.5, 5.0, 1000.0, 0.01, 7.0, 0.0, 1.0e12, 0.5],
    {ok, Table} = text(["x\n", [[Text, $\n] || Text <- Texts]]),
    {ok, Column} = cambrian_table:column(<<"x">>, Table),
    ?assert(lists:all(fun({Number, Row}) -> Number == cambrian_table:number(Row, Column) end,
                      lists:zip(Numbers, lists:seq(1, length(Numbers))))),
    [?assertMatch({Text, {ok, #{columns := [#{kind := words}]}}},
                  {Text, info(text(["x\n", Text, $\n]))})
     || Text <- ["1e13", "1e400", "\"1,5\"", "0x10", "1_0", "--1", "e5", ".", "-", "inf", "1.2.3"]].

missing_fields_are_those_of_pandas_test() ->
    [?assertMatch({Text, {ok, #{columns := [#{missing := true}, _]}}},
                  {Text, info(text(["x,y\n", Text, ",1\n"]))})
     || Text <- ["", " ", "\"\"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?"]],
    [?assertMatch({Text, {ok, #{columns := [#{missing := false}, _]}}},
                  {Text, info(text(["x,y\n", Text, ",1\n"]))})
     || Text <- ["none", "no", "-", "0", "Nan!"]].

the_separator_is_that_of_the_header_test() ->
    [?assertMatch({ok, #{columns := [#{name := <<"a">>}, #{name := <<"b,;">>}, _]}},
                  info(text(Text)))
     || Text <- ["a;\"b,;\";c\n1;2;3\n", "a\t\"b,;\"\tc\n1\t2\t3\n", "a,\"b,;\",c\n1,2,3\n"]],
    ?assertMatch({ok, #{columns := [#{name := <<"a;b">>}]}},
                 info(cambrian_table:from_text(<<"a;b\n1\n">>, #{separator => comma}))).

empty_lines_are_no_rows_and_the_last_line_may_end_without_lf_test() ->
    ?assertMatch({ok, #{rows := 2}}, info(text("\n\na\n1\n\n2"))),
    ?assertMatch({ok, #{rows := 2, columns := [#{missing := true}]}}, info(text("a\n\"\"\n2\n"))).

%%% ---- faults -----------------------------------------------------------------------------

every_fault_names_its_place_test() ->
    [?assertEqual({error, {bad_table, {Where, Got, Expected}}}, text(Text))
     || {Text, Where, Got, Expected} <- [
         {"", file, <<"nothing">>, <<"a header and rows">>},
         {"\n\n", file, <<"nothing">>, <<"a header and rows">>},
         {"a,b\n", rows, 0, <<"one row or more below the header">>},
         {"a,b\n1,2\n1,2,3\n", 2, <<"3 fields">>,
          <<"a row of 2 fields as the header (line 3 of the file)">>},
         {"a,b\n\"1\n\",2\n1\n", 2, <<"1 fields">>,
          <<"a row of 2 fields as the header (line 4 of the file)">>},
         {"a,b\n1,\"2\n3,4\n", {1, 2}, <<"none">>, <<"a closing quote">>},
         {"a,b\n\"1\" ,2\n", {1, 1}, <<"1">>,
          <<"a separator or the end of the line after the closing quote">>},
         {"a,b\n1,2\n1,\0\n", 2, <<"a NUL">>, <<"text in UTF-8">>},
         {"a,b\n1,\xff\n", 1, <<"other bytes">>, <<"text in UTF-8">>},
         {"\xff\xfea\0,\0", file, <<"UTF-16">>, <<"text in UTF-8">>},
         {"a,,c\n1,2,3\n", {0, 2}, <<>>, <<"a name in the header">>},
         {"a,b,a\n1,2,3\n", {0, 3}, <<"a">>, <<"another name than column 1 has">>},
         {[lists:duplicate(1_000_000, $,), $\n], columns, <<"more">>, <<"at most 10001">>},
         {["a\n\"", lists:duplicate(5_000_000, $x)], {1, 1}, <<"none">>, <<"a closing quote">>}]].

a_row_without_an_end_takes_bounded_memory_test_() ->
    {timeout, 60, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            Path = filename:join(Dir, "long.csv"),
            ok = file:write_file(Path, ["a\n\"", binary:copy(<<"x">>, 50_000_000)]),
            ?assertEqual({error, {bad_table, {{1, 1}, <<"none">>, <<"a closing quote">>}}},
                         cambrian_table:read(Path)),
            ok = file:write_file(Path, ["a\n", binary:copy(<<"x">>, 50_000_000)]),
            ?assertEqual({error, {bad_table, {1, <<"more">>, <<"at most 4194304 bytes">>}}},
                         cambrian_table:read(Path))
        end)
    end}.

what_is_no_file_is_an_error_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        ?assertEqual({error, {eisdir, Dir}}, cambrian_table:read(Dir)),
        ?assertMatch({error, {enoent, _}}, cambrian_table:read(filename:join(Dir, "none.csv")))
    end).

a_table_beyond_the_limit_of_memory_is_refused_test() ->
    Limit = cambrian_nif:memory_limit(),
    ok = cambrian_nif:memory_set_limit(100_000),
    try
        ?assertMatch({error, {bad_table, {memory, _, <<"at most 100000 bytes (memory_limit)">>}}},
                     text(["a,b\n", lists:duplicate(20_000, "1,2\n")]))
    after ok = cambrian_nif:memory_set_limit(Limit)
    end.

%% The time for twice the rows is about twice as long, also of words that are all different.
reading_takes_linear_time_test_() ->
    {timeout, 120, fun() ->
        Row = fun(N) -> [integer_to_list(N), ",w", integer_to_list(N), ",0.5\n"] end,
        Time = fun(Rows) ->
            Text = iolist_to_binary(["a,b,c\n", lists:map(Row, lists:seq(1, Rows))]),
            lists:min([element(1, timer:tc(fun() -> {ok, _} = text(Text) end)) || _ <- [1, 2, 3]])
        end,
        Short = Time(20_000),
        ?assert(Time(80_000) < 10 * Short)
    end}.

columns_of_terms_are_checked_test() ->
    ?assertMatch({error, {bad_table, {{2, <<"x">>}, other, _}}},
                 cambrian_table:from_columns([{x, [1, {2}]}])),
    ?assertMatch({error, {bad_table, {{1, <<"x">>}, large, _}}},
                 cambrian_table:from_columns([{x, [1.0e13]}])),
    ?assertMatch({error, {bad_table, {<<"x">>, <<"x">>, _}}},
                 cambrian_table:from_columns([{x, [1]}, {"x", [2]}])).

text(Text) when is_binary(Text) -> cambrian_table:from_text(Text);
text(Text) -> text(iolist_to_binary(Text)).

info({ok, Table}) -> {ok, cambrian_table:info(Table)};
info(Error) -> Error.
