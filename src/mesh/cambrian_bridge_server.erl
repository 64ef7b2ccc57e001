%% @private
%% The process of one bridge: carries out what its {@link cambrian_exchange} wants, between the transport, the populations
%% of this node and what is trusted here.
-module(cambrian_bridge_server).
-behaviour(gen_server).

-export([start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-type job() :: {cambrian_genotype:id(), cambrian_delivery:job()}.

-record(joined, {handle :: cambrian_population:population(), name :: term(), task :: binary(), monitor :: reference(),
                 champion :: undefined | cambrian_population:champion(),
                %% as it said last
                rests = true :: boolean(), failing = false :: boolean()}).
-record(state, {realm :: binary(), transport :: module(), connection :: term(), speaker :: pid(),
                gate :: pid(), room :: cambrian_gate:room(),
                exchange :: cambrian_exchange:exchange(),
                timer = none :: none | {reference(), integer()},
                %% where the identity is kept
                home = none :: none | {ok, cambrian_file:path()}, identity :: cambrian_identity:identity(),
                %% how many times the median of a population's own a newcomer may cost
                cost_bound = 8 :: number(),
                %% what its envelopes show, and how that is found of a key
                shown :: undefined | binary(), grant :: fun((cambrian_identity:identity()) -> undefined | binary()),
                %% whether populations let go of what is banned, and the monitor of who tells of bans
                purge = true :: boolean(), trust = none :: none | reference(),
                %% the processes whose end is that of the bridge
                links = [] :: [pid() | port()],
                aliases = #{} :: #{cambrian_identity:key() | cambrian_identity:name() => binary()},
                %% the monitor of who knows of all populations, where all take part
                all = none :: none | reference(),
                %% populations that are to take part, and are not there
                missing = [] :: [cambrian_population:population()],
                %% those that are looked for again, by their names
                looking = #{} :: #{term() => Timer :: reference()},
                joined = #{} :: #{Name :: term() => #joined{}},
                subscribers = #{} :: #{reference() => {pid(), Task :: binary() | all, Monitor :: reference()}},
                %% questions that are under way
                asking = #{} :: #{Monitor :: reference() => {answered, pos_integer()} | {picked, binary()} | {made, job()}
                                                            | {purged, Name :: term()}},
                %% differences that are to be made, the first one just now, and who waits for each
                jobs = [] :: [{job(), Callers :: [gen_server:from()]}],
                counts = #{} :: #{atom() | {rejected, atom()} => pos_integer()}}).

-define(TOPIC, <<"genotype">>).
-define(CALL_MS, 10_000).
-define(FETCH_MS, 60_000).
%% How often a population that is not there is looked for: one that crashed is back under its name by then.
-define(REJOIN_MS, 200).
%% Differences that wait to be made, one after the other; who asks for more is told that we are busy.
-define(MAX_JOBS, 16).
%% No request has more.
-define(MAX_REQUEST, 1024).
%% What waits to be said, to a mesh that does not take it.
-define(MAX_UNSAID, 1000).
%% For what is said last.
-define(GOODBYE_MS, 1000).

%% Messages are short and many.
-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(#{realm := Realm} = Options) ->
    case gen_server:start_link({via, cambrian_bridge_registry, Realm}, ?MODULE, Options, [{spawn_opt, [{message_queue_data, off_heap}]}]) of
        {error, {shutdown, Reason}} -> {error, Reason};
        Started -> Started
    end.

%%% ---- starting ---------------------------------------------------------------------------

init(#{realm := Realm, transport := Transport} = Options) ->
    process_flag(trap_exit, true),
    case prepare(Options) of
        {ok, Identity, Home, Room, Gate, Connection} ->
            ok = Transport:subscribe(Connection, ?TOPIC),
            ok = Transport:serve(Connection, ?TOPIC, fun(Bytes, From) -> answer(Bytes, From, Gate) end),
            Shown = grant(Options, Identity),
            Given = exchange_options(Options, Identity, Transport:address(Connection)),
            {Effects, Exchange} = cambrian_exchange:new(Given#{grant => Shown}),
            Populations = maps:get(populations, Options),
            Speaker = spawn_link(fun() -> speak(Transport, Connection) end),
            {links, Links} = process_info(self(), links),
            State = #state{realm = Realm, transport = Transport, connection = Connection, speaker = Speaker, exchange = Exchange,
                           gate = Gate, room = Room, home = Home, identity = Identity, shown = Shown,
                           grant = fun(Of) -> grant(Options, Of) end, links = Links, aliases = maps:get(aliases, Options),
                           cost_bound = maps:get(cost_bound, Options), purge = maps:get(purge, Options)},
            ok = warn_of_silence(Options, State),
            {ok, join_all(Populations, watch_bans(carry_out(Effects, State)))};
        %% what is wrong is answered, and no crash to report
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

prepare(Options) ->
    case identity(Options) of
        {ok, Identity, Home} ->
            case grant_is_for(Identity, Options) of
                true -> open_realm(Options, Identity, Home);
                Error -> Error
            end;
        Error -> Error
    end.

%% For the key of this node, or for one that it succeeded: others who know of that take it for the heir's.
grant_is_for(#{key := Key, successions := Chain}, #{grant := Bytes}) ->
    {ok, #{key := Of}} = cambrian_identity:peek_grant(Bytes),
    case lists:member(Of, [Key | [Old || Certificate <- Chain, {ok, #{old := Old}} <- [cambrian_identity:peek_succession(Certificate)]]]) of
        true -> true;
        false ->
            Expected = ["a grant for the key of this node, ", cambrian_text:hex(Key), "; this one is for ", cambrian_text:hex(Of)],
            {error, {bad_option, {grant, Bytes, iolist_to_binary(Expected)}}}
    end;
grant_is_for(_Identity, _NoGrant) -> true.

open_realm(#{realm := Realm} = Options, Identity, Home) ->
    case cambrian_trust:open(Realm, maps:with([capability, rate, tolerance], Options)) of
        ok -> connect(Options, Identity, Home);
        %% the bridge takes nothing in until somebody opens the realm, and says so
        {error, {realm_damaged, _}} -> connect(Options, Identity, Home);
        Error -> Error
    end.

connect(#{realm := Realm, transport := Transport, transport_options := Given}, #{secret := Secret} = Identity, Home) ->
    Room = cambrian_gate:room(),
    case code:ensure_loaded(Transport) of
        {module, _} ->
            case cambrian_gate:start_link(Realm, Room, Transport, Given#{realm => Realm, identity => Secret}) of
                {ok, Gate, Connection} -> {ok, Identity, Home, Room, Gate, Connection};
                Error -> Error
            end;
        {error, _} -> {error, {transport_unavailable, Transport}}
    end.

%% In the process of who calls, which the transport made: what is no request does not get to the bridge.
answer(Bytes, From, Gate) when byte_size(Bytes) =< ?MAX_REQUEST -> gen_server:call(Gate, {asked, From, Bytes}, infinity);
answer(_Bytes, _From, _Gate) -> cambrian_message:answer(none).

%% `{ok, Identity, Home}': the file that it is kept in.
identity(#{identity := Fun}) when is_function(Fun) ->
    case Fun() of
        <<_:32/binary>> = Secret -> {ok, cambrian_identity:from_secret(Secret), none};
        _ -> {error, {bad_option, {identity, Fun, <<"a fun that gives 32 bytes">>}}}
    end;
identity(#{identity := Path}) -> identity_in({ok, Path});
identity(_) -> identity_in(cambrian_data_dir:path([<<"identity">>])).

identity_in(none) -> {ok, cambrian_identity:from_secret(cambrian_identity:new()), none};
identity_in({ok, Path} = Home) ->
    case cambrian_identity:load(Path) of
        {ok, Identity} -> {ok, Identity, Home};
        Error -> Error
    end;
identity_in(Error) -> Error.

exchange_options(#{realm := Realm} = Options, Identity, Address) ->
    #{realm => Realm, identity => Identity, address => Address,
      trust => {fun(Request, _Now, Name) -> {cambrian_trust:ask(Name, Request), Name} end, Realm},
      seed => binary:decode_unsigned(crypto:strong_rand_bytes(7)), now => now_ms(), clock => clock(),
      sequence => cambrian_trust:ask(Realm, {sequence, os:system_time(microsecond)}),
      publish => maps:get(publish, Options), threshold => maps:get(publish_best_fitness_threshold, Options),
      interval => maps:get(publish_interval, Options), budget => maps:get(budget, Options), share => maps:get(evaluation_share, Options),
      policy => maps:get(migration_policy, Options), migration_interval => maps:get(migration_interval, Options),
      topology => maps:get(topology, Options)}.

%% Who asks others for work does the same.
grant(#{grant := Grant}, _Identity) -> Grant;
grant(#{realm := Realm}, #{key := Key}) ->
    case cambrian_trust:report(Realm) of
        #{capability := {work, Bits}} -> cambrian_proof_of_work:find(Bits, Realm, Key);
        _ -> undefined
    end.

%% Since this VM started, whatever the clock of the machine is set to.
now_ms() -> erlang:convert_time_unit(erlang:monotonic_time() - erlang:system_info(start_time), native, millisecond).

%% What the time of day is ahead of that. Others compare it with their own, so it is the machine's as it is now, which the
%% VM's own may follow slowly or not at all.
clock() -> os:system_time(millisecond) - now_ms().

%% The exchange, with the time of day as it is.
current(#state{exchange = Exchange}) -> cambrian_exchange:set_clock(clock(), Exchange).

%%% ---- calls ------------------------------------------------------------------------------

handle_call({asked, From, Bytes}, Caller, #state{room = Room} = State) ->
    ok = cambrian_gate:taken(byte_size(Bytes), Room),
    {Effects, Reply, Next} = cambrian_exchange:asked(Bytes, From, now_ms(), current(State)),
    {noreply, reply(Reply, Caller, carry_out(Effects, State#state{exchange = Next}))};
handle_call({join, Population}, _From, State) ->
    {reply, ok, join_population(Population, State)};
handle_call({publish, Genotype, #{task := Task, fitness := Fitness} = Given}, _From, State) ->
    Claims = (maps:with([generation, parents, operators], Given))#{fitness => float(Fitness)},
    {Answer, Effects, Next} = cambrian_exchange:publish(text(Task), Genotype, Claims, now_ms(), current(State)),
    {reply, Answer, carry_out(Effects, State#state{exchange = Next})};
handle_call({amend, Charter}, _From, State) ->
    {Answer, Effects, Next} = cambrian_exchange:amend(Charter, now_ms(), current(State)),
    {reply, Answer, carry_out(Effects, State#state{exchange = Next})};
handle_call({subscribe, Ref, Task, Pid}, _From, #state{subscribers = Subscribers} = State) ->
    Wanted = case Task of all -> all; _ -> text(Task) end,
    {reply, ok, listening(State#state{subscribers = Subscribers#{Ref => {Pid, Wanted, monitor(process, Pid)}}})};
handle_call({unsubscribe, Ref}, _From, State) ->
    {reply, ok, unsubscribe(Ref, State)};
handle_call(list_nodes, _From, #state{realm = Realm} = State) ->
    #{origins := Origins} = cambrian_trust:report(Realm),
    Alive = cambrian_exchange:members(now_ms(), current(State)),
    Keys = lists:usort(maps:keys(Origins) ++ maps:keys(Alive)),
    {reply, [peer(Key, Origins, Alive, State) || Key <- Keys], State};
handle_call(global_best, _From, #state{exchange = Exchange} = State) ->
    Named = fun(_Task, #{origin := Origin} = Best) -> Best#{name => name(Origin, State)} end,
    {reply, maps:map(Named, cambrian_exchange:best(Exchange)), State};
handle_call(identity, _From, #state{exchange = Exchange} = State) ->
    {reply, cambrian_exchange:origin(Exchange), State};
handle_call(home, _From, #state{home = Home} = State) ->
    {reply, case Home of {ok, Path} -> filename:absname(unicode:characters_to_list(Path)); none -> none end, State};
handle_call(rotate, _From, #state{home = {ok, Path}} = State) ->
    case cambrian_identity:rotate(Path) of
        {ok, Next} -> {reply, {ok, Next}, become(Next, State)};
        Error -> {reply, Error, State}
    end;
handle_call({become, Identity}, _From, State) ->
    {reply, ok, become(Identity, State)};
handle_call({story, Id}, _From, #state{exchange = Exchange} = State) ->
    {reply, [with_name(Step, State) || Step <- cambrian_exchange:story(Id, Exchange)], State};
handle_call(stories, _From, #state{exchange = Exchange} = State) ->
    Stories = [{Id, [with_name(Step, State) || Step <- Steps]} || {Id, Steps} <- cambrian_exchange:stories(Exchange)],
    {reply, Stories, State};
handle_call(status, _From, #state{realm = Realm, transport = Transport, connection = Connection, joined = Joined,
                                  missing = Missing} = State) ->
    Status = maps:merge(maps:merge(Transport:status(Connection), damage(Realm)), silence(State)),
    {reply, Status#{populations => lists:sort(maps:keys(Joined)), missing => Missing}, State};
handle_call(counts, _From, #state{counts = Counts, room = Room} = State) ->
    {reply, case cambrian_gate:dropped(Room) of 0 -> Counts; N -> Counts#{{rejected, overloaded} => N} end, State};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast(_, State) -> {noreply, State}.

peer(Key, Origins, Alive, #state{realm = Realm} = State) ->
    Standing = maps:with([seen, received, accepted, reputation], maps:get(Key, Origins, #{})),
    Member = maps:with([seen, address, round_trip], maps:get(Key, Alive, #{})),
    Unknown = #{received => 0, accepted => 0, reputation => 0.5, address => undefined, round_trip => undefined},
    Known = maps:merge(maps:merge(Unknown, Standing), maps:filter(fun(_, V) -> V =/= undefined end, Member)),
    Known#{origin => Key, name => name(Key, State), realm => Realm, alive => is_map_key(Key, Alive)}.

%% An alias is this node's own, and the key's name beside it tells who it really is.
name(Key, #state{aliases = Aliases}) ->
    Name = cambrian_identity:name(Key),
    case Aliases of
        #{Key := Alias} -> <<Alias/binary, " (", Name/binary, ")">>;
        #{Name := Alias} -> <<Alias/binary, " (", Name/binary, ")">>;
        _ -> Name
    end.

with_name(#{origin := <<_:32/binary>> = Origin} = Step, State) -> Step#{name => name(Origin, State)};
with_name(Step, _State) -> Step.

become(Identity, State) ->
    Grant = (State#state.grant)(Identity),
    {Effects, Next} = cambrian_exchange:renamed(Identity, Grant, now_ms(), current(State)),
    carry_out(Effects, State#state{exchange = Next, identity = Identity, shown = Grant}).

%%% ---- messages ---------------------------------------------------------------------------

handle_info({heard, Message, Bytes}, #state{room = Room} = State) ->
    ok = cambrian_gate:taken(Bytes, Room),
    {noreply, exchange(fun cambrian_exchange:heard/3, [Message], count(bytes_received, Bytes, count(received, State)))};
handle_info({cambrian, Name, Event}, #state{joined = Joined} = State) ->
    case Joined of
        #{Name := Population} -> {noreply, population_says(Event, Population, State)};
        _ -> {noreply, State}
    end;
handle_info({timeout, Timer, tick}, #state{timer = {Timer, _}} = State) ->
    {noreply, exchange(fun cambrian_exchange:tick/2, [], State#state{timer = none})};
handle_info({timeout, Timer, {rejoin, Name}}, #state{looking = Looking} = State) when map_get(Name, Looking) =:= Timer ->
    {noreply, rejoin(Name, State#state{looking = maps:remove(Name, Looking)})};
handle_info({cambrian_store, population, _Name, Pid}, #state{all = Store} = State) when Store =/= none, is_pid(Pid) ->
    {noreply, join_population(Pid, State)};
%% What a key sent before its lies had it banned was measured here, and stays ({@link cambrian_realm:is_any_banned_by_user/2}).
handle_info({cambrian_trust, Realm, {banned, #{by := reputation}}}, #state{realm = Realm} = State) ->
    {noreply, State};
handle_info({cambrian_trust, Realm, {banned, #{what := Subject}}}, #state{realm = Realm} = State) ->
    {noreply, banned(cambrian_trust:ask(Realm, {banned, Subject}), State)};
handle_info({'DOWN', Trust, process, _, _}, #state{trust = Trust} = State) ->
    _ = erlang:send_after(?REJOIN_MS, self(), watch_bans),
    {noreply, State#state{trust = none}};
handle_info(watch_bans, #state{trust = none} = State) ->
    {noreply, watch_bans(State)};
handle_info({'DOWN', Store, process, _, _}, #state{all = Store} = State) ->
    _ = erlang:send_after(?REJOIN_MS, self(), look),
    {noreply, State};
handle_info(look, #state{all = Store} = State) when Store =/= none ->
    {noreply, join_all(all, State)};
handle_info({'DOWN', Monitor, process, _, Reason}, #state{asking = Asking} = State) ->
    case maps:take(Monitor, Asking) of
        {Question, Left} -> {noreply, answered(Question, cambrian_async:answer(Reason), State#state{asking = Left})};
        error -> {noreply, gone(Monitor, Reason, State)}
    end;
%% Without its connection a bridge is none; its supervisor makes another.
handle_info({'EXIT', Pid, Reason}, #state{links = Links} = State) when Reason =/= normal ->
    case lists:member(Pid, Links) of
        true -> {stop, Reason, State};
        false -> {noreply, State}
    end;
handle_info(_, State) ->
    {noreply, State}.

terminate(_Reason, #state{transport = Transport, connection = Connection, speaker = Speaker, gate = Gate}) ->
    Monitor = monitor(process, Speaker),
    Speaker ! goodbye,
    receive {'DOWN', Monitor, process, _, _} -> ok
    after ?GOODBYE_MS -> exit(Speaker, kill)
    end,
    Transport:disconnect(Connection),
    unlink(Gate),
    exit(Gate, kill).

%% Calls it with what it needs, the time and the exchange, and does what it wants.
exchange(Function, Arguments, State) ->
    {Effects, Next} = apply(Function, Arguments ++ [now_ms(), current(State)]),
    carry_out(Effects, State#state{exchange = Next}).

answered({answered, Ref}, {ok, Result}, State) -> exchange(fun cambrian_exchange:answered/4, [Ref, Result], State);
answered({answered, Ref}, Failure, State) -> exchange(fun cambrian_exchange:answered/4, [Ref, Failure], State);
answered({made, Job}, {ok, Differences}, State) -> made(Job, Differences, State);
%% the whole is an answer as well
answered({made, Job}, _Failure, State) -> made(Job, [], State);
answered({picked, Task}, {ok, {ok, Migrant}}, State) -> exchange(fun cambrian_exchange:picked/4, [Task, Migrant], State);
answered({picked, _Task}, _Nothing, State) -> State;
answered({purged, Name}, {ok, {ok, Purged}}, State) -> noted(Name, Purged, State);
%% one that was gone is looked at when it is back
answered({purged, _Name}, _Gone, State) -> State.

%%% ---- effects ----------------------------------------------------------------------------

carry_out(Effects, State) -> on_time(lists:foldl(fun do/2, State, Effects)).

do({publish, Bytes} = Said, State) -> say(Said, bytes_published, byte_size(Bytes), State);
do({send, _} = Blob, State) -> say(Blob, blobs, 1, State);
do({ask, Ref, Address, Bytes}, #state{transport = Transport, connection = Connection} = State) ->
    in_its_own_process({answered, Ref}, fun() -> Transport:call(Connection, Address, ?TOPIC, Bytes, ?CALL_MS) end, State);
do({fetch, Ref, Content}, #state{transport = Transport, connection = Connection} = State) ->
    in_its_own_process({answered, Ref}, fun() -> Transport:fetch(Connection, Content, ?FETCH_MS) end, State);
do({offer, Task, Genotype, #{id := Id} = From}, State) ->
    case offer_all(populations(Task, State), Genotype, From, State#state.cost_bound) of
        taken -> State;
        busy -> exchange(fun cambrian_exchange:judged/4, [Task, #{id => Id, outcome => busy}], State)
    end;
do({pick, Task, Policy}, State) ->
    case populations(Task, State) of
        [Handle | _] -> in_its_own_process({picked, Task}, fun() -> cambrian_population:migrant(Handle, Policy) end, State);
        [] -> State
    end;
do({lineage, Id, Record}, State) ->
    cambrian_lineage:received(Id, Record),
    State;
do({event, Name, Facts}, State) ->
    tell(Name, Facts, State).

say(What, Count, N, #state{speaker = Speaker} = State) ->
    case process_info(Speaker, message_queue_len) of
        {message_queue_len, Waiting} when Waiting < ?MAX_UNSAID ->
            Speaker ! What,
            count(Count, N, State);
        _ -> count(not_said, State)
    end.

%% In the order in which it is to be said, in a process of its own: a mesh that cannot be reached may take its time.
speak(Transport, Connection) ->
    receive
        {publish, Bytes} -> _ = Transport:publish(Connection, ?TOPIC, Bytes), speak(Transport, Connection);
        {send, Blob} -> _ = Transport:send(Connection, Blob), speak(Transport, Connection);
        goodbye -> ok;
        _ -> speak(Transport, Connection)
    end.

%% What takes its time must not hold up what arrives.
in_its_own_process(Question, Fun, #state{asking = Asking} = State) ->
    {_, Monitor} = cambrian_async:start(Fun),
    State#state{asking = Asking#{Monitor => Question}}.

populations(Task, #state{joined = Joined}) ->
    [Handle || {_, #joined{handle = Handle, task = Of}} <- lists:sort(maps:to_list(Joined)), Of =:= Task].

%% All populations of its task try it; what the first says of it counts. One that is gone, or that has too many newcomers
%% waiting, misses this one.
offer_all(Handles, Genotype, From, Bound) ->
    case [taken || Handle <- Handles, offer(Handle, Genotype, From, Bound) =:= ok] of
        [] -> busy;
        _ -> taken
    end.

offer(Handle, Genotype, From, Bound) ->
    try cambrian_population:inject_from_mesh(Handle, Genotype, From, Bound)
    catch exit:_ -> {error, gone}
    end.

on_time(#state{exchange = Exchange, timer = Timer} = State) ->
    At = cambrian_exchange:wake(Exchange),
    case Timer of
        {_, At} -> State;
        {Old, _} -> _ = erlang:cancel_timer(Old), set_timer(At, State);
        none -> set_timer(At, State)
    end.

set_timer(At, State) -> State#state{timer = {erlang:start_timer(max(0, At - now_ms()), self(), tick), At}}.

%%% ---- answers ----------------------------------------------------------------------------

%% Differences are made one after the other, each in a process of its own that comes after all others. Who asks for the same waits
%% for the same.
reply({answer, Answer}, Caller, State) -> replied(Answer, Caller, State);
reply(busy, Caller, State) -> replied(busy, Caller, State);
reply({make, Target, Job}, Caller, #state{jobs = Jobs} = State) ->
    case lists:keytake({Target, Job}, 1, Jobs) of
        {value, {Same, Callers}, _} -> State#state{jobs = lists:keyreplace(Same, 1, Jobs, {Same, [Caller | Callers]})};
        false when length(Jobs) >= ?MAX_JOBS -> replied(busy, Caller, count({rejected, busy}, State));
        false when Jobs =:= [] -> make({Target, Job}, State#state{jobs = [{{Target, Job}, [Caller]}]});
        false -> State#state{jobs = Jobs ++ [{{Target, Job}, [Caller]}]}
    end.

replied(Answer, Caller, State) ->
    gen_server:reply(Caller, Answer),
    State.

make({_Target, Job} = Which, State) ->
    in_its_own_process({made, Which},
                       fun() ->
                           process_flag(priority, low),
                           cambrian_delivery:differences(Job)
                       end, State).

made({Target, Job} = Which, Differences, #state{jobs = [{Which, Callers} | Jobs]} = State) ->
    {Answer, Next} = cambrian_exchange:made(Target, Job, Differences, State#state.exchange),
    lists:foreach(fun(Caller) -> gen_server:reply(Caller, Answer) end, Callers),
    case Jobs of
        [] -> State#state{exchange = Next, jobs = []};
        [{First, _} | _] -> make(First, State#state{exchange = Next, jobs = Jobs})
    end.

%%% ---- events -----------------------------------------------------------------------------

tell(rejected, #{reason := Reason}, State) -> count({rejected, Reason}, State);
tell(received, #{value := Genotype} = Facts, State) ->
    report(received, Facts, State),
    to_subscribers(Facts#{genotype := Genotype}, State),
    State;
tell(published, #{bytes := _} = Facts, State) -> report(published, Facts, State), count(published, State);
tell(announced, Facts, State) -> report(announced, Facts, State), count(announced, State);
tell(not_published, #{genotype := Id, reason := Reason}, State) ->
    logger:warning("cambrian: a champion was not published: ~tp (~ts)", [Reason, binary:encode_hex(Id)]),
    State;
tell(node_up, #{origin := Origin}, #state{realm = Realm} = State) ->
    cambrian_telemetry:execute([cambrian, mesh, node_up], #{count => 1}, #{realm => Realm, origin => Origin}),
    State;
tell(judged, _Facts, State) -> State.

%% By what this node asks of others, as these probably do; and none of them takes a grant that has ended.
silence(#state{realm = Realm, identity = #{key := Key}, shown = Shown}) ->
    Said = said(Shown),
    case has_ended(Said) orelse cambrian_trust:ask(Realm, {may_publish, Key, Said}) =:= false of
        true -> #{may_publish => false};
        false -> #{}
    end.

%% A stamp says nothing.
said(undefined) -> undefined;
said(Bytes) ->
    case cambrian_identity:peek_grant(Bytes) of
        {ok, Said} -> Said;
        {error, _} -> Bytes
    end.

has_ended(#{until := Until}) -> Until =< erlang:system_time(millisecond);
has_ended(_) -> false.

warn_of_silence(#{publish := true}, #state{realm = Realm, identity = #{key := Key}} = State) ->
    case silence(State) of
        #{may_publish := false} ->
            logger:warning("cambrian: this node, ~ts, may not publish in the realm ~ts: it is not one of those whom the capability here "
                           "names, and has no grant of theirs that is good now", [cambrian_identity:name(Key), Realm]);
        _ -> ok
    end;
warn_of_silence(_Options, _State) -> ok.

%% What befell the files of the realm, where anything did.
damage(Realm) ->
    case cambrian_trust:overview(Realm) of
        #{condition := {How, _}} -> #{trust => How};
        #{condition := _} -> #{}
    end.

%% For telemetry, which {@link cambrian_trust} tells of what is rejected.
report(Event, Facts, #state{realm = Realm}) ->
    cambrian_telemetry:execute([cambrian, mesh, Event], maps:with([fitness, generation], Facts),
                               (maps:with([task, genotype, origin], Facts))#{realm => Realm}).

to_subscribers(#{task := Task} = Facts, #state{subscribers = Subscribers}) ->
    Message = maps:with([genotype, task, fitness, generation, origin], Facts),
    lists:foreach(fun({Ref, {Pid, Wanted, _}}) ->
                      _ = [Pid ! {cambrian_bridge, Ref, Message} || Wanted =:= all orelse Wanted =:= Task]
                  end, maps:to_list(Subscribers)).

listening(#state{subscribers = Subscribers, exchange = Exchange} = State) ->
    Wanted = lists:usort([Task || {_, Task, _} <- maps:values(Subscribers)]),
    State#state{exchange = cambrian_exchange:listens(Wanted, now_ms(), Exchange)}.

unsubscribe(Ref, #state{subscribers = Subscribers} = State) ->
    case maps:take(Ref, Subscribers) of
        {{_, _, Monitor}, Left} ->
            demonitor(Monitor, [flush]),
            listening(State#state{subscribers = Left});
        error -> State
    end.

count(What, State) -> count(What, 1, State).

count(_What, 0, State) -> State;
count(What, N, #state{counts = Counts} = State) ->
    State#state{counts = maps:update_with(What, fun(Before) -> Before + N end, N, Counts)}.

%%% ---- bans -------------------------------------------------------------------------------

%% What was banned while nobody listened is told at once.
watch_bans(#state{realm = Realm} = State) ->
    case cambrian_trust:watch_bans(Realm) of
        {ok, Server, Banned} -> banned(Banned, State#state{trust = monitor(process, Server)});
        error ->
            _ = erlang:send_after(?REJOIN_MS, self(), watch_bans),
            State
    end.

%% Neither this node's exchange nor its populations keep anything of it.
banned(#{keys := [], genotypes := []}, State) -> State;
banned(Banned, #state{joined = Joined} = State) ->
    Without = exchange(fun cambrian_exchange:banned/3, [Banned], State),
    Populations = maps:values(Joined),
    lists:foldl(fun(Population, S) -> tell_again(Population, purge(Population, Banned, S)) end, Without, Populations).

%% In place of a best that was banned.
tell_again(#joined{champion = undefined}, State) -> State;
tell_again(#joined{task = Task, champion = Champion}, State) ->
    exchange(fun cambrian_exchange:bred/4, [Task, Champion], State).

purge(_Population, _Banned, #state{purge = false} = State) -> State;
purge(#joined{name = Name, handle = Handle}, Banned, State) ->
    in_its_own_process({purged, Name}, fun() -> cambrian_population:purge(Handle, Banned) end, State).

%% A population may have been away when something was banned, and is not asked for its best before.
purge_first(_Population, #state{purge = false} = State) -> State;
purge_first(#joined{name = Name, handle = Handle}, #state{realm = Realm} = State) ->
    case cambrian_trust:ask(Realm, {banned, all}) of
        #{keys := [], genotypes := []} -> State;
        Banned ->
            {ok, Purged} = cambrian_population:purge(Handle, Banned),
            noted(Name, Purged, State)
    end.

%% In the audit of the realm.
noted(_Name, #{leaving := 0, newcomers := 0, champion := false}, State) -> State;
noted(Name, Purged, #state{realm = Realm} = State) ->
    ok = cambrian_trust:ask(Realm, {purged, Purged#{population => Name}}),
    State.

%%% ---- populations ------------------------------------------------------------------------

%% All that are here, and each that comes.
join_all(all, State) ->
    Store = monitor(process, cambrian_store),
    try cambrian_store:watch() of
        Here -> lists:foldl(fun join_population/2, State#state{all = Store}, maps:values(Here))
    catch exit:_ -> State#state{all = Store}
    end;
join_all(Populations, State) ->
    lists:foldl(fun join_population/2, State, Populations).

join_population(Handle, #state{joined = Joined} = State) ->
    Monitor = monitor(process, Handle),
    try
        #{name := Name, task_id := Task} = cambrian_population:info(Handle),
        false = is_map_key(Name, Joined),
        ok = cambrian_population:account(Handle),
        Population = #joined{handle = Handle, name = Name, task = Task, monitor = Monitor},
        Known = purge_first(Population, found([Name, Handle], State#state{joined = Joined#{Name => Population}})),
        Taken = exchange(fun cambrian_exchange:join/3, [Task], Known),
        greet(cambrian_population:best(Handle), Population, Taken)
    catch
        exit:_ ->
            demonitor(Monitor, [flush]),
            missed(Handle, look_again(is_atom(Handle), Handle, State));
        error:{badmatch, true} ->
            demonitor(Monitor, [flush]),
            State
    end.

%% Where all are joined, those that come back are found anyway.
look_again(true, Name, #state{all = none, looking = Looking} = State) when not is_map_key(Name, Looking) ->
    State#state{looking = Looking#{Name => erlang:start_timer(?REJOIN_MS, self(), {rejoin, Name})}};
look_again(_, _Name, State) -> State.

%% One without a registered name has another pid when it comes back.
rejoin(Name, State) when is_atom(Name) -> join_population(Name, State);
rejoin(Name, State) ->
    case cambrian_store:whereabouts(Name) of
        {alive, Pid} -> join_population(Pid, State);
        returning -> look_again(true, Name, State);
        gone -> State
    end.

%% Said once, as a name that is misspelt would be waited for in silence.
missed(Handle, #state{realm = Realm, missing = Missing, all = none} = State) ->
    _ = [logger:warning("cambrian: the population ~tp is not there; the bridge of realm ~ts takes it in when it comes",
                        [Handle, Realm]) || not lists:member(Handle, Missing)],
    State#state{missing = lists:usort([Handle | Missing])};
missed(_Handle, State) -> State.

found(Handles, #state{realm = Realm, missing = Missing} = State) ->
    _ = [logger:notice("cambrian: the population ~tp is there, and takes part in realm ~ts", [Handle, Realm])
         || Handle <- lists:usort(Handles), lists:member(Handle, Missing)],
    State#state{missing = Missing -- Handles}.

%% A champion that it had before it was joined counts as well.
greet({ok, Champion}, Population, State) -> population_says({champion, Champion}, Population, State);
greet({error, not_evaluated}, _Population, State) -> State.

population_says({champion, Champion}, #joined{name = Name, task = Task} = Population, #state{joined = Joined} = State) ->
    Known = with_signature(Champion),
    Next = State#state{joined = Joined#{Name := Population#joined{champion = Known}}},
    exchange(fun cambrian_exchange:bred/4, [Task, Known], Next);
population_says({finished, _}, #joined{task = Task, champion = Champion}, State) when Champion =/= undefined ->
    exchange(fun cambrian_exchange:bred/4, [Task, Champion#{final => true}], State);
population_says({received, #{from := #{id := Id} = From} = Received}, #joined{task = Task}, State) ->
    _ = [cambrian_lineage:measured(Id, Breeder) || is_map_key(fitness, Received), #{breeder := Breeder} <- [From]],
    Verdict = maps:with([fitness, outcome, work, cost, median, bound], Received),
    exchange(fun cambrian_exchange:judged/4, [Task, maps:merge(Verdict#{id => Id}, maps:with([account], From))], State);
population_says({worked, #{work := Work, rests := Rests, failing := Failing}}, #joined{name = Name, task = Task} = Population,
                #state{joined = Joined} = State) ->
    All = Joined#{Name := Population#joined{rests = Rests, failing = Failing}},
    Same = [Other || #joined{task = Of} = Other <- maps:values(All), Of =:= Task],
    Together = #{work => Work, rests => lists:all(fun(P) -> P#joined.rests end, Same),
                 failing => lists:any(fun(P) -> P#joined.failing end, Same)},
    exchange(fun cambrian_exchange:worked/4, [Task, Together], State#state{joined = All});
population_says(_, _, State) ->
    State.

%% One that came from elsewhere, before a restart maybe, is known by what its breeder signed.
with_signature(#{champion := Genotype, operators := [injection]} = Champion) ->
    case cambrian_lineage:signed(cambrian_genotype:id(Genotype)) of
        {ok, Record} -> Champion#{signed => Record};
        none -> Champion
    end;
with_signature(Champion) -> Champion.

gone(Monitor, Reason, #state{joined = Joined, subscribers = Subscribers} = State) ->
    case [P || #joined{monitor = M} = P <- maps:values(Joined), M =:= Monitor] of
        [#joined{name = Name, handle = Handle, task = Task}] ->
            Left = look_again(is_atom(Handle) orelse crashed(Reason), Name, State#state{joined = maps:remove(Name, Joined)}),
            left(Task, ended(Handle, Reason, Left));
        [] ->
            Left = maps:filter(fun(_, {_, _, M}) -> M =/= Monitor end, Subscribers),
            listening(State#state{subscribers = Left})
    end.

%% One that was stopped is waited for without a warning.
ended(Name, Reason, #state{missing = Missing, all = none} = State) when is_atom(Name) ->
    case crashed(Reason) of
        true -> State;
        false -> State#state{missing = lists:usort([Name | Missing])}
    end;
ended(_Handle, _Reason, State) -> State.

left(Task, State) ->
    case populations(Task, State) of
        [] -> exchange(fun cambrian_exchange:leave/3, [Task], State);
        _ -> State
    end.

crashed(normal) -> false;
crashed(shutdown) -> false;
crashed({shutdown, _}) -> false;
crashed(_) -> true.

text(Task) when is_atom(Task) -> atom_to_binary(Task);
text(Task) when is_binary(Task) -> Task.
