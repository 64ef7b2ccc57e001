%% @doc Simulates whole meshes in virtual time, in one process, repeatable from a seed: how the
%% network, its faults and liars affect nodes that evolve together.
%%
%% ```
%% 1> #{best := Best, failures := []} =
%%        cambrian_simulation:run(#{seed => 1, nodes => 3, duration_ms => 60_000,
%%                                  quiet_ms => 40_000, generation_ms => 1000, loss => 0.1}).
%% 2> length(lists:usort(maps:values(Best))).
%% 1
%% '''
-module(cambrian_simulation).

-export([run/1, plan/1, ordeal/1, ordeals/1, replay/1, pace/1, paces/1]).
-export_type([options/0, result/0, flaw/0, pace/0]).

-type options() :: #{seed := integer(), nodes := pos_integer(), duration_ms := pos_integer(),
                     quiet_ms => non_neg_integer(), liars => float(),
                     faults => [{At :: non_neg_integer(), cambrian_world:fault()}],
                     agents => pos_integer(), task => cambrian_task:native(),
                     generation_ms => pos_integer(), latency => cambrian_ether:latency(),
                     loss => float(), duplication => float(), exchange => map(),
                     atom() => term()}.
%% `faults' lists faults with their time in ms from the start, and `liars' is the share of lying
%% nodes. The simulation takes `duration_ms' of virtual time, and the last `quiet_ms' of it have no
%% generation.

-type result() :: #{seed := integer(),
                    best := #{cambrian_world:index() => none | {float(), cambrian_genotype:id()}},
                    refused := #{cambrian_world:index() => #{atom() => pos_integer()}},
                    banned := #{cambrian_world:index() =>
                                    [cambrian_world:index() | cambrian_bans:subject()]},
                    bytes_per_second := #{cambrian_world:index() =>
                                              #{sent | received | uploaded => float()}},
                    events := #{atom() => pos_integer()}, failures := [cambrian_world:failure()]}.
%% For each honest node: the best genotype that it measured, its refusals, and the keys that it
%% banned. Bytes per second are of every node: `sent' counts a publication once for each receiver,
%% `uploaded' once.

-type flaw() :: {crashed, cambrian_world:index(), term(), term()}
              | {unsound, cambrian_world:index(), [term()]}
              | {not_banned, By :: cambrian_world:index(), Liar :: cambrian_world:index(),
                 Lies :: pos_integer()}
              | {banned_honest, By :: cambrian_world:index(), cambrian_world:index()}
              | {slowed, cambrian_world:index(), Generations :: non_neg_integer(),
                 OfThese :: float()}
              | {apart, [{cambrian_world:index(), none | {float(), cambrian_genotype:id()}}]}
              | {lost, Best :: float(), Left :: none | float()}.
%% A flaw: something that must not happen.

-type pace() :: {Seed :: integer(), cambrian_world:index(), Generations :: non_neg_integer(),
                 WithoutLiars :: non_neg_integer()}.
%% The number of generations of an honest node, and the number if the liars are silent.

%% So many lies must lead to a ban.
-define(HANDFUL, 8).
-define(AGENTS, 20).
-define(LOOK_MS, 10_000).
%% A pace is measured for so many times longer than an ordeal, so that the possible burst of liars
%% at the start has little influence.
-define(LONGER, 10).
%% The least share of its generations that an honest node keeps under any messages of liars.
-define(PACE, 0.85).

