%% @doc Reads tables of data: CSV files, or columns of terms.
%%
%% A table has named columns. A column is of numbers, or of words, which stand for categories or for
%% classes; a field may be missing. {@link cambrian_data:prepare/2} makes a task of a table.
%%
%% A table is compact: it takes at most 12 bytes for each field, and each different word once. No
%% table takes more than the application's `memory_limit'.
-module(cambrian_table).

-export([read/1, read/2, from_text/1, from_text/2, from_columns/1, info/1]).
-export([size/1, column/2, names/1, is_missing/2, number/2, words/2]).
-export_type([table/0, column/0, options/0, error/0]).

-opaque table() :: #{rows := non_neg_integer(), names := [binary()],
                     columns := #{binary() => column()}}.
-type column() :: #{numbers := binary() | none, words := binary() | none, texts := [binary()],
                    missing := none | pos_integer(), word := none | {pos_integer(), binary()},
                    number := none | pos_integer()}.
%% The numbers are 64-bit floats, and the words 32-bit indices into `texts', from 0; a missing field
%% is ?NO_NUMBER or ?NO_WORD there. `none' replaces numbers once there is a word, and words once
%% there are too many. `missing', `word' and `number' are the first row that has such a field.

-type options() :: #{separator => cambrian_csv:separator()}.
-type error() :: cambrian_error:table() | cambrian_error:option()
               | {file:posix(), file:name_all()}.

