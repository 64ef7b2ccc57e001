%% The bounded map, and the journal, which is made of bounded maps.
-module(cambrian_bounded_map_tests).
-include_lib("eunit/include/eunit.hrl").

with(Pairs, Recent) ->
    lists:foldl(fun({Key, Value}, R) -> cambrian_bounded_map:put(Key, Value, R) end, Recent, Pairs).

a_key_that_was_put_is_found_test() ->
    Recent = with([{a, 1}, {b, 2}], cambrian_bounded_map:new(3)),
    ?assertEqual({{ok, 1}, error, 2, 9},
                 {cambrian_bounded_map:find(a, Recent), cambrian_bounded_map:find(c, Recent),
                  cambrian_bounded_map:get(b, Recent, 9), cambrian_bounded_map:get(c, Recent, 9)}).

the_oldest_key_is_removed_first_test() ->
    Recent = with([{N, N} || N <- lists:seq(1, 10)], cambrian_bounded_map:new(3)),
    ?assertEqual([{8, 8}, {9, 9}, {10, 10}], cambrian_bounded_map:to_list(Recent)).

a_key_that_is_put_again_keeps_its_place_test() ->
    Recent = with([{a, 1}, {b, 2}, {c, 3}, {a, 4}, {d, 5}], cambrian_bounded_map:new(3)),
    ?assertEqual([{b, 2}, {c, 3}, {d, 5}], cambrian_bounded_map:to_list(Recent)).

a_removed_key_makes_room_test() ->
    Recent = cambrian_bounded_map:remove(a, with([{a, 1}, {b, 2}], cambrian_bounded_map:new(2))),
    ?assertEqual([{b, 2}, {c, 3}], cambrian_bounded_map:to_list(with([{c, 3}], Recent))),
    ?assertEqual([{b, 2}], cambrian_bounded_map:to_list(cambrian_bounded_map:remove(z, Recent))).

a_bounded_map_behaves_as_a_list_that_does_the_same_test() ->
    Step = fun(_, {Recent, List, Rand}) ->
                   {Key, Rand1} = rand:uniform_s(20, Rand),
                   {What, Rand2} = rand:uniform_s(4, Rand1),
                   {R, L} = case What of
                                1 ->
                           {cambrian_bounded_map:remove(Key, Recent),
                            lists:keydelete(Key, 1, List)};
                                _ ->
                           {cambrian_bounded_map:put(Key, What, Recent), put_last(Key, What, List)}
                            end,
                   ?assertEqual(L, cambrian_bounded_map:to_list(R)),
                   {R, L, Rand2}
           end,
    lists:foldl(Step, {cambrian_bounded_map:new(7), [], rand:seed_s(exsss, 1)}, lists:seq(1, 5000)).

put_last(Key, Value, List) ->
    case lists:keymember(Key, 1, List) of
        true -> lists:keyreplace(Key, 1, List, {Key, Value});
        false when length(List) >= 7 -> tl(List) ++ [{Key, Value}];
        false -> List ++ [{Key, Value}]
    end.

%%% ---- the journal ------------------------------------------------------------------------

noted(Notes, Journal) ->
    lists:foldl(fun({Id, Step, Now}, J) -> cambrian_journal:note(Id, Step, #{}, Now, J) end,
                Journal,
                Notes).

steps(Id, Journal) ->
    [{Step, Time} || #{step := Step, time := Time} <- cambrian_journal:story(Id, Journal)].

a_story_has_its_steps_in_order_test() ->
    Journal =
        noted([{a, announced, 1}, {b, received, 2}, {a, asked, 3}, {a, received, 3}],
              cambrian_journal:new()),
    ?assertEqual([{announced, 1}, {asked, 3}, {received, 3}], steps(a, Journal)),
    ?assertEqual([], steps(c, Journal)),
    ?assertEqual([a, b], [Id || {Id, _} <- cambrian_journal:stories(Journal)]),
    ?assertEqual([cambrian_journal:story(Id, Journal) || Id <- [a, b]],
                 [Steps || {_, Steps} <- cambrian_journal:stories(Journal)]).

a_step_keeps_its_details_test() ->
    [Step] =
        cambrian_journal:story(a,
                               cambrian_journal:note(a, judged, #{fitness => 2.5}, 7,
                                                     cambrian_journal:new())),
    ?assertEqual(#{step => judged, time => 7, fitness => 2.5}, Step).

the_journal_keeps_the_last_thousand_genotypes_test() ->
    Journal = noted([{N, received, N} || N <- lists:seq(1, 1500)], cambrian_journal:new()),
    ?assertEqual(1000, length(cambrian_journal:stories(Journal))),
    ?assertEqual({[], [{received, 501}]}, {steps(500, Journal), steps(501, Journal)}).

a_long_story_keeps_its_first_step_and_is_bounded_test() ->
    Journal = noted([{a, announced, N} || N <- lists:seq(1, 100)], cambrian_journal:new()),
    Steps = steps(a, Journal),
    ?assertEqual({32, {announced, 1}}, {length(Steps), hd(Steps)}).

the_total_weight_of_a_map_is_bounded_test() ->
    Put = fun({Key, Weight}, Recent) -> cambrian_bounded_map:put(Key, Weight, Weight, Recent) end,
    Recent = lists:foldl(Put, cambrian_bounded_map:new(10, 8), [{a, 5}, {b, 3}, {c, 1}]),
    ?assertEqual([{b, 3}, {c, 1}], cambrian_bounded_map:to_list(Recent)),
    ?assertEqual([{d, 9}], cambrian_bounded_map:to_list(Put({d, 9}, Recent))),
    ?assertEqual([{c, 8}], cambrian_bounded_map:to_list(Put({c, 8}, Recent))).
