%% An environment whose observations have odd units: the place of a target from 900 to 1100, and a
%% number that never changes. A network shall say where the target is, from -1 to 1. With `delay' an
%% evaluation takes up to so many ms, at random. With `odd', an answer above 0 is followed by that
%% observation.
-module(cambrian_drift).
-behaviour(cambrian_environment).
-export([init/1, reset/2, step/2]).

init(Args) when is_list(Args) -> init(maps:from_list(Args));
init(Args) ->
    Settings = [steps, episodes, normalise, fresh_episodes, validation],
    {ok, maps:merge(#{inputs => 2, outputs => 1, steps => 5}, maps:with(Settings, Args)), Args}.

reset(Episode, Args) ->
    _ = [timer:sleep(rand:uniform(Delay)) || #{delay := Delay} <- [Args]],
    _ = [Saw ! {episode, Episode} || #{saw := Saw} <- [Args]],
    {seen(Episode, 0), {Episode, 0, Args}}.

step([Output], {Episode, Step, #{odd := Odd} = Args}) when Output > 0 ->
    {Odd, 1, {Episode, Step + 1, Args}};
step([Output], {Episode, Step, Args}) ->
    Gap = Output - (place(Episode, Step) - 1000) / 100,
    {seen(Episode, Step + 1), 1 - abs(Gap), {Episode, Step + 1, Args}}.

seen(Episode, Step) -> [place(Episode, Step), 7].

place(Episode, Step) -> 900 + erlang:phash2({Episode, Step}, 201).
