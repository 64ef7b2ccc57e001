%% @private
%% The realms that are known on this node: a supervisor of one {@link cambrian_realm_server} each, and the registry that finds
%% it by the realm's name.
%%
%% A process starts when it is first asked for, also after a crash, so that one realm that keeps crashing costs its own callers
%% and nobody else. What must outlive such a crash is in the table, which the supervisor owns: who subscribed, who still
%% writes a file, and, where there is no `data_dir', the realm as it was last saved.
-module(cambrian_realms).
-behaviour(supervisor).

-export([start_link/0, find/1, start/1, take_name/1, get/2, put/3, specification/0, init/1]).

-type name() :: binary().
-type kept() :: saved | subscribers | writer | audit.

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    ?MODULE = ets:new(?MODULE, [named_table, public, {read_concurrency, true}]),
    {ok, specification()}.

%% @doc Whom it supervises, and how.
-spec specification() -> {supervisor:sup_flags(), [supervisor:child_spec()]}.
specification() ->
    Server = #{id => realm, start => {cambrian_realm_server, start_link, []}, restart => temporary, shutdown => 60_000},
    {#{strategy => simple_one_for_one}, [Server]}.

%% @doc The process of a realm, started where something of the realm is kept.
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

%% @doc The same for a realm that may be new.
-spec start(name()) -> {ok, pid()}.
start(Name) ->
    case process_of(Name) of
        {ok, _} = Found -> Found;
        none ->
            case supervisor:start_child(?MODULE, [Name]) of
                %% somebody else was quicker
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
-spec take_name(name()) -> ok | {error, {already_started, pid()}}.
take_name(Name) ->
    case ets:insert_new(?MODULE, {{process, Name}, self()}) of
        true -> ok;
        false ->
            case get(process, Name) of
                {ok, Other} when Other =/= self() ->
                    case is_process_alive(Other) of
                        true -> {error, {already_started, Other}};
                        false ->
                            %% nobody else's, who may have been quicker
                            true = ets:delete_object(?MODULE, {{process, Name}, Other}),
                            take_name(Name)
                    end;
                _ -> take_name(Name)
            end
    end.

%% @doc What is kept of a realm outside its process.
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
