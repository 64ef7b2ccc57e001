%% Waits for a condition, however slow the machine is.
-module(cambrian_wait).
-export([until/1, until/2]).

-define(PATIENCE_MS, 300_000).

%% The value of the probe as soon as it is not false. At the end of the time the error names the
%% probe and its environment.
until(Probe) -> until(Probe, ?PATIENCE_MS).

until(Probe, PatienceMs) -> until_time(Probe, erlang:monotonic_time(millisecond) + PatienceMs).

until_time(Probe, End) ->
    case {Probe(), erlang:monotonic_time(millisecond) > End} of
        {false, true} -> error({never, Probe, element(2, erlang:fun_info(Probe, env))});
        {false, false} -> timer:sleep(20), until_time(Probe, End);
        {Answer, _} -> Answer
    end.
