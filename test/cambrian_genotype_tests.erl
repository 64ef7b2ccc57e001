-module(cambrian_genotype_tests).
-include_lib("eunit/include/eunit.hrl").

new(Inputs, Outputs) ->
    {ok, G} =
        cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs,
                                activations => [tanh, sin, relu]}, 1),
    G.

%% Applies many operators, one after the other, and skips those that do not apply.
grown(Steps) ->
    Operators = cambrian_genotype:operators(),
    lists:foldl(fun(Seed, G) ->
                    Operator = lists:nth(1 + Seed rem length(Operators), Operators),
                    case cambrian_genotype:mutate(G, Operator, #{activations => [tanh, sin, relu]},
                                                  Seed) of
                        {ok, Next} -> Next;
                        {error, not_applicable} -> G
                    end
                end, new(3, 2), lists:seq(1, Steps)).

a_new_genotype_connects_all_inputs_to_all_outputs_test() ->
    ?assertEqual(#{inputs => 3, outputs => 2, nodes => 5, hidden => 0, connections => 6,
                   recurrent => 0},
                 cambrian_genotype:info(new(3, 2))),
    ?assertMatch({error, {invalid_genotype, _}},
                 cambrian_genotype:new(#{inputs => 0, outputs => 1}, 1)),
    ?assertEqual({error, {missing_options, [outputs]}}, cambrian_genotype:new(#{inputs => 1}, 1)),
    ?assertMatch({error, {unknown_parameter, inptus, #{did_you_mean := inputs}}},
                 cambrian_genotype:new(#{inputs => 1, outputs => 1, inptus => 1}, 1)).

an_unknown_operator_is_named_test() ->
    ?assertEqual({error,
                  {unknown_operator, grow_wings, #{see => <<"cambrian_genotype:operators/0">>}}},
                 cambrian_genotype:mutate(new(1, 1), grow_wings, 1)).

%% A genotype that every operator can change: it has an input and an output without a connection,
%% a loop, a node that can be bridged, and a node with dynamics and plasticity.
workshop() ->
    {ok, Bare} = cambrian_genotype:new(#{inputs => 3, outputs => 2, initial_connections => 0}, 1),
    #{nodes := Nodes} = Map = cambrian_genotype:to_map(Bare),
    [In0, In1] =
        [Id || Index <- [0, 1], #{kind := input, index := I, id := Id} <- Nodes, I =:= Index],
    [Out] = [Id || #{kind := output, index := 0, id := Id} <- Nodes],
    Hidden =
        #{id => 1, layer => 1 bsl 62, bias => 0.5, activation => tanh, dynamics => leaky,
          time_constant => 3,
          plasticity => oja, learning_rate => 0.5, decay => 0.5},
    Links = [{In0, 1, 2.0}, {In1, 1, -3.0}, {1, 1, 0.5}, {1, Out, 1.5}, {In0, Out, 0.25}],
    {ok, G} = cambrian_genotype:from_map(
                Map#{nodes := [Hidden | Nodes],
                     connections :=
                         [#{from => F, to => T, weight => W, enabled => true}
                          || {F, T, W} <- Links]}),
    G.

every_operator_changes_what_its_name_says_test_() ->
    G = workshop(),
    [{atom_to_list(Operator),
      [fun() ->
           {ok, Changed} = cambrian_genotype:mutate(G, Operator, Seed),
           [Before, After] = [cambrian_genotype:to_map(X) || X <- [G, Changed]],
           Difference = [{Kind, difference(maps:get(Kind, Before), maps:get(Kind, After))}
                         || Kind <- [nodes, connections]],
           ?assertEqual({Seed, Difference, true},
                        {Seed, Difference, did(Operator, maps:from_list(Difference), After)})
       end || Seed <- lists:seq(1, 30)]}
     || Operator <- cambrian_genotype:operators()].

%% `{Gone, New, Changed}'. The last has pairs of a gene before and after, with the names of the
%% fields that differ.
difference(Before, After) ->
    [B, A] =
        [maps:from_list([{Id, Gene} || #{id := Id} = Gene <- Genes]) || Genes <- [Before, After]],
    Pairs = [{Gene, map_get(Id, A)} || #{id := Id} = Gene <- Before, is_map_key(Id, A)],
    {maps:values(maps:without(maps:keys(A), B)), maps:values(maps:without(maps:keys(B), A)),
     [{Old, New, [Key || {Key, Value} <- maps:to_list(Old), map_get(Key, New) =/= Value]}
      || {Old, New} <- Pairs, Old =/= New]}.

-define(SAME, {[], [], []}).
%% Operators whose change is checked here. The tests in Rust check the others, which must only
%% change something here.
-define(TOLD,
        [perturb_weights, reset_weights, perturb_biases, add_bias, remove_bias, change_activation,
         change_aggregation,
         change_gain, change_dynamics, change_time_constant, change_plasticity, change_learning,
         toggle_connection,
         remove_connection, remove_recurrent, remove_node, remove_input, remove_output, add_input,
         add_output,
         add_connection, add_recurrent, add_node]).
-define(ONE_NODE(Old, New, Keys), #{nodes := {[], [], [{Old, New, Keys}]}, connections := ?SAME}).
-define(CONNECTIONS(Difference), #{nodes := ?SAME, connections := Difference}).

did(perturb_weights, ?CONNECTIONS({[], [], Changed}), _) ->
    length(Changed) =:= 5 andalso only([weight], Changed);
did(reset_weights, ?CONNECTIONS({[], [], [_ | _] = Changed}), _) -> only([weight], Changed);
did(perturb_biases, #{nodes := {[], [], Changed}, connections := ?SAME}, _) ->
    length(Changed) =:= 3 andalso only([bias], Changed);
did(add_bias, ?ONE_NODE(#{bias := Old}, #{kind := output, bias := New}, [bias]), _) ->
    Old == 0 andalso New /= 0;
did(remove_bias, ?ONE_NODE(#{bias := 0.5}, #{kind := hidden, bias := New}, [bias]), _) -> New == 0;
did(change_activation, ?ONE_NODE(#{kind := hidden}, _, [activation]), _) -> true;
did(change_aggregation, ?ONE_NODE(_, _, [aggregation]), _) -> true;
did(change_gain, ?ONE_NODE(_, _, [gain]), _) -> true;
did(change_dynamics, ?ONE_NODE(_, _, [dynamics | Keys]), _) -> Keys =:= [time_constant];
did(change_time_constant,
    ?ONE_NODE(#{time_constant := Old}, #{kind := hidden, time_constant := New}, [_]), _) ->
    New >= Old / 2 andalso New =< Old * 2;
did(change_plasticity, ?ONE_NODE(_, _, Keys), _) ->
    lists:member(plasticity, Keys) andalso Keys -- [plasticity, learning_rate, decay] =:= [];
did(change_learning, ?ONE_NODE(_, #{kind := hidden}, Keys), _) ->
    Keys -- [learning_rate, decay] =:= [];
did(toggle_connection, ?CONNECTIONS({[], [], [{_, #{enabled := false}, [enabled]}]}), _) -> true;
did(remove_connection, ?CONNECTIONS({[_], [], []}), _) -> true;
did(remove_recurrent, ?CONNECTIONS({[#{from := 1, to := 1}], [], []}), _) -> true;
%% a new connection bridges one source; the other already has one
did(remove_node,
    #{nodes := {[#{id := 1}], [], []}, connections := {[_, _, _, _], [#{weight := -4.5}], []}},
    _) ->
        true;
did(remove_input, ?CONNECTIONS({[#{from := In} | _] = Gone, [], []}), #{connections := Left}) ->
    lists:all(fun(#{from := From}) -> From =:= In end, Gone) andalso not joined(In, Left);
did(remove_output, ?CONNECTIONS({[#{to := Out}, #{to := Out}], [], []}), #{connections := Left}) ->
    not joined(Out, Left);
did(add_input, ?CONNECTIONS({[], [#{from := From}], []}), After) ->
    {input, 2} =:= kind(From, After);
did(add_output, ?CONNECTIONS({[], [#{to := To}], []}), After) -> {output, 1} =:= kind(To, After);
did(add_connection, ?CONNECTIONS({[], [New], []}), After) -> not is_recurrent(New, After);
did(add_recurrent, ?CONNECTIONS({[], [New], []}), After) -> is_recurrent(New, After);
did(add_node, #{nodes := {[], [#{id := Id, kind := hidden}], []},
                connections := {[], New, [{#{from := From, to := To, weight := W}, _, [enabled]}]}},
    _) ->
    lists:sort([{From, Id, 1.0}, {Id, To, W}]) =:= lists:sort([{F, T, X}
                                                               || #{from := F, to := T,
                                                                    weight := X} <- New]);
did(Operator, Difference, _) ->
    not lists:member(Operator, ?TOLD) andalso
        Difference =/= #{nodes => ?SAME, connections => ?SAME}.

only(Keys, Changed) -> lists:all(fun({_, _, Differ}) -> Differ =:= Keys end, Changed).

joined(Id, Connections) ->
    lists:any(fun(#{from := From, to := To}) -> From =:= Id orelse To =:= Id end, Connections).

kind(Id, #{nodes := Nodes}) ->
    hd([{Kind, Index} || #{id := I, kind := Kind, index := Index} <- Nodes, I =:= Id]).

is_recurrent(#{from := From, to := To}, #{nodes := Nodes}) ->
    [A, B] = [Layer || End <- [From, To], #{id := Id, layer := Layer} <- Nodes, Id =:= End],
    A >= B.

parameters_narrow_what_an_operator_picks_from_test() ->
    [begin
         {ok, G} =
             cambrian_genotype:mutate(workshop(), change_aggregation, #{aggregations => [median]},
                                      Seed),
         ?assertMatch([_],
                      [N
                       || #{aggregation := median} =
                           N <- maps:get(nodes, cambrian_genotype:to_map(G))])
     end || Seed <- lists:seq(1, 10)].

an_operator_that_finds_nothing_to_change_is_not_applicable_test() ->
    {ok, Bare} = cambrian_genotype:new(#{inputs => 1, outputs => 1, initial_connections => 0}, 1),
    ?assertEqual({error, not_applicable}, cambrian_genotype:mutate(Bare, add_node, 1)),
    ?assertEqual({error, not_applicable}, cambrian_genotype:mutate(new(1, 1), add_connection, 1)).

%% A task that grows: the old outputs stay, and the new input and output can be connected.
a_resized_genotype_keeps_its_outputs_test() ->
    G = grown(100),
    {ok, Larger} =
        cambrian_genotype:resize(G, #{inputs => 5, outputs => 3, output_activation => tanh}),
    ?assertMatch(#{inputs := 5, outputs := 3}, cambrian_genotype:info(Larger)),
    [Small, Large] = [cambrian_network:compile(X) || X <- [G, Larger]],
    [?assertEqual(cambrian_network:activate(Small, Inputs),
                  lists:sublist(cambrian_network:activate(Large, Inputs ++ [7, -7]), 2))
     || Inputs <- [[0, 0, 0], [1, -1, 0.5], [-3, 2.5, 100]]],
    ?assertMatch([_, _, +0.0], cambrian_network:activate(Large, [1, 1, 1, 1, 1])),
    {ok, Used} = cambrian_genotype:mutate(Larger, add_output, 1),
    ?assertNotEqual(cambrian_genotype:id(Larger), cambrian_genotype:id(Used)),
    {ok, Back} = cambrian_genotype:resize(Larger, #{inputs => 3, outputs => 2}),
    ?assertEqual(cambrian_genotype:id(G), cambrian_genotype:id(Back)).

a_removed_input_takes_its_connections_with_it_test() ->
    {ok, Smaller} = cambrian_genotype:resize(new(3, 2), #{inputs => 1}),
    ?assertMatch(#{inputs := 1, outputs := 2, connections := 2}, cambrian_genotype:info(Smaller)),
    ?assertMatch({error, {invalid_genotype, _}},
                 cambrian_genotype:resize(Smaller, #{outputs => 0})),
    ?assertMatch({error, {unknown_parameter, input, #{did_you_mean := inputs}}},
                 cambrian_genotype:resize(Smaller, #{input => 2})).

a_genotype_survives_the_way_through_a_map_and_through_bytes_test() ->
    G = grown(200),
    {ok, FromMap} = cambrian_genotype:from_map(cambrian_genotype:to_map(G)),
    {ok, FromBytes} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(G)),
    ?assertEqual([cambrian_genotype:id(G)],
                 lists:usort([cambrian_genotype:id(X) || X <- [G, FromMap, FromBytes]])).

the_id_is_the_hash_of_the_bytes_test() ->
    G = grown(50),
    ?assertEqual(crypto:hash(sha256, cambrian_genotype:to_binary(G)), cambrian_genotype:id(G)).

%% DESIGN: sorting by (layer, id) is a topological order, and a connection is recurrent exactly
%% when its source is not on a lower layer.
maps_show_layers_and_recurrence_test() ->
    G = grown(300),
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:to_map(G),
    Layers = maps:from_list([{Id, Layer} || #{id := Id, layer := Layer} <- Nodes]),
    Recurrent =
        [C
         || #{from := From, to := To} = C <- Connections,
         map_get(From, Layers) >= map_get(To, Layers)],
    ?assertMatch(#{recurrent := N} when N =:= length(Recurrent), cambrian_genotype:info(G)),
    ?assertEqual(Nodes,
                 lists:sort(fun(#{layer := A, id := I}, #{layer := B, id := J}) -> {A, I} =< {B, J}
                 end, Nodes)),
    ?assertEqual([0, 1, 2], lists:sort([I || #{kind := input, index := I, layer := 0} <- Nodes])),
    ?assertEqual([0, 1],
                 lists:sort([I
                             || #{kind := output, index := I, layer := L} <- Nodes,
                             L =:= 1 bsl 63])).

genotypes_that_were_bred_apart_have_matching_genes_test() ->
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

malformed_bytes_are_refused_with_their_reason_test() ->
    Bytes = cambrian_genotype:to_binary(new(2, 1)),
    <<Head, 3, Rest/binary>> = Bytes,
    ?assertEqual({error, malformed}, cambrian_genotype:from_binary(<<>>)),
    ?assertEqual({error, malformed}, cambrian_genotype:from_binary(binary:part(Bytes, 0, 20))),
    ?assertEqual({error, not_canonical}, cambrian_genotype:from_binary(<<Bytes/binary, 0>>)),
    ?assertEqual({error, {unsupported_version, 4}},
                 cambrian_genotype:from_binary(<<Head, 4, Rest/binary>>)),
    Huge = binary:copy(<<0>>, 17 bsl 20),
    ?assertEqual({error, {too_large, byte_size(Huge)}}, cambrian_genotype:from_binary(Huge)).

a_map_that_is_no_genotype_is_refused_test() ->
    Map = #{connections := [C | Cs]} = cambrian_genotype:to_map(new(2, 1)),
    ?assertMatch({error, {invalid_genotype, _}},
                 cambrian_genotype:from_map(Map#{connections := [C#{to := 5} | Cs]})),
    ?assertEqual({error, {unsupported_version, 9}}, cambrian_genotype:from_map(Map#{schema := 9})).

missing_genes_of_a_map_are_those_of_a_plain_neuron_test() ->
    #{nodes := [In, Out]} = Map = cambrian_genotype:to_map(new(1, 1)),
    Old =
        Map#{schema := 1,
             nodes := [maps:with([id, layer, activation, bias], Node) || Node <- [In, Out]]},
    {ok, G} = cambrian_genotype:from_map(Old),
    ?assertEqual(cambrian_genotype:id(new(1, 1)), cambrian_genotype:id(G)),
    {ok, Plainest} = cambrian_genotype:from_map(Map#{nodes := [In, maps:with([id, layer], Out)]}),
    ?assertMatch([_, #{activation := identity, aggregation := sum, gain := 1.0, bias := +0.0}],
                 maps:get(nodes, cambrian_genotype:to_map(Plainest))).

genes_out_of_range_are_refused_by_their_names_test_() ->
    #{nodes := [In, Out]} = Map = cambrian_genotype:to_map(new(1, 1)),
    From =
        fun(Genes) -> cambrian_genotype:from_map(Map#{nodes := [In, maps:merge(Out, Genes)]}) end,
    Invalid = [#{bias => 1.0e7}, #{gain => -1.0e7}, #{time_constant => 0}, #{time_constant => 1001},
               #{learning_rate => -1.1}, #{decay => 1.1}, #{gain => 1.0e300}],
    [?_assertMatch({error, {invalid_genotype, <<"node ", _/binary>>}}, From(Genes))
     || Genes <- Invalid]
    ++ [?_assertEqual({error, {unknown_gene, Gene, chess}}, From(#{Gene => chess}))
        || Gene <- maps:keys(cambrian_genotype:choices())]
    ++ [?_assertError(badarg, From(Genes))
        || Genes <- [#{bias => one}, #{activation => <<"tanh">>}, #{id => -1}]]
    ++ [?_assertMatch({error, {invalid_genotype, _}},
                      cambrian_genotype:from_map(Map#{nodes := [In#{bias := 1}, Out]}))].

every_choice_of_a_gene_survives_the_way_through_maps_and_bytes_test() ->
    #{nodes := [In, Out]} = Map = cambrian_genotype:to_map(new(1, 1)),
    [begin
         {ok, G} = cambrian_genotype:from_map(Map#{nodes := [In, Out#{Gene := Name}]}),
         {ok, Copy} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(G)),
         ?assertMatch([_, #{Gene := Name}], maps:get(nodes, cambrian_genotype:to_map(Copy)))
     end || {Gene, Names} <- maps:to_list(cambrian_genotype:choices()), Name <- Names].

pictures_show_every_node_test() ->
    G = grown(40),
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:info(G),
    ?assertMatch(<<"<svg", _/binary>>, cambrian_picture:network(G)),
    Dot = cambrian_picture:dot(G),
    ?assertEqual(Connections, length(binary:matches(Dot, <<"->">>))),
    ?assert(Nodes =< length(binary:matches(Dot, <<"label">>))).
