%% The command line in this VM, for the tests of it.
-module(cambrian_command).
-include_lib("eunit/include/eunit.hrl").
-export([run/1, id/1, holds/2, hex_id/1, with_champion/1]).

%% Status, standard output, standard error.
run(Line) when is_list(hd(Line)) ->
    {Out, Errors} = {cambrian_screen:start(none), cambrian_screen:start(none)},
    Leader = group_leader(),
    group_leader(Out, self()),
    Status = try cambrian_cli:run(Line, #{errors => Errors}) after group_leader(Leader, self()) end,
    {Status, cambrian_screen:read(Out), cambrian_screen:read(Errors)};
run(Line) -> run(string:lexemes(Line, " ")).

id(Text) ->
    {match, [Id]} = re:run(Text, "Id ([0-9a-f]{64})", [unicode, {capture, all_but_first, list}]),
    Id.

holds(Part, Text) -> ?assertEqual({Part, true}, {Part, string:find(Text, Part) =/= nomatch}).

hex_id(Genotype) -> unicode:characters_to_list(cambrian_text:hex(cambrian_genotype:id(Genotype))).

with_champion(Check) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        {0, _, _} = run("evolve xor --seed 42 --quiet --out " ++ Dir),
        {ok, Bytes} = file:read_file(filename:join(Dir, "champion.genotype")),
        {ok, Champion} = cambrian_genotype:from_binary(Bytes),
        Check(Dir, filename:join(Dir, "champion.genotype"), Champion)
    end).
