-module(cambrian_meter_tests).
-include_lib("eunit/include/eunit.hrl").

new() -> cambrian_meter:new(rand:seed_s(exsss, 1)).

%% The number taken of so many items in one lane, spread over a second.
taken(Lane, Budget, Count, Second, Meter) ->
    lists:foldl(fun(N, {Taken, M}) ->
                    case cambrian_meter:take(Lane, Budget, 1000 * Second + 1000 * N div (Count + 1),
                                             M) of
                        {true, Next} -> {Taken + 1, Next};
                        {false, Next} -> {Taken, Next}
                    end
                end, {0, Meter}, lists:seq(1, Count)).

within_its_budget_a_lane_takes_all_test() ->
    lists:foldl(fun(Second, Meter) ->
                    {50, Next} = taken(lane, 50, 50, Second, Meter),
                    Next
                end, new(), lists:seq(1, 100)).

%% This holds from the second second on; the first second takes 50 (1 + ln 20) on average.
above_its_budget_a_lane_takes_about_the_budget_test() ->
    {First, Meter} = taken(lane, 50, 1000, 1, new()),
    ?assert(First > 120 andalso First < 300),
    {Then, _} =
        lists:foldl(fun(Second, {All, M}) ->
            {N, Next} = taken(lane, 50, 1000, Second, M), {All + N, Next} end, {0, Meter},
                    lists:seq(2, 41)),
    ?assert(abs(Then / 40 - 50) < 6).

%% In a constant flood each item has the same chance, at the start or the end of the second.
no_item_has_a_better_chance_because_it_is_first_test() ->
    {Counts, _} = lists:foldl(fun(Second, {Counts, M}) ->
                      lists:foldl(fun(N, {C, Y}) ->
                                      case cambrian_meter:take(lane, 10, 1000 * Second + N, Y) of
                                          {true, Next} ->
                                              {maps:update_with(N, fun(K) -> K + 1 end, 1, C),
                                               Next};
                                          {false, Next} -> {C, Next}
                                      end
                                  end, {Counts, M}, lists:seq(0, 99))
                  end, {#{}, new()}, lists:seq(1, 1000)),
    [?assert(abs(maps:get(N, Counts, 0) - 100) < 50) || N <- lists:seq(10, 99)].

a_lane_takes_no_budget_of_another_test() ->
    {_, Meter} = taken({heartbeats, fresh}, 50, 10_000, 1, new()),
    ?assertMatch({40, _}, taken({heartbeats, known}, 50, 40, 1, Meter)).

a_heavier_item_leaves_room_for_fewer_test() ->
    Take = fun(Weight) ->
               lists:foldl(fun(_, {Taken, M}) ->
                               case cambrian_meter:take(lane, Weight, 100, 0, M) of
                                   {true, Next} -> {Taken + 1, Next};
                                   {false, Next} -> {Taken, Next}
                               end
                           end, {0, new()}, lists:seq(1, 100))
           end,
    ?assertMatch({100, _}, Take(1)),
    {Few, _} = Take(100),
    ?assert(Few >= 1 andalso Few < 20).

%% A lane is forgotten after two seconds, and any number of lanes takes no more memory than a
%% thousand.
the_number_of_lanes_is_bounded_test() ->
    {_, Meter} =
        lists:foldl(fun(N, {_, M}) -> cambrian_meter:take({caller, N}, 20, 5, M) end, {true, new()},
                    lists:seq(1, 100_000)),
    ?assert(erts_debug:flat_size(Meter) < 30_000),
    %% existing lanes stay; new ones share a single lane with all others, and have their own in
    %% the next second
    ?assertMatch({19, _}, taken({caller, 1}, 20, 19, 0, Meter)),
    ?assertMatch({0, _}, taken({caller, new}, 20, 20, 0, Meter)),
    ?assertMatch({20, _}, taken({caller, new}, 20, 20, 1, Meter)).

the_same_seed_takes_the_same_items_test() ->
    ?assertEqual(taken(lane, 5, 1000, 1, new()), taken(lane, 5, 1000, 1, new())).

a_clock_that_goes_back_stops_no_lane_test() ->
    {_, Meter} = taken(lane, 5, 1000, 1000, new()),
    ?assertMatch({5, _}, taken(lane, 5, 5, 1, Meter)).
