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
%% JSON have it in themselves, and beside the champion of a table lies its schema.
-spec normalisation(Path :: binary()) ->
          answer(#{normalisation => cambrian_network:normalisation()}).
normalisation(Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, <<"cambrian checkpoint ", _/binary>>} ->
            {ok, #{champion := Champion}} = cambrian_store:open(Path),
            {ok, maps:with([normalisation], Champion)};
        {ok, <<"{", _/binary>> = Json} -> {ok, of_json(cambrian_json:decode(Json))};
        {ok, _} -> of_schema(<<(filename:rootname(Path))/binary, ".schema.json">>)
    end.

of_json({ok, #{<<"normalisation">> := #{<<"means">> := Means, <<"factors">> := Factors}}}) ->
    #{normalisation => #{means => Means, factors => Factors}};
of_json(_) -> #{}.

of_schema(Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, Json} ->
            case cambrian_schema:from_json(Json) of
                {ok, Schema} -> {ok, #{normalisation => cambrian_schema:normalisation(Schema)}};
                Error -> described(Path, Error)
            end;
        {error, enoent} -> {ok, #{}};
        {error, Reason} -> described(Path, {error, {Reason, Path}})
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
