%% @doc Shows the progress of an evolution. On a terminal it is one line that is rewritten, with a
%% bar if the goal has a limit; on other devices it is a plain line every two seconds.
-module(cambrian_progress).

-export([start/3, stop/1, line/1, line/2, line/3, share/2]).
-export_type([stats/0]).

-type stats() :: #{generation := non_neg_integer(), best := float(), mean := float(),
                   evaluations := non_neg_integer(), solved => true, atom() => term()}.
%% The {@link cambrian_population:stats()} of a generation, and whether it solved the task.

-define(PLAIN_MS, 2000).
-define(TERMINAL_MS, 100).
%% An estimate of the remaining time needs this much time and this share of the limit.
-define(ESTIMATE_MS, 1000).
-define(ESTIMATE_SHARE, 0.005).
-define(MAX_BAR, 30).
-define(MIN_BAR, 10).

%% @private Starts the display. `true' prints to the group leader of the caller, a device to that
%% device; a fun is called with the stats of every generation.
-spec start(pid(), true | io:device() | fun((cambrian_population:stats()) -> term()),
            Goal :: map()) -> pid().
start(Population, How, Goal) ->
    Leader = group_leader(),
    Self = self(),
    %% The display is not linked: a fun that raises ends the display and not the evolution.
    {Watcher, Monitor} = spawn_monitor(fun() ->
        group_leader(Leader, self()),
        Caller = monitor(process, Self),
        #{generation := Generation} = cambrian_population:info(Population),
        ok = cambrian_population:subscribe(Population),
        Self ! {self(), watching},
        _ = [say_resumed(How, Generation) || Generation > 0],
        show(printer(How, Goal), Caller, none, none, none)
    end),
    receive
        {Watcher, watching} -> demonitor(Monitor, [flush]);
        {'DOWN', Monitor, process, Watcher, _} -> true
    end,
    Watcher.

%% @private Stops the display after it has printed everything.
-spec stop(pid() | none) -> ok.
stop(none) -> ok;
stop(Watcher) ->
    Monitor = monitor(process, Watcher),
    Watcher ! stop,
    receive {'DOWN', Monitor, process, Watcher, _} -> ok end.

say_resumed(How, _) when is_function(How) -> ok;
say_resumed(How, Generation) ->
    write(device(How), io_lib:format("Resumed at generation ~b.~n", [Generation])).

%% Ignores errors of the device: evolution continues.
write(Device, Chars) ->
    _ = io:request(Device, {put_chars, unicode, unicode:characters_to_binary(Chars)}),
    ok.

device(true) -> group_leader();
device(Device) -> Device.

%% Returns the pause between two prints, and the functions that print stats and end the display. A
%% fun gets every generation, and not the last one again when the task is solved.
printer(Fun, _Goal) when is_function(Fun) ->
    {0, fun(#{solved := true}) -> ok; (Stats) -> call(Fun, Stats) end, fun() -> ok end};
printer(How, Goal) ->
    Device = device(How),
    case is_rewritable(Device) of
        true ->
            Rewrite = fun(Stats) ->
                          write(Device, ["\r\e[K", line(Stats, Goal, columns(Device) - 1)])
                      end,
            {?TERMINAL_MS, Rewrite, fun() -> write(Device, "\n") end};
        false ->
            {?PLAIN_MS, fun(Stats) -> write(Device, [line(Stats, Goal), $\n]) end,
             fun() -> ok end}
    end.

%% A fun that raises is not called again; evolution continues.
call(Fun, Stats) ->
    try Fun(Stats)
    catch Class:Reason:Stack ->
        logger:warning("the fun of progress failed and is not called again: ~ts",
                       [cambrian_fault:text(cambrian_fault:crashed(Class, Reason, Stack))]),
        exit(normal)
    end.

is_rewritable(Device) ->
    os:getenv("TERM") =/= "dumb" andalso element(1, io:columns(Device)) =:= ok.

%% Asks again for every line, because the size of a window may change.
columns(Device) ->
    case io:columns(Device) of
        {ok, Columns} -> Columns;
        {error, _} -> 80
    end.

%% Prints a generation when the time `Next' has come, and always prints the last one, marked if it
%% solved the task. `Held' are the stats that are not printed yet. Exits when the caller exits.
show({Pause, Print, End} = Printer, Caller, Next, Held, Last) ->
    receive
        {cambrian, _, {generation, Stats}} ->
            Now = erlang:monotonic_time(millisecond),
            case Next =:= none orelse Now >= Next of
                true -> Print(Stats), show(Printer, Caller, Now + Pause, none, Stats);
                false -> show(Printer, Caller, Next, Stats, Stats)
            end;
        {cambrian, _, {finished, #{solved := true}}} when Last =/= none ->
            show(Printer, Caller, Next, Last#{solved => true}, Last);
        {cambrian, _, _} ->
            show(Printer, Caller, Next, Held, Last);
        {'DOWN', Caller, process, _, _} ->
            ok;
        stop ->
            _ = [Print(Held) || Held =/= none],
            _ = [End() || Next =/= none];
        %% A message to the fun, which runs in this process.
        _ ->
            show(Printer, Caller, Next, Held, Last)
    end.

%% @doc Describes one generation in words.
%%
%% ```
%% 1> lists:flatten(cambrian_progress:line(
%%      #{generation => 12, best => 3.92142, mean => 2.7103, species => [{0, 100}, {7, 50}],
%%        evaluations => 1950, evaluations_per_second => 81250})).
%% "generation 12, best 3.9214, mean 2.7103, 2 species, 1950 evaluations, 81250/s"
%% '''
-spec line(stats()) -> unicode:chardata().
line(Stats) -> line(Stats, #{}).

%% @doc Describes one generation and the way to a goal: the used share of the nearest limit, and the
%% remaining time at most.
%%
%% ```
%% 1> lists:flatten(cambrian_progress:line(
%%      #{generation => 12, best => 3.92142, mean => 2.7103, species => [{0, 100}, {7, 50}],
%%        evaluations => 1950, evaluations_per_second => 81250, elapsed_ms => 9000},
%%      #{generations => 52, target => 4})).
%% "25%, generation 12, best 3.9214 of 4, mean 2.7103, 2 species, 1950 evaluations, 81250/s, "
%% "0:27 left"
%% '''
-spec line(stats(), cambrian_population:goal()) -> unicode:chardata().
line(Stats, Goal) -> lists:join(", ", [Text || {_, Text} <- facts(Stats, Goal)]).

