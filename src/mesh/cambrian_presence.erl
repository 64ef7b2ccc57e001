%% @private
%% Detects which nodes are present: publishes and receives the heartbeats of an exchange, and calls
%% addresses to learn which key lives there and how far away they are.
-module(cambrian_presence).

-export([heartbeat_due/2, heard_heartbeat/4, renamed/3]).
-export([ask_who_lives_at/5, ping_due/2, call/3, call_answered/4]).

-import(cambrian_exchange_state,
        [ask/3, count_nodes/2, effect/2, event/3, once/3, refused/3, rejected/2, repeat_soon/3,
         time/2]).
-import(cambrian_allowances, [may_work_on/5]).

-include("cambrian_exchange.hrl").

%% How many heartbeats are verified per second: of keys that have earned their place, of other known
%% keys, and of all other keys together. Verifying a signature takes a tenth of a ms.
-define(HEARTBEATS, #{earned => 400, known => 200, fresh => 50}).
%% How many questions per second ask which key lives at an address.
-define(QUESTIONS, #{earned => 200, known => 20, fresh => 10}).
-define(MAX_PINGS, 2).
%% A ping without an answer makes the round trip longer by so many ms.
-define(UNANSWERED_MS, 10_000).
%% References of calls are above those of requests.
-define(CALL_REFS, 1 bsl 32).
%% Up to so many nodes welcome a node that joins, each within so many ms.
-define(FEW, 30).
-define(WELCOME_MS, 500).

%%% ---- heartbeats -------------------------------------------------------------------------

%% @doc Publishes a heartbeat if it is time.
-spec heartbeat_due(Now :: integer(), #exchange{}) -> #exchange{}.
heartbeat_due(Now, #exchange{heartbeat_at = At} = X) when At > Now -> X;
heartbeat_due(Now, Uncounted) ->
    X = cambrian_certificates:look_for_charters(Now, count_nodes(Now, Uncounted)),
    #exchange{options = Options, members = Members, stamp = Last} = X,
    #{realm := Realm, address := Address, identity := Identity} = Options,
    Interval = cambrian_members:interval(Now, Members),
    Stamp = cambrian_members:stamp(time(Now, X), Last),
    Bytes = cambrian_message:heartbeat(Realm, Address, {Stamp, Interval}, Identity),
    %% in the second half of the interval, so that nodes that began together drift apart
    {Share, Rand} = rand:uniform_s(X#exchange.rand),
    Next = Now + round(Interval * (1 + Share) / 2),
    effect({publish, Bytes},
           X#exchange{heartbeat_at = Next, spoke_at = Now, stamp = Stamp, rand = Rand}).

-spec heard_heartbeat(Body :: binary(), Signature :: binary(), Now :: integer(), #exchange{}) ->
          #exchange{}.
heard_heartbeat(Body, Signature, Now, #exchange{members = Members} = X) ->
    case cambrian_message:read_heartbeat(Body, cambrian_members:max_interval()) of
        {ok, Heartbeat} ->
            case cambrian_members:is_news(Heartbeat, time(Now, X), Members) of
                true -> verify(Heartbeat, {Body, Signature}, Now, X);
                false -> X
            end;
        {error, Reason} -> refused(Reason, Now, X)
    end.

%% Charges the budget before it verifies: a signature takes long, and a flood has many false ones.
verify(#{key := Key} = Heartbeat, Signed, Now, #exchange{options = #{realm := Realm}} = X) ->
    case ask({is_heard, Key}, Now, X) of
        {false, Next} -> Next;
        {true, Asked} ->
            case may_work_on(heartbeats, ?HEARTBEATS, Key, Now, Asked) of
                {false, Next} -> rejected(metered, Next);
                {true, Next} ->
                    Verify = fun() -> cambrian_message:is_genuine(Realm, Signed, Key) end,
                    case once({heartbeat, Realm, Signed}, Verify, X) of
                        true -> is_there(Heartbeat, Now, Next);
                        false -> refused(bad_signature, Now, Next)
                    end
            end
    end.

is_there(#{key := Key} = Heartbeat, Now, #exchange{members = Members} = X) ->
    {News, Heard} = cambrian_members:heartbeat(Heartbeat, Now, Members),
    {HasEarned, Asked} = ask({has_earned, Key}, Now, X),
    Next = Asked#exchange{members = with_place(HasEarned, Key, Heard)},
    case News of
        new -> event(node_up, #{origin => Key}, welcome(Now, Next));
        known -> Next
    end.

with_place(true, Key, Members) -> cambrian_members:earned(Key, Members);
with_place(false, Key, Members) -> cambrian_members:fresh(Key, Members).

%% A node that joins or returns soon gets heartbeats, the present charters and the best genotypes.
%% In a large mesh it is enough that some of the nodes publish them.
welcome(Now, X) ->
    case count_nodes(Now, X) of
        #exchange{alive = Alive} = Counted when Alive =< ?FEW -> speak_soon(Now, Counted);
        Counted -> Counted
    end.

speak_soon(Now, #exchange{heartbeat_at = At, spoke_at = Spoke, rand = Rand, tasks = Tasks} = X) ->
    {Ms, Next} = rand:uniform_s(?WELCOME_MS, Rand),
    Welcoming = case X of
                    #exchange{charters = none} -> X;
                    _ -> cambrian_certificates:repeat_charters_soon(Now, X)
                end,
    Welcoming#exchange{heartbeat_at = min(At, max(Now, Spoke + ?WELCOME_MS) + Ms), rand = Next,
                       tasks = maps:map(fun(_, Task) -> repeat_soon(Now, Task, X) end, Tasks)}.

%% @doc This node has another key: publishes a heartbeat at once.
-spec renamed(cambrian_identity:key(), Now :: integer(), #exchange{}) -> #exchange{}.
renamed(Key, Now, #exchange{members = Members} = X) ->
    X#exchange{members = cambrian_members:renamed(Key, Members), heartbeat_at = Now, tell_at = Now}.

%%% ---- calls ------------------------------------------------------------------------------

%% @doc Asks which key lives at an address, once for all keys that claim it. `Waiting' are the
%% requests that wait for the answer. Returns `metered' if `Key' claims too many addresses.
-spec ask_who_lives_at(Address :: binary(), cambrian_identity:key(), Waiting :: [pos_integer()],
                       Now :: integer(), #exchange{}) -> {asked | metered, #exchange{}}.
ask_who_lives_at(Address, Key, Waiting, Now, X) ->
    case may_work_on(questions, ?QUESTIONS, Key, Now, X) of
        {true, #exchange{addresses = Addresses, rand = Rand} = Metered} ->
            {Nonce, Next} = rand:bytes_s(32, Rand),
            Call = #call{kind = who, address = Address, key = Key, at = Now, nonce = Nonce},
            Asked = cambrian_addresses:asked(Address, Waiting, Addresses),
            {asked, call(Call, cambrian_message:who(Nonce),
                         Metered#exchange{rand = Next, addresses = Asked})};
        {false, Metered} -> {metered, Metered}
    end.

%% @doc Calls a node. `cambrian_exchange:answered/4' finds the call again.
-spec call(#call{}, Bytes :: binary(), #exchange{}) -> #exchange{}.
call(#call{address = Address} = Call, Bytes, #exchange{sequence = Sequence, calls = Calls} = X) ->
    Ref = ?CALL_REFS + Sequence,
    effect({ask, Ref, Address, Bytes},
           X#exchange{sequence = Sequence + 1, calls = Calls#{Ref => Call}}).

%% @doc Measures the distance of a node, if the topology is by distance.
-spec ping_due(Now :: integer(), #exchange{}) -> #exchange{}.
ping_due(Now, #exchange{options = #{topology := {nearest, _}}, calls = Calls} = X)
  when map_size(Calls) < ?MAX_PINGS ->
    #exchange{members = Members, addresses = Addresses} = X,
    Claims = [{cambrian_addresses:claim(Address, Key, Now, Addresses), Address, Key}
              || {Address, Key} <- cambrian_members:unmeasured(Now, Members)],
    case [Claim || {State, _, _} = Claim <- Claims, State =:= proven orelse State =:= unasked] of
        [{proven, Address, Key} | _] ->
            Call = #call{kind = ping, address = Address, key = Key, at = Now},
            call(Call, cambrian_message:ping(), X);
        [{unasked, Address, Key} | _] ->
            {_, Next} = ask_who_lives_at(Address, Key, [], Now, X),
            Next;
        [] -> X
    end;
ping_due(_Now, X) -> X.

%% @doc Handles the answer to a call, or its absence. Returns the requests that waited for the key
%% of the address.
-spec call_answered(#call{}, {ok, binary()} | {error, term()}, Now :: integer(), #exchange{}) ->
          {measured, #exchange{}} | {address_known, Waiting :: [pos_integer()], #exchange{}}.
call_answered(#call{kind = ping, key = Key, at = At}, Result, Now, X) ->
    {measured, measured(Result, Key, Now - At, X)};
call_answered(#call{address = Address, key = Claimed, at = At} = Call, Result, Now, X) ->
    Proven = proven_key(Result, Call, X),
    {Waiting, Addresses} = cambrian_addresses:answered(Address, Proven, Now, X#exchange.addresses),
    Measured = case Proven of
                   {ok, Key} -> measured(Proven, Key, Now - At, X);
                   error -> measured({error, timeout}, Claimed, Now - At, X)
               end,
    {address_known, Waiting, Measured#exchange{addresses = Addresses}}.

measured({ok, _}, Key, Ms, #exchange{members = Members} = X) ->
    X#exchange{members = cambrian_members:measured(Key, Ms, Members)};
measured({error, _}, Key, Ms, X) -> measured({ok, late}, Key, Ms + ?UNANSWERED_MS, X).

proven_key({ok, Answer}, #call{address = Address, nonce = Nonce}, X) ->
    #exchange{options = #{realm := Realm}} = X,
    case cambrian_message:lives_at(Realm, Address, Nonce, Answer) of
        {ok, Key} -> {ok, Key};
        {error, _} -> error
    end;
proven_key({error, _}, _Call, _X) -> error.
