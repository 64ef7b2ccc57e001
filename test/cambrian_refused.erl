%% What a call says of its arguments when it raises a `badarg'.
-module(cambrian_refused).
-export([arguments/1]).

%% @doc Calls a fun that raises a `badarg', and returns the text of each wrong argument.
-spec arguments(fun(() -> term())) -> #{pos_integer() => binary()}.
arguments(Call) ->
    try Call() of
        Answer -> error({not_refused, Answer})
    catch
        error:badarg:Stack ->
            maps:map(fun(_, Text) -> unicode:characters_to_binary(Text) end,
                     cambrian_badarg:format_error(badarg, Stack))
    end.
