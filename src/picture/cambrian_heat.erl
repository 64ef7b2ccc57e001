%% @doc Draws heat maps, as plain SVG text: two numbers for each pair of a row and a column.
%%
%% Like all pictures of Cambrian, a heat map is self-contained, describes itself in words, and has a
%% limited size however much data it shows.
-module(cambrian_heat).

-import(cambrian_svg_element, [fit/3, n/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/2, counted/2, decimal/2, escape/1, short/1]).

-export([map/4]).
-export_type([name/0, cells/0, opts/0]).

-type name() :: {Key :: term(), cambrian_text:text()}.
-type cells() :: #{{Row :: term(), Column :: term()} =>
                       {Count :: non_neg_integer(), Taken :: non_neg_integer()}}.
%% For each pair of row and column: a count, and how many of it were taken.

-type opts() :: #{title => cambrian_text:text(), width => pos_integer(), embed => boolean()}.

-define(MAX_ROWS, 24).
-define(MAX_COLUMNS, 10).
-define(ROW, 34).
%% The least width of a column, which its numbers fit into.
-define(COLUMN, 64).

%% @doc Draws a heat map. The strength of a colour follows the logarithm of the count. A cell shows
%% the numbers of {@link cells()}.
%%
%% The map has at most 24 rows and 10 columns, and no more columns than fit. A line below says how
%% many are left out.
%%
%% ```
%% 1> Svg = cambrian_heat:map([{1, <<"nairobi">>}, {2, <<"lima">>}], [{a, <<"pole">>}],
%%                            #{{1, a} => {12, 3}}, #{title => <<"Migrations">>}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"2 rows and 1 column: nairobi, pole: 3 of 12.">>]}
%% '''
-spec map(Rows :: [name()], Columns :: [name()], cells(), opts()) -> iodata().
map(AllRows, AllColumns, Cells, Opts) ->
    ok = cambrian_picture_options:ensure(?MODULE, map, 4, heat, Opts),
    Rows = lists:sublist(AllRows, ?MAX_ROWS),
    Width = maps:get(width, Opts, 720),
    NameWidths = [text_width(clip(Name, 40), 12) + 14 || {_, Name} <- Rows],
    Left = min(Width * 0.36, lists:max([60 | NameWidths])),
    MaxColumns = min(?MAX_COLUMNS, max(1, trunc((Width - Left - 6) / ?COLUMN))),
    Columns = lists:sublist(AllColumns, MaxColumns),
    Without = without(length(AllRows) - length(Rows), length(AllColumns) - length(Columns)),
    Top = cambrian_svg_element:head_height(Opts) + 24,
    Wide = min(150.0, (Width - Left - 6) / max(1, length(Columns))),
    Below = Top + ?ROW * max(1, length(Rows)) + 8,
    Height = Below + case Without of [] -> 0; _ -> 18 end,
    Most = lists:max([1 | [Count || {Count, _} <- maps:values(Cells)]]),
    At = fun(Row, Column) -> {Left + Wide * (Column - 1), Top + ?ROW * (Row - 1)} end,
    Summary = summary(Rows, Columns, Without, Cells),
    cambrian_svg_element:frame("heat", "Heat map", Summary, {Width, Height}, Opts, [
        [words(X + Wide / 2, Top - 8, "middle", "cb-mute", 12, fit(Name, Wide - 6, 12))
         || {C, {_, Name}} <- lists:enumerate(Columns), {X, _} <- [At(1, C)]],
        [words(Left - 10, Y + ?ROW / 2 + 2, "end", "", 12, fit(Name, Left - 12, 12))
         || {R, {_, Name}} <- lists:enumerate(Rows), {_, Y} <- [At(R, 1)]],
        "\n",
        [cell(maps:get({Row, Column}, Cells, {0, 0}), [RowName, ", ", ColumnName], At(R, C),
              Wide, Most)
         || {R, {Row, RowName}} <- lists:enumerate(Rows),
            {C, {Column, ColumnName}} <- lists:enumerate(Columns)],
        [words(Width / 2, Top + ?ROW / 2, "middle", "cb-mute", 12, "nothing to show yet")
         || Rows =:= [] orelse Columns =:= []],
        [words(Left, Below + 8, "start", "cb-mute", 11, Without) || Without =/= []]
    ]).

without(0, 0) -> [];
without(Rows, Columns) ->
    Counts = [counted(Count, "more " ++ Of)
              || {Count, Of} <- [{Rows, "row"}, {Columns, "column"}], Count > 0],
    ["without ", lists:join(" and ", Counts)].

%% Describes the picture for readers who cannot see it.
summary(Rows, Columns, Without, Cells) ->
    Full = [[clip(RowName, 40), ", ", clip(ColumnName, 40), ": ", share(Cell)]
            || {Row, RowName} <- Rows, {Column, ColumnName} <- Columns,
               #{{Row, Column} := Cell} <- [Cells]],
    [counted(length(Rows), "row"), " and ", counted(length(Columns), "column"),
     [[", ", Without] || Without =/= []], [[": ", lists:join("; ", Full)] || Full =/= []], "."].

share({Count, Taken}) -> [short(Taken), " of ", short(Count)].

cell({0, _}, _Name, {X, Y}, Wide, _Most) ->
    [words(X + Wide / 2, Y + ?ROW / 2 + 2, "middle", "cb-mute", 12, <<"·"/utf8>>), "\n"];
cell({Count, _} = Pair, Name, {X, Y}, Wide, Most) ->
    Strength = 0.12 + 0.5 * math:log(1 + Count) / math:log(1 + Most),
    Box = [{x, n(X + 1.5)}, {y, n(Y)}, {width, n(Wide - 3)}, {height, n(?ROW - 4)}, {rx, "4"}],
    [tag(g, [{class, "cb-cell"}], [
        tag(title, [], [escape(clip(Name, 120)), ": ", share(Pair)]),
        tag(rect, [{class, "cb-fill"}, {'fill-opacity', decimal(Strength, 2)} | Box]),
        words(X + Wide / 2, Y + ?ROW / 2 + 2, "middle", "", 12, in_cell(Pair, Wide - 6))
    ]), "\n"].

%% Falls back to a percentage, because a clipped number would be wrong.
in_cell({Count, Taken} = Pair, Wide) ->
    Text = iolist_to_binary(share(Pair)),
    case text_width(Text, 12) =< Wide of
        true -> Text;
        false -> [integer_to_list(round(100 * Taken / Count)), " %"]
    end.
