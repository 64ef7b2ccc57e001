%% @private
%% Files that are there whole or not at all: written under another name, synced and renamed, and known by their first
%% line and a hash when they are read.
-module(cambrian_file).
-include_lib("kernel/include/file.hrl").

-export([write/3, write_secret/3, read/2, read_secret/2, delete/1, set_aside/1, in_data_dir/1, name/1, unquoted/1, quote/1]).
-export_type([path/0, error/0]).

-type path() :: file:filename_all().
%% `torn_file' was not written to its end, or was changed since; `other_file' never was one of ours.
-type error() :: {file:posix() | badarg | terminated | system_limit | torn_file | other_file | unsafe_permissions,
                  path()}.

%% A file's name has at most 255 bytes on most file systems, and others are put after ours.
-define(MAX_NAME, 200).

-spec write(path(), Magic :: binary(), Payload :: binary()) -> ok | {error, error()}.
write(Path, Magic, Payload) ->
    Temporary = beside(Path, ".tmp"),
    Written = all([fun() -> filelib:ensure_dir(Path) end,
                   fun() -> write_synced(Temporary, whole(Magic, Payload)) end,
                   fun() -> file:rename(Temporary, Path) end,
                   fun() -> sync_directory(filename:dirname(Path)) end]),
    %% on a full disk what was begun is in the way of others
    _ = [file:delete(Temporary) || Written =/= ok],
    of_path(Path, Written).

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
    Room = beside(Path, ".new"),
    Inside = filename:join(Room, "secret"),
    Clear = fun() -> clear(Inside, Room) end,
    Written = all([fun() -> filelib:ensure_dir(Path) end,
                   Clear,
                   fun() -> file:make_dir(Room) end,
                   fun() -> file:change_mode(Room, 8#700) end,
                   fun() -> file:write_file(Inside, <<>>) end,
                   fun() -> file:change_mode(Inside, 8#600) end,
                   fun() -> write_synced(Inside, whole(Magic, Payload)) end,
                   fun() -> file:rename(Inside, Path) end]),
    of_path(Path, all([fun() -> Written end, Clear])).

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

-spec delete(path()) -> ok | {error, error()}.
delete(Path) -> of_path(Path, gone(file:delete(Path))).

%% @doc Out of the way of the next one, for somebody to look at.
-spec set_aside(path()) -> {ok, path()} | {error, error()}.
set_aside(Path) ->
    Aside = beside(Path, ".torn"),
    case file:rename(Path, Aside) of
        ok -> {ok, Aside};
        {error, Reason} -> {error, {Reason, Path}}
    end.

beside(Path, Suffix) when is_binary(Path) -> <<Path/binary, (list_to_binary(Suffix))/binary>>;
beside(Path, Suffix) -> filename:flatten([Path, Suffix]).

%% @doc A path below the application's `data_dir', if there is one.
-spec in_data_dir([file:name_all()]) -> {ok, path()} | none.
in_data_dir(Names) ->
    case application:get_env(cambrian, data_dir) of
        {ok, Dir} -> {ok, filename:join([Dir | Names])};
        undefined -> none
    end.

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
