-module(cambrian_threshold_tests).
-include_lib("eunit/include/eunit.hrl").

%% The fitnesses that a bridge publishes of these, in order.
told(Quantile, Fitnesses) ->
    {Told, _} = lists:foldl(fun one/2, {[], cambrian_threshold:new(Quantile)}, Fitnesses),
    lists:reverse(Told).

one(Fitness, {Told, Threshold}) ->
    Improved = cambrian_threshold:improved(Fitness, Threshold),
    case cambrian_threshold:is_worth_publishing(Fitness, Improved) of
        true -> {[Fitness | Told], cambrian_threshold:published(Fitness, Improved)};
        false -> {Told, Improved}
    end.

the_first_champion_is_published_test() -> ?assertEqual([-3.5], told(0.99, [-3.5])).

with_a_threshold_of_0_every_better_champion_is_published_test() ->
    [begin
         {Fitnesses, _} = lists:mapfoldl(fun(_, {F, Rand}) ->
                                                 {X, Next} = rand:uniform_s(Rand),
                                                 {F + X * X, {F + X * X, Next}}
                                         end, {0.0, rand:seed_s(exsss, Seed)}, lists:seq(1, 200)),
         ?assertEqual(Fitnesses, told(0, Fitnesses)),
         ?assertEqual(Fitnesses, told(0.0, Fitnesses))
     end || Seed <- lists:seq(1, 20)].

a_champion_that_is_not_better_is_never_published_test() ->
    [?assertEqual([1.0, 2.0], told(Quantile, [1.0, 1.0, 0.5, 2.0, 2.0, 1.9]))
     || Quantile <- [0, 0.5, 0.99, 1]].

%% A hundred small steps and then a large one: the large one is published, and small ones only
%% once they add up to it.
after_a_large_improvement_only_as_large_ones_are_published_test() ->
    Small = [float(N) || N <- lists:seq(1, 100)],
    ?assertEqual([1.0, 2.0], lists:sublist(told(0.99, Small), 2)),
    {_, Settled} =
        lists:foldl(fun one/2, {[], cambrian_threshold:new(0.99)}, Small ++ [150.0, 200.0]),
    Last = cambrian_threshold:last_published(Settled),
    ?assertEqual(200.0, Last),
    ?assertNot(cambrian_threshold:is_worth_publishing(201.0,
                                                      cambrian_threshold:improved(201.0, Settled))),
    ?assertNot(cambrian_threshold:is_worth_publishing(249.0,
                                                      cambrian_threshold:improved(249.0, Settled))),
    ?assert(cambrian_threshold:is_worth_publishing(250.0,
                                                   cambrian_threshold:improved(250.0, Settled))).

%% The improvements all differ and come in any order.
about_the_top_hundredth_of_improvements_is_published_test() ->
    Gains = shuffled([float(N) || N <- lists:seq(1, 100)], 7),
    {_, Threshold} =
        lists:foldl(fun(Gain, {F, T}) -> {F + Gain, cambrian_threshold:improved(F + Gain, T)} end,
                    {0.0, cambrian_threshold:improved(0.0, cambrian_threshold:new(0.99))}, Gains),
    Told = cambrian_threshold:published(5050.0, Threshold),
    ?assertNot(cambrian_threshold:is_worth_publishing(5050.0 + 98.9, Told)),
    ?assert(cambrian_threshold:is_worth_publishing(5050.0 + 99.0, Told)).

a_higher_threshold_publishes_fewer_champions_test() ->
    Gains = shuffled([float(N * N) || N <- lists:seq(1, 300)], 3),
    {Fitnesses, _} = lists:mapfoldl(fun(Gain, F) -> {F + Gain, F + Gain} end, 0.0, Gains),
    Counts = [length(told(Quantile, Fitnesses)) || Quantile <- [0, 0.5, 0.9, 0.99]],
    ?assertEqual(Counts, lists:reverse(lists:sort(Counts))),
    ?assertEqual(300, hd(Counts)),
    ?assert(lists:last(Counts) =< 100).

only_the_last_hundred_improvements_count_test() ->
    Large = [1000.0 * N || N <- lists:seq(1, 10)],
    Small = [10_000.0 + N / 100 || N <- lists:seq(1, 200)],
    {_, Threshold} = lists:foldl(fun one/2, {[], cambrian_threshold:new(0.99)}, Large ++ Small),
    ?assert(cambrian_threshold:last_published(Threshold) > 10_000.9).

%% A champion that is not better than that of another node need not be published.
champions_of_other_nodes_count_as_published_test() ->
    Mine =
        cambrian_threshold:published(1.0,
                                     cambrian_threshold:improved(1.0, cambrian_threshold:new(0))),
    Theirs = cambrian_threshold:published(5.0, Mine),
    ?assertEqual(5.0, cambrian_threshold:last_published(Theirs)),
    ?assertNot(cambrian_threshold:is_worth_publishing(3.0,
                                                      cambrian_threshold:improved(3.0, Theirs))),
    ?assertNot(cambrian_threshold:is_worth_publishing(5.0, Theirs)),
    ?assert(cambrian_threshold:is_worth_publishing(6.0, cambrian_threshold:improved(6.0, Theirs))),
    ?assertEqual(5.0, cambrian_threshold:last_published(cambrian_threshold:published(2.0, Theirs))).

before_any_publication_there_is_no_last_one_test() ->
    ?assertEqual(none, cambrian_threshold:last_published(cambrian_threshold:new(0.99))).

shuffled(List, Seed) ->
    {Keyed, _} = lists:mapfoldl(fun(Item, Rand) ->
                                        {X, Next} = rand:uniform_s(Rand),
                                        {{X, Item}, Next}
                                end, rand:seed_s(exsss, Seed), List),
    [Item || {_, Item} <- lists:sort(Keyed)].

%% An improvement may be larger than the largest float.
any_finite_fitness_can_be_published_test() ->
    Max = 1.7976931348623157e308,
    [?assertEqual([-Max, Max], told(Quantile, [-Max, Max])) || Quantile <- [0, 0.99, 1]].
