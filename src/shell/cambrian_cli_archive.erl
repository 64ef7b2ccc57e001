%% @private
%% The command `archive': shows and draws archives, merges them, and measures their elites again.
-module(cambrian_cli_archive).

-export([archive/3, text/1, json/2]).

-import(cambrian_cli_reason, [usage/1, failed/1, wrong/2]).
-import(cambrian_cli_arguments, [path/1]).

-type given() :: cambrian_cli_arguments:given().

%% @doc Of one file, or of `merge' and two files or more.
-spec archive(Words :: [string()], given(), cambrian_cli_output:context()) -> ok.
archive(["merge", _, _ | _] = Words, #{out := Out} = Given, Context) ->
    [First | Rest] = [{File, open(File)} || File <- tl(Words)],
    {_, Archive} = lists:foldl(fun merge/2, First, Rest),
    write(Out, cambrian_archive:to_binary(Archive)),
    show(Out, Archive, Given, Context);
archive(["merge", _, _ | _], _Given, _Context) ->
    usage("archive merge: --out is missing, expected a file for the archive");
archive(["merge" | _], _Given, _Context) ->
    usage("archive merge: expected two files or more");
archive([File], #{out := Out}, _Context) ->
    usage(["--out ", Out, ": expected with archive merge; ", File, " is read only"]);
archive([File], Given, Context) -> show(File, open(File), Given, Context);
archive([File, Surplus | _], _Given, _Context) ->
    usage(["archive ", File, $\s, Surplus, ": expected nothing after FILE"]).

merge({File, Other}, {Before, Archive}) ->
    case cambrian_archive:merge(Archive, Other) of
        {ok, Union} -> {Before, Union};
        {error, {different_archives, Why}} -> failed([Before, " and ", File, ": ", Why])
    end.

open(File) ->
    case cambrian_file:read_whole(path(File)) of
        {ok, Bytes} ->
            case cambrian_archive:from_binary(Bytes) of
                {ok, Archive} -> Archive;
                {error, Reason} -> failed([File, ": ", words(Reason, Bytes)])
            end;
        {error, enoent} -> failed([File, ": there is no such file"]);
        {error, eisdir} -> failed([File, ": a directory, expected an archive"]);
        {error, not_a_file} -> failed([File, ": a device, expected a file"]);
        {error, Reason} -> failed([File, ": ", file:format_error(Reason)])
    end.

%% A genotype lies beside the archive, and is easily taken for it.
words(Reason, Bytes) ->
    case cambrian_genotype:from_binary(Bytes) of
        {ok, _} -> "a genotype, expected an archive";
        {error, _} -> ["not an archive: ", cambrian_error:format_error(Reason)]
    end.

show(File, Archive, Given, Context) ->
    Written = [begin write(Path, Make(Archive)), Path end
               || {Flag, Make} <- pictures(File), #{Flag := Path} <- [Given]],
    Offset = maps:get(offset, Given, 0.0),
    Reports = again(Archive, Given),
    cambrian_cli_output:answer(
      case Given of
          #{json := true} ->
              Again = [{again, {json(Report)}} || Report <- Reports],
              [cambrian_json:encode({json(Archive, Offset) ++ Again}), $\n];
          _ -> [File, ": ", text(cambrian_archive:stats(Archive, #{offset => Offset})), $\n,
                "Id ", cambrian_text:hex(cambrian_archive:id(Archive)), $\n,
                [[text_again(Report), $\n] || Report <- Reports],
                [["Written: ", lists:join(", ", Written), $\n] || Written =/= []]]
      end, Context).

%% The report of other evaluations of the elites, if it was asked for.
again(Archive, #{again := Trials} = Given) ->
    #{task := Own} = cambrian_archive:stats(Archive),
    Word = maps:get(task, Given, unicode:characters_to_list(Own)),
    Task = cambrian_cli_settings:task(Word, maps:get(set, Given, [])),
    Options = (maps:with([seed, offset], Given))#{trials => Trials},
    case cambrian_remeasure:archive(Archive, Task, Options) of
        {ok, Report} -> [Report];
        {error, Reason} -> wrong(Reason, Given)
    end;
again(_Archive, Given) ->
    _ = [usage([cambrian_cli_arguments:flag(Flag), ": expected with --again"])
         || Flag <- [seed, task, set], is_map_key(Flag, Given)],
    [].

text_again(#{trials := Trials, failures := Failures, lost := Lost, corrected := Corrected}) ->
    ["Measured again, ", cambrian_text:counted(Trials, "evaluation"), " of each elite: ",
     amount(Corrected),
     [["; ", cambrian_text:counted(Failures, "evaluation"), " failed, and ",
       cambrian_text:counted(Lost, "elite"), " had no other"] || Failures > 0]].

json(#{corrected := Corrected} = Report) ->
    [{Key, maps:get(Key, Report)} || Key <- [trials, evaluations, failures, lost]]
        ++ [{Key, or_null(maps:get(Key, Corrected))}
            || Key <- [filled, coverage, qd_score, best, mean]].

pictures(File) ->
    Title = unicode:characters_to_binary(filename:basename(File)),
    [{svg, fun(Archive) -> cambrian_archive:to_svg(Archive, #{title => Title}) end},
     {csv, fun cambrian_archive:to_csv/1}, {elites, fun cambrian_archive:to_json/1}].

write(Path, Bytes) ->
    case cambrian_file:save(path(Path), Bytes) of
        ok -> ok;
        {error, Reason} -> failed([Path, ": ", file:format_error(Reason)])
    end.

%% @doc Stats in words.
-spec text(cambrian_archive:stats()) -> unicode:chardata().
text(#{task := Task} = Stats) ->
    ["an archive of ", cambrian_text:printable(Task), ": ", amount(Stats), projected(Stats)].

amount(#{cells := Cells, filled := Filled, coverage := Coverage, best := Best,
         qd_score := Score}) ->
    io_lib:format("~b of ~b cells filled (~.1f %), best fitness ~ts, QD score ~ts",
                  [Filled, Cells, 100 * Coverage,
                   case Best of none -> "none"; _ -> cambrian_text:exact(Best) end,
                   cambrian_text:exact(Score)]).

projected(#{projection := Projection, length := Length}) ->
    [", behaviours of ", cambrian_text:counted(Length, "number"), " by the projection ",
     atom_to_list(Projection)];
projected(_Stats) -> "".

%% @doc The stats and the id, for `cambrian_json'.
-spec json(cambrian_archive:archive(), Offset :: number()) -> [{atom(), term()}].
json(Archive, Offset) ->
    #{bounds := Bounds} = Stats = cambrian_archive:stats(Archive, #{offset => Offset}),
    [{Key, or_null(maps:get(Key, Stats))}
     || Key <- [task, cells, filled, coverage, qd_score, best, mean, partition]]
        ++ [{Key, maps:get(Key, Stats)} || Key <- [projection, length], is_map_key(Key, Stats)]
        ++ [{bounds, [tuple_to_list(Pair) || Pair <- Bounds]},
            {id, cambrian_text:hex(cambrian_archive:id(Archive))}].

or_null(none) -> null;
or_null(Value) -> Value.
