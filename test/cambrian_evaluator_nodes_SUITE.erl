%% Tasks like those of cambrian_evaluator_SUITE on nodes that come and go.
-module(cambrian_evaluator_nodes_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).
-import(cambrian_misdeeds, [each/2, expected_scores/0, genotypes/1, lines/0, logged/1, misdeeds/0,
                            population_at_work/1, round/2, start/2, stop/1, together/2]).

all() ->
    [several_nodes_find_the_champion_of_one_node, a_node_that_halts_changes_no_result,
     a_node_with_other_code_is_left_out, a_node_without_a_module_of_the_task_is_left_out,
     a_node_with_another_version_of_cambrian_is_left_out, a_node_that_is_not_connected_is_left_out,
     a_node_that_forges_results_is_left_out, a_node_that_reconnects_is_used_again,
     a_slow_node_gets_less_work, a_batch_gives_the_same_scores_on_several_nodes,
     a_task_in_rust_gives_the_same_champion_on_several_nodes,
     a_fault_on_another_node_costs_only_its_network,
     a_killed_population_leaves_no_process_on_any_node].

init_per_testcase(_, Config) -> [{nodes, cambrian_peers:start([one, two, three])} | Config].

end_per_testcase(_, Config) ->
    _ = [try peer:stop(Peer) catch exit:_ -> halted end
         || {Peer, _} <- proplists:get_value(nodes, Config)],
    ok.

%% Runs a function of this module on the first node, with the names of the others.
there(Function, Config) -> there(Function, [], Config).
there(Function, Arguments, Config) ->
    [{One, _} | Others] = proplists:get_value(nodes, Config),
    peer:call(One, ?MODULE, Function, [[Node || {_, Node} <- Others] | Arguments], 300_000).

%% Each evaluation passes a gate, which tells the observer its node and can keep all evaluations
%% waiting.
fitness(Gate) ->
    fun(Network) ->
        enter(Gate),
        [A, B] = [hd(cambrian_network:activate(Network, [X, 1 - X])) || X <- [0.1, 0.9]],
        lists:foreach(fun(I) -> cambrian_network:activate(Network, [0.5, I]) end,
                      lists:seq(1, 100)),
        A - B
    end.

enter(Gate) ->
    Ref = make_ref(),
    Gate ! {enter, Ref, self()},
    receive Ref -> ok end.

gate() ->
    Observer = self(),
    spawn_link(fun() -> open_gate(Observer) end).

open_gate(Observer) ->
    receive
        {enter, Ref, Pid} -> Observer ! {did, node(Pid)}, Pid ! Ref, open_gate(Observer);
        close -> closed_gate(Observer, [])
    end.

closed_gate(Observer, Waiting) ->
    receive
        {enter, Ref, Pid} -> Observer ! {did, node(Pid)},
        closed_gate(Observer, [{Ref, Pid} | Waiting]);
        open -> _ = [Pid ! Ref || {Ref, Pid} <- Waiting], open_gate(Observer)
    end.

%% The same bits as in the library's own threads, also with cases, settings and data.
a_task_in_rust_gives_the_same_champion_on_several_nodes(Config) ->
    there(a_task_in_rust_gives_the_same_champion_on_several_nodes_there, Config).
