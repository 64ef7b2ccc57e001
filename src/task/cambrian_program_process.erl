%% @private Runs a program as a port, and asks it one question after the other: docs/programs.md has
%% the bytes.
%%
%% A fault ends the operating-system process, but not this Erlang process, which answers every
%% further call with the fault until it is stopped. Neither the program nor the processes that it
%% started survive: see `cambrian_program_warden'.
-module(cambrian_program_process).
-behaviour(gen_server).

-export([start_link/1, hello/3, ask/4, await/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([command/0, hello/0, fault/0]).

%% The program to start; `env' is added to the environment of the VM.
-type command() :: #{command := string(), args := [string()], env := [{string(), string() | false}],
                     cd => string()}.
-type hello() :: #{inputs := pos_integer(), outputs := pos_integer(), steps => pos_integer(),
                   score := cambrian_program_answer:counts()}.
%% The status is `unknown' if a write found that the program had exited.
-type fault() :: program_not_found | {program_not_started, term()}
               | {program_exited, Status :: non_neg_integer() | unknown}
               | {program_hangs, Ms :: pos_integer()}
               | {program_failed, Message :: binary()} | {bad_answer, term()}.

-define(PROTOCOL, 1).
-define(MAX_MESSAGE, 16#4000000).
%% The most numbers of each part of a score.
-define(SCORE, [{behaviour, 1000}, {objectives, 100}, {cases, 10_000}]).
%% How long a program may take to exit, in ms.
-define(GRACE, 1000).

%% A shell waits for a line and then becomes the program, so the program starts only when the warden
%% already watches its process group.
-define(WAIT_AND_EXEC, "read -r go && exec \"$@\"").

%% `group' is the number of the program and of its process group. `asked' is the caller that waits
%% for the hello or an answer, and the timer of its timeout.
-record(state, {port :: undefined | port(), group :: undefined | pos_integer(),
                buffer = <<>> :: binary(), hello :: undefined | hello(),
                asked :: undefined | {gen_server:from(), reference()},
                fault :: undefined | fault()}).

-spec start_link(command()) -> {ok, pid()}.
start_link(Command) -> gen_server:start_link(?MODULE, Command, []).

%% @doc Returns the first message of the program, which it must send within `Timeout' ms from now.
%% The answer is `stale' if the program broke later, while nobody used it.
-spec hello(pid(), pos_integer(), fun(() -> term())) -> {ok, hello()} | {error, fault() | stale}.
hello(Process, Timeout, Meanwhile) -> call(Process, {hello, Timeout}, Meanwhile).

%% @doc Asks a question and returns the answer, for which the program has `Timeout' ms.
-spec ask(pid(), #{atom() => term()}, pos_integer(), fun(() -> term())) ->
          {ok, map()} | {error, fault()}.
ask(Process, Question, Timeout, Meanwhile) ->
    case call(Process, {ask, cambrian_msgpack:encode(Question), Timeout}, Meanwhile) of
        {ok, Bytes} -> decode(Bytes);
        Error -> Error
    end.

call(Process, Question, Meanwhile) ->
    case await(gen_server:send_request(Process, Question), Meanwhile) of
        {reply, Answer} -> Answer;
        {error, {Reason, _}} -> {error, {program_not_started, Reason}}
    end.

%% @doc Waits for the response to a request. Calls `Meanwhile' twice a second until it comes.
-spec await(gen_server:request_id(), fun(() -> term())) ->
          {reply, term()} | {error, {term(), term()}}.
await(Request, Meanwhile) ->
    case gen_server:wait_response(Request, 500) of
        timeout -> _ = Meanwhile(), await(Request, Meanwhile);
        Response -> Response
    end.

