%% A purge removes banned genes from a population in any state. Kills and restarts do not change
%% its bits.
-module(cambrian_purge_tests).
-include_lib("eunit/include/eunit.hrl").

-define(THIEF, <<7:256>>).
-define(FRIEND, <<8:256>>).
-define(NOTHING, #{leaving := 0, newcomers := 0, founded := false, champion := false}).

purge_test_() ->
    {setup, fun() -> {ok, _} = application:ensure_all_started(cambrian) end, fun(_) -> ok end,
     [{timeout, 120, {atom_to_list(Name), fun() -> Test() end}}
      || {Name, Test} <- [{a_purge_removes_banned_genes, fun a_purge_removes_banned_genes/0},
                          {a_result_keeps_no_banned_champion,
                           fun a_result_keeps_no_banned_champion/0},
                          {a_purge_during_an_evaluation_restarts_the_generation,
                           fun a_purge_during_an_evaluation_restarts_the_generation/0},
                          {a_purge_ends_the_evaluation_of_a_banned_newcomer_by_a_fun,
                           fun a_purge_ends_the_evaluation_of_a_banned_newcomer_by_a_fun/0},
                          {a_purge_removes_a_banned_newcomer_that_waits,
                           fun a_purge_removes_a_banned_newcomer_that_waits/0},
                          {a_purge_of_all_genotypes_founds_a_new_generation,
                           fun a_purge_of_all_genotypes_founds_a_new_generation/0},
                          {a_purge_of_a_genotype_removes_an_identical_own_one,
                           fun a_purge_of_a_genotype_removes_an_identical_own_one/0},
                          {a_purged_genotype_may_come_again_from_another_key,
                           fun a_purged_genotype_may_come_again_from_another_key/0},
                          {a_purge_during_steps_does_not_change_their_number,
                           fun a_purge_during_steps_does_not_change_their_number/0},
                          {a_purge_of_absent_genes_changes_nothing,
                           fun a_purge_of_absent_genes_changes_nothing/0}]]}.

%% The champion of another run.
newcomer(Seed) ->
    {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => Seed}),
    Champion.

start(More) ->
    {ok, P} =
        cambrian_population:start(maps:merge(#{task => 'xor', seed => 1, population => 60,
                                               target => 99}, More)),
    P.

