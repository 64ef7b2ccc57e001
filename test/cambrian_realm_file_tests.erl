%% The files of a realm's trust. A damaged file never opens a realm.
-module(cambrian_realm_file_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).
-define(BANNED, {genotype, <<7:256>>}).

secret(N) -> <<N:256>>.
key(N) -> cambrian_identity:public_key(secret(N)).

sealed(N, Sequence) ->
    {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
    {ok, Bytes} =
        cambrian_envelope:seal(#{realm => ?REALM, task => <<"xor">>, fitness => 3.0,
                                 generation => 1,
                                 sequence => Sequence, time => erlang:system_time(millisecond)}, G,
                               secret(N)),
    Bytes.

arrives(N, Sequence) ->
    case cambrian_trust:check(?REALM, sealed(N, Sequence)) of
        {ok, _, _} -> ok;
        {error, Reason} -> Reason
    end.

with_data_dir(Test) ->
    {timeout, 600,
     fun() -> cambrian_temporary:with_data_dir(fun(Dir) -> quietly(fun() -> Test(Dir) end) end)
     end}.

quietly(Test) ->
    ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
    try Test() after ok = logger:remove_primary_filter(expected) end.

place(Dir) -> filename:join([Dir, "realms", binary_to_list(?REALM)]).
generations(Dir) -> lists:sort(filelib:wildcard(filename:join(place(Dir), "*.trust"))).

restart() ->
    ok = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    ok.

condition() -> maps:get(condition, cambrian_trust:report(?REALM)).

