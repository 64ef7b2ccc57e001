%% @private
%% Sends the messages of a bridge, in order, in a separate process: an unreachable mesh may take
%% long.
-module(cambrian_bridge_speaker).

-export([start_link/3, say/2, stop/1]).

%% The most messages that wait for a slow mesh.
-define(MAX_WAITING, 1000).
%% The time for the waiting messages when the bridge stops.
-define(GOODBYE_MS, 1000).

-spec start_link(Transport :: module(), Connection :: term(), Topic :: binary()) -> pid().
start_link(Transport, Connection, Topic) ->
    spawn_link(fun() -> speak(Transport, Connection, Topic) end).

%% @doc Sends a message or a blob, unless too many wait.
-spec say(pid(), {publish | send, binary()}) -> ok | {error, busy}.
say(Speaker, What) ->
    case process_info(Speaker, message_queue_len) of
        {message_queue_len, Waiting} when Waiting < ?MAX_WAITING ->
            Speaker ! What,
            ok;
        _ -> {error, busy}
    end.

%% @doc Waits a moment for the last messages.
-spec stop(pid()) -> ok.
stop(Speaker) ->
    Monitor = monitor(process, Speaker),
    Speaker ! goodbye,
    receive {'DOWN', Monitor, process, _, _} -> ok
    after ?GOODBYE_MS ->
        true = exit(Speaker, kill),
        ok
    end.

speak(Transport, Connection, Topic) ->
    receive
        {publish, Bytes} ->
            _ = Transport:publish(Connection, Topic, Bytes),
            speak(Transport, Connection, Topic);
        {send, Blob} ->
            _ = Transport:send(Connection, Blob),
            speak(Transport, Connection, Topic);
        goodbye -> ok;
        _ -> speak(Transport, Connection, Topic)
    end.
