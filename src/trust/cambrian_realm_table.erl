%% @private
%% The table of the realms of this node. For each realm it holds the process, and the data that must
%% survive a crash of that process: the subscribers, the processes that write files, and, without a
%% `data_dir', the last saved realm.
-module(cambrian_realm_table).

-export([ensure/0, register/1, get/2, put/3]).

-type name() :: binary().
-type kept() :: saved | subscribers | writer | audit.

%% @doc Makes the table, if there is none. It lives as long as the process that made it.
-spec ensure() -> ok.
ensure() ->
    _ = [ets:new(?MODULE, [named_table, public, {read_concurrency, true}])
         || ets:whereis(?MODULE) =:= undefined],
    ok.

%% @doc Registers the caller, unless another living process has the name.
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
                            %% deletes only the dead process: another process may have registered
                            %% meanwhile
                            true = ets:delete_object(?MODULE, {{process, Name}, Other}),
                            register(Name)
                    end;
                _ -> register(Name)
            end
    end.

%% @doc Returns a value that the table keeps for a realm.
-spec get(process | kept(), name()) -> {ok, term()} | none.
get(What, Name) ->
    try ets:lookup(?MODULE, {What, Name}) of
        [{_, Kept}] -> {ok, Kept};
        [] -> none
    catch error:badarg ->
        ok = cambrian_running:check(),
        exit({noproc, cambrian_realms})
    end.

%% @doc Keeps a value for a realm.
-spec put(kept(), name(), term()) -> ok.
put(What, Name, Kept) ->
    true = ets:insert(?MODULE, {{What, Name}, Kept}),
    ok.
