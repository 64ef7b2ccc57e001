-module(cambrian_budget_tests).
-include_lib("eunit/include/eunit.hrl").

working(Share) -> cambrian_budget:set_resting(false, cambrian_budget:new(Share)).

%% Generations of 1,000 units, after each of which every account has measured what it may, of costs up to a bound.
run(Share, Accounts, Most, Generations) ->
    Step = fun(_, {B, Spent, Rand}) -> lists:foldl(fun(Account, S) -> while_it_may(Account, Most, S) end,
                                                   {cambrian_budget:worked(1000, B), Spent, Rand}, Accounts) end,
    {_, Spent, _} = lists:foldl(Step, {working(Share), #{}, rand:seed_s(exsss, 1)}, lists:seq(1, Generations)),
    Spent.

while_it_may(Account, Most, {B, Spent, Rand}) ->
    case cambrian_budget:may_run(Account, B) of
        true ->
            {Work, Next} = rand:uniform_s(Most, Rand),
            More = maps:update_with(Account, fun(S) -> S + Work end, Work, Spent),
            while_it_may(Account, Most, {cambrian_budget:charge(Account, Work, B), More, Next});
        false -> {B, Spent, Rand}
    end.

%% Of all that is evaluated; what is dearer than a generation is waited for the longer.
an_account_takes_its_share_and_no_more_test() ->
    [begin
         #{fresh := Spent} = run(Share, [fresh], Most, 10_000),
         Part = Spent / (Spent + 10_000 * 1000),
         ?assert(Part =< Share + 0.002),
         ?assert(Part >= Share - 0.002)
     end || Share <- [0.01, 0.1, 0.5], Most <- [10, 500, 8000]].

%% Each has its share, and all of them together half as much again.
accounts_have_their_share_and_all_a_little_more_test() ->
    Spent = run(0.1, [<<1>>, <<2>>, fresh], 100, 1000),
    ?assertEqual([fresh, <<1>>, <<2>>], lists:sort(maps:keys(Spent))),
    [?assert(S < 0.12 * 1000 * 1000) || S <- maps:values(Spent)],
    All = lists:sum(maps:values(Spent)),
    ?assert(All > 0.17 * 1000 * 1000 andalso All < 0.19 * 1000 * 1000).

%% Who was silent for a thousand generations may have one generation's part at once, as anybody may.
nobody_saves_test() ->
    Late = lists:foldl(fun(_, B) -> cambrian_budget:worked(1000, B) end, working(0.1), lists:seq(1, 1000)),
    {_, #{fresh := Spent}, _} = while_it_may(fresh, 10, {Late, #{}, rand:seed_s(exsss, 1)}),
    ?assert(Spent >= 111 andalso Spent =< 121).

%% A generation that costs nothing yet pays for nothing more.
the_first_is_let_in_and_the_next_waits_test() ->
    B = working(0.1),
    ?assert(cambrian_budget:may_run(fresh, B)),
    Charged = cambrian_budget:charge(fresh, 500, B),
    ?assertNot(cambrian_budget:may_run(fresh, Charged)),
    ?assertNot(cambrian_budget:may_run(fresh, cambrian_budget:worked(4000, Charged))),
    ?assert(cambrian_budget:may_run(fresh, cambrian_budget:worked(4500, Charged))).

who_rests_has_time_test() ->
    B = cambrian_budget:charge(fresh, 1.0e9, cambrian_budget:new(0.1)),
    ?assert(cambrian_budget:is_resting(B)),
    ?assert(cambrian_budget:may_run(fresh, B)),
    %% and what was measured then is not owed
    ?assert(cambrian_budget:may_run(fresh, cambrian_budget:set_resting(false, B))),
    %% while what is owed waits for the next rest
    Owed = cambrian_budget:charge(fresh, 1.0e9, cambrian_budget:set_resting(false, B)),
    ?assertNot(cambrian_budget:may_run(fresh, Owed)),
    ?assert(cambrian_budget:may_run(fresh, cambrian_budget:set_resting(true, Owed))).
