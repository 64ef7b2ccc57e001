%% @private
%% The standing of one origin in a realm, as a value: its reputation, its counts, its rate, and
%% which sequence numbers it has used. `Now' is in ms since 1970.
%%
%% A confirmed claim raises the reputation by a fiftieth of the way to 1. A lie multiplies the
%% reputation by a factor, and after n lies it never exceeds 0.7^n again. Honest claims cost
%% nothing, so no number of them may outweigh lies.
-module(cambrian_origin).

-export([new/3, has_used/2, tokens/3, receive_envelope/4, reputation/1, accept/1, confirm/1,
         inflate/1, lie/2, lie_once/2, forgive/1, merge/2, has_earned/1, is_dishonest/1,
         sequences/1, forget_at/1]).
-export([window_bits/0, former_window_bits/0, upgrade/2, is_standing/1]).
-export_type([standing/0, sequences/0, rate/0]).

%% Of the `received' envelopes, a population took in `accepted'. `lies' counts false claims among
%% the `checked' ones, and signed bytes that are not the claimed genotype. `sequence' is the highest
%% number received; bit N of `window' is set if the number N below it was received. `lied' is the
%% highest sequence number of those signed bytes, if there were any.
-type standing() :: #{reputation := float(), received := non_neg_integer(),
                      accepted := non_neg_integer(), checked := non_neg_integer(),
                      lies := non_neg_integer(), sequence := non_neg_integer(),
                      window := non_neg_integer(), seen := integer(), tokens := number(),
                      filled := integer(), grant := none | cambrian_identity:grant(),
                      lied => non_neg_integer()}.
%% The part of a standing that detects replays.
-type sequences() :: {Sequence :: non_neg_integer(), Window :: non_neg_integer()}.
-type rate() :: {PerSecond :: number(), Burst :: number()}.

%% How long a realm remembers a silent origin that earned its place.
-define(REMEMBER_EARNED_MS, 30 * 86_400_000).

%% The window of sequence numbers. It holds more numbers than the default rate admits within the
%% greatest age of an envelope, so that a late envelope is not refused as a replay. Earlier releases
%% had 64.
-define(WINDOW, 2048).
-define(FORMER_WINDOW, 64).
-define(ALL_USED, (1 bsl ?WINDOW - 1)).

-define(NEUTRAL, 0.5).
-define(DISHONEST_BELOW, 0.1).
%% A lie multiplies the reputation by this factor: for a false fitness; for a signature over bytes
%% that are not the claimed genotype.
-define(INFLATED, 0.7).
-define(CHEATED, 0.5).

-spec new(sequences(), rate(), Now :: integer()) -> standing().
new({Sequence, Window}, {_PerSecond, Burst}, Now) ->
    #{reputation => ?NEUTRAL, received => 0, accepted => 0, checked => 0, lies => 0,
      sequence => Sequence, window => Window, seen => Now, tokens => Burst, filled => Now,
      grant => none}.

%%% ---- envelopes --------------------------------------------------------------------------

