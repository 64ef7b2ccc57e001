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
%%
%% ```
%% 1> byte_size(cambrian_envelope:new_identity()).
%% 32
%% '''
-spec new_identity() -> secret().
new_identity() -> crypto:strong_rand_bytes(32).

%% @doc Ed25519 (RFC 8032): what others know the secret's owner by.
%%
%% ```
%% 1> binary:encode_hex(cambrian_envelope:public_key(<<1:256>>)).
%% <<"4CB5ABF6AD79FBF5ABBCCAFCC269D85CD2651ED4B885B5869F241AEDF0A5BA29">>
%% '''
-spec public_key(secret()) -> key().
public_key(Secret) -> cambrian_nif:envelope_public_key(Secret).

%% @doc Signs and packs; at most 1 MiB. Claims of another shape raise `badarg'.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, parents => [],
%%               sequence => 1, time => erlang:system_time(millisecond)}.
%% 3> {ok, Bytes} = cambrian_envelope:seal(Claims#{time := 0}, G, <<1:256>>).
%% 4> byte_size(Bytes).
%% 234
%% '''
-spec seal(claims(), cambrian_genotype:genotype(), secret()) -> {ok, binary()} | {error, malformed | {too_large, pos_integer()}}.
seal(Claims, Genotype, Secret) ->
    %% raised anew, without the arguments: a stack that is logged must not hold the secret
    try cambrian_nif:envelope_seal(Claims, Genotype, Secret)
    catch error:badarg -> error(badarg)
    end.

%% @doc Size, shape and version. Nothing of the claims is true yet.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, parents => [],
%%               sequence => 1, time => erlang:system_time(millisecond)}.
%% 3> {ok, Bytes} = cambrian_envelope:seal(Claims, G, <<1:256>>).
%% 4> {ok, _, Read} = cambrian_envelope:read(Bytes).
%% 5> maps:with([task, fitness, generation], Read).
%% #{fitness => 2.87,generation => 0,task => <<"xor">>}
%% 6> cambrian_envelope:read(<<"from a stranger">>).
%% {error,malformed}
%% '''
-spec read(binary()) -> {ok, envelope(), claims()}
                      | {error, malformed | {too_large, pos_integer()} | {unsupported_version, non_neg_integer()}}.
read(Bytes) -> cambrian_nif:envelope_read(Bytes).

%% @doc Realm, age and replay.
%%
%% Of another realm, older or newer than five minutes by this node's clock, or with a sequence number that is
%% not above the journal's for its origin: not admitted.
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, parents => [],
%%               sequence => 1, time => erlang:system_time(millisecond)}.
%% 3> {ok, Bytes} = cambrian_envelope:seal(Claims, G, <<1:256>>).
%% 4> {ok, _, #{origin := Origin} = Read} = cambrian_envelope:read(Bytes).
%% 5> cambrian_envelope:admit(Read, <<"org.example.lab">>, #{}).
%% ok
%% 6> cambrian_envelope:admit(Read, <<"org.example.lab">>, #{Origin => 1}).
%% {error,replay}
%% 7> cambrian_envelope:admit(Read, <<"org.example.other">>, #{}).
%% {error,wrong_realm}
%% '''
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
%%
%% ```
%% 1> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 2> Claims = #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, parents => [],
%%               sequence => 1, time => erlang:system_time(millisecond)}.
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
-spec open(envelope()) -> {ok, cambrian_genotype:genotype()} | {error, bad_signature | bad_compression | wrong_id | term()}.
open(Envelope) -> cambrian_nif:envelope_open(Envelope).
