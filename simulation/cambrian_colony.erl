%% @private
%% A population of a simulation, as a value. It holds the same {@link cambrian_evolution} as the
%% process of a population, and executes its effects immediately, one generation per call. It waits
%% for Rust, so that no result depends on timing.
-module(cambrian_colony).

-export([new/1, generation/2, offer/5, inject/3, pick/3]).
-export([is_evaluated/1, is_resting/1, is_solved/1, takes/3, champion/1, archive/1, evaluations/1,
         fitness/2, measure/2, behaviour/2, shape/1]).
-export([save/1, saved_champion/1, restore/2, is_sound/1]).
-export_type([colony/0, options/0, event/0]).

%% With `rests', the colony checks whether it has solved the task, and then stops. `stalls' says for
%% which genotypes the evaluation does not end by itself.
-type options() :: #{task := cambrian_task:native(), agents := pos_integer(),
                     seed := non_neg_integer(), params => map(), rests => boolean(),
                     stalls => fun((cambrian_genotype:genotype()) -> boolean()),
                     atom() => term()}.
%% An event of a population for a bridge. The outcome `busy' is returned at once.
-type event() :: cambrian_population:event() | {worked, cambrian_standing:worked()}.

-record(colony, {options :: options(), native :: reference(),
                 evolution :: cambrian_evolution:evolution(),
                 %% the checkpoint in memory, and the last checkpoint on disk
                 memory = #{} :: map(), file = none :: none | map(),
                 %% the events and replies of this call, the last first
                 events = [] :: [event()], replies = [] :: [term()]}).
-opaque colony() :: #colony{}.

%% No fitness is as high: a colony with this target continues to evolve, and runs no trial.
-define(NEVER, 1.0e300).
%% The deadline of an evaluation, in evaluations of the population's own.
-define(STALLED, 5).

-spec new(options()) -> colony().
new(#{task := Task, agents := Agents, seed := Seed} = Options) ->
    {Native, #{inputs := Inputs, outputs := Outputs}} = native(Task),
    Parameters = (maps:get(params, Options, #{}))#{population => Agents},
    {ok, Population} = cambrian_nif:population_new({Inputs, Outputs}, Native, Parameters, Seed, []),
    begin_with(#{population => Population}, Options).

begin_with(Saved, #{task := Task} = Options) ->
    {Native, _} = native(Task),
    Name = case Task of {Of, _} -> Of; _ -> Task end,
    Conf = #{name => colony, task => Name, task_id => atom_to_binary(Name), text => <<>>,
             from => [], by => rust, has_trial => true, newcomer_timeout => undefined},
    Goal = case Options of #{rests := true} -> #{}; _ -> #{target => ?NEVER} end,
    {Effects, Evolution} = cambrian_evolution:new(Conf, Saved#{goal => Goal, running => false}, 0),
    Colony = #colony{options = Options, native = Native, evolution = Evolution},
    {[], [], Begun} = done(carry_out(Effects, 0, Colony)),
    Begun.

%% Caches the task: a dataset or a table of a task takes longer to make than a generation.
native(Task) ->
    cambrian_memo:once({task, Task}, fun() ->
        {ok, Native} = cambrian_task:new(Task),
        {Native, cambrian_nif:task_info(Native)}
    end).

%% @doc How many inputs and outputs a task's genotypes have.
-spec shape(cambrian_task:native()) ->
          #{inputs := pos_integer(), outputs := pos_integer(), atom() => term()}.
shape(Task) -> element(2, native(Task)).

%%% ---- events -----------------------------------------------------------------------------

%% @doc Evaluates the next generation. If the colony `rests' and has solved the task, there is none.
-spec generation(Now :: integer(), colony()) -> {[event()], colony()}.
generation(Now, Colony) ->
    case is_resting(Colony) of
        true -> {[], Colony};
        false ->
            {_, Events, Next} = call({step, 1}, Now, Colony),
            {Events, Next}
    end.

%% @doc Offers a stranger's genotype, as {@link cambrian_population_client:inject_from_mesh/4} does.
-spec offer(cambrian_genotype:genotype(), From :: term(), Bound :: number(), Now :: integer(),
            colony()) -> {[event()], colony()}.
offer(Genotype, From, Bound, Now, Colony) ->
    Stranger = #{cost => cambrian_genotype:cost(Genotype), bound => Bound},
    inject(Genotype, From, Stranger, Now, Colony).

