-module(cambrian_mesh_newcomers_tests).
-include_lib("eunit/include/eunit.hrl").

%% A young population has small networks, and still takes in larger ones that others have evolved.
the_cost_bound_follows_the_median_above_a_minimum_test() ->
    ?assertEqual([128, 128, 800, 400],
                 [cambrian_mesh_newcomers:bound(Median, Times)
                  || {Median, Times} <- [{4, 8}, {16, 8}, {100, 8}, {100, 4}]]).
