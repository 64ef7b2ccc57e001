%% One population on three nodes: the champion of one node, whoever is killed on the way.
-module(cambrian_federation_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).
-import(cambrian_wait, [until/1]).

all() ->
    [three_nodes_find_the_champion_of_one, a_member_is_killed, the_coordinator_is_killed,
     a_late_member_joins_within_a_run, orders_from_any_member_count_once,
     a_crashed_population_comes_back, nodes_that_meet_late_unite,
     scores_larger_than_a_record_take_several, a_member_with_other_options_is_refused,
     a_member_with_other_code_is_refused, a_genotype_larger_than_a_record_is_refused].

init_per_testcase(Case, Config) ->
    Nodes = cambrian_peers:start([one, two, three]),
    _ = [ok = cambrian_peers:connect(Nodes) || Case =/= nodes_that_meet_late_unite],
    [{nodes, Nodes} | Config].

end_per_testcase(_, Config) ->
    _ = [catch_stop(Peer) || {Peer, _} <- proplists:get_value(nodes, Config)],
    ok.

catch_stop(Peer) -> try peer:stop(Peer) catch exit:_ -> ok end.

%%% ---- cases ------------------------------------------------------------------------------

three_nodes_find_the_champion_of_one(Config) ->
    [{One, _} | _] = Nodes = nodes_of(Config),
    Whole = alone(One),
    ok = start(Nodes),
    ok = on(One, run, [here]),
    [?assertEqual(Whole, champion(Peer)) || {Peer, _} <- Nodes],
    #{members := Members} = peer:call(One, cambrian_federation, status, [here]),
    ?assertEqual(lists:sort([Node || {_, Node} <- Nodes]), Members).

a_member_is_killed(Config) ->
    [{One, _}, Two, {Killed, _}] = Nodes = nodes_of(Config),
    Whole = alone(One),
    ok = start(Nodes),
    ok = three_vote(One),
    ok = on(One, run, [here]),
    ok = wait_for_generation(5, Killed),
    ok = kill(Killed),
    [?assertEqual(Whole, champion(Peer)) || {Peer, _} <- [{One, node}, Two]].

the_coordinator_is_killed(Config) ->
    [{One, _}, {Two, _}, {Three, _}] = Nodes = nodes_of(Config),
    Whole = alone(Two),
    ok = start(Nodes),
    ok = three_vote(Two),
    ok = on(Two, run, [here]),
    ok = wait_for_generation(5, Two),
    #{coordinator := Coordinator} = peer:call(Two, cambrian_federation, status, [here]),
    {Killed, Others} = case lists:keyfind(Coordinator, 2, Nodes) of
                           {Peer, _} -> {Peer, [One, Two, Three] -- [Peer]};
                           false -> {One, [Two, Three]}
                       end,
    ok = kill(Killed),
    [?assertEqual(Whole, champion(Peer)) || Peer <- Others],
    #{coordinator := Next} = peer:call(hd(Others), cambrian_federation, status, [here]),
    ?assertNotEqual(Coordinator, Next).

a_late_member_joins_within_a_run(Config) ->
    [One, Two, {Late, _} = Three] = nodes_of(Config),
    Whole = alone(Late),
    ok = start([One, Two]),
    {Peer, _} = One,
    ok = on(Peer, run, [here]),
    ok = wait_for_generation(5, Peer),
    ok = start([Three]),
    [?assertEqual(Whole, champion(P)) || {P, _} <- [One, Two, Three]].

