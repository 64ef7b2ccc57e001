%% Pictures of networks are well-formed, complete, safe, repeatable and bounded.
-module(cambrian_svg_tests).

-include_lib("eunit/include/eunit.hrl").
-include_lib("xmerl/include/xmerl.hrl").

-import(cambrian_drawing,
        [attribute/2, bytes/1, has/2, ids/2, number/1, only_itself/1, svg/1, texts/2,
         translation/1]).
-import(cambrian_sample, [deep/1, link_id/2, only_inputs_and_outputs/0, pole/0, random/4, tiny/0]).

every_part_is_drawn_once_test_() ->
    [
        ?_test(begin
            #{nodes := Nodes, connections := Connections} = G,
            Svg = svg(cambrian_svg:network(G)),
            ?assertEqual(lists:sort([Id || #{id := Id} <- Nodes]), ids(Svg, 'data-node')),
            ?assertEqual(lists:sort([Id || #{id := Id} <- Connections]), ids(Svg, 'data-link'))
        end)
     || G <- [tiny(), pole(), random(12, 4, 104, 1000), deep(40), only_inputs_and_outputs()]
    ].

every_part_shows_its_values_test() ->
    Text =
        bytes(cambrian_svg:network(pole(),
                                   #{labels =>
                                         #{inputs => [<<"cart">>, "long pole"],
                                           outputs => [force]}})),
    ?assert(has(Text, <<"cart → h1"/utf8>>)),
    ?assert(has(Text, <<"weight -1.31\n">>)),
    ?assert(has(Text, <<"in 2 → force"/utf8>>)),
    ?assert(has(Text, <<"bias 0.31\n">>)),
    ?assert(has(Text, <<"\nrecurrent\n">>)),
    ?assert(has(Text, <<"\ndisabled\n">>)).

%% A screen reader gets a description.
a_picture_has_a_title_and_a_description_test() ->
    Svg = svg(cambrian_svg:network(pole(), #{title => <<"Champion">>})),
    ?assertEqual("img", attribute(role, Svg)),
    ?assertEqual(["Champion"], texts("/svg/title", Svg)),
    ?assertEqual(["3 inputs, 2 hidden nodes, 1 output; 12 connections, 3 recurrent, 1 disabled."],
                 texts("/svg/desc", Svg)).

disabled_connections_and_signs_of_weights_are_marked_test() ->
    Svg = svg(cambrian_svg:network(pole())),
    Count =
        fun(Class) ->
            length(xmerl_xpath:string("//g[@data-link]/path[@class='" ++ Class ++ "']", Svg)) end,
    ?assertEqual({7, 4, 1}, {Count("cb-pos"), Count("cb-neg"), Count("cb-off")}).

%% A forward line has no arrow head; a recurrent one has, as a second stroke of its path.
only_recurrent_links_have_arrow_heads_test() ->
    Svg = svg(cambrian_svg:network(pole())),
    Heads = [
        Id
     || #xmlElement{attributes = As} = G <- xmerl_xpath:string("//g[@data-link]", Svg),
        #xmlAttribute{name = 'data-link', value = Id} <- As,
        length(string:split(attribute(d, lists:last(xmerl_xpath:string("path", G))), "M", all)) > 2
    ],
    Expected =
        [integer_to_list(link_id(F, T))
         || {F, T} <- [{{output, 0}, {hidden, 0}}, {{hidden, 0}, {hidden, 0}},
                       {{output, 0}, {output, 0}}]],
    ?assertEqual(lists:sort(Expected), lists:sort(Heads)).

%% Nodes with one mark each, and one node with all three.
lively() ->
    #{nodes := Nodes} = G = pole(),
    Genes = [
        #{dynamics => leaky, time_constant => 2.5},
        #{aggregation => product, dynamics => delay, time_constant => 3.0, plasticity => oja,
          learning_rate => 0.25, decay => 0.5},
        #{plasticity => reward, learning_rate => 1.0, decay => 0.0, gain => -1.5}
    ],
    {Inputs, Others} = lists:split(3, Nodes),
    G#{nodes := Inputs ++ lists:zipwith(fun maps:merge/2, Others, Genes)}.

nodes_with_dynamics_plasticity_or_another_aggregation_are_marked_test() ->
    Svg = svg(cambrian_svg:network(lively())),
    Signs =
        fun(Id) ->
            length(xmerl_xpath:string("//g[@data-node='" ++ integer_to_list(Id) ++
                                          "']/path[@class='cb-bg cb-plain']", Svg)) end,
    ?assertEqual([0, 0, 0, 1, 3, 1], [Signs(Id) || #{id := Id} <- maps:get(nodes, lively())]),
    Legend = texts("//g[@class='cb-legend']//text", Svg),
    [?assert(lists:member(Words, Legend))
     || Words <- ["product of inputs", "lives in time: delay, leaky", "learns: oja, reward"]],
    Text = bytes(cambrian_svg:network(lively())),
    [?assert(has(Text, Words))
     || Words <- [<<"\ndynamics leaky, time constant 2.5\nid ">>,
                  <<"\naggregation product\ndynamics delay">>,
                  <<"\nplasticity oja, learning rate 0.25, decay 0.5\n">>,
                  <<"\ngain -1.5\nplasticity reward">>]],
    ?assertEqual(["3 inputs, 2 hidden nodes, 1 output; 12 connections, 3 recurrent, 1 disabled; 2 "
                  "nodes with dynamics; "
                  "2 nodes with plasticity; 1 node with another aggregation than the sum."],
                 texts("/svg/desc", Svg)).

%% Genes with the values of a plain node do not change its picture.
a_plain_network_has_no_marks_test() ->
    #{nodes := Nodes} = G = pole(),
    Plain =
        #{aggregation => sum, gain => 1.0, dynamics => none, time_constant => 1.0,
          plasticity => none, learning_rate => 0.0, decay => 0.0},
    Draw =
        fun(Genotype) -> {bytes(cambrian_svg:network(Genotype)), bytes(cambrian_svg:dot(Genotype))}
        end,
    ?assertEqual(Draw(G), Draw(G#{nodes := [maps:merge(Plain, Node) || Node <- Nodes]})),
    ?assertNot(has(element(1, Draw(G)), <<"cb-bg cb-plain">>)).

the_width_is_an_option_test() ->
    Svg = svg(cambrian_svg:network(pole(), #{width => 480})),
    ?assertMatch("0 0 480 " ++ _, attribute(viewBox, Svg)).

nodes_lie_inside_the_picture_test_() ->
    [
        ?_test(begin
            Svg = svg(cambrian_svg:network(G, Opts)),
            [_, _, W, H] =
                [list_to_integer(T) || T <- string:split(attribute(viewBox, Svg), " ", all)],
            [{_, Down}] = [translation(X) || X <- xmerl_xpath:string("/svg/g[@transform][1]", Svg)],
            [
                begin
                    {X, Y} = {number(attribute(cx, C)), number(attribute(cy, C)) + Down},
                    ?assert(X > 0 andalso X < W andalso Y > 0 andalso Y < H)
                end
             || C <- xmerl_xpath:string("//g[@data-node]/circle", Svg)
            ]
        end)
     || G <- [tiny(), pole(), deep(25), random(8, 3, 30, 120)],
     Opts <- [#{}, #{width => 360}, #{width => 500}]
    ].

an_empty_network_is_a_valid_picture_test() ->
    Svg = svg(cambrian_svg:network(#{nodes => [], connections => []})),
    ?assertEqual([], ids(Svg, 'data-node')).

hostile_names_and_labels_are_escaped_test() ->
    G = #{nodes := [N | Ns]} = tiny(),
    Bad = <<"\"><script>alert(1)</script>">>,
    Odd = G#{nodes := [N#{activation := binary_to_atom(Bad)} | Ns]},
    Svg =
        bytes(cambrian_svg:network(Odd,
                                   #{title => Bad,
                                     labels => #{inputs => [Bad, Bad], outputs => [Bad]}})),
    ?assertNot(has(Svg, <<"<script">>)),
    _ = svg(Svg).

the_picture_of_a_huge_network_is_bounded_test_() ->
    {timeout, 60, fun() ->
        G = random(300, 50, 3000, 30000),
        Text = bytes(cambrian_svg:network(G)),
        ?assert(byte_size(Text) < 2500000),
        ?assert(has(Text, <<"weaker connections">>)),
        ?assert(has(Text, <<"weaker nodes">>))
    end}.

extreme_weights_do_not_crash_test() ->
    G = #{connections := [A, B]} = tiny(),
    _ = svg(cambrian_svg:network(G#{connections :=
                                        [A#{weight := 1.0e308}, B#{weight := -1.0e308}]})),
    _ = svg(cambrian_svg:network(G#{connections := [A#{weight := 0.0}, B#{weight := 0}]})).

the_same_genotype_gives_the_same_bytes_test() ->
    Draw = fun() -> bytes(cambrian_svg:network(random(12, 4, 40, 300))) end,
    Here = Draw(),
    Self = self(),
    spawn_link(fun() -> Self ! {drawn, Draw()} end),
    receive {drawn, There} -> ?assertEqual(Here, There) end,
    %% The order in which connections are listed does not matter.
    G = #{connections := Cs} = random(5, 2, 10, 40),
    ?assertEqual(bytes(cambrian_svg:network(G)),
                 bytes(cambrian_svg:network(G#{connections := lists:reverse(Cs)}))).

a_picture_loads_nothing_from_elsewhere_test() ->
    only_itself(cambrian_svg:network(pole())).

%% ---------------------------------------------------------------------------------------------
%% Graphviz
%% ---------------------------------------------------------------------------------------------

dot_has_every_part_test() ->
    Text = bytes(cambrian_svg:dot(pole())),
    ?assertEqual(12, length(binary:matches(Text, <<" -> ">>))),
    ?assertEqual(3, length(binary:matches(Text, <<"constraint=false">>))),
    ?assertEqual(1, length(binary:matches(Text, <<"style=dashed">>))),
    ?assert(has(Text, <<"h2\\ngaussian">>)).

dot_shows_genes_that_are_not_plain_test() ->
    Text = bytes(cambrian_svg:dot(lively())),
    ?assertEqual(3, length(binary:matches(Text, <<"peripheries=2">>))),
    ?assert(has(Text, <<"h2\\ngaussian\\nproduct\\ndelay\\noja\"">>)),
    ?assert(has(Text, <<"tooltip=\"bias 0.31\\ndynamics leaky, time constant 2.5\"">>)).

dot_quotes_names_test() ->
    G = #{nodes := Nodes} = tiny(),
    Odd = [N#{activation := 'a"b\\c'} || N <- Nodes],
    ?assert(has(bytes(cambrian_svg:dot(G#{nodes := Odd})), <<"a\\\"b\\\\c">>)).
