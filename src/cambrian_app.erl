%% @private
-module(cambrian_app).
-behaviour(application).
-export([start/2, stop/1]).

start(_Type, _Args) ->
    case {cambrian_nif:loaded(), check(maps:from_list(application:get_all_env(cambrian)))} of
        {ok, {ok, _}} ->
            cambrian_telemetry:start(),
            cambrian_sup:start_link();
        {{error, Reason}, _} -> {error, {nif_not_loaded, Reason}};
        {ok, Error} -> Error
    end.

check(Environment) ->
    case cambrian_options:check(Environment, maps:merge(table(), cambrian_bridge_options:environment_table())) of
        {ok, Checked} -> cambrian_bridge_options:from_environment(Checked);
        Error -> Error
    end.

stop(_State) -> ok.

%% What may be set before the application starts. The governor looks at what is its own.
table() ->
    Path = fun(Dir) -> Dir =/= <<>> andalso is_binary(Dir) orelse Dir =/= [] andalso io_lib:printable_unicode_list(Dir) end,
    #{data_dir => {Path, <<"the path of a directory">>},
      threads => {fun cambrian_options:is_positive/1, <<"a positive integer">>},
      governor => {fun is_map/1, <<"a map">>},
      %% of OTP itself
      included_applications => {fun is_list/1, <<"a list">>}}.
