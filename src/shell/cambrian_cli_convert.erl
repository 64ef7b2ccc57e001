%% @private
%% What `export' and `import' do: a genotype out of a file of ours into another form, and one out of another form.
-module(cambrian_cli_convert).

-export([forms/0, is_text/1, has_names/1, sources/0, open/1, export/3, import/2]).

-type answer(Value) :: {ok, Value} | {error, unicode:chardata()}.

%% @doc What a genotype can be exported to.
-spec forms() -> [string()].
forms() -> ["json", "dot", "svg", "c", "rust", "onnx"].

%% @doc Whether a form is for people to read, and not for programs alone.
-spec is_text(Form :: string()) -> boolean().
is_text(Form) -> Form =/= "onnx".

%% @doc Whether what it declares begins with a name.
-spec has_names(Form :: string()) -> boolean().
has_names(Form) -> Form =:= "c" orelse Form =:= "rust".

%% @doc Whose JSON can be imported.
-spec sources() -> [string()].
sources() -> ["cambrian", "neat-python"].

%% @doc The genotype in a file: its bytes or its JSON, the champion of a checkpoint, what an envelope holds whole.
-spec open(cambrian_file:path()) -> answer(cambrian_genotype:genotype()).
open(Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, <<"cambrian checkpoint ", _/binary>>} -> said(Path, champion(cambrian_store:open(Path)));
        {ok, <<"{", _/binary>> = Json} -> said(Path, cambrian_genotype:from_json(Json));
        {ok, Bytes} -> said(Path, genotype(cambrian_genotype:from_binary(Bytes), Bytes));
        {error, Reason} -> said(Path, {error, {Reason, Path}})
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

%% @doc A genotype in one of the forms.
-spec export(Form :: string(), cambrian_genotype:genotype(), #{name => string()}) ->
          binary() | {error, cambrian_options:error()}.
export("json", Genotype, _) -> cambrian_genotype:to_json(Genotype);
export("dot", Genotype, _) -> cambrian_picture:dot(Genotype);
export("svg", Genotype, _) -> cambrian_picture:network(Genotype);
export("c", Genotype, Given) -> cambrian_genotype:to_c(Genotype, name(Given));
export("rust", Genotype, Given) -> cambrian_genotype:to_rust(Genotype, name(Given));
export("onnx", Genotype, _) -> cambrian_genotype:to_onnx(Genotype).

name(#{name := Name}) -> #{name => unicode:characters_to_binary(Name)};
name(_) -> #{}.

%% @doc The genotype that somebody's JSON is.
-spec import(Source :: string(), cambrian_file:path()) -> answer(cambrian_genotype:genotype()).
import(Source, Path) ->
    case cambrian_file:read_whole(Path) of
        {ok, Text} -> said(Path, read(Source, Text));
        {error, Reason} -> said(Path, {error, {Reason, Path}})
    end.

read("cambrian", Text) -> cambrian_genotype:from_json(Text);
read("neat-python", Text) -> cambrian_genotype:from_neat_python(Text).

%% An error in words that begin with the file.
said(_Path, {ok, Genotype}) -> {ok, Genotype};
said(Path, {error, {enoent, _}}) -> {error, [Path, ": there is no such file"]};
said(Path, {error, Reason}) -> {error, [Path, ": ", words(Reason)]}.

words({Posix, _Path}) when Posix =:= eisdir; Posix =:= eacces -> file:format_error(Posix);
words({not_a_file, _Path}) -> "a device, expected a file";
words({bad_json, Why}) -> Why;
words({no_equal, What}) -> [What, " has no equal in Cambrian"];
words({invalid_genotype, Why}) -> ["no sound genotype: ", Why];
words({unsupported_version, Version}) -> io_lib:format("version ~p is not known here", [Version]);
words({too_large, Size}) -> io_lib:format("~b bytes are too many", [Size]);
words({missing_base, _}) -> "an envelope with a difference, which takes its base to be read";
words({torn_checkpoint, _}) -> "a checkpoint that is torn, or was changed since";
words(not_evaluated) -> "a checkpoint of a population that has not evaluated a generation yet";
words(malformed) -> "neither a genotype nor a checkpoint nor an envelope of Cambrian's, nor its JSON";
words(Reason) -> io_lib:format("~0tp", [Reason]).
