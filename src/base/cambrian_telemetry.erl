%% @private
%% Events for `telemetry', in a system that has it: the table is in `docs/events.md'.
-module(cambrian_telemetry).

-export([start/0, execute/3]).

%% @doc Called once: to look for a module that is not there takes most of a millisecond, and to ask whether it is loaded
%% nearly nothing.
-spec start() -> ok.
start() ->
    _ = code:ensure_loaded(telemetry),
    ok.

-spec execute([atom()], Measurements :: map(), Metadata :: map()) -> ok.
execute(Event, Measurements, Metadata) ->
    _ = [Module:execute(Event, Measurements, Metadata)
         || Module <- [telemetry], erlang:function_exported(Module, execute, 3)],
    ok.
