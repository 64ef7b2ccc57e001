%% @private
%% Decides how much an exchange accepts of an origin: how many of its messages it processes, whether
%% it takes its newcomers, and which account pays for measuring them.
-module(cambrian_allowances).

-export([may_work_on/5, may_work_on/6, is_source/3, account/3, line/3, payer/1]).
-export([spoke/3, compare_claim/4]).
-export_type([account/0, line/0]).

-import(cambrian_exchange_state, [ask/3, option/2]).

-include("cambrian_exchange.hrl").

-type account() :: cambrian_budget:account().
%% The line in which a genotype or a request waits. Origins that share an account share two lines.
-type line() :: {fresh, node | sender} | cambrian_identity:key().

%% @doc Whether the budget allows one more message of weight 1. See {@link may_work_on/6}.
-spec may_work_on(Kind :: atom(), Budgets :: #{earned | known | fresh => pos_integer()},
                  cambrian_identity:key(), Now :: integer(), #exchange{}) ->
          {boolean(), #exchange{}}.
may_work_on(Kind, Budgets, Key, Now, X) -> may_work_on(Kind, Budgets, 1, Key, Now, X).

%% @doc Whether this second's budget allows one more message of this kind. `Key' is the claimed
%% sender; the signature is not verified yet.
-spec may_work_on(Kind :: atom(), Budgets :: #{earned | known | fresh => pos_integer()},
                  Weight :: pos_integer(), cambrian_identity:key(), Now :: integer(),
                  #exchange{}) -> {boolean(), #exchange{}}.
may_work_on(Kind, Budgets, Weight, Key, Now, X) ->
    {Class, #exchange{meter = Meter} = Asked} = class(Key, Now, X),
    Budget = map_get(Class, Budgets),
    {May, Next} = cambrian_meter:take({Kind, Class}, Weight, Budget, Now, Meter),
    {May, Asked#exchange{meter = Next}}.

class(Key, Now, #exchange{members = Members} = X) ->
    case ask({has_earned, Key}, Now, X) of
        {true, Y} -> {earned, Y};
        {false, Y} ->
            {case cambrian_members:is_known(Key, Members) of true -> known; false -> fresh end, Y}
    end.

%% @doc Whether the topology takes newcomers of this origin. The sources are computed once a second,
%% because that takes long with thousands of nodes.
-spec is_source(cambrian_identity:key(), Now :: integer(), #exchange{}) -> {boolean(), #exchange{}}.
is_source(Origin, Now, #exchange{sources = {Second, Sources}} = X) when Second =:= Now div 1000 ->
    {Sources =:= all orelse lists:member(Origin, Sources), X};
is_source(Origin, Now, #exchange{members = Members} = X) ->
    Sources = cambrian_members:sources(option(topology, X), Now, Members),
    is_source(Origin, Now, X#exchange{sources = {Now div 1000, Sources}}).

%% @doc The account that pays for an origin. All keys that have not earned their own account share
%% one, because an attacker can make any number of keys.
-spec account(cambrian_identity:key(), Now :: integer(), #exchange{}) -> {account(), #exchange{}}.
account(Origin, Now, X) ->
    case ask({has_earned, Origin}, Now, X) of
        {true, Next} -> {Origin, Next};
        {false, Next} -> {fresh, Next}
    end.

%% @doc The line of an origin. In the shared account, nodes with an address take turns with all
%% other senders together: a sender without a node costs nothing, so there may be any number of
%% senders.
-spec line(account(), cambrian_identity:key(), #exchange{}) -> line().
line(fresh, Origin, #exchange{members = Members}) ->
    case cambrian_members:address(Origin, Members) of
        {ok, _} -> {fresh, node};
        none -> {fresh, sender}
    end;
line(Account, _Origin, _X) -> Account.

%% @doc The account that pays for a line.
-spec payer(line()) -> account().
payer({fresh, _}) -> fresh;
payer(Account) -> Account.

%% @doc A message that an origin signed is a sign of life.
-spec spoke(cambrian_envelope:read(), Now :: integer(), #exchange{}) -> #exchange{}.
spoke(#{origin := Origin}, Now, #exchange{members = Members} = X) ->
    X#exchange{members = cambrian_members:spoke(Origin, Now, Members)}.

%% @doc Compares an origin's claim with the fitness that this node measured.
-spec compare_claim(#{origin := cambrian_identity:key(), fitness := float(), atom() => term()},
                    Measured :: float(), Now :: integer(), #exchange{}) -> #exchange{}.
compare_claim(#{origin := Origin, fitness := Claimed}, Measured, Now, X) ->
    {_, Next} = ask({checked, Origin, Claimed, Measured}, Now, X),
    Next.
