%% @private
%% The saved generations of a realm: files `realms/NAME/NUMBER.trust' in the application's
%% `data_dir'. The last two files are kept, with the same contents. Without a `data_dir', the last
%% generation is kept in memory ({@link cambrian_realm_table}).
%%
%% A file is checked before it is used. A file is set aside if it is damaged, belongs to another
%% realm, or has another number than its name; the generation before it is used. If no generation is
%% left although one existed, the realm stays closed, because bans were lost.
%%
%% Packing a realm of 10,000 origins into bytes takes long. It is done in pieces, from an immutable
%% value, so that the process of the realm can answer between two pieces.
-module(cambrian_realm_file).

-export([is_there/1, load/1, pack/1, step/1, pack_all/1, unpack/1, write/3, dir/1]).
-export_type([pack/0, packed/0, damage/0, loaded/0, error/0]).

-define(MAGIC, <<"cambrian trust 2\n">>).
-define(SUFFIX, <<".trust">>).
-define(KEEP, 2).
%% Earlier releases wrote one file with one term.
-define(MAGIC_1, <<"cambrian trust 1\n">>).
-define(FILE_1, <<"trust">>).
%% Entries of a map: packing so many takes less than a millisecond.
-define(PIECE, 128).
%% With these errors the bytes are lost, or were never a file of ours. After any other error, such
%% as missing rights, the bytes may still be good.
-define(IS_DAMAGE(Reason),
        (Reason =:= torn_file orelse Reason =:= other_file orelse Reason =:= not_a_file
         orelse Reason =:= eio orelse Reason =:= eisdir orelse Reason =:= eloop
         orelse Reason =:= efbig)).

