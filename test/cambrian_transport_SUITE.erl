%% Runs the cases of the contract for each adapter, and those that are particular to an adapter.
-module(cambrian_transport_SUITE).
-include_lib("stdlib/include/assert.hrl").
-import(cambrian_wait, [until/1]).
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.test">>).

all() ->
    [{group, dist}, {group, distribution}, {group, sim}, {group, sim_that_loses},
     {group, simulation}].

%% Each adapter has a group with the contract's cases; init_per_group makes the map that the
%% contract needs.
groups() ->
    [{dist, [], cambrian_transport_contract:all()},
     {distribution, [], [a_node_that_hangs_does_not_block_others, the_oldest_blobs_are_dropped,
                         noise_harms_no_connection,
                         an_owner_that_traps_exits_hears_only_of_a_broken_connection,
                         a_closed_connection_leaves_nothing, nodes_of_a_list_find_each_other,
                         nodes_find_each_other_by_multicast, forged_beacons_are_ignored,
                         discovery_options_are_checked]},
     {sim, [], cambrian_transport_contract:all()},
     {sim_that_loses, [], cambrian_transport_contract:all()},
     {simulation, [], [virtual_time_passes_without_waiting,
                       a_healed_split_connects_the_nodes_again,
                       a_crash_of_a_machine_ends_its_connections,
                       the_seed_decides_which_messages_are_lost,
                       a_thousand_listeners_hear_a_message,
                       the_end_of_the_network_ends_its_connections,
                       options_of_the_simulated_network_are_checked]}].