%% Quiet NaN, which no number of Erlang is.
-define(NO_NUMBER, 16#7FF8000000000000).
-define(NO_WORD, 16#FFFFFFFF).
%% As many classes as a network has outputs, and the longest word in bytes.
-define(MOST_WORDS, 10_000).
-define(LONGEST_WORD, 1_000).
%% As large as the inputs of a network.
-define(LIMIT, 1.0e12).
-define(BYTES_PER_FIELD, 12).
-define(SHOWN, 40).

%% A column while it is read. `order' has the texts in reverse, `index' their indices.
-record(building, {numbers = <<>> :: binary() | none, words = <<>> :: binary() | none,
                   index = #{} :: #{binary() => non_neg_integer()}, order = [] :: [binary()],
                   missing = none :: none | pos_integer(),
                   word = none :: none | {pos_integer(), binary()},
                   number = none :: none | pos_integer()}).

-record(growing, {names :: [binary()], columns :: [#building{}], rows = 0 :: non_neg_integer(),
                  limit :: pos_integer()}).

%% @doc The same as {@link read/2} without options.
-spec read(file:name_all()) -> {ok, table()} | {error, error()}.
read(Path) -> read(Path, #{}).

%% @doc Reads a file of CSV (RFC 4180): the first line has the names of the columns, and every other
%% line a field for each. The file is UTF-8, with or without a byte order mark. Lines end with LF,
%% CR LF or CR; empty lines are skipped. A quoted field may hold separators, line ends and doubled
%% quotes.
%%
%% `separator' is `comma', `semicolon', `tab', or `auto', the default: the one that the header has
%% most of. A number has a point, as 12.5 or 1e-3, and lies within plus and minus 1.0e12. A field is
%% missing if it is empty, or `NA', `N/A', `n/a', `NaN', `nan', `NULL', `null', `None' or `?'.
%% Blanks around a field do not count.
%%
%% An error names the row, counted from 1 below the header, and the column.
%%
%% ```
%% 1> cambrian_table:read("no/such.csv").
%% {error,{enoent,"no/such.csv"}}
%% 2> cambrian_table:read("data.csv", #{separator => colon}).
%% {error,{bad_option,{separator,colon,<<"auto, comma, semicolon or tab">>}}}
%% '''
-spec read(file:name_all(), options()) -> {ok, table()} | {error, error()}.
read(Path, Options) -> read_from({file, Path}, Options).

%% @doc The same as {@link from_text/2} without options.
-spec from_text(binary()) -> {ok, table()} | {error, error()}.
from_text(Text) -> from_text(Text, #{}).

%% @doc Reads CSV that is in memory. See {@link read/2}.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_text(<<"size,colour\n1.5,red\n2,\"light blue\"\n">>).
%% 2> cambrian_table:info(Table).
%% #{columns => [#{kind => numbers,missing => false,name => <<"size">>},
%%               #{kind => words,missing => false,name => <<"colour">>}],
%%   rows => 2}
%% 3> cambrian_table:from_text(<<"size,colour\n1.5\n">>).
%% {error,{bad_table,{1,<<"1 fields">>,<<"a row of 2 fields as the header (line 2 of the file)">>}}}
%% '''
-spec from_text(binary(), options()) -> {ok, table()} | {error, error()}.
from_text(Text, Options) when is_binary(Text) -> read_from({text, Text}, Options).

read_from(Source, Options) ->
    Expected = <<"auto, comma, semicolon or tab">>,
    IsSeparator = fun(Name) -> lists:member(Name, cambrian_csv:separators()) end,
    Table = #{separator => {IsSeparator, Expected, auto}},
    case cambrian_options:check(Options, Table, <<"cambrian_table:read/2">>) of
        {ok, #{separator := Separator}} ->
            finished(guarded(fun() ->
                cambrian_csv:fold(Source, Separator, fun growing/1, fun add_fields/3)
            end));
        Error -> Error
    end.

add_fields(Fields, Row, Growing) -> add([value(Field) || Field <- Fields], Row, Growing).

%% @doc Makes a table of columns, each with its name and as many values: numbers, words (binaries,
%% strings or atoms), and `nil', `undefined', `null' or `nan' for a missing value.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_columns([{"size", [1, nil, 3]},
%%                                                {"colour", [red, blue, red]}]).
%% 2> cambrian_table:info(Table).
%% #{columns => [#{kind => numbers,missing => true,name => <<"size">>},
%%               #{kind => words,missing => false,name => <<"colour">>}],
%%   rows => 3}
%% 3> cambrian_table:from_columns([{"size", [1, 2]}, {"colour", [red]}]).
%% {error,{bad_table,{<<"colour">>,1,<<"2 values as in the first column">>}}}
%% '''
-spec from_columns([{Name :: atom() | unicode:chardata(), [term()]}]) ->
          {ok, table()} | {error, error()}.
from_columns([{_, First} | _] = Columns) when is_list(First) ->
    Rows = length(First),
    Named = [{name(Name), Values} || {Name, Values} <- Columns],
    case wrong_columns(Named, Rows, []) of
        [Reason | _] -> {error, {bad_table, Reason}};
        [] ->
            Growing = growing([Name || {Name, _} <- Named]),
            finished(guarded(fun() -> {ok, add_columns(Growing, Named, Rows)} end))
    end.

name(Name) when is_atom(Name) -> atom_to_binary(Name);
name(Name) -> unicode:characters_to_binary(Name).

wrong_columns([], _, _) -> [];
wrong_columns([{Name, Values} | Rest], Rows, Seen) ->
    Expected = <<(integer_to_binary(Rows))/binary, " values as in the first column">>,
    [{Name, length(Values), Expected} || length(Values) =/= Rows]
        ++ [{Name, Name, <<"another name than the columns before">>} || lists:member(Name, Seen)]
        ++ wrong_columns(Rest, Rows, [Name | Seen]).

add_columns(#growing{columns = Columns} = Growing, Named, Rows) ->
    ok = check_memory(Growing#growing{rows = Rows}),
    Filled = [fill(Values, Name, Column)
              || {{Name, Values}, Column} <- lists:zip(Named, Columns)],
    Growing#growing{columns = Filled, rows = Rows}.

fill(Values, Name, Column) ->
    Numbered = lists:enumerate(Values),
    lists:foldl(fun({Row, Value}, Before) -> grown(of_term(Value, Row, Name), Row, Before) end,
                Column, Numbered).

of_term(Value, _, _) when Value =:= nil; Value =:= undefined; Value =:= null; Value =:= nan ->
    missing;
of_term(Value, _, _) when is_number(Value), abs(Value) =< ?LIMIT -> Value * 1.0;
of_term(Value, Row, Name) when is_number(Value) ->
    bad({Row, Name}, large, <<"a number within plus and minus 1.0e12">>);
of_term(Value, _, _) when is_atom(Value) -> atom_to_binary(Value);
of_term(Value, Row, Name) ->
    try unicode:characters_to_binary(Value) of
        Text when is_binary(Text) -> Text;
        _ -> bad({Row, Name}, other, <<"a number or a word">>)
    catch error:_ -> bad({Row, Name}, other, <<"a number or a word">>)
    end.

%%% ---- growing ----------------------------------------------------------------------------

growing(Names) ->
    #growing{names = Names, columns = [#building{} || _ <- Names],
             limit = cambrian_nif:memory_limit()}.

add(Values, Row, #growing{columns = Columns} = Growing) ->
    _ = [check_memory(Growing) || Row rem 1024 =:= 0],
    Growing#growing{columns = added(Values, Columns, Row), rows = Row}.

added([], [], _) -> [];
added([Value | Values], [Column | Columns], Row) ->
    [grown(Value, Row, Column) | added(Values, Columns, Row)].

check_memory(#growing{names = Names, rows = Rows, limit = Limit}) ->
    case Rows * length(Names) * ?BYTES_PER_FIELD of
        Bytes when Bytes > Limit ->
            bad(memory, Bytes, <<"at most ", (integer_to_binary(Limit))/binary,
                                 " bytes (memory_limit)">>);
        _ -> ok
    end.

grown(missing, Row, #building{numbers = Numbers, words = Words, missing = First} = Column) ->
    Column#building{numbers = with_number(Numbers, <<?NO_NUMBER:64>>),
                    words = with_word(Words, ?NO_WORD), missing = first(First, Row)};
grown(Number, Row, #building{numbers = Numbers, number = First} = Column) when is_float(Number) ->
    Grown = Column#building{numbers = with_number(Numbers, <<Number/float>>),
                            number = first(First, Row)},
    case Column of
        #building{words = none} -> Grown;
        _ -> indexed(exact(Number), Grown)
    end;
grown(Word, Row, #building{word = First} = Column) ->
    Shown = {Row, cambrian_text:clip(Word, ?SHOWN)},
    indexed(Word, Column#building{numbers = none, word = first(First, Shown)}).

first(none, Row) -> Row;
first(First, _) -> First.

with_number(none, _) -> none;
with_number(Numbers, Bytes) -> <<Numbers/binary, Bytes/binary>>.

with_word(none, _) -> none;
with_word(Words, Index) -> <<Words/binary, Index:32>>.

%% The word takes the next index if it is new. Too many words are none.
indexed(_, #building{words = none} = Column) -> Column;
indexed(Word, #building{words = Words, index = Known, order = Order} = Column) ->
    case Known of
        #{Word := Index} -> Column#building{words = <<Words/binary, Index:32>>};
        _ when map_size(Known) >= ?MOST_WORDS; byte_size(Word) > ?LONGEST_WORD ->
            Column#building{words = none, index = #{}, order = []};
        _ ->
            Own = binary:copy(Word),
            Index = map_size(Known),
            Column#building{words = <<Words/binary, Index:32>>, order = [Own | Order],
                            index = Known#{Own => Index}}
    end.

%% A whole number is the word that it is without a fraction.
exact(Number) when Number == trunc(Number), abs(Number) < 9.0e15 ->
    integer_to_binary(trunc(Number));
exact(Number) -> cambrian_text:exact(Number).

guarded(Do) ->
    try Do()
    catch throw:{?MODULE, Reason} -> {error, Reason}
    end.

-spec bad(term(), term(), binary()) -> no_return().
bad(Where, Got, Expected) -> throw({?MODULE, {bad_table, {Where, Got, Expected}}}).

finished({ok, #growing{rows = 0}}) ->
    {error, {bad_table, {rows, 0, <<"one row or more below the header">>}}};
finished({ok, #growing{names = Names, columns = Columns, rows = Rows}}) ->
    Named = lists:zip(Names, lists:map(fun finished_column/1, Columns)),
    {ok, #{rows => Rows, names => Names, columns => maps:from_list(Named)}};
finished(Error) -> Error.

finished_column(#building{numbers = Numbers, words = Words, order = Order, missing = Missing,
                          word = Word, number = Number}) ->
    #{numbers => Numbers, words => Words, texts => lists:reverse(Order), missing => Missing,
      word => Word, number => Number}.

%%% ---- fields -----------------------------------------------------------------------------

%% The value of a field: a float, a word, or `missing'.
value(Field) ->
    case trimmed(Field) of
        <<C, _/binary>> = Text when C >= $0, C =< $9; C =:= $-; C =:= $+; C =:= $. ->
            case number(Text) of
                {ok, Number} -> Number;
                error -> Text
            end;
        Text ->
            case is_missing(Text) of
                true -> missing;
                false -> Text
            end
    end.

trimmed(<<C, Rest/binary>>) when C =:= $\s; C =:= $\t -> trimmed(Rest);
trimmed(Text) -> without_blanks(Text, byte_size(Text)).

without_blanks(<<>>, _) -> <<>>;
without_blanks(Text, Size) ->
    case binary:at(Text, Size - 1) of
        C when C =:= $\s; C =:= $\t -> without_blanks(Text, Size - 1);
        _ -> binary:part(Text, 0, Size)
    end.

is_missing(Text) when byte_size(Text) > 4 -> false;
is_missing(Text) ->
    lists:member(Text, [<<>>, <<"NA">>, <<"N/A">>, <<"n/a">>, <<"NaN">>, <<"nan">>, <<"NULL">>,
                        <<"null">>, <<"None">>, <<"?">>]).

%% A number within plus and minus 1.0e12 as people write it.
number(Text) when byte_size(Text) > 64 -> error;
number(Text) ->
    try binary_to_float(Text) of
        Number -> with_point(Number, Text)
    catch error:badarg ->
        try binary_to_integer(Text) of
            Number -> within(Number)
        catch error:badarg -> unusual(Text)
        end
    end.

%% Erlang also reads 1,5, which may be one and a half or fifteen.
with_point(Number, Text) ->
    case binary:match(Text, <<",">>) of
        nomatch -> within(Number);
        _ -> error
    end.

within(Number) when abs(Number) =< ?LIMIT -> {ok, Number * 1.0};
within(_) -> error.

%% As .5, 5. and 1e5, which Erlang does not read.
unusual(Text) ->
    Pattern = "^([+-]?)([0-9]*)(?:\\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$",
    case re:run(Text, Pattern, [{capture, all_but_first, binary}]) of
        {match, [Sign, Whole, Fraction | Power]} when Whole =/= <<>>; Fraction =/= <<>> ->
            spelled(Sign, Whole, Fraction, Power);
        {match, [Sign, Whole]} when Whole =/= <<>> -> spelled(Sign, Whole, <<>>, []);
        _ -> error
    end.

spelled(Sign, Whole, Fraction, Power) ->
    Exponent = [[$e, Digits] || Digits <- Power],
    Number = [Sign, digits(Whole), $., digits(Fraction), Exponent],
    try within(binary_to_float(iolist_to_binary(Number)))
    catch error:badarg -> error
    end.

digits(<<>>) -> <<"0">>;
digits(Digits) -> Digits.

%%% ---- what a table has -------------------------------------------------------------------

%% @doc Describes a table: how many rows it has, and of each column the kind and whether fields are
%% missing. A column is of `numbers' or of `words'; one of both is `mixed'.
%%
%% ```
%% 1> {ok, Table} = cambrian_table:from_text(<<"a;b\n1;x\n;3\n">>).
%% 2> cambrian_table:info(Table).
%% #{columns => [#{kind => numbers,missing => true,name => <<"a">>},
%%               #{kind => mixed,missing => false,name => <<"b">>}],
%%   rows => 2}
%% '''
-spec info(table()) -> #{rows := non_neg_integer(),
                         columns := [#{name := binary(), kind := numbers | words | mixed,
                                       missing := boolean()}]}.
