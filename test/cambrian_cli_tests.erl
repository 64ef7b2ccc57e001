%% The command line, in this VM and as a process of its own.
-module(cambrian_cli_tests).
-include_lib("eunit/include/eunit.hrl").
-behaviour(cambrian_task).
-export([init/1, evaluate/2]).

%% A task with the name of this module: its network shall output a wished number. It can sleep
%% before each evaluation and in init/1.
init([{rest, Ms}]) -> timer:sleep(Ms), init([]);
init([{nap, Ms}]) -> {ok, #{inputs => 1, outputs => 1}, {nap, Ms}};
init([{need, Key} | Settings]) -> {ok, #{}, proplists:get_value(list_to_atom(Key), Settings)};
init(Settings) -> {ok, #{inputs => 1, outputs => 1}, proplists:get_value(wish, Settings, 0.25)}.

evaluate(_Network, broken) -> error(no_sensor);
evaluate(Network, sometimes) ->
    [Out] = cambrian_network:activate(Network, [1]),
    true = Out < 0.7,
    Out;
evaluate(Network, {nap, Ms}) -> timer:sleep(Ms), evaluate(Network, 0.25);
evaluate(Network, Wish) ->
    timer:sleep(list_to_integer(os:getenv("CAMBRIAN_CLI_NAP", "0"))),
    [Out] = cambrian_network:activate(Network, [1]),
    1 - abs(Out - Wish).

%% Status, standard output, standard error.
run(Line) when is_list(hd(Line)) ->
    {Out, Errors} = {cambrian_screen:start(none), cambrian_screen:start(none)},
    Leader = group_leader(),
    group_leader(Out, self()),
    Status = try cambrian_cli:run(Line, #{errors => Errors}) after group_leader(Leader, self()) end,
    {Status, cambrian_screen:read(Out), cambrian_screen:read(Errors)};
run(Line) -> run(string:lexemes(Line, " ")).

id(Text) ->
    {match, [Id]} = re:run(Text, "Id ([0-9a-f]{64})", [unicode, {capture, all_but_first, list}]),
    Id.

holds(Part, Text) -> ?assertEqual({Part, true}, {Part, string:find(Text, Part) =/= nomatch}).

%%% ---- evolve -----------------------------------------------------------------------------

the_result_is_on_standard_output_and_progress_on_standard_error_test() ->
    {0, Out, Errors} = run("evolve xor --seed 42"),
    ?assertMatch("xor: solved. 24 generations, 3290 evaluations, " ++ _, Out),
    ?assertMatch("0%, generation 0, best 2.9998" ++ _, Errors),
    ?assertMatch({0, Out2, ""} when Out2 =/= "", run("evolve xor --seed=42 --quiet")),
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}),
    ?assertEqual(hex_id(Champion), id(Out)).

hex_id(Genotype) -> unicode:characters_to_list(cambrian_text:hex(cambrian_genotype:id(Genotype))).

a_run_that_ends_at_a_limit_names_the_limit_test() ->
    [?assertMatch({0, Text}, {Status, string:slice(Out, 0, length(Text))})
     || {Goal, Text} <- [{"--generations 3", "xor: not solved within 3 generations. "},
                         {"--target 5 --evaluations 400",
                          "xor: not solved within 400 evaluations. "},
                         {"--target 5 --timeout 50ms", "xor: not solved within 0.05 s. "},
                         {"--target 5 --timeout 1m --patience 3",
                          "xor: not solved, and no better for 3 generations. "}],
        {Status, Out, _} <- [run("evolve xor --seed 1 --quiet " ++ Goal)]].

the_parameters_of_the_command_are_those_of_evolve_test() ->
    {0, Out, _} =
        run("evolve xor --seed 1 --population 20 --param add_node=0.1 --param tuning=cma_es "
            "--param activations=[tanh,relu] --threads 1 --cpu 0.9 --quiet"),
    {ok, #{evaluations := Evaluations}} =
        cambrian:evolve('xor', #{seed => 1, population => 20,
                                 params =>
                                     #{add_node => 0.1, tuning => cma_es,
                                       activations => [tanh, relu]}}),
    holds(integer_to_list(Evaluations) ++ " evaluations", Out),
    %% the command restores the settings of the governor
    ?assertMatch(#{cpu := Cpu} when Cpu == 1, cambrian_governor:status()).

%% The command prints no result, even where any fitness would reach the target.
a_task_whose_evaluations_all_fail_has_no_result_test() ->
    [begin
         {1, "", Errors} =
             run("evolve cambrian_cli_tests --set wish=broken --quiet --target -0.5" ++ More),
         holds("all 150 evaluations failed; the first: exception error: no_sensor", Errors),
         holds("cambrian_cli_tests:evaluate/2", Errors)
     end || More <- ["", " --json"]].

the_result_counts_failed_evaluations_test() ->
    {0, Out, _} =
        run("evolve cambrian_cli_tests --set wish=sometimes --seed 1 --generations 3 --quiet"),
    ?assertMatch({match, _}, re:run(Out, "evaluations \\([0-9]+ of them failed\\)")),
    {0, Json, _} =
        run("evolve cambrian_cli_tests --set wish=sometimes --seed 1 --generations 3 --quiet "
            "--json"),
    ?assertMatch({match, _}, re:run(Json, "\"failures\":[1-9]")).

json_output_is_one_line_test() ->
    {0, Out, ""} = run("evolve xor --seed 42 --json --quiet"),
    ?assertMatch("{\"task\":\"xor\",\"champion\":\"7d5db3b73f1fe080" ++ _, Out),
    holds("\"solved\":true,\"fitness\":3.9744673990535375,\"generations\":24,"
          "\"evaluations\":3290,\"failures\":0,\"seed\":42,", Out),
    ?assertMatch("\"trial\":{\"squared_error\":0.02553260094646248}}\n",
                 string:find(Out, "\"trial\"")),
    ?assertEqual(1, length(string:split(string:trim(Out), "\n", all))).

a_module_is_a_task_and_has_settings_test() ->
    {0, Out, _} = run("evolve cambrian_cli_tests --seed 1 --target 0.999 --quiet"),
    ?assertMatch("cambrian_cli_tests: solved. " ++ _, Out),
    {0, Other, _} =
        run("evolve cambrian_cli_tests --seed 1 --target 0.999 --quiet --set wish=0.75"),
    ?assertNotEqual(id(Out), id(Other)).

%% init/1 gets a list, with or without settings.
a_module_gets_its_settings_as_a_list_test() ->
    {0, _, _} =
        run("evolve cambrian_cli_tests --generations 1 --quiet --set wish=0.75 --set also=1"),
    {1, "", Errors} = run("evolve cambrian_cli_tests --set wish=1 --set need=wish"),
    holds("cambrian_cli_tests:init([{need,wish},{wish,1}]) failed: ", Errors),
    holds("cambrian_cli_tests.erl, line ", Errors).

tasks_in_rust_take_settings_and_a_dataset_its_data_test() ->
    {0, Parity, _} = run("evolve parity --set bits=2 --seed 1 --quiet"),
    ?assertMatch("parity: solved. " ++ _, Parity),
    {0, Held, _} =
        run("evolve dataset --set inputs=[[0],[1],[0],[1]] --set targets=[0,1,0,1] --set "
            "kind=classification "
            "--set validation=0.5 --seed 1 --generations 5 --quiet"),
    holds("on held-out data ", Held),
    cambrian_temporary:with_dir(fun(Dir) ->
        In = " --quiet --data-dir " ++ Dir,
        {0, _, _} =
            run("evolve sequence_recall --set length=2 --set delay=3 --seed 1 --generations 2 "
                "--name recall" ++ In),
        {0, Resumed, _} = run("resume recall --generations 4" ++ In),
        {0, Whole, _} =
            run("evolve sequence_recall --set length=2 --set delay=3 --seed 1 --generations 4 "
                "--quiet"),
        ?assertEqual(id(Whole), id(Resumed))
    end).

%% If one file cannot be written, the command still prints the result and writes the other files.
the_result_is_shown_where_a_file_cannot_be_written_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        ok = file:make_dir(filename:join(Dir, "champion.svg")),
        {1, Out, Errors} = run(["evolve", "xor", "--seed", "42", "--quiet", "--out", Dir]),
        ?assertEqual(64, length(id(Out))),
        holds("Written: " ++ filename:join(Dir, "champion.genotype"), Out),
        holds("champion.svg: illegal operation on a directory; with --seed 42 and another --out",
              Errors)
    end).

%% A user learns it before the run, not after an hour of evolution.
an_out_that_cannot_be_written_is_refused_before_the_run_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        ok = file:make_dir(filename:join(Dir, "champion.genotype")),
        {2, "", Errors} = run(["evolve", "xor", "--seed", "42", "--out", Dir]),
        holds("--out " ++ Dir ++
                  ": expected a directory that can be written: illegal operation on a directory",
              Errors)
    end).

