%% @private
%% What one node knows of a realm, and decides by it: who may publish, who is banned, and what each origin's word is
%% worth.
%%
%% A value, without a process and without a clock: `Now' is in ms since 1970. All of it is bounded, whatever strangers
%% send.
%%
%% An envelope is let in ({@link cambrian_admission}) by {@link admit/3}, which believes nothing and changes nothing, as
%% anybody may have written it.
%% Once its signature held, {@link genuine/3} or {@link cheated/4} counts it for its origin: only what an origin signed
%% moves its standing, or a forger could silence or ruin others.
-module(cambrian_realm).

-export([table/0, new/1, change/2, ask/3, admit/3, genuine/3, cheated/4, refused/1, refused/2, is_rubbish/1, kind/1, checked/5,
         failed/3, accepted/2, succeed/3, amend/4, sequence/2, ban/4, unban/2, is_banned/2, is_any_banned/2, is_any_banned_by_user/2, banned/2,
         is_heard/3, has_earned/2, named/2, bans/1, heir/2, reputation/2, ownership/1, report/1, save/1, restore/1]).
-export_type([realm/0, options/0, capability/0, claims/0, standing/0, subject/0, ban/0, request/0, report/0]).

-type capability() :: cambrian_keyring:capability().
%% `rate' is how many envelopes of one origin are taken a second, and how many at once; `tolerance' how much more than
%% is measured may be claimed, relative to the larger of the two.
-type options() :: #{capability => capability(), rate => {PerSecond :: number(), Burst :: number()},
                     tolerance => number()}.
%% Of an envelope's claims, what matters here. A grant is taken at its word once it has been read.
-type claims() :: #{realm := binary(), origin := cambrian_identity:key(), genotype := cambrian_genotype:id(),
                    sequence := non_neg_integer(), time := non_neg_integer(),
                    grant => undefined | binary() | cambrian_identity:grant(), atom() => term()}.
