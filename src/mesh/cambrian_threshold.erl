%% @private
%% Whether a champion is worth telling everybody: when it is better than the last that was told by more than most single
%% improvements were lately. With a threshold of 0.99 that is as much as the top hundredth of them; with 0 every one is.
-module(cambrian_threshold).

-export([new/1, improved/2, is_worth/2, told/2, last/1]).
-export_type([threshold/0]).

-record(threshold, {quantile :: number(), seen = none :: none | float(), told = none :: none | float(),
                    %% the last single improvements
                    gains = [] :: [float()]}).
-opaque threshold() :: #threshold{}.

-define(GAINS, 100).

-spec new(Quantile :: number()) -> threshold().
new(Quantile) -> #threshold{quantile = Quantile}.

%% @doc Our champion has this fitness now.
-spec improved(Fitness :: float(), threshold()) -> threshold().
improved(Fitness, #threshold{seen = Seen, gains = Gains} = Threshold) when Seen =/= none, Fitness > Seen ->
    Threshold#threshold{seen = Fitness, gains = lists:sublist([gain(Fitness, Seen) | Gains], ?GAINS)};
improved(Fitness, #threshold{seen = none} = Threshold) -> Threshold#threshold{seen = Fitness};
improved(_Fitness, Threshold) -> Threshold.

-spec is_worth(Fitness :: float(), threshold()) -> boolean().
is_worth(_Fitness, #threshold{told = none}) -> true;
is_worth(Fitness, #threshold{told = Told}) when Fitness =< Told -> false;
is_worth(_Fitness, #threshold{gains = []}) -> true;
is_worth(Fitness, #threshold{told = Told, gains = Gains, quantile = Quantile}) ->
    Rank = max(1, ceil(Quantile * length(Gains))),
    gain(Fitness, Told) >= lists:nth(Rank, lists:sort(Gains)).

%% Half of it: the whole may be more than the largest float.
gain(Fitness, Earlier) -> Fitness / 2 - Earlier / 2.

%% @doc Everybody was told of this fitness, by us or by another.
-spec told(Fitness :: float(), threshold()) -> threshold().
told(Fitness, #threshold{told = Told, seen = Seen} = Threshold) ->
    Threshold#threshold{told = highest(Fitness, Told), seen = highest(Fitness, Seen)}.

highest(Fitness, none) -> Fitness;
highest(Fitness, Known) -> max(Fitness, Known).

-spec last(threshold()) -> none | float().
last(#threshold{told = Told}) -> Told.
