%% @private
%% The newcomers of a population that came from the mesh, as a value: see {@link
%% cambrian_newcomer_queue}.
%%
%% Newcomers are measured at the same time as the population's own genotypes and under a separate
%% deadline, so that a genotype that stalls does not delay the population. The results are used
%% after the present generation. A measurement also finds the cost of each newcomer, in units of
%% work ({@link cambrian_genotype:cost/1}).
-module(cambrian_mesh_newcomers).

-export([bound/2, cost/3, new/2, queue/1, pace/2, add/2, start_measuring/2, measured/4]).
-export([panicked/1, take_measured/1, admitted/2, next_generation/1, without/2]).
-export_type([mesh_newcomers/0, found/0, measure/0, cost/0]).

-type outcome() :: cambrian_evaluator:outcome() | late.
%% The work is `unmetered' if evaluators measured, because only Rust counts units of work.
-type measure() :: {outcome(), Work :: non_neg_integer() | unmetered}.
-type found() :: {cambrian_newcomer_queue:newcomer(), cambrian_score:score() | failed | late,
                  Work :: non_neg_integer()}.

%% What counts as the median cost of a population's networks, in the generation of its last use.
-type cost() :: {Generation :: non_neg_integer(), Median :: number()}.

-record(measurement, {began :: integer(), costs :: [non_neg_integer()]}).
%% `timeout' is the user's limit for one evaluation, in ms. `pace' is the mean work and the mean
%% time, in ms, of the population's last generations.
-record(mesh, {timeout :: undefined | pos_integer(),
               queue :: cambrian_newcomer_queue:queue(),
               pace = {0, 0} :: {Work :: number(), Ms :: number()},
               measurement = none :: none | #measurement{} | {done, [found()]}}).
-opaque mesh_newcomers() :: #mesh{}.

%% By default a newcomer may take as long as two generations of the population, and at least so many
%% ms.
-define(GENERATIONS, 2).
-define(LEAST_MS, 1000).
%% The cost of a first network of three inputs and some outputs. A newcomer below a multiple of that
%% cost is never too costly: otherwise the first generation of a new node would refuse the evolved
%% genotypes of other nodes.
-define(LEAST_COST, 16).
-define(GENERATIONS_TO_DOUBLE, 1000).

%% @doc The highest cost of a newcomer's network, by the median of the population's own networks.
-spec bound(Median :: non_neg_integer(), Times :: number()) -> number().
bound(Median, Times) -> Times * max(?LEAST_COST, Median).

%% @doc What counts as the median cost in this generation: the median of all networks, but genes
%% from other nodes make it at most twice as high in 1,000 generations. Otherwise a few newcomers,
%% each just below the bound, would raise the bound without limit. The median of the networks
%% without such genes, `Own', always counts; it is 0 if there are none.
-spec cost(Generation :: non_neg_integer(), {All, Own}, Last :: cost()) -> cost()
          when All :: non_neg_integer(), Own :: non_neg_integer().
cost(Generation, {All, Own}, {Before, Median}) ->
    Doublings = max(0, Generation - Before) / ?GENERATIONS_TO_DOUBLE,
    Grown = max(?LEAST_COST, Median) * math:pow(2, min(64, Doublings)),
    {Generation, max(Own, min(All, Grown))}.

%% @doc Starts with a queue that {@link queue/1} returned, maybe before a crash.
-spec new(Timeout :: undefined | pos_integer(), cambrian_newcomer_queue:queue()) ->
          mesh_newcomers().
new(Timeout, Queue) ->
    #mesh{timeout = Timeout, queue = cambrian_newcomer_queue:requeue(Queue)}.

