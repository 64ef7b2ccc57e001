%% @private
%% Knows which key lives at an address. A node sends a request to a key only after the key has shown
%% that it lives at its address.
%%
%% Any key can claim any address. So before the first request to an address, this node asks the
%% address for its key, once for all keys that claim the address. A true claim opens the address for
%% its key. A false claim costs the address only this one question. After an answer, claims of other
%% keys are refused for ten minutes. Without an answer, the next question waits for 5 seconds, then
%% twice as long each time, up to ten minutes.
-module(cambrian_addresses).

-export([new/1, claim/4, is_proven/2, asked/3, await/3, answered/4, moved/3]).
-export_type([addresses/0, claim/0]).

-type address() :: binary().
%% `asking': the question is running; `unasked': the question may be sent; `refused': another key
%% lives at the address, or the address did not answer.
-type claim() :: proven | asking | unasked | refused.

-record(addresses,
        {own :: address(),
         proven = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(address(), cambrian_identity:key()),
         %% when the next question may be sent, and how many questions in a row had no answer
         next = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(address(), {At :: integer(), non_neg_integer()}),
         questions = #{} :: #{address() => Waiting :: [term()]}}).
-opaque addresses() :: #addresses{}.

-define(ANSWERED_MS, 600_000).
-define(SILENT_MS, 5000).

%% @doc Knows no claims yet. Takes the address of this node.
-spec new(address()) -> addresses().
new(Own) -> #addresses{own = Own}.

%% @doc From now on the heir lives at the address, as its predecessor signed.
-spec moved(address(), cambrian_identity:key(), addresses()) -> addresses().
moved(Address, Key, #addresses{proven = Proven} = Addresses) ->
    Addresses#addresses{proven = cambrian_bounded_map:put(Address, Key, Proven)}.

-spec claim(address(), cambrian_identity:key(), Now :: integer(), addresses()) -> claim().
claim(Own, _Key, _Now, #addresses{own = Own}) -> refused;
claim(Address, Key, Now, #addresses{proven = Proven, next = Next, questions = Questions}) ->
    {At, _} = cambrian_bounded_map:get(Address, Next, {Now, 0}),
    case cambrian_bounded_map:find(Address, Proven) of
        {ok, Key} -> proven;
        _ when is_map_key(Address, Questions) -> asking;
        _ when Now < At -> refused;
        _ -> unasked
    end.

%% @doc Whether any key has shown that it lives at the address.
-spec is_proven(address(), addresses()) -> boolean().
is_proven(Address, #addresses{proven = Proven}) ->
    cambrian_bounded_map:find(Address, Proven) =/= error.

%% @doc The question is running. `Waiting' are the requests that wait for the answer.
-spec asked(address(), Waiting :: [term()], addresses()) -> addresses().
asked(Address, Waiting, #addresses{questions = Questions} = Addresses) ->
    Addresses#addresses{questions = Questions#{Address => Waiting}}.

%% @doc Adds a request that waits for the answer.
-spec await(address(), Waiting :: term(), addresses()) -> addresses().
await(Address, One, #addresses{questions = Questions} = Addresses) ->
    #{Address := Waiting} = Questions,
    Addresses#addresses{questions = Questions#{Address := [One | Waiting]}}.

%% @doc The address answered with its key, or did not answer. Returns the waiting requests, the
%% oldest first.
-spec answered(address(), {ok, cambrian_identity:key()} | error, Now :: integer(), addresses()) ->
          {[term()], addresses()}.
answered(Address, Answer, Now, #addresses{} = Addresses) ->
    #addresses{proven = Proven, next = Next, questions = Questions} = Addresses,
    {Waiting, Left} = maps:take(Address, Questions),
    {_, Silent} = cambrian_bounded_map:get(Address, Next, {Now, 0}),
    {Later, Known} =
        case Answer of
            {ok, Key} ->
                {{Now + ?ANSWERED_MS, 0}, cambrian_bounded_map:put(Address, Key, Proven)};
            error ->
                Wait = min(?ANSWERED_MS, ?SILENT_MS bsl min(Silent, 7)),
                {{Now + Wait, Silent + 1}, Proven}
        end,
    {lists:reverse(Waiting),
     Addresses#addresses{proven = Known, next = cambrian_bounded_map:put(Address, Later, Next),
                         questions = Left}}.
