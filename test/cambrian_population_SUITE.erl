%% Populations that run, pause, end and are watched.
-module(cambrian_population_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_populations, [await_return/2, champion_of/1, events/1, flush/0, options/1,
                               run_whole/1, wait_for_generation/2]).

all() ->
    [a_run_ends_when_the_fun_of_until_returns_true,
     an_until_fun_that_fails_or_returns_no_boolean_is_an_error, a_run_ends_after_its_patience,
     early_stopping_picks_the_champion_by_its_validation, an_idle_population_hibernates,
     a_name_in_use_is_refused, a_paused_population_can_be_stepped, a_run_may_start_during_steps,
     a_run_at_its_limit_goes_on_if_the_limit_is_raised,
     a_population_reports_the_work_of_its_own_genotypes,
     a_subscriber_gets_an_event_of_each_generation, many_populations_run_at_once,
     a_population_runs_under_a_supervisor_of_the_user, all_populations_of_a_node_can_be_watched,
     an_idle_population_answers_before_its_first_generation].

init_per_suite(Config) -> cambrian_populations:started(Config).

end_per_suite(_) -> application:stop(cambrian).

init_per_testcase(Case, Config) -> cambrian_populations:with_dir(Case, Config).

end_per_testcase(_, _) -> cambrian_populations:end_all().

