%% @doc Erlang distribution as a mesh: process groups (`pg') of all connected nodes. Nothing to install.
%%
%% ```
%% 1> ok = cambrian_transport_dist:subscribe(<<"genotypes">>, self()).
%% 2> cambrian_transport_dist:nodes(<<"genotypes">>).
%% [nonode@nohost]
%% 3> ok = cambrian_transport_dist:publish(<<"genotypes">>, whereis(cambrian_sup), <<"hello">>).
%% 4> receive {cambrian_transport, _, Bytes} -> Bytes end.
%% <<"hello">>
%% 5> ok = cambrian_transport_dist:unsubscribe(<<"genotypes">>, self()).
%% '''
-module(cambrian_transport_dist).
-behaviour(cambrian_transport).

-export([child_spec/0, connect/1, subscribe/2, unsubscribe/2, publish/3, nodes/1]).

%% @private The scope of our groups.
-spec child_spec() -> supervisor:child_spec().
child_spec() -> #{id => ?MODULE, start => {pg, start_link, [?MODULE]}}.

-spec connect(map()) -> ok | {error, {transport_unavailable, dist}}.
connect(_Options) ->
    case whereis(?MODULE) of
        undefined -> {error, {transport_unavailable, dist}};
        _ -> ok
    end.

-spec subscribe(cambrian_transport:topic(), pid()) -> ok.
subscribe(Topic, Pid) -> pg:join(?MODULE, Topic, Pid).

-spec unsubscribe(cambrian_transport:topic(), pid()) -> ok.
unsubscribe(Topic, Pid) ->
    _ = pg:leave(?MODULE, Topic, Pid),
    ok.

%% A node that is slow or gone costs its messages and holds up nobody.
-spec publish(cambrian_transport:topic(), From :: pid(), binary()) -> ok.
publish(Topic, From, Bytes) ->
    Message = {cambrian_transport, Topic, Bytes},
    _ = [erlang:send(Pid, Message, [nosuspend, noconnect]) || Pid <- pg:get_members(?MODULE, Topic), Pid =/= From],
    ok.

-spec nodes(cambrian_transport:topic()) -> [node()].
nodes(Topic) -> lists:usort([node(Pid) || Pid <- pg:get_members(?MODULE, Topic)]).
