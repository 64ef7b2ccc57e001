%% @private
%% The realms of this node: a supervisor of one {@link cambrian_realm_server} per realm, and the
%% registry that finds a server by the name of its realm.
%%
%% A process starts at the first request, also after a crash, so a realm that keeps crashing harms
%% only its own callers. A table ({@link cambrian_realm_table}) holds the data that must survive a
%% crash of a server or of this supervisor.
-module(cambrian_realms).
-behaviour(supervisor).

-export([start_link/0, find/1, call/3, call_or_start/2, specification/0, init/1]).

-type name() :: binary().

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) -> {ok, specification()}.

%% @doc The flags and the child of the supervisor.
-spec specification() -> {supervisor:sup_flags(), [supervisor:child_spec()]}.
specification() ->
    Server = #{id => realm, start => {cambrian_realm_server, start_link, []}, restart => temporary,
               shutdown => 60_000},
    {#{strategy => simple_one_for_one}, [Server]}.

%% @doc Calls the process of a realm; returns `IfUnknown' if no data of the realm is saved. If the
%% process crashes, the next call starts it again.
-spec call(name(), Message :: term(), IfUnknown :: term()) -> term().
call(Name, Message, IfUnknown) ->
    case find(Name) of
        {ok, Pid} -> call_process(Pid, Name, Message);
        not_found -> IfUnknown;
        Error -> Error
    end.

%% @doc Calls the process of a realm, and starts it even if the realm is new.
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

%% @doc The process of a realm. Starts the process if data of the realm is saved.
-spec find(name()) -> {ok, pid()} | not_found | {error, cambrian_data_dir:error()}.
find(Name) ->
    case process_of(Name) of
        {ok, _} = Found -> Found;
        none ->
            case cambrian_realm_table:get(saved, Name) =/= none
                orelse cambrian_realm_file:is_there(Name) of
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
    case cambrian_realm_table:get(process, Name) of
        none -> none;
        {ok, Pid} -> case is_process_alive(Pid) of true -> {ok, Pid}; false -> none end
    end.
