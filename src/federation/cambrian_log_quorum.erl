%% @private
%% Decides the records of a {@link cambrian_log} by a majority of voters, as the module
%% `cambrian_consensus' says, with nothing to install. Messages travel over Erlang distribution, or
%% by the `send' of the owner.
%%
%% The name of a member is the name of its node and a random part. With `dir' it is kept there,
%% together with what the member promised; without, or if the file is damaged, each start has a new
%% name, because the old one has promised what nobody remembers. A new member becomes a voter when a
%% record names it, which the coordinator does while there are free seats or dead voters.
%%
%% If more than half of the voters lose their memory before a record names others, no record can be
%% decided any more: start from a checkpoint, as a new log.
-module(cambrian_log_quorum).
-behaviour(cambrian_log).

-export([init/1, handle/2, wake/1, status/1, stop/1]).
-export_type([state/0]).

-record(quorum, {consensus :: cambrian_consensus:consensus(),
                 me :: cambrian_record:member(),
                 store :: none | cambrian_log_store:store(),
                 %% the name of the log's processes on other nodes, or how its owner sends
                 send :: atom() | fun((binary(), binary(), binary()) -> term()),
                 monitors = #{} :: #{reference() => cambrian_record:member()}}).
-opaque state() :: #quorum{}.

-spec init(cambrian_log:options()) ->
          {ok, [cambrian_log:event()], state()} | {error, term()}.
init(#{members := Members, window := Window} = Options) ->
    case cambrian_log_store:open(Options) of
        {ok, Store, Remembered, Held} ->
            {Me, Kept} = case Remembered of none -> {new_name(), none}; _ -> Remembered end,
            {Events, Records} = begin_with(Options, Me, newest(Kept, Held)),
            {Effects, Consensus} =
                cambrian_consensus:new((maps:with([coordinator, seats, beat_ms, silence_ms],
                                                  Options))#{
                    member => Me, seed => rand:uniform(1 bsl 58), now => now_ms(),
                    records => Records, kept => Kept, members => Members, window => Window}),
            %% a node that was never connected has no atom yet
            _ = [binary_to_atom(node_of(Member)) || not is_map_key(send, Options),
                                                    Member <- Members],
            Send = case Options of #{send := Fun} -> Fun; #{process := Process} -> Process end,
            executed(Events ++ Effects,
                     #quorum{consensus = Consensus, me = Me, store = Store, send = Send});
        {error, _} = Error -> Error
    end.

newest(#{record := #{number := Number} = Record}, [#{number := Last} | _]) when Number > Last ->
    [Record];
newest(#{record := #{} = Record}, []) -> [Record];
newest(_, Held) -> Held.

%% What the owner does not know yet is reported again.
begin_with(#{record := #{number := Number} = Record}, Me, Held) ->
    case Held of
        [#{number := Last} | _] when Last > Number -> {report(Number, Me, Held), Held};
        _ -> {[], [Record]}
    end;
begin_with(#{found := Body}, Me, []) ->
    First = cambrian_record:first([Me], Body),
    {[{committed, First}], [First]};
begin_with(_, _, []) -> {[], []};
begin_with(_, Me, Held) -> {report(-1, Me, Held), Held}.

report(After, Me, [#{number := Last} | _] = Held) ->
    case lists:reverse([Record || #{number := Number} = Record <- Held, Number > After]) of
        [#{number := Next} | _] = Records when Next =:= After + 1 ->
            [{committed, Record} || Record <- Records];
        _ -> [{behind, Last, Me}]
    end.

new_name() ->
    iolist_to_binary([atom_to_binary(node()), $/, binary:encode_hex(crypto:strong_rand_bytes(8))]).

-spec handle(cambrian_log:input(), state()) ->
          {ok, [cambrian_log:event()], state()} | {error, term()}.
handle({message, From, Bytes}, Q) -> heard(From, Bytes, Q);
handle({info, {cambrian_log, From, Bytes}}, Q) -> heard(From, Bytes, monitored(From, Q));
handle({info, {'DOWN', Monitor, process, _, _}}, #quorum{monitors = Monitors} = Q) ->
    case maps:take(Monitor, Monitors) of
        {Member, Left} -> event({down, Member}, Q#quorum{monitors = Left});
        error -> {ok, [], Q}
    end;
handle({info, _}, Q) -> {ok, [], Q};
handle(Event, Q) -> event(Event, Q).

heard(From, Bytes, Q) ->
    case cambrian_record:is_member(From) andalso cambrian_consensus_message:decode(Bytes) of
        {ok, Message} -> event({message, From, Message}, Q);
        _ -> {ok, [], Q}
    end.

event(Event, #quorum{consensus = Consensus} = Q) ->
    {Effects, Next} = cambrian_consensus:handle(Event, now_ms(), Consensus),
    executed(Effects, Q#quorum{consensus = Next}).

%% In order, so that nothing is sent before what it relies on is on the disk. The events are what
%% is left for the owner.
executed(Effects, Q) -> executed(Effects, [], Q).

executed([], Events, Q) -> {ok, lists:reverse(Events), Q};
executed([{send, To, Message} | Effects], Events, Q) ->
    _ = send(To, cambrian_consensus_message:encode(Message), Q),
    executed(Effects, Events, Q);
executed([{persist, Kept} | Effects], Events, Q) ->
    #quorum{store = Store, me = Me} = Q,
    case cambrian_log_store:keep({Me, Kept}, Store) of
        ok -> executed(Effects, Events, Q);
        {error, Reason} -> {error, {not_kept, Reason}}
    end;
executed([{committed, Record} = Event | Effects], Events, #quorum{store = Store} = Q) ->
    case cambrian_log_store:add(Record, Store) of
        ok -> executed(Effects, [Event | Events], Q);
        {error, Reason} -> {error, {not_kept, Reason}}
    end;
executed([Event | Effects], Events, Q) -> executed(Effects, [Event | Events], Q).

%% To a node that is gone the message is lost, as any may be.
send(To, Bytes, #quorum{send = Send, me = Me}) when is_function(Send) -> Send(Me, To, Bytes);
send(To, Bytes, #quorum{send = Process, me = Me}) ->
    try binary_to_existing_atom(node_of(To)) of
        Node -> erlang:send({Process, Node}, {cambrian_log, Me, Bytes}, [nosuspend])
    catch error:badarg -> lost
    end.

node_of(Member) -> hd(binary:split(Member, <<"/">>)).

%% Distribution says when the process of a member or its node ends.
monitored(From, #quorum{send = Process, monitors = Monitors} = Q) when is_atom(Process) ->
    case lists:member(From, maps:values(Monitors)) of
        true -> Q;
        false ->
            try binary_to_existing_atom(node_of(From)) of
                Node -> Q#quorum{monitors = Monitors#{monitor(process, {Process, Node}) => From}}
            catch error:badarg -> Q
            end
    end;
monitored(_, Q) -> Q.

-spec wake(state()) -> integer().
wake(#quorum{consensus = Consensus}) -> cambrian_consensus:wake(Consensus).

-spec status(state()) -> cambrian_log:status().
status(#quorum{consensus = Consensus}) -> cambrian_consensus:status(Consensus).

-spec stop(state()) -> ok.
stop(_) -> ok.

now_ms() -> erlang:monotonic_time(millisecond).
