%% @private
%% Caches results of pure functions in the calling process: in a simulation a thousand nodes read
%% the same bytes. The cache is bounded: it has two halves, and drops the older when the younger is
%% full. Results for large keys are not cached.
-module(cambrian_memo).

-export([once/2, forget/0]).

-define(HALF, 10_000).
-define(LARGE, 8192).

%% @doc The result of `Fun', which must depend only on `Key'.
-spec once(Key :: term(), fun(() -> Answer)) -> Answer.
once(Key, Fun) ->
    {Young, Old} = halves(),
    case {Young, Old} of
        {#{Key := Answer}, _} -> Answer;
        {_, #{Key := Answer}} -> keep(Key, Answer, Young, Old);
        _ ->
            Answer = Fun(),
            %% `Fun' may have cached a result itself
            {Now, Before} = halves(),
            case is_large(Key) of true -> Answer; false -> keep(Key, Answer, Now, Before) end
    end.

%% @doc Empties the cache.
-spec forget() -> ok.
forget() ->
    _ = erase(?MODULE),
    ok.

halves() ->
    case get(?MODULE) of
        undefined -> {#{}, #{}};
        Halves -> Halves
    end.

keep(Key, Answer, Young, _Old) when map_size(Young) >= ?HALF ->
    _ = put(?MODULE, {#{Key => Answer}, Young}),
    Answer;
keep(Key, Answer, Young, Old) ->
    _ = put(?MODULE, {Young#{Key => Answer}, Old}),
    Answer.

is_large({_, Bytes}) -> is_large(Bytes);
is_large({_, Bytes, _}) -> is_large(Bytes);
is_large(Bytes) -> is_binary(Bytes) andalso byte_size(Bytes) > ?LARGE.
