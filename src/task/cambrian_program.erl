%% @doc Environments in another program, in whatever language: Gymnasium's come ready to use.
%%
%% <pre>
%% {ok, Result} = cambrian:evolve(cambrian_program:gymnasium("CartPole-v1"), #{target => 475, seed => 1}).
%% </pre>
%%
%% That wants `python3' with the packages gymnasium, numpy and msgpack. A program of your own is the task
%% `{program, Options}': see {@link options()}. It speaks MessagePack over its standard input and output, one message
%% a step for all networks that are evaluated together: docs/programs.md has the bytes. `cambrian_environment' says
%% what fitness is.
%%
%% A program runs on from generation to generation, and is started again when it died. If it dies, hangs or answers
%% rubbish, the networks that were with it are tried again in halves, until the one with which it does so is alone;
%% only that one has no fitness.
-module(cambrian_program).

-export([gymnasium/1, gymnasium/2, prepare/1]).
-export_type([task/0, options/0]).

-type task() :: {program, options()}.
-type options() :: #{command := file:name_all(), args => [unicode:chardata()],
                     env => [{string(), string() | false}], cd => file:name_all(), name => atom(),
                     steps => pos_integer(), episodes => pos_integer(), processes => pos_integer(),
                     timeout => pos_integer(), start_timeout => pos_integer(), idle => pos_integer()}.
%% `command' is looked for on the PATH; `env' is added to what the VM itself has; `name' is that of the task, in
%% checkpoints and on the mesh. An episode lasts at most `steps' (what the program says, else 1,000) and a network
%% lives `episodes' (1). `processes' (1) run at the same time at most: one for each scheduler is the most that helps.
%% A program has `start_timeout' ms (30,000) for its hello, and `timeout' ms (2,000) for every other answer, whatever
%% the `evaluation_timeout' of the population. It is ended when nobody used it for `idle' ms (30,000).

%% Of a step, in bytes: half of what a message may have.
-define(MAX_NUMBERS, 16#2000000).

%% @doc The same as {@link gymnasium/2} without options.
-spec gymnasium(unicode:chardata()) -> task().
gymnasium(Environment) -> gymnasium(Environment, #{}).

%% @doc A task that is an environment of Gymnasium, or of what registers with it.
%%
%% Options are those of a program, and `seed' (0): episode N begins with the seed plus N; `range' ({0, 1}): between
%% which outputs a network's are, to be mapped to the bounds of a continuous action; `scale' (`auto'): which observations
%% are scaled to -1..1, those with bounds within -10..10, with `true' all that have bounds, with `false' none; `kwargs' (#{}):
%% what `gymnasium.make' is given. `command' is `python3' unless it is among them.
%%
%% ```
%% 1> {program, Options} = cambrian_program:gymnasium("Pendulum-v1", #{episodes => 3, command => "/opt/venv/bin/python"}).
%% 2> maps:without([args], Options).
%% #{command => "/opt/venv/bin/python",episodes => 3,name => 'Pendulum-v1'}
%% 3> tl(maps:get(args, Options)).
%% [<<"Pendulum-v1">>,<<"{\"kwargs\":{},\"range\":[0,1],\"scale\":\"auto\",\"seed\":0}">>]
%% '''
-spec gymnasium(unicode:chardata(), #{seed => non_neg_integer(), range => {number(), number()}, scale => boolean() | auto,
                                      kwargs => #{atom() => term()}, atom() => term()}) -> task().
gymnasium(Environment, Options) ->
    Id = unicode:characters_to_binary(Environment),
    Mine = maps:with([seed, range, scale, kwargs], Options),
    {Low, High} = maps:get(range, Mine, {0, 1}),
    Settings = maps:merge(#{seed => 0, scale => auto, kwargs => #{}}, Mine#{range => [Low, High]}),
    {program, maps:merge(#{command => "python3", name => binary_to_atom(Id), args => [helper(), Id, cambrian_json:encode(Settings)]},
                         maps:without([seed, range, scale, kwargs], Options))}.

helper() -> filename:join([code:priv_dir(cambrian), "native", "cambrian_gym.py"]).

%%% ---- as a task --------------------------------------------------------------------------

%% @private Starts the program, as only it knows what size a network is to have.
-spec prepare(options()) -> {ok, cambrian_task:prepared()} | {error, term()}.
prepare(Options) ->
    case cambrian_options:check(Options, options_table(), <<"type cambrian_program:options()">>) of
        {ok, #{command := Command} = Checked} ->
            Program = Checked#{command := command(Checked)},
            case with_process(Program, fun() -> ok end, fun(_Process, Hello) -> {ok, Hello} end) of
                {ok, Hello} -> {ok, prepared(Program, Hello)};
                {no_start, Fault} -> {error, {program, Command, Fault}}
            end;
        {ok, _} -> {error, {missing_options, [command]}};
        Error -> Error
    end.

prepared(#{name := Name} = Program, #{inputs := Inputs, outputs := Outputs} = Hello) ->
    #{episodes := Count} = Told = maps:merge(maps:merge(#{steps => 1000}, Hello), Program),
    On = fun(Episodes) ->
             {together, fun(Networks, Mark) -> together(Told#{episodes := Episodes}, Networks, Mark) end}
         end,
    #{name => Name, inputs => Inputs, outputs => Outputs, evaluate => On(Count), on => On}.

options_table() ->
    Positive = {fun cambrian_options:is_positive/1, <<"a positive integer">>},
    Text = {fun is_text/1, <<"a string or a binary">>},
    #{command => Text, cd => Text,
      args => {fun(Args) -> is_list(Args) andalso lists:all(fun is_text/1, Args) end,
               <<"a list of strings or binaries">>, []},
      env => {fun is_env/1, <<"a list of {Name, Value | false}, strings all">>, []},
      name => {fun(Name) -> is_atom(Name) andalso Name =/= undefined end, <<"an atom">>, program},
      steps => Positive, episodes => with_default(Positive, 1), processes => with_default(Positive, 1),
      timeout => with_default(Positive, 2000), start_timeout => with_default(Positive, 30_000),
      idle => with_default(Positive, 30_000)}.

with_default({Check, Expected}, Default) -> {Check, Expected, Default}.

is_text(Text) ->
    try unicode:characters_to_list(Text) of
        [_ | _] = Chars -> not lists:member(0, Chars);
        Other -> Other =:= []
    catch error:badarg -> false
    end.

is_env(Env) ->
    is_list(Env) andalso lists:all(fun({Name, Value}) -> io_lib:char_list(Name) andalso
                                                         (Value =:= false orelse io_lib:char_list(Value));
                                      (_) -> false
                                   end, Env).

%% What makes it the same program for whoever asks for it.
command(#{command := Command, args := Args, env := Env} = Checked) ->
    Cd = maps:map(fun(cd, Dir) -> unicode:characters_to_list(Dir) end, maps:with([cd], Checked)),
    Cd#{command => unicode:characters_to_list(Command), args => lists:map(fun unicode:characters_to_list/1, Args),
        env => Env}.

%%% ---- evaluation -------------------------------------------------------------------------

%% Where the program broke down with several, it was one of them: which, halves tell.
together(_Program, [], _Mark) -> [];
together(#{inputs := Inputs, outputs := Outputs} = Program, Networks, Mark)
  when 4 * (Inputs + Outputs) * length(Networks) > ?MAX_NUMBERS ->
    in_halves(Program, Networks, Mark);
together(Program, [{First, _} | Others] = Networks, Mark) ->
    Live = fun(Process, Hello) -> live(Process, Hello, Program, Networks, Mark) end,
    case with_process(Program, fun() -> Mark(First) end, Live) of
        {ok, Scores} -> Scores;
        {no_start, Fault} -> [{Index, {fault, Fault}} || {Index, _} <- Networks];
        {broken, Fault} when Others =:= [] -> [{First, {fault, Fault}}];
        {broken, _} -> in_halves(Program, Networks, Mark)
    end.

in_halves(Program, Networks, Mark) ->
    {Some, Others} = lists:split(length(Networks) div 2, Networks),
    together(Program, Some, Mark) ++ together(Program, Others, Mark).

%% `{broken, Fault}' where the process cannot be asked again, and `{no_start, Fault}' where it never could.
with_process(#{command := Command, processes := Most, start_timeout := Start} = Program, Meanwhile, Use) ->
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

answer({ok, Answer}) -> Answer;
answer({error, Fault}) -> throw({broken, Fault}).

%% The program is asked for all at once; who is marked stands for all, as what happens to all is sorted out here.
live(Process, #{inputs := Inputs, outputs := Outputs}, #{inputs := Inputs, outputs := Outputs} = Program, Networks, Mark) ->
    #{steps := Steps, episodes := Episodes, timeout := Timeout} = Program,
    {Indices, Bare} = lists:unzip(Networks),
    Named = list_to_tuple(Indices),
    Ask = fun([First | _] = Slots, Question) ->
              Busy = fun() -> Mark(element(First + 1, Named)) end,
              _ = Busy(),
              answer(cambrian_program_process:ask(Process, Question#{slots => Slots}, Timeout, Busy))
          end,
    World = #{steps => Steps, episodes => Episodes,
              reset => fun(Slots, Episode, _) ->
                           begun(Slots, Inputs, Ask(Slots, #{do => reset, episode => Episode}))
                       end,
              step => fun(Acts, _) ->
                          {Slots, Answers, _} = lists:unzip3(Acts),
                          stepped(Slots, Inputs, Ask(Slots, #{do => step, outputs => iolist_to_binary(Answers)}))
                      end},
    InSlots = lists:zip(lists:seq(0, length(Bare) - 1), Bare),
    {_, Scores} = lists:unzip(cambrian_environment:evaluate(World, InSlots, Mark)),
    {ok, lists:zip(Indices, Scores)};
live(_Process, Hello, _Program, _Networks, _Mark) ->
    throw({broken, {bad_answer, {another_hello, Hello}}}).

begun(Slots, Inputs, Answer) ->
    Rows = observations(length(Slots), Inputs, Answer),
    Faults = faults(Answer),
    lists:zipwith(fun(Slot, Row) -> faulty_or(Slot, Faults, fun() -> {Row, Slot} end) end, Slots, Rows).

stepped(Slots, Inputs, Answer) ->
    Count = length(Slots),
    Rows = observations(Count, Inputs, Answer),
    {Rewards, Done} = case Answer of
                          #{<<"rewards">> := <<R:Count/binary-unit:64>>, <<"done">> := <<D:Count/binary>>} -> {R, D};
                          _ -> wrong(<<"rewards of 8 bytes and done of 1 byte a slot">>)
                      end,
    outcomes(Slots, Rows, Rewards, Done, faults(Answer)).

outcomes([], [], <<>>, <<>>, _) -> [];
outcomes([Slot | Slots], [Row | Rows], <<Word:8/binary, Rewards/binary>>, <<Done, Dones/binary>>, Faults) ->
    Outcome = faulty_or(Slot, Faults, fun() -> outcome(Slot, Row, Word, Done) end),
    [Outcome | outcomes(Slots, Rows, Rewards, Dones, Faults)].

outcome(_, _, <<Reward:64/float-little>>, Done) when Done =/= 0 -> {done, Reward};
outcome(Slot, Row, <<Reward:64/float-little>>, 0) -> {Row, Reward, Slot};
outcome(_, _, Word, _) -> {fault, {bad_reward, Word}}. %% infinite, or no number

faulty_or(Slot, Faults, Otherwise) ->
    case Faults of
        #{Slot := Message} when is_binary(Message) ->
            {fault, {program_failed, binary:copy(binary:part(Message, 0, min(1000, byte_size(Message))))}};
        #{Slot := _} -> {fault, {program_failed, <<"no message">>}};
        _ -> Otherwise()
    end.

observations(Count, Inputs, #{<<"observations">> := Bytes}) when byte_size(Bytes) =:= 4 * Count * Inputs ->
    [Row || <<Row:(4 * Inputs)/binary>> <= Bytes];
observations(Count, Inputs, #{<<"observations">> := Bytes}) when is_binary(Bytes) ->
    throw({broken, {bad_answer, {wrong_size, observations, 4 * Count * Inputs, byte_size(Bytes)}}});
observations(_, _, _) ->
    wrong(<<"observations as bytes">>).

faults(#{<<"faults">> := #{} = Faults}) -> Faults;
faults(_) -> #{}.

-spec wrong(binary()) -> no_return().
wrong(Expected) -> throw({broken, {bad_answer, {expected, Expected}}}).
