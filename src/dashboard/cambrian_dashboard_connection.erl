%% @private
%% Serves one connection: handshake, request, answer, close.
%%
%% Handshake, head and body together have one deadline, which does not move when bytes come. The
%% process reads a body only from a client that may send one, while the connection still counts as
%% `waiting'.
-module(cambrian_dashboard_connection).

-export([start_link/1, init/1]).

%% `change_kind' asks the listener to count the calling connection as another kind.
-type options() :: #{change_kind := change_kind(), peer := inet:ip_address(),
                     ssl := none | fun(() -> [term()])}.
-type change_kind() :: fun((cambrian_dashboard_connections:kind()) -> ok | {full, address | all}).

-define(REQUEST_MS, 5_000).

%% @doc Starts the process, which waits for its socket in a message.
-spec start_link(options()) -> pid().
start_link(Options) -> proc_lib:spawn_link(?MODULE, init, [Options]).

%% @private
-spec init(options()) -> ok.
init(#{ssl := Ssl} = Options) ->
    Deadline = erlang:monotonic_time(millisecond) + ?REQUEST_MS,
    receive {socket, Raw} ->
        case cambrian_dashboard_socket:secure(Raw, options(Ssl), Deadline) of
            {ok, Socket} ->
                Head = cambrian_dashboard_http:head(Socket, Deadline),
                with_request(Head, Socket, Options#{deadline => Deadline});
            {error, _} -> gen_tcp:close(Raw)
        end
    after ?REQUEST_MS -> ok
    end.

options(none) -> none;
options(Ssl) -> Ssl().

with_request({ok, Request}, Socket, #{peer := Peer} = Options) ->
    Whole = Request#{peer => cambrian_dashboard_connections:block(Peer),
                     scheme => cambrian_dashboard_socket:scheme(Socket)},
    read_body(cambrian_dashboard_server:authorise(Whole), Whole, Socket, Options);
with_request({bad, Status, Why}, Socket, _Options) ->
    finish(cambrian_dashboard_server:refuse(Status, [], Why), <<"GET">>, Socket);
with_request(closed, Socket, _Options) ->
    cambrian_dashboard_socket:close(Socket).

read_body({answer, Answer}, #{method := Method}, Socket, _Options) ->
    finish(Answer, Method, Socket);
read_body({continue, Client}, #{method := <<"POST">>} = Request, Socket,
          #{deadline := Deadline} = Options) when Client =/= stranger ->
    case cambrian_dashboard_http:body(Socket, {Request, Deadline}) of
        {ok, Whole} -> serve(Client, Whole, Socket, Options);
        Other -> with_request(Other, Socket, Options)
    end;
read_body({continue, Client}, Request, Socket, Options) ->
    serve(Client, Request, Socket, Options).

serve(Client, #{method := Method} = Request, Socket, #{change_kind := ChangeKind}) ->
    Kind = cambrian_dashboard_server:kind(Client, Request),
    case ChangeKind(Kind) of
        ok -> send(cambrian_dashboard_server:answer(Client, Request), Method, Socket, ChangeKind);
        {full, Of} -> finish(cambrian_dashboard_server:full(Of), Method, Socket)
    end.

send({stream, Headers, Run}, _Method, Socket, _ChangeKind) ->
    _ = [Run(Socket) || cambrian_dashboard_http:open_stream(Socket, 200, Headers) =:= ok],
    cambrian_dashboard_socket:close(Socket);
send(Answer, Method, Socket, ChangeKind) ->
    _ = cambrian_dashboard_http:answer(Socket, Method, Answer),
    ok = ChangeKind(waiting),
    cambrian_dashboard_socket:finish(Socket).

finish(Answer, Method, Socket) ->
    _ = cambrian_dashboard_http:answer(Socket, Method, Answer),
    cambrian_dashboard_socket:finish(Socket).