%% Steps and pauses from any member: all members take the same ones.
orders_from_any_member_count_once(Config) ->
    [{One, _}, {Two, _}, {Three, _}] = Nodes = nodes_of(Config),
    ok = start(Nodes),
    {ok, #{generation := 2}} = on(Two, step, [here, 3]),
    {ok, #{generation := 4}} = on(Three, step, [here, 2]),
    _ = [until(fun() -> generation(Peer) =:= 4 end) || Peer <- [One, Two, Three]],
    ok = on(Three, run, [here]),
    ok = on(Two, pause, [here]),
    Stopped = until(fun() ->
                        Generations = [generation(Peer) || Peer <- [One, Two, Three]],
                        length(lists:usort(Generations)) =:= 1 andalso hd(Generations)
                    end),
    ?assert(Stopped < 39).

a_crashed_population_comes_back(Config) ->
    [{One, _}, {Two, _}, {Three, _}] = Nodes = nodes_of(Config),
    Whole = alone(One),
    ok = start(Nodes),
    ok = three_vote(One),
    ok = on(One, run, [here]),
    ok = wait_for_generation(5, Two),
    true = peer:call(Two, erlang, apply, [fun ?MODULE:crash/0, []]),
    [?assertEqual(Whole, champion(Peer)) || Peer <- [One, Two, Three]].

%% Each node has begun the population by itself, and one has evolved.
nodes_that_meet_late_unite(Config) ->
    [{One, _}, {Two, _}, {Three, _}] = Nodes = nodes_of(Config),
    Whole = alone(One),
    ok = start(Nodes),
    {ok, #{generation := 2}} = on(Two, step, [here, 3]),
    ok = cambrian_peers:connect(Nodes),
    _ = until(fun() -> [3, 3, 3] =:= [members(Peer) || Peer <- [One, Two, Three]] end),
    ok = on(Three, run, [here]),
    [?assertEqual(Whole, champion(Peer)) || Peer <- [One, Two, Three]].

%% A population may be starting again.
members(Peer) ->
    try peer:call(Peer, cambrian_federation, status, [here], 60_000) of
        #{members := Members} -> length(Members)
    catch _:_ -> 0
    end.

crash() -> exit(whereis(here), kill).

%% It could be no record, and would end the population.
a_genotype_larger_than_a_record_is_refused(Config) ->
    [{One, _} | _] = nodes_of(Config),
    {ok, _} = on(One, start, [(options())#{task := {?MODULE, large}, population := 10}]),
    {error, {too_large, Size}} = peer:call(One, ?MODULE, inject_large, []),
    ?assert(Size > cambrian_record:max_body()),
    {ok, #{generation := 0}} = on(One, step, [here, 1]).

inject_large() ->
    {ok, Large} = cambrian_genotype:new(#{inputs => 500, outputs => 500}, 1),
    cambrian_population:inject(here, Large).

a_member_with_other_options_is_refused(Config) ->
    [One, {Two, _}, _] = nodes_of(Config),
    ok = start([One]),
    ?assertMatch({error, {checkpoint_differs, seed, 11, 12}},
                 on(Two, start, [(options())#{seed := 12}])),
    ?assertMatch({error, {checkpoint_of_another_task, <<"double_pole_novel">>}},
                 on(Two, start, [(options())#{task := 'xor'}])),
    ?assertMatch({error, {bad_option, {timeout, 5, _}}},
                 on(Two, start, [(options())#{timeout => 5}])),
    ?assertMatch({error, {bad_option, {federation, _, _}}},
                 on(Two, start, [(options())#{federation := #{voters => 2}}])),
    ?assertMatch({error, {bad_option, {federation, _, _}}},
                 on(Two, start, [(options())#{params => #{tuning => cma_es}}])).

%% 900 behaviours of 600 numbers, which compress badly: more than 2 MB in each generation.
scores_larger_than_a_record_take_several(Config) ->
    [{One, _}, {Two, _}, _] = Nodes = nodes_of(Config),
    Options = maps:merge(options(), #{task => {?MODULE, wide}, search => novelty, generations => 3,
                                      population => 900}),
    {ok, P} = on(One, start, [maps:without([federation, name], Options)]),
    ok = on(One, run, [P]),
    Whole = essence(on(One, await, [P, 300_000])),
    [{ok, _} = on(Peer, start, [Options]) || {Peer, _} <- Nodes],
    ok = on(Two, run, [here]),
    [?assertEqual(Whole, champion(Peer)) || {Peer, _} <- Nodes],
    #{bytes := Bytes, record := Record} = peer:call(Two, cambrian_federation, status, [here]),
    ?assert(Bytes > 3 * 2_000_000),
    ?assert(Record > 3 * 2).

%% As a task.
init(wide) -> {ok, #{inputs => 2, outputs => 1}, wide};
init(large) -> {ok, #{inputs => 500, outputs => 500}, large}.

evaluate(_Network, large) -> 1.0;
evaluate(Network, wide) ->
    [First] = cambrian_network:activate(Network, [0.5, -0.5]),
    {Numbers, _} = lists:mapfoldl(fun(_, X) -> {math:fmod(X * 7919.0 + 0.1234567, 1.0), X + First}
                                  end, First, lists:seq(1, 600)),
    #{fitness => First, behaviour => Numbers}.

a_member_with_other_code_is_refused(Config) ->
    [{One, Node}, {Two, _}, {Three, _}] = nodes_of(Config),
    Options = (options())#{task => small_task},
    [{module, small_task} = peer:call(Peer, code, load_binary, [small_task, "", Code])
     || {Peer, Code} <- [{One, small_task(1.0)}, {Two, small_task(2.0)}, {Three, small_task(1.0)}]],
    {ok, _} = on(One, start, [Options]),
    {error, Reason} = on(Two, start, [Options]),
    ?assertEqual({other_member, Node, {other_code, small_task}}, Reason),
    ?assertEqual(atom_to_list(Node) ++ ", a member of the federation, has other code of small_task",
                 unicode:characters_to_list(cambrian_error:format_error(Reason))),
    {ok, _} = on(Three, start, [Options]),
    Requirements = #{version => <<"0.0.7">>, code => []},
    ?assertMatch({error, {other_member, Node, {other_version, <<_/binary>>}}},
                 peer:call(One, cambrian_federation, checkpoint, [here, Requirements])).

small_task(Fitness) ->
    Forms = [erl_syntax:revert(Form) || Form <- merl:quote(
        ["-module(small_task).", "-export([init/1, evaluate/2]).",
         "init(_) -> {ok, #{inputs => 2, outputs => 1}, none}.",
         lists:flatten(io_lib:format("evaluate(_Network, _) -> ~p.", [Fitness]))])],
    {ok, small_task, Code} = compile:forms(Forms, []),
    Code.

%%% ---- nodes ------------------------------------------------------------------------------

nodes_of(Config) -> proplists:get_value(nodes, Config).

options() ->
    #{task => double_pole_novel, seed => 11, population => 200, target => 99, generations => 40,
      name => here, federation => #{}}.

alone(Peer) ->
    {ok, P} = on(Peer, start, [maps:without([federation, name], options())]),
    ok = on(Peer, run, [P]),
    Champion = essence(on(Peer, await, [P, 300_000])),
    ok = on(Peer, stop, [P]),
    Champion.

start(Nodes) ->
    _ = [{ok, _} = on(Peer, start, [options()]) || {Peer, _} <- Nodes],
    ok.

on(Peer, Function, Arguments) ->
    peer:call(Peer, ?MODULE, local, [Function, Arguments], 600_000).

%% A genotype is a reference of its node.
local(Function, Arguments) ->
    case apply(cambrian_population, Function, Arguments) of
        {ok, #{champion := Champion} = Result} ->
            {ok, Result#{champion := cambrian_genotype:id(Champion)}};
        Other -> Other
    end.

champion(Peer) -> essence(on(Peer, await, [here, 300_000])).

essence({ok, Result}) -> maps:with([champion, fitness, evaluations, generations, failures], Result).

generation(Peer) ->
    case on(Peer, stats, [here]) of
        {ok, #{generation := Generation}} -> Generation;
        {error, not_evaluated} -> none
    end.

wait_for_generation(Generation, Peer) ->
    _ = until(fun() ->
                  Now = generation(Peer),
                  is_integer(Now) andalso Now >= Generation
              end),
    ok.

%% A record names the voters of the next.
three_vote(Peer) ->
    _ = until(fun() ->
                  ok = on(Peer, pause, [here]),
                  #{voters := Voters} = peer:call(Peer, cambrian_federation, status, [here]),
                  length(Voters) =:= 3
              end),
    ok.

kill(Peer) ->
    Process = peer:call(Peer, os, getpid, []),
    _ = os:cmd("kill -9 " ++ Process),
    ok.
