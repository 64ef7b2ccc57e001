%% Only one VM at a time may use a `data_dir'.
-module(cambrian_data_dir_tests).
-include_lib("eunit/include/eunit.hrl").
-export([run/2]).

%% Starts another VM without the application.
with_vm(Test) ->
    Ebin = [filename:dirname(code:which(Module)) || Module <- [cambrian, ?MODULE]],
    {ok, Peer, _} = peer:start(#{connection => standard_io, wait_boot => 60_000,
                                 args => ["-pa"] ++ Ebin ++ ["-kernel", "logger_level", "none"]}),
    try Test(fun(M, F, A) -> peer:call(Peer, M, F, A, 60_000) end)
    after
        try peer:stop(Peer) catch exit:_ -> ok end
    end.

start_in(Dir, Call) ->
    _ = Call(application, load, [cambrian]),
    ok = Call(application, set_env, [cambrian, data_dir, Dir]),
    Call(application, ensure_all_started, [cambrian]).

the_second_vm_is_refused_and_names_the_first_test_() ->
    {timeout, 300, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            with_vm(fun(One) ->
                {ok, _} = start_in(Dir, One),
                with_vm(fun(Two) ->
                    {error, {cambrian, {{data_dir_in_use, InUse, Holder}, _}}} = start_in(Dir, Two),
                    ?assertEqual(list_to_binary(Dir), InUse),
                    ?assertMatch({_, _},
                                 binary:match(Holder,
                                              list_to_binary(["process ", One(os, getpid, [])]))),
                    ?assertEqual({error, {data_dir_in_use, InUse, Holder}},
                                 Two(cambrian, evolve, ['xor'])),
                    {1, Said} = said(Two, ["resume", "x", "--data-dir", Dir]),
                    ?assertEqual(list_to_binary(["cambrian: the data directory ", Dir,
                                                 " is in use by another VM (", Holder, ")\n"]),
                                 Said),
                    %% by another name, and set after the start
                    ok = file:make_symlink(Dir, Dir ++ ".link"),
                    ok = Two(application, unset_env, [cambrian, data_dir]),
                    {ok, _} = Two(application, ensure_all_started, [cambrian]),
                    ok = Two(application, set_env, [cambrian, data_dir, Dir ++ ".link"]),
                    ?assertMatch({error, {data_dir_in_use, _, Holder}},
                                 Two(cambrian_population, start, [#{task => 'xor', name => x}])),
                    {1, Again} = said(Two, ["resume", "x", "--data-dir", Dir]),
                    ?assertEqual(Said, Again),
                    ?assertMatch({error, {data_dir_in_use, _, Holder}},
                                 Two(cambrian_trust, open, [<<"lab">>, #{}])),
                    ok = file:delete(Dir ++ ".link"),
                    ?assertEqual(false, filelib:is_file(filename:join(Dir, "populations/x"))),
                    %% reading is allowed
                    {ok, _} =
                        One(cambrian_population, start,
                            [#{task => 'xor', name => y, target => 99}]),
                    {ok, _} = One(cambrian_population, step, [y, 3]),
                    ok = One(cambrian_population, stop, [y]),
                    ?assertMatch({0, _}, said(Two, ["inspect", "y", "--data-dir", Dir])),
                    %% after the first VM lets go
                    ok = One(application, stop, [cambrian]),
                    ?assertMatch({ok, _},
                                 Two(cambrian_population, start, [#{task => 'xor', name => y}]))
                end)
            end)
        end)
    end}.

%% Returns the exit status and the text on standard error.
said(Call, Arguments) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        File = filename:join(Dir, "said"),
        Status = Call(?MODULE, run, [Arguments, File]),
        {ok, Text} = file:read_file(File),
        {Status, Text}
    end).

run(Arguments, File) ->
    {ok, Device} = file:open(File, [write]),
    Status = cambrian_cli:run(Arguments, #{errors => Device}),
    ok = file:close(Device),
    Status.

%% The killed VM cleans nothing up: the operating system releases the lock.
a_killed_vm_keeps_no_lock_on_the_data_dir_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            with_vm(fun(One) ->
                {ok, _} = start_in(Dir, One),
                Pid = One(os, getpid, []),
                "" = os:cmd("kill -9 " ++ Pid),
                with_vm(fun(Two) ->
                    cambrian_wait:until(fun() -> element(1, start_in(Dir, Two)) =:= ok end),
                    {ok, Text} = file:read_file(filename:join(Dir, "lock")),
                    ?assertMatch({_, _}, binary:match(Text, list_to_binary(Two(os, getpid, []))))
                end)
            end)
        end)
    end}.

%% By another name, after a restart, after a crash of its processes, and after the directory was
%% deleted and created again.
a_vm_may_use_its_own_data_dir_again_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        Path = fun() -> element(1, cambrian_data_dir:path([])) end,
        {ok, Here} = file:get_cwd(),
        ok = file:set_cwd(filename:dirname(Dir)),
        try
            [begin
                 ok = application:set_env(cambrian, data_dir, Name),
                 ?assertEqual({Name, ok}, {Name, Path()})
             end || Name <- [filename:basename(Dir), Dir ++ "/.", list_to_binary(Dir)]],
            exit(whereis(cambrian_store), kill),
            cambrian_wait:until(fun() -> is_pid(whereis(cambrian_store)) end),
            ?assertEqual(ok, Path()),
            ok = application:stop(cambrian),
            ok = file:del_dir_r(Dir),
            ok = application:start(cambrian),
            ok = file:del_dir_r(Dir),
            ?assertEqual(ok, Path()),
            ?assert(filelib:is_regular(filename:join(Dir, "lock")))
        after
            ok = file:set_cwd(Here)
        end
    end).

%% A file, a path through a file, and a folder in which the system lets no user create a file.
the_application_does_not_start_with_an_unusable_data_dir_test() ->
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    try
        [begin
             ok = application:set_env(cambrian, data_dir, Bad),
             {error, {cambrian, {Reason, _}} = Failed} = application:ensure_all_started(cambrian),
             Expected = <<"a directory that this VM may make and write (", Why/binary, ")">>,
             ?assertEqual({bad_option, {data_dir, Bad, Expected}}, Reason),
             %% evolve/1 returns the same reason
             ?assertEqual({error, Failed}, cambrian:evolve('xor'))
         end || {Bad, Why} <- [{"/dev/null", <<"not a directory">>},
                               {<<"/dev/null/below">>, <<"not a directory">>},
                               {"/proc", <<"no such file or directory">>}]]
    after
        ok = application:unset_env(cambrian, data_dir),
        ok = logger:set_primary_config(level, Level)
    end.

%% Also without a locale of UTF-8: the bytes of the name count, and there is only one directory.
a_directory_has_one_name_in_every_locale_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            [begin
                 Name = filename:join(Dir, Locale),
                 Ebin = filename:dirname(code:which(cambrian)),
                 %% the bytes of grösse and of Japanese text, as a shell passes them
                 Program = "D = filename:join(<<\"" ++ Name ++
                     "\">>, <<103,114,195,182,227,128,129>>), "
                     "application:load(cambrian), "
                     "application:set_env(cambrian, data_dir, D), {ok, _} = "
                     "application:ensure_all_started(cambrian), "
                     "{ok, _} = cambrian:evolve('\\''xor'\\'', #{generations => 2, name => p}), "
                     "ok = cambrian_trust:open(<<\"lab\">>, #{}), application:stop(cambrian), "
                     "halt().",
                 Said =
                     os:cmd("LC_ALL=" ++ Locale ++ " erl -noinput -pa " ++ Ebin ++ " -eval '" ++
                                Program ++ "'"),
                 ?assertEqual({Locale, ""}, {Locale, Said}),
                 %% as a shell passes it
                 Typed = "D=$(printf '" ++ Name ++ "/gr\\303\\266\\343\\200\\201'); LC_ALL=" ++
                     Locale ++ " erl -noinput -pa "
                     ++ Ebin ++
                         " -s cambrian_cli -extra resume p --generations 3 --data-dir \"$D\" "
                         ">/dev/null 2>&1; echo $?",
                 ?assertEqual({Locale, "0\n"}, {Locale, os:cmd(Typed)}),
                 {ok, [Only]} = file:list_dir_all(Name),
                 Raw = unicode:characters_to_binary(Only),
                 ?assertEqual({Locale, <<"gr", 195, 182, 227, 128, 129>>}, {Locale, Raw}),
                 {ok, Below} = file:list_dir_all(filename:join(list_to_binary(Name), Raw)),
                 ?assertEqual({Locale, ["lineage", "lock", "populations", "realms"]},
                              {Locale, lists:sort(Below)})
             end || Locale <- ["C", "C.UTF-8"]]
        end)
    end}.

a_name_that_no_file_system_can_have_is_refused_test() ->
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    try
        [begin
             ok = application:set_env(cambrian, data_dir, Bad),
             ?assertMatch({error, {cambrian, {{bad_option, {data_dir, Bad, _}}, _}}},
                          application:ensure_all_started(cambrian))
         end || Bad <- [<<>>, "", <<"a", 0, "b">>, [16#D800], [a | b], here, 42]]
    after
        ok = application:unset_env(cambrian, data_dir),
        %% set after the start
        {ok, _} = application:ensure_all_started(cambrian),
        ok = application:set_env(cambrian, data_dir, 42),
        Store = whereis(cambrian_store),
        ?assertMatch({error, {bad_option, {data_dir, 42, _}}},
                     cambrian_population:start(#{task => 'xor', name => x})),
        ?assertEqual(Store, whereis(cambrian_store)),
        ok = application:unset_env(cambrian, data_dir),
        ok = logger:set_primary_config(level, Level)
    end.

%% M17: whatever the umask, and whatever rights an earlier release left.
only_the_owner_has_rights_to_the_data_dir_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            Name = filename:join(Dir, "data"),
            Ebin = filename:dirname(code:which(cambrian)),
            Use = "application:load(cambrian), application:set_env(cambrian, data_dir, \"" ++
                Name ++
                "\"), "
                "{ok, _} = application:ensure_all_started(cambrian), "
                "{ok, _} = cambrian:evolve('\\''xor'\\'', #{generations => 2, name => p}), "
                "{ok, _} = cambrian_bridge:start(#{realm => <<\"lab\">>}), ok = "
                "cambrian_trust:ban(<<\"lab\">>, {key, <<7:256>>}), "
                "{error, malformed} = cambrian_trust:check(<<\"lab\">>, <<>>), "
                "ok = cambrian_trust:follow(<<\"lab\">>, cambrian_identity:succession(<<1:256>>, "
                "<<2:256>>)), "
                "application:stop(cambrian), halt().",
            Run =
                fun() -> os:cmd("umask 0; erl -noinput -pa " ++ Ebin ++ " -eval '" ++ Use ++ "'")
                end,
            ?assertEqual("", Run()),
            Kinds =
                lists:usort([filename:extension(File)
                             || File <- all_below(Name), filelib:is_regular(File)]),
            ?assertEqual([],
                         [".checkpoint", ".decisions", ".refusals", ".trust",
                          ".verdicts"] -- Kinds),
            ?assertEqual([], loose(Name)),
            %% a new directory gives no message at the second start
            ?assertEqual("", Run()),
            ?assertEqual([], loose(Name)),
            %% the rights that an earlier release left
            Identity = filename:join(Name, "identity"),
            _ = [ok = file:change_mode(File,
                                       case filelib:is_dir(File) of
                                           true -> 8#755;
                                           false -> 8#666
                                       end)
                 || File <- all_below(Name), File =/= Identity],
            Said = Run(),
            ?assertNotEqual(nomatch, string:find(Said, "have none any more")),
            ?assertEqual([],
                         lists:append([loose(filename:join(Name, Ours))
                                       || Ours <- ["realms", "populations", "lineage"]])),
            ?assertEqual("", Run()),
            %% the log reports that a secret was readable
            ok = file:change_mode(Identity, 8#644),
            ?assertNotEqual(nomatch, string:find(Run(), "unsafe_permissions"))
        end)
    end}.

only_the_owner_has_rights_to_a_data_dir_that_a_command_creates_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            Name = filename:join(Dir, "data"),
            Ebin = filename:dirname(code:which(cambrian)),
            Run =
                fun(Command) ->
                    os:cmd("umask 0; erl -noinput -pa " ++ Ebin ++ " -s cambrian_cli -extra " ++
                               Command ++ " --data-dir " ++ Name) end,
            Said = Run("evolve xor --generations 2 --seed 1 --name p"),
            ?assertNotEqual(nomatch, string:find(Said, "generation")),
            Again = Run("resume p --generations 3"),
            ?assertEqual([nomatch, nomatch],
                         [string:find(Text, "rights") || Text <- [Said, Again]]),
            ?assertEqual([], loose(Name))
        end)
    end}.

all_below(Path) ->
    [Path
     | lists:append([all_below(File)
                     || filelib:is_dir(Path), File <- filelib:wildcard(Path ++ "/*")])].

loose(Dir) ->
    [{File, Mode}
     || File <- all_below(Dir), Mode <- [cambrian_temporary:mode(File)], Mode band 8#077 =/= 0].
