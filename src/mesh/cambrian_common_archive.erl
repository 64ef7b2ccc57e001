%% @private
%% A replica of a common archive, as other nodes see it: the elites of a population's archive, and a
%% tree of digests by which two nodes find the cells in which they differ (a hash tree, Merkle
%% 1987). The archive is a join-semilattice: whichever way elites travel, replicas that have
%% measured the same elites are equal ({@link cambrian_archive}).
%%
%% The lowest level has the digest of each cell. Each digest above is of 32 below it; the top level
%% has at most 32, with which a comparison begins. A digest only helps to choose what to ask for:
%% nothing enters an archive by it.
%%
%% A value without process or clock. `cambrian_anti_entropy' decides with whom to compare it.
-module(cambrian_common_archive).

-export([new/1, subject/1, root/1, top/1]).
-export([digests/2, is_node/2, children/2, differing/3, entries/3, are_below/2, wanted/2]).
-export([find/2, place/2, cell/2]).
-export_type([replica/0, subject/0, tree_node/0, entry/0]).

%% Two replicas of the same subject have the same task, shape of networks, and space of cells.
-type subject() :: <<_:128>>.
%% The `Index'-th 32 digests of a level, of which the lowest is 1.
-type tree_node() :: {Level :: pos_integer(), Index :: non_neg_integer()}.
%% What a node claims of an elite: its cell, its fitness, and its id.
-type entry() :: {Cell :: non_neg_integer(), float(), cambrian_genotype:id()}.

-record(replica,
        {archive :: cambrian_archive:archive(),
         subject :: subject(),
         cells :: pos_integer(),
         elites :: #{Cell :: non_neg_integer() => {float(), cambrian_genotype:id(),
                                                   cambrian_genotype:genotype()}},
         places :: #{cambrian_genotype:id() => Cell :: non_neg_integer()},
         %% the digests of each level, the lowest first
         levels :: tuple()}).
-opaque replica() :: #replica{}.

-define(FAN_OUT, 32).
%% The bytes of a digest, and the digest of an empty cell.
-define(DIGEST, 16).
-define(EMPTY, <<0:128>>).

-spec new(cambrian_archive:archive()) -> replica().
new(Archive) ->
    #{cells := Cells} = Stats = cambrian_archive:stats(Archive),
    Elites = maps:from_list(
        [{Cell, {Fitness, Id, Genotype}}
         || {#{cell := Cell, fitness := Fitness, genotype := Genotype}, Id}
                <- lists:zip(cambrian_archive:elites(Archive), cambrian_nif:archive_ids(Archive))]),
    #replica{archive = Archive, subject = subject_of(Stats), cells = Cells, elites = Elites,
             places = maps:from_list([{Id, Cell} || {Cell, {_, Id, _}} <- maps:to_list(Elites)]),
             levels = list_to_tuple(levels(lowest(Cells, Elites)))}.

subject_of(#{task := Task, inputs := Inputs, outputs := Outputs, bounds := Bounds,
             partition := Partition, cells := Cells}) ->
    Space = [[float(Low), float(High)] || {Low, High} <- Bounds],
    Said = cambrian_msgpack:encode([<<"cambrian common archive 1">>, Task, Inputs, Outputs,
                                    atom_to_binary(Partition), Cells, Space]),
    <<Subject:16/binary, _/binary>> = crypto:hash(sha256, Said),
    Subject.

lowest(Cells, Elites) ->
    << <<(case Elites of
              #{Cell := {Fitness, Id, _}} -> digest(<<Fitness/float, Id/binary>>);
              _ -> ?EMPTY
          end)/binary>> || Cell <- lists:seq(0, Cells - 1) >>.

levels(Top) when byte_size(Top) =< ?FAN_OUT * ?DIGEST -> [Top];
levels(Level) -> [Level | levels(<< <<(digest(Part))/binary>> || Part <- parts(Level) >>)].

parts(<<Part:(?FAN_OUT * ?DIGEST)/binary, Rest/binary>>) when Rest =/= <<>> ->
    [Part | parts(Rest)];
parts(Last) -> [Last].

digest(Bytes) ->
    <<Digest:?DIGEST/binary, _/binary>> = crypto:hash(sha256, Bytes),
    Digest.

%%% ---- questions --------------------------------------------------------------------------