a_run_writes_its_champion_picture_and_report_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        {0, Out, _} =
            run(["evolve", "xor", "--seed", "42", "--quiet", "--out", Dir ++ "/new/champions"]),
        ?assertEqual(["champion.genotype", "champion.svg", "report.html"],
                     lists:sort(element(2, file:list_dir(Dir ++ "/new/champions")))),
        {0, Shown, _} = run(["inspect", Dir ++ "/new/champions/champion.genotype"]),
        holds(id(Out), Shown),
        holds("out 0 = sigmoid(", Shown),
        {ok, Report} = file:read_file(Dir ++ "/new/champions/report.html"),
        holds(id(Out), binary_to_list(Report))
    end).

the_first_generation_descends_from_the_genotype_of_a_file_test() ->
    with_champion(fun(Dir, File, Champion) ->
        {0, Out, ""} =
            run(["evolve", "xor", "--seed", "7", "--from", File, "--generations", "1", "--quiet"]),
        {ok, #{champion := Expected}} =
            cambrian:evolve('xor', #{seed => 7, from => Champion, generations => 1}),
        ?assertEqual(hex_id(Expected), id(Out)),
        ?assertMatch("xor: solved. 1 generation, " ++ _, Out),
        %% `--from' takes what `export' takes: also JSON and a checkpoint, whose champion it uses
        Json = filename:join(Dir, "champion.json"),
        ok = file:write_file(Json, cambrian_genotype:to_json(Champion)),
        {0, Same, ""} =
            run(["evolve", "xor", "--seed", "7", "--from", Json, "--generations", "1", "--quiet"]),
        ?assertEqual(id(Out), id(Same)),
        ?assertEqual({2, "",
                      "cambrian: --from " ++ File ++
                          ": expected 3 inputs, as the task has, and it has 2\n"},
                     run(["evolve", "parity", "--from", File])),
        ?assertMatch({2, "", "cambrian: --from " ++ _},
                     run(["evolve", "xor", "--from", File ++ "x"]))
    end).

%% Any characters in any argument give one clear line.
arguments_that_are_not_ascii_give_one_line_test_() ->
    [{Typed, ?_assertMatch({2, "", "cambrian: " ++ _}, run(Args))}
     || Typed <- ["−5", "１", "5μs", "größe", "日本", "[−1]", "\x{1F9EC}"],
        Args <- [["evolve", "xor", Option, Typed]
                 || Option <- ["--target", "--seed", "--timeout", "--population", "--threads",
                                "--cpu", "--patience", "--name"]]
            ++
         [["evolve", "xor", "--param", "population=" ++ Typed],
          ["evolve", "xor", "--param", Typed ++ "=1"],
          ["evolve", "parity", "--set", "bits=" ++ Typed],
          ["evolve", "parity", "--set", Typed ++ "=1"],
          ["evolve", Typed], [Typed], ["evolve", "xor", "--" ++ Typed],
          ["evolve", "xor", "--" ++ Typed ++ "=1"],
          ["resume", Typed], ["parameters", Typed], ["export", "x", "--to", Typed],
          ["import", "x", "--from", Typed]]].

an_argument_that_is_no_utf_8_gives_one_line_test() ->
    ?assertEqual({2, "", "cambrian: argument 3: expected text in UTF-8\n"},
                 run(["evolve", "xor", {error, "--seed ", <<255>>}])).

%%% ---- archives ---------------------------------------------------------------------------

archives_are_written_shown_and_merged_test_() ->
    {timeout, 60,
     fun() -> cambrian_temporary:with_dir(fun archives_are_written_shown_and_merged/1) end}.

archives_are_written_shown_and_merged(Dir) ->
    File = fun(Name) -> filename:join(Dir, Name) end,
    Evolve = fun(Seed, Into) ->
                 run(["evolve", "maze_medium", "--search", "map_elites", "--generations", "4",
                      "--target", "1000",
                      "--quiet", "--json", "--seed", Seed, "--out", File(Into)])
             end,
    {0, Json, _} = Evolve("1", "a"),
    {0, _, _} = Evolve("2", "b"),
    Ends = ["/a/elites.archive", "/b/elites.archive"],
    [A, B] = [Dir ++ End || End <- Ends],
    {0, Shown, _} = run(["archive", A, "--json", "--svg", File("a.svg"), "--csv", File("a.csv")]),
    {match, [Object]} = re:run(Json, "\"archive\":({.*?})", [{capture, all_but_first, list}]),
    ?assertEqual(Object ++ "\n", Shown),
    [?assertMatch({match, _}, re:run(Shown, "\"" ++ Field ++ "\":"))
     || Field <- ["cells", "filled", "coverage", "qd_score", "id"]],
    ?assert(filelib:is_regular(File("a.svg")) andalso filelib:is_regular(File("a.csv"))),
    Id = fun(Words) ->
             {0, Out, _} = run(["archive", "merge" | Words] ++ ["--json"]),
             {match, [Hash]} =
                 re:run(Out, "\"id\":\"([0-9a-f]{64})\"", [{capture, all_but_first, list}]),
             Hash
         end,
    Union = Id([A, B, "--out", File("ab")]),
    ?assertEqual([Union, Union],
                 [Id([B, A, "--out", File("ba")]), Id([A, B, B, "--out", File("abb")])]),
    ?assertEqual(file:read_file(File("ab")), file:read_file(File("ba"))),
    {0, Again, _} = run(["archive", A, "--again", "3"]),
    {match, [Before, After]} =
        re:run(Again, "QD score ([0-9.]+)\n(?:Id.*\n)Measured again, 3 evaluations of each "
               "elite: .*QD score ([0-9.]+)\n$", [{capture, all_but_first, list}]),
    ?assertEqual(Before, After),
    {0, Report, _} =
        run(["archive", A, "--again", "1", "--seed", "7", "--task", "maze_medium", "--json"]),
    ?assertMatch({match, _},
                 re:run(Report,
                        "\"again\":{\"trials\":1,\"evaluations\":[0-9]+,"
                        "\"failures\":0,\"lost\":0,")),
    ?assertEqual({2, "", "cambrian: maze_hard: expected the task of the archive, maze_medium\n"},
                 run(["archive", A, "--again", "3", "--task", "maze_hard"])),
    ?assertEqual({2, "", "cambrian: --seed: expected with --again\n"},
                 run(["archive", A, "--seed", "7"])),
    {0, Inspected, _} = run(["inspect", A]),
    ?assertMatch({match, _},
                 re:run(Inspected, "an archive of maze_medium: [0-9]+ of 2500 cells filled")),
    ?assertMatch({1, "", "cambrian: " ++ _}, run(["archive", Dir ++ "/a/champion.genotype"])),
    ?assertEqual({1, "", "cambrian: " ++ File("none") ++ ": there is no such file\n"},
                 run(["archive", File("none")])),
    ?assertEqual({2, "", "cambrian: archive merge: expected two files or more\n"},
                 run(["archive", "merge", A])),
    ?assertEqual({2, "",
                  "cambrian: archive merge: --out is missing, expected a file for the archive\n"},
                 run(["archive", "merge", A, B])).

the_front_of_a_pareto_run_is_shown_test_() ->
    {timeout, 60, fun() ->
        Evolve =
            fun(More) ->
                run(["evolve", "zdt1", "--search", "pareto", "--generations", "5", "--seed", "1",
                     "--quiet"] ++ More) end,
        {ok, #{front := Front}} =
            cambrian:evolve(zdt1, #{search => pareto, seed => 1, generations => 5}),
        {0, Text, _} = Evolve([]),
        ?assertMatch({match, _},
                     re:run(Text,
                            "With a front of " ++ integer_to_list(length(Front)) ++
                                " networks?\\.")),
        {0, Json, _} = Evolve(["--json"]),
        {match, [Listed]} =
            re:run(Json, "\"front\":\\[(.*?})\\]", [{capture, all_but_first, list}]),
        {match, Ids} =
            re:run(Listed, "\"genotype\":\"([0-9a-f]+)\"",
                   [global, {capture, all_but_first, binary}]),
        ?assertEqual([cambrian_text:hex(cambrian_genotype:id(Genotype))
                      || #{genotype := Genotype} <- Front],
                     lists:append(Ids)),
        cambrian_temporary:with_dir(fun(Dir) ->
            {0, Said, _} = Evolve(["--out", Dir]),
            ?assertMatch({match, _}, re:run(Said, "front\\.svg, .*front\\.json\n$")),
            {ok, Svg} = file:read_file(filename:join(Dir, "front.svg")),
            ?assertMatch([_],
                         xmerl_xpath:string("//circle[@class='cb-ring']",
                                            cambrian_drawing:svg(Svg))),
            ?assertEqual({ok, iolist_to_binary(cambrian_front:to_json(Front))},
                         file:read_file(filename:join(Dir, "front.json")))
        end)
    end}.

%%% ---- mistakes ---------------------------------------------------------------------------

mistakes_are_one_line_and_status_2_test_() ->
    [{Line, ?_assertEqual({2, "", "cambrian: " ++ Said ++ "\n"}, run(Line))}
     || {Line, Said} <-
            [{"evolv",
              "evolv: there is no such command (did you mean evolve?), expected evolve, resume, "
              "inspect, export, archive, "
              "import, certificates or parameters"},
             {"evolve", "evolve: TASK is missing"},
             {"evolve xor again", "evolve again: expected nothing after TASK"},
             {"evolve xor --sede 1",
              "--sede: there is no such option (did you mean --seed?); cambrian evolve --help "
              "lists the options"},
             {"evolve xor --popluation=3",
              "--popluation: there is no such option (did you mean --population?); cambrian "
              "evolve --help lists the options"},
             {"evolve xor --param population=9 --param population=9",
              "--param population=9: given twice; cambrian evolve --help lists the options"},
             {"evolve xor --population 20 --param population=30",
              "--population 20: expected 30, as among the parameters"},
             {"evolve xor --fresh", "--fresh: expected with --name, whose checkpoints it drops"},
             {"evolve xor -s 1",
              "-s: there is no such option; cambrian evolve --help lists the options"},
             {"evolve xor --seed",
              "--seed: its value is missing, expected an integer; cambrian evolve --help lists "
              "the options"},
             {"evolve xor --seed --quiet",
              "--seed: its value is missing, expected an integer; cambrian evolve --help lists "
              "the options"},
             {"evolve xor --seed 1 --seed 2",
              "--seed 2: given twice; cambrian evolve --help lists the options"},
             {"evolve xor --seed one",
              "--seed one: expected an integer; cambrian evolve --help lists the options"},
             {"evolve xor --seed -1", "--seed -1: expected an integer from 0 to 2^64 - 1"},
             {"evolve xor --quiet=yes",
              "--quiet=yes: expected no value; cambrian evolve --help lists the options"},
             {"evolve xor --generations 0",
              "--generations 0: expected a positive integer; cambrian evolve --help lists the "
              "options"},
             {"evolve xor --timeout 30",
              "--timeout 30: expected a time such as 500ms, 30s, 5m or 2h; cambrian evolve --help "
              "lists the options"},
             {"evolve xor --target 1e999",
              "--target 1e999: expected a number; cambrian evolve --help lists the options"},
             {"evolve xor --population 1", "--population 1: expected an integer from 2 to 1000000"},
             {"evolve xor --cpu 2", "--cpu 2: expected a number above 0, up to 1"},
             {"evolve xor --param add_node",
              "--param add_node: expected NAME=VALUE; cambrian evolve --help lists the options"},
             {"evolve xor --param add_node=2", "--param add_node=2: expected a number from 0 to 1"},
             {"evolve xor --param add_nodes=0.1",
              "--param add_nodes=0.1: there is no such parameter (did you mean add_node?); the "
              "command `parameters' lists them"},
             {"evolve parity --set bist=2",
              "--set bist=2: the task has no such setting (did you mean bits?)"},
             {"evolve xor --param name=1",
              "--param name=1: there is no such parameter; the command `parameters' lists them"},
             {"evolve xor --param tuning=luck",
              "--param tuning=luck: expected one of none, hill_climbing, cma_es, sep_cma_es"},
             {"evolve lists",
              "lists: expected a module that exports init/1 and evaluate/2, or init/1, reset/2 "
              "and step/2"},
             {"evolve xor --set bits=2", "--set bits=2: the task has no such setting"},
             {"evolve xor --set 9=2", "--set 9=2: the task has no such setting"},
             {"evolve parity --set bits=1", "--set bits=1: expected an integer from 2 to 12"},
             {"evolve parity --set bits=[",
              "--set bits=[: expected a number, a word or a term of Erlang"},
             {"evolve dataset", "--set inputs=..., targets=...: missing, and expected"},
             {"evolve dataset --set inputs=1 --set targets=2",
              "--set inputs=...: a dataset's inputs must be lists of rows, or {Width, Binary}, "
              "got: 1"},
             {"evolve program", "program: its settings are missing, --set NAME=VALUE"},
             {"evolve xor --name pole",
              "--name pole: expected with --data-dir, where its checkpoints are kept"},
             {"evolve xor --data-dir here",
              "--data-dir here: expected with --name, under which checkpoints are kept there"},
             {"evolve xor --out /dev/null/x",
              "--out /dev/null/x: expected a directory that can be written: not a directory"},
             {"resume pole",
              "resume: --data-dir is missing, expected the directory of its checkpoints"},
             {"resume pole --data-dir /dev/null",
              "--data-dir /dev/null: there is no such directory"},
             {"inspect", "inspect: FILE|NAME is missing"},
             {"certificates one@host",
              "certificates one@host: --out is missing, expected a directory"},
             {"certificates one@host --out /tmp --at etc/x",
              "--at etc/x: expected an absolute path, as /etc/balance"},
             {"certificates one@host --out /tmp --days 0",
              "--days 0: expected a positive integer; cambrian certificates --help lists the "
              "options"},
             {"parameters --seed 1",
              "--seed: there is no such option; cambrian parameters --help lists the options"}]].

unknown_tasks_and_a_missing_command_are_named_test() ->
    ?assertMatch({2, "", "cambrian: the task xorr (did you mean xor?): expected a module" ++ _},
                 run("evolve xorr")),
    {2, "", Chess} = run("evolve chess"),
    ?assertMatch("cambrian: the task chess: expected a module in the code path or one of xor, "
                 "double_pole, " ++ _, Chess),
    ?assertMatch({2, "", "cambrian: the task ../x: expected a module" ++ _}, run("evolve ../x")),
    Errors = cambrian_screen:start(none),
    2 = cambrian_cli:run([], #{errors => Errors}),
    ?assertMatch("cambrian: expected a command" ++ _, cambrian_screen:read(Errors)).

%%% ---- export and import ------------------------------------------------------------------

with_champion(Check) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        {0, _, _} = run("evolve xor --seed 42 --quiet --out " ++ Dir),
        {ok, Bytes} = file:read_file(filename:join(Dir, "champion.genotype")),
        {ok, Champion} = cambrian_genotype:from_binary(Bytes),
        Check(Dir, filename:join(Dir, "champion.genotype"), Champion)
    end).

a_genotype_is_exported_in_every_format_test() ->
    with_champion(fun(Dir, File, Champion) ->
        Forms =
            [{"json", cambrian_genotype:to_json(Champion)}, {"dot", cambrian_picture:dot(Champion)},
             {"svg", cambrian_picture:network(Champion)}, {"c", cambrian_genotype:to_c(Champion)},
             {"rust", cambrian_genotype:to_rust(Champion)},
             {"onnx", cambrian_genotype:to_onnx(Champion)}],
        [begin
             Out = filename:join(Dir, "x"),
             ?assertEqual({0, "Written: " ++ Out ++ "\n", ""},
                          run(["export", File, "--to", Form, "--out", Out])),
             ?assertEqual({Form, {ok, Expected}}, {Form, file:read_file(Out)})
         end || {Form, Expected} <- Forms],
        %% the format is readable on standard output, and follows the file's name elsewhere
        {0, Json, ""} = run(["export", File, "--to", "json"]),
        ?assertEqual(cambrian_genotype:to_json(Champion), unicode:characters_to_binary(Json)),
        [begin
             Out = filename:join(Dir, Name),
             {0, _, ""} = run(["export", File, "--out", Out | Named]),
             ?assertEqual({ok, Expected}, file:read_file(Out))
         end || {Name, Named, Expected} <-
                    [{"a.rs", ["--name", "pole"],
                      cambrian_genotype:to_rust(Champion, #{name => <<"pole">>})},
                     {"a.c", ["--name", "pole"],
                      cambrian_genotype:to_c(Champion, #{name => <<"pole">>})},
                     {"a.onnx", [], cambrian_genotype:to_onnx(Champion)}]]
    end).

every_file_that_holds_a_genotype_can_be_exported_test() ->
    with_champion(fun(Dir, File, Champion) ->
        {0, Expected, ""} = run(["export", File, "--to", "json"]),
        Json = filename:join(Dir, "a.json"),
        ok = file:write_file(Json, Expected),
        ?assertEqual({0, Expected, ""}, run(["export", Json, "--to", "json"])),
        {0, Shown, ""} = run(["inspect", Json]),
        holds(Json ++ ": a genotype as JSON\n  id           7d5db3b7", Shown),
        ok = file:write_file(filename:join(Dir, "b.json"), "{}"),
        {1, "", Fault} = run(["inspect", filename:join(Dir, "b.json")]),
        holds("b.json: not the JSON of a genotype: missing field `schema`", Fault),
        Claims =
            #{realm => <<"r">>, task => <<"xor">>, fitness => 1.0, generation => 1, parents => [],
              operators => [],
              sequence => 1, time => 1},
        {ok, Sealed} = cambrian_envelope:seal(Claims, Champion, cambrian_identity:new()),
        Envelope = filename:join(Dir, "sealed"),
        ok = file:write_file(Envelope, Sealed),
        ?assertEqual({0, Expected, ""}, run(["export", Envelope, "--to", "json"])),
        {0, _, _} =
            run(["evolve", "xor", "--seed", "42", "--quiet", "--name", "cambrian_cli_export",
                 "--data-dir", Dir]),
        ?assertEqual({0, Expected, ""},
                     run(["export", "cambrian_cli_export", "--data-dir", Dir, "--to", "json"]))
    end).

an_exported_json_file_can_be_imported_test() ->
    with_champion(fun(Dir, File, _Champion) ->
        [Json, Copy] = [filename:join(Dir, Name) || Name <- ["a.json", "copy.genotype"]],
        {0, _, ""} = run(["export", File, "--out", Json]),
        {0, Out, ""} = run(["import", Json, "--out", Copy]),
        holds("Written: " ++ Copy ++ "\n  id           7d5db3b73f1fe080", Out),
        ?assertEqual(file:read_file(File), file:read_file(Copy))
    end).

a_network_of_neat_python_can_be_imported_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        [Json, Copy] = [filename:join(Dir, Name) || Name <- ["a.json", "copy.genotype"]],
        Network = fun(Activation) ->
            ["{\"format_version\": \"1.0\", \"network_type\": \"feedforward\", \"connections\": "
             "[{\"from\": -1, \"to\": 0, \"weight\": 2.0,",
             "\"enabled\": true}], \"topology\": {\"input_keys\": [-1], \"output_keys\": [0]}, "
             "\"nodes\": [{\"id\": 0, \"bias\": 0.5,",
             "\"response\": 1.5, \"activation\": {\"name\": \"", Activation,
             "\", \"custom\": false}, \"aggregation\": {\"name\": \"sum\", ",
             "\"custom\": false}}]}"]
        end,
        ok = file:write_file(Json, Network("tanh")),
        {0, Out, ""} = run(["import", Json, "--from", "neat-python", "--out", Copy]),
        holds("  out 0 = tanh(3.750 (2.000 in 0) + 1.250)\n", Out),
        ?assertMatch({0, _, ""}, run(["inspect", Copy])),
        ok = file:write_file(Json, Network("lelu")),
        ?assertEqual({1, "",
                      "cambrian: " ++ Json ++
                          ": nodes[0]: the activation lelu has no equal in Cambrian\n"},
                     run(["import", Json, "--from", "neat-python", "--out", Copy]))
    end).

an_export_or_import_that_fails_gives_one_line_test() ->
    with_champion(fun(Dir, File, _Champion) ->
        Html = filename:join(Dir, "report.html"),
        Json = filename:join(Dir, "a.json"),
        ok = file:write_file(Json, "{\n\"schema\": 2,\n\"inputs\": 0.5}"),
        [?assertEqual({Args, {Status, "", "cambrian: " ++ Line ++ "\n"}}, {Args, run(Args)})
         || {Args, Status, Line} <- [
                {["export", File], 2,
                 "export: --to is missing, expected json, dot, svg, c, rust or onnx"},
                {["export", File, "--to", "json", "--name", "pole"], 2,
                 "--name pole: expected with --to c or rust, which have names"},
                {["export", File, "--to", "json", "--data-dir", Dir], 2,
                 "--data-dir " ++ Dir ++ ": expected with a NAME; " ++ File ++ " is a file"},
                {["export", File, "--to", "pdf"], 2,
                 "--to pdf: expected json, dot, svg, c, rust or onnx"},
                {["export", File, "--to", "onnx"], 2,
                 "export " ++ File ++ ": --out is missing, expected a file for onnx"},
                {["export", Html, "--to", "c"], 1,
                 Html ++
                     ": neither a genotype nor a checkpoint nor an envelope of Cambrian's, nor "
                     "its JSON"},
                {["export", "/no/such", "--to", "c"], 1, "/no/such: there is no such file"},
                {["export", File, "--to", "c", "--out", "/no/such/x"], 1,
                 "/no/such/x: no such file or directory"},
                {["import", Json], 2,
                 "import " ++ Json ++ ": --out is missing, expected a file for the genotype"},
                {["import", Json, "--from", "sharp", "--out", "/x"], 2,
                 "--from sharp: expected cambrian or neat-python"},
                {["import", Json, "--out", "/x"], 1,
                 Json ++
                     ": inputs: invalid type: floating point `0.5`, expected u32 at line 3 column "
                     "13"},
                {["import", "/no/such", "--out", "/x"], 1, "/no/such: there is no such file"}]],
        {2, "", "cambrian: --name 3d: expected a lower-case letter" ++ _} =
            run(["export", File, "--to", "c", "--name", "3d"])
    end).

certificates_are_written_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        {0, Said, ""} =
            run(["certificates", "one@10.0.0.7", "--out", Dir ++ "/größe", "--at", "/etc/lab",
                 "--days", "2"]),
        ?assertEqual("Written: " ++ Dir ++ "/größe/one@10.0.0.7\n", Said),
        {ok, Pem} =
            file:read_file(unicode:characters_to_binary(Dir ++ "/größe/one@10.0.0.7/cert.pem")),
        [{'Certificate', Der, not_encrypted}] = public_key:pem_decode(Pem),
        ?assert(public_key:pkix_verify_hostname(Der, [{ip, {10, 0, 0, 7}}])),
        ?assertNot(public_key:pkix_verify_hostname(Der, [{ip, {10, 0, 0, 8}}])),
        ?assertMatch({1, "", "cambrian: one: expected a node's name as " ++ _},
                     run(["certificates", "one", "--out", Dir]))
    end).

%% The command prints one line instead of OpenSSL's four.
a_file_that_is_no_certificate_authority_is_named_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Make = fun() -> run(["certificates", "one@10.0.0.7", "--out", Dir]) end,
        {0, _, ""} = Make(),
        [Ca, Key, Own] =
            [filename:join(Dir, File) || File <- ["ca.pem", "ca.key", "one@10.0.0.7/key.pem"]],
        [{ok, Before}, {ok, Secret}, {ok, Other}] =
            [file:read_file(File) || File <- [Ca, Key, Own]],
        ok = file:write_file(Ca, <<"junk">>),
        ?assertEqual({1, "", "cambrian: " ++ Ca ++ ": expected a certificate in PEM\n"}, Make()),
        ok = file:write_file(Ca, Before),
        ok = file:write_file(Key, <<"junk">>),
        ?assertEqual({1, "", "cambrian: " ++ Key ++ ": expected a private key in PEM\n"}, Make()),
        ok = file:write_file(Key, Other),
        ?assertEqual({1, "",
                      "cambrian: " ++ Key ++ ": expected the private key of the certificate " ++
                          Ca ++ "\n"}, Make()),
        ok = file:write_file(Key, Secret),
        ?assertMatch({0, _, ""}, Make())
    end).

every_command_has_help_test() ->
    [begin
         {0, Out, ""} = run(Line),
         holds(Shown, Out),
         ?assertEqual([], [Row || Row <- string:split(Out, "\n", all), length(Row) > 120])
     end
     || {Line, Shown} <- [{"--help", "cambrian inspect FILE|NAME"}, {"help", "cambrian resume"},
                          {"evolve --help", "  --seed N  "},
                          {"evolve xor -h", "double_pole_novel"},
                          {"resume --help", "--timeout TIME"},
                          {"inspect --help", "--data-dir DIR"}, {"export --help", "--to FORM"},
                          {"import --help", "--from WHOSE"}, {"parameters --help", "[TASK]"},
                          {"certificates --help", "--at PATH"},
                          {"--version", "cambrian 0."}]],
    {0, Parameters, ""} = run("parameters double_pole_novel"),
    holds("population = 300\n    genotypes in a generation; an integer from 2 to 1000000\n",
          Parameters).

%%% ---- checkpoints ------------------------------------------------------------------------

an_unusable_data_dir_is_refused_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        File = filename:join(Dir, "file"),
        ok = file:write_file(File, "mine"),
        ok = file:make_symlink("loop", filename:join(Dir, "loop")),
        [begin
             {1, "", Errors} =
                 run(["evolve", "xor", "--name", "p", "--quiet", "--data-dir",
                      filename:join(Dir, Place)]),
             holds("cambrian: --data-dir " ++ filename:join(Dir, Place) ++ ": ", Errors)
         end || Place <- ["file", "file/x", "loop"]],
        ?assertEqual({ok, <<"mine">>}, file:read_file(File))
    end).

%% A file that a user put at the path of the lock stays as it is.
a_file_at_the_path_of_the_lock_is_not_overwritten_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        [begin
             Data = filename:join(Dir, Name),
             ok = file:make_dir(Data),
             ok = Make(filename:join(Data, "lock")),
             {0, _, _} =
                 run(["evolve", "xor", "--seed", "1", "--name", "p", "--quiet", "--data-dir", Data])
         end || {Name, Make} <- [{"text", fun(Lock) -> file:write_file(Lock, "important") end},
                                 {"link", fun(Lock) ->
                                              ok = file:write_file(filename:join(Dir, "precious"),
                                                                   "precious"),
                                              file:make_symlink(filename:join(Dir, "precious"),
                                                                Lock)
                                          end}]],
        ?assertEqual({ok, <<"important">>}, file:read_file(filename:join(Dir, "text/lock"))),
        ?assertEqual({ok, <<"precious">>}, file:read_file(filename:join(Dir, "precious")))
    end).

a_device_is_not_read_test() ->
    [?assertMatch({1, "", "cambrian: /dev/zero: a device, expected a file" ++ _}, run(Line))
     || Line <- ["inspect /dev/zero", "export /dev/zero --to c",
                 "import /dev/zero --out /tmp/none"]].

%% A run beyond its limit does nothing, and its counts are not less than before.
a_run_that_is_beyond_its_limit_reports_its_old_counts_test_() ->
    {timeout, 60, fun() -> cambrian_temporary:with_dir(fun(Dir) ->
        In = " --quiet --json --data-dir " ++ Dir,
        Counts = fun(Line) ->
                     {0, Out, _} = run(Line ++ In),
                     {match, Found} =
                         re:run(Out,
                                "\"champion\":\"([0-9a-f]+)\".*\"generations\":([0-9]+),"
                                "\"evaluations\":([0-9]+)",
                                [{capture, all_but_first, list}]),
                     Found
                 end,
        Ended =
            Counts("evolve double_pole_novel --seed 4 --target 99 --generations 10 --name passed"),
        [?assertEqual({Limit, Ended}, {Limit, Counts("resume passed " ++ Limit)})
         || Limit <- ["--generations 5", "--evaluations 100 --generations 50", "--generations 10",
                      "--evaluations 2905 --generations 50"]],
        [_, "12", _] = Counts("resume passed --generations 12 --evaluations 100000")
    end) end}.

a_misspelt_data_dir_is_not_created_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Missing = filename:join(Dir, "dtaa"),
        Line = "cambrian: --data-dir " ++ Missing ++ ": there is no such directory\n",
        [?assertEqual({Command, {2, "", Line}},
                      {Command, run(Command ++ " --data-dir " ++ Missing)})
         || Command <- ["resume pole", "inspect pole", "export pole --to json"]],
        ?assertEqual({ok, []}, file:list_dir(Dir))
    end).

a_resumed_population_ends_as_one_that_was_not_interrupted_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        In = " --quiet --data-dir " ++ Dir,
        {0, Whole, ""} = run("evolve xor --seed 42 --quiet"),
        {0, "xor: not solved within 5 generations. " ++ _, Where} =
            run("evolve xor --seed 42 --generations 5 --name a.b" ++ In),
        holds("cambrian resume a.b --data-dir " ++ Dir, Where),
        {2, "", Again} = run("evolve xor --name a.b" ++ In),
        holds("--name a.b: it is there already; `cambrian resume a.b --data-dir ", Again),
        {0, Resumed, _} = run("resume a.b --generations 1000" ++ In),
        ?assertEqual(id(Whole), id(Resumed)),
        ?assertMatch("xor: solved. 24 generations, 3290 evaluations, " ++ _, Resumed),
        %% at its end, a checkpoint can be named by its file
        [First | _] = Files = lists:sort(filelib:wildcard(Dir ++ "/populations/a.b/*.checkpoint")),
        {0, ByFile, _} = run(["resume", lists:last(Files), "--quiet"]),
        ?assertEqual(id(Whole), id(ByFile)),
        ?assertMatch({2, "", _}, run(["resume", First])),
        {0, Shown, ""} = run("inspect a.b --data-dir " ++ Dir),
        [holds(Part, Shown)
         || Part <- [id(Whole), "  seed         42\n", "  task         'xor'\n",
                     "  name         a.b\n",
                     "Fitness: * best, . mean\n", "parameters   as the task has them"]],
        ?assertMatch({0, _, _},
                     run("evolve xor --fresh --seed 1 --generations 2 --name a.b" ++ In)),
        ?assertEqual(undefined, application:get_env(cambrian, data_dir))
    end).

%% A name that is too long for a directory is stored as a hash.
a_population_with_a_long_name_can_be_resumed_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Name = lists:duplicate(120, $ö),
        In = ["--data-dir", Dir],
        {0, _, _} =
            run(["evolve", "xor", "--seed", "42", "--generations", "2", "--quiet", "--name",
                 Name | In]),
        [Hashed] = filelib:wildcard(Dir ++ "/populations/*"),
        {0, Shown, ""} = run(["inspect", Name | In]),
        holds("  name         %%", Shown),
        {0, _, _} = run(["resume", Name, "--generations", "3", "--quiet" | In]),
        {2, "", Line} = run(["resume", lists:last(lists:sort(filelib:wildcard(Hashed ++ "/*")))]),
        holds(": the name of this population is too long for a file's; give it with --data-dir",
              Line)
    end).

