%% @doc Finds other Erlang nodes without epmd: from a list, or by beacons in the local network.
%%
%% ```
%% 1> {ok, Mesh} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>,
%%                                                   discovery => {static, ['b_41002@127.0.0.1']}}).
%% 2> ok = cambrian_transport_dist:disconnect(Mesh).
%% 3> cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>,
%%                                       discovery => {multicast, #{port => 0}}}).
%% {error,{bad_option,{port,0,<<"a port from 1 to 65535">>}}}
%% '''
%%
%% `{static, Nodes}' connects to these nodes, and tries unreachable nodes again and again.
%%
%% `{multicast, Options}' sends a beacon with the name of this node by UDP every `interval' ms
%% (default 2000), and connects to the nodes whose beacons arrive. The beacons go to the multicast
%% group `group' (default `{239, 192, 67, 66}', which routers do not pass on) and `port' (default
%% 43670), in the network of `interface' (the address of this machine in it; default `{0, 0, 0, 0}',
%% the choice of the system). A node's name must contain its port, as with {@link cambrian_epmd}, or
%% an epmd must know it.
%%
%% A beacon is authenticated with the cookie (HMAC-SHA256), so a node accepts beacons only from
%% nodes that could connect anyway. A beacon is valid for half a minute, and only if it is newer
%% than the last one from its node, so clocks must agree that far. Every machine in the network can
%% read the names of nodes, and can guess at the cookie, as with any connection that is not
%% encrypted: use a long random cookie.
-module(cambrian_discovery).
-behaviour(gen_server).

