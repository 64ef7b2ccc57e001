%% The owner of a log on a node of a suite: it keeps what the log says, with the time, and proposes
%% a record whenever it may, up to a number.
-module(cambrian_log_owner).
-export([start/1, propose_to/1, events/0, committed/0, status/0, stop/0]).

start(Options) ->
    Parent = self(),
    Pid = spawn(fun() ->
                    case cambrian_log:start_link(Options) of
                        {ok, Log} ->
                            true = register(?MODULE, self()),
                            Parent ! {self(), ok},
                            loop(#{log => Log, most => 0, last => -1, epoch => none,
                                   events => []});
                        {error, _} = Error -> Parent ! {self(), Error}
                    end
                end),
    receive {Pid, Answer} -> Answer end.

propose_to(Most) -> call({propose_to, Most}).
events() -> call(events).
status() -> call(status).

%% `{Number, Body, Hash, Ms}' of each record, the first one first.
committed() ->
    [{Number, Body, Hash, Ms}
     || {Ms, {committed, #{number := Number, body := Body, hash := Hash}}} <- events()].

stop() ->
    Monitor = monitor(process, ?MODULE),
    _ = call(stop),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

call(What) ->
    Ref = make_ref(),
    ?MODULE ! {call, self(), Ref, What},
    receive {Ref, Answer} -> Answer end.

loop(#{log := Log, events := Events} = S) ->
    receive
        {cambrian_log, Log, Event} ->
            Kept = S#{events := [{erlang:system_time(millisecond), Event} | Events]},
            loop(on(Event, Kept));
        {call, From, Ref, {propose_to, Most}} -> From ! {Ref, ok}, loop(propose(S#{most := Most}));
        {call, From, Ref, events} -> From ! {Ref, lists:reverse(Events)}, loop(S);
        {call, From, Ref, status} -> From ! {Ref, cambrian_log:status(Log)}, loop(S);
        {call, From, Ref, stop} -> ok = cambrian_log:stop(Log), From ! {Ref, ok}
    end.

on({committed, #{number := Number}}, S) -> propose(S#{last := Number});
on({coordinator, Epoch}, S) -> propose(S#{epoch := Epoch});
on({rejected, _, _}, S) -> S;
on({behind, _, _}, S) -> S.

propose(#{log := Log, epoch := {_, Coordinator} = Epoch, last := Last, most := Most} = S)
  when Last < Most ->
    %% a first record may not be here yet
    case cambrian_log:status(Log) of
        #{member := Coordinator} when Last >= 0 ->
            Body = <<(integer_to_binary(Last + 1))/binary, " of ", Coordinator/binary>>,
            ok = cambrian_log:propose(Log, Epoch, Last + 1, Body);
        _ -> ok
    end,
    S;
propose(S) -> S.
