%% @private
%% The realms of this node: a supervisor of one {@link cambrian_realm_server} each, and the registry
%% that finds it by the name of the realm.
%%
%% A process starts at the first request, also after a crash, so a realm that keeps crashing harms
%% only its own callers. The supervisor owns a table for what must survive such a crash: the
%% subscribers, the process that writes a file, and, without a `data_dir', the realm as it was last
%% saved.
-module(cambrian_realms).
-behaviour(supervisor).

-export([start_link/0, find/1, call/3, call_or_start/2, register/1, get/2, put/3,
         specification/0, init/1]).

-type name() :: binary().
-type kept() :: saved | subscribers | writer | audit.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, public, {read_concurrency, true}]),
    {ok, specification()}.

%% @doc The flags and the child of the supervisor.
-spec specification() -> {supervisor:sup_flags(), [supervisor:child_spec()]}.
specification() ->
    Server = #{id => realm, start => {cambrian_realm_server, start_link, []}, restart => temporary,
               shutdown => 60_000},
    {#{strategy => simple_one_for_one}, [Server]}.

%% @doc Calls the process of a realm; returns `IfUnknown' if nothing of the realm is saved. If the
%% process crashes, the next call starts it again.
-spec call(name(), Message :: term(), IfUnknown :: term()) -> term().
call(Name, Message, IfUnknown) ->
    case find(Name) of
        {ok, Pid} -> call_process(Pid, Name, Message);
        not_found -> IfUnknown;
        Error -> Error
    end.

%% @doc The same; starts the process of a new realm, too.
-spec call_or_start(name(), Message :: term()) -> term().
call_or_start(Name, Message) ->
    {ok, Pid} = start(Name),
    call_process(Pid, Name, Message).

call_process(Pid, Name, Message) ->
    try gen_server:call(Pid, Message, infinity)
    catch exit:_ ->
        ok = cambrian_running:check(),
        {error, {realm_unavailable, Name}}
    end.

%% @doc The process of a realm, started if something of the realm is saved.
-spec find(name()) -> {ok, pid()} | not_found | {error, cambrian_data_dir:error()}.
find(Name) ->
    case process_of(Name) of
        {ok, _} = Found -> Found;
        none ->
            case get(saved, Name) =/= none orelse cambrian_realm_file:is_there(Name) of
                true -> start(Name);
                false -> not_found;
                Error -> Error
            end
    end.

start(Name) ->
    case process_of(Name) of
        {ok, _} = Found -> Found;
        none ->
            case supervisor:start_child(?MODULE, [Name]) of
                %% another caller was faster
                {error, {shutdown, {already_started, Pid}}} -> {ok, Pid};
                {ok, _} = Started -> Started
            end
    end.

process_of(Name) ->
    case get(process, Name) of
        none -> none;
        {ok, Pid} -> case is_process_alive(Pid) of true -> {ok, Pid}; false -> none end
    end.

%% @doc Registers the caller, unless another that is alive has the name.
-spec register(name()) -> ok | {error, {already_started, pid()}}.
register(Name) ->
    case ets:insert_new(?MODULE, {{process, Name}, self()}) of
        true -> ok;
        false ->
            case get(process, Name) of
                {ok, Other} when Other =/= self() ->
                    case is_process_alive(Other) of
                        true -> {error, {already_started, Other}};
                        false ->
                            %% deletes only the dead one: another process may have registered
                            %% meanwhile
                            true = ets:delete_object(?MODULE, {{process, Name}, Other}),
                            register(Name)
                    end;
                _ -> register(Name)
            end
    end.

%% @doc What the table keeps of a realm.
-spec get(process | kept(), name()) -> {ok, term()} | none.
get(What, Name) ->
    try ets:lookup(?MODULE, {What, Name}) of
        [{_, Kept}] -> {ok, Kept};
        [] -> none
    catch error:badarg ->
        ok = cambrian_running:check(),
        exit({noproc, ?MODULE})
    end.

-spec put(kept(), name(), term()) -> ok.
put(What, Name, Kept) ->
    true = ets:insert(?MODULE, {{What, Name}, Kept}),
    ok.
