#!/usr/bin/env escript
%%! -noinput
%% Checks that a working node under attack does not grow: five populations of different tasks run,
%% strangers in another VM flood its bridge, and clients watch. bin/soak calls it.
%% test/cambrian_soak.erl has the load, and test/cambrian_trend.erl the definition of flat. Needs
%% `rebar3 as test compile'.
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
    "Five populations evolve while strangers flood the bridge and clients watch: for WARM_UP\n"
    "minutes (30 % of MINUTES, at least one; the tables of keys take a quarter of an hour to\n"
    "fill), and then for MINUTES. Once a second it measures memory, atoms, ports, descriptors,\n"
    "queues and the disk. It prints for each the start, the end, the slope, and whether it is\n"
    "flat: whether it grew by no more than the noise, 2 % or\n"
    "1 MiB (10 MiB of disk, where logs drop 4 MiB at once), or by ten for counts. The exit status\n"
    "is 1 if something is not flat, or if a part of the load did no work at all.\n".

soak(Minutes, WarmUp) ->
    Root = filename:absname("."),
    Pattern = "_build/test/lib/cambrian/{ebin,simulation,test}",
    Built = filelib:wildcard(filename:join(Root, Pattern)),
    [true] = lists:usort([code:add_patha(Beams) || Beams <- Built]),
    Dir = cambrian_temporary:dir(),
    try
        [Node, Strangers] = Peers = start(Dir),
        {ok, Url} = ask(Node, load, [#{root => Root}]),
        ok = ask(Strangers, flood, [#{url => Url}]),
        _ = samples(WarmUp, "warming up", Node, Dir),
        Samples = samples(60 * Minutes, "measuring", Node, Dir),
        Reports = [ask(Peer, Function, []) || Peer <- [Node, Strangers],
                                              Function <- [done, first_error]],
        Verdict = verdict(Samples, Reports, ask(Node, work, [])),
        cambrian_peers:stop(Peers),
        Verdict
    after file:del_dir_r(Dir)
    end.

start(Dir) ->
    DataDir = ["-cambrian", "data_dir", lists:flatten(io_lib:format("~p", [Dir]))],
    Started = [cambrian_peers:start_one(Name, #{args => Args})
               || {Name, Args} <- [{soaked, DataDir}, {strangers, []}]],
    ok = cambrian_peers:connect(Started),
    Started.

ask({Peer, _}, Function, Arguments) -> peer:call(Peer, cambrian_soak, Function, Arguments, 300_000).

%% Returns `[{Second, [{What, Value}]}]', one sample a second.
samples(Seconds, Doing, Node, Dir) ->
    io:format(standard_error, "~ts for ~b s~n", [Doing, Seconds]),
    Start = erlang:monotonic_time(millisecond),
    [begin
         timer:sleep(max(0, Start + 1000 * Second - erlang:monotonic_time(millisecond))),
         {(erlang:monotonic_time(millisecond) - Start) / 1000,
          ask(Node, sample, []) ++ [{disk, disk(Dir)}]}
     end || Second <- lists:seq(1, Seconds)].

disk(Dir) ->
    Add = fun(File, Sum) -> Sum + filelib:file_size(File) end,
    filelib:fold_files(Dir, "", true, Add, 0).

%%% ---- the verdict ------------------------------------------------------------------------

verdict([{_, First} | _] = Samples, [Load, Error, Flood, FloodError], Work) ->
    Points = fun(What) ->
                 [{Second, proplists:get_value(What, Values)} || {Second, Values} <- Samples]
             end,
    Trends = [{What, trend(What, Points(What))} || {What, _} <- First],
    Idle = [What || {What, 0} <- Load ++ Flood, What =/= errors],
    io:format("| | at the start | at the end | an hour | noise | |~n|---|---|---|---|---|---|~n"),
    lists:foreach(fun row/1, Trends),
    io:format("~nThe node's own work: ~ts.~nThe strangers' flood: ~ts.~nThe bridge: ~ts.~n",
              [listed(Load), listed(Flood), listed(Work)]),
    _ = [io:format("The first error: ~ts~n", [Text]) || Text <- [Error, FloodError], Text =/= none],
    _ = [io:format("Not done at all: ~p~n", [Idle]) || Idle =/= []],
    Grew = [What || {What, #{flat := false}} <- Trends],
    _ = [io:format("Not flat: ~p~n", [Grew]) || Grew =/= []],
    length(lists:sublist(Grew ++ Idle, 1)).

trend(What, Points) -> cambrian_trend:of_points(Points, least(What, element(2, hd(Points)))).

%% Returns the increase that counts as growth. For the disk it is more than two logs of the lineage
%% grow before they drop their oldest file.
least(disk, _) -> 10 * ?MIB;
least(What, Value) ->
    case is_bytes(What) of
        true -> max(?MIB, Value / 50);
        false -> 10
    end.

is_bytes(What) -> lists:member(What, [resident, total, processes, binary, ets, atom, disk]).

row({What, #{start := Start, finish := Finish, per_hour := PerHour, noise := Noise,
             flat := Flat}}) ->
    Values = [shown(What, Value) || Value <- [Start, Finish, PerHour, Noise]],
    Verdict = case Flat of true -> "flat"; false -> "GROWS" end,
    io:format("| ~ts | ~ts | ~ts | ~ts | ~ts | ~ts |~n", [title(What) | Values] ++ [Verdict]).

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
