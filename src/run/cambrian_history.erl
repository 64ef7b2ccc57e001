%% @private
%% The history of a population: the numbers of each generation; in a run of more than a thousand
%% generations, of evenly chosen ones.
-module(cambrian_history).

-export([new/0, add/2, last/1, pages/1, is_history/2]).
-export_type([history/0, page/0]).

-type page() :: #{generation := non_neg_integer(), evaluations := non_neg_integer(),
                  failures := non_neg_integer(), best := float(), mean := float(),
                  species := pos_integer(), mean_nodes := float(), mean_connections := float(),
                  elapsed_ms := non_neg_integer()}.
%% The oldest generation first. `evaluations', and the `failures' among them, count from the first
%% generation. The history is one binary because the VM does not copy a large binary that a process
%% sends to another, and the history is sent in every generation.
-opaque history() :: binary().

-define(MAX_ROWS, 1000).
-define(ROW_BYTES, 64).
%% The oldest files have no failures: there the number of species takes all 64 bits of failures and
%% species, but never needs more than 24.
-define(ROW, Generation:64, Evaluations:64, Best/float, Mean/float, Failures:40, Species:24,
        Nodes/float, Connections/float, Elapsed:64).

-spec new() -> history().
new() -> <<>>.

%% @doc Adds a generation. Replaces the generation if it is there already, for example after a
%% crash.
-spec add(cambrian_population:stats(), history()) -> history().
add(#{generation := Generation, evaluations := Evaluations, failures := Failures, best := Best,
      mean := Mean, species := All, mean_nodes := Nodes, mean_connections := Connections,
      elapsed_ms := Elapsed}, History) ->
    Species = length(All),
    thin(<<(before(Generation, History))/binary, ?ROW>>).

before(Generation, History) when byte_size(History) >= ?ROW_BYTES ->
    Earlier = byte_size(History) - ?ROW_BYTES,
    case History of
        <<Rows:Earlier/binary, Last:64, _/binary>> when Last >= Generation ->
            before(Generation, Rows);
        _ -> History
    end;
before(_Generation, <<>>) -> <<>>.

thin(History) when byte_size(History) =< ?MAX_ROWS * ?ROW_BYTES -> History;
thin(History) -> iolist_to_binary(every_second(History)).

%% Keeps the first row, the third row and so on; of an odd number of rows also the last.
every_second(<<Row:?ROW_BYTES/binary, _:?ROW_BYTES/binary, Rest/binary>>) ->
    [Row | every_second(Rest)];
every_second(Last) -> [Last].

-spec last(history()) -> page() | none.
last(<<>>) -> none;
last(History) ->
    [Last] = pages(binary:part(History, byte_size(History), -?ROW_BYTES)),
    Last.

-spec pages(history()) -> [page()].
pages(History) ->
    [#{generation => Generation, evaluations => Evaluations, failures => Failures, best => Best,
       mean => Mean, species => Species, mean_nodes => Nodes, mean_connections => Connections,
       elapsed_ms => Elapsed} || <<?ROW>> <= History].

%% @doc Whether a term from a file is a history up to a generation: whole rows, in the order of
%% their generations.
-spec is_history(term(), Now :: non_neg_integer()) -> boolean().
is_history(History, Now) when is_binary(History), byte_size(History) =< ?MAX_ROWS * ?ROW_BYTES ->
    are_rows(History, -1, Now);
is_history(_History, _Now) -> false.

%% `?ROW' does not match a float that is not finite.
are_rows(<<?ROW, Rest/binary>>, Last, Now) ->
    Generation > Last andalso Generation =< Now andalso Species > 0
        andalso Failures =< Evaluations andalso Evaluations < 1 bsl 63 andalso Elapsed < 1 bsl 63
        andalso lists:all(fun is_float/1, [Best, Mean, Nodes, Connections])
        andalso are_rows(Rest, Generation, Now);
are_rows(Rest, _Last, _Now) -> Rest =:= <<>>.
