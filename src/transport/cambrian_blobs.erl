%% @private
%% A bounded store of blobs by the SHA-256 of their bytes. The oldest blobs are dropped first.
%% Putting a blob again makes it the newest.
-module(cambrian_blobs).

-export([new/1, put/2, get/2]).
-export_type([blobs/0]).

-record(blobs, {limit :: pos_integer(), bytes = 0 :: non_neg_integer(),
                held = #{} :: #{cambrian_transport:content() => {Age :: integer(), binary()}},
                ages = gb_trees:empty() :: gb_trees:tree(integer(), cambrian_transport:content()),
                next = 0 :: integer()}).

-opaque blobs() :: #blobs{}.

%% The most blobs, of any size.
-define(MOST, 4096).

-spec new(Bytes :: pos_integer()) -> blobs().
new(Limit) -> #blobs{limit = Limit}.

%% Stores a blob. Returns its hash, and the hashes of the blobs that were dropped for it. Refuses a
%% blob that is larger than the limit.
-spec put(binary(), blobs()) ->
          {ok, cambrian_transport:content(), [cambrian_transport:content()], blobs()}
          | {error, too_large}.
put(Blob, #blobs{limit = Limit}) when byte_size(Blob) > Limit -> {error, too_large};
put(Blob, Blobs) ->
    Content = crypto:hash(sha256, Blob),
    {Gone, Kept} = make_room([], add(Content, Blob, drop(Content, Blobs))),
    {ok, Content, Gone, Kept}.

-spec get(cambrian_transport:content(), blobs()) -> {ok, binary()} | {error, not_found}.
get(Content, #blobs{held = Held}) ->
    case Held of
        #{Content := {_, Blob}} -> {ok, Blob};
        _ -> {error, not_found}
    end.

%% Copies the blob: if the blob is a part of a larger binary, it would keep all of that in memory.
add(Content, Blob, #blobs{held = Held, ages = Ages, next = Age, bytes = Bytes} = Blobs) ->
    Blobs#blobs{held = Held#{Content => {Age, binary:copy(Blob)}},
                ages = gb_trees:insert(Age, Content, Ages),
                next = Age + 1, bytes = Bytes + byte_size(Blob)}.

drop(Content, #blobs{held = Held, ages = Ages, bytes = Bytes} = Blobs) ->
    case maps:take(Content, Held) of
        {{Age, Blob}, Rest} ->
            Blobs#blobs{held = Rest, ages = gb_trees:delete(Age, Ages),
                        bytes = Bytes - byte_size(Blob)};
        error -> Blobs
    end.

make_room(Gone, #blobs{bytes = Bytes, limit = Limit, held = Held, ages = Ages} = Blobs)
  when Bytes > Limit; map_size(Held) > ?MOST ->
    {_, Oldest} = gb_trees:smallest(Ages),
    make_room([Oldest | Gone], drop(Oldest, Blobs));
make_room(Gone, Blobs) -> {Gone, Blobs}.
