%% @private
%% What an evolution came to: as text for people, as JSON, and as files.
-module(cambrian_result).

-export([text/3, json/3, files/3]).

-define(FIELDS, [solved, fitness, validation, generations, evaluations, failures, seed, elapsed_ms]).

-spec text(Task :: unicode:chardata(), cambrian_population:result(), cambrian_population:goal()) -> unicode:chardata().
text(Task, #{champion := Champion, fitness := Fitness, generations := Generations, evaluations := Evaluations,
             failures := Failures, seed := Seed, elapsed_ms := Elapsed} = Result, Goal) ->
    #{nodes := Nodes, connections := Connections, recurrent := Recurrent} = cambrian_genotype:info(Champion),
    io_lib:format("~ts: ~ts. ~b generations, ~b evaluations~ts, ~.1f s, seed ~b.~n"
                  "Fitness ~ts~ts~ts.~n"
                  "~b nodes, ~b connections, ~b of them recurrent. Id ~ts~n",
                  [Task, ending(Result, Goal), Generations, Evaluations,
                   [io_lib:format(" (~b of them failed)", [Failures]) || Failures > 0], Elapsed / 1000, Seed,
                   cambrian_text:exact(Fitness),
                   [io_lib:format(", ~ts ~ts", [Name, cambrian_text:exact(Value)])
                    || {Name, Value} <- maps:get(trial, Result, [])],
                   [[", on held-out data ", cambrian_text:exact(Value)] || #{validation := Value} <- [Result]],
                   Nodes, Connections, Recurrent, id(Champion)]).

ending(#{solved := true}, _Goal) -> "solved";
ending(#{generations := Generations, evaluations := Evaluations, elapsed_ms := Elapsed}, Goal) ->
    Reached = [Text || {Limit, Used, Unit, By} <- [{generations, Generations, "generations", 1},
                                                   {evaluations, Evaluations, "evaluations", 1},
                                                   {timeout, Elapsed, "s", 1000}],
                       #{Limit := Most} <- [Goal], is_integer(Most), Used >= Most,
                       Text <- [io_lib:format("within ~ts ~s", [cambrian_text:exact(whole(Most / By)), Unit])]],
    case {Reached, Goal} of
        {[First | _], _} -> ["not solved ", First];
        {[], #{patience := Patience}} -> io_lib:format("not solved, and no better for ~b generations", [Patience]);
        {[], _} -> "not solved"
    end.

whole(X) when X == trunc(X) -> trunc(X);
whole(X) -> X.

id(Champion) -> string:lowercase(binary:encode_hex(cambrian_genotype:id(Champion))).

%% @doc In the order in which people ask.
-spec json(Task :: unicode:chardata(), cambrian_population:result(), Files :: [file:filename_all()]) ->
          binary().
json(Task, #{champion := Champion} = Result, Files) ->
    cambrian_json:encode({[{task, text(Task)}, {champion, text(id(Champion))}]
                          ++ [{Key, maps:get(Key, Result)} || Key <- ?FIELDS, is_map_key(Key, Result)]
                          ++ [{trial, {Trial}} || #{trial := Trial} <- [Result]]
                          ++ [{files, [text(File) || File <- Files]} || Files =/= []]}).

text(Chars) -> unicode:characters_to_binary(Chars).

%%% ---- files ------------------------------------------------------------------------------

%% @doc Each with what writes it.
-spec files(Task :: unicode:chardata(), cambrian_population:result(), cambrian_recorder:story()) ->
          [{Name :: string(), fun((file:filename_all()) -> ok | {error, term()})}].
files(Task, #{champion := Champion, seed := Seed}, Story) ->
    Run = (cambrian_report:run(Story))#{title := io_lib:format("~ts, seed ~b", [Task, Seed]), task := Task},
    [{"champion.genotype", fun(Path) -> cambrian_file:save(Path, cambrian_genotype:to_binary(Champion)) end},
     {"champion.svg", fun(Path) -> cambrian_file:save(Path, cambrian_genotype:to_svg(Champion)) end},
     {"report.html", fun(Path) -> cambrian_report:write(Path, Run) end}].
