%% @doc Draws line charts, as plain SVG text.
%%
%% Like all pictures of Cambrian, a chart is self-contained, describes itself in words, and has a
%% limited size however much data it shows.
-module(cambrian_chart).

-import(cambrian_axes, [at/2]).
-import(cambrian_svg_element, [fit/3, n/1, p/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/1, counted/2, escape/1, finite/1, short/1, text/1]).

-export([chart/2]).
-export_type([series/0, mark/0, opts/0]).

-type weight() :: bold | normal | light.

-type series() :: #{
    name := cambrian_text:text(),
    points := [{number(), number()}],
    group => pos_integer(),
    weight => weight(),
    label => boolean()
}.
%% Series of one group share a colour. A series without a group is a group of its own.

-type mark() :: #{x := number(), series := cambrian_text:text(), label := cambrian_text:text(),
                  weight => weight()}.
%% A point worth noticing on a series: bold is a ring, normal a diamond, light a hollow diamond.

-type opts() :: #{
    title => cambrian_text:text(),
    x_label => cambrian_text:text(),
    y_label => cambrian_text:text(),
    width => pos_integer(),
    height => pos_integer(),
    marks => [mark()],
    cover => [{number(), number()}],
    embed => boolean()
}.
%% `cover' are points that the axes must include, so that charts side by side can have the same
%% axes. `embed' is for a page that has {@link cambrian_theme:style/0} and shows the title itself.

-define(MAX_SERIES, 48).
-define(MAX_POINTS, 240).
-define(MAX_MARKS, 200).
-define(COLOURS, 8).
-define(DASHES, 5).
%% The font size of names, and half of the height that each name needs.
-define(LABEL, 12).
-define(HALF, 7.5).

