%% @private
%% All newcomers of a population, as a value, from the offer until they are admitted or refused. A
%% newcomer is a genotype that was not bred by this population. There are two kinds. A user injects
%% a genotype: the population trusts it and measures it between two generations. The mesh brings a
%% genotype: {@link cambrian_mesh_newcomers} measures it at the same time as the population.
-module(cambrian_newcomers).

-export([new/2, saved/1, offer/4, on_mesh/2, start_mesh/2]).
-export([start_injected/1, stop_injected/1, admit_injected/3, admit_mesh/4, next_generation/1]).
-export([without/2, begin_again/2]).
-export_type([newcomers/0, verdict/0]).

-record(newcomers, {injected :: cambrian_newcomer_queue:queue(),
                    mesh :: cambrian_mesh_newcomers:mesh_newcomers(),
                    %% how many newcomers from the mesh this generation has admitted
                    admitted = 0 :: non_neg_integer(),
                    %% the population's cost by which newcomers are bounded, computed at the first
                    %% use in a generation
                    cost = none :: none | {reference(), cambrian_mesh_newcomers:cost()}}).
-opaque newcomers() :: #newcomers{}.
%% A judged newcomer, and the content of the event that subscribers get.
-type verdict() :: {cambrian_newcomer_queue:newcomer(), #{outcome := atom(), atom() => term()}}.

%% Each generation admits one newcomer from the mesh for so many genotypes of the population.
-define(SIZE_PER_ADMITTED, 10).

%% @doc Starts from the result of {@link saved/1}, in the same VM. All newcomers wait again.
-spec new(Timeout :: undefined | pos_integer(), Saved :: map()) -> newcomers().
new(Timeout, Saved) ->
    Queue = fun(Key) -> maps:get(Key, Saved, cambrian_newcomer_queue:new()) end,
    #newcomers{injected = cambrian_newcomer_queue:requeue(Queue(injected)),
               mesh = cambrian_mesh_newcomers:new(Timeout, Queue(from_mesh)),
               cost = maps:get(cost, Saved, none)}.

%% @doc The part of a checkpoint in memory.
-spec saved(newcomers()) ->
          #{injected | from_mesh := cambrian_newcomer_queue:queue(),
            cost := none | {Population :: reference(), cambrian_mesh_newcomers:cost()}}.
