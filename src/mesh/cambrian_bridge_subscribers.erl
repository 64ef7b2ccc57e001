%% @private
%% The processes that subscribe to genotypes of a task, or of all tasks, at a bridge.
-module(cambrian_bridge_subscribers).

-export([new/0, add/4, remove/2, down/2, wanted/1, send/2]).
-export_type([subscribers/0]).

-type wanted() :: cambrian_exchange_state:task() | all.
-opaque subscribers() :: #{reference() => {pid(), wanted(), Monitor :: reference()}}.

-spec new() -> subscribers().
new() -> #{}.

-spec add(reference(), wanted(), pid(), subscribers()) -> subscribers().
add(Ref, Wanted, Pid, Subscribers) ->
    Subscribers#{Ref => {Pid, Wanted, monitor(process, Pid)}}.

-spec remove(reference(), subscribers()) -> subscribers().
remove(Ref, Subscribers) ->
    case maps:take(Ref, Subscribers) of
        {{_, _, Monitor}, Left} ->
            demonitor(Monitor, [flush]),
            Left;
        error -> Subscribers
    end.

%% @doc Removes the subscriber with this monitor.
-spec down(Monitor :: reference(), subscribers()) -> subscribers().
down(Monitor, Subscribers) -> maps:filter(fun(_, {_, _, Of}) -> Of =/= Monitor end, Subscribers).

%% @doc The tasks that have a subscriber.
-spec wanted(subscribers()) -> [wanted()].
wanted(Subscribers) -> lists:usort([Wanted || {_, Wanted, _} <- maps:values(Subscribers)]).

%% @doc Sends a genotype to all subscribers of its task.
-spec send(#{task := cambrian_exchange_state:task(), atom() => term()}, subscribers()) -> ok.
send(#{task := Task} = Facts, Subscribers) ->
    Message = maps:with([genotype, task, fitness, generation, origin], Facts),
    lists:foreach(fun({Ref, {Pid, Wanted, _}}) ->
                      _ = [Pid ! {cambrian_bridge, Ref, Message}
                           || Wanted =:= all orelse Wanted =:= Task]
                  end, maps:to_list(Subscribers)).
