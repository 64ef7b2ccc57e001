#!/usr/bin/env escript
%% Three environments of Gymnasium, evolved from Erlang with seeds of their own; their champions
%% live again in plain Gymnasium, without Cambrian, at starts that they did not see. evolve.escript
%% PYTHON WORK
-mode(compile).

%% What is wanted: of evolution, and of the champion at 100 other starts.
cases() ->
    [#{environment => "CartPole-v1", target => 500, again => 475, episodes => 10,
       options => #{seed => 1}},
     #{environment => "Acrobot-v1", target => -90, again => -100, episodes => 10,
       options =>
           #{seed => 1, population => 10, params => #{tuning => cma_es, tuning_budget => 150}}},
     #{environment => "Pendulum-v1", target => -250, again => -400, episodes => 3, range => {-1, 1},
       options => #{seed => 4, population => 50, params => swinging()}}].

%% What it takes to swing up is a product: how fast it turns, and where it is.
swinging() ->
    #{output_activation => tanh, add_node => 0.3, add_connection => 0.4, activations => [tanh, sin],
      change_activation => 0.2, aggregations => [sum, product], change_aggregation => 0.1}.

main([Python, Work]) ->
    {ok, _} = application:ensure_all_started(cambrian),
    Champions = [evolve(Python, Case) || Case <- cases()],
    File = filename:join(Work, "champions.json"),
    ok = file:write_file(File, [[json(Champion), $\n] || Champion <- Champions]),
    Said =
        os:cmd(lists:flatten(io_lib:format("~ts -B test/gymnasium/plain.py ~ts", [Python, File]))),
    Again =
        [binary_to_float(Fitness)
         || {match,
             All} <- [re:run(Said, "\"fitness\": (-?[0-9.]+)", [global, {capture, [1], binary}])],
                                     [Fitness] <- All],
    length(Again) =:= length(Champions) orelse stop("plain Gymnasium: ~ts", [Said]),
    lists:foreach(fun check/1, lists:zip(cases(), Again)).

evolve(Python,
       #{environment := Id, target := Target, episodes := Episodes, options := Options} = Case) ->
    Range = maps:get(range, Case, {0, 1}),
    Task =
        cambrian_program:gymnasium(Id,
                                   #{command => Python, episodes => Episodes, range => Range,
                                     processes => 2}),
    {ok, Result} = cambrian:evolve(Task, Options#{target => Target, timeout => 120_000}),
    #{champion := Champion, solved := Solved, fitness := Fitness, evaluations := Evaluations,
      elapsed_ms := Ms} = Result,
    io:format("~ts: ~.1f after ~b evaluations, ~b episodes each, and ~.1f s~n",
              [Id, Fitness, Evaluations, Episodes, Ms / 1000]),
    Solved orelse stop("~ts: wanted ~b", [Id, Target]),
    #{nodes := Nodes, connections := Connections} = cambrian_genotype:to_map(Champion),
    #{environment => list_to_binary(Id), seed => 1000, episodes => 100,
      range => tuple_to_list(Range), nodes => Nodes,
      connections => Connections}.

check({#{environment := Id, again := Wanted}, Fitness}) ->
    io:format("~ts: ~.1f at 100 other starts in plain Gymnasium~n", [Id, Fitness]),
    Fitness >= Wanted orelse stop("~ts: wanted ~b", [Id, Wanted]).

stop(Format, Arguments) ->
    io:format(Format ++ "~n", Arguments),
    halt(1).

json(Map) when is_map(Map) ->
    [${, lists:join($,, [[json(Key), $:, json(Value)] || {Key, Value} <- maps:to_list(Map)]), $}];
json(List) when is_list(List) -> [$[, lists:join($,, lists:map(fun json/1, List)), $]];
json(Word) when is_boolean(Word) -> atom_to_list(Word);
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom));
json(Text) when is_binary(Text) -> [$", Text, $"];
json(Number) -> io_lib:format("~p", [Number]).
