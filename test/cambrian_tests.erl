-module(cambrian_tests).
-include_lib("eunit/include/eunit.hrl").
-export([log/2]).
-compile([export_all, nowarn_export_all]).

%% Every exported function whose name ends in _case. An evolution takes milliseconds, but seconds
%% on a busy machine, and EUnit gives a test five.
%% it can be seconds, and EUnit gives a test five.
cases_test_() ->
    [{Name, {timeout, 120, fun ?MODULE:Case/0}}
     || {Case, 0} <- module_info(exports), Name <- [atom_to_list(Case)],
     lists:suffix("_case", Name)].

xor_is_solved_and_a_loaded_champion_solves_it_case() ->
    {ok, #{solved := true, champion := Champion, fitness := Fitness}} =
        cambrian:evolve('xor', #{seed => 42}),
    {ok, Loaded} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(Champion)),
    Network = cambrian_network:compile(Loaded),
    ?assertEqual([0, 1, 1, 0],
                 [round(hd(cambrian_network:activate(Network, [A, B])))
                  || A <- [0, 1], B <- [0, 1]]),
    ?assertEqual({ok, Fitness}, cambrian_task:evaluate('xor', Network)),
    ?assert(Fitness >= 3.9).

the_same_seed_gives_the_same_champion_case() ->
    Ids =
        [begin {ok, #{champion := C}} = cambrian:evolve('xor', #{seed => Seed}),
            cambrian_genotype:id(C) end
         || Seed <- [7, 7, 8]],
    ?assertMatch([Id, Id, Other] when Id =/= Other, Ids).

the_reported_seed_repeats_the_run_case() ->
    {ok, #{seed := Seed, champion := First}} = cambrian:evolve('xor', #{}),
    {ok, #{seed := Seed, champion := Second}} = cambrian:evolve('xor', #{seed => Seed}),
    ?assertEqual(cambrian_genotype:id(First), cambrian_genotype:id(Second)).

a_run_that_misses_its_target_is_no_error_case() ->
    {ok, #{solved := false, generations := 3, evaluations := Of3}} =
        cambrian:evolve('xor', #{seed => 1, generations => 3, target => 5}),
    ?assert(Of3 > 300 andalso Of3 =< 450),
    {ok, #{solved := false, evaluations := Of500}} =
        cambrian:evolve('xor', #{seed => 1, evaluations => 500, target => 5}),
    ?assert(Of500 >= 500 andalso Of500 =< 600),
    {ok, #{solved := false, elapsed_ms := Ms}} =
        cambrian:evolve('xor', #{seed => 1, timeout => 50, target => 5}),
    ?assert(Ms >= 50).

mistakes_are_errors_that_name_the_option_test_() ->
    Answers = [{{unknown_option, sed, hint(seed)}, 'xor', #{sed => 1}},
               {{unknown_option, popluation, hint(population)}, 'xor', #{popluation => 1}},
               {{unknown_option, <<"population">>, hint(population)}, 'xor',
                #{<<"population">> => 1}},
               {{unknown_option, "target-fitness",
                 #{see => <<"type cambrian_population:options()">>}}, 'xor',
                #{"target-fitness" => 1}},
               {{bad_option, {seed, -1, <<"an integer from 0 to 2^64 - 1">>}}, 'xor',
                #{seed => -1}},
               {{bad_option, {generations, 0, <<"a positive integer">>}}, 'xor',
                #{generations => 0}},
               {{bad_option,
                 {progress, maybe_so, <<"a boolean, a device or a fun of one argument">>}}, 'xor',
                #{progress => maybe_so}},
               {{bad_option, {options, [], <<"a map">>}}, 'xor', []},
               {{unknown_parameter, add_nod, hint(add_node, <<"cambrian:parameters/0">>)}, 'xor',
                #{params => #{add_nod => 1}}},
               {{bad_parameter, {add_node, 2, <<"a number from 0 to 1">>}}, 'xor',
                #{params => #{add_node => 2}}},
               {{bad_parameter, {add_node, {a, [b]}, <<"a number from 0 to 1">>}}, 'xor',
                #{params => #{add_node => {a, [b]}}}},
               {{bad_parameter, {population, 1, <<"an integer from 2 to 1000000">>}}, 'xor',
                #{population => 1}},
               {{bad_parameter, {population, 150.0, <<"an integer from 2 to 1000000">>}}, 'xor',
                #{population => 150.0}},
               {{bad_option, {bits, 5.0, <<"an integer from 2 to 12">>}}, {parity, #{bits => 5.0}},
                #{}},
               {{unknown_task, no_such_task, #{see => <<"cambrian:tasks/0">>}}, no_such_task, #{}},
               {{unknown_task, no_such_task, #{see => <<"cambrian:tasks/0">>}}, {no_such_task, [1]},
                #{}},
               {{unknown_option, bytes, #{see => <<"cambrian_task">>}}, {parity, #{bytes => 3}},
                #{}},
               {{unknown_option, {bits}, #{see => <<"cambrian_task">>}}, {parity, #{{bits} => 3}},
                #{}},
               {{unknown_option, bits, #{see => <<"cambrian_task">>}}, {'xor', #{bits => 3}}, #{}},
               {{bad_option, {bits, 13, <<"an integer from 2 to 12">>}}, {parity, #{bits => 13}},
                #{}},
               {{bad_option, {bits, {}, <<"an integer from 2 to 12">>}}, {parity, #{bits => {}}},
                #{}},
               {{bad_option, {settings, [3], <<"a map">>}}, {parity, [3]}, #{}},
               {{bad_task,
                 {module, lists,
                  <<"a module that exports init/1 and evaluate/2, or init/1, reset/2 and "
                    "step/2">>}},
                lists, #{}},
               {{missing_options, [inputs, outputs]}, fun(_) -> 0 end, #{}},
               {{bad_option, {inputs, 1 bsl 33, <<"an integer from 1 to 10000">>}}, fun(_) -> 0 end,
                #{inputs => 1 bsl 33, outputs => 1}},
               {{unknown_parameter, <<"add_node">>, hint(add_node, <<"cambrian:parameters/0">>)},
                'xor', #{params => #{<<"add_node">> => 1}}},
               {{bad_dataset, {{inputs, 2}, 2, <<"1 numbers as in the first row">>}},
                {dataset, [[1], [1, 2]], [[1], [1]]}, #{}},
               {{bad_dataset, {inputs, 0, <<"rows of one length, from 1 to 10000">>}},
                {dataset, [[]], [[1]]}, #{}},
               {{bad_dataset, {rows, {1, 0}, <<"as many inputs as targets, at least one">>}},
                {dataset, [[1]], []}, #{}},
               {{bad_dataset, {{inputs, 1, 2}, a, <<"a number within plus and minus 1.0e12">>}},
                {dataset, [[0, a]], [[1]]}, #{}},
               {{bad_dataset, {{targets, 2}, 2,
                 <<"a list of numbers or a binary of 32-bit floats; or a label, with the kind "
                   "classification">>}},
                {dataset, [[1], [2]], [[1], 2]}, #{}},
               {{bad_dataset,
                 {{inputs, 1}, list, <<"a list of numbers or a binary of 32-bit floats">>}},
                {dataset, [[1 | 2]], [[1]]}, #{}},
               {{bad_dataset, {inputs, {1, 3}, <<"rows of one length, from 1 to 10000">>}},
                {dataset, {1, <<0:24>>}, [[1]]}, #{}},
               {{bad_dataset, {inputs, {2, 4}, <<"rows of one length, from 1 to 10000">>}},
                {dataset, {2, <<0:32>>}, [[1]]}, #{}},
               {{bad_dataset, {inputs, rows, <<"lists of rows, or {Width, Binary}">>}},
                {dataset, rows, [[1]]}, #{}},
               {{bad_dataset, {inputs, list, <<"lists of rows, or {Width, Binary}">>}},
                {dataset, [[1] | rows], [[1]]}, #{}},
               {{missing_options, [inputs, targets]}, dataset, #{}},
               {{missing_options, [targets]}, {dataset, #{inputs => [[1]]}}, #{}},
               {{unknown_option, outputs, #{see => <<"cambrian_task">>}},
                {dataset, #{inputs => [[1]], outputs => [[1]]}}, #{}},
               {{bad_option, {settings, [], <<"a map">>}}, {dataset, []}, #{}},
               {{bad_option, {kind, guess, <<"regression or classification">>}},
                votes(#{kind => guess}), #{}},
               {{bad_option, {validation, 1, <<"a number from 0 to less than 1">>}},
                votes(#{validation => 1}), #{}},
               {{bad_option,
                 {validation, 0.1,
                  <<"a share of the rows that leaves one or more on either side">>}},
                votes(#{validation => 0.1}), #{}},
               {{bad_option, {seed, -1, <<"an integer from 0 to 2^64 - 1">>}}, votes(#{seed => -1}),
                #{}},
               {{bad_dataset, {targets, 1, <<"two classes or more, up to 10000">>}},
                votes(#{kind => classification, targets => [0, 0, 0, 0]}), #{}},
               {{bad_dataset,
                 {{targets, 1}, numbers,
                  <<"two or more numbers, one of them 1 and the others 0">>}},
                votes(#{kind => classification}), #{}}],
    {timeout, 120,
     [?_assertEqual({error, Reason}, cambrian:evolve(Task, Options))
      || {Reason, Task, Options} <- Answers]}.

hint(Near) -> hint(Near, <<"type cambrian_population:options()">>).
hint(Near, See) -> #{did_you_mean => Near, see => See}.

%% Every option has an effect or is refused.
options_that_contradict_are_refused_test_() ->
    Half = fun(_) -> 0.5 end,
    {ok, Substrate} = cambrian_substrate:new(#{inputs => [[-1], [1]], outputs => [[0]]}),
    {ok, Founder} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    Rows = {dataset, #{inputs => [[1], [2]], targets => [[1], [2]]}},
    Bad = fun(Task, Name, Value, Others, Expected) ->
              {Name, Task, fun() -> ?assertEqual({error, {bad_option, {Name, Value, Expected}}},
                                                 cambrian:evolve(Task, Others#{Name => Value})) end}
          end,
    Files = <<"left out without a name, by which checkpoints are found again">>,
    InRust = <<"left out with a task that runs in Rust">>,
    [?_assertMatch({ok, #{generations := 1}},
                   cambrian:evolve('xor',
                                   #{inputs => 2, outputs => 1, generations => 1, target => 9}))
     | [{lists:concat([Name]), Test} || {Name, _Task, Test} <- [
        Bad('xor', inputs, 3, #{}, <<"2, as the task has">>),
        Bad('xor', outputs, 2, #{inputs => 2}, <<"1, as the task has">>),
        Bad(Rows, inputs, 3, #{generations => 1}, <<"1, as the task has">>),
        Bad({cambrian_lamp, #{inputs => 1, outputs => 1}}, outputs, 3, #{generations => 1},
            <<"1, as the task has">>),
        Bad('xor', evaluation_timeout, 100, #{}, InRust),
        Bad('xor', evaluation_memory, 10_000_000, #{}, InRust),
        Bad(Rows, evaluation_timeout, 100, #{generations => 1}, InRust),
        Bad('xor', checkpoints, 2, #{}, Files),
        Bad('xor', checkpoint_interval, 0, #{name => make_ref()}, Files),
        Bad('xor', resume, false, #{}, Files),
        Bad('xor', population, 20, #{params => #{population => 30}},
            <<"30, as among the parameters">>),
        Bad('xor', nodes, connected, #{substrate => Substrate}, <<"none with a substrate">>),
        Bad('xor', run, false, #{}, <<"left out, as evolve runs">>),
        Bad('xor', from, [], #{}, <<"a genotype, or a list of one or more">>),
        Bad('xor', from, [Founder | Founder], #{}, <<"a genotype, or a list of one or more">>),
        Bad('xor', from, [Founder, Founder, Founder], #{population => 2},
            <<"at most 2 genotypes, as many as the population has">>)]]]
    ++ [?_assertEqual({error,
                       {bad_option,
                        {seed, 1, <<"left out without validation, of which it draws the rows">>}}},
                      cambrian:evolve({dataset, #{inputs => [[1]], targets => [[1]], seed => 1}})),
        ?_assertEqual({error, {wrong_size, inputs, 3, 2}},
                      cambrian:evolve(parity, #{from => Founder})),
        ?_assertEqual({error, {wrong_size, inputs, 4, 2}},
                      cambrian:evolve(Half, #{substrate => Substrate, from => Founder}))].

an_improper_list_is_an_error_that_names_its_option_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Realm = <<"org.example.improper">>,
    ?assertMatch({error, {bad_option, {populations, [a | b], _}}},
                 cambrian_bridge:start(#{realm => Realm, populations => [a | b]})),
    {ok, _} = cambrian_bridge:start(#{realm => Realm}),
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    [?assertMatch({error, {bad_option, {Name, List, _}}},
                  cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 1, Name => List}))
     || {Name, List} <- [{parents, [<<1:256>> | b]}, {operators, [a | b]}]],
    ok = cambrian_bridge:stop(Realm).

a_step_of_no_generations_raises_with_an_explanation_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}),
    [?assertEqual({Generations, #{2 => <<"has to be a positive integer">>}},
                  {Generations, wrong_step(P, Generations)})
     || Generations <- [-1, 0, 1.0, many]],
    ok = cambrian_population:stop(P).

wrong_step(P, Generations) ->
    try cambrian_population:step(P, Generations)
    catch error:badarg:Stack -> cambrian_badarg:format_error(badarg, Stack)
    end.

%% A population with a name but no directory logs that its checkpoints stay in memory.
a_named_population_without_a_data_dir_logs_it_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Self = self(),
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => Self}),
    try
        {ok, _} =
            cambrian:evolve('xor',
                            #{seed => 42, name => cambrian_tests_told, checkpoint_interval => 0}),
        receive
            {logged, Text} ->
                ?assertEqual("population cambrian_tests_told: checkpoint_interval has no effect, "
                             "as the application has no data_dir",
                             Text)
        after 60_000 -> error(nothing_logged)
        end
    after
        logger:remove_handler(?MODULE)
    end.

log(#{msg := {Format, Args}, level := warning}, #{config := Pid}) ->
    Pid ! {logged, lists:flatten(io_lib:format(Format, Args))};
log(_, _) -> ok.

%% A misspelt key in the return of a module's init/1 is an error as in the options.
an_unknown_key_in_the_return_of_init_is_named_test() ->
    Module = fun(Key) ->
        Forms = [element(2, erl_parse:parse_form(element(2, erl_scan:string(Text))))
                 || Text <- ["-module(cambrian_tests_slip).", "-export([init/1, reset/2, step/2]).",
                             "init(_) -> {ok, #{inputs => 1, outputs => 1, " ++ Key ++
                                 " => 5}, none}.",
                             "reset(_, _) -> {[0], 0}.", "step(_, _) -> {done, 1}."]],
        {ok, Name, Code} = compile:forms(Forms),
        {module, Name} = code:load_binary(Name, "slip.erl", Code),
        Name
    end,
    Slip = Module("episode"),
    ?assertEqual({error,
                  {unknown_option, episode, hint(episodes, <<"cambrian_environment:init/1">>)}},
                 cambrian:evolve(Slip)),
    ?assertMatch({ok, _}, cambrian:evolve(Module("episodes"), #{generations => 1})).

a_bad_task_is_named_case() ->
    ?assertMatch({error, {bad_task, {task, 17, _}}}, cambrian:evolve(17)).

a_fun_is_a_task_case() ->
    Fitness = fun(Network) ->
                  [Out] = cambrian_network:activate(Network, [0.5, -0.5]),
                  1 - abs(Out - 0.25)
              end,
    ?assertMatch({ok, #{solved := true, fitness := F}} when F >= 0.999,
                 cambrian:evolve(Fitness,
                                 #{inputs => 2, outputs => 1, target => 0.999, seed => 1})).

a_fault_costs_only_one_evaluation_case() ->
    Self = self(),
    Turn = atomics:new(1, []),
    Fitness = fun(_) ->
                  case atomics:add_get(Turn, 1, 1) rem 5 of
                      0 -> error(on_purpose);
                      1 -> exit(on_purpose);
                      2 -> timer:sleep(infinity);
                      3 -> rubbish;
                      4 -> 1.0
                  end
              end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 1, outputs => 1,
                                         population => 20,
                                         evaluation_timeout => 20, generations => 2}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    %% the elite of the first generation keeps its fitness
    {ok, #{evaluations := 39, fitness := 1.0}} = cambrian_population:await(P, 300_000),
    [receive {cambrian, _, {evaluations_failed, #{count := Count, first := _}}} -> Self ! Count end
     || _ <- [1, 2]],
    Counts = [receive Count when is_integer(Count) -> Count end || _ <- [1, 2]],
    ?assertEqual(31, lists:sum(Counts)),
    ok = cambrian_population:stop(P).

the_tuned_champion_of_a_fun_repeats_and_keeps_its_fitness_case() ->
    Fitness = fun(Network) ->
                  [Out] = cambrian_network:activate(Network, [0.5, -0.5]),
                  1 - abs(Out - 0.25)
              end,
    Evolve = fun(Tuning, Inheritance) ->
                 {ok, #{champion := C, fitness := F, evaluations := N}} =
                     cambrian:evolve(Fitness,
                                     #{inputs => 2, outputs => 1, seed => 3, population => 8,
                                       generations => 3,
                                       target => 2,
                                       params => #{tuning => Tuning, inheritance => Inheritance}}),
                 ?assertEqual(F, Fitness(cambrian_network:compile(C))),
                 {cambrian_genotype:id(C), F, N}
             end,
    [begin
         {Id, F, N} = Evolve(Tuning, Inheritance),
         ?assertEqual({Id, F, N}, Evolve(Tuning, Inheritance)),
         ?assert(N > 24),
         ?assert(F > 0.99)
     end || Tuning <- [cma_es, sep_cma_es, hill_climbing], Inheritance <- [lamarckian, baldwinian]].

%% Whatever the target, and however the task fails.
a_task_that_always_fails_is_an_error_case() ->
    Small = #{inputs => 1, outputs => 1, population => 10},
    Fails = fun(Task, Options) ->
                {error, {evaluations_failed, #{count := 10, first := First}}} =
                    cambrian:evolve(Task, maps:merge(Small, Options)),
                First
            end,
    [?assertMatch({crashed, {error, boom, [{?MODULE, _, 1, _} | _]}},
                  Fails(fun(_) -> error(boom) end, Goal))
     || Goal <- [#{}, #{target => -0.5}, #{target => 0}, #{until => fun(_) -> true end},
                 #{generations => 1},
                 #{params => #{tuning => cma_es}}, #{params => #{replacement => 0.1}},
                 #{nodes => [node()]}]],
    ?assertEqual({bad_fitness, nil}, Fails(fun(_) -> nil end, #{})),
    ?assertEqual({bad_fitness, {ok, 1.0}}, Fails(fun(_) -> {ok, 1.0} end, #{})),
    ?assertEqual({bad_fitness, nan}, Fails(fun(_) -> #{fitness => nan} end, #{target => -1})),
    Wrong = fun(Network) -> [Out] = cambrian_network:activate(Network, [1, 2]), Out end,
    ?assertMatch({crashed, {error, {badmatch, {error, {wrong_size, inputs, 1, 2}}}, _}},
                 Fails(Wrong, #{})),
    ?assertEqual(timeout, Fails(fun(_) -> timer:sleep(infinity) end, #{evaluation_timeout => 20})).

%% Every waiting caller gets the error, and the next run tries again.
a_population_whose_first_generation_failed_can_run_again_case() ->
    Works = atomics:new(1, []),
    Fitness = fun(_) -> 1 = atomics:get(Works, 1), 1.0 end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 1, outputs => 1,
                                         population => 10, seed => 1,
                                         generations => 2}),
    {error, Failed} = cambrian_population:step(P, 3),
    ?assertMatch({evaluations_failed,
                  #{count := 10, first := {crashed, {error, {badmatch, 0}, _}}}},
                 Failed),
    ?assertEqual({error, Failed}, cambrian_population:await(P, 10_000)),
    ?assertEqual({error, not_evaluated}, cambrian_population:best(P)),
    ?assertMatch(#{state := failed, solved := false, stats := undefined, failure := Failed},
                 cambrian_population_client:overview(P)),
    ?assertMatch(#{evaluations := 10, failures := 10}, cambrian_population:info(P)),
    ok = atomics:put(Works, 1, 1),
    ok = cambrian_population:run(P),
    ?assertMatch({ok, #{generations := 2, failures := 0}}, cambrian_population:await(P, 60_000)),
    ok = cambrian_population:stop(P).

%% A failed evaluation counts with no value: not in the best, not in the mean, and not in messages
%% to other nodes.
a_failed_evaluation_has_no_fitness_case() ->
    Fitness = fun(Network) ->
                  [Out] = cambrian_network:activate(Network, [0.5, -0.5]),
                  case round(1000 * Out) rem 3 of
                      0 -> error(on_purpose);
                      _ -> -5
                  end
              end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 2, outputs => 1, seed => 1,
                                         generations => 8}),
    ok = cambrian_population:run(P),
    {ok, #{fitness := -5.0, failures := Failures, evaluations := Evaluations}} =
        cambrian_population:await(P, 60_000),
    ?assert(Failures > 50 andalso Failures < Evaluations),
    History = cambrian_population:history(P),
    ?assertEqual([{-5.0, -5.0}],
                 lists:usort([{Best, Mean} || #{best := Best, mean := Mean} <- History])),
    Counts = [Count || #{failures := Count} <- History],
    ?assertEqual({Counts, Failures}, {lists:sort(Counts), lists:last(Counts)}),
    [begin
         {ok, #{champion := Migrant, fitness := -5.0}} = cambrian_population:migrant(P, Policy),
         ?assertEqual(-5, Fitness(cambrian_network:compile(Migrant)))
     end || Policy <- [champion, tournament, novel, random], _ <- lists:seq(1, 20)],
    ok = cambrian_population:stop(P).

%% The sum and the differences of these values are not finite.
a_fitness_may_be_any_finite_number_case() ->
    Max = 1.7976931348623157e308,
    Of = fun(Low, High) ->
             fun(Network) ->
                 [Out] = cambrian_network:activate(Network, [1]),
                 if Out > 0.6 -> Low; true -> High end
             end
         end,
    [begin
         Selected =
             #{params => #{selection => Selection, survival => 1.0, replacement => Replacement}},
         Options = Selected#{inputs => 1, outputs => 1, seed => 1, generations => 10},
         {ok, #{fitness := Best}} = cambrian:evolve(Of(Low, High), Options),
         ?assertEqual(max(Low, High), Best)
     end || Selection <- [truncation, tournament, roulette, rank, sus, lexicase,
                     epsilon_lexicase], Replacement <- [1.0, 0.1],
            {Low, High} <- [{-Max, 1.0}, {-Max, Max}, {Max, Max}, {-Max, -Max},
                            {5.0e-324, 1.0e-323}]].

%% The limit is exact to one evaluation, also with tuning. The population continues as if there
%% had been no limit.
the_limit_of_evaluations_is_exact_case() ->
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [0.5, -0.5]), 1 - abs(Out - 0.25)
        end,
    [begin
         All = maps:merge(#{task => Task, seed => 3, target => 99}, Options),
         {ok, #{evaluations := Limit}} =
             cambrian:evolve(Task, maps:remove(task, All#{evaluations => Limit})),
         Id = fun(Goals) ->
                  {ok, P} = cambrian_population:start_link(All),
                  Results = [begin
                                 ok = cambrian_population:run(P, Goal),
                                 {ok, #{champion := C} = Result} =
                                     cambrian_population:await(P, 60_000),
                                 {cambrian_genotype:id(C), maps:get(evaluations, Result)}
                             end || Goal <- Goals],
                  ok = cambrian_population:stop(P),
                  lists:last(Results)
              end,
         More = #{evaluations => 1 bsl 40, generations => 6},
         ?assertEqual(Id([More]), Id([#{evaluations => Limit}, More]))
     end || {Task, Options} <- [{'xor', #{}}, {Fitness, #{inputs => 2, outputs => 1}},
                                {'xor', #{params => #{tuning => cma_es, tuning_budget => 40}}},
                                {Fitness,
                                 #{inputs => 2, outputs => 1,
                                   params => #{tuning => hill_climbing, tuning_budget => 20}}}],
            Limit <- [1, 100, 150, 400]].

%% With `reevaluate', no genotype has a fitness yet when the limit comes: that is no failure.
a_limit_before_any_evaluation_keeps_the_last_champion_case() ->
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [0.5, -0.5]), 1 - abs(Out - 0.25)
        end,
    [begin
         {ok, P} =
             cambrian_population:start_link(Options#{task => Task, seed => 1, target => 99,
                                                     evaluations => 300,
                                                     params => #{reevaluate => true}}),
         ok = cambrian_population:run(P),
         {ok, #{evaluations := 300, generations := 2, failures := 0, champion := C}} =
             cambrian_population:await(P, 60_000),
         %% the step begins the next generation, but no evaluation is left
         {ok, #{generation := 1, evaluations := 300}} = cambrian_population:step(P, 1),
         {ok, #{champion := Best}} = cambrian_population:best(P),
         ?assertEqual(cambrian_genotype:id(C), cambrian_genotype:id(Best)),
         ok = cambrian_population:run(P, #{evaluations => 450}),
         ?assertMatch({ok, #{evaluations := 450, generations := 3}},
                      cambrian_population:await(P, 60_000)),
         ok = cambrian_population:stop(P)
     end || {Task, Options} <- [{'xor', #{}}, {Fitness, #{inputs => 2, outputs => 1}}]].

%% Many genotypes are equally fit, and a cut generation lists another one first.
a_cut_generation_changes_no_champion_case() ->
    Steps =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [1.0]), float(trunc(Out * 6))
        end,
    Tuned =
        #{inputs => 1, outputs => 1, population => 10,
          params => #{tuning => cma_es, tuning_budget => 60, tuning_share => 0.5}},
    Rows = [[X / 60, math:sin(X)] || X <- lists:seq(1, 60)],
    Held = {dataset, #{inputs => Rows, targets => [[X * Y] || [X, Y] <- Rows], validation => 0.4}},
    [begin
         Champion = fun(Goals) ->
                        {ok, P} =
                            cambrian_population:start_link(Options#{task => Task, seed => Seed}),
                        Last = [begin
                                    ok = cambrian_population:run(P, Goal#{target => 99}),
                                    {ok, #{champion := C} = Result} =
                                        cambrian_population:await(P, 60_000),
                                    {cambrian_genotype:id(C),
                                     maps:without([champion, elapsed_ms], Result)}
                                end || Goal <- Goals],
                        ok = cambrian_population:stop(P),
                        lists:last(Last)
                    end,
         Whole = #{generations => 6, evaluations => 1 bsl 40},
         Uncut = Champion([Whole]),
         _ = [?assertEqual({Cut, Uncut}, {Cut, Champion([#{evaluations => Cut}, Whole])})
              || Cut <- [1, 7, 21, 90, 150]]
     end || {Task, Options} <- [{Steps, Tuned}, {Held, #{population => 40}}], Seed <- [1, 2, 3]].

a_cut_generation_is_completed_when_the_limit_is_raised_case() ->
    {ok, P} =
        cambrian_population:start_link(#{task => 'xor', seed => 42, generations => 3,
                                         evaluations => 400}),
    ok = cambrian_population:run(P),
    {ok, #{evaluations := 400, generations := 3}} = cambrian_population:await(P, 60_000),
    %% a run with the same goal ends at once
    ok = cambrian_population:run(P),
    {ok, #{evaluations := 400}} = cambrian_population:await(P, 60_000),
    ok = cambrian_population:run(P, #{evaluations => 100_000}),
    ?assertMatch({ok, #{evaluations := 447, generations := 3}},
                 cambrian_population:await(P, 60_000)),
    ?assertMatch(#{evaluations := 447, failures := 0}, cambrian_population:info(P)),
    ok = cambrian_population:stop(P).

%% All evaluations would take 40 s or more, but at least one is made.
a_timeout_ends_within_a_generation_case() ->
    Fitness = fun(_) -> timer:sleep(20), 1.0 end,
    [begin
         {ok, #{generations := 1, evaluations := Evaluations, fitness := 1.0}} =
             cambrian:evolve(Fitness,
                             #{inputs => 1, outputs => 1, timeout => Ms, population => 2000}),
         ?assert(Evaluations >= 1 andalso Evaluations < 2000)
     end || Ms <- [0, 200]],
    {ok, #{generations := 1, evaluations := 1}} =
        cambrian:evolve(double_pole_novel, #{timeout => 0}).

a_failed_evaluation_does_not_improve_a_tuned_genotype_case() ->
    Seen = counters:new(1, []),
    Fitness =
        fun(_) ->
            counters:add(Seen, 1, 1),
            case counters:get(Seen, 1) of N when N =< 5 -> -5; _ -> error(on_purpose) end end,
    {ok, #{fitness := F, evaluations := Evaluations}} =
        cambrian:evolve(Fitness, #{inputs => 1, outputs => 1, population => 5, generations => 1,
                                   params =>
                                       #{tuning => hill_climbing, tuning_share => 1,
                                         tuning_budget => 4}}),
    ?assertEqual({-5.0, 20}, {F, Evaluations}).

tuning_ends_when_the_target_is_reached_case() ->
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [0.5]), 1 - abs(Out - 0.25) end,
    Params = #{tuning_share => 1, tuning_budget => 100000, tuning_patience => 100000},
    [begin
         {ok, #{champion := C, solved := true, generations := 1, evaluations := Evaluations}} =
             cambrian:evolve(Fitness,
                             #{inputs => 1, outputs => 1, seed => 1, population => 5,
                               target => 0.999,
                               params => Params#{tuning => Tuning}}),
         ?assert(Fitness(cambrian_network:compile(C)) >= 0.999),
         ?assert(Evaluations > 5 andalso Evaluations < 5000)
     end || Tuning <- [cma_es, hill_climbing]].

a_dataset_is_a_task_case() ->
    {ok, #{champion := C, solved := true}} =
        cambrian:evolve({dataset, [[0], [1], [2]], [[0], [0.5], [1]]},
                        #{target => 0.99, seed => 1}),
    Network = cambrian_network:compile(C),
    [[A], [B], [D]] = cambrian_network:activate_batch(Network, [[0], [1], [2]]),
    ?assert(abs(A) < 0.2 andalso abs(B - 0.5) < 0.2 andalso abs(D - 1) < 0.2).

a_dataset_may_be_given_in_every_form_case() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 2}, 1),
    Network = cambrian_network:compile(G),
    Binary = fun(Rows) -> << <<X:32/float-little>> || X <- lists:append(Rows) >> end,
    Inputs = [[0, 0], [0, 1], [1, 0], [1, 1]],
    Targets = [[1, 0], [0, 1], [0, 1], [1, 0]],
    {ok, Fitness} = cambrian_task:evaluate({dataset, Inputs, Targets}, Network),
    Outputs = cambrian_network:activate_batch(Network, Inputs),
    Errors =
        [(O - T) * (O - T)
         || {Row, Target} <- lists:zip(Outputs, Targets), {O, T} <- lists:zip(Row, Target)],
    ?assert(abs(Fitness - 1 / (1 + lists:sum(Errors) / 8)) < 1.0e-9),
    [?assertEqual({ok, Fitness},
                  cambrian_task:evaluate({dataset, #{inputs => I, targets => T}}, Network))
     || I <- [{2, Binary(Inputs)}, [Binary([Row]) || Row <- Inputs]],
     T <- [Targets, {2, Binary(Targets)}]],
    Classes =
        [cambrian_task:trial({dataset, #{inputs => Inputs, targets => T, kind => classification}},
                             Network)
         || T <- [[0, 1, 1, 0], Targets, {2, Binary(Targets)}]],
    ?assertMatch([{ok, #{solved := false, facts := [{error, _}, {accuracy, _}]} = Same}, {ok, Same},
                  {ok, Same}]
                 when not is_map_key(validation, Same), Classes).

only_the_trial_measures_held_back_rows_case() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    Network = cambrian_network:compile(G),
    Trial = fun(Settings) -> element(2, cambrian_task:trial(votes(Settings), Network)) end,
    #{validation := Held, facts := [{error, _}, {validation_error, Error}]} = First =
        Trial(#{validation => 0.5}),
    ?assert(abs(Held - 1 / (1 + Error)) < 1.0e-12),
    ?assertEqual(First, Trial(#{validation => 0.5, seed => 0})),
    ?assert(lists:any(fun(Seed) -> Trial(#{validation => 0.5, seed => Seed}) =/= First end,
                      lists:seq(1, 5))).

votes(Settings) ->
    {dataset,
     maps:merge(#{inputs => [[0, 0], [0, 1], [1, 0], [1, 1]], targets => [[0], [1], [1], [1]]},
                Settings)}.

tasks_with_settings_evolve_case() ->
    [?assertMatch({ok, #{solved := true, trial := [_ | _]}}, cambrian:evolve(Task, #{seed => 1}))
     || Task <- [{parity, #{bits => 2}}, {sequence_recall, #{length => 1, delay => 2}},
                 mountain_car]],
    {ok, P} = cambrian_population:start(#{task => {parity, #{bits => 4}}}),
    ?assertMatch(#{task := parity, inputs := 4}, cambrian_population:info(P)),
    ok = cambrian_population:stop(P),
    ?assertMatch({ok, #{population := 150}}, cambrian:parameters({parity, #{bits => 4}})).

a_progress_fun_gets_every_generation_case() ->
    Self = self(),
    {ok, #{generations := N}} =
        cambrian:evolve('xor',
                        #{seed => 1,
                          progress => fun(#{generation := G}) -> Self ! {generation, G} end}),
    ?assertEqual(lists:seq(0, N - 1), generations()).

a_progress_fun_that_raises_does_not_end_the_run_case() ->
    ?assertMatch({ok, #{solved := true}},
                 cambrian:evolve('xor', #{seed => 1, progress => fun(_) -> exit(on_purpose) end})).

generations() -> receive {generation, G} -> [G | generations()] after 0 -> [] end.

a_run_ends_with_its_caller_case() ->
    Self = self(),
    Caller = spawn(fun() ->
        cambrian:evolve(fun(_) -> Self ! {worker, self()}, timer:sleep(infinity) end,
                        #{inputs => 1, outputs => 1, evaluation_timeout => infinity})
    end),
    Worker = receive {worker, Pid} -> monitor(process, Pid) end,
    exit(Caller, kill),
    receive {'DOWN', Worker, process, _, _} -> ok after 300_000 -> error(still_working) end.

every_parameter_is_described_case() ->
    Rows = cambrian:parameters(),
    {ok, Values} = cambrian:parameters('xor'),
    ?assertEqual(lists:sort([Name || #{name := Name} <- Rows]), lists:sort(maps:keys(Values))),
    ?assertMatch([], [Name || #{name := Name, about := About, expected := Expected} <- Rows,
                              byte_size(About) < 10 orelse byte_size(Expected) < 5]),
    ?assertMatch({error, {unknown_task, nothing, #{see := _}}}, cambrian:parameters(nothing)).

the_pool_has_at_most_a_thread_a_scheduler_case() ->
    ?assert(cambrian_nif:pool_start(1) =< erlang:system_info(schedulers_online)).

%%% ---- without the application -------------------------------------------------------------

%% Functions that start something start the application too; functions that only ask return that
%% it does not run.
functions_start_the_application_or_say_that_it_does_not_run_test_() ->
    {timeout, 120, fun() ->
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
        Realm = <<"org.example.lab">>,
        Asks = [fun() -> cambrian_population:Ask(nobody) end
                || Ask <- [run, pause, resume, stop, best, stats, history, checkpoint, subscribe,
                           unsubscribe, info]]
            ++ [fun() -> cambrian_population_client:overview(nobody) end,
                fun() -> cambrian_population:step(nobody, 1) end,
                fun() -> cambrian_population:await(nobody, 1000) end,
                fun() -> cambrian_population:migrant(nobody, novel) end,
                fun() -> cambrian_population:inject(nobody, G) end,
                fun() -> cambrian_recorder:start(nobody) end,
                fun() -> cambrian_recorder:start_link(nobody) end,
                fun() -> cambrian:lineage(G) end, fun cambrian_governor:status/0,
                fun cambrian_dashboard:url/0]
            ++ [fun() -> cambrian_bridge:Ask() end
                || Ask <- [realms, stop, list_nodes, global_best, migrations, identity, rotate,
                           status, counts]]
            ++ [fun() -> cambrian_bridge:Ask(Realm) end
                || Ask <- [stop, list_nodes, global_best, status]]
            ++ [fun() -> cambrian_bridge:join(nobody) end, fun() -> cambrian_bridge:why(G) end,
                fun() -> cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 1}) end,
                fun() -> cambrian_bridge:subscribe_genotypes(all, self()) end,
                fun() -> cambrian_bridge:unsubscribe_genotypes(make_ref()) end]
            ++ [fun() -> cambrian_trust:Ask(Realm) end
                || Ask <- [report, bans, refusals, subscribe, unsubscribe]]
            ++ [fun() -> cambrian_trust:check(Realm, <<"x">>) end,
                fun() -> cambrian_trust:check_record(Realm, <<"x">>) end,
                fun() -> cambrian_trust:follow(Realm, <<"x">>) end,
                fun() -> cambrian_trust:ban(Realm, {key, <<1:256>>}) end,
                fun() -> cambrian_trust:unban(Realm, {key, <<1:256>>}) end,
                fun() -> cambrian_trust:reputation(Realm, <<1:256>>) end,
                fun() -> cambrian_trust:checked(Realm, #{origin => <<1:256>>, fitness => 1.0}, 1.0)
                end],
        Begins =
            [fun() -> cambrian_population:start(#{task => 'xor'}) end,
             fun() -> cambrian_population:start_link(#{task => 'xor'}) end,
             fun() -> cambrian_bridge:start(#{realm => Realm}) end,
             fun() -> cambrian_bridge:start_link(#{realm => Realm}) end,
             fun() -> {cambrian_trust:open(Realm, #{}), self()} end,
             fun() -> {cambrian_governor:configure(#{}), self()} end,
             fun() -> cambrian_dashboard:start(#{port => 0}) end,
             fun() -> cambrian_transport_dist:connect(#{realm => Realm}) end],
        process_flag(trap_exit, true),
        _ = application:stop(cambrian),
        ok = cambrian_log:start(),
        try
            _ = [?assertError({not_started,
                               <<"start it first: application:ensure_all_started(cambrian)">>},
                              Ask()) || Ask <- Asks],
            _ = [begin
                     ?assertMatch({ok, _}, Begin()),
                     ok = application:stop(cambrian)
                 end || Begin <- Begins],
            ?assertEqual(ok, cambrian_dashboard:stop()),
            ?assertEqual([],
                         [Text
                          || {error, Text} <- cambrian_log:said(),
                          string:find(Text, "transport_unavailable") =:= nomatch])
        after
            cambrian_log:stop(),
            process_flag(trap_exit, false)
        end
    end}.

%% The caller has the error already.
an_error_that_is_returned_is_not_logged_too_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_data_dir(fun(Dir) ->
            {ok, P} = cambrian_population:start(#{task => 'xor', name => kept}),
            {ok, _} = cambrian_population:step(kept, 1),
            process_flag(trap_exit, true),
            ok = cambrian_log:start(),
            try
                Realm = <<"org.example.lab">>,
                ?assertEqual({error, {already_started, P}},
                             cambrian_population:start(#{task => 'xor', name => kept})),
                ?assertEqual({error, {already_started, P}},
                             cambrian_population:start_link(#{task => 'xor', name => kept})),
                ok = cambrian_population:stop(kept),
                Other = {error, {checkpoint_of_another_task, <<"xor">>}},
                ?assertEqual(Other, cambrian_population:start(#{task => parity, name => kept})),
                ?assertEqual(Other,
                             cambrian_population:start_link(#{task => parity, name => kept})),
                ?assertEqual(Other, cambrian:evolve(parity, #{name => kept})),
                [?assertMatch({error, Reason} when element(1, Reason) =:= Kind,
                              Start(Options#{realm => Realm}))
                 || Start <- [fun cambrian_bridge:start/1, fun cambrian_bridge:start_link/1],
                    {Kind,
                     Options} <- [{bad_option,
                                   #{transport_options => #{discovery => {static, [nohost]}}}},
                                  {bad_option,
                                   #{transport_options =>
                                         #{discovery => {multicast, #{port => 0}}}}},
                                  {multicast,
                                   #{transport_options =>
                                         #{discovery =>
                                               {multicast, #{interface => {192, 0, 2, 1}}}}}},
                                  {transport_unavailable, #{transport => no_such_module}},
                                  {transport_unavailable,
                                   #{transport => cambrian_transport_macula}},
                                  {bad_option, #{identity => fun() -> none end}},
                                  {unsafe_permissions, #{identity => Dir}}]],
                ?assertMatch({error, {noproc, _}}, cambrian_recorder:start_link(nobody)),
                ok = application:stop(cambrian),
                ok = application:set_env(cambrian, governor, #{cpu => 0}),
                ?assertMatch({error, {cambrian, {{bad_option, {cpu, 0, _}}, _}}},
                             cambrian:evolve('xor')),
                ?assertEqual([], [Said || {error, _} = Said <- cambrian_log:said()])
            after
                cambrian_log:stop(),
                process_flag(trap_exit, false),
                application:unset_env(cambrian, governor)
            end
        end)
    end}.
