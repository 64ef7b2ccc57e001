%% @private
-module(cambrian_app).
-behaviour(application).
-export([start/2, stop/1]).

start(_Type, _Args) ->
    case cambrian_nif:loaded() of
        ok ->
            cambrian_telemetry:start(),
            cambrian_sup:start_link();
        {error, Reason} ->
            {error, {nif_not_loaded, Reason}}
    end.

stop(_State) -> ok.
