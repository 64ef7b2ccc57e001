%% @private
%% Limits how many messages of other nodes are processed: a budget per second for each lane, such as
%% `{heartbeats, fresh}'.
%%
%% Below its budget a lane accepts all messages. Above it, each message has the same chance, budget
%% / arrivals, independent of its sender and its time within the second. A token bucket would accept
%% the first messages, and a flood that starts with each second would always be first. So with a
%% budget of 50 a second, under 250 forgeries a second, a new key with a message every 4 s gets
%% through after 5 tries, 20 s, on average.
%%
%% In the second in which a flood of n messages begins, a lane accepts at most budget * (1 + ln(n /
%% budget)).
-module(cambrian_meter).

-export([new/1, take/4, take/5]).
-export_type([meter/0, lane/0]).

-type lane() :: term().
-type counts() :: #{lane() => pos_integer()}.
%% The arrivals in each lane in this second, and in the second before.
-record(meter, {rand :: rand:state(), second = 0 :: integer(), came = #{} :: counts(),
                before = #{} :: counts()}).
-opaque meter() :: #meter{}.

%% Other nodes may cause new lanes, for instance by new addresses. All further lanes in a second
%% share one lane.
-define(MAX_LANES, 1024).

-spec new(rand:state()) -> meter().
new(Rand) -> #meter{rand = Rand}.

%% @doc Whether one more message of weight 1 is accepted.
-spec take(lane(), Budget :: pos_integer(), Now :: integer(), meter()) -> {boolean(), meter()}.
take(Lane, Budget, Now, Meter) -> take(Lane, 1, Budget, Now, Meter).

%% @doc Whether one more message of this weight is accepted. `Budget' is the weight per second,
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
