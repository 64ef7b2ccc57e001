-module(cambrian_network_tests).
-include_lib("eunit/include/eunit.hrl").

%% One input, one output, every gene chosen: Links are {From, To, Weight} of in, out and hidden ids.
network(Hidden, Links) ->
    {ok, Start} = cambrian_genotype:new(#{inputs => 1, outputs => 1, output_activation => identity}, 1),
    #{nodes := [#{id := In} = First, #{id := Out} = Last]} = Map = cambrian_genotype:to_map(Start),
    Id = fun(in) -> In; (out) -> Out; (Other) -> Other end,
    {ok, G} = cambrian_genotype:from_map(
                Map#{nodes := [First, Last | [#{id => I, layer => L, activation => A, bias => B} || {I, L, A, B} <- Hidden]],
                     connections := [#{from => Id(From), to => Id(To), weight => W, enabled => true}
                                     || {From, To, W} <- Links]}),
    cambrian_network:compile(G).

a_leaky_sum_remembers_test() ->
    Network = network([], [{in, out, 1.0}, {out, out, 0.5}]),
    ?assertMatch(#{memory := 1, connections := 2}, cambrian_network:info(Network)),
    {Outputs, State} = lists:mapfoldl(fun(X, S) -> cambrian_network:step(Network, S, [X]) end,
                                      cambrian_network:initial_state(Network), [1, 0, 0, 4.0]),
    ?assertEqual([[1.0], [0.5], [0.25], [4.125]], Outputs),
    ?assertEqual(<<4.125:32/float-little>>, State),
    ?assertEqual([3.0], cambrian_network:activate(Network, [3])).

%% A network's memory is a value: the same state gives the same step, whoever takes it.
state_is_a_value_test() ->
    Network = network([], [{in, out, 1.0}, {out, out, 0.5}]),
    {_, State} = cambrian_network:step(Network, cambrian_network:initial_state(Network), [8]),
    Steps = [begin Self = self(), spawn(fun() -> Self ! {step, cambrian_network:step(Network, State, [0])} end),
                   receive {step, Step} -> Step end end || _ <- [1, 2, 3]],
    ?assertMatch([{[4.0], S}, {[4.0], S}, {[4.0], S}], Steps).

depth_takes_no_time_test() ->
    Network = network([{1, 10, relu, 1.0}, {2, 5, identity, 0.5}], [{in, 2, 2.0}, {2, 1, 3.0}, {1, out, 1.0}]),
    ?assertEqual([8.5], cambrian_network:activate(Network, [1])),
    ?assertEqual([0.0], cambrian_network:activate(Network, [-1])).

what_goes_in_as_a_binary_comes_out_as_one_test() ->
    Network = network([], [{in, out, 2.0}]),
    ?assertEqual(<<3.0:32/float-little>>, cambrian_network:activate(Network, <<1.5:32/float-little>>)),
    Batch = << <<X:32/float-little>> || X <- [1, 2, 3] >>,
    Doubled = << <<X:32/float-little>> || X <- [2, 4, 6] >>,
    ?assertEqual(Doubled, cambrian_network:activate_batch(Network, Batch)),
    ?assertEqual([[2.0], [4.0]], cambrian_network:activate_batch(Network, [[1], [2]])),
    ?assertEqual([[2.0], <<4.0:32/float-little>>],
                 cambrian_network:activate_many([Network, Network], [[1], <<2.0:32/float-little>>])).

%% The published curve of each activation, through a whole network.
activations_follow_their_formulas_test_() ->
    Formulas = #{identity => fun(X) -> X end, tanh => fun math:tanh/1,
                 sigmoid => fun(X) -> 1 / (1 + math:exp(-X)) end,
                 steep_sigmoid => fun(X) -> 1 / (1 + math:exp(-4.924273 * X)) end,
                 relu => fun(X) -> max(0.0, X) end, sin => fun math:sin/1,
                 gaussian => fun(X) -> math:exp(-X * X) end, step => fun(X) when X > 0 -> 1.0; (_) -> 0.0 end},
    [{atom_to_list(Name),
      fun() ->
          Network = network([{1, 10, Name, 0.0}], [{in, 1, 1.0}, {1, out, 1.0}]),
          [begin
               [Y] = cambrian_network:activate(Network, [X]),
               ?assert(abs(Y - Formula(X)) < 5.0e-7 * max(1, abs(X)))
           end || I <- lists:seq(-160, 160), X <- [I / 32]]
      end} || {Name, Formula} <- maps:to_list(Formulas)].

wrong_sizes_and_numbers_are_answered_test() ->
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
