%% @private
%% The options of a population on the command line, made from their table.
-module(cambrian_cli_options).

-export([flags/1, plain/1]).

%% @doc The options that the command line has, as {@link cambrian_cli_arguments} reads them.
-spec flags([cambrian_options:row()]) -> [{atom(), atom(), string(), unicode:chardata()}].
flags(Rows) -> [flag(Row) || #{flag := _} = Row <- Rows].

%% @doc The options whose value goes to the population as it was typed.
-spec plain([cambrian_options:row()]) -> [atom()].
plain(Rows) ->
    [Name || #{name := Name, flag := {Name, _, _}} <- Rows, Name =/= from, Name =/= name].

flag(#{flag := {Flag, Type, Shown}, text := Text} = Row) ->
    {Flag, Type, Shown, [without_backquotes(Text), added(Flag, Type), by_default(Row)]}.

without_backquotes(Text) -> string:replace(Text, "`", "", all).

added(from, _) -> ": the network in a genotype, a checkpoint or an envelope";
added(param, _) -> ", as often as wanted; the command `parameters' lists them";
added(_, duration) -> ": 500ms, 30s, 5m, 2h";
added(_, _) -> "".

by_default(#{default := {drawn, _, Words}, name := seed}) -> ["; ", Words, " by default"];
by_default(#{default := {words, Words}}) -> ["; by default ", without_backquotes(Words)];
by_default(_) -> "".
