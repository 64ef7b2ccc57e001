%% @private
%% The application's `data_dir'. Only one VM at a time may use it: two VMs would delete each other's
%% checkpoints and overwrite each other's logs.
%%
%% The VM holds a lock of the operating system on the file `lock' in the directory. The lock ends
%% with the VM, also after `kill -9' or a power cut. A process id in the file would not be enough:
%% systems reuse process ids, and a container has its own ids. The text in the file only tells
%% people which VM holds the lock. Readers take no lock.
-module(cambrian_data_dir).

-include_lib("kernel/include/file.hrl").

-export([path/1, is_valid/1, release/0, release/1]).
-export_type([error/0]).

-type error() :: {data_dir_in_use, cambrian_file:path(), Holder :: binary()}
               | cambrian_options:error().

-define(MAX_HOLDER, 200).
-define(HOLDER_PREFIX, <<"process ">>).
-define(FOLDERS, ["realms", "populations", "lineage", "audit"]).

%% @doc A path below the data directory, or `none' without one. The first call makes the directory
%% and locks it for this VM.
-spec path([file:name_all()]) -> {ok, cambrian_file:path()} | none | {error, error()}.
path(Names) ->
    case application:get_env(cambrian, data_dir) of
        {ok, Dir} ->
            case is_valid(Dir) of
                true -> path(Dir, Names);
                false -> {error, {bad_option, {data_dir, Dir, <<"the path of a directory">>}}}
            end;
        undefined -> none
    end.

path(Dir, Names) ->
    {ok, Raw} = cambrian_file:to_raw(Dir),
    case hold(filename:join(Raw, <<"lock">>)) of
        {error, {locked, Holder}} -> {error, {data_dir_in_use, Raw, Holder}};
        {unusable, Reason} ->
            Expected = ["a directory that this VM may make and write (",
                        file:format_error(Reason), $)],
            {error, {bad_option, {data_dir, Dir, unicode:characters_to_binary(Expected)}}};
        ok -> {ok, filename:join([Raw | Names])}
    end.

%% @doc Whether a term can be the path of a directory.
-spec is_valid(term()) -> boolean().
is_valid(Dir) ->
    case cambrian_file:to_raw(Dir) of
        {ok, Raw} -> Raw =/= <<>> andalso binary:match(Raw, <<0>>) =:= nomatch;
        error -> false
    end.

%% @doc Unlocks all directories that this VM has locked.
-spec release() -> ok.
release() -> cambrian_nif:data_dir_unlock_all().

%% @doc Unlocks one directory.
-spec release(file:name_all()) -> ok.
release(Dir) ->
    {ok, Raw} = cambrian_file:to_raw(Dir),
    cambrian_nif:data_dir_unlock(filename:join(Raw, <<"lock">>)).

hold(Lock) ->
    case cambrian_nif:data_dir_lock(Lock) of
        {error, Reason} when Reason =/= locked -> make_and_hold(Lock);
        Other -> held(Other, Lock)
    end.

make_and_hold(Lock) ->
    case make(Lock) of
        ok -> held(cambrian_nif:data_dir_lock(Lock), Lock);
        {error, Reason} -> {unusable, Reason}
    end.

make(Lock) ->
    case cambrian_file:make_own_dirs(Lock) of
        ok ->
            case cambrian_file:check_own(Lock) of
                {error, {enoent, _}} ->
                    %% `append' keeps the contents of a file that another VM has made meanwhile
                    file:write_file(Lock, <<>>, [raw, append]);
                ok -> may_write(Lock);
                {error, {eacces, _}} -> {error, eacces};
                _ -> ok
            end;
        Error -> Error
    end.

%% A lock that another user's file refuses is not one that the file system lacks.
may_write(Lock) ->
    case cambrian_file:open_own(Lock, [append]) of
        {ok, File} -> file:close(File);
        {error, {Reason, _}} -> {error, Reason}
    end.

held({ok, true}, Lock) ->
    Dir = filename:dirname(Lock),
    case file:read_file_info(Dir) of
        {ok, #file_info{access = Access}} when Access =/= write, Access =/= read_write ->
            ok = cambrian_nif:data_dir_unlock(Lock),
            {unusable, eacces};
        _ ->
            _ = [{file:change_mode(Lock, 8#600), file:write_file(Lock, holder())}
                 || is_lock_file(Lock)],
            forbid_others(Dir)
    end;
held({ok, false}, _Lock) -> ok;
held({error, locked}, Lock) -> {error, {locked, holder(cambrian_file:read_own(Lock))}};
held({error, Why}, Lock) -> warn_once(Why, Lock).

%% Removes the rights of other users, once per VM. Skips the file of the identity: Cambrian refuses
%% a secret that others could read, and does not repair its rights.
forbid_others(Dir) ->
    Paths = [filename:join(Dir, Folder) || Folder <- ?FOLDERS],
    case lists:sum(lists:map(fun cambrian_file:forbid_others/1, Paths)) of
        0 -> ok;
        Count ->
            logger:warning("cambrian: users other than the owner had rights to ~b files in ~ts, "
                           "and have none any more", [Count, Dir])
    end,
    case file:read_file_info(Dir) of
        {ok, #file_info{mode = Mode}} when Mode band 8#022 =/= 0, Mode band 8#1000 =:= 0 ->
            logger:warning("cambrian: users other than the owner may rename and delete files "
                           "in ~ts", [Dir]);
        _ -> ok
    end.

%% Whether this VM may replace the text of the file. Another program's file of that name keeps its
%% contents, and the lock on it holds without a text.
is_lock_file(Lock) ->
    case {file:read_link_info(Lock), cambrian_file:open_own(Lock, [read])} of
        {{ok, #file_info{type = regular, links = 1}}, {ok, File}} ->
            Start = file:read(File, byte_size(?HOLDER_PREFIX)),
            ok = file:close(File),
            Start =:= eof orelse Start =:= {ok, ?HOLDER_PREFIX};
        {_, {ok, File}} -> ok = file:close(File), false;
        _ -> false
    end.

%% Some file systems have no locks.
warn_once(Why, Lock) ->
    Warned = {?MODULE, Lock},
    _ = [logger:warning("cambrian: no lock on ~ts (~ts): see that no other VM uses this directory",
                        [Lock, Why])
         || not persistent_term:get(Warned, false)],
    persistent_term:put(Warned, true).

holder() ->
    {ok, Host} = inet:gethostname(),
    Since = calendar:system_time_to_rfc3339(erlang:system_time(second), [{offset, "Z"}]),
    Holder = io_lib:format("~ts~ts on ~ts, node ~ts, since ~ts",
                           [?HOLDER_PREFIX, os:getpid(), Host, node(), Since]),
    unicode:characters_to_binary(Holder).

holder({ok, <<Text:?MAX_HOLDER/binary, _/binary>>}) -> holder({ok, Text});
holder({ok, Text}) ->
    case io_lib:printable_unicode_list(unicode:characters_to_list(Text)) of
        true when Text =/= <<>> -> Text;
        _ -> <<"unknown process">>
    end;
holder({error, _}) -> <<"unknown process">>.
