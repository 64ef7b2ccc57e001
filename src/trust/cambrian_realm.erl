%% @private
%% What a node knows and decides about one realm: permitted keys, bans, and reputations.
%%
%% This is a value without a process and without a clock: `Now' is in ms since 1970. Its size is
%% bounded, whatever other nodes send.
%%
%% {@link admit/3} decides whether {@link cambrian_admission} opens an envelope. It changes no
%% standing, because any key may be named in a forged envelope. Once the signature is verified,
%% {@link genuine/3} or {@link cheated/4} counts the envelope for its origin. Only signed messages
%% of an origin change its standing: otherwise a forger could silence or ruin other origins.
-module(cambrian_realm).

-export([table/0, new/1, change/2, ask/3, admit/3, genuine/3, cheated/4, refused/1, refused/2,
         kind/1, checked/5, failed/3, accepted/2, succeed/3, amend/4, sequence/2, ban/4, unban/2,
         is_banned/2, is_any_banned/2, is_any_banned_by_user/2, banned/2, is_heard/3, has_earned/2,
         named/2, bans/1, heir/2, reputation/2, ownership/1, report/1, save/1, restore/1]).
-export_type([realm/0, options/0, capability/0, claims/0, request/0, report/0]).

-type key() :: cambrian_identity:key().
-type subject() :: cambrian_bans:subject().
-type capability() :: cambrian_keyring:capability().
%% `rate' is how many envelopes of one origin the realm takes a second, and how many at once;
%% `tolerance' is how far a claim may exceed the measured fitness, relative to the larger of the
%% two.
-type options() :: #{capability => capability(), rate => cambrian_origin:rate(),
                     tolerance => number()}.
%% The claims of an envelope that a realm needs. A grant that was read is not verified yet.
-type claims() :: #{realm := binary(), origin := key(),
                    genotype := cambrian_genotype:id(), sequence := non_neg_integer(),
                    time := non_neg_integer(),
                    grant => undefined | binary() | cambrian_identity:grant(), atom() => term()}.
%% The old key and the new key of a succession.
-type succession() :: #{old := key(), new := key(),
                        atom() => term()}.
%% The questions of other modules to a realm, asked directly or through its server. About an
%% envelope: `admit': may the caller open it? `genuine': it is valid. `cheated': its signature is
%% valid, but the bytes are not the claimed genotype. `refused': it is not valid. `rubbish': it
%% answers a request of ours, is signed, and is not the claimed genotype. `may_follow' and
%% `may_amend': should the caller verify this succession, this charter? `follow' and `amend': it was
%% verified. `checked': this node measured a claimed fitness; `failed': it could not, or the
%% behaviour is not the claimed one. `accepted': a population took a genotype in. Others only read.
-type request() :: {admit, claims()} | {genuine, claims()} | {cheated, Reason :: term(), claims()}
                 | {refused, Reason :: term(), map()} | {rubbish, Reason :: term(), claims()}
                 | {may_follow, succession()} | {follow, cambrian_identity:succession()}
                 | {may_amend, cambrian_charter:charter()}
                 | {amend, Bytes :: binary(), cambrian_charter:charter()} | charters
                 | {checked, key(), Claimed :: float(), Measured :: float()}
                 | {failed, key()} | {accepted, key()} | {is_heard, key()} | {has_earned, key()}
                 | {may_publish, key(), Shown :: undefined | binary() | cambrian_identity:grant()}
                 | {is_banned, subject()} | {is_any_banned, [subject()]}
                 | {is_any_banned_by_user, [subject()]} | {banned, all | subject()}.
-type report() :: #{realm := binary(), capability := capability(), rate := cambrian_origin:rate(),
                    tolerance := number(), origins := #{key() => cambrian_origin:standing()},
                    bans := [cambrian_bans:ban()], retired := #{Old :: key() => New :: key()},
                    owners := none | cambrian_keyring:owners(), charter := none | binary(),
                    refused := #{Reason :: atom() => pos_integer()}}.

-record(realm, {name :: binary(),
                capability = open :: capability(),
                rate = {5, 50} :: cambrian_origin:rate(),
                tolerance = 0.01 :: number(),
                max = 10_000 :: pos_integer(),
                origins :: cambrian_origins:origins(),
                bans = #{} :: cambrian_bans:bans(),
                keyring :: cambrian_keyring:keyring(),
                %% envelopes of this node have only used numbers below this number
                sequence = 0 :: non_neg_integer(),
                refused = #{} :: #{atom() => pos_integer()}}).
-opaque realm() :: #realm{}.

%% More envelopes than a node seals between two restarts.
-define(NUMBERS, (1 bsl 26)).
-define(MAX_SEQUENCE, (1 bsl 63)).

%% @doc A realm without origins. It remembers at most `max' origins, and as many bans and
%% successions. `seed', by default a random one, decides which of them it forgets.
-spec new(#{name := binary(), max => pos_integer(), seed => non_neg_integer(), atom() => term()}) ->
          realm().
new(#{name := Name} = Options) ->
    Max = maps:get(max, Options, 10_000),
    Seed = maps:get(seed, Options, binary:decode_unsigned(crypto:strong_rand_bytes(7))),
    change(maps:without([name, max, seed], Options),
           #realm{name = Name, max = Max, keyring = cambrian_keyring:new(Max, Seed),
                  origins = cambrian_origins:new(Max, Seed)}).

%% @doc The checks of the options.
-spec table() -> cambrian_options:table().
table() ->
    #{capability => {fun cambrian_keyring:is_capability/1, fun cambrian_keyring:expected/1},
      rate => {fun is_rate/1, <<"{PerSecond, Burst}, more than 0 and at least 1">>},
      tolerance => {fun(N) -> is_number(N) andalso N >= 0 end, <<"a number from 0">>}}.

is_rate({PerSecond, Burst}) ->
    is_number(PerSecond) andalso PerSecond > 0 andalso is_number(Burst) andalso Burst >= 1;
is_rate(_) -> false.

%% @doc Changes options; omitted options keep their values.
-spec change(options(), realm()) -> realm().
change(Options, #realm{capability = Capability, rate = Rate, tolerance = Tolerance} = Realm) ->
    Next = maps:get(capability, Options, Capability),
    Realm#realm{capability = Next,
                keyring = cambrian_keyring:configure(Next, Realm#realm.keyring),
                rate = maps:get(rate, Options, Rate),
                tolerance = maps:get(tolerance, Options, Tolerance)}.

%%% ---- admission --------------------------------------------------------------------------

%% @doc Whether an envelope with these claims may be opened; the first failed check decides. With
%% `{read_grant, Bytes}', the caller reads the grant and asks again with its contents. The caller
%% verifies the grant's signatures after all other checks.
-spec admit(claims(), Now :: integer(), realm()) ->
          {ok, realm()} | {read_grant, binary()} | {error, atom(), realm()}.
