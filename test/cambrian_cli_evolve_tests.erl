%% The command `evolve', and those of archives and fronts.
-module(cambrian_cli_evolve_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_command, [hex_id/1, holds/2, id/1, run/1, with_champion/1]).

%%% ---- evolve -----------------------------------------------------------------------------

the_result_is_on_standard_output_and_progress_on_standard_error_test() ->
    {0, Out, Errors} = run("evolve xor --seed 42"),
    ?assertMatch("xor: solved. 24 generations, 3290 evaluations, " ++ _, Out),
    ?assertMatch("0%, generation 0, best 2.9998" ++ _, Errors),
    ?assertMatch({0, Out2, ""} when Out2 =/= "", run("evolve xor --seed=42 --quiet")),
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}),
    ?assertEqual(hex_id(Champion), id(Out)).

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
             run("evolve cambrian_wish --set wish=broken --quiet --target -0.5" ++ More),
         holds("all 150 evaluations failed; the first: exception error: no_sensor", Errors),
         holds("cambrian_wish:evaluate/2", Errors)
     end || More <- ["", " --json"]].

the_result_counts_failed_evaluations_test() ->
    {0, Out, _} =
        run("evolve cambrian_wish --set wish=sometimes --seed 1 --generations 3 --quiet"),
    ?assertMatch({match, _}, re:run(Out, "evaluations \\([0-9]+ of them failed\\)")),
    {0, Json, _} =
        run("evolve cambrian_wish --set wish=sometimes --seed 1 --generations 3 --quiet "
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
    {0, Out, _} = run("evolve cambrian_wish --seed 1 --target 0.999 --quiet"),
    ?assertMatch("cambrian_wish: solved. " ++ _, Out),
    {0, Other, _} =
        run("evolve cambrian_wish --seed 1 --target 0.999 --quiet --set wish=0.75"),
    ?assertNotEqual(id(Out), id(Other)).

%% init/1 gets a list, with or without settings.
a_module_gets_its_settings_as_a_list_test() ->
    {0, _, _} =
        run("evolve cambrian_wish --generations 1 --quiet --set wish=0.75 --set also=1"),
    {1, "", Errors} = run("evolve cambrian_wish --set wish=1 --set need=wish"),
    holds("cambrian_wish:init([{need,wish},{wish,1}]) failed: ", Errors),
    holds("cambrian_wish.erl, line ", Errors).

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
