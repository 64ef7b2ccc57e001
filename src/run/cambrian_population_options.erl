%% @private
%% The options of a population: what they may be, and what is wrong with them, before anything is started.
-module(cambrian_population_options).

-export([prepare/1, names/0, parameters/1, understood/1, native/1, founders/1]).

%% Of a task's text, in bytes.
-define(MAX_TEXT, 4096).

%% @doc Options that are sound, with the task made ready and a name under which a restart finds the checkpoint. Done by
%% who starts a population, so that a mistake is an answer and no crash. `given' has what a checkpoint may contradict.
-spec prepare(cambrian_population:options()) -> {ok, map()} | {error, term()}.
prepare(Options) ->
    case cambrian_options:check(Options, table(), <<"type cambrian_population:options()">>) of
        {ok, #{task := Task} = Checked} ->
            case cambrian_task:prepare(Task, maps:merge(network_size(Checked), maps:with([inputs, outputs], Checked))) of
                {ok, Ready} ->
                    ok = cambrian_task:warn(Ready),
                    Prepared = Checked#{task := needed(Ready#{id => cambrian_task:id(Task)}, Checked), text => text(Task),
                                        given => decided(Options)},
                    check_all(maps:merge(#{name => make_ref()}, Prepared), Options);
                Error -> Error
            end;
        {ok, _} -> {error, {missing_options, [task]}};
        Error -> Error
    end.

%% Funs that it does not call hold what a task is made of, and would be copied from process to process.
needed(Ready, #{nodes := []}) -> maps:without([on_episodes, on_workers], Ready);
needed(Ready, _) -> maps:remove(on_episodes, Ready).

decided(#{from := From} = Options) ->
    (decided(maps:remove(from, Options)))#{from => [cambrian_genotype:id(Founder) || Founder <- listed(From)]};
decided(Options) -> maps:with([seed, substrate], Options).

%% Options that are sound each alone may contradict each other, or have nothing to act on. `Given' are those of the caller.
check_all(Prepared, Given) ->
    Checks = [fun check_size/2, fun check_given_size/2, fun check_nodes/2, fun check_evaluation/2, fun check_checkpoints/2,
              fun check_population/2, fun check_parameters/2, fun check_founders/2],
    case lists:foldl(fun(Check, ok) -> Check(Prepared, Given); (_, Error) -> Error end, ok, Checks) of
        ok -> check_name(Prepared);
        Error -> Error
    end.

