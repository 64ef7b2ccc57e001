%% A ban reaches back: the genes that a population took in from a banned key or genotype leave it,
%% whatever the bridge and the population were doing at the time of the ban.
-module(cambrian_ban_SUITE).
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([banned_genes_leave_the_population/1, a_purge_is_written_to_the_audit/1,
         a_ban_while_the_bridge_is_stopped_is_applied_when_a_population_joins/1,
         a_ban_before_a_restart_is_applied_after_it/1,
         a_population_with_purge_false_keeps_banned_genes/1,
         a_ban_for_low_reputation_purges_no_genes/1,
         a_ban_of_a_successor_key_purges_the_genes_of_its_predecessor/1,
         a_banned_genotype_is_refused_from_every_key/1,
         a_champion_bred_from_banned_genes_is_purged/1,
         bans_are_applied_after_the_trust_process_crashed/1]).

-define(REALM, <<"org.example.lab">>).
-define(THIEF, <<1:256>>).

all() ->
    [banned_genes_leave_the_population, a_purge_is_written_to_the_audit,
     a_ban_while_the_bridge_is_stopped_is_applied_when_a_population_joins,
     a_ban_before_a_restart_is_applied_after_it,
     a_population_with_purge_false_keeps_banned_genes, a_ban_for_low_reputation_purges_no_genes,
     a_ban_of_a_successor_key_purges_the_genes_of_its_predecessor,
     a_banned_genotype_is_refused_from_every_key, a_champion_bred_from_banned_genes_is_purged,
     bans_are_applied_after_the_trust_process_crashed].

init_per_testcase(Case, Config) ->
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    Dir = filename:join(proplists:get_value(priv_dir, Config), atom_to_list(Case)),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = application:ensure_all_started(cambrian),
    [{dir, Dir} | Config].

end_per_testcase(_Case, _Config) ->
    ok = application:stop(cambrian),
    application:unset_env(cambrian, data_dir).

key(Secret) -> cambrian_identity:public_key(Secret).

