%% Macula under the contract of all transports: a fake with the same calls and traps, and, where
%% the environment names them, the real library and its relays. See docs/macula.md.
-module(cambrian_transport_macula_SUITE).
-include_lib("stdlib/include/assert.hrl").
-import(cambrian_wait, [until/1]).
-compile([export_all, nowarn_export_all]).

-define(T, cambrian_transport_macula).

all() ->
    [{group, fake},
     {group, traps} | case real() of {ok, _, _} -> [{group, real}]; skip -> [the_real_one] end].

groups() ->
    [{fake, [], [a_champion_reaches_another_node | cambrian_transport_contract:all()]},
     {traps, [], [a_stopped_relay_is_noticed_by_its_silence,
                  a_closed_pool_evicts_no_later_connection, each_seed_has_its_own_expected_key,
                  messages_arrive_if_one_of_two_relays_stops,
                  a_seed_with_a_wrong_key_does_not_harm_the_other,
                  relays_that_lose_each_other_are_noticed, a_blob_over_a_dead_link_is_an_error,
                  an_early_fetch_waits_for_its_blob, no_genuine_envelope_counts_as_a_replay,
                  wrong_seeds_are_refused, a_relay_may_start_after_its_nodes,
                  two_connections_of_one_key_do_not_kill_their_owners,
                  one_key_may_connect_to_two_realms, a_refused_key_is_an_error,
                  each_message_is_delivered_once, transfers_at_once_are_bounded,
                  a_message_that_is_too_large_is_refused, records_of_other_keys_are_ignored,
                  only_known_versions_of_macula_are_used]},
     {real, [], [a_champion_reaches_another_node | cambrian_transport_contract:all()]}].

suite() -> [{timetrap, {minutes, 4}}].

the_real_one(_) ->
    {skip, "CAMBRIAN_MACULA and CAMBRIAN_MACULA_RELAYS do not say where it is: see docs/macula.md"}.

init_per_suite(Config) -> [{fake, fake(Config)} | Config].

end_per_suite(_) -> ok.

%% A folder of libraries that has only the fake.
fake(Config) ->
    Libraries = filename:join(proplists:get_value(priv_dir, Config), "macula_fake"),
    Ebin = ebin(Libraries),
    ok = filelib:ensure_path(Ebin),
    Sources = proplists:get_value(data_dir, Config),
    _ = [{ok, _} = compile:file(File, [report, {outdir, Ebin}])
         || File <- filelib:wildcard(filename:join(Sources, "*.erl"))],
    {ok, _} = file:copy(filename:join(Sources, "macula.app"), filename:join(Ebin, "macula.app")),
    Libraries.

ebin(Libraries) -> filename:join([Libraries, "macula", "ebin"]).

