%% @private
%% Which key lives at an address. A node asks a key for something only after the key has shown that
%% it lives at its address.
%%
%% Anybody can claim any address. So before the first request to an address, whoever lives there is
%% asked for its key, once for all keys that claim the address. A true claim opens the address for
%% its key. A false claim costs the address no more than this one question. After an answer, claims
%% of other keys are refused for ten minutes. Without an answer, the next question waits for 5
%% seconds, then twice as long each time, up to ten minutes.
-module(cambrian_addresses).

-export([new/1, claim/4, is_proven/2, asked/3, await/3, answered/4, moved/3]).
-export_type([addresses/0, claim/0]).

-type address() :: binary().
%% `asking': the question is under way; `unasked': it may be asked; `refused': another key lives
%% there, or nobody answered.
-type claim() :: proven | asking | unasked | refused.

-record(addresses,
        {own :: address(),
         proven = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(address(), cambrian_identity:key()),
         %% when the next question may be asked, and how many in a row nobody answered
         next = cambrian_bounded_map:new(4096)
             :: cambrian_bounded_map:bounded_map(address(), {At :: integer(), non_neg_integer()}),
         questions = #{} :: #{address() => Waiting :: [term()]}}).
-opaque addresses() :: #addresses{}.

-define(ANSWERED_MS, 600_000).
-define(SILENT_MS, 5000).

%% @doc For the node that lives at this address.
-spec new(address()) -> addresses().
new(Own) -> #addresses{own = Own}.

%% @doc Another key lives there from now on, as its predecessor signed.
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

%% @doc Whether some key has shown that it lives there.
-spec is_proven(address(), addresses()) -> boolean().
is_proven(Address, #addresses{proven = Proven}) ->
    cambrian_bounded_map:find(Address, Proven) =/= error.

%% @doc The question is under way. `Waiting' is who waits for the answer.
-spec asked(address(), Waiting :: [term()], addresses()) -> addresses().
asked(Address, Waiting, #addresses{questions = Questions} = Addresses) ->
    Addresses#addresses{questions = Questions#{Address => Waiting}}.

%% @doc One more waits for the answer.
-spec await(address(), Waiting :: term(), addresses()) -> addresses().
await(Address, One, #addresses{questions = Questions} = Addresses) ->
    #{Address := Waiting} = Questions,
    Addresses#addresses{questions = Questions#{Address := [One | Waiting]}}.

%% @doc The key that lives there answered, or nobody did. Gives those who waited, the first first.
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
