%% @private
%% One record of a federation's log, as a value. It names its number, the epoch in which it was
%% first proposed, the hash of the record before it, and the voters who decide the record after it.
%% What its body means is known only to the holder of the log.
%%
%% The bytes of a record are canonical: equal records have equal bytes, so the SHA-256 of the bytes
%% is the name of the record, and of all records before it.
-module(cambrian_record).

-export([first/2, next/4, follows/2, encode/1, decode/1, is_member/1, is_epoch/1, max_body/0,
         max_bytes/0]).
-export_type([record/0, hash/0, member/0, epoch/0, voters/0]).

%% A member keeps its name for as long as it remembers what it promised: see {@link
%% cambrian_consensus}.
-type member() :: binary().
%% The number grows, and the member is the one that coordinates. Two epochs of one number differ by
%% their member.
-type epoch() :: {non_neg_integer(), member()}.
-type hash() :: <<_:256>>.
%% Sorted: 1, 3, 5 or 7 of them. None stand in a log whose engine chooses its own, as that of {@link
%% cambrian_log_ra}.
-type voters() :: [member()].
-type record() :: #{number := non_neg_integer(), epoch := epoch(), before := hash(),
                    voters := voters(), body := binary(), hash := hash()}.
%% The record of number 0 has the epoch `{0, <<>>}', and `before' is zero.

-define(VERSION, 1).
-define(MAX_MEMBER, 255).
-define(MAX_BODY, 1_048_576).
%% All other parts, at their largest, take less.
-define(MAX_BYTES, ?MAX_BODY + 4096).
-define(MAX_NUMBER, 16#ffffffffffffffff).
-define(NONE, <<0:256>>).

%% @doc The record that begins a log. Members that begin one log begin with the same.
-spec first(voters(), Body :: binary()) -> record().
first(Voters, Body) -> new(0, {0, <<>>}, ?NONE, Voters, Body).

-spec next(epoch(), voters(), Body :: binary(), Before :: record()) -> record().
next(Epoch, Voters, Body, #{number := Number, hash := Hash}) ->
    new(Number + 1, Epoch, Hash, Voters, Body).

new(Number, Epoch, Before, Voters, Body) ->
    named(#{number => Number, epoch => Epoch, before => Before, voters => lists:usort(Voters),
            body => Body}).

named(Record) -> Record#{hash => crypto:hash(sha256, encode(Record))}.

%% @doc Whether a record is the next after another, or the first if there is no other.
-spec follows(record(), Before :: record() | none) -> boolean().
follows(#{number := 0, before := ?NONE}, none) -> true;
follows(_, none) -> false;
follows(#{number := Number, before := Before}, #{number := Last, hash := Hash}) ->
    Number =:= Last + 1 andalso Before =:= Hash.

-spec encode(map()) -> binary().
encode(#{number := Number, epoch := {N, Member}, before := Before, voters := Voters,
         body := Body}) ->
    iolist_to_binary(cambrian_msgpack:encode([?VERSION, Number, N, Member, Before, Voters, Body])).

%% @doc Reads a record from outside. Only canonical bytes are a record.
-spec decode(term()) ->
          {ok, record()}
          | {error, malformed | not_canonical | {too_large, pos_integer()}
                  | {unsupported_version, term()}}.
decode(Bytes) when is_binary(Bytes), byte_size(Bytes) > ?MAX_BYTES ->
    {error, {too_large, byte_size(Bytes)}};
decode(Bytes) when is_binary(Bytes) ->
    case cambrian_msgpack:decode(Bytes) of
        {ok, [?VERSION, Number, N, Member, Before, Voters, Body]} ->
            Record = #{number => Number, epoch => {N, Member}, before => Before,
                       voters => Voters, body => Body},
            checked(is_record(Record), Record, Bytes);
        {ok, [Version | _]} when Version =/= ?VERSION -> {error, {unsupported_version, Version}};
        _ -> {error, malformed}
    end;
decode(_) -> {error, malformed}.

checked(false, _, _) -> {error, malformed};
checked(true, Record, Bytes) ->
    case encode(Record) of
        Bytes -> {ok, named(Record)};
        _ -> {error, not_canonical}
    end.

is_record(#{number := Number, epoch := Epoch, before := Before, voters := Voters,
            body := Body}) ->
    is_count(Number, ?MAX_NUMBER) andalso is_epoch(Epoch)
        andalso is_binary(Before) andalso byte_size(Before) =:= 32
        andalso is_voters(Voters)
        andalso is_binary(Body) andalso byte_size(Body) =< ?MAX_BODY.

is_voters(Voters) ->
    is_list(Voters) andalso lists:member(length(Voters), [0, 1, 3, 5, 7])
        andalso lists:all(fun is_member/1, Voters) andalso lists:usort(Voters) =:= Voters.

-spec is_member(term()) -> boolean().
is_member(Member) ->
    is_binary(Member) andalso Member =/= <<>> andalso byte_size(Member) =< ?MAX_MEMBER.

%% @doc The epoch of the first record is the only one without a member.
-spec is_epoch(term()) -> boolean().
is_epoch({0, <<>>}) -> true;
is_epoch({N, Member}) -> is_count(N, ?MAX_NUMBER) andalso is_member(Member).

is_count(N, Max) -> is_integer(N) andalso N >= 0 andalso N =< Max.

-spec max_body() -> pos_integer().
max_body() -> ?MAX_BODY.

%% @doc The most bytes of a record.
-spec max_bytes() -> pos_integer().
max_bytes() -> ?MAX_BYTES.
