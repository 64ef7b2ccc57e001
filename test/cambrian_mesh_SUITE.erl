%% Three real nodes that share champions, and what they do with lies.
-module(cambrian_mesh_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.test">>).

all() -> [champions_travel, lies_are_refused, realms_do_not_meet, isolated_populations_repeat,
          a_population_that_crashed_is_joined_again, the_secret_stays_secret, options_are_checked].

init_per_testcase(_, Config) -> [{nodes, cambrian_peers:start([one, two, three])} | Config].

end_per_testcase(_, Config) -> cambrian_peers:stop(proplists:get_value(nodes, Config)).

nodes_of(Config) ->
    Nodes = proplists:get_value(nodes, Config),
    ok = cambrian_peers:connect(Nodes),
    [Peer || {Peer, _} <- Nodes].

population(Peer, Options) ->
    {ok, _} = peer:call(Peer, cambrian_population, start, [maps:merge(#{task => 'xor', name => shared}, Options)]),
    {ok, Recorder} = peer:call(Peer, cambrian_recorder, start, [shared]),
    Recorder.

bridge(Peer, Realm) ->
    {ok, _} = peer:call(Peer, cambrian_bridge, start, [#{realm => Realm, populations => [shared]}]).

%% `Probe' until it answers something else than false.
until(Probe) -> until(Probe, 200).

until(_, 0) -> error(never);
until(Probe, Tries) ->
    case Probe() of
        false -> timer:sleep(50), until(Probe, Tries - 1);
        Answer -> Answer
    end.

%% The first node solves XOR; the two others, who stand still at generation 0, take its champion in.
champions_travel(Config) ->
    [One | Others] = Peers = nodes_of(Config),
    Recorders = [population(Peer, #{seed => Seed}) || {Peer, Seed} <- lists:zip(Peers, [42, 43, 44])],
    _ = [bridge(Peer, ?REALM) || Peer <- Peers],
    until(fun() -> length(peer:call(One, cambrian_transport_dist, nodes, [<<?REALM/binary, "/genotype">>])) =:= 3 end),
    ok = peer:call(One, cambrian_population, run, [shared]),
    {ok, #{fitness := Fitness}} = peer:call(One, cambrian_population, await, [shared, 20_000]),
    Origin = peer:call(One, cambrian_bridge, identity, []),
    _ = [until(fun() -> best_from(Origin, Peer, Recorder) =:= Fitness end)
         || {Peer, Recorder} <- lists:zip(Others, tl(Recorders))],
    _ = [begin
             ?assertMatch([#{accepted := N}] when N > 0,
                          [Known || #{origin := From} = Known <- peer:call(Peer, cambrian_bridge, list_nodes, []), From =:= Origin]),
             ?assertMatch(#{<<"xor">> := #{fitness := Fitness, origin := Origin}},
                          peer:call(Peer, cambrian_bridge, global_best, []))
         end || Peer <- Others].

%% One generation; then the best that this node measured of what came from there.
best_from(Origin, Peer, Recorder) ->
    {ok, _} = peer:call(Peer, cambrian_population, step, [shared, 1]),
    #{received := Received} = peer:call(Peer, cambrian_recorder, read, [Recorder]),
    lists:max([0.0 | [Fitness || #{from := From, fitness := Fitness} <- Received, From =:= Origin]]).

%% Every envelope that is not as it should be is counted under its reason, and nothing gets in.
lies_are_refused(Config) ->
    [One | _] = nodes_of(Config),
    Recorder = population(One, #{seed => 1}),
    bridge(One, ?REALM),
    {ok, _} = application:ensure_all_started(cambrian),
    Secret = cambrian_identity:new(),
    Now = erlang:system_time(millisecond),
    Claims = #{realm => ?REALM, task => <<"xor">>, fitness => 4.0, generation => 1, parents => [], sequence => 5, time => Now},
    Seal = fun(Changes) ->
               {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 99),
               {ok, Bytes} = cambrian_envelope:seal(maps:merge(Claims, Changes), G, Secret),
               Bytes
           end,
    Good = Seal(#{}),
    Forged = binary:part(Good, 0, byte_size(Good) - 1),
    Last = binary:last(Good) bxor 1,
    Send = fun(Bytes) -> peer:call(One, erlang, send, [cambrian_bridge, {cambrian_transport, <<?REALM/binary, "/genotype">>, Bytes}]) end,
    _ = [Send(Bytes) || Bytes <- [<<"noise">>, {no, bytes}, Forged, <<Forged/binary, Last>>, Seal(#{realm => <<"other">>}),
                                  Seal(#{time => Now - 86_400_000}), Seal(#{time => Now + 86_400_000}),
                                  binary:copy(<<0>>, 2 bsl 20), Good, Good]],
    ?assertEqual(#{received => 10, {rejected, malformed} => 3, {rejected, bad_signature} => 1,
                   {rejected, wrong_realm} => 1, {rejected, too_old} => 1, {rejected, from_the_future} => 1,
                   {rejected, too_large} => 1, {rejected, replay} => 1},
                 peer:call(One, cambrian_bridge, counts, [])),
    %% the one that is genuine claims 4.0; it is worth what it is measured here
    {ok, _} = peer:call(One, cambrian_population, step, [shared, 1]),
    #{received := [#{fitness := Measured}]} = peer:call(One, cambrian_recorder, read, [Recorder]),
    ?assert(Measured < 3.5).

realms_do_not_meet(Config) ->
    [One, Two, Three] = nodes_of(Config),
    _ = [population(Peer, #{seed => 42}) || Peer <- [One, Two, Three]],
    bridge(One, ?REALM),
    bridge(Two, ?REALM),
    bridge(Three, <<"elsewhere">>),
    until(fun() -> length(peer:call(One, cambrian_transport_dist, nodes, [<<?REALM/binary, "/genotype">>])) =:= 2 end),
    ok = peer:call(One, cambrian_population, run, [shared]),
    {ok, _} = peer:call(One, cambrian_population, await, [shared, 20_000]),
    until(fun() -> maps:is_key(received, peer:call(Two, cambrian_bridge, counts, [])) end),
    ?assertEqual(#{}, peer:call(Three, cambrian_bridge, counts, [])).

%% On another node, the same seed gives the same champion to the bit.
isolated_populations_repeat(Config) ->
    Peers = [Peer || {Peer, _} <- proplists:get_value(nodes, Config)],
    Options = #{task => double_pole_novel, seed => 5, generations => 15, target => 99},
    Champions = [begin
                     Recorder = population(Peer, Options),
                     ok = peer:call(Peer, cambrian_population, run, [shared]),
                     {ok, _} = peer:call(Peer, cambrian_population, await, [shared, 60_000]),
                     #{result := #{champion := Bytes}} = peer:call(Peer, cambrian_recorder, read, [Recorder]),
                     Bytes
                 end || Peer <- Peers],
    ?assertMatch([_], lists:usort(Champions)).

a_population_that_crashed_is_joined_again(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [population(Peer, #{seed => 42}) || Peer <- [One, Two]],
    _ = [bridge(Peer, ?REALM) || Peer <- [One, Two]],
    until(fun() -> length(peer:call(One, cambrian_transport_dist, nodes, [<<?REALM/binary, "/genotype">>])) =:= 2 end),
    Pid = peer:call(One, erlang, whereis, [shared]),
    true = peer:call(One, erlang, exit, [Pid, kill]),
    until(fun() -> peer:call(One, erlang, whereis, [shared]) =/= undefined end),
    ok = peer:call(One, cambrian_population, run, [shared]),
    until(fun() -> maps:is_key(published, peer:call(One, cambrian_bridge, counts, [])) end),
    until(fun() -> maps:is_key(received, peer:call(Two, cambrian_bridge, counts, [])) end).

%% What a crash report shows of a bridge does not hold its secret.
the_secret_stays_secret(_Config) ->
    Secret = cambrian_identity:new(),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Bridge} = cambrian_bridge:start_link(#{realm => <<"x">>, identity => fun() -> Secret end}),
    Shown = unicode:characters_to_binary(io_lib:format("~p", [sys:get_status(Bridge)])),
    Plain = unicode:characters_to_binary(io_lib:format("~p", [Secret])),
    <<First:8/binary, _/binary>> = Secret,
    [Numbers] = io_lib:format("~w", [binary_to_list(First)]),
    ?assertEqual(nomatch, binary:match(Shown, [Plain, unicode:characters_to_binary(string:trim(Numbers, both, "[]"))])),
    ?assertMatch(<<_:32/binary>>, cambrian_bridge:identity()),
    ok = cambrian_bridge:stop().

options_are_checked(_Config) ->
    ?assertEqual({error, {missing_options, [realm]}}, cambrian_bridge:start_link(#{})),
    ?assertEqual({error, {unknown_option, relm}}, cambrian_bridge:start_link(#{realm => <<"x">>, relm => 1})),
    ?assertMatch({error, {bad_option, {realm, lab, _}}}, cambrian_bridge:start_link(#{realm => lab})),
    {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    Claims = #{task => 'xor', fitness => 1},
    _ = [?assertMatch({error, {bad_option, {Key, Value, _}}}, cambrian_bridge:publish_genotype(G, Claims#{Key => Value}))
         || {Key, Value} <- [{task, 1}, {fitness, a}, {generation, -1}, {parents, [1]}]],
    ?assertEqual({error, {unknown_option, fitnes}}, cambrian_bridge:publish_genotype(G, Claims#{fitnes => 1})),
    ?assertEqual({error, {missing_options, [fitness]}}, cambrian_bridge:publish_genotype(G, #{task => 'xor'})),
    ?assertError(function_clause, cambrian_bridge:subscribe_genotypes(1, self())),
    ?assertError(function_clause, cambrian_bridge:join(<<"nobody">>)),
    process_flag(trap_exit, true),
    ?assertEqual({error, {transport_unavailable, no_such_transport}},
                 cambrian_bridge:start_link(#{realm => <<"x">>, transport => no_such_transport})).
