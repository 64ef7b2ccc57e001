-module(cambrian_random_eviction_tests).
-include_lib("eunit/include/eunit.hrl").

with(Keys) ->
    lists:foldl(fun cambrian_random_eviction:add/2, cambrian_random_eviction:new(1), Keys).

drawing_from_an_empty_set_gives_empty_test() ->
    ?assertEqual(empty, cambrian_random_eviction:draw(with([]))),
    ?assertEqual(empty,
                 cambrian_random_eviction:draw(cambrian_random_eviction:remove(a, with([a])))).

each_key_is_drawn_equally_often_test() ->
    Keys = lists:seq(1, 20),
    {Drawn, _} =
        lists:mapfoldl(fun(_, L) -> {ok, Key, Next} = cambrian_random_eviction:draw(L), {Key, Next}
        end, with(Keys), lists:seq(1, 4000)),
    [?assert(abs(length([K || K <- Drawn, K =:= Key]) - 200) < 70) || Key <- Keys].

%% Keys are added and removed in random order: exactly those that are in the set are drawn.
the_set_holds_the_keys_that_were_added_test() ->
    {_, _, _} = lists:foldl(fun(_, {Lottery, Model, Rand}) ->
        {Key, Rand1} = rand:uniform_s(30, Rand),
        {How, Rand2} = rand:uniform_s(2, Rand1),
        {Next, Held} = case How of
                           1 ->
                {cambrian_random_eviction:add(Key, Lottery), lists:usort([Key | Model])};
                           2 ->
                {cambrian_random_eviction:remove(Key, Lottery), lists:delete(Key, Model)}
                       end,
        ?assertEqual(length(Held), cambrian_random_eviction:size(Next)),
        Drawn = case cambrian_random_eviction:draw(Next) of
                    empty -> ?assertEqual([], Held), Next;
                    {ok, One, Same} -> ?assert(lists:member(One, Held)), Same
                end,
        {Drawn, Held, Rand2}
    end, {cambrian_random_eviction:new(7), [], rand:seed_s(exsss, 7)}, lists:seq(1, 5000)).
