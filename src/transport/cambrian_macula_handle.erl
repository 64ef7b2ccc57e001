%% @private
%% The handle of a connection to Macula. With it, a process uses the connection without a call to
%% {@link cambrian_macula_connection}, which makes the handle. The table holds the present pool, the
%% handlers, and the alias of each process that waits for an answer.
-module(cambrian_macula_handle).

-export([with_pool/2, take_slot/2, free_slot/1]).
-export_type([handle/0]).

%% `handlers' and `transfers' count the ones that are running.
-type handle() :: #{process := pid(), table := ets:table(), sdk := module(), realm := binary(),
                    address := binary(), sender := binary(), handlers := atomics:atomics_ref(),
                    transfers := atomics:atomics_ref()}.

%% @doc Calls the fun with the present pool of Macula, if there is one.
-spec with_pool(handle(), fun((pid()) -> Result)) -> Result | {error, disconnected}.
with_pool(#{table := Table}, Fun) ->
    try ets:lookup(Table, pool) of
        [{pool, Pool}] -> Fun(Pool);
        [] -> {error, disconnected}
    catch error:badarg -> {error, disconnected}
    end.

%% @doc Takes one of `Most' slots, if one is free.
-spec take_slot(atomics:atomics_ref(), Most :: pos_integer()) -> boolean().
take_slot(Counter, Most) ->
    atomics:add_get(Counter, 1, 1) =< Most orelse begin free_slot(Counter), false end.

-spec free_slot(atomics:atomics_ref()) -> ok.
free_slot(Counter) -> atomics:sub(Counter, 1, 1).
