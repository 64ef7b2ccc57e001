%% @private
%% A process that evaluates what its crew hands it. Whatever the code of a user does to it, the crew can tell from outside
%% what it was at, and one that an evaluation left a trace in is not used again.
%%
%% Up to the crew goes, of each network evaluated for itself, `{answer, Pid, Ref, Index, Score, State}', and of those
%% evaluated together `{answers, Pid, Ref, [{Index, Score}], State}'. The state is `ready', or `slow' where it took so long
%% that the worker leaves to others what it has not begun, or `spent'. The reference is a secret between the two: what the
%% code of a user sends to anybody is no answer.
-module(cambrian_worker).

-export([start_link/2, evaluate/4, in_progress/1, marks/1, network_of/1]).
-export_type([worker/0, marks/0, score/0, network/0]).

-type worker() :: {pid(), reference(), marks()}.
%% Which index is under way, 0 between two, and how many have been begun; since when it works, and how much rest it owes,
%% in µs.
-type marks() :: atomics:atomics_ref().
-type score() :: float() | {float(), Cases :: [float()]} | {fault, cambrian_fault:fault()} | {unfit, Reason :: term()}.
%% The network of what is handed out: of a genotype here, of its bytes elsewhere.
-type network() :: fun((cambrian_genotype:genotype() | binary()) -> cambrian_network:network()).

-record(worker, {crew, ref, marks, how, limit}).

-define(UNDER_WAY, 1).
-define(BEGUN, 2).
-define(SINCE, 3).
-define(OWED, 4).
%% In µs.
-define(SLOW, 2000).

