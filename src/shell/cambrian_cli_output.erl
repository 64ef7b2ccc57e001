%% @private
%% Standard output or standard error as a device that answers what became of each write. OTP's own devices answer before
%% they write, so that a full disk, or a reader that is gone, goes unnoticed.
-module(cambrian_cli_output).

-export([start/2, print/2, failure/1]).

-define(LOOK_MS, 5).

%% @doc A device for a file descriptor. `Terminal' is OTP's own for it, which knows how wide it is.
-spec start(Descriptor :: 1 | 2, Terminal :: io:device()) -> pid().
start(Descriptor, Terminal) ->
    spawn_link(fun() ->
        process_flag(trap_exit, true),
        loop(open_port({fd, Descriptor, Descriptor}, [out, binary]), Terminal, none)
    end).

%% @doc To any device. With one of these the characters are written when it answers.
-spec print(io:device(), unicode:chardata()) -> ok | {error, Reason :: atom()}.
print(Device, Chars) ->
    case io:request(Device, {put_chars, unicode, unicode:characters_to_binary(Chars)}) of
        ok -> ok;
        {error, Reason} when is_atom(Reason) -> {error, Reason};
        {error, _} -> {error, badarg}
    end.

%% @doc Why a write failed, if one did.
-spec failure(pid()) -> none | atom().
failure(Device) ->
    {error, Reason} = io:request(Device, {?MODULE, failure}),
    Reason.

loop(Port, Terminal, Failure) ->
    receive
        {io_request, From, As, Request} ->
            {Answer, Next} = answer(Request, Port, Terminal, Failure),
            From ! {io_reply, As, Answer},
            loop(Port, Terminal, Next);
        {'EXIT', Port, Reason} -> loop(Port, Terminal, Reason);
        {'EXIT', _, Reason} -> exit(Reason);
        _ -> loop(Port, Terminal, Failure)
    end.

answer({put_chars, Encoding, Module, Function, Args}, Port, Terminal, Failure) ->
    answer({put_chars, Encoding, apply(Module, Function, Args)}, Port, Terminal, Failure);
answer({put_chars, Encoding, Chars}, Port, _Terminal, none) ->
    case unicode:characters_to_binary(Chars, Encoding) of
        Bytes when is_binary(Bytes) -> written(write(Port, Bytes));
        _ -> {{error, badarg}, none}
    end;
answer({put_chars, _, _}, _Port, _Terminal, Failure) -> {{error, Failure}, Failure};
answer({requests, Requests}, Port, Terminal, Failure) ->
    lists:foldl(fun(Request, {ok, Known}) -> answer(Request, Port, Terminal, Known);
                   (_, Failed) -> Failed
                end, {ok, Failure}, Requests);
answer({get_geometry, _} = Question, _Port, Terminal, Failure) -> {io:request(Terminal, Question), Failure};
answer({?MODULE, failure}, _Port, _Terminal, Failure) -> {{error, Failure}, Failure};
answer(getopts, _Port, _Terminal, Failure) -> {[{binary, true}, {encoding, unicode}], Failure};
answer(_, _Port, _Terminal, Failure) -> {{error, enotsup}, Failure}.

written(ok) -> {ok, none};
written({error, Reason}) -> {{error, Reason}, Reason}.

write(Port, Bytes) ->
    try port_command(Port, Bytes) of
        true -> drained(Port)
    catch error:badarg -> ended(Port)
    end.

%% A pipe that is full, or a terminal that was stopped, takes it later.
drained(Port) ->
    case erlang:port_info(Port, queue_size) of
        {queue_size, 0} -> receive {'EXIT', Port, Reason} -> {error, Reason} after 0 -> ok end;
        {queue_size, _} -> receive {'EXIT', Port, Reason} -> {error, Reason} after ?LOOK_MS -> drained(Port) end;
        undefined -> ended(Port)
    end.

ended(Port) -> receive {'EXIT', Port, Reason} -> {error, Reason} after 0 -> {error, terminated} end.
