%% @doc Runs environments in other programs, in any language. The environments of Gymnasium are
%% ready to use.
%%
%% <pre>
%% Task = cambrian_program:gymnasium("CartPole-v1"),
%% {ok, Result} = cambrian:evolve(Task, #{target => 475, seed => 1}).
%% </pre>
%%
%% This needs `python3' with the packages gymnasium, numpy and msgpack. A program of your own is the
%% task `{program, Options}': see {@link options()}. It speaks MessagePack over its standard input
%% and output, with one message a step for all networks that are evaluated together:
%% docs/programs.md has the bytes. Fitness is computed as in `cambrian_environment'.
%%
%% A program keeps running from generation to generation. If it dies, hangs or sends an invalid
%% answer, Cambrian starts it again, splits the networks that it ran into halves and evaluates each
%% half again, until the network that breaks the program is alone. Only that network has no fitness.
-module(cambrian_program).

-export([gymnasium/1, gymnasium/2, prepare/1]).
-export_type([task/0, options/0]).

-type task() :: {program, options()}.
-type options() :: #{command := file:name_all(), args => [unicode:chardata()],
                     validation_args => [unicode:chardata()],
                     env => [{string(), string() | false}], cd => file:name_all(), name => atom(),
                     steps => pos_integer(), episodes => pos_integer(), processes => pos_integer(),
                     timeout => pos_integer(), start_timeout => pos_integer(),
                     idle => pos_integer(), normalise => boolean(), fresh_episodes => boolean(),
                     validation => non_neg_integer()}.
%% <ul>
%% <li>`command': the program, looked up on the PATH;</li>
%% <li>`validation_args': the arguments for held-out episodes (`args'), so that evolution may have
%% other settings than its test;</li>
%% <li>`env': added to the environment of the VM;</li>
%% <li>`name': the name of the task, in checkpoints and on the mesh;</li>
%% <li>`steps': the most steps of an episode (what the program says, else 1,000);</li>
%% <li>`episodes' (1): the number of episodes for each network;</li>
%% <li>`processes' (1): how many run at the same time. More than one for each scheduler does not
%% help;</li>
%% <li>`start_timeout' (30,000): ms for the hello of the program;</li>
%% <li>`timeout' (2,000): ms for every other answer, independent of the `evaluation_timeout' of the
%% population;</li>
%% <li>`idle' (30,000): Cambrian stops the program after so many ms without use;</li>
%% <li>`normalise', `fresh_episodes', `validation': {@link cambrian_environment:settings()}.</li>
%% </ul>

%% The most bytes of numbers in a step: half of the largest message.
-define(MAX_NUMBERS, 16#2000000).

%% @doc The same as {@link gymnasium/2} without options.
-spec gymnasium(unicode:chardata()) -> task().
gymnasium(Environment) -> gymnasium(Environment, #{}).

%% @doc Makes a task of an environment of Gymnasium, or of a package that registers with it.
%%
%% Options are those of a program, and:
%% <ul>
%% <li>`seed' (0): episode N begins with the seed plus N;</li>
%% <li>`range' ({0, 1}): the range of the outputs, which is mapped to the bounds of a continuous
%% action;</li>
%% <li>`scale' (`auto'): which observations are scaled to -1..1. `auto' scales those with bounds
%% within -10..10, `true' all with bounds, `false' none;</li>
%% <li>`kwargs' (#{}): the keyword arguments of `gymnasium.make';</li>
%% <li>`training' (#{}): further ones, which held-out episodes do not have: a reward that is easier
%% to learn from;</li>
%% <li>`score': what an episode gives besides its rewards. `observation' gives the last observation
%% as the behaviour, as the network sees it; a text as `"module:function"' names a function in
%% Python, which docs/programs.md describes;</li>
%% <li>`command': `python3' by default.</li>
%% </ul>
%%
%% ```
%% 1> Given = #{episodes => 3, command => "/opt/venv/bin/python"}.
%% 2> {program, Options} = cambrian_program:gymnasium("Pendulum-v1", Given).
%% 3> maps:without([args], Options).
%% #{command => "/opt/venv/bin/python",episodes => 3,name => 'Pendulum-v1'}
%% 4> tl(maps:get(args, Options)).
%% [<<"Pendulum-v1">>,<<"{\"kwargs\":{},\"range\":[0,1],\"scale\":\"auto\",\"seed\":0}">>]
%% '''
-spec gymnasium(unicode:chardata(),
                #{seed => non_neg_integer(), range => {number(), number()},
                  scale => boolean() | auto, kwargs => #{atom() => term()},
                  training => #{atom() => term()},
                  score => observation | unicode:chardata(), atom() => term()}) ->
          task().
gymnasium(Environment, Options) ->
    Id = unicode:characters_to_binary(Environment),
    Known = [seed, range, scale, kwargs, training, score],
    {OfGymnasium, OfProgram} = {maps:with(Known, Options), maps:without(Known, Options)},
    {Low, High} = maps:get(range, OfGymnasium, {0, 1}),
    Score = maps:map(fun(score, Name) -> score_name(Name) end, maps:with([score], OfGymnasium)),
    Settings = maps:merge(maps:merge(#{seed => 0, scale => auto, kwargs => #{}}, OfGymnasium),
                          Score#{range => [Low, High]}),
    {Training, Plain} = {maps:get(training, Settings, #{}), maps:remove(training, Settings)},
    Args = fun(Kwargs) -> [python_script(), Id, cambrian_json:encode(Plain#{kwargs := Kwargs})] end,
    Kwargs = maps:get(kwargs, Plain),
    Validation = maps:from_list([{validation_args, Args(Kwargs)} || Training =/= #{}]),
    Defaults = Validation#{command => "python3", name => binary_to_atom(Id),
                           args => Args(maps:merge(Kwargs, Training))},
    {program, maps:merge(Defaults, OfProgram)}.

%% The helper refuses a name without a module.
score_name(Name) when is_atom(Name) -> Name;
score_name(Name) -> unicode:characters_to_binary(Name).

python_script() -> filename:join([code:priv_dir(cambrian), "native", "cambrian_gym.py"]).

%%% ---- as a task --------------------------------------------------------------------------

%% @private Starts the program, because only the program knows the size of the networks.
-spec prepare(options()) -> {ok, cambrian_task:prepared()} | {error, term()}.
prepare(Options) ->
    case cambrian_options:check(Options, options_table(), <<"type cambrian_program:options()">>) of
        {ok, #{command := Command} = Checked} ->
            Program = Checked#{command := command(Checked),
                               validation_command => validation_command(Checked)},
            case with_process(Program, fun() -> ok end, fun(_Process, Hello) -> {ok, Hello} end) of
                {ok, Hello} -> {ok, prepared(Program, Hello)};
                {no_start, Fault} -> {error, {program, Command, Fault}}
            end;
        {ok, _} -> {error, {missing_options, [command]}};
        Error -> Error
    end.

prepared(#{name := Name} = Program, #{inputs := Inputs, outputs := Outputs} = Hello) ->
    Complete = maps:merge(maps:merge(#{steps => 1000}, Hello), Program),
    Under = fun(Conditions) ->
                Chosen = chosen(maps:merge(Complete, Conditions)),
                {together, fun(Networks, Mark) -> together(Chosen, Networks, Mark) end}
            end,
    (cambrian_environment:varying(Program))#{name => Name, inputs => Inputs, outputs => Outputs,
                                             evaluate => Under(#{}), under => Under}.

chosen(#{is_held_out := true, validation_command := Command} = Program) ->
    Program#{command := Command};
chosen(Program) -> Program.

options_table() ->
    Positive = {fun cambrian_options:is_positive/1, <<"a positive integer">>},
    Text = {fun is_text/1, <<"a string or a binary">>},
    Texts = {fun are_texts/1, <<"a list of strings or binaries">>},
    (cambrian_environment:settings_table())#{
      command => Text, cd => Text,
      args => with_default(Texts, []), validation_args => Texts,
      env => {fun is_env/1, <<"a list of {Name, Value | false}, strings all">>, []},
      name => {fun(Name) -> is_atom(Name) andalso Name =/= undefined end,
               <<"an atom">>, program},
      steps => Positive, episodes => with_default(Positive, 1),
      processes => with_default(Positive, 1),
      timeout => with_default(Positive, 2000), start_timeout => with_default(Positive, 30_000),
      idle => with_default(Positive, 30_000)}.

with_default({Check, Expected}, Default) -> {Check, Expected, Default}.

is_text(Text) ->
    try unicode:characters_to_list(Text) of
        [_ | _] = Chars -> not lists:member(0, Chars);
        Other -> Other =:= []
    catch error:badarg -> false
    end.

are_texts(List) -> is_proper(List) andalso lists:all(fun is_text/1, List).

is_env(Env) ->
    is_proper(Env) andalso lists:all(fun is_variable/1, Env).

%% The guard fails for an improper list.
is_proper(List) when length(List) >= 0 -> true;
is_proper(_) -> false.

is_variable({Name, false}) -> io_lib:char_list(Name);
is_variable({Name, Value}) -> io_lib:char_list(Name) andalso io_lib:char_list(Value);
is_variable(_) -> false.

%% Users whose commands are equal share the running programs.
command(#{command := Command, args := Args, env := Env} = Checked) ->
    Cd = maps:map(fun(cd, Dir) -> unicode:characters_to_list(Dir) end, maps:with([cd], Checked)),
    Cd#{command => unicode:characters_to_list(Command),
        args => lists:map(fun unicode:characters_to_list/1, Args), env => Env}.

validation_command(#{validation_args := Args} = Checked) -> command(Checked#{args := Args});
validation_command(Checked) -> command(Checked).

%%% ---- evaluation -------------------------------------------------------------------------

%% If the program breaks while it runs several networks, one of them is to blame: halving the list
%% finds it.
together(_Program, [], _Mark) -> [];
together(Program, Networks, Mark) ->
    case length(Networks) * bytes(Program) > ?MAX_NUMBERS of
        true -> in_halves(Program, Networks, Mark);
        false -> at_once(Program, Networks, Mark)
    end.

%% The most bytes of numbers that a message has for one network.
bytes(#{inputs := Inputs, outputs := Outputs, score := Counts}) ->
    max(4 * (Inputs + Outputs), 8 * lists:sum(maps:values(Counts))).

at_once(Program, [{First, _} | Others] = Networks, Mark) ->
    Run = fun(Process, Hello) -> run(Process, Hello, Program, Networks, Mark) end,
    case with_process(Program, fun() -> Mark(First) end, Run) of
        {ok, Scores} -> Scores;
        {no_start, Fault} -> [{Index, {fault, Fault}} || {Index, _} <- Networks];
        {broken, Fault} when Others =:= [] -> [{First, {fault, Fault}}];
        {broken, _} -> in_halves(Program, Networks, Mark)
    end.

in_halves(Program, Networks, Mark) ->
    {Some, Others} = lists:split(length(Networks) div 2, Networks),
    together(Program, Some, Mark) ++ together(Program, Others, Mark).

%% Returns `{broken, Fault}' if the process broke during the use, and `{no_start, Fault}' if it
%% never worked.
with_process(#{command := Command, processes := Most, start_timeout := Start} = Program,
             Meanwhile, Use) ->
    Process = cambrian_program_pool:lease(Command, Most, Meanwhile),
    case cambrian_program_process:hello(Process, Start, Meanwhile) of
        {error, stale} ->
            cambrian_program_pool:release(Process, broken),
            with_process(Program, Meanwhile, Use);
        {error, Fault} ->
            cambrian_program_pool:release(Process, broken),
            {no_start, Fault};
        {ok, Hello} ->
            use(Process, Hello, Program, Use)
    end.