a_population_whose_task_was_a_fun_cannot_be_resumed_by_the_command_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        {ok, _} =
            cambrian:evolve(fun(_) -> 1 end,
                            #{inputs => 1, outputs => 1, generations => 2,
                              name => cambrian_cli_fun}),
        {1, "", Line} = run("resume cambrian_cli_fun --data-dir " ++ Dir),
        holds("does not say its task, which was a fun or long: start it from code", Line),
        {0, Shown, ""} = run("inspect cambrian_cli_fun --data-dir " ++ Dir),
        holds("fun, which the file cannot tell in full", Shown)
    end).

%%% ---- inspect ----------------------------------------------------------------------------

inspect_says_what_kind_of_file_it_reads_test_() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7),
    {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1),
    Claims =
        #{realm => <<"org.example.lab">>, task => <<"x\e[2Jr">>, fitness => 2.87, generation => 3,
          sequence => 1, time => 0},
    {ok, Sealed} = cambrian_envelope:seal(Claims, G, <<1:256>>),
    {ok, Delta} = cambrian_envelope:seal(Claims, Grown, G, <<1:256>>),
    {ok, Envelope, _} = cambrian_envelope:read(Sealed),
    Record = cambrian_envelope:record(Envelope),
    Genotype = cambrian_genotype:to_binary(G),
    Rows =
        [{0, Genotype,
          ["a genotype of ", "nodes        25: 20 inputs, 0 hidden, 5 outputs", "out 4 = "]},
         {0, Sealed,
          ["an envelope", "The signature is genuine.", "as is claimed", "org.example.lab", "x?[2Jr",
           "1970-01-01T00:00:00"]},
         {0, forged(Sealed), ["The signature is forged"]},
         {0, Delta, ["a difference to ", "The signature is genuine."]},
         {0, Record, ["a record of an envelope, with a genuine signature", "org.example.lab"]},
         {0, <<"cambrian identity 1\nxyz">>, ["an identity, whose key is secret"]},
         {1, binary:part(Genotype, 0, 60), ["begins as a genotype does, and is torn or damaged"]},
         {1, binary:part(Sealed, 0, 60), ["begins as an envelope does, and is torn or damaged"]},
         {1, <<"cambrian checkpoint 2\nxyz">>, ["a checkpoint that is torn, or was changed since"]},
         {1, <<"cambrian checkpoint 99\nxyz">>, ["no checkpoint of this version"]},
         {1, <<"camb">>, ["begins as a checkpoint does"]},
         {1, <<>>, ["an empty file"]},
         {1, <<"something else">>, ["none of Cambrian's files"]}],
    [{hd(Parts), fun() -> inspected(Status, Bytes, Parts) end} || {Status, Bytes, Parts} <- Rows].

