%% @private
%% Tables of data on the command line: the options of `evolve' that make a task of a CSV file, what
%% its result says of the data, and the command `predict'.
-module(cambrian_cli_data).

-export([evolve_table/0, predict_table/0, task/1, described/2, text/1, json/1, files/1, predict/3]).

-import(cambrian_cli_reason, [usage/1, failed/1, wrong/2]).
-import(cambrian_cli_arguments, [flag/1, path/1]).

-type given() :: cambrian_cli_arguments:given().
-type described() :: #{data := cambrian_data:data(), measures := map()}.

-define(PARTS, [train, validation, test]).

-spec evolve_table() -> cambrian_cli_arguments:table().
evolve_table() ->
    [{csv, text, "FILE", "data to learn instead of a TASK; --set takes its other settings"},
     {label, text, "COLUMN", "the column of the table that the network predicts"},
     {kind, text, "KIND", "classification or regression; by default what the label looks like"},
     {ignore, text, "COLUMN,...", "columns that the network does not see"},
     {missing, text, "HOW", "a missing field: error (the default), mean, or drop for its row"},
     {validation, number, "SHARE", "the rows that choose the champion; 0.2 by default"},
     {test, number, "SHARE", "the rows that only the result measures; 0.2 by default"},
     {split, text, "HOW", "these rows are: random (the default), or last, in order of time"},
     separator()].

-spec predict_table() -> cambrian_cli_arguments:table().
predict_table() ->
    [{csv, text, "FILE", "the table whose rows are to be answered"},
     {schema, text, "FILE", "the champion's schema; by default CHAMPION.schema.json beside it"},
     {scores, flag, "", "also a column for each class, with the output of the network"},
     {out, text, "FILE", "where the answers are written; else to standard output"},
     separator()].

separator() ->
    {separator, text, "NAME", "comma, semicolon or tab; by default what the header has"}.

%%% ---- evolve -----------------------------------------------------------------------------

