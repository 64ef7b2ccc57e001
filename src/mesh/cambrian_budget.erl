%% @private
%% How much of what a task's populations here evaluate may be the genotypes of strangers, in units of work
%% ({@link cambrian_genotype:cost/1}), which are the same on every machine and whenever it is done again.
%%
%% Each origin that has earned it has an account, and all other keys, however many, have one together. What the
%% populations evaluate of their own earns every account its share of that, so that with a share of 10 % a hundred units
%% of one account are paid for by nine hundred of the populations' own. An account in debt waits, and one that is not may
%% have one genotype more measured, whatever that costs: its true cost is known afterwards, and is charged then. It is the
%% generic cell rate algorithm (ITU-T I.371), with work in place of time. All accounts together have half as much again.
%%
%% While the populations rest, their time is nobody's, and nothing is charged.
-module(cambrian_budget).

-export([new/1, worked/2, rests/2, is_resting/1, may_run/2, charge/3]).
-export_type([budget/0, account/0]).

-type account() :: fresh | cambrian_identity:key().
-record(budget, {per_unit :: float(), all_per_unit :: float(),
                 %% what was earned so far by each account, and by the last generation alone
                 earned = 0.0 :: float(), lately = 0.0 :: float(),
                 %% what the account has spent of that; none that has spent nothing
                 spent = #{} :: #{account() => float()},
                 %% the same of all accounts together
                 all_earned = 0.0 :: float(), all_lately = 0.0 :: float(), all_spent = 0.0 :: float(),
                 rests = true :: boolean()}).
-opaque budget() :: #budget{}.

%% All accounts together may take so many times the share of one: it takes little to earn an account, and anybody can have many.
-define(ALL, 1.5).

%% @doc With the share of all evaluation that one account may take, from 0 to less than 1.
-spec new(number()) -> budget().
new(Share) ->
    All = min(Share * ?ALL, (1 + Share) / 2),
    #budget{per_unit = Share / (1 - Share), all_per_unit = All / (1 - All)}.

%% @doc A generation was evaluated, by so much work.
-spec worked(non_neg_integer(), budget()) -> budget().
worked(Work, #budget{per_unit = PerUnit, all_per_unit = AllPerUnit, earned = Earned, all_earned = AllEarned, spent = Spent} = Budget) ->
    {Lately, AllLately} = {PerUnit * Work, AllPerUnit * Work},
    %% nobody saves for longer than a generation
    Left = maps:filter(fun(_, S) -> S > Earned end, Spent),
    Budget#budget{earned = Earned + Lately, lately = Lately, spent = Left, all_earned = AllEarned + AllLately, all_lately = AllLately}.

%% @doc Whether the populations have anything to do themselves.
-spec rests(boolean(), budget()) -> budget().
rests(Rests, Budget) -> Budget#budget{rests = Rests}.

-spec is_resting(budget()) -> boolean().
is_resting(#budget{rests = Rests}) -> Rests.

-spec may_run(account(), budget()) -> boolean().
may_run(_Account, #budget{rests = true}) -> true;
may_run(Account, #budget{earned = Earned, spent = Spent, all_earned = AllEarned, all_spent = AllSpent}) ->
    maps:get(Account, Spent, 0.0) =< Earned andalso AllSpent =< AllEarned.

%% @doc A genotype of the account was measured, by so much work.
-spec charge(account(), Work :: number(), budget()) -> budget().
charge(_Account, _Work, #budget{rests = true} = Budget) -> Budget;
charge(Account, Work, #budget{earned = Earned, lately = Lately, spent = Spent, all_earned = AllEarned, all_lately = AllLately,
                              all_spent = AllSpent} = Budget) ->
    Before = max(maps:get(Account, Spent, 0.0), Earned - Lately),
    Budget#budget{spent = Spent#{Account => Before + Work}, all_spent = max(AllSpent, AllEarned - AllLately) + Work}.