-spec subject(replica()) -> subject().
subject(#replica{subject = Subject}) -> Subject.

%% @doc The digests of the top level. Replicas of one subject with the same digests have the same
%% elites.
-spec root(replica()) -> binary().
root(#replica{levels = Levels}) -> element(tuple_size(Levels), Levels).

%% @doc The node with which a comparison begins.
-spec top(replica()) -> tree_node().
top(#replica{levels = Levels}) -> {tuple_size(Levels), 0}.

%% @doc The elite of this id, with its fitness.
-spec find(cambrian_genotype:id(), replica()) ->
          {ok, cambrian_genotype:genotype(), float()} | error.
find(Id, #replica{places = Places, elites = Elites}) ->
    case Places of
        #{Id := Cell} ->
            {Fitness, Id, Genotype} = map_get(Cell, Elites),
            {ok, Genotype, Fitness};
        _ -> error
    end.

%% @doc The cell and the fitness of the elite of this id.
-spec place(cambrian_genotype:id(), replica()) ->
          {ok, Cell :: non_neg_integer(), float()} | error.
place(Id, #replica{places = Places, elites = Elites}) ->
    case Places of
        #{Id := Cell} -> {ok, Cell, element(1, map_get(Cell, Elites))};
        _ -> error
    end.

%% @doc The cell of a behaviour; `none' if it has another length than those of this archive.
-spec cell(Behaviour :: [float()], replica()) -> non_neg_integer() | none.
cell(Behaviour, #replica{archive = Archive}) ->
    #{bounds := Bounds} = cambrian_archive:stats(Archive),
    case length(Behaviour) =:= length(Bounds) of
        true -> cambrian_nif:archive_cell(Archive, Behaviour);
        false -> none
    end.

%%% ---- comparisons ------------------------------------------------------------------------

%% @doc Whether there is such a node: digests of a level.
-spec is_node(tree_node(), replica()) -> boolean().
is_node({Level, Index}, #replica{levels = Levels} = Replica) ->
    Level >= 1 andalso Level =< tuple_size(Levels)
        andalso Index * ?FAN_OUT * ?DIGEST < byte_size(level_of({Level, Index}, Replica)).

level_of({Level, _}, #replica{levels = Levels}) -> element(Level, Levels).

%% @doc The digests of a node, one after the other.
-spec digests(tree_node(), replica()) -> binary().
digests({_, Index} = Node, Replica) ->
    Level = level_of(Node, Replica),
    From = Index * ?FAN_OUT * ?DIGEST,
    binary:part(Level, From, min(?FAN_OUT * ?DIGEST, byte_size(Level) - From)).

%% @doc The digests of a node that differ from those of another replica, as bits, the first
%% lowest; `error' if the other replica has not as many.
-spec differing(tree_node(), Theirs :: binary(), replica()) -> {ok, non_neg_integer()} | error.
differing(Node, Theirs, Replica) ->
    case digests(Node, Replica) of
        Own when byte_size(Own) =:= byte_size(Theirs) -> {ok, differing_bits(Own, Theirs, 0)};
        _ -> error
    end.

differing_bits(<<>>, <<>>, _Bit) -> 0;
differing_bits(<<A:?DIGEST/binary, Own/binary>>, <<B:?DIGEST/binary, Theirs/binary>>, Bit) ->
    Here = case A of B -> 0; _ -> 1 bsl Bit end,
    Here bor differing_bits(Own, Theirs, Bit + 1).

%% @doc The nodes below the digests that these bits stand for; no cells.
-spec children(tree_node(), {Bits :: non_neg_integer(), replica()}) -> [tree_node()].
children({Level, Index}, {Bits, Replica}) ->
    [Child || Bit <- lists:seq(0, ?FAN_OUT - 1), Bits band (1 bsl Bit) =/= 0,
              Child <- [{Level - 1, Index * ?FAN_OUT + Bit}], is_node(Child, Replica)].

%% @doc The elites in the cells of a node of level 1 that these bits stand for.
-spec entries(tree_node(), Bits :: non_neg_integer(), replica()) -> [entry()].
entries({1, Index}, Bits, #replica{elites = Elites}) ->
    [{Cell, Fitness, Id} || Bit <- lists:seq(0, ?FAN_OUT - 1), Bits band (1 bsl Bit) =/= 0,
                            Cell <- [Index * ?FAN_OUT + Bit],
                            #{Cell := {Fitness, Id, _}} <- [Elites]].

%% @doc Whether the cells of all these entries are below a node of level 1.
-spec are_below(tree_node(), [entry()]) -> boolean().
are_below({1, Index}, Entries) ->
    lists:all(fun({Cell, _, _}) -> Cell div ?FAN_OUT =:= Index end, Entries);
are_below(_, _) -> false.

%% @doc The entries of another replica that would enter this one, if they are true.
-spec wanted([entry()], replica()) -> [entry()].
wanted(Entries, #replica{elites = Elites, cells = Cells}) ->
    [Entry || {Cell, Fitness, Id} = Entry <- Entries, Cell < Cells,
              beats({Fitness, Id}, maps:get(Cell, Elites, none))].

beats(_, none) -> true;
beats({A, Id}, {B, Other, _}) -> A > B orelse A == B andalso Id < Other.
