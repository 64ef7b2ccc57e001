%% @private
%% The process of a population. It turns calls and messages into events of {@link
%% cambrian_evolution}, and executes the effects that the evolution returns.
-module(cambrian_population_server).
-behaviour(gen_statem).

-export([start_link/1]).
-export([init/1, callback_mode/0, handle_event/4, terminate/3]).

%% Fields that never change; `owner' is the monitor of the process whose end stops the population.
%% `labour' is the module that does the work: cambrian_labour, or that of a federation.
-record(conf, {name :: term(), task :: atom(), owner :: undefined | reference(),
               labour :: module()}).
-record(state, {conf :: #conf{},
                evolution :: cambrian_evolution:evolution(),
                labour :: term(),
                checkpointer :: cambrian_checkpointer:checkpointer(),
                subscribers = #{} :: #{pid() => Monitor :: reference()},
                %% subscribers that also get the work of each generation
                accountants = [] :: [pid()]}).

-define(HIBERNATE_MS, 1000).

-spec start_link(Prepared :: map()) -> {ok, pid()} | {error, term()}.
start_link(Prepared) ->
    Options = [{hibernate_after, ?HIBERNATE_MS}],
    case Prepared of
        #{name := Name} when is_atom(Name) ->
            started(gen_statem:start_link({local, Name}, ?MODULE, Prepared, Options));
        _ -> started(gen_statem:start_link(?MODULE, Prepared, Options))
    end.

started({error, {shutdown, Reason}}) -> {error, Reason};
started(Started) -> Started.

%% The state of the state machine is the phase of the evolution.
callback_mode() -> handle_event_function.

init(Options) ->
    process_flag(trap_exit, true),
    Labour = cambrian_labour:module(Options),
    case Labour:restore(Options) of
        {ok, Begin} -> begin_with(Begin, Labour, Options);
        %% the caller gets the reason, so a crash report would only repeat it
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

begin_with(#{population := Population, running := Running} = Begin, Labour, Options) ->
    #{name := Name, task := #{name := Task}} = Options,
    Conf = #conf{name = Name, task = Task, labour = Labour,
                 owner = case Options of
                             #{owner := Owner} -> monitor(process, Owner);
                             _ -> undefined
                         end},
    _ = [report(resumed, cambrian_nif:population_info(Population), Conf)
         || Running, maps:get(is_resumed, Begin)],
    {Effects, Evolution} = cambrian_evolution:new(conf(Begin, Options), Begin, now_ms()),
    State = #state{conf = Conf, evolution = Evolution,
                   labour = Labour:new(maps:merge(Options, maps:with([log, origin], Begin))),
                   checkpointer = cambrian_checkpointer:new(Options)},
    case carry_out(Effects, State) of
        {next_state, Phase, Next, []} -> {ok, Phase, Next};
        {stop, Reason} -> {stop, Reason}
    end.

conf(Begin, #{name := Name, task := Prepared, text := Text} = Options) ->
    #{name := Task, id := Id} = Prepared,
    Native = cambrian_preparation:native(Prepared),
    By = case Options of
             #{nodes := []} when Native =/= undefined -> rust;
             _ -> rounds
         end,
    #{name => Name, task => Task, task_id => Id, text => Text, from => maps:get(from, Begin, []),
      by => By, has_trial => Native =/= undefined, varying => maps:get(varying, Prepared, none),
      newcomer_timeout => maps:get(newcomer_timeout, Options, undefined)}.

%%% ---- events -----------------------------------------------------------------------------

handle_event({call, From}, {subscribe, Pid}, _, State) ->
    {keep_state, subscribed(Pid, State), [{reply, From, ok}]};
