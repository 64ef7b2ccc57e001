%% @private
%% The scores of a generation as the bodies of one or more records, as a value: a record has a
%% bounded size, and the scores of a large population may take more.
%%
%% A coordinator that is replaced may leave some of its parts in the log. The next one has measured
%% for itself, so it begins with its own first part. The scores count once all parts of one
%% coordinator are there.
-module(cambrian_score_parts).

-export([split/1, most/0, none/0, add/2, next/2]).
-export_type([parts/0, part/0]).

-type epoch() :: cambrian_record:epoch().
-type scores() :: {[cambrian_evaluator:outcome()], Faults :: list()}.
-type part() :: {epoch(), Nth :: pos_integer(), Of :: pos_integer(), binary()}.
%% With the epoch of the coordinator that has measured.

%% Those that came, the last first.
-opaque parts() :: none | {epoch(), [binary(), ...]}.

%% The rest of a record's body takes less.
-define(PART_BYTES, (1_048_576 - 4096)).
%% A member that joins gets the records of the present generation from the last `window' records of
%% another member, which are 64.
-define(MAX_PARTS, 32).

%% @doc The parts of these scores, unless they take more than {@link most/0} bytes.
-spec split(scores()) -> {ok, [binary(), ...]} | {too_large, Bytes :: pos_integer()}.
split(Scores) ->
    case term_to_binary(Scores, [compressed]) of
        Bytes when byte_size(Bytes) > ?MAX_PARTS * ?PART_BYTES ->
            {too_large, byte_size(Bytes)};
        Bytes -> {ok, cut(Bytes)}
    end.

cut(<<Part:?PART_BYTES/binary, Rest/binary>>) when Rest =/= <<>> -> [Part | cut(Rest)];
cut(Last) -> [Last].

%% @doc The most bytes of the scores of a generation.
-spec most() -> pos_integer().
most() -> ?MAX_PARTS * ?PART_BYTES.

-spec none() -> parts().
none() -> none.

%% @doc Adds a part. One that follows none of its coordinator's is of no use any more.
-spec add(part(), parts()) -> {whole, scores()} | {partial, parts()}.
add({Epoch, 1, Of, Part}, _) -> added(Of, {Epoch, [Part]});
add({Epoch, Nth, Of, Part}, {Epoch, Before}) when Nth =:= length(Before) + 1 ->
    added(Of, {Epoch, [Part | Before]});
add(_, Parts) -> {partial, Parts}.

added(Of, {_, Parts}) when length(Parts) =:= Of ->
    {whole, binary_to_term(iolist_to_binary(lists:reverse(Parts)))};
added(_, Parts) -> {partial, Parts}.

%% @doc Which part the coordinator of this epoch proposes next.
-spec next(epoch(), parts()) -> pos_integer().
next(Epoch, {Epoch, Parts}) -> length(Parts) + 1;
next(_, _) -> 1.
