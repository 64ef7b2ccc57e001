%% @private
%% The long work of a population: at most one job and one measurement of newcomers from the mesh at
%% the same time. Rust's threads or evaluators do the work, and send the results as messages to the
%% population's process.
-module(cambrian_labour).

-export([share/1, module/1]).
-export([restore/1, new/1, start/2, drop/2, order/3, next/1, mark/1, handle_message/2, stop/1]).
-export([is_working/1]).
-export_type([labour/0]).

-type options() :: #{name := term(), task := cambrian_task:prepared(),
                     nodes := connected | [node()], evaluation_timeout := timeout(),
                     evaluation_memory := pos_integer() | infinity, atom() => term()}.

-record(job, {kind :: evaluated | scored | examined | tried | bred,
              tag :: reference(), work :: reference() | evaluator,
              %% ends a job that does not check the time itself
              timer = none :: none | reference()}).
-record(measurement, {tag :: reference(), work :: reference() | evaluator}).
-record(labour, {options :: options(),
                 %% for work that does not run in Rust
                 evaluator :: undefined | pid(),
                 %% what evaluations depend on in this generation
                 conditions = none :: none | cambrian_conditions:of_jobs(),
                 job = none :: none | #job{},
                 measurement = none :: none | #measurement{},
                 %% the evaluator for measurements, with its deadline for one evaluation
                 measurer = none :: none | {pid(), Deadline :: pos_integer()}}).
-opaque labour() :: #labour{}.

