%% @doc Makes, changes, reads and writes genotypes. A genotype has node genes and connection genes;
%% it evolves, and nodes send it to each other.
%%
%% A genotype is an immutable value that lives outside the heap: you can send it to any process of
%% this node at no cost, and to other nodes by {@link to_binary/1}. Ids of genes are computed from
%% the origin of the gene, so genotypes bred on machines that never met still align.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, G1} = cambrian_genotype:mutate(G, add_node, 8).
%% 3> cambrian_genotype:info(G1).
%% #{connections => 4,hidden => 1,inputs => 2,nodes => 4,outputs => 1,recurrent => 0}
%% '''
-module(cambrian_genotype).

-include("cambrian_nif_call.hrl").

-export([new/2, mutate/2, mutate/3, mutate/4, operators/0, choices/0, resize/2,
         crossover/3, crossover/4, distance/2, distance/3, id/1, info/1, cost/1,
         to_map/1, from_map/1, to_binary/1, from_binary/1,
         diff/2, patch/2, to_json/1, to_json/2, from_json/1, from_neat_python/1,
         to_c/1, to_c/2, to_rust/1, to_rust/2, to_onnx/1, to_onnx/2]).
-export_type([genotype/0, id/0, seed/0, operator/0, genes/0, decode_error/0]).

-opaque genotype() :: reference().
-type id() :: <<_:256>>.
%% 32 bytes: the SHA-256 of the canonical bytes.

-type seed() :: non_neg_integer().
%% 0 to 2^64 - 1. The same seed gives the same result, on any machine.

-type operator() :: atom().
-type genes() :: #{schema := 1 | 2, inputs := pos_integer(), outputs := pos_integer(),
                   nodes := [map()], connections := [map()]}.

-type export_options() :: #{name => binary(),  % in C and Rust
                            normalisation => cambrian_network:normalisation() | none}.
-type decode_error() :: malformed | not_canonical | {too_large, pos_integer()}
                      | {unsupported_version, non_neg_integer()}
                      | {unknown_gene, Gene :: atom(), byte()} | {invalid_genotype, binary()}.

%% @doc Makes a first genotype: inputs joined to outputs, with random weights and no hidden node.
%%
%% `inputs' and `outputs' are from 1 to 10,000; all other keys are parameters, as
%% {@link cambrian:parameters/0} lists them. An unknown key, or a value out of its range, is an
%% error that says what was expected. In every function, a seed that is not an integer from 0 to
%% 2^64 - 1 raises `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 3, outputs => 2, output_activation => tanh}, 7).
%% 2> cambrian_genotype:info(G).
%% #{connections => 6,hidden => 0,inputs => 3,nodes => 5,outputs => 2,recurrent => 0}
%% 3> cambrian_genotype:new(#{inputs => 3, outputs => 2, initial_weight => -1}, 7).
%% {error,{bad_parameter,{initial_weight,-1,<<"a number from 0 to 100">>}}}
%% '''
-spec new(#{inputs := pos_integer(), outputs := pos_integer(), atom() => term()}, seed()) ->
          {ok, genotype()} | {error, term()}.
new(#{inputs := Inputs, outputs := Outputs} = Options, Seed) ->
    Parameters = maps:without([inputs, outputs], Options),
    Made = ?NORMAL_OR_DIRTY(cambrian_nif:genotype_new(Inputs, Outputs, Parameters, Seed),
                            cambrian_nif:genotype_new_dirty(Inputs, Outputs, Parameters, Seed)),
    cambrian_options:parameters(Made, [inputs, outputs]);
new(Options, _Seed) when is_map(Options) ->
    {error, {missing_options, [inputs, outputs] -- maps:keys(Options)}}.

%% @doc Applies every operator with the probability in the default parameters.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Child} = cambrian_genotype:mutate(G, 8).
%% 3> cambrian_genotype:distance(G, Child) > 0.
%% true
%% '''
-spec mutate(genotype(), seed()) -> {ok, genotype()}.
mutate(Genotype, Seed) -> mutate(Genotype, #{}, Seed).

%% @doc Applies one operator by name, or, given a map of parameters, every operator by its rate.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Child} = cambrian_genotype:mutate(G, add_node, 8).
%% 3> maps:get(hidden, cambrian_genotype:info(Child)).
%% 1
%% 4> cambrian_genotype:mutate(G, add_connection, 8).
%% {error,not_applicable}
%% 5> {ok, Grown} = cambrian_genotype:mutate(G, #{add_node => 1}, 8).
%% 6> maps:get(hidden, cambrian_genotype:info(Grown)).
%% 1
%% '''
-spec mutate(genotype(), operator() | map(), seed()) ->
          {ok, genotype()}
        | {error, not_applicable | {unknown_operator, atom(), cambrian_error:hint()} | term()}.
mutate(Genotype, Parameters, Seed) when is_map(Parameters) ->
    cambrian_options:parameters(
        ?NORMAL_OR_DIRTY(cambrian_nif:genotype_mutate(Genotype, Parameters, Seed),
                         cambrian_nif:genotype_mutate_dirty(Genotype, Parameters, Seed)));
mutate(Genotype, Operator, Seed) -> mutate(Genotype, Operator, #{}, Seed).

%% @doc Applies one operator by name, with parameters.
%%
%% The answer is `not_applicable' if the operator finds nothing to change.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Child} = cambrian_genotype:mutate(G, add_node, #{activation => relu}, 8).
%% 3> [A || #{kind := hidden, activation := A} <- maps:get(nodes, cambrian_genotype:to_map(Child))].
%% [relu]
%% '''
-spec mutate(genotype(), operator(), map(), seed()) ->
          {ok, genotype()}
        | {error, not_applicable | {unknown_operator, atom(), cambrian_error:hint()} | term()}.
mutate(Genotype, Operator, Parameters, Seed) ->
    Applied = ?NORMAL_OR_DIRTY(
                  cambrian_nif:genotype_apply(Genotype, Operator, Parameters, Seed),
                  cambrian_nif:genotype_apply_dirty(Genotype, Operator, Parameters, Seed)),
    case cambrian_options:parameters(Applied) of
        {error, {unknown_operator, Name}} ->
            {error, cambrian_options:unknown(unknown_operator, Name, operators(),
                                             <<"cambrian_genotype:operators/0">>)};
        Born -> Born
    end.

%% @doc Lists the names of the mutation operators, in the order in which {@link mutate/2} tries
%% them.
%%
%% Each has a rate of the same name among {@link cambrian:parameters/0}, with a description.
%%
%% ```
%% 1> lists:sublist(cambrian_genotype:operators(), 2).
%% [perturb_weights,reset_weights]
%% 2> [About || #{name := remove_node, about := About} <- cambrian:parameters()].
%% [<<"rate: a hidden node is removed, and its sources are joined to its targets">>]
%% '''
-spec operators() -> [operator()].
operators() -> cambrian_nif:genotype_operators().

%% @doc Lists the possible values of each gene that has named values.
%%
%% The pages of the Rust core say what each computes, with its source: `Activation',
%% `Aggregation', `Dynamics' and `Plasticity'.
%%
%% ```
%% 1> #{aggregation := A, dynamics := D, plasticity := P} = cambrian_genotype:choices().
%% 2> {A, D, P}.
%% {[sum,product,mean,max,min,median,max_abs],
%%  [none,leaky,cfc,ltc,delay],
%%  [none,hebbian,oja,bcm,reward]}
%% 3> lists:member(tanh, maps:get(activation, cambrian_genotype:choices())).
%% true
%% '''
-spec choices() -> #{activation := [atom()], aggregation := [atom()],
                     dynamics := [atom()], plasticity := [atom()]}.
choices() -> cambrian_nif:genotype_choices().

%% @doc Adapts a genotype to a task with more or fewer inputs or outputs.
%%
%% New inputs and outputs are unconnected, so the outputs that stay compute the same as before;
%% `add_input' and `add_output' connect new ones. A removed input or output takes its connections
%% with it. A size that you omit stays the same; all other keys are parameters
%% (`output_activation').
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Larger} = cambrian_genotype:resize(G, #{inputs => 3, outputs => 2}).
%% 3> cambrian_genotype:info(Larger).
%% #{connections => 2,hidden => 0,inputs => 3,nodes => 5,outputs => 2,recurrent => 0}
%% 4> [Y] = cambrian_network:activate(cambrian_network:compile(G), [0.5, -1]).
%% 5> [Same, _] = cambrian_network:activate(cambrian_network:compile(Larger), [0.5, -1, 9]).
%% 6> Same =:= Y.
%% true
%% 7> {ok, Back} = cambrian_genotype:resize(Larger, #{inputs => 2, outputs => 1}).
%% 8> cambrian_genotype:id(Back) =:= cambrian_genotype:id(G).
%% true
%% '''
-spec resize(genotype(), #{inputs => pos_integer(), outputs => pos_integer(), atom() => term()}) ->
          {ok, genotype()} | {error, term()}.
resize(Genotype, Options) ->
    #{inputs := Inputs, outputs := Outputs} =
        maps:merge(info(Genotype), maps:with([inputs, outputs], Options)),
    Parameters = maps:without([inputs, outputs], Options),
    Resized = ?NORMAL_OR_DIRTY(
                  cambrian_nif:genotype_resize(Genotype, Inputs, Outputs, Parameters),
                  cambrian_nif:genotype_resize_dirty(Genotype, Inputs, Outputs, Parameters)),
    cambrian_options:parameters(Resized, [inputs, outputs]).

%% @doc Makes a child of two parents.
%%
%% A matching gene comes from either parent; all other genes come from the first parent, which is
%% the fitter (Stanley and Miikkulainen 2002, section III-B). Parents that differ in their number of
%% inputs or outputs are `incompatible'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Fitter} = cambrian_genotype:mutate(G, add_node, 8).
%% 3> {ok, Child} = cambrian_genotype:crossover(Fitter, G, 9).
%% 4> maps:get(hidden, cambrian_genotype:info(Child)).
%% 1
%% 5> {ok, Another} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 7).
%% 6> cambrian_genotype:crossover(G, Another, 9).
%% {error,incompatible}
%% '''
-spec crossover(Fitter :: genotype(), Other :: genotype(), seed()) ->
          {ok, genotype()} | {error, incompatible}.
crossover(Fitter, Other, Seed) -> crossover(Fitter, Other, #{}, Seed).

%% @doc Does the same with parameters (`average_weights', `stay_disabled').
-spec crossover(Fitter :: genotype(), Other :: genotype(), map(), seed()) ->
          {ok, genotype()} | {error, incompatible | term()}.
crossover(Fitter, Other, Parameters, Seed) ->
    cambrian_options:parameters(
        ?NORMAL_OR_DIRTY(cambrian_nif:genotype_crossover(Fitter, Other, Parameters, Seed),
                         cambrian_nif:genotype_crossover_dirty(Fitter, Other, Parameters, Seed))).

%% @doc Measures how different two genotypes are, as speciation does: 0 for the same genes and
%% weights.
%%
%% The distance is the sum of two terms, each times its parameter: the number of connection genes
%% without a match, divided by the number of genes of the genotype that has more; and the mean
%% difference of the weights of matching genes. This is equation 1 of Stanley and Miikkulainen
%% 2002, but excess and disjoint genes are one kind, because computed ids have no age.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 8).
%% 3> {cambrian_genotype:distance(G, G), cambrian_genotype:distance(G, Grown)}.
%% {0.0,0.5}
%% '''
-spec distance(genotype(), genotype()) -> float().
distance(A, B) -> distance(A, B, #{}).

%% @doc Measures the same distance with parameters (`disjoint_weight', `weight_weight').
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 8).
%% 3> cambrian_genotype:distance(G, Grown, #{disjoint_weight => 2}).
%% 1.0
%% '''
-spec distance(genotype(), genotype(), map()) -> float() | {error, term()}.
distance(A, B, Parameters) ->
    cambrian_options:parameters(
        ?NORMAL_OR_DIRTY(cambrian_nif:genotype_distance(A, B, Parameters),
                         cambrian_nif:genotype_distance_dirty(A, B, Parameters))).

%% @doc Computes the id of a genotype, the same on every machine: the SHA-256 of
%% {@link to_binary/1}.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1, initial_connections => 0}, 7).
%% 2> binary:encode_hex(cambrian_genotype:id(G)).
%% <<"7B7ABFDDE77812C5054B82A980156B763B83AD58F8FF5331CD591C885E34B9B5">>
%% 3> cambrian_genotype:id(G) =:= crypto:hash(sha256, cambrian_genotype:to_binary(G)).
%% true
%% '''
-spec id(genotype()) -> id().
id(Genotype) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_id(Genotype),
                     cambrian_nif:genotype_id_dirty(Genotype)).

%% @doc Counts nodes and connections. `nodes' includes inputs and outputs; `connections' includes
%% disabled ones.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> cambrian_genotype:info(G).
%% #{connections => 2,hidden => 0,inputs => 2,nodes => 3,outputs => 1,recurrent => 0}
%% '''
-spec info(genotype()) -> #{inputs := pos_integer(), outputs := pos_integer(),
                            nodes := pos_integer(), hidden := non_neg_integer(),
                            connections := non_neg_integer(), recurrent := non_neg_integer()}.
info(Genotype) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_info(Genotype),
                     cambrian_nif:genotype_info_dirty(Genotype)).

%% @doc Computes the cost of one activation of the network, in units of work, from the genes alone.
%%
%% An enabled connection costs 1 unit, which takes about a nanosecond; a node that sums and
%% activates costs 2, and a node that does more costs from 28 to 76. The units are the same on
%% every machine: they limit the cost of other nodes' genotypes, see `docs/mesh.md'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> cambrian_genotype:cost(G).
%% 4
%% '''
-spec cost(genotype()) -> pos_integer().
cost(Genotype) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_cost(Genotype),
                     cambrian_nif:genotype_cost_dirty(Genotype)).

%% @doc Converts a genotype to a map of all its genes, to look at, to draw or to edit.
%%
%% Nodes stand in (layer, id) order. A layer is from 0 (inputs) to 2^63 (outputs); a
%% connection is recurrent exactly when its source is not on a lower layer than its target.
%%
%% A hidden or output node multiplies each incoming value by the weight of its connection, and
%% combines the products by its `aggregation'. It multiplies the result by its `gain', adds its
%% `bias' and applies its `activation'. A node with `dynamics' has a state, whose `time_constant'
%% is in steps, from 0.01 to 1000. The weights of a node with `plasticity' learn while the network
%% runs, with a `learning_rate' within plus and minus 1 and a `decay' from 0 to 1.
%% {@link choices/0} lists the values of each named gene. An input node passes its value on.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> #{connections := Connections, nodes := Nodes} = cambrian_genotype:to_map(G).
%% 3> #{weight := Weight} = hd(Connections).
%% 4> maps:remove(weight, hd(Connections)).
%% #{enabled => true,from => 1149588551319671665,id => 629680341462567256,
%%   to => 7627425597724244212}
%% 5> hd(Nodes).
%% #{activation => identity,bias => 0.0,id => 1149588551319671665,index => 1,kind => input,
%%   layer => 0}
%% 6> lists:last(Nodes).
%% #{activation => sigmoid,aggregation => sum,bias => 0.0,decay => 0.0,dynamics => none,gain => 1.0,
%%   id => 7627425597724244212,index => 0,kind => output,layer => 9223372036854775808,
%%   learning_rate => 0.0,plasticity => none,time_constant => 1.0}
%% '''
-spec to_map(genotype()) -> genes().
to_map(Genotype) ->
    cambrian_genes:to_map(?EXPLAIN_BADARG(cambrian_nif:genotype_genes(Genotype))).

%% @doc Makes a genotype from a map of {@link to_map/1}.
%%
%% A gene that a node lacks gets its default: activation `identity', aggregation `sum', bias 0,
%% gain 1, neither dynamics nor plasticity. So maps of schema 1, whose nodes have only an
%% activation and a bias, are read too. Numbers are rounded to 32 bits; ids of connections are
%% computed again. A map of another shape raises `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> #{connections := [C | Rest], nodes := [In1, In2, Out]} = Genes = cambrian_genotype:to_map(G).
%% 3> {ok, Edited} = cambrian_genotype:from_map(Genes#{connections := [C#{weight := 0.5} | Rest]}).
%% 4> #{connections := Connections} = cambrian_genotype:to_map(Edited).
%% 5> lists:member(0.5, [Weight || #{weight := Weight} <- Connections]).
%% true
%% 6> cambrian_genotype:from_map(Genes#{nodes := [In1, In2, Out#{activation := chess}]}).
%% {error,{unknown_gene,activation,chess}}
%% 7> cambrian_genotype:from_map(Genes#{inputs := 3}).
%% {error,{invalid_genotype,<<"input or output node 35d9cd3e3446b06d is missing">>}}
%% '''
-spec from_map(genes()) ->
          {ok, genotype()} | {error, {invalid_genotype, binary()}
                                   | {unknown_gene, Gene :: atom(), Name :: atom()}
                                   | {unsupported_version, term()}}.
