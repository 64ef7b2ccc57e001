%% @private Reads a request of HTTP/1 from a socket, and writes the answer. It limits the bytes and
%% the time of a request before it parses anything.
%%
%% A connection carries one request: later bytes are not read.
-module(cambrian_dashboard_http).

-export([head/2, body/2, answer/3, open_stream/3]).
-export_type([request/0, answer/0]).

%% Names of headers are in lowercase. `rest' are the bytes that came after the head.
-type request() :: #{method := binary(), path := binary(), query := fields(),
                     headers := [{binary(), binary()}], body := fields(), rest := binary(),
                     atom() => term()}.
-type fields() :: #{binary() => binary()}.
-type answer() :: {Status :: 200..599, [{string(), iodata()}], iodata()}.
-type bad() :: {bad, Status :: 400..599, Why :: binary()}.

-define(MAX_LINE, 2048).
-define(MAX_HEAD, 16_384).
-define(MAX_HEADERS, 100).
-define(MAX_BODY, 4096).

%%% ---- the head ---------------------------------------------------------------------------

%% @doc Reads the head before the deadline, a monotonic time in ms.
-spec head(cambrian_dashboard_socket:socket(), Deadline :: integer()) ->
          {ok, request()} | bad() | closed.
head(Socket, Deadline) -> head(Socket, Deadline, <<>>, 0).

%% Searches each byte only once, even if a client sends them one by one.
head(Socket, Deadline, Read, From) ->
    case binary:match(Read, <<"\r\n\r\n">>, [{scope, {From, byte_size(Read) - From}}]) of
        {At, 4} when At =< ?MAX_HEAD ->
            <<Head:At/binary, End:4/binary, Rest/binary>> = Read,
            parse(<<Head/binary, End/binary>>, Rest);
        nomatch when byte_size(Read) =< ?MAX_HEAD ->
            case cambrian_dashboard_socket:recv(Socket, Deadline) of
                {ok, More} ->
                    Next = max(0, byte_size(Read) - 3),
                    head(Socket, Deadline, <<Read/binary, More/binary>>, Next);
                {error, timeout} when Read =/= <<>> ->
                    {bad, 408, <<"the request did not come in time">>};
                {error, _} -> closed
            end;
        _ -> too_long(Read)
    end.

too_long(Read) ->
    case binary:match(Read, <<"\r\n">>, [{scope, {0, ?MAX_LINE}}]) of
        nomatch -> {bad, 414, <<"the URL is too long">>};
        _ -> {bad, 431, <<"the headers are too long; are there many cookies of this host?">>}
    end.

parse(Head, Rest) ->
    Forbidden = binary:match(Head, [<<"\r\n ">>, <<"\r\n\t">>, <<0>>]),
    case {Forbidden, erlang:decode_packet(http_bin, Head, [])} of
        {nomatch, {ok, {http_request, Method, {abs_path, Target}, {1, _}}, Lines}}
          when byte_size(Target) =< ?MAX_LINE ->
            with_headers(headers(Lines, []), Method, Target, Rest);
        {nomatch, {ok, {http_request, _, {abs_path, _}, {1, _}}, _}} ->
            {bad, 414, <<"the URL is too long">>};
        {nomatch, {ok, {http_request, _, {abs_path, _}, _}, _}} ->
            {bad, 505, <<"only HTTP/1.0 and HTTP/1.1">>};
        _ -> {bad, 400, <<"this is no request of HTTP/1">>}
    end.

headers(_Lines, Read) when length(Read) > ?MAX_HEADERS -> too_many;
headers(Lines, Read) ->
    case erlang:decode_packet(httph_bin, Lines, []) of
        {ok, {http_header, _, Name, _, Value}, More} ->
            headers(More, [{name(Name), ascii(Value)} | Read]);
        {ok, http_eoh, <<>>} -> lists:reverse(Read);
        _ -> bad
    end.

name(Name) when is_atom(Name) -> string:lowercase(atom_to_binary(Name));
name(Name) -> string:lowercase(ascii(Name)).

%% Replaces every byte that is not printable ASCII, so the result is valid text.
ascii(Bytes) -> << <<(if Byte < 32; Byte > 126 -> $?; true -> Byte end)>> || <<Byte>> <= Bytes >>.

with_headers(too_many, _Method, _Target, _Rest) -> {bad, 431, <<"there are too many headers">>};
with_headers(bad, _Method, _Target, _Rest) -> {bad, 400, <<"one of the headers is none">>};
with_headers(Headers, Method, Target, Rest) ->
    Single = [<<"host">>, <<"origin">>, <<"content-length">>, <<"authorization">>],
    Twice = [Name || Name <- Single, length(proplists:get_all_values(Name, Headers)) > 1],
    {Path, Query} = case binary:split(Target, <<"?">>) of
                        [Only] -> {Only, <<>>};
                        [Before, After] -> {Before, After}
                    end,
    case Twice of
        [] ->
            {ok, #{method => method(Method), path => Path, query => fields(Query),
                   headers => Headers, body => #{}, rest => Rest}};
        [Name | _] -> {bad, 400, <<"there are two headers ", Name/binary>>}
    end.

method(Method) when is_atom(Method) -> atom_to_binary(Method);
method(Method) -> Method.

%% Decodes the fields of a form; a text in another format has none.
fields(Text) ->
    case uri_string:dissect_query(ascii(Text)) of
        Pairs when is_list(Pairs) ->
            maps:from_list([{Key, Value} || {Key, Value} <- Pairs, is_binary(Value)]);
        _ -> #{}
    end.

%%% ---- the body ---------------------------------------------------------------------------

%% @doc Reads the body, and returns the request with its fields.
-spec body(cambrian_dashboard_socket:socket(), {request(), Deadline :: integer()}) ->
          {ok, request()} | bad() | closed.
body(Socket, {#{headers := Headers, rest := Rest} = Request, Deadline}) ->
    case content_length(Headers) of
        chunked -> {bad, 411, <<"a body needs its content-length">>};
        error -> {bad, 400, <<"content-length must be a number">>};
        Length when Length > ?MAX_BODY -> {bad, 413, <<"the body is longer than 4096 bytes">>};
        Length ->
            _ = send_continue(Socket, Headers, Length > byte_size(Rest)),
            body(Socket, Request, Length, Rest, Deadline)
    end.

content_length(Headers) ->
    Given = proplists:get_value(<<"content-length">>, Headers, <<"0">>),
    IsNumber = re:run(Given, "^[0-9]{1,9}$", [dollar_endonly]) =/= nomatch,
    case {proplists:is_defined(<<"transfer-encoding">>, Headers), IsNumber} of
        {true, _} -> chunked;
        {false, true} -> binary_to_integer(Given);
        {false, false} -> error
    end.

%% Some clients ask before they send a body.
send_continue(Socket, Headers, true) ->
    case string:lowercase(proplists:get_value(<<"expect">>, Headers, <<>>)) of
        <<"100-continue">> ->
            cambrian_dashboard_socket:send(Socket, <<"HTTP/1.1 100 Continue\r\n\r\n">>);
        _ -> ok
    end;
send_continue(_Socket, _Headers, false) -> ok.

body(_Socket, Request, Length, Read, _Deadline) when byte_size(Read) >= Length ->
    {ok, Request#{body := fields(binary:part(Read, 0, Length))}};
body(Socket, Request, Length, Read, Deadline) ->
    case cambrian_dashboard_socket:recv(Socket, Deadline) of
        {ok, More} -> body(Socket, Request, Length, <<Read/binary, More/binary>>, Deadline);
        {error, timeout} -> {bad, 408, <<"the body did not come in time">>};
        {error, _} -> closed
    end.

%%% ---- the answer -------------------------------------------------------------------------

%% @doc Sends an answer, without a body if the method of the request is `HEAD'.
-spec answer(cambrian_dashboard_socket:socket(), Method :: binary(), answer()) ->
          ok | {error, term()}.
