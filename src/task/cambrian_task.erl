%% @doc What gives fitness, and the behaviour of a task of your own.
%%
%% A task is one of
%% <ul>
%% <li>the name of one that runs in Rust, or `{Name, Settings}': {@link names/0};</li>
%% <li>`{dataset, Inputs, Targets}', or `{dataset, Settings}': rows of numbers, which run in Rust as well;</li>
%% <li>a module with this behaviour, or `{Module, Args}' with the argument of `init/1';</li>
%% <li>the same with the behaviour {@link cambrian_environment}, in which networks live step by step;</li>
%% <li>`{program, Options}': an environment in another program, see {@link cambrian_program};</li>
%% <li>`fun((Network) -> Fitness)', with `inputs' and `outputs' among the options.</li>
%% </ul>
%%
%% <h3>Tasks in Rust</h3>
%% Each has parameters that suit it, and is solved by the criterion of those who made its rules:
%% <ul>
%% <li>`xor': 4 - the squared errors is 3.9 or more; `parity' with the setting `bits' (2 to 12; 3) and `multiplexer_11': every
%% output on the right side of 0.5;</li>
%% <li>`single_pole', `double_pole': balanced for 100,000 steps; as `single_pole_novel', `double_pole_novel' without seeing
%% velocities, the latter also from 200 of 625 other starts;</li>
%% <li>`mountain_car', `acrobot': a mean return of -110, -100 or more, over 100 starts, in the worlds of Gymnasium;</li>
%% <li>`t_maze': of two rewards that change places once in 100 runs, the larger is missed once to find it and once to
%% find that it moved, and no more, in each of 60 lives;</li>
%% <li>`sequence_recall' with the settings `length' (1 to 8; 1) and `delay' (0 to 16; 4): all sequences of so many bits are
%% repeated in their order after all delays up to this one. From 2 bits on, a delay makes it very hard.</li>
%% </ul>
%%
%% <h3>Datasets</h3>
%% `{dataset, Inputs, Targets}' is short for the settings of these names, which must be there: each a list of rows,
%% a row being a list of numbers or a binary of little-endian 32-bit floats, or `{Width, Binary}' with all rows in one.
%% <ul>
%% <li>`kind': `regression', where the targets are numbers and fitness is 1 / (1 + mean squared error), or
%% `classification', where they are a list of classes from 0, or rows with a 1 in the place of the class, and fitness is
%% 1 / (1 + mean cross entropy of the outputs' softmax). `regression' by default;</li>
%% <li>`validation': the share of the rows, of each class the same, that fitness is not to see but {@link trial/2}
%% measures. 0 by default;</li>
%% <li>`seed': what these are drawn with. 0 by default.</li>
%% </ul>
%% A dataset is never solved by itself: give a `target', or limits.
%%
%% More fitness is better. The same network must always get the same fitness if a run is to be repeatable.
-module(cambrian_task).

-export([names/0, evaluate/2, trial/2, id/1, new/1, prepare/2]).
-export_type([task/0, native/0, settings/0, rows/0, trial/0, prepared/0, evaluation/0, fitness/0, error/0]).

-type fitness() :: number().
-type wrong_size() :: {wrong_size, inputs | outputs, Expected :: pos_integer(), Got :: pos_integer()}.
-type rows() :: [cambrian_network:numbers()] | {Width :: pos_integer(), binary()}.
-type settings() :: #{atom() => term()}.
-type native() :: atom() | {atom(), settings()} | {dataset, Inputs :: rows(), Targets :: rows()}.
%% One that runs in Rust.

-type task() :: native() | {module(), Args :: term()} | cambrian_program:task() | fun((cambrian_network:network()) -> fitness()).
-type trial() :: #{solved := boolean(), facts := [{atom(), float()}], validation => float()}.
%% `validation' is of a dataset of which some is held back: what fitness would be there.

-type error() :: {unknown_task, atom()} | {unknown_option, term(), cambrian_options:hint()} | {missing_options, [atom()]}
               | {bad_option, {atom(), term(), Expected :: binary()}}
               | {bad_dataset, Expected :: binary()} | {bad_dataset, Row :: term(), Expected :: binary()}.
-type prepared() :: #{name := atom(), id => binary(), inputs := pos_integer(), outputs := pos_integer(),
                      evaluate := evaluation(), anywhere => evaluation()}.
%% `anywhere' is how a native one is evaluated by nodes; `id' is that of {@link id/1}, for populations.

-type evaluation() :: {native, reference()} | {each, fun((cambrian_network:network()) -> term())}
                    | {together, fun(([{pos_integer(), cambrian_network:network()}], fun((non_neg_integer()) -> ok)) ->
                                         [{pos_integer(), term()}])}.
