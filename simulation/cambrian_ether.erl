%% @doc A simulated network in virtual time, as a value without process or clock: it holds the
%% messages that are on their way between nodes.
%%
%% ```
%% 1> E = cambrian_ether:new(#{seed => 1, latency => {10, 20}}).
%% 2> Sent = cambrian_ether:send(a, b, hello, 5, 1000, E).
%% 3> {At, a, b, hello, Empty} = cambrian_ether:next(Sent).
%% 4> At >= 1010 andalso At =< 1020.
%% true
%% 5> cambrian_ether:next(Empty).
%% none
%% '''
%%
%% Every name is a node. All randomness comes from the seed: the same calls give the same
%% deliveries. Times are integers in ms. Messages may be any terms; only their sizes count.
-module(cambrian_ether).

-export([new/1, send/6, later/4, due/1, next/1, split/2, heal/1, crash/2, restart/2, can_reach/3,
         traffic/1, under_way/1]).
-export_type([ether/0, address/0, time/0, latency/0, options/0, traffic/0]).

-type address() :: term().
-type time() :: integer().
-type latency() :: {Min :: non_neg_integer(), Max :: non_neg_integer()}.
-type options() :: #{seed := integer(), loss => float(), duplication => float(),
                     latency => latency() | fun((From :: address(), To :: address()) -> latency())}.
%% `latency' (default `{1, 1}'): the delay of each message is drawn evenly from these ms, so a later
%% message may arrive first; or a fun returns the delay for each pair of nodes. `loss' and
%% `duplication' are the shares of messages that never arrive and that arrive twice.

-type traffic() :: #{sent := non_neg_integer(), received := non_neg_integer(),
                     bytes_sent := non_neg_integer(), bytes_received := non_neg_integer()}.

-type heap() :: empty | {time(), [heap()]}.
%% A pairing heap of the times at which a delivery is due.

-type delivery() :: {From :: address(), To :: address(), Message :: term(),
                     Bytes :: non_neg_integer() | none}.
-type counter() :: {Messages :: non_neg_integer(), Bytes :: non_neg_integer()}.

