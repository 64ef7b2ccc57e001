%% @doc A genotype signed for travel: writing one, and reading one from a stranger.
%%
%% The questions are asked in one order, and the first no ends the reading: size, shape, version
%% ({@link read/1}); realm, age, replay ({@link admit/3}); signature, bounded decompression, validity, id
%% ({@link open/1}). What is claimed of fitness stays a claim.
-module(cambrian_envelope).

-export([new_identity/0, public_key/1, seal/3, read/1, admit/3, open/1]).
-export_type([secret/0, key/0, claims/0, envelope/0, journal/0]).

%% 32 random bytes from which the key pair follows.
-type secret() :: <<_:256>>.
-type key() :: <<_:256>>.
-opaque envelope() :: reference().
%% `time' in ms since 1970; `parents' at most eight ids; texts at most 255 bytes.
-type claims() :: #{realm := binary(), task := binary(), fitness := float(), generation := non_neg_integer(),
                    parents := [cambrian_genotype:id()], sequence := non_neg_integer(), time := non_neg_integer(),
                    genotype => cambrian_genotype:id(), origin => key()}.
%% The highest sequence number that was admitted of each origin.
-type journal() :: #{key() => non_neg_integer()}.

%% Clocks may differ and messages may wait, but not for longer than this.
-define(MAX_AGE_MS, 300_000).

%% @doc A secret of one's own.
-spec new_identity() -> secret().
new_identity() -> crypto:strong_rand_bytes(32).

%% @doc Ed25519: what others know the secret's owner by.
-spec public_key(secret()) -> key().
public_key(Secret) -> cambrian_nif:envelope_public_key(Secret).

%% @doc Signs and packs; at most 1 MiB.
-spec seal(claims(), cambrian_genotype:genotype(), secret()) -> {ok, binary()} | {error, malformed | {too_large, pos_integer()}}.
seal(Claims, Genotype, Secret) ->
    %% raised anew, without the arguments: a stack that is logged must not hold the secret
    try cambrian_nif:envelope_seal(Claims, Genotype, Secret)
    catch error:badarg -> error(badarg)
    end.

%% @doc Size, shape and version. Nothing of the claims is true yet.
-spec read(binary()) -> {ok, envelope(), claims()}
                      | {error, malformed | {too_large, pos_integer()} | {unsupported_version, non_neg_integer()}}.
read(Bytes) -> cambrian_nif:envelope_read(Bytes).

%% @doc Realm, age and replay.
-spec admit(claims(), Realm :: binary(), journal()) -> ok | {error, wrong_realm | too_old | from_the_future | replay}.
admit(#{realm := Realm, time := Time, origin := Origin, sequence := Sequence}, Realm, Journal) ->
    Age = erlang:system_time(millisecond) - Time,
    Last = maps:get(Origin, Journal, -1),
    if
        Age > ?MAX_AGE_MS -> {error, too_old};
        Age < -?MAX_AGE_MS -> {error, from_the_future};
        Sequence =< Last -> {error, replay};
        true -> ok
    end;
admit(_, _, _) ->
    {error, wrong_realm}.

%% @doc Signature, bounded decompression, validity, and that the id is the genotype's.
-spec open(envelope()) -> {ok, cambrian_genotype:genotype()} | {error, bad_signature | bad_compression | wrong_id | term()}.
open(Envelope) -> cambrian_nif:envelope_open(Envelope).
