%% @private
%% Asks others, who may be gone, or may take too long, and does not wait for them.
-module(cambrian_dashboard_ask).

-export([within/2, all_within/2]).

%% @doc What it gives, if it is there in so many ms. What exits because it asked who is gone is `gone'.
-spec within(Ms :: pos_integer(), fun(() -> Answer)) -> {ok, Answer} | gone | timeout.
within(Ms, Fun) -> hd(all_within(Ms, [Fun])).

%% @doc The same of several at once.
-spec all_within(Ms :: pos_integer(), [fun(() -> Answer)]) -> [{ok, Answer} | gone | timeout].
all_within(Ms, Funs) ->
    Until = erlang:monotonic_time(millisecond) + Ms,
    [collect(Asked, Until) || Asked <- [ask(Fun) || Fun <- Funs]].

%% Its end is its answer.
-dialyzer({nowarn_function, ask/1}).
ask(Fun) -> spawn_monitor(fun() -> exit({?MODULE, Fun()}) end).

collect({Pid, Monitor}, Until) ->
    receive
        {'DOWN', Monitor, process, Pid, {?MODULE, Answer}} -> {ok, Answer};
        {'DOWN', Monitor, process, Pid, _} -> gone
    after max(0, Until - erlang:monotonic_time(millisecond)) ->
        demonitor(Monitor, [flush]),
        exit(Pid, kill),
        timeout
    end.
