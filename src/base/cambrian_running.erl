%% @private
%% Handles calls while the application does not run. A function that begins work starts the
%% application. A function that only reads raises `{not_started, How}', which says how to start it.
-module(cambrian_running).

-export([ensure/0, check/0, call/2]).

%% @doc Starts the application if it does not run. The application may call this while it starts.
-spec ensure() -> ok | {error, term()}.
ensure() ->
    case whereis(cambrian_sup) of
        undefined -> start();
        _ -> ok
    end.

%% Asks the application's module first whether it can start, because OTP logs a crash report for
%% each failed start.
start() ->
    _ = application:load(cambrian),
    {ok, {Application, _}} = application:get_key(cambrian, mod),
    case Application:check() of
        ok ->
            case application:ensure_all_started(cambrian) of
                {ok, _} -> ok;
                Error -> Error
            end;
        Error -> Error
    end.

%% @doc Raises `{not_started, How}' unless the application runs.
-spec check() -> ok.
check() ->
    case whereis(cambrian_sup) of
        undefined ->
            error({not_started, <<"start it first: application:ensure_all_started(cambrian)">>});
        _ -> ok
    end.

%% @doc Calls a server of the application.
-spec call(gen_server:server_ref(), term()) -> term().
call(Server, Request) ->
    try gen_server:call(Server, Request, infinity)
    catch
        exit:{noproc, _} = Reason:Stack ->
            ok = check(),
            erlang:raise(exit, Reason, Stack)
    end.
