%% @private
%% The files of a log: what a member promised, under its name, and the last records. A record is
%% written before the owner hears of it, so that an owner that starts from an older checkpoint hears
%% of it again, even if all members ended at once.
-module(cambrian_log_store).

-export([open/1, keep/2, add/2]).
-export_type([store/0]).

-type promised() :: {cambrian_record:member(), cambrian_consensus:kept()}.
-opaque store() :: none | {Dir :: file:filename_all(), Window :: pos_integer()}.

-define(PROMISED, <<"cambrian promise 1\n">>).
-define(RECORD, <<"cambrian record 1\n">>).
-define(SUFFIX, <<".record">>).

%% @doc Reads what is there: what was promised, if its file is whole, and the records, the last
%% first. A damaged file of promises is set aside: its member is forgotten.
-spec open(#{name := binary(), window := pos_integer(), dir => file:filename_all(),
             atom() => term()}) ->
          {ok, store(), none | promised(), [cambrian_record:record()]} | {error, term()}.
open(#{dir := Base, name := Name, window := Window}) ->
    Dir = filename:join(Base, cambrian_file:name(Name)),
    case {promised(Dir), cambrian_file:numbered(Dir, ?SUFFIX)} of
        {{ok, Promised}, {ok, Files}} -> {ok, {Dir, Window}, Promised, records(Files, none)};
        {{error, _} = Error, _} -> Error;
        {_, {error, _} = Error} -> Error
    end;
open(_) -> {ok, none, none, []}.

promised(Dir) ->
    File = file(Dir),
    case cambrian_file:read(File, ?PROMISED) of
        {ok, Payload} ->
            case cambrian_file:term(Payload) of
                {ok, {_, _} = Promised} -> {ok, Promised};
                error -> {error, {other_file, File}}
            end;
        {error, not_found} -> {ok, none};
        {error, {torn_file, _}} ->
            case cambrian_file:set_aside(File) of
                {ok, _} -> {ok, none};
                {error, _} = Error -> Error
            end;
        {error, _} = Error -> Error
    end.

file(Dir) -> filename:join(Dir, <<"promised">>).

%% The last record that is whole, and those before it as far as each follows.
records([], _) -> [];
records([{_, File} | Files], Later) ->
    case read(File) of
        {ok, Record} ->
            case Later =:= none orelse cambrian_record:follows(Later, Record) of
                true -> [Record | records(Files, Record)];
                false -> []
            end;
        _ when Later =:= none -> records(Files, none);
        _ -> []
    end.

read(File) ->
    case cambrian_file:read(File, ?RECORD) of
        {ok, Bytes} -> cambrian_record:decode(Bytes);
        {error, _} = Error -> Error
    end.

-spec keep(promised(), store()) -> ok | {error, term()}.
keep(_, none) -> ok;
keep(Promised, {Dir, _}) -> cambrian_file:write(file(Dir), ?PROMISED, term_to_binary(Promised)).

%% @doc Writes a record, and deletes the one that is too old.
-spec add(cambrian_record:record(), store()) -> ok | {error, term()}.
add(_, none) -> ok;
add(#{number := Number} = Record, {Dir, Window}) ->
    case cambrian_file:write(record_file(Dir, Number), ?RECORD, cambrian_record:encode(Record)) of
        ok when Number >= Window -> cambrian_file:delete(record_file(Dir, Number - Window));
        Written -> Written
    end.

record_file(Dir, Number) ->
    filename:join(Dir, cambrian_file:in_number(Number, ?SUFFIX)).
