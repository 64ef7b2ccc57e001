%% @doc What carries envelopes between nodes: a behaviour that {@link cambrian_bridge} speaks through.
%%
%% Delivery is at most once and in no order; a message is one binary, and arrives at each subscriber as
%% `{cambrian_transport, Topic, Bytes}'. A publisher does not receive its own.
-module(cambrian_transport).

-export_type([topic/0]).

-type topic() :: binary().

%% Makes ready what the transport needs on this node.
-callback connect(Options :: map()) -> ok | {error, {transport_unavailable, atom()} | term()}.
%% Messages of this topic for this process, from now until it ends or unsubscribes.
-callback subscribe(topic(), pid()) -> ok | {error, term()}.
-callback unsubscribe(topic(), pid()) -> ok.
-callback publish(topic(), From :: pid(), binary()) -> ok | {error, term()}.
%% The nodes that subscribe to the topic, this one among them, by the name that the transport knows them by.
-callback nodes(topic()) -> [term()].
