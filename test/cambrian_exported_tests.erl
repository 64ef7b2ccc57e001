%% Exported source code: a compiler builds it, and the program runs.
-module(cambrian_exported_tests).
-include_lib("eunit/include/eunit.hrl").

%% A network runs in Cambrian for some steps; then the exported program continues from its state.
an_exported_program_in_c_continues_from_the_state_of_the_network_test_() ->
    {timeout, 60, fun() ->
        Genotype = learner(),
        Network = cambrian_network:compile(Genotype),
        _ = rand:seed(exsss, 1),
        Course = [floats([rand:normal(), rand:normal()]) || _ <- lists:seq(1, 100)],
        {Earlier, Later} = lists:split(40, Course),
        {_, State} = run(Network, cambrian_network:initial_state(Network), Earlier),
        Told = cambrian_network:reward(Network, State, 0.5),
        {Outputs, Last} = run(Network, Told, Later),
        ?assertNotEqual(Told, Last),
        ?assertEqual(iolist_to_binary([Outputs, Last]), program(Genotype, [State, Later]))
    end}.

%% A recurrent genotype with neurons that keep a state and weights that learn from reward.
learner() ->
    {ok, First} = cambrian_genotype:new(#{inputs => 2, outputs => 1, output_activation => tanh}, 7),
    {ok, Grown} = cambrian_genotype:mutate(First, add_node, 8),
    {ok, Recurrent} = cambrian_genotype:mutate(Grown, add_recurrent, 9),
    #{nodes := Nodes} = Map = cambrian_genotype:to_map(Recurrent),
    Learns =
        #{plasticity => reward, learning_rate => 0.3, decay => 0.5, dynamics => ltc,
          time_constant => 2.0},
    Change = fun(#{kind := input} = Node) -> Node; (Node) -> maps:merge(Node, Learns) end,
    {ok, Genotype} = cambrian_genotype:from_map(Map#{nodes := lists:map(Change, Nodes)}),
    Genotype.

run(Network, State, Course) ->
    lists:mapfoldl(fun(Inputs, S) -> cambrian_network:step(Network, S, Inputs) end, State, Course).

program(Genotype, Input) ->
    Dir = filename:join([code:lib_dir(cambrian), "exported"]),
    [In, Out, Program, Main] = Files =
        [filename:join(Dir, Name) || Name <- ["in", "out", "program", "main.c"]],
    File = filename:join(Dir, "pole.c"),
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, cambrian_genotype:to_c(Genotype, #{name => <<"pole">>})),
    ok = file:write_file(In, Input),
    ok = file:write_file(Main, [
        "#include <stdio.h>\n#include \"pole.c\"\n"
        "int main(void) {\n"
        "    struct pole_network network;\n"
        "    float inputs[POLE_INPUTS], outputs[POLE_OUTPUTS];\n"
        "    pole_init(&network);\n"
        "    if (fread(pole_memory(&network), 4, POLE_MEMORY, stdin) != POLE_MEMORY) return 1;\n"
        "    pole_reward(&network, 0.5f);\n"
        "    while (fread(inputs, 4, POLE_INPUTS, stdin) == POLE_INPUTS) {\n"
        "        pole_step(&network, inputs, outputs);\n"
        "        fwrite(outputs, 4, POLE_OUTPUTS, stdout);\n"
        "    }\n"
        "    fwrite(pole_memory(&network), 4, POLE_MEMORY, stdout);\n"
        "    return 0;\n"
        "}\n"]),
    Command =
        io_lib:format("cc -std=c99 -O2 ~ts -o ~ts && ~ts <~ts >~ts",
                      [Main, Program, Program, In, Out]),
    ?assertEqual("", os:cmd(lists:flatten(Command))),
    {ok, Written} = file:read_file(Out),
    [ok = file:delete(Path) || Path <- [File | Files]],
    Written.

floats(Numbers) -> << <<X:32/float-little>> || X <- Numbers >>.

a_hostile_name_is_refused_in_exported_code_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Hostile =
        [<<>>, <<"*/ int x; /*">>, <<"a\nb">>, <<"a b">>, <<"a;">>, <<"A">>, <<"1a">>, <<"_a">>,
         <<"fn">>, <<"a\\">>,
         <<"a", 0>>, <<255>>, <<"é"/utf8>>, binary:copy(<<"a">>, 33), pole, "pole", 1],
    [?assertMatch({error, {bad_option, {name, Name, <<_/binary>>}}}, To(G, #{name => Name}))
     || Name <- Hostile, To <- [fun cambrian_genotype:to_c/2, fun cambrian_genotype:to_rust/2]],
    ?assertMatch({error, {unknown_option, prefix, _}},
                 cambrian_genotype:to_c(G, #{prefix => <<"a">>})),
    ?assertEqual(cambrian_genotype:to_c(G), cambrian_genotype:to_c(G, #{})),
    ?assertEqual(cambrian_genotype:to_rust(G),
                 cambrian_genotype:to_rust(G, #{name => <<"cambrian">>})).

a_normalisation_of_another_size_or_form_is_refused_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Exports = [fun cambrian_genotype:to_json/2, fun cambrian_genotype:to_c/2,
               fun cambrian_genotype:to_rust/2, fun cambrian_genotype:to_onnx/2],
    Refused = fun(Normalisation, Error) ->
                  [?assertMatch({error, Reason} when element(1, Reason) =:= Error,
                                Export(G, #{normalisation => Normalisation}))
                   || Export <- Exports]
              end,
    Refused(#{means => [1], factors => [1]}, wrong_size),
    Refused(#{means => [1, 1], factors => [1, 1.0e20]}, out_of_range),
    [Refused(Bad, bad_option) || Bad <- [[], #{means => [1, 2]}, #{means => a, factors => [1, 2]},
                                         #{means => [1 | 2], factors => [1, 2]}]].

json_with_a_normalisation_is_read_as_the_same_genotype_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7),
    Options = #{normalisation => #{means => [1, 2], factors => [0.1, 4]}},
    {ok, Same} = cambrian_genotype:from_json(cambrian_genotype:to_json(G, Options)),
    ?assertEqual(cambrian_genotype:id(G), cambrian_genotype:id(Same)).

%% A dirty scheduler writes the ten thousand connections.
a_large_network_is_exported_on_a_dirty_scheduler_test() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 100, outputs => 100}, 7),
    ?assertEqual(dirty, cambrian_nif:genotype_to_c(G, none, <<"a">>)),
    [?assert(byte_size(Export) > 10_000)
     || Export <- [cambrian_genotype:to_c(G), cambrian_genotype:to_rust(G),
                   cambrian_genotype:to_onnx(G)]].
