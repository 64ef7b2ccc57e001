%% Champions reach all nodes, in spite of losses and partitions.
-module(cambrian_exchange_tests).
-include_lib("eunit/include/eunit.hrl").
-include("cambrian_exchanges.hrl").
-import(cambrian_exchanges, [add/3, all_best/1, all_of/2, alone/1, answers/1, best/2, bred/4, did/2,
                             envelope/5, genotype/2, hears/2, id/1, identity/1, later/2, offers/1,
                             requests/1, steps/3, trust_with_places/1, world/1, world/2]).

%%% ---- delivery ----------------------------------------------------------------------------

a_small_champion_is_sent_whole_test() ->
    G = genotype(2, 1),
    World = bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>, <<"c">>])),
    ?assertEqual([{id(G), 1.0}], all_best(World)),
    ?assertEqual({[], [published], [received, offered, judged]},
                 {did(ask, World), steps(<<"a">>, G, World), steps(<<"b">>, G, World)}).

a_larger_champion_is_announced_and_asked_for_test() ->
    G = genotype(200, 1),
    World = bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>])),
    ?assertEqual([{id(G), 1.0}], all_best(World)),
    ?assertMatch([{whole, _, undefined}], answers(World)),
    ?assertEqual([announced, asked, received, offered, judged], steps(<<"b">>, G, World)).

a_node_that_holds_a_similar_genotype_gets_a_difference_test() ->
    G = genotype(200, 1),
    {ok, Better} = cambrian_genotype:mutate(G, add_node, 2),
    World =
        bred(<<"a">>, Better, 2.0, later(2000, bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>])))),
    Base = id(G),
    ?assertEqual([{id(Better), 2.0}], all_best(World)),
    ?assertMatch([{whole, _, undefined}, {difference, Base, _, _}], answers(World)).

a_huge_champion_is_fetched_as_a_blob_test_() ->
    {timeout, 60, fun a_huge_champion_is_fetched_as_a_blob/0}.

a_huge_champion_is_fetched_as_a_blob() ->
    G = genotype(9000, 1),
    World = bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>])),
    ?assertEqual([{id(G), 1.0}], all_best(World)),
    ?assertMatch([{elsewhere, _, undefined}], answers(World)),
    ?assertMatch([{<<"b">>, {fetch, _, _}}], did(fetch, World)),
    [{_, {send, Envelope}} | _] = did(send, World),
    Content = crypto:hash(sha256, Envelope),
    ?assertMatch([{elsewhere, Content, undefined}], answers(World)),
    %% the answer has the hash that the node computed when it sealed the envelope
    ?assertEqual(Content, cambrian_delivery:content(Envelope)),
    Offer = #{genotype => G, envelope => Envelope, content => <<7:256>>, signed => undefined},
    ?assertEqual({elsewhere, <<7:256>>, undefined}, cambrian_delivery:give(Offer, [])).

a_node_does_not_ask_again_for_a_genotype_it_holds_test_() ->
    {timeout, 60, fun a_node_does_not_ask_again_for_a_genotype_it_holds/0}.

a_node_does_not_ask_again_for_a_genotype_it_holds() ->
    G = genotype(200, 1),
    World = later(3 * 60 * ?MINUTE, bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>]))),
    ?assertEqual(1, length(requests(World))),
    ?assert(length([announced || {_, {event, announced, _}} <- did(event, World)]) >= 3).

a_champion_that_is_not_better_is_not_published_test() ->
    World =
        bred(<<"a">>, genotype(2, 2), 0.5,
             later(2000, bred(<<"a">>, genotype(2, 1), 1.0, world([<<"a">>, <<"b">>])))),
    ?assertEqual(1, length([published || {_, {event, published, _}} <- did(event, World)])).

