%% @private
%% How much of what strangers send is worked on: a budget a second for each lane, such as `{heartbeats, fresh}'.
%%
%% Below its budget a lane takes all. Above it each arrival has the same chance, budget / arrivals, whoever sends it and whenever
%% in the second it comes: a token bucket would serve whoever is first, and a flood that keeps time with it would be first for
%% ever. So with a budget of 50 a second, under 250 forgeries a second, a newcomer that speaks every 4 s is heard after 5 tries, 20 s,
%% on the average.
%%
%% Within the second in which a flood of n begins, at most budget * (1 + ln(n / budget)) are taken.
-module(cambrian_meter).

-export([new/1, take/4, take/5]).
-export_type([meter/0, lane/0]).

-type lane() :: term().
%% What came in each lane in this second, and in the one before.
-record(meter, {rand :: rand:state(), second = 0 :: integer(), came = #{} :: counts(), before = #{} :: counts()}).
-opaque meter() :: #meter{}.
-type counts() :: #{lane() => pos_integer()}.

%% Lanes may be named by what strangers say, such as addresses: more than that in one second share one.
-define(MAX_LANES, 1024).

-spec new(rand:state()) -> meter().
new(Rand) -> #meter{rand = Rand}.

%% @doc The same for one that weighs 1.
-spec take(lane(), Budget :: pos_integer(), Now :: integer(), meter()) -> {boolean(), meter()}.
take(Lane, Budget, Now, Meter) -> take(Lane, 1, Budget, Now, Meter).

%% @doc Whether one more of this weight may be worked on. `Budget' is the weight a second, `Now' in ms.
-spec take(lane(), Weight :: pos_integer(), Budget :: pos_integer(), Now :: integer(), meter()) -> {boolean(), meter()}.
take(Named, Weight, Budget, Now, Meter) ->
    #meter{came = Came, before = Before} = Current = current(Now div 1000, Meter),
    Lane = case is_map_key(Named, Came) orelse map_size(Came) < ?MAX_LANES of true -> Named; false -> others end,
    Arrived = maps:get(Lane, Came, 0),
    draw(Budget, max(Arrived, maps:get(Lane, Before, 0)), Current#meter{came = Came#{Lane => Arrived + Weight}}).

current(Second, #meter{second = Second} = Meter) -> Meter;
current(Second, #meter{second = Last, came = Came} = Meter) when Second =:= Last + 1 ->
    Meter#meter{second = Second, came = #{}, before = Came};
current(Second, Meter) -> Meter#meter{second = Second, came = #{}, before = #{}}.

draw(Budget, Arrived, Meter) when Arrived < Budget -> {true, Meter};
draw(Budget, Arrived, #meter{rand = Rand} = Meter) ->
    {Share, Next} = rand:uniform_s(Rand),
    {Share * Arrived < Budget, Meter#meter{rand = Next}}.
