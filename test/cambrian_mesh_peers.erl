%% Three real nodes with a population and a bridge each, for the suites of the mesh.
-module(cambrian_mesh_peers).
-export([nodes_of/1, population/2, bridge/2, bridge/3, meet/2, trust/3, refused/1, publish/1,
         publish/2, received/2, received/3, kept/2, judged/2, publish_here/1, three/1, stop/1]).
-import(cambrian_wait, [until/1]).

-define(REALM, <<"org.example.test">>).

three(Config) -> [{nodes, cambrian_peers:start([one, two, three])} | Config].

stop(Config) -> cambrian_peers:stop(proplists:get_value(nodes, Config)).

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

%% A secret in a file, whose key can be rotated.
kept(Config, Name) ->
    File = filename:join(proplists:get_value(priv_dir, Config), Name),
    {ok, #{secret := Secret}} = cambrian_identity:load_or_new(File),
    {File, Secret()}.

judged(Peer, Id) ->
    Story = peer:call(Peer, cambrian_bridge, why, [Id]),
    lists:any(fun(#{step := Step}) -> Step =:= judged end, Story) andalso Story.
