%% @private
%% The conditions under which a population evaluates a generation in an environment, as a value:
%% its episodes, and the normalisation by the observations of the generations before.
%%
%% Episodes are drawn from the run's seed, by a hash of the seed, the generation and the number of
%% the draw. Held-out episodes are numbers from 2^29 on, those of evolution from 2^30 on, so no
%% episode is both, and lower numbers are left to tests.
-module(cambrian_conditions).

-export([new/2, saved/1, is_varying/1, validates/1, at/2, normalisation/1,
         begin_generation/1, observed/2, next_generation/1]).
-export_type([conditions/0, of_jobs/0]).

-record(conditions, {varying :: none | cambrian_environment:varying(),
                     %% of all generations before this one, and of this one so far
                     before :: cambrian_statistics:statistics(),
                     now = cambrian_statistics:new() :: cambrian_statistics:statistics()}).
-opaque conditions() :: #conditions{}.
%% Of a generation's genotypes, of newcomers, and of the contender that is tried.
-type of_jobs() :: #{score | measure | 'try' := cambrian_environment:conditions()}.

-define(HELD_OUT, 1 bsl 29).

-spec new(none | cambrian_environment:varying(), Saved :: map()) -> conditions().
new(Varying, Saved) ->
    #conditions{varying = Varying,
                before = maps:get(observed, Saved, cambrian_statistics:new())}.

%% @doc The part of a checkpoint: a generation is evaluated again from its beginning.
-spec saved(conditions()) -> #{observed := cambrian_statistics:statistics()}.
saved(#conditions{before = Before}) -> #{observed => Before}.

-spec is_varying(conditions()) -> boolean().
is_varying(#conditions{varying = Varying}) -> Varying =/= none.

%% @doc Whether the fittest genotypes are measured in held-out episodes.
-spec validates(conditions()) -> boolean().
validates(#conditions{varying = #{validation := Count}}) -> Count > 0;
validates(_) -> false.

%% @doc The normalisation of this generation; `none' in the first one.
-spec normalisation(conditions()) -> cambrian_network:normalisation() | none.
normalisation(#conditions{varying = #{normalise := true}, before = Before}) ->
    cambrian_statistics:normalisation(Before);
normalisation(_) -> none.

%% @doc The conditions of the present generation.
-spec at(Population :: reference(), conditions()) -> of_jobs().
at(Population, #conditions{varying = Varying} = Conditions) ->
    #{seed := Seed, generation := Generation} = cambrian_nif:population_info(Population),
    #{episodes := Count, normalise := Observe, fresh_episodes := Fresh,
      validation := HeldOut} = Varying,
    Normalised = #{normalisation => normalisation(Conditions)},
    Measure = case Fresh of
                  true -> Normalised#{episodes => drawn(Seed, {1, Generation}, Count)};
                  false -> Normalised
              end,
    #{score => Measure#{observe => Observe}, measure => Measure,
      'try' => Normalised#{is_held_out => true,
                           episodes => drawn(Seed, {0, 0}, max(1, HeldOut))}}.

drawn(Seed, {Kind, Generation}, Count) ->
    [begin
         Hashed = <<"episode", Kind, Seed:64, Generation:64, Nth:32>>,
         <<Number:29, _/bits>> = crypto:hash(sha256, Hashed),
         (?HELD_OUT bsl Kind) + Number
     end || Nth <- lists:seq(1, Count)].

%% @doc Forgets what an earlier evaluation of this generation observed.
-spec begin_generation(conditions()) -> conditions().
begin_generation(Conditions) -> Conditions#conditions{now = cambrian_statistics:new()}.

%% @doc Adds what a round of evaluations observed.
-spec observed(cambrian_statistics:statistics(), conditions()) -> conditions().
observed(Statistics, #conditions{now = Now} = Conditions) ->
    Conditions#conditions{now = cambrian_statistics:merge(Now, Statistics)}.

-spec next_generation(conditions()) -> conditions().
next_generation(#conditions{before = Before, now = Now} = Conditions) ->
    Conditions#conditions{before = cambrian_statistics:merge(Before, Now),
                          now = cambrian_statistics:new()}.
