%% Who may read and change what by the dashboard.
-module(cambrian_dashboard_access_tests).
-compile([export_all, {no_auto_import, [get/1]}]).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_dashboard_client, [bearer/1, event/1, get/1, header/2, login/1, open/1, own/0,
                                    post/2, raw/1, request/4, stream/2]).

-define(TOKEN, "correct-horse-battery").
-define(HEX, "0000000000000000000000000000000000000000000000000000000000000007").
-define(REALM, <<"org.example.dashboard">>).

dashboard_test_() -> cambrian_dashboard_client:tests(?MODULE).

the_dashboard_asks_for_its_token() ->
    _ = open(#{token => ?TOKEN}),
    [?assertMatch({Path, {401, _, _}}, {Path, get(Path)})
     || Path <- ["/", "/metrics", "/events", "/picture/fitness", "/dashboard.js", "/nothing"]],
    ?assertMatch({401, _, _}, post("/pause", "population=gate")),
    ?assertMatch({200, _, <<"{\"status\":\"ok\"}">>}, get("/health")),
    ?assertMatch({401, _, _}, request("GET", "/metrics", [bearer("wrong")], "")),
    ?assertMatch({200, _, <<"# HELP", _/binary>>},
                 request("GET", "/metrics", [bearer(?TOKEN)], "")),
    {200, _, Health} = request("GET", "/health", [bearer(?TOKEN)], ""),
    ?assertNotEqual(nomatch, binary:match(Health, <<"\"version\"">>)),
    ?assertMatch({401, _, _}, get("/?token=wrong")).

%% The token opens a session. Its cookie is not the token, expires, and is valid for this host and
%% port only.
the_dashboard_opens_a_session_for_the_token() ->
    Port = open(#{token => ?TOKEN}),
    {Pair, Key} = login(?TOKEN),
    {303, Headers, _} = get("/?token=" ++ ?TOKEN),
    Cookie = header("set-cookie", Headers),
    Name = "cambrian_" ++ integer_to_list(Port) ++ "=",
    ?assertMatch([_, " Path=/", " HttpOnly", " SameSite=Strict", " Max-Age=43200"],
                 string:split(Cookie, ";", all)),
    ?assert(lists:prefix(Name, Cookie)),
    ?assertEqual(64, length(Pair) - length(Name)),
    ?assertEqual(nomatch, string:find([Cookie, header("location", Headers)], ?TOKEN)),
    ?assertNotEqual(Pair, hd(string:split(Cookie, ";"))),
    ?assertMatch({200, _, _},
                 request("GET", "/dashboard.js", [{"cookie", "other=1; " ++ Pair}], "")),
    %% a server on another port of this host can set a cookie of the same name
    ?assertMatch({200, _, _}, request("GET", "/", [{"cookie", Name ++ "0; " ++ Pair}], "")),
    ?assertMatch({200, _, <<"{\"session\":true}">>},
                 request("GET", "/session", [{"cookie", Pair}], "")),
    %% a POST also needs the session's key, which is not in the cookie
    [?assertMatch({403, _, _},
                  request("POST", "/pause", [{"cookie", Pair} | Mark], "population=nobody"))
     || Mark <- [[], [own()], [{"x-cambrian", ?TOKEN}]]],
    ?assertMatch({404, _, _},
                 request("POST", "/pause", [{"cookie", Pair}, {"x-cambrian", Key}],
                         "population=nobody")),
    %% under another host name or port the cookie is not valid
    [?assertMatch({Host, {401, _, _}},
                  {Host, request("GET", "/metrics", [{"cookie", Pair}, {"host", Host}], "")})
     || Host <- ["127.0.0.1:" ++ integer_to_list(Port), "localhost:1", "localhost"]],
    ?assertMatch({401, _, _}, request("GET", "/metrics", [{"cookie", Name ++ ?TOKEN}], "")).

%% The form of the locked page sends the token in its body.
the_dashboard_takes_the_token_from_its_form() ->
    Port = open(#{token => ?TOKEN}),
    Form = fun(Headers, Token) -> request("POST", "/login", Headers, "token=" ++ Token) end,
    Here = {"origin", "http://localhost:" ++ integer_to_list(Port)},
    {303, Headers, _} = Form([Here], ?TOKEN),
    ?assertMatch("enter#" ++ _, header("location", Headers)),
    ?assertMatch({401, _, _}, Form([Here], "wrong")),
    ?assertMatch({401, _, _}, request("POST", "/login", [Here], "")),
    [?assertMatch({403, _, _}, Form([Other], ?TOKEN))
     || Other <- [{"origin", "http://evil.example"}, {"sec-fetch-site", "cross-site"}]],
    ?assertMatch({413, _, _}, Form([Here], lists:duplicate(5000, $a))),
    [?assertMatch({200, _, _}, get(Path)) || Path <- ["/enter", "/enter.js", "/icon.svg"]].

the_dashboard_ends_sessions() ->
    _ = open(#{token => ?TOKEN}),
    {One, _} = login(?TOKEN),
    {Two, Key} = login(?TOKEN),
    Streams = [Stream || Pair <- [One, Two], Stream <- [stream([], [{"cookie", Pair}])]],
    [?assertMatch({1, _}, event(Stream)) || Stream <- Streams],
    {200, Headers, _} = request("POST", "/logout", [{"cookie", Two}, {"x-cambrian", Key}], ""),
    ?assertMatch({match, _},
                 re:run(header("set-cookie", Headers), "^cambrian_[0-9]+=; .*Max-Age=0")),
    ?assertMatch({401, _, _}, request("GET", "/metrics", [{"cookie", Two}], "")),
    ?assertEqual({error, closed}, past(lists:last(Streams))),
    ?assertMatch({200, _, _}, request("GET", "/metrics", [{"cookie", One}], "")),
    ?assertEqual(1, cambrian_dashboard:end_sessions()),
    ?assertMatch({401, _, _}, request("GET", "/metrics", [{"cookie", One}], "")),
    ?assertEqual({error, closed}, past(hd(Streams))).

past(Stream) ->
    case gen_tcp:recv(Stream, 0, 300_000) of
        {ok, _} -> past(Stream);
        End -> End
    end.

%% The server answers a limited number of wrong tokens, but always accepts the right token.
the_dashboard_accepts_the_right_token_after_wrong_ones() ->
    _ = open(#{token => ?TOKEN}),
    [?assertMatch({401, _, _},
                  request("GET", "/metrics", [bearer("wrong" ++ integer_to_list(I))], ""))
     || I <- lists:seq(1, 10)],
    {429, Headers, _} = request("GET", "/metrics", [bearer("wrong")], ""),
    ?assertEqual("60", header("retry-after", Headers)),
    ?assertMatch({429, _, _}, get("/?token=wrong")),
    ?assertMatch({200, _, _}, request("GET", "/metrics", [bearer(?TOKEN)], "")),
    ?assertMatch({303, _, _}, get("/?token=" ++ ?TOKEN)),
    ?assertMatch({200, _, _}, get("/health")).

%% A page of another origin can make a browser send any request: the server refuses it and does
%% not count it.
the_dashboard_refuses_and_does_not_count_requests_of_other_pages() ->
    _ = open(#{token => ?TOKEN}),
    {Pair, Key} = login(?TOKEN),
    Image =
        [{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "no-cors"},
         {"sec-fetch-dest", "image"}],
    Others =
        [Image, [{"sec-fetch-site", "same-site"} | tl(Image)],
         [{"referer", "http://evil.example/"}],
         [{"origin", "http://localhost:1"}],
         [{"origin", "null"}]],
    [?assertMatch({Path, From, {403, _, _}},
                  {Path, From, request("GET", Path ++ "?token=x", From, "")})
     || Path <- ["/icon.svg", "/metrics", "/", "/health"], From <- Others, _ <- lists:seq(1, 3)],
    [?assertMatch({403, _, _}, request("GET", "/metrics", [bearer("wrong") | From], ""))
     || From <- Others],
    [?assertMatch({403, _, _},
                  request("POST", "/pause", [{"cookie", Pair}, {"x-cambrian", Key} | From],
                          "population=x")) || From <- Others],
    [?assertMatch({403, _, _}, request("POST", "/logout", [{"cookie", Pair} | From], ""))
     || From <- Others],
    %% a user who follows a link with a token from another page gets in, and continues from a page
    %% of the dashboard, because the browser does not send the cookie along
    Visit =
        [{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"},
         {"sec-fetch-dest", "document"}],
    [?assertMatch({401, _, _}, request("GET", "/?token=wrong", Visit, ""))
     || _ <- lists:seq(1, 12)],
    ?assertMatch({303, _, _}, request("GET", "/?token=" ++ ?TOKEN, Visit, "")),
    {303, Sent, _} = request("GET", "/", Visit, ""),
    ?assertEqual("enter", header("location", Sent)),
    {200, _, Enter} = request("GET", "/enter", Visit, ""),
    ?assertNotEqual(nomatch, binary:match(Enter, <<"enter.js">>)),
    ?assertMatch({401, _, _},
                 request("GET", "/", [{"sec-fetch-site", "same-origin"} | tl(Visit)], "")),
    %% none of these requests counted as a wrong token
    ?assertMatch({401, _, _}, request("GET", "/metrics", [bearer("wrong")], "")),
    ?assertMatch({200, _, _}, request("GET", "/metrics", [{"cookie", Pair}], "")).

%% A client that forgot the header gets an error that names it, and each such request is logged.
the_dashboard_names_a_missing_header() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        ?assertEqual(0, cambrian_dashboard:end_sessions()),
        _ = open(#{token => ?TOKEN}),
        Bearer = {"authorization", "Bearer " ++ ?TOKEN},
        ?assertMatch({401, _, _}, request("POST", "/pause", [own()], "population=nobody")),
        [begin
             {403, _, Said} = request("POST", "/pause", [Bearer], "population=nobody"),
             ?assertEqual(<<"{\"error\":\"the header x-cambrian is missing: send it with any "
                            "value, as x-cambrian: 1\"}">>, Said)
         end || _ <- [1, 2]],
        ?assertMatch({404, _, _}, request("POST", "/pause", [Bearer, own()], "population=nobody")),
        ok = cambrian_dashboard:stop(),
        ?assertEqual(0, cambrian_dashboard:end_sessions()),
        {ok, Lines, []} =
            cambrian_audit_log:read(filename:join([Dir, "audit", "dashboard"]), <<"decisions">>),
        ?assertEqual(2,
                     length([Line
                             || Line <- Lines,
                             binary:match(Line,
                                          <<"refused address=127.0.0.1 by=token "
                                            "reason=no_mark">>) =/= nomatch]))
    end),
    ?assertEqual(0, cambrian_dashboard:end_sessions()).

%% The log has each action with its session, and once a minute the number of refused requests.
the_dashboard_logs_actions_and_counts_refusals() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        ok = application:stop(cambrian),
        ok = application:set_env(cambrian, data_dir, Dir),
        {ok, _} = application:ensure_all_started(cambrian),
        _ = open(#{token => ?TOKEN}),
        {ok, _} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
        ok = cambrian_trust:open(?REALM, #{}),
        {Pair, Key} = login(?TOKEN),
        Ask =
            fun(Path, Body) ->
                element(1, request("POST", Path, [{"cookie", Pair}, {"x-cambrian", Key}], Body))
            end,
        ?assertEqual([200, 404, 200, 200],
                     [Ask("/resume", "population=gate"),
                      Ask("/pause", "population=nobody%0a2026 ban by=token"),
                      Ask("/ban",
                          "realm=" ++ binary_to_list(?REALM) ++ "&reason=it+lies&key=" ++ ?HEX),
                      Ask("/logout", "")]),
        [request("POST", "/pause", [bearer("wrong")], "") || _ <- lists:seq(1, 50)],
        ?assertMatch({200, _, _},
                     request("POST", "/pause", [bearer(?TOKEN), own()], "population=gate")),
        0 = cambrian_dashboard:end_sessions(),
        ok = application:stop(cambrian),
        ok = application:unset_env(cambrian, data_dir),
        {ok, _, []} = cambrian_audit:read(filename:join([Dir, "audit", "dashboard"]), decisions),
        [File] = filelib:wildcard(filename:join([Dir, "audit", "dashboard", "*.decisions"])),
        {ok, Text} = file:read_file(File),
        [_Head | Below] = binary:split(Text, <<"\n">>, [global, trim]),
        Lines =
            [re:replace(Line, "^[^ ]+ (.*) sum=[0-9a-f]+$", "\\1", [{return, list}])
             || Line <- Below],
        [Session] =
            lists:usort([Id
                         || Line <- Lines,
                         {match,
                          [Id]} <- [re:run(Line, "session=([0-9a-f]{16})",
                                           [{capture, all_but_first, list}])]]),
        By = " address=127.0.0.1 by=session",
        ?assertEqual(["login" ++ By ++ " session=" ++ Session,
                      "resume" ++ By ++ " population=gate session=" ++ Session ++ " status=200",
                      "pause" ++ By ++ " population=nobody%0A2026%20ban%20by%3Dtoken session=" ++
                          Session ++ " status=404",
                      "ban" ++ By ++ " realm=org.example.dashboard reason=it%20lies session=" ++
                          Session ++ " status=200 whom=" ++ ?HEX,
                      "logout" ++ By ++ " session=" ++ Session,
                      "refused address=127.0.0.1 reason=wrong_token",
                      "pause address=127.0.0.1 by=token population=gate status=200",
                      "end_sessions count=0",
                      "refused_more not_logged_in=10 wrong_token=49"], Lines),
        ?assertEqual(nomatch, binary:match(Text, [list_to_binary(Key), <<?TOKEN>>]))
    end).

the_dashboard_makes_a_token_if_others_can_reach_it() ->
    {ok, #{make_token := true} = Wide} =
        cambrian_dashboard:check(#{address => {0, 0, 0, 0}, port => 0}),
    {ok, #{make_token := true}} = cambrian_dashboard:check(#{address => <<"192.168.1.7">>}),
    [begin {ok, Near} = cambrian_dashboard:check(#{address => Address}),
        ?assertNot(is_map_key(make_token, Near)) end
     || Address <- [{127, 0, 0, 1}, {127, 3, 2, 1}, "::1"]],
    %% as the start would do it, but on the loopback address
    {ok, _} = cambrian_dashboard:start_checked(Wide#{address := {127, 0, 0, 1}}),
    {match, [Port, Token]} =
        re:run(cambrian_dashboard:url(), "^http://127.0.0.1:([0-9]+)/\\?token=([0-9a-f]{64})$",
               [{capture, all_but_first, list}]),
    put(port, list_to_integer(Port)),
    ?assertMatch({401, _, _}, get("/metrics")),
    ?assertMatch({200, _, _}, request("GET", "/metrics", [bearer(Token)], "")).

the_dashboard_answers_only_under_its_own_host_names() ->
    _ = open(#{hosts => ["Lab.Example"]}),
    Under = fun(Host) -> element(1, request("GET", "/health", [{"host", Host}], "")) end,
    ?assertEqual([200, 200, 200, 200, 200],
                 [Under(Host)
                  || Host <- ["localhost", "localhost:8080", "127.0.0.1:1", "LOCALHOST",
                              "lab.example:443"]]),
    ?assertEqual([403, 403, 403, 403],
                 [Under(Host)
                  || Host <- ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                              "0x7f.1"]]),
    ?assertMatch({403, _, _}, raw("GET /health HTTP/1.0\r\n\r\n")).

the_dashboard_obeys_its_own_page_only() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    Ask = fun(Headers) -> element(1, request("POST", "/resume", Headers, "population=gate")) end,
    Here = "http://localhost:" ++ integer_to_list(erlang:get(port)),
    ?assertEqual([403, 403, 403, 403],
                 [Ask(Headers)
                  || Headers <- [[], [own(), {"origin", "http://evil.example"}],
                                 [own(), {"origin", "null"}],
                                 [own(), {"origin", "http://localhost:1"}]]]),
    ?assertMatch(#{state := new}, cambrian_population_client:overview(P)),
    ?assertEqual(200, Ask([own(), {"origin", Here}])),
    {ok, #{solved := true}} = cambrian_population:await(P, 60_000).
