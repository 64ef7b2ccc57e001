%% @private
%% Decides when to repeat a message that all nodes should know: the Trickle algorithm of RFC 6206.
%% As long as all nodes agree, a node sends it ever more rarely, and not at all if other nodes have
%% just sent the same. A node that receives something different sends soon. So the traffic that a
%% node receives does not grow with the number of nodes.
%%
%% One addition: a node that would be quiet still sends in one long interval of as many as there are
%% nodes, and in a shorter interval with a chance that is lower in proportion. Otherwise an attacker
%% that sends the same to it alone could keep it quiet for ever, also by something different now and
%% then, which keeps intervals short. In a mesh without attackers that is about one more message in
%% a long interval, from all nodes together.
%%
%% This is a value without a clock: `Now' is in ms.
-module(cambrian_trickle).

-export([new/3, reset/2, reset/3, consistent/1, wake/1, tick/3]).
-export_type([trickle/0, options/0]).

%% The shortest and the longest interval in ms, and how many other nodes must send the same in an
%% interval to keep this node quiet.
-type options() :: #{shortest := pos_integer(), longest := pos_integer(),
                     redundancy := pos_integer()}.

-record(trickle, {options :: options(), rand :: rand:state(), interval :: pos_integer(),
                  speaks_at :: integer() | spoken, ends_at :: integer(),
                  heard = 0 :: non_neg_integer()}).
-opaque trickle() :: #trickle{}.

%% An interval is long from so many of the shortest on.
-define(LONG, 16).

-spec new(options(), rand:state(), Now :: integer()) -> trickle().
new(#{shortest := Shortest} = Options, Rand, Now) ->
    begin_interval(Shortest, Now, #trickle{options = Options, rand = Rand, interval = Shortest,
                                           speaks_at = spoken, ends_at = Now}).

%% A node sends in the second half of the interval, and only listens in the first.
begin_interval(Interval, Now, #trickle{rand = Rand} = Trickle) ->
    {X, Next} = rand:uniform_s(Rand),
    Trickle#trickle{rand = Next, interval = Interval, heard = 0, ends_at = Now + Interval,
                    speaks_at = Now + round(Interval * (1 + X) / 2)}.

%% @doc Another node sent something different.
-spec reset(Now :: integer(), trickle()) -> trickle().
reset(_Now, #trickle{interval = Interval, options = #{shortest := Shortest}} = Trickle)
  when Interval =< Shortest -> Trickle;
reset(Now, #trickle{options = #{shortest := Shortest}} = Trickle) ->
    begin_interval(Shortest, Now, Trickle).

%% @doc Does the same, with another shortest interval from now on.
-spec reset(Shortest :: pos_integer(), Now :: integer(), trickle()) -> trickle().
reset(Shortest, Now, #trickle{options = Options} = Trickle) ->
    reset(Now, Trickle#trickle{options = Options#{shortest := Shortest}}).

%% @doc Another node sent the same.
-spec consistent(trickle()) -> trickle().
consistent(#trickle{heard = Heard} = Trickle) -> Trickle#trickle{heard = Heard + 1}.

-spec wake(trickle()) -> integer().
wake(#trickle{speaks_at = spoken, ends_at = At}) -> At;
wake(#trickle{speaks_at = At}) -> At.

%% @doc Whether to send now, in a mesh of so many nodes.
-spec tick(Now :: integer(), Nodes :: pos_integer(), trickle()) -> {speak | quiet, trickle()}.
tick(Now, Nodes, #trickle{speaks_at = At} = Trickle) when is_integer(At), At =< Now ->
    speak_or_not(Nodes, Trickle#trickle{speaks_at = spoken});
tick(Now, Nodes, #trickle{speaks_at = spoken, ends_at = At} = Trickle) when At =< Now ->
    #trickle{interval = Interval, options = #{longest := Longest}} = Trickle,
    tick(Now, Nodes, begin_interval(min(2 * Interval, Longest), Now, Trickle));
tick(_Now, _Nodes, Trickle) ->
    {quiet, Trickle}.

speak_or_not(_Nodes, #trickle{heard = Heard, options = #{redundancy := Enough}} = Trickle)
  when Heard < Enough -> {speak, Trickle};
speak_or_not(Nodes, #trickle{rand = Rand} = Trickle) ->
    {X, Next} = rand:uniform_s(Rand),
    Speaks = X * Nodes < share_of_long(Trickle),
    {case Speaks of true -> speak; false -> quiet end, Trickle#trickle{rand = Next}}.

%% How much of a long interval this one is.
share_of_long(#trickle{interval = Interval,
                       options = #{shortest := Shortest, longest := Longest}}) ->
    min(1, Interval / min(?LONG * Shortest, Longest)).
