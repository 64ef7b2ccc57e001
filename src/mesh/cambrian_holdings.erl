%% @private
%% The genotypes that an exchange holds for others, and its knowledge about other nodes' genotypes.
-module(cambrian_holdings).

-export([held_here/3, beats/2, better/2, is_better/2, weight/1]).
-export([subjects/1, subjects_of/1, is_any_banned_by_user/3]).
-export([hold/2, find/2, lookup/1, bases/2, best_of/2]).
-export([knowledge/4, put_knowledge/4, is_foreign/3]).

-import(cambrian_exchange_state, [ask/3, is_present/2, once/3, origin/1]).

-include("cambrian_exchange.hrl").

%%% ---- one genotype -----------------------------------------------------------------------

%% @doc A genotype of this node's populations, or one that the user publishes.
-spec held_here(cambrian_exchange_state:task(), cambrian_exchange_state:champion(),
                #exchange{}) -> #held{}.
held_here(Task, #{champion := Genotype} = Champion, X) ->
    Id = cambrian_genotype:id(Genotype),
    Defaults = #{generation => 0, parents => [], operators => []},
    Known = maps:with([fitness, generation, parents, operators], Champion),
    #{parents := Parents} = Claims = maps:merge(Defaults, Known),
    Held = #held{id = Id, task = Task, genotype = Genotype, breeder = origin(X),
                 claims = Claims#{parents := distinct_parents(Parents, Id)},
                 sources = maps:get(sources, Champion, [])},
    with_breeder(maps:get(signed, Champion, undefined), Held, X).

%% An envelope names each parent once, and never the genotype itself. But twin parents have the same
%% id, and an unchanged child has the id of its parent.
distinct_parents([], _Id) -> [];
distinct_parents([Id | Parents], Id) -> distinct_parents(Parents, Id);
distinct_parents([Parent | Parents], Id) ->
    [Parent | distinct_parents([Other || Other <- Parents, Other =/= Parent], Id)].

with_breeder(undefined, Held, _X) -> Held;
with_breeder(Record, #held{id = Id, claims = Claims} = Held, X) ->
    case once({record, Record}, fun() -> cambrian_envelope:read_record(Record) end, X) of
        {ok, #{genotype := Id, origin := By} = Signed} ->
            Bred = maps:with([generation, parents, operators], Signed),
            Held#held{breeder = By, signed = Record, claims = maps:merge(Claims, Bred)};
        _ -> Held
    end.

-spec better(#held{}, undefined | #held{}) -> #held{}.
better(Held, Best) -> case beats(Held, Best) of true -> Held; false -> Best end.

-spec beats(#held{}, undefined | #held{}) -> boolean().
beats(_, undefined) -> true;
beats(#held{id = Id, claims = #{fitness := A}}, #held{id = Other, claims = #{fitness := B}}) ->
    is_better({A, Id}, {B, Other}).

%% @doc Between two genotypes of the same fitness the id decides, so that all nodes choose the same.
-spec is_better({float(), cambrian_genotype:id()}, none | {float(), cambrian_genotype:id()}) ->
          boolean().
is_better(_, none) -> true;
is_better({A, _}, {B, _}) when A > B -> true;
is_better({A, Id}, {B, Other}) -> A == B andalso Id < Other.

%% @doc How much memory a genotype takes, in nodes and connections.
-spec weight(cambrian_genotype:genotype()) -> pos_integer().
weight(Genotype) ->
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:info(Genotype),
    Nodes + Connections.

%%% ---- bans -------------------------------------------------------------------------------

%% @doc The subjects of a ban that reaches a held genotype: the genotype, its breeder, and the
%% newcomers whose genes it carries with their keys.
-spec subjects(#held{}) -> [cambrian_bans:subject()].
subjects(#held{id = Id, breeder = Breeder, sources = Sources}) ->
    Of = [[{genotype, Source} | [{key, Key} || Key <- Keys]]
          || #{genotype := Source, keys := Keys} <- Sources],
    lists:usort([{genotype, Id}, {key, Breeder}] ++ lists:append(Of)).

%% @doc The same for another node's genotype that waits, is measured or is requested.
-spec subjects_of(map()) -> [cambrian_bans:subject()].
subjects_of(#{id := Id, claims := #{origin := Origin}} = Item) ->
    [{genotype, Id}, {key, Origin}
     | [{key, Breeder} || #{from := #{breeder := Breeder}} <- [Item]]].

-spec is_any_banned_by_user(#held{}, Now :: integer(), #exchange{}) -> {boolean(), #exchange{}}.
is_any_banned_by_user(Held, Now, X) -> ask({is_any_banned_by_user, subjects(Held)}, Now, X).

%%% ---- all held genotypes -----------------------------------------------------------------

%% @doc Keeps a genotype that other nodes may request.
-spec hold(undefined | #held{}, #exchange{}) -> #exchange{}.
hold(undefined, X) -> X;
hold(#held{id = Id, genotype = Genotype} = Held, #exchange{held = All} = X) ->
    X#exchange{held = cambrian_bounded_map:put(Id, Held, weight(Genotype), All)}.

-spec find(cambrian_genotype:id(), #exchange{}) -> {ok, #held{}} | error.
find(Id, #exchange{held = Held, tasks = Tasks} = X) ->
    case [Best || #task{best = #held{id = Other} = Best} <- maps:values(Tasks), Other =:= Id] of
        [Best | _] -> {ok, Best};
        [] ->
            case cambrian_bounded_map:find(Id, Held) of
                {ok, _} = Found -> Found;
                error -> find_elite(Id, X)
            end
    end.

%% In the common archives.
find_elite(Id, #exchange{common = Commons} = X) ->
    Found = [{Name, Signed, #{champion => Genotype, fitness => Fitness}}
             || {Name, #common{replica = Replica, signed = Signed}}
                    <- lists:sort(maps:to_list(Commons)),
                Replica =/= none,
                {ok, Genotype, Fitness} <- [cambrian_common_archive:find(Id, Replica)]],
    case Found of
        [{Name, Signed, Elite} | _] ->
            Record = cambrian_bounded_map:get(Id, Signed, undefined),
            {ok, held_here(Name, Elite#{signed => Record}, X)};
        [] -> error
    end.

%% @doc Finds the base of a difference.
-spec lookup(#exchange{}) -> cambrian_delivery:lookup().
lookup(X) ->
    fun(Id) ->
        case find(Id, X) of
            {ok, #held{genotype = Genotype}} -> {ok, Genotype};
            error -> error
        end
    end.

%% @doc The genotypes of a task that may be the base of a difference. The best comes first, because
%% other nodes are likely to hold it.
-spec bases(cambrian_exchange_state:task(), #exchange{}) -> [cambrian_genotype:id()].
bases(Name, #exchange{held = Held, tasks = Tasks}) ->
    Best = [Id || #{Name := #task{best = #held{id = Id}}} <- [Tasks]],
    NewestFirst = lists:reverse(cambrian_bounded_map:to_list(Held)),
    Others = [Id || {Id, #held{task = Task}} <- NewestFirst, Task =:= Name],
    Best ++ (Others -- Best).

-spec best_of(cambrian_exchange_state:task(), #exchange{}) ->
          none | {float(), cambrian_genotype:id()}.
best_of(Name, #exchange{tasks = Tasks}) ->
    case Tasks of
        #{Name := #task{best = #held{id = Id, claims = #{fitness := Fitness}}}} -> {Fitness, Id};
        _ -> none
    end.

%%% ---- knowledge --------------------------------------------------------------------------

%% @doc Returns the known facts about a genotype, unless it is worth measuring (again).
-spec knowledge(cambrian_exchange_state:task(), cambrian_genotype:id(), Now :: integer(),
                #exchange{}) -> {ok, cambrian_exchange_state:knowledge()} | error.
knowledge(Name, Id, Now, #exchange{tasks = Tasks, known = Known} = X) ->
    case Tasks of
        #{Name := #task{best = #held{id = Id, claims = #{fitness := Fitness}}}} -> {ok, Fitness};
        _ ->
            case cambrian_bounded_map:find({Name, Id}, Known) of
                {ok, heard} -> case is_present(Name, X) of true -> error; false -> {ok, heard} end;
                {ok, {too_costly, Until}} when Until =< Now -> error;
                Found -> Found
            end
    end.

-spec put_knowledge(cambrian_exchange_state:task(), cambrian_genotype:id(),
                    cambrian_exchange_state:knowledge(), #exchange{}) -> #exchange{}.
put_knowledge(Name, Id, Knowledge, #exchange{known = Known} = X) ->
    X#exchange{known = cambrian_bounded_map:put({Name, Id}, Knowledge, Known)}.

%% @doc Whether a champion came from another node: this node does not publish it as its own.
-spec is_foreign(#held{}, #task{}, #exchange{}) -> boolean().
is_foreign(#held{id = Id, breeder = By}, #task{name = Name, best = Best},
           #exchange{known = Known} = X) ->
    Own = origin(X),
    case Best of
        _ when By =/= Own -> true;
        #held{id = Id, breeder = Breeder} -> Breeder =/= Own;
        _ -> cambrian_bounded_map:find({Name, Id}, Known) =/= error
    end.