%% In Rust, one network at a time, or many in lock-step in one process: the runner marks an index right before it runs the
%% code of a user for it and 0 between two steps of all, and answers of each index what the same would answer alone, or
%% `{fault, Fault}'.

%% As many inputs and outputs as a genotype can have.
-define(IS_SIZE(N), (is_integer(N) andalso N >= 1 andalso N =< 10_000)).

-callback init(Args :: term()) ->
    {ok, #{inputs := pos_integer(), outputs := pos_integer()}, State :: term()}.
%% The size of the networks, and what evaluate/2 is to know. The argument is that of the task, or [] for the module
%% alone. Called once, by the process that starts the evolution.

-callback evaluate(cambrian_network:network(), State :: term()) ->
    fitness() | #{fitness := fitness(), behaviour => [float()], objectives => [float()]}.
%% The fitness of a network, alone or in a map. Called in a process apart, for each new genotype of a generation.


%% @doc The tasks that run in Rust.
%%
%% ```
%% 1> lists:sublist(cambrian_task:names(), 5).
%% ['xor',double_pole,double_pole_novel,multiplexer_11,parity]
%% '''
-spec names() -> [atom()].
names() -> cambrian_nif:task_names().

%% @doc The fitness that a native task gives a network.
%%
%% A network with other numbers of inputs or outputs is an error.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_task:evaluate('xor', Network).
%% {ok,2.877100933343172}
%% 4> cambrian_task:evaluate({parity, #{bits => 2}}, Network).
%% {ok,2.877100933343172}
%% 5> cambrian_task:evaluate({parity, #{bits => 1}}, Network).
%% {error,{bad_option,{bits,1,<<"an integer from 2 to 12">>}}}
%% 6> cambrian_task:evaluate(chess, Network).
%% {error,{unknown_task,chess}}
%% '''
-spec evaluate(native(), cambrian_network:network()) -> {ok, float()} | {error, error() | wrong_size()}.
evaluate(Name, Network) ->
    case with_task(Name, fun(Tag, Task) -> cambrian_nif:task_evaluate(Tag, Task, [Network]) end) of
        {ok, [Fitness]} -> {ok, Fitness};
        Error -> Error
    end.

