%% @doc Carries a mesh over Erlang distribution: process groups (`pg') of all connected nodes. It
%% needs no installation.
%%
%% ```
%% 1> {ok, Mesh} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>}).
%% 2> ok = cambrian_transport_dist:subscribe(Mesh, <<"genotype">>).
%% 3> ok = cambrian_transport_dist:publish(Mesh, <<"genotype">>, <<"who else is here?">>).
%% 4> cambrian_transport_dist:status(Mesh).
%% #{connected => false,peers => 0}
%% 5> cambrian_transport_dist:disconnect(Mesh).
%% ok
%% '''
%%
%% A VM without a node name reaches no other node, so it is not `connected'.
%%
%% Options, beside `realm':
%%
%% <ul>
%% <li>`discovery': how this node finds others. With `none', the default, your cluster connects its
%%     nodes itself. `{static, [Node]}' connects to these nodes, and tries unreachable nodes again
%%     and again. `{multicast, #{}}' finds nodes with the same cookie in the same local network,
%%     without epmd or a list: see {@link cambrian_discovery}.</li>
%% <li>`blob_bytes': how many bytes of sent blobs to keep (default 64 MiB); the oldest blobs are
%%     dropped first.</li>
%% </ul>
%%
%% A publisher sends a message directly to the owners of the subscribed connections. If the channel
%% to a node is full, that node misses the message. The checks in this module bound a faulty peer,
%% but cannot stop a hostile peer from running any code: `docs/distribution.md' says what a
%% connected node can do, and how certificates keep others out.
-module(cambrian_transport_dist).
-behaviour(cambrian_transport).
-behaviour(gen_server).

-export([child_spec/0]).
-export([connect/1, disconnect/1, address/1, publish/3, subscribe/2, unsubscribe/2, serve/3, call/5,
         announce/2, find/2, send/2, fetch/3, status/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type handle() :: #{server := pid(), owner := pid(), realm := binary()}.
-type job() :: {procedure, cambrian_transport:procedure(), binary()}
             | {chunk, cambrian_transport:content(), Offset :: non_neg_integer()}.

-record(state, {realm :: binary(), owner :: pid(),
                %% the connection ends if one of these ends: the scope (monitored), and the
                %% discovery of nodes
                scope :: reference(), discovery :: none | pid(),
                topics = #{} :: #{cambrian_transport:topic() => []},
                keys = #{} :: #{cambrian_transport:key() => []},
                served = #{} :: #{cambrian_transport:procedure() => cambrian_transport:handler()},
                blobs :: cambrian_blobs:blobs(),
                %% the processes at work, their callers, and the timers that end them
                working = #{} :: #{pid() => {procedure | chunk, Asker :: none | reference(),
                                             Timer :: none | reference()}}}).

%% The size of a piece of a blob. A node fetches one piece at a time, so that other messages pass
%% between the pieces.
-define(CHUNK, 256 bsl 10).
%% If a node takes longer for a piece, another node is asked.
-define(CHUNK_MS, 5000).
%% How long to wait before a full channel is tried again.
-define(BUSY_MS, 20).
%% The largest accepted size of one blob: it bounds what other nodes can make this node store.
-define(MOST_BYTES, (16 bsl 20)).
-define(MOST_KEYS, 4096).
-define(LONGEST_MS, 16#ffffffff).

%% @private The scope of Cambrian's process groups.
-spec child_spec() -> supervisor:child_spec().
child_spec() -> #{id => ?MODULE, start => {pg, start_link, [?MODULE]}}.

%%% ---- connections ------------------------------------------------------------------------

-spec connect(map()) -> {ok, handle()} | {error, term()}.
connect(Options) ->
    case cambrian_options:check(Options, table(), <<"cambrian_transport_dist:connect/1">>) of
        {ok, #{realm := _, discovery := Way} = Checked} ->
            case {cambrian_discovery:check(Way), cambrian_running:ensure(), whereis(?MODULE)} of
                {ok, ok, undefined} -> {error, {transport_unavailable, dist}};
                {ok, ok, _} -> start(Checked);
                {ok, Error, _} -> Error;
                {Error, _, _} -> Error
            end;
        {ok, _} -> {error, {missing_options, [realm]}};
        Error -> Error
    end.

table() ->
    #{realm => {fun is_name/1, <<"a binary of at most 255 bytes">>},
      identity => {fun(Identity) -> is_function(Identity, 0) end,
                   {secret, <<"a fun without arguments">>}},
      discovery =>
          {fun cambrian_discovery:is_way/1, <<"none, {static, [Node]} or {multicast, Map}">>, none},
      blob_bytes => {fun cambrian_options:is_positive/1, <<"bytes">>, 64 bsl 20}}.

is_name(Name) -> is_binary(Name) andalso byte_size(Name) =< 255.

%% Links the server only once it runs: a failed start must not end the owner.
start(#{realm := Realm} = Options) ->
    case gen_server:start(?MODULE, {self(), Options}, []) of
        {ok, Server} -> {ok, #{server => Server, owner => self(), realm => Realm}};
        {error, {shutdown, Reason}} -> {error, Reason};
        {error, _} = Error -> Error
    end.

-spec disconnect(handle()) -> ok.
disconnect(#{server := Server}) ->
    try gen_server:stop(Server)
    catch exit:_ -> ok
    end.

%% Each process that was ever a connection has its own address, the same on every node.
-spec address(handle()) -> cambrian_transport:address().
address(#{server := Server}) -> address_of(Server).

%% The name of the node is for human readers; the last bytes of the encoded pid make the address
%% unique.
address_of(Pid) ->
    Bytes = term_to_binary(Pid),
    Which = cambrian_text:hex(binary:part(Bytes, byte_size(Bytes), -12)),
    Name = atom_to_binary(node(Pid)),
    <<(binary:part(Name, 0, min(byte_size(Name), 230)))/binary, $/, Which/binary>>.

-spec status(handle()) -> cambrian_transport:status().
status(#{server := Server, realm := Realm}) ->
    #{connected => is_process_alive(Server) andalso is_alive(),
      peers => length(lists:delete(Server, members(Realm, here)))}.

%%% ---- messages ---------------------------------------------------------------------------

-spec publish(handle(), cambrian_transport:topic(), binary()) -> ok | {error, term()}.
publish(#{server := Server, owner := Owner, realm := Realm}, Topic, Bytes) when is_binary(Bytes) ->
    case {byte_size(Bytes) =< cambrian_transport:max_message(), is_process_alive(Server)} of
        {false, _} -> {error, too_large};
        {true, false} -> {error, disconnected};
        {true, true} ->
            Message = {cambrian_transport, Topic, Bytes},
            lists:foreach(fun(Pid) -> send_or_drop(Pid, Message) end,
                          lists:delete(Owner, members(Realm, {topic, Topic})))
    end.

%% Sends at once, or drops the message if the channel is full or there is no connection.
send_or_drop(Pid, Message) ->
    _ = erlang:send(Pid, Message, [nosuspend, noconnect]),
    ok.

-spec subscribe(handle(), cambrian_transport:topic()) -> ok | {error, term()}.
subscribe(Handle, Topic) ->
    if_name(topic, Topic, fun() -> call_server(Handle, {subscribe, Topic}) end).

-spec unsubscribe(handle(), cambrian_transport:topic()) -> ok.
unsubscribe(Handle, Topic) ->
    _ = call_server(Handle, {unsubscribe, Topic}),
    ok.

-spec announce(handle(), cambrian_transport:key()) -> ok | {error, term()}.
announce(Handle, Key) -> if_name(key, Key, fun() -> call_server(Handle, {announce, Key}) end).

-spec find(handle(), cambrian_transport:key()) ->
          {ok, [cambrian_transport:address()]} | {error, term()}.
find(#{server := Server, realm := Realm}, Key) ->
    case is_process_alive(Server) of
        true -> {ok, [address_of(Pid) || Pid <- members(Realm, {key, Key})]};
        false -> {error, disconnected}
    end.

if_name(What, Name, Then) ->
    case is_name(Name) of
        true -> Then();
        false -> {error, {bad_name, {What, Name, <<"a binary of at most 255 bytes">>}}}
    end.

call_server(#{server := Server}, Order) ->
    try gen_server:call(Server, Order, infinity)
    catch exit:_ -> {error, disconnected}
    end.

members(Realm, What) ->
    try pg:get_members(?MODULE, {Realm, What})
    catch error:badarg -> []
    end.

%%% ---- calls ------------------------------------------------------------------------------

-spec serve(handle(), cambrian_transport:procedure(), cambrian_transport:handler()) ->
          ok | {error, term()}.
serve(Handle, Procedure, Handler) when is_function(Handler, 2) ->
    if_name(procedure, Procedure, fun() -> call_server(Handle, {serve, Procedure, Handler}) end).

-spec call(handle(), cambrian_transport:address(), cambrian_transport:procedure(), binary(),
           timeout()) ->
          {ok, binary()} | {error, term()}.
call(#{realm := Realm}, Address, Procedure, Bytes, Timeout) when is_binary(Bytes) ->
    case {byte_size(Bytes) =< cambrian_transport:max_message(),
          [Pid || Pid <- members(Realm, here), address_of(Pid) =:= Address]} of
        {false, _} -> {error, too_large};
        {true, []} -> {error, gone};
        {true, [Server]} ->
            Ask = fun() -> ask(Server, {procedure, Procedure, Bytes}, [noconnect], Timeout) end,
            checked_answer(in_process(Ask, Timeout))
    end.

%% Passes on an answer only if it has a valid form, whatever arrived.
checked_answer({ok, Answer}) when is_binary(Answer) -> {ok, Answer};
checked_answer({error, Reason}) -> {error, Reason};
checked_answer(_) -> {error, crashed}.

%% In a separate process, because the channel to a hanging node can block its sender.
in_process(Work, Timeout) ->
    case cambrian_async:await(cambrian_async:start(Work), Timeout) of
        {ok, Result} -> Result;
        timeout -> {error, timeout};
        Error -> Error
    end.

-spec ask(pid(), job(), [noconnect | nosuspend], timeout()) -> {ok, term()} | {error, term()}.
ask(Server, Job, How, Timeout) ->
    Alias = alias(),
    case erlang:send(Server, {?MODULE, Alias, Timeout, Job}, How) of
        ok -> answer(Alias, monitor(process, Server), Timeout);
        nosuspend -> {error, busy};
        noconnect -> {error, gone}
    end.

answer(Alias, Monitor, Timeout) ->
    receive
        {Alias, Answer} -> demonitor(Monitor, [flush]), Answer;
        {'DOWN', Monitor, process, _, _} -> {error, gone}
    after Timeout ->
        demonitor(Monitor, [flush]),
        _ = unalias(Alias),
        {error, timeout}
    end.

%%% ---- blobs ------------------------------------------------------------------------------

-spec send(handle(), binary()) -> {ok, cambrian_transport:content()} | {error, term()}.
send(Handle, Blob) when is_binary(Blob) ->
    case byte_size(Blob) =< cambrian_transport:max_blob() of
        true -> call_server(Handle, {send, Blob});
        false -> {error, too_large}
    end.

-spec fetch(handle(), cambrian_transport:content(), timeout()) -> {ok, binary()} | {error, term()}.
fetch(#{realm := Realm}, <<Content:32/binary>>, Timeout) ->
    {Here, Away} =
        lists:partition(fun(Pid) -> node(Pid) =:= node() end, members(Realm, {content, Content})),
    in_process(fun() -> fetch_from(Here ++ shuffled(Away), Content, not_found) end, Timeout).

shuffled(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

fetch_from([], _Content, Why) -> {error, Why};
fetch_from([Server | Others], Content, Why) ->
    case pull(Server, Content, []) of
        {ok, Blob} ->
            case crypto:hash(sha256, Blob) of
                Content -> {ok, Blob};
                _ -> fetch_from(Others, Content, corrupted)
            end;
        {error, Reason} -> fetch_from(Others, Content, worse_reason(Reason, Why))
    end.

%% The lie of one node is a more important reason than the absence of another.
worse_reason(_, corrupted) -> corrupted;
worse_reason(gone, Why) -> Why;
worse_reason(Reason, _) -> Reason.

pull(Server, Content, Pulled) ->
    case ask(Server, {chunk, Content, iolist_size(Pulled)}, [noconnect, nosuspend], ?CHUNK_MS) of
        {ok, {Total, Chunk}} when is_integer(Total), is_binary(Chunk) ->
            add_chunk(Total, Chunk, Server, Content, Pulled);
        {error, busy} -> timer:sleep(?BUSY_MS), pull(Server, Content, Pulled);
        {error, _} = Error -> Error;
        _ -> {error, corrupted}
    end.

add_chunk(Total, Chunk, Server, Content, Pulled) ->
    All = [Pulled, Chunk],
    case iolist_size(All) of
        Total -> {ok, iolist_to_binary(All)};
        Size when Size < Total, Chunk =/= <<>>, Total =< ?MOST_BYTES -> pull(Server, Content, All);
        _ -> {error, corrupted}
    end.

%%% ---- the connection's process -----------------------------------------------------------

%% Ends with its owner, to which it is linked, and with the scope: a new scope would not know the
%% groups that this process joined.
init({Owner, #{realm := Realm, discovery := Discovery, blob_bytes := Limit}}) ->
    process_flag(trap_exit, true),
    case cambrian_discovery:start_link(Discovery) of
        {error, Reason} -> {stop, Reason};
        Found ->
            link(Owner),
            join(Realm, here, self()),
            {ok, #state{realm = Realm, owner = Owner, scope = monitor(process, ?MODULE),
                        discovery = case Found of {ok, Pid} -> Pid; ignore -> none end,
                        blobs = cambrian_blobs:new(Limit)}}
    end.

handle_call({subscribe, Topic}, _From,
            #state{realm = Realm, owner = Owner, topics = Topics} = State) ->
    _ = [join(Realm, {topic, Topic}, Owner) || not is_map_key(Topic, Topics)],
    {reply, ok, State#state{topics = Topics#{Topic => []}}};
handle_call({unsubscribe, Topic}, _From, #state{topics = Topics} = State) ->
    _ = [leave_topic(Topic, State) || is_map_key(Topic, Topics)],
    {reply, ok, State#state{topics = maps:remove(Topic, Topics)}};
handle_call({announce, Key}, _From, #state{keys = Keys} = State) when is_map_key(Key, Keys) ->
    {reply, ok, State};
handle_call({announce, _}, _From, #state{keys = Keys} = State) when map_size(Keys) >= ?MOST_KEYS ->
    {reply, {error, too_many}, State};
handle_call({announce, Key}, _From, #state{realm = Realm, keys = Keys} = State) ->
    join(Realm, {key, Key}, self()),
    {reply, ok, State#state{keys = Keys#{Key => []}}};
handle_call({serve, Procedure, Handler}, _From, #state{served = Served} = State) ->
    {reply, ok, State#state{served = Served#{Procedure => Handler}}};
handle_call({send, Blob}, _From, #state{realm = Realm, blobs = Blobs} = State) ->
    case cambrian_blobs:put(Blob, Blobs) of
        {ok, Content, Gone, Kept} ->
            _ = [pg:leave(?MODULE, {Realm, {content, Old}}, self()) || Old <- Gone],
            _ = [join(Realm, {content, Content}, self())
                 || cambrian_blobs:get(Content, Blobs) =:= {error, not_found}],
            {reply, {ok, Content}, State#state{blobs = Kept}};
        Error -> {reply, Error, State}
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info({?MODULE, Asker, Timeout, Job}, State) when is_reference(Asker) ->
    {noreply, answer_request(Job, Asker, Timeout, State)};
handle_info({'EXIT', Owner, _}, #state{owner = Owner} = State) ->
    {stop, shutdown, State};
handle_info({'EXIT', Pid, Reason}, #state{working = Working} = State) ->
    case maps:take(Pid, Working) of
        {Work, Rest} ->
            report_crash(Reason, Work),
            {noreply, State#state{working = Rest}};
        error when Pid =:= State#state.discovery -> {stop, Reason, State};
        error -> {noreply, State}
    end;
%% The caller has given up.
handle_info({too_late, Pid}, #state{working = Working} = State) when is_map_key(Pid, Working) ->
    exit(Pid, kill),
    {noreply,
     State#state{working = maps:update_with(Pid, fun({Kind, _, _}) -> {Kind, none, none} end,
                                            Working)}};
handle_info({'DOWN', Scope, process, _, _}, #state{scope = Scope} = State) ->
    {stop, {transport_unavailable, dist}, State};
handle_info(_, State) ->
    {noreply, State}.

terminate(Reason, #state{topics = Topics, owner = Owner} = State) ->
    _ = [leave_topic(Topic, State) || Topic <- maps:keys(Topics), whereis(?MODULE) =/= undefined],
    %% an owner that traps exits does not need an exit signal that it asked for
    _ = [unlink(Owner) || Reason =:= normal],
    ok.

join(Realm, What, Pid) -> ok = pg:join(?MODULE, {Realm, What}, Pid).

leave_topic(Topic, #state{realm = Realm, owner = Owner}) ->
    pg:leave(?MODULE, {Realm, {topic, Topic}}, Owner).

%%% ---- requests of other nodes ------------------------------------------------------------

answer_request({procedure, Procedure, Bytes}, Asker, Timeout,
               #state{realm = Realm, served = Served} = State)
  when is_binary(Bytes) ->
    case Served of
        #{Procedure := Handler} ->
            work(procedure, fun() -> checked_reply(Handler(Bytes, caller(Asker, Realm))) end, Asker,
                 Timeout, State);
        _ -> refuse(Asker, unknown_procedure, State)
    end;
answer_request({chunk, Content, Offset}, Asker, Timeout,
               #state{blobs = Blobs} = State)
  when is_integer(Offset), Offset >= 0 ->
    case cambrian_blobs:get(Content, Blobs) of
        {ok, Blob} when Offset =< byte_size(Blob) ->
            work(chunk, fun() -> {ok, {byte_size(Blob), chunk(Blob, Offset)}} end, Asker, Timeout,
                 State);
        _ -> refuse(Asker, not_found, State)
    end;
answer_request(_, _Asker, _Timeout, State) -> State.

%% Sends the answer only to the node of the caller, whatever address the caller claims.
caller(Asker, Realm) ->
    case [address_of(Pid) || Pid <- members(Realm, here), node(Pid) =:= node(Asker)] of
        [] -> unknown;
        Addresses -> lists:min(Addresses)
    end.

chunk(Blob, Offset) -> binary:part(Blob, Offset, min(?CHUNK, byte_size(Blob) - Offset)).

checked_reply(busy) -> {error, busy};
checked_reply(Answer) when is_binary(Answer) ->
    case byte_size(Answer) =< cambrian_transport:max_message() of
        true -> {ok, Answer};
        false -> {error, too_large}
    end.

%% In a separate process, which may wait for the handler and for a full channel, but no longer than
%% the caller waits.
work(Kind, Work, Asker, Timeout, #state{working = Working} = State) ->
    case length([Kind
                 || {K, _, _} <- maps:values(Working),
                 K =:= Kind]) < cambrian_transport:max_handlers() of
        true ->
            Pid = spawn_link(fun() -> erlang:send(Asker, {Asker, Work()}, [noconnect]) end),
            State#state{working = Working#{Pid => {Kind, Asker, end_after(Timeout, Pid)}}};
        false -> refuse(Asker, busy, State)
    end.

end_after(Timeout, Pid) when is_integer(Timeout), Timeout >= 0 ->
    erlang:send_after(min(Timeout, ?LONGEST_MS), self(), {too_late, Pid});
end_after(_, _Pid) -> none.

report_crash(Reason, {_, Asker, Timer}) ->
    _ = [erlang:cancel_timer(Timer) || Timer =/= none],
    _ = [send_or_drop(Asker, {Asker, {error, crashed}}) || Reason =/= normal, Asker =/= none],
    ok.

refuse(Asker, Why, State) ->
    send_or_drop(Asker, {Asker, {error, Why}}),
    State.
