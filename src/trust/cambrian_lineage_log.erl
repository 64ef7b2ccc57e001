%% @private
%% The logs of {@link cambrian_lineage} on disk: one `disk_log' of each kind, files `KIND.NUMBER' in
%% the directory `lineage'.
%%
%% Damage of these files never stops the application. Each entry is logged as a binary behind its
%% hash, which shows whether the entry is whole. If `disk_log' cannot read the files, this module
%% searches them for whole entries, sets the files aside as `*.torn', and writes the entries to a
%% new log.
-module(cambrian_lineage_log).

-include_lib("kernel/include/file.hrl").

-export([open/1, append/2, forbid_others/1, close/1]).
-export_type([kind/0, log/0]).

-type kind() :: bred | signed.
-type log() :: none | {?MODULE, kind()}.

%% The bytes of a file, and the number of files.
-define(BYTES, 4_194_304).
-define(FILES, 8).
%% A file begins with eight bytes of `disk_log'. Before each entry are its size and these bytes.
-define(HEAD, 8).
-define(MAGIC, <<"bWLA">>).

%% @doc Opens a log, and reads its entries, the oldest first. Also returns how many entries, or
%% places of a file, are damaged. The log is `none' without a `data_dir', or if it cannot be opened.
-spec open(kind()) -> {log(), [Entry :: term()], Damaged :: non_neg_integer()}.
open(Kind) ->
    case cambrian_data_dir:path([<<"lineage">>, atom_to_binary(Kind)]) of
        none -> {none, [], 0};
        {ok, Path} -> open(Kind, cambrian_file:to_list(Path));
        {error, Reason} -> {not_kept(Reason), [], 0}
    end.

open(Kind, {ok, Path}) ->
    _ = cambrian_file:make_own_dirs(Path),
    %% loads the atoms of the entries
    _ = cambrian_nif:genotype_births(),
    Strange = set_aside_strange(Path),
    {Log, Entries, Damaged} = case try_open(Kind, Path) of
                                  {ok, Opened, Lost} -> read_or_renew(Opened, Kind, Path, Lost);
                                  {error, Reason} -> renew(Kind, Path, Reason)
                              end,
    ok = forbid_others_in(Path),
    {Log, Entries, Strange + Damaged};
open(_Kind, error) ->
    {not_kept("the name of its directory is not valid in this locale"), [], 0}.

%% If a pipe had the name of a file, `disk_log' would wait for ever.
set_aside_strange(Path) ->
    Strange = [File || File <- files(Path) ++ indices(Path),
                       {error, {Reason, _}} <- [cambrian_file:check_own(File)], Reason =/= enoent],
    length([Aside || File <- Strange, {ok, Aside} <- [cambrian_file:set_aside(File)]]).

files(Path) -> [Path ++ "." ++ integer_to_list(Number) || Number <- lists:seq(1, ?FILES)].

indices(Path) -> [Path ++ ".idx", Path ++ ".siz"].

try_open(Kind, Path) ->
    %% `notify': disk_log tells us of each file that it makes
    Options = [{name, {?MODULE, Kind}}, {file, Path}, {type, wrap}, {size, {?BYTES, ?FILES}},
               {quiet, true}, {notify, true}],
    try has_good_index(Path) andalso disk_log:open(Options) of
        {ok, Log} -> {ok, Log, 0};
        {repaired, Log, _, {badbytes, Bytes}} -> {ok, Log, min(Bytes, 1)};
        {error, Reason} -> {error, Reason};
        false -> {error, einval}
    catch _:Reason -> {error, Reason}
    end.

%% The index holds the number of the current file, and the other file the number of files. With
%% wrong numbers `disk_log' would search for ever for files that cannot exist.
has_good_index(Path) ->
    is_index(cambrian_file:read_own(Path ++ ".idx"))
        andalso is_size(cambrian_file:read_own(Path ++ ".siz")).

is_index({ok, <<0:40, 2, Current:32, _/binary>>}) -> Current >= 1 andalso Current =< ?FILES;
is_index(Other) -> is_absent(Other).

is_size({ok, Bytes}) -> Bytes =:= <<2, ?BYTES:64, ?FILES:32>>;
is_size(Other) -> is_absent(Other).

is_absent({error, {Reason, _}}) -> Reason =:= enoent;
is_absent({ok, _}) -> false.

%% Other users must not read which genotypes came to this node. `disk_log' makes its files with the
%% rights that the umask leaves.
forbid_others_in(Path) ->
    _ = cambrian_file:forbid_others(filename:dirname(Path)),
    ok.

%% @doc Removes the rights of other users to the files of a log.
-spec forbid_others(LogName :: term()) -> ok.
forbid_others(Log) ->
    case disk_log:info(Log) of
        {error, _} -> ok;
        Info -> forbid_others_in(proplists:get_value(file, Info))
    end.

%% Without a log the lineage is remembered until the VM ends.
not_kept(Reason) ->
    logger:warning("lineage is not kept on disk: ~tp", [Reason]),
    none.

%%% ---- reading ----------------------------------------------------------------------------

