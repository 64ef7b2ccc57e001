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
%% <li>`xor': fitness is 4 - the sum of the squared errors of the output as it is, whatever its activation; solved at 3.9.
%% `parity' with the setting `bits' (2 to 12; 3) has the same fitness of its cases, and `multiplexer_11' that of SharpNEAT, which
%% takes an output beyond 0 to 1 for 0 or 1; both are solved with every output on the right side of 0.5;</li>
%% <li>`single_pole', `double_pole': balanced for 100,000 steps; as `single_pole_novel', `double_pole_novel' without seeing
%% velocities, the latter also from 200 of 625 other starts. With two poles an output from 0 to 1 is the force from -10 to 10 N,
%% of which there is no more for outputs beyond;</li>
%% <li>`mountain_car', `acrobot': a mean return of -110, -100 or more, over 100 starts, in the worlds of Gymnasium;</li>
%% <li>`t_maze': of two rewards that change places once in 100 runs, the larger is missed once to find it and once to
%% find that it moved, and no more, in each of 60 lives;</li>
%% <li>`sequence_recall' with the settings `length' (1 to 8; 1) and `delay' (0 to 16; 4): all sequences of so many bits are
%% repeated in their order after all delays up to this one. From 2 bits on, a delay makes it very hard.</li>
%% </ul>
%%
%% <h3>Datasets</h3>
%% `{dataset, Inputs, Targets}' is short for the settings of these names, which must be there: each a list of rows,
%% a row being a list of numbers or a binary of little-endian 32-bit floats, or a list of numbers, one a row, or
%% `{Width, Binary}' with all rows in one. Numbers lie within plus and minus 1.0e12; a column beyond 100 is logged as a warning
%% when a run starts, since weights of about 1 can do little with it.
%% <ul>
%% <li>`kind': `regression', where the targets are numbers and fitness is 1 / (1 + mean squared error), or
%% `classification', where they are classes, and fitness is 1 / (1 + mean cross entropy of the outputs' softmax).
%% `regression' by default. Classes are a list of labels, all of them integers, atoms (but `nil' and `undefined') or words
%% (binaries or strings), or rows with a 1 in the place of the class. Outputs stand for labels in sorted order, see
%% {@link classes/1}; a number between that no row has is none;</li>
%% <li>`validation': the share of the rows, of each class the same, that fitness is not to see but {@link trial/2}
%% measures. Of each class one row at least is left to learn. 0 by default;</li>
%% <li>`seed': what these are drawn with. 0 by default.</li>
%% </ul>
%% A dataset is never solved by itself: give a `target', or limits.
%%
%% More fitness is better. The same network must always get the same fitness if a run is to be repeatable.
-module(cambrian_task).

-export([names/0, evaluate/2, evaluate/3, trial/2, classes/1, id/1, new/1, prepare/2, warn/1]).
-export_type([task/0, native/0, evaluate_options/0, evaluate_error/0, settings/0, rows/0, trial/0, prepared/0, evaluation/0, fitness/0, error/0]).

-type fitness() :: number().
-type wrong_size() :: {wrong_size, inputs | outputs, Expected :: pos_integer(), Got :: pos_integer()}.
-type label() :: integer() | float() | atom() | binary() | string().
-type rows() :: [cambrian_network:numbers() | label()] | {Width :: pos_integer(), binary()}.
-type settings() :: #{atom() => term()}.
-type native() :: atom() | {atom(), settings()} | {dataset, Inputs :: rows(), Targets :: rows()}.
%% One that runs in Rust.

-type task() :: native() | {module(), Args :: term()} | cambrian_program:task() | fun((cambrian_network:network()) -> fitness()).
-type trial() :: #{solved := boolean(), facts := [{atom(), float()}], validation => float(),
                   classes => [integer() | atom() | binary()]}.