come(P, Newcomer, Key) ->
    ok = cambrian_population:inject(P, Newcomer, #{origin => Key, breeder => Key}).

infected(More) ->
    P = start(More),
    {ok, _} = cambrian_population:step(P, 2),
    ok = come(P, newcomer(42), ?THIEF),
    {ok, _} = cambrian_population:step(P, 3),
    P.

%% Many migrants of the population.
drawn(P) ->
    [Of || Policy <- [champion, random, tournament, novel], _ <- lists:seq(1, 50),
           {ok, Of} <- [cambrian_population:migrant(P, Policy)]].

carriers(P, Key) ->
    [Of
     || #{sources := Sources} = Of <- drawn(P), #{keys := Keys} <- Sources,
     lists:member(Key, Keys)].

a_purge_removes_banned_genes() ->
    P = infected(#{}),
    ok = cambrian_population:subscribe(P),
    ?assertMatch([_ | _], carriers(P, ?THIEF)),
    {ok, #{fitness := Best}} = cambrian_population:best(P),
    {ok, #{leaving := Leaving, champion := true, founded := false, generation := 4} = Purged} =
        cambrian_population:purge(P, #{keys => [?THIEF]}),
    ?assert(Leaving > 0),
    ?assertEqual({purged, Purged}, receive {cambrian, _, {purged, _} = Event} -> Event end),
    %% already before the next generation
    {ok, #{fitness := Left}} = cambrian_population:best(P),
    ?assert(Left < Best),
    ?assertEqual(Left, receive {cambrian, _, {champion, #{fitness := Told}}} -> Told end),
    ?assertMatch([_ | _], drawn(P)),
    ?assertEqual([], carriers(P, ?THIEF)),
    {ok, #{generation := 5, best := Next}} = cambrian_population:step(P, 2),
    ?assert(Next < Best),
    ?assertEqual([], carriers(P, ?THIEF)),
    ?assertMatch({ok, ?NOTHING}, cambrian_population:purge(P, #{keys => [?THIEF]})),
    ok = cambrian_population:stop(P).

a_result_keeps_no_banned_champion() ->
    P = start(#{target => 3.9}),
    {ok, _} = cambrian_population:step(P, 1),
    ok = come(P, newcomer(42), ?THIEF),
    ok = cambrian_population:run(P),
    {ok, #{fitness := Fitness, solved := true}} = cambrian_population:await(P, infinity),
    {ok, #{champion := true}} = cambrian_population:purge(P, #{keys => [?THIEF]}),
    ?assertMatch(#{state := paused, solved := false}, cambrian_population_client:overview(P)),
    ok = cambrian_population:run(P),
    {ok, #{solved := true, champion := Own}} = cambrian_population:await(P, infinity),
    ?assertNotEqual(cambrian_genotype:id(newcomer(42)), cambrian_genotype:id(Own)),
    ?assertEqual([], carriers(P, ?THIEF)),
    ?assert(Fitness >= 3.9),
    ok = cambrian_population:stop(P).

a_purge_during_an_evaluation_restarts_the_generation() ->
    P = infected(#{task => double_xor(), inputs => 2, outputs => 1}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    receive {cambrian, _, {generation, _}} -> ok end,
    {ok, #{leaving := Leaving}} = cambrian_population:purge(P, #{keys => [?THIEF]}),
    ?assert(Leaving > 0),
    ok = cambrian_population:pause(P),
    cambrian_wait:until(fun() -> element(1, cambrian_population:step(P, 1)) =:= ok end),
    ?assertEqual([], carriers(P, ?THIEF)),
    ok = cambrian_population:stop(P).

double_xor() ->
    fun(Network) ->
        -lists:sum([abs(hd(cambrian_network:activate(Network, [A, B])) - float(A bxor B))
                    || A <- [0, 1], B <- [0, 1]])
    end.

%% The evaluation under way is that of the banned newcomer, and never ends by itself.
a_purge_ends_the_evaluation_of_a_banned_newcomer_by_a_fun() ->
    Test = self(),
    Costly = newcomer(42),
    #{connections := Size} = cambrian_genotype:info(Costly),
    Task = fun(Network) ->
               case cambrian_network:info(Network) of
                   #{connections := Size} -> Test ! {stuck, self()}, receive never -> 0.0 end;
                   _ -> 1.0
               end
           end,
    P = start(#{task => Task, inputs => 2, outputs => 1, evaluation_timeout => infinity,
                params => #{add_node => 0.0, add_connection => 0.0}}),
    {ok, _} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    ok = come(P, Costly, ?THIEF),
    receive {stuck, _} -> ok end,
    {ok, #{newcomers := 1, leaving := 0}} = cambrian_population:purge(P, #{keys => [?THIEF]}),
    Id = cambrian_genotype:id(Costly),
    ?assertEqual({Id, banned},
                 receive {cambrian, _, {received, #{id := Of, outcome := Outcome}}} -> {Of, Outcome}
                 end),
    {ok, #{generation := 2}} = cambrian_population:step(P, 3),
    ok = cambrian_population:stop(P).

a_purge_removes_a_banned_newcomer_that_waits() ->
    P = start(#{}),
    [Mine, Theirs] = [newcomer(Seed) || Seed <- [42, 43]],
    ok = cambrian_population:subscribe(P),
    ok = come(P, Theirs, ?THIEF),
    ok = come(P, Mine, ?FRIEND),
    {ok, #{newcomers := 1, leaving := 0}} = cambrian_population:purge(P, #{keys => [?THIEF]}),
    {ok, _} = cambrian_population:step(P, 1),
    Outcomes =
        [receive {cambrian, _, {received, #{id := Id, outcome := Outcome}}} -> {Id, Outcome} end
         || _ <- [1, 2]],
    ?assertEqual([{cambrian_genotype:id(Theirs), banned}, {cambrian_genotype:id(Mine), accepted}],
                 Outcomes),
    ok = cambrian_population:stop(P).

%% All genotypes descend from the banned one, so the population starts again with a first
%% generation.
a_purge_of_all_genotypes_founds_a_new_generation() ->
    Champion = newcomer(42),
    P = start(#{from => Champion}),
    {ok, _} = cambrian_population:step(P, 3),
    {ok, #{founded := true, leaving := 60, champion := true, generation := 2}} =
        cambrian_population:purge(P, #{genotypes => [cambrian_genotype:id(Champion)]}),
    ?assertEqual({error, not_evaluated}, cambrian_population:best(P)),
    ?assertEqual({error, not_evaluated}, cambrian_population:migrant(P, random)),
    {ok, #{generation := 2, evaluations := Evaluations, best := Best}} =
        cambrian_population:step(P, 1),
    ?assert(Best < 3.9),
    ?assert(Evaluations > 120),
    {ok, #{generation := 4}} = cambrian_population:step(P, 2),
    ok = cambrian_population:stop(P).

%% The id of a genotype does not depend on its breeder.
a_purge_of_a_genotype_removes_an_identical_own_one() ->
    P = start(#{}),
    {ok, _} = cambrian_population:step(P, 4),
    {ok, #{champion := Twin, sources := []}} = cambrian_population:best(P),
    Id = cambrian_genotype:id(Twin),
    {ok, #{champion := true, leaving := Leaving}} =
        cambrian_population:purge(P, #{genotypes => [Id]}),
    ?assert(Leaving > 0),
    {ok, _} = cambrian_population:step(P, 2),
    ?assertNot(lists:member(Id, [cambrian_genotype:id(G) || #{champion := G} <- drawn(P)])),
    ok = cambrian_population:stop(P).

%% The ban has ended, so a genotype that comes again is a newcomer.
a_purged_genotype_may_come_again_from_another_key() ->
    P = infected(#{}),
    {ok, _} = cambrian_population:purge(P, #{keys => [?THIEF]}),
    ok = cambrian_population:subscribe(P),
    ok = come(P, newcomer(42), ?FRIEND),
    {ok, _} = cambrian_population:step(P, 2),
    ?assertEqual(accepted, receive {cambrian, _, {received, #{outcome := Outcome}}} -> Outcome end),
    ?assertMatch([_ | _], carriers(P, ?FRIEND)),
    ?assertEqual([], carriers(P, ?THIEF)),
    ok = cambrian_population:stop(P).

a_purge_during_steps_does_not_change_their_number() ->
    P = infected(#{}),
    ok = cambrian_population:subscribe(P),
    Test = self(),
    spawn_link(fun() -> Test ! {stepped, cambrian_population:step(P, 30)} end),
    receive {cambrian, _, {generation, #{generation := 8}}} -> ok end,
    {ok, _} = cambrian_population:purge(P, #{keys => [?THIEF]}),
    ?assertMatch({ok, #{generation := 34}}, receive {stepped, Answer} -> Answer end),
    ok = cambrian_population:stop(P).

a_purge_of_absent_genes_changes_nothing() ->
    P = infected(#{}),
    {ok, Before} = cambrian_population:checkpoint(P),
    Info = cambrian_population:info(P),
    ?assertMatch({ok, ?NOTHING}, cambrian_population:purge(P, #{})),
    ?assertMatch({ok, ?NOTHING},
                 cambrian_population:purge(P, #{keys => [?FRIEND], genotypes => [<<9:256>>]})),
    ?assertEqual({{ok, Before}, Info},
                 {cambrian_population:checkpoint(P), cambrian_population:info(P)}),
    ?assertMatch({error, {bad_option, {keys, [a], _}}},
                 cambrian_population:purge(P, #{keys => [a]})),
    ?assertMatch({error, {unknown_option, key, _}}, cambrian_population:purge(P, #{key => []})),
    ok = cambrian_population:stop(P).

%% The population is killed, or its application restarted, at each step after the purge.
a_purge_survives_kills_and_restarts_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_data_dir(fun(_Dir) ->
            Whole = story(whole, fun(P, _Step) -> P end),
            lists:foreach(fun(At) ->
                              ?assertEqual(Whole,
                                           story(list_to_atom("killed_" ++ integer_to_list(At)),
                                                 fun(P, Step) when Step =:= At -> killed(P);
                                                     (P, _) -> P
                                                 end)),
                              ?assertEqual(Whole,
                                           story(list_to_atom("restarted_" ++ integer_to_list(At)),
                                                 fun(P, Step) when Step =:= At -> restarted(P);
                                                     (P, _) -> P
                                                 end))
                          end, lists:seq(0, 3))
        end)
    end}.

story(Name, Interrupt) ->
    _ = infected(#{name => Name, checkpoint_interval => 0}),
    {ok, #{leaving := Leaving}} = cambrian_population:purge(Name, #{keys => [?THIEF]}),
    ?assert(Leaving > 0),
    States = lists:map(fun(Step) ->
                           _ = Interrupt(Name, Step),
                           {ok, Bytes} = cambrian_population:checkpoint(Name),
                           evaluated(Name, 4 + Step),
                           Bytes
                       end, lists:seq(0, 3)),
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian_population:best(Name),
    ok = cambrian_population:stop(Name),
    {States, cambrian_genotype:id(Champion), Fitness}.

%% A killed population repeats its last generation.
evaluated(Name, Generation) ->
    case cambrian_population:step(Name, 1) of
        {ok, #{generation := Generation}} -> ok;
        {ok, #{generation := Earlier}} when Earlier < Generation -> evaluated(Name, Generation)
    end.

killed(Name) ->
    Pid = whereis(Name),
    exit(Pid, kill),
    cambrian_wait:until(fun() -> whereis(Name) =/= Pid andalso whereis(Name) =/= undefined end),
    Name.

restarted(Name) ->
    ok = application:stop(cambrian),
    ok = application:start(cambrian),
    {ok, _} = cambrian_population:start(#{task => 'xor', name => Name}),
    Name.
