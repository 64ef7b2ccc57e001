%% @doc Runs networks step by step in an environment, and defines the behaviour of environments.
%%
%% <pre>
%% -module(lamp).                     %% a lamp goes on and off; the network predicts its state
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
%% Such a module is a task: `cambrian:evolve(lamp)', or `cambrian:evolve({lamp, Args})' with the
%% argument of `init/1'. To try it in a shell:
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
%% <li>`init/1' returns the size of the networks, the most `steps' of an episode (1,000), and the
%% number of `episodes' (1).</li>
%% <li>`reset/2' begins an episode; episodes count from 0. Give every network the same start in the
%% same episode: else runs cannot be repeated, and luck decides. The second argument is the
%% configuration that `init/1' returned; put what a step needs of it into the state.</li>
%% <li>`step/2' takes the outputs of the network, and returns the next observation, a reward and the
%% state; or `{done, Reward}', which ends the episode.</li>
%% </ul>
%% Fitness is the sum of rewards of an episode, averaged over the episodes. A reward lies within
%% plus and minus 1.0e12. An observation is a list of numbers or a binary of little-endian 32-bit
%% floats; the outputs have the same form as the observation. A network begins each episode from
%% rest, and keeps its memory from step to step.
%%
%% Networks that are evaluated together run in lock-step: one call of the library computes the
%% outputs of all of them. A network whose environment crashes, or returns something invalid, has no
%% fitness; the others continue.
-module(cambrian_environment).

-export([evaluation/3, evaluate/3]).
-export_type([observation/0, episodes/0, world/0, fault/0]).

-type observation() :: cambrian_network:numbers().

-callback init(Args :: term()) ->
    {ok, #{inputs := pos_integer(), outputs := pos_integer(),
           steps => pos_integer(), episodes => pos_integer()},
     Config :: term()}.
-callback reset(Episode :: non_neg_integer(), Config :: term()) -> {observation(), State :: term()}.
-callback step(Outputs :: cambrian_network:numbers(), State :: term()) ->
    {observation(), Reward :: number(), State :: term()} | {done, Reward :: number()}.

-type index() :: pos_integer().
-type mark() :: fun((index() | 0) -> term()).
%% Called with the index of a network right before its code runs, and with 0 between two steps.

-type fault() :: {crashed, term()} | {bad_return, {module(), atom(), arity()}, term()}
               | {bad_observation, term()} | term().
-type episodes() :: (Count :: pos_integer()) | [non_neg_integer(), ...].
%% The number of episodes, from 0, or a list of episodes.

-type world() :: #{steps := pos_integer(), episodes := episodes(),
                   reset := fun(([index()], Episode :: non_neg_integer(), mark()) ->
                                [{observation(), State :: term()} | {fault, fault()}]),
                   step := fun(([{index(), Outputs :: cambrian_network:numbers(), State :: term()}],
                                mark()) ->
                               [{observation(), number(), State :: term()} | {done, number()}
                                | {fault, fault()}])}.
%% Environments that take a step all at once. Each function returns an answer for each element of
%% the list that it gets, in the same order.

%% The largest reward: the limit of every number that a network gets.
-define(MAX_REWARD, 1.0e12).

%% The documentation that an error names.
-define(SEE, <<"cambrian_environment:init/1">>).

%% One network in one episode.
-record(life, {index, network, memory, observation, state, total = 0.0}).

-define(IS_COUNT(N), (is_integer(N) andalso N >= 1)).

%%% ---- a module as a world ----------------------------------------------------------------

%% @private Describes the evaluation in a module with this behaviour, whose `init/1' returned a
%% shape and a configuration.
-spec evaluation(module(), map(), Config :: term()) ->
          {ok, map()} | {error, cambrian_options:error()} | error.
