-module(cambrian_network_tests).
-include_lib("eunit/include/eunit.hrl").

%% A network with one input and one output and the given genes: Links are {From, To, Weight} of
%% in, out and hidden ids.
network(Hidden, Links) ->
    {ok, Start} =
        cambrian_genotype:new(#{inputs => 1, outputs => 1, output_activation => identity}, 1),
    #{nodes := [#{id := In} = First, #{id := Out} = Last]} = Map = cambrian_genotype:to_map(Start),
    Id = fun(in) -> In; (out) -> Out; (Other) -> Other end,
    {ok, G} = cambrian_genotype:from_map(
                Map#{nodes :=
                         [First,
                          Last
                          | [#{id => I, layer => L, activation => A, bias => B}
                             || {I, L, A, B} <- Hidden]],
                     connections := [#{from => Id(From), to => Id(To), weight => W, enabled => true}
                                     || {From, To, W} <- Links]}),
    cambrian_network:compile(G).

a_loop_keeps_a_decaying_sum_test() ->
    Network = network([], [{in, out, 1.0}, {out, out, 0.5}]),
    ?assertMatch(#{memory := 1, connections := 2}, cambrian_network:info(Network)),
    {Outputs, State} = lists:mapfoldl(fun(X, S) -> cambrian_network:step(Network, S, [X]) end,
                                      cambrian_network:initial_state(Network), [1, 0, 0, 4.0]),
    ?assertEqual([[1.0], [0.5], [0.25], [4.125]], Outputs),
    ?assertEqual(<<4.125:32/float-little>>, State),
    ?assertEqual([3.0], cambrian_network:activate(Network, [3])).

%% The memory of a network is a value: every process gets the same step from the same state.
the_same_state_gives_the_same_step_in_any_process_test() ->
    Network = network([], [{in, out, 1.0}, {out, out, 0.5}]),
    {_, State} = cambrian_network:step(Network, cambrian_network:initial_state(Network), [8]),
    Steps =
        [begin Self = self(),
            spawn(fun() -> Self ! {step, cambrian_network:step(Network, State, [0])} end),
               receive {step, Step} -> Step end end || _ <- [1, 2, 3]],
    ?assertMatch([{[4.0], S}, {[4.0], S}, {[4.0], S}], Steps).

a_chain_of_nodes_is_computed_in_one_step_test() ->
    Network =
        network([{1, 10, relu, 1.0}, {2, 5, identity, 0.5}],
                [{in, 2, 2.0}, {2, 1, 3.0}, {1, out, 1.0}]),
    ?assertEqual([8.5], cambrian_network:activate(Network, [1])),
    ?assertEqual([0.0], cambrian_network:activate(Network, [-1])).

binary_inputs_give_binary_outputs_test() ->
    Network = network([], [{in, out, 2.0}]),
    ?assertEqual(<<3.0:32/float-little>>,
                 cambrian_network:activate(Network, <<1.5:32/float-little>>)),
    Batch = << <<X:32/float-little>> || X <- [1, 2, 3] >>,
    Doubled = << <<X:32/float-little>> || X <- [2, 4, 6] >>,
    ?assertEqual(Doubled, cambrian_network:activate_batch(Network, Batch)),
    ?assertEqual([[2.0], [4.0]], cambrian_network:activate_batch(Network, [[1], [2]])),
    ?assertEqual([[2.0], <<4.0:32/float-little>>],
                 cambrian_network:activate_many([Network, Network],
                                                [[1], <<2.0:32/float-little>>])).

%% Compares each activation, computed by a whole network, with its published formula.
activations_follow_their_formulas_test_() ->
    Formulas = #{identity => fun(X) -> X end, tanh => fun math:tanh/1,
                 sigmoid => fun(X) -> 1 / (1 + math:exp(-X)) end,
                 steep_sigmoid => fun(X) -> 1 / (1 + math:exp(-4.924273 * X)) end,
                 relu => fun(X) -> max(0.0, X) end, sin => fun math:sin/1,
                 gaussian => fun(X) -> math:exp(-X * X) end,
                 step => fun(X) when X > 0 -> 1.0; (_) -> 0.0 end},
    [{atom_to_list(Name),
      fun() ->
          Network = network([{1, 10, Name, 0.0}], [{in, 1, 1.0}, {1, out, 1.0}]),
          [begin
               [Y] = cambrian_network:activate(Network, [X]),
               ?assert(abs(Y - Formula(X)) < 5.0e-7 * max(1, abs(X)))
           end || I <- lists:seq(-160, 160), X <- [I / 32]]
      end} || {Name, Formula} <- maps:to_list(Formulas)].

