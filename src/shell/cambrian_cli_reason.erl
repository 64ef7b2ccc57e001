%% @private
%% What is wrong, in one line: `usage' where it is what was given on the command line.
-module(cambrian_cli_reason).

-export([text/2, unknown/2]).

-spec text(Reason :: term(), cambrian_cli_arguments:given()) -> {usage | failed, unicode:chardata()}.
text({bad_option, {Name, Value, Expected}}, Given) ->
    {usage, [typed(Name, atom_to_list(Name), Value, set, Given), ": expected ", Expected]};
text({invalid_parameter, {Name, Value, Expected}}, Given) ->
    {usage, [typed(Name, atom_to_list(Name), Value, param, Given), ": expected ", Expected]};
text({unknown_option, Name, Hint}, Given) ->
    {usage, [typed(none, lists:flatten(io_lib:format("~tp", [Name])), "", set, Given), ": ",
             unknown(set, maps:values(maps:with([did_you_mean], Hint)))]};
text({checkpoint_differs, Name, Own, Value}, Given) ->
    {usage, [typed(Name, atom_to_list(Name), Value, param, Given), ": expected ", io_lib:format("~0tP", [Own, 20]),
             ", as the checkpoint has"]};
text({missing_options, Names}, _Given) ->
    {usage, ["--set ", lists:join(", ", [[atom_to_list(Name), "=..."] || Name <- Names]), ": missing, and expected"]};
text({unknown_task, Task}, #{set := _}) ->
    {usage, io_lib:format("--set: expected none, as ~tp has no settings", [Task])};
text({unknown_task, Task}, _) when Task =:= program; Task =:= dataset ->
    {usage, io_lib:format("~tp: its settings are missing, --set NAME=VALUE", [Task])};
text({unknown_task, Task}, _) -> {usage, io_lib:format("~tp: there is no such task, and no such module", [Task])};
text({not_a_task, Task, Expected}, _) -> {usage, io_lib:format("~tp: expected ~ts", [Task, Expected])};
text({bad_dataset, Expected}, _) -> {usage, ["--set inputs=... and targets=...: expected ", Expected]};
text({bad_dataset, {Part, Row}, Expected}, _) ->
    {usage, io_lib:format("--set ~ts=...: row ~b: expected ~ts", [Part, Row, Expected])};
text({bad_dataset, {Part, Row, Column}, Expected}, _) ->
    {usage, io_lib:format("--set ~ts=...: row ~b, column ~b: expected ~ts", [Part, Row, Column, Expected])};
text({program, Command, Why}, _) -> {failed, io_lib:format("the program ~ts: ~0tP", [Command, Why, 20])};
text({bad_return, {M, F, A}, Value}, _) -> {failed, io_lib:format("~tp:~tp/~b returned ~0tP", [M, F, A, Value, 20])};
text({crashed, {M, F, A}, {_, Reason, _}}, _) ->
    {failed, io_lib:format("~tp:~tp/~b failed: ~0tP", [M, F, A, Reason, 20])};
text({already_started, _}, _) -> {failed, "the name of the population is in use in this VM"};
text({name_taken, Name}, _) -> {failed, io_lib:format("the name ~tp is that of another process in this VM", [Name])};
text({data_dir_in_use, Dir, Holder}, _) ->
    {failed, [Dir, ": in use by another VM (", Holder, "), expected a data directory of its own"]};
text({checkpoint_of_another_task, Task}, _) -> {failed, ["the last checkpoint is of another task, ", Task]};
text({wrong_size, What, Expected, Got}, #{from := File}) ->
    {usage, io_lib:format("--from ~ts: expected ~b ~tp, as the task has, and it has ~b", [File, Expected, What, Got])};
text({wrong_size, What, Expected, Got}, _) ->
    {failed, io_lib:format("the last checkpoint has ~b ~tp, and the task ~b", [Got, What, Expected])};
text({torn_checkpoint, Path}, _) ->
    {failed, [Path, ": torn or changed since, and there is none before it that is whole"]};
text({{unsupported_version, Version}, Path}, _) ->
    {failed, io_lib:format("~ts: version ~tp is not known here", [Path, Version])};
text({malformed, Path}, _) -> {failed, [Path, ": not what a checkpoint is, though whole"]};
text({other_file, Path}, _) -> {failed, [Path, ": no checkpoint of this version of Cambrian"]};
text({evaluations_failed, #{count := Count, first := Fault}}, _) ->
    {failed, io_lib:format("no network of the first generation has a fitness, as all ~b evaluations failed; the first: ~ts",
                           [Count, cambrian_fault:text(Fault)])};
text({not_enough_memory, Wanted, Allowed}, _) ->
    {failed, io_lib:format("it would take ~b bytes, of which ~b are allowed (memory_limit)", [Wanted, Allowed])};
text({grant_expired, Until}, _) -> {failed, io_lib:format("a grant until ~b has ended: that is in ms since 1970, and not after now", [Until])};
text({no_identity_file, Realms}, _) ->
    {failed, ["the bridge of ", lists:join(", ", Realms), " has no file to keep a new secret in"]};
text(not_started, _) -> {failed, "the application was stopped on the way"};
text(population_kept_failing, _) -> {failed, "the population crashed again and again"};
text({cambrian, {Reason, {cambrian_app, start, _}}}, Given) -> text(Reason, Given);
text({not_a_file, Path}, _) -> {failed, [Path, ": a device, a pipe or the like, expected a file"]};
text({nif_not_loaded, Why}, _) -> {failed, io_lib:format("the native library is not loaded: ~0tp", [Why])};
text({Posix, Path}, _) when is_atom(Posix), is_list(Path) orelse is_binary(Path) ->
    {failed, [Path, ": ", file:format_error(Posix)]};
text(Reason, _) -> {failed, io_lib:format("~0tP", [Reason, 30])}.

%% As it was typed, by its own option or as a setting.
typed(Name, Key, Value, Flag, #{texts := Texts} = Given) ->
    case {Texts, [Text || {Typed, Text} <- lists:reverse(maps:get(Flag, Given, [])), Typed =:= Key]} of
        {_, [Text | _]} -> [cambrian_cli_arguments:flag(Flag), $\s, Key, $=, Text];
        {#{Name := Text}, _} -> [cambrian_cli_arguments:flag(Name), $\s, Text];
        _ -> [Key, [io_lib:format(" ~0tp", [Value]) || Value =/= ""]]
    end.

-spec unknown(param | set, Near :: [atom()]) -> unicode:chardata().
unknown(param, Near) -> ["there is no such parameter", meant(Near), "; the command `parameters' lists them"];
unknown(set, Near) -> ["the task has no such setting", meant(Near)].

meant(Near) -> [[" (did you mean ", atom_to_list(One), "?)"] || One <- Near].