%% @doc All but `owner', which is evolve's: for the test that each is told of.
-spec names() -> [atom()].
names() -> maps:keys(table()) -- [owner, afresh].

table() ->
    Seed = fun(X) -> is_integer(X) andalso X >= 0 andalso X < 1 bsl 64 end,
    Size = fun(N) -> is_integer(N) andalso N >= 1 andalso N =< 10_000 end,
    Any = fun(_) -> true end,
    maps:merge(cambrian_goal:table(),
               #{task => {Any, <<"a task">>},
                 name => {fun(X) -> (is_atom(X) andalso X =/= undefined) orelse is_reference(X) end, <<"an atom">>},
                 inputs => {Size, <<"an integer from 1 to 10000">>},
                 outputs => {Size, <<"an integer from 1 to 10000">>},
                 substrate => {fun cambrian_substrate:is_substrate/1, <<"a substrate">>},
                 seed => {Seed, <<"an integer from 0 to 2^64 - 1">>, random_seed()},
                 population => {Any, <<"an integer from 2 to 1000000">>},
                 params => {fun is_map/1, <<"a map">>, #{}},
                 from => {fun are_founders/1, <<"a genotype, or a list of one or more">>},
                 run => {fun is_boolean/1, <<"a boolean">>, false},
                 resume => {fun is_boolean/1, <<"a boolean">>, true},
                 %% the same when it is started again after a crash by a supervisor of the user's
                 afresh => {fun is_reference/1, <<"a reference">>},
                 checkpoint_interval => {fun cambrian_options:is_count/1, <<"milliseconds">>, 1000},
                 checkpoints => {fun cambrian_options:is_positive/1, <<"a positive integer">>, 3},
                 owner => {fun is_pid/1, <<"a pid">>},
                 evaluation_timeout => {fun cambrian_options:is_timeout/1, <<"milliseconds or infinity">>, 5000},
                 newcomer_timeout => {fun is_newcomer_timeout/1, <<"milliseconds, from 1">>},
                 evaluation_memory => {fun is_memory/1, <<"bytes, from 1, or infinity">>, 268_435_456},
                 nodes => {fun is_nodes/1, <<"a list of nodes, or connected">>, []}}).

is_newcomer_timeout(X) -> is_integer(X) andalso X > 0 andalso X =< 16#FFFFFFFF.

is_memory(X) -> X =:= infinity orelse is_integer(X) andalso X > 0 andalso X < 1 bsl 48.

%% The guard fails for an improper list.
is_nodes(List) when length(List) >= 0 -> lists:all(fun is_atom/1, List);
is_nodes(Word) -> Word =:= connected.

%% By which the task is known again from a file; empty for one that has no text, as a fun, or that is long.
text(Task) ->
    Text = case erlang:external_size(Task) =< ?MAX_TEXT of true -> io_lib:format("~0tp.", [Task]); false -> "" end,
    case erl_scan:string(lists:flatten(Text)) of
        {ok, Tokens, _} ->
            case erl_parse:parse_term(Tokens) of
                {ok, Task} -> unicode:characters_to_binary(Text);
                _ -> <<>>
            end;
        _ -> <<>>
    end.

%% Of the networks, where a substrate says it.
network_size(#{substrate := Substrate}) -> maps:with([inputs, outputs], cambrian_substrate:info(Substrate));
network_size(_) -> #{}.

check_size(#{task := Task} = Options, _) ->
    case [{What, Expected, Got} || {What, Got} <- maps:to_list(network_size(Options)),
                                   Expected <- [maps:get(What, Task)], Expected =/= Got] of
        [] -> ok;
        [{What, Expected, Got} | _] -> {error, {wrong_size, What, Expected, Got}}
    end.

%% A fun has the size that is given; any other task has its own.
check_given_size(#{task := Task}, Given) ->
    case [{What, Got, Own} || What <- [inputs, outputs], #{What := Got} <- [Given], #{What := Own} <- [Task], Own =/= Got] of
        [] -> ok;
        [{What, Got, Own} | _] -> bad(What, Got, [integer_to_list(Own), ", as the task has"])
    end.

%% A substrate does not travel.
check_nodes(#{nodes := [_ | _] = Nodes, substrate := _}, _) -> bad(nodes, Nodes, "none with a substrate");
check_nodes(#{nodes := connected, substrate := _}, _) -> bad(nodes, connected, "none with a substrate");
check_nodes(_, _) -> ok.

%% What limits the workers: they do not evaluate what runs in Rust on this node alone, and a program has its own time.
check_evaluation(#{task := #{evaluate := {native, _}}, nodes := []}, Given) ->
    none_of([evaluation_timeout, evaluation_memory], Given, "left out with a task that runs in Rust");
check_evaluation(_, #{task := {program, _}} = Given) ->
    none_of([evaluation_timeout], Given, "left out with a program, which has the option timeout for that");
check_evaluation(_, _) -> ok.

%% The same options may be for a device with a `data_dir' and for a desk without one.
check_checkpoints(#{name := Name}, Given) when is_atom(Name) ->
    Idle = [Option || {Option, _} <- given([checkpoint_interval, checkpoints], Given),
                      application:get_env(cambrian, data_dir) =:= undefined],
    _ = [logger:warning("population ~tp: ~tp has no effect, as the application has no data_dir", [Name, Option])
         || Option <- Idle],
    ok;
check_checkpoints(_, Given) ->
    none_of([checkpoint_interval, checkpoints], Given, "left out without a name, by which checkpoints are found again").

none_of(Names, Given, Expected) ->
    case given(Names, Given) of
        [] -> ok;
        [{Name, Value} | _] -> bad(Name, Value, Expected)
    end.

given(Names, Given) -> maps:to_list(maps:with(Names, Given)).

check_population(_, #{population := Size, params := #{population := Other}}) when Size =/= Other ->
    bad(population, Size, io_lib:format("~0tp, as among the parameters", [Other]));
check_population(_, _) -> ok.

check_parameters(#{task := Task, nodes := Nodes} = Options, _) ->
    case {effective(Options), native(Task)} of
        %% there each round of tuning ends with a trial
        {{ok, #{tuning := Tuning}}, Native} when Nodes =/= [], Native =/= undefined, Tuning =/= none ->
            bad(nodes, Nodes, "none with a task that runs in Rust and is tuned");
        {{ok, _}, _} -> ok;
        {Error, _} -> Error
    end.

%% All parameters, with those that are given in place.
effective(#{task := Task} = Options) ->
    cambrian_options:parameters(cambrian_nif:task_parameters(native(Task), parameters(Options))).

check_founders(#{from := From, task := Task} = Options, _) ->
    Founders = listed(From),
    {ok, #{population := Most}} = effective(Options),
    Shape = case Options of #{substrate := Substrate} -> cambrian_substrate:shape(Substrate); _ -> Task end,
    Sizes = [{What, Expected, Got} || Founder <- Founders, Info <- [cambrian_genotype:info(Founder)],
                                      What <- [inputs, outputs], #{What := Expected} <- [Shape], #{What := Got} <- [Info],
                                      Expected =/= Got],
    case {Sizes, length(Founders)} of
        {[{What, Expected, Got} | _], _} -> {error, {wrong_size, What, Expected, Got}};
        {[], Count} when Count > Most ->
            bad(from, From, io_lib:format("at most ~b genotypes, as many as the population has", [Most]));
        _ -> ok
    end;
check_founders(_, _) -> ok.

%% @doc The genotypes from which the first generation descends, if it is not a random one.
-spec founders(map()) -> [cambrian_genotype:genotype()].
founders(#{from := From}) -> listed(From);
founders(_) -> [].

listed(From) when is_list(From) -> From;
listed(From) -> [From].

are_founders([]) -> false;
are_founders(From) when length(From) > 0 -> lists:all(fun is_genotype/1, From);
are_founders(From) -> is_genotype(From).

is_genotype(X) ->
    try is_map(cambrian_genotype:info(X))
    catch error:badarg -> false
    end.

bad(Name, Value, Expected) -> {error, {bad_option, {Name, Value, unicode:characters_to_binary(Expected)}}}.

%% What is registered meanwhile is found out when the population registers itself.
check_name(#{name := Name} = Options) when is_atom(Name) ->
    case whereis(Name) of
        undefined -> {ok, afresh(Options)};
        Holder ->
            case is_pid(Holder) andalso proc_lib:translate_initial_call(Holder) of
                {cambrian_population_server, init, 1} -> {error, {already_started, Holder}};
                _ -> {error, {name_taken, Name}}
            end
    end;
check_name(Options) -> {ok, afresh(Options)}.

%% By which the population discards what is there of its name only once: after a crash it is resumed all the same.
afresh(#{resume := false} = Options) -> maps:merge(#{afresh => make_ref()}, Options);
afresh(Options) -> maps:remove(afresh, Options).

%% @doc Parameters that override the task's defaults.
-spec parameters(map()) -> map().
parameters(#{params := Params} = Options) -> maps:merge(Params, maps:with([population], Options)).

%% @doc The same, as the library understands them.
-spec understood(map()) -> map().
understood(Options) ->
    {ok, All} = effective(Options),
    maps:with(maps:keys(parameters(Options)), All).

%% @doc The library's own task, where it is one.
-spec native(cambrian_task:prepared()) -> reference() | undefined.
native(#{evaluate := {native, Native}}) -> Native;
native(_) -> undefined.

%% Small enough to be typed again by someone who wants to repeat the run.
random_seed() ->
    <<Seed:32>> = crypto:strong_rand_bytes(4),
    Seed.
