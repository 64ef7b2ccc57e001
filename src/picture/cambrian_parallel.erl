%% @private
%% Draws parallel axes: one for each of several numbers, and a line across them for each item.
-module(cambrian_parallel).

-import(cambrian_svg_element, [p/1, tag/2, text_width/2, words/6]).
-import(cambrian_text, [short/1]).

-export([plot/3, axes/1, line/2, end_of/2]).
-export_type([plot/0]).

-type axis() :: {Name :: cambrian_text:text(), {Low :: number(), High :: number()}}.
-opaque plot() :: #{axes := [axis()], left := number(), step := number(), top := number(),
                    bottom := number()}.

%% Room for a line of text.
-define(TEXT, 20).

%% @doc Lays out axes between the places of the first and the last of them. Above them is a line of
%% names and one of numbers, below one of numbers.
-spec plot([axis()], {Left :: number(), Right :: number()},
           {Top :: number(), Bottom :: number()}) -> plot().
plot(Axes, {Left, Right}, {Top, Bottom}) ->
    Step = (Right - Left) / max(1, length(Axes) - 1),
    #{axes => Axes, left => Left, step => Step, top => Top, bottom => Bottom}.

%% @doc The axes. Where names have no room they are numbered, and numbers that have none are left
%% out.
-spec axes(plot()) -> iodata().
axes(#{axes := Axes, step := Step, top := Top, bottom := Bottom} = Plot) ->
    Last = length(Axes),
    Given = [Name || {Name, _} <- Axes],
    Names = case has_room(Given, Step) of
                true -> Given;
                false -> [integer_to_binary(At) || At <- lists:seq(1, Last)]
            end,
    Ends = [{short(Low), short(High)} || {_, {Low, High}} <- Axes],
    {Lows, Highs} = lists:unzip(Ends),
    IsEnded = has_room(Lows, Step) andalso has_room(Highs, Step),
    [begin
         X = across(At, Plot),
         Anchor = case At of 1 -> "start"; Last -> "end"; _ -> "middle" end,
         Write = fun(Y, Class, Text) -> words(X, Y, Anchor, Class, 11, Text) end,
         [tag(path, [{class, "cb-base"}, {d, ["M", p({X, Top}), "L", p({X, Bottom})]}]),
          Write(Top - ?TEXT - 2, "cb-halo", Name),
          [[Write(Top - 6, "cb-mute", High), Write(Bottom + ?TEXT - 5, "cb-mute", Low)]
           || IsEnded], "\n"]
     end || {At, {Name, {Low, High}}} <- lists:enumerate(lists:zip(Names, Ends))].

%% The first text begins at its axis, and the last one ends there; the others are in the middle.
has_room([_, _ | _] = Texts, Step) ->
    Widths = [text_width(Text, 11) || Text <- Texts],
    Last = length(Widths),
    Halves = [case At =:= 1 orelse At =:= Last of true -> Width; false -> Width / 2 end
              || {At, Width} <- lists:enumerate(Widths)],
    lists:all(fun({A, B}) -> A + B + 8 =< Step end, cambrian_spacing:pairs(Halves));
has_room(_, _) -> true.

%% @doc The line of an item, with as many numbers as there are axes.
-spec line([number()], plot()) -> iodata().
line(Numbers, Plot) ->
    tag(path, [{d, ["M", lists:join("L", [p(Place) || Place <- places(Numbers, Plot)])]}]).

%% @doc Where the line of an item ends.
-spec end_of([number()], plot()) -> cambrian_svg_element:point().
end_of(Numbers, Plot) -> lists:last(places(Numbers, Plot)).

places(Numbers, #{axes := Axes, top := Top, bottom := Bottom} = Plot) ->
    [{across(At, Plot), Bottom - (Bottom - Top) * share(Number, Range)}
     || {At, {Number, {_, Range}}} <- lists:enumerate(lists:zip(Numbers, Axes))].

across(At, #{left := Left, step := Step}) -> Left + Step * (At - 1).

%% From 0 at the lower end, and for what lies below it, to 1; in halves, so that no range overflows.
share(Number, {Low, High}) ->
    case High / 2 - Low / 2 of
        Half when Half > 0.0 -> (max(Low, min(High, Number)) / 2 - Low / 2) / Half;
        _ -> 0.5
    end.
