%% @private
%% Writes and reads MessagePack for external programs, without extension types.
%%
%% It writes `nil', `true' and `false', integers of 64 bits, floats, lists and maps; an atom or a
%% `{text, Binary}' becomes a string, a binary becomes bytes. It reads strings and bytes as
%% binaries, so that no text from outside becomes an atom.
-module(cambrian_msgpack).

-export([encode/1, decode/1]).

-type term_in() :: nil | boolean() | integer() | float() | binary() | [term_in()]
                 | #{term_in() => term_in()}.

%% Limits of a message from outside. A list of small integers takes 16 times as much memory as its
%% bytes, so the number of items is limited too.
-define(MAX_DEPTH, 16).
-define(MAX_ITEMS, 1_000_000).

-spec encode(term()) -> iodata().
encode(nil) -> <<16#c0>>;
encode(false) -> <<16#c2>>;
encode(true) -> <<16#c3>>;
encode(Atom) when is_atom(Atom) -> encode({text, atom_to_binary(Atom)});
encode(N) when is_integer(N) -> integer(N);
encode(X) when is_float(X) -> <<16#cb, X/float>>;
encode({text, Text}) when byte_size(Text) < 32 -> [<<2#101:3, (byte_size(Text)):5>>, Text];
encode({text, Text}) -> [sized(16#d9, byte_size(Text)), Text];
encode(Bytes) when is_binary(Bytes) -> [sized(16#c4, byte_size(Bytes)), Bytes];
encode(List) when is_list(List) ->
    [counted(2#1001, 16#dc, length(List)) | [encode(Item) || Item <- List]];
encode(Map) when is_map(Map) ->
    [counted(2#1000, 16#de, map_size(Map))
     | [[encode(K), encode(V)] || {K, V} <- lists:sort(maps:to_list(Map))]].

integer(N) when N >= 0, N < 16#80 -> <<N:8>>;
integer(N) when N >= -32, N < 0 -> <<N:8>>;
integer(N) when N >= 0, N < 16#100 -> <<16#cc, N:8>>;
integer(N) when N >= 0, N < 16#10000 -> <<16#cd, N:16>>;
integer(N) when N >= 0, N < 16#100000000 -> <<16#ce, N:32>>;
integer(N) when N >= 0, N < 1 bsl 64 -> <<16#cf, N:64>>;
integer(N) when N >= -16#80, N < 0 -> <<16#d0, N:8>>;
integer(N) when N >= -16#8000, N < 0 -> <<16#d1, N:16>>;
integer(N) when N >= -16#80000000, N < 0 -> <<16#d2, N:32>>;
integer(N) when N >= -(1 bsl 63), N < 0 -> <<16#d3, N:64>>.

sized(Byte, Size) when Size < 16#100 -> <<Byte, Size:8>>;
sized(Byte, Size) when Size < 16#10000 -> <<(Byte + 1), Size:16>>;
sized(Byte, Size) when Size < 16#100000000 -> <<(Byte + 2), Size:32>>.

counted(Nibble, _Byte, Count) when Count < 16 -> <<Nibble:4, Count:4>>;
counted(_Nibble, Byte, Count) when Count < 16#10000 -> <<Byte, Count:16>>;
counted(_Nibble, Byte, Count) when Count < 16#100000000 -> <<(Byte + 1), Count:32>>.

%% @doc Decodes one value. Bytes after it are an error.
-spec decode(binary()) -> {ok, term_in()} | {error, malformed}.
decode(Bytes) ->
    try value(Bytes, ?MAX_DEPTH, ?MAX_ITEMS) of
        {Value, <<>>, _} -> {ok, Value};
        _ -> {error, malformed}
    catch
        throw:malformed -> {error, malformed}
    end.

value(_, Depth, Items) when Depth =:= 0; Items =:= 0 -> throw(malformed);
value(Bytes, Depth, Items) ->
    case Bytes of
        <<0:1, N:7, Rest/binary>> -> {N, Rest, Items - 1};
        <<2#111:3, _:5, Rest/binary>> -> <<N:8/signed, _/binary>> = Bytes, {N, Rest, Items - 1};
        <<2#101:3, Size:5, Text:Size/binary, Rest/binary>> -> {Text, Rest, Items - 1};
        <<2#1001:4, Count:4, Rest/binary>> -> list(Count, Rest, Depth, Items - 1, []);
        <<2#1000:4, Count:4, Rest/binary>> -> map(Count, Rest, Depth, Items - 1, #{});
        <<16#c0, Rest/binary>> -> {nil, Rest, Items - 1};
        <<16#c2, Rest/binary>> -> {false, Rest, Items - 1};
        <<16#c3, Rest/binary>> -> {true, Rest, Items - 1};
        <<16#ca, X:32/float, Rest/binary>> -> {X, Rest, Items - 1};
        <<16#cb, X:64/float, Rest/binary>> -> {X, Rest, Items - 1};
        <<16#dc, Count:16, Rest/binary>> -> list(Count, Rest, Depth, Items - 1, []);
        <<16#dd, Count:32, Rest/binary>> -> list(Count, Rest, Depth, Items - 1, []);
        <<16#de, Count:16, Rest/binary>> -> map(Count, Rest, Depth, Items - 1, #{});
        <<16#df, Count:32, Rest/binary>> -> map(Count, Rest, Depth, Items - 1, #{});
        _ -> sized_value(Bytes, Items - 1)
    end.

sized_value(Bytes, Items) ->
    case Bytes of
        <<16#c4, Size:8, Value:Size/binary, Rest/binary>> -> {Value, Rest, Items};
        <<16#c5, Size:16, Value:Size/binary, Rest/binary>> -> {Value, Rest, Items};
        <<16#c6, Size:32, Value:Size/binary, Rest/binary>> -> {Value, Rest, Items};
        <<16#d9, Size:8, Value:Size/binary, Rest/binary>> -> {Value, Rest, Items};
        <<16#da, Size:16, Value:Size/binary, Rest/binary>> -> {Value, Rest, Items};
        <<16#db, Size:32, Value:Size/binary, Rest/binary>> -> {Value, Rest, Items};
        <<16#cc, N:8, Rest/binary>> -> {N, Rest, Items};
        <<16#cd, N:16, Rest/binary>> -> {N, Rest, Items};
        <<16#ce, N:32, Rest/binary>> -> {N, Rest, Items};
        <<16#cf, N:64, Rest/binary>> -> {N, Rest, Items};
        <<16#d0, N:8/signed, Rest/binary>> -> {N, Rest, Items};
        <<16#d1, N:16/signed, Rest/binary>> -> {N, Rest, Items};
        <<16#d2, N:32/signed, Rest/binary>> -> {N, Rest, Items};
        <<16#d3, N:64/signed, Rest/binary>> -> {N, Rest, Items};
        _ -> throw(malformed)
    end.

list(0, Rest, _, Items, List) -> {lists:reverse(List), Rest, Items};
list(Count, Bytes, Depth, Items, List) ->
    {Value, Rest, Left} = value(Bytes, Depth - 1, Items),
    list(Count - 1, Rest, Depth, Left, [Value | List]).

map(0, Rest, _, Items, Map) -> {Map, Rest, Items};
map(Count, Bytes, Depth, Items, Map) ->
    {Key, AfterKey, Left} = value(Bytes, Depth - 1, Items),
    {Value, Rest, Less} = value(AfterKey, Depth - 1, Left),
    map(Count - 1, Rest, Depth, Less, Map#{Key => Value}).