%% @doc Draws lines, each with its name at its end.
%%
%% Points are sorted by x. The chart draws at most some hundred points a line, which keep every
%% local peak, and at most 48 series and 200 marks.
%%
%% ```
%% 1> Svg = cambrian_chart:chart([#{name => <<"best">>, points => [{1, 0.2}, {2, 0.5}, {3, 0.9}]}],
%%                             #{title => <<"Fitness">>, x_label => <<"generation">>,
%%                               marks => [#{x => 2, series => <<"best">>,
%%                                           label => <<"from tokyo">>}]}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"over generation: best ends at 0.9.">>]}
%% '''
-spec chart([series()], opts()) -> iodata().
chart(Series, Opts) ->
    ok = cambrian_picture_options:ensure(?MODULE, chart, 2, chart, Opts),
    Lines = [line(I, S) || {I, S} <- lists:enumerate(lists:sublist(Series, ?MAX_SERIES))],
    Labelled = [L || #{label := true, points := [_ | _]} = L <- Lines],
    Whole = lists:all(fun is_integer/1, [X || #{points := Points} <- Series, {X, _} <- Points]),
    Swatches = lists:any(fun(#{group := Group}) -> Group > ?COLOURS end, Labelled),
    Right = lists:max([14 | [label_width(Name, Swatches) + 9 || #{name := Name} <- Labelled]]),
    Look = #{whole => Whole, from_zero => false, right => Right, focus => focus(Lines)},
    AllPoints = lists:append([Points || #{points := Points} <- Lines]),
    Plot = #{size := Size} = cambrian_axes:plot(AllPoints, Look, Opts),
    Marks = cambrian_spacing:evenly(maps:get(marks, Opts, []), ?MAX_MARKS),
    Summary = summary(Labelled, length(Series) - length(Lines), Plot, Opts),
    Paths = [[at(Point, Plot) || Point <- Points] || #{points := Points} <- Lines],
    cambrian_svg_element:frame("chart", "Line chart", Summary, Size, Opts, [
        cambrian_axes:draw(Plot, Opts),
        [draw_line(L, Plot) || L <- light_first(Lines)],
        [draw_mark(M, Lines, Plot) || M <- Marks],
        end_labels(Labelled, Swatches, Paths, Plot)
    ]).

line(Index, #{name := Name, points := Points} = Series) ->
    Sorted = lists:keysort(1, [{finite(X), finite(Y)} || {X, Y} <- Points]),
    Known = Series#{name := clip(Name), points := cambrian_spacing:peaks(Sorted, ?MAX_POINTS)},
    maps:merge(#{group => Index, weight => normal, label => true}, Known).

%% The points of the heaviest lines.
focus(Lines) ->
    Of = fun(Wanted) ->
        lists:append([Points || #{weight := Weight, points := Points} <- Lines,
                                Weight =:= Wanted])
    end,
    hd([Points || Weight <- [bold, normal, light], Points <- [Of(Weight)], Points =/= []] ++ [[]]).

%% Describes the picture for readers who cannot see it.
summary(Lines, Left, Plot, Opts) ->
    Ends = [[Name, " ends at ", short(element(2, lists:last(Points)))]
            || #{name := Name, points := Points} <- Lines],
    [
        [[text(L), " "] || #{y_label := L} <- [Opts]],
        [["over ", text(L), ": "] || #{x_label := L} <- [Opts]],
        case Ends of [] -> "no points yet"; _ -> lists:join("; ", lists:sublist(Ends, 12)) end,
        [["; without ", counted(Left, "more line")] || Left > 0],
        [["; ", Change] || [_ | _] = Change <- [cambrian_axes:summary(Plot)]], "."
    ].

%% ---------------------------------------------------------------------------------------------
%% Lines
%% ---------------------------------------------------------------------------------------------

light_first(Lines) ->
    Rank = #{light => 0, normal => 1, bold => 2},
    Ranked = [{map_get(W, Rank), -I, L} || {I, #{weight := W} = L} <- lists:enumerate(Lines)],
    [L || {_, _, L} <- lists:sort(Ranked)].

draw_line(#{points := []}, _) ->
    [];
draw_line(#{name := Name, points := Points, group := Group, weight := Weight}, Plot) ->
    {_, Last} = lists:last(Points),
    Shape = case [at(Point, Plot) || Point <- Points] of
        [Point] -> circle("cb-spot", Point, "3.5");
        Path -> tag(path, [{d, ["M", lists:join("L", [p(Point) || Point <- Path])]}])
    end,
    Title = tag(title, [], [escape(Name), ": ", short(Last)]),
    Class = ["cb-line cb-", atom_to_list(Weight), " ", colour(Group)],
    [tag(g, [{class, Class}], [Title, Shape]), "\n"].

%% From the ninth line on, lines share a colour with an earlier line, and have another dash.
colour(Group) ->
    Round = (Group - 1) div ?COLOURS rem (?DASHES + 1),
    ["cb-c", integer_to_list((Group - 1) rem ?COLOURS + 1),
     [[" cb-dash", integer_to_list(Round)] || Round > 0]].

circle(Class, {X, Y}, R) ->
    tag(circle, [{class, Class}, {cx, n(X)}, {cy, n(Y)}, {r, R}]).

%% ---------------------------------------------------------------------------------------------
%% Marks
%% ---------------------------------------------------------------------------------------------

draw_mark(#{x := X, series := Series, label := Label} = Mark, Lines,
          #{bottom := Bottom, y := {Lowest, _}} = Plot) ->
    Name = clip(Series),
    {Across, _} = at({X, Lowest}, Plot),
    {Colour, Point} = case [L || #{name := N, points := [_ | _]} = L <- Lines, N =:= Name] of
        [#{points := Points, group := Group} | _] ->
            {colour(Group), {Across, height_at(Across, [at(P, Plot) || P <- Points])}};
        %% The mark of an unknown line stands on the axis.
        [] ->
            {"", {Across, Bottom}}
    end,
    Weight = maps:get(weight, Mark, normal),
    Title = tag(title, [], escape(clip(Label))),
    Shape = mark_shape(Weight, inside(Point, Plot)),
    [tag(g, [{class, ["cb-mark cb-", atom_to_list(Weight), " ", Colour]}], [Title, Shape]), "\n"].

mark_shape(bold, Point) ->
    [circle("cb-ring", Point, "7"), circle("cb-spot", Point, "3")];
mark_shape(Weight, {X, Y}) ->
    R = case Weight of light -> 4.3; normal -> 5.5 end,
    Diamond = ["M", p({X, Y - R}), "L", p({X + R, Y}), "L", p({X, Y + R}), "L", p({X - R, Y}), "Z"],
    tag(path, [{d, Diamond}]).

inside({X, Y}, #{left := Left, right := Right, top := Top, bottom := Bottom}) ->
    {max(Left, min(Right, X)), max(Top, min(Bottom, Y))}.

height_at(_, [{_, Y}]) -> Y;
height_at(X, [{X0, Y0} | _]) when X =< X0 -> Y0;
height_at(X, [{X0, Y0}, {X1, Y1} | _]) when X =< X1 ->
    Y0 + (Y1 - Y0) * (X - X0) / max(1.0e-12, X1 - X0);
height_at(X, [_ | Rest]) -> height_at(X, Rest).

%% ---------------------------------------------------------------------------------------------
%% Names
%% ---------------------------------------------------------------------------------------------

%% The name of a line that ends early stands at its end, if it covers neither a line nor another
%% name. The other names stand beside the chart, moved apart as little as needed. If they do not all
%% fit, the lines that end highest keep their names. Every line still shows its name in a tooltip.
end_labels(Lines, Swatches, Paths, #{top := Top, bottom := Bottom, right := Right} = Plot) ->
    Ends = lists:sort([
        {Y, I, X, Line}
     || {I, #{points := Points} = Line} <- lists:enumerate(Lines),
        {X, Y} <- [at(lists:last(Points), Plot)]
    ]),
    Place = fun(End, Placed) -> place(End, Swatches, Paths, Plot, Placed) end,
    {Inside, Beside, _} = lists:foldl(Place, {[], [], []}, Ends),
    Most = max(1, 1 + trunc((Bottom - Top - 8) / (2 * ?HALF))),
    Fitting = lists:sublist(lists:reverse(Beside), Most),
    Wanted = [{{Line, {X, Y}}, Y, ?HALF} || {Y, _, X, Line} <- Fitting],
    Settled = cambrian_spacing:settle(Wanted, Top + 4, Bottom - 4),
    [end_label(Line, End, {Right + 3, Y}, Swatches, Plot) || {{Line, End}, Y} <- Settled] ++
        [end_label(Line, End, At, Swatches, Plot) || {Line, End, At} <- lists:reverse(Inside)].

place({_, _, X, _} = End, _, _, #{right := Right}, {Inside, Beside, Boxes}) when Right - X =< 40 ->
    {Inside, [End | Beside], Boxes};
place({Y, _, X, #{name := Name} = Line} = End, Swatches, Paths,
      #{top := Top, bottom := Bottom, right := Right}, {Inside, Beside, Boxes}) ->
    Wide = 5 + label_width(Name, Swatches),
    Free = [
        {{X, Y + Down}, Box}
     || Down <- [0, -13, 13, -26, 26],
        {_, High, To, Low} = Box <- [{X + 4, Y + Down - ?HALF, X + Wide, Y + Down + ?HALF}],
        To =< Right, High >= Top - ?HALF, Low =< Bottom,
        not lists:any(fun(Other) -> overlap(Box, Other) end, Boxes),
        not lists:any(fun(Path) -> crosses(Path, Box) end, Paths)
    ],
    case Free of
        [{Place, Box} | _] -> {[{Line, {X, Y}, Place} | Inside], Beside, [Box | Boxes]};
        [] -> {Inside, [End | Beside], Boxes}
    end.

overlap({Left, High, Right, Low}, {Left2, High2, Right2, Low2}) ->
    Left < Right2 andalso Left2 < Right andalso High < Low2 andalso High2 < Low.

%% Tells whether a line, whose points are sorted by x, runs through a box.
crosses([A, B | Rest], Box) -> through(A, B, Box) orelse crosses([B | Rest], Box);
crosses(_, _) -> false.

through({X0, _}, {X1, _}, {Left, _, Right, _}) when X1 < Left; X0 > Right ->
    false;
through({X0, Y0}, {X1, Y1}, {Left, High, Right, Low}) ->
    Height = fun(X) -> Y0 + (Y1 - Y0) * (X - X0) / max(1.0e-12, X1 - X0) end,
    Ends = case X1 - X0 < 1.0e-9 of
        true -> [Y0, Y1];
        false -> [Height(max(X0, Left)), Height(min(X1, Right))]
    end,
    lists:min(Ends) =< Low andalso lists:max(Ends) >= High.

label_width(Name, Swatches) -> text_width(Name, ?LABEL) + 9 + swatch_width(Swatches).

swatch_width(true) -> 24;
swatch_width(false) -> 0.

%% If there are more lines than colours, a piece of the line stands before its name.
end_label(#{name := Name, group := Group}, {EndX, EndY} = End, {X, Y}, Swatches,
          #{size := {Width, _}}) ->
    Lead = tag(path, [{class, "cb-lead"}, {d, ["M", p(End), "L", p({X + 3, Y})]}]),
    Swatch = tag(path, [{class, "cb-swatch"}, {d, ["M", p({X + 7, Y}), "h20"]}]),
    From = X + 7 + swatch_width(Swatches),
    Text = words(From, Y + 4, "start", "cb-halo", ?LABEL, fit(Name, Width - From - 2, ?LABEL)),
    IsFar = abs(Y - EndY) > 4 orelse X - EndX > 12,
    Content = [[Lead || IsFar], [Swatch || Swatches], Text],
    [tag(g, [{class, ["cb-end ", colour(Group)]}], Content), "\n"].