%% @doc Simulates a mesh by its options.
%%
%% ```
%% 1> #{best := Best} = cambrian_simulation:run(#{seed => 7, nodes => 2, duration_ms => 5000,
%%                                                faults => [{0, {split, [[1]]}}],
%%                                                generation_ms => 1000}).
%% 2> length(lists:usort(maps:values(Best))).
%% 2
%% '''
-spec run(options()) -> result().
run(#{duration_ms := Duration} = Options) ->
    Quiet = maps:get(quiet_ms, Options, 0),
    World = cambrian_world:alarm(over, Duration,
                                 cambrian_world:alarm(quiet, Duration - Quiet, prepare(Options))),
    result(Options, until(over, World)).

prepare(#{nodes := Nodes} = Options) ->
    cambrian_memo:forget(),
    Liars = round(maps:get(liars, Options, 0.0) * Nodes),
    World = cambrian_world:new((maps:without([faults, duration_ms, quiet_ms],
                                             Options))#{liars => Liars}),
    lists:foldl(fun({At, Fault}, W) -> cambrian_world:alarm({fault, Fault}, At, W) end, World,
                maps:get(faults, Options, [])).

until(Alarm, World) ->
    case cambrian_world:run(World) of
        {{fault, Fault}, Next} -> until(Alarm, cambrian_world:fault(Fault, Next));
        {Alarm, Next} -> Next;
        {quiet, Next} -> until(Alarm, cambrian_world:stop_breeding(Next));
        {failed, Next} -> Next
    end.

result(#{seed := Seed, duration_ms := Duration}, World) ->
    Honest = [Index || Index <- cambrian_world:honest(World), cambrian_world:is_up(Index, World)],
    Of = fun(Fun) -> maps:from_list([{Index, Fun(Index)} || Index <- Honest]) end,
    Trust = fun(Index) ->
                Island = cambrian_world:value(Index, World),
                cambrian_realm:report(cambrian_island:trust(Island))
            end,
    Banned = fun(Index) ->
                 [who(What, World) || #{what := What} <- maps:get(bans, Trust(Index))]
             end,
    #{seed => Seed, best => Of(fun(Index) -> cambrian_world:best(Index, World) end),
      refused => Of(fun(Index) -> maps:get(refused, Trust(Index)) end),
      banned => Of(Banned),
      bytes_per_second => rates(Duration, World),
      events => cambrian_world:events(World), failures => cambrian_world:failures(World)}.

rates(Duration, World) ->
    Uploads = cambrian_world:uploads(World),
    maps:map(fun(Index, #{bytes_sent := Sent, bytes_received := Received}) ->
                 maps:map(fun(_, Bytes) -> Bytes * 1000 / Duration end,
                          #{sent => Sent, received => Received,
                            uploaded => maps:get(Index, Uploads)})
             end, cambrian_world:traffic(World)).

%% Replaces a key by the node that it belongs to.
who({key, Key} = What, World) ->
    Everybody = cambrian_world:honest(World) ++ cambrian_world:liars(World),
    case [Index || {Index, Known} <- keys(Everybody, World), Known =:= Key] of
        [Index] -> Index;
        [] -> What
    end;
who(What, _World) -> What.

keys(Indices, World) ->
    [{Index, Key} || Index <- Indices, Key <- cambrian_world:keys(Index, World)].

%%% ---- ordeals ----------------------------------------------------------------------------

%% @doc The ordeal of a seed: 5 to 12 nodes, a fifth of them liars, 30 % loss, one or two partitions
%% that heal, and a power cut for half of the nodes.
%%
%% ```
%% 1> #{loss := Loss, liars := Liars} = cambrian_simulation:plan(1).
%% 2> {Loss, Liars}.
%% {0.3,0.2}
%% '''
-spec plan(Seed :: integer()) -> options().
plan(Seed) ->
    Rand = rand:seed_s(exsss, Seed),
    {Nodes, R1} = between(5, 12, Rand),
    {Slow, R2} = between(20, 400, R1),
    {Noisy, R3} = between(40_000, 90_000, R2),
    {Partitions, R4} = partitions(Nodes, Noisy, R3),
    {Cuts, R5} = power_cuts(Nodes, Noisy, R4),
    {Generation, R6} = between(2_000, 8_000, R5),
    {Liar, _} = character(R6),
    #{seed => Seed, nodes => Nodes, liars => 0.2, task => 'xor', agents => ?AGENTS,
      generation_ms => Generation,
      evaluation_ms => Generation div ?AGENTS, island => fun(_) -> #{works => true} end,
      latency => {1, Slow}, loss => 0.3,
      duplication => 0.05, lie_ms => 2000, liar => Liar, duration_ms => Noisy, faults => Partitions
          ++ Cuts}.

%% In half of the meshes the liars tell only three kinds of lies.
character(Rand) ->
    {Few, R1} = rand:uniform_s(2, Rand),
    {Lies, R2} = shuffled(cambrian_liar:lies(), R1),
    {Answers, R3} = shuffled(cambrian_liar:answers(), R2),
    {case Few of
         1 -> #{lies => lists:sublist(Lies, 3), answers => lists:sublist(Answers, 2)};
         2 -> #{}
     end, R3}.

between(From, To, Rand) ->
    {Drawn, Next} = rand:uniform_s(To - From + 1, Rand),
    {From + Drawn - 1, Next}.

%% The first partition is in the first half of the time; the second, if there is one, in the second
%% half.
partitions(Nodes, Noisy, Rand) ->
    {One, R1} = partition(Nodes, 0, Noisy div 2, Rand),
    {Two, R2} = partition(Nodes, Noisy div 2, Noisy, R1),
    {Twice, R3} = rand:uniform_s(R2),
    {case Twice < 0.5 of true -> One ++ Two; false -> One end, R3}.

partition(Nodes, From, To, Rand) ->
    {At, R1} = between(From, To, Rand),
    {Until, R2} = between(At, To, R1),
    {Order, R3} = shuffled(lists:seq(1, Nodes), R2),
    {Size, R4} = between(1, Nodes - 1, R3),
    {[{At, {split, [lists:sublist(Order, Size)]}}, {Until, heal}], R4}.

power_cuts(Nodes, Noisy, Rand) ->
    {Order, Next} = shuffled(lists:seq(1, Nodes), Rand),
    cuts(lists:sublist(Order, (Nodes + 1) div 2), Noisy, Next).

cuts(Indices, Noisy, Rand) ->
    {Pairs, Last} = lists:mapfoldl(fun(Index, R) ->
                                       {At, Next} = between(1, Noisy - 1000, R),
                                       {For, After} = between(100, min(20_000, Noisy - At), Next),
                                       {[{At, {crash, [Index]}}, {At + For, {restart, [Index]}}],
                                        After}
                                   end, Rand, Indices),
    {lists:append(Pairs), Last}.

shuffled(List, Rand) ->
    {Drawn, Next} = lists:mapfoldl(fun(Item, R) -> {X, R1} = rand:uniform_s(R), {{X, Item}, R1} end,
                                   Rand, List),
    {[Item || {_, Item} <- lists:sort(Drawn)], Next}.

%% @doc Simulates the ordeal of a seed, then gives the mesh time while liars continue, and checks
%% for flaws.
%%
%% ```
%% 1> cambrian_simulation:ordeal(1).
%% ok
%% '''
-spec ordeal(Seed :: integer()) -> ok | {flawed, Seed :: integer(), [flaw()]}.
ordeal(Seed) -> suffer(plan(Seed)).

