%% @private
%% Programs that run, kept from one generation to the next: who needs one leases it, and gives it back. One that
%% nobody leases for a while is ended, and one whose user died, as nobody knows what it was about to answer.
-module(cambrian_program_pool).
-behaviour(gen_server).

-export([start_link/0, lease/3, release/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type command() :: cambrian_program_process:command().

%% `users' has, by the monitor of a user, what he leases or waits for; `ending' what nobody may have any more.
-record(pool, {processes = #{} :: #{pid() => {command(), {leased, reference()} | {idle, reference()} | ending}},
               users = #{} :: #{reference() => {leases, pid()} | waits},
               waiting = [] :: [{reference(), gen_server:from(), command(), Most :: pos_integer()}]}).

%% In ms.
-define(LAST_GRACE, 4_000).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc One of at most so many processes of this command, for the caller alone; `Meanwhile' is called twice a second
%% while it has to wait.
-spec lease(command(), pos_integer(), fun(() -> term())) -> pid().
lease(Command, Most, Meanwhile) ->
    case cambrian_program_process:await(gen_server:send_request(?MODULE, {lease, Command, Most}), Meanwhile) of
        {reply, Process} -> Process;
        {error, {Reason, _}} -> ok = cambrian_running:check(), exit(Reason)
    end.

%% @doc It goes to the next user and is ended if there is none for so many ms, or it is broken.
-spec release(pid(), {sound, Idle :: non_neg_integer()} | broken) -> ok.
release(Process, Health) -> gen_server:cast(?MODULE, {release, Process, Health}).

init([]) ->
    process_flag(trap_exit, true),
    {ok, #pool{}}.

handle_call({lease, Command, Most}, {User, _} = From, #pool{waiting = Waiting, users = Users} = Pool) ->
    Monitor = monitor(process, User),
    {noreply, serve(Pool#pool{waiting = Waiting ++ [{Monitor, From, Command, Most}], users = Users#{Monitor => waits}})};
handle_call(_, _From, Pool) ->
    {reply, {error, unknown_call}, Pool}.

handle_cast({release, Process, Health}, #pool{processes = Processes, users = Users} = Pool) ->
    case Processes of
        #{Process := {Command, {leased, Monitor}}} ->
            demonitor(Monitor, [flush]),
            Left = Pool#pool{users = maps:remove(Monitor, Users)},
            {noreply, serve(given_back(Health, Process, Command, Left))};
        _ -> {noreply, Pool}
    end;
handle_cast(_, Pool) ->
    {noreply, Pool}.

handle_info({idle, Process, Since}, #pool{processes = Processes} = Pool) ->
    case Processes of
        #{Process := {Command, {idle, Since}}} -> {noreply, ending(shutdown, Process, Command, Pool)};
        _ -> {noreply, Pool}
    end;
handle_info({'DOWN', Monitor, process, _, _}, #pool{users = Users, waiting = Waiting, processes = Processes} = Pool) ->
    Left = Pool#pool{users = maps:remove(Monitor, Users)},
    case Users of
        #{Monitor := {leases, Process}} ->
            #{Process := {Command, _}} = Processes,
            {noreply, given_back(broken, Process, Command, Left)};
        #{Monitor := waits} -> {noreply, Left#pool{waiting = lists:keydelete(Monitor, 1, Waiting)}};
        _ -> {noreply, Pool}
    end;
handle_info({'EXIT', Process, _}, #pool{processes = Processes} = Pool) ->
    case Processes of
        #{Process := _} -> {noreply, serve(Pool#pool{processes = maps:remove(Process, Processes)})};
        _ -> {noreply, Pool}
    end;
handle_info(_, Pool) ->
    {noreply, Pool}.

given_back({sound, Idle}, Process, Command, #pool{processes = Processes} = Pool) ->
    Since = make_ref(),
    _ = erlang:send_after(Idle, self(), {idle, Process, Since}),
    Pool#pool{processes = Processes#{Process := {Command, {idle, Since}}}};
given_back(broken, Process, Command, Pool) ->
    ending({shutdown, broken}, Process, Command, Pool).

ending(Reason, Process, Command, #pool{processes = Processes} = Pool) ->
    exit(Process, Reason),
    Pool#pool{processes = Processes#{Process := {Command, ending}}}.

%% Who waits longest comes first, of those whose program is free or may be started.
serve(#pool{waiting = Waiting} = Pool) ->
    lists:foldl(fun({Monitor, From, Command, Most} = Wait, #pool{waiting = Left, users = Users, processes = Processes} = P) ->
                    case process(Command, Most, P) of
                        none -> P;
                        Process ->
                            gen_server:reply(From, Process),
                            P#pool{waiting = lists:delete(Wait, Left), users = Users#{Monitor := {leases, Process}},
                                   processes = Processes#{Process => {Command, {leased, Monitor}}}}
                    end
                end, Pool, Waiting).

process(Command, Most, #pool{processes = Processes}) ->
    Ours = [{Process, Use} || {Process, {Same, Use}} <- maps:to_list(Processes), Same =:= Command],
    case [Process || {Process, {idle, _}} <- Ours] of
        [Process | _] -> Process;
        [] when length(Ours) < Most ->
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
