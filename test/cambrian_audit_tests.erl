%% What is written of decisions and refusals, and what of it can be lost.
-module(cambrian_audit_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).

refusal(N, Reason) ->
    #{time => 1_800_000_000_000 + N, reason => Reason, origin => <<N:256>>, genotype => undefined, sequence => N}.

%% A log of decisions, with sizes of its own.
logged(Dir, Sizes, Numbers) ->
    Decide = fun(N, Audit) -> cambrian_audit:decided(1_800_000_000_000 + N, banned, #{n => N}, Audit) end,
    ok = cambrian_audit:close(lists:foldl(Decide, cambrian_audit:open(Dir, #{decisions => Sizes}), Numbers)).

numbers(Entries) -> [binary_to_integer(N) || #{what := <<"banned">>, details := #{<<"n">> := N}} <- Entries].

files(Dir, Kind) -> lists:sort(filelib:wildcard(filename:join(Dir, "*." ++ Kind))).

without_a_directory_only_the_last_are_kept_test() ->
    Audit = lists:foldl(fun(N, A) -> cambrian_audit:refusal(refusal(N, replay), A) end, cambrian_audit:open(none), lists:seq(1, 150)),
    ?assertEqual(lists:seq(150, 51, -1), [N || #{sequence := N} <- cambrian_audit:last(Audit)]),
    ok = cambrian_audit:close(Audit).

every_refusal_has_its_reason_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Below = filename:join(Dir, "below"),
        Reasons = [malformed, replay, too_old, banned_key, bad_signature],
        ok = cambrian_audit:close(lists:foldl(fun(Reason, A) -> cambrian_audit:refusal(refusal(7, Reason), A) end,
                                              cambrian_audit:open(Below), Reasons)),
        {ok, Entries, []} = cambrian_audit:read(Below, refusals),
        ?assertEqual([atom_to_binary(Reason) || Reason <- Reasons], [What || #{what := What} <- Entries]),
        ?assertEqual(#{time => <<"2027-01-15T08:00:00.007Z">>, what => <<"malformed">>,
                       details => #{<<"origin">> => <<(binary:copy(<<"0">>, 63))/binary, "7">>, <<"sequence">> => <<"7">>}},
                     hd(Entries)),
        %% for people, too
        [File] = files(Below, "refusals"),
        {ok, <<"cambrian audit 1 refusals 1 after=", _:32/binary, "\n2027-01-15T08:00:00.007Z malformed origin=000", _/binary>>} =
            file:read_file(File)
    end).

%% Whoever opens a pipe waits for its other end.
a_pipe_in_the_place_of_a_log_is_an_error_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Pipe = filename:join(Dir, "000000000001.decisions"),
        "" = os:cmd("mkfifo " ++ Pipe),
        Path = filename:join(Dir, <<"000000000001.decisions">>),
        ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
        try
            Audit = cambrian_audit:decided(1_800_000_000_000, banned, #{n => 1}, cambrian_audit:open(Dir)),
            ?assertEqual({error, {not_a_file, Path}}, cambrian_audit:written(cambrian_audit:writer(Audit))),
            ?assertEqual({error, {not_a_file, Path}}, cambrian_audit:read(Dir, decisions)),
            %% the decision is written once the pipe is gone
            ok = file:delete(Pipe),
            ?assertEqual(ok, cambrian_audit:written(cambrian_audit:writer(Audit))),
            ok = cambrian_audit:close(Audit),
            ?assertMatch({ok, [#{what := <<"banned">>}], []}, cambrian_audit:read(Dir, decisions))
        after logger:remove_primary_filter(expected)
        end
    end).

%% No stranger begins a line of his own.
texts_are_escaped_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Evil = #{task => <<"x\n2027 banned key=1 é"/utf8>>, detail => {a, "b\nc"}},
        ok = cambrian_audit:close(cambrian_audit:refusal(maps:merge(refusal(1, replay), Evil), cambrian_audit:open(Dir))),
        {ok, [#{what := <<"replay">>, details := Details}], []} = cambrian_audit:read(Dir, refusals),
        ?assertMatch(#{<<"task">> := <<"x\n2027 banned key=1 é"/utf8>>}, Details),
        {ok, Bytes} = file:read_file(hd(files(Dir, "refusals"))),
        ?assertEqual(2, length(binary:matches(Bytes, <<"\n">>)))
    end).

files_replace_each_other_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        logged(Dir, {1000, 3}, lists:seq(1, 200)),
        {ok, Kept, []} = cambrian_audit:read(Dir, decisions),
        [First | _] = Numbers = numbers(Kept),
        ?assert(length(Numbers) < 40),
        ?assertEqual(lists:seq(First, 200), Numbers),
        ?assertEqual(3, length(files(Dir, "decisions"))),
        ?assertEqual([], [File || File <- files(Dir, "decisions"), filelib:file_size(File) > 1000]),
        %% again, and with another size
        logged(Dir, {1000, 3}, [201]),
        logged(Dir, {2000, 4}, [202]),
        {ok, All, []} = cambrian_audit:read(Dir, decisions),
        ?assertEqual(lists:seq(hd(numbers(All)), 202), numbers(All)),
        [?assertEqual(8#600, cambrian_temporary:mode(File)) || File <- files(Dir, "decisions")]
    end).

%% Whatever bit of it is changed.
every_flipped_bit_shows_test_() ->
    {timeout, 300, fun() ->
        cambrian_temporary:with_dir(fun(Dir) ->
            logged(Dir, {250, 3}, lists:seq(1, 5)),
            {ok, Whole, []} = cambrian_audit:read(Dir, decisions),
            ?assertEqual([1, 2, 3, 4, 5], numbers(Whole)),
            ?assert(length(files(Dir, "decisions")) > 1),
            [begin
                 {ok, Bytes} = file:read_file(File),
                 [begin
                      ok = file:write_file(File, flipped(Bit, Bytes)),
                      {ok, Entries, Damage} = cambrian_audit:read(Dir, decisions),
                      ?assertNotEqual({File, Bit, []}, {File, Bit, Damage}),
                      %% nothing else is made of it
                      ?assertEqual({File, Bit, []}, {File, Bit, Entries -- Whole})
                  end || Bit <- lists:seq(0, bit_size(Bytes) - 1)],
                 ok = file:write_file(File, Bytes)
             end || File <- files(Dir, "decisions")]
        end)
    end}.

flipped(At, Bytes) ->
    <<Before:At, Bit:1, After/bits>> = Bytes,
    <<Before:At, (1 - Bit):1, After/bits>>.

%% Of a VM that was killed: what was whole stays, and more can be added. Said in the log of the VM and in the audit itself.
a_last_line_that_was_cut_is_taken_away_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        logged(Dir, {10_000, 3}, [1, 2]),
        [File] = files(Dir, "decisions"),
        {ok, Bytes} = file:read_file(File),
        Expected = fun(Size) -> length(binary:matches(binary:part(Bytes, 0, Size), <<"\n">>)) - 1 end,
        quietly(fun() ->
            [begin
                 ok = file:write_file(File, binary:part(Bytes, 0, Size)),
                 logged(Dir, {10_000, 3}, [3]),
                 {ok, Entries, []} = cambrian_audit:read(Dir, decisions),
                 ?assertEqual({Size, lists:sublist([1, 2], max(0, Expected(Size))) ++ [3]}, {Size, numbers(Entries)}),
                 Said = [What || #{what := What} <- Entries, What =/= <<"banned">>],
                 IsWhole = Size > 0 andalso binary:at(Bytes, Size - 1) =:= $\n,
                 ?assertEqual({Size, [<<"damaged_audit">> || not IsWhole]}, {Size, Said})
             end || Size <- lists:seq(0, byte_size(Bytes))]
        end)
    end).

%% What is between two lines cannot be told from what was there: the file stays as it is, and a new one begins.
a_changed_line_begins_a_new_file_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        logged(Dir, {10_000, 3}, [1, 2, 3]),
        [File] = files(Dir, "decisions"),
        {ok, Bytes} = file:read_file(File),
        Changed = binary:replace(Bytes, <<"n=2">>, <<"n=7">>),
        ok = file:write_file(File, Changed),
        quietly(fun() -> logged(Dir, {10_000, 3}, [4]) end),
        ?assertEqual({ok, Changed}, file:read_file(File)),
        {ok, Entries, [#{file := _, line := 3, reason := changed}]} = cambrian_audit:read(Dir, decisions),
        ?assertEqual([1, 4], numbers(Entries)),
        ?assertMatch([#{details := #{<<"line">> := <<"3">>, <<"reason">> := <<"changed">>}}],
                     [Entry || #{what := <<"damaged_audit">>} = Entry <- Entries])
    end).

%% A disk that is full: who decides hears of it, and what was decided is written once there is room.
a_full_disk_is_told_and_tried_again_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Below = filename:join(Dir, "below"),
        ok = file:write_file(Below, <<>>),
        quietly(fun() ->
            Audit = cambrian_audit:decided(0, banned, #{n => 1}, cambrian_audit:open(Below)),
            ?assertMatch({error, {_, _}}, cambrian_audit:written(cambrian_audit:writer(Audit))),
            ok = file:delete(Below),
            ?assertEqual(ok, cambrian_audit:written(cambrian_audit:writer(Audit))),
            {ok, Entries, []} = cambrian_audit:read(Below, decisions),
            ?assertEqual([1], numbers(Entries)),
            ok = cambrian_audit:close(Audit)
        end)
    end).

%% M16: what others send pushes no decision out, and costs the disk some lines.
noise_pushes_no_decision_out_test_() ->
    {timeout, 600, fun() ->
        cambrian_temporary:with_data_dir(fun(Dir) ->
            Count = 240_000,
            ok = cambrian_trust:open(?REALM, #{}),
            ok = cambrian_trust:ban(?REALM, {genotype, <<7:256>>}, <<"it shakes the arm">>),
            _ = [{error, malformed} = cambrian_trust:check(?REALM, <<"x">>) || _ <- lists:seq(1, Count)],
            %% those who change keys write no decisions, either
            Keys = [<<N:256>> || N <- lists:seq(1, 200)],
            Followed = [cambrian_trust:follow(?REALM, cambrian_identity:succession(Old, New))
                        || {Old, New} <- lists:zip(lists:droplast(Keys), tl(Keys))],
            Limited = length([limited || {error, rate_limited} <- Followed]),
            {ok, Decisions, []} = cambrian_trust:decisions(?REALM),
            ?assertMatch([#{what := <<"opened">>},
                          #{what := <<"banned">>, details := #{<<"by">> := <<"user">>, <<"reason">> := <<"it shakes the arm">>}}],
                         Decisions),
            ok = application:stop(cambrian),
            Files = filename:join([Dir, "realms", binary_to_list(?REALM)]),
            {ok, Refusals, []} = cambrian_audit:read(Files, refusals),
            ?assertEqual(Count + Limited, counted(Refusals)),
            {ok, Verdicts, []} = cambrian_audit:read(Files, verdicts),
            ?assertEqual(199 - Limited, counted(Verdicts)),
            ?assert(Limited < 199),
            Bytes = lists:sum([filelib:file_size(File) || Kind <- ["refusals", "verdicts"], File <- files(Files, Kind)]),
            %% ten lines of a kind and a count, for each minute that it took
            ?assert(Bytes < 50_000)
        end)
    end}.

counted(Entries) ->
    lists:sum([binary_to_integer(maps:get(<<"count">>, Details, <<"1">>)) || #{details := Details} <- Entries]).

quietly(Test) ->
    ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
    try Test() after ok = logger:remove_primary_filter(expected) end.