%% Of those received, `accepted' were taken in by a population; of those checked, and of what was signed but is no
%% genotype, `lies' were not what they claimed. `sequence' is the highest that came; bit N of `window' is set where the
%% one N below it did.
-type standing() :: #{reputation := float(), received := non_neg_integer(), accepted := non_neg_integer(),
                      checked := non_neg_integer(), lies := non_neg_integer(),
                      sequence := non_neg_integer(), window := non_neg_integer(), seen := integer(),
                      tokens := number(), filled := integer(),
                      grant := none | cambrian_identity:grant()}.
-type subject() :: {key, cambrian_identity:key()} | {genotype, cambrian_genotype:id()}.
-type ban() :: #{what := subject(), reason := binary(), by := user | reputation, time := integer()}.
%% What others ask of a realm, as a value or by its server. Of an envelope: may it be opened; it held; its signature held
%% over what is no such genotype; it did not hold. Then: what was asked for and given, signed, is no such genotype; may
%% a succession be verified, and who succeeds whom; the same of a charter; what was measured of a claim; that it could not be
%% measured; a population took it in; may this be spread, may this key say that it is there.
-type request() :: {admit, claims()} | {genuine, claims()} | {cheated, Reason :: term(), claims()}
                 | {refused, Reason :: term(), map()} | {rubbish, Reason :: term(), claims()}
                 | {may_follow, #{old := cambrian_identity:key(), new := cambrian_identity:key(), atom() => term()}}
                 | {follow, cambrian_identity:succession()}
                 | {may_amend, cambrian_charter:charter()} | {amend, Bytes :: binary(), cambrian_charter:charter()} | charters
                 | {checked, cambrian_identity:key(), Claimed :: float(), Measured :: float()}
                 | {failed, cambrian_identity:key()}
                 | {accepted, cambrian_identity:key()} | {is_banned, subject()} | {is_heard, cambrian_identity:key()}
                 | {may_publish, cambrian_identity:key(), Shown :: undefined | binary() | cambrian_identity:grant()}
                 | {has_earned, cambrian_identity:key()} | {is_any_banned, [subject()]}
                 | {is_any_banned_by_user, [subject()]} | {banned, all | subject()}.
-type report() :: #{realm := binary(), capability := capability(), rate := {number(), number()}, tolerance := number(),
                    origins := #{cambrian_identity:key() => standing()}, bans := [ban()],
                    retired := #{Old :: cambrian_identity:key() => New :: cambrian_identity:key()},
                    owners := none | cambrian_keyring:owners(), charter := none | binary(),
                    refused := #{Reason :: atom() => pos_integer()}}.

-record(realm, {name :: binary(),
                capability = open :: capability(),
                rate = {5, 50} :: {number(), number()},
                tolerance = 0.01 :: number(),
                max = 10_000 :: pos_integer(),
                origins = #{} :: #{cambrian_identity:key() => standing()},
                %% those that have earned their place, in the order in which they may be forgotten
                leaving = gb_sets:new() :: gb_sets:set({integer(), cambrian_identity:key()}),
                %% all others, of which any may be, at random; and what came of those that were
                seed :: non_neg_integer(),
                fresh :: cambrian_random_eviction:lottery(),
                forgotten = cambrian_forgotten_keys:new(10 * 60_000, 65_536)
                    :: cambrian_forgotten_keys:forgotten({Sequence :: non_neg_integer(), Window :: non_neg_integer()}),
                bans = #{} :: #{subject() => ban()},
                keyring :: cambrian_keyring:keyring(),
                %% below it are all numbers that envelopes of this node may have
                sequence = 0 :: non_neg_integer(),
                refused = #{} :: #{atom() => pos_integer()}}).
-opaque realm() :: #realm{}.

%% How old an envelope may be, and how far its clock may be ahead.
-define(AGE_MS, 5 * 60_000).
%% A good name is remembered for long, though not for ever.
-define(FORGET_GOOD_MS, 30 * 86_400_000).

%% Numbers: more than the default rate admits within ?AGE_MS, so that no envelope that is still young enough is lost as a
%% replay, however late it comes. Earlier releases had 64.
-define(WINDOW, 2048).
-define(FORMER_WINDOW, 64).
-define(ALL_CAME, (1 bsl ?WINDOW - 1)).

%% More than a node seals before it starts again.
-define(NUMBERS, (1 bsl 26)).
-define(MAX_SEQUENCE, (1 bsl 63)).

-define(NEUTRAL, 0.5).
-define(BANNED_BELOW, 0.1).

%% @doc `name' is the realm's. `max' origins, and as many bans and successions, are remembered. From `seed', by default one that
%% nobody can guess, follows who is forgotten where there is no room.
-spec new(#{name := binary(), max => pos_integer(), seed => non_neg_integer(), atom() => term()}) -> realm().
new(#{name := Name} = Options) ->
    Max = maps:get(max, Options, 10_000),
    Seed = maps:get(seed, Options, binary:decode_unsigned(crypto:strong_rand_bytes(7))),
    change(maps:without([name, max, seed], Options),
           #realm{name = Name, max = Max, keyring = cambrian_keyring:new(Max), seed = Seed, fresh = cambrian_random_eviction:new(Seed)}).

%% @doc What the options are checked by.
-spec table() -> cambrian_options:table().
table() ->
    #{capability => {fun cambrian_keyring:is_capability/1, fun cambrian_keyring:expected/1},
      rate => {fun is_rate/1, <<"{PerSecond, Burst}, more than 0 and at least 1">>},
      tolerance => {fun(N) -> is_number(N) andalso N >= 0 end, <<"a number from 0">>}}.

is_rate({PerSecond, Burst}) -> is_number(PerSecond) andalso PerSecond > 0 andalso is_number(Burst) andalso Burst >= 1;
is_rate(_) -> false.

%% @doc Other options; those that are not given stay.
-spec change(options(), realm()) -> realm().
change(Options, #realm{capability = Capability, rate = Rate, tolerance = Tolerance, keyring = Keyring} = Realm) ->
    Next = maps:get(capability, Options, Capability),
    Realm#realm{capability = Next, keyring = cambrian_keyring:configure(Next, Keyring),
                rate = maps:get(rate, Options, Rate), tolerance = maps:get(tolerance, Options, Tolerance)}.

%%% ---- who is let in ----------------------------------------------------------------------

%% @doc Whether an envelope of these claims may be opened, by the first no. With `{read_grant, Bytes}', the same is to
%% be asked again with what the grant says; whether it was signed is found out when all else is known to be right.
-spec admit(claims(), Now :: integer(), realm()) -> {ok, realm()} | {read_grant, binary()} | {error, atom(), realm()}.
admit(Claims, Now, Realm) ->
    case first_no(questions(), Claims, Now, Realm) of
        ok -> {ok, Realm};
        {read_grant, Grant} -> {read_grant, Grant};
        Reason -> {error, Reason, refused(Reason, Realm)}
    end.

questions() ->
    [fun realm/3, fun age/3, fun sequence/3, fun banned/3, fun retired/3, fun capability/3, fun rate/3, fun room/3].

first_no([], _Claims, _Now, _Realm) -> ok;
first_no([Question | Questions], Claims, Now, Realm) ->
    case Question(Claims, Now, Realm) of
        ok -> first_no(Questions, Claims, Now, Realm);
        No -> No
    end.

realm(#{realm := Name}, _Now, #realm{name = Name}) -> ok;
realm(_, _, _) -> wrong_realm.

age(#{time := Time}, Now, _) when Time < Now - ?AGE_MS -> too_old;
age(#{time := Time}, Now, _) when Time > Now + ?AGE_MS -> from_the_future;
age(_, _, _) -> ok.

sequence(#{origin := Origin, sequence := Sequence}, Now, Realm) ->
    case has_come(Sequence, standing(Origin, Now, Realm)) of
        true -> replay;
        false -> ok
    end.

%% What overtook another on its way must not make a replay of that: each number is taken once, in any order, if it is
%% not too far behind the highest to be told apart (the sliding window of IPsec: RFC 4303, A2).
has_come(Sequence, #{sequence := Highest}) when Sequence > Highest -> false;
has_come(Sequence, #{sequence := Highest}) when Highest - Sequence >= ?WINDOW -> true;
has_come(Sequence, #{sequence := Highest, window := Window}) -> Window band (1 bsl (Highest - Sequence)) =/= 0.

came(Sequence, #{sequence := Last} = Standing) ->
    Highest = max(Sequence, Last),
    Standing#{sequence := Highest, window := window_below(Highest, Standing) bor (1 bsl (Highest - Sequence))}.

%% The window, seen from a number that is no lower than its own.
window_below(Highest, #{sequence := Last}) when Highest - Last >= ?WINDOW -> 0;
window_below(Highest, #{sequence := Last, window := Window}) -> (Window bsl (Highest - Last)) band ?ALL_CAME.

banned(#{origin := Origin, genotype := Genotype}, _Now, Realm) ->
    case {is_banned({key, Origin}, Realm), is_banned({genotype, Genotype}, Realm)} of
        {true, _} -> banned_key;
        {_, true} -> banned_genotype;
        _ -> ok
    end.

retired(#{origin := Origin}, _Now, #realm{keyring = Keyring}) ->
    case cambrian_keyring:is_retired(Origin, Keyring) of
        true -> retired_key;
        false -> ok
    end.

capability(_Claims, _Now, #realm{capability = open}) -> ok;
capability(#{origin := Origin}, _Now, #realm{capability = {keys, _}, keyring = Keyring}) ->
    case cambrian_keyring:is_listed(Origin, Keyring) of
        true -> ok;
        false -> not_permitted
    end;
capability(#{origin := Origin} = Claims, _Now, #realm{name = Name, capability = {work, Bits}, origins = Origins}) ->
    %% shown once
    case is_map_key(Origin, Origins) orelse cambrian_proof_of_work:is_stamp(maps:get(grant, Claims, undefined), Bits, Name, Origin) of
        true -> ok;
        false -> not_permitted
    end;
capability(#{origin := Origin} = Claims, Now, #realm{capability = {How, _}, keyring = Keyring} = Realm) ->
    IsOwn = case How of
                signed_by -> cambrian_keyring:is_owner(Origin, Keyring);
                invited -> cambrian_keyring:is_listed(Origin, Keyring)
            end,
    case IsOwn orelse remembered(Origin, Now, Realm) of
        true -> ok;
        ok -> ok;
        No -> grant(maps:get(grant, Claims, undefined), No, Origin, Now, Realm)
    end.

%% A grant that was shown is good until it ends, unless its owners or they themselves are good no more.
remembered(Origin, Now, #realm{origins = Origins} = Realm) ->
    case Origins of
        #{Origin := #{grant := #{} = Grant}} -> permitted(Grant, Origin, Now, Realm);
        _ -> not_permitted
    end.

grant(undefined, Otherwise, _Origin, _Now, _Realm) -> Otherwise;
grant(Bytes, _, _Origin, _Now, _Realm) when is_binary(Bytes) -> {read_grant, Bytes};
grant(Grant, _, Origin, Now, Realm) -> permitted(Grant, Origin, Now, Realm).

%% Whose host is banned, or has lost its good name, is no guest any more.
permitted(Grant, Origin, Now, #realm{name = Name, capability = {invited, _}, keyring = Keyring} = Realm) ->
    MayInvite = fun(Key) ->
                    (cambrian_keyring:is_listed(Key, Keyring) orelse has_earned(Key, Realm)) andalso not is_banned({key, Key}, Realm)
                end,
    cambrian_keyring:invites(Grant, {Name, Origin, Now}, MayInvite, Keyring);
permitted(Grant, Origin, Now, #realm{name = Name, keyring = Keyring} = Realm) ->
    cambrian_keyring:permits(Grant, {Name, Origin, Now}, banned_keys(Realm), Keyring).

banned_keys(Realm) -> fun(Key) -> is_banned({key, Key}, Realm) end.

rate(#{origin := Origin}, Now, Realm) ->
    case tokens(standing(Origin, Now, Realm), Now, Realm) >= 1 of
        true -> ok;
        false -> rate_limited
    end.

%% Our clock may have been set back by years: that must not be the time that an origin has to wait.
tokens(#{tokens := Tokens, filled := Filled}, Now, #realm{rate = {PerSecond, Burst}}) ->
    min(Burst, Tokens + abs(Now - Filled) * PerSecond / 1000).

room(#{origin := Origin}, _Now, #realm{origins = Origins}) when is_map_key(Origin, Origins) -> ok;
room(_Claims, _Now, #realm{origins = Origins, max = Max}) when map_size(Origins) < Max -> ok;
room(_Claims, Now, #realm{fresh = Fresh, forgotten = Forgotten} = Realm) ->
    case (cambrian_random_eviction:size(Fresh) > 0 andalso cambrian_forgotten_keys:has_room(Now, Forgotten)) orelse has_left(Now, Realm) of
        true -> ok;
        false -> too_many_origins
    end.

%% Of those that have earned a place, whoever was silent for longest: for long, or where they leave too little room for others.
has_left(Now, #realm{leaving = Leaving, max = Max}) ->
    gb_sets:size(Leaving) > Max * 3 div 4
        orelse not gb_sets:is_empty(Leaving) andalso element(1, gb_sets:smallest(Leaving)) < Now.

%% @doc Counts a refusal.
-spec refused(Reason :: term(), realm()) -> realm().
refused(Reason, #realm{refused = Refused} = Realm) ->
    Realm#realm{refused = maps:update_with(kind(Reason), fun(N) -> N + 1 end, 1, Refused)}.

%% @doc How many were refused, for which reason.
-spec refused(realm()) -> #{Reason :: atom() => pos_integer()}.
refused(#realm{refused = Refused}) -> Refused.

%% @doc The name of a reason, without its details.
-spec kind(Reason :: term()) -> atom().
kind(Reason) when is_tuple(Reason) -> element(1, Reason);
kind(Reason) -> Reason.

%% @doc Answers {@link cambrian_admission} and {@link cambrian_exchange}.
-spec ask(request(), Now :: integer(), realm()) -> {Answer :: term(), realm()}.
ask({admit, Claims}, Now, Realm) -> answer(admit(Claims, Now, Realm), Realm);
ask({genuine, Claims}, Now, Realm) -> answer(genuine(Claims, Now, Realm), Realm);
ask({refused, Reason, _Claims}, _Now, Realm) -> {{error, Reason}, refused(Reason, Realm)};
ask({cheated, Reason, Claims}, Now, Realm) ->
    case cheated(Claims, Reason, Now, Realm) of
        {ok, Moved} -> {{error, Reason}, Moved};
        No -> answer(No, Realm)
    end;
ask({rubbish, Reason, #{origin := Origin}}, Now, Realm) ->
    {{error, Reason}, sent_rubbish(Origin, Reason, Now, Realm)};
ask({may_follow, Succession}, Now, Realm) -> counted(may_follow(Succession, Now, Realm));
ask({follow, Succession}, Now, Realm) ->
    case succeed(Succession, Now, Realm) of
        {ok, Moved} -> {ok, Moved};
        Error -> counted({Error, Realm})
    end;
ask({may_amend, Charter}, Now, Realm) -> counted(may_amend(Charter, Now, Realm));
ask({amend, Bytes, Charter}, Now, Realm) -> counted(amend(Bytes, Charter, Now, Realm));
ask(charters, _Now, #realm{keyring = Keyring} = Realm) -> {cambrian_keyring:charters(Keyring), Realm};
ask({checked, Origin, Claimed, Measured}, Now, Realm) -> checked(Origin, Claimed, Measured, Now, Realm);
ask({failed, Origin}, Now, Realm) -> {ok, failed(Origin, Now, Realm)};
ask({accepted, Origin}, _Now, Realm) -> {ok, accepted(Origin, Realm)};
ask({is_banned, Subject}, _Now, Realm) -> {is_banned(Subject, Realm), Realm};
ask({is_heard, Key}, Now, Realm) -> {is_heard(Key, Now, Realm), Realm};
ask({may_publish, Key, Shown}, Now, Realm) -> {capability(#{origin => Key, grant => Shown}, Now, Realm) =:= ok, Realm};
ask({has_earned, Key}, _Now, Realm) -> {has_earned(Key, Realm), Realm};
ask({is_any_banned, Subjects}, _Now, Realm) -> {is_any_banned(Subjects, Realm), Realm};
ask({is_any_banned_by_user, Subjects}, _Now, Realm) -> {is_any_banned_by_user(Subjects, Realm), Realm};
ask({banned, What}, _Now, Realm) -> {banned(What, Realm), Realm}.

answer({ok, Moved}, _Realm) -> {ok, Moved};
answer({error, Reason, Counted}, _Realm) -> {{error, Reason}, Counted};
answer({read_grant, Bytes}, Realm) -> {{read_grant, Bytes}, Realm}.

counted({{error, Reason}, Realm}) -> {{error, Reason}, refused(Reason, Realm)};
counted(Answer) -> Answer.

%%% ---- what moves an origin's standing ----------------------------------------------------

%% @doc An envelope whose signature and genotype held; asked anew, as another of the same may have been faster.
-spec genuine(claims(), Now :: integer(), realm()) -> {ok, realm()} | {error, atom(), realm()}.
genuine(Claims, Now, Realm) ->
    case admit(Claims, Now, Realm) of
        {ok, _} -> {ok, arrived(Claims, Now, Realm)};
        {read_grant, _} -> {error, not_permitted, refused(not_permitted, Realm)};
        No -> No
    end.

%% @doc An envelope whose signature held over something that is no such genotype. It counts once, like a genuine one:
%% who sends it again does its origin no harm.
-spec cheated(claims(), Reason :: term(), Now :: integer(), realm()) -> {ok, realm()} | {error, atom(), realm()}.
cheated(#{origin := Origin} = Claims, Reason, Now, Realm) ->
    case genuine(Claims, Now, Realm) of
        {ok, Arrived} -> {ok, lied(Origin, 0.5, Now, refused(Reason, Arrived))};
        No -> No
    end.

%% What was asked for and given, signed, and is no such genotype.
sent_rubbish(Key, Reason, Now, #realm{origins = Origins} = Realm) ->
    Origin = heir(Key, Realm),
    case Origins of
        #{Origin := _} -> lied(Origin, 0.5, Now, refused(Reason, Realm));
        _ -> refused(Reason, Realm)
    end.

%% @doc Whether a reason not to open an envelope says something of its origin. Without a signature that holds it does
%% not; nor if it is a difference to something else, or of a later release.
-spec is_rubbish(Reason :: term()) -> boolean().
is_rubbish(Reason) ->
    not lists:member(kind(Reason), [bad_signature, not_permitted, missing_base, wrong_base, unsupported_version, unknown_gene]).

arrived(#{origin := Origin, sequence := Sequence} = Claims, Now, Realm) ->
    #{received := Received} = Standing = standing(Origin, Now, Realm),
    Arrived = Standing#{received := Received + 1, seen := Now, tokens := tokens(Standing, Now, Realm) - 1, filled := Now},
    put_standing(Origin, with_grant(Claims, came(Sequence, Arrived)), with_room(Origin, Now, Realm)).

with_grant(#{grant := #{} = Grant}, Standing) -> Standing#{grant := Grant};
with_grant(_, Standing) -> Standing.

%% Whoever has earned a place keeps it, unless it was silent for long, or those that have take more than three quarters. Of all
%% others any one has to go: each newcomer gets in, and a flood of new keys pushes out mostly its own.
with_room(Origin, Now, #realm{origins = Origins, max = Max, leaving = Leaving, fresh = Fresh} = Realm)
  when map_size(Origins) >= Max, not is_map_key(Origin, Origins) ->
    case has_left(Now, Realm) orelse cambrian_random_eviction:draw(Fresh) of
        true -> forget(element(2, gb_sets:smallest(Leaving)), Now, Realm);
        {ok, Key, Drawn} -> forget(Key, Now, Realm#realm{fresh = Drawn})
    end;
with_room(_Origin, _Now, Realm) -> Realm.

%% Nothing of it may come again.
forget(Key, Now, #realm{origins = Origins, forgotten = Forgotten} = Realm) ->
    #{Key := #{sequence := Sequence, window := Window}} = Origins,
    drop_standing(Key, Realm#realm{forgotten = cambrian_forgotten_keys:put(Key, {Sequence, Window}, Now, Forgotten)}).

standing(Origin, Now, #realm{origins = Origins, rate = {_, Burst}, forgotten = Forgotten}) ->
    case Origins of
        #{Origin := Standing} -> Standing;
        _ ->
            {Sequence, Window} = case cambrian_forgotten_keys:find(Origin, Now, Forgotten) of {ok, Came} -> Came; error -> {0, 0} end,
            #{reputation => ?NEUTRAL, received => 0, accepted => 0, checked => 0, lies => 0, sequence => Sequence,
              window => Window, seen => Now, tokens => Burst, filled => Now, grant => none}
    end.

put_standing(Key, Standing, Realm) ->
    #realm{origins = Origins, leaving = Leaving, fresh = Fresh} = Dropped = drop_standing(Key, Realm),
    Known = Dropped#realm{origins = Origins#{Key => Standing}},
    case is_earned(Standing) of
        true -> Known#realm{leaving = gb_sets:add_element({leaves(Standing), Key}, Leaving)};
        false -> Known#realm{fresh = cambrian_random_eviction:add(Key, Fresh)}
    end.

drop_standing(Key, #realm{origins = Origins, leaving = Leaving, fresh = Fresh} = Realm) ->
    case maps:take(Key, Origins) of
        {Standing, Left} ->
            Realm#realm{origins = Left, leaving = gb_sets:del_element({leaves(Standing), Key}, Leaving),
                        fresh = cambrian_random_eviction:remove(Key, Fresh)};
        error -> Realm
    end.

leaves(#{seen := Seen}) -> Seen + ?FORGET_GOOD_MS.

%% @doc A fitness that was claimed was measured here.
-spec checked(cambrian_identity:key(), Claimed :: float(), Measured :: float(), Now :: integer(), realm()) ->
          {confirmed | inflated, realm()}.
checked(Key, Claimed, Measured, Now, #realm{tolerance = Tolerance} = Realm) ->
    Verdict = case excess(Claimed, Measured) > Tolerance of true -> inflated; false -> confirmed end,
    {Verdict, moved(heir(Key, Realm), Verdict, Now, Realm)}.

%% @doc Something of this origin could not be evaluated here, though what a population here breeds can: it has not the
%% fitness that was claimed.
-spec failed(cambrian_identity:key(), Now :: integer(), realm()) -> realm().
failed(Key, Now, Realm) -> moved(heir(Key, Realm), inflated, Now, Realm).

%% Each divided on its own: their difference may be beyond what a float can be.
excess(Claimed, Measured) ->
    case max(abs(Claimed), abs(Measured)) of
        Scale when Scale > 0 -> Claimed / Scale - Measured / Scale;
        _ -> 0.0
    end.

moved(Origin, Verdict, Now, #realm{origins = Origins} = Realm) ->
    case {Origins, Verdict} of
        {#{Origin := #{checked := Checked, reputation := R, lies := Lies} = Standing}, confirmed} ->
            Raised = min(R + 0.02 * (1 - R), max(R, at_most(Lies))),
            put_standing(Origin, Standing#{checked := Checked + 1, reputation := Raised}, Realm);
        {#{Origin := #{checked := Checked} = Standing}, inflated} ->
            lied(Origin, 0.7, Now, put_standing(Origin, Standing#{checked := Checked + 1}, Realm));
        _ -> Realm
    end.

%% A truth costs nothing: no number of them makes good for lies, of which the seventh is the last.
at_most(Lies) -> math:pow(0.7, Lies).

lied(Origin, Factor, Now, #realm{origins = Origins} = Realm) ->
    #{Origin := #{lies := Lies, reputation := Reputation} = Standing} = Origins,
    Lowered = min(Reputation * Factor, at_most(Lies + 1)),
    Known = put_standing(Origin, Standing#{lies := Lies + 1, reputation := Lowered}, Realm),
    case Lowered < ?BANNED_BELOW andalso not is_banned({key, Origin}, Realm) of
        true -> add_ban({key, Origin}, <<"reputation">>, reputation, Now, with_room_to_ban(Known));
        false -> Known
    end.

%% @doc A population took a genotype of this origin in.
-spec accepted(cambrian_identity:key(), realm()) -> realm().
accepted(Key, #realm{origins = Origins} = Realm) ->
    Origin = heir(Key, Realm),
    case Origins of
        #{Origin := #{accepted := N} = Standing} -> put_standing(Origin, Standing#{accepted := N + 1}, Realm);
        _ -> Realm
    end.

%% @doc What the word of a key, or of its heir, is worth, from 0 to 1.
-spec reputation(cambrian_identity:key(), realm()) -> float().
reputation(Key, Realm) ->
    #{reputation := Reputation} = standing(heir(Key, Realm), 0, Realm),
    Reputation.

%%% ---- successions ------------------------------------------------------------------------

%% @doc Whether a certificate of succession that says so should be verified: not what is `known', nor what would be refused
%% anyway, nor more than there is time for. A closed realm takes none of keys that may not publish there; of an open one,
%% keys that have not earned a name share what there is.
-spec may_follow(#{old := cambrian_identity:key(), new := cambrian_identity:key(), atom() => term()}, Now :: integer(), realm()) ->
          {ok | known | {error, atom()}, realm()}.
may_follow(#{old := Old, new := New}, Now, #realm{keyring = Keyring} = Realm) ->
    case any_banned([Old, New, heir(New, Realm)], Realm) of
        true -> {{error, banned_key}, Realm};
        false -> with_keyring(cambrian_keyring:may_follow({Old, New}, known_as(Old, Now, Realm), Now, Keyring), Realm)
    end.

any_banned(Keys, Realm) -> lists:any(banned_keys(Realm), Keys).

known_as(Key, _Now, #realm{capability = open} = Realm) ->
    case has_earned(Key, Realm) of
        true -> known;
        false -> stranger
    end;
known_as(Key, Now, Realm) ->
    case capability(#{origin => Key}, Now, Realm) of
        ok -> known;
        _ -> not_permitted
    end.

with_keyring({Answer, Keyring}, Realm) -> {Answer, Realm#realm{keyring = Keyring}}.

%% @doc A key hands all that it is here to another, by a certificate that was verified. They may come in any order.
-spec succeed(#{old := cambrian_identity:key(), new := cambrian_identity:key(), atom() => term()},
              Now :: integer(), realm()) ->
          {ok, realm()} | {error, already_succeeded | banned_key | circular | not_permitted | too_many_successions}.
succeed(#{old := Old, new := New}, Now, #realm{keyring = Keyring} = Realm) ->
    case any_banned([Old, New, heir(New, Realm)], Realm) of
        true -> {error, banned_key};
        false ->
            case cambrian_keyring:follow({Old, New}, known_as(Old, Now, Realm), Now, Keyring) of
                {ok, Followed} -> {ok, inherit(Old, heir(New, Realm), Realm#realm{keyring = Followed})};
                {known, _} -> {ok, Realm};
                {Error, _} -> Error
            end
    end.

%% @doc The key that speaks for a key now.
-spec heir(cambrian_identity:key(), realm()) -> cambrian_identity:key().
heir(Key, #realm{keyring = Keyring}) -> cambrian_keyring:heir(Key, Keyring).

inherit(Old, Heir, #realm{origins = Origins} = Realm) ->
    case Origins of
        #{Old := Left, Heir := Own} -> put_standing(Heir, both(Left, Own), drop_standing(Old, Realm));
        #{Old := Left} -> put_standing(Heir, Left, drop_standing(Old, Realm));
        _ -> Realm
    end.

%% An heir that was heard of before its succession gains nothing by that, nor does it lose what it did.
both(#{grant := OldGrant} = Old, #{grant := NewGrant} = New) ->
    Sums = [{Key, maps:get(Key, Old) + maps:get(Key, New)} || Key <- [received, accepted, checked, lies]],
    Highest = max(maps:get(sequence, Old), maps:get(sequence, New)),
    maps:merge(New, maps:from_list(
        [{reputation, both_reputations(Old, New)},
         {sequence, Highest}, {window, window_below(Highest, Old) bor window_below(Highest, New)},
         {seen, max(maps:get(seen, Old), maps:get(seen, New))},
         {tokens, min(maps:get(tokens, Old), maps:get(tokens, New))},
         {grant, case NewGrant of none -> OldGrant; _ -> NewGrant end} | Sums])).

both_reputations(#{reputation := Old}, #{checked := 0, lies := 0}) -> Old;
both_reputations(#{reputation := Old}, #{reputation := New}) -> min(Old, New).

%%% ---- charters ---------------------------------------------------------------------------

%% @doc Whether a charter that says so should be verified, or is the `same' as ours or `older'.
-spec may_amend(cambrian_charter:charter(), Now :: integer(), realm()) -> {ok | same | older | {error, atom()}, realm()}.
may_amend(Charter, Now, #realm{name = Name, keyring = Keyring} = Realm) ->
    with_keyring(cambrian_keyring:may_amend(Charter, {Name, Now}, banned_keys(Realm), Keyring), Realm).

%% @doc The charter that counts from now on, as its signatures held.
-spec amend(Bytes :: binary(), cambrian_charter:charter(), Now :: integer(), realm()) ->
          {ok | same | older | {error, atom()}, realm()}.
amend(Bytes, Charter, Now, #realm{name = Name, keyring = Keyring} = Realm) ->
    with_keyring(cambrian_keyring:amend(Charter, Bytes, {Name, Now}, banned_keys(Realm), Keyring), Realm).

%%% ---- our own numbers --------------------------------------------------------------------

%% @doc The number from which on the envelopes of this node are counted, at least the one that is wanted: the time, which
%% is not enough where a clock was set back.
-spec sequence(Wanted :: non_neg_integer(), realm()) -> {non_neg_integer(), realm()}.
sequence(Wanted, #realm{sequence = Free} = Realm) ->
    First = max(Wanted, Free),
    {First, Realm#realm{sequence = First + ?NUMBERS}}.

%%% ---- bans -------------------------------------------------------------------------------

%% @doc Nothing more of a key, which a succession does not help, or of a genotype, whoever sends it.
-spec ban(subject(), Reason :: binary(), Now :: integer(), realm()) -> {ok, realm()} | {error, too_many_bans}.
ban({key, Key}, Reason, Now, Realm) ->
    ban_all([{key, Banned} || Banned <- lists:usort([Key, heir(Key, Realm)])], Reason, Now, Realm);
ban(Genotype, Reason, Now, Realm) ->
    ban_all([Genotype], Reason, Now, Realm).

ban_all(Subjects, Reason, Now, #realm{max = Max} = Realm) ->
    Banned = lists:foldl(fun(Subject, R) -> add_ban(Subject, Reason, user, Now, R) end, Realm, Subjects),
    case length(bans(user, Banned)) > Max of
        true -> {error, too_many_bans};
        false -> {ok, Banned}
    end.

add_ban(What, Reason, By, Now, #realm{bans = Bans} = Realm) ->
    Realm#realm{bans = Bans#{What => #{what => What, reason => Reason, by => By, time => Now}}}.

%% Somebody may make ever new keys and lie with each: the first of them are forgotten, while those that a user banned
%% stay.
with_room_to_ban(#realm{bans = Bans, max = Max} = Realm) ->
    case bans(reputation, Realm) of
        Own when length(Own) < Max -> Realm;
        Own -> Realm#realm{bans = maps:remove(oldest([{Time, What} || #{time := Time, what := What} <- Own]), Bans)}
    end.

oldest(Ordered) -> element(tuple_size(hd(Ordered)), lists:min(Ordered)).

bans(By, #realm{bans = Bans}) -> [Ban || #{by := Who} = Ban <- maps:values(Bans), Who =:= By].

%% @doc No ban any more. A key starts anew.
-spec unban(subject(), realm()) -> realm().
unban(Subject, #realm{bans = Bans, origins = Origins} = Realm) ->
    Left = Realm#realm{bans = maps:remove(Subject, Bans)},
    case Subject of
        {key, Key} when is_map_key(Subject, Bans), is_map_key(Key, Origins) ->
            put_standing(Key, (maps:get(Key, Origins))#{reputation := ?NEUTRAL, lies := 0}, Left);
        _ -> Left
    end.

%% @doc Whether it matters here that a key is there: whoever may publish, a grant that was not shown yet aside.
-spec is_heard(cambrian_identity:key(), Now :: integer(), realm()) -> boolean().
is_heard(Key, Now, Realm) ->
    Claims = #{origin => Key, genotype => none},
    lists:all(fun(Question) -> Question(Claims, Now, Realm) =:= ok end, [fun banned/3, fun retired/3, fun capability/3]).

%% @doc Whether a population here has taken in something that this key sent, and the key still has a good name. Keys that
%% have not earned this share what strangers may cost.
-spec has_earned(cambrian_identity:key(), realm()) -> boolean().
has_earned(Key, #realm{origins = Origins}) ->
    case Origins of
        #{Key := Standing} -> is_earned(Standing);
        _ -> false
    end.

is_earned(#{accepted := Accepted, reputation := Reputation}) -> Accepted > 0 andalso Reputation > ?NEUTRAL.

%% @doc Whose name it is, of those that are known here.
-spec named(cambrian_identity:name(), realm()) ->
          {ok, cambrian_identity:key()} | {error, {unknown_name | ambiguous_name, cambrian_identity:name()}}.
named(Name, #realm{origins = Origins, keyring = Keyring, bans = Bans}) ->
    Known = maps:keys(Origins) ++ cambrian_keyring:keys(Keyring) ++ [Key || {key, Key} <- maps:keys(Bans)],
    case [Key || Key <- lists:usort(Known), cambrian_identity:name(Key) =:= Name] of
        [Key] -> {ok, Key};
        [] -> {error, {unknown_name, Name}};
        _ -> {error, {ambiguous_name, Name}}
    end.

-spec is_banned(subject(), realm()) -> boolean().
is_banned(Subject, #realm{bans = Bans}) -> is_map_key(Subject, Bans).

%% @doc Whether one of these is banned, or a key's heir is.
-spec is_any_banned([subject()], realm()) -> boolean().
is_any_banned(Subjects, Realm) ->
    lists:any(fun({key, Key} = Subject) -> is_banned(Subject, Realm) orelse is_banned({key, heir(Key, Realm)}, Realm);
                 (Genotype) -> is_banned(Genotype, Realm)
              end, Subjects).

%% @doc Whether a person banned one of these, or a key's heir. What a key sent before its own lies had it banned was measured
%% here, and is what it is: if it had to go, anybody could send a node its own champion and then lie, to take it away.
-spec is_any_banned_by_user([subject()], realm()) -> boolean().
is_any_banned_by_user(Subjects, #realm{bans = Bans} = Realm) ->
    ByUser = fun(Subject) -> case Bans of #{Subject := #{by := user}} -> true; _ -> false end end,
    lists:any(fun({key, Key} = Subject) -> ByUser(Subject) orelse ByUser({key, heir(Key, Realm)});
                 (Genotype) -> ByUser(Genotype)
              end, Subjects).

%% @doc What nothing is to be kept of: all that people banned, or one ban's; of a key, its heir and those it succeeded as well.
-spec banned(all | subject(), realm()) -> #{keys := [cambrian_identity:key()], genotypes := [cambrian_genotype:id()]}.
banned(all, #realm{bans = Bans} = Realm) -> reach([What || {What, #{by := user}} <- maps:to_list(Bans)], Realm);
banned(Subject, Realm) -> reach([Subject], Realm).

reach(Subjects, #realm{keyring = Keyring} = Realm) ->
    Banned = maps:from_list([{Key, banned} || {key, Of} <- Subjects, Key <- [Of, heir(Of, Realm)]]),
    Before = [Old || map_size(Banned) > 0, Old <- maps:keys(cambrian_keyring:retired(Keyring)), is_map_key(heir(Old, Realm), Banned)],
    #{keys => lists:usort(maps:keys(Banned) ++ Before), genotypes => [Id || {genotype, Id} <- Subjects]}.

%% @doc The oldest first.
-spec bans(realm()) -> [ban()].
bans(#realm{bans = Bans}) -> in_order(Bans).

in_order(Bans) ->
    lists:sort(fun(#{time := A, what := WhatA}, #{time := B, what := WhatB}) -> {A, WhatA} =< {B, WhatB} end,
               maps:values(Bans)).

%%% ---- all of it --------------------------------------------------------------------------

%% @doc What is known, of a realm or, but for {@link ownership/1}, of what {@link save/1} gave of it.
-spec report(realm() | map()) -> report().
report(#realm{} = Realm) -> maps:merge(report(save(Realm)), ownership(Realm));
report(#{name := Name, bans := Bans, retired := Retired} = Saved) ->
    (maps:with([capability, rate, tolerance, origins, refused], Saved))
        #{realm => Name, bans => in_order(Bans), retired => maps:map(fun(_, #{heir := Heir}) -> Heir end, Retired)}.

%% @doc Who owns it now, and the charter that says so.
-spec ownership(realm()) -> #{owners := none | cambrian_keyring:owners(), charter := none | binary()}.
ownership(#realm{keyring = Keyring}) ->
    #{owners => cambrian_keyring:owners(Keyring),
      charter => case cambrian_keyring:charters(Keyring) of [] -> none; Charters -> lists:last(Charters) end}.

%% @doc A term for {@link restore/1}, made at once however much is known: what is large in it is the realm's own.
-spec save(realm()) -> map().
save(#realm{name = Name, capability = Capability, rate = Rate, tolerance = Tolerance, origins = Origins, refused = Refused,
            keyring = Keyring, max = Max, bans = Bans, sequence = Sequence, seed = Seed}) ->
    (cambrian_keyring:save(Keyring))
        #{name => Name, max => Max, capability => Capability, rate => Rate, tolerance => Tolerance, origins => Origins,
          refused => Refused, bans => Bans, sequence => Sequence, window => ?WINDOW, seed => Seed}.

%% @doc The realm of such a term, unless something in it is not what this module makes.
-spec restore(map()) -> {ok, realm()} | error.
restore(#{name := Name, max := Max, retired := _, bans := Bans, origins := Origins, refused := Refused} = Saved)
  when is_binary(Name), is_integer(Max), Max > 0 ->
    Bits = maps:get(window, Saved, ?FORMER_WINDOW),
    Sequence = maps:get(sequence, Saved, 0),
    Options = maps:with([capability, rate, tolerance], Saved),
    %% an earlier release took an empty list of keys, which lets nobody in
    Checked = case Options of #{capability := {keys, []}} -> maps:remove(capability, Options); _ -> Options end,
    IsOrigin = fun(Key, Standing) -> is_key(Key) andalso is_map(Standing) andalso is_standing(of_now(Standing, Bits)) end,
    Sound = is_count(Sequence) andalso Sequence < ?MAX_SEQUENCE andalso is_count(Bits) andalso Bits =< ?WINDOW
        andalso is_count(maps:get(seed, Saved, 0))
        andalso all(IsOrigin, Origins) andalso all(fun is_ban/2, Bans)
        andalso all(fun(Reason, Count) -> is_atom(Reason) andalso is_count(Count) end, Refused)
        andalso element(1, cambrian_options:check(Checked, table(), <<>>)) =:= ok,
    case Sound andalso cambrian_keyring:restore(Saved, {Name, Max, maps:get(capability, Saved, open)}) of
        {ok, Keyring} ->
            Known = maps:fold(fun(Key, Standing, Realm) -> put_standing(Key, of_now(Standing, Bits), Realm) end,
                              new((maps:with([seed], Saved))#{name => Name, max => Max}), Origins),
            {ok, change(Options, Known#realm{keyring = Keyring, bans = Bans, refused = Refused, sequence = Sequence})};
        _ -> error
    end;
restore(_Other) -> error.

%% Earlier releases had a smaller window or none, and took nothing below it: there, all counts as having come. Of grants they
%% remembered too little, so these are to be shown again.
of_now(#{grant := {_By, _Until}} = Standing, Bits) -> of_now(Standing#{grant := none}, Bits);
of_now(#{window := Window} = Standing, Bits) when is_integer(Window), Window >= 0 ->
    Standing#{window := Window bor (?ALL_CAME bsr Bits bsl Bits)};
of_now(#{window := _} = Standing, _Bits) -> Standing;
of_now(Standing, _Bits) -> Standing#{window => ?ALL_CAME}.

all(Is, Map) -> is_map(Map) andalso lists:all(fun({Key, Value}) -> Is(Key, Value) end, maps:to_list(Map)).

is_standing(#{reputation := Reputation, received := Received, accepted := Accepted, checked := Checked, lies := Lies,
              sequence := Sequence, window := Window, seen := Seen, tokens := Tokens, filled := Filled, grant := Grant}) ->
    is_float(Reputation) andalso Reputation >= 0 andalso Reputation =< 1
        andalso lists:all(fun is_count/1, [Received, Accepted, Checked, Lies, Sequence, Window]) andalso Window =< ?ALL_CAME
        andalso is_integer(Seen) andalso is_integer(Filled) andalso is_number(Tokens) andalso is_grant(Grant);
is_standing(_) -> false.

is_grant(none) -> true;
is_grant(#{realm := Realm, key := Key, by := By, issued := Issued, until := Until, id := Id}) ->
    is_binary(Realm) andalso is_key(Key) andalso is_key(Id) andalso is_count(Until)
        andalso (Issued =:= undefined orelse is_count(Issued)) andalso is_list(By) andalso lists:all(fun is_key/1, By);
is_grant(_) -> false.

is_ban({What, Id} = Subject, #{what := Subject, reason := Reason, by := By, time := Time}) ->
    (What =:= key orelse What =:= genotype) andalso is_key(Id) andalso is_binary(Reason)
        andalso (By =:= user orelse By =:= reputation) andalso is_integer(Time);
is_ban(_, _) -> false.

is_key(Key) -> is_binary(Key) andalso byte_size(Key) =:= 32.
is_count(N) -> is_integer(N) andalso N >= 0.
