%% Holds for every search: a killed run continues to the same bits.
-module(cambrian_searches_tests).
-include_lib("eunit/include/eunit.hrl").

-export([maze/0]).

%% @doc The task `maze_medium' as a fun of Erlang, which gives the same scores.
maze() ->
    {ok, Native} = cambrian_task:new(maze_medium),
    fun(Network) ->
        Job = fun(Tag) -> cambrian_nif:task_score(Tag, Native, Network) end,
        {ok, {Fitness, [], Behaviour, [], _Work}} = cambrian_job:await(Job),
        #{fitness => Fitness, behaviour => Behaviour}
    end.

a_killed_run_ends_with_the_same_result_test_() ->
    [{lists:flatten(io_lib:format("~0p", [Options])),
      {timeout, 120, fun() -> goes_on_after_a_crash(Options) end}}
     || Options <- [#{task => maze_medium},
                    #{task => maze_medium, search => novelty},
                    #{task => maze_medium, search => dominated_novelty},
                    #{task => maze_medium, search => local_competition},
                    #{task => maze_medium, search => local_competition,
                      params => #{novelty_archive => threshold, distance => manhattan}},
                    #{task => maze_medium, search => map_elites,
                      params => #{emitters => [neat, cma_mae], emitter_batch => 10}},
                    #{task => zdt1, search => pareto},
                    #{task => dtlz2, search => pareto, params => #{pareto => nsga3}}]
                       ++
                   [#{task => maze_medium, search => evolution_strategy, strategy => Strategy,
                      hidden => [4], params => #{strategy_budget => 300}}
                    || Strategy <- strategies()]].

strategies() ->
    [#{expected := <<"one of ", Names/binary>>}] =
        [Row || #{name := strategy} = Row <- cambrian:parameters()],
    [binary_to_atom(Name) || Name <- binary:split(Names, <<", ">>, [global])].

goes_on_after_a_crash(Given) ->
    Options = Given#{seed => 7, population => 40},
    {ok, Whole} = cambrian_population:start(Options),
    Expected = ended(Whole, 12),
    ok = cambrian_population:stop(Whole),
    {ok, _} = application:ensure_all_started(cambrian),
    {ok, First} = cambrian_population:start(Options#{name => ?MODULE}),
    _ = ended(First, 5),
    kill(First),
    %% once more, at any moment
    ok = cambrian_population:run(?MODULE, #{generations => 12, target => 1000}),
    kill(whereis(?MODULE)),
    ?assertEqual(Expected, ended(?MODULE, 12)),
    ok = cambrian_population:stop(?MODULE).

kill(Population) ->
    Monitor = monitor(process, Population),
    exit(Population, kill),
    receive {'DOWN', Monitor, process, Population, _} -> ok end,
    cambrian_wait:until(fun() -> is_pid(whereis(?MODULE)) end).

%% The parts of a result, with ids for genotypes.
ended(Population, Generations) ->
    ok = cambrian_population:run(Population, #{generations => Generations, target => 1000}),
    {ok, #{champion := Champion, evaluations := Evaluations} = Result} =
        cambrian_population:await(Population, 60_000),
    {Evaluations, cambrian_genotype:id(Champion),
     [cambrian_archive:id(Archive) || #{archive := Archive} <- [Result]],
     [cambrian_genotype:id(One) || #{front := Front} <- [Result], #{genotype := One} <- Front]}.

%% A VM that reads a checkpoint or a line of descent has none of the atoms of the VM that wrote it.
a_run_with_every_emitter_is_resumed_in_another_vm_test_() ->
    [{Emitters, {timeout, 120, fun() -> resumed_elsewhere(Emitters) end}}
     || Emitters <- ["iso_line", "cma_me", "cma_mae", "neat,iso_line,cma_me,cma_mae"]].

resumed_elsewhere(Emitters) ->
    cambrian_temporary:with_dir(fun(Dir) ->
        Ebin = filename:dirname(code:which(cambrian)),
        Run = fun(Command) ->
                  os:cmd(["erl -noinput -pa ", Ebin, " -s cambrian_cli -extra ", Command,
                          " --quiet --data-dir ", Dir, " 2>&1"])
              end,
        Evolve = ["evolve maze_medium --name a --search map_elites --seed 1 --target 1000 ",
                  "--generations 5 --param 'emitters=[", Emitters, "]'"],
        Id = fun(Said) ->
                 {match, [Found]} = re:run(Said, "Id ([0-9a-f]{64})",
                                           [{capture, all_but_first, list}]),
                 Found
             end,
        Written = Run(Evolve),
        Resumed = Run("resume a"),
        ?assertEqual(Id(Written), Id(Resumed)),
        ?assertEqual(nomatch, string:find(Resumed, "damaged"))
    end).
