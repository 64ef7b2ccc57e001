%% @doc Writes texts and numbers for a picture or a page: valid, bounded, safe and short.
-module(cambrian_text).

-export([text/1, clip/1, clip/2, escape/1, printable/1]).
-export([hex/1, exact/1, short/1, tick/2, tick/3, decimal/2, counted/2, plural/2,
         bounded/1, finite/1]).
-export_type([text/0]).

-type text() :: unicode:chardata() | atom() | number().
%% A page shows any such term as text; markup in it is escaped.

-define(MAX_BYTES, 8000).
-define(MAX_NAME, 300).
-define(LARGEST, 1.7976931348623157e308).

%% ---------------------------------------------------------------------------------------------
%% Text
%% ---------------------------------------------------------------------------------------------

%% @doc Turns any term into valid UTF-8 of at most 8,000 bytes, without escapes.
%%
%% ```
%% <<"bad_signature">> = cambrian_text:text(bad_signature).
%% '''
-spec text(term()) -> binary().
text(Text) when is_binary(Text) -> valid(binary:part(Text, 0, min(byte_size(Text), ?MAX_BYTES)));
text(Text) when is_atom(Text) -> atom_to_binary(Text);
text(Text) when is_integer(Text) -> integer_to_binary(Text);
text(Text) when is_float(Text) -> exact(Text);
text(Text) when is_list(Text) ->
    try unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> text(Binary);
        {_, Binary, _} -> text(Binary)
    catch
        error:badarg -> term(Text)
    end;
text(Text) ->
    term(Text).

term(Term) ->
    text(unicode:characters_to_binary(io_lib:format("~0tP", [Term, 20]))).

%% Replaces bytes that are no UTF-8 by the replacement character.
valid(Binary) ->
    case unicode:characters_to_binary(Binary) of
        Text when is_binary(Text) -> Text;
        {_, Good, <<_, Rest/binary>>} -> <<Good/binary, 16#FFFD/utf8, (valid(Rest))/binary>>
    end.

%% @doc Clips a name to 300 characters. See {@link clip/2}.
-spec clip(term()) -> binary().
clip(Text) ->
    clip(Text, ?MAX_NAME).

%% @doc Clips a text to that many characters. The last of them is then an ellipsis.
%%
%% ```
%% <<"abc…"/utf8>> = cambrian_text:clip("abcdef", 4).
%% '''
-spec clip(term(), pos_integer()) -> binary().
clip(Text, Max) ->
    Chars = text(Text),
    case string:length(Chars) > Max of
        true ->
            Start = unicode:characters_to_binary(string:slice(Chars, 0, Max - 1)),
            <<Start/binary, "…"/utf8>>;
        false -> Chars
    end.

%% @doc Clips a stranger's text, and replaces control characters, which a terminal would obey, by
%% question marks.
%%
%% ```
%% "?[31mred" = cambrian_text:printable(<<"\e[31mred">>).
%% '''
-spec printable(term()) -> string().
printable(Text) ->
    [case C < 32 orelse C >= 127 andalso C < 160 of true -> $?; false -> C end
     || C <- unicode:characters_to_list(clip(Text))].

