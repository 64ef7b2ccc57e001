%% @doc A simulated network as a transport, for real processes in one VM and in virtual time.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1, latency => {20, 300}, loss => 0.0}).
%% 2> Options = #{realm => <<"lab">>, network => Network}.
%% 3> {ok, A} = cambrian_transport_sim:connect(Options#{name => <<"a">>}), Owner = self().
%% 4> _ = spawn_link(fun() ->
%%        {ok, B} = cambrian_transport_sim:connect(Options#{name => <<"b">>}),
%%        ok = cambrian_transport_sim:subscribe(B, <<"genotype">>),
%%        Owner ! ready,
%%        receive {cambrian_transport, _, Bytes} -> Owner ! {b_heard, Bytes} end
%%    end).
%% 5> receive ready -> ok end.
%% ok
%% 6> ok = cambrian_transport_sim:publish(A, <<"genotype">>, <<"hello">>).
%% 7> receive {b_heard, _} = Heard -> Heard end.
%% {b_heard,<<"hello">>}
%% 8> cambrian_transport_sim:now(Network) >= 20.
%% true
%% 9> cambrian_transport_sim:stop(Network).
%% ok
%% '''
%%
%% Simulated time costs no real time: as soon as no process has work, time jumps to the next
%% delivery or to the timeout of a call. Only while a handler works does simulated time pass like
%% real time.
%%
%% Loss, duplication and delays are drawn from the seed in the order in which the processes send,
%% and the scheduler decides that order. A simulation that must repeat to the bit uses {@link
%% cambrian_ether} itself.
-module(cambrian_transport_sim).
-behaviour(cambrian_transport).
-behaviour(gen_server).

-export([start/1, stop/1, split/2, heal/1, crash/2, now/1, addresses/1, traffic/1]).
-export([connect/1, disconnect/1, address/1, publish/3, subscribe/2, unsubscribe/2, serve/3, call/5,
         announce/2, find/2, send/2, fetch/3, status/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([network/0, options/0]).

-type network() :: pid().
-type options() :: #{seed := integer(), latency => cambrian_ether:latency(), loss => float(),
                     duplication => float()}.
%% The options of {@link cambrian_ether:new/1}.

-type handle() :: {network(), cambrian_transport:address()}.
-type name() :: binary().
%% A simulated machine; it may have several connections.

-record(client, {name :: name(), owner :: pid(), realm :: binary(),
                 topics = [] :: [cambrian_transport:topic()],
                 keys = #{} :: #{cambrian_transport:key() => []},
                 served = #{} :: #{cambrian_transport:procedure() => cambrian_transport:handler()},
                 blobs = cambrian_blobs:new(64 bsl 20) :: cambrian_blobs:blobs()}).

%% A caller waits for an answer of `address', or for a blob of one of `holders'.
-record(call,
        {from :: gen_server:from(), asker :: cambrian_transport:address(),
         address :: cambrian_transport:address()}).
-record(fetch,
        {from :: gen_server:from(), asker :: cambrian_transport:address(),
         content :: cambrian_transport:content(), holders :: [cambrian_transport:address()],
         attempts = 0 :: non_neg_integer()}).

-record(state, {starter :: pid(),
                ether :: cambrian_ether:ether(),
                now = 0 :: cambrian_ether:time(),
                %% the real time when it was `now'
                wall = wall() :: integer(),
                count = 0 :: non_neg_integer(),
                clients = #{} :: #{cambrian_transport:address() => #client{}},
                subscribers = #{} :: #{{Realm :: binary(), cambrian_transport:topic()} =>
                                           ordsets:ordset(cambrian_transport:address())},
                waiting = #{} :: #{Id :: pos_integer() => #call{} | #fetch{}},
                working = #{} :: #{Monitor :: reference() =>
                                       {pid(), Id :: pos_integer(),
                                        By :: cambrian_transport:address(),
                                        Asker :: cambrian_transport:address()}}}).

%% How long a holder may take to send a blob before the next is asked, and how many requests there
%% are in total.
-define(PULL_MS, 1000).
-define(MOST_PULLS, 50).
-define(MOST_KEYS, 4096).

%%% ---- the network ------------------------------------------------------------------------

%% @doc Starts a network without connections. It ends with {@link stop/1}, or with the caller.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1, latency => {5, 200}, loss => 0.3,
%%                                                   duplication => 0.01}).
%% 2> cambrian_transport_sim:stop(Network).
%% ok
%% 3> cambrian_transport_sim:start(#{seed => 1, loss => 2}).
%% {error,{bad_option,{loss,2,<<"a number from 0 to 1">>}}}
%% '''
-spec start(options()) -> {ok, network()} | {error, term()}.
start(Options) ->
    case cambrian_options:check(Options, table(), <<"cambrian_transport_sim:start/1">>) of
        {ok, #{seed := _} = Checked} -> gen_server:start_link(?MODULE, {self(), Checked}, []);
        {ok, _} -> {error, {missing_options, [seed]}};
        Error -> Error
    end.

table() ->
    Share = fun(S) -> is_number(S) andalso S >= 0 andalso S =< 1 end,
    #{seed => {fun is_integer/1, <<"an integer">>},
      latency => {fun is_latency/1, <<"{Min, Max} in milliseconds">>, {1, 1}},
      loss => {Share, <<"a number from 0 to 1">>, 0.0},
      duplication => {Share, <<"a number from 0 to 1">>, 0.0}}.

is_latency({Min, Max}) ->
    cambrian_options:is_count(Min) andalso cambrian_options:is_count(Max) andalso Min =< Max;
is_latency(_) -> false.

%% @doc Ends the network and all its connections.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> cambrian_transport_sim:stop(Network).
%% ok
%% '''
-spec stop(network()) -> ok.
stop(Network) -> gen_server:stop(Network).

%% @doc Splits the network: machines, given by name or by the address of a connection, reach only
%% machines of their group. All machines without a group form one more group.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> Options = #{realm => <<"lab">>, network => Network}.
%% 3> [{ok, A}, {ok, B}] = [cambrian_transport_sim:connect(Options#{name => Name})
%%                          || Name <- [<<"a">>, <<"b">>]].
%% 4> ok = cambrian_transport_sim:serve(B, <<"echo">>, fun(Bytes, _From) -> Bytes end).
%% 5> ok = cambrian_transport_sim:split(Network, [[<<"a">>], [<<"b">>]]).
%% 6> Address = cambrian_transport_sim:address(B),
%%    cambrian_transport_sim:call(A, Address, <<"echo">>, <<"hello">>, 5000).
%% {error,timeout}
%% 7> ok = cambrian_transport_sim:heal(Network).
%% 8> cambrian_transport_sim:call(A, Address, <<"echo">>, <<"hello">>, 5000).
%% {ok,<<"hello">>}
%% 9> ok = cambrian_transport_sim:stop(Network).
%% '''
-spec split(network(), [[name() | cambrian_transport:address()]]) -> ok.
split(Network, Groups) -> gen_server:call(Network, {split, Groups}, infinity).

%% @doc Ends the partition.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> ok = cambrian_transport_sim:split(Network, [[<<"a">>], [<<"b">>]]).
%% 3> cambrian_transport_sim:heal(Network).
%% ok
%% 4> ok = cambrian_transport_sim:stop(Network).
%% '''
-spec heal(network()) -> ok.
heal(Network) -> gen_server:call(Network, {split, []}, infinity).

%% @doc Crashes the machine of this name, or with a connection of this address: the owners of all
%% its connections are killed.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> {Victim, Monitor} = spawn_monitor(fun() ->
%%        {ok, _} = cambrian_transport_sim:connect(#{realm => <<"lab">>, network => Network,
%%                                                   name => <<"a">>}),
%%        ok = cambrian_transport_sim:crash(Network, <<"a">>)
%%    end).
%% 3> receive {'DOWN', Monitor, process, Victim, Why} -> Why end.
%% killed
%% 4> ok = cambrian_transport_sim:stop(Network).
%% '''
-spec crash(network(), name() | cambrian_transport:address()) -> ok.
crash(Network, Which) -> gen_server:call(Network, {crash, Which}, infinity).

%% @doc The simulated time, in ms since the network started.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> cambrian_transport_sim:now(Network).
%% 0
%% 3> ok = cambrian_transport_sim:stop(Network).
%% '''
-spec now(network()) -> non_neg_integer().
now(Network) -> gen_server:call(Network, now, infinity).

%% @doc The addresses of all connections, by the name of their machine.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> {ok, _} = cambrian_transport_sim:connect(#{realm => <<"lab">>, network => Network,
%%                                               name => <<"a">>}).
%% 3> cambrian_transport_sim:addresses(Network).
%% #{<<"a">> => [<<"a/1">>]}
%% 4> ok = cambrian_transport_sim:stop(Network).
%% '''
-spec addresses(network()) -> #{name() => [cambrian_transport:address()]}.
addresses(Network) -> gen_server:call(Network, addresses, infinity).

%% @doc The traffic of each machine: see {@link cambrian_ether:traffic/1}.
%%
%% ```
%% 1> {ok, Network} = cambrian_transport_sim:start(#{seed => 1}).
%% 2> cambrian_transport_sim:traffic(Network).
%% #{}
%% 3> ok = cambrian_transport_sim:stop(Network).
%% '''
-spec traffic(network()) -> #{name() => cambrian_ether:traffic()}.
traffic(Network) -> gen_server:call(Network, traffic, infinity).

%%% ---- connections ------------------------------------------------------------------------

%% `name' is the machine of this connection; by default each connection has its own machine.
-spec connect(map()) -> {ok, handle()} | {error, term()}.
connect(Options) ->
    case cambrian_options:check(Options, connect_table(), <<"cambrian_transport_sim:connect/1">>) of
        {ok, #{realm := Realm, network := Network} = Checked} ->
            Name = maps:get(name, Checked, none),
            try gen_server:call(Network, {connect, Realm, Name}, infinity) of
                Address -> {ok, {Network, Address}}
            catch
                exit:_ -> {error, {transport_unavailable, sim}}
            end;
        {ok, Given} -> {error, {missing_options, [realm, network] -- maps:keys(Given)}};
        Error -> Error
    end.

connect_table() ->
    #{realm => {fun is_name/1, <<"a binary of at most 255 bytes">>},
      network => {fun is_pid/1, <<"what start/1 gave">>},
      name => {fun(Name) -> is_binary(Name) andalso byte_size(Name) =< 200 end,
               <<"a binary of at most 200 bytes">>},
      identity => {fun(Identity) -> is_function(Identity, 0) end, <<"a fun without arguments">>}}.

is_name(Name) -> is_binary(Name) andalso byte_size(Name) =< 255.

-spec disconnect(handle()) -> ok.
disconnect(Handle) ->
    _ = order(Handle, disconnect),
    ok.

-spec address(handle()) -> cambrian_transport:address().
address({_, Address}) -> Address.

-spec publish(handle(), cambrian_transport:topic(), binary()) -> ok | {error, term()}.
publish(Handle, Topic, Bytes) when is_binary(Bytes) ->
    message(Bytes, fun() -> order(Handle, {publish, Topic, Bytes}) end).

-spec subscribe(handle(), cambrian_transport:topic()) -> ok | {error, term()}.
subscribe(Handle, Topic) -> named(Topic, fun() -> order(Handle, {subscribe, Topic}) end).

-spec unsubscribe(handle(), cambrian_transport:topic()) -> ok.
unsubscribe(Handle, Topic) ->
    _ = order(Handle, {unsubscribe, Topic}),
    ok.

-spec serve(handle(), cambrian_transport:procedure(), cambrian_transport:handler()) ->
          ok | {error, term()}.
serve(Handle, Procedure, Handler) when is_function(Handler, 2) ->
    named(Procedure, fun() -> order(Handle, {serve, Procedure, Handler}) end).

-spec call(handle(), cambrian_transport:address(), cambrian_transport:procedure(), binary(),
           timeout()) -> {ok, binary()} | {error, term()}.
call(Handle, Address, Procedure, Bytes, Timeout) when is_binary(Bytes) ->
    message(Bytes, fun() -> order(Handle, {call, Address, Procedure, Bytes, Timeout}) end).

-spec announce(handle(), cambrian_transport:key()) -> ok | {error, term()}.
announce(Handle, Key) -> named(Key, fun() -> order(Handle, {announce, Key}) end).

-spec find(handle(), cambrian_transport:key()) ->
          {ok, [cambrian_transport:address()]} | {error, term()}.
find(Handle, Key) -> order(Handle, {find, Key}).

-spec send(handle(), binary()) -> {ok, cambrian_transport:content()} | {error, term()}.
send(Handle, Blob) when is_binary(Blob) ->
    case byte_size(Blob) =< cambrian_transport:max_blob() of
        true -> order(Handle, {send, Blob});
        false -> {error, too_large}
    end.

-spec fetch(handle(), cambrian_transport:content(), timeout()) -> {ok, binary()} | {error, term()}.
fetch(Handle, <<Content:32/binary>>, Timeout) -> order(Handle, {fetch, Content, Timeout}).

-spec status(handle()) -> cambrian_transport:status().
status(Handle) ->
    case order(Handle, peers) of
        {ok, Peers} -> #{connected => true, peers => Peers};
        {error, disconnected} -> #{connected => false, peers => 0}
    end.

message(Bytes, Then) ->
    case byte_size(Bytes) =< cambrian_transport:max_message() of
        true -> Then();
        false -> {error, too_large}
    end.

named(Name, Then) ->
    case is_name(Name) of
        true -> Then();
        false -> {error, {bad_name, Name}}
    end.

order({Network, Address}, Order) ->
    try gen_server:call(Network, {order, Address, Order}, infinity)
    catch exit:_ -> {error, disconnected}
    end.

%%% ---- the process of the network ---------------------------------------------------------

init({Starter, Options}) ->
    process_flag(trap_exit, true),
    {ok, #state{starter = Starter, ether = cambrian_ether:new(Options)}}.

handle_call(Request, From, State) -> and_then(request(Request, From, passed(State))).

handle_cast(_, State) -> and_then(State).

handle_info(timeout, State) -> and_then(deliver(passed(State)));
handle_info({'DOWN', Monitor, process, _, Reason}, #state{working = Working} = State)
  when is_map_key(Monitor, Working) ->
    and_then(worked(Monitor, Reason, passed(State)));
handle_info({'EXIT', Owner, _}, State) -> and_then(remove(owned_by(Owner, State), passed(State)));
handle_info(_, State) -> and_then(State).

%% Messages that processes send now come before any message on its way.
and_then(#state{ether = Ether, working = Working, now = Now} = State) ->
    case cambrian_ether:due(Ether) of
        infinity -> {noreply, State};
        _ when map_size(Working) =:= 0 -> {noreply, State, 0};
        At -> {noreply, State, max(0, At - Now)}
    end.

passed(#state{working = Working} = State) when map_size(Working) =:= 0 ->
    State#state{wall = wall()};
passed(#state{now = Now, wall = Before} = State) ->
    Wall = wall(),
    State#state{now = Now + Wall - Before, wall = Wall}.

wall() -> erlang:monotonic_time(millisecond).

deliver(#state{ether = Ether, now = Now} = State) ->
    case cambrian_ether:next(Ether) of
        none -> State;
        {At, _, _, Message, Rest} ->
            case is_over(Message, State) of
                true -> State#state{ether = Rest};
                false -> arrived(Message, State#state{ether = Rest, now = max(At, Now)})
            end
    end.

%% Time does not jump to a timer whose caller has its answer.
is_over({give_up, Id}, #state{waiting = Waiting}) -> not is_map_key(Id, Waiting);
is_over({pull_again, Id, _}, #state{waiting = Waiting}) -> not is_map_key(Id, Waiting);
is_over(_, _) -> false.

%% A request that cannot be answered now is answered later.
request({order, Address, Order}, From, #state{clients = Clients} = State) ->
    case Clients of
        #{Address := Client} -> order(Order, From, Address, Client, State);
        _ -> reply(From, {error, disconnected}, State)
    end;
request({connect, Realm, Name}, {Owner, _} = From,
        #state{count = Count, clients = Clients} = State) ->
    link(Owner),
    Number = integer_to_binary(Count + 1),
    Machine = case Name of none -> <<"node_", Number/binary>>; _ -> Name end,
    Address = <<Machine/binary, $/, Number/binary>>,
    Client = #client{name = Machine, owner = Owner, realm = Realm},
    reply(From, Address, State#state{count = Count + 1, clients = Clients#{Address => Client}});
request({split, Groups}, From, #state{ether = Ether} = State) ->
    Named = [[name_of(Which, State) || Which <- Group] || Group <- Groups],
    reply(From, ok, State#state{ether = cambrian_ether:split(Named, Ether)});
request({crash, Which}, From, #state{clients = Clients} = State) ->
    Name = name_of(Which, State),
    Gone = [Address || {Address, #client{name = N}} <- maps:to_list(Clients), N =:= Name],
    _ = [exit((maps:get(Address, Clients))#client.owner, kill) || Address <- Gone],
    reply(From, ok, remove(Gone, State));
request(now, From, #state{now = Now} = State) -> reply(From, Now, State);
request(addresses, From, #state{clients = Clients} = State) ->
    reply(From, lists:foldr(fun({Address, #client{name = Name}}, All) ->
                                maps:update_with(Name, fun(Others) -> [Address | Others] end,
                                                 [Address], All)
                            end, #{}, lists:sort(maps:to_list(Clients))), State);
request(traffic, From, #state{ether = Ether} = State) ->
    reply(From, cambrian_ether:traffic(Ether), State);
request(_, From, State) -> reply(From, {error, unknown_call}, State).

reply(From, Answer, State) ->
    gen_server:reply(From, Answer),
    State.

name_of(Which, #state{clients = Clients}) ->
    case Clients of
        #{Which := #client{name = Name}} -> Name;
        _ -> Which
    end.

order(disconnect, From, Address, _Client, State) -> reply(From, ok, remove([Address], State));
order({publish, Topic, Bytes}, From, Address, #client{name = Name, realm = Realm}, State) ->
    #state{subscribers = Subscribers, ether = Ether, now = Now} = State,
    Others = lists:delete(Address, maps:get({Realm, Topic}, Subscribers, [])),
    Send = fun(To, E) ->
               Message = {message, To, Topic, Bytes},
               cambrian_ether:send(Name, name_of(To, State), Message, byte_size(Bytes), Now, E)
           end,
    Sent = lists:foldl(Send, Ether, Others),
    reply(From, ok, State#state{ether = Sent});
order({subscribe, Topic}, From, Address, #client{realm = Realm, topics = Topics} = Client, State) ->
    #state{subscribers = Subscribers} = State,
    Others = maps:get({Realm, Topic}, Subscribers, []),
    Subscribed = ordsets:add_element(Address, Others),
    Next = State#state{subscribers = Subscribers#{{Realm, Topic} => Subscribed}},
    reply(From, ok,
          put_client(Address, Client#client{topics = lists:usort([Topic | Topics])}, Next));
order({unsubscribe, Topic}, From, Address, #client{topics = Topics} = Client, State) ->
    Left = put_client(Address, Client#client{topics = lists:delete(Topic, Topics)}, State),
    reply(From, ok, leave(Address, Client, Topic, Left));
order({serve, Procedure, Handler}, From, Address, #client{served = Served} = Client, State) ->
    reply(From, ok,
          put_client(Address, Client#client{served = Served#{Procedure => Handler}}, State));
order({announce, Key}, From, _Address, #client{keys = Keys}, State)
  when map_size(Keys) >= ?MOST_KEYS, not is_map_key(Key, Keys) ->
    reply(From, {error, too_many}, State);
order({announce, Key}, From, Address, #client{keys = Keys} = Client, State) ->
    reply(From, ok, put_client(Address, Client#client{keys = Keys#{Key => []}}, State));
order({find, Key}, From, _Address, Client, State) ->
    Holders = [Address || {Address, #client{keys = Keys}} <- within_reach(Client, State),
                          is_map_key(Key, Keys)],
    reply(From, {ok, Holders}, State);
order(peers, From, Address, Client, State) ->
    Peers = [Other || {Other, _} <- within_reach(Client, State), Other =/= Address],
    reply(From, {ok, length(Peers)}, State);
order({send, Blob}, From, Address, #client{blobs = Blobs} = Client, State) ->
    {ok, Content, _, Kept} = cambrian_blobs:put(Blob, Blobs),
    reply(From, {ok, Content}, put_client(Address, Client#client{blobs = Kept}, State));
order({call, To, Procedure, Bytes, Timeout}, From, Address, #client{realm = Realm} = Client,
      #state{clients = Clients} = State) ->
    case Clients of
        #{To := #client{realm = Realm}} ->
            {Id, Waiting} = wait(#call{from = From, asker = Address, address = To}, Client, Timeout,
                                 State),
            transmit(Client, To, {question, Id, To, Address, Procedure, Bytes}, byte_size(Bytes),
                     Waiting);
        _ -> reply(From, {error, gone}, State)
    end;
order({fetch, Content, Timeout}, From, Address, #client{realm = Realm} = Client,
      #state{clients = Clients} = State) ->
    Holders = [Other
               || {Other, #client{realm = R, blobs = Blobs}} <- lists:sort(maps:to_list(Clients)),
                  R =:= Realm, {ok, _} <- [cambrian_blobs:get(Content, Blobs)]],
    Fetch = #fetch{from = From, asker = Address, content = Content, holders = Holders},
    {Id, Waiting} = wait(Fetch, Client, Timeout, State),
    pull(Id, Fetch, not_found, Waiting).

put_client(Address, Client, #state{clients = Clients} = State) ->
    State#state{clients = Clients#{Address => Client}}.

leave(Address, #client{realm = Realm}, Topic, #state{subscribers = Subscribers} = State) ->
    case lists:delete(Address, maps:get({Realm, Topic}, Subscribers, [])) of
        [] -> State#state{subscribers = maps:remove({Realm, Topic}, Subscribers)};
        Others -> State#state{subscribers = Subscribers#{{Realm, Topic} => Others}}
    end.

within_reach(#client{name = Name, realm = Realm}, #state{clients = Clients, ether = Ether}) ->
    [{Address, Other}
     || {Address, #client{name = N, realm = R} = Other} <- lists:sort(maps:to_list(Clients)),
        R =:= Realm, cambrian_ether:can_reach(Name, N, Ether)].

transmit(#client{name = Name}, To, Message, Bytes, #state{ether = Ether, now = Now} = State) ->
    State#state{ether = cambrian_ether:send(Name, name_of(To, State), Message, Bytes, Now, Ether)}.

later(#client{name = Name}, Message, Ms, #state{ether = Ether, now = Now} = State) ->
    State#state{ether = cambrian_ether:later(Name, Message, Now + Ms, Ether)}.

wait(Wait, Client, Timeout, #state{count = Count, waiting = Waiting} = State) ->
    Id = Count + 1,
    Next = State#state{count = Id, waiting = Waiting#{Id => Wait}},
    {Id, case Timeout of infinity -> Next; _ -> later(Client, {give_up, Id}, Timeout, Next) end}.

%% Drops messages without a purpose: the receiver has left, or the call was answered or has timed
%% out.
arrived({message, To, Topic, Bytes}, #state{clients = Clients} = State) ->
    _ = [Owner ! {cambrian_transport, Topic, Bytes}
         || #{To := #client{owner = Owner, topics = Topics}} <- [Clients],
         lists:member(Topic, Topics)],
    State;
arrived({question, Id, By, Asker, Procedure, Bytes}, #state{clients = Clients} = State) ->
    case Clients of
        #{By := #client{served = #{Procedure := Handler}}} ->
            work(Id, By, Asker, fun() -> Handler(Bytes, Asker) end, State);
        #{By := _} -> answer(Id, By, Asker, {error, unknown_procedure}, State);
        _ -> State
    end;
arrived({answer, Id, Answer}, State) -> settle(Id, Answer, State);
arrived({give_up, Id}, #state{working = Working} = State) ->
    _ = [exit(Pid, kill) || {Pid, Of, _, _} <- maps:values(Working), Of =:= Id],
    settle(Id, {error, timeout}, State);
arrived({pull, Id, Holder, Asker, Content}, #state{clients = Clients} = State) ->
    case Clients of
        #{Holder := #client{blobs = Blobs} = Client} ->
            Answer = cambrian_blobs:get(Content, Blobs),
            transmit(Client, Asker, {blob, Id, Holder, Answer}, size_of(Answer), State);
        _ -> State
    end;
arrived({blob, Id, Holder, Answer}, #state{waiting = Waiting} = State) ->
    case Waiting of
        #{Id := #fetch{content = Content} = Fetch} ->
            pulled(is_content(Content, Answer), Answer, Holder, Id, Fetch, State);
        _ -> State
    end;
arrived({pull_again, Id, Attempt}, #state{waiting = Waiting} = State) ->
    case Waiting of
        #{Id := #fetch{attempts = Attempt, holders = [Holder | Others]} = Fetch} ->
            pull(Id, Fetch#fetch{holders = Others ++ [Holder]}, timeout, State);
        _ -> State
    end.

settle(Id, Answer, #state{waiting = Waiting} = State) ->
    case maps:take(Id, Waiting) of
        {#call{from = From}, Rest} -> reply(From, Answer, State#state{waiting = Rest});
        {#fetch{from = From}, Rest} -> reply(From, Answer, State#state{waiting = Rest});
        error -> State
    end.

size_of({ok, Bytes}) -> byte_size(Bytes);
size_of({error, _}) -> 1.

%%% ---- handlers ---------------------------------------------------------------------------

-dialyzer({nowarn_function, work/5}).
work(Id, By, Asker, Work, #state{working = Working} = State) ->
    Busy = length([By || {_, _, B, _} <- maps:values(Working), B =:= By]),
    case Busy < cambrian_transport:max_handlers() of
        true ->
            {Pid, Monitor} = spawn_monitor(fun() -> exit({answer, Work()}) end),
            State#state{working = Working#{Monitor => {Pid, Id, By, Asker}}};
        false -> answer(Id, By, Asker, {error, busy}, State)
    end.

worked(Monitor, Reason, #state{working = Working} = State) ->
    {{_, Id, By, Asker}, Rest} = maps:take(Monitor, Working),
    answer(Id, By, Asker, outcome(Reason), State#state{working = Rest}).

outcome({answer, busy}) -> {error, busy};
outcome({answer, Bytes}) when is_binary(Bytes) -> message(Bytes, fun() -> {ok, Bytes} end);
outcome(_) -> {error, crashed}.

answer(Id, By, Asker, Answer, #state{clients = Clients} = State) ->
    case Clients of
        #{By := Client} -> transmit(Client, Asker, {answer, Id, Answer}, size_of(Answer), State);
        _ -> State
    end.

%%% ---- blobs ------------------------------------------------------------------------------

%% Asks the first holder, and the next holder if no answer comes: the request or the answer may have
%% been lost.
pull(Id, #fetch{holders = []}, Why, State) -> settle(Id, {error, Why}, State);
pull(Id, #fetch{attempts = ?MOST_PULLS}, Why, State) -> settle(Id, {error, Why}, State);
pull(Id, #fetch{asker = Asker, holders = [Holder | _], content = Content,
                attempts = Attempts} = Fetch, _, State) ->
    #state{waiting = Waiting, clients = #{Asker := Client}} = State,
    Next = State#state{waiting = Waiting#{Id => Fetch#fetch{attempts = Attempts + 1}}},
    later(Client, {pull_again, Id, Attempts + 1}, ?PULL_MS,
          transmit(Client, Holder, {pull, Id, Holder, Asker, Content}, byte_size(Content), Next)).

pulled(true, Answer, _Holder, Id, _Fetch, State) -> settle(Id, Answer, State);
pulled(false, Answer, Holder, Id, #fetch{holders = Holders} = Fetch, State) ->
    Why = case Answer of {ok, _} -> corrupted; {error, Reason} -> Reason end,
    pull(Id, Fetch#fetch{holders = lists:delete(Holder, Holders)}, Why, State).

is_content(Content, {ok, Blob}) -> crypto:hash(sha256, Blob) =:= Content;
is_content(_, {error, _}) -> false.

%%% ---- connections that end --------------------------------------------------------------

owned_by(Owner, #state{clients = Clients}) ->
    [Address || {Address, #client{owner = O}} <- maps:to_list(Clients), O =:= Owner].

remove(Addresses, State) -> lists:foldl(fun remove_one/2, State, Addresses).

%% Calls to the address and calls from it end with `{error, gone}', and its handlers are killed.
remove_one(Address, #state{clients = Clients} = State) ->
    {#client{owner = Owner, topics = Topics} = Client, Rest} = maps:take(Address, Clients),
    Left = lists:foldl(fun(Topic, Next) -> leave(Address, Client, Topic, Next) end,
                       State#state{clients = Rest}, Topics),
    _ = [unlink(Owner) || owned_by(Owner, Left) =:= [], Owner =/= Left#state.starter],
    _ = [exit(Pid, kill) || {Pid, _, By, _} <- maps:values(Left#state.working), By =:= Address],
    lists:foldl(fun(Id, Next) -> settle(Id, {error, gone}, Next) end, Left, waits(Address, Left)).

waits(Address, #state{waiting = Waiting}) ->
    lists:sort([Id || {Id, Wait} <- maps:to_list(Waiting), concerns(Address, Wait)]).

concerns(Address, #call{asker = Asker, address = To}) -> lists:member(Address, [Asker, To]);
concerns(Address, #fetch{asker = Asker}) -> Asker =:= Address.