handle_event({call, From}, {account, Pid}, _, #state{accountants = Accountants} = State) ->
    Accounting = subscribed(Pid, State#state{accountants = [Pid | lists:delete(Pid, Accountants)]}),
    account(cambrian_evolution:worked(0, State#state.evolution), Accounting),
    {keep_state, Accounting, [{reply, From, ok}]};
handle_event({call, From}, {unsubscribe, Pid}, _, State) ->
    {keep_state, unsubscribed(Pid, State), [{reply, From, ok}]};
handle_event({call, From}, Request, _, #state{conf = Conf, labour = Labour} = State) ->
    #conf{labour = Module} = Conf,
    case Module:order(From, Request, Labour) of
        no -> decide({call, From, Request}, State);
        {ordered, Next} -> proceed(State#state{labour = Next}, []);
        {answer, Answer} -> {keep_state_and_data, [{reply, From, Answer}]}
    end;
handle_event(info, {'DOWN', Owner, process, _, _}, _, #state{conf = #conf{owner = Owner}}) ->
    {stop, {shutdown, owner_down}};
handle_event(info, {'DOWN', Monitor, process, Pid, _}, _, #state{subscribers = Subscribers} = State)
  when map_get(Pid, Subscribers) =:= Monitor ->
    {keep_state, unsubscribed(Pid, State)};
handle_event(info, Message, _, #state{conf = Conf, labour = Labour} = State) ->
    #conf{labour = Module} = Conf,
    case Module:handle_message(Message, Labour) of
        {ok, Event, Next} -> decide(Event, State#state{labour = Next});
        {changed, Next} -> proceed(State#state{labour = Next}, []);
        {stop, Reason} -> {stop, Reason};
        ignored -> keep_state_and_data
    end;
handle_event(cast, _, _, _State) ->
    keep_state_and_data.

decide(Event, #state{evolution = Evolution} = State) ->
    {Effects, Next} = cambrian_evolution:handle(Event, now_ms(), Evolution),
    carry_out(Effects, State#state{evolution = Next}).

carry_out(Effects, State) ->
    Next = lists:foldl(fun effect/2, State, Effects),
    proceed(Next, [postpone || lists:member(postpone, Effects)]).

%% Until there is no further event.
proceed(#state{conf = #conf{labour = Module}, labour = Labour} = State, Postponed) ->
    case Module:next(Labour) of
        {none, Next} ->
            Phase = cambrian_evolution:phase(State#state.evolution),
            {next_state, Phase, State#state{labour = Next}, Postponed};
        {stop, Reason, _} -> {stop, Reason};
        {Event, Next} -> decide(Event, State#state{labour = Next})
    end.

%% A population that ends normally leaves no checkpoint in memory; a crashed population leaves one.
terminate(Reason, _Phase, #state{conf = #conf{labour = Module}, labour = Labour} = State) ->
    ok = Module:stop(Labour),
    case Reason of
        normal -> save_and_forget(State);
        shutdown -> save_and_forget(State);
        {shutdown, _} -> save_and_forget(State);
        _ -> ok
    end.

%% If the store has ended already, its files remain.
save_and_forget(#state{conf = #conf{name = Name}, evolution = Evolution} = State) ->
    try
        _ = effect({save, file, cambrian_evolution:checkpoint(now_ms(), Evolution)}, State),
        cambrian_store:forget(Name)
    catch exit:_ -> ok
    end.

%%% ---- effects ----------------------------------------------------------------------------

%% The caller is another member's.
effect({reply, elsewhere, _Answer}, State) -> State;
effect({reply, From, Answer}, State) ->
    ok = gen_statem:reply(From, Answer),
    State;
effect({notify, Event}, State) ->
    notify(Event, State),
    State;
effect({account, Worked}, State) ->
    account(Worked, State),
    State;
effect({save, Where, Checkpoint}, State) ->
    #state{conf = #conf{labour = Module}, labour = Labour, checkpointer = Checkpointer} = State,
    Marked = maps:merge(Checkpoint, Module:mark(Labour)),
    saved(cambrian_checkpointer:save(Where, Marked, Checkpointer), State);
%% A member that starts from the checkpoint before applies the same records again.
effect({amend, _, _}, #state{conf = #conf{labour = Module}} = State)
  when Module =/= cambrian_labour -> State;
effect({amend, Where, Changes}, State) ->
    #state{checkpointer = Checkpointer, evolution = Evolution} = State,
    Whole = fun() -> cambrian_evolution:checkpoint(now_ms(), Evolution) end,
    saved(cambrian_checkpointer:amend(Where, Changes, Whole, Checkpointer), State);
effect({remember, Lineage}, #state{conf = #conf{task = Task}} = State) ->
    cambrian_births:notify(Task, Lineage),
    State;
effect({count, Evaluations}, State) ->
    ok = cambrian_governor:evaluated(Evaluations),
    State;
effect({drop, What}, #state{conf = #conf{labour = Module}, labour = Labour} = State) ->
    State#state{labour = Module:drop(What, Labour)};
effect(postpone, State) ->
    State;
effect(Work, #state{conf = #conf{labour = Module}, labour = Labour} = State) ->
    State#state{labour = Module:start(Work, Labour)}.

saved({ok, Checkpointer}, State) -> State#state{checkpointer = Checkpointer};
saved({{failed, Reason}, Checkpointer}, #state{evolution = Evolution} = State) ->
    {Effects, Next} = cambrian_evolution:handle({not_saved, Reason}, now_ms(), Evolution),
    lists:foldl(fun effect/2, State#state{checkpointer = Checkpointer, evolution = Next}, Effects).

%%% ---- subscribers ------------------------------------------------------------------------

subscribed(Pid, #state{subscribers = Subscribers} = State) when is_map_key(Pid, Subscribers) ->
    State;
subscribed(Pid, #state{subscribers = Subscribers} = State) ->
    State#state{subscribers = Subscribers#{Pid => monitor(process, Pid)}}.

unsubscribed(Pid, #state{subscribers = Subscribers, accountants = Accountants} = State) ->
    case maps:take(Pid, Subscribers) of
        {Monitor, Left} ->
            demonitor(Monitor, [flush]),
            State#state{subscribers = Left, accountants = lists:delete(Pid, Accountants)};
        error -> State
    end.

notify({Kind, Facts} = Event, #state{conf = Conf, subscribers = Subscribers}) ->
    #conf{name = Name} = Conf,
    _ = [Pid ! {cambrian, Name, Event} || Pid <- maps:keys(Subscribers)],
    report(Kind, Facts, Conf),
    %% without a name, the caller of `evolve' already gets the reason
    _ = [logger:warning("population ~tp: its run has ended without a result, as ~ts",
                        [Name, because(Facts)]) || Kind =:= failed, is_atom(Name)],
    ok.

account(Worked, #state{conf = #conf{name = Name}, accountants = Accountants}) ->
    lists:foreach(fun(Pid) -> Pid ! {cambrian, Name, {worked, Worked}} end, Accountants).

report(Kind, Facts, #conf{name = Name, task = Task}) ->
    cambrian_population_telemetry:execute(Kind, Facts, #{population => Name, task => Task}).

because({evaluations_failed, #{count := Count}}) ->
    io_lib:format("all evaluations of its first generation failed, ~b in all", [Count]);
because(timeout) -> "its time was up before anything was evaluated";
because({not_enough_memory, Wanted, Allowed}) ->
    io_lib:format("the next generation would take ~b bytes, of which ~b are allowed (memory_limit)",
                  [Wanted, Allowed]);
because(_Goal) -> "the fun of its goal, until, is at fault".

now_ms() -> erlang:monotonic_time(millisecond).
