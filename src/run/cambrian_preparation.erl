%% @private
%% Prepares the start of a population: checks each option and their combination, and makes the task
%% ready. It changes nothing and logs nothing, but it calls `init/1' of the task.
-module(cambrian_preparation).

-export([prepare/1, warn/1, parameters/1, effective/2, understood/1, native/1, founders/1]).
-export_type([federation/0]).

-type federation() :: #{coordinator => auto | never | always, voters => 1 | 3 | 5 | 7}.

%% The longest text of a task that a checkpoint keeps, in bytes.
-define(MAX_TEXT, 4096).
%% Parameters that are also options.
-define(SHORT_PARAMETERS, [population, search, strategy, hidden, tuning]).

%% @doc Prepares a start in the process of the caller, so that a mistake is an error and not a
%% crash. `given' has the options that a checkpoint may contradict.
-spec prepare(cambrian_population:options()) -> {ok, map()} | {error, term()}.
prepare(Options) ->
    case cambrian_population_options:check(Options) of
        {ok, #{task := Task} = Given} ->
            Checked = shared(Given),
            Size = maps:merge(network_size(Checked), maps:with([inputs, outputs], Checked)),
            case cambrian_task:prepare(Task, Size) of
                {ok, Ready} -> checked(with_task(Ready, Checked, Options), Options);
                Error -> Error
            end;
        {ok, _} -> {error, {missing_options, [task]}};
        Error -> Error
    end.

%% The coordinator of a federation lets all connected nodes evaluate.
shared(#{federation := _} = Given) -> Given#{nodes := connected};
shared(Given) -> Given.

with_task(Ready, #{task := Task} = Checked, Options) ->
    Checked#{task := needed(Ready#{id => cambrian_task:id(Task)}, Checked), text => text(Task),
             given => lasting(Options)}.

%% Drops the funs that the population will not call: they hold the data of the task, and would be
%% copied from process to process.
needed(#{varying := _} = Ready, _) -> maps:remove(on_workers, Ready);
needed(Ready, #{nodes := []}) -> maps:without([on_workers, under], Ready);
needed(Ready, _) -> maps:remove(under, Ready).

%% The options that shape a population from its first generation on.
lasting(#{from := From} = Options) ->
    Ids = [cambrian_genotype:id(Founder) || Founder <- listed(From)],
    (lasting(maps:remove(from, Options)))#{from => Ids};
lasting(Options) -> maps:with([seed, substrate], Options).

%% The text that names the task in a file; empty for a task without a text, such as a fun, or with a
%% long text.
text(Task) ->
    Text = case erlang:external_size(Task) =< ?MAX_TEXT of
               true -> lists:flatten(io_lib:format("~0tp.", [Task]));
               false -> ""
           end,
    case erl_scan:string(Text) of
        {ok, Tokens, _} ->
            case {erl_parse:parse_term(Tokens), unicode:characters_to_binary(Text)} of
                %% a packed dataset is some four times as long in print
                {{ok, Task}, Printed} when byte_size(Printed) =< ?MAX_TEXT -> Printed;
                _ -> <<>>
            end;
        _ -> <<>>
    end.

%% @doc Logs warnings about prepared options that are valid but unwise.
-spec warn(Prepared :: map()) -> ok.
warn(#{task := Task, name := Name, idle := Idle}) ->
    ok = cambrian_task:warn(Task),
    lists:foreach(fun(Option) ->
        logger:warning("population ~tp: ~tp has no effect, as the application has no data_dir",
                       [Name, Option])
    end, Idle).

%%% ---- combinations of options ------------------------------------------------------------

%% Valid options may contradict each other, or have no effect together. `Given' are the options of
%% the caller. The first failed check gives the error.
checked(Prepared, Given) ->
    Checks = [fun check_size/2, fun check_given_size/2, fun check_nodes/2,
              fun check_federation/2, fun check_evaluation/2,
              fun check_checkpoints/2, fun check_short_parameters/2, fun check_parameters/2,
              fun check_founders/2, fun check_name/2],
    case first_error(Checks, Prepared, Given) of
        ok -> {ok, Prepared#{idle => idle(Prepared, Given)}};
        Error -> Error
    end.

first_error([], _Prepared, _Given) -> ok;
first_error([Check | Checks], Prepared, Given) ->
    case Check(Prepared, Given) of
        ok -> first_error(Checks, Prepared, Given);
        Error -> Error
    end.

%% The size of the networks, if a substrate gives it.
network_size(#{substrate := Substrate}) ->
    maps:with([inputs, outputs], cambrian_substrate:info(Substrate));
network_size(_) -> #{}.

check_size(#{task := Task} = Options, _) -> same_size(Task, [network_size(Options)]).

same_size(Wanted, Sizes) ->
    case [{What, Expected, Got} || Size <- Sizes, What <- [inputs, outputs],
                                   #{What := Expected} <- [Wanted], #{What := Got} <- [Size],
                                   Expected =/= Got] of
        [] -> ok;
        [{What, Expected, Got} | _] -> {error, {wrong_size, What, Expected, Got}}
    end.

%% A fun has the given size; any other task has its own size.
check_given_size(#{task := Task}, Given) ->
    case [{What, Got, Own} || What <- [inputs, outputs],
                              #{What := Got} <- [Given], #{What := Own} <- [Task], Own =/= Got] of
        [] -> ok;
        [{What, Got, Own} | _] -> bad(What, Got, [integer_to_list(Own), ", as the task has"])
    end.

%% A substrate cannot be sent to another node.
check_nodes(#{nodes := Nodes, substrate := _}, Given) when Nodes =/= [] ->
    not_shared(Given, "a substrate");
%% Other nodes would need the normalisation and the episodes of each generation.
check_nodes(#{nodes := Nodes, task := #{varying := Varying}}, Given) when Nodes =/= [] ->
    [Name | _] = [Name || Name <- [normalise, fresh_episodes, validation],
                          not lists:member(maps:get(Name, Varying), [false, 0])],
    not_shared(Given, ["the setting ", atom_to_list(Name), " of an environment"]);
check_nodes(_, _) -> ok.

%% Of the options that share the evaluations, `Given' has one.
not_shared(#{federation := Federation}, What) -> bad(federation, Federation, ["none with ", What]);
not_shared(#{nodes := Nodes}, What) -> bad(nodes, Nodes, ["none with ", What]).

%% The clocks of members differ, and so may what a fun says.
check_federation(#{federation := Federation, name := Name}, Given) ->
    case given([timeout, until, nodes], Given) of
        [{Option, Value} | _] -> bad(Option, Value, "left out in a federation");
        [] when is_atom(Name) -> ok;
        [] -> bad(federation, Federation, "left out without a name, by which members find it")
    end;
check_federation(_, _) -> ok.

%% Limits are for workers: a task in Rust on this node has none, and a program has its own timeout.
check_evaluation(#{task := #{evaluate := {native, _}}, nodes := []}, Given) ->
    none_of([evaluation_timeout, evaluation_memory], Given,
            "left out with a task that runs in Rust");
check_evaluation(_, #{task := {program, _}} = Given) ->
    none_of([evaluation_timeout], Given,
            "left out with a program, which has the option timeout for that");
check_evaluation(_, _) -> ok.

check_checkpoints(#{name := Name}, _) when is_atom(Name) -> ok;
check_checkpoints(_, Given) ->
    none_of([checkpoint_interval, checkpoints, resume], Given,
            "left out without a name, by which checkpoints are found again").

%% Options without effect. They are no mistake: the same options may be for a device with a
%% `data_dir' and for a desktop without one.
idle(#{name := Name}, Given) when is_atom(Name) ->
    [Option || {Option, _} <- given([checkpoint_interval, checkpoints], Given),
               application:get_env(cambrian, data_dir) =:= undefined];
idle(_, _) -> [].

none_of(Names, Given, Expected) ->
    case given(Names, Given) of
        [] -> ok;
        [{Name, Value} | _] -> bad(Name, Value, Expected)
    end.

given(Names, Given) -> maps:to_list(maps:with(Names, Given)).

check_short_parameters(_, #{params := #{} = Params} = Given) ->
    case [{Name, Value, Other} || {Name, Value} <- given(?SHORT_PARAMETERS, Given),
                                  #{Name := Other} <- [Params], Other =/= Value] of
        [] -> ok;
        [{Name, Value, Other} | _] ->
            bad(Name, Value, io_lib:format("~0tp, as among the parameters", [Other]))
    end;
check_short_parameters(_, _) -> ok.

check_parameters(#{task := Task, nodes := Nodes} = Options, Given) ->
    case {effective(Options), native(Task)} of
        %% Rust ends each round of tuning with a trial
        {{ok, #{tuning := Tuning}}, Native}
          when Nodes =/= [], Native =/= undefined, Tuning =/= none ->
            not_shared(Given, "a task that runs in Rust and is tuned");
        {{ok, Parameters}, _} -> check_search(Parameters, Options);
        {Error, _} -> Error
    end.

check_search(#{search := Search}, #{strategy := Strategy}) when Search =/= evolution_strategy ->
    bad(strategy, Strategy, "left out with another search than evolution_strategy");
check_search(#{search := Search}, #{task := #{varying := #{normalise := true}}})
  when Search =:= map_elites; Search =:= pareto ->
    Expected = <<"another search, with the setting normalise of an environment">>,
    {error, {bad_parameter, {search, Search, Expected}}};
check_search(#{search := pareto, objectives := Objectives}, _) ->
    case Objectives -- lists:usort(Objectives) of
        [] -> ok;
        [Twice | _] ->
            Expected = iolist_to_binary(io_lib:format("a list with ~tp once", [Twice])),
            {error, {bad_parameter, {objectives, Objectives, Expected}}}
    end;
check_search(#{search := map_elites, projection := none, bounds := [_ | _] = Bounds},
             #{task := Task} = Options) ->
    case {native(Task), parameters(Options)} of
        {Native, #{bounds := _}} when Native =/= undefined -> check_bounds(Bounds, Native, Task);
        _ -> ok
    end;
check_search(_, _) -> ok.

%% What a task in Rust gives as behaviour shows the evaluation of a network.
check_bounds(Bounds, Native, #{name := Name, inputs := Inputs, outputs := Outputs}) ->
    {ok, Genotype} = cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs}, 0),
    Network = cambrian_network:compile(Genotype),
    case cambrian_job:await(fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end) of
        {ok, {_, _, Behaviour, _, _}} when length(Behaviour) =:= length(Bounds) -> ok;
        {ok, {_, _, [_ | _] = Behaviour, _, _}} ->
            bad_bounds(Bounds, "~s, as many as the behaviour of ~ts has numbers",
                       [cambrian_text:counted(length(Behaviour), "pair"), Name]);
        {ok, _} -> bad_bounds(Bounds, "left out, as ~ts tells nothing of its behaviour", [Name]);
        {error, _} -> ok
    end.

bad_bounds(Bounds, Format, Arguments) ->
    Expected = unicode:characters_to_binary(io_lib:format(Format, Arguments)),
    {error, {bad_parameter, {bounds, Bounds, Expected}}}.

check_founders(#{from := From, task := Task} = Options, _) ->
    Founders = listed(From),
    {ok, #{population := Most, search := Search}} = effective(Options),
    Wanted = case Options of
                 #{substrate := Substrate} -> cambrian_substrate:shape(Substrate);
                 _ -> Task
             end,
    case same_size(Wanted, [cambrian_genotype:info(Founder) || Founder <- Founders]) of
        ok when length(Founders) > Most ->
            Expected = io_lib:format("at most ~b genotypes, as many as the population has", [Most]),
            bad(from, From, Expected);
        ok when length(Founders) > 1, Search =:= evolution_strategy ->
            bad(from, From, "one genotype, around which the strategy begins");
        Answer -> Answer
    end;
check_founders(_, _) -> ok.

%% If another process registers the name between this check and the start, the start fails.
check_name(#{name := Name}, _) when is_atom(Name) ->
    case whereis(Name) of
        undefined -> ok;
        Holder ->
            case is_pid(Holder) andalso proc_lib:translate_initial_call(Holder) of
                {cambrian_population_server, init, 1} -> {error, {already_started, Holder}};
                _ -> {error, {name_taken, Name}}
            end
    end;
check_name(_, _) -> ok.

bad(Name, Value, Expected) ->
    {error, {bad_option, {Name, Value, unicode:characters_to_binary(Expected)}}}.

%%% ---- parameters and founders ------------------------------------------------------------

%% All parameters, with the given values.
effective(#{task := Task} = Options) ->
    cambrian_options:parameters(cambrian_nif:task_parameters(native(Task), parameters(Options))).

%% @doc The value of a parameter, which may be a default; `undefined' if the name is none.
-spec effective(atom(), map()) -> term().
effective(Name, Options) ->
    {ok, All} = effective(Options),
    maps:get(Name, All, undefined).

%% @doc Parameters that override the task's defaults.
-spec parameters(map()) -> map().
parameters(#{params := Params} = Options) ->
    maps:merge(usual(Options), maps:merge(Params, maps:with(?SHORT_PARAMETERS, Options))).

%% A fitness that was measured under other conditions says little.
usual(#{task := #{varying := #{normalise := Normalise, fresh_episodes := Fresh}}})
  when Normalise; Fresh -> #{reevaluate => true};
usual(_) -> #{}.

%% @doc All parameters, in the form that the library takes.
-spec understood(map()) -> map().
understood(Options) ->
    {ok, All} = effective(Options),
    maps:with(maps:keys(parameters(Options)), All).

%% @doc The library's own task, if it is one.
-spec native(cambrian_task:prepared()) -> reference() | undefined.
native(#{evaluate := {native, Native}}) -> Native;
native(_) -> undefined.

%% @doc The genotypes from which the first generation descends, if it is not a random one.
-spec founders(map()) -> [cambrian_genotype:genotype()].
founders(#{from := From}) -> listed(From);
founders(_) -> [].

listed(From) when is_list(From) -> From;
listed(From) -> [From].
