%% Reading checkpoint files with any contents, beside any other files in their directory.
-module(cambrian_store_tests).
-include_lib("eunit/include/eunit.hrl").

-define(MAGIC, <<"cambrian checkpoint 2\n">>).
-define(OPTIONS, #{task => 'xor', name => mutant, seed => 42, target => 99}).

quietly(Test) ->
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    try Test()
    after logger:set_primary_config(level, Level)
    end.

%% Writes the last two checkpoints of a population, which does not run afterwards.
with_checkpoints(Test) ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        quietly(fun() ->
            {ok, _} =
                cambrian_population:start((?OPTIONS)#{checkpoint_interval => 0, checkpoints => 2}),
            {ok, _} = cambrian_population:step(mutant, 4),
            ok = cambrian_population:stop(mutant),
            Files = [_, _] =
                lists:sort(filelib:wildcard(filename:join(Dir, "populations/mutant/*"))),
            Test(lists:last(Files), hd(Files))
        end)
    end).

terms(File) ->
    {ok, Bytes} = cambrian_file:read(File, ?MAGIC),
    binary_to_term(Bytes).

write(File, Term) -> ok = cambrian_file:write(File, ?MAGIC, term_to_binary(Term)).

start_again() ->
    case cambrian_population:start(?OPTIONS) of
        {ok, _} ->
            case cambrian_population:step(mutant, 1) of
                {ok, _} -> ok;
                {error, running} ->
                    Has = fun() -> cambrian_population:stats(mutant) =/= {error, not_evaluated} end,
                    cambrian_wait:until(Has)
            end,
            ok = cambrian_population:stop(mutant),
            goes_on;
        {error, Reason} -> Reason
    end.

%% Leaves out every field, and sets every field to wrong values.
a_wrong_field_of_a_checkpoint_is_an_error_test_() ->
    {timeout, 300, fun() ->
        with_checkpoints(fun(Last, _) ->
            Good = terms(Last),
            #{champion := Champion, history := History, generation := Generation, goal := Goal} =
                Good,
            #{champion := Bytes} = Champion,
            Store = whereis(cambrian_store),
            <<Head:24/binary, _:8/binary, Tail/binary>> = History,
            {ok, Other} = cambrian_genotype:new(#{inputs => 3, outputs => 1}, 7),
            Wrong = cambrian_genotype:to_binary(Other),
            Validated = #{value => 1.0, generation => 1, fitness => 1.0, genotype => Bytes},
            In = fun(Key, Map, Values) -> [Map#{Key => Value} || Value <- Values] end,
            Sources =
                [none, [a | b], [#{}], [#{genotype => <<1>>, keys => []}],
                 [#{genotype => <<1:256>>, keys => [<<1>>]}],
                 [#{genotype => <<1:256>>, keys => [], more => 1}]],
            Odd = [none, -1, 1 bsl 64, 1.5, <<1, 2, 3>>, [a | b], #{}, {1}],
            Mutants =
                [maps:remove(Key, Good) || Key <- maps:keys(Good), Key =/= from, Key =/= observed]
                ++ lists:append([In(Key, Good,
                                    [Value || Value <- Odd, Key =/= goal orelse Value =/= #{},
                                              not lists:member(Key, [task, text]) orelse
                                     not is_binary(Value)])
                                 || Key <- maps:keys(Good)])
                ++ In(generation, Good, [Generation - 1, Generation + 1])
                ++ In(champion, Good,
                      [maps:remove(Key, Champion) || Key <- maps:keys(Champion), Key =/= sources]
                          ++ In(sources, Champion, Sources) ++ [Champion#{source => []}]
                          ++ In(champion, Champion, [<<Bytes/binary, 0>>, <<>>, Wrong, none])
                          ++ In(fitness, Champion, [1, none, <<0, 0, 0, 0, 0, 0, 248, 127>>])
                          ++ In(generation, Champion, [Generation + 1, -1, 1.0])
                          ++
                          In(parents, Champion,
                             [none, [<<1>>], [a | b], lists:duplicate(3, <<1:256>>)])
                          ++ In(operators, Champion, [none, ["text"], [a | b]]))
                ++ In(validated, Good,
                      In(genotype, Validated, [<<>>, Wrong]) ++ In(value, Validated, [1, none])
                          ++ In(generation, Validated, [Generation + 1]) ++
                          [maps:remove(fitness, Validated)]
                          ++ In(sources, Validated, Sources))
                ++ In(history, Good, [<<History/binary, 0>>, <<History/binary, History/binary>>,
                                      <<Head/binary, -1:64, Tail/binary>>,
                                      <<(1 bsl 60):64, History/binary>>,
                                      binary:copy(<<0>>, 64 * 1002),
                                      <<Generation:64, 0:64, 16#7FF8:16, 0:48, 0:320>>])
                ++ In(elapsed, Good, [1 bsl 2000])
                ++ In(task, Good, [<<255>>, 'xor'])
                ++ In(text, Good, [<<255>>, binary:copy(<<$a>>, 5000)])
                ++ In(goal, Good,
                      [Goal#{until => none}, Goal#{target => high}, Goal#{generations => 0},
                       Goal#{fitness => 1}]),
            [begin
                 write(Last, Mutant),
                 ?assertMatch({malformed, _}, start_again(), Mutant),
                 ?assertMatch({error, [_ | _]}, cambrian_cli_inspect:file(Last))
             end || Mutant <- Mutants],
            %% champions of earlier releases have no sources
            write(Last, Good#{champion := maps:remove(sources, Champion)}),
            ?assertEqual(goes_on, start_again()),
            %% a field that no checkpoint has is neither an error nor kept
            write(Last, Good#{until => #{until => none}, newcomers => none, more => 1}),
            ?assertEqual(goes_on, start_again()),
            ?assertEqual(Store, whereis(cambrian_store))
        end)
    end}.

%% Random changes at any depth: a checkpoint that is accepted can be continued.
a_changed_checkpoint_is_an_error_or_can_be_continued_test_() ->
    {timeout, 600, fun() ->
        with_checkpoints(fun(Last, Before) ->
            Seed =
                case os:getenv("SEED") of
                    false -> erlang:system_time();
                    Set -> list_to_integer(Set)
                end,
            io:format(user, "~nSEED=~b~n", [Seed]),
            _ = rand:seed(exsss, Seed),
            Good = terms(Last),
            Store = whereis(cambrian_store),
            Seen = [begin
                        %% a run that was continued may have written later checkpoints, which
                        %% would be read first
                        _ = [ok = file:delete(File)
                             || File <- filelib:wildcard(filename:join(filename:dirname(Last),
                                                                       "*")),
                                                       File =/= Last, File =/= Before],
                        write(Last, mutated(Good)),
                        {ok, _} = {ok, cambrian_cli_inspect:file(Last)},
                        case start_again() of
                            goes_on -> goes_on;
                            {malformed, _} -> malformed;
                            {{unsupported_version, _}, _} -> malformed;
                            {checkpoint_of_another_task, _} -> another_task;
                            {wrong_size, _, _, _} -> another_task
                        end
                    end || _ <- lists:seq(1, 300)],
            ?assert(lists:member(malformed, Seen) andalso lists:member(goes_on, Seen)),
            ?assertEqual(Store, whereis(cambrian_store))
        end)
    end}.

mutated(Term) ->
    case rand:uniform(4) of
        1 -> odd();
        _ -> inner(Term)
    end.

inner(Map) when is_map(Map), map_size(Map) > 0 ->
    {Key, Value} = lists:nth(rand:uniform(map_size(Map)), lists:sort(maps:to_list(Map))),
    case rand:uniform(8) of
        1 -> maps:remove(Key, Map);
        2 -> (maps:remove(Key, Map))#{odd() => Value};
        _ -> Map#{Key := mutated(Value)}
    end;
inner(List) when is_list(List), List =/= [] ->
    {Before, [One | After]} = lists:split(rand:uniform(length(List)) - 1, List),
    Before ++ [mutated(One) | After];
inner(Bytes) when is_binary(Bytes), Bytes =/= <<>> ->
    At = rand:uniform(byte_size(Bytes)) - 1,
    <<Before:At/binary, Byte, After/binary>> = Bytes,
    case rand:uniform(4) of
        1 -> Before;
        2 -> <<Bytes/binary, Byte>>;
        3 -> <<Before/binary, (rand:uniform(256) - 1), After/binary>>;
        4 -> <<Before/binary, (Byte bxor (1 bsl (rand:uniform(8) - 1))), After/binary>>
    end;
inner(_) -> odd().

odd() ->
    Odd =
        [none, undefined, true, 0, -1, 1 bsl 53, 1 bsl 64, 1 bsl 5000, -1.7976931348623157e308,
         5.0e-324, <<>>, <<0>>, <<255>>,
         [], [a | b], #{}, {}, self(), make_ref(), fun() -> ok end],
    lists:nth(rand:uniform(length(Odd)), Odd).

%% Anything else at the path of a file: the store does not wait for it, delete it, or take it for
%% a checkpoint.
odd_files_beside_a_checkpoint_are_ignored_test_() ->
    {timeout, 300, fun() ->
        with_checkpoints(fun(Last, Before) ->
            Dir = filename:dirname(Last),
            In = fun(Name) -> filename:join(list_to_binary(Dir), Name) end,
            ok = file:make_dir(In("x.checkpoint")),
            ok = file:write_file(In("notes.txt"), "mine"),
            ok = file:write_file(In("last.checkpoint"), "mine"),
            ok = file:write_file(In(<<"gr", 246, 223, "e.checkpoint">>), "mine"),
            ok = file:write_file(In("-1.checkpoint"), "mine"),
            ok = file:write_file(In("notes.tmp"), "mine"),
            %% directories with later numbers
            ok = file:make_dir(In("000000000100.checkpoint")),
            "" = os:cmd("mkfifo " ++ filename:join(Dir, "000000000101.checkpoint")),
            ok = file:make_symlink("000000000102.checkpoint", In("000000000102.checkpoint")),
            {ok, Odd} = file:list_dir_all(Dir),
            ?assertEqual(goes_on, start_again()),
            {ok, _} =
                cambrian_population:start((?OPTIONS)#{checkpoint_interval => 0, checkpoints => 2}),
            {ok, #{generation := Generation}} = cambrian_population:step(mutant, 3),
            ok = cambrian_population:stop(mutant),
            {ok, After} = file:list_dir_all(Dir),
            ?assertEqual([],
                         (Odd -- [filename:basename(Last), filename:basename(Before)]) -- After),
            Written =
                [filename:basename(File)
                 || File <- cambrian_store:files(Dir), filelib:is_regular(File)],
            ?assertEqual([name(G) || G <- [Generation, Generation - 1]], Written),
            %% an empty file counts as torn
            ok = file:write_file(In(name(Generation)), <<>>),
            ?assertEqual(goes_on, start_again()),
            ?assert(filelib:is_file(In(<<(name(Generation))/binary, ".torn">>)))
        end)
    end}.

name(Generation) -> iolist_to_binary(io_lib:format("~12..0b.checkpoint", [Generation])).

%% A higher number would make it the last checkpoint for ever, and later ones would be deleted.
a_checkpoint_under_another_number_is_an_error_test() ->
    with_checkpoints(fun(Last, _) ->
        {ok, _} = file:copy(Last, filename:join(filename:dirname(Last), "000000000999.checkpoint")),
        ?assertMatch({malformed, _}, start_again())
    end).

%% A directory may become unreadable on a damaged disk. A run must not start again as if it had no
%% checkpoints.
an_unreadable_directory_is_an_error_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        Populations = filename:join(Dir, "populations"),
        ok = file:make_dir(Populations),
        ok = file:make_symlink("unreadable", filename:join(Populations, "unreadable")),
        ?assertMatch({error, {eloop, _}}, cambrian_store:get(unreadable))
    end).

%% Packed rows are some four times as long in print as in memory, and a long text is left out.
a_task_that_is_long_in_print_has_checkpoints_test() ->
    cambrian_temporary:with_data_dir(fun(Dir) ->
        Rows = << <<(1 / N):32/float-little>> || N <- lists:seq(1, 800) >>,
        Task = {dataset, #{inputs => {4, Rows}, targets => lists:seq(1, 200)}},
        {ok, _} = cambrian:evolve(Task, #{name => packed, seed => 1, generations => 2}),
        [Last | _] = cambrian_store:files(filename:join([Dir, "populations", "packed"])),
        ?assertMatch({ok, #{text := <<>>}}, cambrian_store:open(Last))
    end).
