%% @doc Measures the elites of an archive again, where evaluations are noisy.
%%
%% Each cell of an archive keeps the highest fitness that was ever measured there. If the same
%% network has another fitness at each evaluation, the luckiest measurement stays, and the archive
%% shows more than it holds. {@link archive/3} evaluates each elite some more times, takes the mean
%% of its fitness and of its behaviour, and says what the archive is worth by these: the corrected
%% QD score and the corrected coverage (Flageat and Cully 2023, "Uncertain Quality-Diversity",
%% arXiv:2302.00463).
%%
%% ```
%% 1> Noisy = fun(Network) ->
%%        [X, Y] = cambrian_network:activate(Network, [1]),
%%        #{fitness => 1 + 0.2 * rand:normal(), behaviour => [X, Y]}
%%    end.
%% 2> {ok, #{archive := Archive}} =
%%        cambrian:evolve(Noisy, #{inputs => 1, outputs => 2, search => map_elites, seed => 1,
%%                                 generations => 10,
%%                                 params => #{bounds => [{0, 1}, {0, 1}], cells => 100}}).
%% 3> {ok, #{stats := Claimed, corrected := Corrected}} =
%%        cambrian_remeasure:archive(Archive, Noisy).
%% 4> maps:get(qd_score, Corrected) < maps:get(qd_score, Claimed).
%% true
%% '''
-module(cambrian_remeasure).

-export([archive/2, archive/3]).
-export_type([options/0, report/0, elite/0, error/0]).

-type options() :: #{trials => pos_integer(), seed => non_neg_integer(), offset => number(),
                     substrate => cambrian_substrate:substrate(), timeout => timeout(),
                     memory => pos_integer() | infinity,
                     episodes => cambrian_environment:episodes()}.

-type elite() :: #{cell := non_neg_integer(), genotype := cambrian_genotype:genotype(),
                   fitness := float(), corrected := float() | none,
                   behaviour := [float()] | none, failures := non_neg_integer()}.
%% `fitness' is that of the archive; `corrected' and `behaviour' are means over the evaluations that
%% did not fail, and `none' where all failed.

-type report() :: #{trials := pos_integer(), evaluations := non_neg_integer(),
                    failures := non_neg_integer(), first_failure => cambrian_evaluation:fault(),
                    lost := non_neg_integer(), stats := cambrian_archive:stats(),
                    corrected := cambrian_archive:stats(),
                    archive := cambrian_archive:archive(), elites := [elite()]}.
%% `stats' are those of the archive that was given. `archive' is another one, of the same elites
%% with their corrected fitness in the cells of their corrected behaviour, and `corrected' are its
%% stats. Where two elites come into one cell, the fitter stays. `lost' counts the elites whose
%% evaluations all failed; they are not in it. `failures' counts evaluations that failed.

-type error() :: cambrian_task:evaluate_error()
               | {evaluations_failed, #{count := pos_integer(),
                                        first := cambrian_evaluation:fault()}}.

%% The measurements of one elite. `behaviour' is the mean, and `none' before the first.
-record(measured, {count = 0, fitness = 0.0, behaviour = none, failures = 0, first = none}).

%% @doc The same as {@link archive/3} without options.
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, #{trials := 10, failures := 0}} = cambrian_remeasure:archive(Archive, maze_medium).
%% '''
-spec archive(cambrian_archive:archive(), cambrian_task:task()) ->
          {ok, report()} | {error, error()}.
archive(Archive, Task) -> archive(Archive, Task, #{}).

%% @doc Evaluates each elite of an archive again, and says what the archive is worth by the means.
%% The task must be the one that the archive is of. The archive does not change.
%%
%% An evaluation that fails is counted and gives no number. If all fail, the result is
%% `{error, {evaluations_failed, #{count, first}}}'.
%%
%% Options:
%% <ul>
%% <li>`trials' (10): evaluations of each elite, up to 1,000,000;</li>
%% <li>`seed' (0): the generator of `rand' begins each evaluation at a state that follows from the
%% seed, the cell and the number of the trial. So the report of a task whose noise comes from `rand'
%% is the same every time;</li>
%% <li>`offset' (0): the fitness that adds nothing to the QD scores;</li>
%% <li>`substrate', for elites that describe the networks of a substrate;</li>
%% <li>`timeout', `memory' and `episodes' as in {@link cambrian_task:evaluate/3}. An environment has
%% the same episodes in each trial: give it episodes that evolution has not seen, and one
%% trial.</li>
%% </ul>
%%
%% A task that always gives the same fitness has the same score again:
%%
%% ```
%% 1> {ok, #{archive := Archive}} =
%%        cambrian:evolve(maze_medium, #{search => map_elites, seed => 1, generations => 2}).
%% 2> {ok, #{stats := Stats, corrected := Stats, lost := 0}} =
%%        cambrian_remeasure:archive(Archive, maze_medium, #{trials => 3}).
%% 3> cambrian_remeasure:archive(Archive, maze_hard, #{trials => 3}).
%% {error,{bad_task,{task,maze_hard,<<"the task of the archive, maze_medium">>}}}
%% '''
-spec archive(cambrian_archive:archive(), cambrian_task:task(), options()) ->
          {ok, report()} | {error, error()}.
