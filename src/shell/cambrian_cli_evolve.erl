%% @private
%% The commands `evolve' and `resume': start or continue a population, and write its result.
-module(cambrian_cli_evolve).

-export([evolve/3, resume/3]).

-import(cambrian_cli_reason, [usage/1, failed/1, wrong/2]).
-import(cambrian_cli_arguments, [path/1]).

-type given() :: cambrian_cli_arguments:given().

%%% ---- evolve -----------------------------------------------------------------------------

-spec evolve(Task :: string() | none, given(), cambrian_cli_output:context()) -> ok | interrupted.
evolve(none, #{csv := File} = Given, Context) ->
    Seeded = maps:merge(#{seed => cambrian_population_options:random_seed()}, Given),
    in_data_dir(Seeded, fun() ->
        #{task := Task} = Data = cambrian_cli_data:task(Seeded),
        evolve(Task, filename:basename(File), Seeded#{data => Data}, Context)
    end);
evolve(none, _Given, _Context) -> usage("evolve: TASK is missing, or --csv");
evolve(Word, Given, Context) ->
    _ = [usage([cambrian_cli_arguments:flag(Name), ": expected with --csv, and without a TASK"])
         || {Name, _, _, _} <- cambrian_cli_data:evolve_table(), is_map_key(Name, Given)],
    _ = [check_writable(Dir) || #{name := _, data_dir := Dir} <- [Given]],
    in_data_dir(Given, fun() ->
        evolve(cambrian_cli_settings:task(Word, maps:get(set, Given, [])), Word, Given, Context)
    end).

evolve(Task, Shown, Given, Context) ->
    Plain = cambrian_cli_options:plain(cambrian_population_options:table()),
    Options = maps:with(Plain, Given),
    Founded = maps:merge(Options, maps:map(fun(from, File) -> founder(File) end,
                                           maps:with([from], Given))),
    Named = maps:merge(Founded#{params => cambrian_cli_settings:parameters(Given)},
                       name(Given, Context)),
    run(Task, Shown, Named, Given, Context).

founder(File) ->
    case cambrian_cli_convert:open(path(File)) of
        {ok, Genotype} -> Genotype;
        {error, Line} -> usage(["--from ", Line])
    end.

%% A name may be a new atom: see `cambrian_cli_settings'.
atom(Name) when length(Name) =< 255 -> list_to_atom(Name);
atom(Name) -> usage(["--name ", Name, ": expected at most 255 characters"]).

name(#{name := Text} = Given, #{call := Call}) ->
    Name = atom(Text),
    _ = [usage(["--name ", Text, ": expected with --data-dir, where its checkpoints are kept"])
         || application:get_env(cambrian, data_dir) =:= undefined],
    case {Given, cambrian_store:get(Name)} of
        {#{fresh := true}, _} -> #{name => Name, resume => false};
        {_, {error, not_found}} -> #{name => Name};
        {_, {ok, _}} ->
            usage(["--name ", Text, ": it is there already; `", Call, "resume ", Text, dir(Given),
                   "' goes on with it, --fresh begins anew"]);
        {_, {error, Reason}} -> wrong(Reason, Given)
    end;
name(#{fresh := true}, _) -> usage("--fresh: expected with --name, whose checkpoints it drops");
name(#{data_dir := Dir}, _) ->
    usage(["--data-dir ", Dir,
           ": expected with --name, under which checkpoints are kept there"]);
name(_, _) -> #{}.

dir(#{data_dir := Dir}) -> [" --data-dir ", Dir];
dir(_) -> "".

%%% ---- resume -----------------------------------------------------------------------------

-spec resume(NameOrFile :: string(), given(), cambrian_cli_output:context()) -> ok | interrupted.
resume(Word, Given, Context) ->
    {Name, Dir} = case lists:member($/, Word) orelse lists:suffix(".checkpoint", Word) of
                      true -> name_and_dir(filename:absname(Word));
                      false -> {Word, none}
                  end,
    _ = [usage(["--data-dir ", Other, ": expected with a NAME; ", Word,
                " is in a directory of its own"])
         || Dir =/= none, #{data_dir := Other} <- [Given]],
    At = maps:merge(Given, maps:from_list([{data_dir, Dir} || Dir =/= none])),
    in_data_dir(At, fun() ->
        #{text := Text, goal := Goal} = last_checkpoint(atom(Name), Word, At),
        %% with a limit of its own, `cambrian:evolve/2' adds none
        Limited = Goal#{name => atom(Name), timeout => maps:get(timeout, Goal, infinity)},
        Plain = cambrian_cli_options:plain(cambrian_goal:rows()),
        Options = maps:merge(Limited, maps:with(Plain, At)),
        Task = checkpointed_task(Text, Name),
        run(Task, shown(Task), Options, At, Context)
    end).

%% A task as one would type it.
shown(Task) when is_atom(Task) -> string:replace(atom_to_list(Task), "Elixir.", "", leading);
shown(Task) -> cambrian_text:clip(io_lib:format("~0tp", [Task]), 60).

%% Of `DATA_DIR/populations/NAME/GENERATION.checkpoint'.
name_and_dir(Path) ->
    case lists:reverse(filename:split(Path)) of
        [_File, Name, "populations" | _] ->
            _ = [failed([Path, ": there is no such file"]) || not filelib:is_regular(path(Path))],
            {unquoted(Name), filename:dirname(filename:dirname(filename:dirname(Path)))};
        _ -> usage(["resume ", Path,
                    ": expected DATA_DIR/populations/NAME/GENERATION.checkpoint"])
    end.

unquoted(Quoted) ->
    case cambrian_file:unquoted(unicode:characters_to_binary(Quoted)) of
        {ok, Name} -> unicode:characters_to_list(Name);
        error ->
            usage(["resume ", Quoted, ": the name of this population is too long for a file's; "
                   "give it with --data-dir"])
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
    Folder = cambrian_file:name(atom_to_binary(Name)),
    case cambrian_data_dir:path([<<"populations">>, Folder]) of
        {ok, Dir} -> hd(cambrian_store:files(Dir) ++ [filename:join(Dir, <<"none">>)]);
        {error, _} -> <<"none">>
    end.

checkpointed_task(<<>>, Name) ->
    failed(["the checkpoint of ", Name, " does not say its task, which was a fun or long: start it "
            "from code, under this name"]);
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
no_task(Name) ->
    failed(["the checkpoint of ", Name, " does not say its task as a term of Erlang"]).

%%% ---- the run ----------------------------------------------------------------------------

run(Task, Shown, Options, Given, #{errors := Errors} = Context) ->
    ok = make_out_dir(Given),
    _ = [say_where(Name, Given, Context) || #{name := Name} <- [Options]],
    Progress = case Given of #{quiet := true} -> false; _ -> Errors end,
    Run = fun() ->
              cambrian_cli_federation:with(Task, Options#{progress => Progress}, Given,
                                           fun(All) -> recorded(Task, All, Context) end)
          end,
    case governed(Given, Run) of
        {ok, Result, Story} -> conclude(Shown, Result, Story, Options, Given, Context);
        {interrupted, Result, Story} ->
            conclude(Shown, Result#{interrupted => true}, Story, Options, Given, Context),
            interrupted;
        {error, not_evaluated} ->
            cambrian_cli_output:say(Errors, "no generation was evaluated, so there is nothing to "
                                            "write"),
            interrupted;
        {error, Reason} ->
            _ = [failed("stopped") || whereis(cambrian_population_sup) =:= undefined],
            wrong(Reason, Given)
    end.

recorded(Task, Options, #{attendant := Attendant}) ->
    Self = self(),
    cambrian:evolve_recorded(Task, Options, fun() -> Attendant ! {Self, evolving} end);
recorded(Task, Options, _) -> cambrian:evolve_recorded(Task, Options).

say_where(Name, Given, #{errors := Errors, call := Call}) ->
    Dir = maps:get(data_dir, Given, application:get_env(cambrian, data_dir, "")),
    Line = io_lib:format("Checkpoints are in ~ts. To go on after a stop: ~tsresume ~ts~ts~n",
                         [filename:join(Dir, "populations"), Call, Name, dir(Given)]),
    _ = cambrian_cli_output:print(Errors, Line),
    ok.

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

%% The governor may be gone, if a signal stops the VM.
restore(Settings) ->
    try cambrian_governor:configure(Settings)
    catch exit:_ -> ok
    end.

%%% ---- the data directory -----------------------------------------------------------------

%% Called before the user reads that checkpoints will be there.
check_writable(Dir) ->
    Place = filename:join([path(Dir), <<"populations">>, <<"place">>]),
    case cambrian_file:make_own_dirs(Place) =:= ok andalso cambrian_file:check_place(Place) of
        ok -> ok;
        false -> failed(["--data-dir ", Dir, ": no directory can be made there"]);
        {error, Reason} -> failed(["--data-dir ", Dir, ": ", file:format_error(Reason)])
    end.

%% Sets the data directory for this command only: a shell may run another one next.
in_data_dir(Given, Do) ->
    _ = application:load(cambrian),
    Before = application:get_env(cambrian, data_dir),
    IsRunning = whereis(cambrian_sup) =/= undefined,
    _ = [application:set_env(cambrian, data_dir, filename:absname(path(Dir)))
         || #{data_dir := Dir} <- [Given]],
    Now = application:get_env(cambrian, data_dir),
    try
        _ = [wrong(Reason, Given)
             || whereis(cambrian_sup) =:= undefined, {error, Reason} <- [in_use()]],
        case application:ensure_all_started(cambrian) of
            {ok, _} -> Do();
            {error, Reason} -> wrong(Reason, Given)
        end
    after
        case Before of
            {ok, Dir} -> application:set_env(cambrian, data_dir, Dir);
            undefined -> application:unset_env(cambrian, data_dir)
        end,
        %% an application that started here keeps its logs there until it stops
        _ = [cambrian_data_dir:release(Dir) || IsRunning, Now =/= Before, {ok, Dir} <- [Now]]
    end.

%% Asked before the application starts, because its failed start would be logged.
in_use() ->
    case cambrian_nif:loaded() of
        ok -> cambrian_data_dir:path([]);
        {error, Reason} -> {error, {nif_not_loaded, Reason}}
    end.

%%% ---- the result -------------------------------------------------------------------------

%% The result is shown whether or not it could be written: it is all that is left of the run.
conclude(Task, #{champion := Champion} = Ended, Story, Options, #{data := Data} = Given, Context) ->
    Result = Ended#{data => cambrian_cli_data:described(Data, Champion)},
    conclude(Task, Result, Story, Options, maps:remove(data, Given), Context);
conclude(Task, #{seed := Seed} = Result, Story, Options, Given, Context) ->
    {Files, Unwritten} = written(Task, Result, Story, Given),
    ok = cambrian_cli_output:answer(
      case Given of
          #{json := true} -> [cambrian_cli_result:json(Task, Result, Files), $\n];
          _ -> [cambrian_cli_result:text(Task, Result, Options),
                [["Written: ", lists:join(", ", Files), $\n] || Files =/= []]]
      end, Context),
    _ = [failed([lists:join(", ", Unwritten), "; with --seed ", integer_to_list(Seed),
                 " and another --out, the same command gives the same champion"])
         || Unwritten =/= []],
    ok.

%% Called before the work, which would be lost if nothing could be written there.
make_out_dir(#{out := Dir}) ->
    Place = filename:join(path(Dir), "champion.genotype"),
    case filelib:ensure_dir(Place) =:= ok andalso cambrian_file:check_place(Place) of
        ok -> ok;
        false -> no_out_dir(Dir, element(2, filelib:ensure_dir(Place)));
        {error, Reason} -> no_out_dir(Dir, Reason)
    end;
make_out_dir(_) -> ok.

-spec no_out_dir(string(), file:posix()) -> no_return().
no_out_dir(Dir, Reason) ->
    usage(["--out ", Dir, ": expected a directory that can be written: ",
           file:format_error(Reason)]).

%% The files that were written, and for the others what hindered it.
written(Task, Result, Story, #{out := Dir}) ->
    All = [write(Write, filename:join(path(Dir), Name))
           || {Name, Write} <- cambrian_cli_result:files(Task, Result, Story)],
    {[Path || {ok, Path} <- All], [Text || {error, Text} <- All]};
written(_, _, _, _) -> {[], []}.

write(Write, Path) ->
    case Write(Path) of
        ok -> {ok, Path};
        {error, Reason} -> {error, [Path, ": ", file:format_error(Reason)]}
    end.
