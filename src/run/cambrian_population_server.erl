%% @private
%% The process of a population: it carries out what the population decides, and answers for it.
-module(cambrian_population_server).
-behaviour(gen_statem).

-export([start_link/1]).
-export([init/1, callback_mode/0, terminate/3]).
-export([idle/3, welcoming/3, evaluating/3, receiving/3, trying/3, breeding/3]).
-export_type([validated/0]).

-type validated() :: #{value := float(), generation := non_neg_integer(), fitness := float(), genotype := binary(),
                       sources => [cambrian_purge:source(), ...]}.
%% The best on held-out data so far; its genotype is bytes, as this goes to checkpoints. `sources' are not there where there
%% are none.

-record(data,
        {name :: term(),
         task :: cambrian_task:prepared(),
         %% the monitor of whom it ends with
         owner :: undefined | reference(),
         %% for what does not run in Rust
         evaluator :: undefined | pid(),
         start_evaluator :: fun(() -> undefined | pid()),
         %% a goal(), of which a fun may answer anything
         goal :: map(),
         running = false :: boolean(),
         steps = 0 :: non_neg_integer(),
         population :: reference(),
         tuning :: undefined | reference(),
         %% evaluations of this generation so far, and whether a limit came before the rest
         spent = 0 :: non_neg_integer(),
         is_cut = false :: boolean(),
         evaluated :: undefined | reference(),
         %% the generation before, for questions while there is no `evaluated'
         last :: undefined | reference(),
         %% migrants of a generation that was evaluated
         drawn = 0 :: non_neg_integer(),
         job :: undefined | {reference(), reference() | pid()},
         %% the timer that ends what is under way and does not look at the time itself
         limit :: undefined | reference(),
         newcomers = cambrian_newcomers:new() :: cambrian_newcomers:newcomers(),
         strangers :: cambrian_strangers:strangers(),
         %% of these, in this generation
         admitted = 0 :: non_neg_integer(),
         %% the median cost of the genotypes of a generation, where it was asked for
         median = {none, 0} :: {none | reference(), non_neg_integer()},
         %% when the evaluation of this generation began; the work and the ms of the last some
         began = 0 :: integer(),
         pace = {0, 0} :: cambrian_strangers:pace(),
         %% subscribers that are told of its own work too
         accountants = [] :: [pid()],
         rests = true :: boolean(),
         contender :: undefined | {cambrian_genotype:genotype(), float()},
         validated :: undefined | validated(),
         history = cambrian_history:new() :: cambrian_history:history(),
         keeper :: cambrian_keeper:keeper(),
         %% the task's, for its checkpoints
         text :: binary(),
         %% the ids of those from which the first generation descends
         from = [] :: [cambrian_genotype:id()],
         stats :: undefined | cambrian_population:stats(),
         result :: undefined | cambrian_population:result(),
         %% why the last run ended without a result
         failure :: undefined | cambrian_population:failure(),
         champion = undefined :: undefined | cambrian_population:champion(),
         elapsed = 0 :: non_neg_integer(),
         resumed_at :: undefined | integer(),
         awaiting = [] :: [gen_statem:from()],
         stepping = [] :: [gen_statem:from()],
         subscribers = #{} :: #{pid() => reference()}}).