a_task_in_rust_gives_the_same_champion_on_several_nodes_there(Nodes) ->
    Data =
        #{inputs => [[K / 10] || K <- lists:seq(1, 30)],
          targets => [K rem 3 || K <- lists:seq(1, 30)],
          kind => classification, validation => 0.3},
    [begin
         Options =
             #{population => 60, generations => 6, seed => 5, target => 1.0e6, params => Params},
         Champion = fun(On) ->
             {ok, #{champion := C, evaluations := E}} =
                 cambrian:evolve(Task, Options#{nodes => On}),
             {cambrian_genotype:id(C), E}
         end,
         ?assertEqual(Champion([]), Champion(Nodes))
     end
     || {Task, Params} <- [{'xor', #{selection => lexicase}}, {{parity, #{bits => 4}}, #{}},
                           {double_pole_novel, #{}},
                           {{dataset, Data}, #{}}]],
    ok.

evolve(Task, Nodes) ->
    {ok, #{champion := Champion, fitness := Fitness, evaluations := Evaluations}} =
        cambrian:evolve(Task,
                        #{inputs => 2, outputs => 1, population => 60, generations => 10, seed => 5,
                          nodes => Nodes,
                          evaluation_timeout => 30_000,
                          params => #{tuning => hill_climbing, tuning_budget => 5}}),
    {cambrian_genotype:id(Champion), Fitness, Evaluations}.

%% The gate opens once evaluations of all these nodes wait at it.
evolve_with(Gate, Task, Nodes, Seen) ->
    evolve_when(Gate, fun() -> _ = [receive {did, Node} -> ok end || Node <- Seen], ok end, Task,
                Nodes).

%% The gate opens once so many lines have been logged; the answer has them as second.
evolve_without(Gate, Task, Nodes, Count) ->
    Self = self(),
    ok = logger:add_handler(cambrian_misdeeds, cambrian_misdeeds,
                            #{level => warning, config => Self}),
    Lines = fun() -> [receive {line, Line} -> Line end || _ <- lists:seq(1, Count)] end,
    Answer =
        evolve_when(Gate, fun() -> Found = Lines(), Self ! {lines, Found}, ok end, Task, Nodes),
    ok = logger:remove_handler(cambrian_misdeeds),
    {Answer, receive {lines, Found} -> Found ++ lines() end}.

evolve_when(Gate, Wait, Task, Nodes) ->
    Self = self(),
    Gate ! close,
    _ = spawn_link(fun() -> Self ! {result, evolve(Task, Nodes)} end),
    ok = Wait(),
    Gate ! open,
    receive {result, Result} -> Result end.

did() -> did(#{}).
did(Counts) ->
    receive {did, Node} -> did(maps:update_with(Node, fun(N) -> N + 1 end, 1, Counts)) after 0 ->
            Counts end.

several_nodes_find_the_champion_of_one_node(Config) ->
    there(several_nodes_find_the_champion_of_one_node_there, Config).
several_nodes_find_the_champion_of_one_node_there(Nodes) ->
    Gate = gate(),
    Alone = evolve(fitness(Gate), []),
    ?assertEqual([node()], maps:keys(did())),
    ?assertEqual(Alone, evolve_with(Gate, fitness(Gate), Nodes, Nodes)),
    ?assert(is_map_key(node(), did())),
    ?assertEqual(Alone, evolve_with(Gate, fitness(Gate), connected, Nodes)),
    ok.

%% The node halts in the middle of a generation, with some evaluations done and others not.
a_node_that_halts_changes_no_result(Config) ->
    there(a_node_that_halts_changes_no_result_there, Config).
a_node_that_halts_changes_no_result_there([_, Three] = Nodes) ->
    Gate = gate(),
    Fitness = fitness(Gate),
    Alone = evolve(Fitness, []),
    Doomed = fun(Network) ->
                 _ = [erlang:halt(0, [{flush, false}]) || node() =:= Three, counted() > 20],
                 Fitness(Network)
             end,
    _ = did(),
    Self = self(),
    Lines = logged(fun() -> Self ! {same, evolve_with(Gate, Doomed, Nodes, Nodes)} end),
    ?assertEqual(Alone, receive {same, Same} -> Same end),
    ?assertNot(lists:member(Three, nodes())),
    ?assertMatch([{_, [_, Three, noconnection]}], Lines).

counted() ->
    Counter = case persistent_term:get(?MODULE, none) of
                  none -> New = counters:new(1, []), persistent_term:put(?MODULE, New), New;
                  Old -> Old
              end,
    counters:add(Counter, 1, 1),
    counters:get(Counter, 1).

%% One node has another version of the task's module, the other a Cambrian without
%% cambrian_crew:open/1.
a_node_with_other_code_is_left_out(Config) ->
    [_, {Two, _}, {Three, _}] = proplists:get_value(nodes, Config),
    _ = [begin
             {ok, Module, Code} = compile:forms([{attribute, 1, module, Module}]),
             {module, Module} = peer:call(Peer, code, load_binary, [Module, "", Code])
         end || {Peer, Module} <- [{Two, ?MODULE}, {Three, cambrian_crew}]],
    there(left_out_there, [{other_code, ?MODULE}, undef], Config).

left_out_there([Two, Three] = Nodes, Reason2, Reason3) ->
    Gate = gate(),
    Alone = evolve(fitness(Gate), []),
    _ = did(),
    {Same, Lines} = evolve_without(Gate, fitness(Gate), Nodes, 2),
    ?assertEqual(Alone, Same),
    ?assertEqual([node()], maps:keys(did())),
    ?assertEqual(lists:sort([{Two, Reason2}, {Three, Reason3}]),
                 lists:sort([{Node, Reason} || {_, [_, Node, Reason]} <- Lines])).

%% The node has the fun's module, but not the module that the fun calls.
a_node_without_a_module_of_the_task_is_left_out(Config) ->
    there(a_node_without_a_module_of_the_task_is_left_out_there, [cambrian_only_here], Config).
a_node_without_a_module_of_the_task_is_left_out_there(Nodes, Module) ->
    {ok, cambrian_only_here, Code} =
        compile:forms([{attribute, 1, module, cambrian_only_here},
                       {attribute, 1, export, [{half, 1}]},
                       {function, 1, half, 1,
                        [{clause, 1, [{var, 1, 'X'}], [],
                          [{op, 1, '/', {var, 1, 'X'}, {integer, 1, 2}}]}]}]),
    {module, _} = code:load_binary(cambrian_only_here, "", Code),
    Gate = gate(),
    Fitness = fitness(Gate),
    Task = fun(Network) -> cambrian_only_here:half(1) + Fitness(Network) end,
    Alone = evolve(Task, []),
    {Same, Lines} = evolve_without(Gate, Task, Nodes, 2),
    ?assertEqual(Alone, Same),
    ?assertMatch([{_, [_, _, {crashed, {error, undef, [{cambrian_only_here, half, _, _} | _]}}]},
                  _],
                 Lines),
    %% the evaluator checks a module that the fun carries before it sends work
    {Same, Others} =
        evolve_without(Gate, fun(Network) -> Module:half(1) + Fitness(Network) end, Nodes, 2),
    ?assertMatch([{_, [_, _, {other_code, cambrian_only_here}]}, _], Others).

a_node_with_another_version_of_cambrian_is_left_out(Config) ->
    [_, {Two, _}, {Three, _}] = proplists:get_value(nodes, Config),
    _ = [begin
             ok = peer:call(Peer, application, stop, [cambrian]),
             ok = peer:call(Peer, application, unload, [cambrian]),
             ok = peer:call(Peer, application, load, [{application, cambrian, [{vsn, "0.0.0"}]}])
         end || Peer <- [Two, Three]],
    there(left_out_there, lists:duplicate(2, {other_version, <<"0.0.0">>}), Config).

a_node_that_is_not_connected_is_left_out(Config) ->
    there(a_node_that_is_not_connected_is_left_out_there, Config).
a_node_that_is_not_connected_is_left_out_there([Two | _]) ->
    Gate = gate(),
    Alone = evolve(fitness(Gate), []),
    {Same, Lines} = evolve_without(Gate, fitness(Gate), [Two, 'nobody_1@127.0.0.1'], 1),
    ?assertEqual(Alone, Same),
    ?assertMatch([{_, [_, 'nobody_1@127.0.0.1', noconnection]}], Lines).

%% Results for work that was not asked for, and values that are no results.
a_node_that_forges_results_is_left_out(Config) ->
    [_, {Two, _}, {Three, _}] = proplists:get_value(nodes, Config),
    _ = [begin
             {ok, cambrian_crew, Code} = lying_crew(Lie),
             {module, _} = peer:call(Peer, code, load_binary, [cambrian_crew, "", Code])
         end || {Peer, Lie} <- [{Two, [{1, high}]}, {Three, [{100_000, 99.0}]}]],
    there(left_out_there, [{unexpected, high}, {unexpected, [{100_000, 99.0}]}], Config).

lying_crew(Lie) ->
    Source = io_lib:format(
        "-module(cambrian_crew). -export([open/1]).~n"
        "open(#{boss := Boss}) -> {ok, spawn(fun() -> lie(Boss) end), 2}.~n"
        "lie(Boss) -> receive {_, {work, Round, _, [{Index, _} | _]}} ->~n"
        "    Lie = case ~w of [{1, What}] -> [{Index, What}]; Other -> Other end,~n"
        "    Boss ! {'$gen_cast', {results, self(), Round, Lie, true}}, lie(Boss) end.~n", [Lie]),
    compile:forms([begin {ok, Form} = erl_parse:parse_form(Tokens), Form end
                   || Tokens <- forms(lists:flatten(Source))]).

forms(Source) ->
    case erl_scan:tokens([], Source, 1) of
        {done, {ok, Tokens, _}, Rest} -> [Tokens | forms(Rest)];
        _ -> []
    end.

%% The evaluator leaves a node out while its connection is lost, and uses it again afterwards.
a_node_that_reconnects_is_used_again(Config) ->
    there(a_node_that_reconnects_is_used_again_there, Config).
a_node_that_reconnects_is_used_again_there([Two | _]) ->
    Gs = genotypes(200),
    Evaluator = start({each, fitness(gate())}, #{nodes => [Two], timeout => 5000}),
    Round = fun() -> {[_ | _], []} = round(Evaluator, Gs), did() end,
    until(fun() -> is_map_key(Two, Round()) end),
    true = erlang:disconnect_node(Two),
    until(fun() -> not is_map_key(Two, Round()) end),
    pong = net_adm:ping(Two),
    until(fun() -> is_map_key(Two, Round()) end),
    ok = stop(Evaluator).

%% A node whose evaluations take a thousand times longer gets few.
a_slow_node_gets_less_work(Config) -> there(a_slow_node_gets_less_work_there, Config).
a_slow_node_gets_less_work_there([Two, Three] = Nodes) ->
    Fitness = fitness(gate()),
    Task = fun(Network) ->
               _ = [timer:sleep(300) || persistent_term:get(slow, false)],
               Fitness(Network)
           end,
    Gs = genotypes(300),
    Evaluator = start({each, Task}, #{nodes => Nodes, timeout => 5000}),
    Scores = round(Evaluator, Gs),
    until(fun() -> Scores = round(Evaluator, Gs), map_size(did()) =:= 3 end),
    ok = erpc:call(Three, persistent_term, put, [slow, true]),
    ?assertEqual(Scores, round(Evaluator, Gs)),
    #{Two := Many, Three := Few} = Counts = did(),
    ?assertEqual(300, lists:sum(maps:values(Counts))),
    ?assert(Few < 100 andalso Many > Few),
    ok = stop(Evaluator).

a_batch_gives_the_same_scores_on_several_nodes(Config) ->
    there(a_batch_gives_the_same_scores_on_several_nodes_there, Config).
a_batch_gives_the_same_scores_on_several_nodes_there(Nodes) ->
    Gs = genotypes(30),
    Self = self(),
    {together, Run} = together(Gs, misdeeds()),
    How = {together, fun(Networks, Mark) -> Self ! {did, node()}, Run(Networks, Mark) end},
    Evaluator = start(How, #{nodes => Nodes}),
    Expected = expected_scores(),
    until(fun() -> {Expected, _} = round(Evaluator, Gs), map_size(did()) =:= 3 end),
    ok = stop(Evaluator).

a_fault_on_another_node_costs_only_its_network(Config) ->
    there(a_fault_on_another_node_costs_only_its_network_there, Config).
a_fault_on_another_node_costs_only_its_network_there(Nodes) ->
    Gs = genotypes(30),
    Self = self(),
    {each, One} = each(Gs, misdeeds()),
    Evaluator =
        start({each, fun(Network) -> Self ! {did, node()}, One(Network) end}, #{nodes => Nodes}),
    {Expected, Faults} = Answer =
        {expected_scores(), [I || {I, _} <- element(2, round(Evaluator, Gs))]},
    until(fun() ->
              {Scores, Found} = round(Evaluator, Gs),
              ?assertEqual(Answer, {Scores, [I || {I, _} <- Found]}),
              map_size(did()) =:= 3
          end),
    ?assertEqual({13, 30}, {length(Faults), length(Expected)}),
    ok = stop(Evaluator).

a_killed_population_leaves_no_process_on_any_node(Config) ->
    [{One, _} | _] = Nodes = proplists:get_value(nodes, Config),
    ok = cambrian_peers:connect(Nodes),
    _ = there(several_nodes_find_the_champion_of_one_node_there, Config),
    Before = [peer:call(Peer, erlang, processes, []) || {Peer, _} <- Nodes],
    _ = [ok = there(work_and_die, Config) || _ <- lists:seq(1, 10)],
    Left =
        fun() ->
            lists:append([living(Peer, peer:call(Peer, erlang, processes, []) -- Old)
                          || {{Peer, _}, Old} <- lists:zip(Nodes, Before)]) end,
    try until(fun() -> [] =:= Left() end) catch error:{never, _, _} -> error({still_there, Left()})
    end,
    true =
        peer:call(One, erlang, is_process_alive, [peer:call(One, erlang, whereis, [cambrian_sup])]).

%% Only processes of Cambrian and of this module: the runtime starts and ends others, for
%% connections and the like.
living(Peer, Pids) ->
    [Info
     || Pid <- Pids,
     Info <- [peer:call(Peer, erlang, process_info,
                        [Pid, [initial_call, current_stacktrace, dictionary]])],
             string:find(io_lib:format("~p", [Info]), "cambrian") =/= nomatch].

work_and_die(Nodes) ->
    exit(population_at_work(Nodes), kill),
    ok.
