%% @private
%% A genotype on its way to a node that asked for it: what the giver sends, and what the asker makes
%% of it.
%%
%% The giver sends the shortest difference to what the asker holds, or the whole envelope, or, if
%% that is large, the name of a blob. The asker accepts the genotype by its id, from any node. Of
%% what is said of its breeding, it believes only what is signed.
-module(cambrian_delivery).

-export([give/2, is_compared/1, differences/1, open/4, content/1]).
-export_type([offer/0, lookup/0, delivered/0, difference/0, job/0]).

%% What a giver holds. `content' is the hash of a large envelope, and `signed' the record of its
%% breeder, if that is another node.
-type offer() :: #{genotype := cambrian_genotype:genotype(), envelope := binary(),
                   content := undefined | cambrian_transport:content(),
                   signed := undefined | binary()}.
-type lookup() :: fun((cambrian_genotype:id()) -> {ok, cambrian_genotype:genotype()} | error).
%% To a base; `none' if it is no shorter than the whole.
-type difference() :: {Base :: cambrian_genotype:id(), binary() | none}.
%% The differences to make before an answer can be given, beside those that are `made'.
-type job() :: #{offer := offer(), made := [difference()],
                 missing := [{Base :: cambrian_genotype:id(), cambrian_genotype:genotype()}]}.
%% The id is that of the genotype's canonical bytes. `rubbish' is signed by the origin of the
%% claims, and is no genotype.
-type delivered() :: {ok, cambrian_genotype:genotype(), cambrian_genotype:id(),
                      Breeder :: cambrian_identity:key(), Record :: binary()}
                   | {blob, cambrian_transport:content(), Breeder :: undefined | binary()}
                   | {rubbish, Reason :: term(), cambrian_realm:claims()}
                   | {error, Reason :: term()}.

%% An envelope above this size is fetched as a blob.
-define(LARGE, 32_768).
%% Differences to a larger envelope would keep the asker waiting: for each base, several times the
%% size is read.
-define(COMPARED, 262_144).
%% What a difference costs beside its bytes: the id of its base, and two bytes of framing.
-define(OVERHEAD, 34).

%% @doc The hash by which a large envelope is fetched. It is made once, and not at each request.
-spec content(Envelope :: binary()) -> undefined | cambrian_transport:content().
content(Envelope) when byte_size(Envelope) > ?LARGE -> crypto:hash(sha256, Envelope);
content(_Envelope) -> undefined.

%% @doc Whether it pays to make differences to this envelope's genotype.
-spec is_compared(Envelope :: binary()) -> boolean().
is_compared(Envelope) -> byte_size(Envelope) =< ?COMPARED.

%% @doc Makes the missing differences. That takes tens of ms for a large genotype: call it in a
%% process of its own.
-spec differences(job()) -> [difference()].
differences(#{offer := #{genotype := Genotype, envelope := Envelope}, missing := Missing}) ->
    [{Base, if_shorter(cambrian_genotype:diff(Known, Genotype), Envelope)}
     || {Base, Known} <- Missing].

if_shorter(Difference, Envelope) when byte_size(Difference) + ?OVERHEAD < byte_size(Envelope) ->
    Difference;
if_shorter(_Difference, _Envelope) -> none.

%% @doc The shortest of these differences, or the whole.
-spec give(offer(), [difference()]) -> cambrian_message:answer().
give(#{envelope := Envelope, content := Content, signed := Signed}, Differences) ->
    BySize = [{byte_size(Difference), Base, Difference}
              || {Base, Difference} <- Differences, Difference =/= none],
    case lists:sort(BySize) of
        [{_, Base, Shortest} | _] -> {difference, Base, Shortest, record(Signed, Envelope)};
        [] ->
            case Content of
                undefined -> {whole, Envelope, Signed};
                _ -> {elsewhere, Content, Signed}
            end
    end.

%% No envelope goes with a difference: the record of the breeder goes, or else of the giver.
record(undefined, Envelope) ->
    {ok, Read, _} = cambrian_envelope:read(Envelope),
    cambrian_envelope:record(Read);
record(Signed, _Envelope) -> Signed.

%% @doc Opens what came for a request: an answer, or the blob that an answer named.
-spec open(cambrian_message:answer() | {blob, binary(), Breeder :: undefined | binary()},
           cambrian_mesh_requests:request(), lookup(), cambrian_admission:once()) -> delivered().
open(none, _Request, _Lookup, _Once) -> {error, not_there};
open({elsewhere, Content, Breeder}, _Request, _Lookup, _Once) -> {blob, Content, Breeder};
open({blob, Envelope, Breeder}, Request, _Lookup, Once) -> whole(Envelope, Breeder, Request, Once);
open({whole, Envelope, Breeder}, Request, _Lookup, Once) -> whole(Envelope, Breeder, Request, Once);
%% nobody who is asked for the whole has a reason to send a difference
open({difference, _, _, _}, #{whole := true}, _Lookup, _Once) -> {error, not_asked_for};
open({difference, Base, Difference, Breeder}, #{id := Id} = Request, Lookup, Once) ->
    #{record := Record, claims := #{origin := Announcer}} = Request,
    case patched(Lookup(Base), Difference) of
        {ok, Genotype} ->
            case cambrian_genotype:id(Genotype) of
                Id -> bred({ok, Genotype, Id}, Breeder, {Announcer, Record}, Request, Once);
                _ -> {error, wrong_id}
            end;
        Error -> Error
    end.

patched({ok, Base}, Difference) -> cambrian_genotype:patch(Base, Difference);
patched(error, _Difference) -> {error, missing_base}.

whole(Bytes, Breeder, #{id := Id, task := Name, claims := Announced} = Request, Once) ->
    #{realm := Realm} = Announced,
    case cambrian_envelope:read(Bytes) of
        {ok, Envelope,
         #{genotype := Id, task := Name, realm := Realm, base := undefined} = Claims} ->
            NoBase = fun(_) -> error end,
            case cambrian_admission:open(Envelope, Bytes, NoBase, Once) of
                {ok, _, _} = Opened ->
                    Signed = {maps:get(origin, Claims), cambrian_envelope:record(Envelope)},
                    bred(Opened, Breeder, Signed, Request, Once);
                {error, Reason} ->
                    case cambrian_admission:is_lie(Reason) of
                        true -> {rubbish, Reason, Claims};
                        false -> {error, Reason}
                    end
            end;
        {ok, _, _} -> {error, wrong_id};
        Error -> Error
    end.

%% Without a genuine record of another breeder, whoever signed what came counts as the breeder.
bred({ok, Genotype, Id}, undefined, {Signer, Record}, _Request, _Once) ->
    {ok, Genotype, Id, Signer, Record};
bred({ok, Genotype, Id} = Opened, Breeder, Signed, Request, Once) ->
    #{task := Name, claims := #{realm := Realm}} = Request,
    case Once({record, Breeder}, fun() -> cambrian_envelope:read_record(Breeder) end) of
        {ok, #{genotype := Id, task := Name, realm := Realm, origin := By}} ->
            {ok, Genotype, Id, By, Breeder};
        _ -> bred(Opened, undefined, Signed, Request, Once)
    end.
