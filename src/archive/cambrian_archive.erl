%% @doc An archive: many good and different networks, as quality diversity gives them.
%%
%% With `search => map_elites', {@link cambrian:evolve/2} divides the behaviours of networks into
%% cells and keeps the fittest network of each cell, its elite (Mouret and Clune 2015). The result
%% has the archive under `archive'; {@link cambrian_population:archive/1} answers that of a
%% population, also while it runs.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 20}).
%% 2> #{cells := Cells, filled := Filled} = cambrian_archive:stats(Archive).
%% 3> Cells.
%% 2500
%% 4> length(cambrian_archive:elites(Archive)) =:= Filled.
%% true
%% 5> {ok, #{genotype := Genotype, behaviour := [_X, _Y]}} =
%%        cambrian_archive:nearest(Archive, [200, 100]).
%% 6> #{inputs := 10} = cambrian_genotype:info(Genotype).
%% '''
%%
%% An archive is a value. {@link merge/2} makes the union of two: each cell keeps the fitter elite,
%% of equals the one with the lower id. So archives that are merged in any order, any number of
%% times, end the same, and have the same {@link id/1}.
-module(cambrian_archive).

-include("../genome/cambrian_nif_call.hrl").

-export([stats/1, stats/2, best/1, at/2, nearest/2, sample/3, elites/1]).
-export([merge/2, id/1, to_binary/1, from_binary/1, is_archive/1]).
-export([to_svg/2, to_csv/1, to_json/1]).
-export_type([archive/0, elite/0, stats/0, error/0, picture_options/0]).

-opaque archive() :: reference().

-type elite() :: #{cell := non_neg_integer(), genotype := cambrian_genotype:genotype(),
                   fitness := float(), behaviour := [float()], position => [float()]}.
%% The number of its cell, and what was measured of it. In a grid of n places along each dimension,
%% a behaviour at the places x and y is in the cell n·x + y, from 0. `position' is where the
%% behaviour lies in the box of bounds, if the archive has a projection.

-type stats() :: #{task := binary(), inputs := pos_integer(), outputs := pos_integer(),
                   bounds := [{number(), number()}], partition := grid | cvt,
                   projection => random | principal, length => non_neg_integer(),
                   cells := pos_integer(), places => pos_integer(), filled := non_neg_integer(),
                   coverage := float(), best := float() | none, mean := float() | none,
                   qd_score := float()}.
%% `task' is as {@link cambrian_task:id/1} has it. `places' is how many a grid has along each
%% dimension. If behaviours are projected into the box of bounds, `projection' says how, and
%% `length' how many numbers a behaviour has, 0 if there is no elite. `coverage' is the share of
%% cells that have an elite. `qd_score' is the sum of the fitness of all elites, less the `offset'
%% of each (Pugh, Soros and Stanley 2016).

-type error() :: {invalid_archive, Why :: binary()}
               | {not_enough_memory, Wanted :: pos_integer(), Allowed :: pos_integer()}
               | cambrian_genotype:decode_error().

-type picture_options() :: #{title => cambrian_text:text(), width => pos_integer(),
                             embed => boolean(), labels => [cambrian_text:text()]}.

%% @doc The same as {@link stats/2} without options.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> #{task := <<"maze_medium">>, places := 50} = cambrian_archive:stats(Archive).
%% '''
-spec stats(archive()) -> stats().
stats(Archive) -> ?EXPLAIN_BADARG(cambrian_nif:archive_info(Archive, 0.0)).

%% @doc What the archive is of, and how full and how good it is.
%%
%% The option `offset' is the fitness that adds nothing to the QD score, 0 by default. Where fitness
%% can be negative, choose the lowest fitness that can be: else a full archive may have a lower
%% score than an empty one.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> #{qd_score := Score} = cambrian_archive:stats(Archive, #{offset => -100}).
%% 3> Score > maps:get(qd_score, cambrian_archive:stats(Archive)).
%% true
%% '''
-spec stats(archive(), #{offset => number()}) -> stats().
stats(Archive, Options) ->
    Offset = case Options of
                 #{offset := Number} when map_size(Options) =:= 1 -> to_float(Number);
                 _ when Options =:= #{} -> 0.0;
                 _ -> error
             end,
    ok = cambrian_badarg:check(?MODULE, stats, [
        {is_archive(Archive), <<"an archive">>},
        {Offset =/= error, <<"a map with at most the option offset, which is a number">>}]),
    cambrian_nif:archive_info(Archive, Offset).

%% @doc The fittest elite; of equals the one with the lowest id.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, #{fitness := Fitness}} = cambrian_archive:best(Archive).
%% 3> Fitness =:= maps:get(best, cambrian_archive:stats(Archive)).
%% true
%% '''
-spec best(archive()) -> {ok, elite()} | none.
best(Archive) -> ?EXPLAIN_BADARG(cambrian_nif:archive_best(Archive)).

%% @doc The elite of the cell of a behaviour. Numbers beyond the bounds count as the bound.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, #{cell := Cell, behaviour := Behaviour}} = cambrian_archive:best(Archive).
%% 3> {ok, #{cell := Cell}} = cambrian_archive:at(Archive, Behaviour).
%% 4> cambrian_archive:at(Archive, [295, 5]).
%% none
%% '''
-spec at(archive(), Behaviour :: [number()]) -> {ok, elite()} | none.
at(Archive, Behaviour) -> cambrian_nif:archive_at(Archive, point(at, Archive, Behaviour)).

%% @doc The elite whose position is nearest, by Euclidean distance where each dimension is scaled
%% from 0 at its lower bound to 1 at its upper bound. Without a projection, the position is the
%% behaviour itself.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, #{behaviour := [_X, _Y]}} = cambrian_archive:nearest(Archive, [295, 5]).
%% '''
-spec nearest(archive(), Behaviour :: [number()]) -> {ok, elite()} | none.
nearest(Archive, Behaviour) ->
    cambrian_nif:archive_nearest(Archive, point(nearest, Archive, Behaviour)).

point(Function, Archive, Behaviour) ->
    {Length, Why} = case is_archive(Archive) of
                        true -> length_of_behaviours(stats(Archive));
                        false -> {0, ""}
                    end,
    Point = floats(Behaviour),
    IsPoint = Point =/= error andalso length(Point) =:= Length,
    Expected = ["a list of ", cambrian_text:counted(Length, "number"), Why],
    ok = cambrian_badarg:check(?MODULE, Function, [
        {is_archive(Archive), <<"an archive">>}, {IsPoint, iolist_to_binary(Expected)}]),
    Point.

length_of_behaviours(#{length := Length}) ->
    {Length, ", as many as a behaviour in the archive has"};
length_of_behaviours(#{bounds := Bounds}) ->
    {length(Bounds), ", as many as the archive has dimensions"}.

%% `error' of an improper list as well.
floats(Numbers) -> try lists:map(fun float/1, Numbers) catch error:_ -> error end.

to_float(Number) -> try float(Number) catch error:badarg -> error end.

%% @doc So many elites at random, at most 1,000,000. Each is drawn from all of them, so one may come
%% twice. The same seed draws the same ones.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> length(cambrian_archive:sample(Archive, 5, 42)).
%% 5
%% '''
-spec sample(archive(), Count :: non_neg_integer(), Seed :: non_neg_integer()) -> [elite()].
sample(Archive, Count, Seed) ->
    IsWhole = fun(Number, Most) ->
                  is_integer(Number) andalso Number >= 0 andalso Number =< Most
              end,
    ok = cambrian_badarg:check(?MODULE, sample, [
        {is_archive(Archive), <<"an archive">>},
        {IsWhole(Count, 1_000_000), <<"an integer from 0 to 1000000">>},
        {IsWhole(Seed, 1 bsl 64 - 1), <<"an integer from 0 to 2^64 - 1">>}]),
    ?EXPLAIN_BADARG(cambrian_nif:archive_sample(Archive, Count, Seed)).

%% @doc All elites, by their cells.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> [#{cell := _, fitness := _} | _] = cambrian_archive:elites(Archive).
%% '''
-spec elites(archive()) -> [elite()].
elites(Archive) -> ?EXPLAIN_BADARG(cambrian_nif:archive_elites(Archive)).

%% @doc The union of two archives of the same task, bounds, partition, cells and projection.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, Same} = cambrian_archive:merge(Archive, Archive).
%% 3> cambrian_archive:id(Same) =:= cambrian_archive:id(Archive).
%% true
%% '''
-spec merge(archive(), archive()) -> {ok, archive()} | {error, {different_archives, binary()}}.
merge(A, B) -> ?EXPLAIN_BADARG(cambrian_nif:archive_merge(A, B)).

%% @doc SHA-256 of {@link to_binary/1}: of the cells and their elites, and of nothing that depends
%% on how they were found.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> byte_size(cambrian_archive:id(Archive)).
%% 32
%% '''
-spec id(archive()) -> <<_:256>>.
id(Archive) -> ?EXPLAIN_BADARG(cambrian_nif:archive_id(Archive)).

