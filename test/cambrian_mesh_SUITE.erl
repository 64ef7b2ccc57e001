%% Three real nodes that exchange champions and refuse lies.
-module(cambrian_mesh_SUITE).
-include_lib("stdlib/include/assert.hrl").
-import(cambrian_wait, [until/1]).
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.test">>).

%% Cases that need no other nodes.
-define(ALONE, [a_misspelt_population_is_reported_as_missing,
                a_population_without_a_name_takes_part_again_after_a_crash,
                a_transport_that_hangs_does_not_block_the_bridge,
                the_status_of_a_bridge_does_not_show_its_secret, options_are_checked,
                a_grant_is_checked_when_the_bridge_starts, a_node_that_may_not_publish_says_so,
                a_key_without_a_file_is_not_rotated,
                a_costly_champion_is_refused_before_its_evaluation,
                genotypes_that_stall_cost_their_origin_reputation]).

all() ->
    [a_champion_reaches_all_nodes, wrong_envelopes_are_refused_with_their_reasons,
     realms_are_apart, the_same_seed_gives_the_same_champion_on_another_node,
     a_population_that_crashed_takes_part_again, a_rotated_key_keeps_its_standing,
     owners_revoke_a_grant_by_a_charter, forged_messages_do_not_harm_the_forged_key,
     only_a_node_with_a_grant_is_heard, a_ban_of_a_genotype_survives_a_restart,
     an_identity_survives_a_restart, the_bridge_survives_random_messages,
     small_champions_are_sent_and_larger_ones_asked_for,
     a_very_large_champion_is_fetched_as_a_blob,
     after_a_partition_all_nodes_hold_the_better_champion,
     three_archives_become_one, bridges_start_by_the_environment_of_the_application,
     a_node_may_be_in_two_realms,
     a_node_is_heard_again_once_its_clock_is_right, a_policy_publishes_migrants,
     a_node_of_a_ring_takes_only_from_the_node_before_it, a_node_takes_from_the_nearest_node
     | ?ALONE].

init_per_testcase(Case, Config) ->
    case lists:member(Case, ?ALONE) of
        true -> [{nodes, []} | Config];
        false -> [{nodes, cambrian_peers:start([one, two, three])} | Config]
    end.

end_per_testcase(_, Config) -> cambrian_peers:stop(proplists:get_value(nodes, Config)).

nodes_of(Config) ->
    Nodes = proplists:get_value(nodes, Config),
    ok = cambrian_peers:connect(Nodes),
    [Peer || {Peer, _} <- Nodes].