%% `validation' is of a dataset of which some is held back: what fitness would be there.

-type evaluate_options() :: #{timeout => timeout(), memory => pos_integer() | infinity,
                              episodes => cambrian_environment:episodes()}.

-type error() :: {unknown_task, atom(), cambrian_error:hint()} | cambrian_error:option()
               | cambrian_error:dataset().

-type evaluate_error() :: error() | wrong_size() | {evaluation_failed, cambrian_evaluation:fault()} | term().
-type prepared() :: #{name := atom(), id => binary(), inputs := pos_integer(), outputs := pos_integer(),
                      evaluate := evaluation(), anywhere => evaluation(),
                      on => fun((cambrian_environment:episodes()) -> evaluation())}.
%% `anywhere' is how a native one is evaluated by nodes, `on' how an environment is on given episodes; `id' is that of {@link id/1},
%% for populations.

-type evaluation() :: {native, reference()} | {each, fun((cambrian_network:network()) -> term())}
                    | {together, fun(([{pos_integer(), cambrian_network:network()}], fun((non_neg_integer()) -> ok)) ->
                                         [{pos_integer(), term()}])}.
%% In Rust, one network at a time, or many in lock-step in one process: the runner marks an index right before it runs the
%% code of a user for it and 0 between two steps of all, and answers of each index what the same would answer alone, or
%% `{fault, Fault}'.

%% Of a list, and of a binary in bytes: what is longer is not printed.
-define(LONG, 1024).

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

