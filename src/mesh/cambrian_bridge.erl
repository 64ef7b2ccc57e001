%% @doc Joins populations to the mesh, in three lines:
%%
%% ```
%% 1> {ok, _} = cambrian_population:start(#{task => double_pole_novel, name => pole}).
%% 2> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, populations => [pole]}).
%% 3> cambrian_population:run(pole).
%% ok
%% '''
%%
%% A champion of a joined population is published, signed, when it is better than the last one
%% that was; what others publish for the same task is checked, evaluated here, and taken in if it is worth
%% it. Nothing that others claim is believed, and their reputation is what came of their claims so far: see
%% {@link cambrian_trust}.
-module(cambrian_bridge).
-behaviour(gen_server).

-export([start_link/1, start/1, stop/0, join/1, publish_genotype/2, subscribe_genotypes/2, unsubscribe_genotypes/1,
         list_nodes/0, global_best/0, identity/0, rotate/0, counts/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([options/0, peer/0, best/0]).

%% `realm' says who may meet whom; `publish_interval' is the least time in ms between two champions
%% of one population (default 1000). A population's name that is not there yet is waited for.
%%
%% `identity' is a secret of 32 bytes, a fun that gives it, so that it stays out of crash reports, or the path of a
%% file ({@link cambrian_identity:load/1}). By default it is the file `identity' in the application's `data_dir', or,
%% where there is none, made anew. `capability', `rate' and `tolerance' are those of {@link cambrian_trust:open/2};
%% `grant' is the leave to publish that others here ask for ({@link cambrian_identity:grant/4}).
-type options() :: #{realm := binary(), transport => module(), transport_options => map(),
                     identity => cambrian_identity:secret() | fun(() -> cambrian_identity:secret())
                               | cambrian_file:path(),
                     populations => [cambrian_population:population()], grant => binary(),
                     capability => cambrian_realm:capability(), rate => {PerSecond :: number(), Burst :: number()},
                     tolerance => number(), publish_interval => non_neg_integer()}.
-type peer() :: #{origin := cambrian_identity:key(), seen := integer(), received := pos_integer(),
                  accepted := non_neg_integer(), reputation := float()}.
