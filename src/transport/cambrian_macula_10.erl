%% @private
%% Macula 10, and nothing else in Cambrian calls it: what differs between its major versions is in a module like
%% this one for each. Every payload is one binary, as the names and the texts of maps change type on the way.
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

%% Of a relay whose address says none.
-define(PORT, 4433).
-define(GOODBYE_MS, 200).

%% A relay that is gone is noticed after two of these, and only after a minute by default.
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

%% Relays may ask that the hash of a key begins with 8 zero bits, so that many are dear to make: the first of those
%% that follow from the seed.
-spec key(Seed :: binary()) -> key().
key(Seed) -> key(Seed, 0).

key(Seed, Attempt) ->
    {Public, Private} = crypto:generate_key(eddsa, ed25519, crypto:hash(sha256, [Seed, <<Attempt:32>>])),
    case crypto:hash(sha256, Public) of
        <<0, _/binary>> -> #{public => Public, private => Private};
        _ -> key(Seed, Attempt + 1)
    end.

-spec public(key()) -> binary().
public(#{public := Public}) -> Public.

-spec realm(binary()) -> realm().
realm(Name) -> apply_to(macula_realm, id, [Name]).

%% The pool is linked to who calls this. What is published goes to every seed that a link is open to, as Macula does not
%% see for a while that one is dead.
-spec connect(Seeds :: [seed()], key(), Options :: map()) -> {ok, pool()} | {error, term()}.
connect(Seeds, Key, Options) ->
    macula(connect, [[seed(Seed, Options) || Seed <- Seeds],
                     (maps:with([verify], Options))#{identity => Key, replication_factor => length(Seeds)}]).

%% The relay's key goes with its seed: given as an option of the pool, it would be that of all.
seed(#{url := Url, node_id := Id}, _) -> (address(Url))#{expected_node_id => Id};
seed(Url, #{expected_node_id := Id}) -> (address(Url))#{expected_node_id => Id};
seed(Url, _) -> address(Url).

address(Url) ->
    #{host := Host} = Parsed = uri_string:parse(Url),
    #{host => Host, port => maps:get(port, Parsed, ?PORT)}.

%% Those of the seeds that a link is open to.
-spec linked(pool(), Seeds :: [seed()], Options :: map()) -> [seed()].
linked(Pool, Seeds, Options) ->
    case macula(links, [Pool]) of
        {ok, Links} -> [Seed || Seed <- Seeds, #{seed := Its, connected := true} <- Links, Its =:= seed(Seed, Options)];
        {error, _} -> []
    end.

%% Also what is below it: closing a pool leaves the process that dials where it is, in a call of up to 30 seconds. When the
%% relay is there again, it would connect by the same key and so evict the pool that came after.
-spec close(pool()) -> ok | {error, term()}.
close(Pool) ->
    Links = links_of(Pool) -- [self()],
    Dialling = lists:append([links_of(Link) -- [Pool] || Link <- Links]),
    Closed = macula(close, [Pool]),
    lists:foreach(fun end_of/1, [{Process, monitor(process, Process)} || Process <- Links ++ Dialling]),
    Closed.

links_of(Process) ->
    case process_info(Process, links) of
        {links, Linked} -> [Pid || Pid <- Linked, is_pid(Pid)];
        undefined -> []
    end.

%% Those that are not in such a call say goodbye to the relay.
end_of({Process, Monitor}) ->
    receive {'DOWN', Monitor, process, Process, _} -> ok
    after ?GOODBYE_MS ->
        demonitor(Monitor, [flush]),
        exit(Process, kill)
    end.

-spec publish(pool(), realm(), binary(), binary()) -> ok | {error, term()}.
publish(Pool, Realm, Topic, Bytes) -> macula(publish, [Pool, Realm, Topic, Bytes]).

%% Messages come to the caller as `{macula_event, Reference, Topic, Bytes, About}'. By default Macula puts them in
%% order, for which it loses some and holds back others.
-spec subscribe(pool(), realm(), binary()) -> {ok, reference()} | {error, term()}.
subscribe(Pool, Realm, Topic) -> macula(subscribe, [Pool, Realm, Topic, self(), #{delivery => as_arrives}]).

-spec unsubscribe(pool(), reference()) -> ok | {error, term()}.
unsubscribe(Pool, Reference) -> macula(unsubscribe, [Pool, Reference]).

%% The fun runs in the process that all else on the link goes through, and has to return at once.
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

%% A record of `Value', one for each subject and key.
-spec sign(Type :: 16#20..16#ff, Subject :: <<_:256>>, Value :: binary(), TtlMs :: pos_integer(), key()) -> signed().
sign(Type, Subject, Value, TtlMs, #{public := Public} = Key) ->
    Record = apply_to(macula_record, envelope, [Type, Public, #{{text, <<"v">>} => Value},
                                                #{ttl_ms => TtlMs, subject_id => Subject}]),
    apply_to(macula_record, sign, [Record, Key]).

-spec put_record(pool(), signed()) -> ok | {error, term()}.
put_record(Pool, Record) -> macula(put_record, [Pool, Record]).

%% What follows the prefix in the values of a type's records, of those that are signed by whom they say and still hold.
-spec records(pool(), 16#20..16#ff, Prefix :: binary()) -> {ok, [{Public :: binary(), binary()}]} | {error, term()}.
records(Pool, Type, Prefix) ->
    case macula(find_records_by_type, [Pool, Type]) of
        {ok, Records} -> {ok, lists:append([[{Public, Rest} || Rest <- rest(Record, Prefix), {ok, Public} <- [signer(Record)]]
                                            || Record <- Records])};
        {error, _} = Error -> Error
    end.

%% The name of the payload's one entry is an atom or a text by now.
rest(#{payload := Payload}, Prefix) when is_map(Payload) ->
    Size = byte_size(Prefix),
    [Rest || <<P:Size/binary, Rest/binary>> <- maps:values(Payload), P =:= Prefix];
rest(_, _) -> [].

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

%% Macula's processes are called with a timeout, or are gone; and it is called by names, as it may not be there.
apply_to(Module, Function, Arguments) ->
    try apply(Module, Function, Arguments)
    catch
        exit:{timeout, _} -> {error, timeout};
        exit:_ -> {error, disconnected};
        error:Reason -> {error, {Module, Function, Reason}}
    end.
