%% Newcomers of populations: of a user, of the mesh, and migrants for others.
-module(cambrian_population_newcomers_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_populations, [await_return/2, bloated/2, flush/0, options/1]).

all() ->
    [a_newcomer_that_waits_survives_a_crash,
     injecting_a_term_that_is_no_genotype_raises_in_the_caller,
     a_population_takes_an_injected_genotype_in, a_newcomer_that_fails_has_no_fitness,
     an_idle_population_takes_newcomers_in_at_once,
     an_idle_population_takes_newcomers_in_one_after_another,
     a_killed_idle_population_keeps_its_newcomers,
     a_finished_population_takes_newcomers_in_and_keeps_its_result,
     a_mesh_newcomer_that_is_too_costly_is_refused,
     costly_champions_one_after_the_other_raise_no_bound, a_crash_raises_no_bound,
     a_generation_admits_a_tenth_of_mesh_newcomers,
     a_mesh_newcomer_that_hangs_does_not_block_the_population,
     a_mesh_newcomer_beyond_the_timeout_is_late_and_not_failed,
     a_pause_by_the_governor_makes_no_newcomer_late, a_mesh_newcomer_survives_a_crash,
     each_policy_gives_migrants].

init_per_suite(Config) -> cambrian_populations:started(Config).

end_per_suite(_) -> application:stop(cambrian).

init_per_testcase(Case, Config) -> cambrian_populations:with_dir(Case, Config).

end_per_testcase(_, _) -> cambrian_populations:end_all().

a_newcomer_that_waits_survives_a_crash(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, name => here}),
    ok = cambrian_population:inject(P, Champion),
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{best := Fitness}}, cambrian_population:step(Back, 1)).

