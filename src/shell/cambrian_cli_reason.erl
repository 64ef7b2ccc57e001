%% @private
%% Why a command failed, in one line. `usage' says that the command line is at fault; the line then
%% has the arguments as they were typed.
-module(cambrian_cli_reason).

-export([usage/1, failed/1, wrong/2, unknown/2]).

-type given() :: cambrian_cli_arguments:given().

%% @doc Ends the command, as the command line is at fault.
-spec usage(unicode:chardata()) -> no_return().
usage(Line) -> throw({usage, Line}).

%% @doc Ends the command, which has failed.
-spec failed(unicode:chardata()) -> no_return().
failed(Line) -> throw({failed, Line}).

%% @doc Ends the command for this reason.
-spec wrong(Reason :: term(), given()) -> no_return().
wrong(Reason, Given) -> throw(text(Reason, Given)).

%% Describes a reason.
text({bad_option, {Name, Got, Expected}}, Given) ->
    {usage, [typed(Name, Got, set, Given), ": expected ", Expected]};
text({bad_parameter, {Name, Got, Expected}}, Given) ->
    {usage, [typed(Name, Got, param, Given), ": expected ", Expected]};
text({unknown_option, Name, Hint}, Given) ->
    Near = maps:values(maps:with([did_you_mean], Hint)),
    Typed = case setting(Name, set, Given) of
                none -> io_lib:format("~tp", [Name]);
                Setting -> Setting
            end,
    {usage, [Typed, ": ", unknown(set, Near)]};
text({missing_options, Names}, _Given) ->
    Settings = [[atom_to_list(Name), "=..."] || Name <- Names],
    {usage, ["--set ", lists:join(", ", Settings), ": missing, and expected"]};
text({unknown_task, Task, _Hint}, #{set := _}) ->
    {usage, io_lib:format("--set: expected none, as ~tp has no settings", [Task])};
text({unknown_task, Task, _Hint}, _Given) when Task =:= program; Task =:= dataset ->
    {usage, io_lib:format("~tp: its settings are missing, --set NAME=VALUE", [Task])};
text({unknown_task, Task, _Hint}, _Given) ->
    {usage, io_lib:format("~tp: there is no such task, and no such module", [Task])};
text({bad_task, {_Where, Got, Expected}}, _Given) ->
    {usage, io_lib:format("~0tP: expected ~ts", [Got, 20, Expected])};
text({bad_dataset, {Where, _Got, _Expected}} = Reason, _Given) ->
    {usage, [dataset(Where), ": ", cambrian_error:format_error(Reason)]};
text({checkpoint_differs, Name, Own, Value}, Given) ->
    {usage, [typed(Name, Value, param, Given), ": expected ", io_lib:format("~0tP", [Own, 20]),
             ", as the checkpoint has"]};
text({checkpoint_of_another_task, Task}, _Given) ->
    {failed, ["the last checkpoint is of another task, ", Task]};
text({wrong_size, What, Expected, Got}, #{from := File}) ->
    {usage, io_lib:format("--from ~ts: expected ~b ~tp, as the task has, and it has ~b",
                          [File, Expected, What, Got])};
text({wrong_size, What, Expected, Got}, _Given) ->
    {failed, io_lib:format("the last checkpoint has ~b ~tp, and the task ~b",
                           [Got, What, Expected])};
text(not_started, _Given) -> {failed, "the application was stopped on the way"};
text({cambrian, {Reason, {cambrian_app, start, _}}}, Given) -> text(Reason, Given);
text(Reason, _Given) -> {failed, cambrian_error:format_error(Reason)}.

dataset(inputs) -> "--set inputs=...";
dataset(targets) -> "--set targets=...";
dataset({Part, _Row}) -> dataset(Part);
dataset({Part, _Row, _Column}) -> dataset(Part);
dataset(_Both) -> "--set inputs=... and targets=...".

%% An argument as it was typed, as a setting or by its own option; else its name and its value.
typed(Name, Got, Flag, #{texts := Texts} = Given) ->
    case {setting(Name, Flag, Given), Texts} of
        {none, #{Name := Text}} -> [cambrian_cli_arguments:flag(Name), $\s, Text];
        {none, _} -> io_lib:format("~tp ~0tP", [Name, Got, 20]);
        {Setting, _} -> Setting
    end.

setting(Name, Flag, Given) ->
    Key = lists:flatten(io_lib:format("~tp", [Name])),
    case [Text || {Typed, Text} <- maps:get(Flag, Given, []), Typed =:= Key] of
        [] -> none;
        Texts -> [cambrian_cli_arguments:flag(Flag), $\s, Key, $=, lists:last(Texts)]
    end.

-spec unknown(param | set, Near :: [atom()]) -> unicode:chardata().
unknown(param, Near) ->
    ["there is no such parameter", did_you_mean(Near), "; the command `parameters' lists them"];
unknown(set, Near) -> ["the task has no such setting", did_you_mean(Near)].

did_you_mean(Near) -> [[" (did you mean ", atom_to_list(One), "?)"] || One <- Near].
