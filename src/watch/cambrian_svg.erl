%% @doc Pictures of genotypes and of runs, as plain SVG text.
%%
%% A network, a line chart, and a stacked area chart for species over time. Every picture is
%% self-contained, scales with its page, follows the reader's light or dark setting, and says
%% in words what it shows. The same input gives the same bytes, and the work and the size of the
%% answer are bounded however large the input is: what is left out is said in the picture.
%%
%% ```
%% 1> file:write_file("champion.svg", cambrian_svg:network(cambrian_genotype:to_map(G))).
%% ok
%% '''
-module(cambrian_svg).

-export([network/1, network/2, dot/1, chart/2, stacked/2]).
-export([names/1, names/2]).
-export([style/0, palette/0, text/1, escape/1, exact/1, short/1]).
-export_type([text/0, genotype/0, network_opts/0, series/0, mark/0, chart_opts/0]).

-type text() :: unicode:chardata() | atom() | number().
%% Whatever it holds, it is shown as text: nothing in it is ever read as markup.

-type genotype() :: #{nodes := [map()], connections := [map()], atom() => term()}.
%% What `cambrian_genotype:to_map/1' gives.

-type network_opts() :: #{
    width => pos_integer(),
    height => pos_integer(),
    labels => #{inputs => [text()], outputs => [text()]},
    title => text(),
    embed => boolean()
}.

-type series() :: #{
    name := text(),
    points := [{number(), number()}],
    group => pos_integer(),
    weight => bold | normal | light,
    label => boolean()
}.
%% Series of one group share a colour; a series without a group is its own.

-type mark() :: #{x := number(), series := text(), label := text(), weight => bold | normal | light}.
%% A point worth noticing on a series: bold is a ring, normal a diamond, light a hollow diamond.

-type chart_opts() :: #{
    title => text(),
    x_label => text(),
    y_label => text(),
    width => pos_integer(),
    height => pos_integer(),
    marks => [mark()],
    cover => [{number(), number()}],
    embed => boolean()
}.
%% `cover' are points that the axes must reach to, so that charts side by side can have the same;
%% `embed' is for a page that holds {@link style/0} and says the title itself.

%% What bounds the work and the size of the answer.
-define(MAX_NODES, 1000).
-define(MAX_LINKS, 4000).
-define(MAX_VIAS, 900).
-define(MAX_POINTS, 240).
-define(MAX_SERIES, 48).
-define(MAX_MARKS, 200).
-define(MAX_COLUMNS, 160).
-define(MAX_BANDS, 32).
-define(MAX_TEXT, 300).
%% A smaller node has no room for an arc around it: there the tooltip alone tells the bias.
-define(RING_RADIUS, 8).
-define(COLOURS, 8).
-define(BANDS, 10).

-record(link, {
    id :: integer(),
    from :: integer(),
    to :: integer(),
    weight :: float(),
    enabled :: boolean(),
    kind :: forward | back | side | loop
}).

%% ---------------------------------------------------------------------------------------------
%% The network
%% ---------------------------------------------------------------------------------------------

