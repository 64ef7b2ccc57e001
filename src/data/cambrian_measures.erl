%% @private
%% How good answers are, beside the labels.
-module(cambrian_measures).

-export([of_answers/2]).

%% @doc The measures of {@link cambrian_data:measure/2}, of one pair or more.
-spec of_answers(classification | regression, [{Label, Answer :: Label}, ...]) ->
          cambrian_data:measures() when Label :: term().
of_answers(classification, Pairs) ->
    Counts = lists:foldl(fun count/2, #{}, Pairs),
    Recalls = [Right / All || {_, {Right, All}} <- lists:sort(maps:to_list(Counts))],
    #{accuracy => mean([case Label of Answer -> 1; _ -> 0 end || {Label, Answer} <- Pairs]),
      balanced_accuracy => mean(Recalls)};
of_answers(regression, Pairs) ->
    Errors = [Answer - Label || {Label, Answer} <- Pairs],
    Middle = mean([Label || {Label, _} <- Pairs]),
    Squares = mean([Error * Error || Error <- Errors]),
    Spread = mean([(Label - Middle) * (Label - Middle) || {Label, _} <- Pairs]),
    #{r2 => case Spread > 0 of true -> 1 - Squares / Spread; false -> undefined end,
      rmse => math:sqrt(Squares), mae => mean(lists:map(fun abs/1, Errors))}.

%% Of each class, the rows that are right and all rows.
count({Label, Answer}, Counts) ->
    {Right, All} = maps:get(Label, Counts, {0, 0}),
    Counts#{Label => {Right + case Label of Answer -> 1; _ -> 0 end, All + 1}}.

mean(Numbers) -> lists:sum(Numbers) / length(Numbers).
