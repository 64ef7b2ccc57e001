%% @doc What gives fitness, and the behaviour of a task of your own.
%%
%% A task is one of
%% <ul>
%% <li>the name of one that runs in Rust: {@link names/0};</li>
%% <li>a module with this behaviour, or `{Module, Args}' with the argument of `init/1';</li>
%% <li>the same with the behaviour {@link cambrian_environment}, in which networks live step by step;</li>
%% <li>`{program, Options}': an environment in another program, see {@link cambrian_program};</li>
%% <li>`fun((Network) -> Fitness)', with `inputs' and `outputs' among the options;</li>
%% <li>`{dataset, Inputs, Targets}': rows of numbers; fitness is 1 / (1 + mean squared error).</li>
%% </ul>
%% More fitness is better. The same network must always get the same fitness if a run is to be repeatable.
-module(cambrian_task).

-export([names/0, evaluate/2, trial/2, prepare/2]).
-export_type([task/0, prepared/0, evaluation/0, fitness/0]).

-type fitness() :: number().
-type wrong_size() :: {wrong_size, inputs | outputs, Expected :: pos_integer(), Got :: pos_integer()}.
-type task() :: atom() | {module(), Args :: term()} | cambrian_program:task()
              | fun((cambrian_network:network()) -> fitness())
              | {dataset, Inputs :: [cambrian_network:numbers()], Targets :: [[number()]]}.
-type prepared() :: #{name := atom(), inputs := pos_integer(), outputs := pos_integer(),
                      evaluate := evaluation()}.
