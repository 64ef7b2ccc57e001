%% @doc Writes the elements of SVG: tags, points, text, and the frame of a picture.
%%
%% `words' and `frame' escape their text. `tag' writes its attributes and content as they are, so
%% pass foreign text through {@link cambrian_text:escape/1} first.
-module(cambrian_svg_element).

-import(cambrian_text, [clip/1, clip/2, escape/1]).

-export([frame/6, head_height/1]).
-export([tag/2, tag/3, words/6, n/1, p/1, translate/1]).
-export([text_width/2, fit/3]).
-export_type([point/0]).

-type point() :: {X :: number(), Y :: number()}.

%% @doc Makes a whole picture, which scales with its page and describes itself in `Words'.
%%
%% `Name' is the title if the options have none. An embedded picture leaves style and title to its
%% page.
%%
%% ```
%% 1> Opts = #{embed => true}.
%% 2> Svg = cambrian_svg_element:frame("chart", "Chart", "It is empty.", {100, 50}, Opts, []).
%% 3> re:run(Svg, "aria-label=[^>]*", [{capture, first, binary}]).
%% {match,[<<"aria-label=\"Chart. It is empty.\"">>]}
%% '''
-spec frame(Kind, Name, Words :: iodata(), Size :: point(), Opts :: map(), Body :: iodata()) ->
          iodata() when Kind :: string(), Name :: string().
frame(Kind, Name, Words, {Width, Height}, Opts, Body) ->
    Title = escape(clip(maps:get(title, Opts, Name))),
    Description = escape(clip(iolist_to_binary(Words), 1500)),
    Attributes = [
        {xmlns, "http://www.w3.org/2000/svg"}, {class, ["cb cb-", Kind]},
        {viewBox, ["0 0 ", p({Width, Height})]}, {width, n(Width)}, {height, n(Height)},
        {role, "img"}, {'aria-label', [Title, ". ", Description]}
    ],
    Look = [
        tag(style, [], ["\n", cambrian_theme:style()]), "\n",
        tag(rect, [{class, "cb-bg"}, {width, "100%"}, {height, "100%"}]), "\n"
    ],
    [
        tag(svg, Attributes, [
            "\n", tag(title, [], Title), "\n", tag(desc, [], Description), "\n",
            [Look || not maps:get(embed, Opts, false)], visible_title(Opts, Width), Body
        ]),
        "\n"
    ].

visible_title(#{embed := true}, _) -> [];
visible_title(#{title := Title}, Width) ->
    words(12, 26, "start", "cb-title", 15, fit(clip(Title, 120), Width - 16, 15));
visible_title(_, _) -> [].

%% @doc Returns the height of the title of a picture, in pixels.
%%
%% ```
%% 1> lists:map(fun cambrian_svg_element:head_height/1, [#{title => <<"Fitness">>}, #{}]).
%% [36,6]
%% '''
-spec head_height(Opts :: map()) -> pos_integer().
head_height(#{title := _, embed := true}) -> 6;
head_height(#{title := _}) -> 36;
head_height(_) -> 6.

%% @doc Writes an element without content. See {@link tag/3}.
-spec tag(atom(), [{atom(), iodata()}]) -> iodata().
tag(Name, Attributes) ->
    [open(Name, Attributes), <<"/>">>].

%% @doc Writes an element.
%%
%% ```
%% 1> Circle = cambrian_svg_element:tag(circle, [{r, "2"}]).
%% 2> iolist_to_binary(cambrian_svg_element:tag(g, [{class, "a"}], Circle)).
%% <<"<g class=\"a\"><circle r=\"2\"/></g>">>
%% '''
-spec tag(atom(), [{atom(), iodata()}], Content :: iodata()) -> iodata().
tag(Name, Attributes, Content) ->
    [open(Name, Attributes), <<">">>, Content, <<"</">>, atom_to_binary(Name), <<">">>].

open(Name, Attributes) ->
    Written = [[<<" ">>, atom_to_binary(Key), <<"=\"">>, Value, <<"\"">>]
               || {Key, Value} <- Attributes],
    [<<"<">>, atom_to_binary(Name), Written].

%% @doc Writes a line of text, whose `Anchor' (start, middle or end) stands at the point.
%%
%% ```
%% 1> iolist_to_binary(cambrian_svg_element:words(10, 20, "middle", "cb-mute", 12, "a < b")).
%% <<"<text x=\"10\" y=\"20\" font-size=\"12\" text-anchor=\"middle\" class=\"cb-mute\">"
%%   "a &lt; b</text>">>
%% '''
-spec words(X, Y, Anchor :: string(), Class :: string(), Size, cambrian_text:text()) -> iodata()
          when X :: number(), Y :: number(), Size :: number().
words(X, Y, Anchor, Class, Size, Text) ->
    Place = [{x, n(X)}, {y, n(Y)}, {'font-size', n(Size)}],
    Anchored = Place ++ [{'text-anchor', Anchor} || Anchor =/= "start"],
    tag(text, Anchored ++ [{class, Class}], escape(Text)).

%% @doc Writes a coordinate, to a tenth of a pixel.
%%
%% ```
%% 1> cambrian_svg_element:n(1 / 3).
%% <<"0.3">>
%% '''
-spec n(number()) -> binary().
n(Value) -> cambrian_text:decimal(Value, 1).

%% @doc Writes a point.
%%
%% ```
%% 1> iolist_to_binary(cambrian_svg_element:p({10, 2.25})).
%% <<"10 2.3">>
%% '''
-spec p(point()) -> iodata().
p({X, Y}) -> [n(X), " ", n(Y)].

%% @doc Writes the transformation that moves the origin to a point.
%%
%% ```
%% 1> iolist_to_binary(cambrian_svg_element:translate({10, 2.5})).
%% <<"translate(10 2.5)">>
%% '''
-spec translate(point()) -> iodata().
translate(Point) -> ["translate(", p(Point), ")"].

%% @doc Estimates the width of a text in pixels. Fonts differ, so the estimate is on the wide side.
%%
%% ```
%% 1> cambrian_svg_element:text_width(<<"fitness">>, 10).
%% 42.0
%% '''
-spec text_width(cambrian_text:text(), Size :: number()) -> float().
text_width(Text, Size) ->
    Wide = fun(C) when C >= 16#1100 -> 1.05; (_) -> 0.6 end,
    Size * lists:sum([Wide(C) || C <- unicode:characters_to_list(clip(Text))]).

%% @doc Clips a text to a width.
%%
%% ```
%% 1> cambrian_svg_element:fit(<<"generation">>, 40, 10) =:= <<"gener…"/utf8>>.
%% true
%% '''
-spec fit(cambrian_text:text(), Width :: number(), Size :: number()) -> cambrian_text:text().
fit(Text, Width, Size) ->
    case text_width(Text, Size) =< Width of
        true -> Text;
        false -> clip(Text, max(2, trunc(Width / (Size * 0.6))))
    end.