%% @doc `Memory', in bytes, is for what one evaluation takes beyond what the task brings with it.
-spec start_link(cambrian_task:evaluation(), pos_integer() | infinity) -> worker().
start_link(How, Memory) ->
    {Crew, Ref, Marks} = {self(), make_ref(), atomics:new(4, [])},
    Pid = spawn_link(fun() -> loop(#worker{crew = Crew, ref = Ref, marks = Marks, how = How, limit = limit(Memory)}) end),
    {Pid, Ref, Marks}.

%% @doc Not before it has answered all that it had.
-spec evaluate(pid(), reference(), network(), [{pos_integer(), term()}]) -> ok.
evaluate(Pid, Ref, Network, Items) ->
    Pid ! {evaluate, Ref, Network, Items},
    ok.

%% @doc The index that the code of a user is at, or 0; of a worker that died, where it was then.
-spec in_progress(marks()) -> non_neg_integer().
in_progress(Marks) -> atomics:get(Marks, ?UNDER_WAY).

%% @doc How often one was begun: as long as this goes up, nothing hangs.
-spec marks(marks()) -> non_neg_integer().
marks(Marks) -> atomics:get(Marks, ?BEGUN).

mark(Index, Marks) ->
    atomics:put(Marks, ?UNDER_WAY, Index),
    atomics:add(Marks, ?BEGUN, 1).

unmark(Marks) -> atomics:put(Marks, ?UNDER_WAY, 0).

%% Between two evaluations, or two steps of many: as the governor has it. To rest counts as progress.
rest(Marks) ->
    unmark(Marks),
    Worked = now_us() - atomics:get(Marks, ?SINCE),
    Owed = cambrian_governor:pace(atomics:get(Marks, ?OWED), Worked, fun() -> mark(0, Marks) end),
    atomics:put(Marks, ?OWED, round(Owed)),
    atomics:put(Marks, ?SINCE, now_us()).

now_us() -> erlang:monotonic_time(microsecond).

%% @doc Of canonical bytes. What this node cannot read is no fault of the genotype.
-spec network_of(binary()) -> cambrian_network:network().
network_of(Bytes) ->
    case cambrian_genotype:from_binary(Bytes) of
        {ok, Genotype} -> cambrian_network:compile(Genotype);
        {error, Reason} -> throw({unfit, Reason})
    end.

%%% ---- memory -----------------------------------------------------------------------------

%% Above this process as it is now, which while garbage is collected is there as often as three times: as old heap, as
%% young heap and as what is made of them. Binaries off the heap count from the release on that can count them (28).
limit(infinity) -> infinity;
limit(Bytes) ->
    Words = Bytes div erlang:system_info(wordsize),
    {Words, fun() ->
        {total_heap_size, Own} = process_info(self(), total_heap_size),
        process_flag(max_heap_size, maps:from_list([{size, 3 * Own + binaries() + Words}, {kill, true}, {error_logger, false},
                                                    {include_shared_binaries, true}]))
    end}.

binaries() ->
    case process_info(self(), max_heap_size) of
        {_, #{include_shared_binaries := _}} ->
            {binary, Binaries} = process_info(self(), binary),
            lists:sum([Size || {_, Size, _} <- Binaries]) div erlang:system_info(wordsize);
        _ -> 0
    end.

%% The garbage of one evaluation is not to kill the next.
sweep(infinity) -> ok;
sweep({Words, _}) ->
    case process_info(self(), total_heap_size) of
        {_, Size} when Size > Words div 8 -> garbage_collect();
        _ -> ok
    end.

%%% ---- work -------------------------------------------------------------------------------

loop(#worker{limit = {_, Set}} = Worker) ->
    _ = Set(),
    await(Worker);
loop(Worker) -> await(Worker).

await(#worker{ref = Ref} = Worker) ->
    receive {evaluate, Ref, Network, Items} -> work(Network, Items, Worker) end.

work(Network, Items, #worker{how = How, marks = Marks} = Worker) ->
    atomics:put(Marks, ?SINCE, now_us()),
    rest(Marks),
    case How of
        {each, Each} -> one_by_one(Network, Items, Each, now_us(), Worker);
        {together, Together} -> all_at_once(Network, Items, Together, Worker)
    end.

one_by_one(_Network, [], _Each, _Since, Worker) -> await(Worker);
one_by_one(Network, [{Index, Item} | Items], Each, Since, Worker) ->
    #worker{crew = Crew, ref = Ref, marks = Marks, limit = Limit} = Worker,
    mark(Index, Marks),
    Score = one(Network, Item, Each),
    sweep(Limit),
    State = state(Crew, Since),
    unmark(Marks),
    Crew ! {answer, self(), Ref, Index, Score, State},
    rest(Marks),
    case State of
        ready -> one_by_one(Network, Items, Each, Since, Worker);
        slow -> await(Worker);
        spent -> end_of_it()
    end.

one(Network, Item, Each) ->
    try Network(Item) of
        Made -> try score(Each(Made)) catch Class:Reason:Stack -> {fault, cambrian_fault:crashed(Class, Reason, Stack)} end
    catch
        throw:{unfit, Reason} -> {unfit, Reason};
        Class:Reason:Stack -> {fault, cambrian_fault:crashed(Class, Reason, Stack)}
    end.

-spec all_at_once(network(), [{pos_integer(), term()}], fun(), #worker{}) -> no_return().
all_at_once(Network, Items, Together, #worker{crew = Crew, ref = Ref, marks = Marks, limit = Limit} = Worker) ->
    Scores = try [begin mark(Index, Marks), {Index, Network(Item)} end || {Index, Item} <- Items] of
                 Networks -> together(Networks, Together, Worker)
             catch
                 throw:{unfit, Reason} -> [{Index, {unfit, Reason}} || {Index, _} <- Items];
                 Class:Reason:Stack -> exit({Ref, cambrian_fault:crashed(Class, Reason, Stack)})
             end,
    sweep(Limit),
    State = state(Crew),
    Crew ! {answers, self(), Ref, Scores, State},
    case State of
        ready -> await(Worker);
        spent -> end_of_it()
    end.

together(Networks, Together, #worker{ref = Ref, marks = Marks}) ->
    unmark(Marks),
    try
        Answers = Together(Networks, fun(0) -> rest(Marks); (Index) -> mark(Index, Marks) end),
        unmark(Marks),
        scores(Networks, Answers)
    catch
        Class:Reason:Stack -> exit({Ref, cambrian_fault:crashed(Class, Reason, Stack)})
    end.

%% In the order of the items. An answer that is not about all of them is none.
scores(Items, Answers) ->
    Of = maps:from_list(Answers),
    [{Index, case maps:get(Index, Of) of {fault, Fault} -> {fault, bounded(Fault)}; Answer -> score(Answer) end}
     || {Index, _} <- Items].

bounded({crashed, {Class, Reason, Stack}}) when is_list(Stack) -> cambrian_fault:crashed(Class, Reason, Stack);
bounded({crashed, Reason}) -> cambrian_fault:crashed(Reason);
bounded({bad_fitness, Term}) -> cambrian_fault:bad_fitness(Term);
bounded(Word) when Word =:= timeout; Word =:= memory -> Word;
bounded(Other) -> cambrian_fault:crashed(Other).

score(#{fitness := Fitness, objectives := Cases}) ->
    try {float(Fitness), [float(Case) || Case <- Cases]}
    catch error:_ -> {fault, cambrian_fault:bad_fitness(#{fitness => Fitness, objectives => Cases})}
    end;
score(#{fitness := Fitness}) -> score_of(Fitness);
score(Fitness) -> score_of(Fitness).

score_of(Fitness) ->
    try float(Fitness) catch error:badarg -> {fault, cambrian_fault:bad_fitness(Fitness)} end.

%%% ---- traces -----------------------------------------------------------------------------

%% Nothing is linked to it but its crew, nobody wrote to it, and it can still be told to end. What the code of a user
%% keeps in the process dictionary may stay: it saves many a task from making the same thing again.
state(Crew) ->
    case process_info(self(), [links, message_queue_len, trap_exit]) of
        [{links, [Crew]}, {message_queue_len, 0}, {trap_exit, false}] -> ready;
        _ -> spent
    end.

state(Crew, Since) ->
    case state(Crew) of
        ready -> case now_us() - Since > ?SLOW of true -> slow; false -> ready end;
        spent -> spent
    end.

%% The crew ends one that is spent, and with it what is linked to it.
-spec end_of_it() -> no_return().
end_of_it() -> receive after infinity -> ok end.
