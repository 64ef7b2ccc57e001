%% @private
%% Writes terms as JSON on one line, in ASCII except for characters above 16#FFFF, and reads JSON.
-module(cambrian_json).

-export([encode/1, decode/1]).
-export_type([json/0]).

%% The keys of a map are sorted, and those of `{Fields}' keep their order. A list of numbers is an
%% array, not a text. `nil', `null' and `undefined' are null.
-type json() :: #{atom() | binary() => json()} | {[{atom(), json()}]} | [json()]
              | atom() | number() | binary().

-type decoded() :: #{binary() => decoded()} | [decoded()] | number() | boolean() | null | binary().

%% Objects and arrays within each other.
-define(DEEPEST, 32).
-define(IS_BLANK(C), C =:= $\s; C =:= $\n; C =:= $\r; C =:= $\t).

%% @doc Encodes a term. Any other term raises `badarg'.
-spec encode(json()) -> binary().
encode(Term) -> iolist_to_binary(value(Term)).

value(Map) when is_map(Map) -> value({lists:sort(maps:to_list(Map))});
value({Fields}) ->
    [${, lists:join($,, [[key(Key), $:, value(Value)] || {Key, Value} <- Fields]), $}];
value(List) when is_list(List) -> [$[, lists:join($,, lists:map(fun value/1, List)), $]];
value(Word) when Word =:= true; Word =:= false -> atom_to_binary(Word);
value(Null) when Null =:= nil; Null =:= null; Null =:= undefined -> <<"null">>;
value(Atom) when is_atom(Atom) -> text(atom_to_binary(Atom));
value(N) when is_integer(N) -> integer_to_binary(N);
value(X) when is_float(X) -> io_lib:format("~p", [X]);
value(Text) when is_binary(Text) -> text(Text);
value(_) -> error(badarg).

key(Key) when is_atom(Key) -> text(atom_to_binary(Key));
key(Key) when is_binary(Key) -> text(Key);
key(_) -> error(badarg).

text(Text) ->
    case unicode:characters_to_list(Text) of
        Chars when is_list(Chars) -> [$", [escaped(C) || C <- Chars], $"];
        _ -> error(badarg)
    end.

escaped(C) when C < 32; C =:= $"; C =:= $\\; C > 126, C < 16#10000 ->
    io_lib:format("\\u~4.16.0b", [C]);
escaped(C) -> unicode:characters_to_binary([C]).

%%% ---- reading ----------------------------------------------------------------------------

%% @doc Reads JSON (RFC 8259) of anyone's: it makes no atom, and objects with the same key twice are
%% refused.
-spec decode(binary()) -> {ok, decoded()} | {error, Why :: binary()}.
decode(Text) ->
    try
        {Term, Rest} = term(blank(Text), ?DEEPEST),
        case blank(Rest) of
            <<>> -> {ok, Term};
            More -> unexpected(More)
        end
    catch throw:{?MODULE, Rest2} ->
        At = integer_to_binary(byte_size(Text) - byte_size(Rest2)),
        {error, <<"not JSON from byte ", At/binary, " on">>}
    end.

-spec unexpected(binary()) -> no_return().
unexpected(Rest) -> throw({?MODULE, Rest}).

blank(<<C, Rest/binary>>) when ?IS_BLANK(C) -> blank(Rest);
blank(Rest) -> Rest.

term(Text, 0) -> unexpected(Text);
term(<<${, Rest/binary>>, Depth) -> object(blank(Rest), Depth, #{});
term(<<$[, Rest/binary>>, Depth) -> array(blank(Rest), Depth, []);
term(<<$", Rest/binary>>, _) -> string(Rest, []);
term(<<"true", Rest/binary>>, _) -> {true, Rest};
term(<<"false", Rest/binary>>, _) -> {false, Rest};
term(<<"null", Rest/binary>>, _) -> {null, Rest};
term(Text, _) -> number(Text).

object(<<$}, Rest/binary>>, _, Map) when map_size(Map) =:= 0 -> {Map, Rest};
object(<<$", Text/binary>>, Depth, Map) ->
    {Key, Rest} = string(Text, []),
    case blank(Rest) of
        <<$:, More/binary>> when not is_map_key(Key, Map) ->
            {Value, After} = term(blank(More), Depth - 1),
            case blank(After) of
                <<$,, Then/binary>> -> object(blank(Then), Depth, Map#{Key => Value});
                <<$}, Then/binary>> -> {Map#{Key => Value}, Then};
                Other -> unexpected(Other)
            end;
        _ -> unexpected(Text)
    end;
object(Text, _, _) -> unexpected(Text).

array(<<$], Rest/binary>>, _, []) -> {[], Rest};
array(Text, Depth, Values) ->
    {Value, After} = term(Text, Depth - 1),
    case blank(After) of
        <<$,, Then/binary>> -> array(blank(Then), Depth, [Value | Values]);
        <<$], Then/binary>> -> {lists:reverse(Values, [Value]), Then};
        Other -> unexpected(Other)
    end.

string(<<$", Rest/binary>>, Chars) ->
    {unicode:characters_to_binary(lists:reverse(Chars)), Rest};
string(<<"\\u", Rest/binary>> = Text, Chars) ->
    {C, More} = escaped_unit(Rest, Text),
    case {C, More} of
        {High, <<"\\u", Second/binary>>} when High >= 16#D800, High =< 16#DBFF ->
            {Low, After} = escaped_unit(Second, Text),
            _ = [unexpected(Text) || Low < 16#DC00 orelse Low > 16#DFFF],
            string(After, [16#10000 + ((High - 16#D800) bsl 10) + (Low - 16#DC00) | Chars]);
        {Half, _} when Half >= 16#D800, Half =< 16#DFFF -> unexpected(Text);
        _ -> string(More, [C | Chars])
    end;
string(<<$\\, C, Rest/binary>> = Text, Chars) ->
    case lists:keyfind(C, 1, [{$", $"}, {$\\, $\\}, {$/, $/}, {$b, $\b}, {$f, $\f}, {$n, $\n},
                              {$r, $\r}, {$t, $\t}]) of
        {C, Char} -> string(Rest, [Char | Chars]);
        false -> unexpected(Text)
    end;
string(<<C/utf8, Rest/binary>>, Chars) when C >= 32 -> string(Rest, [C | Chars]);
string(Text, _) -> unexpected(Text).

escaped_unit(<<Digits:4/binary, Rest/binary>>, Text) ->
    case re:run(Digits, "^[0-9a-fA-F]{4}$", [{capture, none}]) of
        match -> {binary_to_integer(Digits, 16), Rest};
        nomatch -> unexpected(Text)
    end;
escaped_unit(_, Text) -> unexpected(Text).

number(Text) ->
    Pattern = "^(-?(?:0|[1-9][0-9]{0,300}))(\\.[0-9]{1,300})?([eE][+-]?[0-9]{1,4})?",
    case re:run(Text, Pattern, [{capture, all, binary}]) of
        {match, [All | Parts]} ->
            <<_:(byte_size(All))/binary, Rest/binary>> = Text,
            try {number_of(Parts), Rest}
            catch error:badarg -> unexpected(Text)
            end;
        nomatch -> unexpected(Text)
    end.

number_of([Whole]) -> binary_to_integer(Whole);
number_of([Whole, Fraction]) -> binary_to_float(<<Whole/binary, Fraction/binary>>);
number_of([Whole, <<>>, Power]) -> binary_to_float(<<Whole/binary, ".0", Power/binary>>);
number_of(Parts) -> binary_to_float(iolist_to_binary(Parts)).
