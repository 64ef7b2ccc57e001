%% A directory for the time of one test.
-module(cambrian_temporary).
-export([with_dir/1, with_data_dir/1, dir/0, mode/1]).

with_dir(Test) ->
    Dir = dir(),
    try Test(Dir)
    after
        _ = file:change_mode(Dir, 8#700),
        ok = file:del_dir_r(Dir)
    end.

%% With the application started on it.
with_data_dir(Test) ->
    with_dir(fun(Dir) ->
        _ = application:stop(cambrian),
        _ = application:load(cambrian),
        ok = application:set_env(cambrian, data_dir, Dir),
        {ok, _} = application:ensure_all_started(cambrian),
        try Test(Dir)
        after
            _ = application:stop(cambrian),
            ok = application:unset_env(cambrian, data_dir)
        end
    end).

dir() ->
    Base = case os:getenv("TMPDIR") of false -> "/tmp"; Set -> Set end,
    Name = lists:concat(["cambrian_", os:getpid(), "_", erlang:unique_integer([positive])]),
    Dir = filename:join(Base, Name),
    ok = file:make_dir(Dir),
    Dir.

%% The rights of a file.
mode(Path) ->
    {ok, Info} = file:read_file_info(Path),
    element(8, Info) band 8#777.