%% @doc Draws a genotype's network. See {@link network/2}.
%%
%% ```
%% Svg = cambrian_svg:network(cambrian_genotype:to_map(Genotype)).
%% '''
-spec network(genotype()) -> iodata().
network(Genotype) ->
    network(Genotype, #{}).

%% @doc Draws a genotype's network, from the inputs at the left to the outputs at the right.
%%
%% A line's width is its weight and its colour the sign; a recurrent link is an arc with an arrow
%% head, a disabled one is dashed. A node shows its activation as a small curve and its bias as an
%% arc around it. Of more than 1,000 nodes or 4,000 links the strongest are drawn.
%%
%% ```
%% cambrian_svg:network(Map, #{title => <<"Champion">>, width => 480,
%%                             labels => #{inputs => [<<"x">>, <<"angle">>], outputs => [<<"force">>]}}).
%% '''
-spec network(genotype(), network_opts()) -> iodata().
network(Genotype, Opts) ->
    {Nodes, Links, Missing} = shown(Genotype),
    Size = size_of(Nodes, Links, Opts),
    Names = names(Genotype, maps:get(labels, Opts, #{})),
    Scene0 = Size#{nodes => Nodes, links => Links, names => Names},
    Scene = place(Scene0, Opts),
    Width = maps:get(width, Scene),
    {Legend, LegendHeight} = legend(Scene, Missing),
    Head = head_height(Opts),
    {Top, Bottom} = extent(Scene),
    Content = Bottom - Top,
    Height = maps:get(height, Opts, ceil(Head + Content + LegendHeight + 10)),
    %% A height that was asked for leaves some air: it goes half above and half below.
    Air = max(0, Height - Head - Content - LegendHeight - 10) / 2,
    Body = [
        visible_title(Opts),
        <<"<g transform=\"translate(0 ">>, n(Head + Air - Top), <<")\">\n">>,
        <<"<g class=\"cb-links\">\n">>, [draw_link(L, Scene) || L <- by_strength(Links)], <<"</g>\n">>,
        [draw_node(N, Scene) || N <- Nodes],
        <<"</g>\n<g class=\"cb-legend\" transform=\"translate(0 ">>,
        n(Height - LegendHeight), <<")\">\n">>, Legend, <<"</g>\n">>
    ],
    Title = maps:get(title, Opts, <<"Network">>),
    frame("network", Title, network_words(Genotype), Width, Height, Opts, Body).

%% What the picture says to somebody who cannot see it.
network_words(#{nodes := Nodes, connections := Connections}) ->
    Kinds = [K || #{kind := K} <- Nodes],
    Count = fun(K) -> length([x || X <- Kinds, X =:= K]) end,
    Layer = layers(Nodes),
    Recurrent = length([x || C <- Connections, is_recurrent(C, Layer)]),
    Disabled = length([x || #{enabled := false} <- Connections]),
    [
        plural(Count(input), "input"), ", ", plural(Count(hidden), "hidden node"), ", ",
        plural(Count(output), "output"), "; ", plural(length(Connections), "connection"),
        [[", ", grouped(integer_to_binary(Recurrent)), " recurrent"] || Recurrent > 0],
        [[", ", grouped(integer_to_binary(Disabled)), " disabled"] || Disabled > 0], "."
    ].

layers(Nodes) ->
    maps:from_list([{Id, Layer} || #{id := Id, layer := Layer} <- Nodes]).

is_recurrent(#{from := From, to := To}, Layer) ->
    case Layer of
        #{From := A, To := B} -> A >= B;
        #{} -> false
    end.

%% @doc A short name for each node: a label where one is given, else `in 0', `h1', `out 0'.
%%
%% Hidden nodes are numbered in their order (layer, id), so the names in the picture, in its
%% tooltips and in a table beside it are the same.
%%
%% ```
%% #{17 := <<"h1">>} = cambrian_svg:names(Map).
%% '''
-spec names(genotype()) -> #{integer() => binary()}.
names(Genotype) ->
    names(Genotype, #{}).

%% @doc The same, with labels for inputs and outputs.
%%
%% ```
%% cambrian_svg:names(Map, #{inputs => [<<"cart">>, <<"pole">>], outputs => [<<"force">>]}).
%% '''
-spec names(genotype(), #{inputs => [text()], outputs => [text()]}) -> #{integer() => binary()}.
names(#{nodes := Nodes}, Labels) ->
    Given = fun(Key) -> maps:from_list(lists:enumerate(0, maps:get(Key, Labels, []))) end,
    In = Given(inputs),
    Out = Given(outputs),
    {Named, _} = lists:mapfoldl(
        fun
            (#{id := Id, kind := input, index := I}, H) -> {{Id, label(I, In, "in ")}, H};
            (#{id := Id, kind := output, index := I}, H) -> {{Id, label(I, Out, "out ")}, H};
            (#{id := Id}, H) -> {{Id, [$h, integer_to_list(H)]}, H + 1}
        end,
        1,
        Nodes
    ),
    maps:map(fun(_, Name) -> iolist_to_binary(Name) end, maps:from_list(Named)).

label(Index, Given, Else) ->
    case Given of
        #{Index := Text} -> clip(Text, ?MAX_TEXT);
        #{} -> [Else, integer_to_list(Index)]
    end.

%% What is drawn of a genotype: all of it, or its strongest part when it is very large.
shown(#{nodes := Nodes, connections := Connections}) ->
    Layer = layers(Nodes),
    All = [link_of(C, Layer) || C = #{from := F, to := T} <- Connections,
                                is_map_key(F, Layer), is_map_key(T, Layer)],
    Kept = strongest_nodes(Nodes, All),
    Ids = maps:from_list([{Id, true} || #{id := Id} <- Kept]),
    Near = [L || L = #link{from = F, to = T} <- All, is_map_key(F, Ids), is_map_key(T, Ids)],
    Links = lists:nthtail(max(0, length(Near) - ?MAX_LINKS), by_strength(Near)),
    Missing = {length(Nodes) - length(Kept), length(Connections) - length(Links)},
    {Kept, lists:keysort(#link.id, Links), Missing}.

link_of(#{id := Id, from := F, to := T, weight := W, enabled := E}, Layer) ->
    Kind = case {map_get(F, Layer), map_get(T, Layer)} of
        {A, B} when A < B -> forward;
        {_, _} when F =:= T -> loop;
        {A, A} -> side;
        {_, _} -> back
    end,
    #link{id = Id, from = F, to = T, weight = bounded(W), enabled = E, kind = Kind}.

%% Weakest first, so that the strong are painted over the weak, and recurrent arcs over both.
by_strength(Links) ->
    Key = fun(#link{id = Id, weight = W, enabled = E, kind = K}) ->
        {E, E andalso K =/= forward, abs(W), Id}
    end,
    [L || {_, L} <- lists:sort([{Key(L), L} || L <- Links])].

strongest_nodes(Nodes, _) when length(Nodes) =< ?MAX_NODES ->
    Nodes;
strongest_nodes(Nodes, Links) ->
    Add = fun(Id, W, Sums) -> maps:update_with(Id, fun(S) -> S + W end, W, Sums) end,
    Sums = lists:foldl(
        fun(#link{from = F, to = T, weight = W}, S) -> Add(F, abs(W), Add(T, abs(W), S)) end,
        #{},
        Links
    ),
    Rank = fun(#{id := Id, kind := Kind}) -> {Kind =/= output, -maps:get(Id, Sums, 0.0), Id} end,
    Ranked = lists:sort([{Rank(Node), Id} || Node = #{id := Id} <- Nodes]),
    Best = maps:from_list([{Id, true} || {_, Id} <- lists:sublist(Ranked, ?MAX_NODES)]),
    [Node || Node = #{id := Id} <- Nodes, is_map_key(Id, Best)].

%% How large everything is drawn, from how much there is to draw.
size_of(Nodes, Links, Opts) ->
    Names = names(#{nodes => Nodes, connections => []}, maps:get(labels, Opts, #{})),
    Columns = columns(Nodes),
    Count = length(Nodes),
    Gaps = max(1, length(Columns) - 1),
    Wide = fun(Kind) -> lists:max([0 | [text_width(map_get(Id, Names), 12) || #{id := Id, kind := K} <- Nodes, K =:= Kind]]) end,
    Given = maps:get(width, Opts, 2000),
    Left = min(Wide(input), Given * 0.25) + 24,
    Right = min(Wide(output), Given * 0.25) + 30,
    Width = maps:get(width, Opts, ceil(Left + Right + max(440, Gaps * 46))),
    Gap = max(1.0, (Width - Left - Right) / Gaps),
    R = min(radius(Count), max(2.0, Gap * 0.3)),
    #{
        columns => Columns, width => Width, left => Left, gap => Gap, radius => R,
        room => node_room(R, Count),
        dense => length(Links) > 150,
        widths => widths(length(Links)),
        max_weight => lists:max([1.0e-9 | [abs(W) || #link{weight = W, enabled = true} <- Links]]),
        max_bias => lists:max([1.0e-9 | [abs(bounded(B)) || #{bias := B} <- Nodes]])
    }.

radius(Count) when Count =< 30 -> 14.0;
radius(Count) when Count =< 70 -> 9.0;
radius(Count) when Count =< 200 -> 6.0;
radius(_) -> 4.0.

%% Half of what a node takes up in its column: small networks get air, large ones are packed.
node_room(R, Count) when R >= 12, Count =< 10 -> R + 17;
node_room(R, _) when R >= 12 -> R + 10;
node_room(R, _) -> R + 3.5.

widths(Count) when Count =< 60 -> {0.9, 5.0};
widths(Count) when Count =< 150 -> {0.7, 3.8};
widths(Count) when Count =< 600 -> {0.5, 2.8};
widths(_) -> {0.35, 2.2}.

%% Columns from left to right, one for each distinct layer.
columns(Nodes) ->
    Layers = lists:usort([L || #{layer := L} <- Nodes]),
    Rank = maps:from_list(lists:zip(Layers, lists:seq(0, length(Layers) - 1))),
    Add = fun(#{id := Id, layer := L}, Acc) ->
        maps:update_with(map_get(L, Rank), fun(Ids) -> [Id | Ids] end, [Id], Acc)
    end,
    [lists:reverse(Ids) || {_, Ids} <- lists:sort(maps:to_list(lists:foldl(Add, #{}, Nodes)))].

%% ---------------------------------------------------------------------------------------------
%% Where the nodes go
%% ---------------------------------------------------------------------------------------------

%% A forward link that passes over columns gets a point in each of them (a via), which takes part
%% in the ordering like a node: so links run round nodes and not through them. Inputs and outputs
%% keep the order of their index, so that two pictures of one task can be compared.
place(Scene, Opts) ->
    #{nodes := Nodes, links := Links, columns := Columns, room := Room} = Scene,
    Column = maps:from_list([{Id, C} || {C, Ids} <- lists:enumerate(0, Columns), Id <- Ids]),
    Chains = chains(Links, Column),
    Slots = slots(Nodes, Column, Chains),
    Height = content_height(Slots, Scene, Opts),
    Near = neighbours(Chains),
    Grid = #{height => Height, room => Room, near => Near},
    Swept = lists:foldl(
        fun(Side, Y) -> sweep(Side, Slots, Grid, Y) end,
        start_heights(Slots, Height),
        [left, right, left, right, left, both, both, both]
    ),
    Y = case length(Links) > 150 of
        true -> spread(Slots, Grid, Swept);
        false -> Swept
    end,
    Scene#{column => Column, chains => maps:from_list(Chains), y => Y, content => Height}.

chains(Links, Column) ->
    Forward = [L || L = #link{kind = forward} <- Links],
    Span = fun(#link{from = F, to = T}) -> {map_get(F, Column), map_get(T, Column)} end,
    Vias = lists:sum([B - A - 1 || L <- Forward, {A, B} <- [Span(L)]]),
    [
        {L#link.id,
            [{node, L#link.from}] ++
            [{via, L#link.id, C} || Vias =< ?MAX_VIAS, C <- lists:seq(A + 1, B - 1)] ++
            [{node, L#link.to}]}
     || L <- Forward, {A, B} <- [Span(L)]
    ].

%% The columns with all that stands in them: {fixed, Slots} keeps its order, {free, Slots} may not.
slots(Nodes, Column, Chains) ->
    Vias = [{C, V} || {_, Chain} <- Chains, V = {via, _, C} <- Chain],
    Index = maps:from_list([{Id, maps:get(index, Node, 0)} || Node = #{id := Id} <- Nodes]),
    Free = [Id || #{id := Id, kind := hidden} <- Nodes],
    Hidden = maps:from_list([{Id, true} || Id <- Free]),
    Standing = lists:sort([{map_get(Id, Column), map_get(Id, Index), {node, Id}} || #{id := Id} <- Nodes]),
    All = [{C, S} || {C, _, S} <- Standing] ++ Vias,
    Grouped = lists:foldr(
        fun({C, S}, Acc) -> maps:update_with(C, fun(Ss) -> [S | Ss] end, [S], Acc) end, #{}, All
    ),
    [{moves(Ss, Hidden), Ss} || {_, Ss} <- lists:sort(maps:to_list(Grouped))].

moves(Slots, Hidden) ->
    Free = fun({via, _, _}) -> true; ({node, Id}) -> is_map_key(Id, Hidden) end,
    case lists:any(Free, Slots) of
        true -> free;
        false -> fixed
    end.

content_height(Slots, #{room := Room, nodes := Nodes} = Scene, Opts) ->
    Needed = lists:max([0 | [lists:sum([2 * room(S, Room) || S <- Ss]) || {_, Ss} <- Slots]]),
    case Opts of
        #{height := Height} ->
            max(30.0, Height - head_height(Opts) - 2 * arc_room(Scene) - 60);
        #{} ->
            min(2400.0, max(Needed * 1.0, 34 * math:sqrt(length(Nodes) + 1)))
    end.

arc_room(#{links := Links, radius := R, width := Width}) ->
    case lists:any(fun(#link{kind = K}) -> K =/= forward end, Links) of
        true -> R + min(60, Width * 0.08);
        false -> R + 14
    end.

room({node, _}, Room) -> Room;
room({via, _, _}, Room) -> Room * 0.45.

neighbours(Chains) ->
    Add = fun(Key, Value, Map) -> maps:update_with(Key, fun(Vs) -> [Value | Vs] end, [Value], Map) end,
    Pair = fun({A, B}, Map) -> Add({right, A}, B, Add({left, B}, A, Map)) end,
    lists:foldl(
        fun({_, Chain}, Map) -> lists:foldl(Pair, Map, lists:zip(lists:droplast(Chain), tl(Chain))) end,
        #{},
        Chains
    ).

start_heights(Slots, Height) ->
    maps:from_list([
        {S, Height * (I - 0.5) / length(Ss)}
     || {_, Ss} <- Slots, {I, S} <- lists:enumerate(Ss)
    ]).

%% One pass over the columns: each slot asks for the mean height of its neighbours on one side.
sweep(Side, Slots, Grid, Y0) ->
    Ordered = case Side of
        right -> lists:reverse(Slots);
        _ -> Slots
    end,
    lists:foldl(
        fun
            ({fixed, _}, Y) -> Y;
            ({free, Ss}, Y) -> arrange(Ss, fun(S) -> pull(Side, S, Grid, Y) end, Grid, Y)
        end,
        Y0,
        Ordered
    ).

pull(Side, Slot, #{near := Near}, Y) ->
    Sides = case Side of both -> [left, right]; _ -> [Side] end,
    case [map_get(S, Y) || D <- Sides, S <- maps:get({D, Slot}, Near, [])] of
        [] -> map_get(Slot, Y);
        Ys -> lists:sum(Ys) / length(Ys)
    end.

arrange(Slots, Wanted, #{height := Height, room := Room}, Y) ->
    Sorted = lists:sort([{Wanted(S), S} || S <- Slots]),
    Placed = settle([{S, W, room(S, Room)} || {W, S} <- Sorted], 0.0, Height),
    maps:merge(Y, maps:from_list(Placed)).

%% In a dense network the means draw all nodes to the middle. Giving each hidden node its own
%% height, in the order that the sweeps found, uses the whole picture.
spread(Slots, Grid = #{height := Height}, Y) ->
    Hidden = lists:sort([{map_get(S, Y), S} || {free, Ss} <- Slots, S = {node, _} <- Ss]),
    Count = max(1, length(Hidden)),
    Own = maps:from_list([{S, Height * (I - 0.5) / Count} || {I, {_, S}} <- lists:enumerate(Hidden)]),
    lists:foldl(
        fun
            ({fixed, _}, Acc) -> Acc;
            ({free, Ss}, Acc) -> arrange(Ss, fun(S) -> maps:get(S, Own, map_get(S, Acc)) end, Grid, Acc)
        end,
        Y,
        Slots
    ).

%% Moves sorted positions as little as possible (least squares) so that each has its room and all
%% lie between Low and High: isotonic regression by pooling neighbours that are out of order.
%% Items are {Key, Wanted, Room}; when they cannot fit, every room shrinks alike.
settle([], _, _) ->
    [];
settle(Items, Low, High) ->
    Rooms = [R || {_, _, R} <- Items],
    Total = 2 * lists:sum(Rooms) - hd(Rooms) - lists:last(Rooms),
    Shrink = min(1.0, (High - Low) / max(Total, 1.0e-6)),
    {Offsets, {_, _}} = lists:mapfoldl(
        fun
            (R, none) -> {0.0, {0.0, R}};
            (R, {Off, Before}) -> {Off + (Before + R) * Shrink, {Off + (Before + R) * Shrink, R}}
        end,
        none,
        Rooms
    ),
    Blocks = lists:foldl(
        fun({{_, Wanted, _}, Off}, Acc) -> pool({Wanted - Off, 1}, Acc) end, [], lists:zip(Items, Offsets)
    ),
    Means = lists:flatmap(fun({M, N}) -> lists:duplicate(N, M) end, lists:reverse(Blocks)),
    Top = max(Low, High - lists:last(Offsets)),
    [
        {Key, max(Low, min(Top, M)) + Off}
     || {{Key, _, _}, {M, Off}} <- lists:zip(Items, lists:zip(Means, Offsets))
    ].

pool({M, N}, [{M0, N0} | Rest]) when M0 > M ->
    pool({(M * N + M0 * N0) / (N + N0), N + N0}, Rest);
pool(Block, Blocks) ->
    [Block | Blocks].

xy(Slot, #{y := Y} = Scene) ->
    {x(Slot, Scene), map_get(Slot, Y)}.

x({via, _, C}, Scene) -> column_x(C, Scene);
x({node, Id}, #{column := Column} = Scene) -> column_x(map_get(Id, Column), Scene).

column_x(_, #{columns := [_], width := Width}) -> Width / 2;
column_x(C, #{left := Left, gap := Gap}) -> Left + C * Gap.

%% The highest and the lowest that anything is drawn, arcs and loops included.
extent(#{content := Height, radius := R, links := Links, y := Heights} = Scene) ->
    Arcs = [Y || L <- Links, L#link.kind =/= forward, Y <- reach(L, Scene)],
    Ys = [Height / 2 | maps:values(Heights)],
    {
        lists:min([lists:min(Ys) - R | Arcs]) - 8,
        lists:max([lists:max(Ys) + R + 14 | Arcs]) + 10
    }.

reach(#link{kind = loop, from = F}, #{radius := R} = Scene) ->
    {_, Y} = xy({node, F}, Scene),
    [Y + upward(Y, Scene) * R * 2.4];
reach(Link, Scene) ->
    {{_, Y0}, {_, Y1}, {_, Y2}, {_, Y3}} = arc(Link, Scene),
    [
        Y0 * U * U * U + 3 * Y1 * U * U * T + 3 * Y2 * U * T * T + Y3 * T * T * T
     || T <- [0.15, 0.3, 0.5, 0.7, 0.85], U <- [1 - T]
    ].

%% ---------------------------------------------------------------------------------------------
%% How a network is painted
%% ---------------------------------------------------------------------------------------------

draw_link(#link{id = Id} = Link, Scene) ->
    D = path(Link, Scene),
    [
        <<"<g class=\"cb-link\" data-link=\"">>, integer_to_list(Id), <<"\"><title>">>, link_words(Link, Scene), <<"</title>">>,
        %% A thin line is hard to point at: an invisible wide one lies over it.
        [[<<"<path class=\"cb-hit\" d=\"">>, D, <<"\"/>">>] || not map_get(dense, Scene)],
        <<"<path class=\"">>, link_class(Link), <<"\" ">>, link_stroke(Link, Scene), <<" d=\"">>, D, <<"\"/></g>\n">>
    ].

link_words(#link{id = Id, from = F, to = T, weight = W, enabled = E, kind = K}, #{names := Names}) ->
    [
        escape(map_get(F, Names)), <<" → "/utf8>>, escape(map_get(T, Names)),
        "\nweight ", exact(W),
        ["\nrecurrent" || K =/= forward], ["\ndisabled" || not E],
        "\nid ", integer_to_list(Id)
    ].

link_class(#link{enabled = false}) -> "cb-off";
link_class(#link{weight = W}) when W < 0 -> "cb-neg";
link_class(#link{}) -> "cb-pos".

link_stroke(#link{enabled = false}, #{dense := true}) ->
    "stroke-width=\"0.6\" stroke-opacity=\"0.4\"";
link_stroke(#link{enabled = false}, _) ->
    "stroke-width=\"1\"";
link_stroke(#link{weight = W}, #{widths := {Low, High}, max_weight := Max, dense := Dense}) ->
    Strength = min(1.0, abs(W) / Max),
    [
        "stroke-width=\"", n2(Low + (High - Low) * Strength), "\"",
        [[" stroke-opacity=\"", n2(0.16 + 0.7 * Strength), "\""] || Dense]
    ].

%% A loop leans to the side where the arcs to and from its node are not.
path(#link{kind = loop, from = F} = Link, #{radius := R, column := Column, columns := Columns} = Scene) ->
    {X, Y} = xy({node, F}, Scene),
    Lean = case map_get(F, Column) =:= length(Columns) - 1 of true -> 0.55; false -> -0.55 end,
    {Ux, Uy} = {math:sin(Lean), upward(Y, Scene) * math:cos(Lean)},
    On = fun(Out, Aside) -> {X + R * (Out * Ux - Aside * Uy), Y + R * (Out * Uy + Aside * Ux)} end,
    C2 = On(2.9, -1.7),
    End = toward(On(0.9, -0.6), C2, 1.5),
    ["M", p(On(0.9, 0.6)), "C", p(On(2.9, 1.7)), " ", p(C2), " ", p(End), head(C2, End, Link, Scene)];
path(#link{kind = forward, id = Id}, #{chains := Chains} = Scene) ->
    smooth([xy(Slot, Scene) || Slot <- map_get(Id, Chains)]);
path(Link, #{radius := R} = Scene) ->
    {P0, P1, P2, P3} = arc(Link, Scene),
    End = toward(P3, P2, R + 2.5),
    ["M", p(P0), "C", p(P1), " ", p(P2), " ", p(End), head(P2, End, Link, Scene)].

%% Which way arcs and loops bulge: away from the middle of the picture.
upward(Y, #{content := Height}) when Y > Height / 2 + 0.5 -> 1;
upward(_, _) -> -1.

%% A recurrent link runs over or under what lies between its ends; one within a column runs beside it.
arc(#link{kind = side, from = F, to = T}, #{gap := Gap} = Scene) ->
    {X, Y0} = xy({node, F}, Scene),
    {_, Y1} = xy({node, T}, Scene),
    Bulge = min(Gap * 0.6, 18 + abs(Y1 - Y0) * 0.3),
    {{X, Y0}, {X + Bulge, Y0 + (Y1 - Y0) * 0.1}, {X + Bulge, Y1 - (Y1 - Y0) * 0.1}, {X, Y1}};
arc(#link{from = F, to = T}, #{radius := R} = Scene) ->
    {X0, Y0} = xy({node, F}, Scene),
    {X1, Y1} = xy({node, T}, Scene),
    Run = X0 - X1,
    Lift = upward((Y0 + Y1) / 2, Scene) * (R * 2 + 10 + min(70, Run * 0.16) + abs(Y1 - Y0) * 0.1),
    {{X0, Y0}, {X0 - R * 0.5, Y0 + Lift}, {X1 + R * 1.5, Y1 + Lift}, {X1, Y1}}.

%% An open arrow head that is part of the line itself, so it has the line's colour and width.
head(Before, {X, Y} = End, Link, #{widths := {_, High}} = Scene) ->
    #{radius := R, max_weight := Max} = Scene,
    Wide = High * abs(Link#link.weight) / Max,
    Size = min(R * 0.75, 3.5 + Wide * 0.6),
    {Dx, Dy} = unit(Before, End),
    Barb = fun(Side) -> p({X - Size * (Dx + Side * Dy * 0.75), Y - Size * (Dy - Side * Dx * 0.75)}) end,
    ["M", Barb(1), "L", p(End), "L", Barb(-1)].

unit({X0, Y0}, {X1, Y1}) ->
    Length = max(1.0e-6, math:sqrt((X1 - X0) * (X1 - X0) + (Y1 - Y0) * (Y1 - Y0))),
    {(X1 - X0) / Length, (Y1 - Y0) / Length}.

toward({X, Y} = From, To, Distance) ->
    {Dx, Dy} = unit(From, To),
    {X + Dx * Distance, Y + Dy * Distance}.

%% A smooth curve through points from left to right that never overshoots them.
smooth([First | _] = Points) ->
    Chords = [(Y1 - Y0) / max(1.0e-6, X1 - X0) || {{X0, Y0}, {X1, Y1}} <- pairs(Points)],
    Slopes = [hd(Chords) * 0.35] ++ [inner_slope(A, B) || {A, B} <- pairs(Chords)] ++ [lists:last(Chords) * 0.35],
    Curves = [
        begin
            H = (X1 - X0) * 0.4,
            ["C", p({X0 + H, Y0 + M0 * H}), " ", p({X1 - H, Y1 - M1 * H}), " ", p({X1, Y1})]
        end
     || {{{X0, Y0}, {X1, Y1}}, {M0, M1}} <- lists:zip(pairs(Points), pairs(Slopes))
    ],
    ["M", p(First), Curves].

inner_slope(A, B) when A * B =< 0 -> 0.0;
inner_slope(A, B) -> 2 * A * B / (A + B).

pairs([_ | Rest] = List) -> lists:zip(lists:droplast(List), Rest).

draw_node(#{id := Id, kind := Kind} = Node, #{radius := R} = Scene) ->
    {X, Y} = xy({node, Id}, Scene),
    Radius = case Kind of input -> R * 0.55; _ -> R end,
    [
        <<"<g class=\"cb-node cb-">>, atom_to_list(Kind), <<"\" data-node=\"">>, integer_to_list(Id), <<"\"><title>">>,
        node_words(Node, Scene), <<"</title><circle cx=\"">>, n(X), <<"\" cy=\"">>, n(Y), <<"\" r=\"">>, n(Radius), <<"\"/>">>,
        bias_ring(Node, X, Y, Radius, Scene),
        [glyph(Node, X, Y, R) || Kind =/= input, R >= 8],
        node_text(Node, X, Y, Scene),
        <<"</g>\n">>
    ].

node_words(#{id := Id, kind := Kind, activation := Activation, bias := Bias}, #{names := Names}) ->
    [
        escape(map_get(Id, Names)), "\n", atom_to_list(Kind), ", ", escape(Activation),
        "\nbias ", exact(Bias), "\nid ", integer_to_list(Id)
    ].

%% The bias as an arc around the node: to the right from the top when positive, else to the left.
bias_ring(#{bias := Bias}, X, Y, Radius, #{max_bias := Max, radius := R}) when Bias /= 0, R >= ?RING_RADIUS ->
    Angle = 5.4 * max(0.04, abs(bounded(Bias)) / Max),
    Ring = Radius + max(2.0, R * 0.22),
    {Class, Sweep, Way} = case Bias > 0 of
        true -> {"cb-pos", "1", 1};
        false -> {"cb-neg", "0", -1}
    end,
    End = {X + Way * Ring * math:sin(Angle), Y - Ring * math:cos(Angle)},
    Large = case Angle > math:pi() of true -> "1"; false -> "0" end,
    [
        <<"<path class=\"cb-bias ">>, Class, <<"\" d=\"M">>, p({X, Y - Ring}), "A", n(Ring), " ", n(Ring), " 0 ",
        Large, " ", Sweep, " ", p(End), <<"\"/>">>
    ];
bias_ring(_, _, _, _, _) ->
    [].

%% Labels stand beside inputs and outputs; where there is air, a node says its name and activation.
node_text(#{id := Id, kind := Kind} = Node, X, Y, #{names := Names, radius := R} = Scene) ->
    Font = min(12.0, spacing(Kind, Scene) * 0.95),
    Name = map_get(Id, Names),
    case Kind of
        _ when Kind =/= hidden, Font < 6 -> [];
        input -> words(X - R * 0.55 - 8, Y + Font * 0.35, "end", "cb-halo", Font, fit(Name, map_get(left, Scene) - 18, Font));
        output -> [
            words(X + R + 9, Y + Font * 0.35, "start", "cb-halo", Font, fit(Name, side_room(Scene), Font)),
            below([[map_get(activation, Node)]], X, Y, Scene)
        ];
        hidden -> below([[Name, map_get(activation, Node)], [Name]], X, Y, Scene)
    end.

%% The first of the texts that fits between this column and the next.
below(Texts, X, Y, #{radius := R, gap := Gap}) when R >= 12 ->
    Joined = [iolist_to_binary(lists:join(" ", [clip(Word, 24) || Word <- Words])) || Words <- Texts],
    case [Text || Text <- Joined, text_width(Text, 9.5) =< max(40, Gap - 4)] of
        [Text | _] -> words(X, Y + R + 13, "middle", "cb-mute cb-halo", 9.5, Text);
        [] -> []
    end;
below(_, _, _, _) ->
    [].

side_room(#{width := Width, left := Left, gap := Gap, columns := Columns}) ->
    Width - Left - Gap * (length(Columns) - 1) - 26.

spacing(Kind, #{nodes := Nodes, content := Height}) ->
    Height / max(1, length([x || #{kind := K} <- Nodes, K =:= Kind])).

%% A tiny plot of the activation; one that is not known here shows the first letters of its name.
glyph(#{activation := Activation}, X, Y, R) ->
    case curve(Activation) of
        none ->
            words(X, Y + R * 0.25, "middle", "cb-mute", R * 0.72, string:slice(text(Activation), 0, 3));
        F ->
            Ts = [I / 8 || I <- lists:seq(-8, 8)],
            Values = [F(T * 3.0) || T <- Ts],
            {Low, High} = {lists:min(Values), lists:max(Values)},
            Height = max(1.0e-9, High - Low),
            Points = [
                p({X + T * R * 0.62, Y + R * 0.42 - (V - Low) / Height * R * 0.84})
             || {T, V} <- lists:zip(Ts, Values)
            ],
            [<<"<path class=\"cb-glyph\" d=\"M">>, lists:join("L", Points), <<"\"/>">>]
    end.

curve(Name) when Name =:= tanh; Name =:= hard_tanh -> fun(X) -> math:tanh(X * 1.3) end;
curve(Name) when Name =:= sigmoid; Name =:= logistic; Name =:= steep_sigmoid; Name =:= steepened_sigmoid ->
    fun(X) -> 1 / (1 + math:exp(-2 * X)) end;
curve(Name) when Name =:= relu; Name =:= rectifier -> fun(X) -> max(0.0, X) end;
curve(leaky_relu) -> fun(X) -> max(0.15 * X, X) end;
curve(elu) -> fun(X) when X > 0 -> X; (X) -> math:exp(X) - 1 end;
curve(Name) when Name =:= linear; Name =:= identity -> fun(X) -> X end;
curve(Name) when Name =:= sin; Name =:= sine -> fun(X) -> math:sin(X * 1.05) end;
curve(Name) when Name =:= cos; Name =:= cosine -> fun(X) -> math:cos(X * 1.05) end;
curve(Name) when Name =:= gaussian; Name =:= gauss -> fun(X) -> math:exp(-X * X) end;
curve(Name) when Name =:= step; Name =:= sign; Name =:= signum; Name =:= heaviside ->
    fun(X) when X < 0 -> 0.0; (_) -> 1.0 end;
curve(Name) when Name =:= abs; Name =:= absolute -> fun(X) -> abs(X) end;
curve(Name) when Name =:= square; Name =:= quadratic -> fun(X) -> X * X end;
curve(Name) when Name =:= cube; Name =:= cubic -> fun(X) -> X * X * X end;
curve(Name) when Name =:= softplus -> fun(X) -> math:log(1 + math:exp(2 * X)) end;
curve(Name) when Name =:= swish; Name =:= silu; Name =:= gelu; Name =:= mish -> fun(X) -> X / (1 + math:exp(-2 * X)) end;
curve(softsign) -> fun(X) -> X / (1 + abs(X)) end;
curve(exp) -> fun math:exp/1;
curve(_) -> none.

%% The legend names only what the picture has, and flows onto as many rows as it needs.
legend(#{links := Links, width := Width} = Scene, Missing) ->
    Items = legend_items(Links, Scene, Missing),
    Widths = [40 + text_width(Text, 11) + 16 || {_, Text} <- Items],
    {Drawn, {_, Rows}} = lists:mapfoldl(
        fun({{Sample, Text}, W}, {X, Row}) ->
            {X1, Row1} = case X > 12 andalso X + W - 16 > Width - 12 of
                true -> {12, Row + 1};
                false -> {X, Row}
            end,
            {
                [<<"<g transform=\"translate(">>, n(X1), " ", n(Row1 * 18 + 8), <<")\">">>, Sample,
                    words(32, 4, "start", "cb-mute", 11, Text), <<"</g>\n">>],
                {X1 + W, Row1}
            }
        end,
        {12, 0},
        lists:zip(Items, Widths)
    ),
    {Drawn, (Rows + 1) * 18 + 8}.

legend_items(Links, Scene, {NoNodes, NoLinks}) ->
    Line = fun(Class, Width) -> [<<"<path class=\"">>, Class, <<"\" stroke-width=\"">>, Width, <<"\" d=\"M0 0H24\"/>">>] end,
    On = [L || L = #link{enabled = true} <- Links],
    Biased = map_get(radius, Scene) >= ?RING_RADIUS andalso
        lists:any(fun(#{bias := B}) -> B /= 0 end, map_get(nodes, Scene)),
    Item = fun(true, Sample, Text) -> [{Sample, Text}]; (false, _, _) -> [] end,
    lists:append([
        Item(lists:any(fun(#link{weight = W}) -> W >= 0 end, On), Line("cb-pos", "3"), "positive weight"),
        Item(lists:any(fun(#link{weight = W}) -> W < 0 end, On), Line("cb-neg", "3"), "negative weight"),
        Item(On =/= [], <<"<path class=\"cb-wedge\" d=\"M0 0.4L24 2.5V-2.5L0 -0.4Z\"/>">>,
            ["width: size, up to ", short(map_get(max_weight, Scene))]),
        Item(lists:any(fun(#link{kind = K}) -> K =/= forward end, Links),
            <<"<path class=\"cb-plain\" stroke-width=\"1.5\" d=\"M24 4C20 -7 5 -7 2 3M-1.5 -1.5L2 3.5L6.5 0\"/>">>, "recurrent"),
        Item(length(On) < length(Links), Line("cb-off", "1"), "disabled"),
        Item(Biased, <<"<path class=\"cb-bias cb-plain\" d=\"M12 -6A6 6 0 0 1 12 6\"/><circle class=\"cb-dot\" cx=\"12\" r=\"2.5\"/>">>,
            ["arc: bias, up to ", short(map_get(max_bias, Scene))]),
        Item(NoNodes > 0, [], ["without ", plural(NoNodes, "weaker node")]),
        Item(NoLinks > 0, [], ["without ", plural(NoLinks, "weaker connection")])
    ]).

%% ---------------------------------------------------------------------------------------------
%% Graphviz
%% ---------------------------------------------------------------------------------------------

%% @doc Gives a genotype as text for Graphviz.
%%
%% ```
%% file:write_file("champion.dot", cambrian_svg:dot(Map)).     % then: dot -Tpdf champion.dot
%% '''
-spec dot(genotype()) -> iodata().
dot(#{nodes := Nodes, connections := Connections} = Genotype) ->
    Names = names(Genotype),
    Layer = layers(Nodes),
    Max = lists:max([1.0e-9 | [abs(bounded(W)) || #{weight := W} <- Connections]]),
    [
        "digraph network {\n"
        "  rankdir=LR; splines=spline; nodesep=0.3; ranksep=0.8;\n"
        "  node [shape=circle, fontname=\"Helvetica\", fontsize=10, color=\"#454b52\"];\n"
        "  edge [arrowsize=0.6];\n",
        [dot_rank(Ids, Nodes) || Ids <- columns(Nodes)],
        [dot_node(N, Names) || N <- Nodes],
        [dot_edge(C, is_recurrent(C, Layer), Max) || C <- Connections],
        "}\n"
    ].

dot_rank([First | _] = Ids, Nodes) ->
    [Kind] = [K || #{id := Id, kind := K} <- Nodes, Id =:= First],
    Rank = maps:get(Kind, #{input => "source", output => "sink"}, "same"),
    ["  {rank=", Rank, "; ", [[dot_id(Id), "; "] || Id <- Ids], "}\n"].

dot_id(Id) -> [$", integer_to_list(Id), $"].

dot_node(#{id := Id, kind := input}, Names) ->
    ["  ", dot_id(Id), " [shape=plaintext, label=\"", map_get(Id, Names), "\"];\n"];
dot_node(#{id := Id, kind := Kind, activation := Activation, bias := Bias}, Names) ->
    [
        "  ", dot_id(Id), " [label=\"", map_get(Id, Names), "\\n", dot_text(Activation),
        "\", tooltip=\"bias ", exact(Bias), "\"", [", penwidth=2" || Kind =:= output], "];\n"
    ].

dot_edge(#{from := F, to := T, weight := W, enabled := Enabled}, Recurrent, Max) ->
    {_, {Light, _}} = lists:keyfind(case W < 0 of true -> negative; false -> positive end, 1, colours()),
    Look = case Enabled of
        true -> ["color=\"", Light, "\", penwidth=", n2(0.5 + 3.5 * min(1.0, abs(bounded(W)) / Max))];
        false -> "color=\"#a0a4a8\", style=dashed, penwidth=0.7"
    end,
    [
        "  ", dot_id(F), " -> ", dot_id(T), " [", Look, [", constraint=false" || Recurrent],
        ", tooltip=\"weight ", exact(W), "\"];\n"
    ].

dot_text(Text) ->
    binary:replace(clip(Text, 40), [<<"\\">>, <<"\"">>], <<"\\">>, [global, {insert_replaced, 1}]).

%% ---------------------------------------------------------------------------------------------
%% Line charts
%% ---------------------------------------------------------------------------------------------

%% @doc Draws lines, each named where it ends.
%%
%% Points are taken in the order of x. However many there are, at most some hundreds a line are
%% drawn, which keep every local peak. Up to 48 series and 200 marks are drawn.
%%
%% ```
%% cambrian_svg:chart([#{name => <<"best">>, points => [{1, 0.2}, {2, 0.5}, {3, 0.9}]}],
%%                    #{title => <<"Fitness">>, x_label => <<"generation">>,
%%                      marks => [#{x => 2, series => <<"best">>, label => <<"from tokyo">>}]}).
%% '''
-spec chart([series()], chart_opts()) -> iodata().
chart(Series, Opts) ->
    Lines = [line(I, S) || {I, S} <- lists:enumerate(lists:sublist(Series, ?MAX_SERIES))],
    Points = lists:append([Ps || #{points := Ps} <- Lines]),
    Labels = [L || #{label := true, points := [_ | _]} = L <- Lines],
    Right = lists:max([14 | [text_width(Name, 12) + 18 || #{name := Name} <- Labels]]),
    Whole = lists:all(fun(#{points := Ps}) -> lists:all(fun({X, _}) -> is_integer(X) end, Ps) end, Series),
    Plot = plot(Points, Whole, Right, false, Opts),
    Body = [
        visible_title(Opts),
        axes(Plot, Opts),
        [nothing(Plot) || Points =:= []],
        [draw_line(L, Plot) || L <- light_first(Lines)],
        [draw_mark(M, Lines, Plot) || M <- thin_evenly(maps:get(marks, Opts, []), ?MAX_MARKS)],
        end_labels(Labels, Plot)
    ],
    Words = chart_words(Series, Lines, Opts),
    frame("chart", maps:get(title, Opts, <<"Line chart">>), Words, map_get(width, Plot), map_get(height, Plot), Opts, Body).

line(Index, #{name := Name, points := Points} = Series) ->
    Clean = lists:keysort(1, [{bounded(X), bounded(Y)} || {X, Y} <- Points]),
    #{
        name => clip(Name, ?MAX_TEXT),
        points => thin_peaks(Clean, ?MAX_POINTS),
        colour => maps:get(group, Series, Index),
        weight => maps:get(weight, Series, normal),
        label => maps:get(label, Series, true)
    }.

light_first(Lines) ->
    Rank = fun(#{weight := light}) -> 0; (#{weight := normal}) -> 1; (_) -> 2 end,
    [L || {_, _, L} <- lists:sort([{Rank(L), -I, L} || {I, L} <- lists:enumerate(Lines)])].

chart_words(Series, Lines, Opts) ->
    Ends = [[Name, " ends at ", short(element(2, lists:last(Ps)))] || #{name := Name, points := [_ | _] = Ps, label := true} <- Lines],
    Left = length(Series) - length(Lines),
    [
        [[text(maps:get(y_label, Opts)), " "] || is_map_key(y_label, Opts)],
        [["over ", text(maps:get(x_label, Opts)), ": "] || is_map_key(x_label, Opts)],
        case Ends of [] -> "no points yet"; _ -> lists:join("; ", lists:sublist(Ends, 12)) end,
        [["; without ", integer_to_list(Left), " more lines"] || Left > 0], "."
    ].

draw_line(#{points := []}, _) ->
    [];
draw_line(#{name := Name, points := Points, colour := Colour, weight := Weight}, Plot) ->
    {_, Last} = lists:last(Points),
    Shape = case Points of
        [Point] ->
            {X, Y} = at(Point, Plot),
            [<<"<circle class=\"cb-spot\" cx=\"">>, n(X), <<"\" cy=\"">>, n(Y), <<"\" r=\"3.5\"/>">>];
        _ ->
            [<<"<path d=\"M">>, lists:join("L", [p(at(Point, Plot)) || Point <- Points]), <<"\"/>">>]
    end,
    [
        <<"<g class=\"cb-line cb-">>, atom_to_list(Weight), " ", colour_class(Colour), <<"\"><title>">>,
        escape(Name), ": ", short(Last), <<"</title>">>, Shape, <<"</g>\n">>
    ].

%% Nine or more lines have to share colours: the second round is dashed.
colour_class(I) ->
    ["cb-c", integer_to_list((I - 1) rem ?COLOURS + 1), [" cb-dash" || (I - 1) div ?COLOURS rem 2 =:= 1]].

draw_mark(#{x := X, series := Series, label := Label} = Mark, Lines, Plot) ->
    Name = clip(Series, ?MAX_TEXT),
    {Class, Point} = case [L || #{name := N, points := [_ | _]} = L <- Lines, N =:= Name] of
        [#{points := Points, colour := Colour} | _] ->
            {colour_class(Colour), at({bounded(X), height_at(bounded(X), Points)}, Plot)};
        %% A mark on a line that is not here stands on the axis.
        [] ->
            {"", {element(1, at({bounded(X), 0.0}, Plot)), map_get(bottom, Plot)}}
    end,
    Weight = maps:get(weight, Mark, normal),
    [
        <<"<g class=\"cb-mark cb-">>, atom_to_list(Weight), " ", Class, <<"\"><title>">>, escape(clip(Label, ?MAX_TEXT)),
        <<"</title>">>, mark_shape(Weight, inside(Point, Plot)), <<"</g>\n">>
    ].

mark_shape(bold, {X, Y}) ->
    [
        <<"<circle class=\"cb-ring\" cx=\"">>, n(X), <<"\" cy=\"">>, n(Y), <<"\" r=\"7\"/><circle class=\"cb-spot\" cx=\"">>,
        n(X), <<"\" cy=\"">>, n(Y), <<"\" r=\"3\"/>">>
    ];
mark_shape(Weight, {X, Y}) ->
    R = case Weight of light -> 4.3; _ -> 5.5 end,
    [<<"<path d=\"M">>, p({X, Y - R}), "L", p({X + R, Y}), "L", p({X, Y + R}), "L", p({X - R, Y}), <<"Z\"/>">>].

height_at(_, [{_, Y}]) -> Y;
height_at(X, [{X0, Y0} | _]) when X =< X0 -> Y0;
height_at(X, [{X0, Y0}, {X1, Y1} | _]) when X =< X1 -> Y0 + (Y1 - Y0) * (X - X0) / max(1.0e-12, X1 - X0);
height_at(X, [_ | Rest]) -> height_at(X, Rest).

%% Names at the line ends, moved apart as little as needed. Of more than fit, those that end
%% highest are named; every line still says its name when pointed at.
end_labels(Labels, #{top := Top, bottom := Bottom, right := X, width := Width} = Plot) ->
    Fit = max(1, trunc((Bottom - Top) / 14)),
    Ends = [{element(2, at(lists:last(Ps), Plot)), I, L} || {I, #{points := Ps} = L} <- lists:enumerate(Labels)],
    %% A line that stops early has room for its name right there.
    {Early, Late} = lists:partition(fun({_, _, #{points := Ps}}) -> X - element(1, at(lists:last(Ps), Plot)) > 40 end, lists:sort(Ends)),
    Settled = settle([{L, Y, 7.5} || {Y, _, L} <- lists:sublist(Late, Fit)], Top + 4, Bottom - 4),
    [end_label(L, at(lists:last(Ps), Plot), {X + 3, Y}, Width) || {#{points := Ps} = L, Y} <- Settled] ++
        [end_label(L, End, End, Width) || {_, _, #{points := Ps} = L} <- Early, End <- [at(lists:last(Ps), Plot)]].

end_label(#{name := Name, colour := Colour}, {EndX, EndY}, {X, Y}, Width) ->
    [
        <<"<g class=\"cb-end ">>, colour_class(Colour), <<"\">">>,
        [[<<"<path class=\"cb-lead\" d=\"M">>, p({EndX, EndY}), "L", p({X + 3, Y}), <<"\"/>">>] || abs(Y - EndY) > 4],
        words(X + 7, Y + 4, "start", "cb-halo", 12, fit(Name, Width - X - 9, 12)), <<"</g>\n">>
    ].

%% ---------------------------------------------------------------------------------------------
%% Species over time
%% ---------------------------------------------------------------------------------------------

%% @doc Draws the sizes of species over the generations, one band a species, the oldest lowest.
%%
%% At most 160 generations are drawn, and the 32 largest species: the rest are one grey band.
%%
%% ```
%% cambrian_svg:stacked([{0, [{1, 150}]}, {1, [{1, 110}, {2, 40}]}, {2, [{1, 60}, {2, 90}]}],
%%                      #{title => <<"Species">>, x_label => <<"generation">>}).
%% '''
-spec stacked([{Generation :: number(), [{SpeciesId :: term(), Size :: number()}]}], chart_opts()) -> iodata().
stacked(History, Opts) ->
    Sorted = lists:keysort(1, [{bounded(G), Sizes} || {G, Sizes} <- History]),
    Columns = widened(thin_evenly(Sorted, ?MAX_COLUMNS)),
    {Ids, Others} = largest_species(Columns),
    Table = [{G, sizes_in_order(Sizes, Ids, Others)} || {G, Sizes} <- Columns],
    Whole = lists:all(fun({G, _}) -> is_integer(G) end, History),
    Points = [{G, lists:sum(Sizes)} || {G, Sizes} <- Table],
    Plot = plot(Points, Whole, 14, true, Opts),
    Keys = Ids ++ [others || Others > 0],
    Body = [
        visible_title(Opts),
        axes(Plot, Opts),
        [nothing(Plot) || Points =:= []],
        <<"<g class=\"cb-bands\">\n">>, bands(Keys, Table, Plot), <<"</g>\n">>
    ],
    Title = maps:get(title, Opts, <<"Species over time">>),
    frame("stacked", Title, stacked_words(Sorted, length(Ids) + Others), map_get(width, Plot), map_get(height, Plot), Opts, Body).

stacked_words([], _) ->
    "No generations yet.";
stacked_words(Sorted, Count) ->
    Now = length([x || {_, Size} <- element(2, lists:last(Sorted)), Size > 0]),
    [plural(Count, "species"), " over ", plural(length(Sorted), "generation"), "; ", integer_to_list(Now), " at the end."].

%% One generation has no width: it is drawn as a column.
widened([{G, Sizes}]) -> [{G - 0.5, Sizes}, {G + 0.5, Sizes}];
widened(Columns) -> Columns.

%% The species to draw in the order in which they appeared, and how many are left for the grey band.
largest_species(Columns) ->
    Seen = lists:foldl(
        fun({_, Sizes}, Acc0) ->
            lists:foldl(
                fun({Id, Size}, Acc) ->
                    maps:update_with(Id, fun({I, S}) -> {I, S + members(Size)} end, {map_size(Acc), members(Size)}, Acc)
                end,
                Acc0,
                lists:sort(Sizes)
            )
        end,
        #{},
        Columns
    ),
    All = [{-Sum, First, Id} || {Id, {First, Sum}} <- maps:to_list(Seen), Sum > 0],
    Largest = lists:sublist(lists:sort(All), ?MAX_BANDS),
    {[Id || {_, Id} <- lists:sort([{First, Id} || {_, First, Id} <- Largest])], length(All) - length(Largest)}.

members(Size) -> max(0.0, bounded(Size)).

sizes_in_order(Sizes, Ids, Others) ->
    ById = maps:from_list(Sizes),
    Known = [members(maps:get(Id, ById, 0)) || Id <- Ids],
    Rest = lists:sum([members(S) || {_, S} <- maps:to_list(ById)]) - lists:sum(Known),
    Known ++ [max(0.0, Rest) || Others > 0].

bands([], _, _) ->
    [];
bands(Keys, Table, Plot) ->
    Base = [{G, 0.0} || {G, _} <- Table],
    {Drawn, {_, _}} = lists:mapfoldl(
        fun(Key, {Lower, Rows}) ->
            Upper = [{G, Y + Size} || {{G, Y}, [Size | _]} <- lists:zip(Lower, Rows)],
            {{Key, Lower, Upper}, {Upper, [tl(Row) || Row <- Rows]}}
        end,
        {Base, [Sizes || {_, Sizes} <- Table]},
        Keys
    ),
    Banded = lists:enumerate(Drawn),
    [[draw_band(I, B, Plot) || {I, B} <- Banded], [band_label(B, Plot) || B <- Drawn]].

draw_band(I, {Key, Lower, Upper}, Plot) ->
    Alive = alive(lists:zip(Lower, Upper)),
    {Low, High} = lists:unzip(Alive),
    Living = [G || {{G, A}, {_, B}} <- Alive, B > A],
    Peak = lists:max([0.0 | [B - A || {{_, A}, {_, B}} <- Alive]]),
    Class = case Key of others -> "cb-b0"; _ -> ["cb-b", integer_to_list((I - 1) rem ?BANDS + 1)] end,
    [
        <<"<path class=\"cb-band ">>, Class, <<"\" d=\"M">>,
        lists:join("L", [p(at(Point, Plot)) || Point <- High ++ lists:reverse(Low)]), <<"Z\"><title>">>,
        case Key of others -> "smaller species together"; _ -> ["species ", escape(clip(Key, 40))] end,
        [[": generations ", short(hd(Living)), <<"–"/utf8>>, short(lists:last(Living))] || Living =/= []],
        ", at most ", short(Peak), <<"</title></path>\n">>
    ].

%% A band from the generation before its first member to the one after its last.
alive(Pairs) ->
    Dead = fun({{_, A}, {_, B}}) -> B =< A end,
    Trim = fun(List) ->
        case lists:splitwith(Dead, List) of
            {[], Rest} -> Rest;
            {Before, Rest} -> [lists:last(Before) | Rest]
        end
    end,
    lists:reverse(Trim(lists:reverse(Trim(Pairs)))).

%% A band names its species where it is thick enough over the whole width of the name.
band_label({others, _, _}, _) ->
    [];
band_label({Key, Lower, Upper}, #{left := Left, right := Right} = Plot) ->
    Name = clip(Key, 12),
    Half = text_width(Name, 10) / 2 + 1,
    Edges = [{X, A, B} || {L, U} <- lists:zip(Lower, Upper), {X, A} <- [at(L, Plot)], {_, B} <- [at(U, Plot)]],
    Step = max(0.5, (Right - Left) / max(1, length(Edges) - 1)),
    Reach = ceil(Half / Step),
    Windows = windows(Edges, 2 * Reach + 1),
    Gaps = [
        {lists:min([A || {_, A, _} <- W]) - lists:max([B || {_, _, B} <- W]), -I, W}
     || {I, W} <- lists:enumerate(Windows)
    ],
    case lists:sort(Gaps) of
        [] -> [];
        Sorted -> band_name(lists:last(Sorted), Name, Reach)
    end.

band_name({Gap, _, Window}, Name, Reach) when Gap >= 12 ->
    {X, _, _} = lists:nth(Reach + 1, Window),
    Low = lists:min([A || {_, A, _} <- Window]),
    words(X, Low - Gap / 2 + 3.5, "middle", "cb-name", 10, Name);
band_name(_, _, _) ->
    [].

windows(List, Size) when length(List) < Size -> [];
windows(List, Size) -> [lists:sublist(List, I, Size) || I <- lists:seq(1, length(List) - Size + 1)].

%% ---------------------------------------------------------------------------------------------
%% Axes
%% ---------------------------------------------------------------------------------------------

%% Where the plot lies in the picture, and which numbers its edges stand for.
plot(Drawn, Whole, RightRoom, Stacked, Opts) ->
    Points = Drawn ++ [{bounded(X), bounded(Y)} || {X, Y} <- maps:get(cover, Opts, [])],
    Width = maps:get(width, Opts, 720),
    Height = maps:get(height, Opts, 320),
    Top = head_height(Opts) + case is_map_key(y_label, Opts) of true -> 26; false -> 10 end,
    Bottom = Height - 24 - case is_map_key(x_label, Opts) of true -> 16; false -> 0 end,
    {Ys, YStep} = scale([Y || {_, Y} <- Points] ++ [0.0 || Stacked], max(2, (Bottom - Top) / 44), false),
    {YLow, YHigh} = case Stacked of
        true -> {0.0, max(1.0e-9, element(2, Ys))};
        false -> outward(Ys, YStep)
    end,
    YTicks = ticks(YLow, YHigh, YStep),
    Left = lists:max([18 | [text_width(tick_text(T, YStep), 11) + 20 || T <- YTicks]]),
    Right = Width - min(RightRoom, Width * 0.36),
    {{XLow, XHigh}, XStep} = scale([X || {X, _} <- Points], max(2, (Right - Left) / 64), Whole),
    #{
        width => Width, height => Height, left => Left, right => max(Left + 10.0, Right), top => Top,
        bottom => max(Top + 10.0, Bottom),
        x => {XLow, XHigh}, y => {YLow, YHigh},
        x_ticks => {ticks(XLow, XHigh, XStep), XStep}, y_ticks => {YTicks, YStep}
    }.

%% The range of some numbers and a round step for about that many ticks. Numbers that are all
%% the same get a range around them.
scale([], _, _) ->
    {{0.0, 1.0}, 0.5};
scale(Values, Count, Whole) ->
    {Low, High} = {lists:min(Values), lists:max(Values)},
    {L, H} = case High - Low =< 1.0e-9 * max(abs(Low), abs(High)) of
        true -> Pad = max(0.5, abs(Low) * 0.1), {Low - Pad, High + Pad};
        false -> {Low, High}
    end,
    Step = round_step((H - L) / Count),
    {{L, H}, case Whole of true -> max(1.0, Step); false -> Step end}.

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

at({X, Y}, #{left := Left, right := Right, top := Top, bottom := Bottom, x := {X0, X1}, y := {Y0, Y1}}) ->
    {Left + (X - X0) / (X1 - X0) * (Right - Left), Bottom - (Y - Y0) / (Y1 - Y0) * (Bottom - Top)}.

inside({X, Y}, #{left := Left, right := Right, top := Top, bottom := Bottom}) ->
    {max(Left, min(Right, X)), max(Top, min(Bottom, Y))}.

axes(#{left := Left, right := Right, top := Top, bottom := Bottom} = Plot, Opts) ->
    {XTicks, XStep} = map_get(x_ticks, Plot),
    {YTicks, YStep} = map_get(y_ticks, Plot),
    {X0, _} = map_get(x, Plot),
    {Y0, _} = map_get(y, Plot),
    [
        <<"<g class=\"cb-axes\">\n">>,
        [
            [<<"<path class=\"cb-grid\" d=\"M">>, p({Left, Y}), "H", n(Right), <<"\"/>">>,
                words(Left - 8, Y + 4, "end", "cb-mute", 11, tick_text(T, YStep)), "\n"]
         || T <- YTicks, {_, Y} <- [at({X0, T}, Plot)]
        ],
        <<"<path class=\"cb-base\" d=\"M">>, p({Left, Bottom}), "H", n(Right), <<"\"/>\n">>,
        [
            [<<"<path class=\"cb-base\" d=\"M">>, p({X, Bottom}), <<"v4\"/>">>,
                words(X, Bottom + 17, "middle", "cb-mute", 11, tick_text(T, XStep)), "\n"]
         || T <- XTicks, {X, _} <- [at({T, Y0}, Plot)]
        ],
        [words(Right, Bottom + 33, "end", "cb-mute", 11, clip(L, 80)) || #{x_label := L} <- [Opts]],
        [words(case Opts of #{embed := true} -> 0; _ -> 12 end, Top - 13, "start", "cb-mute", 11, clip(L, 80)) || #{y_label := L} <- [Opts]],
        <<"</g>\n">>
    ].

nothing(#{left := Left, right := Right, top := Top, bottom := Bottom}) ->
    words((Left + Right) / 2, (Top + Bottom) / 2, "middle", "cb-mute", 12, "nothing to show yet").

tick_text(Value, Step) ->
    Size = abs(Value),
    if
        Size >= 1.0e9; Step < 1.0e-5 -> scientific(Value);
        Value == 0, Step >= 1.0e5 -> "0";
        Step >= 1.0e5 -> [tick_text(Value / 1.0e6, Step / 1.0e6), "M"];
        true -> signed(Value, grouped(decimals(Size, max(0, -floor(math:log10(Step) + 1.0e-9)))))
    end.

decimals(Size, Digits) -> float_to_binary(Size * 1.0, [{decimals, Digits}]).

signed(Value, Text) when Value < 0 -> [<<"−"/utf8>>, Text];
signed(_, Text) -> Text.

%% 12345.6 is easier to read as 12,345.6.
grouped(Text) ->
    [Whole | Fraction] = binary:split(Text, <<".">>),
    [group3(byte_size(Whole), Whole), [[$., F] || F <- Fraction]].

group3(Size, Whole) when Size =< 3 -> Whole;
group3(Size, Whole) ->
    <<Head:(Size - 3)/binary, Tail/binary>> = Whole,
    [group3(Size - 3, Head), $,, Tail].

scientific(Value) when Value == 0 -> "0";
scientific(Value) ->
    Power = floor(math:log10(abs(Value)) + 1.0e-9),
    signed(Value, [decimals_trimmed(abs(Value) / math:pow(10, Power), 2), "e", integer_to_list(Power)]).

decimals_trimmed(Size, Digits) ->
    Text = decimals(Size, Digits),
    case binary:match(Text, <<".">>) of
        nomatch -> Text;
        _ -> string:trim(string:trim(Text, trailing, "0"), trailing, ".")
    end.

%% @doc Writes a number for people: in about four digits, long ones grouped.
%%
%% ```
%% <<"12,346">> = cambrian_svg:short(12345.6).
%% '''
-spec short(number()) -> binary().
short(Value) ->
    iolist_to_binary(four_digits(Value)).

four_digits(Value) ->
    V = bounded(Value),
    Size = abs(V),
    if
        V == 0 -> "0";
        Size >= 1.0e9; Size < 1.0e-4 -> scientific(V);
        true -> signed(V, grouped(decimals_trimmed(Size, max(0, 3 - floor(math:log10(Size) + 1.0e-9)))))
    end.

%% ---------------------------------------------------------------------------------------------
%% Thinning
%% ---------------------------------------------------------------------------------------------

%% Keeps the ends and, of each stretch between, the lowest and the highest point.
thin_peaks(Points, Max) when length(Points) =< Max ->
    Points;
thin_peaks([First | Rest] = Points, Max) ->
    Stretch = ceil(length(Points) / ((Max - 2) div 2)),
    [First | stretches(lists:droplast(Rest), Stretch)] ++ [lists:last(Rest)].

stretches([], _) ->
    [];
stretches(Points, Size) ->
    {Now, Rest} = lists:split(min(Size, length_up_to(Points, Size)), Points),
    ByHeight = lists:keysort(2, Now),
    lists:usort([hd(ByHeight), lists:last(ByHeight)]) ++ stretches(Rest, Size).

length_up_to(List, Max) -> length(lists:sublist(List, Max)).

%% Keeps every n-th item, the first and the last among them.
thin_evenly(Items, Max) when length(Items) =< Max ->
    Items;
thin_evenly(Items, Max) ->
    Count = length(Items),
    Keep = lists:usort([round(I * (Count - 1) / (Max - 1)) || I <- lists:seq(0, Max - 1)]),
    pick(Keep, 0, Items).

pick([], _, _) -> [];
pick([I | Is], I, [Item | Items]) -> [Item | pick(Is, I + 1, Items)];
pick(Is, I, [_ | Items]) -> pick(Is, I + 1, Items).

%% ---------------------------------------------------------------------------------------------
%% The frame, the words and the numbers
%% ---------------------------------------------------------------------------------------------

frame(Kind, Title, Words, Width, Height, Opts, Body) ->
    Embedded = maps:get(embed, Opts, false),
    Named = escape(clip(Title, ?MAX_TEXT)),
    Said = escape(clip(iolist_to_binary(Words), 1500)),
    [
        <<"<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cb cb-">>, Kind, <<"\" viewBox=\"0 0 ">>, n(Width), " ", n(Height),
        <<"\" width=\"">>, n(Width), <<"\" height=\"">>, n(Height), <<"\" role=\"img\" aria-label=\"">>, Named, ". ", Said,
        <<"\">\n<title>">>, Named, <<"</title>\n<desc>">>, Said, <<"</desc>\n">>,
        [[<<"<style>\n">>, style(), <<"</style>\n<rect class=\"cb-bg\" width=\"100%\" height=\"100%\"/>\n">>] || not Embedded],
        Body,
        <<"</svg>\n">>
    ].

head_height(#{title := _, embed := true}) -> 6;
head_height(#{title := _}) -> 36;
head_height(_) -> 6.

visible_title(#{embed := true}) -> [];
visible_title(#{title := Title}) -> words(12, 26, "start", "cb-title", 15, clip(Title, 120));
visible_title(_) -> [].

words(X, Y, Anchor, Class, Size, Text) ->
    [
        <<"<text x=\"">>, n(X), <<"\" y=\"">>, n(Y), <<"\" font-size=\"">>, n(Size), <<"\"">>,
        [[<<" text-anchor=\"">>, Anchor, $"] || Anchor =/= "start"],
        <<" class=\"">>, Class, <<"\">">>, escape(Text), <<"</text>">>
    ].

plural(1, Word) -> ["1 ", Word];
plural(N, "species") -> [integer_to_list(N), " species"];
plural(N, Word) -> [grouped(integer_to_binary(N)), " ", Word, "s"].

%% About how wide a text will be: fonts differ, so this errs on the wide side.
text_width(Text, Size) ->
    Wide = fun(C) when C >= 16#1100 -> 1.05; (_) -> 0.6 end,
    Size * lists:sum([Wide(C) || C <- unicode:characters_to_list(clip(Text, ?MAX_TEXT))]).

fit(Text, Width, Size) ->
    case text_width(Text, Size) =< Width of
        true -> Text;
        false -> clip(Text, max(2, trunc(Width / (Size * 0.6))))
    end.

%% A text of at most that many characters: the last is an ellipsis when some are missing.
clip(Text, Max) ->
    Chars = text(Text),
    case string:length(Chars) > Max of
        true -> <<(unicode:characters_to_binary(string:slice(Chars, 0, Max - 1)))/binary, "…"/utf8>>;
        false -> Chars
    end.

%% @doc Gives whatever may stand for a text as valid UTF-8, not yet escaped, of at most 8,000 bytes.
%%
%% ```
%% <<"bad_signature">> = cambrian_svg:text(bad_signature).
%% '''
-spec text(text() | term()) -> binary().
text(Text) when is_binary(Text) -> valid(binary:part(Text, 0, min(byte_size(Text), 8000)));
text(Text) when is_atom(Text) -> atom_to_binary(Text);
text(Text) when is_integer(Text) -> integer_to_binary(Text);
text(Text) when is_float(Text) -> exact(Text);
text(Text) when is_list(Text) ->
    try unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> text(Binary);
        {_, Binary, _} -> text(Binary)
    catch
        error:badarg -> term(Text)
    end;
text(Text) ->
    term(Text).

term(Term) ->
    text(unicode:characters_to_binary(io_lib:format("~0tP", [Term, 20]))).

%% Bytes that are no UTF-8 become the replacement character.
valid(Binary) ->
    case unicode:characters_to_binary(Binary) of
        Text when is_binary(Text) -> Text;
        {_, Good, <<_, Rest/binary>>} -> <<Good/binary, 16#FFFD/utf8, (valid(Rest))/binary>>
    end.

%% @doc Makes a text safe to stand in XML or HTML, between tags or in a quoted attribute.
%%
%% Characters that XML forbids, and those that turn the direction of writing (with which a name
%% could rearrange the text around it), become the replacement character.
%%
%% ```
%% <<"a &lt; b">> = cambrian_svg:escape(<<"a < b">>).
%% '''
-spec escape(text()) -> binary().
escape(Text) ->
    << <<(safe(C))/binary>> || <<C/utf8>> <= text(Text) >>.

safe($&) -> <<"&amp;">>;
safe($<) -> <<"&lt;">>;
safe($>) -> <<"&gt;">>;
safe($") -> <<"&quot;">>;
safe($') -> <<"&#39;">>;
safe(C) when C < 32, C =/= $\n, C =/= $\t -> <<16#FFFD/utf8>>;
safe(C) when C >= 127, C =< 159 -> <<16#FFFD/utf8>>;
safe(C) when C >= 16#202A, C =< 16#202E; C >= 16#2066, C =< 16#2069 -> <<16#FFFD/utf8>>;
safe(C) when C =:= 16#FFFE; C =:= 16#FFFF -> <<16#FFFD/utf8>>;
safe(C) -> <<C/utf8>>.

%% @doc Writes a number so that it reads back as the same number, in as few digits as that takes.
%%
%% Networks compute in single precision: a weight that is a single is written as one, so 0.1 is not
%% shown as 0.10000000149011612.
%%
%% ```
%% <<"0.1">> = cambrian_svg:exact(0.10000000149011612).
%% '''
-spec exact(number()) -> binary().
exact(Value) when is_integer(Value) ->
    integer_to_binary(Value);
exact(Value) ->
    case single(Value) =:= Value of
        true -> shortest_single(Value, 6);
        false -> float_to_binary(Value, [short])
    end.

single(Value) when abs(Value) < 3.0e38 ->
    <<Single:32/float>> = <<Value:32/float>>,
    Single;
single(_) ->
    none.

%% Nine digits always name a single; most need fewer.
shortest_single(Value, Digits) ->
    Rounded = binary_to_float(float_to_binary(Value, [{scientific, Digits - 1}])),
    case Digits >= 9 orelse single(Rounded) =:= Value of
        true -> float_to_binary(Rounded, [short]);
        false -> shortest_single(Value, Digits + 1)
    end.

%% Any number as a float that can be squared without overflow.
bounded(Value) when Value > 1.0e150 -> 1.0e150;
bounded(Value) when Value < -1.0e150 -> -1.0e150;
bounded(Value) -> float(Value).

p({X, Y}) -> [n(X), " ", n(Y)].

%% A coordinate: a tenth of a pixel is as fine as can be seen.
n(Value) when is_integer(Value) -> integer_to_binary(Value);
n(Value) -> trimmed(float_to_binary(Value, [{decimals, 1}])).

n2(Value) -> trimmed(float_to_binary(Value * 1.0, [{decimals, 2}, compact])).

trimmed(<<"-0.0">>) -> <<"0">>;
trimmed(Text) ->
    Size = byte_size(Text) - 2,
    case Text of
        <<Whole:Size/binary, ".0">> -> Whole;
        _ -> Text
    end.

%% ---------------------------------------------------------------------------------------------
%% Colours
%% ---------------------------------------------------------------------------------------------

%% @doc The colours that a page around these pictures shares with them: `{Light, Dark}' each.
%%
%% ```
%% #{ink := {_Light, _Dark}} = cambrian_svg:palette().
%% '''
-spec palette() -> #{atom() => {Light :: string(), Dark :: string()}}.
palette() ->
    maps:from_list([{Name, Colour} || {Name, Colour} <- colours(), is_atom(Name)]).

colours() ->
    [
        {paper, {"#fdfcf9", "#14171b"}},
        {ink, {"#23272c", "#e5e3dd"}},
        {mute, {"#666c74", "#9ba1a9"}},
        {rule, {"#e5e2da", "#2c3137"}},
        {faint, {"#a9adb2", "#5d646c"}},
        {positive, {"#2a6fb0", "#6cabe6"}},
        {negative, {"#cc6a12", "#f0a04b"}}
    ].

%% Lines: told apart by people who see red and green alike too (after Okabe and Ito).
line_colours() ->
    [
        {"#2a6fb0", "#6cabe6"}, {"#c8541c", "#f18d54"}, {"#0d8465", "#3fc09b"}, {"#93509a", "#cf92d6"},
        {"#98700a", "#dcb24a"}, {"#2787a1", "#64c2da"}, {"#b33f62", "#ee86a2"}, {"#59636e", "#a8b2bc"}
    ].

%% Bands: softer, for they fill areas and carry text.
band_colours() ->
    [
        {"#b9d3ea", "#2f5273"}, {"#f3cfae", "#6b4a2f"}, {"#b8ddcf", "#245a4b"}, {"#dcc6e2", "#5a3f63"},
        {"#ece0ac", "#665620"}, {"#bfe0e8", "#27596a"}, {"#f0c5cf", "#733a4a"}, {"#d3d6da", "#444b53"},
        {"#c9dba8", "#48592a"}, {"#cdcbee", "#454478"}
    ].

%% @doc The style sheet of all pictures, which each of them carries unless it is embedded.
%%
%% Light and dark values are written out, with no variables, for SVG readers that know none.
%%
%% ```
%% Page = ["<style>", cambrian_svg:style(), "</style>", cambrian_svg:chart(Series, #{embed => true})].
%% '''
-spec style() -> iodata().
style() ->
    [
        ".cb{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;"
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
        ".cb .cb-line.cb-light path{stroke-width:1.2;opacity:.5}.cb .cb-dash path{stroke-dasharray:7 4}\n"
        ".cb .cb-lead{stroke-width:.8;opacity:.6}.cb .cb-band{stroke-width:.8}\n"
        ".cb .cb-mark path,.cb .cb-ring{stroke-width:1.6}.cb .cb-end{font-weight:500}\n",
        theme(1),
        "@media (prefers-color-scheme:dark){\n", theme(2), "}\n"
    ].

theme(Side) ->
    Of = fun(Name) -> element(Side, element(2, lists:keyfind(Name, 1, colours()))) end,
    [Paper, Ink, Mute, Rule, Faint, Positive, Negative] =
        [Of(Name) || Name <- [paper, ink, mute, rule, faint, positive, negative]],
    [
        ".cb .cb-bg{fill:", Paper, "}.cb text{fill:", Ink, "}.cb text.cb-mute{fill:", Mute, "}\n"
        ".cb text.cb-halo{stroke:", Paper, "}.cb .cb-grid{stroke:", Rule, "}.cb .cb-base{stroke:", Faint, "}\n"
        ".cb .cb-pos{stroke:", Positive, "}.cb .cb-neg{stroke:", Negative, "}.cb .cb-off{stroke:", Faint, "}\n"
        ".cb .cb-plain{stroke:", Mute, "}.cb .cb-wedge,.cb .cb-dot{fill:", Mute, "}.cb .cb-glyph{stroke:", Ink, "}\n"
        ".cb .cb-node circle{fill:", Paper, ";stroke:", Ink, "}.cb .cb-input circle{fill:", Ink, "}\n"
        ".cb .cb-band{stroke:", Paper, "}.cb .cb-b0{fill:", Rule, "}.cb .cb-mark path,.cb .cb-ring{stroke:", Ink, "}\n"
        ".cb .cb-mark .cb-ring{fill:none}\n",
        [line_rule(I, element(Side, C), Paper) || {I, C} <- lists:enumerate(line_colours())],
        [[".cb .cb-b", integer_to_list(I), "{fill:", element(Side, C), "}"] || {I, C} <- lists:enumerate(band_colours())],
        "\n"
    ].

line_rule(I, Colour, Paper) ->
    Class = [".cb .cb-c", integer_to_list(I)],
    [
        Class, " path,", Class, " .cb-ring{stroke:", Colour, "}", Class, " text{fill:", Colour, "}",
        Class, " .cb-spot{fill:", Colour, "}", Class, ".cb-mark path{fill:", Colour, ";stroke:", Paper, ";stroke-width:1.4}",
        Class, ".cb-mark.cb-light path{fill:", Paper, ";stroke:", Colour, ";stroke-width:1.2}\n"
    ].
