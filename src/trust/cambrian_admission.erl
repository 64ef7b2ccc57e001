%% @private
%% The checks between the bytes of another node and their use; the first failed check decides.
%%
%% A fun, with a state of the caller's, asks the realm: {@link cambrian_trust} asks the server; a
%% caller with the realm as a value asks {@link cambrian_realm:ask/3}. The expensive work is done
%% here, in the process of the caller.
-module(cambrian_admission).

-export([envelope/4, envelope/5, open/4, record/3, record/4, claims/5, succession/4, charter/4,
         every_time/2, is_lie/1]).
-export_type([ask/1, base_of/0, once/0]).

-type ask(State) :: fun((cambrian_realm:request(), State) -> {Answer :: term(), State}).
%% Finds the genotype that an envelope is a difference to.
-type base_of() :: fun((cambrian_genotype:id()) -> {ok, cambrian_genotype:genotype()} | error).

%% Returns what the fun returns, which depends on the key alone. A caller that reads the same bytes
%% for many nodes may remember it.
-type once() :: fun((Key :: term(), fun(() -> term())) -> term()).

%% @doc Checks an envelope: size, shape, version; realm, age, replay, bans, capability, rate;
%% signature, bounded decompression, validity, id. Gives its record too, as it was read here. The
%% claims name the genotype by its own id, whatever bytes were signed, and that id may be banned.
-spec envelope(Bytes :: term(), base_of(), ask(State), State) ->
          {{ok, cambrian_genotype:genotype(), cambrian_envelope:read(), Record :: binary()}
           | {error, Reason :: term()}, State}.
envelope(Bytes, BaseOf, Ask, State) -> envelope(Bytes, BaseOf, fun every_time/2, Ask, State).

-spec envelope(Bytes :: term(), base_of(), once(), ask(State), State) ->
          {{ok, cambrian_genotype:genotype(), cambrian_envelope:read(), Record :: binary()}
           | {error, Reason :: term()}, State}.
