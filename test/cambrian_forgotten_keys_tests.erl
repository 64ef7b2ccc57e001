-module(cambrian_forgotten_keys_tests).
-include_lib("eunit/include/eunit.hrl").

-define(MS, 1000).

new() -> cambrian_forgotten_keys:new(?MS, 10).

%% A key is remembered for at least the given time, and for no longer than twice that.
a_key_is_remembered_for_its_time_test() ->
    [begin
         Put = cambrian_forgotten_keys:put(a, 1, At, new()),
         [?assertEqual({At, After, {ok, 1}},
                       {At, After, cambrian_forgotten_keys:find(a, At + After, Put)})
          || After <- [0, 1, 500, 999]],
         ?assertEqual(error, cambrian_forgotten_keys:find(a, At + 2 * ?MS, Put))
     end || At <- [0, 1, 999, 1000, 5500, 1_800_000_000_000]].

other_keys_change_nothing_about_a_remembered_key_test() ->
    Put =
        lists:foldl(fun(N, F) -> cambrian_forgotten_keys:put(N, N, 1000 + N * 150, F) end,
                    cambrian_forgotten_keys:put(a, 1, 1000, new()), lists:seq(1, 6)),
    ?assertEqual({ok, 1}, cambrian_forgotten_keys:find(a, 1999, Put)).

%% When it is full it says so, and after the given time it has room again.
the_number_of_remembered_keys_is_bounded_test() ->
    Full =
        lists:foldl(fun(N, F) -> cambrian_forgotten_keys:put(N, N, 100, F) end, new(),
                    lists:seq(1, 10)),
    ?assertEqual([false, false, true],
                 [cambrian_forgotten_keys:has_room(Now, Full) || Now <- [100, 900, 1100]]).

a_clock_that_is_set_back_forgets_no_key_test() ->
    Put = cambrian_forgotten_keys:put(a, 1, 100_000, new()),
    ?assertEqual([{ok, 1}, {ok, 1}],
                 [cambrian_forgotten_keys:find(a, Now, Put) || Now <- [99_000, 0]]).