%% @doc Makes the data of the options. They have a seed.
-spec task(given()) -> cambrian_data:data().
task(#{csv := File, seed := Seed} = Given) ->
    _ = [usage("--label: missing, expected the column to predict")
         || not is_map_key(label, Given)],
    _ = [usage(["--name ", Name, ": expected with a TASK, as a checkpoint does not hold the rows "
                "of --csv"]) || #{name := Name} <- [Given]],
    Table = table(File, Given),
    Own = maps:with([validation, test], Given),
    Texts = maps:map(fun option/2, maps:with([label, kind, ignore, missing, split], Given)),
    Settings = cambrian_cli_settings:settings(maps:get(set, Given, [])),
    Named = (maps:merge(Own, Texts))#{seed => Seed},
    Options = maps:merge(maps:map(fun setting/2, Settings), Named),
    case cambrian_data:prepare(Table, Options) of
        {ok, Data} -> Data;
        {error, Reason} -> refused(Reason, Given)
    end.

table(File, Given) ->
    case cambrian_table:read(path(File), maps:map(fun option/2, maps:with([separator], Given))) of
        {ok, Table} -> Table;
        {error, {Posix, Path}} when is_atom(Posix), is_binary(Path) ->
            usage(["--csv ", File, ": ", file:format_error(Posix)]);
        {error, Reason} -> refused(Reason, Given)
    end.

%% What is at fault in the file stands after its name.
-spec refused(term(), given()) -> no_return().
refused({Kind, _} = Reason, #{csv := File}) when Kind =:= bad_table; Kind =:= bad_dataset ->
    failed([File, ": ", cambrian_error:format_error(Reason)]);
refused({unknown_columns, _, _} = Reason, _) -> usage(cambrian_error:format_error(Reason));
refused({missing_columns, _, _} = Reason, #{csv := File}) ->
    failed([File, ": ", cambrian_error:format_error(Reason)]);
refused(Reason, Given) -> wrong(Reason, Given).

option(label, Text) -> path(Text);
option(ignore, Text) -> [path(Name) || Name <- string:split(Text, ",", all)];
option(Name, Text) ->
    Words = #{kind => [classification, regression], missing => [error, mean, drop],
              split => [random, last], separator => cambrian_csv:separators()},
    case [Word || Word <- maps:get(Name, Words), atom_to_list(Word) =:= Text] of
        [Word] -> Word;
        [] -> Text
    end.

%% Names of columns are typed as strings.
setting(Name, Columns) when Name =:= words; Name =:= ignore ->
    [case Column of [_ | _] -> path(Column); _ -> Column end || Column <- Columns];
setting(_, Value) -> Value.

%%% ---- the result -------------------------------------------------------------------------

%% @doc What the result says of the data.
-spec described(cambrian_data:data(), cambrian_genotype:genotype()) -> described().
described(Data, Champion) ->
    #{data => Data, measures => cambrian_data:measure(Data, cambrian_network:compile(Champion))}.

-spec text(described()) -> unicode:chardata().
text(#{data := #{rows := Rows, schema := Schema}, measures := Measures}) ->
    #{dropped := Dropped} = Rows,
    [[["Classes: ", lists:join(", ", [name(Class) || Class <- Classes]), ".\n"]
      || #{answer := {classes, Classes}} <- [Schema]],
     [[cambrian_text:counted(Dropped, "row"), " left out, as a field is missing.\n"]
      || Dropped > 0],
     [[string:pad(atom_to_list(Part), 10), " ", cambrian_text:counted(length(Of), "row"), ": ",
       lists:join(", ", [[words(Name), $\s, figure(Value)]
                         || {Name, Value} <- ordered(maps:get(Part, Measures))]), $\n]
      || Part <- ?PARTS, Of <- [maps:get(Part, Rows)], Of =/= []]].

words(Name) -> string:replace(atom_to_list(Name), "_", " ", all).

figure(undefined) -> "undefined";
figure(Value) -> cambrian_text:decimal(Value, 4).

ordered(Measures) ->
    [{Name, map_get(Name, Measures)}
     || Name <- [accuracy, balanced_accuracy, r2, rmse, mae], is_map_key(Name, Measures)].

-spec json(described()) -> [{atom(), cambrian_json:json()}].
json(#{data := #{rows := Rows, kind := Kind, schema := Schema}, measures := Measures}) ->
    #{label := Label, answer := Answer} = Schema,
    [{label, Label}, {kind, Kind}]
        ++ [{classes, Classes} || {classes, Classes} <- [Answer]]
        ++ [{rows, {[{Part, length(maps:get(Part, Rows))} || Part <- ?PARTS]
                    ++ [{dropped, maps:get(dropped, Rows)}]}},
            {measures, {[{Part, {ordered(Of)}}
                         || Part <- ?PARTS, {ok, Of} <- [maps:find(Part, Measures)]]}}].

%% @doc The file beside the champion's.
-spec files(described()) -> [{string(), fun((file:filename_all()) -> ok | {error, term()})}].
files(#{data := #{schema := Schema}}) ->
    [{"champion.schema.json", fun(Path) ->
          cambrian_file:save(Path, cambrian_schema:to_json(Schema))
      end}].

%%% ---- predict ----------------------------------------------------------------------------

-spec predict(Champion :: string(), given(), cambrian_cli_output:context()) -> ok.
predict(Word, #{csv := File} = Given, #{errors := Errors} = Context) ->
    Schema = schema(Word, Given),
    Network = network(Word),
    Table = table(File, Given),
    case cambrian_schema:predict(Schema, Network, Table) of
        {ok, Predictions} ->
            Unused = cambrian_schema:unused(Schema, Table),
            _ = [cambrian_cli_output:say(Errors, ["not used: ", lists:join(", ", Unused)])
                 || Unused =/= []],
            Lines = [header(Schema, Given) | [line(One, Given) || One <- Predictions]],
            out([[lists:join($,, Line), $\n] || Line <- Lines], Given, Context);
        {error, {wrong_size, inputs, Expected, Got}} ->
            failed(io_lib:format("~ts: it has ~b inputs, and the schema ~b",
                                 [Word, Got, Expected]));
        {error, {wrong_size, outputs, Expected, _}} ->
            failed(io_lib:format("~ts: expected ~b outputs, as the schema has", [Word, Expected]));
        {error, Reason} -> refused(Reason, Given)
    end;
predict(_Word, _Given, _Context) -> usage("predict: --csv is missing, expected a file").

network(Word) ->
    case cambrian_cli_convert:open(path(Word)) of
        {ok, Genotype} -> cambrian_network:compile(Genotype);
        {error, Line} -> failed(Line)
    end.

schema(Word, Given) ->
    Beside = filename:rootname(Word) ++ ".schema.json",
    File = maps:get(schema, Given, Beside),
    case cambrian_file:read_whole(path(File)) of
        {ok, Text} ->
            case cambrian_schema:from_json(Text) of
                {ok, Schema} -> Schema;
                {error, Reason} -> failed([File, ": ", cambrian_error:format_error(Reason)])
            end;
        {error, enoent} when not is_map_key(schema, Given) ->
            usage(["--schema: missing, as ", Beside, " is not there; `evolve --csv' writes it"]);
        {error, not_a_file} -> failed([File, ": a device, expected a file"]);
        {error, Reason} -> failed([File, ": ", file:format_error(Reason)])
    end.

header(#{label := Label, answer := {classes, Classes}}, #{scores := true}) ->
    [quoted(Label) | [quoted([Label, $\s, name(Class)]) || Class <- Classes]];
header(#{label := Label}, _) -> [quoted(Label)].

line(#{answer := Answer, scores := [_, _ | _] = Scores}, #{scores := true}) ->
    [quoted(name(Answer)) | [cambrian_text:exact(Score) || Score <- Scores]];
line(#{answer := Answer}, _) -> [quoted(name(Answer))].

name(Class) when is_integer(Class) -> integer_to_binary(Class);
name(Number) when is_float(Number) -> cambrian_text:exact(Number);
name(Class) -> Class.

%% A field of CSV. An empty word has quotes, as a line without anything is no row.
quoted(Text) ->
    Bytes = unicode:characters_to_binary(Text),
    case Bytes =:= <<>> orelse re:run(Bytes, "[\",;\t\r\n]") =/= nomatch of
        true -> [$", binary:replace(Bytes, <<"\"">>, <<"\"\"">>, [global]), $"];
        false -> Bytes
    end.

out(Text, #{out := File}, Context) ->
    case cambrian_file:save(path(File), unicode:characters_to_binary(Text)) of
        ok -> cambrian_cli_output:answer(["Written: ", File, $\n], Context);
        {error, Reason} -> failed([flag(out), $\s, File, ": ", file:format_error(Reason)])
    end;
out(Text, _Given, Context) -> cambrian_cli_output:answer(Text, Context).
