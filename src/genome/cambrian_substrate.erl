%% @doc Indirect encoding: a large network whose weights follow from where its nodes are.
%%
%% HyperNEAT (Stanley, D'Ambrosio and Gauci 2009). A substrate has nodes at points in space. A small network, the
%% CPPN, is asked for each pair of them what weight joins the one to the other. The CPPN is a genotype like any
%% other: it is what evolves, travels and is the champion of {@link cambrian:evolve/2} with the option `substrate'.
%% {@link express/2} makes of it the network that runs, as another genotype; on a substrate of more points it makes
%% a larger one of the same CPPN, without further evolution.
%%
%% ```
%% 1> Strip = fun(Size) ->
%%        Pixels = cambrian_substrate:grid([Size]),
%%        {ok, S} = cambrian_substrate:new(#{inputs => Pixels, outputs => Pixels, output_activation => identity}),
%%        S
%%    end.
%% 2> Lit = fun(At, Size) -> [case I of At -> 1; _ -> 0 end || I <- lists:seq(1, Size)] end.
%% 3> Seen = fun(At, Size, Network) ->
%%        Outputs = cambrian_network:activate(Network, Lit(At, Size)),
%%        lists:max(Outputs) =:= lists:nth(At, Outputs)
%%    end.
%% 4> Count = fun(Size, Network) -> length([At || At <- lists:seq(1, Size), Seen(At, Size, Network)]) end.
%% 5> {ok, #{champion := Cppn, solved := true}} =
%%        cambrian:evolve(fun(Network) -> Count(7, Network) end, #{substrate => Strip(7), target => 7, seed => 1}).
%% 6> {ok, Larger} = cambrian_substrate:express(Strip(28), Cppn).
%% 7> Count(28, cambrian_network:compile(Larger)).
%% 28
%% '''
-module(cambrian_substrate).

-export([new/1, grid/1, info/1, shape/1, express/2, is_substrate/1]).
-export_type([substrate/0, point/0, options/0, quadtree/0]).

-opaque substrate() :: reference().
-type point() :: [number()].
%% 1 to 3 coordinates within plus and minus 1.0e6, by custom from -1 to 1; all of a substrate have as many.

-type options() :: #{inputs := [point()], outputs := [point()], hidden => [[point()]] | quadtree(),
                     joins => [{From :: non_neg_integer(), To :: pos_integer()}],
                     activation => atom(), output_activation => atom(), weight_range => number(),
                     threshold => number(), leo => boolean(), bias => boolean()}.
%% `hidden' are layers of points, or a map: then the CPPN decides where hidden nodes are, see {@link quadtree()}.
%% `joins' says which layers lead to which, where 0 is the inputs and the last the outputs; by default each leads to
%% the next. A layer that leads to itself or to a lower one does so recurrently.
%%
%% `activation' is that of hidden nodes, by default `tanh', `output_activation' that of the outputs, `sigmoid'.
%% The weight of a connection comes of the CPPN's first output w, held within -1 and 1, by the rule of the paper: a weight below
%% a threshold is no connection, and those above it are scaled to begin at 0. With the `threshold' t (0.2) there is none where
%% |w| is at most t; else the weight is sign(w) (|w| - t) / (1 - t) times `weight_range' (3.0), which a w of 1.0 or more is given
%% whole. With `leo' there is no threshold: a further output of the CPPN decides, by being more than 0 (Verbancsics and
%% Stanley 2011), and the weight is w times the range. With `bias' (false) another output, held within -1 and 1 and times the
%% range, is the bias of a node, asked for between the origin and the node.

-type quadtree() :: #{initial_depth => pos_integer(), max_depth => pos_integer(), division_threshold => number(),
                      variance_threshold => number(), band_threshold => number(), iterations => non_neg_integer()}.
%% ES-HyperNEAT (Risi and Stanley 2012), for points of 2 coordinates: the weights around a node, as a picture over
%% the square from -1 to 1, are divided into four cells at least `initial_depth' (3) and at most `max_depth' (3)
%% times, while the variance in a cell is more than `division_threshold' (0.03). A cell in which it is less than
%% `variance_threshold' (0.03) is one node, if its weight differs by more than `band_threshold' (0.3) from those on
%% either side. From the nodes found so the search goes on `iterations' (1) times.

-type error() :: cambrian_options:error() | {missing_options, [atom()]} | {unknown_gene, Option :: atom(), atom()}
               | {invalid_substrate | invalid_genotype, Why :: binary()}.

%% Long work goes to a dirty scheduler: the library says when.
-define(EITHER(Short, Dirty),
        try Short of dirty -> Dirty; Answer -> Answer catch error:badarg:Stack -> cambrian_badarg:raise(Stack) end).
-define(CHECKED(Call), try Call catch error:badarg:Stack -> cambrian_badarg:raise(Stack) end).

%% @doc A substrate, checked: whatever CPPN of its shape is expressed on it, there is a network.
%%
%% A network can have 10,000 inputs and outputs, and 100,000 nodes. Of pairs that could be connected there can be 10,000,000,
%% which is enough for those of the paper's largest boxes, 55 by 55 to 55 by 55 (9,150,625): these take 1.5 s and 0.3 GB for each
%% network that is expressed, of which there are as many at a time as there are threads, and 0.16 GB for the substrate. They
%% are counted before anything is made of them.
%%
%% ```
%% 1> Field = cambrian_substrate:grid([3, 3]).
%% 2> {ok, Substrate} = cambrian_substrate:new(#{inputs => Field, hidden => [Field], outputs => [[0, 0]]}).
%% 3> cambrian_substrate:info(Substrate).
%% #{dimensions => 2,inputs => 9,outputs => 1,pairs => 90}
%% 4> cambrian_substrate:new(#{inputs => Field, outputs => [[0, 0, 0]]}).
%% {error,{invalid_substrate,<<"point 0 of layer 1: expected as many coordinates as the first, which has 2 of 1 to 3, each within ±1000000"/utf8>>}}
%% 5> Large = #{inputs => cambrian_substrate:grid([9999]), outputs => cambrian_substrate:grid([1001])}.
%% 6> {error, {invalid_substrate, Why}} = cambrian_substrate:new(Large).
%% 7> hd(binary:split(Why, <<",">>)).
%% <<"11000 nodes and 10008999 pairs of them to ask the CPPN for; expected at most 100000 and 10000000">>
%% 8> cambrian_substrate:new(#{inputs => Field, outputs => Field, weight_range => large}).
%% {error,{bad_option,{weight_range,large,<<"a number">>}}}
%% '''
-spec new(options()) -> {ok, substrate()} | {error, error()}.
new(Options) ->
    case cambrian_options:check(Options, options_table(), <<"type cambrian_substrate:options()">>) of
        {ok, #{threshold := Threshold, leo := true}} ->
            {error, {bad_option, {threshold, Threshold, <<"left out, as leo says what is connected">>}}};
        {ok, #{inputs := _, outputs := _, hidden := #{} = Quadtree}} when is_map_key(joins, Options) ->
            {error, {bad_option, {hidden, Quadtree, <<"layers, as there are joins">>}}};
        {ok, #{inputs := _, outputs := _, hidden := #{} = Quadtree}} ->
            case cambrian_options:check(Quadtree, quadtree_table(), <<"type cambrian_substrate:options()">>) of
                {ok, _} -> cambrian_nif:substrate_new(Options);
                Error -> Error
            end;
        {ok, #{inputs := _, outputs := _}} -> cambrian_nif:substrate_new(Options);
        {ok, _} -> {error, {missing_options, [inputs, outputs] -- maps:keys(Options)}};
        Error -> Error
    end.

options_table() ->
    Points = {fun is_points/1, <<"a list of points, which are lists of numbers">>},
    Activation = {fun is_atom/1, <<"the name of an activation">>},
    Number = {fun is_number_within_range/1, <<"a number">>},
    Boolean = {fun is_boolean/1, <<"a boolean">>},
    #{inputs => Points, outputs => Points,
      hidden => {fun(X) -> is_map(X) orelse is_list_of(fun is_points/1, X) end, <<"a list of layers of points, or a map">>},
      joins => {fun(X) -> is_list_of(fun is_join/1, X) end, <<"a list of pairs of layers, each from 0">>},
      activation => Activation, output_activation => Activation, weight_range => Number, threshold => Number,
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

%% @doc Points in regular order: the centres of the cells of a grid from -1 to 1, the first coordinate changing slowest.
%%
%% 1 to 3 sizes, for 100,000 points in all, or it raises `badarg'. A grid of other sizes covers the same space.
%%
%% ```
%% 1> cambrian_substrate:grid([2, 4]).
%% [[-0.5,-0.75],[-0.5,-0.25],[-0.5,0.25],[-0.5,0.75],[0.5,-0.75],[0.5,-0.25],[0.5,0.25],[0.5,0.75]]
%% '''
-spec grid([pos_integer()]) -> [point()].
grid(Sizes) -> cambrian_nif:substrate_grid(Sizes).

%% @doc Of the networks that it gives; `pairs' is the most connections that one can have.
%%
%% ```
%% 1> {ok, Substrate} = cambrian_substrate:new(#{inputs => cambrian_substrate:grid([5]), outputs => [[0]]}).
%% 2> cambrian_substrate:info(Substrate).
%% #{dimensions => 1,inputs => 5,outputs => 1,pairs => 5}
%% '''
-spec info(substrate()) -> #{dimensions := 1..3, inputs := pos_integer(), outputs := pos_integer(),
                             pairs := non_neg_integer()}.
info(Substrate) -> ?CHECKED(cambrian_nif:substrate_info(Substrate)).

%% @doc Of its CPPNs, as {@link cambrian_genotype:new/2} takes it.
%%
%% The inputs are the source's coordinates, the target's, their distance, and 1.0. The outputs are the weight, the
%% bias where the substrate has `bias', and where it has `leo' whether to connect.
%%
%% ```
%% 1> {ok, Substrate} = cambrian_substrate:new(#{inputs => [[-1, 0], [1, 0]], outputs => [[0, 1]], bias => true}).
%% 2> cambrian_substrate:shape(Substrate).
%% #{inputs => 6,outputs => 2}
%% '''
-spec shape(substrate()) -> #{inputs := pos_integer(), outputs := pos_integer()}.
shape(Substrate) -> ?CHECKED(cambrian_nif:substrate_shape(Substrate)).

%% @doc The network that a CPPN describes, as a genotype.
%%
%% A genotype of another shape than {@link shape/1} is an error. One of more than 1,000,000 connections can be compiled and run,
%% but is more than can be read from bytes or a map.
%%
%% ```
%% 1> Field = cambrian_substrate:grid([4, 4]).
%% 2> {ok, Substrate} = cambrian_substrate:new(#{inputs => Field, outputs => [[0, 0]], threshold => 0}).
%% 3> {ok, Cppn} = cambrian_genotype:new((cambrian_substrate:shape(Substrate))#{output_activation => tanh}, 7).
%% 4> {ok, Genotype} = cambrian_substrate:express(Substrate, Cppn).
%% 5> maps:with([inputs, outputs, connections], cambrian_genotype:info(Genotype)).
%% #{connections => 16,inputs => 16,outputs => 1}
%% 6> cambrian_substrate:express(Substrate, Genotype).
%% {error,{wrong_size,inputs,6,16}}
%% '''
-spec express(substrate(), cambrian_genotype:genotype()) ->
          {ok, cambrian_genotype:genotype()}
          | {error, {wrong_size, inputs | outputs, Expected :: pos_integer(), Got :: pos_integer()}}.
express(Substrate, Cppn) ->
    ?EITHER(cambrian_nif:substrate_express(Substrate, Cppn),
            cambrian_job:answer(fun(Tag) -> cambrian_nif:substrate_express_job(Tag, Substrate, Cppn) end)).

%% @private
-spec is_substrate(term()) -> boolean().
is_substrate(X) ->
    try is_map(shape(X)) catch error:badarg -> false end.
