#!/usr/bin/env escript
%%! +sbwt none +sbwtdcpu none +sbwtdio none
%% Measures how long a realm of 10,000 origins takes to answer while it saves, and while another
%% realm saves: p50, p99 and maximum in ms, with one question every ms.
%% It needs `make build'.
%%
%%   bench/trust.escript [SECONDS]           default 10

-mode(compile).

-define(REALM, <<"org.example.bench">>).
-define(OTHER, <<"org.example.other">>).
-define(ORIGINS, 10_000).

main(Arguments) ->
    Seconds = case Arguments of [] -> 10; [Given | _] -> positive(Given) end,
    find_code(),
    logger:set_primary_config(level, error),
    ok = application:load(cambrian),
    Dir = filename:join(["/tmp", "cambrian_bench_" ++ os:getpid()]),
    ok = application:set_env(cambrian, data_dir, Dir),
    try
        {ok, _} = application:ensure_all_started(cambrian),
        Realms = [?REALM, ?OTHER],
        lists:foreach(fun fill/1, Realms),
        io:format("~b origins a realm, ~.1f MB a file~n",
                  [map_size(maps:get(origins, cambrian_trust:report(?REALM))),
                   size_of_file(Dir) / 1.0e6]),
        lists:foreach(fun({Name, Others}) -> measure(Name, Others, Seconds) end,
                      [{"nothing", []},
                       {"the realm saves once a second",
                        [fun() -> ban(?REALM), timer:sleep(1000) end]},
                       {"the realm saves all the time", [fun() -> ban(?REALM) end]},
                       {"another realm saves all the time", [fun() -> ban(?OTHER) end]},
                       {"somebody asks for its report all the time",
                        [fun() -> cambrian_trust:report(?REALM) end]}])
    after
        application:stop(cambrian),
        file:del_dir_r(Dir)
    end.

%% Finds the code of `make build' beside this script, so that no ERL_LIBS is needed.
find_code() ->
    Bench = filename:dirname(filename:absname(escript:script_name())),
    Ebin = filename:join(filename:dirname(Bench), "_build/default/lib/cambrian/ebin"),
    case code:add_patha(Ebin) of
        true -> ok;
        {error, bad_directory} -> wrong("nothing is built: run `make build` first")
    end.

wrong(Why) ->
    io:format(standard_error, "trust.escript: ~ts~n", [Why]),
    halt(2).

positive(Text) ->
    case string:to_integer(Text) of
        {Number, ""} when Number > 0 -> Number;
        _ -> wrong([Text, ": expected a positive integer"])
    end.

%% Fills a realm with origins, as if each had sent an envelope. Nothing is signed here.
fill(Realm) ->
    ok = cambrian_trust:open(Realm, #{}),
    Now = os:system_time(millisecond),
    lists:foreach(fun(N) ->
                      Claims = #{realm => Realm, origin => crypto:hash(sha256, <<N:32>>),
                                 genotype => <<N:256>>, sequence => 1, time => Now},
                      ok = cambrian_trust:ask(Realm, {genuine, Claims})
                  end, lists:seq(1, ?ORIGINS)).

ban(Realm) -> ok = cambrian_trust:ban(Realm, {genotype, <<7:256>>}).

size_of_file(Dir) ->
    ban(?REALM),
    Files = filelib:wildcard(Dir ++ "/realms/" ++ binary_to_list(?REALM) ++ "/*.trust"),
    lists:max(lists:map(fun filelib:file_size/1, Files)).

measure(Name, Others, Seconds) ->
    Pids = [spawn_link(fun() -> for_ever(Other) end) || Other <- Others],
    Took = lists:sort(questions(erlang:monotonic_time(microsecond), Seconds * 1000, [])),
    lists:foreach(fun(Pid) -> unlink(Pid), exit(Pid, kill) end, Pids),
    At = fun(Share) -> lists:nth(max(1, round(length(Took) * Share)), Took) / 1000 end,
    io:format("~-42s p50 ~.2f, p99 ~.2f, max ~.2f ms of ~b~n",
              [Name, At(0.5), At(0.99), At(1.0), length(Took)]).

for_ever(Do) -> Do(), for_ever(Do).

%% Each question has a scheduled time. If the last answer was late, the wait counts from the
%% scheduled time: else one slow answer would hide the delay of the questions after it.
questions(_Due, 0, Took) -> Took;
questions(Due, Left, Took) ->
    Asked = wait(Due, erlang:monotonic_time(microsecond)),
    Origin = crypto:hash(sha256, <<(rand:uniform(?ORIGINS)):32>>),
    true = is_float(cambrian_trust:reputation(?REALM, Origin)),
    questions(Due + 1000, Left - 1, [erlang:monotonic_time(microsecond) - Asked | Took]).

wait(Due, Now) when Now >= Due -> Due;
wait(Due, Now) ->
    timer:sleep((Due - Now + 999) div 1000),
    erlang:monotonic_time(microsecond).
