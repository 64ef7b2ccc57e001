%% @private
%% Files that are there whole or not at all: written under another name, synced and renamed, and known by their first
%% line and a hash when they are read.
-module(cambrian_file).
-include_lib("kernel/include/file.hrl").

-export([save/2, read_whole/1, check_place/1, make_own_dirs/1, begin_own/2, forbid_others/1, write/3,
         write_secret/3, read/2, read_secret/2, term/1, delete/1,
         set_aside/1, numbered/2, in_number/2, terms/1, copy/1, name/1, quote/1, unquoted/1, to_raw/1, to_list/1]).
-export_type([path/0, error/0]).

-type path() :: file:filename_all().
-type reason() :: file:posix() | badarg | terminated | system_limit.
%% `torn_file' was not written to its end, or was changed since; `other_file' never was one of ours; `not_a_file' is a
%% device, a pipe and the like.
-type error() :: {reason() | torn_file | other_file | not_a_file | unsafe_permissions, path()}.

%% A file's name has at most 255 bytes on most file systems, and others are put after ours.
-define(MAX_NAME, 200).
%% More than a population of a million has.
-define(MAX_SIZE, (1 bsl 32)).
-define(OTHERS, 8#077).
%% In a directory of others, of another owner, or mounted as a file of its own.
-define(ONLY_IN_PLACE(Reason), (Reason =:= eacces orelse Reason =:= eperm orelse Reason =:= ebusy)).

%%% ---- files for the user -----------------------------------------------------------------

%% @doc Writes a file for the user: whole or not at all, and with the mode and the owner that it has if it exists. A
%% symbolic link stays, and its target is written; a device or a pipe is written to. Where the directory lets nobody
%% make files, or the owner cannot be kept, or the file has other names (hard links), it is overwritten in place.
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

%% @doc What a file of the user's has, or what comes through a pipe. A device may have no end.
-spec read_whole(path()) -> {ok, binary()} | {error, reason() | not_a_file}.
read_whole(Path) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = device}} -> {error, not_a_file};
        {ok, #file_info{size = Size}} when Size > ?MAX_SIZE -> {error, efbig};
        _ -> file:read_file(Path)
    end.

%% @doc Whether {@link save/2} can write there. What is there stays as it is.
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

%% To replace a file takes no right to write it, and one that is protected is to stay.
writable({file, _, #file_info{access = Access}}) when Access =/= write, Access =/= read_write -> {error, eacces};
writable(Place) -> Place.

%% What is at a path: a file or the place for one, behind whatever links, or something that is written to as it is.
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
    Name = [".cambrian_", os:getpid(), $_, integer_to_list(erlang:unique_integer([positive])), ".tmp"],
    filename:join(filename:dirname(File), iolist_to_binary(Name)).

%% Empty, until it has the owner and the mode of the file that it replaces.
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

%% @doc Makes the directories of a path that are not there. Nobody but the owner may enter them, whatever the umask says.
-spec make_own_dirs(path()) -> ok | {error, reason()}.
make_own_dirs(Path) ->
    Dir = filename:dirname(Path),
    case filelib:is_dir(Dir) of
        true -> ok;
        false -> all([fun() -> make_own_dirs(Dir) end, fun() -> make_dir(Dir) end])
    end.

%% Somebody else may have made it meanwhile.
make_dir(Dir) ->
    case file:make_dir(Dir) of
        ok -> all([fun() -> forbid_others_this(Dir) end, fun() -> sync_directory(filename:dirname(Dir)) end]);
        Error -> case filelib:is_dir(Dir) of true -> ok; false -> Error end
    end.

%% @doc Writes a file of our own, which nobody but its owner may read or write, whatever the umask says.
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
                   %% of a VM that was killed
                   fun() -> gone(file:delete(Temporary)) end,
                   fun() -> begun(Temporary, Info) end,
                   fun() -> forbid_others_this(Temporary) end,
                   fun() -> write_synced(Temporary, Bytes) end,
                   fun() -> file:rename(Temporary, File) end,
                   fun() -> sync_directory(filename:dirname(File)) end]),
    %% on a full disk what was begun is in the way of others
    _ = [file:delete(Temporary) || Written =/= ok],
    of_path(Path, Written).

%% @doc A new file of our own, with its first bytes, for one who will add to it.
-spec begin_own(path(), iodata()) -> ok | {error, error()}.
begin_own(Path, Bytes) -> write(Path, Path, none, Bytes).

%% @doc Takes from others what rights they have to a path and to all below it, behind no links: earlier releases left it to the
%% umask. How many there were.
-spec forbid_others(path()) -> non_neg_integer().
forbid_others(Path) ->
    case file:read_link_info(Path) of
        {ok, #file_info{type = Type, mode = Mode}} when Type =:= regular; Type =:= directory ->
            Own = case Mode band ?OTHERS =/= 0 andalso file:change_mode(Path, Mode band 8#7777 band bnot ?OTHERS) of
                      ok -> 1;
                      _ -> 0
                  end,
            Below = case Type =:= directory andalso file:list_dir_all(Path) of {ok, Names} -> Names; _ -> [] end,
            Own + lists:sum([forbid_others(filename:join(Path, Name)) || Name <- Below]);
        _ -> 0
    end.

forbid_others_this(File) ->
    case file:read_file_info(File) of
        {ok, #file_info{mode = Mode}} when Mode band ?OTHERS =:= 0 -> ok;
        {ok, #file_info{mode = Mode}} -> file:change_mode(File, Mode band 8#7777 band bnot ?OTHERS);
        Error -> Error
    end.

%% A name is there after a power cut once its directory is written, too. Not every system can.
sync_directory(Dir) ->
    case file:open(Dir, [read, raw, binary, directory]) of
        {ok, Handle} -> _ = file:sync(Handle), file:close(Handle);
        {error, _} -> ok
    end.

%% @doc The same for this user only. The mode of a file can be set only once it is there, when somebody may have opened
%% it; so it is made in a directory that nobody else can enter.
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

%% What a crash left there, too.
clear(Inside, Room) ->
    all([fun() -> gone(file:delete(Inside)) end, fun() -> gone(file:del_dir(Room)) end]).

gone({error, enoent}) -> ok;
gone(Other) -> Other.

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

%% @doc What was written, if it is there whole.
-spec read(path(), Magic :: binary()) -> {ok, binary()} | {error, not_found | error()}.
read(Path, Magic) ->
    case file:read_file_info(Path) of
        {ok, #file_info{type = regular, size = Size}} when Size > ?MAX_SIZE -> {error, {efbig, Path}};
        {ok, #file_info{type = Type}} when Type =/= regular, Type =/= directory -> {error, {not_a_file, Path}};
        _ -> read_file(Path, Magic)
    end.

read_file(Path, Magic) ->
    case file:read_file(Path) of
        {ok, Bytes} -> checked(Bytes, Magic, Path);
        {error, enoent} -> {error, not_found};
        {error, Reason} -> {error, {Reason, Path}}
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

%% @doc The same, unless others than its owner may read or write it.
-spec read_secret(path(), Magic :: binary()) -> {ok, binary()} | {error, not_found | error()}.
read_secret(Path, Magic) ->
    case file:read_file_info(Path) of
        {ok, #file_info{mode = Mode}} when Mode band 8#077 =/= 0 -> {error, {unsafe_permissions, Path}};
        _ -> read(Path, Magic)
    end.

%% @doc The term that such a file holds; no atom is made, and nothing is unpacked that would be larger than its file. All
%% atoms that ours have are there once our modules are.
-spec term(Payload :: binary()) -> {ok, term()} | error.
term(Payload) ->
    case terms([Payload]) of
        {ok, [Term]} -> {ok, Term};
        error -> error
    end.

%% @doc The same of several.
-spec terms([binary()]) -> {ok, [term()]} | error.
terms(Payloads) ->
    _ = application:load(cambrian),
    {ok, Modules} = application:get_key(cambrian, modules),
    _ = code:ensure_modules_loaded(Modules),
    try {ok, [unpacked(Payload) || Payload <- Payloads]}
    catch error:_ -> error
    end.

unpacked(Payload) when binary_part(Payload, 0, 2) =/= <<131, 80>> ->
    %% trailing bytes would be nobody's
    {Term, Used} = binary_to_term(Payload, [safe, used]),
    Used = byte_size(Payload),
    Term.

-spec delete(path()) -> ok | {error, error()}.
delete(Path) -> of_path(Path, gone(file:delete(Path))).

%% @doc Out of the way of the next one, for somebody to look at.
-spec set_aside(path()) -> {ok, path()} | {error, error()}.
set_aside(Path) ->
    Aside = beside(Path, ".torn"),
    case file:rename(Path, Aside) of
        ok -> sync_directory(filename:dirname(Path)), {ok, Aside};
        {error, Reason} -> {error, {Reason, Path}}
    end.

%% @doc The files of a directory whose name is a number with this suffix, as {@link in_number/2} makes it, the newest first.
%% What else lies there is not ours. Of a directory that cannot be read it is not said that it is empty.
-spec numbered(path(), Suffix :: binary()) -> {ok, [{non_neg_integer(), path()}]} | {error, error()}.
numbered(Dir, Suffix) ->
    case file:list_dir_all(Dir) of
        {ok, All} ->
            %% ours have digits, and those that are no text come as binaries
            Names = [unicode:characters_to_binary(Name) || Name <- All, is_list(Name)],
            Numbered = [{Number, filename:join(Dir, Name)} || Name <- Names, Number <- number(Name, Suffix)],
            {ok, lists:reverse(lists:sort(Numbered))};
        {error, enoent} -> {ok, []};
        Error -> of_path(Dir, Error)
    end.

number(Name, Suffix) ->
    try binary_to_integer(filename:rootname(Name, Suffix)) of
        Number -> [Number || Number >= 0, in_number(Number, Suffix) =:= Name]
    catch error:badarg -> []
    end.

%% @doc A name with a number of digits that sorts as text.
-spec in_number(non_neg_integer(), Suffix :: binary()) -> binary().
in_number(Number, Suffix) -> iolist_to_binary(io_lib:format("~12..0b~s", [Number, Suffix])).

beside(Path, Suffix) when is_binary(Path) -> <<Path/binary, (list_to_binary(Suffix))/binary>>;
beside(Path, Suffix) -> filename:flatten([Path, Suffix]).

%% @doc The bytes of a path, as the file system has them, whatever the locale is that the VM was started in.
-spec to_raw(term()) -> {ok, binary()} | error.
to_raw(Path) when is_binary(Path) -> {ok, Path};
to_raw(Path) ->
    try unicode:characters_to_binary(Path, unicode, file:native_name_encoding()) of
        Raw when is_binary(Raw) -> {ok, Raw};
        _ -> error
    catch error:badarg -> error
    end.

%% @doc The same path as a list, for those modules of OTP that take no other: {@link disk_log} is one.
-spec to_list(path()) -> {ok, string()} | error.
to_list(Path) when is_list(Path) -> {ok, Path};
to_list(Path) ->
    case unicode:characters_to_list(Path, file:native_name_encoding()) of
        List when is_list(List) -> {ok, List};
        _ -> error
    end.

%% @doc Where a copy of a file is.
-spec copy(path()) -> path().
copy(Path) -> beside(Path, ".copy").

%% @doc One component of a path for any text: never empty, hidden, `..' or too long, and another for another text.
-spec name(binary()) -> binary().
name(<<>>) -> <<"%">>;
name(<<".", Rest/binary>>) -> short(<<"%2E", (quote(Rest))/binary>>);
name(Text) -> short(quote(Text)).

short(Quoted) when byte_size(Quoted) =< ?MAX_NAME -> Quoted;
short(Quoted) -> <<"%%", (binary:encode_hex(crypto:hash(sha256, Quoted)))/binary>>.

%% @doc The text of which {@link name/1} made this, unless only a hash is left of it.
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