from_map(#{schema := Schema, inputs := Inputs, outputs := Outputs,
           nodes := Nodes, connections := Connections})
  when Schema =:= 1; Schema =:= 2 ->
    cambrian_nif:genotype_from_genes(
        Inputs, Outputs, lists:map(fun cambrian_genes:node_from_map/1, Nodes),
        lists:map(fun cambrian_genes:connection_from_map/1, Connections));
from_map(#{schema := Schema}) when Schema =/= 1, Schema =/= 2 ->
    {error, {unsupported_version, Schema}};
from_map(_) -> error(badarg).

%% @doc Encodes a genotype as its canonical bytes: the same genotype gives the same bytes on every
%% machine.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1, initial_connections => 0}, 7).
%% 2> cambrian_genotype:to_binary(G).
%% <<154,3,2,1,196,0,196,0,153,196,1,2,196,0,196,0,196,0,196,0,196,0,196,0,196,0,196,0,196,0,196,
%%   0,196,0,196,0>>
%% '''
-spec to_binary(genotype()) -> binary().
to_binary(Genotype) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_encode(Genotype),
                     cambrian_nif:genotype_encode_dirty(Genotype)).

%% @doc Decodes a genotype. The bytes may come from any sender: no bytes can do harm.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Copy} = cambrian_genotype:from_binary(cambrian_genotype:to_binary(G)).
%% 3> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(G).
%% true
%% 4> cambrian_genotype:from_binary(<<"not a genotype">>).
%% {error,malformed}
%% '''
-spec from_binary(binary()) -> {ok, genotype()} | {error, decode_error()}.
from_binary(Bytes) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_decode(Bytes),
                     cambrian_nif:genotype_decode_dirty(Bytes)).

