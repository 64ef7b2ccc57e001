%% The mesh over TLS distribution with mutual certificates, as docs/distribution.md shows it:
%% which nodes may connect, and which may not.
-module(cambrian_tls_SUITE).
-compile([export_all, nowarn_export_all]).

-include_lib("stdlib/include/assert.hrl").
-import(cambrian_wait, [until/1]).

-define(REALM, <<"org.example.tls">>).

all() ->
    [two_nodes_share_a_champion, a_node_with_the_cookie_alone_is_refused,
     certificates_of_other_authorities_are_refused, a_certificate_of_another_host_is_refused,
     a_node_with_a_list_checks_the_host_of_each_certificate,
     the_authority_and_its_certificates_are_not_replaced, a_wrong_node_name_or_folder_is_refused].

init_per_suite(Config) ->
    Dir = cambrian_temporary:dir(),
    {ok, _} = cambrian_cli_certificates:make(#{node => "one@127.0.0.1", out => Dir}),
    [{dir, Dir} | Config].

end_per_suite(Config) -> ok = file:del_dir_r(proplists:get_value(dir, Config)).

%% The champion of one node reaches the other over TLS and is evaluated there.
two_nodes_share_a_champion(Config) ->
    [One, Two] = Nodes =
        [start(tls_one, own(Config)), start(tls_two, made("two@127.0.0.1", Config))],
    ok = cambrian_peers:connect(Nodes),
    ?assertEqual([[tls], [tls]], [protocols(Peer) || {Peer, _} <- Nodes]),
    [begin
         {ok, _} =
             peer:call(Peer, cambrian_population, start,
                       [#{task => 'xor', name => gate, seed => Seed}]),
         {ok, _} =
             peer:call(Peer, cambrian_bridge, start,
                       [#{realm => ?REALM, populations => [gate],
                          publish_best_fitness_threshold => 0}])
     end || {{Peer, _}, Seed} <- lists:zip(Nodes, [42, 1])],
    ok = peer:call(element(1, One), cambrian_population, run, [gate]),
    {ok, #{solved := true}} =
        peer:call(element(1, One), cambrian_population, await, [gate, 300_000], infinity),
    Key = peer:call(element(1, One), cambrian_bridge, identity, []),
    {ok, _} = peer:call(element(1, Two), cambrian_population, step, [gate, 1]),
    until(fun() ->
              case peer:call(element(1, Two), cambrian_bridge, global_best, []) of
                  #{<<"xor">> := #{origin := Key}} -> true;
                  _ -> false
              end
          end),
    [?assertMatch(#{outcome := accepted}, Last)
     || Last <- [hd(peer:call(element(1, Two), cambrian_bridge, migrations, []))]],
    cambrian_peers:stop(Nodes).

protocols(Peer) ->
    {ok, Nodes} = peer:call(Peer, net_kernel, nodes_info, []),
    [Protocol || {_, Info} <- Nodes, {address, {net_address, _, _, Protocol, _}} <- Info].

%% A node that has the cookie but no certificate of the authority cannot connect, in either
%% direction.
a_node_with_the_cookie_alone_is_refused(Config) ->
    [{_, One}] = Nodes = [start(tls_one, own(Config))],
    Plain = start(tls_plain, []),
    ?assertEqual(pang, ping(Plain, One)),
    ?assertEqual(pang, ping(hd(Nodes), element(2, Plain))),
    %% a node with TLS but without a certificate of its own
    Bare = filename:join(proplists:get_value(dir, Config), "bare.conf"),
    Ca = filename:join([proplists:get_value(dir, Config), "one@127.0.0.1", "ca.pem"]),
    ok = file:write_file(Bare,
                         io_lib:format("~p.~n",
                                       [[{server, [{cacertfile, Ca}]},
                                         {client, [{cacertfile, Ca}, {verify, verify_peer}]}]])),
    None = start(tls_none, options(Bare)),
    ?assertEqual(pang, ping(None, One)),
    ?assertEqual([], peer:call(element(1, hd(Nodes)), erlang, nodes, [connected])),
    %% the missing certificate is the reason: with one the same node may connect
    Two = start(tls_two, made("two@127.0.0.1", Config)),
    ?assertEqual(pong, ping(Two, One)),
    cambrian_peers:stop([Plain, None, Two | Nodes]).

%% A certificate of another authority, and an expired one.
certificates_of_other_authorities_are_refused(Config) ->
    Dir = proplists:get_value(dir, Config),
    Nodes = [{_, One} = Good] = [start(tls_one, own(Config))],
    {ok, Foreign} =
        cambrian_cli_certificates:make(#{node => "x@127.0.0.1",
                                         out => filename:join(Dir, "others")}),
    %% this node accepts our certificate too, so that only we can refuse
    {ok, _} =
        file:copy(filename:join([Dir, "one@127.0.0.1", "ca.pem"]),
                  filename:join(Foreign, "ca.pem")),
    {ok, Old} = cambrian_cli_certificates:make(#{node => "old@127.0.0.1", out => Dir, days => -1}),
    [begin
         Bad = start(Name, options(filename:join(Folder, "ssl_dist.conf"))),
         ?assertEqual({Name, pang}, {Name, ping(Bad, One)}),
         ?assertEqual({Name, pang}, {Name, ping(Good, element(2, Bad))}),
         cambrian_peers:stop([Bad])
     end || {Name, Folder} <- [{tls_foreign, Foreign}, {tls_old, Old}]],
    cambrian_peers:stop(Nodes).

%% A node that connects to another checks the host in its certificate.
a_certificate_of_another_host_is_refused(Config) ->
    One = start(tls_one, own(Config)),
    Other = start(tls_other, made("other@127.0.0.9", Config)),
    ?assertEqual(pang, ping(One, element(2, Other))),
    cambrian_peers:stop([One, Other]).

%% A node that accepts a connection checks the host in the certificate only if it has a list of
%% nodes.
a_node_with_a_list_checks_the_host_of_each_certificate(Config) ->
    {Peer, One} = Good = start(tls_one, own(Config)),
    Other = start(tls_other, made("other@127.0.0.9", Config)),
    ?assertEqual(pong, ping(Other, One)),
    cambrian_peers:stop([Other]),
    [Two, Third] =
        [start(Name, made(Node, Config))
         || {Name, Node} <- [{tls_two, "two@127.0.0.1"}, {tls_third, "third@127.0.0.9"}]],
    ok = peer:call(Peer, net_kernel, allow, [[element(2, Two), element(2, Third)]]),
    ?assertEqual(pang, ping(Third, One)),
    ?assertEqual(pong, ping(Two, One)),
    cambrian_peers:stop([Good, Two, Third]).

the_authority_and_its_certificates_are_not_replaced(Config) ->
    Dir = proplists:get_value(dir, Config),
    Read = fun(Path) -> {ok, Bytes} = file:read_file(filename:join(Dir, Path)), Bytes end,
    {Ca, First} = {Read("ca.pem"), Read("one@127.0.0.1/cert.pem")},
    {ok, Folder} =
        cambrian_cli_certificates:make(#{node => "one@127.0.0.1", out => Dir, at => "/etc/größe"}),
    ?assertEqual(Ca, Read("ca.pem")),
    ?assertEqual(Ca, Read("one@127.0.0.1/ca.pem")),
    ?assertNotEqual(First, Read("one@127.0.0.1/cert.pem")),
    {ok, [[{server, Server}, {client, _}]]} = file:consult(filename:join(Folder, "ssl_dist.conf")),
    ?assertEqual("/etc/größe/key.pem", proplists:get_value(keyfile, Server)),
    ?assertEqual([8#600, 8#600, 8#700],
                 [cambrian_temporary:mode(filename:join(Dir, Path))
                  || Path <- ["ca.key", "one@127.0.0.1/key.pem", "one@127.0.0.1"]]),
    ?assertEqual(["ca.pem", "cert.pem", "key.pem", "ssl_dist.conf"],
                 lists:sort(filelib:wildcard("*", binary_to_list(Folder)))),
    {ok, _} = cambrian_cli_certificates:make(#{node => "one@127.0.0.1", out => Dir}).

a_wrong_node_name_or_folder_is_refused(Config) ->
    Dir = proplists:get_value(dir, Config),
    [?assertMatch({Node, {error, _}},
                  {Node, cambrian_cli_certificates:make(#{node => Node, out => Dir})})
     || Node <- ["one", "one@", "@host", "one@a b", "one@a\nCN=b", "../one@host", "one@host/.."]],
    {error, Line} = cambrian_cli_certificates:make(#{node => "one@host", out => "/dev/null/x"}),
    ?assertNotEqual(nomatch, string:find(unicode:characters_to_list(Line), "/dev/null/x")),
    Path = os:getenv("PATH"),
    true = os:putenv("PATH", "/nowhere"),
    try ?assertEqual({error, "openssl: expected on the PATH"},
                     cambrian_cli_certificates:make(#{node => "one@host", out => Dir}))
    after os:putenv("PATH", Path)
    end.

%%% ---- helpers ----------------------------------------------------------------------------

own(Config) ->
    options(filename:join([proplists:get_value(dir, Config), "one@127.0.0.1", "ssl_dist.conf"])).

made(Node, Config) ->
    {ok, Folder} =
        cambrian_cli_certificates:make(#{node => Node, out => proplists:get_value(dir, Config)}),
    options(filename:join(Folder, "ssl_dist.conf")).

options(Conf) -> ["-proto_dist", "inet_tls", "-ssl_dist_optfile", unicode:characters_to_list(Conf)].

start(Name, Args) -> cambrian_peers:start_one(Name, #{args => Args}).

ping({Peer, _}, Node) -> peer:call(Peer, net_adm, ping, [Node], infinity).
