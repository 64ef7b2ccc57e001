%% The root folder of this checkout, found from any folder below it.
-module(cambrian_checkout).
-export([root/0, path/1]).

root() -> root(filename:absname(".")).

root(Dir) ->
    case {filelib:is_regular(filename:join(Dir, "native/cambrian_build.erl")),
          filename:dirname(Dir)} of
        {true, _} -> Dir;
        {false, Dir} -> error({not_in_a_checkout, filename:absname(".")});
        {false, Above} -> root(Above)
    end.

%% The path of a file or folder, given relative to the root.
path(Name) -> filename:join(root(), Name).
