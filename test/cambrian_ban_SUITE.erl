%% A ban reaches back: what the populations of a node took in of a banned key or genotype leaves them, with all that carries
%% its genes, whatever the bridge and the populations were doing when it was banned.
-module(cambrian_ban_SUITE).
-include_lib("stdlib/include/assert.hrl").

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([its_genes_breed_no_more/1, it_is_in_the_audit/1, a_ban_while_the_bridge_was_away/1, a_ban_from_before_a_restart/1,
         an_option_keeps_it/1, a_ban_by_reputation/1, a_successor/1, what_comes_by_others/1, an_own_champion_of_its_genes/1,
         a_ban_after_trust_has_crashed/1]).

-define(REALM, <<"org.example.lab">>).
-define(THIEF, <<1:256>>).

all() -> [its_genes_breed_no_more, it_is_in_the_audit, a_ban_while_the_bridge_was_away, a_ban_from_before_a_restart,
          an_option_keeps_it, a_ban_by_reputation, a_successor, what_comes_by_others, an_own_champion_of_its_genes,
          a_ban_after_trust_has_crashed].

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

%% It knows the task better than the population does for long, and has two nodes that nobody else has.
champion() ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    #{nodes := Nodes, connections := Connections} = Map = cambrian_genotype:to_map(Champion),
    #{id := Output} = lists:last(Nodes),
    New = [#{id => 1000 + N, layer => 1 bsl 62, activation => tanh} || N <- [1, 2]],
    Idle = [#{from => Id, to => Output, weight => 0.0, enabled => true} || #{id := Id} <- New],
    {ok, Bloated} = cambrian_genotype:from_map(Map#{nodes := Nodes ++ New, connections := Connections ++ Idle}),
    {Bloated, Fitness}.

start_population() -> cambrian_population:start(#{task => 'xor', name => p, seed => 4, target => 99, population => 60}).

start_bridge(Options) -> cambrian_bridge:start(Options#{realm => ?REALM, populations => [p]}).

send(Genotype, Fitness, Secret, More) ->
    {ok, Bytes} = cambrian_envelope:seal(maps:merge(#{realm => ?REALM, task => <<"xor">>, fitness => Fitness, generation => 0,
                                                      sequence => erlang:system_time(), time => erlang:system_time(millisecond)},
                                                    More), Genotype, Secret),
    {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes),
    ok = cambrian_transport_dist:disconnect(Stranger).

%% A population with the genes of a stranger's champion in it.
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

%% Those drawn to go elsewhere that have the stranger's nodes or whom the population knows to have genes of its.
carriers() ->
    Drawn = [Of || Policy <- [champion, random, tournament], _ <- lists:seq(1, 50),
                   {ok, Of} <- [cambrian_population:migrant(p, Policy)]],
    [Of || #{champion := Genotype, sources := Sources} = Of <- Drawn, Sources =/= [] orelse has_its_nodes(Genotype)].

has_its_nodes(Genotype) ->
    #{nodes := Nodes} = cambrian_genotype:to_map(Genotype),
    lists:any(fun(#{id := Id}) -> Id =:= 1001 orelse Id =:= 1002 end, Nodes).

purged() -> receive {cambrian, p, {purged, Purged}} -> Purged end.

its_genes_breed_no_more(_Config) ->
    Champion = infected(#{}),
    Id = cambrian_genotype:id(Champion),
    ?assertMatch(#{<<"xor">> := #{origin := _}}, cambrian_bridge:global_best()),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    #{leaving := Leaving, founded := false, champion := true} = purged(),
    ?assert(Leaving > 0),
    ?assertEqual([], carriers()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], carriers()),
    ?assertMatch({ok, #{leaving := 0}}, cambrian_population:purge(p, #{keys => [key(?THIEF)], genotypes => [Id]})),
    %% the bridge tells the best of those who stayed
    Own = cambrian_bridge:identity(),
    cambrian_wait:until(fun() ->
                            case cambrian_bridge:global_best() of
                                #{<<"xor">> := #{origin := Own, genotype := Best}} -> not has_its_nodes(Best);
                                _ -> false
                            end
                        end).

it_is_in_the_audit(Config) ->
    Champion = infected(#{}),
    ok = cambrian_trust:subscribe(?REALM),
    ok = cambrian_trust:ban(?REALM, {genotype, cambrian_genotype:id(Champion)}, <<"it shakes the arm">>),
    #{leaving := Leaving} = purged(),
    Told = receive {cambrian_trust, ?REALM, {purged, #{population := p, leaving := Leaving}}} -> ok end,
    ?assertEqual(ok, Told),
    ok = application:stop(cambrian),
    [Dir] = filelib:wildcard(filename:join([proplists:get_value(dir, Config), "realms", "*"])),
    {ok, Decisions, []} = cambrian_audit:read(Dir, decisions),
    Number = integer_to_binary(Leaving),
    ?assertMatch([#{<<"leaving">> := Number, <<"population">> := <<"p">>}],
                 [Details || #{what := <<"purged">>, details := Details} <- Decisions]),
    {ok, _} = application:ensure_all_started(cambrian).

a_ban_while_the_bridge_was_away(_Config) ->
    _ = infected(#{}),
    ok = cambrian_bridge:stop(),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    {ok, _} = cambrian_population:step(p, 1),
    ?assertMatch([_ | _], carriers()),
    {ok, _} = start_bridge(#{}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], carriers()),
    %% what was away and what is joined by hand are looked at alike
    ?assertMatch(#{<<"xor">> := #{}}, cambrian_bridge:global_best()).

a_ban_from_before_a_restart(_Config) ->
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
    %% and what it is now, it is after a crash, before anything else is evaluated
    {ok, #{fitness := Best}} = cambrian_population:best(p),
    exit(whereis(p), kill),
    cambrian_wait:until(fun() -> element(1, cambrian_population:best(p)) =:= ok end),
    ?assertMatch({ok, #{fitness := Best, sources := []}}, cambrian_population:best(p)).

an_option_keeps_it(_Config) ->
    _ = infected(#{purge => false}),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    cambrian_wait:until(fun() -> not has_its_nodes_here() end),
    #{published := Published} = maps:merge(#{published => 0}, cambrian_bridge:counts()),
    {ok, _} = cambrian_population:step(p, 5),
    ?assertMatch([_ | _], carriers()),
    ?assertEqual(Published, maps:get(published, maps:merge(#{published => 0}, cambrian_bridge:counts()))),
    receive {cambrian, p, {purged, _}} -> error(purged) after 0 -> ok end.

has_its_nodes_here() ->
    case cambrian_bridge:global_best() of
        #{<<"xor">> := #{genotype := Best}} -> has_its_nodes(Best);
        _ -> false
    end.

%% What it sent before its lies was measured here. If that had to go, anybody could take a champion away by sending it first.
a_ban_by_reputation(_Config) ->
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
    %% a person's ban of the same key does reach back
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], [Of || #{champion := G} = Of <- carriers(), has_its_nodes(G)]),
    {ok, #{champion := Best}} = cambrian_population:best(p),
    ?assertNotEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(Best)).

%% Who succeeded the key that sent it is who sent it.
a_successor(_Config) ->
    _ = infected(#{}),
    ok = cambrian_trust:follow(?REALM, cambrian_identity:succession(?THIEF, <<2:256>>)),
    ok = cambrian_trust:ban(?REALM, {key, key(<<2:256>>)}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    {ok, _} = cambrian_population:step(p, 2),
    ?assertEqual([], carriers()).

%% What is banned as a genotype is nobody's to send.
what_comes_by_others(_Config) ->
    Champion = infected(#{}),
    ok = cambrian_trust:ban(?REALM, {genotype, cambrian_genotype:id(Champion)}),
    _ = purged(),
    send(Champion, 3.9, <<2:256>>, #{}),
    cambrian_wait:until(fun() -> lists:any(fun(#{reason := R}) -> R =:= banned_genotype end, cambrian_trust:refusals(?REALM)) end),
    %% until the ban ends
    ok = cambrian_trust:unban(?REALM, {genotype, cambrian_genotype:id(Champion)}),
    {ok, _} = cambrian_population:step(p, 1),
    {_, Fitness} = champion(),
    send(Champion, Fitness, <<2:256>>, #{}),
    receive {cambrian, p, {received, #{outcome := accepted}}} -> ok end,
    ?assertMatch([_ | _], carriers()).

%% The best that was bred here of its genes goes as well, from the population and from the bridge.
an_own_champion_of_its_genes(_Config) ->
    _ = infected(#{}),
    Own = cambrian_bridge:identity(),
    Bred = fun Bred() ->
               {ok, #{sources := Sources, operators := Operators, champion := Best}} = cambrian_population:best(p),
               case Sources =/= [] andalso Operators =/= [injection] of
                   true -> Best;
                   false -> {ok, _} = cambrian_population:step(p, 5), Bred()
               end
           end,
    Best = Bred(),
    cambrian_wait:until(fun() ->
                            case cambrian_bridge:global_best() of
                                #{<<"xor">> := #{origin := Own, genotype := G}} -> cambrian_genotype:id(G) =:= cambrian_genotype:id(Best);
                                _ -> false
                            end
                        end),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    #{champion := true} = purged(),
    #{<<"xor">> := #{genotype := Next}} =
        cambrian_wait:until(fun() ->
                                All = #{<<"xor">> := #{genotype := G}} = maps:merge(#{<<"xor">> => #{genotype => Best}},
                                                                                    cambrian_bridge:global_best()),
                                cambrian_genotype:id(G) =/= cambrian_genotype:id(Best) andalso All
                            end),
    {ok, #{champion := Left, sources := []}} = cambrian_population:best(p),
    ?assertEqual(cambrian_genotype:id(Left), cambrian_genotype:id(Next)).

%% Who told of bans is another process now; what was banned while nobody could tell is told as well.
a_ban_after_trust_has_crashed(_Config) ->
    _ = infected(#{}),
    {ok, Before} = cambrian_realms:find(?REALM),
    exit(Before, kill),
    cambrian_wait:until(fun() -> case cambrian_realms:find(?REALM) of {ok, Before} -> false; {ok, _} -> true; _ -> false end end),
    ok = cambrian_trust:ban(?REALM, {key, key(?THIEF)}),
    ?assertMatch(#{leaving := Leaving} when Leaving > 0, purged()),
    ?assertEqual([], carriers()).
