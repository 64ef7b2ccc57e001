%% @private
%% The options of a population and of {@link cambrian:evolve/2}, in one table. The checks, the help
%% of the command line, the docs of the Elixir modules and the section "Options" of
%% `docs/parameters.md' are made from it; tests compare the type {@link
%% cambrian_population:options()} and its doc with it. {@link cambrian_preparation} checks the
%% options against each other.
-module(cambrian_population_options).

-export([table/0, check/1, check/2, random_seed/0]).

-define(MAX_SIZE, 10_000).

%% @doc In the order in which docs and help list them. `for' says whose options they are.
-spec table() -> [cambrian_options:row()].
table() ->
    common() ++ cambrian_goal:rows() ++ network() ++ output() ++ checkpoints() ++ evaluation().

common() ->
    [#{name => task, for => population, required => true,
       check => fun(_) -> true end, expected => <<"a task">>,
       text => <<"the task">>, more => <<"For `evolve` it is the first argument">>},
     #{name => params, check => fun is_map/1, expected => <<"a map">>, default => {value, #{}},
       flag => {param, setting, "NAME=VALUE"}, text => <<"parameters that override the task's">>},
     #{name => population, flag => {population, integer, "N"},
       %% checked as a parameter
       check => fun(_) -> true end, expected => <<"an integer from 2 to 1000000">>,
       default => {words, <<"150, or what suits the task">>},
       text => <<"genotypes in a generation">>,
       more => <<"It is short for the parameter of that name, and must fit into the memory that "
                 "the application's `memory_limit` allows">>},
     #{name => search, flag => {search, word, "NAME"},
       %% checked as a parameter
       check => fun(_) -> true end,
       expected => <<"one of neat, novelty, dominated_novelty, local_competition, map_elites, "
                     "pareto, evolution_strategy">>,
       default => {words, <<"neat, or what suits the task">>},
       text => <<"what selection compares">>,
       more => <<"It is short for the parameter of that name">>,
       see => {"all searches", "searches.md"}},
     #{name => strategy, flag => {strategy, word, "NAME"},
       %% checked as a parameter
       check => fun(_) -> true end,
       expected => <<"one of cma_es, sep_cma_es, open_ai_es, differential_evolution, l_shade, "
                     "particle_swarm">>,
       default => {words, <<"cma_es">>},
       text => <<"how the search `evolution_strategy` finds weights and biases">>,
       more => <<"It is short for the parameter of that name">>,
       see => {"evolution strategies", "searches.md#evolution-strategies"}},
     #{name => hidden,
       %% checked as a parameter
       check => fun(_) -> true end,
       expected => <<"a list of at most 16 integers from 1 to 10000">>,
       default => {words, <<"none">>},
       text => <<"sizes of the hidden layers of a first genotype, from the inputs to the outputs">>,
       more => <<"It is short for the parameter of that name">>},
     #{name => tuning, flag => {tuning, word, "NAME"},
       %% checked as a parameter
       check => fun(_) -> true end,
       expected => <<"one of none, hill_climbing, cma_es, sep_cma_es, adam, lbfgs">>,
       default => {words, <<"none">>},
       text => <<"how weights are tuned before selection">>,
       more => <<"It is short for the parameter of that name">>,
       see => {"tuning", "parameters.md#tuning"}},
     #{name => seed, flag => {seed, integer, "N"}, check => fun is_seed/1,
       expected => <<"an integer from 0 to 2^64 - 1">>,
       default => {drawn, fun random_seed/0, <<"random">>},
       text => <<"the same seed gives the same champion">>,
       more => <<"All randomness follows from it, on any machine and any number of threads. "
                 "The result says which it was">>}].

