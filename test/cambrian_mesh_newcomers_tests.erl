-module(cambrian_mesh_newcomers_tests).
-include_lib("eunit/include/eunit.hrl").

%% A new population of the smallest networks takes in what others have evolved.
the_bound_follows_the_median_but_not_below_a_first_network_test() ->
    ?assertEqual([128, 128, 800, 400], [cambrian_mesh_newcomers:bound(Median, Times) || {Median, Times} <- [{4, 8}, {16, 8}, {100, 8}, {100, 4}]]).
