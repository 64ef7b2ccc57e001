%% @private
%% How many messages of other nodes are worked on: a budget a second for each lane, such as
%% `{heartbeats, fresh}'.
%%
%% Below its budget a lane takes all. Above it, each arrival has the same chance, budget / arrivals,
%% whoever sends it and whenever in the second it comes. A token bucket would serve the first, and a
%% flood that keeps time with it would always be first. So with a budget of 50 a second, under 250
%% forgeries a second, a new key that speaks every 4 s is heard after 5 tries, 20 s, on average.
%%
%% Within the second in which a flood of n begins, a lane takes at most
%% budget * (1 + ln(n / budget)).
-module(cambrian_meter).

-export([new/1, take/4, take/5]).
-export_type([meter/0, lane/0]).

-type lane() :: term().
-type counts() :: #{lane() => pos_integer()}.
%% What came in each lane in this second, and in the second before.
-record(meter, {rand :: rand:state(), second = 0 :: integer(), came = #{} :: counts(),
                before = #{} :: counts()}).
-opaque meter() :: #meter{}.

%% Other nodes may name lanes, for instance by addresses. Lanes beyond these share one in a second.
-define(MAX_LANES, 1024).

-spec new(rand:state()) -> meter().
new(Rand) -> #meter{rand = Rand}.

%% @doc The same for a weight of 1.
-spec take(lane(), Budget :: pos_integer(), Now :: integer(), meter()) -> {boolean(), meter()}.
take(Lane, Budget, Now, Meter) -> take(Lane, 1, Budget, Now, Meter).

%% @doc Whether one more message of this weight may be worked on. `Budget' is the weight a second,
%% `Now' is in ms.
-spec take(lane(), Weight :: pos_integer(), Budget :: pos_integer(), Now :: integer(), meter()) ->
          {boolean(), meter()}.
take(Named, Weight, Budget, Now, Meter) ->
    #meter{came = Came, before = Before} = Current = in_second(Now div 1000, Meter),
    Lane = case is_map_key(Named, Came) orelse map_size(Came) < ?MAX_LANES of
               true -> Named;
               false -> others
           end,
    Arrived = maps:get(Lane, Came, 0),
    Counted = Current#meter{came = Came#{Lane => Arrived + Weight}},
    draw(Budget, max(Arrived, maps:get(Lane, Before, 0)), Counted).

in_second(Second, #meter{second = Second} = Meter) -> Meter;
in_second(Second, #meter{second = Last, came = Came} = Meter) when Second =:= Last + 1 ->
    Meter#meter{second = Second, came = #{}, before = Came};
in_second(Second, Meter) -> Meter#meter{second = Second, came = #{}, before = #{}}.

draw(Budget, Arrived, Meter) when Arrived < Budget -> {true, Meter};
draw(Budget, Arrived, #meter{rand = Rand} = Meter) ->
    {Share, Next} = rand:uniform_s(Rand),
    {Share * Arrived < Budget, Meter#meter{rand = Next}}.
