-module(cambrian_task_tests).
-include_lib("eunit/include/eunit.hrl").

%% This module is a task whose fitness is its argument.
-export([init/1, evaluate/2]).
%% It is also a logger handler.
-export([log/2]).

init(Shape) -> {ok, maps:remove(fitness, Shape), maps:get(fitness, Shape, 1.5)}.
evaluate(_Network, Fitness) when is_function(Fitness) -> Fitness();
evaluate(_Network, Fitness) -> Fitness.

network(Inputs, Outputs) ->
    {ok, G} = cambrian_genotype:new(#{inputs => Inputs, outputs => Outputs}, 7),
    cambrian_network:compile(G).

own(Fitness) -> {?MODULE, #{inputs => 2, outputs => 1, fitness => Fitness}}.

%%% ---- evaluate ---------------------------------------------------------------------------

every_kind_of_task_is_evaluated_test() ->
    Network = network(2, 1),
    [Half] = cambrian_network:activate(Network, [0.0, 0.0]),
    ?assertEqual({ok, Half},
                 cambrian_task:evaluate(fun(N) -> hd(cambrian_network:activate(N, [0, 0])) end,
                                        Network)),
    ?assertEqual({ok, 1.5}, cambrian_task:evaluate(own(1.5), Network)),
    ?assertEqual({ok, 2.0},
                 cambrian_task:evaluate(own(#{fitness => 2, behaviour => [1.0]}), Network)),
    ?assertMatch({ok, F} when F > 0 andalso F =< 1,
                 cambrian_task:evaluate({dataset, [[0, 1]], [0.5]}, Network)),
    ?assertMatch({ok, _}, cambrian_task:evaluate('xor', Network)).

an_environment_is_evaluated_on_the_given_episodes_test() ->
    Network = network(1, 1),
    Score =
        fun(Options) ->
            {ok, F} = cambrian_task:evaluate({cambrian_lamp, #{episodes => 2}}, Network, Options), F
        end,
    [First, Second] = [Score(#{episodes => [Episode]}) || Episode <- [0, 1]],
    ?assert(abs(Score(#{}) - (First + Second) / 2) < 1.0e-9),
    ?assertEqual(First, Score(#{episodes => 1})),
    ?assertEqual(Second, Score(#{episodes => [7]})),
    ?assertEqual(Score(#{}), Score(#{episodes => [4, 5]})).

a_fault_has_the_stack_of_the_users_code_test() ->
    Network = network(2, 1),
    Failed =
        fun(Fun) ->
            {error, {evaluation_failed, Fault}} = cambrian_task:evaluate(own(Fun), Network), Fault
        end,
    {crashed, {error, boom, [{?MODULE, _, _, _} | _]}} = Failed(fun() -> error(boom) end),
    ?assertMatch({crashed, {throw, ball, _}}, Failed(fun() -> throw(ball) end)),
    ?assertEqual({bad_fitness, many}, Failed(fun() -> many end)),
    ?assertEqual({bad_fitness, nan}, Failed(fun() -> #{fitness => nan} end)),
    {error, {evaluation_failed, {crashed, _}}} =
        cambrian_task:evaluate({cambrian_lamp, #{step => fun(_, _) -> error(dark) end}},
                               network(1, 1)),
    ok.

an_evaluation_beyond_its_time_or_memory_is_ended_test() ->
    %% tests of other modules send `never' and `hangs' to this process, also late
    IsOther = fun(never) -> true; ({hangs, _}) -> true; (_) -> false end,
    Messages = fun() ->
                   {messages, All} = process_info(self(), messages),
                   [Message || Message <- All, not IsOther(Message)]
               end,
    Before = Messages(),
    Network = network(2, 1),
    Run = fun(Fun, Options) -> cambrian_task:evaluate(own(Fun), Network, Options) end,
    {Self, Tag} = {self(), make_ref()},
    Hang = fun() -> Self ! {Tag, self()}, receive never -> 1 end end,
    ?assertEqual({error, {evaluation_failed, timeout}}, Run(Hang, #{timeout => 10})),
    receive {Tag, Pid} -> gone(Pid) end,
    ?assertEqual({error, {evaluation_failed, memory}},
                 Run(fun() -> length(lists:seq(1, 50_000_000)) end, #{memory => 10_000_000})),
    ?assertEqual([], Messages() -- Before).

an_evaluation_ends_with_its_caller_test() ->
    {Self, Network} = {self(), network(2, 1)},
    Hang = fun() -> Self ! {hangs, self()}, receive never -> 1 end end,
    Caller = spawn(fun() -> cambrian_task:evaluate(own(Hang), Network, #{timeout => infinity}) end),
    receive {hangs, Pid} ->
        exit(Caller, kill),
        gone(Pid)
    end.

gone(Pid) ->
    Monitor = monitor(process, Pid),
    receive {'DOWN', Monitor, _, _, _} -> ok after 120_000 -> error(still_alive) end.

a_wrong_task_or_network_is_named_test_() ->
    Network = network(2, 1),
    [?_assertEqual({error, Reason}, cambrian_task:evaluate(Task, Network, Options))
     || {Reason, Task, Options} <- [{{wrong_size, inputs, 3, 2}, parity, #{}},
                                    {{wrong_size, outputs, 2, 1},
                                     {?MODULE, #{inputs => 2, outputs => 2}}, #{}},
                                    {{unknown_task, chess, #{see => <<"cambrian:tasks/0">>}}, chess,
                                     #{}},
                                    {{unknown_option, tmeout,
                                      #{did_you_mean => timeout,
                                        see => <<"cambrian_task:evaluate/3">>}}, 'xor',
                                     #{tmeout => 1}},
                                    {{bad_option, {timeout, -1, <<"milliseconds or infinity">>}},
                                     'xor', #{timeout => -1}},
                                    {{bad_option,
                                      {episodes, [],
                                       <<"a positive integer, or a list of integers from 0">>}},
                                     {cambrian_lamp, #{}}, #{episodes => []}},
                                    {{bad_option,
                                      {episodes, 2, <<"absent, as the task is no environment">>}},
                                     'xor', #{episodes => 2}}]].

only_tasks_with_a_criterion_have_a_trial_test() ->
    Network = network(2, 1),
    ?assertMatch({ok, #{solved := false}}, cambrian_task:trial('xor', Network)),
    [?assertEqual({error, {no_trial, Name}}, cambrian_task:trial(Task, Network))
     || {Name, Task} <- [{'fun', fun(_) -> 1 end}, {?MODULE, own(1)},
                         {cambrian_lamp, {cambrian_lamp, #{}}},
                         {program, {program, #{command => "no_such"}}}]],
    ?assertEqual({error, {unknown_task, chess, #{see => <<"cambrian:tasks/0">>}}},
                 cambrian_task:trial(chess, Network)),
    ?assertEqual({error, {wrong_size, inputs, 3, 2}}, cambrian_task:trial(parity, Network)).

%%% ---- datasets ---------------------------------------------------------------------------

classes(Targets) ->
    cambrian_task:classes({dataset,
                           #{inputs => lists:seq(1, length(Targets)), targets => Targets,
                             kind => classification}}).

labels_are_sorted_classes_test_() ->
    One = <<1:32/float-little>>, Zero = <<0:32>>,
    [?_assertEqual({ok, Classes}, classes(Targets))
     || {Classes, Targets} <- [{[0, 1, 2], [2, 0, 1]}, {[1, 2], [1, 2, 1, 2]}, {[-1, 1], [1, -1]},
                               {[0, 1, 3], [3, 0, 1]},
                               {[1, 2], [1.0, 2.0]}, {[no, yes], [yes, no, yes]},
                               {[false, true], [true, false]},
                               {[<<"cat">>, <<"dog">>], [<<"dog">>, <<"cat">>]},
                               {[<<"cat">>, <<"dog">>], ["dog", "cat"]},
                               {[<<"dög"/utf8>>, <<"été"/utf8>>], [<<"été"/utf8>>, "dög"]},
                               {[0, 1], [[0, 1], [1, 0]]},
                               {[0, 1],
                                [<<One/binary, Zero/binary>>, <<Zero/binary, One/binary>>]}]].

a_wrong_label_is_named_by_its_row_test_() ->
    [?_assertMatch({error, {bad_dataset, {{targets, Row}, _, _}}}, classes(Targets))
     || {Row, Targets} <- [{2, [1, a]}, {3, [a, b, "c"]}, {1, [nil, a]}, {2, [a, undefined]},
                           {2, [1.0, 1.5]}, {2, [1, {}]}]].

a_trial_says_which_output_stands_for_which_class_test() ->
    Rows = [[X] || X <- [-1, 1, -1, 1]],
    Data = {dataset, #{inputs => Rows, targets => [yes, no, yes, no], kind => classification}},
    {ok, #{champion := Champion}} = cambrian:evolve(Data, #{seed => 1, target => 0.9}),
    Network = cambrian_network:compile(Champion),
    {ok, #{classes := [no, yes], facts := Facts}} = cambrian_task:trial(Data, Network),
    ?assertEqual(1.0, proplists:get_value(accuracy, Facts)),
    ?assertMatch([No, Yes] when No < Yes, cambrian_network:activate(Network, [-1])).

a_single_column_may_be_a_list_of_numbers_test() ->
    Network = network(1, 1),
    Packed = fun(Numbers) -> {1, << <<X:32/float-little>> || X <- Numbers >>} end,
    Scores = [cambrian_task:evaluate({dataset, I, T}, Network)
              || I <- [[1, 2.0, 3], [[1], [2], [3]], Packed([1, 2, 3])],
              T <- [[0.1, 0.2, 0.3], [[0.1], [0.2], [0.3]]]],
    ?assertMatch([{ok, _}], lists:usort(Scores)).

a_bad_number_is_named_and_no_other_data_are_shown_test_() ->
    Nan = <<0, 0, 192, 127>>,
    Secret = binary:copy(<<0.25:32/float-little>>, 1000),
    [{timeout, 60, fun() ->
         {error, Reason} = cambrian_task:evaluate({dataset, Inputs, Targets}, network(2, 1)),
         ?assertMatch({bad_dataset, {Place, _, _}}, Reason),
         ?assert(byte_size(term_to_binary(Reason)) < 200)
     end} || {Place, Inputs, Targets} <-
                 [{{inputs, 501, 2}, {2, <<Secret/binary, 0:32, Nan/binary, Secret/binary>>}, [1]},
                  {{inputs, 2, 2}, [[1, 2], [3, 1.0e300]], [1, 2]},
                  {{targets, 2}, [[1, 2], [3, 4]], [1, x]},
                  {{inputs, 2}, [[1, 2], Secret], [1, 2]}, {{targets, 1, 1}, [[1, 2]], [Nan]}]].

a_text_is_refused_as_packed_numbers_test_() ->
    Expected = <<"32-bit floats in its binaries, whose bytes are not all printable">>,
    Reason = {bad_dataset, {inputs, printable_text, Expected}},
    [?_assertEqual({error, Reason}, cambrian_task:evaluate({dataset, Inputs, [1]}, network(2, 1)))
     || Inputs <- [{2, <<"abcdabcd">>}, {2, <<"0.5,1.0\n">>}, [<<"ABCD1.00">>]]]
    ++ [?_assertMatch({ok, _},
                      cambrian_task:evaluate({dataset, {2, <<"?AAA@AAA">>}, [1]}, network(2, 1)))].

the_id_of_a_dataset_depends_on_its_numbers_test() ->
    Id = fun(Settings) -> cambrian_task:id({dataset, Settings}) end,
    Rows = #{inputs => [[0, 1], [1, 0]], targets => [1, 0]},
    Same =
        [cambrian_task:id({dataset, [[0.0, 1], <<1:32/float-little, 0:32>>], [[1], [0.0]]}),
         Id(Rows#{kind => regression}),
         Id(Rows#{inputs := {2, <<0:32, 1:32/float-little, 1:32/float-little, 0:32>>},
                  validation => 0, seed => 0})],
    ?assertEqual([Id(Rows)], lists:usort(Same)),
    Others =
        [Rows#{targets := [1, 2]}, Rows#{inputs := [[0, 1], [1, 1]]}, Rows#{validation => 0.5},
         Rows#{seed => 1},
         Rows#{kind => classification}, Rows#{kind => classification, targets := [a, b]},
         Rows#{kind => classification, targets := [b, a]},
         Rows#{kind => classification, targets := ["a", "b"]}],
    ?assertEqual(9, length(lists:usort([Id(Settings) || Settings <- [Rows | Others]]))),
    try Id(Rows#{targets := [x]}) of Other -> error(Other)
    catch
        error:badarg:Stack ->
            [{cambrian_task, id, 1, _} | _] = Stack,
            #{1 := Said} = cambrian_badarg:format_error(badarg, Stack),
            ?assertEqual("row 1 of a dataset's targets must be a list of numbers or a binary of "
                         "32-bit floats, got: x", unicode:characters_to_list(Said))
    end.

the_id_of_a_large_dataset_is_computed_in_seconds_test_() ->
    {timeout, 120, fun() ->
        Count = 1_400_000,
        Data = {dataset, {2, binary:copy(<<0.5:32/float-little, 0.25:32/float-little>>, Count)},
                {1, binary:copy(<<0.75:32/float-little>>, Count)}},
        {Micros, _} = timer:tc(fun() -> cambrian_task:id(Data) end),
        %% it once took 48 s
        ?assert(Micros < 5_000_000)
    end}.

the_id_of_a_task_with_large_arguments_is_computed_in_seconds_test_() ->
    {timeout, 120, fun() ->
        Large =
            [binary:copy(<<7>>, 16_000_000), <<1:3, (binary:copy(<<7>>, 1_000_000))/binary>>,
             lists:seq(1, 300_000),
             list_to_tuple(lists:seq(1, 300_000)),
             maps:from_list([{N, N} || N <- lists:seq(1, 100_000)])],
        {Micros, Ids} =
            timer:tc(fun() -> [cambrian_task:id({?MODULE, Args}) || Args <- [Large | Large]] end),
        ?assert(Micros < 20_000_000),
        ?assertEqual(6, length(lists:usort(Ids))),
        ?assertNotEqual(cambrian_task:id({?MODULE, binary:copy(<<7>>, 2000)}),
                        cambrian_task:id({?MODULE, binary:copy(<<8>>, 2000)})),
        %% the ids of small arguments are those of earlier releases
        ?assertEqual(<<"parity/4f654de4">>, cambrian_task:id({parity, #{bits => 5}}))
    end}.

a_population_gets_only_the_data_it_needs_test() ->
    Rows = [[X] || X <- lists:seq(1, 20_000)],
    {ok, Options} = cambrian_preparation:prepare(#{task => {dataset, Rows, Rows}}),
    ?assert(erts_debug:flat_size(Options) < 10_000),
    {ok, #{task := #{evaluate := {together, _}} = Task}} =
        cambrian_preparation:prepare(#{task => {cambrian_lamp, #{}}, nodes => [node()]}),
    ?assertNot(is_map_key(on_episodes, Task)).

columns_far_from_zero_are_logged_once_test() ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => #{pid => self()}, level => warning}),
    Inputs = [[0, 1.0e9], [1, 2.0e9]],
    {ok, _} =
        cambrian:evolve({dataset, Inputs, [0, 1]},
                        #{generations => 3, seed => 1, population => 10}),
    {ok, _} =
        cambrian:evolve({dataset, [[0], [99]], [0, 1]},
                        #{generations => 1, seed => 1, population => 10}),
    ok = logger:remove_handler(?MODULE),
    ?assertEqual(["column 2 of a dataset's inputs has numbers from 1e9 to 2e9: scale each to "
                  "about -1 to 1, "
                  "as first weights are about 1"], logged()).

logged() -> receive {logged, Text} -> [Text | logged()] after 0 -> [] end.

log(#{msg := {Format, Arguments}}, #{config := #{pid := Pid}}) ->
    Pid ! {logged, lists:flatten(io_lib:format(Format, Arguments))};
log(_, _) -> ok.
