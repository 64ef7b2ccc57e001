%% @doc Cambrian from a shell: `evolve TASK', `predict CHAMPION', `resume NAME', `inspect FILE',
%% `export FILE', `import FILE', `parameters' and `certificates NODE'.
%%
%% `bin/cambrian' in a checkout and the tasks of Mix, as `mix cambrian.evolve', call this module.
%% The result goes to standard output; progress, the places of files and errors go to standard
%% error. Arguments are UTF-8 in any locale. The exit status is
%% <ul>
%% <li>0 if the command did its work, also if a limit ended an evolution before its goal: the result
%%   says so;</li>
%% <li>1 if it failed, also if its output could not be written;</li>
%% <li>2 if the command line is at fault: one line says why.</li>
%% </ul>
%%
%% Ctrl-C (SIGINT) and SIGTERM end an evolution early: the command writes the result so far, and a
%% checkpoint if the population has a name. The status is then 130 or 143. A second signal ends the
%% VM at once.
%%
%% Without the script and without Mix:
%% `erl -noinput -pa ... -s cambrian_cli -extra evolve xor --seed 42'.
-module(cambrian_cli).

-export([start/0, main/1, run/1, run/2, attended/2]).

-type context() :: cambrian_cli_output:context().

%% How long an interrupted evolution may take to write its result.
-define(LAST_WORDS_MS, 10_000).

-import(cambrian_cli_reason, [usage/1, failed/1]).
-import(cambrian_cli_output, [say/2, answer/2]).
-import(cambrian_cli_settings, [did_you_mean/2]).
-import(cambrian_cli_arguments, [path/1]).

%% @private The entry of `erl -s cambrian_cli -extra ...'.
-spec start() -> no_return().
start() -> main(init:get_plain_arguments()).

