-module(cambrian_stop_tests).
-include_lib("eunit/include/eunit.hrl").
-export([a_trial_can_be_stopped/0, a_run_ends_beside_two_stuck_trials/0,
         more_jobs_than_threads_end_with_their_owner/0, a_run_ends_at_its_timeout/0,
         a_run_ends_within_a_trial/0, a_population_is_stopped_within_an_evaluation/0,
         a_batch_ends_with_its_caller/0, a_substrate_ends_with_its_caller/0]).

%% Long work can be stopped and blocks nothing else. The work here would take minutes to hours.
stopping_test_() ->
    {setup, fun() -> {ok, _} = application:ensure_all_started(cambrian) end,
     [{atom_to_list(Case), {timeout, 600, fun ?MODULE:Case/0}}
      || Case <- [a_trial_can_be_stopped, a_run_ends_beside_two_stuck_trials,
                  more_jobs_than_threads_end_with_their_owner, a_run_ends_at_its_timeout,
                  a_run_ends_within_a_trial, a_population_is_stopped_within_an_evaluation,
                  a_batch_ends_with_its_caller, a_substrate_ends_with_its_caller]]}.

%% At most 32 jobs run at once: if these were not stopped, every later job would wait.
-define(MORE_THAN_RUN, 40).
-define(PATIENCE_MS, 300_000).
-define(LONG, {sequence_recall, #{length => 8, delay => 16}}).

%% A genotype with idle nodes: 100,000 ticks of its network take minutes.
bloated() -> bloated(#{inputs => 3, outputs => 1}, 90_000).

bloated(Shape, Nodes) ->
    {ok, Genotype} = cambrian_genotype:new(Shape, 1),
    bloat(Genotype, Nodes).

bloat(Genotype, Count) ->
    #{nodes := Nodes, connections := Connections} = Map = cambrian_genotype:to_map(Genotype),
    #{id := Output} = lists:last(Nodes),
    Idle =
        [#{id => Id, layer => 1 bsl 62, activation => tanh, dynamics => ltc, time_constant => 1.0}
         || Id <- lists:seq(1, Count)],
    Links =
        [#{from => Id, to => Output, weight => 0.0, enabled => true} || Id <- lists:seq(1, Count)],
    {ok, Bloated} =
        cambrian_genotype:from_map(Map#{nodes := Nodes ++ Idle,
                                        connections := Connections ++ Links}),
    Bloated.

post() ->
    {ok, Task} = cambrian_nif:task_new(sequence_recall, element(2, ?LONG)),
    Tag = make_ref(),
    {Tag, cambrian_nif:task_trial(Tag, Task, cambrian_network:compile(bloated()))}.

stopped({Tag, Job}) ->
    ok = cambrian_nif:job_stop(Job),
    ?assertEqual({error, stopped}, receive {Tag, Answer} -> Answer end).

a_trial_can_be_stopped() -> stopped(post()).

a_run_ends_beside_two_stuck_trials() ->
    Stuck = [post() || _ <- lists:seq(1, 2)],
    ?assertMatch({ok, #{solved := true}}, cambrian:evolve('xor', #{seed => 42})),
    [receive {Tag, _} -> error(done) after 0 -> stopped(Trial) end || {Tag, _} = Trial <- Stuck].

a_run_begins() ->
    {Run, Monitor} = spawn_monitor(fun() ->
        {ok, #{solved := true}} = cambrian:evolve('xor', #{seed => 42})
    end),
    receive {'DOWN', Monitor, process, Run, Reason} -> ?assertEqual(normal, Reason)
    after ?PATIENCE_MS -> error(all_threads_are_held)
    end.

%% The run waits in the queue until one of the jobs ends.
more_jobs_than_threads_end_with_their_owner() ->
    Test = self(),
    Owner = spawn(fun() ->
                      {Tag, _} = post(),
                      {ok, Task} = cambrian_nif:task_new(sequence_recall, element(2, ?LONG)),
                      Network = cambrian_network:compile(bloated()),
                      _ = [cambrian_nif:task_trial(Tag, Task, Network) || _ <- lists:seq(1, 40)],
                      Test ! posted,
                      receive never -> ok end
                  end),
    receive posted -> ok end,
    {Run, Monitor} =
        spawn_monitor(fun() -> {ok, #{solved := true}} = cambrian:evolve('xor', #{seed => 42}) end),
    exit(Owner, kill),
    receive {'DOWN', Monitor, process, Run, Reason} -> ?assertEqual(normal, Reason) end.

%% The run has no fitness by then. The first evaluation gets extra time, and fails after it.
a_run_ends_at_its_timeout() ->
    ?assertEqual({error, {evaluations_failed, #{count => 1, first => timeout}}},
                 cambrian:evolve(?LONG,
                                 #{from => bloated(), population => 4, timeout => 100, seed => 1})).

%% The champion balances the poles, so its trial has more than 100,000 steps, while an evaluation
%% has 1000.
a_run_ends_within_a_trial() ->
    {ok, #{champion := Champion, solved := true}} =
        cambrian:evolve(double_pole_novel, #{seed => 42, generations => 60}),
    Options = #{from => bloat(Champion, 20_000), population => 2, seed => 1, timeout => 5000},
    ?assertMatch({ok, #{solved := false, generations := 1, failures := 0}},
                 cambrian:evolve(double_pole_novel, Options)).

a_population_is_stopped_within_an_evaluation() ->
    Founder = bloated(#{inputs => 3, outputs => 1}, 20_000),
    Options = #{task => ?LONG, from => Founder, population => 2, seed => 1, run => true},
    Populations =
        [P || _ <- lists:seq(1, ?MORE_THAN_RUN), {ok, P} <- [cambrian_population:start(Options)]],
    ?assertEqual(?MORE_THAN_RUN, length(Populations)),
    [ok = cambrian_population:stop(P) || P <- Populations],
    a_run_begins().

a_batch_ends_with_its_caller() ->
    Network = cambrian_network:compile(bloated()),
    Rows = <<0:(32 * 3 * 1_000_000)>>,
    ends_when_killed(fun() -> cambrian_network:activate_batch(Network, Rows) end).

a_substrate_ends_with_its_caller() ->
    Points = cambrian_substrate:grid([40, 40]),
    {ok, Substrate} = cambrian_substrate:new(#{inputs => Points, outputs => Points}),
    Cppn = bloated(cambrian_substrate:shape(Substrate), 90_000),
    ends_when_killed(fun() -> cambrian_substrate:express(Substrate, Cppn) end).

%% A run starts beside enough jobs to occupy all dirty schedulers and all threads, and again after
%% more jobs than can run at once were killed.
ends_when_killed(Work) ->
    Some = at_work(2 * erlang:system_info(dirty_cpu_schedulers_online), Work),
    a_run_begins(),
    Workers = Some ++ at_work(?MORE_THAN_RUN, Work),
    [exit(Worker, kill) || {Worker, _} <- Workers],
    [receive {'DOWN', Monitor, process, Worker, Reason} -> ?assertEqual(killed, Reason) end
     || {Worker, Monitor} <- Workers],
    a_run_begins().

%% Each worker has posted its job and waits for the result.
at_work(Count, Work) ->
    Workers = [spawn_monitor(Work) || _ <- lists:seq(1, Count)],
    Waits = {current_function, {cambrian_job, await, 1}},
    [cambrian_wait:until(fun() -> process_info(Worker, current_function) =:= Waits end)
     || {Worker, _} <- Workers],
    Workers.
