%% How a population starts: from given genotypes, running or idle, and from a checkpoint that its
%% options must not contradict.
-module(cambrian_beginning_tests).
-include_lib("eunit/include/eunit.hrl").
-behaviour(supervisor).
-export([init/1]).

founders(Count) ->
    [element(2, cambrian_genotype:new(#{inputs => 2, outputs => 1}, Seed))
     || Seed <- lists:seq(1, Count)].

%% The first generation as the task gets it, in order of birth.
first_generation(Options) ->
    Self = self(),
    Fitness = fun(Network) -> Self ! {network, Network}, 0.0 end,
    {ok, _} = cambrian:evolve(Fitness, Options#{inputs => 2, outputs => 1, generations => 1}),
    networks().

networks() ->
    receive {network, Network} ->
            [cambrian_network:activate(Network, [0.3, -0.7]) | networks()] after 0 -> [] end.

%%% ---- from -------------------------------------------------------------------------------

the_first_generation_has_the_founders_and_their_descendants_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Founders = founders(3),
    Answers =
        [cambrian_network:activate(cambrian_network:compile(G), [0.3, -0.7]) || G <- Founders],
    All = first_generation(#{from => Founders, population => 60, seed => 1}),
    ?assertEqual(60, length(All)),
    [?assert(lists:member(Answer, All)) || Answer <- Answers],
    ?assert(length(lists:usort(All)) > 40),
    %% the seed alone decides
    ?assertEqual(lists:sort(All),
                 lists:sort(first_generation(#{from => Founders, population => 60, seed => 1}))),
    ?assertNotEqual(lists:sort(All),
                    lists:sort(first_generation(#{from => Founders, population => 60, seed => 2}))),
    %% as many founders as the population has room for
    ?assertEqual(lists:sort(Answers),
                 lists:sort(first_generation(#{from => Founders, population => 3, seed => 1}))).

a_founder_keeps_its_fitness_test() ->
    {ok, #{champion := Champion, fitness := Fitness}} = cambrian:evolve('xor', #{seed => 42}),
    [begin
         {ok, #{champion := Found, fitness := At}} =
             cambrian:evolve('xor', #{from => From, seed => 1, target => Fitness}),
         ?assert(At >= Fitness),
         %% a fitter champion descends from the founder
         {ok, Line} = cambrian:lineage(Found),
         ?assert(lists:member(cambrian_genotype:id(Champion), [Id || #{id := Id} <- Line]))
     end || From <- [Champion, [Champion], [Champion | founders(5)]]].

%% The lineage of a founder that was bred elsewhere ends with it and marks it as coming from
%% elsewhere.
lineage_begins_with_the_founder_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, Stranger} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 4_711),
    {ok, #{champion := Champion}} =
        cambrian:evolve('xor', #{from => Stranger, seed => 3, generations => 12, target => 5}),
    {ok, Line} = cambrian:lineage(Champion),
    Id = cambrian_genotype:id(Stranger),
    ?assertMatch(#{id := Id, parents := [], operators := [injection], generation := 0,
                   origin := unknown}, lists:last(Line)),
    [?assertMatch([_ | _], Parents) || #{parents := Parents} <- lists:droplast(Line)].

a_cppn_can_be_a_founder_test() ->
    {ok, Substrate} = cambrian_substrate:new(#{inputs => [[-1], [1]], outputs => [[0]]}),
    Fitness =
        fun(Network) -> [Out] = cambrian_network:activate(Network, [1, 1]), -abs(Out - 0.25) end,
    Options = #{substrate => Substrate, seed => 1, generations => 5},
    {ok, #{champion := Cppn, fitness := Before}} = cambrian:evolve(Fitness, Options),
    {ok, #{fitness := After}} = cambrian:evolve(Fitness, Options#{from => Cppn, generations => 1}),
    ?assert(After >= Before).

%% Founders are tuned too: a tuned genotype has the founder as its parent.
founders_are_tuned_test() ->
    [begin
         {ok, #{champion := Champion, fitness := Fitness}} =
             cambrian:evolve('xor',
                             #{from => founders(2), seed => 1, population => 10, generations => 2,
                               target => 9,
                               params => #{tuning => Tuner}}),
         ?assert(Fitness > 2.0),
         ?assertMatch({ok, [_ | _]}, cambrian:lineage(Champion))
     end || Tuner <- [hill_climbing, cma_es]].

%%% ---- from a checkpoint ----------------------------------------------------------------------

with_checkpoint(Options, Check) ->
    cambrian_temporary:with_data_dir(fun(_) ->
        Mine = Options#{task => 'xor', name => cambrian_beginning, target => 99},
        {ok, _} = cambrian_population:start(Mine),
        {ok, _} = cambrian_population:step(cambrian_beginning, 3),
        ok = cambrian_population:stop(cambrian_beginning),
        Start = fun(Others) ->
                    case cambrian_population:start(maps:merge(#{task => 'xor',
                                                                name => cambrian_beginning},
                                                              Others)) of
                        {ok, _} -> ok = cambrian_population:stop(cambrian_beginning);
                        {error, Reason} -> Reason
                    end
                end,
        Check(Mine, Start)
    end).

options_that_contradict_a_checkpoint_are_refused_test() ->
    [Founder, Other] = founders(2),
    Id = cambrian_genotype:id(Founder),
    OtherId = cambrian_genotype:id(Other),
    {ok, Substrate} = cambrian_substrate:new(#{inputs => [[-1], [1]], outputs => [[0]]}),
    with_checkpoint(#{seed => 42, population => 30, params => #{add_node => 0.1}, from => Founder},
                    fun(Mine, Start) ->
        [?assertEqual({Options, Reason}, {Options, Start(Options)})
         || {Options, Reason} <- [
                {#{}, ok}, {Mine, ok}, {#{seed => 42}, ok}, {#{population => 30}, ok},
                                  {#{from => [Founder]}, ok},
                {#{params => #{add_node => 0.1, population => 30}}, ok},
                                  {#{target => 3, generations => 9, patience => 2}, ok},
                {#{seed => 7}, {checkpoint_differs, seed, 42, 7}},
                {#{population => 31}, {checkpoint_differs, population, 30, 31}},
                {#{params => #{population => 31}}, {checkpoint_differs, population, 30, 31}},
                {#{params => #{add_node => 0.2}}, {checkpoint_differs, add_node, 0.1, 0.2}},
                {#{params => #{tuning => cma_es}}, {checkpoint_differs, tuning, none, cma_es}},
                {#{from => Other}, {checkpoint_differs, from, [Id], [OtherId]}},
                {#{from => [Founder, Other]}, {checkpoint_differs, from, [Id], [Id, OtherId]}},
                {#{substrate => Substrate}, {checkpoint_differs, substrate, another, Substrate}},
                {#{params => #{add_node => 2}},
                 {bad_parameter, {add_node, 2, <<"a number from 0 to 1">>}}}]]
    end).

from_is_refused_where_the_checkpoint_began_without_founders_test() ->
    [Founder] = founders(1),
    with_checkpoint(#{seed => 42}, fun(_, Start) ->
        ?assertEqual({checkpoint_differs, from, [], [cambrian_genotype:id(Founder)]},
                     Start(#{from => Founder}))
    end).

a_substrate_that_differs_from_that_of_the_checkpoint_is_refused_test() ->
    Make = fun(Range) ->
               {ok, S} =
                   cambrian_substrate:new(#{inputs => [[-1], [1]], outputs => [[0]],
                                            weight_range => Range}), S
           end,
    with_checkpoint(#{seed => 1, substrate => Make(3)}, fun(_, Start) ->
        ?assertEqual(ok, Start(#{})),
        ?assertEqual(ok, Start(#{substrate => Make(3)})),
        ?assertMatch({checkpoint_differs, substrate, another, _}, Start(#{substrate => Make(4)}))
    end).

%% A supervisor starts the population again with all of its options.
a_population_restarts_after_a_crash_with_the_same_options_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Options =
        #{task => 'xor', name => cambrian_beginning, seed => 42, target => 99,
          from => hd(founders(1)), population => 40,
          params => #{add_node => 0.1}, run => true},
    {ok, P} = cambrian_population:start(Options),
    exit(P, kill),
    ok = cambrian_population:pause(cambrian_beginning),
    ?assertNotEqual(P, whereis(cambrian_beginning)),
    ok = cambrian_population:stop(cambrian_beginning).

%%% ---- run --------------------------------------------------------------------------------

a_population_with_run_true_runs_at_once_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Options = #{task => 'xor', seed => 42},
    [begin
         {ok, P} = Start(Options#{run => true}),
         ?assertMatch({ok, #{solved := true, generations := 24}},
                      cambrian_population:await(P, infinity)),
         unlink(P),
         ok = cambrian_population:stop(P)
     end || Start <- [fun cambrian_population:start/1, fun cambrian_population:start_link/1]],
    {ok, Idle} = cambrian_population:start(Options#{run => false}),
    ?assertEqual({error, not_evaluated}, cambrian_population:stats(Idle)),
    ?assertMatch(#{state := new}, cambrian_population_client:overview(Idle)),
    ok = cambrian_population:stop(Idle),
    ?assertEqual({error, {bad_option, {run, yes, <<"a boolean">>}}},
                 cambrian_population:start(Options#{run => yes})).

a_supervised_population_with_run_true_runs_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    Child =
        cambrian_population:child_spec(#{task => 'xor', name => cambrian_beginning, seed => 42,
                                         run => true}),
    {ok, Supervisor} = cambrian_beginning_sup(Child),
    ?assertMatch({ok, #{solved := true, generations := 24}},
                 cambrian_population:await(cambrian_beginning, infinity)),
    Monitor = monitor(process, Supervisor),
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

cambrian_beginning_sup(Child) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, []),
    {ok, _} = supervisor:start_child(Supervisor, Child),
    {ok, Supervisor}.

init([]) -> {ok, {#{}, []}}.

%% A user pauses on purpose, so a crash does not end the pause.
a_pause_outlives_a_crash_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, P} =
        cambrian_population:start(#{task => 'xor', name => cambrian_beginning, seed => 42,
                                    target => 99, run => true}),
    ok = cambrian_population:subscribe(P),
    receive {cambrian, _, {generation, _}} -> ok end,
    ok = cambrian_population:pause(P),
    cambrian_wait:until(fun() ->
        map_get(state, cambrian_population_client:overview(cambrian_beginning)) =:= paused
    end),
    exit(P, kill),
    ?assertMatch(#{state := State} when State =/= running,
                 cambrian_population_client:overview(cambrian_beginning)),
    ok = cambrian_population:resume(cambrian_beginning),
    ?assertMatch(#{state := running}, cambrian_population_client:overview(cambrian_beginning)),
    ok = cambrian_population:stop(cambrian_beginning).

%% In another VM, `run' overrides the pause in the checkpoint.
run_true_starts_a_paused_population_from_its_checkpoint_test() ->
    with_checkpoint(#{seed => 42}, fun(Mine, _) ->
        {ok, _} = cambrian_population:start(Mine),
        ?assertMatch(#{state := new}, cambrian_population_client:overview(cambrian_beginning)),
        ok = cambrian_population:stop(cambrian_beginning),
        {ok, _} = cambrian_population:start(Mine#{run => true, target => 3.9}),
        ?assertMatch({ok, #{solved := true}},
                     cambrian_population:await(cambrian_beginning, infinity)),
        ok = cambrian_population:stop(cambrian_beginning),
        %% at its target the population returns its result again
        {ok, _} =
            cambrian_population:start((maps:remove(target, Mine))#{run => true, target => 3.9}),
        ?assertMatch({ok, #{solved := true}},
                     cambrian_population:await(cambrian_beginning, infinity)),
        ok = cambrian_population:stop(cambrian_beginning)
    end).