network() ->
    Size = #{check => fun(N) -> is_integer(N) andalso N >= 1 andalso N =< ?MAX_SIZE end,
             expected => <<"an integer from 1 to 10000">>, default => {words, <<"the task's">>}},
    [#{name => from, check => fun are_founders/1, flag => {from, text, "FILE"},
       expected => <<"a genotype, or a list of one or more">>,
       text => <<"the first generation descends from these">>,
       more => <<"It has each unchanged, and mutated copies of them in turn until it is full. They "
                 "must have the size of the task's networks or, with a substrate, of its CPPNs">>,
       see => {"an earlier champion", "first-evolution.md#from-an-earlier-champion"}},
     Size#{name => inputs, text => <<"inputs of the network, if the task is a function">>,
           more => <<"Any other task has its own size, which this must not contradict">>},
     Size#{name => outputs, text => <<"outputs of the network, if the task is a function">>,
           more => <<"Any other task has its own size, which this must not contradict">>},
     #{name => substrate, check => fun cambrian_substrate:is_substrate/1,
       expected => <<"a substrate">>,
       text => <<"HyperNEAT: evolution works on the CPPN of this substrate">>,
       more => <<"The genotypes, and so the champion, are CPPNs, and the substrate gives the size "
                 "of the network">>}].

output() ->
    [#{name => progress, for => evolve, check => fun is_progress/1, default => {value, false},
       expected => <<"a boolean, a device or a fun of one argument">>,
       text => <<"prints a line for each generation">>,
       more => <<"On a terminal it rewrites one line, with a bar. A function is called with the "
                 "stats of each generation instead">>},
     #{name => report, for => evolve, check => fun is_file_name/1,
       expected => <<"the name of a file">>,
       text => <<"the run as an HTML page, written at the end, whole or not at all">>,
       more => <<"It keeps the mode and owner of an existing file, follows a link, and may go "
                 "into a device or pipe">>}].

checkpoints() ->
    [#{name => name, for => population, flag => {name, text, "NAME"},
       check => fun is_name/1, expected => <<"an atom">>,
       default => {drawn, fun make_ref/0, <<"a reference">>},
       text => <<"the population's name, under which its checkpoints are kept">>,
       more => <<"The process is registered under it. If the application's `data_dir` is set, the "
                 "checkpoints of a name are files and outlive the VM">>,
       see => {"checkpoints", "checkpoints.md"}},
     #{name => run, for => population, check => fun is_boolean/1, expected => <<"a boolean">>,
       default => {value, false}, text => <<"whether it evolves as soon as it is started">>,
       more => <<"After a crash a population is running, idle or paused as before; in another VM "
                 "it runs in any case. For `evolve` it is always true">>},
     #{name => resume, for => population, check => fun is_boolean/1, expected => <<"a boolean">>,
       default => {value, true},
       text => <<"whether to continue at the last checkpoint of that name">>,
       more => <<"With false, the start drops the checkpoints of that name; after a later crash "
                 "the population continues where it was. A start that fails drops nothing">>},
     #{name => checkpoint_interval, for => population, default => {value, 1000},
       check => fun cambrian_options:is_count/1, expected => <<"milliseconds">>,
       text => <<"time between two checkpoints that are written to a file">>,
       more => <<"0 means after every generation. The population also writes one when it pauses "
                 "and when it ends">>},
     #{name => checkpoints, for => population, default => {value, 3},
       check => fun cambrian_options:is_positive/1, expected => <<"a positive integer">>,
       text => <<"how many of these files are kept">>}].

evaluation() ->
    [#{name => evaluation_timeout, default => {value, 5000},
       check => fun cambrian_options:is_timeout/1, expected => <<"milliseconds or infinity">>,
       text => <<"for one call of a function or a module">>,
       more => <<"A call that takes longer, crashes or gives no number has failed: its genotype "
                 "has no fitness and no offspring, and the `failures` of the result count it">>},
     #{name => evaluation_memory, default => {value, 268_435_456},
       check => fun is_memory/1, expected => <<"bytes, from 1, or infinity">>,
       text => <<"memory that one call may take beyond what the task brings">>,
       more => <<"Binaries off the heap count from Erlang/OTP 28 on">>},
     #{name => newcomer_timeout,
       check => fun is_newcomer_timeout/1, expected => <<"milliseconds, from 1">>,
       default => {words, <<"a second, or two generations">>},
       text => <<"for one evaluation of a genotype that came from the mesh">>,
       more => <<"It does not depend on `evaluation_timeout`. The default is a second, doubled "
                 "until it is at least twice as long as the last generations took. A genotype that "
                 "takes longer has failed; in a task in Rust it is `late`, which costs no "
                 "reputation">>,
       see => {"what strangers may cost", "mesh.md#what-strangers-may-cost"}},
     #{name => nodes, check => fun is_nodes/1, default => {value, []},
       expected => <<"a list of nodes, or connected">>,
       text => <<"nodes that share in the evaluations, beside this one">>,
       more => <<"The champion is the same with any nodes, even if some are lost on the way. They "
                 "need Cambrian and the task's modules in the same versions, and a function should "
                 "hold nothing local, such as a table or a network. A node that cannot evaluate is "
                 "left out, and the log says so once. Other nodes pay if an evaluation takes "
                 "longer than sending its genotype">>},
     #{name => federation, for => population, check => fun is_federation/1,
       expected => <<"a map with coordinator (auto, never or always) and voters (1, 3, 5 or 7)">>,
       default => {words, <<"none">>},
       text => <<"connected nodes evolve the population of this name together">>,
       more => <<"Each of them starts it with the same options, and holds it whole. The champion "
                 "is that of one node with the same seed, even if nodes are lost on the way">>,
       see => {"federation", "federation.md"}}].

