%% @doc Charters: they name the owners of a realm, how many owners must sign, and the revoked keys
%% and grants.
%%
%% A realm with the capability `{signed_by, Owners}' ({@link cambrian_trust:open/2}) starts with the
%% owners that its options name. A charter names other owners, or revokes grants. The nodes of the
%% realm send each other the newest charter. In this example, two owners sign a charter that both
%% must sign, and later lift the revocation of a key:
%%
%% ```
%% 1> {A, B} = {cambrian_identity:new(), cambrian_identity:new()}.
%% 2> Owners = [cambrian_identity:public_key(Secret) || Secret <- [A, B]].
%% 3> ok = cambrian_trust:open(<<"org.example.lab">>,
%%                             #{capability => {signed_by, #{owners => Owners, threshold => 2}}}).
%% 4> {ok, Draft} = cambrian_charter:seal(
%%      #{realm => <<"org.example.lab">>, number => 1, owners => Owners, threshold => 2,
%%        revoked => [<<7:256>>]}, A).
%% 5> cambrian_trust:amend(<<"org.example.lab">>, Draft).
%% {error,too_few_owners}
%% 6> {ok, Charter} = cambrian_charter:cosign(Draft, B).
%% 7> cambrian_trust:amend(<<"org.example.lab">>, Charter).
%% ok
%% 8> {ok, #{number := 1, revoked := [<<7:256>>]} = Known} =
%%     cambrian_charter:read(cambrian_trust:charter(<<"org.example.lab">>)).
%% 9> {ok, Next} = cambrian_charter:seal(Known#{number := 2, revoked := []}, A).
%% '''
-module(cambrian_charter).

-export([seal/2, cosign/2, read/1, peek/1, are_owners/1, is_threshold/2]).
-export_type([charter/0, draft/0, error/0]).

-type draft() :: #{realm := binary(), number := pos_integer(), owners := [cambrian_identity:key()],
                   threshold => pos_integer(),
                   revoked => [cambrian_identity:key() | cambrian_identity:grant_id()],
                   issued => non_neg_integer()}.
%% `number' is higher than that of the charter before. Of the 1 to 6 `owners', `threshold' (default
%% 1) must sign. `revoked' lists at most 256 ids of grants, and keys that may not publish with any
%% grant. `issued' is in ms since 1970; the default is now. Each charter is complete: an omitted key
%% or grant is no longer revoked, so omit only grants that have expired.

-type charter() :: #{realm := binary(), number := pos_integer(), issued := non_neg_integer(),
                     owners := [cambrian_identity:key()], threshold := pos_integer(),
                     revoked := [cambrian_identity:key() | cambrian_identity:grant_id()],
                     by := [cambrian_identity:key()], id := <<_:256>>}.
%% `by' are the keys that signed the charter; the `id' does not depend on the signers.

-type error() :: {bad_charter, {Field :: atom(), Value :: term() | missing, Expected :: binary()}}
               | cambrian_options:error() | cambrian_identity:error().

-define(MAX_OWNERS, 6).
-define(MAX_REVOKED, 256).
-define(A_CHARTER, <<"a charter, a binary from seal/2">>).

%% @doc Seals a charter with its first signature. Both the owners before the charter and the owners
%% in the charter must sign it, as many of each as their threshold says. The other owners sign with
%% {@link cosign/2}, in any order.
%%
%% ```
%% 1> Owner = cambrian_identity:public_key(<<1:256>>).
%% 2> {ok, Bytes} = cambrian_charter:seal(
%%      #{realm => <<"org.example.lab">>, number => 1, owners => [Owner]}, <<1:256>>).
%% 3> {ok, #{owners := [Owner], threshold := 1, by := [Owner]}} = cambrian_charter:read(Bytes).
%% 4> cambrian_charter:seal(
%%      #{realm => <<"org.example.lab">>, number => 1, owners => [Owner], threshold => 2},
%%      <<1:256>>).
%% {error,{bad_charter,{threshold,2,<<"from 1 to the number of owners">>}}}
%% 5> cambrian_charter:seal(#{realm => <<"org.example.lab">>, owners => [Owner]}, <<1:256>>).
%% {error,{bad_charter,{number,missing,<<"an integer from 1">>}}}
%% '''
-spec seal(draft() | charter(), cambrian_identity:holder()) -> {ok, binary()} | {error, error()}.
seal(Draft, Owner) ->
    Secret = cambrian_identity:reveal(Owner),
    ok = cambrian_badarg:check(?MODULE, seal, [{is_map(Draft), <<"a map">>}, secret(Secret)]),
    Charter = maps:merge(#{threshold => 1, revoked => [],
                           issued => erlang:system_time(millisecond)}, as_draft(Draft)),
    case faults(Charter, fields(Charter)) of
        [] ->
            #{owners := Owners, revoked := Revoked} = Charter,
            Sorted = Charter#{owners := lists:usort(Owners), revoked := lists:usort(Revoked)},
            Seal = fun() -> cambrian_nif:charter_seal(Sorted, Secret) end,
            cambrian_identity:without_arguments(Seal);
        [Fault | _] -> {error, Fault}
    end.

secret(Revealed) -> {Revealed =/= none, cambrian_identity:expected_secret()}.

%% Reports unknown names first: an unknown name may be a misspelt field that is therefore missing.
faults(Charter, Fields) ->
    Known = [Field || {Field, _, _} <- Fields],
    [cambrian_options:unknown(unknown_option, Name, Known, <<"type cambrian_charter:draft()">>)
     || Name <- lists:sort(maps:keys(maps:without(Known, Charter)))]
    ++ [{bad_charter, {Field, maps:get(Field, Charter, missing), Expected}}
        || {Field, Is, Expected} <- Fields,
        not is_map_key(Field, Charter) orelse not Is(maps:get(Field, Charter))].

%% A charter that was read gets a new time of issue.
as_draft(#{id := _} = Read) -> maps:without([id, by, issued], Read);
as_draft(Draft) -> Draft.

fields(Charter) ->
    IsTime = fun(Time) -> is_integer(Time) andalso Time >= 0 andalso Time < 1 bsl 64 end,
    [{realm, fun(Realm) -> is_binary(Realm) andalso byte_size(Realm) =< 255 end,
      <<"a text of at most 255 bytes">>},
     {number, fun(Number) -> IsTime(Number) andalso Number > 0 end, <<"an integer from 1">>},
     {issued, IsTime, <<"ms since 1970">>},
     {owners, fun are_owners/1,
      <<"1 to 6 keys, none twice">>},
     {threshold, fun(N) -> is_threshold(N, maps:get(owners, Charter, [])) end,
      <<"from 1 to the number of owners">>},
     {revoked, fun(Ids) -> are_keys(Ids, 0, ?MAX_REVOKED) end,
      <<"at most 256 keys or ids of grants">>}].

%% The guard fails for an improper list.
are_keys(Keys, Least, Most) when length(Keys) >= Least, length(Keys) =< Most ->
    lists:all(fun cambrian_options:is_id/1, Keys);
are_keys(_, _, _) -> false.

count(Keys) when length(Keys) >= 0 -> length(Keys);
count(_) -> 0.

%% @doc Adds a signature to a charter.
%%
%% ```
%% 1> [A, B] = [cambrian_identity:public_key(<<N:256>>) || N <- [1, 2]].
%% 2> {ok, Draft} = cambrian_charter:seal(
%%      #{realm => <<"org.example.lab">>, number => 1, owners => [A, B]}, <<1:256>>).
%% 3> {ok, Charter} = cambrian_charter:cosign(Draft, <<2:256>>).
%% 4> {ok, #{by := By}} = cambrian_charter:read(Charter), By =:= lists:sort([A, B]).
%% true
%% '''
-spec cosign(binary(), cambrian_identity:holder()) -> {ok, binary()} | {error, error()}.
cosign(Bytes, Owner) ->
    Secret = cambrian_identity:reveal(Owner),
    ok = cambrian_badarg:check(?MODULE, cosign, [{is_binary(Bytes), ?A_CHARTER}, secret(Secret)]),
    cambrian_nif:charter_cosign(Bytes, Secret).

%% @doc Reads a charter, if all its signatures are genuine. The realm decides whether the charter is
%% in force ({@link cambrian_trust:amend/2}).
%%
%% ```
%% 1> cambrian_charter:read(<<"from a stranger">>).
%% {error,malformed}
%% '''
-spec read(binary()) -> {ok, charter()} | {error, error()}.
read(Bytes) ->
    ok = cambrian_badarg:check(?MODULE, read, [{is_binary(Bytes), ?A_CHARTER}]),
    cambrian_nif:charter_read(Bytes).

%% @private Reads a charter without verifying its signatures.
-spec peek(binary()) -> {ok, charter()} | {error, error()}.
peek(Bytes) -> cambrian_nif:charter_peek(Bytes).

%% @private Whether these can own a realm: 1 to 6 keys, none twice.
-spec are_owners(term()) -> boolean().
are_owners(Keys) ->
    are_keys(Keys, 1, ?MAX_OWNERS) andalso length(lists:usort(Keys)) =:= length(Keys).

%% @private Whether a realm can require so many of these owners to sign.
-spec is_threshold(term(), Owners :: term()) -> boolean().
is_threshold(N, Owners) -> is_integer(N) andalso N >= 1 andalso N =< count(Owners).
