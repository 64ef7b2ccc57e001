%% @doc Who may publish in which realm, what their word is worth, and why something was refused.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, sequence => 1,
%%        time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 4> {ok, _, Claims} = cambrian_trust:check(<<"org.example.lab">>, Bytes).
%% 5> cambrian_trust:check(<<"org.example.lab">>, Bytes).
%% {error,replay}
%% 6> cambrian_trust:checked(<<"org.example.lab">>, Claims, 0.5).
%% inflated
%% 7> cambrian_trust:reputation(<<"org.example.lab">>, cambrian_identity:public_key(<<1:256>>)).
%% 0.35
%% '''
%%
%% A new origin's reputation is 0.5. A claim that is confirmed here moves it up by a fiftieth of what is missing to 1,
%% one that is inflated takes it times 0.7, a signature over what is no genotype times 0.5; below 0.1 the key is
%% banned. After n lies it is never more than 0.7^n again. After seven lies no honest claim restores a key.
%%
%% Each realm has a process of its own, so that none waits for another. Where the application's `data_dir' is set, what is known
%% of a realm is kept in files there, and what was decided and refused is written to an audit ({@link decisions/1}). See
%% {@link subscribe/1} for events as they happen; where the application `telemetry' is loaded, a refusal is its event
%% `[cambrian, mesh, rejected]' as well.
-module(cambrian_trust).

-export([open/2, reset/2, check/2, check/3, check_record/2, follow/2, amend/2, charter/1, checked/3, accepted/2, ban/2, ban/3, unban/2,
         bans/1, is_banned/2, reputation/2, report/1, overview/1, refusals/1, decisions/1, subscribe/1, unsubscribe/1, watch_bans/1, table/0,
         ask/2]).
-export_type([name/0, options/0, base_of/0, subject/0, event/0, report/0, condition/0, decision/0]).

-type name() :: binary().
-type options() :: #{capability => open | {keys, [cambrian_identity:key()]}
                                 | {signed_by, cambrian_identity:key()
                                             | #{owners := [cambrian_identity:key()], threshold := pos_integer()}}
                                 | {work, Bits :: 1..24} | {invited, [cambrian_identity:key()]},
                     rate => {PerSecond :: number(), Burst :: number()}, tolerance => number()}.
%% Not given, an option stays what it was; at first, `open', `{5, 50}' and 0.01. See {@link open/2}.

-type base_of() :: cambrian_admission:base_of().
%% Finds what an envelope is a difference to.

-type subject() :: {key, cambrian_identity:key() | Digits :: unicode:chardata() | cambrian_identity:name()}
                 | {genotype, cambrian_genotype:id() | Digits :: unicode:chardata() | cambrian_genotype:genotype()}.
%% `Digits' are the 64 hexadecimal ones that the audit and the dashboard show. By its name, a key that is known in the realm:
%% `{error, {unknown_name, Name}}' where none is, and `{error, {ambiguous_name, Name}}' where several have it.

-type event() :: {refused, cambrian_audit:refusal()} | {banned, cambrian_bans:ban()}
               | {unbanned, cambrian_bans:subject()}
               | {purged, #{population := term(), leaving := non_neg_integer(), atom() => term()}}
               | {followed, #{old := cambrian_identity:key(), new := cambrian_identity:key(), time := integer()}}
               | {amended, cambrian_charter:charter()}.
%% `origin' and `genotype' of a refusal are those claimed, or `undefined'. A population of this node was `purged' of what is
%% banned: see {@link cambrian_population:purge/2}.

-type report() :: #{realm := name(), capability := cambrian_realm:capability() | closed | unknown, rate := {number(), number()},
                    tolerance := number(), origins := #{cambrian_identity:key() => #{name := cambrian_identity:name(), atom() => term()}},
                    bans := [#{name => cambrian_identity:name(), atom() => term()}], retired := #{cambrian_identity:key() => cambrian_identity:key()},
                    owners := none | #{owners := [cambrian_identity:key()], threshold := pos_integer()}, charter := none | binary(),
                    refused := #{Reason :: atom() => pos_integer()}, last := [cambrian_audit:refusal()], condition := condition()}.
%% `capability' is `closed' or `unknown' where the `condition' says that of the realm. Of each origin its
%% `cambrian_origin:standing()', and of each `cambrian_bans:ban()' that, with the `name' of the key. `charter' is
%% what {@link cambrian_charter:read/1} reads.
%% Times are in ms since 1970; `last' has the last refusals, at most 100, the last one first.

-type condition() :: unknown | cambrian_realm_server:condition().
%% What came of the realm's files when they were read. `sound'; `{fell_back, Damaged}' where the newest was damaged and the one
%% before it was taken: bans and standings of the last moments before that are lost; `{closed, Damaged}' where none was whole:
%% the realm refuses everything as `realm_damaged' until {@link reset/2}. `{closed, {Reason, File}}' where they cannot be read.
%% `unknown' where no such realm is known on this node: compare its name with {@link cambrian_bridge:realms/0}.

-type decision() :: #{time := binary(), what := binary(), details := #{binary() => binary()}}.
%% `time' is UTC, as in `2026-05-04T09:12:07.123Z'. Keys and ids in `details' are in hexadecimal.

-define(IN_WORDS, [{error_info, #{module => cambrian_ban_subject}}]).

%% @doc Makes a realm known here, and starts the application if it does not run; or changes its options: what is known of its
%% origins, and its bans, stay.
%%
%% `capability' says who may publish: `open' for everybody, `{keys, Keys}', `{signed_by, Key}' for those whom the
%% owner of that key let ({@link cambrian_identity:grant/4}); `{signed_by, #{owners => Keys, threshold => N}}' names several
%% owners, N of whom must sign. These are the first owners: later ones are named by charters ({@link amend/2}), which stay as
%% long as the first owners are the same. `{work, Bits}' is for whoever shows that its key cost 2^Bits hashes; `{invited, Keys}'
%% for these and whom one of them, or a key that has earned its place here, signed a grant for. `rate' is `{PerSecond, Burst}', for each origin.
%% `tolerance' is how much more than is measured may be claimed, relative to the larger of the two; a task that is not
%% the same every time needs more than the default.
%%
%% ```
%% 1> cambrian_trust:open(<<"org.example.lab">>, #{capability => {keys, [<<1:256>>]}, rate => {1, 10}}).
%% ok
%% 2> cambrian_trust:open(<<"org.example.lab">>, #{tolerance => 0.1}).
%% ok
%% 3> maps:with([capability, rate, tolerance], cambrian_trust:report(<<"org.example.lab">>)) =:=
%%      #{capability => {keys, [<<1:256>>]}, rate => {1, 10}, tolerance => 0.1}.
%% true
%% 4> cambrian_trust:open(<<"org.example.lab">>, #{rate => 5}).
%% {error,{bad_option,{rate,5,<<"{PerSecond, Burst}, more than 0 and at least 1">>}}}
%% '''
-spec open(name(), options()) -> ok | {error, term()}.
open(Realm, Options) when is_binary(Realm), byte_size(Realm) =< 255 ->
    case cambrian_options:check(Options, table(), <<"type cambrian_trust:options()">>) of
        {ok, Checked} ->
            case cambrian_running:ensure() of
                ok -> call_new(Realm, {open, Checked});
                Error -> Error
            end;
        Error -> Error
    end;