%% @doc Encodes the difference between a base, which the reader holds, and a target: the genes that
%% were removed or added, and the values that changed. It contains the ids of both.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7).
%% 2> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1).
%% 3> Whole = byte_size(cambrian_genotype:to_binary(Grown)).
%% 4> byte_size(cambrian_genotype:diff(G, Grown)) < Whole div 3.
%% true
%% '''
-spec diff(Base :: genotype(), Target :: genotype()) -> binary().
diff(Base, Target) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_diff(Base, Target),
                     cambrian_nif:genotype_diff_dirty(Base, Target)).

%% @doc Makes the target from a base and a {@link diff/2}. The difference may come from any sender.
%%
%% With another base, the error names the right base. The result always has the id that the
%% difference names; otherwise it is an error.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7).
%% 2> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1).
%% 3> Delta = cambrian_genotype:diff(G, Grown).
%% 4> {ok, Copy} = cambrian_genotype:patch(G, Delta).
%% 5> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(Grown).
%% true
%% 6> {error, {wrong_base, Id}} = cambrian_genotype:patch(Grown, Delta).
%% 7> Id =:= cambrian_genotype:id(G).
%% true
%% '''
-spec patch(Base :: genotype(), Delta :: binary()) ->
          {ok, genotype()} | {error, malformed | bad_compression | wrong_id | {wrong_base, id()}
                                   | {too_large, pos_integer()}
                                   | {unsupported_version, non_neg_integer()}
                                   | {unknown_gene, Gene :: atom(), byte()}
                                   | {invalid_genotype, binary()}}.
