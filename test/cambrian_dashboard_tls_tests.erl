%% The dashboard over HTTPS.
-module(cambrian_dashboard_tls_tests).
-compile(export_all).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).
-import(cambrian_dashboard_client, [answer/1, connect/1, connections/1, header/2, open/1, whole/2,
                                    written/4]).

-define(TOKEN, "correct-horse-battery").

dashboard_test_() -> cambrian_dashboard_client:tests(?MODULE).

%% The same server over https.
the_dashboard_serves_https() ->
    with_certificate(fun(Ca, Options) ->
        Port = open(#{token => ?TOKEN, ssl => Options}),
        ?assertMatch(<<"https://127.0.0.1:", _/binary>>, cambrian_dashboard:url()),
        Ask =
            fun(Method, Path, Headers, Body) -> secure(written(Method, Path, Headers, Body), Ca)
            end,
        ?assertMatch({200, _, <<"{\"status\":\"ok\"}">>}, Ask("GET", "/health", [], "")),
        ?assertMatch({401, _, _}, Ask("GET", "/metrics", [], "")),
        {303, Headers, _} = Ask("GET", "/?token=" ++ ?TOKEN, [], ""),
        [Pair, " Path=/", " HttpOnly", " SameSite=Strict", " Max-Age=43200", " Secure"] =
            string:split(header("set-cookie", Headers), ";", all),
        ?assert(lists:prefix("__Host-cambrian_" ++ integer_to_list(Port) ++ "=", Pair)),
        "enter#" ++ Key = header("location", Headers),
        ?assertMatch({200, _, _}, Ask("GET", "/metrics", [{"cookie", Pair}], "")),
        ?assertMatch({404, _, _},
                     Ask("POST", "/pause",
                         [{"cookie", Pair}, {"x-cambrian", Key},
                          {"origin", "https://localhost:" ++ integer_to_list(Port)}],
                         "population=nobody")),
        ?assertMatch({413, _, _},
                     Ask("POST", "/pause", [{"cookie", Pair}, {"x-cambrian", Key}],
                         lists:duplicate(5000, $a))),
        %% a stream and its end
        {ok, Stream} = tls(Ca),
        ok = ssl:send(Stream, written("GET", "/events", [{"cookie", Pair}], "")),
        until(fun() ->
            {ok, Read} = ssl:recv(Stream, 0, 300_000),
            binary:match(Read, <<"event: state">>) =/= nomatch end),
        ok = ssl:close(Stream),
        until(fun() -> cambrian_dashboard_listener:connections() =:= [] end)
    end).

%% A handshake that stalls has the deadline of a request's head and delays no other client. A
%% client without TLS gets no answer.
the_dashboard_does_not_wait_for_a_tls_handshake() ->
    with_certificate(fun(Ca, Options) ->
        _ = open(#{ssl => Options}),
        Stalled =
            [begin Socket = connect([]), ok = gen_tcp:send(Socket, <<22, 3, 1, 2, 0>>), Socket end
             || _ <- lists:seq(1, 100)],
        ?assertMatch({200, _, _}, secure(written("GET", "/health", [], ""), Ca)),
        ?assert(length(connections(waiting)) =< 32),
        until(fun() -> cambrian_dashboard_listener:connections() =:= [] end),
        [ok = gen_tcp:close(Socket) || Socket <- Stalled],
        Plain = connect([]),
        ok = gen_tcp:send(Plain, written("GET", "/health", [], "")),
        Said = whole(Plain, <<>>),
        ?assertEqual(nomatch, binary:match(Said, <<"HTTP">>)),
        ?assertMatch({200, _, _}, secure(written("GET", "/health", [], ""), Ca))
    end).

%% The start checks the certificate and names what is wrong with it.
the_dashboard_checks_its_certificate_at_the_start() ->
    with_certificate(fun(Ca, [{certfile, Certificate}, {keyfile, Key}]) ->
        [begin
             {error, {bad_option, {ssl, What, Expected}}} =
                 cambrian_dashboard:start(#{port => 0, ssl => Bad}),
             ?assertEqual({Bad, unicode:characters_to_binary(Said), ExpectedOf},
                          {Bad, What,
                           hd([Of || Of <- [ExpectedOf], binary:match(Expected, Of) =/= nomatch] ++
                                  [Expected])})
         end || {Bad, Said, ExpectedOf} <-
             [{[{certfile, "/nowhere.pem"}, {keyfile, Key}],
               "certfile /nowhere.pem: no such file or directory", <<"a certificate in PEM">>},
              {[{certfile, Certificate}, {keyfile, "/nowhere.pem"}],
               "keyfile /nowhere.pem: no such file or directory", <<"private key in PEM">>},
              {[{certfile, Certificate}],
               ["the option keyfile is missing, and certfile ", Certificate, " has no private key"],
               <<"as keyfile">>},
              {[{certfile, Certificate}, {keyfile, Ca}], ["keyfile ", Ca, " has no private key"],
               <<"as keyfile">>},
              {[{certfile, Key}, {keyfile, Key}], ["certfile ", Key, " has no certificate"],
               <<"as certfile">>},
              {[{certfile, Ca}, {keyfile, Key}], "the key is not that of the certificate",
               <<"its own private key">>},
              {[{certs_keys, [#{certfile => Ca, keyfile => Key}]}],
               "the key is not that of the certificate", <<"its own private key">>},
              {[{certfle, Certificate}, {keyfile, Key}], "the option certfle is unknown",
               <<"did you mean certfile?">>},
              {[{keyfile, Key}], "the option certfile is missing", <<"certfile and keyfile">>},
              {[{verify, maybe_so}, {certfile, Certificate}, {keyfile, Key}],
               "{options,{verify,maybe_so}}", <<"a handshake succeeds">>}]],
        [?assertMatch({Bad, {error, {bad_option, {ssl, Bad, _}}}},
                      {Bad, cambrian_dashboard:start(#{port => 0, ssl => Bad})})
         || Bad <- [[], none]],
        [?assertMatch({Bad, {error, {bad_option, {ssl, _, _}}}},
                      {Bad, cambrian_dashboard:start(#{port => 0, ssl => Bad})})
         || Bad <- ["cert.pem", [foo | bar]]],
        %% with the option for clients' certificates the dashboard starts too
        {ok, _} =
            cambrian_dashboard:start(#{port => 0,
                                       ssl =>
                                           [{certfile, Certificate}, {keyfile, Key},
                                            {cacertfile, Ca},
                                            {verify, verify_peer}, {fail_if_no_peer_cert, true}]})
    end).

the_dashboard_names_a_missing_ssl_application() ->
    with_certificate(fun(_Ca, Options) ->
        _ = application:stop(cambrian),
        [_ = application:stop(App) || App <- [inets, ssl]],
        _ = application:unload(ssl),
        Ebin = filename:dirname(code:which(ssl)),
        true = code:del_path(Ebin),
        try
            ?assertEqual({error, {application_unavailable, ssl}},
                         cambrian_dashboard:start(#{port => 0, ssl => Options})),
            ?assertMatch({ok, _}, cambrian_dashboard:start(#{port => 0}))
        after true = code:add_pathz(Ebin)
        end
    end).

with_certificate(Test) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        {ok, Folder} = cambrian_cli_certificates:make(#{node => "dashboard@localhost", out => Dir}),
        [Ca, Certificate, Key] =
            [binary_to_list(filename:join(Folder, File))
             || File <- ["ca.pem", "cert.pem", "key.pem"]],
        {ok, _} = application:ensure_all_started(ssl),
        Test(Ca, [{certfile, Certificate}, {keyfile, Key}])
    end).

secure(Text, Ca) ->
    {ok, Socket} = tls(Ca),
    ok = ssl:send(Socket, Text),
    Answer = whole_tls(Socket, <<>>),
    %% The server may have closed it already. OTP's own end of a connection can crash then: two
    %% connections that end at once both decrement the counter of the certificates' file.
    _ = try ssl:close(Socket) catch exit:_ -> ok end,
    answer(Answer).

tls(Ca) ->
    ssl:connect("localhost", erlang:get(port),
                [binary, {active, false}, {verify, verify_peer}, {cacertfile, Ca},
                 {server_name_indication, "localhost"}], 300_000).

whole_tls(Socket, Before) ->
    case ssl:recv(Socket, 0, 300_000) of
        {ok, More} -> whole_tls(Socket, <<Before/binary, More/binary>>);
        {error, closed} -> Before
    end.