%% @doc Whether this origin has used a sequence number, or the number is too far below the highest
%% number to know. Each number counts once, in any order: envelopes may overtake each other (the
%% sliding window of IPsec: RFC 4303, A2).
-spec has_used(Sequence :: non_neg_integer(), standing()) -> boolean().
has_used(Sequence, #{sequence := Highest}) when Sequence > Highest -> false;
has_used(Sequence, #{sequence := Highest}) when Highest - Sequence >= ?WINDOW -> true;
has_used(Sequence, #{sequence := Highest, window := Window}) ->
    Window band (1 bsl (Highest - Sequence)) =/= 0.

use(Sequence, #{sequence := Last} = Standing) ->
    Highest = max(Sequence, Last),
    Window = window_below(Highest, Standing) bor (1 bsl (Highest - Sequence)),
    Standing#{sequence := Highest, window := Window}.

%% The window, shifted to a number that is not below the standing's own.
window_below(Highest, #{sequence := Last}) when Highest - Last >= ?WINDOW -> 0;
window_below(Highest, #{sequence := Last, window := Window}) ->
    (Window bsl (Highest - Last)) band ?ALL_USED.

%% @doc How many envelopes the rate admits now. If the clock of this node was set back by years, the
%% origin does not wait for years.
-spec tokens(standing(), rate(), Now :: integer()) -> number().
tokens(#{tokens := Tokens, filled := Filled}, {PerSecond, Burst}, Now) ->
    min(Burst, Tokens + abs(Now - Filled) * PerSecond / 1000).

%% @doc Counts an envelope, and remembers the grant that came with it.
-spec receive_envelope(#{sequence := non_neg_integer(), atom() => term()}, rate(), Now :: integer(),
                       standing()) -> standing().
receive_envelope(#{sequence := Sequence} = Claims, Rate, Now, #{received := Received} = Standing) ->
    Counted = Standing#{received := Received + 1, seen := Now, filled := Now,
                        tokens := tokens(Standing, Rate, Now) - 1},
    with_grant(Claims, use(Sequence, Counted)).

with_grant(#{grant := #{} = Grant}, Standing) -> Standing#{grant := Grant};
with_grant(_, Standing) -> Standing.

%%% ---- reputation -------------------------------------------------------------------------

-spec reputation(standing()) -> float().
reputation(#{reputation := Reputation}) -> Reputation.

%% @doc A population took in a genotype of this origin.
-spec accept(standing()) -> standing().
accept(#{accepted := Accepted} = Standing) -> Standing#{accepted := Accepted + 1}.

%% @doc A claimed fitness was measured and confirmed.
-spec confirm(standing()) -> standing().
confirm(#{checked := Checked, reputation := Reputation, lies := Lies} = Standing) ->
    Raised = min(Reputation + 0.02 * (1 - Reputation), max(Reputation, at_most(Lies))),
    Standing#{checked := Checked + 1, reputation := Raised}.

%% @doc A claimed fitness was measured and is too high.
-spec inflate(standing()) -> standing().
inflate(#{checked := Checked} = Standing) -> lower(?INFLATED, Standing#{checked := Checked + 1}).

%% @doc The origin signed bytes with this number that are not the claimed genotype.
-spec lie(Sequence :: non_neg_integer(), standing()) -> standing().
lie(Sequence, Standing) ->
    (lower(?CHEATED, Standing))#{lied => max(Sequence, maps:get(lied, Standing, 0))}.

%% @doc Counts such a lie when another node delivered the bytes. That node may deliver them as often
%% as it likes, so no lie with this number or a lower number counts again.
-spec lie_once(Sequence :: non_neg_integer(), standing()) -> standing().
lie_once(Sequence, #{lied := Lied} = Standing) when Sequence =< Lied -> Standing;
lie_once(Sequence, Standing) -> lie(Sequence, Standing).

lower(Factor, #{lies := Lies, reputation := Reputation} = Standing) ->
    Standing#{lies := Lies + 1, reputation := min(Reputation * Factor, at_most(Lies + 1))}.

at_most(Lies) -> math:pow(?INFLATED, Lies).

%% @doc Restores the reputation of a new key, without lies.
-spec forgive(standing()) -> standing().
forgive(Standing) -> Standing#{reputation := ?NEUTRAL, lies := 0}.

%% @doc Whether a population of this node took in a genotype of this origin, and the reputation is
%% still above that of a new key.
-spec has_earned(standing()) -> boolean().
has_earned(#{accepted := Accepted, reputation := Reputation}) ->
    Accepted > 0 andalso Reputation > ?NEUTRAL.

%% @doc Whether the reputation is so low that the realm bans the key.
-spec is_dishonest(standing()) -> boolean().
is_dishonest(#{reputation := Reputation}) -> Reputation < ?DISHONEST_BELOW.

%%% ---- successions and memory -------------------------------------------------------------

%% @doc The standing of an heir that had its own standing before the succession. The heir gains no
%% reputation by the succession, and loses none of its record.
-spec merge(Old :: standing(), New :: standing()) -> standing().
merge(#{grant := OldGrant} = Old, #{grant := NewGrant} = New) ->
    Counts = [received, accepted, checked, lies],
    Sums = [{Key, maps:get(Key, Old) + maps:get(Key, New)} || Key <- Counts],
    Highest = max(maps:get(sequence, Old), maps:get(sequence, New)),
    Lied = maps:from_list([{lied, lists:max(Numbers)}
                           || Numbers <- [[N || #{lied := N} <- [Old, New]]], Numbers =/= []]),
    maps:merge(maps:merge(New, Lied), maps:from_list(
        [{reputation, merge_reputations(Old, New)},
         {sequence, Highest},
         {window, window_below(Highest, Old) bor window_below(Highest, New)},
         {seen, max(maps:get(seen, Old), maps:get(seen, New))},
         {tokens, min(maps:get(tokens, Old), maps:get(tokens, New))},
         {grant, case NewGrant of none -> OldGrant; _ -> NewGrant end} | Sums])).

merge_reputations(#{reputation := Old}, #{checked := 0, lies := 0}) -> Old;
merge_reputations(#{reputation := Old}, #{reputation := New}) -> min(Old, New).

%% @doc The part of a standing that a realm keeps when it forgets the origin.
-spec sequences(standing()) -> sequences().
sequences(#{sequence := Sequence, window := Window}) -> {Sequence, Window}.

%% @doc The time after which a realm may forget this origin although it earned its place.
-spec forget_at(standing()) -> integer().
forget_at(#{seen := Seen}) -> Seen + ?REMEMBER_EARNED_MS.

%%% ---- saved standings --------------------------------------------------------------------

-spec window_bits() -> pos_integer().
window_bits() -> ?WINDOW.

-spec former_window_bits() -> pos_integer().
former_window_bits() -> ?FORMER_WINDOW.

%% @doc Upgrades a standing that a release with a window of `Bits' saved. That release refused all
%% numbers below its smaller window, so they count as used. It saved only part of a grant, so the
%% origin must show its grant again.
-spec upgrade(map(), Bits :: non_neg_integer()) -> map().
upgrade(#{grant := {_By, _Until}} = Standing, Bits) -> upgrade(Standing#{grant := none}, Bits);
upgrade(#{window := Window} = Standing, Bits) when is_integer(Window), Window >= 0 ->
    Standing#{window := Window bor (?ALL_USED bsr Bits bsl Bits)};
upgrade(#{window := _} = Standing, _Bits) -> Standing;
upgrade(Standing, _Bits) -> Standing#{window => ?ALL_USED}.

-spec is_standing(term()) -> boolean().
is_standing(#{reputation := Reputation, received := Received, accepted := Accepted,
              checked := Checked, lies := Lies, sequence := Sequence, window := Window,
              seen := Seen, tokens := Tokens, filled := Filled, grant := Grant} = Standing) ->
    Counts = [Received, Accepted, Checked, Lies, Sequence, Window, maps:get(lied, Standing, 0)],
    is_float(Reputation) andalso Reputation >= 0 andalso Reputation =< 1
        andalso lists:all(fun cambrian_options:is_count/1, Counts) andalso Window =< ?ALL_USED
        andalso is_integer(Seen) andalso is_integer(Filled) andalso is_number(Tokens)
        andalso (Grant =:= none orelse cambrian_identity:is_grant(Grant));
is_standing(_) -> false.
