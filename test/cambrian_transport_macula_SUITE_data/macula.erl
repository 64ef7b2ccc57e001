%% A fake of Macula for tests, with the calls that cambrian_macula_10 makes and the traps that were
%% seen in the real library. A pool and its link to macula_fake_relay are a process each.
%%
%%  - names and texts in a message have another type when they arrive
%%  - `publish' returns ok while a dead link counts as healthy, which it does for three times the
%%    liveness interval (half a minute by default); these messages are lost
%%  - by default events are put in order, which loses every fourth and delays others
%%  - handlers of calls run in the process of the link, which does nothing else meanwhile
%%  - after 16 MB in one message, a link carries nothing more and looks healthy
%%  - a publication goes to one link, the first that counts as healthy, unless `replication_factor'
%%    gives another number
%%  - `expected_node_id' holds for all seeds as an option of the pool, and for one seed in its map
%%  - a blob that is put over a dead link ends the link's process, whose report has the blob in it
%%  - with `blocking_dial_ms' in the application's environment, a process dials for so long and
%%    hears nothing meanwhile: if its pool is closed, it still connects once the relay is there, and
%%    only then learns that the pool is gone
%%  - with `fragile' in the environment, a link that ends because its relay has another key ends the
%%    pool when it is made again, as the real pool may die of a call to a link that has just ended
%%  - macula_fake_relay lists what the relay does to links
-module(macula).
-export([connect/2, close/1, status/1, links/1, publish/4, subscribe/5, unsubscribe/2, advertise/5,
         unadvertise/3, call/5]).
-export([put_record/2, find_records_by_type/2, put_content/2, get_content/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-behaviour(gen_server).

-define(WEDGES, 16 bsl 20).

connect(Seeds, #{identity := #{public := _, private := _}} = Options) ->
    gen_server:start_link(?MODULE, {pool, Seeds, Options}, []).

close(Pool) -> gen_server:stop(Pool, normal, 5000).

status(Pool) -> gen_server:call(Pool, status).

links(Pool) ->
    Links = gen_server:call(Pool, seeds),
    Healthy = healthy(maps:keys(Links)),
    {ok,
     [#{pid => Link, seed => Seed, connected => lists:member(Link, Healthy)}
      || {Link, Seed} <- maps:to_list(Links)]}.

publish(Pool, <<_:256>> = Realm, Topic, Payload) ->
    gen_server:call(Pool, {publish, Realm, Topic, wire(Payload)}).

subscribe(Pool, <<_:256>> = Realm, Topic, Subscriber, Options) ->
    gen_server:call(Pool,
                    {subscribe, Realm, Topic, Subscriber, maps:get(delivery, Options, ordered)}).

unsubscribe(Pool, Reference) -> gen_server:call(Pool, {unsubscribe, Reference}).

advertise(Pool, <<_:256>> = Realm, Procedure, Handler, #{}) ->
    gen_server:call(Pool, {advertise, Realm, Procedure, Handler}).

unadvertise(Pool, Realm, Procedure) -> gen_server:call(Pool, {unadvertise, Realm, Procedure}).

call(Pool, <<_:256>> = Realm, Procedure, Payload, Timeout) when is_integer(Timeout), Timeout > 0 ->
    ask(Pool, {call, Realm, Procedure, wire(Payload)}, Timeout).

put_record(Pool, #{payload := Payload} = Record) ->
    case ask(Pool, {put_record, Record#{payload := wire(Payload)}}, 5000) of
        {ok, ok} -> ok;
        {error, _} = Error -> Error
    end.

find_records_by_type(Pool, Type) -> ask(Pool, {find_records, Type}, 5000).

%% Each call takes one of the hundred streams of a connection.
put_content(Pool, Bytes) -> ask(Pool, {stream, {put_content, Bytes}}, 15000).
get_content(Pool, <<_:34/binary>> = Id) -> ask(Pool, {stream, {get_content, Id}}, 15000).

ask(Pool, Question, Timeout) ->
    case healthy(gen_server:call(Pool, links)) of
        [Link | _] ->
            try gen_server:call(Link, {ask, Question}, Timeout)
            catch exit:{timeout, _} -> {error, timeout};
                  exit:_ -> {error, {disconnected, link}}
            end;
        [] -> {error, no_healthy_station}
    end.

healthy(Links) ->
    [Link || Link <- Links, try gen_server:call(Link, healthy) catch exit:_ -> false end].

%% The term after encoding to CBOR and back, which has no tuples.
wire(Map) when is_map(Map) ->
    maps:from_list([{wire_name(Name), wire(Value)} || {Name, Value} <- maps:to_list(Map)]);
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
    {ok,
     lists:foldl(fun dial/2,
                 #{pool => self(), options => Options, links => #{}, subscriptions => #{},
                   procedures => #{},
                   number => erlang:system_time(microsecond)}, Seeds)};
init({link, Pool, Seed, #{identity := #{public := Public}} = Options}) ->
    process_flag(trap_exit, true),
    self() ! dial,
    {ok,
     #{link_of => Pool, public => Public,
       seed => maps:merge(seed(Seed), maps:with([expected_node_id], Options)), socket => none,
       dialling => none, dead => false, welcome => false, asked => #{}, procedures => #{},
       wedged => false}}.

seed(#{host := Host, port := _} = Seed) ->
    {ok, Address} = inet:parse_address(binary_to_list(Host)),
    Seed#{host := Address};
seed(Url) ->
    #{host := Host, port := Port} = uri_string:parse(Url),
    seed(#{host => Host, port => Port}).

dial(Seed, #{pool := Pool, options := Options, links := Links} = State) ->
    {ok, Link} = gen_server:start_link(?MODULE, {link, Pool, Seed, Options}, []),
    State#{links := Links#{Link => Seed}}.

tell_all(What, #{links := Links}) -> [gen_server:cast(Link, What) || Link <- maps:keys(Links)].

%%% ---- the pool ---------------------------------------------------------------------------

handle_call(links, _, #{links := Links} = State) -> {reply, lists:sort(maps:keys(Links)), State};
handle_call(seeds, _, #{links := Links} = State) -> {reply, Links, State};
handle_call(status, From, #{links := Links} = State) ->
    reply_later(From, fun() -> {ok, #{healthy_links => length(healthy(maps:keys(Links)))}} end),
    {noreply, State};
handle_call({publish, Realm, Topic, Payload}, From,
            #{links := Links, options := Options, number := Number} = State) ->
    Most = maps:get(replication_factor, Options, 1),
    reply_later(From, fun() ->
                          case lists:sublist(healthy(lists:sort(maps:keys(Links))), Most) of
                              [] -> {error, {transient, no_healthy_station}};
                              Some ->
                                  hd([gen_server:call(Link,
                                                      {publish, Realm, Topic, Payload, Number})
                                      || Link <- Some])
                          end
                      end),
    {noreply, State#{number := Number + 1}};
handle_call({subscribe, Realm, Topic, Subscriber, Delivery}, _,
            #{subscriptions := Subscriptions} = State) ->
    Reference = make_ref(),
    tell_all({tell, {subscribe, Realm, Topic}}, State),
    {reply, {ok, Reference},
     State#{subscriptions := Subscriptions#{Reference => {Realm, Topic, Subscriber, Delivery}}}};
handle_call({unsubscribe, Reference}, _, #{subscriptions := Subscriptions} = State) ->
    case maps:take(Reference, Subscriptions) of
        {{Realm, Topic, _, _}, Rest} ->
            tell_all({tell, {unsubscribe, Realm, Topic}}, State),
            {reply, ok, State#{subscriptions := Rest}};
        error -> {reply, ok, State}
    end;
handle_call({advertise, Realm, Procedure, Handler}, _, #{procedures := Procedures} = State) ->
    tell_all({advertise, {Realm, Procedure}, Handler}, State),
    {reply, ok, State#{procedures := Procedures#{{Realm, Procedure} => Handler}}};
handle_call({unadvertise, Realm, Procedure}, _, #{procedures := Procedures} = State) ->
    tell_all({tell, {unadvertise, Realm, Procedure}}, State),
    {reply, ok, State#{procedures := maps:remove({Realm, Procedure}, Procedures)}};

%%% ---- the link ---------------------------------------------------------------------------

handle_call(healthy, _, #{welcome := Welcome} = State) -> {reply, Welcome, State};
handle_call({publish, _, _, _, _}, _, #{welcome := false} = State) ->
    {reply, {error, {transient, no_healthy_station}}, State};
handle_call({publish, Realm, Topic, Payload, Number}, _, #{public := Public} = State) ->
    Wedged = is_binary(Payload) andalso byte_size(Payload) >= ?WEDGES,
    Next =
        if Wedged -> State#{wedged := true};
            true -> tell({publish, Realm, Topic, Payload, Public, Number}, State)
        end,
    {reply, ok, Next};
handle_call({ask, _}, _, #{welcome := false} = State) ->
    {reply, {error, no_healthy_station}, State};
handle_call({ask, {stream, {put_content, _}} = Question}, _, #{dead := true}) ->
    exit({undeliverable, Question});
handle_call({ask, Question}, From, #{asked := Asked} = State) ->
    Reference = make_ref(),
    {noreply, tell({ask, Reference, Question}, State#{asked := Asked#{Reference => From}})}.

reply_later(From, Fun) ->
    spawn(fun() ->
        gen_server:reply(From,
                         try Fun() catch exit:_ -> {error, {transient, no_healthy_station}} end)
    end).

handle_cast({tell, What}, State) -> {noreply, tell(What, State)};
handle_cast({advertise, Name, Handler}, #{procedures := Procedures} = State) ->
    {Realm, Procedure} = Name,
    {noreply,
     tell({advertise, Realm, Procedure}, State#{procedures := Procedures#{Name => Handler}})}.

tell(_, #{socket := none} = State) -> State;
tell(_, #{wedged := true} = State) -> State;
tell(What, #{socket := Socket} = State) ->
    _ = gen_tcp:send(Socket, term_to_binary(What)),
    State.

handle_info(dial,
            #{link_of := _, seed := #{host := Address, port := Port}, public := Public} = State) ->
    Link = self(),
    Until = now_ms() + application:get_env(macula, blocking_dial_ms, 0),
    {noreply,
     State#{dialling := spawn_link(fun() -> connect(Link, Address, Port, Public, 100, Until) end)}};
handle_info({dialled, Socket}, State) -> {noreply, State#{socket := Socket}};
handle_info(not_dialled, #{link_of := _} = State) -> {stop, normal, State};
handle_info({tcp, _, Bytes}, State) -> heard(binary_to_term(Bytes), State);
%% Over QUIC a link does not notice that the other end is gone.
handle_info({tcp_closed, _}, State) ->
    erlang:send_after(3 * liveness_ms(), self(), lost),
    {noreply, State#{dead := true}};
handle_info(lost, State) -> {stop, normal, State};
handle_info({gave, Link, welcome},
            #{links := Links, subscriptions := Subscriptions, procedures := Procedures} = State)
  when is_map_key(Link, Links) ->
    _ = [gen_server:cast(Link, {tell, {subscribe, Realm, Topic}})
         || {Realm, Topic, _, _} <- maps:values(Subscriptions)],
    _ = [gen_server:cast(Link, {advertise, Name, Handler})
         || {Name, Handler} <- maps:to_list(Procedures)],
    {noreply, State};
handle_info({gave, Link, {event, Realm, Topic, Payload, Public, Number}},
            #{links := Links, subscriptions := Subscriptions} = State)
  when is_map_key(Link, Links) ->
    _ = [deliver(Delivery, Subscriber,
                 {macula_event, Reference, Topic, Payload,
                  #{realm => Realm, publisher => Public, seq => Number}})
         || {Reference, {R, T, Subscriber, Delivery}} <- maps:to_list(Subscriptions), R =:= Realm,
         T =:= Topic],
    {noreply, State};
handle_info({'EXIT', Link, Why}, #{links := Links} = State) when is_map_key(Link, Links) ->
    {Seed, Left} = maps:take(Link, Links),
    erlang:send_after(1000, self(), {dial, Seed, Why}),
    {noreply, State#{links := Left}};
handle_info({dial, Seed, Why}, State) ->
    Why =:= wrong_key andalso application:get_env(macula, fragile, false) andalso
        exit({noproc, {gen_server, call, [link, subscribe]}}),
    {noreply, dial(Seed, State)};
handle_info(_, State) -> {noreply, State}.

deliver(as_arrives, Subscriber, Event) -> Subscriber ! Event;
deliver(_, Subscriber, Event) -> [erlang:send_after(380, Subscriber, Event) || rand:uniform(4) > 1].

%% A process that dials cannot be interrupted, so it learns too late that its pool was closed.
terminate(_, #{dialling := Process}) when is_pid(Process) -> Process ! close;
terminate(_, _) -> ok.

%% Tries again after a pause that doubles, as QUIC does.
connect(Link, Address, Port, Public, Pause, Until) ->
    case gen_tcp:connect(Address, Port, [binary, {packet, 4}, {active, false}, {nodelay, true}],
                         1000) of
        {ok, Socket} ->
            ok = gen_tcp:send(Socket, term_to_binary({hello, Public})),
            receive close -> ok
            after 0 ->
                _ = gen_tcp:controlling_process(Socket, Link),
                Link ! {dialled, Socket},
                inet:setopts(Socket, [{active, true}])
            end;
        {error, _} ->
            case now_ms() < Until of
                true -> timer:sleep(Pause),
                connect(Link, Address, Port, Public, min(2 * Pause, 2000), Until);
                false -> Link ! not_dialled
            end
    end.

now_ms() -> erlang:monotonic_time(millisecond).

liveness_ms() -> application:get_env(macula, liveness_interval_ms, 30000).

heard(_, #{wedged := true} = State) -> {noreply, State};
heard({welcome, Id}, #{seed := #{expected_node_id := Other}} = State) when Id =/= Other ->
    {stop, wrong_key, State};
heard({welcome, _}, #{link_of := Pool} = State) ->
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
