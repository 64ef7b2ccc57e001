%% Starts real nodes on this machine for the suites: on loopback only, without epmd.
-module(cambrian_peers).
-export([start/1, start_one/2, stop/1, connect/1]).

%% `[{Peer, Node}]'. The application runs on each.
start(Names) -> [start_one(Name, #{}) || Name <- Names].

%% With further arguments, or with another environment.
start_one(Name, Options) ->
    Args = maps:get(args, Options, []) ++
        ["-start_epmd", "false", "-epmd_module", "cambrian_epmd", "-setcookie", "cambrian_test",
"-kernel", "inet_dist_use_interface", "{127,0,0,1}",
"-pa" | [Dir || Dir <- code:get_path(), string:find(Dir, "cambrian") =/= nomatch]],
    {ok, Peer, Node} =
        peer:start(#{name => lists:concat([Name, "_", free_port()]), host => "127.0.0.1",
                     longnames => true, connection => standard_io, wait_boot => 300_000,
                     args => Args,
                     env => maps:get(env, Options, [])}),
    {ok, _} = peer:call(Peer, application, ensure_all_started, [cambrian]),
    {Peer, Node}.

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

%% Connects all nodes with each other.
connect([{First, _} | Rest]) ->
    [pong = peer:call(First, net_adm, ping, [Node]) || {_, Node} <- Rest],
    ok.

stop(Nodes) -> [peer:stop(Peer) || {Peer, _} <- Nodes], ok.