%% @doc Escapes a text for XML or HTML, between tags or in a quoted attribute.
%%
%% Replaces characters that XML forbids, and characters that change the direction of writing: with
%% them, a name could rearrange the text around it.
%%
%% ```
%% <<"a &lt; b">> = cambrian_text:escape(<<"a < b">>).
%% '''
-spec escape(term()) -> binary().
escape(Text) ->
    << <<(safe(C))/binary>> || <<C/utf8>> <= text(Text) >>.

safe($&) -> <<"&amp;">>;
safe($<) -> <<"&lt;">>;
safe($>) -> <<"&gt;">>;
safe($") -> <<"&quot;">>;
safe($') -> <<"&#39;">>;
safe(C) when C < 32, C =/= $\n, C =/= $\t -> <<16#FFFD/utf8>>;
safe(C) when C >= 127, C =< 159 -> <<16#FFFD/utf8>>;
safe(C) when C >= 16#202A, C =< 16#202E; C >= 16#2066, C =< 16#2069 -> <<16#FFFD/utf8>>;
safe(C) when C =:= 16#FFFE; C =:= 16#FFFF -> <<16#FFFD/utf8>>;
safe(C) -> <<C/utf8>>.

%% ---------------------------------------------------------------------------------------------
%% Numbers
%% ---------------------------------------------------------------------------------------------

%% @doc Writes a number in the fewest digits that read back as the same number.
%%
%% Networks compute in single precision. A number that is exactly a single is written as a single,
%% so that 0.1 is not shown as 0.10000000149011612.
%%
%% ```
%% <<"0.1">> = cambrian_text:exact(0.10000000149011612).
%% '''
-spec exact(number()) -> binary().
exact(Value) when is_integer(Value) ->
    integer_to_binary(Value);
exact(Value) ->
    case single(Value) =:= Value of
        true -> shortest_single(Value, 6);
        false -> float_to_binary(Value, [short])
    end.

single(Value) when abs(Value) < 3.0e38 ->
    <<Single:32/float>> = <<Value:32/float>>,
    Single;
single(_) ->
    none.

%% Nine digits always name a single; most need fewer.
shortest_single(Value, Digits) ->
    Rounded = binary_to_float(float_to_binary(Value, [{scientific, Digits - 1}])),
    case Digits >= 9 orelse single(Rounded) =:= Value of
        true -> float_to_binary(Rounded, [short]);
        false -> shortest_single(Value, Digits + 1)
    end.

%% @doc Writes a number for people: about four digits, with commas between thousands.
%%
%% ```
%% <<"12,346">> = cambrian_text:short(12345.6).
%% '''
-spec short(number()) -> binary().
short(Value) ->
    iolist_to_binary(four_digits(finite(Value))).

four_digits(Value) ->
    Size = abs(Value),
    if
        Value == 0 -> "0";
        Size >= 1.0e9; Size < 1.0e-4 -> signed(Value, short_scientific(Size));
        true -> signed(Value, grouped(decimal(Size, max(0, 3 - power(Size)))))
    end.

%% @doc Writes a number on an axis, in enough digits to tell apart ticks at a distance of `Step'.
%%
%% ```
%% 1> [iolist_to_binary(cambrian_text:tick(T, 0.2)) || T <- [0, 0.2, 1]].
%% [<<"0.0">>,<<"0.2">>,<<"1.0">>]
%% 2> iolist_to_binary(cambrian_text:tick(2.0e6, 5.0e5)).
%% <<"2.0M">>
%% '''
-spec tick(number(), Step :: float()) -> iodata().
tick(Value, Step) ->
    Size = abs(Value),
    if
        Size >= 1.0e9; Step >= 1.0e9; Step < 1.0e-5, Size < 1.0e-3; Step < 1.0e-15 ->
            tick(Value, Step, 0);
        Value == 0, Step >= 1.0e5 -> "0";
        Step >= 1.0e5 -> [tick(Value / 1.0e6, Step / 1.0e6), "M"];
        true ->
            Decimals = max(0, -power(Step)),
            signed(Value, grouped(float_to_binary(Size * 1.0, [{decimals, Decimals}])))
    end.

%% @doc Writes a tick that stands for `Value' times ten to the power of `Power'.
%%
%% ```
%% 1> [iolist_to_binary(cambrian_text:tick(T, 0.5e108, 200)) || T <- [0, 0.5e108, 1.5e108]].
%% [<<"0">>,<<"5e307">>,<<"1.5e308">>]
%% '''
-spec tick(number(), Step :: float(), Power :: integer()) -> iodata().
tick(Value, Step, Power) ->
    scientific(Value, max(0, min(16, power(max(abs(Value), Step)) - power(Step))), Power).

