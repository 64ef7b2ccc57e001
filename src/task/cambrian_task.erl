%% @doc Evaluates networks on tasks, and defines the behaviour of tasks.
%%
%% A task is one of
%% <ul>
%% <li>the name of a native task, which runs in Rust, or `{Name, Settings}': {@link names/0};</li>
%% <li>`{dataset, Inputs, Targets}', or `{dataset, Settings}': rows of numbers; a native task
%% too;</li>
%% <li>a module with this behaviour, or `{Module, Args}' with the argument of `init/1';</li>
%% <li>the same with the behaviour {@link cambrian_environment}, in which networks live step by
%% step;</li>
%% <li>`{program, Options}': an environment in another program, see {@link cambrian_program};</li>
%% <li>`fun((Network) -> Fitness)', with `inputs' and `outputs' among the options.</li>
%% </ul>
%%
%% <h3>Native tasks</h3>
%% Each has parameters that suit it, and counts as solved by the criterion in its source:
%% <ul>
%% <li>`xor': fitness is 4 minus the sum of the squared errors of the output, whatever its
%% activation. Solved at 3.9;</li>
%% <li>`parity' with the setting `bits' (2 to 12; 3): the same fitness over all cases. Solved when
%% every output is on the right side of 0.5;</li>
%% <li>`multiplexer_11': fitness as in SharpNEAT, which clips outputs to 0 to 1. Solved like
%% `parity';</li>
%% <li>`single_pole', `double_pole': solved when balanced for 100,000 steps. In `single_pole_novel'
%% and `double_pole_novel' the network does not see velocities; `double_pole_novel' must also
%% balance from 200 of 625 other starts. With two poles, an output from 0 to 1 is a force from -10
%% to 10 N, and outputs beyond are clipped;</li>
%% <li>`mountain_car', `acrobot': environments of Gymnasium. Solved at a mean return over 100 starts
%% of -110 or more, or -100 or more;</li>
%% <li>`t_maze': two rewards change places once in 100 runs. Solved when a network, in each of 60
%% lives, misses the larger reward only once to find it and once to find that it moved;</li>
%% <li>`maze_medium', `maze_hard' (Lehman and Stanley 2011): a robot looks for the end of a maze.
%% Fitness is 300 less the distance from the goal after 400 steps, and the behaviour is the place
%% there. Solved within 5 units of the goal;</li>
%% <li>`kheperax' (Grillotti and Cully 2023): a robot on two wheels in a maze of side 1, for
%% `map_elites', by the rules of Kheperax 0.2 over 250 steps. The inputs are three lasers, from 0 to
%% 0.2, and two bumpers, each 1 or -1; the outputs turn the left and the right wheel, from -1 to 1.
%% Fitness is minus the sum of the squares of what the wheels went, at best 0, and the behaviour is
%% the place where the last step begins. A robot that touches a wall stays there. Nothing counts as
%% solved: give limits;</li>
%% <li>`sequence_recall' with the settings `length' (1 to 8; 1) and `delay' (0 to 16; 4): the
%% network repeats every sequence of `length' bits after every delay up to `delay'. With 2 or more
%% bits, a delay makes it very hard.</li>
%% </ul>
%% In the tasks below a genotype is a vector of numbers: the weights of a network with one input and
%% no hidden node, whose outputs for the input 1 are the vector. Their parameters change no
%% structure. `n' is the length of the vector (2 to 10,000):
%% <ul>
%% <li>`linear_projection' with the settings `n' (even; 100) and `function' (`sphere', `rastrigin',
%% `plateau'; `sphere') and `arm' with the setting `n' (100), as in the paper on CMA-MAE (Fontaine
%% and Nikolaidis 2023). The best fitness is 100. The behaviour is the sum of each half of the
%% vector, or the place where an arm of `n' links ends, whose joints have these angles. Nothing
%% counts as solved: give limits;</li>
%% <li>`zdt1', `zdt2', `zdt3', `zdt4', `zdt6' with the setting `n' (30; 10 for the last two)
%% (Zitzler et al. 2000) and
%% `dtlz2' with the setting `objectives' (2 to 15; 3) (Deb et al. 2002): several
%% goals that contradict each other. The objectives are those of the papers times -1, and fitness is
%% their sum. A number of the vector is clipped to -0.5 to 0.5, which stands for 0 to 1. Solved
%% within a hundredth of the front.</li>
%% </ul>
%%
%% <h3>Datasets</h3> `{dataset, Inputs, Targets}' is short for the settings `inputs' and `targets',
%% which are required. Each is a list of rows, where a row is a list of numbers or a binary of
%% little-endian 32-bit floats; or a list of numbers, one for each row; or `{Width, Binary}' with
%% all rows in one binary. Numbers lie within plus and minus 1.0e12. A column with values beyond 100
%% is logged as a warning when a run starts, because weights of about 1 can do little with it. Other
%% settings:
%% <ul>
%% <li>`kind' (`regression'): with `regression', targets are numbers and fitness is 1 / (1 + mean
%% squared error). With `classification', targets are classes and fitness is 1 / (1 + mean cross
%% entropy of the softmax of the outputs). Classes are a list of labels, all of them integers, atoms
%% (not `nil' or `undefined') or words (binaries or strings), or rows with a 1 in the place of the
%% class. Outputs stand for labels in sorted order, see {@link classes/1}; an integer that no row
%% has is not a class;</li>
%% <li>`validation' (0): the share of the rows that fitness does not see, and that {@link trial/2}
%% measures. It is the same for each class, and leaves at least one row of each class. `{last, N}'
%% are the last N rows, for rows in the order of time;</li>
%% <li>`seed' (0): the seed that draws the rows for validation;</li>
%% <li>`loss': of a regression `squared' (the default), `absolute', or `{huber, Delta}', which is
%% half the square up to this difference and a line beyond (Huber 1964). It stands for the squared
%% error in the fitness. A classification has `cross_entropy' alone;</li>
%% <li>`weights' (`equal'): how much the rows of each class count in a classification. With
%% `balanced' every class counts the same, as in scikit-learn; or a list of weights in the order of
%% the outputs.</li>
%% </ul>
%% {@link cambrian_data} makes a dataset of a table with names, words and missing values.
%% A dataset has no criterion of its own for "solved": give a `target', or limits.
%%
%% Higher fitness is better. A run is repeatable only if the same network always gets the same
%% fitness.
-module(cambrian_task).

