%% An environment that gives more than rewards: a lift that its two outputs move up and down, and
%% what its score can have wrong.
-module(cambrian_lift).
-behaviour(cambrian_environment).
-export([init/1, reset/2, step/2, score/1]).

init(Args) ->
    {ok, maps:merge(#{inputs => 1, outputs => 2, steps => 10}, maps:with([steps, episodes], Args)),
     Args}.

reset(Episode, Args) -> {[Episode], {Episode, float(Episode), 0.0, Args}}.

%% At the top an episode ends, with the last state or without.
step([Up, Down], {Episode, Height, Used, Args}) ->
    Next = {Episode, Height + Up - Down, Used + Up + Down, Args},
    case Args of
        #{top := Top, done := Done} when Height + Up - Down > Top -> Done(Next);
        _ -> {[Height / 10], -(Up + Down), Next}
    end.

score({Episode, Height, Used, #{score := Score}}) -> Score(Episode, Height, Used);
score({Episode, Height, Used, _}) ->
    #{behaviour => [Height, Used], objectives => [Height, -Used], cases => [Episode]}.
