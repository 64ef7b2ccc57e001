%% @private
%% Calls of a population that survive its crashes. If the population crashes before or during a
%% call, the call waits until the population returns. The name and the old pid both work.
-module(cambrian_population_client).

-export([call/3, step/2, stop/1]).

-define(LOOK_MS, 5).
%% The longest time of a timer: seven weeks.
-define(MAX_MS, 16#FFFFFFFF).

-spec call(cambrian_population:population(), Request :: term(), timeout()) -> term().
call(Population, Request, infinity) -> call_until(Population, Request, infinity);
call(Population, Request, Timeout) -> call_until(Population, Request, now_ms() + Timeout).

call_until(Population, Request, Deadline) ->
    try gen_statem:call(Population, Request, left(Deadline))
    catch
        exit:{timeout, _} = Reason:Stack -> erlang:raise(exit, Reason, Stack);
        exit:{_, {gen_statem, call, _}} = Reason:Stack ->
            call_until(returned(Population, Reason, Stack, Deadline), Request, Deadline)
    end.

%% @doc If the population crashes and returns meanwhile, it does only the remaining generations.
-spec step(cambrian_population:population(), pos_integer()) ->
          {ok, cambrian_population:stats()} | {error, term()}.
step(Population, Generations) ->
    #{next := First} = call(Population, next, infinity),
    step(Population, First, First + Generations - 1).

step(Population, First, Last) ->
    try gen_statem:call(Population, {step, max(1, Last - First + 1)}, infinity)
    catch
        exit:{_, {gen_statem, call, _}} = Reason:Stack ->
            Returned = returned(Population, Reason, Stack, infinity),
            #{next := Next} = call(Returned, next, infinity),
            step(Returned, Next, Last)
    end.

-spec stop(cambrian_population:population()) -> ok.
stop(Population) ->
    try gen_statem:stop(Population)
    catch exit:Reason:Stack -> stop(returned(Population, Reason, Stack, infinity))
    end.

%% Waits for the population to return. If it does not return, raises the exception again.
returned(Population, Reason, Stack, Deadline) ->
    _ = [cambrian_running:check() || is_atom(Population) orelse node(Population) =:= node()],
    case cambrian_store:whereabouts(Population) of
        {alive, Pid} -> Pid;
        gone -> erlang:raise(exit, Reason, Stack);
        returning ->
            Late = {timeout, {cambrian_population, await, [Population]}},
            _ = [exit(Late) || left(Deadline) =:= 0],
            timer:sleep(?LOOK_MS),
            returned(Population, Reason, Stack, Deadline)
    end.

left(infinity) -> infinity;
left(Deadline) -> min(?MAX_MS, max(0, Deadline - now_ms())).

now_ms() -> erlang:monotonic_time(millisecond).