read_or_renew(Log, Kind, Path, Lost) ->
    case read(Log, start, [], Lost) of
        {ok, Entries, Damaged} -> {Log, lists:reverse(Entries), Damaged};
        {error, Reason} ->
            _ = disk_log:close(Log),
            renew(Kind, Path, Reason)
    end.

read(Log, Continuation, Entries, Damaged) ->
    try disk_log:bchunk(Log, Continuation) of
        eof -> {ok, Entries, Damaged};
        {error, _} = Error -> Error;
        {Next, Items} ->
            {Read, Lost} = lists:foldl(fun add/2, {Entries, Damaged}, Items),
            read(Log, Next, Read, Lost)
    catch _:Reason -> {error, Reason}
    end.

add(Item, {Entries, Damaged}) ->
    case decoded(Item) of
        {ok, Entry} -> {[Entry | Entries], Damaged};
        error -> {Entries, Damaged + 1}
    end.

%% Earlier releases logged terms without a hash.
decoded(Item) ->
    case safely(Item) of
        {ok, <<Hash:32/binary, Term/binary>>} ->
            case crypto:hash(sha256, Term) of
                Hash -> safely(Term);
                _ -> error
            end;
        Earlier -> Earlier
    end.

safely(<<131, 80, _/binary>>) -> error;
safely(Term) ->
    try {ok, binary_to_term(Term, [safe])}
    catch error:_ -> error
    end.

%%% ---- damaged files ----------------------------------------------------------------------

%% Reads the whole entries of damaged files, and writes them to a new log. If that fails, for
%% example on a full disk, the old files stay for the next start.
renew(Kind, Path, Reason) ->
    Files = lists:sort([{Time, File} || File <- files(Path), Time <- changed(File)]),
    {Entries, Damaged} = lists:foldl(fun salvage/2, {[], 0}, [File || {_, File} <- Files]),
    InOrder = lists:reverse(Entries),
    Aside = [{File, Torn} || File <- files(Path) ++ indices(Path), filelib:is_file(File),
                             {ok, Torn} <- [cambrian_file:set_aside(File)]],
    case begin_log(Kind, Path, InOrder) of
        {ok, Log} ->
            logger:warning("lineage: the files of \"~ts\" are damaged (~tp), and are set aside",
                           [Kind, Reason]),
            {Log, InOrder, max(Damaged, 1)};
        {error, Why} ->
            _ = [file:delete(File) || File <- files(Path) ++ indices(Path)],
            _ = [file:rename(Torn, File) || {File, Torn} <- Aside],
            {not_kept(Why), InOrder, max(Damaged, 1)}
    end.

changed(File) ->
    case file:read_file_info(File, [{time, posix}]) of
        {ok, #file_info{mtime = Time}} -> [Time];
        {error, _} -> []
    end.

begin_log(Kind, Path, Entries) ->
    case try_open(Kind, Path) of
        {ok, Log, _} ->
            case {disk_log:log_terms(Log, lists:map(fun encoded/1, Entries)), disk_log:sync(Log)} of
                {ok, ok} -> {ok, Log};
                Failed ->
                    _ = disk_log:close(Log),
                    {error, Failed}
            end;
        Error -> Error
    end.

salvage(File, {Entries, Damaged}) ->
    case cambrian_file:read_own(File) of
        {ok, <<_:?HEAD/binary, Items/binary>>} -> scan(Items, Entries, Damaged);
        _ -> {Entries, Damaged + 1}
    end.

scan(<<>>, Entries, Damaged) -> {Entries, Damaged};
scan(Bytes, Entries, Damaged) ->
    case entry(Bytes) of
        {ok, Entry, Rest} -> scan(Rest, [Entry | Entries], Damaged);
        error -> scan(next(Bytes), Entries, Damaged + 1)
    end.

entry(<<Size:32, Magic:4/binary, Item:Size/binary, Rest/binary>>) when Magic =:= ?MAGIC ->
    case decoded(Item) of
        {ok, Entry} -> {ok, Entry, Rest};
        error -> error
    end;
entry(_) -> error.

%% Returns the bytes from the next possible entry on.
next(Bytes) ->
    Size = byte_size(Bytes),
    case Size > 5 andalso binary:match(Bytes, ?MAGIC, [{scope, {5, Size - 5}}]) of
        {At, _} -> binary:part(Bytes, At - 4, Size - At + 4);
        _ -> <<>>
    end.

%%% ---- writing ----------------------------------------------------------------------------

%% @doc Appends entries, and returns how many bytes they take. Does not wait for the disk.
-spec append(log(), [Entry :: term()]) -> non_neg_integer().
append(none, _Entries) -> 0;
append(Log, Entries) ->
    Encoded = lists:map(fun encoded/1, Entries),
    _ = disk_log:alog_terms(Log, Encoded),
    iolist_size(Encoded).

encoded(Entry) ->
    Term = term_to_binary(Entry),
    <<(crypto:hash(sha256, Term))/binary, Term/binary>>.

-spec close(log()) -> ok.
close(none) -> ok;
close(Log) ->
    _ = disk_log:sync(Log),
    ok = forbid_others(Log),
    _ = disk_log:close(Log),
    ok.
