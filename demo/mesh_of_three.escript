#!/usr/bin/env escript
%%! -noinput
%% Three Erlang nodes on this machine evolve a controller for two poles on one cart. The controller
%% does not see velocities. The nodes share their champions.
%%
%%   SEED=7        another run (default 1); each node has a seed of its own that follows from it
%%   ISOLATED=1    no sharing: the same seed then gives the same champions, to the bit

-define(TASK, double_pole_novel).
-define(NODES, [anomalocaris, hallucigenia, opabinia]).
-define(POPULATION, 1000).
-define(REALM, <<"demo.cambrian">>).
-define(LIMIT_MS, 50_000).
%% After the first champion, the other nodes have this time to find one too.
-define(GRACE_MS, 10_000).
-define(LOOK_MS, 200).
-define(SHARE_MS, 500).
-define(OUT, "demo/out").

main(_) ->
    Root = filename:dirname(filename:dirname(filename:absname(escript:script_name()))),
    ok = file:set_cwd(Root),
    [true] = lists:usort(lists:map(fun code:add_patha/1, ebins())),
    {ok, _} = application:ensure_all_started(cambrian),
    ok = io:setopts([{encoding, unicode}]),
    Seed = number("SEED", 1),
    Isolated = number("ISOLATED", 0) =/= 0,
    introduce(Seed, Isolated),
    Nodes = [Node#{key => key(Node, Isolated)} || Node <- start_nodes(Seed, Isolated)],
    ok = each(Nodes, fun(#{peer := Peer}) -> ok = call(Peer, cambrian_population, run, [pole]) end),
    watch(Nodes, lines()),
    Records = [Node#{record => call(Peer, cambrian_recorder, read, [Recorder])}
               || #{peer := Peer, recorder := Recorder} = Node <- Nodes],
    ok = each(Nodes, fun(#{peer := Peer}) -> peer:stop(Peer) end),
    conclude(Seed, Isolated, Records).

number(Name, Default) ->
    Text = os:getenv(Name, integer_to_list(Default)),
    try list_to_integer(Text) of
        N when N >= 0, N < 1 bsl 60 -> N;
        _ -> fail("~s is ~ts; expected an integer from 0 to 2^60", [Name, Text])
    catch error:badarg -> fail("~s is ~ts; expected an integer", [Name, Text])
    end.

fail(Format, Arguments) ->
    io:format(standard_error, "demo: " ++ Format ++ "~n", Arguments),
    halt(1).

ebins() -> filelib:wildcard("_build/default/lib/*/ebin").

each(Items, Do) -> lists:foreach(Do, Items).

%% The timeout is long, because a busy machine answers slowly.
call(Peer, Module, Function, Arguments) -> peer:call(Peer, Module, Function, Arguments, 300_000).

introduce(Seed, Isolated) ->
    io:format("Double pole balancing without velocities: three nodes, three populations, "
              "seed ~b, ~s.~n"
              "Solved = balanced for 100,000 steps, then from at least 200 of 625 other starts.~n"
              "That takes some seconds, or up to a minute.~n~n",
              [Seed, case Isolated of true -> "each on its own"; false -> "sharing champions" end]).

%%% ---- nodes ------------------------------------------------------------------------------

start_nodes(Seed, Isolated) ->
    Cookie = binary_to_list(binary:encode_hex(crypto:strong_rand_bytes(16))),
    Numbered = lists:zip(?NODES, lists:seq(0, length(?NODES) - 1)),
    Nodes = [start_node(Name, 3 * Seed + Index, Cookie) || {Name, Index} <- Numbered],
    [First | Rest] = [Node || #{node := Node} <- Nodes],
    _ = [join(Nodes, First, Rest) || not Isolated],
    Nodes.

%% The nodes listen on the loopback address only. They use no epmd: the port is part of the name.
start_node(Name, Seed, Cookie) ->
    Args = ["-start_epmd", "false", "-epmd_module", "cambrian_epmd", "-setcookie", Cookie,
            "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "logger_level", "error",
            "-pa" | lists:map(fun filename:absname/1, ebins())],
    {ok, Peer, Node} = peer:start_link(#{name => lists:concat([Name, "_", free_port()]),
                                         host => "127.0.0.1", longnames => true,
                                         connection => standard_io, wait_boot => 300_000,
                                         args => Args}),
    {ok, _} = call(Peer, application, ensure_all_started, [cambrian]),
    Options = #{task => ?TASK, population => ?POPULATION, seed => Seed, name => pole,
                timeout => ?LIMIT_MS},
    {ok, _} = call(Peer, cambrian_population, start, [Options]),
    {ok, Recorder} = call(Peer, cambrian_recorder, start, [pole]),
    #{name => Name, peer => Peer, node => Node, recorder => Recorder, seed => Seed}.

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

join(Nodes, First, Rest) ->
    [#{peer := Peer} | _] = Nodes,
    each(Rest, fun(Node) -> pong = call(Peer, net_adm, ping, [Node]) end),
    io:format("~s and ~b more are one mesh.~n", [First, length(Rest)]),
    Bridge = #{realm => ?REALM, populations => [pole], publish_interval => ?SHARE_MS},
    each(Nodes, fun(#{peer := P}) -> {ok, _} = call(P, cambrian_bridge, start, [Bridge]) end).

%%% ---- watching ---------------------------------------------------------------------------

%% On a terminal, whose width `make demo' passes in COLUMNS, the lines are rewritten. Elsewhere each
%% node prints a line every two seconds.
lines() ->
    case string:to_integer(os:getenv("COLUMNS", "")) of
        {Columns, ""} when Columns > 0 -> {terminal, Columns - 1};
        _ -> {plain, 0}
    end.

watch(Nodes, Lines) ->
    Keys = maps:from_list([{Key, Name} || #{name := Name, key := Key} <- Nodes]),
    io:format("~ts~n", [row(["node", "generation", "best", "species", "evals/s", "what came in"])]),
    _ = [each(Nodes, fun(_) -> io:nl() end) || {terminal, _} <- [Lines]],
    watch(Nodes, Keys, Lines, 0, 0).

key(#{name := Name}, true) -> Name;
key(#{peer := Peer}, false) -> call(Peer, cambrian_bridge, identity, []).

watch(Nodes, Keys, Lines, Looked, Since) ->
    Pages = [{Name, call(Peer, cambrian_recorder, latest, [Recorder])}
             || #{name := Name, peer := Peer, recorder := Recorder} <- Nodes],
    Finished = length([Name || {Name, #{result := _}} <- Pages]),
    Done = Finished =:= length(Nodes) orelse Since * ?LOOK_MS >= ?GRACE_MS,
    show(Lines, [line(Name, Page, Keys) || {Name, Page} <- Pages], Looked, Done),
    case Done of
        true -> io:nl();
        false ->
            timer:sleep(?LOOK_MS),
            watch(Nodes, Keys, Lines, Looked + 1, Since + min(1, Finished))
    end.

show({terminal, Width}, Lines, _Looked, _Done) ->
    io:format("\e[~bA", [length(Lines)]),
    each(Lines, fun(Line) -> io:format("\e[K~ts~n", [string:slice(Line, 0, Width)]) end);
show({plain, _}, Lines, Looked, Done) when Done; Looked rem 10 =:= 5 ->
    each(Lines, fun(Line) -> io:format("~ts~n", [Line]) end);
show({plain, _}, _Lines, _Looked, _Done) ->
    ok.

line(Name, #{generation := G, count := Count} = Page, Keys) ->
    #{generation := Generation, best := Best, species := Species,
      evaluations_per_second := Rate} = G,
    row([Name, integer_to_list(Generation), io_lib:format("~.4f", [Best]), integer_to_list(Species),
         integer_to_list(Rate), [solved(Page), arrived(Count, Page, Keys)]]);
line(Name, _, _) ->
    atom_to_list(Name).

row(Cells) -> lists:flatten(io_lib:format("~-13s ~10s ~7s ~8s ~8s  ~ts", Cells)).

solved(#{result := #{solved := true}, count := 0}) -> "solved";
solved(#{result := #{solved := true}}) -> "solved; ";
solved(_) -> "".

arrived(0, _, _) -> "";
arrived(Count, #{received := #{from := From, fitness := Fitness, outcome := Outcome}}, Keys) ->
    io_lib:format("~b, ~s's ~.4f ~s",
                  [Count, maps:get(From, Keys, "?"), Fitness, outcome(Outcome)]).

outcome(accepted) -> "taken in";
outcome(not_better) -> "not better";
outcome(known) -> "known already";
outcome(Other) -> atom_to_list(Other).

%%% ---- the end ----------------------------------------------------------------------------

conclude(Seed, Isolated, Nodes) ->
    _ = [isolated_line(Node) || Isolated, Node <- Nodes],
    Results = [{Result, Node} || #{record := #{result := Result}} = Node <- Nodes],
    case [Found || {#{solved := true}, _} = Found <- Results] of
        [] ->
            io:format("No controller passed the trial within ~b s. Try another SEED.~n",
                      [?LIMIT_MS div 1000]),
            halt(1);
        Found ->
            ByTime = fun({#{elapsed_ms := A}, _}, {#{elapsed_ms := B}, _}) -> A =< B end,
            {Result, Node} = hd(lists:sort(ByTime, Found)),
            announce(Seed, Isolated, Result, Node, Nodes)
    end.

isolated_line(#{name := Name, seed := Seed, record := #{result := Result}}) ->
    #{champion := Bytes, generations := Generations, evaluations := Evaluations,
      solved := Solved} = Result,
    io:format("~-13s seed ~b: ~s after ~s and ~s, champion ~s~n",
              [Name, Seed, case Solved of true -> "solved"; false -> "not solved" end,
               cambrian_text:counted(Generations, "generation"),
               cambrian_text:counted(Evaluations, "evaluation"),
               hex(crypto:hash(sha256, Bytes))]).

%% Reads the champion from its bytes and repeats the trial here, instead of trusting the node.
announce(Seed, Isolated, #{champion := Bytes, fitness := Fitness} = Result, Node, Nodes) ->
    {ok, Champion} = cambrian_genotype:from_binary(Bytes),
    Network = cambrian_network:compile(Champion),
    {ok, #{solved := true, facts := Facts}} = cambrian_task:trial(?TASK, Network),
    #{nodes := Size, connections := Connections, recurrent := Recurrent} =
        cambrian_genotype:info(Champion),
    #{name := Name} = Node,
    #{generations := Generations, evaluations := Evaluations} = Result,
    Fittest = lists:max([Best || #{record := #{history := History}} <- Nodes,
                                 #{best := Best} <- History]),
    Solved = length([N || #{record := #{result := #{solved := true}}} = N <- Nodes]),
    io:format("~s found the champion first, in generation ~b, after ~s of its own and ~.1f s; "
              "~b of ~b nodes have one now.~n"
              "Fitness ~.4f~s. Tried again from its bytes: ~s, ~b of 625 starts.~n"
              "~s, ~s, ~b of them recurrent. Id ~s~n",
              [Name, Generations - 1, cambrian_text:counted(Evaluations, "evaluation"),
               maps:get(elapsed_ms, Result) / 1000, Solved, length(Nodes), Fitness,
               [io_lib:format(", and the fittest of all had ~.4f: "
                              "it is the first that passed the trial", [Fittest])
                || Fittest > Fitness],
               cambrian_text:counted(trunc(proplists:get_value(steps, Facts)), "step"),
               trunc(proplists:get_value(starts_of_625, Facts)),
               cambrian_text:counted(Size, "node"),
               cambrian_text:counted(Connections, "connection"), Recurrent,
               hex(cambrian_genotype:id(Champion))]),
    write(Seed, Isolated, Champion, Result, Facts, Node, Nodes).

write(Seed, Isolated, Champion, Result, Facts, #{name := Name}, Nodes) ->
    Picture = cambrian_svg:network(cambrian_genotype:to_map(Champion), #{labels => labels()}),
    Files = [{"champion.genotype", cambrian_genotype:to_binary(Champion)},
             {"champion.svg", Picture}],
    ok = filelib:ensure_dir(filename:join(?OUT, "x")),
    each(Files, fun({File, Bytes}) -> ok = file:write_file(filename:join(?OUT, File), Bytes) end),
    Report = filename:join(?OUT, "report.html"),
    ok = cambrian_report:write(Report, run(Seed, Isolated, Champion, Result, Facts, Name, Nodes)),
    Written = [filename:join(?OUT, File) || {File, _} <- Files] ++ [Report],
    io:format("~nWritten: ~s~n", [lists:join(", ", Written)]).

labels() ->
    #{inputs => [<<"cart x">>, <<"long pole">>, <<"short pole">>, <<"bias">>],
      outputs => [<<"force">>]}.

run(Seed, Isolated, Champion, Result, Facts, Name, Nodes) ->
    #{fitness := Fitness, generations := Generations} = Result,
    #{title => <<"Double pole balancing without velocities">>, task => ?TASK, seed => Seed,
      facts => [{<<"nodes">>, integer_to_binary(length(Nodes))},
                {<<"sharing">>,
                 case Isolated of true -> <<"no">>; false -> <<"champions, signed">> end}],
      populations => [population(Node, Nodes) || Node <- Nodes],
      champion => #{found_by => atom_to_binary(Name), generation => Generations - 1,
                    fitness => Fitness, id => hex(cambrian_genotype:id(Champion)),
                    genotype => cambrian_genotype:to_map(Champion), labels => labels(),
                    test => [{label(Fact), cambrian_text:short(Value)} || {Fact, Value} <- Facts]}}.

label(steps) -> <<"steps balanced, of 100,000">>;
label(starts_of_625) -> <<"other starts balanced, of 625">>.

population(#{name := Name, seed := Seed,
             record := #{history := History, received := Received}}, Nodes) ->
    #{name => atom_to_binary(Name), seed => Seed, history => History,
      received => [R#{from := name_of(From, Nodes)} || #{from := From} = R <- Received]}.

name_of(Key, Nodes) ->
    case [Name || #{name := Name, key := K} <- Nodes, K =:= Key] of
        [Name] -> atom_to_binary(Name);
        [] -> hex(Key)
    end.

hex(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).
