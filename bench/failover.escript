#!/usr/bin/env escript
%%! -noinput +Bd -start_epmd false -epmd_module cambrian_epmd
%% Measures how long a federation is without a coordinator. Three VMs on this machine evolve one
%% population without pause. Each round ends the VM of the coordinator by SIGKILL, or suspends it by
%% SIGSTOP, waits until both others follow one new coordinator, and replaces the VM. It prints the
%% percentiles of that time. It needs `make build'.
%%
%%   bench/failover.escript ROUNDS [crash|silence]
-mode(compile).
-define(NAME, failover).
-define(MOST_MS, 60_000).

main([Rounds]) -> main([Rounds, "crash"]);
main([Rounds, How]) when How =:= "crash"; How =:= "silence" ->
    find_code(),
    ok = cambrian_cli_federation:be_a_node(),
    {ok, _} = application:ensure_all_started(cambrian),
    logger:set_primary_config(level, error),
    Vms = [{_, First} | _] = [begin_member() || _ <- [1, 2, 3]],
    ok = erpc:call(First, cambrian_population, run, [?NAME]),
    Signal = case How of "crash" -> "KILL"; "silence" -> "STOP" end,
    Times = rounds(list_to_integer(Rounds), Signal, Vms),
    io:format("~ts, ~b failovers: median ~b ms, p90 ~b, p99 ~b, longest ~b~n",
              [How, length(Times) | [percentile(P, lists:sort(Times)) || P <- [50, 90, 99, 100]]]);
main(_) ->
    io:format(standard_error, "failover.escript: expected ROUNDS, and crash or silence~n", []),
    halt(2).

find_code() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    Root = filename:dirname(Bench),
    true = code:add_patha(filename:join(Root, "_build/default/lib/cambrian/ebin")).

begin_member() ->
    {_, Node} = Vm = cambrian_cli_federation:start_vm(),
    %% so that it finds the population on them
    _ = [erpc:call(Node, net_kernel, connect_node, [Other]) || Other <- nodes(), Other =/= Node],
    Options = #{task => double_pole_novel, name => ?NAME, seed => 1, population => 500,
                target => 1.0e9, federation => #{}},
    {ok, _} = erpc:call(Node, cambrian_population, start, [Options], ?MOST_MS),
    Vm.

rounds(0, _Signal, _Vms) -> [];
rounds(Left, Signal, Vms) ->
    #{coordinator := Old, epoch := Epoch} = settled([Node || {_, Node} <- Vms]),
    {Peer, Old} = Lost = lists:keyfind(Old, 2, Vms),
    Others = Vms -- [Lost],
    Process = peer:call(Peer, os, getpid, []),
    Begin = now_ms(),
    _ = os:cmd("kill -" ++ Signal ++ " " ++ Process),
    Took = followed([Node || {_, Node} <- Others], Old, Epoch, Begin),
    _ = os:cmd("kill -KILL " ++ Process),
    [Took | rounds(Left - 1, Signal, Others ++ [begin_member()])].

%% All three vote, and follow one coordinator.
settled(Nodes) ->
    case [status(Node) || Node <- Nodes] of
        [#{coordinator := Coordinator, voters := Voters} = Status | _] = All
          when Coordinator =/= none ->
            IsOne = length(lists:usort([C || #{coordinator := C} <- All])) =:= 1,
            case IsOne andalso lists:sort(Voters) =:= lists:sort(Nodes) of
                true -> Status;
                false -> timer:sleep(20), settled(Nodes)
            end;
        _ -> timer:sleep(20), settled(Nodes)
    end.

followed(Nodes, Old, Epoch, Begin) ->
    case lists:usort([maps:with([coordinator, epoch], status(Node)) || Node <- Nodes]) of
        [#{coordinator := New, epoch := Later}] when New =/= none, New =/= Old, Later > Epoch ->
            now_ms() - Begin;
        _ ->
            true = now_ms() - Begin < ?MOST_MS,
            followed(Nodes, Old, Epoch, Begin)
    end.

status(Node) -> erpc:call(Node, cambrian_federation, status, [?NAME], ?MOST_MS).

percentile(P, Sorted) -> lists:nth(max(1, (P * length(Sorted) + 99) div 100), Sorted).

now_ms() -> erlang:monotonic_time(millisecond).
