-module(cambrian_genotype_tests).
-include_lib("eunit/include/eunit.hrl").

new(Inputs, Outputs) ->
    {ok, G} = cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs, activations => [tanh, sin, relu]}, 1),
    G.

%% Many operators, one after the other; those that do not apply are passed over.
grown(Steps) ->
    Operators = cambrian_genotype:operators(),
    lists:foldl(fun(Seed, G) ->
                    Operator = lists:nth(1 + Seed rem length(Operators), Operators),
                    case cambrian_genotype:mutate(G, Operator, #{activations => [tanh, sin, relu]}, Seed) of
                        {ok, Next} -> Next;
                        {error, not_applicable} -> G
                    end
                end, new(3, 2), lists:seq(1, Steps)).

a_first_genotype_joins_inputs_to_outputs_test() ->
    ?assertEqual(#{inputs => 3, outputs => 2, nodes => 5, hidden => 0, connections => 6, recurrent => 0},
                 cambrian_genotype:info(new(3, 2))),
    ?assertMatch({error, {invalid_genotype, _}}, cambrian_genotype:new(#{inputs => 0, outputs => 1}, 1)),
    ?assertEqual({error, {missing_options, [outputs]}}, cambrian_genotype:new(#{inputs => 1}, 1)),
    ?assertMatch({error, {unknown_parameter, <<"inptus">>}},
                 cambrian_genotype:new(#{inputs => 1, outputs => 1, inptus => 1}, 1)).

every_operator_is_applicable_by_name_test() ->
    G = grown(60),
    Apply = fun(Operator) -> cambrian_genotype:mutate(G, Operator, #{activations => [tanh, sin, relu]}, 5) end,
    [?assertMatch({Operator, {ok, _}}, {Operator, Apply(Operator)}) || Operator <- cambrian_genotype:operators()],
    [begin {ok, Changed} = Apply(Operator), ?assertNotEqual(cambrian_genotype:id(G), cambrian_genotype:id(Changed)) end
     || Operator <- cambrian_genotype:operators()],
    ?assertEqual({error, {unknown_operator, grow_wings}}, cambrian_genotype:mutate(G, grow_wings, 1)).

an_operator_that_finds_nothing_says_so_test() ->
    {ok, Bare} = cambrian_genotype:new(#{inputs => 1, outputs => 1, initial_connections => 0}, 1),
    ?assertEqual({error, not_applicable}, cambrian_genotype:mutate(Bare, add_node, 1)),
    ?assertEqual({error, not_applicable}, cambrian_genotype:mutate(new(1, 1), add_connection, 1)).

maps_and_bytes_give_back_the_same_genotype_test() ->
    G = grown(200),
    {ok, FromMap} = cambrian_genotype:from_map(cambrian_genotype:to_map(G)),
    {ok, FromBytes} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(G)),
    ?assertEqual([cambrian_genotype:id(G)], lists:usort([cambrian_genotype:id(X) || X <- [G, FromMap, FromBytes]])).

the_id_is_the_hash_of_the_bytes_test() ->
    G = grown(50),
    ?assertEqual(crypto:hash(sha256, cambrian_genotype:to_binary(G)), cambrian_genotype:id(G)).

%% DESIGN: sorting by (layer, id) is a topological order, and a connection is recurrent exactly
%% when its source is not on a lower layer.
maps_tell_layers_and_recurrence_test() ->
    G = grown(300),
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:to_map(G),
    Layers = maps:from_list([{Id, Layer} || #{id := Id, layer := Layer} <- Nodes]),
    Recurrent = [C || #{from := From, to := To} = C <- Connections, map_get(From, Layers) >= map_get(To, Layers)],
    ?assertMatch(#{recurrent := N} when N =:= length(Recurrent), cambrian_genotype:info(G)),
    ?assertEqual(Nodes, lists:sort(fun(#{layer := A, id := I}, #{layer := B, id := J}) -> {A, I} =< {B, J} end, Nodes)),
    ?assertEqual([0, 1, 2], lists:sort([I || #{kind := input, index := I, layer := 0} <- Nodes])),
    ?assertEqual([0, 1], lists:sort([I || #{kind := output, index := I, layer := L} <- Nodes, L =:= 1 bsl 63])).

genotypes_bred_apart_align_test() ->
    [Here, There] = [begin
                         {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, Seed),
                         {ok, Split} = cambrian_genotype:mutate(G, add_node, Seed),
                         Split
                     end || Seed <- [1, 2]],
    ?assertEqual(0.0, cambrian_genotype:distance(Here, There, #{weight_weight => 0})),
    ?assert(cambrian_genotype:distance(Here, There) > 0),
    {ok, Child} = cambrian_genotype:crossover(Here, There, 3),
    ?assertEqual(maps:get(connections, cambrian_genotype:info(Here)),
                 maps:get(connections, cambrian_genotype:info(Child))),
    ?assertEqual({error, incompatible}, cambrian_genotype:crossover(Here, new(2, 1), 3)).

bytes_from_strangers_are_refused_by_name_test() ->
    Bytes = cambrian_genotype:to_binary(new(2, 1)),
    <<Head:3/binary, 2, Rest/binary>> = Bytes,
    ?assertEqual({error, malformed}, cambrian_genotype:from_binary(<<>>)),
    ?assertEqual({error, malformed}, cambrian_genotype:from_binary(binary:part(Bytes, 0, 20))),
    ?assertEqual({error, not_canonical}, cambrian_genotype:from_binary(<<Bytes/binary, 0>>)),
    ?assertEqual({error, {unsupported_version, 3}}, cambrian_genotype:from_binary(<<Head/binary, 3, Rest/binary>>)),
    Huge = binary:copy(<<0>>, 17 bsl 20),
    ?assertEqual({error, {too_large, byte_size(Huge)}}, cambrian_genotype:from_binary(Huge)).

a_map_that_is_no_genotype_is_refused_test() ->
    Map = #{connections := [C | Cs]} = cambrian_genotype:to_map(new(2, 1)),
    ?assertMatch({error, {invalid_genotype, _}}, cambrian_genotype:from_map(Map#{connections := [C#{to := 5} | Cs]})),
    ?assertEqual({error, {unsupported_version, 9}}, cambrian_genotype:from_map(Map#{schema := 9})).

pictures_show_every_node_test() ->
    G = grown(40),
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:info(G),
    ?assertMatch(<<"<svg", _/binary>>, cambrian_genotype:to_svg(G)),
    Dot = cambrian_genotype:to_dot(G),
    ?assertEqual(Connections, length(binary:matches(Dot, <<"->">>))),
    ?assert(Nodes =< length(binary:matches(Dot, <<"label">>))).
