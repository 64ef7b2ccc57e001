%% @private
%% What travels in a realm beside envelopes and successions, as bytes: `docs/wire-format.md'.
%%
%% On the topic: `charters' are what the owners of the realm signed, and any node publishes them. An
%% announcement is a record, freshly signed by a node that holds a genotype and measured it, and the
%% address to ask for its genes. A heartbeat says which node is there, and at which address.
%%
%% By call: a request names a genotype, and what the asker holds already; its answer is a difference
%% to one of these, or the whole. Before that, `who' asks which key lives at the address that is
%% called, as anybody can claim any address. `compare' asks in which parts two replicas of a common
%% archive differ.
-module(cambrian_message).

-export([kind/1, charters/1, announcement/3, heartbeat/4, read_heartbeat/2, is_genuine/3,
         request/2, read_request/1, ping/0, who/1, lives/4, lives_at/4, answer/1, read_answer/1]).
-export([compare/1, compared/1, elites/4, read_compared/1, read_elites/3]).
-export_type([kind/0, urgency/0, heartbeat/0, answer/0, nonce/0, comparison/0, compared/0]).

%% `news' is for all nodes, whatever they have. `best' is the best that its announcer knows, for
%% nodes that have less.
-type urgency() :: news | best.
-type kind() :: {envelope, binary()} | {succession, binary()} | {charters, [binary()]}
              | {announcement, urgency(), Record :: binary(), address()}
              | {heartbeat, Body :: binary(), Signature :: binary()} | malformed.
-type address() :: binary().
%% The next heartbeat is to be expected after `interval' ms.
-type heartbeat() :: #{key := cambrian_identity:key(), address := address(),
                       time := non_neg_integer(), interval := pos_integer()}.
%% The node that asks which key lives at an address draws it.
-type nonce() :: <<_:256>>.
%% `Breeder' is the record that the breeder signed, if it is known.
-type answer() :: none | {whole, Envelope :: binary(), Breeder :: undefined | binary()}
                | {difference, cambrian_genotype:id(), Difference :: binary(),
                   Breeder :: undefined | binary()}
                | {elsewhere, cambrian_transport:content(), Breeder :: undefined | binary()}.
%% The asker draws the nonce, 16 bytes, and gives its digests below a node of the tree.
-type comparison() :: #{subject := cambrian_common_archive:subject(), nonce := binary(),
                        node := cambrian_common_archive:tree_node(), digests := binary()}.
%% `differ' has the digests that differ, as bits; `elites' what the answerer has in cells that do.
-type compared() :: none | {differ, Bits :: non_neg_integer()}
                  | {elites, cambrian_identity:key(), Body :: binary(), Signature :: binary()}.
%% What a realm needs to know of whoever claims something.
-type claims() :: #{sequence := non_neg_integer(), time := non_neg_integer(),
                    grant := undefined | binary(), realm => binary(),
                    origin => cambrian_identity:key()}.

-define(VERSION, 1).
-define(NEWS, 1).
-define(BEST, 2).
-define(HEARTBEAT, 3).
-define(MAX_ADDRESS, 255).
%% A heartbeat's body has a key, an address and three numbers.
-define(MAX_BODY, 512).
%% The giver makes a difference to each genotype that the asker holds.
-define(MAX_HELD, 4).
-define(MAX_RECORD, 16_384).
%% A realm keeps so many ({@link cambrian_keyring}), each of at most 16 KiB.
-define(MAX_CHARTERS, 9).
-define(MAX_CHARTERS_BYTES, ?MAX_CHARTERS * (16_384 + 3) + 2).
-define(WHO, 0).
-define(LIVES, 4).
-define(COMPARE, 5).
-define(ELITES, 6).
%% A node of the tree has so many digests of 16 bytes below it at most, a cell one entry.
-define(MAX_BELOW, 32).
-define(MAX_COMPARED, 4096).

