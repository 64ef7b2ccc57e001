%% A fake relay on loopback. To its links it does this:
%%
%%  - sends a publisher its own events, one event in ten late and so after others, and one in twenty
%%    twice
%%  - learns late of a subscription: events of its first 100 ms are lost
%%  - breaks a connection with more than 100 streams
%%  - drops a connection when another comes with its key
%%  - accepts connections of refused keys, and then carries nothing for them
%%  - stops without telling any link
%%
%% and if it is told to:
%%
%%  - passes on events of other relays, until they lose each other, which it does not report
%%  - has content only a while after it was put
%%  - holds back so many publications, and then sends the last one first
-module(macula_fake_relay).
-export([start/1, stop/1, url/1, node_id/1, refuse/2, corrupt/2, connections/1, evictions/1,
         most_streams/1, largest/1]).
-export([meet/2, lose/2, late/2, backwards/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-behaviour(gen_server).

-define(DEAF_MS, 100).
-define(STREAMS, 100).
-define(TRANSFER_MS, 20).

%% Starts at this port, or at any free port if it is 0.
start(Port) -> gen_server:start(?MODULE, Port, []).

stop(Relay) -> gen_server:stop(Relay).

url(Relay) -> gen_server:call(Relay, url).

node_id(Relay) -> gen_server:call(Relay, node_id).

meet(Relay, Other) -> both(Relay, Other, meet).
lose(Relay, Other) -> both(Relay, Other, lose).

both(Relay, Other, How) ->
    ok = gen_server:call(Relay, {How, Other}), ok = gen_server:call(Other, {How, Relay}).

late(Relay, Ms) -> gen_server:call(Relay, {late, Ms}).

backwards(Relay, Count) -> gen_server:call(Relay, {backwards, Count}).

refuse(Relay, Public) -> gen_server:call(Relay, {refuse, Public}).

%% Replaces the content with this SHA-256.
corrupt(Relay, Hash) -> gen_server:call(Relay, {corrupt, Hash}).

connections(Relay) -> gen_server:call(Relay, connections).

%% How many connections were dropped because another came with their key.
evictions(Relay) -> gen_server:call(Relay, evictions).

%% The largest number of streams that a connection had at a time.
most_streams(Relay) -> gen_server:call(Relay, most_streams).

%% The size of the largest publication so far, in bytes.
largest(Relay) -> gen_server:call(Relay, largest).

init(Port) ->
    {ok, Listener} =
        gen_tcp:listen(Port,
                       [binary, {packet, 4}, {active, true}, {ip, {127, 0, 0, 1}},
                        {reuseaddr, true},
                        {nodelay, true}]),
    Relay = self(),
    _ = spawn_link(fun() -> accept(Listener, Relay) end),
    {ok,
     #{listener => Listener, links => #{}, refused => [], subscriptions => #{}, procedures => #{},
       calls => #{},
       records => #{}, content => #{}, streams => #{}, most => 0, largest => 0, evictions => 0,
       peers => [], late => 0,
       backwards => 0, held => []}}.

accept(Listener, Relay) ->
    case gen_tcp:accept(Listener) of
        {ok, Socket} ->
            ok = gen_tcp:controlling_process(Socket, Relay),
            accept(Listener, Relay);
        {error, _} -> ok
    end.

handle_call(url, _, #{listener := Listener} = State) ->
    {ok, Port} = inet:port(Listener),
    {reply, <<"quic://127.0.0.1:", (integer_to_binary(Port))/binary>>, State};
handle_call(node_id, _, State) -> {reply, id(State), State};
handle_call({meet, Other}, _, #{peers := Peers} = State) ->
    {reply, ok, State#{peers := [Other | Peers]}};
handle_call({lose, Other}, _, #{peers := Peers} = State) ->
    {reply, ok, State#{peers := lists:delete(Other, Peers)}};
handle_call({late, Ms}, _, State) -> {reply, ok, State#{late := Ms}};
handle_call({backwards, Count}, _, State) -> {reply, ok, State#{backwards := Count}};
handle_call(evictions, _, #{evictions := Evictions} = State) -> {reply, Evictions, State};
handle_call({refuse, Public}, _, #{refused := Refused} = State) ->
    {reply, ok, State#{refused := [Public | Refused]}};
handle_call({corrupt, Hash}, _, #{content := Content} = State) ->
    {reply, ok,
     State#{content := maps:map(fun(_, {From, Bytes}) -> case crypto:hash(sha256, Bytes) of
                                                             Hash -> {From, <<"something else">>};
                                                             _ -> {From, Bytes}
                                                         end end, Content)}};
handle_call(connections, _, #{links := Links} = State) -> {reply, map_size(Links), State};
handle_call(most_streams, _, #{most := Most} = State) -> {reply, Most, State};
handle_call(largest, _, #{largest := Largest} = State) -> {reply, Largest, State}.

handle_cast({event, _, _, _, _, _} = Event, State) ->
    carry_to_all(Event, State),
    {noreply, State};
handle_cast(_, State) -> {noreply, State}.

id(#{listener := Listener}) ->
    {ok, Port} = inet:port(Listener),
    crypto:hash(sha256, <<"relay", Port:16>>).

handle_info({tcp, Socket, Bytes}, State) -> {noreply, heard(binary_to_term(Bytes), Socket, State)};
handle_info({tcp_closed, Socket}, State) -> {noreply, drop(Socket, State)};
handle_info({tell, Socket, What}, State) ->
    tell(Socket, What),
    {noreply, State};
handle_info({transferred, Socket, Reference, What}, #{streams := Streams} = State) ->
    {Answer, Next} = transfer(What, State),
    tell(Socket, {answer, Reference, Answer}),
    {noreply, Next#{streams := Streams#{Socket => maps:get(Socket, Streams, 1) - 1}}};
handle_info(_, State) -> {noreply, State}.

tell(Socket, What) -> _ = gen_tcp:send(Socket, term_to_binary(What)), ok.

drop(Socket, #{links := Links, subscriptions := Subscriptions, procedures := Procedures} = State) ->
    State#{links := maps:remove(Socket, Links),
           procedures := maps:filter(fun(_, S) -> S =/= Socket end, Procedures),
           subscriptions := maps:filter(fun({_, S}, _) -> S =/= Socket end, Subscriptions)}.

heard({hello, Public}, Socket,
      #{links := Links, refused := Refused, evictions := Evictions} = State) ->
    tell(Socket, {welcome, id(State)}),
    case lists:member(Public, Refused) of
        true -> State;
        false ->
            Evicted = [S || {S, P} <- maps:to_list(Links), P =:= Public],
            _ = [gen_tcp:close(S) || S <- Evicted],
            Left = lists:foldl(fun drop/2, State, Evicted),
            Left#{links := (maps:get(links, Left))#{Socket => Public},
                  evictions := Evictions + length(Evicted)}
    end;
heard(What, Socket, #{links := Links} = State) when is_map_key(Socket, Links) ->
    from(Socket, What, State);
heard(_, _, State) -> State.

from(Socket, {subscribe, Realm, Topic}, #{subscriptions := Subscriptions} = State) ->
    State#{subscriptions := maps:merge(#{{{Realm, Topic}, Socket} => now_ms()}, Subscriptions)};
from(Socket, {unsubscribe, Realm, Topic}, #{subscriptions := Subscriptions} = State) ->
    State#{subscriptions := maps:remove({{Realm, Topic}, Socket}, Subscriptions)};
from(_, {publish, Realm, Topic, Payload, Public, Number},
     #{peers := Peers, largest := Largest} = State) ->
    Event = {event, Realm, Topic, Payload, Public, Number},
    _ = [gen_server:cast(Peer, Event) || Peer <- Peers],
    (publish(Event, State))#{largest := max(Largest, byte_size(Payload))};
from(Socket, {advertise, Realm, Procedure}, #{procedures := Procedures} = State) ->
    State#{procedures := Procedures#{{Realm, Procedure} => Socket}};
from(_, {unadvertise, Realm, Procedure}, #{procedures := Procedures} = State) ->
    State#{procedures := maps:remove({Realm, Procedure}, Procedures)};
from(Socket, {ask, Reference, {call, Realm, Procedure, Payload}},
     #{procedures := Procedures, calls := Calls} = State) ->
    case Procedures of
        #{{Realm, Procedure} := To} ->
            tell(To, {call, Reference, Realm, Procedure, Payload}),
            State#{calls := Calls#{Reference => Socket}};
        _ ->
            tell(Socket, {answer, Reference, {error, {call_error, 1, unknown_next_peer}}}),
            State
    end;
from(_, {answered, Reference, Answer}, #{calls := Calls} = State) ->
    case maps:take(Reference, Calls) of
        {Caller, Rest} ->
            tell(Caller, {answer, Reference, Answer}),
            State#{calls := Rest};
        error -> State
    end;
from(Socket, {ask, Reference, {stream, What}}, #{streams := Streams, most := Most} = State) ->
    Open = maps:get(Socket, Streams, 0) + 1,
    erlang:send_after(?TRANSFER_MS, self(), {transferred, Socket, Reference, What}),
    Next = State#{streams := Streams#{Socket => Open}, most := max(Most, Open)},
    case Open > ?STREAMS of
        true ->
            gen_tcp:close(Socket),
            drop(Socket, Next);
        false -> Next
    end;
from(Socket,
     {ask, Reference, {put_record, #{type := Type, key := Public, subject_id := Subject} = Record}},
     #{records := Records} = State) ->
    case macula_record:verify(Record) of
        {ok, _} ->
            tell(Socket, {answer, Reference, {ok, ok}}),
            State#{records := Records#{{Type, Public, Subject} => Record}};
        {error, _} ->
            tell(Socket, {answer, Reference, {error, bad_signature}}),
            State
    end;
from(Socket, {ask, Reference, {find_records, Type}}, #{records := Records} = State) ->
    tell(Socket,
         {answer, Reference,
          {ok, [Record || {{T, _, _}, Record} <- maps:to_list(Records), T =:= Type]}}),
    State.

transfer({put_content, Bytes}, #{content := Content, late := Ms} = State) ->
    Id = <<1, 16#55, (crypto:hash(sha3_256, Bytes))/binary>>,
    {{ok, Id}, State#{content := Content#{Id => {now_ms() + Ms, Bytes}}}};
transfer({get_content, Id}, #{content := Content} = State) ->
    Now = now_ms(),
    case Content of
        #{Id := {From, Bytes}} when Now >= From -> {{ok, Bytes}, State};
        _ -> {{error, not_found}, State}
    end.

publish({event, _, <<"cambrian/", _/binary>>, _, _, _} = Event, State) ->
    carry_to_all(Event, State),
    State;
publish(Event, #{backwards := Count, held := Held} = State) when length(Held) + 1 < Count ->
    State#{held := [Event | Held]};
publish(Event, #{held := Held} = State) ->
    _ = [carry_to_all(Late, State) || Late <- [Event | Held]],
    State#{held := []}.

carry_to_all({event, Realm, Topic, _, _, _} = Event, #{subscriptions := Subscriptions}) ->
    Now = now_ms(),
    [carry(To, Event)
     || {{{R, T}, To}, Since} <- maps:to_list(Subscriptions), R =:= Realm, T =:= Topic,
     Now - Since > ?DEAF_MS].

carry(To, Event) ->
    case rand:uniform(20) of
        1 -> tell(To, Event), tell(To, Event);
        N when N =< 3 -> erlang:send_after(rand:uniform(20), self(), {tell, To, Event});
        _ -> tell(To, Event)
    end.

now_ms() -> erlang:monotonic_time(millisecond).
