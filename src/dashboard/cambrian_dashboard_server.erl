%% @private
%% The dashboard as a module of OTP's HTTP server: what is asked for, by whom, and the answer.
%%
%% A connection is one request, so that nobody holds a place by being idle, and what is too long or too slow ends with it.
%% Nothing that is asked for becomes an atom or the name of a file.
-module(cambrian_dashboard_server).

-include_lib("inets/include/httpd.hrl").

-export([prepare/1, child_spec/1, start_link/1, do/1]).

%% A port is not free at the very moment at which its process has ended.
-define(LOOKS, 25).
-define(LOOK_MS, 20).
-define(MAX_CLIENTS, 64).
-define(MAX_URI, 2048).
-define(MAX_HEADERS, 8192).
-define(MAX_BODY, 4096).
%% A browser sends some hundreds at once: who has not sent three times that in 3 s is cut off.
-define(BYTES_PER_SECOND, 50).
%% For one that does not read.
-define(SEND_MS, 10_000).
-define(CHANGE_MS, 5_000).
-define(LOCKED_PAGE, <<"locked.html">>).

%%% ---- starting ---------------------------------------------------------------------------

%% @doc Looks whether there can be a server: with the port that it will have.
-spec prepare(map()) -> {ok, map()} | {error, term()}.
prepare(#{port := Port, address := Address} = Options) ->
    case code:ensure_loaded(httpd) of
        {module, httpd} ->
            case free_port(Address, Port, ?LOOKS) of
                {ok, Free} -> {ok, Options#{port := Free}};
                {error, Reason} -> {error, {cannot_listen, place(Address, Port), Reason}}
            end;
        {error, _} -> {error, {application_unavailable, inets}}
    end.

free_port(Address, Port, Looks) ->
    case gen_tcp:listen(Port, [{ip, Address}, {reuseaddr, true}]) of
        {ok, Socket} ->
            Found = inet:port(Socket),
            ok = gen_tcp:close(Socket),
            Found;
        {error, eaddrinuse} when Looks > 1 ->
            timer:sleep(?LOOK_MS),
            free_port(Address, Port, Looks - 1);
        Error -> Error
    end.

place(Address, Port) -> iolist_to_binary([inet:ntoa(Address), $:, integer_to_list(Port)]).

%% @doc A server of our own, so that it ends with the dashboard and needs nothing of inets but its modules.
-spec child_spec(map()) -> supervisor:child_spec().
child_spec(Options) ->
    #{id => httpd, start => {?MODULE, start_link, [maps:with([address, port], Options)]}, type => supervisor,
      shutdown => infinity}.

%% @doc After a crash on the port that it had. OTP would rather have it under `inets' own supervisor; but it is to live and
%% die with the dashboard.
-spec start_link(#{address := inet:ip_address(), port := inet:port_number()}) -> {ok, pid()} | {error, term()}.
start_link(#{address := Address, port := Port}) ->
    case free_port(Address, Port, ?LOOKS) of
        {ok, Port} -> inets:start(httpd, config(Address, Port), stand_alone);
        {error, Reason} -> {error, {cannot_listen, place(Address, Port), Reason}}
    end.

config(Address, Port) ->
    Family = case tuple_size(Address) of 4 -> inet; 8 -> inet6 end,
    [{port, Port}, {bind_address, Address}, {ipfamily, Family}, {modules, [?MODULE]}, {server_name, "cambrian"},
     %% it asks for these, and nothing here reads them
     {server_root, "."}, {document_root, "."},
     {server_tokens, none}, {keep_alive, false}, {max_clients, ?MAX_CLIENTS}, {max_uri_size, ?MAX_URI},
     {max_header_size, ?MAX_HEADERS}, {max_body_size, ?MAX_BODY}, {max_content_length, 1_000_000},
     {minimum_bytes_per_second, ?BYTES_PER_SECOND}].

%%% ---- a request --------------------------------------------------------------------------

%% @doc Called by the server, in the process of the connection.
-spec do(#mod{}) -> {proceed, [{response, tuple()}]}.
do(#mod{socket = Socket} = Mod) ->
    _ = inet:setopts(Socket, [{send_timeout, ?SEND_MS}, {send_timeout_close, true}, {nodelay, true}]),
    {proceed, [{response, response(answer_or_not(request(Mod)), Mod)}]}.

request(#mod{method = Method, request_uri = Uri, parsed_header = Headers, entity_body = Body,
             init_data = #init_data{peername = {_, Peer}}}) ->
    {Path, Query} = case string:split(Uri, "?") of
                        [Only] -> {Only, ""};
                        [Before, After] -> {Before, After}
                    end,
    #{method => Method, path => list_to_binary(Path), query => pairs(Query), headers => Headers, body => pairs(Body),
      peer => Peer}.

%% As a form writes them; what is no such thing has none.
pairs(Text) ->
    case uri_string:dissect_query(iolist_to_binary(Text)) of
        Pairs when is_list(Pairs) -> maps:from_list([{Key, Value} || {Key, Value} <- Pairs, is_binary(Value)]);
        _ -> #{}
    end.

%% What is asked here may be on its way back from a crash, or not answer.
answer_or_not(Request) ->
    try answer(Request)
    catch exit:_ -> refuse(503, [{"retry-after", "5"}], <<"no answer; try again">>)
    end.

answer(#{path := Path} = Request) ->
    case cambrian_dashboard_access:enter(Request) of
        {owner, none} -> route(Path, Request);
        {owner, Cookie} -> with_header({"set-cookie", Cookie}, route(Path, Request));
        {refused, Why} -> refuse(403, [], Why);
        {stranger, Why} -> locked(Path, Request, Why)
    end.

%% Whether the node lives, anybody may know who can reach it.
locked(<<"/health">>, #{method := Method}, _Why) when Method =/= "POST" -> cambrian_dashboard_health:brief();
locked(<<"/icon.svg">>, _Request, _Why) -> cambrian_dashboard_page:file(<<"icon.svg">>);
locked(<<"/">>, _Request, _Why) ->
    {_, Headers, Page} = cambrian_dashboard_page:file(?LOCKED_PAGE),
    {401, [{"www-authenticate", "Bearer"} | Headers], Page};
locked(_Path, _Request, Why) -> refuse(401, [{"www-authenticate", "Bearer"}], Why).

route(Path, #{method := "POST"} = Request) -> change(Path, Request);
route(Path, #{method := Method} = Request) when Method =:= "GET"; Method =:= "HEAD" -> show(Path, Request);
route(_Path, _Request) -> refuse(405, [{"allow", "GET, HEAD, POST"}], <<"only GET, HEAD and POST">>).

show(<<"/">>, _Request) -> cambrian_dashboard_page:file(<<"index.html">>);
show(<<"/health">>, _Request) -> cambrian_dashboard_health:full();
show(<<"/metrics">>, _Request) -> cambrian_dashboard_metrics:answer();
show(<<"/events">>, #{method := "GET"}) -> cambrian_dashboard_stream:open();
show(<<"/events">>, _Request) -> {200, [{"content-type", "text/event-stream"}], <<>>};
show(<<"/picture/", Name/binary>>, #{query := Query}) -> cambrian_dashboard_pictures:answer(Name, Query);
show(<<"/", File/binary>> = Path, _Request) ->
    case cambrian_dashboard_page:file(File) of
        none -> unknown_or_change(Path);
        Answer -> Answer
    end;
show(_Path, _Request) -> refuse(404, [], <<"there is nothing here">>).

unknown_or_change(Path) ->
    case lists:member(Path, [<<"/pause">>, <<"/resume">>, <<"/ban">>, <<"/unban">>]) of
        true -> refuse(405, [{"allow", "POST"}], <<"only POST">>);
        false -> refuse(404, [], <<"there is nothing here">>)
    end.

%%% ---- changes ----------------------------------------------------------------------------

change(Path, #{body := Body}) ->
    case cambrian_dashboard_ask:within(?CHANGE_MS, fun() -> cambrian_dashboard_change:make(Path, Body) end) of
        {ok, ok} ->
            cambrian_dashboard_state:look(),
            {200, [{"content-type", "application/json"}], <<"{\"ok\":true}">>};
        {ok, {error, Status, Why}} -> refuse(Status, [], Why);
        gone -> refuse(404, [], <<"it has just gone">>);
        timeout -> refuse(504, [], <<"no answer within 5 s">>)
    end.

%%% ---- the answer -------------------------------------------------------------------------

refuse(Status, Headers, Why) ->
    {Status, [{"content-type", "application/json"} | Headers], cambrian_json:encode(#{error => Why})}.

with_header(Header, {Status, Headers, Body}) -> {Status, [Header | Headers], Body}.

%% A stream has no length: it ends where the connection does.
response({Status, Headers, Body}, #mod{socket = Socket}) when is_function(Body, 1) ->
    {response, [{code, Status} | Headers ++ protection()], {Body, [Socket]}};
response({Status, Headers, Body}, #mod{method = Method}) ->
    Length = {"content-length", integer_to_list(iolist_size(Body))},
    Sent = case Method of "HEAD" -> nobody; _ -> [Body] end,
    {response, [{code, Status}, Length | Headers ++ protection()], Sent}.

%% Nothing of elsewhere in the page, and the page in nothing of elsewhere.
protection() ->
    [{"content-security-policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
      "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
     {"x-content-type-options", "nosniff"}, {"referrer-policy", "no-referrer"},
     {"cross-origin-resource-policy", "same-origin"},
     {"cross-origin-opener-policy", "same-origin"}, {"cache-control", "no-store"}].
