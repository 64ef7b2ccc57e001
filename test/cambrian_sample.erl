%% Genotypes to draw, as maps like those of cambrian_genotype:to_map/1. Needs no NIF.
-module(cambrian_sample).

-export([tiny/0, pole/0, deep/1, only_inputs_and_outputs/0, random/4, link_id/2]).

-define(TOP, (1 bsl 63)).

hash(Term) ->
    <<Hash:64, _/binary>> = erlang:md5(term_to_binary(Term)),
    Hash.

single(Value) ->
    <<Single:32/float>> = <<Value:32/float>>,
    Single.

node_gene({hidden, _} = Key, Layer, Activation, Bias) ->
    #{id => hash(Key), kind => hidden, layer => Layer, activation => Activation,
      bias => single(Bias)};
node_gene({Kind, Index} = Key, Layer, Activation, Bias) ->
    #{id => hash(Key), kind => Kind, index => Index, layer => Layer, activation => Activation,
      bias => single(Bias)}.

link_id(From, To) -> hash({From, To}).

link(From, To, Weight) -> link(From, To, Weight, true).

link(From, To, Weight, Enabled) ->
    #{id => link_id(From, To), from => hash(From), to => hash(To), weight => single(Weight),
      enabled => Enabled}.

genotype(Nodes, Connections) ->
    Sorted = [N || {_, _, N} <- lists:sort([{L, Id, N} || #{layer := L, id := Id} = N <- Nodes])],
    Count = fun(K) -> length([x || #{kind := Kind} <- Nodes, Kind =:= K]) end,
    #{schema => 1, inputs => Count(input), outputs => Count(output), nodes => Sorted,
      connections => Connections}.

inputs(Count) -> [node_gene({input, I}, 0, linear, 0.0) || I <- lists:seq(0, Count - 1)].

outputs(Count) -> [node_gene({output, I}, ?TOP, tanh, 0.1) || I <- lists:seq(0, Count - 1)].

tiny() ->
    genotype(inputs(2) ++ outputs(1),
             [link({input, 0}, {output, 0}, 1.25), link({input, 1}, {output, 0}, -0.75)]).

only_inputs_and_outputs() ->
    genotype(inputs(30) ++ outputs(1), []).

pole() ->
    Hidden =
        [node_gene({hidden, 0}, ?TOP div 2, tanh, 0.31),
         node_gene({hidden, 1}, ?TOP div 4 * 3, gaussian, -0.82)],
    genotype(inputs(3) ++ Hidden ++ outputs(1), [
        link({input, 0}, {output, 0}, 0.8123), link({input, 1}, {output, 0}, 3.94),
                                                 link({input, 2}, {output, 0}, -2.71),
        link({input, 0}, {hidden, 0}, -1.31), link({input, 1}, {hidden, 0}, 2.2),
                                                 link({input, 2}, {hidden, 1}, 1.62),
        link({hidden, 0}, {hidden, 1}, -1.9), link({hidden, 1}, {output, 0}, 2.87),
                                                 link({hidden, 0}, {output, 0}, 0.6, false),
        link({output, 0}, {hidden, 0}, -1.2), link({hidden, 0}, {hidden, 0}, 0.9),
                                                 link({output, 0}, {output, 0}, 0.45)
    ]).

%% A chain of layers with one hidden node each, and a connection over all of them.
deep(Count) ->
    Hidden =
        [node_gene({hidden, I}, I * (?TOP div (Count + 1)), relu, 0.0) || I <- lists:seq(1, Count)],
    Chain = [link({hidden, I}, {hidden, I + 1}, 1.0) || I <- lists:seq(1, Count - 1)],
    genotype(inputs(1) ++ Hidden ++ outputs(1),
        [link({input, 0}, {hidden, 1}, 1.0), link({hidden, Count}, {output, 0}, 1.0),
         link({input, 0}, {output, 0}, -1.0) | Chain]).

%% The same sizes always give the same genotype.
random(In, Out, Hidden, Links) ->
    Layer =
        fun(X) ->
            D = hash({depth, X}) rem 4 + 1,
            (2 * (hash({at, X}) rem (1 bsl (D - 1))) + 1) * (?TOP bsr D) end,
    Activations = {tanh, relu, sigmoid, gaussian, sin, linear, abs, step, plasma},
    Own =
        [node_gene({hidden, X}, Layer(X), element(X rem 9 + 1, Activations), math:sin(X))
         || X <- lists:seq(1, Hidden)],
    Nodes = inputs(In) ++ Own ++ outputs(Out),
    genotype(Nodes, chosen_links(Links, list_to_tuple(Nodes), 0, #{})).

chosen_links(Count, _, _, Links) when map_size(Links) =:= Count ->
    [C || {_, C} <- lists:sort(maps:to_list(Links))];
chosen_links(Count, Nodes, Try, Links) ->
    Pick = fun(Salt) -> element(hash({Salt, Try}) rem tuple_size(Nodes) + 1, Nodes) end,
    #{id := F, layer := A} = Pick(from),
    #{id := T, layer := B} = Pick(to),
    Id = hash({F, T}),
    New =
        #{id => Id, from => F, to => T, weight => single(math:tan(Try * 0.7)),
          enabled => Try rem 12 > 0},
    case B > 0 andalso (A < B orelse Try rem 15 =:= 0) of
        true -> chosen_links(Count, Nodes, Try + 1, Links#{Id => New});
        false -> chosen_links(Count, Nodes, Try + 1, Links)
    end.
