%% Not Macula: a stand-in for tests, with the calls that cambrian_macula_10 makes and with the traps that the real one
%% was seen to have. A pool and its link to macula_fake_relay are a process each.
%%
%%  - names and texts in what is sent have another type when they arrive
%%  - `publish' is ok while a link that is dead counts as healthy, for three times the liveness interval, which is half
%%    a minute if nobody sets it; what is published then is lost
%%  - by default, events are brought in order, for which every fourth is lost and others wait
%%  - handlers of calls run in the process of the link: nothing else happens on it meanwhile
%%  - after 16 MB in one message, a link carries nothing more and looks healthy
%%  - what the relay does to links is said there
-module(macula).
-export([connect/2, close/1, status/1, publish/4, subscribe/5, unsubscribe/2, advertise/5, unadvertise/3, call/5]).
-export([put_record/2, find_records_by_type/2, put_content/2, get_content/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-behaviour(gen_server).

-define(WEDGES, 16 bsl 20).

connect(Seeds, #{identity := #{public := _, private := _}} = Options) -> gen_server:start_link(?MODULE, {pool, Seeds, Options}, []).

close(Pool) -> gen_server:stop(Pool, normal, 5000).

status(Pool) -> gen_server:call(Pool, status).

publish(Pool, <<_:256>> = Realm, Topic, Payload) -> gen_server:call(Pool, {publish, Realm, Topic, wire(Payload)}).

subscribe(Pool, <<_:256>> = Realm, Topic, Subscriber, Options) ->
    gen_server:call(Pool, {subscribe, Realm, Topic, Subscriber, maps:get(delivery, Options, ordered)}).

unsubscribe(Pool, Reference) -> gen_server:call(Pool, {unsubscribe, Reference}).

advertise(Pool, <<_:256>> = Realm, Procedure, Handler, #{}) -> gen_server:call(Pool, {advertise, Realm, Procedure, Handler}).

unadvertise(Pool, Realm, Procedure) -> gen_server:call(Pool, {unadvertise, Realm, Procedure}).

call(Pool, <<_:256>> = Realm, Procedure, Payload, Timeout) when is_integer(Timeout), Timeout > 0 ->
    ask(Pool, {call, Realm, Procedure, wire(Payload)}, Timeout).

put_record(Pool, #{payload := Payload} = Record) ->
    case ask(Pool, {put_record, Record#{payload := wire(Payload)}}, 5000) of
        {ok, ok} -> ok;
        {error, _} = Error -> Error
    end.

find_records_by_type(Pool, Type) -> ask(Pool, {find_records, Type}, 5000).

%% Either takes one of the streams that a connection has a hundred of.
put_content(Pool, Bytes) -> ask(Pool, {stream, {put_content, Bytes}}, 15000).
get_content(Pool, <<_:34/binary>> = Id) -> ask(Pool, {stream, {get_content, Id}}, 15000).

ask(Pool, Question, Timeout) ->
    Link = gen_server:call(Pool, link),
    try gen_server:call(Link, {ask, Question}, Timeout)
    catch exit:{timeout, _} -> {error, timeout};
          exit:_ -> {error, {disconnected, link}}
    end.

%% What CBOR and back make of a term. There are no tuples in it.
wire(Map) when is_map(Map) -> maps:from_list([{wire_name(Name), wire(Value)} || {Name, Value} <- maps:to_list(Map)]);
wire(List) when is_list(List) -> [wire(Element) || Element <- List];
wire({text, Text}) -> {text, Text};
wire(Atom) when is_atom(Atom), not is_boolean(Atom) -> {text, atom_to_binary(Atom)};
wire(Plain) when not is_tuple(Plain) -> Plain.

wire_name({text, Name}) -> wire_name(Name);
wire_name(Name) when is_atom(Name) -> Name;
wire_name(Name) when is_binary(Name) ->
    try binary_to_existing_atom(Name) catch error:badarg -> {text, Name} end.

%%% ---- both -------------------------------------------------------------------------------

init({pool, Seeds, Options}) ->
    process_flag(trap_exit, true),
    {ok, dial(#{pool => self(), seed => hd(Seeds), options => Options, link => none, subscriptions => #{}, procedures => #{},
                number => erlang:system_time(microsecond)})};
init({link, Pool, Seed, #{identity := #{public := Public}}}) ->
    [Host, Port] = string:lexemes(string:prefix(Seed, "quic://"), ":"),
    {ok, Address} = inet:parse_address(binary_to_list(Host)),
    self() ! {dial, Address, binary_to_integer(Port)},
    {ok, #{link_of => Pool, public => Public, socket => none, welcome => false, asked => #{}, procedures => #{}, wedged => false,
           misses => 0, sent => []}}.

dial(#{pool := Pool, seed := Seed, options := Options} = State) ->
    {ok, Link} = gen_server:start_link(?MODULE, {link, Pool, Seed, Options}, []),
    State#{link := Link}.

%%% ---- the pool ---------------------------------------------------------------------------

handle_call(link, _, #{link := Link} = State) -> {reply, Link, State};
handle_call(status, From, #{link := Link} = State) ->
    reply_later(From, fun() -> {ok, #{healthy_links => case gen_server:call(Link, healthy) of true -> 1; false -> 0 end}} end),
    {noreply, State};
handle_call({publish, Realm, Topic, Payload}, From, #{link := Link, number := Number} = State) ->
    reply_later(From, fun() -> gen_server:call(Link, {publish, Realm, Topic, Payload, Number}) end),
    {noreply, State#{number := Number + 1}};
handle_call({subscribe, Realm, Topic, Subscriber, Delivery}, _, #{link := Link, subscriptions := Subscriptions} = State) ->
    Reference = make_ref(),
    gen_server:cast(Link, {tell, {subscribe, Realm, Topic}}),
    {reply, {ok, Reference}, State#{subscriptions := Subscriptions#{Reference => {Realm, Topic, Subscriber, Delivery}}}};
handle_call({unsubscribe, Reference}, _, #{link := Link, subscriptions := Subscriptions} = State) ->
    case maps:take(Reference, Subscriptions) of
        {{Realm, Topic, _, _}, Rest} ->
            gen_server:cast(Link, {tell, {unsubscribe, Realm, Topic}}),
            {reply, ok, State#{subscriptions := Rest}};
        error -> {reply, ok, State}
    end;
handle_call({advertise, Realm, Procedure, Handler}, _, #{link := Link, procedures := Procedures} = State) ->
    gen_server:cast(Link, {advertise, {Realm, Procedure}, Handler}),
    {reply, ok, State#{procedures := Procedures#{{Realm, Procedure} => Handler}}};
handle_call({unadvertise, Realm, Procedure}, _, #{link := Link, procedures := Procedures} = State) ->
    gen_server:cast(Link, {tell, {unadvertise, Realm, Procedure}}),
    {reply, ok, State#{procedures := maps:remove({Realm, Procedure}, Procedures)}};

%%% ---- the link ---------------------------------------------------------------------------

handle_call(healthy, _, #{welcome := Welcome} = State) -> {reply, Welcome, State};
handle_call({publish, _, _, _, _}, _, #{welcome := false} = State) -> {reply, {error, {transient, no_healthy_station}}, State};
handle_call({publish, Realm, Topic, Payload, Number}, _, #{public := Public} = State) ->
    Wedged = is_binary(Payload) andalso byte_size(Payload) >= ?WEDGES,
    Next = if Wedged -> State#{wedged := true}; true -> tell({publish, Realm, Topic, Payload, Public, Number}, State) end,
    {reply, ok, Next};
handle_call({ask, _}, _, #{welcome := false} = State) -> {reply, {error, no_healthy_station}, State};
handle_call({ask, Question}, From, #{asked := Asked} = State) ->
    Reference = make_ref(),
    {noreply, tell({ask, Reference, Question}, State#{asked := Asked#{Reference => From}})}.

reply_later(From, Fun) ->
    spawn(fun() -> gen_server:reply(From, try Fun() catch exit:_ -> {error, {transient, no_healthy_station}} end) end).

handle_cast({tell, What}, State) -> {noreply, tell(What, State)};
handle_cast({advertise, Name, Handler}, #{procedures := Procedures} = State) ->
    {Realm, Procedure} = Name,
    {noreply, tell({advertise, Realm, Procedure}, State#{procedures := Procedures#{Name => Handler}})}.

tell(_, #{socket := none} = State) -> State;
tell(_, #{wedged := true} = State) -> State;
tell(What, #{socket := Socket} = State) ->
    _ = gen_tcp:send(Socket, term_to_binary(What)),
    State.

handle_info({dial, Address, Port}, #{public := Public} = State) ->
    case gen_tcp:connect(Address, Port, [binary, {packet, 4}, {active, true}, {nodelay, true}], 1000) of
        {ok, Socket} -> {noreply, tell({hello, Public}, State#{socket := Socket})};
        {error, _} -> {stop, normal, State}
    end;
handle_info({tcp, _, Bytes}, State) -> heard(binary_to_term(Bytes), State);
%% Over QUIC, nothing says that the other end is gone.
handle_info({tcp_closed, _}, State) ->
    erlang:send_after(3 * liveness_ms(), self(), lost),
    {noreply, State};
handle_info(lost, State) -> {stop, normal, State};
handle_info({gave, Link, welcome}, #{link := Link, subscriptions := Subscriptions, procedures := Procedures} = State) ->
    _ = [gen_server:cast(Link, {tell, {subscribe, Realm, Topic}}) || {Realm, Topic, _, _} <- maps:values(Subscriptions)],
    _ = [gen_server:cast(Link, {advertise, Name, Handler}) || {Name, Handler} <- maps:to_list(Procedures)],
    {noreply, State};
handle_info({gave, Link, {event, Realm, Topic, Payload, Public, Number}}, #{link := Link, subscriptions := Subscriptions} = State) ->
    _ = [deliver(Delivery, Subscriber, {macula_event, Reference, Topic, Payload, #{realm => Realm, publisher => Public, seq => Number}})
         || {Reference, {R, T, Subscriber, Delivery}} <- maps:to_list(Subscriptions), R =:= Realm, T =:= Topic],
    {noreply, State};
handle_info({'EXIT', Link, _}, #{link := Link} = State) ->
    erlang:send_after(1000, self(), dial),
    {noreply, State};
handle_info(dial, State) -> {noreply, dial(State)};
handle_info(_, State) -> {noreply, State}.

deliver(as_arrives, Subscriber, Event) -> Subscriber ! Event;
deliver(_, Subscriber, Event) -> [erlang:send_after(380, Subscriber, Event) || rand:uniform(4) > 1].

liveness_ms() -> application:get_env(macula, liveness_interval_ms, 30000).

heard(_, #{wedged := true} = State) -> {noreply, State};
heard(welcome, #{link_of := Pool} = State) ->
    Pool ! {gave, self(), welcome},
    {noreply, State#{welcome := true}};
heard({event, _, _, _, _, _} = Event, #{link_of := Pool} = State) ->
    Pool ! {gave, self(), Event},
    {noreply, State};
heard({answer, Reference, Answer}, #{asked := Asked} = State) ->
    case maps:take(Reference, Asked) of
        {From, Rest} ->
            gen_server:reply(From, Answer),
            {noreply, State#{asked := Rest}};
        error -> {noreply, State}
    end;
heard({call, Reference, Realm, Procedure, Payload}, #{procedures := Procedures} = State) ->
    #{{Realm, Procedure} := Handler} = Procedures,
    Answer = try Handler(Payload) of
                 {ok, Value} -> {ok, wire(Value)};
                 {error, Reason} when is_binary(Reason) -> {error, Reason}
             catch _:_ -> {error, {call_error, 2, temporary_relay_failure}}
             end,
    {noreply, tell({answered, Reference, Answer}, State)}.
