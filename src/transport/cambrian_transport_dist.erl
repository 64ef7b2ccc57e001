%% @doc Erlang distribution as a mesh: process groups (`pg') of all connected nodes. Nothing to install.
%%
%% ```
%% 1> {ok, Mesh} = cambrian_transport_dist:connect(#{realm => <<"org.example.lab">>}).
%% 2> ok = cambrian_transport_dist:subscribe(Mesh, <<"genotype">>).
%% 3> ok = cambrian_transport_dist:publish(Mesh, <<"genotype">>, <<"who else is here?">>).
%% 4> cambrian_transport_dist:status(Mesh).
%% #{connected => true,peers => 0}
%% 5> cambrian_transport_dist:disconnect(Mesh).
%% ok
%% '''
%%
%% Options, beside `realm':
%%
%% <ul>
%% <li>`discovery': how this node finds others. `none', the default, leaves it to whatever connects the nodes of
%%     your cluster already; `{static, [Node]}' connects to these and tries those that are away again;
%%     `{multicast, #{}}' finds nodes with the same cookie in the same local network without epmd or a list: see
%%     {@link cambrian_discovery}.</li>
%% <li>`blob_bytes': how much is kept of what was sent as blobs (default 64 MiB); the oldest go.</li>
%% </ul>
%%
%% A message goes from the one who publishes straight to the owners of the connections that subscribe; where the channel
%% to a node is full, it misses that message. What is checked here bounds a peer that is broken, and cannot stop one that is
%% hostile from running what it likes: `docs/distribution.md' says what a connected node can do, and how certificates keep
%% others out.
-module(cambrian_transport_dist).
-behaviour(cambrian_transport).
-behaviour(gen_server).

-export([child_spec/0]).
-export([connect/1, disconnect/1, address/1, publish/3, subscribe/2, unsubscribe/2, serve/3, call/5, announce/2, find/2,
         send/2, fetch/3, status/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type handle() :: #{server := pid(), owner := pid(), realm := binary()}.
-type job() :: {procedure, cambrian_transport:procedure(), binary()}
             | {chunk, cambrian_transport:content(), Offset :: non_neg_integer()}.

-record(state, {realm :: binary(), owner :: pid(),
                %% those without whom there is no connection: the scope, by its monitor, and who finds other nodes
                scope :: reference(), discovery :: none | pid(),
                topics = #{} :: #{cambrian_transport:topic() => []},
                keys = #{} :: #{cambrian_transport:key() => []},
                served = #{} :: #{cambrian_transport:procedure() => cambrian_transport:handler()},
                blobs :: cambrian_blobs:blobs(),
                %% those at work, whom they answer, and what ends them
                working = #{} :: #{pid() => {procedure | chunk, Asker :: none | reference(), none | reference()}}}).

%% A blob is pulled in pieces of this size, one at a time: other messages find their way between them.
-define(CHUNK, 256 bsl 10).
%% Who takes longer for one is left for another who has it.
-define(CHUNK_MS, 5000).
%% How soon a channel that is full is tried again.
-define(BUSY_MS, 20).
%% Of one blob: nobody can make us take in more.
-define(MOST_BYTES, (16 bsl 20)).
-define(MOST_KEYS, 4096).
-define(LONGEST_MS, 16#ffffffff).

%% @private The scope of our groups.
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
      identity => {fun(Identity) -> is_function(Identity, 0) end, <<"a fun without arguments">>},
      discovery => {fun cambrian_discovery:is_way/1, <<"none, {static, [Node]} or {multicast, Map}">>, none},
      blob_bytes => {fun cambrian_options:is_positive/1, <<"bytes">>, 64 bsl 20}}.

is_name(Name) -> is_binary(Name) andalso byte_size(Name) =< 255.

%% Linked once all is well: one that fails to start must not take its owner along.
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

%% A name of its own for each process that a connection was, the same on every node.
-spec address(handle()) -> cambrian_transport:address().
address(#{server := Server}) -> address_of(Server).

%% The node's name is for the reader; what tells it from others are the last bytes that pids travel as.
address_of(Pid) ->
    Bytes = term_to_binary(Pid),
    Which = cambrian_text:hex(binary:part(Bytes, byte_size(Bytes), -12)),
    Name = atom_to_binary(node(Pid)),
    <<(binary:part(Name, 0, min(byte_size(Name), 230)))/binary, $/, Which/binary>>.

-spec status(handle()) -> cambrian_transport:status().
status(#{server := Server, realm := Realm}) ->
    #{connected => is_process_alive(Server), peers => length(lists:delete(Server, members(Realm, here)))}.

%%% ---- messages ---------------------------------------------------------------------------

-spec publish(handle(), cambrian_transport:topic(), binary()) -> ok | {error, term()}.
publish(#{server := Server, owner := Owner, realm := Realm}, Topic, Bytes) when is_binary(Bytes) ->
    case {byte_size(Bytes) =< cambrian_transport:max_message(), is_process_alive(Server)} of
        {false, _} -> {error, too_large};
        {true, false} -> {error, disconnected};
        {true, true} ->
            Message = {cambrian_transport, Topic, Bytes},
            lists:foreach(fun(Pid) -> tell(Pid, Message) end, lists:delete(Owner, members(Realm, {topic, Topic})))
    end.

%% At once, or not at all where that would mean to wait for a full channel or a connection.
tell(Pid, Message) ->
    _ = erlang:send(Pid, Message, [nosuspend, noconnect]),
    ok.

-spec subscribe(handle(), cambrian_transport:topic()) -> ok | {error, term()}.
subscribe(Handle, Topic) -> named(topic, Topic, fun() -> order(Handle, {subscribe, Topic}) end).

-spec unsubscribe(handle(), cambrian_transport:topic()) -> ok.
unsubscribe(Handle, Topic) ->
    _ = order(Handle, {unsubscribe, Topic}),
    ok.

-spec announce(handle(), cambrian_transport:key()) -> ok | {error, term()}.
announce(Handle, Key) -> named(key, Key, fun() -> order(Handle, {announce, Key}) end).

-spec find(handle(), cambrian_transport:key()) -> {ok, [cambrian_transport:address()]} | {error, term()}.
find(#{server := Server, realm := Realm}, Key) ->
    case is_process_alive(Server) of
        true -> {ok, [address_of(Pid) || Pid <- members(Realm, {key, Key})]};
        false -> {error, disconnected}
    end.

named(What, Name, Then) ->
    case is_name(Name) of
        true -> Then();
        false -> {error, {bad_name, {What, Name, <<"a binary of at most 255 bytes">>}}}
    end.

order(#{server := Server}, Order) ->
    try gen_server:call(Server, Order, infinity)
    catch exit:_ -> {error, disconnected}
    end.

members(Realm, What) ->
    try pg:get_members(?MODULE, {Realm, What})
    catch error:badarg -> []
    end.

%%% ---- calls ------------------------------------------------------------------------------

-spec serve(handle(), cambrian_transport:procedure(), cambrian_transport:handler()) -> ok | {error, term()}.
serve(Handle, Procedure, Handler) when is_function(Handler, 2) ->
    named(procedure, Procedure, fun() -> order(Handle, {serve, Procedure, Handler}) end).

-spec call(handle(), cambrian_transport:address(), cambrian_transport:procedure(), binary(), timeout()) ->
          {ok, binary()} | {error, term()}.
call(#{realm := Realm}, Address, Procedure, Bytes, Timeout) when is_binary(Bytes) ->
    case {byte_size(Bytes) =< cambrian_transport:max_message(),
          [Pid || Pid <- members(Realm, here), address_of(Pid) =:= Address]} of
        {false, _} -> {error, too_large};
        {true, []} -> {error, gone};
        {true, [Server]} ->
            Ask = fun() -> ask(Server, {procedure, Procedure, Bytes}, [noconnect], Timeout) end,
            answered(apart(Ask, Timeout))
    end.

%% Nothing but what a call may answer, whatever it was that came.
answered({ok, Answer}) when is_binary(Answer) -> {ok, Answer};
answered({error, Reason}) -> {error, Reason};
answered(_) -> {error, crashed}.

%% In a process of its own, since the channel to a node that hangs can hold up its sender.
apart(Work, Timeout) ->
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
        true -> order(Handle, {send, Blob});
        false -> {error, too_large}
    end.

-spec fetch(handle(), cambrian_transport:content(), timeout()) -> {ok, binary()} | {error, term()}.
fetch(#{realm := Realm}, <<Content:32/binary>>, Timeout) ->
    {Here, Away} = lists:partition(fun(Pid) -> node(Pid) =:= node() end, members(Realm, {content, Content})),
    apart(fun() -> fetch_from(Here ++ shuffled(Away), Content, not_found) end, Timeout).

shuffled(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

fetch_from([], _Content, Why) -> {error, Why};
fetch_from([Server | Others], Content, Why) ->
    case pull(Server, Content, []) of
        {ok, Blob} ->
            case crypto:hash(sha256, Blob) of
                Content -> {ok, Blob};
                _ -> fetch_from(Others, Content, corrupted)
            end;
        {error, Reason} -> fetch_from(Others, Content, worse(Reason, Why))
    end.

%% That one lied says more than that another is gone.
worse(_, corrupted) -> corrupted;
worse(gone, Why) -> Why;
worse(Reason, _) -> Reason.

pull(Server, Content, Pulled) ->
    case ask(Server, {chunk, Content, iolist_size(Pulled)}, [noconnect, nosuspend], ?CHUNK_MS) of
        {ok, {Total, Chunk}} when is_integer(Total), is_binary(Chunk) -> pulled(Total, Chunk, Server, Content, Pulled);
        {error, busy} -> timer:sleep(?BUSY_MS), pull(Server, Content, Pulled);
        {error, _} = Error -> Error;
        _ -> {error, corrupted}
    end.

pulled(Total, Chunk, Server, Content, Pulled) ->
    All = [Pulled, Chunk],
    case iolist_size(All) of
        Total -> {ok, iolist_to_binary(All)};
        Size when Size < Total, Chunk =/= <<>>, Total =< ?MOST_BYTES -> pull(Server, Content, All);
        _ -> {error, corrupted}
    end.

%%% ---- the connection's process -----------------------------------------------------------

%% Ends with its owner, whom it is linked to, and with the scope, which would otherwise forget what was joined.
init({Owner, #{realm := Realm, discovery := Discovery, blob_bytes := Limit}}) ->
    process_flag(trap_exit, true),
    case cambrian_discovery:start_link(Discovery) of
        {error, Reason} -> {stop, Reason};
        Found ->
            link(Owner),
            join(Realm, here, self()),
            {ok, #state{realm = Realm, owner = Owner, scope = monitor(process, ?MODULE),
                        discovery = case Found of {ok, Pid} -> Pid; ignore -> none end, blobs = cambrian_blobs:new(Limit)}}
    end.

handle_call({subscribe, Topic}, _From, #state{realm = Realm, owner = Owner, topics = Topics} = State) ->
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
            _ = [join(Realm, {content, Content}, self()) || cambrian_blobs:get(Content, Blobs) =:= {error, not_found}],
            {reply, {ok, Content}, State#state{blobs = Kept}};
        Error -> {reply, Error, State}
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info({?MODULE, Asker, Timeout, Job}, State) when is_reference(Asker) ->
    {noreply, asked(Job, Asker, Timeout, State)};
handle_info({'EXIT', Owner, _}, #state{owner = Owner} = State) ->
    {stop, shutdown, State};
handle_info({'EXIT', Pid, Reason}, #state{working = Working} = State) ->
    case maps:take(Pid, Working) of
        {Work, Rest} ->
            ended(Reason, Work),
            {noreply, State#state{working = Rest}};
        error when Pid =:= State#state.discovery -> {stop, Reason, State};
        error -> {noreply, State}
    end;
%% Who asked has given up, and says so itself.
handle_info({too_late, Pid}, #state{working = Working} = State) when is_map_key(Pid, Working) ->
    exit(Pid, kill),
    {noreply, State#state{working = maps:update_with(Pid, fun({Kind, _, _}) -> {Kind, none, none} end, Working)}};
handle_info({'DOWN', Scope, process, _, _}, #state{scope = Scope} = State) ->
    {stop, {transport_unavailable, dist}, State};
handle_info(_, State) ->
    {noreply, State}.

terminate(Reason, #state{topics = Topics, owner = Owner} = State) ->
    _ = [leave_topic(Topic, State) || Topic <- maps:keys(Topics), whereis(?MODULE) =/= undefined],
    %% an owner that traps exits need not hear of what it asked for
    _ = [unlink(Owner) || Reason =:= normal],
    ok.

join(Realm, What, Pid) -> ok = pg:join(?MODULE, {Realm, What}, Pid).

leave_topic(Topic, #state{realm = Realm, owner = Owner}) -> pg:leave(?MODULE, {Realm, {topic, Topic}}, Owner).

%%% ---- what others ask --------------------------------------------------------------------

asked({procedure, Procedure, Bytes}, Asker, Timeout, #state{realm = Realm, served = Served} = State) when is_binary(Bytes) ->
    case Served of
        #{Procedure := Handler} ->
            work(procedure, fun() -> handled(Handler(Bytes, caller(Asker, Realm))) end, Asker, Timeout, State);
        _ -> refuse(Asker, unknown_procedure, State)
    end;
asked({chunk, Content, Offset}, Asker, Timeout, #state{blobs = Blobs} = State) when is_integer(Offset), Offset >= 0 ->
    case cambrian_blobs:get(Content, Blobs) of
        {ok, Blob} when Offset =< byte_size(Blob) ->
            work(chunk, fun() -> {ok, {byte_size(Blob), chunk(Blob, Offset)}} end, Asker, Timeout, State);
        _ -> refuse(Asker, not_found, State)
    end;
asked(_, _Asker, _Timeout, State) -> State.

%% The answer goes to the node of the asker and to no other: whatever it says, that is where it is.
caller(Asker, Realm) ->
    case [address_of(Pid) || Pid <- members(Realm, here), node(Pid) =:= node(Asker)] of
        [] -> unknown;
        Addresses -> lists:min(Addresses)
    end.

chunk(Blob, Offset) -> binary:part(Blob, Offset, min(?CHUNK, byte_size(Blob) - Offset)).

handled(busy) -> {error, busy};
handled(Answer) when is_binary(Answer) ->
    case byte_size(Answer) =< cambrian_transport:max_message() of
        true -> {ok, Answer};
        false -> {error, too_large}
    end.

%% In a process of its own, which may wait for its fun and for a full channel, but no longer than who asks.
work(Kind, Work, Asker, Timeout, #state{working = Working} = State) ->
    case length([Kind || {K, _, _} <- maps:values(Working), K =:= Kind]) < cambrian_transport:max_handlers() of
        true ->
            Pid = spawn_link(fun() -> erlang:send(Asker, {Asker, Work()}, [noconnect]) end),
            State#state{working = Working#{Pid => {Kind, Asker, patience(Timeout, Pid)}}};
        false -> refuse(Asker, busy, State)
    end.

patience(Timeout, Pid) when is_integer(Timeout), Timeout >= 0 ->
    erlang:send_after(min(Timeout, ?LONGEST_MS), self(), {too_late, Pid});
patience(_, _Pid) -> none.

ended(Reason, {_, Asker, Timer}) ->
    _ = [erlang:cancel_timer(Timer) || Timer =/= none],
    _ = [tell(Asker, {Asker, {error, crashed}}) || Reason =/= normal, Asker =/= none],
    ok.

refuse(Asker, Why, State) ->
    tell(Asker, {Asker, {error, Why}}),
    State.