%% @doc Whether a network solves a native task by the task's own criterion, and what was measured.
%%
%% For `double_pole_novel': balanced for 100,000 steps, and from how many of 625 other starts for 1,000.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_task:trial('xor', Network).
%% {ok,#{facts => [{squared_error,1.122899066656828}],solved => false}}
%% 4> Votes = [[A, B] || A <- [0, 1], B <- [0, 1], _ <- lists:seq(1, 10)].
%% 5> Data = #{inputs => Votes, targets => [[max(A, B)] || [A, B] <- Votes], validation => 0.25}.
%% 6> {ok, #{facts := Facts, validation := Held}} = cambrian_task:trial({dataset, Data}, Network).
%% 7> {[Name || {Name, _} <- Facts], Held > 0}.
%% {[error,validation_error],true}
%% '''
-spec trial(native(), cambrian_network:network()) -> {ok, trial()} | {error, error() | wrong_size()}.
trial(Name, Network) ->
    with_task(Name, fun(Tag, Task) -> cambrian_nif:task_trial(Tag, Task, Network) end).

%% @private A native task, made ready.
-spec new(native()) -> {ok, reference()} | {error, error()}.
new({dataset, Inputs, Targets}) -> new({dataset, #{inputs => Inputs, targets => Targets}});
new({Name, Settings}) ->
    case cambrian_nif:task_new(Name, Settings) of
        {error, {unknown_option, Key, Known}} ->
            {error, cambrian_options:unknown(unknown_option, Key, Known, <<"cambrian_task">>)};
        %% which it is to draw the rows of
        {ok, _} when Name =:= dataset, is_map_key(seed, Settings), not is_map_key(validation, Settings) ->
            {error, {bad_option, {seed, map_get(seed, Settings), <<"left out without validation, of which it draws the rows">>}}};
        Answer -> Answer
    end;
new(Name) -> new({Name, #{}}).

%% How a native task is evaluated by workers, which may be of other nodes: it is made there, once.
anywhere(Task) -> {each, fun(Network) -> score(made(Task), Network) end}.

made(Task) ->
    case get(?MODULE) of
        {Task, Native} -> Native;
        _ ->
            {ok, Native} = new(Task),
            put(?MODULE, {Task, Native}),
            Native
    end.

score(Native, Network) ->
    {Fitness, Cases} = cambrian_nif:task_score(Native, Network),
    maps:from_list([{fitness, Fitness} | [{objectives, Cases} || Cases =/= []]]).

with_task(Name, Post) ->
    case new(Name) of
        {ok, Task} -> await(fun(Tag) -> Post(Tag, Task) end);
        Error -> Error
    end.

await(Post) ->
    Tag = make_ref(),
    case Post(Tag) of
        {error, _} = Error -> Error;
        _Job -> receive {Tag, Answer} -> Answer end
    end.

%% @doc What other nodes know a task by. Only the same settings are the same task: what is measured by others is another
%% thing. Of a fun nothing is known but that it is one.
%%
%% ```
%% 1> cambrian_task:id(parity).
%% <<"parity">>
%% 2> cambrian_task:id({parity, #{bits => 5}}).
%% <<"parity/4f654de4">>
%% 3> cambrian_task:id(fun(_Network) -> 1.0 end).
%% <<"fun">>
%% '''
-spec id(task()) -> binary().
id(Fun) when is_function(Fun) -> <<"fun">>;
id(Name) when is_atom(Name) -> atom_to_binary(Name);
id(Task) ->
    Name = atom_to_binary(element(1, Task)),
    case [settled(Setting) || Setting <- tl(tuple_to_list(Task))] of
        [Empty] when Empty =:= []; Empty =:= {map, []} -> Name;
        Settings ->
            <<Start:4/binary, _/binary>> = crypto:hash(sha256, unicode:characters_to_binary(io_lib:format("~tw", [Settings]))),
            <<Name/binary, "/", (string:lowercase(binary:encode_hex(Start)))/binary>>
    end.

%% The same text everywhere: in the order of keys, and without what is only here.
settled(Map) when is_map(Map) -> {map, lists:sort([{settled(Key), settled(Value)} || {Key, Value} <- maps:to_list(Map)])};
settled(Tuple) when is_tuple(Tuple) -> list_to_tuple(settled(tuple_to_list(Tuple)));
settled([Head | Tail]) -> [settled(Head) | settled(Tail)];
settled(Here) when is_pid(Here); is_port(Here); is_reference(Here); is_function(Here) -> here;
settled(Other) -> Other.

%% @private What a population needs to know of a task. `Shape' has `inputs' and `outputs' for a fun.
-spec prepare(task(), #{inputs => pos_integer(), outputs => pos_integer()}) ->
          {ok, prepared()} | {error, term()}.
prepare(Name, _Shape) when is_atom(Name) ->
    native_or_module(Name, Name, []);
prepare({dataset, _, _} = Dataset, _Shape) ->
    native_or_module(Dataset, dataset, []);
prepare({program, Options}, _Shape) when is_map(Options) ->
    cambrian_program:prepare(Options);
prepare({Name, Args}, _Shape) when is_atom(Name) ->
    native_or_module({Name, Args}, Name, Args);
prepare(Fun, #{inputs := Inputs, outputs := Outputs}) when is_function(Fun, 1) ->
    {ok, #{name => 'fun', inputs => Inputs, outputs => Outputs, evaluate => {each, Fun}}};
prepare(Fun, _Shape) when is_function(Fun, 1) ->
    {error, {missing_options, [inputs, outputs]}};
prepare(Other, _Shape) ->
    {error, {bad_task, Other, <<"a task's name, a module, {Module, Args}, a fun of one argument, "
                                "{program, Options} or {dataset, Inputs, Targets}">>}}.

%% A name of ours goes before a module of the same name.
native_or_module(Task, Name, Args) ->
    case new(Task) of
        {ok, Native} ->
            {ok, (cambrian_nif:task_info(Native))#{name => Name, evaluate => {native, Native}, anywhere => anywhere(Task)}};
        {error, {unknown_task, Name}} -> module(Name, Args);
        Error -> Error
    end.

module(Module, Args) ->
    case code:ensure_loaded(Module) of
        {module, Module} ->
            case [lists:all(fun({F, A}) -> erlang:function_exported(Module, F, A) end, Callbacks)
                  || Callbacks <- [[{init, 1}, {evaluate, 2}], [{init, 1}, {reset, 2}, {step, 2}]]] of
                [true, _] -> init(Module, Args, fun each/3);
                [false, true] -> init(Module, Args, fun cambrian_environment:evaluation/3);
                _ -> {error, {not_a_task, Module, <<"a module that exports init/1 and evaluate/2, "
                                                    "or init/1, reset/2 and step/2">>}}
            end;
        {error, _} ->
            {error, {unknown_task, Module}}
    end.

each(Module, Shape, State) ->
    case maps:keys(maps:without([inputs, outputs], Shape)) of
        [] -> {ok, {each, fun(Network) -> Module:evaluate(Network, State) end}};
        [Key | _] -> {error, cambrian_options:unknown(unknown_option, Key, [inputs, outputs], <<"cambrian_task:init/1">>)}
    end.

init(Module, Args, Evaluation) ->
    try Module:init(Args) of
        {ok, #{inputs := Inputs, outputs := Outputs} = Shape, State} = Answer when ?IS_SIZE(Inputs), ?IS_SIZE(Outputs) ->
            case Evaluation(Module, Shape, State) of
                {ok, Evaluate} -> {ok, #{name => Module, inputs => Inputs, outputs => Outputs, evaluate => Evaluate}};
                {error, Reason} -> {error, Reason};
                error -> {error, {bad_return, {Module, init, 1}, Answer}}
            end;
        Other ->
            {error, {bad_return, {Module, init, 1}, Other}}
    catch
        Class:Reason:Stack ->
            {error, {crashed, {Module, init, 1}, {Class, Reason, Stack}}}
    end.
