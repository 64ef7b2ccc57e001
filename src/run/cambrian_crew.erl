%% @private
%% The workers of one population on one node, as many as there are schedulers, and the work that waits for them.
%%
%% `{work, Round, Network, Items}' is done in order; of it `{results, Crew, Round, Results, Hungry}' go back now and then,
%% where `Hungry' says that nothing waits any more. `{give_back, Round, Count}' takes the last of what waits away again:
%% `{given_back, Crew, Round, Indices}'. `{abandon, Round}' drops all that is left of a round. A crew ends with the process
%% that it works for, wherever that is.
-module(cambrian_crew).
-behaviour(gen_server).

-export([start_link/1, open/1, requirements/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([options/0]).

-type options() :: #{boss := pid(), how := cambrian_task:evaluation(), timeout := timeout(),
                     memory := pos_integer() | infinity, version => term(), code => [{module(), binary()}]}.

-record(worker,
        {ref :: reference(),
         marks :: cambrian_worker:marks(),
         %% what it has not answered
         items = [] :: [{pos_integer(), term()}],
         %% how many it gets at once, and since when it has these
         portion = 1 :: pos_integer(),
         given = 0 :: integer(),
         %% whether it has answered any of these
         answered = false :: boolean(),
         %% the last that was seen of its progress
         seen = 0 :: non_neg_integer(),
         since = 0 :: integer(),
         %% one that was told to end for taking too long
         late = false :: boolean()}).

-record(crew,
        {boss :: pid(),
         monitor :: reference(),
         how :: cambrian_task:evaluation(),
         timeout :: timeout(),
         memory :: pos_integer() | infinity,
         size :: pos_integer(),
         round = 0 :: non_neg_integer(),
         network :: undefined | cambrian_worker:network(),
         %% items, one by one or, where they are evaluated together, in batches
         waiting = [] :: [{pos_integer(), term()} | [{pos_integer(), term()}]],
         count = 0 :: non_neg_integer(),
         workers = #{} :: #{pid() => #worker{}},
         idle = [] :: [pid()],
         results = [] :: [{pos_integer(), cambrian_worker:score()}],
         fresh = 0 :: non_neg_integer(),
         sent = 0 :: integer(),
         asked = false :: boolean(),
         clock = undefined :: undefined | reference()}).

-define(MAX_PORTION, 16).
%% What is quick is handed out by many: less than this in µs for all that it got, or more.
-define(QUICK, 500).
-define(SLOW, 2000).
%% Results are sent when there are so many, or the last were sent so long ago, in µs.
-define(MAX_RESULTS, 64).
-define(MAX_AGE, 100_000).
%% In ms, how long nobody looks at what the workers are at.
-define(MAX_TICK, 10_000).
%% A crew that was idle for so long, in ms, lets its workers go.
-define(IDLE, 1000).

-spec start_link(options()) -> {ok, pid()}.
start_link(Options) ->
    {ok, Crew} = gen_server:start(?MODULE, Options, []),
    link(Crew),
    {ok, Crew}.

%% @doc On another node than its boss, if this is one that can do the work as the boss's own would.
-spec open(options()) -> {ok, pid(), Workers :: pos_integer()} | {error, term()}.
open(#{code := Code, version := Version} = Options) ->
    case [Reason || {false, Reason} <- [{cambrian_nif:loaded() =:= ok, nif_not_loaded},
                                        {version() =:= Version, {other_version, version()}}
                                        | [{md5(Module) =:= Md5, {other_code, Module}} || {Module, Md5} <- Code]]] of
        [] ->
            {ok, Crew} = gen_server:start(?MODULE, Options, []),
            {ok, Crew, size()};
        [Reason | _] -> {error, Reason}
    end.

%% @doc What another node must have to take part: the modules of the task, as far as its fun shows them, each as it is here.
-spec requirements(cambrian_task:evaluation()) -> #{version := term(), code := [{module(), binary()}]}.
requirements({_, Fun}) -> #{version => version(), code => [{Module, md5(Module)} || Module <- lists:usort(modules(Fun))]}.

version() ->
    _ = application:load(cambrian),
    application:get_key(cambrian, vsn).

%% That of the fun and of those that it holds, and those that it names.
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
    {ok, #crew{boss = Boss, monitor = monitor(process, Boss), how = How, timeout = Timeout, memory = Memory, size = size()}}.

handle_call(_, _From, Crew) -> {reply, {error, unknown_call}, Crew}.

handle_cast({work, Round, Network, Items}, Crew) -> next(begin_work(Round, Network, Items, Crew));
handle_cast({give_back, Round, Count}, #crew{round = Round} = Crew) -> next(give_back(Count, Crew));
handle_cast({abandon, Round}, #crew{round = Round, workers = Workers, idle = Idle} = Crew) ->
    Busy = maps:keys(Workers) -- Idle,
    next(lists:foldl(fun dismiss/2, Crew#crew{waiting = [], count = 0, results = [], fresh = 0, asked = true}, Busy));
handle_cast(_, Crew) -> next(Crew).

handle_info({answer, Pid, Ref, Index, Score, State}, #crew{workers = Workers} = Crew) ->
    case Workers of
        #{Pid := #worker{ref = Ref, items = [{Index, _} | Items]} = Worker} ->
            Answered = keep(Index, Score, Crew),
            next(answered(State, Pid, Worker#worker{items = Items, answered = true}, Answered));
        _ -> next(Crew)
    end;
handle_info({answers, Pid, Ref, Scores, State}, #crew{workers = Workers} = Crew) ->
    case Workers of
        #{Pid := #worker{ref = Ref} = Worker} ->
            Answered = lists:foldl(fun({Index, Score}, C) -> keep(Index, Score, C) end, Crew, Scores),
            next(answered(State, Pid, Worker#worker{items = []}, Answered));
        _ -> next(Crew)
    end;
handle_info({'EXIT', Pid, Reason}, #crew{workers = Workers} = Crew) ->
    case maps:take(Pid, Workers) of
        %% which another process may have said of one that lives
        {Worker, Left} -> exit(Pid, kill), next(fill(died(fault(Reason, Worker, Crew), Worker, without(Pid, Left, Crew))));
        error -> next(Crew)
    end;
handle_info({timeout, Clock, look}, #crew{clock = Clock} = Crew) ->
    next(look(Crew#crew{clock = undefined}));
handle_info({'DOWN', Monitor, process, _, _}, #crew{monitor = Monitor} = Crew) ->
    {stop, normal, Crew};
%% Anybody can send this word: only while all are idle is it ours.
handle_info(timeout, #crew{workers = Workers, idle = Idle} = Crew) when map_size(Workers) =:= length(Idle) ->
    {noreply, lists:foldl(fun dismiss/2, Crew, Idle), hibernate};
handle_info(_, Crew) -> next(Crew).

%% One that traps exits ends too.
terminate(_Reason, #crew{workers = Workers}) -> lists:foreach(fun(Pid) -> exit(Pid, kill) end, maps:keys(Workers)).

%% After whatever happened.
next(Crew) ->
    #crew{workers = Workers, idle = Idle} = Told = tell(Crew),
    case map_size(Workers) - length(Idle) of
        0 -> {noreply, stop_clock(Told), ?IDLE};
        _ -> {noreply, start_clock(Told)}
    end.

%%% ---- handing out ------------------------------------------------------------------------

begin_work(Round, Network, Items, #crew{how = {How, _}, waiting = Waiting, count = Count, size = Size} = Crew) ->
    New = case How of each -> Items; together -> cut(Items, length(Items), Size) end,
    fill(Crew#crew{round = Round, network = Network, waiting = Waiting ++ New, count = Count + length(New), asked = false,
              sent = now_us()}).

%% In so many parts of one length, or one less; none is empty.
cut([], _, _) -> [];
cut(Items, Length, Parts) ->
    {Part, Rest} = lists:split((Length + Parts - 1) div Parts, Items),
    [Part | cut(Rest, Length - length(Part), Parts - 1)].

%% Until nobody is idle or nothing waits.
fill(#crew{count = 0} = Crew) -> Crew;
fill(#crew{idle = [Pid | Idle]} = Crew) -> fill(hand_to(Pid, Crew#crew{idle = Idle}));
fill(#crew{workers = Workers, size = Size, how = How, memory = Memory} = Crew) when map_size(Workers) < Size ->
    {Pid, Ref, Marks} = cambrian_worker:start_link(How, Memory),
    fill(hand_to(Pid, Crew#crew{workers = Workers#{Pid => #worker{ref = Ref, marks = Marks}}}));
fill(Crew) -> Crew.

hand_to(Pid, #crew{workers = Workers, network = Network} = Crew) ->
    #{Pid := #worker{ref = Ref, marks = Marks} = Worker} = Workers,
    {Items, Next} = take(Worker, Crew),
    ok = cambrian_worker:evaluate(Pid, Ref, Network, Items),
    Now = now_us(),
    Busy = Worker#worker{items = Items, given = Now, answered = false, seen = cambrian_worker:marks(Marks), since = Now},
    Next#crew{workers = Workers#{Pid := Busy}}.

take(_Worker, #crew{how = {together, _}, waiting = [Batch | Waiting], count = Count} = Crew) ->
    {Batch, Crew#crew{waiting = Waiting, count = Count - 1}};
take(#worker{portion = Portion}, #crew{waiting = Waiting, count = Count, size = Size} = Crew) ->
    Some = min(Portion, max(1, Count div Size)),
    {Items, Rest} = lists:split(Some, Waiting),
    {Items, Crew#crew{waiting = Rest, count = Count - Some}}.

%% Together, all that waits has begun, but for what is done again.
give_back(_Count, #crew{how = {together, _}} = Crew) -> given_back([], Crew);
give_back(Wanted, #crew{waiting = Waiting, count = Count} = Crew) ->
    Kept = max(0, Count - Wanted),
    {Keep, Give} = lists:split(Kept, Waiting),
    given_back([Index || {Index, _} <- Give], Crew#crew{waiting = Keep, count = Kept}).

given_back(Indices, #crew{boss = Boss, round = Round} = Crew) ->
    gen_server:cast(Boss, {given_back, self(), Round, Indices}),
    Crew.

%%% ---- answers ----------------------------------------------------------------------------

keep(Index, Score, #crew{results = Results, fresh = Fresh} = Crew) ->
    Crew#crew{results = [{Index, Score} | Results], fresh = Fresh + 1}.

%% One that answered just as it was told to end gets nothing more.
answered(_State, Pid, #worker{late = true, items = Items} = Worker, #crew{workers = Workers} = Crew) ->
    fill(put_back(Items, Crew#crew{workers = Workers#{Pid := Worker#worker{items = []}}}));
%% What an evaluation left a trace in is done with. What it had not begun, or one that is slow, waits again, as the first.
answered(spent, Pid, #worker{items = Items}, Crew) -> fill(put_back(Items, dismiss(Pid, Crew)));
answered(slow, Pid, #worker{items = Items} = Worker, Crew) ->
    answered(ready, Pid, Worker#worker{items = []}, put_back(Items, Crew));
answered(ready, Pid, #worker{items = []} = Worker, #crew{workers = Workers, idle = Idle} = Crew) ->
    fill(Crew#crew{workers = Workers#{Pid := paced(Worker)}, idle = [Pid | Idle]});
answered(ready, Pid, Worker, #crew{workers = Workers} = Crew) -> Crew#crew{workers = Workers#{Pid := Worker}}.

paced(#worker{portion = Portion, given = Given} = Worker) ->
    Next = case now_us() - Given of
               Quick when Quick < ?QUICK -> min(?MAX_PORTION, 2 * Portion);
               Slow when Slow > ?SLOW -> max(1, Portion div 2);
               _ -> Portion
           end,
    Worker#worker{portion = Next}.

put_back([], Crew) -> Crew;
put_back(Items, #crew{how = {each, _}, waiting = Waiting, count = Count} = Crew) ->
    Crew#crew{waiting = Items ++ Waiting, count = Count + length(Items)};
put_back(Batch, #crew{waiting = Waiting, count = Count} = Crew) -> Crew#crew{waiting = [Batch | Waiting], count = Count + 1}.

dismiss(Pid, #crew{workers = Workers} = Crew) ->
    unlink(Pid),
    exit(Pid, kill),
    without(Pid, maps:remove(Pid, Workers), Crew).

without(Pid, Left, #crew{idle = Idle} = Crew) -> Crew#crew{workers = Left, idle = lists:delete(Pid, Idle)}.

%% To the boss, not one by one.
tell(#crew{fresh = Fresh, sent = Sent, count = Count, workers = Workers, idle = Idle, asked = Asked} = Crew) ->
    Done = Count =:= 0 andalso map_size(Workers) =:= length(Idle),
    Hungry = Count =:= 0 andalso not Asked,
    case Hungry orelse Fresh > 0 andalso (Done orelse Fresh >= ?MAX_RESULTS orelse now_us() - Sent > ?MAX_AGE) of
        true -> tell(Hungry, Crew);
        false -> Crew
    end.

tell(Hungry, #crew{boss = Boss, round = Round, results = Results, asked = Asked} = Crew) ->
    _ = [gen_server:cast(Boss, {results, self(), Round, Results, Hungry}) || Round > 0],
    Crew#crew{results = [], fresh = 0, sent = now_us(), asked = Asked orelse Hungry}.

%%% ---- what fails -------------------------------------------------------------------------

%% What was done to it, the worker's own word, or what the VM says of how it ended.
fault(_Reason, #worker{late = true}, _Crew) -> timeout;
fault({Ref, Fault}, #worker{ref = Ref}, _Crew) -> Fault;
fault(killed, _Worker, #crew{memory = Memory}) when Memory =/= infinity -> memory;
fault(Reason, _Worker, _Crew) -> cambrian_fault:crashed(Reason).

died(_Fault, #worker{items = []}, Crew) -> Crew;
died(Fault, #worker{marks = Marks, items = Items} = Worker, Crew) ->
    case to_blame(Fault, lists:keyfind(cambrian_worker:in_progress(Marks), 1, Items), Worker, Crew) of
        nobody -> put_back(Items, Crew);
        everybody -> halve(Items, Crew);
        Index -> put_back(lists:keydelete(Index, 1, Items), keep(Index, {fault, Fault}, Crew))
    end.

%% A worker that dies between two evaluations blames none, unless it never reaches one. When the time ends just as an
%% evaluation begins, that evaluation is not blamed either. Where a worker evaluates many together, nobody knows whose
%% memory it was.
to_blame(timeout, Marked, #worker{marks = Marks, seen = Seen} = Worker, Crew) ->
    case cambrian_worker:marks(Marks) of
        Seen -> guilty(timeout, Marked, Worker, Crew);
        _ -> nobody
    end;
to_blame(Fault, Marked, Worker, Crew) -> guilty(Fault, Marked, Worker, Crew).

guilty(_Fault, _Marked, #worker{items = [{Only, _}]}, #crew{how = {together, _}}) -> Only;
guilty(memory, _Marked, _Worker, #crew{how = {together, _}}) -> everybody;
guilty(_Fault, false, _Worker, #crew{how = {together, _}}) -> everybody;
guilty(_Fault, {Index, _}, _Worker, _Crew) -> Index;
guilty(_Fault, false, #worker{answered = true}, _Crew) -> nobody;
guilty(_Fault, false, #worker{items = [{First, _} | _]}, _Crew) -> First.

%% Whoever it was is in one half, and the other comes through.
halve(Batch, Crew) ->
    {First, Second} = lists:split(length(Batch) div 2, Batch),
    put_back(First, put_back(Second, Crew)).

start_clock(#crew{clock = undefined, timeout = Timeout} = Crew) when Timeout =/= infinity ->
    Crew#crew{clock = erlang:start_timer(min(?MAX_TICK, max(1, Timeout div 8)), self(), look)};
start_clock(Crew) -> Crew.

stop_clock(#crew{clock = undefined} = Crew) -> Crew;
stop_clock(#crew{clock = Clock} = Crew) ->
    _ = erlang:cancel_timer(Clock),
    Crew#crew{clock = undefined}.

%% Progress is looked at from time to time, and not told at every step: that costs nobody anything.
look(#crew{workers = Workers} = Crew) ->
    Now = now_us(),
    Crew#crew{workers = maps:map(fun(Pid, Worker) -> end_if_late(Pid, progress(Worker, Now, Crew), Now, Crew) end, Workers)}.

progress(#worker{marks = Marks, seen = Seen} = Worker, Now, #crew{how = {How, _}}) ->
    case {cambrian_worker:marks(Marks), cambrian_worker:in_progress(Marks)} of
        {Seen, 0} when How =:= each -> Worker#worker{since = Now};
        {Seen, _} -> Worker;
        {More, _} -> Worker#worker{seen = More, since = Now}
    end.

%% Its answers come before the word of its end.
end_if_late(Pid, #worker{items = [_ | _], since = Since} = Worker, Now, #crew{timeout = Timeout})
  when Now - Since >= Timeout * 1000 ->
    exit(Pid, kill),
    Worker#worker{late = true};
end_if_late(_Pid, Worker, _Now, _Crew) -> Worker.

now_us() -> erlang:monotonic_time(microsecond).
