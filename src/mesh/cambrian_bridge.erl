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
%% it. Nothing that others claim is believed: see {@link cambrian_envelope}.
-module(cambrian_bridge).
-behaviour(gen_server).

-export([start_link/1, start/1, stop/0, join/1, publish_genotype/2, subscribe_genotypes/2, unsubscribe_genotypes/1,
         list_nodes/0, global_best/0, identity/0, counts/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2, format_status/1]).
-export_type([options/0, peer/0, best/0]).

%% `realm' says who may meet whom; `publish_interval' is the least time in ms between two champions
%% of one population (default 1000); `identity' is a secret, or a fun that gives it, so that it stays out of
%% crash reports; it is otherwise made anew. A population's name that is not there yet is waited for.
-type options() :: #{realm := binary(), transport => module(), transport_options => map(),
                     identity => cambrian_envelope:secret() | fun(() -> cambrian_envelope:secret()),
                     populations => [cambrian_population:population()],
                     publish_interval => non_neg_integer()}.
-type peer() :: #{origin := cambrian_envelope:key(), seen := integer(),
                  received := pos_integer(), accepted := non_neg_integer()}.
%% `fitness' as it was measured on this node.
-type best() :: #{genotype := cambrian_genotype:genotype(), fitness := float(), origin := cambrian_envelope:key()}.

-record(joined, {handle :: cambrian_population:population(), name :: term(), task :: binary(),
                 monitor :: reference(), published = none :: none | float(),
                 pending = none :: none | cambrian_population:champion(),
                 quiet = false :: boolean()}).

-record(state, {realm, topic, transport, secret, origin, interval,
                sequence = erlang:system_time(microsecond),
                joined = #{} :: #{Name :: term() => #joined{}},
                subscribers = #{} :: #{reference() => {pid(), Task :: binary() | all}},
                peers = #{} :: #{cambrian_envelope:key() => peer()},
                journal = #{} :: cambrian_envelope:journal(),
                best = #{} :: #{Task :: binary() => best()},
                counts = #{} :: #{published | received | {rejected, term()} => pos_integer()}}).

%% So that strangers with ever new keys cannot fill the memory.
-define(MAX_PEERS, 10_000).
%% How often a population that is not there is looked for: one that crashed is back under its name by then.
-define(REJOIN_MS, 200).

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
    case cambrian_options:check(Options, table()) of
        {ok, #{realm := _} = Checked} -> gen_server:start_link({local, ?MODULE}, ?MODULE, Checked, []);
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
    Spec = #{id => ?MODULE, start => {?MODULE, start_link, [Options]}, restart => transient},
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
      identity => {fun is_identity/1, <<"32 bytes, or a fun that gives them">>, fun cambrian_identity:new/0},
      populations => {fun(L) -> is_list(L) andalso lists:all(fun is_handle/1, L) end, <<"a list of pids or names">>, []},
      publish_interval => {fun cambrian_options:is_count/1, <<"milliseconds">>, 1000}}.

is_identity(Secret) -> is_function(Secret, 0) orelse is_bytes(Secret, 32).

is_bytes(Bytes, Size) -> is_binary(Bytes) andalso byte_size(Bytes) =:= Size.

is_handle(Handle) -> is_pid(Handle) orelse is_atom(Handle).

claims_table() ->
    #{task => {fun is_task/1, <<"an atom or a binary of at most 255 bytes">>},
      fitness => {fun is_number/1, <<"a number">>},
      generation => {fun(N) -> cambrian_options:is_count(N) andalso N < 1 bsl 64 end, <<"an integer from 0">>, 0},
      parents => {fun(Ids) -> is_list(Ids) andalso length(Ids) =< 8 andalso
                              lists:all(fun(Id) -> is_bytes(Id, 32) end, Ids) end,
                  <<"a list of at most 8 ids of 32 bytes">>, []}}.

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
                         generation => non_neg_integer(), parents => [cambrian_genotype:id()]}) ->
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
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, parents => [],
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