population(Peer, Options) ->
    {ok, _} =
        peer:call(Peer, cambrian_population, start,
                  [maps:merge(#{task => 'xor', name => shared}, Options)]),
    {ok, Recorder} = peer:call(Peer, cambrian_recorder, start, [shared]),
    Recorder.

bridge(Peer, Realm) -> bridge(Peer, Realm, #{populations => [shared]}).

bridge(Peer, Realm, Options) ->
    {ok, _} = peer:call(Peer, cambrian_bridge, start, [Options#{realm => Realm}]).

meet(Peer, Count) ->
    until(fun() -> maps:get(peers, peer:call(Peer, cambrian_bridge, status, [])) =:= Count - 1 end).

trust(Peer, Function, Arguments) -> peer:call(Peer, cambrian_trust, Function, [?REALM | Arguments]).

refused(Peer) -> maps:get(refused, trust(Peer, report, [])).

publish(Peer) -> publish(Peer, 1).
publish(Peer, Seed) ->
    {ok, Id} = peer:call(Peer, ?MODULE, publish_here, [Seed]),
    Id.

%% Publishes on the node itself, since a genotype leaves a node only in an envelope.
publish_here(Seed) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed),
    cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 0.0}).

received(Peer, Origin) -> received(Peer, Origin, ?REALM).

received(Peer, Origin, Realm) ->
    case peer:call(Peer, cambrian_trust, report, [Realm]) of
        #{origins := #{Origin := #{received := N}}} -> N;
        _ -> 0
    end.

%% The first node solves XOR; the other two stay idle at generation 0 and take its champion in.
a_champion_reaches_all_nodes(Config) ->
    [One | Others] = Peers = nodes_of(Config),
    Recorders =
        [population(Peer, #{seed => Seed}) || {Peer, Seed} <- lists:zip(Peers, [42, 43, 44])],
    _ = [bridge(Peer, ?REALM) || Peer <- Peers],
    meet(One, 3),
    %% an idle population measures newcomers at once, but only after its first generation
    _ = [{ok, _} = peer:call(Peer, cambrian_population, step, [shared, 1]) || Peer <- Others],
    ok = peer:call(One, cambrian_population, run, [shared]),
    {ok, #{fitness := Fitness}} = peer:call(One, cambrian_population, await, [shared, 20_000]),
    Origin = peer:call(One, cambrian_bridge, identity, []),
    _ = [until(fun() -> best_from(Origin, Peer, Recorder) =:= Fitness end)
         || {Peer, Recorder} <- lists:zip(Others, tl(Recorders))],
    _ = [begin
             ?assertMatch([#{accepted := N}] when N > 0,
                          [Known
                           || #{origin := From} =
                               Known <- peer:call(Peer, cambrian_bridge, list_nodes, []),
                           From =:= Origin]),
             ?assertMatch(#{<<"xor">> := #{fitness := Fitness, origin := Origin}},
                          peer:call(Peer, cambrian_bridge, global_best, [])),
             %% the claimed fitness was true
             ?assert(trust(Peer, reputation, [Origin]) > 0.5),
             %% the other nodes know its parents too
             [#{parents := Parents, operators := Operators} | _] =
                 peer:call(One, ?MODULE, lineage_of_best, []),
             [#{origin := Signer, parents := Parents, operators := Names} | _] =
                 peer:call(Peer, ?MODULE, lineage_of_best, []),
             ?assertEqual({Origin, lists:map(fun atom_to_binary/1, Operators)}, {Signer, Names})
         end || Peer <- Others].

lineage_of_best() ->
    #{<<"xor">> := #{genotype := Best}} = cambrian_bridge:global_best(),
    {ok, Lineage} = cambrian:lineage(Best),
    Lineage.

%% Steps one generation; then the best fitness that this node measured of genotypes of the origin.
best_from(Origin, Peer, Recorder) ->
    #{received := Received} = peer:call(Peer, cambrian_recorder, read, [Recorder]),
    lists:max([0.0
               | [Fitness || #{from := From, fitness := Fitness} <- Received, From =:= Origin]]).

%% Three archives become one, by what each node measured.
three_archives_become_one(Config) ->
    Peers = nodes_of(Config),
    Options =
        #{task => maze_medium, search => map_elites, target => 1000,
          params => #{cells => 100, population => 20}},
    _ = [population(Peer, Options#{seed => Seed}) || {Peer, Seed} <- lists:zip(Peers, [1, 2, 3])],
    _ = [bridge(Peer, ?REALM, #{populations => [shared], common_archive => true}) || Peer <- Peers],
    _ = [{ok, _} = peer:call(Peer, cambrian_population, step, [shared, 2]) || Peer <- Peers],
    [{_, _}, {_, _}, {_, _}] = lists:usort([archive_of(Peer) || Peer <- Peers]),
    {ok, Union} =
        cambrian_archive:merge(archive_here(hd(Peers)), archive_here(lists:nth(2, Peers))),
    {ok, All} = cambrian_archive:merge(Union, archive_here(lists:nth(3, Peers))),
    until(fun() ->
        lists:usort([Id
                     || {Id, _} <- [archive_of(Peer)
                                    || Peer <- Peers]]) =:= [cambrian_archive:id(All)] end),
    %% nobody was taken for a liar, and what came is known by who bred it
    _ = [begin
             #{origins := Origins, bans := []} = trust(Peer, report, []),
             %% an elite of another node may have come by the third
             ?assertMatch([_ | _], maps:keys(Origins)),
             ?assertEqual([], [Lies || #{lies := Lies} <- maps:values(Origins), Lies > 0])
         end || Peer <- Peers].

archive_of(Peer) ->
    {ok, Bytes} = peer:call(Peer, ?MODULE, archive_bytes, []),
    {crypto:hash(sha256, Bytes), byte_size(Bytes)}.

archive_here(Peer) ->
    {ok, Bytes} = peer:call(Peer, ?MODULE, archive_bytes, []),
    {ok, Archive} = cambrian_archive:from_binary(Bytes),
    Archive.

archive_bytes() ->
    {ok, Archive} = cambrian_population:archive(shared),
    {ok, cambrian_archive:to_binary(Archive)}.

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

realms_are_apart(Config) ->
    [One, Two, Three] = nodes_of(Config),
    _ = [population(Peer, #{seed => 42}) || Peer <- [One, Two, Three]],
    bridge(One, ?REALM),
    bridge(Two, ?REALM),
    bridge(Three, <<"elsewhere">>),
    meet(One, 2),
    ok = peer:call(One, cambrian_population, run, [shared]),
    {ok, _} = peer:call(One, cambrian_population, await, [shared, 20_000]),
    until(fun() -> maps:is_key(received, peer:call(Two, cambrian_bridge, counts, [])) end),
    ?assertNot(maps:is_key(received, peer:call(Three, cambrian_bridge, counts, []))).

the_same_seed_gives_the_same_champion_on_another_node(Config) ->
    Peers = [Peer || {Peer, _} <- proplists:get_value(nodes, Config)],
    Options = #{task => double_pole_novel, seed => 5, generations => 15, target => 99},
    Champions = [begin
                     Recorder = population(Peer, Options),
                     ok = peer:call(Peer, cambrian_population, run, [shared]),
                     {ok, _} = peer:call(Peer, cambrian_population, await, [shared, 60_000]),
                     #{result := #{champion := Bytes}} =
                         peer:call(Peer, cambrian_recorder, read, [Recorder]),
                     Bytes
                 end || Peer <- Peers],
    ?assertMatch([_], lists:usort(Champions)).

a_population_that_crashed_takes_part_again(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [population(Peer, #{seed => 42}) || Peer <- [One, Two]],
    _ = [bridge(Peer, ?REALM) || Peer <- [One, Two]],
    meet(One, 2),
    Pid = peer:call(One, erlang, whereis, [shared]),
    true = peer:call(One, erlang, exit, [Pid, kill]),
    until(fun() -> peer:call(One, erlang, whereis, [shared]) =/= undefined end),
    ok = peer:call(One, cambrian_population, run, [shared]),
    until(fun() -> maps:is_key(published, peer:call(One, cambrian_bridge, counts, [])) end),
    until(fun() -> maps:is_key(received, peer:call(Two, cambrian_bridge, counts, [])) end).

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

%% A secret in a file, whose key can be rotated.
kept(Config, Name) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    {ok, #{secret := Secret}} = cambrian_identity:load_or_new(File),
    {File, Secret()}.

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

%% A small champion is sent to all nodes at once. A larger one is announced, and nodes that lack
%% it ask for a difference if they hold a similar genotype, and otherwise for the whole.
small_champions_are_sent_and_larger_ones_asked_for(Config) ->
    [One, Two, _] = nodes_of(Config),
    _ = [takes_in(3, 1, Seed, Peer) || {Seed, Peer} <- [{1, One}, {2, Two}]],
    meet(One, 2),
    {Published, Stories} =
        lists:unzip([publish_sized(grown(Nodes), One, Two) || Nodes <- [0, 60, 61]]),
    ?assertMatch([[received, offered, judged], [announced, asked, received, offered, judged],
                  [announced, asked, received, offered, judged]],
                 [[Step || #{step := Step} <- Story] || Story <- Stories]),
    [Small, Medium, Grown] =
        [Bytes || Story <- Stories, #{step := received, bytes := Bytes} <- Story],
    [SmallWhole, MediumWhole, GrownWhole] = Published,
    ?assert(abs(Small - SmallWhole) < 16),
    ?assert(abs(Medium - MediumWhole) < 300),
    ?assert(Grown < GrownWhole div 2),
    ?assertMatch([#{outcome := _, origin := _, claimed := 1.0}, _, _],
                 peer:call(Two, cambrian_bridge, migrations, [])).

%% A node that holds no similar genotype fetches a very large one as a blob.
a_very_large_champion_is_fetched_as_a_blob(Config) ->
    [One, Two, _] = nodes_of(Config),
    takes_in(150, 100, 1, One),
    bridge(Two, ?REALM, #{}),
    {ok, _} =
        peer:call(Two, cambrian_bridge, subscribe_genotypes,
                  [all, peer:call(Two, erlang, whereis, [cambrian_sup])]),
    meet(One, 2),
    {ok, G} = cambrian_genotype:new(#{inputs => 150, outputs => 100}, 9),
    {Id, Whole} = peer:call(One, ?MODULE, publish_sized_here, [cambrian_genotype:to_binary(G)]),
    ?assert(Whole > 50_000),
    Received = until(fun() -> received_bytes(Two, Id) end),
    ?assert(abs(Received - Whole) < 16).

received_bytes(Peer, Id) ->
    case [Bytes
          || #{step := received, bytes := Bytes} <- peer:call(Peer, cambrian_bridge, why, [Id])] of
        [Bytes] -> Bytes;
        [] -> false
    end.

takes_in(Inputs, Outputs, Seed, Peer) ->
    ok = peer:call(Peer, ?MODULE, takes_in_here, [Inputs, Outputs, Seed]),
    bridge(Peer, ?REALM, #{populations => [taking], cost_bound => 1.0e9}).

%% An idle population after one generation.
takes_in_here(Inputs, Outputs, Seed) ->
    {ok, _} =
        cambrian_population:start(#{task => fun(_) -> 1.0 end, name => taking, inputs => Inputs,
                                    outputs => Outputs,
                                    population => 5, seed => Seed}),
    {ok, _} = cambrian_population:step(taking, 1),
    ok.

%% The size of its envelope, and its story on the second node.
publish_sized(Genotype, One, Two) ->
    {Id, Size} =
        peer:call(One, ?MODULE, publish_sized_here, [cambrian_genotype:to_binary(Genotype)]),
    {Size, until(fun() -> judged(Two, Id) end)}.

publish_sized_here(Genes) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Genes),
    #{task := Task} = cambrian_population:info(taking),
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => atom_to_binary(Task), fitness => 1.0,
                                 generation => 0, sequence => 1,
                                 time => erlang:system_time(millisecond)}, Genotype,
                               cambrian_identity:new()),
    {ok, Id} = cambrian_bridge:publish_genotype(Genotype, #{task => Task, fitness => 1.0}),
    {Id, byte_size(Bytes)}.

judged(Peer, Id) ->
    Story = peer:call(Peer, cambrian_bridge, why, [Id]),
    lists:any(fun(#{step := Step}) -> Step =:= judged end, Story) andalso Story.

grown(Nodes) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 1),
    lists:foldl(fun(N, Before) -> {ok, After} = cambrian_genotype:mutate(Before, add_node, N), After
    end, G, lists:seq(1, Nodes)).

%% Both sides of a partition find a champion. After it, both hold the better one, and so does a
%% node that joins late.
after_a_partition_all_nodes_hold_the_better_champion(Config) ->
    [{One, NodeOne}, {Two, NodeTwo}, {Three, NodeThree}] = proplists:get_value(nodes, Config),
    _ = [begin population(Peer, #{seed => Seed}), bridge(Peer, ?REALM) end
         || {Peer, Seed} <- [{One, 42}, {Two, 7}]],
    Best = [begin
                ok = peer:call(Peer, cambrian_population, run, [shared]),
                {ok, #{fitness := Fitness}} =
                    peer:call(Peer, cambrian_population, await, [shared, 30_000]),
                Fitness
            end || Peer <- [One, Two]],
    [Low, High] = lists:sort(Best),
    ?assert(Low < High),
    pong = peer:call(One, net_adm, ping, [NodeTwo]),
    _ = [until(fun() -> best_fitness(Peer) =:= High end) || Peer <- [One, Two]],
    population(Three, #{seed => 3}),
    {ok, _} = peer:call(Three, cambrian_population, step, [shared, 1]),
    bridge(Three, ?REALM),
    pong = peer:call(Three, net_adm, ping, [NodeOne]),
    until(fun() -> best_fitness(Three) =:= High end),
    until(fun() ->
        length([there
                || #{alive := true} <- peer:call(Three, cambrian_bridge, list_nodes, [])]) =:= 2
    end),
    %% its population has taken the champion in
    ?assertMatch({ok, #{fitness := High}}, peer:call(Three, cambrian_population, best, [shared])),
    ?assertNotEqual(NodeThree, NodeOne).

best_fitness(Peer) ->
    case peer:call(Peer, cambrian_bridge, global_best, []) of
        #{<<"xor">> := #{fitness := Fitness}} -> Fitness;
        _ -> none
    end.

%% The environment of the application starts the bridges. In one realm the node only listens.
bridges_start_by_the_environment_of_the_application(Config) ->
    [One, Two | _] = nodes_of(Config),
    Environment =
        [{mesh_enabled, true}, {mesh_realm, "org.example.test"},
         {subscribe_to_realms, [<<"org.example.other">>, ?REALM]},
         {publish_best_fitness_threshold, 0.5}, {mesh_options, #{publish_interval => 10}}],
    ok = peer:call(One, application, stop, [cambrian]),
    _ = [ok = peer:call(One, application, set_env, [cambrian, Key, Value])
         || {Key, Value} <- Environment],
    {ok, _} = peer:call(One, application, ensure_all_started, [cambrian]),
    ?assertEqual([<<"org.example.other">>, ?REALM], peer:call(One, cambrian_bridge, realms, [])),
    bridge(Two, ?REALM),
    bridge(Two, <<"org.example.other">>),
    {ok, _} = peer:call(Two, cambrian_bridge, subscribe_genotypes, [all, self_there(Two)]),
    population(One, #{seed => 42}),
    ok = peer:call(One, cambrian_population, run, [shared]),
    until(fun() ->
        lists:usort([Realm
                     || #{received := N, realm := Realm} <- peer:call(Two, cambrian_bridge,
                                                                      list_nodes, []),
                     N > 0]) =:= [?REALM] end),
    {ok, _} = peer:call(One, cambrian_population, await, [shared, 30_000]),
    %% in the realm where it only listens, it publishes nothing
    ?assertEqual([?REALM], until(fun() -> published_in(One) end)),
    %% impossible settings are refused at the start
    ok = peer:call(One, application, stop, [cambrian]),
    _ = [begin
             Before = peer:call(One, application, get_env, [cambrian, Key, none]),
             ok = peer:call(One, application, set_env, [cambrian, Key, Value]),
             {error, {cambrian, Reason}} =
                 peer:call(One, application, ensure_all_started, [cambrian]),
             ?assertMatch({{bad_option, {Name, _, _}}, _} when Name =:= Key;
                          Name =:= budget, Reason),
             ok = peer:call(One, application, set_env, [cambrian, Key, Before])
         end || {Key, Value} <- [{mesh_enabled, yes}, {mesh_realm, 7}, {subscribe_to_realms, other},
                                 {publish_best_fitness_threshold, 7},
                                 {mesh_options, #{budget => 0}}]].

published_in(Peer) ->
    {ok, #{champion := Champion}} = peer:call(Peer, ?MODULE, best_id, []),
    Realms =
        [Realm
         || #{step := published, realm := Realm} <- peer:call(Peer, cambrian_bridge, why,
                                                              [Champion])],
    Realms =/= [] andalso lists:usort(Realms).

self_there(Peer) -> peer:call(Peer, erlang, whereis, [cambrian_realms]).

%% Each of two realms has its own champions, keys and counts.
a_node_may_be_in_two_realms(Config) ->
    [One, Two, Three] = nodes_of(Config),
    Other = <<"org.example.other">>,
    _ = [bridge(One, Realm, #{}) || Realm <- [?REALM, Other]],
    bridge(Two, ?REALM, #{}),
    bridge(Three, Other, #{}),
    ?assertEqual({error,
                  {already_started,
                   peer:call(One, cambrian_bridge_registry, whereis_name, [Other])}},
                 peer:call(One, cambrian_bridge, start, [#{realm => Other}])),
    {ok, G} = peer:call(One, ?MODULE, in_realm, [Other]),
    _ = until(fun() ->
        [] =/= [O
                || #{received := 1, origin := O} <- peer:call(Three, cambrian_bridge, list_nodes,
                                                              [])] end),
    ?assertEqual([],
                 [O
                  || #{received := N, origin := O} <- peer:call(Two, cambrian_bridge, list_nodes,
                                                                []), N > 0]),
    ?assertMatch([#{step := published, realm := Other}], peer:call(One, cambrian_bridge, why, [G])),
    %% with two identities the caller must name the realm to rotate; with one identity both realms
    %% rotate
    ?assertError({which_realm, [Other, ?REALM]}, peer:call(One, cambrian_bridge, rotate, [])),
    ok = peer:call(One, cambrian_bridge, stop, [Other]),
    ?assertEqual([?REALM], peer:call(One, cambrian_bridge, realms, [])),
    ok = peer:call(One, cambrian_bridge, stop, []),
    {File, Secret} = kept(Config, "of_both"),
    %% a key that could not be saved is not rotated
    bridge(One, ?REALM, #{identity => Secret}),
    bridge(One, Other, #{identity => File}),
    ?assertEqual({error, {no_identity_file, [?REALM]}},
                 peer:call(One, cambrian_bridge, rotate, [])),
    ok = peer:call(One, cambrian_bridge, stop, [?REALM]),
    bridge(One, ?REALM, #{identity => list_to_binary(File)}),
    {ok, Key} = peer:call(One, cambrian_bridge, rotate, []),
    ?assertMatch({ok, #{key := Key}}, cambrian_identity:load(File)),
    {ok, _} = peer:call(One, ?MODULE, in_realm, [Other]),
    _ = until(fun() -> received(Two, Key, Other) =:= 0 andalso received(Three, Key, Other) =:= 1
    end).

in_realm(Realm) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    ?assertError({which_realm, [_, _]},
                 cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 0})),
    cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 0, realm => Realm}).

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

%% A warning names the missing population once, the status shows it while it is missing, and it
%% takes part when it starts.
a_misspelt_population_is_reported_as_missing(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    ok = cambrian_log:start(),
    try
        {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => [pole, polee]}),
        ?assertMatch(#{populations := [], missing := [pole, polee]}, cambrian_bridge:status()),
        {ok, _} = cambrian_population:start(#{task => 'xor', name => pole}),
        until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [pole] end),
        ?assertMatch(#{missing := [polee]}, cambrian_bridge:status()),
        ok = cambrian_population:stop(pole),
        until(fun() -> maps:get(missing, cambrian_bridge:status()) =:= [pole, polee] end),
        {ok, _} = cambrian_population:start(#{task => 'xor', name => pole}),
        until(fun() -> maps:get(missing, cambrian_bridge:status()) =:= [polee] end),
        ok = cambrian_population:stop(pole),
        ok = cambrian_bridge:stop(),
        Missing =
            "cambrian: the population ~s does not run; the bridge of realm org.example.test adds "
            "it when it starts",
        Here = "cambrian: the population pole runs now, and takes part in realm org.example.test",
        Said =
            [{warning, lists:flatten(io_lib:format(Missing, [Name]))}
             || Name <- ["pole", "polee"]] ++ [{notice, Here}, {notice, Here}],
        ?assertEqual(Said,
                     [{Level, Text}
                      || {Level, "cambrian: the population" ++ _ = Text} <- cambrian_log:said()])
    after cambrian_log:stop()
    end.

%% A population without a registered name has another pid after a crash, and takes part again.
a_population_without_a_name_takes_part_again_after_a_crash(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, P} = cambrian_population:start(#{task => 'xor'}),
    {ok, _} = cambrian_bridge:start(#{realm => ?REALM, populations => [P]}),
    #{populations := [Name]} = cambrian_bridge:status(),
    exit(P, kill),
    until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [] end),
    until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [Name] end),
    ok = cambrian_population:stop(P),
    until(fun() -> maps:get(populations, cambrian_bridge:status()) =:= [] end),
    ok = cambrian_bridge:stop().

%% Every 50 ms the policy picks a genotype other than the champion and publishes it.
a_policy_publishes_migrants(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [population(Peer, #{seed => Seed}) || {Peer, Seed} <- [{One, 42}, {Two, 43}]],
    {ok, _} = peer:call(One, cambrian_population, step, [shared, 3]),
    {ok, #{champion := Champion}} = peer:call(One, ?MODULE, best_id, []),
    bridge(One, ?REALM,
           #{populations => [shared], migration_policy => random, migration_interval => 50}),
    bridge(Two, ?REALM),
    {ok, _} = peer:call(Two, cambrian_population, step, [shared, 1]),
    meet(One, 2),
    Come =
        until(fun() ->
            Judged = peer:call(Two, cambrian_bridge, migrations, []),
            length(Judged) >= 5 andalso Judged end),
    ?assert(lists:any(fun(#{genotype := Id}) -> Id =/= Champion end, Come)),
    ?assertEqual([peer:call(One, cambrian_bridge, identity, [])],
                 lists:usort([Origin || #{origin := Origin} <- Come])),
    ?assertMatch([_], peer:call(Two, cambrian_trust, bans, [?REALM]) ++ [none]).

best_id() ->
    {ok, #{champion := Champion} = Best} = cambrian_population:best(shared),
    {ok, Best#{champion := cambrian_genotype:id(Champion)}}.

a_node_of_a_ring_takes_only_from_the_node_before_it(Config) ->
    Peers = nodes_of(Config),
    _ = [begin
             population(Peer, #{seed => 42}),
             {ok, _} = peer:call(Peer, cambrian_population, step, [shared, 1]),
             bridge(Peer, ?REALM, #{populations => [shared], topology => ring})
         end || Peer <- Peers],
    _ = [meet(Peer, 3) || Peer <- Peers],
    ByKey = lists:sort([{peer:call(Peer, cambrian_bridge, identity, []), Peer} || Peer <- Peers]),
    [{_, First}, {_, Second}, {_, Third}] = ByKey,
    _ = [until(fun() ->
        length([N
                || #{alive := true} = N <- peer:call(Peer, cambrian_bridge, list_nodes, [])]) =:= 2
    end) || Peer <- Peers],
    Id = publish(First, 5),
    until(fun() -> judged(Second, Id) end),
    ?assertMatch([received, not_a_source],
                 [Step || #{step := Step} <- until(fun() -> received_here(Third, Id) end)]).

%% A node with the topology nearest measures distances.
a_node_takes_from_the_nearest_node(Config) ->
    [One, Two | _] = nodes_of(Config),
    _ = [bridge(Peer, ?REALM, #{topology => {nearest, 1}}) || Peer <- [One, Two]],
    [Trip] = until(fun() ->
                       Trips =
                           [Trip
                            || #{round_trip := Trip} <- peer:call(One, cambrian_bridge, list_nodes,
                                                                  []), is_number(Trip)],
                       Trips =/= [] andalso Trips
                   end),
    ?assert(Trip >= 0 andalso Trip < 10_000).

received_here(Peer, Id) ->
    case peer:call(Peer, cambrian_bridge, why, [Id]) of
        [_, _ | _] = Story -> Story;
        _ -> false
    end.

%% The transport hangs: callers do not wait, and only the messages above a bound are lost.
a_transport_that_hangs_does_not_block_the_bridge(_Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Bridge} =
        cambrian_bridge:start(#{realm => <<"stuck">>, transport => cambrian_stuck_transport}),
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    Ids =
        [cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => N})
         || N <- lists:seq(1, 3000)],
    ?assertEqual([{ok, cambrian_genotype:id(G)}], lists:usort(Ids)),
    ?assertEqual([], cambrian_bridge:list_nodes()),
    #{published := 3000, not_said := Lost} = cambrian_bridge:counts(),
    ?assert(Lost >= 1990 andalso Lost =< 2010),
    ok = cambrian_bridge:stop(),
    ?assertNot(is_process_alive(Bridge)).

the_status_of_a_bridge_does_not_show_its_secret(_Config) ->
    Secret = cambrian_identity:new(),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Bridge} = cambrian_bridge:start_link(#{realm => <<"x">>, identity => fun() -> Secret end}),
    Shown = unicode:characters_to_binary(io_lib:format("~p", [sys:get_status(Bridge)])),
    Plain = unicode:characters_to_binary(io_lib:format("~p", [Secret])),
    <<First:8/binary, _/binary>> = Secret,
    [Numbers] = io_lib:format("~w", [binary_to_list(First)]),
    ?assertEqual(nomatch,
                 binary:match(Shown,
                              [Plain,
                               unicode:characters_to_binary(string:trim(Numbers, both, "[]"))])),
    ?assertMatch(<<_:32/binary>>, cambrian_bridge:identity()),
    ok = cambrian_bridge:stop().

%% Without a file the new key could not be kept: nothing changes, and no node hears of another
%% key.
a_key_without_a_file_is_not_rotated(_Config) ->
    _ = application:stop(cambrian),
    _ = [begin
             {ok, _} = cambrian_bridge:start(Identity#{realm => ?REALM}),
             Key = cambrian_bridge:identity(),
             ?assertEqual({error, {no_identity_file, [?REALM]}}, cambrian_bridge:rotate()),
             ?assertEqual(Key, cambrian_bridge:identity()),
             ok = cambrian_bridge:stop()
         end || Identity <- [#{identity => <<1:256>>}, #{identity => fun() -> <<1:256>> end}, #{}]].

%% A grant that all nodes would refuse is an error at the start.
a_grant_is_checked_when_the_bridge_starts(_Config) ->
    Owner = <<9:256>>,
    Now = erlang:system_time(millisecond),
    Sealed =
        fun(Realm, Key, Times) ->
            {ok, Bytes} = cambrian_nif:identity_grant(Owner, Realm, Key, Times), Bytes end,
    Key = cambrian_identity:public_key(<<1:256>>),
    Good = Sealed(?REALM, Key, {Now, Now + 3_600_000}),
    Start =
        fun(Grant) ->
            cambrian_bridge:start(#{realm => ?REALM, identity => <<1:256>>, grant => Grant}) end,
    Signed = <<"a grant as its owners signed it, from cambrian_identity:grant/4">>,
    Size = byte_size(Good) - 1,
    <<Head:Size/binary, Last>> = Good,
    Hex = fun(K) -> string:lowercase(binary:encode_hex(K)) end,
    _ = [begin
             ?assertEqual({error, {bad_option, {grant, Grant, Expected}}}, Start(Grant)),
             ?assertEqual([], cambrian_bridge:realms())
         end
         || {Grant, Expected} <-
                [{<<"nope">>, Signed}, {<<Head/binary, (Last bxor 1)>>, Signed},
                 {Sealed(<<"else">>, Key, {Now, Now + 3_600_000}),
                  <<"a grant for the realm ", ?REALM/binary, "; this one is for else">>},
                 {Sealed(?REALM, <<7:256>>, {Now, Now + 3_600_000}),
                  <<"a grant for the key of this node, ", (Hex(Key))/binary, "; this one is for ",
                    (Hex(<<7:256>>))/binary>>},
                 {Sealed(?REALM, Key, {0, 1_000_000}),
                  <<"a grant that has not ended; this one ended at 1970-01-01T00:16:40Z">>}]],
    {ok, _} = Start(Good),
    ok = cambrian_bridge:stop().

%% The status shows it, by the realm's options on this node. A node that is to publish logs a
%% warning too.
a_node_that_may_not_publish_says_so(_Config) ->
    Owner = <<9:256>>,
    Owned =
        #{realm => ?REALM, identity => <<1:256>>,
          capability => {signed_by, cambrian_identity:public_key(Owner)}},
    Grant = fun(Until) ->
                {ok, Bytes} =
                    cambrian_identity:grant(Owner, ?REALM, cambrian_identity:public_key(<<1:256>>),
                                            Until),
                Bytes
            end,
    Later = erlang:system_time(millisecond) + 3_600_000,
    {Shows, Warns, Silent} = {#{may_publish => false}, 1, #{}},
    _ = [?assertEqual({Options, Shown, Warnings}, begin {S, W} = seen(Options), {Options, S, W} end)
         || {Options, Shown, Warnings} <-
                [{Owned, Shows, Warns}, {Owned#{publish => false}, Shows, 0},
                 {Owned#{grant => Grant(Later)}, Silent, 0}, {Owned#{identity => Owner}, Silent, 0},
                 {Owned#{capability => {invited, [<<7:256>>]}}, Shows, Warns},
                 {Owned#{capability => {invited, [cambrian_identity:public_key(Owner)]},
                         grant => Grant(Later)}, Silent, 0},
                 {Owned#{capability => {keys, [<<7:256>>]}}, Shows, Warns},
                 {Owned#{capability => {work, 4}}, Silent, 0},
                 {Owned#{capability => open}, Silent, 0}]],
    %% a grant that ends while the bridge runs, whatever the realm's options on this node
    _ = [begin
             Soon = erlang:system_time(millisecond) + 2000,
             {ok, _} =
                 cambrian_bridge:start(Owned#{capability => Capability, grant => Grant(Soon)}),
             true =
                 cambrian_wait:until(fun() ->
                     maps:with([may_publish], cambrian_bridge:status()) =:= Shows end),
             %% after a crash the bridge starts again and still takes genotypes in
             Bridge = cambrian_bridge_registry:whereis_name(?REALM),
             exit(Bridge, kill),
             true = cambrian_wait:until(fun() ->
                        New = cambrian_bridge_registry:whereis_name(?REALM),
                        is_pid(New) andalso New =/= Bridge
                    end),
             ?assertEqual(Shows, maps:with([may_publish], cambrian_bridge:status())),
             ok = cambrian_bridge:stop()
         end || Capability <- [open, maps:get(capability, Owned)]].

seen(Options) ->
    ok = cambrian_log:start(),
    {ok, _} = cambrian_bridge:start(Options),
    Shown = maps:with([may_publish], cambrian_bridge:status()),
    Warnings =
        length([Text
                || {warning, Text} <- cambrian_log:said(),
                string:find(Text, "may not publish") =/= nomatch]),
    ok = cambrian_log:stop(),
    ok = cambrian_bridge:stop(),
    {Shown, Warnings}.

options_are_checked(_Config) ->
    ?assertEqual({error, {missing_options, [realm]}}, cambrian_bridge:start_link(#{})),
    ?assertMatch({error, {unknown_option, relm, _}},
                 cambrian_bridge:start_link(#{realm => <<"x">>, relm => 1})),
    ?assertMatch({error, {bad_option, {realm, lab, _}}},
                 cambrian_bridge:start_link(#{realm => lab})),
    _ = [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      cambrian_bridge:start_link(#{realm => <<"x">>, Name => Value}))
         || {Name, Value} <- [{capability, closed}, {rate, {0, 1}}, {tolerance, -1},
                              {grant, none}]],
    _ = [?assertMatch({error, {bad_option, {identity, Kind, _}}},
                      cambrian_bridge:start_link(#{realm => <<"x">>, identity => Value}))
         || {Kind, Value} <- [{<<"a binary of 0 bytes">>, <<>>},
                              {<<"a binary of 31 bytes">>, <<1:248>>}, {<<"an integer">>, 1},
                              {<<"a fun of arity 1">>, fun(_) -> <<1:256>> end},
                              %% it may be a path or a secret
                              {<<"a binary of 32 bytes">>,
                               <<"/var/lib/cambrian/keys/identity_">>}]],
    {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    Claims = #{task => 'xor', fitness => 1},
    _ = [?assertMatch({error, {bad_option, {Key, Value, _}}},
                      cambrian_bridge:publish_genotype(G, Claims#{Key => Value}))
         || {Key, Value} <- [{task, 1}, {fitness, a}, {generation, -1}, {parents, [1]},
                          {operators, [1]}]],
    ?assertMatch({error, {unknown_option, fitnes, _}},
                 cambrian_bridge:publish_genotype(G, Claims#{fitnes => 1})),
    ?assertEqual({error, {missing_options, [fitness]}},
                 cambrian_bridge:publish_genotype(G, #{task => 'xor'})),
    ?assertError(function_clause, cambrian_bridge:subscribe_genotypes(1, self())),
    ?assertError(function_clause, cambrian_bridge:join(<<"nobody">>)),
    process_flag(trap_exit, true),
    ?assertEqual({error, {transport_unavailable, no_such_transport}},
                 cambrian_bridge:start_link(#{realm => <<"x">>, transport => no_such_transport})).

%%% ---- costs of strangers -----------------------------------------------------------------

%% A population, its bridge and a stranger's connection in one VM.
besieged(Options, Bridge) ->
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = cambrian_population:start(Options#{name => besieged, target => 1.0e9}),
    {ok, _} = cambrian_population:step(besieged, 1),
    ok = cambrian_population:subscribe(besieged),
    {ok, _} = cambrian_bridge:start(Bridge#{realm => ?REALM, populations => [besieged]}),
    {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
    Stranger.

relieved(Stranger) ->
    ok = cambrian_transport_dist:disconnect(Stranger),
    ok = cambrian_bridge:stop(),
    ok = cambrian_population:stop(besieged),
    application:stop(cambrian).

sends(Stranger, Secret, Genotype, Claims) ->
    #{task_id := Task} = cambrian_population:info(besieged),
    {ok, Bytes} =
        cambrian_envelope:seal(maps:merge(#{realm => ?REALM, task => Task, fitness => 1.0,
                                            generation => 0,
                                            sequence =>
                                                erlang:unique_integer([positive, monotonic]),
                                            time => erlang:system_time(millisecond)}, Claims),
                               Genotype, Secret),
    ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, Bytes).

received_of(Id) ->
    receive {cambrian, besieged, {received, #{id := Id} = Received}} -> Received
    after 300_000 -> error({nothing_received, cambrian_bridge:why(Id)})
    end.

%% A champion with the claimed fitness and 20,000 neurons that do nothing: no node evaluates it,
%% and the user sees the reason.
a_costly_champion_is_refused_before_its_evaluation(_) ->
    {ok, #{champion := Champion, fitness := Fitness}} =
        cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    Stranger = besieged(#{task => double_pole_novel, seed => 4, population => 50}, #{}),
    Bloated = cambrian_population_SUITE:bloated(Champion, 20_000),
    Id = cambrian_genotype:id(Bloated),
    ok = cambrian_population:run(besieged),
    sends(Stranger, <<1:256>>, Bloated, #{fitness => Fitness}),
    #{outcome := too_costly, cost := Cost, median := Median, bound := Bound} = received_of(Id),
    Judged = until(fun() -> judged_here(Id) end),
    ?assertMatch(#{outcome := too_costly, cost := Cost, median := Median, bound := Bound,
                   claimed := Fitness}, Judged),
    ?assertMatch([#{outcome := too_costly, genotype := Id, cost := Cost}],
                 cambrian_bridge:migrations()),
    ?assertMatch(#{{rejected, too_costly} := 1}, cambrian_bridge:counts()),
    ?assertMatch([#{reason := too_costly, genotype := Id}], cambrian_trust:refusals(?REALM)),
    ?assertEqual(0.5, cambrian_trust:reputation(?REALM, cambrian_identity:public_key(<<1:256>>))),
    %% the same champion without these neurons is taken in while the population runs
    sends(Stranger, <<1:256>>, Champion, #{fitness => Fitness}),
    ?assertMatch(#{outcome := accepted, fitness := Fitness, work := _},
                 received_of(cambrian_genotype:id(Champion))),
    relieved(Stranger).

judged_here(Id) ->
    case [Step || #{step := judged} = Step <- cambrian_bridge:why(Id)] of
        [Judged | _] -> Judged;
        [] -> false
    end.

%% Genotypes that cannot be measured here cost their origin reputation, and the fifth bans its
%% key. The population goes on meanwhile.
genotypes_that_stall_cost_their_origin_reputation(_) ->
    Task = fun(Network) ->
               case cambrian_network:info(Network) of
                   #{connections := Connections} when Connections > 5 -> receive never -> 1.0 end;
                   _ -> 1.0
               end
           end,
    Frozen = #{add_node => 0.0, add_connection => 0.0, add_recurrent => 0.0},
    Stranger =
        besieged(#{task => Task, inputs => 2, outputs => 1, seed => 4, population => 20,
                   evaluation_timeout => infinity,
                   newcomer_timeout => 100, params => Frozen}, #{evaluation_share => 0.99}),
    ok = cambrian_population:run(besieged),
    Key = cambrian_identity:public_key(<<1:256>>),
    Reputation = fun() -> cambrian_trust:reputation(?REALM, Key) end,
    _ = [begin
             Before = Reputation(),
             Genotype = with_connections(7, Seed),
             sends(Stranger, <<1:256>>, Genotype, #{}),
             ?assertMatch(#{outcome := failed, work := Work} when Work > 0,
                          received_of(cambrian_genotype:id(Genotype))),
             until(fun() -> Reputation() < Before end)
         end || Seed <- lists:seq(1, 5)],
    ?assertMatch([#{what := {key, Key}, by := reputation}], cambrian_trust:bans(?REALM)),
    {ok, #{generation := Generation}} = cambrian_population:stats(besieged),
    until(fun() ->
        maps:get(generation, element(2, cambrian_population:stats(besieged))) > Generation end),
    relieved(Stranger).

%% A genotype with so many connections, from two inputs over hidden nodes to an output.
with_connections(Wanted, Seed) ->
    {ok, First} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed),
    Grow = fun Grow(Genotype, N) ->
               case cambrian_network:info(cambrian_network:compile(Genotype)) of
                   #{connections := Count} when Count >= Wanted -> Genotype;
                   _ ->
                       {ok, Next} = cambrian_genotype:mutate(Genotype, add_node, N),
                       Grow(Next, N + 1)
               end
           end,
    Grow(First, Seed).