a_run_ends_when_the_fun_of_until_returns_true(_) ->
    Until = fun(#{generation := G, species := Species}) -> G >= 3 andalso length(Species) > 1 end,
    {ok, P} = cambrian_population:start((options(17))#{name => here, until => Until}),
    ok = cambrian_population:run(P),
    {ok, #{solved := true, generations := 4, fitness := Fitness}} =
        cambrian_population:await(P, 60_000),
    ?assertMatch({ok, #{fitness := Fitness}}, cambrian_population:best(P)),
    %% the result survives a crash
    exit(P, kill),
    Back = await_return(here, P),
    ?assertMatch({ok, #{solved := true, generations := 4}},
                 cambrian_population:await(Back, 60_000)).

an_until_fun_that_fails_or_returns_no_boolean_is_an_error(_) ->
    {ok, P} =
        cambrian_population:start((options(18))#{name => here,
                                                 until => fun(_) -> error(on_purpose) end}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    ?assertMatch({error, {bad_option, {until, {error, on_purpose, _}, _}}},
                 cambrian_population:await(P, 60_000)),
    ?assertMatch([_], [Event || {failed, {bad_option, _}} = Event <- events(here)]),
    ok = cambrian_population:run(P, #{until => fun(_) -> perhaps end}),
    ?assertMatch({error, {bad_option, {until, perhaps, _}}}, cambrian_population:await(P, 60_000)),
    ok = cambrian_population:run(P, #{until => fun(#{generation := G}) -> G >= 5 end}),
    ?assertMatch({ok, #{generations := 6}}, cambrian_population:await(P, 60_000)).

%% Patience ends the run, before any other limit.
a_run_ends_after_its_patience(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 3, target => 5, patience => 7}),
    ok = cambrian_population:run(P),
    {ok, #{generations := Generations, solved := false}} = cambrian_population:await(P, 60_000),
    ?assertMatch({ok, #{generation := Best}} when Best + 8 =:= Generations,
                 cambrian_population:best(P)),
    ok = cambrian_population:stop(P).

%% The champion is the genotype with the best validation, with and without a kill on the way.
early_stopping_picks_the_champion_by_its_validation(_) ->
    _ = rand:seed(exsss, 1),
    Rows = [[rand:normal() + 2 * (K rem 2), rand:normal()] || K <- lists:seq(1, 60)],
    Data =
        {dataset,
         #{inputs => Rows, targets => [K rem 2 || K <- lists:seq(1, 60)], kind => classification,
           validation => 0.4, seed => 5}},
    Options = #{task => Data, seed => 9, population => 60, patience => 12},
    {ok, P} = cambrian_population:start(Options),
    ok = cambrian_population:run(P),
    {ok, #{champion := Champion, validation := Held, generations := Generations} = Result} =
        cambrian_population:await(P, 60_000),
    {ok, #{validation := Again}} = cambrian_task:trial(Data, cambrian_network:compile(Champion)),
    ?assertEqual(Held, Again),
    %% the champion is not the fittest genotype, which overfits the training rows
    {ok, #{fitness := Fittest}} = cambrian_population:best(P),
    ?assert(maps:get(fitness, Result) < Fittest),
    ok = cambrian_population:stop(P),
    {ok, _} = cambrian_population:start(Options#{name => here}),
    ok = cambrian_population:run(here),
    wait_for_generation(here, Generations div 2),
    Pid = whereis(here),
    exit(Pid, kill),
    _ = await_return(here, Pid),
    {ok, #{champion := Other, validation := Held, generations := Generations}} =
        cambrian_population:await(here, 60_000),
    ?assertEqual(cambrian_genotype:id(Champion), cambrian_genotype:id(Other)).

an_idle_population_hibernates(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    {ok, _} = cambrian_population:step(P, 3),
    hibernates(P),
    ?assertMatch({ok, #{generation := 2}}, cambrian_population:stats(P)),
    ok = cambrian_population:stop(P).

%% The name belongs to a population, whose files stay, or to another process: an error, and
%% nothing starts, crashes or is deleted.
a_name_in_use_is_refused(Config) ->
    Dir = proplists:get_value(dir, Config),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, Here} = cambrian_population:start((options(1))#{name => here, checkpoint_interval => 0}),
    {ok, _} = cambrian_population:step(here, 5),
    %% this call returns once the last file is written, which a step does not wait for
    _ = cambrian_population:info(here),
    Files = fun() -> lists:sort(filelib:wildcard(filename:join([Dir, "populations", "**"]))) end,
    Before = Files(),
    ?assertMatch([_, _, _, _], Before),
    Guards = supervisor:count_children(cambrian_population_sup),
    Taken = {error, {already_started, Here}},
    Other = #{task => single_pole, seed => 1, name => here, generations => 2},
    [begin
         ?assertEqual(Taken, cambrian_population:start(Options#{resume => Resume})),
         ?assertEqual(Taken, cambrian_population:start_link(Options#{resume => Resume})),
         ?assertEqual(Taken,
                      cambrian:evolve(maps:get(task, Options),
                                      maps:remove(task, Options#{resume => Resume})))
     end || Options <- [(options(1))#{name => here}, Other], Resume <- [true, false]],
    %% files under the name of another process
    ok = filelib:ensure_dir(filename:join([Dir, "populations", "kernel_sup", "x"])),
    ok = file:write_file(filename:join([Dir, "populations", "kernel_sup",
                                        "000000000001.checkpoint"]), "mine"),
    [?assertEqual({error, {name_taken, Name}},
                  cambrian_population:start(Other#{name => Name, resume => Resume}))
     || Name <- [kernel_sup, init, user, cambrian_sup, cambrian_store], Resume <- [true, false]],
    ?assertEqual({error, {name_taken, init}},
                 cambrian:evolve('xor', #{name => init, resume => false})),
    ?assertEqual(Guards, supervisor:count_children(cambrian_population_sup)),
    ?assertEqual(Before, Files() -- [filename:join([Dir, "populations", "kernel_sup" | Below])
                                     || Below <- [[], ["000000000001.checkpoint"]]]),
    exit(Here, kill),
    Back = await_return(here, Here),
    ?assertMatch(#{generation := 4}, cambrian_population:info(Back)).

hibernates(P) ->
    case process_info(P, current_function) of
        {_, {erlang, hibernate, 3}} -> ok;
        {_, {gen_statem, loop_hibernate, 3}} -> ok;
        _ -> erlang:yield(), hibernates(P)
    end.

a_paused_population_can_be_stepped(_) ->
    {ok, P} = cambrian_population:start(options(3)),
    ?assertMatch({ok, #{generation := 0}}, cambrian_population:step(P, 1)),
    {ok, #{generation := 4, evaluations := Evaluations}} = cambrian_population:step(P, 4),
    ?assert(Evaluations > 800 andalso Evaluations =< 1000),
    ok = cambrian_population:run(P),
    ok = cambrian_population:pause(P),
    {ok, #{generation := Before}} = settled(P),
    ?assertMatch({ok, #{generation := After}} when After =:= Before + 1,
                 cambrian_population:step(P, 1)),
    ok = cambrian_population:resume(P),
    Whole = run_whole(options(3)),
    ?assertEqual(Whole, champion_of(cambrian_population:await(P, 60_000))),
    ok = cambrian_population:stop(P).

%% A paused population first ends its generation; `step' is refused until then.
settled(P) ->
    case cambrian_population:step(P, 1) of
        {ok, Stats} -> {ok, Stats};
        {error, running} -> settled(P)
    end.

a_subscriber_gets_an_event_of_each_generation(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    {ok, #{generations := Count} = Result} = cambrian_population:await(P, 300_000),
    ?assertEqual(lists:seq(0, Count - 1), seen()),
    receive {cambrian, _, {finished, Last}} -> ?assertEqual(Result, Last) end,
    ok = cambrian_population:unsubscribe(P),
    flush(),
    {ok, _} = cambrian_population:step(P, 1),
    receive {cambrian, _, _} = Event -> error({still_told, Event}) after 0 -> ok end,
    ok = cambrian_population:stop(P).

seen() -> receive {cambrian, _, {generation, #{generation := G}}} -> [G | seen()] after 0 -> [] end.

many_populations_run_at_once(_) ->
    Whole = [run_whole(#{task => 'xor', seed => Seed}) || Seed <- lists:seq(1, 6)],
    Populations =
        [element(2, cambrian_population:start(#{task => 'xor', seed => Seed}))
         || Seed <- lists:seq(1, 6)],
    [ok = cambrian_population:run(P) || P <- Populations],
    ?assertEqual(Whole, [champion_of(cambrian_population:await(P, 300_000)) || P <- Populations]),
    [ok = cambrian_population:stop(P) || P <- Populations].

a_population_runs_under_a_supervisor_of_the_user(_) ->
    Spec = cambrian_population:child_spec(#{task => 'xor', name => here, seed => 1}),
    {ok, Supervisor} = supervisor_of(Spec),
    First = whereis(here),
    exit(First, kill),
    ?assert(is_pid(await_return(here, First))),
    unlink(Supervisor),
    exit(Supervisor, shutdown).

%% A watcher of all populations hears of each start and restart, under any supervisor.
all_populations_of_a_node_can_be_watched(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    #{name := Nameless} = cambrian_population:info(P),
    ?assertMatch(#{Nameless := P}, cambrian_store:watch()),
    ?assertMatch(#{Nameless := P}, cambrian_store:watch()),
    {ok, Supervisor} =
        supervisor_of(cambrian_population:child_spec(#{task => 'xor', name => here, seed => 1})),
    Here = whereis(here),
    receive {cambrian_store, population, here, First} -> ?assertEqual(Here, First) after 300_000 ->
            error(not_told) end,
    ?assertMatch(#{here := Here, Nameless := P}, cambrian_store:populations()),
    {ok, _} = cambrian_population:step(here, 2),
    exit(Here, kill),
    Back = await_return(here, Here),
    receive {cambrian_store, population, here, Second} ->
            ?assertEqual(Back, Second) after 300_000 ->
            error(not_told) end,
    ok = cambrian_population:stop(P),
    ok = gen_server:stop(Supervisor),
    Left = cambrian_store:populations(),
    ?assertNot(is_map_key(here, Left) orelse is_map_key(Nameless, Left)),
    receive {cambrian_store, _, _, _} = Told -> error(Told) after 0 -> ok end.

supervisor_of(Spec) ->
    {ok, Supervisor} = supervisor:start_link(cambrian_populations, {#{}, []}),
    {ok, _} = supervisor:start_child(Supervisor, Spec),
    {ok, Supervisor}.

an_idle_population_answers_before_its_first_generation(_) ->
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 5}),
    ?assertEqual({error, not_evaluated}, cambrian_population:best(P)),
    ?assertEqual({error, not_evaluated}, cambrian_population:stats(P)),
    ?assertMatch(#{task := 'xor', seed := 5, inputs := 2, outputs := 1,
                   parameters := #{population := 150}},
                 cambrian_population:info(P)),
    ?assertEqual({error, {bad_option, {generations, none, <<"a positive integer">>}}},
                 cambrian_population:run(P, #{generations => none})),
    ?assertEqual({error, timeout}, cambrian_population:await(P, 10)),
    {ok, Bytes} = cambrian_population:checkpoint(P),
    ?assertMatch({ok, _}, cambrian_nif:population_decode(Bytes)),
    ok = cambrian_population:stop(P).

%% run/1 during steps: the caller of step gets its answer in time, and the run goes on.
a_run_may_start_during_steps(_) ->
    {ok, P} = cambrian_population:start((options(3))#{generations => 30}),
    Self = self(),
    ok = cambrian_population:subscribe(P),
    spawn_link(fun() -> Self ! {stepped, cambrian_population:step(P, 10)} end),
    receive {cambrian, _, {generation, #{generation := 0}}} -> ok end,
    ok = cambrian_population:run(P),
    receive {stepped, {ok, #{generation := 9}}} -> ok after 300_000 -> error(no_answer) end,
    {ok, #{generations := 30}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:stop(P).

%% Another run with the same limit does nothing; with a higher limit it goes on.
a_run_at_its_limit_goes_on_if_the_limit_is_raised(_) ->
    {ok, P} = cambrian_population:start((options(3))#{generations => 3}),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3} = Result} = cambrian_population:await(P, 300_000),
    false = is_map_key(trial, Result),
    ok = cambrian_population:run(P),
    {ok, #{generations := 3}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:run(P, #{generations => 5}),
    {ok, #{generations := 5}} = cambrian_population:await(P, 300_000),
    ok = cambrian_population:stop(P).

%% A bridge learns the work of each generation of the population's own genotypes, in Rust or
%% Erlang, and whether the population is idle.
a_population_reports_the_work_of_its_own_genotypes(_) ->
    Worked =
        fun(P) ->
            receive {cambrian, P, {worked, Report}} -> Report after 300_000 ->
                    error({no_word_of, P}) end end,
    Fun = fun(Network) -> [Output] = cambrian_network:activate(Network, [1, 1]), Output end,
    [begin
         {ok, P} =
             cambrian_population:start(maps:merge(#{name => solid, seed => 1, population => 10},
                                                  Options)),
         ok = cambrian_population_client:account(solid),
         #{work := 0, rests := true, failing := false} = Worked(solid),
         {ok, _} = cambrian_population:step(solid, 1),
         #{work := 0, rests := false} = Worked(solid),
         %% a first network of two connections and an output costs 4 a tick
         ?assertEqual(#{work => 10 * Ticks * 4, rests => false, failing => false}, Worked(solid)),
         #{work := 0, rests := true} = Worked(solid),
         ok = cambrian_population:unsubscribe(solid),
         {ok, _} = cambrian_population:step(solid, 1),
         ?assertEqual(none,
                      receive {cambrian, solid, {worked, _} = More} -> More after 0 -> none end),
         ok = cambrian_population:stop(P)
     end
     || {Ticks, Options} <- [{4, #{task => 'xor'}},
                             {1, #{task => Fun, inputs => 2, outputs => 1}}]].
