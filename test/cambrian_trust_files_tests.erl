%% What a realm keeps in its files, and a realm whose file is damaged.
-module(cambrian_trust_files_tests).
-include_lib("eunit/include/eunit.hrl").
-import(cambrian_wait, [until/1]).
-import(cambrian_envelopes, [arrives/2, genotype/0, key/1, kill_server/0, restart/0, sealed/2,
                             with_app/1]).

-define(REALM, <<"org.example.test">>).

a_ban_survives_a_crash_and_a_restart_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:ban(?REALM, {genotype, cambrian_genotype:id(genotype())},
                                <<"it shakes the arm">>),
        ok = cambrian_trust:ban(?REALM, {key, key(2)}),
        Check = fun() -> [arrives(1, #{}), arrives(2, #{})] end,
        ?assertEqual([banned_genotype, banned_key], Check()),
        restart(),
        ?assertEqual([banned_genotype, banned_key], Check()),
        ?assertMatch([#{what := {genotype, _}, reason := <<"it shakes the arm">>, by := user},
                      #{what := {key, _}}],
                     cambrian_trust:bans(?REALM)),
        %% immediately after a crash
        kill_server(),
        ?assertEqual([banned_genotype, banned_key], Check()),
        _ = [ok = cambrian_trust:unban(?REALM, What)
             || #{what := What} <- cambrian_trust:bans(?REALM)],
        ?assertEqual([ok, ok], Check())
    end).

a_realm_survives_a_restart_test_() ->
    with_app(fun(_) ->
        ok = cambrian_trust:open(?REALM,
                                 #{rate => {2, 20}, tolerance => 0.5,
                                   capability => {keys, [key(1)]}}),
        [ok, not_permitted] = [arrives(N, #{}) || N <- [1, 2]],
        confirmed = cambrian_trust:checked(?REALM, #{origin => key(1), fitness => 1}, 0.8),
        ok = cambrian_trust:accepted(?REALM, key(1)),
        Before = cambrian_trust:report(?REALM),
        restart(),
        ?assertEqual(Before#{last := []}, cambrian_trust:report(?REALM))
    end).

%% At the latest after five seconds.
standings_are_saved_without_a_restart_test_() ->
    with_app(fun(Dir) ->
        Saved = fun() -> lists:sort(filelib:wildcard(filename:join(Dir, "realms/*/*.trust"))) end,
        Before = Saved(),
        ok = arrives(1, #{}),
        Reputation = cambrian_trust:reputation(?REALM, key(1)),
        until(fun() -> Saved() =/= Before end),
        kill_server(),
        ?assertEqual(replay, arrives(1, #{})),
        ?assertEqual(Reputation, cambrian_trust:reputation(?REALM, key(1)))
    end).

%% If it is the only file, the realm is closed until a user opens it again.
a_damaged_file_closes_the_realm_test_() ->
    {timeout, 300, fun() -> cambrian_temporary:with_data_dir(fun(Dir) ->
        ok = cambrian_trust:open(?REALM, #{}),
        ok = application:stop(cambrian),
        [Path, _] = trust_files(Dir),
        {ok, Whole} = file:read_file(Path),
        Bad =
            [<<>>, binary:part(Whole, 0, 30), binary:part(Whole, 0, byte_size(Whole) - 1),
             <<"not ours">>,
             of_earlier(<<"no term">>), of_earlier(term_to_binary(#{})),
             of_earlier(term_to_binary(#{origins => 1})),
             %% an atom that does not exist here
             of_earlier(<<131, 119, 22, "no_atom_of_this_system">>)
             | [packed(Other) || Other <- unlike(saved(Whole))]],
        quietly(fun() ->
            [begin
                 ok = file:del_dir_r(filename:join(Dir, "realms")),
                 ok = filelib:ensure_dir(Path),
                 ok = file:write_file(Path, Bytes),
                 {ok, _} = application:ensure_all_started(cambrian),
                 ?assertEqual({realm_damaged, Bytes}, {arrives(1, #{}), Bytes}),
                 ?assertEqual({error, {realm_damaged, ?REALM}}, cambrian_trust:open(?REALM, #{})),
                 ?assertEqual({ok, Bytes}, file:read_file([Path, ".torn"])),
                 ok = application:stop(cambrian)
             end || Bytes <- Bad]
        end)
    end) end}.

trust_files(Dir) -> lists:sort(filelib:wildcard(filename:join([Dir, "realms", "*", "*.trust"]))).

quietly(Test) ->
    ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
    try Test() after ok = logger:remove_primary_filter(expected) end.

%% The file as an earlier release wrote it.
of_earlier(Payload) ->
    <<"cambrian trust 1\n", (crypto:hash(sha256, Payload))/binary, Payload/binary>>.

packed(Saved) when is_map(Saved) ->
    Payload = iolist_to_binary([<<1:64>>, cambrian_realm_file:pack_all(Saved)]),
    <<"cambrian trust 2\n", (crypto:hash(sha256, Payload))/binary, Payload/binary>>.

saved(<<"cambrian trust 2\n", _Hash:32/binary, 1:64, Frames/binary>>) ->
    cambrian_realm_file:unpack([<<Size:32, Frame/binary>>
                                || <<Size:32, Frame:Size/binary>> <= Frames]).

%% Variants of a realm's saved state: each part missing or of a wrong type, another realm's, and
%% with successions in a circle.
unlike(Saved) ->
    Standing =
        #{reputation => 0.5, received => 0, accepted => 0, checked => 0, lies => 0, sequence => 0,
          window => 0,
          seen => 0, tokens => 1, filled => 0, grant => none},
    Odd = [none, -1, 1.5, <<1>>, [a | b], {1}],
    {Key, Other} = {key(1), key(2)},
    Retired = fun(Heir) -> #{heir => Heir, known => false, time => 0} end,
    Ban = #{what => {key, Key}, reason => <<>>, by => user, time => 0},
    [maps:remove(Part, Saved) || Part <- [name, max, retired, bans, origins, refused]]
        ++ [Saved#{Part => Value} || Part <- maps:keys(Saved), Value <- Odd,
                                          not lists:member({Part, Value},
                                                           [{tolerance, 1.5}, {before, none}])]
        ++ [Saved#{name => <<"org.example.else">>}, Saved#{max => 0}, Saved#{rate => {0, 1}},
            Saved#{capability => {keys, [Key | Other]}}, Saved#{refused => #{<<"a">> => 1}},
            Saved#{retired => #{Key => Retired(Key)}},
            Saved#{retired => #{Key => Retired(Other), Other => Retired(Key)}},
            Saved#{retired => #{Key => Retired(<<1>>)}}, Saved#{bans => #{{key, Other} => Ban}},
            Saved#{bans => #{{key, Key} => maps:remove(time, Ban)}},
            Saved#{origins => #{<<1>> => Standing}}]
        ++ [Saved#{origins => #{Key => maps:remove(Part, Standing)}}
            || Part <- maps:keys(Standing), Part =/= window]
        ++ [Saved#{origins => #{Key => Standing#{Part => Value}}}
            || Part <- maps:keys(Standing), Value <- [<<1>>, nan, -1],
               Value =/= -1 orelse not lists:member(Part, [seen, filled, tokens])].

%% The ban holds, but returns an error, since it would not survive a restart.
a_ban_on_a_full_disk_holds_and_returns_an_error_test_() ->
    with_app(fun(Dir) ->
        ok = file:del_dir_r(filename:join(Dir, "realms")),
        ok = file:write_file(filename:join(Dir, "realms"), <<>>),
        {error, {_, Path}} = cambrian_trust:ban(?REALM, {key, key(1)}),
        ?assertEqual(<<".trust">>, filename:extension(Path)),
        ?assertEqual(banned_key, arrives(1, #{})),
        ok = file:delete(filename:join(Dir, "realms")),
        ok = cambrian_trust:ban(?REALM, {key, key(2)}),
        restart(),
        ?assertEqual([banned_key, banned_key], [arrives(N, #{}) || N <- [1, 2]])
    end).

without_a_data_dir_nothing_is_written_test() ->
    _ = application:stop(cambrian),
    {ok, _} = application:ensure_all_started(cambrian),
    ok = cambrian_trust:open(?REALM, #{}),
    ok = cambrian_trust:ban(?REALM, {key, key(1)}),
    banned_key = arrives(1, #{}),
    restart(),
    ?assertError({unknown_realm, ?REALM}, cambrian_trust:bans(?REALM)),
    ?assertEqual({error, {unknown_realm, ?REALM}}, cambrian_trust:check(?REALM, sealed(1, #{}))),
    ok = application:stop(cambrian).

realms_have_their_own_files_test_() ->
    with_app(fun(_) ->
        Odd = [<<>>, <<"..">>, <<"a/b">>, binary:copy(<<"é"/utf8>>, 127)],
        _ = [ok = cambrian_trust:open(Realm, #{}) || Realm <- Odd],
        ok = cambrian_trust:ban(<<"..">>, {key, key(1)}),
        restart(),
        ?assertEqual([0, 1, 0, 0], [length(cambrian_trust:bans(Realm)) || Realm <- Odd]),
        ?assertMatch({ok, _, _}, cambrian_trust:check(<<"a/b">>, sealed(1, #{realm => <<"a/b">>})))
    end).

%% The clock was set back during the restart: other nodes must not take the next message for a
%% replay.
sequence_numbers_survive_a_restart_test_() ->
    with_app(fun(_) ->
        Now = os:system_time(microsecond),
        First = cambrian_trust:ask(?REALM, {sequence, Now}),
        ok = restart(),
        ?assertEqual(Now, First),
        ?assert(cambrian_trust:ask(?REALM, {sequence, Now - 3_600_000_000}) > First + 1_000_000)
    end).
