%% @private
%% A log of lines in files `NUMBER.KIND' of a bounded size; the last few files are kept.
%%
%% Each line ends with a checksum: the first 16 bytes of the SHA-256 over the line and the checksum
%% before it. Each file begins with the last checksum of the file before it. So a reader notices a
%% line that was changed, or removed between two others. This protects against damage, not against
%% an attacker who can write the files.
-module(cambrian_audit_log).

-export([open/3, append/2, sync/1, close/1, read/2]).
-export_type([log/0, damage/0]).

-record(log,
        {dir :: cambrian_file:path(), kind :: binary(),
         size :: {Bytes :: pos_integer(), Files :: pos_integer()},
         number :: pos_integer(), file :: undefined | file:fd(), position :: non_neg_integer(),
         sum :: binary()}).
-opaque log() :: #log{}.
%% `torn_end': the last line is incomplete, and is removed. `changed': this line is wrong, and the
%% reader ignores it and all lines after it.
-type damage() :: #{file := cambrian_file:path(), line := pos_integer(),
                    reason := torn_end | changed}.

-define(FIRST, <<0:128>>).

%% @doc Opens the newest file to append to it, or makes the first one. Removes an incomplete last
%% line; begins a new file after any other damage.
-spec open(cambrian_file:path(), Kind :: binary(), {pos_integer(), pos_integer()}) ->
          {ok, log(), [damage()]} | {error, cambrian_file:error()}.
open(Dir, Kind, Size) ->
    case cambrian_file:numbered(Dir, suffix(Kind)) of
        {ok, []} -> begin_file(1, ?FIRST, Dir, Kind, Size, []);
        {ok, [{Number, Path} | _]} ->
            case cambrian_file:read_own(Path) of
                {ok, Bytes} -> continue(verify(Bytes, Number, Kind), Number, Path, Dir, Kind, Size);
                Error -> Error
            end;
        Error -> Error
    end.

suffix(Kind) -> <<".", Kind/binary>>.

continue({whole, _After, Lines, Good, Sum}, Number, Path, Dir, Kind, Size) when Good > 0 ->
    Bytes = filelib:file_size(Path),
    Damage = [#{file => Path, line => length(Lines) + 2, reason => torn_end} || Bytes > Good],
    open_file(Path, Good,
              #log{dir = Dir, kind = Kind, size = Size, number = Number, position = Good, sum = Sum,
                   file = undefined}, Damage);
