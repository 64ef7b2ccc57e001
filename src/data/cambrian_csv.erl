%% @private
%% Reads CSV as RFC 4180 has it: a header, then rows of as many fields. Lines end with LF, CR LF or
%% CR, a byte order mark and empty lines are skipped, and a quote within an unquoted field is a
%% character like any other. It reads a piece at a time, so memory is bounded by the longest row.
-module(cambrian_csv).

-export([fold/4, separators/0]).
-export_type([source/0, separator/0]).

-type source() :: {file, file:name_all()} | {text, binary()}.
-type separator() :: auto | comma | semicolon | tab.
-type field() :: binary().

%% As many columns as a network has inputs, and a label.
-define(MOST_COLUMNS, 10_001).
%% The most bytes of a row: a quote that is never closed does not take the whole file.
-define(LONGEST_ROW, 4_194_304).
-define(PIECE, 65_536).
-define(SHOWN, 40).

-record(reader, {source :: {file, file:fd()} | none,
                 rest = <<>> :: binary(), is_end = false :: boolean(),
                 separator :: undefined | binary(), pattern :: undefined | binary:cp(),
                 row = 0 :: non_neg_integer(), line = 1 :: pos_integer(),
                 names = [] :: [field()]}).

%% @doc The names of the separators.
-spec separators() -> [separator()].
separators() -> [auto, comma, semicolon, tab].

%% @doc Folds over the rows: `Begin' gets the names of the columns and returns the first value,
%% `Step' gets the fields of a row and the row's number, counted from 1 below the header.
-spec fold(source(), separator(), Begin :: fun(([field()]) -> Value),
           Step :: fun(([field()], pos_integer(), Value) -> Value)) ->
          {ok, Value} | {error, cambrian_error:table() | {file:posix(), file:name_all()}}.
