#!/usr/bin/env escript
%% Evolves a controller for an environment of Gymnasium with our defaults for it, and tests the
%% champion's ONNX model in plain Gymnasium: bin/gymnasium says how to call it.
%% evolve.escript PYTHON WORK ENVIRONMENT [--seed N] [--minutes M] [--json]
-mode(compile).

%% The test begins its episodes with the seeds from 0 to 99, and evolution its own far beyond.
-define(FIRST_SEED, 1_000_000).
-define(TESTS, 100).

%%% ---- defaults -----------------------------------------------------------------------------

%% What differs from general/0. `target' is the fitness at which evolution stops.
defaults("CartPole-v1") -> #{episodes => 10, options => #{target => 500}};
defaults("Acrobot-v1") -> #{};
defaults("MountainCar-v0") -> #{};
defaults(_) -> #{}.

%% For any environment. A network sees the observation as it is, and has outputs from -1 to 1.
general() ->
    #{episodes => 3, minutes => 9,
      options => #{population => 100, params => #{output_activation => tanh}}}.

settings(Environment) ->
    Own = defaults(Environment),
    Params = maps:merge(params(general()), params(Own)),
    Options = maps:merge(maps:get(options, general()), maps:get(options, Own, #{})),
    (maps:merge(general(), Own))#{options => Options#{params => Params}}.

params(Settings) -> maps:get(params, maps:get(options, Settings, #{}), #{}).

%%% ---- a run --------------------------------------------------------------------------------

main([Python, Work, Environment | Given]) ->
    ok = io:setopts([{encoding, unicode}]),
    Chosen = chosen(Given, #{seed => 1, json => false}),
    {ok, _} = application:ensure_all_started(cambrian),
    #{episodes := Episodes, minutes := Usual, options := Options} = settings(Environment),
    #{seed := Seed, json := Json} = Chosen,
    Task = cambrian_program:gymnasium(Environment,
                                      #{command => Python, episodes => Episodes, processes => 2,
                                        seed => ?FIRST_SEED, scale => false, range => {-1, 1}}),
    Timeout = round(maps:get(minutes, Chosen, Usual) * 60_000),
    case cambrian:evolve(Task, Options#{seed => Seed, timeout => Timeout,
                                        progress => standard_error}) of
        {ok, #{champion := Champion} = Result} ->
            Model = filename:join(Work, lists:flatten([file_name(Environment), "-",
                                                       integer_to_list(Seed), ".onnx"])),
            ok = file:write_file(Model, cambrian_genotype:to_onnx(Champion)),
            #{evaluations := Evaluations, elapsed_ms := Ms, fitness := Fitness} = Result,
            report(Json, #{environment => list_to_binary(Environment), seed => Seed,
                           episodes => Evaluations * Episodes, seconds => Ms / 1000,
                           fitness => Fitness, model => unicode:characters_to_binary(Model)},
                   tested(Python, Model, Environment));
        {error, Reason} -> stop(cambrian:format_error(Reason))
    end.

file_name(Environment) -> [case C of $/ -> $-; $: -> $-; _ -> C end || C <- Environment].

chosen(["--seed", N | Others], Chosen) -> chosen(Others, Chosen#{seed => integer("--seed", N)});
chosen(["--minutes", M | Others], Chosen) ->
    chosen(Others, Chosen#{minutes => number("--minutes", M)});
chosen(["--json" | Others], Chosen) -> chosen(Others, Chosen#{json => true});
chosen([], Chosen) -> Chosen;
chosen([Word | _], _) -> stop([Word, ": expected --seed N, --minutes M or --json"]).

integer(Name, Text) ->
    case string:to_integer(Text) of
        {N, []} when N >= 0 -> N;
        _ -> stop([Name, " ", Text, ": expected an integer from 0"])
    end.

number(Name, Text) ->
    case string:to_float(Text) of
        {X, []} when X > 0 -> X;
        _ -> integer(Name, Text)
    end.

%% The returns of the champion's model in plain Gymnasium.
tested(Python, Model, Environment) ->
    Play = ["-B", "-W", "ignore", "bench/gymnasium/play.py", Model, Environment,
            integer_to_list(?TESTS)],
    Port = open_port({spawn_executable, Python},
                     [{args, Play}, exit_status, binary, {line, 4096}]),
    returns(Port, []).

returns(Port, Returns) ->
    receive
        {Port, {data, {eol, Line}}} -> returns(Port, [binary_to_float(Line) | Returns]);
        {Port, {exit_status, 0}} when length(Returns) =:= ?TESTS -> Returns;
        {Port, {exit_status, Status}} ->
            stop(io_lib:format("the test in plain Gymnasium ended with status ~b", [Status]))
    end.

%%% ---- the report ---------------------------------------------------------------------------

report(Json, Facts, Returns) ->
    Count = length(Returns),
    Mean = lists:sum(Returns) / Count,
    Squares = lists:sum([(Return - Mean) * (Return - Mean) || Return <- Returns]),
    Error = math:sqrt(Squares / (Count - 1) / Count),
    show(Json, Facts#{mean => Mean, standard_error => Error, tests => Count}).

show(true, Facts) -> io:format("~ts~n", [cambrian_json:encode(Facts)]);
show(false, #{environment := Environment, seed := Seed, mean := Mean, standard_error := Error,
              tests := Count, episodes := Episodes, seconds := Seconds, fitness := Fitness,
              model := Model}) ->
    io:format("~ts, seed ~b: ~.1f ± ~.1f, the mean of ~b unseen episodes in plain Gymnasium~n"
              "evolved in ~b episodes and ~.1f s, to a fitness of ~.1f; the model is ~ts~n",
              [Environment, Seed, Mean, Error, Count, Episodes, Seconds, Fitness, Model]).

-spec stop(unicode:chardata()) -> no_return().
stop(Text) ->
    io:format(standard_error, "bin/gymnasium: ~ts~n", [Text]),
    halt(1).
