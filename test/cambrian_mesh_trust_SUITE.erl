%% Three real nodes that refuse lies, and keep keys, grants, charters and bans.
-module(cambrian_mesh_trust_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).
-import(cambrian_mesh_peers, [bridge/2, bridge/3, kept/2, meet/2, nodes_of/1, population/2,
                              publish/1, publish/2, received/2, refused/1, trust/3]).

-define(REALM, <<"org.example.test">>).

all() ->
    [wrong_envelopes_are_refused_with_their_reasons, a_rotated_key_keeps_its_standing,
     owners_revoke_a_grant_by_a_charter, forged_messages_do_not_harm_the_forged_key,
     only_a_node_with_a_grant_is_heard, a_ban_of_a_genotype_survives_a_restart,
     an_identity_survives_a_restart, the_bridge_survives_random_messages,
     a_node_is_heard_again_once_its_clock_is_right].

init_per_testcase(_, Config) -> cambrian_mesh_peers:three(Config).

end_per_testcase(_, Config) -> cambrian_mesh_peers:stop(Config).

%% Every wrong envelope is counted under its reason, and no genotype in them gets in.
wrong_envelopes_are_refused_with_their_reasons(Config) ->
    [One | _] = nodes_of(Config),
    Recorder = population(One, #{seed => 1}),
    bridge(One, ?REALM),
    {ok, _} = application:ensure_all_started(cambrian),
    Secret = cambrian_identity:new(),
    Now = erlang:system_time(millisecond),
    Claims =
        #{realm => ?REALM, task => <<"xor">>, fitness => 4.0, generation => 1, parents => [],
          sequence => 5, time => Now},
    Seal = fun(Changes) ->
               {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 99),
               {ok, Bytes} = cambrian_envelope:seal(maps:merge(Claims, Changes), G, Secret),
               Bytes
           end,
    Good = Seal(#{}),
    Forged = binary:part(Good, 0, byte_size(Good) - 1),
    Last = binary:last(Good) bxor 1,
    Send = fun(Bytes) -> peer:call(One, ?MODULE, hear, [Bytes]) end,
    _ = [Send(Bytes)
         || Bytes <- [<<"noise">>, {no, bytes}, Forged, <<Forged/binary, Last>>,
                      Seal(#{realm => <<"other">>}),
                      Seal(#{time => Now - 86_400_000}), Seal(#{time => Now + 86_400_000}),
                      binary:copy(<<0>>, 2 bsl 20), Good, Good]],
    ?assertEqual(#{received => 10, {rejected, malformed} => 3, {rejected, bad_signature} => 1,
                   {rejected, wrong_realm} => 1, {rejected, too_old} => 1,
                   {rejected, from_the_future} => 1,
                   {rejected, too_large} => 1, {rejected, replay} => 1},
                 maps:without([bytes_received, bytes_published, published, announced],
                              peer:call(One, cambrian_bridge, counts, []))),
    %% the genuine envelope claims 4.0, but the fitness measured here counts
    {ok, _} = peer:call(One, cambrian_population, step, [shared, 1]),
    until(fun() -> maps:get(received, peer:call(One, cambrian_recorder, read, [Recorder])) =/= []
    end),
    #{received := [#{fitness := Measured}]} = peer:call(One, cambrian_recorder, read, [Recorder]),
    ?assert(Measured < 3.5),
    until(fun() -> trust(One, reputation, [cambrian_identity:public_key(Secret)]) =:= 0.35 end),
    ?assertMatch([#{reason := replay}, #{reason := too_large, detail := 2097152} | _],
                 trust(One, refusals, [])).

%% Another node moves all that it knew of the old key to the new key. The old key is then refused.
a_rotated_key_keeps_its_standing(Config) ->
    [One, Two, Three] = nodes_of(Config),
    {File, Secret} = kept(Config, "handed_over"),
    bridge(One, ?REALM, #{identity => File}),
    bridge(Two, ?REALM, #{}),
    meet(One, 2),
    Old = peer:call(One, cambrian_bridge, identity, []),
    _ = publish(One),
    until(fun() -> received(Two, Old) =:= 1 end),
    confirmed = trust(Two, checked, [#{origin => Old, fitness => 1.0}, 1.0]),
    Reputation = trust(Two, reputation, [Old]),
    {ok, New} = peer:call(One, cambrian_bridge, rotate, []),
    New = peer:call(One, cambrian_bridge, identity, []),
    until(fun() -> received(Two, New) =:= 1 end),
    _ = publish(One),
    until(fun() -> received(Two, New) =:= 2 end),
    ?assertEqual(Reputation, trust(Two, reputation, [New])),
    ?assertEqual(0, received(Two, Old)),
    %% another node publishes under the old secret
    bridge(Three, ?REALM, #{identity => Secret}),
    meet(Three, 3),
    _ = publish(Three),
    until(fun() -> maps:is_key(retired_key, refused(Two)) end),
    ?assertEqual(2, received(Two, New)).

%% A charter with signatures of two owners is published on one node and applied on another, also
%% to grants that this has seen before.
owners_revoke_a_grant_by_a_charter(Config) ->
    [One, Two, Three] = nodes_of(Config),
    [A, B, Member] = [cambrian_identity:new() || _ <- [1, 2, 3]],
    [KeyA, KeyB, Key] = [cambrian_identity:public_key(Secret) || Secret <- [A, B, Member]],
    Owned = #{capability => {signed_by, #{owners => [KeyA, KeyB], threshold => 2}}},
    {ok, Half} =
        cambrian_identity:grant(A, ?REALM, Key, erlang:system_time(millisecond) + 3_600_000),
    {ok, Grant} = cambrian_identity:cosign(B, Half),
    bridge(One, ?REALM, Owned),
    bridge(Two, ?REALM, Owned),
    bridge(Three, ?REALM, Owned#{identity => Member, grant => Grant}),
    until(fun() -> publish(Three), received(One, Key) > 0 andalso received(Two, Key) > 0 end),
    {ok, #{id := Id}} = cambrian_identity:read_grant(Grant),
    {ok, Draft} =
        cambrian_charter:seal(#{realm => ?REALM, number => 1, owners => [KeyA, KeyB],
                                threshold => 2,
                                revoked => [Id]}, A),
    ?assertEqual({error, too_few_owners},
                 peer:call(One, cambrian_bridge, publish_charter, [Draft])),
    {ok, Charter} = cambrian_charter:cosign(Draft, B),
    ok = peer:call(One, cambrian_bridge, publish_charter, [Charter]),
    until(fun() -> trust(Two, charter, []) =:= Charter end),
    until(fun() -> publish(Three), maps:is_key(grant_revoked, refused(Two)) end).

%% A stranger sends all kinds of messages in the name of another key.
forged_messages_do_not_harm_the_forged_key(Config) ->
    [One, Two, _] = nodes_of(Config),
    bridge(One, ?REALM, #{}),
    bridge(Two, ?REALM, #{}),
    meet(One, 2),
    Victim = peer:call(One, cambrian_bridge, identity, []),
    _ = publish(One),
    until(fun() -> received(Two, Victim) =:= 1 end),
    #{origins := #{Victim := Standing}} = trust(Two, report, []),
    ok = peer:call(Two, ?MODULE, forge_here, [Victim]),
    ?assertMatch(#{origins := #{Victim := Standing}, bans := [],
                   refused := #{bad_signature := 200}},
                 trust(Two, report, [])),
    _ = publish(One, 2),
    until(fun() -> received(Two, Victim) =:= 2 end).

%% Envelopes that another key signed, with the victim's key written over that key.
forge_here(Victim) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 3),
    Forger = cambrian_identity:new(),
    Key = cambrian_identity:public_key(Forger),
    Claims =
        #{realm => ?REALM, task => <<"xor">>, fitness => 1.0e9, generation => 0,
          time => erlang:system_time(millisecond)},
    lists:foreach(fun(N) ->
                      {ok, Bytes} =
                          cambrian_envelope:seal(Claims#{sequence => (1 bsl 60) + N}, G, Forger),
                      hear(binary:replace(Bytes, Key, Victim))
                  end, lists:seq(1, 200)),
    #{{rejected, bad_signature} := 200} = cambrian_bridge:counts(),
    ok.

%% Delivers bytes on the node itself, as if the mesh had sent them.
hear(Bytes) ->
    cambrian_bridge_registry:whereis_name({gate, ?REALM}) ! {cambrian_transport, <<"genotype">>,
                                                             Bytes},
    ok.

%% One node requires grants of the realm's owner; only one of the others has a grant.
only_a_node_with_a_grant_is_heard(Config) ->
    [One, Two, Three] = nodes_of(Config),
    Owner = cambrian_identity:new(),
    {File, Member} = kept(Config, "member"),
    Key = cambrian_identity:public_key(Member),
    {ok, Grant} =
        cambrian_identity:grant(Owner, ?REALM, Key, erlang:system_time(millisecond) + 3_600_000),
    bridge(One, ?REALM, #{capability => {signed_by, cambrian_identity:public_key(Owner)}}),
    bridge(Two, ?REALM, #{identity => File, grant => Grant}),
    bridge(Three, ?REALM, #{}),
    _ = [meet(Peer, 3) || Peer <- [Two, Three]],
    _ = [publish(Peer) || Peer <- [Two, Three]],
    until(fun() -> received(One, Key) =:= 1 end),
    until(fun() -> refused(One) =:= #{not_permitted => 1} end),
    %% the grant also holds for the member's next key
    {ok, Next} = peer:call(Two, cambrian_bridge, rotate, []),
    _ = publish(Two, 2),
    until(fun() -> received(One, Next) =:= 2 end),
    %% a bridge of that key starts with the old grant
    ok = peer:call(Two, cambrian_bridge, stop, []),
    bridge(Two, ?REALM, #{identity => File, grant => Grant}).

%% A ban of a genotype: after a restart of the application it is refused from every node.
a_ban_of_a_genotype_survives_a_restart(Config) ->
    [One, Two, _] = nodes_of(Config),
    ok = peer:call(Two, application, set_env, [cambrian, data_dir, data_dir(Config)]),
    bridge(One, ?REALM, #{}),
    bridge(Two, ?REALM, #{}),
    meet(One, 2),
    Id = publish(One),
    until(fun() -> length(peer:call(Two, cambrian_bridge, list_nodes, [])) =:= 1 end),
    ok = trust(Two, ban, [{genotype, Id}, <<"it shakes the arm">>]),
    ok = peer:call(Two, application, stop, [cambrian]),
    {ok, _} = peer:call(Two, application, ensure_all_started, [cambrian]),
    bridge(Two, ?REALM, #{}),
    meet(One, 2),
    %% the node has just come back and may miss the first message
    until(fun() -> Id = publish(One), maps:is_key(banned_genotype, refused(Two)) end),
    Origin = peer:call(One, cambrian_bridge, identity, []),
    ?assertEqual(1, received(Two, Origin)),
    _ = publish(One, 2),
    until(fun() -> received(Two, Origin) =:= 2 end).

data_dir(Config) -> filename:join(proplists:get_value(priv_dir, Config), "data").

%% The identity is in the data directory, private, with the same key after a restart, and rotation
%% changes it there.
an_identity_survives_a_restart(Config) ->
    [One | _] = nodes_of(Config),
    Dir = data_dir(Config),
    ok = peer:call(One, application, set_env, [cambrian, data_dir, Dir]),
    bridge(One, ?REALM, #{}),
    Key = peer:call(One, cambrian_bridge, identity, []),
    File = filename:join(Dir, "identity"),
    ?assertEqual(8#600, cambrian_temporary:mode(File)),
    ok = peer:call(One, cambrian_bridge, stop, []),
    bridge(One, ?REALM, #{identity => list_to_binary(File)}),
    Key = peer:call(One, cambrian_bridge, identity, []),
    {ok, New} = peer:call(One, cambrian_bridge, rotate, []),
    ok = peer:call(One, cambrian_bridge, stop, []),
    bridge(One, ?REALM, #{identity => File}),
    New = peer:call(One, cambrian_bridge, identity, []),
    ?assertMatch({ok, #{key := New, successions := [_]}}, cambrian_identity:load(File)),
    ok = peer:call(One, cambrian_bridge, stop, []),
    ok = file:change_mode(File, 8#644),
    ?assertEqual({error, {unsafe_permissions, File}},
                 peer:call(One, cambrian_bridge, start, [#{realm => ?REALM, identity => File}])),
    ok = file:delete(File).

the_bridge_survives_random_messages(Config) ->
    [One | _] = nodes_of(Config),
    bridge(One, ?REALM, #{}),
    Pids = living(One),
    Shells = peer:call(One, ?MODULE, bombard_here, [5000]),
    %% each message is refused with its reason, or dropped because too many came at once
    #{received := Received} = Counts = peer:call(One, cambrian_bridge, counts, []),
    ?assertEqual(Shells, Received + maps:get({rejected, overloaded}, Counts, 0)),
    ?assertEqual(Shells, lists:sum([N || {{rejected, _}, N} <- maps:to_list(Counts)])),
    ?assertEqual(Pids, living(One)),
    ?assertMatch(<<_:32/binary>>, publish(One)).

living(Peer) ->
    [peer:call(Peer, cambrian_bridge_registry, whereis_name, [?REALM]),
     peer:call(Peer, cambrian_realms, find, [?REALM])].

bombard_here(Count) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 3),
    {ok, Good} =
        cambrian_envelope:seal(#{realm => ?REALM, task => <<"xor">>, fitness => 1.0,
                                 generation => 0,
                                 sequence => 1,
                                 time => erlang:system_time(millisecond)}, G,
                               cambrian_identity:new()),
    Succession = cambrian_identity:succession(cambrian_identity:new(), cambrian_identity:new()),
    lists:foreach(fun(N) -> hear(shell(N rem 4, Good, Succession)) end, lists:seq(1, Count)),
    Count.

shell(0, _, _) -> rand:bytes(rand:uniform(500));
shell(1, Good, _) -> damaged(Good);
shell(2, Good, _) -> binary:part(Good, 0, rand:uniform(byte_size(Good)) - 1);
shell(3, _, Succession) -> damaged(Succession).

damaged(Bytes) ->
    At = rand:uniform(byte_size(Bytes)) - 1,
    <<Before:At/binary, Byte, After/binary>> = Bytes,
    <<Before/binary, (Byte bxor (1 bsl (rand:uniform(8) - 1))), After/binary>>.

%% One node's clock is an hour ahead, which the others see by its heartbeats; then it is put
%% right, set an hour back, and put right again. Each time it is right, nodes hear it again within
%% a few of its heartbeats.
a_node_is_heard_again_once_its_clock_is_right(Config) ->
    [One | _] = nodes_of(Config),
    case wrong_clock(proplists:get_value(priv_dir, Config)) of
        {ok, Environment, Set} ->
            ok = Set("3600"),
            {Wrong, _} = Node =
                cambrian_peers:start_one(wrong,
                                         #{args => ["+C", "multi_time_warp"], env => Environment}),
            try
                pong = peer:call(One, net_adm, ping, [element(2, Node)]),
                ?assert(peer:call(Wrong, erlang, system_time,
                                  [second]) - erlang:system_time(second) > 3500),
                _ = [bridge(Peer, ?REALM) || Peer <- [One, Wrong]],
                Origin = peer:call(Wrong, cambrian_bridge, identity, []),
                _ = publish(Wrong),
                until(fun() -> maps:get(from_the_future, refused(One), 0) > 0 end),
                _ = [begin
                         ok = Set(Offset),
                         until(fun() -> is_alive(Origin, One) =:= (Offset =:= "0") end),
                         Before = received(One, Origin),
                         _ = publish(Wrong, Seed),
                         _ = [until(fun() -> received(One, Origin) > Before end) || Offset =:= "0"]
                     end || {Seed, Offset} <- lists:enumerate(2, ["0", "-3600", "0"])]
            after peer:stop(Wrong)
            end;
        Skip -> Skip
    end.

is_alive(Origin, Peer) ->
    [Alive
     || #{origin := Of, alive := Alive} <- peer:call(Peer, cambrian_bridge, list_nodes, []),
     Of =:= Origin] =:= [true].

wrong_clock(Dir) ->
    [Library, File] = [filename:join(Dir, Name) || Name <- ["wrong_clock.so", "offset"]],
    Source = filename:join(filename:dirname(code:which(?MODULE)), "cambrian_wrong_clock.c"),
    case os:type() of
        {unix, linux} ->
            "" = os:cmd(lists:join(" ", ["cc -shared -fPIC -O2 -o", Library, Source])),
            {ok, [{"LD_PRELOAD", Library}, {"WRONG_CLOCK", File}],
             fun(Seconds) -> file:write_file(File, Seconds) end};
        _ -> {skip, "no LD_PRELOAD on this system"}
    end.
