%% A real bridge under floods of messages and requests. The tests count bytes, calls and
%% processes.
-module(cambrian_flood_SUITE).
-include_lib("stdlib/include/assert.hrl").
-import(cambrian_wait, [until/1]).
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.test">>).
-define(MIB, 1_048_576).

all() ->
    [the_mailbox_of_the_bridge_is_bounded_in_bytes,
     a_message_that_is_too_large_does_not_reach_the_bridge,
     differences_are_made_outside_the_bridge, a_user_gets_an_answer_during_a_flood,
     nodes_that_show_proof_of_work_exchange_champions].

init_per_testcase(_, Config) -> [{nodes, cambrian_peers:start([one, two, three])} | Config].

end_per_testcase(_, Config) -> cambrian_peers:stop(proplists:get_value(nodes, Config)).

nodes_of(Config) ->
    Nodes = proplists:get_value(nodes, Config),
    ok = cambrian_peers:connect(Nodes),
    [Peer || {Peer, _} <- Nodes].

bridge(Peer, Options) ->
    {ok, _} = peer:call(Peer, cambrian_bridge, start, [Options#{realm => ?REALM}]),
    ok.

%% M11. The bridge hangs while 800 messages of a MiB come from this node and from another. At most
%% 8 MiB of them wait in its mailbox, the others are counted, and then the bridge goes on.
the_mailbox_of_the_bridge_is_bounded_in_bytes(Config) ->
    [One, Two | _] = nodes_of(Config),
    ok = bridge(One, #{}),
    until(fun() -> peer:call(Two, ?MODULE, listeners, []) =:= 1 end),
    true = peer:call(One, ?MODULE, hang, []),
    ok = peer:call(Two, ?MODULE, flood, [400], 300_000),
    {Waiting, Rest} = peer:call(One, ?MODULE, flood_a_bridge_that_hangs, [400], 300_000),
    ct:pal("waiting in the bridge's mailbox: ~b bytes; all binaries of the node: ~b bytes",
           [Waiting, Rest]),
    ?assert(Waiting =< 8 * ?MIB),
    ?assert(Rest =< 100 * ?MIB),
    #{received := Received, {rejected, overloaded} := Dropped} =
        peer:call(One, cambrian_bridge, counts, []),
    %% messages of the other node may have got lost on their way
    ?assert(Received =< 8 andalso Received + Dropped >= 400),
    ?assertMatch(#{connected := true}, peer:call(One, cambrian_bridge, status, [])).

listeners() -> length(pg:get_members(cambrian_transport_dist, {?REALM, {topic, <<"genotype">>}})).

%% Suspends the bridge until flood_a_bridge_that_hangs/1 lets it go on. A suspension ends with the
%% process that asked for it, so a process of its own does it.
hang() ->
    Asker = self(),
    Holder = spawn(fun() ->
                       Bridge = cambrian_bridge_registry:whereis_name(?REALM),
                       Asker ! {self(), erlang:suspend_process(Bridge)},
                       receive go_on -> ok end
                   end),
    true = register(holder, Holder),
    receive {Holder, Suspended} -> Suspended end.

flood_a_bridge_that_hangs(Times) ->
    Bridge = cambrian_bridge_registry:whereis_name(?REALM),
    Gate = cambrian_bridge_registry:whereis_name({gate, ?REALM}),
    ok = flood(Times),
    until(fun() -> process_info(Gate, message_queue_len) =:= {message_queue_len, 0} end),
    {messages, Messages} = process_info(Bridge, messages),
    Waiting = lists:sum([Bytes || {heard, _, Bytes} <- Messages]),
    _ = [garbage_collect(Pid) || Pid <- processes(), Pid =/= Bridge],
    Binaries = erlang:memory(binary),
    holder ! go_on,
    {Waiting, Binaries}.

flood(Times) ->
    {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    {_, Monitor} = spawn_monitor(fun() ->
                       lists:foreach(fun(N) ->
                                         Bytes = binary:copy(<<N:8>>, ?MIB - 1),
                                         ok = cambrian_transport_dist:publish(
                                                  Stranger, <<"genotype">>, Bytes),
                                         N rem 10 =:= 0 andalso erlang:garbage_collect()
                                     end, lists:seq(1, Times))
                   end),
    receive {'DOWN', Monitor, process, _, normal} -> ok end,
    ok = cambrian_transport_dist:disconnect(Stranger).

%% The gate checks only the size, and only the size reaches the bridge.
a_message_that_is_too_large_does_not_reach_the_bridge(Config) ->
    [One | _] = nodes_of(Config),
    ok = bridge(One, #{}),
    ok = peer:call(One, ?MODULE, send_too_large_here, []),
    ?assertMatch(#{received := 2, bytes_received := 0, {rejected, too_large} := 1,
                   {rejected, malformed} := 1},
                 maps:merge(#{bytes_received => 0}, peer:call(One, cambrian_bridge, counts, []))),
    ?assertMatch([#{reason := malformed}, #{reason := too_large, detail := 67_108_864}],
                 peer:call(One, cambrian_trust, refusals, [?REALM])).

send_too_large_here() ->
    send_here([crypto:strong_rand_bytes(64 * ?MIB), {not_bytes, lists:seq(1, 100_000)}]).

send_here(Messages) ->
    Gate = cambrian_bridge_registry:whereis_name({gate, ?REALM}),
    lists:foreach(fun(Message) -> Gate ! {cambrian_transport, <<"genotype">>, Message} end,
                  Messages).

%% M8. Fifty callers ask 20 times each for one of five large genotypes and name the other four as
%% bases. Twenty differences are made, each once, and none by the bridge's process.
differences_are_made_outside_the_bridge(Config) ->
    [One, Two | _] = nodes_of(Config),
    ok = bridge(One, #{}),
    Ids = peer:call(One, ?MODULE, publish_large, []),
    until(fun() -> peer:call(Two, ?MODULE, listeners, []) =:= 1 end),
    ok = peer:call(One, ?MODULE, trace_here, []),
    Answers = peer:call(Two, ?MODULE, ask_often, [Ids], 300_000),
    ?assertEqual([],
                 [Other
                  || Other <- Answers, Other =/= difference, Other =/= busy, Other =/= timeout]),
    ?assert(lists:member(difference, Answers)),
    {Bridge, By, Made} = peer:call(One, ?MODULE, traced_here, []),
    ct:pal("~b answers, ~p; differences made: ~b",
           [length(Answers),
            [{What, length([A || A <- Answers, A =:= What])} || What <- lists:usort(Answers)],
            Made]),
    ?assertNot(lists:member(Bridge, By)),
    ?assert(Made >= 4 andalso Made =< 20).

publish_large() ->
    Large =
        [begin {ok, G} = cambrian_genotype:new(#{inputs => 100, outputs => 20}, Seed), G end
         || Seed <- lists:seq(1, 5)],
    [begin
         {ok, Id} = cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => float(N)}),
         Id
     end || {N, G} <- lists:enumerate(Large)].

trace_here() ->
    Collector = spawn(fun() -> collect([]) end),
    true = register(collector, Collector),
    _ = erlang:trace(processes, true, [call, {tracer, Collector}]),
    1 = erlang:trace_pattern({cambrian_genotype, diff, 2}, true, [local]),
    ok.

collect(Seen) ->
    receive
        {trace, Pid, call, _} -> collect([Pid | Seen]);
        {seen, From} -> From ! {seen, Seen}, collect(Seen)
    end.

traced_here() ->
    collector ! {seen, self()},
    receive {seen, Seen} ->
            {cambrian_bridge_registry:whereis_name(?REALM), lists:usort(Seen), length(Seen)} end.

ask_often(Ids) ->
    {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    [Server] =
        pg:get_members(cambrian_transport_dist, {?REALM, here}) -- [maps:get(server, Stranger)],
    Address = cambrian_transport_dist:address(Stranger#{server := Server}),
    Self = self(),
    Callers =
        [spawn_link(fun() ->
            Self ! {self(), [ask(Stranger, Address, N + M, Ids) || M <- lists:seq(1, 20)]} end)
         || N <- lists:seq(1, 50)],
    Answers = lists:append([receive {Caller, Some} -> Some end || Caller <- Callers]),
    ok = cambrian_transport_dist:disconnect(Stranger),
    Answers.

ask(Stranger, Address, N, Ids) ->
    Target = lists:nth(1 + N rem 5, Ids),
    Request = cambrian_message:request(Target, Ids -- [Target]),
    case cambrian_transport_dist:call(Stranger, Address, <<"genotype">>, Request, 10_000) of
        {ok, Answer} -> {ok, Read} = cambrian_message:read_answer(Answer), element(1, Read);
        {error, Reason} -> Reason
    end.

%% Whatever waits at the gate, at most two thousand messages are before a user's call in the
%% bridge's mailbox.
a_user_gets_an_answer_during_a_flood(Config) ->
    [One | _] = nodes_of(Config),
    ok = bridge(One, #{}),
    {Before, Status} = peer:call(One, ?MODULE, call_in_a_flood, []),
    ?assert(Before =< 2000),
    ?assertMatch(#{connected := true}, Status).

call_in_a_flood() ->
    Bridge = cambrian_bridge_registry:whereis_name(?REALM),
    true = erlang:suspend_process(Bridge),
    ok = send_here([<<N:32>> || N <- lists:seq(1, 20_000)]),
    Self = self(),
    _ = spawn_link(fun() -> Self ! {status, cambrian_bridge:status()} end),
    Call = until(fun() ->
                     {messages, Messages} = process_info(Bridge, messages),
                     case lists:splitwith(fun(M) -> element(1, M) =/= '$gen_call' end, Messages) of
                         {Before, [_ | _]} -> {ok, length(Before)};
                         _ -> false
                     end
                 end),
    true = erlang:resume_process(Bridge),
    receive {status, Status} -> {element(2, Call), Status} end.

%% Two nodes that require proof of work and did it exchange champions; a third without it is
%% refused.
nodes_that_show_proof_of_work_exchange_champions(Config) ->
    [One, Two, Three] = nodes_of(Config),
    ok = bridge(One, #{capability => {work, 8}}),
    ok = bridge(Two,
                #{capability => {work, 8},
                  identity => filename:join(proplists:get_value(priv_dir, Config), "worker")}),
    ok = bridge(Three, #{}),
    _ = [until(fun() -> maps:get(peers, peer:call(Peer, cambrian_bridge, status, [])) =:= 2 end)
         || Peer <- [One, Two, Three]],
    _ = [{ok, _} = peer:call(Peer, ?MODULE, publish_here, []) || Peer <- [Two, Three]],
    Key = peer:call(Two, cambrian_bridge, identity, []),
    until(fun() ->
        maps:is_key(Key, maps:get(origins, peer:call(One, cambrian_trust, report, [?REALM]))) end),
    until(fun() ->
        maps:get(refused,
                 peer:call(One, cambrian_trust, report, [?REALM])) =:= #{not_permitted => 1} end),
    %% after a rotation the node does the work again for its new key
    {ok, New} = peer:call(Two, cambrian_bridge, rotate, []),
    {ok, _} = peer:call(Two, ?MODULE, publish_here, []),
    until(fun() -> #{origins := Origins} = peer:call(One, cambrian_trust, report, [?REALM]),
                   maps:get(received, maps:get(New, Origins, #{received => 0})) =:= 2 end).

publish_here() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 0.0}).
