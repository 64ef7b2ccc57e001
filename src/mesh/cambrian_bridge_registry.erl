%% @private Finds the bridges of this node by their realms, and the gates before them by
%% `{gate, Realm}': a registry for `{via, cambrian_bridge_registry, Name}'.
-module(cambrian_bridge_registry).
-behaviour(gen_server).

-export([start_link/0, realms/0, register_name/2, unregister_name/1, whereis_name/1, send/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-type name() :: Realm :: binary() | {gate, Realm :: binary()}.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc The realms of all bridges, in order. A caller that stopped a bridge may call this before the
%% `DOWN' of the bridge arrives, so this and {@link whereis_name/1} check whether the bridge is
%% alive.
-spec realms() -> [binary()].
realms() ->
    lists:sort([Realm || {Realm, Pid} <- bridges(), is_binary(Realm), is_process_alive(Pid)]).

%% While the registry restarts, there are no bridges.
bridges() ->
    try ets:tab2list(?MODULE)
    catch error:badarg -> ok = cambrian_running:check(), []
    end.

-spec register_name(name(), pid()) -> yes | no.
register_name(Realm, Pid) -> gen_server:call(?MODULE, {register, Realm, Pid}, infinity).

-spec unregister_name(name()) -> ok.
unregister_name(Realm) -> gen_server:call(?MODULE, {unregister, Realm}, infinity).

-spec whereis_name(name()) -> pid() | undefined.
whereis_name(Realm) ->
    try [Pid || {_, Pid} <- ets:lookup(?MODULE, Realm), is_process_alive(Pid)] of
        [Pid] -> Pid;
        [] -> undefined
    catch error:badarg -> undefined
    end.

-spec send(name(), term()) -> pid().
send(Realm, Message) ->
    case whereis_name(Realm) of
        undefined -> exit({badarg, {Realm, Message}});
        Pid -> Pid ! Message, Pid
    end.

init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, protected, {read_concurrency, true}]),
    {ok, #{}}.

handle_call({register, Realm, Pid}, _From, Monitors) ->
    case whereis_name(Realm) of
        Other when is_pid(Other), Other =/= Pid -> {reply, no, Monitors};
        _ -> {reply, yes, put_bridge(Realm, Pid, Monitors)}
    end;
handle_call({unregister, Realm}, _From, Monitors) ->
    ets:delete(?MODULE, Realm),
    {reply, ok, Monitors};
handle_call(_, _From, Monitors) ->
    {reply, {error, unknown_call}, Monitors}.

put_bridge(Realm, Pid, Monitors) ->
    ets:insert(?MODULE, {Realm, Pid}),
    Monitors#{monitor(process, Pid) => {Realm, Pid}}.

handle_cast(_, Monitors) -> {noreply, Monitors}.

handle_info({'DOWN', Monitor, process, Pid, _}, Monitors) ->
    case maps:take(Monitor, Monitors) of
        {{Realm, Pid}, Left} ->
            ets:delete_object(?MODULE, {Realm, Pid}),
            {noreply, Left};
        error -> {noreply, Monitors}
    end;
handle_info(_, Monitors) -> {noreply, Monitors}.
