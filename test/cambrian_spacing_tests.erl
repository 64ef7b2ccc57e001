%% Spreading items keeps their order and a distance; thinning points keeps the ends and the peaks.
-module(cambrian_spacing_tests).

-include_lib("eunit/include/eunit.hrl").

-import(cambrian_spacing, [evenly/2, pairs/1, peaks/2, settle/3]).

settled_items_keep_their_distance_test() ->
    Wanted = [0.0, 1.0, 1.0, 1.5, 40.0, 99.5, 99.9],
    Heights = [Y || {_, Y} <- settle([{W, W, 2} || W <- Wanted], 0.0, 100.0)],
    [?assert(B - A > 4 - 1.0e-9) || {A, B} <- pairs(Heights)],
    ?assertEqual(0.0, hd(Heights)),
    ?assertEqual(100.0, lists:last(Heights)),
    ?assertEqual(40.0, lists:nth(5, Heights)).

items_that_do_not_fit_share_the_room_test() ->
    ?assertEqual([{a, 0.0}, {b, 5.0}, {c, 10.0}],
                 settle([{a, 3.0, 50}, {b, 3.0, 50}, {c, 3.0, 50}], 0.0, 10.0)).

evenly_keeps_the_ends_test() ->
    ?assertEqual([1, 2, 3], evenly([1, 2, 3], 3)),
    ?assertEqual([1, 34, 67, 100], evenly(lists:seq(1, 100), 4)).

thinning_keeps_the_peaks_test() ->
    Points =
        [{X * 1.0, case X of 777 -> 9.0; 778 -> -9.0; _ -> 0.0 end} || X <- lists:seq(1, 5000)],
    Thin = peaks(Points, 40),
    ?assert(length(Thin) =< 42),
    [?assert(lists:member(P, Thin))
     || P <- [{1.0, 0.0}, {777.0, 9.0}, {778.0, -9.0}, {5000.0, 0.0}]].
