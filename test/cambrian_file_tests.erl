%% Files to write or read whose path leads to something else: a pipe, a device, a link, a
%% directory.
-module(cambrian_file_tests).
-include_lib("eunit/include/eunit.hrl").
-include_lib("kernel/include/file.hrl").

-define(MAGIC, <<"cambrian test 1\n">>).

%% Every way in which Cambrian writes a file for a user.
writers() ->
    {ok, Result, Story} = cambrian:evolve_recorded('xor', #{seed => 42, generations => 1}),
    [{evolve, fun(Path) ->
          case cambrian:evolve('xor', #{seed => 42, generations => 1, report => Path}) of
              {ok, _} -> ok;
              Error -> Error
          end
      end}
     | cambrian_cli_result:files("xor", Result, Story)] ++
         [{save, fun(Path) -> cambrian_file:save(Path, "new") end}].

each_writer(Test) ->
    [cambrian_temporary:with_dir(fun(Dir) -> Test(Name, Write, Dir) end)
     || {Name, Write} <- writers()],
    ok.

names(Dir) ->
    {ok, Names} = file:list_dir_all(Dir),
    lists:sort(Names).

info(Path) ->
    {ok, Info} = file:read_link_info(Path),
    Info.

a_pipe_is_written_to_and_not_replaced_test_() ->
    {timeout, 60, fun() ->
        each_writer(fun(Name, Write, Dir) ->
            Pipe = filename:join(Dir, "pipe"),
            "" = os:cmd("mkfifo " ++ Pipe),
            Self = self(),
            _ = spawn_link(fun() -> Self ! {read, os:cmd("cat " ++ Pipe)} end),
            ?assertEqual({Name, ok}, {Name, Write(Pipe)}),
            receive {read, Text} -> ?assertNotEqual({Name, ""}, {Name, Text}) end,
            ?assertEqual({Name, other}, {Name, (info(Pipe))#file_info.type}),
            ?assertEqual({Name, ["pipe"]}, {Name, names(Dir)})
        end)
    end}.

%% Only root can make a device.
a_device_is_written_to_and_not_replaced_test_() ->
    {timeout, 60, fun() ->
        each_writer(fun(Name, Write, Dir) ->
            Device = filename:join(Dir, "null"),
            case os:cmd("mknod -m 666 " ++ Device ++ " c 1 3") of
                "" ->
                    ?assertEqual({Name, ok}, {Name, Write(Device)}),
                    ?assertEqual({Name, device}, {Name, (info(Device))#file_info.type}),
                    ?assertEqual({Name, ["null"]}, {Name, names(Dir)});
                NotPermitted ->
                    ?assertNotEqual("0\n", os:cmd("id -u"), NotPermitted)
            end
        end)
    end}.

a_link_stays_and_its_target_is_written_test_() ->
    {timeout, 60, fun() ->
        each_writer(fun(Name, Write, Dir) ->
            [ok = file:make_dir(filename:join(Dir, Below)) || Below <- ["links", "files"]],
            Link = filename:join([Dir, "links", "link"]),
            ok = file:make_symlink("../links/link", filename:join([Dir, "files", "second"])),
            ok = file:make_symlink("../files/target", Link),
            Target = filename:join([Dir, "files", "target"]),
            %% the first time the target does not exist
            [begin
                 ?assertEqual({Name, ok}, {Name, Write(filename:join([Dir, "files", "second"]))}),
                 ?assertEqual({Name, symlink}, {Name, (info(Link))#file_info.type}),
                 ?assertEqual({Name, regular}, {Name, (info(Target))#file_info.type}),
                 ?assertEqual({Name, ["second", "target"]},
                              {Name, names(filename:join(Dir, "files"))})
             end || _ <- [1, 2]]
        end)
    end}.

a_file_keeps_its_mode_its_owner_and_its_hard_links_test_() ->
    {timeout, 60, fun() ->
        each_writer(fun(Name, Write, Dir) ->
            Path = filename:join(Dir, "file"),
            ok = file:write_file(Path, "old"),
            ok = file:change_mode(Path, 8#640),
            %% only root can change the owner
            _ = file:change_owner(Path, 12345, 23456),
            #file_info{uid = Owner, gid = Group} = info(Path),
            ?assertEqual({Name, ok}, {Name, Write(Path)}),
            ?assertMatch(#file_info{uid = Owner, gid = Group}, info(Path), Name),
            ?assertEqual({Name, 8#640}, {Name, cambrian_temporary:mode(Path)}),
            ok = file:make_link(Path, filename:join(Dir, "same")),
            ok = file:write_file(Path, "old"),
            ?assertEqual({Name, ok}, {Name, Write(Path)}),
            ?assertEqual(file:read_file(Path), file:read_file(filename:join(Dir, "same"))),
            ?assertNotEqual({ok, <<"old">>}, file:read_file(Path)),
            ?assertEqual({Name, ["file", "same"]}, {Name, names(Dir)})
        end)
    end}.

%% As a user other than root: a read-only file stays as it is. A file in a read-only directory is
%% overwritten in place.
a_read_only_file_stays_as_it_is_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            {As, Owner} = case os:cmd("id -u") of
                              "0\n" -> {"setpriv --reuid=12345 --clear-groups ", 12345};
                              Id -> {"", list_to_integer(string:trim(Id))}
                          end,
            Path = fun(Name) -> filename:join(Dir, Name) end,
            [ok = file:write_file(Path(Name), "old") || Name <- ["protected", "open"]],
            ok = file:change_mode(Path("protected"), 8#444),
            [ok = file:change_owner(Path(Name), Owner) || Name <- ["protected", "open"]],
            Ebin = filename:dirname(code:which(cambrian_file)),
            Save = fun(Name) ->
                Program = "P = \"" ++ Path(Name) ++
                    "\", io:format(\"~w\", [[cambrian_file:check_place(P), "
                    "cambrian_file:save(P, <<\"new\">>)]]), halt().",
                os:cmd("HOME=/ " ++ As ++ "erl -noinput -pa " ++ Ebin ++ " -eval '" ++ Program ++
                           "'")
            end,
            ok = file:change_mode(Dir, 8#777),
            ?assertEqual("[{error,eacces},{error,eacces}]", Save("protected")),
            ?assertEqual({ok, <<"old">>}, file:read_file(Path("protected"))),
            ok = file:change_mode(Dir, 8#555),
            ?assertEqual("[ok,ok]", Save("open")),
            ?assertEqual({ok, <<"new">>}, file:read_file(Path("open"))),
            ?assertEqual(["open", "protected"], names(Dir)),
            ok = file:change_mode(Dir, 8#700)
        end)
    end}.

writing_to_a_directory_is_an_error_and_leaves_no_file_test() ->
    each_writer(fun(Name, Write, Dir) ->
        Path = filename:join(Dir, "directory"),
        ok = file:make_dir(Path),
        Expected = case Name of evolve -> {error, {eisdir, Path}}; _ -> {error, eisdir} end,
        ?assertEqual({Name, Expected}, {Name, Write(Path)}),
        ?assertEqual({Name, ["directory"]}, {Name, names(Dir)}),
        ?assertEqual({Name, []}, {Name, names(Path)})
    end).

%% A loop of links, and the longest name that a file can have.
a_loop_of_links_is_an_error_and_a_longest_name_works_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Loop = filename:join(Dir, "loop"),
        ok = file:make_symlink("loop", Loop),
        ?assertEqual({error, eloop}, cambrian_file:save(Loop, "new")),
        ?assertEqual({error, {eloop, Loop}}, cambrian_file:write(Loop, ?MAGIC, <<>>)),
        Long = filename:join(Dir, lists:duplicate(255, $x)),
        ?assertEqual(ok, cambrian_file:check_place(Long)),
        ?assertEqual(ok, cambrian_file:save(Long, "new")),
        ?assertEqual({ok, <<"new">>}, file:read_file(Long)),
        ?assertEqual({error, enametoolong}, cambrian_file:save(Long ++ "x", "new")),
        Raw = filename:join(list_to_binary(Dir), <<"gr", 246, 223, "e">>),
        ?assertEqual(ok, cambrian_file:save(Raw, "new")),
        ?assertEqual({ok, <<"new">>}, file:read_file(Raw))
    end).

%% A read of a pipe would block for ever.
a_pipe_or_a_device_is_not_read_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Pipe = filename:join(Dir, "pipe"),
        "" = os:cmd("mkfifo " ++ Pipe),
        ?assertEqual({error, {not_a_file, Pipe}}, cambrian_file:read(Pipe, ?MAGIC)),
        ?assertEqual({error, {not_a_file, Pipe}}, cambrian_file:write(Pipe, ?MAGIC, <<>>)),
        ?assertEqual({error, {eisdir, Dir}}, cambrian_file:read(Dir, ?MAGIC)),
        %% a sparse, very large file
        Large = filename:join(Dir, "large"),
        "" = os:cmd("truncate -s 1T " ++ Large),
        ?assertEqual({error, {efbig, Large}}, cambrian_file:read(Large, ?MAGIC))
    end).

%% In a VM that was started with umask 0.
files_are_private_under_any_umask_test_() ->
    {timeout, 120, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            Program = "ok = cambrian_file:write(\"" ++ Dir ++ "/below/ours\", <<>>, <<1>>), "
                "{ok, _} = cambrian_identity:load_or_new(\"" ++ Dir ++ "/identity\"), halt().",
            Ebin = filename:dirname(code:which(cambrian_file)),
            ?assertEqual("",
                         os:cmd("umask 0; erl -noinput -pa " ++ Ebin ++ " -eval '" ++ Program ++
                                    "'")),
            ?assertEqual(8#700, cambrian_temporary:mode(filename:join(Dir, "below"))),
            ?assertEqual(8#600, cambrian_temporary:mode(filename:join(Dir, "below/ours"))),
            ?assertEqual(8#600, cambrian_temporary:mode(filename:join(Dir, "identity")))
        end)
    end}.

%% An unknown atom, and 100 MB packed in 100 KB.
a_read_term_makes_no_atoms_and_is_not_larger_than_its_file_test() ->
    ?assertEqual({ok, #{a => [1, <<2>>]}}, cambrian_file:term(term_to_binary(#{a => [1, <<2>>]}))),
    ?assertEqual(error, cambrian_file:term(<<131, 119, 22, "no_atom_of_this_system">>)),
    ?assertEqual(error,
                 cambrian_file:term(term_to_binary(binary:copy(<<0>>, 100_000_000), [compressed]))),
    ?assertEqual(error, cambrian_file:term(<<>>)).
