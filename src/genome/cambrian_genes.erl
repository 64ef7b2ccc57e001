%% @private
%% Converts genes between the maps of {@link cambrian_genotype:to_map/1} and {@link
%% cambrian_genotype:from_map/1}, and the tuples of the library.
-module(cambrian_genes).

-export([to_map/1, node_from_map/1, connection_from_map/1]).

-type gene_id() :: non_neg_integer().
-type node_gene() :: {gene_id(), Layer :: non_neg_integer(), Genes :: map()}.

%% @doc Makes the map from the library's tuples of a genotype.
-spec to_map({Inputs :: pos_integer(), Outputs :: pos_integer(), [node_gene()],
              [{gene_id(), From :: gene_id(), To :: gene_id(), Weight :: float(),
                Enabled :: boolean()}],
              InputIds :: [gene_id()], OutputIds :: [gene_id()]}) -> cambrian_genotype:genes().
to_map({Inputs, Outputs, Nodes, Connections, InputIds, OutputIds}) ->
    Ends = maps:from_list(ends(input, InputIds) ++ ends(output, OutputIds)),
    #{schema => 2, inputs => Inputs, outputs => Outputs,
      nodes => [node_to_map(Node, Ends) || Node <- Nodes],
      connections => [#{id => Id, from => From, to => To, weight => Weight, enabled => Enabled}
                      || {Id, From, To, Weight, Enabled} <- Connections]}.

ends(Kind, Ids) ->
    [{Id, #{kind => Kind, index => Index}}
     || {Id, Index} <- lists:zip(Ids, lists:seq(0, length(Ids) - 1))].

node_to_map({Id, Layer, Neuron}, Ends) ->
    Kind = maps:get(Id, Ends, #{kind => hidden}),
    maps:merge(Kind#{id => Id, layer => Layer}, genes_of(Kind, Neuron)).

genes_of(#{kind := input}, Neuron) -> maps:with([activation, bias], Neuron);
genes_of(_, Neuron) -> Neuron.

%% @doc Makes a node for the library; raises `badarg' if the term is not the map of a node.
-spec node_from_map(term()) -> {Id :: term(), Layer :: term(), Genes :: map()}.
node_from_map(#{id := Id, layer := Layer} = Node) -> {Id, Layer, Node};
node_from_map(_) -> error(badarg).

%% @doc Makes a connection for the library; raises `badarg' if the term is not the map of a
%% connection.
-spec connection_from_map(term()) ->
          {From :: term(), To :: term(), Weight :: float(), Enabled :: term()}.
connection_from_map(#{from := From, to := To, weight := Weight, enabled := Enabled})
  when is_number(Weight) ->
    {From, To, float(Weight), Enabled};
connection_from_map(_) -> error(badarg).