forged(Bytes) ->
    Size = byte_size(Bytes) - 1,
    <<Signed:Size/binary, Last>> = Bytes,
    <<Signed/binary, (Last bxor 1)>>.

inspected(Status, Bytes, Parts) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "file"),
        ok = file:write_file(Path, Bytes),
        {Status, Out, Errors} = run(["inspect", Path]),
        [holds(Part, Out ++ Errors) || Part <- Parts],
        ?assertEqual([], [C || C <- Out ++ Errors, C < 32, C =/= $\n])
    end).

%% No damaged checkpoint stops the VM or gives a wrong description.
damaged_checkpoints_are_errors_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        {ok, _} = cambrian:evolve('xor', #{seed => 1, generations => 2, name => cambrian_cli_torn}),
        [File | _] = filelib:wildcard(Dir ++ "/populations/cambrian_cli_torn/*.checkpoint"),
        {ok, Bytes} = file:read_file(File),
        [begin
             ok = file:write_file(File, binary:part(Bytes, 0, Size)),
             ?assertMatch({1, "", "cambrian: " ++ _}, run(["inspect", File]))
         end || Size <- lists:seq(0, byte_size(Bytes) - 1, 97)]
    end).

%%% ---- bin/cambrian -----------------------------------------------------------------------

bin_cambrian_test_() ->
    {timeout, 600, [{Title, {timeout, 300, Test}} || {Title, Test} <- [
        {"answers its commands", fun says_what_it_is_asked/0},
        {"a run ended by SIGTERM can be resumed", fun() -> ended_and_resumed("TERM", 143) end},
        {"a run ended by SIGINT can be resumed", fun() -> ended_and_resumed("INT", 130) end},
        {"a killed run can be resumed", fun() -> ended_and_resumed("KILL", 137) end},
        {"writes its result at SIGINT", fun() -> writes_what_there_is("INT", 130) end},
        {"writes its result at SIGTERM", fun() -> writes_what_there_is("TERM", 143) end},
        {"does not wait for an evaluation at a signal", fun waits_for_no_evaluation/0},
        {"has nothing to write before the first generation", fun has_nothing_to_write/0},
        {"ends at once at a second signal", fun a_second_signal_ends_it/0},
        {"reports output that cannot be written", fun output_that_cannot_be_written/0},
        {"takes names in any locale", fun names_in_any_locale/0}]]}.

