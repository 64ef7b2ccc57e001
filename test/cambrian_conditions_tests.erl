%% What varies from generation to generation in an environment: the normalisation, and the episodes.
-module(cambrian_conditions_tests).
-include_lib("eunit/include/eunit.hrl").

-define(ALL, #{episodes => 2, normalise => true, fresh_episodes => true, validation => 4}).

evolve(Args, Options) ->
    {ok, Result} = cambrian:evolve({cambrian_drift, Args}, options(Options)),
    Result.

options(Options) ->
    maps:merge(#{seed => 3, generations => 5, population => 20,
                 params => #{output_activation => tanh}}, Options).

%% All that follows from the seed.
bits(#{champion := Champion} = Result) ->
    {cambrian_genotype:id(Champion),
     maps:with([fitness, validation, normalisation, evaluations], Result)}.

%%% ---- statistics -------------------------------------------------------------------------

counted_all(Rows) ->
    lists:foldl(fun cambrian_statistics:add/2, cambrian_statistics:new(), Rows).

statistics_are_the_mean_and_the_variance_test() ->
    _ = rand:seed(exsss, 1),
    Rows = [[1.0e6 + rand:normal(), rand:uniform(9)] || _ <- lists:seq(1, 200)],
    {Some, Others} = lists:split(70, Rows),
    Merged = cambrian_statistics:merge(counted_all(Some), counted_all(Others)),
    [begin
         {200, Moments} = Statistics,
         [begin
              Mean = lists:sum(Column) / 200,
              Expected = lists:sum([(X - Mean) * (X - Mean) || X <- Column]),
              ?assert(abs(Got - Mean) < 1.0e-9 * abs(Mean)),
              ?assert(abs(Squares - Expected) < 1.0e-6 * Expected)
          end || {{Got, Squares}, Column} <- lists:zip(Moments, columns(Rows))]
     end || Statistics <- [counted_all(Rows), Merged]].

columns(Rows) -> [[lists:nth(Nth, Row) || Row <- Rows] || Nth <- [1, 2]].

a_number_that_never_changes_keeps_its_scale_test() ->
    Third = 1 / 3,
    Rows = [[Third, X] || X <- lists:seq(1, 99)],
    {Some, Others} = lists:split(50, Rows),
    Merged = cambrian_statistics:merge(counted_all(Some), counted_all(Others)),
    {99, [{Third, 0.0}, _]} = Merged,
    #{factors := [1.0, Factor]} = cambrian_statistics:normalisation(Merged),
    ?assert(Factor > 0 andalso Factor < 1).

binaries_and_lists_count_alike_test() ->
    Rows = [[0.5, 2.0], [1.5, -4.0]],
    Binaries = [<< <<X:32/float-little>> || X <- Row >> || Row <- Rows],
    ?assertEqual(counted_all(Rows), counted_all(Binaries)).

%%% ---- the same bits ----------------------------------------------------------------------

the_bits_do_not_depend_on_who_is_evaluated_first_test_() ->
    {timeout, 60,
     fun() -> ?assertEqual(bits(evolve(?ALL, #{})), bits(evolve((?ALL)#{delay => 3}, #{}))) end}.

the_bits_are_the_same_after_a_stop_and_a_crash_test_() ->
    {timeout, 60,
     fun() ->
         Whole = bits(evolve(?ALL, #{generations => 6})),
         Options = options(#{generations => 6, name => drifting, run => true,
                             task => {cambrian_drift, (?ALL)#{delay => 2}}}),
         {ok, P} = cambrian_population:start(Options),
         ok = cambrian_population:subscribe(P),
         receive {cambrian, drifting, {generation, #{generation := 2}}} -> ok end,
         Monitor = monitor(process, drifting),
         exit(whereis(drifting), kill),
         receive {'DOWN', Monitor, process, _, killed} -> ok end,
         {ok, Result} = await(drifting),
         ?assertEqual(Whole, bits(Result)),
         ok = cambrian_population:stop(drifting)
     end}.

%% Until the supervisor has started it again.
await(Name) ->
    try cambrian_population:await(Name, 30_000)
    catch exit:_ -> erlang:yield(), await(Name)
    end.

%%% ---- the normalisation ------------------------------------------------------------------

the_champion_is_its_genotype_with_its_normalisation_test() ->
    #{champion := Champion, normalisation := Normalisation, fitness := Fitness} =
        evolve(#{normalise => true}, #{}),
    #{means := [Mean, 7.0], factors := [Factor, 1.0]} = Normalisation,
    ?assert(abs(Mean - 1000) < 30 andalso abs(1 / Factor - 58) < 30),
    Network = cambrian_network:normalise(cambrian_network:compile(Champion), Normalisation),
    ?assertEqual({ok, Fitness}, cambrian_task:evaluate({cambrian_drift, #{}}, Network)).

without_the_settings_nothing_varies_test() ->
    ?assertNot(is_map_key(normalisation, evolve(#{}, #{}))),
    ?assertNot(is_map_key(validation, evolve(#{}, #{}))).

observations_of_networks_that_fail_do_not_count_test() ->
    Nan = <<0, 0, 192, 127, 0, 0, 0, 0>>,
    #{failures := Failures, normalisation := #{means := Means}} =
        evolve(#{odd => Nan, normalise => true}, #{generations => 3}),
    ?assert(Failures > 0),
    [Mean, 7.0] = Means,
    ?assert(Mean > 900 andalso Mean < 1100).

%%% ---- episodes ---------------------------------------------------------------------------

episodes_are_drawn_for_each_generation_and_the_same_for_all_test() ->
    Result = evolve((?ALL)#{saw => self()}, #{generations => 3}),
    #{evaluations := 60} = Result,
    Counts = counted(#{}),
    {HeldOut, Drawn} = lists:partition(fun({Number, _}) -> Number < 1 bsl 30 end,
                                       maps:to_list(Counts)),
    ?assertEqual(lists:duplicate(6, 20), [Count || {_, Count} <- Drawn]),
    ?assertEqual(lists:duplicate(4, 3), [Count || {_, Count} <- HeldOut]),
    [?assert(Number >= 1 bsl 29 andalso Number < 1 bsl 31) || Number <- maps:keys(Counts)].

counted(Counts) ->
    receive {episode, Number} -> counted(maps:update_with(Number, fun(N) -> N + 1 end, 1, Counts))
    after 0 -> Counts
    end.

the_champion_is_the_best_in_held_out_episodes_test() ->
    #{champion := Champion, normalisation := Normalisation, validation := Value} =
        evolve((?ALL)#{saw => self()}, #{}),
    HeldOut = [Number || Number <- maps:keys(counted(#{})), Number < 1 bsl 30],
    Network = cambrian_network:normalise(cambrian_network:compile(Champion), Normalisation),
    {ok, Again} = cambrian_task:evaluate({cambrian_drift, #{}}, Network, #{episodes => HeldOut}),
    ?assert(abs(Again - Value) < 1.0e-9).

the_target_is_one_of_held_out_episodes_test() ->
    #{solved := true, validation := Value} = evolve(?ALL, #{target => 3, generations => 200}),
    ?assert(Value >= 3).

survivors_are_measured_again_test() ->
    {ok, #{params := #{}} = Prepared} =
        cambrian_preparation:prepare(options(#{task => {cambrian_drift, ?ALL}})),
    ?assert(cambrian_preparation:effective(reevaluate, Prepared)),
    {ok, Plain} = cambrian_preparation:prepare(options(#{task => {cambrian_drift, #{}}})),
    ?assertNot(cambrian_preparation:effective(reevaluate, Plain)).

%%% ---- mistakes ---------------------------------------------------------------------------

what_cannot_carry_the_conditions_is_refused_by_name_test() ->
    Refused = fun(Args, Options) ->
                  Task = {cambrian_drift, Args},
                  {error, Reason} = cambrian:evolve(Task, options(Options)),
                  unicode:characters_to_binary(cambrian_error:format_error(Reason))
              end,
    [?assertMatch({_, _}, binary:match(Refused(#{Name => Value}, #{nodes => connected}),
                                       atom_to_binary(Name)))
     || {Name, Value} <- [{normalise, true}, {fresh_episodes, true}, {validation, 3}]],
    [?assertMatch({_, _}, binary:match(Refused(#{normalise => true}, #{search => Search}),
                                       <<"normalise">>))
     || Search <- [map_elites, pareto]].

a_setting_of_another_kind_is_refused_by_name_test() ->
    [?assertMatch({error, {bad_option, {Name, bad, <<_/binary>>}}},
                  cambrian:evolve({cambrian_drift, #{Name => bad}}))
     || Name <- [normalise, fresh_episodes, validation]].