info(#{rows := Rows, names := Names, columns := Columns}) ->
    #{rows => Rows,
      columns => [#{name => Name, kind => kind(Column), missing => Missing =/= none}
                  || Name <- Names, #{missing := Missing} = Column <- [maps:get(Name, Columns)]]}.

kind(#{word := none}) -> numbers;
kind(#{number := none}) -> words;
kind(_) -> mixed.

%% @private
-spec size(table()) -> non_neg_integer().
size(#{rows := Rows}) -> Rows.

%% @private The names of the columns, in their order.
-spec names(table()) -> [binary()].
names(#{names := Names}) -> Names.

%% @private
-spec column(binary(), table()) -> {ok, column()} | error.
column(Name, #{columns := Columns}) -> maps:find(Name, Columns).

%% @private
-spec is_missing(Row :: pos_integer(), #{numbers := binary() | none, words := binary() | none,
                                         atom() => term()}) -> boolean().
is_missing(Row, #{numbers := Numbers}) when is_binary(Numbers) ->
    binary:part(Numbers, 8 * (Row - 1), 8) =:= <<?NO_NUMBER:64>>;
is_missing(Row, #{words := Words}) when is_binary(Words) ->
    binary:part(Words, 4 * (Row - 1), 4) =:= <<?NO_WORD:32>>;
is_missing(_, _) -> false.

%% @private The number in a row that does not lack it.
-spec number(Row :: pos_integer(), column()) -> float().
number(Row, #{numbers := Numbers}) ->
    <<Number/float>> = binary:part(Numbers, 8 * (Row - 1), 8),
    Number.

%% @private The words of these rows, which do not lack one.
-spec words(Rows :: [pos_integer()], column()) -> [binary()].
words(Rows, #{words := Words, texts := Texts}) ->
    At = list_to_tuple(Texts),
    [element(Index + 1, At)
     || Row <- Rows, <<Index:32>> <= binary:part(Words, 4 * (Row - 1), 4)].
