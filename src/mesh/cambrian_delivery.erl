%% @private
%% Delivers a genotype to a node that requested it: the giver makes the answer, and the asker opens
%% it.
%%
%% The giver sends the shortest difference to a genotype that the asker holds, or the whole
%% envelope, or, if the envelope is large, the name of a blob. The asker accepts the genotype by its
%% id, from any node. It believes statements about the breeding only if they are signed.
-module(cambrian_delivery).

-export([give/2, is_compared/1, differences/1, open/4, content/1]).
-export_type([offer/0, lookup/0, delivered/0, difference/0, job/0]).

%% A genotype that the giver holds. `content' is the hash of a large envelope, and `signed' the
%% record of its breeder, if the breeder is another node.
-type offer() :: #{genotype := cambrian_genotype:genotype(), envelope := binary(),
                   content := undefined | cambrian_transport:content(),
                   signed := undefined | binary()}.
-type lookup() :: fun((cambrian_genotype:id()) -> {ok, cambrian_genotype:genotype()} | error).
%% A difference to a base; `none' if the difference is not shorter than the whole envelope.
-type difference() :: {Base :: cambrian_genotype:id(), binary() | none}.
%% The differences that the giver must make before it can answer, besides those already `made'.
-type job() :: #{offer := offer(), made := [difference()],
                 missing := [{Base :: cambrian_genotype:id(), cambrian_genotype:genotype()}]}.
%% The id is the id of the genotype's canonical bytes. `rubbish' is signed by the origin of the
%% claims, but is not the claimed genotype.
-type delivered() :: {ok, cambrian_genotype:genotype(), cambrian_genotype:id(),
                      Breeder :: cambrian_identity:key(), Record :: binary()}
                   | {blob, cambrian_transport:content(), Breeder :: undefined | binary()}
                   | {rubbish, Reason :: term(), cambrian_realm:claims()}
                   | {error, Reason :: term()}.

%% An envelope above this size is fetched as a blob.
-define(LARGE, 32_768).
%% With a larger envelope, making differences would delay the asker: each base takes several times
%% the time of reading the envelope.
-define(COMPARED, 262_144).
%% The cost of a difference besides its bytes: the id of its base, and two bytes of framing.
-define(OVERHEAD, 34).

%% @doc The hash for fetching a large envelope. It is computed once, and not for each request.
-spec content(Envelope :: binary()) -> undefined | cambrian_transport:content().
content(Envelope) when byte_size(Envelope) > ?LARGE -> crypto:hash(sha256, Envelope);
content(_Envelope) -> undefined.

%% @doc Whether it pays to make differences to this envelope's genotype.
-spec is_compared(Envelope :: binary()) -> boolean().
is_compared(Envelope) -> byte_size(Envelope) =< ?COMPARED.

%% @doc Makes the missing differences. This takes tens of ms for a large genotype: call it in a
%% separate process.
-spec differences(job()) -> [difference()].
differences(#{offer := #{genotype := Genotype, envelope := Envelope}, missing := Missing}) ->
    [{Base, if_shorter(cambrian_genotype:diff(Known, Genotype), Envelope)}
     || {Base, Known} <- Missing].

if_shorter(Difference, Envelope) when byte_size(Difference) + ?OVERHEAD < byte_size(Envelope) ->
    Difference;
if_shorter(_Difference, _Envelope) -> none.

%% @doc The shortest of these differences, or the whole envelope.
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

%% A difference goes without its envelope, so the breeder's record goes with it, or else the
%% giver's.
record(undefined, Envelope) ->
    {ok, Read, _} = cambrian_envelope:read(Envelope),
    cambrian_envelope:record(Read);
record(Signed, _Envelope) -> Signed.

%% @doc Opens the response to a request: an answer, or the blob that an answer named.
-spec open(cambrian_message:answer() | {blob, binary(), Breeder :: undefined | binary()},
           cambrian_mesh_requests:request(), lookup(), cambrian_admission:once()) -> delivered().
open(none, _Request, _Lookup, _Once) -> {error, not_there};
open({elsewhere, Content, Breeder}, _Request, _Lookup, _Once) -> {blob, Content, Breeder};
open({blob, Envelope, Breeder}, Request, _Lookup, Once) -> whole(Envelope, Breeder, Request, Once);
open({whole, Envelope, Breeder}, Request, _Lookup, Once) -> whole(Envelope, Breeder, Request, Once);
%% the asker requested the whole genotype, so there is no reason for a difference
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

%% Without a genuine record of another breeder, the signer of the answer counts as the breeder.
bred({ok, Genotype, Id}, undefined, {Signer, Record}, _Request, _Once) ->
    {ok, Genotype, Id, Signer, Record};
bred({ok, Genotype, Id} = Opened, Breeder, Signed, Request, Once) ->
    #{task := Name, claims := #{realm := Realm}} = Request,
    case Once({record, Breeder}, fun() -> cambrian_envelope:read_record(Breeder) end) of
        {ok, #{genotype := Id, task := Name, realm := Realm, origin := By}} ->
            {ok, Genotype, Id, By, Breeder};
        _ -> bred(Opened, undefined, Signed, Request, Once)
    end.