fold({text, Text}, Separator, Begin, Step) ->
    guarded(fun() -> run(#reader{source = none, rest = Text}, Separator, Begin, Step) end);
fold({file, Path}, Separator, Begin, Step) ->
    case file:open(Path, [read, raw, binary]) of
        {ok, File} ->
            Reader = #reader{source = {file, File}},
            try guarded(fun() -> run(Reader, Separator, Begin, Step) end)
            after file:close(File)
            end;
        {error, Reason} -> {error, {Reason, Path}}
    end.

guarded(Do) ->
    try {ok, Do()}
    catch throw:{?MODULE, Reason} -> {error, Reason}
    end.

run(Reader, Separator, Begin, Step) ->
    Begun = without_mark(more(Reader)),
    {Names, Below} = header(Begun, Separator),
    rows(Below, Begin(Names), Step).

without_mark(#reader{rest = <<16#EF, 16#BB, 16#BF, Rest/binary>>} = Reader) ->
    Reader#reader{rest = Rest};
without_mark(#reader{rest = <<Mark:16, _/binary>>}) when Mark =:= 16#FEFF; Mark =:= 16#FFFE ->
    bad(file, <<"UTF-16">>, <<"text in UTF-8">>);
without_mark(Reader) -> Reader.

rows(Reader, Value, Step) ->
    case record(Reader) of
        {end_of_file, _} -> Value;
        {blank, Next} -> rows(Next, Value, Step);
        {Fields, #reader{row = Row, names = Names} = Next} ->
            _ = [ragged(Reader, length(Fields)) || length(Fields) =/= length(Names)],
            rows(Next#reader{row = Row + 1}, Step(Fields, Row + 1, Value), Step)
    end.

-spec ragged(#reader{}, Count :: non_neg_integer()) -> no_return().
ragged(#reader{line = Line, names = Names} = Reader, Count) ->
    Expected = io_lib:format("a row of ~b fields as the header (line ~b of the file)",
                             [length(Names), Line]),
    bad(row(Reader), <<(integer_to_binary(Count))/binary, " fields">>, iolist_to_binary(Expected)).

%% The row that is read next; 0 is the header.
row(#reader{names = []}) -> 0;
row(#reader{row = Row}) -> Row + 1.

%%% ---- the header -------------------------------------------------------------------------

header(Reader, Separator) ->
    case record(separated(Reader, separator(Separator, Reader))) of
        {end_of_file, _} -> bad(file, <<"nothing">>, <<"a header and rows">>);
        {blank, Next} -> header(Next, Separator);
        {Fields, Next} ->
            Names = [string:trim(Field) || Field <- Fields],
            ok = check_names(Names, 1, #{}),
            {Names, Next#reader{names = Names}}
    end.

check_names([], _, _) -> ok;
check_names([<<>> | _], Column, _) ->
    bad({0, Column}, <<>>, <<"a name in the header">>);
check_names([Name | Rest], Column, Seen) ->
    case Seen of
        #{Name := First} ->
            Expected = io_lib:format("another name than column ~b has", [First]),
            bad({0, Column}, clip(Name), iolist_to_binary(Expected));
        _ -> check_names(Rest, Column + 1, Seen#{Name => Column})
    end.

separated(Reader, Separator) ->
    Ends = [Separator, <<"\n">>, <<"\r">>],
    Reader#reader{separator = Separator, pattern = binary:compile_pattern(Ends)}.

%% The separator that the header has most of, where nobody names one.
separator(comma, _) -> <<",">>;
separator(semicolon, _) -> <<";">>;
separator(tab, _) -> <<"\t">>;
separator(auto, Reader) ->
    Counts = [{fields(Reader, Separator), Separator} || Separator <- [<<"\t">>, <<";">>, <<",">>]],
    element(2, lists:last(lists:keysort(1, Counts))).

%% Of a header that another separator makes unreadable, none.
fields(Reader, Separator) ->
    try record(separated(Reader, Separator)) of
        {Fields, _} when is_list(Fields) -> length(Fields);
        _ -> 0
    catch
        throw:{?MODULE, {bad_table, {columns, _, _}}} -> ?MOST_COLUMNS + 1;
        throw:{?MODULE, _} -> 0
    end.

%%% ---- a record ---------------------------------------------------------------------------

%% The fields of the next record. A record that the piece cuts is read again with the next piece.
record(#reader{rest = <<>>, is_end = true} = Reader) -> {end_of_file, Reader};
record(#reader{rest = <<>>} = Reader) -> record(more(Reader));
record(#reader{rest = Rest, is_end = IsEnd} = Reader) ->
    case fields(Reader, 0, 1, []) of
        {Cut, _} when is_atom(Cut), not IsEnd, byte_size(Rest) < ?LONGEST_ROW ->
            record(more(Reader));
        {unclosed, Column} -> bad({row(Reader), Column}, <<"none">>, <<"a closing quote">>);
        {cut, _} ->
            Most = integer_to_binary(?LONGEST_ROW),
            bad(row(Reader), <<"more">>, <<"at most ", Most/binary, " bytes">>);
        {Fields, End} ->
            <<Record:End/binary, Left/binary>> = Rest,
            ok = check_text(Record, row(Reader)),
            Lines = length(binary:matches(Record, <<"\n">>)),
            Read = Reader#reader{rest = Left, line = Reader#reader.line + Lines},
            {case is_blank(Record) of true -> blank; false -> Fields end, Read}
    end.

is_blank(Record) -> lists:member(Record, [<<"\n">>, <<"\r\n">>, <<"\r">>]).

fields(_, _, Column, _) when Column > ?MOST_COLUMNS ->
    Most = integer_to_binary(?MOST_COLUMNS),
    bad(columns, <<"more">>, <<"at most ", Most/binary>>);
fields(#reader{rest = Rest} = Reader, At, Column, Fields) ->
    case field(Rest, At, Reader) of
        unclosed -> {unclosed, Column};
        {Field, End} ->
            case after_field(Rest, End, Reader) of
                separator -> fields(Reader, End + 1, Column + 1, [Field | Fields]);
                {end_of_record, Next} -> {lists:reverse(Fields, [Field]), Next};
                cut -> {cut, Column};
                other ->
                    bad({row(Reader), Column}, clip(Field),
                        <<"a separator or the end of the line after the closing quote">>)
            end
    end.

field(Rest, At, Reader) ->
    case Rest of
        <<_:At/binary, "\"", _/binary>> -> quoted(Rest, At + 1, []);
        _ -> plain(Rest, At, Reader)
    end.

plain(Rest, At, #reader{pattern = Pattern}) ->
    case binary:match(Rest, Pattern, [{scope, {At, byte_size(Rest) - At}}]) of
        {End, _} -> {binary:part(Rest, At, End - At), End};
        nomatch -> {binary:part(Rest, At, byte_size(Rest) - At), byte_size(Rest)}
    end.

quoted(Rest, At, Parts) ->
    case binary:match(Rest, <<"\"">>, [{scope, {At, byte_size(Rest) - At}}]) of
        nomatch -> unclosed;
        {Quote, _} ->
            Part = binary:part(Rest, At, Quote - At),
            case Rest of
                <<_:Quote/binary, "\"\"", _/binary>> ->
                    quoted(Rest, Quote + 2, [<<Part/binary, "\"">> | Parts]);
                _ -> {iolist_to_binary(lists:reverse(Parts, [Part])), Quote + 1}
            end
    end.

%% What follows a field. At the end of a piece it may be cut: a second quote or LF may come.
after_field(Rest, End, #reader{separator = <<Separator>>, is_end = IsEnd}) ->
    case Rest of
        <<_:End/binary, Separator, _/binary>> -> separator;
        <<_:End/binary, "\r\n", _/binary>> -> {end_of_record, End + 2};
        <<_:End/binary, "\n", _/binary>> -> {end_of_record, End + 1};
        <<_:End/binary, "\r">> when not IsEnd -> cut;
        <<_:End/binary, "\r", _/binary>> -> {end_of_record, End + 1};
        <<_:End/binary>> when IsEnd -> {end_of_record, End};
        <<_:End/binary>> -> cut;
        _ -> other
    end.

check_text(Record, Row) ->
    case binary:match(Record, <<0>>) of
        nomatch -> ok;
        _ -> bad(Row, <<"a NUL">>, <<"text in UTF-8">>)
    end,
    case unicode:bin_is_7bit(Record) orelse is_list(unicode:characters_to_list(Record)) of
        true -> ok;
        false -> bad(Row, <<"other bytes">>, <<"text in UTF-8">>)
    end.

%% Reads as much again as is left over, so that a long row is not read over and over.
more(#reader{source = none} = Reader) -> Reader#reader{is_end = true};
more(#reader{source = {file, File}, rest = Rest} = Reader) ->
    case file:read(File, max(?PIECE, byte_size(Rest))) of
        {ok, Piece} -> Reader#reader{rest = <<Rest/binary, Piece/binary>>};
        eof -> Reader#reader{is_end = true};
        {error, Reason} -> bad(file, Reason, <<"a file that can be read">>)
    end.

clip(Field) when is_binary(Field) -> cambrian_text:clip(Field, ?SHOWN).

-spec bad(term(), term(), binary()) -> no_return().
bad(Where, Got, Expected) -> throw({?MODULE, {bad_table, {Where, Got, Expected}}}).
