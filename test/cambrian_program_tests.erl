-module(cambrian_program_tests).
-include_lib("eunit/include/eunit.hrl").
-export([a_program_evaluates_the_steps_and_episodes_asked_for/0,
         an_environment_of_a_program_evolves/0,
         a_network_that_ends_the_program_costs_only_its_own_fitness/0,
         a_process_of_a_program_is_kept_and_shared/0,
         a_program_has_at_most_the_processes_asked_for/0,
         a_process_of_a_program_ends_with_its_user/0, a_program_that_does_not_end_is_killed/0,
         a_program_that_was_killed_while_idle_is_started_again/0,
         a_program_that_cannot_start_again_is_tried_once/0, an_idle_program_ends/0,
         the_children_of_a_program_end_when_it_is_killed/0,
         the_children_of_a_program_end_when_it_ends/0,
         the_children_of_a_program_end_when_it_is_idle/0,
         the_children_of_a_program_end_with_the_application/0,
         the_children_of_a_program_end_with_the_vm/0,
         the_children_of_a_program_end_when_all_watching_processes_are_killed/0,
         a_program_ends_with_the_application/0, options_of_a_program_are_checked/0,
         a_large_batch_is_evaluated/0, a_single_network_is_evaluated_on_the_episodes_asked_for/0,
         a_program_that_hangs_does_not_delay_the_end_of_a_run/0,
         a_program_gives_a_score/0, a_program_is_searched_by_behaviours_and_goals/0,
         observations_that_are_no_numbers_do_not_count/0,
         held_out_episodes_have_arguments_of_their_own/0]).

%% Runs a program in Python that needs no packages. Skipped without Python.
program_test_() ->
    case os:find_executable("python3") of
        false -> {"skipped: no python3", []};
        _ ->
            {setup,
             fun() -> {ok, _} = application:ensure_all_started(cambrian) end,
             fun(_) -> application:stop(cambrian) end,
             [{atom_to_list(Name), {timeout, 60, fun ?MODULE:Name/0}} || Name <- cases()] ++
                 [startup(), faults(), faults_of_scores()]}
    end.

cases() ->
    [a_program_evaluates_the_steps_and_episodes_asked_for, an_environment_of_a_program_evolves,
     a_network_that_ends_the_program_costs_only_its_own_fitness,
     a_process_of_a_program_is_kept_and_shared, a_program_has_at_most_the_processes_asked_for,
     a_process_of_a_program_ends_with_its_user, a_program_that_does_not_end_is_killed,
     a_program_that_was_killed_while_idle_is_started_again,
     a_program_that_cannot_start_again_is_tried_once, an_idle_program_ends,
     the_children_of_a_program_end_when_it_is_killed, the_children_of_a_program_end_when_it_ends,
     the_children_of_a_program_end_when_it_is_idle,
     the_children_of_a_program_end_with_the_application,
     the_children_of_a_program_end_with_the_vm,
     the_children_of_a_program_end_when_all_watching_processes_are_killed,
     a_program_ends_with_the_application, options_of_a_program_are_checked,
     a_large_batch_is_evaluated, a_single_network_is_evaluated_on_the_episodes_asked_for,
     a_program_that_hangs_does_not_delay_the_end_of_a_run, a_program_gives_a_score,
     a_program_is_searched_by_behaviours_and_goals, observations_that_are_no_numbers_do_not_count,
     held_out_episodes_have_arguments_of_their_own].

%%% ---- helpers

