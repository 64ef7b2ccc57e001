%% A VM is killed at random moments while it bans keys and hears origins, or its disk is full. Its
%% realm never forgets a ban that returned `ok', never opens, and has each decision in the audit
%% once.
-module(cambrian_trust_cut_SUITE).
-include_lib("stdlib/include/assert.hrl").
-compile([export_all, nowarn_export_all]).

-define(REALM, <<"org.example.lab">>).
-define(MOMENTS, 20).

all() -> [a_realm_killed_while_it_saves_loses_no_ban, a_full_disk_loses_no_ban_that_returned_ok].

suite() -> [{timetrap, {minutes, 10}}].

a_realm_killed_while_it_saves_loses_no_ban(Config) ->
    Seed = case os:getenv("SEED") of false -> erlang:system_time(); Set -> list_to_integer(Set) end,
    ct:pal("SEED=~b", [Seed]),
    _ = rand:seed(exsss, Seed),
    Dir = filename:join(proplists:get_value(priv_dir, Config), "killed"),
    Answered =
        lists:foldl(fun(_, Before) -> kill_once(Dir, Before) end, [], lists:seq(1, ?MOMENTS)),
    ?assert(length(Answered) > ?MOMENTS),
    %% the bans that returned `ok', and at most one more of each VM
    in_data_dir(Dir, fun() ->
        Banned = banned(),
        ?assertEqual([], Answered -- Banned),
        {ok, Decisions, []} = cambrian_trust:decisions(?REALM),
        Noted =
            [binary_to_integer(Id, 16)
             || #{what := <<"banned">>, details := #{<<"genotype">> := Id}} <- Decisions],
        ?assertEqual([], Answered -- Noted),
        ?assertEqual(Noted, lists:usort(Noted)),
        ?assertEqual([],
                     [What
                      || #{what := What} <- Decisions,
                      lists:member(What, [<<"fell_back">>, <<"closed">>])]),
        ?assertEqual(sound, maps:get(condition, cambrian_trust:report(?REALM))),
        ?assertMatch({error, not_permitted}, stranger())
    end).

kill_once(Dir, Before) ->
    Port = child(Dir, length(Before) + 1000 * length(Before), ""),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    Answered = first(Port),
    _ = erlang:send_after(rand:uniform(300), self(), {kill, OsPid}),
    Before ++ until_end(Port, [Answered]).

%% Waits for the first `ok', after which the VM is killed during a ban.
first(Port) ->
    receive
        {Port, {data, {eol, "ok " ++ N}}} -> list_to_integer(N);
        {Port, {data, _}} -> first(Port);
        {Port, {exit_status, Status}} -> error({ended, Status})
    end.

until_end(Port, Answered) ->
    receive
        {kill, OsPid} -> _ = os:cmd(io_lib:format("kill -9 ~b", [OsPid])),
        until_end(Port, Answered);
        {Port, {data, {eol, "ok " ++ N}}} -> until_end(Port, [list_to_integer(N) | Answered]);
        {Port, {data, _}} -> until_end(Port, Answered);
        {Port, {exit_status, 137}} -> lists:reverse(Answered)
    end.

%% Writing a file of more than some kilobytes fails, as on a full disk. Then a ban returns an
%% error but holds while the VM lives, and earlier bans survive.
a_full_disk_loses_no_ban_that_returned_ok(Config) ->
    Dir = filename:join(proplists:get_value(priv_dir, Config), "full"),
    Port = child(Dir, 1, "trap '' XFSZ; ulimit -f 8; "),
    {Answered, Error} = until_error(Port, []),
    ?assert(length(Answered) > 3),
    ?assertMatch("{efbig," ++ _, Error),
    in_data_dir(Dir, fun() ->
        ?assertEqual([], Answered -- banned()),
        ?assertEqual(sound, maps:get(condition, cambrian_trust:report(?REALM))),
        ?assertEqual(ok, cambrian_trust:ban(?REALM, {genotype, <<1:256>>}))
    end).

until_error(Port, Answered) ->
    receive
        {Port, {data, {eol, "ok " ++ N}}} -> until_error(Port, [list_to_integer(N) | Answered]);
        {Port, {data, {eol, "error " ++ Error}}} ->
            receive {Port, {exit_status, 0}} -> {lists:reverse(Answered), Error} end;
        {Port, {data, _}} -> until_error(Port, Answered);
        {Port, {exit_status, Status}} -> error({ended, Status})
    end.

in_data_dir(Dir, Test) ->
    _ = application:stop(cambrian),
    _ = application:load(cambrian),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = application:ensure_all_started(cambrian),
    try Test()
    after
        ok = application:stop(cambrian),
        ok = application:unset_env(cambrian, data_dir)
    end.

banned() -> [N || #{what := {genotype, <<N:256>>}} <- cambrian_trust:bans(?REALM)].

stranger() ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => <<"xor">>, fitness => 1.0,
                                 generation => 1,
                                 sequence => 1,
                                 time => erlang:system_time(millisecond)}, G, <<9:256>>),
    cambrian_trust:check(?REALM, Bytes).

%%% ---- in the other VM ---------------------------------------------------------------------

child(Dir, From, Limit) ->
    Paths = [filename:dirname(code:which(Module)) || Module <- [cambrian, ?MODULE]],
    Erl = ["exec ", os:find_executable("erl"), " -noinput", [[" -pa ", Path] || Path <- Paths],
           " -eval '", io_lib:format("~s:bans(~0p, ~b).", [?MODULE, Dir, From]), "'"],
    open_port({spawn_executable, "/bin/sh"},
              [{args, ["-c", lists:flatten([Limit, Erl])]}, {line, 1000}, exit_status,
               stderr_to_stdout]).

%% Bans one genotype after the other, while origins are heard, until a ban fails.
bans(Dir, From) ->
    logger:set_primary_config(level, none),
    ok = application:load(cambrian),
    ok = application:set_env(cambrian, data_dir, Dir),
    {ok, _} = application:ensure_all_started(cambrian),
    Owner = cambrian_identity:public_key(<<1:256>>),
    ok = cambrian_trust:open(?REALM, #{capability => {signed_by, Owner}, rate => {1.0e9, 1.0e9}}),
    _ = spawn_link(fun() -> hear(Owner, os:system_time(microsecond)) end),
    Error = ban(From),
    true = cambrian_trust:is_banned(?REALM, {genotype, <<(element(1, Error)):256>>}),
    io:format("error ~0p~n", [element(2, Error)]),
    application:stop(cambrian),
    halt(0).

ban(N) ->
    case cambrian_trust:ban(?REALM, {genotype, <<N:256>>}, binary:copy(<<"x">>, 100)) of
        ok -> io:format("ok ~b~n", [N]), ban(N + 1);
        {error, Reason} -> {N, Reason}
    end.

hear(Owner, N) ->
    ok = cambrian_trust:ask(?REALM,
                            {genuine,
                             #{realm => ?REALM, origin => Owner, genotype => <<0:256>>,
                               sequence => N,
                               time => os:system_time(millisecond)}}),
    {error, malformed} = cambrian_trust:check(?REALM, <<"noise">>),
    timer:sleep(1),
    hear(Owner, N + 1).
