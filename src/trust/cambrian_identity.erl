%% @doc Keys identify a node to others. The owners of keys sign certificates and grants.
%%
%% A secret is 32 random bytes. Others know its owner by the public key. A file keeps the secret
%% with the certificates by which each earlier key named its successor:
%%
%% ```
%% 1> {ok, #{key := Key}} = cambrian_identity:load_or_new("/tmp/cambrian_example/identity").
%% 2> {ok, #{key := Next, successions := Chain}} =
%%     cambrian_identity:rotate("/tmp/cambrian_example/identity").
%% 3> {ok, #{old := Key, new := Next}} = cambrian_identity:read_succession(lists:last(Chain)).
%% 4> [ok = file:delete("/tmp/cambrian_example/identity" ++ End) || End <- ["", ".copy"]].
%% [ok,ok]
%% '''
-module(cambrian_identity).

-export([new/0, public_key/1, name/1, from_secret/1, load/1, load_or_new/1, rotate/1,
         succession/2, read_succession/1, grant/4, cosign/2, reissue/2, read_grant/1]).
-export([is_succession/1, peek_succession/1, peek_grant/1, is_grant/1, longest_grant/0,
         without_arguments/1, reveal/1, expected_secret/0]).
-export_type([secret/0, holder/0, key/0, name/0, identity/0, succession/0, grant/0, grant_id/0,
              error/0]).

-type secret() :: <<_:256>>.
-type key() :: <<_:256>>.
-type name() :: <<_:88>>.
%% Two words of five letters: see {@link name/1}.

-type identity() :: #{secret := fun(() -> secret()), key := key(), successions := [binary()]}.
%% The secret is in a fun so that no crash report shows it. The oldest succession comes first.

-type holder() :: secret() | fun(() -> secret()) | identity().
%% A function that takes a secret takes any of these forms, so the owner of a key in a file signs
%% with the result of {@link load/1}.

-type succession() :: #{old := key(), new := key(), time := non_neg_integer()}.
%% Times are in ms since 1970.

-type grant_id() :: <<_:256>>.
-type grant() :: #{realm := binary(), key := key(), issued := undefined | non_neg_integer(),
                   until := non_neg_integer(),
                   by := [key()], id := grant_id()}.
%% `by' are the owners that signed it. A grant of version 1 does not say when it was issued. A
%% charter revokes a grant by its `id' ({@link cambrian_charter}).

-type error() :: {too_large, pos_integer()} | malformed | {unsupported_version, non_neg_integer()}
              | bad_signature.

-define(MAGIC, <<"cambrian identity 1\n">>).
%% A leap year. Owners review each member once a year, and a charter never has to keep the
%% revocation of a grant for longer.
-define(LONGEST_GRANT_MS, 366 * 86_400_000).
%% A peer that missed more successions treats the heir as a new key.
-define(MAX_SUCCESSIONS, 100).
-define(A_GRANT, <<"a grant, a binary from grant/4">>).
-define(CONSONANTS, <<"bdfghjklmnprstvz">>).
-define(VOWELS, <<"aiou">>).

%% @doc Makes a random secret.
%%
%% ```
%% 1> byte_size(cambrian_identity:new()).
%% 32
%% '''
-spec new() -> secret().
new() -> crypto:strong_rand_bytes(32).

%% @doc The public key of a secret.
%%
%% ```
%% 1> <<Start:8/binary, _/binary>> = cambrian_identity:public_key(<<1:256>>),
%% binary:encode_hex(Start).
%% <<"4CB5ABF6AD79FBF5">>
%% '''
-spec public_key(holder()) -> key().
public_key(Holder) ->
    Secret = reveal(Holder),
    ok = check(public_key, [secret(Secret)]),
    cambrian_nif:identity_public_key(Secret).