task(Fault) -> task(Fault, #{}).

task(Fault, Options) ->
    Args = [script(), Fault | [File || #{pids := File} <- [Options]]],
    {program,
     maps:merge(#{command => "python3", args => Args, timeout => 1000},
                maps:remove(pids, Options))}.

script() -> cambrian_checkout:path("test/cambrian_program.py").

scores(Task, Networks) ->
    {ok, #{evaluate := {together, Together}}} = cambrian_task:prepare(Task, #{}),
    Together(Networks, fun(_) -> ok end).

%% Networks whose output depends only on the input. The output of some is above 0.8: these are
%% loud.
networks(Count) ->
    [{Seed,
      cambrian_network:compile(element(2,
                                       cambrian_genotype:new(#{inputs => 1, outputs => 1,
                                                               initial_weight => 2}, Seed)))}
     || Seed <- lists:seq(1, Count)].

says(Network) ->
    <<Output:32/float-little>> = cambrian_network:activate(Network, <<1:32/float-little>>),
    Output.

loud(Networks) -> [Index || {Index, Network} <- Networks, says(Network) > 0.8].

sum(Network, Steps) -> lists:sum([says(Network) || _ <- lists:seq(1, Steps)]).

%% The file in which each started process writes its process id.
with_pids(Test) -> cambrian_temporary:with_dir(fun(Dir) -> Test(filename:join(Dir, "pids")) end).

pids(File) ->
    {ok, Bytes} = file:read_file(File),
    [binary_to_integer(Line) || Line <- binary:split(Bytes, <<"\n">>, [global, trim])].

await_end(OsPid) ->
    cambrian_wait:until(fun() -> os:cmd("kill -0 " ++ integer_to_list(OsPid) ++ " 2>&1") =/= ""
    end).

%%% ---- evaluation

a_program_evaluates_the_steps_and_episodes_asked_for() ->
    Networks = networks(20),
    ?assertEqual([{I, sum(N, 5)} || {I, N} <- Networks], scores(task("none"), Networks)),
    ?assertEqual([{I, sum(N, 5)} || {I, N} <- Networks],
                 scores(task("none", #{episodes => 3}), Networks)),
    ?assertEqual([{I, sum(N, 3)} || {I, N} <- Networks],
                 scores(task("none", #{steps => 3}), Networks)),
    ?assertEqual([], scores(task("none"), [])).

an_environment_of_a_program_evolves() ->
    {ok, #{solved := true, fitness := Fitness, champion := Champion}} =
        cambrian:evolve(task("none", #{name => loud}), #{target => 4.9, seed => 1}),
    ?assertEqual(Fitness, sum(cambrian_network:compile(Champion), 5)).

observations_that_are_no_numbers_do_not_count() ->
    {ok, #{failures := Failures, normalisation := Normalisation}} =
        cambrian:evolve(task("blind", #{name => blind, normalise => true}),
                        #{generations => 3, seed => 1}),
    ?assert(Failures > 0),
    ?assertEqual(#{means => [1.0], factors => [1.0]}, Normalisation).

held_out_episodes_have_arguments_of_their_own() ->
    Task = task("none", #{name => loud, fresh_episodes => true, validation => 2,
                          validation_args => [script(), "generous"]}),
    {ok, #{fitness := Fitness, validation := Validation}} =
        cambrian:evolve(Task, #{generations => 3, seed => 1}),
    ?assert(abs(Validation - Fitness - 5) < 1.0e-9).

%% Each loud network costs the program's timeout, and its batch several of them.
a_program_that_hangs_does_not_delay_the_end_of_a_run() ->
    Began = erlang:monotonic_time(millisecond),
    ?assertEqual({error, timeout},
                 cambrian:evolve(task("hang", #{timeout => 2000}),
                                 #{timeout => 500, target => 99, seed => 1})),
    %% the time for a first evaluation is a little longer than `evaluation_timeout', of 5 s
    ?assert(erlang:monotonic_time(millisecond) - Began < 15_000).

%% The other networks get their fitness, in one batch or in two.
a_network_that_ends_the_program_costs_only_its_own_fitness() ->
    Networks = networks(12),
    Loud = loud(Networks),
    ?assert(length(Loud) > 1 andalso length(Loud) < 10),
    Scores = scores(task("exit"), Networks),
    ?assertEqual([{I,
                   case lists:member(I, Loud) of
                       true -> {fault, {program_exited, 3}};
                       false -> sum(N, 5)
                   end}
                  || {I, N} <- Networks], Scores),
    {A, B} = lists:split(7, Networks),
    ?assertEqual(Scores, scores(task("exit"), A) ++ scores(task("exit"), B)).

faults() ->
    [{Fault, {timeout, 60, fun() ->
         Networks = networks(8),
         [Alone | _] = Loud = loud(Networks),
         Timeout = case Expected of {program_hangs, Ms} -> Ms; _ -> 1000 end,
         [case lists:member(Index, Loud) of
              true -> ?assertEqual({Index, {fault, Expected}}, {Index, Score});
              false ->
                 ?assertEqual({Index, sum(proplists:get_value(Index, Networks), 5)}, {Index, Score})
          end || {Index, Score} <- scores(task(Fault, #{timeout => Timeout}), Networks)],
         ?assertEqual([{Alone, {fault, Expected}}],
                      scores(task(Fault, #{timeout => Timeout, episodes => 2}),
                             [lists:keyfind(Alone, 1, Networks)]))
     end}} || {Fault, Expected} <- [
        {"killed", {program_exited, 137}},
        {"hang", {program_hangs, 300}},
        {"rubbish", {bad_answer, {no_messagepack, <<16#c1, 16#c1, 16#c1>>}}},
        {"print", {bad_answer, {text, <<"I did not know that this is no place to print">>}}},
        {"huge", {bad_answer, {too_large, 16#ffffffff, 16#4000000}}},
        {"list", {bad_answer, {no_map, <<"[]">>}}},
        {"close", {program_hangs, 300}},
        {"short", {bad_answer, {wrong_size, <<"observations">>, 4, 3}}},
        {"few", {bad_answer, {wrong_size, <<"rewards">>, 8, 0}}},
        {"error", {program_failed, <<"no more">>}},
        {"nan", {bad_reward, nan}},
        {"blind", {bad_observation, {out_of_range, inputs}}},
        {"faults", {program_failed, <<"too loud">>}}]].

%% Besides the rewards: a score after each episode.
a_program_gives_a_score() ->
    Networks = networks(8),
    Score = fun(N, Left, Cases) ->
                {measured,
                 {sum(N, 5 - Left), Cases, [says(N), float(Left)], [says(N), -says(N)], 0}}
            end,
    ?assertEqual([{I, Score(N, 0, [0.0])} || {I, N} <- Networks], scores(task("scored"), Networks)),
    ?assertEqual([{I, Score(N, 2, [0.0])} || {I, N} <- Networks],
                 scores(task("scored", #{steps => 3}), Networks)),
    ?assertEqual([{I, Score(N, 0, [0.0, 1.0])} || {I, N} <- Networks],
                 scores(task("scored", #{episodes => 2}), Networks)),
    [{1, Network} | _] = Networks,
    Fitness = sum(Network, 5),
    ?assertEqual({ok, Fitness}, cambrian_task:evaluate(task("scored"), Network)).

%% Who gives a wrong score pays alone.
faults_of_scores() ->
    [{Fault, {timeout, 60, fun() ->
         Networks = networks(8),
         Loud = loud(Networks),
         [case lists:member(Index, Loud) of
              true -> ?assertEqual({Index, Expected(says(Network))}, {Index, Score});
              false -> ?assertMatch({measured, _}, Score)
          end
          || {{Index, Network}, {Index, Score}} <- lists:zip(Networks,
                                                             scores(task(Fault), Networks))]
     end}} || {Fault, Expected} <-
        [{"scored_" ++ Fault, fun(_) -> {fault, Expected} end}
         || {Fault, Expected} <- [{"short", {bad_answer, {wrong_size, <<"behaviour">>, 16, 8}}},
                                  {"none", {bad_answer, {no_bytes, <<"objectives">>}}},
                                  {"faults", {program_failed, <<"no behaviour">>}}]]
        ++
         [{Fault,
           fun(_) ->
               {fault, {bad_score, {behaviour, [Number, 0.0], <<"a list of finite numbers">>}}} end}
          || {Fault, Number} <- [{"scored_nan", nan}, {"scored_infinity", infinity},
                                 {"scored_minus_infinity", '-infinity'}]]].

%% The searches that need more than a fitness, over a port.
a_program_is_searched_by_behaviours_and_goals() ->
    Evolve =
        fun(Options) ->
            cambrian:evolve(task("scored", #{name => scored}),
                            Options#{seed => 1, generations => 4, target => 99}) end,
    Params = #{population => 30},
    {ok, #{archive := Archive}} =
        Evolve(#{search => map_elites,
                 params => Params#{bounds => [{0, 1}, {0, 5}], cells => 100}}),
    #{filled := Filled} = cambrian_archive:stats(Archive),
    ?assert(Filled > 3),
    [?assertEqual(0.0, lists:last(Behaviour))
     || #{behaviour := Behaviour} <- cambrian_archive:elites(Archive)],
    {ok, #{front := Front}} = Evolve(#{search => pareto, params => Params}),
    [?assertEqual(Goal, -Against) || #{objectives := [Goal, Against]} <- Front],
    {ok, #{failures := 0}} = Evolve(#{search => novelty, params => Params}),
    {ok, #{failures := 0}} = Evolve(#{search => dominated_novelty, params => Params}),
    %% the front and the archive do not depend on how many copies run
    {ok, #{archive := Same}} =
        cambrian:evolve(task("scored", #{name => scored, processes => 2}),
                        #{search => map_elites, seed => 1, generations => 4, target => 99,
                          params => Params#{bounds => [{0, 1}, {0, 5}], cells => 100}}),
    Ids = fun(Elites) -> [cambrian_genotype:id(Genotype) || #{genotype := Genotype} <- Elites] end,
    ?assertEqual(Ids(cambrian_archive:elites(Archive)), Ids(cambrian_archive:elites(Same))).

startup() ->
    [{Name, {timeout, 60, fun() ->
         {program, #{command := Command}} = Task,
         ?assertEqual({error, {program, Command, Expected}},
                      cambrian:evolve(Task, #{generations => 1}))
     end}} || {Name, Task, Expected} <- [
        {"a command that does not exist",
         {program, #{command => "no_such_program"}}, program_not_found},
        {"a file that is no program", {program, #{command => "/dev/null"}}, program_not_found},
        {"a folder that does not exist",
         task("none", #{cd => "/no/such/folder"}), {program_not_started, enoent}},
        {"a program that ends at once", task("at_once"), {program_exited, 7}},
        {"a program that sends nothing",
         task("mute", #{start_timeout => 300}), {program_hangs, 300}},
        {"a program that sends its error",
         task("hello_error"), {program_failed, <<"no such world">>}},
        {"a program that prints text",
         {program, #{command => "echo", args => ["Loading the world"]}},
         {bad_answer, {text, <<"Loading the world">>}}},
        {"a program with a newer protocol", task("newer"),
         {bad_answer, {unsupported_protocol, 2, 1}}},
        {"a program without inputs", task("empty"),
         {bad_answer, {hello, <<"{\"inputs\":0,\"outputs\":1,\"protocol\":1}">>}}},
        {"a program with too long a behaviour", task("too_many"),
         {bad_answer,
          {hello, <<"{\"behaviour\":1001,\"inputs\":1,\"outputs\":1,\"protocol\":1}">>}}}]].

a_process_of_a_program_is_kept_and_shared() ->
    with_pids(fun(File) ->
        Task = task("none", #{pids => File}),
        _ = scores(Task, networks(3)),
        _ = scores(Task, networks(3)),
        ?assertMatch([_], pids(File)),
        _ = scores(task("none", #{pids => File ++ "_of_another"}), networks(3)),
        ?assertMatch([_], pids(File))
    end).

%% Four users at once share two processes.
a_program_has_at_most_the_processes_asked_for() ->
    with_pids(fun(File) ->
        Task = task("none", #{pids => File, processes => 2}),
        Networks = networks(10),
        {ok, #{evaluate := {together, Together}}} = cambrian_task:prepare(Task, #{}),
        Self = self(),
        Users =
            [spawn_link(fun() -> Self ! {self(), Together(Networks, fun(_) -> ok end)} end)
             || _ <- lists:seq(1, 4)],
        [?assertEqual([{I, sum(N, 5)} || {I, N} <- Networks], receive {User, Scores} -> Scores end)
         || User <- Users],
        ?assertMatch([_, _], pids(File))
    end).

%% The user is killed as an evaluator kills its workers: no process gets the program's late
%% answer.
a_process_of_a_program_ends_with_its_user() ->
    with_pids(fun(File) ->
        Task = task("hang", #{pids => File, timeout => 60_000}),
        {ok, #{evaluate := {together, Together}}} = cambrian_task:prepare(Task, #{}),
        Networks = networks(8),
        Self = self(),
        Mark = fun(_) -> Self ! {marked, self()} end,
        User = spawn(fun() -> Together(Networks, Mark) end),
        [receive {marked, User} -> ok end || _ <- lists:seq(1, 3)],
        [OsPid] = pids(File),
        exit(User, kill),
        await_end(OsPid),
        Quiet =
            [Network || {Index, _} = Network <- Networks, not lists:member(Index, loud(Networks))],
        ?assertEqual([{I, sum(N, 5)} || {I, N} <- Quiet], Together(Quiet, Mark))
    end).

%% This program ignores the end of its input and all messages. The second time its process in
%% Erlang is killed.
a_program_that_does_not_end_is_killed() ->
    with_pids(fun(File) ->
        _ = scores(task("deaf", #{pids => File, idle => 1}), networks(3)),
        [First] = pids(File),
        await_end(First),
        _ = scores(task("deaf", #{pids => File}), networks(3)),
        [First, Second] = pids(File),
        [exit(Process, kill) || Process <- processes_of_pool()],
        await_end(Second)
    end).

%% The next user gets a new process and does not notice.
a_program_that_was_killed_while_idle_is_started_again() ->
    with_pids(fun(File) ->
        Task = task("none", #{pids => File}),
        [{_, Score}] = scores(Task, networks(1)),
        [OsPid] = pids(File),
        _ = os:cmd("kill -9 " ++ integer_to_list(OsPid)),
        await_end(OsPid),
        ?assertEqual([{1, Score}], scores(Task, networks(1))),
        ?assertMatch([_, _], pids(File))
    end).

%% Then no network is at fault: all get the fault, after one try.
a_program_that_cannot_start_again_is_tried_once() ->
    with_pids(fun(File) ->
        Script = File ++ ".py",
        {ok, _} = file:copy(script(), Script),
        Task = {program, #{command => "python3", args => [Script, "none", File], idle => 1}},
        {ok, #{evaluate := {together, Together}}} = cambrian_task:prepare(Task, #{}),
        [await_end(OsPid) || OsPid <- pids(File)],
        ok = file:delete(Script),
        ?assertEqual([{Index, {fault, {program_exited, 2}}} || {Index, _} <- networks(3)],
                     Together(networks(3), fun(_) -> ok end))
    end).

an_idle_program_ends() ->
    with_pids(fun(File) ->
        _ = scores(task("none", #{pids => File, idle => 1}), networks(3)),
        [await_end(OsPid) || OsPid <- pids(File)]
    end).

%%% ---- processes left behind

%% The program and its child are two processes, and a new start adds two.
with_child(Fault, Options, Test) ->
    with_pids(fun(File) ->
        Test(task("parent_" ++ Fault, Options#{pids => File}), File),
        [await_end(OsPid) || OsPid <- pids(File)]
    end).

the_children_of_a_program_end_when_it_is_killed() ->
    with_child("hang", #{timeout => 300}, fun(Task, File) ->
        [Loud | _] =
            [Network
             || {Index, _} = Network <- networks(8), lists:member(Index, loud(networks(8)))],
        ?assertMatch([{_, {fault, {program_hangs, 300}}}], scores(Task, [Loud])),
        ?assertMatch([_, _], pids(File))
    end).

the_children_of_a_program_end_when_it_ends() ->
    with_child("exit", #{}, fun(Task, File) ->
        [Loud | _] =
            [Network
             || {Index, _} = Network <- networks(8), lists:member(Index, loud(networks(8)))],
        ?assertMatch([{_, {fault, {program_exited, 3}}}], scores(Task, [Loud])),
        ?assertMatch([_, _], pids(File))
    end).

%% After the end of its population.
the_children_of_a_program_end_when_it_is_idle() ->
    with_child("none", #{idle => 1}, fun(Task, _) ->
        {ok, P} = cambrian_population:start(#{task => Task, seed => 1, target => 99, run => true}),
        ok = cambrian_population:subscribe(P),
        receive {cambrian, _, {generation, _}} -> ok end,
        ok = cambrian_population:stop(P)
    end).

the_children_of_a_program_end_with_the_application() ->
    with_child("deaf", #{}, fun(Task, _) ->
        _ = scores(Task, networks(3)),
        ok = application:stop(cambrian)
    end),
    {ok, _} = application:ensure_all_started(cambrian).

%% The other VM is killed and cannot end the program, which ignores the end of its input.
the_children_of_a_program_end_with_the_vm() ->
    with_child("deaf", #{}, fun(Task, File) ->
        Run =
            io_lib:format("{ok, _} = application:ensure_all_started(cambrian), "
                          "cambrian_task:prepare(~0p, #{}).", [Task]),
        Erl = filename:join([code:root_dir(), "bin", "erl"]),
        Vm = open_port({spawn_executable, Erl},
                       [{args,
                         ["-noshell", "-pa", filename:dirname(code:which(cambrian)), "-eval",
                          Run]}]),
        _ = cambrian_wait:until(fun() -> filelib:is_regular(File) andalso length(pids(File)) =:= 2
        end),
        {os_pid, OsPid} = erlang:port_info(Vm, os_pid),
        [] = os:cmd("kill -9 " ++ integer_to_list(OsPid))
    end).

the_children_of_a_program_end_when_all_watching_processes_are_killed() ->
    with_child("deaf", #{}, fun(Task, _) ->
        _ = scores(Task, networks(3)),
        [exit(Process, kill)
         || Process <- [whereis(cambrian_program_warden) | processes_of_pool()]],
        cambrian_wait:until(fun() -> whereis(cambrian_program_warden) =/= undefined end)
    end).

processes_of_pool() ->
    {links, Links} = process_info(whereis(cambrian_program_pool), links),
    [Pid || Pid <- Links, is_pid(Pid), Pid =/= whereis(cambrian_sup)].

a_program_ends_with_the_application() ->
    with_pids(fun(File) ->
        Task = task("deaf", #{pids => File}),
        _ = scores(Task, networks(3)),
        ok = application:stop(cambrian),
        [OsPid] = pids(File),
        ?assertNotEqual("", os:cmd("kill -0 " ++ integer_to_list(OsPid) ++ " 2>&1")),
        {ok, _} = application:ensure_all_started(cambrian)
    end).

options_of_a_program_are_checked() ->
    [?assertEqual({error, Expected}, cambrian_task:prepare({program, Options}, #{}))
     || {Options, Expected} <- [
        {#{}, {missing_options, [command]}},
        {#{command => "x", comand => "y"},
         {unknown_option, comand,
          #{did_you_mean => command, see => <<"type cambrian_program:options()">>}}},
        {#{command => x}, {bad_option, {command, x, <<"a string or a binary">>}}},
        {#{command => "x", args => "abc"},
         {bad_option, {args, "abc", <<"a list of strings or binaries">>}}},
        {#{command => "x", args => ["a" | b]},
         {bad_option, {args, ["a" | b], <<"a list of strings or binaries">>}}},
        {#{command => "x", env => [a]},
         {bad_option, {env, [a], <<"a list of {Name, Value | false}, strings all">>}}},
        {#{command => "x", episodes => 0}, {bad_option, {episodes, 0, <<"a positive integer">>}}},
        {#{command => "x", timeout => infinity},
         {bad_option, {timeout, infinity, <<"a positive integer">>}}}]].

%% A batch too large for the short forms of MessagePack's arrays and binaries.
a_large_batch_is_evaluated() ->
    [{_, Network} | _] = networks(1),
    Many = [{Index, Network} || Index <- lists:seq(1, 2000)],
    ?assertEqual([{Index, sum(Network, 5)} || {Index, _} <- Many], scores(task("none"), Many)).

%% cambrian_task:evaluate/3 with a list of episodes.
a_single_network_is_evaluated_on_the_episodes_asked_for() ->
    [{1, Network}] = networks(1),
    ?assertEqual(cambrian_task:evaluate(task("none", #{episodes => 3}), Network),
                 cambrian_task:evaluate(task("none"), Network, #{episodes => [0, 1, 2]})),
    ?assertMatch({ok, F} when is_float(F), cambrian_task:evaluate(task("none"), Network)),
    ?assertEqual({error, {program, "no_such", program_not_found}},
                 cambrian_task:evaluate({program, #{command => "no_such"}}, Network)).

%% ---- what a person reads

%% Of a program that does not start, and of one that answers wrongly.
every_fault_of_a_program_is_described_in_words_test_() ->
    [{Text, ?_assertEqual(Text, words(Fault, start))}
     || {Fault, Text} <-
            [{program_not_found, "the program \"x\" is not on the PATH"},
             {{program_not_started, enoent},
              "the program \"x\" did not start: no such file or directory"},
             {{program_exited, 1},
              "the program \"x\" ended with status 1 before its first message; its standard error "
              "goes to "
                                   "that of this VM"},
             {{program_exited, unknown}, "the program \"x\" ended"},
             {{program_hangs, 1500}, "the program \"x\" sent no first message within 1500 ms"},
             {{program_failed, <<"no such world">>}, "the program \"x\" says: no such world"},
             {{bad_answer, {unsupported_protocol, 2, 1}},
              "the program \"x\" speaks protocol 2, but Cambrian speaks 1; see docs/programs.md"},
             {{bad_answer, {hello, <<"{\"inputs\":0}">>}},
              "the program \"x\" began with {\"inputs\":0}, expected protocol, inputs and outputs "
              "in range; "
              "see docs/programs.md"}]]
    ++ [{Text, ?_assertEqual(Text, words(Fault, evaluation))}
        || {Fault, Text} <-
               [{{program_exited, 3}, "the program ended with status 3"},
                {{program_exited, 137}, "the program ended with status 137, by signal 9"},
                {{program_hangs, 300}, "the program sent no answer within 300 ms"},
                {{program_failed, <<"no more">>}, "the program says: no more"},
                {{bad_reward, nan},
                 "a reward was nan, expected a number within plus and minus 1.0e12"},
                {{bad_observation, {out_of_range, inputs}},
                 "an observation had a number out of range, expected numbers within plus and "
                 "minus 1.0e12"}]
               ++ [{{bad_answer, Answer}, "the program " ++ Text ++ "; see docs/programs.md"}
                   || {Answer, Text} <-
                          [{{text, <<"Loading">>},
                            "printed \"Loading\" where an answer was expected; its text must go to "
                                                   "standard error"},
                           {{text, <<"a\e[31m\xc3">>},
                            "printed \"a\\e[31m\" where an answer was expected; its text must go "
                            "to "
                                                       "standard error"},
                           {{unasked, <<0, 0, 0, 1, 16#80>>},
                            "sent the bytes 00 00 00 01 80 without a question"},
                           {{too_large, 16#ffffffff, 16#4000000},
                            "announced an answer of 4294967295 bytes, expected at most 67108864"},
                           {{no_messagepack, binary:copy(<<16#c1>>, 17)},
                            "sent the bytes c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 c1 ..., "
                            "expected a map in MessagePack"},
                           {{no_messagepack, <<>>},
                            "sent an empty message, expected a map in MessagePack"},
                           {{no_map, <<"[]">>}, "sent [], expected a map"},
                           {{no_bytes, <<"rewards">>}, "sent an answer without rewards as bytes"},
                           {{wrong_size, <<"rewards">>, 8, 0},
                            "sent 0 bytes of rewards, expected 8"},
                           {{another_hello, #{}},
                            "announced other numbers when it was started again"}]]].

words(Fault, start) ->
    unicode:characters_to_list(cambrian_error:format_error({program, "x", Fault}));
words(Fault, evaluation) -> unicode:characters_to_list(cambrian_fault:text({crashed, Fault})).
