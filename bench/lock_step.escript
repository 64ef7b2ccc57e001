#!/usr/bin/env escript
%% Compares a population in lock-step with one network after the other, on one scheduler. The task
%% is a pole on a cart, in Erlang. It needs `make build'.
%%
%%   bench/lock_step.escript
-mode(compile).

main(_) ->
    find_code(),
    {ok, _} = application:ensure_all_started(cambrian),
    io:format("networks    lock-step, steps/s   one by one   ratio~n"),
    [measure(Hidden, Count) || Hidden <- [0, 20], Count <- [10, 150, 1000]].

%% Finds the code of `make build' beside this script, so that no ERL_LIBS is needed.
find_code() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    Ebin = filename:join(filename:dirname(Bench), "_build/default/lib/cambrian/ebin"),
    case code:add_patha(Ebin) of
        true -> ok;
        {error, bad_directory} -> wrong("nothing is built: run `make build` first")
    end.

wrong(Why) ->
    io:format(standard_error, "lock_step.escript: ~ts~n", [Why]),
    halt(2).

measure(Hidden, Count) ->
    Networks = [{Index, network(Index, Hidden)} || Index <- lists:seq(1, Count)],
    World = #{steps => 100, episodes => 1,
              reset => fun(Indices, _, Mark) ->
                           [begin Mark(Index), {[0, 0, 0.05, 0], {0, 0, 0.05, 0}} end
                            || Index <- Indices]
                       end,
              step => fun(Acts, Mark) ->
                          [begin Mark(Index), step(Outputs, State) end
                           || {Index, Outputs, State} <- Acts]
                      end},
    Together = fun() -> cambrian_environment:evaluate(World, Networks, fun(_) -> ok end) end,
    OneByOne = fun() -> [{Index, alone(Network)} || {Index, Network} <- Networks] end,
    {A, Scores} = best(Together),
    {B, Scores} = best(OneByOne),
    Steps = 100 * Count,
    io:format("~4b of ~2b hidden ~12b ~14b ~9.2f~n",
              [Count, Hidden, Steps * 1000000 div A, Steps * 1000000 div B, B / A]).

best(Fun) -> lists:min([timer:tc(Fun) || _ <- lists:seq(1, 7)]).

network(Seed, Hidden) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 4, outputs => 2}, Seed),
    Grow = fun(N, Before) ->
               {ok, After} = cambrian_genotype:mutate(Before, add_node, N),
               After
           end,
    cambrian_network:compile(lists:foldl(Grow, G, lists:seq(1, Hidden))).

alone(Network) ->
    Rest = cambrian_network:initial_state(Network),
    alone(100, Network, Rest, [0, 0, 0.05, 0], {0, 0, 0.05, 0}, 0.0).

alone(0, _, _, _, _, Sum) -> Sum;
alone(Left, Network, Memory, Observation, State, Sum) ->
    {Outputs, Next} = cambrian_network:step(Network, Memory, Observation),
    {Seen, Reward, After} = step(Outputs, State),
    alone(Left - 1, Network, Next, Seen, After, Sum + Reward).

%% The episode never ends early, so that both ways do the same number of steps.
step([Left, Right], {X, V, A, W}) ->
    Force = case Right > Left of true -> 10.0; false -> -10.0 end,
    {Sin, Cos} = {math:sin(A), math:cos(A)},
    Push = (Force + 0.05 * W * W * Sin) / 1.1,
    Turn = (9.8 * Sin - Cos * Push) / (0.5 * (4 / 3 - 0.1 * Cos * Cos / 1.1)),
    Speed = Push - 0.05 * Turn * Cos / 1.1,
    Next = {X + 0.02 * V, V + 0.02 * Speed, A + 0.02 * W, W + 0.02 * Turn},
    {tuple_to_list(Next), 1, Next}.
