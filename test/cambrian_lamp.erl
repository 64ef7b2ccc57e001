%% A small environment, and the mistakes that an environment can make. An observation of 1 means
%% that the lamp is on; the network shall repeat it.
-module(cambrian_lamp).
-behaviour(cambrian_environment).
-export([init/1, reset/2, step/2]).

init({shape, Answer}) -> Answer;
init(Args) ->
    {ok,
     maps:merge(#{inputs => 1, outputs => 1, steps => 20},
                maps:with([inputs, outputs, steps, episodes], Args)), Args}.

reset(Episode, #{reset := Fun}) -> Fun(Episode);
reset(Episode, #{as := binary} = Args) ->
    {<<(Episode rem 2):32/float-little>>, {Episode rem 2, Args}};
reset(Episode, Args) -> {[Episode rem 2], {Episode rem 2, Args}}.

step(Outputs, {_, #{step := Fun}} = State) -> Fun(Outputs, State);
step(<<Output:32/float-little>>, {Lamp, Args}) ->
    {<<(1 - Lamp):32/float-little>>, 1 - abs(Output - Lamp), {1 - Lamp, Args}};
step([Output | _], {Lamp, Args}) ->
    {[1 - Lamp], 1 - abs(Output - Lamp), {1 - Lamp, Args}}.
