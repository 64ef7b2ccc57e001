%% Mistakes in tasks and options: each error names the option.
-module(cambrian_mistakes_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_tests, [votes/1]).

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
               {{bad_option,
                 {validation, 1, <<"a number from 0 to less than 1, or {last, Rows}">>}},
                votes(#{validation => 1}), #{}},
               {{bad_option,
                 {validation, 0.1,
                  <<"a share of the rows that leaves one or more on either side">>}},
                votes(#{validation => 0.1}), #{}},
               {{bad_option, {validation, {last, 4},
                              <<"a share of the rows that leaves one or more on either side">>}},
                votes(#{validation => {last, 4}}), #{}},
               {{bad_option, {loss, {huber, 0},
                              <<"squared, absolute or {huber, Delta} with a positive number">>}},
                votes(#{loss => {huber, 0}}), #{}},
               {{bad_option, {loss, absolute, <<"cross_entropy">>}},
                votes(#{kind => classification, targets => [0, 1, 0, 1], loss => absolute}), #{}},
               {{bad_option, {weights, balanced, <<"equal, as targets are numbers">>}},
                votes(#{weights => balanced}), #{}},
               {{bad_option, {weights, [1],
                              <<"equal, balanced or a list of 2 weights, as there are classes">>}},
                votes(#{kind => classification, targets => [0, 1, 0, 1], weights => [1]}), #{}},
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