%% @doc Everyone else that a genuine envelope came from, at most 10,000; `seen' in ms since 1970.
%%
%% ```
%% 1> {ok, _} = cambrian_bridge:start(#{realm => <<"org.example.lab">>}).
%% 2> {ok, G} = cambrian_genotype:new(#{inputs => 2, outputs => 1}, 7).
%% 3> {ok, Bytes} = cambrian_envelope:seal(
%%      #{realm => <<"org.example.lab">>, task => <<"xor">>, fitness => 2.87, generation => 0, parents => [],
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
-spec identity() -> cambrian_envelope:key().
identity() -> gen_server:call(?MODULE, identity).

%% @doc How many envelopes were published, received, and rejected for which reason.
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

init(#{realm := Realm, transport := Transport, identity := Identity, publish_interval := Interval} = Options) ->
    process_flag(trap_exit, true),
    Secret = if is_function(Identity) -> Identity(); true -> Identity end,
    Topic = <<Realm/binary, "/genotype">>,
    State = #state{realm = Realm, topic = Topic, transport = Transport, secret = Secret, interval = Interval,
                   origin = cambrian_identity:public_key(Secret)},
    case connect(Transport, maps:get(transport_options, Options)) of
        ok ->
            ok = Transport:subscribe(Topic, self()),
            {ok, lists:foldl(fun join_population/2, State, maps:get(populations, Options))};
        {error, Reason} -> {stop, Reason}
    end.

connect(Transport, Options) ->
    case code:ensure_loaded(Transport) of
        {module, _} -> Transport:connect(Options);
        {error, _} -> {error, {transport_unavailable, Transport}}
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
handle_call(list_nodes, _From, #state{peers = Peers} = State) ->
    {reply, maps:values(Peers), State};
handle_call(global_best, _From, #state{best = Best} = State) ->
    {reply, Best, State};
handle_call(identity, _From, #state{origin = Origin} = State) ->
    {reply, Origin, State};
handle_call(counts, _From, #state{counts = Counts} = State) ->
    {reply, Counts, State}.

handle_cast(_, State) -> {noreply, State}.

handle_info({cambrian_transport, Topic, Bytes}, #state{topic = Topic} = State) ->
    {noreply, receive_envelope(Bytes, count(received, State))};
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

terminate(_Reason, #state{transport = Transport, topic = Topic}) -> Transport:unsubscribe(Topic, self()).

%% A crash report must not tell who we can pretend to be.
format_status(#{state := #state{} = State} = Status) -> Status#{state := State#state{secret = hidden}};
format_status(Status) -> Status.

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
population_says({received, #{from := #{origin := Origin} = From} = Received}, Population, State) ->
    #{fitness := Fitness, outcome := Outcome} = Received,
    #{genotype := Genotype} = From,
    Checked = #{genotype => Genotype, fitness => Fitness, origin => Origin},
    remember(Checked, Population, credit(Origin, Outcome, State));
population_says(_, _, State) ->
    State.

own(#{champion := Genotype, fitness := Fitness}, #state{origin = Origin}) ->
    #{genotype => Genotype, fitness => Fitness, origin => Origin}.

%% A champion that came from elsewhere is not sent back as our own.
publish_pending(#joined{pending = none} = Population, State) ->
    put_joined(Population, State);
publish_pending(#joined{quiet = true} = Population, State) ->
    put_joined(Population, State);
publish_pending(#joined{pending = Champion, published = Published, name = Name, task = Task} = Population, State) ->
    #{champion := Genotype, fitness := Fitness, generation := Generation} = Champion,
    case (Published =:= none orelse Fitness > Published) andalso is_ours(Genotype, Task, State) of
        true ->
            erlang:send_after(State#state.interval, self(), {publish_pending, Name}),
            {_, Next} = publish(Genotype, #{task => Task, fitness => Fitness, generation => Generation, parents => []}, State),
            put_joined(Population#joined{published = Fitness, pending = none, quiet = true}, Next);
        false ->
            put_joined(Population#joined{pending = none}, State)
    end.

is_ours(Genotype, Task, #state{origin = Origin, best = Best}) ->
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

publish(Genotype, #{task := Task, fitness := Fitness} = Given, #state{sequence = Sequence} = State) ->
    Claims = Given#{realm => State#state.realm, task := text(Task), fitness := float(Fitness),
                    sequence => Sequence, time => erlang:system_time(millisecond)},
    case cambrian_envelope:seal(Claims, Genotype, State#state.secret) of
        {ok, Bytes} ->
            Sent = (State#state.transport):publish(State#state.topic, self(), Bytes),
            Answer = case Sent of ok -> {ok, cambrian_genotype:id(Genotype)}; Error -> Error end,
            {Answer, count(published, State#state{sequence = Sequence + 1})};
        Error ->
            {Error, State}
    end.

%% The first no ends the reading.
receive_envelope(Bytes, State) ->
    try check(Bytes, State) of
        {Genotype, Claims} -> deliver(Genotype, Claims, acquaint(Claims, State))
    catch
        throw:{error, Reason} -> count({rejected, kind(Reason)}, State)
    end.

check(Bytes, _State) when not is_binary(Bytes) ->
    throw({error, malformed});
check(Bytes, #state{realm = Realm, journal = Journal, peers = Peers}) ->
    {Envelope, #{origin := Origin} = Claims} = accept(cambrian_envelope:read(Bytes)),
    ok = accept(cambrian_envelope:admit(Claims, Realm, Journal)),
    ok = accept(case is_map_key(Origin, Peers) orelse map_size(Peers) < ?MAX_PEERS of
                    true -> ok;
                    false -> {error, too_many_peers}
                end),
    {accept(cambrian_envelope:open(Envelope)), Claims}.

accept(ok) -> ok;
accept({ok, Value}) -> Value;
accept({ok, Value, More}) -> {Value, More};
accept({error, _} = Error) -> throw(Error).

kind(Reason) when is_tuple(Reason) -> element(1, Reason);
kind(Reason) -> Reason.

%% Only a genuine envelope moves the journal, or a forger could silence others.
acquaint(#{origin := Origin, sequence := Sequence}, #state{peers = Peers, journal = Journal} = State) ->
    #{received := Received} = Peer = maps:get(Origin, Peers, #{origin => Origin, received => 0, accepted => 0}),
    Seen = Peer#{received := Received + 1, seen => erlang:system_time(millisecond)},
    State#state{peers = Peers#{Origin => Seen}, journal = Journal#{Origin => Sequence}}.

deliver(Genotype, #{task := Task, origin := Origin} = Claims, #state{joined = Joined, subscribers = Subscribers} = State) ->
    From = (maps:with([origin, generation], Claims))#{genotype => Genotype, claimed => maps:get(fitness, Claims)},
    _ = [offer(Handle, Genotype, From) || #joined{handle = Handle, task = T} <- maps:values(Joined), T =:= Task],
    Message = (maps:with([task, fitness, generation], Claims))#{genotype => Genotype, origin => Origin},
    _ = [Pid ! {?MODULE, Ref, Message} || {Ref, {Pid, Wanted}} <- maps:to_list(Subscribers),
                                          Wanted =:= all orelse Wanted =:= Task],
    State.

%% A population that has too many newcomers waiting, or is gone, misses this one.
offer(Handle, Genotype, From) ->
    try cambrian_population:inject(Handle, Genotype, From)
    catch exit:_ -> {error, gone}
    end.

credit(Origin, accepted, #state{peers = Peers} = State) ->
    case Peers of
        #{Origin := #{accepted := Accepted} = Peer} ->
            State#state{peers = Peers#{Origin := Peer#{accepted := Accepted + 1}}};
        _ -> State
    end;
credit(_Origin, _Outcome, State) -> State.

count(What, #state{counts = Counts} = State) ->
    State#state{counts = maps:update_with(What, fun(N) -> N + 1 end, 1, Counts)}.

text(Task) when is_atom(Task) -> atom_to_binary(Task);
text(Task) when is_binary(Task) -> Task.