saved(#newcomers{injected = Injected, mesh = Mesh, cost = Cost}) ->
    #{injected => Injected, from_mesh => cambrian_mesh_newcomers:queue(Mesh), cost => Cost}.

%% @doc Offers a newcomer to a population whose networks have this shape.
-spec offer(Shape :: {pos_integer(), pos_integer()}, cambrian_newcomer_queue:newcomer(),
            Population :: reference(), newcomers()) ->
          {waits, newcomers()} | {refused, verdict(), newcomers()} | {error, busy}.
offer(Shape, Newcomer, Population, Newcomers) ->
    #{inputs := Inputs, outputs := Outputs} = cambrian_nif:population_info(Population),
    case Shape of
        {Inputs, Outputs} when is_map_key(bound, Newcomer) ->
            offer_mesh(Newcomer, with_cost(Population, Newcomers));
        {Inputs, Outputs} -> offer_injected(Newcomer, Newcomers);
        _ -> {refused, {Newcomer, #{outcome => shape}}, Newcomers}
    end.

offer_injected(Newcomer, #newcomers{injected = Injected} = Newcomers) ->
    case cambrian_newcomer_queue:add(Newcomer, Injected) of
        {ok, Longer} -> {waits, Newcomers#newcomers{injected = Longer}};
        Busy -> Busy
    end.

%% The genes give the cost before a network is compiled.
offer_mesh(#{cost := Cost, bound := Times} = Newcomer,
           #newcomers{mesh = Mesh, cost = {_, {_, Median}}} = Newcomers) ->
    case cambrian_mesh_newcomers:bound(Median, Times) of
        Bound when Cost > Bound ->
            Why = #{outcome => too_costly, cost => Cost, median => round(Median),
                    bound => round(Bound)},
            {refused, {Newcomer, Why}, Newcomers};
        _ ->
            case cambrian_mesh_newcomers:add(Newcomer, Mesh) of
                {ok, More} -> {waits, Newcomers#newcomers{mesh = More}};
                Busy -> Busy
            end
    end.

with_cost(Population, #newcomers{cost = {Population, _}} = Newcomers) -> Newcomers;
with_cost(Population, #newcomers{cost = Last} = Newcomers) ->
    Medians = cambrian_nif:population_median_costs(Population),
    #{generation := Generation} = cambrian_nif:population_info(Population),
    Newcomers#newcomers{cost = {Population, cost(Generation, Medians, Last)}}.

cost(Generation, {All, _Own}, none) -> {Generation, All};
cost(Generation, Medians, {_, Last}) ->
    cambrian_mesh_newcomers:cost(Generation, Medians, Last).

%%% ---- from the mesh: measured at the same time as the population -------------------------

%% @doc Applies a function of {@link cambrian_mesh_newcomers} to the newcomers from the mesh.
-spec on_mesh(fun((Mesh) -> Mesh), newcomers()) -> newcomers()
          when Mesh :: cambrian_mesh_newcomers:mesh_newcomers().
on_mesh(Fun, #newcomers{mesh = Mesh} = Newcomers) -> Newcomers#newcomers{mesh = Fun(Mesh)}.

%% @doc As {@link cambrian_mesh_newcomers:start_measuring/2}.
-spec start_mesh(Now :: integer(), newcomers()) ->
          {[cambrian_genotype:genotype(), ...], Deadline :: pos_integer(), newcomers()} | none.
start_mesh(Now, #newcomers{mesh = Mesh} = Newcomers) ->
    case cambrian_mesh_newcomers:start_measuring(Now, Mesh) of
        none -> none;
        {Genotypes, Deadline, Next} ->
            {Genotypes, Deadline, Newcomers#newcomers{mesh = Next}}
    end.

%%% ---- injected: measured between two generations -----------------------------------------

%% @doc The waiting injected newcomers. They are being measured from now on.
-spec start_injected(newcomers()) -> {[cambrian_genotype:genotype(), ...], newcomers()} | none.
start_injected(#newcomers{injected = Injected} = Newcomers) ->
    case cambrian_newcomer_queue:start_measuring(Injected) of
        {[], _} -> none;
        {Genotypes, Next} -> {Genotypes, Newcomers#newcomers{injected = Next}}
    end.

%% @doc There is no time to measure them, so they wait until the population rests or continues.
-spec stop_injected(newcomers()) -> newcomers().
stop_injected(#newcomers{injected = Injected} = Newcomers) ->
    Newcomers#newcomers{injected = cambrian_newcomer_queue:stop_measuring(Injected)}.

%%% ---- admission --------------------------------------------------------------------------

%% @doc Judges the measured injected newcomers. Each newcomer that is better than the worst genotype
%% of its species replaces that genotype.
-spec admit_injected([cambrian_mesh_newcomers:measure()], Evaluated :: reference(), newcomers()) ->
          {[verdict()], Evaluated :: reference(), newcomers()}.
admit_injected(Found, Evaluated, #newcomers{injected = Injected} = Newcomers) ->
    {Outcomes, Works} = lists:unzip(Found),
    {Measured, Next} = cambrian_newcomer_queue:measured(Outcomes, Injected),
    All = [{Newcomer, Outcome, work(Work, Newcomer)}
           || {{Newcomer, Outcome}, Work} <- lists:zip(Measured, Works)],
    Admit = fun({Newcomer, _, _} = One, Before, N) ->
                case admit(One, Before) of
                    {accepted, Verdict, With} -> {Verdict, With, admitted(Newcomer, N)};
                    {refused, Verdict} -> {Verdict, Before, N}
                end
            end,
    admit_all(Admit, All, Evaluated, Newcomers#newcomers{injected = Next}).

admitted(Newcomer, #newcomers{injected = Injected} = Newcomers) ->
    Newcomers#newcomers{injected = cambrian_newcomer_queue:admitted(Newcomer, Injected)}.

work(unmetered, #{genotype := Genotype}) -> cambrian_genotype:cost(Genotype);
work(Work, _Newcomer) -> Work.

%% Each newcomer is judged by the generation that already has the admitted newcomers before it.
admit_all(Admit, All, Evaluated, Newcomers) ->
    {Verdicts, {With, Next}} =
        lists:mapfoldl(fun(One, {Before, N}) ->
                           {Verdict, After, Left} = Admit(One, Before, N),
                           {Verdict, {After, Left}}
                       end, {Evaluated, Newcomers}, All),
    {Verdicts, With, Next}.

%% @doc Judges the newcomers from the mesh that were measured since the last call; `none' if there
%% are none. Each generation admits at most a tenth of the population's size, so that many newcomers
%% do not take all places. A newcomer that is better than the champion is admitted above that limit
%% too, and so is an elite of a common archive.
-spec admit_mesh(Evaluated :: reference(), Population :: reference(),
                 IsBest :: fun((float()) -> boolean()), newcomers()) ->
          {[verdict()], Evaluated :: reference(), newcomers()} | none.
admit_mesh(Evaluated, Population, IsBest, #newcomers{mesh = Mesh} = Newcomers) ->
    case cambrian_mesh_newcomers:take_measured(Mesh) of
        {[], _} -> none;
        {Found, Next} ->
            Parameters = cambrian_nif:population_parameters(Population),
            Admit = fun({Newcomer, _, _} = One, Before, N) ->
                        admit_mesh(One, Before, most_admitted(Newcomer, Parameters), IsBest, N)
                    end,
            admit_all(Admit, Found, Evaluated, Newcomers#newcomers{mesh = Next})
    end.

%% In an archive that is held in common, a newcomer takes nothing but its own cell.
most_admitted(#{from := #{common := true}}, #{search := map_elites}) -> infinity;
most_admitted(_Newcomer, #{population := Size}) -> max(1, Size div ?SIZE_PER_ADMITTED).

admit_mesh({Newcomer, Outcome, Work} = One, Evaluated, Most, IsBest, Newcomers) ->
    #newcomers{admitted = Admitted} = Newcomers,
    Fitness = cambrian_evaluator:fitness(Outcome),
    case is_float(Fitness) andalso Admitted >= Most andalso not IsBest(Fitness) of
        true ->
            Verdict = #{outcome => full, fitness => Fitness, work => Work},
            {{Newcomer, Verdict}, Evaluated, Newcomers};
        false ->
            case admit(One, Evaluated) of
                {accepted, Verdict, With} -> {Verdict, With, mesh_admitted(Newcomer, Newcomers)};
                {refused, Verdict} -> {Verdict, Evaluated, Newcomers}
            end
    end.

mesh_admitted(Newcomer, #newcomers{mesh = Mesh, admitted = Admitted} = Newcomers) ->
    Newcomers#newcomers{mesh = cambrian_mesh_newcomers:admitted(Newcomer, Mesh),
                        admitted = Admitted + 1}.

admit({Newcomer, NoFitness, Work}, _Evaluated) when NoFitness =:= failed; NoFitness =:= late ->
    {refused, {Newcomer, #{outcome => NoFitness, work => Work}}};
admit({#{genotype := Genotype, from := From} = Newcomer, Score, Work}, Evaluated) ->
    Found = maps:merge(#{fitness => cambrian_score:fitness(Score), work => Work},
                       behaviour(Evaluated, Genotype, Score)),
    Keys = cambrian_purge:keys(From),
    case cambrian_nif:population_inject(Evaluated, Genotype, Score, Keys) of
        {ok, With} -> {accepted, {Newcomer, Found#{outcome => accepted}}, With};
        {error, Reason} -> {refused, {Newcomer, Found#{outcome => Reason}}}
    end.

%% By which it has its cell, in a search with an archive.
behaviour(Evaluated, Genotype, Score) ->
    case cambrian_nif:population_behaviour_of(Evaluated, Genotype, Score) of
        [] -> #{};
        Behaviour -> #{behaviour => Behaviour}
    end.

%% @doc As {@link cambrian_newcomer_queue:next_generation/1}, for both kinds.
-spec next_generation(newcomers()) -> newcomers().
next_generation(#newcomers{injected = Injected, mesh = Mesh} = Newcomers) ->
    Newcomers#newcomers{injected = cambrian_newcomer_queue:next_generation(Injected),
                        mesh = cambrian_mesh_newcomers:next_generation(Mesh), admitted = 0}.

%%% ---- bans -------------------------------------------------------------------------------

%% @doc Removes banned newcomers, and returns them as `banned'. Also says whether the job that
%% measures the injected newcomers, or the measurement for the mesh, must be stopped, because it
%% contains a banned newcomer.
-spec without(cambrian_purge:banned(), newcomers()) ->
          {#{banned := [cambrian_newcomer_queue:newcomer()], injected := stopped | same,
             mesh := stopped | same}, newcomers()}.
without(Banned, #newcomers{injected = Injected, mesh = Mesh} = Newcomers) ->
    IsBanned = fun(One) -> cambrian_purge:is_newcomer(One, Banned) end,
    {{Waiting, Measuring}, Left} = cambrian_newcomer_queue:without(IsBanned, Injected),
    {FromMesh, Measurement, MeshLeft} = cambrian_mesh_newcomers:without(IsBanned, Mesh),
    Job = case Measuring of [] -> same; _ -> stopped end,
    {#{banned => Waiting ++ Measuring ++ FromMesh, injected => Job, mesh => Measurement},
     Newcomers#newcomers{injected = Left, mesh = MeshLeft}}.

%% @doc The present generation begins again. If it begins as it was `evaluated', it contains the
%% newcomers that it admitted. If it begins from the `start', they wait again.
-spec begin_again(evaluated | start, newcomers()) -> newcomers().
begin_again(start, #newcomers{injected = Injected} = Newcomers) ->
    Newcomers#newcomers{injected = cambrian_newcomer_queue:requeue(Injected)};
begin_again(evaluated, #newcomers{injected = Injected, mesh = Mesh} = Newcomers) ->
    Left = cambrian_newcomer_queue:next_generation(Injected),
    Newcomers#newcomers{injected = cambrian_newcomer_queue:requeue(Left),
                        mesh = cambrian_mesh_newcomers:next_generation(Mesh)}.
