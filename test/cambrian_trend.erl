%% Decides whether a measured quantity grows, by the slope of Theil and Sen: the median of the
%% slopes between any two points, which a quarter of outliers does not change (Sen, J. Am. Stat.
%% Assoc. 63, 1968).
-module(cambrian_trend).
-export([of_points/2]).
-export_type([trend/0]).

%% `start' and `finish' are the ends of the line. `noise' is the spread of the points around the
%% line, from the tenth to the ninetieth percentile.
-type trend() ::
    #{start := float(), finish := float(), per_hour := float(), noise := float(),
      flat := boolean()}.

%% @doc The trend is flat if the line rises by no more than the noise, or by no more than `Least'.
%% `Points' are `{Seconds, Value}', at least two, in order.
-spec of_points([{number(), number()}], Least :: number()) -> trend().
of_points([_, _ | _] = Points, Least) ->
    Slope = slope(Points),
    At = median([Y - Slope * X || {X, Y} <- Points]),
    {First, _} = hd(Points),
    {Last, _} = lists:last(Points),
    [Start, Finish] = [At + Slope * X || X <- [First, Last]],
    Around = lists:sort([Y - At - Slope * X || {X, Y} <- Points]),
    Noise = quantile(0.9, Around) - quantile(0.1, Around),
    #{start => Start, finish => Finish, per_hour => Slope * 3600, noise => Noise,
      flat => Finish - Start =< max(Noise, Least)}.

slope(Points) -> median([(Y2 - Y1) / (X2 - X1) || {X1, Y1} <- Points, {X2, Y2} <- Points, X1 < X2]).

median(Values) -> quantile(0.5, lists:sort(Values)).

quantile(Share, Sorted) ->
    At = Share * (length(Sorted) - 1),
    [Low, High] = [lists:nth(Index + 1, Sorted) || Index <- [floor(At), ceil(At)]],
    Low + (High - Low) * (At - floor(At)).
