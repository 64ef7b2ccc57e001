#!/usr/bin/env escript
%%! -noinput
%% Whether a node that works and is attacked stays as it is: five populations of different tasks, a bridge that strangers in
%% another VM flood, and who watches. bin/soak calls it. What is done to the node is in test/cambrian_soak.erl, and what flat
%% means in test/cambrian_trend.erl. Needs `rebar3 as test compile'.
-mode(compile).

-define(MIB, 1_048_576).

main(["--help"]) -> io:put_chars(usage());
main([]) -> wrong("MINUTES is missing, expected a positive number");
main([Text]) ->
    Minutes = minutes(Text),
    halt(soak(Minutes, max(60, Minutes * 18)));
main([Text, WarmUp]) -> halt(soak(minutes(Text), 60 * minutes(WarmUp)));
main(More) -> wrong([lists:join($\s, More), ": expected MINUTES and WARM_UP, and nothing else"]).

minutes(Text) ->
    try list_to_integer(Text) of
        Minutes when Minutes > 0 -> Minutes;
        _ -> wrong([Text, ": expected at least one minute"])
    catch error:badarg -> wrong([Text, ": expected a whole number, as 30"])
    end.

wrong(What) ->
    io:format(standard_error, "bin/soak ~ts~n~n~ts", [What, usage()]),
    halt(2).

usage() ->
    "usage: bin/soak MINUTES [WARM_UP]\n\n"
    "Lets five populations evolve while strangers flood the bridge and others watch, for WARM_UP minutes (30 % of MINUTES, and at\n"
    "least one; the tables of keys take a quarter of an hour to fill), and then for MINUTES; measures memory, atoms, ports, descriptors, queues and the disk once a second, and prints\n"
    "for each where it began, where it ended, its slope, and whether it is flat: whether it grew by no more than the noise, 2 %\n"
    "of it or 1 MiB (10 MiB of disk, where logs drop 4 MiB at once), or ten of what is counted. Ends with 1 if something is not flat or was not done at all.\n".

soak(Minutes, WarmUp) ->
    Root = filename:absname("."),
    Built = filelib:wildcard(filename:join(Root, "_build/test/lib/cambrian/{ebin,simulation,test}")),
    [true] = lists:usort([code:add_patha(Beams) || Beams <- Built]),
    Dir = cambrian_temporary:dir(),
    try
        [Node, Strangers] = Peers = start(Dir),
        {ok, Url} = ask(Node, load, [#{root => Root}]),
        ok = ask(Strangers, flood, [#{url => Url}]),
        _ = samples(WarmUp, "warming up", Node, Dir),
        Samples = samples(60 * Minutes, "measuring", Node, Dir),
        Verdict = verdict(Samples, [ask(Peer, Function, []) || Peer <- [Node, Strangers], Function <- [done, first_error]], ask(Node, work, [])),
        cambrian_peers:stop(Peers),
        Verdict
    after file:del_dir_r(Dir)
    end.

start(Dir) ->
    Started = [cambrian_peers:start_one(Name, #{args => Args})
               || {Name, Args} <- [{soaked, ["-cambrian", "data_dir", lists:flatten(io_lib:format("~p", [Dir]))]}, {strangers, []}]],
    ok = cambrian_peers:connect(Started),
    Started.

ask({Peer, _}, Function, Arguments) -> peer:call(Peer, cambrian_soak, Function, Arguments, 300_000).

%% `[{Second, [{What, Value}]}]', one a second.
samples(Seconds, Doing, Node, Dir) ->
    io:format(standard_error, "~ts for ~b s~n", [Doing, Seconds]),
    Start = erlang:monotonic_time(millisecond),
    [begin
         timer:sleep(max(0, Start + 1000 * Second - erlang:monotonic_time(millisecond))),
         {(erlang:monotonic_time(millisecond) - Start) / 1000, ask(Node, sample, []) ++ [{disk, disk(Dir)}]}
     end || Second <- lists:seq(1, Seconds)].

disk(Dir) -> filelib:fold_files(Dir, "", true, fun(File, Sum) -> Sum + filelib:file_size(File) end, 0).

%%% ---- what came of it --------------------------------------------------------------------

verdict([{_, First} | _] = Samples, [Load, Error, Flood, FloodError], Work) ->
    Trends = [{What, trend(What, [{Second, proplists:get_value(What, Values)} || {Second, Values} <- Samples])} || {What, _} <- First],
    Done = Load ++ Flood,
    Idle = [What || {What, 0} <- Done, What =/= errors],
    io:format("| | at the start | at the end | an hour | noise | |~n|---|---|---|---|---|---|~n"),
    lists:foreach(fun row/1, Trends),
    io:format("~nDone to it: ~ts.~nThe bridge: ~ts.~n", [listed(Done), listed(Work)]),
    _ = [io:format("The first error: ~ts~n", [Text]) || Text <- [Error, FloodError], Text =/= none],
    _ = [io:format("Not done at all: ~p~n", [Idle]) || Idle =/= []],
    Grew = [What || {What, #{flat := false}} <- Trends],
    _ = [io:format("Not flat: ~p~n", [Grew]) || Grew =/= []],
    length(lists:sublist(Grew ++ Idle, 1)).

trend(What, Points) -> cambrian_trend:of_points(Points, least(What, element(2, hd(Points)))).

%% So much more is no growth: of the disk, what two logs of the lineage grow before they drop their oldest file.
least(disk, _) -> 10 * ?MIB;
least(What, Value) ->
    case is_bytes(What) of
        true -> max(?MIB, Value / 50);
        false -> 10
    end.

is_bytes(What) -> lists:member(What, [resident, total, processes, binary, ets, atom, disk]).

row({What, #{start := Start, finish := Finish, per_hour := PerHour, noise := Noise, flat := Flat}}) ->
    io:format("| ~ts | ~ts | ~ts | ~ts | ~ts | ~ts |~n",
              [title(What) | [shown(What, Value) || Value <- [Start, Finish, PerHour, Noise]]] ++ [case Flat of true -> "flat"; false -> "GROWS" end]).

title(What) ->
    case is_bytes(What) of
        true -> [atom_to_list(What), ", MiB"];
        false -> atom_to_list(What)
    end.

shown(What, Value) ->
    case is_bytes(What) of
        true -> io_lib:format("~.2f", [Value / ?MIB]);
        false -> io_lib:format("~.1f", [float(Value)])
    end.

listed(Counts) -> lists:join(", ", [io_lib:format("~p ~b", [What, N]) || {What, N} <- Counts]).
