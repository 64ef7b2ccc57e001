%% @private
%% What members of {@link cambrian_consensus} say to each other, as bytes. Whatever bytes come from
%% outside, {@link decode/1} answers a message of the right shape or an error.
-module(cambrian_consensus_message).

-export([encode/1, decode/1, max_bytes/0]).
-export_type([message/0, accepted/0]).

-type epoch() :: cambrian_record:epoch().
%% What a voter accepted, and in which epoch.
-type accepted() :: none | {epoch(), cambrian_record:record()}.
%% The number of a member without any record is -1.
-type number_or_none() :: -1 | non_neg_integer().
-type message() :: {stand, epoch(), number_or_none()}
                 | {promise, epoch(), number_or_none(), accepted()}
                 | {accept, epoch(), cambrian_record:record()}
                 | {accepted, epoch(), non_neg_integer()}
                 | {coordinator, epoch(), non_neg_integer(), cambrian_record:hash()}
                 | {here, epoch(), number_or_none()}
                 | {refused, epoch()}
                 | {want, number_or_none()}
                 | {records, [cambrian_record:record(), ...]}
                 | {behind, non_neg_integer()}.

-define(KINDS, [stand, promise, accept, accepted, coordinator, here, refused, want, records,
                behind]).
%% More than one record goes only where all of them are no larger than the largest one.
-define(MAX_RECORDS, 64).

%% @doc No message is larger.
-spec max_bytes() -> pos_integer().
max_bytes() -> cambrian_record:max_bytes() + 1024.

-spec encode(message()) -> binary().
encode(Message) ->
    [Kind | Parts] = tuple_to_list(Message),
    iolist_to_binary(cambrian_msgpack:encode([place(Kind, ?KINDS) | [part(P) || P <- Parts]])).

place(Kind, [Kind | _]) -> 0;
place(Kind, [_ | Kinds]) -> 1 + place(Kind, Kinds).

part(none) -> nil;
part(#{hash := _} = Record) -> cambrian_record:encode(Record);
part({{_, _} = Epoch, #{hash := _} = Record}) -> [part(Epoch), part(Record)];
part({N, Member}) -> [N, Member];
part(Records) when is_list(Records) -> [part(Record) || Record <- Records];
part(Plain) -> Plain.

-spec decode(term()) -> {ok, message()} | {error, malformed}.
decode(Bytes) when is_binary(Bytes) ->
    try
        true = byte_size(Bytes) =< max_bytes(),
        {ok, [Kind | Parts]} = cambrian_msgpack:decode(Bytes),
        true = Kind < length(?KINDS),
        {ok, message(lists:nth(Kind + 1, ?KINDS), Parts)}
    catch error:_ -> {error, malformed}
    end;
decode(_) -> {error, malformed}.

%% An error stands for a wrong shape.
message(stand, [Epoch, Number]) -> {stand, epoch(Epoch), number(Number)};
message(promise, [Epoch, Number, nil]) -> {promise, epoch(Epoch), number(Number), none};
message(promise, [Epoch, Number, [In, Record]]) ->
    {promise, epoch(Epoch), number(Number), {epoch(In), record(Record)}};
message(accept, [Epoch, Record]) -> {accept, epoch(Epoch), record(Record)};
message(accepted, [Epoch, Number]) -> {accepted, epoch(Epoch), number(Number)};
message(coordinator, [Epoch, Number, <<_:256>> = Hash]) ->
    {coordinator, epoch(Epoch), number(Number), Hash};
message(here, [Epoch, Number]) -> {here, epoch(Epoch), number(Number)};
message(refused, [Epoch]) -> {refused, epoch(Epoch)};
message(want, [Number]) -> {want, number(Number)};
message(records, [[_ | _] = Records]) when length(Records) =< ?MAX_RECORDS ->
    {records, [record(Record) || Record <- Records]};
message(behind, [Number]) -> {behind, number(Number)}.

epoch([N, Member]) ->
    true = cambrian_record:is_epoch({N, Member}),
    {N, Member}.

number(Number) when is_integer(Number), Number >= -1 -> Number.

record(Bytes) ->
    {ok, Record} = cambrian_record:decode(Bytes),
    Record.
