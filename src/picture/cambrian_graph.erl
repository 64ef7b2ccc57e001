%% @doc Prepares a genotype for drawing: links of four kinds, columns, and a name for each node.
-module(cambrian_graph).

-import(cambrian_text, [bounded/1, clip/1, exact/1, text/1]).

-export([links/1, strongest/2, columns/1, names/2, special/1, words/1]).
-export_type([genotype/0, labels/0, names/0, link/0]).

-type genotype() :: #{nodes := [map()], connections := [map()], atom() => term()}.
%% A genotype as {@link cambrian_genotype:to_map/1} returns it.

-type labels() :: #{inputs => [cambrian_text:text()], outputs => [cambrian_text:text()]}.
-type names() :: #{Node :: integer() => binary()}.

-type link() :: #{
    id := integer(),
    from := integer(),
    to := integer(),
    weight := float(),
    enabled := boolean(),
    kind := forward | back | side | loop
}.
%% A link is recurrent unless it is forward: back to a lower layer, to the side within a layer, or a
%% loop from a node to itself.

%% These limit the work for a picture and its size.
-define(MAX_NODES, 1000).
-define(MAX_LINKS, 4000).

%% @doc Returns the connections, each with its kind.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, G1} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> #{nodes := Nodes} = Genes = cambrian_genotype:to_map(G1).
%% 4> [Kind || #{kind := Kind} <- cambrian_graph:links(Genes)].
%% [forward,forward,loop]
%% '''
-spec links(genotype()) -> [link()].
links(#{nodes := Nodes, connections := Connections}) ->
    Layer = maps:from_list([{Id, L} || #{id := Id, layer := L} <- Nodes]),
    [
        C#{weight := bounded(W), kind => kind(From, To, Layer)}
     || C = #{from := From, to := To, weight := W} <- Connections
    ].

kind(Node, Node, _) -> loop;
kind(From, To, Layer) ->
    case {map_get(From, Layer), map_get(To, Layer)} of
        {A, B} when A < B -> forward;
        {A, A} -> side;
        {_, _} -> back
    end.

%% @doc Chooses the nodes and links to draw: at most the 1,000 strongest nodes and the 4,000
%% strongest links between them.
%%
%% The weakest links come first, so that strong links are painted over weak ones. Recurrent links
%% come last.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, G1} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> #{nodes := Nodes} = Genes = cambrian_genotype:to_map(G1).
%% 4> {_, Links} = cambrian_graph:strongest(Nodes, cambrian_graph:links(Genes)).
%% 5> [{Kind, Weight} || #{kind := Kind, weight := Weight} <- Links].
%% [{forward,-0.5015506148338318},{forward,-0.6288937330245972},{loop,-1.2231076955795288}]
%% '''
-spec strongest([map()], [link()]) -> {[map()], [link()]}.
strongest(Nodes, Links) ->
    Kept = strongest_nodes(Nodes, Links),
    Ids = maps:from_keys([Id || #{id := Id} <- Kept], true),
    Near = [L || L = #{from := F, to := T} <- Links, is_map_key(F, Ids), is_map_key(T, Ids)],
    {Kept, lists:nthtail(max(0, length(Near) - ?MAX_LINKS), by_strength(Near))}.

by_strength(Links) ->
    Key = fun(#{id := Id, weight := W, enabled := E, kind := K}) ->
        {E, E andalso K =/= forward, abs(W), Id}
    end,
    [L || {_, L} <- lists:sort([{Key(L), L} || L <- Links])].

%% Keeps all outputs. The strength of a node is the sum of the strengths of its links.
strongest_nodes(Nodes, _) when length(Nodes) =< ?MAX_NODES ->
    Nodes;
strongest_nodes(Nodes, Links) ->
    Add = fun(Id, W, Sums) -> maps:update_with(Id, fun(S) -> S + W end, W, Sums) end,
    Sums = lists:foldl(
        fun(#{from := F, to := T, weight := W}, Acc) -> Add(F, abs(W), Add(T, abs(W), Acc)) end,
        #{}, Links
    ),
    Rank = fun(#{id := Id, kind := Kind}) -> {Kind =/= output, -maps:get(Id, Sums, 0.0), Id} end,
    Best = lists:sublist(lists:sort([Rank(Node) || Node <- Nodes]), ?MAX_NODES),
    Keep = maps:from_keys([Id || {_, _, Id} <- Best], true),
    [Node || Node = #{id := Id} <- Nodes, is_map_key(Id, Keep)].

%% @doc Returns the ids of the nodes in columns from left to right, one for each layer.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> #{nodes := Nodes} = cambrian_genotype:to_map(G).
%% 3> [length(Column) || Column <- cambrian_graph:columns(Nodes)].
%% [2,1]
%% '''
-spec columns([map()]) -> [[integer()]].
columns(Nodes) ->
    ByLayer = maps:groups_from_list(fun(#{layer := L}) -> L end, fun(#{id := Id}) -> Id end, Nodes),
    [Ids || {_, Ids} <- lists:sort(maps:to_list(ByLayer))].

%% @doc Returns a short name for each node: the given label, or `in 0', `h1', `out 0'.
%%
%% Hidden nodes are numbered in their order (layer, id), so the names in a picture, in its
%% tooltips and in a table beside it are the same.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Names = cambrian_graph:names(cambrian_genotype:to_map(G),
%%                                 #{inputs => [<<"cart">>], outputs => [<<"force">>]}).
%% 3> lists:sort(maps:values(Names)).
%% [<<"cart">>,<<"force">>,<<"in 1">>]
%% '''
-spec names(genotype(), labels()) -> names().
names(#{nodes := Nodes}, Labels) ->
    Given = fun(Kind) -> maps:from_list(lists:enumerate(0, maps:get(Kind, Labels, []))) end,
    {Inputs, Outputs} = {Given(inputs), Given(outputs)},
    {Named, _} = lists:mapfoldl(
        fun
            (#{id := Id, kind := input, index := I}, H) -> {{Id, label(I, Inputs, "in ")}, H};
            (#{id := Id, kind := output, index := I}, H) -> {{Id, label(I, Outputs, "out ")}, H};
            (#{id := Id}, H) -> {{Id, numbered("h", H)}, H + 1}
        end,
        1,
        Nodes
    ),
    maps:from_list(Named).

%% @doc Returns the genes in which a node differs from a plain node, which sums its inputs and has
%% neither dynamics nor plasticity.
%%
%% ```
%% 1> cambrian_graph:special(#{kind => hidden, aggregation => max, dynamics => leaky}).
%% [{aggregation,max},{dynamics,leaky}]
%% '''
-spec special(map()) -> [{aggregation | dynamics | plasticity, atom()}].
special(Node) ->
    [
        {Gene, Name}
     || {Gene, Plain} <- [{aggregation, sum}, {dynamics, none}, {plasticity, none}],
        Name <- [maps:get(Gene, Node, Plain)], Name =/= Plain
    ].

%% @doc Describes the genes of {@link special/1} in words, with their numbers, and the gain if it is
%% not 1.
%%
%% ```
%% 1> Node = #{kind => hidden, gain => 1.5, dynamics => delay, time_constant => 3.0,
%%             plasticity => oja, learning_rate => 0.25, decay => 0.0}.
%% 2> [iolist_to_binary(Words) || Words <- cambrian_graph:words(Node)].
%% [<<"gain 1.5">>,<<"dynamics delay, time constant 3.0">>,
%%  <<"plasticity oja, learning rate 0.25, decay 0.0">>]
%% '''
-spec words(map()) -> [iodata()].
words(Node) ->
    [["gain ", exact(Gain)] || #{gain := Gain} <- [Node], Gain /= 1] ++
        [
            [atom_to_list(Gene), " ", text(Name),
             [numbered_gene(Key, Value) || Key <- numbers(Gene), #{Key := Value} <- [Node]]]
         || {Gene, Name} <- special(Node)
        ].

numbers(aggregation) -> [];
numbers(dynamics) -> [time_constant];
numbers(plasticity) -> [learning_rate, decay].

numbered_gene(Key, Value) ->
    [", ", string:replace(atom_to_list(Key), "_", " "), " ", exact(Value)].

label(Index, Given, Else) ->
    case Given of
        #{Index := Text} -> clip(Text);
        #{} -> numbered(Else, Index)
    end.

numbered(Word, Number) -> iolist_to_binary([Word, integer_to_list(Number)]).
