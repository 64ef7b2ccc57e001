%% @doc Heat maps, as plain SVG text: how much there is of each pair, and how much of that counts.
%%
%% Like all of Cambrian's pictures they are self-contained, say in words what they show, and are bounded however much there is.
-module(cambrian_heat).

-import(cambrian_svg_element, [fit/3, n/1, tag/2, tag/3, words/6]).
-import(cambrian_text, [clip/2, counted/2, decimal/2, escape/1, short/1]).

-export([map/4]).
-export_type([name/0, cells/0, opts/0]).

-type name() :: {Key :: term(), cambrian_text:text()}.
-type cells() :: #{{Row :: term(), Column :: term()} => {Count :: non_neg_integer(), Counted :: non_neg_integer()}}.
%% By the keys of row and column: how many there were, and how many of these counted.

-type opts() :: #{title => cambrian_text:text(), width => pos_integer(), embed => boolean()}.

-define(MAX_ROWS, 24).
-define(MAX_COLUMNS, 10).
-define(ROW, 34).
%% The least width of a column, which its numbers fit into.
-define(COLUMN, 64).

%% @doc Draws a row for each of the first, a column for each of the second. The more there is, the stronger the colour, by its
%% logarithm; the numbers are those of {@link cells()}.
%%
%% At most 24 rows and 10 columns are drawn, and no more than there is room for: below them it says how many are left out.
%%
%% ```
%% 1> Svg = cambrian_heat:map([{1, <<"nairobi">>}, {2, <<"lima">>}], [{a, <<"pole">>}], #{{1, a} => {12, 3}},
%%                            #{title => <<"Migrations">>}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"2 rows and 1 column: nairobi, pole: 3 of 12.">>]}
%% '''
-spec map(Rows :: [name()], Columns :: [name()], cells(), opts()) -> iodata().
map(AllRows, AllColumns, Cells, Opts) ->
    Rows = lists:sublist(AllRows, ?MAX_ROWS),
    Width = maps:get(width, Opts, 720),
    Left = min(Width * 0.36, lists:max([60 | [cambrian_svg_element:text_width(clip(Name, 40), 12) + 14 || {_, Name} <- Rows]])),
    Columns = lists:sublist(AllColumns, min(?MAX_COLUMNS, max(1, trunc((Width - Left - 6) / ?COLUMN)))),
    Without = without(length(AllRows) - length(Rows), length(AllColumns) - length(Columns)),
    Top = cambrian_svg_element:head_height(Opts) + 24,
    Wide = min(150.0, (Width - Left - 6) / max(1, length(Columns))),
    Below = Top + ?ROW * max(1, length(Rows)) + 8,
    Height = Below + case Without of [] -> 0; _ -> 18 end,
    Most = lists:max([1 | [Count || {Count, _} <- maps:values(Cells)]]),
    At = fun(Row, Column) -> {Left + Wide * (Column - 1), Top + ?ROW * (Row - 1)} end,
    cambrian_svg_element:frame("heat", "Heat map", summary(Rows, Columns, Without, Cells), {Width, Height}, Opts, [
        [words(X + Wide / 2, Top - 8, "middle", "cb-mute", 12, fit(Name, Wide - 6, 12))
         || {C, {_, Name}} <- lists:enumerate(Columns), {X, _} <- [At(1, C)]],
        [words(Left - 10, Y + ?ROW / 2 + 2, "end", "", 12, fit(Name, Left - 12, 12))
         || {R, {_, Name}} <- lists:enumerate(Rows), {_, Y} <- [At(R, 1)]],
        "\n",
        [cell(maps:get({Row, Column}, Cells, {0, 0}), [RowName, ", ", ColumnName], At(R, C), Wide, Most)
         || {R, {Row, RowName}} <- lists:enumerate(Rows), {C, {Column, ColumnName}} <- lists:enumerate(Columns)],
        [words(Width / 2, Top + ?ROW / 2, "middle", "cb-mute", 12, "nothing to show yet")
         || Rows =:= [] orelse Columns =:= []],
        [words(Left, Below + 8, "start", "cb-mute", 11, Without) || Without =/= []]
    ]).

without(0, 0) -> [];
without(Rows, Columns) ->
    ["without ", lists:join(" and ", [counted(Count, "more " ++ Of) || {Count, Of} <- [{Rows, "row"}, {Columns, "column"}], Count > 0])].

%% What the picture says to somebody who cannot see it.
summary(Rows, Columns, Without, Cells) ->
    Full = [[clip(RowName, 40), ", ", clip(ColumnName, 40), ": ", share(maps:get({Row, Column}, Cells))]
            || {Row, RowName} <- Rows, {Column, ColumnName} <- Columns, is_map_key({Row, Column}, Cells)],
    [counted(length(Rows), "row"), " and ", counted(length(Columns), "column"),
     [[", ", Without] || Without =/= []], [[": ", lists:join("; ", Full)] || Full =/= []], "."].

share({Count, Counted}) -> [short(Counted), " of ", short(Count)].

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

%% Never half a number.
in_cell({Count, Counted} = Pair, Wide) ->
    Text = iolist_to_binary(share(Pair)),
    case cambrian_svg_element:text_width(Text, 12) =< Wide of
        true -> Text;
        false -> [integer_to_list(round(100 * Counted / Count)), " %"]
    end.