at_most_one_champion_a_second_is_published_and_always_the_last_test() ->
    World =
        lists:foldl(fun(N, W) -> bred(<<"a">>, genotype(2, N), float(N), later(100, W)) end,
                    world([<<"a">>, <<"b">>], #{threshold => 0}),
                    lists:seq(1, 50)),
    Settled = later(5000, World),
    Published = length([published || {_, {event, published, _}} <- did(event, Settled)]),
    ?assert(Published >= 5 andalso Published =< 7),
    ?assertEqual([{id(genotype(2, 50)), 50.0}], all_best(Settled)).

a_node_with_publish_false_sends_heartbeats_only_test() ->
    World =
        later(?MINUTE, bred(<<"a">>, genotype(2, 1), 1.0, world([<<"a">>], #{publish => false}))),
    ?assertEqual([],
                 [Bytes
                  || {_, {publish, Bytes}} <- did(publish, World),
                  element(1, cambrian_message:kind(Bytes)) =/= heartbeat]).

a_policy_picks_a_migrant_at_each_migration_interval_test_() ->
    {timeout, 60, fun a_policy_picks_a_migrant_at_each_migration_interval/0}.

a_policy_picks_a_migrant_at_each_migration_interval() ->
    World = later(?MINUTE, world([<<"a">>], #{policy => novel, migration_interval => 7000})),
    ?assertEqual([{<<"a">>, {pick, ?TASK, novel}} || _ <- lists:seq(1, 8)], did(pick, World)).

%%% ---- loss and partitions -----------------------------------------------------------------

a_node_that_missed_an_announcement_hears_it_later_test_() ->
    {timeout, 60, fun a_node_that_missed_an_announcement_hears_it_later/0}.

a_node_that_missed_an_announcement_hears_it_later() ->
    G = genotype(200, 1),
    Cut = fun(A, B) -> lists:member(<<"b">>, [A, B]) end,
    Missed = bred(<<"a">>, G, 1.0, (world([<<"a">>, <<"b">>, <<"c">>]))#world{cut = Cut}),
    ?assertEqual(none, best(<<"b">>, Missed)),
    Healed = later(?MINUTE, Missed#world{cut = fun(_, _) -> false end}),
    ?assertEqual([{id(G), 1.0}], all_best(Healed)).

a_node_that_joins_late_hears_of_the_champion_test_() ->
    {timeout, 60, fun a_node_that_joins_late_hears_of_the_champion/0}.

a_node_that_joins_late_hears_of_the_champion() ->
    G = genotype(200, 1),
    Long = later(60 * ?MINUTE, bred(<<"a">>, G, 1.0, world([<<"a">>, <<"b">>]))),
    ?assertEqual([{id(G), 1.0}], all_best(later(15_000, add(<<"late">>, #{}, Long)))).

after_a_partition_both_sides_hold_the_better_champion_test_() ->
    {timeout, 60, fun after_a_partition_both_sides_hold_the_better_champion/0}.

after_a_partition_both_sides_hold_the_better_champion() ->
    Side = fun(Name) -> lists:member(Name, [<<"a">>, <<"b">>]) end,
    Cut = fun(A, B) -> Side(A) =/= Side(B) end,
    Names = [<<"a">>, <<"b">>, <<"c">>, <<"d">>],
    Parted =
        later(60 * ?MINUTE,
              bred(<<"c">>, genotype(200, 2), 2.0,
                   bred(<<"a">>, genotype(200, 1), 1.0, (world(Names))#world{cut = Cut}))),
    ?assertEqual([{id(genotype(200, 1)), 1.0}, {id(genotype(200, 2)), 2.0}],
                 lists:sort(fun({_, A}, {_, B}) -> A =< B end, all_best(Parted))),
    Healed = later(30_000, Parted#world{cut = fun(_, _) -> false end}),
    ?assertEqual([{id(genotype(200, 2)), 2.0}], all_best(Healed)).

%% The partition is so short that no node counts as gone.
after_a_short_partition_all_nodes_hold_the_better_champion_test_() ->
    {timeout, 60, fun after_a_short_partition_all_nodes_hold_the_better_champion/0}.

after_a_short_partition_all_nodes_hold_the_better_champion() ->
    Cut = fun(A, B) -> lists:member(<<"b">>, [A, B]) end,
    Long =
        later(60 * ?MINUTE,
              bred(<<"a">>, genotype(200, 1), 1.0, world([<<"a">>, <<"b">>, <<"c">>]))),
    Better = later(3000, bred(<<"a">>, genotype(200, 2), 2.0, Long#world{cut = Cut})),
    ?assertEqual([{id(genotype(200, 2)), 2.0}],
                 all_best(later(30_000, Better#world{cut = fun(_, _) -> false end}))).

all_nodes_choose_the_same_of_two_equally_fit_champions_test_() ->
    {timeout, 60, fun all_nodes_choose_the_same_of_two_equally_fit_champions/0}.

all_nodes_choose_the_same_of_two_equally_fit_champions() ->
    Cut = fun(_, _) -> true end,
    Apart =
        bred(<<"b">>, genotype(2, 2), 1.0,
             bred(<<"a">>, genotype(2, 1), 1.0, (world([<<"a">>, <<"b">>]))#world{cut = Cut})),
    Together = later(30 * ?MINUTE, Apart#world{cut = fun(_, _) -> false end}),
    ?assertEqual([{min(id(genotype(2, 1)), id(genotype(2, 2))), 1.0}], all_best(Together)).

a_champion_reaches_all_nodes_of_a_ring_test_() ->
    {timeout, 60, fun a_champion_reaches_all_nodes_of_a_ring/0}.

a_champion_reaches_all_nodes_of_a_ring() ->
    Names = [<<"a">>, <<"b">>, <<"c">>, <<"d">>, <<"e">>],
    There = later(?MINUTE, world(Names, #{topology => ring})),
    World = later(60 * ?MINUTE, bred(<<"a">>, genotype(2, 1), 1.0, There)),
    ?assertEqual([{id(genotype(2, 1)), 1.0}], all_best(World)),
    %% no node measured it more than once
    [?assert(length([Step || Step <- steps(Name, genotype(2, 1), World), Step =:= judged]) =< 1)
     || Name <- Names].

%% In a mesh of fifty nodes with a place, a node publishes a second after it took a champion of
%% another, on average, and never before half a second.
a_node_of_a_large_mesh_waits_before_it_publishes_after_a_foreign_champion_test() ->
    Beats =
        [hears(cambrian_message:heartbeat(?REALM, <<"x">>, {?T0, ?MINUTE}, identity(<<N:32>>)), ?T0)
         || N <- lists:seq(1, 49)],
    Taken = fun(X) ->
                {Offered, Y} =
                    cambrian_exchange:heard(envelope(<<"a">>, 1, genotype(2, 1), 1.0, ?T0), ?T0, X),
                {_, Z} =
                    cambrian_exchange:judged(?TASK,
                                             #{id => hd(offers(Offered)), outcome => accepted,
                                               fitness => 1.0}, ?T0, Y),
                cambrian_exchange:bred(?TASK, #{champion => genotype(2, 2), fitness => 2.0}, ?T0, Z)
            end,
    Published = fun(Effects) -> [told || {event, published, _} <- Effects] end,
    {AmongMany, X} =
        all_of(Beats ++ [Taken],
               alone(#{threshold => 0, trust => trust_with_places(fun(_) -> true end)})),
    {Soon, Y} = cambrian_exchange:tick(?T0 + 490, X),
    {Later, _} = cambrian_exchange:tick(?T0 + 1510, Y),
    ?assertEqual({[], [], [told]}, {Published(AmongMany), Published(Soon), Published(Later)}).
