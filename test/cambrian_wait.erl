%% Waits for the thing itself, however slow the machine is.
-module(cambrian_wait).
-export([until/1]).

-define(MINUTES, 5).

%% What the probe answers as soon as that is not false. Who waits in vain says for what: the probe, and what it knew.
until(Probe) -> until(Probe, erlang:monotonic_time(millisecond) + ?MINUTES * 60_000).

until(Probe, End) ->
    case {Probe(), erlang:monotonic_time(millisecond) > End} of
        {false, true} -> error({never, Probe, element(2, erlang:fun_info(Probe, env))});
        {false, false} -> timer:sleep(20), until(Probe, End);
        {Answer, _} -> Answer
    end.