%% even the first line is incomplete
continue({whole, _, _, 0, _}, Number, Path, Dir, Kind, Size) ->
    _ = file:delete(Path),
    begin_file(Number, ?FIRST, Dir, Kind, Size, [#{file => Path, line => 1, reason => torn_end}]);
continue({changed, _After, Lines, Sum}, Number, Path, Dir, Kind, Size) ->
    begin_file(Number + 1, Sum, Dir, Kind, Size,
               [#{file => Path, line => length(Lines) + 2, reason => changed}]).

open_file(Path, Position, Log, Damage) ->
    case cambrian_file:open_own(Path, [read, write]) of
        {ok, File} ->
            {ok, Position} = file:position(File, Position),
            case file:truncate(File) of
                ok -> {ok, Log#log{file = File}, Damage};
                {error, Reason} -> _ = file:close(File), {error, {Reason, Path}}
            end;
        Error -> Error
    end.

begin_file(Number, After, Dir, Kind, {_, Files} = Size, Damage) ->
    Path = filename:join(Dir, cambrian_file:in_number(Number, suffix(Kind))),
    Header = header(Number, After, Kind),
    case cambrian_file:begin_own(Path, [Header, $\n]) of
        ok ->
            {ok, Numbered} = cambrian_file:numbered(Dir, suffix(Kind)),
            _ = [cambrian_file:delete(Old)
                 || {_, Old} <- lists:nthtail(min(Files, length(Numbered)), Numbered)],
            Position = byte_size(Header) + 1,
            open_file(Path, Position,
                      #log{dir = Dir, kind = Kind, size = Size, number = Number,
                           position = Position, sum = sum(?FIRST, Header), file = undefined},
                      Damage);
        Error -> Error
    end.

header(Number, After, Kind) ->
    iolist_to_binary(["cambrian audit 1 ", Kind, $\s, integer_to_binary(Number), " after=",
                      cambrian_text:hex(After)]).

sum(Before, Line) -> binary:part(crypto:hash(sha256, [Before, Line]), 0, 16).

%% @doc Appends a line, in the next file if this file is full. Removes the remains of a failed
%% write.
-spec append(Line :: binary(), log()) -> {ok, log()} | {error, cambrian_file:error(), log()}.
append(Line, #log{size = {Max, _}, position = Position, sum = Before, file = File} = Log) ->
    Sum = sum(Before, Line),
    Bytes = iolist_to_binary([Line, " sum=", cambrian_text:hex(Sum), $\n]),
    Header = byte_size(header(1, ?FIRST, <<>>)),
    case Position + byte_size(Bytes) > Max andalso Position > 2 * Header of
        true -> append_to_next(Line, Log);
        false ->
            case file:write(File, Bytes) of
                ok -> {ok, Log#log{position = Position + byte_size(Bytes), sum = Sum}};
                {error, Reason} ->
                    _ = file:position(File, Position),
                    _ = file:truncate(File),
                    {error, {Reason, path(Log)}, Log}
            end
    end.

append_to_next(Line, #log{dir = Dir, kind = Kind, size = Size, number = Number, sum = Sum} = Log) ->
    case begin_file(Number + 1, Sum, Dir, Kind, Size, []) of
        {ok, Next, []} ->
            _ = sync(Log),
            _ = close(Log),
            append(Line, Next);
        {error, Reason} -> {error, Reason, Log}
    end.

path(#log{dir = Dir, kind = Kind, number = Number}) ->
    filename:join(Dir, cambrian_file:in_number(Number, suffix(Kind))).

%% @doc Makes the appended lines survive a power cut.
-spec sync(log()) -> ok | {error, cambrian_file:error()}.
sync(#log{file = File} = Log) ->
    case file:sync(File) of
        ok -> ok;
        {error, Reason} -> {error, {Reason, path(Log)}}
    end.

-spec close(log()) -> ok.
close(#log{file = File}) ->
    _ = file:close(File),
    ok.

%% @doc All lines without their checksums, the oldest first, and the damage.
-spec read(cambrian_file:path(), Kind :: binary()) ->
          {ok, [binary()], [damage()]} | {error, cambrian_file:error()}.
read(Dir, Kind) ->
    case cambrian_file:numbered(Dir, suffix(Kind)) of
        {ok, Numbered} -> read_all(lists:reverse(Numbered), any, Kind, [], []);
        Error -> Error
    end.

read_all([], _After, _Kind, Lines, Damage) ->
    {ok, lists:append(lists:reverse(Lines)), lists:reverse(Damage)};
read_all([{Number, Path} | Rest], Expected, Kind, Lines, Damage) ->
    case cambrian_file:read_own(Path) of
        {ok, Bytes} ->
            {After, Read, Sum, Reasons} = reasons(verify(Bytes, Number, Kind), byte_size(Bytes)),
            %% the last line of the file before this one is lost, or a file between them
            Cut = [#{file => Path, line => 1, reason => changed}
                   || Expected =/= any, After =/= none, After =/= Expected],
            Here =
                [#{file => Path, line => length(Read) + 2, reason => Reason} || Reason <- Reasons],
            read_all(Rest, {Number + 1, Sum}, Kind, [Read | Lines], Here ++ Cut ++ Damage);
        Error -> Error
    end.

reasons({whole, After, Read, Good, Sum}, Size) ->
    {After, Read, Sum, [torn_end || Size > Good orelse Good =:= 0]};
reasons({changed, After, Read, Sum}, _Size) -> {After, Read, Sum, [changed]}.

%% Returns the valid lines, the number of their bytes, and the last checksum. `{Number, After}' is
%% the content of the first line.
verify(Bytes, Number, Kind) ->
    case binary:split(Bytes, <<"\n">>) of
        [Header, Rest] ->
            case after_of(Header, Number, Kind) of
                {ok, After} ->
                    verify(Rest, {Number, After}, byte_size(Header) + 1, sum(?FIRST, Header), []);
                error -> {changed, none, [], ?FIRST}
            end;
        [_] -> {whole, none, [], 0, ?FIRST}
    end.

after_of(Header, Number, Kind) ->
    try binary:decode_hex(lists:last(binary:split(Header, <<"after=">>))) of
        <<_:16/binary>> = After ->
            case header(Number, After, Kind) of Header -> {ok, After}; _ -> error end;
        _ -> error
    catch error:_ -> error
    end.

verify(Bytes, After, Position, Sum, Lines) ->
    case binary:split(Bytes, <<"\n">>) of
        [Line, Rest] ->
            case checked(Line, Sum) of
                {ok, Text, Next} ->
                    verify(Rest, After, Position + byte_size(Line) + 1, Next, [Text | Lines]);
                error -> {changed, After, lists:reverse(Lines), Sum}
            end;
        [_] -> {whole, After, lists:reverse(Lines), Position, Sum}
    end.

checked(Line, Before) ->
    Size = byte_size(Line) - 37,
    case Line of
        <<Text:Size/binary, " sum=", Hex:32/binary>> when Size >= 0 ->
            Sum = sum(Before, Text),
            case cambrian_text:hex(Sum) of Hex -> {ok, Text, Sum}; _ -> error end;
        _ -> error
    end.
