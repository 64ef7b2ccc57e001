%% @doc Cambrian from a shell: `evolve TASK', `resume NAME', `inspect FILE', `export FILE', `import FILE', `parameters' and
%% `certificates NODE'.
%%
%% `bin/cambrian' in a checkout and `mix cambrian.evolve' and its like are this module. What came of it is written to
%% standard output; progress, where files are and what is wrong go to standard error. The status is 0 when it was done,
%% also where a limit came before the goal, as the result then says; 1 when it failed, also when what is to be said could
%% not be written; and 2 where the command line is at fault, which is told in one line. Arguments are UTF-8 in any locale.
%%
%% Ctrl-C (SIGINT) and SIGTERM end an evolution early: the result is what there is, and is written as at any other end,
%% with a checkpoint where it has a name. The status is 130 or 143 then. A second signal ends it at once.
%%
%% Where neither is at hand: `erl -noinput -pa ... -s cambrian_cli -extra evolve xor --seed 42'.
-module(cambrian_cli).

-export([start/0, main/1, run/1, run/2, attended/2]).
-export_type([context/0]).

-type context() :: #{out => io:device(), errors => io:device(), call => string(), attendant => pid()}.
%% Where results go, by default to the group leader; where errors and progress go; how a command is called, for the help;
%% and which process is to be told that an evolution has begun.

%% What an evolution that is interrupted may take to write what there is.
-define(LAST_WORDS_MS, 10_000).

%% @private For `erl -s cambrian_cli -extra ...'.
-spec start() -> no_return().
start() -> main(init:get_plain_arguments()).

