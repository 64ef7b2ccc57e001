%% @doc Writes a signed genotype for other nodes, and reads one from a stranger.
%%
%% Reading takes two steps: {@link read/1} checks size, shape and version; {@link open/1} checks
%% signature, bounded decompression, validity and id. Between them, {@link cambrian_trust} checks
%% realm, replay and bans. No step verifies the claimed fitness.
%%
%% Claims and signature without the genotype are a record of some 300 bytes: it proves which key
%% claimed what of a genotype, even when the genes are gone.
-module(cambrian_envelope).

-export([seal/3, seal/4, read/1, open/1, open/2, record/1, peek_record/1, read_record/1]).
-export([max_age_ms/0, unpacked_size/1]).
-export_type([claims/0, read/0, envelope/0, error/0]).

-opaque envelope() :: reference().
-type claims() :: #{realm := binary(), task := binary(), fitness := float(),
                    generation := non_neg_integer(),
                    sequence := non_neg_integer(), time := non_neg_integer(),
                    parents => [cambrian_genotype:id()], operators => [atom() | binary()],
                    grant => undefined | binary()}.
%% `parents' are the ids of the parents, the fitter first; `operators' are the operators that made
%% the genotype from them. `time' is in ms since 1970. `grant' is the permission to publish, in a
%% realm that requires one ({@link cambrian_identity:grant/4}). Texts have at most 255 bytes; there
%% are at most 8 parents and 32 operators. The last three fields are optional.

-type read() :: #{realm := binary(), task := binary(), fitness := float(),
                  generation := non_neg_integer(),
                  sequence := non_neg_integer(), time := non_neg_integer(),
                  parents := [cambrian_genotype:id()], operators := [binary()],
                  grant := undefined | binary(),
                  genotype := cambrian_genotype:id(), base := undefined | cambrian_genotype:id(),
                  origin := cambrian_identity:key()}.
%% `base' is the id of the genotype that the payload is a difference to.

-type error() :: malformed | {too_large, pos_integer()} | {unsupported_version, non_neg_integer()}
              | {bad_claim, atom()}.
%% `bad_claim' names a field with an impossible value, such as a genotype that is its own parent.

