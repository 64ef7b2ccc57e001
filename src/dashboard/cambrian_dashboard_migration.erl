%% @private
%% What others' genotypes came to on this node, counted: by who bred them and for which task.
-module(cambrian_dashboard_migration).

-export([pairs/1, of_origins/1, bests/2, label/2, name/2]).
-export_type([sum/0]).

-type sum() :: #{count := pos_integer(), taken := non_neg_integer(), last := Outcome :: atom()}.

%% @doc The migrations come in the order in which they happened.
-spec pairs([cambrian_bridge:migration()]) -> #{{cambrian_identity:key(), Task :: binary()} => sum()}.
pairs(Migrations) -> sums(fun(#{origin := Origin, task := Task}) -> {Origin, Task} end, Migrations).

-spec of_origins([cambrian_bridge:migration()]) -> #{cambrian_identity:key() => sum()}.
of_origins(Migrations) -> sums(fun(#{origin := Origin}) -> Origin end, Migrations).

sums(KeyOf, Migrations) ->
    lists:foldl(fun(#{outcome := Outcome} = Migration, Sums) ->
                    Taken = case Outcome of accepted -> 1; _ -> 0 end,
                    Before = maps:get(KeyOf(Migration), Sums, #{count => 0, taken => 0}),
                    Sums#{KeyOf(Migration) => #{count => maps:get(count, Before) + 1, taken => maps:get(taken, Before) + Taken,
                                                last => Outcome}}
                end, #{}, Migrations).

%% @doc What each origin has found for a task: when its best got better, by its own generations, and to what, as it was
%% measured here.
-spec bests(Task :: binary(), [cambrian_bridge:migration()]) ->
          #{cambrian_identity:key() => [{Generation :: non_neg_integer(), Fitness :: float()}]}.
bests(Wanted, Migrations) ->
    Points = lists:sort([{Origin, Generation, Fitness} || #{task := Task, origin := Origin, generation := Generation,
                                                            fitness := Fitness} <- Migrations, Task =:= Wanted]),
    maps:map(fun(_, Found) -> lists:reverse(Found) end, lists:foldl(fun better/2, #{}, Points)).

better({Origin, Generation, Fitness}, Bests) ->
    case Bests of
        #{Origin := [{_, Best} | _]} when Fitness =< Best -> Bests;
        #{Origin := Found} -> Bests#{Origin := [{Generation, Fitness} | Found]};
        _ -> Bests#{Origin => [{Generation, Fitness}]}
    end.

%% @doc What to call a node: what it is called here, after the address that it said it has, if it did. Anybody can say any.
-spec label(cambrian_identity:key(), [cambrian_bridge:peer()]) -> binary().
label(Key, Peers) ->
    case {called(Key, Peers), address(Key, Peers)} of
        {Name, none} -> Name;
        {Name, Address} -> <<Address/binary, " (", Name/binary, ")">>
    end.

%% With its alias, if it has one.
called(Key, Peers) -> hd([Name || #{origin := Origin, name := Name} <- Peers, Origin =:= Key] ++ [cambrian_identity:name(Key)]).

address(Key, Peers) ->
    case [Address || #{origin := Origin, address := <<_, _/binary>> = Address} <- Peers, Origin =:= Key] of
        %% distribution adds a number to the node's name
        [Address | _] -> cambrian_text:clip(hd(binary:split(Address, <<"/">>)), 40);
        [] -> none
    end.

%% @doc The same as short as it goes: a word beside a line.
-spec name(cambrian_identity:key(), [cambrian_bridge:peer()]) -> binary().
name(Key, Peers) ->
    case {binary:split(called(Key, Peers), <<" (">>), address(Key, Peers)} of
        {[Alias, _], _} -> Alias;
        {[Name], none} -> Name;
        {_, Address} -> hd(binary:split(Address, <<"@">>))
    end.

