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
%% <li>`init/1' returns the size of the networks, the most `steps' of an episode (1,000), the number
%% of `episodes' (1), and {@link settings()};</li>
%% <li>`reset/2' begins an episode; episodes count from 0. Give every network the same start in the
%% same episode: else runs cannot be repeated, and luck decides. The second argument is the
%% configuration that `init/1' returned; put what a step needs of it into the state.</li>
%% <li>`step/2' takes the outputs of the network, and returns the next observation, a reward and the
%% state; or `{done, Reward}' or `{done, Reward, State}', which end the episode;</li>
%% <li>`score/1', which is optional, takes the last state of an episode and returns what the episode
%% gave besides its rewards, as in {@link cambrian_task}: a map with `behaviour', `objectives' or
%% `cases'. After `{done, Reward}' it gets the state that `step/2' got.</li>
%% </ul>
%% Fitness is the sum of rewards of an episode, averaged over the episodes; so are the numbers of
%% behaviours and objectives, and a list has as many numbers in every episode of every network.
%% Cases are those of the first episode, then those of the second. A reward lies within plus and
%% minus 1.0e12. An observation is a list of numbers or a binary of little-endian 32-bit floats; the
%% outputs have the same form as the observation. A network begins each episode from rest, and keeps
%% its memory from step to step.
%%
%% With a behaviour, a search compares what networks do. Here it is the last height of a lift, which
%% gets a reward for little power:
%%
%% ```
%% 1> Forms = [element(2, erl_parse:parse_form(element(2, erl_scan:string(Text)))) || Text <- [
%%        "-module(lift).", "-export([init/1, reset/2, step/2, score/1]).",
%%        "init(_Args) -> {ok, #{inputs => 1, outputs => 2, steps => 20}, no_config}.",
%%        "reset(_Episode, no_config) -> {[0], 0}.",
%%        "step([Up, Down], Height) -> {[Height / 20], -(Up + Down), Height + Up - Down}.",
%%        "score(Height) -> #{behaviour => [Height]}."]].
%% 2> {ok, lift, Code} = compile:forms(Forms).
%% 3> {module, lift} = code:load_binary(lift, "lift.erl", Code).
%% 4> {ok, #{archive := Archive}} =
%%        cambrian:evolve(lift, #{search => map_elites, seed => 1, generations => 20,
%%                                params => #{bounds => [{-20, 20}], cells => 40}}).
%% 5> #{filled := Filled} = cambrian_archive:stats(Archive), Filled > 20.
%% true
%% '''
%%
%% Networks that are evaluated together run in lock-step: one call of the library computes the
%% outputs of all of them. A network whose environment crashes, or returns something invalid, has no
%% fitness; the others continue.
-module(cambrian_environment).

-export([evaluation/3, evaluate/3, settings_table/0, varying/1]).
-export_type([observation/0, episodes/0, world/0, fault/0, settings/0, varying/0, conditions/0]).

-type observation() :: cambrian_network:numbers().

-callback init(Args :: term()) ->
    {ok, #{inputs := pos_integer(), outputs := pos_integer(),
           steps => pos_integer(), episodes => pos_integer(), normalise => boolean(),
           fresh_episodes => boolean(), validation => non_neg_integer()},
     Config :: term()}.
-callback reset(Episode :: non_neg_integer(), Config :: term()) -> {observation(), State :: term()}.
-callback step(Outputs :: cambrian_network:numbers(), State :: term()) ->
    {observation(), Reward :: number(), State :: term()}
    | {done, Reward :: number()} | {done, Reward :: number(), State :: term()}.
-callback score(State :: term()) ->
    #{behaviour => [number()], objectives => [number()], cases => [number()]}.
-optional_callbacks([score/1]).

-type index() :: pos_integer().
-type mark() :: fun((index() | 0) -> term()).
%% Called with the index of a network right before its code runs, and with 0 between two steps.

-type answer() :: float() | {measured, cambrian_score:score()}.
-type fault() :: {crashed, term()} | {bad_return, {module(), atom(), arity()}, term()}
               | {bad_observation, term()} | {bad_reward, term()} | cambrian_score:fault() | term().
-type episodes() :: (Count :: pos_integer()) | [non_neg_integer(), ...].
%% The number of episodes, from 0, or a list of episodes.

-type settings() :: #{normalise => boolean(), fresh_episodes => boolean(),
                      validation => non_neg_integer()}.
%% Settings that make the evaluation differ from generation to generation, of an environment or of a
%% program. In a run with one of the first two, each generation measures its survivors again
%% (`reevaluate').
%% <ul>
%% <li>`normalise' (false): networks see observations of mean 0 and standard deviation 1, by all
%% that networks saw in the generations before. The first generation sees them as they are. The
%% result has the `normalisation' of the champion, for {@link cambrian_network:normalise/2} and for
%% exports;</li>
%% <li>`fresh_episodes' (false): each generation has other episodes, drawn from the run's seed and
%% the same for all its networks. Their numbers are from 2^30 on;</li>
%% <li>`validation' (30 with `fresh_episodes', else 0): in how many further episodes, from 2^29 on,
%% the fittest new genotype of each generation is measured. The champion of the result is the best
%% in these, and the goals `target' and `patience' count these.</li>
%% </ul>