%% @doc Runs the ordeals of many seeds, as many at once as there are schedulers. Returns those with
%% flaws.
%%
%% ```
%% 1> cambrian_simulation:ordeals(lists:seq(1, 4)).
%% []
%% '''
-spec ordeals([Seed :: integer()]) -> [{flawed, Seed :: integer(), [flaw()]}].
ordeals(Seeds) ->
    lists:keysort(2, [Flawed || Flawed <- side_by_side(fun ordeal/1, Seeds), Flawed =/= ok]).

%% Runs as many at once as there are schedulers.
-dialyzer({nowarn_function, side_by_side/2}).
side_by_side(Do, Seeds) ->
    Count = erlang:system_info(schedulers_online),
    Dealt = [[Seed || {N, Seed} <- lists:zip(lists:seq(1, length(Seeds)), Seeds),
              N rem Count =:= Mine]
             || Mine <- lists:seq(0, Count - 1)],
    Workers = [spawn_monitor(fun() -> exit({done, [Do(Seed) || Seed <- Mine]}) end)
               || Mine <- Dealt],
    lists:append([receive {'DOWN', Ref, process, _, {done, Answers}} -> Answers;
                          {'DOWN', Ref, process, _, Reason} -> exit(Reason)
                  end || {_, Ref} <- Workers]).

%% @doc Measures how many generations the liars cost each honest node. The mesh of a seed runs with
%% all its faults for ten times as long, once with its liars and once with silent liars.
%%
%% ```
%% 1> [{3, Index, Generations, WithoutLiars} | _] = cambrian_simulation:pace(3).
%% 2> Generations >= 0.85 * WithoutLiars.
%% true
%% '''
-spec pace(Seed :: integer()) -> [pace()].
pace(Seed) ->
    #{duration_ms := Noisy} = Plan = plan(Seed),
    Longer = Plan#{duration_ms := ?LONGER * Noisy},
    lists:zipwith(fun({Index, Generations}, {Index, WithoutLiars}) ->
                      {Seed, Index, Generations, WithoutLiars}
                  end,
                  generations(Longer),
                  generations(Longer#{liar := #{lies => [], answers => [none]}})).

generations(#{duration_ms := Duration} = Plan) ->
    World = until(quiet, cambrian_world:alarm(quiet, Duration, prepare(Plan))),
    [{Index, Generations} || Index <- cambrian_world:honest(World),
                             #{generations := Generations} <- [cambrian_world:pace(Index, World)]].

%% @doc Does the same for many seeds, as many at once as there are schedulers.
%%
%% ```
%% 1> cambrian_simulation:paces([]).
%% []
%% '''
-spec paces([Seed :: integer()]) -> [pace()].
paces(Seeds) -> lists:sort(lists:append(side_by_side(fun pace/1, Seeds))).

