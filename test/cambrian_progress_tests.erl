-module(cambrian_progress_tests).
-include_lib("eunit/include/eunit.hrl").

%% Typical stats, with given numbers.
stats(Generation, Best) ->
    #{generation => Generation, best => Best, mean => -Best, species => lists:duplicate(30, {1, 5}),
      evaluations => 1 bsl 40,
      evaluations_per_second => 123456789, elapsed_ms => 360_000_000}.

no_line_is_longer_than_the_terminal_test() ->
    Goal = #{generations => 1 bsl 40, target => 4.0},
    [?assert(length(lists:flatten(cambrian_progress:line(stats(G, Best), Goal,
                                                         Columns))) =< Columns)
     || G <- [0, 1 bsl 39], Best <- [0.0, -123456.789, 1.0e300], Columns <- lists:seq(0, 200)].

the_line_shows_the_share_of_the_nearest_limit_test() ->
    Stats = (stats(9, 1.0))#{evaluations := 100, elapsed_ms := 500},
    Shares = [hd(string:split(lists:flatten(cambrian_progress:line(Stats, Goal)), ","))
              || Goal <- [#{generations => 100}, #{generations => 100, evaluations => 400},
                          #{generations => 100, evaluations => 400, timeout => 1000},
                          #{timeout => infinity}, #{patience => 3}]],
    ?assertEqual(["10%", "25%", "50%", "generation 9", "generation 9"], Shares).

a_bar_grows_from_nothing_to_full_test() ->
    Bars =
        [hd(string:split(lists:flatten(cambrian_progress:line(stats(G, 1.0), #{generations => 100},
                                                              60)), " ", trailing))
         || G <- [0, 49, 99]],
    ?assertMatch(["[             ] 1%" ++ _, "[======>      ] 50%" ++ _,
                  "[=============] 100%" ++ _], Bars).

%% TERM is normally that of the machine on which the tests run.
with_term(Term, Test) ->
    Before = os:getenv("TERM", "dumb"),
    os:putenv("TERM", Term),
    try Test() after os:putenv("TERM", Before) end.

shown(Term, Columns) ->
    with_term(Term, fun() ->
        Device = cambrian_screen:start(Columns),
        {ok, _} = cambrian:evolve('xor', #{seed => 42, generations => 24, progress => Device}),
        cambrian_screen:read(Device)
    end).

a_terminal_has_one_line_that_is_rewritten_test() ->
    Text = shown("xterm", 61),
    ?assertMatch("\r\e[K[" ++ _, Text),
    ?assertEqual(1, length(string:split(string:trim(Text, trailing, "\n"), "\n", all))),
    [Last | _] = lists:reverse(string:split(Text, "\r\e[K", all)),
    ?assertMatch("[=============] solved, generation 23, best 3.9745" ++ _, Last).

a_device_that_is_no_terminal_gets_plain_lines_test() ->
    [begin
         Lines = string:split(string:trim(Text), "\n", all),
         ?assertMatch("4%, generation 0, best " ++ _, hd(Lines)),
         ?assertMatch("solved, generation 23, best 3.9745" ++ _, lists:last(Lines)),
         ?assertEqual([], [C || C <- Text, C < $\n])
     end || Text <- [shown("xterm", none), shown("dumb", 60)]].

an_unsolved_run_ends_at_100_percent_test() ->
    Device = cambrian_screen:start(none),
    {ok, _} = cambrian:evolve('xor', #{seed => 42, generations => 3, progress => Device}),
    ?assertMatch("100%, generation 2, " ++ _,
                 lists:last(string:split(string:trim(cambrian_screen:read(Device)), "\n", all))).

a_progress_fun_is_called_once_a_generation_test() ->
    Self = self(),
    {ok, _} =
        cambrian:evolve('xor',
                        #{seed => 42, run => true,
                          progress => fun(#{generation := G}) -> Self ! {generation, G} end}),
    ?assertEqual(lists:seq(0, 23),
                 [receive {generation, G} -> G after 0 -> none end || _ <- lists:seq(0, 23)]),
    receive {generation, _} = More -> error(More) after 0 -> ok end.

a_resumed_population_says_so_test() ->
    cambrian_temporary:with_data_dir(fun(_) ->
        Options = #{seed => 42, name => cambrian_progress_tests, target => 5},
        Device = cambrian_screen:start(none),
        {ok, _} = cambrian:evolve('xor', Options#{generations => 5}),
        {ok, _} = cambrian:evolve('xor', Options#{generations => 8, progress => Device}),
        ?assertMatch("Resumed at generation 4.\n" ++ _, cambrian_screen:read(Device))
    end).