archive(Archive, Task, Options) ->
    ok = cambrian_badarg:check(?MODULE, archive, [
        {cambrian_archive:is_archive(Archive), <<"an archive">>},
        {true, <<"a task">>}, {true, <<"a map of options">>}]),
    case cambrian_options:check(Options, table(), <<"cambrian_remeasure:archive/3">>) of
        {ok, Checked} -> prepared(Archive, Task, Checked);
        Error -> Error
    end.

table() ->
    IsTrials = fun(N) -> cambrian_options:is_positive(N) andalso N =< 1_000_000 end,
    IsSeed = fun(N) -> cambrian_options:is_count(N) andalso N < 1 bsl 64 end,
    (cambrian_task:evaluate_table())#{
        trials => {IsTrials, <<"an integer from 1 to 1000000">>, 10},
        seed => {IsSeed, <<"an integer from 0 to 2^64 - 1">>, 0},
        offset => {fun is_finite/1, <<"a number">>, 0},
        substrate => {fun cambrian_substrate:is_substrate/1, <<"a substrate">>}}.

is_finite(Number) -> try is_float(float(Number)) catch error:badarg -> false end.

prepared(Archive, Task, Options) ->
    #{task := Known} = Stats = cambrian_archive:stats(Archive),
    Shape = shape(Stats, Options),
    case cambrian_task:prepare(Task, Shape) of
        {ok, Prepared} ->
            Given = maps:with([timeout, memory, episodes], Options),
            case {cambrian_task:id(Task), cambrian_task:evaluation(Prepared, Shape, Given)} of
                {Known, {ok, Evaluation}} -> report(Archive, Evaluation, Shape, Options);
                {Known, Error} -> Error;
                {_, _} ->
                    Expected = <<"the task of the archive, ", Known/binary>>,
                    {error, {bad_task, {task, Task, Expected}}}
            end;
        Error -> Error
    end.

