%% @doc What evolves and travels: node genes and connection genes.
%%
%% A genotype is an immutable value that lives outside the heap: it can be sent to any process
%% of this node at no cost, and to others by {@link to_binary/1}. Ids of genes are computed from
%% where the gene came from, so genotypes bred on machines that never met still align.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, G1} = cambrian_genotype:mutate(G, add_node, 8).
%% 3> cambrian_genotype:info(G1).
%% #{connections => 4,hidden => 1,inputs => 2,nodes => 4,outputs => 1,recurrent => 0}
%% '''
-module(cambrian_genotype).

-export([new/2, mutate/2, mutate/3, mutate/4, operators/0, crossover/3, crossover/4,
         distance/2, distance/3, id/1, info/1, to_map/1, from_map/1, to_binary/1, from_binary/1,
         to_dot/1, to_svg/1]).
-export_type([genotype/0, id/0, seed/0, operator/0, genes/0]).

-opaque genotype() :: reference().
%% 32 bytes: the SHA-256 of the canonical bytes.
-type id() :: <<_:256>>.
%% 0 to 2^64 - 1. The same seed gives the same result, on any machine.
-type seed() :: non_neg_integer().
-type operator() :: atom().
-type genes() :: #{schema := 1, inputs := pos_integer(), outputs := pos_integer(),
                   nodes := [map()], connections := [map()]}.

%% Long work goes to a dirty scheduler: the library says when.
-define(EITHER(Short, Dirty), case Short of dirty -> Dirty; Answer -> Answer end).

%% @doc A first genotype: inputs joined to outputs, with random weights and no hidden node.
%%
%% `inputs' and `outputs' are from 1 to 10,000; all other keys are parameters, as
%% {@link cambrian:parameters/0} lists them.
-spec new(#{inputs := pos_integer(), outputs := pos_integer(), atom() => term()}, seed()) ->
          {ok, genotype()} | {error, term()}.
new(#{inputs := Inputs, outputs := Outputs} = Options, Seed) ->
    Parameters = maps:without([inputs, outputs], Options),
    ?EITHER(cambrian_nif:genotype_new(Inputs, Outputs, Parameters, Seed),
            cambrian_nif:genotype_new_dirty(Inputs, Outputs, Parameters, Seed)).

%% @doc Applies every operator with the probability that the default parameters give it.
-spec mutate(genotype(), seed()) -> {ok, genotype()}.
mutate(Genotype, Seed) -> cambrian_nif:genotype_mutate(Genotype, #{}, Seed).

%% @doc Applies one operator by name, or with a map of parameters every one by its rate.
-spec mutate(genotype(), operator() | map(), seed()) ->
          {ok, genotype()} | {error, not_applicable | {unknown_operator, atom()} | term()}.
mutate(Genotype, Parameters, Seed) when is_map(Parameters) ->
    ?EITHER(cambrian_nif:genotype_mutate(Genotype, Parameters, Seed),
            cambrian_nif:genotype_mutate_dirty(Genotype, Parameters, Seed));
mutate(Genotype, Operator, Seed) ->
    mutate(Genotype, Operator, #{}, Seed).

%% @doc Applies one operator by name, with parameters.
-spec mutate(genotype(), operator(), map(), seed()) ->
          {ok, genotype()} | {error, not_applicable | {unknown_operator, atom()} | term()}.
mutate(Genotype, Operator, Parameters, Seed) ->
    ?EITHER(cambrian_nif:genotype_apply(Genotype, Operator, Parameters, Seed),
            cambrian_nif:genotype_apply_dirty(Genotype, Operator, Parameters, Seed)).

%% @doc The names of the mutation operators.
-spec operators() -> [operator()].
operators() -> cambrian_nif:genotype_operators().

%% @doc A child of two parents, of whom the first is the fitter: genes that match come from
%% either, all others from the first (Stanley and Miikkulainen 2002, section III-B).
-spec crossover(Fitter :: genotype(), Other :: genotype(), seed()) ->
          {ok, genotype()} | {error, incompatible}.
crossover(Fitter, Other, Seed) -> crossover(Fitter, Other, #{}, Seed).

%% @doc The same with parameters.
-spec crossover(Fitter :: genotype(), Other :: genotype(), map(), seed()) ->
          {ok, genotype()} | {error, incompatible | term()}.
crossover(Fitter, Other, Parameters, Seed) ->
    ?EITHER(cambrian_nif:genotype_crossover(Fitter, Other, Parameters, Seed),
            cambrian_nif:genotype_crossover_dirty(Fitter, Other, Parameters, Seed)).

%% @doc How unlike two genotypes are, as speciation sees it: 0 for the same genes and weights.
-spec distance(genotype(), genotype()) -> float().
distance(A, B) -> distance(A, B, #{}).

%% @doc The same with parameters (`disjoint_weight', `weight_weight').
-spec distance(genotype(), genotype(), map()) -> float() | {error, term()}.
distance(A, B, Parameters) ->
    ?EITHER(cambrian_nif:genotype_distance(A, B, Parameters),
            cambrian_nif:genotype_distance_dirty(A, B, Parameters)).

%% @doc The genotype's name, which is the same everywhere: the SHA-256 of {@link to_binary/1}.
-spec id(genotype()) -> id().
id(Genotype) ->
    ?EITHER(cambrian_nif:genotype_id(Genotype),
            cambrian_nif:genotype_id_dirty(Genotype)).

%% @doc Sizes. `nodes' counts inputs and outputs too, `connections' the disabled ones too.
-spec info(genotype()) -> #{inputs := pos_integer(), outputs := pos_integer(),
                            nodes := pos_integer(), hidden := non_neg_integer(),
                            connections := non_neg_integer(), recurrent := non_neg_integer()}.
info(Genotype) ->
    ?EITHER(cambrian_nif:genotype_info(Genotype),
            cambrian_nif:genotype_info_dirty(Genotype)).

%% @doc Every gene as a map, to look at, to draw or to edit.
%%
%% Nodes stand in (layer, id) order. A layer is from 0 (inputs) to 2^63 (outputs); a
%% connection is recurrent exactly when its source is not on a lower layer than its target.
-spec to_map(genotype()) -> genes().
to_map(Genotype) ->
    {Inputs, Outputs, Nodes, Connections, InputIds, OutputIds} = cambrian_nif:genotype_genes(Genotype),
    Ends = maps:from_list(ends(input, InputIds) ++ ends(output, OutputIds)),
    #{schema => 1, inputs => Inputs, outputs => Outputs,
      nodes => [node_to_map(Node, Ends) || Node <- Nodes],
      connections => [#{id => Id, from => From, to => To, weight => Weight, enabled => Enabled}
                      || {Id, From, To, Weight, Enabled} <- Connections]}.

ends(Kind, Ids) ->
    [{Id, #{kind => Kind, index => Index}}
     || {Id, Index} <- lists:zip(Ids, lists:seq(0, length(Ids) - 1))].

node_to_map({Id, Layer, Activation, Bias}, Ends) ->
    Kind = maps:get(Id, Ends, #{kind => hidden}),
    Kind#{id => Id, layer => Layer, activation => Activation, bias => Bias}.

%% @doc Back from {@link to_map/1}. Weights and biases are rounded to 32 bits; ids of connections
%% are computed anew.
-spec from_map(genes()) -> {ok, genotype()} | {error, {invalid_genotype, binary()} | term()}.
from_map(#{schema := 1, inputs := Inputs, outputs := Outputs, nodes := Nodes, connections := Connections}) ->
    cambrian_nif:genotype_from_genes(
      Inputs, Outputs,
      [{Id, Layer, Activation, float(Bias)}
       || #{id := Id, layer := Layer, activation := Activation, bias := Bias} <- Nodes],
      [{From, To, float(Weight), Enabled}
       || #{from := From, to := To, weight := Weight, enabled := Enabled} <- Connections]);
from_map(#{schema := Schema}) when Schema =/= 1 ->
    {error, {unsupported_version, Schema}};
from_map(_) ->
    error(badarg).

%% @doc The canonical bytes: the same genotype gives the same bytes on every machine.
-spec to_binary(genotype()) -> binary().
to_binary(Genotype) ->
    ?EITHER(cambrian_nif:genotype_encode(Genotype),
            cambrian_nif:genotype_encode_dirty(Genotype)).

%% @doc Reads bytes from anyone; nothing in them can do harm.
-spec from_binary(binary()) ->
          {ok, genotype()} | {error, malformed | not_canonical | {too_large, pos_integer()}
                                   | {unsupported_version, non_neg_integer()}
                                   | {unknown_activation, byte()}
                                   | {invalid_genotype, binary()}}.
from_binary(Bytes) ->
    ?EITHER(cambrian_nif:genotype_decode(Bytes),
            cambrian_nif:genotype_decode_dirty(Bytes)).

%% @doc The network as text for Graphviz.
-spec to_dot(genotype()) -> binary().
to_dot(Genotype) -> iolist_to_binary(cambrian_svg:dot(to_map(Genotype))).

%% @doc The network as a picture.
-spec to_svg(genotype()) -> binary().
to_svg(Genotype) -> iolist_to_binary(cambrian_svg:network(to_map(Genotype))).
