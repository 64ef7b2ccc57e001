%% Runs with a data directory, and the command `resume'.
-module(cambrian_cli_checkpoints_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_command, [holds/2, id/1, run/1]).

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
