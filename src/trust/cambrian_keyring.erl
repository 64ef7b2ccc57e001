%% @private
%% The keys of one realm, as a value: who owns it, whom its options list, which key succeeds which, and what the owners
%% have revoked. `Now' is in ms since 1970.
%%
%% The options of a realm name its first owners; from then on its charters say who owns it. As with the root of The Update
%% Framework (https://theupdateframework.github.io/specification/latest/#update-root), the owners before and those after
%% must sign one, each by their threshold. Each charter is complete: of two, the one with the higher number counts,
%% whatever it leaves out. An owner's heir is an owner, and what a retired or a banned key signed counts for nothing.
%%
%% What costs a verification is counted first: keys that have earned a name have a budget each, all others share one.
-module(cambrian_keyring).

-export([new/1, configure/2, is_capability/1, expected/1, is_owner/2, is_listed/2, heir/2, is_retired/2, keys/1, retired/1,
         may_follow/4, follow/4, permits/4, invites/4, may_amend/4, amend/5, owners/1, charters/1, save/1, restore/2]).
-export_type([keyring/0, capability/0, owners/0]).

-type key() :: cambrian_identity:key().
-type owners() :: #{owners := [key()], threshold := pos_integer()}.
%% Who may publish: everybody, these, whom the owners let ({@link cambrian_identity:grant/4}), whoever shows that its key cost work
%% ({@link cambrian_proof_of_work}), or these and whom one of these, or a key that has earned its place, invited by a grant.
-type capability() :: open | {keys, [key()]} | {signed_by, key() | owners()} | {work, Bits :: 1..24} | {invited, [key()]}.
-type is_banned() :: fun((key()) -> boolean()).

-record(keyring, {successions :: cambrian_successions:successions(),
                  %% of a list of keys those of the list, and those that speak for them
                  listed = #{} :: #{key() => listed}, members = #{} :: #{key() => member},
                  %% as the options name them; now; and before the charter that counts
                  first = none :: none | owners(), owners = none :: none | owners(), before = none :: none | owners(),
                  charter = none :: none | cambrian_charter:charter(),
                  revoked = #{} :: #{binary() => revoked},
                  %% those that changed the owners, then the one that counts
                  charters = [] :: [binary()],
                  %% what was verified in this second, of whom
                  verified = {0, #{}} :: {Second :: integer(), #{stranger | charter | key() => pos_integer()}}}).
-opaque keyring() :: #keyring{}.

%% Changes of owners that are kept, for whoever was away.
-define(MAX_CHANGES, 8).
%% In a second.
-define(MAX_VERIFIED, 10).
-define(MAX_CHARTERS, 20).
%% How far another's clock may be ahead.
-define(AHEAD_MS, 5 * 60_000).
%% 1 December 2027. Grants of version 1 do not say when they were issued; a year after they were no longer written, none
%% is good.
-define(EARLIER_GRANTS_END, 1_827_619_200_000).

%% @doc An empty one, for at most so many successions.
-spec new(pos_integer()) -> keyring().
new(Max) -> #keyring{successions = cambrian_successions:new(Max)}.

-spec is_capability(term()) -> boolean().
is_capability(Capability) -> verdict(Capability) =:= ok.

%% @doc What a wrong one should have been: of its form, if it has one.
-spec expected(Wrong :: term()) -> binary().
expected(Wrong) ->
    {expected, Text} = verdict(Wrong),
    Text.

verdict(open) -> ok;
verdict({How, Keys}) when How =:= keys; How =:= invited -> list_of_keys(Keys);
verdict({signed_by, #{owners := Owners, threshold := Threshold} = Named}) when map_size(Named) =:= 2 -> owners(Owners, Threshold);
verdict({signed_by, Named}) when is_map(Named) -> {expected, <<"signed_by a map of owners and threshold, and nothing else">>};
verdict({signed_by, Key}) ->
    verdict(is_key(Key), <<"signed_by a key of 32 bytes, or a map of owners and threshold">>);
verdict({work, Bits}) ->
    verdict(is_integer(Bits) andalso Bits >= 1 andalso Bits =< 24, <<"work of 1 to 24 bits">>);
verdict(_) -> {expected, <<"open, {keys, Keys}, {signed_by, KeyOrOwners}, {work, Bits} or {invited, Keys}">>}.

verdict(true, _) -> ok;
verdict(false, Expected) -> {expected, Expected}.

%% The guards fail for an improper list.
list_of_keys(Keys) when length(Keys) >= 1 -> verdict(lists:all(fun is_key/1, Keys), <<"keys of 32 bytes">>);
list_of_keys(_) -> {expected, <<"a list of at least one key">>}.

owners(Owners, Threshold) when length(Owners) >= 1 ->
    Count = length(Owners),
    IsFew = Count =< cambrian_charter:max_owners() andalso length(lists:usort(Owners)) =:= Count,
    case {lists:all(fun is_key/1, Owners), IsFew} of
        {false, _} -> {expected, <<"owners whose keys have 32 bytes">>};
        {true, false} -> {expected, <<"1 to 6 owners, none twice">>};
        {true, true} ->
            verdict(is_integer(Threshold) andalso Threshold >= 1 andalso Threshold =< Count,
                    <<"a threshold from 1 to the number of owners, ", (integer_to_binary(Count))/binary>>)
    end;
owners(_, _) -> {expected, <<"1 to 6 owners, none twice">>}.

is_key(Key) -> is_binary(Key) andalso byte_size(Key) =:= 32.

%% @doc With these options. What charters made of the same first owners stays.
-spec configure(capability(), keyring()) -> keyring().
configure({How, Keys}, Keyring) when How =:= keys; How =:= invited ->
    Listed = maps:from_list([{Key, listed} || Key <- Keys]),
    Members = maps:from_list([{Member, member} || Key <- Keys, Member <- [Key, heir(Key, Keyring)]]),
    (without_owners(Keyring))#keyring{listed = Listed, members = Members};
configure({signed_by, Named}, #keyring{first = First} = Keyring) ->
    case first_owners(Named) of
        First -> Keyring;
        Others -> (without_owners(Keyring))#keyring{first = Others, owners = Others}
    end;
configure(_OpenOrWork, Keyring) -> without_owners(Keyring).

first_owners(#{owners := Owners} = Named) -> Named#{owners := lists:sort(Owners)};
first_owners(Key) -> #{owners => [Key], threshold => 1}.

without_owners(#keyring{successions = Successions, verified = Verified}) ->
    #keyring{successions = Successions, verified = Verified}.

%% @doc Those that may sign, with what they must be.
-spec owners(keyring()) -> none | owners().
owners(#keyring{owners = none}) -> none;
owners(#keyring{owners = #{threshold := Threshold} = Owners} = Keyring) ->
    #{owners => speakers(Owners, Keyring), threshold => Threshold}.

%% The keys that speak for owners now.
speakers(#{owners := Owners}, Keyring) -> lists:usort([heir(Owner, Keyring) || Owner <- Owners]).

-spec is_owner(key(), keyring()) -> boolean().
is_owner(_Key, #keyring{owners = none}) -> false;
is_owner(Key, #keyring{owners = Owners} = Keyring) -> lists:member(Key, speakers(Owners, Keyring)).

%% @doc Whether a list of keys names this one, or one whose heir it is.
-spec is_listed(key(), keyring()) -> boolean().
is_listed(Key, #keyring{members = Members}) -> is_map_key(Key, Members).

-spec heir(key(), keyring()) -> key().
heir(Key, #keyring{successions = Successions}) -> cambrian_successions:heir(Key, Successions).

-spec is_retired(key(), keyring()) -> boolean().
is_retired(Key, #keyring{successions = Successions}) -> cambrian_successions:is_retired(Key, Successions).

%% @doc All that are known here.
-spec keys(keyring()) -> [key()].
keys(#keyring{members = Members, successions = Successions} = Keyring) ->
    maps:keys(Members) ++ maps:keys(cambrian_successions:to_map(Successions)) ++ named_owners(Keyring).

%% @doc Whom each retired key named.
-spec retired(keyring()) -> #{key() => key()}.
retired(#keyring{successions = Successions}) ->
    maps:map(fun(_, #{heir := Heir}) -> Heir end, cambrian_successions:to_map(Successions)).

named_owners(#keyring{first = First, owners = Owners, before = Before}) ->
    lists:usort(lists:append([Keys || #{owners := Keys} <- [First, Owners, Before]])).

is_named(#keyring{listed = Listed} = Keyring) ->
    Owners = named_owners(Keyring),
    fun(Key) -> is_map_key(Key, Listed) orelse lists:member(Key, Owners) end.

%%% ---- successions ------------------------------------------------------------------------

%% @doc Whether a certificate of succession should be verified. `known', if it is already followed; what the old key is
%% here: one of a closed realm, or one that earned a name, is `known', others are strangers to an open realm. To look for room
%% costs as well, and counts whether there is any or not.
-spec may_follow({Old :: key(), New :: key()}, known | stranger | not_permitted, Now :: integer(), keyring()) ->
          {ok | known | {error, Reason :: atom()}, keyring()}.
may_follow({Old, _} = Pair, Who, Now, #keyring{successions = Successions} = Keyring) ->
    case fits(Pair, Who, Keyring) of
        ok ->
            Budget = case Who of known -> Old; stranger -> stranger end,
            case verifies(Budget, ?MAX_VERIFIED, Now, Keyring) of
                {ok, Counted} ->
                    case cambrian_successions:has_room(Who =:= known, Now, is_named(Keyring), Successions) of
                        true -> {ok, Counted};
                        false -> {{error, too_many_successions}, Counted}
                    end;
                Error -> {Error, Keyring}
            end;
        known -> {known, Keyring};
        Reason -> {{error, Reason}, Keyring}
    end.

fits({Old, New}, Who, #keyring{successions = Successions} = Keyring) ->
    case {cambrian_successions:heir_named(Old, Successions), heir(New, Keyring)} of
        {{ok, New}, _} -> known;
        {{ok, _}, _} -> already_succeeded;
        {none, Old} -> circular;
        _ when Who =:= not_permitted -> not_permitted;
        _ -> ok
    end.

%% @doc From now on the new key speaks for the old one. Certificates may come in any order.
-spec follow({Old :: key(), New :: key()}, known | stranger | not_permitted, Now :: integer(), keyring()) ->
          {ok | known | {error, Reason :: atom()}, keyring()}.
follow(Pair, Who, Now, #keyring{successions = Successions} = Keyring) ->
    case fits(Pair, Who, Keyring) of
        ok ->
            case cambrian_successions:add(Pair, Who =:= known, Now, is_named(Keyring), Successions) of
                {ok, Added} -> {ok, with_member(Pair, Keyring#keyring{successions = Added})};
                Error -> {Error, Keyring}
            end;
        known -> {known, Keyring};
        Reason -> {{error, Reason}, Keyring}
    end.

%% The old key is none any more, also when it is forgotten that it is retired.
with_member({Old, New}, #keyring{members = Members} = Keyring) when is_map_key(Old, Members) ->
    Keyring#keyring{members = (maps:remove(Old, Members))#{heir(New, Keyring) => member}};
with_member(_Pair, Keyring) -> Keyring.

%% Signatures cost: no more than so many a second for whoever has this budget.
verifies(Budget, Most, Now, #keyring{verified = {Second, Counts}} = Keyring) ->
    Before = case Now div 1000 of Second -> Counts; _ -> #{} end,
    case maps:get(Budget, Before, 0) of
        Count when Count >= Most -> {error, rate_limited};
        Count -> {ok, Keyring#keyring{verified = {Now div 1000, Before#{Budget => Count + 1}}}}
    end.

%%% ---- grants -----------------------------------------------------------------------------

%% @doc Whether a grant, taken at its word, lets this key publish here.
-spec permits(cambrian_identity:grant(), {Realm :: binary(), key(), Now :: integer()}, is_banned(), keyring()) ->
          ok | Reason :: atom().
permits(_Grant, _Asked, _IsBanned, #keyring{owners = none}) -> not_permitted;
permits(#{by := By} = Grant, Asked, IsBanned, #keyring{owners = Owners} = Keyring) ->
    lets_in(Grant, Asked, fun() -> backed(By, Owners, IsBanned, Keyring) end, Keyring).

%% @doc The same of an invitation: a grant that one of those signed who may invite.
-spec invites(cambrian_identity:grant(), {Realm :: binary(), key(), Now :: integer()}, MayInvite :: fun((key()) -> boolean()),
              keyring()) -> ok | Reason :: atom().
invites(#{by := By} = Grant, Asked, MayInvite, Keyring) ->
    IsHost = fun(Key) -> not is_retired(Key, Keyring) andalso MayInvite(Key) end,
    lets_in(Grant, Asked, fun() -> case lists:any(IsHost, By) of true -> ok; false -> not_permitted end end, Keyring).

lets_in(#{realm := Realm, key := Key, id := Id} = Grant, {Realm, Origin, Now}, IsSigned, #keyring{revoked = Revoked} = Keyring) ->
    IsRevoked = lists:any(fun(What) -> is_map_key(What, Revoked) end, [Key, Origin, Id]),
    case heir(Key, Keyring) =:= Origin andalso IsSigned() of
        false -> not_permitted;
        ok when IsRevoked -> grant_revoked;
        ok -> in_time(Grant, Now);
        Reason -> Reason
    end;
lets_in(_OfAnotherRealm, _Asked, _IsSigned, _Keyring) -> not_permitted.

in_time(#{issued := undefined, until := Until}, Now) when Now >= Until; Now >= ?EARLIER_GRANTS_END -> grant_expired;
in_time(#{issued := undefined}, _Now) -> ok;
in_time(#{issued := Issued}, Now) when Issued > Now + ?AHEAD_MS -> grant_from_the_future;
in_time(#{issued := Issued, until := Until}, Now) ->
    case Until - Issued > cambrian_identity:longest_grant() of
        true -> grant_too_long;
        false when Until > Now -> ok;
        false -> grant_expired
    end.

%% Whether enough of these owners have signed; else why not.
backed(By, #{threshold := Threshold} = Owners, IsBanned, Keyring) ->
    Speakers = speakers(Owners, Keyring),
    Good = [Key || Key <- lists:usort(By), lists:member(Key, Speakers), not IsBanned(Key)],
    case length(Good) >= Threshold of
        true -> ok;
        false -> unbacked(By, Good, Speakers, IsBanned, Keyring)
    end.

unbacked(By, Good, Speakers, IsBanned, Keyring) ->
    Was = fun(Key) -> is_retired(Key, Keyring) andalso lists:member(heir(Key, Keyring), Speakers) end,
    IsBannedOwner = fun(Key) -> lists:member(Key, Speakers) andalso IsBanned(Key) end,
    case {lists:any(Was, By), lists:any(IsBannedOwner, By)} of
        {true, _} -> retired_owner;
        {_, true} -> banned_owner;
        _ when Good =/= [] -> too_few_owners;
        _ -> not_permitted
    end.

%%% ---- charters ---------------------------------------------------------------------------

%% @doc Whether a charter, taken at its word, should be verified, or is the `same' as ours, or `older' than that.
-spec may_amend(cambrian_charter:charter(), {Realm :: binary(), Now :: integer()}, is_banned(), keyring()) ->
          {ok | same | older | {error, Reason :: atom()}, keyring()}.