%% A closed realm with two bans, each of which wrote two files with the same contents.
two_generations() ->
    ok = cambrian_trust:open(?REALM, #{capability => {keys, [key(1), key(2)]}}),
    ok = cambrian_trust:ban(?REALM, ?BANNED),
    ok = cambrian_trust:ban(?REALM, {key, key(1)}).

flipped(At, Bytes) ->
    <<Before:At, Bit:1, After/bits>> = Bytes,
    <<Before:At, (1 - Bit):1, After/bits>>.

%%% ---- damaged files -----------------------------------------------------------------------

the_last_two_generations_are_kept_test_() ->
    with_data_dir(fun(Dir) ->
        two_generations(),
        ?assertEqual(["000000000005.trust", "000000000006.trust"],
                     [filename:basename(File) || File <- generations(Dir)]),
        ?assertEqual(sound, condition()),
        restart(),
        ?assertEqual({sound, 2}, {condition(), length(cambrian_trust:bans(?REALM))})
    end).

%% M4: If a bit of the newest file flips, the realm reads the file before it, which has the same
%% contents, and logs that. If there is only one file, the realm is closed.
a_flipped_bit_never_opens_a_realm_test_() ->
    with_data_dir(fun(Dir) ->
        two_generations(),
        ok = application:stop(cambrian),
        [Before, Newest] = generations(Dir),
        {ok, Bytes} = file:read_file(Newest),
        Last = bit_size(Bytes) - 1,
        [begin
             ok = file:write_file(Newest, flipped(Bit, Bytes)),
             {ok, Realm, 6, [#{file := _, reason := _}]} = cambrian_realm_file:load(?REALM),
             ?assertEqual({Bit, [true, true]},
                          {Bit,
                           [cambrian_realm:is_banned(What, Realm)
                            || What <- [?BANNED, {key, key(1)}]]})
         end || Bit <- lists:seq(0, Last)],
        ok = file:delete(Before),
        [begin
             ok = file:write_file(Newest, flipped(Bit, Bytes)),
             ?assertMatch({Bit, {closed, 6, [#{file := _, reason := _}]}},
                          {Bit, cambrian_realm_file:load(?REALM)})
         end || Bit <- lists:seq(0, Last)],
        ok = file:write_file(Newest, Bytes),
        ?assertMatch({ok, _, 6, []}, cambrian_realm_file:load(?REALM))
    end).

%% An earlier release wrote one file.
a_file_of_an_earlier_release_is_read_test_() ->
    with_data_dir(fun(Dir) ->
        two_generations(),
        ok = application:stop(cambrian),
        {ok, Realm, _, []} = cambrian_realm_file:load(?REALM),
        Payload = term_to_binary(cambrian_realm:save(Realm)),
        Bytes = <<"cambrian trust 1\n", (crypto:hash(sha256, Payload))/binary, Payload/binary>>,
        ok = file:del_dir_r(place(Dir)),
        ok = file:make_dir(place(Dir)),
        File = filename:join(place(Dir), "trust"),
        ok = file:write_file(File, Bytes),
        ?assertMatch({ok, Realm, 0, []}, cambrian_realm_file:load(?REALM)),
        [begin
             ok = file:write_file(File, flipped(Bit, Bytes)),
             ?assertMatch({Bit, {closed, 0, [#{file := _}]}},
                          {Bit, cambrian_realm_file:load(?REALM)})
         end || Bit <- lists:seq(0, bit_size(Bytes) - 1)],
        ok = file:write_file(File, Bytes),
        {ok, _} = application:ensure_all_started(cambrian),
        ?assertEqual([banned_key, not_permitted], [arrives(1, 1), arrives(3, 1)]),
        ok = cambrian_trust:ban(?REALM, {key, key(2)}),
        ?assertEqual(["000000000001.trust", "000000000002.trust"],
                     [filename:basename(Each) || Each <- generations(Dir)]),
        ?assertEqual({2, false}, {length(generations(Dir)), filelib:is_file(File)})
    end).

%% The newest file may be damaged or gone after any decision: no decision is lost, and the realm
%% does not open.
no_decision_depends_on_a_single_file_test_() ->
    with_data_dir(fun(Dir) ->
        Owners = [key(1), key(2)],
        Charter = fun() ->
                      {ok, Bytes} =
                          cambrian_charter:seal(#{realm => ?REALM, number => 1, owners => Owners},
                                                secret(1)),
                      ok = cambrian_trust:amend(?REALM, Bytes)
                  end,
        Decisions =
            [{capability,
              fun() -> ok = cambrian_trust:open(?REALM, #{capability => {keys, Owners}}) end},
             {ban, fun() -> ok = cambrian_trust:ban(?REALM, ?BANNED) end},
             {owners,
              fun() -> ok = cambrian_trust:open(?REALM, #{capability => {signed_by, key(1)}}) end},
             {charter, Charter},
             {unban, fun() -> ok = cambrian_trust:unban(?REALM, ?BANNED) end}],
        ok = cambrian_trust:open(?REALM, #{}),
        lists:foreach(fun({What, Decide}) ->
            Decide(),
            Expected = decided(),
            [begin
                 ok = application:stop(cambrian),
                 Harm(lists:last(generations(Dir))),
                 {ok, _} = application:ensure_all_started(cambrian),
                 ?assertEqual({What, Expected}, {What, decided()}),
                 %% the next decision of a user writes both files again
                 ok = cambrian_trust:ban(?REALM, {genotype, <<8:256>>}),
                 ok = cambrian_trust:unban(?REALM, {genotype, <<8:256>>})
             end
             || Harm <- [fun(File) -> ok = file:delete(File) end,
                         fun(File) -> ok = file:write_file(File, <<"torn">>) end]]
        end, Decisions)
    end).

decided() ->
    #{capability := Capability, owners := Of, charter := Bytes, bans := Bans} =
        cambrian_trust:report(?REALM),
    {Capability, Of, Bytes, [What || #{what := What} <- Bans]}.

a_realm_that_reads_an_older_file_logs_it_test_() ->
    with_data_dir(fun(Dir) ->
        two_generations(),
        ok = application:stop(cambrian),
        Newest = lists:last(generations(Dir)),
        ok = file:write_file(Newest, <<"torn">>),
        {ok, _} = application:ensure_all_started(cambrian),
        Expected = list_to_binary(Newest),
        ?assertMatch({fell_back, [#{file := Expected, reason := other_file}]}, condition()),
        %% strangers are still refused, and both bans hold
        ?assertEqual([not_permitted, banned_key], [arrives(3, 1), arrives(1, 1)]),
        ?assertEqual([?BANNED, {key, key(1)}],
                     [What || #{what := What} <- cambrian_trust:bans(?REALM)]),
        {ok, Decisions, []} = cambrian_trust:decisions(?REALM),
        ?assertEqual([<<"opened">>, <<"banned">>, <<"banned">>, <<"fell_back">>],
                     [What || #{what := What} <- Decisions]),
        {ok, _} = cambrian_bridge:start(#{realm => ?REALM}),
        ?assertMatch(#{trust := fell_back}, cambrian_bridge:status()),
        ?assertEqual({ok, <<"torn">>}, file:read_file(Newest ++ ".torn")),
        %% the next file has a higher number than the damaged one
        ok = cambrian_trust:ban(?REALM, {key, key(1)}),
        ?assertEqual(false, filelib:is_file(Newest)),
        ?assert(lists:last(generations(Dir)) > Newest)
    end).

%%% ---- lost files --------------------------------------------------------------------------

%% The files were deleted, renamed or set aside, or other files are in their place: the realm
%% existed, so it is closed.
a_realm_whose_files_are_lost_is_closed_test_() ->
    with_data_dir(fun(Dir) ->
        Lose = #{deleted => fun(File) -> ok = file:delete(File) end,
                 set_aside => fun(File) -> ok = file:rename(File, File ++ ".torn") end,
                 renamed => fun(File) -> ok = file:rename(File, filename:rootname(File)) end,
                 another_number =>
                     fun(File) ->
                         ok = file:rename(File, filename:join(place(Dir), "000000000099.trust"))
                     end,
                 directory => fun(File) -> ok = file:delete(File), ok = file:make_dir(File) end,
                 link =>
                     fun(File) -> ok = file:delete(File), ok = file:make_symlink("nowhere", File)
                     end},
        [begin
             ok = cambrian_trust:open(?REALM, #{capability => {keys, [key(1)]}}),
             ok = application:stop(cambrian),
             _ = lists:foreach(Do, generations(Dir)),
             {ok, _} = application:ensure_all_started(cambrian),
             ?assertEqual({How, [{error, {realm_damaged, ?REALM}}, realm_damaged, realm_damaged]},
                          {How,
                           [cambrian_trust:open(?REALM, #{capability => open}), arrives(1, 1),
                            arrives(2, 1)]}),
             ?assertMatch({How, {closed, [_ | _]}}, {How, condition()}),
             %% also after a restart
             restart(),
             ?assertEqual({How, realm_damaged}, {How, arrives(1, 1)}),
             ok = application:stop(cambrian),
             ok = file:del_dir_r(place(Dir)),
             {ok, _} = application:ensure_all_started(cambrian)
         end || {How, Do} <- maps:to_list(Lose)],
        %% an empty directory that a killed VM created does not count as a realm
        ok = file:make_dir(place(Dir)),
        ok = file:write_file(filename:join(place(Dir), "000000000001.trust.tmp"), <<>>),
        ?assertEqual(ok, cambrian_trust:open(?REALM, #{})),
        ?assertEqual(ok, arrives(1, 1))
    end).

%% A copy of another realm's file, or an older file under a newer number.
copies_of_other_files_are_refused_test_() ->
    with_data_dir(fun(Dir) ->
        two_generations(),
        Other = <<"org.example.other">>,
        ok = cambrian_trust:open(Other, #{}),
        ok = application:stop(cambrian),
        [Before, Newest] = generations(Dir),
        {ok, Own} = file:read_file(Newest),
        {ok, Foreign} =
            file:read_file(filename:join([Dir, "realms", binary_to_list(Other),
                                          "000000000001.trust"])),
        {ok, Older} = file:read_file(Before),
        [begin
             ok = file:write_file(Newest, Bytes),
             ?assertMatch({ok, _, 6, [#{reason := other_file}]}, cambrian_realm_file:load(?REALM))
         end || Bytes <- [Foreign, Older]],
        ok = file:write_file(Newest, Own),
        ?assertMatch({ok, _, 6, []}, cambrian_realm_file:load(?REALM))
    end).

%% The contents of an unreadable file are unknown, so no older file may replace it.
an_unreadable_file_closes_the_realm_until_it_can_be_read_test_() ->
    with_data_dir(fun(Dir) ->
        ok = cambrian_trust:open(?REALM, #{}),
        ok = cambrian_trust:ban(?REALM, ?BANNED),
        ok = application:stop(cambrian),
        Away = place(Dir) ++ ".away",
        ok = file:rename(place(Dir), Away),
        ok = file:write_file(place(Dir), <<>>),
        {ok, _} = application:ensure_all_started(cambrian),
        ?assertMatch({error, {enotdir, _}}, cambrian_trust:open(?REALM, #{})),
        ?assertMatch({enotdir, _}, arrives(1, 1)),
        ?assertMatch({closed, {enotdir, _}}, condition()),
        ok = file:delete(place(Dir)),
        ok = file:rename(Away, place(Dir)),
        ?assertEqual([banned_genotype], lists:usort([banned(), banned()])),
        ?assertEqual(sound, condition())
    end).

banned() ->
    case cambrian_trust:ask(?REALM, {is_banned, ?BANNED}) of
        true -> banned_genotype;
        false -> open
    end.

%%% ---- closed realms -----------------------------------------------------------------------

%% A closed realm takes nothing in and sends nothing, and its status says so, until a user opens
%% it.
a_closed_realm_refuses_everything_test_() ->
    with_data_dir(fun(Dir) ->
        two_generations(),
        ok = application:stop(cambrian),
        lists:foreach(fun(File) -> ok = file:write_file(File, <<>>) end, generations(Dir)),
        {ok, _} = application:ensure_all_started(cambrian),
        Damaged = {error, {realm_damaged, ?REALM}},
        ?assertEqual([realm_damaged, realm_damaged], [arrives(1, 1), arrives(3, 1)]),
        ?assertEqual({error, malformed}, cambrian_trust:check(?REALM, <<"noise">>)),
        ?assertEqual([Damaged, Damaged, Damaged, Damaged],
                     [cambrian_trust:ban(?REALM, ?BANNED), cambrian_trust:unban(?REALM, ?BANNED),
                      cambrian_trust:follow(?REALM,
                                            cambrian_identity:succession(secret(1), secret(2))),
                      cambrian_trust:checked(?REALM, #{origin => key(1), fitness => 1}, 1)]),
        ?assertEqual([true, false, false], [cambrian_trust:ask(?REALM, Request)
                                            || Request <- [{is_banned, ?BANNED}, {is_heard, key(1)},
                                                           {has_earned, key(1)}]]),
        ?assert(cambrian_trust:is_banned(?REALM, ?BANNED)),
        ?assertMatch([#{reason := malformed}, #{reason := realm_damaged},
                      #{reason := realm_damaged}],
                     cambrian_trust:refusals(?REALM)),
        %% the bridge starts, since local populations need no trust, but takes nothing in
        {ok, _} = cambrian_bridge:start(#{realm => ?REALM, capability => open}),
        ?assertMatch(#{trust := closed}, cambrian_bridge:status()),
        ?assertMatch(#{mesh := #{realms := [#{trust := closed}]}},
                     cambrian_dashboard_snapshot:all()),
        {ok, _} = cambrian_dashboard:start(#{port => 0}),
        {503, _, Health} = cambrian_dashboard_health:full(),
        ?assertNotEqual(nomatch, string:find(Health, "the realm org.example.test is closed")),
        {ok, Stranger} = cambrian_transport_dist:connect(#{realm => ?REALM}),
        ok = cambrian_transport_dist:publish(Stranger, <<"genotype">>, sealed(3, 1)),
        cambrian_wait:until(fun() ->
            maps:get({rejected, realm_damaged}, cambrian_bridge:counts(), 0) > 0 end),
        {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 1),
        ?assertMatch({error, _},
                     cambrian_bridge:publish_genotype(G, #{task => <<"xor">>, fitness => 1.0})),
        ok = cambrian_transport_dist:disconnect(Stranger),
        %% the capability is lost too and must be given again
        ?assertEqual({error, {missing_options, [capability]}}, cambrian_trust:reset(?REALM, #{})),
        ?assertEqual({error, {unknown_realm, <<"else">>}},
                     cambrian_trust:reset(<<"else">>, #{capability => open})),
        ?assertEqual(ok, cambrian_trust:reset(?REALM, #{capability => {keys, [key(3)]}})),
        ?assertEqual({error, {not_damaged, ?REALM}},
                     cambrian_trust:reset(?REALM, #{capability => open})),
        ?assertEqual([not_permitted, ok], [arrives(1, 1), arrives(3, 1)]),
        ?assertEqual(false, maps:is_key(trust, cambrian_bridge:status())),
        {ok, Decisions, []} = cambrian_trust:decisions(?REALM),
        ?assertEqual([<<"opened">>, <<"banned">>, <<"banned">>, <<"closed">>, <<"closed">>,
                      <<"reset">>],
                     [What || #{what := What} <- Decisions]),
        restart(),
        ?assertEqual([not_permitted, replay], [arrives(1, 1), arrives(3, 1)]),
        ?assertEqual(sound, condition()),
        ?assertEqual(2, length(filelib:wildcard(filename:join(place(Dir), "*.torn"))))
    end).

%% Many processes ask for the realm at the same time, before its process exists.
concurrent_first_callers_share_one_process_of_a_realm_test_() ->
    with_data_dir(fun(_) ->
        [begin
             Realm = integer_to_binary(N),
             Self = self(),
             Askers =
                 [spawn_link(fun() ->
                     receive go -> Self ! {opened, cambrian_trust:open(Realm, #{})} end end)
                  || _ <- lists:seq(1, 20)],
             [Asker ! go || Asker <- Askers],
             ?assertEqual([ok],
                          lists:usort([receive {opened, Opened} -> Opened end || _ <- Askers]))
         end || N <- lists:seq(1, 50)],
        ?assertEqual(50, proplists:get_value(active, supervisor:count_children(cambrian_realms)))
    end).

%%% ---- one process a realm -----------------------------------------------------------------

%% A suspended realm blocks only its own callers. A crashed realm loses no ban and no subscriber,
%% and does not affect other realms.
realms_do_not_block_each_other_test_() ->
    with_data_dir(fun(_Dir) -> apart() end).

%% Without a data_dir.
realms_do_not_block_each_other_in_memory_test_() ->
    {timeout, 300, fun() ->
        _ = application:stop(cambrian),
        {ok, _} = application:ensure_all_started(cambrian),
        try quietly(fun apart/0) after ok = application:stop(cambrian) end
    end}.

%% Kills the supervisor of the realms, and the supervisor above it.
a_ban_in_memory_survives_a_crash_of_the_supervisors_test_() ->
    {timeout, 60, fun() ->
        _ = application:stop(cambrian),
        {ok, _} = application:ensure_all_started(cambrian),
        try quietly(fun() ->
            [banned_after_the_death_of(Name) || Name <- [cambrian_realms, cambrian_mesh_sup]] end)
        after ok = application:stop(cambrian)
        end
    end}.

banned_after_the_death_of(Name) ->
    ok = cambrian_trust:open(?REALM, #{}),
    ok = cambrian_trust:ban(?REALM, {key, key(1)}),
    Before = whereis(cambrian_realms),
    true = exit(whereis(Name), kill),
    cambrian_wait:until(fun() ->
        lists:member(whereis(cambrian_realms), [undefined, Before]) =:= false end),
    ?assertEqual({Name, true}, {Name, cambrian_trust:is_banned(?REALM, {key, key(1)})}),
    ok = cambrian_trust:unban(?REALM, {key, key(1)}).

apart() ->
    Other = <<"org.example.other">>,
    ok = cambrian_trust:open(?REALM, #{capability => {keys, [key(1), key(2)]}}),
    ok = cambrian_trust:open(Other, #{}),
    ok = cambrian_trust:ban(?REALM, {key, key(1)}),
    ok = cambrian_trust:subscribe(?REALM),
    {ok, One} = cambrian_realms:find(?REALM),
    {ok, Two} = cambrian_realms:find(Other),
    ok = sys:suspend(One),
    ?assertEqual({error, malformed}, cambrian_trust:check(Other, <<"noise">>)),
    ok = cambrian_trust:ban(Other, ?BANNED),
    %% a caller that waits for the realm when it dies is refused
    Self = self(),
    Asker = spawn_link(fun() -> Self ! {answer, arrives(2, 1)} end),
    cambrian_wait:until(fun() ->
        process_info(Asker, status) =:= {status, waiting} andalso waits(One) end),
    true = exit(One, kill),
    receive {answer, Answer} -> ?assertEqual({realm_unavailable, ?REALM}, Answer) end,
    ?assertEqual([banned_key, not_permitted, ok], [arrives(1, 1), arrives(3, 1), arrives(2, 1)]),
    receive {cambrian_trust, ?REALM, {refused, #{reason := banned_key}}} -> ok after 60_000 ->
            error(no_event) end,
    ?assertEqual({ok, Two}, cambrian_realms:find(Other)),
    ?assertNotEqual({ok, One}, cambrian_realms:find(?REALM)).

waits(Pid) ->
    {message_queue_len, Length} = process_info(Pid, message_queue_len),
    Length > 0.

%% While a realm with many origins is saved in pieces, it answers questions between two pieces.
a_realm_answers_while_it_saves_test_() ->
    with_data_dir(fun(_) ->
        ok = cambrian_trust:open(?REALM, #{}),
        Now = os:system_time(millisecond),
        Origins = 3000,
        [ok = cambrian_trust:ask(?REALM,
                                 {genuine,
                                  #{realm => ?REALM, origin => <<N:256>>, genotype => <<N:256>>,
                                    sequence => 1,
                                    time => Now}}) || N <- lists:seq(1, Origins)],
        {ok, Server} = cambrian_realms:find(?REALM),
        %% a ban and then a question are in the mailbox; the realm answers the question before it
        %% has written the ban
        ok = sys:suspend(Server),
        Self = self(),
        _ = spawn_link(fun() -> Self ! {banned, cambrian_trust:ban(?REALM, ?BANNED)} end),
        cambrian_wait:until(fun() -> waits(Server) end),
        _ = spawn_link(fun() -> Self ! {known, cambrian_trust:is_banned(?REALM, ?BANNED)} end),
        cambrian_wait:until(fun() ->
            process_info(Server, message_queue_len) =:= {message_queue_len, 2} end),
        1 = erlang:trace(Server, true, [call, send]),
        _ = erlang:trace_pattern({cambrian_realm_file, step, 1}, true, []),
        ok = sys:resume(Server),
        receive {known, Known} -> ?assert(Known) end,
        receive {banned, Banned} -> ?assertEqual(ok, Banned) end,
        _ = erlang:trace(Server, false, [call, send]),
        Done = [What || What <- traced(), What =/= other],
        ?assertEqual([answered], lists:takewhile(fun(What) -> What =/= step end, Done)),
        ?assert(length([step || step <- Done]) > Origins div 300),
        restart(),
        ?assertEqual(Origins, map_size(maps:get(origins, cambrian_trust:report(?REALM)))),
        ?assert(cambrian_trust:is_banned(?REALM, ?BANNED))
    end).

traced() ->
    receive
        {trace, _, call, {cambrian_realm_file, step, _}} -> [step | traced()];
        {trace, _, send, {_Tag, true}, _} -> [answered | traced()];
        Trace when element(1, Trace) =:= trace -> [other | traced()]
    after 0 -> []
    end.

%% Changes that no caller waits for write a bounded number of bytes a second, whatever strangers
%% send.
messages_of_strangers_write_few_bytes_a_second_test() ->
    Delay = fun cambrian_realm_server:save_delay/2,
    ?assertEqual([1000, 5000, 60_000], [Delay(When, 0) || When <- [soon, later, counted]]),
    [?assert(Bytes * 1000 / Delay(When, Bytes) =< Most)
     || {When, Most} <- [{soon, 100_001}, {later, 10_001}, {counted, 10_001}],
     Bytes <- [60_000, 600_000, 2_000_000, 50_000_000]],
    ?assertEqual(200_000, Delay(later, 2_000_000)).

%% The delay follows from the size of the last file.
a_large_realm_is_saved_seldom_test_() ->
    with_data_dir(fun(_) ->
        ok = cambrian_trust:open(?REALM, #{}),
        Genuine = fun(N) ->
                      ok = cambrian_trust:ask(?REALM,
                                              {genuine,
                                               #{realm => ?REALM, origin => <<N:256>>,
                                                 genotype => <<N:256>>, sequence => 1,
                                                 time => os:system_time(millisecond)}})
                  end,
        lists:foreach(Genuine, lists:seq(1, 3000)),
        ok = cambrian_trust:ban(?REALM, ?BANNED),
        {ok, Server} = cambrian_realms:find(?REALM),
        Genuine(3001),
        Timers =
            [Left
             || Timer <- tuple_to_list(sys:get_state(Server)), is_reference(Timer),
             Left <- [erlang:read_timer(Timer)], is_integer(Left)],
        ?assertMatch([Left] when Left > 10_000, Timers)
    end).
