%% @private
%% Genotypes that came to a population from the mesh, as a value: those who wait, those who are
%% being measured, and those who were measured.
%%
%% They are measured beside the population's own and under a deadline of their own, so that one that
%% stalls holds up nobody: what was found is taken in after the generation at hand. What each of
%% them cost is known afterwards, in units of work ({@link cambrian_genotype:cost/1}).
-module(cambrian_strangers).

-export([bound/2, new/2, queue/1, pace/2, add/2, invite/2, measured/4, panicked/1]).
-export([take/1, taken_in/2, bred/1, without/2]).
-export_type([strangers/0, found/0, measure/0]).

-type outcome() :: cambrian_evaluator:outcome() | late.
%% `unmetered' where no units of work are counted, as with evaluators.
-type measure() :: {outcome(), Work :: non_neg_integer() | unmetered}.
-type found() :: {cambrian_newcomers:newcomer(), Fitness :: float() | failed | late,
                  Work :: non_neg_integer()}.

-record(visit, {began :: integer(), costs :: [non_neg_integer()]}).
%% `timeout' is for one evaluation, in ms, if the user said it. `pace' is the mean work and ms of
%% the population's own last generations.
-record(strangers, {timeout :: undefined | pos_integer(),
                    queue :: cambrian_newcomers:newcomers(),
                    pace = {0, 0} :: {Work :: number(), Ms :: number()},
                    visit = none :: none | #visit{} | {done, [found()]}}).
-opaque strangers() :: #strangers{}.

%% A newcomer may take as long as two generations of the population, and at least so many ms.
-define(GENERATIONS, 2).
-define(LEAST_MS, 1000).
%% What a first network costs, of three inputs and some outputs: what is as small is never too
%% costly, or the first generation of a new node would refuse what others have evolved.
-define(LEAST_COST, 16).

%% @doc The most that a newcomer's network may cost a tick, where the median of a population's own
%% is this.
-spec bound(Median :: non_neg_integer(), Times :: number()) -> number().
bound(Median, Times) -> Times * max(?LEAST_COST, Median).

%% @doc With the queue that {@link queue/1} gave, before a crash maybe.
-spec new(Timeout :: undefined | pos_integer(), cambrian_newcomers:newcomers()) -> strangers().
new(Timeout, Queue) -> #strangers{timeout = Timeout, queue = cambrian_newcomers:again(Queue)}.

%% @doc A generation of the population's own took this. The mean of some counts, as one alone may be
%% far quicker than the clock ticks.
-spec pace({Work :: number(), Ms :: number()}, strangers()) -> strangers().
pace(Last, #strangers{pace = {0, 0}} = Strangers) -> Strangers#strangers{pace = Last};
pace({Work, Ms}, #strangers{pace = {Works, Mss}} = Strangers) ->
    Strangers#strangers{pace = {Works + (Work - Works) / 8, Mss + (Ms - Mss) / 8}}.

-spec queue(strangers()) -> cambrian_newcomers:newcomers().
queue(#strangers{queue = Queue}) -> Queue.

-spec add(cambrian_newcomers:newcomer(), strangers()) -> {ok, strangers()} | {error, busy}.
add(Newcomer, #strangers{queue = Queue} = Strangers) ->
    case cambrian_newcomers:add(Newcomer, Queue) of
        {ok, More} -> {ok, Strangers#strangers{queue = More}};
        Busy -> Busy
    end.

%% @doc Those who wait are to be measured, each within so many ms, unless others are.
-spec invite(Now :: integer(), strangers()) ->
          {[cambrian_genotype:genotype(), ...], Deadline :: pos_integer(), strangers()} | none.
invite(Now, #strangers{visit = none, queue = Queue} = Strangers) ->
    case cambrian_newcomers:examine(Queue) of
        {[], _} -> none;
        {Genotypes, Next} ->
            Costs = [cambrian_genotype:cost(Genotype) || Genotype <- Genotypes],
            Visit = #visit{began = Now, costs = Costs},
            {Genotypes, deadline(Strangers), Strangers#strangers{queue = Next, visit = Visit}}
    end;
invite(_Now, _Strangers) -> none.

deadline(#strangers{timeout = undefined, pace = {_, Ms}}) -> at_least(?GENERATIONS * Ms, ?LEAST_MS);
deadline(#strangers{timeout = Timeout}) -> Timeout.

%% In steps, as evaluators serve one deadline.
at_least(Ms, Deadline) when Deadline >= Ms -> Deadline;
at_least(Ms, Deadline) -> at_least(Ms, 2 * Deadline).

%% @doc What was found, in the order in which they were invited.
-spec measured([measure()], [{pos_integer(), cambrian_fault:fault()}], Now :: integer(),
               strangers()) -> strangers().
measured(Found, Faults, Now, #strangers{visit = #visit{} = Visit, pace = Pace} = Strangers) ->
    Estimates = estimates(Faults, Now, Pace, Visit),
    done([{Outcome, case Work of unmetered -> Estimate; _ -> Work end}
          || {{Outcome, Work}, Estimate} <- lists:zip(Found, Estimates)], Strangers).

%% @doc What cannot be run at all is at fault itself.
-spec panicked(strangers()) -> strangers().
panicked(#strangers{visit = #visit{costs = Costs}} = Strangers) ->
    done([{failed, Cost} || Cost <- Costs], Strangers).

done(Found, #strangers{queue = Queue} = Strangers) ->
    {Outcomes, Works} = lists:unzip(Found),
    {Measured, Next} = cambrian_newcomers:examined(Outcomes, Queue),
    Done = [{Newcomer, Fitness, Work} || {{Newcomer, Fitness}, Work} <- lists:zip(Measured, Works)],
    Kept = cambrian_newcomers:kept([Newcomer || {Newcomer, _} <- Measured], Next),
    Strangers#strangers{visit = {done, Done}, queue = Kept}.

%% Genes say nothing of how long a task takes that does not run in Rust. There the time counts: what
%% the population could have done in it, shared by those who held it up, if it is known who did.
estimates(Faults, Now, {Work, Ms}, #visit{costs = Costs, began = Began}) ->
    Numbered = lists:zip(lists:seq(1, length(Costs)), Costs),
    Blamed = case [Index || {Index, timeout} <- Faults] of
                 [] -> [Index || {Index, _} <- Numbered];
                 Late -> Late
             end,
    Each = round(Work * (Now - Began) / (max(1, Ms) * length(Blamed))),
    [case lists:member(Index, Blamed) of true -> max(Cost, Each); false -> Cost end
     || {Index, Cost} <- Numbered].

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
bred(#strangers{queue = Queue} = Strangers) ->
    Strangers#strangers{queue = cambrian_newcomers:bred(Queue)}.

%% @doc Without those that are banned, which are the first of the answer. Where one of them was
%% being measured, that is to be `stopped', and the others wait again.
-spec without(fun((cambrian_newcomers:newcomer()) -> boolean()), strangers()) ->
          {[cambrian_newcomers:newcomer()], stopped | same, strangers()}.
without(IsBanned, #strangers{queue = Queue, visit = Visit} = Strangers) ->
    {{Waiting, Examined}, Left} = cambrian_newcomers:without(IsBanned, Queue),
    Gone = Waiting ++ Examined,
    Next = Strangers#strangers{queue = Left},
    case {Examined, Visit} of
        {[], _} -> {Gone, same, Next};
        {_, {done, Found}} ->
            Allowed = [One || {Newcomer, _, _} = One <- Found, not IsBanned(Newcomer)],
            {Gone, same, Next#strangers{visit = {done, Allowed}}};
        {_, #visit{}} ->
            {Gone, stopped, Next#strangers{visit = none, queue = cambrian_newcomers:put_off(Left)}}
    end.
