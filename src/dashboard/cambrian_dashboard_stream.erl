%% @private Sends server-sent events in the process of the connection: every new state, and a beat
%% when there is no new state for a while.
%%
%% The process asks for one state at a time, so nothing piles up for a slow client. A client that
%% reads nothing until the timeout of the socket is cut off. When a client closes, the socket says
%% so at once.
-module(cambrian_dashboard_stream).

-export([open/0]).

-define(BEAT_MS, 10_000).

%% {@link cambrian_dashboard_connections} limits the number of streams.
-spec open() -> {stream, [{string(), string()}], fun((cambrian_dashboard_socket:socket()) -> ok)}.
open() ->
    Monitor = cambrian_dashboard_state:watch(),
    {stream, [{"content-type", "text/event-stream"}], fun(Socket) -> run(Socket, Monitor) end}.

run(Socket, Monitor) ->
    ok = cambrian_dashboard_state:want(0),
    ok = cambrian_dashboard_socket:listen_once(Socket),
    loop(Socket, Monitor),
    cambrian_dashboard_state:unwatch(Monitor).

loop(Socket, Monitor) ->
    receive
        {cambrian_dashboard_state, Version, Json} ->
            Event = [<<"id: ">>, integer_to_binary(Version),
                     <<"\nevent: state\ndata: ">>, Json, <<"\n\n">>],
            case cambrian_dashboard_socket:send(Socket, Event) of
                ok -> ok = cambrian_dashboard_state:want(Version), loop(Socket, Monitor);
                {error, _} -> gone
            end;
        {'DOWN', Monitor, process, _, _} -> over;
        Other ->
            case cambrian_dashboard_socket:is_end(Other, Socket) of
                true -> gone;
                false -> loop(Socket, Monitor)
            end
    after ?BEAT_MS ->
        case cambrian_dashboard_socket:send(Socket, <<"event: beat\ndata:\n\n">>) of
            ok -> loop(Socket, Monitor);
            {error, _} -> gone
        end
    end.
