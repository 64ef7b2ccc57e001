%% The command line: mistakes, help and certificates.
-module(cambrian_cli_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_command, [holds/2, run/1]).

mistakes_are_one_line_and_status_2_test_() ->
    [{Line, ?_assertEqual({2, "", "cambrian: " ++ Said ++ "\n"}, run(Line))}
     || {Line, Said} <-
            [{"evolv",
              "evolv: there is no such command (did you mean evolve?), expected evolve, "
              "predict, resume, inspect, export, archive, "
              "import, certificates or parameters"},
             {"evolve", "evolve: TASK is missing, or --csv"},
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
              "--param tuning=luck: expected one of none, hill_climbing, cma_es, sep_cma_es, adam, "
              "lbfgs"},
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