-export([names/0, evaluate/2, evaluate/3, trial/2, classes/1, id/1, new/1, prepare/2, warn/1]).
-export([evaluation/3, evaluate_table/0]).
-export_type([task/0, native/0, evaluate_options/0, evaluate_error/0, settings/0, rows/0, trial/0,
              prepared/0, evaluation/0, fitness/0, error/0]).

-type fitness() :: number().
-type wrong_size() :: {wrong_size, inputs | outputs,
                       Expected :: pos_integer(), Got :: pos_integer()}.
-type label() :: integer() | float() | atom() | binary() | string().
-type rows() :: [cambrian_network:numbers() | label()] | {Width :: pos_integer(), binary()}.
-type settings() :: #{atom() => term()}.
-type native() :: atom() | {atom(), settings()} | {dataset, Inputs :: rows(), Targets :: rows()}.
%% A task that runs in Rust.

-type task() :: native() | {module(), Args :: term()} | cambrian_program:task()
              | fun((cambrian_network:network()) -> fitness()).
-type trial() :: #{solved := boolean(), facts := [{atom(), float()}], validation => float(),
                   classes => [integer() | atom() | binary()]}.
%% `validation' is the fitness on the rows of a dataset that are kept for validation.

-type evaluate_options() :: #{timeout => timeout(), memory => pos_integer() | infinity,
                              episodes => cambrian_environment:episodes()}.

-type error() :: {unknown_task, atom(), cambrian_error:hint()} | cambrian_error:option()
               | cambrian_error:dataset().

-type evaluate_error() :: error() | wrong_size()
                        | {evaluation_failed, cambrian_evaluation:fault()} | term().
-type prepared() :: #{name := atom(), id => binary(),
                      inputs := pos_integer(), outputs := pos_integer(),
                      evaluate := evaluation(), on_workers => evaluation(),
                      under => fun((cambrian_environment:conditions()) -> evaluation()),
                      varying => cambrian_environment:varying()}.
%% `on_workers' is the evaluation of a native task by workers on other nodes. `under' gives the
%% evaluation of an environment under given conditions, and `varying' says what varies from
%% generation to generation. `id' is that of {@link id/1}, for
%% populations.

-type evaluation() :: {native, reference()}
                    | {each, fun((cambrian_network:network()) -> term())}
                    | {together, fun(([{pos_integer(), cambrian_network:network()}],
                                      fun((non_neg_integer()) -> ok)) ->
                                         [{pos_integer(), term()}])}.
