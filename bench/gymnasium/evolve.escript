#!/usr/bin/env escript
%% Evolves a controller for an environment of Gymnasium with our defaults for it, and tests the
%% champion's ONNX model in plain Gymnasium: bin/gymnasium says how to call it.
%% evolve.escript PYTHON WORK ENVIRONMENT [--seed N] [--minutes M] [--json]
-mode(compile).

%% The test begins its episodes with the seeds from 0 to 99. The episodes of evolution have numbers
%% from 2^29 on.
-define(TESTS, 100).

%%% ---- defaults -----------------------------------------------------------------------------

%% What differs from general/0. `target' is the fitness in held-out episodes at which evolution
%% stops. Limits are evaluations, so that a seed gives the same on any machine, and minutes are only
%% a bound.
defaults("CartPole-v1") -> #{options => #{target => 500}};
defaults("MountainCar-v0") -> #{episodes => 5, options => #{population => 50, evaluations => 3000}};
defaults("MountainCarContinuous-v0") -> #{options => #{target => 97}};
defaults("Acrobot-v1") -> #{validation => 100, options => #{population => 50, evaluations => 3000}};
%% It takes a product to swing up: how fast it turns, times where it is.
defaults("Pendulum-v1") ->
    #{options => #{target => -145, evaluations => 8000,
                   params => #{add_node => 0.3, add_connection => 0.4, activations => [tanh, sin],
                               change_activation => 0.2, aggregations => [sum, product],
                               change_aggregation => 0.1}}};
defaults("LunarLander" ++ _) ->
    %% with held-out episodes not quite 20,000
    #{episodes => 2, options => #{population => 80, evaluations => 7600}};
defaults(_) -> #{}.

%% For any environment. Outputs are from -1 to 1, as the test in plain Gymnasium takes them. Inputs
%% are normalised, so steps of weights may be small.
general() ->
    #{episodes => 3, validation => 50, minutes => 9, training => #{},
      options => #{population => 100, evaluations => 5000,
                   params => #{output_activation => tanh, weight_step => 0.5}}}.

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
    #{minutes := Usual, options := Options} = Settings = settings(Environment),
    #{seed := Seed, json := Json} = Chosen,
    OfTask = maps:with([episodes, validation, training], Settings),
    Task = cambrian_program:gymnasium(Environment,
                                      OfTask#{command => Python, processes => 2, scale => false,
                                              range => {-1, 1}, normalise => true,
                                              fresh_episodes => true}),
    Timeout = round(maps:get(minutes, Chosen, Usual) * 60_000),
    case cambrian:evolve(Task, Options#{seed => Seed, timeout => Timeout,
                                        progress => standard_error}) of
        {ok, #{champion := Champion, validation := Validation, elapsed_ms := Ms} = Result} ->
            Model = filename:join(Work, lists:flatten([file_name(Environment), "-",
                                                       integer_to_list(Seed), ".onnx"])),
            Exported = cambrian_genotype:to_onnx(Champion, maps:with([normalisation], Result)),
            ok = file:write_file(Model, Exported),
            report(Json, #{environment => list_to_binary(Environment), seed => Seed,
                           episodes => lived(Result, Settings), seconds => Ms / 1000,
                           validation => Validation, model => unicode:characters_to_binary(Model)},
                   tested(Python, Model, Environment));
        {ok, _} -> stop("no generation was evaluated in this time; expected more --minutes");
        {error, Reason} -> stop(cambrian_error:format_error(Reason))
    end.

%% Each generation measures one genotype in held-out episodes.
lived(#{evaluations := Evaluations, generations := Generations},
      #{episodes := Episodes, validation := Validation}) ->
    Evaluations * Episodes + Generations * Validation.

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
              tests := Count, episodes := Episodes, seconds := Seconds, validation := Validation,
              model := Model}) ->
    io:format("~ts, seed ~b: ~.1f ± ~.1f, the mean of ~b unseen episodes in plain Gymnasium~n"
              "evolved in ~b episodes and ~.1f s, to ~.1f in held-out episodes; the model is ~ts~n",
              [Environment, Seed, Mean, Error, Count, Episodes, Seconds, Validation, Model]).

-spec stop(unicode:chardata()) -> no_return().
stop(Text) ->
    io:format(standard_error, "bin/gymnasium: ~ts~n", [Text]),
    halt(1).
