#!/usr/bin/env escript
%%! -noinput
%% Real Erlang nodes on this machine share champions over Erlang distribution. Measures the time
%% until all nodes have a new champion, and the bytes. It needs `make build'.
%%
%%   bench/mesh_real.escript [NODES ...]     default 3 8

-mode(compile).

-define(REALM, <<"bench.cambrian">>).
-define(ROUNDS, 30).
-define(AGENTS, 20).
-define(WATCH_S, 60).
-define(PUBLISH, "{ok, G} = cambrian_genotype:from_binary(Genes), "
                 "{ok, Id} = cambrian_bridge:publish_genotype(G, "
                 "#{task => double_pole_novel, fitness => 0.0}), Id.").

main(Arguments) ->
    find_code(),
    {ok, _} = application:ensure_all_started(cambrian),
    Sizes = case Arguments of [] -> [3, 8]; _ -> lists:map(fun positive/1, Arguments) end,
    io:format("| nodes | a new champion is held by 99 %: median, worst of ~b "
              "| bytes a second a node, published | received |~n"
              "|---|---|---|---|~n", [?ROUNDS]),
    lists:foreach(fun measure/1, Sizes).

%% Finds the code of `make build' beside this script, so that no ERL_LIBS is needed.
find_code() ->
    case code:add_patha(ebin()) of
        true -> ok;
        {error, bad_directory} -> wrong("nothing is built: run `make build` first")
    end.

ebin() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    filename:join(filename:dirname(Bench), "_build/default/lib/cambrian/ebin").

wrong(Why) ->
    io:format(standard_error, "mesh_real.escript: ~ts~n", [Why]),
    halt(2).

positive(Text) ->
    case string:to_integer(Text) of
        {Number, ""} when Number > 0 -> Number;
        _ -> wrong([Text, ": expected a positive integer"])
    end.

measure(Count) ->
    Peers = [start() || _ <- lists:seq(1, Count)],
    [{First, _} | Others] = Peers,
    [pong = peer:call(First, net_adm, ping, [Node]) || {_, Node} <- Others],
    [until(fun() -> length(peer:call(Peer, erlang, nodes, [])) =:= Count - 1 end)
     || {Peer, _} <- Peers],
    [begin
         Options = #{task => double_pole_novel, name => island, population => ?AGENTS,
                     seed => Seed},
         {ok, _} = peer:call(Peer, cambrian_population, start, [Options]),
         {ok, _} = peer:call(Peer, cambrian_population, step, [island, 1]),
         Bridge = #{realm => ?REALM, populations => [island]},
         {ok, _} = peer:call(Peer, cambrian_bridge, start, [Bridge])
     end || {Seed, {Peer, _}} <- lists:zip(lists:seq(1, Count), Peers)],
    {Pids, _} = lists:unzip(Peers),
    CountPeers = fun(Peer) -> maps:get(peers, peer:call(Peer, cambrian_bridge, status, [])) end,
    [until(fun() -> CountPeers(Peer) =:= Count - 1 end) || Peer <- Pids],
    Rates = traffic(Pids),
    Times = lists:sort([spread(Round, Pids) || Round <- lists:seq(1, ?ROUNDS)]),
    Median = (lists:nth((?ROUNDS + 1) div 2, Times) + lists:nth(?ROUNDS div 2 + 1, Times)) / 2,
    io:format("| ~b | ~.1f ms, ~.1f ms | ~b | ~b |~n",
              [Count, Median, lists:last(Times), mean(bytes_published, Rates),
               mean(bytes_received, Rates)]),
    [peer:stop(Peer) || {Peer, _} <- Peers].

start() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Args = ["-start_epmd", "false", "-epmd_module", "cambrian_epmd",
            "-setcookie", "cambrian_bench", "+S", "1",
            "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "logger_level", "error",
            "-pa", ebin()],
    {ok, Peer, Node} = peer:start_link(#{name => lists:concat(["mesh_", Port]),
                                         host => "127.0.0.1", longnames => true,
                                         connection => standard_io, args => Args}),
    {ok, _} = peer:call(Peer, application, ensure_all_started, [cambrian]),
    {Peer, Node}.

until(Probe) -> until(Probe, 20).

until(Probe, Ms) ->
    case Probe() of
        true -> ok;
        false -> timer:sleep(Ms), until(Probe, Ms)
    end.

%% All nodes evolve, one generation a second, for a minute.
traffic(Peers) ->
    Before = [peer:call(Peer, cambrian_bridge, counts, []) || Peer <- Peers],
    [begin
         [{ok, _} = peer:call(Peer, cambrian_population, step, [island, 1]) || Peer <- Peers],
         timer:sleep(1000)
     end || _ <- lists:seq(1, ?WATCH_S)],
    After = [peer:call(Peer, cambrian_bridge, counts, []) || Peer <- Peers],
    lists:zip(Before, After).

mean(What, Rates) ->
    Sum = lists:sum([maps:get(What, After, 0) - maps:get(What, Before, 0)
                     || {Before, After} <- Rates]),
    Sum div (length(Rates) * ?WATCH_S).

%% Publishes a new champion, and waits until all other nodes have measured it.
spread(Round, [First | Others]) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 4, outputs => 1}, 1000 + Round),
    {ok, Grown} = cambrian_genotype:mutate(G, add_node, Round),
    Begin = erlang:monotonic_time(microsecond),
    Id = evaluate_on(First, ?PUBLISH, [{'Genes', cambrian_genotype:to_binary(Grown)}]),
    lists:foreach(fun(Peer) -> until(fun() -> has_measured(Peer, Id) end, 1) end, Others),
    (erlang:monotonic_time(microsecond) - Begin) / 1000.

has_measured(Peer, Id) ->
    [] =/= [Step || #{step := judged} = Step <- peer:call(Peer, cambrian_bridge, why, [Id])].

%% A genotype is a reference of one node, so the code that makes and publishes it runs on that node.
evaluate_on(Peer, Source, Bindings) ->
    {ok, Tokens, _} = erl_scan:string(Source),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = peer:call(Peer, erl_eval, exprs, [Expressions, Bindings]),
    Value.