%% @doc The same as {@link evaluate/3} without options.
-spec evaluate(task(), cambrian_network:network()) -> {ok, float()} | {error, evaluate_error()}.
evaluate(Task, Network) -> evaluate(Task, Network, #{}).

%% @doc The fitness that a task gives a network: any task that {@link cambrian:evolve/2} takes. A fun needs no sizes here, as
%% the network has them.
%%
%% A network with other numbers of inputs or outputs than the task's is an error, and so is a task that fails:
%% `{evaluation_failed, Fault}', where a fault is `timeout', `memory', `{bad_fitness, Term}' or
%% `{crashed, {Class, Reason, Stack}}' with the stack of the task's code.
%%
%% Options are `timeout' (5,000), after how many ms it is ended, in an environment after so many without a step; `memory'
%% (268,435,456), how many bytes the code of a task may take, or `infinity'; and for environments `episodes': how many, from
%% 0, or a list of those to live, which need not be those of evolution.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_task:evaluate('xor', Network).
%% {ok,2.877100933343172}
%% 4> cambrian_task:evaluate({parity, #{bits => 2}}, Network).
%% {ok,2.877100933343172}
%% 5> cambrian_task:evaluate(fun(N) -> hd(cambrian_network:activate(N, [0, 0])) end, Network).
%% {ok,0.5}
%% 6> cambrian_task:evaluate({parity, #{bits => 1}}, Network).
%% {error,{bad_option,{bits,1,<<"an integer from 2 to 12">>}}}
%% 7> cambrian_task:evaluate(chess, Network).
%% {error,{unknown_task,chess,#{see => <<"cambrian:tasks/0">>}}}
%% 8> {error, {evaluation_failed, {crashed, {error, Reason, _}}}} = cambrian_task:evaluate(fun(_) -> error(boom) end, Network).
%% 9> Reason.
%% boom
%% 10> cambrian_task:evaluate(fun(_) -> timer:sleep(60_000) end, Network, #{timeout => 10}).
%% {error,{evaluation_failed,timeout}}
%% '''
-spec evaluate(task(), cambrian_network:network(), evaluate_options()) -> {ok, float()} | {error, evaluate_error()}.
evaluate(Task, Network, Options) ->
    Shape = shape(Network),
    case cambrian_options:check(Options, evaluate_table(), <<"cambrian_task:evaluate/3">>) of
        {ok, Checked} ->
            case prepare(Task, Shape) of
                {ok, Prepared} -> evaluate(Prepared, Shape, Network, Checked);
                Error -> Error
            end;
        Error -> Error
    end.

evaluate(Prepared, Shape, Network, Options) ->
    case {wrong_sizes(Prepared, Shape), how(Prepared, Options)} of
        {[WrongSize | _], _} -> {error, WrongSize};
        {[], {error, _} = Error} -> Error;
        {[], How} -> cambrian_evaluation:run(How, Network, Options)
    end.

shape(Network) -> maps:with([inputs, outputs], cambrian_network:info(Network)).

wrong_sizes(Prepared, Shape) ->
    [{wrong_size, What, maps:get(What, Prepared), Got}
     || What <- [inputs, outputs], Got <- [maps:get(What, Shape)], Got =/= maps:get(What, Prepared)].

how(#{on := On}, #{episodes := Episodes}) -> On(Episodes);
how(_, #{episodes := Episodes}) -> {error, {bad_option, {episodes, Episodes, <<"absent, as the task is no environment">>}}};
how(#{evaluate := {native, Native}}, _) -> {each, fun(Network) -> score(Native, Network) end};
how(#{evaluate := How}, _) -> How.

evaluate_table() ->
    IsCount = fun cambrian_options:is_count/1,
    #{timeout => {fun cambrian_options:is_timeout/1, <<"milliseconds or infinity">>, 5000},
      memory => {fun(X) -> X =:= infinity orelse is_integer(X) andalso X > 0 andalso X < 1 bsl 48 end,
                 <<"bytes, from 1, or infinity">>, 268_435_456},
      episodes => {fun(Numbers) when length(Numbers) > 0 -> lists:all(IsCount, Numbers);
                      (Count) -> cambrian_options:is_positive(Count)
                   end, <<"a positive integer, or a list of integers from 0">>}}.

%% @doc Whether a network solves a native task by the task's own criterion, and what was measured. A task of your own has none:
%% `{no_trial, Name}'.
%%
%% For `double_pole_novel': balanced for 100,000 steps, and from how many of 625 other starts for 1,000. For a dataset of
%% classes, `classes' says which output is which, as {@link classes/1} does.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Network = cambrian_network:compile(G).
%% 3> cambrian_task:trial('xor', Network).
%% {ok,#{facts => [{squared_error,1.122899066656828}],solved => false}}
%% 4> Votes = [[A, B] || A <- [0, 1], B <- [0, 1], _ <- lists:seq(1, 10)].
%% 5> Data = #{inputs => Votes, targets => [max(A, B) || [A, B] <- Votes], validation => 0.25}.
%% 6> {ok, #{facts := Facts, validation := Held}} = cambrian_task:trial({dataset, Data}, Network).
%% 7> {[Name || {Name, _} <- Facts], Held > 0}.
%% {[error,validation_error],true}
%% 8> cambrian_task:trial(fun(_) -> 1.0 end, Network).
%% {error,{no_trial,'fun'}}
%% '''
-spec trial(task(), cambrian_network:network()) -> {ok, trial()} | {error, evaluate_error() | {no_trial, atom()}}.
trial({program, #{} = Options}, Network) ->
    %% which needs not be started to say so
    _ = shape(Network),
    {error, {no_trial, maps:get(name, Options, program)}};
trial(Task, Network) ->
    case prepare(Task, shape(Network)) of
        {ok, #{evaluate := {native, Native}}} ->
            case cambrian_job:await(fun(Tag) -> cambrian_nif:task_trial(Tag, Native, Network) end) of
                {error, _} = Error -> Error;
                {ok, Trial} -> {ok, with_classes(Task, Trial)}
            end;
        {ok, #{name := Name}} -> {error, {no_trial, Name}};
        Error -> Error
    end.

with_classes(Task, Trial) ->
    case classes(Task) of
        {ok, [_ | _] = Classes} -> Trial#{classes => Classes};
        _ -> Trial
    end.

%% @doc The classes of a dataset, in the order of the outputs: for the first class the first output is to be the highest. A
%% regression has none.
%%
%% ```
%% 1> Data = #{inputs => [1, 2, 3, 4], targets => [no, yes, maybe, no], kind => classification}.
%% 2> cambrian_task:classes({dataset, Data}).
%% {ok,[maybe,no,yes]}
%% 3> cambrian_task:classes({dataset, Data#{targets := [2, 1, 1, 2]}}).
%% {ok,[1,2]}
%% '''
-spec classes({dataset, settings()} | {dataset, rows(), rows()}) -> {ok, [integer() | atom() | binary()]} | {error, error()}.
classes({dataset, Inputs, Targets}) -> classes({dataset, #{inputs => Inputs, targets => Targets}});
classes({dataset, Settings}) -> cambrian_nif:dataset_classes(Settings);
classes(Other) -> {error, {bad_task, {task, Other, <<"{dataset, Settings}">>}}}.

%% @private A native task, made ready.
-spec new(native()) -> {ok, reference()} | {error, error()}.
new({dataset, Inputs, Targets}) -> new({dataset, #{inputs => Inputs, targets => Targets}});
new({Name, Settings}) ->
    case cambrian_nif:task_new(Name, Settings) of
        {error, {unknown_option, Key, Known}} ->
            {error, cambrian_options:unknown(unknown_option, Key, Known, <<"cambrian_task">>)};
        {error, {unknown_task, Name}} -> {error, unknown(Name)};
        {error, {bad_dataset, {{targets, Row}, Got, Expected}}} when not is_map_key(kind, Settings) ->
            OrLabel = <<Expected/binary, "; or a label, with the kind classification">>,
            {error, {bad_dataset, {{targets, Row}, Got, OrLabel}}};
        %% which it is to draw the rows of
        {ok, _} when Name =:= dataset, is_map_key(seed, Settings), not is_map_key(validation, Settings) ->
            {error, {bad_option, {seed, map_get(seed, Settings), <<"left out without validation, of which it draws the rows">>}}};
        Answer -> Answer
    end;
new(Name) -> new({Name, #{}}).

unknown(Name) -> cambrian_options:unknown(unknown_task, Name, names(), <<"cambrian:tasks/0">>).

%% How a native task is evaluated by workers, which may be of other nodes: it is made there, once.
anywhere(Task, Id) -> {each, fun(Network) -> score(made(Task, Id), Network) end}.

%% Known by its id, as a dataset may be large.
made(Task, Id) ->
    case get(?MODULE) of
        {Id, Native} -> Native;
        _ ->
            {ok, Native} = new(Task),
            put(?MODULE, {Id, Native}),
            Native
    end.

score(Native, Network) ->
    {ok, {Fitness, Cases, _Work}} = cambrian_job:await(fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end),
    maps:from_list([{fitness, Fitness} | [{objectives, Cases} || Cases =/= []]]).

%% @doc What other nodes know a task by. Only the same settings are the same task: what is measured by others is another
%% thing. Of a fun nothing is known but that it is one. A dataset's is of its numbers, in whatever form they are given; what is no
%% dataset raises `badarg'.
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
id({dataset, Inputs, Targets}) -> id({dataset, #{inputs => Inputs, targets => Targets}});
id({dataset, Settings}) ->
    case cambrian_nif:dataset_id(Settings) of
        {ok, Hash} -> id(dataset, Hash);
        %% without the data, which may be large
        {error, Reason} -> error(badarg, none, [{error_info, #{module => cambrian_badarg, cause => Reason}}])
    end;
id(Task) ->
    case [settled(Setting) || Setting <- tl(tuple_to_list(Task))] of
        [Empty] when Empty =:= []; Empty =:= {map, []} -> atom_to_binary(element(1, Task));
        Settings -> id(element(1, Task), printed_hash(Settings))
    end.

id(Name, <<Start:4/binary, _/binary>>) ->
    <<(atom_to_binary(Name))/binary, "/", (cambrian_text:hex(Start))/binary>>.

printed_hash(Term) -> crypto:hash(sha256, unicode:characters_to_binary(io_lib:format("~tw", [Term]))).

%% The same text everywhere: in the order of keys, and without what is only here. A byte takes some hundred to be printed, so
%% what is large is there by its hash.
settled(Map) when is_map(Map) -> {map, brief(lists:sort([{settled(Key), settled(Value)} || {Key, Value} <- maps:to_list(Map)]))};
settled(Tuple) when is_tuple(Tuple) ->
    case settled(tuple_to_list(Tuple)) of
        {hashed, _} = Hashed -> {tuple, Hashed};
        List -> list_to_tuple(List)
    end;
settled(List) when length(List) > ?LONG -> brief([settled(Element) || Element <- List]);
settled([Head | Tail]) -> [settled(Head) | settled(Tail)];
settled(Bits) when bit_size(Bits) > 8 * ?LONG -> {hashed, {bit_size(Bits), crypto:hash(sha256, padded(Bits))}};
settled(Here) when is_pid(Here); is_port(Here); is_reference(Here); is_function(Here) -> here;
settled(Other) -> Other.

brief(List) when length(List) =< ?LONG -> List;
brief(List) -> {hashed, crypto:hash_final(lists:foldl(fun hash_element/2, crypto:hash_init(sha256), List))}.

hash_element(Element, State) -> crypto:hash_update(State, printed_hash(Element)).

padded(Bits) when is_binary(Bits) -> Bits;
padded(Bits) -> <<Bits/bitstring, 0:(8 - bit_size(Bits) rem 8)>>.

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
    Expected = <<"a name of cambrian:tasks/0, a module, {Module, Args}, a fun of one argument, "
                 "{program, Options} or {dataset, Inputs, Targets}">>,
    {error, {bad_task, {task, Other, Expected}}}.

%% @private Logs what makes a task a hard one without need.
-spec warn(prepared()) -> ok.
warn(#{evaluate := {native, Native}}) ->
    case cambrian_nif:task_warning(Native) of
        undefined -> ok;
        Warning -> logger:warning("~ts", [Warning])
    end;
warn(_) -> ok.

%% A name of ours goes before a module of the same name.
native_or_module(Task, Name, Args) ->
    case new(Task) of
        {ok, Native} ->
            {ok, (cambrian_nif:task_info(Native))#{name => Name, evaluate => {native, Native}, anywhere => anywhere(Task, id(Task))}};
        {error, {unknown_task, Name, _Hint}} -> module(Name, Args);
        Error -> Error
    end.

module(Module, Args) ->
    case code:ensure_loaded(Module) of
        {module, Module} ->
            case [lists:all(fun({F, A}) -> erlang:function_exported(Module, F, A) end, Callbacks)
                  || Callbacks <- [[{init, 1}, {evaluate, 2}], [{init, 1}, {reset, 2}, {step, 2}]]] of
                [true, _] -> init(Module, Args, fun each/3);
                [false, true] -> init(Module, Args, fun cambrian_environment:evaluation/3);
                _ ->
                    Expected = <<"a module that exports init/1 and evaluate/2, "
                                 "or init/1, reset/2 and step/2">>,
                    {error, {bad_task, {module, Module, Expected}}}
            end;
        {error, _} ->
            {error, unknown(Module)}
    end.

each(Module, Shape, State) ->
    case maps:keys(maps:without([inputs, outputs], Shape)) of
        [] -> {ok, #{evaluate => {each, fun(Network) -> Module:evaluate(Network, State) end}}};
        [Key | _] -> {error, cambrian_options:unknown(unknown_option, Key, [inputs, outputs], <<"cambrian_task:init/1">>)}
    end.

init(Module, Args, Evaluation) ->
    try Module:init(Args) of
        {ok, #{inputs := Inputs, outputs := Outputs} = Shape, State} = Answer when ?IS_SIZE(Inputs), ?IS_SIZE(Outputs) ->
            case Evaluation(Module, Shape, State) of
                {ok, Evaluations} -> {ok, Evaluations#{name => Module, inputs => Inputs, outputs => Outputs}};
                {error, Reason} -> {error, Reason};
                error -> {error, {bad_return, {Module, init, 1}, Answer}}
            end;
        Other ->
            {error, {bad_return, {Module, init, 1}, Other}}
    catch
        Class:Reason:Stack ->
            {error, {crashed, {Module, init, 1}, {Class, Reason, Stack}}}
    end.
