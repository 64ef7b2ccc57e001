%% @doc A line that says how an evolution is doing: one that is rewritten on a terminal, one every two
%% seconds elsewhere.
-module(cambrian_progress).

-export([start/2, stop/1, line/1]).

-define(ELSEWHERE_MS, 2000).
-define(TERMINAL_MS, 100).

%% @private `true' prints; a fun is called with every generation's stats.
-spec start(pid(), true | fun((cambrian_population:stats()) -> term())) -> pid().
start(Population, How) ->
    Leader = group_leader(),
    Self = self(),
    %% monitors and is not linked: a fun that raises ends the showing and not the evolution
    {Watcher, Monitor} = spawn_monitor(fun() ->
        group_leader(Leader, self()),
        monitor(process, Self),
        ok = cambrian_population:subscribe(Population),
        Self ! {self(), watching},
        show(printer(How), 0, none)
    end),
    receive
        {Watcher, watching} -> demonitor(Monitor, [flush]);
        {'DOWN', Monitor, process, Watcher, _} -> true
    end,
    Watcher.

%% @private Returns when everything that was to be said has been.
-spec stop(pid() | none) -> ok.
stop(none) -> ok;
stop(Watcher) ->
    Monitor = monitor(process, Watcher),
    Watcher ! stop,
    receive {'DOWN', Monitor, process, Watcher, _} -> ok end.

printer(true) ->
    case io:columns() of
        {ok, _} -> {?TERMINAL_MS, fun(Stats) -> io:format("\r\e[K~ts", [line(Stats)]) end, "\n"};
        {error, _} -> {?ELSEWHERE_MS, fun(Stats) -> io:format("~ts~n", [line(Stats)]) end, ""}
    end;
printer(Fun) ->
    {0, Fun, ""}.

%% The last generation is always shown.
show({Pause, Print, End} = Printer, Next, Held) ->
    receive
        {cambrian, _, {generation, Stats}} ->
            Now = erlang:monotonic_time(millisecond),
            case Next =:= 0 orelse Now >= Next of
                true -> Print(Stats), show(Printer, Now + Pause, none);
                false -> show(Printer, Next, Stats)
            end;
        {cambrian, _, _} ->
            show(Printer, Next, Held);
        {'DOWN', _, process, _, _} ->
            ok;
        stop ->
            _ = [Print(Held) || Held =/= none],
            io:put_chars(End)
    end.

%% @doc One generation in words.
%%
%% ```
%% 1> lists:flatten(cambrian_progress:line(
%%      #{generation => 12, best => 3.92142, mean => 2.7103, species => [{0, 100}, {7, 50}],
%%        evaluations => 1950, evaluations_per_second => 81250})).
%% "generation 12, best 3.9214, mean 2.7103, 2 species, 1950 evaluations, 81250/s"
%% '''
-spec line(cambrian_population:stats()) -> unicode:chardata().
line(#{generation := Generation, best := Best, mean := Mean, species := Species,
       evaluations := Evaluations, evaluations_per_second := Rate}) ->
    io_lib:format("generation ~b, best ~.4f, mean ~.4f, ~b species, ~b evaluations, ~b/s",
                  [Generation, Best, Mean, length(Species), Evaluations, Rate]).
