%% @private
%% One connection: handshake, request, answer, end.
%%
%% Handshake, head and body together have one deadline, which no byte that comes moves. A body is read only of who may send
%% one, and before the connection counts as more than `waiting'.
-module(cambrian_dashboard_connection).

-export([start_link/1, init/1]).

-type options() :: #{listener := pid(), peer := inet:ip_address(), ssl := none | fun(() -> [term()])}.

-define(REQUEST_MS, 5_000).

%% @doc It gets its socket as a message.
-spec start_link(options()) -> pid().
start_link(Options) -> proc_lib:spawn_link(?MODULE, init, [Options]).

%% @private
-spec init(options()) -> ok.
init(#{ssl := Ssl} = Options) ->
    Deadline = erlang:monotonic_time(millisecond) + ?REQUEST_MS,
    receive {socket, Raw} ->
        case cambrian_dashboard_socket:secure(Raw, options(Ssl), Deadline) of
            {ok, Socket} -> requested(cambrian_dashboard_http:head(Socket, Deadline), Socket, Options#{deadline => Deadline});
            {error, _} -> gen_tcp:close(Raw)
        end
    after ?REQUEST_MS -> ok
    end.

options(none) -> none;
options(Ssl) -> Ssl().

requested({ok, Request}, Socket, #{peer := Peer} = Options) ->
    Whole = Request#{peer => cambrian_dashboard_connections:block(Peer), scheme => cambrian_dashboard_socket:scheme(Socket)},
    entered(cambrian_dashboard_server:enter(Whole), Whole, Socket, Options);
requested({bad, Status, Why}, Socket, _Options) -> finished(cambrian_dashboard_server:refuse(Status, [], Why), <<"GET">>, Socket);
requested(closed, Socket, _Options) -> cambrian_dashboard_socket:close(Socket).

%% Whoever it is, for whom there is no body to read.
entered({answer, Answer}, #{method := Method}, Socket, _Options) -> finished(Answer, Method, Socket);
entered({go_on, Entrant}, #{method := <<"POST">>} = Request, Socket, #{deadline := Deadline} = Options) when Entrant =/= stranger ->
    case cambrian_dashboard_http:body(Socket, {Request, Deadline}) of
        {ok, Whole} -> served(Entrant, Whole, Socket, Options);
        Other -> requested(Other, Socket, Options)
    end;
entered({go_on, Entrant}, Request, Socket, Options) -> served(Entrant, Request, Socket, Options).

served(Entrant, #{method := Method} = Request, Socket, #{listener := Listener}) ->
    Kind = cambrian_dashboard_server:kind(Entrant, Request),
    case cambrian_dashboard_listener:hold(Listener, Kind) of
        ok -> answered(cambrian_dashboard_server:answer(Entrant, Request), Method, Socket, Listener);
        {full, Of} -> finished(cambrian_dashboard_server:full(Of), Method, Socket)
    end.

answered({stream, Headers, Run}, _Method, Socket, _Listener) ->
    _ = [Run(Socket) || cambrian_dashboard_http:open_stream(Socket, 200, Headers) =:= ok],
    cambrian_dashboard_socket:close(Socket);
answered(Answer, Method, Socket, Listener) ->
    _ = cambrian_dashboard_http:answer(Socket, Method, Answer),
    ok = cambrian_dashboard_listener:hold(Listener, waiting),
    cambrian_dashboard_socket:finish(Socket).

finished(Answer, Method, Socket) ->
    _ = cambrian_dashboard_http:answer(Socket, Method, Answer),
    cambrian_dashboard_socket:finish(Socket).
