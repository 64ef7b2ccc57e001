%% @private
%% Counts observations, and makes a normalisation of their mean and variance.
%%
%% The observations of one network are added in order (Welford 1962, "Note on a method for
%% calculating corrected sums of squares and products", Technometrics 4:419), and the statistics of
%% networks are merged in the order of the networks (Chan, Golub and LeVeque 1983, "Algorithms for
%% computing the sample variance", The American Statistician 37:242). So the bits do not depend on
%% who was evaluated first. The variance of equal numbers is exactly 0.
-module(cambrian_statistics).

-export([new/0, add/2, merge/2, normalisation/1, is_statistics/1]).
-export_type([statistics/0]).

%% For each number of an observation, its mean and the sum of squared distances from the mean.
-type statistics() :: {Count :: non_neg_integer(), [{Mean :: float(), Squares :: float()}]}.

%% The limit of every number that a network gets, and of factors.
-define(LIMIT, 1.0e12).

-spec new() -> statistics().
new() -> {0, []}.

%% @doc Adds an observation of finite numbers.
-spec add(cambrian_network:numbers(), statistics()) -> statistics().
add(Observation, {0, _}) -> {1, [{float(X), 0.0} || X <- numbers(Observation)]};
add(Observation, {Count, Moments}) -> {Count + 1, moved(numbers(Observation), Count + 1, Moments)}.

numbers(Numbers) when is_list(Numbers) -> Numbers;
numbers(Bytes) -> [X || <<X:32/float-little>> <= Bytes].

moved([X | Xs], Count, [{Mean, Squares} | Moments]) ->
    Gap = X - Mean,
    Next = Mean + Gap / Count,
    [{Next, Squares + Gap * (X - Next)} | moved(Xs, Count, Moments)];
moved([], _Count, []) -> [].

%% @doc Merges statistics; the order matters for the last bits.
-spec merge(statistics(), statistics()) -> statistics().
merge({0, _}, Second) -> Second;
merge(First, {0, _}) -> First;
merge({A, First}, {B, Second}) ->
    {A + B, lists:zipwith(fun(One, Other) -> merged(A, One, B, Other) end, First, Second)}.

merged(A, {MeanA, SquaresA}, B, {MeanB, SquaresB}) ->
    Gap = MeanB - MeanA,
    {MeanA + Gap * B / (A + B), SquaresA + SquaresB + Gap * Gap * A * B / (A + B)}.

%% @doc The normalisation to mean 0 and standard deviation 1; `none' if nothing was counted. A
%% number that never changed keeps its scale.
-spec normalisation(statistics()) -> cambrian_network:normalisation() | none.
normalisation({0, _}) -> none;
normalisation({Count, Moments}) ->
    #{means => [single(Mean) || {Mean, _} <- Moments],
      factors => [single(factor(Squares / Count)) || {_, Squares} <- Moments]}.

factor(Variance) when Variance > 0 -> min(?LIMIT, 1 / math:sqrt(Variance));
factor(_) -> 1.0.

%% @doc Whether a term, which may come from a file, is statistics.
-spec is_statistics(term()) -> boolean().
is_statistics({Count, Moments}) when is_integer(Count), Count >= 0, length(Moments) =< 10_000 ->
    (Count =:= 0) =:= (Moments =:= []) andalso lists:all(fun is_moment/1, Moments);
is_statistics(_) -> false.

is_moment({Mean, Squares}) ->
    is_float(Mean) andalso abs(Mean) =< ?LIMIT andalso is_float(Squares) andalso Squares >= 0;
is_moment(_) -> false.

%% As the library has it, so that a result shows the numbers that were in use.
single(X) ->
    <<Single:32/float>> = <<X:32/float>>,
    Single.
