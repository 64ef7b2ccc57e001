-module(cambrian_fair_queue_tests).
-include_lib("eunit/include/eunit.hrl").

%% The origin has an account of its own, and the genotype weighs 1.
in(Origin, Item, Q) -> cambrian_fair_queue:in(Origin, Origin, Item, 1, Q).
in_all(Items, Q) ->
    lists:foldl(fun({Origin, N}, Q0) -> element(2, in(Origin, {Origin, N}, Q0)) end, Q, Items).

out(Q) -> cambrian_fair_queue:out(fun(_Account) -> true end, Q).
out(Count, Q) -> out(Count, Q, []).
out(0, Q, Items) -> {lists:reverse(Items), Q};
out(Count, Q, Items) ->
    case out(Q) of
        {Item, Next} -> out(Count - 1, Next, [Item | Items]);
        empty -> {lists:reverse(Items), Q}
    end.

all(Q) -> out(cambrian_fair_queue:size(Q), Q).

each_item_comes_out_once_test() ->
    Items = [{Origin, N} || Origin <- [a, b, c], N <- lists:seq(1, 5)],
    Q = in_all(Items, cambrian_fair_queue:new()),
    ?assertEqual(15, cambrian_fair_queue:size(Q)),
    {Out, Empty} = all(Q),
    ?assertEqual(lists:sort(Items), lists:sort(Out)),
    ?assertEqual({0, empty}, {cambrian_fair_queue:size(Empty), out(Empty)}).

the_newest_item_of_an_origin_comes_first_test() ->
    {Out, _} = all(in_all([{a, N} || N <- [1, 2, 3]], cambrian_fair_queue:new())),
    ?assertEqual([{a, 3}, {a, 2}, {a, 1}], Out).

%% One origin sends a hundred items for each item of the others.
a_flood_gets_one_turn_for_each_turn_of_the_others_test() ->
    Others = [b, c, d, e],
    Round = fun(N, {Q, Turns}) ->
                    Flooded = in_all([{a, {N, Nth}} || Nth <- lists:seq(1, 100)], Q),
                    {Out, Next} = out(5, in_all([{Origin, N} || Origin <- Others], Flooded)),
                    {Next, Turns ++ [Origin || {Origin, _} <- Out]}
            end,
    {_, Turns} = lists:foldl(Round, {cambrian_fair_queue:new(), []}, lists:seq(1, 500)),
    Count = fun(Origin) -> length([Origin || Turn <- Turns, Turn =:= Origin]) end,
    [?assert(abs(Count(Origin) - 500) =< 25) || Origin <- [a | Others]].

%% Compares the turns of the others with and without the flood, when more items come than can be
%% tried.
a_flood_changes_no_turns_of_the_others_test() ->
    Run = fun(Flood) ->
                  Round = fun(N, {Q, Turns}) ->
                                  Items = [{a, {N, Nth}} || Nth <- lists:seq(1, Flood)] ++
                                      [{Origin, N} || Origin <- [b, c, d, e]],
                                  {Out, Next} = out(3, in_all(Items, Q)),
                                  {Next,
                                   Turns + length([Origin || {Origin, _} <- Out, Origin =/= a])}
                          end,
                  element(2, lists:foldl(Round, {cambrian_fair_queue:new(), 0}, lists:seq(1, 1000)))
          end,
    {Quiet, Flooded} = {Run(1), Run(100)},
    ?assert(Flooded >= 0.95 * Quiet).

a_full_origin_drops_its_own_oldest_item_test() ->
    Q = in_all([{b, 1} | [{a, N} || N <- lists:seq(1, 8)]], cambrian_fair_queue:new()),
    {Dropped, Next} = in(a, {a, 9}, Q),
    ?assertEqual([{a, 1}], Dropped),
    {Out, _} = all(Next),
    ?assert(lists:member({b, 1}, Out)).

a_full_queue_drops_an_item_of_the_origin_with_most_test() ->
    Limits = #{origin => 8, all => 10},
    Q = in_all([{a, N} || N <- lists:seq(1, 8)] ++ [{b, 1}, {c, 1}],
               cambrian_fair_queue:new(Limits)),
    {Dropped, Next} = in(d, {d, 1}, Q),
    ?assertEqual([{a, 1}], Dropped),
    ?assertEqual(10, cambrian_fair_queue:size(Next)).

the_queue_is_bounded_test() ->
    Limits = #{origin => 3, all => 20},
    Step = fun(N, {Q, Rand}) ->
                   {Origin, Next} = rand:uniform_s(100, Rand),
                   {Dropped, With} = in(Origin, N, Q),
                   ?assertEqual(cambrian_fair_queue:size(Q) + 1,
                                cambrian_fair_queue:size(With) + length(Dropped)),
                   ?assert(cambrian_fair_queue:size(With) =< 20),
                   {With, Next}
           end,
    lists:foldl(Step, {cambrian_fair_queue:new(Limits), rand:seed_s(exsss, 1)}, lists:seq(1, 5000)).

