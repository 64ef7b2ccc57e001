%% Tasks that crash, hang, take too much memory and forge results, on one node and on nodes that
%% come and go.
-module(cambrian_evaluator_SUITE).
-include_lib("stdlib/include/assert.hrl").
-import(cambrian_wait, [until/1]).
-compile([export_all, nowarn_export_all]).

all() -> [{group, alone}, {group, peers}].

groups() ->
    [{alone, [a_fault_costs_only_its_own_network, a_batch_gives_the_scores_of_single_evaluations,
              the_size_of_a_batch_changes_no_score,
              a_runner_that_returns_too_few_scores_costs_one_network,
              a_failed_evaluation_has_no_fitness, a_time_limit_ends_a_round,
              a_time_limit_ends_a_batch, a_time_limit_waits_for_one_fitness,
              every_fault_has_a_bounded_text, a_worker_that_forges_its_exit_is_ended,
              faults_are_bounded_in_size, evaluations_that_use_too_much_memory_fail_the_run,
              the_memory_limit_is_for_one_evaluation, each_kind_of_fault_is_logged_once,
              a_killed_population_leaves_no_process, an_idle_evaluator_has_no_workers,
              options_of_the_evaluator_are_checked,
              a_thousand_empty_evaluations_take_less_than_20_ms]},
     {peers, [several_nodes_find_the_champion_of_one_node, a_node_that_halts_changes_no_result,
              a_node_with_other_code_is_left_out,
              a_node_without_a_module_of_the_task_is_left_out,
              a_node_with_another_version_of_cambrian_is_left_out,
              a_node_that_is_not_connected_is_left_out, a_node_that_forges_results_is_left_out,
              a_node_that_reconnects_is_used_again, a_slow_node_gets_less_work,
              a_batch_gives_the_same_scores_on_several_nodes,
              a_task_in_rust_gives_the_same_champion_on_several_nodes,
              a_fault_on_another_node_costs_only_its_network,
              a_killed_population_leaves_no_process_on_any_node]}].

init_per_group(alone, Config) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Config;
init_per_group(peers, Config) -> Config.

end_per_group(alone, _) -> application:stop(cambrian);
end_per_group(peers, _) -> ok.

init_per_testcase(Case, Config) ->
    {peers, Cases} = lists:keyfind(peers, 1, groups()),
    case lists:member(Case, Cases) of
        true -> [{nodes, cambrian_peers:start([one, two, three])} | Config];
        false -> Config
    end.

end_per_testcase(_, Config) ->
    _ = [try peer:stop(Peer) catch exit:_ -> halted end
         || {Peer, _} <- proplists:get_value(nodes, Config, [])],
    ok.

%%% ---- a task whose code depends on the network ----------------------------------------------

genotypes(Count) ->
    [begin {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed), G end
     || Seed <- lists:seq(1, Count)].

network(Genotype) -> cambrian_network:compile(Genotype).

key(Network) -> hd(cambrian_network:activate(Network, [1, 0.5])).

%% The action of each network, by its index; a network without an action scores 10 plus its index.
behaviour(Genotypes, Named) ->
    Behaviours = maps:from_list([{key(network(G)), maps:get(I, Named, fun() -> 10 + I end)}
                                 || {I, G} <- lists:zip(lists:seq(1, length(Genotypes)),
                                                        Genotypes)]),
    true = length(Genotypes) =:= map_size(Behaviours),
    fun(Network) -> (maps:get(key(Network), Behaviours))() end.

each(Genotypes, Named) -> {each, behaviour(Genotypes, Named)}.

together(Genotypes, Named) ->
    One = behaviour(Genotypes, Named),
    {together,
     fun(Networks, Mark) -> [begin ok = Mark(I), {I, One(Network)} end || {I, Network} <- Networks]
     end}.

start(How, Options) ->
    Defaults = #{name => test, how => How, timeout => 500, memory => 1 bsl 24, nodes => []},
    {ok, Evaluator} = cambrian_evaluator:start_link(maps:merge(Defaults, Options)),
    Evaluator.

