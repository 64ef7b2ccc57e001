%% @private
%% Evaluates genotypes with a fun of the user, one process an evaluation at a time on as many
%% processes as there are schedulers. A crash, a hang or rubbish costs that one fitness.
-module(cambrian_evaluator).

-export([start_link/3, fitness/1]).
-export_type([options/0, fault/0]).

%% `worst' has what is known already of how low a fitness is; `timeout' is for one evaluation, in ms.
-type options() :: #{network := fun((cambrian_genotype:genotype()) -> cambrian_network:network()), how := cambrian_task:evaluation(),
                     timeout := timeout(), worst := [number()]}.
-type fault() :: timeout | {bad_fitness, term()} | {crashed, term()}.

-record(pool, {owner, tag, fitness_of, timeout, worst, waiting, working = #{}, done = #{}, faults = []}).

%% @doc Sends `{Tag, {ok, [Fitness | {Fitness, Cases}], [{Index, Fault}]}}' to the caller. A failed evaluation gets the lowest
%% fitness of those that succeeded and of `worst'; 0.0 if there are none.
-spec start_link(reference(), [cambrian_genotype:genotype()], options()) -> pid().
start_link(Tag, Genotypes, #{how := {together, _}} = Options) ->
    start_together(Tag, Genotypes, Options);
start_link(Tag, Genotypes, #{network := Network, how := {each, Each}, timeout := Timeout, worst := Worst}) ->
    Owner = self(),
    FitnessOf = fun(Genotype) -> Each(Network(Genotype)) end,
    spawn_link(fun() ->
        process_flag(trap_exit, true),
        Waiting = lists:zip(lists:seq(1, length(Genotypes)), Genotypes),
        Pool = #pool{owner = Owner, tag = Tag, fitness_of = FitnessOf, timeout = Timeout, worst = Worst,
                     waiting = Waiting},
        Workers = min(length(Genotypes), erlang:system_info(schedulers_online)),
        loop(lists:foldl(fun(_, P) -> hire(P) end, Pool, lists:seq(1, Workers)))
    end).

%% For now all in one batch.
start_together(Tag, Genotypes, #{network := Network, how := {together, Together}, worst := Worst}) ->
    Owner = self(),
    spawn_link(fun() ->
        Networks = [{Index, Network(Genotype)} || {Index, Genotype} <- lists:zip(lists:seq(1, length(Genotypes)), Genotypes)],
        Scores = Together(Networks, fun(_Index) -> ok end),
        Faults = [{Index, Fault} || {Index, {fault, Fault}} <- Scores],
        finish(#pool{owner = Owner, tag = Tag, worst = Worst, faults = lists:reverse(Faults),
                     done = maps:from_list([Scored || {_, Score} = Scored <- Scores, not is_tuple(Score)])})
    end).

hire(#pool{waiting = []} = Pool) -> Pool;
hire(#pool{fitness_of = FitnessOf} = Pool) ->
    Boss = self(),
    assign(spawn_link(fun() -> work(Boss, FitnessOf) end), Pool).

work(Boss, FitnessOf) ->
    receive
        {evaluate, Genotype} ->
            Boss ! {self(), evaluate(FitnessOf, Genotype)},
            work(Boss, FitnessOf)
    end.

evaluate(FitnessOf, Genotype) ->
    try FitnessOf(Genotype) of
        #{fitness := Fitness, objectives := Cases} -> check_cases(Fitness, Cases);
        #{fitness := Fitness} -> check(Fitness);
        Fitness -> check(Fitness)
    catch
        Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}}
    end.

check(Fitness) ->
    try float(Fitness) catch error:badarg -> {fault, {bad_fitness, Fitness}} end.

check_cases(Fitness, Cases) ->
    try {float(Fitness), [float(Case) || Case <- Cases]}
    catch error:_ -> {fault, {bad_fitness, #{fitness => Fitness, objectives => Cases}}}
    end.

assign(Worker, #pool{waiting = [{Index, Genotype} | Waiting], working = Working} = Pool) ->
    Worker ! {evaluate, Genotype},
    Deadline = deadline(Pool#pool.timeout),
    Pool#pool{waiting = Waiting, working = Working#{Worker => {Index, Deadline}}};
assign(Worker, #pool{waiting = []} = Pool) ->
    unlink(Worker),
    exit(Worker, kill),
    Pool.

loop(#pool{waiting = [], working = Working} = Pool) when map_size(Working) =:= 0 ->
    finish(Pool);
loop(#pool{owner = Owner, working = Working} = Pool) ->
    receive
        {Worker, Answer} when is_map_key(Worker, Working) ->
            loop(assign(Worker, settle(Worker, Answer, Pool)));
        {'EXIT', Owner, _} ->
            exit(shutdown);
        {'EXIT', Worker, Reason} when is_map_key(Worker, Working) ->
            loop(hire(settle(Worker, {fault, {crashed, Reason}}, Pool)))
    after remaining(Working) ->
        loop(lists:foldl(fun give_up/2, Pool, overdue(Working)))
    end.

settle(Worker, Answer, #pool{working = Working, done = Done, faults = Faults} = Pool) ->
    {{Index, _}, Left} = maps:take(Worker, Working),
    case Answer of
        {fault, Fault} -> Pool#pool{working = Left, faults = [{Index, Fault} | Faults]};
        Fitness -> Pool#pool{working = Left, done = Done#{Index => Fitness}}
    end.

give_up(Worker, Pool) ->
    unlink(Worker),
    exit(Worker, kill),
    hire(settle(Worker, {fault, timeout}, Pool)).

deadline(infinity) -> infinity;
deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

%% An atom is greater than any number, so `infinity' is.
remaining(Working) ->
    case lists:min([Deadline || {_, Deadline} <- maps:values(Working)]) of
        infinity -> infinity;
        Deadline -> max(0, Deadline - erlang:monotonic_time(millisecond))
    end.

overdue(Working) ->
    Now = erlang:monotonic_time(millisecond),
    [Worker || {Worker, {_, Deadline}} <- maps:to_list(Working), Deadline =< Now].

finish(#pool{owner = Owner, tag = Tag, worst = Known, done = Done, faults = Faults}) ->
    Worst = case Known ++ [fitness(Score) || Score <- maps:values(Done)] of
                [] -> 0.0;
                All -> lists:min(All)
            end,
    Count = map_size(Done) + length(Faults),
    Fitness = [maps:get(Index, Done, Worst) || Index <- lists:seq(1, Count)],
    Owner ! {Tag, {ok, Fitness, lists:reverse(Faults)}},
    unlink(Owner).

%% @doc Of a score, its fitness.
-spec fitness(number() | {number(), [number()]}) -> number().
fitness({Fitness, _Cases}) -> Fitness;
fitness(Fitness) -> Fitness.
