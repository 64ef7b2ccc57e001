%% @private A process that evaluates the genotypes that its crew ({@link cambrian_crew}) sends. The
%% crew can see from outside which genotype the worker evaluates, even if the user's code damages
%% the process. If an evaluation leaves a trace in the process, such as a link or a message, the
%% worker is not used again.
%%
%% The worker sends `{answer, Pid, Ref, Index, Score, State}' to its crew for each network that is
%% evaluated alone, and `{answers, Pid, Ref, [{Index, Score}], State}' for networks that are
%% evaluated together. The state is `ready'; `slow' if it took so long that other workers should do
%% the items that it has not begun; or `spent' if it must not be used again. Only the worker and its
%% crew know the reference, so the user's code cannot forge an answer.
-module(cambrian_worker).

-export([start_link/2, evaluate/4, in_progress/1, begun/1, network_of/1]).
-export_type([worker/0, marks/0, score/0, network/0]).

-type worker() :: {pid(), reference(), marks()}.
%% The index that is being evaluated (0 between two evaluations), how many evaluations have begun,
%% when the worker began to work, and how much rest it owes the governor, in µs.
-type marks() :: atomics:atomics_ref().
-type score() :: cambrian_score:score() | {fault, cambrian_fault:fault()}
               | {unfit, Reason :: term()}
               | {observed, cambrian_statistics:statistics(), cambrian_score:score()}.
%% Makes a network from an item: a genotype on the population's node, its bytes on other nodes.
-type network() :: fun((cambrian_genotype:genotype() | binary()) -> cambrian_network:network()).

-record(worker, {crew, ref, marks, how, limit}).

-define(UNDER_WAY, 1).
-define(BEGUN, 2).
-define(SINCE, 3).
-define(OWED, 4).
%% In µs.
-define(SLOW, 2000).

%% @doc `Memory' is how many bytes one evaluation may take in addition to the task's own data.
-spec start_link(cambrian_task:evaluation(), pos_integer() | infinity) -> worker().
start_link(How, Memory) ->
    {Crew, Ref, Marks} = {self(), make_ref(), atomics:new(4, [])},
    Worker = #worker{crew = Crew, ref = Ref, marks = Marks, how = How, limit = limit(Memory)},
    Pid = spawn_link(fun() -> start(Worker) end),
    {Pid, Ref, Marks}.

%% @doc Sends items to a worker that has answered all earlier items.
-spec evaluate(pid(), reference(), network(), [{pos_integer(), term()}]) -> ok.
evaluate(Pid, Ref, Network, Items) ->
    Pid ! {evaluate, Ref, Network, Items},
    ok.

%% @doc The index that the user's code evaluates, or 0. For a dead worker, the index at its death.
-spec in_progress(marks()) -> non_neg_integer().
in_progress(Marks) -> atomics:get(Marks, ?UNDER_WAY).

%% @doc How many evaluations have begun. While this number grows, no evaluation hangs.
-spec begun(marks()) -> non_neg_integer().
begun(Marks) -> atomics:get(Marks, ?BEGUN).

mark(Index, Marks) ->
    atomics:put(Marks, ?UNDER_WAY, Index),
    atomics:add(Marks, ?BEGUN, 1).

unmark(Marks) -> atomics:put(Marks, ?UNDER_WAY, 0).

%% Rests as the governor demands, between two evaluations, or between two steps of networks that are
%% evaluated together. Rest counts as progress.
rest(Marks) ->
    unmark(Marks),
    Worked = now_us() - atomics:get(Marks, ?SINCE),
    Owed = cambrian_governor:pace(atomics:get(Marks, ?OWED), Worked, fun() -> mark(0, Marks) end),
    atomics:put(Marks, ?OWED, round(Owed)),
    atomics:put(Marks, ?SINCE, now_us()).

now_us() -> erlang:monotonic_time(microsecond).

%% @doc Compiles the network of a genotype from its canonical bytes. If this node cannot read them,
%% that is not a fault of the genotype.
-spec network_of(binary()) -> cambrian_network:network().
network_of(Bytes) ->
    case cambrian_genotype:from_binary(Bytes) of
        {ok, Genotype} -> cambrian_network:compile(Genotype);
        {error, Reason} -> throw({unfit, Reason})
    end.

