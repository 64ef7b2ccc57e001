-module(cambrian_audit_tests).
-include_lib("eunit/include/eunit.hrl").

refusal(N, Reason) ->
    #{time => 1_800_000_000_000 + N, reason => Reason, origin => <<N:256>>, genotype => undefined, sequence => N}.

lines(Path) ->
    Files = [File || File <- filelib:wildcard(Path ++ ".*"), lists:suffix(".idx", File) =:= false,
                     lists:suffix(".siz", File) =:= false],
    lists:append([begin {ok, Bytes} = file:read_file(File), string:lexemes(Bytes, "\n") end || File <- Files]).

%% What was handed to the log's process is in the file once that is closed.
closed(Audit) -> ok = cambrian_audit:close(Audit).

without_a_path_only_the_last_are_kept_test() ->
    {ok, Empty} = cambrian_audit:open(none),
    Audit = lists:foldl(fun(N, A) -> cambrian_audit:refusal(refusal(N, replay), A) end, Empty, lists:seq(1, 150)),
    ?assertEqual(lists:seq(150, 51, -1), [N || #{sequence := N} <- cambrian_audit:last(Audit)]),
    closed(Audit).

every_refusal_has_its_reason_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "below/audit"),
        {ok, Empty} = cambrian_audit:open({ok, Path}),
        Reasons = [malformed, replay, too_old, banned_key, bad_signature],
        closed(lists:foldl(fun(Reason, A) -> cambrian_audit:refusal(refusal(7, Reason), A) end, Empty, Reasons)),
        Lines = lines(Path),
        ?assertEqual([atom_to_binary(Reason) || Reason <- Reasons], [lists:nth(2, string:lexemes(Line, " ")) || Line <- Lines]),
        ?assertEqual([<<"2027-01-15T08:00:00.007Z malformed origin=", (binary:copy(<<"0">>, 63))/binary, "7 sequence=7">>],
                     lists:sublist(Lines, 1))
    end).

%% No stranger begins a line of his own.
texts_are_escaped_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "audit"),
        {ok, Empty} = cambrian_audit:open({ok, Path}),
        Evil = #{task => <<"x\n2027 banned key=1 é"/utf8>>, detail => {a, "b\nc"}},
        closed(cambrian_audit:refusal(maps:merge(refusal(1, replay), Evil), Empty)),
        [Line] = lines(Path),
        ?assertEqual(5, length(string:lexemes(Line, " ") -- [<<"2027-01-15T08:00:00.001Z">>])),
        ?assertNotEqual(nomatch, string:find(Line, "task=x%0A2027%20banned%20key%3D1%20%C3%A9"))
    end).

files_replace_each_other_test() ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "audit"),
        {ok, Empty} = cambrian_audit:open({ok, Path}, {1000, 3}),
        closed(lists:foldl(fun(N, A) -> cambrian_audit:refusal(refusal(N, replay), A) end, Empty, lists:seq(1, 200))),
        Kept = lines(Path),
        ?assert(length(Kept) < 40),
        ?assertNotEqual(nomatch, string:find(lists:flatten([[L, "\n"] || L <- Kept]), " sequence=200\n")),
        ?assertEqual(3, length(filelib:wildcard(Path ++ ".[1-9]"))),
        %% again, and with another size
        {ok, Again} = cambrian_audit:open({ok, Path}, {1000, 3}),
        closed(cambrian_audit:refusal(refusal(201, replay), Again)),
        {ok, Larger} = cambrian_audit:open({ok, Path}, {2000, 4}),
        closed(cambrian_audit:refusal(refusal(202, replay), Larger)),
        All = unicode:characters_to_list([[L, "\n"] || L <- lines(Path)]),
        [?assertNotEqual({N, nomatch}, {N, string:find(All, lists:concat([" sequence=", N, "\n"]))}) || N <- [201, 202]]
    end).