%% @private Runs a command and halts the VM.
-spec main([string()]) -> no_return().
main(Args) ->
    ok = log_to_standard_error(),
    Out = cambrian_cli_output:start(1, standard_io),
    Errors = cambrian_cli_output:start(2, standard_error),
    Status = attended(Args, #{out => Out, errors => Errors}),
    halt_with(case [D || D <- [Out, Errors], cambrian_cli_output:failure(D) =/= none] of
                  [_ | _] when Status =:= 0 -> 1;
                  _ -> Status
              end).

-spec halt_with(Status :: 0..255) -> no_return().
halt_with(Status) ->
    ok = logger:set_primary_config(level, error),
    _ = application:stop(cambrian),
    erlang:halt(Status).

%% @private The same as {@link run/2}, and handles Ctrl-C and SIGTERM meanwhile.
-spec attended([string()], context()) -> Status :: 0..255.
attended(Args, Context) ->
    ok = cambrian_cli_signal:subscribe(self()),
    Self = self(),
    Run = fun() -> Self ! {self(), {status, run(Args, Context#{attendant => Self})}} end,
    {Runner, Monitor} = spawn_monitor(Run),
    Status = attend(Runner, Monitor, nothing, maps:get(errors, Context, standard_error)),
    demonitor(Monitor, [flush]),
    ok = cambrian_cli_signal:unsubscribe(),
    Status.

%% `Stage' says what there is to write at a signal: `nothing' or an `evolution'.
attend(Runner, Monitor, Stage, Errors) ->
    receive
        {Runner, evolving} -> attend(Runner, Monitor, evolution, Errors);
        {Runner, {status, Status}} -> Status;
        {'DOWN', Monitor, process, Runner, Reason} -> crashed(Reason, Errors);
        {cambrian_cli_signal, Signal, Status} when Stage =:= nothing ->
            say(Errors, [Signal, ": it ends before anything was evaluated, so there is nothing to "
                                 "write"]),
            exit(Runner, kill),
            Status;
        {cambrian_cli_signal, Signal, Status} ->
            say(Errors, [Signal, ": it ends with what there is; a second one ends it at "
                                 "once"]),
            ok = cambrian:interrupt(Runner),
            last_words(Runner, Monitor, Signal, Status, Errors)
    end.

crashed(Reason, Errors) ->
    say(Errors, io_lib:format("it crashed, which is a fault of Cambrian's own: ~0tP",
                              [Reason, 30])),
    1.

last_words(Runner, Monitor, Signal, Status, Errors) ->
    receive
        {Runner, {status, interrupted}} -> Status;
        %% the evolution had ended already, or its result could not be written
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

%% @doc Runs a command, and answers with the exit status.
%%
%% ```
%% 1> cambrian_cli:run(["evolve", "xor", "--seed", "42", "--quiet"]).
%% 0
%% 2> cambrian_cli:run(["evolve", "xor", "--sede", "42"]).
%% 2
%% '''
-spec run([string()]) -> 0..2 | interrupted.
run(Args) -> run(Args, #{}).

%% @doc The same with other devices, or with another call in the help. `out' gets results, by
%% default the group leader, and `errors' gets errors and progress. `call' is how the user calls a
%% command, for the help. `attendant' gets a message once an evolution begins.
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

%%% ---- commands ---------------------------------------------------------------------------

commands() ->
    [{"evolve", "[TASK]",
      "evolves networks for a task that comes with Cambrian, for a module in the code path, or for "
      "data (--csv)",
      evolve_table(), fun cambrian_cli_evolve:evolve/3},
     {"predict", "CHAMPION", "answers for the rows of a table, by a champion of evolve --csv",
      cambrian_cli_data:predict_table(), fun cambrian_cli_data:predict/3},
     {"resume", "NAME|FILE", "goes on with a population where its last checkpoint is",
      resume_table(), fun resume/3},
     {"inspect", "FILE|NAME", "shows a checkpoint, a genotype, an envelope", [data_dir()],
      fun inspect/3},
     {"export", "FILE|NAME",
      "writes a network in another form; reads a genotype, a checkpoint, or an envelope",
      export_table(), fun export/3},
     {"archive", "FILE | merge FILE FILE...",
      "shows an archive of elites, or merges archives of one task", archive_table(),
      fun cambrian_cli_archive:archive/3},
     {"import", "FILE", "makes a genotype of JSON", import_table(), fun import/3},
     {"certificates", "NODE",
      "makes a certificate for Erlang distribution over TLS, and the authority that signs it",
      certificates_table(), fun certificates/3},
     {"parameters", "[TASK]", "lists every parameter with its default, range and meaning", [],
      fun parameters/3}].

evolve_table() ->
    cambrian_cli_options:flags(cambrian_population_options:table() -- cambrian_goal:rows())
        ++ [{set, setting, "NAME=VALUE", "a setting of the task, as often as wanted"},
            {fresh, flag, "", "drop the checkpoints of this name and begin anew"},
            {federate, positive, "N", "as many VMs on this machine evolve it together"}
            | cambrian_cli_data:evolve_table() ++ resume_table()].

resume_table() ->
    cambrian_cli_options:flags(cambrian_goal:rows()) ++
    [data_dir(),
     {threads, positive, "N", "threads of the library; all schedulers by default"},
     {cpu, number, "SHARE", "share of their time that they work, up to 1"},
     {out, text, "DIR",
      "where champion.genotype, champion.svg, report.html and any archive or front are written"},
     {quiet, flag, "", "no progress"},
     {json, flag, "", "the result as one line of JSON"}].

export_table() ->
    [{to, text, "FORM",
      [listed(cambrian_cli_convert:forms()), "; by default the extension of --out"]},
     {out, text, "FILE", "where it is written; else to standard output"},
     {name, text, "NAME", "what its names begin with, in C and in Rust"},
     data_dir()].

archive_table() ->
    [{json, flag, "", "what the archive amounts to, as one line of JSON"},
     {svg, text, "FILE", "where a picture of it is written"},
     {csv, text, "FILE", "where its elites are written, a line each"},
     {elites, text, "FILE", "where its elites are written as JSON, with their genotypes"},
     {offset, number, "FITNESS", "the fitness that adds nothing to the QD score; 0 by default"},
     {again, positive, "N", "evaluations of each elite, to correct the score of a noisy task"},
     {seed, integer, "N", "seeds the noise of these evaluations; 0 by default"},
     {task, text, "TASK", "what they are evaluated on; the task of the archive by default"},
     {set, setting, "NAME=VALUE", "a setting of the task, as often as wanted"},
     {out, text, "FILE", "where the union is written"}].

import_table() ->
    [{from, text, "WHOSE", [listed(cambrian_cli_convert:sources()), "; by default the first"]},
     {out, text, "FILE", "where the genotype is written"}].

certificates_table() ->
    [{out, text, "DIR", "where the authority is, and where the node's folder is written"},
     {at, text, "PATH", "where that folder will be on the node's machine, if it is to be copied"},
     {days, positive, "N", "for how long the certificate is good; 365 by default"}].

listed(Words) -> [lists:join(", ", lists:droplast(Words)), " or ", lists:last(Words)].

data_dir() -> {data_dir, text, "DIR", "where checkpoints are"}.

command([], _) -> usage(["expected a command: ", listed(names()), "; --help says more"]);
command([Help], Context) when Help =:= "--help"; Help =:= "-h"; Help =:= "help" ->
    answer(help(Context), Context);
command([Help, Name], Context) when Help =:= "--help"; Help =:= "-h"; Help =:= "help" ->
    command([Name, "--help"], Context);
command(["--version"], Context) ->
    _ = application:load(cambrian),
    {ok, Version} = application:get_key(cambrian, vsn),
    answer(["cambrian ", Version, $\n], Context);
command([Name | Args], Context) ->
    case lists:keyfind(Name, 1, commands()) of
        {Name, _, _, Table, _} = Command ->
            command(Command, cambrian_cli_arguments:read(Args, Table), Context);
        false ->
            usage([Name, ": there is no such command", did_you_mean(Name, names()),
                   ", expected ", listed(names())])
    end.

names() -> [Name || {Name, _, _, _, _} <- commands()].

command(Command, help, Context) -> answer(help(Command, Context), Context);
command({"archive", _, _, _, Do}, {ok, [_ | _] = Words, Given}, Context) ->
    Do(Words, Given, Context);
command({_, _, _, _, Do}, {ok, [Word], Given}, Context) -> Do(Word, Given, Context);
command({_, "[" ++ _, _, _, Do}, {ok, [], Given}, Context) -> Do(none, Given, Context);
command({Name, Shown, _, _, _}, {ok, [], _}, _) ->
    usage([Name, ": ", Shown, " is missing"]);
command({Name, Shown, _, _, _}, {ok, [_, Surplus | _], _}, _) ->
    usage([Name, $\s, Surplus, ": expected nothing after ", string:trim(Shown, both, "[]")]);
command({Name, _, _, _, _}, {error, Line}, #{call := Call}) ->
    usage([Line, "; ", Call, Name, " --help lists the options"]).

help(#{call := Call} = Context) ->
    ["Neuroevolution for the BEAM.\n\n",
     [[help_line(Command, Context), "      ", About, $\n]
      || {_, _, About, _, _} = Command <- commands()],
     $\n, Call, "COMMAND --help has the options of each.\n"
     "Exit status: 0 done, even if a limit came first; 1 failed; 2 wrong command line; 130 or 143 "
     "ended early by Ctrl-C\n"
     "or SIGTERM, with the result so far.\n"].

help({Name, _, About, Table, _} = Command, Context) ->
    [help_line(Command, Context), $\n, About, $\n,
     [[$\n, cambrian_cli_arguments:help(Table)] || Table =/= []],
     [["\nTasks that come with Cambrian:\n",
       [["  ", Task, $\n] || Task <- cambrian_cli_settings:tasks()],
       "Some have settings, such as --set bits=2 for parity. The task `dataset' needs --set "
       "inputs=...\n"
       "--set targets=..., and the task `program' needs --set 'command=\"PROGRAM\"'.\n"]
      || Name =:= "evolve"]].

help_line({Name, Shown, _, Table, _}, #{call := Call}) ->
    [Call, Name, $\s, Shown, [" [OPTION...]" || Table =/= []], $\n].

%%% ---- resume ------------------------------------------------------------------------------

resume(Word, Given, Context) ->
    ok = check_data_dir(Given),
    cambrian_cli_evolve:resume(Word, Given, Context).

%% A command that reads checkpoints never makes the directory of a misspelt path.
check_data_dir(Given) ->
    _ = [usage(["--data-dir ", Dir, ": there is no such directory"])
         || #{data_dir := Dir} <- [Given], not filelib:is_dir(path(Dir))],
    ok.

%%% ---- inspect -----------------------------------------------------------------------------

inspect(Word, Given, Context) ->
    case cambrian_cli_inspect:file(inspected(Word, Given)) of
        {ok, Text} -> answer(Text, Context);
        {error, Line} -> failed(Line)
    end.

%% The file to inspect: a file, or the last checkpoint of a population. Starts no application, since
%% another VM may be using its logs.
inspected(Word, Given) ->
    _ = application:load(cambrian),
    ok = check_data_dir(Given),
    File = path(Word),
    IsFile = filelib:is_regular(File),
    _ = [usage(["--data-dir ", Dir, ": expected with a NAME; ", Word, " is a file"])
         || IsFile, #{data_dir := Dir} <- [Given]],
    Dirs = case Given of
               #{data_dir := Dir} -> [path(Dir)];
               _ -> [Dir || {ok, Dir} <- [application:get_env(cambrian, data_dir)]]
           end,
    Populations = [filename:join([Dir, <<"populations">>, cambrian_file:name(File)])
                   || not IsFile, Dir <- Dirs],
    Checkpoints = [Checkpoint || Population <- Populations,
                                 Checkpoint <- cambrian_store:files(Population),
                                 filelib:is_regular(Checkpoint)],
    hd(Checkpoints ++ [File]).

%%% ---- export and import ------------------------------------------------------------------

export(Word, Given, Context) ->
    Form = one_of(to, cambrian_cli_convert:forms(), maps:merge(by_ending(Given), Given), "export"),
    _ = [usage(["export ", Word, ": --out is missing, expected a file for ", Form])
         || not cambrian_cli_convert:is_text(Form), not is_map_key(out, Given)],
    _ = [usage(["--name ", Name, ": expected with --to c or rust, which have names"])
         || #{name := Name} <- [Given], not cambrian_cli_convert:has_names(Form)],
    Path = inspected(Word, Given),
    Genotype = opened(cambrian_cli_convert:open(Path)),
    Normalisation = opened(cambrian_cli_convert:normalisation(Path)),
    case cambrian_cli_convert:export(Form, Genotype, maps:merge(Given, Normalisation)) of
        {error, {bad_option, {name, _, Expected}}} ->
            usage(["--name ", maps:get(name, Given), ": expected ", Expected]);
        {error, Reason} -> failed([Word, ": ", cambrian_error:format_error(Reason)]);
        Bytes -> out(Bytes, Given, Context)
    end.

import(Word, Given, Context) ->
    [Default | _] = Sources = cambrian_cli_convert:sources(),
    Source = one_of(from, Sources, maps:merge(#{from => Default}, Given), "import"),
    _ = [usage(["import ", Word, ": --out is missing, expected a file for the genotype"])
         || not is_map_key(out, Given)],
    Genotype = opened(cambrian_cli_convert:import(Source, path(Word))),
    out(cambrian_genotype:to_binary(Genotype), Given, Context),
    answer(cambrian_cli_inspect:genotype(Genotype), Context).

by_ending(#{out := Path}) ->
    Forms = [{"." ++ Form, Form} || Form <- cambrian_cli_convert:forms()] ++ [{".rs", "rust"}],
    maps:from_list([{to, Form} || {Ending, Form} <- Forms, filename:extension(Path) =:= Ending]);
by_ending(_) -> #{}.

one_of(Flag, Words, Given, Command) ->
    Option = cambrian_cli_arguments:flag(Flag),
    case Given of
        #{Flag := Word} ->
            _ = [usage([Option, $\s, Word, ": expected ", listed(Words)])
                 || not lists:member(Word, Words)],
            Word;
        _ -> usage([Command, ": ", Option, " is missing, expected ", listed(Words)])
    end.

opened({ok, Genotype}) -> Genotype;
opened({error, Line}) -> failed(Line).

out(Bytes, #{out := Path}, Context) ->
    case cambrian_file:save(path(Path), Bytes) of
        ok -> answer(["Written: ", Path, $\n], Context);
        {error, Reason} -> failed([Path, ": ", file:format_error(Reason)])
    end;
out(Text, _Given, Context) -> answer(Text, Context).

%%% ---- certificates -----------------------------------------------------------------------

certificates(Node, #{out := Out} = Given, Context) ->
    %% on the node's machine nobody knows the start of a relative path
    _ = [usage(["--at ", At, ": expected an absolute path, as /etc/balance"])
         || #{at := At} <- [Given], filename:pathtype(At) =/= absolute],
    Order = (maps:with([at, days], Given))#{node => Node, out => path(Out)},
    case cambrian_cli_certificates:make(Order) of
        {ok, Folder} -> answer(["Written: ", Folder, $\n], Context);
        {error, Line} -> failed(Line)
    end;
certificates(Node, _Given, _Context) ->
    usage(["certificates ", Node, ": --out is missing, expected a directory"]).

%%% ---- parameters -------------------------------------------------------------------------

parameters(Word, _Given, Context) ->
    Defaults = case Word of
                   none -> #{};
                   _ ->
                       case cambrian:parameters(cambrian_cli_settings:task(Word, [])) of
                           {ok, Own} -> Own;
                           {error, _} -> #{}
                       end
               end,
    answer([parameter(Row, Defaults) || Row <- cambrian:parameters()], Context).

parameter(#{name := Name, default := Default, expected := Expected, about := About}, Defaults) ->
    io_lib:format("~ts = ~0tp~n    ~ts; ~ts~n",
                  [Name, maps:get(Name, Defaults, Default), About, Expected]).