%% In Rust, one network at a time, or many networks in lock-step in one process. A function of the
%% last kind calls its second argument with an index right before it runs the code of a user for
%% that network, and with 0 between two steps. It returns for each index the answer of that network,
%% which is the same as if it ran alone, or `{fault, Fault}'.

%% A longer list, or a binary of more bytes, is hashed and not printed.
-define(LONG, 1024).

%% The documentation that an error of each/3 names.
-define(SEE, <<"cambrian_task:init/1">>).

%% As many inputs and outputs as a genotype can have.
-define(IS_SIZE(N), (is_integer(N) andalso N >= 1 andalso N =< 10_000)).

-callback init(Args :: term()) ->
    {ok, #{inputs := pos_integer(), outputs := pos_integer()}, State :: term()}.
%% Returns the size of the networks, and a state for evaluate/2. The argument is that of the task,
%% or [] for a module alone. The process that starts the evolution calls it once.

-callback evaluate(cambrian_network:network(), State :: term()) ->
    fitness() | #{fitness => fitness(), cases => [number()], behaviour => [number()],
                  objectives => [number()]}.
%% Returns the fitness of a network, alone or in a map. `cases' are its results in each case, for
%% the selection `lexicase'. `behaviour' tells in numbers what it did, such as where it ended, for
%% searches that compare behaviours: as many numbers for every network. `objectives' are several
%% goals for the search `pareto', in each of which more is better: as many for every network. With
%% objectives and that search, a fitness is not needed; without one it is their sum. Called in a
%% process of its own for each new genotype of a generation.

%% @doc Lists the names of the native tasks.
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

%% @doc Computes the fitness of a network on any task that {@link cambrian:evolve/2} takes. A fun
%% needs no `inputs' and `outputs' here: the network has them.
%%
%% A network with other numbers of inputs or outputs than the task is an error. A task that fails is
%% `{evaluation_failed, Fault}', where the fault is `timeout', `memory', `{bad_fitness, Term}' or
%% `{crashed, {Class, Reason, Stack}}' with the stack of the task's code.
%%
%% Options:
%% <ul>
%% <li>`timeout' (5,000): the longest time in ms, in an environment for each step;</li>
%% <li>`memory' (268,435,456): the most bytes that the code of a task may use, or `infinity';</li>
%% <li>`episodes', for environments: the number of episodes, from 0, or a list of episodes, which
%% may differ from those of evolution.</li>
%% </ul>
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
%% 8> {error, {evaluation_failed, {crashed, {error, Reason, _}}}} =
%%        cambrian_task:evaluate(fun(_) -> error(boom) end, Network).
%% 9> Reason.
%% boom
%% 10> cambrian_task:evaluate(fun(_) -> timer:sleep(60_000) end, Network, #{timeout => 10}).
%% {error,{evaluation_failed,timeout}}
%% '''
-spec evaluate(task(), cambrian_network:network(), evaluate_options()) ->
          {ok, float()} | {error, evaluate_error()}.
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
    case evaluation(Prepared, Shape, Options) of
        {ok, Evaluation} -> cambrian_evaluation:run(Evaluation, Network, Options);
        Error -> Error
    end.

%% @private The evaluation of a prepared task for networks of a shape.
-spec evaluation(prepared(), #{inputs := pos_integer(), outputs := pos_integer()},
                 evaluate_options()) -> {ok, evaluation()} | {error, evaluate_error()}.
evaluation(Prepared, Shape, Options) ->
    case {wrong_sizes(Prepared, Shape), evaluation(Prepared, Options)} of
        {[WrongSize | _], _} -> {error, WrongSize};
        {[], {error, _} = Error} -> Error;
        {[], Evaluation} -> {ok, Evaluation}
    end.

shape(Network) -> maps:with([inputs, outputs], cambrian_network:info(Network)).

wrong_sizes(Prepared, Shape) ->
    [{wrong_size, What, maps:get(What, Prepared), Got}
     || What <- [inputs, outputs],
        Got <- [maps:get(What, Shape)],
        Got =/= maps:get(What, Prepared)].

evaluation(#{under := Under}, #{episodes := Episodes}) ->
    Under(#{episodes => Episodes});
evaluation(_, #{episodes := Episodes}) ->
    Expected = <<"absent, as the task is no environment">>,
    {error, {bad_option, {episodes, Episodes, Expected}}};
evaluation(#{evaluate := {native, Native}}, _) ->
    {each, fun(Network) -> score(Native, Network) end};
evaluation(#{evaluate := Evaluation}, _) ->
    Evaluation.

%% @private The options of an evaluation.
-spec evaluate_table() -> cambrian_options:table().
evaluate_table() ->
    IsCount = fun cambrian_options:is_count/1,
    #{timeout => {fun cambrian_options:is_timeout/1, <<"milliseconds or infinity">>, 5000},
      memory => {fun(infinity) -> true;
                    (X) -> cambrian_options:is_positive(X) andalso X < 1 bsl 48
                 end, <<"bytes, from 1, or infinity">>, 268_435_456},
      episodes => {fun(Numbers) when length(Numbers) > 0 -> lists:all(IsCount, Numbers);
                      (Count) -> cambrian_options:is_positive(Count)
                   end, <<"a positive integer, or a list of integers from 0">>}}.

%% @doc Tests whether a network solves a native task by the task's own criterion, and returns the
%% measured facts. A task of your own has no criterion: `{no_trial, Name}'.
%%
%% For `double_pole_novel' the facts say whether the network balances for 100,000 steps, and from
%% how many of 625 other starts it balances for 1,000. For a dataset of classes, `classes' has the
%% class of each output, as in {@link classes/1}.
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
-spec trial(task(), cambrian_network:network()) ->
          {ok, trial()} | {error, evaluate_error() | {no_trial, atom()}}.