%% @doc Each option of a population for itself; the defaults are filled in.
-spec check(cambrian_population:options()) -> {ok, map()} | {error, cambrian_options:error()}.
check(Options) ->
    Rows = [Row || Row <- table(), maps:get(for, Row, both) =/= evolve],
    Checks = maps:merge(cambrian_options:table(Rows), internal()),
    case cambrian_options:check(Options, Checks, <<"type cambrian_population:options()">>) of
        {error, {unknown_option, Name, Hint}} -> {error, {unknown_option, Name, hint(Name, Hint)}};
        Other -> Other
    end.

%% A parameter is easily given as an option of its own.
hint(Name, Hint) ->
    case lists:keymember(Name, 1, cambrian_nif:parameters_table()) of
        true -> #{is_parameter => true, see => <<"cambrian:parameters/0">>};
        false -> Hint
    end.

%% @doc One option that only {@link cambrian:evolve/2} has.
-spec check(atom(), term()) -> ok | {error, cambrian_options:error()}.
check(Name, Value) ->
    [#{check := Check, expected := Expected}] =
        [Row || #{name := Is} = Row <- table(), Is =:= Name],
    case Check(Value) of
        true -> ok;
        false -> {error, {bad_option, {Name, Value, Expected}}}
    end.

%% Cambrian's own: `owner' is the process that the population ends with. `discard' marks one start
%% with `resume => false': a start that a supervisor repeats after a crash has the same mark, and
%% does not discard the checkpoints again.
internal() ->
    #{owner => {fun is_pid/1, <<"a pid">>},
      discard => {fun is_reference/1, <<"a reference">>}}.

%%% ---- checks -----------------------------------------------------------------------------

is_seed(X) -> is_integer(X) andalso X >= 0 andalso X < 1 bsl 64.

is_name(X) -> is_atom(X) andalso X =/= undefined orelse is_reference(X).

is_newcomer_timeout(X) -> is_integer(X) andalso X > 0 andalso X =< 16#FFFFFFFF.

is_memory(X) -> X =:= infinity orelse is_integer(X) andalso X > 0 andalso X < 1 bsl 48.

%% The guard fails for an improper list.
is_nodes(List) when length(List) >= 0 -> lists:all(fun is_atom/1, List);
is_nodes(Word) -> Word =:= connected.

is_federation(#{} = Given) ->
    maps:without([coordinator, voters], Given) =:= #{}
        andalso lists:member(maps:get(coordinator, Given, auto), [auto, never, always])
        andalso lists:member(maps:get(voters, Given, 3), [1, 3, 5, 7]);
is_federation(_) -> false.

are_founders([]) -> false;
are_founders(From) when length(From) > 0 -> lists:all(fun is_genotype/1, From);
are_founders(From) -> is_genotype(From).

is_genotype(X) ->
    try is_map(cambrian_genotype:info(X))
    catch error:badarg -> false
    end.

is_progress(X) ->
    is_boolean(X) orelse X =:= standard_error orelse is_pid(X) orelse is_function(X, 1).

is_file_name(X) ->
    X =/= <<>> andalso is_binary(X) orelse X =/= [] andalso io_lib:printable_unicode_list(X).

%% @doc Draws a seed, small enough that a user who wants to repeat the run can type it.
-spec random_seed() -> non_neg_integer().
random_seed() ->
    <<Seed:32>> = crypto:strong_rand_bytes(4),
    Seed.
