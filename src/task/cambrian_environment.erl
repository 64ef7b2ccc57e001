%% @doc An environment that networks live in, step by step, and the behaviour of one of your own.
%%
%% <pre>
%% -module(lamp).                                    %% it goes on and off: say which it is now
%% -behaviour(cambrian_environment).
%% -export([init/1, reset/2, step/2]).
%%
%% init(_Args) -> {ok, #{inputs => 1, outputs => 1, steps => 20}, no_config}.
%% reset(_Episode, no_config) -> {[0], 0}.
%% step([Output], Lamp) ->
%%     Next = 1 - Lamp,
%%     {[Next], 1 - abs(Output - Lamp), Next}.
%% </pre>
%%
%% Such a module is a task: `cambrian:evolve(lamp)', or `cambrian:evolve({lamp, Args})' with the argument of `init/1'.
%% Typed into a shell:
%%
%% ```
%% 1> Forms = [element(2, erl_parse:parse_form(element(2, erl_scan:string(Text)))) || Text <- [
%%        "-module(lamp).", "-export([init/1, reset/2, step/2]).",
%%        "init(_Args) -> {ok, #{inputs => 1, outputs => 1, steps => 20}, no_config}.",
%%        "reset(_Episode, no_config) -> {[0], 0}.",
%%        "step([Output], Lamp) -> {[1 - Lamp], 1 - abs(Output - Lamp), 1 - Lamp}."]].
%% 2> {ok, lamp, Code} = compile:forms(Forms).
%% 3> {module, lamp} = code:load_binary(lamp, "lamp.erl", Code).
%% 4> {ok, #{solved := Solved}} = cambrian:evolve(lamp, #{target => 19.5, seed => 1}), Solved.
%% true
%% '''
%%
%% <ul>
%% <li>`init/1' gives the size of the network, how many `steps' an episode lasts at most (1,000) and how many
%% `episodes' a network lives (1).</li>
%% <li>`reset/2' begins an episode, from 0: give every network the same start in the same episode, or runs cannot be
%% repeated and the lucky win. It has the configuration of `init/1'; what a step needs of it goes into the state.</li>
%% <li>`step/2' takes the network's outputs, and gives what it observes next, a reward and the state; or
%% `{done, Reward}', which ends the episode.</li>
%% </ul>
%% Fitness is the mean over the episodes of the sum of rewards, each within plus and minus 1.0e12. An observation is a
%% list of numbers or a little-endian 32-bit float binary, and the outputs come as it went in. A network begins each
%% episode from rest and remembers what was from one step to the next.
%%
%% All networks that are evaluated together take a step at a time, with one call of the library for all their outputs.
%% One whose environment crashes or answers rubbish has no fitness, and the others go on.
-module(cambrian_environment).

-export([evaluation/3, evaluate/3]).
-export_type([observation/0, episodes/0, world/0, fault/0]).

-type observation() :: cambrian_network:numbers().

-callback init(Args :: term()) ->
    {ok, #{inputs := pos_integer(), outputs := pos_integer(), steps => pos_integer(), episodes => pos_integer()},
     Config :: term()}.
-callback reset(Episode :: non_neg_integer(), Config :: term()) -> {observation(), State :: term()}.
-callback step(Outputs :: cambrian_network:numbers(), State :: term()) ->
    {observation(), Reward :: number(), State :: term()} | {done, Reward :: number()}.

-type index() :: pos_integer().
-type mark() :: fun((index() | 0) -> term()).
-type fault() :: {crashed, term()} | {bad_return, {module(), atom(), arity()}, term()} | {bad_observation, term()}
               | term().
-type episodes() :: (Count :: pos_integer()) | [non_neg_integer(), ...].
%% So many from 0, or those.

-type world() :: #{steps := pos_integer(), episodes := episodes(),
                   reset := fun(([index()], Episode :: non_neg_integer(), mark()) ->
                                [{observation(), State :: term()} | {fault, fault()}]),
                   step := fun(([{index(), Outputs :: cambrian_network:numbers(), State :: term()}], mark()) ->
                               [{observation(), number(), State :: term()} | {done, number()} | {fault, fault()}])}.
%% Environments that are taken a step all at once. Each function gives an answer for each of its list, in its order.

%% Of a reward: as of whatever else a network gets to know.
-define(LIMIT, 1.0e12).

%% One network in one episode.
-record(life, {index, network, memory, observation, state, total = 0.0}).

-define(IS_COUNT(N), (is_integer(N) andalso N >= 1)).

%%% ---- a module as a world ----------------------------------------------------------------

%% @private How networks live in a module with this behaviour, of what its `init/1' gave.
-spec evaluation(module(), map(), Config :: term()) -> {ok, map()} | {error, cambrian_options:error()} | error.
evaluation(Module, Shape, Config) ->
    Known = [inputs, outputs, steps, episodes],
    case {maps:merge(#{steps => 1000, episodes => 1}, Shape), maps:keys(maps:without(Known, Shape))} of
        {_, [Key | _]} ->
            {error, cambrian_options:unknown(unknown_option, Key, Known, <<"cambrian_environment:init/1">>)};
        {#{steps := Steps, episodes := Count}, []} when ?IS_COUNT(Steps), ?IS_COUNT(Count) ->
            On = fun(Episodes) ->
                     World = world(Module, Config, Steps, Episodes),
                     {together, fun(Networks, Mark) -> evaluate(World, Networks, Mark) end}
                 end,
            {ok, #{evaluate => On(Count), on => On}};
        _ -> error
    end.

world(Module, Config, Steps, Episodes) ->
    #{steps => Steps, episodes => Episodes,
      reset => fun(Indices, Episode, Mark) ->
                   [begin Mark(Index), reset(Module, Episode, Config) end || Index <- Indices]
               end,
      step => fun(Acts, Mark) ->
                  [begin Mark(Index), step(Module, Outputs, State) end || {Index, Outputs, State} <- Acts]
              end}.

reset(Module, Episode, Config) ->
    try Module:reset(Episode, Config) of
        {_Observation, _State} = Begun -> Begun;
        Other -> {fault, {bad_return, {Module, reset, 2}, Other}}
    catch
        Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}}
    end.

step(Module, Outputs, State) ->
    try Module:step(Outputs, State) of
        {_Observation, Reward, _State} = Stepped when is_number(Reward) -> Stepped;
        {done, Reward} = Done when is_number(Reward) -> Done;
        Other -> {fault, {bad_return, {Module, step, 2}, Other}}
    catch
        Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}}
    end.