round(Evaluator, Genotypes) -> round(Evaluator, Genotypes, infinity).
round(Evaluator, Genotypes, Limit) ->
    Tag = make_ref(),
    ok = cambrian_evaluator:evaluate(Evaluator, Tag, Genotypes, fun network/1, true, Limit),
    receive {Tag, {ok, Scores, Faults}} -> {Scores, Faults} after 300_000 -> error(no_answer) end.

stop(Evaluator) ->
    unlink(Evaluator),
    Monitor = monitor(process, Evaluator),
    exit(Evaluator, shutdown),
    receive {'DOWN', Monitor, _, _, _} -> ok end.

once(How, Genotypes) -> once(How, Genotypes, #{}).
once(How, Genotypes, Options) ->
    Evaluator = start(How, Options),
    Answer = round(Evaluator, Genotypes),
    ok = stop(Evaluator),
    Answer.

bomb() -> bomb([]).
bomb(List) -> bomb([List | lists:seq(1, 1000)]).

hang() -> receive after infinity -> ok end.

misdeeds() ->
    #{2 => fun() -> error(crash) end,
      3 => fun() -> exit(leave) end,
      5 => fun() -> throw(ball) end,
      7 => fun hang/0,
      8 => fun() -> exit(self(), kill), hang() end,
      9 => fun bomb/0,
      11 => fun() -> rubbish end,
      12 => fun() -> 1 bsl 2000 end,
      13 => fun() -> #{fitness => nan} end,
      14 => fun() -> #{fitness => 1, cases => [1 | 2]} end,
      17 => fun() -> _ = spawn_link(fun() -> exit(child) end), hang() end,
      18 => fun() -> process_flag(trap_exit, true), forever() end,
      19 => fun() -> exit(self(), normal), hang() end,
      21 =>
          fun() ->
              self() ! {evaluate, make_ref(), fun network/1, []},
              self() ! {answer, self(), make_ref(), 1, 99.0, ready}, 31 end,
      22 => fun() -> forge(), 32 end,
      23 => fun() -> _ = spawn_link(fun() -> exit(late) end), process_flag(trap_exit, true), 33 end,
      24 => fun() -> _ = spawn_link(fun hang/0), 34 end,
      25 => fun() -> #{fitness => 35, cases => [1, 2.5]} end}.

forever() -> receive _ -> forever() after 0 -> forever() end.

%% Sends messages that look like results to every linked process.
forge() ->
    {links, Links} = process_info(self(), links),
    _ = [Crew ! {answer, self(), Ref, I, 99.0, ready}
         || Crew <- Links, I <- lists:seq(1, 30), Ref <- [make_ref(), undefined]],
    ok.

expected_scores() ->
    [case I of
         25 -> {35.0, [1.0, 2.5], [], [], 0};
         _ when I =:= 21; I =:= 22; I =:= 23; I =:= 24 -> 10.0 + I;
         _ -> case is_map_key(I, misdeeds()) of true -> failed; false -> 10.0 + I end
     end || I <- lists:seq(1, 30)].

%%% ---- one node ------------------------------------------------------------------------------

a_fault_costs_only_its_own_network(_) ->
    Gs = genotypes(30),
    {Scores, Faults} = once(each(Gs, misdeeds()), Gs),
    ?assertEqual(expected_scores(), Scores),
    ?assertMatch([{2, {crashed, {error, crash, [_ | _]}}}, {3, {crashed, {exit, leave, _}}},
                  {5, {crashed, {throw, ball, _}}},
                  {7, timeout}, {8, memory}, {9, memory}, {11, {bad_fitness, rubbish}},
                  {12, {bad_fitness, _}}, {13, {bad_fitness, nan}},
                  {14, {bad_score, {cases, [1 | 2], _}}}, {17, {crashed, child}}, {18, timeout},
                  {19, {crashed, normal}}], Faults).

a_batch_gives_the_scores_of_single_evaluations(_) ->
    Gs = genotypes(30),
    {Scores, Faults} = once(together(Gs, misdeeds()), Gs),
    ?assertEqual(expected_scores(), Scores),
    ?assertEqual([2, 3, 5, 7, 8, 9, 11, 12, 13, 14, 17, 18, 19], [I || {I, _} <- Faults]),
    ?assertMatch(#{2 := {crashed, {error, crash, _}}, 7 := timeout, 9 := memory,
                   17 := {crashed, child}}, maps:from_list(Faults)),
    %% the runner itself may return a fault
    {together, Run} = together(Gs, #{}),
    {_, Named} =
        once({together,
              fun(Networks, Mark) ->
                  [case A of {4, _} -> {4, {fault, timeout}}; _ -> A end
                   || A <- Run(Networks, Mark)] end}, Gs),
    ?assertEqual([{4, timeout}], Named).

the_size_of_a_batch_changes_no_score(_) ->
    Gs = genotypes(30),
    How = together(Gs, misdeeds()),
    Online = erlang:system_flag(schedulers_online, 1),
    {Scores, Faults} = once(How, Gs),
    _ = erlang:system_flag(schedulers_online, Online),
    ?assertEqual(expected_scores(), Scores),
    ?assertEqual([I || {I, _} <- Faults], [I || {I, _} <- element(2, once(How, Gs))]).

%% A fault of the whole runner blames no network until the batch has only one.
a_runner_that_returns_too_few_scores_costs_one_network(_) ->
    Gs = genotypes(9),
    Without = fun(Networks, Mark) -> [begin Mark(I), {I, I} end || {I, _} <- Networks, I =/= 4] end,
    {Scores, [{4, {crashed, {error, {badkey, 4}, _}}}]} = once({together, Without}, Gs),
    ?assertEqual([1.0, 2.0, 3.0, failed, 5.0, 6.0, 7.0, 8.0, 9.0], Scores),
    %% a runner that never marks
    Silent = fun(Networks, _) -> [case I of 4 -> hang(); _ -> {I, I} end || {I, _} <- Networks] end,
    {Scores, [{4, timeout}]} = once({together, Silent}, Gs).

a_failed_evaluation_has_no_fitness(_) ->
    Gs = genotypes(3),
    ?assertMatch({[11.0, failed, 13.0], [{2, _}]}, once(each(Gs, #{2 => fun() -> no end}), Gs)),
    ?assertMatch({[failed], [{1, _}]},
                 once(each(tl(Gs), #{1 => fun() -> no end, 2 => fun() -> no end}), [hd(tl(Gs))])).

%% The hanging evaluations would end after a minute. Scores until the limit count, and the workers
%% are free for the next round.
a_time_limit_ends_a_round(_) ->
    Gs = genotypes(30),
    Hanging = maps:from_list([{I, fun hang/0} || I <- lists:seq(20, 30)]),
    Evaluator = start(each(Gs, Hanging), #{timeout => 16_000}),
    {Outcomes, Faults} = round(Evaluator, Gs, {300, fitness}),
    ?assertEqual({30, []}, {length(Outcomes), Faults}),
    ?assertEqual([skipped], lists:usort(lists:nthtail(19, Outcomes))),
    ?assertEqual([], [Outcome || {I, Outcome} <- lists:enumerate(lists:sublist(Outcomes, 19)),
                                 Outcome =/= 10.0 + I, Outcome =/= skipped]),
    ?assert(lists:any(fun is_float/1, Outcomes)),
    {First, []} = round(Evaluator, lists:sublist(Gs, 10)),
    ?assertEqual([10.0 + I || I <- lists:seq(1, 10)], First),
    ok = stop(Evaluator).

%% The networks of one batch end together.
a_time_limit_ends_a_batch(_) ->
    Gs = genotypes(4),
    Evaluator = start({together, fun(_, _) -> hang() end}, #{timeout => 60_000}),
    ?assertEqual({[skipped || _ <- Gs], []}, round(Evaluator, Gs, {50, nothing})),
    ok = stop(Evaluator).

%% A limit of 0 ms still gives one fitness if any evaluation succeeds, and otherwise all failures.
a_time_limit_waits_for_one_fitness(_) ->
    Gs = genotypes(8),
    Failing = maps:from_list([{I, fun() -> error(no) end} || I <- lists:seq(1, 7)]),
    Evaluator = start(each(Gs, Failing), #{}),
    {Outcomes, _} = round(Evaluator, Gs, {0, fitness}),
    ?assert(lists:member(18.0, Outcomes)),
    ok = stop(Evaluator),
    ?assertMatch({[failed, failed], [_, _]}, once(each(Gs, Failing), lists:sublist(Gs, 2))),
    %% all evaluations hang, and the round does not wait for all of them
    Many = genotypes(400 * erlang:system_info(schedulers_online)),
    Hopeless = start({each, fun(_) -> hang() end}, #{timeout => 50}),
    {Hung, Faults} = round(Hopeless, Many, {0, fitness}),
    ?assertEqual([failed, skipped], lists:usort(Hung)),
    ?assertMatch([{_, timeout} | _], Faults),
    ok = stop(Hopeless).

faults_are_bounded_in_size(_) ->
    Large = fun() -> lists:duplicate(300_000, <<0:80>>) end,
    Shared = fun Twice(0) -> []; Twice(N) -> X = Twice(N - 1), [X, X] end,
    Gs = genotypes(8),
    {_, Faults} = once(each(Gs, #{1 => Large,
                                  2 => fun() -> error(Large()) end,
                                  3 => fun() -> lists:nth(first, Large()) end,
                                  4 => fun() -> Shared(100) end,
                                  5 => fun() -> binary:copy(<<0>>, 50_000_000) end,
                                  6 => fun() -> exit(self(), Large()), hang() end,
                                  7 => fun() -> #{fitness => Large()} end,
                                  8 => fun() ->
                                      exit(self(), {error, x, [{m, f, [a | b], [c | d]} | e]}),
                                      hang() end}),
                       Gs, #{memory => 1 bsl 28, timeout => 5000}),
    ?assertEqual(lists:seq(1, 8), [I || {I, _} <- Faults]),
    _ = [?assert(byte_size(term_to_binary(Fault)) < 4000) || {_, Fault} <- Faults],
    ?assertMatch([{_, {bad_fitness, <<"[<<0,", _/binary>>}} | _], Faults).

%% User code may exit with any term: its text is bounded, and the run goes on.
every_fault_has_a_bounded_text(_) ->
    Deep = lists:foldl(fun(_, Term) -> {Term} end, x, lists:seq(1, 100_000)),
    Emoji = list_to_atom(lists:duplicate(255, 16#1F600)),
    Odd =
        [{error, enoent, <<"/some/path">>}, {error, foo, 3}, {error, foo, [a | b]},
         {error, foo, [{m, f, 1, [{file, 3}, {line, x}]}]},
         {bad_return, {m, f, []}, 3}, {bad_return, {'Elixir.Nothing', f, x}, 3},
         {bad_observation, {wrong_size, inputs, a, b}}, Deep,
         <<255, 254>>, [<<255>>], lists:duplicate(60, Emoji)],
    Stacks =
        [[{m, f, 1, [{file, {a}}, {line, 1}]}],
         [{m, f, 1, [{file, lists:duplicate(1_000_000, $a)}, {line, 3}]}],
         [{m, f, 1, [{error_info, #{cause => lists:seq(1, 1_000_000)}}]}],
         [{fun() -> Deep end, 0, []}],
         [{fun() -> lists:seq(1, 1_000_000) end, 0, []}], [{m, f, [a, b], []}], []],
    Faults = [cambrian_fault:crashed(Term) || Term <- Odd] ++
        [cambrian_fault:bad_fitness(Term) || Term <- Odd]
             ++ [cambrian_fault:crashed(Class, Term, Stack)
                 || Class <- [error, exit, throw], Term <- [x | Odd], Stack <- Stacks],
    [begin
         Text = cambrian_fault:text(Fault),
         ?assert(is_binary(Text) andalso byte_size(Text) > 0 andalso byte_size(Text) < 20_000),
         ?assert(is_list(unicode:characters_to_list(Text)))
     end || Fault <- Faults],
    %% the same in a run: a linked process exits with the term
    Ends = fun(Reason) ->
               Fitness = fun(Network) ->
                             case key(Network) > 0.5 of
                                 true -> _ = spawn_link(fun() -> exit(Reason) end), hang();
                                 false -> 0.1
                             end
                         end,
               {ok, #{failures := Failures}} =
                   cambrian:evolve(Fitness,
                                   #{inputs => 2, outputs => 1, seed => 1, population => 20,
                                     generations => 2}),
               ?assert(Failures > 0)
           end,
    lists:foreach(Ends, Odd).

%% The evaluator takes a forged exit message for the worker's end, so it must kill the worker.
a_worker_that_forges_its_exit_is_ended(_) ->
    Before = erlang:system_info(process_count),
    Fitness = fun(_) ->
                  {links, Links} = process_info(self(), links),
                  _ = [Pid ! {'EXIT', self(), boo} || Pid <- Links, is_pid(Pid)],
                  0.1
              end,
    _ = cambrian:evolve(Fitness, #{inputs => 2, outputs => 1, population => 100, generations => 2}),
    until(fun() -> erlang:system_info(process_count) < Before + 20 end).

evaluations_that_use_too_much_memory_fail_the_run(_) ->
    {ok, P} =
        cambrian_population:start_link(#{task => fun(_) -> bomb() end, inputs => 1, outputs => 1,
                                         population => 2, generations => 1,
                                         evaluation_memory => 1 bsl 22}),
    ok = cambrian_population:subscribe(P),
    ok = cambrian_population:run(P),
    Failed = #{count => 2, first => memory},
    ?assertEqual({error, {evaluations_failed, Failed}}, cambrian_population:await(P, 300_000)),
    receive {cambrian, _, {evaluations_failed, Told}} -> ?assertEqual(Failed, Told) end,
    receive {cambrian, _, {failed, Why}} -> ?assertEqual({evaluations_failed, Failed}, Why) end,
    ok = cambrian_population:stop(P).

%% The limit counts neither the garbage of earlier evaluations nor the data that the task's fun
%% carries.
the_memory_limit_is_for_one_evaluation(_) ->
    Gs = genotypes(60),
    Burden = lists:seq(1, 400_000),
    {Scores, []} =
        once({each, fun(_) -> length(lists:seq(1, 50_000)) + hd(Burden) end}, Gs,
             #{memory => 1 bsl 22, timeout => 5000}),
    ?assertEqual([50_001.0], lists:usort(Scores)).

%% 100 generations with faults of three kinds, which come again and again.
each_kind_of_fault_is_logged_once(_) ->
    Fitness = fun(Network) ->
                  case round(1000 * key(Network)) rem 5 of
                      0 -> error({at, erlang:unique_integer()});
                      1 -> {made, up, erlang:unique_integer()};
                      2 -> list_to_integer(lists:concat(["no", erlang:unique_integer()]));
                      Rest -> Rest
                  end
              end,
    Lines = logged(fun() ->
        {ok, P} =
            cambrian_population:start_link(#{task => Fitness, inputs => 2, outputs => 1,
                                             population => 30, seed => 1, generations => 100}),
        ok = cambrian_population:subscribe(P),
        ok = cambrian_population:run(P),
        {ok, #{generations := 100}} = cambrian_population:await(P, 300_000),
        ok = cambrian_population:stop(P)
    end),
    ?assertEqual(3, length(Lines)),
    ?assertEqual(100, failed_events()).

failed_events() ->
    receive {cambrian, _, {evaluations_failed, _}} -> 1 + failed_events();
        {cambrian, _, _} -> failed_events() after 0 -> 0
    end.

%% The warnings of Cambrian while a fun runs.
logged(Do) ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => warning, config => self()}),
    _ = try Do() after logger:remove_handler(?MODULE) end,
    lines().

log(#{msg := {"population" ++ _, _} = Message}, #{config := Pid}) -> Pid ! {line, Message};
log(_, _) -> ok.

lines() -> receive {line, Line} -> [Line | lines()] after 0 -> [] end.

%% The population is killed at any moment, whatever its tasks do.
a_killed_population_leaves_no_process(_) ->
    Before = processes(),
    _ = [begin
             P = population_at_work([]),
             exit(P, kill)
         end || _ <- lists:seq(1, 10)],
    until(fun() -> processes() -- Before =:= [] end).

%% A population with tasks that trap exits and never end, and tasks with processes of their own.
population_at_work(Nodes) ->
    Self = self(),
    Fitness = fun(Network) ->
                  Self ! at_work,
                  case round(1000 * key(Network)) rem 3 of
                      0 -> process_flag(trap_exit, true), forever();
                      1 -> _ = spawn_link(fun hang/0), hang();
                      2 -> 1.0
                  end
              end,
    {ok, P} =
        cambrian_population:start_link(#{task => Fitness, inputs => 2, outputs => 1,
                                         population => 30, nodes => Nodes,
                                         evaluation_timeout => 10}),
    unlink(P),
    ok = cambrian_population:run(P),
    _ = [receive at_work -> ok end || _ <- lists:seq(1, rand:uniform(10))],
    P.

%% An evaluator without work ends its workers after a while.
an_idle_evaluator_has_no_workers(_) ->
    Gs = genotypes(10),
    Evaluator = start(each(Gs, #{}), #{}),
    _ = round(Evaluator, Gs),
    {links, Links} = process_info(Evaluator, links),
    [Crew] = Links -- [self()],
    until(fun() -> process_info(Crew, links) =:= {links, [Evaluator]} end),
    until(fun() ->
        process_info(Crew, current_function) =:= {current_function, {erlang, hibernate, 3}}
                       orelse element(2, process_info(Crew, total_heap_size)) < 1000 end),
    {[11.0 | _], []} = round(Evaluator, Gs),
    ok = stop(Evaluator).

options_of_the_evaluator_are_checked(_) ->
    Fun = fun(_) -> 1 end,
    Options = #{task => Fun, inputs => 1, outputs => 1},
    _ = [?assertMatch({error, {bad_option, {Name, Value, _}}},
                      cambrian_population:start(Options#{Name => Value}))
         || {Name, Value} <- [{nodes, all}, {nodes, ["a"]}, {nodes, [a | b]},
                              {evaluation_memory, 0},
                              {evaluation_memory, 1 bsl 70},
                              {nodes, low}]],
    ?assertEqual({error,
                  {bad_option,
                   {nodes, [n@h], <<"none with a task that runs in Rust and is tuned">>}}},
                 cambrian_population:start(#{task => 'xor', nodes => [n@h],
                                             params => #{tuning => cma_es}})),
    {ok, Substrate} = cambrian_substrate:new(#{inputs => [[0, 0]], outputs => [[0, 1]]}),
    ?assertEqual({error, {bad_option, {nodes, connected, <<"none with a substrate">>}}},
                 cambrian_population:start(#{task => Fun, substrate => Substrate,
                                             nodes => connected})).

%% 1,000 evaluations that do nothing. The best round counts, since other programs use this machine
%% too.
a_thousand_empty_evaluations_take_less_than_20_ms(_) ->
    Gs = genotypes(1000),
    Evaluator = start({each, fun(_) -> 0.0 end}, #{timeout => 5000, memory => 1 bsl 28}),
    Best = until(fun() ->
                     {Time, _} = timer:tc(fun() -> {[+0.0 | _], []} = round(Evaluator, Gs) end),
                     Time < 20_000 andalso Time
                 end),
    ct:pal("1,000 evaluations: ~p us", [Best]),
    ok = stop(Evaluator).

%%% ---- several nodes -------------------------------------------------------------------------

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
    ok = logger:add_handler(?MODULE, ?MODULE, #{level => warning, config => Self}),
    Lines = fun() -> [receive {line, Line} -> Line end || _ <- lists:seq(1, Count)] end,
    Answer =
        evolve_when(Gate, fun() -> Found = Lines(), Self ! {lines, Found}, ok end, Task, Nodes),
    ok = logger:remove_handler(?MODULE),
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
    there(left_out_there, lists:duplicate(2, {other_version, {ok, "0.0.0"}}), Config).

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