a_newcomer_that_fails_has_no_fitness(_) ->
    {ok, Newcomer} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 5),
    {ok, Other} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 6),
    Bad = cambrian_network:activate(cambrian_network:compile(Newcomer), [1, 1]),
    Task = fun(Network) ->
               case cambrian_network:activate(Network, [1, 1]) of
                   Bad -> error(no_luck);
                   [Output] -> Output
               end
           end,
    {ok, P} =
        cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 1,
                                    population => 10}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:inject(P, Newcomer, bad),
    ok = cambrian_population:inject(P, Other, good),
    {ok, _} = cambrian_population:step(P, 1),
    Received =
        fun(From) -> receive {cambrian, _, {received, #{from := From} = Event}} -> Event end end,
    ?assertEqual(#{id => cambrian_genotype:id(Newcomer), from => bad, generation => 0,
                   outcome => failed, work => 4}, Received(bad)),
    ?assertMatch(#{fitness := _}, Received(good)),
    ok = cambrian_population:stop(P).

received(P, Generation) ->
    receive {cambrian, _, {received, #{generation := Generation} = Received}} ->
            maps:with([from, outcome, fitness], Received)
    after 300_000 -> error({nothing_received, sys:get_state(P)})
    end.

no_more(Kind) -> no_more(Kind, 0).
no_more(Kind, Ms) -> receive {cambrian, _, {Kind, _} = Event} -> error(Event) after Ms -> ok end.

%% An idle population takes a fitter newcomer in at once and stays idle: no generation, no row of
%% the history, the same stats. Its next generation has the newcomer.
an_idle_population_takes_newcomers_in_at_once(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    Newborn =
        [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed))
         || Seed <- lists:seq(1, 10)],
    {ok, Stranger} = cambrian_genotype:new(#{inputs => 5, outputs => 1}, 1),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, population => 50}),
    ok = cambrian_population:inject(P, hd(Newborn), early),
    {ok, _} = cambrian_population:step(P, 2),
    ok = cambrian_population:subscribe(P),
    Before =
        {cambrian_population:stats(P), cambrian_population:history(P),
         maps:remove(parameters, cambrian_population:info(P))},
    [ok = cambrian_population:inject(P, Genotype, From)
     || {Genotype, From} <- [{Champion, good}, {Stranger, strange},
                             {Champion, again} | [{New, newborn} || New <- Newborn]]],
    Received = [received(P, 1) || _ <- lists:seq(1, 13)],
    Of = fun(From) -> [maps:remove(from, R) || #{from := F} = R <- Received, F =:= From] end,
    ?assertEqual([#{outcome => accepted, fitness => Fitness}], Of(good)),
    ?assertEqual([#{outcome => known, fitness => Fitness}], Of(again)),
    ?assertEqual([#{outcome => shape}], Of(strange)),
    ?assertEqual(10, length([Measured || #{fitness := Measured} <- Of(newborn)])),
    receive {cambrian, _,
             {champion,
              #{champion := C, fitness := Fitness, operators := [injection], generation := 1}}} ->
        ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(C))
    after 300_000 -> error(no_champion)
    end,
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    ?assertEqual(Before, {cambrian_population:stats(P), cambrian_population:history(P),
                          maps:remove(parameters, cambrian_population:info(P))}),
    no_more(generation),
    ?assertMatch({ok, #{generation := 2, best := Best}} when Best >= Fitness,
                 cambrian_population:step(P, 1)),
    ok = cambrian_population:stop(P).

%% A newcomer that arrives during an evaluation is evaluated after it. A call of step or run waits
%% until then.
an_idle_population_takes_newcomers_in_one_after_another(_) ->
    {Gate, Test} = {atomics:new(1, []), self()},
    Task = fun(Network) -> wait_at(Gate, Test), hd(cambrian_network:activate(Network, [1, 1])) end,
    {ok, P} =
        cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 3,
                                    population => 10}),
    {ok, #{generation := 0}} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    Newcomers =
        [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed))
         || Seed <- lists:seq(100, 163)],
    ok = atomics:put(Gate, 1, 1),
    [ok = cambrian_population:inject(P, Newcomer, N)
     || {N, Newcomer} <- lists:enumerate(Newcomers)],
    receive at_the_gate -> ok end,
    ?assertEqual({error, busy}, cambrian_population:inject(P, hd(Newcomers))),
    ?assertMatch({ok, _}, cambrian_population:migrant(P, random)),
    spawn_link(fun() -> Test ! {stepped, cambrian_population:step(P, 1)} end),
    _ = cambrian_population:info(P),
    no_more(generation),
    ok = atomics:put(Gate, 1, 0),
    ?assertEqual(lists:seq(1, 64),
                 [N || _ <- Newcomers, #{from := N, fitness := _} <- [received(P, 0)]]),
    receive {stepped, Answer} -> ?assertMatch({ok, #{generation := 1}}, Answer) after 300_000 ->
            error(no_answer) end,
    ok = cambrian_population:stop(P).

%% The population is killed while idle: its next generation has the newcomers it took in, and it
%% reports none again.
a_killed_idle_population_keeps_its_newcomers(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} =
        cambrian_population:start(#{task => 'xor', seed => 1, name => here, population => 50}),
    {ok, _} = cambrian_population:step(P, 2),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:inject(P, Champion),
    #{outcome := accepted} = received(P, 1),
    {ok, Whole} = cambrian_population:step(P, 3),
    ok = cambrian_population:stop(P),
    flush(),
    {ok, Again} =
        cambrian_population:start(#{task => 'xor', seed => 1, name => here, population => 50}),
    {ok, _} = cambrian_population:step(Again, 2),
    ok = cambrian_population:inject(Again, Champion),
    {ok, #{fitness := Fitness}} = fitter(Again, Fitness),
    exit(Again, kill),
    Back = await_return(here, Again),
    ok = cambrian_population:subscribe(Back),
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(Back)),
    ?assertMatch({ok, #{generation := 1, best := Fitness}}, cambrian_population:step(Back, 1)),
    no_more(champion),
    {ok, Last} = cambrian_population:step(Back, 3),
    Facts = [generation, best, mean, species, evaluations],
    ?assertEqual(maps:with(Facts, Whole), maps:with(Facts, Last)),
    no_more(received).

fitter(P, Fitness) ->
    case cambrian_population:best(P) of
        {ok, #{fitness := Fitness}} = Best -> Best;
        _ -> erlang:yield(), fitter(P, Fitness)
    end.

%% A finished population takes newcomers in too. Its result stays, also after a crash and in
%% another VM.
a_finished_population_takes_newcomers_in_and_keeps_its_result(Config) ->
    ok = application:set_env(cambrian, data_dir, proplists:get_value(dir, Config)),
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    Options = #{task => 'xor', seed => 1, name => here, population => 50, generations => 3},
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3} = Result} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:inject(P, Champion),
    {ok, _} = fitter(P, Fitness),
    ?assertEqual({ok, Result}, cambrian_population:await(P, 300_000)),
    Files =
        filelib:wildcard(filename:join([proplists:get_value(dir, Config), "populations", "here",
                                        "*.checkpoint"])),
    ?assertMatch({ok, #{champion := #{fitness := Fitness}, running := true}},
                 cambrian_store:open(lists:last(lists:sort(Files)))),
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{generations := 3, fitness := Fitness}},
                 cambrian_population:await(Back, 300_000)),
    exit(whereis(cambrian_sup), kill),
    Monitor = monitor(process, Back),
    receive {'DOWN', Monitor, process, _, _} -> ok end,
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Restarted} = cambrian_population:start(Options),
    ?assertMatch({ok, #{generations := 3, fitness := Fitness}},
                 cambrian_population:await(Restarted, 300_000)),
    ok = cambrian_population:stop(Restarted).

%% Migrants can be asked for during the evaluation of the next generation, which a gate keeps from
%% ending. The same seed gives the same migrants.
each_policy_gives_migrants(_) ->
    {Gate, Test} = {atomics:new(1, []), self()},
    Fitness = fun(Network) -> hd(cambrian_network:activate(Network, [1, 1])) end,
    Task = fun(Network) -> wait_at(Gate, Test), Fitness(Network) end,
    Options = #{task => Task, inputs => 2, outputs => 1, seed => 3, population => 30},
    [P, Twin] = [element(2, cambrian_population:start(Options)) || _ <- [1, 2]],
    Policies = [champion, tournament, novel, random | lists:duplicate(20, random)],
    [?assertEqual({error, not_evaluated}, cambrian_population:migrant(P, Policy))
     || Policy <- Policies],
    [{ok, _} = cambrian_population:step(Either, 1) || Either <- [P, Twin]],
    ok = atomics:put(Gate, 1, 1),
    ok = cambrian_population:run(P, #{generations => 2}),
    receive at_the_gate -> ok end,
    Migrants =
        fun(Of) ->
            [Migrant
             || Policy <- Policies, {ok, Migrant} <- [cambrian_population:migrant(Of, Policy)]] end,
    Ids = fun(All) -> [cambrian_genotype:id(G) || #{champion := G} <- All] end,
    [Best | _] = Sent = Migrants(P),
    ?assertEqual({ok, Best}, cambrian_population:best(P)),
    [?assertEqual({0, F}, {Generation, Fitness(cambrian_network:compile(G))})
     || #{champion := G, fitness := F, generation := Generation, parents := [],
          operators := []} <- Sent],
    ?assertEqual(length(Policies), length(Sent)),
    ?assertEqual(Ids(Sent), Ids(Migrants(Twin))),
    ?assert(length(lists:usort(Ids(Sent))) > 10),
    ok = atomics:put(Gate, 1, 0),
    {ok, _} = cambrian_population:await(P, 300_000),
    ?assertMatch({ok, #{generation := 1}}, cambrian_population:migrant(P, random)),
    [ok = cambrian_population:stop(Either) || Either <- [P, Twin]].

wait_at(Gate, Test) ->
    case atomics:get(Gate, 1) of
        0 -> ok;
        1 -> Test ! at_the_gate, wait_while_closed(Gate)
    end.

wait_while_closed(Gate) ->
    case atomics:get(Gate, 1) of
        0 -> ok;
        1 -> timer:sleep(1), wait_while_closed(Gate)
    end.

a_population_takes_an_injected_genotype_in(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 1}),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 2}),
    ok = cambrian_population:subscribe(P),
    Id = cambrian_genotype:id(Champion),
    ok = cambrian_population:inject(P, Champion, a_friend),
    {ok, _} = cambrian_population:step(P, 1),
    receive {cambrian, _, {received, #{id := Id, from := a_friend, fitness := F, outcome := O}}} ->
        ?assertEqual({Fitness, accepted}, {F, O})
    end,
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    {ok, Stranger} = cambrian_genotype:new(#{inputs => 5, outputs => 1}, 1),
    ok = cambrian_population:inject(P, Stranger),
    ok = cambrian_population:inject(P, Champion),
    {ok, _} = cambrian_population:step(P, 1),
    receive {cambrian, _, {received, #{id := Id, outcome := Again}}} -> ?assertEqual(known, Again)
    end,
    ok = cambrian_population:stop(P),
    %% before the first generation all newcomers wait, at most 64
    {ok, Q} = cambrian_population:start(#{task => 'xor', seed => 3}),
    [?assertEqual({N, ok}, {N, cambrian_population:inject(Q, Champion)}) || N <- lists:seq(1, 64)],
    ?assertEqual({error, busy}, cambrian_population:inject(Q, Champion)),
    ok = cambrian_population:stop(Q).

injecting_a_term_that_is_no_genotype_raises_in_the_caller(_) ->
    {ok, P} = cambrian_population:start(options(3)),
    ?assertError(badarg, cambrian_population:inject(P, make_ref())),
    ?assertMatch({ok, _}, cambrian_population:step(P, 1)),
    ok = cambrian_population:stop(P).

from_the_mesh(P, Genotype, From) ->
    cambrian_population_client:inject_from_mesh(P, Genotype, From, 8).

told(From) ->
    receive {cambrian, _, {received, #{from := From} = Received}} -> Received
    after 300_000 -> error({nothing_told_of, From})
    end.

%% A newcomer from the mesh that costs far more than the population's own is not even compiled; a
%% genotype that a user injects is.
a_mesh_newcomer_that_is_too_costly_is_refused(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} =
        cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    {ok, P} =
        cambrian_population:start(#{task => double_pole_novel, seed => 4, population => 50,
                                    target => 1.0e9}),
    {ok, _} = cambrian_population:step(P, 1),
    ok = cambrian_population:subscribe(P),
    Bloated = bloated(Champion, 20_000),
    Cost = cambrian_genotype:cost(Bloated),
    ok = from_the_mesh(P, Bloated, mesh),
    #{outcome := too_costly, cost := Cost, median := Median, bound := Bound} = Told = told(mesh),
    ?assert(Cost > Bound),
    ?assertEqual(8 * max(16, Median), Bound),
    ?assertNot(is_map_key(work, Told)),
    %% the same champion without these neurons is taken in, and its cost is known
    ok = from_the_mesh(P, Champion, friend),
    #{outcome := accepted, fitness := Fitness, work := Work} = told(friend),
    ?assertEqual(0, Work rem cambrian_genotype:cost(Champion)),
    %% a user may inject a genotype of any cost
    ok = cambrian_population:inject(P, bloated(Champion, 100), user),
    ?assertMatch(#{fitness := Fitness}, told(user)),
    ok = cambrian_population:stop(P).

%% Each champion is better than the one before, and costs 7.9 times as much. The first is below the
%% bound, and its genes take the population over. That must not let the second one in.
costly_champions_one_after_the_other_raise_no_bound(_) ->
    [costly_champions_raise_no_bound(Search)
     || Search <- [neat, local_competition, map_elites, pareto]].

costly_champions_raise_no_bound(Search) ->
    {ok, P} = cambrian_population:start(#{task => fun size/1, inputs => 1, outputs => 1,
                                          seed => 4, population => 50, target => 1.0e9,
                                          search => Search}),
    {ok, _} = cambrian_population:step(P, 1),
    {ok, #{champion := First}} = cambrian_population:best(P),
    ok = cambrian_population:subscribe(P),
    Stranger = #{origin => <<7:256>>},
    Told = [begin
                ok = from_the_mesh(P, bloated(First, Idle), Stranger),
                Received = told(Stranger),
                {ok, _} = cambrian_population:step(P, 30),
                Received
            end || Idle <- [2, 16, 128]],
    ?assertMatch([#{outcome := accepted}, #{outcome := too_costly, bound := Bound},
                  #{outcome := too_costly, bound := Later}]
                   when Bound < 140 andalso Later < 140, Told, Search),
    ok = cambrian_population:stop(P).

%% After a crash the bound is that of before, not one of the costly genotypes that are there by now.
a_crash_raises_no_bound(_) ->
    {ok, P} = cambrian_population:start(#{task => fun size/1, inputs => 1, outputs => 1, seed => 4,
                                          population => 50, target => 1.0e9, name => doomed}),
    {ok, _} = cambrian_population:step(P, 1),
    {ok, #{champion := First}} = cambrian_population:best(P),
    ok = cambrian_population:subscribe(P),
    Stranger = #{origin => <<7:256>>},
    ok = from_the_mesh(P, bloated(First, 2), Stranger),
    ?assertMatch(#{outcome := accepted}, told(Stranger)),
    {ok, _} = cambrian_population:step(P, 30),
    exit(P, kill),
    Back = await_return(doomed, P),
    ok = cambrian_population:subscribe(Back),
    ok = from_the_mesh(Back, bloated(First, 16), Stranger),
    {ok, _} = cambrian_population:step(Back, 1),
    ?assertMatch(#{outcome := too_costly, bound := Bound} when Bound < 140, told(Stranger)),
    ok = cambrian_population:stop(Back).

size(Network) -> #{connections := Count} = cambrian_network:info(Network), float(Count).

%% Many newcomers are as fit as the champion: a generation admits a tenth of its size, and beyond
%% that only a newcomer fitter than all.
a_generation_admits_a_tenth_of_mesh_newcomers(_) ->
    {ok, P} =
        cambrian_population:start(#{task => 'xor', seed => 4, population => 50, target => 1.0e9}),
    {ok, _} = cambrian_population:step(P, 1),
    {ok, #{champion := Good}} = cambrian_population:best(P),
    ok = cambrian_population:subscribe(P),
    %% newcomers made of its own champion, each with a slightly different weight
    Told = [begin
                ok = from_the_mesh(P, like(Good, N), N),
                told(N)
            end || N <- lists:seq(1, 12)],
    Outcomes = [Outcome || #{outcome := Outcome} <- Told],
    Accepted = length([accepted || accepted <- Outcomes]),
    ?assert(Accepted >= 5),
    %% each newcomer beyond the tenth was fitter than all before it
    Beyond = lists:nthtail(5, [F || #{outcome := accepted, fitness := F} <- Told]),
    ?assertEqual(lists:sort(Beyond), Beyond),
    ?assert(lists:member(full, Outcomes)),
    ?assert(lists:all(fun(#{outcome := full, fitness := F}) -> is_float(F); (_) -> true end, Told)),
    %% the next generation admits others
    {ok, _} = cambrian_population:step(P, 1),
    ok = from_the_mesh(P, like(Good, 100), next),
    ?assertEqual(accepted, maps:get(outcome, told(next))),
    ok = cambrian_population:stop(P).

like(Genotype, N) ->
    #{connections := [#{weight := Weight} = First | Others]} = Genes =
        cambrian_genotype:to_map(Genotype),
    {ok, Like} =
        cambrian_genotype:from_map(Genes#{connections :=
                                              [First#{weight := Weight * (1 - N * 1.0e-6)}
                                               | Others]}),
    Like.

%% The evaluation of a newcomer hangs: the population goes on meanwhile, and takes others in after
%% its timeout.
a_mesh_newcomer_that_hangs_does_not_block_the_population(_) ->
    {ok, Stalling} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 900),
    {ok, Other} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 901),
    Same = cambrian_network:activate(cambrian_network:compile(Stalling), [1, 1]),
    Test = self(),
    Task = fun(Network) ->
               case cambrian_network:activate(Network, [1, 1]) of
                   Same -> Test ! {stalled, self()}, receive never -> 1.0 end;
                   [Output] -> Output
               end
           end,
    {ok, P} =
        cambrian_population:start(#{task => Task, inputs => 2, outputs => 1, seed => 1,
                                    population => 10, evaluation_timeout => infinity,
                                    newcomer_timeout => 4000, target => 99,
                                    generations => 1_000_000}),
    ok = cambrian_population:subscribe(P),
    ok = from_the_mesh(P, Stalling, staller),
    Worker = receive {stalled, Pid} -> monitor(process, Pid), Pid end,
    ok = from_the_mesh(P, Other, other),
    {ok, #{generation := 19}} = cambrian_population:step(P, 20),
    ?assert(is_process_alive(Worker)),
    no_more(received),
    ok = cambrian_population:run(P),
    #{outcome := failed, work := Work} = told(staller),
    receive {'DOWN', _, process, Worker, _} -> ok end,
    %% the work is what the population could have done in that time
    ?assert(Work > 1000 * cambrian_genotype:cost(Stalling)),
    ?assertMatch(#{outcome := Outcome} when Outcome =/= failed, told(other)),
    ok = cambrian_population:stop(P).

%% The newcomer takes longer than a millisecond, in a task in Rust.
a_mesh_newcomer_beyond_the_timeout_is_late_and_not_failed(_) ->
    Task = {sequence_recall, #{length => 8, delay => 16}},
    {ok, P} =
        cambrian_population:start(#{task => Task, seed => 1, population => 10,
                                    newcomer_timeout => 1}),
    ok = cambrian_population:subscribe(P),
    {ok, Small} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 900),
    Late = bloated(Small, 90_000),
    ok = cambrian_population_client:inject_from_mesh(P, Late, late, 1_000_000),
    {ok, _} = cambrian_population:step(P, 1),
    #{outcome := late} = Told = told(late),
    ?assertNot(is_map_key(fitness, Told)),
    ok = cambrian_population:stop(P).

%% A pause by the governor does not count as evaluation time, in Rust or of a fun.
a_pause_by_the_governor_makes_no_newcomer_late(_) ->
    Fun = fun(Network) -> hd(cambrian_network:activate(Network, [1, 1])) end,
    Options = #{seed => 1, population => 10, target => 99, newcomer_timeout => 1000},
    [begin
         {ok, P} = cambrian_population:start(maps:merge(Options, Task)),
         ok = cambrian_population:subscribe(P),
         {ok, _} = cambrian_population:step(P, 1),
         ok = cambrian_governor:configure(#{pause_when => fun() -> true end}),
         {ok, Stranger} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 900),
         ok = from_the_mesh(P, Stranger, patient),
         no_more(received, 1500),
         ok = cambrian_governor:configure(#{pause_when => none}),
         #{outcome := Outcome, fitness := _} = told(patient),
         ?assert(lists:member(Outcome, [accepted, full, not_better])),
         ok = cambrian_population:stop(P)
     end || Task <- [#{task => 'xor'}, #{task => Fun, inputs => 2, outputs => 1}]].

%% A newcomer that was measured but not yet in a generation is measured again after a crash, and
%% reported once.
a_mesh_newcomer_survives_a_crash(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => doomed, seed => 1, target => 99}),
    ok = from_the_mesh(P, Champion, mesh),
    exit(P, kill),
    Back = await_return(doomed, P),
    ok = cambrian_population:subscribe(Back),
    {ok, _} = cambrian_population:step(doomed, 1),
    ?assertMatch(#{outcome := accepted, fitness := Fitness}, told(mesh)),
    {ok, #{fitness := Fitness}} = cambrian_population:best(doomed),
    no_more(received).
