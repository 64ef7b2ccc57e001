%% @doc Lays out the axes of a chart: the numbers at its edges, and the place of a point between
%% them.
-module(cambrian_axes).

-import(cambrian_svg_element, [fit/3, n/1, p/1, tag/2, tag/3, text_width/2, words/6]).
-import(cambrian_text, [clip/2, finite/1]).

-export([plot/3, draw/2, at/2, summary/1]).
-export_type([plot/0]).

%% Numbers beyond these limits are drawn as multiples of a power of ten; otherwise differences could
%% overflow or vanish.
-define(POWER, 200).
-define(LARGE, 1.0e150).
-define(SMALL, 1.0e-150).
%% Lines in focus that use less than this share of the heights get most of the chart.
-define(NARROW, 0.2).
-define(OUTER, 0.2).
-define(MIN_FOCUS, 20).
-define(MIN_TALL, 100).

-type edges() :: {number(), number()}.

-type plot() :: #{
    size := cambrian_svg_element:point(),
    left := number(),
    right := number(),
    top := number(),
    bottom := number(),
    %% The numbers at the edges, as multiples of ten to the powers.
    x := edges(),
    y := edges(),
    powers := {X :: integer(), Y :: integer()},
    %% The scale is constant between two heights of this list, which starts with the lowest.
    scale := [{Height :: number(), Y :: number()}],
    %% The band that gets most of the chart, if the scale changes.
    plateau := none | edges(),
    x_ticks := {[number()], Step :: float()},
    y_ticks := [{number(), Step :: float()}],
    empty := boolean()
}.

-type look() :: #{whole := boolean(), from_zero := boolean(), right := number(),
                  focus => [cambrian_svg_element:point()]}.
%% Whether x is in whole numbers, whether y starts at 0, the width of the right margin, and the
%% points of the most important lines.

