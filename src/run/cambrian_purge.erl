%% @private
%% Applies a ban to a population: which of its newcomers, champions and results are banned. For the
%% genotypes of a generation the library decides, gene by gene.
-module(cambrian_purge).

-export([table/0, keys/1, is_newcomer/2, is_champion/2, purged/2, last_without/2]).
-export_type([banned/0, source/0, purged/0]).

%% The key of the node that a genotype came from.
-type key() :: <<_:256>>.
-type banned() :: #{keys => [key()], genotypes => [cambrian_genotype:id()]}.
%% A newcomer: its id, and the keys of the nodes that bred and sent it. A newcomer that a user
%% injected has no keys.
-type source() :: #{genotype := cambrian_genotype:id(), keys := [key()]}.
%% How many genotypes are `leaving' with the next generation, and how many waiting `newcomers' were
%% dropped. The generation is `founded' if no genotype remains, so that all are new. `champion' says
%% whether the best genotype so far is banned.
-type purged() :: #{generation := non_neg_integer(), leaving := non_neg_integer(),
                    newcomers := non_neg_integer(), founded := boolean(), champion := boolean()}.

%% @doc For {@link cambrian_options:check/3}.
-spec table() -> cambrian_options:table().
table() ->
    #{keys => {fun are_ids/1, <<"a list of keys of 32 bytes">>, []},
      genotypes => {fun are_ids/1, <<"a list of ids of 32 bytes">>, []}}.

%% The guard fails for an improper list.
are_ids(Ids) when length(Ids) >= 0 ->
    lists:all(fun cambrian_options:is_id/1, Ids);
are_ids(_) -> false.

%% @doc The keys of the nodes that bred and sent a newcomer, by the `From' that came with it.
-spec keys(From :: term()) -> [key()].
keys(#{} = From) ->
    lists:usort([Key || Whose <- [origin, breeder], #{Whose := <<_:32/binary>> = Key} <- [From]]);
keys(_) -> [].

-spec is_newcomer(cambrian_newcomer_queue:newcomer(), banned()) -> boolean().
is_newcomer(#{genotype := Genotype, from := From}, Banned) ->
    is_source(#{genotype => cambrian_genotype:id(Genotype), keys => keys(From)}, Banned).

%% @doc Whether a genotype is banned by its own id, or by a newcomer whose genes it carries.
-spec is_champion({cambrian_genotype:genotype(), [source()]}, banned()) -> boolean().
is_champion({Genotype, Sources}, Banned) ->
    Itself = #{genotype => cambrian_genotype:id(Genotype), keys => []},
    lists:any(fun(Source) -> is_source(Source, Banned) end, [Itself | Sources]).

is_source(#{genotype := Id, keys := Own}, #{keys := Keys, genotypes := Ids}) ->
    lists:member(Id, Ids) orelse lists:any(fun(Key) -> lists:member(Key, Keys) end, Own).

%% @doc Removes banned genotypes from a generation. The library counts them, and finds the best of
%% the other genotypes.
-spec purged(Generation :: reference(), banned()) ->
          {Population :: reference(), #{atom() => term()},
           Best :: undefined | cambrian_population:champion()}.
purged(Generation, #{keys := Keys, genotypes := Genotypes}) ->
    cambrian_nif:population_purge(Generation, Keys, Genotypes).

%% @doc The last evaluated generation without banned genotypes, to answer questions until the next
%% generation is evaluated.
-spec last_without(banned(), undefined | reference()) -> undefined | reference().
last_without(_Banned, undefined) -> undefined;
last_without(Banned, Last) ->
    try purged(Last, Banned) of
        {_, #{leaving := 0, headless := false}, _} -> Last;
        {_, #{founded := true}, _} -> undefined;
        {Population, _, _} ->
            case cambrian_nif:tuning_settle(cambrian_nif:population_tuning(Population)) of
                {ok, Evaluated} -> Evaluated;
                {error, no_fitness} -> undefined
            end
    %% a limit left genotypes out
    catch error:badarg -> undefined
    end.