says_what_it_is_asked() ->
    {0, Out} = script(["evolve", "xor", "--seed", "42", "--quiet"]),
    ?assertMatch("xor: solved. 24 generations" ++ _, Out),
    {0, Progress} = script(["evolve", "xor", "--seed", "42"]),
    ?assertMatch("0%, generation 0, best 2.9998" ++ _, Progress),
    ?assertMatch({2, "cambrian: --sede: there is no such option" ++ _},
                 script(["evolve", "xor", "--sede", "42"])),
    ?assertMatch({1, "cambrian: nothing.there: there is no such file\n"},
                 script(["inspect", "nothing.there"])).

ended_and_resumed(Signal, Expected) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Goal = ["--target", "99", "--generations", "60", "--quiet"],
        Evolve = ["evolve", "double_pole_novel", "--seed", "5", "--population", "200" | Goal],
        {0, Whole, _} = run(Evolve),
        %% slow enough that the signal arrives during the run
        Port =
            start(Evolve ++
                      ["--threads", "1", "--cpu", "0.1", "--name", "victim", "--data-dir", Dir]),
        {os_pid, Pid} = erlang:port_info(Port, os_pid),
        true = written(Dir ++ "/populations/victim/*.checkpoint"),
        "" = os:cmd(lists:concat(["kill -", Signal, " ", Pid])),
        {Expected, _} = ending(Port, []),
        {0, Resumed} = script(["resume", "victim", "--data-dir", Dir, "--quiet"]),
        ?assertEqual(id(Whole), id(Resumed))
    end).