%% This champion is fitter than the population becomes for a long time, and it has two nodes that
%% no other genotype has.
champion() ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    #{nodes := Nodes, connections := Connections} = Map = cambrian_genotype:to_map(Champion),
    #{id := Output} = lists:last(Nodes),
    New = [#{id => 1000 + N, layer => 1 bsl 62, activation => tanh} || N <- [1, 2]],
    Idle = [#{from => Id, to => Output, weight => 0.0, enabled => true} || #{id := Id} <- New],
    {ok, Bloated} =
        cambrian_genotype:from_map(Map#{nodes := Nodes ++ New, connections := Connections ++ Idle}),
    {Bloated, Fitness}.

start_population() ->
    cambrian_population:start(#{task => 'xor', name => p, seed => 4, target => 99,
                                population => 60}).

start_bridge(Options) -> cambrian_bridge:start(Options#{realm => ?REALM, populations => [p]}).

send(Genotype, Fitness, Secret, More) ->
    {ok, Bytes} =
        cambrian_envelope:seal(maps:merge(#{realm => ?REALM, task => <<"xor">>, fitness => Fitness,
                                            generation => 0,
                                            sequence => erlang:system_time(),
                                            time => erlang:system_time(millisecond)},
                                          More), Genotype, Secret),
    {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes),
    ok = cambrian_transport_dist:disconnect(Stranger).

%% Starts a population that has taken in the genes of a stranger's champion.
infected(Options) ->
    {ok, _} = start_population(),
    {ok, _} = cambrian_population:step(p, 1),
    ok = cambrian_population:subscribe(p),
    {ok, _} = start_bridge(Options),
    {Champion, Fitness} = champion(),
    send(Champion, Fitness, ?THIEF, #{}),
    receive {cambrian, p, {received, #{outcome := accepted}}} -> ok end,
    {ok, _} = cambrian_population:step(p, 4),
    ?assertMatch([_ | _], carriers()),
    Champion.

%% The migrants that have the stranger's nodes, or that the population records as carrying its
%% genes.
carriers() ->
    Drawn = [Of || Policy <- [champion, random, tournament], _ <- lists:seq(1, 50),
                   {ok, Of} <- [cambrian_population:migrant(p, Policy)]],
    [Of
     || #{champion := Genotype, sources := Sources} = Of <- Drawn,
     Sources =/= [] orelse has_its_nodes(Genotype)].

has_its_nodes(Genotype) ->
    #{nodes := Nodes} = cambrian_genotype:to_map(Genotype),
    lists:any(fun(#{id := Id}) -> Id =:= 1001 orelse Id =:= 1002 end, Nodes).

purged() -> receive {cambrian, p, {purged, Purged}} -> Purged end.

banned_genes_leave_the_population(_Config) ->
    Champion = infected(#{}),
    Id = cambrian_genotype:id(Champion),
    ?assertMatch(#{<<"xor">> := #{origin := _}}, cambrian_bridge:global_best()),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    #{leaving := Leaving, founded := false, champion := true} = purged(),
    ?assert(Leaving > 0),
    ?assertEqual([], carriers()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], carriers()),
    ?assertMatch({ok, #{leaving := 0}},
                 cambrian_population:purge(p, #{keys => [key(?THIEF)], genotypes => [Id]})),
    %% the bridge publishes the best of the genotypes that stayed
    Own = cambrian_bridge:identity(),
    cambrian_wait:until(fun() ->
                            case cambrian_bridge:global_best() of
                                #{<<"xor">> := #{origin := Own, genotype := Best}} ->
                                    not has_its_nodes(Best);
                                _ -> false
                            end
                        end).

a_purge_is_written_to_the_audit(Config) ->
    Champion = infected(#{}),
    ok = cambrian_trust:subscribe(?REALM),
    ok = cambrian_trust:ban(?REALM, {genotype, cambrian_genotype:id(Champion)},
                            <<"it shakes the arm">>),
    #{leaving := Leaving} = purged(),
    Told =
        receive {cambrian_trust, ?REALM, {purged, #{population := p, leaving := Leaving}}} -> ok
        end,
    ?assertEqual(ok, Told),
    ok = application:stop(cambrian),
    [Dir] = filelib:wildcard(filename:join([proplists:get_value(dir, Config), "realms", "*"])),
    {ok, Decisions, []} = cambrian_audit:read(Dir, decisions),
    Number = integer_to_binary(Leaving),
    ?assertMatch([#{<<"leaving">> := Number, <<"population">> := <<"p">>}],
                 [Details || #{what := <<"purged">>, details := Details} <- Decisions]),
    {ok, _} = application:ensure_all_started(cambrian).

a_ban_while_the_bridge_is_stopped_is_applied_when_a_population_joins(_Config) ->
    _ = infected(#{}),
    ok = cambrian_bridge:stop(),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    {ok, _} = cambrian_population:step(p, 1),
    ?assertMatch([_ | _], carriers()),
    {ok, _} = start_bridge(#{}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], carriers()),
    %% after the purge the bridge has a best genotype of the task again
    ?assertMatch(#{<<"xor">> := #{}}, cambrian_bridge:global_best()).

a_ban_before_a_restart_is_applied_after_it(_Config) ->
    _ = infected(#{}),
    ok = cambrian_bridge:stop(),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    ok = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = start_population(),
    ok = cambrian_population:subscribe(p),
    {ok, _} = cambrian_population:step(p, 1),
    ?assertMatch([_ | _], carriers()),
    {ok, _} = start_bridge(#{}),
    ?assertMatch(#{leaving := Leaving, champion := true} when Leaving > 0, purged()),
    ?assertEqual([], carriers()),
    %% the purge survives a crash: the best genotype is the same before any new evaluation
    {ok, #{fitness := Best}} = cambrian_population:best(p),
    exit(whereis(p), kill),
    cambrian_wait:until(fun() -> element(1, cambrian_population:best(p)) =:= ok end),
    ?assertMatch({ok, #{fitness := Best, sources := []}}, cambrian_population:best(p)).

a_population_with_purge_false_keeps_banned_genes(_Config) ->
    _ = infected(#{purge => false}),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    cambrian_wait:until(fun() -> not has_its_nodes_here() end),
    #{published := Published} = maps:merge(#{published => 0}, cambrian_bridge:counts()),
    {ok, _} = cambrian_population:step(p, 5),
    ?assertMatch([_ | _], carriers()),
    ?assertEqual(Published,
                 maps:get(published, maps:merge(#{published => 0}, cambrian_bridge:counts()))),
    receive {cambrian, p, {purged, _}} -> error(purged) after 0 -> ok end.

has_its_nodes_here() ->
    case cambrian_bridge:global_best() of
        #{<<"xor">> := #{genotype := Best}} -> has_its_nodes(Best);
        _ -> false
    end.

%% The node measured what the key sent before its lies. If an automatic ban removed it, an
%% attacker could remove a champion by sending it first.
a_ban_for_low_reputation_purges_no_genes(_Config) ->
    Champion = infected(#{}),
    lists:foreach(fun(Nth) ->
                      {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Nth),
                      send(G, 3.999, ?THIEF, #{}),
                      receive {cambrian, p, {received, #{fitness := _}}} -> ok end
                  end, lists:seq(1, 5)),
    cambrian_wait:until(fun() -> cambrian_trust:bans(?REALM) =/= [] end),
    ?assertMatch([#{by := reputation}], cambrian_trust:bans(?REALM)),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertMatch([_ | _], carriers()),
    %% a user's ban of the same key does reach back
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], [Of || #{champion := G} = Of <- carriers(), has_its_nodes(G)]),
    {ok, #{champion := Best}} = cambrian_population:best(p),
    ?assertNotEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(Best)).

%% A ban of the successor's key purges the genes that the key before it sent.
a_ban_of_a_successor_key_purges_the_genes_of_its_predecessor(_Config) ->
    _ = infected(#{}),
    ok = cambrian_trust:follow(?REALM, cambrian_identity:succession(?THIEF, <<2:256>>)),
    ok = cambrian_trust:ban(?REALM, {key, key(<<2:256>>)}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], carriers()).

%% No key may send a banned genotype.
a_banned_genotype_is_refused_from_every_key(_Config) ->
    Champion = infected(#{}),
    ok = cambrian_trust:ban(?REALM, {genotype, cambrian_genotype:id(Champion)}),
    _ = purged(),
    send(Champion, 3.9, <<2:256>>, #{}),
    cambrian_wait:until(fun() ->
        lists:any(fun(#{reason := R}) -> R =:= banned_genotype end, cambrian_trust:refusals(?REALM))
    end),
    %% After the ban ends the genotype is accepted again.
    ok = cambrian_trust:unban(?REALM, {genotype, cambrian_genotype:id(Champion)}),
    {ok, _} = cambrian_population:step(p, 1),
    {_, Fitness} = champion(),
    send(Champion, Fitness, <<2:256>>, #{}),
    receive {cambrian, p, {received, #{outcome := accepted}}} -> ok end,
    ?assertMatch([_ | _], carriers()).

%% The fittest descendant of the banned champion leaves the population and the bridge too.
a_champion_bred_from_banned_genes_is_purged(_Config) ->
    _ = infected(#{}),
    Own = cambrian_bridge:identity(),
    Bred = fun Bred() ->
               {ok, #{sources := Sources, operators := Operators, champion := Best}} =
                   cambrian_population:best(p),
               case Sources =/= [] andalso Operators =/= [injection] of
                   true -> Best;
                   false -> {ok, _} = cambrian_population:step(p, 5), Bred()
               end
           end,
    Best = Bred(),
    cambrian_wait:until(fun() ->
                            case cambrian_bridge:global_best() of
                                #{<<"xor">> := #{origin := Own, genotype := G}} ->
                                    cambrian_genotype:id(G) =:= cambrian_genotype:id(Best);
                                _ -> false
                            end
                        end),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    #{champion := true} = purged(),
    #{<<"xor">> := #{genotype := Next}} =
        cambrian_wait:until(fun() ->
                                All = #{<<"xor">> := #{genotype := G}} =
                                    maps:merge(#{<<"xor">> => #{genotype => Best}},
                                               cambrian_bridge:global_best()),
                                cambrian_genotype:id(G) =/= cambrian_genotype:id(Best) andalso All
                            end),
    {ok, #{champion := Left, sources := []}} = cambrian_population:best(p),
    ?assertEqual(cambrian_genotype:id(Left), cambrian_genotype:id(Next)).

%% The bridge subscribes to a new trust process, which also reports bans made in between.
bans_are_applied_after_the_trust_process_crashed(_Config) ->
    _ = infected(#{}),
    {ok, Before} = cambrian_realms:find(?REALM),
    exit(Before, kill),
    cambrian_wait:until(fun() ->
        case cambrian_realms:find(?REALM) of {ok, Before} -> false; {ok, _} -> true; _ -> false end
    end),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    ?assertEqual([], carriers()).