%% Of the networks.
shape(_Stats, #{substrate := Substrate}) ->
    maps:with([inputs, outputs], cambrian_substrate:info(Substrate));
shape(Stats, _Options) -> maps:with([inputs, outputs], Stats).

report(Archive, Evaluation, #{outputs := Outputs}, Options) ->
    #{trials := Trials, offset := Offset} = Options,
    Stats = cambrian_archive:stats(Archive, #{offset => Offset}),
    Told = case {cambrian_nif:archive_is_of_probes(Archive, Outputs), Stats} of
               {true, _} -> nothing;
               {false, #{length := Length}} -> {Length, archive};
               {false, #{bounds := Bounds}} -> {length(Bounds), bounds}
           end,
    Elites = cambrian_archive:elites(Archive),
    Measured = in_parallel(fun(Elite) -> measure(Elite, Evaluation, Told, Options) end, Elites),
    Rows = [row(Elite, One) || {Elite, One} <- lists:zip(Elites, Measured)],
    Failures = lists:sum([One#measured.failures || One <- Measured]),
    First = [Fault || #measured{first = Fault, failures = Count} <- Measured, Count > 0],
    Kept = [{Cell, Fitness, Behaviour}
            || #{cell := Cell, corrected := Fitness, behaviour := Behaviour} <- Rows,
               Fitness =/= none],
    case {Kept, First} of
        {[], [Fault | _]} -> {error, {evaluations_failed, #{count => Failures, first => Fault}}};
        _ ->
            Corrected = cambrian_nif:archive_remeasured(Archive, Kept),
            Report = #{trials => Trials, evaluations => Trials * length(Elites),
                       failures => Failures, lost => length(Elites) - length(Kept),
                       stats => Stats, elites => Rows, archive => Corrected,
                       corrected => cambrian_archive:stats(Corrected, #{offset => Offset})},
            {ok, maps:merge(Report, maps:from_list([{first_failure, hd(First)} || First =/= []]))}
    end.

row(Elite, #measured{count = 0, failures = Failures}) ->
    Elite#{corrected => none, behaviour => none, failures => Failures};
row(Elite, #measured{fitness = Fitness, behaviour = Behaviour, failures = Failures}) ->
    Elite#{corrected => Fitness, behaviour => Behaviour, failures => Failures}.

%%% ---- one elite ---------------------------------------------------------------------------

measure(#{cell := Cell, genotype := Genotype, behaviour := Own}, Evaluation, Told, Options) ->
    #{trials := Trials, seed := Seed} = Options,
    case network(Genotype, Options) of
        {ok, Network} ->
            Limits = maps:with([timeout, memory], Options),
            Add = fun(Trial, Measured) ->
                      Seeded = seeded(Evaluation, state(Seed, Cell, Trial)),
                      Score = cambrian_evaluation:score(Seeded, Network, Limits),
                      add(as_told(Score, Own, Told), Measured)
                  end,
            lists:foldl(Add, #measured{}, lists:seq(1, Trials));
        {error, Reason} -> #measured{failures = Trials, first = {no_network, Reason}}
    end.

network(Cppn, #{substrate := Substrate}) ->
    case cambrian_substrate:express(Substrate, Cppn) of
        {ok, Genotype} -> {ok, cambrian_network:compile(Genotype)};
        Error -> Error
    end;
network(Genotype, _Options) -> {ok, cambrian_network:compile(Genotype)}.

%% Hashed, since the first numbers from seeds that differ in little are not independent.
state(Seed, Cell, Trial) ->
    <<A:64, B:64, C:64, _/binary>> = crypto:hash(sha256, <<Seed:64, Cell:32, Trial:32>>),
    {A, B, C}.

seeded({Kind, Evaluate}, Seed) when is_function(Evaluate, 1) ->
    {Kind, fun(Network) -> _ = rand:seed(exsss, Seed), Evaluate(Network) end};
seeded({Kind, Evaluate}, Seed) ->
    {Kind, fun(Networks, Mark) -> _ = rand:seed(exsss, Seed), Evaluate(Networks, Mark) end}.

%% The fitness and the behaviour, checked as a run with an archive does. An archive of probes keeps
%% its behaviours: a network always answers them alike.
as_told({error, {evaluation_failed, Fault}}, _Own, _Told) -> {fault, Fault};
as_told({ok, Score}, Own, Told) ->
    Lengths = case Told of
                  nothing -> cambrian_score:no_lengths();
                  _ -> cambrian_score:behaviours_of(Told)
              end,
    Results = cambrian_score:with_fitness([{1, Score}]),
    case {cambrian_score:same_lengths(Results, Lengths), Told} of
        {{[{1, {fault, _} = Failed}], _}, _} -> Failed;
        {{[{1, Sound}], _}, nothing} -> {cambrian_score:fitness(Sound), Own};
        {{[{1, Sound}], _}, _} ->
            {cambrian_score:fitness(Sound), cambrian_score:behaviour(Sound)}
    end.

add({fault, Fault}, #measured{failures = 0} = Measured) ->
    Measured#measured{failures = 1, first = Fault};
add({fault, _}, #measured{failures = Failures} = Measured) ->
    Measured#measured{failures = Failures + 1};
add({Fitness, Behaviour}, #measured{count = 0} = Measured) ->
    Measured#measured{count = 1, fitness = Fitness, behaviour = Behaviour};
add({Fitness, Behaviour}, #measured{fitness = Mean, behaviour = Means} = Measured) ->
    Count = Measured#measured.count + 1,
    Move = fun(Old, New) -> moved(Old, New, Count) end,
    Measured#measured{count = Count, fitness = Move(Mean, Fitness),
                      behaviour = lists:zipwith(Move, Means, Behaviour)}.

%% The mean of so many numbers, of which this one is new. It is exact for equal numbers, and no sum
%% can overflow.
moved(Mean, New, Count) -> Mean + (New / Count - Mean / Count).

%%% ---- many elites -------------------------------------------------------------------------

%% Maps over a list by as many processes as there are schedulers. They end with the caller.
in_parallel(Fun, List) ->
    Count = erlang:system_info(schedulers_online),
    Numbered = lists:enumerate(List),
    Works = [cambrian_async:start_bound(fun() -> [{At, Fun(Each)} || {At, Each} <- Part] end)
             || Nth <- lists:seq(0, Count - 1),
                Part <- [[One || {At, _} = One <- Numbered, At rem Count =:= Nth]], Part =/= []],
    Answers = [cambrian_async:await(Work, infinity) || Work <- Works],
    [exit(Reason) || {error, Reason} <- Answers],
    [Value || {_, Value} <- lists:sort(lists:append([Done || {ok, Done} <- Answers]))].
