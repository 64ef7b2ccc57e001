%% Runs of populations, for their suites.
-module(cambrian_populations).
-behaviour(supervisor).
-export([options/1, champion_of/1, run_whole/1, wait_for_generation/2, flush/0, await_return/2,
         events/1, bloated/2, started/1, with_dir/2, end_all/0, init/1]).

started(Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Config.

%% With a directory for this case.
with_dir(Case, Config) ->
    [{dir, filename:join(proplists:get_value(priv_dir, Config), Case)} | Config].

end_all() ->
    _ = application:unset_env(cambrian, data_dir),
    ok = cambrian_governor:configure(#{pause_when => none}),
    lists:foreach(fun end_quietly/1, [here, doomed, solid]).

%% Stops the population if its supervisor still has it.
end_quietly(Name) ->
    try cambrian_population:stop(Name) catch exit:_ -> ok end.

options(Seed) ->
    #{task => double_pole_novel, seed => Seed, population => 200, generations => 40, target => 99}.

champion_of({ok,
             #{champion := Champion, generations := Generations, evaluations := Evaluations}}) ->
    {cambrian_genotype:id(Champion), Generations, Evaluations}.

run_whole(Options) ->
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    Result = champion_of(cambrian_population:await(P, 60_000)),
    ok = cambrian_population:stop(P),
    Result.

wait_for_generation(Name, Wanted) ->
    ok = cambrian_population:subscribe(Name),
    receive {cambrian, Name, {generation, #{generation := G}}} when G >= Wanted -> ok
    after 300_000 -> error({no_progress, Name, Wanted})
    end.

flush() -> receive {cambrian, _, _} -> flush() after 0 -> ok end.

await_return(Name, Dead) ->
    case whereis(Name) of
        Pid when is_pid(Pid), Pid =/= Dead -> Pid;
        _ -> erlang:yield(), await_return(Name, Dead)
    end.

events(Name) -> receive {cambrian, Name, Event} -> [Event | events(Name)] after 0 -> [] end.

%% A genotype with the same outputs and so many idle neurons more.
bloated(Genotype, Count) ->
    #{nodes := Nodes, connections := Connections} = Genes = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Idle = [1000 + N || N <- lists:seq(1, Count)],
    {ok, Bloated} = cambrian_genotype:from_map(Genes#{
        nodes := Nodes ++ [#{id => Id, layer => 1 bsl 62, activation => tanh, dynamics => ltc,
                             time_constant => 1.0} || Id <- Idle],
        connections := Connections ++ [#{from => Id, to => Output, weight => 0.0, enabled => true}
                                       || Id <- Idle]}),
    Bloated.

%% Of the supervisor of a user, who has populations below it.
init(Flags) -> {ok, Flags}.