%%% ---- in lock-step -----------------------------------------------------------------------

%% @private The score of each network. It is the same whoever else is in the list.
-spec evaluate(world(), [{index(), cambrian_network:network()}], mark()) -> [{index(), float() | {fault, fault()}}].
evaluate(#{episodes := Episodes} = World, Networks, Mark) ->
    Episode = fun(Number, {Sound, Faulty}) ->
                  {Done, Failed} = lists:partition(fun is_sound/1, episode(Number, World, Sound, Mark)),
                  {Done, Failed ++ Faulty}
              end,
    Start = [{Index, Network, 0.0} || {Index, Network} <- Networks],
    {Sound, Faulty} = fold(Episode, {Start, []}, Episodes),
    Count = if is_list(Episodes) -> length(Episodes); true -> Episodes end,
    lists:sort([{Index, Sum / Count} || {Index, _, Sum} <- Sound] ++ Faulty).

fold(Episode, State, Numbers) when is_list(Numbers) -> lists:foldl(Episode, State, Numbers);
fold(Episode, State, Count) -> fold(Episode, State, 0, Count).

fold(_Episode, State, Count, Count) -> State;
fold(Episode, State, Number, Count) -> fold(Episode, Episode(Number, State), Number + 1, Count).

is_sound({_Index, _Network, _Sum}) -> true;
is_sound({_Index, {fault, _}}) -> false.

%% Each with what the episode adds to its sum, or with its fault; in the order of their indices.
episode(_, _, [], _) -> [];
episode(Number, #{reset := Reset, steps := Steps} = World, Networks, Mark) ->
    Begun = Reset([Index || {Index, _, _} <- Networks], Number, Mark),
    {Lives, Faulty} = lists:foldr(fun({{Index, _, _}, {fault, _} = Fault}, {Lives, Faulty}) ->
                                          {Lives, [{Index, Fault} | Faulty]};
                                     ({{Index, Network, Sum}, {Observation, State}}, {Lives, Faulty}) ->
                                          Memory = cambrian_network:initial_state(Network),
                                          {[#life{index = Index, network = Network, memory = Memory, total = Sum,
                                                  observation = Observation, state = State} | Lives], Faulty}
                                  end, {[], []}, lists:zip(Networks, Begun)),
    lists:keysort(1, live(Steps, World, Lives, Faulty, Mark)).

live(Left, #{step := Step} = World, [_ | _] = Lives, Ended, Mark) when Left > 0 ->
    Answers = think(Lives),
    Outcomes = case acts(Lives, Answers) of
                   [] -> [];
                   Acts -> Step(Acts, Mark)
               end,
    {Living, NowEnded} = settle(Lives, Answers, Outcomes, [], Ended),
    Mark(0),
    live(Left - 1, World, Living, NowEnded, Mark);
live(_, _World, Lives, Ended, _Mark) ->
    [{Index, Network, Total} || #life{index = Index, network = Network, total = Total} <- Lives] ++ Ended.

acts([#life{index = Index, state = State} | Lives], [{Outputs, Memory} | Answers]) when is_binary(Memory) ->
    [{Index, Outputs, State} | acts(Lives, Answers)];
acts([_ | Lives], [{fault, _} | Answers]) -> acts(Lives, Answers);
acts([], []) -> [].

settle([#life{index = Index} | Lives], [{fault, {bad_observation, _}} = Fault | Answers], Outcomes, Living, Ended) ->
    settle(Lives, Answers, Outcomes, Living, [{Index, Fault} | Ended]);
settle([#life{index = Index, network = Network, total = Total} = Life | Lives], [{_, Memory} | Answers],
       [Outcome | Outcomes], Living, Ended) ->
    case Outcome of
        {Observation, Reward, State} when abs(Reward) =< ?LIMIT ->
            Next = Life#life{memory = Memory, observation = Observation, state = State, total = Total + Reward},
            settle(Lives, Answers, Outcomes, [Next | Living], Ended);
        {done, Reward} when abs(Reward) =< ?LIMIT ->
            settle(Lives, Answers, Outcomes, Living, [{Index, Network, Total + Reward} | Ended]);
        {fault, _} ->
            settle(Lives, Answers, Outcomes, Living, [{Index, Outcome} | Ended]);
        _ ->
            settle(Lives, Answers, Outcomes, Living, [{Index, {fault, {bad_reward, element(2, Outcome)}}} | Ended])
    end;
settle([], [], [], Living, Ended) ->
    {lists:reverse(Living), Ended}.

%% The outputs and the next memory of each. Only where an observation is none, they are asked one by one.
think(Lives) ->
    try cambrian_network:step_many([N || #life{network = N} <- Lives], [M || #life{memory = M} <- Lives],
                                   [O || #life{observation = O} <- Lives]) of
        {error, Reason} -> think_alone(Lives, Reason);
        Answers -> Answers
    catch
        error:badarg -> think_alone(Lives, {no_numbers, first_observation(Lives)})
    end.

think_alone([_], Reason) -> [{fault, {bad_observation, Reason}}];
think_alone(Lives, _) -> lists:append([think([Life]) || Life <- Lives]).

first_observation([#life{observation = Observation} | _]) -> Observation.
