%% The dashboard over its socket: who may read what, the form of the answers, and that no process
%% or socket stays behind.
-module(cambrian_dashboard_tests).
-compile([export_all, {no_auto_import, [get/1]}]).

-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).

-define(TOKEN, "correct-horse-battery").
-define(KEY, <<7:256>>).
-define(HEX, "0000000000000000000000000000000000000000000000000000000000000007").
-define(REALM, <<"org.example.dashboard">>).
-define(ILL, '"><script>alert(1)</script>\n\\').

dashboard_test_() ->
    {foreach, fun start/0, fun stop/1,
     [{atom_to_list(Test), {timeout, 60, fun() -> ?MODULE:Test() end}}
      || {Test, 0} <- ?MODULE:module_info(exports),
         lists:prefix("the_dashboard_", atom_to_list(Test))]}.

start() -> {ok, _} = application:ensure_all_started(cambrian).

stop(_) -> _ = application:stop(cambrian), ok = application:unset_env(cambrian, dashboard).

%%% ---- what is served ---------------------------------------------------------------------

the_dashboard_serves_its_page_and_nothing_else() ->
    _ = open(#{}),
    {200, Headers, Page} = get("/"),
    ?assertEqual("text/html; charset=utf-8", header("content-type", Headers)),
    ?assertMatch("default-src 'none'; script-src 'self'; " ++ _,
                 header("content-security-policy", Headers)),
    ?assertEqual("nosniff", header("x-content-type-options", Headers)),
    [begin
         {200, Of, Bytes} = get("/" ++ File),
         ?assertEqual({File, Type}, {File, header("content-type", Of)}),
         ?assertEqual(nomatch,
                      re:run(binary:replace(Bytes, <<"http://www.w3.org/2000/svg">>, <<>>,
                                            [global]),
                             "https?://|//[a-z]+\\.|@import|url\\("))
     end
     || {File, Type} <- [{"dashboard.js", "text/javascript; charset=utf-8"},
                         {"dashboard.css", "text/css; charset=utf-8"},
                         {"icon.svg", "image/svg+xml"}]],
    %% the page contains no script, no style and no event handler
    ?assertEqual(nomatch, re:run(Page, "<script>|<style|style=|\\son[a-z]+=|https?://")),
    {200, Same, <<>>} = request("HEAD", "/", [], ""),
    ?assertEqual(integer_to_list(byte_size(Page)), header("content-length", Same)).

the_dashboard_answers_no_other_path_or_method() ->
    _ = open(#{}),
    [?assertMatch({Path, {404, _, _}}, {Path, get(Path)})
     || Path <- ["/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/dashboard.js/",
                 "/picture/", "/picture/fitness?population=nobody",
                 "/picture/none", "/cambrian_app.beam"]],
    [?assertMatch({Method, {405, _, _}}, {Method, request(Method, "/", [own()], "")})
     || Method <- ["PUT", "DELETE", "PATCH"]],
    [?assertMatch({405, _, _}, get(Path)) || Path <- ["/pause", "/resume", "/ban", "/unban"]],
    ?assertMatch({404, _, _}, post("/metrics", "")),
    %% the answer to a browser's preflight request for another page
    {Status, Headers, _} = request("OPTIONS", "/pause", [{"origin", "http://evil.example"}], ""),
    ?assert(Status >= 400),
    ?assertEqual(none, header("access-control-allow-origin", Headers)).

the_dashboard_refuses_requests_that_are_too_long() ->
    _ = open(#{}),
    ?assertMatch({414, _, _}, get("/" ++ lists:duplicate(3000, $a))),
    ?assertMatch({431, _, _}, request("GET", "/", [{"x-long", lists:duplicate(17_000, $a)}], "")),
    ?assertMatch({431, _, _},
                 request("GET", "/", [{"x-" ++ integer_to_list(I), "a"} || I <- lists:seq(1, 101)],
                         "")),
    ?assertMatch({431, _, _},
                 request("GET", "/",
                         [{"cookie", "c" ++ integer_to_list(I) ++ "=" ++ lists:duplicate(200, $a)}
                          || I <- lists:seq(1, 90)], "")),
    ?assertMatch({431, _, _},
                 raw("GET / HTTP/1.1\r\nhost: localhost\r\nx: " ++ lists:duplicate(1_000_000, $a))),
    ?assertMatch({413, _, _}, post("/pause", lists:duplicate(5000, $a))),
    ?assertMatch({411, _, _},
                 raw("POST /pause HTTP/1.1\r\nhost: localhost\r\nx-cambrian: "
                     "1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")),
    [?assertMatch({Length, {400, _, _}},
                  {Length,
                   raw(["POST /pause HTTP/1.1\r\nhost: localhost\r\nx-cambrian: "
                        "1\r\ncontent-length: ", Length, "\r\n\r\na"])})
     || Length <- ["-1", "+1", "1\r\ncontent-length: 2", "0x1", "99999999999999999999"]],
    ?assertMatch({200, _, _}, get("/health")).

%% Bytes that are no HTTP get an answer in words, and the connection closes.
the_dashboard_answers_bytes_that_are_no_http_request() ->
    _ = open(#{}),
    [?assertMatch({Text, {Status, _, _}}, {Text, raw(Text ++ "\r\n\r\n")})
     || {Status, Text} <- [{400, "hello"},
                           {400, "GET http://localhost/ HTTP/1.1\r\nhost: localhost"},
                           {400, "GET * HTTP/1.1"},
                           {400, "GET / HTTP/1.1\r\nhost: localhost\r\n folded: 1"},
                           {400, "GET / HTTP/1.1\r\nhost: a\r\nhost: b"},
                           {400, "GET / HTTP/1.1\r\nno header"},
                           {400, [22, 3, 1, 2, 0, 1, 0, 1, 252]},
                           {505, "GET / HTTP/2.0\r\nhost: localhost"}]],
    until(fun() -> cambrian_dashboard_listener:connections() =:= [] end).

%% Bytes that are no text, at every place of a request, crash no process.
the_dashboard_survives_any_bytes() ->
    Port = open(#{token => ?TOKEN, hosts => ["lab"]}),
    Processes =
        [whereis(Name)
         || Name <- [cambrian_dashboard_access, cambrian_dashboard_listener,
                     cambrian_dashboard_state]],
    rand:seed(exsss, 16),
    Odd =
        fun() ->
            binary:replace(rand:bytes(1 + rand:uniform(20)), [<<"\r">>, <<"\n">>, <<0>>], <<255>>,
                           [global]) end,
    Name = "cambrian_" ++ integer_to_list(Port) ++ "=",
    Places =
        [["host: ", Odd], ["host: localhost:", Odd], ["origin: ", Odd], ["origin: http://", Odd],
         ["referer: http://[", Odd], ["cookie: ", Odd],
         ["cookie: ", Name, Odd, ";", Odd], ["authorization: ", Odd],
         ["authorization: Bearer ", Odd], ["sec-fetch-site: ", Odd],
         ["x-cambrian: ", Odd], ["expect: ", Odd], [Odd, ": 1"], ["content-length: ", Odd]],
    Made =
        fun(Parts) ->
            [case Part of _ when is_function(Part) -> Part(); _ -> Part end
             || Part <- lists:flatten(Parts)] end,
    Starts =
        ["GET / ", "POST /login ", "POST /pause ", ["GET /?token=", Odd, $\s], ["GET /?", Odd, $\s],
         ["GET /", Odd, $\s]],
    ok = cambrian_log:start(),
    [begin
         Text = Made([Start, "HTTP/1.1\r\n", Place, "\r\ncontent-length: 3\r\n\r\n", Odd, "abc"]),
         ?assertMatch({_, <<"HTTP/1.1 ", Status, _/binary>>} when Status > $1 andalso Status < $5,
                      {iolist_to_binary(Text), sent(Text)})
     end || _ <- lists:seq(1, 5), Start <- Starts, Place <- Places],
    Said = cambrian_log:said(),
    ok = cambrian_log:stop(),
    ?assertEqual([], Said),
    ?assertEqual(Processes,
                 [whereis(Of)
                  || Of <- [cambrian_dashboard_access, cambrian_dashboard_listener,
                            cambrian_dashboard_state]]).

%% A connection carries one request: the server ignores what follows it.
the_dashboard_answers_one_request_a_connection() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    Answer =
        sent([written("GET", "/health", [], ""),
              written("POST", "/resume", [own()], "population=gate")]),
    ?assertMatch({match, [_]}, re:run(Answer, "HTTP/1.1 [0-9]{3}", [global])),
    ?assertMatch(#{state := new}, cambrian_population_client:overview(P)),
    ?assertMatch({200, _, _}, raw("GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n")),
    %% a client that asks with Expect before it sends
    Socket = connect([]),
    ok = gen_tcp:send(Socket,
                      "POST /pause HTTP/1.1\r\nhost: localhost\r\nx-cambrian: 1\r\nexpect: "
                      "100-continue\r\ncontent-length: 14\r\n\r\n"),
    {ok, <<"HTTP/1.1 100 Continue\r\n\r\n">>} = gen_tcp:recv(Socket, 25, 300_000),
    ok = gen_tcp:send(Socket, "population=xyz"),
    ?assertMatch(<<"HTTP/1.1 404 Not Found", _/binary>>, whole(Socket, <<>>)).

the_dashboard_makes_no_atoms_of_requests() ->
    _ = open(#{}),
    Odd = fun(I) ->
              Name = "odd_" ++ integer_to_list(I),
              _ = get("/" ++ Name ++ "?" ++ Name ++ "=" ++ Name),
              _ = post("/pause", "population=" ++ Name),
              _ = post("/ban", "realm=" ++ Name ++ "&key=" ++ ?HEX),
              _ = request("GET", "/picture/" ++ Name, [{"x-" ++ Name, Name}], "")
          end,
    Odd(0),
    Before = erlang:system_info(atom_count),
    lists:foreach(Odd, lists:seq(1, 10)),
    ?assertEqual(Before, erlang:system_info(atom_count)).

%%% ---- the stream -------------------------------------------------------------------------

the_dashboard_streams_changes_of_state() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    Stream = stream(),
    {1, First} = event(Stream),
    ?assertNotEqual(nomatch, binary:match(First, <<"\"name\":\"gate\"">>)),
    ?assertNotEqual(nomatch, binary:match(First, <<"\"state\":\"new\"">>)),
    {ok, _} = cambrian_population:step(P, 3),
    {2, Second} = event(Stream),
    ?assertNotEqual(nomatch, binary:match(Second, <<"\"generation\":2,">>)),
    ok = gen_tcp:close(Stream).

%% Without a change of state the stream sends a heartbeat and no second state.
the_dashboard_stream_sends_heartbeats() ->
    _ = open(#{}),
    Stream = stream(),
    {1, _} = event(Stream),
    ?assertEqual([<<"event: beat">>, <<"data:">>], lines(Stream, 15_000)).

the_dashboard_serves_a_fast_reader_beside_a_slow_one() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    Slow = stream([{recbuf, 1024}]),
    ok = inet:setopts(Slow, [{active, false}]),
    Streams = [stream(), stream()],
    [?assertMatch({1, _}, event(Stream)) || Stream <- Streams],
    [begin
         {ok, _} = cambrian_population:step(P, 1),
         [?assertMatch({V, _} when V > 1, event(Stream)) || Stream <- Streams]
     end || _ <- lists:seq(1, 4)],
    %% the state server keeps no queue for the slow client
    ?assertMatch({message_queue_len, N} when N < 5,
                 process_info(whereis(cambrian_dashboard_state), message_queue_len)),
    [ok = gen_tcp:close(Stream) || Stream <- [Slow | Streams]].

the_dashboard_keeps_nothing_of_a_closed_stream() ->
    _ = open(#{}),
    ?assertEqual([], cambrian_dashboard_listener:connections()),
    Streams = [stream() || _ <- lists:seq(1, 5)],
    [?assertMatch({_, _}, event(Stream)) || Stream <- Streams],
    ?assertEqual(5, length(connections(watching))),
    [ok = gen_tcp:close(Stream) || Stream <- Streams],
    until(fun() -> cambrian_dashboard_listener:connections() =:= [] end),
    until(fun() -> {monitors, []} =:= process_info(whereis(cambrian_dashboard_state), monitors)
    end).

%% The limit of streams for one address and for all addresses.
the_dashboard_bounds_the_number_of_streams() ->
    _ = open(#{}),
    Of = fun(Last) -> stream([{ip, {127, 0, 0, Last}}]) end,
    Own = [Of(1) || _ <- lists:seq(1, 16)],
    ?assertMatch({429, _, _}, get("/events")),
    Others = [Of(2) || _ <- lists:seq(1, 16)],
    {503, Headers, _} = raw(written("GET", "/events", [], ""), [{ip, {127, 0, 0, 3}}]),
    ?assertEqual("1", header("retry-after", Headers)),
    ?assertMatch({200, _, _}, get("/health")),
    ?assertMatch({200, _, _}, get("/metrics")),
    ok = gen_tcp:close(hd(Own)),
    until(fun() -> length(connections(watching)) =:= 31 end),
    Last = Of(3),
    [ok = gen_tcp:close(Stream) || Stream <- [Last | tl(Own) ++ Others]].

%% 64 connections that sent a byte now and then used to block the server. Now a newcomer replaces
%% the oldest connection.
the_dashboard_serves_newcomers_beside_half_requests() ->
    _ = open(#{}),
    Slow =
        [begin Socket = connect([]), ok = gen_tcp:send(Socket, "GET /health HTTP/1.1\r\nx-slow: a"),
            Socket end || _ <- lists:seq(1, 100)],
    ?assertMatch({200, _, _}, get("/health")),
    ?assertMatch({200, _, _}, get("/metrics")),
    ?assert(length(connections(waiting)) =< 32),
    %% from many addresses at once
    Many =
        [begin Socket = connect([{ip, {127, 0, 1, I rem 20 + 1}}]),
            ok = gen_tcp:send(Socket, "GET"),
            Socket end || I <- lists:seq(1, 400)],
    ?assertMatch({200, _, _}, get("/health")),
    ?assert(length(connections(waiting)) =< 256),
    %% each connection has a fixed deadline, which further bytes do not extend
    drip(lists:nthtail(390, Many)),
    until(fun() -> connections(waiting) =:= [] end),
    [ok = gen_tcp:close(Socket) || Socket <- Slow ++ Many].

drip([]) -> ok;
drip(Sockets) ->
    timer:sleep(20),
    drip([Socket || Socket <- Sockets, gen_tcp:send(Socket, "x") =:= ok]).

%% A client that holds all places of one kind leaves those of /health free.
the_dashboard_keeps_places_for_health() ->
    _ = open(#{}),
    {200, _, _} = get("/metrics"),
    ok = sys:suspend(cambrian_dashboard_state),
    Busy =
        [begin Socket = connect([]), ok = gen_tcp:send(Socket, written("GET", "/metrics", [], "")),
            Socket end || _ <- lists:seq(1, 16)],
    until(fun() -> length(connections(asking)) =:= 16 end),
    ?assertMatch({429, _, _}, get("/metrics")),
    Health = connect([]),
    ok = gen_tcp:send(Health, written("GET", "/health", [], "")),
    until(fun() -> length(connections(health)) =:= 1 end),
    ok = sys:resume(cambrian_dashboard_state),
    ?assertMatch(<<"HTTP/1.1 200 OK", _/binary>>, whole(Health, <<>>)),
    [?assertMatch(<<"HTTP/1.1 200 OK", _/binary>>, whole(Socket, <<>>)) || Socket <- Busy].

%% An answer has a deadline, which this test sets to have passed. Answers that ended in time leave
%% nothing behind.
the_dashboard_ends_answers_that_take_too_long() ->
    _ = open(#{}),
    [?assertMatch({200, _, _}, get("/metrics")) || _ <- lists:seq(1, 5)],
    until(fun() -> cambrian_dashboard_listener:connections() =:= [] end),
    Timers =
        fun() ->
            [Map
             || Map <- tuple_to_list(sys:get_state(cambrian_dashboard_listener)), is_map(Map),
             Ref <- maps:values(Map), is_reference(Ref)] end,
    ?assertEqual([], Timers()),
    ok = sys:suspend(cambrian_dashboard_state),
    Socket = connect([]),
    ok = gen_tcp:send(Socket, written("GET", "/metrics", [], "")),
    until(fun() -> length(connections(asking)) =:= 1 end),
    [{Pid, Timer}] = [One || Map <- Timers(), One <- maps:to_list(Map)],
    cambrian_dashboard_listener ! {timeout, make_ref(), {late, Pid}},
    ?assertEqual([Pid], connections(asking)),
    cambrian_dashboard_listener ! {timeout, Timer, {late, Pid}},
    ?assertEqual({error, closed}, gen_tcp:recv(Socket, 0, 300_000)),
    until(fun() -> cambrian_dashboard_listener:connections() =:= [] end),
    ?assertEqual([], Timers()),
    ok = sys:resume(cambrian_dashboard_state).

%% The server closes a connection that sends nothing or half a request.
the_dashboard_closes_idle_connections() ->
    _ = open(#{}),
    Sockets = [First, Second | _] = [connect([]) || _ <- lists:seq(1, 3)],
    ok = gen_tcp:send(First,
                      "POST /pause HTTP/1.1\r\nhost: localhost\r\nx-cambrian: "
                      "1\r\ncontent-length: 100\r\n\r\npop"),
    ok = gen_tcp:send(Second, "GET / HTTP/1.1\r\nhost"),
    ?assertMatch([<<"HTTP/1.1 408 Request Timeout", _/binary>>,
                  <<"HTTP/1.1 408 Request Timeout", _/binary>>, <<>>],
                 [whole(Socket, <<>>) || Socket <- Sockets]).

connections(Kind) -> [Pid || {Pid, Its} <- cambrian_dashboard_listener:connections(), Its =:= Kind].

%%% ---- who has access ------------------------------------------------------------------------

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
    {Pair, Key} = login(),
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
    {One, _} = login(),
    {Two, Key} = login(),
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

%% A session and its key, as a browser has them.
login() ->
    {303, Headers, _} = get("/?token=" ++ ?TOKEN),
    "enter#" ++ Key = header("location", Headers),
    {hd(string:split(header("set-cookie", Headers), ";")), Key}.

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
    {Pair, Key} = login(),
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

%%% ---- TLS --------------------------------------------------------------------------------

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
        {Pair, Key} = login(),
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

%%% ---- actions -------------------------------------------------------------------------------

the_dashboard_pauses_and_resumes_a_population() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => ?ILL, seed => 42, target => 5}),
    {ok, _} = cambrian_population:step(P, 1),
    Field = uri_string:compose_query([{"population", atom_to_list(?ILL)}]),
    ?assertMatch({200, _, _}, post("/resume", Field)),
    ?assertMatch(#{state := running}, cambrian_population_client:overview(P)),
    ?assertMatch({200, _, _}, post("/pause", Field)),
    ?assertMatch(#{state := paused}, cambrian_population_client:overview(P)),
    ?assertMatch({404, _, _}, post("/pause", "population=nobody")),
    ?assertMatch({400, _, _}, post("/pause", "")),
    %% the form names a population without a name by the text of its reference
    {ok, _} = cambrian_population:start(#{task => 'xor', seed => 1}),
    [Nameless] = [Name || Name <- maps:keys(cambrian_store:populations()), is_reference(Name)],
    ?assertMatch({200, _, _},
                 post("/pause", uri_string:compose_query([{"population", ref_to_list(Nameless)}]))).

the_dashboard_bans_and_unbans_a_key() ->
    _ = open(#{}),
    Fields = "realm=" ++ binary_to_list(?REALM) ++ "&key=" ++ ?HEX ++ "&reason=",
    ?assertMatch({404, _, _}, post("/ban", Fields)),
    ok = cambrian_trust:open(?REALM, #{}),
    ?assertMatch({200, _, _}, post("/ban", Fields ++ "it+lies")),
    ?assertMatch([#{what := {key, ?KEY}, reason := <<"it lies">>, by := user}],
                 cambrian_trust:bans(?REALM)),
    ?assertMatch({200, _, _}, post("/unban", Fields)),
    ?assertEqual([], cambrian_trust:bans(?REALM)),
    [?assertMatch({400, _, _}, post("/ban", Bad))
     || Bad <- ["", "realm=a", "realm=a&key=zz", "realm=a&key=00", "%",
                Fields ++ lists:duplicate(256, $a)]].

%%% ---- hostile names -------------------------------------------------------------------------

the_dashboard_escapes_hostile_names() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => ?ILL, seed => 42}),
    {ok, _} = cambrian_population:step(P, 2),
    Stream = stream(),
    {_, State} = event(Stream),
    ?assertNotEqual(nomatch,
                    binary:match(State, <<"\\u0022><script>alert(1)</script>\\u000a\\u005c">>)),
    {200, _, Metrics} = get("/metrics"),
    Escaped = <<"cambrian_generation{population="
                "\"\\\"><script>alert(1)</script>\\n\\\\\",task=\"xor\"} 1\n">>,
    ?assertNotEqual(nomatch, binary:match(Metrics, Escaped)),
    Query = uri_string:compose_query([{"population", atom_to_list(?ILL)}]),
    [begin
         {200, Headers, Svg} = get("/picture/" ++ Name ++ "?" ++ Query),
         ?assertEqual("image/svg+xml", header("content-type", Headers)),
         ?assertNot(cambrian_drawing:has(Svg, <<"<script">>)),
         cambrian_drawing:only_itself(Svg),
         cambrian_drawing:svg(Svg)
     end || Name <- ["fitness", "species", "diversity", "size", "champion"]],
    ok = gen_tcp:close(Stream).

%%% ---- archives and fronts ----------------------------------------------------------------

%% Of a running population a picture is made at most every two seconds, whoever asks.
it_shows_an_archive_and_a_front_live() ->
    _ = open(#{}),
    Start =
        fun(Options) ->
            {ok, P} = cambrian_population:start(Options#{seed => 1, target => 1.0e9}),
            {ok, _} = cambrian_population:step(P, 3), P end,
    Maze = Start(#{task => maze_medium, search => map_elites, name => maze}),
    Gate =
        Start(#{task => 'xor', search => pareto, name => gate,
                params => #{objectives => [fitness, connections]}}),
    Plain = Start(#{task => 'xor', name => plain}),
    Stream = stream(),
    {_, State} = event(Stream),
    ok = gen_tcp:close(Stream),
    ?assertEqual([<<"front">>, <<"archive">>, <<"null">>],
                 keeps(State, [<<"gate">>, <<"maze">>, <<"plain">>])),
    Words =
        fun(Path) ->
            {200, _, Svg} = get(Path),
            [Said] = cambrian_drawing:texts("/svg/desc", cambrian_drawing:svg(Svg)), Said end,
    Filled =
        fun() ->
            {ok, Archive} = cambrian_population:archive(Maze),
            #{filled := Count} = cambrian_archive:stats(Archive), Count end,
    First = Filled(),
    ?assertEqual(integer_to_list(First),
                 hd(string:lexemes(Words("/picture/archive?population=maze"), " "))),
    ?assertMatch({match, _},
                 re:run(Words("/picture/archive?population=maze&narrow=1"), "QD score")),
    {ok, Front} = cambrian_population:front(Gate),
    ?assertEqual(integer_to_list(length(Front)),
                 hd(string:lexemes(Words("/picture/front?population=gate"), " "))),
    {200, _, Svg} = get("/picture/front?population=gate"),
    ?assertMatch([_], xmerl_xpath:string("//circle[@class='cb-ring']", cambrian_drawing:svg(Svg))),
    [?assertMatch({Path, {404, _, _}}, {Path, get(Path)})
     || Path <- ["/picture/front?population=maze", "/picture/archive?population=gate",
                 "/picture/archive?population=plain",
                 "/picture/front?population=plain"]],
    ok = cambrian_population:run(Maze),
    until(fun() -> Filled() > First + 50 end),
    until(fun() ->
        list_to_integer(hd(string:lexemes(Words("/picture/archive?population=maze"), " "))) > First
    end),
    Began = erlang:monotonic_time(millisecond),
    Drawn =
        lists:usort([element(3, get("/picture/archive?population=maze")) || _ <- lists:seq(1, 30)]),
    ?assert(length(Drawn) =< 2 + (erlang:monotonic_time(millisecond) - Began) div 2000),
    %% one that does not answer: the browser asks again
    ok = cambrian_population:pause(Maze),
    ok = cambrian_population:pause(Gate),
    _ = get("/picture/front?population=gate"),
    ok = sys:suspend(Gate),
    ?assertMatch({503, _, _}, get("/picture/front?population=gate&narrow=1")),
    ok = sys:resume(Gate),
    [ok = cambrian_population:stop(P) || P <- [Maze, Gate, Plain]].

keeps(State, Names) ->
    [begin
         {match, [Population]} =
             re:run(State, "{[^{}]*(?:{[^{}]*}[^{}]*)*\"name\":\"" ++ binary_to_list(Name) ++ "\"",
                    [{capture, first, binary}]),
         {match, [Kept]} =
             re:run(Population, "\"keeps\":\"?(\\w+)", [{capture, all_but_first, binary}]),
         Kept
     end || Name <- Names].

%%% ---- machines ---------------------------------------------------------------------------

the_dashboard_serves_metrics_line_by_line() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    {ok, #{best := Best}} = cambrian_population:step(P, 5),
    {ok, _} = cambrian_bridge:start(#{realm => ?REALM}),
    {200, Headers, Text} = get("/metrics"),
    ?assertEqual("text/plain; version=0.0.4; charset=utf-8", header("content-type", Headers)),
    Lines = string:split(string:trim(Text), "\n", all),
    [?assertMatch({Line, {match, _}},
                  {Line,
                   re:run(Line,
                          "^(# (HELP|TYPE) cambrian_\\w+ .+|cambrian_\\w+(\\{.+\\})? "
                          "-?[0-9.e-]+)$")}) || Line <- Lines],
    Fittest = io_lib:format("cambrian_best_fitness{population=\"gate\",task=\"xor\"} ~p", [Best]),
    ?assert(lists:member(iolist_to_binary(Fittest), Lines)),
    ?assert(lists:member(<<"cambrian_mesh_connected{realm=\"", ?REALM/binary, "\"} 0">>, Lines)).

the_dashboard_reports_the_health_of_the_node() ->
    _ = open(#{}),
    ?assertMatch({200, _, _}, get("/health")),
    ok = supervisor:terminate_child(cambrian_sup, cambrian_lineage),
    ?assertMatch({503, _, <<"{\"faults\":[\"cambrian_lineage is down\"]", _/binary>>},
                 get("/health")),
    {ok, _} = supervisor:restart_child(cambrian_sup, cambrian_lineage),
    ?assertMatch({200, _, _}, get("/health")).

the_dashboard_reports_a_lost_population() ->
    _ = open(#{}),
    Start =
        fun() ->
            {ok, P} = cambrian_population:start_link(#{task => 'xor', name => gate, seed => 42}),
            unlink(P), P end,
    exit(Start(), kill),
    until(fun() -> element(1, get("/health")) =:= 503 end),
    {503, _, Why} = get("/health"),
    ?assertNotEqual(nomatch,
                    binary:match(Why, <<"the population gate died and has not come back">>)),
    P = Start(),
    until(fun() -> element(1, get("/health")) =:= 200 end),
    ok = cambrian_population:stop(P).

%% A population that does not answer delays the page only for a short time, and the page says so.
the_dashboard_does_not_wait_for_a_population_that_hangs() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    ok = sys:suspend(P),
    {503, _, Why} = get("/health"),
    ?assertNotEqual(nomatch, binary:match(Why, <<"the population gate does not answer">>)),
    ok = sys:resume(P),
    until(fun() -> element(1, get("/health")) =:= 200 end).

the_dashboard_answers_503_if_its_access_process_hangs() ->
    _ = open(#{}),
    ok = sys:suspend(cambrian_dashboard_access),
    {503, Headers, _} = get("/health"),
    ?assertEqual("5", header("retry-after", Headers)),
    ok = sys:resume(cambrian_dashboard_access).

%%% ---- start, restart and stop ---------------------------------------------------------------

the_dashboard_reports_a_port_in_use() ->
    {ok, Other} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, Port} = inet:port(Other),
    Place = list_to_binary("127.0.0.1:" ++ integer_to_list(Port)),
    ?assertEqual({error, {cannot_listen, Place, eaddrinuse}},
                 cambrian_dashboard:start(#{port => Port})),
    %% the application fails with the same reason and leaves nothing running
    ok = application:stop(cambrian),
    ok = application:set_env(cambrian, dashboard, #{port => Port}),
    ?assertMatch({error, {{cannot_listen, Place, eaddrinuse}, _}}, application:start(cambrian)),
    ?assertEqual(undefined, whereis(cambrian_sup)),
    ok = gen_tcp:close(Other),
    ok = application:start(cambrian),
    ?assertMatch(<<"http://127.0.0.1:", _/binary>>, cambrian_dashboard:url()).

the_dashboard_ends_with_the_application() ->
    Port = open(#{}),
    Stream = stream(),
    {_, _} = event(Stream),
    ok = application:stop(cambrian),
    ?assertEqual({error, closed}, gen_tcp:recv(Stream, 0, 1000)),
    %% the VM closes the sockets of dead processes a moment later
    until(fun() -> is_free(Port) end),
    ok = application:start(cambrian).

is_free(Port) ->
    case gen_tcp:listen(Port, [{ip, {127, 0, 0, 1}}, {reuseaddr, true}]) of
        {ok, Socket} -> gen_tcp:close(Socket) =:= ok;
        {error, eaddrinuse} -> false
    end.

the_dashboard_restarts_alone() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => gate, seed => 42}),
    exit(whereis(cambrian_dashboard_access), kill),
    until(fun() -> try element(1, get("/health")) =:= 200 catch error:{badmatch, _} -> false end
    end),
    %% after too many crashes the dashboard stays stopped, and the rest of the application runs
    until(fun() ->
                   _ = [exit(Pid, kill)
                        || Pid <- [whereis(cambrian_dashboard_access)], is_pid(Pid)],
                   whereis(cambrian_dashboard_sup) =:= undefined
               end),
    ?assert(is_process_alive(P)).

the_dashboard_refuses_wrong_options() ->
    [?assertMatch({Options, {error, {bad_option, {Name, _, _}}}},
                  {Options, cambrian_dashboard:start(Options)})
     || {Name, Options} <- [{port, #{port => 65536}}, {port, #{port => -1}},
                            {address, #{address => "somewhere"}}, {address, #{address => {1, 2}}},
                            {token, #{token => "short"}},
                            {token, #{token => "with spaces in it, and more"}},
                            {token, #{token => 7}},
                            {hosts, #{hosts => "lab"}}, {hosts, #{hosts => ["a/b"]}}]],
    ?assertMatch({error, {unknown_option, prot, _}}, cambrian_dashboard:start(#{prot => 1})),
    ok = application:stop(cambrian),
    ok = application:set_env(cambrian, dashboard, #{port => none}),
    ?assertMatch({error, {{bad_option, {port, none, _}}, _}}, application:start(cambrian)),
    ok = application:unset_env(cambrian, dashboard),
    ok = application:start(cambrian).

%% Crash reports show neither the token nor part of it.
the_dashboard_keeps_its_token_out_of_crash_reports() ->
    _ = open(#{token => ?TOKEN}),
    Shown =
        io_lib:format("~p",
                      [[sys:get_state(cambrian_dashboard_access),
                        supervisor:get_childspec(cambrian_sup, cambrian_dashboard)]]),
    ?assertEqual(nomatch, string:find(Shown, ?TOKEN)).

%%% ---- helpers ----------------------------------------------------------------------------

open(Options) ->
    {ok, _} = cambrian_dashboard:start(Options#{port => 0}),
    #{port := Port} = uri_string:parse(cambrian_dashboard:url()),
    put(port, Port),
    Port.

own() -> {"x-cambrian", "1"}.
bearer(Token) -> {"authorization", "Bearer " ++ Token}.

get(Path) -> request("GET", Path, [], "").
post(Path, Body) -> request("POST", Path, [own()], Body).

request(Method, Path, Headers, Body) -> raw(written(Method, Path, Headers, Body)).

written(Method, Path, Headers, Body) ->
    All =
        [{"host", "localhost:" ++ integer_to_list(erlang:get(port))}
         || not lists:keymember("host", 1, Headers)] ++ Headers
          ++ [{"content-length", integer_to_list(length(Body))} || Body =/= ""],
    [Method, " ", Path, " HTTP/1.1\r\n", [[Name, ": ", Value, "\r\n"] || {Name, Value} <- All],
     "\r\n", Body].

raw(Text) -> raw(Text, []).

raw(Text, Options) -> answer(sent(Text, Options)).

sent(Text) -> sent(Text, []).

sent(Text, Options) ->
    Socket = connect(Options),
    ok = gen_tcp:send(Socket, Text),
    Answer = whole(Socket, <<>>),
    ok = gen_tcp:close(Socket),
    Answer.

answer(Answer) ->
    [Head, Body] = binary:split(Answer, <<"\r\n\r\n">>),
    {Status, Headers} = head(Head),
    {Status, Headers, Body}.

head(Head) ->
    [<<"HTTP/1.", _, " ", Status:3/binary, _/binary>> | Lines] =
        binary:split(Head, <<"\r\n">>, [global]),
    {binary_to_integer(Status),
     [{string:lowercase(binary_to_list(Name)), string:trim(binary_to_list(Value))}
      || Line <- Lines, [Name, Value] <- [binary:split(Line, <<":">>)]]}.

whole(Socket, Before) ->
    case gen_tcp:recv(Socket, 0, 300_000) of
        {ok, More} -> whole(Socket, <<Before/binary, More/binary>>);
        {error, closed} -> Before
    end.

connect(Options) ->
    {ok, Socket} =
        gen_tcp:connect({127, 0, 0, 1}, erlang:get(port), [binary, {active, false} | Options]),
    Socket.

header(Name, Headers) -> proplists:get_value(Name, Headers, none).

%% A stream whose head is read.
stream() -> stream([]).

stream(Options) -> stream(Options, []).

stream(Options, Headers) ->
    Socket = connect(Options),
    ok = gen_tcp:send(Socket, written("GET", "/events", Headers, "")),
    ok = inet:setopts(Socket, [{packet, http_bin}]),
    {ok, {http_response, _, 200, _}} = gen_tcp:recv(Socket, 0, 300_000),
    ?assertEqual(<<"text/event-stream">>, proplists:get_value('Content-Type', headers(Socket))),
    ok = inet:setopts(Socket, [{packet, line}, {buffer, 1_000_000}]),
    Socket.

headers(Socket) ->
    case gen_tcp:recv(Socket, 0, 300_000) of
        {ok, {http_header, _, Name, _, Value}} -> [{Name, Value} | headers(Socket)];
        {ok, http_eoh} -> []
    end.

%% The next state: its number and its content.
event(Stream) ->
    case lines(Stream, 300_000) of
        [<<"id: ", Id/binary>>, <<"event: state">>, <<"data: ", Json/binary>>] ->
            {binary_to_integer(Id), Json};
        [<<"event: beat">>, <<"data:">>] -> event(Stream)
    end.

lines(Stream, Ms) ->
    {ok, Line} = gen_tcp:recv(Stream, 0, Ms),
    case string:trim(Line, trailing, "\n") of
        <<>> -> [];
        Text -> [Text | lines(Stream, Ms)]
    end.
