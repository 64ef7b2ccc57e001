%% @private
%% The result of an evolution as text for people, as JSON, and as files.
-module(cambrian_cli_result).

-export([text/3, json/3, files/3]).

-type result() :: #{champion := cambrian_genotype:genotype(), interrupted => true,
                    atom() => term()}.
%% The result of a population, or the result so far if it was interrupted.

-define(FIELDS, [solved, interrupted, fitness, validation, normalisation, generations,
                 evaluations, failures, seed, elapsed_ms]).

-spec text(Task :: unicode:chardata(), result(), cambrian_population:goal()) -> unicode:chardata().
text(Task, #{champion := Champion, fitness := Fitness, generations := Generations,
             evaluations := Evaluations, failures := Failures, seed := Seed,
             elapsed_ms := Elapsed} = Result, Goal) ->
    #{nodes := Nodes, connections := Connections, recurrent := Recurrent} =
        cambrian_genotype:info(Champion),
    io_lib:format("~ts: ~ts. ~ts, ~ts~ts, ~.1f s, seed ~b.~n"
                  "Fitness ~ts~ts~ts.~n"
                  "~ts, ~ts, ~b of them recurrent. Id ~ts~n~ts",
                  [Task, ending(Result, Goal), count(Generations, "generation"),
                   count(Evaluations, "evaluation"),
                   [io_lib:format(" (~b of them failed)", [Failures]) || Failures > 0],
                   Elapsed / 1000, Seed,
                   cambrian_text:exact(Fitness),
                   [io_lib:format(", ~ts ~ts", [Name, cambrian_text:exact(Value)])
                    || {Name, Value} <- maps:get(trial, Result, [])],
                   [[", on held-out data ", cambrian_text:exact(Value)]
                    || #{validation := Value} <- [Result]],
                   count(Nodes, "node"), count(Connections, "connection"), Recurrent,
                   id(Champion),
                   [["With ", cambrian_cli_archive:text(cambrian_archive:stats(Archive)), ".\n"]
                    || #{archive := Archive} <- [Result]]
                   ++ [["With a front of ", count(length(Front), "network"), ".\n"]
                       || #{front := Front} <- [Result]]
                   ++ [cambrian_cli_data:text(Data) || #{data := Data} <- [Result]]]).

ending(#{solved := true}, _Goal) -> "solved";
ending(#{interrupted := true}, _Goal) -> "interrupted";
ending(#{generations := Generations, evaluations := Evaluations, elapsed_ms := Elapsed}, Goal) ->
    Limits = [{generations, Generations, fun(Most) -> count(Most, "generation") end},
              {evaluations, Evaluations, fun(Most) -> count(Most, "evaluation") end},
              {timeout, Elapsed, fun seconds/1}],
    Reached = [Text(Most) || {Limit, Used, Text} <- Limits,
                             #{Limit := Most} <- [Goal], is_integer(Most), Used >= Most],
    case {Reached, Goal} of
        {[First | _], _} -> ["not solved within ", First];
        {[], #{patience := Patience}} ->
            ["not solved, and no better for ", count(Patience, "generation")];
        {[], _} -> "not solved"
    end.

%% Digits without separators, because programs read this text as well.
count(Count, Word) -> [integer_to_list(Count), $\s, cambrian_text:plural(Count, Word)].

seconds(Ms) when Ms rem 1000 =:= 0 -> [integer_to_list(Ms div 1000), " s"];
seconds(Ms) -> [cambrian_text:exact(Ms / 1000), " s"].

id(Champion) -> cambrian_text:hex(cambrian_genotype:id(Champion)).

%% @doc The result as one line of JSON, with the most important fields first.
-spec json(Task :: unicode:chardata(), result(), Files :: [file:filename_all()]) -> binary().
json(Task, #{champion := Champion} = Result, Files) ->
    cambrian_json:encode({[{task, text(Task)}, {champion, text(id(Champion))}]
                          ++ [{Key, maps:get(Key, Result)}
                              || Key <- ?FIELDS, is_map_key(Key, Result)]
                          ++ [{archive, {cambrian_cli_archive:json(Archive, 0.0)}}
                              || #{archive := Archive} <- [Result]]
                          ++ [{front, [{compromise(One)} || One <- Front]}
                              || #{front := Front} <- [Result]]
                          ++ [{trial, {Trial}} || #{trial := Trial} <- [Result]]
                          ++ lists:append([cambrian_cli_data:json(Data)
                                           || #{data := Data} <- [Result]])
                          ++ [{files, [text(File) || File <- Files]} || Files =/= []]}).

compromise(#{genotype := Genotype, objectives := Objectives, fitness := Fitness}) ->
    [{objectives, Objectives}, {fitness, Fitness}, {genotype, text(id(Genotype))}].

text(Chars) -> unicode:characters_to_binary(Chars).

%%% ---- files ------------------------------------------------------------------------------

%% @doc The files of a result, each by its name and the function that writes it.
-spec files(Task :: unicode:chardata(), result(), cambrian_recorder:story()) ->
          [{Name :: string(), fun((file:filename_all()) -> ok | {error, term()})}].
files(Task, #{champion := Champion, seed := Seed} = Result, Story) ->
    Title = io_lib:format("~ts, seed ~b", [Task, Seed]),
    Run = (cambrian_report:run(Story))#{title := Title, task := Task},
    Save = fun(Bytes) -> fun(Path) -> cambrian_file:save(Path, Bytes(Champion)) end end,
    [{"champion.genotype", Save(fun cambrian_genotype:to_binary/1)},
     {"champion.svg", Save(fun cambrian_picture:network/1)},
     {"report.html", fun(Path) -> cambrian_report:write(Path, Run) end}
     | [{"champion.json", Save(fun(Genotype) ->
            cambrian_genotype:to_json(Genotype, maps:with([normalisation], Result))
        end)} || is_map_key(normalisation, Result)]
    ++ lists:append([elites(Title, Archive) || #{archive := Archive} <- [Result]]
                    ++ [front(Title, Run) || #{front := [_ | _]} <- [Result]]
                    ++ [cambrian_cli_data:files(Data) || #{data := Data} <- [Result]])].

%% Of a report's only population.
front(Title, #{populations := [#{front := #{networks := Front} = Of}]}) ->
    Picture = (maps:with([champion, labels], Of))#{title => text(Title)},
    [{"front.svg", fun(Path) ->
          cambrian_file:save(Path, cambrian_front:to_svg(Front, Picture))
      end},
     {"front.json", fun(Path) -> cambrian_file:save(Path, cambrian_front:to_json(Front)) end}].

elites(Title, Archive) ->
    Picture = #{title => text(Title)},
    [{"elites.archive", fun(Path) ->
          cambrian_file:save(Path, cambrian_archive:to_binary(Archive))
      end},
     {"elites.svg", fun(Path) ->
          cambrian_file:save(Path, cambrian_archive:to_svg(Archive, Picture))
      end}].
