%% @doc Ordeals of common archives: a mesh whose populations share the archive of a task, with
%% losses, a partition that heals, and nodes that lie about elites.
%%
%% ```
%% 1> #{agreed_ms := Ms, flaws := []} =
%%        cambrian_archive_ordeal:run(#{seed => 1, nodes => 5, liars => 0.2}).
%% 2> is_integer(Ms).
%% true
%% '''
-module(cambrian_archive_ordeal).

-export([run/1]).
-export_type([options/0, result/0, flaw/0]).

%% `liars' is the share of nodes that lie. All other options are those of {@link
%% cambrian_world:new/1}.
-type options() :: #{seed := integer(), nodes := pos_integer(), liars => float(), loss => float(),
                     atom() => term()}.
%% `agreed_ms' is how long after the partition has healed the archives of all honest nodes had the
%% same id, `apart' how many ids there were before it healed. `elites' is how many the archive has,
%% `shared' how many of them each node had to take in on average. `bytes_per_second' is what
%% comparisons cost each honest node once the archives agree.
-type result() :: #{agreed_ms := never | non_neg_integer(), apart := pos_integer(),
                    elites := non_neg_integer(), shared := float(), lies := non_neg_integer(),
                    bytes_per_second := float(), flaws := [flaw()]}.
%% A flaw: something that must not happen.
-type flaw() :: {crashed, cambrian_world:index(), term(), term()} | apart
              | {false_elite, Cell :: non_neg_integer()}
              | {not_banned, By :: cambrian_world:index(), Liar :: cambrian_world:index()}
              | {banned_honest, By :: cambrian_world:index(), cambrian_world:index()}.

-define(CELLS, 64).
-define(TASK, maze_medium).
%% Populations breed for so long, and rest then. The partition heals later.
-define(BREEDING_MS, 20_000).
-define(APART_MS, 60_000).
-define(LOOK_MS, 10_000).
-define(LOOKS, 180).
%% Until comparisons are as seldom as they become, and how long they are counted.
-define(CALM_MS, 240_000).
-define(QUIET_MS, 300_000).
%% So many lies must lead to a ban.
-define(HANDFUL, 8).

%% @doc Simulates the ordeal.
%%
%% ```
%% 1> #{bytes_per_second := Bytes} = cambrian_archive_ordeal:run(#{seed => 2, nodes => 3}).
%% 2> Bytes < 200.
%% true
%% '''
-spec run(options()) -> result().
run(#{nodes := Nodes} = Options) ->
    cambrian_memo:forget(),
    Begun = cambrian_world:fault({split, thirds(Nodes)}, cambrian_world:new(options(Options))),
    Bred = cambrian_world:stop_breeding(for(?BREEDING_MS, Begun)),
    Apart = for(?APART_MS, Bred),
    {Agreed, World} = agree(?LOOKS, cambrian_world:fault(heal, Apart)),
    Calm = for(?CALM_MS, World),
    Quiet = for(?QUIET_MS, Calm),
    Cost = (compared(Quiet) - compared(Calm)) / length(cambrian_world:honest(Quiet)),
    %% a liar may have shown an elite that is one
    {_, Last} = agree(?LOOKS, Quiet),
    Elites = cambrian_archive:elites(archive(hd(cambrian_world:honest(Last)), Last)),
    #{agreed_ms => Agreed, apart => length(ids(Apart)), elites => length(Elites),
      shared => accepted(Last), lies => lies(Last),
      bytes_per_second => Cost * 1000 / ?QUIET_MS, flaws => flaws(Elites, Last)}.

options(#{nodes := Nodes} = Options) ->
    Params = #{search => map_elites, cells => ?CELLS},
    Liar = #{lies => [false_root], answers => [honest, none, never, garbage, huge],
             nodes => Nodes, subject => subject(Params)},
    Defaults = #{task => ?TASK, agents => 8, params => Params, generation_ms => 10_000,
                 lie_ms => 20_000, loss => 0.3, liar => Liar,
                 exchange => #{common_archive => true}},
    maps:merge(Defaults, Options#{liars => round(maps:get(liars, Options, 0.0) * Nodes)}).

%% The subject of all replicas.
subject(Params) ->
    Colony = cambrian_colony:new(#{task => ?TASK, agents => 8, params => Params, seed => 1}),
    {ok, Archive} = cambrian_colony:archive(Colony),
    cambrian_common_archive:subject(cambrian_common_archive:new(Archive)).

%% Each third has its share of liars, who are the first nodes.
thirds(Nodes) -> [lists:seq(First, Nodes, 3) || First <- [1, 2, 3]].

for(Ms, World) ->
    case cambrian_world:run(cambrian_world:alarm(over, Ms, World)) of
        {over, Next} -> Next;
        {failed, Next} -> Next
    end.

agree(Looks, World) -> agree(0, Looks, World).

agree(Ms, Looks, World) ->
    case ids(World) of
        [_] -> {Ms, World};
        _ when Looks =:= 0 -> {never, World};
        _ ->
            case cambrian_world:failures(World) of
                [] -> agree(Ms + ?LOOK_MS, Looks - 1, for(?LOOK_MS, World));
                _ -> {never, World}
            end
    end.

ids(World) ->
    lists:usort([cambrian_archive:id(archive(Index, World))
                 || Index <- cambrian_world:honest(World)]).

archive(Index, World) ->
    Colony = cambrian_island:colony(cambrian_world:value(Index, World)),
    {ok, Archive} = cambrian_colony:archive(Colony),
    Archive.

facts(World) ->
    [cambrian_island:facts(cambrian_world:value(Index, World))
     || Index <- cambrian_world:honest(World)].

compared(World) -> lists:sum([Bytes || #{compared := Bytes} <- facts(World)]).

accepted(World) ->
    All = [Accepted || #{accepted := Accepted} <- facts(World)],
    lists:sum(All) / length(All).

lies(World) ->
    lists:sum([lists:sum(maps:values(Lies)) || #{lies := Lies} <- facts(World)]).

%%% ---- flaws ------------------------------------------------------------------------------

flaws(Elites, World) ->
    case cambrian_world:failures(World) of
        [] -> [apart || length(ids(World)) > 1] ++ false_elites(Elites) ++ unjust(World);
        Failures -> Failures
    end.

%% Whatever anybody claimed: the task itself says what an elite is.
false_elites(Elites) ->
    [{false_elite, Cell}
     || #{cell := Cell, genotype := Genotype, fitness := Fitness, behaviour := Behaviour} <- Elites,
        {Fitness, Behaviour} =/= {cambrian_colony:measure(Genotype, ?TASK),
                                  cambrian_colony:behaviour(Genotype, ?TASK)}].

unjust(World) ->
    Liars = keys(cambrian_world:liars(World), World),
    Honest = keys(cambrian_world:honest(World), World),
    lists:append([unjust(Index, cambrian_world:value(Index, World), Liars, Honest)
                  || Index <- cambrian_world:honest(World)]).

keys(Indices, World) ->
    [{Index, Key} || Index <- Indices, Key <- cambrian_world:keys(Index, World)].

unjust(Index, Island, Liars, Honest) ->
    #{lies := Lies} = cambrian_island:facts(Island),
    Trust = cambrian_island:trust(Island),
    IsBanned = fun(Key) -> cambrian_realm:is_banned({key, Key}, Trust) end,
    [{not_banned, Index, Liar}
     || {Liar, Key} <- Liars, maps:get(Key, Lies, 0) >= ?HANDFUL, not IsBanned(Key)]
        ++ [{banned_honest, Index, Other} || {Other, Key} <- Honest, IsBanned(Key)].
