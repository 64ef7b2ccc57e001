%% What is wrong with a search, an archive or a score is one clear error: the input and the exact
%% text, in Erlang and on the command line. The texts in Elixir are in test/bad_input_test.exs.
-module(cambrian_bad_input_tests).
-include_lib("eunit/include/eunit.hrl").

-define(PAIRS, "a list of pairs of a lower and a higher number").
-define(OPTIONS, #{seed => 1, population => 6, generations => 2, target => 1000}).

%%% ---- parameters -------------------------------------------------------------------------

a_bad_parameter_of_a_search_is_refused_by_name_test_() ->
    [{Text,
      ?_assertEqual("parameter " ++ Text,
                    error_of(maze_medium, #{search => map_elites, params => Params}))}
     || {Params, Text} <-
            [{#{bounds => [{1, 0}, {0, 1}]}, "bounds must be " ?PAIRS ", got: [{1,0},{0,1}]"},
             {#{bounds => [{1, 1}, {0, 1}]}, "bounds must be " ?PAIRS ", got: [{1,1},{0,1}]"},
             %% as floats they are equal
             {#{bounds => [{1 bsl 53, (1 bsl 53) + 1}, {0, 1}]},
              "bounds must be " ?PAIRS ", got: [{9007199254740992,9007199254740993},{0,1}]"},
             {#{bounds => [{0, infinity}, {0, 1}]},
              "bounds must be " ?PAIRS ", got: [{0,infinity},{0,1}]"},
             {#{bounds => [{0, 1 bsl 1030}, {0, 1}]},
              "bounds must be " ?PAIRS ", got: [{0,large_integer},{0,1}]"},
             {#{bounds => [0, 1]}, "bounds must be " ?PAIRS ", got: [0,1]"},
             {#{bounds => [{0, 1} | end_of_it]},
              "bounds must be " ?PAIRS ", got: [{0,1}|end_of_it]"},
             {#{bounds => [{0, 1}]},
              "bounds must be 2 pairs, as many as the behaviour of maze_medium has numbers, got: "
              "[{0,1}]"},
             {#{bounds => [{0, 1}, {0, 1}, {0, 1}]},
              "bounds must be 2 pairs, as many as the behaviour of maze_medium has numbers, got: "
              "[{0,1},{0,1},{0,1}]"},
             {#{cells => 0}, "cells must be an integer from 1 to 1000000, got: 0"},
             {#{cells => 3},
              "cells must be at least 4: a grid of this many dimensions needs two places along "
              "each, got: 3"},
             {#{cells => 1_000_000_000_000},
              "cells must be an integer from 1 to 1000000, got: 1000000000000"},
             {#{cells => 2.5}, "cells must be an integer from 1 to 1000000, got: 2.5"},
             {#{cells => 1_000_000, partition => cvt},
              "cells must be at most 50000 with partition cvt and so many dimensions, got: "
              "1000000"},
             {#{partition => hexagon}, "partition must be one of grid, cvt, got: hexagon"},
             {#{emitters => []},
              "emitters must be a list of one or more of neat, iso_line, cma_me, cma_mae, got: []"},
             {#{emitters => [cma]},
              "emitters must be a list of one or more of neat, iso_line, cma_me, cma_mae, got: "
              "[cma]"},
             {#{emitters => lists:duplicate(17, neat)},
              "emitters must be at most 16, got: " ++
                  lists:flatten(io_lib:format("~0p", [lists:duplicate(17, neat)]))}]].

a_bad_parameter_of_an_emitter_or_an_archive_is_refused_test_() ->
    Bounds =
        fun(Count) -> #{search => map_elites, params => #{bounds => lists:duplicate(Count, {0, 1})}}
        end,
    Pareto = fun(Objectives) -> #{search => pareto, params => #{objectives => Objectives}} end,
    [{Text, ?_assertEqual("parameter " ++ Text, error_of(Task, Options))}
     || {Task, Options, Text} <-
            [{'xor', Bounds(1),
              "bounds must be left out, as xor tells nothing of its behaviour, got: [{0,1}]"},
             %% the default is too few
             {fun ones/1, Bounds(12),
              "cells must be at least 4096: a grid of this many dimensions needs two places along "
              "each, "
                                      "got: 2500"},
             {fun ones/1, Bounds(17), "bounds must be at most 16 pairs, got: "
                                      ++
                  lists:flatten(io_lib:format("~0p", [lists:duplicate(17, {0, 1})]))},
             {'xor', Pareto([]),
              "objectives must be a list of one or more of task, fitness, connections, energy, "
              "novelty, got: []"},
             {'xor', Pareto([speed]),
              "objectives must be a list of one or more of task, fitness, connections, energy, "
              "novelty, got: [speed]"},
             {'xor', Pareto([fitness, novelty, fitness]),
              "objectives must be a list with fitness once, got: [fitness,novelty,fitness]"}]].

%% What looks wrong and is not: several emitters of one kind, no bounds at all, and novelty for a
%% task that tells nothing.
extreme_but_sound_parameters_are_accepted_test_() ->
    [?_assertMatch({ok, _}, cambrian:evolve(Task, maps:merge(?OPTIONS, Options)))
     || {Task,
         Options} <- [{maze_medium, #{search => map_elites, params => #{emitters => [neat, neat]}}},
                      {maze_medium, #{search => map_elites, params => #{bounds => []}}},
                      {maze_medium,
                       #{search => map_elites,
                         params => #{bounds => [{0, 1 bsl 60}, {-1.0e308, 1.0e308}]}}},
                      {'xor', #{search => pareto, params => #{objectives => [novelty, fitness]}}}]].

%%% ---- scores -----------------------------------------------------------------------------

a_bad_score_is_a_fault_in_words_test_() ->
    Novelty = #{search => novelty},
    Pareto = #{search => pareto},
    Bounded = #{search => map_elites, params => #{bounds => [{0, 1}, {0, 1}]}},
    [{Text,
      ?_assertEqual("no network has a fitness, as all 6 evaluations "
                    "failed; the first: it gave "
                    ++ Text, error_of(fun(_) -> Score end, Options))}
     || {Score, Options, Text} <-
            [{#{fitness => 1, behaviour => [1, 2, 3]}, Bounded,
              "3 numbers as behaviour, expected 2 numbers, as the parameter bounds has"},
             {#{fitness => 1, behaviour => []}, Bounded,
              "0 numbers as behaviour, expected 2 numbers, as the parameter bounds has"},
             {1, Bounded,
              "0 numbers as behaviour, expected 2 numbers, as the parameter bounds has"},
             {#{fitness => 1, behaviour => [1, 2, 3]}, #{search => map_elites},
              "3 numbers as behaviour, expected no behaviour, or the parameter bounds or "
              "projection for it"},
             {#{fitness => 1, behaviour => [nan, 0]}, Bounded,
              "[nan,0] as behaviour, expected a list of finite numbers"},
             {#{fitness => 1, behaviour => [1 bsl 2000]}, Novelty,
              "[large_integer] as behaviour, expected a list of finite numbers"},
             {#{fitness => 1, behaviour => 5}, Novelty,
              "5 as behaviour, expected a list of finite numbers"},
             {#{fitness => 1, behaviour => lists:duplicate(1001, 0)}, Novelty,
              "1,001 numbers as behaviour, expected at most 1,000 numbers"},
             {#{objectives => lists:duplicate(101, 0)}, Pareto,
              "101 numbers as objectives, expected at most 100 numbers"},
             {#{objectives => []}, Pareto,
              "[] as objectives, expected one number at least, without a fitness"},
             {#{objectives => [1.0e308, 1.0e308]}, Pareto,
              "[1.0e308,1.0e308] as objectives, expected numbers with a finite sum, without a "
              "fitness"},
             {#{objectives => [1]}, #{},
              "none as fitness, expected a number, which only the search pareto can do without"},
             {#{fitness => 1, behavior => [1]}, #{},
              "[1] as behavior, expected only fitness, cases, behaviour and objectives"},
             {#{fit => 1}, #{},
              "#{fit => 1}, expected a finite number, or a map with fitness or objectives"},
             {1 bsl 2000, #{}, "large_integer, expected a finite number"}]].

%% Whoever differs from the first fails; the first and those like it do not.
a_length_that_changes_between_evaluations_is_a_fault_test_() ->
    [{Text, fun() ->
         ok = counters(),
         Varying = fun(_) -> Score(case persistent_add() rem 3 of 2 -> 3; _ -> 2 end) end,
         Name = binary_to_atom(Text),
         Options =
             (maps:merge(?OPTIONS, Given))#{task => Varying, inputs => 1, outputs => 1,
                                            name => Name},
         {ok, P} = cambrian_population:start(Options),
         ok = cambrian_population:subscribe(P),
         ok = cambrian_population:run(P),
         Fault =
             receive {cambrian, Name, {evaluations_failed, #{first := First}}} ->
                     First after 5000 ->
                     none end,
         {ok, #{failures := Failures, evaluations := Evaluations}} =
             cambrian_population:await(P, 30_000),
         ok = cambrian_population:stop(P),
         ok = forget(Name),
         ?assertEqual(Text, unicode:characters_to_binary(cambrian_fault:text(Fault))),
         ?assert(Failures > 0 andalso Failures < Evaluations)
     end} || {Given, Score, Text} <-
                 [{#{search => novelty},
                   fun(Count) -> #{fitness => 1, behaviour => lists:duplicate(Count, 0)} end,
                   <<"it gave 3 numbers as behaviour, expected 2 numbers, as before">>},
                  {#{search => pareto},
                   fun(Count) -> #{objectives => lists:duplicate(Count, 0)} end,
                   <<"it gave 3 numbers as objectives, expected 2 numbers, as before">>}]].

%%% ---- archives on the command line -------------------------------------------------------

a_bad_archive_file_is_refused_with_one_line_test_() ->
    {timeout, 60, fun() -> cambrian_temporary:with_dir(fun archives/1) end}.

archives(Dir) ->
    File = fun(Name) -> filename:join(Dir, Name) end,
    Archive = fun(Task, Options) ->
                  {ok, #{archive := Found}} =
                      cambrian:evolve(Task, maps:merge(?OPTIONS, Options#{search => map_elites})),
                  cambrian_archive:to_binary(Found)
              end,
    Whole = Archive(maze_medium, #{}),
    {ok, Genotype} = cambrian_genotype:new(#{inputs => 1, outputs => 1}, 1),
    [ok = file:write_file(File(Name), Bytes)
     || {Name, Bytes} <- [{"whole", Whole},
                          {"finer", Archive(maze_medium, #{params => #{cells => 3600}})},
                          {"wider",
                           Archive(maze_medium, #{params => #{bounds => [{0, 999}, {0, 999}]}})},
                          {"xor", Archive('xor', #{})},
                          {"cut", binary:part(Whole, 0, byte_size(Whole) - 7)},
                          {"longer", [Whole, 0]}, {"empty", ""},
                          {"zeros", binary:copy(<<0>>, 1 bsl 20)},
                          {"genotype", cambrian_genotype:to_binary(Genotype)}]],
    ok = file:make_dir(File("dir")),
    %% too large to be read, and without a byte on the disk
    {ok, Io} = file:open(File("huge"), [write, raw]),
    {ok, _} = file:position(Io, 5 bsl 30),
    ok = file:truncate(Io),
    ok = file:close(Io),
    Merge = fun(Name) -> ["archive", "merge", File("whole"), File(Name), "--out", File("out")] end,
    [?assertEqual({1, "cambrian: " ++ Text ++ "\n"}, said(Line))
     || {Line, Text} <-
            [{Merge("xor"),
              File("whole") ++ " and " ++ File("xor") ++ ": the archives are of different tasks"}]
            ++
         [{Merge(Name),
           File("whole") ++ " and " ++ File(Name) ++
               ": the archives divide behaviours differently: bounds, partition, cells and "
               "projection must be equal"}
          || Name <- ["finer", "wider"]]
            ++ [{Merge(Name), File(Name) ++ ": not an archive: these bytes are malformed"}
                || Name <- ["cut", "empty", "zeros"]]
            ++
         [{Merge("longer"),
           File("longer") ++ ": not an archive: these bytes are not in canonical form"},
          {Merge("genotype"), File("genotype") ++ ": a genotype, expected an archive"},
          {Merge("dir"), File("dir") ++ ": a directory, expected an archive"},
          {Merge("huge"), File("huge") ++ ": file too large"},
          {Merge("none"), File("none") ++ ": there is no such file"},
          {["archive", "merge", File("whole"), "/dev/zero", "--out", File("out")],
           "/dev/zero: a device, expected a file"},
          {["archive", File("whole"), "--svg", File("none/a.svg")],
           File("none/a.svg") ++ ": no such file or directory"},
          {["archive", File("whole"), "--svg", File("dir")],
           File("dir") ++ ": illegal operation on a directory"}]],
    ?assertNot(filelib:is_file(File("out"))),
    %% with itself an archive is the same
    {0, _} = said(Merge("whole")),
    ?assertEqual({ok, Whole}, file:read_file(File("out"))).

a_bad_parameter_on_the_command_line_is_refused_with_one_line_test_() ->
    [{Typed,
      ?_assertEqual({2, "cambrian: " ++ Option ++ " " ++ Typed ++ ": expected " ++ Text ++ "\n"},
                    said(["evolve", Task, "--quiet", Option, Typed | More]))}
     || {Task, Option, Typed, More, Text} <-
            [{"maze_medium", "--param", Typed, ["--search", "map_elites"], Text}
             || {Typed, Text} <- [{"bounds=[{1,0},{0,1}]", ?PAIRS}, {"bounds=x", ?PAIRS},
                                  {"bounds=", ?PAIRS},
                                  {"bounds=[{0,1}]",
                                   "2 pairs, as many as the behaviour of maze_medium has numbers"},
                                  {"cells=1000000000000", "an integer from 1 to 1000000"},
                                  {"emitters=cma",
                                   "a list of one or more of neat, iso_line, cma_me, cma_mae"}]]
            ++
         [{"xor", "--param", "objectives=[fitness,fitness]", ["--search", "pareto"],
           "a list with fitness once"},
          {"xor", "--search", "novel", [],
           "one of neat, novelty, dominated_novelty, local_competition, map_elites, pareto, "
           "evolution_strategy"}]].

%%% ---- what they have in common -----------------------------------------------------------

forget(Name) -> receive {cambrian, Name, _} -> forget(Name) after 0 -> ok end.

ones(_Network) -> #{fitness => 1, behaviour => [1]}.

error_of(Task, Options) ->
    Sized = case Task of
                Fun when is_function(Fun) -> #{inputs => 1, outputs => 1};
                _ -> #{}
            end,
    {error, Reason} = cambrian:evolve(Task, maps:merge(maps:merge(?OPTIONS, Sized), Options)),
    unicode:characters_to_list(cambrian_error:format_error(Reason)).

%% Counts evaluations in whatever process they are.
counters() -> persistent_term:put(?MODULE, counters:new(1, [])).

persistent_add() ->
    Counter = persistent_term:get(?MODULE),
    ok = counters:add(Counter, 1, 1),
    counters:get(Counter, 1).

%% Status and standard error.
said(Line) ->
    {Status, _Out, Errors} = cambrian_command:run(Line),
    {Status, Errors}.
