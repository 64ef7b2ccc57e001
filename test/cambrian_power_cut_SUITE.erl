%% A VM is killed at fifty random moments, in three ways. Its population ends with the bytes of a
%% population that was not killed.
-module(cambrian_power_cut_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

all() -> [a_population_killed_at_fifty_moments_ends_with_the_same_bytes].

suite() -> [{timetrap, {minutes, 5}}].

%% The ends of a VM: it is killed from outside, it halts while threads of the library work, or it
%% is killed after some time without a writable file. Before each of them the population's process
%% is killed.
-define(DEATHS, [kill, halt, full_disk]).
-define(MOMENTS, 50).

options() ->
    #{task => double_pole_novel, name => victim, seed => 5, population => 400, generations => 60, target => 99,
      checkpoint_interval => 0}.

a_population_killed_at_fifty_moments_ends_with_the_same_bytes(Config) ->
    Seed = case os:getenv("SEED") of false -> erlang:system_time(); Set -> list_to_integer(Set) end,
    ct:pal("SEED=~b", [Seed]),
    _ = rand:seed(exsss, Seed),
    Whole = undisturbed(),
    Endings = die(Config, 0, 0, []),
    ?assertEqual([Whole], lists:usort(Endings)).

undisturbed() ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, P} = cambrian_population:start(maps:without([name, checkpoint_interval], options())),
    ok = cambrian_population:run(P),
    {ok, Result} = cambrian_population:await(P, infinity),
    ok = application:stop(cambrian),
    fingerprint(Result).

fingerprint(#{champion := Champion, evaluations := Evaluations, generations := Generations}) ->
    Bytes = cambrian_genotype:to_binary(Champion),
    binary_to_list(iolist_to_binary([binary:encode_hex(crypto:hash(sha256, Bytes)),
                                     io_lib:format(" ~b ~b", [Evaluations, Generations])])).

%% Starts one VM after the other on the same directory. Once the run has ended, the next VM starts
%% a new one.
die(Config, Run, Moments, Endings) when Moments < ?MOMENTS; Endings =:= [] ->
    Dir = filename:join([proplists:get_value(priv_dir, Config), integer_to_list(Run)]),
    Last = Moments >= ?MOMENTS,
    Death = case Last of true -> none; false -> lists:nth(rand:uniform(length(?DEATHS)), ?DEATHS) end,
    Kills = [20 + rand:uniform(150) || not Last, _ <- lists:seq(1, rand:uniform(2))],
    Before = generation(Dir),
    case live(Dir, Death, Kills) of
        {ended, Ending} ->
            ct:pal("run ~b ended after ~b deaths in all", [Run, Moments]),
            die(Config, Run + 1, Moments, [Ending | Endings]);
        {died, Count} ->
            ct:pal("~p: from generation ~b to ~b on disk", [Death, Before, generation(Dir)]),
            ?assert(generation(Dir) =:= Before orelse Death =/= full_disk),
            die(Config, Run, Moments + Count, Endings)
    end;
die(_Config, _Run, _Moments, Endings) -> Endings.

generation(Dir) ->
    Files = filelib:wildcard(filename:join([Dir, "populations", "victim", "*.checkpoint"])),
    lists:max([-1 | [list_to_integer(filename:basename(File, ".checkpoint")) || File <- Files]]).

%% Waits until the run has ended or the VM is dead.
live(Dir, Death, Kills) ->
    Paths = [filename:dirname(code:which(Module)) || Module <- [cambrian, ?MODULE]],
    Call = io_lib:format("~s:child(~0p, ~w, ~w).", [?MODULE, Dir, Death, Kills]),
    Limit = case Death of full_disk -> "trap '' XFSZ; ulimit -f 2; "; _ -> "" end,
    Erl = ["exec ", os:find_executable("erl"), " -noinput", [[" -pa ", Path] || Path <- Paths],
           " -eval '", Call, "'"],
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", lists:flatten([Limit, Erl])]}, {line, 1000}, exit_status, stderr_to_stdout]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    watch(Port, OsPid, Death, 0, []).

%% A kill counts if it came before the end of the run.
watch(Port, OsPid, Death, Count, Said) ->
    receive
        {Port, {data, {eol, "killed the process"}}} -> watch(Port, OsPid, Death, Count + 1, Said);
        {Port, {data, {eol, "kill me"}}} ->
            %% the run may have ended meanwhile, and printed so
            _ = os:cmd(io_lib:format("kill -9 ~b", [OsPid])),
            watch(Port, OsPid, Death, Count, Said);
        {Port, {data, {eol, "ended " ++ Ending}}} ->
            receive {Port, {exit_status, 0}} -> {ended, Ending} end;
        {Port, {data, {_, Line}}} -> watch(Port, OsPid, Death, Count, [Line | Said]);
        {Port, {exit_status, Status}} when Status =:= 137; Status =:= 7 -> {died, Count + 1};
        {Port, {exit_status, Status}} -> error({unexpected_end, Status, lists:reverse(Said)})
    end.

%%% ---- in the other VM ---------------------------------------------------------------------

child(Dir, Death, Kills) ->
    logger:set_primary_config(level, critical),
    ok = application:load(cambrian),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = supervisor:start_link({local, keeper}, ?MODULE, cambrian_population:child_spec(options())),
    ok = cambrian_population:run(victim),
    _ = spawn_link(fun() -> strike(Death, Kills) end),
    io:format("ended ~s~n", [await()]),
    halt(0).

init(Child) -> {ok, {#{intensity => 1000, period => 1}, [Child]}}.

await() ->
    try cambrian_population:await(victim, infinity) of
        {ok, Result} -> fingerprint(Result)
    catch exit:_ -> await()
    end.

strike(Death, [Delay | Kills]) ->
    timer:sleep(Delay),
    case whereis(victim) of
        undefined -> ok;
        Victim ->
            exit(Victim, kill),
            io:format("killed the process~n")
    end,
    strike(Death, Kills);
strike(none, []) -> ok;
strike(halt, []) ->
    timer:sleep(rand:uniform(100)),
    erlang:halt(7, [{flush, false}]);
strike(_, []) ->
    timer:sleep(rand:uniform(100)),
    io:format("kill me~n").
