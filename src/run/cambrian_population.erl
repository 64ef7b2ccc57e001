%% @doc A population as a process. It evolves; you can watch it, pause it, inject genotypes and
%% query it. After a crash it continues from its last checkpoint.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> ok = cambrian_population:run(P).
%% 3> {ok, #{solved := true}} = cambrian_population:await(P, 60000).
%% 4> ok = cambrian_population:stop(P).
%% '''
%%
%% Subscribers get `{cambrian, Name, Event}'; see {@link event()}.
-module(cambrian_population).

-export([start/1, start_link/1, child_spec/1, run/1, run/2, step/2, pause/1, resume/1, stop/1,
         await/2, best/1, archive/1, front/1, migrant/2, stats/1, history/1, inject/2, inject/3,
         purge/2, checkpoint/1, subscribe/1, unsubscribe/1, info/1]).
-export([start_guarded/1, start_prepared/1]).
-export_type([population/0, options/0, goal/0, stats/0, champion/0, compromise/0,
              migration/0, result/0, event/0, failure/0, evaluations_failed/0]).

-type population() :: pid() | atom().
-type options() :: #{task := cambrian_task:task(),
                     inputs => pos_integer(), outputs => pos_integer(),
                     substrate => cambrian_substrate:substrate(), name => atom() | reference(),
                     seed => cambrian_genotype:seed(), population => pos_integer(), params => map(),
                     search => neat | novelty | dominated_novelty | local_competition |
                               map_elites | pareto | evolution_strategy,
                     strategy => cma_es | sep_cma_es | open_ai_es | differential_evolution |
                                 l_shade | particle_swarm, hidden => [pos_integer()],
                     tuning => none | hill_climbing | cma_es | sep_cma_es | adam | lbfgs,
                     from => cambrian_genotype:genotype() | [cambrian_genotype:genotype(), ...],
                     run => boolean(), resume => boolean(),
                     checkpoint_interval => non_neg_integer(), checkpoints => pos_integer(),
                     evaluation_timeout => timeout(), evaluation_memory => pos_integer() | infinity,
                     newcomer_timeout => pos_integer(), nodes => connected | [node()],
                     federation => cambrian_preparation:federation(), atom() => term()}.
%% `task' is required. A fun as the task needs `inputs' and `outputs', the size of its networks.
%% Every other task has its own size, which these options must not contradict. The same `seed' gives
%% the same champion. Without a seed, a random one is drawn, and the result names it. With a
%% `substrate' the genotypes, and so the champion, are its CPPNs, and a fun needs no size.
%%
%% `name' is registered and names the checkpoints, which `resume => false' drops. `params' are
%% parameters of {@link cambrian:parameters/0}. `population' (150, or what suits the task; 2 to
%% 1,000,000) is short for the parameter of that name, and must fit into `memory_limit' of the
%% application. `search' (`neat', or what suits the task) is what selection compares. `neat':
%% fitness. `novelty': the distance of a behaviour to all others. `dominated_novelty': its distance
%% to the behaviours of fitter genotypes. `local_competition': its distance to all others, and how
%% many of the nearest are less fit. `map_elites' keeps the fittest genotype of each cell of
%% behaviours. `pareto' compares several objectives. `evolution_strategy' finds the weights and
%% biases of networks of one topology by a `strategy' (`cma_es'). First genotypes have `hidden'
%% layers of these sizes (none). `tuning' (`none') is how weights are tuned before selection, `adam'
%% and `lbfgs' by the gradients of a dataset. The options of {@link goal()} are options here too.
%%
%% The first generation descends from the genotypes `from', if you give any: it has each of them
%% unchanged, and mutated copies of them in turn until the population is full. With `run => true'
%% the population evolves as soon as it is started. After a crash the population runs, rests or is
%% paused as before. From the file of another VM it runs in any case.
%%
%% A population that continues from a checkpoint has the checkpoint's seed, parameters, substrate
%% and `from'. Options that contradict them are an error, `{checkpoint_differs, Name, Own, Given}';
%% goals and limits may be new. An option without effect is an error too, such as
%% `evaluation_timeout' if the task runs in Rust, or `checkpoints' without a name.
%%
%% A population with a name writes a checkpoint to the application's `data_dir', if that is set,
%% every `checkpoint_interval' ms (1000; 0 is every generation), when it pauses and when it ends. It
%% keeps the last `checkpoints' (3) of them.
%%
%% One call of a fun or a module may take `evaluation_timeout' ms (5000), and `evaluation_memory'
%% bytes (256 MiB) more than the task's own data. Binaries off the heap count from Erlang/OTP 28 on.
%% A call that takes more, crashes or gives no number has failed: its genotype has no fitness and no
%% offspring, and is never a champion. `failures' counts them. Cambrian removes what is left of one,
%% such as linked processes and messages. If the whole first generation fails, the run ends with
%% `{error, {evaluations_failed, #{count, first}}}': see {@link evaluations_failed()}.
%%
%% One evaluation of a genotype from the mesh may take `newcomer_timeout' ms. The default is a
%% second, doubled until it is at least twice as long as the last generations took.
%%
%% `nodes', or all `connected' nodes, share in the evaluations with this node. The champion is the
%% same to the bit with any nodes. They need Cambrian and the task's modules in the same versions,
%% and a fun should hold nothing local, such as a table or a network. A node that cannot evaluate
%% is left out, and the log says so once; it is tried again when it connects anew or after 50
%% rounds. They pay if an evaluation takes longer than sending its genotype. With `federation' the
%% connected nodes that start it evolve it together: {@link cambrian_federation}.

-type goal() :: #{target => number(), until => fun((stats()) -> boolean()),
                  generations => pos_integer(), evaluations => pos_integer(),
                  timeout => timeout(), patience => pos_integer()}.
%% When a run stops; the first condition that holds ends it. `target': a fitness (without it, a
%% champion passes the task's own trial). `until': a fun of the last generation's stats returns
%% true. `generations', `evaluations' and `timeout': so many generations, evaluations or ms in
%% all. `patience': so many generations without improvement, on held-out data if the task has it.
%%
%% `evaluations' and `timeout' may end a run within a generation. The result includes what was
%% evaluated of that generation by then. A population that continues later evaluates the generation
%% again, as if it had not been cut. `evaluations' is exact, but does not count trials. `timeout' is
%% wall-clock time: the population drops the work that is running then, be it an evaluation, a trial
%% or the breeding of the next generation; Rust ends it within some milliseconds. Only the first
%% generation of a run continues, because there would be no result: until one evaluation has
%% succeeded, but for little longer than `evaluation_timeout', or 5 s for a task in Rust. Then the
%% answer is `{error, {evaluations_failed, #{count, first => timeout}}}', or `{error, timeout}' if
%% networks that share an environment or a program, and so end together, are all unfinished.

-type stats() :: #{generation := non_neg_integer(),
                   evaluations := non_neg_integer(), failures := non_neg_integer(),
                   best := float(), mean := float(),
                   species := [{non_neg_integer(), pos_integer()}],
                   mean_nodes := float(), mean_connections := float(),
                   elapsed_ms := non_neg_integer(), evaluations_per_second := non_neg_integer()}.
%% `species' has the id and size of each. `best' and `mean' are of the fitnesses of this generation.
%% `evaluations', the `failures' among them, and `elapsed_ms' count from the start of the
%% population.

-type champion() :: #{champion := cambrian_genotype:genotype(), fitness := float(),
                      generation := non_neg_integer(), parents := [cambrian_genotype:id()],
                      operators := [cambrian_genotype:operator() | crossover | injection | tuning],
                      sources := [cambrian_purge:source()],
                      normalisation => cambrian_network:normalisation()}.
%% `generation' is the one in which it became the best. `parents', the fitter first, and `operators'
%% say how it was made: {@link cambrian:lineage/1}. `sources' are newcomers: {@link purge/2}.

-type compromise() :: cambrian_front:compromise().
%% A genotype of a front, with what it reaches in each objective.

-type migration() :: champion | tournament | novel | random.
%% Which genotype goes to other populations. `champion': the champion. `tournament': the fittest of
%% three random genotypes. `novel': the genotype of the fitter half that is most unlike the others,
%% by the mean distance to the 15 nearest (the novelty of Lehman &amp; Stanley 2011, applied to
%% genes). `random': a random genotype.

-type result() :: #{champion := cambrian_genotype:genotype(), fitness := float(),
                    solved := boolean(), generations := pos_integer(),
                    evaluations := pos_integer(), failures := non_neg_integer(),
                    seed := cambrian_genotype:seed(), elapsed_ms := non_neg_integer(),
                    trial => [{atom(), float()}], validation => float(),
                    normalisation => cambrian_network:normalisation(),
                    archive => cambrian_archive:archive(), front => [compromise()]}.
%% `elapsed_ms' is the time of the whole run, with its trials. `trial' has the measurements of the
%% task's own trial for a champion that solves it. If the task has held-out data, the champion is
%% the best on these, with `validation' as its value. Its inputs go through `normalisation' first,
%% if it is there. `archive' is of `search => map_elites', `front' of `search => pareto'.

-type event() :: {generation, stats()} | {champion, champion()} | {finished, result()}
               %% a newcomer was judged; `fitness' is missing if the evaluation failed, and
               %% `behaviour' is there in a search with an archive. `work' is
               %% the cost of the evaluation, in units of work. For `too_costly', `cost' is the cost
               %% of its network per step, `bound' the highest allowed cost, and `median' the median
               %% cost of the population's own networks
               | {received, #{id := cambrian_genotype:id(), from := term(), fitness => float(),
                              behaviour => [float()],
                              generation := non_neg_integer(), work => non_neg_integer(),
                              cost => non_neg_integer(), median => non_neg_integer(),
                              bound => number(),
                              outcome := accepted | shape | known | not_better | not_finite
                                       | behaviour | objectives | failed | late | full
                                       | too_costly | banned}}
               %% genotypes were purged
               | {purged, cambrian_purge:purged()}
               | {evaluations_failed, evaluations_failed()}
               %% the first of several consecutive failures
               | {checkpoint_failed, #{generation := non_neg_integer(), reason := term()}}
               %% the run ends without a result: the fun of the goal is at fault, all evaluations of
               %% the first generation failed, or there is no memory for the next generation
               | {failed, failure()}.

-type evaluations_failed() :: #{count := pos_integer(), first := cambrian_fault:fault()}.

-type failure() :: cambrian_options:error() | {evaluations_failed, evaluations_failed()}
                 | timeout | {not_enough_memory, Wanted :: pos_integer(), Allowed :: pos_integer()}.
%% `timeout': the time was up before any genotype of the first generation was evaluated. The memory
%% is in bytes, for the next generation.

%%% ---- functions for users ----------------------------------------------------------------

%% @doc Starts a population under Cambrian's own supervisor, and starts the application if it does
%% not run. The population outlives the caller.
%%
%% If a population of this name is alive, the answer is `{error, {already_started, Pid}}'; if it is
%% another process, `{error, {name_taken, Name}}'. None is changed, not even with `resume => false'.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> maps:with([generation, inputs, outputs, seed, task], cambrian_population:info(P)).
%% #{generation => 0,inputs => 2,outputs => 1,seed => 42,task => 'xor'}
%% 3> ok = cambrian_population:stop(P).
%% 4> cambrian_population:start(#{task => 'xor', seed => -1}).
%% {error,{bad_option,{seed,-1,<<"an integer from 0 to 2^64 - 1">>}}}
%% '''
-spec start(options()) -> {ok, pid()} | {error, term()}.
start(Options) ->
    case start_guarded(Options) of
        {ok, Guard} -> cambrian_population_sup:population(Guard);
        Error -> Error
    end.

%% @private Starts a population and returns its guard, which finds it after a crash.
-spec start_guarded(options()) -> {ok, Guard :: pid()} | {error, term()}.
start_guarded(Options) ->
    case prepare(Options) of
        {ok, Prepared} -> cambrian_population_sup:start({?MODULE, start_prepared, [Prepared]});
        Error -> Error
    end.

prepare(Options) ->
    case cambrian_running:ensure() of
        ok -> prepared(cambrian_preparation:prepare(Options));
        Error -> Error
    end.

prepared({ok, Prepared}) ->
    ok = cambrian_preparation:warn(Prepared),
    {ok, marked(Prepared)};
prepared(Error) -> Error.

%% Marks a start that discards the checkpoints of its name, so that its repetition after a crash
%% does not discard them again.
marked(#{resume := false} = Options) -> maps:merge(#{discard => make_ref()}, Options);
marked(Options) -> maps:remove(discard, Options).

%% @doc Starts a population under a supervisor of your own, or linked to the caller.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start_link(#{task => 'xor', seed => 42}).
%% 2> {ok, #{generation := Generation}} = cambrian_population:step(P, 2).
%% 3> Generation.
%% 1
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec start_link(options()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    case prepare(Options) of
        {ok, Prepared} -> start_prepared(Prepared);
        Error -> Error
    end.

%% @private Starts a population that `prepare/1' accepted, also after a crash.
-spec start_prepared(map()) -> {ok, pid()} | {error, term()}.
start_prepared(Prepared) -> cambrian_population_server:start_link(Prepared).

%% @doc For a supervisor of your own. The child's id is `name', or a reference if there is none.
%% With `run => true' the population evolves from the start.
%%
%% ```
%% 1> cambrian_population:child_spec(#{task => 'xor', name => my_population, run => true}).
%% #{id => my_population,restart => transient,
%%   start => {cambrian_population,start_link,[#{name => my_population,run => true,task => 'xor'}]}}
%% '''
-spec child_spec(options()) -> supervisor:child_spec().
child_spec(#{resume := false} = Options) when not is_map_key(discard, Options) ->
    child_spec(marked(Options));
child_spec(#{name := Name} = Options) ->
    #{id => Name, start => {?MODULE, start_link, [Options]}, restart => transient};
child_spec(Options) ->
    child_spec(Options#{name => make_ref()}).

%% @doc Evolves until the goal of its options is reached; returns at once. See {@link run/2}.
-spec run(population()) -> ok.
run(Population) -> run(Population, #{}).

%% @doc Evolves until a goal is reached; `Goal' is added to the goal of the options. Returns at
%% once.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> cambrian_population:run(P, #{generations => 3}).
%% ok
%% 3> {ok, #{generations := 3, evaluations := Evaluations}} = cambrian_population:await(P, 60000).
%% 4> Evaluations.
%% 447
%% 5> cambrian_population:run(P, #{fitness => 4}).
%% {error,{unknown_option,fitness,#{see => <<"type cambrian_population:goal()">>}}}
%% 6> ok = cambrian_population:stop(P).
%% '''
-spec run(population(), goal()) -> ok | {error, cambrian_options:error()}.
run(Population, Goal) ->
    Table = cambrian_goal:table(),
    case cambrian_options:check(Goal, Table, <<"type cambrian_population:goal()">>) of
        {ok, Checked} -> call(Population, {run, Checked}, infinity);
        Error -> Error
    end.

%% @doc Evolves so many generations, from 1. Returns when they are done or the goal is reached.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, Stats} = cambrian_population:step(P, 5).
%% 3> maps:with([best, evaluations, generation, species], Stats).
%% #{best => 3.0,evaluations => 739,generation => 4,
%%   species => [{0,30},{1,25},{2,13},{3,19},{4,25},{5,30},{6,6},{7,1},{8,1}]}
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec step(population(), pos_integer()) ->
          {ok, stats()} | {error, running | not_evaluated | failure()}.
step(Population, Generations) ->
    IsCount = cambrian_options:is_positive(Generations),
    ok = cambrian_badarg:check(?MODULE, step, [{true, <<"a population">>},
                                               {IsCount, <<"a positive integer">>}]),
    cambrian_population_client:step(Population, Generations).

%% @doc Stops the population after the present generation.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> ok = cambrian_population:run(P, #{target => 5}).
%% 3> cambrian_population:pause(P).
%% ok
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec pause(population()) -> ok.
pause(Population) -> call(Population, pause, infinity).

%% @doc Continues after a pause.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> ok = cambrian_population:run(P), ok = cambrian_population:pause(P).
%% 3> ok = cambrian_population:resume(P).
%% 4> {ok, #{generations := Generations, solved := true}} = cambrian_population:await(P, 60000).
%% 5> Generations.
%% 24
%% 6> ok = cambrian_population:stop(P).
%% '''
-spec resume(population()) -> ok.
resume(Population) -> call(Population, {run, #{}}, infinity).

%% @doc Ends the population, and drops its current work. Exits with `noproc' if there is none.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> cambrian_population:stop(P).
%% ok
%% 3> is_process_alive(P).
%% false
%% '''
-spec stop(population()) -> ok.
stop(Population) -> cambrian_population_client:stop(Population).

%% @doc Waits, for at most so many ms, until the goal is reached or the run has failed. After a
%% timeout the population continues. If the population crashes and returns, the caller continues to
%% wait; if it does not return, the caller exits with the reason of the crash.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> cambrian_population:await(P, 10).
%% {error,timeout}
%% 3> ok = cambrian_population:run(P).
%% 4> cambrian_population:await(P, infinity).
%% {ok,#{champion => #Ref<0.924675449.1820983300.204827>,elapsed_ms => 16,
%%       evaluations => 3290,failures => 0,fitness => 3.9744673990535375,
%%       generations => 24,seed => 42,solved => true,
%%       trial => [{squared_error,0.02553260094646248}]}}
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec await(population(), timeout()) -> {ok, result()} | {error, timeout | failure()}.
await(Population, Timeout) ->
    try call(Population, await, Timeout)
    catch exit:{timeout, _} -> {error, timeout}
    end.

%% @doc The best genotype of all generations so far.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> cambrian_population:best(P).
%% {error,not_evaluated}
%% 3> {ok, _} = cambrian_population:step(P, 5).
%% 4> {ok, Best} = cambrian_population:best(P).
%% 5> maps:with([fitness, generation, operators], Best).
%% #{fitness => 3.0,generation => 3,
%%   operators => [crossover,perturb_weights,remove_connection]}
%% 6> ok = cambrian_population:stop(P).
%% '''
-spec best(population()) -> {ok, champion()} | {error, not_evaluated}.
best(Population) -> call(Population, best, infinity).

%% @doc The archive of a population with `search => map_elites', also while it runs: the archive of
%% the last evaluated generation.
%%
%% ```
%% 1> {ok, Population} = cambrian_population:start(#{task => maze_medium, search => map_elites}).
%% 2> {ok, _} = cambrian_population:step(Population, 3).
%% 3> {ok, Archive} = cambrian_population:archive(Population).
%% 4> #{cells := 2500} = cambrian_archive:stats(Archive).
%% 5> cambrian_population:stop(Population).
%% ok
%% '''
-spec archive(population()) -> {ok, cambrian_archive:archive()} | {error, no_archive}.
archive(Population) ->
    %% the caller's process makes the archive, which may be large
    cambrian_standing:archive(call(Population, archive, infinity)).

%% @doc The front of the last evaluated generation, in the search `pareto': a genotype is in the
%% front if no other is at least as good in every objective and better in one. Sorted by the first
%% objective, the highest first. Other searches have none.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => zdt1, search => pareto, seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 5).
%% 3> {ok, [#{objectives := Objectives} | _]} = cambrian_population:front(P).
%% 4> length(Objectives).
%% 2
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec front(population()) -> {ok, [compromise()]} | {error, not_evaluated | no_front}.
front(Population) ->
    case call(Population, front, infinity) of
        %% the caller's process makes the list, which may be long
        {ok, Evaluated} -> {ok, cambrian_standing:front(Evaluated)};
        Error -> Error
    end.

%% @doc A genotype of the last evaluated generation, to send to other populations: see {@link
%% migration()}. `generation' is the generation in which it was found. The next call draws another
%% genotype; two runs of the same seed draw the same ones.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> cambrian_population:migrant(P, novel).
%% {error,not_evaluated}
%% 3> {ok, _} = cambrian_population:step(P, 5).
%% 4> [Fitness || Policy <- [champion, tournament, novel, random],
%%                {ok, #{fitness := Fitness}} <- [cambrian_population:migrant(P, Policy)]].
%% [3.0,2.849547681864351,2.7497118034293493,2.7075031637214124]
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec migrant(population(), migration()) -> {ok, champion()} | {error, not_evaluated}.
migrant(Population, champion) -> best(Population);
migrant(Population, Policy) when Policy =:= tournament; Policy =:= novel; Policy =:= random ->
    case call(Population, draw, infinity) of
        %% in the caller's process, because the search for the novel genotype takes a while
        {ok, Evaluated, Draw} -> {ok, cambrian_nif:population_migrant(Evaluated, Policy, Draw)};
        Error -> Error
    end.

%% @doc The stats of the last evaluated generation.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 1).
%% 3> cambrian_population:stats(P).
%% {ok,#{best => 2.999837413430214,elapsed_ms => 0,evaluations => 150,
%%       evaluations_per_second => 150000,failures => 0,generation => 0,mean => 2.831525687572915,
%%       mean_connections => 2.0,mean_nodes => 3.0,
%%       species => [{0,147},{1,3}]}}
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec stats(population()) -> {ok, stats()} | {error, not_evaluated}.
stats(Population) -> call(Population, stats, infinity).

%% @doc The generations of a population from the first on, the oldest first, also those before a
%% crash or a power cut: each of the first thousand, and evenly chosen ones of a longer run.
%% `species' is the number of species.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 3).
%% 3> [{Generation, Evaluations, Species}
%%     || #{generation := Generation, evaluations := Evaluations, species := Species}
%%            <- cambrian_population:history(P)].
%% [{0,150,2},{1,299,3},{2,447,5}]
%% 4> ok = cambrian_population:stop(P).
%% '''
-spec history(population()) -> [cambrian_history:page()].
history(Population) -> call(Population, history, infinity).

%% @doc Offers a genotype to a population. The population evaluates it with the next generation, or
%% at once if it rests after a generation. If the genotype is better than the worst of its species,
%% it replaces that genotype. A `received' event reports the outcome. The same as {@link inject/3}
%% with `undefined' as the last argument.
-spec inject(population(), cambrian_genotype:genotype()) -> ok | {error, busy}.
inject(Population, Genotype) -> inject(Population, Genotype, undefined).

%% @doc Offers a genotype, as {@link inject/2} does. The `received' event contains `From', the
%% origin of the genotype.
%%
%% `busy' means that 64 genotypes wait already, or some with two million connections in total. A
%% term that is not a genotype raises `badarg'.
%%
%% ```
%% 1> {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1}).
%% 3> ok = cambrian_population:subscribe(P), ok = cambrian_population:inject(P, Champion, friend).
%% 4> {ok, #{generation := 0, best := Best}} = cambrian_population:step(P, 1).
%% 5> Best.
%% 3.9744673990535375
%% 6> receive {cambrian, _, {received, #{from := From, outcome := Outcome}}} -> {From, Outcome} end.
%% {friend,accepted}
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec inject(population(), cambrian_genotype:genotype(), From :: term()) -> ok | {error, busy}.
inject(Population, Genotype, From) ->
    %% raises in the caller's process if this is not a genotype
    #{inputs := Inputs, outputs := Outputs, connections := Size} = cambrian_genotype:info(Genotype),
    Newcomer = #{genotype => Genotype, size => Size, from => From, told => false},
    call(Population, {inject, {Inputs, Outputs}, Newcomer}, infinity).

%% @doc Removes banned genotypes: newcomers with these ids or from these keys, and every genotype
%% that carries their genes. A bridge calls this for the bans of its realm ({@link
%% cambrian_trust:ban/3}).
%%
%% From now on the population does not evaluate, breed, crown or send any of these genotypes, and
%% the next generation has none of them: their places go to the offspring of the others or, if none
%% is left, to new genotypes like the first ones. A generation that is being evaluated begins again,
%% and so does a generation that was evaluated last. `best' is then the best of the remaining
%% genotypes, and a result with a banned champion is withdrawn. The answer is the same as the event
%% `purged'. The checkpoint is written before the function returns.
%%
%% A gene (a connection or a neuron) keeps the mark of its newcomer through mutation and tuning. In
%% crossover it gets the marks that it has in the parent from which it comes, or the marks of both
%% parents if their values are averaged. A genotype carries a newcomer's genes as long as one of its
%% genes has the mark. If the banned genotype was bred by this population, its descendants are the
%% genotypes with its id among the parents of their line.
%%
%% ```
%% 1> {ok, #{champion := Champion}} = cambrian:evolve('xor', #{seed => 42}).
%% 2> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 1, target => 99}).
%% 3> ok = cambrian_population:inject(P, Champion), {ok, _} = cambrian_population:step(P, 3).
%% 4> {ok, #{fitness := Best, sources := Sources}} = cambrian_population:best(P),
%%    [#{genotype := Id, keys := []}] = Sources.
%% 5> {ok, #{champion := true, founded := false}} =
%%        cambrian_population:purge(P, #{genotypes => [Id]}).
%% 6> {ok, #{fitness := Fitness, sources := []}} = cambrian_population:best(P), Fitness < Best.
%% true
%% 7> cambrian_population:purge(P, #{genotypes => [Id]}).
%% {ok,#{champion => false,founded => false,generation => 2,leaving => 0,newcomers => 0}}
%% 8> ok = cambrian_population:stop(P).
%% '''
-spec purge(population(), cambrian_purge:banned()) ->
          {ok, cambrian_purge:purged()} | {error, cambrian_options:error()}.
purge(Population, Banned) ->
    Table = cambrian_purge:table(),
    case cambrian_options:check(Banned, Table, <<"cambrian_population:purge/2">>) of
        {ok, Checked} -> call(Population, {purge, Checked}, infinity);
        Error -> Error
    end.

%% @doc Returns the state as bytes: the generation under evaluation, with all results of earlier
%% generations.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 2).
%% 3> {ok, Bytes} = cambrian_population:checkpoint(P).
%% 4> {ok, Bytes} =:= cambrian_population:checkpoint(P).
%% true
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec checkpoint(population()) -> {ok, binary()}.
checkpoint(Population) ->
    {ok, Resource} = call(Population, population, infinity),
    {ok, cambrian_nif:population_encode(Resource)}.

%% @doc Sends events to the calling process, until it ends or unsubscribes.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> ok = cambrian_population:subscribe(P).
%% 3> {ok, _} = cambrian_population:step(P, 1).
%% 4> receive {cambrian, _, {generation, #{best := Best}}} -> Best end.
%% 2.999837413430214
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec subscribe(population()) -> ok.
subscribe(Population) -> call(Population, {subscribe, self()}, infinity).

%% @doc Ends the events for the calling process, except events that are already sent.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> ok = cambrian_population:subscribe(P), ok = cambrian_population:unsubscribe(P).
%% 3> {ok, _} = cambrian_population:step(P, 1).
%% 4> receive {cambrian, _, Event} -> Event after 0 -> none end.
%% none
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec unsubscribe(population()) -> ok.
unsubscribe(Population) -> call(Population, {unsubscribe, self()}, infinity).

%% @doc The task, the parameters and the seed. `task_id' is the id of {@link cambrian_task:id/1}.
%% `inputs' and `outputs' are the size of the genotypes, and `networks' the size of the networks;
%% the two sizes differ only with a substrate.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> #{parameters := Parameters} = Info = cambrian_population:info(P).
%% 3> maps:remove(parameters, Info).
%% #{evaluations => 0,failures => 0,generation => 0,inputs => 2,
%%   name => #Ref<0.924675449.1820852225.208049>,networks => {2,1},
%%   outputs => 1,seed => 42,task => 'xor',task_id => <<"xor">>}
%% 4> maps:with([population, stagnation], Parameters).
%% #{population => 150,stagnation => 15}
%% 5> ok = cambrian_population:stop(P).
%% '''
-spec info(population()) ->
          #{name := term(), task := atom(), task_id := binary(), seed := cambrian_genotype:seed(),
            generation := non_neg_integer(), evaluations := non_neg_integer(),
            failures := non_neg_integer(), inputs := pos_integer(), outputs := pos_integer(),
            networks := {Inputs :: pos_integer(), Outputs :: pos_integer()}, parameters := map()}.
info(Population) -> call(Population, info, infinity).

call(Population, Request, Timeout) -> cambrian_population_client:call(Population, Request, Timeout).
