%% @private
%% The best genotypes of a population, as a value: the champion of all generations, the best on
%% held-out data, and the contender that undergoes the task's trial.
-module(cambrian_champions).

-export([new/1, saved/1, under/2, champion/1, crown/3, contend/2, validate/4, improved/1,
         winner/2]).
-export([is_better/2, is_banned/2, without/2, begin_again/2, sources/3]).
-export_type([champions/0, validated/0]).

-type champion() :: cambrian_population:champion().
-type contender() :: {cambrian_genotype:genotype(), Fitness :: float()}.
-type validated() :: #{value := float(), generation := non_neg_integer(), fitness := float(),
                       genotype := binary(), sources => [cambrian_purge:source(), ...],
                       normalisation => cambrian_network:normalisation()}.
%% The genotype is bytes because checkpoints contain this map. The key `sources' is missing if there
%% are none.

-record(champions, {champion :: undefined | champion(),
                    validated :: undefined | validated(),
                    contender :: undefined | contender(),
                    %% of the present generation
                    normalisation = none :: cambrian_network:normalisation() | none}).
-opaque champions() :: #champions{}.

-spec new(#{champion => undefined | champion(), validated => undefined | validated(),
            atom() => term()}) -> champions().
new(Saved) ->
    #champions{champion = maps:get(champion, Saved, undefined),
               validated = maps:get(validated, Saved, undefined)}.

%% @doc The fields that a checkpoint contains.
-spec saved(champions()) -> #{champion := undefined | champion(),
                              validated := undefined | validated()}.
saved(#champions{champion = Champion, validated = Validated}) ->
    #{champion => Champion, validated => Validated}.

%% @doc Says what normalises the observations of this generation.
-spec under(cambrian_network:normalisation() | none, champions()) -> champions().
under(Normalisation, Champions) -> Champions#champions{normalisation = Normalisation}.

%% With the normalisation by which a genotype was measured.
marked(Map, #champions{normalisation = none}) -> Map;
marked(Map, #champions{normalisation = Normalisation}) -> Map#{normalisation => Normalisation}.

-spec champion(champions()) -> undefined | champion().
champion(#champions{champion = Champion}) -> Champion.

%% @doc Adopts the champion of this generation if it is better than the present champion; in a
%% Pareto search, if it is another genotype.
-spec crown(Evaluated :: reference(), IsPareto :: boolean(), champions()) ->
          {new, champion(), champions()} | same.
crown(Evaluated, IsPareto, #champions{champion = Old} = Champions) ->
    Champion = marked(cambrian_nif:population_evaluated_champion(Evaluated), Champions),
    IsNew = case IsPareto andalso Old =/= undefined of
                true -> is_other(Champion, Old);
                false -> replaces(Champion, Old)
            end,
    case IsNew of
        true -> {new, Champion, Champions#champions{champion = Champion}};
        false -> same
    end.

%% If a generation has champions of equal fitness, the one that was found last replaces the other.
%% When a limit cut the generation, another of these champions may have been the first. Also,
%% another VM evaluates the generation again without its newcomers, and a newcomer may be the
%% champion.
replaces(_, undefined) -> true;
replaces(#{fitness := Same, generation := Generation} = Champion,
         #{fitness := Same, generation := Generation} = Best) ->
    is_other(Champion, Best);
replaces(#{fitness := New}, #{fitness := Old}) -> New > Old.

is_other(#{champion := New}, #{champion := Old}) ->
    cambrian_genotype:id(New) =/= cambrian_genotype:id(Old).

%% @doc Whether a fitness is higher than that of the champion.
-spec is_better(float(), champions()) -> boolean().
is_better(_Fitness, #champions{champion = undefined}) -> true;
is_better(Fitness, #champions{champion = #{fitness := Best}}) -> Fitness > Best.

-spec contend(contender(), champions()) -> champions().
contend(Contender, Champions) -> Champions#champions{contender = Contender}.

%% @doc Adds the result of a trial: it measured the contender on data that evolution does not see.
-spec validate(cambrian_task:trial() | map(), Generation :: non_neg_integer(),
               Evaluated :: reference(), champions()) -> champions().
validate(#{validation := Value}, Generation, Evaluated, #champions{validated = Best} = Champions) ->
    case Best of
        #{value := Known} when Known >= Value -> Champions;
        _ ->
            {Genotype, Fitness} = Champions#champions.contender,
            Validated = marked(#{value => Value, generation => Generation, fitness => Fitness,
                                 genotype => cambrian_genotype:to_binary(Genotype)}, Champions),
            case sources(Genotype, Evaluated, Champions) of
                [] -> Champions#champions{validated = Validated};
                Sources -> Champions#champions{validated = Validated#{sources => Sources}}
            end
    end;
validate(_Trial, _Generation, _Evaluated, Champions) -> Champions.

%% @doc The last generation that improved the best value; `none' if the champion was banned and
%% there is no other champion yet.
-spec improved(champions()) -> non_neg_integer() | none.
improved(#champions{validated = #{generation := Generation}}) -> Generation;
improved(#champions{champion = #{generation := Generation}}) -> Generation;
improved(_) -> none.

%% @doc The champion in a result. The genotype that passed the trial may not be the fittest of all
%% generations.
-spec winner(Solved :: boolean() | until, champions()) ->
          #{champion := cambrian_genotype:genotype(), fitness := float(), validation => float(),
            normalisation => cambrian_network:normalisation()}.
winner(true, #champions{contender = {Champion, Fitness}, validated = Validated} = Champions) ->
    Bytes = cambrian_genotype:to_binary(Champion),
    Values = [{validation, Value} || #{genotype := Same, value := Value} <- [Validated],
                                     Same =:= Bytes],
    marked(maps:from_list([{champion, Champion}, {fitness, Fitness} | Values]), Champions);
winner(_, #champions{validated = #{value := Value, genotype := Bytes} = Validated}) ->
    {ok, Champion} = cambrian_genotype:from_binary(Bytes),
    (maps:with([fitness, normalisation], Validated))#{champion => Champion, validation => Value};
winner(_, #champions{champion = Champion}) ->
    maps:with([champion, fitness, normalisation], Champion).

%%% ---- bans -------------------------------------------------------------------------------

%% @doc Whether the champion is banned.
-spec is_banned(cambrian_purge:banned(), champions()) -> boolean().
is_banned(_Banned, #champions{champion = undefined}) -> false;
is_banned(Banned, #champions{champion = #{champion := Genotype} = Champion}) ->
    cambrian_purge:is_champion({Genotype, maps:get(sources, Champion, [])}, Banned).

%% @doc Removes the genotype that is best on held-out data, if it is banned.
-spec without(cambrian_purge:banned(), champions()) -> champions().
without(Banned, #champions{validated = #{genotype := Bytes} = Validated} = Champions) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
    case cambrian_purge:is_champion({Genotype, maps:get(sources, Validated, [])}, Banned) of
        true -> Champions#champions{validated = undefined};
        false -> Champions
    end;
without(_Banned, Champions) -> Champions.

%% @doc Begins the generation again, with another champion or the same champion.
-spec begin_again(same | undefined | champion(), champions()) -> champions().
begin_again(same, Champions) -> Champions#champions{contender = undefined};
begin_again(Champion, Champions) ->
    Champions#champions{champion = Champion, contender = undefined}.

%% @doc The newcomers whose genes this genotype of the population carries.
-spec sources(cambrian_genotype:genotype(), Evaluated :: undefined | reference(), champions()) ->
          [cambrian_purge:source()].
sources(Genotype, Evaluated, #champions{champion = Champion, validated = Validated}) ->
    Id = cambrian_genotype:id(Genotype),
    Bytes = cambrian_genotype:to_binary(Genotype),
    Known = [Sources || #{champion := Best, sources := Sources} <- [Champion],
                        cambrian_genotype:id(Best) =:= Id]
        ++ [Sources || #{genotype := Same, sources := Sources} <- [Validated], Same =:= Bytes],
    case {Known, Evaluated} of
        {[Sources | _], _} -> Sources;
        {[], undefined} -> [];
        {[], _} -> cambrian_nif:population_sources(Evaluated, Genotype)
    end.
