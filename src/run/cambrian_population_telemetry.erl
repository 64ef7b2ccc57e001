%% @private
%% Emits the events of a population as events of `telemetry'. `docs/events.md' lists them.
-module(cambrian_population_telemetry).

-export([execute/3]).

%% @doc See {@link cambrian_population:event()}.
-spec execute(Kind :: atom(), Facts :: term(), Metadata :: map()) -> ok.
execute(generation, #{species := Species} = Stats, Metadata) ->
    cambrian_telemetry:execute([cambrian, generation, stop],
                               Stats#{species := length(Species)}, Metadata);
execute(champion, #{champion := Champion} = Facts, Metadata) ->
    cambrian_telemetry:execute([cambrian, champion, found],
                               maps:with([fitness, generation], Facts),
                               Metadata#{champion => Champion});
execute(finished, #{champion := Champion, solved := Solved} = Result, Metadata) ->
    Counts = maps:with([fitness, generations, evaluations, failures, elapsed_ms], Result),
    cambrian_telemetry:execute([cambrian, population, finished], Counts,
                               Metadata#{champion => Champion, solved => Solved});
execute(resumed, #{generation := Generation}, Metadata) ->
    cambrian_telemetry:execute([cambrian, population, resumed],
                               #{generation => Generation}, Metadata);
execute(failed, Reason, Metadata) ->
    cambrian_telemetry:execute([cambrian, population, failed],
                               #{count => 1}, Metadata#{reason => Reason});
execute(evaluations_failed, #{count := Count, first := Fault}, Metadata) ->
    cambrian_telemetry:execute([cambrian, evaluation, exception],
                               #{count => Count}, Metadata#{reason => Fault});
execute(checkpoint_failed, #{generation := Generation, reason := Reason}, Metadata) ->
    cambrian_telemetry:execute([cambrian, checkpoint, exception],
                               #{generation => Generation}, Metadata#{reason => Reason});
execute(purged, Facts, Metadata) ->
    cambrian_telemetry:execute([cambrian, population, purged],
                               maps:with([generation, leaving, newcomers], Facts),
                               maps:merge(Metadata, maps:with([founded, champion], Facts)));
execute(received, Facts, Metadata) ->
    Measured = maps:with([generation, fitness, work, cost, median, bound], Facts),
    cambrian_telemetry:execute([cambrian, population, received], Measured,
                               maps:merge(Metadata, maps:with([id, from, outcome], Facts))).