%% @private The secret; `none' for a term that holds no secret.
-spec reveal(holder() | term()) -> secret() | none.
reveal(<<_:32/binary>> = Secret) -> Secret;
reveal(#{secret := Fun}) when is_function(Fun, 0) -> reveal(Fun);
reveal(Fun) when is_function(Fun, 0) ->
    case Fun() of
        <<_:32/binary>> = Secret -> Secret;
        _ -> none
    end;
reveal(_) -> none.

%% @private Describes the terms that {@link reveal/1} accepts.
-spec expected_secret() -> binary().
expected_secret() -> <<"a secret: 32 bytes, a fun that gives them, or an identity">>.

check(Function, Arguments) -> cambrian_badarg:check(?MODULE, Function, Arguments).

secret(Revealed) -> {Revealed =/= none, expected_secret()}.
key(Key) -> {cambrian_options:is_id(Key), <<"a key of 32 bytes">>}.
bytes(Bytes, What) -> {is_binary(Bytes), What}.
path(Path) -> {is_path(Path), <<"the path of a file">>}.

%% Other terms may be a secret: they must not become a file name, nor appear in an error.
is_path(Path) when is_binary(Path); is_list(Path) ->
    try unicode:characters_to_list(Path) of
        Text -> is_list(Text) andalso Text =/= [] andalso io_lib:printable_unicode_list(Text)
    catch error:badarg -> false
    end;
is_path(_) -> false.

%% @private Raises `badarg' again without the arguments: a logged stack must not hold a secret.
-spec without_arguments(fun(() -> Result)) -> Result.
without_arguments(Fun) ->
    try Fun()
    catch error:badarg -> error(badarg)
    end.

%% @doc The name of a key for people: two words that people can pronounce, the same on every node.
%% The words are the first 32 bits of the key's SHA-256 as proquints (Wilkerson 2009,
%% arXiv:0901.4016). Among 10,000 keys, two have the same name with a probability of 1 %, and an
%% attacker can try keys until a key has a given name. So read the name, but identify a node by its
%% key.
%%
%% ```
%% 1> cambrian_identity:name(cambrian_identity:public_key(<<1:256>>)).
%% <<"honol-gasar">>
%% '''
-spec name(key()) -> name().
name(Key) ->
    ok = check(name, [key(Key)]),
    <<First:16, Second:16, _/binary>> = crypto:hash(sha256, Key),
    <<(word(First))/binary, $-, (word(Second))/binary>>.

%% A consonant is 4 bits, a vowel 2.
word(Bits) ->
    <<A:4, B:2, C:4, D:2, E:4>> = <<Bits:16>>,
    Letters = [{?CONSONANTS, A}, {?VOWELS, B}, {?CONSONANTS, C}, {?VOWELS, D}, {?CONSONANTS, E}],
    << <<(binary:at(Of, I))>> || {Of, I} <- Letters >>.

%% @doc Makes an identity from a secret.
%%
%% ```
%% 1> #{key := Key} = cambrian_identity:from_secret(<<1:256>>).
%% 2> Key =:= cambrian_identity:public_key(<<1:256>>).
%% true
%% '''
-spec from_secret(secret() | fun(() -> secret())) -> identity().
from_secret(Holder) ->
    Secret = reveal(Holder),
    ok = check(from_secret, [secret(Secret)]),
    identity(Secret, []).

identity(Secret, Successions) ->
    #{secret => fun() -> Secret end, key => public_key(Secret), successions => Successions}.

%% @doc Loads the identity in a file. A file that other users can read is refused. A copy of the
%% file, `*.copy', replaces the file if the file is damaged or gone. If the copy is damaged too,
%% both files stay as they are.
%%
%% ```
%% 1> {ok, #{key := Key}} = cambrian_identity:load_or_new("/tmp/cambrian_example/identity").
%% 2> {ok, #{key := Key}} = cambrian_identity:load("/tmp/cambrian_example/identity").
%% 3> ok = file:change_mode("/tmp/cambrian_example/identity", 8#644).
%% 4> cambrian_identity:load("/tmp/cambrian_example/identity").
%% {error,{unsafe_permissions,"/tmp/cambrian_example/identity"}}
%% 5> [ok = file:delete("/tmp/cambrian_example/identity" ++ End) || End <- ["", ".copy"]].
%% [ok,ok]
%% 6> cambrian_identity:load("/tmp/cambrian_example/identity").
%% {error,{enoent,"/tmp/cambrian_example/identity"}}
%% '''
-spec load(cambrian_file:path()) ->
          {ok, identity()}
          | {error, {not_an_identity, cambrian_file:path()} | cambrian_file:error()}.
load(Path) ->
    ok = check(load, [path(Path)]),
    case read_or_copy(Path) of
        {error, not_found} -> {error, {enoent, Path}};
        Other -> Other
    end.

