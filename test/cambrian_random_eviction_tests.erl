-module(cambrian_random_eviction_tests).
-include_lib("eunit/include/eunit.hrl").

with(Keys) -> lists:foldl(fun cambrian_random_eviction:add/2, cambrian_random_eviction:new(1), Keys).

nobody_is_drawn_of_nobody_test() ->
    ?assertEqual(empty, cambrian_random_eviction:draw(with([]))),
    ?assertEqual(empty, cambrian_random_eviction:draw(cambrian_random_eviction:remove(a, with([a])))).

each_as_often_as_any_other_test() ->
    Keys = lists:seq(1, 20),
    {Drawn, _} = lists:mapfoldl(fun(_, L) -> {ok, Key, Next} = cambrian_random_eviction:draw(L), {Key, Next} end, with(Keys), lists:seq(1, 4000)),
    [?assert(abs(length([K || K <- Drawn, K =:= Key]) - 200) < 70) || Key <- Keys].

%% Whatever is added and removed in whatever order: those that are in it are drawn, and no others.
it_holds_what_it_was_given_test() ->
    {_, _, _} = lists:foldl(fun(_, {Lottery, Model, Rand}) ->
        {Key, Rand1} = rand:uniform_s(30, Rand),
        {How, Rand2} = rand:uniform_s(2, Rand1),
        {Next, Held} = case How of
                           1 -> {cambrian_random_eviction:add(Key, Lottery), lists:usort([Key | Model])};
                           2 -> {cambrian_random_eviction:remove(Key, Lottery), lists:delete(Key, Model)}
                       end,
        ?assertEqual(length(Held), cambrian_random_eviction:size(Next)),
        Drawn = case cambrian_random_eviction:draw(Next) of
                    empty -> ?assertEqual([], Held), Next;
                    {ok, One, Same} -> ?assert(lists:member(One, Held)), Same
                end,
        {Drawn, Held, Rand2}
    end, {cambrian_random_eviction:new(7), [], rand:seed_s(exsss, 7)}, lists:seq(1, 5000)).