%% In Rust, one network at a time, or a batch at once: each with its index, which is told to `Mark' right before
%% code of the user runs for that one.
-type evaluation() :: {native, atom()} | {each, fun((cambrian_network:network()) -> term())}
                    | {together, fun(([{Index :: pos_integer(), cambrian_network:network()}], Mark :: fun((pos_integer()) -> term())) ->
                                         [{Index :: pos_integer(), fitness() | {fault, term()}}])}.

%% As many inputs and outputs as a genotype can have.
-define(IS_SIZE(N), (is_integer(N) andalso N >= 1 andalso N =< 10_000)).

-callback init(Args :: term()) ->
    {ok, #{inputs := pos_integer(), outputs := pos_integer()}, State :: term()}.
-callback evaluate(cambrian_network:network(), State :: term()) ->
    fitness() | #{fitness := fitness(), behaviour => [float()], objectives => [float()]}.

%% @doc The tasks that run in Rust.
%%
%% ```
%% 1> cambrian_task:names().
%% ['xor',double_pole,double_pole_novel,multiplexer_11]
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
%% 4> cambrian_task:evaluate(chess, Network).
%% {error,{unknown_task,chess}}
%% '''
-spec evaluate(atom(), cambrian_network:network()) -> {ok, float()} | {error, {unknown_task, atom()} | wrong_size()}.
evaluate(Name, Network) ->
    case await(fun(Tag) -> cambrian_nif:task_evaluate(Tag, Name, [Network]) end) of
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
%% '''
-spec trial(atom(), cambrian_network:network()) ->
          {ok, #{solved := boolean(), facts := [{atom(), float()}]}} | {error, {unknown_task, atom()} | wrong_size()}.
trial(Name, Network) ->
    await(fun(Tag) -> cambrian_nif:task_trial(Tag, Name, Network) end).

await(Post) ->
    Tag = make_ref(),
    case Post(Tag) of
        {error, _} = Error -> Error;
        _Job -> receive {Tag, Answer} -> Answer end
    end.

%% @private What a population needs to know of a task. `Shape' has `inputs' and `outputs' for a fun.
-spec prepare(task(), #{inputs => pos_integer(), outputs => pos_integer()}) ->
          {ok, prepared()} | {error, term()}.
prepare(Name, _Shape) when is_atom(Name) ->
    case cambrian_nif:task_info(Name) of
        {ok, #{inputs := Inputs, outputs := Outputs}} ->
            {ok, #{name => Name, inputs => Inputs, outputs => Outputs, evaluate => {native, Name}}};
        {error, {unknown_task, Name}} ->
            module(Name, [])
    end;
prepare({dataset, Inputs, Targets}, _Shape) ->
    dataset(Inputs, Targets);
prepare({program, Options}, _Shape) when is_map(Options) ->
    cambrian_program:prepare(Options);
prepare({Module, Args}, _Shape) when is_atom(Module) ->
    module(Module, Args);
prepare(Fun, #{inputs := Inputs, outputs := Outputs}) when is_function(Fun, 1) ->
    {ok, #{name => 'fun', inputs => Inputs, outputs => Outputs, evaluate => {each, Fun}}};
prepare(Fun, _Shape) when is_function(Fun, 1) ->
    {error, {missing_options, [inputs, outputs]}};
prepare(Other, _Shape) ->
    {error, {bad_task, Other, <<"a task's name, a module, {Module, Args}, a fun of one argument, "
                                "{program, Options} or {dataset, Inputs, Targets}">>}}.

module(Module, Args) ->
    case code:ensure_loaded(Module) of
        {module, Module} ->
            case [lists:all(fun({F, A}) -> erlang:function_exported(Module, F, A) end, Callbacks)
                  || Callbacks <- [[{init, 1}, {evaluate, 2}], [{init, 1}, {reset, 2}, {step, 2}]]] of
                [true, _] -> init(Module, Args);
                [false, true] -> cambrian_environment:prepare(Module, Args);
                _ -> {error, {not_a_task, Module, <<"a module that exports init/1 and evaluate/2, "
                                                    "or init/1, reset/2 and step/2">>}}
            end;
        {error, _} ->
            {error, {unknown_task, Module}}
    end.

init(Module, Args) ->
    try Module:init(Args) of
        {ok, #{inputs := Inputs, outputs := Outputs}, State} when ?IS_SIZE(Inputs), ?IS_SIZE(Outputs) ->
            {ok, #{name => Module, inputs => Inputs, outputs => Outputs,
                   evaluate => {each, fun(Network) -> Module:evaluate(Network, State) end}}};
        Other ->
            {error, {bad_return, {Module, init, 1}, Other}}
    catch
        Class:Reason:Stack ->
            {error, {crashed, {Module, init, 1}, {Class, Reason, Stack}}}
    end.

dataset(Inputs, Targets) ->
    try {[numbers(Row) || Row <- Inputs], [numbers(Row) || Row <- Targets]} of
        {[Input | _] = Rows, [Target | _] = Wanted} when length(Rows) =:= length(Wanted) ->
            {Width, Height} = {length(Input), length(Target)},
            case lists:usort([{length(I), length(T)} || {I, T} <- lists:zip(Rows, Wanted)]) of
                [_] when ?IS_SIZE(Width), ?IS_SIZE(Height) ->
                    {ok, #{name => dataset, inputs => Width, outputs => Height,
                           evaluate => {each, fun(Network) -> 1 / (1 + error_of(Network, Rows, Wanted)) end}}};
                _ ->
                    {error, {bad_dataset, <<"rows of one length, from 1 to 10000">>}}
            end;
        _ ->
            {error, {bad_dataset, <<"as many inputs as targets, at least one">>}}
    catch
        throw:{not_numbers, Row} -> {error, {bad_dataset, Row, <<"a list of numbers or a binary of 32-bit floats">>}};
        error:_ -> {error, {bad_dataset, <<"lists of rows">>}}
    end.

%% Within what a network takes.
numbers(Row) when is_binary(Row), byte_size(Row) rem 4 =:= 0 ->
    case [X || <<X:32/float-little>> <= Row] of
        Numbers when 4 * length(Numbers) =:= byte_size(Row) -> numbers(Numbers);
        _ -> throw({not_numbers, Row})
    end;
numbers(Row) ->
    case is_list(Row) andalso lists:all(fun(X) -> is_number(X) andalso abs(X) =< 1.0e12 end, Row) of
        true -> Row;
        false -> throw({not_numbers, Row})
    end.

error_of(Network, Rows, Targets) ->
    Outputs = cambrian_network:activate_batch(Network, Rows),
    Errors = [(O - T) * (O - T) || {Row, Target} <- lists:zip(Outputs, Targets),
                                   {O, T} <- lists:zip(Row, Target)],
    lists:sum(Errors) / length(Errors).
