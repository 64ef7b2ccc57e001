%% @private
%% Gives plain sockets and TLS sockets the same functions.
-module(cambrian_dashboard_socket).

-export([secure/3, scheme/1, recv/2, send/2, finish/1, close/1, listen_once/1, is_end/2]).
-export_type([socket/0]).

-type socket() :: {gen_tcp, gen_tcp:socket()} | {ssl, ssl:sslsocket()}.

%% How long, and how many bytes, the socket reads after the answer. If it closed with unread data,
%% TCP would reset the connection, and the client could lose the answer (RFC 9112, section 9.6).
-define(LINGER_MS, 2000).
-define(LINGER_BYTES, 65_536).

%% @doc Prepares an accepted socket; with options, does the TLS handshake before the deadline.
-spec secure(gen_tcp:socket(), none | [tuple() | atom()], Deadline :: integer()) ->
          {ok, socket()} | {error, term()}.
secure(Socket, none, _Deadline) -> {ok, {gen_tcp, Socket}};
secure(Socket, Options, Deadline) ->
    case ssl:handshake(Socket, Options, left(Deadline)) of
        {ok, Secure} -> {ok, {ssl, Secure}};
        {error, Reason} -> {error, Reason}
    end.

-spec scheme(socket()) -> http | https.
scheme({gen_tcp, _}) -> http;
scheme({ssl, _}) -> https.

%% @doc Reads at least a byte before the deadline, a monotonic time in ms.
-spec recv(socket(), Deadline :: integer()) -> {ok, binary()} | {error, term()}.
recv({Module, Socket}, Deadline) -> Module:recv(Socket, 0, left(Deadline)).

left(Deadline) -> max(0, Deadline - erlang:monotonic_time(millisecond)).

-spec send(socket(), iodata()) -> ok | {error, term()}.
send({Module, Socket}, Data) -> Module:send(Socket, Data).

%% @doc Ends the answer, and closes the socket after the client has read it.
-spec finish(socket()) -> ok.
finish({Module, Socket} = Either) ->
    _ = Module:shutdown(Socket, write),
    linger(Either, erlang:monotonic_time(millisecond) + ?LINGER_MS, ?LINGER_BYTES),
    close(Either).

linger(Socket, Deadline, Bytes) when Bytes > 0 ->
    case recv(Socket, Deadline) of
        {ok, Data} -> linger(Socket, Deadline, Bytes - byte_size(Data));
        {error, _} -> ok
    end;
linger(_Socket, _Deadline, _Bytes) -> ok.

-spec close(socket()) -> ok.
close({Module, Socket}) ->
    _ = Module:close(Socket),
    ok.

%% @doc Makes the next data, or the end of the connection, a message to the caller.
-spec listen_once(socket()) -> ok.
listen_once({gen_tcp, Socket}) -> _ = inet:setopts(Socket, [{active, once}]), ok;
listen_once({ssl, Socket}) -> _ = ssl:setopts(Socket, [{active, once}]), ok.

%% @doc Tells whether a message comes from this socket: its end, or unexpected data.
-spec is_end(Message :: term(), socket()) -> boolean().
is_end(Message, {_, Socket}) ->
    is_tuple(Message) andalso tuple_size(Message) >= 2 andalso element(2, Message) =:= Socket
        andalso lists:member(element(1, Message),
                             [tcp, tcp_closed, tcp_error, ssl, ssl_closed, ssl_error]).
