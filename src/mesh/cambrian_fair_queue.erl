%% @private
%% A bounded queue of genotypes of other nodes, fair to origins, not to genotypes. Genotypes wait in
%% one such queue until they are measured ({@link cambrian_offers}), and in another until they are
%% requested ({@link cambrian_mesh_requests}).
%%
%% The next turn is for the account that was recently charged the least ({@link cambrian_budget});
%% among equally charged accounts, for the account with the fewest turns, so that diversity pays. If
%% a node sends a hundred times as many genotypes as the others, or genotypes that cost a hundred
%% times as much, a hundredth of them get a turn, and they replace only its own. An account is one
%% origin, or many origins that share it; among those the same rule chooses.
-module(cambrian_fair_queue).

-export([new/0, new/1, in/5, out/2, charge/3, without/2, size/1]).
-export_type([fair_queue/1]).

-type origin() :: cambrian_identity:key().
-type account() :: term().
%% Each origin keeps its newest genotypes. The `limits' are for one origin, for all genotypes, and
%% for their total weight. `turns' are halved now and then: otherwise an origin that comes late
%% would have all turns for a long time.
-record(queue,
        {limits :: #{origin := pos_integer(), all := pos_integer(), weight := pos_integer()},
         %% the oldest first, each with the number of its arrival
         waiting = #{} :: #{origin() =>
                                [{Weight :: pos_integer(), Number :: pos_integer(), term()}]},
         accounts = #{} :: #{origin() => account()},
         turns = #{} :: #{origin() | account() =>
                              {Work :: non_neg_integer(), Turns :: non_neg_integer()}},
         taken = 0 :: non_neg_integer(), came = 0 :: non_neg_integer(),
         size = 0 :: non_neg_integer(), weight = 0 :: non_neg_integer()}).
-opaque fair_queue(_Item) :: #queue{}.