%% @doc Signs and packs a genotype; at most 1 MiB. Claims of another type raise `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87,
%%              generation => 0, sequence => 1, time => erlang:system_time(millisecond)}.
%% 3> {ok, Bytes} = cambrian_envelope:seal(Claims#{time := 0}, G, <<1:256>>).
%% 4> byte_size(Bytes).
%% 250
%% 5> cambrian_envelope:seal(Claims#{parents => [<<1:256>>, <<1:256>>]}, G, <<1:256>>).
%% {error,{bad_claim,parents}}
%% '''
-spec seal(claims(), cambrian_genotype:genotype(), cambrian_identity:holder()) ->
          {ok, binary()} | {error, error()}.
seal(Claims, Genotype, Secret) -> seal(Claims, Genotype, undefined, Secret).

%% @doc Seals a difference to a genotype that the reader has, if the difference is shorter.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7).
%% 2> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1).
%% 3> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87,
%%              generation => 1, sequence => 1, time => 0}.
%% 4> {ok, Whole} = cambrian_envelope:seal(Claims, Grown, <<1:256>>).
%% 5> {ok, Difference} = cambrian_envelope:seal(Claims, Grown, G, <<1:256>>).
%% 6> {byte_size(Whole), byte_size(Difference)}.
%% {845,398}
%% '''
-spec seal(claims(), cambrian_genotype:genotype(), Base :: undefined | cambrian_genotype:genotype(),
           cambrian_identity:holder()) -> {ok, binary()} | {error, error()}.
seal(Claims, Genotype, Base, Holder) ->
    Secret = cambrian_identity:reveal(Holder),
    ok = cambrian_badarg:check(?MODULE, seal, [
        {is_map(Claims) andalso are_names(maps:get(operators, Claims, [])), <<"a map of claims">>},
        {is_genotype(Genotype), <<"a genotype">>},
        {Base =:= undefined orelse is_genotype(Base), <<"a genotype, or undefined">>},
        {Secret =/= none, cambrian_identity:expected_secret()}]),
    cambrian_identity:without_arguments(fun() ->
        cambrian_nif:envelope_seal(with_defaults(Claims), Genotype, Base, Secret)
    end).

are_names([Name | Names]) when is_atom(Name); is_binary(Name) -> are_names(Names);
are_names(Rest) -> Rest =:= [].

is_genotype(Term) -> cambrian_nif:kind_of(Term) =:= genotype.

with_defaults(Claims) ->
    Operators = [name(Operator) || Operator <- maps:get(operators, Claims, [])],
    maps:merge(#{parents => [], grant => undefined}, Claims#{operators => Operators}).

name(Operator) when is_atom(Operator) -> atom_to_binary(Operator);
name(Operator) -> Operator.

%% @doc Checks size, shape and version. Does not verify the claims.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87,
%%              generation => 0, sequence => 1, time => erlang:system_time(millisecond)}.
%% 3> {ok, Bytes} = cambrian_envelope:seal(Claims, G, <<1:256>>).
%% 4> {ok, _, Read} = cambrian_envelope:read(Bytes).
%% 5> maps:with([task, fitness, generation, base], Read).
%% #{base => undefined,fitness => 2.87,generation => 0,task => <<"xor">>}
%% 6> cambrian_envelope:read(<<"from a stranger">>).
%% {error,malformed}
%% '''
-spec read(binary()) -> {ok, envelope(), read()} | {error, error()}.
read(Bytes) -> cambrian_nif:envelope_read(Bytes).

%% @doc Checks the signature, decompresses within bounds, checks validity, and compares the id with
%% the genotype.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87,
%%              generation => 0, sequence => 1, time => erlang:system_time(millisecond)}.
%% 3> {ok, Bytes} = cambrian_envelope:seal(Claims, G, <<1:256>>).
%% 4> {ok, Envelope, _} = cambrian_envelope:read(Bytes).
%% 5> {ok, Copy} = cambrian_envelope:open(Envelope).
%% 6> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(G).
%% true
%% 7> Size = byte_size(Bytes) - 1, <<Signed:Size/binary, Last>> = Bytes.
%% 8> {ok, Forged, _} = cambrian_envelope:read(<<Signed/binary, (Last bxor 1)>>).
%% 9> cambrian_envelope:open(Forged).
%% {error,bad_signature}
%% '''
-spec open(envelope()) -> {ok, cambrian_genotype:genotype()}
                        | {error, bad_signature | bad_compression | wrong_id
                                | {missing_base, cambrian_genotype:id()} | term()}.
open(Envelope) -> cambrian_nif:envelope_open(Envelope, undefined).

%% @doc Opens a difference, with its base.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7).
%% 2> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1,
%%        sequence => 1, time => 0}, Grown, G, <<1:256>>).
%% 4> {ok, Envelope, #{base := Base}} = cambrian_envelope:read(Bytes).
%% 5> Base =:= cambrian_genotype:id(G).
%% true
%% 6> {ok, Copy} = cambrian_envelope:open(Envelope, G).
%% 7> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(Grown).
%% true
%% 8> {error, {missing_base, Base}} = cambrian_envelope:open(Envelope).
%% 9> {error, {wrong_base, Base}} = cambrian_envelope:open(Envelope, Grown).
%% '''
-spec open(envelope(), Base :: undefined | cambrian_genotype:genotype()) ->
          {ok, cambrian_genotype:genotype()}
        | {error, bad_signature | bad_compression | wrong_id
                | {missing_base | wrong_base, cambrian_genotype:id()} | term()}.
open(Envelope, Base) -> cambrian_nif:envelope_open(Envelope, Base).

%% @doc Returns claims and signature, to keep them without the genes.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1,
%%        sequence => 1, time => 0}, G, <<1:256>>).
%% 3> {ok, Envelope, _} = cambrian_envelope:read(Bytes).
%% 4> byte_size(cambrian_envelope:record(Envelope)).
%% 218
%% '''
-spec record(envelope()) -> binary().
record(Envelope) -> cambrian_nif:envelope_record(Envelope).

%% @private The number of bytes that {@link open/1} unpacks, as the envelope states it. 0 for a
%% difference, and for an envelope that `open/1' refuses before it unpacks.
-spec unpacked_size(envelope()) -> non_neg_integer().
unpacked_size(Envelope) -> cambrian_nif:envelope_unpacked_size(Envelope).

%% @doc Reads a record without verifying the signature. Verifying takes twenty times as long, so use
%% this for checks before {@link read_record/1}.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1,
%%        sequence => 1, time => 0}, G, <<1:256>>).
%% 3> {ok, Envelope, Read} = cambrian_envelope:read(Bytes).
%% 4> {ok, Read} =:= cambrian_envelope:peek_record(cambrian_envelope:record(Envelope)).
%% true
%% '''
-spec peek_record(binary()) -> {ok, read()} | {error, error()}.
peek_record(Bytes) -> cambrian_nif:envelope_peek_record(Bytes).

%% @doc Reads a record, if its signature is genuine.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1,
%%        sequence => 1, time => 0}, G, <<1:256>>).
%% 3> {ok, Envelope, Read} = cambrian_envelope:read(Bytes).
%% 4> {ok, Read} =:= cambrian_envelope:read_record(cambrian_envelope:record(Envelope)).
%% true
%% '''
-spec read_record(binary()) -> {ok, read()} | {error, error() | bad_signature}.
read_record(Bytes) -> cambrian_nif:envelope_read_record(Bytes).

%% @private The greatest age of a signed message, and how far the clock of its origin may be ahead
%% of ours.
-spec max_age_ms() -> pos_integer().
max_age_ms() -> 5 * 60_000.
