%% @doc Computes the curve of each link of a network, and the extent of all curves.
-module(cambrian_curve).

-import(cambrian_svg_element, [p/1]).
-import(cambrian_spacing, [pairs/1]).

-export([path/2, extent/1]).

%% @doc Makes the data of an SVG path for a link. Recurrent links end in an arrow head.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> #{nodes := Nodes} = Genes = cambrian_genotype:to_map(G), Links = cambrian_graph:links(Genes).
%% 3> Names = cambrian_graph:names(Genes, #{}).
%% 4> Scene = cambrian_layout:place(Nodes, Links, Names, #{width => 300}).
%% 5> iolist_to_binary(cambrian_curve:path(hd(Links), Scene)).
%% <<"M52.8 31C125.3 31 161.5 31 234 31">>
%% '''
-spec path(cambrian_graph:link(), cambrian_layout:scene()) -> iodata().
path(#{kind := forward, id := Id}, #{chains := Chains} = Scene) ->
    smooth([at(Slot, Scene) || Slot <- map_get(Id, Chains)]);
path(#{kind := loop, from := F} = Link, Scene) ->
    loop(F, Link, Scene);
path(Link, #{radius := R} = Scene) ->
    {P0, P1, P2, P3} = arc(Link, Scene),
    End = toward(P3, P2, R + 2.5),
    ["M", p(P0), "C", p(P1), " ", p(P2), " ", p(End), head(P2, End, Link, Scene)].

%% @doc Returns the highest and the lowest point of the drawing, including arcs and loops.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> #{nodes := Nodes} = Genes = cambrian_genotype:to_map(G), Links = cambrian_graph:links(Genes).
%% 3> Names = cambrian_graph:names(Genes, #{}).
%% 4> Scene = cambrian_layout:place(Nodes, Links, Names, #{width => 300}).
%% 5> cambrian_curve:extent(Scene).
%% {9.0,69.0}
%% '''
-spec extent(cambrian_layout:scene()) -> {Top :: float(), Bottom :: float()}.
extent(#{height := Height, radius := R, links := Links, at := At} = Scene) ->
    Arcs = [Y || #{kind := Kind} = Link <- Links, Kind =/= forward, Y <- reach(Link, Scene)],
    Ys = [Height / 2 | [Y || {_, Y} <- maps:values(At)]],
    {
        lists:min([lists:min(Ys) - R | Arcs]) - 8,
        lists:max([lists:max(Ys) + R + 14 | Arcs]) + 10
    }.

reach(#{kind := loop, from := F}, #{radius := R} = Scene) ->
    {_, Y} = at({node, F}, Scene),
    [Y + upward(Y, Scene) * R * 2.4];
reach(Link, Scene) ->
    {{_, Y0}, {_, Y1}, {_, Y2}, {_, Y3}} = arc(Link, Scene),
    [
        Y0 * U * U * U + 3 * Y1 * U * U * T + 3 * Y2 * U * T * T + Y3 * T * T * T
     || T <- [0.15, 0.3, 0.5, 0.7, 0.85], U <- [1 - T]
    ].

at(Slot, #{at := At}) -> map_get(Slot, At).

%% Arcs and loops bulge away from the middle of the picture.
upward(Y, #{height := Height}) when Y > Height / 2 + 0.5 -> 1;
upward(_, _) -> -1.

%% A loop leans to the side where the arcs to and from its node are not.
loop(Node, Link, #{radius := R, columns := Columns} = Scene) ->
    {X, Y} = at({node, Node}, Scene),
    Lean = case lists:member(Node, lists:last(Columns)) of true -> 0.55; false -> -0.55 end,
    {Ux, Uy} = {math:sin(Lean), upward(Y, Scene) * math:cos(Lean)},
    On = fun(Out, Aside) -> {X + R * (Out * Ux - Aside * Uy), Y + R * (Out * Uy + Aside * Ux)} end,
    C2 = On(2.9, -1.7),
    End = toward(On(0.9, -0.6), C2, 1.5),
    ["M", p(On(0.9, 0.6)), "C", p(On(2.9, 1.7)), " ", p(C2), " ", p(End),
     head(C2, End, Link, Scene)].

%% A recurrent link runs over or under the nodes between its ends. A link within a column runs
%% beside it.
arc(#{kind := side, from := F, to := T}, #{gap := Gap} = Scene) ->
    {X, Y0} = at({node, F}, Scene),
    {_, Y1} = at({node, T}, Scene),
    Bulge = min(Gap * 0.6, 18 + abs(Y1 - Y0) * 0.3),
    {{X, Y0}, {X + Bulge, Y0 + (Y1 - Y0) * 0.1}, {X + Bulge, Y1 - (Y1 - Y0) * 0.1}, {X, Y1}};
arc(#{from := F, to := T}, #{radius := R} = Scene) ->
    {X0, Y0} = at({node, F}, Scene),
    {X1, Y1} = at({node, T}, Scene),
    Height = R * 2 + 10 + min(70, (X0 - X1) * 0.16) + abs(Y1 - Y0) * 0.1,
    Lift = upward((Y0 + Y1) / 2, Scene) * Height,
    {{X0, Y0}, {X0 - R * 0.5, Y0 + Lift}, {X1 + R * 1.5, Y1 + Lift}, {X1, Y1}}.

%% Makes an open arrow head that is part of the line, so it has the colour and width of the line.
head(Before, {X, Y} = End, #{weight := W},
     #{radius := R, max_weight := Max, strokes := {_, Widest}}) ->
    Size = min(R * 0.75, 3.5 + Widest * abs(W) / Max * 0.6),
    {Dx, Dy} = unit(Before, End),
    Barb = fun(Side) ->
        p({X - Size * (Dx + Side * Dy * 0.75), Y - Size * (Dy - Side * Dx * 0.75)})
    end,
    ["M", Barb(1), "L", p(End), "L", Barb(-1)].

unit({X0, Y0}, {X1, Y1}) ->
    Length = max(1.0e-6, math:sqrt((X1 - X0) * (X1 - X0) + (Y1 - Y0) * (Y1 - Y0))),
    {(X1 - X0) / Length, (Y1 - Y0) / Length}.

toward({X, Y} = From, To, Distance) ->
    {Dx, Dy} = unit(From, To),
    {X + Dx * Distance, Y + Dy * Distance}.

%% Makes a smooth curve through points from left to right that never overshoots them. Its slope in a
%% point is the harmonic mean of the slopes beside it (Fritsch and Butland 1984).
smooth([First | _] = Points) ->
    Chords = [(Y1 - Y0) / max(1.0e-6, X1 - X0) || {{X0, Y0}, {X1, Y1}} <- pairs(Points)],
    Inner = [inner_slope(A, B) || {A, B} <- pairs(Chords)],
    Slopes = [hd(Chords) * 0.35] ++ Inner ++ [lists:last(Chords) * 0.35],
    ["M", p(First), lists:zipwith(fun bend/2, pairs(Points), pairs(Slopes))].

inner_slope(A, B) when A * B =< 0 -> 0.0;
inner_slope(A, B) -> 2 * A * B / (A + B).

bend({{X0, Y0}, {X1, Y1}}, {Slope0, Slope1}) ->
    H = (X1 - X0) * 0.4,
    ["C", p({X0 + H, Y0 + Slope0 * H}), " ", p({X1 - H, Y1 - Slope1 * H}), " ", p({X1, Y1})].
