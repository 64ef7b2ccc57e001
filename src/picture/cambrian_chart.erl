%% @doc Line charts, as plain SVG text.
%%
%% Like all of Cambrian's pictures they are self-contained, say in words what they show, and are
%% bounded however much there is to draw.
-module(cambrian_chart).

-import(cambrian_axes, [at/2]).
-import(cambrian_pen, [fit/3, n/1, p/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [bounded/1, clip/1, escape/1, short/1, text/1]).

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
%% Series of one group share a colour; a series without a group is its own.

-type mark() :: #{x := number(), series := cambrian_text:text(), label := cambrian_text:text(), weight => weight()}.
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
%% `cover' are points that the axes must reach to, so that charts side by side can have the same;
%% `embed' is for a page that holds {@link cambrian_ink:style/0} and says the title itself.

-define(MAX_SERIES, 48).
-define(MAX_POINTS, 240).
-define(MAX_MARKS, 200).
-define(COLOURS, 8).

%% @doc Draws lines, each named where it ends.
%%
%% Points are taken in the order of x. However many there are, at most some hundreds a line are
%% drawn, which keep every local peak. Up to 48 series and 200 marks are drawn.
%%
%% ```
%% 1> Svg = cambrian_chart:chart([#{name => <<"best">>, points => [{1, 0.2}, {2, 0.5}, {3, 0.9}]}],
%%                             #{title => <<"Fitness">>, x_label => <<"generation">>,
%%                               marks => [#{x => 2, series => <<"best">>, label => <<"from tokyo">>}]}).
%% 2> re:run(Svg, "<desc>(.*)</desc>", [{capture, all_but_first, binary}]).
%% {match,[<<"over generation: best ends at 0.9.">>]}
%% '''
-spec chart([series()], opts()) -> iodata().
chart(Series, Opts) ->
    Lines = [line(I, S) || {I, S} <- lists:enumerate(lists:sublist(Series, ?MAX_SERIES))],
    Labelled = [L || #{label := true, points := [_ | _]} = L <- Lines],
    Whole = lists:all(fun is_integer/1, [X || #{points := Points} <- Series, {X, _} <- Points]),
    Right = lists:max([14 | [text_width(Name, 12) + 18 || #{name := Name} <- Labelled]]),
    Look = #{whole => Whole, from_zero => false, right => Right},
    Plot = #{size := Size} = cambrian_axes:plot(lists:append([Ps || #{points := Ps} <- Lines]), Look, Opts),
    Marks = cambrian_room:evenly(maps:get(marks, Opts, []), ?MAX_MARKS),
    cambrian_pen:frame("chart", "Line chart", summary(Labelled, length(Series) - length(Lines), Opts), Size, Opts, [
        cambrian_axes:draw(Plot, Opts),
        [draw_line(L, Plot) || L <- light_first(Lines)],
        [draw_mark(M, Lines, Plot) || M <- Marks],
        end_labels(Labelled, Plot)
    ]).

line(Index, #{name := Name, points := Points} = Series) ->
    Sorted = lists:keysort(1, [{bounded(X), bounded(Y)} || {X, Y} <- Points]),
    Known = Series#{name := clip(Name), points := cambrian_room:peaks(Sorted, ?MAX_POINTS)},
    maps:merge(#{group => Index, weight => normal, label => true}, Known).

%% What the picture says to somebody who cannot see it.
summary(Lines, Left, Opts) ->
    Ends = [[Name, " ends at ", short(element(2, lists:last(Ps)))] || #{name := Name, points := Ps} <- Lines],
    [
        [[text(L), " "] || #{y_label := L} <- [Opts]],
        [["over ", text(L), ": "] || #{x_label := L} <- [Opts]],
        case Ends of [] -> "no points yet"; _ -> lists:join("; ", lists:sublist(Ends, 12)) end,
        [["; without ", integer_to_list(Left), " more lines"] || Left > 0], "."
    ].

%% ---------------------------------------------------------------------------------------------
%% Lines
%% ---------------------------------------------------------------------------------------------

light_first(Lines) ->
    Rank = #{light => 0, normal => 1, bold => 2},
    [L || {_, _, L} <- lists:sort([{map_get(W, Rank), -I, L} || {I, #{weight := W} = L} <- lists:enumerate(Lines)])].

draw_line(#{points := []}, _) ->
    [];
draw_line(#{name := Name, points := Points, group := Group, weight := Weight}, Plot) ->
    {_, Last} = lists:last(Points),
    Shape = case [at(Point, Plot) || Point <- Points] of
        [Point] -> circle("cb-spot", Point, "3.5");
        Path -> tag(path, [{d, ["M", lists:join("L", [p(Point) || Point <- Path])]}])
    end,
    Title = tag(title, [], [escape(Name), ": ", short(Last)]),
    [tag(g, [{class, ["cb-line cb-", atom_to_list(Weight), " ", colour(Group)]}], [Title, Shape]), "\n"].

%% Nine or more lines have to share colours: the second round is dashed.
colour(Group) ->
    ["cb-c", integer_to_list((Group - 1) rem ?COLOURS + 1), [" cb-dash" || (Group - 1) div ?COLOURS rem 2 =:= 1]].

circle(Class, {X, Y}, R) ->
    tag(circle, [{class, Class}, {cx, n(X)}, {cy, n(Y)}, {r, R}]).

%% ---------------------------------------------------------------------------------------------
%% Marks
%% ---------------------------------------------------------------------------------------------

draw_mark(#{x := X, series := Series, label := Label} = Mark, Lines, #{bottom := Bottom} = Plot) ->
    Name = clip(Series),
    {Colour, Point} = case [L || #{name := N, points := [_ | _]} = L <- Lines, N =:= Name] of
        [#{points := Points, group := Group} | _] ->
            {colour(Group), at({bounded(X), height_at(bounded(X), Points)}, Plot)};
        %% A mark on a line that is not here stands on the axis.
        [] ->
            {Across, _} = at({bounded(X), 0.0}, Plot),
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
    tag(path, [{d, ["M", p({X, Y - R}), "L", p({X + R, Y}), "L", p({X, Y + R}), "L", p({X - R, Y}), "Z"]}]).

inside({X, Y}, #{left := Left, right := Right, top := Top, bottom := Bottom}) ->
    {max(Left, min(Right, X)), max(Top, min(Bottom, Y))}.

height_at(_, [{_, Y}]) -> Y;
height_at(X, [{X0, Y0} | _]) when X =< X0 -> Y0;
height_at(X, [{X0, Y0}, {X1, Y1} | _]) when X =< X1 -> Y0 + (Y1 - Y0) * (X - X0) / max(1.0e-12, X1 - X0);
height_at(X, [_ | Rest]) -> height_at(X, Rest).

%% ---------------------------------------------------------------------------------------------
%% Names
%% ---------------------------------------------------------------------------------------------

%% Names at the line ends, moved apart as little as needed. Of more than fit, those that end
%% highest are named; every line still says its name when pointed at.
end_labels(Lines, #{top := Top, bottom := Bottom, right := Right, size := {Width, _}} = Plot) ->
    Ends = lists:sort([
        {Y, I, X, Line}
     || {I, #{points := Points} = Line} <- lists:enumerate(Lines), {X, Y} <- [at(lists:last(Points), Plot)]
    ]),
    %% A line that stops early has room for its name right there.
    {Early, Late} = lists:partition(fun({_, _, X, _}) -> Right - X > 40 end, Ends),
    Settled = fun(Some) ->
        Fitting = lists:sublist(Some, max(1, trunc((Bottom - Top) / 14))),
        cambrian_room:settle([{{Line, {X, Y}}, Y, 7.5} || {Y, _, X, Line} <- Fitting], Top + 4, Bottom - 4)
    end,
    [end_label(Line, End, {Right + 3, Y}, Width) || {{Line, End}, Y} <- Settled(Late)] ++
        [end_label(Line, {X, EndY}, {X, Y}, Width) || {{Line, {X, EndY}}, Y} <- Settled(Early)].

end_label(#{name := Name, group := Group}, {_, EndY} = End, {X, Y}, Width) ->
    Lead = tag(path, [{class, "cb-lead"}, {d, ["M", p(End), "L", p({X + 3, Y})]}]),
    Text = words(X + 7, Y + 4, "start", "cb-halo", 12, fit(Name, Width - X - 9, 12)),
    [tag(g, [{class, ["cb-end ", colour(Group)]}], [[Lead || abs(Y - EndY) > 4], Text]), "\n"].