%% @doc Records how much work and time the last generation took. The mean of several generations is
%% used, because one generation may be much shorter than the clock's resolution.
-spec pace({Work :: number(), Ms :: number()}, mesh_newcomers()) -> mesh_newcomers().
pace(Last, #mesh{pace = {0, 0}} = Mesh) -> Mesh#mesh{pace = Last};
pace({Work, Ms}, #mesh{pace = {MeanWork, MeanMs}} = Mesh) ->
    Mesh#mesh{pace = {MeanWork + (Work - MeanWork) / 8, MeanMs + (Ms - MeanMs) / 8}}.

-spec queue(mesh_newcomers()) -> cambrian_newcomer_queue:queue().
queue(#mesh{queue = Queue}) -> Queue.

-spec add(cambrian_newcomer_queue:newcomer(), mesh_newcomers()) ->
          {ok, mesh_newcomers()} | {error, busy}.
add(Newcomer, #mesh{queue = Queue} = Mesh) ->
    case cambrian_newcomer_queue:add(Newcomer, Queue) of
        {ok, Longer} -> {ok, Mesh#mesh{queue = Longer}};
        Busy -> Busy
    end.

%% @doc All waiting newcomers, with the deadline for each in ms. Returns `none' if none waits or a
%% measurement is running.
-spec start_measuring(Now :: integer(), mesh_newcomers()) ->
          {[cambrian_genotype:genotype(), ...], Deadline :: pos_integer(), mesh_newcomers()}
        | none.
start_measuring(Now, #mesh{measurement = none, queue = Queue} = Mesh) ->
    case cambrian_newcomer_queue:start_measuring(Queue) of
        {[], _} -> none;
        {Genotypes, Next} ->
            Costs = [cambrian_genotype:cost(Genotype) || Genotype <- Genotypes],
            Measurement = #measurement{began = Now, costs = Costs},
            {Genotypes, deadline(Mesh), Mesh#mesh{queue = Next, measurement = Measurement}}
    end;
start_measuring(_Now, _Mesh) -> none.

deadline(#mesh{timeout = undefined, pace = {_, Ms}}) -> at_least(?GENERATIONS * Ms, ?LEAST_MS);
deadline(#mesh{timeout = Timeout}) -> Timeout.

%% The deadline grows in steps, because an evaluator has one deadline for its whole life.
at_least(Ms, Deadline) when Deadline >= Ms -> Deadline;
at_least(Ms, Deadline) -> at_least(Ms, 2 * Deadline).

%% @doc Adds the measurements, in the order of the genotypes of {@link start_measuring/2}.
-spec measured([measure()], [{pos_integer(), cambrian_fault:fault()}], Now :: integer(),
               mesh_newcomers()) -> mesh_newcomers().
measured(Found, Faults, Now, #mesh{measurement = #measurement{} = Begun, pace = Pace} = Mesh) ->
    Estimates = estimates(Faults, Now, Pace, Begun),
    done([{Outcome, case Work of unmetered -> Estimate; _ -> Work end}
          || {{Outcome, Work}, Estimate} <- lists:zip(Found, Estimates)], Mesh).

%% @doc The whole measurement failed, so all its newcomers have failed.
-spec panicked(mesh_newcomers()) -> mesh_newcomers().
panicked(#mesh{measurement = #measurement{costs = Costs}} = Mesh) ->
    done([{failed, Cost} || Cost <- Costs], Mesh).

done(Found, #mesh{queue = Queue} = Mesh) ->
    {Outcomes, Works} = lists:unzip(Found),
    {Measured, Next} = cambrian_newcomer_queue:measured(Outcomes, Queue),
    Done = [{Newcomer, Outcome, Work} || {{Newcomer, Outcome}, Work} <- lists:zip(Measured, Works)],
    Held = cambrian_newcomer_queue:hold([Newcomer || {Newcomer, _} <- Measured], Next),
    Mesh#mesh{measurement = {done, Done}, queue = Held}.

%% Genes do not tell how long an evaluation outside Rust takes. For such a task the time is used:
%% the work that the population could have done in that time, divided among the newcomers that
%% exceeded the deadline or, if none did, among all.
estimates(Faults, Now, {Work, Ms}, #measurement{costs = Costs, began = Began}) ->
    Numbered = lists:zip(lists:seq(1, length(Costs)), Costs),
    Blamed = case [Index || {Index, timeout} <- Faults] of
                 [] -> [Index || {Index, _} <- Numbered];
                 Late -> Late
             end,
    Each = round(Work * (Now - Began) / (max(1, Ms) * length(Blamed))),
    [case lists:member(Index, Blamed) of true -> max(Cost, Each); false -> Cost end
     || {Index, Cost} <- Numbered].

%% @doc Takes the measured newcomers out of the value, in order of arrival.
-spec take_measured(mesh_newcomers()) -> {[found()], mesh_newcomers()}.
take_measured(#mesh{measurement = {done, Found}, queue = Queue} = Mesh) ->
    {Found, Mesh#mesh{measurement = none, queue = cambrian_newcomer_queue:hold([], Queue)}};
take_measured(Mesh) -> {[], Mesh}.

%% @doc As {@link cambrian_newcomer_queue:admitted/2}.
-spec admitted(cambrian_newcomer_queue:newcomer(), mesh_newcomers()) -> mesh_newcomers().
admitted(Newcomer, #mesh{queue = Queue} = Mesh) ->
    Mesh#mesh{queue = cambrian_newcomer_queue:admitted(Newcomer, Queue)}.

%% @doc As {@link cambrian_newcomer_queue:next_generation/1}.
-spec next_generation(mesh_newcomers()) -> mesh_newcomers().
next_generation(#mesh{queue = Queue} = Mesh) ->
    Mesh#mesh{queue = cambrian_newcomer_queue:next_generation(Queue)}.

%% @doc Removes banned newcomers and returns them. If one of them is being measured, the caller must
%% stop the measurement (`stopped'), and the other newcomers wait again.
-spec without(fun((cambrian_newcomer_queue:newcomer()) -> boolean()), mesh_newcomers()) ->
          {[cambrian_newcomer_queue:newcomer()], stopped | same, mesh_newcomers()}.
without(IsBanned, #mesh{queue = Queue, measurement = Measurement} = Mesh) ->
    {{Waiting, Measuring}, Left} = cambrian_newcomer_queue:without(IsBanned, Queue),
    Banned = Waiting ++ Measuring,
    Next = Mesh#mesh{queue = Left},
    case {Measuring, Measurement} of
        {[], _} -> {Banned, same, Next};
        {_, {done, Found}} ->
            Allowed = [One || {Newcomer, _, _} = One <- Found, not IsBanned(Newcomer)],
            {Banned, same, Next#mesh{measurement = {done, Allowed}}};
        {_, #measurement{}} ->
            Waits = cambrian_newcomer_queue:stop_measuring(Left),
            {Banned, stopped, Next#mesh{measurement = none, queue = Waits}}
    end.
