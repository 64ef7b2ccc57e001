%% @private
%% The origins that a realm remembers, each with its standing ({@link cambrian_origin}). The size of
%% this value is bounded, whatever other nodes send.
%%
%% An origin that earned its place keeps it, unless it was silent for a month, or the origins that
%% earned a place take more than three quarters of the room. Otherwise a new key replaces one of the
%% other origins at random, so that a flood of new keys mostly replaces its own keys.
-module(cambrian_origins).

-export([new/2, find/2, standing/4, has_room/3, add/4, put/3, remove/2, has_earned/2,
         is_dishonest/2, keys/1, seed/1, to_map/1, is_saved/2, restore/3]).
-export_type([origins/0]).

-type key() :: cambrian_identity:key().

-record(origins, {max :: pos_integer(),
                  standings = #{} :: #{key() => cambrian_origin:standing()},
                  %% origins that earned their place, in the order in which they may be forgotten
                  earned = gb_sets:new() :: gb_sets:set({ForgetAt :: integer(), key()}),
                  %% all other origins
                  seed :: non_neg_integer(),
                  others :: cambrian_random_eviction:candidates(),
                  forgotten :: cambrian_forgotten_keys:forgotten(cambrian_origin:sequences())}).
-opaque origins() :: #origins{}.

%% How many forgotten origins keep their sequence numbers within one period.
-define(MAX_FORGOTTEN, 65_536).

%% @doc Remembers at most `Max' origins; `Seed' decides which of them are forgotten.
-spec new(Max :: pos_integer(), Seed :: non_neg_integer()) -> origins().
new(Max, Seed) ->
    %% the time of an envelope can be as far ahead of our clock as it can be old
    ReplayMs = 2 * cambrian_envelope:max_age_ms(),
    #origins{max = Max, seed = Seed, others = cambrian_random_eviction:new(Seed),
             forgotten = cambrian_forgotten_keys:new(ReplayMs, ?MAX_FORGOTTEN)}.

