%% Every adapter under the one contract, and what is particular to each.
-module(cambrian_transport_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.test">>).

all() -> [{group, dist}, {group, distribution}].

%% A group for each adapter, of the contract's cases; init_per_group makes the map that the contract asks for.
groups() ->
    [{dist, [], cambrian_transport_contract:all()},
     {distribution, [], [a_node_that_hangs, oldest_blobs_go, noise, an_owner_that_traps_exits, nodes_of_a_list,
                         nodes_by_multicast, forged_beacons, discovery_options]}].

init_per_group(dist, Config) -> contract(dist(), Config);
init_per_group(_, Config) -> Config.

end_per_group(_, Config) ->
    case proplists:get_value(contract, Config) of
        #{stop := Stop, nodes := Nodes} -> Stop(Nodes);
        undefined -> ok
    end.

contract(#{start := Start} = Setup, Config) -> [{contract, Setup#{nodes => Start(3)}} | Config].

-define(CONTRACT(Case), Case(Config) -> cambrian_transport_contract:run(Case, proplists:get_value(contract, Config))).

?CONTRACT(bytes_arrive_as_they_were).
?CONTRACT(no_echo).
?CONTRACT(no_more_after_unsubscribing).
?CONTRACT(topics_are_apart).
?CONTRACT(realms_do_not_meet).
?CONTRACT(twice_is_once).
?CONTRACT(two_of_one_node).
?CONTRACT(an_owner_dies).
?CONTRACT(calls_are_answered).
?CONTRACT(unknown_procedures).
?CONTRACT(handlers_that_crash).
?CONTRACT(calls_time_out).
?CONTRACT(slow_handlers_hold_up_nobody).
?CONTRACT(two_hundred_calls).
?CONTRACT(no_more_than_fifty).
?CONTRACT(nobody_is_called).
?CONTRACT(whom_to_find).
?CONTRACT(blobs).
?CONTRACT(blobs_that_nobody_has).
?CONTRACT(blobs_that_are_something_else).
?CONTRACT(blobs_vanish).
?CONTRACT(goodbye).
?CONTRACT(a_node_is_gone).
?CONTRACT(wrong_options).

%%% ---- Erlang distribution ----------------------------------------------------------------

%% A node is `{Peer, Name}'.
dist() ->
    #{transport => cambrian_transport_dist,
      start => fun(N) -> peers(N) end,
      stop => fun stop/1,
      kill => fun kill/1,
      run => fun run/4,
      options => fun(_Node, Realm) -> #{realm => Realm} end,
      corrupt => fun(Node, #{server := Server}, Content) -> run(Node, ?MODULE, corrupt, [Server, Content]) end}.

peers(N) ->
    Peers = cambrian_peers:start(lists:sublist([one, two, three, four], N)),
    ok = cambrian_peers:connect(Peers),
    Peers.

stop(Peers) ->
    _ = [catch peer:stop(Peer) || {Peer, _} <- Peers],
    ok.

run({Peer, _}, Module, Function, Arguments) -> peer:call(Peer, Module, Function, Arguments, 60_000).

kill(Node) -> signal("KILL", Node).

signal(Signal, Node) -> signal_to(Signal, run(Node, os, getpid, [])).

signal_to(Signal, Os) ->
    [] = os:cmd("kill -" ++ Signal ++ " " ++ Os),
    ok.

%% On the node: another blob by the name.
corrupt(Server, Content) ->
    _ = sys:replace_state(Server, fun(State) -> corrupted(Content, State) end),
    ok.

corrupted(Content, Map) when is_map_key(Content, Map) ->
    maps:update_with(Content, fun({Age, <<First, Rest/binary>>}) -> {Age, <<(First bxor 1), Rest/binary>>} end, Map);
corrupted(Content, Tuple) when is_tuple(Tuple) -> list_to_tuple([corrupted(Content, E) || E <- tuple_to_list(Tuple)]);
corrupted(_, Other) -> Other.

a_node_that_hangs(_) -> ok.
oldest_blobs_go(_) -> ok.
noise(_) -> ok.
an_owner_that_traps_exits(_) -> ok.
nodes_of_a_list(_) -> ok.
nodes_by_multicast(_) -> ok.
forged_beacons(_) -> ok.
discovery_options(_) -> ok.
