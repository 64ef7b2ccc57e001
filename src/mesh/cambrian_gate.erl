%% @private
%% Protects a bridge: bounds its mailbox, in messages and in bytes. Messages of strangers enter as
%% long as there is room.
%%
%% The gate owns the bridge's connection, so the transport's messages come to the gate. It looks
%% only at their size, and forwards or drops them; so its own mailbox is soon empty, whatever the
%% bridge does. A user's calls go through the gate too, so that they come after the messages that
%% arrived before; calls always enter.
-module(cambrian_gate).
-behaviour(gen_server).

-export([start_link/4, room/0, taken/2, dropped/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([room/0]).

%% The messages and bytes that wait in the bridge's mailbox, and the number of dropped messages.
-opaque room() :: atomics:atomics_ref().

-record(state, {bridge :: pid(), room :: room(), connection :: term()}).

-define(MESSAGES, 1).
-define(BYTES, 2).
-define(DROPPED, 3).
%% The bridge processes so many messages within half a second, even if it verifies a signature of
%% each.
-define(MAX_MESSAGES, 2000).
-define(MAX_BYTES, (8 bsl 20)).

-spec room() -> room().
room() -> atomics:new(3, [{signed, false}]).

%% @doc The bridge has taken a message of this size out of its mailbox.
-spec taken(Bytes :: non_neg_integer(), room()) -> ok.
taken(Bytes, Room) ->
    atomics:sub(Room, ?MESSAGES, 1),
    atomics:sub(Room, ?BYTES, Bytes).

-spec dropped(room()) -> non_neg_integer().
dropped(Room) -> atomics:get(Room, ?DROPPED).

%% @doc Connects as the owner of the connection. The caller must be the bridge.
-spec start_link(Realm :: binary(), room(), Transport :: module(), Options :: map()) ->
          {ok, pid(), Connection :: term()} | {error, term()}.
start_link(Realm, Room, Transport, Options) ->
    Name = {via, cambrian_bridge_registry, {gate, Realm}},
    %% `high' keeps a flood from waiting here; `fullsweep_after' frees dropped messages at once
    Spawn = [{message_queue_data, off_heap}, {priority, high}, {fullsweep_after, 0}],
    case gen_server:start_link(Name, ?MODULE, {self(), Room, Transport, Options},
                               [{spawn_opt, Spawn}]) of
        {ok, Gate} -> {ok, Gate, gen_server:call(Gate, connection, infinity)};
        {error, {shutdown, Reason}} -> {error, Reason};
        Error -> Error
    end.

init({Bridge, Room, Transport, Options}) ->
    case Transport:connect(Options) of
        {ok, Connection} -> {ok, #state{bridge = Bridge, room = Room, connection = Connection}};
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

handle_call(connection, {Bridge, _}, #state{bridge = Bridge, connection = Connection} = State) ->
    {reply, Connection, State};
handle_call({asked, _From, Bytes} = Question, Caller, #state{room = Room} = State) ->
    case enter(byte_size(Bytes), Room) of
        true -> hand_on(Question, Caller, State);
        false -> {reply, busy, State}
    end;
handle_call(Request, Caller, State) -> hand_on(Request, Caller, State).

%% Forwards the request; the bridge replies to the caller.
hand_on(Request, Caller, #state{bridge = Bridge} = State) ->
    Bridge ! {'$gen_call', Caller, Request},
    {noreply, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info({cambrian_transport, _Topic, Heard}, #state{bridge = Bridge, room = Room} = State) ->
    Message = bounded(Heard),
    Size = size_of(Message),
    _ = [Bridge ! {heard, Message, Size} || enter(Size, Room)],
    {noreply, State};
handle_info(_, State) -> {noreply, State}.

%% Forwards only the size of a message that is too large.
bounded(Heard) when is_binary(Heard) ->
    case byte_size(Heard) =< cambrian_transport:max_message() of
        true -> Heard;
        false -> {too_large, byte_size(Heard)}
    end;
bounded(_) -> malformed.

size_of(Heard) when is_binary(Heard) -> byte_size(Heard);
size_of(_) -> 0.

enter(Bytes, Room) ->
    case atomics:get(Room, ?MESSAGES) < ?MAX_MESSAGES
        andalso atomics:get(Room, ?BYTES) + Bytes =< ?MAX_BYTES of
        true ->
            atomics:add(Room, ?MESSAGES, 1),
            atomics:add(Room, ?BYTES, Bytes),
            true;
        false ->
            atomics:add(Room, ?DROPPED, 1),
            false
    end.
