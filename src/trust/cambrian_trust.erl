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
%% banned. After n lies it is never more than 0.7^n again, so that no truths make good for seven.
%%
%% What is known of a realm stays after a restart where the application's `data_dir' is set, and every refusal is a line
%% in the files `audit.*' there. See {@link subscribe/1} for events as they happen; where the application `telemetry' is
%% loaded, a refusal is its event `[cambrian, mesh, rejected]' as well.
-module(cambrian_trust).
-behaviour(gen_server).

-export([start_link/0, open/2, check/2, check/3, check_record/2, follow/2, checked/3, accepted/2, ban/2, ban/3, unban/2,
         bans/1, is_banned/2, reputation/2, report/1, refusals/1, subscribe/1, unsubscribe/1, watch_bans/1, table/0, ask/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([name/0, options/0, base_of/0, subject/0, event/0, report/0]).

-type name() :: binary().
-type options() :: #{capability => open | {keys, [cambrian_identity:key()]} | {signed_by, cambrian_identity:key()},
                     rate => {PerSecond :: number(), Burst :: number()}, tolerance => number()}.
%% Not given, an option stays what it was; at first, `open', `{5, 50}' and 0.01. See {@link open/2}.

-type base_of() :: cambrian_admission:base_of().
%% Finds what an envelope is a difference to.

-type subject() :: {key, cambrian_identity:key() | cambrian_identity:name()} | {genotype, cambrian_genotype:id()}.
%% By its name, a key that is known in the realm: `{error, {unknown_name, Name}}' where none is, and
%% `{error, {ambiguous_name, Name}}' where several have it.

