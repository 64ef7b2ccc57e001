%% @private
%% When a population stops: {@link cambrian_population:goal()}. This module does not check `target':
%% the population compares it with the fitness of each champion.
-module(cambrian_goal).

-export([rows/0, table/0, reached/3, is_at_limit/3]).

-define(UNTIL, <<"a fun of the stats that returns a boolean">>).
%% How long the population waits for the answer.
-define(UNTIL_MS, 5000).

%% @doc The options that form a goal, for {@link cambrian_population_options:table/0}.
-spec rows() -> [cambrian_options:row()].
rows() ->
    IsCount = fun cambrian_options:is_positive/1,
    Count = <<"a positive integer">>,
    [#{name => target, check => fun is_number/1, expected => <<"a number">>,
       default => {words, <<"the task's own trial">>}, flag => {target, number, "F"},
       text => <<"a fitness that is the goal">>,
       more => <<"A task without a trial of its own runs to a limit">>},
     #{name => until, check => fun(Until) -> is_function(Until, 1) end, expected => ?UNTIL,
       text => <<"another goal, asked after each generation">>,
       more => <<"The first true solves the task. A function that crashes, takes longer than "
                 "five seconds, or returns anything else than a boolean, ends the run with an "
                 "error">>},
     #{name => patience, check => IsCount, expected => Count, flag => {patience, positive, "N"},
       text => <<"ends the run after so many generations without improvement">>,
       more => <<"It is measured on held-out data if the task has some, else in fitness">>},
     #{name => generations, check => IsCount, expected => Count,
       flag => {generations, positive, "N"},
       default => {words, <<"1,000 in `evolve`, if you give no other limit">>},
       text => <<"limit in all">>,
       more => <<"The limits are `generations`, `evaluations` and `timeout`">>},
     #{name => evaluations, check => IsCount, expected => Count,
       flag => {evaluations, positive, "N"}, text => <<"limit in all">>,
       more => <<"It may end the run within a generation">>},
     #{name => timeout, check => fun cambrian_options:is_timeout/1,
       expected => <<"milliseconds or infinity">>, flag => {timeout, duration, "TIME"},
       text => <<"limit in all, of working time">>,
       more => <<"It may end the run within a generation. The first generation goes on until an "
                 "evaluation has succeeded, but for little longer than `evaluation_timeout`">>}].

%% @doc The checks for {@link cambrian_options:check/3}.
-spec table() -> cambrian_options:table().
table() -> cambrian_options:table(rows()).

%% @doc `until' if the user's own goal is reached, `true' if a limit is reached. `Improved' is the
%% last generation that improved the best value.
-spec reached(map(), cambrian_population:stats(), Improved :: non_neg_integer()) ->
          until | boolean() | {error, cambrian_options:error()}.
reached(#{until := Until} = Goal, Stats, Improved) ->
    case asked(Until, Stats) of
        true -> until;
        false -> is_at_limit(Goal, Stats, Improved);
        Other -> {error, {bad_option, {until, Other, ?UNTIL}}}
    end;
reached(Goal, Stats, Improved) -> is_at_limit(Goal, Stats, Improved).

%% Calls it in a separate process: a user's function that hangs must not stop the population.
asked(Until, Stats) ->
    Ask = fun() ->
              try Until(Stats)
              catch Class:Reason:Stack -> {Class, Reason, Stack}
              end
          end,
    case cambrian_async:await(cambrian_async:start_bound(Ask), ?UNTIL_MS) of
        {ok, Answer} -> Answer;
        {error, Killed} -> {exit, Killed, []};
        timeout -> {timeout, ?UNTIL_MS}
    end.

-spec is_at_limit(map(), cambrian_population:stats() | cambrian_history:page(),
                  Improved :: non_neg_integer()) -> boolean().
is_at_limit(Goal, Stats, Improved) ->
    #{generation := Generation, evaluations := Evaluations, elapsed_ms := Elapsed} = Stats,
    Generation + 1 >= maps:get(generations, Goal, infinity)
        orelse Evaluations >= maps:get(evaluations, Goal, infinity)
        orelse Elapsed >= maps:get(timeout, Goal, infinity)
        orelse Generation - Improved >= maps:get(patience, Goal, infinity).
