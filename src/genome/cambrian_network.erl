%% @doc Compiles genotypes to networks (phenotypes), and runs them.
%%
%% Inputs are a list of numbers or a binary of little-endian 32-bit floats (as `Nx.to_binary/1'
%% gives); outputs have the same form as the inputs. Inputs lie within plus and minus 1.0e12, and
%% every output is finite. A network is an immutable value that any number of processes share
%% without a lock.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> N = cambrian_network:compile(G).
%% 3> [Output] = cambrian_network:activate(N, [0.5, -1]).
%% '''
%%
%% The memory of a network is also a value, its state, which {@link step/3} takes and returns. It
%% has the values that recurrent connections carry from the last step, the states of nodes with
%% dynamics, and the changes that plastic nodes made to their weights. So a network learns while it
%% runs, and its genotype does not change:
%%
%% ```
%% 1> Options = #{inputs => 1, outputs => 1, output_activation => identity}.
%% 2> {ok, G} = cambrian_genotype:new(Options, 7).
%% 3> #{nodes := [In, Out], connections := [C]} = Genes = cambrian_genotype:to_map(G).
%% 4> Hebbian = Out#{plasticity := hebbian, learning_rate := 0.5}.
%% 5> {ok, Learner} = cambrian_genotype:from_map(
%%        Genes#{nodes := [In, Hebbian], connections := [C#{weight := 1}]}).
%% 6> N = cambrian_network:compile(Learner).
%% 7> {[First], State} = cambrian_network:step(N, cambrian_network:initial_state(N), [1]).
%% 8> {[Second], State1} = cambrian_network:step(N, State, [1]).
%% 9> {[Third], _} = cambrian_network:step(N, State1, [1]).
%% 10> {First, Second, Third}.
%% {1.0,1.5,2.25}
%% 11> <<Learnt:32/float-little>> = State1.
%% 12> Learnt.
%% 1.25
%% 13> cambrian_network:activate(N, [1]).
%% [1.0]
%% '''
-module(cambrian_network).

-include("cambrian_nif_call.hrl").

-export([normalisation_term/1, is_normalisation/1]).
-export([compile/1, normalise/2, info/1, activate/2, initial_state/1, step/3, reward/3,
         activate_batch/2, activate_many/2, step_many/3]).
-export_type([network/0, state/0, numbers/0, normalisation/0]).

-opaque network() :: reference().
-type state() :: binary().
%% The memory of a network from one step to the next: 32-bit floats, little-endian.

-type numbers() :: [number()] | binary().
%% A number for each input, or for each output: a list, or a binary with four bytes for each.

-type normalisation() :: #{means := numbers(), factors := numbers()}.
%% For each input, a mean to subtract and then a factor; the product is cut off at 10 and -10.

-type error() :: {error, {wrong_size, inputs | memory | normalisation,
                          Expected :: non_neg_integer(), Got :: non_neg_integer()}
                       | {out_of_range, inputs | memory | normalisation | reward}
                       | {not_enough_memory, Wanted :: pos_integer(), Allowed :: pos_integer()}}.

%% @doc Compiles a genotype to a network.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> cambrian_network:info(cambrian_network:compile(G)).
%% #{connections => 2,inputs => 2,memory => 0,outputs => 1}
%% '''
-spec compile(cambrian_genotype:genotype()) -> network().
compile(Genotype) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:network_compile(Genotype),
                     cambrian_nif:network_compile_dirty(Genotype)).

%% @doc Makes the same network for inputs that are not normalised: it normalises them first. With
%% `none' it normalises none.
%%
%% A population whose task has the setting `normalise' gives its champion a normalisation. Numbers
%% are rounded to 32 bits.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Plain = cambrian_network:compile(G).
%% 3> Network = cambrian_network:normalise(Plain, #{means => [4, 100], factors => [2, 0.5]}).
%% 4> cambrian_network:activate(Network, [5, 98]) =:= cambrian_network:activate(Plain, [2, -1]).
%% true
%% 5> cambrian_network:normalise(Plain, #{means => [4], factors => [2]}).
%% {error,{wrong_size,normalisation,2,1}}
%% '''
-spec normalise(network(), normalisation() | none) -> network() | error().
normalise(Network, Normalisation) ->
    ?EXPLAIN_BADARG(cambrian_nif:network_normalise(Network, normalisation_term(Normalisation))).

%% @private Whether a term has the form of a normalisation. The library checks how many numbers
%% there are, and how large they are.
-spec is_normalisation(term()) -> boolean().
is_normalisation(#{means := Means, factors := Factors} = Normalisation) ->
    map_size(Normalisation) =:= 2 andalso are_numbers(Means) andalso are_numbers(Factors);
is_normalisation(_) -> false.

are_numbers(List) when length(List) >= 0 -> lists:all(fun is_number/1, List);
are_numbers(Numbers) -> is_binary(Numbers) andalso byte_size(Numbers) rem 4 =:= 0.

%% @private In the form that the library takes.
-spec normalisation_term(term()) -> term().
normalisation_term(#{means := Means, factors := Factors} = Normalisation)
  when map_size(Normalisation) =:= 2 -> {Means, Factors};
normalisation_term(Other) -> Other.

%% @doc Counts inputs, outputs, connections and memory numbers.
%%
%% `connections' counts the enabled connections, which are the work of a step. `memory' counts the
%% numbers in a state: 0 for a feed-forward network whose nodes have neither dynamics nor
%% plasticity.
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
info(Network) -> ?EXPLAIN_BADARG(cambrian_nif:network_info(Network)).

%% @doc Computes the outputs for inputs, from rest: one step with an empty memory.
%%
%% The wrong number of inputs, or an input beyond plus and minus 1.0e12, is an error; an input that
%% is not a number raises `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1, initial_weight => 0}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_network:activate(Network, [0.5, -1]).
%% [0.5]
%% 4> Inputs = <<0.5:32/float-little, -1:32/float-little>>.
%% 5> <<Y:32/float-little>> = cambrian_network:activate(Network, Inputs).
%% 6> Y.
%% 0.5
%% 7> cambrian_network:activate(Network, [0.5]).
%% {error,{wrong_size,inputs,2,1}}
%% '''
-spec activate(network(), numbers()) -> numbers() | error().
activate(Network, Inputs) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:network_activate(Network, Inputs),
                     cambrian_nif:network_activate_dirty(Network, Inputs)).

%% @doc Makes the state of a network at rest: four bytes for each memory number.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Network = cambrian_network:compile(Recurrent).
%% 4> cambrian_network:initial_state(Network).
%% <<0,0,0,0>>
%% '''
-spec initial_state(network()) -> state().
initial_state(Network) -> ?EXPLAIN_BADARG(cambrian_nif:network_initial_state(Network)).

%% @doc Runs one step. Forward connections carry the values of this step, recurrent connections the
%% values of the last step.
%%
%% Errors are those of {@link activate/2}, and `wrong_size' for a `memory' of the wrong size.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Network = cambrian_network:compile(Recurrent).
%% 4> Rest = cambrian_network:initial_state(Network).
%% 5> {[First], State} = cambrian_network:step(Network, Rest, [1]).
%% 6> {[Second], _} = cambrian_network:step(Network, State, [1]).
%% 7> First =:= Second.
%% false
%% '''
-spec step(network(), state(), numbers()) -> {Outputs :: numbers(), state()} | error().
step(Network, State, Inputs) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:network_step(Network, State, Inputs),
                     cambrian_nif:network_step_dirty(Network, State, Inputs)).

%% @doc Sets the reward in a state, within plus and minus 1.0e12.
%%
%% Nodes whose plasticity is `reward' learn from it at every step, until you set another reward. The
%% reward is 0 at rest. A network without such nodes ignores it.
%%
%% ```
%% 1> Options = #{inputs => 1, outputs => 1, output_activation => identity}.
%% 2> {ok, G} = cambrian_genotype:new(Options, 7).
%% 3> #{nodes := [In, Out], connections := [C]} = Genes = cambrian_genotype:to_map(G).
%% 4> Plastic = Out#{plasticity := reward, learning_rate := 0.5}.
%% 5> {ok, Learner} = cambrian_genotype:from_map(
%%        Genes#{nodes := [In, Plastic], connections := [C#{weight := 1}]}).
%% 6> N = cambrian_network:compile(Learner).
%% 7> {[First], State} = cambrian_network:step(N, cambrian_network:initial_state(N), [1]).
%% 8> {[Second], State1} = cambrian_network:step(N, cambrian_network:reward(N, State, 1), [1]).
%% 9> {[Third], _} = cambrian_network:step(N, State1, [1]).
%% 10> {First, Second, Third}.
%% {1.0,1.0,1.5}
%% '''
-spec reward(network(), state(), number()) -> state() | error().
reward(Network, State, Reward) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:network_reward(Network, State, Reward),
                     cambrian_nif:network_reward_dirty(Network, State, Reward)).

%% @doc Runs one network on many samples, each from rest.
%%
%% A list of samples gives a list of outputs; one binary with the samples one after the other gives
%% one binary of all outputs. If one sample is an error, the answer is that error. If inputs and
%% outputs together need more bytes than the application's `memory_limit', or than are free, the
%% answer is `{error, {not_enough_memory, Wanted, Allowed}}', here and in the other functions for
%% many samples or networks.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> Inputs = [[0, 0], [0, 1], [1, 0], [1, 1]].
%% 4> Outputs = cambrian_network:activate_batch(Network, Inputs).
%% 5> Outputs =:= [cambrian_network:activate(Network, Input) || Input <- Inputs].
%% true
%% '''
-spec activate_batch(network(), [numbers()] | binary()) -> [numbers()] | binary() | error().
activate_batch(Network, Batch) ->
    Job = fun(Tag) -> cambrian_nif:network_activate_batch_job(Tag, Network, Batch) end,
    ?NORMAL_OR_DIRTY(cambrian_nif:network_activate_batch(Network, Batch),
                     cambrian_job:answer(Job)).

%% @doc Runs many networks, each on a sample of its own, from rest.
%%
%% Lists of different lengths are a `wrong_size' of `inputs'. If one sample is an error, the answer
%% is that error.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> Outputs = cambrian_network:activate_many([Network, Network], [[0, 0], [0.5, -1]]).
%% 4> Outputs =:= cambrian_network:activate_batch(Network, [[0, 0], [0.5, -1]]).
%% true
%% '''
-spec activate_many([network()], [numbers()]) -> [numbers()] | error().
activate_many(Networks, Inputs) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:network_activate_many(Networks, Inputs),
                     cambrian_nif:network_activate_many_dirty(Networks, Inputs)).

%% @doc Runs one step of many networks, each with its own state and inputs, so that a population
%% runs in lock-step.
%%
%% Lists of different lengths are a `wrong_size' of `memory' or `inputs'. Other errors are those of
%% {@link step/3}, for the first network that has one.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Networks = [cambrian_network:compile(Genotype) || Genotype <- [G, Recurrent]].
%% 4> States = lists:map(fun cambrian_network:initial_state/1, Networks).
%% 5> {Outputs, Next} = lists:unzip(cambrian_network:step_many(Networks, States, [[1], [1]])).
%% 6> [byte_size(State) || State <- Next].
%% [0,4]
%% '''
-spec step_many([network()], [state()], [numbers()]) -> [{Outputs :: numbers(), state()}] | error().
step_many(Networks, States, Inputs) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:network_step_many(Networks, States, Inputs),
                     cambrian_nif:network_step_many_dirty(Networks, States, Inputs)).
