%% @private
%% Standard output or standard error as a device that answers with the outcome of each write. OTP's
%% own devices answer before they write, so that nobody notices a full disk or a closed pipe.
-module(cambrian_cli_output).

-export([start/2, print/2, say/2, answer/2, failure/1]).
-export_type([context/0]).

%% What {@link cambrian_cli:run/2} takes.
-type context() :: #{out => io:device(), errors => io:device(), call => string(),
                     attendant => pid()}.

-define(POLL_MS, 5).

%% @doc Starts a device for a file descriptor. `Terminal' is OTP's own device for it, which knows
%% the width of the terminal.
-spec start(Descriptor :: 1 | 2, Terminal :: io:device()) -> pid().
start(Descriptor, Terminal) ->
    spawn_link(fun() ->
        process_flag(trap_exit, true),
        loop(open_port({fd, Descriptor, Descriptor}, [out, binary]), Terminal, none)
    end).

%% @doc Prints to any device. A device of this module answers once the characters are written.
-spec print(io:device(), unicode:chardata()) -> ok | {error, Reason :: atom()}.
print(Device, Chars) ->
    case io:request(Device, {put_chars, unicode, unicode:characters_to_binary(Chars)}) of
        ok -> ok;
        {error, Reason} when is_atom(Reason) -> {error, Reason};
        {error, _} -> {error, badarg}
    end.

%% @doc Prints a line about the command itself. If the write fails, the exit status says it.
-spec say(io:device(), unicode:chardata()) -> ok.
say(Errors, Line) ->
    _ = print(Errors, ["cambrian: ", Line, $\n]),
    ok.

%% @doc Prints the answer to a command, or ends the command.
-spec answer(unicode:chardata(), context()) -> ok.
answer(Chars, #{out := Out}) ->
    case print(Out, Chars) of
        ok -> ok;
        {error, Reason} -> cambrian_cli_reason:failed(["standard output: ", in_words(Reason)])
    end.

in_words(Reason) ->
    case file:format_error(Reason) of
        "unknown POSIX error" ++ _ -> atom_to_list(Reason);
        Words -> Words
    end.

%% @doc Why a write failed, if one did.
-spec failure(pid()) -> none | atom().
failure(Device) ->
    {error, Reason} = io:request(Device, {?MODULE, failure}),
    Reason.

loop(Port, Terminal, Failure) ->
    receive
        {io_request, From, As, Request} ->
            {Answer, Next} = request(Request, Port, Terminal, Failure),
            From ! {io_reply, As, Answer},
            loop(Port, Terminal, Next);
        {'EXIT', Port, Reason} -> loop(Port, Terminal, Reason);
        {'EXIT', _, Reason} -> exit(Reason);
        _ -> loop(Port, Terminal, Failure)
    end.

request({put_chars, Encoding, Module, Function, Args}, Port, Terminal, Failure) ->
    request({put_chars, Encoding, apply(Module, Function, Args)}, Port, Terminal, Failure);
request({put_chars, Encoding, Chars}, Port, _Terminal, none) ->
    case unicode:characters_to_binary(Chars, Encoding) of
        Bytes when is_binary(Bytes) -> written(write(Port, Bytes));
        _ -> {{error, badarg}, none}
    end;
request({put_chars, _, _}, _Port, _Terminal, Failure) -> {{error, Failure}, Failure};
request({requests, Requests}, Port, Terminal, Failure) ->
    lists:foldl(fun(Request, {ok, Known}) -> request(Request, Port, Terminal, Known);
                   (_, Failed) -> Failed
                end, {ok, Failure}, Requests);
request({get_geometry, _} = Question, _Port, Terminal, Failure) ->
    {io:request(Terminal, Question), Failure};
request({?MODULE, failure}, _Port, _Terminal, Failure) -> {{error, Failure}, Failure};
request(getopts, _Port, _Terminal, Failure) -> {[{binary, true}, {encoding, unicode}], Failure};
request(_, _Port, _Terminal, Failure) -> {{error, enotsup}, Failure}.

written(ok) -> {ok, none};
written({error, Reason}) -> {{error, Reason}, Reason}.

write(Port, Bytes) ->
    try port_command(Port, Bytes) of
        true -> drained(Port)
    catch error:badarg -> ended(Port)
    end.

%% Waits until the port's queue is empty: a full pipe or a stopped terminal takes the bytes later.
drained(Port) ->
    case erlang:port_info(Port, queue_size) of
        {queue_size, 0} ->
            receive {'EXIT', Port, Reason} -> {error, Reason}
            after 0 -> ok
            end;
        {queue_size, _} ->
            receive {'EXIT', Port, Reason} -> {error, Reason}
            after ?POLL_MS -> drained(Port)
            end;
        undefined -> ended(Port)
    end.

ended(Port) ->
    receive {'EXIT', Port, Reason} -> {error, Reason}
    after 0 -> {error, terminated}
    end.
