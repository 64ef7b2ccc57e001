%% @private
%% Sends events to the library `telemetry' if the system has it. `docs/events.md' lists the events.
-module(cambrian_telemetry).

-export([start/0, execute/3]).

%% @doc Loads `telemetry' once, as the application starts: the search for a missing module takes
%% most of a millisecond, while {@link execute/3} only asks whether it is loaded.
-spec start() -> ok.
start() ->
    _ = code:ensure_loaded(telemetry),
    ok.

%% @doc Sends an event.
-spec execute([atom()], Measurements :: map(), Metadata :: map()) -> ok.
execute(Event, Measurements, Metadata) ->
    _ = [Module:execute(Event, Measurements, Metadata)
         || Module <- [telemetry], erlang:function_exported(Module, execute, 3)],
    ok.