%% @doc Adds a user's genotype, as {@link cambrian_population:inject/2} does.
-spec inject(cambrian_genotype:genotype(), Now :: integer(), colony()) -> {[event()], colony()}.
inject(Genotype, Now, Colony) -> inject(Genotype, undefined, #{}, Now, Colony).

inject(Genotype, From, More, Now, Colony) ->
    #{inputs := Inputs, outputs := Outputs, connections := Size} = cambrian_genotype:info(Genotype),
    Newcomer = More#{genotype => Genotype, size => Size, from => From, told => false},
    case call({inject, {Inputs, Outputs}, Newcomer}, Now, Colony) of
        {[ok], Events, Next} -> {Events, Next};
        {[{error, busy}], Events, Next} ->
            Busy = #{id => cambrian_genotype:id(Genotype), from => From, outcome => busy},
            {Events ++ [{received, Busy}], Next}
    end.

%% @doc Picks a migrant, as {@link cambrian_population:migrant/2} does.
-spec pick(cambrian_population:migration(), Now :: integer(), colony()) ->
          {ok, cambrian_population:champion(), colony()} | {error, not_evaluated}.
pick(champion, _Now, Colony) ->
    case champion(Colony) of
        none -> {error, not_evaluated};
        Champion -> {ok, Champion, Colony}
    end;
pick(Policy, Now, Colony) ->
    case call(draw, Now, Colony) of
        {[{ok, Evaluated, Draw}], _, Next} ->
            {ok, cambrian_nif:population_migrant(Evaluated, Policy, Draw), Next};
        {[Error], _, _} -> Error
    end.

call(Request, Now, Colony) -> done(handle({call, colony, Request}, Now, Colony)).

done(#colony{events = Events, replies = Replies} = Colony) ->
    {lists:reverse(Replies), lists:reverse(Events), Colony#colony{events = [], replies = []}}.

handle(Event, Now, #colony{evolution = Evolution} = Colony) ->
    {Effects, Next} = cambrian_evolution:handle(Event, Now, Evolution),
    carry_out(Effects, Now, Colony#colony{evolution = Next}).

%% The result of a job is an event, which is handled after all earlier effects.
carry_out(Effects, Now, Colony) ->
    {Answers, Done} = lists:foldl(fun(Effect, {Events, C}) ->
                                      case effect(Effect, C) of
                                          {event, Event} -> {[Event | Events], C};
                                          Next -> {Events, Next}
                                      end
                                  end, {[], Colony}, Effects),
    lists:foldl(fun(Event, C) -> handle(Event, Now, C) end, Done, lists:reverse(Answers)).

effect({evaluate, Population, Most, Ms}, #colony{native = Native}) ->
    {event, {evaluated, await(fun(Tag) ->
        cambrian_nif:population_evaluate(Tag, Population, Native, Most, Ms)
    end)}};
effect({'try', Population, Genotype, _Ms}, #colony{native = Native}) ->
    {event, {tried, await(fun(Tag) ->
        cambrian_nif:population_trial(Tag, Population, Native, Genotype)
    end)}};
effect({breed, Evaluated, _Ms}, _Colony) ->
    {event, {bred, await(fun(Tag) -> cambrian_nif:population_next(Tag, Evaluated) end)}};
effect({examine, _Population, Genotypes, _Ms}, Colony) ->
    {event, {examined, [examined(Genotype, Colony) || Genotype <- Genotypes], []}};
effect({measure, _Population, Genotypes, _Ms}, Colony) ->
    {event, {measured, [examined(Genotype, Colony) || Genotype <- Genotypes], []}};
effect({reply, colony, Answer}, #colony{replies = Replies} = Colony) ->
    Colony#colony{replies = [Answer | Replies]};
effect({notify, Event}, #colony{events = Events} = Colony) ->
    Colony#colony{events = [Event | Events]};
effect({account, Worked}, #colony{events = Events} = Colony) ->
    Colony#colony{events = [{worked, Worked} | Events]};
%% A file is due after each generation.
effect({save, Where, Checkpoint}, Colony) -> saved(Where, Checkpoint, Colony);
effect({amend, Where, Changes}, #colony{memory = Memory} = Colony) ->
    saved(Where, maps:merge(Memory, Changes), Colony);
effect({remember, _Lineage}, Colony) -> Colony;
effect({count, _Evaluations}, Colony) -> Colony.

saved(memory, Checkpoint, Colony) -> Colony#colony{memory = Checkpoint};
saved(_, Checkpoint, Colony) -> Colony#colony{memory = Checkpoint, file = Checkpoint}.

await(Post) ->
    {ok, Answer} = cambrian_job:await(Post),
    Answer.

%% A genotype whose evaluation does not end has no fitness after its deadline.
examined(Genotype, #colony{options = #{task := Task}} = Colony) ->
    {_, Work} = Measured = measured(Genotype, Task),
    case is_stalling(Genotype, Colony) of
        true ->
            Own = Work * median(Colony) / cambrian_genotype:cost(Genotype),
            {failed, round(?STALLED * Own)};
        false -> Measured
    end.

is_stalling(Genotype, #colony{options = #{stalls := Stalls}}) -> Stalls(Genotype);
is_stalling(_Genotype, _Colony) -> false.

median(#colony{evolution = Evolution}) ->
    {Median, _Own} =
        cambrian_nif:population_median_costs(cambrian_evolution:population(Evolution)),
    Median.

%%% ---- questions --------------------------------------------------------------------------

%% @doc Whether the colony has evaluated a generation, since a restart if there was one.
-spec is_evaluated(colony()) -> boolean().
is_evaluated(#colony{evolution = Evolution}) ->
    cambrian_evolution:answer(stats, Evolution) =/= {error, not_evaluated}.

%% @doc Whether the colony has nothing left to do.
-spec is_resting(colony()) -> boolean().
is_resting(#colony{options = Options} = Colony) ->
    maps:get(rests, Options, false) andalso is_solved(Colony).

%% @doc How long the evaluation of a stranger takes, relative to the population's median.
-spec takes(cambrian_genotype:genotype(), Bound :: number(), colony()) -> number().
takes(Genotype, Times, Colony) ->
    Cost = cambrian_genotype:cost(Genotype),
    Median = median(Colony),
    case {is_stalling(Genotype, Colony), cambrian_mesh_newcomers:bound(Median, Times)} of
        {true, _} -> ?STALLED;
        {false, Bound} when Cost > Bound -> 0;
        {false, _} -> Cost / max(1, Median)
    end.

-spec champion(colony()) -> none | cambrian_population:champion().
champion(#colony{evolution = Evolution}) ->
    case cambrian_evolution:answer(best, Evolution) of
        {ok, Champion} -> Champion;
        {error, not_evaluated} -> none
    end.

%% @doc That of a population with `search => map_elites'.
-spec archive(colony()) -> {ok, cambrian_archive:archive()} | {error, no_archive}.
archive(#colony{evolution = Evolution}) ->
    cambrian_standing:archive(cambrian_evolution:answer(archive, Evolution)).

-spec is_solved(colony()) -> boolean().
is_solved(#colony{evolution = Evolution}) ->
    maps:get(solved, cambrian_evolution:answer(overview, Evolution)).

-spec evaluations(colony()) -> non_neg_integer().
evaluations(#colony{evolution = Evolution}) ->
    maps:get(evaluations, cambrian_evolution:answer(info, Evolution)).

%% @doc The fitness of a genotype as this node measures it.
-spec fitness(cambrian_genotype:genotype(), colony()) -> {ok, float()} | {error, shape}.
fitness(Genotype, #colony{options = #{task := Task}}) ->
    #{inputs := Inputs, outputs := Outputs} = shape(Task),
    case cambrian_genotype:info(Genotype) of
        #{inputs := Inputs, outputs := Outputs} -> {ok, measure(Genotype, Task)};
        _ -> {error, shape}
    end.

%% @doc The fitness of a genotype of the task's shape.
-spec measure(cambrian_genotype:genotype(), cambrian_task:native()) -> float().
measure(Genotype, Task) ->
    {Score, _Work} = measured(Genotype, Task),
    cambrian_score:fitness(Score).

%% @doc The behaviour of a genotype of the task's shape, as the task tells it.
-spec behaviour(cambrian_genotype:genotype(), cambrian_task:native()) -> [float()].
behaviour(Genotype, Task) ->
    case measured(Genotype, Task) of
        {{_, _, Behaviour, _, _}, _Work} -> Behaviour;
        {_Fitness, _Work} -> []
    end.

%% Returns the fitness and the work.
measured(Genotype, Task) ->
    {Native, _} = native(Task),
    cambrian_memo:once({fitness, Task, cambrian_genotype:id(Genotype)}, fun() ->
        score_network(Native, cambrian_network:compile(Genotype))
    end).

score_network(Native, Network) ->
    Job = fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end,
    case await(Job) of
        {Fitness, _Cases, [], _Objectives, Work} -> {Fitness, Work};
        {Fitness, _Cases, Behaviour, _Objectives, Work} ->
            {{Fitness, [], Behaviour, [], 0}, Work}
    end.

%%% ---- checkpoints ------------------------------------------------------------------------

%% @doc The checkpoint on disk, if there is one.
-spec save(colony()) -> none | binary().
save(#colony{file = none}) -> none;
save(#colony{file = Checkpoint}) -> cambrian_store:encode(Checkpoint).

%% @doc The champion in a checkpoint on disk.
-spec saved_champion(colony()) -> none | cambrian_population:champion().
saved_champion(#colony{file = #{champion := Champion}}) when Champion =/= undefined -> Champion;
saved_champion(_Colony) -> none.

-spec restore(none | binary(), options()) -> colony().
restore(none, Options) -> new(Options);
restore(Bytes, Options) ->
    {ok, Saved} = cambrian_store:decode(Bytes, <<"a colony">>),
    (begin_with(Saved, Options))#colony{file = Saved}.

%% @doc Whether the whole checkpoint can be read back, and the champion has its stated fitness.
-spec is_sound(colony()) -> boolean().
is_sound(#colony{evolution = Evolution} = Colony) ->
    Population = cambrian_nif:population_encode(cambrian_evolution:population(Evolution)),
    is_readable(cambrian_nif:population_decode(Population))
        andalso is_sound_champion(champion(Colony), Colony).

is_sound_champion(none, _Colony) -> true;
is_sound_champion(#{champion := Genotype, fitness := Fitness}, #colony{native = Native}) ->
    Measured = score_network(Native, cambrian_network:compile(Genotype)),
    is_readable(cambrian_genotype:from_binary(cambrian_genotype:to_binary(Genotype))) andalso
        Fitness =:= cambrian_score:fitness(element(1, Measured)).

is_readable({ok, _}) -> true;
is_readable(_) -> false.
