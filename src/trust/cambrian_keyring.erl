%% @private
%% The keys of one realm, as a value: its owners, the keys that its options list, which key succeeds
%% which, and what the owners revoked. `Now' is in ms since 1970.
%%
%% The options of a realm name its first owners; later its charters name the owners. As with the
%% root of The Update Framework
%% (https://theupdateframework.github.io/specification/latest/#update-root), the owners before a
%% charter and the owners after it must sign it, as many of each as their threshold says. Each
%% charter is complete, and the charter with the highest number is in force. The heir of an owner is
%% an owner. A signature of a retired or banned key does not count.
%%
%% Verifications have a budget: each trusted key has its own budget, all fresh keys share one
%% budget.
-module(cambrian_keyring).

-export([new/2, configure/2, is_capability/1, expected/1, is_owner/2, is_listed/2, heir/2,
         is_retired/2, keys/1, retired/1, may_follow/4, follow/4, permits/4, invites/4,
         may_amend/4, amend/5, owners/1, charters/1, save/1, restore/3]).
-export_type([keyring/0, capability/0, class/0, owners/0]).

-type key() :: cambrian_identity:key().
-type owners() :: #{owners := [key()], threshold := pos_integer()}.
%% The keys that may publish: all keys; the listed keys; keys with a grant of the owners ({@link
%% cambrian_identity:grant/4}); keys that cost work ({@link cambrian_proof_of_work}); or the listed
%% keys and the keys that they invited by a grant. A key that earned its place may invite too.
-type capability() :: open | {keys, [key()]} | {signed_by, key() | owners()} | {work, Bits :: 1..24}
                   | {invited, [key()]}.
%% A key is `trusted' if it earned its place in an open realm, or may publish in a closed one. Any
%% other key is `fresh' in an open realm, and `not_permitted' in a closed one.
-type class() :: trusted | fresh | not_permitted.
-type is_banned() :: fun((key()) -> boolean()).

-record(keyring, {successions :: cambrian_successions:successions(),
                  %% the keys of the list, and the keys that now speak for them
                  listed = #{} :: #{key() => listed}, members = #{} :: #{key() => member},
                  %% the owners that the options name, the present owners, and the owners before the
                  %% present charter
                  first = none :: none | owners(), owners = none :: none | owners(),
                  before = none :: none | owners(),
                  charter = none :: none | cambrian_charter:charter(),
                  revoked = #{} :: #{binary() => revoked},
                  %% the charters that changed the owners, then the present one
                  charters = [] :: [binary()],
                  %% limits verifications, in the lanes `fresh', `trusted', `charter', and one
                  %% for each trusted key
                  meter :: cambrian_meter:meter()}).
-opaque keyring() :: #keyring{}.

%% How many changes of owners the keyring keeps for nodes that were away.
-define(MAX_CHANGES, 8).
%% Verifications per second: of successions of one trusted key, or of all fresh keys; and of
%% successions of all trusted keys, or of signatures of charters. A signature costs about 0.2 ms, so
%% 200 cost 4 % of a core. Of the up to 12 signatures of a forged charter all but one may be
%% genuine, namely those of its author's keys.
-define(MAX_VERIFIED, 10).
-define(MAX_SIGNATURES, 200).
%% 1 December 2027. Grants of version 1 do not state when they were issued. All of them end a year
%% after the last one was written.
-define(EARLIER_GRANTS_END, 1_827_619_200_000).

%% @doc A keyring that remembers at most so many successions. The seed decides which certificates of
%% a flood it verifies.
-spec new(pos_integer(), Seed :: non_neg_integer()) -> keyring().
new(Max, Seed) ->
    #keyring{successions = cambrian_successions:new(Max),
             meter = cambrian_meter:new(rand:seed_s(exsss, {Seed, 0, 1}))}.

-spec is_capability(term()) -> boolean().
is_capability(Capability) -> verdict(Capability) =:= ok.

%% @doc Describes what a wrong capability should have been, for the form that it has, if any.
-spec expected(Wrong :: term()) -> binary().
expected(Wrong) ->
    {expected, Text} = verdict(Wrong),
    Text.

