%% @doc Erlang distribution as a mesh: process groups (`pg') of all connected nodes. Nothing to install.
-module(cambrian_transport_dist).
-behaviour(cambrian_transport).

-export([child_spec/0, connect/1, subscribe/2, unsubscribe/2, publish/3, nodes/1]).

%% @private The scope of our groups.
child_spec() -> #{id => ?MODULE, start => {pg, start_link, [?MODULE]}}.

connect(_Options) ->
    case whereis(?MODULE) of
        undefined -> {error, {transport_unavailable, dist}};
        _ -> ok
    end.

subscribe(Topic, Pid) -> pg:join(?MODULE, Topic, Pid).

unsubscribe(Topic, Pid) ->
    _ = pg:leave(?MODULE, Topic, Pid),
    ok.

%% A node that is slow or gone costs its messages and holds up nobody.
publish(Topic, From, Bytes) ->
    Message = {cambrian_transport, Topic, Bytes},
    _ = [erlang:send(Pid, Message, [nosuspend, noconnect]) || Pid <- pg:get_members(?MODULE, Topic), Pid =/= From],
    ok.

nodes(Topic) -> lists:usort([node(Pid) || Pid <- pg:get_members(?MODULE, Topic)]).