%% Generations.
-define(WINDOW, 32).
-define(HIBERNATE_MS, 1000).
-define(GRACE, 5000).
%% One in so many.
-define(ADMITTED, 10).
%% The longest that a timer takes: seven weeks.
-define(MAX_MS, 16#FFFFFFFF).

%%% ---- starting ---------------------------------------------------------------------------

-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(#{name := Name} = Prepared) when is_atom(Name) ->
    started(gen_statem:start_link({local, Name}, ?MODULE, Prepared, [{hibernate_after, ?HIBERNATE_MS}]));
start_link(Prepared) ->
    started(gen_statem:start_link(?MODULE, Prepared, [{hibernate_after, ?HIBERNATE_MS}])).

started({error, {shutdown, Reason}}) -> {error, Reason};
started(Started) -> Started.

callback_mode() -> state_functions.

init(Options) ->
    process_flag(trap_exit, true),
    case saved(Options) of
        {ok, #{population := Population} = Saved} ->
            case check_encoding(Options, cambrian_nif:population_info(Population)) of
                ok -> begin_with(Options, Saved);
                {error, Reason} -> {stop, {shutdown, Reason}}
            end;
        %% what is wrong is answered, and no crash to report
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

%% A checkpoint may have a substrate of which the options do not know.
check_encoding(#{nodes := Nodes, task := #{inputs := Inputs, outputs := Outputs}}, Info) when Nodes =/= [] ->
    case Info of
        #{inputs := Inputs, outputs := Outputs} -> ok;
        _ -> {error, {bad_option, {nodes, Nodes, <<"none with a substrate">>}}}
    end;
check_encoding(_, _) -> ok.

%% What is there of its name is dropped only here, where the name is registered: no other population has it.
saved(#{name := Name, afresh := Once} = Options) ->
    case cambrian_store:is_discarded(Name, Once) orelse found(Options) of
        true -> restore_or_found(Options);
        {ok, _} = Founded ->
            case cambrian_store:discard(Name, Once) of
                ok -> Founded;
                Error -> Error
            end;
        Error -> Error
    end;
saved(Options) -> restore_or_found(Options).

restore_or_found(#{name := Name, task := #{name := Task}} = Options) ->
    TaskName = atom_to_binary(Task),
    case cambrian_store:get(Name) of
        {ok, #{task := TaskName} = Saved} -> check_saved(Saved, Options);
        {ok, #{task := Another}} -> {error, {checkpoint_of_another_task, Another}};
        {error, not_found} -> found(Options);
        Error -> Error
    end.

%% The same name with other settings may be of another size.
check_saved(#{population := Population} = Saved, #{task := #{inputs := Inputs, outputs := Outputs}} = Options) ->
    case cambrian_nif:population_info(Population) of
        #{networks := {Inputs, Outputs}} -> check_given(Saved, Options);
        #{networks := {Inputs, Other}} -> {error, {wrong_size, outputs, Outputs, Other}};
        #{networks := {Other, _}} -> {error, {wrong_size, inputs, Inputs, Other}}
    end.

%% What shaped the population from its first generation on cannot become something else.
check_given(#{population := Population} = Saved, #{given := Given} = Options) ->
    #{seed := Seed} = cambrian_nif:population_info(Population),
    Own = (cambrian_nif:population_parameters(Population))#{seed => Seed, from => maps:get(from, Saved, [])},
    Wanted = maps:merge(cambrian_population_options:understood(Options), maps:without([substrate], Given)),
    Differing = [{Name, Value, Saw} || {Name, Value} <- lists:sort(maps:to_list(Wanted)), #{Name := Saw} <- [Own], Saw /= Value],
    case {Differing, Given} of
        {[{Name, Value, Saw} | _], _} -> {error, {checkpoint_differs, Name, Saw, Value}};
        {[], #{substrate := Substrate}} ->
            case cambrian_nif:population_is_on(Population, Substrate) of
                true -> {ok, Saved};
                false -> {error, {checkpoint_differs, substrate, another, Substrate}}
            end;
        {[], _} -> {ok, Saved}
    end.

found(#{seed := Seed, task := #{inputs := Inputs, outputs := Outputs} = Task} = Options) ->
    Encoding = maps:get(substrate, Options, {Inputs, Outputs}),
    case cambrian_nif:population_new(Encoding, cambrian_population_options:native(Task),
                                     cambrian_population_options:parameters(Options), Seed,
                                     cambrian_population_options:founders(Options)) of
        {ok, Population} -> {ok, maps:merge(#{population => Population}, maps:with([from], maps:get(given, Options)))};
        Error -> Error
    end.

begin_with(#{name := Name, task := Task} = Options, #{population := Population} = Saved) ->
    Evaluation = maps:with([name, task, nodes, evaluation_timeout, evaluation_memory], Options),
    Data = #data{name = Name, task = Task, population = Population,
                 owner = case Options of #{owner := Owner} -> monitor(process, Owner); _ -> undefined end,
                 evaluator = start_evaluator(Evaluation),
                 start_evaluator = fun() -> start_evaluator(Evaluation) end,
                 keeper = cambrian_keeper:new(Options),
                 text = maps:get(text, Options),
                 from = maps:get(from, Saved, []),
                 goal = goal(Options, Saved),
                 running = is_to_run(Options, Saved),
                 champion = maps:get(champion, Saved, undefined),
                 validated = maps:get(validated, Saved, undefined),
                 history = maps:get(history, Saved, cambrian_history:new()),
                 newcomers = cambrian_newcomers:again(maps:get(newcomers, Saved, cambrian_newcomers:new())),
                 strangers = strangers(Options, Saved),
                 elapsed = maps:get(elapsed, Saved, 0)},
    case invite(Data) of
        #data{running = true} = Invited ->
            _ = [report(resumed, cambrian_nif:population_info(Population), Data) || is_map_key(running, Saved)],
            {next_state, State, Next} = continue(Invited),
            {ok, State, Next};
        Invited ->
            ok = cambrian_store:put(Name, snapshot(Invited)),
            {ok, idle, Invited}
    end.

strangers(#{name := Name, task := Task, evaluation_memory := Memory} = Options, Saved) ->
    cambrian_strangers:new(#{name => Name, task => Task, memory => Memory, timeout => maps:get(newcomer_timeout, Options, undefined)},
                           maps:get(strangers, Saved, cambrian_newcomers:new())).

%% The same: a pause outlives a crash, but not a start in another VM with `run'.
is_to_run(_Options, #{until := _, running := Running}) -> Running;
is_to_run(#{run := Run}, Saved) -> Run orelse maps:get(running, Saved, false).

%% After a crash, what it was told since it was started counts, and in another VM what it is told now.
goal(_Options, #{until := Until, goal := Goal}) -> maps:merge(Goal, Until);
goal(Options, Saved) -> maps:merge(maps:get(goal, Saved, #{}), maps:with(maps:keys(cambrian_goal:table()), Options)).

%% What runs in Rust needs one only to share it with other nodes.
start_evaluator(#{task := #{evaluate := {native, _}}, nodes := []}) -> undefined;
start_evaluator(#{task := #{anywhere := How}} = Options) -> start_evaluator(How, Options);
start_evaluator(#{task := #{evaluate := How}} = Options) -> start_evaluator(How, Options).

start_evaluator(How, #{name := Name, evaluation_timeout := Timeout, evaluation_memory := Memory, nodes := Nodes}) ->
    {ok, Evaluator} = cambrian_evaluator:start_link(#{name => Name, how => How, timeout => Timeout, memory => Memory, nodes => Nodes}),
    Evaluator.

%%% ---- states -----------------------------------------------------------------------------

%% Nothing under way.
idle({call, From}, {run, Goal}, #data{goal = Old} = Data) ->
    Next = Data#data{goal = maps:merge(Old, Goal), running = true},
    case is_settled(Next) of
        true -> {keep_state, Next#data{running = false}, [{reply, From, ok}]};
        false -> continue_replying([{reply, From, ok}], Next)
    end;
idle({call, From}, {step, Steps}, Data) ->
    continue_replying([], Data#data{steps = Steps, stepping = [From]});
idle({call, From}, await, #data{result = Result}) when Result =/= undefined ->
    {keep_state_and_data, [{reply, From, {ok, Result}}]};
idle({call, From}, await, #data{failure = Failure}) when Failure =/= undefined ->
    {keep_state_and_data, [{reply, From, {error, Failure}}]};
idle({call, From}, {inject, Shape, Newcomer}, Data) when not is_map_key(bound, Newcomer) ->
    {Answer, Next} = offer(Shape, Newcomer, Data),
    {next_state, State, Going} = be_idle(Next),
    {next_state, State, Going, [{reply, From, Answer}]};
idle(info, Message, #data{strangers = Strangers, pace = Pace} = Data) ->
    case cambrian_strangers:answered(Message, Pace, Strangers) of
        {ok, Faults, Measured} -> be_idle(measured(Faults, Measured, Data));
        _ -> common(info, Message, Data)
    end;
idle({call, From}, {purge, Banned}, Data) ->
    rest_purged(From, Banned, Data);
idle(Type, Event, Data) ->
    common(Type, Event, Data).

%% Nothing under way but genotypes from elsewhere, which are with the evaluators; it was and will be idle.
welcoming(info, {Tag, Found}, #data{job = {Tag, _}} = Data) when element(1, Found) =:= ok ->
    welcome(admit(Found, Data));
welcoming({call, _}, {What, _}, _Data) when What =:= run; What =:= step ->
    {keep_state_and_data, [postpone]};
welcoming({call, _}, await, _Data) ->
    {keep_state_and_data, [postpone]};
welcoming({call, From}, {purge, Banned}, Data) ->
    rest_purged(From, Banned, Data);
welcoming(Type, Event, Data) ->
    common(Type, Event, Data).

%% The generation is with the evaluators.
evaluating(info, {Tag, {ok, {no_fitness, Failures, IsCut}}}, #data{job = {Tag, _}} = Data) ->
    First = case IsCut of true -> timeout; false -> {bad_fitness, not_finite} end,
    no_fitness(#{count => Failures, first => First}, Data#data{is_cut = IsCut});
evaluating(info, {Tag, {ok, {cut, Evaluated}}}, #data{job = {Tag, _}} = Data) ->
    evaluated(Evaluated, Data#data{is_cut = true});
evaluating(info, {Tag, {ok, Evaluated}}, #data{job = {Tag, _}} = Data) ->
    evaluated(Evaluated, Data);
evaluating(info, {Tag, {ok, Outcomes, Faults}}, #data{job = {Tag, _}} = Data) ->
    report_faults(Faults, Data),
    end_round(Outcomes, Faults, Data);
evaluating(Type, Event, Data) ->
    busy(Type, Event, Data).

%% Genotypes from elsewhere are with the evaluators.
receiving(info, {Tag, Found}, #data{job = {Tag, _}} = Data) when element(1, Found) =:= ok ->
    judge(admit(Found, Data));
%% They wait until the population rests, or goes on.
receiving(info, {timeout, Limit, limit}, #data{limit = Limit, newcomers = Newcomers} = Data) ->
    judge(remembered((dropped(Data))#data{newcomers = cambrian_newcomers:put_off(Newcomers)}));
receiving(Type, Event, Data) ->
    busy(Type, Event, Data).

%% The generation's contender undergoes the task's own trial.
trying(info, {Tag, {ok, #{solved := Solved} = Trial}}, #data{job = {Tag, _}} = Data) ->
    conclude(Solved, Trial, validate(Trial, Data));
%% Not known whether it is solved, so the generation is not done.
trying(info, {timeout, Limit, limit}, #data{limit = Limit} = Data) ->
    conclude(false, #{}, (dropped(Data))#data{is_cut = true});
trying(Type, Event, Data) ->
    busy(Type, Event, Data).

%% The next generation is being made.
breeding(info, {Tag, {ok, {not_enough_memory, _, _} = Reason}}, #data{job = {Tag, _}} = Data) ->
    give_up(Reason, Data#data{job = undefined});
breeding(info, {Tag, {ok, Population}}, #data{job = {Tag, _}} = Data) ->
    Bred = cambrian_newcomers:bred(Data#data.newcomers),
    Others = cambrian_strangers:bred(Data#data.strangers),
    evaluate(keep(due, Data#data{population = Population, newcomers = Bred, strangers = Others, admitted = 0, last = Data#data.evaluated,
                            evaluated = undefined}));
breeding(info, {timeout, Limit, limit}, #data{limit = Limit} = Data) ->
    conclude_with(last(Data), dropped(Data));
%% A generation that is done again does not count twice.
breeding({call, From}, {purge, Banned}, #data{steps = Steps} = Data) when Steps > 0 ->
    go_on_purged(From, Banned, 1, Data);
breeding(Type, Event, Data) ->
    busy(Type, Event, Data).

%% What all states but idle have in common.
busy({call, From}, {run, Goal}, #data{goal = Old} = Data) ->
    {keep_state, told(Data#data{goal = maps:merge(Old, Goal), running = true}), [{reply, From, ok}]};
busy({call, From}, {step, _}, _Data) ->
    {keep_state_and_data, [{reply, From, {error, running}}]};
busy({call, From}, {purge, Banned}, Data) ->
    go_on_purged(From, Banned, 0, Data);
busy(Type, Event, Data) ->
    common(Type, Event, Data).

common({call, From}, {subscribe, Pid}, #data{subscribers = Subscribers} = Data) ->
    All = case Subscribers of
              #{Pid := _} -> Subscribers;
              _ -> Subscribers#{Pid => monitor(process, Pid)}
          end,
    {keep_state, Data#data{subscribers = All}, [{reply, From, ok}]};
common({call, From}, {account, Pid}, #data{accountants = Accountants} = Data) ->
    Next = Data#data{accountants = [Pid | lists:delete(Pid, Accountants)]},
    tell_worked(0, Next),
    common({call, From}, {subscribe, Pid}, Next);
common({call, From}, {unsubscribe, Pid}, Data) ->
    {keep_state, forget_subscriber(Pid, Data), [{reply, From, ok}]};
common({call, From}, pause, Data) ->
    {keep_state, told(Data#data{running = false, steps = min(1, Data#data.steps)}), [{reply, From, ok}]};
common({call, From}, await, #data{awaiting = Awaiting} = Data) ->
    {keep_state, Data#data{awaiting = [From | Awaiting]}};
common({call, From}, {inject, Shape, Newcomer}, Data) ->
    {Answer, Next} = offer(Shape, Newcomer, Data),
    {keep_state, Next, [{reply, From, Answer}]};
common({call, From}, draw, #data{drawn = Drawn} = Data) ->
    case at_hand(Data) of
        undefined -> {keep_state_and_data, [{reply, From, {error, not_evaluated}}]};
        Evaluated -> {keep_state, Data#data{drawn = Drawn + 1}, [{reply, From, {ok, Evaluated, Drawn}}]}
    end;
common({call, From}, Question, Data) ->
    {keep_state_and_data, [{reply, From, answer(Question, Data)}]};
common(info, {'DOWN', Monitor, process, _, _}, #data{owner = Monitor}) ->
    {stop, {shutdown, owner_down}};
common(info, {'DOWN', Monitor, process, Pid, _}, #data{subscribers = Subscribers} = Data)
  when map_get(Pid, Subscribers) =:= Monitor ->
    {keep_state, forget_subscriber(Pid, Data)};
common(info, {Tag, {error, Reason}}, #data{job = {Tag, _}}) ->
    {stop, {job_failed, Reason}};
common(info, {'EXIT', Evaluator, Reason}, #data{evaluator = Evaluator}) ->
    {stop, {evaluator_failed, Reason}};
common(info, Message, #data{strangers = Strangers, pace = Pace} = Data) ->
    case cambrian_strangers:answered(Message, Pace, Strangers) of
        {ok, Faults, Measured} -> {keep_state, measured(Faults, Measured, Data)};
        {error, Reason} -> {stop, {evaluator_failed, Reason}};
        ignored -> keep_state_and_data
    end;
common(cast, _, _Data) ->
    keep_state_and_data.

at_hand(#data{evaluated = undefined, last = Last}) -> Last;
at_hand(#data{evaluated = Evaluated}) -> Evaluated.

answer(best, #data{champion = undefined}) -> {error, not_evaluated};
answer(best, #data{champion = Champion}) -> {ok, Champion};
answer(stats, #data{stats = undefined}) -> {error, not_evaluated};
answer(stats, #data{stats = Stats}) -> {ok, Stats};
answer(history, #data{history = History}) -> cambrian_history:pages(History);
answer(population, #data{population = Population}) -> {ok, Population};
%% The generation that is evaluated next.
answer(next, #data{evaluated = Evaluated, population = Population}) ->
    #{generation := Generation} = cambrian_nif:population_info(Population),
    #{next => case Evaluated of undefined -> Generation; _ -> Generation + 1 end};
answer(overview, #data{name = Name, task = #{name := Task, id := Id}, goal = Goal, result = Result} = Data) ->
    #{name => Name, task => Task, task_id => Id, goal => Goal, state => doing(Data),
      solved => is_map(Result) andalso maps:get(solved, Result), stats => Data#data.stats, failure => Data#data.failure,
      champion => Data#data.champion, elapsed_ms => elapsed(Data), history => Data#data.history};
answer(so_far, #data{champion = undefined}) -> {error, not_evaluated};
answer(so_far, #data{population = Population, stats = Stats} = Data) ->
    %% without stats it was taken up from a checkpoint, and no generation is done since
    Last = case Stats of undefined -> before(cambrian_nif:population_info(Population)); _ -> Stats end,
    {ok, result(false, Last, Data)};
answer(info, #data{name = Name, task = #{name := Task, id := Id}, population = Population} = Data) ->
    (maps:merge(cambrian_nif:population_info(Population), counts(Data)))#{name => Name, task => Task, task_id => Id,
                                                parameters => cambrian_nif:population_parameters(Population)};
answer(_, _Data) -> {error, unknown_call}.

%% Of evaluations, with those of the generation that was evaluated last.
counts(#data{failure = {evaluations_failed, #{count := Count}}}) -> #{evaluations => Count, failures => Count};
counts(#data{stats = undefined, history = History}) ->
    case cambrian_history:last(History) of
        none -> #{};
        Last -> maps:with([evaluations, failures], Last)
    end;
counts(#data{stats = Stats}) -> maps:with([evaluations, failures], Stats).

doing(#data{result = Result}) when Result =/= undefined -> finished;
doing(#data{failure = Failure}) when Failure =/= undefined -> failed;
doing(#data{running = Running, steps = Steps}) when Running; Steps > 0 -> running;
doing(#data{stats = undefined}) -> new;
doing(_) -> paused.

%% A population that ends as it should leaves no checkpoint in memory; one that dies does.
terminate(Reason, _State, #data{strangers = Strangers} = Data) ->
    drop_job(Data),
    ok = cambrian_strangers:stop(Strangers),
    case Reason of
        normal -> leave(Data);
        shutdown -> leave(Data);
        {shutdown, _} -> leave(Data);
        _ -> ok
    end.

%% Where the store is gone already, what it wrote is there.
leave(#data{name = Name} = Data) ->
    try
        _ = keep(now, Data),
        cambrian_store:forget(Name)
    catch exit:_ -> ok
    end.

%%% ---- a generation -----------------------------------------------------------------------

continue_replying(Replies, Data) ->
    {next_state, State, Next} = continue(Data),
    {next_state, State, Next, Replies}.

continue(Data) ->
    Going = resting(false, Data#data{result = undefined, failure = undefined, resumed_at = now_ms()}),
    case Going of
        #data{evaluated = undefined} ->
            case is_over(Going) of
                true -> conclude_with(last(Going), Going);
                false -> evaluate(keep(due, Going))
            end;
        _ -> breed(Going)
    end.

%% Taken up where a limit was passed before. The generation that ended the run is evaluated again, and ends it again.
is_over(#data{stats = undefined, steps = 0, champion = Champion, history = History, goal = Goal, population = Population} = Data)
  when Champion =/= undefined ->
    #{generation := Generation} = cambrian_nif:population_info(Population),
    case cambrian_history:last(History) of
        none -> false;
        #{generation := Generation, evaluations := Evaluations} ->
            Generation + 1 > maps:get(generations, Goal, infinity) orelse Evaluations > maps:get(evaluations, Goal, infinity);
        Last -> cambrian_goal:is_at_limit(Goal, Last#{elapsed_ms := elapsed(Data)}, improved(Data))
    end;
is_over(_Data) -> false.

%% There is a result, and a limit of the goal that forbids another generation. One that was cut is not done.
is_settled(#data{result = undefined}) -> false;
is_settled(#data{stats = undefined}) -> false;
is_settled(#data{is_cut = true, goal = Goal, stats = #{generation := Generation} = Stats} = Data) ->
    cambrian_goal:is_at_limit(Goal, Stats#{generation := Generation - 1}, improved(Data));
is_settled(#data{goal = Goal, stats = Stats} = Data) -> cambrian_goal:is_at_limit(Goal, Stats, improved(Data)).

evaluate(Data) -> evaluate_generation(Data#data{began = now_ms()}).

evaluate_generation(#data{evaluator = undefined, population = Population, goal = Goal, task = #{evaluate := {native, Native}}} = Data) ->
    Tag = make_ref(),
    Limit = maps:get(evaluations, Goal, infinity),
    Job = cambrian_nif:population_evaluate(Tag, Population, Native, Limit, time_left(Data)),
    {next_state, evaluating, Data#data{is_cut = false, job = {Tag, Job}}};
evaluate_generation(#data{population = Population} = Data) ->
    Tuning = cambrian_nif:population_tuning(Population),
    case cambrian_nif:tuning_candidates(Tuning) of
        [] -> settle(Tuning, [], Data#data{is_cut = false});
        Candidates -> evaluate_round(Tuning, Candidates, Data#data{is_cut = false, spent = 0})
    end.

%% Each genotype that waits, and then, if the parameters say so, what tuning makes of the fittest.
evaluate_round(Tuning, Candidates, Data) ->
    Affordable = lists:sublist(Candidates, evaluations_left(Data)),
    {next_state, evaluating, Data#data{tuning = Tuning, job = evaluate_here(Affordable, limit(Data), Data)}}.

evaluate_here(Genotypes, Limit, #data{evaluator = Evaluator, population = Population}) ->
    Tag = make_ref(),
    ok = cambrian_evaluator:evaluate(Evaluator, Tag, Genotypes, fun(Genotype) -> network(Genotype, Population) end, Limit),
    {Tag, Evaluator}.

%% Later generations have the fitness of those that lived on.
limit(#data{stats = Stats, spent = Spent} = Data) ->
    case time_left(Data) of
        infinity -> infinity;
        Ms when Stats =:= undefined, Spent =:= 0 -> {Ms, fitness};
        Ms -> {Ms, nothing}
    end.

evaluations_left(#data{goal = #{evaluations := Limit}, population = Population, spent = Spent}) ->
    #{evaluations := Before} = cambrian_nif:population_info(Population),
    max(0, Limit - Before - Spent);
evaluations_left(_Data) -> 1 bsl 59.

%% Of a job that has begun, at the end of the run's time.
limited(Data) ->
    case time_left(Data) of
        infinity -> Data#data{limit = undefined};
        Ms -> Data#data{limit = erlang:start_timer(Ms, self(), limit)}
    end.

%% What it answers all the same is not heard any more.
dropped(Data) ->
    drop_job(Data),
    Data#data{job = undefined, limit = undefined}.

time_left(#data{goal = #{timeout := Timeout}} = Data) when is_integer(Timeout) ->
    case is_done_again(Data) of
        %% as long as the run had, of which it was a part
        true -> min(?MAX_MS, max(?GRACE, Timeout));
        false -> min(?MAX_MS, max(0, Timeout - elapsed(Data)))
    end;
time_left(_Data) -> infinity.

%% Taken up at a generation that was evaluated before: its time is spent already.
is_done_again(#data{stats = undefined, history = History, population = Population}) ->
    #{generation := Generation} = cambrian_nif:population_info(Population),
    case cambrian_history:last(History) of
        #{generation := Generation} -> true;
        _ -> false
    end;
is_done_again(_Data) -> false.

%% The round is over: the next one, unless there is none, the target is reached or a limit came first.
end_round(Known, Faults, #data{tuning = Tuning, spent = Spent} = Data) ->
    Asked = length(cambrian_nif:tuning_candidates(Tuning)),
    Outcomes = Known ++ lists:duplicate(Asked - length(Known), skipped),
    {ok, Next} = cambrian_nif:tuning_tell(Tuning, Outcomes),
    Fitness = [F || F <- lists:map(fun cambrian_evaluator:fitness/1, Outcomes), is_number(F)],
    Reached = case Data of
                  #data{goal = #{target := Target}} -> lists:any(fun(F) -> F >= Target end, Fitness);
                  _ -> false
              end,
    Cut = lists:member(skipped, Outcomes),
    Ended = Data#data{spent = Spent + length(Known), is_cut = Cut},
    case cambrian_nif:tuning_candidates(Next) of
        Candidates when Candidates =:= []; Reached; Cut -> settle(Next, Faults, Ended);
        Candidates -> evaluate_round(Next, Candidates, Ended)
    end.

settle(Tuning, Faults, Data) ->
    case cambrian_nif:tuning_settle(Tuning) of
        {ok, Evaluated} -> evaluated(Evaluated, Data#data{tuning = undefined});
        {error, no_fitness} -> no_fitness(counted_faults(Faults), Data#data{tuning = undefined})
    end.

%% Nobody has a fitness, so there is nothing to select from. Where a limit came before anybody was evaluated, that is no
%% failure, and the last generation is the result. Else the user's code is at fault, and what it says is the answer.
no_fitness(_Failed, #data{is_cut = true, champion = Champion} = Data) when Champion =/= undefined ->
    conclude_with(last(Data), Data#data{job = undefined});
no_fitness(#{count := Count} = Failed, Data) ->
    ok = cambrian_governor:evaluated(Count),
    give_up({evaluations_failed, Failed}, Data#data{job = undefined}).

%% The last generation that was evaluated, also before a crash or in another VM.
last(#data{stats = undefined, history = History}) -> cambrian_history:last(History);
last(#data{stats = Stats}) -> Stats.

%% A limit was passed with an earlier generation: what there was then is the result.
conclude_with(Last, #data{awaiting = Awaiting} = Data) ->
    Result = result(false, Last, Data),
    tell({finished, Result}, Data),
    _ = [gen_statem:reply(From, {ok, Result}) || From <- Awaiting],
    be_idle(keep(now, rest(stepped(Data#data{result = Result, awaiting = [], steps = 0})))).

%% What a genotype of this population stands for: itself, or what it describes.
network(Genotype, Population) ->
    case cambrian_nif:population_network(Population, Genotype) of
        dirty ->
            case cambrian_job:answer(fun(Tag) -> cambrian_nif:population_network_job(Tag, Population, Genotype) end) of
                {ok, Network} -> Network;
                {error, Reason} -> error(Reason)
            end;
        Network -> Network
    end.

%% A generation that was cut is evaluated again if the population goes on: newcomers wait until then.
evaluated(Evaluated, Before) ->
    Data = paced(Evaluated, Before),
    case Data#data{evaluated = Evaluated, last = undefined, drawn = 0} of
        #data{is_cut = true} = Cut -> judge(Cut);
        Whole -> receive_newcomers(Whole)
    end.

%% What strangers were found to be meanwhile is taken in; those that are not done hold up nobody.
receive_newcomers(Data) ->
    With = admit_strangers(Data),
    case examine(With) of
        none -> judge(With);
        Examining -> {next_state, receiving, limited(Examining)}
    end.

%% The work of the generation, and how long it took.
paced(Evaluated, #data{began = Began, pace = Pace} = Data) ->
    Work = cambrian_nif:population_work(Evaluated),
    Paced = Data#data{pace = cambrian_strangers:paced({Work, now_ms() - Began}, Pace)},
    tell_worked(Work, Paced#data{evaluated = Evaluated}),
    Paced.

judge(#data{evaluated = Evaluated} = Data) ->
    Judged = crown(Data#data{stats = measure(Data)}),
    remember_the_best(Judged),
    case Judged of
        #data{goal = #{target := Target}} ->
            {_, Fitness} = Best = cambrian_nif:population_best(Evaluated),
            conclude(Fitness >= Target, #{}, Judged#data{contender = Best});
        #data{task = #{evaluate := {native, Native}}} ->
            try_contender(Native, Judged);
        _ ->
            conclude(false, #{}, Judged)
    end.

try_contender(Native, #data{evaluated = Evaluated, population = Population} = Data) ->
    case cambrian_nif:population_contender(Evaluated) of
        undefined ->
            conclude(false, #{}, Data);
        {Contender, Fitness, Next} ->
            Tag = make_ref(),
            Job = cambrian_nif:population_trial(Tag, Population, Native, Contender),
            {next_state, trying, limited(Data#data{job = {Tag, Job}, evaluated = Next, contender = {Contender, Fitness}})}
    end.

%% In another VM a generation is evaluated again without its newcomers, one of whom may be the champion.
crown(#data{evaluated = Evaluated, champion = Old} = Data) ->
    Champion = cambrian_nif:population_evaluated_champion(Evaluated),
    case is_better(Champion, Old) of
        true -> announce(Data#data{champion = Champion});
        false -> Data
    end.

%% Of the same generation, the last that was found counts: it may have been cut before, and another have been the first of
%% equals.
is_better(_, undefined) -> true;
is_better(#{fitness := Same, generation := Generation, champion := New},
          #{fitness := Same, generation := Generation, champion := Old}) ->
    cambrian_genotype:id(New) =/= cambrian_genotype:id(Old);
is_better(#{fitness := New}, #{fitness := Old}) -> New > Old.

announce(#data{champion = #{champion := Genotype} = Champion} = Data) ->
    remember(Genotype, Data),
    tell({champion, Champion}, Data),
    Data.

%% A population keeps lines of this length itself: a champion that comes later joins what is known.
remember_the_best(#data{evaluated = Evaluated, stats = #{generation := Generation}} = Data)
  when Generation rem ?WINDOW =:= 0 ->
    {Best, _} = cambrian_nif:population_best(Evaluated),
    remember(Best, Data);
remember_the_best(_Data) -> ok.

remember(Genotype, #data{evaluated = Evaluated, task = #{name := Task}}) ->
    cambrian_lineage:bred(Task, cambrian_nif:population_lineage(Evaluated, Genotype)).

measure(#data{evaluated = Evaluated, stats = Last} = Data) ->
    Stats = #{evaluations := Evaluations} = cambrian_nif:population_stats(Evaluated),
    ok = cambrian_governor:evaluated(Evaluations - counted(Data)),
    Elapsed = elapsed(Data),
    {Before, Since} = case Last of
                          #{evaluations := E, elapsed_ms := Ms} when Ms < Elapsed -> {E, Ms};
                          _ -> {0, 0}
                      end,
    Rate = (Evaluations - Before) * 1000 div max(1, Elapsed - Since),
    Stats#{elapsed_ms => Elapsed, evaluations_per_second => Rate}.

%% Those that the governor knows of.
counted(#data{stats = #{evaluations := Evaluations}}) -> Evaluations;
counted(#data{population = Population}) -> maps:get(evaluations, cambrian_nif:population_info(Population)).

elapsed(#data{elapsed = Elapsed, resumed_at = undefined}) -> Elapsed;
elapsed(#data{elapsed = Elapsed, resumed_at = At}) -> Elapsed + erlang:monotonic_time(millisecond) - At.

%% On data that evolution does not see. Of a part of a generation another one contends than of all.
validate(_Trial, #data{is_cut = true} = Data) -> Data;
validate(#{validation := Value}, #data{validated = Best, stats = #{generation := Generation}} = Data) ->
    case Best of
        #{value := Known} when Known >= Value -> Data;
        _ ->
            {Genotype, Fitness} = Data#data.contender,
            Sources = [{sources, Some} || [_ | _] = Some <- [sources(Genotype, Data)]],
            Validated = #{value => Value, generation => Generation, fitness => Fitness,
                          genotype => cambrian_genotype:to_binary(Genotype)},
            Data#data{validated = maps:merge(Validated, maps:from_list(Sources))}
    end;
validate(_Trial, Data) -> Data.

%% The generation is over: report it, then stop, pause or breed.
conclude(Solved, Trial, #data{stats = Stats, steps = Steps, history = History} = Data) ->
    tell({generation, Stats}, Data),
    Next = #data{running = Running, steps = Left} =
        stepped(Data#data{job = undefined, steps = max(0, Steps - 1), history = cambrian_history:add(Stats, History)}),
    case Solved orelse Next#data.is_cut orelse reached(Next) of
        true -> finish(Solved, Trial, Next);
        until -> finish(until, Trial, Next);
        {error, Reason} -> give_up(Reason, Next);
        false when Running; Left > 0 -> breed(Next);
        false -> be_idle(keep(now, rest(Next)))
    end.

%% Who asked for some steps is answered after the last of them, even if the population goes on.
stepped(#data{steps = 0, stepping = Stepping} = Data) ->
    Answer = answer(stats, Data),
    _ = [gen_statem:reply(From, Answer) || From <- Stepping],
    Data#data{stepping = []};
stepped(Data) -> Data.

reached(#data{goal = Goal, stats = Stats} = Data) -> cambrian_goal:reached(Goal, Stats, improved(Data)).

%% The generation that got better.
improved(#data{validated = #{generation := Generation}}) -> Generation;
improved(#data{champion = #{generation := Generation}}) -> Generation;
%% it was banned, and nobody else is known yet
improved(#data{population = Population}) -> maps:get(generation, cambrian_nif:population_info(Population)).

breed(#data{evaluated = Evaluated} = Data) ->
    Tag = make_ref(),
    {next_state, breeding, limited(Data#data{job = {Tag, cambrian_nif:population_next(Tag, Evaluated)}})}.

%% `until': by the goal's fun.
finish(Solved, Trial, #data{stats = Stats, awaiting = Awaiting} = Data) ->
    Ended = #{champion := Champion} = result(Solved, Stats, Data),
    remember(Champion, Data),
    Result = maps:merge(Ended, maps:from_list([{trial, Facts} || Solved =:= true, #{facts := Facts} <- [Trial]])),
    tell({finished, Result}, Data),
    _ = [gen_statem:reply(From, {ok, Result}) || From <- Awaiting],
    %% the checkpoint says that it runs: in another VM it does its last generation again, and has its result again
    Kept = keep(now, Data),
    be_idle(rest(stepped(uncut(Kept#data{result = Result, awaiting = [], steps = 0})))).

uncut(#data{is_cut = true, evaluated = Evaluated} = Data) -> Data#data{evaluated = undefined, last = Evaluated};
uncut(Data) -> Data.

%% `Last' is the last generation that was evaluated.
result(Solved, #{generation := Generation} = Last, #data{population = Population} = Data) ->
    #{seed := Seed} = cambrian_nif:population_info(Population),
    Counts = maps:with([evaluations, failures], Last),
    maps:merge(winner(Solved, Data), Counts#{solved => Solved =/= false, generations => Generation + 1, seed => Seed,
                                             elapsed_ms => elapsed(Data)}).

before(#{generation := Generation} = Info) -> Info#{generation := Generation - 1}.

%% Who passed the trial, which is not always who was ever the fittest.
winner(true, #data{contender = {Champion, Fitness}}) -> #{champion => Champion, fitness => Fitness};
winner(_, #data{validated = #{value := Value, fitness := Fitness, genotype := Bytes}}) ->
    {ok, Champion} = cambrian_genotype:from_binary(Bytes),
    #{champion => Champion, fitness => Fitness, validation => Value};
winner(_, #data{champion = Champion}) -> maps:with([champion, fitness], Champion).

%% The user's own code is at fault: the fun of the goal, or the task.
give_up(Reason, #data{name = Name, awaiting = Awaiting, stepping = Stepping} = Data) ->
    tell({failed, Reason}, Data),
    %% who evolves without a name has the answer
    _ = [logger:warning("population ~tp: its run has ended without a result, as ~ts", [Name, because(Reason)]) || is_atom(Name)],
    _ = [gen_statem:reply(From, {error, Reason}) || From <- Awaiting ++ Stepping],
    be_idle(keep(now, rest(Data#data{failure = Reason, awaiting = [], stepping = [], steps = 0}))).

because({evaluations_failed, #{count := Count}}) ->
    io_lib:format("all evaluations of its first generation failed, ~b in all", [Count]);
because({not_enough_memory, Wanted, Allowed}) ->
    io_lib:format("the next generation would take ~b bytes, of which ~b are allowed (memory_limit)", [Wanted, Allowed]);
because(_Goal) -> "the fun of its goal, until, is at fault".

rest(Data) -> Data#data{running = false, elapsed = elapsed(Data), resumed_at = undefined}.

%%% ---- from elsewhere ---------------------------------------------------------------------

offer(Shape, Newcomer, #data{population = Population} = Data) ->
    #{inputs := Inputs, outputs := Outputs} = cambrian_nif:population_info(Population),
    case Shape of
        {Inputs, Outputs} when is_map_key(bound, Newcomer) -> offer_stranger(Newcomer, with_median(Data));
        {Inputs, Outputs} -> offer_known(Newcomer, Data);
        _ ->
            tell_received(Newcomer, #{outcome => shape}, Data),
            {ok, Data}
    end.

offer_known(Newcomer, #data{newcomers = Newcomers} = Data) ->
    case cambrian_newcomers:add(Newcomer, Newcomers) of
        {ok, More} -> {ok, remembered(Data#data{newcomers = More})};
        Busy -> {Busy, Data}
    end.

%% Known from its genes, before anything is made of them.
offer_stranger(#{cost := Cost, bound := Times} = Stranger, #data{strangers = Strangers, median = {_, Median}} = Data) ->
    case cambrian_strangers:bound(Median, Times) of
        Bound when Cost > Bound ->
            tell_received(Stranger, #{outcome => too_costly, cost => Cost, median => Median, bound => Bound}, Data),
            {ok, Data};
        _ ->
            case cambrian_strangers:add(Stranger, Strangers) of
                {ok, More} -> {ok, remembered(invite(Data#data{strangers = More}))};
                Busy -> {Busy, Data}
            end
    end.

with_median(#data{population = Population, median = {Population, _}} = Data) -> Data;
with_median(#data{population = Population} = Data) ->
    Data#data{median = {Population, cambrian_nif:population_median_cost(Population)}}.

invite(#data{strangers = Strangers, population = Population, pace = Pace} = Data) ->
    Network = fun(Genotype) -> network(Genotype, Population) end,
    Data#data{strangers = cambrian_strangers:invite(Population, Network, Pace, Strangers)}.

measured(Faults, Strangers, Data) ->
    report_faults(Faults, Data),
    Data#data{strangers = Strangers}.

admit_strangers(#data{strangers = Strangers} = Data) ->
    case cambrian_strangers:take(Strangers) of
        {[], _} -> Data;
        {Found, Next} ->
            remembered(invite(lists:foldl(fun admit_stranger/2, Data#data{strangers = Next}, Found)))
    end.

%% Each may take the place of the worst of its species: so that many do not take all of them, a tenth of the population is let in
%% by each generation, and beside those only who is better than all here.
admit_stranger({Newcomer, Fitness, Work} = One, #data{admitted = Admitted} = Data) when is_float(Fitness) ->
    case is_full(Data) andalso not is_best(Fitness, Data) of
        true ->
            tell_received(Newcomer, #{outcome => full, fitness => Fitness, work => Work}, Data),
            Data;
        false ->
            Taken = fun(Taken, #data{strangers = S} = D) ->
                        D#data{strangers = cambrian_strangers:taken_in(Taken, S), admitted = Admitted + 1}
                    end,
            admit_one(One, Taken, Data)
    end;
admit_stranger({Newcomer, late, Work}, Data) ->
    tell_received(Newcomer, #{outcome => late, work => Work}, Data),
    Data;
admit_stranger({_, failed, _} = One, Data) ->
    admit_one(One, fun(_, D) -> D end, Data).

is_full(#data{admitted = Admitted, population = Population}) ->
    #{population := Size} = cambrian_nif:population_parameters(Population),
    Admitted >= max(1, Size div ?ADMITTED).

is_best(_Fitness, #data{champion = undefined}) -> true;
is_best(Fitness, #data{champion = #{fitness := Best}}) -> Fitness > Best.

%% Idle, once nobody waits who could be let in.
be_idle(Data) ->
    case resting(true, Data) of
        #data{evaluated = undefined} = Unborn -> {next_state, idle, Unborn};
        Resting ->
            case admit_strangers(Resting) of
                Resting -> await_newcomers(Resting);
                With -> welcome(With)
            end
    end.

await_newcomers(Data) ->
    case examine(Data) of
        none -> {next_state, idle, Data};
        Examining -> {next_state, welcoming, Examining}
    end.

%% Those who wait, if any do.
examine(#data{newcomers = Newcomers} = Data) ->
    case cambrian_newcomers:examine(Newcomers) of
        {[], _} -> none;
        {Genotypes, Next} -> Data#data{newcomers = Next, job = examine(Genotypes, Data)}
    end.

examine(Genotypes, #data{population = Population, task = #{evaluate := {native, Native}}}) ->
    Tag = make_ref(),
    {Tag, cambrian_nif:population_examine(Tag, Population, Native, Genotypes, infinity)};
examine(Genotypes, Data) ->
    evaluate_here(Genotypes, infinity, Data).

admit({ok, Measured}, Data) ->
    {Outcomes, Works} = lists:unzip(Measured),
    admit(Outcomes, Works, Data);
admit({ok, Outcomes, Faults}, Data) ->
    report_faults(Faults, Data),
    admit(Outcomes, unmetered, Data).

admit(Outcomes, Works, #data{newcomers = Newcomers} = Data) ->
    {Measured, Next} = cambrian_newcomers:examined(Outcomes, Newcomers),
    Metered = case Works of
                  unmetered -> [cambrian_genotype:cost(Genotype) || {#{genotype := Genotype}, _} <- Measured];
                  _ -> Works
              end,
    Found = lists:zipwith(fun({Newcomer, Fitness}, Work) -> {Newcomer, Fitness, Work} end, Measured, Metered),
    Taken = fun(Newcomer, #data{newcomers = N} = D) -> D#data{newcomers = cambrian_newcomers:taken_in(Newcomer, N)} end,
    remembered(lists:foldl(fun(One, D) -> admit_one(One, Taken, D) end, Data#data{newcomers = Next, job = undefined}, Found)).

admit_one({Newcomer, failed, Work}, _Taken, Data) ->
    tell_received(Newcomer, #{outcome => failed, work => Work}, Data),
    Data;
admit_one({#{genotype := Genotype} = Newcomer, Fitness, Work}, Taken, #data{evaluated = Evaluated} = Data) ->
    case cambrian_nif:population_inject(Evaluated, Genotype, Fitness, cambrian_purge:keys(maps:get(from, Newcomer))) of
        {ok, With} ->
            tell_received(Newcomer, #{outcome => accepted, fitness => Fitness, work => Work}, Data),
            Taken(Newcomer, Data#data{evaluated = With});
        {error, Reason} ->
            tell_received(Newcomer, #{outcome => Reason, fitness => Fitness, work => Work}, Data),
            Data
    end.

tell_received(#{told := true}, _Outcome, _Data) -> ok;
tell_received(#{genotype := Genotype, from := From}, Outcome, #data{population = Population} = Data) ->
    #{generation := Generation} = cambrian_nif:population_info(Population),
    tell({received, Outcome#{id => cambrian_genotype:id(Genotype), from => From, generation => Generation}}, Data).

%% The generation stays the last one, with its stats.
welcome(#data{champion = Old} = Data) ->
    case crown(Data) of
        #data{champion = Old} = Same -> be_idle(Same);
        #data{champion = New} = Crowned ->
            #data{keeper = Keeper} = Amended = amended(#{champion => New}, Crowned),
            be_idle(kept(cambrian_keeper:write(Keeper), Amended))
    end.

%%% ---- what is banned ---------------------------------------------------------------------

rest_purged(From, Banned, Data) ->
    case let_go(Banned, Data) of
        {same, Purged, Same} -> {keep_state, Same, [{reply, From, {ok, Purged}}]};
        {changed, Purged, Changed} -> {next_state, idle, Changed, [{reply, From, {ok, Purged}}]}
    end.

go_on_purged(From, Banned, Again, #data{steps = Steps} = Data) ->
    case let_go(Banned, Data) of
        {same, Purged, Same} -> {keep_state, Same, [{reply, From, {ok, Purged}}]};
        {changed, Purged, Changed} ->
            {next_state, State, Next} = evaluate(Changed#data{steps = Steps + Again}),
            {next_state, State, Next, [{reply, From, {ok, Purged}}]}
    end.

%% The generation at hand without what is banned, as if it were taken up from its checkpoint, which it is written to. What is
%% known of it by now stays known.
let_go(Banned, #data{newcomers = Newcomers, strangers = Strangers, champion = Old} = Data) ->
    IsBanned = fun(One) -> cambrian_purge:is_newcomer(One, Banned) end,
    {{Waiting, Examined}, Left} = cambrian_newcomers:without(IsBanned, Newcomers),
    {Strange, Others} = cambrian_strangers:without(IsBanned, Strangers),
    {Population, #{leaving := Leaving, founded := Founded, headless := Headless}, Best} = purged(generation(Data), Banned),
    Gone = Waiting ++ Examined ++ Strange,
    _ = [tell_received(Newcomer, #{outcome => banned}, Data) || Newcomer <- Gone],
    IsGone = Headless orelse Old =/= undefined andalso cambrian_purge:is_champion({maps:get(champion, Old), maps:get(sources, Old, [])}, Banned),
    #{generation := Generation} = cambrian_nif:population_info(Population),
    Purged = #{generation => Generation, leaving => Leaving, newcomers => length(Gone), founded => Founded, champion => IsGone},
    Without = invite(Data#data{newcomers = Left, strangers = Others}),
    Results = without_results(Banned, Without),
    case Leaving > 0 orelse IsGone orelse Examined =/= [] orelse Results =/= Without of
        true -> {changed, Purged, begin_again(Population, Best, Purged, Banned, Results)};
        false -> {same, Purged, remembered(Results)}
    end.

purged(Generation, #{keys := Keys, genotypes := Genotypes}) -> cambrian_nif:population_purge(Generation, Keys, Genotypes).

%% One that was cut is evaluated again anyway.
generation(#data{evaluated = Evaluated, is_cut = false}) when Evaluated =/= undefined -> Evaluated;
generation(#data{population = Population}) -> Population.

begin_again(Population, Best, #{champion := IsGone} = Purged, Banned, Working) ->
    #data{newcomers = Newcomers, strangers = Strangers, champion = Old} = Data = without_job(Working),
    {Again, Others} = case generation(Data) of
                          %% those that were taken in are in it
                          Evaluated when Evaluated =:= Data#data.evaluated ->
                              {cambrian_newcomers:bred(Newcomers), cambrian_strangers:bred(Strangers)};
                          _ -> {Newcomers, Strangers}
                      end,
    Next = Data#data{population = Population, evaluated = undefined, last = last_without(Banned, at_hand(Data)), is_cut = false,
                     tuning = undefined, contender = undefined, limit = undefined,
                     newcomers = cambrian_newcomers:again(Again), strangers = Others, champion = case IsGone of true -> Best; false -> Old end},
    #data{keeper = Keeper} = Kept =
        %% a run that is over is done again in another VM, to its result, unless that is none any more
        amended(maps:with([population, champion, validated, newcomers, strangers] ++ [running || Next#data.result =:= undefined],
                          snapshot(Next)), Next),
    Written = kept(cambrian_keeper:write(Keeper), Kept),
    tell({purged, Purged}, Written),
    _ = [tell({champion, Best}, Written) || IsGone, Best =/= undefined],
    Written.

%% An evaluator does one round after the other: another one begins anew.
without_job(#data{job = {_, Evaluator}, evaluator = Evaluator, start_evaluator = Start} = Data) ->
    drop_job(Data),
    Data#data{job = undefined, evaluator = Start()};
without_job(Data) ->
    drop_job(Data),
    Data#data{job = undefined}.

%% What there is to be asked of the last generation, until there is another.
last_without(_Banned, undefined) -> undefined;
last_without(Banned, Last) ->
    try purged(Last, Banned) of
        {_, #{leaving := 0, headless := false}, _} -> Last;
        {_, #{founded := true}, _} -> undefined;
        {Population, _, _} ->
            case cambrian_nif:tuning_settle(cambrian_nif:population_tuning(Population)) of
                {ok, Evaluated} -> Evaluated;
                {error, no_fitness} -> undefined
            end
    %% a limit left some of it out
    catch error:badarg -> undefined
    end.

%% A run is not over by one that is banned.
without_results(Banned, #data{validated = Validated, result = Result} = Data) ->
    Without = case Validated of
                  #{genotype := Bytes} ->
                      {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
                      case cambrian_purge:is_champion({Genotype, maps:get(sources, Validated, [])}, Banned) of
                          true -> Data#data{validated = undefined};
                          false -> Data
                      end;
                  undefined -> Data
              end,
    case Result of
        #{champion := Champion} ->
            case cambrian_purge:is_champion({Champion, sources(Champion, Data)}, Banned) of
                true -> Without#data{result = undefined, running = false};
                false -> Without
            end;
        undefined -> Without
    end.

%% Of whom a genotype has genes that was found here.
sources(Genotype, #data{champion = Champion, validated = Validated} = Data) ->
    Id = cambrian_genotype:id(Genotype),
    Bytes = cambrian_genotype:to_binary(Genotype),
    Known = [Sources || #{champion := Best, sources := Sources} <- [Champion], cambrian_genotype:id(Best) =:= Id]
        ++ [Sources || #{genotype := Same, sources := Sources} <- [Validated], Same =:= Bytes],
    case {Known, at_hand(Data)} of
        {[Sources | _], _} -> Sources;
        {[], undefined} -> [];
        {[], Evaluated} -> cambrian_nif:population_sources(Evaluated, Genotype)
    end.

%%% ---- what is kept -----------------------------------------------------------------------

amended(Changes, #data{keeper = Keeper} = Data) ->
    ok = cambrian_keeper:amend(Changes, fun() -> snapshot(Data) end, Keeper),
    Data.

%% What was told and answered is not lost by a crash before the generation is over.
told(#data{running = Running, goal = Goal} = Data) ->
    amended(#{running => Running, goal => maps:remove(until, Goal), until => maps:with([until], Goal)}, Data).

remembered(#data{newcomers = Newcomers, strangers = Strangers} = Data) ->
    amended(#{newcomers => Newcomers, strangers => cambrian_strangers:queue(Strangers)}, Data).

keep(When, #data{keeper = Keeper} = Data) -> kept(cambrian_keeper:keep(When, snapshot(Data), Keeper), Data).

kept({ok, Keeper}, Data) -> Data#data{keeper = Keeper};
kept({{failed, Reason}, Keeper}, #data{population = Population} = Data) ->
    #{generation := Generation} = cambrian_nif:population_info(Population),
    tell({checkpoint_failed, #{generation => Generation, reason => Reason}}, Data),
    Data#data{keeper = Keeper}.

snapshot(#data{population = Population, task = #{name := Task}, goal = Goal} = Data) ->
    #{generation := Generation} = cambrian_nif:population_info(Population),
    #data{running = Running, champion = Champion, validated = Validated, history = History, text = Text, from = From} = Data,
    #{population => Population, from => From, generation => Generation, champion => Champion, validated => Validated,
      history => History, running => Running, elapsed => elapsed(Data), task => atom_to_binary(Task), text => Text,
      goal => maps:remove(until, Goal), until => maps:with([until], Goal), newcomers => Data#data.newcomers,
      strangers => cambrian_strangers:queue(Data#data.strangers)}.

drop_job(#data{job = {_, Pid}}) when is_pid(Pid) -> exit(Pid, shutdown);
drop_job(#data{job = {_, Job}}) -> cambrian_nif:job_stop(Job);
drop_job(_) -> ok.

report_faults([], _Data) -> ok;
report_faults(Faults, Data) -> tell({evaluations_failed, counted_faults(Faults)}, Data).

counted_faults([]) -> #{count => 0, first => none};
counted_faults([{_, First} | _] = Faults) -> #{count => length(Faults), first => First}.

tell({Kind, Facts} = Event, #data{name = Name, subscribers = Subscribers} = Data) ->
    _ = [Pid ! {cambrian, Name, Event} || Pid <- maps:keys(Subscribers)],
    report(Kind, Facts, Data).

%% Those who account for it are told of its own work, and when it begins to rest and ends.
tell_worked(_Work, #data{accountants = []}) -> ok;
tell_worked(Work, #data{name = Name, accountants = Accountants, rests = Rests} = Data) ->
    Worked = #{work => Work, rests => Rests, failing => is_failing(Data)},
    lists:foreach(fun(Pid) -> Pid ! {cambrian, Name, {worked, Worked}} end, Accountants).

resting(Rests, #data{rests = Rests} = Data) -> Data;
resting(Rests, Data) ->
    Changed = Data#data{rests = Rests},
    tell_worked(0, Changed),
    Changed.

%% Whether one in ten of its own evaluations fails, or more: then it says little of another's that it fails too.
is_failing(#data{evaluated = undefined, population = Population}) -> is_often(cambrian_nif:population_info(Population));
is_failing(#data{evaluated = Evaluated}) -> is_often(cambrian_nif:population_stats(Evaluated)).

is_often(#{evaluations := Evaluations, failures := Failures}) -> Failures > 0 andalso 10 * Failures >= Evaluations.

%% The same for telemetry.
report(Kind, Facts, #data{name = Name, task = #{name := Task}}) ->
    cambrian_telemetry:population(Kind, Facts, #{population => Name, task => Task}).

forget_subscriber(Pid, #data{subscribers = Subscribers, accountants = Accountants} = Data) ->
    case maps:take(Pid, Subscribers) of
        {Monitor, Left} ->
            demonitor(Monitor, [flush]),
            Data#data{subscribers = Left, accountants = lists:delete(Pid, Accountants)};
        error -> Data
    end.

now_ms() -> erlang:monotonic_time(millisecond).