%% @doc Describes the same with a bar, in at most `Columns' columns. If a line is too long, the
%% least important facts are left out first.
%%
%% ```
%% 1> Stats = #{generation => 12, best => 3.92142, mean => 2.7103, species => [{0, 100}, {7, 50}],
%%              evaluations => 1950, evaluations_per_second => 81250, elapsed_ms => 9000}.
%% 2> Line = fun(Columns) -> cambrian_progress:line(Stats, #{generations => 52}, Columns) end.
%% 3> [lists:flatten(Line(Columns)) || Columns <- [100, 60, 30]].
%% ["[=====>                 ] 25%, generation 12, best 3.9214, 2 species, 81250/s, 0:27 left",
%%  "[==>          ] 25%, generation 12, best 3.9214, 0:27 left",
%%  "25%, generation 12"]
%% '''
-spec line(stats(), cambrian_population:goal(), Columns :: non_neg_integer()) -> unicode:chardata().
line(Stats, Goal, Columns) ->
    Facts = lists:keydelete(evaluations, 1, facts(Stats, Goal)),
    Bar = bar(share(Stats, Goal), Columns div 4),
    LeastFirst = [mean, species, rate, left, best, generation, share],
    [Bar, fitting(Facts, LeastFirst, Columns - length(Bar))].

fitting(Facts, LeastFirst, Columns) ->
    Line = lists:flatten(lists:join(", ", [Text || {_, Text} <- Facts])),
    case LeastFirst of
        [Least | Rest] when length(Line) > Columns ->
            fitting(lists:keydelete(Least, 1, Facts), Rest, Columns);
        _ -> Line
    end.

bar(none, _Columns) -> "";
bar(_Share, Columns) when Columns < ?MIN_BAR -> "";
bar(Share, Columns) ->
    Width = min(?MAX_BAR, Columns) - 2,
    Done = round(Share * Width),
    Head = case Done of 0 -> ""; Width -> "="; _ -> ">" end,
    lists:flatten(["[", string:pad(lists:duplicate(max(0, Done - 1), $=) ++ Head, Width), "] "]).

%% Returns the facts in the order of the line.
facts(#{generation := Generation, best := Best, mean := Mean, species := Species,
        evaluations := Evaluations, evaluations_per_second := Rate} = Stats, Goal) ->
    Share = share(Stats, Goal),
    Targets = [[" of ", io_lib:format("~p", [Target])] || #{target := Target} <- [Goal]],
    [{share, Text} || Text <- share_text(Share, Stats)]
        ++ [{generation, ["generation ", integer_to_list(Generation)]},
            {best, ["best ", number(Best), Targets]},
            {mean, ["mean ", number(Mean)]},
            {species, [integer_to_list(length(Species)), " species"]},
            {evaluations, [integer_to_list(Evaluations), $\s,
                           cambrian_text:plural(Evaluations, "evaluation")]}]
        ++ [{failures, [integer_to_list(Failures), " failed"]}
            || #{failures := Failures} <- [Stats], Failures > 0]
        ++ [{rate, [integer_to_list(Rate), "/s"]}]
        ++ [{left, [clock(Left), " left"]} || Left <- left(Share, Stats)].

share_text(_Share, #{solved := true}) -> ["solved"];
share_text(none, _Stats) -> [];
share_text(Share, _Stats) -> [[integer_to_list(floor(Share * 100)), "%"]].

number(X) when abs(X) < 1.0e6 -> io_lib:format("~.4f", [X]);
number(X) -> io_lib:format("~.5e", [X]).

%% @private Returns the used share of the nearest limit.
-spec share(stats(), cambrian_population:goal()) -> none | number().
share(#{solved := true}, _Goal) -> 1;
share(#{generation := Generation, evaluations := Evaluations} = Stats, Goal) ->
    Used = #{generations => Generation + 1, evaluations => Evaluations,
             timeout => maps:get(elapsed_ms, Stats, 0)},
    Limits = maps:to_list(maps:with(maps:keys(Used), Goal)),
    Shares = [min(1, maps:get(Name, Used) / max(1, Limit))
              || {Name, Limit} <- Limits, is_integer(Limit)],
    lists:max([none || Shares =:= []] ++ Shares).

left(_Share, #{solved := true}) -> [];
left(Share, #{elapsed_ms := Elapsed})
  when is_number(Share), Share >= ?ESTIMATE_SHARE, Elapsed >= ?ESTIMATE_MS ->
    [ceil(Elapsed * (1 - Share) / Share / 1000)];
left(_Share, _Stats) -> [].

clock(Seconds) when Seconds < 3600 -> io_lib:format("~b:~2..0b", [Seconds div 60, Seconds rem 60]);
clock(Seconds) ->
    io_lib:format("~b:~2..0b:~2..0b",
                  [Seconds div 3600, Seconds rem 3600 div 60, Seconds rem 60]).
