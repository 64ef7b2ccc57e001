%% @private
%% The only module that calls Macula 10. Each major version of Macula has a module like this one.
%% Every payload is one binary, because Macula changes the type of names and texts in maps on the
%% way.
-module(cambrian_macula_10).

-export([start/1, key/1, public/1, realm/1, connect/3, linked/3, close/1]).
-export([publish/4, subscribe/3, unsubscribe/2, advertise/4, unadvertise/3, call/5]).
-export([sign/5, put_record/2, records/3, put_content/2, get_content/2]).
-export_type([pool/0, key/0, realm/0, signed/0]).

-type pool() :: pid().
-type key() :: #{public := <<_:256>>, private := <<_:256>>}.
-type realm() :: <<_:256>>.
-type signed() :: term().
-type seed() :: (Url :: binary()) | #{url := binary(), node_id := <<_:256>>}.

%% The default port of a relay.
-define(PORT, 4433).
-define(GOODBYE_MS, 200).

%% Macula notices a lost relay after two of these intervals; its default takes a minute.
-spec start(LivenessMs :: pos_integer()) -> ok | {error, term()}.
start(LivenessMs) ->
    case application:get_env(macula, liveness_interval_ms) of
        undefined -> application:set_env(macula, liveness_interval_ms, LivenessMs);
        {ok, _} -> ok
    end,
    case application:ensure_all_started(macula) of
        {ok, _} -> ok;
        {error, _} = Error -> Error
    end.

%% Makes a key from a seed. Relays may require that the hash of a key begins with 8 zero bits, so
%% that many keys are expensive. This is the first such key of the seed.
-spec key(Seed :: binary()) -> key().
key(Seed) -> key(Seed, 0).

key(Seed, Attempt) ->
    {Public, Private} =
        crypto:generate_key(eddsa, ed25519, crypto:hash(sha256, [Seed, <<Attempt:32>>])),
    case crypto:hash(sha256, Public) of
        <<0, _/binary>> -> #{public => Public, private => Private};
        _ -> key(Seed, Attempt + 1)
    end.

-spec public(key()) -> binary().
public(#{public := Public}) -> Public.

-spec realm(binary()) -> realm().
realm(Name) -> apply_to(macula_realm, id, [Name]).

%% Links the pool to the caller. Each message is sent over every seed with an open link, because
%% Macula notices a dead link late.
-spec connect(Seeds :: [seed()], key(), Options :: map()) -> {ok, pool()} | {error, term()}.
connect(Seeds, Key, Options) ->
    macula(connect, [[seed(Seed, Options) || Seed <- Seeds],
                     (maps:with([verify], Options))#{identity => Key,
                                                     replication_factor => length(Seeds)}]).