%% An origin that comes late does not get the turns that the others had before.
an_origin_that_comes_late_gets_only_its_share_test() ->
    Round = fun(N, {Q, Turns}) ->
                    {[{Origin, _}], Next} = out(1, in_all([{a, N}, {b, N}], Q)),
                    {Next, [Origin | Turns]}
            end,
    {Q, _} = lists:foldl(Round, {in_all([], cambrian_fair_queue:new()), []}, lists:seq(1, 10)),
    Late = fun(N, {Q0, Turns}) ->
                   {[{Origin, _}], Next} = out(1, in_all([{a, N}, {b, N}, {c, N}], Q0)),
                   {Next, [Origin | Turns]}
           end,
    {_, Turns} = lists:foldl(Late, {Q, []}, lists:seq(11, 40)),
    Count = fun(Origin) -> length([Origin || Turn <- Turns, Turn =:= Origin]) end,
    ?assert(Count(c) >= 10 andalso Count(c) =< 15),
    ?assert(Count(a) >= 7 andalso Count(b) >= 7).

items_of_a_removed_origin_are_gone_test() ->
    Q = in_all([{a, 1}, {b, 1}, {a, 2}], cambrian_fair_queue:new()),
    {Dropped, Left} = cambrian_fair_queue:without(fun({Origin, _}) -> Origin =:= a end, Q),
    ?assertEqual([{a, 1}, {a, 2}], lists:sort(Dropped)),
    ?assertEqual({[{b, 1}], 1}, {element(1, all(Left)), cambrian_fair_queue:size(Left)}),
    ?assertEqual({[], Left},
                 cambrian_fair_queue:without(fun({Origin, _}) -> Origin =:= a end, Left)).

%% A full queue drops the oldest item of the origin with the most weight. A single item may have
%% any weight.
the_total_weight_of_the_queue_is_bounded_test() ->
    Put = fun({Origin, Name, Weight}, {Gone, Q}) ->
              {Dropped, Next} = cambrian_fair_queue:in(Origin, Origin, Name, Weight, Q),
              {Gone ++ Dropped, Next}
          end,
    {Gone, Q} = lists:foldl(Put, {[], cambrian_fair_queue:new(#{weight => 10})},
                            [{a, a1, 30}, {b, b1, 1}, {a, a2, 5}, {a, a3, 4}, {c, c1, 3},
                             {c, c2, 10}]),
    ?assertEqual([a1, a2, c1, c2], Gone),
    ?assertEqual([b1, a3], lists:sort(fun(A, B) -> A >= B end, element(1, all(Q)))).

%% An origin whose genotypes cost ten times as much gets a tenth of the turns.
turns_are_charged_by_cost_test() ->
    Round = fun(N, {Q, Turns}) ->
                    {{Origin, _}, Next} = out(in_all([{a, N}, {b, N}], Q)),
                    {cambrian_fair_queue:charge(Origin, case Origin of a -> 1000; b -> 100 end,
                                                Next), [Origin | Turns]}
            end,
    {_, Turns} = lists:foldl(Round, {cambrian_fair_queue:new(), []}, lists:seq(1, 1100)),
    Count = length([a || a <- Turns]),
    ?assert(Count >= 90 andalso Count =< 110).

%% A thousand keys of one account get the turns of one origin, and drop no items of other
%% accounts.
many_keys_of_one_account_get_the_turns_of_one_origin_test() ->
    Fresh = fun(N, Q) -> element(2, cambrian_fair_queue:in({key, N}, fresh, {fresh, N}, 1, Q)) end,
    Round = fun(N, {Q, Turns}) ->
                    Flooded = lists:foldl(Fresh, Q, lists:seq(10 * N, 10 * N + 9)),
                    {Out, Next} = out(2, in_all([{Origin, N} || Origin <- [b, c]], Flooded)),
                    {Next, Turns ++ [Account || {Account, _} <- Out]}
            end,
    {Q, Turns} = lists:foldl(Round, {cambrian_fair_queue:new(), []}, lists:seq(1, 300)),
    Count = fun(Account) -> length([Account || Turn <- Turns, Turn =:= Account]) end,
    [?assert(abs(Count(Account) - 200) =< 10) || Account <- [fresh, b, c]],
    ?assert(cambrian_fair_queue:size(Q) >= 250),
    {Left, _} = all(Q),
    ?assert(length([b || {b, _} <- Left]) >= 6 andalso length([c || {c, _} <- Left]) >= 6).

%% An origin whose account is in debt waits and keeps its items.
an_account_in_debt_waits_and_keeps_its_items_test() ->
    Q = in_all([{a, 1}, {a, 2}, {b, 1}], cambrian_fair_queue:new()),
    NotA = fun(Account) -> Account =/= a end,
    {{b, 1}, Next} = cambrian_fair_queue:out(NotA, Q),
    ?assertEqual(empty, cambrian_fair_queue:out(NotA, Next)),
    ?assertMatch({{a, 2}, _}, out(Next)).
