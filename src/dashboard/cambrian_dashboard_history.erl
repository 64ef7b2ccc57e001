%% @private
%% Keeps facts that populations do not keep: the sizes of their species in earlier generations, and
%% their evaluations per second.
-module(cambrian_dashboard_history).

-export([new/0, add/2, species/2, rates/1]).
-export_type([past/0]).

%% The history of one population. Samples are newest first, at least `gap' generations apart. `rate'
%% is in evaluations per second since the last call; `at' and `evaluations' are of that call.
-record(one, {samples = [] :: [{Generation :: non_neg_integer(), [{term(), pos_integer()}]}],
              gap = 1 :: pos_integer(), at :: integer(), evaluations :: non_neg_integer(),
              rate :: number()}).
-opaque past() :: #{Name :: term() => #one{}}.

%% Twice the number of columns of a picture.
-define(MAX_SAMPLES, 320).
%% The shortest time over which a rate is more than noise.
-define(RATE_MS, 400).

-spec new() -> past().
new() -> #{}.

%% @doc Adds a snapshot, and forgets populations that are gone.
-spec add(#{at := integer(), populations := [cambrian_dashboard_snapshot:population()],
            atom() => term()}, past()) -> past().
add(#{at := At, populations := Populations}, Past) ->
    Answered = [{Name, one(At, Population, maps:get(Name, Past, none))}
                || #{name := Name, stats := #{}} = Population <- Populations],
    Silent = [{Name, One} || #{name := Name, state := silent} <- Populations,
                             #{Name := One} <- [Past]],
    maps:from_list(Answered ++ Silent).

one(At, #{stats := Stats, state := State}, Before) ->
    #{generation := Generation, evaluations := Evaluations, species := Species} = Stats,
    case Before of
        #one{samples = [{Last, _} | _], evaluations = Earlier}
          when Last =< Generation, Earlier =< Evaluations ->
            with_rate(At, Evaluations, State, with_sample(Generation, Species, Before));
        %% A new population, perhaps under the name of an earlier one.
        _ ->
            Rate = case State of running -> maps:get(evaluations_per_second, Stats); _ -> 0 end,
            #one{samples = [{Generation, Species}], at = At, evaluations = Evaluations,
                 rate = Rate}
    end.

with_sample(Generation, _Species, #one{samples = [{Last, _} | _], gap = Gap} = One)
  when Generation - Last < Gap -> One;
with_sample(Generation, Species, #one{samples = Samples} = One) ->
    thin(One#one{samples = [{Generation, Species} | Samples]}).

%% Too many samples: keeps half of them, with the gap that later samples will have.
thin(#one{samples = Samples} = One) when length(Samples) =< ?MAX_SAMPLES -> One;
thin(#one{samples = [{Last, _} | _] = Samples} = One) ->
    {First, _} = lists:last(Samples),
    Gap = max(1, 2 * (Last - First) div ?MAX_SAMPLES),
    One#one{samples = apart(Gap, Samples), gap = Gap}.

apart(Gap, [{Generation, _} = Kept | Rest]) ->
    IsTooNear = fun({Before, _}) -> Generation - Before < Gap end,
    [Kept | apart(Gap, lists:dropwhile(IsTooNear, Rest))];
apart(_Gap, []) -> [].

with_rate(At, Evaluations, State, #one{at = Before, evaluations = Earlier} = One) ->
    case At - Before of
        _ when State =/= running -> One#one{at = At, evaluations = Evaluations, rate = 0};
        Ms when Ms < ?RATE_MS -> One;
        Ms ->
            Rate = (Evaluations - Earlier) * 1000 / Ms,
            One#one{at = At, evaluations = Evaluations, rate = Rate}
    end.

%% @doc Returns the samples of a population, the oldest first.
-spec species(Name :: term(), past()) -> [{non_neg_integer(), [{term(), pos_integer()}]}].
species(Name, Past) ->
    case Past of
        #{Name := #one{samples = Samples}} -> lists:reverse(Samples);
        _ -> []
    end.

%% @doc Returns the evaluations per second of each population.
-spec rates(past()) -> #{Name :: term() => number()}.
rates(Past) -> maps:map(fun(_, #one{rate = Rate}) -> Rate end, Past).