%% @doc Names the module that does the work of a population with the option `federation', with the
%% same functions as this module. It stands above this folder, so the application names it.
-spec share(module()) -> ok.
share(Module) -> persistent_term:put(?MODULE, Module).

-spec module(map()) -> module().
module(#{federation := _}) -> persistent_term:get(?MODULE);
module(_) -> ?MODULE.

%% @doc How the population begins.
-spec restore(map()) -> {ok, map()} | {error, term()}.
restore(Options) -> cambrian_restore:begin_with(Options).

-spec new(options()) -> labour().
new(Options) ->
    Kept = maps:with([name, task, nodes, evaluation_timeout, evaluation_memory], Options),
    #labour{options = Kept, evaluator = start_evaluator(Kept)}.

%% Work that runs in Rust needs an evaluator only to share the work with other nodes.
start_evaluator(#{task := #{evaluate := {native, _}}, nodes := []}) -> undefined;
start_evaluator(#{task := Task, evaluation_timeout := Timeout, nodes := Nodes} = Options) ->
    How = case Task of #{on_workers := Remote} -> Remote; #{evaluate := Local} -> Local end,
    start_evaluator(How, Timeout, Nodes, Options).

start_evaluator(How, Timeout, Nodes, #{name := Name, evaluation_memory := Memory}) ->
    {ok, Evaluator} = cambrian_evaluator:start_link(#{name => Name, how => How, timeout => Timeout,
                                                      memory => Memory, nodes => Nodes}),
    Evaluator.

%%% ---- start and stop ---------------------------------------------------------------------

%% @doc Begins the work for one of these effects of {@link cambrian_evolution}.
-spec start(cambrian_evolution:effect(), labour()) -> labour().
start({conditions, Conditions}, Labour) -> Labour#labour{conditions = Conditions};
start({evaluate, Population, Most, Ms}, #labour{options = #{task := Task}} = Labour) ->
    Native = cambrian_preparation:native(Task),
    post(evaluated, infinity, fun(Tag) ->
        cambrian_nif:population_evaluate(Tag, Population, Native, Most, Ms)
    end, Labour);
start({score, Population, Genotypes, Limit}, Labour) ->
    ask(scored, infinity, Population, Genotypes, Limit, Labour);
start({examine, Population, Genotypes, Ms}, #labour{options = #{task := Task}} = Labour) ->
    case cambrian_preparation:native(Task) of
        undefined -> ask(examined, Ms, Population, Genotypes, infinity, Labour);
        Native ->
            post(examined, Ms, fun(Tag) ->
                cambrian_nif:population_examine(Tag, Population, Native, Genotypes, infinity)
            end, Labour)
    end;
start({'try', Population, Genotype, Ms}, #labour{options = #{task := Task}} = Labour) ->
    case cambrian_preparation:native(Task) of
        undefined -> ask(tried, Ms, Population, [Genotype], infinity, Labour);
        Native ->
            post(tried, Ms, fun(Tag) ->
                cambrian_nif:population_trial(Tag, Population, Native, Genotype)
            end, Labour)
    end;
start({breed, Evaluated, Ms}, Labour) ->
    post(bred, Ms, fun(Tag) -> cambrian_nif:population_next(Tag, Evaluated) end, Labour);
start({measure, Population, Genotypes, Ms}, #labour{options = #{task := Task}} = Labour) ->
    Tag = make_ref(),
    case cambrian_preparation:native(Task) of
        undefined ->
            #labour{measurer = {Measurer, _}} = Ready = with_measurer(Ms, Labour),
            ok = change(measured, Measurer, Labour),
            ok = evaluate(Measurer, Tag, Population, Genotypes, infinity),
            Ready#labour{measurement = #measurement{tag = Tag, work = evaluator}};
        Native ->
            Work = cambrian_nif:population_examine(Tag, Population, Native, Genotypes, Ms),
            Labour#labour{measurement = #measurement{tag = Tag, work = Work}}
    end.

post(Kind, Ms, Post, Labour) ->
    Tag = make_ref(),
    Work = Post(Tag),
    Labour#labour{job = #job{kind = Kind, tag = Tag, work = Work, timer = timer(Ms)}}.

ask(Kind, Ms, Population, Genotypes, Limit, #labour{evaluator = Evaluator} = Labour) ->
    Tag = make_ref(),
    ok = change(Kind, Evaluator, Labour),
    ok = evaluate(Evaluator, Tag, Population, Genotypes, Limit),
    Labour#labour{job = #job{kind = Kind, tag = Tag, work = evaluator, timer = timer(Ms)}}.

%% Lets the evaluator evaluate under the conditions for such a job.
change(_Kind, _Evaluator, #labour{conditions = none}) -> ok;
change(Kind, Evaluator, #labour{conditions = Conditions, options = #{task := Task}}) ->
    #{under := Under} = Task,
    Job = case Kind of scored -> score; tried -> 'try'; _ -> measure end,
    cambrian_evaluator:change(Evaluator, Under(maps:get(Job, Conditions))).

evaluate(Evaluator, Tag, Population, Genotypes, Limit) ->
    {Behaviour, Objectives} = cambrian_nif:population_lengths(Population),
    [cambrian_evaluator:expect(Evaluator, What, Length)
     || {What, Length} <- [{behaviour, Behaviour}, {objectives, Objectives}], Length =/= any],
    cambrian_evaluator:evaluate(Evaluator, Tag, Genotypes, network(Population),
                                needs_fitness(Population), Limit).

timer(infinity) -> none;
timer(Ms) -> erlang:start_timer(Ms, self(), job).

needs_fitness(Population) -> not cambrian_standing:is_pareto(Population).

%% Compiles the network of a genotype or, with a substrate, the network that the genotype describes.
network(Population) -> fun(Genotype) -> network(Population, Genotype) end.

network(Population, Genotype) ->
    Post = fun(Tag) -> cambrian_nif:population_network_job(Tag, Population, Genotype) end,
    case cambrian_nif:population_network(Population, Genotype) of
        dirty ->
            case cambrian_job:answer(Post) of
                {ok, Network} -> Network;
                {error, Reason} -> error(Reason)
            end;
        Network -> Network
    end.

with_measurer(Deadline, #labour{measurer = {_, Deadline}} = Labour) -> Labour;
with_measurer(Deadline, #labour{measurer = none, options = Options} = Labour) ->
    #{task := #{evaluate := How}} = Options,
    Labour#labour{measurer = {start_evaluator(How, Deadline, [], Options), Deadline}};
with_measurer(Deadline, Labour) -> with_measurer(Deadline, dismiss(Labour)).

dismiss(#labour{measurer = none} = Labour) -> Labour;
dismiss(#labour{measurer = {Measurer, _}} = Labour) ->
    unlink(Measurer),
    exit(Measurer, shutdown),
    Labour#labour{measurer = none}.

%% @doc Ends the job or the measurement and ignores its answer. An evaluator cannot drop a round, so
%% a new evaluator takes its place.
-spec drop(job | measurement, labour()) -> labour().
drop(job, #labour{job = #job{work = evaluator, timer = Timer}} = Labour) ->
    #labour{evaluator = Evaluator, options = Options} = Labour,
    ok = cancel(Timer),
    unlink(Evaluator),
    exit(Evaluator, shutdown),
    Labour#labour{job = none, evaluator = start_evaluator(Options)};
drop(job, #labour{job = #job{work = Job, timer = Timer}} = Labour) ->
    ok = cancel(Timer),
    ok = cambrian_nif:job_stop(Job),
    Labour#labour{job = none};
drop(measurement, #labour{measurement = #measurement{work = evaluator}} = Labour) ->
    dismiss(Labour#labour{measurement = none});
drop(measurement, #labour{measurement = #measurement{work = Job}} = Labour) ->
    ok = cambrian_nif:job_stop(Job),
    Labour#labour{measurement = none};
drop(_, Labour) -> Labour.

cancel(none) -> ok;
cancel(Timer) -> erlang:cancel_timer(Timer, [{async, true}, {info, false}]).

%% @doc Whether a job runs.
-spec is_working(labour()) -> boolean().
is_working(#labour{job = Job}) -> Job =/= none.

%% @doc Whether a call must wait until other nodes agree: here never.
-spec order(cambrian_run:caller(), Request :: term(), labour()) -> no.
order(_From, _Request, _Labour) -> no.

%% @doc An event beside those of messages: here never.
-spec next(labour()) -> {none, labour()}.
next(Labour) -> {none, Labour}.

%% @doc What a checkpoint has beside the evolution.
-spec mark(labour()) -> #{}.
mark(_Labour) -> #{}.

%% @doc Stops all work in Rust. Evaluators end with the population's process.
-spec stop(labour()) -> ok.
stop(#labour{job = Job, measurement = Measurement} = Labour) ->
    Works = [Work || #job{work = Work} <- [Job]]
        ++ [Work || #measurement{work = Work} <- [Measurement]],
    _ = [cambrian_nif:job_stop(Work) || Work <- Works, is_reference(Work)],
    _ = dismiss(Labour),
    ok.

%%% ---- answers ----------------------------------------------------------------------------

%% @doc Turns a message to the process into an event of {@link cambrian_evolution}, if it answers
%% this work; or returns the reason why the population cannot continue.
-spec handle_message(Message :: term(), labour()) ->
          {ok, cambrian_evolution:event(), labour()} | {stop, Reason :: term()} | ignored.
handle_message({Tag, {error, Reason}}, #labour{job = #job{tag = Tag}}) ->
    {stop, {job_failed, Reason}};
handle_message({Tag, Answer}, #labour{job = #job{tag = Tag} = Job} = Labour) ->
    #job{kind = Kind, timer = Timer} = Job,
    ok = cancel(Timer),
    {ok, event(Kind, Answer), Labour#labour{job = none}};
handle_message({timeout, Timer, job}, #labour{job = #job{timer = Timer}} = Labour) ->
    {ok, timeout, drop(job, Labour)};
handle_message({Tag, {error, panicked}}, #labour{measurement = #measurement{tag = Tag}} = Labour) ->
    {ok, {measured, panicked}, Labour#labour{measurement = none}};
handle_message({Tag, Answer}, #labour{measurement = #measurement{tag = Tag}} = Labour)
  when element(1, Answer) =:= ok ->
    {ok, event(measured, Answer), Labour#labour{measurement = none}};
handle_message({'EXIT', Pid, Reason}, #labour{evaluator = Pid}) ->
    {stop, {evaluator_failed, Reason}};
handle_message({'EXIT', Pid, Reason}, #labour{measurer = {Pid, _}}) ->
    {stop, {evaluator_failed, Reason}};
handle_message(_Message, _Labour) -> ignored.

event(scored, {ok, Outcomes, Faults, Statistics}) -> {scored, Outcomes, Faults, Statistics};
event(scored, {ok, Outcomes, Faults}) -> {scored, Outcomes, Faults};
event(tried, {ok, [Outcome], _Faults}) ->
    case cambrian_evaluator:fitness(Outcome) of
        Fitness when is_float(Fitness) -> {tried, #{solved => false, validation => Fitness}};
        _ -> {tried, #{solved => false}}
    end;
event(Kind, {ok, Outcomes, Faults}) ->
    {Kind, [{Outcome, unmetered} || Outcome <- Outcomes], Faults};
event(Kind, {ok, Found}) when Kind =:= examined; Kind =:= measured -> {Kind, Found, []};
event(Kind, {ok, Answer}) -> {Kind, Answer}.
