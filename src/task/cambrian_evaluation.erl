%% @private
%% Evaluates one network in a process of its own. Stops the evaluation when it takes too long or too
%% much memory, or when the caller exits.
-module(cambrian_evaluation).

-export([run/3, score/3]).
-export_type([limits/0, fault/0]).

-type limits() :: #{timeout := timeout(), memory := pos_integer() | infinity}.
%% In ms and bytes. In an environment, the timeout applies to each step.
-type fault() :: timeout | memory | cambrian_score:fault()
               | {crashed, {error | exit | throw, term(), list()} | term()} | term().

%% Only answers have the reference `ref': the code of a user may send other messages here.
-record(run, {caller, ref, child, timeout, memory, marks, seen = 0}).

%% @doc The fitness of a network.
-spec run({each | together, fun()}, cambrian_network:network(), limits()) ->
          {ok, float()} | {error, {evaluation_failed, fault()}}.
run(How, Network, Limits) ->
    case score(How, Network, Limits) of
        {ok, Score} -> {ok, cambrian_score:fitness(Score)};
        Error -> Error
    end.

%% @doc All that the evaluation of a network gave.
-spec score({each | together, fun()}, cambrian_network:network(), limits()) ->
          {ok, cambrian_score:score()} | {error, {evaluation_failed, fault()}}.
score(How, Network, Limits) ->
    {Caller, Ref} = {self(), make_ref()},
    Guard = fun() -> Caller ! {Ref, guard(Caller, How, Network, Limits)} end,
    {Pid, Monitor} = spawn_monitor(Guard),
    receive
        {Ref, Answer} ->
            true = demonitor(Monitor, [flush]),
            case Answer of
                {ok, Returned} -> checked(Returned);
                {fault, Fault} -> failed(Fault)
            end;
        {'DOWN', Monitor, process, Pid, Reason} -> failed({crashed, Reason})
    end.

failed(Fault) -> {error, {evaluation_failed, Fault}}.

checked({fault, Fault}) -> failed(Fault);
checked(Returned) ->
    case cambrian_score:check(Returned) of
        {ok, Score} -> {ok, Score};
        {fault, Fault} -> failed(Fault)
    end.

guard(Caller, How, Network, #{timeout := Timeout, memory := Memory}) ->
    process_flag(trap_exit, true),
    _ = monitor(process, Caller),
    {Self, Ref, Marks} = {self(), make_ref(), atomics:new(1, [])},
    Child = spawn_link(fun() ->
                           limit(Memory),
                           Mark = fun(_) -> atomics:add(Marks, 1, 1) end,
                           Self ! {Ref, evaluate(How, Network, Mark)}
                       end),
    wait(#run{caller = Caller, ref = Ref, child = Child,
              timeout = Timeout, memory = Memory, marks = Marks}).

wait(#run{caller = Caller, ref = Ref, child = Child, timeout = Timeout, memory = Memory,
          marks = Marks, seen = Seen} = Run) ->
    receive
        {Ref, Answer} -> kill(Child), Answer;
        {'EXIT', Child, killed} when Memory =/= infinity -> {fault, memory};
        {'EXIT', Child, Reason} -> {fault, {crashed, Reason}};
        {'DOWN', _, process, Caller, _} -> kill(Child)
    after Timeout ->
        case atomics:get(Marks, 1) of
            Seen ->
                kill(Child),
                {fault, timeout};
            More -> wait(Run#run{seen = More})
        end
    end.

%% Kills the processes that are linked to the child too.
kill(Child) -> exit(Child, kill).

%% The limit comes on top of the heap that the task itself needs. During a garbage collection that
%% heap may exist three times.
limit(infinity) -> ok;
limit(Bytes) ->
    {total_heap_size, Own} = process_info(self(), total_heap_size),
    Words = 3 * Own + Bytes div erlang:system_info(wordsize),
    _ = process_flag(max_heap_size, #{size => Words, kill => true, error_logger => false}),
    ok.

evaluate({each, Each}, Network, _Mark) -> catch_crash(fun() -> Each(Network) end);
evaluate({together, Together}, Network, Mark) ->
    catch_crash(fun() ->
                    [{1, Answer}] = Together([{1, Network}], Mark),
                    Answer
                end).

catch_crash(Evaluate) ->
    try {ok, Evaluate()} catch Class:Reason:Stack -> {fault, {crashed, {Class, Reason, Stack}}} end.
