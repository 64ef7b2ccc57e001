%% @private
%% Draws an archive as plain SVG text: a heat map of cells, or lines across parallel axes.
-module(cambrian_archive_picture).

-import(cambrian_svg_element, [n/1, p/1, tag/2, tag/3, words/6]).
-import(cambrian_text, [decimal/2, short/1]).

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
summary(#{cells := Cells, filled := Filled, best := Best}) ->
    [cambrian_text:counted(Filled, "elite"), " in ", cambrian_text:counted(Cells, "cell"),
     [[", the best of fitness ", short(Best)] || Best =/= none], "."].

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
    {{Width, Bottom + 2 * ?TEXT + 8},
     [[shade(Level, [Point || {Of, Point} <- Cells, Of =:= Level], {Wide, High})
       || Level <- lists:seq(1, ?LEVELS)],
      tag(rect, Frame), "\n", edges(Bounds, {?MARGIN, Width - ?MARGIN}, {Top, Bottom}),
      legend(Stats, Range, Bottom + 2 * ?TEXT)]}.

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

level(Fitness, Range) -> 1 + min(?LEVELS - 1, trunc(share(Fitness, Range) * ?LEVELS)).

%% All places of one colour as one path.
shade(_Level, [], _Size) -> [];
shade(Level, Points, {Wide, High}) ->
    Box = ["h", n(Wide), "v", n(High), "h", n(-Wide), "z"],
    tag(path, [{class, "cb-fill"}, {'fill-opacity', opacity(Level)},
               {d, [["M", p(Point), Box] || Point <- Points]}]).

opacity(Level) -> decimal(0.1 + 0.9 * Level / ?LEVELS, 2).

%% The bounds, at the ends of the sides.
edges([{Left, Right} | Rest], {X1, X2}, {Top, Bottom}) ->
    [words(X1, Bottom + ?TEXT - 5, "start", "cb-mute", 11, short(Left)),
     words(X2, Bottom + ?TEXT - 5, "end", "cb-mute", 11, short(Right)),
     [[words(X1, Top - 6, "start", "cb-mute", 11, ["up to ", short(High)]),
       words((X1 + X2) / 2, Bottom + ?TEXT - 5, "middle", "cb-mute", 11,
             ["upwards from ", short(Low)])] || {Low, High} <- Rest]].

legend(Stats, Range, Y) ->
    Fitness = case Range of
                  none -> "";
                  {Same, Same} -> ["; fitness ", short(Same)];
                  {Lowest, Highest} -> ["; light: fitness ", short(Lowest), ", dark: ",
                                        short(Highest)]
              end,
    #{cells := Cells, filled := Filled} = Stats,
    words(?MARGIN, Y, "start", "", 12,
          iolist_to_binary([short(Filled), " of ", cambrian_text:counted(Cells, "cell"), Fitness])).

%%% ---- more dimensions --------------------------------------------------------------------

%% A line for each elite, through its place on the axis of each dimension, and of fitness at the
%% right.
parallel(Archive, #{bounds := Bounds, filled := Filled} = Stats, Opts) ->
    Width = width(Opts),
    Top = cambrian_svg_element:head_height(Opts) + ?TEXT,
    Bottom = Top + 240,
    Elites = part(cambrian_nif:archive_elites(Archive)),
    Range = range([Fitness || #{fitness := Fitness} <- Elites]),
    Axes = Bounds ++ [Range || Range =/= none],
    Step = (Width - 2 * ?MARGIN) / max(1, length(Bounds)),
    Across = fun(At) -> ?MARGIN + Step * (At - 1) end,
    Lines = [{level(Fitness, Range), points(Behaviour ++ [Fitness], Axes, Across, Top, Bottom)}
             || #{fitness := Fitness, behaviour := Behaviour} <- Elites],
    {{Width, Bottom + 3 * ?TEXT},
     [[tag(g, [{class, "cb-line cb-c1"}, {opacity, opacity(Level)}],
           [tag(path, [{d, ["M", lists:join("L", Points)]}])
            || {Of, Points} <- Lines, Of =:= Level])
       || Level <- lists:seq(1, ?LEVELS)],
      [axis(Across(At), Bounding, Top, Bottom) || {At, Bounding} <- lists:enumerate(Axes)],
      legend(Stats, Range, Bottom + 2 * ?TEXT),
      [words(Width - ?MARGIN, Bottom + 2 * ?TEXT, "end", "cb-mute", 11,
             [short(length(Elites)), " of the elites are drawn"])
       || length(Elites) < Filled]]}.

%% Evenly through the cells.
part(Elites) ->
    Each = max(1, (length(Elites) + ?LINES - 1) div ?LINES),
    [Elite || {At, Elite} <- lists:zip(lists:seq(1, length(Elites)), Elites), At rem Each =:= 0].

points(Numbers, Axes, Across, Top, Bottom) ->
    [p({Across(At), Bottom - (Bottom - Top) * share(Number, Bounding)})
     || {At, {Number, Bounding}} <- lists:enumerate(lists:zip(Numbers, Axes))].

%% From 0 at the lower end, and for what lies below it, to 1.
share(Number, {Low, High}) ->
    case half(Low, High) of
        Half when Half > 0.0 -> half(Low, max(Low, min(High, Number))) / Half;
        _ -> 1.0
    end.

axis(X, {Low, High}, Top, Bottom) ->
    Anchor = case X > ?MARGIN of true -> "end"; false -> "start" end,
    [tag(path, [{class, "cb-base"}, {d, ["M", p({X, Top}), "L", p({X, Bottom})]}]),
     words(X, Top - 6, Anchor, "cb-mute", 11, short(High)),
     words(X, Bottom + ?TEXT - 5, Anchor, "cb-mute", 11, short(Low))].