%% @doc Loads the identity in a file as {@link load/1} does. If there is no file, makes a new
%% identity and writes it to a file that only this user can read.
%%
%% ```
%% 1> {ok, #{key := Key}} = cambrian_identity:load_or_new("/tmp/cambrian_example/identity").
%% 2> {ok, #{key := Key}} = cambrian_identity:load_or_new("/tmp/cambrian_example/identity").
%% 3> [ok = file:delete("/tmp/cambrian_example/identity" ++ End) || End <- ["", ".copy"]].
%% [ok,ok]
%% '''
-spec load_or_new(cambrian_file:path()) ->
          {ok, identity()}
          | {error, {not_an_identity, cambrian_file:path()} | cambrian_file:error()}.
load_or_new(Path) ->
    ok = check(load_or_new, [path(Path)]),
    case read_or_copy(Path) of
        {error, not_found} -> write(Path, from_secret(new()));
        Other -> Other
    end.

%% Other nodes treat a node that lost its key as a stranger. `write/2' writes the copy first, so the
%% copy is never older than the file.
read_or_copy(Path) ->
    case read(Path) of
        {error, not_found} ->
            %% an unreadable copy may still hold the key, so do not overwrite it
            case read(cambrian_file:copy(Path)) of
                {ok, Identity} -> restore(Path, Identity, missing);
                Error -> Error
            end;
        {error, {Reason, _}} = Damaged when Reason =:= torn_file; Reason =:= not_an_identity;
        Reason =:= eio ->
            case read(cambrian_file:copy(Path)) of
                {ok, Identity} -> restore(Path, Identity, Reason);
                {error, _} -> Damaged
            end;
        Other -> Other
    end.

restore(Path, Identity, Reason) ->
    logger:error("cambrian: the identity ~ts cannot be used (~p): the copy replaces "
                 "it", [Path, Reason]),
    write(Path, Identity).

read(Path) ->
    case cambrian_file:read_secret(Path, ?MAGIC) of
        {ok, <<Secret:32/binary, Rest/binary>>} -> check(Secret, certificates(Rest), Path);
        {ok, _} -> {error, {not_an_identity, Path}};
        {error, {other_file, _}} -> {error, {not_an_identity, Path}};
        Error -> Error
    end.

%% After the secret, a file holds each certificate, preceded by its size.
certificates(<<Size:16, Certificate:Size/binary, Rest/binary>>) ->
    [Certificate | certificates(Rest)];
certificates(<<>>) -> [];
certificates(_) -> [torn].

%% In each certificate, the new key is the old key of the next one. The last new key is this
%% identity's key.
check(Secret, Certificates, Path) ->
    #{key := Key} = Identity = identity(Secret, Certificates),
    case lists:foldr(fun check_link/2, Key, Certificates) of
        false -> {error, {not_an_identity, Path}};
        _First -> {ok, Identity}
    end.

