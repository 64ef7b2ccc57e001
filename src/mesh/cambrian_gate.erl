%% @private
%% Stands before a bridge: what strangers send waits there only as far as there is room, in messages and in bytes.
%%
%% It owns the bridge's connection, so that a transport's messages come here. It looks at their size alone and hands them on, or
%% drops them where too much waits already: its own mailbox is empty again at once, whatever the bridge is busy with. What a
%% user calls goes through it too, always, and so comes after what had arrived before.
-module(cambrian_gate).
-behaviour(gen_server).

-export([start_link/4, room/0, taken/2, dropped/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([room/0]).

%% Messages and bytes that wait in the bridge's mailbox, and how many were dropped.
-opaque room() :: atomics:atomics_ref().

-record(state, {bridge :: pid(), room :: room(), connection :: term()}).

-define(MESSAGES, 1).
-define(BYTES, 2).
-define(DROPPED, 3).
%% The bridge works through so many within half a second, if each has a signature to be checked.
-define(MAX_MESSAGES, 2000).
-define(MAX_BYTES, (8 bsl 20)).

-spec room() -> room().
room() -> atomics:new(3, [{signed, false}]).

%% @doc The bridge has taken one of this size out of its mailbox.
-spec taken(Bytes :: non_neg_integer(), room()) -> ok.
taken(Bytes, Room) ->
    atomics:sub(Room, ?MESSAGES, 1),
    atomics:sub(Room, ?BYTES, Bytes).

-spec dropped(room()) -> non_neg_integer().
dropped(Room) -> atomics:get(Room, ?DROPPED).

%% @doc Connects, as the owner of the connection, for the caller: a bridge.
-spec start_link(Realm :: binary(), room(), Transport :: module(), Options :: map()) ->
          {ok, pid(), Connection :: term()} | {error, term()}.
start_link(Realm, Room, Transport, Options) ->
    %% high: a flood must not wait here for its turn; and what was dropped must not be kept by an old heap
    case gen_server:start_link({via, cambrian_bridge_registry, {gate, Realm}}, ?MODULE, {self(), Room, Transport, Options},
                               [{spawn_opt, [{message_queue_data, off_heap}, {priority, high}, {fullsweep_after, 0}]}]) of
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
handle_call({asked, _From, Bytes} = Question, Caller, #state{bridge = Bridge, room = Room} = State) ->
    case enter(byte_size(Bytes), Room) of
        true -> Bridge ! {'$gen_call', Caller, Question}, {noreply, State};
        false -> {reply, busy, State}
    end;
handle_call(Request, Caller, #state{bridge = Bridge} = State) ->
    Bridge ! {'$gen_call', Caller, Request},
    {noreply, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info({cambrian_transport, _Topic, Heard}, #state{bridge = Bridge, room = Room} = State) ->
    Message = small(Heard),
    _ = [Bridge ! {heard, Message, size_of(Message)} || enter(size_of(Message), Room)],
    {noreply, State};
handle_info(_, State) -> {noreply, State}.

%% What is larger than a message may be goes no further than to here: only that it was.
small(Heard) when is_binary(Heard) ->
    case byte_size(Heard) =< cambrian_transport:max_message() of
        true -> Heard;
        false -> {too_large, byte_size(Heard)}
    end;
small(_) -> malformed.

size_of(Heard) when is_binary(Heard) -> byte_size(Heard);
size_of(_) -> 0.

enter(Bytes, Room) ->
    case atomics:get(Room, ?MESSAGES) < ?MAX_MESSAGES andalso atomics:get(Room, ?BYTES) + Bytes =< ?MAX_BYTES of
        true ->
            atomics:add(Room, ?MESSAGES, 1),
            atomics:add(Room, ?BYTES, Bytes),
            true;
        false ->
            atomics:add(Room, ?DROPPED, 1),
            false
    end.
