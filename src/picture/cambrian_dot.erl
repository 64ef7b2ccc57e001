%% @doc Writes networks as text for Graphviz.
-module(cambrian_dot).

-import(cambrian_text, [clip/2, decimal/2, exact/1]).

-export([dot/1]).

%% @doc Writes a genotype as text for Graphviz. Recurrent links do not influence the ranks. A node
%% with dynamics, plasticity or another aggregation than the sum names them, and has a double
%% outline.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Dot = iolist_to_binary(cambrian_dot:dot(cambrian_genotype:to_map(G))).
%% 3> re:run(Dot, "label=\"([^\"]*)\"", [global, {capture, all_but_first, binary}]).
%% {match,[[<<"in 1">>],[<<"in 0">>],[<<"out 0\\nsigmoid">>]]}
%% '''
-spec dot(cambrian_graph:genotype()) -> iodata().
dot(#{nodes := Nodes} = Genotype) ->
    Names = cambrian_graph:names(Genotype, #{}),
    Kinds = maps:from_list([{Id, Kind} || #{id := Id, kind := Kind} <- Nodes]),
    Links = cambrian_graph:links(Genotype),
    Max = lists:max([1.0e-9 | [abs(W) || #{weight := W} <- Links]]),
    [
        "digraph network {\n"
        "  rankdir=LR; splines=spline; nodesep=0.3; ranksep=0.8;\n"
        "  node [shape=circle, fontname=\"Helvetica\", fontsize=10, color=\"#454b52\"];\n"
        "  edge [arrowsize=0.6];\n",
        [rank(map_get(hd(Ids), Kinds), Ids) || Ids <- cambrian_graph:columns(Nodes)],
        [node_line(Node, Names) || Node <- Nodes],
        [edge_line(Link, Max) || Link <- Links],
        "}\n"
    ].

rank(Kind, Ids) ->
    Rank = maps:get(Kind, #{input => "source", output => "sink"}, "same"),
    ["  {rank=", Rank, "; ", [[id(Id), "; "] || Id <- Ids], "}\n"].

node_line(#{id := Id, kind := input}, Names) ->
    ["  ", id(Id), " [shape=plaintext, label=\"", map_get(Id, Names), "\"];\n"];
node_line(#{id := Id, kind := Kind, activation := Activation, bias := Bias} = Node, Names) ->
    Special = [["\\n", quoted(clip(Name, 40))] || {_, Name} <- cambrian_graph:special(Node)],
    Words = [quoted(iolist_to_binary(Line)) || Line <- cambrian_graph:words(Node)],
    [
        "  ", id(Id), " [label=\"", map_get(Id, Names), "\\n", quoted(clip(Activation, 40)),
        Special, "\", tooltip=\"", lists:join("\\n", [["bias ", exact(Bias)] | Words]),
        "\"", [", penwidth=2" || Kind =:= output], [", peripheries=2" || Special =/= []], "];\n"
    ].

edge_line(#{from := F, to := T, weight := W, kind := Kind} = Link, Max) ->
    [
        "  ", id(F), " -> ", id(T), " [", stroke(Link, Max),
        [", constraint=false" || Kind =/= forward],
        ", tooltip=\"weight ", exact(W), "\"];\n"
    ].

stroke(#{enabled := false}, _) ->
    "color=\"#a0a4a8\", style=dashed, penwidth=0.7";
stroke(#{weight := W}, Max) ->
    Sign = case W < 0 of true -> negative; false -> positive end,
    {Light, _} = map_get(Sign, cambrian_theme:palette()),
    ["color=\"", Light, "\", penwidth=", decimal(0.5 + 3.5 * min(1.0, abs(W) / Max), 2)].

id(Id) -> [$", integer_to_list(Id), $"].

quoted(Text) ->
    binary:replace(Text, [<<"\\">>, <<"\"">>], <<"\\">>, [global, {insert_replaced, 1}]).
