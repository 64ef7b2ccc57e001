%% @private
%% Turns SIGINT (Ctrl-C) and SIGTERM into messages to a process, in place of the end of the VM.
-module(cambrian_cli_signal).
-behaviour(gen_event).

-export([subscribe/1, unsubscribe/0]).
-export([init/1, handle_event/2, handle_call/2]).

%% @doc Sends `{cambrian_cli_signal, Name, Status}' to the process at each signal. The status is
%% that of a shell for a command which that signal ended. OTP handles no SIGINT, so the library
%% turns it into SIGUSR2.
-spec subscribe(pid()) -> ok.
subscribe(Pid) ->
    ok = os:set_signal(sigusr2, handle),
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, Pid}),
    forward(true).

%% @doc Gives the signals their former effects.
-spec unsubscribe() -> ok.
unsubscribe() ->
    ok = forward(false),
    ok = gen_event:swap_handler(erl_signal_server, {?MODULE, []}, {erl_signal_handler, []}),
    os:set_signal(sigusr2, default).

%% If the library is not loaded, Ctrl-C still ends the VM at once.
forward(Forward) ->
    try cambrian_nif:signal_forward_interrupt(Forward)
    catch error:{nif_not_loaded, _} -> ok
    end.

init({Pid, _}) -> {ok, Pid}.

handle_event(sigusr2, Pid) ->
    Pid ! {?MODULE, "SIGINT", 130},
    {ok, Pid};
handle_event(sigterm, Pid) ->
    Pid ! {?MODULE, "SIGTERM", 143},
    {ok, Pid};
handle_event(_Other, Pid) -> {ok, Pid}.

handle_call(_, Pid) -> {ok, ok, Pid}.
