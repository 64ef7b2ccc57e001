%% The folder that all this is in, wherever below it a test runs.
-module(cambrian_checkout).
-export([root/0, path/1]).

root() -> root(filename:absname(".")).

root(Dir) ->
    case {filelib:is_regular(filename:join(Dir, "native/cambrian_build.erl")), filename:dirname(Dir)} of
        {true, _} -> Dir;
        {false, Dir} -> error({not_in_a_checkout, filename:absname(".")});
        {false, Above} -> root(Above)
    end.

%% Of a file or folder that is named from there.
path(Name) -> filename:join(root(), Name).