%% The champion, the report and the result of the generations until the signal.
writes_what_there_is(Signal, Expected) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Port =
            start(["evolve", "cambrian_cli_tests", "--set", "nap=20", "--population", "10",
                   "--target", "9", "--seed", "1",
                   "--json", "--out", Dir]),
        Said = signalled(Signal, Port, "generation 0, "),
        {Expected, Rest} = ending(Port, Said),
        holds("SIG" ++ Signal ++ ": it ends with what there is", Rest),
        holds("\"solved\":false,\"interrupted\":true,", Rest),
        {0, Shown, _} = run(["inspect", filename:join(Dir, "champion.genotype")]),
        {match, [Id]} =
            re:run(Rest, "\"champion\":\"([0-9a-f]{64})\"", [{capture, all_but_first, list}]),
        holds(Id, Shown),
        {match, [Count]} =
            re:run(Rest, "\"generations\":([0-9]+)", [{capture, all_but_first, list}]),
        ?assert(list_to_integer(Count) >= 1),
        {ok, Report} = file:read_file(filename:join(Dir, "report.html")),
        holds(Id, binary_to_list(Report))
    end).

%% Each evaluation takes a minute, but only after the first generation.
waits_for_no_evaluation() ->
    %% Without this, the logs of another test's application would keep this VM's directory in use.
    {ok, _} = application:ensure_all_started(cambrian),
    cambrian_temporary:with_dir(fun(Dir) ->
        In = ["--name", "cambrian_cli_slow", "--data-dir", Dir],
        {0, _, _} =
            run(["evolve", "cambrian_cli_tests", "--population", "10", "--target", "9", "--seed",
                 "1", "--quiet",
                 "--generations", "3" | In]),
        Later = ["resume", "cambrian_cli_slow", "--data-dir", Dir, "--generations", "9", "--json"],
        Port = start(Later, [{"CAMBRIAN_CLI_NAP", "60000"}]),
        Said = signalled("INT", Port, "Resumed at generation 2."),
        Begun = erlang:monotonic_time(millisecond),
        {130, Rest} = ending(Port, Said),
        ?assert(erlang:monotonic_time(millisecond) - Begun < 30_000),
        %% the run drops the last generation and repeats it after a resume
        holds("\"interrupted\":true", Rest),
        holds("\"generations\":2,", Rest),
        {0, Whole, _} =
            run("evolve cambrian_cli_tests --population 10 --target 9 --seed 1 --quiet "
                "--generations 9"),
        {0, Resumed} =
            script(["resume", "cambrian_cli_slow", "--data-dir", Dir, "--generations", "9",
                    "--quiet"]),
        ?assertEqual(id(Whole), id(Resumed))
    end).