verdict(open) -> ok;
verdict({How, Keys}) when How =:= keys; How =:= invited -> verdict_on_list(Keys);
verdict({signed_by, #{owners := Owners, threshold := Threshold} = Named})
  when map_size(Named) =:= 2 -> verdict_on_owners(Owners, Threshold);
verdict({signed_by, Named}) when is_map(Named) ->
    {expected, <<"signed_by a map of owners and threshold, and nothing else">>};
verdict({signed_by, Key}) ->
    verdict(cambrian_options:is_id(Key),
            <<"signed_by a key of 32 bytes, or a map of owners and threshold">>);
verdict({work, Bits}) ->
    verdict(is_integer(Bits) andalso Bits >= 1 andalso Bits =< 24, <<"work of 1 to 24 bits">>);
verdict(_) ->
    {expected, <<"open, {keys, Keys}, {signed_by, KeyOrOwners}, {work, Bits} or {invited, Keys}">>}.

verdict(true, _) -> ok;
verdict(false, Expected) -> {expected, Expected}.

%% The guard fails for an improper list.
verdict_on_list(Keys) when length(Keys) >= 1 ->
    verdict(lists:all(fun cambrian_options:is_id/1, Keys), <<"keys of 32 bytes">>);
verdict_on_list(_) -> {expected, <<"a list of at least one key">>}.

verdict_on_owners(Owners, Threshold) ->
    case cambrian_charter:are_owners(Owners) of
        true ->
            Count = integer_to_binary(length(Owners)),
            verdict(cambrian_charter:is_threshold(Threshold, Owners),
                    <<"a threshold from 1 to the number of owners, ", Count/binary>>);
        false ->
            case verdict_on_list(Owners) of
                {expected, <<"keys of 32 bytes">>} ->
                    {expected, <<"owners whose keys have 32 bytes">>};
                _ -> {expected, <<"1 to 6 owners, none twice">>}
            end
    end.

%% @doc Changes the capability. Keeps what charters changed if the first owners are the same.
-spec configure(capability(), keyring()) -> keyring().
configure({How, Keys}, Keyring) when How =:= keys; How =:= invited ->
    Listed = maps:from_list([{Key, listed} || Key <- Keys]),
    Members =
        maps:from_list([{Member, member} || Key <- Keys, Member <- [Key, heir(Key, Keyring)]]),
    (without_owners(Keyring))#keyring{listed = Listed, members = Members};
configure({signed_by, Named}, #keyring{first = First} = Keyring) ->
    case first_owners(Named) of
        First -> Keyring;
        Others -> (without_owners(Keyring))#keyring{first = Others, owners = Others}
    end;
configure(_OpenOrWork, Keyring) -> without_owners(Keyring).

first_owners(#{owners := Owners} = Named) -> Named#{owners := lists:sort(Owners)};
first_owners(Key) -> #{owners => [Key], threshold => 1}.

without_owners(#keyring{successions = Successions, meter = Meter}) ->
    #keyring{successions = Successions, meter = Meter}.

%% @doc The keys that may sign for the realm, and how many of them must.
-spec owners(keyring()) -> none | owners().
owners(#keyring{owners = none}) -> none;
owners(#keyring{owners = #{threshold := Threshold} = Owners} = Keyring) ->
    #{owners => speakers(Owners, Keyring), threshold => Threshold}.

%% The keys that now speak for the owners.
speakers(#{owners := Owners}, Keyring) -> lists:usort([heir(Owner, Keyring) || Owner <- Owners]).

-spec is_owner(key(), keyring()) -> boolean().
is_owner(_Key, #keyring{owners = none}) -> false;
is_owner(Key, #keyring{owners = Owners} = Keyring) -> lists:member(Key, speakers(Owners, Keyring)).

%% @doc Whether the options list this key, or a key whose heir it is.
-spec is_listed(key(), keyring()) -> boolean().
is_listed(Key, #keyring{members = Members}) -> is_map_key(Key, Members).

-spec heir(key(), keyring()) -> key().
heir(Key, #keyring{successions = Successions}) -> cambrian_successions:heir(Key, Successions).

-spec is_retired(key(), keyring()) -> boolean().
is_retired(Key, #keyring{successions = Successions}) ->
    cambrian_successions:is_retired(Key, Successions).

%% @doc All keys that the keyring knows.
-spec keys(keyring()) -> [key()].
keys(#keyring{members = Members, successions = Successions} = Keyring) ->
    maps:keys(Members) ++ maps:keys(cambrian_successions:to_map(Successions))
        ++ named_owners(Keyring).

%% @doc The heir that each retired key named.
-spec retired(keyring()) -> #{key() => key()}.
retired(#keyring{successions = Successions}) ->
    maps:map(fun(_, #{heir := Heir}) -> Heir end, cambrian_successions:to_map(Successions)).

named_owners(#keyring{first = First, owners = Owners, before = Before}) ->
    lists:usort(lists:append([Keys || #{owners := Keys} <- [First, Owners, Before]])).

is_named(#keyring{listed = Listed} = Keyring) ->
    Owners = named_owners(Keyring),
    fun(Key) -> is_map_key(Key, Listed) orelse lists:member(Key, Owners) end.

%%% ---- successions ------------------------------------------------------------------------

%% @doc Whether a certificate of succession should be verified; `known' if the keyring already
%% follows it. The search for room costs time, so it counts as a verification.
-spec may_follow({Old :: key(), New :: key()}, class(), Now :: integer(), keyring()) ->
          {ok | known | {error, Reason :: atom()}, keyring()}.
may_follow({Old, _} = Pair, Class, Now, #keyring{successions = Successions} = Keyring) ->
    case check_succession(Pair, Class, Keyring) of
        ok ->
            case may_verify_succession(Class, Old, Now, Keyring) of
                {true, Counted} ->
                    IsTrusted = Class =:= trusted,
                    IsNamed = is_named(Keyring),
                    case cambrian_successions:has_room(IsTrusted, Now, IsNamed, Successions) of
                        true -> {ok, Counted};
                        false -> {{error, too_many_successions}, Counted}
                    end;
                {false, Counted} -> {{error, rate_limited}, Counted}
            end;
        known -> {known, Keyring};
        Reason -> {{error, Reason}, Keyring}
    end.

check_succession({Old, New}, Class, #keyring{successions = Successions} = Keyring) ->
    case {cambrian_successions:named_heir(Old, Successions), heir(New, Keyring)} of
        {{ok, New}, _} -> known;
        {{ok, _}, _} -> already_succeeded;
        {none, Old} -> circular;
        _ when Class =:= not_permitted -> not_permitted;
        _ -> ok
    end.

%% @doc Follows a verified succession: the new key speaks for the old one. Certificates may arrive
%% in any order.
-spec follow({Old :: key(), New :: key()}, class(), Now :: integer(), keyring()) ->
          {ok | known | {error, Reason :: atom()}, keyring()}.
follow(Pair, Class, Now, #keyring{successions = Successions} = Keyring) ->
    case check_succession(Pair, Class, Keyring) of
        ok ->
            case cambrian_successions:add(Pair, Class =:= trusted, Now, is_named(Keyring),
                                          Successions) of
                {ok, Added} -> {ok, move_member(Pair, Keyring#keyring{successions = Added})};
                Error -> {Error, Keyring}
            end;
        known -> {known, Keyring};
        Reason -> {{error, Reason}, Keyring}
    end.

%% The old key stops being a member, even if its succession is forgotten later.
move_member({Old, New}, #keyring{members = Members} = Keyring) when is_map_key(Old, Members) ->
    Keyring#keyring{members = (maps:remove(Old, Members))#{heir(New, Keyring) => member}};
move_member(_Pair, Keyring) -> Keyring.

%% Anybody may name a trusted key, so the certificates that name any of them have a budget together.
may_verify_succession(fresh, _Old, Now, Keyring) ->
    may_verify(fresh, 1, ?MAX_VERIFIED, Now, Keyring);
may_verify_succession(trusted, Old, Now, Keyring) ->
    case may_verify(trusted, 1, ?MAX_SIGNATURES, Now, Keyring) of
        {true, Counted} -> may_verify(Old, 1, ?MAX_VERIFIED, Now, Counted);
        Limited -> Limited
    end.

%% In a flood each certificate has the same chance, whenever it arrives.
may_verify(Lane, Count, Most, Now, #keyring{meter = Meter} = Keyring) ->
    {May, Next} = cambrian_meter:take(Lane, Count, Most, Now, Meter),
    {May, Keyring#keyring{meter = Next}}.

%%% ---- grants -----------------------------------------------------------------------------

%% @doc Whether a grant lets this key publish, provided that its signatures are genuine.
-spec permits(cambrian_identity:grant(), {Realm :: binary(), key(), Now :: integer()}, is_banned(),
              keyring()) ->
          ok | Reason :: atom().
permits(_Grant, _Asked, _IsBanned, #keyring{owners = none}) -> not_permitted;
permits(#{by := By} = Grant, Asked, IsBanned, #keyring{owners = Owners} = Keyring) ->
    check_grant(Grant, Asked, fun() -> check_signers(By, Owners, IsBanned, Keyring) end, Keyring).

%% @doc Whether an invitation lets this key publish: a grant signed by a key that may invite.
-spec invites(cambrian_identity:grant(), {Realm :: binary(), key(), Now :: integer()},
              MayInvite :: fun((key()) -> boolean()),
              keyring()) -> ok | Reason :: atom().
invites(#{by := By} = Grant, Asked, MayInvite, Keyring) ->
    IsHost = fun(Key) -> not is_retired(Key, Keyring) andalso MayInvite(Key) end,
    check_grant(Grant, Asked,
                fun() -> case lists:any(IsHost, By) of true -> ok; false -> not_permitted end end,
                Keyring).

check_grant(#{realm := Realm, key := Key, id := Id} = Grant, {Realm, Origin, Now}, IsSigned,
            #keyring{revoked = Revoked} = Keyring) ->
    IsRevoked = lists:any(fun(What) -> is_map_key(What, Revoked) end, [Key, Origin, Id]),
    case heir(Key, Keyring) =:= Origin andalso IsSigned() of
        false -> not_permitted;
        ok when IsRevoked -> grant_revoked;
        ok -> check_time(Grant, Now);
        Reason -> Reason
    end;
check_grant(_OfAnotherRealm, _Asked, _IsSigned, _Keyring) -> not_permitted.

check_time(#{issued := undefined, until := Until}, Now)
  when Now >= Until; Now >= ?EARLIER_GRANTS_END -> grant_expired;
check_time(#{issued := undefined}, _Now) -> ok;
check_time(#{issued := Issued, until := Until}, Now) ->
    LongestMs = cambrian_identity:longest_grant(),
    case is_ahead(Issued, Now) of
        true -> grant_from_the_future;
        false when Until - Issued > LongestMs -> grant_too_long;
        false when Until > Now -> ok;
        false -> grant_expired
    end.

is_ahead(Issued, Now) -> Issued > Now + cambrian_envelope:max_age_ms().

%% Returns `ok' if enough of these owners signed, otherwise the reason.
check_signers(By, #{threshold := Threshold} = Owners, IsBanned, Keyring) ->
    Speakers = speakers(Owners, Keyring),
    Good = [Key || Key <- lists:usort(By), lists:member(Key, Speakers), not IsBanned(Key)],
    case length(Good) >= Threshold of
        true -> ok;
        false -> why_too_few(By, Good, Speakers, IsBanned, Keyring)
    end.

why_too_few(By, Good, Speakers, IsBanned, Keyring) ->
    Was =
        fun(Key) -> is_retired(Key, Keyring) andalso lists:member(heir(Key, Keyring), Speakers) end,
    IsBannedOwner = fun(Key) -> lists:member(Key, Speakers) andalso IsBanned(Key) end,
    case {lists:any(Was, By), lists:any(IsBannedOwner, By)} of
        {true, _} -> retired_owner;
        {_, true} -> banned_owner;
        _ when Good =/= [] -> too_few_owners;
        _ -> not_permitted
    end.

%%% ---- charters ---------------------------------------------------------------------------

%% @doc Whether a charter should be verified; otherwise `same' as the present charter, or `older'.
-spec may_amend(cambrian_charter:charter(), {Realm :: binary(), Now :: integer()}, is_banned(),
                keyring()) ->
          {ok | same | older | {error, Reason :: atom()}, keyring()}.
may_amend(#{by := By} = Charter, {Realm, Now}, IsBanned, Keyring) ->
    case check_charter(Charter, Realm, Now, IsBanned, Keyring) of
        ok ->
            case may_verify(charter, length(By), ?MAX_SIGNATURES, Now, Keyring) of
                {true, Counted} -> {ok, Counted};
                {false, Counted} -> {{error, rate_limited}, Counted}
            end;
        No -> {age_or_error(No), Keyring}
    end.

age_or_error(Age) when Age =:= same; Age =:= older -> Age;
age_or_error(Reason) -> {error, Reason}.

check_charter(_Charter, _Realm, _Now, _IsBanned, #keyring{owners = none}) -> not_permitted;
check_charter(#{realm := Realm} = Charter, Realm, Now, IsBanned,
              #keyring{charter = Ours, owners = Owners, before = Before} = Keyring) ->
    case age(Charter, Ours) of
        newer ->
            case is_ahead(maps:get(issued, Charter), Now) of
                true -> from_the_future;
                false -> check_both_owners(Charter, Owners, IsBanned, Keyring)
            end;
        instead -> check_both_owners(Charter, Before, IsBanned, Keyring);
        Age -> Age
    end;
check_charter(_Charter, _Realm, _Now, _IsBanned, _Keyring) -> wrong_realm.

age(_Charter, none) -> newer;
age(#{number := Number}, #{number := Ours}) when Number > Ours -> newer;
age(#{number := Number}, #{number := Ours}) when Number < Ours -> older;
age(#{id := Id}, #{id := Id}) -> same;
%% Owners that disagreed may issue two charters with the same number: all nodes choose the lower id.
age(#{id := Id}, #{id := Ours}) when Id < Ours -> instead;
age(_, _) -> older.

check_both_owners(#{by := By} = Charter, Owners, IsBanned, Keyring) ->
    case check_signers(By, Owners, IsBanned, Keyring) of
        ok -> check_signers(By, maps:with([owners, threshold], Charter), IsBanned, Keyring);
        Reason -> Reason
    end.

%% @doc Adopts a charter with verified signatures. Checks it again, because the keyring may have
%% adopted another charter meanwhile.
-spec amend(cambrian_charter:charter(), Bytes :: binary(), {Realm :: binary(), Now :: integer()},
            is_banned(), keyring()) ->
          {ok | same | older | {error, Reason :: atom()}, keyring()}.
amend(#{number := Number} = Charter, Bytes, {Realm, Now}, IsBanned,
      #keyring{owners = Owners, before = Before} = Keyring) ->
    case {check_charter(Charter, Realm, Now, IsBanned, Keyring), Keyring} of
        {ok, #keyring{charter = #{number := Number}, charters = Charters}} ->
            {ok, adopt(Charter, Before, lists:droplast(Charters) ++ [Bytes], Keyring)};
        {ok, _} -> {ok, adopt(Charter, Owners, changes(Keyring) ++ [Bytes], Keyring)};
        {No, _} -> {age_or_error(No), Keyring}
    end.

adopt(#{revoked := Revoked} = Charter, Before, Charters, Keyring) ->
    Keyring#keyring{charter = Charter, before = Before,
                    owners = maps:with([owners, threshold], Charter), charters = Charters,
                    revoked = maps:from_list([{What, revoked} || What <- Revoked])}.

%% The charters that changed the owners. The last charter may have changed nothing.
changes(#keyring{charters = []}) -> [];
changes(#keyring{charters = Charters, owners = Same, before = Same}) -> lists:droplast(Charters);
changes(#keyring{charters = Charters}) ->
    lists:nthtail(max(0, length(Charters) - ?MAX_CHANGES), Charters).

%% @doc The charters that lead from the first owners to the present owners, the oldest first. The
%% last charter is in force.
-spec charters(keyring()) -> [binary()].
charters(#keyring{charters = Charters}) -> Charters.

%%% ---- all of it --------------------------------------------------------------------------

%% @doc A map for {@link restore/3}.
-spec save(keyring()) -> #{atom() => term()}.
save(#keyring{successions = Successions, charters = Charters, before = Before}) ->
    #{retired => cambrian_successions:to_map(Successions), charters => Charters, before => Before}.

%% @doc The keyring of a saved map and a capability, from a new one; `error' if this module did not
%% make the map. Earlier releases had no charters.
-spec restore(#{atom() => term()}, {Realm :: binary(), Max :: pos_integer(), capability()},
              New :: keyring()) -> {ok, keyring()} | error.
restore(#{retired := Retired} = Saved, {Realm, Max, Capability}, New) ->
    case cambrian_successions:from_map(Max, Retired) of
        {ok, Successions} ->
            Keyring = configure(Capability, New#keyring{successions = Successions}),
            restore_charters(maps:get(charters, Saved, []), maps:get(before, Saved, none), Realm,
                             Keyring);
        error -> error
    end;
restore(_Saved, _Of, _New) -> error.

restore_charters([], none, _Realm, Keyring) -> {ok, Keyring};
restore_charters(Charters, Before, Realm, #keyring{first = First} = Keyring)
  when First =/= none, length(Charters) >= 1, length(Charters) =< ?MAX_CHANGES + 1 ->
    Read = [Charter
            || Bytes <- Charters, is_binary(Bytes),
               {ok, #{realm := Of} = Charter} <- [cambrian_charter:read(Bytes)],
               Of =:= Realm],
    Numbers = [Number || #{number := Number} <- Read],
    Sound = length(Read) =:= length(Charters) andalso lists:usort(Numbers) =:= Numbers
        andalso is_capability({signed_by, Before}),
    case Sound of
        true ->
            {ok, adopt(lists:last(Read), Before, Charters, Keyring)};
        false -> error
    end;
restore_charters(_Charters, _Before, _Realm, _Keyring) -> error.
