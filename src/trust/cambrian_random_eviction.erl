%% @private
%% Draws a key at random, in the time of a map look-up: the key to forget when there is no room.
%%
%% All keys have the same chance, so an attacker cannot choose which key a flood of new keys evicts.
-module(cambrian_random_eviction).

-export([new/1, add/2, remove/2, is_candidate/2, draw/1, size/1]).
-export_type([candidates/0]).

%% The keys by their numbers from 1, without gaps.
-record(candidates,
        {rand :: rand:state(), keys = #{} :: #{pos_integer() => term()},
         numbers = #{} :: #{term() => pos_integer()}}).
-opaque candidates() :: #candidates{}.

-spec new(Seed :: integer()) -> candidates().
new(Seed) -> #candidates{rand = rand:seed_s(exsss, Seed)}.

-spec add(Key :: term(), candidates()) -> candidates().
add(Key, #candidates{numbers = Numbers} = Candidates) when is_map_key(Key, Numbers) -> Candidates;
add(Key, #candidates{keys = Keys, numbers = Numbers} = Candidates) ->
    Number = map_size(Keys) + 1,
    Candidates#candidates{keys = Keys#{Number => Key}, numbers = Numbers#{Key => Number}}.

%% @doc Removes a key; the last key gets its number.
-spec remove(Key :: term(), candidates()) -> candidates().
remove(Key, #candidates{keys = Keys, numbers = Numbers} = Candidates) ->
    case maps:take(Key, Numbers) of
        {Number, Left} ->
            {Last, Fewer} = maps:take(map_size(Keys), Keys),
            case Last of
                Key -> Candidates#candidates{keys = Fewer, numbers = Left};
                _ ->
                    Candidates#candidates{keys = Fewer#{Number := Last},
                                          numbers = Left#{Last := Number}}
            end;
        error -> Candidates
    end.

-spec is_candidate(Key :: term(), candidates()) -> boolean().
is_candidate(Key, #candidates{numbers = Numbers}) -> is_map_key(Key, Numbers).

-spec draw(candidates()) -> {ok, Key :: term(), candidates()} | empty.
draw(#candidates{keys = Keys}) when map_size(Keys) =:= 0 -> empty;
draw(#candidates{rand = Rand, keys = Keys} = Candidates) ->
    {Number, Next} = rand:uniform_s(map_size(Keys), Rand),
    {ok, maps:get(Number, Keys), Candidates#candidates{rand = Next}}.

-spec size(candidates()) -> non_neg_integer().
size(#candidates{keys = Keys}) -> map_size(Keys).