%% Deliveries of the same time arrive in the order in which they were sent. In `coming' the last is
%% first, in `now' the first is first.
-record(ether, {times = empty :: heap(),
                coming = #{} :: #{time() => [delivery(), ...]},
                now = {0, []} :: {time(), [delivery()]},
                size = 0 :: non_neg_integer(),
                random :: rand:state(),
                latency :: latency() | fun((address(), address()) -> latency()),
                loss :: float(),
                duplication :: float(),
                %% a node in none of the groups is in group 0
                groups = #{} :: #{address() => pos_integer()},
                down = #{} :: #{address() => []},
                sent = #{} :: #{address() => counter()},
                received = #{} :: #{address() => counter()}}).

-opaque ether() :: #ether{}.

%% @doc A network without messages, in which every node reaches every other.
%%
%% ```
%% 1> E = cambrian_ether:new(#{seed => 1, loss => 0.3, duplication => 0.01, latency => {5, 200}}).
%% 2> cambrian_ether:due(E).
%% infinity
%% '''
-spec new(options()) -> ether().
new(#{seed := Seed} = Options) ->
    #ether{random = rand:seed_s(exsss, Seed),
           latency = maps:get(latency, Options, {1, 1}),
           loss = float(maps:get(loss, Options, 0.0)),
           duplication = float(maps:get(duplication, Options, 0.0))}.

%% @doc Sends a message of so many bytes at that time to one node or to each of a list.
%%
%% ```
%% 1> E = cambrian_ether:send(a, [b, c, d], news, 300, 0, cambrian_ether:new(#{seed => 1})).
%% 2> cambrian_ether:under_way(E).
%% 3
%% '''
-spec send(From :: address(), To :: address() | [address()], Message :: term(),
           Bytes :: non_neg_integer(), time(),
           ether()) -> ether().
send(From, To, Message, Bytes, Now, E) when is_list(To) ->
    case E of
        #ether{down = #{From := []}} -> E;
        #ether{sent = Sent} ->
            Counted = E#ether{sent = count(From, length(To), Bytes, Sent)},
            lists:foldl(fun(One, Next) -> send_one(From, One, Message, Bytes, Now, Next) end,
                        Counted, To)
    end;
send(From, To, Message, Bytes, Now, E) -> send(From, [To], Message, Bytes, Now, E).

send_one(From, To, Message, Bytes, Now, E) ->
    case can_reach(From, To, E) of
        true ->
            {Copies, Drawn} = copies(E),
            put_in(Copies, {From, To, Message, Bytes}, Now, Drawn);
        false -> E
    end.

%% Draws no random number for an impossible event.
copies(#ether{loss = Loss, duplication = Duplication} = E) ->
    {Lost, Next} = chance(Loss, E),
    case Lost of
        true -> {0, Next};
        false ->
            {Twice, Last} = chance(Duplication, Next),
            {case Twice of true -> 2; false -> 1 end, Last}
    end.

chance(Share, E) when Share =< 0.0 -> {false, E};
chance(Share, #ether{random = Random} = E) ->
    {Drawn, Next} = rand:uniform_s(Random),
    {Drawn < Share, E#ether{random = Next}}.

put_in(0, _Delivery, _Now, E) -> E;
put_in(Copies, {From, To, _, _} = Delivery, Now, E) ->
    {Takes, Drawn} = takes(From, To, E),
    put_in(Copies - 1, Delivery, Now, push(Now + Takes, Delivery, Drawn)).

takes(From, To, #ether{latency = Latency} = E) when is_function(Latency) ->
    drawn(Latency(From, To), E);
takes(_From, _To, #ether{latency = Latency} = E) -> drawn(Latency, E).

drawn({Same, Same}, E) -> {Same, E};
drawn({Min, Max}, #ether{random = Random} = E) ->
    {Drawn, Next} = rand:uniform_s(Max - Min + 1, Random),
    {Min + Drawn - 1, E#ether{random = Next}}.

%% @doc Sends a node a message of its own at a later time: a timer. It does not arrive if the node
%% is down then, and it is not counted as traffic.
%%
%% ```
%% 1> E = cambrian_ether:later(a, tick, 1000, cambrian_ether:new(#{seed => 1})).
%% 2> {1000, a, a, tick, _} = cambrian_ether:next(E).
%% 3> cambrian_ether:due(E).
%% 1000
%% '''
-spec later(address(), Message :: term(), time(), ether()) -> ether().
later(Address, Message, At, E) -> push(At, {Address, Address, Message, none}, E).

%% @doc The time of the next delivery, even if a later partition or crash prevents it.
%%
%% ```
%% 1> Ether = cambrian_ether:new(#{seed => 1, latency => {7, 7}}).
%% 2> cambrian_ether:due(cambrian_ether:send(a, b, hello, 5, 1000, Ether)).
%% 1007
%% '''
-spec due(ether()) -> time() | infinity.
due(#ether{now = {_, []}, times = empty}) -> infinity;
due(#ether{now = {_, []}, times = {At, _}}) -> At;
due(#ether{now = {At, _}, times = {Earlier, _}}) when Earlier < At -> Earlier;
due(#ether{now = {At, _}}) -> At.

%% @doc The next delivery: time, sender, receiver and message. Lost messages are skipped.
%%
%% ```
%% 1> E = cambrian_ether:send(a, b, hello, 5, 0, cambrian_ether:new(#{seed => 1})).
%% 2> {1, a, b, hello, _} = cambrian_ether:next(E).
%% 3> cambrian_ether:next(cambrian_ether:crash(b, E)).
%% none
%% '''
-spec next(ether()) -> {time(), From :: address(), To :: address(), Message :: term(),
                        ether()} | none.
next(E) ->
    case due(E) of
        infinity -> none;
        At -> next(At, E)
    end.

next(At, #ether{now = {At, [{From, To, Message, Bytes} | Later]}, size = Size} = E) ->
    Rest = E#ether{now = {At, Later}, size = Size - 1},
    case arrives(From, To, Rest) of
        true -> {At, From, To, Message, received(To, Bytes, Rest)};
        false -> next(Rest)
    end;
next(At, E) -> next(At, turn_to(At, put_back(E))).

turn_to(At, #ether{times = {At, Under}, coming = Coming} = E) ->
    {Deliveries, Rest} = maps:take(At, Coming),
    E#ether{times = merged(Under), coming = Rest, now = {At, lists:reverse(Deliveries)}}.

%% A new message is due before the deliveries in `now'.
put_back(#ether{now = {_, []}} = E) -> E;
put_back(#ether{now = {At, Left}, coming = Coming, times = Times} = E) ->
    case Coming of
        #{At := Newer} -> E#ether{coming = Coming#{At := Newer ++ lists:reverse(Left)}};
        _ -> E#ether{coming = Coming#{At => lists:reverse(Left)}, times = merge({At, []}, Times)}
    end.

%% If the sender crashed after it sent the message, the message still arrives.
arrives(From, To, #ether{down = Down} = E) ->
    not is_map_key(To, Down) andalso same_group(From, To, E).

received(_To, none, E) -> E;
received(To, Bytes, #ether{received = Received} = E) ->
    E#ether{received = count(To, 1, Bytes, Received)}.

%% @doc Splits the network: nodes reach only nodes of their own group. All nodes that are in no
%% group form one more. Messages that are under way between groups are lost. The new partition
%% replaces the old one.
%%
%% ```
%% 1> E = cambrian_ether:split([[a, b]], cambrian_ether:new(#{seed => 1})).
%% 2> [cambrian_ether:can_reach(From, To, E) || {From, To} <- [{a, b}, {a, c}, {c, d}]].
%% [true,false,true]
%% '''
-spec split([[address()]], ether()) -> ether().
split(Groups, E) ->
    Numbered = lists:zip(lists:seq(1, length(Groups)), Groups),
    E#ether{groups = maps:from_list([{Address, N} || {N, Group} <- Numbered, Address <- Group])}.

%% @doc Ends the partition. Lost messages stay lost.
%%
%% ```
%% 1> Split = cambrian_ether:split([[a]], cambrian_ether:new(#{seed => 1})).
%% 2> cambrian_ether:can_reach(a, b, cambrian_ether:heal(Split)).
%% true
%% '''
-spec heal(ether()) -> ether().
heal(E) -> E#ether{groups = #{}}.

%% @doc Stops a node. It sends nothing, and loses every message and timer that is due before {@link
%% restart/2}.
%%
%% ```
%% 1> E = cambrian_ether:crash(b, cambrian_ether:new(#{seed => 1})).
%% 2> cambrian_ether:can_reach(a, b, E).
%% false
%% '''
-spec crash(address(), ether()) -> ether().
crash(Address, #ether{down = Down} = E) -> E#ether{down = Down#{Address => []}}.

%% @doc Starts a node again. Messages that are under way arrive, even if they were sent before the
%% crash.
%%
%% ```
%% 1> E = cambrian_ether:crash(b, cambrian_ether:new(#{seed => 1})).
%% 2> cambrian_ether:can_reach(a, b, cambrian_ether:restart(b, E)).
%% true
%% '''
-spec restart(address(), ether()) -> ether().
restart(Address, #ether{down = Down} = E) -> E#ether{down = maps:remove(Address, Down)}.

%% @doc Whether a message from one node can now reach the other.
%%
%% ```
%% 1> cambrian_ether:can_reach(a, b, cambrian_ether:new(#{seed => 1})).
%% true
%% '''
-spec can_reach(From :: address(), To :: address(), ether()) -> boolean().
can_reach(From, To, #ether{down = Down} = E) ->
    not is_map_key(From, Down) andalso not is_map_key(To, Down) andalso same_group(From, To, E).

same_group(_From, _To, #ether{groups = Groups}) when map_size(Groups) =:= 0 -> true;
same_group(From, To, #ether{groups = Groups}) ->
    maps:get(From, Groups, 0) =:= maps:get(To, Groups, 0).

%% @doc What each node has sent (lost messages too, once for each receiver) and received.
%%
%% ```
%% 1> E = cambrian_ether:send(a, [b, c], news, 300, 0, cambrian_ether:new(#{seed => 1})).
%% 2> cambrian_ether:traffic(E).
%% #{a => #{sent => 2,received => 0,bytes_sent => 600,bytes_received => 0}}
%% '''
-spec traffic(ether()) -> #{address() => traffic()}.
traffic(#ether{sent = Sent, received = Received}) ->
    maps:from_list([{Address,
                     traffic(maps:get(Address, Sent, {0, 0}), maps:get(Address, Received, {0, 0}))}
                    || Address <- maps:keys(maps:merge(Sent, Received))]).

traffic({Sent, BytesSent}, {Received, BytesReceived}) ->
    #{sent => Sent, received => Received, bytes_sent => BytesSent, bytes_received => BytesReceived}.

%% @doc How many deliveries are under way, timers included.
%%
%% ```
%% 1> cambrian_ether:under_way(cambrian_ether:new(#{seed => 1})).
%% 0
%% '''
-spec under_way(ether()) -> non_neg_integer().
under_way(#ether{size = Size}) -> Size.

count(Address, Messages, Bytes, Counters) ->
    case Counters of
        #{Address := {M, B}} -> Counters#{Address := {M + Messages, B + Messages * Bytes}};
        _ -> Counters#{Address => {Messages, Messages * Bytes}}
    end.

%%% ---- the heap ---------------------------------------------------------------------------

push(At, Delivery, #ether{coming = Coming, size = Size} = E) ->
    case Coming of
        #{At := Others} -> E#ether{coming = Coming#{At := [Delivery | Others]}, size = Size + 1};
        _ ->
            E#ether{coming = Coming#{At => [Delivery]}, times = merge({At, []}, E#ether.times),
                    size = Size + 1}
    end.

merge(A, empty) -> A;
merge(empty, B) -> B;
merge({TimeA, Under}, {TimeB, _} = B) when TimeA < TimeB -> {TimeA, [B | Under]};
merge(A, {TimeB, Under}) -> {TimeB, [A | Under]}.

%% Two passes keep the heap shallow: the first merges pairs, the second merges the results from the
%% last on.
merged(Heaps) -> lists:foldl(fun merge/2, empty, pairs(Heaps, [])).

pairs([A, B | Rest], Pairs) -> pairs(Rest, [merge(A, B) | Pairs]);
pairs([A], Pairs) -> [A | Pairs];
pairs([], Pairs) -> Pairs.
