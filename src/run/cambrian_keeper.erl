%% @private
%% When a population's checkpoints are kept in memory and when in files, and what is said while they
%% cannot be written.
-module(cambrian_keeper).

-export([new/1, keep/3, amend/4]).
-export_type([keeper/0]).

-record(keeper, {name :: term(),
                 every :: non_neg_integer(),
                 keep :: pos_integer(),
                 written_at :: undefined | integer(),
                 failing = false :: boolean()}).
-opaque keeper() :: #keeper{}.
%% `failed' is the first of a row.
-type outcome() :: ok | {failed, Reason :: term()}.

-spec new(#{name := term(), checkpoint_interval := non_neg_integer(), checkpoints := pos_integer(),
            atom() => term()}) -> keeper().
new(#{name := Name, checkpoint_interval := Every, checkpoints := Keep}) ->
    #keeper{name = Name, every = Every, keep = Keep}.

%% @doc In memory always; also in a file, or in a file when one is due.
-spec keep(memory | due | file, cambrian_store:checkpoint(), keeper()) -> {outcome(), keeper()}.
keep(Where, Checkpoint, #keeper{name = Name} = Keeper) ->
    ok = cambrian_store:put(Name, Checkpoint),
    case Where =:= file orelse Where =:= due andalso is_due(Keeper) of
        true -> write(Checkpoint, Keeper);
        false -> {ok, Keeper}
    end.

is_due(#keeper{written_at = undefined}) -> true;
is_due(#keeper{written_at = At, every = Every}) -> now_ms() - At >= Every.

%% @doc Changes some of what is in memory, and writes that to a file if it is to. `Whole' is for a
%% store that has lost it.
-spec amend(memory | file, #{atom() => term()}, Whole :: fun(() -> cambrian_store:checkpoint()),
            keeper()) -> {outcome(), keeper()}.
amend(Where, Changes, Whole, #keeper{name = Name} = Keeper) ->
    ok = case cambrian_store:amend(Name, Changes) of
             ok -> ok;
             {error, not_found} -> cambrian_store:put(Name, Whole())
         end,
    case Where of
        memory -> {ok, Keeper};
        file ->
            {ok, Checkpoint} = cambrian_store:get(Name),
            write(Checkpoint, Keeper)
    end.

write(Checkpoint, #keeper{name = Name, keep = Keep} = Keeper) ->
    Written = cambrian_store:write(Name, Checkpoint, Keep),
    written(Written, Keeper#keeper{written_at = now_ms()}).

%% Evolution goes on in memory, and on disk again when there is room: what is lost with the VM is
%% done again.
written(ok, #keeper{failing = false} = Keeper) -> {ok, Keeper};
written(ok, #keeper{name = Name} = Keeper) ->
    logger:notice("checkpoints of the population ~tp are written again", [Name]),
    {ok, Keeper#keeper{failing = false}};
written({error, Reason}, #keeper{failing = false, name = Name} = Keeper) ->
    logger:warning("no checkpoint of the population ~tp could be written, it goes on without: ~tp",
                   [Name, Reason]),
    {{failed, Reason}, Keeper#keeper{failing = true}};
written({error, _}, Keeper) -> {ok, Keeper}.

now_ms() -> erlang:monotonic_time(millisecond).
