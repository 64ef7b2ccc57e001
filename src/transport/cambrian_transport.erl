%% @doc What carries messages between nodes: a behaviour that {@link cambrian_bridge} speaks through.
%%
%% {@link cambrian_transport_dist} is Erlang distribution. In an adapter:
%%
%% <ul>
%% <li>A connection is of one realm and belongs to the process that made it, its owner: it ends with the owner, or
%%     by `disconnect'. If it breaks, the owner gets an exit signal, as from any process it is linked to.</li>
%% <li>A message is delivered at most once, in any order, byte for byte, to all who subscribe to its topic in the
%%     same realm, but not to the connection that published it. Messages, questions and answers are under 1 MiB; what
%%     is larger, up to 16 MiB, is sent as a blob.</li>
%% <li>A node that is slow or gone costs its messages and holds up nobody.</li>
%% <li>Every function but `connect' may be called by any process.</li>
%% </ul>
%%
%% Errors that all adapters share: `too_large'; of a call `unknown_procedure', `crashed' (the handler did, or what it
%% answered is no binary), `busy' (as many as may be are at work there already, or it will not do more for the caller just now: try
%% again), `timeout', and
%% `gone' (nobody is known by that address); of a fetch `not_found', `timeout' and `corrupted' (those who said they had
%% it had something else). An adapter may have more.
-module(cambrian_transport).

-export([max_message/0, max_blob/0, max_handlers/0]).
-export_type([handle/0, address/0, topic/0, procedure/0, key/0, content/0, handler/0, caller/0, status/0]).

-type handle() :: term().
%% What `connect' gave.

-type address() :: binary().
%% Where a connection is called: opaque, at most 255 bytes.

-type topic() :: binary().
%% A plain name of at most 255 bytes such as `<<"genotype">>'; the realm is the connection's.

-type procedure() :: binary().
-type key() :: binary().
-type content() :: <<_:256>>.
%% The SHA-256 of a blob.

-type handler() :: fun((binary(), caller()) -> binary() | busy).
%% With `busy' the caller's answer is that error.

-type caller() :: address() | unknown.
%% From which address a call came, as far as the transport can vouch for it: what the caller only says is `unknown'. All that one
%% node calls may have the address of one of its connections.

-type status() :: #{connected := boolean(), peers := non_neg_integer() | unknown, atom() => term()}.

-callback connect(Options :: #{realm := binary(), identity => fun(() -> <<_:256>>), atom() => term()}) ->
    {ok, handle()} | {error, {transport_unavailable, atom()} | term()}.
%% Joins the realm. The owner is the caller. `identity' gives 32 secret bytes, for adapters whose nodes have keys.

-callback disconnect(handle()) -> ok.
-callback address(handle()) -> address().

-callback publish(handle(), topic(), binary()) -> ok | {error, term()}.
%% To those who are known to subscribe. `ok' promises nothing.

-callback subscribe(handle(), topic()) -> ok | {error, term()}.
%% The messages come to the owner, as `{cambrian_transport, Topic, Bytes}'. Twice is the same as once.

-callback unsubscribe(handle(), topic()) -> ok.

-callback serve(handle(), procedure(), handler()) -> ok | {error, term()}.
%% Others may call it from now on. The fun runs in a process of its own, at most 50 at once in a connection, and at the
%% longest until the caller gives up.

-callback call(handle(), address(), procedure(), binary(), timeout()) -> {ok, binary()} | {error, term()}.

-callback announce(handle(), key()) -> ok | {error, term()}.
%% This connection has what the key, of at most 255 bytes, names: others find its address, until it ends.

-callback find(handle(), key()) -> {ok, [address()]} | {error, term()}.

-callback send(handle(), Blob :: binary()) -> {ok, content()} | {error, term()}.
%% Others in the realm can fetch it from now on, by its hash, at least until this connection ends or newer blobs need
%% the room.

-callback fetch(handle(), content(), timeout()) -> {ok, binary()} | {error, term()}.
%% The hash is checked before it is given.

-callback status(handle()) -> status().
%% `peers': how many other connections the realm has, as far as is known here. Others learn of a crash late: only what
%% comes through the mesh itself says that somebody is alive.

%% @doc No message, question or answer has more bytes.
%%
%% ```
%% 1> cambrian_transport:max_message().
%% 1048575
%% '''
-spec max_message() -> pos_integer().
max_message() -> 1 bsl 20 - 1.

%% @doc No blob has more bytes.
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
