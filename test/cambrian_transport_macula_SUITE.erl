%% Macula under the contract of all transports: a stand-in with the same calls and the same traps, and, where the
%% environment says where they are, the real one and its relays. See docs/macula.md.
-module(cambrian_transport_macula_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

-define(T, cambrian_transport_macula).

all() -> [{group, fake}, {group, traps} | case real() of {ok, _, _} -> [{group, real}]; skip -> [the_real_one] end].

groups() ->
    [{fake, [], [champions_travel | cambrian_transport_contract:all()]},
     {traps, [], [silence_is_noticed, a_relay_comes_late, one_key_one_connection, one_key_a_realm, refused_keys,
                  each_message_once, transfers_are_few, no_message_too_large, records_of_others, versions]},
     {real, [], [champions_travel | cambrian_transport_contract:all()]}].

suite() -> [{timetrap, {minutes, 4}}].

the_real_one(_) -> {skip, "CAMBRIAN_MACULA and CAMBRIAN_MACULA_RELAYS do not say where it is: see docs/macula.md"}.

init_per_suite(Config) -> [{fake, fake(Config)} | Config].

end_per_suite(_) -> ok.

%% A folder of libraries with the stand-in alone.
fake(Config) ->
    Libraries = filename:join(proplists:get_value(priv_dir, Config), "macula_fake"),
    Ebin = ebin(Libraries),
    ok = filelib:ensure_path(Ebin),
    Sources = proplists:get_value(data_dir, Config),
    _ = [{ok, _} = compile:file(File, [report, {outdir, Ebin}]) || File <- filelib:wildcard(filename:join(Sources, "*.erl"))],
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

%% Each of `quic://host:port/<node id in hexadecimal digits>'.
real() ->
    case {os:getenv("CAMBRIAN_MACULA"), os:getenv("CAMBRIAN_MACULA_RELAYS")} of
        {Libraries, Relays} when is_list(Libraries), is_list(Relays) ->
            {ok, Libraries, [relay(Relay) || Relay <- string:lexemes(Relays, " ,")]};
        _ -> skip
    end.

relay(Relay) ->
    [Url, Id] = string:split(list_to_binary(Relay), "/", trailing),
    #{seeds => [Url], expected_node_id => binary:decode_hex(Id)}.

%% The nodes take turns at the relays.
setup(Relays, Libraries) ->
    #{transport => ?T,
      start => fun(N) -> nodes_of(lists:sublist(lists:append(lists:duplicate(N, Relays)), N), Libraries) end,
      stop => fun(Nodes) -> lists:foreach(fun stop/1, Nodes) end,
      kill => fun(Node) -> [] = os:cmd("kill -KILL " ++ run(Node, os, getpid, [])), ok end,
      run => fun run/4,
      options => fun({_, Relay}, Realm) -> Relay#{realm => Realm} end}.

%% One that was killed is gone.
stop({Peer, _}) ->
    try peer:stop(Peer)
    catch exit:_ -> ok
    end.

start(#{start := Start} = Setup) -> Setup#{nodes => Start(3)}.

nodes_of(Relays, Libraries) ->
    true = os:putenv("ERL_LIBS", Libraries),
    Names = lists:sublist([one, two, three, four], length(Relays)),
    [{Peer, Relay} || {{Peer, _}, Relay} <- lists:zip(cambrian_peers:start(Names), Relays)].

run({Peer, _}, Module, Function, Arguments) -> peer:call(Peer, Module, Function, Arguments, 300_000).

-include("cambrian_transport_contract.hrl").

%% What one node finds, another that is only on the same mesh has measured and taken in.
champions_travel(Config) ->
    #{nodes := [One, Two | _]} = proplists:get_value(contract, Config),
    Realm = iolist_to_binary(["org.example.", binary:encode_hex(crypto:strong_rand_bytes(4))]),
    _ = [begin
             {ok, _} = run(Node, cambrian_population, start, [#{task => 'xor', name => travelling, seed => Seed}]),
             {ok, _} = run(Node, cambrian_population, step, [travelling, 1]),
             {ok, _} = run(Node, cambrian_bridge, start, [#{realm => Realm, transport => ?T, transport_options => Relay,
                                                            populations => [travelling]}])
         end || {Seed, {_, Relay} = Node} <- [{42, One}, {7, Two}]],
    ok = run(One, cambrian_population, run, [travelling]),
    {ok, #{fitness := Fitness}} = run(One, cambrian_population, await, [travelling, 30_000]),
    Origin = run(One, cambrian_bridge, identity, []),
    until(fun() ->
              case run(Two, cambrian_bridge, global_best, []) of
                  #{<<"xor">> := #{fitness := Best, origin := From}} -> {Best, From} =:= {Fitness, Origin};
                  _ -> false
              end
          end, 3000),
    ?assertMatch({ok, #{fitness := Fitness}}, run(Two, cambrian_population, best, [travelling])),
    _ = [run(Node, Module, stop, Arguments) || Node <- [One, Two],
                                               {Module, Arguments} <- [{cambrian_bridge, []}, {cambrian_population, [travelling]}]],
    ok.

%%% ---- traps, in this node ----------------------------------------------------------------

-define(REALM, <<"org.example.traps">>).

relay() ->
    {ok, Relay} = macula_fake_relay:start(0),
    {Relay, #{realm => ?REALM, seeds => [macula_fake_relay:url(Relay)], heartbeat_ms => 100, silence_ms => 1000}}.

joined(Options) ->
    {ok, Handle} = ?T:connect(Options),
    Handle.

is_connected(Handle) -> maps:get(connected, ?T:status(Handle)).

until(Probe) -> until(Probe, 15_000).

until(Probe, 0) -> error({never, Probe});
until(Probe, Tries) -> Probe() orelse begin timer:sleep(20), until(Probe, Tries - 1) end.

hears(To, From, Bytes) ->
    ok = ?T:subscribe(To, <<"topic">>),
    until(fun() ->
              _ = ?T:publish(From, <<"topic">>, Bytes),
              receive {cambrian_transport, <<"topic">>, Bytes} -> true after 50 -> false end
          end).

%% Macula says for seconds that all is well, and takes what is published.
silence_is_noticed(_) ->
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
    %% all is there again
    hears(One, Two, <<"hello">>),
    until(fun() -> {ok, <<"x">>} =:= ?T:call(One, ?T:address(Two), <<"answer">>, <<"x">>, 1000) end),
    until(fun() -> {ok, [?T:address(Two)]} =:= ?T:find(One, <<"key">>) end),
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

pool(#{table := Table}) -> ets:lookup_element(Table, pool, 2).

a_relay_comes_late(_) ->
    {Relay, Options} = relay(),
    Port = binary_to_integer(lists:last(binary:split(macula_fake_relay:url(Relay), <<":">>, [global]))),
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

%% Two with one key evict each other: neither may take the owner along, and who is left alone is well.
one_key_one_connection(_) ->
    {_, Options} = relay(),
    Shared = Options#{identity => fun() -> <<7:256>> end},
    One = joined(Shared),
    Two = joined(Shared),
    ?assertEqual(?T:address(One), ?T:address(Two)),
    until(fun() -> not (is_connected(One) andalso is_connected(Two)) end),
    ok = ?T:disconnect(Two),
    until(fun() -> is_connected(One) end),
    ok = ?T:disconnect(One).

%% So a node can be in two realms by one identity.
one_key_a_realm(_) ->
    {Relay, Options} = relay(),
    Handles = [joined(Options#{identity => fun() -> <<7:256>> end, realm => Realm}) || Realm <- [<<"org.example.a">>, <<"org.example.b">>]],
    timer:sleep(300),
    ?assertEqual([true, true], [is_connected(Handle) || Handle <- Handles]),
    ?assertEqual(2, macula_fake_relay:connections(Relay)),
    ?assertEqual(?T:address(hd(Handles)),
                 begin ok = ?T:disconnect(hd(Handles)),
                       ?T:address(joined(Options#{identity => fun() -> <<7:256>> end, realm => <<"org.example.a">>}))
                 end).

refused_keys(_) ->
    {Relay, Options} = relay(),
    One = joined(Options#{identity => fun() -> <<8:256>> end}),
    ok = macula_fake_relay:refuse(Relay, binary:decode_hex(?T:address(One))),
    ok = ?T:disconnect(One),
    Again = joined(Options#{identity => fun() -> <<8:256>> end, connect_ms => 200}),
    until(fun() -> {ok, #{healthy_links => 1}} =:= macula:status(pool(Again)) end),
    ?assertNot(is_connected(Again)),
    ok = ?T:disconnect(Again).

%% Nothing twice of what comes twice, and nothing lost of a burst.
each_message_once(_) ->
    {_, Options} = relay(),
    [One, Two] = [joined(Options) || _ <- [1, 2]],
    ok = ?T:subscribe(One, <<"burst">>),
    ok = ?T:subscribe(Two, <<"burst">>),
    Sent = [<<N:32>> || N <- lists:seq(1, 2000)],
    _ = [ok = ?T:publish(Two, <<"burst">>, Bytes) || Bytes <- Sent],
    Heard = [receive {cambrian_transport, <<"burst">>, Bytes} -> Bytes after 2000 -> lost end || _ <- Sent],
    ?assertNotEqual(Sent, Heard),
    ?assertEqual(Sent, lists:sort(Heard)),
    receive {cambrian_transport, <<"burst">>, _} -> error(twice) after 200 -> ok end,
    ok = ?T:disconnect(One),
    ok = ?T:disconnect(Two).

%% With more than a hundred streams the connection would be gone.
transfers_are_few(_) ->
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

%% 16 MB would end all traffic, and nothing would say so.
no_message_too_large(_) ->
    {Relay, Options} = relay(),
    One = joined(Options),
    ?assertEqual({error, too_large}, ?T:publish(One, <<"topic">>, binary:copy(<<0>>, 16 bsl 20))),
    ?assertEqual({error, too_large}, ?T:call(One, ?T:address(One), <<"x">>, binary:copy(<<0>>, 16 bsl 20), 1000)),
    ok = ?T:serve(One, <<"large">>, fun(_, _From) -> binary:copy(<<0>>, 16 bsl 20) end),
    ?assertEqual({error, too_large}, ?T:call(One, ?T:address(One), <<"large">>, <<>>, 1000)),
    ?assert(macula_fake_relay:largest(Relay) < 1 bsl 20),
    until(fun() -> is_connected(One) end),
    ok = ?T:disconnect(One).

%% Whoever puts a record of our type in the place of ours has to have signed it, and it has to be about the same.
records_of_others(_) ->
    {_, Options} = relay(),
    One = joined(Options),
    Key = cambrian_macula_10:key(<<"another">>),
    {ok, Pool} = macula:connect(maps:get(seeds, Options), #{identity => Key}),
    until(fun() -> {ok, #{healthy_links => 1}} =:= macula:status(Pool) end),
    ok = ?T:announce(One, <<"key">>),
    Subject = crypto:hash(sha256, [macula_realm:id(?REALM), <<"key">>]),
    <<Bits:4, _/bitstring>> = Subject,
    _ = [ok = cambrian_macula_10:put_record(Pool, cambrian_macula_10:sign(16#c0 + Bits, S, Value, 60000, Key))
         || {S, Value} <- [{<<1:256>>, <<2:256>>}, {<<2:256>>, <<>>}]],
    ?assertEqual({ok, [?T:address(One)]}, ?T:find(One, <<"key">>)),
    ok = cambrian_macula_10:put_record(Pool, cambrian_macula_10:sign(16#c0 + Bits, Subject, Subject, 200, Key)),
    ?assertMatch({ok, [_, _]}, ?T:find(One, <<"key">>)),
    %% and it ends
    until(fun() -> {ok, [?T:address(One)]} =:= ?T:find(One, <<"key">>) end),
    ok = macula:close(Pool),
    ok = ?T:disconnect(One).

%% Known by its name and number, or not used at all.
versions(_) ->
    Loaded = fun(Version) ->
                 _ = application:stop(macula),
                 ok = application:unload(macula),
                 ok = application:load({application, macula, [{vsn, Version}, {modules, []}, {registered, []}, {applications, []}]}),
                 ?T:connect(#{realm => ?REALM, seeds => [<<"quic://127.0.0.1:1">>], connect_ms => 0})
             end,
    ?assertEqual({error, {unsupported_version, macula, <<"13.0.1">>}}, Loaded("13.0.1")),
    ?assertEqual({error, {unsupported_version, macula, <<"9.8.1">>}}, Loaded("9.8.1")),
    {ok, Handle} = Loaded("10.4.2"),
    ok = ?T:disconnect(Handle),
    _ = application:stop(macula),
    ok = application:unload(macula).
