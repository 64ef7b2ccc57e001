%% @doc Macula as a mesh: nodes behind routers and firewalls that dial out to relays. It is no dependency of
%% Cambrian: a program that wants it lists it among its own. See `docs/macula.md'.
%%
%% ```
%% 1> cambrian_transport_macula:connect(#{realm => <<"org.example.lab">>, seeds => [<<"quic://127.0.0.1:4433">>]}).
%% {error,{transport_unavailable,macula}}
%% '''
%%
%% What Macula is trusted with: to carry bytes, sometimes. Whether it does is known from messages to ourselves, which
%% take the same way as all others; its own status is not asked. A connection over which nothing comes back is
%% closed and made anew. Whether other nodes can be heard too is known from their greetings: relays can lose each other
%% while each serves its own nodes.
%%
%% A call is two: the first hands over the question and is answered at once, as Macula runs nothing else on
%% the link meanwhile; the answer comes with a call in the other direction.
-module(cambrian_transport_macula).
-behaviour(cambrian_transport).
-behaviour(gen_server).

-export([connect/1, disconnect/1, address/1, publish/3, subscribe/2, unsubscribe/2, serve/3, call/5]).
-export([announce/2, find/2, send/2, fetch/3, status/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

%% Blobs on the way: each is a stream or a few of the 100 that a connection has, and it breaks with more.
-define(MAX_TRANSFERS, 10).
%% Records are put again while we are connected: the newest.
-define(MAX_RECORDS, 256).
%% Types of our records: of who has what a key names, and of which content of Macula's a hash is. A search
%% fetches all of a type, so there are 16 of each, and the first bits of the key say which.
-define(HOLDER, 16#c0).
-define(CONTENT, 16#d0).
%% In front of each message: this version, what it is, who sends it and a number of its own.
-define(VERSION, 1).
-define(MESSAGE, 0).
-define(PROBE, 1).
%% To all, that somebody is here, or is no more.
-define(GREETING, 4).
-define(GOODBYE, 5).
%% What is called is one of these.
-define(QUESTION, 2).
-define(ANSWER, 3).
%% As many messages, and as many before these, are known again when they come twice.
-define(MAX_SEEN, 20000).
%% Of so many others it is known that something came: names of senders cost them nothing.
-define(MAX_HEARD, 10000).
%% A relay hears of a subscription after it was answered; what is published before that is lost.
-define(SETTLE_MS, 1000).
-define(PROBE_MS, 50).
%% Questions and answers are taken at once, or by nobody.
-define(TAKEN_MS, 4000).
%% Where nobody else says anything, somebody has left without a goodbye, or is out of reach: longer than relays take to
%% notice that they lost each other, which is five minutes.
-define(MISSED_MS, 600_000).
%% A seed whose link ends at once can end Macula's pool, and so the links to the others. Those without a link are left out
%% for so long.
-define(LEFT_OUT_MS, 300_000).
%% In a beat, about so many of all nodes greet.
-define(GREETINGS, 4).
-define(GREET, <<"cambrian/greeting">>).
%% For so long, content that was sent a moment ago cannot be fetched yet.
-define(EARLY_MS, 2000).
-define(GOODBYE_MS, 1000).

-opaque handle() :: #{process := pid(), table := ets:table(), sdk := module(), realm := binary(), address := binary(),
                      sender := binary(), handlers := atomics:atomics_ref(), transfers := atomics:atomics_ref()}.
%% In the table: the pool that is used just now, the handlers, and who waits for which answer.

-export_type([handle/0]).

%% @doc Joins a realm by the relays at `seeds'. Waits until a message of our own came back, though no longer than
%% `connect_ms': a node that starts before its relay joins when the relay is there.
-spec connect(map()) -> {ok, handle()} | {error, {transport_unavailable, macula} | {unsupported_version, macula, binary()}
                                                 | {missing_options, [atom()]} | cambrian_options:error() | term()}.
connect(Options) ->
    case sdk() of
        {ok, Sdk} -> connect(Sdk, Options);
        {error, _} = Error -> Error
    end.

%% By the version of what is installed.
sdk() ->
    _ = application:load(macula),
    case application:get_key(macula, vsn) of
        undefined -> {error, {transport_unavailable, macula}};
        {ok, "10." ++ _} -> {ok, cambrian_macula_10};
        {ok, Version} -> {error, {unsupported_version, macula, list_to_binary(Version)}}
    end.

connect(Sdk, Options) ->
    case cambrian_options:check(Options, options(), <<"cambrian_transport_macula:connect/1">>) of
        {ok, #{realm := _, seeds := _, liveness_interval_ms := LivenessMs} = Checked} ->
            case Sdk:start(LivenessMs) of
                ok -> start(Sdk, Checked);
                {error, _} = Error -> Error
            end;
        {ok, Checked} -> {error, {missing_options, [realm, seeds] -- maps:keys(Checked)}};
        {error, _} = Error -> Error
    end.

options() ->
    Ms = fun cambrian_options:is_positive/1,
    #{seeds => {fun is_seeds/1, <<"a list of different relays such as <<\"quic://relay.example.org:4433\">> or "
                                  "#{url => <<\"quic://relay.example.org:4433\">>, node_id => <<32 bytes>>}">>},
      realm => {fun(Realm) -> is_binary(Realm) andalso Realm =/= <<>> end, <<"the name of a realm, a binary">>},
      identity => {fun(Fun) -> is_function(Fun, 0) end, <<"a fun that gives 32 secret bytes">>,
                   random_identity()},
      expected_node_id => {fun is_key/1, <<"the 32 bytes of the relay's key">>},
      verify => {fun(Verify) -> lists:member(Verify, [webpki, none]) end, <<"webpki or none">>},
      connect_ms => {fun cambrian_options:is_count/1, <<"milliseconds">>, 5000},
      heartbeat_ms => {Ms, <<"milliseconds, more than 0">>, 1000},
      silence_ms => {Ms, <<"milliseconds, more than 0">>, 10000},
      record_ttl_ms => {Ms, <<"milliseconds, more than 0">>, 600000},
      liveness_interval_ms => {Ms, <<"milliseconds, more than 0">>, 1000}}.

%% No relay twice: it knows us by one key, and the second link would evict the first.
is_seeds(Seeds) ->
    try
        Seeds =/= [] andalso lists:all(fun is_seed/1, Seeds)
            andalso length(lists:usort([url(Seed) || Seed <- Seeds])) =:= length(Seeds)
    catch error:_ -> false
    end.

is_seed(#{url := Url, node_id := Id} = Seed) when map_size(Seed) =:= 2 -> is_url(Url) andalso is_key(Id);
is_seed(Url) -> is_url(Url).

url(#{url := Url}) -> Url;
url(Url) -> Url.

is_url(Url) ->
    is_binary(Url) andalso case uri_string:parse(Url) of
                               #{host := Host, port := Port} -> Host =/= <<>> andalso is_integer(Port);
                               #{scheme := <<"https">>, host := Host} -> Host =/= <<>>;
                               _ -> false
                           end.

is_key(Key) -> is_binary(Key) andalso byte_size(Key) =:= 32.

random_identity() ->
    Secret = crypto:strong_rand_bytes(32),
    fun() -> Secret end.

%% Linked once all is well: one that fails to start must not take its owner along.
start(Sdk, #{connect_ms := Ms} = Options) ->
    case gen_server:start(?MODULE, {Sdk, Options, self()}, []) of
        {ok, Process} -> {ok, gen_server:call(Process, {join, Ms}, infinity)};
        {error, _} = Error -> Error
    end.

-spec disconnect(handle()) -> ok.
disconnect(#{process := Process}) ->
    try gen_server:stop(Process)
    catch exit:_ -> ok
    end.

%% @doc The key that Macula knows this connection by, in hexadecimal digits: derived from the node's secret and the
%% realm, as a relay lets a key connect only once.
-spec address(handle()) -> cambrian_transport:address().
address(#{address := Address}) -> Address.

-spec publish(handle(), cambrian_transport:topic(), binary()) -> ok | {error, term()}.
publish(Handle, Topic, Bytes) ->
    case fits(Bytes) of
        true -> publish(Handle, Topic, ?MESSAGE, Bytes);
        false -> {error, too_large}
    end.

fits(Bytes) -> byte_size(Bytes) =< cambrian_transport:max_message().

publish(#{sdk := Sdk, realm := Realm, sender := Sender} = Handle, Topic, Kind, Bytes) ->
    Number = erlang:unique_integer([positive]),
    with_pool(Handle, fun(Pool) ->
                          Sdk:publish(Pool, Realm, Topic, <<?VERSION, Kind, Sender/binary, Number:64, Bytes/binary>>)
                      end).

%% @doc Returns when a message to the topic has come back to us, or after a second: before that, Macula loses what
%% others publish.
-spec subscribe(handle(), cambrian_transport:topic()) -> ok | {error, term()}.
subscribe(Handle, Topic) -> ask(Handle, {subscribe, Topic}).

-spec unsubscribe(handle(), cambrian_transport:topic()) -> ok.
unsubscribe(Handle, Topic) ->
    _ = ask(Handle, {unsubscribe, Topic}),
    ok.

-spec serve(handle(), cambrian_transport:procedure(), cambrian_transport:handler()) -> ok | {error, term()}.
serve(#{table := Table}, Procedure, Fun) ->
    try ets:insert(Table, {{procedure, Procedure}, Fun}) of
        true -> ok
    catch error:badarg -> {error, disconnected}
    end.

-spec call(handle(), cambrian_transport:address(), cambrian_transport:procedure(), binary(), timeout()) ->
    {ok, binary()} | {error, term()}.
call(#{table := Table} = Handle, To, Procedure, Bytes, Timeout) ->
    Reference = crypto:strong_rand_bytes(16),
    Alias = alias(),
    try fits(Bytes) andalso ets:insert(Table, {{asked, Reference}, Alias}) of
        true ->
            try question(Handle, To, Procedure, Reference, Bytes, deadline(Timeout), Alias)
            after forget(Table, {asked, Reference})
            end;
        false -> {error, too_large}
    catch
        error:badarg -> {error, disconnected}
    after
        unalias(Alias),
        receive {Alias, _} -> ok after 0 -> ok end
    end.

question(#{address := From} = Handle, To, Procedure, Reference, Bytes, Deadline, Alias) ->
    Question = <<?QUESTION, Reference/binary, (ms_until(Deadline, 16#ffffffff)):32, (byte_size(From)), From/binary,
                 (byte_size(Procedure)), Procedure/binary, Bytes/binary>>,
    case hand_over(Handle, To, Question, ms_until(Deadline, ?TAKEN_MS)) of
        {ok, <<"started">>} ->
            receive {Alias, Answer} -> read_answer(Answer)
            after left(Deadline) -> {error, timeout}
            end;
        {ok, Refusal} -> {error, read_refusal(Refusal)};
        {error, {call_error, _, _}} -> {error, gone};
        {error, timeout} -> {error, case left(Deadline) of 0 -> timeout; _ -> gone end};
        {error, _} = Error -> Error
    end.

%% Each node has one procedure of Macula's, by which it gets questions and answers.
hand_over(#{sdk := Sdk, realm := Realm} = Handle, To, Bytes, Ms) ->
    with_pool(Handle, fun(Pool) -> Sdk:call(Pool, Realm, procedure(To), Bytes, Ms) end).

procedure(Address) -> <<"cambrian/", Address/binary>>.

%% In Macula's process, so no more than to hand it on. The caller only says from where it calls: nobody vouches for that.
handed_over(Handle, <<?QUESTION, Reference:16/binary, Ms:32, L, From:L/binary, P, Procedure:P/binary, Bytes/binary>>) ->
    asked(Handle, Procedure, From, Reference, Ms, Bytes);
handed_over(Handle, <<?ANSWER, Reference:16/binary, Answer/binary>>) ->
    answered(Handle, Reference, Answer);
handed_over(_, _) -> <<"malformed">>.

asked(#{table := Table, handlers := Handlers} = Handle, Procedure, From, Reference, Ms, Bytes) ->
    case {lookup(Table, {procedure, Procedure}), enter(Handlers, cambrian_transport:max_handlers())} of
        {{ok, Fun}, true} ->
            _ = spawn(fun() -> answer(Handle, From, Reference, Ms, fun() -> Fun(Bytes, unknown) end) end),
            <<"started">>;
        {{ok, _}, false} -> <<"busy">>;
        {error, Entered} ->
            _ = [leave(Handlers) || Entered],
            <<"unknown">>
    end.

answer(#{handlers := Handlers} = Handle, To, Reference, Ms, Fun) ->
    Answer = answer_of(cambrian_async:await(cambrian_async:start(Fun), Ms)),
    leave(Handlers),
    hand_over(Handle, To, <<?ANSWER, Reference/binary, Answer/binary>>, ?TAKEN_MS).

answer_of({ok, busy}) -> <<"b">>;
answer_of({ok, Answer}) when is_binary(Answer) ->
    case fits(Answer) of
        true -> <<"a", Answer/binary>>;
        false -> <<"l">>
    end;
answer_of(timeout) -> <<"t">>;
answer_of(_) -> <<"c">>.

read_answer(<<"a", Answer/binary>>) -> {ok, Answer};
read_answer(<<"l">>) -> {error, too_large};
read_answer(<<"b">>) -> {error, busy};
read_answer(<<"t">>) -> {error, timeout};
read_answer(<<"c">>) -> {error, crashed};
read_answer(_) -> {error, malformed}.

read_refusal(<<"busy">>) -> busy;
read_refusal(<<"unknown">>) -> unknown_procedure;
read_refusal(_) -> malformed.

answered(#{table := Table}, Reference, Answer) ->
    case lookup(Table, {asked, Reference}) of
        {ok, Alias} ->
            Alias ! {Alias, Answer},
            <<"taken">>;
        error -> <<"late">>
    end.

lookup(Table, Key) ->
    try ets:lookup(Table, Key) of
        [{_, Value}] -> {ok, Value};
        [] -> error
    catch error:badarg -> error
    end.

%% The table ends with the connection.
forget(Table, Key) ->
    try ets:delete(Table, Key)
    catch error:badarg -> true
    end.

enter(Count, Most) -> atomics:add_get(Count, 1, 1) =< Most orelse begin leave(Count), false end.

leave(Count) -> atomics:sub(Count, 1, 1).

deadline(infinity) -> infinity;
deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

left(infinity) -> infinity;
left(Deadline) -> max(0, Deadline - erlang:monotonic_time(millisecond)).

%% Macula wants at least one, and no infinity.
ms_until(Deadline, Most) -> max(1, min(Most, left(Deadline))).

-spec announce(handle(), binary()) -> ok | {error, term()}.
announce(#{realm := Realm} = Handle, Key) ->
    Subject = subject(Realm, Key),
    put_record(Handle, {?HOLDER, Subject, <<>>}).

%% @doc Whose records the relay has: these are its own and those that other relays handed on to it.
-spec find(handle(), binary()) -> {ok, [cambrian_transport:address()]} | {error, term()}.
find(#{sdk := Sdk, realm := Realm} = Handle, Key) ->
    Subject = subject(Realm, Key),
    case with_pool(Handle, fun(Pool) -> Sdk:records(Pool, type(?HOLDER, Subject), Subject) end) of
        {ok, Records} -> {ok, lists:usort([cambrian_text:hex(Public) || {Public, <<>>} <- Records])};
        {error, _} = Error -> Error
    end.

-spec send(handle(), binary()) -> {ok, cambrian_transport:content()} | {error, term()}.
send(#{sdk := Sdk, realm := Realm} = Handle, Blob) ->
    Content = crypto:hash(sha256, Blob),
    Subject = subject(Realm, Content),
    Put = fun(Pool) -> put_content(Sdk, Pool, Handle, Blob) end,
    case byte_size(Blob) =< cambrian_transport:max_blob() andalso transfer(Handle, infinity, Put) of
        {ok, Id} ->
            case put_record(Handle, {?CONTENT, Subject, Id}) of
                ok -> {ok, Content};
                {error, _} = Error -> Error
            end;
        {error, _} = Error -> Error;
        false -> {error, too_large}
    end.

%% Over a link that is dead, a blob would end Macula's process, which writes it into the log.
put_content(Sdk, Pool, Handle, Blob) ->
    case ask(Handle, prove) of
        ok -> Sdk:put_content(Pool, Blob);
        {error, _} = Error -> Error
    end.

%% @doc What is not known yet is asked for again for two seconds: a record takes a moment from one relay to another.
-spec fetch(handle(), cambrian_transport:content(), timeout()) -> {ok, binary()} | {error, term()}.
fetch(Handle, <<_:256>> = Content, Timeout) ->
    fetch(Handle, Content, deadline(Timeout), deadline(?EARLY_MS), 50).

fetch(Handle, Content, Deadline, Early, Pause) ->
    case fetch_once(Handle, Content, left(Deadline)) of
        {error, not_found} = Error ->
            case min(left(Deadline), left(Early)) of
                Left when Left > Pause -> timer:sleep(Pause), fetch(Handle, Content, Deadline, Early, 2 * Pause);
                _ -> Error
            end;
        Answer -> Answer
    end.

fetch_once(#{sdk := Sdk, realm := Realm} = Handle, Content, Timeout) ->
    Subject = subject(Realm, Content),
    transfer(Handle, Timeout,
             fun(Pool) ->
                 case Sdk:records(Pool, type(?CONTENT, Subject), Subject) of
                     {ok, Records} -> fetch_any(Sdk, Pool, Content, lists:usort([Id || {_, Id} <- Records]), not_found);
                     {error, _} = Error -> Error
                 end
             end).

%% Anybody can say that a hash is a content of Macula's which it is not.
fetch_any(_, _, _, [], Reason) -> {error, Reason};
fetch_any(Sdk, Pool, Content, [Id | Ids], Reason) ->
    case Sdk:get_content(Pool, Id) of
        {ok, Blob} ->
            case byte_size(Blob) =< cambrian_transport:max_blob() andalso crypto:hash(sha256, Blob) of
                Content -> {ok, Blob};
                _ -> fetch_any(Sdk, Pool, Content, Ids, corrupted)
            end;
        {error, _} -> fetch_any(Sdk, Pool, Content, Ids, Reason)
    end.

%% In a process of its own, which stays in the count for as long as Macula takes: it has timeouts, though not ours.
transfer(#{transfers := Transfers} = Handle, Timeout, Fun) ->
    Work = fun() ->
               case enter(Transfers, ?MAX_TRANSFERS) of
                   true ->
                       try with_pool(Handle, Fun)
                       after leave(Transfers)
                       end;
                   false -> {error, busy}
               end
           end,
    case cambrian_async:await(cambrian_async:start(Work), Timeout) of
        {ok, Result} -> Result;
        {error, _} -> {error, crashed};
        timeout -> {error, timeout}
    end.

%% @doc `connected' says that a message to ourselves came back lately, and that one of another node came where one is
%% known. `silent_ms' is how long ago ours did, `others_silent_ms' how long ago theirs did; `heard' is from how many others
%% something came in the last minute or two; `renewed' is how often the connection was made anew.
-spec status(handle()) -> cambrian_transport:status().
status(Handle) ->
    case ask(Handle, status) of
        #{} = Status -> Status;
        {error, _} -> #{connected => false, peers => unknown}
    end.

subject(Realm, Key) -> crypto:hash(sha256, [Realm, Key]).

type(Kind, <<Bits:4, _/bitstring>>) -> Kind + Bits.

put_record(#{sdk := Sdk} = Handle, Row) ->
    case ask(Handle, {record, Row}) of
        {record, Record} -> with_pool(Handle, fun(Pool) -> Sdk:put_record(Pool, Record) end);
        {error, _} = Error -> Error
    end.

with_pool(#{table := Table}, Fun) ->
    try ets:lookup(Table, pool) of
        [{pool, Pool}] -> Fun(Pool);
        [] -> {error, disconnected}
    catch error:badarg -> {error, disconnected}
    end.

ask(#{process := Process}, Question) ->
    try gen_server:call(Process, Question, infinity)
    catch exit:_ -> {error, disconnected}
    end.

%% The process keeps what has to be made again with a new pool: subscriptions and records. Its links are the owner
%% and the pool.

%% @private
init({Sdk, #{realm := Name, identity := Identity} = Options, Owner}) ->
    process_flag(trap_exit, true),
    Key = Sdk:key([<<"cambrian macula">>, Name, 0, Identity()]),
    Address = cambrian_text:hex(Sdk:public(Key)),
    Handle = #{process => self(), table => ets:new(?MODULE, [public, {read_concurrency, true}]), sdk => Sdk,
               realm => Sdk:realm(Name), address => Address, sender => crypto:strong_rand_bytes(8),
               handlers => atomics:new(1, []), transfers => atomics:new(1, [])},
    State = #{handle => Handle, owner => Owner, key => fun() -> Key end, options => Options, pool => none,
              joining => [], topics => #{}, probed => #{}, records => [], seen => {#{}, #{}}, heard => {#{}, #{}},
              heartbeat => <<"cambrian/heartbeat/", Address/binary>>, echo => never, others => never, proving => [],
              linked => [], ended => never,
              opened => now_ms(), renewed => 0},
    self() ! beat,
    every(forget, 60000),
    every(republish, max(1, maps:get(record_ttl_ms, Options) div 3)),
    link(Owner),
    {ok, open(State)}.

every(Message, Ms) ->
    {ok, _} = timer:send_interval(Ms, Message),
    ok.

now_ms() -> erlang:monotonic_time(millisecond).

open(#{handle := #{sdk := Sdk, table := Table, realm := Realm, address := Address} = Handle, key := Key,
       options := Options} = State) ->
    case Sdk:connect(seeds(State), Key(), Options) of
        {ok, Pool} ->
            ets:insert(Table, {pool, Pool}),
            _ = Sdk:advertise(Pool, Realm, procedure(Address), fun(Bytes) -> handed_over(Handle, Bytes) end),
            listen_again(State#{pool := Pool, opened := now_ms()});
        {error, _} ->
            open_later(State)
    end.

seeds(#{ended := never, options := #{seeds := Seeds}}) -> Seeds;
seeds(#{linked := [], options := #{seeds := Seeds}}) -> Seeds;
seeds(#{linked := Linked}) -> Linked.

open_later(#{handle := #{table := Table}, renewed := Renewed} = State) ->
    ets:delete(Table, pool),
    _ = erlang:send_after(1000, self(), open),
    State#{pool := none, renewed := Renewed + 1}.

listen_again(#{topics := Topics, heartbeat := Heartbeat} = State) ->
    Own = [Heartbeat, ?GREET],
    State#{topics := maps:from_list([{Topic, listen(Topic, State)} || Topic <- Own ++ maps:keys(maps:without(Own, Topics))])}.

listen(_, #{pool := none}) -> none;
listen(Topic, #{handle := #{sdk := Sdk, realm := Realm}, pool := Pool}) ->
    case Sdk:subscribe(Pool, Realm, Topic) of
        {ok, Reference} -> Reference;
        {error, _} -> none
    end.

%% @private
handle_call({join, Ms}, From, #{joining := Joining} = State) ->
    _ = erlang:send_after(Ms, self(), join),
    {noreply, State#{joining := [From | Joining]}};
handle_call({subscribe, Topic}, From, #{topics := Topics, probed := Probed} = State) ->
    _ = erlang:send_after(?SETTLE_MS, self(), {settle, Topic}),
    self() ! {probe, Topic},
    Reference = case Topics of
                    #{Topic := Known} -> Known;
                    #{} -> listen(Topic, State)
                end,
    {noreply, State#{topics := Topics#{Topic => Reference},
                     probed := Probed#{Topic => [From | maps:get(Topic, Probed, [])]}}};
handle_call({unsubscribe, Topic}, _, #{handle := #{sdk := Sdk}, topics := Topics, pool := Pool} = State) ->
    _ = case Topics of
            #{Topic := Reference} when is_reference(Reference), is_pid(Pool) -> Sdk:unsubscribe(Pool, Reference);
            #{} -> ok
        end,
    {reply, ok, settle(Topic, State#{topics := maps:remove(Topic, Topics)})};
handle_call({record, Row}, _, #{records := Records, options := #{record_ttl_ms := Ttl}} = State) ->
    {reply, {record, record(Row, Ttl, State)},
     State#{records := lists:sublist([Row | lists:delete(Row, Records)], ?MAX_RECORDS)}};
handle_call(prove, _, #{pool := none} = State) -> {reply, {error, disconnected}, State};
handle_call(prove, From, #{heartbeat := Heartbeat, proving := Proving, options := #{heartbeat_ms := Ms}} = State) ->
    probe(Heartbeat, State),
    _ = erlang:send_after(3 * Ms, self(), {unproved, From}),
    {noreply, State#{proving := [From | Proving]}};
handle_call(status, _, #{echo := Echo, others := Others, renewed := Renewed} = State) ->
    {reply, #{connected => is_connected(State), peers => unknown, heard => heard(State), renewed => Renewed,
              silent_ms => since(Echo), others_silent_ms => since(Others)}, State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

heard(#{heard := {New, Old}}) -> map_size(maps:merge(Old, New)).

since(never) -> never;
since(Time) -> now_ms() - Time.

record({Kind, Subject, Value}, Ttl, #{handle := #{sdk := Sdk}, key := Key}) ->
    Sdk:sign(type(Kind, Subject), Subject, <<Subject/binary, Value/binary>>, Ttl, Key()).

%% @private
handle_cast(_, State) -> {noreply, State}.

%% @private
handle_info({macula_event, Reference, Topic, Bytes, _}, #{topics := Topics} = State) ->
    case {Topics, Bytes} of
        {#{Topic := Reference}, <<?VERSION, Kind, Sender:8/binary, Number:64, Message/binary>>} ->
            {noreply, arrived(Kind, {Sender, Number}, Topic, Message, State)};
        _ -> {noreply, State}
    end;
handle_info(beat, State) -> {noreply, beat(with_all_seeds(close_if_silent(State)))};
handle_info(join, State) -> {noreply, joined(State)};
handle_info({probe, Topic}, #{probed := Probed} = State) ->
    _ = [begin
             probe(Topic, State),
             erlang:send_after(?PROBE_MS, self(), {probe, Topic})
         end || is_map_key(Topic, Probed)],
    {noreply, State};
handle_info({settle, Topic}, State) -> {noreply, settle(Topic, State)};
handle_info({unproved, From}, #{proving := Proving} = State) ->
    _ = [gen_server:reply(From, {error, disconnected}) || lists:member(From, Proving)],
    {noreply, State#{proving := lists:delete(From, Proving)}};
handle_info(open, #{pool := none} = State) -> {noreply, open(State)};
handle_info({linked, Pool, Linked}, #{pool := Pool} = State) -> {noreply, State#{linked := Linked}};
handle_info({'EXIT', Pool, _}, #{pool := Pool} = State) -> {noreply, open_later(State#{ended := now_ms()})};
handle_info({'EXIT', Owner, _}, #{owner := Owner} = State) -> {stop, normal, State};
handle_info(forget, #{heard := {New, _}} = State) -> {noreply, State#{heard := {#{}, New}}};
handle_info(republish, State) -> {noreply, republish(State)};
handle_info(_, State) -> {noreply, State}.

%% A message of our own says that the mesh carries what we send; that of anybody, that it is there.
arrived(_, {Sender, _}, Heartbeat, _, #{handle := #{sender := Sender}, heartbeat := Heartbeat} = State) ->
    look(State),
    proved(joined((republish_unless(is_alive(State), State))#{echo := now_ms()}));
arrived(_, {Sender, _}, Topic, _, #{handle := #{sender := Sender}} = State) ->
    settle(Topic, State);
arrived(Kind, {Sender, _} = Id, Topic, Message, #{owner := Owner} = State) ->
    case is_new(Id, State) of
        {true, Next} when Kind =:= ?GREETING -> hears(Sender, Next#{others := now_ms()});
        {true, Next} when Kind =:= ?GOODBYE -> hears_no_more(Sender, Next);
        {true, Next} ->
            _ = [Owner ! {cambrian_transport, Topic, Message} || Kind =:= ?MESSAGE],
            hears(Sender, Next);
        false -> State
    end.

hears(Sender, #{heard := {Heard, Before}} = State) when map_size(Heard) < ?MAX_HEARD ->
    State#{heard := {Heard#{Sender => true}, Before}};
hears(_, State) -> State.

%% Who is alone knows nobody to be missed.
hears_no_more(Sender, #{heard := {Heard, Before}} = State) ->
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

%% Until the first message came back, more often.
beat(#{heartbeat := Heartbeat, options := #{heartbeat_ms := Ms}} = State) ->
    probe(Heartbeat, State),
    _ = [say(?GREET, ?GREETING, State) || rand:uniform() * heard(State) < ?GREETINGS, is_alive(State)],
    _ = erlang:send_after(case is_alive(State) of true -> Ms; false -> min(Ms, 100) end, self(), beat),
    State.

%% Macula may take seconds to say that it could not.
probe(Topic, State) -> say(Topic, ?PROBE, State).

say(Topic, Kind, #{handle := Handle}) ->
    _ = spawn(fun() -> publish(Handle, Topic, Kind, <<>>) end),
    ok.

is_alive(#{echo := never}) -> false;
is_alive(#{echo := Echo, options := #{heartbeat_ms := Ms}}) -> now_ms() - Echo < 3 * Ms.

is_connected(#{others := Others, options := #{silence_ms := Ms}} = State) ->
    is_alive(State) andalso case since(Others) of
                                never -> true;
                                Silent -> Silent =< Ms orelse Silent > ?MISSED_MS
                            end.

proved(#{proving := Proving} = State) ->
    _ = [gen_server:reply(From, ok) || From <- Proving],
    State#{proving := []}.

joined(#{joining := Joining, handle := Handle} = State) ->
    _ = [gen_server:reply(From, Handle) || From <- Joining],
    State#{joining := []}.

settle(Topic, #{probed := Probed} = State) ->
    _ = [gen_server:reply(From, ok) || From <- maps:get(Topic, Probed, [])],
    State#{probed := maps:remove(Topic, Probed)}.

%% The old pool has to be gone before there is a new one: the relay knows both by one key, and one would evict the
%% other.
close_if_silent(#{pool := Pool, echo := Echo, opened := Opened, options := #{silence_ms := Ms}} = State) when is_pid(Pool) ->
    Last = if Echo =:= never -> Opened; true -> max(Echo, Opened) end,
    case now_ms() - Last > Ms of
        true ->
            _ = close(State),
            open_later(State);
        false -> State
    end;
close_if_silent(State) -> State.

%% Macula asks each link, which may take a second.
look(#{options := #{seeds := [_]}}) -> ok;
look(#{handle := #{sdk := Sdk}, pool := Pool, options := #{seeds := Seeds} = Options}) ->
    Self = self(),
    _ = spawn(fun() -> Self ! {linked, Pool, Sdk:linked(Pool, Seeds, Options)} end),
    ok.

with_all_seeds(#{ended := Ended, pool := Pool, options := #{seeds := Seeds}} = State) when is_integer(Ended), is_pid(Pool) ->
    case now_ms() - Ended > ?LEFT_OUT_MS of
        true when length(Seeds) > 1 ->
            _ = close(State),
            open_later(State#{ended := never});
        true -> State#{ended := never};
        false -> State
    end;
with_all_seeds(State) -> State.

close(#{handle := #{sdk := Sdk}, pool := Pool}) ->
    unlink(Pool),
    _ = Sdk:close(Pool),
    exit(Pool, kill).

%% A relay that was away, or is another, may know none of them.
republish_unless(true, State) -> State;
republish_unless(false, State) -> republish(State).

republish(#{records := Records, options := #{record_ttl_ms := Ttl}} = State) ->
    put_records(Records, Ttl, State),
    State.

put_records([], _, _) -> ok;
put_records(Rows, Ttl, #{handle := #{sdk := Sdk} = Handle} = State) ->
    Signed = [record(Row, Ttl, State) || Row <- Rows],
    _ = spawn(fun() -> [with_pool(Handle, fun(Pool) -> Sdk:put_record(Pool, Record) end) || Record <- Signed] end),
    ok.

%% @private Until they expire, our records would call others to a node that is gone.
terminate(normal, #{owner := Owner} = State) ->
    unlink(Owner),
    terminate(disconnected, State);
terminate(_, #{pool := none}) -> ok;
terminate(_, State) ->
    withdraw(State),
    close(State).

withdraw(#{handle := #{sdk := Sdk, realm := Realm, address := Address} = Handle, key := Key, pool := Pool, records := Records}) ->
    Gone = [Sdk:sign(type(Kind, Subject), Subject, <<>>, ?GOODBYE_MS, Key()) || {Kind, Subject, _} <- Records],
    Goodbye = cambrian_async:start(fun() ->
                                       _ = publish(Handle, ?GREET, ?GOODBYE, <<>>),
                                       _ = Sdk:unadvertise(Pool, Realm, procedure(Address)),
                                       [Sdk:put_record(Pool, Record) || Record <- lists:reverse(Gone)]
                                   end),
    cambrian_async:await(Goodbye, ?GOODBYE_MS).