-spec seed(origins()) -> non_neg_integer().
seed(#origins{seed = Seed}) -> Seed.

-spec find(key(), origins()) -> {ok, cambrian_origin:standing()} | error.
find(Key, #origins{standings = Standings}) -> maps:find(Key, Standings).

%% @doc The standing of an origin, or that of a new key if the realm does not remember the origin.
-spec standing(key(), cambrian_origin:rate(), Now :: integer(), origins()) ->
          cambrian_origin:standing().
standing(Key, Rate, Now, #origins{standings = Standings, forgotten = Forgotten}) ->
    case Standings of
        #{Key := Standing} -> Standing;
        _ ->
            case cambrian_forgotten_keys:find(Key, Now, Forgotten) of
                {ok, Sequences} -> cambrian_origin:new(Sequences, Rate, Now);
                error -> cambrian_origin:new({0, 0}, Rate, Now)
            end
    end.

%% @doc Whether the realm has room for this origin, or can forget another origin for it.
-spec has_room(key(), Now :: integer(), origins()) -> boolean().
has_room(Key, _Now, #origins{standings = Standings}) when is_map_key(Key, Standings) -> true;
has_room(_Key, _Now, #origins{standings = Standings, max = Max})
  when map_size(Standings) < Max -> true;
has_room(_Key, Now, #origins{others = Others, forgotten = Forgotten} = Origins) ->
    (cambrian_random_eviction:size(Others) > 0
        andalso cambrian_forgotten_keys:has_room(Now, Forgotten))
        orelse must_forget_earned(Now, Origins).

must_forget_earned(Now, #origins{earned = Earned, max = Max}) ->
    gb_sets:size(Earned) > Max * 3 div 4
        orelse not gb_sets:is_empty(Earned) andalso element(1, gb_sets:smallest(Earned)) < Now.

%% @doc Stores a standing; forgets another origin if there is no room.
-spec add(key(), cambrian_origin:standing(), Now :: integer(), origins()) -> origins().
add(Key, Standing, Now, Origins) -> put(Key, Standing, make_room(Key, Now, Origins)).

make_room(Key, Now, #origins{standings = Standings, max = Max} = Origins)
  when map_size(Standings) >= Max, not is_map_key(Key, Standings) ->
    #origins{earned = Earned, others = Others} = Origins,
    case must_forget_earned(Now, Origins) orelse cambrian_random_eviction:draw(Others) of
        true -> forget(element(2, gb_sets:smallest(Earned)), Now, Origins);
        {ok, Drawn, Next} -> forget(Drawn, Now, Origins#origins{others = Next})
    end;
make_room(_Key, _Now, Origins) -> Origins.

%% Keeps the sequence numbers, so that no envelope of this origin can be replayed.
forget(Key, Now, #origins{standings = Standings, forgotten = Forgotten} = Origins) ->
    Sequences = cambrian_origin:sequences(maps:get(Key, Standings)),
    Kept = cambrian_forgotten_keys:put(Key, Sequences, Now, Forgotten),
    remove(Key, Origins#origins{forgotten = Kept}).

%% @doc Stores the standing of an origin that the realm remembers, or has room for.
-spec put(key(), cambrian_origin:standing(), origins()) -> origins().
put(Key, Standing, Origins) ->
    Removed = remove(Key, Origins),
    #origins{standings = Standings, earned = Earned, others = Others} = Removed,
    Stored = Removed#origins{standings = Standings#{Key => Standing}},
    case cambrian_origin:has_earned(Standing) of
        true -> Stored#origins{earned = gb_sets:add_element(in_earned(Key, Standing), Earned)};
        false -> Stored#origins{others = cambrian_random_eviction:add(Key, Others)}
    end.

-spec remove(key(), origins()) -> origins().
remove(Key, #origins{standings = Standings, earned = Earned, others = Others} = Origins) ->
    case maps:take(Key, Standings) of
        {Standing, Left} ->
            Origins#origins{standings = Left,
                            earned = gb_sets:del_element(in_earned(Key, Standing), Earned),
                            others = cambrian_random_eviction:remove(Key, Others)};
        error -> Origins
    end.

in_earned(Key, Standing) -> {cambrian_origin:forget_at(Standing), Key}.

-spec has_earned(key(), origins()) -> boolean().
has_earned(Key, #origins{standings = Standings}) ->
    case Standings of
        #{Key := Standing} -> cambrian_origin:has_earned(Standing);
        _ -> false
    end.

-spec is_dishonest(key(), origins()) -> boolean().
is_dishonest(Key, #origins{standings = Standings}) ->
    case Standings of
        #{Key := Standing} -> cambrian_origin:is_dishonest(Standing);
        _ -> false
    end.

-spec keys(origins()) -> [key()].
keys(#origins{standings = Standings}) -> maps:keys(Standings).

-spec to_map(origins()) -> #{key() => cambrian_origin:standing()}.
to_map(#origins{standings = Standings}) -> Standings.

%% @doc Whether {@link to_map/1} can have made this term, in a release with a window of `Bits'.
-spec is_saved(term(), Bits :: non_neg_integer()) -> boolean().
is_saved(Saved, Bits) ->
    IsOrigin = fun({Key, Standing}) ->
                   cambrian_options:is_id(Key) andalso is_map(Standing)
                       andalso cambrian_origin:is_standing(cambrian_origin:upgrade(Standing, Bits))
               end,
    is_map(Saved) andalso lists:all(IsOrigin, maps:to_list(Saved)).

%% @doc Adds saved standings.
-spec restore(map(), Bits :: non_neg_integer(), origins()) -> origins().
restore(Saved, Bits, None) ->
    maps:fold(fun(Key, Standing, Origins) ->
                  put(Key, cambrian_origin:upgrade(Standing, Bits), Origins)
              end, None, Saved).