%%% ---- memory -----------------------------------------------------------------------------

%% The limit is relative to the process's size at its start. That size counts three times, because
%% during a garbage collection the old heap, the young heap and the new heap exist together.
%% Binaries off the heap count only from Erlang/OTP 28 on.
limit(infinity) -> infinity;
limit(Bytes) ->
    Words = Bytes div erlang:system_info(wordsize),
    {Words, fun() ->
        {total_heap_size, Own} = process_info(self(), total_heap_size),
        %% built as a list, because the types of OTP before 28 have no `include_shared_binaries'
        Limits = [{size, 3 * Own + binaries() + Words}, {kill, true}, {error_logger, false},
                  {include_shared_binaries, true}],
        process_flag(max_heap_size, maps:from_list(Limits))
    end}.

binaries() ->
    case process_info(self(), max_heap_size) of
        {_, #{include_shared_binaries := _}} ->
            {binary, Binaries} = process_info(self(), binary),
            lists:sum([Size || {_, Size, _} <- Binaries]) div erlang:system_info(wordsize);
        _ -> 0
    end.

%% Collects garbage: otherwise the garbage of one evaluation could kill the process in the next.
sweep(infinity) -> ok;
sweep({Words, _}) ->
    case process_info(self(), total_heap_size) of
        {_, Size} when Size > Words div 8 -> garbage_collect();
        _ -> ok
    end.

%%% ---- work -------------------------------------------------------------------------------

start(#worker{limit = {_, Set}} = Worker) ->
    _ = Set(),
    await(Worker);
start(Worker) -> await(Worker).

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
        spent -> await_kill()
    end.

one(Network, Item, Each) ->
    try Network(Item) of
        Made ->
            try score(Each(Made))
            catch
                Class:Reason:Stack -> {fault, cambrian_fault:crashed(Class, Reason, Stack)}
            end
    catch
        throw:{unfit, Reason} -> {unfit, Reason};
        Class:Reason:Stack -> {fault, cambrian_fault:crashed(Class, Reason, Stack)}
    end.

-spec all_at_once(network(), [{pos_integer(), term()}], fun(), #worker{}) -> no_return().
all_at_once(Network, Items, Together, Worker) ->
    #worker{crew = Crew, ref = Ref, marks = Marks, limit = Limit} = Worker,
    Compile = fun({Index, Item}) ->
                  mark(Index, Marks),
                  {Index, Network(Item)}
              end,
    Scores = try lists:map(Compile, Items) of
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
        spent -> await_kill()
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

%% Returns the scores in the order of the items. Crashes if an item has no answer.
scores(Items, Answers) ->
    Known = maps:from_list(Answers),
    [{Index, case maps:get(Index, Known) of
                 {fault, Fault} -> {fault, bounded(Fault)};
                 {observed, Statistics, Answer} -> observed(Statistics, score(Answer));
                 Answer -> score(Answer)
             end} || {Index, _} <- Items].

observed(_Statistics, {fault, _} = Fault) -> Fault;
observed(Statistics, Score) -> {observed, Statistics, Score}.

bounded({crashed, {Class, Reason, Stack}}) when is_list(Stack) ->
    cambrian_fault:crashed(Class, Reason, Stack);
bounded({crashed, Reason}) -> cambrian_fault:crashed(Reason);
bounded({bad_fitness, Term}) -> cambrian_fault:bad_fitness(Term);
bounded({bad_score, {Key, Got, Expected}}) -> cambrian_fault:bad_score(Key, Got, Expected);
bounded(Word) when Word =:= timeout; Word =:= memory -> Word;
bounded(Other) -> cambrian_fault:crashed(Other).

score(Answer) ->
    case cambrian_score:check(Answer) of
        {ok, Score} -> Score;
        {fault, Fault} -> {fault, bounded(Fault)}
    end.

%%% ---- traces -----------------------------------------------------------------------------

%% A worker is ready if it is linked only to its crew, has no messages and does not trap exits. The
%% user's code may leave values in the process dictionary: many tasks store values there that they
%% would otherwise compute for each genotype.
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

%% The crew kills a spent worker, and the exit signal ends the processes that are linked to it.
-spec await_kill() -> no_return().
await_kill() -> receive after infinity -> ok end.
