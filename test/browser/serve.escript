#!/usr/bin/env escript
%% -*- erlang -*-
%% Nodes of one mesh, the first with a dashboard, for a test that looks at it in a browser. It
%% prints the URL of the page, then answers what is asked on standard input, a line each:
%%
%%   state NAME        the state of a population on the first node, as that says itself, and its
%%                     generation
%%   banned KEY        whether it is banned there
%%   ill               starts a population whose name is meant ill
%%   begin SEARCH      starts a population of that search and name
%%   stop NAME         stops a population
%%   break             starts the process that listens anew: all connections end
%%   down, up          stops the dashboard, and starts it again on the same port
%%   end

-define(REALM, <<"org.example.browser">>).
-define(TOKEN, <<"a-token-for-the-browser">>).

main([Nodes]) ->
    [true] =
        lists:usort([code:add_patha(Ebin)
                     || Ebin <- filelib:wildcard("_build/default/lib/*/ebin")]),
    Names = lists:sublist([anomalocaris, hallucigenia, opabinia], list_to_integer(Nodes)),
    Peers = [{First, _} | Others] =
        [start_node(Name, Seed) || {Name, Seed} <- lists:zip(Names, lists:seq(1, length(Names)))],
    [pong = peer:call(First, net_adm, ping, [Node]) || {_, Node} <- Others],
    [{ok, _} = peer:call(Peer, cambrian_bridge, start, [bridge()]) || {Peer, _} <- Peers],
    [ok = peer:call(Peer, cambrian_population, run, [pole]) || {Peer, _} <- Peers],
    {ok, _} =
        peer:call(First, cambrian_population, start, [#{task => 'xor', name => gate, seed => 42}]),
    ok = peer:call(First, cambrian_population, run, [gate]),
    {ok, _} = peer:call(First, cambrian_dashboard, start, [#{port => 0, token => ?TOKEN}]),
    Url = peer:call(First, cambrian_dashboard, url, []),
    io:format("~s~n", [Url]),
    serve(First, Url),
    [peer:stop(Peer) || {Peer, _} <- Peers].

bridge() ->
    #{realm => ?REALM, populations => [pole], publish_interval => 200,
      publish_best_fitness_threshold => 0}.

start_node(Name, Seed) ->
    Args =
        ["-start_epmd", "false", "-epmd_module", "cambrian_epmd", "-setcookie", "cambrian_browser",
         "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "logger_level", "error",
         "-pa" | [filename:absname(Ebin) || Ebin <- filelib:wildcard("_build/default/lib/*/ebin")]],
    {ok, Peer, Node} =
        peer:start_link(#{name => lists:concat([Name, "_", free_port()]), host => "127.0.0.1",
                          longnames => true, connection => standard_io, args => Args}),
    {ok, _} = peer:call(Peer, application, ensure_all_started, [cambrian]),
    {ok, _} =
        peer:call(Peer, cambrian_population, start,
                  [#{task => double_pole_novel, name => pole, seed => Seed, target => 2,
                    timeout => 600_000}]),
    {Peer, Node}.

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

serve(Peer, Url) ->
    case io:get_line("") of
        eof -> ok;
        Line ->
            case string:lexemes(Line, " \n") of
                ["end"] -> ok;
                Question -> io:format("~s~n", [answer(Question, Peer, Url)]), serve(Peer, Url)
            end
    end.

answer(["state", Name], Peer, _) ->
    #{state := State, stats := #{generation := Generation}} =
        peer:call(Peer, cambrian_population_client, overview, [list_to_existing_atom(Name)]),
    io_lib:format("~s ~b", [State, Generation]);
answer(["banned", Hex], Peer, _) ->
    atom_to_list(peer:call(Peer, cambrian_trust, is_banned,
                           [?REALM, {key, binary:decode_hex(list_to_binary(Hex))}]));
answer(["ill"], Peer, _) ->
    {ok, _} =
        peer:call(Peer, cambrian_population, start,
                  [#{task => parity, name => '"><img src=x onerror=alert(1)>', seed => 1}]),
    "ok";
answer(["begin", Search], Peer, _) ->
    Name = list_to_atom(Search),
    Task = #{map_elites => maze_medium, pareto => zdt1},
    {ok, _} =
        peer:call(Peer, cambrian_population, start,
                  [#{task => maps:get(Name, Task), search => Name, name => Name, seed => 1,
                     target => 1.0e9}]),
    atom_to_list(peer:call(Peer, cambrian_population, run, [Name]));
answer(["stop", Name], Peer, _) ->
    atom_to_list(peer:call(Peer, cambrian_population, stop, [list_to_existing_atom(Name)]));
answer(["break"], Peer, _) ->
    ok = peer:call(Peer, supervisor, terminate_child, [cambrian_dashboard_sup, listener]),
    {ok, _} = peer:call(Peer, supervisor, restart_child, [cambrian_dashboard_sup, listener]),
    "ok";
answer(["down"], Peer, _) ->
    atom_to_list(peer:call(Peer, cambrian_dashboard, stop, []));
answer(["up"], Peer, Url) ->
    #{port := Port} = uri_string:parse(Url),
    {ok, _} = peer:call(Peer, cambrian_dashboard, start, [#{port => Port, token => ?TOKEN}]),
    "ok".
