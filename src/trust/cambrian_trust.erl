%% @doc Decides which keys may publish in a realm and how far the realm trusts their claims, and
%% records why it refused something.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0,
%%        sequence => 1, time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 4> {ok, _, Claims} = cambrian_trust:check(<<"org.example.lab">>, Bytes).
%% 5> cambrian_trust:check(<<"org.example.lab">>, Bytes).
%% {error,replay}
%% 6> cambrian_trust:checked(<<"org.example.lab">>, Claims, 0.5).
%% inflated
%% 7> cambrian_trust:reputation(<<"org.example.lab">>, cambrian_identity:public_key(<<1:256>>)).
%% 0.35
%% '''
%%
%% A new origin has a reputation of 0.5. A claim that this node confirms raises it by a fiftieth of
%% the way to 1. An inflated claim multiplies it by 0.7, and a signature over bytes that are not the
%% claimed genotype by 0.5. Below 0.1 the key is banned. After n lies the reputation never exceeds
%% 0.7^n again: after seven lies no honest claim restores a key.
%%
%% Each realm has its own process, so no realm waits for another. If the application has a
%% `data_dir', files there keep the realm, and an audit of decisions and refusals ({@link
%% decisions/1}). {@link subscribe/1} sends events as they happen. If the application `telemetry' is
%% loaded, each refusal is also an event `[cambrian, mesh, rejected]'.
-module(cambrian_trust).

-export([open/2, reset/2, check/2, check/3, check_record/2, follow/2, amend/2, charter/1, checked/3,
         accepted/2, ban/2, ban/3, unban/2,
         bans/1, is_banned/2, reputation/2, report/1, overview/1, refusals/1, decisions/1,
         subscribe/1, unsubscribe/1, watch_bans/1, table/0,
         ask/2]).
-export_type([name/0, options/0, base_of/0, subject/0, event/0, report/0, condition/0, decision/0]).

-type name() :: binary().
-type options() :: #{capability => open | {keys, [cambrian_identity:key()]}
                                 | {signed_by, cambrian_identity:key()
                                             | #{owners := [cambrian_identity:key()],
                                                 threshold := pos_integer()}}
                                 | {work, Bits :: 1..24} | {invited, [cambrian_identity:key()]},
                     rate => {PerSecond :: number(), Burst :: number()}, tolerance => number()}.
%% Options you omit keep their value; the first values are `open', `{5, 50}' and 0.01. See
%% {@link open/2}.

-type base_of() :: cambrian_admission:base_of().
%% Finds the base: the genotype that the difference in an envelope refers to.

-type subject() :: {key, cambrian_identity:key() | Digits :: unicode:chardata()
                    | cambrian_identity:name()}
                 | {genotype, cambrian_genotype:id() | Digits :: unicode:chardata()
                    | cambrian_genotype:genotype()}.
%% `Digits' are the 64 hexadecimal digits that the audit and the dashboard show. A name finds a key
%% that the realm knows: `{error, {unknown_name, Name}}' if none has it, and
%% `{error, {ambiguous_name, Name}}' if several have it.

-type event() :: {refused, cambrian_audit:refusal()} | {banned, cambrian_bans:ban()}
               | {unbanned, cambrian_bans:subject()}
               | {purged, #{population := term(), leaving := non_neg_integer(), atom() => term()}}
               | {followed,
                  #{old := cambrian_identity:key(), new := cambrian_identity:key(),
                    time := integer()}}
               | {amended, cambrian_charter:charter()}.
%% `origin' and `genotype' of a refusal are claims, or `undefined'. `purged': a population of this
%% node removed banned genotypes; see {@link cambrian_population:purge/2}.

-type report() :: #{realm := name(), capability := cambrian_realm:capability() | closed | unknown,
                    rate := {number(), number()}, tolerance := number(),
                    origins := #{cambrian_identity:key() =>
                                     #{name := cambrian_identity:name(), atom() => term()}},
                    bans := [#{name => cambrian_identity:name(), atom() => term()}],
                    retired := #{cambrian_identity:key() => cambrian_identity:key()},
                    owners := none
                    | #{owners := [cambrian_identity:key()], threshold := pos_integer()},
                    charter := none | binary(),
                    refused := #{Reason :: atom() => pos_integer()},
                    last := [cambrian_audit:refusal()], condition := condition()}.
%% `capability' is `closed' or `unknown' if the `condition' of the realm is. Each origin has its
%% `cambrian_origin:standing()' and each ban its `cambrian_bans:ban()', with the `name' of the key.
%% {@link cambrian_charter:read/1} reads the `charter'. Times are in ms since 1970. `last' has at
%% most the last 100 refusals, the newest first.

-type condition() :: unknown | cambrian_realm_server:condition().
%% The result of reading the realm's files. `sound': all files are whole. `{fell_back, Damaged}':
%% the newest file was damaged, and the realm uses the file before it, so the bans and standings of
%% the last moments are lost. `{closed, Damaged}': no file was whole, and the realm refuses
%% everything with `realm_damaged' until {@link reset/2}. `{closed, {Reason, File}}': the files
%% cannot be read. `unknown': this node knows no such realm; compare the name with {@link
%% cambrian_bridge:realms/0}.

-type decision() :: #{time := binary(), what := binary(), details := #{binary() => binary()}}.
%% `time' is UTC, as in `2026-05-04T09:12:07.123Z'. Keys and ids in `details' are in hexadecimal.

-define(IN_WORDS, [{error_info, #{module => cambrian_ban_subject}}]).

%% @doc Opens a realm on this node, or changes its options; starts the application if it does not
%% run. Options you omit keep their value; bans and standings stay.
%%
%% `capability' says which keys may publish. `open': all keys. `{keys, Keys}': these keys.
%% `{signed_by, Key}': keys with a grant that the owner of `Key' signed ({@link
%% cambrian_identity:grant/4}). `{signed_by, #{owners => Keys, threshold => N}}': keys with a grant
%% that N of these owners signed. These are the first owners: charters ({@link amend/2}) name later
%% owners, and stay in force as long as the first owners are the same. `{work, Bits}': keys that
%% prove a work of 2^Bits hashes. `{invited, Keys}': these keys, and keys with a grant that one of
%% them signed, or that a key signed which earned its place on this node. `rate' is
%% `{PerSecond, Burst}' for each origin. `tolerance' is how far a claim may exceed the measured
%% fitness, relative to the larger of the two; a task whose fitness varies needs more than the
%% default.
%%
%% ```
%% 1> cambrian_trust:open(<<"org.example.lab">>,
%%                        #{capability => {keys, [<<1:256>>]}, rate => {1, 10}}).
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
                ok -> cambrian_realms:call_or_start(Realm, {open, Checked});
                Error -> Error
            end;
        Error -> Error
    end;
open(Realm, _Options) ->
    {error, {bad_option, {realm, Realm, <<"a binary of at most 255 bytes">>}}}.

%% @doc Reopens a realm that is closed because none of its files is whole. Its bans and standings
%% are lost. Before you reset it, try a backup of its directory, or look in {@link decisions/1} for
%% the bans. You must pass `capability', because it is lost too. The damaged files stay, as
%% `*.torn'.
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
        {ok, #{capability := _} = Checked} ->
            cambrian_realms:call(Realm, {reset, Checked}, {error, {unknown_realm, Realm}});
        {ok, _} -> {error, {missing_options, [capability]}};
        Error -> Error
    end.

%% @private The checks of the options.
-spec table() -> cambrian_options:table().
table() -> cambrian_realm:table().

%%% ---- messages of other nodes -------------------------------------------------------------

%% @doc Reads an envelope from a stranger. It checks size, shape, version, realm, age, replay, bans,
%% capability, rate, signature, bounded decompression, validity and id, and stops at the first
%% failure. The expensive checks run in the process of the caller. The fitness in the returned
%% claims is not verified yet. {@link cambrian:lineage/1} remembers the signed claims.
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

%% @doc Reads an envelope that may be a difference to a genotype of this node. `BaseOf' is called
%% only after the signature is verified.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 20, outputs => 5}, 7).
%% 3> {ok, Grown} = cambrian_genotype:mutate(G, add_node, 1).
%% 4> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1,
%%        sequence => 1, time => erlang:system_time(millisecond)}, Grown, G, <<1:256>>).
%% 5> {error, {missing_base, Id}} = cambrian_trust:check(<<"org.example.lab">>, Bytes).
%% 6> {ok, Copy, _} = cambrian_trust:check(<<"org.example.lab">>, Bytes,
%%                                         fun(Base) when Base =:= Id -> {ok, G} end).
%% 7> cambrian_genotype:id(Copy) =:= cambrian_genotype:id(Grown).
%% true
%% '''
-spec check(name(), Bytes :: term(), base_of()) ->
          {ok, cambrian_genotype:genotype(), cambrian_envelope:read()} | {error, Reason :: term()}.
