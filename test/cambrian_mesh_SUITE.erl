%% Three real nodes that exchange champions and archives.
-module(cambrian_mesh_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).
-import(cambrian_mesh_peers, [bridge/2, bridge/3, judged/2, kept/2, meet/2, nodes_of/1,
                              population/2, publish/2, received/3, trust/3]).

-define(REALM, <<"org.example.test">>).

all() ->
    [a_champion_reaches_all_nodes, realms_are_apart,
     the_same_seed_gives_the_same_champion_on_another_node,
     a_population_that_crashed_takes_part_again, small_champions_are_sent_and_larger_ones_asked_for,
     a_very_large_champion_is_fetched_as_a_blob,
     after_a_partition_all_nodes_hold_the_better_champion, three_archives_become_one,
     bridges_start_by_the_environment_of_the_application, a_node_may_be_in_two_realms,
     a_policy_publishes_migrants, a_node_of_a_ring_takes_only_from_the_node_before_it,
     a_node_takes_from_the_nearest_node].

init_per_testcase(_, Config) -> cambrian_mesh_peers:three(Config).

end_per_testcase(_, Config) -> cambrian_mesh_peers:stop(Config).

%% The first node solves XOR; the other two stay idle at generation 0 and take its champion in.
a_champion_reaches_all_nodes(Config) ->
    [One | Others] = Peers = nodes_of(Config),
    Recorders =
        [population(Peer, #{seed => Seed}) || {Peer, Seed} <- lists:zip(Peers, [42, 43, 44])],
    _ = [bridge(Peer, ?REALM) || Peer <- Peers],
    meet(One, 3),
    %% an idle population measures newcomers at once, but only after its first generation
    _ = [{ok, _} = peer:call(Peer, cambrian_population, step, [shared, 1]) || Peer <- Others],
    ok = peer:call(One, cambrian_population, run, [shared]),
    {ok, #{fitness := Fitness}} = peer:call(One, cambrian_population, await, [shared, 20_000]),
    Origin = peer:call(One, cambrian_bridge, identity, []),
    _ = [until(fun() -> best_from(Origin, Peer, Recorder) =:= Fitness end)
         || {Peer, Recorder} <- lists:zip(Others, tl(Recorders))],
    _ = [begin
             ?assertMatch([#{accepted := N}] when N > 0,
                          [Known
                           || #{origin := From} =
                               Known <- peer:call(Peer, cambrian_bridge, list_nodes, []),
                           From =:= Origin]),
             ?assertMatch(#{<<"xor">> := #{fitness := Fitness, origin := Origin}},
                          peer:call(Peer, cambrian_bridge, global_best, [])),
             %% the claimed fitness was true
             ?assert(trust(Peer, reputation, [Origin]) > 0.5),
             %% the other nodes know its parents too
             [#{parents := Parents, operators := Operators} | _] =
                 peer:call(One, ?MODULE, lineage_of_best, []),
             [#{origin := Signer, parents := Parents, operators := Names} | _] =
                 peer:call(Peer, ?MODULE, lineage_of_best, []),
             ?assertEqual({Origin, lists:map(fun atom_to_binary/1, Operators)}, {Signer, Names})
         end || Peer <- Others].

lineage_of_best() ->
    #{<<"xor">> := #{genotype := Best}} = cambrian_bridge:global_best(),
    {ok, Lineage} = cambrian:lineage(Best),
    Lineage.

%% Steps one generation; then the best fitness that this node measured of genotypes of the origin.
best_from(Origin, Peer, Recorder) ->
    #{received := Received} = peer:call(Peer, cambrian_recorder, read, [Recorder]),
    lists:max([0.0
               | [Fitness || #{from := From, fitness := Fitness} <- Received, From =:= Origin]]).

%% Three archives become one, by what each node measured.
three_archives_become_one(Config) ->
    Peers = nodes_of(Config),
    Options =
        #{task => maze_medium, search => map_elites, target => 1000,
          params => #{cells => 100, population => 20}},
    _ = [population(Peer, Options#{seed => Seed}) || {Peer, Seed} <- lists:zip(Peers, [1, 2, 3])],
    _ = [bridge(Peer, ?REALM, #{populations => [shared], common_archive => true}) || Peer <- Peers],
    _ = [{ok, _} = peer:call(Peer, cambrian_population, step, [shared, 2]) || Peer <- Peers],
    [{_, _}, {_, _}, {_, _}] = lists:usort([archive_of(Peer) || Peer <- Peers]),
    {ok, Union} =
        cambrian_archive:merge(archive_here(hd(Peers)), archive_here(lists:nth(2, Peers))),
    {ok, All} = cambrian_archive:merge(Union, archive_here(lists:nth(3, Peers))),
    until(fun() ->
        lists:usort([Id
                     || {Id, _} <- [archive_of(Peer)
                                    || Peer <- Peers]]) =:= [cambrian_archive:id(All)] end),
    %% nobody was taken for a liar, and what came is known by who bred it
    _ = [begin
             #{origins := Origins, bans := []} = trust(Peer, report, []),
             %% an elite of another node may have come by the third
             ?assertMatch([_ | _], maps:keys(Origins)),
             ?assertEqual([], [Lies || #{lies := Lies} <- maps:values(Origins), Lies > 0])
         end || Peer <- Peers].

archive_of(Peer) ->
    {ok, Bytes} = peer:call(Peer, ?MODULE, archive_bytes, []),
    {crypto:hash(sha256, Bytes), byte_size(Bytes)}.

archive_here(Peer) ->
    {ok, Bytes} = peer:call(Peer, ?MODULE, archive_bytes, []),
    {ok, Archive} = cambrian_archive:from_binary(Bytes),
    Archive.

archive_bytes() ->
    {ok, Archive} = cambrian_population:archive(shared),
    {ok, cambrian_archive:to_binary(Archive)}.

realms_are_apart(Config) ->
    [One, Two, Three] = nodes_of(Config),
    _ = [population(Peer, #{seed => 42}) || Peer <- [One, Two, Three]],
    bridge(One, ?REALM),
    bridge(Two, ?REALM),
    bridge(Three, <<"elsewhere">>),
    meet(One, 2),
    ok = peer:call(One, cambrian_population, run, [shared]),
    {ok, _} = peer:call(One, cambrian_population, await, [shared, 20_000]),
    until(fun() -> maps:is_key(received, peer:call(Two, cambrian_bridge, counts, [])) end),
    ?assertNot(maps:is_key(received, peer:call(Three, cambrian_bridge, counts, []))).

the_same_seed_gives_the_same_champion_on_another_node(Config) ->
    Peers = [Peer || {Peer, _} <- proplists:get_value(nodes, Config)],
    Options = #{task => double_pole_novel, seed => 5, generations => 15, target => 99},
    Champions = [begin
                     Recorder = population(Peer, Options),
                     ok = peer:call(Peer, cambrian_population, run, [shared]),
                     {ok, _} = peer:call(Peer, cambrian_population, await, [shared, 60_000]),
                     #{result := #{champion := Bytes}} =
                         peer:call(Peer, cambrian_recorder, read, [Recorder]),
                     Bytes
                 end || Peer <- Peers],
    ?assertMatch([_], lists:usort(Champions)).

a_population_that_crashed_takes_part_again(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [population(Peer, #{seed => 42}) || Peer <- [One, Two]],
    _ = [bridge(Peer, ?REALM) || Peer <- [One, Two]],
    meet(One, 2),
    Pid = peer:call(One, erlang, whereis, [shared]),
    true = peer:call(One, erlang, exit, [Pid, kill]),
    until(fun() -> peer:call(One, erlang, whereis, [shared]) =/= undefined end),
    ok = peer:call(One, cambrian_population, run, [shared]),
    until(fun() -> maps:is_key(published, peer:call(One, cambrian_bridge, counts, [])) end),
    until(fun() -> maps:is_key(received, peer:call(Two, cambrian_bridge, counts, [])) end).

%% A small champion is sent to all nodes at once. A larger one is announced, and nodes that lack
%% it ask for a difference if they hold a similar genotype, and otherwise for the whole.
small_champions_are_sent_and_larger_ones_asked_for(Config) ->
    [One, Two, _] = nodes_of(Config),
    _ = [takes_in(3, 1, Seed, Peer) || {Seed, Peer} <- [{1, One}, {2, Two}]],
    meet(One, 2),
    {Published, Stories} =
        lists:unzip([publish_sized(grown(Nodes), One, Two) || Nodes <- [0, 60, 61]]),
    ?assertMatch([[received, offered, judged], [announced, asked, received, offered, judged],
                  [announced, asked, received, offered, judged]],
                 [[Step || #{step := Step} <- Story] || Story <- Stories]),
    [Small, Medium, Grown] =
        [Bytes || Story <- Stories, #{step := received, bytes := Bytes} <- Story],
    [SmallWhole, MediumWhole, GrownWhole] = Published,
    ?assert(abs(Small - SmallWhole) < 16),
    ?assert(abs(Medium - MediumWhole) < 300),
    ?assert(Grown < GrownWhole div 2),
    ?assertMatch([#{outcome := _, origin := _, claimed := 1.0}, _, _],
                 peer:call(Two, cambrian_bridge, migrations, [])).

%% A node that holds no similar genotype fetches a very large one as a blob.
a_very_large_champion_is_fetched_as_a_blob(Config) ->
    [One, Two, _] = nodes_of(Config),
    takes_in(150, 100, 1, One),
    bridge(Two, ?REALM, #{}),
    {ok, _} =
        peer:call(Two, cambrian_bridge, subscribe_genotypes,
                  [all, peer:call(Two, erlang, whereis, [cambrian_sup])]),
    meet(One, 2),
    {ok, G} = cambrian_genotype:new(#{inputs => 150, outputs => 100}, 9),
    {Id, Whole} = peer:call(One, ?MODULE, publish_sized_here, [cambrian_genotype:to_binary(G)]),
    ?assert(Whole > 50_000),
    Received = until(fun() -> received_bytes(Two, Id) end),
    ?assert(abs(Received - Whole) < 16).

received_bytes(Peer, Id) ->
    case [Bytes
          || #{step := received, bytes := Bytes} <- peer:call(Peer, cambrian_bridge, why, [Id])] of
        [Bytes] -> Bytes;
        [] -> false
    end.

takes_in(Inputs, Outputs, Seed, Peer) ->
    ok = peer:call(Peer, ?MODULE, takes_in_here, [Inputs, Outputs, Seed]),
    bridge(Peer, ?REALM, #{populations => [taking], cost_bound => 1.0e9}).

%% An idle population after one generation.
takes_in_here(Inputs, Outputs, Seed) ->
    {ok, _} =
        cambrian_population:start(#{task => fun(_) -> 1.0 end, name => taking, inputs => Inputs,
                                    outputs => Outputs,
                                    population => 5, seed => Seed}),
    {ok, _} = cambrian_population:step(taking, 1),
    ok.

%% The size of its envelope, and its story on the second node.
publish_sized(Genotype, One, Two) ->
    {Id, Size} =
        peer:call(One, ?MODULE, publish_sized_here, [cambrian_genotype:to_binary(Genotype)]),
    {Size, until(fun() -> judged(Two, Id) end)}.

publish_sized_here(Genes) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Genes),
    #{task := Task} = cambrian_population:info(taking),
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => atom_to_binary(Task), fitness => 1.0,
                                 generation => 0, sequence => 1,
                                 time => erlang:system_time(millisecond)}, Genotype,
                               cambrian_identity:new()),
    {ok, Id} = cambrian_bridge:publish_genotype(Genotype, #{task => Task, fitness => 1.0}),
    {Id, byte_size(Bytes)}.

grown(Nodes) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 1),
    lists:foldl(fun(N, Before) -> {ok, After} = cambrian_genotype:mutate(Before, add_node, N), After
    end, G, lists:seq(1, Nodes)).

%% Both sides of a partition find a champion. After it, both hold the better one, and so does a
%% node that joins late.
after_a_partition_all_nodes_hold_the_better_champion(Config) ->
    [{One, NodeOne}, {Two, NodeTwo}, {Three, NodeThree}] = proplists:get_value(nodes, Config),
    _ = [begin population(Peer, #{seed => Seed}), bridge(Peer, ?REALM) end
         || {Peer, Seed} <- [{One, 42}, {Two, 7}]],
    Best = [begin
                ok = peer:call(Peer, cambrian_population, run, [shared]),
                {ok, #{fitness := Fitness}} =
                    peer:call(Peer, cambrian_population, await, [shared, 30_000]),
                Fitness
            end || Peer <- [One, Two]],
    [Low, High] = lists:sort(Best),
    ?assert(Low < High),
    pong = peer:call(One, net_adm, ping, [NodeTwo]),
    _ = [until(fun() -> best_fitness(Peer) =:= High end) || Peer <- [One, Two]],
    population(Three, #{seed => 3}),
    {ok, _} = peer:call(Three, cambrian_population, step, [shared, 1]),
    bridge(Three, ?REALM),
    pong = peer:call(Three, net_adm, ping, [NodeOne]),
    until(fun() -> best_fitness(Three) =:= High end),
    until(fun() ->
        length([there
                || #{alive := true} <- peer:call(Three, cambrian_bridge, list_nodes, [])]) =:= 2
    end),
    %% its population has taken the champion in
    ?assertMatch({ok, #{fitness := High}}, peer:call(Three, cambrian_population, best, [shared])),
    ?assertNotEqual(NodeThree, NodeOne).

best_fitness(Peer) ->
    case peer:call(Peer, cambrian_bridge, global_best, []) of
        #{<<"xor">> := #{fitness := Fitness}} -> Fitness;
        _ -> none
    end.

%% The environment of the application starts the bridges. In one realm the node only listens.
bridges_start_by_the_environment_of_the_application(Config) ->
    [One, Two | _] = nodes_of(Config),
    Environment =
        [{mesh_enabled, true}, {mesh_realm, "org.example.test"},
         {subscribe_to_realms, [<<"org.example.other">>, ?REALM]},
         {publish_best_fitness_threshold, 0.5}, {mesh_options, #{publish_interval => 10}}],
    ok = peer:call(One, application, stop, [cambrian]),
    _ = [ok = peer:call(One, application, set_env, [cambrian, Key, Value])
         || {Key, Value} <- Environment],
    {ok, _} = peer:call(One, application, ensure_all_started, [cambrian]),
    ?assertEqual([<<"org.example.other">>, ?REALM], peer:call(One, cambrian_bridge, realms, [])),
    bridge(Two, ?REALM),
    bridge(Two, <<"org.example.other">>),
    {ok, _} = peer:call(Two, cambrian_bridge, subscribe_genotypes, [all, self_there(Two)]),
    population(One, #{seed => 42}),
    ok = peer:call(One, cambrian_population, run, [shared]),
    until(fun() ->
        lists:usort([Realm
                     || #{received := N, realm := Realm} <- peer:call(Two, cambrian_bridge,
                                                                      list_nodes, []),
                     N > 0]) =:= [?REALM] end),
    {ok, _} = peer:call(One, cambrian_population, await, [shared, 30_000]),
    %% in the realm where it only listens, it publishes nothing
    ?assertEqual([?REALM], until(fun() -> published_in(One) end)),
    %% impossible settings are refused at the start
    ok = peer:call(One, application, stop, [cambrian]),
    _ = [begin
             Before = peer:call(One, application, get_env, [cambrian, Key, none]),
             ok = peer:call(One, application, set_env, [cambrian, Key, Value]),
             {error, {cambrian, Reason}} =
                 peer:call(One, application, ensure_all_started, [cambrian]),
             ?assertMatch({{bad_option, {Name, _, _}}, _} when Name =:= Key;
                          Name =:= budget, Reason),
             ok = peer:call(One, application, set_env, [cambrian, Key, Before])
         end || {Key, Value} <- [{mesh_enabled, yes}, {mesh_realm, 7}, {subscribe_to_realms, other},
                                 {publish_best_fitness_threshold, 7},
                                 {mesh_options, #{budget => 0}}]].

published_in(Peer) ->
    {ok, #{champion := Champion}} = peer:call(Peer, ?MODULE, best_id, []),
    Realms =
        [Realm
         || #{step := published, realm := Realm} <- peer:call(Peer, cambrian_bridge, why,
                                                              [Champion])],
    Realms =/= [] andalso lists:usort(Realms).

self_there(Peer) -> peer:call(Peer, erlang, whereis, [cambrian_realms]).

%% Each of two realms has its own champions, keys and counts.
a_node_may_be_in_two_realms(Config) ->
    [One, Two, Three] = nodes_of(Config),
    Other = <<"org.example.other">>,
    _ = [bridge(One, Realm, #{}) || Realm <- [?REALM, Other]],
    bridge(Two, ?REALM, #{}),
    bridge(Three, Other, #{}),
    ?assertEqual({error,
                  {already_started,
                   peer:call(One, cambrian_bridge_registry, whereis_name, [Other])}},
                 peer:call(One, cambrian_bridge, start, [#{realm => Other}])),
    {ok, G} = peer:call(One, ?MODULE, in_realm, [Other]),
    _ = until(fun() ->
        [] =/= [O
                || #{received := 1, origin := O} <- peer:call(Three, cambrian_bridge, list_nodes,
                                                              [])] end),
    ?assertEqual([],
                 [O
                  || #{received := N, origin := O} <- peer:call(Two, cambrian_bridge, list_nodes,
                                                                []), N > 0]),
    ?assertMatch([#{step := published, realm := Other}], peer:call(One, cambrian_bridge, why, [G])),
    %% with two identities the caller must name the realm to rotate; with one identity both realms
    %% rotate
    ?assertError({which_realm, [Other, ?REALM]}, peer:call(One, cambrian_bridge, rotate, [])),
    ok = peer:call(One, cambrian_bridge, stop, [Other]),
    ?assertEqual([?REALM], peer:call(One, cambrian_bridge, realms, [])),
    ok = peer:call(One, cambrian_bridge, stop, []),
    {File, Secret} = kept(Config, "of_both"),
    %% a key that could not be saved is not rotated
    bridge(One, ?REALM, #{identity => Secret}),
    bridge(One, Other, #{identity => File}),
    ?assertEqual({error, {no_identity_file, [?REALM]}},
                 peer:call(One, cambrian_bridge, rotate, [])),
    ok = peer:call(One, cambrian_bridge, stop, [?REALM]),
    bridge(One, ?REALM, #{identity => list_to_binary(File)}),
    {ok, Key} = peer:call(One, cambrian_bridge, rotate, []),
    ?assertMatch({ok, #{key := Key}}, cambrian_identity:load(File)),
    {ok, _} = peer:call(One, ?MODULE, in_realm, [Other]),
    _ = until(fun() -> received(Two, Key, Other) =:= 0 andalso received(Three, Key, Other) =:= 1
    end).

in_realm(Realm) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    ?assertError({which_realm, [_, _]},
                 cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 0})),
    cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 0, realm => Realm}).

%% Every 50 ms the policy picks a genotype other than the champion and publishes it.
a_policy_publishes_migrants(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [population(Peer, #{seed => Seed}) || {Peer, Seed} <- [{One, 42}, {Two, 43}]],
    {ok, _} = peer:call(One, cambrian_population, step, [shared, 3]),
    {ok, #{champion := Champion}} = peer:call(One, ?MODULE, best_id, []),
    bridge(One, ?REALM,
           #{populations => [shared], migration_policy => random, migration_interval => 50}),
    bridge(Two, ?REALM),
    {ok, _} = peer:call(Two, cambrian_population, step, [shared, 1]),
    meet(One, 2),
    Come =
        until(fun() ->
            Judged = peer:call(Two, cambrian_bridge, migrations, []),
            length(Judged) >= 5 andalso Judged end),
    ?assert(lists:any(fun(#{genotype := Id}) -> Id =/= Champion end, Come)),
    ?assertEqual([peer:call(One, cambrian_bridge, identity, [])],
                 lists:usort([Origin || #{origin := Origin} <- Come])),
    ?assertMatch([_], peer:call(Two, cambrian_trust, bans, [?REALM]) ++ [none]).

best_id() ->
    {ok, #{champion := Champion} = Best} = cambrian_population:best(shared),
    {ok, Best#{champion := cambrian_genotype:id(Champion)}}.

a_node_of_a_ring_takes_only_from_the_node_before_it(Config) ->
    Peers = nodes_of(Config),
    _ = [begin
             population(Peer, #{seed => 42}),
             {ok, _} = peer:call(Peer, cambrian_population, step, [shared, 1]),
             bridge(Peer, ?REALM, #{populations => [shared], topology => ring})
         end || Peer <- Peers],
    _ = [meet(Peer, 3) || Peer <- Peers],
    ByKey = lists:sort([{peer:call(Peer, cambrian_bridge, identity, []), Peer} || Peer <- Peers]),
    [{_, First}, {_, Second}, {_, Third}] = ByKey,
    _ = [until(fun() ->
        length([N
                || #{alive := true} = N <- peer:call(Peer, cambrian_bridge, list_nodes, [])]) =:= 2
    end) || Peer <- Peers],
    Id = publish(First, 5),
    until(fun() -> judged(Second, Id) end),
    ?assertMatch([received, not_a_source],
                 [Step || #{step := Step} <- until(fun() -> received_here(Third, Id) end)]).

%% A node with the topology nearest measures distances.
a_node_takes_from_the_nearest_node(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [bridge(Peer, ?REALM, #{topology => {nearest, 1}}) || Peer <- [One, Two]],
    [Trip] = until(fun() ->
                       Trips =
                           [Trip
                            || #{round_trip := Trip} <- peer:call(One, cambrian_bridge, list_nodes,
                                                                  []), is_number(Trip)],
                       Trips =/= [] andalso Trips
                   end),
    ?assert(Trip >= 0 andalso Trip < 10_000).

received_here(Peer, Id) ->
    case peer:call(Peer, cambrian_bridge, why, [Id]) of
        [_, _ | _] = Story -> Story;
        _ -> false
    end.
