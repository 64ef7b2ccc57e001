-module(cambrian_environment_tests).
-include_lib("eunit/include/eunit.hrl").

networks(Count) -> networks(Count, #{inputs => 1, outputs => 1}).

%% Networks of different sizes; some have memory.
networks(Count, Shape) ->
    [begin
         {ok, G} = cambrian_genotype:new(Shape, Seed),
         {ok, Grown} = cambrian_genotype:mutate(G, #{add_node => 0.5, add_recurrent => 0.5}, Seed),
         {Seed, cambrian_network:compile(Grown)}
     end || Seed <- lists:seq(1, Count)].

%% Networks without memory: the same inputs always give the same outputs.
forgetful(Count) ->
    [{Seed,
      cambrian_network:compile(element(2,
                                       cambrian_genotype:new(#{inputs => 1, outputs => 1}, Seed)))}
     || Seed <- lists:seq(1, Count)].

together(Args) ->
    {ok, #{evaluate := {together, Together}}} = cambrian_task:prepare({cambrian_lamp, Args}, #{}),
    Together.

scores(Args, Networks) -> (together(Args))(Networks, fun(_) -> ok end).

%% The fitness of one network, computed without a batch.
alone(Network, Steps, Episodes) ->
    lists:sum([live(Network, Episode, Steps) || Episode <- lists:seq(0, Episodes - 1)]) / Episodes.

live(Network, Episode, Steps) ->
    Step = fun(_, {Memory, Lamp, Sum}) ->
               {[Output], Next} = cambrian_network:step(Network, Memory, [Lamp]),
               {Next, 1 - Lamp, Sum + (1 - abs(Output - Lamp))}
           end,
    {_, _, Sum} =
        lists:foldl(Step, {cambrian_network:initial_state(Network), Episode rem 2, 0.0},
                    lists:seq(1, Steps)),
    Sum.

fitness_is_the_mean_over_episodes_of_the_sum_of_rewards_test() ->
    Networks = networks(30),
    Expected = [{Index, alone(Network, 20, 3)} || {Index, Network} <- Networks],
    Close = fun({I, A}, {I, B}) -> ?assert(abs(A - B) < 1.0e-9) end,
    lists:zipwith(Close, Expected, scores(#{episodes => 3}, Networks)),
    ?assertEqual(scores(#{episodes => 3}, Networks),
                 scores(#{episodes => 3, as => binary}, Networks)).

the_fitness_does_not_depend_on_the_size_of_the_batch_test() ->
    Networks = networks(30),
    Args = #{episodes => 2, step => fun fragile/2},
    Whole = scores(Args, Networks),
    ?assertEqual(30, length(Whole)),
    ?assert(lists:any(fun({_, S}) -> is_float(S) end, Whole) andalso
            lists:any(fun({_, S}) -> is_tuple(S) end, Whole)),
    [begin
         {A, B} = lists:split(Cut, Networks),
         ?assertEqual(plain(Whole), plain(scores(Args, A) ++ scores(Args, B)))
     end || Cut <- [0, 1, 7, 15, 29]].

%% By the network's output, the environment crashes, returns a bad value, ends the episode or goes
%% on.
fragile([Output], {Lamp, Args}) when Output < 0.2 -> error({too_dark, Lamp, maps:size(Args)});
fragile([Output], _) when Output < 0.3 -> {[0, 0], 1, rubbish};
fragile([Output], _) when Output < 0.4 -> {done, Output};
fragile([Output], {Lamp, Args}) -> {[1 - Lamp], Output, {1 - Lamp, Args}}.

plain(Scores) ->
    [{Index,
      case Score of {fault, {crashed, {Class, Reason, _}}} -> {Class, Reason}; _ -> Score end}
     || {Index, Score} <- Scores].

a_step_that_fails_costs_only_its_own_network_test_() ->
    Crash = fun(_, _) -> exit(enough) end,
    Return = fun(Answer) -> fun(_, _) -> Answer end end,
    [{lists:flatten(io_lib:format("~tp", [Fault])), fun() ->
         Step =
             fun([O], State) ->
                 case O > 0.5 of true -> Wrong([O], State); false -> {[1], 1, State} end end,
         Args = #{reset => fun(_) -> {[1], {0, #{step => Step}}} end},
         Networks = forgetful(20),
         Expected =
             [{Index,
               hd(element(1,
                          cambrian_network:step(N, cambrian_network:initial_state(N), [1]))) > 0.5}
              || {Index, N} <- Networks],
         Scores = scores(Args, Networks),
         [case {IsWrong, proplists:get_value(Index, Scores)} of
              {false, Score} -> ?assertEqual(20.0, Score);
              {true, {fault, {crashed, {Class, Reason, _}}}} ->
                 ?assertEqual(Fault, {Class, Reason});
              {true, Got} -> ?assertEqual({fault, Fault}, Got)
          end || {Index, IsWrong} <- Expected],
         ?assertEqual([false, true], lists:usort([IsWrong || {_, IsWrong} <- Expected]))
     end} || {Wrong, Fault} <- [
        {Crash, {exit, enough}},
        {Return(rubbish), {bad_return, {cambrian_lamp, step, 2}, rubbish}},
        {Return({[0], none, s}), {bad_return, {cambrian_lamp, step, 2}, {[0], none, s}}},
        {Return({done, none}), {bad_return, {cambrian_lamp, step, 2}, {done, none}}},
        {Return({[0], 1 bsl 2000, s}), {bad_reward, 1 bsl 2000}},
        {Return({[0, 1], 1, s}), {bad_observation, {wrong_size, inputs, 1, 2}}},
        {Return({[1.0e13], 1, s}), {bad_observation, {out_of_range, inputs}}},
        {Return({<<0, 0, 192, 127>>, 1, s}), {bad_observation, {out_of_range, inputs}}},
        {Return({[on], 1, s}), {bad_observation, {no_numbers, [on]}}},
        {Return({[0 | on], 1, s}), {bad_observation, {no_numbers, [0 | on]}}},
        {Return({<<1, 2, 3>>, 1, s}), {bad_observation, {no_numbers, <<1, 2, 3>>}}}]].

a_reset_that_fails_is_the_networks_fault_test() ->
    Networks = networks(3),
    Fails = fun(Fun) -> [S || {_, S} <- scores(#{reset => Fun, episodes => 2}, Networks)] end,
    ?assertMatch([{fault, {crashed, {error, no, _}}}, _, _], Fails(fun(_) -> error(no) end)),
    ?assertEqual(lists:duplicate(3, {fault, {bad_return, {cambrian_lamp, reset, 2}, no}}),
                 Fails(fun(_) -> no end)),
    ?assertEqual(lists:duplicate(3, {fault, {bad_observation, {wrong_size, inputs, 1, 0}}}),
                 Fails(fun(_) -> {[], s} end)).

%% The evaluator marks the network before each call of a callback.
each_call_of_the_users_code_is_marked_with_its_network_test() ->
    Networks = networks(3),
    {Self, Tag} = {self(), make_ref()},
    Note = fun(What) -> Self ! {Tag, What} end,
    Args =
        #{steps => 2,
          reset =>
              fun(_) -> Note(reset), {[0], {0, #{step => fun(_, S) -> Note(step), {[0], 1, S} end}}}
              end},
    _ = (together(Args))(Networks, Note),
    %% mark 0 stands between two steps of all networks
    Step = [1, step, 2, step, 3, step, 0],
    ?assertEqual([1, reset, 2, reset, 3, reset] ++ Step ++ Step, noted(Tag)).

noted(Tag) -> receive {Tag, What} -> [What | noted(Tag)] after 0 -> [] end.

the_return_of_init_is_checked_test() ->
    [?assertEqual({error, {bad_return, {cambrian_lamp, init, 1}, Answer}},
                  cambrian_task:prepare({cambrian_lamp, {shape, Answer}}, #{}))
     || Answer <- [no, {ok, #{inputs => 1}, s}, {ok, #{inputs => 0, outputs => 1}, s},
                   {ok, #{inputs => 1, outputs => 1, steps => 0}, s},
                   {ok, #{inputs => 1, outputs => 1, episodes => 1.5}, s}]],
    ?assertMatch({error, {crashed, {cambrian_lamp, init, [_]}, {error, {badmap, no}, _}}},
                 cambrian_task:prepare({cambrian_lamp, no}, #{})).

a_wrong_return_is_reported_with_the_expected_one_test() ->
    Text = fun(Fault) -> unicode:characters_to_binary(cambrian_fault:text(Fault)) end,
    ?assertEqual(<<"lamp:reset/2 returned no, expected {Observation, State}">>,
                 Text({crashed, {bad_return, {lamp, reset, 2}, no}})),
    ?assertEqual(<<"lamp:step/2 returned [1|2], expected {Observation, Reward, State}, {done, "
                   "Reward} or {done, Reward, State}, "
                   "with a number as Reward">>,
                 Text({crashed, {bad_return, {lamp, step, 2}, [1 | 2]}})),
    ?assertEqual(<<"an observation was [0|on], expected a list of numbers or a binary of 32-bit "
                   "floats">>,
                 Text({crashed, {bad_observation, {no_numbers, [0 | on]}}})),
    ?assertEqual(<<"the program ended with status 3">>, Text({crashed, {program_exited, 3}})),
    ?assertEqual(<<"the program sent no answer within 300 ms">>,
                 Text({crashed, {program_hangs, 300}})),
    ?assertEqual(<<"the program says: no more">>, Text({crashed, {program_failed, <<"no more">>}})),
    ?assertEqual(<<"lamp:init/1 returned no, expected {ok, #{inputs => Inputs, outputs => "
                   "Outputs}, State} "
                   "with integers from 1 to 10000">>,
                 unicode:characters_to_binary(
                     cambrian_error:format_error({bad_return, {lamp, init, 1}, no}))).

an_environment_evolves_test_() ->
    {timeout, 60, fun() ->
        {ok, #{solved := true, champion := Champion, fitness := Fitness}} =
            cambrian:evolve({cambrian_lamp, #{episodes => 2}}, #{target => 19.5, seed => 1}),
        Network = cambrian_network:compile(Champion),
        ?assert(abs(Fitness - alone(Network, 20, 2)) < 1.0e-9)
    end}.

%% Whatever the target, a fault is not a fitness.
an_environment_that_always_fails_is_an_error_test_() ->
    [{lists:flatten(io_lib:format("~tp", [Expected])), {timeout, 60, fun() ->
         Options = #{target => 0, population => 10},
         {error, {evaluations_failed, #{count := 10, first := First}}} =
             cambrian:evolve({cambrian_lamp, Args}, Options),
         ?assertEqual(Expected,
                      case First of
                          {crashed, {error, Reason, _}} -> Reason;
                          {crashed, Reason} -> element(1, Reason)
                      end)
     end}} || {Args, Expected} <-
        [{#{step => fun(_, State) -> {[1], nil, State} end}, bad_return},
         {#{step => fun(_, State) -> {[1, 2], 1, State} end}, bad_observation},
         {#{step => fun(_, _) -> error(no_motor) end}, no_motor},
         {#{reset => fun(_) -> error(no_start) end}, no_start}]].

%% ---- a score besides the rewards

lifts(Count) -> networks(Count, #{inputs => 1, outputs => 2}).

lifted(Args, Networks) ->
    {ok, #{evaluate := {together, Together}}} = cambrian_task:prepare({cambrian_lift, Args}, #{}),
    Together(Networks, fun(_) -> ok end).

%% The same, with one network that lives alone.
height(Network, Episode, Steps) ->
    Step = fun(_, {Memory, Seen, Height, Used}) ->
               {[Up, Down], Next} = cambrian_network:step(Network, Memory, [Seen]),
               {Next, Height / 10, Height + Up - Down, Used + Up + Down}
           end,
    Start = {cambrian_network:initial_state(Network), Episode, float(Episode), 0.0},
    {_, _, Height, Used} = lists:foldl(Step, Start, lists:seq(1, Steps)),
    {Height, Used}.

a_score_is_the_mean_over_episodes_test() ->
    Networks = lifts(12),
    Close = fun({I, Network}, {I, {measured, {Fitness, Cases, [Height, Used], [Goal, Cost], 0}}}) ->
                Ends = [height(Network, Episode, 10) || Episode <- [0, 1, 2]],
                ?assert(abs(Height - lists:sum([H || {H, _} <- Ends]) / 3) < 1.0e-9),
                ?assert(abs(Used - lists:sum([U || {_, U} <- Ends]) / 3) < 1.0e-9),
                ?assert(abs(Fitness + Used) < 1.0e-9),
                ?assertEqual({Height, -Used}, {Goal, Cost}),
                ?assertEqual([0.0, 1.0, 2.0], Cases)
            end,
    lists:zipwith(Close, Networks, lifted(#{episodes => 3}, Networks)).

an_episode_that_ends_early_is_scored_by_its_last_state_test() ->
    Networks = lifts(12),
    Heights = fun(Done) ->
                  [Height || {_, {measured, {_, _, [Height, _], _, _}}}
                                 <- lifted(#{top => 0.25, done => Done}, Networks)]
              end,
    After = Heights(fun(Next) -> {done, 1, Next} end),
    Before = Heights(fun(_) -> {done, 1} end),
    ?assertEqual({12, 12}, {length(After), length(Before)}),
    ?assert(lists:any(fun(Height) -> Height > 0.25 end, After)),
    ?assertNot(lists:any(fun(Height) -> Height > 0.25 end, Before)).

a_bad_score_is_a_fault_of_its_network_alone_test_() ->
    [{Text, fun() ->
         Score = fun(_, Height, _) when Height > 0 -> Wrong;
                    (_, Height, Used) -> #{behaviour => [Height, Used]}
                 end,
         {Faults, Sound} = lists:partition(fun({_, S}) -> element(1, S) =:= fault end,
                                           lifted(#{score => Score}, lifts(12))),
         ?assert(length(Faults) > 1 andalso length(Sound) > 1),
         [?assertEqual(Text, text(Fault)) || {_, {fault, Fault}} <- Faults]
     end} || {Wrong, Text} <- [
        {[1, 2],
         "cambrian_lift:score/1 returned [1,2], expected a map with behaviour, objectives or "
         "cases"},
        {#{behaviour => [up, 1]}, "it gave [up,1] as behaviour, expected a list of finite numbers"},
        {#{behaviour => [1 | 2]}, "it gave [1|2] as behaviour, expected a list of finite numbers"},
        {#{fitness => 3},
         "it gave 3 as fitness, expected none from score/1, as the fitness of an environment is "
         "its sum "
                          "of rewards"},
        {#{behavior => [1]},
         "it gave [1] as behavior, expected only fitness, cases, behaviour and objectives"}]].

episodes_with_scores_of_different_lengths_are_a_fault_test_() ->
    [{Text, fun() ->
         Args = #{score => fun(Episode, _, _) -> Score(Episode) end, episodes => 2},
         [?assertEqual(Text, text(Fault)) || {_, {fault, Fault}} <- lifted(Args, lifts(2))]
     end} || {Score, Text} <- [
        {fun(Episode) -> #{behaviour => lists:duplicate(Episode + 1, 1)} end,
         "it gave 2 numbers as behaviour, expected 1 number, as in episodes before"},
        {fun(Episode) -> #{behaviour => [1, 1], objectives => lists:duplicate(2 - Episode, 1)} end,
         "it gave 1 number as objectives, expected 2 numbers, as in episodes before"},
        {fun(_) -> #{behaviour => [1.5e308, 0]} end,
         "it gave [1.5e308,0.0] as behaviour, expected numbers with a finite sum over episodes"}]].

text({crashed, {error, _, _}} = Fault) -> unicode:characters_to_list(cambrian_fault:text(Fault));
text({Known, _} = Fault) when Known =:= bad_score ->
    unicode:characters_to_list(cambrian_fault:text(Fault));
text(Fault) -> unicode:characters_to_list(cambrian_fault:text({crashed, Fault})).

every_search_takes_the_scores_of_an_environment_test_() ->
    {timeout, 60, fun() ->
        Evolve = fun(Options) ->
                     {ok, Result} = cambrian:evolve({cambrian_lift, #{episodes => 2}},
                                                    Options#{seed => 1, generations => 5,
                                                             target => 99}),
                     Result
                 end,
        #{archive := Archive, failures := 0} =
            Evolve(#{search => map_elites,
                     params => #{bounds => [{-10, 10}, {0, 20}], cells => 100}}),
        ?assert(maps:get(filled, cambrian_archive:stats(Archive)) > 10),
        #{front := Front, failures := 0} = Evolve(#{search => pareto}),
        ?assert(length(Front) > 3),
        [#{failures := 0} = Evolve(#{search => Search}) || Search <- [novelty, dominated_novelty]]
    end}.
