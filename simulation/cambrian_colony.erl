%% @private
%% A population as a value: the one that {@link cambrian_population} drives with a process, driven by whoever holds it, one
%% generation at a call. What is sent to Rust is waited for, so that nothing depends on who was faster.
-module(cambrian_colony).

-export([new/1, generation/1, work/1, is_resting/1, takes/3, admit/2, admit/3, stall/3, pick/2, champion/1, is_solved/1, evaluations/1, save/1,
         restore/2, is_sound/1, fitness/2, measure/2, shape/1]).
-export_type([colony/0, options/0, champion/0]).

%% `rests', if it is to find out whether it has solved the task, and to stop then.
-type options() :: #{task := cambrian_task:native(), agents := pos_integer(), seed := non_neg_integer(), params => map(),
                     rests => boolean(), atom() => term()}.
-type champion() :: #{champion := cambrian_genotype:genotype(), fitness := float(), generation := non_neg_integer(),
                      parents := [cambrian_genotype:id()], operators := [atom()]}.
%% As of a `received' event of {@link cambrian_population}.
-type outcome() :: #{id := cambrian_genotype:id(), fitness => float(), work => non_neg_integer(), cost => non_neg_integer(),
                     median => non_neg_integer(), bound => number(),
                     outcome := accepted | not_better | known | shape | failed | not_finite | too_costly}.

-record(colony, {native :: reference(),
                 task :: cambrian_task:native(),
                 %% the generation that is there, and the same once it was evaluated
                 population :: reference(),
                 evaluated = undefined :: undefined | reference(),
                 champion = none :: none | champion(),
                 solved = false :: boolean(), rests = false :: boolean(),
                 %% migrants so far
                 drawn = 0 :: non_neg_integer()}).
-opaque colony() :: #colony{}.

