%% @private
%% Server-sent events, in the process of the connection: the state whenever there is another one, and a beat where there
%% is none.
%%
%% What there is is asked for, one at a time, so that nothing piles up for who reads slowly; who reads nothing for as long
%% as the socket's timeout is cut off, and the end of who went away is told by the socket at once.
-module(cambrian_dashboard_stream).

-export([open/0]).

-define(BEAT_MS, 10_000).

-spec open() -> {200 | 503, [{string(), string()}], fun((gen_tcp:socket()) -> close) | binary()}.
open() ->
    case cambrian_dashboard_state:watch() of
        {ok, Monitor} -> {200, [{"content-type", "text/event-stream"}], fun(Socket) -> run(Socket, Monitor) end};
        full -> {503, [{"content-type", "text/plain"}, {"retry-after", "30"}], <<"too many are watching\n">>}
    end.

run(Socket, Monitor) ->
    ok = cambrian_dashboard_state:want(0),
    _ = inet:setopts(Socket, [{active, once}]),
    loop(Socket, Monitor),
    cambrian_dashboard_state:unwatch(Monitor),
    close.

loop(Socket, Monitor) ->
    receive
        {cambrian_dashboard_state, Version, Json} ->
            Event = [<<"id: ">>, integer_to_binary(Version), <<"\nevent: state\ndata: ">>, Json, <<"\n\n">>],
            case gen_tcp:send(Socket, Event) of
                ok -> ok = cambrian_dashboard_state:want(Version), loop(Socket, Monitor);
                {error, _} -> gone
            end;
        {tcp_closed, Socket} -> gone;
        {tcp_error, Socket, _} -> gone;
        %% nobody says anything here
        {tcp, Socket, _} -> gone;
        {'DOWN', Monitor, process, _, _} -> over;
        %% of the server, which is to see it as well
        {'EXIT', _, _} = Exit -> self() ! Exit, over;
        _ -> loop(Socket, Monitor)
    after ?BEAT_MS ->
        case gen_tcp:send(Socket, <<"event: beat\ndata:\n\n">>) of
            ok -> loop(Socket, Monitor);
            {error, _} -> gone
        end
    end.

