%% @private
%% What a function does where the application does not run: one that begins something starts the application, and one that
%% asks raises `{not_started, How}', which says how to start it.
-module(cambrian_running).

-export([ensure/0, check/0, call/2]).

%% @doc Starts the application if need be. While it starts it may call this itself.
-spec ensure() -> ok | {error, term()}.
ensure() ->
    case whereis(cambrian_sup) of
        undefined -> start();
        _ -> ok
    end.

%% The application's own module looks first whether it can start, as OTP reports a crash of each application that does not.
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

%% @doc Raises where it does not run.
-spec check() -> ok.
check() ->
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
            ok = check(),
            erlang:raise(exit, Reason, Stack)
    end.
