%% @private
%% Kills the processes that programs leave behind, even when this VM is killed.
%%
%% The VM starts each program in a process group of its own, whose number is that of the program:
%% `erl_child_setup' calls `setsid' or `setpgrp'. Processes that the program starts are in that
%% group too, unless they leave it on purpose. The warden is a shell outside of the VM that knows
%% the groups. It kills one group on request, and all groups when its standard input ends, which
%% happens however the VM ends. MuonTrap and erlexec do the same with programs of their own in C.
-module(cambrian_program_warden).
-behaviour(gen_server).

-export([start_link/0, watch/1, kill/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type group() :: pos_integer().

-record(state, {port = none :: none | port(), groups = #{} :: #{group() => []}}).

%% The script ignores the signals of a terminal, which are for the VM. It hides the errors of
%% `kill', which come from groups without processes.
-define(SCRIPT, "trap '' HUP INT QUIT TERM\n"
                "groups=' '\n"
                "while read -r what group; do\n"
                "    case $what in\n"
                "        watch) groups=\"$groups$group \" ;;\n"
                "        kill) kill -9 \"-$group\"; "
                              "groups=\"${groups%% $group *} ${groups#* $group }\" ;;\n"
                "    esac\n"
                "done 2>/dev/null\n"
                "for group in $groups; do kill -9 \"-$group\"; done 2>/dev/null\n").

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Makes the group end with the VM. Call this before the program starts to work.
-spec watch(group()) -> ok | {error, no_shell}.
watch(Group) -> gen_server:call(?MODULE, {watch, Group}, infinity).

%% @doc Kills a watched group at once. If there is no warden, it killed the group when it ended.
-spec kill(group()) -> ok.
kill(Group) ->
    try gen_server:call(?MODULE, {kill, Group}, infinity) catch exit:_ -> ok end.

init([]) ->
    process_flag(trap_exit, true),
    {ok, #state{}}.

handle_call({watch, Group}, _From, #state{groups = Groups} = State) ->
    case opened(State) of
        #state{port = none} = Without -> {reply, {error, no_shell}, Without};
        Open -> {reply, write("watch", Group, Open), Open#state{groups = Groups#{Group => []}}}
    end;
handle_call({kill, Group}, _From, #state{groups = Groups} = State) when is_map_key(Group, Groups) ->
    {reply, write("kill", Group, State), State#state{groups = maps:remove(Group, Groups)}};
handle_call({kill, _}, _From, State) ->
    {reply, ok, State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

%% Somebody killed the shell. A new shell takes over the groups.
handle_info({'EXIT', Port, _}, #state{port = Port, groups = Groups} = State) ->
    Reopened = opened(State#state{port = none}),
    _ = [write("watch", Group, Reopened) || Group <- maps:keys(Groups)],
    {noreply, Reopened};
handle_info(_, State) ->
    {noreply, State}.

%% The port closes, so the input of the shell ends, and the shell kills the groups.
terminate(_Reason, _State) -> ok.

opened(#state{port = none} = State) ->
    case os:find_executable("sh", "/bin:/usr/bin") of
        false -> State;
        Shell ->
            Options = [{args, ["-c", ?SCRIPT]}, out, hide],
            State#state{port = open_port({spawn_executable, Shell}, Options)}
    end;
opened(State) -> State.

write(_Command, _Group, #state{port = none}) -> ok;
write(Command, Group, #state{port = Port}) ->
    Line = [Command, $ , integer_to_list(Group), $\n],
    try port_command(Port, Line), ok catch error:badarg -> ok end.
