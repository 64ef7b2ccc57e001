%% The streams of the dashboard and its places for connections: who gets one, and who holds it.
-module(cambrian_dashboard_streams_tests).
-compile([export_all, {no_auto_import, [get/1]}]).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).
-import(cambrian_dashboard_client, [connect/1, connections/1, event/1, get/1, header/2, lines/2,
                                    open/1, raw/2, stream/0, stream/1, whole/2, written/4]).

dashboard_test_() -> cambrian_dashboard_client:tests(?MODULE).

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
