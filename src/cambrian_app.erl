%% @private
-module(cambrian_app).
-behaviour(application).
-export([start/2, stop/1]).

start(_Type, _Args) ->
    case cambrian_nif:loaded() of
        ok ->
            cambrian_telemetry:start(),
            _ = cambrian_nif:pool_start(threads()),
            cambrian_sup:start_link();
        {error, Reason} ->
            {error, {nif_not_loaded, Reason}}
    end.

stop(_State) -> ok.

%% Never more threads than the VM may keep busy itself.
threads() ->
    Online = erlang:system_info(schedulers_online),
    case application:get_env(cambrian, threads, Online) of
        Wanted when is_integer(Wanted), Wanted > 0 -> min(Wanted, Online);
        Other -> error({bad_option, {threads, Other, "a positive integer"}})
    end.
