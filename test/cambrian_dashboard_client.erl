%% A client of the dashboard over its socket, for the tests of the dashboard.
-module(cambrian_dashboard_client).
-compile({no_auto_import, [get/1]}).
-include_lib("eunit/include/eunit.hrl").
-export([connections/1, login/1, open/1, own/0, bearer/1, get/1, post/2, request/4, written/4,
         raw/1, raw/2, sent/1, answer/1, whole/2, connect/1, header/2, stream/0, stream/1, stream/2,
         event/1, lines/2, tests/1]).

%% All functions of a module whose names begin with `the_dashboard_', each with a freshly started
%% application.
tests(Module) ->
    {foreach, fun start/0, fun stop/1,
     [{atom_to_list(Test), {timeout, 60, fun() -> Module:Test() end}}
      || {Test, 0} <- Module:module_info(exports),
         lists:prefix("the_dashboard_", atom_to_list(Test))]}.

start() -> {ok, _} = application:ensure_all_started(cambrian).

stop(_) -> _ = application:stop(cambrian), ok = application:unset_env(cambrian, dashboard).

connections(Kind) -> [Pid || {Pid, Its} <- cambrian_dashboard_listener:connections(), Its =:= Kind].

%% A session and its key, as a browser has them.
login(Token) ->
    {303, Headers, _} = get("/?token=" ++ Token),
    "enter#" ++ Key = header("location", Headers),
    {hd(string:split(header("set-cookie", Headers), ";")), Key}.

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
