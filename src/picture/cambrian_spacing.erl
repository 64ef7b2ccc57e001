%% @doc Fits items into limited space: moves items apart that are too close, and thins long lists.
-module(cambrian_spacing).

-export([settle/3, evenly/2, peaks/2, pairs/1]).

%% @doc Moves sorted positions as little as possible (least squares), so that items do not overlap
%% and all lie between `Low' and `High'.
%%
%% This is isotonic regression by pooling neighbours that are out of order. `Half' is half of the
%% size of an item. If the items cannot fit, all sizes shrink by the same factor.
%%
%% ```
%% [{a, 4.0}, {b, 6.0}] = cambrian_spacing:settle([{a, 5.0, 1}, {b, 5.0, 1}], 0.0, 10.0).
%% '''
-spec settle([{Key, Wanted :: float(), Half :: number()}], Low :: number(), High :: number()) ->
          [{Key, float()}].
settle([], _, _) ->
    [];
settle(Items, Low, High) ->
    Gaps = [A + B || {A, B} <- pairs([Half || {_, _, Half} <- Items])],
    Shrink = min(1.0, (High - Low) / max(lists:sum(Gaps), 1.0e-6)),
    Step = fun(Gap, Off) -> {Off + Gap * Shrink, Off + Gap * Shrink} end,
    {Steps, Last} = lists:mapfoldl(Step, 0.0, Gaps),
    Offsets = [0.0 | Steps],
    Blocks = lists:foldl(
        fun({{_, Wanted, _}, Off}, Acc) -> pool({Wanted - Off, 1}, Acc) end,
        [], lists:zip(Items, Offsets)
    ),
    Means = lists:append([lists:duplicate(Count, Mean) || {Mean, Count} <- lists:reverse(Blocks)]),
    Top = max(Low, High - Last),
    [{Key, max(Low, min(Top, Mean)) + Off}
     || {{Key, _, _}, Mean, Off} <- lists:zip3(Items, Means, Offsets)].

pool({M, N}, [{M0, N0} | Rest]) when M0 > M ->
    pool({(M * N + M0 * N0) / (N + N0), N + N0}, Rest);
pool(Block, Blocks) ->
    [Block | Blocks].

%% @doc Chooses at most `Max' items evenly, including the first and the last.
%%
%% ```
%% 1> cambrian_spacing:evenly(lists:seq(0, 100), 5).
%% [0,25,50,75,100]
%% '''
-spec evenly([Item], Max :: pos_integer()) -> [Item].
evenly(Items, Max) when length(Items) =< Max ->
    Items;
evenly(Items, Max) ->
    Last = length(Items) - 1,
    Keep = lists:usort([round(I * Last / (Max - 1)) || I <- lists:seq(0, Max - 1)]),
    pick(Keep, 0, Items).

pick([], _, _) -> [];
pick([I | Is], I, [Item | Items]) -> [Item | pick(Is, I + 1, Items)];
pick(Is, I, [_ | Items]) -> pick(Is, I + 1, Items).

%% @doc Chooses about `Max' points: the ends and, from each stretch between, the lowest and the
%% highest.
%%
%% ```
%% 1> cambrian_spacing:peaks([{X, case X of 7 -> 9; _ -> 0 end} || X <- lists:seq(0, 20)], 6).
%% [{0,0},{1,0},{7,9},{12,0},{19,0},{20,0}]
%% '''
-spec peaks([Point], Max :: pos_integer()) -> [Point] when Point :: {X :: float(), Y :: float()}.
peaks(Points, Max) when length(Points) =< Max ->
    Points;
peaks([First | Rest] = Points, Max) ->
    Stretch = ceil(length(Points) / ((Max - 2) div 2)),
    [First | stretches(lists:droplast(Rest), Stretch)] ++ [lists:last(Rest)].

stretches([], _) ->
    [];
stretches(Points, Size) ->
    Now = lists:sublist(Points, Size),
    ByHeight = lists:keysort(2, Now),
    lists:usort([hd(ByHeight), lists:last(ByHeight)])
        ++ stretches(lists:nthtail(length(Now), Points), Size).

%% @doc Pairs each item with the next one.
%%
%% ```
%% 1> cambrian_spacing:pairs([a, b, c]).
%% [{a,b},{b,c}]
%% '''
-spec pairs([Item, ...]) -> [{Item, Item}].
pairs([_ | Rest] = List) -> lists:zip(lists:droplast(List), Rest).