may_amend(Charter, {Realm, Now}, IsBanned, Keyring) ->
    case counts(Charter, Realm, Now, IsBanned, Keyring) of
        ok ->
            case verifies(charter, ?MAX_CHARTERS, Now, Keyring) of
                {ok, Counted} -> {ok, Counted};
                Error -> {Error, Keyring}
            end;
        No -> {unless_age(No), Keyring}
    end.

unless_age(Age) when Age =:= same; Age =:= older -> Age;
unless_age(Reason) -> {error, Reason}.

counts(_Charter, _Realm, _Now, _IsBanned, #keyring{owners = none}) -> not_permitted;
counts(#{realm := Realm} = Charter, Realm, Now, IsBanned, #keyring{charter = Ours, owners = Owners, before = Before} = Keyring) ->
    case {age(Charter, Ours), Charter} of
        {newer, #{issued := Issued}} when Issued > Now + ?AHEAD_MS -> from_the_future;
        {newer, _} -> backed_by_both(Charter, Owners, IsBanned, Keyring);
        {instead, _} -> backed_by_both(Charter, Before, IsBanned, Keyring);
        {Age, _} -> Age
    end;
counts(_Charter, _Realm, _Now, _IsBanned, _Keyring) -> wrong_realm.

age(_Charter, none) -> newer;
age(#{number := Number}, #{number := Ours}) when Number > Ours -> newer;
age(#{number := Number}, #{number := Ours}) when Number < Ours -> older;
age(#{id := Id}, #{id := Id}) -> same;
%% Owners who did not agree: all nodes choose the same.
age(#{id := Id}, #{id := Ours}) when Id < Ours -> instead;
age(_, _) -> older.

backed_by_both(#{by := By} = Charter, Owners, IsBanned, Keyring) ->
    case backed(By, Owners, IsBanned, Keyring) of
        ok -> backed(By, maps:with([owners, threshold], Charter), IsBanned, Keyring);
        Reason -> Reason
    end.

%% @doc What {@link may_amend/4} let through, once its signatures held; asked anew, as another may have been faster.
-spec amend(cambrian_charter:charter(), Bytes :: binary(), {Realm :: binary(), Now :: integer()}, is_banned(), keyring()) ->
          {ok | same | older | {error, Reason :: atom()}, keyring()}.
amend(#{number := Number} = Charter, Bytes, {Realm, Now}, IsBanned, #keyring{owners = Owners, before = Before} = Keyring) ->
    case {counts(Charter, Realm, Now, IsBanned, Keyring), Keyring} of
        {ok, #keyring{charter = #{number := Number}, charters = Charters}} ->
            {ok, adopt(Charter, Before, lists:droplast(Charters) ++ [Bytes], Keyring)};
        {ok, _} -> {ok, adopt(Charter, Owners, changes(Keyring) ++ [Bytes], Keyring)};
        {No, _} -> {unless_age(No), Keyring}
    end.

adopt(#{revoked := Revoked} = Charter, Before, Charters, Keyring) ->
    Keyring#keyring{charter = Charter, before = Before, owners = maps:with([owners, threshold], Charter), charters = Charters,
                    revoked = maps:from_list([{What, revoked} || What <- Revoked])}.

%% Those of our charters that changed the owners, of which the last one may be none.
changes(#keyring{charters = []}) -> [];
changes(#keyring{charters = Charters, owners = Same, before = Same}) -> lists:droplast(Charters);
changes(#keyring{charters = Charters}) -> lists:nthtail(max(0, length(Charters) - ?MAX_CHANGES), Charters).

%% @doc The charters by which those that know the first owners find the present ones, the oldest first; the last one counts.
-spec charters(keyring()) -> [binary()].
charters(#keyring{charters = Charters}) -> Charters.

%%% ---- all of it --------------------------------------------------------------------------

%% @doc For {@link restore/2}.
-spec save(keyring()) -> #{atom() => term()}.
save(#keyring{successions = Successions, charters = Charters, before = Before}) ->
    #{retired => cambrian_successions:to_map(Successions), charters => Charters, before => Before}.

%% @doc The keyring of such a map and these options, unless something in it is not what this module makes. Earlier
%% releases had no charters.
-spec restore(#{atom() => term()}, {Realm :: binary(), Max :: pos_integer(), capability()}) -> {ok, keyring()} | error.
restore(#{retired := Retired} = Saved, {Realm, Max, Capability}) ->
    case cambrian_successions:from_map(Max, Retired) of
        {ok, Successions} ->
            Keyring = configure(Capability, (new(Max))#keyring{successions = Successions}),
            restore_charters(maps:get(charters, Saved, []), maps:get(before, Saved, none), Realm, Keyring);
        error -> error
    end;
restore(_Saved, _Of) -> error.

restore_charters([], none, _Realm, Keyring) -> {ok, Keyring};
restore_charters(Charters, Before, Realm, #keyring{first = First} = Keyring)
  when First =/= none, length(Charters) >= 1, length(Charters) =< ?MAX_CHANGES + 1 ->
    Read = [Charter || Bytes <- Charters, is_binary(Bytes), {ok, #{realm := Of} = Charter} <- [cambrian_charter:read(Bytes)],
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