open(Realm, _Options) ->
    {error, {bad_option, {realm, Realm, <<"a binary of at most 255 bytes">>}}}.

%% @doc Opens a realm anew that is closed because none of its files is whole. Its bans and standings are lost: copy a backup of
%% its directory back, or look at {@link decisions/1} for what was banned, before you do this. `capability' must be given, as it
%% is lost, too. The damaged files stay, as `*.torn'.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:reset(<<"org.example.lab">>, #{capability => open}).
%% {error,{not_damaged,<<"org.example.lab">>}}
%% 3> cambrian_trust:reset(<<"org.example.lab">>, #{}).
%% {error,{missing_options,[capability]}}
%% '''
-spec reset(name(), options()) -> ok | {error, term()}.
reset(Realm, Options) when is_binary(Realm) ->
    case cambrian_options:check(Options, table(), <<"type cambrian_trust:options()">>) of
        {ok, #{capability := _} = Checked} -> call(Realm, {reset, Checked}, {error, {unknown_realm, Realm}});
        {ok, _} -> {error, {missing_options, [capability]}};
        Error -> Error
    end.

%% @private What the options are checked by.
-spec table() -> cambrian_options:table().
table() -> cambrian_realm:table().

%%% ---- what arrives -----------------------------------------------------------------------

%% @doc Reads an envelope from a stranger: size, shape, version, realm, age, replay, bans, capability, rate, signature,
%% bounded decompression, validity, id. The first no ends it; what costs is done in the process of the caller. The
%% answer has the claims, of which the fitness is still one; what was signed is remembered for {@link cambrian:lineage/1}.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% {error,malformed}
%% 3> cambrian_trust:check(<<"org.example.else">>, <<"from a stranger">>).
%% {error,{unknown_realm,<<"org.example.else">>}}
%% '''
-spec check(name(), Bytes :: term()) ->
          {ok, cambrian_genotype:genotype(), cambrian_envelope:read()} | {error, Reason :: term()}.
check(Realm, Bytes) -> check(Realm, Bytes, fun(_) -> error end).

%% @doc The same for one that may be a difference to a genotype that is here. `BaseOf' is asked only for what was
%% signed.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7).
%% 3> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1).
%% 4> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1, sequence => 1,
%%        time => erlang:system_time(millisecond)}, Grown, G, <<1:256>>).
%% 5> {error, {missing_base, Id}} = cambrian_trust:check(<<"org.example.lab">>, Bytes).
%% 6> {ok, Copy, _} = cambrian_trust:check(<<"org.example.lab">>, Bytes, fun(Base) when Base =:= Id -> {ok, G} end).
%% 7> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(Grown).
%% true
%% '''
-spec check(name(), Bytes :: term(), base_of()) ->
          {ok, cambrian_genotype:genotype(), cambrian_envelope:read()} | {error, Reason :: term()}.
check(Realm, Bytes, BaseOf) when is_binary(Realm), is_function(BaseOf, 1) ->
    case cambrian_admission:envelope(Bytes, BaseOf, fun ask_for/2, Realm) of
        {{ok, Genotype, #{genotype := Id} = Claims}, Realm} ->
            {ok, Envelope, _} = cambrian_envelope:read(Bytes),
            cambrian_lineage:received(Id, cambrian_envelope:record(Envelope)),
            {ok, Genotype, Claims};
        {Error, Realm} -> Error
    end.

%% @doc The same for claims and signature without the genotype ({@link cambrian_envelope:record/1}): whether who claims
%% it may, and did. Like an envelope, it is taken once, and counts for its origin's rate.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1, sequence => 1,
%%        time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 4> {ok, Envelope, Claims} = cambrian_envelope:read(Bytes).
%% 5> Record = cambrian_envelope:record(Envelope).
%% 6> {ok, Claims} =:= cambrian_trust:check_record(<<"org.example.lab">>, Record).
%% true
%% 7> cambrian_trust:check_record(<<"org.example.lab">>, Record).
%% {error,replay}
%% '''
-spec check_record(name(), Bytes :: term()) -> {ok, cambrian_envelope:read()} | {error, Reason :: term()}.
check_record(Realm, Bytes) when is_binary(Realm) ->
    {Answer, Realm} = cambrian_admission:record(Bytes, fun ask_for/2, Realm),
    Answer.

ask_for(Request, Realm) -> {ask(Realm, Request), Realm}.

%% @doc Takes a certificate of succession ({@link cambrian_identity:succession/2}): from now on the new key has the
%% reputation, the capability and the sequence of the old one, which is refused; if that owns the realm, the new one does. The
%% first successor stays the one. A realm that is not open takes none of keys that may not publish there (`not_permitted').
%%
%% One that is followed is not looked at again, and at most 10 a second are verified for a key that has earned a name or may
%% publish in a closed realm, and 10 for all others together (`rate_limited'). Of others, a tenth of 10,000 successions is
%% remembered, and none is forgotten for a new one (`too_many_successions') within a month.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:follow(<<"org.example.lab">>, cambrian_identity:succession(<<1:256>>, <<2:256>>)).
%% ok
%% 3> cambrian_trust:follow(<<"org.example.lab">>, cambrian_identity:succession(<<1:256>>, <<3:256>>)).
%% {error,already_succeeded}
%% '''
-spec follow(name(), binary()) -> ok | {error, Reason :: term()}.
follow(Realm, Bytes) when is_binary(Realm), is_binary(Bytes) ->
    case cambrian_admission:succession(Bytes, fun cambrian_admission:every_time/2, fun ask_for/2, Realm) of
        {known, Realm} -> ok;
        {Answer, Realm} -> Answer
    end.

%% @doc Takes a charter of the realm ({@link cambrian_charter}), which the owners of the realm and those that it names must have
%% signed: from now on it says who owns the realm and what is revoked. {@link cambrian_bridge:publish_charter/1} tells others
%% at once; given here, it is told when a bridge next tells of charters, within a quarter of an hour.
%%
%% ```
%% 1> Owner = cambrian_identity:public_key(<<1:256>>).
%% 2> ok = cambrian_trust:open(<<"org.example.lab">>, #{capability => {signed_by, Owner}}).
%% 3> Charter = #{realm => <<"org.example.lab">>, number => 2, owners => [Owner]}.
%% 4> {ok, Bytes} = cambrian_charter:seal(Charter, <<1:256>>).
%% 5> cambrian_trust:amend(<<"org.example.lab">>, Bytes).
%% ok
%% 6> {ok, Older} = cambrian_charter:seal(Charter#{number := 1}, <<1:256>>).
%% 7> cambrian_trust:amend(<<"org.example.lab">>, Older).
%% {error,superseded}
%% 8> {ok, Forged} = cambrian_charter:seal(Charter#{number := 3}, <<2:256>>).
%% 9> cambrian_trust:amend(<<"org.example.lab">>, Forged).
%% {error,not_permitted}
%% '''
-spec amend(name(), binary()) -> ok | {error, Reason :: term()}.
amend(Realm, Bytes) when is_binary(Realm), is_binary(Bytes) ->
    case cambrian_admission:charter(Bytes, fun cambrian_admission:every_time/2, fun ask_for/2, Realm) of
        {same, Realm} -> ok;
        {older, Realm} -> {error, superseded};
        {Answer, Realm} -> Answer
    end.

%% @doc The charter that counts, as bytes.
%%
%% ```
%% 1> cambrian_trust:charter(<<"org.example.unknown">>).
%% none
%% '''
-spec charter(name()) -> binary() | none.
charter(Realm) when is_binary(Realm) -> maps:get(charter, overview(Realm)).

%% @doc Tells what was measured here of a claim, which moves its origin's reputation.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:checked(<<"org.example.lab">>, #{origin => <<1:256>>, fitness => 3.0}, 2.99).
%% confirmed
%% 3> cambrian_trust:checked(<<"org.example.lab">>, #{origin => <<1:256>>, fitness => 3.0}, 2.9).
%% inflated
%% '''
-spec checked(name(), #{origin := cambrian_identity:key(), fitness := number(), atom() => term()},
              Measured :: number()) ->
          confirmed | inflated | {error, {unknown_realm | realm_damaged | realm_unavailable, name()}}.
checked(Realm, #{origin := <<_:32/binary>> = Origin, fitness := Claimed}, Measured) when is_binary(Realm) ->
    ask(Realm, {checked, Origin, float(Claimed), float(Measured)}).

%% @private A population took in what this origin sent.
-spec accepted(name(), cambrian_identity:key()) -> ok | {error, {unknown_realm, name()}}.
accepted(Realm, Origin) -> ask(Realm, {accepted, Origin}).

%%% ---- bans -------------------------------------------------------------------------------

%% @doc The same as {@link ban/3} without a reason.
-spec ban(name(), subject()) -> ok | {error, term()}.
ban(Realm, Subject) -> ban(Realm, Subject, <<>>).

%% @doc From now on, nothing of this key, or of the heir that it named, is taken; or this genotype from nobody. An error
%% that names a file means that the ban holds, but would not survive a restart.
%%
%% What the populations of this node's bridge took in of it leaves them with the next generation, and so does all that carries
%% its genes ({@link cambrian_population:purge/2}), unless the bridge's option `purge' is `false'. A ban by reputation does not
%% reach back.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:ban(<<"org.example.lab">>, {genotype, <<7:256>>}, <<"it shakes the arm">>).
%% ok
%% 3> [#{what := {genotype, <<7:256>>}, reason := Reason, by := By}] = cambrian_trust:bans(<<"org.example.lab">>).
%% 4> {Reason, By}.
%% {<<"it shakes the arm">>,user}
%% 5> cambrian_trust:ban(<<"org.example.lab">>, {key, <<"lusab-bovik">>}).
%% {error,{unknown_name,<<"lusab-bovik">>}}
%% '''
%%
%% What is none of these raises `badarg', and says which argument it was.
-spec ban(name(), subject(), Reason :: unicode:chardata()) ->
          ok | {error, too_many_bans | {unknown_realm | realm_damaged | realm_unavailable, name()}
                     | {unknown_name | ambiguous_name, cambrian_identity:name()}
                     | cambrian_file:error()}.
ban(Realm, Subject, Reason) ->
    case {cambrian_ban_subject:read(Subject), cambrian_ban_subject:reason(Reason)} of
        {{ok, Whom}, {ok, Text}} when is_binary(Realm) -> ask(Realm, {ban, Whom, Text});
        _ -> error(badarg, [Realm, Subject, Reason], ?IN_WORDS)
    end.

%% @doc Ends a ban; a key starts anew, at 0.5.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> ok = cambrian_trust:ban(<<"org.example.lab">>, {key, <<7:256>>}).
%% 3> cambrian_trust:unban(<<"org.example.lab">>, {key, <<7:256>>}).
%% ok
%% 4> cambrian_trust:bans(<<"org.example.lab">>).
%% []
%% '''
-spec unban(name(), subject()) ->
          ok | {error, {unknown_realm | realm_damaged | realm_unavailable, name()}
                     | {unknown_name | ambiguous_name, cambrian_identity:name()} | cambrian_file:error()}.
unban(Realm, Subject) ->
    case cambrian_ban_subject:read(Subject) of
        {ok, Whom} when is_binary(Realm) -> ask(Realm, {unban, Whom});
        _ -> error(badarg, [Realm, Subject], ?IN_WORDS)
    end.

%% @doc Who and what is banned, the oldest ban first; `by' is `user', or `reputation' for a key that lied too often.
%%
%% ```
%% 1> cambrian_trust:bans(<<"org.example.unknown">>).
%% []
%% '''
-spec bans(name()) -> [#{name => cambrian_identity:name(), atom() => term()}].
bans(Realm) -> maps:get(bans, report(Realm)).

%% @private
%% Sends `{cambrian_trust, Realm, {banned, Ban}}' to the caller for each ban from now on, and answers with what is banned by
%% now. When the process that it answers with dies, it is to be asked again.
-spec watch_bans(name()) -> {ok, pid(), #{keys := [cambrian_identity:key()], genotypes := [cambrian_genotype:id()]}} | error.
watch_bans(Realm) ->
    case call(Realm, {watch_bans, self()}, error) of
        Server when is_pid(Server) -> {ok, Server, ask(Realm, {banned, all})};
        _ -> error
    end.

%% @private
-spec is_banned(name(), cambrian_bans:subject()) -> boolean().
is_banned(Realm, Subject) -> call(Realm, {ask, {is_banned, Subject}}, false) =/= false.

%%% ---- asking -----------------------------------------------------------------------------

%% @doc What the word of a key is worth, from 0 to 1.
%%
%% ```
%% 1> cambrian_trust:reputation(<<"org.example.lab">>, <<1:256>>).
%% 0.5
%% '''
-spec reputation(name(), cambrian_identity:key()) -> float().
reputation(Realm, <<_:32/binary>> = Key) when is_binary(Realm) ->
    case call(Realm, {reputation, Key}, 0.5) of
        {error, _} -> 0.0;
        Reputation -> Reputation
    end.

%% @doc All that is known of a realm.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {error, malformed} = cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% 3> maps:with([origins, bans, refused], cambrian_trust:report(<<"org.example.lab">>)).
%% #{bans => [],origins => #{},refused => #{malformed => 1}}
%% 4> maps:with([capability, condition], cambrian_trust:report(<<"org.example.lap">>)).
%% #{capability => unknown,condition => unknown}
%% '''
-spec report(name()) -> report().
report(Realm) when is_binary(Realm) ->
    {Packed, Facts} = case call(Realm, report, {[], no_facts(unknown)}) of
                          {error, Reason} -> {[], no_facts({closed, Reason})};
                          Answer -> Answer
                      end,
    #{origins := Origins, bans := Bans} = Report = unpacked(Packed, Realm, Facts),
    Named = fun(Key, Standing) -> Standing#{name => cambrian_identity:name(Key)} end,
    maps:merge(Report#{origins := maps:map(Named, Origins), bans := with_names(Bans)}, Facts).

unpacked([], Realm, #{condition := Condition}) ->
    Report = cambrian_realm:report(cambrian_realm:new(#{name => Realm})),
    Report#{capability := case Condition of {closed, _} -> closed; _ -> unknown end};
unpacked(Packed, _Realm, _Facts) -> cambrian_realm:report(cambrian_realm_file:unpack(Packed)).

no_facts(Condition) -> #{condition => Condition, last => [], owners => none, charter => none}.

with_names(Bans) -> [with_name(Ban) || Ban <- Bans].

with_name(#{what := {key, Key}} = Ban) -> Ban#{name => cambrian_identity:name(Key)};
with_name(Ban) -> Ban.

%% @private What a report has without origins: for who asks often.
-spec overview(name()) -> #{bans := [map()], refused := #{atom() => pos_integer()}, last := [cambrian_audit:refusal()],
                            owners := none | cambrian_keyring:owners(), charter := none | binary(), condition := condition()}.
overview(Realm) ->
    Nothing = (no_facts(unknown))#{bans => [], refused => #{}},
    case call(Realm, overview, Nothing) of
        {error, Reason} -> Nothing#{condition := {closed, Reason}};
        #{bans := Bans} = Overview -> Overview#{bans := with_names(Bans)}
    end.

%% @doc What was refused last, and why; at most 100 since the application started, the last one first.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {error, malformed} = cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% 3> [#{reason := Reason, origin := Origin}] = cambrian_trust:refusals(<<"org.example.lab">>), {Reason, Origin}.
%% {malformed,undefined}
%% '''
-spec refusals(name()) -> [cambrian_audit:refusal()].
refusals(Realm) when is_binary(Realm) ->
    case call(Realm, last, []) of
        {error, _} -> [];
        Last -> Last
    end.

%% @doc What people decided for a realm on this node, the oldest first: bans, options, what was found damaged; from its files,
%% which only decisions are in, so that nothing that others send pushes one out. They are there for the last 8 MiB. Where a
%% line was changed or lost, `Damaged' names the file, and has the line from which on it does not hold. Without a `data_dir'
%% there are none.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> ok = cambrian_trust:ban(<<"org.example.lab">>, {genotype, <<7:256>>}, <<"it shakes the arm">>).
%% 3> cambrian_trust:decisions(<<"org.example.lab">>).
%% {ok,[],[]}
%% '''
-spec decisions(name()) ->
          {ok, [decision()], Damaged :: [cambrian_audit_log:damage()]}
        | {error, cambrian_file:error() | cambrian_data_dir:error()}.
decisions(Realm) when is_binary(Realm) ->
    _ = [cambrian_audit:written(Writer) || Writer <- [call(Realm, writer, none)], is_pid(Writer)],
    case cambrian_realm_file:dir(Realm) of
        none -> {ok, [], []};
        {ok, Dir} -> cambrian_audit:read(Dir, decisions);
        Error -> Error
    end.

%% @doc Sends `{cambrian_trust, Realm, Event}' to the caller from now on; see {@link event()}. One that does not read
%% its messages loses some.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> ok = cambrian_trust:subscribe(<<"org.example.lab">>).
%% 3> {error, malformed} = cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% 4> receive {cambrian_trust, _, {refused, #{reason := Reason}}} -> Reason end.
%% malformed
%% '''
-spec subscribe(name()) -> ok | {error, {unknown_realm, name()}}.
subscribe(Realm) when is_binary(Realm) -> ask(Realm, {subscribe, self()}).

%% @doc No more events for the caller.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> ok = cambrian_trust:subscribe(<<"org.example.lab">>).
%% 3> cambrian_trust:unsubscribe(<<"org.example.lab">>).
%% ok
%% '''
-spec unsubscribe(name()) -> ok | {error, {unknown_realm, name()}}.
unsubscribe(Realm) when is_binary(Realm) -> ask(Realm, {unsubscribe, self()}).

%% @private
%% A slow disk is waited for. A refusal becomes an event of telemetry here: its handlers are others' code, which the
%% server must not run. Of a realm that cannot answer nothing is let in.
-spec ask(name(), cambrian_realm:request() | tuple()) -> term().
ask(Realm, Request) ->
    case call(Realm, {ask, Request}, {error, {unknown_realm, Realm}}) of
        {refused, Reason, Refusal} ->
            cambrian_telemetry:execute([cambrian, mesh, rejected], #{count => 1},
                                       (maps:with([reason, origin, genotype], Refusal))#{realm => Realm}),
            {error, Reason};
        {error, Reason} -> cambrian_realm_server:closed(Request, Reason);
        Answer -> Answer
    end.

%%% ---- the realm's process ----------------------------------------------------------------

call(Realm, Message, IfUnknown) ->
    case cambrian_realms:find(Realm) of
        {ok, Pid} -> call_it(Pid, Realm, Message);
        not_found -> IfUnknown;
        Error -> Error
    end.

call_new(Realm, Message) ->
    {ok, Pid} = cambrian_realms:start(Realm),
    call_it(Pid, Realm, Message).

%% One that crashes is there again for the next question.
call_it(Pid, Realm, Message) ->
    try gen_server:call(Pid, Message, infinity)
    catch exit:_ ->
        ok = cambrian_running:check(),
        {error, {realm_unavailable, Realm}}
    end.
