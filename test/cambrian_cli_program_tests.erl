%% bin/cambrian as a process of its own: signals, output and locales.
-module(cambrian_cli_program_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_command, [holds/2, id/1, run/1, with_champion/1]).

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
        {"several VMs find the champion of one", fun several_vms_find_the_champion_of_one/0},
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

%% Also if one of the others is killed on the way.
several_vms_find_the_champion_of_one() ->
    Evolve = ["evolve", "double_pole_novel", "--seed", "5", "--population", "1000", "--json",
              "--target", "99", "--generations", "40"],
    Port = start(Evolve ++ ["--federate", "3"]),
    Said = said(Port, "generation 0, ", []),
    {match, [Other]} =
        re:run(Said, "node 3 of 3: process ([0-9]+)", [{capture, all_but_first, list}]),
    "" = os:cmd("kill -KILL " ++ Other),
    {0, Federated} = ending(Port, Said),
    {0, Alone, _} = run(Evolve ++ ["--quiet"]),
    [?assertEqual(field(Name, Alone), field(Name, Federated))
     || Name <- ["champion", "fitness", "evaluations", "generations"]],
    ?assertMatch({2, "cambrian: --federate 65: expected a number of VMs from 1 to 64" ++ _},
                 script(Evolve ++ ["--federate", "65"])).

field(Name, Json) ->
    {match, [Value]} =
        re:run(Json, ["\"", Name, "\":([^,}]*)"], [{capture, all_but_first, list}]),
    Value.

%% The champion, the report and the result of the generations until the signal.
writes_what_there_is(Signal, Expected) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Port =
            start(["evolve", "cambrian_wish", "--set", "nap=20", "--population", "10",
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
            run(["evolve", "cambrian_wish", "--population", "10", "--target", "9", "--seed",
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
            run("evolve cambrian_wish --population 10 --target 9 --seed 1 --quiet "
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
                 start(["evolve", "cambrian_wish", "--set", Setting ++ "=60000", "--quiet",
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
