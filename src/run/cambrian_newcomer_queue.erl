%% @private
%% A queue of newcomers, as a value. A newcomer is a genotype that comes to a population from
%% elsewhere. It waits, then it is measured, and then it is admitted or refused. The queue has the
%% newcomers that wait, those that are being measured, and those that the generation at hand has
%% admitted.
%%
%% A checkpoint of the population does not contain the admitted newcomers until the next generation
%% is bred. After a crash the generation is evaluated again, so they wait again, in the same order;
%% `told' marks them, so that subscribers do not hear of them twice.
-module(cambrian_newcomer_queue).

-export([new/0, add/2, start_measuring/1, measured/2, stop_measuring/1, hold/2, admitted/2,
         next_generation/1, requeue/1, without/2]).
-export_type([queue/0, newcomer/0]).

%% Only newcomers from the mesh have `cost' and `bound'.
-type newcomer() :: #{genotype := cambrian_genotype:genotype(), size := non_neg_integer(),
                      from := term(), told := boolean(),
                      cost => non_neg_integer(), bound => number()}.

%% In each list the last comes first.
-record(queue, {waiting = [] :: [newcomer()],
                measuring = [] :: [newcomer()],
                admitted = [] :: [newcomer()]}).
-opaque queue() :: #queue{}.

%% A queue that has so many newcomers, or newcomers with so many connections together, answers
%% `busy'. One newcomer of any size always fits. 64 of the largest would take a gigabyte, and the
%% population would not answer for seconds.
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

%% @doc The genotypes of all that wait, the first first. They are being measured from now on.
-spec start_measuring(queue()) -> {[cambrian_genotype:genotype()], queue()}.
start_measuring(#queue{waiting = Waiting, measuring = []} = Queue) ->
    {[Genotype || #{genotype := Genotype} <- lists:reverse(Waiting)],
     Queue#queue{waiting = [], measuring = Waiting}}.

%% @doc The measured newcomers, the first first, with the outcomes in that order.
-spec measured([Outcome], queue()) -> {[{newcomer(), Outcome}], queue()}
              when Outcome :: cambrian_score:score() | failed | late.
measured(Outcomes, #queue{measuring = Measuring} = Queue) ->
    {lists:zip(lists:reverse(Measuring), Outcomes), Queue#queue{measuring = []}}.

%% @doc The newcomers that are being measured wait again.
-spec stop_measuring(queue()) -> queue().
stop_measuring(#queue{waiting = Waiting, measuring = Measuring} = Queue) ->
    Queue#queue{waiting = Waiting ++ Measuring, measuring = []}.

%% @doc Keeps measured newcomers, the first first, until they are judged: they still count as being
%% measured, and a crash does not lose them.
-spec hold([newcomer()], queue()) -> queue().
hold(Measured, Queue) -> Queue#queue{measuring = lists:reverse(Measured)}.

%% @doc A user may inject genotypes into a resting population for ever, so only the last are kept.
-spec admitted(newcomer(), queue()) -> queue().
admitted(Newcomer, #queue{admitted = Admitted} = Queue) ->
    Queue#queue{admitted = lists:sublist([Newcomer#{told := true} | Admitted], ?MAX)}.

%% @doc The next generation is bred, and with it the genes of the admitted newcomers are safe.
-spec next_generation(queue()) -> queue().
next_generation(Queue) -> Queue#queue{admitted = []}.

%% @doc Removes banned newcomers, and returns those of them that were waiting or being measured, the
%% first first.
-spec without(fun((newcomer()) -> boolean()), queue()) ->
          {{Waiting :: [newcomer()], Measuring :: [newcomer()]}, queue()}.
without(IsBanned, #queue{waiting = Waiting, measuring = Measuring, admitted = Admitted}) ->
    {BannedWaiting, Waits} = lists:partition(IsBanned, Waiting),
    {BannedMeasuring, Measures} = lists:partition(IsBanned, Measuring),
    {_, Stays} = lists:partition(IsBanned, Admitted),
    {{lists:reverse(BannedWaiting), lists:reverse(BannedMeasuring)},
     #queue{waiting = Waits, measuring = Measures, admitted = Stays}}.

%% @doc All newcomers wait again, because the generation at hand is evaluated again.
-spec requeue(queue()) -> queue().
requeue(#queue{waiting = Waiting, measuring = Measuring, admitted = Admitted}) ->
    #queue{waiting = Waiting ++ Measuring ++ Admitted}.
