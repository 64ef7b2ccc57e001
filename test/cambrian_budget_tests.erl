-module(cambrian_budget_tests).
-include_lib("eunit/include/eunit.hrl").

working(Share) -> cambrian_budget:set_resting(false, cambrian_budget:new(Share)).

%% Generations of 1,000 units. After each generation every account spends what it may, on
%% evaluations of random cost up to a bound.
run(Share, Accounts, Most, Generations) ->
    Step =
        fun(_, {B, Spent, Rand}) ->
            lists:foldl(fun(Account, S) -> while_it_may(Account, Most, S) end,
                        {cambrian_budget:worked(1000, B), Spent, Rand}, Accounts) end,
    {_, Spent, _} =
        lists:foldl(Step, {working(Share), #{}, rand:seed_s(exsss, 1)}, lists:seq(1, Generations)),
    Spent.

while_it_may(Account, Most, {B, Spent, Rand}) ->
    case cambrian_budget:may_run(Account, B) of
        true ->
            {Work, Next} = rand:uniform_s(Most, Rand),
            More = maps:update_with(Account, fun(S) -> S + Work end, Work, Spent),
            while_it_may(Account, Most, {cambrian_budget:charge(Account, Work, B), More, Next});
        false -> {B, Spent, Rand}
    end.

%% The share is of all evaluations. An account waits longer after an evaluation that costs more
%% than a generation.
an_account_gets_its_share_and_no_more_test() ->
    [begin
         #{fresh := Spent} = run(Share, [fresh], Most, 10_000),
         Part = Spent / (Spent + 10_000 * 1000),
         ?assert(Part =< Share + 0.002),
         ?assert(Part >= Share - 0.002)
     end || Share <- [0.01, 0.1, 0.5], Most <- [10, 500, 8000]].

%% Each account gets its share, and all accounts together half as much again.
all_accounts_together_get_at_most_one_and_a_half_shares_test() ->
    Spent = run(0.1, [<<1>>, <<2>>, fresh], 100, 1000),
    ?assertEqual([fresh, <<1>>, <<2>>], lists:sort(maps:keys(Spent))),
    [?assert(S < 0.12 * 1000 * 1000) || S <- maps:values(Spent)],
    All = lists:sum(maps:values(Spent)),
    ?assert(All > 0.17 * 1000 * 1000 andalso All < 0.19 * 1000 * 1000).

%% An account that spent nothing for a thousand generations may spend one generation's part at
%% once, as any account may.
an_account_cannot_save_its_share_over_generations_test() ->
    Late =
        lists:foldl(fun(_, B) -> cambrian_budget:worked(1000, B) end, working(0.1),
                    lists:seq(1, 1000)),
    {_, #{fresh := Spent}, _} = while_it_may(fresh, 10, {Late, #{}, rand:seed_s(exsss, 1)}),
    ?assert(Spent >= 111 andalso Spent =< 121).

%% Before the first generation has a cost, an account may run one evaluation.
before_the_first_generation_an_account_may_run_one_evaluation_test() ->
    B = working(0.1),
    ?assert(cambrian_budget:may_run(fresh, B)),
    Charged = cambrian_budget:charge(fresh, 500, B),
    ?assertNot(cambrian_budget:may_run(fresh, Charged)),
    ?assertNot(cambrian_budget:may_run(fresh, cambrian_budget:worked(4000, Charged))),
    ?assert(cambrian_budget:may_run(fresh, cambrian_budget:worked(4500, Charged))).

an_idle_population_evaluates_without_a_limit_test() ->
    B = cambrian_budget:charge(fresh, 1.0e9, cambrian_budget:new(0.1)),
    ?assert(cambrian_budget:is_resting(B)),
    ?assert(cambrian_budget:may_run(fresh, B)),
    %% an account owes nothing for evaluations while the population was idle
    ?assert(cambrian_budget:may_run(fresh, cambrian_budget:set_resting(false, B))),
    %% what an account owes is forgiven only when the population is idle again
    Owed = cambrian_budget:charge(fresh, 1.0e9, cambrian_budget:set_resting(false, B)),
    ?assertNot(cambrian_budget:may_run(fresh, Owed)),
    ?assert(cambrian_budget:may_run(fresh, cambrian_budget:set_resting(true, Owed))).
