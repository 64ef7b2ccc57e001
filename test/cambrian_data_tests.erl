%% Tasks of tables, their schemas, and the commands for them.
-module(cambrian_data_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_command, [holds/2, run/1]).

%%% ---- which rows -------------------------------------------------------------------------

%% Over random tables: each row is in one part, and each part has its share of each class.
parts_are_disjoint_and_stratified_test() ->
    [begin
         Labels = [lists:nth(rand:uniform(3), [a, a, b]) || _ <- lists:seq(1, 200)] ++ [c, c, c],
         {ok, Table} = cambrian_table:from_columns([{x, lists:seq(1, 203)}, {y, Labels}]),
         {ok, #{rows := Rows}} = prepare(Table, #{validation => 0.1, test => 0.3, seed => Seed}),
         #{train := Train, validation := Validation, test := Test} = Rows,
         ?assertEqual(lists:seq(1, 203), lists:sort(Train ++ Validation ++ Test)),
         Of = fun(Class, Part) -> length([R || R <- Part, lists:nth(R, Labels) =:= Class]) end,
         [begin
              All = Of(Class, lists:seq(1, 203)),
              ?assertEqual(round(0.3 * All), Of(Class, Test)),
              ?assertEqual(round(0.1 * All), Of(Class, Validation))
          end || Class <- [a, b, c]],
         {ok, #{rows := Again}} = prepare(Table, #{validation => 0.1, test => 0.3, seed => Seed}),
         ?assertEqual(Rows, Again)
     end || Seed <- lists:seq(1, 20)].

the_last_rows_are_the_test_test() ->
    {ok, Table} = cambrian_table:from_columns([{x, lists:seq(1, 10)}, {y, lists:seq(11, 20)}]),
    {ok, #{rows := Rows}} = prepare(Table, #{kind => regression, split => last}),
    ?assertMatch(#{train := [1, 2, 3, 4, 5, 6], validation := [7, 8], test := [9, 10]}, Rows).

every_row_is_in_the_test_of_one_fold_test() ->
    Labels = [lists:nth(1 + N rem 3, [a, b, c]) || N <- lists:seq(1, 61)],
    {ok, Table} = cambrian_table:from_columns([{x, lists:seq(1, 61)}, {y, Labels}]),
    {ok, Folds} = cambrian_data:folds(Table, 5, #{label => <<"y">>, seed => 1}),
    Tests = [Test || #{rows := #{test := Test}} <- Folds],
    ?assertEqual(lists:seq(1, 61), lists:sort(lists:append(Tests))),
    [begin
         Counts = [length([R || R <- Test, lists:nth(R, Labels) =:= Class]) || Test <- Tests],
         ?assert(lists:max(Counts) - lists:min(Counts) =< 1)
     end || Class <- [a, b, c]].

a_share_without_rows_is_refused_test() ->
    {ok, Table} = cambrian_table:from_columns([{x, [1, 2, 3, 4]}, {y, [a, a, b, b]}]),
    [?assertMatch({error, {bad_option, {Name, _, _}}}, prepare(Table, Options))
     || {Name, Options} <- [{test, #{test => 0.1, validation => 0}},
                            {validation, #{validation => 0.1, test => 0}},
                            {test, #{validation => 0.5, test => 0.5}},
                            {test, #{test => 1}}, {test, #{test => <<"a">>}}]].

%%% ---- scales -----------------------------------------------------------------------------

%% Scales follow from the training rows alone: other test rows change nothing.
scales_do_not_see_the_test_rows_test() ->
    Scales = fun(Last) ->
        {ok, Table} = cambrian_table:from_columns([{x, [1, 2, 3, 4, 5, 6, 7, 8, 9, Last]},
                                                   {y, [1, 1, 2, 2, 3, 3, 4, 4, 5, Last]}]),
        {ok, #{schema := Schema}} = prepare(Table, #{kind => regression, split => last,
                                                     validation => 0, test => 0.1}),
        Schema
    end,
    ?assertEqual(Scales(10), Scales(1.0e9)),
    #{columns := [#{numbers := #{offset := Offset, factor := Factor}}]} = Scales(10),
    ?assertEqual(5.0, Offset),
    ?assert(abs(Factor - 1 / math:sqrt(60 / 9)) < 1.0e-7).

%% As StandardScaler of scikit-learn, a constant column is only shifted.
a_constant_column_has_factor_one_test() ->
    {ok, Table} = cambrian_table:from_columns([{x, lists:duplicate(9, 0.1)},
                                               {z, lists:seq(1, 9)}, {y, lists:seq(1, 9)}]),
    {ok, #{schema := Schema}} = prepare(Table, #{kind => regression, validation => 0}),
    #{columns := [#{numbers := #{factor := Factor}} | _]} = Schema,
    ?assertEqual(1.0, Factor).

%% The numbers of sklearn.metrics for these pairs.
measures_are_those_of_scikit_learn_test() ->
    Pairs = [{a, a}, {a, a}, {a, b}, {a, a}, {b, b}, {b, a}, {c, c}],
    #{accuracy := Accuracy, balanced_accuracy := Balanced} =
        cambrian_measures:of_answers(classification, Pairs),
    ?assert(abs(Accuracy - 5 / 7) < 1.0e-12),
    ?assert(abs(Balanced - 0.75) < 1.0e-12),
    #{r2 := R2, rmse := Rmse, mae := Mae} =
        cambrian_measures:of_answers(regression, [{3, 2.5}, {-0.5, 0.0}, {2, 2}, {7, 8}]),
    ?assert(abs(R2 - 0.9486081370449679) < 1.0e-12),
    ?assert(abs(Rmse - 0.6123724356957945) < 1.0e-12),
    ?assertEqual(0.5, Mae).

%% A C compiler gives the same bits for the exported network and the schema's scales.
predictions_are_those_of_the_exported_network_test_() ->
    {timeout, 120, fun() ->
        Numbers = [[rand:normal() * 100 + 5000, rand:uniform()] || _ <- lists:seq(1, 90)],
        Label = fun([X, Y]) when X > 5000, Y > 0.5 -> both;
                   ([X, _]) when X > 5000 -> one;
                   (_) -> other
                end,
        {Xs, Ys} = lists:unzip([{X, Y} || [X, Y] <- Numbers]),
        {ok, Table} = cambrian_table:from_columns([{x, Xs}, {y, Ys},
                                                   {label, lists:map(Label, Numbers)}]),
        {ok, #{task := Task, schema := Schema}} =
            cambrian_data:prepare(Table, #{label => <<"label">>, seed => 3}),
        {ok, #{champion := Champion}} = cambrian:evolve(Task, #{seed => 3, generations => 30}),
        {ok, Predictions} =
            cambrian_schema:predict(Schema, cambrian_network:compile(Champion), Table),
        Scores = lists:append([Of || #{scores := Of} <- Predictions]),
        ?assertEqual(Scores, in_c(Champion, cambrian_schema:normalisation(Schema), Numbers))
    end}.

in_c(Champion, #{means := Means, factors := Factors}, Rows) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        In = fun(Name) -> filename:join(Dir, Name) end,
        List = fun(Xs) -> lists:join($,, [io_lib:format("~.17ef", [X]) || X <- Xs]) end,
        Main = ["#include <stdio.h>\n#include \"network.c\"\n"
                "static const float means[] = {", List(Means), "}, factors[] = {", List(Factors),
                "};\nstatic const float rows[][2] = {",
                lists:join($,, [[${, List(Row), $}] || Row <- Rows]), "};\n"
                "int main(void) {\n"
                "  for (unsigned row = 0; row < sizeof rows / sizeof *rows; row++) {\n"
                "    struct cambrian_network network;\n"
                "    float inputs[2], outputs[CAMBRIAN_OUTPUTS];\n"
                "    for (int i = 0; i < 2; i++) {\n"
                "      inputs[i] = (rows[row][i] - means[i]) * factors[i];\n"
                "      inputs[i] = inputs[i] > 10 ? 10 : inputs[i] < -10 ? -10 : inputs[i];\n"
                "    }\n"
                "    cambrian_init(&network);\n"
                "    cambrian_step(&network, inputs, outputs);\n"
                "    for (int o = 0; o < CAMBRIAN_OUTPUTS; o++)\n"
                "      printf(\"%.17e.\\n\", outputs[o]);\n"
                "  }\n}\n"],
        ok = file:write_file(In("network.c"), cambrian_genotype:to_c(Champion)),
        ok = file:write_file(In("main.c"), Main),
        "" = os:cmd("cd " ++ Dir ++ " && cc -O2 -ffp-contract=off -o main main.c -lm && "
                    "./main > numbers"),
        {ok, Numbers} = file:consult(In("numbers")),
        Numbers
    end).

%%% ---- fields -----------------------------------------------------------------------------

missing_fields_are_refused_filled_in_or_left_out_test() ->
    Text = <<"x,colour,y\n1,red,a\n,red,b\n3,,a\n4,blue,b\n5,red,a\n6,blue,b\n">>,
    {ok, Table} = cambrian_table:from_text(Text),
    None = #{validation => 0, test => 0},
    ?assertMatch({error, {bad_table, {{2, <<"x">>}, missing, _}}}, prepare(Table, None)),
    {ok, #{rows := Dropped}} = prepare(Table, None#{missing => drop}),
    ?assertMatch(#{train := [1, 4, 5, 6], dropped := 2}, Dropped),
    {ok, #{rows := Filled, schema := Schema}} = prepare(Table, None#{missing => mean}),
    ?assertMatch(#{train := [1, 2, 3, 4, 5, 6], dropped := 0}, Filled),
    {ok, Inputs} = cambrian_schema:encode(Schema, Table, [2, 3]),
    ?assertMatch([0.0, 0.0, 1.0, _, 0.0, 0.0], [X || <<X:32/float-little>> <= Inputs]),
    {ok, NoLabel} = cambrian_table:from_text(<<"x,y\n1,a\n2,\n3,b\n">>),
    ?assertMatch({error, {bad_table, {{2, <<"y">>}, missing, _}}},
                 prepare(NoLabel, None#{missing => mean})).

a_mixed_column_is_refused_unless_it_is_named_test() ->
    {ok, Table} = cambrian_table:from_text(<<"x,y\n1,a\n2,b\n12o,a\n4,b\n">>),
    None = #{validation => 0, test => 0},
    ?assertMatch({error, {bad_table, {{3, <<"x">>}, <<"12o">>, _}}}, prepare(Table, None)),
    {ok, #{schema := #{columns := Columns}}} = prepare(Table, None#{words => [<<"x">>]}),
    ?assertMatch([#{words := [<<"1">>, <<"12o">>, <<"2">>, <<"4">>]}], Columns).

too_many_words_name_the_column_test() ->
    Words = [[$w | integer_to_list(N)] || N <- lists:seq(1, 101)],
    {ok, Table} = cambrian_table:from_columns([{x, Words}, {y, lists:seq(1, 101)}]),
    ?assertMatch({error, {bad_table, {<<"x">>, 101, _}}}, prepare(Table, #{})),
    ?assertMatch({ok, _}, prepare(Table, #{max_words => 101})).

the_kind_follows_from_the_label_test() ->
    Kind = fun(Labels) ->
        Columns = [{x, lists:seq(1, length(Labels))}, {y, Labels}],
        {ok, Table} = cambrian_table:from_columns(Columns),
        {ok, #{kind := Kind, schema := #{answer := Answer}}} =
            prepare(Table, #{validation => 0, test => 0}),
        {Kind, Answer}
    end,
    ?assertEqual({classification, {classes, [<<"no">>, <<"yes">>]}}, Kind([yes, no, yes])),
    ?assertEqual({classification, {classes, [-1, 0, 10]}}, Kind([10, 0.0, -1, 10])),
    ?assertMatch({regression, _}, Kind([1.5, 0, 1, 0])),
    ?assertMatch({regression, _}, Kind(lists:seq(1, 21))).

labels_that_nothing_can_be_learnt_of_are_refused_test() ->
    None = #{validation => 0, test => 0},
    Prepare = fun(Labels, Options) ->
        {ok, Table} = cambrian_table:from_columns([{x, lists:seq(1, length(Labels))}, {y, Labels}]),
        prepare(Table, maps:merge(None, Options))
    end,
    ?assertEqual({error, {bad_table, {<<"y">>, 1, <<"two classes or more">>}}},
                 Prepare([a, a, a], #{})),
    ?assertEqual({error, {bad_table, {<<"y">>, <<"c">>, <<"classes that have a training row">>}}},
                 Prepare([a, b, a, c], #{split => last, test => 0.25})),
    ?assertMatch({error, {bad_table, {{2, <<"y">>}, <<"b">>, _}}},
                 Prepare([1, b, 2], #{kind => regression})),
    ?assertMatch({error, {bad_table, {{2, <<"y">>}, <<"b">>, _}}}, Prepare([1, b, 2], #{})),
    ?assertMatch({ok, _}, Prepare([1, b, 2], #{kind => classification})),
    ?assertMatch({error, {bad_table, {columns, 0, _}}}, Prepare([1, 2], #{ignore => [<<"x">>]})).

unknown_words_and_columns_are_named_in_a_prediction_test() ->
    {ok, Table} = cambrian_table:from_columns([{x, [1, 2, 3, 4]}, {c, [red, blue, red, blue]},
                                               {y, [a, b, a, b]}]),
    {ok, #{schema := Schema, task := Task}} = prepare(Table, #{validation => 0, test => 0}),
    {ok, #{champion := Champion}} = cambrian:evolve(Task, #{seed => 1, generations => 1}),
    Predict = fun(Columns) ->
        {ok, New} = cambrian_table:from_columns(Columns),
        cambrian_schema:predict(Schema, cambrian_network:compile(Champion), New)
    end,
    ?assertMatch({ok, [_, _]}, Predict([{c, [blue, red]}, {other, [1, 2]}, {x, [1.0e9, 2]}])),
    ?assertEqual({error, {bad_table, {{2, <<"c">>}, <<"green">>, <<"one of blue, red">>}}},
                 Predict([{c, [blue, green]}, {x, [1, 2]}])),
    ?assertEqual({error, {missing_columns, [<<"c">>], [<<"x">>]}}, Predict([{x, [1, 2]}])),
    ?assertMatch({error, {bad_table, {{1, <<"x">>}, <<"one">>, _}}},
                 Predict([{c, [blue, red]}, {x, ["one", 2]}])),
    ?assertMatch({error, {bad_table, {{2, <<"x">>}, missing, _}}},
                 Predict([{c, [blue, red]}, {x, [1, nil]}])).

prepare(Table, Options) -> cambrian_data:prepare(Table, Options#{label => <<"y">>}).

%%% ---- JSON -------------------------------------------------------------------------------

a_schema_of_anyone_is_checked_test() ->
    {ok, Table} = cambrian_table:from_columns([{<<"ä\""/utf8>>, [1, 2, 3, 4]}, {c, [r, b, r, b]},
                                               {y, ["é", "\n", "é", "\n"]}]),
    {ok, #{schema := Schema}} = prepare(Table, #{validation => 0, test => 0}),
    Json = cambrian_schema:to_json(Schema),
    ?assertEqual({ok, Schema}, cambrian_schema:from_json(Json)),
    [begin
         <<Before:At/binary, _, After/binary>> = Json,
         ?assertMatch({error, {bad_schema, _}},
                      cambrian_schema:from_json(<<Before/binary, 0, After/binary>>))
     end || At <- lists:seq(0, byte_size(Json) - 2)],
    [?assertMatch({error, {bad_schema, _}}, cambrian_schema:from_json(Text))
     || Text <- [<<>>, <<"{}">>, <<"{\"schema\":2}">>, <<"{\"schema\":1,\"label\":1}">>,
                 binary:copy(<<"[">>, 100_000), <<"{\"a\":1,\"a\":2}">>, <<"\"\\ud800\"">>,
                 <<"{\"schema\":1,\"label\":\"y\",\"missing\":true,\"classes\":[1,2],"
                   "\"columns\":[{\"name\":\"x\",\"numbers\":{\"offset\":1e300,"
                   "\"factor\":1}}]}">>]].

json_is_read_as_python_reads_it_test() ->
    Texts = [<<"[1, -2.5e-3, 1E5, true, null, \"\\u00e4\\ud83d\\ude00\\n\", {\"a\": []}]">>,
             <<" 0 ">>, <<"-0.0">>],
    Terms = [[1, -0.0025, 1.0e5, true, null, <<"ä😀\n"/utf8>>, #{<<"a">> => []}], 0, -0.0],
    ?assertEqual([{ok, Term} || Term <- Terms], lists:map(fun cambrian_json:decode/1, Texts)),
    [?assertMatch({Text, {error, _}}, {Text, cambrian_json:decode(Text)})
     || Text <- [<<"01">>, <<"1.">>, <<"[1,]">>, <<"{\"a\"}">>, <<"nul">>, <<"'a'">>, <<"1 2">>,
                 <<"\"\t\"">>, <<"1e999">>, <<"\"a">>, <<255>>]].

%%% ---- commands ---------------------------------------------------------------------------

with_flowers(Do) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        File = filename:join(Dir, "flowers.csv"),
        Row = fun(N) ->
            Kind = lists:nth(1 + N rem 3, ["\"A, small\"", "B", "C"]),
            io_lib:format("~b,~p,x~b,~s\n", [N rem 3 * 10 + N rem 7, N / 3, N, Kind])
        end,
        ok = file:write_file(File, ["size,other,id,kind\n", lists:map(Row, lists:seq(1, 90))]),
        Do(Dir, File)
    end).

evolve_and_predict_test() ->
    with_flowers(fun(Dir, File) ->
        Evolve = "evolve --csv " ++ File ++ " --label kind --ignore id --seed 1 --generations 30 "
                 "--quiet --out " ++ Dir,
        {0, Out, ""} = run(Evolve),
        holds("flowers.csv: not solved within 30 generations", Out),
        holds("Classes: A, small, B, C.", Out),
        holds("test       18 rows: accuracy ", Out),
        holds("champion.schema.json", Out),
        {0, Json, ""} = run(Evolve ++ " --json"),
        holds("\"classes\":[\"A, small\",\"B\",\"C\"],\"rows\":{\"train\":54,\"validation\":18,"
              "\"test\":18,\"dropped\":0},\"measures\":{\"train\":{\"accuracy\":", Json),
        Champion = filename:join(Dir, "champion.genotype"),
        {0, Answers, Errors} = run("predict " ++ Champion ++ " --csv " ++ File),
        ?assertEqual("cambrian: not used: id\n", Errors),
        [Header | Lines] = string:split(string:trim(Answers), "\n", all),
        ?assertEqual({"kind", 90}, {Header, length(Lines)}),
        ?assertEqual([], lists:usort(Lines) -- ["\"A, small\"", "B", "C"]),
        {0, Scores, _} = run("predict " ++ Champion ++ " --csv " ++ File ++ " --scores"),
        holds("kind,\"kind A, small\",kind B,kind C\n", Scores),
        ?assertMatch({2, "", "cambrian: --schema: missing" ++ _},
                     run("predict " ++ File ++ " --csv " ++ File))
    end).

mistakes_of_the_commands_are_one_line_test() ->
    with_flowers(fun(_, File) ->
        Csv = "evolve --csv " ++ File,
        [begin
             {Status, "", Errors} = run(Line),
             Lines = string:split(string:trim(Errors), "\n", all),
             ?assertEqual({Line, Expected, 1}, {Line, Status, length(Lines)}),
             holds(Text, Errors)
         end || {Line, Expected, Text} <- [
             {Csv, 2, "--label: missing"},
             {Csv ++ " --label Kind", 2, "there is no column Kind; the table has size, other"},
             {Csv ++ " --label kind --split x", 2, "--split x: expected random or last"},
             {Csv ++ " --label kind --test 2", 2, "--test 2: expected a number from 0"},
             {Csv ++ " --label kind --name a", 2, "--name a: expected with a TASK"},
             {Csv ++ " --label kind --kind regression", 1, "row 1, column kind"},
             {Csv ++ " --label kind --set weights=x", 2, "--set weights=x: expected equal, bal"},
             {"evolve xor --label kind", 2, "--label: expected with --csv"},
             {"evolve --csv /no.csv --label a", 2, "--csv /no.csv: no such file"},
             {"predict x", 2, "predict: --csv is missing"}]]
    end).
