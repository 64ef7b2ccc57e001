%% @private
%% A genotype on its way to one who asked for it: what is given, and what is made of what was given.
%%
%% It is given as the shortest difference to what the asker holds, as the whole envelope, or, where that is large, as the
%% name of a blob. It is taken if it is the one that was asked for, by its id: whoever gave it. Of what is said of its
%% breeding only a signature is believed.
-module(cambrian_delivery).

-export([give/2, is_compared/1, differences/1, open/4, is_large/1]).
-export_type([offer/0, lookup/0, delivered/0, difference/0, job/0]).

%% What a giver holds. `signed' is what its breeder signed, if that is another than the giver.
-type offer() :: #{genotype := cambrian_genotype:genotype(), envelope := binary(), signed := undefined | binary()}.
-type lookup() :: fun((cambrian_genotype:id()) -> {ok, cambrian_genotype:genotype()} | error).
%% To a base; `none' where it is no shorter than the whole.
-type difference() :: {Base :: cambrian_genotype:id(), binary() | none}.
%% Differences that have to be made before an answer can be given, beside those that are `made'.
-type job() :: #{offer := offer(), made := [difference()], missing := [{Base :: cambrian_genotype:id(), cambrian_genotype:genotype()}]}.
-type delivered() :: {ok, cambrian_genotype:genotype(), Breeder :: cambrian_identity:key(), Signed :: binary()}
                   | {blob, cambrian_transport:content(), Breeder :: undefined | binary()}
                   %% signed, by whom the claims say, and no genotype
                   | {rubbish, Reason :: term(), cambrian_realm:claims()}
                   | {error, Reason :: term()}.

%% An envelope above this size is fetched as a blob.
-define(LARGE, 32_768).
%% To make differences of one above would take too long for whoever asks: several times its size is read for each base.
-define(COMPARED, 262_144).

-spec is_large(Envelope :: binary()) -> boolean().
is_large(Envelope) -> byte_size(Envelope) > ?LARGE.

%% @doc Whether it pays to make differences of this one: not if to read it takes too long.
-spec is_compared(Envelope :: binary()) -> boolean().
is_compared(Envelope) -> byte_size(Envelope) =< ?COMPARED.

%% @doc Makes the differences that are missing: tens of ms for a large genotype, so not in a process that others wait for.
-spec differences(job()) -> [difference()].
differences(#{offer := #{genotype := Genotype, envelope := Envelope}, missing := Missing}) ->
    [{Base, shorter(cambrian_genotype:diff(Known, Genotype), Envelope)} || {Base, Known} <- Missing].

shorter(Difference, Envelope) when byte_size(Difference) + 34 < byte_size(Envelope) -> Difference;
shorter(_Difference, _Envelope) -> none.

%% @doc The shortest of these differences, or the whole.
-spec give(offer(), [difference()]) -> cambrian_message:answer().
give(#{envelope := Envelope, signed := Signed}, Differences) ->
    case lists:sort([{byte_size(Difference), Base, Difference} || {Base, Difference} <- Differences, Difference =/= none]) of
        [{_, Base, Shortest} | _] -> {difference, Base, Shortest, either(Signed, Envelope)};
        [] ->
            case is_large(Envelope) of
                true -> {elsewhere, crypto:hash(sha256, Envelope), Signed};
                false -> {whole, Envelope, Signed}
            end
    end.

%% With a difference there goes no envelope: what is signed goes as a record.
either(undefined, Envelope) ->
    {ok, Read, _} = cambrian_envelope:read(Envelope),
    cambrian_envelope:record(Read);
either(Signed, _Envelope) -> Signed.

%% @doc What came for a want: an answer, or the blob that an answer had named.
-spec open(cambrian_message:answer() | {blob, binary(), Breeder :: undefined | binary()}, cambrian_mesh_requests:request(), lookup(),
           cambrian_admission:once()) -> delivered().
open(none, _Want, _Lookup, _Once) -> {error, not_there};
open({elsewhere, Content, Breeder}, _Want, _Lookup, _Once) -> {blob, Content, Breeder};
open({blob, Envelope, Breeder}, Want, _Lookup, Once) -> whole(Envelope, Breeder, Want, Once);
open({whole, Envelope, Breeder}, Want, _Lookup, Once) -> whole(Envelope, Breeder, Want, Once);
open({difference, Base, Difference, Breeder}, #{id := Id, record := Record} = Want, Lookup, Once) ->
    case patched(Lookup(Base), Difference) of
        {ok, Genotype} ->
            case cambrian_genotype:id(Genotype) of
                Id -> bred(Genotype, Breeder, Record, Want, Once);
                _ -> {error, wrong_id}
            end;
        Error -> Error
    end.

patched({ok, Base}, Difference) -> cambrian_genotype:patch(Base, Difference);
patched(error, _Difference) -> {error, missing_base}.

whole(Bytes, Breeder, #{id := Id, task := Name, claims := #{realm := Realm}} = Want, Once) ->
    case cambrian_envelope:read(Bytes) of
        {ok, Envelope, #{genotype := Id, task := Name, realm := Realm, base := undefined} = Claims} ->
            case Once({open, Bytes}, fun() -> cambrian_envelope:open(Envelope) end) of
                {ok, Genotype} -> bred(Genotype, Breeder, cambrian_envelope:record(Envelope), Want, Once);
                {error, Reason} ->
                    case cambrian_admission:is_lie(Reason) of
                        true -> {rubbish, Reason, Claims};
                        false -> {error, Reason}
                    end
            end;
        {ok, _, _} -> {error, wrong_id};
        Error -> Error
    end.

%% Without a word of the breeder, the giver's.
bred(Genotype, undefined, Record, #{claims := #{origin := Origin}}, _Once) -> {ok, Genotype, Origin, Record};
bred(Genotype, Breeder, Record, #{id := Id, task := Name, claims := #{realm := Realm}} = Want, Once) ->
    case Once({record, Breeder}, fun() -> cambrian_envelope:read_record(Breeder) end) of
        {ok, #{genotype := Id, task := Name, realm := Realm, origin := By}} -> {ok, Genotype, By, Breeder};
        _ -> bred(Genotype, undefined, Record, Want, Once)
    end.
