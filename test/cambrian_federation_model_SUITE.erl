%% Checks `models/federation.pml' with Spin, in all its states: what the voters of a federation
%% decide is never replaced, and each flaw of the algorithm breaks that.
-module(cambrian_federation_model_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

all() ->
    [no_record_is_replaced, no_record_is_replaced_when_voters_change, each_flaw_replaces_a_record].

suite() -> [{timetrap, {minutes, 10}}].

init_per_suite(Config) ->
    case [Program || Program <- ["spin", "cc"], os:find_executable(Program) =:= false] of
        [] -> Config;
        [Missing | _] -> {skip, "no " ++ Missing}
    end.

end_per_suite(_) -> ok.

no_record_is_replaced(Config) ->
    ?assertEqual(holds, check(["-DEPOCHS=3"], Config)).

no_record_is_replaced_when_voters_change(Config) ->
    ?assertEqual(holds, check(["-DGROW"], Config)).

each_flaw_replaces_a_record(Config) ->
    [?assertEqual({Flaw, replaced}, {Flaw, check(["-D" ++ Name || Name <- Flaw], Config)})
     || Flaw <- [["PROMISE_IS_FORGOTTEN"], ["ACCEPTED_IS_IGNORED"], ["EARLIEST_IS_PROPOSED"],
                 ["MINORITY_COMMITS"], ["DISK_IS_LOST"], ["GROW", "EPOCH_OUTLASTS_VOTERS"]]].

%% Spin writes a program that visits every state, with at most so many MB of memory.
check(Defines, Config) ->
    Dir = filename:join(proplists:get_value(priv_dir, Config), lists:concat(Defines)),
    ok = filelib:ensure_path(Dir),
    Model = cambrian_checkout:path("test/models/federation.pml"),
    Output = os:cmd(lists:flatten(["cd '", Dir, "' && spin -a ", lists:join(" ", Defines), " '",
                                  Model, "' && cc -w -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=2000 "
                                  "-o pan pan.c && ./pan -n -m100000 2>&1"])),
    ct:pal("~ts: ~ts", [Defines, Output]),
    Says = fun(Text) -> string:find(Output, Text) =/= nomatch end,
    case {Says("errors: 0"), Says("Search not completed"), Says("assertion violated")} of
        {true, false, false} -> holds;
        {false, _, true} -> true = Says("committed["), replaced
    end.
