%% @private
%% Draws an archive as plain SVG text: a heat map of cells, or lines across parallel axes.
-module(cambrian_archive_picture).

-import(cambrian_svg_element, [fit/3, n/1, p/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/2, decimal/2, short/1]).

-export([draw/2]).

%% Columns and rows of a heat map, at most.
-define(SIDE, 100).
%% Elites that are drawn as lines, at most.
-define(LINES, 300).
%% Steps between the lightest and the darkest colour.
-define(LEVELS, 10).
-define(MARGIN, 14).
%% Room for a line of text.
-define(TEXT, 20).
%% Bounds that are longer in one dimension than so many times the other are drawn as if they were
%% not.
-define(LONGEST, 3).

-spec draw(cambrian_archive:archive(), cambrian_archive:picture_options()) -> iodata().
draw(Archive, Opts) ->
    Stats = cambrian_nif:archive_info(Archive, 0.0),
    {Size, Body} = case cambrian_nif:archive_raster(Archive, ?SIDE) of
                       undefined -> parallel(Archive, Stats, Opts);
                       Raster -> heat_map(Raster, Stats, Opts)
                   end,
    cambrian_svg_element:frame("archive", "Archive", summary(Stats), Size, Opts, Body).

%% Describes the picture for readers who cannot see it.
summary(#{cells := Cells, filled := Filled, coverage := Coverage, best := Best,
          qd_score := Score}) ->
    [cambrian_text:counted(Filled, "elite"), " in ", cambrian_text:counted(Cells, "cell"), " (",
     decimal(100 * Coverage, 1), " %)",
     [[", the best of fitness ", short(Best), "; QD score ", short(Score)] || Best =/= none], "."].

