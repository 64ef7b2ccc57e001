%% @private
%% When a population's checkpoints are kept in memory and when in files, and what is said while they cannot be written.
-module(cambrian_keeper).

-export([new/1, keep/3, amend/3, write/1]).
-export_type([keeper/0]).

-record(keeper, {name :: term(),
                 every :: non_neg_integer(),
                 keep :: pos_integer(),
                 written_at :: undefined | integer(),
                 failing = false :: boolean()}).
-opaque keeper() :: #keeper{}.
%% `failed' is the first of a row.
-type outcome() :: ok | {failed, Reason :: term()}.

-spec new(#{name := term(), checkpoint_interval := non_neg_integer(), checkpoints := pos_integer(), atom() => term()}) ->
          keeper().
new(#{name := Name, checkpoint_interval := Every, checkpoints := Keep}) -> #keeper{name = Name, every = Every, keep = Keep}.

%% @doc In memory always; in a file now, or when one is due.
-spec keep(now | due, cambrian_store:checkpoint(), keeper()) -> {outcome(), keeper()}.
keep(When, Checkpoint, #keeper{name = Name, every = Every, written_at = At} = Keeper) ->
    ok = cambrian_store:put(Name, Checkpoint),
    case When =:= now orelse At =:= undefined orelse erlang:monotonic_time(millisecond) - At >= Every of
        true -> write(Checkpoint, Keeper);
        false -> {ok, Keeper}
    end.

%% @doc Some of what is in memory; all else stays what it was. `Whole' is for a store that has lost it.
-spec amend(#{atom() => term()}, Whole :: fun(() -> cambrian_store:checkpoint()), keeper()) -> ok.
amend(Changes, Whole, #keeper{name = Name}) ->
    case cambrian_store:amend(Name, Changes) of
        ok -> ok;
        {error, not_found} -> cambrian_store:put(Name, Whole())
    end.

%% @doc What is in memory, in a file.
-spec write(keeper()) -> {outcome(), keeper()}.
write(#keeper{name = Name} = Keeper) ->
    {ok, Checkpoint} = cambrian_store:get(Name),
    write(Checkpoint, Keeper).

write(Checkpoint, #keeper{name = Name, keep = Keep} = Keeper) ->
    Written = cambrian_store:write(Name, Checkpoint, Keep),
    written(Written, Keeper#keeper{written_at = erlang:monotonic_time(millisecond)}).

%% Evolution goes on in memory, and on disk again when there is room: what is lost with the VM is done again.
written(ok, #keeper{failing = false} = Keeper) -> {ok, Keeper};
written(ok, #keeper{name = Name} = Keeper) ->
    logger:notice("checkpoints of the population ~tp are written again", [Name]),
    {ok, Keeper#keeper{failing = false}};
written({error, Reason}, #keeper{failing = false, name = Name} = Keeper) ->
    logger:warning("no checkpoint of the population ~tp could be written, it goes on without: ~tp", [Name, Reason]),
    {{failed, Reason}, Keeper#keeper{failing = true}};
written({error, _}, Keeper) -> {ok, Keeper}.
