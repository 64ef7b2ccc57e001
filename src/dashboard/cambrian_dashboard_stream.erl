%% @private
%% Server-sent events, in the process of the connection: the state whenever there is another one, and a beat where there
%% is none.
%%
%% What there is is asked for, one at a time, so that nothing piles up for who reads slowly; who reads nothing for as long
%% as the socket's timeout is cut off, and the end of who went away is told by the socket at once.
-module(cambrian_dashboard_stream).

-export([open/0]).

-define(BEAT_MS, 10_000).

%% How many may watch at a time is for {@link cambrian_dashboard_connections}.
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
            Event = [<<"id: ">>, integer_to_binary(Version), <<"\nevent: state\ndata: ">>, Json, <<"\n\n">>],
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
