%% The running processes are those that docs/architecture.md shows.
-module(cambrian_architecture_tests).
-include_lib("eunit/include/eunit.hrl").

the_supervision_tree_is_as_documented_test() ->
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, _} = cambrian_population:start(#{task => fun(_) -> 0 end, inputs => 1, outputs => 1}),
    {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, populations => all}),
    try ?assertEqual(shown(), running())
    after application:stop(cambrian)
    end.

the_picture_shows_every_process_of_the_tree_test() ->
    {ok, Svg} = file:read_file(cambrian_checkout:path("docs/pictures/architecture.svg")),
    IsDrawn = fun(Name) ->
                  Short = iolist_to_binary(string:replace(Name, "cambrian_", "")),
                  binary:match(Svg, Short) =/= nomatch
              end,
    ?assertEqual([], [Name || {_, Name, _} <- shown(), not IsDrawn(Name),
                              Name =/= "{bridge,Realm}"]).

%%% ---- as the document shows it ---------------------------------------------------------------

%% `{Depth, Name, Supervision}' of each line of the block that begins with the root.
shown() ->
    {ok, Text} = file:read_file(cambrian_checkout:path("docs/architecture.md")),
    [_, After] = string:split(Text, "```text\ncambrian_sup"),
    [Block, _] = string:split(After, "```"),
    [shown(Line)
     || Line <- string:lexemes("cambrian_sup" ++ unicode:characters_to_list(Block), "\n")].

shown(Line) ->
    {match, [Branches, Name, About]} =
        re:run(Line, "^([ │├└─]*)(\\S+)\\s*(.*)$", [unicode, {capture, all_but_first, list}]),
    {string:length(Branches) div 3, Name, About}.

%%% ---- as it runs ---------------------------------------------------------------------------

running() -> [{0, "cambrian_sup", flags(cambrian_sup:init([]))} | children(1, cambrian_sup)].

children(Depth, Supervisor) ->
    lists:append([[{Depth, name(Id, Type), supervision(Id, Type)} | below(Depth + 1, Pid, Type)]
                  || {Id, Pid, Type, _} <- in_order(supervisor:which_children(Supervisor))]).

below(_, _, worker) -> [];
below(Depth, Pid, supervisor) -> children(Depth, Pid).

%% which_children/1 lists the child that started last first.
in_order(Children) -> lists:reverse(Children).

name(undefined, worker) -> "realm";
name(undefined, supervisor) -> "guard";
name({bridge, _}, _) -> "{bridge,Realm}";
name(Id, _) -> atom_to_list(Id).

supervision(_, worker) -> "";
supervision(undefined, supervisor) -> flags(cambrian_population_sup:init(guard));
supervision(cambrian_population_sup, supervisor) ->
    flags(cambrian_population_sup:init(populations));
supervision(cambrian_realms, supervisor) -> flags({ok, cambrian_realms:specification()});
supervision(Module, supervisor) -> flags(Module:init([])).

flags({ok, {Flags, _}}) ->
    Defaults = #{intensity => 1, period => 5},
    #{strategy := Strategy, intensity := Intensity, period := Period} = maps:merge(Defaults, Flags),
    lists:flatten(io_lib:format("~s, ~b in ~b s", [Strategy, Intensity, Period])).
