%% The scripts of bin: each says what it does, and an argument that it does not know is an error and
%% not a run of everything. Each runs in a folder where it finds nothing to work on.
-module(cambrian_scripts_tests).
-include_lib("eunit/include/eunit.hrl").

%% Those with arguments of their own: a command, or a log.
-define(OTHERS, ["cambrian", "heartbeat", "soak", "usage"]).

an_unknown_argument_of_a_script_is_an_error_test_() ->
    [{Script, {timeout, 60, fun() ->
         {Status, Said} = ran(Script, "--nonsense"),
         ?assertMatch({2, "bin/" ++ _}, {Status, Said}),
         ?assertMatch([_], string:lexemes(Said, "\n"))
     end}} || Script <- scripts()].

every_script_says_what_it_does_test_() ->
    [{Script, {timeout, 60, fun() ->
         {Status, Said} = ran(Script, "--help"),
         ?assertMatch({0, [_ | _]}, {Status, Said}),
         ?assertEqual(nomatch, string:find(Said, "set -"))
     end}} || Script <- scripts()].

scripts() ->
    {ok, All} = file:list_dir(cambrian_checkout:path("bin")),
    lists:sort(All -- ?OTHERS).

ran(Script, Argument) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        ok = file:make_dir(filename:join(Dir, "bin")),
        [{ok, _} = file:copy(cambrian_checkout:path("bin/" ++ File),
                             filename:join([Dir, "bin", File])) || File <- [Script, "usage"]],
        ok = file:change_mode(filename:join([Dir, "bin", Script]), 8#755),
        Port = open_port({spawn_executable, filename:join([Dir, "bin", Script])},
                         [{args, [Argument]}, stderr_to_stdout, exit_status]),
        ending(Port, [])
    end).

ending(Port, Said) ->
    receive
        {Port, {data, Data}} -> ending(Port, [Said | Data]);
        {Port, {exit_status, Status}} -> {Status, lists:flatten(Said)}
    end.
