%% @private
%% Keys of which any one can be drawn at random, in the time that a map takes: who is to be forgotten where there is no room.
%%
%% Whoever came first, last, or seldom has the same chance, so that nobody can choose whom a flood of new keys pushes out.
-module(cambrian_random_eviction).

-export([new/1, add/2, remove/2, draw/1, size/1]).
-export_type([lottery/0]).

%% The keys by their numbers from 1, without gaps.
-record(lottery, {rand :: rand:state(), keys = #{} :: #{pos_integer() => term()}, numbers = #{} :: #{term() => pos_integer()}}).
-opaque lottery() :: #lottery{}.

-spec new(Seed :: integer()) -> lottery().
new(Seed) -> #lottery{rand = rand:seed_s(exsss, Seed)}.

-spec add(Key :: term(), lottery()) -> lottery().
add(Key, #lottery{numbers = Numbers} = Lottery) when is_map_key(Key, Numbers) -> Lottery;
add(Key, #lottery{keys = Keys, numbers = Numbers} = Lottery) ->
    Number = map_size(Keys) + 1,
    Lottery#lottery{keys = Keys#{Number => Key}, numbers = Numbers#{Key => Number}}.

%% @doc The last one takes its number.
-spec remove(Key :: term(), lottery()) -> lottery().
remove(Key, #lottery{keys = Keys, numbers = Numbers} = Lottery) ->
    case maps:take(Key, Numbers) of
        {Number, Left} ->
            {Last, Fewer} = maps:take(map_size(Keys), Keys),
            case Last of
                Key -> Lottery#lottery{keys = Fewer, numbers = Left};
                _ -> Lottery#lottery{keys = Fewer#{Number := Last}, numbers = Left#{Last := Number}}
            end;
        error -> Lottery
    end.

-spec draw(lottery()) -> {ok, Key :: term(), lottery()} | empty.
draw(#lottery{keys = Keys}) when map_size(Keys) =:= 0 -> empty;
draw(#lottery{rand = Rand, keys = Keys} = Lottery) ->
    {Number, Next} = rand:uniform_s(map_size(Keys), Rand),
    {ok, maps:get(Number, Keys), Lottery#lottery{rand = Next}}.

-spec size(lottery()) -> non_neg_integer().
size(#lottery{keys = Keys}) -> map_size(Keys).
