%% @private
%% Tells a process when the VM is told to end, by SIGINT (Ctrl-C) or SIGTERM, in place of ending it at once.
-module(cambrian_cli_signal).
-behaviour(gen_event).

-export([tell/1, untell/0]).
-export([init/1, handle_event/2, handle_call/2]).

%% @doc From now on: `{cambrian_cli_signal, Name, Status}', with the status as a shell has it of what ended by that signal.
%% OTP tells nobody of SIGINT, so the library makes SIGUSR2 of it.
-spec tell(pid()) -> ok.
tell(Pid) ->
    ok = os:set_signal(sigusr2, handle),
    ok = gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, Pid}),
    forward(true).

%% @doc Signals do again what they did before.
-spec untell() -> ok.
untell() ->
    ok = forward(false),
    ok = gen_event:swap_handler(erl_signal_server, {?MODULE, []}, {erl_signal_handler, []}),
    os:set_signal(sigusr2, default).

%% Without the library Ctrl-C ends the VM at once.
forward(Whether) ->
    try cambrian_nif:signal_forward_interrupt(Whether)
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