init_per_group(dist, Config) -> contract(dist(), Config);
init_per_group(sim, Config) -> contract(sim(#{seed => 1, latency => {1, 50}}), Config);
init_per_group(sim_that_loses, Config) ->
    contract((sim(#{seed => 2, latency => {1, 200}, loss => 0.15}))#{lossy => true}, Config);
init_per_group(_, Config) -> Config.

end_per_group(_, Config) ->
    case proplists:get_value(contract, Config) of
        #{stop := Stop, nodes := Nodes} -> Stop(Nodes);
        undefined -> ok
    end.

contract(#{start := Start} = Setup, Config) -> [{contract, Setup#{nodes => Start(3)}} | Config].

-include("cambrian_transport_contract.hrl").

%%% ---- Erlang distribution ----------------------------------------------------------------

%% A node is `{Peer, Name}'.
dist() ->
    #{transport => cambrian_transport_dist,
      notices => true, vouches => true,
      start => fun(N) -> peers(N) end,
      stop => fun stop/1,
      kill => fun kill/1,
      run => fun run/4,
      options => fun(_Node, Realm) -> #{realm => Realm} end,
      corrupt =>
          fun(Node, #{server := Server}, Content) -> run(Node, ?MODULE, corrupt, [Server, Content])
          end}.

peers(N) ->
    Peers = cambrian_peers:start(lists:sublist([one, two, three, four], N)),
    ok = cambrian_peers:connect(Peers),
    Peers.

stop(Peers) ->
    lists:foreach(fun({Peer, _}) -> stop_peer(Peer) end, Peers).

%% A killed node is gone already.
stop_peer(Peer) ->
    try peer:stop(Peer)
    catch exit:_ -> ok
    end.

run({Peer, _}, Module, Function, Arguments) ->
    peer:call(Peer, Module, Function, Arguments, 300_000).

kill(Node) -> signal("KILL", Node).

signal(Signal, Node) -> signal_to(Signal, run(Node, os, getpid, [])).

signal_to(Signal, Os) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ Os),
    ok.

%% Runs on the node: replaces the blob of that name.
corrupt(Server, Content) ->
    _ = sys:replace_state(Server, fun(State) -> corrupted(Content, State) end),
    ok.

corrupted(Content, Map) when is_map_key(Content, Map) ->
    maps:update_with(Content,
                     fun({Age, <<First, Rest/binary>>}) -> {Age, <<(First bxor 1), Rest/binary>>}
                     end, Map);
corrupted(Content, Map) when is_map(Map) ->
    maps:map(fun(_, Value) -> corrupted(Content, Value) end, Map);
corrupted(Content, Tuple) when is_tuple(Tuple) ->
    list_to_tuple([corrupted(Content, E) || E <- tuple_to_list(Tuple)]);
corrupted(_, Other) -> Other.

%% The hanging node's channel fills up and calls to it time out. All other nodes are served as
%% before.
a_node_that_hangs_does_not_block_others(_Config) ->
    Nodes = [One, _, Three] = peers(3),
    Os = run(Three, os, getpid, []),
    try
        [A, B, C] = [joined(Node, #{}) || Node <- Nodes],
        _ = [ok = on(Node, subscribe, [H, <<"topic">>]) || {Node, _, H} <- [B, C]],
        Blob = crypto:strong_rand_bytes(700_000),
        [{ok, Content}, _] = [on(Node, send, [H, Blob]) || {Node, _, H} <- [B, C]],
        Address = on(Three, address, [element(3, C)]),
        until(fun() -> maps:get(peers, on(One, status, [element(3, A)])) =:= 2 end),
        ok = signal_to("STOP", Os),
        {Micros, ok} =
            timer:tc(fun() -> run(One, ?MODULE, flood, [element(3, A), 100, 500_000]) end),
        ?assert(Micros < 60_000_000),
        until(fun() ->
                  ok = on(One, publish, [element(3, A), <<"topic">>, <<"still here">>]),
                  lists:member({<<"topic">>, <<"still here">>}, heard(B))
              end),
        ?assertEqual({error, timeout},
                     on(One, call, [element(3, A), Address, <<"x">>, <<"x">>, 500])),
        ?assertEqual({ok, Blob}, on(One, fetch, [element(3, A), Content, 20_000])),
        ok = signal_to("CONT", Os),
        until(fun() ->
            {error, unknown_procedure} =:= on(One, call,
                                              [element(3, A), Address, <<"x">>, <<"x">>, 500]) end)
    after
        _ = os:cmd("kill -CONT " ++ Os),
        stop(Nodes)
    end.

flood(Handle, Times, Size) ->
    Bytes = binary:copy(<<7>>, Size),
    lists:foreach(fun(_) -> ok = cambrian_transport_dist:publish(Handle, <<"topic">>, Bytes) end,
                  lists:seq(1, Times)).

the_oldest_blobs_are_dropped(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Mesh} = cambrian_transport_dist:connect(#{realm => ?REALM, blob_bytes => 10_000}),
    Blobs = [First, Second, Third] = [binary:copy(<<N>>, 4000) || N <- [1, 2, 3]],
    Send = fun(Blob) -> {ok, Content} = cambrian_transport_dist:send(Mesh, Blob), Content end,
    Has =
        fun(Blob) ->
            {ok, Blob} =:= cambrian_transport_dist:fetch(Mesh, crypto:hash(sha256, Blob), 1000) end,
    _ = lists:map(Send, Blobs),
    ?assertEqual([false, true, true], lists:map(Has, Blobs)),
    %% a blob that is sent again counts as new
    _ = lists:map(Send, [Second, First]),
    ?assertEqual([true, true, false], lists:map(Has, [First, Second, Third])),
    ?assertEqual({error, not_found},
                 cambrian_transport_dist:fetch(Mesh, crypto:hash(sha256, Third), 1000)),
    ?assertEqual({error, too_large},
                 cambrian_transport_dist:send(Mesh, binary:copy(<<0>>, 10_001))),
    _ = [Send(<<N:32>>) || N <- lists:seq(1, 5000)],
    ?assertEqual([false, true], lists:map(Has, [<<1:32>>, <<5000:32>>])),
    ok = cambrian_transport_dist:disconnect(Mesh).

%% Another node sends all kinds of terms to a connection's process, and malformed requests.
noise_harms_no_connection(_Config) ->
    Nodes = [One, Two] = peers(2),
    try
        [{_, Owner, #{server := Server} = A}, {_, _, B}] = [joined(Node, #{}) || Node <- Nodes],
        ok = on(One, serve, [A, <<"answer">>, fun cambrian_transport_contract:answer/2]),
        Address = on(One, address, [A]),
        Asker = make_ref(),
        _ = [true = is_tuple({run(Two, erlang, send, [Server, Noise])})
             || Noise <- [noise, {'DOWN', Asker, process, self(), noise},
                          {cambrian_transport_dist, noise, 1, noise},
                          {too_late, self()}, {cambrian_transport_dist, Asker, 1, noise},
                          {'$gen_cast', noise},
                          {'EXIT', noise},
                          {cambrian_transport_dist, Asker, noise,
                           {procedure, <<"answer">>, <<"x">>}},
                          {cambrian_transport_dist, Asker, -1, {procedure, noise, <<"x">>}},
                          {cambrian_transport_dist, Asker, 1 bsl 70,
                           {procedure, <<"answer">>, <<"crash">>}},
                          {cambrian_transport_dist, Asker, 1, {procedure, <<"answer">>, noise}},
                          {cambrian_transport_dist, Asker, 1, {chunk, noise, -1}},
                          {cambrian_transport_dist, Asker, 1, {chunk, <<0:256>>, 1 bsl 70}}]],
        until(fun() -> {ok, <<"x">>} =:= on(Two, call, [B, Address, <<"answer">>, <<"x">>, 1000])
        end),
        ?assert(run(One, erlang, is_process_alive, [Owner]))
    after
        stop(Nodes)
    end.

%% It gets an exit signal if its connection breaks, and none if it disconnects.
an_owner_that_traps_exits_hears_only_of_a_broken_connection(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    process_flag(trap_exit, true),
    Connect = fun() -> {ok, Mesh} = cambrian_transport_dist:connect(#{realm => ?REALM}), Mesh end,
    #{server := Broken} = Connect(),
    exit(Broken, kill),
    receive {'EXIT', Broken, Why} -> ?assertEqual(killed, Why) end,
    ok = cambrian_transport_dist:disconnect(Connect()),
    receive {'EXIT', _, _} = Exit -> error(Exit) after 100 -> ok end.

%% No process and no socket, whether the owner disconnected or died.
a_closed_connection_leaves_nothing(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    There = fun() -> {lists:sort(processes()), lists:sort(erlang:ports())} end,
    Before = There(),
    Ways = [{static, ['nobody_1@127.0.0.1']}, loopback(free_port())],
    _ = [begin
             {Owner, Monitor} = spawn_monitor(fun() ->
                                    Options = #{realm => ?REALM, discovery => Way},
                                    {ok, Mesh} = cambrian_transport_dist:connect(Options),
                                    ok = cambrian_transport_dist:subscribe(Mesh, <<"topic">>),
                                    {ok, _} = cambrian_transport_dist:send(Mesh, <<"blob">>),
                                    End(Mesh)
                                end),
             receive {'DOWN', Monitor, process, Owner, _} -> ok end,
             until(fun() -> There() =:= Before end)
         end
         || Way <- Ways,
         End <- [fun cambrian_transport_dist:disconnect/1, fun(_) -> ok end,
                 fun(_) -> exit(on_purpose) end]].

%%% ---- discovery --------------------------------------------------------------------------

%% A listed node that does not exist does no harm, and a node that was away is found again.
nodes_of_a_list_find_each_other(_Config) ->
    Nodes = [One | Others] = cambrian_peers:start([one, two, three]),
    try
        Static =
            {static,
             ['nobody_1@127.0.0.1', 'no_such_host_1@host.invalid' | [Name || {_, Name} <- Others]]},
        [{_, _, Mesh} | _] =
            [joined(One, #{discovery => Static}) | [joined(Node, #{}) || Node <- Others]],
        Met = fun() -> maps:get(peers, on(One, status, [Mesh])) =:= 2 end,
        until(Met),
        _ = [run(One, erlang, disconnect_node, [Name]) || {_, Name} <- Others],
        until(fun() -> length(run(One, erlang, nodes, [])) =:= 2 end),
        until(Met)
    after
        stop(Nodes)
    end.

nodes_find_each_other_by_multicast(_Config) ->
    Nodes = cambrian_peers:start([one, two, three]),
    Port = free_port(),
    try
        Joined = [joined(Node, #{discovery => loopback(Port)}) || Node <- Nodes],
        _ = [until(fun() -> maps:get(peers, on(Node, status, [Mesh])) =:= 2 end)
             || {Node, _, Mesh} <- Joined]
    after
        stop(Nodes)
    end.

%% A sender without the cookie, or of a repeated beacon, causes no connection and no atom. A
%% listener here has the address in the beacons.
forged_beacons_are_ignored(_Config) ->
    Nodes = [One] = cambrian_peers:start([one]),
    Port = free_port(),
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Here} = inet:port(Listener),
    {ok, Socket} = gen_udp:open(0, [{multicast_if, {127, 0, 0, 1}}, {multicast_loop, true}]),
    Send = fun(Beacon) -> ok = gen_udp:send(Socket, {239, 192, 67, 66}, Port, Beacon) end,
    Name = fun(Which) -> iolist_to_binary([Which, $_, integer_to_list(Here), "@127.0.0.1"]) end,
    try
        _ = joined(One, #{discovery => loopback(Port)}),
        Now = erlang:system_time(millisecond),
        Genuine = <<First:50/binary, Byte, Rest/binary>> =
            cambrian_discovery:beacon(Name("genuine"), cambrian_test, Now),
        Wrong = [{cambrian_discovery:beacon(N, Cookie, Time), N}
                 || {N, Cookie, Time} <- [{Name("stranger"), another_cookie, Now},
                                          {Name("old"), cambrian_test, Now - 60_000},
                                          {Name("early"), cambrian_test, Now + 60_000},
                                          {<<"no name">>, cambrian_test, Now},
                                          {<<"a@b\n">>, cambrian_test, Now},
                                          {<<"a@", 255>>, cambrian_test, Now},
                                          {<<(binary:copy(<<"a">>, 300))/binary, "@b">>,
                                           cambrian_test, Now}]],
        _ = [Send(Bytes)
             || Bytes <- [<<>>, <<"noise">>, crypto:strong_rand_bytes(1000),
                          <<First/binary, (Byte bxor 1), Rest/binary>>,
                          binary:part(Genuine, 0, byte_size(Genuine) - 1)] ++
                 [Beacon || {Beacon, _} <- Wrong]],
        ?assertEqual({error, timeout}, gen_tcp:accept(Listener, 500)),
        _ = [?assertNot(run(One, ?MODULE, is_known_atom, [N])) || {_, N} <- Wrong],
        Send(Genuine),
        {ok, Attempt} = gen_tcp:accept(Listener, 300_000),
        ok = gen_tcp:close(Attempt),
        _ = [Send(Genuine) || _ <- lists:seq(1, 100)],
        ?assertEqual({error, timeout}, gen_tcp:accept(Listener, 500)),
        Send(cambrian_discovery:beacon(Name("genuine"), cambrian_test, Now + 1)),
        ?assertMatch({ok, _}, gen_tcp:accept(Listener, 300_000))
    after
        stop(Nodes)
    end.

is_known_atom(Name) ->
    try is_atom(binary_to_existing_atom(Name))
    catch error:_ -> false
    end.

discovery_options_are_checked(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Connect =
        fun(Discovery) ->
            cambrian_transport_dist:connect(#{realm => ?REALM, discovery => Discovery}) end,
    _ = [?assertMatch({error, {bad_option, {discovery, Bad, _}}}, Connect(Bad))
         || Bad <- [all, static, {static, ["one"]}, {static, [one]}, {static, 'one@127.0.0.1'},
                    {multicast, []}]],
    _ = [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      Connect({multicast, #{Name => Value}}))
         || {Name, Value} <- [{group, {127, 0, 0, 1}}, {group, "239.1.1.1"},
                              {group, {239, 1, 1, 256}}, {port, 65536}, {port, 0},
                              {interval, 0}, {interface, lo},
                              {interface, {0, 0, 0, 0, 0, 0, 0, 1}}]],
    ?assertMatch({error, {unknown_option, grp, _}}, Connect({multicast, #{grp => {239, 1, 1, 1}}})),
    %% an address that this machine does not have
    ?assertMatch({error, {multicast, _}}, Connect({multicast, #{interface => {203, 0, 113, 1}}})).

loopback(Port) -> {multicast, #{interface => {127, 0, 0, 1}, port => Port, interval => 100}}.

free_port() ->
    {ok, Socket} = gen_udp:open(0),
    {ok, Port} = inet:port(Socket),
    ok = gen_udp:close(Socket),
    Port.

%%% ---- the simulated network --------------------------------------------------------------

%% A node is `{Network, Name}'.
sim(Options) ->
    #{transport => cambrian_transport_sim,
      notices => true, vouches => true,
      start => fun(N) ->
                   Network = network(Options),
                   [{Network, Name}
                    || Name <- lists:sublist([<<"one">>, <<"two">>, <<"three">>], N)]
               end,
      stop => fun([{Network, _} | _]) -> cambrian_transport_sim:stop(Network) end,
      kill => fun({Network, Name}) -> cambrian_transport_sim:crash(Network, Name) end,
      run => fun(_Node, Module, Function, Arguments) -> apply(Module, Function, Arguments) end,
      options =>
          fun({Network, Name}, Realm) -> #{realm => Realm, network => Network, name => Name} end,
      corrupt => fun({Network, _}, _Handle, Content) -> corrupt(Network, Content) end}.

%% The cases of a group run in other processes than its init.
network(Options) ->
    {ok, Network} = cambrian_transport_sim:start(Options),
    unlink(Network),
    Network.

%% The timeout is an hour, and a message takes a minute.
virtual_time_passes_without_waiting(_Config) ->
    Network = network(#{seed => 3, latency => {60_000, 60_000}}),
    [A, B] = [connected(Network, Name) || Name <- [a, b]],
    ok = cambrian_transport_sim:serve(B, <<"answer">>, fun cambrian_transport_contract:answer/2),
    {Micros, Answer} =
        timer:tc(fun() ->
            cambrian_transport_sim:call(A, cambrian_transport_sim:address(B), <<"answer">>, <<"x">>,
                                        3_600_000) end),
    ?assertEqual({ok, <<"x">>}, Answer),
    ?assert(Micros < 60_000_000),
    ?assertEqual(120_000, cambrian_transport_sim:now(Network)),
    ok = cambrian_transport_sim:split(Network, [[<<"a">>], [<<"b">>]]),
    ?assertEqual({error, timeout},
                 cambrian_transport_sim:call(A, cambrian_transport_sim:address(B), <<"answer">>,
                                             <<"x">>, 3_600_000)),
    ?assertEqual(3_720_000, cambrian_transport_sim:now(Network)),
    cambrian_transport_sim:stop(Network).

a_healed_split_connects_the_nodes_again(_Config) ->
    Network = network(#{seed => 3, latency => {5, 50}}),
    [A, B, C] = All = [connected(Network, Name) || Name <- [a, b, c]],
    _ = [ok = cambrian_transport_sim:announce(Handle, <<"key">>) || Handle <- All],
    Sees =
        fun(Handle) -> {ok, Found} = cambrian_transport_sim:find(Handle, <<"key">>), length(Found)
        end,
    {ok, Content} = cambrian_transport_sim:send(C, <<"what c has">>),
    ?assertEqual([3, 3, 3], lists:map(Sees, All)),
    ok = cambrian_transport_sim:split(Network, [[cambrian_transport_sim:address(A), <<"b">>]]),
    ?assertEqual([2, 2, 1], lists:map(Sees, All)),
    ?assertEqual(#{connected => true, peers => 1}, cambrian_transport_sim:status(A)),
    ?assertEqual({error, timeout}, cambrian_transport_sim:fetch(B, Content, 10_000)),
    ok = cambrian_transport_sim:heal(Network),
    ?assertEqual({ok, <<"what c has">>}, cambrian_transport_sim:fetch(B, Content, 10_000)),
    ?assertEqual([3, 3, 3], lists:map(Sees, All)),
    cambrian_transport_sim:stop(Network).

%% All connections of the machine end; a machine of the same name that comes back has another
%% address.
a_crash_of_a_machine_ends_its_connections(_Config) ->
    Network = network(#{seed => 3}),
    Join =
        fun(Name) ->
            {ok, Owner, Handle} =
                cambrian_transport_contract:join(cambrian_transport_sim, on(Network, Name)),
            {Owner, Handle} end,
    [{Owner1, One}, {Owner2, _}, {Other, _}] = [Join(Name) || Name <- [a, a, b]],
    ok = cambrian_transport_sim:crash(Network, <<"a">>),
    until(fun() ->
        [is_process_alive(Pid) || Pid <- [Owner1, Owner2, Other]] =:= [false, false, true] end),
    ?assertEqual({error, disconnected}, cambrian_transport_sim:publish(One, <<"topic">>, <<"x">>)),
    {_, Back} = Join(a),
    ?assertNotEqual(cambrian_transport_sim:address(One), cambrian_transport_sim:address(Back)),
    ?assertEqual([<<"a">>, <<"b">>], maps:keys(cambrian_transport_sim:addresses(Network))),
    cambrian_transport_sim:stop(Network).

%% The seed decides which messages are lost, and all are counted.
the_seed_decides_which_messages_are_lost(_Config) ->
    Run = fun(Seed, Options) ->
              Network = network(Options#{seed => Seed, latency => {1, 100}}),
              From = connected(Network, a),
              {ok, Owner, To} =
                  cambrian_transport_contract:join(cambrian_transport_sim, on(Network, b)),
              ok = cambrian_transport_sim:subscribe(To, <<"topic">>),
              _ = [ok = cambrian_transport_sim:publish(From, <<"topic">>, <<N:32>>)
                   || N <- lists:seq(1, 1000)],
              until(fun() ->
                        #{<<"a">> := #{sent := 1000, bytes_sent := 4000}} = Traffic =
                            cambrian_transport_sim:traffic(Network),
                        Count = length(cambrian_transport_contract:tell(Owner, heard)),
                        timer:sleep(50),
                        Count =:= length(cambrian_transport_contract:tell(Owner, heard)) andalso
                            Count =:= maps:get(received,
                                               maps:get(<<"b">>, Traffic, #{received => 0}))
                    end),
              Heard =
                  [N || {<<"topic">>, <<N:32>>} <- cambrian_transport_contract:tell(Owner, heard)],
              ok = cambrian_transport_sim:stop(Network),
              Heard
          end,
    All = Run(1, #{}),
    ?assertEqual(lists:seq(1, 1000), lists:sort(All)),
    Lossy = Run(1, #{loss => 0.3}),
    ?assert(length(Lossy) > 600 andalso length(Lossy) < 800),
    ?assertEqual(lists:sort(Lossy), lists:sort(Run(1, #{loss => 0.3}))),
    ?assertNotEqual(lists:sort(Lossy), lists:sort(Run(2, #{loss => 0.3}))),
    ?assertEqual(2000, length(Run(1, #{duplication => 1.0}))),
    ?assertEqual([], Run(1, #{loss => 1.0})).

a_thousand_listeners_hear_a_message(_Config) ->
    Network = network(#{seed => 3, latency => {5, 200}}),
    Self = self(),
    Pids = [spawn_link(fun() ->
                           {ok, Mesh} =
                               cambrian_transport_sim:connect(#{realm => ?REALM,
                                                                network => Network}),
                           ok = cambrian_transport_sim:subscribe(Mesh, <<"topic">>),
                           Self ! {self(), ready},
                           receive {cambrian_transport, _, Bytes} -> Self ! {self(), Bytes} end,
                           receive stop -> ok end
                       end) || _ <- lists:seq(1, 1000)],
    _ = [receive {Pid, ready} -> ok end || Pid <- Pids],
    ok = cambrian_transport_sim:publish(connected(Network, a), <<"topic">>, <<"hello">>),
    _ = [receive {Pid, <<"hello">>} -> ok after 300_000 -> error({no_hello, Pid}) end
         || Pid <- Pids],
    _ = [begin unlink(Pid), Pid ! stop end || Pid <- Pids],
    cambrian_transport_sim:stop(Network).

the_end_of_the_network_ends_its_connections(_Config) ->
    Network = network(#{seed => 3}),
    {ok, Owner, Handle} = cambrian_transport_contract:join(cambrian_transport_sim, on(Network, a)),
    exit(Network, kill),
    until(fun() -> not is_process_alive(Owner) end),
    ?assertEqual(#{connected => false, peers => 0}, cambrian_transport_sim:status(Handle)),
    ?assertEqual({error, {transport_unavailable, sim}},
                 cambrian_transport_sim:connect(on(Network, a))).

options_of_the_simulated_network_are_checked(_Config) ->
    _ = [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      cambrian_transport_sim:start(#{seed => 1, Name => Value}))
         || {Name, Value} <- [{seed, 1.0}, {latency, 5}, {latency, {2, 1}}, {loss, 1.1},
                              {duplication, -1}]],
    ?assertEqual({error, {missing_options, [seed]}}, cambrian_transport_sim:start(#{})),
    ?assertEqual({error, {missing_options, [network]}},
                 cambrian_transport_sim:connect(#{realm => ?REALM})).

on(Network, Name) -> #{realm => ?REALM, network => Network, name => atom_to_binary(Name)}.

connected(Network, Name) ->
    {ok, Handle} = cambrian_transport_sim:connect(on(Network, Name)),
    Handle.

%%% ---- helpers -----------------------------------------------------------------------------

joined(Node, Options) ->
    {ok, Owner, Handle} =
        run(Node, cambrian_transport_contract, join,
            [cambrian_transport_dist, Options#{realm => ?REALM}]),
    {Node, Owner, Handle}.

on(Node, Function, Arguments) -> run(Node, cambrian_transport_dist, Function, Arguments).

heard({Node, Owner, _}) -> run(Node, cambrian_transport_contract, tell, [Owner, heard]).

