%% @doc Computes the positions and sizes of all parts of the picture of a network.
%%
%% Every layer is a column. Within a column, a node stands near the mean height of the nodes that it
%% is linked to (the barycentre method of Sugiyama, Tagawa and Toda 1981). Inputs and outputs keep
%% the order of their index, so that two pictures of one task can be compared.
-module(cambrian_layout).

-import(cambrian_spacing, [pairs/1, settle/3]).

-export([place/4]).
-export_type([scene/0, slot/0]).

-type slot() :: {node, Id :: integer()} | {via, Link :: integer(), Column :: non_neg_integer()}.
%% A forward link that passes over columns gets a point in each of them, a via. Vias are ordered
%% like nodes, so links run round nodes and not through them.

-type scene() :: #{
    nodes := [map()],
    links := [cambrian_graph:link()],
    names := cambrian_graph:names(),
    columns := [[integer()]],
    %% The place of each slot, and the slots through which each forward link runs.
    at := #{slot() => cambrian_svg_element:point()},
    chains := #{Link :: integer() => [slot()]},
    %% The width of the whole picture, and the height of the area of the nodes.
    width := number(),
    height := number(),
    %% The distance from the edge to the first column, and from one column to the next.
    left := number(),
    gap := number(),
    radius := number(),
    %% Half of the height that a node needs in its column.
    half_height := number(),
    dense := boolean(),
    %% The line widths of the weakest and of the strongest link.
    strokes := {number(), number()},
    max_weight := float(),
    max_bias := float()
}.

-define(MAX_VIAS, 900).

