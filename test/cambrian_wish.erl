%% A task for the tests of the command line: its network shall output a wished number. It can
%% sleep before each evaluation and in init/1.
-module(cambrian_wish).
-behaviour(cambrian_task).
-export([init/1, evaluate/2]).

init([{rest, Ms}]) -> timer:sleep(Ms), init([]);
init([{nap, Ms}]) -> {ok, #{inputs => 1, outputs => 1}, {nap, Ms}};
init([{need, Key} | Settings]) -> {ok, #{}, proplists:get_value(list_to_atom(Key), Settings)};
init(Settings) -> {ok, #{inputs => 1, outputs => 1}, proplists:get_value(wish, Settings, 0.25)}.

evaluate(_Network, broken) -> error(no_sensor);
evaluate(Network, sometimes) ->
    [Out] = cambrian_network:activate(Network, [1]),
    true = Out < 0.7,
    Out;
evaluate(Network, {nap, Ms}) -> timer:sleep(Ms), evaluate(Network, 0.25);
evaluate(Network, Wish) ->
    timer:sleep(list_to_integer(os:getenv("CAMBRIAN_CLI_NAP", "0"))),
    [Out] = cambrian_network:activate(Network, [1]),
    1 - abs(Out - Wish).