%% @private Of a VM that is there for nothing else.
-spec main([string()]) -> no_return().
main(Args) ->
    ok = log_to_standard_error(),
    {Out, Errors} = {cambrian_cli_output:start(1, standard_io), cambrian_cli_output:start(2, standard_error)},
    Status = attended(Args, #{out => Out, errors => Errors}),
    leave(case [Device || Device <- [Out, Errors], cambrian_cli_output:failure(Device) =/= none] of
              [_ | _] when Status =:= 0 -> 1;
              _ -> Status
          end).

-spec leave(Status :: 0..255) -> no_return().
leave(Status) ->
    ok = logger:set_primary_config(level, error),
    _ = application:stop(cambrian),
    erlang:halt(Status).

%% @private The same as {@link run/2} for a VM that may be told to end meanwhile, by Ctrl-C or SIGTERM.
-spec attended([string()], context()) -> Status :: 0..255.
attended(Args, Context) ->
    ok = cambrian_cli_signal:tell(self()),
    Self = self(),
    {Runner, Monitor} = spawn_monitor(fun() -> Self ! {self(), {status, run(Args, Context#{attendant => Self})}} end),
    Status = attend(Runner, Monitor, nothing, maps:get(errors, Context, standard_error)),
    demonitor(Monitor, [flush]),
    ok = cambrian_cli_signal:untell(),
    Status.

%% `Stage' is what there is to write if the VM is told to end.
attend(Runner, Monitor, Stage, Errors) ->
    receive
        {Runner, evolving} -> attend(Runner, Monitor, evolution, Errors);
        {Runner, {status, Status}} -> Status;
        {'DOWN', Monitor, process, Runner, Reason} -> crashed(Reason, Errors);
        {cambrian_cli_signal, Signal, Status} when Stage =:= nothing ->
            say(Errors, [Signal, ": it ends before anything was evaluated, so there is nothing to write"]),
            exit(Runner, kill),
            Status;
        {cambrian_cli_signal, Signal, Status} ->
            say(Errors, [Signal, ": it ends with what there is; a second one ends it at once"]),
            ok = cambrian:interrupt(Runner),
            last_words(Runner, Monitor, Signal, Status, Errors)
    end.

crashed(Reason, Errors) ->
    say(Errors, io_lib:format("it crashed, which is a fault of Cambrian's own: ~0tP", [Reason, 30])),
    1.

last_words(Runner, Monitor, Signal, Status, Errors) ->
    receive
        {Runner, {status, interrupted}} -> Status;
        %% it was at its end already, or failed to write
        {Runner, {status, Other}} -> Other;
        {'DOWN', Monitor, process, Runner, Reason} -> crashed(Reason, Errors);
        {cambrian_cli_signal, _, Again} -> erlang:halt(Again, [{flush, false}])
    after ?LAST_WORDS_MS ->
        say(Errors, [Signal, ": what there is could not be written in time"]),
        erlang:halt(Status, [{flush, false}])
    end.

log_to_standard_error() ->
    case logger:get_handler_config(default) of
        {ok, #{module := logger_std_h} = Config} ->
            ok = logger:remove_handler(default),
            logger:add_handler(default, logger_std_h, Config#{config => #{type => standard_error}});
        _ -> ok
    end.

%% @doc Does what the arguments say, and answers with the exit status.
%%
%% ```
%% 1> cambrian_cli:run(["evolve", "xor", "--seed", "42", "--quiet"]).
%% 0
%% 2> cambrian_cli:run(["evolve", "xor", "--sede", "42"]).
%% 2
%% '''
-spec run([string()]) -> 0..2 | interrupted.
run(Args) -> run(Args, #{}).

%% @doc The same with another device for errors and progress, or with another way in which it is called.
%%
%% ```
%% 1> cambrian_cli:run(["inspect", "/no/such/file"], #{errors => group_leader()}).
%% 1
%% '''
-spec run([string()], context()) -> 0..2 | interrupted.
run(Args, Context) ->
    Defaults = #{out => group_leader(), errors => standard_error, call => "cambrian "},
    #{errors := Errors} = All = maps:merge(Defaults, Context),
    try
        {ok, Words} = or_usage(cambrian_cli_arguments:decoded(Args)),
        command(Words, All)
    of
        ok -> 0;
        interrupted -> interrupted
    catch
        throw:{usage, Line} -> say(Errors, Line), 2;
        throw:{failed, Line} -> say(Errors, Line), 1
    end.

or_usage({error, Line}) -> usage(Line);
or_usage(Answer) -> Answer.

%% Where even that cannot be written, the status says it.
say(Errors, Line) ->
    _ = cambrian_cli_output:print(Errors, ["cambrian: ", Line, $\n]),
    ok.

print(Chars, #{out := Out}) ->
    case cambrian_cli_output:print(Out, Chars) of
        ok -> ok;
        {error, Reason} -> failed(["standard output: ", in_words(Reason)])
    end.

in_words(Reason) ->
    case file:format_error(Reason) of
        "unknown POSIX error" ++ _ -> atom_to_list(Reason);
        Words -> Words
    end.

-spec usage(unicode:chardata()) -> no_return().
usage(Line) -> throw({usage, Line}).
-spec failed(unicode:chardata()) -> no_return().
failed(Line) -> throw({failed, Line}).

%%% ---- commands ---------------------------------------------------------------------------

commands() ->
    [{"evolve", "TASK", "evolves networks for a task: one that comes with Cambrian, or a module in the code path",
      evolve_table(), fun evolve/3},
     {"resume", "NAME|FILE", "goes on with a population where its last checkpoint is", resume_table(), fun resume/3},
     {"inspect", "FILE|NAME", "shows a checkpoint, a genotype, an envelope", [data_dir()], fun inspect/3},
     {"export", "FILE|NAME", "writes a genotype, the champion of a checkpoint, what an envelope holds in another form",
      export_table(), fun export/3},
     {"import", "FILE", "makes a genotype of JSON", import_table(), fun import/3},
     {"certificates", "NODE", "makes a certificate for Erlang distribution over TLS, and the authority that signs it",
      certificates_table(), fun certificates/3},
     {"parameters", "[TASK]", "lists every parameter with its default, range and meaning", [], fun parameters/3}].

evolve_table() ->
    [flag(Row) || Row <- flagged() -- cambrian_goal:rows()]
        ++ [{set, setting, "NAME=VALUE", "a setting of the task, as often as wanted"},
            {fresh, flag, "", "drop the checkpoints of this name and begin anew"} | resume_table()].

%% The options of a population that the command line has.
flagged() -> flagged(cambrian_population_options:table()).
flagged(Rows) -> [Row || #{flag := _} = Row <- Rows].

%% Those whose value goes to the population as it is typed.
plain(Rows) -> [Name || #{name := Name, flag := {Name, _, _}} <- flagged(Rows), Name =/= from, Name =/= name].

flag(#{flag := {Flag, Type, Shown}, text := Text} = Row) ->
    {Flag, Type, Shown, [unquoted_names(Text), added(Flag, Type), by_default(Row)]}.

unquoted_names(Text) -> string:replace(Text, "`", "", all).

added(from, _) -> ": the network in a genotype, a checkpoint or an envelope";
added(param, _) -> ", as often as wanted; the command `parameters' lists them";
added(_, duration) -> ": 500ms, 30s, 5m, 2h";
added(_, _) -> "".

by_default(#{default := {drawn, _, Words}, name := seed}) -> ["; ", Words, " by default"];
by_default(#{default := {words, Words}}) -> ["; by default ", unquoted_names(Words)];
by_default(_) -> "".

resume_table() ->
    [flag(Row) || Row <- flagged(cambrian_goal:rows())] ++
    [data_dir(),
     {threads, positive, "N", "threads of the library; all schedulers by default"},
     {cpu, number, "SHARE", "share of their time that they work, up to 1"},
     {out, text, "DIR", "where champion.genotype, champion.svg and report.html are written"},
     {quiet, flag, "", "no progress"},
     {json, flag, "", "the result as one line of JSON"}].

export_table() ->
    [{to, text, "FORM", [listed(cambrian_cli_convert:forms()), "; what the file's name ends in, if --out tells"]},
     {out, text, "FILE", "where it is written; else to standard output"},
     {name, text, "NAME", "what its names begin with, in C and in Rust"},
     data_dir()].

import_table() ->
    [{from, text, "WHOSE", [listed(cambrian_cli_convert:sources()), "; by default the first"]},
     {out, text, "FILE", "where the genotype is written"}].

certificates_table() ->
    [{out, text, "DIR", "where the authority is, and where the node's folder is written"},
     {at, text, "PATH", "where that folder will be on the node's machine, if it is to be copied"},
     {days, positive, "N", "for how long the certificate is good; 365 by default"}].

listed(Words) -> [lists:join(", ", lists:droplast(Words)), " or ", lists:last(Words)].

data_dir() -> {data_dir, text, "DIR", "where checkpoints are"}.

command([], _) -> usage(["expected a command: ", names(), "; --help says more"]);
command([Help], Context) when Help =:= "--help"; Help =:= "-h"; Help =:= "help" ->
    print(help(Context), Context);
command([Help, Name], Context) when Help =:= "--help"; Help =:= "-h"; Help =:= "help" ->
    command([Name, "--help"], Context);
command(["--version"], Context) ->
    _ = application:load(cambrian),
    {ok, Version} = application:get_key(cambrian, vsn),
    print(["cambrian ", Version, $\n], Context);
command([Name | Args], Context) ->
    case lists:keyfind(Name, 1, commands()) of
        {Name, _, _, Table, _} = Command -> command(Command, cambrian_cli_arguments:read(Args, Table), Context);
        false -> usage([Name, ": there is no such command", meant(Name, [element(1, Command) || Command <- commands()]),
                        ", expected ", names()])
    end.

meant(Name, Known) -> [[" (did you mean ", Near, "?)"] || Near <- cambrian_options:nearest(Name, Known)].

names() -> listed([Name || {Name, _, _, _, _} <- commands()]).

command(Command, help, Context) -> print(help(Command, Context), Context);
command({_, _, _, _, Do}, {ok, [Word], Given}, Context) -> Do(Word, Given, Context);
command({_, "[" ++ _, _, _, Do}, {ok, [], Given}, Context) -> Do(none, Given, Context);
command({Name, Shown, _, _, _}, {ok, [], _}, _) -> usage([Name, ": ", Shown, " is missing"]);
command({Name, Shown, _, _, _}, {ok, [_, Surplus | _], _}, _) ->
    usage([Name, $\s, Surplus, ": expected nothing after ", Shown]);
command({Name, _, _, _, _}, {error, Line}, #{call := Call}) ->
    usage([Line, "; ", Call, Name, " --help lists the options"]).

help(#{call := Call} = Context) ->
    ["Neuroevolution for the BEAM.\n\n",
     [[help_line(Command, Context), "      ", About, $\n] || {_, _, About, _, _} = Command <- commands()],
     $\n, Call, "COMMAND --help has the options of each. The status is 0 when it was done, also where a limit came\n"
     "before the goal; 1 when it failed; 2 where the command line is at fault; 130 or 143 when Ctrl-C or SIGTERM ended\n"
     "an evolution early, with what there was.\n"].

help({_, _, About, Table, _} = Command, Context) ->
    [help_line(Command, Context), $\n, About, $\n, [[$\n, cambrian_cli_arguments:help(Table)] || Table =/= []],
     [["\nTasks that come with Cambrian:\n", [["  ", Task, $\n] || Task <- tasks()],
       "Some have settings, as --set bits=2 of parity; `dataset' and `program' are what is set of them.\n"]
      || element(1, Command) =:= "evolve"]].

tasks() -> [atom_to_list(Task) || Task <- cambrian_task:names() ++ [dataset, program]].

help_line({Name, Shown, _, Table, _}, #{call := Call}) ->
    [Call, Name, $\s, Shown, [" [OPTION...]" || Table =/= []], $\n].

%%% ---- evolve and resume ------------------------------------------------------------------

evolve(Word, Given, Context) ->
    _ = [check_writable(Dir) || #{name := _, data_dir := Dir} <- [Given]],
    in_data_dir(Given, fun() ->
        Task = task(Word, maps:get(set, Given, [])),
        Options = maps:with(plain(cambrian_population_options:table()), Given),
        Founded = maps:merge(Options, maps:map(fun(from, File) -> founder(File) end,
                                               maps:with([from], Given))),
        Named = maps:merge(Founded#{params => parameters(Given)}, name(Given, Context)),
        evolve(Task, Word, Named, Given, Context)
    end).

founder(File) ->
    case cambrian_cli_convert:open(path(File)) of
        {ok, Genotype} -> Genotype;
        {error, Line} -> usage(["--from ", Line])
    end.

evolve(Task, Shown, Options, Given, #{errors := Errors} = Context) ->
    ok = out_dir(Given),
    _ = [say_where(Name, Given, Context) || #{name := Name} <- [Options]],
    Progress = case Given of #{quiet := true} -> false; _ -> Errors end,
    case governed(Given, fun() -> evolve_recorded(Task, Options#{progress => Progress}, Context) end) of
        {ok, Result, Story} -> conclude(Shown, Result, Story, Options, Given, Context);
        {interrupted, Result, Story} ->
            conclude(Shown, Result#{interrupted => true}, Story, Options, Given, Context),
            interrupted;
        {error, not_evaluated} ->
            say(Errors, "no generation was evaluated, so there is nothing to write"),
            interrupted;
        {error, Reason} ->
            _ = [failed("stopped") || whereis(cambrian_population_sup) =:= undefined],
            wrong(Reason, Given)
    end.

evolve_recorded(Task, Options, #{attendant := Attendant}) ->
    Self = self(),
    cambrian:evolve_recorded(Task, Options, fun() -> Attendant ! {Self, evolving} end);
evolve_recorded(Task, Options, _) -> cambrian:evolve_recorded(Task, Options).

%% What is wrong with what was given is known before anything runs.
-spec wrong(term(), cambrian_cli_arguments:given()) -> no_return().
wrong(Reason, Given) -> throw(cambrian_cli_reason:text(Reason, Given)).

resume(Word, Given, Context) ->
    {Name, Dir} = case lists:member($/, Word) orelse lists:suffix(".checkpoint", Word) of
                      true -> of_path(filename:absname(Word));
                      false -> {Word, none}
                  end,
    _ = [usage(["--data-dir ", Other, ": expected with a NAME; ", Word, " is in a directory of its own"])
         || Dir =/= none, #{data_dir := Other} <- [Given]],
    At = maps:merge(Given, maps:from_list([{data_dir, Dir} || Dir =/= none])),
    in_data_dir(At, fun() ->
        #{text := Text, goal := Goal} = last_checkpoint(atom(Name), Word, At),
        %% with a limit of its own, `evolve' adds none
        Limited = Goal#{name => atom(Name), timeout => maps:get(timeout, Goal, infinity)},
        Options = maps:merge(Limited, maps:with(plain(cambrian_goal:rows()), At)),
        Task = checkpointed_task(Text, Name),
        evolve(Task, shown(Task), Options, At, Context)
    end).

%% As one would type it.
shown(Task) when is_atom(Task) -> string:replace(atom_to_list(Task), "Elixir.", "", leading);
shown(Task) -> cambrian_text:clip(io_lib:format("~0tp", [Task]), 60).

%% `DATA_DIR/populations/NAME/GENERATION.checkpoint'
of_path(Path) ->
    case lists:reverse(filename:split(Path)) of
        [_File, Name, "populations" | _] ->
            _ = [failed([Path, ": there is no such file"]) || not filelib:is_regular(path(Path))],
            {unquoted(Name), filename:dirname(filename:dirname(filename:dirname(Path)))};
        _ -> usage(["resume ", Path, ": expected DATA_DIR/populations/NAME/GENERATION.checkpoint"])
    end.

unquoted(Quoted) ->
    case cambrian_file:unquoted(unicode:characters_to_binary(Quoted)) of
        {ok, Name} -> unicode:characters_to_list(Name);
        error ->
            usage(["resume ", Quoted, ": the name of this population is too long for a file's; give it with --data-dir"])
    end.

last_checkpoint(Name, Word, Given) ->
    _ = [usage("resume: --data-dir is missing, expected the directory of its checkpoints")
         || application:get_env(cambrian, data_dir) =:= undefined],
    case cambrian_store:get(Name) of
        {ok, Checkpoint} ->
            Last = last_file(Name),
            Raw = cambrian_file:to_raw(filename:basename(Word)),
            _ = [usage(["resume ", Word, ": expected the last checkpoint, which is ", Last])
                 || lists:suffix(".checkpoint", Word), Raw =/= {ok, filename:basename(Last)}],
            Checkpoint;
        {error, not_found} ->
            Dir = maps:get(data_dir, Given, "the data_dir"),
            usage(["resume ", Word, ": there is no checkpoint of this name in ", Dir]);
        {error, Reason} -> wrong(Reason, Given)
    end.

last_file(Name) ->
    case cambrian_data_dir:path([<<"populations">>, cambrian_file:name(atom_to_binary(Name))]) of
        {ok, Dir} -> hd(cambrian_store:files(Dir) ++ [filename:join(Dir, <<"none">>)]);
        {error, _} -> <<"none">>
    end.

checkpointed_task(<<>>, Name) ->
    failed(["the checkpoint of ", Name, " does not say its task, which was a fun or long: start it from code, ",
            "under this name"]);
checkpointed_task(Text, Name) ->
    case erl_scan:string(unicode:characters_to_list(Text)) of
        {ok, Tokens, _} ->
            case erl_parse:parse_term(Tokens) of
                {ok, Task} -> Task;
                {error, _} -> no_task(Name)
            end;
        {error, _, _} -> no_task(Name)
    end.

-spec no_task(string()) -> no_return().
no_task(Name) -> failed(["the checkpoint of ", Name, " does not say its task as a term of Erlang"]).

%%% ---- what was given ---------------------------------------------------------------------

%% The names of ours are atoms already; that of a module becomes one when there is such a module.
task(Word, Settings) ->
    Name = case [Task || Task <- [dataset, program | cambrian_task:names()], atom_to_list(Task) =:= Word] of
               [Native] -> Native;
               [] -> module(Word)
           end,
    case settings(set, Settings) of
        None when None =:= #{} -> Name;
        Map -> {Name, Map}
    end.

module(Word) ->
    case [list_to_atom(Name) || Name <- [Word, "Elixir." ++ Word], is_module(Name)] of
        [Module | _] -> _ = code:ensure_loaded(Module), Module;
        [] ->
            usage(["the task ", Word, meant(Word, tasks()), ": expected a module in the code path or one of ",
                   lists:join(", ", tasks())])
    end.

is_module(Name) ->
    lists:all(fun(C) -> C > $\s andalso C =/= $/ end, Name) andalso length(Name) < 256 andalso
        (code:where_is_file(Name ++ ".beam") =/= non_existing orelse is_loaded(Name)).

is_loaded(Name) ->
    case cambrian_cli_arguments:word(Name) of
        {ok, Module} -> code:is_loaded(Module) =/= false;
        error -> false
    end.

parameters(Given) -> settings(param, maps:get(param, Given, [])).

settings(Flag, Settings) -> maps:from_list([setting(Flag, Key, Text) || {Key, Text} <- Settings]).

setting(param, Key, Text) ->
    Expected = lists:append([binary_to_list(Expected) || #{name := Name, expected := Expected} <- cambrian:parameters(),
                                                         atom_to_list(Name) =:= Key]),
    IsOurs = lists:member(Text, string:lexemes(Expected, ", ")),
    case {Expected, cambrian_cli_arguments:value(Text)} of
        {"", _} ->
            Near = cambrian_options:nearest(Key, [Name || #{name := Name} <- cambrian:parameters()]),
            usage([typed(param, Key, Text), cambrian_cli_reason:unknown(param, Near)]);
        {_, {ok, Value}} -> {list_to_existing_atom(Key), Value};
        %% one of our words that nobody has used yet
        {_, error} when IsOurs -> {list_to_existing_atom(Key), list_to_atom(Text)};
        {_, error} -> usage([typed(param, Key, Text), "expected ", Expected])
    end;
%% Only the task knows what it can be set to, so that words become atoms here: as many as somebody types.
setting(set, Key, Text) ->
    case {is_word(Key), cambrian_cli_arguments:value(Text), is_word(Text)} of
        {false, _, _} -> usage([typed(set, Key, Text), cambrian_cli_reason:unknown(set, [])]);
        {true, {ok, Value}, _} -> {list_to_atom(Key), Value};
        {true, error, true} -> {list_to_atom(Key), list_to_atom(Text)};
        {true, error, false} -> usage([typed(set, Key, Text), "expected a number, a word or a term of Erlang"])
    end.

typed(Flag, Key, Text) -> [cambrian_cli_arguments:flag(Flag), $\s, Key, $=, Text, ": "].

is_word(Text) -> re:run(Text, "^[a-z][a-zA-Z0-9_]{0,99}$", [unicode]) =/= nomatch.

%% Of somebody who may start VMs, so a name may be a new atom.
atom(Name) when length(Name) =< 255 -> list_to_atom(Name);
atom(Name) -> usage(["--name ", Name, ": expected at most 255 characters"]).

name(#{name := Text} = Given, #{call := Call}) ->
    Name = atom(Text),
    _ = [usage(["--name ", Text, ": expected with --data-dir, where its checkpoints are kept"])
         || application:get_env(cambrian, data_dir) =:= undefined],
    case {Given, cambrian_store:get(Name)} of
        {#{fresh := true}, _} -> #{name => Name, resume => false};
        {_, {error, not_found}} -> #{name => Name};
        {_, {ok, _}} -> usage(["--name ", Text, ": it is there already; `", Call, "resume ", Text, dir(Given),
                               "' goes on with it, --fresh begins anew"]);
        {_, {error, Reason}} -> wrong(Reason, Given)
    end;
name(#{fresh := true}, _) -> usage("--fresh: expected with --name, whose checkpoints it drops");
name(#{data_dir := Dir}, _) ->
    usage(["--data-dir ", Dir, ": expected with --name, under which checkpoints are kept there"]);
name(_, _) -> #{}.

dir(#{data_dir := Dir}) -> [" --data-dir ", Dir];
dir(_) -> "".

%% Before it is promised that checkpoints are there.
check_writable(Dir) ->
    Place = filename:join([path(Dir), <<"populations">>, <<"place">>]),
    case cambrian_file:make_own_dirs(Place) =:= ok andalso cambrian_file:check_place(Place) of
        ok -> ok;
        false -> failed(["--data-dir ", Dir, ": no directory can be made there"]);
        {error, Reason} -> failed(["--data-dir ", Dir, ": ", file:format_error(Reason)])
    end.

say_where(Name, Given, #{errors := Errors, call := Call}) ->
    Dir = maps:get(data_dir, Given, application:get_env(cambrian, data_dir, "")),
    _ = cambrian_cli_output:print(Errors, io_lib:format("Checkpoints are in ~ts. To go on after a stop: ~tsresume ~ts~ts~n",
                                                  [filename:join(Dir, "populations"), Call, Name, dir(Given)])),
    ok.

%% For as long as it takes: in a shell the next command is another one.
in_data_dir(Given, Do) ->
    _ = application:load(cambrian),
    Before = application:get_env(cambrian, data_dir),
    IsRunning = whereis(cambrian_sup) =/= undefined,
    _ = [application:set_env(cambrian, data_dir, filename:absname(path(Dir))) || #{data_dir := Dir} <- [Given]],
    Now = application:get_env(cambrian, data_dir),
    try
        _ = [wrong(Reason, Given) || whereis(cambrian_sup) =:= undefined, {error, Reason} <- [in_use()]],
        case application:ensure_all_started(cambrian) of
            {ok, _} -> Do();
            {error, Reason} -> wrong(Reason, Given)
        end
    after
        case Before of
            {ok, Dir} -> application:set_env(cambrian, data_dir, Dir);
            undefined -> application:unset_env(cambrian, data_dir)
        end,
        %% an application that started here has its logs there until it stops
        _ = [cambrian_data_dir:release(Dir) || IsRunning, Now =/= Before, {ok, Dir} <- [Now]]
    end.

%% Before the application starts, which would log that it does not.
in_use() ->
    case cambrian_nif:loaded() of
        ok -> cambrian_data_dir:path([]);
        {error, Reason} -> {error, {nif_not_loaded, Reason}}
    end.

governed(Given, Do) ->
    case maps:with([cpu, threads], Given) of
        None when None =:= #{} -> Do();
        Settings ->
            Before = maps:with([cpu, threads], cambrian_governor:status()),
            case cambrian_governor:configure(Settings) of
                ok -> try Do() after restore(Before) end;
                Error -> Error
            end
    end.

%% Where the VM is told to end, the governor may be gone.
restore(Settings) ->
    try cambrian_governor:configure(Settings)
    catch exit:_ -> ok
    end.

%%% ---- results ----------------------------------------------------------------------------

conclude(Task, Result, Story, Options, Given, Context) ->
    Files = written(Task, Result, Story, Given),
    print(case Given of
              #{json := true} -> [cambrian_cli_result:json(Task, Result, Files), $\n];
              _ -> [cambrian_cli_result:text(Task, Result, Options),
                    [["Written: ", lists:join(", ", Files), $\n] || Files =/= []]]
          end, Context).

%% Asked for before the work and not after it.
out_dir(#{out := Dir}) ->
    case filelib:ensure_dir(filename:join(path(Dir), "x")) of
        ok -> ok;
        {error, Reason} ->
            usage(["--out ", Dir, ": expected a directory that can be written: ", file:format_error(Reason)])
    end;
out_dir(_) -> ok.

written(Task, Result, Story, #{out := Dir}) ->
    [case Write(Path) of
         ok -> Path;
         {error, Reason} -> failed([Path, ": ", file:format_error(Reason)])
     end || {Name, Write} <- cambrian_cli_result:files(Task, Result, Story), Path <- [filename:join(path(Dir), Name)]];
written(_, _, _, _) -> [].

%%% ---- inspect -----------------------------------------------------------------------------

inspect(Word, Given, Context) ->
    case cambrian_cli_inspect:file(inspected(Word, Given)) of
        {ok, Text} -> print(Text, Context);
        {error, Line} -> failed(Line)
    end.

%% The application is not started: its logs may be in use by another VM.
inspected(Word, Given) ->
    _ = application:load(cambrian),
    _ = [usage(["--data-dir ", Dir, ": expected with a NAME; ", Word, " is a file"])
         || #{data_dir := Dir} <- [Given], filelib:is_regular(path(Word))],
    Dirs = case Given of
               #{data_dir := Dir} -> [path(Dir)];
               _ -> [Dir || {ok, Dir} <- [application:get_env(cambrian, data_dir)]]
           end,
    Populations = [filename:join([Dir, <<"populations">>, cambrian_file:name(unicode:characters_to_binary(Word))])
                   || Dir <- Dirs, not filelib:is_regular(path(Word))],
    hd([File || Population <- Populations, File <- cambrian_store:files(Population), filelib:is_regular(File)] ++ [path(Word)]).

%% As bytes, which are the name of a file in any locale.
path(Text) -> unicode:characters_to_binary(Text).

%%% ---- export and import ------------------------------------------------------------------

export(Word, Given, Context) ->
    Form = one_of(to, cambrian_cli_convert:forms(), maps:merge(by_ending(Given), Given), "export"),
    _ = [usage(["export ", Word, ": --out is missing, expected a file for ", Form])
         || not cambrian_cli_convert:is_text(Form), not is_map_key(out, Given)],
    _ = [usage(["--name ", Name, ": expected with --to c or rust, which have names"])
         || #{name := Name} <- [Given], not cambrian_cli_convert:has_names(Form)],
    case cambrian_cli_convert:export(Form, opened(cambrian_cli_convert:open(inspected(Word, Given))), Given) of
        {error, {bad_option, {name, _, Expected}}} -> usage(["--name ", maps:get(name, Given), ": expected ", Expected]);
        Bytes -> out(Bytes, Given, Context)
    end.

import(Word, Given, Context) ->
    Source = one_of(from, cambrian_cli_convert:sources(), maps:merge(#{from => hd(cambrian_cli_convert:sources())}, Given), "import"),
    _ = [usage(["import ", Word, ": --out is missing, expected a file for the genotype"]) || not is_map_key(out, Given)],
    Genotype = opened(cambrian_cli_convert:import(Source, path(Word))),
    out(cambrian_genotype:to_binary(Genotype), Given, Context),
    print(cambrian_cli_inspect:genotype(Genotype), Context).

by_ending(#{out := Path}) ->
    Forms = [{"." ++ Form, Form} || Form <- cambrian_cli_convert:forms()] ++ [{".rs", "rust"}],
    maps:from_list([{to, Form} || {Ending, Form} <- Forms, filename:extension(Path) =:= Ending]);
by_ending(_) -> #{}.

one_of(Flag, Words, Given, Command) ->
    case Given of
        #{Flag := Word} ->
            _ = [usage([cambrian_cli_arguments:flag(Flag), $\s, Word, ": expected ", listed(Words)]) || not lists:member(Word, Words)],
            Word;
        _ -> usage([Command, ": ", cambrian_cli_arguments:flag(Flag), " is missing, expected ", listed(Words)])
    end.

opened({ok, Genotype}) -> Genotype;
opened({error, Line}) -> failed(Line).

out(Bytes, #{out := Path}, Context) ->
    case cambrian_file:save(path(Path), Bytes) of
        ok -> print(["Written: ", Path, $\n], Context);
        {error, Reason} -> failed([Path, ": ", file:format_error(Reason)])
    end;
out(Text, _Given, Context) -> print(Text, Context).

%%% ---- certificates -----------------------------------------------------------------------

certificates(Node, #{out := Out} = Given, Context) ->
    %% on another machine, where nobody knows what a path would be relative to
    _ = [usage(["--at ", At, ": expected an absolute path, as /etc/balance"])
         || #{at := At} <- [Given], filename:pathtype(At) =/= absolute],
    case cambrian_cli_certificates:make((maps:with([at, days], Given))#{node => Node, out => path(Out)}) of
        {ok, Folder} -> print(["Written: ", Folder, $\n], Context);
        {error, Line} -> failed(Line)
    end;
certificates(Node, _Given, _Context) -> usage(["certificates ", Node, ": --out is missing, expected a directory"]).

%%% ---- parameters -------------------------------------------------------------------------

parameters(Word, _Given, Context) ->
    Defaults = case Word of
                   none -> #{};
                   _ ->
                       case cambrian:parameters(task(Word, [])) of
                           {ok, Own} -> Own;
                           {error, _} -> #{}
                       end
               end,
    print([parameter(Row, Defaults) || Row <- cambrian:parameters()], Context).

parameter(#{name := Name, default := Default, expected := Expected, about := About}, Defaults) ->
    io_lib:format("~ts = ~0tp~n    ~ts; ~ts~n", [Name, maps:get(Name, Defaults, Default), About, Expected]).
