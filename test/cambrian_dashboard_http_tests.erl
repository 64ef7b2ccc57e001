%% What the dashboard serves, and what it answers to bytes and requests of any kind.
-module(cambrian_dashboard_http_tests).
-compile([export_all, {no_auto_import, [get/1]}]).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).
-import(cambrian_dashboard_client, [connect/1, get/1, header/2, open/1, own/0, post/2, raw/1,
                                    request/4, sent/1, whole/2, written/4]).

-define(TOKEN, "correct-horse-battery").
-define(HEX, "0000000000000000000000000000000000000000000000000000000000000007").

dashboard_test_() -> cambrian_dashboard_client:tests(?MODULE).

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
    ok = cambrian_logged:start(),
    [begin
         Text = Made([Start, "HTTP/1.1\r\n", Place, "\r\ncontent-length: 3\r\n\r\n", Odd, "abc"]),
         ?assertMatch({_, <<"HTTP/1.1 ", Status, _/binary>>} when Status > $1 andalso Status < $5,
                      {iolist_to_binary(Text), sent(Text)})
     end || _ <- lists:seq(1, 5), Start <- Starts, Place <- Places],
    Said = cambrian_logged:said(),
    ok = cambrian_logged:stop(),
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
