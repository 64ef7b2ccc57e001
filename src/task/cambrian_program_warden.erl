%% @private
%% Kills what programs leave behind, also when this VM is killed.
%%
%% The VM starts each program in a process group of its own, whose number is that of the program: `erl_child_setup' calls
%% `setsid' or `setpgrp'. What the program starts is in that group too, unless it leaves it on purpose. The warden is a shell
%% outside of the VM that knows the groups. It kills one when it is told to, and all of them when its standard input ends,
%% which it does however the VM ends. MuonTrap and erlexec do the same with programs of their own in C.
-module(cambrian_program_warden).
-behaviour(gen_server).

-export([start_link/0, watch/1, kill/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type group() :: pos_integer().

-record(state, {port = none :: none | port(), groups = #{} :: #{group() => []}}).

%% Signals of a terminal are for the VM. An error is of a group in which nobody is left.
-define(SCRIPT, "trap '' HUP INT QUIT TERM\n"
                "groups=' '\n"
                "while read -r what group; do\n"
                "    case $what in\n"
                "        watch) groups=\"$groups$group \" ;;\n"
                "        kill) kill -9 \"-$group\"; groups=\"${groups%% $group *} ${groups#* $group }\" ;;\n"
                "    esac\n"
                "done 2>/dev/null\n"
                "for group in $groups; do kill -9 \"-$group\"; done 2>/dev/null\n").

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc From now on the group ends with the VM. It must not have begun to work before.
-spec watch(group()) -> ok | {error, no_shell}.
watch(Group) -> gen_server:call(?MODULE, {watch, Group}, infinity).

%% @doc Ends a group that is watched, at once. Without a warden it has ended already, as the warden took it along.
-spec kill(group()) -> ok.
kill(Group) ->
    try gen_server:call(?MODULE, {kill, Group}, infinity) catch exit:_ -> ok end.

init([]) ->
    process_flag(trap_exit, true),
    {ok, #state{}}.

handle_call({watch, Group}, _From, #state{groups = Groups} = State) ->
    case opened(State) of
        #state{port = none} = Without -> {reply, {error, no_shell}, Without};
        Open -> {reply, tell("watch", Group, Open), Open#state{groups = Groups#{Group => []}}}
    end;
handle_call({kill, Group}, _From, #state{groups = Groups} = State) when is_map_key(Group, Groups) ->
    {reply, tell("kill", Group, State), State#state{groups = maps:remove(Group, Groups)}};
handle_call({kill, _}, _From, State) ->
    {reply, ok, State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

%% Somebody killed the shell. Another one takes over the groups.
handle_info({'EXIT', Port, _}, #state{port = Port, groups = Groups} = State) ->
    Again = opened(State#state{port = none}),
    _ = [tell("watch", Group, Again) || Group <- maps:keys(Groups)],
    {noreply, Again};
handle_info(_, State) ->
    {noreply, State}.

%% Its input ends, and with it what it watches.
terminate(_Reason, _State) -> ok.

opened(#state{port = none} = State) ->
    case os:find_executable("sh", "/bin:/usr/bin") of
        false -> State;
        Shell -> State#state{port = open_port({spawn_executable, Shell}, [{args, ["-c", ?SCRIPT]}, out, hide])}
    end;
opened(State) -> State.

tell(_What, _Group, #state{port = none}) -> ok;
tell(What, Group, #state{port = Port}) ->
    try port_command(Port, [What, $ , integer_to_list(Group), $\n]), ok catch error:badarg -> ok end.