answer(Socket, Method, {Status, Headers, Body}) ->
    Length = {"content-length", integer_to_list(iolist_size(Body))},
    Sent = case Method of <<"HEAD">> -> []; _ -> Body end,
    cambrian_dashboard_socket:send(Socket, [head_of_answer(Status, [Length | Headers]), Sent]).

%% @doc Starts an answer without a length, which ends with the connection.
-spec open_stream(cambrian_dashboard_socket:socket(), Status :: 200..299,
                  [{string(), iodata()}]) -> ok | {error, term()}.
open_stream(Socket, Status, Headers) ->
    cambrian_dashboard_socket:send(Socket, head_of_answer(Status, Headers)).

head_of_answer(Status, Headers) ->
    All = [{"date", date_text(calendar:universal_time())}, {"connection", "close"} | Headers],
    ["HTTP/1.1 ", integer_to_list(Status), $\s, phrase(Status), "\r\n",
     [[Name, ": ", Value, "\r\n"] || {Name, Value} <- All], "\r\n"].

phrase(200) -> "OK";
phrase(303) -> "See Other";
phrase(400) -> "Bad Request";
phrase(401) -> "Unauthorized";
phrase(403) -> "Forbidden";
phrase(404) -> "Not Found";
phrase(405) -> "Method Not Allowed";
phrase(408) -> "Request Timeout";
phrase(409) -> "Conflict";
phrase(411) -> "Length Required";
phrase(413) -> "Content Too Large";
phrase(414) -> "URI Too Long";
phrase(429) -> "Too Many Requests";
phrase(431) -> "Request Header Fields Too Large";
phrase(500) -> "Internal Server Error";
phrase(503) -> "Service Unavailable";
phrase(504) -> "Gateway Timeout";
phrase(505) -> "HTTP Version Not Supported";
phrase(_) -> "Other".

%% RFC 9110, section 5.6.7.
date_text({{Year, Month, Day} = Date, {Hour, Minute, Second}}) ->
    Weekday = element(calendar:day_of_the_week(Date),
                      {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}),
    Name = element(Month, {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}),
    io_lib:format("~s, ~2..0b ~s ~b ~2..0b:~2..0b:~2..0b GMT",
                  [Weekday, Day, Name, Year, Hour, Minute, Second]).