%% `fitness' as it was measured on this node.
-type best() :: #{genotype := cambrian_genotype:genotype(), fitness := float(), origin := cambrian_identity:key()}.

-record(joined, {handle :: cambrian_population:population(), name :: term(), task :: binary(),
                 monitor :: reference(), published = none :: none | float(),
                 pending = none :: none | cambrian_population:champion(),
                 quiet = false :: boolean()}).

-record(state, {realm, topic, transport, interval,
                identity :: cambrian_identity:identity(),
                %% where it is kept
                home = none :: none | {ok, cambrian_file:path()},
                grant = undefined :: undefined | binary(),
                sequence = erlang:system_time(microsecond),
                joined = #{} :: #{Name :: term() => #joined{}},
                subscribers = #{} :: #{reference() => {pid(), Task :: binary() | all}},
                best = #{} :: #{Task :: binary() => best()},
                counts = #{} :: #{published | received | {rejected, term()} => pos_integer()}}).

%% How often a population that is not there is looked for: one that crashed is back under its name by then.
-define(REJOIN_MS, 200).
%% How often others are told again whom this key succeeds: some were away, and delivery is at most once.
-define(TELL_MS, 600_000).

%% @doc Under a supervisor of your own, or linked to the caller: one bridge a node.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start_link(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_bridge:list_nodes().
%% []
%% 3> ok = cambrian_bridge:stop().
%% 4> cambrian_bridge:start_link(#{}).
%% {error,{missing_options,[realm]}}
%% '''
-spec start_link(options()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    case cambrian_options:check(Options, maps:merge(cambrian_trust:table(), table())) of
        {ok, #{realm := _} = Checked} -> gen_server:start_link({local, ?MODULE}, ?MODULE, hidden(Checked), []);
        {ok, _} -> {error, {missing_options, [realm]}};
        Error -> Error
    end.

%% @doc The same under Cambrian's own supervisor.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> is_pid(whereis(cambrian_bridge)).
%% true
%% 3> ok = cambrian_bridge:stop().
%% 4> {error, Reason} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, publish_interval => -1}).
%% 5> Reason.
%% {bad_option,{publish_interval,-1,<<"milliseconds">>}}
%% '''
-spec start(options()) -> {ok, pid()} | {error, term()}.
start(Options) ->
    Spec = #{id => ?MODULE, start => {?MODULE, start_link, [hidden(Options)]}, restart => transient},
    case supervisor:start_child(cambrian_mesh_sup, Spec) of
        {error, already_present} ->
            ok = supervisor:delete_child(cambrian_mesh_sup, ?MODULE),
            start(Options);
        {error, {Reason, _Child}} when Reason =/= already_started -> {error, Reason};
        Other -> Other
    end.

table() ->
    #{realm => {fun(R) -> is_binary(R) andalso byte_size(R) =< 255 end, <<"a binary of at most 255 bytes">>},
      transport => {fun is_atom/1, <<"a module">>, cambrian_transport_dist},
      transport_options => {fun is_map/1, <<"a map">>, #{}},
      identity => {fun is_identity/1, <<"32 bytes, a fun that gives them, or a path: one of 32 bytes as a string">>},
      populations => {fun(L) -> is_list(L) andalso lists:all(fun is_handle/1, L) end,
                      <<"a list of pids or names">>, []},
      grant => {fun(G) -> is_binary(G) andalso byte_size(G) =< 1024 end, <<"what cambrian_identity:grant/4 gives">>},
      publish_interval => {fun cambrian_options:is_count/1, <<"milliseconds">>, 1000}}.

%% What has 32 bytes is a secret; if it reads like a path, the one or the other would be a bad guess. A secret of a wrong
%% size is no path: it must not become the name of a file.
is_identity(Fun) when is_function(Fun) -> is_function(Fun, 0);
is_identity(<<Bytes:32/binary>>) -> re:run(Bytes, "^[ -~]*/[ -~]*$") =:= nomatch;
is_identity(Path) when is_binary(Path) -> is_text(unicode:characters_to_list(Path));
is_identity(Path) -> is_text(Path).

is_text(Text) -> Text =/= [] andalso io_lib:printable_unicode_list(Text).

%% A supervisor shows the arguments of its children.
hidden(#{identity := <<Secret:32/binary>>} = Options) ->
    case is_identity(Secret) of
        true -> Options#{identity := fun() -> Secret end};
        false -> Options
    end;
hidden(Options) -> Options.

is_bytes(Bytes, Size) -> is_binary(Bytes) andalso byte_size(Bytes) =:= Size.

is_handle(Handle) -> is_pid(Handle) orelse is_atom(Handle).

claims_table() ->
    #{task => {fun is_task/1, <<"an atom or a binary of at most 255 bytes">>},
      fitness => {fun is_number/1, <<"a number">>},
      generation => {fun(N) -> cambrian_options:is_count(N) andalso N < 1 bsl 64 end, <<"an integer from 0">>, 0},
      parents => {fun(Ids) -> is_list(Ids) andalso length(Ids) =< 8 andalso
                              lists:all(fun(Id) -> is_bytes(Id, 32) end, Ids) end,
                  <<"a list of at most 8 ids of 32 bytes">>, []},
      operators => {fun(Names) -> is_list(Names) andalso length(Names) =< 32 andalso
                                  lists:all(fun is_task/1, Names) end,
                    <<"a list of at most 32 names">>, []}}.

is_task(Task) -> is_atom(Task) orelse is_binary(Task) andalso byte_size(Task) =< 255.

%% @doc Leaves the mesh. The populations go on.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_bridge:stop().
%% ok
%% 3> whereis(cambrian_bridge).
%% undefined
%% '''
-spec stop() -> ok.
stop() -> gen_server:stop(?MODULE).

%% @doc Joins one more population. One with a name is joined as soon as it is there, and again when it comes
%% back from a crash.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 3> {ok, _} = cambrian_population:step(P, 1).
%% 4> cambrian_bridge:join(P).
%% ok
%% 5> cambrian_bridge:counts().
%% #{published => 1}
%% 6> ok = cambrian_bridge:stop().
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec join(cambrian_population:population()) -> ok.
join(Population) when is_pid(Population); is_atom(Population) -> gen_server:call(?MODULE, {join, Population}).

%% @doc Publishes a genotype at once, with what is claimed of it.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Id} = cambrian_bridge:publish_genotype(G, #{task => 'xor', fitness => 2.87}).
%% 4> Id =:= cambrian_genotype:id(G).
%% true
%% 5> cambrian_bridge:publish_genotype(G, #{task => 'xor'}).
%% {error,{missing_options,[fitness]}}
%% 6> ok = cambrian_bridge:stop().
%% '''
-spec publish_genotype(cambrian_genotype:genotype(),
                       #{task := atom() | binary(), fitness := number(),
                         generation => non_neg_integer(), parents => [cambrian_genotype:id()],
                         operators => [atom() | binary()]}) ->
          {ok, cambrian_genotype:id()} | {error, term()}.
publish_genotype(Genotype, Claims) ->
    _ = cambrian_genotype:info(Genotype),
    case cambrian_options:check(Claims, claims_table()) of
        {ok, #{task := _, fitness := _} = Checked} -> gen_server:call(?MODULE, {publish, Genotype, Checked});
        {ok, Checked} -> {error, {missing_options, [task, fitness] -- maps:keys(Checked)}};
        Error -> Error
    end.

%% @doc Sends `{cambrian_bridge, Ref, #{genotype, task, fitness, generation, origin}}' to a process for every
%% genotype of a task, or of all, that passes every check of its envelope. The fitness is a claim.
%%
%% Here a stranger of the same realm, without a bridge, sends one:
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, Ref} = cambrian_bridge:subscribe_genotypes('xor', self()).
%% 3> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 4> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0,
%%        sequence => 1, time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 5> cambrian_transport_dist:publish(<<"org.example.lab/genotype">>, self(), Bytes).
%% 6> receive {cambrian_bridge, Ref, Message} -> maps:with([task, fitness, generation], Message) end.
%% #{fitness => 2.87,generation => 0,task => <<"xor">>}
%% 7> ok = cambrian_bridge:stop().
%% '''
-spec subscribe_genotypes(Task :: atom() | binary() | all, pid()) -> {ok, reference()}.
subscribe_genotypes(Task, Pid) when is_pid(Pid), is_atom(Task) orelse is_binary(Task) ->
    gen_server:call(?MODULE, {subscribe, Task, Pid}).

%% @doc No more genotypes for this subscription; `ok' for one that there is not, too.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, Ref} = cambrian_bridge:subscribe_genotypes(all, self()).
%% 3> cambrian_bridge:unsubscribe_genotypes(Ref).
%% ok
%% 4> ok = cambrian_bridge:stop().
%% '''
-spec unsubscribe_genotypes(reference()) -> ok.
unsubscribe_genotypes(Ref) -> gen_server:call(?MODULE, {unsubscribe, Ref}).

