%% @doc Carries a mesh over Macula: nodes behind routers and firewalls connect to relays. Macula is
%% no dependency of Cambrian: a program that uses it must add it to its own. See `docs/macula.md'.
%%
%% ```
%% 1> cambrian_transport_macula:connect(#{realm => <<"org.example.lab">>,
%%                                         seeds => [<<"quic://127.0.0.1:4433">>]}).
%% {error,{transport_unavailable,macula}}
%% '''
%%
%% This adapter relies on Macula only to carry some of the bytes. Messages of a node to itself,
%% which take the same way as all others, prove that it does; Macula's own status is not used. If
%% nothing comes back over a connection, the adapter closes it and makes a new one. The greetings of
%% other nodes prove that they can be reached: relays can lose each other while each serves its own
%% nodes.
%%
%% Calls do not use Macula's own answers; the module `cambrian_macula_call' explains why.
-module(cambrian_transport_macula).
-behaviour(cambrian_transport).

-export([connect/1, disconnect/1, address/1, publish/3, subscribe/2, unsubscribe/2, serve/3,
         call/5]).
-export([announce/2, find/2, send/2, fetch/3, status/1]).

%% The most blobs in transfer. Each needs one or a few of the 100 streams of a connection, and a
%% connection with more streams breaks.
-define(MAX_TRANSFERS, 10).
%% The types of our records. A `HOLDER' record says which node has the thing that a key names; a
%% `CONTENT' record says which content of Macula has a hash. A search fetches all records of a type,
%% so there are 16 types of each, and the first bits of the key choose one.
-define(HOLDER, 16#c0).
-define(CONTENT, 16#d0).
%% How long content may be unknown to a relay after it was sent.
-define(EARLY_MS, 2000).

-opaque handle() :: cambrian_macula_handle:handle().

-export_type([handle/0]).

%% @doc Joins a realm through the relays in `seeds'. Waits until a message of this node comes back,
%% for at most `connect_ms'. If a node starts before its relay, it joins once the relay runs.
-spec connect(map()) ->
          {ok, handle()}
          | {error, {transport_unavailable, macula} | {unsupported_version, macula, binary()}
                  | {missing_options, [atom()]} | cambrian_options:error() | term()}.
connect(Options) ->
    case sdk() of
        {ok, Sdk} -> connect(Sdk, Options);
        {error, _} = Error -> Error
    end.

%% Chooses the module for the installed version of Macula.
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
    #{seeds => {fun is_seeds/1,
                <<"a list of different relays such as <<\"quic://relay.example.org:4433\">> or "
                  "#{url => <<\"quic://relay.example.org:4433\">>, node_id => <<32 bytes>>}">>},
      realm => {fun(Realm) -> is_binary(Realm) andalso Realm =/= <<>> end,
                <<"the name of a realm, a binary">>},
      identity => {fun(Fun) -> is_function(Fun, 0) end,
                   {secret, <<"a fun that gives 32 secret bytes">>},
                   random_identity()},
      expected_node_id => {fun cambrian_options:is_id/1, <<"the 32 bytes of the relay's key">>},
      verify => {fun(Verify) -> lists:member(Verify, [webpki, none]) end, <<"webpki or none">>},
      connect_ms => {fun cambrian_options:is_count/1, <<"milliseconds">>, 5000},
      heartbeat_ms => {Ms, <<"milliseconds, more than 0">>, 1000},
      silence_ms => {Ms, <<"milliseconds, more than 0">>, 10000},
      record_ttl_ms => {Ms, <<"milliseconds, more than 0">>, 600000},
      liveness_interval_ms => {Ms, <<"milliseconds, more than 0">>, 1000}}.

%% A relay may be listed only once: this node has one key, so a second link would evict the first.
is_seeds(Seeds) ->
    try
        Seeds =/= [] andalso lists:all(fun is_seed/1, Seeds)
            andalso length(lists:usort([url(Seed) || Seed <- Seeds])) =:= length(Seeds)
    catch error:_ -> false
    end.

is_seed(#{url := Url, node_id := Id} = Seed) when map_size(Seed) =:= 2 ->
    is_url(Url) andalso cambrian_options:is_id(Id);
is_seed(Url) -> is_url(Url).

url(#{url := Url}) -> Url;
url(Url) -> Url.

is_url(Url) ->
    is_binary(Url) andalso case uri_string:parse(Url) of
                               #{host := Host, port := Port} ->
                                   Host =/= <<>> andalso is_integer(Port);
                               #{scheme := <<"https">>, host := Host} -> Host =/= <<>>;
                               _ -> false
                           end.

random_identity() ->
    Secret = crypto:strong_rand_bytes(32),
    fun() -> Secret end.

start(Sdk, #{connect_ms := Ms} = Options) ->
    case cambrian_macula_connection:start(Sdk, Options, self()) of
        {ok, Process} -> {ok, gen_server:call(Process, {join, Ms}, infinity)};
        {error, _} = Error -> Error
    end.

-spec disconnect(handle()) -> ok.
disconnect(Handle) -> cambrian_macula_connection:stop(Handle).

%% @doc The key of this connection for Macula, in hexadecimal digits. It is derived from the secret
%% of the node and from the realm, because a relay lets each key connect only once.
-spec address(handle()) -> cambrian_transport:address().
address(#{address := Address}) -> Address.

-spec publish(handle(), cambrian_transport:topic(), binary()) -> ok | {error, term()}.
publish(Handle, Topic, Bytes) ->
    case byte_size(Bytes) =< cambrian_transport:max_message() of
        true -> cambrian_macula_connection:publish(Handle, Topic, Bytes);
        false -> {error, too_large}
    end.

%% @doc Returns when a message to the topic has come back to this node, or after a second: until
%% then, Macula loses messages of other nodes.
-spec subscribe(handle(), cambrian_transport:topic()) -> ok | {error, term()}.
subscribe(Handle, Topic) -> cambrian_macula_connection:ask(Handle, {subscribe, Topic}).

-spec unsubscribe(handle(), cambrian_transport:topic()) -> ok.
unsubscribe(Handle, Topic) ->
    _ = cambrian_macula_connection:ask(Handle, {unsubscribe, Topic}),
    ok.

-spec serve(handle(), cambrian_transport:procedure(), cambrian_transport:handler()) ->
          ok | {error, term()}.
serve(Handle, Procedure, Handler) -> cambrian_macula_call:serve(Handle, Procedure, Handler).

-spec call(handle(), cambrian_transport:address(), cambrian_transport:procedure(), binary(),
           timeout()) ->
          {ok, binary()} | {error, term()}.
call(Handle, To, Procedure, Bytes, Timeout) ->
    cambrian_macula_call:call(Handle, To, Procedure, Bytes, Timeout).

%%% ---- records ----------------------------------------------------------------------------

-spec announce(handle(), binary()) -> ok | {error, term()}.
announce(#{realm := Realm} = Handle, Key) ->
    Subject = subject(Realm, Key),
    put_record(Handle, {type(?HOLDER, Subject), Subject, <<>>}).

%% @doc Finds the records at the relay: its own records, and those that other relays sent to it.
-spec find(handle(), binary()) -> {ok, [cambrian_transport:address()]} | {error, term()}.
find(#{sdk := Sdk, realm := Realm} = Handle, Key) ->
    Subject = subject(Realm, Key),
    Find = fun(Pool) -> Sdk:records(Pool, type(?HOLDER, Subject), Subject) end,
    case cambrian_macula_handle:with_pool(Handle, Find) of
        {ok, Records} ->
            {ok, lists:usort([cambrian_text:hex(Public) || {Public, <<>>} <- Records])};
        {error, _} = Error -> Error
    end.

-spec send(handle(), binary()) -> {ok, cambrian_transport:content()} | {error, term()}.
send(#{sdk := Sdk, realm := Realm} = Handle, Blob) ->
    Content = crypto:hash(sha256, Blob),
    Subject = subject(Realm, Content),
    Put = fun(Pool) -> put_content(Sdk, Pool, Handle, Blob) end,
    case byte_size(Blob) =< cambrian_transport:max_blob() andalso transfer(Handle, infinity, Put) of
        {ok, Id} ->
            case put_record(Handle, {type(?CONTENT, Subject), Subject, Id}) of
                ok -> {ok, Content};
                {error, _} = Error -> Error
            end;
        {error, _} = Error -> Error;
        false -> {error, too_large}
    end.

%% Tests the link first: a blob over a dead link would crash Macula's process, and the log would
%% contain the blob.
put_content(Sdk, Pool, Handle, Blob) ->
    case cambrian_macula_connection:ask(Handle, prove) of
        ok -> Sdk:put_content(Pool, Blob);
        {error, _} = Error -> Error
    end.

%% @doc Retries for two seconds if the blob is unknown: a record takes a moment from one relay to
%% another.
-spec fetch(handle(), cambrian_transport:content(), timeout()) -> {ok, binary()} | {error, term()}.
fetch(Handle, <<_:256>> = Content, Timeout) ->
    fetch(Handle, Content, cambrian_macula_call:deadline(Timeout),
          cambrian_macula_call:deadline(?EARLY_MS), 50).

fetch(Handle, Content, Deadline, Early, Pause) ->
    case fetch_once(Handle, Content, cambrian_macula_call:time_left(Deadline)) of
        {error, not_found} = Error ->
            case min(cambrian_macula_call:time_left(Deadline),
                     cambrian_macula_call:time_left(Early)) of
                Left when Left > Pause ->
                    timer:sleep(Pause), fetch(Handle, Content, Deadline, Early, 2 * Pause);
                _ -> Error
            end;
        Answer -> Answer
    end.

fetch_once(#{sdk := Sdk, realm := Realm} = Handle, Content, Timeout) ->
    Subject = subject(Realm, Content),
    transfer(Handle, Timeout,
             fun(Pool) ->
                 case Sdk:records(Pool, type(?CONTENT, Subject), Subject) of
                     {ok, Records} ->
                         fetch_any(Sdk, Pool, Content, lists:usort([Id || {_, Id} <- Records]),
                                   not_found);
                     {error, _} = Error -> Error
                 end
             end).

%% Any node can write a record that names wrong content.
fetch_any(_, _, _, [], Reason) -> {error, Reason};
fetch_any(Sdk, Pool, Content, [Id | Ids], Reason) ->
    case Sdk:get_content(Pool, Id) of
        {ok, Blob} ->
            case byte_size(Blob) =< cambrian_transport:max_blob()
                andalso crypto:hash(sha256, Blob) of
                Content -> {ok, Blob};
                _ -> fetch_any(Sdk, Pool, Content, Ids, corrupted)
            end;
        {error, _} -> fetch_any(Sdk, Pool, Content, Ids, Reason)
    end.

%% In a separate process, which keeps its slot for as long as Macula takes: Macula has timeouts, but
%% not ours.
transfer(#{transfers := Transfers} = Handle, Timeout, Fun) ->
    Work = fun() ->
               case cambrian_macula_handle:take_slot(Transfers, ?MAX_TRANSFERS) of
                   true ->
                       try cambrian_macula_handle:with_pool(Handle, Fun)
                       after cambrian_macula_handle:free_slot(Transfers)
                       end;
                   false -> {error, busy}
               end
           end,
    case cambrian_async:await(cambrian_async:start(Work), Timeout) of
        {ok, Result} -> Result;
        {error, _} -> {error, crashed};
        timeout -> {error, timeout}
    end.

%% @doc `connected': a message of this node to itself came back recently, and so did a message of
%% another node if any other node is known. `silent_ms': since this node's last own message;
%% `others_silent_ms': since the last message of another node. `heard': how many other nodes sent a
%% message in the last minute or two. `renewed': how often a new connection was made.
-spec status(handle()) -> cambrian_transport:status().
status(Handle) ->
    case cambrian_macula_connection:ask(Handle, status) of
        #{} = Status -> Status;
        {error, _} -> #{connected => false, peers => unknown}
    end.

subject(Realm, Key) -> crypto:hash(sha256, [Realm, Key]).

type(Kind, <<Bits:4, _/bitstring>>) -> Kind + Bits.

put_record(#{sdk := Sdk} = Handle, Row) ->
    case cambrian_macula_connection:ask(Handle, {record, Row}) of
        {record, Record} ->
            Put = fun(Pool) -> Sdk:put_record(Pool, Record) end,
            cambrian_macula_handle:with_pool(Handle, Put);
        {error, _} = Error -> Error
    end.
