%% @doc The axes of a chart: which numbers its edges stand for, and where a point lies between them.
-module(cambrian_axes).

-import(cambrian_pen, [n/1, p/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [bounded/1, clip/2, tick/2]).

-export([plot/3, draw/2, at/2]).
-export_type([plot/0]).

-type plot() :: #{
    size := cambrian_pen:point(),
    left := number(),
    right := number(),
    top := number(),
    bottom := number(),
    %% What the edges stand for.
    x := {number(), number()},
    y := {number(), number()},
    x_ticks := {[number()], Step :: float()},
    y_ticks := {[number()], Step :: float()},
    empty := boolean()
}.

-type look() :: #{whole := boolean(), from_zero := boolean(), right := number()}.
%% Whether x is in whole numbers, whether y starts at 0, and how much room there is to be at the right.

%% @doc Lays the axes out so that all points lie between them.
%%
%% Of the options it takes `width', `height', `title', `x_label', `y_label', `cover' and `embed'.
%%
%% ```
%% 1> Plot = cambrian_axes:plot([{0, 0.1}, {50, 0.9}], #{whole => true, from_zero => true, right => 14},
%%                            #{width => 400}).
%% 2> maps:with([x, y, x_ticks], Plot).
%% #{x => {0.0,50.0},x_ticks => {[0.0,10.0,20.0,30.0,40.0,50.0],10.0},y => {0.0,0.9}}
%% '''
-spec plot([cambrian_pen:point()], look(), Opts :: map()) -> plot().
plot(Points, #{whole := Whole, from_zero := FromZero, right := RightRoom}, Opts) ->
    {Xs, Ys} = lists:unzip(Points ++ [{bounded(X), bounded(Y)} || {X, Y} <- maps:get(cover, Opts, [])]),
    {Width, Height} = Size = {maps:get(width, Opts, 720), maps:get(height, Opts, 320)},
    Top = cambrian_pen:head_height(Opts) + case Opts of #{y_label := _} -> 26; _ -> 10 end,
    Bottom = Height - case Opts of #{x_label := _} -> 40; _ -> 24 end,
    {YRange, YStep} = scale(Ys ++ [0.0 || FromZero], max(2, (Bottom - Top) / 44), 0.0),
    {YLow, YHigh} = case FromZero of
        true -> {0.0, max(1.0e-9, element(2, YRange))};
        false -> outward(YRange, YStep)
    end,
    YTicks = ticks(YLow, YHigh, YStep),
    Left = lists:max([18 | [text_width(tick(T, YStep), 11) + 20 || T <- YTicks]]),
    Right = Width - min(RightRoom, Width * 0.36),
    {{XLow, XHigh}, XStep} = scale(Xs, max(2, (Right - Left) / 64), case Whole of true -> 1.0; false -> 0.0 end),
    #{
        size => Size, left => Left, right => max(Left + 10.0, Right), top => Top, bottom => max(Top + 10.0, Bottom),
        x => {XLow, XHigh}, x_ticks => {ticks(XLow, XHigh, XStep), XStep},
        y => {YLow, YHigh}, y_ticks => {YTicks, YStep},
        empty => Points =:= []
    }.

%% The range of some numbers, and a round step for about that many ticks that is not below `Least'.
%% Numbers that are all the same get a range around them.
scale([], _, _) ->
    {{0.0, 1.0}, 0.5};
scale(Values, Count, Least) ->
    {Low, High} = {lists:min(Values), lists:max(Values)},
    Pad = case High - Low =< 1.0e-9 * max(abs(Low), abs(High)) of
        true -> max(0.5, abs(Low) * 0.1);
        false -> 0.0
    end,
    {From, To} = {Low - Pad, High + Pad},
    {{From, To}, max(Least, round_step((To - From) / Count))}.

round_step(Raw) ->
    Power = math:pow(10, math:floor(math:log10(Raw))),
    Power * hd([M || M <- [1, 2, 5, 10, 20], M * Power >= Raw * 0.9]).

%% The edges moved outward to ticks, so that no line ends above the highest number.
outward({Low, High}, Step) ->
    {math:floor(Low / Step + 1.0e-9) * Step, math:ceil(High / Step - 1.0e-9) * Step}.

ticks(Low, High, Step) ->
    First = ceil(Low / Step - 1.0e-9),
    Last = min(First + 40, floor(High / Step + 1.0e-9)),
    [I * Step || I <- lists:seq(First, max(First - 1, Last))].

%% @doc Where a point lies in the picture.
%%
%% ```
%% 1> Plot = cambrian_axes:plot([{0, 0.1}, {50, 0.9}], #{whole => true, from_zero => true, right => 14},
%%                            #{width => 400}).
%% 2> cambrian_axes:at({50, 0.0}, Plot).
%% {386.0,296.0}
%% 3> maps:with([right, bottom], Plot).
%% #{bottom => 296,right => 386}
%% '''
-spec at(cambrian_pen:point(), plot()) -> cambrian_pen:point().
at({X, Y}, #{left := Left, right := Right, top := Top, bottom := Bottom, x := {X0, X1}, y := {Y0, Y1}}) ->
    {Left + (X - X0) / (X1 - X0) * (Right - Left), Bottom - (Y - Y0) / (Y1 - Y0) * (Bottom - Top)}.

%% @doc Draws the axes, and says so when there is nothing between them.
%%
%% ```
%% 1> Plot = cambrian_axes:plot([], #{whole => true, from_zero => true, right => 14}, #{}).
%% 2> Drawn = iolist_to_binary(cambrian_axes:draw(Plot, #{x_label => <<"generation">>})).
%% 3> re:run(Drawn, "generation|nothing[a-z ]*", [global, {capture, first, binary}]).
%% {match,[[<<"generation">>],[<<"nothing to show yet">>]]}
%% '''
-spec draw(plot(), Opts :: map()) -> iodata().
draw(#{left := Left, right := Right, top := Top, bottom := Bottom, empty := Empty} = Plot, Opts) ->
    #{x := {X0, _}, y := {Y0, _}, x_ticks := {XTicks, XStep}, y_ticks := {YTicks, YStep}} = Plot,
    Margin = case Opts of #{embed := true} -> 0; _ -> 12 end,
    [
        tag(g, [{class, "cb-axes"}], [
            "\n",
            [y_tick(tick(T, YStep), at({X0, T}, Plot), Right) || T <- YTicks],
            tag(path, [{class, "cb-base"}, {d, ["M", p({Left, Bottom}), "H", n(Right)]}]), "\n",
            [x_tick(tick(T, XStep), at({T, Y0}, Plot), Bottom) || T <- XTicks],
            [words(Right, Bottom + 33, "end", "cb-mute", 11, clip(L, 80)) || #{x_label := L} <- [Opts]],
            [words(Margin, Top - 13, "start", "cb-mute", 11, clip(L, 80)) || #{y_label := L} <- [Opts]]
        ]),
        "\n",
        [words((Left + Right) / 2, (Top + Bottom) / 2, "middle", "cb-mute", 12, "nothing to show yet") || Empty]
    ].

y_tick(Text, {X, Y}, Right) ->
    Grid = tag(path, [{class, "cb-grid"}, {d, ["M", p({X, Y}), "H", n(Right)]}]),
    [Grid, words(X - 8, Y + 4, "end", "cb-mute", 11, Text), "\n"].

x_tick(Text, {X, _}, Bottom) ->
    Stroke = tag(path, [{class, "cb-base"}, {d, ["M", p({X, Bottom}), "v4"]}]),
    [Stroke, words(X, Bottom + 17, "middle", "cb-mute", 11, Text), "\n"].