patch(Base, Delta) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_patch(Base, Delta),
                     cambrian_nif:genotype_patch_dirty(Base, Delta)).

%% @doc Writes a genotype as JSON, a line for each gene, to look at, to edit or to read in other
%% languages.
%%
%% It has the content of {@link to_map/1}; `docs/export.md' has a table of the fields. Ids and
%% layers are strings of 16 hexadecimal digits. Numbers have the fewest digits that read back to
%% the same bits, so {@link from_json/1} gives a genotype of the same id.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1, initial_connections => 0}, 7).
%% 2> Lines = binary:split(cambrian_genotype:to_json(G), <<"\n">>, [global]).
%% 3> [_, <<"\"schema\": 2,">>, _, _, _, Input | _] = Lines.
%% 4> Input.
%% <<"  {\"id\":\"35aa233257ed720d\",\"kind\":\"input\",\"index\":0,"
%%   "\"layer\":\"0000000000000000\"},">>
%% '''
-spec to_json(genotype()) -> binary().
to_json(Genotype) -> to_json(Genotype, #{}).

%% @doc Writes the same with a line for the normalisation of a result. {@link from_json/1} ignores
%% that line.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1, initial_connections => 0}, 7).
%% 2> Json = cambrian_genotype:to_json(G, #{normalisation => #{means => [2], factors => [0.5]}}).
%% 3> lists:nth(5, binary:split(Json, <<"\n">>, [global])).
%% <<"\"normalisation\": {\"means\":[2.0],\"factors\":[0.5]},">>
%% '''
-spec to_json(genotype(), export_options()) -> binary() | {error, cambrian_export:error()}.
to_json(Genotype, Options) -> cambrian_export:write(json, Genotype, Options).

%% @doc Reads the JSON of {@link to_json/1}. The text may come from any sender, and has at most 256
%% MiB.
%%
%% Genes may be in any order. A node needs its `id' and its `layer'; any other gene that it lacks
%% gets its default, as in {@link from_map/1}. A connection may lack its `id', which follows from
%% its ends. `bad_json' says what was wrong, and where.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Copy} = cambrian_genotype:from_json(cambrian_genotype:to_json(G)).
%% 3> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(G).
%% true
%% 4> cambrian_genotype:from_json(<<"{\"schema\": 2, \"inputs\": 1,\n \"outputs\": \"one\"}">>).
%% {error,{bad_json,<<"outputs: invalid type: string \"one\", expected u32 at line 2 column 17">>}}
%% '''
-spec from_json(binary()) ->
          {ok, genotype()} | {error, {bad_json | invalid_genotype, binary()}
                                   | {too_large, pos_integer()}
                                   | {unsupported_version, non_neg_integer()}}.
from_json(Text) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_from_json(Text),
                     cambrian_nif:genotype_from_json_dirty(Text)).

%% @doc Reads a network that neat-python wrote as JSON, and makes a genotype that computes the same
%% outputs. The text may come from any sender, and has at most 256 MiB.
%%
%% The function reads feed-forward and recurrent networks, as `neat.export.export_network_json' of
%% neat-python 1.1 and 2.0 writes them. `no_equal' names a part that Cambrian cannot compute: the
%% activations `lelu', `inv' and `cube', custom functions, CTRNNs, spiking networks. Some nodes
%% become more than one: `docs/export.md' says which, and why.
%%
%% ```
%% 1> Node = <<"{\"id\": 0, \"activation\": {\"name\": \"tanh\", \"custom\": false}, \"bias\": 0.25,
%%               \"response\": 1.0, \"aggregation\": {\"name\": \"sum\", \"custom\": false}}">>.
%% 2> Text = <<"{\"format_version\": \"1.0\", \"network_type\": \"feedforward\",
%%      \"topology\": {\"input_keys\": [-1], \"output_keys\": [0]}, \"nodes\": [", Node/binary, "],
%%      \"connections\": [{\"from\": -1, \"to\": 0, \"weight\": 2.0, \"enabled\": true}]}">>.
%% 3> {ok, G} = cambrian_genotype:from_neat_python(Text).
%% 4> [Y] = cambrian_network:activate(cambrian_network:compile(G), [0.1]).
%% 5> abs(Y - math:tanh(2.5 * (0.25 + 2.0 * 0.1))) < 1.0e-6.
%% true
%% '''
-spec from_neat_python(binary()) ->
          {ok, genotype()} | {error, {bad_json | no_equal | invalid_genotype, binary()}
                                   | {too_large, pos_integer()}}.
