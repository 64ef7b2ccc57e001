%% @private
%% What was refused and decided, for people to read later: lines of `time what key=value ...' in files of a bounded size
%% that replace each other, and the last refusals in memory. Without a path there are no files.
%%
%% A line is handed to the process of its log, so a slow disk holds up nobody here.
-module(cambrian_audit).

-export([open/1, open/2, note/4, refusal/2, last/1, close/1]).
-export_type([audit/0, refusal/0]).

-opaque audit() :: #{log := none | {module(), cambrian_file:path()}, last := [refusal()]}.
%% `origin' and `genotype' as they were claimed, and the `name' of the origin's key; `time' in ms since 1970; `detail' as it was found.
-type refusal() :: #{time := integer(), reason := atom(), origin := undefined | cambrian_identity:key(),
                     genotype := undefined | cambrian_genotype:id(), name => cambrian_identity:name(),
                     task => binary(), sequence => non_neg_integer(), base => cambrian_genotype:id(), detail => term()}.

-define(KEPT, 100).
-define(SIZE, {1 bsl 20, 8}).
-define(IDS, [origin, genotype, base, key, old, new, id]).

-type place() :: none | {ok, cambrian_file:path()} | {error, cambrian_data_dir:error()}.
-type error() :: {term(), cambrian_file:path()} | cambrian_data_dir:error().

-spec open(place()) -> {ok, audit()} | {error, error()}.
open(Path) -> open(Path, ?SIZE).

-spec open(place(), {Bytes :: pos_integer(), Files :: pos_integer()}) -> {ok, audit()} | {error, error()}.
open(none, _Size) ->
    {ok, #{log => none, last => []}};
open({ok, Path}, Size) ->
    Log = {?MODULE, Path},
    case cambrian_file:to_list(Path) of
        {ok, Name} ->
            _ = cambrian_file:make_dirs(Path),
            case opened(Log, [{name, Log}, {file, Name}, {type, wrap}, {format, external}], Size) of
                ok -> {ok, #{log => Log, last => []}};
                {error, Reason} -> {error, {Reason, Path}}
            end;
        error -> {error, {badarg, Path}}
    end;
open({error, _} = Error, _Size) -> Error.

%% A log that was there with another size is given this one.
opened(Log, Options, Size) ->
    case disk_log:open([{size, Size} | Options]) of
        {ok, Log} -> ok;
        {error, {size_mismatch, _, _}} ->
            case disk_log:open(Options) of
                {ok, Log} -> disk_log:change_size(Log, Size);
                Error -> Error
            end;
        Error -> Error
    end.

%% @doc One line.
-spec note(Time :: integer(), What :: atom(), map(), audit()) -> audit().
note(_Time, _What, _Details, #{log := none} = Audit) ->
    Audit;
note(Time, What, Details, #{log := Log} = Audit) ->
    _ = disk_log:balog(Log, line(Time, What, Details)),
    Audit.

%% @doc One line, and kept in memory.
-spec refusal(refusal(), audit()) -> audit().
refusal(#{time := Time, reason := Reason} = Refusal, #{last := Last} = Audit) ->
    Kept = Audit#{last := [Refusal | lists:sublist(Last, ?KEPT - 1)]},
    note(Time, Reason, maps:without([time, reason], Refusal), Kept).

%% @doc The last 100 refusals, the last one first.
-spec last(audit()) -> [refusal()].
last(#{last := Last}) -> Last.

-spec close(audit()) -> ok.
close(#{log := none}) -> ok;
close(#{log := Log}) ->
    _ = disk_log:close(Log),
    ok.

line(Time, What, Details) ->
    Stamp = calendar:system_time_to_rfc3339(Time, [{unit, millisecond}, {offset, "Z"}]),
    Pairs = [[" ", atom_to_binary(Key), "=", text(Key, Value)]
             || {Key, Value} <- lists:sort(maps:to_list(Details)), Value =/= undefined],
    iolist_to_binary([Stamp, " ", cambrian_file:quote(atom_to_binary(What)), Pairs, "\n"]).

%% Nothing of a stranger's can begin a line or a key of its own.
text(Key, Id) when is_binary(Id) ->
    case lists:member(Key, ?IDS) of
        true -> string:lowercase(binary:encode_hex(Id));
        false -> cambrian_file:quote(Id)
    end;
text(_Key, Number) when is_integer(Number) -> integer_to_binary(Number);
text(_Key, Other) -> cambrian_file:quote(unicode:characters_to_binary(io_lib:format("~0tp", [Other]))).