use(Process, Hello, #{idle := Idle}, Use) ->
    try
        Used = Use(Process, Hello),
        cambrian_program_pool:release(Process, {sound, Idle}),
        Used
    catch
        throw:{broken, Fault} ->
            cambrian_program_pool:release(Process, broken),
            {broken, Fault};
        Class:Reason:Stack ->
            cambrian_program_pool:release(Process, broken),
            erlang:raise(Class, Reason, Stack)
    end.

answer_or_broken({ok, Answer}) -> Answer;
answer_or_broken({error, Fault}) -> throw({broken, Fault}).

%% The program gets one question for all networks. While it works, the mark is on the first network
%% of the question; if the program breaks, together/3 finds the network to blame.
run(Process, #{inputs := Inputs, outputs := Outputs, score := Counts},
    #{inputs := Inputs, outputs := Outputs, score := Counts} = Program, Networks, Mark) ->
    #{timeout := Timeout} = Program,
    {Indices, WithoutIndex} = lists:unzip(Networks),
    IndexOfSlot = list_to_tuple(Indices),
    Ask = fun([First | _] = Slots, Question) ->
              MarkFirst = fun() -> Mark(element(First + 1, IndexOfSlot)) end,
              _ = MarkFirst(),
              answer_or_broken(cambrian_program_process:ask(Process, Question#{slots => Slots},
                                                            Timeout, MarkFirst))
          end,
    World = maps:merge(maps:with([steps, episodes, normalisation, observe], Program),
                       maps:merge(scored(Counts, Ask), world(Inputs, Ask))),
    InSlots = lists:zip(lists:seq(0, length(WithoutIndex) - 1), WithoutIndex),
    Answers = cambrian_environment:evaluate(World, InSlots, Mark),
    {_, Scores} = lists:unzip(Answers),
    {ok, lists:zip(Indices, Scores)};
run(_Process, Hello, _Program, _Networks, _Mark) ->
    throw({broken, {bad_answer, {another_hello, Hello}}}).

world(Inputs, Ask) ->
    #{reset => fun(Slots, Episode, _) ->
                   Answer = Ask(Slots, #{do => reset, episode => Episode}),
                   cambrian_program_answer:starts(Slots, Inputs, Answer)
               end,
      step => fun(Acts, _) ->
                  {Slots, OutputsOfSlots, _} = lists:unzip3(Acts),
                  Bytes = iolist_to_binary(OutputsOfSlots),
                  Answer = Ask(Slots, #{do => step, outputs => Bytes}),
                  cambrian_program_answer:outcomes(Slots, Inputs, Answer)
              end}.

%% A program that announced no score is not asked for one.
scored(Counts, _Ask) when Counts =:= #{} -> #{};
scored(Counts, Ask) ->
    #{score => fun(Ended, _) ->
                   {Slots, _} = lists:unzip(Ended),
                   cambrian_program_answer:scores(Slots, Counts, Ask(Slots, #{do => score}))
               end}.
