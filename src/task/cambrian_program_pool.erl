%% @private
%% Keeps programs running from one generation to the next. A user leases a process of a program and
%% releases it. The pool stops a process that is idle for too long, and a process whose user died,
%% because its next answer could belong to the last question.
-module(cambrian_program_pool).
-behaviour(gen_server).

-export([start_link/0, lease/3, release/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type command() :: cambrian_program_process:command().

-type use() :: {leased, Monitor :: reference()} | {idle, Since :: reference()} | ending.
%% An `ending' process is about to exit, and cannot be leased.

%% The key of `users' is the monitor of the user.
-record(pool, {processes = #{} :: #{pid() => {command(), use()}},
               users = #{} :: #{reference() => {leases, pid()} | waits},
               waiting = [] :: [{Monitor :: reference(), gen_server:from(), command(),
                                 Most :: pos_integer()}]}).

%% How long the pool waits for its processes when it stops, in ms.
-define(LAST_GRACE, 4_000).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Leases a process of this command to the caller. At most `Most' processes of a command run at
%% the same time; while the caller waits for one, `Meanwhile' is called twice a second.
-spec lease(command(), pos_integer(), fun(() -> term())) -> pid().
lease(Command, Most, Meanwhile) ->
    Request = gen_server:send_request(?MODULE, {lease, Command, Most}),
    case cambrian_program_process:await(Request, Meanwhile) of
        {reply, Process} -> Process;
        {error, {Reason, _}} -> ok = cambrian_running:check(), exit(Reason)
    end.

%% @doc Returns a leased process to the pool. The pool stops it if it is broken, or if nobody leases
%% it for `Idle' ms.
-spec release(pid(), {sound, Idle :: non_neg_integer()} | broken) -> ok.
release(Process, Health) -> gen_server:cast(?MODULE, {release, Process, Health}).

init([]) ->
    process_flag(trap_exit, true),
    {ok, #pool{}}.

handle_call({lease, Command, Most}, {User, _} = From,
            #pool{waiting = Waiting, users = Users} = Pool) ->
    Monitor = monitor(process, User),
    {noreply, serve(Pool#pool{waiting = Waiting ++ [{Monitor, From, Command, Most}],
                              users = Users#{Monitor => waits}})};
handle_call(_, _From, Pool) ->
    {reply, {error, unknown_call}, Pool}.

handle_cast({release, Process, Health}, #pool{processes = Processes, users = Users} = Pool) ->
    case Processes of
        #{Process := {Command, {leased, Monitor}}} ->
            demonitor(Monitor, [flush]),
            Left = Pool#pool{users = maps:remove(Monitor, Users)},
            {noreply, serve(released(Health, Process, Command, Left))};
        _ -> {noreply, Pool}
    end;
handle_cast(_, Pool) ->
    {noreply, Pool}.

handle_info({idle, Process, Since}, #pool{processes = Processes} = Pool) ->
    case Processes of
        #{Process := {Command, {idle, Since}}} ->
            {noreply, stop(shutdown, Process, Command, Pool)};
        _ -> {noreply, Pool}
    end;
handle_info({'DOWN', Monitor, process, _, _},
            #pool{users = Users, waiting = Waiting, processes = Processes} = Pool) ->
    Left = Pool#pool{users = maps:remove(Monitor, Users)},
    case Users of
        #{Monitor := {leases, Process}} ->
            #{Process := {Command, _}} = Processes,
            {noreply, released(broken, Process, Command, Left)};
        #{Monitor := waits} ->
            {noreply, Left#pool{waiting = lists:keydelete(Monitor, 1, Waiting)}};
        _ -> {noreply, Pool}
    end;
handle_info({'EXIT', Process, _}, #pool{processes = Processes} = Pool) ->
    case Processes of
        #{Process := _} -> {noreply, serve(Pool#pool{processes = maps:remove(Process, Processes)})};
        _ -> {noreply, Pool}
    end;
handle_info(_, Pool) ->
    {noreply, Pool}.

released({sound, Idle}, Process, Command, #pool{processes = Processes} = Pool) ->
    Since = make_ref(),
    _ = erlang:send_after(Idle, self(), {idle, Process, Since}),
    Pool#pool{processes = Processes#{Process := {Command, {idle, Since}}}};
released(broken, Process, Command, Pool) ->
    stop({shutdown, broken}, Process, Command, Pool).

stop(Reason, Process, Command, #pool{processes = Processes} = Pool) ->
    exit(Process, Reason),
    Pool#pool{processes = Processes#{Process := {Command, ending}}}.

%% Serves the users in the order in which they came, and skips those whose program is busy.
serve(#pool{waiting = Waiting} = Pool) -> lists:foldl(fun serve_user/2, Pool, Waiting).

serve_user({Monitor, From, Command, Most} = Wait,
           #pool{waiting = Waiting, users = Users, processes = Processes} = Pool) ->
    case idle_or_new(Command, Most, Processes) of
        none -> Pool;
        Process ->
            gen_server:reply(From, Process),
            Pool#pool{waiting = lists:delete(Wait, Waiting),
                      users = Users#{Monitor := {leases, Process}},
                      processes = Processes#{Process => {Command, {leased, Monitor}}}}
    end.

idle_or_new(Command, Most, Processes) ->
    Uses = [{Process, Use} || {Process, {Same, Use}} <- maps:to_list(Processes), Same =:= Command],
    case [Process || {Process, {idle, _}} <- Uses] of
        [Process | _] -> Process;
        [] when length(Uses) < Most ->
            {ok, Process} = cambrian_program_process:start_link(Command),
            Process;
        [] -> none
    end.

terminate(_, #pool{processes = Processes}) ->
    All = maps:keys(Processes),
    _ = [exit(Process, shutdown) || Process <- All],
    Last = erlang:monotonic_time(millisecond) + ?LAST_GRACE,
    _ = [receive {'EXIT', Process, _} -> ok
         after max(0, Last - erlang:monotonic_time(millisecond)) -> ok
         end || Process <- All],
    ok.