%% @doc Lays the axes out so that all points lie between them.
%%
%% It uses the options `width', `height', `title', `x_label', `y_label', `cover' and `embed'.
%%
%% If the lines in focus stay in a narrow band after the first quarter, like fitness on a plateau,
%% that band gets most of the chart. Values below or above it are drawn on a smaller scale, and the
%% axis says so.
%%
%% ```
%% 1> Plot = cambrian_axes:plot([{0, 0.1}, {50, 0.9}],
%%                              #{whole => true, from_zero => true, right => 14}, #{width => 400}).
%% 2> maps:with([x, y, x_ticks], Plot).
%% #{x => {0.0,50.0},x_ticks => {[0.0,10.0,20.0,30.0,40.0,50.0],10.0},y => {0.0,0.9}}
%% '''
-spec plot([cambrian_svg_element:point()], look(), Opts :: map()) -> plot().
plot(Points, #{whole := Whole, from_zero := FromZero, right := RightMargin} = Look, Opts) ->
    {AllXs, AllYs} = lists:unzip(Points ++ maps:get(cover, Opts, [])),
    Powers = {power(AllXs), power(AllYs)},
    {Xs, Ys} = lists:unzip([in_units({X, Y}, Powers) || {X, Y} <- lists:zip(AllXs, AllYs)]),
    {Width, Height} = Size = {maps:get(width, Opts, 720), maps:get(height, Opts, 320)},
    Tallest = Height - cambrian_svg_element:head_height(Opts) - 66,
    Focus = plateau([in_units(Point, Powers) || Point <- maps:get(focus, Look, [])], Ys, Tallest),
    Labelled = is_map_key(y_label, Opts) orelse Focus =/= none,
    Top = cambrian_svg_element:head_height(Opts) + case Labelled of true -> 26; false -> 10 end,
    Bottom = max(Top + 10.0, Height - case Opts of #{x_label := _} -> 40; _ -> 24 end),
    {Parts, Band} = parts(Focus, Ys, FromZero, Bottom - Top),
    YTicks = lists:ukeysort(1, [{Tick, Step} || {Ticks, Step} <- Parts, Tick <- Ticks]),
    Edges = {_, _} = y_edges(Band, Parts, Ys, FromZero),
    {XPower, YPower} = Powers,
    Left = lists:max([18 | [text_width(label(Tick, Step, YPower), 11) + 20
                            || {Tick, Step} <- YTicks]]),
    Right = max(Left + 10.0, Width - min(RightMargin, Width * 0.36)),
    {XEdges, XTicks} = x_axis(Xs, Right - Left, max(2, (Right - Left) / 64), Whole, XPower),
    #{
        size => Size, left => Left, right => Right, top => Top, bottom => Bottom,
        x => XEdges, x_ticks => XTicks, y => Edges, y_ticks => YTicks, powers => Powers,
        scale => scale_of(Edges, Band, Top, Bottom), plateau => Band, empty => Points =:= []
    }.

power(Values) ->
    case lists:max([0.0 | [abs(finite(Value)) || Value <- Values]]) of
        Most when Most > ?LARGE -> ?POWER;
        Most when Most > 0.0, Most < ?SMALL -> -?POWER;
        _ -> 0
    end.

in_units({X, Y}, {XPower, YPower}) -> {in_unit(X, XPower), in_unit(Y, YPower)}.

in_unit(Value, 0) -> finite(Value);
in_unit(Value, ?POWER) -> finite(Value) / 1.0e200;
in_unit(Value, -?POWER) -> Value * 1.0e200.

%% ---------------------------------------------------------------------------------------------
%% Scales
%% ---------------------------------------------------------------------------------------------

%% Returns the band of the lines in focus after their rise, if it is narrow. The lowest twentieth of
%% the heights may lie below the band; the highest never lies above it.
plateau(Focus, _, Tall) when length(Focus) < ?MIN_FOCUS; Tall < ?MIN_TALL ->
    none;
plateau(Focus, Ys, _) ->
    {Xs, _} = lists:unzip(Focus),
    From = lists:min(Xs) + (lists:max(Xs) - lists:min(Xs)) / 4,
    Late = lists:sort([Y || {X, Y} <- Focus, X >= From]),
    {Low, High} = {lists:nth(1 + length(Late) div 20, Late), lists:last(Late)},
    Whole = lists:max(Ys) - lists:min(Ys),
    Band = High - Low,
    case differ(Low, High) andalso Band >= 1.0e-6 * Whole andalso Band < ?NARROW * Whole of
        true -> {Low, High};
        false -> none
    end.

%% Returns the ticks of each part of the axis with their step, and the band with its edges moved
%% outward to ticks.
parts(none, Ys, FromZero, Tall) ->
    {Range, Step} = scale(Ys ++ [0.0 || FromZero], max(2, Tall / 44), 0.0),
    {Low, High} = case FromZero of true -> Range; false -> outward(Range, Step) end,
    {[{ticks(Low, High, Step), Step}], none};
parts({From, To}, Ys, _, Tall) ->
    {Range, Step} = scale([From, To], max(2, (1 - ?OUTER) * Tall / 44), 0.0),
    {Low, High} = Band = outward(Range, Step),
    Outer = [outer(lists:min(Ys), Low, fun math:floor/1) || lists:min(Ys) < Low]
        ++ [outer(lists:max(Ys), High, fun math:ceil/1) || lists:max(Ys) > High],
    {[{ticks(Low, High, Step), Step} | Outer], Band}.

%% Makes one tick at the far edge of the part outside the band.
outer(Far, Near, Outward) ->
    Step = round_step(abs(Far - Near)),
    {[Outward(Far / Step) * Step], Step}.

y_edges(none, _, Ys, true) -> {0.0, max(1.0e-9, lists:max([0.0 | Ys]))};
y_edges(_, Parts, _, _) ->
    Ticks = lists:append([Ticks || {Ticks, _} <- Parts]),
    {lists:min(Ticks), lists:max(Ticks)}.

scale_of({Low, High}, none, Top, Bottom) ->
    [{Low, Bottom}, {High, Top}];
scale_of({Low, High}, {From, To}, Top, Bottom) ->
    Outer = ?OUTER * (Bottom - Top),
    Lower = [{Low, Bottom} || Low < From],
    Upper = [{High, Top} || High > To],
    Lower ++ [{From, Bottom - Outer * length(Lower)}, {To, Top + Outer * length(Upper)}] ++ Upper.

%% Reduces the number of ticks until their labels do not overlap.
x_axis(Xs, Wide, Count, Whole, Power) ->
    {{Low, High} = Edges, Step} = scale(Xs, Count, case Whole of true -> 1.0; false -> 0.0 end),
    Ticks = ticks(Low, High, Step),
    Widest = lists:max([0.0 | [text_width(label(Tick, Step, Power), 11) || Tick <- Ticks]]),
    case Count > 1 andalso length(Ticks) > 1 andalso Widest + 10 > Step / (High - Low) * Wide of
        true -> x_axis(Xs, Wide, Count * 0.7, Whole, Power);
        false -> {Edges, {Ticks, Step}}
    end.

%% Returns the range of some numbers, and a round step of at least `Least' for about `Count' ticks.
%% If all numbers are the same, the range lies around them.
scale([], _, _) ->
    {{0.0, 1.0}, 0.5};
scale(Values, Count, Least) ->
    {Low, High} = {lists:min(Values), lists:max(Values)},
    Pad = case differ(Low, High) of
        true -> 0.0;
        false when Least > 0; Low == 0 -> 0.5;
        false -> abs(Low) * 0.1
    end,
    {From, To} = {Low - Pad, High + Pad},
    {{From, To}, max(Least, round_step((To - From) / Count))}.

%% Ignores differences that come from rounding floats.
differ(Low, High) -> High - Low > 4.0e-15 * max(abs(Low), abs(High)).

round_step(Raw) ->
    Power = math:pow(10, math:floor(math:log10(Raw))),
    Power * hd([M || M <- [1, 2, 5, 10, 20], M * Power >= Raw * 0.9]).

%% Moves the edges outward to ticks, so that no line ends above the highest tick.
outward({Low, High}, Step) ->
    {math:floor(Low / Step + 1.0e-9) * Step, math:ceil(High / Step - 1.0e-9) * Step}.

ticks(Low, High, Step) ->
    First = ceil(Low / Step - 1.0e-9),
    Last = min(First + 40, floor(High / Step + 1.0e-9)),
    [I * Step || I <- lists:seq(First, max(First - 1, Last))].

label(Tick, Step, 0) -> cambrian_text:tick(Tick, Step);
label(Tick, Step, Power) -> cambrian_text:tick(Tick, Step, Power).

%% @doc Returns the place of a point in the picture.
%%
%% ```
%% 1> Plot = cambrian_axes:plot([{0, 0.1}, {50, 0.9}],
%%                              #{whole => true, from_zero => true, right => 14}, #{width => 400}).
%% 2> cambrian_axes:at({50, 0.0}, Plot).
%% {386.0,296.0}
%% 3> maps:with([right, bottom], Plot).
%% #{bottom => 296,right => 386}
%% '''
-spec at(cambrian_svg_element:point(), plot()) -> cambrian_svg_element:point().
at(Point, #{powers := Powers, scale := Scale} = Plot) ->
    {X, Y} = in_units(Point, Powers),
    {across(X, Plot), height(Y, Scale)}.

height(Y, [{Y0, Low}, {Y1, High} | Above]) when Y =< Y1; Above =:= [] ->
    Low + (Y - Y0) / (Y1 - Y0) * (High - Low);
height(Y, [_ | Above]) -> height(Y, Above).

%% @doc Draws the axes, with a note if there is nothing to show.
%%
%% ```
%% 1> Plot = cambrian_axes:plot([], #{whole => true, from_zero => true, right => 14}, #{}).
%% 2> Drawn = iolist_to_binary(cambrian_axes:draw(Plot, #{x_label => <<"generation">>})).
%% 3> re:run(Drawn, "generation|nothing[a-z ]*", [global, {capture, first, binary}]).
%% {match,[[<<"generation">>],[<<"nothing to show yet">>]]}
%% '''
-spec draw(plot(), Opts :: map()) -> iodata().
draw(#{left := Left, right := Right, top := Top, bottom := Bottom} = Plot, Opts) ->
    #{size := {Width, _}, empty := Empty, scale := Scale,
      x_ticks := {XTicks, XStep}, y_ticks := YTicks, powers := {XPower, YPower}} = Plot,
    Margin = case Opts of #{embed := true} -> 0; _ -> 12 end,
    [
        tag(g, [{class, "cb-axes"}], [
            "\n",
            [y_tick(label(T, Step, YPower), height(T, Scale), Left, Right)
             || {T, Step} <- YTicks],
            breaks(Plot),
            tag(path, [{class, "cb-base"}, {d, ["M", p({Left, Bottom}), "H", n(Right)]}]), "\n",
            [x_tick(label(T, XStep, XPower), across(T, Plot), Plot) || T <- XTicks],
            [words(Right, Bottom + 33, "end", "cb-mute", 11, clip(L, 80))
             || #{x_label := L} <- [Opts]],
            [words(Margin, Top - 13, "start", "cb-mute", 11, fit(L, Width - Margin - 4, 11))
             || L <- y_label(Plot, Opts)]
        ]),
        "\n",
        [words((Left + Right) / 2, (Top + Bottom) / 2, "middle", "cb-mute", 12,
               "nothing to show yet") || Empty]
    ].

y_label(#{plateau := none}, Opts) ->
    [clip(Label, 80) || #{y_label := Label} <- [Opts]];
y_label(Plot, Opts) ->
    Given = [[clip(Label, 40), ", "] || #{y_label := Label} <- [Opts]],
    [unicode:characters_to_binary([Given, summary(Plot)])].

%% @doc Says in words where the scale of the heights changes; empty if it does not.
%%
%% ```
%% 1> Points = [{X, case X < 5 of true -> -900; false -> X / 100 end} || X <- lists:seq(0, 100)].
%% 2> Look = #{whole => true, from_zero => false, right => 14, focus => Points}.
%% 3> Plot = cambrian_axes:plot(Points, Look, #{}).
%% 4> iolist_to_binary(cambrian_axes:summary(Plot)).
%% <<"below 0.2 on a smaller scale">>
%% '''
-spec summary(plot()) -> iodata().
summary(#{plateau := none}) ->
    [];
summary(#{plateau := {From, To}, y := {Low, High}, y_ticks := Ticks, powers := {_, Power}}) ->
    Label = fun(Height) ->
        hd([label(Tick, Step, Power) || {Tick, Step} <- Ticks, Tick == Height])
    end,
    [
        case {Low < From, High > To} of
            {true, false} -> ["below ", Label(From)];
            {false, true} -> ["above ", Label(To)];
            {true, true} -> ["below ", Label(From), " and above ", Label(To)]
        end, " on a smaller scale"
    ].

%% Marks each change of the scale by a line across, and a zigzag on the axis.
breaks(#{plateau := none}) ->
    [];
breaks(#{plateau := {From, To}, y := {Low, High}, left := Left, right := Right, scale := Scale}) ->
    [
        [tag(path, [{class, "cb-break"}, {d, ["M", p({Left, Y}), "H", n(Right)]}]),
         tag(path, [{class, "cb-base"}, {d, ["M", p({Left - 4, Y + 3}), "l3 -6l3 6l3 -6"]}]), "\n"]
     || {true, Height} <- [{Low < From, From}, {High > To, To}], Y <- [height(Height, Scale)]
    ].

y_tick(Text, Y, Left, Right) ->
    Grid = tag(path, [{class, "cb-grid"}, {d, ["M", p({Left, Y}), "H", n(Right)]}]),
    [Grid, words(Left - 8, Y + 4, "end", "cb-mute", 11, Text), "\n"].

%% Keeps the last label inside the picture.
x_tick(Text, X, #{bottom := Bottom, size := {Width, _}}) ->
    Stroke = tag(path, [{class, "cb-base"}, {d, ["M", p({X, Bottom}), "v4"]}]),
    Middle = min(X, Width - text_width(Text, 11) / 2 - 2),
    [Stroke, words(Middle, Bottom + 17, "middle", "cb-mute", 11, Text), "\n"].

across(X, #{left := Left, right := Right, x := {X0, X1}}) ->
    Left + (X - X0) / (X1 - X0) * (Right - Left).
