%% @private
%% Starts the application, after a check of its environment and its data directory.
-module(cambrian_app).
-behaviour(application).
-export([start/2, stop/1, check/0]).

start(_Type, _Args) ->
    case ready() of
        {ok, _} -> with_data_dir(cambrian_data_dir:path([]));
        Error -> Error
    end.

%% @doc Whether the application can start, for {@link cambrian_running}, which finds this module as
%% OTP does. The error is the one that a start would give.
-spec check() -> ok | {error, term()}.
check() ->
    case ready() of
        {ok, _} ->
            case cambrian_data_dir:path([]) of
                {error, {data_dir_in_use, _, _}} = Error -> Error;
                {error, Reason} -> not_started(Reason);
                _ -> ok
            end;
        {error, {nif_not_loaded, _}} = Error -> Error;
        {error, Reason} -> not_started(Reason)
    end.

not_started(Reason) -> {error, {cambrian, {Reason, {?MODULE, start, [normal, []]}}}}.

ready() ->
    case cambrian_nif:loaded() of
        ok -> check(maps:from_list(application:get_all_env(cambrian)));
        {error, Reason} -> {error, {nif_not_loaded, Reason}}
    end.

with_data_dir({error, _} = Error) -> Error;
with_data_dir(_) ->
    _ = [ok = cambrian_nif:memory_set_limit(Bytes)
         || {ok, Bytes} <- [application:get_env(cambrian, memory_limit)]],
    cambrian_telemetry:start(),
    ok = cambrian_labour:share(cambrian_federated_labour),
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
                Error -> stop_supervisor(Supervisor), Error
            end
    end;
with_dashboard(Error) -> Error.

stop_supervisor(Supervisor) ->
    Monitor = monitor(process, Supervisor),
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

stop(_State) -> cambrian_data_dir:release().

%% The environment of the application, beside that of bridges.
table() ->
    #{data_dir => {fun cambrian_data_dir:is_valid/1, <<"the path of a directory">>},
      threads => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      memory_limit => {fun(N) -> is_integer(N) andalso N > 0 andalso N < 1 bsl 63 end,
                       <<"bytes, from 1 to 2^63 - 1">>},
      governor => {fun is_map/1, <<"a map">>},
      dashboard => {fun is_map/1, {secret, <<"a map">>}},
      %% OTP puts this one there
      included_applications => {fun is_list/1, <<"a list">>}}.
