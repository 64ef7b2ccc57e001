%% @private
%% The runs of a population, as a value: the goal of a run, the total time of all runs, the callers
%% that wait for the end of a run, and the outcome of the last run.
-module(cambrian_run).

-export([new/1, saved/2, goal/1, is_running/1, is_active/1, is_stepping/1, outcome/1,
         has_result/1]).
-export([aim/2, step/3, pause/1, halt/1, await/2, repeat/2]).
-export([start/2, stop/2, count/1, finish/2, stepped/1, forget_result/1]).
-export([elapsed/2, time_left/3]).
-export_type([run/0, caller/0, outcome/0]).

%% A caller gets an answer: a `gen_statem:from()', or the equivalent in a simulation.
-type caller() :: term().
-type outcome() :: none | {ok, cambrian_population:result()}
                 | {error, cambrian_population:failure()}.

%% `goal' is a cambrian_population:goal(), but its fun is the user's and may return any term.
-record(run, {goal :: map(),
              running = false :: boolean(),
              %% generations that callers of `step' still wait for
              steps = 0 :: non_neg_integer(),
              outcome = none :: outcome(),
              %% ms of all runs before the one that started at `since'
              elapsed = 0 :: non_neg_integer(),
              since = none :: none | integer(),
              stepping = [] :: [caller()],
              awaiting = [] :: [caller()]}).
-opaque run() :: #run{}.

%% The longest time of a timer: seven weeks.
-define(MAX_MS, 16#FFFFFFFF).
%% The least time for a generation that is evaluated again, in ms.
-define(GRACE, 5000).

-spec new(#{goal := map(), running := boolean(), elapsed => non_neg_integer(), atom() => term()}) ->
          run().
new(#{goal := Goal, running := Running} = Saved) ->
    #run{goal = Goal, running = Running, elapsed = maps:get(elapsed, Saved, 0)}.

%% @doc The part of a checkpoint. The fun is stored apart, because only this VM has it.
-spec saved(Now :: integer(), run()) -> #{atom() => term()}.
saved(Now, #run{goal = Goal, running = Running} = Run) ->
    #{running => Running, elapsed => elapsed(Now, Run), goal => maps:remove(until, Goal),
      until => maps:with([until], Goal)}.

-spec goal(run()) -> map().
goal(#run{goal = Goal}) -> Goal.

-spec is_running(run()) -> boolean().
is_running(#run{running = Running}) -> Running.

%% @doc Whether another generation follows, in a run or in steps.
-spec is_active(run()) -> boolean().
is_active(#run{running = Running, steps = Steps}) -> Running orelse Steps > 0.

-spec is_stepping(run()) -> boolean().
is_stepping(#run{steps = Steps}) -> Steps > 0.

-spec outcome(run()) -> outcome().
outcome(#run{outcome = Outcome}) -> Outcome.

-spec has_result(run()) -> boolean().
has_result(#run{outcome = {ok, _}}) -> true;
has_result(_) -> false.

%%% ---- commands ---------------------------------------------------------------------------

%% @doc Runs from now on, with this goal added to the present goal.
-spec aim(map(), run()) -> run().
aim(Goal, #run{goal = Old} = Run) -> Run#run{goal = maps:merge(Old, Goal), running = true}.

-spec step(caller(), pos_integer(), run()) -> run().
step(Caller, Steps, Run) -> Run#run{steps = Steps, stepping = [Caller]}.

%% @doc Pauses: the present generation is the last one.
-spec pause(run()) -> run().
pause(#run{steps = Steps} = Run) -> Run#run{running = false, steps = min(1, Steps)}.

-spec halt(run()) -> run().
halt(Run) -> Run#run{running = false}.

-spec await(caller(), run()) -> run().
await(Caller, #run{awaiting = Awaiting} = Run) -> Run#run{awaiting = [Caller | Awaiting]}.

%% @doc Sets the number of steps to repeat.
-spec repeat(non_neg_integer(), run()) -> run().
repeat(Again, #run{steps = Steps} = Run) -> Run#run{steps = Steps + Again}.

%%% ---- progress ---------------------------------------------------------------------------

-spec start(Now :: integer(), run()) -> run().
start(Now, Run) -> Run#run{outcome = none, since = Now}.

-spec stop(Now :: integer(), run()) -> run().
stop(Now, Run) -> Run#run{running = false, elapsed = elapsed(Now, Run), since = none}.

%% @doc Counts a finished generation.
-spec count(run()) -> run().
count(#run{steps = Steps} = Run) -> Run#run{steps = max(0, Steps - 1)}.

%% @doc Ends the run with this outcome, and returns the callers that await it.
-spec finish(outcome(), run()) -> {[caller()], run()}.
finish(Outcome, #run{awaiting = Awaiting} = Run) ->
    {Awaiting, Run#run{outcome = Outcome, awaiting = [], steps = 0}}.

%% @doc The callers whose steps are done, if no step is left.
-spec stepped(run()) -> {[caller()], run()}.
stepped(#run{steps = 0, stepping = Stepping} = Run) -> {Stepping, Run#run{stepping = []}};
stepped(Run) -> {[], Run}.

%% @doc Withdraws the result.
-spec forget_result(run()) -> run().
forget_result(Run) -> Run#run{outcome = none, running = false}.

%%% ---- time -------------------------------------------------------------------------------

-spec elapsed(Now :: integer(), run()) -> non_neg_integer().
elapsed(_Now, #run{elapsed = Elapsed, since = none}) -> Elapsed;
elapsed(Now, #run{elapsed = Elapsed, since = Since}) -> Elapsed + Now - Since.

%% @doc The time that is left, in ms. A generation that is evaluated `again' gets the time of the
%% whole run, because its earlier evaluation already counts in the elapsed time.
-spec time_left(first | again, Now :: integer(), run()) -> infinity | non_neg_integer().
time_left(again, _Now, #run{goal = #{timeout := Timeout}}) when is_integer(Timeout) ->
    min(?MAX_MS, max(?GRACE, Timeout));
time_left(first, Now, #run{goal = #{timeout := Timeout}} = Run) when is_integer(Timeout) ->
    min(?MAX_MS, max(0, Timeout - elapsed(Now, Run)));
time_left(_, _Now, _Run) -> infinity.