has_nothing_to_write() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        [begin
             Name = "cambrian_cli_" ++ Setting,
             Port =
                 start(["evolve", "cambrian_cli_tests", "--set", Setting ++ "=60000", "--quiet",
                        "--out", Dir ++ "/out",
                        "--name", Name, "--data-dir", Dir]),
             %% the command prints where checkpoints are before it calls the task's init/1
             Said = signalled("INT", Port, "Checkpoints are in "),
             {130, Rest} = ending(Port, Said),
             holds("nothing to write", Rest),
             ?assertEqual({ok, []}, file:list_dir(Dir ++ "/out"))
         end || Setting <- ["nap", "rest"]]
    end).

%% The test does not read the pipe, so after the first signal the command blocks while it writes
%% the champion.
a_second_signal_ends_it() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        "" = os:cmd("mkfifo " ++ filename:join(Dir, "champion.genotype")),
        Port = start(["evolve", "xor", "--target", "99", "--generations", "1000000", "--out", Dir]),
        {os_pid, Pid} = erlang:port_info(Port, os_pid),
        Said = signalled("INT", Port, "generation 0, "),
        Waiting = said(Port, "it ends with what there is", Said),
        _ = os:cmd(lists:concat(["kill -INT ", Pid])),
        Begun = erlang:monotonic_time(millisecond),
        ?assertMatch({130, _}, ending(Port, Waiting)),
        ?assert(erlang:monotonic_time(millisecond) - Begun < 8000)
    end).

