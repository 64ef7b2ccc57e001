%% @private
%% What there is to see, kept for whoever looks: gathered when somebody does, and never more than a tenth of the time.
%%
%% While nobody watches, populations are asked once in a while of their species alone, so that there is something to see of
%% the time before. The watchers' state has a version, and each gets the newest when it asks for one after its own.
-module(cambrian_dashboard_state).
-behaviour(gen_server).

-export([start_link/0, snapshot/0, species/1, picture/2, watch/0, unwatch/1, want/1, look/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-record(state, {snapshot = none :: none | cambrian_dashboard_snapshot:snapshot(),
                %% who waits for a snapshot
                waiting = [] :: [gen_server:from()],
                work = none :: none | {Monitor :: reference(), Since :: integer()},
                timer :: reference(),
                watchers = #{} :: #{pid() => Monitor :: reference()},
                wanting = #{} :: #{pid() => Version :: non_neg_integer()},
                version = 0 :: non_neg_integer(),
                shown = <<>> :: binary(),
                past = cambrian_dashboard_history:new() :: cambrian_dashboard_history:past(),
                %% drawn pictures and what of, so that several watchers cost what one does
                pictures = #{} :: #{term() => {Of :: term(), Drawn :: binary()}}}).

-define(MAX_PICTURES, 200).
-define(WATCHED_MS, 500).
-define(ALONE_MS, 1000).
%% For who asks in between.
-define(FRESH_MS, 1000).
-define(ASK_MS, 10_000).

-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% @doc At most a second old, with evaluations per second.
-spec snapshot() -> {cambrian_dashboard_snapshot:snapshot(), Rates :: #{Name :: term() => number()}}.
snapshot() -> gen_server:call(?MODULE, snapshot, ?ASK_MS).

%% @doc The species of a population in generations of its past.
-spec species(Name :: term()) -> [{Generation :: non_neg_integer(), [{Id :: term(), Size :: pos_integer()}]}].
species(Name) -> gen_server:call(?MODULE, {species, Name}, ?ASK_MS).

%% @doc A picture of this: as it was drawn before, or drawn here.
-spec picture({Key :: term(), Of :: term()}, fun(() -> iodata())) -> binary().
picture({Key, Of}, Draw) ->
    case gen_server:call(?MODULE, {picture, Key, Of}, ?ASK_MS) of
        {ok, Drawn} -> Drawn;
        none ->
            Drawn = iolist_to_binary(Draw()),
            ok = gen_server:cast(?MODULE, {drawn, Key, Of, Drawn}),
            Drawn
    end.

%% @doc From now on the caller may want states; its monitor says when there are no more.
-spec watch() -> Monitor :: reference().
watch() ->
    Monitor = monitor(process, ?MODULE),
    ok = gen_server:call(?MODULE, watch, ?ASK_MS),
    Monitor.

-spec unwatch(reference()) -> ok.
unwatch(Monitor) ->
    demonitor(Monitor, [flush]),
    gen_server:cast(?MODULE, {unwatch, self()}).

%% @doc The caller gets `{cambrian_dashboard_state, Version, Json}' once, as soon as there is a newer one.
-spec want(After :: non_neg_integer()) -> ok.
want(After) -> gen_server:cast(?MODULE, {want, self(), After}).

%% @doc Something was changed.
-spec look() -> ok.
look() -> gen_server:cast(?MODULE, look).

%%% ---- server -----------------------------------------------------------------------------

init([]) -> {ok, #state{timer = erlang:start_timer(0, self(), look)}}.

handle_call(snapshot, From, #state{snapshot = Snapshot} = State) ->
    case is_fresh(Snapshot) of
        true -> {reply, with_rates(State), State};
        false -> {noreply, gather(State#state{waiting = [From | State#state.waiting]})}
    end;
handle_call({species, Name}, _From, #state{past = Past} = State) ->
    {reply, cambrian_dashboard_history:species(Name, Past), State};
handle_call({picture, Key, Of}, _From, #state{pictures = Pictures} = State) ->
    case Pictures of
        #{Key := {Of, Drawn}} -> {reply, {ok, Drawn}, State};
        _ -> {reply, none, State}
    end;
handle_call(watch, {Pid, _}, #state{watchers = Watchers} = State) ->
    {reply, ok, soon(0, State#state{watchers = Watchers#{Pid => monitor(process, Pid)}})};
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

handle_cast({want, Pid, After}, #state{wanting = Wanting} = State) ->
    {noreply, tell(State#state{wanting = Wanting#{Pid => After}})};
handle_cast({unwatch, Pid}, State) ->
    {noreply, without(Pid, State)};
handle_cast({drawn, Key, Of, Drawn}, #state{pictures = Pictures} = State) ->
    Kept = case map_size(Pictures) < ?MAX_PICTURES of true -> Pictures; false -> #{} end,
    {noreply, State#state{pictures = Kept#{Key => {Of, Drawn}}}};
handle_cast(look, State) ->
    {noreply, soon(0, State)};
handle_cast(_, State) ->
    {noreply, State}.

handle_info({timeout, Timer, look}, #state{timer = Timer} = State) ->
    {noreply, gather(State)};
handle_info({'DOWN', Monitor, process, _, Reason}, #state{work = {Monitor, Since}} = State) ->
    case cambrian_async:answer(Reason) of
        {ok, Seen} -> {noreply, gathered(Seen, now_ms() - Since, State#state{work = none})};
        %% what cannot be seen now may be later
        {error, _} -> {noreply, soon(?ALONE_MS, State#state{work = none})}
    end;
handle_info({'DOWN', Monitor, process, Pid, _}, #state{watchers = Watchers} = State) when map_get(Pid, Watchers) =:= Monitor ->
    {noreply, without(Pid, State)};
handle_info(_, State) ->
    {noreply, State}.

without(Pid, #state{watchers = Watchers, wanting = Wanting} = State) ->
    _ = [demonitor(Monitor, [flush]) || #{Pid := Monitor} <- [Watchers]],
    State#state{watchers = maps:remove(Pid, Watchers), wanting = maps:remove(Pid, Wanting)}.

%%% ---- gathering --------------------------------------------------------------------------

%% Elsewhere, as it takes as long as others take to answer; one at a time.
gather(#state{work = none} = State) ->
    Gather = case State of
                 #state{watchers = None, waiting = []} when map_size(None) =:= 0 ->
                     fun cambrian_dashboard_snapshot:populations/0;
                 _ -> fun cambrian_dashboard_snapshot:all/0
             end,
    {_, Monitor} = cambrian_async:start(Gather),
    State#state{work = {Monitor, now_ms()}};
gather(State) -> State.

gathered(Seen, Took, #state{past = Past, watchers = Watchers} = State) ->
    Known = State#state{past = cambrian_dashboard_history:add(Seen, Past)},
    Pause = case map_size(Watchers) of 0 -> ?ALONE_MS; _ -> ?WATCHED_MS end,
    soon(max(Pause, 9 * Took), shown(Seen, Known)).

%% Populations alone are nothing to show; who came meanwhile waits for all.
shown(#{mesh := _} = Snapshot, #state{waiting = Waiting} = State) ->
    Next = State#state{snapshot = Snapshot, waiting = []},
    _ = [gen_server:reply(From, with_rates(Next)) || From <- Waiting],
    tell(renewed(Next));
shown(_Populations, #state{waiting = []} = State) -> State;
shown(_Populations, State) -> gather(State).

soon(_Ms, #state{work = {_, _}} = State) -> State;
soon(Ms, #state{timer = Timer} = State) ->
    _ = erlang:cancel_timer(Timer),
    State#state{timer = erlang:start_timer(Ms, self(), look)}.

is_fresh(none) -> false;
is_fresh(#{at := At}) -> now_ms() - At =< ?FRESH_MS.

with_rates(#state{snapshot = Snapshot, past = Past}) -> {Snapshot, cambrian_dashboard_history:rates(Past)}.

now_ms() -> erlang:monotonic_time(millisecond).

%%% ---- watching ---------------------------------------------------------------------------

renewed(#state{watchers = None} = State) when map_size(None) =:= 0 -> State;
renewed(#state{shown = Shown, version = Version} = State) ->
    {Snapshot, Rates} = with_rates(State),
    case cambrian_json:encode(cambrian_dashboard_view:view(Snapshot, Rates)) of
        Shown -> State;
        Other -> State#state{shown = Other, version = Version + 1}
    end.

tell(#state{wanting = Wanting, version = Version, shown = Shown} = State) ->
    {Later, Now} = lists:partition(fun({_, After}) -> After >= Version end, maps:to_list(Wanting)),
    _ = [Pid ! {?MODULE, Version, Shown} || {Pid, _} <- Now],
    State#state{wanting = maps:from_list(Later)}.