check(Realm, Bytes, BaseOf) when is_binary(Realm), is_function(BaseOf, 1) ->
    case cambrian_admission:envelope(Bytes, BaseOf, fun ask_for/2, Realm) of
        {{ok, Genotype, #{genotype := Id} = Claims, Record}, Realm} ->
            cambrian_lineage:received(Id, Record),
            {ok, Genotype, Claims};
        {Error, Realm} -> Error
    end.

%% @doc Checks a record: claims and signature without the genotype ({@link
%% cambrian_envelope:record/1}). The result says whether the origin may claim this, and did. Like an
%% envelope, a record is accepted only once, and counts for the rate of its origin.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 1,
%%        sequence => 1, time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 4> {ok, Envelope, Claims} = cambrian_envelope:read(Bytes).
%% 5> Record = cambrian_envelope:record(Envelope).
%% 6> {ok, Claims} =:= cambrian_trust:check_record(<<"org.example.lab">>, Record).
%% true
%% 7> cambrian_trust:check_record(<<"org.example.lab">>, Record).
%% {error,replay}
%% '''
-spec check_record(name(), Bytes :: term()) ->
          {ok, cambrian_envelope:read()} | {error, Reason :: term()}.
check_record(Realm, Bytes) when is_binary(Realm) ->
    {Answer, Realm} = cambrian_admission:record(Bytes, fun ask_for/2, Realm),
    Answer.

ask_for(Request, Realm) -> {ask(Realm, Request), Realm}.

%% @doc Follows a certificate of succession ({@link cambrian_identity:succession/2}). From now on
%% the new key has the reputation, the capability and the sequence numbers of the old key, and owns
%% the realm if the old key did. The old key is refused. A later successor of the same key is
%% refused. A realm that is not open follows no succession of a key that may not publish there
%% (`not_permitted').
%%
%% A certificate that the realm already follows is not verified again. Per second, the realm
%% verifies at most 10 certificates of each key that earned its place, or may publish in a closed
%% realm, and 10 of all other keys together (`rate_limited'). The successions of the other keys take
%% at most a tenth of the room for 10,000, and none of them is forgotten for a new one within a
%% month (`too_many_successions').
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:follow(<<"org.example.lab">>,
%%                          cambrian_identity:succession(<<1:256>>, <<2:256>>)).
%% ok
%% 3> cambrian_trust:follow(<<"org.example.lab">>,
%%                          cambrian_identity:succession(<<1:256>>, <<3:256>>)).
%% {error,already_succeeded}
%% '''
-spec follow(name(), binary()) -> ok | {error, Reason :: term()}.
follow(Realm, Bytes) when is_binary(Realm), is_binary(Bytes) ->
    case cambrian_admission:succession(Bytes, fun cambrian_admission:every_time/2, fun ask_for/2,
                                       Realm) of
        {known, Realm} -> ok;
        {Answer, Realm} -> Answer
    end.

%% @doc Adopts a charter of the realm ({@link cambrian_charter}), signed by the present owners and
%% by the owners that it names. From now on the charter says who owns the realm and what is revoked.
%% {@link cambrian_bridge:publish_charter/1} sends a charter to others at once; after `amend', a
%% bridge sends it within a quarter of an hour.
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
    case cambrian_admission:charter(Bytes, fun cambrian_admission:every_time/2, fun ask_for/2,
                                    Realm) of
        {same, Realm} -> ok;
        {older, Realm} -> {error, superseded};
        {Answer, Realm} -> Answer
    end.

%% @doc The present charter, as bytes. Raises `{unknown_realm, Realm}' for a realm that was not
%% opened on this node, and `{realm_damaged, Realm}' for a closed realm.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:charter(<<"org.example.lab">>).
%% none
%% '''
-spec charter(name()) -> binary() | none.
charter(Realm) when is_binary(Realm) -> maps:get(charter, known_overview(Realm)).

%% @doc Reports the measured fitness of a claim. This changes the reputation of the claim's origin.
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
          confirmed | inflated
          | {error, {unknown_realm | realm_damaged | realm_unavailable, name()}}.
checked(Realm, #{origin := <<_:32/binary>> = Origin, fitness := Claimed}, Measured)
  when is_binary(Realm) ->
    ask(Realm, {checked, Origin, float(Claimed), float(Measured)}).

%% @private Reports that a population took in a genotype of this origin.
-spec accepted(name(), cambrian_identity:key()) -> ok | {error, {unknown_realm, name()}}.
accepted(Realm, Origin) -> ask(Realm, {accepted, Origin}).

%%% ---- bans -------------------------------------------------------------------------------

%% @doc Bans a key or a genotype without a reason. See {@link ban/3}.
-spec ban(name(), subject()) -> ok | {error, term()}.
ban(Realm, Subject) -> ban(Realm, Subject, <<>>).

%% @doc Bans a key and its heir, or a genotype from any sender. An error that names a file means
%% that the ban is in force, but would not survive a restart.
%%
%% In their next generation, the populations of this node's bridge remove the genotypes that they
%% took in from the banned subject, and all descendants ({@link cambrian_population:purge/2}),
%% unless the option `purge' of the bridge is `false'. A ban by reputation does not remove earlier
%% genotypes.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:ban(<<"org.example.lab">>, {genotype, <<7:256>>}, <<"it shakes the arm">>).
%% ok
%% 3> [#{what := {genotype, <<7:256>>}, reason := Reason, by := By}] =
%%     cambrian_trust:bans(<<"org.example.lab">>).
%% 4> {Reason, By}.
%% {<<"it shakes the arm">>,user}
%% 5> cambrian_trust:ban(<<"org.example.lab">>, {key, <<"lusab-bovik">>}).
%% {error,{unknown_name,<<"lusab-bovik">>}}
%% '''
%%
%% Any other subject raises `badarg' and shows which argument is wrong.
-spec ban(name(), subject(), Reason :: unicode:chardata()) ->
          ok | {error, too_many_bans | {unknown_realm | realm_damaged | realm_unavailable, name()}
                     | {unknown_name | ambiguous_name, cambrian_identity:name()}
                     | cambrian_file:error()}.
ban(Realm, Subject, Reason) ->
    case {cambrian_ban_subject:read(Subject), cambrian_ban_subject:reason(Reason)} of
        {{ok, Whom}, {ok, Text}} when is_binary(Realm) -> ask(Realm, {ban, Whom, Text});
        _ -> error(badarg, [Realm, Subject, Reason], ?IN_WORDS)
    end.

%% @doc Ends a ban. A key starts again with a reputation of 0.5.
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
                     | {unknown_name | ambiguous_name, cambrian_identity:name()}
                     | cambrian_file:error()}.
unban(Realm, Subject) ->
    case cambrian_ban_subject:read(Subject) of
        {ok, Whom} when is_binary(Realm) -> ask(Realm, {unban, Whom});
        _ -> error(badarg, [Realm, Subject], ?IN_WORDS)
    end.

%% @doc The banned keys and genotypes, the oldest ban first. `by' is `user', or `reputation' for a
%% key that lied too often. Raises `{unknown_realm, Realm}' for a realm that was not opened on
%% this node, and `{realm_damaged, Realm}' for a closed realm.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:bans(<<"org.example.lab">>).
%% []
%% '''
-spec bans(name()) -> [#{name => cambrian_identity:name(), atom() => term()}].
bans(Realm) -> maps:get(bans, known_overview(Realm)).

%% An empty answer for a misspelt or unreadable realm would look like a fact, so this raises.
known_overview(Realm) ->
    case overview(Realm) of
        #{condition := unknown} -> error({unknown_realm, Realm});
        #{condition := {closed, Damaged}} when is_list(Damaged) -> error({realm_damaged, Realm});
        #{condition := {closed, Reason}} -> error(Reason);
        Overview -> Overview
    end.

%% @private
%% Sends `{cambrian_trust, Realm, {banned, Ban}}' to the caller for each ban from now on, and
%% returns the present bans. When the returned process dies, call this again.
-spec watch_bans(name()) ->
          {ok, pid(), #{keys := [cambrian_identity:key()], genotypes := [cambrian_genotype:id()]}}
          | error.
watch_bans(Realm) ->
    case cambrian_realms:call(Realm, {watch_bans, self()}, error) of
        Server when is_pid(Server) -> {ok, Server, ask(Realm, {banned, all})};
        _ -> error
    end.

%% @private
-spec is_banned(name(), cambrian_bans:subject()) -> boolean().
is_banned(Realm, Subject) ->
    cambrian_realms:call(Realm, {ask, {is_banned, Subject}}, false) =/= false.

%%% ---- queries ----------------------------------------------------------------------------

%% @doc The reputation of a key, from 0 to 1. In a closed realm each key has 0.0. Raises
%% `{unknown_realm, Realm}' for a realm that was not opened on this node.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> cambrian_trust:reputation(<<"org.example.lab">>, <<1:256>>).
%% 0.5
%% '''
-spec reputation(name(), cambrian_identity:key()) -> float().
reputation(Realm, <<_:32/binary>> = Key) when is_binary(Realm) ->
    case cambrian_realms:call(Realm, {reputation, Key}, unknown) of
        unknown -> error({unknown_realm, Realm});
        {error, _} -> 0.0;
        Reputation -> Reputation
    end.

%% @doc Everything that this node knows of a realm.
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
    {Packed, Facts} = case cambrian_realms:call(Realm, report, {[], no_facts(unknown)}) of
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

%% @private A report without origins, for frequent callers.
-spec overview(name()) ->
          #{bans := [map()], refused := #{atom() => pos_integer()},
            last := [cambrian_audit:refusal()], owners := none | cambrian_keyring:owners(),
            charter := none | binary(), condition := condition()}.
overview(Realm) ->
    Nothing = (no_facts(unknown))#{bans => [], refused => #{}},
    case cambrian_realms:call(Realm, overview, Nothing) of
        {error, Reason} -> Nothing#{condition := {closed, Reason}};
        #{bans := Bans} = Overview -> Overview#{bans := with_names(Bans)}
    end.

%% @doc The last refusals with their reasons: at most 100 since the application started, the newest
%% first. Raises `{unknown_realm, Realm}' for a realm that was not opened on this node.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {error, malformed} = cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% 3> [#{reason := Reason, origin := Origin}] = cambrian_trust:refusals(<<"org.example.lab">>),
%% {Reason, Origin}.
%% {malformed,undefined}
%% '''
-spec refusals(name()) -> [cambrian_audit:refusal()].
refusals(Realm) when is_binary(Realm) ->
    case cambrian_realms:call(Realm, last, {error, {unknown_realm, Realm}}) of
        {error, Reason} -> error(Reason);
        Last -> Last
    end.

%% @doc The decisions of people for a realm on this node, the oldest first: bans and options, and
%% also the damage that the node found. Separate files hold the decisions, so messages of other
%% nodes never remove one. The last 8 MiB are kept. If a line was changed or lost, `Damaged' names
%% the file and the first wrong line. Without a `data_dir' the list is empty.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> ok =
%%     cambrian_trust:ban(<<"org.example.lab">>, {genotype, <<7:256>>}, <<"it shakes the arm">>).
%% 3> cambrian_trust:decisions(<<"org.example.lab">>).
%% {ok,[],[]}
%% '''
-spec decisions(name()) ->
          {ok, [decision()], Damaged :: [cambrian_audit_log:damage()]}
        | {error, {unknown_realm, name()} | cambrian_file:error() | cambrian_data_dir:error()}.
decisions(Realm) when is_binary(Realm) ->
    case cambrian_realms:call(Realm, writer, unknown) of
        unknown -> {error, {unknown_realm, Realm}};
        Writer ->
            _ = [cambrian_audit:written(Writer) || is_pid(Writer)],
            written_decisions(cambrian_realm_file:dir(Realm))
    end.

written_decisions(none) -> {ok, [], []};
written_decisions({ok, Dir}) -> cambrian_audit:read(Dir, decisions);
written_decisions(Error) -> Error.

%% @doc Sends `{cambrian_trust, Realm, Event}' to the caller from now on; see {@link event()}. A
%% slow caller loses events.
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

%% @doc Stops the events for the caller.
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
%% Waits for a slow disk. A refusal becomes a telemetry event in the caller and not in the server,
%% because telemetry handlers are foreign code. A realm that cannot answer admits nothing.
-spec ask(name(), cambrian_realm:request() | tuple()) -> term().
ask(Realm, Request) ->
    case cambrian_realms:call(Realm, {ask, Request}, {error, {unknown_realm, Realm}}) of
        {refused, Reason, Refusal} ->
            Known = maps:with([reason, origin, genotype], Refusal),
            cambrian_telemetry:execute([cambrian, mesh, rejected], #{count => 1},
                                       Known#{realm => Realm}),
            {error, Reason};
        {error, Reason} -> cambrian_realm_server:closed(Request, Reason);
        Answer -> Answer
    end.