evaluation(Module, Shape, Config) ->
    Known = [inputs, outputs, steps, episodes],
    Unknown = maps:keys(maps:without(Known, Shape)),
    case {maps:merge(#{steps => 1000, episodes => 1}, Shape), Unknown} of
        {_, [Key | _]} ->
            {error, cambrian_options:unknown(unknown_option, Key, Known, ?SEE)};
        {#{steps := Steps, episodes := Count}, []} when ?IS_COUNT(Steps), ?IS_COUNT(Count) ->
            OnEpisodes = fun(Episodes) ->
                             World = world(Module, Config, Steps, Episodes),
                             {together,
                              fun(Networks, Mark) -> evaluate(World, Networks, Mark) end}
                         end,
            {ok, #{evaluate => OnEpisodes(Count), on_episodes => OnEpisodes}};
        _ -> error
    end.

world(Module, Config, Steps, Episodes) ->
    #{steps => Steps, episodes => Episodes,
      reset => fun(Indices, Episode, Mark) ->
                   [begin Mark(Index), reset(Module, Episode, Config) end || Index <- Indices]
               end,
      step => fun(Acts, Mark) ->
                  [begin Mark(Index), step(Module, Outputs, State) end
                   || {Index, Outputs, State} <- Acts]
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

%% @private Computes the score of each network. It does not depend on the other networks in the
%% list.
-spec evaluate(world(), [{index(), cambrian_network:network()}], mark()) ->
          [{index(), float() | {fault, fault()}}].
evaluate(#{episodes := Episodes} = World, Networks, Mark) ->
    Episode = fun(Number, {Sound, Faulty}) ->
                  Results = episode(Number, World, Sound, Mark),
                  {Done, Failed} = lists:partition(fun is_sound/1, Results),
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

%% Returns each network with its new sum of rewards, or its fault, in the order of indices.
episode(_, _, [], _) -> [];
episode(Number, #{reset := Reset, steps := Steps} = World, Networks, Mark) ->
    Starts = lists:zip(Networks, Reset([Index || {Index, _, _} <- Networks], Number, Mark)),
    Lives = [#life{index = Index, network = Network, total = Sum,
                   memory = cambrian_network:initial_state(Network),
                   observation = Observation, state = State}
             || {{Index, Network, Sum}, {Observation, State}} <- Starts, Observation =/= fault],
    Faulty = [{Index, Fault} || {{Index, _, _}, {fault, _} = Fault} <- Starts],
    lists:keysort(1, run_steps(Steps, World, Lives, Faulty, Mark)).

run_steps(Left, #{step := Step} = World, [_ | _] = Lives, Ended, Mark) when Left > 0 ->
    Answers = outputs(Lives),
    Outcomes = case acts(Lives, Answers) of
                   [] -> [];
                   Acts -> Step(Acts, Mark)
               end,
    {Living, NowEnded} = apply_outcomes(Lives, Answers, Outcomes, [], Ended),
    Mark(0),
    run_steps(Left - 1, World, Living, NowEnded, Mark);
run_steps(_, _World, Lives, Ended, _Mark) ->
    [{Index, Network, Total}
     || #life{index = Index, network = Network, total = Total} <- Lives] ++ Ended.

acts([#life{index = Index, state = State} | Lives], [{Outputs, Memory} | Answers])
  when is_binary(Memory) ->
    [{Index, Outputs, State} | acts(Lives, Answers)];
acts([_ | Lives], [{fault, _} | Answers]) -> acts(Lives, Answers);
acts([], []) -> [].

apply_outcomes([#life{index = Index} | Lives], [{fault, {bad_observation, _}} = Fault | Answers],
               Outcomes, Living, Ended) ->
    apply_outcomes(Lives, Answers, Outcomes, Living, [{Index, Fault} | Ended]);
apply_outcomes([#life{index = Index, network = Network, total = Total} = Life | Lives],
               [{_, Memory} | Answers], [Outcome | Outcomes], Living, Ended) ->
    case Outcome of
        {Observation, Reward, State} when abs(Reward) =< ?MAX_REWARD ->
            Next = Life#life{memory = Memory, observation = Observation, state = State,
                             total = Total + Reward},
            apply_outcomes(Lives, Answers, Outcomes, [Next | Living], Ended);
        {done, Reward} when abs(Reward) =< ?MAX_REWARD ->
            Done = {Index, Network, Total + Reward},
            apply_outcomes(Lives, Answers, Outcomes, Living, [Done | Ended]);
        {fault, _} ->
            apply_outcomes(Lives, Answers, Outcomes, Living, [{Index, Outcome} | Ended]);
        _ ->
            Fault = {fault, {bad_reward, element(2, Outcome)}},
            apply_outcomes(Lives, Answers, Outcomes, Living, [{Index, Fault} | Ended])
    end;
apply_outcomes([], [], [], Living, Ended) ->
    {lists:reverse(Living), Ended}.

%% Computes the outputs and the next memory of each network. If an observation is invalid, the call
%% fails for all, so the networks run one by one to find it.
outputs(Lives) ->
    try cambrian_network:step_many([N || #life{network = N} <- Lives],
                                   [M || #life{memory = M} <- Lives],
                                   [O || #life{observation = O} <- Lives]) of
        {error, Reason} -> outputs_one_by_one(Lives, Reason);
        Answers -> Answers
    catch
        error:badarg -> outputs_one_by_one(Lives, {no_numbers, first_observation(Lives)})
    end.

outputs_one_by_one([_], Reason) -> [{fault, {bad_observation, Reason}}];
outputs_one_by_one(Lives, _) -> lists:append([outputs([Life]) || Life <- Lives]).

first_observation([#life{observation = Observation} | _]) -> Observation.