init_per_group(fake, Config) ->
    Fake = proplists:get_value(fake, Config),
    true = code:add_pathz(ebin(Fake)),
    {ok, Relay} = macula_fake_relay:start(0),
    Setup = setup([#{seeds => [macula_fake_relay:url(Relay)]}], Fake),
    Corrupt = fun(_Node, _Handle, Content) -> macula_fake_relay:corrupt(Relay, Content) end,
    [{contract, start(Setup#{corrupt => Corrupt})} | Config];
init_per_group(traps, Config) ->
    true = code:add_pathz(ebin(proplists:get_value(fake, Config))),
    {ok, _} = application:ensure_all_started(macula),
    Config;
init_per_group(real, Config) ->
    {ok, Libraries, Relays} = real(),
    Setup = setup(Relays, Libraries),
    [{contract, start(Setup#{patience => 45_000, settle => 500})} | Config].

end_per_group(Group, Config) ->
    _ = Group =:= real orelse code:del_path(ebin(proplists:get_value(fake, Config))),
    case proplists:get_value(contract, Config) of
        #{stop := Stop, nodes := Nodes} -> Stop(Nodes);
        undefined -> ok
    end.

%% Each relay is `quic://host:port/<node id in hexadecimal digits>'.
real() ->
    case {os:getenv("CAMBRIAN_MACULA"), os:getenv("CAMBRIAN_MACULA_RELAYS")} of
        {Libraries, Relays} when is_list(Libraries), is_list(Relays) ->
            {ok, Libraries, [relay(Relay) || Relay <- string:lexemes(Relays, " ,")]};
        _ -> skip
    end.

relay(Relay) ->
    [Url, Id] = string:split(list_to_binary(Relay), "/", trailing),
    #{seeds => [Url], expected_node_id => binary:decode_hex(Id)}.

%% The nodes are spread over the relays in turn.
setup(Relays, Libraries) ->
    #{transport => ?T,
      start =>
          fun(N) -> nodes_of(lists:sublist(lists:append(lists:duplicate(N, Relays)), N), Libraries)
          end,
      stop => fun(Nodes) -> lists:foreach(fun stop/1, Nodes) end,
      kill => fun(Node) -> [] = os:cmd("kill -KILL " ++ run(Node, os, getpid, [])), ok end,
      run => fun run/4,
      options => fun({_, Relay}, Realm) -> Relay#{realm => Realm} end}.

%% A killed node is gone already.
stop({Peer, _}) ->
    try peer:stop(Peer)
    catch exit:_ -> ok
    end.

start(#{start := Start} = Setup) -> Setup#{nodes => Start(3)}.

nodes_of(Relays, Libraries) ->
    true = os:putenv("ERL_LIBS", Libraries),
    Names = lists:sublist([one, two, three, four], length(Relays)),
    [{Peer, Relay} || {{Peer, _}, Relay} <- lists:zip(cambrian_peers:start(Names), Relays)].

run({Peer, _}, Module, Function, Arguments) ->
    peer:call(Peer, Module, Function, Arguments, 300_000).

-include("cambrian_transport_contract.hrl").

%% The champion of one node reaches another that has only the mesh in common, which measures it
%% and takes it in.
a_champion_reaches_another_node(Config) ->
    #{nodes := [One, Two | _]} = proplists:get_value(contract, Config),
    Realm = iolist_to_binary(["org.example.", binary:encode_hex(crypto:strong_rand_bytes(4))]),
    _ = [begin
             {ok, _} =
                 run(Node, cambrian_population, start,
                     [#{task => 'xor', name => travelling, seed => Seed}]),
             {ok, _} = run(Node, cambrian_population, step, [travelling, 1]),
             {ok, _} =
                 run(Node, cambrian_bridge, start,
                     [#{realm => Realm, transport => ?T, transport_options => Relay,
                        populations => [travelling]}])
         end || {Seed, {_, Relay} = Node} <- [{42, One}, {7, Two}]],
    ok = run(One, cambrian_population, run, [travelling]),
    {ok, #{fitness := Fitness}} = run(One, cambrian_population, await, [travelling, 30_000]),
    Origin = run(One, cambrian_bridge, identity, []),
    until(fun() ->
              case run(Two, cambrian_bridge, global_best, []) of
                  #{<<"xor">> := #{fitness := Best, origin := From}} ->
                      {Best, From} =:= {Fitness, Origin};
                  _ -> false
              end
          end),
    ?assertMatch({ok, #{fitness := Fitness}}, run(Two, cambrian_population, best, [travelling])),
    _ = [run(Node, Module, stop, Arguments) || Node <- [One, Two],
                                               {Module, Arguments} <- [{cambrian_bridge, []},
                                                                       {cambrian_population,
                                                                        [travelling]}]],
    ok.

%%% ---- traps, in this node ----------------------------------------------------------------

-define(REALM, <<"org.example.traps">>).

relay() ->
    {ok, Relay} = macula_fake_relay:start(0),
    {Relay,
     #{realm => ?REALM, seeds => [macula_fake_relay:url(Relay)], heartbeat_ms => 100,
       silence_ms => 1000}}.

joined(Options) ->
    {ok, Handle} = ?T:connect(Options),
    Handle.

is_connected(Handle) -> maps:get(connected, ?T:status(Handle)).

hears(To, From, Bytes) ->
    ok = ?T:subscribe(To, <<"topic">>),
    until(fun() ->
              _ = ?T:publish(From, <<"topic">>, Bytes),
              receive {cambrian_transport, <<"topic">>, Bytes} -> true after 50 -> false end
          end).

%% For seconds Macula reports healthy links and accepts messages, although its relay has stopped.
a_stopped_relay_is_noticed_by_its_silence(_) ->
    {Relay, Options} = relay(),
    Url = macula_fake_relay:url(Relay),
    Port = binary_to_integer(lists:last(binary:split(Url, <<":">>, [global]))),
    [One, Two] = [joined(Options#{silence_ms => 2000}) || _ <- [1, 2]],
    ok = ?T:serve(Two, <<"answer">>, fun(Bytes, _From) -> Bytes end),
    ok = ?T:announce(Two, <<"key">>),
    true = is_connected(One),
    ok = macula_fake_relay:stop(Relay),
    until(fun() -> not is_connected(One) end),
    ?assertEqual({ok, #{healthy_links => 1}}, macula:status(pool(One))),
    ?assertEqual(ok, ?T:publish(One, <<"topic">>, <<"lost">>)),
    {ok, _} = macula_fake_relay:start(Port),
    until(fun() -> is_connected(One) andalso is_connected(Two) end),
    %% everything works again
    hears(One, Two, <<"hello">>),
    until(fun() -> {ok, <<"x">>} =:= ?T:call(One, ?T:address(Two), <<"answer">>, <<"x">>, 1000)
    end),
    until(fun() -> {ok, [?T:address(Two)]} =:= ?T:find(One, <<"key">>) end),
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

pool(#{table := Table}) -> ets:lookup_element(Table, pool, 2).

port(Relay) ->
    binary_to_integer(lists:last(binary:split(macula_fake_relay:url(Relay), <<":">>, [global]))).

%% A closed pool that still dials would evict the connection of its successor once the relay is
%% back.
a_closed_pool_evicts_no_later_connection(_) ->
    {Relay, Options} = relay(),
    Port = port(Relay),
    ok = application:set_env(macula, blocking_dial_ms, 30_000),
    try
        One = joined(Options),
        ok = macula_fake_relay:stop(Relay),
        until(fun() -> maps:get(renewed, ?T:status(One)) >= 3 andalso is_dialling(One) end),
        {ok, Again} = macula_fake_relay:start(Port),
        until(fun() -> is_connected(One) end),
        #{renewed := Renewed} = ?T:status(One),
        %% longer than the pause of a closed pool between two dials
        Until = erlang:monotonic_time(millisecond) + 4000,
        until(fun() -> erlang:monotonic_time(millisecond) > Until end),
        ?assertEqual(0, macula_fake_relay:evictions(Again)),
        ?assertMatch(#{connected := true, renewed := Renewed}, ?T:status(One)),
        ok = ?T:disconnect(One)
    after
        ok = application:unset_env(macula, blocking_dial_ms)
    end.

%% Whether a new pool dials, which is younger than the closed ones.
is_dialling(#{table := Table}) -> ets:member(Table, pool).

seed(Relay) -> #{url => macula_fake_relay:url(Relay), node_id => macula_fake_relay:node_id(Relay)}.

healthy(Handle) ->
    {ok, #{healthy_links := Healthy}} = macula:status(pool(Handle)),
    Healthy.

%% The expected key belongs to a seed: as an option of the pool it would be that of all relays.
each_seed_has_its_own_expected_key(_) ->
    {A, Options} = relay(),
    {B, _} = relay(),
    One = joined(Options#{seeds => [seed(A), seed(B)]}),
    until(fun() -> healthy(One) =:= 2 end),
    ?assertEqual([1, 1], [macula_fake_relay:connections(Relay) || Relay <- [A, B]]),
    ok = ?T:disconnect(One),
    %% a relay with another key than expected is not used, whether the seed or the option has the
    %% key
    Wrong = joined(Options#{seeds => [seed(A), (seed(B))#{node_id := <<1:256>>}]}),
    ?assert(is_connected(Wrong)),
    ?assertEqual(1, healthy(Wrong)),
    ok = ?T:disconnect(Wrong),
    Old =
        joined(Options#{seeds => [macula_fake_relay:url(A), seed(B)],
                        expected_node_id => macula_fake_relay:node_id(A)}),
    until(fun() -> healthy(Old) =:= 2 end),
    ok = ?T:disconnect(Old),
    Neither =
        joined(Options#{seeds => [macula_fake_relay:url(A)], expected_node_id => <<1:256>>,
                        connect_ms => 500}),
    ?assertNot(is_connected(Neither)),
    ok = ?T:disconnect(Neither).

%% A link that ends at once may end the pool, and with it the link to the right relay.
a_seed_with_a_wrong_key_does_not_harm_the_other(_) ->
    {A, Options} = relay(),
    {B, _} = relay(),
    Other = joined(Options#{seeds => [seed(A)], silence_ms => 60_000}),
    ok = application:set_env(macula, fragile, true),
    try
        One =
            joined(Options#{seeds => [seed(A), (seed(B))#{node_id := <<1:256>>}],
                            silence_ms => 60_000}),
        until(fun() -> maps:get(renewed, ?T:status(One)) >= 1 andalso is_dialling(One) end),
        #{renewed := Renewed} = ?T:status(One),
        %% several times the life of a pool with that seed
        Sent = [<<N:32>> || N <- lists:seq(1, 50)],
        ok = ?T:subscribe(One, <<"topic">>),
        _ = [begin ok = ?T:publish(Other, <<"topic">>, Bytes), timer:sleep(100) end
             || Bytes <- Sent],
        ?assertEqual(Sent,
                     lists:usort([receive {cambrian_transport, <<"topic">>, Bytes} ->
                             Bytes after 5000 -> lost end || _ <- Sent])),
        ?assertMatch(#{connected := true, renewed := Renewed}, ?T:status(One)),
        ok = ?T:disconnect(One)
    after
        ok = application:unset_env(macula, fragile)
    end,
    ok = ?T:disconnect(Other).

%% Macula reports a healthy link long after its relay has stopped, so messages also go over the
%% other link.
messages_arrive_if_one_of_two_relays_stops(_) ->
    {A, Options} = relay(),
    {B, _} = relay(),
    Both = Options#{seeds => [seed(A), seed(B)]},
    [One, Two] = [joined(Both) || _ <- [1, 2]],
    ok = ?T:subscribe(Two, <<"topic">>),
    until(fun() -> [2, 2] =:= [healthy(Handle) || Handle <- [One, Two]] end),
    hears(Two, One, <<"before">>),
    ok = macula_fake_relay:stop(A),
    ?assertEqual(2, healthy(One)),
    hears(Two, One, <<"after">>),
    ?assert(is_connected(One) andalso is_connected(Two)),
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

%% Each relay still serves its own nodes but passes nothing to the other, which a node cannot see
%% by its own messages.
relays_that_lose_each_other_are_noticed(_) ->
    {A, Options} = relay(),
    {B, Others} = relay(),
    ok = macula_fake_relay:meet(A, B),
    [One, Two] = [joined(Options), joined(Others)],
    Meets =
        fun(Handle) ->
            #{connected := Is, others_silent_ms := Ms} = ?T:status(Handle),
            Is andalso is_integer(Ms) end,
    until(fun() -> Meets(One) andalso Meets(Two) end),
    ok = macula_fake_relay:lose(A, B),
    until(fun() -> not is_connected(One) andalso not is_connected(Two) end),
    ?assert(lists:all(fun(Handle) -> maps:get(silent_ms, ?T:status(Handle)) < 1000 end,
                      [One, Two])),
    ok = macula_fake_relay:meet(A, B),
    until(fun() -> is_connected(One) andalso is_connected(Two) end),
    %% a node that disconnects is not missed
    ok = ?T:disconnect(Two),
    until(fun() -> maps:get(others_silent_ms, ?T:status(One)) =:= never end),
    ?assertMatch(#{connected := true, heard := 0}, ?T:status(One)),
    ok = ?T:disconnect(One).

%% Also before the transport has noticed it.
a_blob_over_a_dead_link_is_an_error(_) ->
    {Relay, Options} = relay(),
    One = joined(Options#{silence_ms => 60_000}),
    {ok, _} = ?T:send(One, <<"over a live one">>),
    {ok, [#{pid := Link}]} = macula:links(pool(One)),
    Monitor = monitor(process, Link),
    ok = macula_fake_relay:stop(Relay),
    ?assertEqual({ok, #{healthy_links => 1}}, macula:status(pool(One))),
    ?assertEqual({error, disconnected}, ?T:send(One, binary:copy(<<"blob">>, 1000))),
    receive {'DOWN', Monitor, process, Link, Reason} -> ?assertEqual(normal, Reason)
    after 0 -> true = demonitor(Monitor)
    end,
    ok = ?T:disconnect(One).

%% A blob cannot be fetched in the first moment after it was sent.
an_early_fetch_waits_for_its_blob(_) ->
    {Relay, Options} = relay(),
    ok = macula_fake_relay:late(Relay, 500),
    [One, Two] = [joined(Options) || _ <- [1, 2]],
    {ok, Content} = ?T:send(One, <<"news">>),
    ?assertEqual({ok, <<"news">>}, ?T:fetch(Two, Content, 10_000)),
    %% the fetch waits no longer than its timeout, and never for ever
    {ok, Later} = ?T:send(One, <<"more news">>),
    ?assertMatch({error, _}, ?T:fetch(Two, Later, 100)),
    ?assertEqual({error, not_found}, ?T:fetch(Two, <<0:256>>, infinity)),
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

%% All envelopes of a burst within the rate arrive in reverse order.
no_genuine_envelope_counts_as_a_replay(_) ->
    {Relay, Options} = relay(),
    [One, Two] = [joined(Options) || _ <- [1, 2]],
    ok = ?T:subscribe(Two, <<"genotype">>),
    hears(Two, One, <<"before">>),
    ok = macula_fake_relay:backwards(Relay, 300),
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    Realm = cambrian_realm:new(#{name => ?REALM, rate => {5, 300}}),
    Now = os:system_time(millisecond),
    _ = [begin
             {ok, Bytes} =
                 cambrian_envelope:seal(#{realm => ?REALM, task => <<"xor">>, fitness => 1.0,
                                          generation => 0,
                                          sequence => N, time => Now}, Genotype, <<1:256>>),
             ok = ?T:publish(One, <<"genotype">>, Bytes)
         end || N <- lists:seq(1, 300)],
    Taken = lists:foldl(fun(_, R) ->
                            receive {cambrian_transport, <<"genotype">>, Bytes} ->
                                {ok, _, Claims} = cambrian_envelope:read(Bytes),
                                element(2, cambrian_realm:ask({genuine, Claims}, Now, R))
                            after 60_000 -> error(lost)
                            end
                        end, Realm, lists:seq(1, 300)),
    #{refused := Refused, origins := Origins} = cambrian_realm:report(Taken),
    ?assertEqual({#{}, [300]},
                 {Refused, [Received || #{received := Received} <- maps:values(Origins)]}),
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

wrong_seeds_are_refused(_) ->
    Url = <<"quic://127.0.0.1:1">>,
    _ = [?assertMatch({error, {bad_option, {seeds, Seeds, _}}},
                      ?T:connect(#{realm => ?REALM, seeds => Seeds}))
         || Seeds <- [[], none, [Url | Url], [<<"quic://relay.example.org">>], [<<"127.0.0.1:1">>],
                      [#{url => Url}],
                      [#{url => Url, node_id => <<1:128>>}], [#{url => <<>>, node_id => <<1:256>>}],
                      [#{url => Url, node_id => <<1:256>>, nodeid => 1}], [Url, Url],
                      [Url, #{url => Url, node_id => <<1:256>>}]]].

a_relay_may_start_after_its_nodes(_) ->
    {Relay, Options} = relay(),
    Port =
        binary_to_integer(lists:last(binary:split(macula_fake_relay:url(Relay), <<":">>,
                                                  [global]))),
    ok = macula_fake_relay:stop(Relay),
    [One, Two] = [joined(Options#{connect_ms => 50}) || _ <- [1, 2]],
    false = is_connected(One),
    ?assertMatch({error, _}, ?T:publish(One, <<"topic">>, <<"x">>)),
    ok = ?T:subscribe(One, <<"topic">>),
    {ok, _} = macula_fake_relay:start(Port),
    until(fun() -> is_connected(One) end),
    hears(One, Two, <<"hello">>),
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

%% Two connections with one key evict each other: neither owner may die, and the one that stays
%% works.
two_connections_of_one_key_do_not_kill_their_owners(_) ->
    {_, Options} = relay(),
    Shared = Options#{identity => fun() -> <<7:256>> end},
    One = joined(Shared),
    Two = joined(Shared),
    ?assertEqual(?T:address(One), ?T:address(Two)),
    until(fun() -> not (is_connected(One) andalso is_connected(Two)) end),
    ok = ?T:disconnect(Two),
    until(fun() -> maps:get(silent_ms, ?T:status(One)) < 300 end),
    ok = ?T:disconnect(One).

%% A node may be in two realms with one identity.
one_key_may_connect_to_two_realms(_) ->
    {Relay, Options} = relay(),
    Handles =
        [joined(Options#{identity => fun() -> <<7:256>> end, realm => Realm})
         || Realm <- [<<"org.example.a">>, <<"org.example.b">>]],
    timer:sleep(300),
    ?assertEqual([true, true], [is_connected(Handle) || Handle <- Handles]),
    ?assertEqual(2, macula_fake_relay:connections(Relay)),
    ?assertEqual(?T:address(hd(Handles)),
                 begin ok = ?T:disconnect(hd(Handles)),
                       ?T:address(joined(Options#{identity => fun() -> <<7:256>> end,
                                                  realm => <<"org.example.a">>}))
                 end).

a_refused_key_is_an_error(_) ->
    {Relay, Options} = relay(),
    One = joined(Options#{identity => fun() -> <<8:256>> end}),
    ok = macula_fake_relay:refuse(Relay, binary:decode_hex(?T:address(One))),
    ok = ?T:disconnect(One),
    Again = joined(Options#{identity => fun() -> <<8:256>> end, connect_ms => 200}),
    until(fun() -> {ok, #{healthy_links => 1}} =:= macula:status(pool(Again)) end),
    ?assertNot(is_connected(Again)),
    ok = ?T:disconnect(Again).

%% Repeated messages are delivered once, and no message of a burst is lost.
each_message_is_delivered_once(_) ->
    {_, Options} = relay(),
    [One, Two] = [joined(Options) || _ <- [1, 2]],
    ok = ?T:subscribe(One, <<"burst">>),
    ok = ?T:subscribe(Two, <<"burst">>),
    Sent = [<<N:32>> || N <- lists:seq(1, 2000)],
    _ = [ok = ?T:publish(Two, <<"burst">>, Bytes) || Bytes <- Sent],
    Heard =
        [receive {cambrian_transport, <<"burst">>, Bytes} -> Bytes after 2000 -> lost end
         || _ <- Sent],
    ?assertNotEqual(Sent, Heard),
    ?assertEqual(Sent, lists:sort(Heard)),
    receive {cambrian_transport, <<"burst">>, _} -> error(twice) after 200 -> ok end,
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

%% With more than a hundred streams the connection would break.
transfers_at_once_are_bounded(_) ->
    {Relay, Options} = relay(),
    One = joined(Options),
    Asker = self(),
    _ = [spawn_link(fun() -> Asker ! {sent, ?T:send(One, <<N:32>>)} end) || N <- lists:seq(1, 200)],
    Answers = [receive {sent, Answer} -> Answer end || _ <- lists:seq(1, 200)],
    ?assert(length([ok || {ok, _} <- Answers]) >= 10),
    ?assertEqual([{error, busy}], lists:usort([Error || {error, _} = Error <- Answers])),
    ?assert(macula_fake_relay:most_streams(Relay) =< 50),
    ?assert(is_connected(One)),
    ok = ?T:disconnect(One).

%% A message of 16 MB would end all traffic without an error.
a_message_that_is_too_large_is_refused(_) ->
    {Relay, Options} = relay(),
    One = joined(Options),
    ?assertEqual({error, too_large}, ?T:publish(One, <<"topic">>, binary:copy(<<0>>, 16 bsl 20))),
    ?assertEqual({error, too_large},
                 ?T:call(One, ?T:address(One), <<"x">>, binary:copy(<<0>>, 16 bsl 20), 1000)),
    ok = ?T:serve(One, <<"large">>, fun(_, _From) -> binary:copy(<<0>>, 16 bsl 20) end),
    ?assertEqual({error, too_large}, ?T:call(One, ?T:address(One), <<"large">>, <<>>, 1000)),
    ?assert(macula_fake_relay:largest(Relay) < 1 bsl 20),
    until(fun() -> is_connected(One) end),
    ok = ?T:disconnect(One).

%% A record of our type counts only if the key it is about has signed it.
records_of_other_keys_are_ignored(_) ->
    {_, Options} = relay(),
    One = joined(Options),
    Key = cambrian_macula_10:key(<<"another">>),
    {ok, Pool} = macula:connect(maps:get(seeds, Options), #{identity => Key}),
    until(fun() -> {ok, #{healthy_links => 1}} =:= macula:status(Pool) end),
    ok = ?T:announce(One, <<"key">>),
    Subject = crypto:hash(sha256, [macula_realm:id(?REALM), <<"key">>]),
    <<Bits:4, _/bitstring>> = Subject,
    _ = [ok = cambrian_macula_10:put_record(Pool,
                                            cambrian_macula_10:sign(16#c0 + Bits, S, Value, 60000,
                                                                    Key))
         || {S, Value} <- [{<<1:256>>, <<2:256>>}, {<<2:256>>, <<>>}]],
    ?assertEqual({ok, [?T:address(One)]}, ?T:find(One, <<"key">>)),
    ok = cambrian_macula_10:put_record(Pool,
                                       cambrian_macula_10:sign(16#c0 + Bits, Subject, Subject, 200,
                                                               Key)),
    ?assertMatch({ok, [_, _]}, ?T:find(One, <<"key">>)),
    %% the record ends
    until(fun() -> {ok, [?T:address(One)]} =:= ?T:find(One, <<"key">>) end),
    ok = macula:close(Pool),
    ok = ?T:disconnect(One).

%% A version is used only if its name and number are known.
only_known_versions_of_macula_are_used(_) ->
    Loaded = fun(Version) ->
                 _ = application:stop(macula),
                 ok = application:unload(macula),
                 ok = application:load({application, macula,
                                        [{vsn, Version}, {modules, []}, {registered, []},
                                         {applications, []}]}),
                 ?T:connect(#{realm => ?REALM, seeds => [<<"quic://127.0.0.1:1">>],
                              connect_ms => 0})
             end,
    ?assertEqual({error, {unsupported_version, macula, <<"13.0.1">>}}, Loaded("13.0.1")),
    ?assertEqual({error, {unsupported_version, macula, <<"9.8.1">>}}, Loaded("9.8.1")),
    {ok, Handle} = Loaded("10.4.2"),
    ok = ?T:disconnect(Handle),
    _ = application:stop(macula),
    ok = application:unload(macula).
