-module(cambrian_substrate_tests).
-include_lib("eunit/include/eunit.hrl").

xor_substrate(More) ->
    {ok, Substrate} =
        cambrian_substrate:new(maps:merge(#{inputs => [[-1, -1], [1, -1]], outputs => [[0, 1]],
                                            hidden => [cambrian_substrate:grid([3, 1])],
                                            bias => true, weight_range => 8}, More)),
    Substrate.

expressed(Substrate, Cppn) ->
    {ok, Genotype} = cambrian_substrate:express(Substrate, Cppn),
    cambrian_network:compile(Genotype).

a_substrate_with_the_application_test_() ->
    {setup, fun() -> {ok, _} = application:ensure_all_started(cambrian) end,
     fun(_) -> application:stop(cambrian) end,
     [{timeout, 60, Case}
      || Case <- [fun a_native_task_is_solved_on_a_substrate_case/0,
                  fun a_fun_gets_networks_of_the_size_of_the_substrate_case/0,
                  fun a_cppn_of_another_run_is_taken_in_case/0,
                  fun a_killed_run_on_a_substrate_ends_with_the_same_champion_case/0,
                  fun a_task_of_another_size_is_refused_case/0]]}.

%% The champion is the CPPN, which can be sent; the network it expresses solves the task.
a_native_task_is_solved_on_a_substrate_case() ->
    [begin
         Substrate = xor_substrate(More),
         {ok, #{solved := true, champion := Champion, fitness := Fitness}} =
             cambrian:evolve('xor', #{substrate => Substrate, seed => 1}),
         ?assertEqual(cambrian_substrate:shape(Substrate),
                      maps:with([inputs, outputs], cambrian_genotype:info(Champion))),
         ?assertEqual({ok, Fitness}, cambrian_task:evaluate('xor', expressed(Substrate, Champion))),
         {ok, Copy} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(Champion)),
         ?assertEqual({ok, Fitness}, cambrian_task:evaluate('xor', expressed(Substrate, Copy)))
     end || More <- [#{}, #{leo => true}]].

%% An evaluation in Erlang gets the same networks as one in Rust.
a_fun_gets_networks_of_the_size_of_the_substrate_case() ->
    Substrate = xor_substrate(#{}),
    Fitness = fun(Network) -> {ok, F} = cambrian_task:evaluate('xor', Network), F end,
    Options = #{substrate => Substrate, seed => 3, generations => 5, target => 5},
    {ok, #{champion := Here, fitness := Best}} = cambrian:evolve(Fitness, Options),
    {ok, #{champion := There}} = cambrian:evolve('xor', Options),
    ?assertEqual(cambrian_genotype:id(There), cambrian_genotype:id(Here)),
    ?assertEqual(Best, Fitness(expressed(Substrate, Here))).

a_cppn_of_another_run_is_taken_in_case() ->
    Substrate = xor_substrate(#{}),
    {ok, #{champion := Champion, fitness := Fitness}} =
        cambrian:evolve('xor', #{substrate => Substrate, seed => 1}),
    Native = #{task => 'xor', substrate => Substrate, seed => 9},
    InErlang =
        Native#{task := fun(Network) -> {ok, F} = cambrian_task:evaluate('xor', Network), F end},
    [begin
         {ok, P} = cambrian_population:start(Options),
         ok = cambrian_population:inject(P, Champion),
         {ok, #{best := Best}} = cambrian_population:step(P, 1),
         ?assertEqual(Fitness, Best),
         ok = cambrian_population:stop(P)
     end || Options <- [Native, InErlang]].

a_killed_run_on_a_substrate_ends_with_the_same_champion_case() ->
    Options = #{substrate => xor_substrate(#{}), seed => 5, target => 5, generations => 40},
    {ok, #{champion := Whole}} = cambrian:evolve('xor', Options),
    {ok, P} = cambrian_population:start(Options#{task => 'xor', name => on_a_substrate}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    receive {cambrian, _, {generation, #{generation := 9}}} -> exit(P, kill) end,
    {ok, #{champion := Resumed}} = await_again(on_a_substrate),
    ?assertEqual(cambrian_genotype:id(Whole), cambrian_genotype:id(Resumed)),
    ok = cambrian_population:stop(on_a_substrate).

await_again(Name) ->
    try cambrian_population:await(Name, 60_000)
    catch exit:{Gone, _} when Gone =:= noproc; Gone =:= killed -> erlang:yield(), await_again(Name)
    end.

a_task_of_another_size_is_refused_case() ->
    Substrate = xor_substrate(#{}),
    ?assertEqual({error, {wrong_size, inputs, 7, 2}},
                 cambrian:evolve(double_pole, #{substrate => Substrate})),
    ?assertEqual({error, {wrong_size, inputs, 3, 2}},
                 cambrian:evolve(fun(_) -> 1 end, #{substrate => Substrate, inputs => 3})),
    ?assertEqual({error, {wrong_size, outputs, 2, 1}},
                 cambrian:evolve({dataset, [[1, 2]], [[1, 2]]}, #{substrate => Substrate})),
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    [?assertEqual({error, {bad_option, {substrate, Wrong, <<"a substrate">>}}},
                  cambrian:evolve('xor', #{substrate => Wrong}))
     || Wrong <- [Genotype, self(), #{}]].

a_wrong_substrate_is_refused_with_its_part_named_test_() ->
    Square = [[0, 0]],
    Plan = #{inputs => Square, outputs => Square},
    Named = fun(Reason, Name) -> binary:match(Reason, Name) =/= nomatch end,
    [?_assertEqual({error, {missing_options, [outputs]}},
                   cambrian_substrate:new(#{inputs => Square})),
     ?_assertMatch({error, {unknown_option, ouputs, _}},
                   cambrian_substrate:new(Plan#{ouputs => Square})),
     ?_assertMatch({error, {bad_option, {inputs, [0, 0], _}}},
                   cambrian_substrate:new(Plan#{inputs := [0, 0]})),
     ?_assertMatch({error, {bad_option, {outputs, [[0 | 0]], _}}},
                   cambrian_substrate:new(Plan#{outputs := [[0 | 0]]})),
     ?_assertMatch({error, {bad_option, {inputs, [[1.0e300]], _}}},
                   cambrian_substrate:new(Plan#{inputs := [[1.0e300]]})),
     ?_assertMatch({error, {bad_option, {joins, [{0, -1}], _}}},
                   cambrian_substrate:new(Plan#{joins => [{0, -1}]})),
     ?_assertMatch({error, {bad_option, {hidden, #{}, _}}},
                   cambrian_substrate:new(Plan#{hidden => #{}, joins => []})),
     ?_assertEqual({error,
                    {bad_option, {threshold, 0.2, <<"left out, as leo says what is connected">>}}},
                   cambrian_substrate:new(Plan#{threshold => 0.2, leo => true})),
     ?_assertMatch({error, {unknown_option, depth, _}},
                   cambrian_substrate:new(Plan#{hidden => #{depth => 3}})),
     ?_assertMatch({error, {bad_option, {max_depth, 2.5, _}}},
                   cambrian_substrate:new(Plan#{hidden => #{max_depth => 2.5}})),
     ?_assertEqual({error, {unknown_gene, activation, cosh}},
                   cambrian_substrate:new(Plan#{activation => cosh})),
     ?_assertMatch({error, {bad_option, {options, 7, _}}}, cambrian_substrate:new(7))
     | [?_assert(Named(Reason, Name))
        || {Name, Wrong} <- [{<<"layer 0 is empty">>, #{inputs => []}},
                             {<<"point 0 of layer 1">>, #{outputs => [[0]]}},
                             {<<"layer 1 to 0">>, #{joins => [{1, 0}]}},
                             {<<"threshold">>, #{threshold => 1}},
                             {<<"weight_range">>, #{weight_range => 0}},
                             {<<"max_depth">>, #{hidden => #{max_depth => 0}}}],
           {error,
            {invalid_substrate, Reason}} <- [cambrian_substrate:new(maps:merge(Plan, Wrong))]]].

%% Another value of an option gives another network.
every_option_changes_the_network_test_() ->
    Line = cambrian_substrate:grid([4, 2]),
    Plan = #{inputs => Line, outputs => Line, hidden => [Line]},
    Id = fun(Options) ->
             {ok, Substrate} = cambrian_substrate:new(Options),
             Shape = cambrian_substrate:shape(Substrate),
             {ok, Cppn} =
                 cambrian_genotype:new(Shape#{output_activation => sin, initial_weight => 4}, 2),
             {ok, Genotype} = cambrian_substrate:express(Substrate, Cppn),
             cambrian_genotype:id(Genotype)
         end,
    Plain = Id(Plan),
    Search = Id(Plan#{hidden => #{}}),
    [?_assertNotEqual(Plain, Id(maps:merge(Plan, Other)))
     || Other <- [#{inputs => cambrian_substrate:grid([2, 4])}, #{outputs => [[0, 0]]},
                  #{hidden => []}, #{hidden => #{}},
                  #{joins => [{0, 1}, {1, 2}, {2, 2}]}, #{activation => relu},
                  #{output_activation => relu},
                  #{weight_range => 2.5}, #{threshold => 0.5}, #{leo => true}, #{bias => true}]]
    ++ [?_assertNotEqual(Search, Id(Plan#{hidden => Other}))
        || Other <- [#{initial_depth => 1, max_depth => 1},
                     #{max_depth => 4, division_threshold => 0.01, variance_threshold => 0.0001},
                     #{variance_threshold => 0.3}, #{band_threshold => 0.1}, #{iterations => 0}]].
