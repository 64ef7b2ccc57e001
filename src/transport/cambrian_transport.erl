%% @doc Carries messages between nodes: a behaviour that {@link cambrian_bridge} calls.
%%
%% {@link cambrian_transport_dist} implements it over Erlang distribution,
%% {@link cambrian_transport_macula} over Macula. An adapter guarantees:
%%
%% <ul>
%% <li>A connection belongs to one realm, and to the process that made it, its owner. It ends with
%%     the owner, or by `disconnect'. If it breaks, the owner receives an exit signal, as from any
%%     linked process.</li>
%% <li>A message is delivered at most once, in any order, byte for byte, to all subscribers of its
%%     topic in the same realm, but not to the connection that published it. Messages, questions
%%     and answers are under 1 MiB; larger bytes, up to 16 MiB, travel as a blob.</li>
%% <li>A slow or absent node loses messages, and delays no other node.</li>
%% <li>Any process may call any function but `connect'.</li>
%% </ul>
%%
%% All adapters share these errors. For any bytes: `too_large'. For a call: `timeout';
%% `unknown_procedure'; `crashed' (the handler crashed, or its answer is not a binary); `busy' (the
%% called node runs too many calls, or does no more for this caller now: try again); `gone' (no node
%% has that address). For a fetch: `timeout'; `not_found'; `corrupted' (the nodes that announced the
%% blob sent other bytes). An adapter may have more errors.
-module(cambrian_transport).

-export([max_message/0, max_blob/0, max_handlers/0]).
-export_type([handle/0, address/0, topic/0, procedure/0, key/0, content/0, handler/0, caller/0,
              status/0]).

-type handle() :: term().
%% The result of `connect'.

-type address() :: binary().
%% Identifies a connection for calls: opaque, at most 255 bytes.

-type topic() :: binary().
%% A plain name of at most 255 bytes such as `<<"genotype">>'; the realm is the connection's.

-type procedure() :: binary().
-type key() :: binary().
-type content() :: <<_:256>>.
%% The SHA-256 of a blob.

-type handler() :: fun((binary(), caller()) -> binary() | busy).
%% If the handler returns `busy', the caller receives that error.

-type caller() :: address() | unknown.
%% The address of the caller, if the transport can verify it; otherwise `unknown'. All calls of one
%% node may have the address of one of its connections.

-type status() :: #{connected := boolean(), peers := non_neg_integer() | unknown, atom() => term()}.

-callback connect(Options :: #{realm := binary(),
                               identity => fun(() -> <<_:256>>), atom() => term()}) ->
    {ok, handle()} | {error, {transport_unavailable, atom()} | term()}.
%% Joins the realm; the caller becomes the owner. `identity' returns 32 secret bytes, for adapters
%% whose nodes have keys.

-callback disconnect(handle()) -> ok.
-callback address(handle()) -> address().

-callback publish(handle(), topic(), binary()) -> ok | {error, term()}.
%% Sends a message to all known subscribers. `ok' does not promise delivery.

-callback subscribe(handle(), topic()) -> ok | {error, term()}.
%% Subscribes the owner, which receives messages as `{cambrian_transport, Topic, Bytes}'. A second
%% subscription to a topic has no effect.

-callback unsubscribe(handle(), topic()) -> ok.
%% Ends a subscription. Members of a swarm or a federation that change their group use it. The
%% bridge keeps its subscriptions while it is connected, and does not call it.

-callback serve(handle(), procedure(), handler()) -> ok | {error, term()}.
%% Lets other nodes call a procedure. The handler runs in a separate process, at most 50 at once per
%% connection, and at most until the caller gives up.

-callback call(handle(), address(), procedure(), binary(), timeout()) ->
    {ok, binary()} | {error, term()}.

-callback announce(handle(), key()) -> ok | {error, term()}.
%% Announces, until the connection ends, that this connection holds the thing that the key names.
%% Other nodes find its address with `find'. A key has at most 255 bytes. In a swarm, nodes announce
%% what they hold and find the holders; in a federation, members announce themselves and find each
%% other. The bridge does not call `announce' or `find'.

-callback find(handle(), key()) -> {ok, [address()]} | {error, term()}.
%% The addresses of the connections that announced the key.

-callback send(handle(), Blob :: binary()) -> {ok, content()} | {error, term()}.
%% Lets other nodes of the realm fetch a blob by its hash, at least until this connection ends or
%% newer blobs need the room.

-callback fetch(handle(), content(), timeout()) -> {ok, binary()} | {error, term()}.
%% The adapter checks the hash before it returns the blob.

-callback status(handle()) -> status().
%% `peers': how many other connections the realm has, as far as this node knows. The adapter notices
%% a crash late: only messages prove that a node is alive.

%% @doc The largest size of a message, a question or an answer, in bytes.
%%
%% ```
%% 1> cambrian_transport:max_message().
%% 1048575
%% '''
-spec max_message() -> pos_integer().
max_message() -> 1 bsl 20 - 1.

%% @doc The largest size of a blob, in bytes.
%%
%% ```
%% 1> cambrian_transport:max_blob().
%% 16777216
%% '''
-spec max_blob() -> pos_integer().
max_blob() -> 16 bsl 20.

%% @doc How many calls a connection answers at once.
%%
%% ```
%% 1> cambrian_transport:max_handlers().
%% 50
%% '''
-spec max_handlers() -> pos_integer().
max_handlers() -> 50.
