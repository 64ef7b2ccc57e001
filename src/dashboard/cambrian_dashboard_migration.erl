%% @private
%% Counts the outcomes of genotypes that came from other nodes, by origin and task. The origin of a
%% genotype is the key of the node that bred it.
-module(cambrian_dashboard_migration).

-export([pairs/1, of_origins/1, bests/2, label/2, name/2]).
-export_type([sum/0]).

-type sum() :: #{count := pos_integer(), taken := non_neg_integer(), last := Outcome :: atom()}.

%% @doc Sums up migrations, oldest first, by origin and task.
-spec pairs([cambrian_bridge:migration()]) ->
          #{{cambrian_identity:key(), Task :: binary()} => sum()}.
pairs(Migrations) -> sums(fun(#{origin := Origin, task := Task}) -> {Origin, Task} end, Migrations).

%% @doc Sums up migrations, oldest first, by origin.
-spec of_origins([cambrian_bridge:migration()]) -> #{cambrian_identity:key() => sum()}.
of_origins(Migrations) -> sums(fun(#{origin := Origin}) -> Origin end, Migrations).

sums(KeyOf, Migrations) ->
    Add = fun(#{outcome := Outcome} = Migration, Sums) ->
              Key = KeyOf(Migration),
              #{count := Count, taken := Taken} = maps:get(Key, Sums, #{count => 0, taken => 0}),
              TakenNow = case Outcome of accepted -> Taken + 1; _ -> Taken end,
              Sums#{Key => #{count => Count + 1, taken => TakenNow, last => Outcome}}
          end,
    lists:foldl(Add, #{}, Migrations).

%% @doc Returns the improvements of each origin on a task: the generation of the origin, and the
%% fitness as this node measured it.
-spec bests(Task :: binary(), [cambrian_bridge:migration()]) ->
          #{cambrian_identity:key() => [{Generation :: non_neg_integer(), Fitness :: float()}]}.
bests(Wanted, Migrations) ->
    Points = lists:sort([{Origin, Generation, Fitness}
                         || #{task := Task, origin := Origin, generation := Generation,
                              fitness := Fitness} <- Migrations, Task =:= Wanted]),
    Bests = lists:foldl(fun add_if_better/2, #{}, Points),
    maps:map(fun(_, Found) -> lists:reverse(Found) end, Bests).

add_if_better({Origin, Generation, Fitness}, Bests) ->
    case Bests of
        #{Origin := [{_, Best} | _]} when Fitness =< Best -> Bests;
        #{Origin := Found} -> Bests#{Origin := [{Generation, Fitness} | Found]};
        _ -> Bests#{Origin => [{Generation, Fitness}]}
    end.

%% @doc Returns a label for a node: the address that it claims, if any, and its name here. A node
%% can claim any address.
-spec label(cambrian_identity:key(), [cambrian_bridge:peer()]) -> binary().
label(Key, Peers) ->
    case {name_here(Key, Peers), address(Key, Peers)} of
        {Name, none} -> Name;
        {Name, Address} -> <<Address/binary, " (", Name/binary, ")">>
    end.

%% Includes the alias of the node, if it has one.
name_here(Key, Peers) ->
    Names = [Name || #{origin := Origin, name := Name} <- Peers, Origin =:= Key],
    hd(Names ++ [cambrian_identity:name(Key)]).

address(Key, Peers) ->
    case [Address || #{origin := Origin, address := <<_, _/binary>> = Address} <- Peers,
                     Origin =:= Key] of
        %% The transport over distribution adds a number to the name of the node.
        [Address | _] -> cambrian_text:clip(hd(binary:split(Address, <<"/">>)), 40);
        [] -> none
    end.

%% @doc Returns the shortest name of a node, for the end of a line in a chart.
-spec name(cambrian_identity:key(), [cambrian_bridge:peer()]) -> binary().
name(Key, Peers) ->
    case {binary:split(name_here(Key, Peers), <<" (">>), address(Key, Peers)} of
        {[Alias, _], _} -> Alias;
        {[Name], none} -> Name;
        {_, Address} -> hd(binary:split(Address, <<"@">>))
    end.

