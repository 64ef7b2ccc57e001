%% @private
%% Limits how much of this node's evaluation for a task may be genotypes of other nodes. Each
%% account has an equal share, in units of work ({@link cambrian_genotype:cost/1}), which are the
%% same on every machine. A key that has earned an account has its own; all other keys, however
%% many, share one.
%%
%% Each unit of work on the populations' own genotypes earns every account its share: with a share
%% of 10 %, nine hundred such units pay for a hundred units of one account. An account in debt
%% waits. An account without debt may have one more genotype measured at any cost: the true cost is
%% known only afterwards, and is charged then. This is the generic cell rate algorithm (ITU-T
%% I.371), with work in place of time. All accounts together have 1.5 times the share of one.
%%
%% While the populations rest, nothing is charged, because they do not need the time.
-module(cambrian_budget).

-export([new/1, worked/2, set_resting/2, is_resting/1, may_run/2, charge/3]).
-export_type([budget/0, account/0]).

-type account() :: fresh | cambrian_identity:key().
-record(budget,
        {per_unit :: float(), all_per_unit :: float(),
         %% what each account has earned so far, and with the last generation alone
         earned = 0.0 :: float(), lately = 0.0 :: float(),
         %% what an account has spent; absent if it has spent nothing
         spent = #{} :: #{account() => float()},
         %% the same numbers for all accounts together
         all_earned = 0.0 :: float(), all_lately = 0.0 :: float(), all_spent = 0.0 :: float(),
         rests = true :: boolean()}).
-opaque budget() :: #budget{}.

%% All accounts together may take so many times the share of one: an account is earned easily, and
%% an attacker can earn many.
-define(ALL, 1.5).

%% @doc Starts with the share of all evaluation that one account may take, from 0 to less than 1.
-spec new(number()) -> budget().
new(Share) ->
    All = min(Share * ?ALL, (1 + Share) / 2),
    #budget{per_unit = Share / (1 - Share), all_per_unit = All / (1 - All)}.

%% @doc The populations evaluated one of their generations, with so much work.
-spec worked(non_neg_integer(), budget()) -> budget().
worked(Work, #budget{per_unit = PerUnit, all_per_unit = AllPerUnit} = Budget) ->
    #budget{earned = Earned, all_earned = AllEarned, spent = Spent} = Budget,
    {Lately, AllLately} = {PerUnit * Work, AllPerUnit * Work},
    %% an account saves at most the earnings of one generation
    Left = maps:filter(fun(_, S) -> S > Earned end, Spent),
    Budget#budget{earned = Earned + Lately, lately = Lately, spent = Left,
                  all_earned = AllEarned + AllLately, all_lately = AllLately}.

%% @doc Sets whether the populations have no own genotypes to evaluate.
-spec set_resting(boolean(), budget()) -> budget().
set_resting(Rests, Budget) -> Budget#budget{rests = Rests}.

-spec is_resting(budget()) -> boolean().
is_resting(#budget{rests = Rests}) -> Rests.

%% @doc Whether an account may have one more genotype measured.
-spec may_run(account(), budget()) -> boolean().
may_run(_Account, #budget{rests = true}) -> true;
may_run(Account, #budget{earned = Earned, spent = Spent} = Budget) ->
    #budget{all_earned = AllEarned, all_spent = AllSpent} = Budget,
    maps:get(Account, Spent, 0.0) =< Earned andalso AllSpent =< AllEarned.

%% @doc A genotype of the account was measured, with so much work.
-spec charge(account(), Work :: number(), budget()) -> budget().
charge(_Account, _Work, #budget{rests = true} = Budget) -> Budget;
charge(Account, Work, #budget{earned = Earned, lately = Lately, spent = Spent} = Budget) ->
    #budget{all_earned = AllEarned, all_lately = AllLately, all_spent = AllSpent} = Budget,
    Before = max(maps:get(Account, Spent, 0.0), Earned - Lately),
    Budget#budget{spent = Spent#{Account => Before + Work},
                  all_spent = max(AllSpent, AllEarned - AllLately) + Work}.
