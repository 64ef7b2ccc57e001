%% @private
%% Decides whether a champion is worth publishing: its gain over the last published fitness must be
%% at least as large as most recent single improvements. With a threshold of 0.99, as large as the
%% top hundredth of them; with 0, each improvement is published.
-module(cambrian_threshold).

-export([new/1, improved/2, is_worth_publishing/2, published/2, last_published/1]).
-export_type([threshold/0]).

%% `gains' are the last single improvements of `seen', the fitness on this node.
-record(threshold, {quantile :: number(), seen = none :: none | float(),
                    published = none :: none | float(), gains = [] :: [float()]}).
-opaque threshold() :: #threshold{}.

-define(GAINS, 100).

-spec new(Quantile :: number()) -> threshold().
new(Quantile) -> #threshold{quantile = Quantile}.

%% @doc The champion of this node now has this fitness.
-spec improved(Fitness :: float(), threshold()) -> threshold().
improved(Fitness, #threshold{seen = Seen, gains = Gains} = Threshold)
  when Seen =/= none, Fitness > Seen ->
    Latest = lists:sublist([gain(Fitness, Seen) | Gains], ?GAINS),
    Threshold#threshold{seen = Fitness, gains = Latest};
improved(Fitness, #threshold{seen = none} = Threshold) -> Threshold#threshold{seen = Fitness};
improved(_Fitness, Threshold) -> Threshold.

-spec is_worth_publishing(Fitness :: float(), threshold()) -> boolean().
is_worth_publishing(_Fitness, #threshold{published = none}) -> true;
is_worth_publishing(Fitness, #threshold{published = Last}) when Fitness =< Last -> false;
is_worth_publishing(_Fitness, #threshold{gains = []}) -> true;
is_worth_publishing(Fitness, #threshold{published = Last, gains = Gains, quantile = Quantile}) ->
    Rank = max(1, ceil(Quantile * length(Gains))),
    gain(Fitness, Last) >= lists:nth(Rank, lists:sort(Gains)).

%% Half of the gain, because the whole gain may exceed the largest float.
gain(Fitness, Earlier) -> Fitness / 2 - Earlier / 2.

%% @doc This node or another node has published this fitness.
-spec published(Fitness :: float(), threshold()) -> threshold().
published(Fitness, #threshold{published = Last, seen = Seen} = Threshold) ->
    Threshold#threshold{published = highest(Fitness, Last), seen = highest(Fitness, Seen)}.

highest(Fitness, none) -> Fitness;
highest(Fitness, Known) -> max(Fitness, Known).

-spec last_published(threshold()) -> none | float().
last_published(#threshold{published = Last}) -> Last.