-type event() :: {refused, cambrian_audit:refusal()} | {banned, cambrian_realm:ban()}
               | {unbanned, cambrian_realm:subject()}
               | {purged, #{population := term(), leaving := non_neg_integer(), atom() => term()}}
               | {followed, #{old := cambrian_identity:key(), new := cambrian_identity:key(), time := integer()}}.
%% `origin' and `genotype' of a refusal are those claimed, or `undefined'. A population of this node was `purged' of what is
%% banned: see {@link cambrian_population:purge/2}.

-type report() :: #{realm := name(), capability := cambrian_realm:capability(), rate := {number(), number()},
                    tolerance := number(), origins := #{cambrian_identity:key() => #{name := cambrian_identity:name(), atom() => term()}},
                    bans := [#{name => cambrian_identity:name(), atom() => term()}], retired := #{cambrian_identity:key() => cambrian_identity:key()},
                    refused := #{Reason :: atom() => pos_integer()}, last := [cambrian_audit:refusal()]}.
%% Of each origin its `cambrian_realm:standing()', and of each `cambrian_realm:ban()' that, with the `name' of the key.
%% Times are in ms since 1970; `last' has the last refusals, at most 100, the last one first.

-record(open, {realm :: cambrian_realm:realm(),
               audit :: cambrian_audit:audit(),
               subscribers = #{} :: #{pid() => reference()},
               %% those that are told of each ban, however much else they have to read
               wardens = #{} :: #{pid() => reference()},
               changed = false :: boolean()}).
-record(state, {open = #{} :: #{name() => #open{}},
                saved :: integer(),
                timer = none :: none | reference()}).

-define(MAGIC, <<"cambrian trust 1\n">>).
-define(SAVE_MS, 5000).
%% Anybody can have keys succeed each other, or be banned: that costs the disk no more than this.
-define(SAVE_SOON_MS, 1000).
%% A subscriber that does not read loses events, and not the VM its memory.
-define(MAX_QUEUE, 1000).

%% @private
-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Makes a realm known here, and starts the application if it does not run; or changes its options: what is known of its
%% origins, and its bans, stay.
%%
%% `capability' says who may publish: `open' for everybody, `{keys, Keys}', or `{signed_by, Key}' for those whom the
%% owner of that key let ({@link cambrian_identity:grant/4}). `rate' is `{PerSecond, Burst}', for each origin.
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
    case cambrian_options:check(Options, table(), <<"cambrian_trust:options()">>) of
        {ok, Checked} ->
            case cambrian_app:ensure_started() of
                ok -> cambrian_app:call(?MODULE, {open, Realm, Checked});
                Error -> Error
            end;
        Error -> Error
    end;
open(Realm, _Options) ->
    {error, {bad_option, {realm, Realm, <<"a binary of at most 255 bytes">>}}}.

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
%% reputation, the capability and the sequence of the old one, which is refused. The first successor stays the one.
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
    case cambrian_identity:read_succession(Bytes) of
        {ok, Succession} -> ask(Realm, {follow, Succession});
        {error, Reason} -> ask(Realm, {refused, Reason, #{}})
    end.

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
          confirmed | inflated | {error, {unknown_realm, name()}}.
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
%% its genes ({@link cambrian_population:purge/2}), unless the bridge's option `purge' is `false'.
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
-spec ban(name(), subject(), Reason :: binary()) ->
          ok | {error, too_many_bans | {unknown_realm, name()} | {unknown_name | ambiguous_name, cambrian_identity:name()}
                     | cambrian_file:error()}.
ban(Realm, Subject, Reason) when is_binary(Realm), is_binary(Reason), byte_size(Reason) =< 255 ->
    ask(Realm, {ban, subject(Subject), Reason}).

subject({What, <<_:32/binary>>} = Subject) when What =:= key; What =:= genotype -> Subject;
subject({key, <<_:11/binary>>} = Subject) -> Subject.

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
          ok | {error, {unknown_realm, name()} | {unknown_name | ambiguous_name, cambrian_identity:name()} | cambrian_file:error()}.
unban(Realm, Subject) when is_binary(Realm) -> ask(Realm, {unban, subject(Subject)}).

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
-spec watch_bans(name()) -> {ok, pid(), #{keys := [cambrian_identity:key()], genotypes := [cambrian_genotype:id()]}}.
watch_bans(Realm) ->
    Server = ask(Realm, {watch_bans, self()}),
    {ok, Server, ask(Realm, {banned, all})}.

%% @private
-spec is_banned(name(), cambrian_realm:subject()) -> boolean().
is_banned(Realm, Subject) -> cambrian_app:call(?MODULE, {is_banned, Realm, Subject}).

%%% ---- asking -----------------------------------------------------------------------------

%% @doc What the word of a key is worth, from 0 to 1.
%%
%% ```
%% 1> cambrian_trust:reputation(<<"org.example.lab">>, <<1:256>>).
%% 0.5
%% '''
-spec reputation(name(), cambrian_identity:key()) -> float().
reputation(Realm, <<_:32/binary>> = Key) when is_binary(Realm) ->
    cambrian_app:call(?MODULE, {reputation, Realm, Key}).

%% @doc All that is known of a realm.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {error, malformed} = cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% 3> maps:with([origins, bans, refused], cambrian_trust:report(<<"org.example.lab">>)).
%% #{bans => [],origins => #{},refused => #{malformed => 1}}
%% '''
-spec report(name()) -> report().
report(Realm) when is_binary(Realm) -> cambrian_app:call(?MODULE, {report, Realm}).

%% @doc What was refused last, and why; at most 100 since the application started, the last one first.
%%
%% ```
%% 1> ok = cambrian_trust:open(<<"org.example.lab">>, #{}).
%% 2> {error, malformed} = cambrian_trust:check(<<"org.example.lab">>, <<"from a stranger">>).
%% 3> [#{reason := Reason, origin := Origin}] = cambrian_trust:refusals(<<"org.example.lab">>), {Reason, Origin}.
%% {malformed,undefined}
%% '''
-spec refusals(name()) -> [cambrian_audit:refusal()].
refusals(Realm) -> maps:get(last, report(Realm)).

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
%% server must not run.
-spec ask(name(), cambrian_realm:request() | tuple()) -> term().
ask(Realm, Request) ->
    case cambrian_app:call(?MODULE, {ask, Realm, Request}) of
        {refused, Reason, Refusal} ->
            cambrian_telemetry:execute([cambrian, mesh, rejected], #{count => 1},
                                       (maps:with([reason, origin, genotype], Refusal))#{realm => Realm}),
            {error, Reason};
        Answer -> Answer
    end.

%%% ---- server -----------------------------------------------------------------------------

%% @private
init([]) ->
    process_flag(trap_exit, true),
    {ok, #state{saved = erlang:monotonic_time(millisecond) - ?SAVE_MS}}.

%% @private
handle_call({open, Name, Options}, _From, State) ->
    case find_or_new(Name, State) of
        {ok, #open{realm = Realm} = Open} ->
            Changed = Open#open{realm = cambrian_realm:change(Options, Realm), changed = true},
            reply_saved(ok, Name, Changed, State);
        Error -> {reply, Error, State}
    end;
handle_call({reputation, Name, Key}, _From, State) ->
    {#open{realm = Realm}, Next} = known(Name, State),
    {reply, cambrian_realm:reputation(Key, Realm), Next};
handle_call({is_banned, Name, Subject}, _From, State) ->
    {#open{realm = Realm}, Next} = known(Name, State),
    {reply, cambrian_realm:is_banned(Subject, Realm), Next};
handle_call({report, Name}, _From, State) ->
    {#open{realm = Realm, audit = Audit}, Next} = known(Name, State),
    #{origins := Origins, bans := Bans} = Report = cambrian_realm:report(Realm),
    Named = fun(Key, Standing) -> Standing#{name => cambrian_identity:name(Key)} end,
    {reply, Report#{origins := maps:map(Named, Origins), bans := [with_name(Ban) || Ban <- Bans],
                    last => cambrian_audit:last(Audit)}, Next};
handle_call({ask, Name, Request}, _From, State) ->
    case find(Name, State) of
        {ok, Open} -> answer(request(Request, os:system_time(millisecond), Name, Open), Name, State);
        not_found -> {reply, {error, {unknown_realm, Name}}, State};
        Error -> {reply, Error, State}
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

%% @private
handle_cast(_, State) -> {noreply, State}.

%% @private
handle_info(save, State) ->
    {noreply, save_changed(State#state{timer = none})};
handle_info({'DOWN', Monitor, process, Pid, _}, #state{open = All} = State) ->
    Without = fun(_, #open{subscribers = #{Pid := Ref}} = Open) when Ref =:= Monitor -> without_subscriber(Pid, Open);
                 (_, #open{wardens = #{Pid := Ref} = Wardens} = Open) when Ref =:= Monitor ->
                     Open#open{wardens = maps:remove(Pid, Wardens)};
                 (_, Open) -> Open
              end,
    {noreply, State#state{open = maps:map(Without, All)}};
handle_info(_, State) ->
    {noreply, State}.

%% @private
terminate(_Reason, State) ->
    #state{open = All} = save_changed(State),
    lists:foreach(fun(#open{audit = Audit}) -> cambrian_audit:close(Audit) end, maps:values(All)).

answer({Answer, Open}, Name, State) -> {reply, Answer, put_open(Name, Open, State)};
answer({Answer, at_once, Open}, Name, State) -> reply_saved(Answer, Name, Open#open{changed = true}, State);
answer({Answer, soon, Open}, Name, State) -> {reply, Answer, changed(?SAVE_SOON_MS, Name, Open, State)};
answer({Answer, later, Open}, Name, State) -> {reply, Answer, changed(?SAVE_MS, Name, Open, State)}.

changed(Ms, Name, Open, State) -> save_within(Ms, put_open(Name, Open#open{changed = true}, State)).

put_open(Name, Open, #state{open = All} = State) -> State#state{open = All#{Name => Open}}.

%% `{Answer, Open}', or with when to save it.
request({follow, #{old := Old} = Succession}, Now, Name, #open{realm = Realm} = Open) ->
    case cambrian_realm:succeed(Succession, Now, Realm) of
        {ok, Realm} -> {ok, Open};
        {ok, Moved} -> {ok, soon, tell(followed, Succession, Now, Name, Open#open{realm = Moved})};
        {error, Reason} ->
            refuse(Reason, #{origin => Old}, Now, Name, Open#open{realm = cambrian_realm:refused(Reason, Realm)})
    end;
request({checked, Origin, Claimed, Measured}, Now, Name, #open{realm = Realm} = Open) ->
    {Verdict, Moved} = cambrian_realm:checked(Origin, Claimed, Measured, Now, Realm),
    {When, Told} = tell_ban(cambrian_realm:heir(Origin, Realm), Realm, Now, Name, Open#open{realm = Moved}),
    {Verdict, When, Told};
request({accepted, Origin}, _Now, _Name, #open{realm = Realm} = Open) ->
    {ok, later, Open#open{realm = cambrian_realm:accepted(Origin, Realm)}};
request({ban, {key, <<_:11/binary>> = Short}, Reason}, Now, Name, #open{realm = Realm} = Open) ->
    case cambrian_realm:named(Short, Realm) of
        {ok, Key} -> request({ban, {key, Key}, Reason}, Now, Name, Open);
        Error -> {Error, Open}
    end;
request({unban, {key, <<_:11/binary>> = Short}}, Now, Name, #open{realm = Realm} = Open) ->
    case cambrian_realm:named(Short, Realm) of
        {ok, Key} -> request({unban, {key, Key}}, Now, Name, Open);
        Error -> {Error, Open}
    end;
request({ban, Subject, Reason}, Now, Name, #open{realm = Realm} = Open) ->
    case cambrian_realm:ban(Subject, Reason, Now, Realm) of
        {ok, Banned} ->
            {ok, at_once, tell(banned, #{what => Subject, reason => Reason, by => user, time => Now}, Now, Name,
                               Open#open{realm = Banned})};
        Error -> {Error, Open}
    end;
request({unban, Subject}, Now, Name, #open{realm = Realm} = Open) ->
    {ok, at_once, tell(unbanned, Subject, Now, Name, Open#open{realm = cambrian_realm:unban(Subject, Realm)})};
request({subscribe, Pid}, _Now, _Name, #open{subscribers = Subscribers} = Open) when is_map_key(Pid, Subscribers) ->
    {ok, Open};
request({subscribe, Pid}, _Now, _Name, #open{subscribers = Subscribers} = Open) ->
    {ok, Open#open{subscribers = Subscribers#{Pid => monitor(process, Pid)}}};
request({watch_bans, Pid}, _Now, _Name, #open{wardens = Wardens} = Open) when is_map_key(Pid, Wardens) ->
    {self(), Open};
request({watch_bans, Pid}, _Now, _Name, #open{wardens = Wardens} = Open) ->
    {self(), Open#open{wardens = Wardens#{Pid => monitor(process, Pid)}}};
request({purged, Purged}, Now, Name, Open) ->
    {ok, tell(purged, Purged, Now, Name, Open)};
request({unsubscribe, Pid}, _Now, _Name, Open) ->
    {ok, without_subscriber(Pid, Open)};
request({sequence, Wanted}, _Now, _Name, #open{realm = Realm} = Open) ->
    {First, Moved} = cambrian_realm:sequence(Wanted, Realm),
    {First, soon, Open#open{realm = Moved}};
request({is_banned, Subject}, _Now, _Name, #open{realm = Realm} = Open) ->
    {cambrian_realm:is_banned(Subject, Realm), Open};
request({is_heard, Key}, Now, _Name, #open{realm = Realm} = Open) ->
    {cambrian_realm:is_heard(Key, Now, Realm), Open};
request({has_earned, Key}, _Now, _Name, #open{realm = Realm} = Open) ->
    {cambrian_realm:has_earned(Key, Realm), Open};
request({is_any_banned, Subjects}, _Now, _Name, #open{realm = Realm} = Open) ->
    {cambrian_realm:is_any_banned(Subjects, Realm), Open};
request({banned, What}, _Now, _Name, #open{realm = Realm} = Open) ->
    {cambrian_realm:banned(What, Realm), Open};
request(Admission, Now, Name, #open{realm = Realm} = Open) ->
    {Answer, Moved} = cambrian_realm:ask(Admission, Now, Realm),
    admission(Answer, Admission, Now, Name, Realm, Open#open{realm = Moved}).

%% What {@link cambrian_admission} asks for; its last is the claims.
admission({error, Reason}, Admission, Now, Name, Before, Open) ->
    Claims = element(tuple_size(Admission), Admission),
    {When, Told} = tell_ban(maps:get(origin, Claims, none), Before, Now, Name, Open),
    setelement(2, refuse(Reason, Claims, Now, Name, Told), When);
admission(ok, {genuine, _}, _Now, _Name, _Before, Open) -> {ok, later, Open};
admission(Answer, _, _Now, _Name, _Before, Open) -> {Answer, Open}.

without_subscriber(Pid, #open{subscribers = Subscribers} = Open) ->
    case maps:take(Pid, Subscribers) of
        {Ref, Left} ->
            demonitor(Ref, [flush]),
            Open#open{subscribers = Left};
        error -> Open
    end.

%%% ---- what is told -----------------------------------------------------------------------

refuse(Reason, Claims, Now, Name, #open{audit = Audit} = Open) ->
    Known = maps:merge(detail(Reason), maps:with([origin, genotype, task, sequence], Claims)),
    Kind = cambrian_realm:kind(Reason),
    Refusal = with_name(maps:merge(#{time => Now, reason => Kind, origin => undefined, genotype => undefined}, Known)),
    Kept = Open#open{audit = cambrian_audit:refusal(Refusal, Audit)},
    send({refused, Refusal}, Name, Kept),
    {{refused, Reason, Refusal}, later, Kept}.

%% What there is to read of a key.
with_name(#{origin := <<_:32/binary>> = Key} = Of) -> Of#{name => cambrian_identity:name(Key)};
with_name(#{what := {key, Key}} = Of) -> Of#{name => cambrian_identity:name(Key)};
with_name(Of) -> Of.

detail({Lacking, Id}) when Lacking =:= missing_base; Lacking =:= wrong_base -> #{base => Id};
detail({_, Detail}) -> #{detail => Detail};
detail(Reason) when is_tuple(Reason) -> #{detail => tl(tuple_to_list(Reason))};
detail(_) -> #{}.

%% Of a key that has just lost its name; and when to save that.
tell_ban(Origin, Before, Now, Name, #open{realm = After} = Open) ->
    What = {key, Origin},
    case not cambrian_realm:is_banned(What, Before) andalso cambrian_realm:is_banned(What, After) of
        true ->
            Ban = #{what => What, reason => <<"reputation">>, by => reputation, time => Now},
            {soon, tell(banned, Ban, Now, Name, Open)};
        false -> {later, Open}
    end.

tell(What, Details, Now, Name, #open{audit = Audit} = Open) ->
    send({What, Details}, Name, Open),
    Open#open{audit = cambrian_audit:note(Now, What, noted(Details), Audit)}.

noted(#{what := Subject} = Ban) -> maps:merge(maps:with([reason, by], Ban), noted(Subject));
noted(#{leaving := _} = Purged) -> Purged;
noted({key, Key}) -> #{key => Key, name => cambrian_identity:name(Key)};
noted({What, Id}) -> #{What => Id};
noted(Succession) -> maps:with([old, new], Succession).

send(Event, Name, #open{subscribers = Subscribers, wardens = Wardens}) ->
    _ = [Pid ! {?MODULE, Name, Event} || element(1, Event) =:= banned, Pid <- maps:keys(Wardens)],
    _ = [Pid ! {?MODULE, Name, Event} || Pid <- maps:keys(Subscribers), keeps_up(Pid)],
    ok.

keeps_up(Pid) when node(Pid) =/= node() -> true;
keeps_up(Pid) ->
    case process_info(Pid, message_queue_len) of
        {message_queue_len, Length} -> Length < ?MAX_QUEUE;
        undefined -> false
    end.

%%% ---- what stays -------------------------------------------------------------------------

%% In memory, or from before a restart.
find(Name, #state{open = All}) ->
    case All of
        #{Name := Open} -> {ok, Open};
        _ -> load(Name)
    end.

find_or_new(Name, State) ->
    case find(Name, State) of
        not_found -> {ok, with_audit(Name, cambrian_realm:new(#{name => Name}))};
        Found -> Found
    end.

%% For questions: of a realm that is not known, nothing is.
known(Name, State) ->
    case find(Name, State) of
        {ok, Open} -> {Open, put_open(Name, Open, State)};
        _ ->
            {ok, Audit} = cambrian_audit:open(none),
            {#open{realm = cambrian_realm:new(#{name => Name}), audit = Audit}, State}
    end.

file(Name, File) -> cambrian_data_dir:path([<<"realms">>, cambrian_file:name(Name), File]).

load(Name) ->
    case file(Name, <<"trust">>) of
        none -> not_found;
        {ok, Path} -> loaded(cambrian_file:read(Path, ?MAGIC), Path, Name);
        Error -> Error
    end.

loaded({ok, Payload}, Path, Name) ->
    case cambrian_file:term(Payload) of
        {ok, #{name := Name} = Saved} -> restored(cambrian_realm:restore(Saved), Path, Name);
        _ -> set_aside(other_file, Path)
    end;
loaded({error, not_found}, _Path, _Name) -> not_found;
loaded({error, {Reason, _}}, Path, _Name) when Reason =:= torn_file; Reason =:= other_file -> set_aside(Reason, Path);
loaded(Error, _Path, _Name) -> Error.

restored({ok, Realm}, _Path, Name) -> {ok, with_audit(Name, Realm)};
restored(error, Path, _Name) -> set_aside(other_file, Path).

%% Whoever was banned there is not banned any more: somebody should know.
set_aside(Reason, Path) ->
    Aside = cambrian_file:set_aside(Path),
    logger:error("cambrian: ~p: standings and bans of a realm are lost: ~tp", [{Reason, Path}, Aside]),
    case Aside of
        {ok, _} -> not_found;
        Error -> Error
    end.

%% To refuse a stranger matters more than to write about it.
with_audit(Name, Realm) ->
    case cambrian_audit:open(file(Name, <<"audit">>)) of
        {ok, Audit} -> #open{realm = Realm, audit = Audit};
        {error, Reason} ->
            logger:error("cambrian: no audit log: ~tp", [Reason]),
            {ok, Audit} = cambrian_audit:open(none),
            #open{realm = Realm, audit = Audit}
    end.

reply_saved(Answer, Name, Open, State) ->
    case save(Name, Open) of
        {ok, Saved} -> {reply, Answer, put_open(Name, Saved, State#state{saved = erlang:monotonic_time(millisecond)})};
        {error, _} = Error -> {reply, Error, save_within(?SAVE_MS, put_open(Name, Open, State))}
    end.

save(Name, #open{realm = Realm, changed = true} = Open) ->
    case file(Name, <<"trust">>) of
        none -> {ok, Open#open{changed = false}};
        {ok, Path} ->
            case cambrian_file:write(Path, ?MAGIC, term_to_binary(cambrian_realm:save(Realm))) of
                ok -> {ok, Open#open{changed = false}};
                Error -> Error
            end;
        Error -> Error
    end;
save(_Name, Open) ->
    {ok, Open}.

%% One timer; the sooner of two times counts.
save_within(Ms, #state{timer = Timer, saved = Saved} = State) ->
    Due = max(0, Saved + Ms - erlang:monotonic_time(millisecond)),
    case Timer =/= none andalso erlang:read_timer(Timer) of
        Left when is_integer(Left), Left =< Due -> State;
        _ ->
            _ = Timer =:= none orelse erlang:cancel_timer(Timer),
            State#state{timer = erlang:send_after(Due, self(), save)}
    end.

save_changed(#state{open = All} = State) ->
    Saved = maps:map(fun save_or_log/2, All),
    Now = State#state{open = Saved, saved = erlang:monotonic_time(millisecond)},
    case lists:any(fun(#open{changed = Changed}) -> Changed end, maps:values(Saved)) of
        true -> save_within(?SAVE_MS, Now);
        false -> Now
    end.

save_or_log(Name, Open) ->
    case save(Name, Open) of
        {ok, Saved} -> Saved;
        {error, Reason} ->
            logger:error("cambrian: standings of a realm were not saved: ~tp", [Reason]),
            Open
    end.