admit(Claims, Now, Realm) ->
    case first_failure(checks(), Claims, Now, Realm) of
        ok -> {ok, Realm};
        {read_grant, Grant} -> {read_grant, Grant};
        Reason -> {error, Reason, refused(Reason, Realm)}
    end.

checks() ->
    [fun check_realm/3, fun check_age/3, fun check_sequence/3, fun check_bans/3,
     fun check_retired/3, fun check_capability/3, fun check_rate/3, fun check_room/3].

first_failure([], _Claims, _Now, _Realm) -> ok;
first_failure([Check | Checks], Claims, Now, Realm) ->
    case Check(Claims, Now, Realm) of
        ok -> first_failure(Checks, Claims, Now, Realm);
        Failure -> Failure
    end.

check_realm(#{realm := Name}, _Now, #realm{name = Name}) -> ok;
check_realm(_, _, _) -> wrong_realm.

check_age(#{time := Time}, Now, _Realm) ->
    MaxAge = cambrian_envelope:max_age_ms(),
    if Time < Now - MaxAge -> too_old;
       Time > Now + MaxAge -> from_the_future;
       true -> ok
    end.

check_sequence(#{origin := Origin, sequence := Sequence}, Now, Realm) ->
    case cambrian_origin:has_used(Sequence, standing(Origin, Now, Realm)) of
        true -> replay;
        false -> ok
    end.

check_bans(#{origin := Origin, genotype := Genotype}, _Now, Realm) ->
    case {is_banned({key, Origin}, Realm), is_banned({genotype, Genotype}, Realm)} of
        {true, _} -> banned_key;
        {_, true} -> banned_genotype;
        _ -> ok
    end.

check_retired(#{origin := Origin}, _Now, #realm{keyring = Keyring}) ->
    case cambrian_keyring:is_retired(Origin, Keyring) of
        true -> retired_key;
        false -> ok
    end.

check_capability(_Claims, _Now, #realm{capability = open}) -> ok;
check_capability(#{origin := Origin}, _Now, #realm{capability = {keys, _}, keyring = Keyring}) ->
    ok_or_not_permitted(cambrian_keyring:is_listed(Origin, Keyring));
check_capability(#{origin := Origin} = Claims, _Now, #realm{capability = {work, Bits}} = Realm) ->
    %% a remembered origin has already shown its stamp
    Stamp = maps:get(grant, Claims, undefined),
    ok_or_not_permitted(cambrian_origins:find(Origin, Realm#realm.origins) =/= error orelse
                        cambrian_proof_of_work:is_stamp(Stamp, Bits, Realm#realm.name, Origin));
check_capability(#{origin := Origin} = Claims, Now, #realm{capability = {How, _}} = Realm) ->
    case needs_no_grant(How, Origin, Realm#realm.keyring) orelse shown_grant(Origin, Now, Realm) of
        true -> ok;
        ok -> ok;
        Reason -> check_grant(maps:get(grant, Claims, undefined), Reason, Origin, Now, Realm)
    end.

ok_or_not_permitted(true) -> ok;
ok_or_not_permitted(false) -> not_permitted.

needs_no_grant(signed_by, Origin, Keyring) -> cambrian_keyring:is_owner(Origin, Keyring);
needs_no_grant(invited, Origin, Keyring) -> cambrian_keyring:is_listed(Origin, Keyring).

%% A shown grant counts until it expires, or until the keys that signed it no longer count.
shown_grant(Origin, Now, #realm{origins = Origins} = Realm) ->
    case cambrian_origins:find(Origin, Origins) of
        {ok, #{grant := #{} = Grant}} -> permits(Grant, Origin, Now, Realm);
        _ -> not_permitted
    end.

check_grant(undefined, Otherwise, _Origin, _Now, _Realm) -> Otherwise;
check_grant(Bytes, _, _Origin, _Now, _Realm) when is_binary(Bytes) -> {read_grant, Bytes};
check_grant(Grant, _, Origin, Now, Realm) -> permits(Grant, Origin, Now, Realm).

%% An invitation ends when the key that signed it is banned or loses its place.
permits(Grant, Origin, Now, #realm{name = Name, capability = {invited, _}} = Realm) ->
    #realm{keyring = Keyring} = Realm,
    MayInvite = fun(Key) ->
                    (cambrian_keyring:is_listed(Key, Keyring) orelse has_earned(Key, Realm))
                        andalso not is_banned({key, Key}, Realm)
                end,
    cambrian_keyring:invites(Grant, {Name, Origin, Now}, MayInvite, Keyring);
permits(Grant, Origin, Now, #realm{name = Name, keyring = Keyring} = Realm) ->
    cambrian_keyring:permits(Grant, {Name, Origin, Now}, is_banned_key(Realm), Keyring).

is_banned_key(Realm) -> fun(Key) -> is_banned({key, Key}, Realm) end.

check_rate(#{origin := Origin}, Now, #realm{rate = Rate} = Realm) ->
    case cambrian_origin:tokens(standing(Origin, Now, Realm), Rate, Now) >= 1 of
        true -> ok;
        false -> rate_limited
    end.

check_room(#{origin := Origin}, Now, #realm{origins = Origins}) ->
    case cambrian_origins:has_room(Origin, Now, Origins) of
        true -> ok;
        false -> too_many_origins
    end.

%% @doc Counts a refusal.
-spec refused(Reason :: term(), realm()) -> realm().
refused(Reason, #realm{refused = Refused} = Realm) ->
    Realm#realm{refused = maps:update_with(kind(Reason), fun(N) -> N + 1 end, 1, Refused)}.

%% @doc How many envelopes and certificates the realm refused, for each reason.
-spec refused(realm()) -> #{Reason :: atom() => pos_integer()}.
refused(#realm{refused = Refused}) -> Refused.

%% @doc The name of a reason, without its details.
-spec kind(Reason :: term()) -> atom().
kind(Reason) when is_tuple(Reason) -> element(1, Reason);
kind(Reason) -> Reason.

%%% ---- requests ---------------------------------------------------------------------------

%% @doc Answers {@link cambrian_admission} and {@link cambrian_exchange}.
-spec ask(request(), Now :: integer(), realm()) -> {Answer :: term(), realm()}.
ask({admit, Claims}, Now, Realm) -> answer(admit(Claims, Now, Realm), Realm);
ask({genuine, Claims}, Now, Realm) -> answer(genuine(Claims, Now, Realm), Realm);
ask({refused, Reason, _Claims}, _Now, Realm) -> {{error, Reason}, refused(Reason, Realm)};
ask({cheated, Reason, Claims}, Now, Realm) ->
    case cheated(Claims, Reason, Now, Realm) of
        {ok, Moved} -> {{error, Reason}, Moved};
        Refused -> answer(Refused, Realm)
    end;
ask({rubbish, Reason, Claims}, Now, Realm) ->
    {{error, Reason}, sent_rubbish(Claims, Reason, Now, Realm)};
ask({may_follow, Succession}, Now, Realm) -> count_refusal(may_follow(Succession, Now, Realm));
ask({follow, Succession}, Now, Realm) ->
    case succeed(Succession, Now, Realm) of
        {ok, Moved} -> {ok, Moved};
        Error -> count_refusal({Error, Realm})
    end;
ask({may_amend, Charter}, Now, Realm) -> count_refusal(may_amend(Charter, Now, Realm));
ask({amend, Bytes, Charter}, Now, Realm) -> count_refusal(amend(Bytes, Charter, Now, Realm));
ask({checked, Origin, Claimed, Measured}, Now, Realm) ->
    checked(Origin, Claimed, Measured, Now, Realm);
ask({failed, Origin}, Now, Realm) -> {ok, failed(Origin, Now, Realm)};
ask({accepted, Origin}, _Now, Realm) -> {ok, accepted(Origin, Realm)};
ask(Question, Now, Realm) -> {look_up(Question, Now, Realm), Realm}.

look_up(charters, _Now, #realm{keyring = Keyring}) -> cambrian_keyring:charters(Keyring);
look_up({is_banned, Subject}, _Now, Realm) -> is_banned(Subject, Realm);
look_up({is_heard, Key}, Now, Realm) -> is_heard(Key, Now, Realm);
look_up({may_publish, Key, Shown}, Now, Realm) ->
    check_capability(#{origin => Key, grant => Shown}, Now, Realm) =:= ok;
look_up({has_earned, Key}, _Now, Realm) -> has_earned(Key, Realm);
look_up({is_any_banned, Subjects}, _Now, Realm) -> is_any_banned(Subjects, Realm);
look_up({is_any_banned_by_user, Subjects}, _Now, Realm) -> is_any_banned_by_user(Subjects, Realm);
look_up({banned, What}, _Now, Realm) -> banned(What, Realm).

answer({ok, Moved}, _Realm) -> {ok, Moved};
answer({error, Reason, Counted}, _Realm) -> {{error, Reason}, Counted};
answer({read_grant, Bytes}, Realm) -> {{read_grant, Bytes}, Realm}.

count_refusal({{error, Reason}, Realm}) -> {{error, Reason}, refused(Reason, Realm)};
count_refusal(Answer) -> Answer.

%%% ---- standings --------------------------------------------------------------------------

%% @doc Counts a valid envelope. Admits it again first, because the realm may have counted another
%% envelope with the same number meanwhile.
-spec genuine(claims(), Now :: integer(), realm()) -> {ok, realm()} | {error, atom(), realm()}.
genuine(Claims, Now, Realm) ->
    case admit(Claims, Now, Realm) of
        {ok, _} -> {ok, received(Claims, Now, Realm)};
        {read_grant, _} -> {error, not_permitted, refused(not_permitted, Realm)};
        Refused -> Refused
    end.

received(#{origin := Origin} = Claims, Now, #realm{rate = Rate, origins = Origins} = Realm) ->
    Before = standing(Origin, Now, Realm),
    Standing = cambrian_origin:receive_envelope(Claims, Rate, Now, Before),
    Realm#realm{origins = cambrian_origins:add(Origin, Standing, Now, Origins)}.

%% @doc Counts an envelope with a valid signature over bytes that are not the claimed genotype.
%% Counts it only once, like a genuine envelope, so that a replay does not harm its origin.
-spec cheated(claims(), Reason :: term(), Now :: integer(), realm()) ->
          {ok, realm()} | {error, atom(), realm()}.
cheated(#{origin := Origin, sequence := Sequence} = Claims, Reason, Now, Realm) ->
    Lie = fun(Standing) -> cambrian_origin:lie(Sequence, Standing) end,
    case genuine(Claims, Now, Realm) of
        {ok, Counted} -> {ok, count_lie(Origin, Lie, Now, refused(Reason, Counted))};
        Refused -> Refused
    end.

sent_rubbish(#{origin := Key, sequence := Sequence}, Reason, Now, Realm) ->
    Lie = fun(Standing) -> cambrian_origin:lie_once(Sequence, Standing) end,
    count_lie(heir(Key, Realm), Lie, Now, refused(Reason, Realm)).

%% @doc Counts a claimed fitness that this node measured.
-spec checked(key(), Claimed :: float(), Measured :: float(), Now :: integer(),
              realm()) -> {confirmed | inflated, realm()}.
checked(Key, Claimed, Measured, Now, #realm{tolerance = Tolerance} = Realm) ->
    Origin = heir(Key, Realm),
    case excess(Claimed, Measured) > Tolerance of
        true -> {inflated, count_lie(Origin, fun cambrian_origin:inflate/1, Now, Realm)};
        false -> {confirmed, change_standing(Origin, fun cambrian_origin:confirm/1, Realm)}
    end.

%% Divides each number first: the difference of the two may exceed the range of a float.
excess(Claimed, Measured) ->
    case max(abs(Claimed), abs(Measured)) of
        Scale when Scale > 0 -> Claimed / Scale - Measured / Scale;
        _ -> 0.0
    end.

%% @doc Counts a genotype that this node could not evaluate, although it can evaluate its own: the
%% genotype does not have the fitness that its origin claimed.
-spec failed(key(), Now :: integer(), realm()) -> realm().
failed(Key, Now, Realm) -> count_lie(heir(Key, Realm), fun cambrian_origin:inflate/1, Now, Realm).

%% @doc Counts a genotype that a population took in.
-spec accepted(key(), realm()) -> realm().
accepted(Key, Realm) -> change_standing(heir(Key, Realm), fun cambrian_origin:accept/1, Realm).

%% Bans a key if its reputation is too low after a lie.
count_lie(Origin, Lie, Now, #realm{max = Max} = Realm) ->
    #realm{origins = Origins, bans = Bans} = Lied = change_standing(Origin, Lie, Realm),
    Key = {key, Origin},
    case cambrian_origins:is_dishonest(Origin, Origins) andalso not is_banned(Key, Lied) of
        true ->
            Room = cambrian_bans:make_room(Max, Bans),
            Lied#realm{bans = cambrian_bans:add(Key, <<"reputation">>, reputation, Now, Room)};
        false -> Lied
    end.

change_standing(Origin, Change, #realm{origins = Origins} = Realm) ->
    case cambrian_origins:find(Origin, Origins) of
        {ok, Standing} ->
            Realm#realm{origins = cambrian_origins:put(Origin, Change(Standing), Origins)};
        error -> Realm
    end.

standing(Origin, Now, #realm{rate = Rate, origins = Origins}) ->
    cambrian_origins:standing(Origin, Rate, Now, Origins).

%% @doc The reputation of a key, or of its heir, from 0 to 1.
-spec reputation(key(), realm()) -> float().
reputation(Key, Realm) -> cambrian_origin:reputation(standing(heir(Key, Realm), 0, Realm)).

%% @doc Whether a population of this node took in a genotype of this key, and its reputation is
%% good.
-spec has_earned(key(), realm()) -> boolean().
has_earned(Key, #realm{origins = Origins}) -> cambrian_origins:has_earned(Key, Origins).

%%% ---- successions ------------------------------------------------------------------------

%% @doc Whether a certificate of this succession should be verified. It should not if the realm
%% already follows it (`known'), would refuse it, or has verified too many in this second. A closed
%% realm follows no succession of a key that may not publish there. In an open realm, all fresh keys
%% share one budget.
-spec may_follow(succession(), Now :: integer(), realm()) ->
          {ok | known | {error, atom()}, realm()}.
may_follow(#{old := Old, new := New}, Now, #realm{keyring = Keyring} = Realm) ->
    case is_any_key_banned([Old, New, heir(New, Realm)], Realm) of
        true -> {{error, banned_key}, Realm};
        false ->
            Class = class_of(Old, Now, Realm),
            with_keyring(cambrian_keyring:may_follow({Old, New}, Class, Now, Keyring), Realm)
    end.

is_any_key_banned(Keys, Realm) -> lists:any(is_banned_key(Realm), Keys).

class_of(Key, _Now, #realm{capability = open} = Realm) ->
    case has_earned(Key, Realm) of
        true -> trusted;
        false -> fresh
    end;
class_of(Key, Now, Realm) ->
    case check_capability(#{origin => Key}, Now, Realm) of
        ok -> trusted;
        _ -> not_permitted
    end.

with_keyring({Answer, Keyring}, Realm) -> {Answer, Realm#realm{keyring = Keyring}}.

%% @doc Follows a verified succession: the new key takes over the standing of the old one.
%% Successions may arrive in any order.
-spec succeed(succession(), Now :: integer(), realm()) ->
          {ok, realm()}
        | {error, already_succeeded | banned_key | circular | not_permitted | too_many_successions}.
succeed(#{old := Old, new := New}, Now, #realm{keyring = Keyring} = Realm) ->
    case is_any_key_banned([Old, New, heir(New, Realm)], Realm) of
        true -> {error, banned_key};
        false ->
            case cambrian_keyring:follow({Old, New}, class_of(Old, Now, Realm), Now, Keyring) of
                {ok, Followed} ->
                    {ok, inherit(Old, heir(New, Realm), Realm#realm{keyring = Followed})};
                {known, _} -> {ok, Realm};
                {Error, _} -> Error
            end
    end.

%% @doc The key that now speaks for a key.
-spec heir(key(), realm()) -> key().
heir(Key, #realm{keyring = Keyring}) -> cambrian_keyring:heir(Key, Keyring).

inherit(Old, Heir, #realm{origins = Origins} = Realm) ->
    case {cambrian_origins:find(Old, Origins), cambrian_origins:find(Heir, Origins)} of
        {{ok, Left}, {ok, Own}} -> inherit(Old, Heir, cambrian_origin:merge(Left, Own), Realm);
        {{ok, Left}, error} -> inherit(Old, Heir, Left, Realm);
        _ -> Realm
    end.

inherit(Old, Heir, Standing, #realm{origins = Origins} = Realm) ->
    Left = cambrian_origins:remove(Old, Origins),
    Realm#realm{origins = cambrian_origins:put(Heir, Standing, Left)}.

%%% ---- charters ---------------------------------------------------------------------------

%% @doc Whether a charter should be verified; otherwise `same' as ours, or `older'.
-spec may_amend(cambrian_charter:charter(), Now :: integer(), realm()) ->
          {ok | same | older | {error, atom()}, realm()}.
may_amend(Charter, Now, #realm{name = Name, keyring = Keyring} = Realm) ->
    with_keyring(cambrian_keyring:may_amend(Charter, {Name, Now}, is_banned_key(Realm), Keyring),
                 Realm).

%% @doc Adopts a charter whose signatures are verified.
-spec amend(Bytes :: binary(), cambrian_charter:charter(), Now :: integer(), realm()) ->
          {ok | same | older | {error, atom()}, realm()}.
amend(Bytes, Charter, Now, #realm{name = Name, keyring = Keyring} = Realm) ->
    with_keyring(cambrian_keyring:amend(Charter, Bytes, {Name, Now}, is_banned_key(Realm), Keyring),
                 Realm).

%%% ---- our own numbers --------------------------------------------------------------------

%% @doc The first sequence number for the envelopes of this node, not below `Wanted'. A node wants
%% the present time; that is too low if its clock was set back.
-spec sequence(Wanted :: non_neg_integer(), realm()) -> {non_neg_integer(), realm()}.
sequence(Wanted, #realm{sequence = Free} = Realm) ->
    First = max(Wanted, Free),
    {First, Realm#realm{sequence = First + ?NUMBERS}}.

%%% ---- bans -------------------------------------------------------------------------------

%% @doc Bans a key and its heir, or a genotype from any sender.
-spec ban(subject(), Reason :: binary(), Now :: integer(), realm()) ->
          {ok, realm()} | {error, too_many_bans}.
ban({key, Key}, Reason, Now, Realm) ->
    ban_all([{key, Banned} || Banned <- lists:usort([Key, heir(Key, Realm)])], Reason, Now, Realm);
ban(Genotype, Reason, Now, Realm) ->
    ban_all([Genotype], Reason, Now, Realm).

ban_all(Subjects, Reason, Now, #realm{max = Max, bans = Bans} = Realm) ->
    Add = fun(Subject, Added) -> cambrian_bans:add(Subject, Reason, user, Now, Added) end,
    Banned = lists:foldl(Add, Bans, Subjects),
    case cambrian_bans:count(user, Banned) > Max of
        true -> {error, too_many_bans};
        false -> {ok, Realm#realm{bans = Banned}}
    end.

%% @doc Ends a ban. A key starts again with the reputation of a new key.
-spec unban(subject(), realm()) -> realm().
unban(Subject, #realm{bans = Bans} = Realm) ->
    Left = Realm#realm{bans = maps:remove(Subject, Bans)},
    case Subject of
        {key, Key} when is_map_key(Subject, Bans) ->
            change_standing(Key, fun cambrian_origin:forgive/1, Left);
        _ -> Left
    end.

%% @doc Whether this node accepts messages of a key: the key is not banned, not retired, and may
%% publish. A grant that the key has not shown yet is not checked.
-spec is_heard(key(), Now :: integer(), realm()) -> boolean().
is_heard(Key, Now, Realm) ->
    Claims = #{origin => Key, genotype => none},
    lists:all(fun(Check) -> Check(Claims, Now, Realm) =:= ok end,
              [fun check_bans/3, fun check_retired/3, fun check_capability/3]).

%% @doc The key with this name, among the keys that the realm knows.
-spec named(cambrian_identity:name(), realm()) ->
          {ok, key()}
        | {error, {unknown_name | ambiguous_name, cambrian_identity:name()}}.
named(Name, #realm{origins = Origins, keyring = Keyring, bans = Bans}) ->
    Known = lists:append([cambrian_origins:keys(Origins), cambrian_keyring:keys(Keyring),
                          cambrian_bans:keys(Bans)]),
    case [Key || Key <- lists:usort(Known), cambrian_identity:name(Key) =:= Name] of
        [Key] -> {ok, Key};
        [] -> {error, {unknown_name, Name}};
        _ -> {error, {ambiguous_name, Name}}
    end.

-spec is_banned(subject(), realm()) -> boolean().
is_banned(Subject, #realm{bans = Bans}) -> cambrian_bans:is_banned(Subject, Bans).

%% @doc Whether one of these subjects, or the heir of a key, is banned.
-spec is_any_banned([subject()], realm()) -> boolean().
is_any_banned(Subjects, Realm) -> any_with_heir(fun cambrian_bans:is_banned/2, Subjects, Realm).

%% @doc Whether a user banned one of these subjects, or the heir of a key. A ban by reputation does
%% not count: this node measured what the key had sent before, and keeps it. Otherwise an attacker
%% could send a node the node's own champion and then lie, to make the node remove its champion.
-spec is_any_banned_by_user([subject()], realm()) -> boolean().
is_any_banned_by_user(Subjects, Realm) ->
    any_with_heir(fun cambrian_bans:is_banned_by_user/2, Subjects, Realm).

any_with_heir(Is, Subjects, #realm{bans = Bans} = Realm) ->
    lists:any(fun(Subject) -> Is(Subject, Bans) end,
              Subjects ++ [{key, heir(Key, Realm)} || {key, Key} <- Subjects]).

%% @doc The keys and genotypes to purge, for all bans by users or for one subject. A key comes with
%% its heir and with the keys that the heir succeeded.
-spec banned(all | subject(), realm()) ->
          #{keys := [key()], genotypes := [cambrian_genotype:id()]}.
banned(all, #realm{bans = Bans} = Realm) -> with_chains(cambrian_bans:by_user(Bans), Realm);
banned(Subject, Realm) -> with_chains([Subject], Realm).

with_chains(Subjects, #realm{keyring = Keyring} = Realm) ->
    Banned = maps:from_list([{Key, banned} || {key, Of} <- Subjects, Key <- [Of, heir(Of, Realm)]]),
    Before = [Old || map_size(Banned) > 0, Old <- maps:keys(cambrian_keyring:retired(Keyring)),
                     is_map_key(heir(Old, Realm), Banned)],
    #{keys => lists:usort(maps:keys(Banned) ++ Before),
      genotypes => [Id || {genotype, Id} <- Subjects]}.

%% @doc The oldest ban first.
-spec bans(realm()) -> [cambrian_bans:ban()].
bans(#realm{bans = Bans}) -> cambrian_bans:in_order(Bans).

%%% ---- reports and saved realms -----------------------------------------------------------

%% @doc A report of a realm, or of a term from {@link save/1}; that report lacks {@link
%% ownership/1}.
-spec report(realm() | map()) -> report().
report(#realm{} = Realm) -> maps:merge(report(save(Realm)), ownership(Realm));
report(#{name := Name, bans := Bans, retired := Retired} = Saved) ->
    (maps:with([capability, rate, tolerance, origins, refused], Saved))
        #{realm => Name, bans => cambrian_bans:in_order(Bans),
          retired => maps:map(fun(_, #{heir := Heir}) -> Heir end, Retired)}.

%% @doc The present owners, and the charter that names them.
-spec ownership(realm()) ->
          #{owners := none | cambrian_keyring:owners(), charter := none | binary()}.
ownership(#realm{keyring = Keyring}) ->
    Charter = lists:last([none | cambrian_keyring:charters(Keyring)]),
    #{owners => cambrian_keyring:owners(Keyring), charter => Charter}.

%% @doc A term for {@link restore/1}. It shares its large parts with the realm, so making it takes
%% constant time.
-spec save(realm()) -> map().
save(#realm{name = Name, capability = Capability, rate = Rate, tolerance = Tolerance, max = Max,
            refused = Refused, origins = Origins, keyring = Keyring, bans = Bans,
            sequence = Sequence}) ->
    (cambrian_keyring:save(Keyring))
        #{name => Name, max => Max, capability => Capability, rate => Rate, tolerance => Tolerance,
          origins => cambrian_origins:to_map(Origins), refused => Refused, bans => Bans,
          sequence => Sequence, window => cambrian_origin:window_bits(),
          seed => cambrian_origins:seed(Origins)}.

%% @doc The realm of a saved term; `error' if this module did not make the term.
-spec restore(term()) -> {ok, realm()} | error.
restore(#{name := Name, max := Max, bans := Bans, origins := Origins, refused := Refused} = Saved)
  when is_binary(Name), is_integer(Max), Max > 0 ->
    Start = is_sound(Saved) andalso new(maps:with([name, max, seed], Saved)),
    case restore_keyring(Saved, Start) of
        {ok, Keyring} ->
            Standings = cambrian_origins:restore(Origins, saved_window(Saved), Start#realm.origins),
            Next = Start#realm{origins = Standings, keyring = Keyring, bans = Bans,
                               refused = Refused, sequence = maps:get(sequence, Saved, 0)},
            {ok, change(maps:with([capability, rate, tolerance], Saved), Next)};
        error -> error
    end;
restore(_Other) -> error.

restore_keyring(_Saved, false) -> error;
restore_keyring(Saved, #realm{name = Name, max = Max, keyring = Empty}) ->
    cambrian_keyring:restore(Saved, {Name, Max, maps:get(capability, Saved, open)}, Empty).

is_sound(#{bans := Bans, origins := Origins, refused := Refused} = Saved) ->
    Bits = saved_window(Saved),
    Sequence = maps:get(sequence, Saved, 0),
    lists:all(fun cambrian_options:is_count/1, [Sequence, Bits, maps:get(seed, Saved, 0)])
        andalso Sequence < ?MAX_SEQUENCE andalso Bits =< cambrian_origin:window_bits()
        andalso cambrian_origins:is_saved(Origins, Bits) andalso cambrian_bans:is_saved(Bans)
        andalso is_map(Refused) andalso lists:all(fun is_atom/1, maps:keys(Refused))
        andalso lists:all(fun cambrian_options:is_count/1, maps:values(Refused))
        andalso element(1, cambrian_options:check(saved_options(Saved), table(), <<>>)) =:= ok.

saved_window(Saved) -> maps:get(window, Saved, cambrian_origin:former_window_bits()).

%% An earlier release accepted an empty list of keys, with which no key may publish.
saved_options(#{capability := {keys, []}} = Saved) -> maps:with([rate, tolerance], Saved);
saved_options(Saved) -> maps:with([capability, rate, tolerance], Saved).