%% A name for each dimension.
names(#{bounds := Bounds} = Stats, Opts) ->
    Given = [clip(Label, 60) || Label <- lists:sublist(maps:get(labels, Opts, []), length(Bounds))],
    Given ++ [[dimension(Stats), integer_to_list(At)]
              || At <- lists:seq(length(Given) + 1, length(Bounds))].

dimension(#{projection := random}) -> "projection ";
dimension(#{projection := principal}) -> "component ";
dimension(_Stats) -> "behaviour ".

%% Margins take a part of it.
width(Opts) -> max(4 * ?MARGIN, maps:get(width, Opts, 720)).

%%% ---- one or two dimensions --------------------------------------------------------------

heat_map({Columns, Rows, All}, #{bounds := Bounds} = Stats, Opts) ->
    Width = width(Opts),
    Top = cambrian_svg_element:head_height(Opts) + ?TEXT,
    Wide = (Width - 2 * ?MARGIN) / Columns,
    High = case Rows of 1 -> 40; _ -> Wide * shape(Bounds) end,
    Bottom = Top + High * Rows,
    Range = range(All),
    Place = fun(At) ->
                {?MARGIN + Wide * (At rem Columns), Bottom - High * (At div Columns + 1)}
            end,
    Cells = [{level(Fitness, Range), Place(At)}
             || {At, Fitness} <- lists:zip(lists:seq(0, length(All) - 1), All),
                Fitness =/= none],
    Frame = [{x, n(?MARGIN)}, {y, n(Top)}, {width, n(Width - 2 * ?MARGIN)},
             {height, n(High * Rows)}, {fill, "none"}, {class, "cb-base"}],
    {{Width, Bottom + 3 * ?TEXT + 8},
     [[shade(Level, [Point || {Of, Point} <- Cells, Of =:= Level], {Wide, High})
       || Level <- lists:seq(1, ?LEVELS)],
      tag(rect, Frame), "\n",
      edges(lists:zip(names(Stats, Opts), Bounds), {?MARGIN, Width - ?MARGIN}, {Top, Bottom}),
      legend(Stats, Range, Bottom + 2 * ?TEXT, Width)]}.

%% How high a place is, in its widths.
shape([{Left, Right}, {Low, High}]) ->
    {Across, Up} = {half(Left, Right), half(Low, High)},
    %% divided only where the ratio is no number too large to hold
    case Up / ?LONGEST < Across andalso Across / ?LONGEST < Up of
        true -> Up / Across;
        false -> 1
    end.

%% Half of a difference, which is finite for all numbers.
half(Low, High) -> High / 2 - Low / 2.

range(All) ->
    case [Fitness || Fitness <- All, Fitness =/= none] of
        [] -> none;
        Known -> {lists:min(Known), lists:max(Known)}
    end.

level(Fitness, {Low, High}) ->
    Share = case half(Low, High) of
                Half when Half > 0.0 -> half(Low, Fitness) / Half;
                _ -> 1.0
            end,
    1 + min(?LEVELS - 1, trunc(Share * ?LEVELS)).

%% All places of one colour as one path.
shade(_Level, [], _Size) -> [];
shade(Level, Points, {Wide, High}) ->
    Box = ["h", n(Wide), "v", n(High), "h", n(-Wide), "z"],
    tag(path, [{class, "cb-fill"}, {'fill-opacity', opacity(Level)},
               {d, [["M", p(Point), Box] || Point <- Points]}]).

opacity(Level) -> decimal(0.1 + 0.9 * Level / ?LEVELS, 2).

%% The bounds, at the ends of the sides, and the names between them.
edges([{Name, {Left, Right}} | Rest], {X1, X2}, {Top, Bottom}) ->
    Below = Bottom + ?TEXT - 5,
    Ends = [short(Left), short(Right)],
    Room = X2 - X1 - lists:sum([text_width(End, 11) + 10 || End <- Ends]),
    [[words(X, Below, Anchor, "cb-mute", 11, End)
      || {X, Anchor, End} <- lists:zip3([X1, X2], ["start", "end"], Ends)],
     words((X1 + X2) / 2, Below, "middle", "cb-mute", 11, fit(Name, max(20, Room), 11)),
     [words(X1, Top - 6, "start", "cb-mute", 11,
            fit([Up, ", from ", short(Low), " up to ", short(High)], X2 - X1, 11))
      || {Up, {Low, High}} <- Rest]].

%% Two lines: how full it is, and which colour stands for which fitness.
legend(#{cells := Cells, filled := Filled}, Range, Y, Width) ->
    Text = iolist_to_binary([short(Filled), " of ", cambrian_text:counted(Cells, "cell")]),
    [words(?MARGIN, Y, "start", "", 12, fit(Text, Width - ?MARGIN, 12)), ramp(Range, Y + ?TEXT)].

ramp(none, _) -> [];
ramp({Same, Same}, Y) -> words(?MARGIN, Y, "start", "cb-mute", 11, ["fitness ", short(Same)]);
ramp({Lowest, Highest}, Y) ->
    Low = iolist_to_binary(["fitness ", short(Lowest)]),
    From = ?MARGIN + text_width(Low, 11) + 2,
    Step = 8,
    [words(?MARGIN, Y, "start", "cb-mute", 11, Low),
     [tag(rect, [{class, "cb-fill"}, {'fill-opacity', opacity(Level)}, {x, n(From + Step * Level)},
                 {y, n(Y - 9)}, {width, n(Step)}, {height, "10"}])
      || Level <- lists:seq(1, ?LEVELS)],
     words(From + Step * (?LEVELS + 2), Y, "start", "cb-mute", 11, short(Highest))].

%%% ---- more dimensions --------------------------------------------------------------------

%% A line for each elite, through its place on the axis of each dimension, and of fitness at the
%% right.
parallel(Archive, #{bounds := Bounds, filled := Filled} = Stats, Opts) ->
    Width = width(Opts),
    Top = cambrian_svg_element:head_height(Opts) + 2 * ?TEXT,
    Bottom = Top + 240,
    Elites = cambrian_nif:archive_some(Archive, ?LINES),
    Left = Filled - length(Elites),
    Range = range([Fitness || #{fitness := Fitness} <- Elites]),
    Axes = lists:zip(names(Stats, Opts), Bounds) ++ [{"fitness", Range} || Range =/= none],
    Plot = cambrian_parallel:plot(Axes, {?MARGIN, Width - ?MARGIN}, {Top, Bottom}),
    Lines = [{level(Fitness, Range), cambrian_parallel:line(position(Elite) ++ [Fitness], Plot)}
             || #{fitness := Fitness} = Elite <- Elites],
    {{Width, Bottom + 3 * ?TEXT + 12 + case Left of 0 -> 0; _ -> ?TEXT end},
     [[tag(g, [{class, "cb-line cb-c1"}, {opacity, opacity(Level)}],
           [Line || {Of, Line} <- Lines, Of =:= Level])
       || Level <- lists:seq(1, ?LEVELS)],
      cambrian_parallel:axes(Plot),
      legend(Stats, Range, Bottom + 2 * ?TEXT + 4, Width),
      [words(?MARGIN, Bottom + 4 * ?TEXT + 4, "start", "cb-mute", 11,
             [short(length(Elites)), " of the elites are drawn"])
       || Left > 0]]}.

%% Without a projection a behaviour is its own position.
position(#{position := Position}) -> Position;
position(#{behaviour := Behaviour}) -> Behaviour.
