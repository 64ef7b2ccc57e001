%% @private
%% The process of one connection to Macula. It owns the pool, and keeps the subscriptions and
%% records that each new pool needs again. It is linked to its owner and to the pool.
%%
%% Its own heartbeat, when it comes back, proves that the mesh carries messages. If nothing comes
%% back over a connection, the process closes it. Greetings of other nodes prove that they can be
%% reached.
-module(cambrian_macula_connection).
-behaviour(gen_server).

-export([start/3, stop/1, ask/2, publish/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type handle() :: cambrian_macula_handle:handle().

%% How many of the newest records are published again while this node is connected.
-define(MAX_RECORDS, 256).
%% Each message begins with this version, a kind, the sender and a number that is unique per sender.
-define(VERSION, 1).
-define(MESSAGE, 0).
%% From this node to itself.
-define(PROBE, 1).
%% To all nodes: this node joins, or leaves.
-define(GREETING, 4).
-define(GOODBYE, 5).
%% The connection recognises this many messages, up to twice as many, if they arrive again.
-define(MAX_SEEN, 20000).
%% How many other senders the connection remembers: sender names cost nothing to invent.
-define(MAX_HEARD, 10000).
%% A relay learns of a subscription after it was confirmed. Messages published before that are lost.
-define(SETTLE_MS, 1000).
-define(PROBE_MS, 50).
%% After so long without a message of any other node, all others have left without a goodbye or are
%% out of reach. It is longer than relays take to notice that they lost each other, which is five
%% minutes.
-define(MISSED_MS, 600_000).
%% A seed whose link ends at once can end Macula's pool, and so the links to the other seeds. Seeds
%% without a link are left out for this time.
-define(LEFT_OUT_MS, 300_000).
%% About how many nodes, of all nodes, send a greeting within a heartbeat.
-define(GREETINGS, 4).
-define(GREETING_TOPIC, <<"cambrian/greeting">>).
-define(GOODBYE_MS, 1000).

%% @doc Starts the process, and links it to the caller only once it runs: a failed start must not
%% end the caller.
-spec start(module(), Options :: map(), Owner :: pid()) -> {ok, pid()} | {error, term()}.
start(Sdk, Options, Owner) -> gen_server:start(?MODULE, {Sdk, Options, Owner}, []).

-spec stop(handle()) -> ok.
stop(#{process := Process}) ->
    try gen_server:stop(Process)
    catch exit:_ -> ok
    end.

-spec ask(handle(), term()) -> term() | {error, disconnected}.
ask(#{process := Process}, Question) ->
    try gen_server:call(Process, Question, infinity)
    catch exit:_ -> {error, disconnected}
    end.

-spec publish(handle(), cambrian_transport:topic(), binary()) -> ok | {error, term()}.
publish(Handle, Topic, Bytes) -> publish(Handle, Topic, ?MESSAGE, Bytes).

publish(#{sdk := Sdk, realm := Realm, sender := Sender} = Handle, Topic, Kind, Bytes) ->
    Number = erlang:unique_integer([positive]),
    Message = <<?VERSION, Kind, Sender/binary, Number:64, Bytes/binary>>,
    Publish = fun(Pool) -> Sdk:publish(Pool, Realm, Topic, Message) end,
    cambrian_macula_handle:with_pool(Handle, Publish).

%%% ---- the process ------------------------------------------------------------------------

init({Sdk, #{realm := Name, identity := Identity} = Options, Owner}) ->
    process_flag(trap_exit, true),
    Key = Sdk:key([<<"cambrian macula">>, Name, 0, Identity()]),
    Address = cambrian_text:hex(Sdk:public(Key)),
    Handle = #{process => self(), table => ets:new(?MODULE, [public, {read_concurrency, true}]),
               sdk => Sdk, realm => Sdk:realm(Name), address => Address,
               sender => crypto:strong_rand_bytes(8), handlers => atomics:new(1, []),
               transfers => atomics:new(1, [])},
    State = #{handle => Handle, owner => Owner, key => fun() -> Key end, options => Options,
              pool => none, joining => [], topics => #{}, probed => #{}, records => [],
              seen => {#{}, #{}}, heard => {#{}, #{}}, linked => [], proving => [],
              heartbeat => <<"cambrian/heartbeat/", Address/binary>>, echo => never,
              others => never, ended => never, opened => now_ms(), renewed => 0},
    self() ! beat,
    every(forget, 60000),
    every(republish, max(1, maps:get(record_ttl_ms, Options) div 3)),
    link(Owner),
    {ok, open(State)}.

every(Message, Ms) ->
    {ok, _} = timer:send_interval(Ms, Message),
    ok.

now_ms() -> erlang:monotonic_time(millisecond).

open(#{handle := #{sdk := Sdk, table := Table, realm := Realm, address := Address} = Handle,
       key := Key, options := Options} = State) ->
    case Sdk:connect(seeds(State), Key(), Options) of
        {ok, Pool} ->
            ets:insert(Table, {pool, Pool}),
            _ = Sdk:advertise(Pool, Realm, cambrian_macula_call:procedure(Address),
                              fun(Bytes) -> cambrian_macula_call:receive_call(Handle, Bytes) end),
            subscribe_again(State#{pool := Pool, opened := now_ms()});
        {error, _} ->
            reopen_later(State)
    end.

seeds(#{ended := never, options := #{seeds := Seeds}}) -> Seeds;
seeds(#{linked := [], options := #{seeds := Seeds}}) -> Seeds;
seeds(#{linked := Linked}) -> Linked.

reopen_later(#{handle := #{table := Table}, renewed := Renewed} = State) ->
    ets:delete(Table, pool),
    _ = erlang:send_after(1000, self(), open),
    State#{pool := none, renewed := Renewed + 1}.

subscribe_again(#{topics := Topics, heartbeat := Heartbeat} = State) ->
    Own = [Heartbeat, ?GREETING_TOPIC],
    State#{topics := maps:from_list([{Topic, subscribe(Topic, State)}
                                     || Topic <- Own ++ maps:keys(maps:without(Own, Topics))])}.

subscribe(_, #{pool := none}) -> none;
subscribe(Topic, #{handle := #{sdk := Sdk, realm := Realm}, pool := Pool}) ->
    case Sdk:subscribe(Pool, Realm, Topic) of
        {ok, Reference} -> Reference;
        {error, _} -> none
    end.

handle_call({join, Ms}, From, #{joining := Joining} = State) ->
    _ = erlang:send_after(Ms, self(), join),
    {noreply, State#{joining := [From | Joining]}};
handle_call({subscribe, Topic}, From, #{topics := Topics, probed := Probed} = State) ->
    _ = erlang:send_after(?SETTLE_MS, self(), {settle, Topic}),
    self() ! {probe, Topic},
    Reference = case Topics of
                    #{Topic := Known} -> Known;
                    #{} -> subscribe(Topic, State)
                end,
    {noreply, State#{topics := Topics#{Topic => Reference},
                     probed := Probed#{Topic => [From | maps:get(Topic, Probed, [])]}}};
handle_call({unsubscribe, Topic}, _,
            #{handle := #{sdk := Sdk}, topics := Topics, pool := Pool} = State) ->
    _ = case Topics of
            #{Topic := Reference} when is_reference(Reference), is_pid(Pool) ->
                Sdk:unsubscribe(Pool, Reference);
            #{} -> ok
        end,
    {reply, ok, answer_subscribers(Topic, State#{topics := maps:remove(Topic, Topics)})};
handle_call({record, Row}, _, #{records := Records, options := #{record_ttl_ms := Ttl}} = State) ->
    {reply, {record, record(Row, Ttl, State)},
     State#{records := lists:sublist([Row | lists:delete(Row, Records)], ?MAX_RECORDS)}};
handle_call(prove, _, #{pool := none} = State) -> {reply, {error, disconnected}, State};
handle_call(prove, From, #{heartbeat := Heartbeat, proving := Proving} = State) ->
    #{options := #{heartbeat_ms := Ms}} = State,
    probe(Heartbeat, State),
    _ = erlang:send_after(3 * Ms, self(), {unproved, From}),
    {noreply, State#{proving := [From | Proving]}};
handle_call(status, _, #{echo := Echo, others := Others, renewed := Renewed} = State) ->
    Status = #{connected => is_connected(State), peers => unknown, heard => heard(State),
               renewed => Renewed, silent_ms => ms_since(Echo),
               others_silent_ms => ms_since(Others)},
    {reply, Status, State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

heard(#{heard := {New, Old}}) -> map_size(maps:merge(Old, New)).

ms_since(never) -> never;
ms_since(Time) -> now_ms() - Time.

record({Type, Subject, Value}, Ttl, #{handle := #{sdk := Sdk}, key := Key}) ->
    Sdk:sign(Type, Subject, <<Subject/binary, Value/binary>>, Ttl, Key()).

handle_cast(_, State) -> {noreply, State}.

handle_info({macula_event, Reference, Topic, Bytes, _}, #{topics := Topics} = State) ->
    case {Topics, Bytes} of
        {#{Topic := Reference}, <<?VERSION, Kind, Sender:8/binary, Number:64, Message/binary>>} ->
            {noreply, receive_message(Kind, {Sender, Number}, Topic, Message, State)};
        _ -> {noreply, State}
    end;
handle_info(beat, State) -> {noreply, beat(with_all_seeds(close_if_silent(State)))};
handle_info(join, State) -> {noreply, answer_joins(State)};
handle_info({probe, Topic}, #{probed := Probed} = State) ->
    _ = [begin
             probe(Topic, State),
             erlang:send_after(?PROBE_MS, self(), {probe, Topic})
         end || is_map_key(Topic, Probed)],
    {noreply, State};
handle_info({settle, Topic}, State) -> {noreply, answer_subscribers(Topic, State)};
handle_info({unproved, From}, #{proving := Proving} = State) ->
    _ = [gen_server:reply(From, {error, disconnected}) || lists:member(From, Proving)],
    {noreply, State#{proving := lists:delete(From, Proving)}};
handle_info(open, #{pool := none} = State) -> {noreply, open(State)};
handle_info({linked, Pool, Linked}, #{pool := Pool} = State) -> {noreply, State#{linked := Linked}};
handle_info({'EXIT', Pool, _}, #{pool := Pool} = State) ->
    {noreply, reopen_later(State#{ended := now_ms()})};
handle_info({'EXIT', Owner, _}, #{owner := Owner} = State) -> {stop, normal, State};
handle_info(forget, #{heard := {New, _}} = State) -> {noreply, State#{heard := {#{}, New}}};
handle_info(republish, State) -> {noreply, republish(State)};
handle_info(_, State) -> {noreply, State}.

%% A message of this node proves that the mesh carries its messages. A message of another node
%% proves that the other node is reachable.
receive_message(_, {Sender, _}, Heartbeat, _,
                #{handle := #{sender := Sender}, heartbeat := Heartbeat} = State) ->
    look_for_links(State),
    answer_proofs(answer_joins((republish_unless(is_alive(State), State))#{echo := now_ms()}));
receive_message(_, {Sender, _}, Topic, _, #{handle := #{sender := Sender}} = State) ->
    answer_subscribers(Topic, State);
receive_message(Kind, {Sender, _} = Id, Topic, Message, #{owner := Owner} = State) ->
    case is_new(Id, State) of
        {true, Next} when Kind =:= ?GREETING -> remember_sender(Sender, Next#{others := now_ms()});
        {true, Next} when Kind =:= ?GOODBYE -> forget_sender(Sender, Next);
        {true, Next} ->
            _ = [Owner ! {cambrian_transport, Topic, Message} || Kind =:= ?MESSAGE],
            remember_sender(Sender, Next);
        false -> State
    end.

remember_sender(Sender, #{heard := {Heard, Before}} = State) when map_size(Heard) < ?MAX_HEARD ->
    State#{heard := {Heard#{Sender => true}, Before}};
remember_sender(_, State) -> State.

%% If no other node is known, none can be missing.
forget_sender(Sender, #{heard := {Heard, Before}} = State) ->
    Left = State#{heard := {maps:remove(Sender, Heard), maps:remove(Sender, Before)}},
    case heard(Left) of
        0 -> Left#{others := never};
        _ -> Left
    end.

is_new(Id, #{seen := {New, Old}} = State) ->
    if is_map_key(Id, New); is_map_key(Id, Old) -> false;
       map_size(New) < ?MAX_SEEN -> {true, State#{seen := {New#{Id => true}, Old}}};
       true -> {true, State#{seen := {#{Id => true}, New}}}
    end.

%% Sends heartbeats more often until the first one has come back.
beat(#{heartbeat := Heartbeat, options := #{heartbeat_ms := Ms}} = State) ->
    probe(Heartbeat, State),
    _ = [send(?GREETING_TOPIC, ?GREETING, State)
         || rand:uniform() * heard(State) < ?GREETINGS, is_alive(State)],
    Pause = case is_alive(State) of true -> Ms; false -> min(Ms, 100) end,
    _ = erlang:send_after(Pause, self(), beat),
    State.

%% In a separate process: Macula may take seconds to fail.
probe(Topic, State) -> send(Topic, ?PROBE, State).

send(Topic, Kind, #{handle := Handle}) ->
    _ = spawn(fun() -> publish(Handle, Topic, Kind, <<>>) end),
    ok.

is_alive(#{echo := never}) -> false;
is_alive(#{echo := Echo, options := #{heartbeat_ms := Ms}}) -> now_ms() - Echo < 3 * Ms.

is_connected(#{others := Others, options := #{silence_ms := Ms}} = State) ->
    is_alive(State) andalso case ms_since(Others) of
                                never -> true;
                                Silent -> Silent =< Ms orelse Silent > ?MISSED_MS
                            end.

answer_proofs(#{proving := Proving} = State) ->
    _ = [gen_server:reply(From, ok) || From <- Proving],
    State#{proving := []}.

answer_joins(#{joining := Joining, handle := Handle} = State) ->
    _ = [gen_server:reply(From, Handle) || From <- Joining],
    State#{joining := []}.

answer_subscribers(Topic, #{probed := Probed} = State) ->
    _ = [gen_server:reply(From, ok) || From <- maps:get(Topic, Probed, [])],
    State#{probed := maps:remove(Topic, Probed)}.

%% The old pool must end before a new one starts: both have the same key for the relay, so one would
%% evict the other.
close_if_silent(#{pool := Pool, echo := Echo, opened := Opened,
                  options := #{silence_ms := Ms}} = State)
  when is_pid(Pool) ->
    Last = if Echo =:= never -> Opened; true -> max(Echo, Opened) end,
    case now_ms() - Last > Ms of
        true ->
            _ = close(State),
            reopen_later(State);
        false -> State
    end;
close_if_silent(State) -> State.

%% In a separate process: Macula asks each link, which may take a second.
look_for_links(#{options := #{seeds := [_]}}) -> ok;
look_for_links(#{handle := #{sdk := Sdk}, pool := Pool, options := #{seeds := Seeds} = Options}) ->
    Self = self(),
    _ = spawn(fun() -> Self ! {linked, Pool, Sdk:linked(Pool, Seeds, Options)} end),
    ok.

with_all_seeds(#{ended := Ended, pool := Pool, options := #{seeds := Seeds}} = State)
  when is_integer(Ended), is_pid(Pool) ->
    case now_ms() - Ended > ?LEFT_OUT_MS of
        true when length(Seeds) > 1 ->
            _ = close(State),
            reopen_later(State#{ended := never});
        true -> State#{ended := never};
        false -> State
    end;
with_all_seeds(State) -> State.

close(#{handle := #{sdk := Sdk}, pool := Pool}) ->
    unlink(Pool),
    _ = Sdk:close(Pool),
    exit(Pool, kill).

%% A relay that was restarted, or another relay, may lack our records.
republish_unless(true, State) -> State;
republish_unless(false, State) -> republish(State).

republish(#{records := Records, options := #{record_ttl_ms := Ttl}} = State) ->
    put_records(Records, Ttl, State),
    State.

put_records([], _, _) -> ok;
put_records(Rows, Ttl, #{handle := #{sdk := Sdk} = Handle} = State) ->
    Signed = [record(Row, Ttl, State) || Row <- Rows],
    Put = fun(Record) -> fun(Pool) -> Sdk:put_record(Pool, Record) end end,
    _ = spawn(fun() ->
                  [cambrian_macula_handle:with_pool(Handle, Put(Record)) || Record <- Signed]
              end),
    ok.

%% Withdraws the records of this node: until they expire, they would lead other nodes to an absent
%% node.
terminate(normal, #{owner := Owner} = State) ->
    unlink(Owner),
    terminate(disconnected, State);
terminate(_, #{pool := none}) -> ok;
terminate(_, State) ->
    withdraw(State),
    close(State).

withdraw(#{handle := #{sdk := Sdk, realm := Realm, address := Address} = Handle, key := Key,
           pool := Pool, records := Records}) ->
    Gone = [Sdk:sign(Type, Subject, <<>>, ?GOODBYE_MS, Key()) || {Type, Subject, _} <- Records],
    Leave = fun() ->
                _ = publish(Handle, ?GREETING_TOPIC, ?GOODBYE, <<>>),
                _ = Sdk:unadvertise(Pool, Realm, cambrian_macula_call:procedure(Address)),
                [Sdk:put_record(Pool, Record) || Record <- lists:reverse(Gone)]
            end,
    _ = cambrian_async:await(cambrian_async:start(Leave), ?GOODBYE_MS),
    ok.
