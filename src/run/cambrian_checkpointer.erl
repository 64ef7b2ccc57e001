%% @private
%% Decides where a population's checkpoint is stored: always in memory, and in a file when a file is
%% due. Logs when a write of a file fails, and when the writes succeed again.
-module(cambrian_checkpointer).

-export([new/1, save/3, amend/4]).
-export_type([checkpointer/0]).

-record(checkpointer, {name :: term(),
                       interval_ms :: non_neg_integer(),
                       %% the number of files to keep
                       files :: pos_integer(),
                       written_at :: undefined | integer(),
                       is_failing = false :: boolean()}).
-opaque checkpointer() :: #checkpointer{}.
%% Only the first of several consecutive failures is `failed'.
-type outcome() :: ok | {failed, Reason :: term()}.

-spec new(#{name := term(), checkpoint_interval := non_neg_integer(), checkpoints := pos_integer(),
            atom() => term()}) -> checkpointer().
new(#{name := Name, checkpoint_interval := Interval, checkpoints := Files}) ->
    #checkpointer{name = Name, interval_ms = Interval, files = Files}.

%% @doc Stores a checkpoint in memory; also in a `file', or in a file only if it is `due'.
-spec save(memory | due | file, cambrian_store:checkpoint(), checkpointer()) ->
          {outcome(), checkpointer()}.
save(Where, Checkpoint, #checkpointer{name = Name} = Checkpointer) ->
    ok = cambrian_store:put(Name, Checkpoint),
    case Where =:= file orelse Where =:= due andalso is_due(Checkpointer) of
        true -> write(Checkpoint, Checkpointer);
        false -> {ok, Checkpointer}
    end.

is_due(#checkpointer{written_at = undefined}) -> true;
is_due(#checkpointer{written_at = At, interval_ms = Interval}) -> now_ms() - At >= Interval.

%% @doc Changes parts of the checkpoint in memory, and writes the result to a file on request.
%% `Whole' makes the whole checkpoint for a store that has lost it.
-spec amend(memory | file, #{atom() => term()}, Whole :: fun(() -> cambrian_store:checkpoint()),
            checkpointer()) -> {outcome(), checkpointer()}.
amend(Where, Changes, Whole, #checkpointer{name = Name} = Checkpointer) ->
    ok = case cambrian_store:amend(Name, Changes) of
             ok -> ok;
             {error, not_found} -> cambrian_store:put(Name, Whole())
         end,
    case Where of
        memory -> {ok, Checkpointer};
        file ->
            {ok, Checkpoint} = cambrian_store:get(Name),
            write(Checkpoint, Checkpointer)
    end.

write(Checkpoint, #checkpointer{name = Name, files = Files} = Checkpointer) ->
    Written = cambrian_store:write(Name, Checkpoint, Files),
    written(Written, Checkpointer#checkpointer{written_at = now_ms()}).

%% A population continues while its files cannot be written. It writes files again as soon as that
%% is possible. If the VM ends before that, some generations are lost.
written(ok, #checkpointer{is_failing = false} = Checkpointer) -> {ok, Checkpointer};
written(ok, #checkpointer{name = Name} = Checkpointer) ->
    logger:notice("checkpoints of the population ~tp are written again", [Name]),
    {ok, Checkpointer#checkpointer{is_failing = false}};
written({error, Reason}, #checkpointer{is_failing = false, name = Name} = Checkpointer) ->
    logger:warning("no checkpoint of the population ~tp could be written, it goes on without: ~tp",
                   [Name, Reason]),
    {{failed, Reason}, Checkpointer#checkpointer{is_failing = true}};
written({error, _}, Checkpointer) -> {ok, Checkpointer}.

now_ms() -> erlang:monotonic_time(millisecond).
