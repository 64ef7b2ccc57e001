%% @private
%% Measures in simulations what a mesh costs and gains, for `bench/mesh.escript' and for tests.
-module(cambrian_mesh_figures).

-export([mesh/1, spread/1, traffic/1, flood/1, islands/1, decisions/1]).

%% `sent' counts a publication once for each receiver, `uploaded' once.
-type rates() :: #{sent | received | uploaded => float()}.

-define(MINUTE, 60_000).

%% @doc Measures the bytes per second that each node of a settled mesh sends and receives over
%% `duration_ms'. After that, one node breeds a champion; measures how many ms each node takes, the
%% fastest first, to receive and measure it. Nodes without the champion after `wait_ms' are missing.
-spec mesh(map()) -> #{rates := #{cambrian_world:index() => rates()}, times := [non_neg_integer()],
                       champion := float()}.
mesh(#{duration_ms := Duration} = Options) ->
    Warm = warm(Options),
    Later = for(Duration, Warm),
    (spread(Later, Options))#{rates => rates(Duration, Warm, Later)}.

%% @doc Measures only the times until each node has the champion.
-spec spread(map()) -> #{times := [non_neg_integer()], champion := float()}.
spread(Options) -> spread(warm(Options), Options).

spread(World, #{nodes := Nodes} = Options) ->
    {Fitness, Champion} = better_than(cambrian_world:floor(World), Options),
    Added = cambrian_world:fault({add, Nodes, Champion}, cambrian_world:watch(Fitness, World)),
    Times = cambrian_world:watched(watching(maps:get(wait_ms, Options, 5 * ?MINUTE), Nodes, Added)),
    #{times => lists:sort(maps:values(Times)), champion => Fitness}.

watching(Left, Nodes, World) ->
    case Left =< 0 orelse map_size(cambrian_world:watched(World)) =:= Nodes of
        true -> World;
        false -> watching(Left - 1000, Nodes, for(1000, World))
    end.

%% A mesh in which all nodes know each other.
warm(Options) ->
    cambrian_memo:forget(),
    World = cambrian_world:new(maps:without([warm_ms, wait_ms, duration_ms], Options)),
    for(maps:get(warm_ms, Options, 5 * ?MINUTE), World).

for(Ms, World) ->
    {over, Next} = cambrian_world:run(cambrian_world:alarm(over, Ms, World)),
    Next.

%% A large population bred the champion alone.
better_than(Floor, #{seed := Seed} = Options) ->
    Task = maps:get(task, Options, 'xor'),
    better_than(Floor, Task, Seed,
                cambrian_colony:new(#{task => Task, agents => 150, seed => Seed}), 100).

better_than(Floor, Task, Seed, _Colony, 0) ->
    better_than(Floor, Task, Seed + 1,
                cambrian_colony:new(#{task => Task, agents => 150, seed => Seed + 1}), 100);
better_than(Floor, Task, Seed, Colony, Left) ->
    case cambrian_colony:champion(Colony) of
        #{champion := Genotype, fitness := Fitness} when Floor =:= none; Fitness > Floor ->
            {Fitness, Genotype};
        _ ->
            {_, Next} = cambrian_colony:generation(0, Colony),
            better_than(Floor, Task, Seed, Next, Left - 1)
    end.

%% @doc Measures only the bytes per second.
-spec traffic(map()) -> #{cambrian_world:index() => rates()}.
traffic(#{duration_ms := Duration} = Options) ->
    Warm = warm(Options),
    rates(Duration, Warm, for(Duration, Warm)).

rates(Duration, Before, After) ->
    Old = counted(Before),
    maps:map(fun(Index, New) ->
                 Was = maps:get(Index, Old),
                 maps:map(fun(What, Bytes) ->
                              (Bytes - maps:get(What, Was)) * 1000 / Duration
                          end, New)
             end, counted(After)).

counted(World) ->
    Uploads = cambrian_world:uploads(World),
    maps:map(fun(Index, #{bytes_sent := Sent, bytes_received := Received}) ->
                 #{sent => Sent, received => Received, uploaded => maps:get(Index, Uploads)}
             end, cambrian_world:traffic(World)).

%% @doc Counts the genotypes of honest nodes that the honest nodes measured while one origin sent so
%% many genotypes per second, all its own, new and true. Every honest node sends one per second, and
%% a node measures about ten per second.
-spec flood(map()) -> #{measured := non_neg_integer(), flooded := non_neg_integer()}.
flood(#{per_second := PerSecond, duration_ms := Duration} = Options) ->
    cambrian_memo:forget(),
    Liar = #{lies => [flood || PerSecond > 0], flood => {max(1, PerSecond div 10), [truth]},
             answers => [honest]},
    World = for(Duration, cambrian_world:new((maps:without([per_second, duration_ms], Options))
                                                 #{liars => 1, liar => Liar, lie_ms => 100,
                                                   evaluation_ms => 100,
                                                   exchange => #{policy => random,
                                                                 migration_interval => 1000}})),
    Keys = [Key || Index <- cambrian_world:honest(World), Key <- cambrian_world:keys(Index, World)],
    Measured = [maps:get(measured, cambrian_island:facts(cambrian_world:value(Index, World)))
                || Index <- cambrian_world:honest(World)],
    Sum = fun(Counts) -> lists:sum(lists:append([maps:values(Count) || Count <- Counts])) end,
    #{measured => Sum([maps:with(Keys, Count) || Count <- Measured]),
      flooded => Sum([maps:without(Keys, Count) || Count <- Measured])}.

%% @doc Counts the generations, and the evaluations of all islands, until one island solved the
%% task, and until all had; `none' if they did not within `max_generations'. With `share => false'
%% the islands never exchange genotypes.
-spec islands(map()) -> #{first | all => none | #{generations := pos_integer(),
                                                  evaluations := pos_integer()}}.
islands(#{islands := Nodes, share := Share, max_generations := Max} = Options) ->
    cambrian_memo:forget(),
    Given = maps:without([islands, share, max_generations], Options),
    World = cambrian_world:new(Given#{nodes => Nodes, generation_ms => 1000,
                                      island => fun(_) -> #{rests => true} end}),
    Alone = {split, [[Index] || Index <- lists:seq(1, Nodes)]},
    evolve(1, Max, #{first => none, all => none},
           case Share of true -> World; false -> cambrian_world:fault(Alone, World) end).

%% Runs until `all' is known, or until the last generation.
evolve(Generation, Max, Found, _World) when Generation > Max -> Found;
evolve(Generation, Max, Found, World) ->
    Next = for(1000, World),
    Colonies = [cambrian_island:colony(cambrian_world:value(Index, Next))
                || Index <- cambrian_world:honest(Next)],
    Solved = [Colony || Colony <- Colonies, cambrian_colony:is_solved(Colony)],
    Now = #{generations => Generation,
            evaluations => lists:sum([cambrian_colony:evaluations(Colony) || Colony <- Colonies])},
    case {Solved, length(Solved) =:= length(Colonies), Found} of
        {[], _, _} -> evolve(Generation + 1, Max, Found, Next);
        {_, false, #{first := none}} -> evolve(Generation + 1, Max, Found#{first := Now}, Next);
        {_, false, _} -> evolve(Generation + 1, Max, Found, Next);
        {_, true, #{first := none}} -> #{first => Now, all => Now};
        {_, true, _} -> Found#{all := Now}
    end.

%% @doc Measures how many messages per second one node handles on one core, by the real clock. `new'
%% are envelopes of unknown genotypes: the node opens them and offers them for measurement. `known'
%% are announcements of genotypes that it has measured, and `replayed' are messages that it already
%% had.
-spec decisions(map()) -> #{new | known | replayed => float()}.
decisions(#{origins := Origins, each := Each}) ->
    Realm = <<"org.example.simulation">>,
    Now = cambrian_world:beginning(),
    Secrets = [crypto:hash(sha256, <<N:32>>) || N <- lists:seq(1, Origins)],
    Sealed = [sealed(Realm, Secret, Now, Sequence, Sequence + Each * N)
              || Sequence <- lists:seq(1, Each),
              {N, Secret} <- lists:zip(lists:seq(1, Origins), Secrets)],
    Announced = [begin
                     Bytes = sealed(Realm, Secret, Now + 20_000, 1_000_000 + Sequence,
                                    Sequence + Each * N),
                     {ok, Envelope, _} = cambrian_envelope:read(Bytes),
                     cambrian_message:announcement(news, cambrian_envelope:record(Envelope),
                                                   <<"1">>)
                 end || Sequence <- lists:seq(1, Each),
                 {N, Secret} <- lists:zip(lists:seq(1, Origins), Secrets)],
    Trust = {fun cambrian_realm:ask/3, cambrian_realm:new(#{name => Realm})},
    {[_ | _], X} = cambrian_exchange:new(#{realm => Realm,
                                           identity => cambrian_identity:from_secret(<<1:256>>),
                                           address => <<"0">>, seed => 1, now => Now,
                                           trust => Trust}),
    {_, Joined} = cambrian_exchange:join(<<"xor">>, Now, X),
    {New, Full} = rate(Sealed, Now, Joined),
    {Replayed, Same} = rate(Sealed, Now + 10, Full),
    {Known, _} = rate(Announced, Now + 20_000, Same),
    #{new => New, replayed => Replayed, known => Known}.

sealed(Realm, Secret, Now, Sequence, Seed) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed),
    {ok, Bytes} = cambrian_envelope:seal(#{realm => Realm, task => <<"xor">>, fitness => 0.0,
                                           generation => 1, sequence => Sequence,
                                           time => Now}, Genotype, Secret),
    Bytes.

%% The population answers at once.
rate(Messages, Now, X) ->
    _ = erlang:garbage_collect(),
    Decide = fun(Bytes, Y) -> decided(cambrian_exchange:heard(Bytes, Now, Y), Now) end,
    {Us, Next} = timer:tc(fun() -> lists:foldl(Decide, X, Messages) end),
    {length(Messages) * 1.0e6 / Us, Next}.

decided({Effects, X}, Now) ->
    lists:foldl(fun({offer, Task, Genotype, _}, Y) ->
                        Verdict = #{id => cambrian_genotype:id(Genotype), outcome => not_better,
                                    fitness => 0.0},
                        decided(cambrian_exchange:judged(Task, Verdict, Now, Y), Now);
                   (_, Y) -> Y
                end, X, Effects).