%% The key of a relay belongs to its seed: as an option of the pool, it would be the key of all
%% relays.
seed(#{url := Url, node_id := Id}, _) -> (address(Url))#{expected_node_id => Id};
seed(Url, #{expected_node_id := Id}) -> (address(Url))#{expected_node_id => Id};
seed(Url, _) -> address(Url).

address(Url) ->
    #{host := Host} = Parsed = uri_string:parse(Url),
    #{host => Host, port => maps:get(port, Parsed, ?PORT)}.

%% The seeds with an open link.
-spec linked(pool(), Seeds :: [seed()], Options :: map()) -> [seed()].
linked(Pool, Seeds, Options) ->
    case macula(links, [Pool]) of
        {ok, Links} ->
            [Seed
             || Seed <- Seeds, #{seed := Its, connected := true} <- Links,
             Its =:= seed(Seed, Options)];
        {error, _} -> []
    end.

%% Closes the pool and the processes below it. Macula does not stop the process that dials: it may
%% stay in a call of up to 30 seconds. When the relay returns, that process would connect with the
%% same key and so evict the next pool.
-spec close(pool()) -> ok | {error, term()}.
close(Pool) ->
    Links = links_of(Pool) -- [self()],
    Dialling = lists:append([links_of(Link) -- [Pool] || Link <- Links]),
    Closed = macula(close, [Pool]),
    lists:foreach(fun await_end/1,
                  [{Process, monitor(process, Process)} || Process <- Links ++ Dialling]),
    Closed.

links_of(Process) ->
    case process_info(Process, links) of
        {links, Linked} -> [Pid || Pid <- Linked, is_pid(Pid)];
        undefined -> []
    end.

%% If the process is not in such a call, it says goodbye to the relay.
await_end({Process, Monitor}) ->
    receive {'DOWN', Monitor, process, Process, _} -> ok
    after ?GOODBYE_MS ->
        demonitor(Monitor, [flush]),
        exit(Process, kill)
    end.

-spec publish(pool(), realm(), binary(), binary()) -> ok | {error, term()}.
publish(Pool, Realm, Topic, Bytes) -> macula(publish, [Pool, Realm, Topic, Bytes]).

%% The caller receives messages as `{macula_event, Reference, Topic, Bytes, About}'. By default
%% Macula orders the messages, and loses or delays some of them.
-spec subscribe(pool(), realm(), binary()) -> {ok, reference()} | {error, term()}.
subscribe(Pool, Realm, Topic) ->
    macula(subscribe, [Pool, Realm, Topic, self(), #{delivery => as_arrives}]).

-spec unsubscribe(pool(), reference()) -> ok | {error, term()}.
unsubscribe(Pool, Reference) -> macula(unsubscribe, [Pool, Reference]).

%% The fun runs in the process of the whole link, and must return at once.
-spec advertise(pool(), realm(), binary(), fun((binary()) -> binary())) -> ok | {error, term()}.
advertise(Pool, Realm, Procedure, Fun) ->
    macula(advertise, [Pool, Realm, Procedure, fun(Bytes) -> {ok, Fun(Bytes)} end, #{}]).

-spec unadvertise(pool(), realm(), binary()) -> ok | {error, term()}.
unadvertise(Pool, Realm, Procedure) -> macula(unadvertise, [Pool, Realm, Procedure]).

-spec call(pool(), realm(), binary(), binary(), timeout()) -> {ok, binary()} | {error, term()}.
call(Pool, Realm, Procedure, Bytes, Timeout) ->
    case macula(call, [Pool, Realm, Procedure, Bytes, Timeout]) of
        {ok, Answer} when is_binary(Answer) -> {ok, Answer};
        {ok, _} -> {error, malformed};
        {error, _} = Error -> Error
    end.

%% Makes a record of `Value', one record for each subject and key.
-spec sign(Type :: 16#20..16#ff, Subject :: <<_:256>>, Value :: binary(), TtlMs :: pos_integer(),
           key()) -> signed().
sign(Type, Subject, Value, TtlMs, #{public := Public} = Key) ->
    Record = apply_to(macula_record, envelope, [Type, Public, #{{text, <<"v">>} => Value},
                                                #{ttl_ms => TtlMs, subject_id => Subject}]),
    apply_to(macula_record, sign, [Record, Key]).

-spec put_record(pool(), signed()) -> ok | {error, term()}.
put_record(Pool, Record) -> macula(put_record, [Pool, Record]).

%% Finds the records of a type that are signed by their key and have not expired. Returns, for each
%% value that begins with the prefix, the rest of the value.
-spec records(pool(), 16#20..16#ff, Prefix :: binary()) ->
          {ok, [{Public :: binary(), binary()}]} | {error, term()}.
records(Pool, Type, Prefix) ->
    case macula(find_records_by_type, [Pool, Type]) of
        {ok, Records} ->
            {ok, [{Public, Rest} || Record <- Records, Rest <- values(Record, Prefix),
                                    {ok, Public} <- [signer(Record)]]};
        {error, _} = Error -> Error
    end.

%% Macula has turned the key of the payload's one entry into an atom or a text.
values(#{payload := Payload}, Prefix) when is_map(Payload) ->
    Size = byte_size(Prefix),
    [Rest || <<P:Size/binary, Rest/binary>> <- maps:values(Payload), P =:= Prefix];
values(_, _) -> [].

signer(Record) ->
    case apply_to(macula_record, verify, [Record]) of
        {ok, #{key := Public}} -> {ok, Public};
        {error, _} = Error -> Error
    end.

-spec put_content(pool(), binary()) -> {ok, Id :: binary()} | {error, term()}.
put_content(Pool, Blob) -> macula(put_content, [Pool, Blob]).

-spec get_content(pool(), Id :: binary()) -> {ok, binary()} | {error, term()}.
get_content(Pool, Id) -> macula(get_content, [Pool, Id]).

macula(Function, Arguments) -> apply_to(macula, Function, Arguments).

%% A process of Macula may be gone or time out. The module is named at run time, because Macula may
%% not be installed.
apply_to(Module, Function, Arguments) ->
    try apply(Module, Function, Arguments)
    catch
        exit:{timeout, _} -> {error, timeout};
        exit:_ -> {error, disconnected};
        error:Reason -> {error, {Module, Function, Reason}}
    end.
