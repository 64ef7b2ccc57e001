-module(cambrian_mesh_newcomers_tests).
-include_lib("eunit/include/eunit.hrl").

%% A young population has small networks, and still takes in larger ones that others have evolved.
the_cost_bound_follows_the_median_above_a_minimum_test() ->
    ?assertEqual([128, 128, 800, 400],
                 [cambrian_mesh_newcomers:bound(Median, Times)
                  || {Median, Times} <- [{4, 8}, {16, 8}, {100, 8}, {100, 4}]]).

%% Genes from elsewhere raise what counts as the median at most twofold in 1,000 generations.
the_cost_rises_slowly_by_genes_of_other_nodes_test() ->
    Cost = fun(Generation, Medians) ->
               {Generation, Median} =
                   cambrian_mesh_newcomers:cost(Generation, Medians, {100, 50}), Median
           end,
    ?assertEqual([50.0, 100.0, 200.0], [Cost(G, {800, 0}) || G <- [100, 1100, 2100]]),
    %% a population that begins an earlier generation again keeps what it had
    ?assertEqual(50.0, Cost(50, {800, 0})),
    %% it never exceeds the median, and falls with it at once
    ?assertEqual([60, 20], [Cost(1100, {All, 0}) || All <- [60, 20]]),
    %% what the population evolved itself counts at once
    ?assertEqual(300, Cost(101, {800, 300})),
    %% a minimum, so that a young population is not held at the cost of its first networks
    ?assertEqual({1, 16.0}, cambrian_mesh_newcomers:cost(1, {90, 0}, {1, 3})),
    ?assertEqual({1001, 32.0}, cambrian_mesh_newcomers:cost(1001, {90, 0}, {1, 3})),
    ?assertEqual({1 bsl 40, 90}, cambrian_mesh_newcomers:cost(1 bsl 40, {90, 0}, {1, 3})).
