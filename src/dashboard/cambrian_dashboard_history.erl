%% @private
%% What populations do not keep of themselves: the sizes of their species in earlier generations, and how fast they are.
-module(cambrian_dashboard_history).

-export([new/0, add/2, species/2, rates/1]).
-export_type([past/0]).

%% Samples come newest first, `gap' generations apart or more; a rate is since the one before.
-record(one, {samples = [] :: [{Generation :: non_neg_integer(), [{term(), pos_integer()}]}], gap = 1 :: pos_integer(),
              at :: integer(), evaluations :: non_neg_integer(), rate :: number()}).
-opaque past() :: #{Name :: term() => #one{}}.

%% Twice as many as a picture has columns.
-define(MAX_SAMPLES, 320).
%% Over a shorter time a rate is only noise.
-define(RATE_MS, 400).

-spec new() -> past().
new() -> #{}.

%% @doc With what was just gathered; of those that are gone nothing stays.
-spec add(#{at := integer(), populations := [cambrian_dashboard_snapshot:population()], atom() => term()}, past()) -> past().
add(#{at := At, populations := Populations}, Past) ->
    maps:from_list([{Name, one(At, Population, maps:get(Name, Past, none))}
                    || #{name := Name, stats := #{}} = Population <- Populations]
                   ++ [{Name, One} || #{name := Name, state := silent} <- Populations, #{Name := One} <- [Past]]).

one(At, #{stats := Stats, state := State}, Before) ->
    #{generation := Generation, evaluations := Evaluations, species := Species} = Stats,
    case Before of
        #one{samples = [{Last, _} | _], evaluations = Earlier} when Last =< Generation, Earlier =< Evaluations ->
            paced(At, Evaluations, State, sampled(Generation, Species, Before));
        %% one that is new under its name begins anew
        _ -> #one{samples = [{Generation, Species}], at = At, evaluations = Evaluations,
                  rate = case State of running -> maps:get(evaluations_per_second, Stats); _ -> 0 end}
    end.

sampled(Generation, _Species, #one{samples = [{Last, _} | _], gap = Gap} = One) when Generation - Last < Gap -> One;
sampled(Generation, Species, #one{samples = Samples} = One) -> thin(One#one{samples = [{Generation, Species} | Samples]}).

%% Half of them, as far apart as all that come will be.
thin(#one{samples = Samples} = One) when length(Samples) =< ?MAX_SAMPLES -> One;
thin(#one{samples = [{Last, _} | _] = Samples} = One) ->
    {First, _} = lists:last(Samples),
    Gap = max(1, 2 * (Last - First) div ?MAX_SAMPLES),
    One#one{samples = apart(Gap, Samples), gap = Gap}.

apart(Gap, [{Generation, _} = Kept | Rest]) ->
    [Kept | apart(Gap, lists:dropwhile(fun({Before, _}) -> Generation - Before < Gap end, Rest))];
apart(_Gap, []) -> [].

paced(At, Evaluations, State, #one{at = Before, evaluations = Earlier} = One) ->
    case At - Before of
        _ when State =/= running -> One#one{at = At, evaluations = Evaluations, rate = 0};
        Ms when Ms < ?RATE_MS -> One;
        Ms -> One#one{at = At, evaluations = Evaluations, rate = (Evaluations - Earlier) * 1000 / Ms}
    end.

%% @doc The oldest first.
-spec species(Name :: term(), past()) -> [{non_neg_integer(), [{term(), pos_integer()}]}].
species(Name, Past) ->
    case Past of
        #{Name := #one{samples = Samples}} -> lists:reverse(Samples);
        _ -> []
    end.

%% @doc Evaluations per second.
-spec rates(past()) -> #{Name :: term() => number()}.
rates(Past) -> maps:map(fun(_, #one{rate = Rate}) -> Rate end, Past).
