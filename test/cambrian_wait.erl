%% Waits for the thing itself, however slow the machine is.
-module(cambrian_wait).
-export([until/1, until/2]).

-define(PATIENCE_MS, 300_000).

%% What the probe answers as soon as that is not false. Who waits in vain says for what: the probe, and what it knew.
until(Probe) -> until(Probe, ?PATIENCE_MS).

until(Probe, PatienceMs) -> until_time(Probe, erlang:monotonic_time(millisecond) + PatienceMs).

until_time(Probe, End) ->
    case {Probe(), erlang:monotonic_time(millisecond) > End} of
        {false, true} -> error({never, Probe, element(2, erlang:fun_info(Probe, env))});
        {false, false} -> timer:sleep(20), until_time(Probe, End);
        {Answer, _} -> Answer
    end.
