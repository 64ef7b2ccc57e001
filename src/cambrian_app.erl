%% @private
-module(cambrian_app).
-behaviour(application).
-export([start/2, stop/1]).

start(_Type, _Args) ->
    case {cambrian_nif:loaded(), check(maps:from_list(application:get_all_env(cambrian)))} of
        {ok, {ok, _}} ->
            cambrian_telemetry:start(),
            with_dashboard(cambrian_sup:start_link());
        {{error, Reason}, _} -> {error, {nif_not_loaded, Reason}};
        {ok, Error} -> Error
    end.

check(Environment) ->
    Table = maps:merge(table(), cambrian_bridge_options:environment_table()),
    case {cambrian_options:check(Environment, Table, <<"docs/README.md">>),
          cambrian_dashboard:check(maps:get(dashboard, Environment, #{}))} of
        {{ok, Checked}, {ok, _}} -> cambrian_bridge_options:from_environment(Checked);
        {{ok, _}, Error} -> Error;
        {Error, _} -> Error
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

stop(_State) -> ok.

%% What may be set before the application starts. The governor looks at what is its own.
table() ->
    Path = fun(Dir) -> Dir =/= <<>> andalso is_binary(Dir) orelse Dir =/= [] andalso io_lib:printable_unicode_list(Dir) end,
    #{data_dir => {Path, <<"the path of a directory">>},
      threads => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      governor => {fun is_map/1, <<"a map">>},
      dashboard => {fun is_map/1, <<"a map">>},
      %% of OTP itself
      included_applications => {fun is_list/1, <<"a list">>}}.