-export([is_way/1, check/1, start_link/1, beacon/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([way/0]).

-define(SEE, <<"cambrian_discovery:way()">>).

-type way() :: none | {static, [node()]}
             | {multicast,
                #{group => inet:ip4_address(), port => inet:port_number(),
                  interval => pos_integer(), interface => inet:ip4_address()}}.

-record(state, {interval = 1000 :: pos_integer(),
                nodes = [] :: [node()],
                beacons = none :: none | {gen_udp:socket(), inet:ip4_address(), inet:port_number()},
                %% the time in our last beacon, and in the last one of each name
                said = 0 :: integer(),
                heard = #{} :: #{binary() => integer()},
                connecting = #{} :: #{node() => reference()}}).

-define(MARK, "cambrian beacon", 1).
-define(FRESH_MS, 30_000).
%% The most attempts at once: one attempt can take seconds.
-define(MOST_ATTEMPTS, 16).
-define(MOST_HEARD, 10_000).

%% @private
-spec is_way(term()) -> boolean().
is_way(none) -> true;
is_way({static, Nodes}) -> is_list(Nodes) andalso lists:all(fun is_node/1, Nodes);
is_way({multicast, Options}) -> is_map(Options);
is_way(_) -> false.

is_node(Node) -> is_atom(Node) andalso is_node_name(atom_to_binary(Node)).

%% The VM keeps each atom for ever, so other names never become atoms.
is_node_name(Name) ->
    byte_size(Name) =< 255
        andalso re:run(Name, "^[A-Za-z0-9_-]+@[A-Za-z0-9_.:-]+$", [dollar_endonly]) =/= nomatch.

table() ->
    #{group => {fun is_group/1, <<"an IPv4 multicast address such as {239, 192, 67, 66}">>,
                {239, 192, 67, 66}},
      port => {fun(P) -> cambrian_options:is_positive(P) andalso P < 65536 end,
               <<"a port from 1 to 65535">>, 43670},
      interval => {fun cambrian_options:is_positive/1, <<"milliseconds">>, 2000},
      interface =>
          {fun is_address/1, <<"an IPv4 address such as {192, 168, 1, 7}">>, {0, 0, 0, 0}}}.

is_group({First, _, _, _} = Group) -> is_address(Group) andalso First >= 224 andalso First =< 239;
is_group(_) -> false.

is_address({_, _, _, _} = Address) -> inet:is_ipv4_address(Address);
is_address(_) -> false.

%% @private Checks the options of a way.
-spec check(way()) -> ok | {error, cambrian_options:error()}.
check({multicast, Options}) ->
    case cambrian_options:check(Options, table(), ?SEE) of
        {ok, _} -> ok;
        Error -> Error
    end;
check(_) -> ok.

%% @private Starts a process that is linked to its connection.
-spec start_link(way()) -> {ok, pid()} | ignore | {error, term()}.
start_link(none) -> ignore;
start_link(Way) -> gen_server:start_link(?MODULE, Way, []).

%% Traps exits: otherwise this server would outlive a parent that ends normally.
init(Way) ->
    process_flag(trap_exit, true),
    self() ! tick,
    open_way(Way).

%% A wrong setting stops the server with `shutdown': it is not a crash to report.
open_way({static, Nodes}) -> {ok, #state{nodes = Nodes}};
open_way({multicast, Options}) ->
    {ok, #{group := Group, port := Port, interval := Interval, interface := Interface}} =
        cambrian_options:check(Options, table(), ?SEE),
    case is_here(Interface) andalso open(Group, Port, Interface) of
        {ok, Socket} -> {ok, #state{interval = Interval, beacons = {Socket, Group, Port}}};
        {error, Reason} -> {stop, {shutdown, {multicast, Reason}}};
        false -> {stop, {shutdown, {multicast, eaddrnotavail}}}
    end.

%% A socket reports no error for an address that this machine does not have; it only receives
%% nothing.
is_here({0, 0, 0, 0}) -> true;
is_here(Address) ->
    {ok, Interfaces} = inet:getifaddrs(),
    lists:any(fun({_, Properties}) -> lists:member({addr, Address}, Properties) end, Interfaces).

open(Group, Port, Interface) ->
    gen_udp:open(Port, [binary, {active, once}, {ip, Group}, {reuseaddr, true}, {multicast_ttl, 1},
                        {multicast_loop, true}, {multicast_if, Interface},
                        {add_membership, {Group, Interface}}
                        | shared_port(os:type())]).

%% Allows several nodes on one machine: BSDs need SO_REUSEPORT as well.
shared_port({unix, linux}) -> [];
shared_port({unix, _}) -> [{raw, 16#ffff, 16#0200, <<1:32/native>>}];
shared_port(_) -> [].

handle_call(_, _From, State) -> {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(tick, #state{interval = Interval, nodes = Nodes} = State) ->
    _ = erlang:send_after(Interval, self(), tick),
    {noreply, lists:foldl(fun connect/2, forget_old(send_beacon(State)), Nodes)};
handle_info({udp, Socket, _, _, Bytes}, #state{beacons = {Socket, _, _}} = State) ->
    Next = receive_beacon(Bytes, State),
    ok = inet:setopts(Socket, [{active, once}]),
    {noreply, Next};
handle_info({'DOWN', Monitor, process, _, _}, #state{connecting = Connecting} = State) ->
    {noreply, State#state{connecting = maps:filter(fun(_, M) -> M =/= Monitor end, Connecting)}};
handle_info(_, State) ->
    {noreply, State}.

%%% ---- beacons ----------------------------------------------------------------------------

%% Continues while the network is down.
send_beacon(#state{beacons = {Socket, Group, Port}, said = Last} = State)
  when node() =/= nonode@nohost ->
    Time = next_time(now_ms(), Last),
    _ = gen_udp:send(Socket, Group, Port,
                     beacon(atom_to_binary(node()), erlang:get_cookie(), Time)),
    State#state{said = Time};
send_beacon(State) -> State.

%% The time in the next beacon. Other nodes ignore a beacon that is not later than the last one: if
%% the clock of this node was set back a little, the time is one ms after the last beacon.
next_time(Now, Last) when Now > Last; Last > Now + ?FRESH_MS -> Now;
next_time(_Now, Last) -> Last + 1.

%% @private
-spec beacon(Name :: binary(), Cookie :: atom(), Ms :: integer()) -> binary().
beacon(Name, Cookie, Time) ->
    Body = <<?MARK, Time:64, Name/binary>>,
    <<(mac(Cookie, Body))/binary, Body/binary>>.

mac(Cookie, Body) -> crypto:mac(hmac, sha256, atom_to_binary(Cookie), Body).

%% Decodes only an authenticated beacon.
receive_beacon(<<Mac:32/binary, Body/binary>>, State) when byte_size(Body) =< 512 ->
    case crypto:hash_equals(Mac, mac(erlang:get_cookie(), Body)) of
        true -> connect_if_new(Body, now_ms(), State);
        false -> State
    end;
receive_beacon(_, State) -> State.

connect_if_new(<<?MARK, Time:64, Name/binary>>, Now, #state{heard = Heard} = State)
  when abs(Now - Time) =< ?FRESH_MS, map_size(Heard) < ?MOST_HEARD ->
    case maps:get(Name, Heard, 0) < Time andalso is_node_name(Name) of
        true -> connect(binary_to_atom(Name), State#state{heard = Heard#{Name => Time}});
        false -> State
    end;
connect_if_new(_, _Now, State) -> State.

%% Forgets beacons that are too old, or from before a clock was set back, so that they do not refuse
%% new beacons.
forget_old(#state{heard = Heard} = State) ->
    Now = now_ms(),
    State#state{heard = maps:filter(fun(_, Time) -> abs(Now - Time) =< ?FRESH_MS end, Heard)}.

%% The clock of the machine, even if it was set just now, because it is compared with the clocks of
%% other nodes.
now_ms() -> os:system_time(millisecond).

%%% ---- connecting -------------------------------------------------------------------------

%% In a separate process: an address that does not answer takes seconds.
connect(Node, #state{connecting = Connecting} = State) ->
    case is_wanted(Node, Connecting) of
        true ->
            {_, Monitor} = spawn_monitor(fun() -> net_kernel:connect_node(Node) end),
            State#state{connecting = Connecting#{Node => Monitor}};
        false -> State
    end.

is_wanted(Node, Connecting) ->
    node() =/= nonode@nohost andalso Node =/= node() andalso map_size(Connecting) < ?MOST_ATTEMPTS
        andalso not is_map_key(Node, Connecting) andalso not lists:member(Node, nodes(connected)).
