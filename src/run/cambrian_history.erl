%% @private
%% The generations of a population in numbers: each of the first thousand, evenly chosen ones of a longer story.
-module(cambrian_history).

-export([new/0, add/2, pages/1]).
-export_type([history/0, page/0]).

-type page() :: #{generation := non_neg_integer(), evaluations := non_neg_integer(), best := float(), mean := float(),
                  species := pos_integer(), mean_nodes := float(), mean_connections := float(),
                  elapsed_ms := non_neg_integer()}.
%% The last first. Rows are a quarter of the size of maps in a checkpoint.
-opaque history() :: [tuple()].

-define(FIELDS, [generation, evaluations, best, mean, species, mean_nodes, mean_connections, elapsed_ms]).
-define(MAX_ROWS, 1000).

-spec new() -> history().
new() -> [].

%% @doc One that comes again, as the last does after a crash, is there once.
-spec add(cambrian_population:stats(), history()) -> history().
add(#{generation := Generation, species := Species} = Stats, History) ->
    Counted = Stats#{species := length(Species)},
    Row = list_to_tuple([maps:get(Field, Counted) || Field <- ?FIELDS]),
    thin([Row | lists:dropwhile(fun(Earlier) -> element(1, Earlier) >= Generation end, History)]).

thin(History) when length(History) =< ?MAX_ROWS -> History;
thin([Last | Rest]) -> [Last | every_second(Rest)].

every_second([_, Kept | Rest]) -> [Kept | every_second(Rest)];
every_second(Rest) -> Rest.

%% @doc Oldest first.
-spec pages(history()) -> [page()].
pages(History) -> [maps:from_list(lists:zip(?FIELDS, tuple_to_list(Row))) || Row <- lists:reverse(History)].
