%% @doc Draws networks, as plain SVG text.
%%
%% A picture is self-contained, scales with its page, follows the reader's light or dark setting,
%% and describes itself in words. The same genotype gives the same bytes. The work and the size of a
%% picture are limited however large the network is: the picture says what it leaves out.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> <<"<svg", _/binary>> = iolist_to_binary(cambrian_svg:network(cambrian_genotype:to_map(G))).
%% '''
-module(cambrian_svg).

-import(cambrian_svg_element, [fit/3, n/1, p/1, tag/2, tag/3, text_width/2, translate/1, words/6]).
-import(cambrian_text, [clip/2, counted/2, decimal/2, escape/1, exact/1, short/1]).

-export([network/1, network/2, dot/1]).
-export_type([network_opts/0]).

-type network_opts() :: #{
    width => pos_integer(),
    labels => cambrian_graph:labels(),
    title => cambrian_text:text(),
    embed => boolean()
}.
%% `embed' is for a page that has {@link cambrian_theme:style/0} and shows the title itself.

%% A smaller node has no arc around it: only its tooltip shows the bias.
-define(RING_RADIUS, 8).

%% @doc Draws a genotype's network. The same as {@link network/2} without options.
-spec network(cambrian_graph:genotype()) -> iodata().
network(Genotype) ->
    network(Genotype, #{}).

%% @doc Draws a genotype's network, from the inputs at the left to the outputs at the right.
%%
%% The width of a line is the size of the weight, its colour the sign. A recurrent link is an arc
%% with an arrow head; a disabled link is dashed. A node shows its activation as a small curve, and
%% its bias as an arc around it. On its rim, a clock stands for dynamics, a triangle for plasticity,
%% and a sign such as `×' for another aggregation than the sum. The picture shows at most the 1,000
%% strongest nodes and the 4,000 strongest links.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Labels = #{inputs => [<<"x">>, <<"angle">>], outputs => [<<"force">>]}.
%% 3> Svg = cambrian_svg:network(cambrian_genotype:to_map(G),
%%                               #{title => <<"Champion">>, width => 480, labels => Labels}).
%% 4> re:run(Svg, "aria-label=\"([^\"]*)", [{capture, all_but_first, binary}]).
%% {match,[<<"Champion. 2 inputs, 0 hidden nodes, 1 output; 2 connections.">>]}
%% '''
-spec network(cambrian_graph:genotype(), network_opts()) -> iodata().
network(#{nodes := AllNodes} = Genotype, Opts) ->
    ok = cambrian_picture_options:ensure(?MODULE, network, 2, network, Opts),
    AllLinks = cambrian_graph:links(Genotype),
    {Nodes, Links} = cambrian_graph:strongest(AllNodes, AllLinks),
    Names = cambrian_graph:names(Genotype, maps:get(labels, Opts, #{})),
    Scene = #{width := Width} = cambrian_layout:place(Nodes, Links, Names, Opts),
    {Top, Bottom} = cambrian_curve:extent(Scene),
    {Legend, LegendHeight} =
        legend(Scene, length(AllNodes) - length(Nodes), length(AllLinks) - length(Links)),
    Head = cambrian_svg_element:head_height(Opts),
    Used = Head + (Bottom - Top) + LegendHeight + 10,
    Height = ceil(Used),
    Body = [
        tag(g, [{transform, translate({0, Head + (Height - Used) / 2 - Top})}], [
            "\n", tag(g, [{class, "cb-links"}], ["\n", [draw_link(L, Scene) || L <- Links]]), "\n",
            [draw_node(N, Scene) || N <- Nodes]
        ]),
        "\n",
        tag(g, [{class, "cb-legend"}, {transform, translate({0, Height - LegendHeight})}],
            ["\n", Legend]),
        "\n"
    ],
    Summary = summary(AllNodes, AllLinks),
    cambrian_svg_element:frame("network", "Network", Summary, {Width, Height}, Opts, Body).

%% @doc Writes a genotype as text for Graphviz. See {@link cambrian_dot:dot/1}.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> <<"digraph", _/binary>> = iolist_to_binary(cambrian_svg:dot(cambrian_genotype:to_map(G))).
%% '''
-spec dot(cambrian_graph:genotype()) -> iodata().
dot(Genotype) ->
    cambrian_dot:dot(Genotype).

%% Describes the picture for readers who cannot see it.
summary(Nodes, Links) ->
    Count = fun(Kind) -> length([x || #{kind := K} <- Nodes, K =:= Kind]) end,
    Recurrent = length([x || #{kind := Kind} <- Links, Kind =/= forward]),
    Disabled = length([x || #{enabled := false} <- Links]),
    With = fun(Gene) ->
        length([x || Node <- Nodes, lists:keymember(Gene, 1, cambrian_graph:special(Node))])
    end,
    Genes = [{dynamics, "dynamics"}, {plasticity, "plasticity"},
             {aggregation, "another aggregation than the sum"}],
    [
        counted(Count(input), "input"), ", ", counted(Count(hidden), "hidden node"), ", ",
        counted(Count(output), "output"), "; ", counted(length(Links), "connection"),
        [[", ", short(Recurrent), " recurrent"] || Recurrent > 0],
        [[", ", short(Disabled), " disabled"] || Disabled > 0],
        [["; ", counted(N, "node"), " with ", Words]
         || {Gene, Words} <- Genes, N <- [With(Gene)], N > 0], "."
    ].

%% ---------------------------------------------------------------------------------------------
%% Links
%% ---------------------------------------------------------------------------------------------

draw_link(#{id := Id} = Link, #{dense := Dense} = Scene) ->
    D = {d, cambrian_curve:path(Link, Scene)},
    [
        tag(g, [{class, "cb-link"}, {'data-link', integer_to_list(Id)}], [
            tag(title, [], link_words(Link, Scene)),
            %% A thin line is hard to point at: an invisible wide one lies over it.
            [tag(path, [{class, "cb-hit"}, D]) || not Dense],
            tag(path, [{class, link_class(Link)}] ++ link_stroke(Link, Scene) ++ [D])
        ]),
        "\n"
    ].

link_words(#{id := Id, from := F, to := T, weight := W, enabled := E, kind := K},
           #{names := Names}) ->
    [
        escape(map_get(F, Names)), <<" → "/utf8>>, escape(map_get(T, Names)),
        "\nweight ", exact(W),
        ["\nrecurrent" || K =/= forward], ["\ndisabled" || not E],
        "\nid ", integer_to_list(Id)
    ].

link_class(#{enabled := false}) -> "cb-off";
link_class(#{weight := W}) when W < 0 -> "cb-neg";
link_class(_) -> "cb-pos".

link_stroke(#{enabled := false}, #{dense := true}) ->
    [{'stroke-width', "0.6"}, {'stroke-opacity', "0.4"}];
link_stroke(#{enabled := false}, _) ->
    [{'stroke-width', "1"}];
link_stroke(#{weight := W}, #{strokes := {Low, High}, max_weight := Max, dense := Dense}) ->
    Strength = min(1.0, abs(W) / Max),
    [{'stroke-width', decimal(Low + (High - Low) * Strength, 2)}] ++
        [{'stroke-opacity', decimal(0.16 + 0.7 * Strength, 2)} || Dense].

%% ---------------------------------------------------------------------------------------------
%% Nodes
%% ---------------------------------------------------------------------------------------------

draw_node(#{id := Id, kind := Kind} = Node, #{radius := R, at := At} = Scene) ->
    {X, Y} = map_get({node, Id}, At),
    Radius = case Kind of input -> R * 0.55; _ -> R end,
    [
        tag(g, [{class, ["cb-node cb-", atom_to_list(Kind)]}, {'data-node', integer_to_list(Id)}], [
            tag(title, [], node_words(Node, Scene)),
            tag(circle, [{cx, n(X)}, {cy, n(Y)}, {r, n(Radius)}]),
            bias_ring(Node, X, Y, Radius, Scene),
            [glyph(Node, X, Y, R) || Kind =/= input, R >= 8],
            [sign(Special, sign_place(Special, X, Y, Radius), sign_radius(R))
             || R >= ?RING_RADIUS, Special <- cambrian_graph:special(Node)],
            node_text(Node, X, Y, Scene)
        ]),
        "\n"
    ].

node_words(#{id := Id, kind := Kind, activation := Activation, bias := Bias} = Node,
           #{names := Names}) ->
    [
        escape(map_get(Id, Names)), "\n", atom_to_list(Kind), ", ", escape(Activation),
        "\nbias ", exact(Bias),
        [["\n", escape(iolist_to_binary(Words))] || Words <- cambrian_graph:words(Node)],
        "\nid ", integer_to_list(Id)
    ].

%% Draws the bias as an arc around the node: to the right from the top if positive, else to the
%% left.
bias_ring(#{bias := Bias}, X, Y, Radius, #{max_bias := Max, radius := R})
  when Bias /= 0, R >= ?RING_RADIUS ->
    Angle = 5.4 * max(0.04, abs(cambrian_text:bounded(Bias)) / Max),
    Ring = Radius + max(2.0, R * 0.22),
    {Class, Sweep, Way} = case Bias > 0 of
        true -> {"cb-bias cb-pos", "1", 1};
        false -> {"cb-bias cb-neg", "0", -1}
    end,
    End = {X + Way * Ring * math:sin(Angle), Y - Ring * math:cos(Angle)},
    Large = case Angle > math:pi() of true -> "1"; false -> "0" end,
    D = ["M", p({X, Y - Ring}), "A", p({Ring, Ring}), " 0 ", Large, " ", Sweep, " ", p(End)],
    tag(path, [{class, Class}, {d, D}]);
bias_ring(_, _, _, _, _) ->
    [].

%% The special genes of a node are small signs on its rim, each at its own place.
sign_place({Gene, _}, X, Y, Radius) ->
    {Right, Down} = case Gene of
        dynamics -> {1, 1};
        plasticity -> {1, -1};
        aggregation -> {-1, 1}
    end,
    {X + Right * Radius * 0.8, Y + Down * Radius * 0.8}.

sign_radius(R) -> max(4.0, min(6.5, R * 0.4)).

sign({Gene, Name}, {X, Y}, S) ->
    Disc = ["M", p({X - S, Y}), disc(S, 2 * S), disc(S, -2 * S), "Z"],
    Clock = ["M", p({X, Y - S * 0.6}), "V", n(Y), "L", p({X + S * 0.45, Y + S * 0.3})],
    Triangle = ["M", p({X, Y - S * 0.55}), "L", p({X + S * 0.55, Y + S * 0.4}),
                "H", n(X - S * 0.55), "Z"],
    [
        tag(path, [{class, "cb-bg cb-plain"}, {d, Disc}]),
        case Gene of
            dynamics -> tag(path, [{class, "cb-plain"}, {d, Clock}]);
            plasticity -> tag(path, [{class, "cb-plain"}, {d, Triangle}]);
            aggregation -> words(X, Y + S * 0.6, "middle", "cb-mute", S * 1.7, symbol(Name))
        end
    ].

disc(S, Across) -> ["a", p({S, S}), " 0 1 1 ", p({Across, 0})].

symbol(product) -> <<"×"/utf8>>;
symbol(mean) -> <<"µ"/utf8>>;
symbol(max) -> <<"↑"/utf8>>;
symbol(min) -> <<"↓"/utf8>>;
symbol(median) -> <<"½"/utf8>>;
symbol(max_abs) -> <<"±"/utf8>>;
symbol(Other) -> string:slice(cambrian_text:text(Other), 0, 1).

%% Labels stand beside inputs and outputs. Where there is space, a node shows its name and
%% activation.
node_text(#{id := Id, kind := Kind, activation := Activation}, X, Y,
          #{names := Names, radius := R} = Scene) ->
    Font = min(12.0, spacing(Kind, Scene) * 0.95),
    Name = map_get(Id, Names),
    case Kind of
        _ when Kind =/= hidden, Font < 6 -> [];
        input ->
            Text = fit(Name, map_get(left, Scene) - 18, Font),
            words(X - R * 0.55 - 8, Y + Font * 0.35, "end", "cb-halo", Font, Text);
        output ->
            Text = fit(Name, width_beside(Scene), Font),
            [words(X + R + 9, Y + Font * 0.35, "start", "cb-halo", Font, Text),
             below([[Activation]], X, Y, Scene)];
        hidden ->
            below([[Name, Activation], [Name]], X, Y, Scene)
    end.

%% Writes the first of the texts that fits between this column and the next.
below(Texts, X, Y, #{radius := R, gap := Gap}) when R >= 12 ->
    Joined = [iolist_to_binary(lists:join(" ", [clip(Word, 24) || Word <- Words]))
              || Words <- Texts],
    case [Text || Text <- Joined, text_width(Text, 9.5) =< max(40, Gap - 4)] of
        [Text | _] -> words(X, Y + R + 13, "middle", "cb-mute cb-halo", 9.5, Text);
        [] -> []
    end;
below(_, _, _, _) ->
    [].

width_beside(#{width := Width, left := Left, gap := Gap, columns := Columns}) ->
    Width - Left - Gap * (length(Columns) - 1) - 26.

spacing(Kind, #{nodes := Nodes, height := Height}) ->
    Height / max(1, length([x || #{kind := K} <- Nodes, K =:= Kind])).

%% Draws a tiny plot of the activation, or the first letters of its name if this module does not
%% know it.
glyph(#{activation := Activation}, X, Y, R) ->
    case curve(Activation) of
        none ->
            Start = string:slice(cambrian_text:text(Activation), 0, 3),
            words(X, Y + R * 0.25, "middle", "cb-mute", R * 0.72, Start);
        F ->
            Ts = [I / 8 || I <- lists:seq(-8, 8)],
            Values = [F(T * 3.0) || T <- Ts],
            {Low, High} = {lists:min(Values), lists:max(Values)},
            Point = fun(T, V) ->
                p({X + T * R * 0.62, Y + R * 0.42 - (V - Low) / (High - Low) * R * 0.84})
            end,
            Points = lists:zipwith(Point, Ts, Values),
            tag(path, [{class, "cb-glyph"}, {d, ["M", lists:join("L", Points)]}])
    end.

curve(tanh) -> fun(X) -> math:tanh(X * 1.3) end;
curve(Name) when Name =:= sigmoid; Name =:= steep_sigmoid ->
    fun(X) -> 1 / (1 + math:exp(-2 * X)) end;
curve(relu) -> fun(X) -> max(0.0, X) end;
curve(Name) when Name =:= identity; Name =:= linear -> fun(X) -> X end;
curve(sin) -> fun(X) -> math:sin(X * 1.05) end;
curve(gaussian) -> fun(X) -> math:exp(-X * X) end;
curve(step) -> fun(X) when X < 0 -> 0.0; (_) -> 1.0 end;
curve(abs) -> fun(X) -> abs(X) end;
curve(_) -> none.

%% ---------------------------------------------------------------------------------------------
%% The legend
%% ---------------------------------------------------------------------------------------------

%% The legend names only the signs in the picture, in as many rows as it needs.
legend(#{width := Width} = Scene, WithoutNodes, WithoutLinks) ->
    Items = [
        {Sample, Text}
     || {true, Sample, Text} <- legend_items(Scene) ++ [
            {WithoutNodes > 0, [], ["without ", counted(WithoutNodes, "weaker node")]},
            {WithoutLinks > 0, [], ["without ", counted(WithoutLinks, "weaker connection")]}
        ]
    ],
    {Drawn, {_, Rows}} = lists:mapfoldl(
        fun({_, Text} = Item, {X, Row}) ->
            Wide = 40 + text_width(Text, 11),
            case X > 12 andalso X + Wide > Width - 12 of
                true -> {legend_item(Item, 12, Row + 1), {12 + Wide + 16, Row + 1}};
                false -> {legend_item(Item, X, Row), {X + Wide + 16, Row}}
            end
        end,
        {12, 0},
        Items
    ),
    {Drawn, (Rows + 1) * 18 + 8}.

legend_item({Sample, Text}, X, Row) ->
    Where = [{transform, translate({X, Row * 18 + 8})}],
    [tag(g, Where, [Sample, words(32, 4, "start", "cb-mute", 11, Text)]), "\n"].

%% Returns items `{IsInPicture, Sample, Name}'.
legend_items(#{nodes := Nodes, links := Links, radius := R,
               max_weight := MaxWeight, max_bias := MaxBias}) ->
    Specials = [Special || R >= ?RING_RADIUS, Node <- Nodes,
                           Special <- cambrian_graph:special(Node)],
    Line = fun(Class, Width, D) -> tag(path, [{class, Class}, {'stroke-width', Width}, {d, D}]) end,
    Weights = [W || #{enabled := true, weight := W} <- Links],
    [
        {lists:any(fun(W) -> W >= 0 end, Weights), Line("cb-pos", "3", "M0 0H24"),
            "positive weight"},
        {lists:any(fun(W) -> W < 0 end, Weights), Line("cb-neg", "3", "M0 0H24"),
            "negative weight"},
        {Weights =/= [], tag(path, [{class, "cb-wedge"}, {d, "M0 0.4L24 2.5V-2.5L0 -0.4Z"}]),
            ["width: size, up to ", short(MaxWeight)]},
        {lists:any(fun(#{kind := Kind}) -> Kind =/= forward end, Links),
            Line("cb-plain", "1.5", "M24 4C20 -7 5 -7 2 3M-1.5 -1.5L2 3.5L6.5 0"), "recurrent"},
        {length(Weights) < length(Links), Line("cb-off", "1", "M0 0H24"), "disabled"},
        {R >= ?RING_RADIUS andalso lists:any(fun(#{bias := Bias}) -> Bias /= 0 end, Nodes),
            [
                tag(path, [{class, "cb-bias cb-plain"}, {d, "M12 -6A6 6 0 0 1 12 6"}]),
                tag(circle, [{class, "cb-dot"}, {cx, "12"}, {r, "2.5"}])
            ],
            ["arc: bias, up to ", short(MaxBias)]}
        | special_items(lists:usort(Specials))
    ].

%% Makes an item for each aggregation, because each has its own sign; one for all dynamics, and one
%% for all plasticity.
special_items(Special) ->
    Names = fun(Gene) -> lists:join(", ", [escape(Name) || {G, Name} <- Special, G =:= Gene]) end,
    Item = fun({Gene, _} = Sign, Text) ->
        {lists:keymember(Gene, 1, Special), sign(Sign, {14, 0}, 6.5), Text}
    end,
    [Item(Sign, [string:replace(escape(Name), "_", " "), " of inputs"])
     || {aggregation, Name} = Sign <- Special] ++
        [Item({dynamics, any}, ["lives in time: ", Names(dynamics)]),
         Item({plasticity, any}, ["learns: ", Names(plasticity)])].
