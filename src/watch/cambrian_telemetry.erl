%% @private
%% Events for `telemetry', in a system that has it: the table is in `docs/events.md'.
-module(cambrian_telemetry).

-export([start/0, execute/3, population/3]).

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

%% @doc What a population tells of: see {@link cambrian_population:event()}.
-spec population(Kind :: atom(), Facts :: term(), Metadata :: map()) -> ok.
population(generation, #{species := Species} = Stats, Metadata) ->
    execute([cambrian, generation, stop], Stats#{species := length(Species)}, Metadata);
population(champion, #{champion := Champion} = Facts, Metadata) ->
    execute([cambrian, champion, found], maps:with([fitness, generation], Facts), Metadata#{champion => Champion});
population(finished, #{champion := Champion, solved := Solved} = Result, Metadata) ->
    execute([cambrian, population, finished], maps:with([fitness, generations, evaluations, failures, elapsed_ms], Result),
            Metadata#{champion => Champion, solved => Solved});
population(resumed, #{generation := Generation}, Metadata) ->
    execute([cambrian, population, resumed], #{generation => Generation}, Metadata);
population(failed, Reason, Metadata) ->
    execute([cambrian, population, failed], #{count => 1}, Metadata#{reason => Reason});
population(evaluations_failed, #{count := Count, first := Fault}, Metadata) ->
    execute([cambrian, evaluation, exception], #{count => Count}, Metadata#{reason => Fault});
population(checkpoint_failed, #{generation := Generation, reason := Reason}, Metadata) ->
    execute([cambrian, checkpoint, exception], #{generation => Generation}, Metadata#{reason => Reason});
population(purged, Facts, Metadata) ->
    execute([cambrian, population, purged], maps:with([generation, leaving, newcomers], Facts),
            maps:merge(Metadata, maps:with([founded, champion], Facts)));
population(received, #{generation := Generation} = Facts, Metadata) ->
    execute([cambrian, population, received], maps:merge(#{generation => Generation}, maps:with([fitness, work, cost, median, bound], Facts)),
            maps:merge(Metadata, maps:with([id, from, outcome], Facts))).
