%% @private
%% Writes networks in formats for other programs, with checked options.
-module(cambrian_export).

-include("cambrian_nif_call.hrl").

-export([write/3]).
-export_type([error/0]).

-type format() :: json | c | rust | onnx.
-type error() :: cambrian_options:error()
               | {wrong_size, normalisation, Expected :: pos_integer(), Got :: non_neg_integer()}
               | {out_of_range, normalisation}.

-spec write(format(), cambrian_genotype:genotype(), map()) -> binary() | {error, error()}.
write(Format, Genotype, Options) ->
    case cambrian_options:check(Options, table(Format), see(Format)) of
        {ok, #{normalisation := Given} = Checked} ->
            Normalisation = cambrian_network:normalisation_term(Given),
            write(Format, Genotype, Normalisation, maps:get(name, Checked, none));
        Error -> Error
    end.

see(json) -> <<"cambrian_genotype:to_json/2">>;
see(c) -> <<"cambrian_genotype:to_c/2">>;
see(rust) -> <<"cambrian_genotype:to_rust/2">>;
see(onnx) -> <<"cambrian_genotype:to_onnx/2">>.

table(Format) when Format =:= c; Format =:= rust ->
    (table(json))#{name => {fun is_binary/1, <<"a binary">>, <<"cambrian">>}};
table(_) ->
    #{normalisation => {fun is_normalisation/1, <<"a normalisation of a result, or none">>, none}}.

is_normalisation(none) -> true;
is_normalisation(Given) -> cambrian_network:is_normalisation(Given).

write(json, Genotype, Normalisation, _) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_to_json(Genotype, Normalisation),
                     cambrian_nif:genotype_to_json_dirty(Genotype, Normalisation));
write(c, Genotype, Normalisation, Name) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_to_c(Genotype, Normalisation, Name),
                     cambrian_nif:genotype_to_c_dirty(Genotype, Normalisation, Name));
write(rust, Genotype, Normalisation, Name) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_to_rust(Genotype, Normalisation, Name),
                     cambrian_nif:genotype_to_rust_dirty(Genotype, Normalisation, Name));
write(onnx, Genotype, Normalisation, _) ->
    ?NORMAL_OR_DIRTY(cambrian_nif:genotype_to_onnx(Genotype, Normalisation),
                     cambrian_nif:genotype_to_onnx_dirty(Genotype, Normalisation)).
