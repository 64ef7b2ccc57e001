%% @doc Evolves a network for a task.
%%
%% `xor' is an operator of Erlang, so the name of that task needs quotes.
%%
%% ```
%% 1> {ok, #{champion := Champion, solved := true}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> Network = cambrian_network:compile(Champion).
%% 3> [round(hd(cambrian_network:activate(Network, [A, B]))) || A <- [0, 1], B <- [0, 1]].
%% [0,1,1,0]
%% '''
-module(cambrian).

-export([evolve/1, evolve/2, evolve_recorded/2, evolve_recorded/3, interrupt/1, lineage/1,
         parameters/0, parameters/1, tasks/0]).
-export_type([options/0]).

-type options() :: #{progress => boolean() | standard_error | pid()
                               | fun((cambrian_population:stats()) -> term()),
                     report => file:name_all(), atom() => term()}.
%% The options of {@link cambrian_population:options()}, and two more. `progress' is `true' for a
%% line of text during the run, a device, as `standard_error', for the same line there, or a fun
%% that gets the {@link cambrian_population:stats()} of each generation. `report' is a file, to
%% which the run is written as an HTML page: see {@link cambrian_report}. Without `generations',
%% `evaluations' and `timeout', evolution ends after 1,000 generations.

-include_lib("kernel/include/logger.hrl").

-define(DEFAULT_GENERATIONS, 1000).

%% @doc Evolves until the task is solved. The same as {@link evolve/2} without options.
-spec evolve(cambrian_task:task()) -> {ok, cambrian_population:result()} | {error, term()}.
evolve(Task) -> evolve(Task, #{}).

%% @doc Evolves with options: a seed, a goal, parameters. See {@link options()}.
%%
%% A run that does not reach its goal is no error: the result has the best network so far and
%% `solved => false'. The evolution stops when the caller exits.
%%
%% An unknown option and a wrong value are errors that name the option and say what was expected,
%% and so is a wrong task: see {@link cambrian_error}. Nothing has run then.
%%
%% With the option `from' the first generation descends from given genotypes, as an earlier
%% champion.
%%
%% With the option `substrate' the encoding is indirect, and the champion is a CPPN: see
%% {@link cambrian_substrate}.
%%
%% ```
%% 1> {ok, Result} = cambrian:evolve('xor', #{seed => 42, generations => 3}).
%% 2> maps:with([evaluations, generations, solved], Result).
%% #{evaluations => 447,generations => 3,solved => false}
%% 3> cambrian:evolve('xor', #{generations => 0}).
%% {error,{bad_option,{generations,0,<<"a positive integer">>}}}
%% 4> cambrian:evolve('xor', #{popluation => 50}).
%% {error,{unknown_option,popluation,#{did_you_mean => population,
%%                                     see => <<"type cambrian_population:options()">>}}}
%% 5> cambrian:evolve('xor', #{report => "/no/such/folder/xor.html"}).
%% {error,{enoent,"/no/such/folder/xor.html"}}
%% 6> {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}).
%% 7> {ok, #{generations := Generations, solved := true}} =
%%        cambrian:evolve('xor', #{from => Champion, seed => 1}).
%% 8> Generations.
%% 1
%% '''
-spec evolve(cambrian_task:task(), options()) ->
          {ok, cambrian_population:result()} | {error, term()}.
evolve(Task, #{report := Path} = Options) ->
    %% checks the file before anything runs
    case cambrian_population_options:check(report, Path) of
        ok -> reported(cambrian_file:check_place(Path), Path, Task, maps:remove(report, Options));
        Error -> Error
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

%% @private Does the same, and answers with the recorded story of the run as well.
-spec evolve_recorded(cambrian_task:task(), options()) ->
          {ok, cambrian_population:result(), cambrian_recorder:story()} | {error, term()}.
evolve_recorded(Task, Options) -> evolve(Task, Options, #{story => true}).

%% @private Does the same for a caller that {@link interrupt/1} may stop once `Begun' was called.
%% It then answers with the result so far. The caller's mailbox must be empty, as this reads all
%% messages.
-spec evolve_recorded(cambrian_task:task(), options(), Begun :: fun(() -> term())) ->
          {ok | interrupted, cambrian_population:result(), cambrian_recorder:story()}
        | {error, term()}.
evolve_recorded(Task, Options, Begun) -> evolve(Task, Options, #{story => true, begun => Begun}).

%% @private Stops the evolution of that caller early.
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
    Expected = case Run of
                   false -> <<"left out, as evolve runs">>;
                   _ -> <<"a boolean">>
               end,
    {error, {bad_option, {run, Run, Expected}}};
evolve_started(Task, Options, How) ->
    {Progress, Rest} = case maps:take(progress, Options) of
                           error -> {false, Options};
                           Taken -> Taken
                       end,
    case cambrian_population_options:check(progress, Progress) of
        ok ->
            Owned = (maps:remove(run, Rest))#{task => Task, owner => self()},
            supervised(limited(Owned), Progress, How);
        Error -> Error
    end.

limited(Options) ->
    case maps:with([generations, evaluations, timeout], Options) of
        None when map_size(None) =:= 0 -> Options#{generations => ?DEFAULT_GENERATIONS};
        _ -> Options
    end.

supervised(Options, Progress, #{story := Recorded} = How) ->
    case cambrian_population:start_guarded(Options) of
        {ok, Guard} ->
            %% before the first line of progress, at which a user may press Ctrl-C
            _ = [Begun() || #{begun := Begun} <- [How]],
            Watcher = watch(Guard, Progress, Options),
            Recorder = record(Guard, Recorded),
            try
                await(Guard, start, Recorder, How)
            after
                cambrian_progress:stop(Watcher),
                _ = [cambrian_recorder:stop(Recorder) || is_pid(Recorder)],
                stop(Guard)
            end;
        Error -> Error
    end.

%% If the population crashes, its guard restarts it, and answers once it runs again.
await(Guard, Start, Recorder, How) ->
    case cambrian_population_sup:population(Guard) of
        {ok, Population} ->
            try
                _ = [ok = cambrian_population:run(Population) || start <- [Start]],
                answer(awaited(Population, How), Recorder, Population)
            catch
                exit:{_, {gen_statem, call, _}} -> await(Guard, again, Recorder, How);
                %% the application was stopped meanwhile
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
        {?MODULE, interrupt} -> interrupted(cambrian_population_client:so_far(Population));
        Message ->
            case gen_statem:check_response(Message, Request) of
                {reply, Answer} -> Answer;
                {error, {Reason, _}} ->
                    exit({Reason, {gen_statem, call, [Population, await, infinity]}});
                no_reply -> awaited(Population, Request)
            end
    end.

interrupted({ok, Result}) -> {interrupted, Result};
interrupted(Error) -> Error.

%% The guard is gone already if the application was stopped meanwhile.
stop(Guard) ->
    try cambrian_population_sup:stop(Guard)
    catch exit:_ -> ok
    end.

answer({ok, Result}, none, _Population) -> {ok, Result, none};
answer({Ended, #{champion := _} = Result}, Recorder, Population) ->
    Story = cambrian_story:with_recorded(cambrian_story:of_population(Population),
                                         cambrian_recorder:read(Recorder)),
    {Ended, Result, cambrian_story:with_result(Result, Story)};
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

%% @doc The ancestors of a genotype, as far as this node knows them: itself, its parents, their
%% parents and so on, the nearest first.
%%
%% The node knows the champions of its populations with their line of fitter parents, back to the
%% first generation; an entry names the other parent as well. A very long time without a better
%% champion may lose a part of a line. The node also knows the claims that other nodes signed for
%% their genotypes. `origin' is `own', or the key whose signature on the claims is genuine. With
%% the application's `data_dir' set, a node knows all of this after a restart as well.
%%
%% Claims change no entry of a genotype that was bred here. If several keys signed the same
%% genotype, `origin' is `conflicting', and `breeders' has the claims of each, in the order of the
%% claimed times; `measured' is the key that sent the genotype when this node first measured it. A
%% claimed parent cannot descend from the genotype: such parents are left out, and named as
%% `circular'.
%%
%% A forged signature in the files is an error. If the line begins with a genotype that was bred
%% here, the line goes on without the forged entry.
%%
%% ```
%% 1> {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> {ok, [#{operators := Operators, generation := Generation} | Ancestors]} =
%%        cambrian:lineage(Champion).
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

%% @doc All parameters: name, default, range and meaning.
%%
%% ```
%% 1> [P || #{name := add_node} = P <- cambrian:parameters()].
%% [#{about => <<"rate: a connection is split by a node">>,default => 0.05,
%%    expected => <<"a number from 0 to 1">>,name => add_node}]
%% '''
-spec parameters() -> [#{name := atom(), default := term(), expected := binary(),
                         about := binary()}].
parameters() ->
    [#{name => Name, default => Default, expected => Expected, about => About}
     || {Name, Default, Expected, About} <- cambrian_nif:parameters_table()].

%% @doc The values of all parameters that a native task has by default.
%%
%% ```
%% 1> {ok, Parameters} = cambrian:parameters(double_pole_novel).
%% 2> maps:with([population, add_recurrent, output_activation], Parameters).
%% #{add_recurrent => 0.1,output_activation => steep_sigmoid,population => 300}
%% 3> cambrian:parameters(chess).
%% {error,{unknown_task,chess,#{see => <<"cambrian:tasks/0">>}}}
%% '''
-spec parameters(cambrian_task:native()) ->
          {ok, #{atom() => term()}} | {error, cambrian_task:error()}.
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
