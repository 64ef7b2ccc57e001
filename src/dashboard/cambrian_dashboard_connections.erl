%% @private
%% Limits the number of connections by kind, by address, and in all. It is a value that
%% `cambrian_dashboard_listener' holds.
%%
%% A connection is `waiting' until its request has come, and again after its answer until it closes.
%% Waiting connections cost little and may come from anybody, so a new one is always admitted, and
%% replaces the oldest one of the address that has most of them. So slow clients, from one address
%% or from many, lock nobody out. For its answer, a connection changes to another kind: `asking',
%% `health', or `watching' for event streams. Each kind has its own limits, so no other load blocks
%% `/health'.
-module(cambrian_dashboard_connections).

-export([new/0, admit/4, remove/2, kinds/1, block/1]).
-export_type([connections/0, kind/0, block/0]).

-type kind() :: waiting | asking | watching | health.
%% The addresses that count as one client.
-type block() :: inet:ip4_address() | {inet:ip6_address(), 64}.
%% `Since' orders connections by age.
-opaque connections() :: #{next := non_neg_integer(),
                           open := #{pid() => {block(), kind(), Since :: non_neg_integer()}}}.

-spec new() -> connections().
new() -> #{next => 0, open => #{}}.

%% The most connections of one address, and of all addresses.
limits(waiting) -> {32, 256};
limits(asking) -> {16, 64};
limits(watching) -> {16, 32};
limits(health) -> {4, 8}.

%% @doc Admits a connection, or changes its kind. `Ended' are the connections that it replaces.
-spec admit(pid(), block(), kind(), connections()) ->
          {ok, Ended :: [pid()], connections()} | {full, address | all}.
admit(Pid, Block, Kind, #{open := Open} = Connections) ->
    Others = [{OtherBlock, Since, Other}
              || {Other, {OtherBlock, OtherKind, Since}} <- maps:to_list(maps:remove(Pid, Open)),
                 OtherKind =:= Kind],
    {OfOne, OfAll} = limits(Kind),
    Own = [Other || {OtherBlock, _, _} = Other <- Others, OtherBlock =:= Block],
    case {length(Own) >= OfOne, length(Others) >= OfAll} of
        {false, false} -> {ok, [], put(Pid, Block, Kind, Connections)};
        {true, _} when Kind =:= waiting -> replace(lists:min(Own), Pid, Block, Connections);
        {false, true} when Kind =:= waiting ->
            replace(oldest_of_most(Others), Pid, Block, Connections);
        {true, _} -> {full, address};
        {false, true} -> {full, all}
    end.

put(Pid, Block, Kind, #{next := Next, open := Open}) ->
    #{next => Next + 1, open => Open#{Pid => {Block, Kind, Next}}}.

replace({_, _, Ended}, Pid, Block, Connections) ->
    {ok, [Ended], put(Pid, Block, waiting, remove(Ended, Connections))}.

%% Returns the oldest connection of the addresses that have most connections.
oldest_of_most(Waiting) ->
    Count = fun({Block, _, _}, Counts) ->
                maps:update_with(Block, fun(N) -> N + 1 end, 1, Counts)
            end,
    Counts = lists:foldl(Count, #{}, Waiting),
    Most = lists:max(maps:values(Counts)),
    {_, Oldest} = lists:min([{Since, Connection}
                             || {Block, Since, _} = Connection <- Waiting,
                                map_get(Block, Counts) =:= Most]),
    Oldest.

-spec remove(pid(), connections()) -> connections().
remove(Pid, #{open := Open} = Connections) -> Connections#{open := maps:remove(Pid, Open)}.

-spec kinds(connections()) -> [{pid(), kind()}].
kinds(#{open := Open}) -> [{Pid, Kind} || {Pid, {_, Kind, _}} <- maps:to_list(Open)].

%% @doc Returns the address, or for IPv6 the block of 64 bits that a single customer has.
-spec block(inet:ip_address()) -> block().
block({0, 0, 0, 0, 0, 16#ffff, A, B}) -> {A bsr 8, A band 255, B bsr 8, B band 255};
block({A, B, C, D, _, _, _, _}) -> {{A, B, C, D, 0, 0, 0, 0}, 64};
block(Address) -> Address.
