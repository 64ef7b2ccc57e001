%% The audit: which decisions and refusals it keeps, and what can be lost of them.
-module(cambrian_audit_tests).
-include_lib("eunit/include/eunit.hrl").

-define(REALM, <<"org.example.test">>).

refusal(N, Reason) ->
    #{time => 1_800_000_000_000 + N, reason => Reason, origin => <<N:256>>, genotype => undefined,
      sequence => N}.

%% Writes decisions to a log with the given file size and number of files.
logged(Dir, Sizes, Numbers) ->
    Decide =
        fun(N, Audit) -> cambrian_audit:decided(1_800_000_000_000 + N, banned, #{n => N}, Audit)
        end,
    ok = cambrian_audit:close(lists:foldl(Decide, cambrian_audit:open(Dir, #{decisions => Sizes}),
                                          Numbers)).

numbers(Entries) ->
    [binary_to_integer(N) || #{what := <<"banned">>, details := #{<<"n">> := N}} <- Entries].

files(Dir, Kind) -> lists:sort(filelib:wildcard(filename:join(Dir, "*." ++ Kind))).

without_a_directory_the_audit_keeps_the_last_hundred_test() ->
    Audit =
        lists:foldl(fun(N, A) -> cambrian_audit:refusal(refusal(N, replay), A) end,
                    cambrian_audit:open(none), lists:seq(1, 150)),
    ?assertEqual(lists:seq(150, 51, -1), [N || #{sequence := N} <- cambrian_audit:last(Audit)]),
    ok = cambrian_audit:close(Audit).

every_refusal_is_written_with_its_reason_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Below = filename:join(Dir, "below"),
        Reasons = [malformed, replay, too_old, banned_key, bad_signature],
        ok = cambrian_audit:close(lists:foldl(fun(Reason, A) ->
            cambrian_audit:refusal(refusal(7, Reason), A) end,
                                              cambrian_audit:open(Below), Reasons)),
        {ok, Entries, []} = cambrian_audit:read(Below, refusals),
        ?assertEqual([atom_to_binary(Reason) || Reason <- Reasons],
                     [What || #{what := What} <- Entries]),
        ?assertEqual(#{time => <<"2027-01-15T08:00:00.007Z">>, what => <<"malformed">>,
                       details =>
                           #{<<"origin">> => <<(binary:copy(<<"0">>, 63))/binary, "7">>,
                             <<"sequence">> => <<"7">>}},
                     hd(Entries)),
        %% The line is readable text.
        [File] = files(Below, "refusals"),
        {ok,
         <<"cambrian audit 1 refusals 1 after=", _:32/binary,
           "\n2027-01-15T08:00:00.007Z malformed origin=000", _/binary>>} =
            file:read_file(File)
    end).

%% A process that opens a pipe blocks until the other end is open.
a_pipe_in_place_of_a_log_file_is_an_error_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Pipe = filename:join(Dir, "000000000001.decisions"),
        "" = os:cmd("mkfifo " ++ Pipe),
        Path = filename:join(Dir, <<"000000000001.decisions">>),
        ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
        try
            Audit =
                cambrian_audit:decided(1_800_000_000_000, banned, #{n => 1},
                                       cambrian_audit:open(Dir)),
            ?assertEqual({error, {not_a_file, Path}},
                         cambrian_audit:written(cambrian_audit:writer(Audit))),
            ?assertEqual({error, {not_a_file, Path}}, cambrian_audit:read(Dir, decisions)),
            %% the audit writes the decision once the pipe is deleted
            ok = file:delete(Pipe),
            ?assertEqual(ok, cambrian_audit:written(cambrian_audit:writer(Audit))),
            ok = cambrian_audit:close(Audit),
            ?assertMatch({ok, [#{what := <<"banned">>}], []}, cambrian_audit:read(Dir, decisions))
        after logger:remove_primary_filter(expected)
        end
    end).

%% A stranger's text cannot start a new line.
line_breaks_in_texts_are_escaped_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Evil = #{task => <<"x\n2027 banned key=1 é"/utf8>>, detail => {a, "b\nc"}},
        ok = cambrian_audit:close(cambrian_audit:refusal(maps:merge(refusal(1, replay), Evil),
                                                         cambrian_audit:open(Dir))),
        {ok, [#{what := <<"replay">>, details := Details}], []} =
            cambrian_audit:read(Dir, refusals),
        ?assertMatch(#{<<"task">> := <<"x\n2027 banned key=1 é"/utf8>>}, Details),
        {ok, Bytes} = file:read_file(hd(files(Dir, "refusals"))),
        ?assertEqual(2, length(binary:matches(Bytes, <<"\n">>)))
    end).

the_log_rotates_its_files_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        logged(Dir, {1000, 3}, lists:seq(1, 200)),
        {ok, Kept, []} = cambrian_audit:read(Dir, decisions),
        [First | _] = Numbers = numbers(Kept),
        ?assert(length(Numbers) < 40),
        ?assertEqual(lists:seq(First, 200), Numbers),
        ?assertEqual(3, length(files(Dir, "decisions"))),
        ?assertEqual([], [File || File <- files(Dir, "decisions"), filelib:file_size(File) > 1000]),
        %% a restart with another file size
        logged(Dir, {1000, 3}, [201]),
        logged(Dir, {2000, 4}, [202]),
        {ok, All, []} = cambrian_audit:read(Dir, decisions),
        ?assertEqual(lists:seq(hd(numbers(All)), 202), numbers(All)),
        [?assertEqual(8#600, cambrian_temporary:mode(File)) || File <- files(Dir, "decisions")]
    end).

every_flipped_bit_of_a_log_is_detected_test_() ->
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
                      %% no changed entry is read as a true one
                      ?assertEqual({File, Bit, []}, {File, Bit, Entries -- Whole})
                  end || Bit <- lists:seq(0, bit_size(Bytes) - 1)],
                 ok = file:write_file(File, Bytes)
             end || File <- files(Dir, "decisions")]
        end)
    end}.

flipped(At, Bytes) ->
    <<Before:At, Bit:1, After/bits>> = Bytes,
    <<Before:At, (1 - Bit):1, After/bits>>.

%% After a kill the whole lines stay and new lines follow. The log of the VM and the audit report
%% the cut.
a_last_line_that_was_cut_is_removed_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        logged(Dir, {10_000, 3}, [1, 2]),
        [File] = files(Dir, "decisions"),
        {ok, Bytes} = file:read_file(File),
        Expected =
            fun(Size) -> length(binary:matches(binary:part(Bytes, 0, Size), <<"\n">>)) - 1 end,
        quietly(fun() ->
            [begin
                 ok = file:write_file(File, binary:part(Bytes, 0, Size)),
                 logged(Dir, {10_000, 3}, [3]),
                 {ok, Entries, []} = cambrian_audit:read(Dir, decisions),
                 ?assertEqual({Size, lists:sublist([1, 2], max(0, Expected(Size))) ++ [3]},
                              {Size, numbers(Entries)}),
                 Said = [What || #{what := What} <- Entries, What =/= <<"banned">>],
                 IsWhole = Size > 0 andalso binary:at(Bytes, Size - 1) =:= $\n,
                 ?assertEqual({Size, [<<"damaged_audit">> || not IsWhole]}, {Size, Said})
             end || Size <- lists:seq(0, byte_size(Bytes))]
        end)
    end).

%% Nobody can tell which lines a change has removed, so the file stays as it is and a new file
%% begins.
after_a_changed_line_the_log_starts_a_new_file_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        logged(Dir, {10_000, 3}, [1, 2, 3]),
        [File] = files(Dir, "decisions"),
        {ok, Bytes} = file:read_file(File),
        Changed = binary:replace(Bytes, <<"n=2">>, <<"n=7">>),
        ok = file:write_file(File, Changed),
        quietly(fun() -> logged(Dir, {10_000, 3}, [4]) end),
        ?assertEqual({ok, Changed}, file:read_file(File)),
        {ok, Entries, [#{file := _, line := 3, reason := changed}]} =
            cambrian_audit:read(Dir, decisions),
        ?assertEqual([1, 4], numbers(Entries)),
        ?assertMatch([#{details := #{<<"line">> := <<"3">>, <<"reason">> := <<"changed">>}}],
                     [Entry || #{what := <<"damaged_audit">>} = Entry <- Entries])
    end).

%% On a full disk the caller gets an error, and the audit writes the decision once there is room.
a_full_disk_is_reported_and_the_write_is_repeated_test() ->
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

%% M16: messages of strangers remove no decision from the audit, and cost few lines on disk.
refused_messages_remove_no_decision_from_the_audit_test_() ->
    {timeout, 600, fun() ->
        cambrian_temporary:with_data_dir(fun(Dir) ->
            Count = 240_000,
            ok = cambrian_trust:open(?REALM, #{}),
            ok = cambrian_trust:ban(?REALM, {genotype, <<7:256>>}, <<"it shakes the arm">>),
            _ = [{error, malformed} = cambrian_trust:check(?REALM, <<"x">>)
                 || _ <- lists:seq(1, Count)],
            %% Keys that are replaced write no decisions either.
            Keys = [<<N:256>> || N <- lists:seq(1, 200)],
            Followed = [cambrian_trust:follow(?REALM, cambrian_identity:succession(Old, New))
                        || {Old, New} <- lists:zip(lists:droplast(Keys), tl(Keys))],
            Limited = length([limited || {error, rate_limited} <- Followed]),
            {ok, Decisions, []} = cambrian_trust:decisions(?REALM),
            ?assertMatch([#{what := <<"opened">>},
                          #{what := <<"banned">>,
                            details :=
                                #{<<"by">> := <<"user">>,
                                  <<"reason">> := <<"it shakes the arm">>}}],
                         Decisions),
            ok = application:stop(cambrian),
            Files = filename:join([Dir, "realms", binary_to_list(?REALM)]),
            {ok, Refusals, []} = cambrian_audit:read(Files, refusals),
            ?assertEqual(Count + Limited, counted(Refusals)),
            {ok, Verdicts, []} = cambrian_audit:read(Files, verdicts),
            ?assertEqual(199 - Limited, counted(Verdicts)),
            ?assert(Limited < 199),
            Bytes =
                lists:sum([filelib:file_size(File)
                           || Kind <- ["refusals", "verdicts"], File <- files(Files, Kind)]),
            %% Each minute writes at most ten lines of a kind and a count.
            ?assert(Bytes < 50_000)
        end)
    end}.

counted(Entries) ->
    lists:sum([binary_to_integer(maps:get(<<"count">>, Details, <<"1">>))
               || #{details := Details} <- Entries]).

quietly(Test) ->
    ok = logger:add_primary_filter(expected, {fun(_, _) -> stop end, []}),
    try Test() after ok = logger:remove_primary_filter(expected) end.
