%% @private
%% Tells a process when the VM is told to end, in place of ending it at once.
-module(cambrian_signal).
-behaviour(gen_event).

-export([tell/1]).
-export([init/1, handle_event/2, handle_call/2]).

%% @doc From now on: `terminate', as a message.
-spec tell(pid()) -> ok.
tell(Pid) -> gen_event:swap_handler(erl_signal_server, {erl_signal_handler, []}, {?MODULE, Pid}).

init({Pid, _}) -> {ok, Pid}.

handle_event(sigterm, Pid) ->
    Pid ! terminate,
    {ok, Pid};
handle_event(_Other, Pid) -> {ok, Pid}.

handle_call(_, Pid) -> {ok, ok, Pid}.
