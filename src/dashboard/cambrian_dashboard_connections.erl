%% @private
%% How many connections there may be: by what they do, by address, and in all. A value; `cambrian_dashboard_listener' has it.
%%
%% A connection is `waiting' until its request has come, and again when it has its answer and is to hang up. These cost
%% little and may be anybody's, so a newcomer always gets in: the oldest of the address that has most of them goes. So
%% who sends slowly, from one address or from many, keeps nobody out. What is asked for then has a place of its kind, and
%% `health' and `watching', the streams of events, have theirs apart: no load of another kind takes the answer to
%% `/health' away.
-module(cambrian_dashboard_connections).

-export([new/0, hold/4, leave/2, kinds/1, block/1]).
-export_type([places/0, kind/0, block/0]).

-type kind() :: waiting | asking | watching | health.
%% Who counts as one.
-type block() :: inet:ip4_address() | {inet:ip6_address(), 64}.
-opaque places() :: #{next := non_neg_integer(), held := #{pid() => {block(), kind(), Since :: non_neg_integer()}}}.

-spec new() -> places().
new() -> #{next => 0, held => #{}}.

%% Of one address, and of all.
limits(waiting) -> {32, 256};
limits(asking) -> {16, 64};
limits(watching) -> {16, 32};
limits(health) -> {4, 8}.

%% @doc A place of this kind, instead of the one that it has. `Ended' are those that lose theirs for it.
-spec hold(pid(), block(), kind(), places()) -> {ok, Ended :: [pid()], places()} | {full, address | all}.
hold(Pid, Block, Kind, #{held := Held} = Places) ->
    Others = [{Of, Since, Other} || {Other, {Of, Its, Since}} <- maps:to_list(maps:remove(Pid, Held)), Its =:= Kind],
    {OfOne, OfAll} = limits(Kind),
    Own = [Other || {Of, _, _} = Other <- Others, Of =:= Block],
    case {length(Own) >= OfOne, length(Others) >= OfAll} of
        {false, false} -> {ok, [], held(Pid, Block, Kind, Places)};
        {true, _} when Kind =:= waiting -> instead(lists:min(Own), Pid, Block, Places);
        {false, true} when Kind =:= waiting -> instead(oldest_of_most(Others), Pid, Block, Places);
        {true, _} -> {full, address};
        {false, true} -> {full, all}
    end.

held(Pid, Block, Kind, #{next := Next, held := Held}) -> #{next => Next + 1, held => Held#{Pid => {Block, Kind, Next}}}.

instead({_, _, Ended}, Pid, Block, Places) -> {ok, [Ended], held(Pid, Block, waiting, leave(Ended, Places))}.

oldest_of_most(Waiting) ->
    Counts = lists:foldl(fun({Block, _, _}, Sum) -> maps:update_with(Block, fun(N) -> N + 1 end, 1, Sum) end, #{}, Waiting),
    Most = lists:max(maps:values(Counts)),
    {_, Oldest} = lists:min([{Since, One} || {Block, Since, _} = One <- Waiting, map_get(Block, Counts) =:= Most]),
    Oldest.

-spec leave(pid(), places()) -> places().
leave(Pid, #{held := Held} = Places) -> Places#{held := maps:remove(Pid, Held)}.

-spec kinds(places()) -> [{pid(), kind()}].
kinds(#{held := Held}) -> [{Pid, Kind} || {Pid, {_, Kind, _}} <- maps:to_list(Held)].

%% @doc One address, and of IPv6 the 64 bits that a single customer has.
-spec block(inet:ip_address()) -> block().
block({0, 0, 0, 0, 0, 16#ffff, A, B}) -> {A bsr 8, A band 255, B bsr 8, B band 255};
block({A, B, C, D, _, _, _, _}) -> {{A, B, C, D, 0, 0, 0, 0}, 64};
block(Address) -> Address.
