%% @doc The front door: evolve a network for a task.
%%
%% `xor' is a word of the Erlang language, so as the name of a task it is quoted.
%%
%% ```
%% 1> {ok, #{champion := Champion, solved := true}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> Network = cambrian_network:compile(Champion).
%% 3> [round(hd(cambrian_network:activate(Network, [A, B]))) || A <- [0, 1], B <- [0, 1]].
%% [0,1,1,0]
%% '''
-module(cambrian).

-export([evolve/1, evolve/2, evolve_recorded/2, evolve_recorded/3, interrupt/1, lineage/1, parameters/0, parameters/1, tasks/0]).
-export_type([options/0]).

-type options() :: #{progress => boolean() | standard_error | pid() | fun((cambrian_population:stats()) -> term()),
                     report => file:name_all(), atom() => term()}.
%% Those of {@link cambrian_population:options()}, and `progress': `true' for a line of text on the way, a device, as
%% `standard_error', for the same there, or a fun of one argument that is called with the
%% {@link cambrian_population:stats()} of each generation. `report' is a file, to which the run is written as an HTML page:
%% see {@link cambrian_report}.
%% Where neither `generations', `evaluations' nor `timeout' is given, evolution ends after 1,000 generations.

-include_lib("kernel/include/logger.hrl").

-define(DEFAULT_GENERATIONS, 1000).

%% @doc Evolves until the task is solved. The same as {@link evolve/2} without options.
-spec evolve(cambrian_task:task()) -> {ok, cambrian_population:result()} | {error, term()}.
evolve(Task) -> evolve(Task, #{}).

%% @doc Evolves with options: a seed, a goal, parameters.
%%
%% Not reaching the goal is no error: the result then has the best there was and `solved => false'.
%% The evolution stops when the caller dies.
%%
%% Options are {@link options()}. One that is unknown or out of its range is an error that names it and says what was
%% expected, as is a task that is none ({@link cambrian_task:error()}); nothing has run then.
%%
%% With the option `from' the first generation descends from genotypes that there are, as an earlier champion.
%%
%% With the option `substrate' the encoding is indirect, and the champion a CPPN: see {@link cambrian_substrate}.
%%
%% ```
%% 1> {ok, Result} = cambrian:evolve('xor', #{seed => 42, generations => 3}).
%% 2> maps:with([evaluations, generations, solved], Result).
%% #{evaluations => 447,generations => 3,solved => false}
%% 3> cambrian:evolve('xor', #{generations => 0}).
%% {error,{bad_option,{generations,0,<<"a positive integer">>}}}
%% 4> cambrian:evolve('xor', #{popluation => 50}).
%% {error,{unknown_option,popluation,#{did_you_mean => population,see => <<"type cambrian_population:options()">>}}}
%% 5> cambrian:evolve('xor', #{report => "/no/such/folder/xor.html"}).
%% {error,{enoent,"/no/such/folder/xor.html"}}
%% 6> {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}).
%% 7> {ok, #{generations := Generations, solved := true}} = cambrian:evolve('xor', #{from => Champion, seed => 1}).
%% 8> Generations.
%% 1
%% '''
-spec evolve(cambrian_task:task(), options()) -> {ok, cambrian_population:result()} | {error, term()}.
evolve(Task, #{report := Path} = Options) ->
    %% now, so that what cannot be written is known before anything runs
    case Path =/= <<>> andalso is_binary(Path) orelse Path =/= [] andalso io_lib:printable_unicode_list(Path) of
        true -> reported(cambrian_file:check_place(Path), Path, Task, maps:remove(report, Options));
        false -> {error, {bad_option, {report, Path, <<"the name of a file">>}}}
    end;
evolve(Task, Options) ->
    case evolve(Task, Options, #{story => false}) of
        {ok, Result, none} -> {ok, Result};
        Error -> Error
    end.

reported({error, Reason}, Path, _Task, _Options) -> {error, {Reason, Path}};
reported(ok, Path, Task, Options) ->
    case evolve_recorded(Task, Options) of
        {ok, Result, Story} ->
            _ = [?LOG_WARNING("cambrian: the report ~ts is not written: ~tp", [Path, Reason])
                 || {error, Reason} <- [cambrian_report:write(Path, Story)]],
            {ok, Result};
        Error -> Error
    end.

%% @private The same, and what there is to tell of it.
-spec evolve_recorded(cambrian_task:task(), options()) ->
          {ok, cambrian_population:result(), cambrian_recorder:story()} | {error, term()}.
evolve_recorded(Task, Options) -> evolve(Task, Options, #{story => true}).

%% @private The same for a caller that may be told to end by {@link interrupt/1} once `Begun' was called: it then answers
%% with what there is. It reads all its messages.
-spec evolve_recorded(cambrian_task:task(), options(), Begun :: fun(() -> term())) ->
          {ok | interrupted, cambrian_population:result(), cambrian_recorder:story()} | {error, term()}.
evolve_recorded(Task, Options, Begun) -> evolve(Task, Options, #{story => true, begun => Begun}).

%% @private
-spec interrupt(pid()) -> ok.
interrupt(Caller) ->
    Caller ! {?MODULE, interrupt},
    ok.

evolve(Task, Options, How) when is_map(Options) ->
    case cambrian_running:ensure() of
        ok -> evolve_started(Task, Options, How);
        Error -> Error
    end;
evolve(_Task, Options, _How) ->
    {error, {bad_option, {options, Options, <<"a map">>}}}.

evolve_started(_Task, #{run := Run}, _How) when Run =/= true ->
    {error, {bad_option, {run, Run, case Run of false -> <<"left out, as evolve runs">>; _ -> <<"a boolean">> end}}};
evolve_started(Task, Options, How) ->
    {Progress, Rest} = case maps:take(progress, Options) of
                           error -> {false, Options};
                           Taken -> Taken
                       end,
    case is_boolean(Progress) orelse is_device(Progress) orelse is_function(Progress, 1) of
        true -> supervised(limited((maps:remove(run, Rest))#{task => Task, owner => self()}), Progress, How);
        false -> {error, {bad_option, {progress, Progress, <<"a boolean, a device or a fun of one argument">>}}}
    end.

is_device(Device) -> Device =:= standard_error orelse is_pid(Device).

limited(Options) ->
    case maps:with([generations, evaluations, timeout], Options) of
        None when map_size(None) =:= 0 -> Options#{generations => ?DEFAULT_GENERATIONS};
        _ -> Options
    end.

supervised(Options, Progress, #{story := Recorded} = How) ->
    case cambrian_population:start_guarded(Options) of
        {ok, Guard} ->
            Watcher = watch(Guard, Progress, Options),
            Recorder = record(Guard, Recorded),
            try
                _ = [Begun() || #{begun := Begun} <- [How]],
                await(Guard, start, Recorder, How)
            after
                cambrian_progress:stop(Watcher),
                _ = [cambrian_recorder:stop(Recorder) || is_pid(Recorder)],
                stop(Guard)
            end;
        Error -> Error
    end.

%% A population that dies on the way is back, running, when its guard answers.
await(Guard, Start, Recorder, How) ->
    case cambrian_population_sup:population(Guard) of
        {ok, Population} ->
            try
                _ = [ok = cambrian_population:run(Population) || start <- [Start]],
                answer(awaited(Population, How), Recorder, Population)
            catch
                exit:{_, {gen_statem, call, _}} -> await(Guard, again, Recorder, How);
                %% it was stopped on the way
                error:{not_started, _} -> {error, not_started}
            end;
        {error, gone} -> {error, population_kept_failing}
    end.

awaited(Population, #{begun := _}) ->
    awaited(Population, gen_statem:send_request(Population, await));
awaited(Population, #{story := _}) ->
    cambrian_population:await(Population, infinity);
awaited(Population, Request) ->
    receive
        {?MODULE, interrupt} -> interrupted(cambrian_population:so_far(Population));
        Message ->
            case gen_statem:check_response(Message, Request) of
                {reply, Answer} -> Answer;
                {error, {Reason, _}} -> exit({Reason, {gen_statem, call, [Population, await, infinity]}});
                no_reply -> awaited(Population, Request)
            end
    end.

interrupted({ok, Result}) -> {interrupted, Result};
interrupted(Error) -> Error.

%% Where the application was stopped on the way, the guard is gone with it.
stop(Guard) ->
    try cambrian_population_sup:stop(Guard)
    catch exit:_ -> ok
    end.

answer({ok, Result}, none, _Population) -> {ok, Result, none};
answer({Ended, #{champion := Champion} = Result}, Recorder, Population) ->
    Story = cambrian_story:with_recorded(cambrian_story:of_population(Population), cambrian_recorder:read(Recorder)),
    {Ended, Result, Story#{result => Result#{champion := cambrian_genotype:to_binary(Champion)}}};
answer(Error, _Recorder, _Population) -> Error.

record(_Guard, false) -> none;
record(Guard, true) ->
    {ok, Population} = cambrian_population_sup:population(Guard),
    {ok, Recorder} = cambrian_recorder:start(Population),
    Recorder.

watch(_Guard, false, _Goal) -> none;
watch(Guard, Progress, Goal) ->
    {ok, Population} = cambrian_population_sup:population(Guard),
    cambrian_progress:start(Population, Progress, Goal).

%% @doc Where a genotype comes from: itself, its parents, theirs, and so on, the nearest first, as far as this node knows.
%%
%% It knows the champions of its populations with their line of fitter parents (the other parent of each is named): to
%% the first generation, unless there was no better one for so long that a line is lost; and what others signed of
%% theirs. `origin' is `own', or the key whose signature was found genuine on the way. With the application's
%% `data_dir' set, it is known after a restart as well.
%%
%% What others sign changes nothing of what was bred here. Where several keys signed the same genotype `origin' is
%% `conflicting', and `breeders' has what each of them says, in the order of the times that they claim; `measured' is the one by
%% whom it came when it was first measured here. Parents that somebody claims and that descend from the genotype, which is not
%% possible, are left out, and named as `circular'.
%%
%% A signature in the files that is not genuine is an error, unless the line begins with what was bred here, which goes on
%% without it.
%%
%% ```
%% 1> {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> {ok, [#{operators := Operators, generation := Generation} | Ancestors]} = cambrian:lineage(Champion).
%% 3> {Operators, Generation, length(Ancestors)}.
%% {[crossover,perturb_weights],23,19}
%% 4> #{generation := 0, parents := [], origin := own, task := <<"xor">>} = lists:last(Ancestors).
%% 5> cambrian:lineage(<<0:256>>).
%% {error,unknown}
%% '''
-spec lineage(cambrian_genotype:genotype() | cambrian_genotype:id()) ->
          {ok, [cambrian_lineage:entry(), ...]}
        | {error, unknown | {bad_signature, cambrian_genotype:id()}}.
lineage(Id) when is_binary(Id), byte_size(Id) =:= 32 -> cambrian_lineage:walk(Id);
lineage(Genotype) -> cambrian_lineage:walk(cambrian_genotype:id(Genotype)).

%% @doc Every parameter: its name, default, range and meaning.
%%
%% ```
%% 1> [P || #{name := add_node} = P <- cambrian:parameters()].
%% [#{about => <<"rate: a connection is split by a node">>,default => 0.05,
%%    expected => <<"a number from 0 to 1">>,name => add_node}]
%% '''
-spec parameters() -> [#{name := atom(), default := term(), expected := binary(), about := binary()}].
parameters() ->
    [#{name => Name, default => Default, expected => Expected, about => About}
     || {Name, Default, Expected, About} <- cambrian_nif:parameters_table()].

%% @doc The values of all parameters as a native task has them by default.
%%
%% ```
%% 1> {ok, Parameters} = cambrian:parameters(double_pole_novel).
%% 2> maps:with([population, add_recurrent, output_activation], Parameters).
%% #{add_recurrent => 0.1,output_activation => steep_sigmoid,population => 300}
%% 3> cambrian:parameters(chess).
%% {error,{unknown_task,chess,#{see => <<"cambrian:tasks/0">>}}}
%% '''
-spec parameters(cambrian_task:native()) -> {ok, #{atom() => term()}} | {error, cambrian_task:error()}.
parameters(Task) ->
    case cambrian_task:new(Task) of
        {ok, Native} -> cambrian_nif:task_parameters(Native, #{});
        Error -> Error
    end.

%% @doc The names of the tasks that come with Cambrian.
%%
%% ```
%% 1> lists:member(double_pole_novel, cambrian:tasks()).
%% true
%% '''
-spec tasks() -> [atom()].
tasks() -> cambrian_task:names().
