%% @private
%% The option `--federate N' of `evolve': N VMs on this machine evolve the population together.
-module(cambrian_cli_federation).

-export([with/4, be_a_node/0, start_vm/0]).

-import(cambrian_cli_reason, [usage/1, failed/1]).

-define(MOST, 64).
-define(LOOK_MS, 10).

%% @doc Calls `Do' with the options of a population. With `--federate' they are those of a
%% federation, whose other members are in VMs that end with the call.
-spec with(Task :: term(), Options :: map(), cambrian_cli_arguments:given(),
           fun((map()) -> Answer)) -> Answer.
with(Task, Options, #{federate := Count}, Do) when Count >= 1, Count =< ?MOST ->
    ok = be_a_node(),
    Members = [say_process(Number, Count, start_vm()) || Number <- lists:seq(2, Count)],
    Shared = maps:merge(#{name => federated}, Options#{federation => #{}}),
    Inviter = spawn_link(fun() -> invite(Task, Shared, Members) end),
    try Do(Shared)
    after
        unlink(Inviter),
        exit(Inviter, kill),
        _ = [catch_stop(Peer) || {Peer, _} <- Members],
        net_kernel:stop()
    end;
with(_Task, _Options, #{federate := Count}, _Do) ->
    usage(["--federate ", integer_to_list(Count), ": expected a number of VMs from 1 to ",
           integer_to_list(?MOST)]);
with(_Task, Options, _Given, Do) -> Do(Options).

say_process(Number, Count, {Peer, _} = Vm) ->
    io:format(standard_error, "node ~b of ~b: process ~ts~n",
              [Number, Count, peer:call(Peer, os, getpid, [])]),
    Vm.

%% @doc Makes this VM a node to which only this machine can connect. Its name ends in its port, so
%% no daemon is needed.
-spec be_a_node() -> ok.
be_a_node() ->
    _ = [usage("--federate: expected in a VM of its own, by bin/cambrian")
         || is_alive() orelse init:get_argument(epmd_module) =/= {ok, [["cambrian_epmd"]]}],
    ok = application:set_env(kernel, inet_dist_use_interface, {127, 0, 0, 1}),
    case net_kernel:start([list_to_atom(name() ++ "@127.0.0.1"), longnames]) of
        {ok, _} -> ok;
        {error, Reason} -> failed(io_lib:format("--federate: no node can be started: ~0tP",
                                                [Reason, 20]))
    end.

name() -> lists:concat(["cambrian_", os:getpid(), "_", free_port()]).

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

%% @doc Starts another such node with the application. It ends with this VM, whose pipe it reads. A
%% VM that is lost must not make `global' disconnect the others.
-spec start_vm() -> {Peer :: pid(), node()}.
start_vm() ->
    Args = ["-start_epmd", "false", "-epmd_module", "cambrian_epmd",
            "-kernel", "prevent_overlapping_partitions", "false",
            "inet_dist_use_interface", "{127,0,0,1}", "-pa" | own_path()],
    {ok, Peer, Node} = peer:start(#{name => name(), host => "127.0.0.1", longnames => true,
                                    connection => standard_io, args => Args}),
    {ok, _} = peer:call(Peer, application, ensure_all_started, [cambrian]),
    true = net_kernel:connect_node(Node),
    {Peer, Node}.

own_path() ->
    Library = code:lib_dir(),
    [filename:absname(Dir) || Dir <- code:get_path(), Dir =/= ".",
                              not lists:prefix(Library, Dir)].

%% The others join once the population is here.
invite(Task, #{name := Name} = Shared, Members) ->
    case cambrian_federation:is_member(Name) of
        true -> lists:foreach(fun({_, Node}) -> invite_one(Task, Shared, Node) end, Members);
        false ->
            timer:sleep(?LOOK_MS),
            invite(Task, Shared, Members)
    end.

%% The rest of the options comes with the checkpoint.
invite_one(Task, Shared, Node) ->
    Options = maps:with([name, federation, substrate, evaluation_timeout, evaluation_memory],
                        Shared),
    try erpc:call(Node, cambrian_population, start, [Options#{task => Task}]) of
        {ok, _} -> ok;
        {error, Reason} ->
            io:format(standard_error, "~ts does not take part: ~ts~n",
                      [Node, cambrian_error:format_error(Reason)])
    catch error:{erpc, Reason} ->
        io:format(standard_error, "~ts does not take part: ~0tP~n", [Node, Reason, 20])
    end.

catch_stop(Peer) ->
    try peer:stop(Peer)
    catch exit:_ -> ok
    end.
