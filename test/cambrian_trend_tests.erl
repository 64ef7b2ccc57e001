-module(cambrian_trend_tests).
-include_lib("eunit/include/eunit.hrl").

points(Value) -> [{X, Value(X)} || X <- lists:seq(100, 400)].

%% Noise between -50 and 50 that is the same in each run.
noise(X) -> erlang:phash2({noise, X}, 101) - 50.

of_points(Value) -> cambrian_trend:of_points(points(Value), 0).

a_constant_quantity_is_flat_test() ->
    #{start := Start, finish := Finish, per_hour := Slope, noise := Noise, flat := true} =
        of_points(fun(_) -> 7 end),
    ?assert(Start == 7 andalso Finish == 7 andalso Slope == 0 andalso Noise == 0),
    ?assertMatch(#{flat := true}, of_points(fun(X) -> 1000 + noise(X) end)).

%% Growth of one a second, under noise as large as the growth of most of a minute.
a_leak_is_found_test() ->
    #{flat := false, per_hour := Slope, start := Start, finish := Finish} =
        of_points(fun(X) -> 1000 + X + noise(X) end),
    ?assert(abs(Slope - 3600) < 300),
    ?assert(abs(Finish - Start - 300) < 30).

%% A tenth of the points lie far from the others.
outliers_do_not_change_the_slope_test() ->
    #{per_hour := Slope} =
        of_points(fun(X) when X rem 10 =:= 0 -> 1_000_000; (X) -> 5000 + 2 * X end),
    ?assert(abs(Slope - 7200) < 100).

a_shrinking_quantity_is_flat_test() ->
    ?assertMatch(#{flat := true}, of_points(fun(X) -> 10_000 - 20 * X end)).

growth_below_the_least_is_flat_test() ->
    Little = points(fun(X) -> 10 + X / 100 end),
    ?assertMatch(#{flat := false}, cambrian_trend:of_points(Little, 2)),
    ?assertMatch(#{flat := true}, cambrian_trend:of_points(Little, 4)),
    ?assertMatch(#{flat := false}, cambrian_trend:of_points([{0, 1000}, {10, 1021}], 20)).

%%% ---- bin/soak ---------------------------------------------------------------------------

bin_soak_names_a_wrong_argument_test_() ->
    {timeout, 120, fun() ->
        Script = cambrian_checkout:path("bin/soak"),
        [begin
             Said = os:cmd(Script ++ " " ++ Given ++ "; echo $?"),
             ?assertMatch({Given, ["bin/soak " ++ _, "", "usage: bin/soak MINUTES [WARM_UP]" | _]},
                          {Given, string:split(Said, "\n", all)}),
             ?assertEqual({Given, Line}, {Given, hd(string:split(Said, "\n", all))}),
             ?assertEqual({Given, "2"}, {Given, lists:last(string:lexemes(Said, "\n"))})
         end
         || {Given, Line} <- [{"x", "bin/soak x: expected a whole number, as 30"},
                              {"0", "bin/soak 0: expected at least one minute"},
                              {"", "bin/soak MINUTES is missing, expected a positive number"},
                              {"1 2 3",
                               "bin/soak 1 2 3: expected MINUTES and WARM_UP, and nothing else"}]]
    end}.
