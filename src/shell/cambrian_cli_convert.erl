%% @private
%% Reads a genotype from a file of Cambrian and writes it in another form, or reads it from the JSON
%% of another program.
-module(cambrian_cli_convert).

-export([forms/0, is_text/1, has_names/1, sources/0, open/1, normalisation/1, export/3, import/2]).

-type answer(Value) :: {ok, Value} | {error, unicode:chardata()}.

%% @doc The forms to which a genotype can be exported.
-spec forms() -> [string()].
forms() -> ["json", "dot", "svg", "c", "rust", "onnx"].

%% @doc Whether a form is text, which may go to a terminal.
-spec is_text(Form :: string()) -> boolean().
is_text(Form) -> Form =/= "onnx".

%% @doc Whether a form declares names, which begin with the option `name'.
-spec has_names(Form :: string()) -> boolean().
has_names(Form) -> Form =:= "c" orelse Form =:= "rust".

%% @doc The programs whose JSON can be imported.
-spec sources() -> [string()].
sources() -> ["cambrian", "neat-python"].

%% @doc Reads the genotype of a file: from its bytes or its JSON, the champion of a checkpoint, or
%% the genotype of an envelope that is not a difference.
-spec open(cambrian_file:path()) -> answer(cambrian_genotype:genotype()).
open(Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, <<"cambrian checkpoint ", _/binary>>} ->
            described(Path, champion(cambrian_store:open(Path)));
        {ok, <<"{", _/binary>> = Json} -> described(Path, cambrian_genotype:from_json(Json));
        {ok, Bytes} -> described(Path, genotype(cambrian_genotype:from_binary(Bytes), Bytes));
        {error, Reason} -> described(Path, {error, {Reason, Path}})
    end.

champion({ok, #{champion := #{champion := Genotype}}}) -> {ok, Genotype};
champion({ok, #{champion := undefined}}) -> {error, not_evaluated};
champion(Error) -> Error.

genotype({error, malformed}, Bytes) ->
    case cambrian_envelope:read(Bytes) of
        {ok, Envelope, _Claims} -> cambrian_envelope:open(Envelope);
        {error, _} -> {error, malformed}
    end;
genotype(Answer, _Bytes) -> Answer.

%% @doc What the inputs of the network in this file go through first, if anything: a checkpoint and
%% JSON have it in themselves. Beside the genotype of a champion lies the schema of its table, or
%% its JSON.
-spec normalisation(Path :: binary()) ->
          answer(#{normalisation => cambrian_network:normalisation()}).
normalisation(Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, <<"cambrian checkpoint ", _/binary>>} ->
            {ok, #{champion := Champion}} = cambrian_store:open(Path),
            {ok, maps:with([normalisation], Champion)};
        {ok, <<"{", _/binary>> = Json} -> described(Path, of_json(Json));
        {ok, Bytes} -> beside(Bytes, filename:rootname(Path))
    end.

of_json(Json) ->
    case cambrian_json:decode(Json) of
        {ok, #{<<"normalisation">> := #{<<"means">> := Means, <<"factors">> := Factors}}} ->
            {ok, #{normalisation => #{means => Means, factors => Factors}}};
        {ok, #{<<"normalisation">> := _}} ->
            {error, {bad_json, "normalisation: expected means and factors"}};
        _ -> {ok, #{}}
    end.

beside(Bytes, Root) ->
    {Schema, Json} = {<<Root/binary, ".schema.json">>, <<Root/binary, ".json">>},
    case {cambrian_file:read_whole(Schema), cambrian_file:read_whole(Json)} of
        {{ok, Text}, _} -> described(Schema, of_schema(cambrian_schema:from_json(Text)));
        {{error, enoent}, {ok, Text}} -> described(Json, of_twin(Bytes, Text));
        {{error, enoent}, {error, enoent}} -> {ok, #{}};
        {{error, enoent}, {error, Reason}} -> described(Json, {error, {Reason, Json}});
        {{error, Reason}, _} -> described(Schema, {error, {Reason, Schema}})
    end.

of_schema({ok, Schema}) -> {ok, #{normalisation => cambrian_schema:normalisation(Schema)}};
of_schema(Error) -> Error.

%% JSON beside a genotype may be of another one.
of_twin(Bytes, Json) ->
    case {cambrian_genotype:from_binary(Bytes), cambrian_genotype:from_json(Json)} of
        {{ok, Genotype}, {ok, Twin}} ->
            case cambrian_genotype:id(Genotype) =:= cambrian_genotype:id(Twin) of
                true -> of_json(Json);
                false -> {ok, #{}}
            end;
        _ -> {ok, #{}}
    end.

%% @doc Writes a genotype in a form.
-spec export(Form :: string(), cambrian_genotype:genotype(),
             #{name => string(), normalisation => cambrian_network:normalisation()}) ->
          binary() | {error, cambrian_export:error()}.
export("json", Genotype, Given) ->
    cambrian_genotype:to_json(Genotype, maps:with([normalisation], Given));
export("dot", Genotype, _) -> cambrian_picture:dot(Genotype);
export("svg", Genotype, _) -> cambrian_picture:network(Genotype);
export("c", Genotype, Given) -> cambrian_genotype:to_c(Genotype, named(Given));
export("rust", Genotype, Given) -> cambrian_genotype:to_rust(Genotype, named(Given));
export("onnx", Genotype, Given) ->
    cambrian_genotype:to_onnx(Genotype, maps:with([normalisation], Given)).

named(Given) ->
    maps:map(fun(name, Name) -> unicode:characters_to_binary(Name);
                (normalisation, Normalisation) -> Normalisation
             end, maps:with([name, normalisation], Given)).

%% @doc Reads a genotype from a file with JSON of that program.
-spec import(Source :: string(), cambrian_file:path()) -> answer(cambrian_genotype:genotype()).
import(Source, Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, Text} -> described(Path, read(Source, Text));
        {error, Reason} -> described(Path, {error, {Reason, Path}})
    end.

read("cambrian", Text) -> cambrian_genotype:from_json(Text);
read("neat-python", Text) -> cambrian_genotype:from_neat_python(Text).

%% Describes an error, beginning with the file.
described(_Path, {ok, Genotype}) -> {ok, Genotype};
described(Path, {error, {enoent, _}}) -> {error, [Path, ": there is no such file"]};
described(Path, {error, Reason}) -> {error, [Path, ": ", words(Reason)]}.

words({not_a_file, _Path}) -> "a device, expected a file";
words({Posix, _Path}) when Posix =:= eisdir; Posix =:= eacces -> file:format_error(Posix);
words({bad_json, Why}) -> Why;
words({missing_base, _}) -> "an envelope with a difference, which takes its base to be read";
words({torn_checkpoint, _}) -> "a checkpoint that is torn, or was changed since";
words(not_evaluated) -> "a checkpoint of a population that has not evaluated a generation yet";
words(malformed) ->
    "neither a genotype nor a checkpoint nor an envelope of Cambrian's, nor its JSON";
words(Reason) -> cambrian_error:format_error(Reason).
