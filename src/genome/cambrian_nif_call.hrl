%% How modules that users call ask the library.

%% The library answers `dirty' when the work is too long for a normal scheduler.
-define(NORMAL_OR_DIRTY(Normal, Dirty),
        try Normal of
            dirty -> Dirty;
            Answer -> Answer
        catch
            error:badarg:Stack -> cambrian_badarg:raise(Stack)
        end).

%% A `badarg' of the library says which argument was wrong.
-define(EXPLAIN_BADARG(Call),
        try Call catch error:badarg:Stack -> cambrian_badarg:raise(Stack) end).