from_neat_python(Text) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_from_neat_python(Text),
                     cambrian_nif:genotype_from_neat_python_dirty(Text)).

%% @doc Writes the network as one file of C99, for a program or a microcontroller without Cambrian.
%% Names in the file begin with `cambrian_'.
%%
%% The file needs no library, not even libm, and no heap. It has tables that stay in flash, and a
%% struct of 4 bytes for each input, each number of memory, and each hidden and output node. The
%% number of `nodes' at the top of the file counts hidden and output nodes. The outputs have the
%% same bits as the outputs of {@link cambrian_network:step/3}, and the memory has the layout of a
%% state of that function, so you can copy a state into the struct. The top of the file says how to
%% compile and call it; `-ffast-math' is refused. Inputs lie within plus and minus 1.0e12; the file
%% does not check them.
%%
%% For a CPPN the file computes the CPPN. To export the network that a CPPN describes, call
%% {@link cambrian_substrate:express/2} first.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> File = cambrian_genotype:to_c(G).
%% 3> {match, [Declared]} = re:run(File, "\nvoid cambrian_step.*", [{capture, first, binary}]).
%% 4> Declared.
%% <<"\nvoid cambrian_step(struct cambrian_network *network, const float *inputs, "
%%   "float *outputs);">>
%% '''
-spec to_c(genotype()) -> binary().
to_c(Genotype) -> to_c(Genotype, #{}).

%% @doc Writes the same file with another prefix than `cambrian' for its names; constants have the
%% prefix in capitals. With the `normalisation' of a result, the file normalises its inputs.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> File = cambrian_genotype:to_c(G, #{name => <<"pole">>}).
%% 3> {match, [Declared]} = re:run(File, "#define POLE_INPUTS.*", [{capture, first, binary}]).
%% 4> Declared.
%% <<"#define POLE_INPUTS 2">>
%% 5> {error, {bad_option, {name, _, _}}} = cambrian_genotype:to_c(G, #{name => <<"9; x">>}).
%% '''
-spec to_c(genotype(), export_options()) -> binary() | {error, cambrian_export:error()}.
to_c(Genotype, Options) -> cambrian_export:write(c, Genotype, Options).

%% @doc Writes the network as one file of Rust, a module for a program or a device without Cambrian.
%%
%% The file uses only `core', does not allocate and has no unsafe code. Its outputs and its memory
%% are the same as in the file of {@link to_c/1}; the top of the file says how to call it.
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> File = cambrian_genotype:to_rust(G).
%% 3> {match, [Step]} = re:run(File, "pub fn step.*", [{capture, first, binary}]).
%% 4> Step.
%% <<"pub fn step(&mut self, inputs: &[f32; INPUTS]) -> [f32; OUTPUTS] {">>
%% '''
-spec to_rust(genotype()) -> binary().
to_rust(Genotype) -> to_rust(Genotype, #{}).

%% @doc Writes the same file with another module name than `cambrian', in the example at its top.
%% With the `normalisation' of a result, the module normalises its inputs.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> File = cambrian_genotype:to_rust(G, #{name => <<"pole">>}).
%% 3> re:run(File, "mod pole;", [{capture, first, binary}]).
%% {match,[<<"mod pole;">>]}
%% '''
-spec to_rust(genotype(), export_options()) -> binary() | {error, cambrian_export:error()}.
to_rust(Genotype, Options) -> cambrian_export:write(rust, Genotype, Options).

