%% @private
%% Writes a file completely or not at all: writes under another name, syncs, then renames. A file of
%% our own begins with a line that names its kind, and a hash that shows a reader whether the file
%% is whole.
-module(cambrian_file).
-include_lib("kernel/include/file.hrl").

-export([save/2, read_whole/1, check_place/1, make_own_dirs/1, begin_own/2, forbid_others/1,
         write/3, write_secret/3, check_own/1, open_own/2, read_own/1, read/2, read_secret/2,
         term/1, delete/1, set_aside/1,
         numbered/2, in_number/2, terms/1, copy/1, name/1, quote/1, unquoted/1, to_raw/1,
         to_list/1]).
-export_type([path/0, error/0]).

-type path() :: file:filename_all().
-type reason() :: file:posix() | badarg | terminated | system_limit.
%% `torn_file': the file was not written to its end, or was changed since. `other_file': Cambrian
%% did not write the file. `not_a_file': a device, a pipe and the like.
-type error() :: {reason() | torn_file | other_file | not_a_file | unsafe_permissions, path()}.

%% Most file systems allow names of 255 bytes, and a suffix may follow a name.
-define(MAX_NAME, 200).
%% The largest file that is read: more than a checkpoint of a million genotypes.
-define(MAX_SIZE, (1 bsl 32)).
-define(OTHERS, 8#077).
%% With these errors a file can only be overwritten in place: its directory or its owner is another
%% user's, or it is a mount point.
-define(ONLY_IN_PLACE(Reason), (Reason =:= eacces orelse Reason =:= eperm orelse Reason =:= ebusy)).

%%% ---- files for the user -----------------------------------------------------------------

%% @doc Writes a file for the user, whole or not at all. An existing file keeps its mode and its
%% owner. A symbolic link stays, and its target is written; a device or a pipe is written to. The
%% file is overwritten in place if no file can be made in its directory, if the new file cannot
%% have its owner, or if it has several names (hard links).
-spec save(path(), iodata()) -> ok | {error, reason()}.
save(Path, Bytes) ->
    case writable(place(Path)) of
        {file, File, Info} -> save(File, Info, Bytes);
        stream -> file:write_file(Path, Bytes);
        Error -> Error
    end.

save(File, #file_info{links = Links}, Bytes) when Links > 1 ->
    write_synced(File, Bytes);
save(File, Info, Bytes) ->
    Temporary = temporary(File),
    Written = all([fun() -> begun(Temporary, Info) end,
                   fun() -> write_synced(Temporary, Bytes) end,
                   fun() -> file:rename(Temporary, File) end]),
    _ = [file:delete(Temporary) || Written =/= ok],
    case Written of
        {error, Reason} when Info =/= none, ?ONLY_IN_PLACE(Reason) -> write_synced(File, Bytes);
        _ -> Written
    end.

%% @doc Reads a file or a pipe of the user. A device is refused, because it may have no end.
-spec read_whole(path()) -> {ok, binary()} | {error, reason() | not_a_file}.
read_whole(Path) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = device}} -> {error, not_a_file};
        {ok, #file_info{size = Size}} when Size > ?MAX_SIZE -> {error, efbig};
        _ -> file:read_file(Path)
    end.

%% @doc Whether {@link save/2} can write there. A file there keeps its contents.
-spec check_place(path()) -> ok | {error, reason()}.
check_place(Path) ->
    case writable(place(Path)) of
        {file, File, Info} ->
            Temporary = temporary(File),
            case begun(Temporary, Info) of
                ok -> file:delete(Temporary);
                {error, Reason} when Info =/= none, ?ONLY_IN_PLACE(Reason) -> ok;
                Error -> Error
            end;
        stream -> ok;
        Error -> Error
    end.

%% A rename could replace a file that the user may not write; such a file must stay.
writable({file, _, #file_info{access = Access}}) when Access =/= write, Access =/= read_write ->
    {error, eacces};
writable(Place) -> Place.

%% The kind of a path, after links: a file, the place for a new file, or a stream such as a pipe.
place(Path) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = regular} = Info} -> {file, target(Path), Info};
        {ok, #file_info{type = directory}} -> {error, eisdir};
        {ok, _} -> stream;
        {error, enoent} -> {file, target(Path), none};
        Error -> Error
    end.

target(Path) ->
    case file:read_link_all(Path) of
        {ok, Next} -> target(filename:join(filename:dirname(Path), Next));
        {error, _} -> Path
    end.

temporary(File) ->
    Number = integer_to_list(erlang:unique_integer([positive])),
    Name = [".cambrian_", os:getpid(), $_, Number, ".tmp"],
    filename:join(filename:dirname(File), iolist_to_binary(Name)).

%% Makes an empty file with the owner and the mode of the file that it will replace.
begun(Temporary, Info) ->
    case file:write_file(Temporary, <<>>, [raw, exclusive]) of
        ok ->
            Alike = alike(Temporary, Info),
            _ = [file:delete(Temporary) || Alike =/= ok],
            Alike;
        Error -> Error
    end.

alike(_Temporary, none) -> ok;
alike(Temporary, #file_info{mode = Mode, uid = Owner, gid = Group}) ->
    Own = file:read_file_info(Temporary),
    all([fun() ->
             case Own of
                 {ok, #file_info{uid = Owner, gid = Group}} -> ok;
                 {ok, _} -> file:change_owner(Temporary, Owner, Group);
                 Error -> Error
             end
         end,
         fun() -> file:change_mode(Temporary, Mode band 8#7777) end]).

%%% ---- files of our own -------------------------------------------------------------------

%% @doc Makes the missing directories of a path. Only the owner may enter them, in any umask.
-spec make_own_dirs(path()) -> ok | {error, reason()}.
make_own_dirs(Path) ->
    Dir = filename:dirname(Path),
    case filelib:is_dir(Dir) of
        true -> ok;
        false -> all([fun() -> make_own_dirs(Dir) end, fun() -> make_dir(Dir) end])
    end.

%% It is no error if another process has made the directory meanwhile. If something that is not a
%% directory has its name, the path below it cannot exist.
make_dir(Dir) ->
    case file:make_dir(Dir) of
        ok ->
            all([fun() -> forbid_others_this(Dir) end,
                 fun() -> sync_directory(filename:dirname(Dir)) end]);
        Error ->
            case filelib:is_dir(Dir) of
                true -> ok;
                false -> not_a_directory(Error)
            end
    end.

not_a_directory({error, Reason}) -> {error, case Reason of eexist -> enotdir; _ -> Reason end}.

%% @doc Writes a file of our own. Only the owner may read or write it, in any umask.
-spec write(path(), Magic :: binary(), Payload :: iodata()) -> ok | {error, error()}.
write(Path, Magic, Payload) ->
    case place(Path) of
        {file, File, Info} -> write(Path, File, Info, whole(Magic, Payload));
        stream -> {error, {not_a_file, Path}};
        Error -> of_path(Path, Error)
    end.

write(Path, File, Info, Bytes) ->
    Temporary = beside(File, ".tmp"),
    Written = all([fun() -> make_own_dirs(File) end,
                   %% a killed VM may have left a temporary file
                   fun() -> ignore_absent(file:delete(Temporary)) end,
                   fun() -> begun(Temporary, Info) end,
                   fun() -> forbid_others_this(Temporary) end,
                   fun() -> write_synced(Temporary, Bytes) end,
                   fun() -> file:rename(Temporary, File) end,
                   fun() -> sync_directory(filename:dirname(File)) end]),
    %% on a full disk the unfinished file would take space from others
    _ = [file:delete(Temporary) || Written =/= ok],
    of_path(Path, Written).

%% @doc Makes a file of our own with its first bytes, for a caller that appends to it later.
-spec begin_own(path(), iodata()) -> ok | {error, error()}.
begin_own(Path, Bytes) -> write(Path, Path, none, Bytes).

%% @doc Removes the rights of other users to a path and to all paths below it, without following
%% links. Returns the number of changed paths. Earlier releases left these rights to the umask.
-spec forbid_others(path()) -> non_neg_integer().
forbid_others(Path) ->
    case file:read_link_info(Path) of
        {ok, #file_info{type = Type, mode = Mode}} when Type =:= regular; Type =:= directory ->
            Own = case Mode band ?OTHERS =/= 0 andalso change_own_mode(Path, Mode) of
                      ok -> 1;
                      _ -> 0
                  end,
            Below = case Type =:= directory andalso file:list_dir_all(Path) of
                        {ok, Names} -> Names;
                        _ -> []
                    end,
            Own + lists:sum([forbid_others(filename:join(Path, Name)) || Name <- Below]);
        _ -> 0
    end.

forbid_others_this(File) ->
    case file:read_file_info(File) of
        {ok, #file_info{mode = Mode}} when Mode band ?OTHERS =:= 0 -> ok;
        {ok, #file_info{mode = Mode}} -> change_own_mode(File, Mode);
        Error -> Error
    end.

change_own_mode(Path, Mode) -> file:change_mode(Path, Mode band 8#7777 band bnot ?OTHERS).

%% Syncs a directory, so that a new name in it survives a power cut. Some systems cannot do this.
sync_directory(Dir) ->
    case file:open(Dir, [read, raw, binary, directory]) of
        {ok, Handle} -> _ = file:sync(Handle), file:close(Handle);
        {error, _} -> ok
    end.

%% @doc Writes a secret. A new file exists before it gets its mode, and another user could open it
%% in that moment. So the file is made in a directory that only the owner can enter.
-spec write_secret(path(), Magic :: binary(), Payload :: binary()) -> ok | {error, error()}.
write_secret(Path, Magic, Payload) ->
    case place(Path) of
        {file, File, _} -> of_path(Path, write_secret_file(File, whole(Magic, Payload)));
        stream -> {error, {not_a_file, Path}};
        Error -> of_path(Path, Error)
    end.

write_secret_file(Path, Bytes) ->
    Room = beside(Path, ".new"),
    Inside = filename:join(Room, "secret"),
    Clear = fun() -> clear(Inside, Room) end,
    Written = all([fun() -> make_own_dirs(Path) end,
                   Clear,
                   fun() -> file:make_dir(Room) end,
                   fun() -> file:change_mode(Room, 8#700) end,
                   fun() -> file:write_file(Inside, <<>>) end,
                   fun() -> file:change_mode(Inside, 8#600) end,
                   fun() -> write_synced(Inside, Bytes) end,
                   fun() -> file:rename(Inside, Path) end,
                   fun() -> sync_directory(filename:dirname(Path)) end]),
    all([fun() -> Written end, Clear]).

%% Deletes the directory and its file, also those that a crash left.
clear(Inside, Room) ->
    all([fun() -> ignore_absent(file:delete(Inside)) end,
         fun() -> ignore_absent(file:del_dir(Room)) end]).

ignore_absent({error, enoent}) -> ok;
ignore_absent(Other) -> Other.

whole(Magic, Payload) -> [Magic, crypto:hash(sha256, Payload), Payload].

write_synced(Path, Bytes) ->
    case file:open(Path, [write, raw, binary]) of
        {ok, File} ->
            Written = all([fun() -> file:write(File, Bytes) end, fun() -> file:sync(File) end]),
            Closed = file:close(File),
            all([fun() -> Written end, fun() -> Closed end]);
        Error -> Error
    end.

all([]) -> ok;
all([Step | Steps]) ->
    case Step() of
        ok -> all(Steps);
        Error -> Error
    end.

of_path(Path, {error, Reason}) -> {error, {Reason, Path}};
of_path(_Path, ok) -> ok.

%% @doc Whether the path is a regular file. Only a regular file is opened: a device may have no end,
%% and opening a pipe waits for a process at its other end.
-spec check_own(path()) -> ok | {error, error()}.
check_own(Path) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = regular, size = Size}} when Size > ?MAX_SIZE ->
            {error, {efbig, Path}};
        {ok, #file_info{type = regular}} -> ok;
        {ok, #file_info{type = directory}} -> {error, {eisdir, Path}};
        {ok, _} -> {error, {not_a_file, Path}};
        Error -> of_path(Path, Error)
    end.

%% @doc Opens a regular file. Any other path is an error.
-spec open_own(path(), [file:mode()]) -> {ok, file:fd()} | {error, error()}.
open_own(Path, Modes) -> if_own(Path, fun() -> file:open(Path, [raw, binary | Modes]) end).

%% @doc Reads a regular file. Any other path is an error.
-spec read_own(path()) -> {ok, binary()} | {error, error()}.
read_own(Path) -> if_own(Path, fun() -> file:read_file(Path) end).

if_own(Path, Do) ->
    case check_own(Path) of
        ok ->
            case Do() of
                {ok, _} = Done -> Done;
                Error -> of_path(Path, Error)
            end;
        Error -> Error
    end.

%% @doc Reads the payload of a file of our own, if the file is whole.
-spec read(path(), Magic :: binary()) -> {ok, binary()} | {error, not_found | error()}.
read(Path, Magic) ->
    case read_own(Path) of
        {ok, Bytes} -> checked(Bytes, Magic, Path);
        {error, {enoent, _}} -> {error, not_found};
        Error -> Error
    end.

checked(Bytes, Magic, Path) ->
    Size = byte_size(Magic),
    case Bytes of
        <<Magic:Size/binary, Hash:32/binary, Payload/binary>> ->
            case crypto:hash(sha256, Payload) of
                Hash -> {ok, Payload};
                _ -> {error, {torn_file, Path}}
            end;
        _ ->
            Known = min(Size, byte_size(Bytes)),
            Torn = binary:part(Bytes, 0, Known) =:= binary:part(Magic, 0, Known),
            {error, {case Torn of true -> torn_file; false -> other_file end, Path}}
    end.

%% @doc Does the same, unless users other than the owner may read or write the file.
-spec read_secret(path(), Magic :: binary()) -> {ok, binary()} | {error, not_found | error()}.
read_secret(Path, Magic) ->
    case file:read_file_info(Path) of
        {ok, #file_info{mode = Mode}} when Mode band ?OTHERS =/= 0 ->
            {error, {unsafe_permissions, Path}};
        _ -> read(Path, Magic)
    end.

%% @doc Decodes the term of a payload. It makes no atom, and refuses compressed terms, which could
%% be much larger than their file. The atoms of our files exist once our modules are loaded.
-spec term(Payload :: binary()) -> {ok, term()} | error.
term(Payload) ->
    case terms([Payload]) of
        {ok, [Term]} -> {ok, Term};
        error -> error
    end.

%% @doc Does the same for several payloads.
-spec terms([binary()]) -> {ok, [term()]} | error.
terms(Payloads) ->
    _ = application:load(cambrian),
    {ok, Modules} = application:get_key(cambrian, modules),
    _ = code:ensure_modules_loaded(Modules),
    try {ok, [unpacked(Payload) || Payload <- Payloads]}
    catch error:_ -> error
    end.

unpacked(Payload) when binary_part(Payload, 0, 2) =/= <<131, 80>> ->
    %% refuses trailing bytes
    {Term, Used} = binary_to_term(Payload, [safe, used]),
    Used = byte_size(Payload),
    Term.

%% @doc Deletes a file. It is no error if there is none.
-spec delete(path()) -> ok | {error, error()}.
delete(Path) -> of_path(Path, ignore_absent(file:delete(Path))).

%% @doc Renames a damaged file, so that a new file can take its name and people can inspect it.
-spec set_aside(path()) -> {ok, path()} | {error, error()}.
set_aside(Path) ->
    Aside = beside(Path, ".torn"),
    case file:rename(Path, Aside) of
        ok ->
            _ = sync_directory(filename:dirname(Path)),
            {ok, Aside};
        {error, Reason} -> {error, {Reason, Path}}
    end.

%% @doc Lists the files of a directory whose name is a number with this suffix, as {@link
%% in_number/2} makes it, the newest first. Other files are ignored. An unreadable directory is an
%% error, not an empty list.
-spec numbered(path(), Suffix :: binary()) ->
          {ok, [{non_neg_integer(), path()}]} | {error, error()}.
numbered(Dir, Suffix) ->
    case file:list_dir_all(Dir) of
        {ok, All} ->
            %% a name that is not text comes as a binary; Cambrian makes no such names
            Names = [unicode:characters_to_binary(Name) || Name <- All, is_list(Name)],
            Numbered = [{Number, filename:join(Dir, Name)}
                        || Name <- Names, Number <- number(Name, Suffix)],
            {ok, lists:reverse(lists:sort(Numbered))};
        {error, enoent} -> {ok, []};
        Error -> of_path(Dir, Error)
    end.

number(Name, Suffix) ->
    try binary_to_integer(filename:rootname(Name, Suffix)) of
        Number -> [Number || Number >= 0, in_number(Number, Suffix) =:= Name]
    catch error:badarg -> []
    end.

%% @doc Makes the name of a file from a number, with leading zeros, so that names sort as numbers
%% do.
-spec in_number(non_neg_integer(), Suffix :: binary()) -> binary().
in_number(Number, Suffix) -> iolist_to_binary(io_lib:format("~12..0b~s", [Number, Suffix])).

beside(Path, Suffix) when is_binary(Path) -> <<Path/binary, (list_to_binary(Suffix))/binary>>;
beside(Path, Suffix) -> filename:flatten([Path, Suffix]).

%% @doc The bytes of a path as the file system has them, in any locale of the VM.
-spec to_raw(term()) -> {ok, binary()} | error.
to_raw(Path) when is_binary(Path) -> {ok, Path};
to_raw(Path) ->
    try unicode:characters_to_binary(Path, unicode, file:native_name_encoding()) of
        Raw when is_binary(Raw) -> {ok, Raw};
        _ -> error
    catch error:badarg -> error
    end.

%% @doc A path as a list, for modules of OTP that take no binary, as {@link disk_log}.
-spec to_list(path()) -> {ok, string()} | error.
to_list(Path) when is_list(Path) -> {ok, Path};
to_list(Path) ->
    case unicode:characters_to_list(Path, file:native_name_encoding()) of
        List when is_list(List) -> {ok, List};
        _ -> error
    end.

%% @doc The path of the copy of a file.
-spec copy(path()) -> path().
copy(Path) -> beside(Path, ".copy").

%% @doc A component of a path for any text: never empty, hidden, `..' or too long. Different texts
%% have different names.
-spec name(binary()) -> binary().
name(<<>>) -> <<"%">>;
name(<<".", Rest/binary>>) -> short(<<"%2E", (quote(Rest))/binary>>);
name(Text) -> short(quote(Text)).

short(Quoted) when byte_size(Quoted) =< ?MAX_NAME -> Quoted;
short(Quoted) -> <<"%%", (binary:encode_hex(crypto:hash(sha256, Quoted)))/binary>>.

%% @doc The text from which {@link name/1} made this name, unless the name is a hash.
-spec unquoted(binary()) -> {ok, binary()} | error.
unquoted(<<"%">>) -> {ok, <<>>};
unquoted(Name) ->
    try uri_string:percent_decode(Name) of
        Text when is_binary(Text) -> {ok, Text};
        _ -> error
    catch throw:_ -> error
    end.

%% @doc Percent-encodes every byte but letters, digits and `-._~'.
-spec quote(binary()) -> binary().
quote(Text) -> << <<(quote_byte(Byte))/binary>> || <<Byte>> <= Text >>.

quote_byte(Byte) when Byte >= $a, Byte =< $z; Byte >= $A, Byte =< $Z; Byte >= $0, Byte =< $9;
                      Byte =:= $-; Byte =:= $.; Byte =:= $_; Byte =:= $~ -> <<Byte>>;
quote_byte(Byte) -> <<"%", (binary:encode_hex(<<Byte>>))/binary>>.
