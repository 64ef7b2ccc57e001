%% @private Gathers the state of this node for the dashboard, and keeps it. It gathers on request,
%% and for at most a tenth of the time.
%%
%% While nobody watches, it asks only the populations, now and then, so that a later page can show
%% the history of their species. The state for watchers has a version: a watcher asks for a state
%% newer than its own, and gets the newest.
-module(cambrian_dashboard_state).
-behaviour(gen_server).

-export([start_link/0, snapshot/0, species/1, picture/2, watch/0, unwatch/1, want/1, refresh/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(state, {snapshot = none :: none | cambrian_dashboard_snapshot:snapshot(),
                %% callers that wait for a snapshot
                waiting = [] :: [gen_server:from()],
                work = none :: none | {Monitor :: reference(), Since :: integer()},
                timer :: reference(),
                watchers = #{} :: #{pid() => Monitor :: reference()},
                wanting = #{} :: #{pid() => Version :: non_neg_integer()},
                version = 0 :: non_neg_integer(),
                shown = <<>> :: binary(),
                past = cambrian_dashboard_history:new() :: cambrian_dashboard_history:past(),
                %% drawn pictures and their data, so that several watchers cost as much as one
                pictures = #{} :: #{term() => {Data :: term(), Drawn :: binary()}}}).

-define(MAX_PICTURES, 200).
-define(WATCHED_MS, 500).
-define(ALONE_MS, 1000).
%% A snapshot of this age is still good enough for a caller.
-define(FRESH_MS, 1000).
-define(ASK_MS, 10_000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc Returns a snapshot that is at most a second old, and evaluations per second.
-spec snapshot() -> {cambrian_dashboard_snapshot:snapshot(),
                     Rates :: #{Name :: term() => number()}}.
snapshot() -> gen_server:call(?MODULE, snapshot, ?ASK_MS).

%% @doc Returns the species of a population in its past generations.
-spec species(Name :: term()) ->
          [{Generation :: non_neg_integer(), [{Id :: term(), Size :: pos_integer()}]}].
species(Name) -> gen_server:call(?MODULE, {species, Name}, ?ASK_MS).

%% @doc Returns the kept picture if its data is the same; else the caller draws it.
-spec picture({Key :: term(), Data :: term()}, fun(() -> iodata())) -> binary().
picture({Key, Data}, Draw) ->
    case gen_server:call(?MODULE, {picture, Key, Data}, ?ASK_MS) of
        {ok, Drawn} -> Drawn;
        none ->
            Drawn = iolist_to_binary(Draw()),
            ok = gen_server:cast(?MODULE, {drawn, Key, Data, Drawn}),
            Drawn
    end.

%% @doc Makes the caller a watcher. Returns its monitor of this process.
-spec watch() -> Monitor :: reference().
watch() ->
    Monitor = monitor(process, ?MODULE),
    ok = gen_server:call(?MODULE, watch, ?ASK_MS),
    Monitor.

-spec unwatch(reference()) -> ok.
unwatch(Monitor) ->
    demonitor(Monitor, [flush]),
    gen_server:cast(?MODULE, {unwatch, self()}).

%% @doc Asks for the next state. The caller gets `{cambrian_dashboard_state, Version, Json}' once,
%% as soon as there is a version newer than `After'.
-spec want(After :: non_neg_integer()) -> ok.
want(After) -> gen_server:cast(?MODULE, {want, self(), After}).

%% @doc Gathers the state now, because something has changed.
-spec refresh() -> ok.
refresh() -> gen_server:cast(?MODULE, refresh).

%%% ---- server -----------------------------------------------------------------------------

init([]) -> {ok, #state{timer = erlang:start_timer(0, self(), gather)}}.

handle_call(snapshot, From, #state{snapshot = Snapshot} = State) ->
    case is_fresh(Snapshot) of
        true -> {reply, with_rates(State), State};
        false -> {noreply, gather(State#state{waiting = [From | State#state.waiting]})}
    end;
handle_call({species, Name}, _From, #state{past = Past} = State) ->
    {reply, cambrian_dashboard_history:species(Name, Past), State};
handle_call({picture, Key, Data}, _From, #state{pictures = Pictures} = State) ->
    case Pictures of
        #{Key := {Data, Drawn}} -> {reply, {ok, Drawn}, State};
        _ -> {reply, none, State}
    end;
handle_call(watch, {Pid, _}, #state{watchers = Watchers} = State) ->
    {reply, ok, schedule(0, State#state{watchers = Watchers#{Pid => monitor(process, Pid)}})};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast({want, Pid, After}, #state{wanting = Wanting} = State) ->
    {noreply, send_states(State#state{wanting = Wanting#{Pid => After}})};
handle_cast({unwatch, Pid}, State) ->
    {noreply, without(Pid, State)};
handle_cast({drawn, Key, Data, Drawn}, #state{pictures = Pictures} = State) ->
    Kept = case map_size(Pictures) < ?MAX_PICTURES of true -> Pictures; false -> #{} end,
    {noreply, State#state{pictures = Kept#{Key => {Data, Drawn}}}};
handle_cast(refresh, State) ->
    {noreply, schedule(0, State)};
handle_cast(_, State) ->
    {noreply, State}.

handle_info({timeout, Timer, gather}, #state{timer = Timer} = State) ->
    {noreply, gather(State)};
handle_info({'DOWN', Monitor, process, _, Reason}, #state{work = {Monitor, Since}} = State) ->
    case cambrian_async:answer(Reason) of
        {ok, Gathered} -> {noreply, gathered(Gathered, now_ms() - Since, State#state{work = none})};
        %% The fault may be gone when the timer runs out.
        {error, _} -> {noreply, schedule(?ALONE_MS, State#state{work = none})}
    end;
handle_info({'DOWN', Monitor, process, Pid, _}, #state{watchers = Watchers} = State)
  when map_get(Pid, Watchers) =:= Monitor ->
    {noreply, without(Pid, State)};
handle_info(_, State) ->
    {noreply, State}.

without(Pid, #state{watchers = Watchers, wanting = Wanting} = State) ->
    _ = [demonitor(Monitor, [flush]) || #{Pid := Monitor} <- [Watchers]],
    State#state{watchers = maps:remove(Pid, Watchers), wanting = maps:remove(Pid, Wanting)}.

%%% ---- gathering --------------------------------------------------------------------------

%% Gathers in another process, because other processes may answer slowly; one gathering at a time.
gather(#state{work = none} = State) ->
    Gather = case State of
                 #state{watchers = None, waiting = []} when map_size(None) =:= 0 ->
                     fun cambrian_dashboard_snapshot:populations/0;
                 _ -> fun cambrian_dashboard_snapshot:all/0
             end,
    {_, Monitor} = cambrian_async:start(Gather),
    State#state{work = {Monitor, now_ms()}};
gather(State) -> State.

gathered(Gathered, Took, #state{past = Past, watchers = Watchers} = State) ->
    WithPast = State#state{past = cambrian_dashboard_history:add(Gathered, Past)},
    Pause = case map_size(Watchers) of 0 -> ?ALONE_MS; _ -> ?WATCHED_MS end,
    schedule(max(Pause, 9 * Took), publish(Gathered, WithPast)).

%% If only the populations were asked, callers that came meanwhile still need a whole snapshot.
publish(#{mesh := _} = Snapshot, #state{waiting = Waiting} = State) ->
    Next = State#state{snapshot = Snapshot, waiting = []},
    _ = [gen_server:reply(From, with_rates(Next)) || From <- Waiting],
    send_states(with_new_version(Next));
publish(_Populations, #state{waiting = []} = State) -> State;
publish(_Populations, State) -> gather(State).

schedule(_Ms, #state{work = {_, _}} = State) -> State;
schedule(Ms, #state{timer = Timer} = State) ->
    _ = erlang:cancel_timer(Timer),
    State#state{timer = erlang:start_timer(Ms, self(), gather)}.

is_fresh(none) -> false;
is_fresh(#{at := At}) -> now_ms() - At =< ?FRESH_MS.

with_rates(#state{snapshot = Snapshot, past = Past}) ->
    {Snapshot, cambrian_dashboard_history:rates(Past)}.

now_ms() -> erlang:monotonic_time(millisecond).

%%% ---- watching ---------------------------------------------------------------------------

with_new_version(#state{watchers = None} = State) when map_size(None) =:= 0 -> State;
with_new_version(#state{shown = Shown, version = Version} = State) ->
    {Snapshot, Rates} = with_rates(State),
    case cambrian_json:encode(cambrian_dashboard_view:view(Snapshot, Rates)) of
        Shown -> State;
        Other -> State#state{shown = Other, version = Version + 1}
    end.

send_states(#state{wanting = Wanting, version = Version, shown = Shown} = State) ->
    HasNewest = fun({_, After}) -> After >= Version end,
    {Later, Now} = lists:partition(HasNewest, maps:to_list(Wanting)),
    _ = [Pid ! {?MODULE, Version, Shown} || {Pid, _} <- Now],
    State#state{wanting = maps:from_list(Later)}.
