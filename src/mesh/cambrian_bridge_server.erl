%% @private
%% The process of one bridge: it turns messages and calls into events of {@link cambrian_exchange},
%% and carries out what that decides, between the transport, the populations of this node and what
%% is trusted here.
-module(cambrian_bridge_server).
-behaviour(gen_server).

-export([start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-import(cambrian_bridge_populations, [of_task/2]).

%% What never changes.
-record(conf,
        {realm :: binary(), transport :: module(), connection :: term(), speaker :: pid(),
         gate :: pid(), room :: cambrian_gate:room(),
         %% the file of the identity
         home :: none | {ok, cambrian_file:path()},
         %% finds what the envelopes of an identity show
         grant :: fun((cambrian_identity:identity()) -> undefined | binary()),
         %% a newcomer may cost so many times the median of a population's own genotypes
         cost_bound :: number(),
         %% whether populations let go of what is banned
         purge :: boolean(),
         aliases :: #{cambrian_identity:key() | cambrian_identity:name() => binary()},
         %% the bridge stops with these processes
         links :: [pid() | port()]}).
-record(state,
        {conf :: #conf{},
         exchange :: cambrian_exchange:exchange(),
         timer = none :: none | {reference(), At :: integer()},
         identity :: cambrian_identity:identity(),
         %% what the envelopes of this node show
         shown :: undefined | binary(),
         %% the monitor of the process that tells of bans
         trust = none :: none | reference(),
         populations :: cambrian_bridge_populations:populations(),
         subscribers = cambrian_bridge_subscribers:new()
             :: cambrian_bridge_subscribers:subscribers(),
         %% what processes of their own do now
         asking = #{} :: #{Monitor :: reference() => question()},
         jobs = cambrian_bridge_jobs:new() :: cambrian_bridge_jobs:jobs(),
         counts = #{} :: #{atom() | {rejected, atom()} => pos_integer()}}).
-type question() :: {answered, Ref :: pos_integer()} | {picked, cambrian_exchange_state:task()}
                  | {archived, cambrian_exchange_state:task()}
                  | {made, cambrian_bridge_jobs:job()} | {purged, Name :: term()}.

-define(TOPIC, <<"genotype">>).
-define(CALL_MS, 10_000).
-define(FETCH_MS, 60_000).
%% How often the store, and the process that tells of bans, are looked for when they are gone.
-define(LOOK_AGAIN_MS, 200).
%% No request is longer.
-define(MAX_REQUEST, 1024).

-spec start_link(map()) -> {ok, pid()} | {error, term()}.
start_link(#{realm := Realm} = Options) ->
    %% messages are short and many
    Spawn = [{spawn_opt, [{message_queue_data, off_heap}]}],
    case gen_server:start_link({via, cambrian_bridge_registry, Realm}, ?MODULE, Options, Spawn) of
        {error, {shutdown, Reason}} -> {error, Reason};
        Started -> Started
    end.

%%% ---- starting ---------------------------------------------------------------------------

init(Options) ->
    process_flag(trap_exit, true),
    case cambrian_bridge_setup:prepare(Options) of
        {ok, Prepared} -> {ok, begin_with(Prepared, Options)};
        %% `shutdown' keeps a bad option from being reported as a crash
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

begin_with(#{identity := Identity} = Prepared, #{common_archive := Common} = Options) ->
    #conf{realm = Realm, transport = Transport, connection = Connection, grant = Grant} = Conf =
        conf(Prepared, Options),
    Shown = Grant(Identity),
    Address = Transport:address(Connection),
    Given = cambrian_bridge_setup:exchange_options(Options, Identity, Address, {now_ms(), clock()}),
    {Effects, Exchange} = cambrian_exchange:new(Given#{grant => Shown}),
    State = #state{conf = Conf, exchange = Exchange, identity = Identity, shown = Shown,
                   populations = cambrian_bridge_populations:new(Realm, Common)},
    ok = warn_of_silence(Options, State),
    join_all(maps:get(populations, Options), watch_bans(carry_out(Effects, State))).

conf(#{home := Home, room := Room, gate := Gate, connection := Connection}, Options) ->
    #{realm := Realm, transport := Transport, aliases := Aliases, cost_bound := CostBound,
      purge := Purge} = Options,
    ok = Transport:subscribe(Connection, ?TOPIC),
    ok = Transport:serve(Connection, ?TOPIC, fun(Bytes, From) -> answer(Bytes, From, Gate) end),
    Speaker = cambrian_bridge_speaker:start_link(Transport, Connection, ?TOPIC),
    {links, Links} = process_info(self(), links),
    #conf{realm = Realm, transport = Transport, connection = Connection, speaker = Speaker,
          gate = Gate, room = Room, home = Home, cost_bound = CostBound, purge = Purge,
          aliases = Aliases, links = Links,
          grant = fun(Of) -> cambrian_bridge_setup:grant(Options, Of) end}.

%% The transport calls this in a process of its own. What is too long for a request does not reach
%% the bridge.
answer(Bytes, From, Gate) when byte_size(Bytes) =< ?MAX_REQUEST ->
    gen_server:call(Gate, {asked, From, Bytes}, infinity);
answer(_Bytes, _From, _Gate) -> cambrian_message:answer(none).

%%% ---- time -------------------------------------------------------------------------------

%% Since this VM started, whatever the clock of the machine is set to.
now_ms() ->
    Started = erlang:system_info(start_time),
    erlang:convert_time_unit(erlang:monotonic_time() - Started, native, millisecond).

%% How far the time of day is ahead of that. Other nodes compare it with their own, so it is the
%% machine's: the VM's follows a clock that is set slowly, or not at all.
clock() -> os:system_time(millisecond) - now_ms().

%% The exchange, with the time of day as it is.
current(#state{exchange = Exchange}) -> cambrian_exchange:set_clock(clock(), Exchange).

%% Gives the exchange an event, and carries out what it decides.
exchange(Event, Arguments, State) ->
    {Effects, Next} = apply(Event, Arguments ++ [now_ms(), current(State)]),
    carry_out(Effects, State#state{exchange = Next}).

%%% ---- calls ------------------------------------------------------------------------------

handle_call({asked, From, Bytes}, Caller, #state{conf = #conf{room = Room}} = State) ->
    ok = cambrian_gate:taken(byte_size(Bytes), Room),
    {Effects, Reply, Next} = cambrian_exchange:asked(Bytes, From, now_ms(), current(State)),
    {noreply, reply(Reply, Caller, carry_out(Effects, State#state{exchange = Next}))};
handle_call({join, Population}, _From, State) ->
    {reply, ok, join_population(Population, State)};
handle_call({publish, Genotype, #{task := Task, fitness := Fitness} = Given}, _From, State) ->
    Known = maps:with([generation, parents, operators], Given),
    Claims = Known#{fitness => float(Fitness)},
    {Answer, Effects, Next} =
        cambrian_exchange:publish(text(Task), Genotype, Claims, now_ms(), current(State)),
    {reply, Answer, carry_out(Effects, State#state{exchange = Next})};
handle_call({amend, Charter}, _From, State) ->
    {Answer, Effects, Next} = cambrian_exchange:amend(Charter, now_ms(), current(State)),
    {reply, Answer, carry_out(Effects, State#state{exchange = Next})};
handle_call({subscribe, Ref, Task, Pid}, _From, #state{subscribers = Subscribers} = State) ->
    Wanted = case Task of all -> all; _ -> text(Task) end,
    {reply, ok, subscribed(cambrian_bridge_subscribers:add(Ref, Wanted, Pid, Subscribers), State)};
handle_call({unsubscribe, Ref}, _From, #state{subscribers = Subscribers} = State) ->
    {reply, ok, subscribed(cambrian_bridge_subscribers:remove(Ref, Subscribers), State)};
handle_call(rotate, _From, #state{conf = #conf{home = {ok, Path}}} = State) ->
    case cambrian_identity:rotate(Path) of
        {ok, Next} -> {reply, {ok, Next}, become(Next, State)};
        Error -> {reply, Error, State}
    end;
handle_call({become, Identity}, _From, State) ->
    {reply, ok, become(Identity, State)};
handle_call(Question, _From, State) ->
    {reply, about(Question, State), State}.

handle_cast(_, State) -> {noreply, State}.

subscribed(Subscribers, #state{exchange = Exchange} = State) ->
    Wanted = cambrian_bridge_subscribers:wanted(Subscribers),
    State#state{subscribers = Subscribers,
                exchange = cambrian_exchange:subscribed(Wanted, now_ms(), Exchange)}.

become(Identity, #state{conf = #conf{grant = Grant}} = State) ->
    Shown = Grant(Identity),
    Next = exchange(fun cambrian_exchange:renamed/4, [Identity, Shown], State),
    Next#state{identity = Identity, shown = Shown}.

text(Task) when is_atom(Task) -> atom_to_binary(Task);
text(Task) when is_binary(Task) -> Task.

%%% ---- questions --------------------------------------------------------------------------

about(list_nodes, #state{conf = #conf{realm = Realm} = Conf} = State) ->
    #{origins := Origins} = cambrian_trust:report(Realm),
    Alive = cambrian_exchange:members(now_ms(), current(State)),
    Keys = lists:usort(maps:keys(Origins) ++ maps:keys(Alive)),
    [peer(Key, Origins, Alive, Conf) || Key <- Keys];
about(global_best, #state{conf = Conf, exchange = Exchange}) ->
    Named = fun(_Task, #{origin := Origin} = Best) -> Best#{name => name(Origin, Conf)} end,
    maps:map(Named, cambrian_exchange:best(Exchange));
about(identity, #state{exchange = Exchange}) -> cambrian_exchange:origin(Exchange);
about(home, #state{conf = #conf{home = none}}) -> none;
about(home, #state{conf = #conf{home = {ok, Path}}}) ->
    filename:absname(unicode:characters_to_list(Path));
about({story, Id}, #state{conf = Conf, exchange = Exchange}) ->
    [with_name(Step, Conf) || Step <- cambrian_exchange:story(Id, Exchange)];
about(stories, #state{conf = Conf, exchange = Exchange}) ->
    [{Id, [with_name(Step, Conf) || Step <- Steps]}
     || {Id, Steps} <- cambrian_exchange:stories(Exchange)];
about(status, #state{conf = Conf, populations = Populations} = State) ->
    #conf{realm = Realm, transport = Transport, connection = Connection} = Conf,
    Status = maps:merge(maps:merge(Transport:status(Connection), damage(Realm)), silence(State)),
    Status#{populations => cambrian_bridge_populations:names(Populations),
            missing => cambrian_bridge_populations:missing(Populations)};
about(counts, #state{conf = #conf{room = Room}, counts = Counts}) ->
    case cambrian_gate:dropped(Room) of
        0 -> Counts;
        N -> Counts#{{rejected, overloaded} => N}
    end;
about(_Unknown, _State) -> {error, unknown_call}.

peer(Key, Origins, Alive, #conf{realm = Realm} = Conf) ->
    Standing = maps:with([seen, received, accepted, reputation], maps:get(Key, Origins, #{})),
    Member = maps:with([seen, address, round_trip], maps:get(Key, Alive, #{})),
    Unknown = #{received => 0, accepted => 0, reputation => 0.5, address => undefined,
                round_trip => undefined},
    IsKnown = fun(_, Value) -> Value =/= undefined end,
    Known = maps:merge(maps:merge(Unknown, Standing), maps:filter(IsKnown, Member)),
    Known#{origin => Key, name => name(Key, Conf), realm => Realm, alive => is_map_key(Key, Alive)}.

%% An alias is this node's own; the name of the key behind it tells who it really is.
name(Key, #conf{aliases = Aliases}) ->
    Name = cambrian_identity:name(Key),
    case Aliases of
        #{Key := Alias} -> <<Alias/binary, " (", Name/binary, ")">>;
        #{Name := Alias} -> <<Alias/binary, " (", Name/binary, ")">>;
        _ -> Name
    end.

with_name(#{origin := <<_:32/binary>> = Origin} = Step, Conf) -> Step#{name => name(Origin, Conf)};
with_name(Step, _Conf) -> Step.

%% What befell the files of the realm, if anything did.
damage(Realm) ->
    case cambrian_trust:overview(Realm) of
        #{condition := {How, _}} -> #{trust => How};
        #{condition := _} -> #{}
    end.

%% Whether this node's own capability would refuse it, as those of other nodes then probably do, or
%% its grant has ended.
silence(#state{conf = #conf{realm = Realm}, identity = #{key := Key}, shown = Shown}) ->
    Grant = read_grant(Shown),
    case has_ended(Grant) orelse cambrian_trust:ask(Realm, {may_publish, Key, Grant}) =:= false of
        true -> #{may_publish => false};
        false -> #{}
    end.

%% A stamp of work stays as it is.
read_grant(undefined) -> undefined;
read_grant(Bytes) ->
    case cambrian_identity:peek_grant(Bytes) of
        {ok, Grant} -> Grant;
        {error, _} -> Bytes
    end.

has_ended(#{until := Until}) -> Until =< erlang:system_time(millisecond);
has_ended(_) -> false.

warn_of_silence(#{publish := true}, State) ->
    #state{conf = #conf{realm = Realm}, identity = #{key := Key}} = State,
    case silence(State) of
        #{may_publish := false} ->
            logger:warning("cambrian: this node, ~ts, may not publish in the realm ~ts: it is not "
                           "one of those whom the capability here names, and has no grant of "
                           "theirs that is good now", [cambrian_identity:name(Key), Realm]);
        _ -> ok
    end;
warn_of_silence(_Options, _State) -> ok.

%%% ---- messages ---------------------------------------------------------------------------

handle_info({heard, Message, Bytes}, #state{conf = #conf{room = Room}} = State) ->
    ok = cambrian_gate:taken(Bytes, Room),
    Counted = count(bytes_received, Bytes, count(received, 1, State)),
    {noreply, exchange(fun cambrian_exchange:heard/3, [Message], Counted)};
handle_info({cambrian, Name, Event}, #state{populations = Populations} = State) ->
    case cambrian_bridge_populations:find(Name, Populations) of
        {ok, Population} -> {noreply, population_says(Event, Population, State)};
        error -> {noreply, State}
    end;
handle_info({timeout, Timer, tick}, #state{timer = {Timer, _}} = State) ->
    {noreply, exchange(fun cambrian_exchange:tick/2, [], State#state{timer = none})};
handle_info({timeout, Timer, {rejoin, Name}}, State) ->
    {noreply, rejoin(Timer, Name, State)};
handle_info({cambrian_store, population, _Name, Pid}, State) when is_pid(Pid) ->
    {noreply, if_all_take_part(fun(S) -> join_population(Pid, S) end, State)};
handle_info(look_for_store, State) ->
    {noreply, if_all_take_part(fun(S) -> join_all(all, S) end, State)};
%% A ban by reputation removes nothing from the populations: what the key sent before was measured
%% here ({@link cambrian_realm:is_any_banned_by_user/2}).
handle_info({cambrian_trust, Realm, {banned, #{by := reputation}}},
            #state{conf = #conf{realm = Realm}} = State) ->
    {noreply, State};
handle_info({cambrian_trust, Realm, {banned, #{what := Subject}}},
            #state{conf = #conf{realm = Realm}} = State) ->
    {noreply, banned(cambrian_trust:ask(Realm, {banned, Subject}), State)};
handle_info(watch_bans, #state{trust = none} = State) ->
    {noreply, watch_bans(State)};
handle_info({'DOWN', Monitor, process, _, Reason}, State) ->
    {noreply, down(Monitor, Reason, State)};
%% A bridge stops without its connection, and its supervisor starts another.
handle_info({'EXIT', Pid, Reason}, #state{conf = #conf{links = Links}} = State)
  when Reason =/= normal ->
    case lists:member(Pid, Links) of
        true -> {stop, Reason, State};
        false -> {noreply, State}
    end;
handle_info(_, State) ->
    {noreply, State}.

terminate(_Reason, #state{conf = Conf}) ->
    #conf{transport = Transport, connection = Connection, speaker = Speaker, gate = Gate} = Conf,
    ok = cambrian_bridge_speaker:stop(Speaker),
    Transport:disconnect(Connection),
    unlink(Gate),
    exit(Gate, kill).

down(Monitor, _Reason, #state{trust = Monitor} = State) ->
    _ = erlang:send_after(?LOOK_AGAIN_MS, self(), watch_bans),
    State#state{trust = none};
down(Monitor, Reason, #state{asking = Asking, populations = Populations} = State) ->
    case {maps:take(Monitor, Asking), cambrian_bridge_populations:is_store(Monitor, Populations)} of
        {{Question, Left}, _} ->
            answered(Question, cambrian_async:answer(Reason), State#state{asking = Left});
        {error, true} ->
            _ = erlang:send_after(?LOOK_AGAIN_MS, self(), look_for_store),
            State;
        {error, false} -> gone(Monitor, Reason, State)
    end.

gone(Monitor, Reason, #state{populations = Populations, subscribers = Subscribers} = State) ->
    case cambrian_bridge_populations:gone(Monitor, Reason, Populations) of
        {gone, Task, true, Next} ->
            exchange(fun cambrian_exchange:leave/3, [Task], State#state{populations = Next});
        {gone, _Task, false, Next} -> State#state{populations = Next};
        unknown -> subscribed(cambrian_bridge_subscribers:down(Monitor, Subscribers), State)
    end.

answered({answered, Ref}, {ok, Result}, State) ->
    exchange(fun cambrian_exchange:answered/4, [Ref, Result], State);
answered({answered, Ref}, Failure, State) ->
    exchange(fun cambrian_exchange:answered/4, [Ref, Failure], State);
answered({made, Job}, {ok, Differences}, State) -> made(Job, Differences, State);
%% the whole genotype is an answer as well
answered({made, Job}, _Failure, State) -> made(Job, [], State);
answered({picked, Task}, {ok, {ok, Migrant}}, State) ->
    exchange(fun cambrian_exchange:picked/4, [Task, Migrant], State);
answered({picked, _Task}, _Nothing, State) -> State;
answered({archived, Task}, {ok, Replica}, State) ->
    exchange(fun cambrian_exchange:archived/4, [Task, Replica], State);
answered({archived, Task}, _Gone, State) ->
    exchange(fun cambrian_exchange:archived/4, [Task, none], State);
answered({purged, Name}, {ok, {ok, Purged}}, State) ->
    ok = audit_purge(Name, Purged, State#state.conf),
    State;
%% a population that is gone is purged when it is back
answered({purged, _Name}, _Gone, State) -> State.

%%% ---- effects ----------------------------------------------------------------------------

carry_out(Effects, State) -> set_timer(lists:foldl(fun do/2, State, Effects)).

do({publish, Bytes} = What, State) -> say(What, bytes_published, byte_size(Bytes), State);
do({send, _} = Blob, State) -> say(Blob, blobs, 1, State);
do({ask, Ref, Address, Bytes}, #state{conf = Conf} = State) ->
    #conf{transport = Transport, connection = Connection} = Conf,
    Call = fun() -> Transport:call(Connection, Address, ?TOPIC, Bytes, ?CALL_MS) end,
    in_its_own_process({answered, Ref}, Call, State);
do({fetch, Ref, Content}, #state{conf = Conf} = State) ->
    #conf{transport = Transport, connection = Connection} = Conf,
    Fetch = fun() -> Transport:fetch(Connection, Content, ?FETCH_MS) end,
    in_its_own_process({answered, Ref}, Fetch, State);
do({offer, Task, Genotype, #{id := Id} = From}, #state{populations = Populations} = State) ->
    Bound = State#state.conf#conf.cost_bound,
    Took = [Handle || #{handle := Handle} <- of_task(Task, Populations),
                      offer(Handle, Genotype, From, Bound) =:= ok],
    case Took of
        [] ->
            Busy = #{id => Id, outcome => busy},
            exchange(fun cambrian_exchange:judged/4, [Task, Busy], State);
        _ -> State
    end;
do({pick, Task, Policy}, #state{populations = Populations} = State) ->
    case of_task(Task, Populations) of
        [#{handle := Handle} | _] ->
            Pick = fun() -> cambrian_population:migrant(Handle, Policy) end,
            in_its_own_process({picked, Task}, Pick, State);
        [] -> State
    end;
do({archive, Task}, #state{populations = Populations} = State) ->
    Handles = [Handle || #{handle := Handle} <- of_task(Task, Populations)],
    Replica = fun() -> cambrian_bridge_populations:replica(Handles) end,
    in_its_own_process({archived, Task}, Replica, State);
do({lineage, Id, Record}, State) ->
    cambrian_lineage:received(Id, Record),
    State;
do({event, Name, Facts}, State) ->
    tell(Name, Facts, State).

say(What, Count, N, #state{conf = #conf{speaker = Speaker}} = State) ->
    case cambrian_bridge_speaker:say(Speaker, What) of
        ok -> count(Count, N, State);
        {error, busy} -> count(not_said, 1, State)
    end.

%% All populations of the task measure it; the first verdict counts. A population that is gone, or
%% has too many newcomers waiting, misses this one.
offer(Handle, Genotype, From, Bound) ->
    try cambrian_population_client:inject_from_mesh(Handle, Genotype, From, Bound)
    catch exit:_ -> {error, gone}
    end.

%% Work that takes its time must not hold up what arrives.
in_its_own_process(Question, Fun, #state{asking = Asking} = State) ->
    {_, Monitor} = cambrian_async:start(Fun),
    State#state{asking = Asking#{Monitor => Question}}.

set_timer(#state{exchange = Exchange, timer = Timer} = State) ->
    At = cambrian_exchange:wake(Exchange),
    case Timer of
        {_, At} -> State;
        {Old, _} -> _ = erlang:cancel_timer(Old), set_timer(At, State);
        none -> set_timer(At, State)
    end.

set_timer(At, State) ->
    State#state{timer = {erlang:start_timer(max(0, At - now_ms()), self(), tick), At}}.

%%% ---- answers ----------------------------------------------------------------------------

reply({answer, Answer}, Caller, State) -> replied(Answer, Caller, State);
reply(busy, Caller, State) -> replied(busy, Caller, State);
reply({make, Target, Difference}, Caller, #state{jobs = Jobs} = State) ->
    Job = {Target, Difference},
    case cambrian_bridge_jobs:add(Job, Caller, Jobs) of
        {start, Next} -> make(Job, State#state{jobs = Next});
        {wait, Next} -> State#state{jobs = Next};
        busy -> replied(busy, Caller, count({rejected, busy}, 1, State))
    end.

replied(Answer, Caller, State) ->
    gen_server:reply(Caller, Answer),
    State.

%% In a process that runs after all others.
make({_Target, Difference} = Job, State) ->
    Make = fun() ->
               process_flag(priority, low),
               cambrian_delivery:differences(Difference)
           end,
    in_its_own_process({made, Job}, Make, State).

made({Target, Difference} = Job, Differences, #state{jobs = Jobs, exchange = Exchange} = State) ->
    {Answer, Next} = cambrian_exchange:made(Target, Difference, Differences, Exchange),
    {Callers, Following, Left} = cambrian_bridge_jobs:done(Job, Jobs),
    lists:foreach(fun(Caller) -> gen_server:reply(Caller, Answer) end, Callers),
    Over = State#state{exchange = Next, jobs = Left},
    case Following of
        none -> Over;
        _ -> make(Following, Over)
    end.

%%% ---- events -----------------------------------------------------------------------------

tell(rejected, #{reason := Reason}, State) -> count({rejected, Reason}, 1, State);
tell(received, #{value := Genotype} = Facts, #state{subscribers = Subscribers} = State) ->
    report(received, Facts, State),
    ok = cambrian_bridge_subscribers:send(Facts#{genotype := Genotype}, Subscribers),
    State;
tell(published, #{bytes := _} = Facts, State) ->
    report(published, Facts, State),
    count(published, 1, State);
tell(announced, Facts, State) ->
    report(announced, Facts, State),
    count(announced, 1, State);
tell(not_published, #{genotype := Id, reason := Reason}, State) ->
    logger:warning("cambrian: a champion was not published: ~tp (~ts)",
                   [Reason, binary:encode_hex(Id)]),
    State;
tell(node_up, #{origin := Origin}, #state{conf = #conf{realm = Realm}} = State) ->
    cambrian_telemetry:execute([cambrian, mesh, node_up], #{count => 1},
                               #{realm => Realm, origin => Origin}),
    State;
tell(judged, _Facts, State) -> State.

%% For telemetry; {@link cambrian_trust} reports what is rejected.
report(Event, Facts, #state{conf = #conf{realm = Realm}}) ->
    Metadata = (maps:with([task, genotype, origin], Facts))#{realm => Realm},
    cambrian_telemetry:execute([cambrian, mesh, Event], maps:with([fitness, generation], Facts),
                               Metadata).

count(_What, 0, State) -> State;
count(What, N, #state{counts = Counts} = State) ->
    State#state{counts = maps:update_with(What, fun(Before) -> Before + N end, N, Counts)}.

%%% ---- bans -------------------------------------------------------------------------------

%% What was banned before counts as well.
watch_bans(#state{conf = #conf{realm = Realm}} = State) ->
    %% the application may be stopping, and this bridge ends a moment later with its connection
    case try cambrian_trust:watch_bans(Realm) catch error:{not_started, _} -> error end of
        {ok, Server, Banned} -> banned(Banned, State#state{trust = monitor(process, Server)});
        error ->
            _ = erlang:send_after(?LOOK_AGAIN_MS, self(), watch_bans),
            State
    end.

%% Neither the exchange nor the populations keep anything that is banned. Each population's champion
%% may replace a best that was.
banned(#{keys := [], genotypes := []}, State) -> State;
banned(Banned, State) ->
    Without = exchange(fun cambrian_exchange:banned/3, [Banned], State),
    Populations = cambrian_bridge_populations:all(Without#state.populations),
    lists:foldl(fun(Population, S) -> bred_again(Population, purge(Population, Banned, S)) end,
                Without, Populations).

bred_again(#{champion := undefined}, State) -> State;
bred_again(#{task := Task, champion := Champion}, State) ->
    exchange(fun cambrian_exchange:bred/4, [Task, Champion], State).

purge(_Population, _Banned, #state{conf = #conf{purge = false}} = State) -> State;
purge(#{name := Name, handle := Handle}, Banned, State) ->
    Purge = fun() -> cambrian_population:purge(Handle, Banned) end,
    in_its_own_process({purged, Name}, Purge, State).

%% A population may have been away when something was banned: it is purged before it is asked for
%% its best.
purge_newcomer(_Population, #conf{purge = false}) -> ok;
purge_newcomer(#{name := Name, handle := Handle}, #conf{realm = Realm} = Conf) ->
    case cambrian_trust:ask(Realm, {banned, all}) of
        #{keys := [], genotypes := []} -> ok;
        Banned ->
            {ok, Purged} = cambrian_population:purge(Handle, Banned),
            audit_purge(Name, Purged, Conf)
    end.

audit_purge(_Name, #{leaving := 0, newcomers := 0, champion := false}, _Conf) -> ok;
audit_purge(Name, Purged, #conf{realm = Realm}) ->
    case cambrian_trust:ask(Realm, {purged, Purged#{population => Name}}) of
        ok -> ok;
        %% the realm may be restarting
        NotWritten ->
            logger:warning("bridge ~ts: the purge of population ~tp is not in the audit: ~tp",
                           [Realm, Name, NotWritten])
    end.

%%% ---- populations ------------------------------------------------------------------------

join_all(all, #state{populations = Populations} = State) ->
    {Here, Watching} = cambrian_bridge_populations:watch_all(Populations),
    join_all(Here, State#state{populations = Watching});
join_all(Handles, State) ->
    lists:foldl(fun join_population/2, State, Handles).

if_all_take_part(Do, #state{populations = Populations} = State) ->
    case cambrian_bridge_populations:takes_all(Populations) of
        true -> Do(State);
        false -> State
    end.

rejoin(Timer, Name, #state{populations = Populations} = State) ->
    case cambrian_bridge_populations:rejoin(Timer, Name, Populations) of
        {join, Handle, Next} -> join_population(Handle, State#state{populations = Next});
        {none, Next} -> State#state{populations = Next}
    end.

join_population(Handle, #state{conf = Conf, populations = Populations} = State) ->
    Purge = fun(Population) -> purge_newcomer(Population, Conf) end,
    case cambrian_bridge_populations:join(Handle, Purge, Populations) of
        {joined, #{task := Task} = Population, Best, Next} ->
            Joined = exchange(fun cambrian_exchange:join/3, [Task],
                              State#state{populations = Next}),
            case Best of
                {ok, Champion} -> population_says({champion, Champion}, Population, Joined);
                {error, not_evaluated} -> Joined
            end;
        {_, Next} -> State#state{populations = Next}
    end.

population_says({champion, Champion}, #{task := Task} = Population, State) ->
    Known = with_signature(Champion),
    Next = cambrian_bridge_populations:update(Population#{champion := Known},
                                              State#state.populations),
    exchange(fun cambrian_exchange:bred/4, [Task, Known], State#state{populations = Next});
population_says({finished, _}, #{task := Task, champion := Champion}, State)
  when Champion =/= undefined ->
    exchange(fun cambrian_exchange:bred/4, [Task, Champion#{final => true}], State);
population_says({received, #{from := #{id := Id} = From} = Received}, #{task := Task}, State) ->
    _ = [cambrian_lineage:measured(Id, Breeder)
         || is_map_key(fitness, Received), #{breeder := Breeder} <- [From]],
    Found = maps:with([fitness, behaviour, outcome, work, cost, median, bound], Received),
    Verdict = maps:merge(Found#{id => Id}, maps:with([account], From)),
    exchange(fun cambrian_exchange:judged/4, [Task, Verdict], State);
population_says({worked, Worked}, #{task := Task} = Population, State) ->
    {Together, Next} =
        cambrian_bridge_populations:worked(Population, Worked, State#state.populations),
    exchange(fun cambrian_exchange:worked/4, [Task, Together], State#state{populations = Next});
population_says(_, _, State) ->
    State.

%% The exchange knows a champion that came from another node by what its breeder signed, even after
%% a restart.
with_signature(#{champion := Genotype, operators := [injection]} = Champion) ->
    case cambrian_lineage:signed(cambrian_genotype:id(Genotype)) of
        {ok, Record} -> Champion#{signed => Record};
        none -> Champion
    end;
with_signature(Champion) -> Champion.