%% With any genes and any inputs, outputs are finite, and the next step accepts the state of the
%% last.
any_network_accepts_its_own_state_test_() ->
    {timeout, 60, fun() ->
        Operators = cambrian_genotype:operators(),
        {ok, Start} =
            cambrian_genotype:new(#{inputs => 2, outputs => 2, output_activation => identity}, 1),
        Grown = lists:foldl(
                  fun(Seed, [G | _] = All) ->
                      Operator = lists:nth(1 + Seed * 7919 rem length(Operators), Operators),
                      case cambrian_genotype:mutate(G, Operator,
                                                    #{weight_step => 100, weight_limit => 1.0e6},
                                                    Seed) of
                          {ok, Next} -> [Next | All];
                          {error, not_applicable} -> All
                      end
                  end, [Start], lists:seq(1, 300)),
        [lists:foldl(fun(X, State) ->
                         {<<_:32/float-little, _:32/float-little>>, Next} =
                             cambrian_network:step(Network, State,
                                                   <<X:32/float-little, X:32/float-little>>),
                         cambrian_network:reward(Network, Next, X)
                     end, cambrian_network:initial_state(Network),
                     [1, -1.0e12, 1.0e12, 1.0e12, -3, 1.0e12])
         || G <- Grown, Network <- [cambrian_network:compile(G)]]
    end}.

%% A genotype with one input, one output, a weight of 1, and these genes.
learner(Genes) ->
    {ok, Start} =
        cambrian_genotype:new(#{inputs => 1, outputs => 1, output_activation => identity}, 1),
    #{nodes := [In, Out], connections := [C]} = Map = cambrian_genotype:to_map(Start),
    {ok, G} =
        cambrian_genotype:from_map(Map#{nodes := [In, maps:merge(Out, Genes)],
                                        connections := [C#{weight := 1.0}]}),
    G.

learning_changes_the_state_and_not_the_genotype_test() ->
    G = learner(#{plasticity => hebbian, learning_rate => 0.5}),
    {Id, Network} = {cambrian_genotype:id(G), cambrian_network:compile(G)},
    {Outputs, State} = lists:mapfoldl(fun(X, S) -> cambrian_network:step(Network, S, [X]) end,
                                      cambrian_network:initial_state(Network), [1, 1, 0, 1]),
    ?assertEqual([[1.0], [1.5], [0.0], [2.25]], Outputs),
    ?assertMatch({[3.375], _}, cambrian_network:step(Network, State, [1])),
    ?assertEqual([1.0], cambrian_network:activate(Network, [1])),
    ?assertEqual(Id, cambrian_genotype:id(G)).

a_reward_turns_a_trace_into_learning_test() ->
    Network =
        cambrian_network:compile(learner(#{plasticity => reward, learning_rate => 0.5,
                                           decay => 0.0})),
    Last = fun(Rewards) ->
               State = lists:foldl(fun(Reward, State) ->
                                       Told = cambrian_network:reward(Network, State, Reward),
                                       element(2, cambrian_network:step(Network, Told, [1]))
                                   end, cambrian_network:initial_state(Network), Rewards),
               element(1, cambrian_network:step(Network, State, [1]))
           end,
    ?assertEqual([1.0], Last([0, 0, 0])),
    ?assertEqual([1.5], Last([0, 1])),
    ?assertEqual([0.5], Last([-1])),
    AtRest = cambrian_network:initial_state(Network),
    ?assertEqual({error, {out_of_range, reward}}, cambrian_network:reward(Network, AtRest, 1.0e13)),
    ?assertMatch({error, {wrong_size, memory, _, 0}}, cambrian_network:reward(Network, <<>>, 1)).

a_binary_need_not_be_aligned_test() ->
    Network = network([], [{in, out, 2.0}]),
    [begin
         <<_:Offset/binary, Inputs/binary>> =
             <<0:(8 * Offset), 1.5:32/float-little, 2.5:32/float-little>>,
         ?assertEqual(<<3.0:32/float-little, 5.0:32/float-little>>,
                      cambrian_network:activate_batch(Network, Inputs)),
         ?assertEqual(<<3.0:32/float-little>>,
                      cambrian_network:activate(Network, binary:part(Inputs, 0, 4)))
     end || Offset <- lists:seq(0, 8)].

%% There are as many networks as states and inputs.
many_networks_step_as_each_does_alone_test() ->
    Networks = [network([], [{in, out, 1.0}, {out, out, W}]) || W <- [0.0, 0.5, 1.0]] ++
        [network([], [{in, out, 3.0}])],
    Start = [cambrian_network:initial_state(N) || N <- Networks],
    Inputs = [[1], <<2.0:32/float-little>>, [3.0], [4]],
    Once = cambrian_network:step_many(Networks, Start, Inputs),
    Zip =
        fun(States) ->
            [cambrian_network:step(N, S, X) || {N, S, X} <- lists:zip3(Networks, States, Inputs)]
        end,
    ?assertEqual(Zip(Start), Once),
    {_, States} = lists:unzip(Once),
    ?assertEqual(Zip(States), cambrian_network:step_many(Networks, States, Inputs)),
    ?assertEqual({error, {wrong_size, memory, 4, 3}},
                 cambrian_network:step_many(Networks, tl(Start), Inputs)),
    ?assertEqual({error, {wrong_size, inputs, 4, 3}},
                 cambrian_network:step_many(Networks, Start, tl(Inputs))).

%% Vectors compute several samples at a time.
a_batch_gives_the_outputs_of_its_single_samples_test() ->
    {ok, Start} = cambrian_genotype:new(#{inputs => 3, outputs => 2}, 5),
    Operators = cambrian_genotype:operators(),
    G = lists:foldl(fun(Seed, G) ->
                        case cambrian_genotype:mutate(G,
                                                      lists:nth(1 + Seed rem length(Operators),
                                                                Operators), Seed) of
                            {ok, Next} -> Next;
                            {error, not_applicable} -> G
                        end
                    end, Start, lists:seq(1, 150)),
    Network = cambrian_network:compile(G),
    Rows = [[I / 10, -I / 7, I] || I <- lists:seq(-70, 70)],
    Alone = [cambrian_network:activate(Network, Row) || Row <- Rows],
    Floats = fun(Numbers) -> << <<X:32/float-little>> || X <- Numbers >> end,
    ?assertEqual(Alone, cambrian_network:activate_batch(Network, Rows)),
    ?assertEqual(Floats(lists:append(Alone)),
                 cambrian_network:activate_batch(Network, Floats(lists:append(Rows)))),
    ?assertEqual([], cambrian_network:activate_batch(Network, [])),
    ?assertEqual(<<>>, cambrian_network:activate_batch(Network, <<>>)),
    ?assertEqual({error, {wrong_size, inputs, 3, 4}},
                 cambrian_network:activate_batch(Network, <<0:128>>)),
    ?assertEqual({error, {wrong_size, inputs, 3, 0}},
                 cambrian_network:activate_batch(Network, [[1, 2, 3], []])).

wrong_sizes_and_numbers_are_errors_test() ->
    Network = network([], [{in, out, 2.0}, {out, out, 0.5}]),
    ?assertEqual({error, {wrong_size, inputs, 1, 2}}, cambrian_network:activate(Network, [1, 2])),
    ?assertEqual({error, {wrong_size, memory, 1, 0}}, cambrian_network:step(Network, <<>>, [1])),
    ?assertEqual({error, {out_of_range, inputs}}, cambrian_network:activate(Network, [1.0e13])),
    NaN = <<0, 0, 192, 127>>,
    ?assertEqual({error, {out_of_range, inputs}}, cambrian_network:activate(Network, NaN)),
    ?assertEqual({error, {out_of_range, memory}}, cambrian_network:step(Network, NaN, [1])),
    ?assertError(badarg, cambrian_network:activate(Network, [one])),
    ?assertError(badarg, cambrian_network:activate(Network, <<1, 2, 3>>)),
    ?assertError(badarg, cambrian_network:activate(make_ref(), [1])).

%% The exception is badarg, and its formatted error describes the argument (EEP 54).
an_argument_that_is_no_network_is_named_test_() ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7),
    Network = cambrian_network:compile(Genotype),
    {ok, Substrate} = cambrian_substrate:new(#{inputs => [[0]], outputs => [[1]]}),
    Word = "has to be a network, and is ",
    Compile = Word ++ "a genotype: cambrian_network:compile/1 makes one of it",
    Many = "has to be a list of networks, and ",
    State = cambrian_network:initial_state(Network),
    [{lists:flatten(io_lib:format("~p/~b", [Function, length(Arguments)])),
      ?_assertEqual(Said, said(Module, Function, Arguments))}
     || {Module, Calls} <-
            [{cambrian_network,
              [{activate, [nil, [1]], #{1 => Word ++ "nil"}},
               {activate, [word, [1]], #{1 => Word ++ "word"}},
               {activate, [Genotype, [1]], #{1 => Compile}},
               {step, [Genotype, State, [1]], #{1 => Compile}},
               {reward, [Genotype, State, 1], #{1 => Compile}},
               {initial_state, [Genotype], #{1 => Compile}},
               {info, [Substrate], #{1 => Word ++ "a substrate"}},
               {activate_batch, [Genotype, [[1]]], #{1 => Compile}},
               {activate_many, [Network, [[1]]], #{1 => Many ++ "is a network"}},
               {activate_many, [[Network, Genotype], [[1], [1]]],
                #{1 => Many ++ "one is a genotype: cambrian_network:compile/1 makes one of it"}},
               {step_many, [[nil], [State], [[1]]], #{1 => Many ++ "one is nil"}},
               {compile, [Network],
                #{1 => "has to be a genotype, and is a network, which is made of one and does not "
                       "keep it"}},
               {activate, [Network, [one]],
                #{general =>
                      "numbers must be a list of numbers or a binary of 32-bit floats, and a "
                      "state must be the result of a step"}},
               {step, [Network, nil, [1]],
                #{general =>
                      "numbers must be a list of numbers or a binary of 32-bit floats, and a "
                      "state must be the result of a step"}}]},
             {cambrian_genotype,
              [{info, [nil], #{1 => "has to be a genotype, and is nil"}},
               {id, [7], #{1 => "has to be a genotype, and is 7"}},
               {to_map, [Substrate], #{1 => "has to be a genotype, and is a substrate"}},
               {crossover, [Genotype, nil, #{}, 1], #{2 => "has to be a genotype, and is nil"}},
               {diff, [nil, Genotype], #{1 => "has to be a genotype, and is nil"}},
               {from_binary, [nil],
                #{general => "an argument is of another type than the function takes"}}]},
             {cambrian_substrate,
              [{info, [Genotype], #{1 => "has to be a substrate, and is a genotype"}},
               {express, [Substrate, nil], #{2 => "has to be a genotype, and is nil"}}]}],
        {Function, Arguments, Said} <- Calls].

said(Module, Function, Arguments) ->
    try apply(Module, Function, Arguments) of Answer -> Answer
    catch
        error:badarg:Stack ->
            [{Module, Function, Arguments, Where} | _] = Stack,
            #{module := Explains} = proplists:get_value(error_info, Where),
            maps:map(fun(_, Text) -> unicode:characters_to_list(Text) end,
                     Explains:format_error(badarg, Stack))
    end.

a_normalised_network_sees_normalised_inputs_in_every_call_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Plain = cambrian_network:compile(G),
    Network = cambrian_network:normalise(Plain, #{means => [4, 100], factors => [2, 0.5]}),
    Rows = [{[5, 98], [2, -1]}, {[4, 100], [0, 0]}, {[1.0e6, -1.0e6], [10, -10]}],
    {Given, Seen} = lists:unzip(Rows),
    Expected = [cambrian_network:activate(Plain, Row) || Row <- Seen],
    ?assertEqual(Expected, [cambrian_network:activate(Network, Row) || Row <- Given]),
    ?assertEqual(Expected, cambrian_network:activate_batch(Network, Given)),
    ?assertEqual(Expected, cambrian_network:activate_many([Network, Network, Network], Given)),
    Rest = cambrian_network:initial_state(Network),
    ?assertEqual(Expected, [Outputs || {Outputs, _} <- cambrian_network:step_many(
                                                         [Network, Network, Network],
                                                         [Rest, Rest, Rest], Given)]),
    Same = cambrian_network:normalise(Network, none),
    ?assertEqual(cambrian_network:activate(Plain, [5, 98]),
                 cambrian_network:activate(Same, [5, 98])),
    ?assertError(badarg, cambrian_network:normalise(Plain, #{means => [1, 2]})),
    ?assertEqual({error, {out_of_range, normalisation}},
                 cambrian_network:normalise(Plain, #{means => [1, 2], factors => [1, 1.0e13]})).
