%% @private
%% Which key lives at an address: only where a key has shown that it lives is it asked for anything else.
%%
%% Anybody can say of any address that it is theirs. So before the first request to an address whoever lives there is asked who
%% it is, once for all who claim the address: a true claim opens it for its key, and a false one costs whose address it is no more
%% than this question. After it, claims of other keys are refused for ten minutes; where nobody answered, the next question waits
%% for 5 seconds, then twice as long each time, up to ten minutes.
-module(cambrian_addresses).

-export([new/1, claim/4, is_proven/2, question/3, join/3, answered/4, moved/3]).
-export_type([addresses/0, claim/0]).

-type address() :: binary().
%% `asking': the question is under way; `unasked': nobody knows; `refused': somebody else lives there, or nobody answered.
-type claim() :: proven | asking | unasked | refused.

-record(addresses, {own :: address(),
                    proven = cambrian_bounded_map:new(4096) :: cambrian_bounded_map:bounded_map(address(), cambrian_identity:key()),
                    %% when the next question may be asked, after how many that nobody answered
                    asked = cambrian_bounded_map:new(4096) :: cambrian_bounded_map:bounded_map(address(), {At :: integer(), non_neg_integer()}),
                    questions = #{} :: #{address() => Waiting :: [term()]}}).
-opaque addresses() :: #addresses{}.

-define(AGAIN_MS, 600_000).
-define(SOON_MS, 5000).

%% @doc Of the node that lives at this address itself.
-spec new(address()) -> addresses().
new(Own) -> #addresses{own = Own}.

%% @doc Another key lives there from now on, as its predecessor signed.
-spec moved(address(), cambrian_identity:key(), addresses()) -> addresses().
moved(Address, Key, #addresses{proven = Proven} = Addresses) ->
    Addresses#addresses{proven = cambrian_bounded_map:put(Address, Key, Proven)}.

-spec claim(address(), cambrian_identity:key(), Now :: integer(), addresses()) -> claim().
claim(Own, _Key, _Now, #addresses{own = Own}) -> refused;
claim(Address, Key, Now, #addresses{proven = Proven, asked = Asked, questions = Questions}) ->
    {At, _} = cambrian_bounded_map:get(Address, Asked, {Now, 0}),
    case cambrian_bounded_map:find(Address, Proven) of
        {ok, Key} -> proven;
        _ when is_map_key(Address, Questions) -> asking;
        _ when Now < At -> refused;
        _ -> unasked
    end.

%% @doc Whether some key has shown that it lives there.
-spec is_proven(address(), addresses()) -> boolean().
is_proven(Address, #addresses{proven = Proven}) -> cambrian_bounded_map:find(Address, Proven) =/= error.

%% @doc The question is asked. Until it is answered, nobody else asks.
-spec question(address(), Waiting :: [term()], addresses()) -> addresses().
question(Address, Waiting, #addresses{questions = Questions} = Addresses) ->
    Addresses#addresses{questions = Questions#{Address => Waiting}}.

%% @doc One more waits for the answer.
-spec join(address(), Waiting :: term(), addresses()) -> addresses().
join(Address, One, #addresses{questions = Questions} = Addresses) ->
    #{Address := Waiting} = Questions,
    Addresses#addresses{questions = Questions#{Address := [One | Waiting]}}.

%% @doc Who lives there, or that nobody has shown it; and who waited for that, the first first.
-spec answered(address(), {ok, cambrian_identity:key()} | error, Now :: integer(), addresses()) -> {[term()], addresses()}.
answered(Address, Answer, Now, #addresses{proven = Proven, asked = Asked, questions = Questions} = Addresses) ->
    {Waiting, Left} = maps:take(Address, Questions),
    {_, Silent} = cambrian_bounded_map:get(Address, Asked, {Now, 0}),
    {Next, Known} = case Answer of
                        {ok, Key} -> {{Now + ?AGAIN_MS, 0}, cambrian_bounded_map:put(Address, Key, Proven)};
                        error -> {{Now + min(?AGAIN_MS, ?SOON_MS bsl min(Silent, 7)), Silent + 1}, Proven}
                    end,
    {lists:reverse(Waiting), Addresses#addresses{proven = Known, asked = cambrian_bounded_map:put(Address, Next, Asked), questions = Left}}.
