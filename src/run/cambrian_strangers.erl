%% @private
%% Genotypes that came to a population from the mesh: those who wait, and those who are being measured.
%%
%% They are measured beside the population's own, by a job or by evaluators of their own and under a deadline of their own,
%% so that one that stalls holds up nobody: what was found is taken in after the generation at hand. What each of them cost
%% is known afterwards, in units of work ({@link cambrian_genotype:cost/1}).
-module(cambrian_strangers).

-export([bound/2, new/2, paced/2, add/2, invite/4, answered/3, take/1, taken_in/2, bred/1, without/2, queue/1, stop/1]).
-export_type([strangers/0, pace/0, found/0]).

%% `timeout' is for one evaluation, in ms, if the user said it.
-type options() :: #{task := cambrian_task:prepared(), name := term(), timeout := undefined | pos_integer(),
                     memory := pos_integer() | infinity}.
%% What a generation of the population's own takes.
-type pace() :: {Work :: number(), Ms :: number()}.
-type found() :: {cambrian_newcomers:newcomer(), Fitness :: float() | failed | late, Work :: non_neg_integer()}.

-record(visit, {tag :: reference(), job :: reference() | evaluator, began :: integer(), deadline :: pos_integer(),
                costs :: [non_neg_integer()]}).
-record(strangers, {options :: options(), queue :: cambrian_newcomers:newcomers(),
                    visit = none :: none | #visit{} | {done, [found()]},
                    evaluator = none :: none | {pid(), Deadline :: pos_integer()}}).
-opaque strangers() :: #strangers{}.

%% A newcomer may take as long as two generations of the population, and at least so many ms.
-define(GENERATIONS, 2).
-define(LEAST_MS, 1000).
%% What a first network costs, of three inputs and some outputs: what is as small is never too costly, or the first
%% generation of a new node would refuse what others have evolved.
-define(LEAST_COST, 16).

%% @doc The most that a newcomer's network may cost a tick, where the median of a population's own is this.
-spec bound(Median :: non_neg_integer(), Times :: number()) -> number().
bound(Median, Times) -> Times * max(?LEAST_COST, Median).

%% @doc With the queue that {@link queue/1} gave, before a crash maybe.
-spec new(options(), cambrian_newcomers:newcomers()) -> strangers().
new(Options, Queue) -> #strangers{options = Options, queue = cambrian_newcomers:again(Queue)}.

%% @doc The mean of the last some generations, after one more. One alone may be far quicker than the clock ticks.
-spec paced(pace(), pace()) -> pace().
paced(Last, {0, 0}) -> Last;
paced({Work, Ms}, {Works, Mss}) -> {Works + (Work - Works) / 8, Mss + (Ms - Mss) / 8}.

-spec queue(strangers()) -> cambrian_newcomers:newcomers().
queue(#strangers{queue = Queue}) -> Queue.

-spec add(cambrian_newcomers:newcomer(), strangers()) -> {ok, strangers()} | {error, busy}.
add(Newcomer, #strangers{queue = Queue} = Strangers) ->
    case cambrian_newcomers:add(Newcomer, Queue) of
        {ok, More} -> {ok, Strangers#strangers{queue = More}};
        Busy -> Busy
    end.

%% @doc Has those who wait measured as the genotypes of a population are, unless others are. `Network' makes of a genotype what it
%% stands for there.
-spec invite(Population :: reference(), cambrian_worker:network(), pace(), strangers()) -> strangers().
invite(Population, Network, Pace, #strangers{visit = none, queue = Queue} = Strangers) ->
    case cambrian_newcomers:examine(Queue) of
        {[], _} -> Strangers;
        {Genotypes, Next} ->
            Deadline = deadline(Pace, Strangers),
            Costs = [cambrian_genotype:cost(Genotype) || Genotype <- Genotypes],
            Visit = #visit{tag = make_ref(), job = evaluator, began = now_ms(), deadline = Deadline, costs = Costs},
            measure(Genotypes, Population, Network, Visit, Strangers#strangers{queue = Next})
    end;
invite(_Population, _Network, _Pace, Strangers) -> Strangers.

deadline(_Pace, #strangers{options = #{timeout := Timeout}}) when Timeout =/= undefined -> Timeout;
deadline({_, Ms}, _Strangers) -> at_least(?GENERATIONS * Ms, ?LEAST_MS).

%% In steps, as evaluators serve one deadline.
at_least(Ms, Deadline) when Deadline >= Ms -> Deadline;
at_least(Ms, Deadline) -> at_least(Ms, 2 * Deadline).

measure(Genotypes, Population, _Network, #visit{tag = Tag, deadline = Deadline} = Visit,
        #strangers{options = #{task := #{evaluate := {native, Native}}}} = Strangers) ->
    Job = cambrian_nif:population_examine(Tag, Population, Native, Genotypes, Deadline),
    Strangers#strangers{visit = Visit#visit{job = Job}};
measure(Genotypes, _Population, Network, #visit{tag = Tag, deadline = Deadline} = Visit, Strangers) ->
    #strangers{evaluator = {Evaluator, _}} = Ready = with_evaluator(Deadline, Strangers),
    ok = cambrian_evaluator:evaluate(Evaluator, Tag, Genotypes, Network, infinity),
    Ready#strangers{visit = Visit}.

with_evaluator(Deadline, #strangers{evaluator = {_, Deadline}} = Strangers) -> Strangers;
with_evaluator(Deadline, #strangers{evaluator = {_, _}} = Strangers) -> with_evaluator(Deadline, dismiss(Strangers));
with_evaluator(Deadline, #strangers{options = #{task := #{evaluate := How}, name := Name, memory := Memory}} = Strangers) ->
    {ok, Evaluator} = cambrian_evaluator:start_link(#{name => Name, how => How, timeout => Deadline, memory => Memory, nodes => []}),
    Strangers#strangers{evaluator = {Evaluator, Deadline}}.

dismiss(#strangers{evaluator = none} = Strangers) -> Strangers;
dismiss(#strangers{evaluator = {Evaluator, _}} = Strangers) ->
    unlink(Evaluator),
    exit(Evaluator, shutdown),
    Strangers#strangers{evaluator = none}.

%% @doc A message that came to the population, if it is an answer to this: with the faults that it tells of.
-spec answered(term(), pace(), strangers()) -> {ok, [{pos_integer(), cambrian_fault:fault()}], strangers()} | {error, term()} | ignored.
answered({Tag, {ok, Measured}}, _Pace, #strangers{visit = #visit{tag = Tag}} = Strangers) ->
    {ok, [], done(Measured, Strangers)};
%% What cannot be run at all is at fault itself.
answered({Tag, {error, panicked}}, _Pace, #strangers{visit = #visit{tag = Tag, costs = Costs}} = Strangers) ->
    {ok, [], done([{failed, Cost} || Cost <- Costs], Strangers)};
answered({Tag, {ok, Outcomes, Faults}}, Pace, #strangers{visit = #visit{tag = Tag} = Visit} = Strangers) ->
    {ok, Faults, done(lists:zip(Outcomes, works(Faults, Pace, Visit)), Strangers)};
answered({'EXIT', Evaluator, Reason}, _Pace, #strangers{evaluator = {Evaluator, _}}) -> {error, Reason};
answered(_Message, _Pace, _Strangers) -> ignored.

done(Found, #strangers{queue = Queue} = Strangers) ->
    {Outcomes, Works} = lists:unzip(Found),
    {Measured, Next} = cambrian_newcomers:examined(Outcomes, Queue),
    Done = lists:zipwith(fun({Newcomer, Fitness}, Work) -> {Newcomer, Fitness, Work} end, Measured, Works),
    Strangers#strangers{visit = {done, Done}, queue = cambrian_newcomers:kept([Newcomer || {Newcomer, _} <- Measured], Next)}.

%% By the time that they took, of which their genes say nothing in a task that does not run in Rust: what the population could
%% have done in it. Of those who held it up, if it is known who that was.
works(Faults, {Work, Ms}, #visit{costs = Costs, began = Began}) ->
    Numbered = lists:zip(lists:seq(1, length(Costs)), Costs),
    Blamed = case [Index || {Index, timeout} <- Faults] of [] -> [Index || {Index, _} <- Numbered]; Late -> Late end,
    Each = round(Work * (now_ms() - Began) / (max(1, Ms) * length(Blamed))),
    [case lists:member(Index, Blamed) of true -> max(Cost, Each); false -> Cost end || {Index, Cost} <- Numbered].

%% @doc Those whose fitness is known, the first first.
-spec take(strangers()) -> {[found()], strangers()}.
take(#strangers{visit = {done, Found}, queue = Queue} = Strangers) ->
    {Found, Strangers#strangers{visit = none, queue = cambrian_newcomers:kept([], Queue)}};
take(Strangers) -> {[], Strangers}.

%% @doc As {@link cambrian_newcomers:taken_in/2}.
-spec taken_in(cambrian_newcomers:newcomer(), strangers()) -> strangers().
taken_in(Newcomer, #strangers{queue = Queue} = Strangers) ->
    Strangers#strangers{queue = cambrian_newcomers:taken_in(Newcomer, Queue)}.

%% @doc As {@link cambrian_newcomers:bred/1}.
-spec bred(strangers()) -> strangers().
bred(#strangers{queue = Queue} = Strangers) -> Strangers#strangers{queue = cambrian_newcomers:bred(Queue)}.

%% @doc Without those that are banned, which are told. Where one of them was being measured, the others wait again.
-spec without(fun((cambrian_newcomers:newcomer()) -> boolean()), strangers()) -> {[cambrian_newcomers:newcomer()], strangers()}.
without(IsBanned, #strangers{queue = Queue, visit = Visit} = Strangers) ->
    {{Waiting, Examined}, Left} = cambrian_newcomers:without(IsBanned, Queue),
    Next = Strangers#strangers{queue = Left},
    {Waiting ++ Examined,
     case {Examined, Visit} of
         {[], _} -> Next;
         {_, {done, Found}} -> Next#strangers{visit = {done, [One || {Newcomer, _, _} = One <- Found, not IsBanned(Newcomer)]}};
         {_, #visit{}} -> (halted(Next))#strangers{queue = cambrian_newcomers:put_off(Left)}
     end}.

halted(#strangers{visit = #visit{job = Job}} = Strangers) when is_reference(Job) ->
    ok = cambrian_nif:job_stop(Job),
    Strangers#strangers{visit = none};
halted(Strangers) -> dismiss(Strangers#strangers{visit = none}).

%% @doc Nobody is measured any more.
-spec stop(strangers()) -> ok.
stop(Strangers) ->
    _ = dismiss(halted(Strangers)),
    ok.

now_ms() -> erlang:monotonic_time(millisecond).
