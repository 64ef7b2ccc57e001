%% @doc The phenotype: a genotype compiled to run.
%%
%% Numbers go in as a list of numbers or as a little-endian 32-bit float binary (what
%% `Nx.to_binary/1' gives), and come out as they went in. They lie within plus and minus 1.0e12; every output is
%% finite. A network is an immutable value that any number of processes share without a lock.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> N = cambrian_network:compile(G).
%% 3> [Output] = cambrian_network:activate(N, [0.5, -1]).
%% '''
-module(cambrian_network).

-export([compile/1, info/1, activate/2, initial_state/1, step/3, activate_batch/2, activate_many/2]).
-export_type([network/0, state/0, numbers/0]).

-opaque network() :: reference().
%% What a recurrent network remembers from one step to the next: 32-bit floats, little-endian.
-type state() :: binary().
-type numbers() :: [number()] | binary().
-type error() :: {error, {wrong_size, inputs | memory, Expected :: non_neg_integer(), Got :: non_neg_integer()}
                       | {out_of_range, inputs | memory}}.

%% Long work goes to a dirty scheduler: the library says when.
-define(EITHER(Short, Dirty), case Short of dirty -> Dirty; Answer -> Answer end).

%% @doc Makes a genotype ready to run.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> cambrian_network:info(cambrian_network:compile(G)).
%% #{connections => 2,inputs => 2,memory => 0,outputs => 1}
%% '''
-spec compile(cambrian_genotype:genotype()) -> network().
compile(Genotype) ->
    ?EITHER(cambrian_nif:network_compile(Genotype),
            cambrian_nif:network_compile_dirty(Genotype)).

%% @doc `connections' counts the enabled ones, which are the work of a step; `memory' the numbers
%% that are carried from step to step, 0 for a feed-forward network.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Network = cambrian_network:compile(Recurrent).
%% 4> cambrian_network:info(Network).
%% #{connections => 2,inputs => 1,memory => 1,outputs => 1}
%% '''
-spec info(network()) -> #{inputs := pos_integer(), outputs := pos_integer(),
                           connections := non_neg_integer(), memory := non_neg_integer()}.
info(Network) -> cambrian_nif:network_info(Network).

%% @doc Outputs for inputs, from rest: a recurrent network starts with an empty memory.
%%
%% Inputs of another number, or beyond plus and minus 1.0e12, are an error; what is no number raises `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_network:activate(Network, [0.5, -1]).
%% [0.42891645431518555]
%% 4> cambrian_network:activate(Network, <<0.5:32/float-little, -1:32/float-little>>).
%% <<240,154,219,62>>
%% 5> cambrian_network:activate(Network, [0.5]).
%% {error,{wrong_size,inputs,2,1}}
%% '''
-spec activate(network(), numbers()) -> numbers() | error().
activate(Network, Inputs) ->
    ?EITHER(cambrian_nif:network_activate(Network, Inputs),
            cambrian_nif:network_activate_dirty(Network, Inputs)).

%% @doc An empty memory: four bytes for each number that is carried, none for a feed-forward network.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Network = cambrian_network:compile(Recurrent).
%% 4> cambrian_network:initial_state(Network).
%% <<0,0,0,0>>
%% '''
-spec initial_state(network()) -> state().
initial_state(Network) -> cambrian_nif:network_initial_state(Network).

%% @doc One tick: forward connections carry this tick's values, recurrent ones the last tick's.
%%
%% Errors are those of {@link activate/2}, and `memory' of another size.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Network = cambrian_network:compile(Recurrent).
%% 4> {[First], State} = cambrian_network:step(Network, cambrian_network:initial_state(Network), [1]).
%% 5> {[Second], _} = cambrian_network:step(Network, State, [1]).
%% 6> {First, Second}.
%% {0.7048538327217102,0.8146589398384094}
%% '''
-spec step(network(), state(), numbers()) -> {Outputs :: numbers(), state()} | error().
step(Network, State, Inputs) ->
    ?EITHER(cambrian_nif:network_step(Network, State, Inputs),
            cambrian_nif:network_step_dirty(Network, State, Inputs)).

%% @doc Many inputs through one network, each from rest: a list of inputs gives a list of
%% outputs, one binary of all inputs in a row gives one binary of all outputs.
%%
%% One input that is an error makes the answer that error.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_network:activate_batch(Network, [[0, 0], [0, 1], [1, 0], [1, 1]]).
%% [[0.5],[0.6729445457458496],[0.7048538327217102],[0.8309047818183899]]
%% '''
-spec activate_batch(network(), [numbers()] | binary()) -> [numbers()] | binary() | error().
activate_batch(Network, Batch) -> cambrian_nif:network_activate_batch(Network, Batch).

%% @doc Many networks, each with an input of its own, from rest. As many inputs as networks, or it raises `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_network:activate_many([Network, Network], [[0, 0], [0.5, -1]]).
%% [[0.5],[0.42891645431518555]]
%% '''
-spec activate_many([network()], [numbers()]) -> [numbers()] | error().
activate_many(Networks, Inputs) -> cambrian_nif:network_activate_many(Networks, Inputs).