%% @doc Writes the network as an ONNX model of opset 17, for any runtime that reads it.
%%
%% The input `inputs' and the output `outputs' are 32-bit floats, a row for each sample. A network
%% with a memory also has the input `state' and the output `next_state', of as many numbers as
%% {@link cambrian_network:info/1} says: a state of {@link cambrian_network:step/3}, all zeros at
%% rest. If the network learns from a reward, the last number of the state is the reward.
%%
%% A runtime adds in its own order and has its own functions, so its numbers differ from those of
%% Cambrian by some 1.0e-6, unless a step function or a feedback amplifies the difference.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Model = cambrian_genotype:to_onnx(G).
%% 3> Names = [<<"inputs">>, <<"outputs">>, <<"state">>].
%% 4> [Name || Name <- Names, binary:match(Model, Name) =/= nomatch].
%% [<<"inputs">>,<<"outputs">>]
%% '''
-spec to_onnx(genotype()) -> binary().
to_onnx(Genotype) -> to_onnx(Genotype, #{}).

%% @doc Writes the same model with the normalisation of a result in front.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> Model = cambrian_genotype:to_onnx(G, #{normalisation => #{means => [4], factors => [2]}}).
%% 3> binary:match(Model, <<"Sub">>) =/= nomatch.
%% true
%% '''
-spec to_onnx(genotype(), export_options()) -> binary() | {error, cambrian_export:error()}.
to_onnx(Genotype, Options) -> cambrian_export:write(onnx, Genotype, Options).
