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
%%
%% What a network remembers is a value too, its state, which {@link step/3} takes and gives back: last step's values
%% of nodes that feed recurrent connections, the states of nodes with dynamics, and what the weights of plastic nodes
%% have learnt. So a network learns while it runs, and its genotype stays as it is:
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1, output_activation => identity}, 7).
%% 2> #{nodes := [In, Out], connections := [C]} = Genes = cambrian_genotype:to_map(G).
%% 3> Hebbian = Out#{plasticity := hebbian, learning_rate := 0.5}.
%% 4> {ok, Learner} = cambrian_genotype:from_map(Genes#{nodes := [In, Hebbian], connections := [C#{weight := 1}]}).
%% 5> N = cambrian_network:compile(Learner).
%% 6> {[First], State} = cambrian_network:step(N, cambrian_network:initial_state(N), [1]).
%% 7> {[Second], State1} = cambrian_network:step(N, State, [1]).
%% 8> {[Third], _} = cambrian_network:step(N, State1, [1]).
%% 9> {First, Second, Third}.
%% {1.0,1.5,2.25}
%% 10> <<Learnt:32/float-little>> = State1.
%% 11> Learnt.
%% 1.25
%% 12> cambrian_network:activate(N, [1]).
%% [1.0]
%% '''
-module(cambrian_network).

-export([compile/1, info/1, activate/2, initial_state/1, step/3, reward/3,
         activate_batch/2, activate_many/2, step_many/3]).
-export_type([network/0, state/0, numbers/0]).

-opaque network() :: reference().
-type state() :: binary().
%% What a network remembers from one step to the next: 32-bit floats, little-endian.

-type numbers() :: [number()] | binary().
%% One for each input, or each output, in a list or in four bytes each.

-type error() :: {error, {wrong_size, inputs | memory, Expected :: non_neg_integer(), Got :: non_neg_integer()}
                       | {out_of_range, inputs | memory | reward}
                       | {not_enough_memory, Wanted :: pos_integer(), Allowed :: pos_integer()}}.

%% Long work goes to a dirty scheduler: the library says when.
-define(EITHER(Short, Dirty),
        try Short of dirty -> Dirty; Answer -> Answer catch error:badarg:Stack -> cambrian_badarg:raise(Stack) end).
-define(CHECKED(Call), try Call catch error:badarg:Stack -> cambrian_badarg:raise(Stack) end).

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

%% @doc Sizes. `connections' counts the enabled ones, which are the work of a step; `memory' the numbers that are carried
%% from step to step, 0 for a feed-forward network whose nodes have neither dynamics nor plasticity.
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
info(Network) -> ?CHECKED(cambrian_nif:network_info(Network)).

%% @doc Outputs for inputs, from rest: one step with an empty memory.
%%
%% Inputs of another number, or beyond plus and minus 1.0e12, are an error; what is no number raises `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1, initial_weight => 0}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_network:activate(Network, [0.5, -1]).
%% [0.5]
%% 4> <<Y:32/float-little>> = cambrian_network:activate(Network, <<0.5:32/float-little, -1:32/float-little>>).
%% 5> Y.
%% 0.5
%% 6> cambrian_network:activate(Network, [0.5]).
%% {error,{wrong_size,inputs,2,1}}
%% '''
-spec activate(network(), numbers()) -> numbers() | error().
activate(Network, Inputs) ->
    ?EITHER(cambrian_nif:network_activate(Network, Inputs),
            cambrian_nif:network_activate_dirty(Network, Inputs)).

%% @doc An empty memory: four bytes for each number that is carried.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 7).
%% 2> {ok, Recurrent} = cambrian_genotype:mutate(G, add_recurrent, 8).
%% 3> Network = cambrian_network:compile(Recurrent).
%% 4> cambrian_network:initial_state(Network).
%% <<0,0,0,0>>
%% '''
-spec initial_state(network()) -> state().
initial_state(Network) -> ?CHECKED(cambrian_nif:network_initial_state(Network)).

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
%% 6> First =:= Second.
%% false
%% '''
-spec step(network(), state(), numbers()) -> {Outputs :: numbers(), state()} | error().
step(Network, State, Inputs) ->
    ?EITHER(cambrian_nif:network_step(Network, State, Inputs),
            cambrian_nif:network_step_dirty(Network, State, Inputs)).

%% @doc Tells a network how good it was, within plus and minus 1.0e12: nodes whose plasticity is `reward' learn from it
%% at every step until it is told another value. It is 0 at rest; a network without such nodes takes no notice.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 1, outputs => 1, output_activation => identity}, 7).
%% 2> #{nodes := [In, Out], connections := [C]} = Genes = cambrian_genotype:to_map(G).
%% 3> Willing = Out#{plasticity := reward, learning_rate := 0.5}.
%% 4> {ok, Learner} = cambrian_genotype:from_map(Genes#{nodes := [In, Willing], connections := [C#{weight := 1}]}).
%% 5> N = cambrian_network:compile(Learner).
%% 6> {[First], State} = cambrian_network:step(N, cambrian_network:initial_state(N), [1]).
%% 7> {[Second], State1} = cambrian_network:step(N, cambrian_network:reward(N, State, 1), [1]).
%% 8> {[Third], _} = cambrian_network:step(N, State1, [1]).
%% 9> {First, Second, Third}.
%% {1.0,1.0,1.5}
%% '''
-spec reward(network(), state(), number()) -> state() | error().
reward(Network, State, Reward) ->
    ?EITHER(cambrian_nif:network_reward(Network, State, Reward),
            cambrian_nif:network_reward_dirty(Network, State, Reward)).

%% @doc Many inputs through one network, each from rest: a list of inputs gives a list of
%% outputs, one binary of all inputs in a row gives one binary of all outputs.
%%
%% In a binary, the first input has its numbers first. One input that is an error makes the answer that error. Where inputs and
%% outputs together would take more bytes than the application's `memory_limit', or than there are, the answer is
%% `{error, {not_enough_memory, Wanted, Allowed}}'; the same goes for the other functions that take many.
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
    ?EITHER(cambrian_nif:network_activate_batch(Network, Batch),
            cambrian_job:answer(fun(Tag) -> cambrian_nif:network_activate_batch_job(Tag, Network, Batch) end)).

%% @doc Many networks, each with an input of its own, from rest.
%%
%% Two lists of the same length, or `inputs' are of the wrong size; one input that is an error makes the answer that error.
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
    ?EITHER(cambrian_nif:network_activate_many(Networks, Inputs),
            cambrian_nif:network_activate_many_dirty(Networks, Inputs)).

%% @doc A step of many networks, each with a state and an input of its own: a population that lives in lock-step.
%%
%% Three lists of the same length, or `memory' or `inputs' are of the wrong size; errors are those of {@link step/3}, of the
%% first that has one.
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
    ?EITHER(cambrian_nif:network_step_many(Networks, States, Inputs),
            cambrian_nif:network_step_many_dirty(Networks, States, Inputs)).
