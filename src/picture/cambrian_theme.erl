%% @doc Defines the colours of all pictures, light and dark, and their style sheet.
-module(cambrian_theme).

-export([palette/0, style/0]).

%% @doc Returns the colours that pictures share with their page, each as `{Light, Dark}'.
%%
%% ```
%% #{ink := {_Light, _Dark}} = cambrian_theme:palette().
%% '''
-spec palette() -> #{atom() => {Light :: string(), Dark :: string()}}.
palette() ->
    #{
        paper => {"#fdfcf9", "#14171b"},
        ink => {"#23272c", "#e5e3dd"},
        mute => {"#666c74", "#9ba1a9"},
        rule => {"#e5e2da", "#2c3137"},
        faint => {"#a9adb2", "#5d646c"},
        positive => {"#2a6fb0", "#6cabe6"},
        negative => {"#cc6a12", "#f0a04b"}
    }.

%% The colours of lines, which red-green colour-blind people can tell apart too (after Okabe and
%% Ito).
lines() ->
    [
        {"#2a6fb0", "#6cabe6"}, {"#c8541c", "#f18d54"}, {"#0d8465", "#3fc09b"},
        {"#93509a", "#cf92d6"}, {"#98700a", "#dcb24a"}, {"#2787a1", "#64c2da"},
        {"#b33f62", "#ee86a2"}, {"#59636e", "#a8b2bc"}
    ].

%% The dashes of lines that share a colour with another line.
dashes() -> ["7 4", "1.5 4", "12 4", "9 3 1.5 3", "9 3 1.5 3 1.5 3"].

%% The colours of bands are softer, because bands fill areas and carry text.
bands() ->
    [
        {"#b9d3ea", "#2f5273"}, {"#f3cfae", "#6b4a2f"}, {"#b8ddcf", "#245a4b"},
        {"#dcc6e2", "#5a3f63"}, {"#ece0ac", "#665620"}, {"#bfe0e8", "#27596a"},
        {"#f0c5cf", "#733a4a"}, {"#d3d6da", "#444b53"}, {"#c9dba8", "#48592a"},
        {"#cdcbee", "#454478"}
    ].

%% @doc Returns the style sheet of all pictures. Each picture has it, unless it is embedded.
%%
%% The style sheet has no variables, because some SVG readers do not support them.
%%
%% ```
%% 1> Series = [#{name => <<"best">>, points => [{1, 0.2}, {2, 0.9}]}].
%% 2> Chart = cambrian_chart:chart(Series, #{embed => true}).
%% 3> _ = ["<style>", cambrian_theme:style(), "</style>", Chart].
%% '''
-spec style() -> iodata().
style() ->
    [
        ".cb{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\","
        "Arial,sans-serif;"
        "font-variant-numeric:tabular-nums;max-width:100%;height:auto}\n"
        ".cb path,.cb circle{fill:none;stroke-linecap:round;stroke-linejoin:round}\n"
        ".cb .cb-title{font-weight:600}\n"
        ".cb .cb-halo{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}\n"
        ".cb .cb-hit{stroke:transparent;stroke-width:11;pointer-events:stroke}\n"
        ".cb .cb-off{stroke-dasharray:3 4}.cb .cb-link{transition:opacity .15s}\n"
        ".cb .cb-links:hover .cb-link:not(:hover){opacity:.18}\n"
        ".cb .cb-bias{stroke-width:2;opacity:.75}.cb .cb-glyph{stroke-width:1.4}\n"
        ".cb .cb-node circle{stroke-width:1.3}.cb .cb-output circle{stroke-width:2.2}\n"
        ".cb .cb-grid{stroke-width:1}.cb .cb-base{stroke-width:1}\n"
        ".cb .cb-line path{stroke-width:1.7}.cb .cb-line.cb-bold path{stroke-width:2.4}\n"
        ".cb .cb-line.cb-light path{stroke-width:1.2;opacity:.5}"
        ".cb .cb-end .cb-swatch{stroke-width:2.4}\n",
        [[".cb .cb-line.cb-dash", N, " path,.cb .cb-dash", N,
          " .cb-swatch{stroke-dasharray:", Dashes, "}"]
         || {I, Dashes} <- lists:enumerate(dashes()), N <- [integer_to_list(I)]],
        "\n.cb .cb-break{stroke-width:1;stroke-dasharray:2 3}"
        ".cb .cb-many .cb-band{stroke-width:.3}\n"
        ".cb .cb-lead{stroke-width:.8;opacity:.6}.cb .cb-band{stroke-width:.8}\n"
        ".cb .cb-mark path,.cb .cb-ring{stroke-width:1.6}.cb .cb-end{font-weight:500}\n",
        theme(1),
        "@media (prefers-color-scheme:dark){\n", theme(2), "}\n"
    ].

theme(Side) ->
    Of = fun(Colour) -> element(Side, Colour) end,
    #{
        paper := Paper, ink := Ink, mute := Mute, rule := Rule, faint := Faint,
        positive := Positive, negative := Negative
    } = maps:map(fun(_, Colour) -> Of(Colour) end, palette()),
    [
        ".cb .cb-bg{fill:", Paper, "}.cb text{fill:", Ink, "}.cb text.cb-mute{fill:", Mute, "}\n"
        ".cb text.cb-halo{stroke:", Paper, "}.cb .cb-grid{stroke:", Rule,
        "}.cb .cb-base,.cb .cb-break{stroke:", Faint, "}\n"
        ".cb .cb-pos{stroke:", Positive, "}.cb .cb-neg{stroke:", Negative,
        "}.cb .cb-off{stroke:", Faint, "}\n"
        ".cb .cb-plain{stroke:", Mute, "}.cb .cb-wedge,.cb .cb-dot{fill:", Mute,
        "}.cb .cb-glyph{stroke:", Ink, "}\n"
        ".cb .cb-node circle{fill:", Paper, ";stroke:", Ink,
        "}.cb .cb-input circle,.cb .cb-input rect{fill:", Ink, "}\n"
        ".cb .cb-band{stroke:", Paper, "}.cb .cb-b0{fill:", Rule,
        "}.cb .cb-mark path,.cb .cb-ring{stroke:", Ink, "}\n"
        ".cb .cb-mark .cb-ring{fill:none}.cb .cb-fill{fill:", Positive, "}\n",
        [line_rule(I, Of(C), Paper) || {I, C} <- lists:enumerate(lines())],
        [[".cb .cb-b", integer_to_list(I), "{fill:", Of(C), "}"]
         || {I, C} <- lists:enumerate(bands())],
        "\n"
    ].

line_rule(I, Colour, Paper) ->
    Class = [".cb .cb-c", integer_to_list(I)],
    [
        Class, " path,", Class, " .cb-ring{stroke:", Colour, "}", Class, " text{fill:", Colour, "}",
        Class, " .cb-spot{fill:", Colour, "}",
        Class, ".cb-mark path{fill:", Colour, ";stroke:", Paper, ";stroke-width:1.4}",
        Class, ".cb-mark.cb-light path{fill:", Paper, ";stroke:", Colour, ";stroke-width:1.2}\n"
    ].