%% @doc Everyone else that a genuine envelope of this realm came from, at most 10,000; `seen' in ms since 1970. See
%% {@link cambrian_trust:report/1} for more.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0,
%%        sequence => 1, time => erlang:system_time(millisecond)}, G, <<1:256>>).
%% 4> cambrian_transport_dist:publish(<<"org.example.lab/genotype">>, self(), Bytes).
%% 5> [#{origin := Origin} = Peer] = cambrian_bridge:list_nodes().
%% 6> {Origin =:= cambrian_identity:public_key(<<1:256>>), maps:with([received, accepted], Peer)}.
%% {true,#{accepted => 0,received => 1}}
%% 7> ok = cambrian_bridge:stop().
%% '''
-spec list_nodes() -> [peer()].
list_nodes() -> gen_server:call(?MODULE, list_nodes).

%% @doc The best of each task that was evaluated on this node, wherever it was bred.
%%
%% ```
%% 1> {ok, P} = cambrian_population:start(#{task => 'xor', seed => 42}).
%% 2> {ok, _} = cambrian_population:step(P, 1).
%% 3> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, populations => [P]}).
%% 4> #{<<"xor">> := #{fitness := Fitness, origin := Origin}} = cambrian_bridge:global_best().
%% 5> {Fitness, Origin =:= cambrian_bridge:identity()}.
%% {2.999837413430214,true}
%% 6> ok = cambrian_bridge:stop().
%% 7> ok = cambrian_population:stop(P).
%% '''
-spec global_best() -> #{Task :: binary() => best()}.
global_best() -> gen_server:call(?MODULE, global_best).

%% @doc The key that others know this node by.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>, identity => <<1:256>>}).
%% 2> cambrian_bridge:identity() =:= cambrian_identity:public_key(<<1:256>>).
%% true
%% 3> ok = cambrian_bridge:stop().
%% '''
-spec identity() -> cambrian_identity:key().
identity() -> gen_server:call(?MODULE, identity).