-type varying() :: #{episodes := pos_integer(), normalise := boolean(),
                     fresh_episodes := boolean(), validation := non_neg_integer()}.

-type conditions() :: #{episodes => episodes(),
                        normalisation => cambrian_network:normalisation() | none,
                        observe => boolean(), is_held_out => boolean()}.
%% How a generation is evaluated. With `observe', the answer of a network is `{observed, Statistics,
%% Answer}'. Held-out episodes of a program may have arguments of their own.

-type world() :: #{steps := pos_integer(), episodes := episodes(),
                   normalisation => cambrian_network:normalisation() | none, observe => boolean(),
                   reset := fun(([index()], Episode :: non_neg_integer(), mark()) ->
                                [{observation(), State :: term()} | {fault, fault()}]),
                   step := fun(([{index(), Outputs :: cambrian_network:numbers(), State :: term()}],
                                mark()) ->
                               [{observation() | done, number(), State :: term()}
                                | {fault, fault()}]),
                   score => fun(([{index(), State :: term()}], mark()) ->
                                [#{term() => term()} | {fault, fault()}])}.
%% Environments that take a step all at once. Each function returns an answer for each element of
%% the list that it gets, in the same order. `score' is asked at the end of each episode.

%% The largest reward: the limit of every number that a network gets.
-define(MAX_REWARD, 1.0e12).

%% The documentation that an error names.
-define(SEE, <<"cambrian_environment:init/1">>).

%% How many held-out episodes there are by default.
-define(VALIDATION, 30).

%% One network: its memory, observation and state in this episode, the sum of the rewards so far,
%% what each episode gave besides, the latest first, and the statistics of its observations.
-record(life, {index, network, memory, observation, state, total = 0.0, scores = [],
               seen = cambrian_statistics:new()}).

-define(IS_COUNT(N), (is_integer(N) andalso N >= 1)).

%%% ---- a module as a world ----------------------------------------------------------------

%% @private The check of each of {@link settings()}, with its default.
-spec settings_table() -> cambrian_options:table().
settings_table() ->
    #{normalise => {fun is_boolean/1, <<"a boolean">>, false},
      fresh_episodes => {fun is_boolean/1, <<"a boolean">>, false},
      validation => {fun cambrian_options:is_count/1, <<"an integer from 0">>}}.

%% @private What varies from generation to generation, for a prepared task.
-spec varying(#{episodes := pos_integer(), normalise := boolean(), fresh_episodes := boolean(),
                validation => non_neg_integer(), atom() => term()}) -> #{varying => varying()}.
varying(#{fresh_episodes := Fresh} = Settings) ->
    Default = case Fresh of true -> ?VALIDATION; false -> 0 end,
    Varying = maps:with([episodes, normalise, fresh_episodes, validation],
                        maps:merge(#{validation => Default}, Settings)),
    case Varying of
        #{normalise := false, fresh_episodes := false, validation := 0} -> #{};
        _ -> #{varying => Varying}
    end.

%% @private Describes the evaluation in a module with this behaviour, whose `init/1' returned a
%% shape and a configuration.
-spec evaluation(module(), map(), Config :: term()) ->
          {ok, map()} | {error, cambrian_options:error()} | error.
evaluation(Module, Shape, Config) ->
    Sizes = [inputs, outputs, steps, episodes],
    Table = settings_table(),
    Unknown = maps:keys(maps:without(Sizes ++ maps:keys(Table), Shape)),
    Settings = cambrian_options:check(maps:with(maps:keys(Table), Shape), Table, ?SEE),
    case {maps:merge(#{steps => 1000, episodes => 1}, Shape), Unknown, Settings} of
        {_, [Key | _], _} ->
            Known = Sizes ++ maps:keys(Table),
            {error, cambrian_options:unknown(unknown_option, Key, Known, ?SEE)};
        {_, [], {error, _} = Error} -> Error;
        {#{steps := Steps, episodes := Count}, [], {ok, Checked}}
          when ?IS_COUNT(Steps), ?IS_COUNT(Count) ->
            Under = fun(Conditions) ->
                        World = maps:merge(world(Module, Config, Steps, Count), Conditions),
                        {together,
                         fun(Networks, Mark) -> evaluate(World, Networks, Mark) end}
                    end,
            {ok, (varying(Checked#{episodes => Count}))#{evaluate => Under(#{}), under => Under}};
        _ -> error
    end.

world(Module, Config, Steps, Episodes) ->
    Score = [{score, fun(Ended, Mark) ->
                         [begin Mark(Index), score(Module, State) end || {Index, State} <- Ended]
                     end} || erlang:function_exported(Module, score, 1)],
    maps:merge(
      maps:from_list(Score),
      #{steps => Steps, episodes => Episodes,
        reset => fun(Indices, Episode, Mark) ->
                     [begin Mark(Index), reset(Module, Episode, Config) end || Index <- Indices]
                 end,
        step => fun(Acts, Mark) ->
                    [begin Mark(Index), step(Module, Outputs, State) end
                     || {Index, Outputs, State} <- Acts]
                end}).

reset(Module, Episode, Config) ->
    try Module:reset(Episode, Config) of
        {_Observation, _State} = Begun -> Begun;
        Other -> {fault, {bad_return, {Module, reset, 2}, Other}}
    catch
        Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}}
    end.

step(Module, Outputs, State) ->
    try Module:step(Outputs, State) of
        {done, Reward} when is_number(Reward) -> {done, Reward, State};
        {_ObservationOrDone, Reward, _State} = Stepped when is_number(Reward) -> Stepped;
        Other -> {fault, {bad_return, {Module, step, 2}, Other}}
    catch
        Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}}
    end.

score(Module, State) ->
    try Module:score(State) of
        #{} = Score -> Score;
        Other -> {fault, {bad_return, {Module, score, 1}, Other}}
    catch
        Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}}
    end.

%%% ---- in lock-step -----------------------------------------------------------------------

%% @private Computes the score of each network. It does not depend on the other networks in the
%% list.
-spec evaluate(world(), [{index(), cambrian_network:network()}], mark()) ->
          [{index(), answer() | {observed, cambrian_statistics:statistics(), answer()}
                     | {fault, fault()}}].
evaluate(#{episodes := Episodes} = World, Networks, Mark) ->
    Episode = fun(Number, {Lives, Faulty}) ->
                  {Sound, Failed} = episode(Number, World, Lives, Mark),
                  {Sound, Failed ++ Faulty}
              end,
    Start = [#life{index = Index, network = normalised(Network, World)}
             || {Index, Network} <- Networks],
    {Sound, Faulty} = fold(Episode, {Start, []}, Episodes),
    Count = if is_list(Episodes) -> length(Episodes); true -> Episodes end,
    lists:keysort(1, [{Life#life.index, answer(Life, Count, World)} || Life <- Sound] ++ Faulty).

normalised(Network, #{normalisation := #{} = Normalisation}) ->
    case cambrian_network:normalise(Network, Normalisation) of
        {error, Reason} -> error(Reason);
        Normalised -> Normalised
    end;
normalised(Network, _World) -> Network.

answer(#life{seen = Seen} = Life, Count, #{observe := true}) ->
    case total_score(Life, Count) of
        {fault, _} = Fault -> Fault;
        Score -> {observed, Seen, Score}
    end;
answer(Life, Count, _World) -> total_score(Life, Count).

fold(Episode, State, Numbers) when is_list(Numbers) -> lists:foldl(Episode, State, Numbers);
fold(Episode, State, Count) -> fold(Episode, State, 0, Count).

fold(_Episode, State, Count, Count) -> State;
fold(Episode, State, Number, Count) -> fold(Episode, Episode(Number, State), Number + 1, Count).

total_score(#life{total = Total, scores = []}, Count) -> Total / Count;
total_score(#life{total = Total, scores = Scores}, Count) ->
    case cambrian_score:of_episodes(Total / Count, lists:reverse(Scores)) of
        {ok, Score} -> {measured, Score};
        {fault, _} = Fault -> Fault
    end.

%% Returns the networks that lived through the episode, in the order of indices, and the faults of
%% the others.
episode(_, _, [], _) -> {[], []};
episode(Number, #{reset := Reset, steps := Steps} = World, Lives, Mark) ->
    Starts = lists:zip(Lives, Reset([Life#life.index || Life <- Lives], Number, Mark)),
    Begun = [Life#life{memory = cambrian_network:initial_state(Life#life.network),
                       observation = Observation, state = State}
             || {Life, {Observation, State}} <- Starts, Observation =/= fault],
    Faulty = [{Life#life.index, Fault} || {Life, {fault, _} = Fault} <- Starts],
    {Ended, Failed} = run_steps(Steps, World, Begun, {[], Faulty}, Mark),
    scored(World, lists:keysort(#life.index, Ended), Failed, Mark).

run_steps(Left, #{step := Step} = World, [_ | _] = Unseen, Over, Mark) when Left > 0 ->
    Answers = outputs(Unseen),
    Lives = observe(Unseen, Answers, World),
    Outcomes = case acts(Lives, Answers) of
                   [] -> [];
                   Acts -> Step(Acts, Mark)
               end,
    {Living, NowOver} = apply_outcomes(Lives, Answers, Outcomes, [], Over),
    Mark(0),
    run_steps(Left - 1, World, Living, NowOver, Mark);
run_steps(_, _World, Lives, {Ended, Faulty}, _Mark) -> {Lives ++ Ended, Faulty}.

%% An observation counts if it consists of numbers.
observe(Lives, Answers, #{observe := true}) ->
    lists:zipwith(fun(Life, {fault, _}) -> Life;
                     (#life{observation = Observation, seen = Seen} = Life, _) ->
                         Life#life{seen = cambrian_statistics:add(Observation, Seen)}
                  end, Lives, Answers);
observe(Lives, _Answers, _World) -> Lives.

acts([#life{index = Index, state = State} | Lives], [{Outputs, Memory} | Answers])
  when is_binary(Memory) ->
    [{Index, Outputs, State} | acts(Lives, Answers)];
acts([_ | Lives], [{fault, _} | Answers]) -> acts(Lives, Answers);
acts([], []) -> [].

apply_outcomes([Life | Lives], [{fault, {bad_observation, _}} = Fault | Answers], Outcomes, Living,
               Over) ->
    apply_outcomes(Lives, Answers, Outcomes, Living, with_fault(Life, Fault, Over));
apply_outcomes([#life{total = Total} = Life | Lives], [{_, Memory} | Answers],
               [Outcome | Outcomes], Living, {Ended, Faulty} = Over) ->
    case Outcome of
        {done, Reward, State} when abs(Reward) =< ?MAX_REWARD ->
            Done = Life#life{state = State, total = Total + Reward},
            apply_outcomes(Lives, Answers, Outcomes, Living, {[Done | Ended], Faulty});
        {Observation, Reward, State} when abs(Reward) =< ?MAX_REWARD ->
            Next = Life#life{memory = Memory, observation = Observation, state = State,
                             total = Total + Reward},
            apply_outcomes(Lives, Answers, Outcomes, [Next | Living], Over);
        {fault, _} ->
            apply_outcomes(Lives, Answers, Outcomes, Living, with_fault(Life, Outcome, Over));
        {_, Reward, _} ->
            Fault = {fault, {bad_reward, Reward}},
            apply_outcomes(Lives, Answers, Outcomes, Living, with_fault(Life, Fault, Over))
    end;
apply_outcomes([], [], [], Living, Over) ->
    {lists:reverse(Living), Over}.

with_fault(#life{index = Index}, Fault, {Ended, Faulty}) -> {Ended, [{Index, Fault} | Faulty]}.

%% Asks what an episode gave besides its rewards.
scored(#{score := Score}, [_ | _] = Lives, Faulty, Mark) ->
    Answers = Score([{Index, State} || #life{index = Index, state = State} <- Lives], Mark),
    Mark(0),
    Checked = [{Life, checked(Answer)} || {Life, Answer} <- lists:zip(Lives, Answers)],
    {[Life#life{scores = [Episode | Scores]}
      || {#life{scores = Scores} = Life, {ok, Episode}} <- Checked],
     [{Life#life.index, Fault} || {Life, {fault, _} = Fault} <- Checked] ++ Faulty};
scored(_World, Lives, Faulty, _Mark) -> {Lives, Faulty}.

checked(#{} = Score) -> cambrian_score:episode(Score);
checked({fault, _} = Fault) -> Fault.

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
