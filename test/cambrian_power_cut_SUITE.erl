%% A VM is killed at fifty random moments, in three ways. Its population ends with the bytes of a
%% population that was not killed. So do two populations with an archive and a front, in a VM that
%% is killed at twenty moments.
-module(cambrian_power_cut_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

all() ->
    [a_population_killed_at_fifty_moments_ends_with_the_same_bytes,
     an_archive_and_a_front_after_twenty_kills_have_the_same_ids].

suite() -> [{timetrap, {minutes, 5}}].

%% The ends of a VM: it is killed from outside, it halts while threads of the library work, or it
%% is killed after some time without a writable file. Before each end of `victim' the population's
%% process is killed.
deaths(victim) -> [kill, halt, full_disk];
deaths(searches) -> [kill].

moments(victim) -> 50;
moments(searches) -> 20.

%% How often the process dies before its VM does, at most.
before(victim) -> 2;
before(searches) -> 0.

%% How long a VM lives after that, in ms, at most.
lives(victim) -> 100;
lives(searches) -> 300.

options(victim) ->
    [#{task => double_pole_novel, name => victim, seed => 5, population => 400, generations => 60,
       target => 99,
       checkpoint_interval => 0}];
options(searches) ->
    Emitters = #{emitters => [neat, iso_line, cma_me, cma_mae], emitter_batch => 20},
    [#{task => maze_medium, name => elites, search => map_elites, seed => 5, population => 100,
       generations => 40,
       target => 1000, params => Emitters, checkpoint_interval => 0},
     #{task => zdt1, name => front, search => pareto, seed => 5, population => 100,
       generations => 80, target => 99,
       checkpoint_interval => 0}].

a_population_killed_at_fifty_moments_ends_with_the_same_bytes(Config) ->
    dies_at_random_moments(victim, Config).

an_archive_and_a_front_after_twenty_kills_have_the_same_ids(Config) ->
    dies_at_random_moments(searches, Config).

dies_at_random_moments(Case, Config) ->
    Seed = case os:getenv("SEED") of false -> erlang:system_time(); Set -> list_to_integer(Set) end,
    ct:pal("SEED=~b", [Seed]),
    _ = rand:seed(exsss, Seed),
    Whole = undisturbed(Case),
    Endings = die(Case, Config, 0, 0, []),
    ?assertEqual([Whole], lists:usort(Endings)).

undisturbed(Case) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Results = [begin
                   {ok, P} =
                       cambrian_population:start(maps:without([name, checkpoint_interval],
                                                              Options)),
                   ok = cambrian_population:run(P),
                   {ok, Result} = cambrian_population:await(P, infinity),
                   Result
               end || Options <- options(Case)],
    ok = application:stop(cambrian),
    fingerprint(Results).

%% What the results are, with the ids of an archive and of all that is in a front.
fingerprint(Results) ->
    binary_to_list(iolist_to_binary(lists:join($\s, lists:map(fun one/1, Results)))).

one(#{champion := Champion, evaluations := Evaluations, generations := Generations} = Result) ->
    Fronts =
        [[cambrian_genotype:id(Genotype) || #{genotype := Genotype} <- Front]
         || #{front := Front} <- [Result]],
    Ids = [cambrian_archive:id(Archive) || #{archive := Archive} <- [Result]] ++ Fronts,
    Bytes = [cambrian_genotype:to_binary(Champion) | Ids],
    [binary:encode_hex(crypto:hash(sha256, Bytes)),
     io_lib:format(" ~b ~b", [Evaluations, Generations])].

%% Starts one VM after the other on the same directory. Once the run has ended, the next VM starts
%% a new one.
die(Case, Config, Run, Moments, Endings) ->
    case moments(Case) of
        Most when Moments >= Most, Endings =/= [] -> Endings;
        Most -> die(Case, Config, Run, Moments, Moments >= Most, Endings)
    end.

die(Case, Config, Run, Moments, Last, Endings) ->
    Dir = filename:join([proplists:get_value(priv_dir, Config), Case, integer_to_list(Run)]),
    Deaths = deaths(Case),
    Death = case Last of true -> none; false -> lists:nth(rand:uniform(length(Deaths)), Deaths) end,
    Kills =
        [20 + rand:uniform(150)
         || not Last, Most <- [before(Case)], Most > 0, _ <- lists:seq(1, rand:uniform(Most))],
    Before = generations(Case, Dir),
    case live(Case, Dir, Death, Kills) of
        {ended, Ending} ->
            ct:pal("run ~b ended after ~b deaths in all", [Run, Moments]),
            die(Case, Config, Run + 1, Moments, [Ending | Endings]);
        {died, Count} ->
            ct:pal("~p: from generation ~w to ~w on disk", [Death, Before, generations(Case, Dir)]),
            ?assert(generations(Case, Dir) =:= Before orelse Death =/= full_disk),
            die(Case, Config, Run, Moments + Count, Endings)
    end.

generations(Case, Dir) -> [generation(Dir, atom_to_list(Name)) || #{name := Name} <- options(Case)].

generation(Dir, Name) ->
    Files = filelib:wildcard(filename:join([Dir, "populations", Name, "*.checkpoint"])),
    lists:max([-1 | [list_to_integer(filename:basename(File, ".checkpoint")) || File <- Files]]).

%% Waits until the run has ended or the VM is dead.
live(Case, Dir, Death, Kills) ->
    Paths = [filename:dirname(code:which(Module)) || Module <- [cambrian, ?MODULE]],
    Call = io_lib:format("~s:child(~w, ~0p, ~w, ~w).", [?MODULE, Case, Dir, Death, Kills]),
    Limit = case Death of full_disk -> "trap '' XFSZ; ulimit -f 2; "; _ -> "" end,
    Erl = ["exec ", os:find_executable("erl"), " -noinput", [[" -pa ", Path] || Path <- Paths],
           " -eval '", Call, "'"],
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", lists:flatten([Limit, Erl])]}, {line, 1000}, exit_status,
                      stderr_to_stdout]),
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

child(Case, Dir, Death, Kills) ->
    logger:set_primary_config(level, critical),
    ok = application:load(cambrian),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = application:ensure_all_started(cambrian),
    Names = [Name || #{name := Name} <- options(Case)],
    Children = lists:map(fun cambrian_population:child_spec/1, options(Case)),
    {ok, _} = supervisor:start_link({local, keeper}, ?MODULE, Children),
    _ = [ok = cambrian_population:run(Name) || Name <- Names],
    _ = spawn_link(fun() -> strike(Death, Case, [{hd(Names), Delay} || Delay <- Kills]) end),
    io:format("ended ~s~n", [fingerprint(lists:map(fun await/1, Names))]),
    halt(0).

init(Children) -> {ok, {#{intensity => 1000, period => 1}, Children}}.

await(Name) ->
    try cambrian_population:await(Name, infinity) of
        {ok, Result} -> Result
    catch exit:_ -> await(Name)
    end.

strike(Death, Case, [{Name, Delay} | Kills]) ->
    timer:sleep(Delay),
    case whereis(Name) of
        undefined -> ok;
        Victim ->
            exit(Victim, kill),
            io:format("killed the process~n")
    end,
    strike(Death, Case, Kills);
strike(none, _Case, []) -> ok;
strike(halt, Case, []) ->
    timer:sleep(rand:uniform(lives(Case))),
    erlang:halt(7, [{flush, false}]);
strike(_, Case, []) ->
    timer:sleep(rand:uniform(lives(Case))),
    io:format("kill me~n").