%% @doc The canonical bytes: equal archives have equal bytes, on every machine.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, Read} = cambrian_archive:from_binary(cambrian_archive:to_binary(Archive)).
%% 3> cambrian_archive:id(Read) =:= cambrian_archive:id(Archive).
%% true
%% '''
-spec to_binary(archive()) -> binary().
to_binary(Archive) -> ?EXPLAIN_BADARG(cambrian_nif:archive_encode(Archive)).

%% @doc Reads what {@link to_binary/1} wrote, from anyone: each elite must be in the cell of its
%% behaviour. At most 1 GiB.
%%
%% ```
%% 1> cambrian_archive:from_binary(<<"archive">>).
%% {error,malformed}
%% '''
-spec from_binary(binary()) -> {ok, archive()} | {error, error()}.
from_binary(Bytes) -> ?EXPLAIN_BADARG(cambrian_nif:archive_decode(Bytes)).

%% @doc Whether a term is an archive.
%%
%% ```
%% 1> cambrian_archive:is_archive(<<"archive">>).
%% false
%% '''
-spec is_archive(term()) -> boolean().
is_archive(Term) -> cambrian_nif:kind_of(Term) =:= archive.

%%% ---- for people and other programs ------------------------------------------------------

%% @doc Draws the archive: of one or two dimensions a heat map of the cells, of more dimensions a
%% line for each of some elites across parallel axes. Options: `title'; `width' in pixels (720);
%% `labels', the name of each dimension; and `embed' for a page that has the style sheet of {@link
%% cambrian_theme:style/0}.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> Svg = cambrian_archive:to_svg(Archive, #{title => <<"Maze">>, labels => ["x", "y"]}).
%% 3> {match, _} = re:run(Svg, "<title>Maze</title>").
%% '''
-spec to_svg(archive(), picture_options()) -> iodata().
to_svg(Archive, Options) ->
    ok = cambrian_picture_options:ensure(?MODULE, to_svg, 2, archive, Options),
    #{bounds := Bounds} = stats(Archive),
    ok = cambrian_picture_options:ensure_labels(?MODULE, to_svg, 2, Options, length(Bounds)),
    cambrian_archive_picture:draw(Archive, Options).

%% @doc A line for each elite: cell, id, fitness, and a column for each number of its behaviour.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> [Head | _] = string:split(cambrian_archive:to_csv(Archive), "\n").
%% 3> iolist_to_binary(Head).
%% <<"cell,id,fitness,behaviour_1,behaviour_2">>
%% '''
-spec to_csv(archive()) -> iodata().
to_csv(Archive) ->
    {Length, _} = length_of_behaviours(stats(Archive)),
    Names = [["behaviour_", integer_to_list(At)] || At <- lists:seq(1, Length)],
    [line([<<"cell">>, <<"id">>, <<"fitness">> | Names])
     | [line([integer_to_list(Cell), hex_id(Genotype)
              | [cambrian_text:exact(Number) || Number <- [Fitness | Behaviour]]])
        || #{cell := Cell, genotype := Genotype, fitness := Fitness, behaviour := Behaviour}
               <- elites(Archive)]].

line(Fields) -> [lists:join($,, Fields), $\n].

hex_id(Genotype) -> cambrian_text:hex(cambrian_genotype:id(Genotype)).

%% @doc The id, the stats and the elites as JSON, each elite with its genotype as {@link
%% cambrian_genotype:to_json/1} has it.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {match, _} = re:run(cambrian_archive:to_json(Archive), "\"filled\":").
%% '''
-spec to_json(archive()) -> iodata().
to_json(Archive) ->
    Elites = [["{\"cell\":", integer_to_list(Cell), ",\"id\":\"", hex_id(Genotype),
               "\",\"fitness\":", cambrian_text:exact(Fitness), ",\"behaviour\":[",
               lists:join($,, [cambrian_text:exact(Number) || Number <- Behaviour]),
               "],\"genotype\":", cambrian_genotype:to_json(Genotype), "}"]
              || #{cell := Cell, genotype := Genotype, fitness := Fitness, behaviour := Behaviour}
                     <- elites(Archive)],
    #{bounds := Bounds} = Stats = maps:map(fun(_, none) -> null; (_, Value) -> Value end,
                                           stats(Archive)),
    Shown = Stats#{bounds := [tuple_to_list(Pair) || Pair <- Bounds],
                   id => cambrian_text:hex(id(Archive))},
    Head = iolist_to_binary(cambrian_json:encode(Shown)),
    [binary:part(Head, 0, byte_size(Head) - 1), ",\"elites\":[", lists:join($,, Elites), "]}"].
