%% What holds of the log of a federation on real nodes, whichever engine decides its records.
-module(cambrian_log_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).

-define(NAME, <<"suite">>).

all() -> [{group, quorum}, {group, quorum_with_disk}, {group, ra}].

groups() ->
    Common = [records_reach_all_members_in_order,
              the_others_go_on_when_the_coordinator_is_killed, a_late_member_catches_up],
    [{quorum, [], Common ++ [a_member_without_a_disk_comes_back_under_another_name]},
     {quorum_with_disk, [], Common ++ [all_members_come_back_with_all_records]},
     {ra, [], Common ++ [all_members_come_back_with_all_records]}].

init_per_group(ra, Config) ->
    case cambrian_ra_package:ebins() of
        {ok, Ebins} -> [{engine, cambrian_log_ra}, {disk, true}, {ebins, Ebins} | Config];
        {skip, _} = Skip -> Skip
    end;
init_per_group(Group, Config) ->
    [{engine, cambrian_log_quorum}, {disk, Group =:= quorum_with_disk}, {ebins, []} | Config].

end_per_group(_, _) -> ok.

init_per_testcase(Case, Config) ->
    Nodes = [start_node(Name, Config) || Name <- [one, two, three]],
    ok = cambrian_peers:connect(Nodes),
    [{nodes, Nodes}, {'case', Case} | Config].

end_per_testcase(_, Config) ->
    _ = [catch_stop(Peer) || {Peer, _} <- proplists:get_value(nodes, Config)],
    ok.

%% A case may have killed some.
catch_stop(Peer) -> try peer:stop(Peer) catch exit:_ -> ok end.