%% @doc Lays out a network, in the given width or in the width that it needs. Lengths are in pixels.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> #{nodes := Nodes} = Genes = cambrian_genotype:to_map(G), Links = cambrian_graph:links(Genes).
%% 3> Names = cambrian_graph:names(Genes, #{}).
%% 4> Scene = cambrian_layout:place(Nodes, Links, Names, #{width => 300}).
%% 5> maps:with([width, height, left, gap, radius], Scene).
%% #{gap => 181.2,height => 62.0,left => 52.8,radius => 14.0,width => 300}
%% '''
-spec place([map()], [cambrian_graph:link()], cambrian_graph:names(),
            #{width => pos_integer(), atom() => term()}) -> scene().
place(Nodes, Links, Names, Opts) ->
    Scene = measure(Nodes, Links, Names, Opts),
    #{columns := Columns, half_height := Half, dense := Dense} = Scene,
    Column = maps:from_list([{Id, C} || {C, Ids} <- lists:enumerate(0, Columns), Id <- Ids]),
    Chains = lists:sort(chains(Links, Column)),
    Slots = slots(Nodes, Column, Chains),
    Height = height(Slots, Half, length(Nodes)),
    Grid = #{height => Height, half_height => Half, near => neighbours(Chains)},
    Swept = lists:foldl(
        fun(Sides, Ys) -> sweep(Sides, Slots, Grid, Ys) end,
        start(Slots, Height),
        [[left], [right], [left], [right], [left], [left, right], [left, right], [left, right]]
    ),
    Ys = case Dense of
        true -> spread(Slots, Grid, Swept);
        false -> Swept
    end,
    At = [{S, {x(C, Scene), map_get(S, Ys)}} || {C, {_, Ss}} <- lists:enumerate(0, Slots), S <- Ss],
    Scene#{at => maps:from_list(At), chains => maps:from_list(Chains), height => Height}.

x(_, #{columns := [_], width := Width}) -> Width / 2;
x(C, #{left := Left, gap := Gap}) -> Left + C * Gap.

%% ---------------------------------------------------------------------------------------------
%% Sizes
%% ---------------------------------------------------------------------------------------------

measure(Nodes, Links, Names, Opts) ->
    Columns = cambrian_graph:columns(Nodes),
    Gaps = max(1, length(Columns) - 1),
    Beside = fun(Kind) ->
        Widths = [cambrian_svg_element:text_width(map_get(Id, Names), 12)
                  || #{id := Id, kind := K} <- Nodes, K =:= Kind],
        min(lists:max([0 | Widths]), maps:get(width, Opts, 2000) * 0.25)
    end,
    Left = Beside(input) + 24,
    Right = Beside(output) + 30,
    Width = maps:get(width, Opts, ceil(Left + Right + max(440, Gaps * 46))),
    Gap = max(1.0, (Width - Left - Right) / Gaps),
    Radius = min(radius(length(Nodes)), max(2.0, Gap * 0.3)),
    #{
        nodes => Nodes, links => Links, names => Names, columns => Columns,
        width => Width, left => Left, gap => Gap, radius => Radius,
        half_height => half_height(Radius, length(Nodes)),
        dense => length(Links) > 150, strokes => strokes(length(Links)),
        max_weight => lists:max([1.0e-9 | [abs(W) || #{weight := W, enabled := true} <- Links]]),
        max_bias => lists:max([1.0e-9 | [abs(cambrian_text:bounded(B)) || #{bias := B} <- Nodes]])
    }.

radius(Count) when Count =< 30 -> 14.0;
radius(Count) when Count =< 70 -> 9.0;
radius(Count) when Count =< 200 -> 6.0;
radius(_) -> 4.0.

%% The nodes of a small network stand apart, those of a large one close together.
half_height(R, Count) when R >= 12, Count =< 10 -> R + 17;
half_height(R, _) when R >= 12 -> R + 10;
half_height(R, _) -> R + 3.5.

strokes(Count) when Count =< 60 -> {0.9, 5.0};
strokes(Count) when Count =< 150 -> {0.7, 3.8};
strokes(Count) when Count =< 600 -> {0.5, 2.8};
strokes(_) -> {0.35, 2.2}.

height(Slots, Half, Count) ->
    Needed = lists:max([0 | [lists:sum([2 * half_of(S, Half) || S <- Ss]) || {_, Ss} <- Slots]]),
    min(2400.0, max(Needed * 1.0, 34 * math:sqrt(Count + 1))).

%% A via needs less height than a node.
half_of({node, _}, Half) -> Half;
half_of({via, _, _}, Half) -> Half * 0.45.

%% ---------------------------------------------------------------------------------------------
%% Slots
%% ---------------------------------------------------------------------------------------------

%% Returns the slots that each forward link runs through.
chains(Links, Column) ->
    Spans = [
        {Id, {node, F}, {node, T}, lists:seq(map_get(F, Column) + 1, map_get(T, Column) - 1)}
     || #{id := Id, from := F, to := T, kind := forward} <- Links
    ],
    Few = lists:sum([length(Over) || {_, _, _, Over} <- Spans]) =< ?MAX_VIAS,
    [{Id, [From] ++ [{via, Id, C} || Few, C <- Over] ++ [To]} || {Id, From, To, Over} <- Spans].

%% Returns the columns with their slots. Only a `free' column may change its order.
slots(Nodes, Column, Chains) ->
    Standing = lists:sort(
        [{map_get(Id, Column), maps:get(index, Node, 0), {node, Id}} || #{id := Id} = Node <- Nodes]
    ),
    Vias = [{C, Via} || {_, Chain} <- Chains, {via, _, C} = Via <- Chain],
    Hidden = [map_get(Id, Column) || #{id := Id, kind := hidden} <- Nodes],
    Free = maps:from_keys(Hidden ++ [C || {C, _} <- Vias], free),
    InColumns = group([{C, S} || {C, _, S} <- Standing] ++ Vias),
    [{maps:get(C, Free, fixed), Ss} || {C, Ss} <- lists:sort(maps:to_list(InColumns))].

neighbours(Chains) ->
    Pairs = [Pair || {_, Chain} <- lists:reverse(Chains), Pair <- lists:reverse(pairs(Chain))],
    group([{{left, B}, A} || {A, B} <- Pairs] ++ [{{right, A}, B} || {A, B} <- Pairs]).

group(Pairs) ->
    maps:groups_from_list(fun({Key, _}) -> Key end, fun({_, Value}) -> Value end, Pairs).

%% ---------------------------------------------------------------------------------------------
%% Heights
%% ---------------------------------------------------------------------------------------------

start(Slots, Height) ->
    maps:from_list([{S, Height * (I - 0.5) / length(Ss)}
                    || {_, Ss} <- Slots, {I, S} <- lists:enumerate(Ss)]).

%% Makes one pass over the columns: each slot moves towards the mean height of its neighbours on the
%% given sides.
sweep(Sides, Slots, #{near := Near} = Grid, Ys) ->
    Ordered = case Sides of
        [right] -> lists:reverse(Slots);
        _ -> Slots
    end,
    arrange(Ordered, Grid, Ys, fun(Slot, Now) ->
        case [map_get(N, Now) || Side <- Sides, N <- maps:get({Side, Slot}, Near, [])] of
            [] -> map_get(Slot, Now);
            Heights -> lists:sum(Heights) / length(Heights)
        end
    end).

%% In a dense network the means draw all nodes to the middle. To use the whole picture, each hidden
%% node gets a height of its own, in the order that the sweeps found.
spread(Slots, #{height := Height} = Grid, Ys) ->
    Hidden = lists:sort([{map_get(S, Ys), S} || {free, Ss} <- Slots, {node, _} = S <- Ss]),
    Own = maps:from_list([{S, Height * (I - 0.5) / length(Hidden)}
                          || {I, {_, S}} <- lists:enumerate(Hidden)]),
    arrange(Slots, Grid, Ys, fun(Slot, Now) -> maps:get(Slot, Own, map_get(Slot, Now)) end).

%% Moves the slots of free columns as near to their wanted heights as possible.
arrange(Slots, #{height := Height, half_height := Half}, Ys, Wanted) ->
    lists:foldl(
        fun(Column, Now) ->
            Sorted = lists:sort([{Wanted(Slot, Now), Slot} || Slot <- Column]),
            Items = [{Slot, Want, half_of(Slot, Half)} || {Want, Slot} <- Sorted],
            Settled = settle(Items, 0.0, Height),
            maps:merge(Now, maps:from_list(Settled))
        end,
        Ys,
        [Column || {free, Column} <- Slots]
    ).
