%% @private
%% Long work of the library, for a process that waits for it. The work runs on threads of its own, and stops when the
%% process ends.
-module(cambrian_job).

-export([await/1, answer/1]).

-type post() :: fun((Tag :: reference()) -> Job :: reference() | {error, term()}).
%% What is answered in place of a job is the answer.

-spec await(post()) -> {ok, term()} | {error, term()}.
await(Post) ->
    Tag = make_ref(),
    case Post(Tag) of
        {error, _} = Error -> Error;
        _Job -> receive {Tag, Answer} -> Answer end
    end.

%% @doc What the work came to, or the error for which it was not begun.
-spec answer(post()) -> term().
answer(Post) ->
    case await(Post) of
        {ok, Answer} -> Answer;
        {error, panicked} -> error(panicked);
        {error, _} = Error -> Error
    end.