trial({program, #{} = Options}, Network) ->
    %% Does not start the program: only checks that the network is one.
    _ = shape(Network),
    {error, {no_trial, maps:get(name, Options, program)}};
trial(Task, Network) ->
    case prepare(Task, shape(Network)) of
        {ok, #{evaluate := {native, Native}}} ->
            Job = fun(Tag) -> cambrian_nif:task_trial(Tag, Native, Network) end,
            case cambrian_job:await(Job) of
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

%% @doc Lists the classes of a dataset, in the order of the outputs: for a row of the first class,
%% the first output should be the highest. A regression has no classes.
%%
%% ```
%% 1> Data = #{inputs => [1, 2, 3, 4], targets => [no, yes, maybe, no], kind => classification}.
%% 2> cambrian_task:classes({dataset, Data}).
%% {ok,[maybe,no,yes]}
%% 3> cambrian_task:classes({dataset, Data#{targets := [2, 1, 1, 2]}}).
%% {ok,[1,2]}
%% '''
-spec classes({dataset, settings()} | {dataset, rows(), rows()}) ->
          {ok, [integer() | atom() | binary()]} | {error, error()}.
classes({dataset, Inputs, Targets}) -> classes({dataset, #{inputs => Inputs, targets => Targets}});
classes({dataset, Settings}) -> cambrian_nif:dataset_classes(Settings);
classes(Other) -> {error, {bad_task, {task, Other, <<"{dataset, Settings}">>}}}.

%% @private Makes a native task from its name or settings.
-spec new(native()) -> {ok, reference()} | {error, error()}.
new({dataset, Inputs, Targets}) -> new({dataset, #{inputs => Inputs, targets => Targets}});
new({Name, Settings}) ->
    case cambrian_nif:task_new(Name, Settings) of
        {error, {unknown_option, Key, Known}} ->
            {error, cambrian_options:unknown(unknown_option, Key, Known, <<"cambrian_task">>)};
        {error, {unknown_task, Name}} -> {error, unknown(Name)};
        {error, {bad_dataset, {{targets, Row}, Got, Expected}}}
          when not is_map_key(kind, Settings) ->
            OrLabel = <<Expected/binary, "; or a label, with the kind classification">>,
            {error, {bad_dataset, {{targets, Row}, Got, OrLabel}}};
        {ok, _} when Name =:= dataset, is_map_key(seed, Settings),
                     not is_map_key(validation, Settings) ->
            Absent = <<"left out without validation, of which it draws the rows">>,
            {error, {bad_option, {seed, map_get(seed, Settings), Absent}}};
        Answer -> Answer
    end;
new(Name) -> new({Name, #{}}).

unknown(Name) -> cambrian_options:unknown(unknown_task, Name, names(), <<"cambrian:tasks/0">>).

%% Each worker, which may be on another node, makes the native task once.
on_workers(Task, Id) -> {each, fun(Network) -> score(cached(Task, Id), Network) end}.

%% The key of the cache is the id of the task, because a dataset may be large.
cached(Task, Id) ->
    case get(?MODULE) of
        {Id, Native} -> Native;
        _ ->
            {ok, Native} = new(Task),
            put(?MODULE, {Id, Native}),
            Native
    end.

score(Native, Network) ->
    Job = fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end,
    {ok, Score} = cambrian_job:await(Job),
    {measured, Score}.

%% @doc Computes the id of a task on the mesh.
%%
%% Tasks of the same name with different settings have different ids, because their fitness is not
%% comparable. Every fun has the same id. The id of a dataset depends on its numbers, not on their
%% form; an invalid dataset raises `badarg'.
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
        %% The error does not contain the data, which may be large.
        {error, Reason} ->
            Info = #{module => cambrian_badarg, cause => Reason},
            error(badarg, none, [{error_info, Info}])
    end;
id(Task) ->
    case [canonical(Setting) || Setting <- tl(tuple_to_list(Task))] of
        [Empty] when Empty =:= []; Empty =:= {map, []} -> atom_to_binary(element(1, Task));
        Settings -> id(element(1, Task), printed_hash(Settings))
    end.

id(Name, <<Start:4/binary, _/binary>>) ->
    <<(atom_to_binary(Name))/binary, "/", (cambrian_text:hex(Start))/binary>>.

printed_hash(Term) ->
    crypto:hash(sha256, unicode:characters_to_binary(io_lib:format("~tw", [Term]))).

%% Returns a term that prints the same on every node: maps are in the order of their keys, and terms
%% that only this node knows are replaced. To print a byte takes some hundred bytes of memory, so
%% the term has only the hash of large lists and binaries.
canonical(Map) when is_map(Map) ->
    Pairs = [{canonical(Key), canonical(Value)} || {Key, Value} <- maps:to_list(Map)],
    {map, hash_if_long(lists:sort(Pairs))};
canonical(Tuple) when is_tuple(Tuple) ->
    case canonical(tuple_to_list(Tuple)) of
        {hashed, _} = Hashed -> {tuple, Hashed};
        List -> list_to_tuple(List)
    end;
canonical(List) when length(List) > ?LONG ->
    hash_if_long([canonical(Element) || Element <- List]);
canonical([Head | Tail]) ->
    [canonical(Head) | canonical(Tail)];
canonical(Bits) when bit_size(Bits) > 8 * ?LONG ->
    {hashed, {bit_size(Bits), crypto:hash(sha256, padded(Bits))}};
canonical(Local) when is_pid(Local); is_port(Local); is_reference(Local); is_function(Local) ->
    here;
canonical(Other) ->
    Other.

hash_if_long(List) when length(List) =< ?LONG -> List;
hash_if_long(List) ->
    Hashed = lists:foldl(fun hash_element/2, crypto:hash_init(sha256), List),
    {hashed, crypto:hash_final(Hashed)}.

hash_element(Element, State) -> crypto:hash_update(State, printed_hash(Element)).

padded(Bits) when is_binary(Bits) -> Bits;
padded(Bits) -> <<Bits/bitstring, 0:(8 - bit_size(Bits) rem 8)>>.

%% @private Prepares a task for a population. `Shape' has `inputs' and `outputs' for a fun.
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

%% @private Logs a warning about a property that makes a native task hard without need.
-spec warn(prepared()) -> ok.
warn(#{evaluate := {native, Native}}) ->
    case cambrian_nif:task_warning(Native) of
        undefined -> ok;
        Warning -> logger:warning("~ts", [Warning])
    end;
warn(_) -> ok.

%% A native task wins over a module of the same name.
native_or_module(Task, Name, Args) ->
    case new(Task) of
        {ok, Native} ->
            Info = cambrian_nif:task_info(Native),
            {ok, Info#{name => Name, evaluate => {native, Native},
                       on_workers => on_workers(Task, id(Task))}};
        {error, {unknown_task, Name, _Hint}} -> module(Name, Args);
        Error -> Error
    end.

module(Module, Args) ->
    case code:ensure_loaded(Module) of
        {module, Module} ->
            IsExported = fun({F, A}) -> erlang:function_exported(Module, F, A) end,
            case [lists:all(IsExported, Callbacks)
                  || Callbacks <- [[{init, 1}, {evaluate, 2}],
                                   [{init, 1}, {reset, 2}, {step, 2}]]] of
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
        [Key | _] ->
            {error, cambrian_options:unknown(unknown_option, Key, [inputs, outputs], ?SEE)}
    end.

init(Module, Args, Evaluation) ->
    try Module:init(Args) of
        {ok, #{inputs := Inputs, outputs := Outputs} = Shape, State} = Answer
          when ?IS_SIZE(Inputs), ?IS_SIZE(Outputs) ->
            case Evaluation(Module, Shape, State) of
                {ok, Evaluations} ->
                    {ok, Evaluations#{name => Module, inputs => Inputs, outputs => Outputs}};
                {error, Reason} -> {error, Reason};
                error -> {error, {bad_return, {Module, init, 1}, Answer}}
            end;
        Other ->
            {error, {bad_return, {Module, init, 1}, Other}}
    catch
        Class:Reason:Stack ->
            Own = lists:takewhile(fun(Frame) -> element(1, Frame) =/= ?MODULE end, Stack),
            {error, {crashed, {Module, init, [Args]}, {Class, Reason, Own}}}
    end.
