%% @private
%% Events for `telemetry', in a system that has it.
-module(cambrian_telemetry).

-export([execute/3]).

-spec execute([atom()], Measurements :: map(), Metadata :: map()) -> ok.
execute(Event, Measurements, Metadata) ->
    _ = [Module:execute(Event, Measurements, Metadata)
         || Module <- [telemetry], erlang:function_exported(Module, execute, 3)],
    ok.