%% @doc Goes on under a new key, in the identity's file as well if it has one, and tells the others in the realm, who
%% keep what they know of the old key for the new one, and take nothing more from the old.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> Old = cambrian_bridge:identity().
%% 3> {ok, New} = cambrian_bridge:rotate().
%% 4> {New =:= cambrian_bridge:identity(), New =:= Old}.
%% {true,false}
%% 5> ok = cambrian_bridge:stop().
%% '''
-spec rotate() -> {ok, cambrian_identity:key()} | {error, term()}.
rotate() -> gen_server:call(?MODULE, rotate).

%% @doc How many envelopes and certificates this bridge received, how many of them were rejected for which reason, and
%% how many envelopes it published.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> cambrian_transport_dist:publish(<<"org.example.lab/genotype">>, self(), <<"no envelope">>).
%% 3> cambrian_bridge:counts().
%% #{received => 1,{rejected,malformed} => 1}
%% 4> ok = cambrian_bridge:stop().
%% '''
-spec counts() -> #{published | received | {rejected, term()} => pos_integer()}.
counts() -> gen_server:call(?MODULE, counts).

%%% ---- server -----------------------------------------------------------------------------

init(#{realm := Realm, transport := Transport, publish_interval := Interval} = Options) ->
    process_flag(trap_exit, true),
    case prepare(Options) of
        {ok, Identity, Home} ->
            Topic = <<Realm/binary, "/genotype">>,
            {ok, Mesh} = Transport:connect((maps:get(transport_options, Options))#{realm => Realm}),
            ok = Transport:subscribe(Mesh, Topic),
            State = #state{realm = Realm, topic = Topic, transport = {Transport, Mesh}, interval = Interval,
                           identity = Identity, home = Home, grant = maps:get(grant, Options, undefined)},
            tell_successions(State),
            {ok, lists:foldl(fun join_population/2, State, maps:get(populations, Options))};
        {error, Reason} -> {stop, Reason}
    end.

prepare(#{realm := Realm, transport := Transport} = Options) ->
    case loaded(Transport) of
        ok ->
            case cambrian_trust:open(Realm, maps:with([capability, rate, tolerance], Options)) of
                ok -> identity(Options);
                Error -> Error
            end;
        Error -> Error
    end.

loaded(Transport) ->
    case code:ensure_loaded(Transport) of
        {module, _} -> ok;
        {error, _} -> {error, {transport_unavailable, Transport}}
    end.

%% `{ok, Identity, Home}': the file that it is kept in.
identity(#{identity := Fun}) when is_function(Fun) ->
    case Fun() of
        <<_:32/binary>> = Secret -> {ok, cambrian_identity:from_secret(Secret), none};
        _ -> {error, {bad_option, {identity, Fun, <<"a fun that gives 32 bytes">>}}}
    end;
identity(#{identity := Path}) -> identity_in({ok, Path});
identity(_) -> identity_in(cambrian_file:in_data_dir([<<"identity">>])).

identity_in(none) -> {ok, cambrian_identity:from_secret(cambrian_identity:new()), none};
identity_in({ok, Path} = Home) ->
    case cambrian_identity:load(Path) of
        {ok, Identity} -> {ok, Identity, Home};
        Error -> Error
    end.

handle_call({join, Population}, _From, State) ->
    {reply, ok, join_population(Population, State)};
handle_call({publish, Genotype, Claims}, _From, State) ->
    {Answer, Next} = publish(Genotype, Claims, State),
    {reply, Answer, Next};
handle_call({subscribe, Task, Pid}, _From, #state{subscribers = Subscribers} = State) ->
    Wanted = case Task of all -> all; _ -> text(Task) end,
    Ref = monitor(process, Pid),
    {reply, {ok, Ref}, State#state{subscribers = Subscribers#{Ref => {Pid, Wanted}}}};
handle_call({unsubscribe, Ref}, _From, #state{subscribers = Subscribers} = State) ->
    demonitor(Ref, [flush]),
    {reply, ok, State#state{subscribers = maps:remove(Ref, Subscribers)}};
handle_call(list_nodes, _From, #state{realm = Realm} = State) ->
    #{origins := Origins} = cambrian_trust:report(Realm),
    {reply, [peer(Key, Standing) || {Key, Standing} <- lists:sort(maps:to_list(Origins))], State};
handle_call(global_best, _From, #state{best = Best} = State) ->
    {reply, Best, State};
handle_call(identity, _From, State) ->
    {reply, origin(State), State};
handle_call(rotate, _From, State) ->
    case cambrian_identity:rotate(where(State)) of
        {ok, #{key := Key} = Identity} -> {reply, {ok, Key}, renamed(Identity, State)};
        Error -> {reply, Error, State}
    end;
handle_call(counts, _From, #state{counts = Counts} = State) ->
    {reply, Counts, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info({cambrian_transport, Topic, Bytes}, #state{topic = Topic} = State) ->
    {noreply, receive_bytes(Bytes, count(received, State))};
handle_info(tell_again, State) ->
    tell_successions(State),
    {noreply, State};
handle_info({cambrian, Name, Event}, #state{joined = Joined} = State) ->
    case Joined of
        #{Name := Population} -> {noreply, population_says(Event, Population, State)};
        _ -> {noreply, State}
    end;
handle_info({publish_pending, Name}, #state{joined = Joined} = State) ->
    case Joined of
        #{Name := Population} -> {noreply, publish_pending(Population#joined{quiet = false}, State)};
        _ -> {noreply, State}
    end;
handle_info({rejoin, Handle}, State) ->
    {noreply, join_population(Handle, State)};
handle_info({'DOWN', Ref, process, _, Reason}, State) ->
    {noreply, gone(Ref, Reason, State)};
handle_info(_, State) ->
    {noreply, State}.

terminate(_Reason, #state{transport = {Transport, Mesh}}) -> Transport:disconnect(Mesh).

%%% ---- identity ---------------------------------------------------------------------------

origin(#state{identity = #{key := Key}}) -> Key.

where(#state{home = {ok, Path}}) -> Path;
where(#state{identity = Identity}) -> Identity.

%% What was ours under the old key is ours.
renamed(#{key := Key} = Identity, #state{best = Best} = State) ->
    Old = origin(State),
    Mine = fun(_Task, #{origin := Origin} = Known) when Origin =:= Old -> Known#{origin := Key};
              (_Task, Known) -> Known
           end,
    Renamed = State#state{identity = Identity, best = maps:map(Mine, Best)},
    publish_successions(Renamed),
    Renamed.

tell_successions(State) ->
    publish_successions(State),
    _ = erlang:send_after(?TELL_MS, self(), tell_again),
    ok.

publish_successions(#state{identity = #{successions := Successions}, transport = {Transport, Mesh}, topic = Topic}) ->
    lists:foreach(fun(Certificate) -> Transport:publish(Mesh, Topic, Certificate) end, Successions).

%%% ---- populations ------------------------------------------------------------------------

join_population(Handle, #state{joined = Joined} = State) ->
    Monitor = monitor(process, Handle),
    try
        #{name := Name, task := Task} = cambrian_population:info(Handle),
        ok = cambrian_population:subscribe(Handle),
        Population = #joined{handle = Handle, name = Name, task = text(Task), monitor = Monitor},
        greet(cambrian_population:best(Handle), Population, State#state{joined = Joined#{Name => Population}})
    catch
        exit:_ ->
            demonitor(Monitor, [flush]),
            look_again(Handle),
            State
    end.

look_again(Handle) ->
    _ = [erlang:send_after(?REJOIN_MS, self(), {rejoin, Handle}) || is_atom(Handle)],
    ok.

%% A champion that it had before it was joined counts as well.
greet({ok, Champion}, Population, State) -> population_says({champion, Champion}, Population, State);
greet({error, not_evaluated}, _Population, State) -> State.

population_says({champion, Champion}, Population, State) ->
    publish_pending(Population#joined{pending = Champion}, remember(own(Champion, State), Population, State));
population_says({received, #{from := #{origin := Origin} = From, fitness := Fitness} = Received}, Population, State) ->
    #state{realm = Realm} = State,
    _ = [cambrian_trust:checked(Realm, #{origin => Origin, fitness => Claimed}, Fitness) || #{claimed := Claimed} <- [From]],
    _ = [cambrian_trust:accepted(Realm, Origin) || #{outcome := accepted} <- [Received]],
    remember(#{genotype => maps:get(genotype, From), fitness => Fitness, origin => Origin}, Population, State);
population_says(_, _, State) ->
    State.

own(#{champion := Genotype, fitness := Fitness}, State) ->
    #{genotype => Genotype, fitness => Fitness, origin => origin(State)}.

%% A champion that came from elsewhere is not sent back as our own.
publish_pending(#joined{pending = none} = Population, State) ->
    put_joined(Population, State);
publish_pending(#joined{quiet = true} = Population, State) ->
    put_joined(Population, State);
publish_pending(#joined{pending = Champion, published = Published, name = Name, task = Task} = Population, State) ->
    #{champion := Genotype, fitness := Fitness} = Champion,
    case (Published =:= none orelse Fitness > Published) andalso is_ours(Genotype, Task, State) of
        true ->
            erlang:send_after(State#state.interval, self(), {publish_pending, Name}),
            Claims = maps:with([fitness, generation, parents, operators], Champion),
            {_, Next} = publish(Genotype, Claims#{task => Task}, State),
            put_joined(Population#joined{published = Fitness, pending = none, quiet = true}, Next);
        false ->
            put_joined(Population#joined{pending = none}, State)
    end.

is_ours(Genotype, Task, #state{best = Best} = State) ->
    Origin = origin(State),
    case Best of
        #{Task := #{origin := Another, genotype := Known}} when Another =/= Origin ->
            cambrian_genotype:id(Known) =/= cambrian_genotype:id(Genotype);
        _ -> true
    end.

put_joined(#joined{name = Name} = Population, #state{joined = Joined} = State) ->
    State#state{joined = Joined#{Name => Population}}.

remember(#{fitness := Fitness} = Candidate, #joined{task = Task}, #state{best = Best} = State) ->
    case Best of
        #{Task := #{fitness := Known}} when Known >= Fitness -> State;
        _ -> State#state{best = Best#{Task => Candidate}}
    end.

gone(Ref, Reason, #state{joined = Joined, subscribers = Subscribers} = State) ->
    case [P || #joined{monitor = M} = P <- maps:values(Joined), M =:= Ref] of
        [#joined{name = Name, handle = Handle}] ->
            _ = [look_again(Handle) || crashed(Reason)],
            State#state{joined = maps:remove(Name, Joined)};
        [] ->
            State#state{subscribers = maps:remove(Ref, Subscribers)}
    end.

crashed(normal) -> false;
crashed(shutdown) -> false;
crashed({shutdown, _}) -> false;
crashed(_) -> true.

%%% ---- envelopes --------------------------------------------------------------------------

%% What is banned here is not spread from here.
publish(Genotype, Claims, #state{realm = Realm} = State) ->
    case cambrian_trust:is_banned(Realm, {genotype, cambrian_genotype:id(Genotype)}) of
        true -> {{error, banned_genotype}, State};
        false -> publish_allowed(Genotype, Claims, State)
    end.

publish_allowed(Genotype, #{task := Task, fitness := Fitness} = Given, #state{sequence = Sequence} = State) ->
    Claims = Given#{realm => State#state.realm, task := text(Task), fitness := float(Fitness),
                    grant => State#state.grant, sequence => Sequence, time => erlang:system_time(millisecond)},
    #state{identity = #{secret := Secret}} = State,
    case cambrian_envelope:seal(Claims, Genotype, Secret()) of
        {ok, Bytes} ->
            {Transport, Mesh} = State#state.transport,
            Sent = Transport:publish(Mesh, State#state.topic, Bytes),
            Answer = case Sent of ok -> {ok, cambrian_genotype:id(Genotype)}; Error -> Error end,
            _ = [report(published, Claims#{genotype => Id}) || {ok, Id} <- [Answer]],
            {Answer, count(published, State#state{sequence = Sequence + 1})};
        Error ->
            {Error, State}
    end.

%% An envelope, or a certificate of succession.
receive_bytes(Bytes, #state{realm = Realm} = State) ->
    case cambrian_identity:is_succession(Bytes) of
        true -> received(cambrian_trust:follow(Realm, Bytes), State);
        false -> received(cambrian_trust:check(Realm, Bytes), State)
    end.

received(ok, State) -> State;
received({ok, Genotype, #{origin := Origin} = Claims}, State) ->
    case origin(State) of
        Origin -> count({rejected, own}, State);
        _ -> report(received, Claims), deliver(Genotype, Claims, State)
    end;
received({error, Reason}, State) -> count({rejected, cambrian_realm:kind(Reason)}, State).

%% For telemetry, which {@link cambrian_trust} tells of what is rejected.
report(Event, Claims) ->
    cambrian_telemetry:execute([cambrian, mesh, Event], maps:with([fitness, generation], Claims),
                               maps:with([realm, task, genotype, origin], Claims)).

deliver(Genotype, #{task := Task, origin := Origin} = Claims, State) ->
    #state{joined = Joined, subscribers = Subscribers} = State,
    From = (maps:with([origin, generation], Claims))#{genotype => Genotype},
    offer_all([Handle || #joined{handle = Handle, task = T} <- maps:values(Joined), T =:= Task], Genotype,
              From#{claimed => maps:get(fitness, Claims)}),
    Message = (maps:with([task, fitness, generation], Claims))#{genotype => Genotype, origin => Origin},
    _ = [Pid ! {?MODULE, Ref, Message} || {Ref, {Pid, Wanted}} <- maps:to_list(Subscribers),
                                          Wanted =:= all orelse Wanted =:= Task],
    State.

%% One claim is checked once, by the first that takes it.
offer_all([], _Genotype, _From) -> ok;
offer_all([Handle | Handles], Genotype, From) ->
    case offer(Handle, Genotype, From) of
        ok -> offer_all(Handles, Genotype, maps:remove(claimed, From));
        {error, _} -> offer_all(Handles, Genotype, From)
    end.

%% A population that has too many newcomers waiting, or is gone, misses this one.
offer(Handle, Genotype, From) ->
    try cambrian_population:inject(Handle, Genotype, From)
    catch exit:_ -> {error, gone}
    end.

peer(Key, Standing) -> (maps:with([seen, received, accepted, reputation], Standing))#{origin => Key}.

count(What, #state{counts = Counts} = State) ->
    State#state{counts = maps:update_with(What, fun(N) -> N + 1 end, 1, Counts)}.

text(Task) when is_atom(Task) -> atom_to_binary(Task);
text(Task) when is_binary(Task) -> Task.
