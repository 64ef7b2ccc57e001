%% @private
%% Runs a function in a process of its own. The answer is the exit reason of that process, so that
%% no message stays in the mailbox of a caller that stopped waiting.
-module(cambrian_async).

-export([start/1, start_bound/1, await/2, await_all/2, answer/1]).
-export_type([async/0]).

-type async() :: {pid(), Monitor :: reference()}.

%% @doc Starts the work. The caller gets the `DOWN' message of this monitor; {@link answer/1}
%% reads its reason.
-dialyzer({nowarn_function, start/1}).
-spec start(fun(() -> term())) -> async().
start(Fun) -> spawn_monitor(fun() -> exit({?MODULE, Fun()}) end).

%% @doc Starts the work, and kills it when the caller ends. Use it for a user's code, which may
%% never end by itself.
-spec start_bound(fun(() -> term())) -> async().
start_bound(Fun) ->
    Caller = self(),
    {Work, _} = Started = start(Fun),
    _ = spawn(fun() ->
                  {Ends, Ended} = {monitor(process, Caller), monitor(process, Work)},
                  receive
                      {'DOWN', Ends, process, Caller, _} -> exit(Work, kill);
                      {'DOWN', Ended, process, Work, _} -> ok
                  end
              end),
    Started.

%% @doc Reads an exit reason: the result of the work, or why its process ended without one.
-spec answer(Reason :: term()) -> {ok, term()} | {error, term()}.
answer({?MODULE, Answer}) -> {ok, Answer};
answer(Reason) -> {error, Reason}.

%% @doc Waits for at most so many ms, then kills the work.
-spec await(async(), timeout()) -> {ok, term()} | {error, term()} | timeout.
await({Pid, Monitor}, Timeout) ->
    receive {'DOWN', Monitor, process, Pid, Reason} -> answer(Reason)
    after Timeout ->
        demonitor(Monitor, [flush]),
        exit(Pid, kill),
        timeout
    end.

%% @doc Runs all functions at the same time. Waits for at most `Ms' milliseconds in total.
-spec await_all([fun(() -> term())], Ms :: non_neg_integer()) ->
          [{ok, term()} | {error, term()} | timeout].
await_all(Funs, Ms) ->
    Until = erlang:monotonic_time(millisecond) + Ms,
    [await(Async, max(0, Until - erlang:monotonic_time(millisecond)))
     || Async <- lists:map(fun start/1, Funs)].
