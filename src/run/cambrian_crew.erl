%% @private
%% The workers of one population on one node, one per scheduler, and the queue of work for them. The
%% crew's boss is the population's evaluator ({@link cambrian_evaluator}), on this node or on
%% another node. A crew ends when its boss ends.
%%
%% The boss casts `{work, Round, Network, Items}', and the crew does the items in order. From time
%% to time the crew casts `{results, Crew, Round, Results, NeedsWork}' to the boss; `NeedsWork' says
%% that its queue is empty. With `{give_back, Round, Count}' the boss takes back the last items of
%% the queue, and gets `{given_back, Crew, Round, Indices}'. `{abandon, Round}' drops the rest of a
%% round.
-module(cambrian_crew).
-behaviour(gen_server).

-export([start_link/1, open/1, change/2, requirements/1, meets/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([options/0, requirements/0]).

-type options() :: #{boss := pid(), how := cambrian_task:evaluation(), timeout := timeout(),
                     memory := pos_integer() | infinity, version => binary(),
                     code => [{module(), binary() | none}]}.
-type requirements() :: #{version := binary(), code := [{module(), binary() | none}], atom() => _}.

-record(worker,
        {ref :: reference(),
         marks :: cambrian_worker:marks(),
         %% items without an answer
         items = [] :: [item()],
         %% how many items the worker gets at once, and when it got the present items
         portion = 1 :: pos_integer(),
         given_at = 0 :: integer(),
         %% whether the worker has answered any of these
         has_answered = false :: boolean(),
         %% evaluations that the worker had begun at the last look, and since when that number is
         %% the same
         begun = 0 :: non_neg_integer(),
         since = 0 :: integer(),
         %% whether the crew killed the worker because it took too long
         is_late = false :: boolean()}).

-type item() :: {Index :: pos_integer(), term()}.

-record(crew,
        {boss :: pid(),
         monitor :: reference(),
         how :: cambrian_task:evaluation(),
         timeout :: timeout(),
         memory :: pos_integer() | infinity,
         size :: pos_integer(),
         round = 0 :: non_neg_integer(),
         network :: undefined | cambrian_worker:network(),
         %% the queue: items or, if they are evaluated together, batches of items; and its length
         waiting = [] :: [item() | [item()]],
         count = 0 :: non_neg_integer(),
         workers = #{} :: #{pid() => #worker{}},
         idle = [] :: [pid()],
         %% results that the boss does not have yet, how many, and when the boss got the last
         %% results
         results = [] :: [{pos_integer(), cambrian_worker:score()}],
         unsent = 0 :: non_neg_integer(),
         sent_at = 0 :: integer(),
         %% whether the boss knows that the queue is empty
         has_asked = false :: boolean(),
         clock = undefined :: undefined | reference()}).

-define(MAX_PORTION, 16).
%% A worker's portion doubles if it took less than QUICK µs, and halves if it took more than SLOW.
-define(QUICK, 500).
-define(SLOW, 2000).
%% The crew sends results when it has so many, or when it sent the last so many µs ago.
-define(MAX_RESULTS, 64).
-define(MAX_AGE, 100_000).
%% The longest time between two looks at the progress of workers, in ms.
-define(MAX_TICK, 10_000).
%% An idle crew ends its workers after so many ms.
-define(IDLE, 1000).

-spec start_link(options()) -> {ok, pid()}.
start_link(Options) ->
    {ok, Crew} = gen_server:start(?MODULE, Options, []),
    link(Crew),
    {ok, Crew}.

%% @doc Opens a crew for a boss on another node. It is an error if this node lacks the boss's
%% version of Cambrian, or has other code of the task.
-spec open(options()) -> {ok, pid(), Workers :: pos_integer()} | {error, term()}.
open(#{code := _, version := _} = Options) ->
    case meets(Options) of
        ok ->
            {ok, Crew} = gen_server:start(?MODULE, Options, []),
            {ok, Crew, size()};
        Error -> Error
    end.

%% @doc Whether this node meets the requirements of another.
-spec meets(requirements()) ->
          ok | {error, nif_not_loaded | {other_version, binary()} | {other_code, module()}}.
meets(#{code := Code, version := Version}) ->
    Checks = [{cambrian_nif:loaded() =:= ok, nif_not_loaded},
              {version() =:= Version, {other_version, version()}}
              | [{md5(Module) =:= Md5, {other_code, Module}} || {Module, Md5} <- Code]],
    case [Reason || {false, Reason} <- Checks] of
        [] -> ok;
        [Reason | _] -> {error, Reason}
    end.

%% @doc Evaluates later rounds in another way of the same kind.
-spec change(pid(), cambrian_task:evaluation()) -> ok.
change(Crew, How) -> gen_server:cast(Crew, {change, How}).

%% @doc The requirements for another node: this version of Cambrian, and the same code of the task's
%% modules, as far as the task's fun names them.
-spec requirements(cambrian_task:evaluation()) ->
          requirements().
requirements({_, Fun}) ->
    Code = [{Module, md5(Module)} || Module <- lists:usort(modules(Fun))],
    #{version => version(), code => Code}.

version() ->
    _ = application:load(cambrian),
    {ok, Version} = application:get_key(cambrian, vsn),
    list_to_binary(Version).

%% The fun's own module, the modules of the funs in its environment, and the modules named there.
modules(Fun) when is_function(Fun) ->
    {module, Module} = erlang:fun_info(Fun, module),
    {env, Environment} = erlang:fun_info(Fun, env),
    [Module | lists:append([modules(Term) || Term <- Environment])];
modules(Name) when is_atom(Name) ->
    case code:is_loaded(Name) of
        false -> [];
        _ -> [Name]
    end;
modules(_) -> [].

md5(Module) ->
    case code:ensure_loaded(Module) of
        {module, Module} -> Module:module_info(md5);
        _ -> none
    end.

size() -> erlang:system_info(schedulers_online).

%%% ---- a gen_server -----------------------------------------------------------------------

init(#{boss := Boss, how := How, timeout := Timeout, memory := Memory}) ->
    process_flag(trap_exit, true),
    {ok, #crew{boss = Boss, monitor = monitor(process, Boss), how = How, timeout = Timeout,
               memory = Memory, size = size()}}.

handle_call(_, _From, Crew) -> {reply, {error, unknown_call}, Crew}.

handle_cast({work, Round, Network, Items}, Crew) -> next(begin_work(Round, Network, Items, Crew));
handle_cast({give_back, Round, Count}, #crew{round = Round} = Crew) -> next(give_back(Count, Crew));
handle_cast({abandon, Round}, #crew{round = Round, workers = Workers, idle = Idle} = Crew) ->
    Busy = maps:keys(Workers) -- Idle,
    Empty = Crew#crew{waiting = [], count = 0, results = [], unsent = 0, has_asked = true},
    next(lists:foldl(fun dismiss/2, Empty, Busy));
handle_cast({change, How}, #crew{idle = Idle} = Crew) ->
    next(lists:foldl(fun dismiss/2, Crew#crew{how = How}, Idle));
handle_cast(_, Crew) -> next(Crew).

handle_info({answer, Pid, Ref, Index, Score, State}, #crew{workers = Workers} = Crew) ->
    case Workers of
        #{Pid := #worker{ref = Ref, items = [{Index, _} | Items]} = Worker} ->
            Answered = add_result(Index, Score, Crew),
            next(answered(State, Pid, Worker#worker{items = Items, has_answered = true}, Answered));
        _ -> next(Crew)
    end;
handle_info({answers, Pid, Ref, Scores, State}, #crew{workers = Workers} = Crew) ->
    case Workers of
        #{Pid := #worker{ref = Ref} = Worker} ->
            Add = fun({Index, Score}, C) -> add_result(Index, Score, C) end,
            Answered = lists:foldl(Add, Crew, Scores),
            next(answered(State, Pid, Worker#worker{items = []}, Answered));
        _ -> next(Crew)
    end;
handle_info({'EXIT', Pid, Reason}, #crew{workers = Workers} = Crew) ->
    case maps:take(Pid, Workers) of
        {Worker, Left} ->
            %% the user's code may have sent this exit message in the name of a live worker
            exit(Pid, kill),
            Fault = fault(Reason, Worker, Crew),
            next(hand_out(died(Fault, Worker, without(Pid, Left, Crew))));
        error -> next(Crew)
    end;
handle_info({timeout, Clock, look}, #crew{clock = Clock} = Crew) ->
    next(look(Crew#crew{clock = undefined}));
handle_info({'DOWN', Monitor, process, _, _}, #crew{monitor = Monitor} = Crew) ->
    {stop, normal, Crew};
%% Any process can send `timeout'. The message is the server's own only while all workers are idle.
handle_info(timeout, #crew{workers = Workers, idle = Idle} = Crew)
  when map_size(Workers) =:= length(Idle) ->
    {noreply, lists:foldl(fun dismiss/2, Crew, Idle), hibernate};
handle_info(_, Crew) -> next(Crew).

%% Kills the workers, because a worker whose code traps exits ignores a softer exit.
terminate(_Reason, #crew{workers = Workers}) ->
    lists:foreach(fun(Pid) -> exit(Pid, kill) end, maps:keys(Workers)).

%% The last step of handling any message.
next(Crew) ->
    #crew{workers = Workers, idle = Idle} = Reported = report(Crew),
    case map_size(Workers) - length(Idle) of
        0 -> {noreply, stop_clock(Reported), ?IDLE};
        _ -> {noreply, start_clock(Reported)}
    end.

%%% ---- handing out ------------------------------------------------------------------------

begin_work(Round, Network, Items, #crew{how = {How, _}, size = Size} = Crew) ->
    #crew{waiting = Waiting, count = Count} = Crew,
    New = case How of each -> Items; together -> cut(Items, length(Items), Size) end,
    hand_out(Crew#crew{round = Round, network = Network, waiting = Waiting ++ New,
                       count = Count + length(New), has_asked = false, sent_at = now_us()}).

%% Cuts a list into so many parts. Their lengths differ by one at most; no part is empty.
cut([], _, _) -> [];
cut(Items, Length, Parts) ->
    {Part, Rest} = lists:split((Length + Parts - 1) div Parts, Items),
    [Part | cut(Rest, Length - length(Part), Parts - 1)].

%% Hands out work until no worker is idle or the queue is empty.
hand_out(#crew{count = 0} = Crew) -> Crew;
hand_out(#crew{idle = [Pid | Idle]} = Crew) -> hand_out(hand_to(Pid, Crew#crew{idle = Idle}));
hand_out(#crew{workers = Workers, size = Size, how = How, memory = Memory} = Crew)
  when map_size(Workers) < Size ->
    {Pid, Ref, Marks} = cambrian_worker:start_link(How, Memory),
    Worker = #worker{ref = Ref, marks = Marks},
    hand_out(hand_to(Pid, Crew#crew{workers = Workers#{Pid => Worker}}));
hand_out(Crew) -> Crew.

hand_to(Pid, #crew{workers = Workers, network = Network} = Crew) ->
    #{Pid := #worker{ref = Ref, marks = Marks} = Worker} = Workers,
    {Items, Next} = take(Worker, Crew),
    ok = cambrian_worker:evaluate(Pid, Ref, Network, Items),
    Now = now_us(),
    Busy = Worker#worker{items = Items, given_at = Now, has_answered = false,
                         begun = cambrian_worker:begun(Marks), since = Now},
    Next#crew{workers = Workers#{Pid := Busy}}.

take(_Worker, #crew{how = {together, _}, waiting = [Batch | Waiting], count = Count} = Crew) ->
    {Batch, Crew#crew{waiting = Waiting, count = Count - 1}};
take(#worker{portion = Portion}, #crew{waiting = Waiting, count = Count, size = Size} = Crew) ->
    Some = min(Portion, max(1, Count div Size)),
    {Items, Rest} = lists:split(Some, Waiting),
    {Items, Crew#crew{waiting = Rest, count = Count - Some}}.

%% A crew gives back no batches: its workers have all of them, except batches to evaluate again.
give_back(_Count, #crew{how = {together, _}} = Crew) -> given_back([], Crew);
give_back(Wanted, #crew{waiting = Waiting, count = Count} = Crew) ->
    Kept = max(0, Count - Wanted),
    {Keep, Give} = lists:split(Kept, Waiting),
    given_back([Index || {Index, _} <- Give], Crew#crew{waiting = Keep, count = Kept}).

given_back(Indices, #crew{boss = Boss, round = Round} = Crew) ->
    gen_server:cast(Boss, {given_back, self(), Round, Indices}),
    Crew.

%%% ---- answers ----------------------------------------------------------------------------

add_result(Index, Score, #crew{results = Results, unsent = Unsent} = Crew) ->
    Crew#crew{results = [{Index, Score} | Results], unsent = Unsent + 1}.

%% A worker that answers at the moment when the crew kills it gets no more work.
answered(_State, Pid, #worker{is_late = true, items = Items} = Worker, Crew) ->
    #crew{workers = Workers} = Crew,
    hand_out(requeue(Items, Crew#crew{workers = Workers#{Pid := Worker#worker{items = []}}}));
%% The items that a spent or a slow worker has not begun go to the front of the queue.
answered(spent, Pid, #worker{items = Items}, Crew) -> hand_out(requeue(Items, dismiss(Pid, Crew)));
answered(slow, Pid, #worker{items = Items} = Worker, Crew) ->
    answered(ready, Pid, Worker#worker{items = []}, requeue(Items, Crew));
answered(ready, Pid, #worker{items = []} = Worker, #crew{workers = Workers, idle = Idle} = Crew) ->
    hand_out(Crew#crew{workers = Workers#{Pid := paced(Worker)}, idle = [Pid | Idle]});
answered(ready, Pid, Worker, #crew{workers = Workers} = Crew) ->
    Crew#crew{workers = Workers#{Pid := Worker}}.

paced(#worker{portion = Portion, given_at = GivenAt} = Worker) ->
    Next = case now_us() - GivenAt of
               Quick when Quick < ?QUICK -> min(?MAX_PORTION, 2 * Portion);
               Slow when Slow > ?SLOW -> max(1, Portion div 2);
               _ -> Portion
           end,
    Worker#worker{portion = Next}.

requeue([], Crew) -> Crew;
requeue(Items, #crew{how = {each, _}, waiting = Waiting, count = Count} = Crew) ->
    Crew#crew{waiting = Items ++ Waiting, count = Count + length(Items)};
requeue(Batch, #crew{waiting = Waiting, count = Count} = Crew) ->
    Crew#crew{waiting = [Batch | Waiting], count = Count + 1}.

dismiss(Pid, #crew{workers = Workers} = Crew) ->
    unlink(Pid),
    exit(Pid, kill),
    without(Pid, maps:remove(Pid, Workers), Crew).

without(Pid, Left, #crew{idle = Idle} = Crew) ->
    Crew#crew{workers = Left, idle = lists:delete(Pid, Idle)}.

%% Reports to the boss, with several results in one message.
report(#crew{count = Count, workers = Workers, idle = Idle, has_asked = HasAsked} = Crew) ->
    #crew{unsent = Unsent, sent_at = SentAt} = Crew,
    Done = Count =:= 0 andalso map_size(Workers) =:= length(Idle),
    NeedsWork = Count =:= 0 andalso not HasAsked,
    IsDue = Done orelse Unsent >= ?MAX_RESULTS orelse now_us() - SentAt > ?MAX_AGE,
    case NeedsWork orelse Unsent > 0 andalso IsDue of
        true -> report(NeedsWork, Crew);
        false -> Crew
    end.

report(NeedsWork, #crew{boss = Boss, round = Round, has_asked = HasAsked} = Crew) ->
    #crew{results = Results} = Crew,
    _ = [gen_server:cast(Boss, {results, self(), Round, Results, NeedsWork}) || Round > 0],
    Crew#crew{results = [], unsent = 0, sent_at = now_us(),
              has_asked = HasAsked orelse NeedsWork}.

%%% ---- failures ---------------------------------------------------------------------------

%% Why a worker ended: the crew killed it, or the worker or the VM states the reason.
fault(_Reason, #worker{is_late = true}, _Crew) -> timeout;
fault({Ref, Fault}, #worker{ref = Ref}, _Crew) -> Fault;
fault(killed, _Worker, #crew{memory = Memory}) when Memory =/= infinity -> memory;
fault(Reason, _Worker, _Crew) -> cambrian_fault:crashed(Reason).

died(_Fault, #worker{items = []}, Crew) -> Crew;
died(Fault, #worker{marks = Marks, items = Items} = Worker, Crew) ->
    Marked = lists:keyfind(cambrian_worker:in_progress(Marks), 1, Items),
    case to_blame(Fault, Marked, Worker, Crew) of
        nobody -> requeue(Items, Crew);
        everybody -> halve(Items, Crew);
        Index -> requeue(lists:keydelete(Index, 1, Items), add_result(Index, {fault, Fault}, Crew))
    end.

%% A crash between evaluations blames no genotype, unless the worker never starts one. If the time
%% ends just as an evaluation begins, that evaluation is not blamed either. If a worker evaluates
%% many genotypes together, the crew cannot know which genotype took the memory.
to_blame(timeout, Marked, #worker{marks = Marks, begun = Begun} = Worker, Crew) ->
    case cambrian_worker:begun(Marks) of
        Begun -> guilty(timeout, Marked, Worker, Crew);
        _ -> nobody
    end;
to_blame(Fault, Marked, Worker, Crew) -> guilty(Fault, Marked, Worker, Crew).

guilty(_Fault, _Marked, #worker{items = [{Only, _}]}, #crew{how = {together, _}}) -> Only;
guilty(memory, _Marked, _Worker, #crew{how = {together, _}}) -> everybody;
guilty(_Fault, false, _Worker, #crew{how = {together, _}}) -> everybody;
guilty(_Fault, {Index, _}, _Worker, _Crew) -> Index;
guilty(_Fault, false, #worker{has_answered = true}, _Crew) -> nobody;
guilty(_Fault, false, #worker{items = [{First, _} | _]}, _Crew) -> First.

%% Evaluates the halves of the batch apart, because only one of them holds the genotype at fault.
halve(Batch, Crew) ->
    {First, Second} = lists:split(length(Batch) div 2, Batch),
    requeue(First, requeue(Second, Crew)).

start_clock(#crew{clock = undefined, timeout = Timeout} = Crew) when Timeout =/= infinity ->
    Crew#crew{clock = erlang:start_timer(min(?MAX_TICK, max(1, Timeout div 8)), self(), look)};
start_clock(Crew) -> Crew.

stop_clock(#crew{clock = undefined} = Crew) -> Crew;
stop_clock(#crew{clock = Clock} = Crew) ->
    _ = erlang:cancel_timer(Clock),
    Crew#crew{clock = undefined}.

%% From time to time the crew reads the progress of its workers. Workers do not send their progress,
%% so that an evaluation costs no message.
look(#crew{workers = Workers} = Crew) ->
    Now = now_us(),
    Look = fun(Pid, Worker) -> kill_if_late(Pid, progress(Worker, Now, Crew), Now, Crew) end,
    Crew#crew{workers = maps:map(Look, Workers)}.

progress(#worker{marks = Marks, begun = Begun} = Worker, Now, #crew{how = {How, _}}) ->
    case {cambrian_worker:begun(Marks), cambrian_worker:in_progress(Marks)} of
        {Begun, 0} when How =:= each -> Worker#worker{since = Now};
        {Begun, _} -> Worker;
        {More, _} -> Worker#worker{begun = More, since = Now}
    end.

%% The answers that the worker has sent arrive before its exit signal.
kill_if_late(Pid, #worker{items = [_ | _], since = Since} = Worker, Now, #crew{timeout = Timeout})
  when Now - Since >= Timeout * 1000 ->
    exit(Pid, kill),
    Worker#worker{is_late = true};
kill_if_late(_Pid, Worker, _Now, _Crew) -> Worker.

now_us() -> erlang:monotonic_time(microsecond).
