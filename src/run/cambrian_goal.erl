%% @private
%% When a population stops: {@link cambrian_population:goal()}. What a fitness is to reach, the population sees to.
-module(cambrian_goal).

-export([table/0, reached/3, is_at_limit/3]).

-define(UNTIL, <<"a fun of the stats that returns a boolean">>).

%% @doc For {@link cambrian_options:check/3}.
-spec table() -> map().
table() ->
    #{target => {fun is_number/1, <<"a number">>},
      until => {fun(Until) -> is_function(Until, 1) end, ?UNTIL},
      patience => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      generations => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      evaluations => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      timeout => {fun cambrian_options:is_timeout/1, <<"milliseconds or infinity">>}}.

%% @doc `until' is a goal of the user's that is reached, `true' a limit. `Improved' is the last generation that got better.
-spec reached(map(), cambrian_population:stats(), Improved :: non_neg_integer()) ->
          until | boolean() | {error, cambrian_options:error()}.
reached(#{until := Until} = Goal, Stats, Improved) ->
    try Until(Stats) of
        true -> until;
        false -> is_at_limit(Goal, Stats, Improved);
        Other -> {error, {bad_option, {until, Other, ?UNTIL}}}
    catch
        Class:Reason:Stack -> {error, {bad_option, {until, {Class, Reason, Stack}, ?UNTIL}}}
    end;
reached(Goal, Stats, Improved) -> is_at_limit(Goal, Stats, Improved).

-spec is_at_limit(map(), cambrian_population:stats() | cambrian_history:page(), Improved :: non_neg_integer()) -> boolean().
is_at_limit(Goal, #{generation := Generation, evaluations := Evaluations, elapsed_ms := Elapsed}, Improved) ->
    Generation + 1 >= maps:get(generations, Goal, infinity)
        orelse Evaluations >= maps:get(evaluations, Goal, infinity)
        orelse Elapsed >= maps:get(timeout, Goal, infinity)
        orelse Generation - Improved >= maps:get(patience, Goal, infinity).