envelope(Bytes, BaseOf, Once, Ask, State) ->
    case read(fun cambrian_envelope:read/1, Bytes) of
        {ok, Envelope, Claims} ->
            Prove = fun() -> open(Envelope, Bytes, BaseOf, Once) end,
            Asked = Claims#{unpacked => cambrian_envelope:unpacked_size(Envelope)},
            case admit(Claims, Asked, Prove, Once, Ask, State) of
                {{ok, Genotype, Named}, Next} ->
                    {{ok, Genotype, Named, cambrian_envelope:record(Envelope)}, Next};
                No -> No
            end;
        {error, Reason} -> Ask({refused, Reason, #{}}, State)
    end.

%% @doc For a caller that reads everything only once.
-spec every_time(Key :: term(), fun(() -> Result)) -> Result.
every_time(_Key, Fun) -> Fun().

%% @doc The same for claims and signature without the genotype.
-spec record(Bytes :: term(), ask(State), State) ->
          {{ok, cambrian_envelope:read()} | {error, Reason :: term()}, State}.
record(Bytes, Ask, State) -> record(Bytes, fun every_time/2, Ask, State).

-spec record(Bytes :: term(), once(), ask(State), State) ->
          {{ok, cambrian_envelope:read()} | {error, Reason :: term()}, State}.
record(Bytes, Once, Ask, State) ->
    case read(fun cambrian_envelope:peek_record/1, Bytes) of
        {ok, Claims} ->
            Prove = fun() ->
                        Read = fun() -> cambrian_envelope:read_record(Bytes) end,
                        case Once({record, Bytes}, Read) of
                            {ok, #{genotype := Id} = Proved} -> {ok, Proved, Id};
                            Error -> Error
                        end
                    end,
            case admit(Claims, Claims, Prove, Once, Ask, State) of
                {{ok, _, Claims}, Next} -> {{ok, Claims}, Next};
                No -> No
            end;
        {error, Reason} -> Ask({refused, Reason, #{}}, State)
    end.

%% @doc The same for other claims of an origin. `Prove' verifies the signature: `{ok, Proved, Id}'
%% or an error. The claims name a genotype, which may be banned.
-spec claims(Claims :: map(), Prove :: fun(() -> {ok, Proved, cambrian_genotype:id()}
                                                 | {error, Reason :: term()}),
             once(), ask(State), State) -> {{ok, Proved} | {error, Reason :: term()}, State}.
claims(Claims, Prove, Once, Ask, State) ->
    case admit(Claims, Claims, Prove, Once, Ask, State) of
        {{ok, Proved, _}, Next} -> {{ok, Proved}, Next};
        No -> No
    end.

read(Read, Bytes) when is_binary(Bytes) -> Read(Bytes);
read(_, _) -> {error, malformed}.

%% @doc Opens an envelope. The id that comes with the genotype is that of its canonical bytes: what
%% was signed names the bytes that the envelope carries, and the same genotype has other bytes in an
%% earlier schema.
-spec open(cambrian_envelope:envelope(), Bytes :: binary(), base_of(), once()) ->
          {ok, cambrian_genotype:genotype(), cambrian_genotype:id()} | {error, Reason :: term()}.
open(Envelope, Bytes, BaseOf, Once) ->
    %% opening without the base verifies the signature, before a base is looked for
    case Once({open, Bytes}, fun() -> named(cambrian_envelope:open(Envelope)) end) of
        {error, {missing_base, Id}} = Missing ->
            case BaseOf(Id) of
                {ok, Base} -> named(cambrian_envelope:open(Envelope, Base));
                error -> Missing
            end;
        Other -> Other
    end.

named({ok, Genotype}) -> {ok, Genotype, cambrian_genotype:id(Genotype)};
named(Error) -> Error.

%% `Asked' are the claims with the contents of the grant, once it was read, and with the bytes that
%% an envelope unpacks to, as `unpacked'. `Prove' does the expensive work.
admit(Claims, Asked, Prove, Once, Ask, State) ->
    case Ask({admit, Asked}, State) of
        {ok, Next} -> count(Prove(), Claims, Asked, Ask, Next);
        {{read_grant, Bytes}, Next} ->
            case cambrian_identity:peek_grant(Bytes) of
                {ok, Grant} ->
                    ProveBoth = fun() -> prove_grant(Bytes, Prove, Once) end,
                    admit(Claims, Asked#{grant := Grant}, ProveBoth, Once, Ask, Next);
                {error, _} -> Ask({refused, not_permitted, Claims}, Next)
            end;
        No -> No
    end.

prove_grant(Bytes, Prove, Once) ->
    case Once({grant, Bytes}, fun() -> cambrian_identity:read_grant(Bytes) end) of
        {ok, _} -> Prove();
        {error, _} -> {error, not_permitted}
    end.

count({ok, Proved, Id}, Claims, Asked, Ask, State) ->
    case Ask({genuine, Asked#{genotype := Id}}, State) of
        {ok, Next} -> {{ok, Proved, Claims#{genotype := Id}}, Next};
        No -> No
    end;
count({error, Reason}, _Claims, Asked, Ask, State) ->
    case is_lie(Reason) of
        true -> Ask({cheated, Reason, Asked}, State);
        false -> Ask({refused, Reason, Asked}, State)
    end.

%% @doc Whether an envelope that fails to open for this reason counts as a lie of its origin. It
%% does not without a valid signature, nor if its base is missing or a later release made it.
-spec is_lie(Reason :: term()) -> boolean().
is_lie(Reason) ->
    not lists:member(cambrian_realm:kind(Reason),
                     [bad_signature, not_permitted, missing_base, wrong_base,
                      unsupported_version, unknown_gene]).

%%% ---- certificates -----------------------------------------------------------------------

%% @doc Checks a certificate of succession: first whether the realm could follow it, then its
%% signatures. `known' if the realm follows it already.
-spec succession(Bytes :: term(), once(), ask(State), State) ->
          {ok | known | {error, Reason :: term()}, State}.
succession(Bytes, Once, Ask, State) ->
    case read(fun cambrian_identity:peek_succession/1, Bytes) of
        {ok, #{old := Old} = Said} ->
            Read = fun() -> cambrian_identity:read_succession(Bytes) end,
            verify(Said#{origin => Old}, {may_follow, Said#{origin => Old}}, {follow, Said},
                   fun() -> Once({succession, Bytes}, Read) end, Ask,
                   State);
        {error, Reason} -> Ask({refused, Reason, #{}}, State)
    end.

%% @doc Checks a charter: first whether it could count, then its signatures. Otherwise it is the
%% `same' as the present charter, or `older'.
-spec charter(Bytes :: term(), once(), ask(State), State) ->
          {ok | same | older | {error, Reason :: term()}, State}.
charter(Bytes, Once, Ask, State) ->
    case read(fun cambrian_charter:peek/1, Bytes) of
        {ok, Said} ->
            Read = fun() -> cambrian_charter:read(Bytes) end,
            verify(Said, {may_amend, Said}, {amend, Bytes, Said},
                   fun() -> Once({charter, Bytes}, Read) end, Ask, State);
        {error, Reason} -> Ask({refused, Reason, #{}}, State)
    end.

verify(Said, May, Then, Verify, Ask, State) ->
    case Ask(May, State) of
        {ok, Next} ->
            case Verify() of
                {ok, _} -> Ask(Then, Next);
                {error, Reason} -> Ask({refused, Reason, Said}, Next)
            end;
        Other -> Other
    end.
