-module(cambrian_history_tests).
-include_lib("eunit/include/eunit.hrl").

page(Generation) ->
    #{generation => Generation, evaluations => 150 * Generation,
      failures => (1 bsl 30) * Generation,
      best => Generation / 7, mean => -1.0e300,
      species => [{0, 100}, {3, 50}], mean_nodes => 3.5, mean_connections => 1 / 3,
      elapsed_ms => 1 bsl 40}.

told(Generations) ->
    lists:foldl(fun(G, H) -> cambrian_history:add(page(G), H) end, cambrian_history:new(),
                Generations).

every_generation_is_kept_test() ->
    ?assertEqual([(page(G))#{species := 2} || G <- [0, 1, 2]],
                 cambrian_history:pages(told([0, 1, 2]))).

%% Rows of an earlier release, which have no count of failures.
a_history_of_an_earlier_release_is_read_test() ->
    Row = <<7:64, 900:64, 2.0/float, 1.5/float, 12:64, 3.5/float, 4.5/float, 80:64>>,
    Old = binary_to_term(term_to_binary(Row)),
    ?assertMatch([#{generation := 7, evaluations := 900, failures := 0, species := 12}],
                 cambrian_history:pages(Old)).

%% After a crash the last generations are repeated.
a_repeated_generation_is_kept_once_test() ->
    ?assertEqual(told([0, 1, 2, 3]), told([0, 1, 2, 1, 2, 3])).

a_long_history_keeps_its_ends_and_even_steps_test() ->
    [begin
         Generations =
             [G || #{generation := G} <- cambrian_history:pages(told(lists:seq(0, Last)))],
         ?assertEqual({0, Last}, {hd(Generations), lists:last(Generations)}),
         ?assert(length(Generations) > 500 andalso length(Generations) =< 1000),
         Steps = [B - A || {A, B} <- lists:zip(lists:droplast(Generations), tl(Generations))],
         %% the newest generations since the last thinning lie closer together
         ?assertEqual(Steps, lists:reverse(lists:sort(Steps)))
     end || Last <- [999, 1000, 1001, 5000, 12345]].