%% Runs in the caller, whose memory is limited.
decode(Bytes) ->
    case cambrian_msgpack:decode(Bytes) of
        {ok, #{<<"error">> := Message}} -> {error, {program_failed, text(Message)}};
        {ok, #{} = Answer} -> {ok, Answer};
        {ok, Other} -> {error, {bad_answer, {no_map, shown(Other)}}};
        {error, malformed} -> {error, {bad_answer, {no_messagepack, start_of(Bytes)}}}
    end.

text(Message) when is_binary(Message) -> start_of(Message, 1000);
text(Message) -> shown(Message).

%% Shows a value as JSON, if it can be, and cuts the text.
shown(Term) ->
    Text = try
               true = cambrian_fault:is_small(Term, 1000),
               cambrian_json:encode(Term)
           catch
               error:_ -> unicode:characters_to_binary(io_lib:format("~0tP", [Term, 30]))
           end,
    start_of(Text, 1000).

%%% ---- the process ------------------------------------------------------------------------

init(Command) ->
    process_flag(trap_exit, true),
    {ok, open(Command)}.

open(#{command := Name, args := Args, env := Env} = Command) ->
    case {find(Name), filelib:is_dir(maps:get(cd, Command, "."))} of
        {false, _} -> #state{fault = program_not_found};
        {_, false} -> #state{fault = {program_not_started, enoent}};
        {Path, true} ->
            Cd = [{cd, Dir} || #{cd := Dir} <- [Command]],
            Options = [stream, binary, use_stdio, exit_status, hide,
                       {args, ["-c", ?WAIT_AND_EXEC, "sh", Path | Args]}, {env, Env} | Cd],
            try open_port({spawn_executable, "/bin/sh"}, Options) of
                Port -> opened(Port)
            catch
                error:Reason -> #state{fault = {program_not_started, Reason}}
            end
    end.

%% Searches the PATH as a shell does: only for a name without a folder.
find(Name) ->
    case filename:split(Name) of
        [_] -> os:find_executable(Name);
        _ -> os:find_executable(filename:absname(Name))
    end.

opened(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Group} ->
            ok = cambrian_program_warden:watch(Group),
            Process = self(),
            _ = spawn(fun() -> bury(Process, Group) end),
            _ = write(Port, "go\n"),
            #state{port = Port, group = Group};
        %% The shell has exited already.
        undefined -> #state{port = Port}
    end.

%% Kills the process group of the program when the Erlang process exits for any reason.
bury(Process, Group) ->
    Monitor = monitor(process, Process),
    receive {'DOWN', Monitor, process, _, _} -> cambrian_program_warden:kill(Group) end.

handle_call({hello, _}, _, #state{fault = Fault, hello = #{}} = State) when Fault =/= undefined ->
    {reply, {error, stale}, State};
handle_call(_, _, #state{fault = Fault} = State) when Fault =/= undefined ->
    {reply, {error, Fault}, State};
handle_call({hello, _}, _, #state{hello = #{} = Hello} = State) ->
    {reply, {ok, Hello}, State};
handle_call({hello, Timeout}, From, State) ->
    {noreply, State#state{asked = {From, erlang:start_timer(Timeout, self(), Timeout)}}};
handle_call({ask, Question, Timeout}, From, #state{port = Port, asked = undefined} = State) ->
    Asked = State#state{asked = {From, erlang:start_timer(Timeout, self(), Timeout)}},
    case send(Port, Question) of
        sent -> {noreply, Asked};
        gone -> {noreply, failed({program_exited, unknown}, Asked)};
        full -> {noreply, failed({program_hangs, Timeout}, Asked)}
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

send(Port, Bytes) ->
    write(Port, [<<(iolist_size(Bytes)):32>>, Bytes]).

%% With `nosuspend', a program that does not read does not block this process.
write(Port, Bytes) ->
    try port_command(Port, Bytes, [nosuspend]) of
        true -> sent;
        false -> full
    catch
        error:badarg -> gone
    end.

handle_info({Port, {data, Bytes}}, #state{port = Port, buffer = Buffer} = State) ->
    {noreply, received(State#state{buffer = <<Buffer/binary, Bytes/binary>>})};
handle_info({Port, {exit_status, Status}}, #state{port = Port} = State) ->
    {noreply, failed({program_exited, Status}, State)};
handle_info({timeout, Timer, Timeout}, #state{asked = {_, Timer}} = State) ->
    {noreply, failed({program_hangs, Timeout}, State)};
handle_info({'EXIT', Port, _}, #state{port = Port} = State) ->
    {noreply, failed({program_exited, unknown}, State)};
handle_info(_, State) ->
    {noreply, State}.

%% The protocol: a hello, then one answer to each question. Anything else is a fault.
received(#state{buffer = <<>>} = State) ->
    State;
received(#state{hello = #{}, asked = undefined, buffer = Buffer} = State) ->
    failed({bad_answer, {unasked, start_of(Buffer)}}, State);
received(#state{buffer = <<Size:32, _/binary>> = Buffer} = State) when Size > ?MAX_MESSAGE ->
    Start = start_of(Buffer),
    case is_text(Start) of
        true -> failed({bad_answer, {text, hd(binary:split(Start, <<"\n">>))}}, State);
        false -> failed({bad_answer, {too_large, Size, ?MAX_MESSAGE}}, State)
    end;
received(#state{buffer = <<Size:32, Message:Size/binary, Rest/binary>>,
                hello = undefined} = State) ->
    case hello(decode(Message)) of
        {ok, Hello} -> received(answer(Hello, State#state{hello = Hello, buffer = Rest}));
        {error, Fault} -> failed(Fault, State)
    end;
received(#state{buffer = <<Size:32, Message:Size/binary, Rest/binary>>} = State) ->
    received(answer(Message, State#state{buffer = Rest}));
received(State) ->
    State.

%% Whether a text in ASCII stands where the size of a message belongs.
is_text(<<Size:4/binary, _/binary>>) ->
    lists:all(fun(C) -> C >= $\s andalso C < 127 orelse C =:= $\n orelse C =:= $\t end,
              binary_to_list(Size)).

start_of(Bytes) -> start_of(Bytes, 80).
start_of(Bytes, Most) -> binary:copy(binary:part(Bytes, 0, min(Most, byte_size(Bytes)))).

answer(_, #state{asked = undefined} = State) -> State;
answer(Answer, #state{asked = {From, Timer}} = State) ->
    _ = erlang:cancel_timer(Timer),
    gen_server:reply(From, {ok, Answer}),
    State#state{asked = undefined}.

-define(IS_SIZE(N), (is_integer(N) andalso N >= 1 andalso N =< 10_000)).

hello({ok, #{<<"protocol">> := Protocol}}) when is_integer(Protocol), Protocol =/= ?PROTOCOL ->
    {error, {bad_answer, {unsupported_protocol, Protocol, ?PROTOCOL}}};
hello({ok, #{<<"protocol">> := ?PROTOCOL, <<"inputs">> := Inputs,
             <<"outputs">> := Outputs} = Answer})
  when ?IS_SIZE(Inputs), ?IS_SIZE(Outputs) ->
    try
        Counts = [{Kind, count(Kind, Most, Answer)} || {Kind, Most} <- ?SCORE],
        Score = maps:from_list([Given || {_, Count} = Given <- Counts, Count > 0]),
        {ok, maps:merge(steps(Answer), #{inputs => Inputs, outputs => Outputs, score => Score})}
    catch throw:hello -> {error, {bad_answer, {hello, shown(Answer)}}}
    end;
hello({ok, Other}) -> {error, {bad_answer, {hello, shown(Other)}}};
hello(Error) -> Error.

count(Kind, Most, Answer) ->
    case maps:get(atom_to_binary(Kind), Answer, nil) of
        nil -> 0;
        Count when is_integer(Count), Count >= 0, Count =< Most -> Count;
        _ -> throw(hello)
    end.

steps(Answer) ->
    case maps:get(<<"steps">>, Answer, nil) of
        nil -> #{};
        Steps when is_integer(Steps), Steps >= 1 -> #{steps => Steps};
        _ -> throw(hello)
    end.

%%% ---- the end of the program -------------------------------------------------------------

failed(_, #state{fault = Fault} = State) when Fault =/= undefined -> State;
failed(Fault, #state{asked = Asked} = State) ->
    end_program(case Fault of {program_exited, _} -> exited; _ -> now end, State),
    case Asked of
        {From, Timer} ->
            _ = erlang:cancel_timer(Timer),
            gen_server:reply(From, {error, Fault});
        undefined -> ok
    end,
    #state{fault = Fault, hello = State#state.hello}.

%% Kills a program at once if it is broken or owes an answer.
terminate(Reason, #state{asked = undefined} = State) when Reason =/= {shutdown, broken} ->
    end_program(in_peace, State);
terminate(_, State) ->
    end_program(now, State).

%% Kills the process group even if the program has exited: processes that it started may be alive.
%% While one of them lives, the system gives the number of the group to no other group. If none
%% lives, the number was free only for the time of one message.
end_program(_, #state{port = undefined}) -> ok;
end_program(_, #state{port = Port, group = undefined}) -> close(Port);
end_program(in_peace, #state{port = Port} = State) ->
    Bye = cambrian_msgpack:encode(#{do => close}),
    case send(Port, Bye) =:= sent andalso has_exited(Port) of
        true -> end_program(exited, State);
        false -> end_program(now, State)
    end;
end_program(now, #state{port = Port, group = Group} = State) ->
    ok = cambrian_program_warden:kill(Group),
    _ = has_exited(Port),
    end_program(exited, State);
end_program(exited, #state{port = Port, group = Group}) ->
    ok = cambrian_program_warden:kill(Group),
    close(Port).

has_exited(Port) ->
    receive {Port, {exit_status, _}} -> true
    after ?GRACE -> false
    end.

close(Port) ->
    try port_close(Port), ok catch error:badarg -> ok end.