%% @doc Simulates the ordeal of a seed and prints every step of every node: for the analysis of a
%% seed that fails.
%%
%% ```
%% 1> is_function(fun cambrian_simulation:replay/1).
%% true
%% '''
-spec replay(Seed :: integer()) -> ok | {flawed, Seed :: integer(), [flaw()]}.
replay(Seed) -> suffer((plan(Seed))#{trace => fun print/3}).

print(Now, Index, What) ->
    io:format("~10.3f ~3b ~ts~n",
              [(Now - cambrian_world:beginning()) / 1000, Index,
               io_lib:format("~0tP", [told(What), 40])]).

%% Describes a step in a few words.
told({heard, Bytes}) ->
    case cambrian_message:kind(Bytes) of
        {heartbeat, _, _} -> heartbeat;
        {announcement, Urgency, Record, Address} ->
            {Urgency, Address, told_claims(cambrian_envelope:peek_record(Record))};
        {envelope, _} -> {envelope, byte_size(Bytes), told_claims(cambrian_envelope:read(Bytes))};
        Other when is_atom(Other) -> Other;
        Other -> element(1, Other)
    end;
told({answered, Ref, {ok, Bytes}}) -> {answered, Ref, byte_size(Bytes)};
told({evaluate, {Genotype, From}}) ->
    {evaluate, told_id(cambrian_genotype:id(Genotype)), maps:with([claimed], From)};
told({event, Name, Details}) -> {Name, maps:map(fun(_, V) -> told_id(V) end, Details)};
told(Other) -> Other.

told_claims({ok, _, Claims}) -> told_claims({ok, Claims});
told_claims({ok, #{fitness := Fitness, genotype := Id, origin := Origin}}) ->
    {Fitness, told_id(Id), by, told_id(Origin)};
told_claims(No) -> No.

told_id(<<Begin:4/binary, _:28/binary>>) -> binary_to_list(binary:encode_hex(Begin));
told_id(Other) -> Other.

suffer(#{seed := Seed, duration_ms := Noisy} = Plan) ->
    World = until(quiet, cambrian_world:alarm(quiet, Noisy, prepare(Plan))),
    case slowed(Plan, World) ++ rest(patience(), cambrian_world:stop_breeding(World)) of
        [] -> ok;
        Flaws -> {flawed, Seed, Flaws}
    end.

%% The nodes that liars slowed too much: they had fewer generations than they would have had without
%% the liars' newcomers. In each life that ended, one generation was not finished.
slowed(#{generation_ms := Generation}, World) ->
    Honest = [Key || {_, Key} <- keys(cambrian_world:honest(World), World)],
    [{slowed, Index, Generations, Possible}
     || Index <- cambrian_world:honest(World),
        #{generations := Generations, lives := Lives, up_ms := Up,
          measured_ms := Measured} <- [cambrian_world:pace(Index, World)],
        Possible <- [(Up - lists:sum(maps:values(maps:with(Honest, Measured)))) / Generation],
        Generations + Lives < ?PACE * Possible].

%% How often the mesh is checked for agreement.
patience() -> 180.

rest(Looks, World) ->
    case until(look, cambrian_world:alarm(look, ?LOOK_MS, World)) of
        Next when Looks > 0 ->
            case cambrian_world:failures(Next) =:= [] andalso disagreements(Next) =/= [] of
                true -> rest(Looks - 1, Next);
                false -> flaws(Next)
            end;
        Next -> flaws(Next)
    end.

flaws(World) ->
    case cambrian_world:failures(World) of
        [] -> disagreements(World) ++ broken(World) ++ unjust(World);
        Failures -> Failures
    end.

disagreements(World) ->
    Bests = [{Index, cambrian_world:best(Index, World)} || Index <- cambrian_world:honest(World)],
    Floor = cambrian_world:floor(World),
    case lists:usort([Best || {_, Best} <- Bests]) of
        [{Fitness, _}] when Fitness >= Floor -> [];
        [{Fitness, _}] -> [{lost, Floor, Fitness}];
        [none] when Floor =:= none -> [];
        [none] -> [{lost, Floor, none}];
        _ -> [{apart, Bests}]
    end.

broken(World) ->
    [{unsound, Index, Found} || Index <- cambrian_world:honest(World),
                                Island <- [cambrian_world:value(Index, World)],
                                Found <- [cambrian_island:unsound(Island)], Found =/= []].

unjust(World) ->
    Liars = keys(cambrian_world:liars(World), World),
    Honest = keys(cambrian_world:honest(World), World),
    lists:append([unjust(Index, cambrian_world:value(Index, World), Liars, Honest)
                  || Index <- cambrian_world:honest(World)]).

unjust(Index, Island, Liars, Honest) ->
    Trust = cambrian_island:trust(Island),
    #{lies := Lies} = cambrian_island:facts(Island),
    IsBanned = fun(Key) -> cambrian_realm:is_banned({key, Key}, Trust) end,
    [{not_banned, Index, Liar, maps:get(Key, Lies)}
     || {Liar, Key} <- Liars, maps:get(Key, Lies, 0) >= ?HANDFUL, not IsBanned(Key)]
        ++ [{banned_honest, Index, Other} || {Other, Key} <- Honest, IsBanned(Key)].