-spec new(options()) -> colony().
new(#{task := Task, agents := Agents, seed := Seed} = Options) ->
    {Native, #{inputs := Inputs, outputs := Outputs}} = native(Task),
    Parameters = (maps:get(params, Options, #{}))#{population => Agents},
    {ok, Population} = cambrian_nif:population_new({Inputs, Outputs}, Native, Parameters, Seed, []),
    #colony{native = Native, task = Task, population = Population, rests = maps:get(rests, Options, false)}.

%% A dataset or a table of a task takes longer to make than a generation.
native(Task) ->
    cambrian_memo:once({task, Task}, fun() ->
        {ok, Native} = cambrian_task:new(Task),
        {Native, cambrian_nif:task_info(Native)}
    end).

%% @doc How many inputs and outputs a task's genotypes have.
-spec shape(cambrian_task:native()) -> #{inputs := pos_integer(), outputs := pos_integer(), atom() => term()}.
shape(Task) -> element(2, native(Task)).

%% @doc The next generation, evaluated; `improved' if its champion is better than all before, once it has
%% solved the task there is none, where it rests then.
-spec generation(colony()) -> {improved | same, colony()}.
generation(#colony{solved = true, rests = true} = Colony) -> {same, Colony};
generation(#colony{population = Population, evaluated = undefined, native = Native} = Colony) ->
    {ok, Evaluated} = cambrian_job:await(fun(Tag) -> cambrian_nif:population_evaluate(Tag, Population, Native, infinity, infinity) end),
    judge(Colony#colony{evaluated = Evaluated});
generation(#colony{evaluated = Evaluated} = Colony) ->
    {ok, Population} = cambrian_job:await(fun(Tag) -> cambrian_nif:population_next(Tag, Evaluated) end),
    generation(Colony#colony{population = Population, evaluated = undefined}).

judge(#colony{evaluated = Evaluated, champion = Old} = Colony) ->
    Champion = cambrian_nif:population_evaluated_champion(Evaluated),
    Judged = try_contender(Colony#colony{champion = better(Champion, Old)}),
    case Judged#colony.champion of
        Old -> {same, Judged};
        _ -> {improved, Judged}
    end.

better(#{fitness := New}, #{fitness := Old} = Champion) when New =< Old -> Champion;
better(Champion, _) -> Champion.

%% Whether somebody here solves the task by its own criterion, which may take longer than a generation.
try_contender(#colony{rests = false} = Colony) -> Colony;
try_contender(#colony{evaluated = Evaluated, population = Population, native = Native} = Colony) ->
    case cambrian_nif:population_contender(Evaluated) of
        undefined -> Colony;
        {Contender, _, Next} ->
            Network = network(Contender, Population),
            {ok, #{solved := Solved}} = cambrian_job:await(fun(Tag) -> cambrian_nif:task_trial(Tag, Native, Network) end),
            Colony#colony{evaluated = Next, solved = Colony#colony.solved orelse Solved}
    end.

%% @doc What the evaluation of the last generation cost, in units of work.
-spec work(colony()) -> non_neg_integer().
work(#colony{evaluated = undefined}) -> 0;
work(#colony{evaluated = Evaluated}) -> cambrian_nif:population_work(Evaluated).

-spec is_resting(colony()) -> boolean().
is_resting(#colony{solved = Solved, rests = Rests}) -> Solved andalso Rests.

%% @doc A stranger's genotype, as {@link cambrian_population:inject_stranger/4} treats it.
-spec admit(cambrian_genotype:genotype(), Bound :: number(), colony()) -> {outcome(), improved | same, colony()}.
admit(Genotype, Times, Colony) ->
    case price(Genotype, Times, Colony) of
        #{cost := Cost, bound := Bound} = Price when Cost > Bound ->
            {Price#{id => cambrian_genotype:id(Genotype), outcome => too_costly}, same, Colony};
        _ -> admit(Genotype, Colony)
    end.

price(Genotype, Times, #colony{population = Population}) ->
    Median = cambrian_nif:population_median_cost(Population),
    #{cost => cambrian_genotype:cost(Genotype), median => Median, bound => cambrian_strangers:bound(Median, Times)}.

%% @doc How long its evaluation takes, where 1 is that of the population's median.
-spec takes(cambrian_genotype:genotype(), Bound :: number(), colony()) -> number().
takes(Genotype, Times, Colony) ->
    case price(Genotype, Times, Colony) of
        #{cost := Cost, bound := Bound} when Cost > Bound -> 0;
        #{cost := Cost, median := Median} -> Cost / max(1, Median)
    end.

%% @doc A stranger's genotype whose evaluation was ended after as long as so many of the population's own take.
-spec stall(cambrian_genotype:genotype(), Evaluations :: number(), colony()) -> {outcome(), same, colony()}.
stall(Genotype, Evaluations, #colony{task = Task, population = Population} = Colony) ->
    {_, Work} = measured(Genotype, Task),
    Own = Work * cambrian_nif:population_median_cost(Population) / cambrian_genotype:cost(Genotype),
    {#{id => cambrian_genotype:id(Genotype), outcome => failed, work => round(Evaluations * Own)}, same, Colony}.

%% @doc A genotype from elsewhere is measured here, and taken in if it is worth it.
-spec admit(cambrian_genotype:genotype(), colony()) -> {outcome(), improved | same, colony()}.
admit(Genotype, #colony{evaluated = undefined} = Colony) ->
    {_, Evaluated} = generation(Colony),
    admit(Genotype, Evaluated);
admit(Genotype, #colony{evaluated = Evaluated} = Colony) ->
    Id = cambrian_genotype:id(Genotype),
    case score(Genotype, Colony) of
        {ok, {Fitness, Work}} ->
            case cambrian_nif:population_inject(Evaluated, Genotype, Fitness, []) of
                {ok, With} ->
                    {Change, Judged} = judge(Colony#colony{evaluated = With}),
                    {#{id => Id, fitness => Fitness, work => Work, outcome => accepted}, Change, Judged};
                {error, Reason} -> {#{id => Id, fitness => Fitness, work => Work, outcome => Reason}, same, Colony}
            end;
        {error, shape} -> {#{id => Id, outcome => shape}, same, Colony}
    end.

%% @doc As it is measured on this node.
-spec fitness(cambrian_genotype:genotype(), colony()) -> {ok, float()} | {error, shape}.
fitness(Genotype, Colony) ->
    case score(Genotype, Colony) of
        {ok, {Fitness, _Work}} -> {ok, Fitness};
        Error -> Error
    end.

score(Genotype, #colony{task = Task}) ->
    #{inputs := Inputs, outputs := Outputs} = shape(Task),
    case cambrian_genotype:info(Genotype) of
        #{inputs := Inputs, outputs := Outputs} -> {ok, measured(Genotype, Task)};
        _ -> {error, shape}
    end.

%% @doc The fitness of a genotype of the task's shape.
-spec measure(cambrian_genotype:genotype(), cambrian_task:native()) -> float().
measure(Genotype, Task) -> element(1, measured(Genotype, Task)).

%% With the work of it.
measured(Genotype, Task) ->
    {Native, _} = native(Task),
    cambrian_memo:once({fitness, Task, cambrian_genotype:id(Genotype)}, fun() ->
        score_network(Native, cambrian_network:compile(Genotype))
    end).

score_network(Native, Network) ->
    {ok, {Fitness, _Cases, Work}} = cambrian_job:await(fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end),
    {Fitness, Work}.

network(Genotype, Population) ->
    case cambrian_nif:population_network(Population, Genotype) of
        dirty ->
            {ok, Network} = cambrian_job:answer(fun(Tag) -> cambrian_nif:population_network_job(Tag, Population, Genotype) end),
            Network;
        Network -> Network
    end.

%% @doc Whom to send elsewhere.
-spec pick(cambrian_population:migration(), colony()) -> {ok, champion(), colony()} | {error, not_evaluated}.
pick(_Policy, #colony{evaluated = undefined}) -> {error, not_evaluated};
pick(champion, #colony{champion = Champion} = Colony) -> {ok, Champion, Colony};
pick(Policy, #colony{evaluated = Evaluated, drawn = Drawn} = Colony) ->
    {ok, cambrian_nif:population_migrant(Evaluated, Policy, Drawn), Colony#colony{drawn = Drawn + 1}}.

-spec champion(colony()) -> none | champion().
champion(#colony{champion = Champion}) -> Champion.

-spec is_solved(colony()) -> boolean().
is_solved(#colony{solved = Solved}) -> Solved.

-spec evaluations(colony()) -> non_neg_integer().
evaluations(#colony{evaluated = undefined, population = Population}) ->
    maps:get(evaluations, cambrian_nif:population_info(Population));
evaluations(#colony{evaluated = Evaluated}) ->
    maps:get(evaluations, cambrian_nif:population_stats(Evaluated)).

%% @doc What a disk would keep: the generation, and the champion of all.
-spec save(colony()) -> map().
save(#colony{population = Population, champion = Champion, solved = Solved}) ->
    #{population => cambrian_nif:population_encode(Population), champion => Champion, solved => Solved}.

-spec restore(map(), options()) -> colony().
restore(#{population := Bytes, champion := Champion, solved := Solved}, #{task := Task} = Options) ->
    {ok, Population} = cambrian_nif:population_decode(Bytes),
    {Native, _} = native(Task),
    #colony{native = Native, task = Task, population = Population, champion = Champion, solved = Solved,
            rests = maps:get(rests, Options, false)}.

%% @doc Whether all of it would be read again, and the champion is what it says.
-spec is_sound(colony()) -> boolean().
is_sound(#colony{population = Population, champion = Champion} = Colony) ->
    is_readable(cambrian_nif:population_decode(cambrian_nif:population_encode(Population))) andalso
        is_sound_champion(Champion, Colony).

is_sound_champion(none, _Colony) -> true;
is_sound_champion(#{champion := Genotype, fitness := Fitness}, #colony{native = Native}) ->
    is_readable(cambrian_genotype:from_binary(cambrian_genotype:to_binary(Genotype))) andalso
        Fitness =:= element(1, score_network(Native, cambrian_network:compile(Genotype))).

is_readable({ok, _}) -> true;
is_readable(_) -> false.
