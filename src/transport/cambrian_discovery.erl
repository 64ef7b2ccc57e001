%% @doc How Erlang nodes find each other without epmd: from a list, or by beacons in the local network.
%%
%% ```
%% 1> {ok, Mesh} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>, discovery => {static, ['b_41002@127.0.0.1']}}).
%% 2> ok = cambrian_transport_dist:disconnect(Mesh).
%% 3> cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>, discovery => {multicast, #{port => 0}}}).
%% {error,{bad_option,{port,0,<<"a port from 1 to 65535">>}}}
%% '''
%%
%% `{static, Nodes}' connects to these nodes, and keeps trying those that are away.
%%
%% `{multicast, Options}' says every `interval' ms (default 2000) by UDP to the multicast group `group' (default
%% `{239, 192, 67, 66}', which routers do not pass on) and `port' (default 43670), on the network of `interface' (the
%% address of this machine in it; default `{0, 0, 0, 0}', the system's choice), which node is here, and connects to those
%% that say so. A name must say where the node listens, as those of {@link cambrian_epmd} do, or an epmd must know it.
%%
%% A beacon is authenticated with the cookie (HMAC-SHA256), so that only nodes that could connect anyway are listened
%% to, counts for half a minute, and only if it is newer than the last one from that node. Clocks must agree that far.
%% Who listens in the network learns the names of nodes, and something to try guesses of the cookie on, as from any
%% connection that is not encrypted: use a long random one.
-module(cambrian_discovery).
-behaviour(gen_server).

-export([is_way/1, check/1, start_link/1, beacon/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([way/0]).

-define(SEE, <<"cambrian_discovery:way()">>).

-type way() :: none | {static, [node()]}
             | {multicast, #{group => inet:ip4_address(), port => inet:port_number(), interval => pos_integer(),
                             interface => inet:ip4_address()}}.

-record(state, {interval = 1000 :: pos_integer(),
                nodes = [] :: [node()],
                beacons = none :: none | {gen_udp:socket(), inet:ip4_address(), inet:port_number()},
                %% the time in our last beacon, and in that of each name
                said = 0 :: integer(),
                heard = #{} :: #{binary() => integer()},
                connecting = #{} :: #{node() => reference()}}).

-define(MARK, "cambrian beacon", 1).
-define(FRESH_MS, 30_000).
%% An attempt can take seconds: so many at once.
-define(MOST_ATTEMPTS, 16).
-define(MOST_HEARD, 10_000).

%% @private
-spec is_way(term()) -> boolean().
is_way(none) -> true;
is_way({static, Nodes}) -> is_list(Nodes) andalso lists:all(fun is_node/1, Nodes);
is_way({multicast, Options}) -> is_map(Options);
is_way(_) -> false.

is_node(Node) -> is_atom(Node) andalso is_node_name(atom_to_binary(Node)).

%% No other has to be known to the system, which keeps each atom for ever.
is_node_name(Name) ->
    byte_size(Name) =< 255 andalso re:run(Name, "^[A-Za-z0-9_-]+@[A-Za-z0-9_.:-]+$", [dollar_endonly]) =/= nomatch.

table() ->
    #{group => {fun is_group/1, <<"an IPv4 multicast address such as {239, 192, 67, 66}">>, {239, 192, 67, 66}},
      port => {fun(P) -> cambrian_options:is_positive(P) andalso P < 65536 end, <<"a port from 1 to 65535">>, 43670},
      interval => {fun cambrian_options:is_positive/1, <<"milliseconds">>, 2000},
      interface => {fun is_address/1, <<"an IPv4 address such as {192, 168, 1, 7}">>, {0, 0, 0, 0}}}.

is_group({First, _, _, _} = Group) -> is_address(Group) andalso First >= 224 andalso First =< 239;
is_group(_) -> false.

is_address({_, _, _, _} = Address) -> inet:is_ipv4_address(Address);
is_address(_) -> false.

%% @private Of what is such a way, the options.
-spec check(way()) -> ok | {error, cambrian_options:error()}.
check({multicast, Options}) ->
    case cambrian_options:check(Options, table(), ?SEE) of
        {ok, _} -> ok;
        Error -> Error
    end;
check(_) -> ok.

%% @private Linked to the connection that it is for.
-spec start_link(way()) -> {ok, pid()} | ignore | {error, term()}.
start_link(none) -> ignore;
start_link(Way) -> gen_server:start_link(?MODULE, Way, []).

%% Traps exits, as a server that does not would outlive a parent that ends normally.
init(Way) ->
    process_flag(trap_exit, true),
    self() ! again,
    begun(Way).

%% With `shutdown', as a wrong setting is no crash to report.
begun({static, Nodes}) -> {ok, #state{nodes = Nodes}};
begun({multicast, Options}) ->
    {ok, #{group := Group, port := Port, interval := Interval, interface := Interface}} =
        cambrian_options:check(Options, table(), ?SEE),
    case is_here(Interface) andalso open(Group, Port, Interface) of
        {ok, Socket} -> {ok, #state{interval = Interval, beacons = {Socket, Group, Port}}};
        {error, Reason} -> {stop, {shutdown, {multicast, Reason}}};
        false -> {stop, {shutdown, {multicast, eaddrnotavail}}}
    end.

%% A socket says nothing of an address that this machine does not have: it stays silent.
is_here({0, 0, 0, 0}) -> true;
is_here(Address) ->
    {ok, Interfaces} = inet:getifaddrs(),
    lists:any(fun({_, Properties}) -> lists:member({addr, Address}, Properties) end, Interfaces).

open(Group, Port, Interface) ->
    gen_udp:open(Port, [binary, {active, once}, {ip, Group}, {reuseaddr, true}, {multicast_ttl, 1},
                        {multicast_loop, true}, {multicast_if, Interface}, {add_membership, {Group, Interface}}
                        | shared_port(os:type())]).

%% Several nodes on one machine: BSDs want SO_REUSEPORT for that as well.
shared_port({unix, linux}) -> [];
shared_port({unix, _}) -> [{raw, 16#ffff, 16#0200, <<1:32/native>>}];
shared_port(_) -> [].

handle_call(_, _From, State) -> {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info(again, #state{interval = Interval, nodes = Nodes} = State) ->
    _ = erlang:send_after(Interval, self(), again),
    {noreply, lists:foldl(fun connect/2, forget(say(State)), Nodes)};
handle_info({udp, Socket, _, _, Bytes}, #state{beacons = {Socket, _, _}} = State) ->
    Next = heard(Bytes, State),
    ok = inet:setopts(Socket, [{active, once}]),
    {noreply, Next};
handle_info({'DOWN', Monitor, process, _, _}, #state{connecting = Connecting} = State) ->
    {noreply, State#state{connecting = maps:filter(fun(_, M) -> M =/= Monitor end, Connecting)}};
handle_info(_, State) ->
    {noreply, State}.

%%% ---- beacons ----------------------------------------------------------------------------

%% A network that is down for a while is no reason to give up.
say(#state{beacons = {Socket, Group, Port}, said = Last} = State) when node() =/= nonode@nohost ->
    Time = stamp(now_ms(), Last),
    _ = gen_udp:send(Socket, Group, Port, beacon(atom_to_binary(node()), erlang:get_cookie(), Time)),
    State#state{said = Time};
say(State) -> State.

%% Others take none that is not later than the last: after our clock was set back a little, the next ms.
stamp(Now, Last) when Now > Last; Last > Now + ?FRESH_MS -> Now;
stamp(_Now, Last) -> Last + 1.

%% @private
-spec beacon(Name :: binary(), Cookie :: atom(), Ms :: integer()) -> binary().
beacon(Name, Cookie, Time) ->
    Body = <<?MARK, Time:64, Name/binary>>,
    <<(mac(Cookie, Body))/binary, Body/binary>>.

mac(Cookie, Body) -> crypto:mac(hmac, sha256, atom_to_binary(Cookie), Body).

%% Nothing of what is not authenticated is looked at further.
heard(<<Mac:32/binary, Body/binary>>, State) when byte_size(Body) =< 512 ->
    case crypto:hash_equals(Mac, mac(erlang:get_cookie(), Body)) of
        true -> genuine(Body, now_ms(), State);
        false -> State
    end;
heard(_, State) -> State.

genuine(<<?MARK, Time:64, Name/binary>>, Now, #state{heard = Heard} = State)
  when abs(Now - Time) =< ?FRESH_MS, map_size(Heard) < ?MOST_HEARD ->
    case maps:get(Name, Heard, 0) < Time andalso is_node_name(Name) of
        true -> connect(binary_to_atom(Name), State#state{heard = Heard#{Name => Time}});
        false -> State
    end;
genuine(_, _Now, State) -> State.

%% What is older than a beacon may be, or newer, as before a clock was set back, refuses none.
forget(#state{heard = Heard} = State) ->
    Now = now_ms(),
    State#state{heard = maps:filter(fun(_, Time) -> abs(Now - Time) =< ?FRESH_MS end, Heard)}.

%% As it is now on this machine, even if it was set a moment ago: it is compared with that of others.
now_ms() -> os:system_time(millisecond).

%%% ---- connecting -------------------------------------------------------------------------

%% In a process of its own: an address where nobody answers takes seconds.
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
