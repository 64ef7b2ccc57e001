%% @private
%% Waits for a job: long work of the library that runs on the library's own threads. A job stops
%% when the waiting process ends.
-module(cambrian_job).

-export([await/1, answer/1]).

-type post() :: fun((Tag :: reference()) -> Job :: reference() | {error, term()}).
%% The answer to the start of a job: a reference to wait for, or the result at once.

%% @doc Waits for the answer of a job.
-spec await(post()) -> {ok, term()} | {error, term()}.
await(Post) ->
    Tag = make_ref(),
    case Post(Tag) of
        {error, _} = Error -> Error;
        _Job -> receive {Tag, Answer} -> Answer end
    end.

%% @doc The result of a job, or the error that prevented its start. Raises a panic of the library as
%% an exception.
-spec answer(post()) -> term().
answer(Post) ->
    case await(Post) of
        {ok, Answer} -> Answer;
        {error, panicked} -> error(panicked);
        {error, _} = Error -> Error
    end.
