#!/usr/bin/env escript
%% Writes networks as ONNX models, each with a course of random inputs and with what
%% cambrian_network makes of it: write.escript DIRECTORY. Of model NAME.onnx the files NAME.inputs,
%% .states, .outputs and .next_states have a row of 32-bit floats for each tick, and NAME.tender a
%% byte: whether last bits of numbers decide in this tick.
-mode(compile).

%% Lives of so many ticks, each from rest.
-define(LIVES, 10).
-define(TICKS, 20).

main([Directory]) ->
    {ok, _} = application:ensure_all_started(cambrian),
    _ = rand:seed(exsss, 1),
    Networks = champions() ++ random(),
    complete(Networks),
    [write(filename:join(Directory, Name), Genotype, normalisation(Genotype))
     || {Name, Genotype} <- Networks],
    io:format("~b models~n", [length(Networks)]).

%% What has been evolved: feed-forward, recurrent, plastic.
champions() ->
    [{"champion_" ++ atom_to_list(Task), champion(Task)} || Task <- ['xor', double_pole_novel]]
    ++ [{"champion_t_maze", champion(t_maze)}].

champion(Task) ->
    {ok, #{champion := Genotype}} =
        cambrian:evolve(Task, #{seed => 1, timeout => 60_000, generations => 100}),
    Genotype.

%% Grown by mutation, with each gene of each node drawn anew: of sums and activations alone, and of
%% everything.
random() ->
    [{lists:flatten(io_lib:format("~ts_~b", [Kind, Nth])), random(Kind, Nth)}
     || Kind <- [forward, recurrent, everything], Nth <- lists:seq(1, 40)].

random(Kind, Nth) ->
    Sizes = #{inputs => rand:uniform(5), outputs => rand:uniform(3)},
    {ok, First} = cambrian_genotype:new(Sizes, Nth),
    Operators = [add_node, add_connection] ++ [add_recurrent || Kind =/= forward],
    Grown =
        lists:foldl(fun grow/2, First, [pick(Operators) || _ <- lists:seq(1, rand:uniform(60))]),
    #{nodes := Nodes, connections := Connections} = Map = cambrian_genotype:to_map(Grown),
    {ok, Genotype} = cambrian_genotype:from_map(Map#{
        nodes := [node(Kind, Node) || Node <- Nodes],
        connections := [C#{weight := rand:normal(), enabled := rand:uniform(10) > 1}
                        || C <- Connections]}),
    Genotype.

grow(Operator, Genotype) ->
    case cambrian_genotype:mutate(Genotype, Operator, rand:uniform(1 bsl 32)) of
        {ok, Grown} -> Grown;
        {error, not_applicable} -> Genotype
    end.

node(_, #{kind := input} = Node) -> Node;
node(Kind, Node) ->
    #{activation := Activations} = Choices = cambrian_genotype:choices(),
    Static =
        Node#{bias := rand:normal(), gain := 0.5 * rand:normal(), activation := pick(Activations)},
    maps:merge(Static, special(Kind, Choices)).

special(everything,
        #{aggregation := Aggregations, dynamics := Dynamics, plasticity := Plasticities}) ->
    #{aggregation => pick(Aggregations), dynamics => pick(Dynamics),
      plasticity => pick(Plasticities),
      time_constant => 0.2 + 5 * rand:uniform(), learning_rate => 0.06 * rand:uniform() - 0.03,
      decay => rand:uniform()};
special(_, _) -> #{}.

pick(List) -> lists:nth(rand:uniform(length(List)), List).

%% Every choice there is has been made.
complete(Networks) ->
    Nodes =
        lists:append([maps:get(nodes, cambrian_genotype:to_map(Genotype))
                      || {_, Genotype} <- Networks]),
    [] = [{Gene, Choice}
          || {Gene, Choices} <- maps:to_list(cambrian_genotype:choices()), Choice <- Choices,
                            not lists:any(fun(Node) -> maps:get(Gene, Node, none) =:= Choice end,
                                          Nodes)].

%% Every other one normalises its inputs, with numbers of a stream of their own.
normalisation(Genotype) ->
    #{inputs := Inputs} = cambrian_genotype:info(Genotype),
    Hash = erlang:phash2(cambrian_genotype:id(Genotype)),
    {Numbers, _} = lists:mapfoldl(fun(_, State) -> rand:uniform_s(State) end,
                                  rand:seed_s(exsss, Hash), lists:seq(1, 2 * Inputs)),
    {Means, Factors} = lists:split(Inputs, Numbers),
    case Hash rem 2 of 0 -> none; 1 -> #{means => Means, factors => Factors} end.

write(Path, Genotype, Normalisation) ->
    Compile = fun(G) -> cambrian_network:normalise(cambrian_network:compile(G), Normalisation) end,
    Network = Compile(Genotype),
    Twins = [Compile(twin(Genotype)) || _ <- lists:seq(1, 8)],
    #{inputs := Inputs} = cambrian_network:info(Network),
    Rows = lists:append([live(Network, Twins, Inputs) || _ <- lists:seq(1, ?LIVES)]),
    Columns = ["inputs", "states", "outputs", "next_states", "tender"],
    Model = cambrian_genotype:to_onnx(Genotype, #{normalisation => Normalisation}),
    ok = file:write_file(Path ++ ".onnx", Model),
    [ok = file:write_file(Path ++ "." ++ Column, [element(Nth, Row) || Row <- Rows])
     || {Nth, Column} <- lists:zip(lists:seq(1, length(Columns)), Columns)].

live(Network, Twins, Inputs) ->
    Course =
        [floats([pick([1, 1, 3]) * rand:normal() || _ <- lists:seq(1, Inputs)])
         || _ <- lists:seq(1, ?TICKS)],
    {Rows, _} = lists:mapfoldl(fun(Row, State) -> tick(Network, Twins, Row, State) end,
                               cambrian_network:initial_state(Network), Course),
    Rows.

tick(Network, Twins, Inputs, Before) ->
    State = cambrian_network:reward(Network, Before, pick([0, 0, 1, -1])),
    {Outputs, Next} = cambrian_network:step(Network, State, Inputs),
    Others = [cambrian_network:step(Twin, nudged(State), nudged(Inputs)) || Twin <- Twins],
    Tender = large(State) orelse
        lists:any(fun({Y, S}) -> far(Y, Outputs) orelse far(S, Next) end, Others),
    {{Inputs, State, Outputs, Next, [case Tender of true -> 1; false -> 0 end]}, Next}.

%% The same genotype but for the last bits of its numbers: a sum in another order is the sum of
%% such.
twin(Genotype) ->
    #{nodes := Nodes, connections := Connections} = Map = cambrian_genotype:to_map(Genotype),
    {ok, Twin} = cambrian_genotype:from_map(Map#{
        nodes := [maps:map(fun(Gene, X) ->
            case lists:member(Gene, [bias, gain]) of true -> nudge(X); false -> X end end,
                           Node) || Node <- Nodes],
        connections := [C#{weight := nudge(W)} || #{weight := W} = C <- Connections]}),
    Twin.

nudge(X) -> X * (1 + 3.0e-7 * (2 * rand:uniform() - 1)).

%% Within what a network takes.
nudged(Numbers) -> floats([max(-1.0e12, min(nudge(X), 1.0e12)) || X <- numbers(Numbers)]).

%% A difference that only a step, or an amplifier, makes of that.
far(A, B) ->
    lists:any(fun({X, Y}) -> abs(X - Y) > 5.0e-6 * max(1, abs(Y)) end,
              lists:zip(numbers(A), numbers(B))).

%% A weight of this size makes 0.03 of the error of 3.0e-7 that a sigmoid has where it is nearly 0.
large(State) -> lists:any(fun(X) -> abs(X) > 1.0e5 end, numbers(State)).

numbers(Binary) -> [X || <<X:32/float-little>> <= Binary].
floats(Numbers) -> << <<X:32/float-little>> || X <- Numbers >>.