start_node(Name, Config) ->
    cambrian_peers:start_one(Name, #{args => ["-pa" | proplists:get_value(ebins, Config)]}).

%%% ---- cases ------------------------------------------------------------------------------

records_reach_all_members_in_order(Config) ->
    Peers = three(Config),
    ok = propose_to(20, Peers),
    [First | _] = All = [reached(20, Peer) || Peer <- Peers],
    ?assertEqual(lists:seq(0, 20), [Number || {Number, _, _, _} <- First]),
    ?assertEqual(1, length(lists:usort([without_time(Records) || Records <- All]))).

the_others_go_on_when_the_coordinator_is_killed(Config) ->
    [One, Two, Three] = three(Config),
    ok = propose_to(10, [One, Two, Three]),
    _ = [reached(10, Peer) || Peer <- [One, Two, Three]],
    {Killed, Others} = coordinator([One, Two, Three]),
    ok = propose_to(10_000, Others),
    At = kill(Killed),
    Next = [until(fun() -> first_after(At, 10, Peer) end) || Peer <- Others],
    ct:pal("~p: ~b ms from the kill of the coordinator to the next record",
           [proplists:get_value(engine, Config), lists:min(Next) - At]),
    ok = propose_to(0, Others),
    same_records(Others).

a_late_member_catches_up(Config) ->
    [{_, NodeOne} = One, Two, Late] = proplists:get_value(nodes, Config),
    ok = found(One, Config),
    ok = join(Two, NodeOne, Config),
    ok = propose_to(40, [peer_of(One), peer_of(Two)]),
    _ = [reached(40, Peer) || Peer <- [peer_of(One), peer_of(Two)]],
    ok = join(Late, NodeOne, Config),
    Records = reached(40, peer_of(Late)),
    ?assertEqual(lists:seq(0, 40), [Number || {Number, _, _, _} <- Records]),
    same_records([peer_of(One), peer_of(Two), peer_of(Late)]).

all_members_come_back_with_all_records(Config) ->
    [One, Two, Three] = three(Config),
    ok = propose_to(12, [One, Two, Three]),
    _ = [reached(12, Peer) || Peer <- [One, Two, Three]],
    _ = [ok = peer:call(Peer, cambrian_log_owner, stop, []) || Peer <- [One, Two, Three]],
    Nodes = proplists:get_value(nodes, Config),
    _ = [ok = start_owner(Node, #{}, Config) || Node <- Nodes],
    Before = [reached(12, Peer) || Peer <- [One, Two, Three]],
    [?assertEqual(lists:seq(0, 12), lists:sublist([Number || {Number, _, _, _} <- Records], 13))
     || Records <- Before],
    ok = propose_to(20, [One, Two, Three]),
    _ = [reached(20, Peer) || Peer <- [One, Two, Three]],
    same_records([One, Two, Three]).

a_member_without_a_disk_comes_back_under_another_name(Config) ->
    [{_, NodeOne}, _, {Peer, _} = Three] = proplists:get_value(nodes, Config),
    Peers = [One | _] = three(Config),
    #{member := Before} = peer:call(Peer, cambrian_log_owner, status, []),
    ok = peer:call(Peer, cambrian_log_owner, stop, []),
    ok = join(Three, NodeOne, Config),
    #{member := After} = peer:call(Peer, cambrian_log_owner, status, []),
    ?assertNotEqual(Before, After),
    Voters = until(fun() -> votes(After, One, Peers) end),
    ?assertNot(lists:member(Before, Voters)).

%%% ---- nodes ------------------------------------------------------------------------------

peer_of({Peer, _}) -> Peer.

%% The first founds a log, the others join it, and a record names all of them as voters.
three(Config) ->
    [{_, NodeOne} = One | Others] = Nodes = proplists:get_value(nodes, Config),
    ok = found(One, Config),
    _ = [ok = join(Other, NodeOne, Config) || Other <- Others],
    Peers = [peer_of(Node) || Node <- Nodes],
    _ = [reached(0, Peer) || Peer <- Peers],
    _ = until(fun() -> three_vote(Peers) end),
    Peers.

%% A record names the voters of the next, so a log grows with its records.
three_vote([One | _] = Peers) ->
    case peer:call(One, cambrian_log_owner, status, []) of
        #{voters := [_, _, _]} -> true;
        #{number := Number} -> ok = propose_to(Number + 1, Peers), false
    end.

votes(Member, One, Peers) ->
    #{voters := Voters, number := Number} = peer:call(One, cambrian_log_owner, status, []),
    case lists:member(Member, Voters) of
        true -> Voters;
        false -> ok = propose_to(Number + 1, Peers), false
    end.

found(Node, Config) -> start_owner(Node, #{found => <<"first">>}, Config).

join(Node, To, Config) -> start_owner(Node, #{members => [atom_to_binary(To)]}, Config).

start_owner({Peer, Node}, Options, Config) ->
    Dir = filename:join([proplists:get_value(priv_dir, Config), proplists:get_value('case', Config),
                         proplists:get_value(engine, Config), Node]),
    Disk = case proplists:get_value(disk, Config) of true -> #{dir => Dir}; false -> #{} end,
    All = maps:merge(Options, Disk#{name => ?NAME, engine => proplists:get_value(engine, Config)}),
    peer:call(Peer, cambrian_log_owner, start, [All], 60_000).

propose_to(Number, Peers) ->
    _ = [ok = peer:call(Peer, cambrian_log_owner, propose_to, [Number]) || Peer <- Peers],
    ok.

reached(Number, Peer) ->
    until(fun() ->
              Records = committed(Peer),
              lists:keymember(Number, 1, Records) andalso Records
          end).

committed(Peer) -> peer:call(Peer, cambrian_log_owner, committed, []).

without_time(Records) -> [{Number, Body, Hash} || {Number, Body, Hash, _} <- Records].

%% Of the numbers that all have.
same_records(Peers) ->
    All = [without_time(committed(Peer)) || Peer <- Peers],
    Most = lists:min([length(Records) || Records <- All]),
    ?assertEqual(1, length(lists:usort([lists:sublist(Records, Most) || Records <- All]))).

coordinator(Peers) ->
    [Coordinator] = [Peer || Peer <- Peers,
                             #{member := Me, coordinator := {_, Me}}
                                 <- [peer:call(Peer, cambrian_log_owner, status, [])]],
    {Coordinator, Peers -- [Coordinator]}.

%% The operating system ends the VM, which tells nobody. The time is that of the kill.
kill(Peer) ->
    Process = peer:call(Peer, os, getpid, []),
    At = erlang:system_time(millisecond),
    _ = os:cmd("kill -9 " ++ Process),
    At.

%% When a record after a number was committed after a time.
first_after(At, Number, Peer) ->
    case [Ms || {N, _, _, Ms} <- committed(Peer), N > Number + 1, Ms > At] of
        [Ms | _] -> Ms;
        [] -> false
    end.