-define(LIMITS, #{origin => 8, all => 256, weight => 4_000_000}).
-define(HALVE_AFTER, 256).

-spec new() -> fair_queue(_).
new() -> new(#{}).

-spec new(#{origin => pos_integer(), all => pos_integer(), weight => pos_integer()}) ->
          fair_queue(_).
new(Limits) -> #queue{limits = maps:merge(?LIMITS, Limits)}.

%% @doc Adds a genotype. Returns the genotypes that it replaces: the oldest of the same origin, of
%% the fullest account, or of the heaviest origin. A single genotype may have any weight.
-spec in(origin(), account(), Item, Weight :: pos_integer(), fair_queue(Item)) ->
          {Dropped :: [Item], fair_queue(Item)}.
in(Origin, Account, Item, Weight, #queue{waiting = Waiting, accounts = Accounts} = Q) ->
    #queue{came = Came, size = Size, weight = All} = Q,
    Items = maps:get(Origin, Waiting, []) ++ [{Weight, Came + 1, Item}],
    Counted = Q#queue{accounts = Accounts#{Origin => Account}, came = Came + 1,
                           size = Size + 1, weight = All + Weight},
    fit(Origin, [], put_items(Origin, Items, Counted)).

fit(Origin, Dropped, #queue{limits = Limits, waiting = Waiting} = Q) ->
    #{origin := Most, all := All, weight := Heaviest} = Limits,
    #queue{size = Size, weight = Weight} = Q,
    if length(map_get(Origin, Waiting)) > Most -> without_oldest(Origin, Origin, Dropped, Q);
       Size > All -> without_oldest(fullest(Q), Origin, Dropped, Q);
       Weight > Heaviest, Size > 1 -> without_oldest(heaviest(Q), Origin, Dropped, Q);
       true -> {lists:reverse(Dropped), Q}
    end.

without_oldest(Which, Origin, Dropped, #queue{waiting = Waiting} = Q) ->
    #{Which := [{_, _, Oldest} = Item | Left]} = Waiting,
    Next = less([Item], put_items(Which, Left, Q)),
    case is_map_key(Origin, Next#queue.waiting) of
        true -> fit(Origin, [Oldest | Dropped], Next);
        false -> {lists:reverse([Oldest | Dropped]), Next}
    end.

%% The origin with the most waiting genotypes, in the account with the most. Among equals the hash
%% of a number decides, so that an attacker that makes keys cannot choose.
fullest(#queue{waiting = Waiting, accounts = Accounts, came = Came}) ->
    Add = fun(Origin, Items, Sizes) ->
              Count = length(Items),
              Account = map_get(Origin, Accounts),
              maps:update_with(Account, fun(N) -> N + Count end, Count, Sizes)
          end,
    Sizes = maps:fold(Add, #{}, Waiting),
    {_, _, _, Fullest} =
        lists:max([{map_get(map_get(Origin, Accounts), Sizes), length(Items),
                    erlang:phash2({Came, Number}), Origin}
                   || {Origin, [{_, Number, _} | _] = Items} <- maps:to_list(Waiting)]),
    Fullest.

heaviest(#queue{waiting = Waiting}) ->
    {_, Origin} = lists:max([{weight(Items), Origin} || {Origin, Items} <- maps:to_list(Waiting)]),
    Origin.

weight(Items) -> lists:sum([Weight || {Weight, _, _} <- Items]).

less(Items, #queue{size = Size, weight = Weight} = Q) ->
    Q#queue{size = Size - length(Items), weight = Weight - weight(Items)}.

put_items(Origin, [], #queue{waiting = Waiting, accounts = Accounts} = Q) ->
    Q#queue{waiting = maps:remove(Origin, Waiting), accounts = maps:remove(Origin, Accounts)};
put_items(Origin, Items, #queue{waiting = Waiting} = Q) ->
    Q#queue{waiting = Waiting#{Origin => Items}}.

%% @doc Takes out the newest genotype of the origin whose turn it is, among the accounts that may
%% have a turn.
-spec out(MayRun :: fun((account()) -> boolean()), fair_queue(Item)) ->
          {Item, fair_queue(Item)} | empty.
out(MayRun, #queue{waiting = Waiting, accounts = Accounts, taken = Taken} = Q) ->
    May = maps:from_list([{Account, MayRun(Account)}
                          || Account <- lists:usort(maps:values(Accounts))]),
    %% among origins with equal turns, the hash changes from turn to turn: no key is always first
    case [{turns(map_get(Origin, Accounts), Q), turns(Origin, Q), erlang:phash2({Taken, Origin}),
           Origin}
          || Origin <- maps:keys(Waiting), map_get(map_get(Origin, Accounts), May)] of
        [] -> empty;
        Candidates ->
            {_, _, _, Origin} = lists:min(Candidates),
            Items = maps:get(Origin, Waiting),
            {_, _, Item} = Newest = lists:last(Items),
            Turned = halve_turns(add_turn(Origin, Q)),
            {Item, less([Newest], put_items(Origin, lists:droplast(Items), Turned))}
    end.

turns(Who, #queue{turns = Turns}) -> maps:get(Who, Turns, {0, 0}).

add_turn(Origin, #queue{accounts = Accounts} = Q) ->
    Add = fun(Who, R) -> add(Who, 0, 1, R) end,
    lists:foldl(Add, Q, lists:usort([Origin, map_get(Origin, Accounts)])).

add(Who, Work, N, #queue{turns = Turns} = Q) ->
    {Before, Had} = turns(Who, Q),
    Q#queue{turns = Turns#{Who => {Before + Work, Had + N}}}.

halve_turns(#queue{taken = Taken} = Q) when Taken < ?HALVE_AFTER ->
    Q#queue{taken = Taken + 1};
halve_turns(#queue{turns = Turns} = Q) ->
    Halve = fun(_, {Work, N}) -> (Work > 1 orelse N > 1) andalso {true, {Work div 2, N div 2}} end,
    Q#queue{taken = 0, turns = maps:filtermap(Halve, Turns)}.

%% @doc Charges an origin or an account for the work of its turn.
-spec charge(origin() | account(), Work :: non_neg_integer(), fair_queue(Item)) -> fair_queue(Item).
charge(Who, Work, Q) -> add(Who, Work, 0, Q).

%% @doc Drops all genotypes for which the fun returns true.
-spec without(IsUnwanted :: fun((Item) -> boolean()), fair_queue(Item)) ->
          {Dropped :: [Item], fair_queue(Item)}.
without(IsUnwanted, #queue{waiting = Waiting} = Q) ->
    Sort = fun({Origin, Items}, {Dropped, Rest}) ->
               case lists:partition(fun({_, _, Item}) -> IsUnwanted(Item) end, Items) of
                   {[], _} -> {Dropped, Rest};
                   {Gone, Left} ->
                       {Dropped ++ [Item || {_, _, Item} <- Gone],
                        less(Gone, put_items(Origin, Left, Rest))}
               end
           end,
    lists:foldl(Sort, {[], Q}, lists:sort(maps:to_list(Waiting))).

-spec size(fair_queue(_)) -> non_neg_integer().
size(#queue{size = Size}) -> Size.
