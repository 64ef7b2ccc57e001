%% The names and times of cambrian_exchanges.erl.

-define(REALM, <<"org.example.test">>).
-define(TASK, <<"a task">>).
-define(T0, 1_800_000_000_000).
-define(MINUTE, 60_000).

%% `cut' tells which pairs of nodes do not hear each other. `done' has the effects, the last
%% first.
-record(world,
        {now = ?T0, nodes = #{}, fitness = #{}, cut = fun(_, _) -> false end, blobs = #{},
         done = []}).