check_link(_, false) -> false;
check_link(torn, _) -> false;
check_link(Certificate, New) ->
    case read_succession(Certificate) of
        {ok, #{old := Old, new := New}} -> Old;
        _ -> false
    end.

write(Path, #{secret := Secret, successions := Successions} = Identity) ->
    Certificates = << <<(byte_size(Bytes)):16, Bytes/binary>> || Bytes <- Successions >>,
    Write = fun(To) ->
                cambrian_file:write_secret(To, ?MAGIC,
                                           <<(Secret())/binary, Certificates/binary>>) end,
    %% write the copy first: its certificates continue from the identity in the file
    case Write(cambrian_file:copy(Path)) of
        ok -> case Write(Path) of ok -> {ok, Identity}; Error -> Error end;
        Error -> Error
    end.

%% @doc Replaces the secret of an identity, in a file or in memory. The old key signs a certificate
%% that names the new key as its successor. After a crash the file holds either the old identity or
%% the new identity.
%%
%% ```
%% 1> Identity = cambrian_identity:from_secret(<<1:256>>).
%% 2> {ok, #{key := New, successions := [Certificate]}} = cambrian_identity:rotate(Identity).
%% 3> {ok, #{old := Old, new := New}} = cambrian_identity:read_succession(Certificate).
%% 4> Old =:= cambrian_identity:public_key(<<1:256>>).
%% true
%% 5> cambrian_identity:rotate("/tmp/cambrian_example/no_such_file").
%% {error,{enoent,"/tmp/cambrian_example/no_such_file"}}
%% '''
-spec rotate(cambrian_file:path() | identity()) ->
          {ok, identity()}
          | {error, {not_an_identity, cambrian_file:path()} | cambrian_file:error()}.
rotate(#{secret := Old, successions := Successions}) when is_function(Old, 0),
is_list(Successions) ->
    Secret = new(),
    Chain = Successions ++ [succession(Old, Secret)],
    {ok, identity(Secret, lists:nthtail(max(0, length(Chain) - ?MAX_SUCCESSIONS), Chain))};
rotate(Path) ->
    ok = check(rotate, [{is_path(Path), <<"the path of a file, or an identity">>}]),
    case read_or_copy(Path) of
        {ok, Identity} ->
            {ok, Next} = rotate(Identity),
            write(Path, Next);
        {error, not_found} -> {error, {enoent, Path}};
        Error -> Error
    end.

%% @doc A certificate, signed by both keys: from now on the new key speaks for the old key.
%%
%% ```
%% 1> Certificate = cambrian_identity:succession(<<1:256>>, <<2:256>>).
%% 2> {ok, #{new := New}} = cambrian_identity:read_succession(Certificate).
%% 3> New =:= cambrian_identity:public_key(<<2:256>>).
%% true
%% '''
-spec succession(Old :: holder(), New :: holder()) -> binary().
succession(Old, New) ->
    {OldSecret, NewSecret} = {reveal(Old), reveal(New)},
    ok = check(succession, [secret(OldSecret), secret(NewSecret)]),
    Now = erlang:system_time(millisecond),
    without_arguments(fun() -> cambrian_nif:identity_succession(OldSecret, NewSecret, Now) end).

%% @doc Reads a certificate of succession, if both signatures are genuine.
%%
%% ```
%% 1> cambrian_identity:read_succession(<<"from a stranger">>).
%% {error,malformed}
%% '''
-spec read_succession(binary()) -> {ok, succession()} | {error, error()}.
read_succession(Bytes) ->
    ok = check(read_succession, [bytes(Bytes, <<"a binary, from succession/2">>)]),
    cambrian_nif:identity_read_succession(Bytes).

%% @private Reads a certificate without verifying its signatures.
-spec peek_succession(binary()) -> {ok, succession()} | {error, error()}.
peek_succession(Bytes) -> cambrian_nif:identity_peek_succession(Bytes).

%% @private Whether bytes look like a succession and not like an envelope: an array whose first
%% `bin' holds an array of four. It makes no other checks.
-spec is_succession(term()) -> boolean().
is_succession(<<16#93, 16#c4, _Size, 16#94, _/binary>>) -> true;
is_succession(_) -> false.

%% @doc Lets a key publish in a realm whose owners sign grants, from now until a time in ms since
%% 1970, at most 366 days from now. If the realm requires several owners, the others sign with
%% {@link cosign/2}.
%%
%% ```
%% 1> Key = cambrian_identity:public_key(<<2:256>>).
%% 2> Tomorrow = erlang:system_time(millisecond) + 86400000.
%% 3> {ok, Grant} = cambrian_identity:grant(<<1:256>>, <<"org.example.lab">>, Key, Tomorrow).
%% 4> {ok, #{realm := Realm, key := Key, until := Tomorrow}} = cambrian_identity:read_grant(Grant),
%% Realm.
%% <<"org.example.lab">>
%% 5> cambrian_identity:grant(<<1:256>>, <<"org.example.lab">>, Key, 1 bsl 60).
%% {error,{grant_too_long,31622400000}}
%% 6> cambrian_identity:grant(<<1:256>>, <<"org.example.lab">>, Key, 1764460800).
%% {error,{grant_expired,1764460800}}
%% '''
%%
%% The time in the last example is in seconds.
-spec grant(Owner :: holder(), Realm :: binary(), key(), Until :: non_neg_integer()) ->
          {ok, binary()}
              | {error, malformed | {grant_too_long, MostMs :: pos_integer()}
                 | {grant_expired, Until :: non_neg_integer()}}.
grant(Owner, Realm, Key, Until) ->
    Secret = reveal(Owner),
    ok = check(grant, [secret(Secret), bytes(Realm, <<"the name of a realm, a binary">>), key(Key),
                       {is_integer(Until) andalso Until >= 0, <<"a time in ms since 1970">>}]),
    sign_grant(Secret, Realm, Key, Until, erlang:system_time(millisecond)).

sign_grant(_Secret, _Realm, _Key, Until, Now) when Until =< Now -> {error, {grant_expired, Until}};
sign_grant(_Secret, _Realm, _Key, Until, Now) when Until - Now > ?LONGEST_GRANT_MS ->
    {error, {grant_too_long, ?LONGEST_GRANT_MS}};
sign_grant(Secret, Realm, Key, Until, Now) ->
    without_arguments(fun() -> cambrian_nif:identity_grant(Secret, Realm, Key, {Now, Until}) end).

%% @doc Adds the signature of another owner to a grant.
%%
%% ```
%% 1> Tomorrow = erlang:system_time(millisecond) + 86400000.
%% 2> {ok, Grant} = cambrian_identity:grant(<<1:256>>, <<"org.example.lab">>, <<7:256>>, Tomorrow).
%% 3> {ok, Both} = cambrian_identity:cosign(<<2:256>>, Grant).
%% 4> {ok, #{by := By}} = cambrian_identity:read_grant(Both), length(By).
%% 2
%% '''
-spec cosign(Owner :: holder(), Grant :: binary()) -> {ok, binary()} | {error, error()}.
cosign(Owner, Grant) ->
    Secret = reveal(Owner),
    ok = check(cosign, [secret(Secret), bytes(Grant, ?A_GRANT)]),
    cambrian_nif:identity_cosign_grant(Secret, Grant).

%% @doc Signs another owner's grant again: for the same realm and key, from now until the same time.
%% An owner that rotated its key must do this, because realms refuse the signatures of the retired
%% key.
%%
%% ```
%% 1> Tomorrow = erlang:system_time(millisecond) + 86400000.
%% 2> {ok, Grant} = cambrian_identity:grant(<<1:256>>, <<"org.example.lab">>, <<7:256>>, Tomorrow).
%% 3> {ok, Again} = cambrian_identity:reissue(<<2:256>>, Grant).
%% 4> {ok, #{key := Key, by := [By]}} = cambrian_identity:read_grant(Again).
%% 5> {Key =:= <<7:256>>, By =:= cambrian_identity:public_key(<<2:256>>)}.
%% {true,true}
%% '''
-spec reissue(Owner :: holder(), Grant :: binary()) ->
          {ok, binary()} | {error, {grant_expired, Until :: non_neg_integer()} | error()}.
reissue(Owner, Grant) ->
    Secret = reveal(Owner),
    ok = check(reissue, [secret(Secret), bytes(Grant, ?A_GRANT)]),
    Now = erlang:system_time(millisecond),
    case read_grant(Grant) of
        {ok, #{realm := Realm, key := Key, until := Until}} ->
            sign_grant(Secret, Realm, Key, min(Until, Now + ?LONGEST_GRANT_MS), Now);
        Error -> Error
    end.

%% @private In ms.
-spec longest_grant() -> pos_integer().
longest_grant() -> ?LONGEST_GRANT_MS.

%% @doc Reads a grant, if its signatures are genuine.
%%
%% ```
%% 1> cambrian_identity:read_grant(<<"from a stranger">>).
%% {error,malformed}
%% '''
-spec read_grant(binary()) -> {ok, grant()} | {error, error()}.
read_grant(Bytes) ->
    ok = check(read_grant, [bytes(Bytes, ?A_GRANT)]),
    cambrian_nif:identity_read_grant(Bytes).

%% @private Reads a grant without verifying its signatures.
-spec peek_grant(binary()) -> {ok, grant()} | {error, error()}.
peek_grant(Bytes) -> cambrian_nif:identity_peek_grant(Bytes).

%% @private Whether a term has the fields of a grant that was read.
-spec is_grant(term()) -> boolean().
is_grant(#{realm := Realm, key := Key, by := By, issued := Issued, until := Until, id := Id}) ->
    is_binary(Realm) andalso lists:all(fun cambrian_options:is_id/1, [Key, Id])
        andalso (Issued =:= undefined orelse cambrian_options:is_count(Issued))
        andalso cambrian_options:is_count(Until)
        andalso is_list(By) andalso lists:all(fun cambrian_options:is_id/1, By);
is_grant(_) -> false.
