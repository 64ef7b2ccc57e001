%% @private
%% Checks the bytes of another node before this node uses them. The first failed check decides.
%%
%% The caller passes a fun that asks the realm, with a state of the caller. {@link cambrian_trust}
%% asks the server of the realm; a caller that holds the realm as a value asks {@link
%% cambrian_realm:ask/3}. The expensive work runs in the process of the caller.
-module(cambrian_admission).

-export([envelope/4, envelope/5, open/4, record/3, record/4, claims/5, succession/4, charter/4,
         every_time/2, is_lie/1]).
-export_type([ask/1, base_of/0, once/0]).

-type ask(State) :: fun((cambrian_realm:request(), State) -> {Answer :: term(), State}).
%% Finds the base: the genotype that the difference in an envelope refers to.
-type base_of() :: fun((cambrian_genotype:id()) -> {ok, cambrian_genotype:genotype()} | error).

%% Calls the fun and returns its result, which depends only on the key. A caller that reads the same
%% bytes for many nodes may remember the result.
-type once() :: fun((Key :: term(), fun(() -> term())) -> term()).

%% @doc Checks an envelope: size, shape, version; realm, age, replay, bans, capability, rate;
%% signature, bounded decompression, validity, id. Also returns the record of the envelope. The
%% returned claims name the id of the genotype's canonical bytes, even if the origin signed other
%% bytes; that id may be banned too.
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

%% @doc Calls the fun each time. For a caller that reads all bytes only once.
-spec every_time(Key :: term(), fun(() -> Result)) -> Result.
every_time(_Key, Fun) -> Fun().

%% @doc Checks a record (claims and signature without the genotype) in the same way.
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

%% @doc Opens an envelope. The returned id is the id of the genotype's canonical bytes. The signed
%% id is the id of the bytes in the envelope, and an earlier schema has other bytes for the same
%% genotype.
-spec open(cambrian_envelope:envelope(), Bytes :: binary(), base_of(), once()) ->
          {ok, cambrian_genotype:genotype(), cambrian_genotype:id()} | {error, Reason :: term()}.
open(Envelope, Bytes, BaseOf, Once) ->
    %% opening without the base verifies the signature before anything looks for the base
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

%% `Asked' are the claims, with the contents of the grant if it was read, and with `unpacked', the
%% number of bytes that the envelope unpacks to. `Prove' does the expensive work.
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
%% does not count without a valid signature, if its base is missing, or if a later release made it.
-spec is_lie(Reason :: term()) -> boolean().
is_lie(Reason) ->
    not lists:member(cambrian_realm:kind(Reason),
                     [bad_signature, not_permitted, missing_base, wrong_base,
                      unsupported_version, unknown_gene]).

%%% ---- certificates -----------------------------------------------------------------------

%% @doc Checks a certificate of succession: first whether the realm could follow it, then its
%% signatures. Returns `known' if the realm already follows it.
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

%% @doc Checks a charter: first whether the realm could adopt it, then its signatures. Returns
%% `same' if it is the present charter, and `older' if the present charter is newer.
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