%% @doc The kind of a message, by its first bytes. Nothing is checked yet.
-spec kind(term()) -> kind().
kind(<<16#93, First, _/binary>> = Bytes) when First >= 16#c4, First =< 16#c6 ->
    case cambrian_identity:is_succession(Bytes) of
        true -> {succession, Bytes};
        false -> {envelope, Bytes}
    end;
kind(<<16#93, Kind, Rest/binary>> = Bytes)
  when Kind >= ?NEWS, Kind =< ?HEARTBEAT, byte_size(Bytes) =< ?MAX_RECORD ->
    case bins(Rest) of
        [Body, <<_:64/binary>> = Signature]
          when Kind =:= ?HEARTBEAT, byte_size(Body) =< ?MAX_BODY ->
            {heartbeat, Body, Signature};
        [Record, Address] when Kind =/= ?HEARTBEAT, byte_size(Address) =< ?MAX_ADDRESS ->
            {announcement, urgency(Kind), Record, Address};
        _ -> malformed
    end;
kind(<<16#91, 9:4, Count:4, Rest/binary>> = Bytes)
  when Count >= 1, Count =< ?MAX_CHARTERS, byte_size(Bytes) =< ?MAX_CHARTERS_BYTES ->
    Charters = bins(Rest),
    case length(Charters) =:= Count andalso lists:all(fun is_binary/1, Charters) of
        true -> {charters, Charters};
        false -> malformed
    end;
%% Other bytes count as an envelope: {@link cambrian_envelope:read/1} says what is wrong with them.
kind(Bytes) when is_binary(Bytes) -> {envelope, Bytes};
kind(_) -> malformed.

%% Reads MessagePack binaries, each in its shortest form. Their contents are not looked at.
bins(<<16#c4, Size, Bin:Size/binary, Rest/binary>>) -> [Bin | bins(Rest)];
bins(<<16#c5, Size:16, Bin:Size/binary, Rest/binary>>) when Size > 255 -> [Bin | bins(Rest)];
bins(<<>>) -> [];
bins(_) -> [malformed].

urgency(?NEWS) -> news;
urgency(?BEST) -> best.

%% @doc The oldest charter first, and last the one that counts.
-spec charters([binary()]) -> binary().
charters(Charters) -> pack([Charters]).

-spec announcement(urgency(), Record :: binary(), address()) -> binary().
announcement(news, Record, Address) -> pack([?NEWS, Record, Address]);
announcement(best, Record, Address) -> pack([?BEST, Record, Address]).

%%% ---- heartbeats -------------------------------------------------------------------------

-spec heartbeat(Realm :: binary(), address(), {Time :: integer(), Interval :: pos_integer()},
                cambrian_identity:identity()) -> binary().
heartbeat(Realm, Address, {Time, Interval}, #{key := Key, secret := Secret}) ->
    Body = pack([?VERSION, Key, Address, Time, Interval]),
    Signature = crypto:sign(eddsa, none, signed(Realm, Body), [Secret(), ed25519]),
    pack([?HEARTBEAT, Body, Signature]).

%% The realm is signed and not sent: in another realm, the signature is not genuine.
signed(Realm, Body) -> [<<"cambrian heartbeat 1\n">>, <<(byte_size(Realm))>>, Realm, Body].

%% @doc Reads the claims of a heartbeat. {@link is_genuine/3} verifies who signed them.
-spec read_heartbeat(Body :: binary(), MaxInterval :: pos_integer()) ->
          {ok, heartbeat()} | {error, malformed}.
read_heartbeat(Body, MaxInterval) ->
    case unpack(Body) of
        {ok, [?VERSION, <<Key:32/binary>>, Address, Time, Interval]}
          when is_binary(Address), byte_size(Address) =< ?MAX_ADDRESS, is_integer(Time), Time >= 0,
               is_integer(Interval), Interval > 0 ->
            {ok, #{key => Key, address => Address, time => Time,
                   interval => min(Interval, MaxInterval)}};
        _ -> {error, malformed}
    end.

-spec is_genuine(Realm :: binary(), {Body :: binary(), Signature :: binary()},
                 cambrian_identity:key()) -> boolean().
is_genuine(Realm, {Body, Signature}, Key) -> is_signed(signed(Realm, Body), Signature, Key).

is_signed(Said, Signature, Key) ->
    try crypto:verify(eddsa, none, Said, Signature, [Key, ed25519])
    catch error:_ -> false
    end.

%%% ---- calls ------------------------------------------------------------------------------

-spec request(cambrian_genotype:id(), Held :: [cambrian_genotype:id()]) -> binary().
request(Id, Held) -> pack([Id | lists:sublist(Held, ?MAX_HELD)]).

%% @doc A call that measures the round trip.
-spec ping() -> binary().
ping() -> pack([]).

%% @doc Which key lives at the address that is called?
-spec who(nonce()) -> binary().
who(Nonce) -> pack([?WHO, Nonce]).

-spec read_request(binary()) ->
          {ok, ping | {who, nonce()} | {compare, comparison()}
               | {cambrian_genotype:id(), Held :: [cambrian_genotype:id()]}}
        | {error, malformed}.
read_request(Bytes) when byte_size(Bytes) =< 1024 ->
    case unpack(Bytes) of
        {ok, []} -> {ok, ping};
        {ok, [?WHO, <<_:32/binary>> = Nonce]} -> {ok, {who, Nonce}};
        {ok, [?COMPARE, <<Subject:16/binary>>, <<Nonce:16/binary>>, Level, Index, Digests]}
          when is_integer(Level), Level > 0, is_integer(Index), Index >= 0, is_binary(Digests),
               byte_size(Digests) rem 16 =:= 0, byte_size(Digests) =< 16 * ?MAX_BELOW ->
            {ok, {compare, #{subject => Subject, nonce => Nonce, node => {Level, Index},
                             digests => Digests}}};
        {ok, [_ | _] = Ids} when length(Ids) =< ?MAX_HELD + 1 ->
            case lists:all(fun cambrian_options:is_id/1, Ids) of
                true -> {ok, {hd(Ids), tl(Ids)}};
                false -> {error, malformed}
            end;
        _ -> {error, malformed}
    end;
read_request(_) -> {error, malformed}.

%% @doc The answer to `who': this key lives at this address.
-spec lives(Realm :: binary(), address(), nonce(), cambrian_identity:identity()) -> binary().
lives(Realm, Address, Nonce, #{key := Key, secret := Secret}) ->
    Signature = crypto:sign(eddsa, none, place(Realm, Address, Nonce), [Secret(), ed25519]),
    pack([?LIVES, Key, Signature]).

%% A node that relays the question to a key that lives elsewhere gets a signature of that address.
place(Realm, Address, Nonce) ->
    [<<"cambrian address 1\n">>, <<(byte_size(Realm))>>, Realm,
     <<(byte_size(Address))>>, Address, Nonce].

%% @doc The key that answered `who', if its signature is genuine.
-spec lives_at(Realm :: binary(), address(), nonce(), Answer :: binary()) ->
          {ok, cambrian_identity:key()} | {error, malformed | bad_signature}.
lives_at(Realm, Address, Nonce, Answer) when byte_size(Answer) =< 256 ->
    case unpack(Answer) of
        {ok, [?LIVES, <<Key:32/binary>>, <<Signature:64/binary>>]} ->
            case is_signed(place(Realm, Address, Nonce), Signature, Key) of
                true -> {ok, Key};
                false -> {error, bad_signature}
            end;
        _ -> {error, malformed}
    end;
lives_at(_Realm, _Address, _Nonce, _Answer) -> {error, malformed}.

-spec answer(answer()) -> binary().
answer(none) -> pack([]);
answer({whole, Envelope, Breeder}) -> pack([1, Envelope, optional(Breeder)]);
answer({difference, Base, Difference, Breeder}) -> pack([2, Base, Difference, optional(Breeder)]);
answer({elsewhere, Content, Breeder}) -> pack([3, Content, optional(Breeder)]).

optional(undefined) -> nil;
optional(Record) -> Record.

-spec read_answer(binary()) -> {ok, answer()} | {error, malformed}.
read_answer(Bytes) ->
    case unpack(Bytes) of
        {ok, []} -> {ok, none};
        {ok, [1, Envelope, Breeder]} when is_binary(Envelope) ->
            with_breeder(Breeder, {whole, Envelope});
        {ok, [2, <<Base:32/binary>>, Difference, Breeder]} when is_binary(Difference) ->
            with_breeder(Breeder, {difference, Base, Difference});
        {ok, [3, <<Content:32/binary>>, Breeder]} -> with_breeder(Breeder, {elsewhere, Content});
        _ -> {error, malformed}
    end.

with_breeder(nil, Answer) -> {ok, erlang:append_element(Answer, undefined)};
with_breeder(Record, Answer) when is_binary(Record), byte_size(Record) =< ?MAX_RECORD ->
    {ok, erlang:append_element(Answer, Record)};
with_breeder(_, _) -> {error, malformed}.

%%% ---- common archives --------------------------------------------------------------------

%% @doc In which of these parts do we differ?
-spec compare(comparison()) -> binary().
compare(#{subject := Subject, nonce := Nonce, node := {Level, Index}, digests := Digests}) ->
    pack([?COMPARE, Subject, Nonce, Level, Index, Digests]).

-spec compared({differ, Bits :: non_neg_integer()}) -> binary().
compared({differ, Bits}) -> pack([?COMPARE, Bits]).

%% @doc The elites in cells that differ, signed for whoever drew the nonce. They are claims like
%% those of an envelope.
-spec elites(Realm :: binary(), comparison(), {claims(), [cambrian_common_archive:entry()]},
             cambrian_identity:identity()) -> binary().
elites(Realm, Comparison, {Claims, Entries}, #{key := Key, secret := Secret}) ->
    #{sequence := Sequence, time := Time, grant := Grant} = Claims,
    Body = pack([Sequence, Time, optional(Grant),
                 [[Cell, Fitness, Id] || {Cell, Fitness, Id} <- Entries]]),
    Signature = crypto:sign(eddsa, none, said(Realm, Comparison, Body), [Secret(), ed25519]),
    pack([?ELITES, Key, Body, Signature]).

said(Realm, #{subject := Subject, nonce := Nonce}, Body) ->
    [<<"cambrian elites 1\n">>, <<(byte_size(Realm))>>, Realm, Subject, Nonce, Body].

-spec read_compared(binary()) -> {ok, compared()} | {error, malformed}.
read_compared(Bytes) when byte_size(Bytes) =< ?MAX_COMPARED ->
    case unpack(Bytes) of
        {ok, []} -> {ok, none};
        {ok, [?COMPARE, Bits]}
          when is_integer(Bits), Bits >= 0, Bits < 1 bsl ?MAX_BELOW -> {ok, {differ, Bits}};
        {ok, [?ELITES, <<Key:32/binary>>, Body, <<Signature:64/binary>>]} when is_binary(Body) ->
            {ok, {elites, Key, Body, Signature}};
        _ -> {error, malformed}
    end;
read_compared(_) -> {error, malformed}.

%% @doc Reads what `elites' claims. The fun verifies who signed it.
-spec read_elites(Realm :: binary(), comparison(), compared()) ->
          {ok, claims(), [cambrian_common_archive:entry()], Verify :: fun(() -> boolean())}
        | {error, malformed}.
read_elites(Realm, Comparison, {elites, Key, Body, Signature}) ->
    case unpack(Body) of
        {ok, [Sequence, Time, Grant, Entries]}
          when is_integer(Sequence), Sequence >= 0, is_integer(Time), Time >= 0,
               Grant =:= nil orelse is_binary(Grant) andalso byte_size(Grant) =< 1024,
               is_list(Entries), length(Entries) =< ?MAX_BELOW ->
            case lists:all(fun is_entry/1, Entries) of
                true ->
                    Shown = case Grant of nil -> undefined; _ -> Grant end,
                    {ok, #{realm => Realm, origin => Key, sequence => Sequence, time => Time,
                           grant => Shown},
                     [list_to_tuple(Entry) || Entry <- Entries],
                     fun() -> is_signed(said(Realm, Comparison, Body), Signature, Key) end};
                false -> {error, malformed}
            end;
        _ -> {error, malformed}
    end.

is_entry([Cell, Fitness, <<_:32/binary>>]) ->
    is_integer(Cell) andalso Cell >= 0 andalso is_float(Fitness);
is_entry(_) -> false.

pack(Term) -> iolist_to_binary(cambrian_msgpack:encode(Term)).

%% Refuses bytes that `pack' would not write: each message has one form.
unpack(Bytes) ->
    case cambrian_msgpack:decode(Bytes) of
        {ok, Term} ->
            case pack(Term) of
                Bytes -> {ok, Term};
                _ -> {error, malformed}
            end;
        Error -> Error
    end.
