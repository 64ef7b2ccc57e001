%% @doc Encodes large networks indirectly: the weight of a connection follows from the positions of
%% its two nodes.
%%
%% This is HyperNEAT (Stanley, D'Ambrosio and Gauci 2009). A substrate has nodes at points in space.
%% A small network, the CPPN, computes the weight of the connection between each pair of nodes. The
%% CPPN is a genotype like any other: with the option `substrate' of {@link cambrian:evolve/2}, the
%% CPPNs evolve, travel and become champions. {@link express/2} makes the network that runs, as
%% another genotype; on a substrate of more points it makes a larger network of the same CPPN,
%% without further evolution.
%%
%% ```
%% 1> Strip = fun(Size) ->
%%        Pixels = cambrian_substrate:grid([Size]),
%%        Options = #{inputs => Pixels, outputs => Pixels, output_activation => identity},
%%        {ok, Substrate} = cambrian_substrate:new(Options),
%%        Substrate
%%    end.
%% 2> Lit = fun(At, Size) -> [case I of At -> 1; _ -> 0 end || I <- lists:seq(1, Size)] end.
%% 3> Seen = fun(At, Size, Network) ->
%%        Outputs = cambrian_network:activate(Network, Lit(At, Size)),
%%        lists:max(Outputs) =:= lists:nth(At, Outputs)
%%    end.
%% 4> Count = fun(Size, Network) ->
%%        length([At || At <- lists:seq(1, Size), Seen(At, Size, Network)])
%%    end.
%% 5> {ok, #{champion := Cppn, solved := true}} =
%%        cambrian:evolve(fun(Network) -> Count(7, Network) end,
%%                        #{substrate => Strip(7), target => 7, seed => 1}).
%% 6> {ok, Larger} = cambrian_substrate:express(Strip(28), Cppn).
%% 7> Count(28, cambrian_network:compile(Larger)).
%% 28
%% '''
-module(cambrian_substrate).

-include("cambrian_nif_call.hrl").

-export([new/1, grid/1, info/1, shape/1, express/2, is_substrate/1]).
-export_type([substrate/0, point/0, options/0, quadtree/0]).

-opaque substrate() :: reference().
-type point() :: [number()].
%% 1 to 3 coordinates within plus and minus 1.0e6, usually from -1 to 1. All points of a substrate
%% have the same number of coordinates.

-type options() :: #{inputs := [point()], outputs := [point()], hidden => [[point()]] | quadtree(),
                     joins => [{From :: non_neg_integer(), To :: pos_integer()}],
                     activation => atom(), output_activation => atom(), weight_range => number(),
                     threshold => number(), leo => boolean(), bias => boolean()}.
%% `hidden' is a list of layers of points. It may also be a map: then the CPPN decides where hidden
%% nodes are, see {@link quadtree()}. `joins' lists the pairs of layers that are connected, where 0
%% is the inputs and the last layer the outputs. By default each layer is connected to the next. The
%% connections from a layer to itself or to a lower layer are recurrent.
%%
%% `activation' (`tanh') is for hidden nodes, `output_activation' (`sigmoid') for outputs.
%%
%% The weight of a connection follows from the first output w of the CPPN, limited to -1 to 1, by
%% the rule of the paper. Where |w| is at most the `threshold' t (0.2), there is no connection; else
%% the weight is sign(w) (|w| - t) / (1 - t) times `weight_range' (3.0). With `leo' there is no
%% threshold: there is a connection where another output of the CPPN is more than 0 (Verbancsics and
%% Stanley 2011), and its weight is w times the range. With `bias' (false), the bias of a node is
%% another output, limited to -1 to 1, times the range; the inputs are then the origin and the node.

-type quadtree() :: #{initial_depth => pos_integer(), max_depth => pos_integer(),
                      division_threshold => number(), variance_threshold => number(),
                      band_threshold => number(), iterations => non_neg_integer()}.
%% ES-HyperNEAT (Risi and Stanley 2012), for points of 2 coordinates. The weights around a node are
%% a picture over the square from -1 to 1. The search divides a cell of it into four cells while the
%% variance in the cell is more than `division_threshold' (0.03), at least `initial_depth' (3) and
%% at most `max_depth' (3) times. A cell whose variance is less than `variance_threshold' (0.03)
%% becomes a node if its weight differs by more than `band_threshold' (0.3) from the weights on
%% either side. The search then continues from the nodes that it found, `iterations' (1) times.

-type error() :: cambrian_options:error()
               | {missing_options, [atom()]}
               | {unknown_gene, Option :: atom(), atom()}
               | {invalid_substrate | invalid_genotype, Why :: binary()}.

%% The documentation that an error names.
-define(SEE, <<"type cambrian_substrate:options()">>).

%% @doc Makes a substrate and checks that every CPPN of its shape can be expressed on it.
%%
%% A network can have 10,000 inputs and outputs, 100,000 nodes, and 10,000,000 pairs of nodes that
%% may be connected. The largest boxes in the paper, 55 by 55 to 55 by 55, have 9,150,625 pairs: the
%% substrate takes 0.16 GB, and each expressed network takes 1.5 s and 0.3 GB; as many networks are
%% expressed at a time as there are threads. `new/1' counts the pairs before it allocates them.
%%
%% ```
%% 1> Field = cambrian_substrate:grid([3, 3]).
%% 2> Options = #{inputs => Field, hidden => [Field], outputs => [[0, 0]]}.
%% 3> {ok, Substrate} = cambrian_substrate:new(Options).
%% 4> cambrian_substrate:info(Substrate).
%% #{dimensions => 2,inputs => 9,outputs => 1,pairs => 90}
%% 5> cambrian_substrate:new(#{inputs => Field, outputs => [[0, 0, 0]]}).
%% {error,{invalid_substrate,
%%         <<"point 0 of layer 1: expected as many coordinates as the first, "
%%           "which has 2 of 1 to 3, each within ±1000000"/utf8>>}}
%% 6> [Many, More] = [cambrian_substrate:grid([Size]) || Size <- [1001, 9999]].
%% 7> {error, {invalid_substrate, Why}} =
%%        cambrian_substrate:new(#{inputs => More, outputs => Many}).
%% 8> hd(binary:split(Why, <<",">>)).
%% <<"11000 nodes and 10008999 pairs of them to ask the CPPN for; "
%%   "expected at most 100000 and 10000000">>
%% 9> cambrian_substrate:new(#{inputs => Field, outputs => Field, weight_range => large}).
%% {error,{bad_option,{weight_range,large,<<"a number">>}}}
%% '''
-spec new(options()) -> {ok, substrate()} | {error, error()}.
new(Options) ->
    case cambrian_options:check(Options, options_table(), ?SEE) of
        {ok, #{threshold := Threshold, leo := true}} ->
            bad_option(threshold, Threshold, <<"left out, as leo says what is connected">>);
        {ok, #{inputs := _, outputs := _, hidden := #{} = Quadtree}}
          when is_map_key(joins, Options) ->
            bad_option(hidden, Quadtree, <<"layers, as there are joins">>);
        {ok, #{inputs := _, outputs := _, hidden := #{} = Quadtree}} ->
            case cambrian_options:check(Quadtree, quadtree_table(), ?SEE) of
                {ok, _} -> cambrian_nif:substrate_new(Options);
                Error -> Error
            end;
        {ok, #{inputs := _, outputs := _}} -> cambrian_nif:substrate_new(Options);
        {ok, _} -> {error, {missing_options, [inputs, outputs] -- maps:keys(Options)}};
        Error -> Error
    end.

bad_option(Name, Value, Expected) -> {error, {bad_option, {Name, Value, Expected}}}.

options_table() ->
    Points = {fun is_points/1, <<"a list of points, which are lists of numbers">>},
    Activation = {fun is_atom/1, <<"the name of an activation">>},
    Number = {fun is_number_within_range/1, <<"a number">>},
    Boolean = {fun is_boolean/1, <<"a boolean">>},
    #{inputs => Points, outputs => Points,
      hidden => {fun(X) -> is_map(X) orelse is_list_of(fun is_points/1, X) end,
                 <<"a list of layers of points, or a map">>},
      joins => {fun(X) -> is_list_of(fun is_join/1, X) end,
                <<"a list of pairs of layers, each from 0">>},
      activation => Activation, output_activation => Activation,
      weight_range => Number, threshold => Number,
      leo => Boolean, bias => Boolean}.

quadtree_table() ->
    Number = {fun is_number_within_range/1, <<"a number">>},
    Count = {fun is_layer/1, <<"a small integer from 0">>},
    #{initial_depth => Count, max_depth => Count, iterations => Count,
      division_threshold => Number, variance_threshold => Number, band_threshold => Number}.

%% The guard fails for an improper list.
is_list_of(Is, List) when length(List) >= 0 -> lists:all(Is, List);
is_list_of(_Is, _) -> false.

is_points(X) -> is_list_of(fun(Point) -> is_list_of(fun is_number_within_range/1, Point) end, X).
is_number_within_range(X) -> is_number(X) andalso abs(X) =< 1.0e12.
is_join({From, To}) -> is_layer(From) andalso is_layer(To);
is_join(_) -> false.
is_layer(X) -> cambrian_options:is_count(X) andalso X < 1 bsl 32.

%% @doc Makes points in regular order: the centres of the cells of a grid from -1 to 1. The first
%% coordinate changes slowest.
%%
%% A grid has 1 to 3 sizes and at most 100,000 points; else the function raises `badarg'. Grids of
%% different sizes cover the same space.
%%
%% ```
%% 1> cambrian_substrate:grid([2, 4]).
%% [[-0.5,-0.75],[-0.5,-0.25],[-0.5,0.25],[-0.5,0.75],
%%  [0.5,-0.75],[0.5,-0.25],[0.5,0.25],[0.5,0.75]]
%% '''
-spec grid([pos_integer()]) -> [point()].
grid(Sizes) -> cambrian_nif:substrate_grid(Sizes).

%% @doc Counts the inputs and outputs of the networks of a substrate, and the `pairs' of nodes: the
%% most connections that a network can have.
%%
%% ```
%% 1> Inputs = cambrian_substrate:grid([5]).
%% 2> {ok, Substrate} = cambrian_substrate:new(#{inputs => Inputs, outputs => [[0]]}).
%% 3> cambrian_substrate:info(Substrate).
%% #{dimensions => 1,inputs => 5,outputs => 1,pairs => 5}
%% '''
-spec info(substrate()) -> #{dimensions := 1..3, inputs := pos_integer(), outputs := pos_integer(),
                             pairs := non_neg_integer()}.
info(Substrate) -> ?EXPLAIN_BADARG(cambrian_nif:substrate_info(Substrate)).

%% @doc Counts the inputs and outputs of a CPPN for a substrate, as options of
%% {@link cambrian_genotype:new/2}.
%%
%% The inputs of a CPPN are the coordinates of the source, the coordinates of the target, their
%% distance, and 1.0. The outputs are the weight; with `bias', the bias; and with `leo', whether to
%% connect.
%%
%% ```
%% 1> Options = #{inputs => [[-1, 0], [1, 0]], outputs => [[0, 1]], bias => true}.
%% 2> {ok, Substrate} = cambrian_substrate:new(Options).
%% 3> cambrian_substrate:shape(Substrate).
%% #{inputs => 6,outputs => 2}
%% '''
-spec shape(substrate()) -> #{inputs := pos_integer(), outputs := pos_integer()}.
shape(Substrate) -> ?EXPLAIN_BADARG(cambrian_nif:substrate_shape(Substrate)).

%% @doc Makes the network that a CPPN describes, as a genotype.
%%
%% A CPPN with another shape than {@link shape/1} is an error. A result of more than 1,000,000
%% connections can be compiled and run, but not read back from bytes or a map.
%%
%% ```
%% 1> Options = #{inputs => cambrian_substrate:grid([4, 4]), outputs => [[0, 0]], threshold => 0}.
%% 2> {ok, Substrate} = cambrian_substrate:new(Options).
%% 3> Shape = cambrian_substrate:shape(Substrate).
%% 4> {ok, Cppn} = cambrian_genotype:new(Shape#{output_activation => tanh}, 7).
%% 5> {ok, Genotype} = cambrian_substrate:express(Substrate, Cppn).
%% 6> maps:with([inputs, outputs, connections], cambrian_genotype:info(Genotype)).
%% #{connections => 16,inputs => 16,outputs => 1}
%% 7> cambrian_substrate:express(Substrate, Genotype).
%% {error,{wrong_size,inputs,6,16}}
%% '''
-spec express(substrate(), cambrian_genotype:genotype()) ->
          {ok, cambrian_genotype:genotype()}
          | {error, {wrong_size, inputs | outputs,
                     Expected :: pos_integer(), Got :: pos_integer()}}.
express(Substrate, Cppn) ->
    Job = fun(Tag) -> cambrian_nif:substrate_express_job(Tag, Substrate, Cppn) end,
    ?NORMAL_OR_DIRTY(cambrian_nif:substrate_express(Substrate, Cppn), cambrian_job:answer(Job)).

%% @private
-spec is_substrate(term()) -> boolean().
is_substrate(X) ->
    try is_map(shape(X)) catch error:badarg -> false end.
