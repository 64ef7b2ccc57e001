%% @private
%% The application, and what others do where it does not run: what begins something starts it, and what asks raises
%% `{not_started, How}', which says how to start it.
-module(cambrian_app).
-behaviour(application).
-export([start/2, stop/1]).
-export([ensure_started/0, check_started/0, call/2]).

start(_Type, _Args) ->
    case ready() of
        {ok, _} -> with_data_dir(cambrian_data_dir:path([]));
        Error -> Error
    end.

ready() ->
    case cambrian_nif:loaded() of
        ok -> check(maps:from_list(application:get_all_env(cambrian)));
        {error, Reason} -> {error, {nif_not_loaded, Reason}}
    end.

with_data_dir({error, _} = Error) -> Error;
with_data_dir(_) ->
    _ = [ok = cambrian_nif:memory_set_limit(Bytes) || {ok, Bytes} <- [application:get_env(cambrian, memory_limit)]],
    cambrian_telemetry:start(),
    case with_dashboard(cambrian_sup:start_link()) of
        {ok, _} = Started -> Started;
        Error ->
            cambrian_data_dir:release(),
            Error
    end.

check(Environment) ->
    Table = maps:merge(table(), cambrian_bridge_options:environment_table()),
    case cambrian_options:check(Environment, Table, <<"docs/README.md">>) of
        {ok, Checked} ->
            case {cambrian_dashboard:check(maps:get(dashboard, Checked, #{})),
                  cambrian_governor:check_settings(maps:get(governor, Checked, #{}))} of
                {{ok, _}, ok} -> cambrian_bridge_options:from_environment(Checked);
                {{ok, _}, Error} -> Error;
                {Error, _} -> Error
            end;
        Error -> Error
    end.

with_dashboard({ok, Supervisor} = Started) ->
    case application:get_env(cambrian, dashboard) of
        undefined -> Started;
        {ok, Options} ->
            {ok, Checked} = cambrian_dashboard:check(Options),
            case cambrian_dashboard:start_checked(Checked) of
                {ok, _} -> Started;
                Error -> ended(Supervisor), Error
            end
    end;
with_dashboard(Error) -> Error.

ended(Supervisor) ->
    Monitor = monitor(process, Supervisor),
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

stop(_State) -> cambrian_data_dir:release().

%% What may be set before the application starts.
table() ->
    #{data_dir => {fun cambrian_data_dir:is_valid/1, <<"the path of a directory">>},
      threads => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      memory_limit => {fun(Bytes) -> is_integer(Bytes) andalso Bytes > 0 andalso Bytes < 1 bsl 63 end, <<"bytes, from 1 to 2^63 - 1">>},
      governor => {fun is_map/1, <<"a map">>},
      dashboard => {fun is_map/1, <<"a map">>},
      %% of OTP itself
      included_applications => {fun is_list/1, <<"a list">>}}.

%%% ---- where it does not run --------------------------------------------------------------

%% @doc Starts it if need be. While it starts it may call this itself.
-spec ensure_started() -> ok | {error, term()}.
ensure_started() ->
    case whereis(cambrian_sup) of
        undefined ->
            %% looked at first, as OTP reports a crash of each application that does not start
            _ = application:load(cambrian),
            case ready() of
                {ok, _} -> started(cambrian_data_dir:path([]));
                {error, {nif_not_loaded, _}} = Error -> Error;
                {error, Reason} -> {error, {cambrian, {Reason, {?MODULE, start, [normal, []]}}}}
            end;
        _ -> ok
    end.

started({error, _} = Error) -> Error;
started(_DataDir) ->
    case application:ensure_all_started(cambrian) of
        {ok, _} -> ok;
        Error -> Error
    end.

%% @doc Raises where it does not run.
-spec check_started() -> ok.
check_started() ->
    case whereis(cambrian_sup) of
        undefined -> error({not_started, <<"start it first: application:ensure_all_started(cambrian)">>});
        _ -> ok
    end.

%% @doc Calls one of its servers.
-spec call(gen_server:server_ref(), term()) -> term().
call(Server, Request) ->
    try gen_server:call(Server, Request, infinity)
    catch
        exit:{noproc, _} = Reason:Stack ->
            ok = check_started(),
            erlang:raise(exit, Reason, Stack)
    end.