-opaque pack() :: {[{Part :: atom(), maps:iterator(term(), term())}], [binary()]}.
-type packed() :: [binary()].
%% A bad file, and the reason. `lost': the realm left other files, but no generation.
-type damage() :: #{file := cambrian_file:path(), reason := atom()}.
-type loaded() :: {ok, cambrian_realm:realm(), Number :: non_neg_integer(), [damage()]} | new
                | {closed, Number :: non_neg_integer(), [damage(), ...]} | {error, error()}.
-type error() :: cambrian_file:error() | cambrian_data_dir:error().

%% @doc The directory of a realm.
-spec dir(binary()) -> {ok, cambrian_file:path()} | none | {error, cambrian_data_dir:error()}.
dir(Name) -> cambrian_data_dir:path([<<"realms">>, cambrian_file:name(Name)]).

%% @doc Whether this realm has, or may have, files.
-spec is_there(binary()) -> boolean() | {error, cambrian_data_dir:error()}.
is_there(Name) ->
    case dir(Name) of
        none -> false;
        {ok, Dir} -> remains(Dir) =/= [];
        Error -> Error
    end.

%%% ---- reading ----------------------------------------------------------------------------

%% @doc The newest whole generation, and the damage of newer ones.
-spec load(binary()) -> loaded().
load(Name) ->
    case dir(Name) of
        none -> in_memory(Name);
        {ok, Dir} ->
            case generations(Dir) of
                {ok, Generations} -> newest(Generations, Name, Dir, []);
                Error -> Error
            end;
        Error -> Error
    end.

in_memory(Name) ->
    case cambrian_realm_table:get(saved, Name) of
        none -> new;
        {ok, {Number, Packed}} ->
            {ok, Realm} = unpacked(?MAGIC, iolist_to_binary([<<Number:64>>, Packed]), Number, Name),
            {ok, Realm, Number, []}
    end.

%% The generations, each with its magic, the newest first.
generations(Dir) ->
    First = filename:join(Dir, ?FILE_1),
    case cambrian_file:numbered(Dir, ?SUFFIX) of
        {ok, Numbered} ->
            %% a link to nowhere counts too
            {ok, [{Number, Path, ?MAGIC} || {Number, Path} <- Numbered]
                 ++ [{0, First, ?MAGIC_1} || element(1, file:read_link_info(First)) =:= ok]};
        Error -> Error
    end.

newest([{Number, Path, Magic} | Earlier], Name, Dir, Damaged) ->
    case read(Path, Magic, Number, Name) of
        {ok, Realm} -> {ok, Realm, highest(Number, Damaged), strip(Damaged)};
        {error, {Reason, _}} when ?IS_DAMAGE(Reason) ->
            newest(Earlier, Name, Dir, [{Number, #{file => Path, reason => Reason}} | Damaged]);
        {error, not_found} ->
            newest(Earlier, Name, Dir, [{Number, #{file => Path, reason => enoent}} | Damaged]);
        Error -> Error
    end;
newest([], _Name, Dir, []) ->
    case remains(Dir) of
        [] -> new;
        Remains ->
            Aside = [#{file => filename:join(Dir, File), reason => torn_file}
                     || File <- lists:sort(Remains), is_torn(File)],
            {closed, 0, case Aside of [] -> [#{file => Dir, reason => lost}]; _ -> Aside end}
    end;
newest([], _Name, _Dir, Damaged) ->
    {closed, highest(0, Damaged), strip(Damaged)}.

highest(Number, Damaged) -> lists:max([Number | [N || {N, _} <- Damaged]]).
strip(Damaged) -> [Damage || {_, Damage} <- lists:reverse(Damaged)].

%% The files in the directory of a realm, without half-written files of a killed VM. Any such file
%% shows that the realm existed.
remains(Dir) ->
    case file:list_dir_all(Dir) of
        {ok, Names} -> [Name || Name <- Names, extension(Name) =/= <<".tmp">>];
        {error, enoent} -> [];
        {error, Reason} -> [Reason]
    end.

is_torn(Name) -> extension(Name) =:= <<".torn">>.

extension(Name) -> iolist_to_binary(filename:extension(Name)).

read(Path, Magic, Number, Name) ->
    case cambrian_file:read(Path, Magic) of
        {ok, Payload} ->
            case unpacked(Magic, Payload, Number, Name) of
                {ok, _} = Whole -> Whole;
                error -> {error, {other_file, Path}}
            end;
        Error -> Error
    end.

unpacked(?MAGIC, <<Number:64, Frames/binary>>, Number, Name) ->
    case cambrian_file:terms(frames(Frames)) of
        {ok, [Small | Pieces]} when is_map(Small) ->
            case joined(Pieces, Small) of
                {ok, Saved} -> restored(Saved, Name);
                error -> error
            end;
        _ -> error
    end;
unpacked(?MAGIC_1, Payload, _Number, Name) ->
    case cambrian_file:term(Payload) of
        {ok, Saved} -> restored(Saved, Name);
        error -> error
    end;
unpacked(_, _, _, _) -> error.

frames(<<Size:32, Frame:Size/binary, Rest/binary>>) -> [Frame | frames(Rest)];
frames(<<>>) -> [];
%% not a term: decoding fails
frames(Rest) -> [<<0, Rest/binary>>].

joined([], Saved) -> {ok, Saved};
joined([{Part, Pairs} | Pieces], Saved) when is_atom(Part), length(Pairs) >= 0 ->
    Known = maps:get(Part, Saved, #{}),
    case is_map(Known)
        andalso lists:all(fun(Pair) -> is_tuple(Pair) andalso tuple_size(Pair) =:= 2 end, Pairs) of
        true -> joined(Pieces, Saved#{Part => maps:merge(Known, maps:from_list(Pairs))});
        false -> error
    end;
joined(_, _) -> error.

restored(#{name := Name} = Saved, Name) -> cambrian_realm:restore(Saved);
restored(_, _) -> error.

%%% ---- writing ----------------------------------------------------------------------------

%% @doc Begins to pack the result of {@link cambrian_realm:save/1}.
-spec pack(map()) -> pack().
pack(Saved) ->
    Large = maps:filter(fun(_, Value) -> is_map(Value) andalso map_size(Value) > 0 end, Saved),
    {[{Part, maps:iterator(Map)} || {Part, Map} <- maps:to_list(Large)],
     [frame(maps:without(maps:keys(Large), Saved))]}.

%% @doc Packs one piece.
-spec step(pack()) -> {more, pack()} | {done, packed()}.
step({[], Frames}) -> {done, lists:reverse(Frames)};
step({[{Part, Iterator} | Rest], Frames}) ->
    case take(?PIECE, Iterator, []) of
        {Pairs, none} -> {more, {Rest, [frame({Part, Pairs}) | Frames]}};
        {Pairs, Next} -> {more, {[{Part, Next} | Rest], [frame({Part, Pairs}) | Frames]}}
    end.

take(0, Iterator, Pairs) -> {Pairs, Iterator};
take(N, Iterator, Pairs) ->
    case maps:next(Iterator) of
        none -> {Pairs, none};
        {Key, Value, Next} -> take(N - 1, Next, [{Key, Value} | Pairs])
    end.

frame(Term) ->
    Bytes = term_to_binary(Term),
    <<(byte_size(Bytes)):32, Bytes/binary>>.

%% @doc Packs everything at once.
-spec pack_all(map() | pack()) -> packed().
pack_all(#{} = Saved) -> pack_all(pack(Saved));
pack_all(Pack) ->
    case step(Pack) of
        {more, Next} -> pack_all(Next);
        {done, Packed} -> Packed
    end.

%% @doc Unpacks bytes that this VM packed.
-spec unpack(packed()) -> map().
unpack(Packed) ->
    [Small | Pieces] = [binary_to_term(Bytes) || <<_:32, Bytes/binary>> <- Packed],
    {ok, Saved} = joined(Pieces, Small),
    Saved.

%% @doc Writes the same generation twice, under this number and the next number, and deletes all
%% earlier generations. So one damaged or missing file loses nothing: the other has the same
%% contents.
-spec write(binary(), Number :: pos_integer(), packed()) ->
          {ok, Last :: pos_integer()} | {error, error()}.
write(Name, Number, Packed) ->
    case dir(Name) of
        none ->
            ok = cambrian_realm_table:put(saved, Name, {Number, Packed}),
            {ok, Number};
        {ok, Dir} ->
            case {write_one(Dir, Number, Packed), write_one(Dir, Number + 1, Packed)} of
                {ok, ok} ->
                    ok = delete(generations(Dir)),
                    {ok, Number + 1};
                {{error, _} = Error, _} -> Error;
                {_, Error} -> Error
            end;
        Error -> Error
    end.

write_one(Dir, Number, Packed) ->
    Path = filename:join(Dir, cambrian_file:in_number(Number, ?SUFFIX)),
    cambrian_file:write(Path, ?MAGIC, [<<Number:64>>, Packed]).

%% A failed deletion is harmless: the next save deletes the rest.
delete({ok, [_ | _] = Generations}) when length(Generations) > ?KEEP ->
    lists:foreach(fun({_, Path, _}) -> cambrian_file:delete(Path) end,
                  lists:nthtail(?KEEP, Generations));
delete(_) -> ok.
