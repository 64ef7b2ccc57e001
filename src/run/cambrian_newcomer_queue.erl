%% @private
%% A queue of newcomers, as a value. A newcomer is a genotype that another node or a user brings to
%% a population. It waits, then it is measured, and then it is admitted or refused. The queue has
%% the waiting newcomers, the newcomers that are being measured, and those that the present
%% generation has admitted.
%%
%% Until the next generation is bred, a checkpoint of the population does not contain the genes of
%% admitted newcomers. After a crash the generation is evaluated again, so they wait again, in the
%% same order. `told' marks them, so that subscribers get no second event about them.
-module(cambrian_newcomer_queue).

-export([new/0, add/2, start_measuring/1, measured/2, stop_measuring/1, hold/2, admitted/2,
         next_generation/1, requeue/1, without/2]).
-export_type([queue/0, newcomer/0]).

%% Only newcomers from the mesh have `cost' and `bound'.
-type newcomer() :: #{genotype := cambrian_genotype:genotype(), size := non_neg_integer(),
                      from := term(), told := boolean(),
                      cost => non_neg_integer(), bound => number()}.

%% In each list, the newest newcomer is first.
-record(queue, {waiting = [] :: [newcomer()],
                measuring = [] :: [newcomer()],
                admitted = [] :: [newcomer()]}).
-opaque queue() :: #queue{}.

%% A queue with so many newcomers, or with newcomers of so many connections in total, answers
%% `busy'. An empty queue accepts one newcomer of any size. 64 newcomers of the largest size would
%% take a gigabyte, and the population would not answer for seconds.
-define(MAX, 64).
-define(MAX_SIZE, 2_000_000).

-spec new() -> queue().
new() -> #queue{}.

-spec add(newcomer(), queue()) -> {ok, queue()} | {error, busy}.
add(#{size := Size} = Newcomer, #queue{waiting = Waiting, measuring = Measuring} = Queue) ->
    Sizes = [S || #{size := S} <- Waiting ++ Measuring],
    case Sizes =:= [] orelse length(Sizes) < ?MAX andalso Size + lists:sum(Sizes) =< ?MAX_SIZE of
        true -> {ok, Queue#queue{waiting = [Newcomer | Waiting]}};
        false -> {error, busy}
    end.

%% @doc The genotypes of all waiting newcomers, the oldest first. They are being measured from now
%% on.
-spec start_measuring(queue()) -> {[cambrian_genotype:genotype()], queue()}.
start_measuring(#queue{waiting = Waiting, measuring = []} = Queue) ->
    {[Genotype || #{genotype := Genotype} <- lists:reverse(Waiting)],
     Queue#queue{waiting = [], measuring = Waiting}}.

%% @doc The measured newcomers, the oldest first, with the outcomes in that order.
-spec measured([Outcome], queue()) -> {[{newcomer(), Outcome}], queue()}
              when Outcome :: cambrian_score:score() | failed | late.
measured(Outcomes, #queue{measuring = Measuring} = Queue) ->
    {lists:zip(lists:reverse(Measuring), Outcomes), Queue#queue{measuring = []}}.

%% @doc The newcomers that are being measured wait again.
-spec stop_measuring(queue()) -> queue().
stop_measuring(#queue{waiting = Waiting, measuring = Measuring} = Queue) ->
    Queue#queue{waiting = Waiting ++ Measuring, measuring = []}.

%% @doc Keeps measured newcomers, the oldest first, until they are judged: they still count as being
%% measured, and a crash does not lose them.
-spec hold([newcomer()], queue()) -> queue().
hold(Measured, Queue) -> Queue#queue{measuring = lists:reverse(Measured)}.

%% @doc Adds an admitted newcomer. Keeps only the last ones, because a user may inject genotypes
%% into a resting population for ever.
-spec admitted(newcomer(), queue()) -> queue().
admitted(Newcomer, #queue{admitted = Admitted} = Queue) ->
    Queue#queue{admitted = lists:sublist([Newcomer#{told := true} | Admitted], ?MAX)}.

%% @doc The next generation is bred. It contains the genes of the admitted newcomers, so the queue
%% drops them.
-spec next_generation(queue()) -> queue().
next_generation(Queue) -> Queue#queue{admitted = []}.

%% @doc Removes banned newcomers, and returns those that were waiting or being measured, the oldest
%% first.
-spec without(fun((newcomer()) -> boolean()), queue()) ->
          {{Waiting :: [newcomer()], Measuring :: [newcomer()]}, queue()}.
without(IsBanned, #queue{waiting = Waiting, measuring = Measuring, admitted = Admitted}) ->
    {BannedWaiting, Waits} = lists:partition(IsBanned, Waiting),
    {BannedMeasuring, Measures} = lists:partition(IsBanned, Measuring),
    {_, Stays} = lists:partition(IsBanned, Admitted),
    {{lists:reverse(BannedWaiting), lists:reverse(BannedMeasuring)},
     #queue{waiting = Waits, measuring = Measures, admitted = Stays}}.

%% @doc All newcomers wait again, because the present generation is evaluated again.
-spec requeue(queue()) -> queue().
requeue(#queue{waiting = Waiting, measuring = Measuring, admitted = Admitted}) ->
    #queue{waiting = Waiting ++ Measuring ++ Admitted}.