%% @doc Writes a count with its noun.
%%
%% ```
%% 1> [iolist_to_binary(cambrian_text:counted(N, "node")) || N <- [0, 1, 1200]].
%% [<<"0 nodes">>,<<"1 node">>,<<"1,200 nodes">>]
%% '''
-spec counted(non_neg_integer(), string()) -> iodata().
counted(Count, Word) -> [short(Count), " ", plural(Count, Word)].

%% @doc The form of a noun for a count. `species' has one form.
%%
%% ```
%% 1> [cambrian_text:plural(N, Word) || {N, Word} <- [{0, "node"}, {1, "node"}, {2, "species"}]].
%% ["nodes","node","species"]
%% '''
-spec plural(non_neg_integer(), string()) -> string().
plural(1, Word) -> Word;
plural(_, "species") -> "species";
plural(_, Word) -> Word ++ "s".

%% @doc Writes a number with at most that many decimals, without zeros at the end.
%%
%% ```
%% 1> [cambrian_text:decimal(X, 2) || X <- [1, 0.5, 2 / 3, -0.001]].
%% [<<"1">>,<<"0.5">>,<<"0.67">>,<<"0">>]
%% '''
-spec decimal(number(), Digits :: 0..20) -> binary().
decimal(Value, Digits) ->
    Text = float_to_binary(Value * 1.0, [{decimals, Digits}, compact]),
    Whole = byte_size(Text) - 2,
    case Text of
        <<"-0.0">> -> <<"0">>;
        <<Integer:Whole/binary, ".0">> -> Integer;
        _ -> Text
    end.

%% @doc Turns a number into a float that can be squared without overflow: from -1.0e150 to 1.0e150.
%%
%% ```
%% 1> {cambrian_text:bounded(3), cambrian_text:bounded(-1.0e300)}.
%% {3.0,-1.0e150}
%% '''
-spec bounded(number()) -> float().
bounded(Value) when Value > 1.0e150 -> 1.0e150;
bounded(Value) when Value < -1.0e150 -> -1.0e150;
bounded(Value) -> float(Value).

%% @doc Turns a number into a float. An integer that is too large becomes the largest float.
%%
%% ```
%% 1> {cambrian_text:finite(3), cambrian_text:finite(-(1 bsl 2000))}.
%% {3.0,-1.7976931348623157e308}
%% '''
-spec finite(number()) -> float().
finite(Value) when Value > ?LARGEST -> ?LARGEST;
finite(Value) when Value < -?LARGEST -> -?LARGEST;
finite(Value) -> float(Value).

%% Writes `Value' times ten to the power of `More', with that many decimals.
scientific(Value, _, _) when Value == 0 -> "0";
scientific(Value, Decimals, More) ->
    Text = float_to_binary(abs(float(Value)), [{scientific, Decimals}]),
    [Digits, Power] = string:split(Text, "e"),
    signed(Value, [Digits, "e", integer_to_list(binary_to_integer(Power) + More)]).

%% 1.5e-7, not 1.50e-7.
short_scientific(Size) ->
    [Digits, Power] = string:split(iolist_to_binary(scientific(Size, 2, 0)), "e"),
    [string:trim(string:trim(Digits, trailing, "0"), trailing, "."), "e", Power].

%% The power of ten of the first digit.
power(Size) -> floor(math:log10(Size) + 1.0e-9).

signed(Value, Text) when Value < 0 -> [<<"−"/utf8>>, Text];
signed(_, Text) -> Text.

%% Writes 12345.6 as 12,345.6.
grouped(Text) ->
    [Whole | Fraction] = binary:split(Text, <<".">>),
    [thousands(byte_size(Whole), Whole), [[$., F] || F <- Fraction]].

thousands(Size, Whole) when Size =< 3 -> Whole;
thousands(Size, Whole) ->
    <<Head:(Size - 3)/binary, Tail/binary>> = Whole,
    [thousands(Size - 3, Head), $,, Tail].

%% @doc Writes bytes as lower-case hexadecimal digits.
%%
%% ```
%% 1> cambrian_text:hex(<<1, 171>>).
%% <<"01ab">>
%% '''
-spec hex(binary()) -> binary().
hex(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).
