%% The dashboard over its socket: actions, pictures, health, start and stop.
-module(cambrian_dashboard_tests).
-compile([export_all, {no_auto_import, [get/1]}]).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).
-import(cambrian_dashboard_client, [event/1, get/1, header/2, open/1, post/2, stream/0]).

-define(TOKEN, "correct-horse-battery").
-define(KEY, <<7:256>>).
-define(HEX, "0000000000000000000000000000000000000000000000000000000000000007").
-define(REALM, <<"org.example.dashboard">>).
-define(ILL, '"><script>alert(1)</script>\n\\').

dashboard_test_() -> cambrian_dashboard_client:tests(?MODULE).

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

%%% ---- federations ---------------------------------------------------------------------------

the_dashboard_shows_a_federation() ->
    _ = open(#{}),
    {ok, P} = cambrian_population:start(#{task => 'xor', name => federated, federation => #{}}),
    {ok, _} = cambrian_population:step(P, 2),
    {ok, _} = cambrian_population:start(#{task => 'xor', name => by_itself}),
    {_, State} = event(stream()),
    Node = atom_to_binary(node()),
    Shown = <<"\"federation\":{\"coordinator\":\"", Node/binary,
              "\",\"coordinators\":1,\"members\":[\"", Node/binary,
              "\"],\"record\":3,\"unshown\":0,\"voters\":1}">>,
    ?assertMatch([_], binary:matches(State, Shown)),
    ?assertMatch([_], binary:matches(State, <<"\"federation\":null">>)),
    {200, _, Metrics} = get("/metrics"),
    [?assertMatch({Name, {_, _}},
                  {Name, binary:match(Metrics, <<"\ncambrian_federation_", Name/binary,
                                                 "{population=\"federated\",task=\"xor\"} ">>)})
     || Name <- [<<"members">>, <<"coordinated">>, <<"coordinates">>, <<"coordinators_total">>,
                 <<"record">>, <<"record_bytes_total">>]].

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
the_dashboard_shows_an_archive_and_a_front_live() ->
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