%% A full disk, and a reader that has closed the pipe.
output_that_cannot_be_written() ->
    with_champion(fun(Dir, File, Champion) ->
        Full =
            [["--help"], ["--version"], ["evolve", "--help"], ["parameters"], ["inspect", File],
             ["export", File, "--to", "c"],
             ["import", Dir ++ "/a.json", "--out", Dir ++ "/b"],
             ["evolve", "xor", "--seed", "42", "--quiet"],
             ["evolve", "xor", "--seed", "42", "--quiet", "--json"]],
        ok = file:write_file(Dir ++ "/a.json", cambrian_genotype:to_json(Champion)),
        [?assertEqual({Args, {1, "cambrian: standard output: no space left on device\n"}},
                      {Args, shell([quoted(Args), " 2>&1 >/dev/full"])}) || Args <- Full],
        %% if only progress cannot be written, the result is still printed
        {1, Result} = shell([quoted(["evolve", "xor", "--seed", "42"]), " 2>/dev/full"]),
        ?assertMatch("xor: solved. " ++ _, Result),
        {2, ""} = shell([quoted(["evolv"]), " 2>/dev/full"]),
        ?assertEqual({0, "cambrian: standard output: broken pipe\n1\n"},
                     shell(["{ ", quoted(["parameters"]), "; echo $? >&2; } 2>", Dir,
                            "/errors | true; cat ", Dir, "/errors"])),
        ?assertMatch({0, "xor: solved. " ++ _},
                     shell([quoted(["evolve", "xor", "--seed", "42", "--quiet"]), " | cat"]))
    end).

names_in_any_locale() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        [begin
             In = Dir ++ "/" ++ Locale ++ "日本",
             Locally = fun(Args) -> shell(["LC_ALL=", Locale, " ", quoted(Args), " 2>&1"]) end,
             {0, Begun} =
                 Locally(["evolve", "xor", "--seed", "42", "--generations", "3", "--quiet",
                          "--name",
                          "größe",
                          "--data-dir", In, "--out", In ++ "/ö"]),
             holds("Written: " ++ In ++ "/ö/champion.genotype", Begun),
             ?assertEqual({ok, lists:sort(["lineage", "lock", "populations", "ö"])},
                          sorted(file:list_dir(In))),
             ?assertEqual({ok, ["gr%C3%B6%C3%9Fe"]}, file:list_dir(In ++ "/populations")),
             {0, Resumed} =
                 Locally(["resume", "größe", "--data-dir", In, "--quiet", "--generations", "1000"]),
             ?assertEqual("7d5db3b73f1fe080", lists:sublist(id(Resumed), 16)),
             {0, Shown} = Locally(["inspect", "größe", "--data-dir", In]),
             holds("  name         größe\n", Shown),
             {0, _} =
                 Locally(["export", In ++ "/ö/champion.genotype", "--out", In ++ "/ö/größe.json"]),
             true = filelib:is_regular(In ++ "/ö/größe.json"),
             {2, Mistake} = Locally(["evolve", "xor", "--target", "−5"]),
             holds("cambrian: --target −5: expected a number; ", Mistake),
             {2, NoText} =
                 shell(["LC_ALL=", Locale, " ", quoted(["evolve", "xor", "--seed"]),
                        " \"$(printf '\\377')\" 2>&1"]),
             ?assertEqual("cambrian: argument 4: expected text in UTF-8\n", NoText)
         end || Locale <- ["C", "C.UTF-8", "de_DE.ISO-8859-1"]]
    end).

sorted({ok, List}) -> {ok, lists:sort(List)}.

%% Runs the command in a shell, for its redirections.
shell(Command) ->
    Port =
        open_port({spawn_executable, "/bin/sh"},
                  [{args, ["-c", unicode:characters_to_binary(Command)]} | options([])]),
    {Status, Said} = ending(Port, []),
    {Status, unicode:characters_to_list(list_to_binary(Said))}.

quoted(Args) -> lists:join($\s, [["'", Arg, "'"] || Arg <- [script_path() | Args]]).

%% Sends the signal once the program has printed the text. Returns all that it printed until then.
signalled(Signal, Port, Text) ->
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    Said = said(Port, Text, []),
    "" = os:cmd(lists:concat(["kill -", Signal, " ", Pid])),
    Said.

said(Port, Text, Said) ->
    case string:find(lists:flatten(Said), Text) of
        nomatch ->
            receive {Port, {data, Data}} -> said(Port, Text, [Said | Data]) after 240_000 ->
                    error({not_said, Text, Said}) end;
        _ -> Said
    end.

%% Waits for a checkpoint after the first one.
written(Pattern) -> cambrian_wait:until(fun() -> length(filelib:wildcard(Pattern)) > 1 end).

script(Args) -> ending(start(Args), []).

start(Args) -> start(Args, []).

start(Args, Env) ->
    open_port({spawn_executable, script_path()}, [{args, Args}, stderr_to_stdout | options(Env)]).

script_path() -> cambrian_checkout:path("bin/cambrian").

%% The program runs the modules of this build.
options(Env) ->
    Libraries = filename:dirname(filename:dirname(filename:dirname(code:which(cambrian)))),
    Here = filename:dirname(code:which(?MODULE)),
    [{env, [{"ERL_LIBS", Libraries}, {"ERL_FLAGS", "-pa " ++ Here} | Env]}, exit_status].

ending(Port, Said) ->
    receive
        {Port, {data, Data}} -> ending(Port, [Said | Data]);
        {Port, {exit_status, Status}} -> {Status, lists:flatten(Said)}
    end.
