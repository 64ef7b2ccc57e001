%% @private
%% The process of one realm. It holds the value {@link cambrian_realm}, saves it in files ({@link
%% cambrian_realm_file}), writes the audit and notifies subscribers. Other realms never wait for it.
%%
%% It answers while it saves: it packs the realm in pieces, one between two messages, and another
%% process writes them. A caller that decides something, such as a ban, gets its answer after the
%% decision is on disk.
%%
%% A realm whose files are damaged, or cannot be read, is closed: it refuses everything
%% ({@link closed/2}).
-module(cambrian_realm_server).
-behaviour(gen_server).

-export([start_link/1, closed/2, save_delay/2]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-export_type([condition/0]).

%% The result of reading the realm's files: all good; `fell_back' to an earlier generation;
%% `closed'.
-type condition() :: sound | {fell_back | closed, [cambrian_realm_file:damage(), ...]}
                  | {closed, cambrian_realm_file:error()}.

-type waiter() :: {gen_server:from(), Answer :: term()}.

%% Fields that never change.
-record(conf, {name :: binary()}).

-record(state, {conf :: #conf{},
                %% `undefined' if the realm is new or closed
                realm :: undefined | cambrian_realm:realm(),
                condition = sound :: condition(),
                %% the number of the last generation
                number = 0 :: non_neg_integer(),
                audit :: cambrian_audit:audit(),
                subscribers = #{} :: #{pid() => reference()},
                %% processes that receive every ban, even if their queue is full
                ban_watchers = #{} :: #{pid() => reference()},
                changed = false :: boolean(),
                %% callers that wait for the next generation
                waiters = [] :: [waiter()],
                saving = none :: none | {packing | {writing, reference()}, [waiter()]},
                %% realms that are being packed, a piece at a time
                jobs = [] :: [{save | {report, gen_server:from(), map()},
                               cambrian_realm_file:pack()}],
                saved :: integer(),
                %% the bytes of the last generation, in both files
                size = 0 :: non_neg_integer(),
                timer = none :: none | reference()}).

-define(SAVE_MS, 5000).
%% Any sender can make keys that succeed each other. This bounds the cost for the disk.
-define(SAVE_SOON_MS, 1000).
%% A refusal only changes a count, so its save can wait.
-define(SAVE_COUNTS_MS, 60_000).
%% A generation holds the whole realm, so one message of a stranger may cause a write of megabytes.
%% So generations that no caller waits for write at most so many bytes a second. There are two such
%% budgets: for standings and counts, and for news about keys, which must last.
-define(BYTES_PER_SECOND, 10_000).
-define(SOON_BYTES_PER_SECOND, 100_000).
%% Each generation is written to two files.
-define(FILES, 2).
%% The heap of binaries, in words, before the VM collects the memory of packed pieces. A collection
%% over a realm of 10,000 origins takes longer than an answer should.
-define(BINARIES, (1 bsl 22)).
%% A slow subscriber loses events. Otherwise its queue would fill the memory.
-define(MAX_QUEUE, 1000).

-spec start_link(binary()) -> {ok, pid()} | {error, {shutdown, {already_started, pid()}}}.
start_link(Name) -> gen_server:start_link(?MODULE, Name, []).

%% @doc The answer of a closed realm: it admits nothing, and sends nothing.
-spec closed(Request :: term(), Reason :: term()) -> term().
closed({is_banned, _}, _Reason) -> true;
closed({is_heard, _}, _Reason) -> false;
closed({has_earned, _}, _Reason) -> false;
closed({is_any_banned, _}, _Reason) -> true;
closed({is_any_banned_by_user, _}, _Reason) -> true;
closed({banned, _}, _Reason) -> #{keys => [], genotypes => []};
closed(charters, _Reason) -> [];
closed(_Request, Reason) -> {error, Reason}.

init(Name) ->
    process_flag(trap_exit, true),
    _ = process_flag(min_bin_vheap_size, ?BINARIES),
    case cambrian_realm_table:register(Name) of
        ok ->
            State = #state{conf = #conf{name = Name}, audit = cambrian_audit:open(none),
                           saved = erlang:monotonic_time(millisecond) - ?SAVE_MS},
            {ok, State, {continue, load}};
        {error, Reason} -> {stop, {shutdown, Reason}}
    end.

%% Reading takes long, and the caller can start other processes meanwhile.
handle_continue(load, #state{conf = #conf{name = Name}} = State) ->
    lists:foreach(fun(Kept) -> await_end(cambrian_realm_table:get(Kept, Name)) end,
                  [writer, audit]),
    {noreply, load(restore_subscribers(State))}.

%% Waits for the writer of a crashed process: two writers must not write the same files.
await_end({ok, Writer}) ->
    Monitor = monitor(process, Writer),
    receive {'DOWN', Monitor, process, Writer, _} -> ok end;
await_end(none) -> ok.

restore_subscribers(#state{conf = #conf{name = Name}} = State) ->
    case cambrian_realm_table:get(subscribers, Name) of
        {ok, Pids} -> lists:foldl(fun subscribe/2, State, Pids);
        none -> State
    end.

%%% ---- loading ----------------------------------------------------------------------------

load(#state{conf = #conf{name = Name}} = State) ->
    case cambrian_realm_file:load(Name) of
        {ok, Realm, Number, []} ->
            open_audit(State#state{realm = Realm, number = Number, condition = sound});
        {ok, Realm, Number, Damaged} ->
            logger:error("cambrian: the realm ~ts fell back to its other file: ~tp",
                         [Name, Damaged]),
            record_damage(fell_back, Damaged, State#state{realm = Realm, number = Number});
        {closed, Number, Damaged} ->
            logger:error("cambrian: the realm ~ts is closed, as none of its files is whole; "
                         "cambrian_trust:reset/2 opens it anew, without its bans: ~tp",
                         [Name, Damaged]),
            record_damage(closed, Damaged, State#state{realm = undefined, number = Number});
        new -> State#state{realm = undefined, condition = sound};
        {error, Reason} ->
            logger:error("cambrian: the realm ~ts is closed, as its files cannot be read: ~tp",
                         [Name, Reason]),
            State#state{realm = undefined, condition = {closed, Reason}}
    end.

%% Records the damage in the audit, because bans may be lost with it.
record_damage(How, Damaged, State) ->
    Open = open_audit(State#state{condition = {How, Damaged}}),
    lists:foldl(fun(#{file := File, reason := Reason}, S) ->
                    _ = [cambrian_file:set_aside(File)
                         || Reason =/= lost, filename:extension(File) =/= <<".torn">>],
                    record_decision(How, #{file => filename:basename(File), reason => Reason}, S)
                end, Open, Damaged).

%% Opens the audit only if the realm has a file: an audit without such a file is a sign that the
%% file is lost.
open_audit(#state{conf = #conf{name = Name}, audit = Audit} = State) ->
    case {cambrian_audit:writer(Audit), cambrian_realm_file:dir(Name)} of
        {none, {ok, Dir}} ->
            Opened = cambrian_audit:open(Dir),
            ok = cambrian_realm_table:put(audit, Name, cambrian_audit:writer(Opened)),
            State#state{audit = Opened};
        _ -> State
    end.

record_decision(What, Details, #state{audit = Audit} = State) ->
    State#state{audit = cambrian_audit:decided(os:system_time(millisecond), What, Details, Audit)}.

%% Files that could not be read may be readable again.
reload_if_unreadable(#state{condition = {closed, Damaged}} = State) when is_list(Damaged) -> State;
reload_if_unreadable(#state{condition = {closed, _}} = State) -> load(State);
reload_if_unreadable(State) -> State.

closed_reason(#state{condition = {closed, Damaged}, conf = #conf{name = Name}})
  when is_list(Damaged) -> {realm_damaged, Name};
closed_reason(#state{condition = {closed, Reason}}) -> Reason;
closed_reason(#state{conf = #conf{name = Name}}) -> {unknown_realm, Name}.

%%% ---- calls ------------------------------------------------------------------------------

handle_call({open, Options}, From, State) ->
    open(Options, From, reload_if_unreadable(State));
handle_call({reset, Options}, From, State) ->
    reset(Options, From, reload_if_unreadable(State));
handle_call(report, From, #state{realm = Realm} = State) ->
    Facts = facts(State),
    case Realm of
        undefined -> {reply, {[], Facts}, State};
        _ -> {noreply, add_job({report, From, Facts}, State)}
    end;
handle_call(overview, _From, #state{realm = undefined} = State) ->
    {reply, (facts(State))#{bans => [], refused => #{}}, State};
handle_call(overview, _From, #state{realm = Realm} = State) ->
    Counts = #{bans => cambrian_realm:bans(Realm), refused => cambrian_realm:refused(Realm)},
    {reply, maps:merge(facts(State), Counts), State};
handle_call(last, _From, #state{audit = Audit} = State) ->
    {reply, cambrian_audit:last(Audit), State};
handle_call(writer, _From, #state{audit = Audit} = State) ->
    {reply, cambrian_audit:writer(Audit), State};
handle_call({reputation, Key}, _From, #state{realm = Realm} = State) ->
    {reply, case Realm of undefined -> 0.0; _ -> cambrian_realm:reputation(Key, Realm) end, State};
handle_call({watch_bans, Pid}, _From, #state{ban_watchers = Watchers} = State)
  when is_map_key(Pid, Watchers) ->
    {reply, self(), State};
handle_call({watch_bans, Pid}, _From, #state{ban_watchers = Watchers} = State) ->
    {reply, self(), State#state{ban_watchers = Watchers#{Pid => monitor(process, Pid)}}};
handle_call({ask, {What, _}}, _From, #state{realm = undefined, condition = sound} = State)
  when What =:= subscribe; What =:= unsubscribe ->
    {reply, {error, closed_reason(State)}, State};
handle_call({ask, {subscribe, Pid}}, _From, State) ->
    {reply, ok, keep_subscribers(subscribe(Pid, State))};
handle_call({ask, {unsubscribe, Pid}}, _From, State) ->
    {reply, ok, keep_subscribers(unsubscribe(Pid, State))};
handle_call({ask, Request}, From, State) ->
    case reload_if_unreadable(State) of
        #state{realm = undefined} = Closed ->
            {Answer, Told} = refuse_all(Request, Closed),
            {reply, Answer, Told};
        Open -> answer(request(Request, os:system_time(millisecond), Open), From, Open)
    end;
handle_call(_, _From, State) ->
    {reply, {error, unknown_call}, State}.

%% A closed realm reports refusals like an open realm. Our own numbers continue from the time.
refuse_all({sequence, Wanted}, State) -> {Wanted, State};
refuse_all({admit, Claims}, #state{condition = {closed, Damaged}} = State) when is_list(Damaged) ->
    refuse_closed(realm_damaged, Claims, State);
refuse_all({admit, Claims}, #state{condition = {closed, Reason}} = State) ->
    refuse_closed(Reason, Claims, State);
refuse_all({refused, Reason, Claims}, #state{condition = {closed, _}} = State) ->
    refuse_closed(Reason, Claims, State);
refuse_all(Request, State) -> {closed(Request, closed_reason(State)), State}.

refuse_closed(Reason, Claims, State) ->
    {Answer, _, Told} = refuse(Reason, Claims, os:system_time(millisecond), State),
    {Answer, Told}.

open(_Options, _From, #state{condition = {closed, _}} = State) ->
    {reply, {error, closed_reason(State)}, State};
open(Options, _From, #state{realm = undefined, conf = #conf{name = Name}} = State) ->
    begin_realm(cambrian_realm:new(Options#{name => Name}), opened, Options, State);
open(Options, From, #state{realm = Realm} = State) ->
    case cambrian_realm:change(Options, Realm) of
        Realm -> {reply, ok, State};
        Changed ->
            save_and_reply(ok, From,
                           record_decision(changed_options, Options, State#state{realm = Changed}))
    end.

reset(Options, _From, #state{condition = {closed, Damaged}, conf = #conf{name = Name}} = State)
  when is_list(Damaged) ->
    begin_realm(cambrian_realm:new(Options#{name => Name}), reset, Options, State);
reset(_Options, _From, #state{condition = {closed, Reason}} = State) ->
    {reply, {error, Reason}, State};
reset(_Options, _From, #state{conf = #conf{name = Name}} = State) ->
    {reply, {error, {not_damaged, Name}}, State}.

%% Writes the first generation before it admits anything: otherwise a crash could erase the realm
%% and its bans.
begin_realm(Realm, What, Options, #state{conf = #conf{name = Name}, number = Number} = State) ->
    case cambrian_realm_file:write(Name, Number + 1,
                                   cambrian_realm_file:pack_all(cambrian_realm:save(Realm))) of
        {ok, Last} ->
            Begun = open_audit(State#state{realm = Realm, number = Last, condition = sound,
                                           changed = false,
                                           saved = erlang:monotonic_time(millisecond)}),
            Noted = record_decision(What, Options, Begun),
            {reply, cambrian_audit:written(cambrian_audit:writer(Noted#state.audit)), Noted};
        Error -> {reply, Error, State}
    end.

facts(#state{condition = Condition, audit = Audit, realm = Realm}) ->
    Ownership = case Realm of
                    undefined -> #{owners => none, charter => none};
                    _ -> cambrian_realm:ownership(Realm)
                end,
    Known = case {Realm, Condition} of {undefined, sound} -> unknown; _ -> Condition end,
    Ownership#{condition => Known, last => cambrian_audit:last(Audit)}.

answer({Answer, State}, _From, _Before) -> {reply, Answer, State};
answer({Answer, at_once, State}, From, _Before) -> save_and_reply(Answer, From, State);
answer({Answer, When, State}, _From, _Before) ->
    {reply, Answer, save_within(save_delay(When, State#state.size), State#state{changed = true})}.

%% @doc How many ms after the last generation, which had so many bytes, the next generation is
%% saved.
-spec save_delay(soon | later | counted, Bytes :: non_neg_integer()) -> pos_integer().
save_delay(soon, Bytes) -> max(?SAVE_SOON_MS, Bytes * 1000 div ?SOON_BYTES_PER_SECOND);
save_delay(later, Bytes) -> max(?SAVE_MS, Bytes * 1000 div ?BYTES_PER_SECOND);
save_delay(counted, Bytes) -> max(?SAVE_COUNTS_MS, Bytes * 1000 div ?BYTES_PER_SECOND).

%% Returns `{Answer, State}', or `{Answer, When, State}', where `When' says when to save.
request({follow, #{old := Old} = Succession}, Now, #state{realm = Realm} = State) ->
    case cambrian_realm:succeed(Succession, Now, Realm) of
        {ok, Realm} -> {ok, State};
        {ok, Moved} ->
            {ok, soon, publish_verdict(followed, Succession, Now, State#state{realm = Moved})};
        {error, Reason} ->
            refuse(Reason, #{origin => Old}, Now,
                   State#state{realm = cambrian_realm:refused(Reason, Realm)})
    end;
request({amend, Bytes, Charter}, Now, #state{realm = Realm} = State) ->
    case cambrian_realm:amend(Bytes, Charter, Now, Realm) of
        {ok, Moved} ->
            {ok, soon, publish_verdict(amended, Charter, Now, State#state{realm = Moved})};
        {{error, Reason}, Realm} ->
            refuse(Reason, #{}, Now, State#state{realm = cambrian_realm:refused(Reason, Realm)});
        {Age, Realm} -> {Age, State}
    end;
request({checked, Origin, Claimed, Measured}, Now, #state{realm = Realm} = State) ->
    {Verdict, Moved} = cambrian_realm:checked(Origin, Claimed, Measured, Now, Realm),
    {When, Told} =
        announce_ban(cambrian_realm:heir(Origin, Realm), Realm, Now, State#state{realm = Moved}),
    {Verdict, case When of none -> later; _ -> When end, Told};
request({failed, Origin}, Now, #state{realm = Realm} = State) ->
    Moved = cambrian_realm:failed(Origin, Now, Realm),
    {When, Told} =
        announce_ban(cambrian_realm:heir(Origin, Realm), Realm, Now, State#state{realm = Moved}),
    {ok, case When of none -> later; _ -> When end, Told};
request({accepted, Origin}, _Now, #state{realm = Realm} = State) ->
    {ok, later, State#state{realm = cambrian_realm:accepted(Origin, Realm)}};
request(Request, Now, State)
  when element(1, Request) =:= ban; element(1, Request) =:= unban;
       element(1, Request) =:= purged ->
    decide(Request, Now, State);
request({sequence, Wanted}, _Now, #state{realm = Realm} = State) ->
    {First, Moved} = cambrian_realm:sequence(Wanted, Realm),
    {First, soon, State#state{realm = Moved}};
request(Request, Now, #state{realm = Realm} = State) ->
    {Answer, Moved} = cambrian_realm:ask(Request, Now, Realm),
    admission(Answer, Request, Now, Realm, State#state{realm = Moved}).

%% Records what a person decided.
decide({unban, {key, <<_:11/binary>> = Short}}, Now, State) ->
    with_named_key(Short, fun(Key) -> decide({unban, {key, Key}}, Now, State) end, State);
decide({ban, {key, <<_:11/binary>> = Short}, Reason}, Now, State) ->
    with_named_key(Short, fun(Key) -> decide({ban, {key, Key}, Reason}, Now, State) end, State);
decide({ban, Subject, Reason}, Now, #state{realm = Realm} = State) ->
    case cambrian_realm:ban(Subject, Reason, Now, Realm) of
        {ok, Banned} ->
            Ban = #{what => Subject, reason => Reason, by => user, time => Now},
            send({banned, Ban}, State),
            {ok, at_once, record_decision(banned, audit_details(Ban), State#state{realm = Banned})};
        Error -> {Error, State}
    end;
decide({unban, Subject}, _Now, #state{realm = Realm} = State) ->
    send({unbanned, Subject}, State),
    {ok, at_once,
     record_decision(unbanned, audit_details(Subject),
                     State#state{realm = cambrian_realm:unban(Subject, Realm)})};
decide({purged, Purged}, _Now, State) ->
    send({purged, Purged}, State),
    {ok, record_decision(purged, Purged, State)}.

with_named_key(Short, Request, #state{realm = Realm} = State) ->
    case cambrian_realm:named(Short, Realm) of
        {ok, Key} -> Request(Key);
        Error -> {Error, State}
    end.

%% Handles a request of {@link cambrian_admission}; its last element is the claims.
admission({error, Reason}, Admission, Now, Before, State) ->
    Claims = element(tuple_size(Admission), Admission),
    {When, Told} = announce_ban(maps:get(origin, Claims, none), Before, Now, State),
    {Answer, counted, Refused} = refuse(Reason, Claims, Now, Told),
    {Answer, case {When, element(1, Admission)} of
                 {later, _} -> later;
                 %% these requests changed a standing
                 {none, Bad} when Bad =:= cheated; Bad =:= rubbish -> later;
                 _ -> counted
             end, Refused};
admission(ok, {genuine, _}, _Now, _Before, State) -> {ok, later, State};
admission(Answer, _, _Now, _Before, State) -> {Answer, State}.

%%% ---- events ------------------------------------------------------------------------------

subscribe(Pid, #state{subscribers = Subscribers} = State) when is_map_key(Pid, Subscribers) ->
    State;
subscribe(Pid, #state{subscribers = Subscribers} = State) ->
    State#state{subscribers = Subscribers#{Pid => monitor(process, Pid)}}.

unsubscribe(Pid, #state{subscribers = Subscribers} = State) ->
    case maps:take(Pid, Subscribers) of
        {Ref, Left} ->
            demonitor(Ref, [flush]),
            State#state{subscribers = Left};
        error -> State
    end.

keep_subscribers(#state{conf = #conf{name = Name}, subscribers = Subscribers} = State) ->
    ok = cambrian_realm_table:put(subscribers, Name, maps:keys(Subscribers)),
    State.

refuse(Reason, Claims, Now, #state{audit = Audit} = State) ->
    Known = maps:merge(detail(Reason), maps:with([origin, genotype, task, sequence], Claims)),
    Kind = cambrian_realm:kind(Reason),
    Refusal = with_name(maps:merge(#{time => Now, reason => Kind, origin => undefined,
                                     genotype => undefined}, Known)),
    Kept = State#state{audit = cambrian_audit:refusal(Refusal, Audit)},
    send({refused, Refusal}, Kept),
    {{refused, Reason, Refusal}, counted, Kept}.

with_name(#{origin := <<_:32/binary>> = Key} = Of) -> Of#{name => cambrian_identity:name(Key)};
with_name(Of) -> Of.

detail({Lacking, Id}) when Lacking =:= missing_base; Lacking =:= wrong_base -> #{base => Id};
detail({_, Detail}) -> #{detail => Detail};
detail(Reason) when is_tuple(Reason) -> #{detail => tl(tuple_to_list(Reason))};
detail(_) -> #{}.

%% Announces the ban of a key that has just lost its reputation.
announce_ban(Origin, Before, Now, #state{realm = After} = State) ->
    What = {key, Origin},
    case not cambrian_realm:is_banned(What, Before) andalso cambrian_realm:is_banned(What, After) of
        true ->
            Ban = #{what => What, reason => <<"reputation">>, by => reputation, time => Now},
            {later, publish_verdict(banned, Ban, Now, State)};
        false -> {none, State}
    end.

publish_verdict(What, Details, Now, #state{audit = Audit} = State) ->
    send({What, Details}, State),
    State#state{audit = cambrian_audit:concluded(Now, What, audit_details(Details), Audit)}.

audit_details(#{what := Subject} = Ban) ->
    maps:merge(maps:with([reason, by], Ban), audit_details(Subject));
audit_details({key, Key}) -> #{key => Key, name => cambrian_identity:name(Key)};
audit_details({What, Id}) -> #{What => Id};
audit_details(#{owners := _} = Charter) -> maps:with([number, id], Charter);
audit_details(Succession) -> maps:with([old, new], Succession).

send(Event,
     #state{conf = #conf{name = Name}, subscribers = Subscribers, ban_watchers = Watchers}) ->
    _ = [Pid ! {cambrian_trust, Name, Event}
         || element(1, Event) =:= banned, Pid <- maps:keys(Watchers)],
    _ = [Pid ! {cambrian_trust, Name, Event} || Pid <- maps:keys(Subscribers), keeps_up(Pid)],
    ok.

keeps_up(Pid) when node(Pid) =/= node() -> true;
keeps_up(Pid) ->
    case process_info(Pid, message_queue_len) of
        {message_queue_len, Length} -> Length < ?MAX_QUEUE;
        undefined -> false
    end.

%%% ---- saving -----------------------------------------------------------------------------

%% Answers once a generation with the decision is written. Decisions during a write wait for the
%% next generation.
save_and_reply(Answer, From, #state{waiters = Waiters} = State) ->
    {noreply, begin_save(State#state{waiters = [{From, Answer} | Waiters], changed = true})}.

%% Sets the timer, of which there is only one, to the sooner of two times.
save_within(Ms, #state{timer = Timer, saved = Saved} = State) ->
    Due = max(0, Saved + Ms - erlang:monotonic_time(millisecond)),
    case Timer =/= none andalso erlang:read_timer(Timer) of
        Left when is_integer(Left), Left =< Due -> State;
        _ ->
            _ = Timer =:= none orelse erlang:cancel_timer(Timer),
            State#state{timer = erlang:send_after(Due, self(), save)}
    end.

%% Changes from now on wait for the next generation, and for its time.
begin_save(#state{saving = none, changed = true, realm = Realm, waiters = Waiters, timer = Timer}
           = State)
  when Realm =/= undefined ->
    _ = Timer =:= none orelse erlang:cancel_timer(Timer),
    add_job(save, State#state{saving = {packing, Waiters}, waiters = [], changed = false,
                              timer = none, saved = erlang:monotonic_time(millisecond)});
begin_save(State) -> State.

%% Packs the realm as it is now; later changes do not affect the job.
add_job(Then, #state{jobs = Jobs, realm = Realm} = State) ->
    _ = [self() ! pack || Jobs =:= []],
    State#state{jobs = Jobs ++ [{Then, cambrian_realm_file:pack(cambrian_realm:save(Realm))}]}.

handle_cast(_, State) -> {noreply, State}.

handle_info(save, State) ->
    {noreply, begin_save(State#state{timer = none})};
handle_info(pack, #state{jobs = [{Then, Pack} | Jobs]} = State) ->
    case cambrian_realm_file:step(Pack) of
        {more, Next} ->
            self() ! pack,
            {noreply, State#state{jobs = Jobs ++ [{Then, Next}]}};
        {done, Packed} ->
            _ = [self() ! pack || Jobs =/= []],
            {noreply, packed(Then, Packed, State#state{jobs = Jobs})}
    end;
handle_info({'DOWN', Ref, process, _, Reason},
            #state{saving = {{writing, Ref}, Waiters}} = State) ->
    {noreply,
     written(Reason, Waiters,
             State#state{saving = none, saved = erlang:monotonic_time(millisecond)})};
handle_info({'DOWN', Ref, process, Pid, _}, #state{subscribers = Subscribers} = State)
  when map_get(Pid, Subscribers) =:= Ref ->
    {noreply, keep_subscribers(unsubscribe(Pid, State))};
handle_info({'DOWN', Ref, process, Pid, _}, #state{ban_watchers = Watchers} = State)
  when map_get(Pid, Watchers) =:= Ref ->
    {noreply, State#state{ban_watchers = maps:remove(Pid, Watchers)}};
handle_info({cambrian_audit, flush}, #state{audit = Audit} = State) ->
    {noreply, State#state{audit = cambrian_audit:flush(Audit)}};
handle_info({'EXIT', Pid, Reason}, #state{audit = Audit} = State) ->
    case cambrian_audit:writer(Audit) of
        Pid -> {stop, Reason, State};
        _ -> {noreply, State}
    end;
handle_info(_, State) ->
    {noreply, State}.

packed({report, From, Facts}, Packed, State) ->
    gen_server:reply(From, {Packed, Facts}),
    State;
packed(save, Packed, #state{saving = {packing, Waiters}} = State) ->
    State#state{saving = {{writing, write(Packed, State)}, Waiters},
                size = ?FILES * iolist_size(Packed)}.

%% The writer ends with this process, and the next process waits for it. Its exit reason is its
%% answer.
-dialyzer({nowarn_function, write/2}).
write(Packed, #state{conf = #conf{name = Name}, number = Number, audit = Audit}) ->
    Writer = cambrian_audit:writer(Audit),
    Save = fun() ->
               case {cambrian_realm_file:write(Name, Number + 1, Packed),
                     cambrian_audit:written(Writer)} of
                   {{ok, Last}, Noted} -> exit({shutdown, {written, Last, Noted}});
                   {Error, _} -> exit({shutdown, Error})
               end
           end,
    {Pid, Ref} = spawn_opt(Save, [link, monitor]),
    ok = cambrian_realm_table:put(writer, Name, Pid),
    Ref.

written({shutdown, {written, Last, Noted}}, Waiters, State) ->
    reply_all(Noted, Waiters),
    Saved = open_audit(State#state{number = Last}),
    case Saved of
        #state{waiters = [_ | _]} -> begin_save(Saved);
        #state{changed = true, size = Size} -> save_within(save_delay(later, Size), Saved);
        _ -> Saved
    end;
written(Reason, Waiters, #state{conf = #conf{name = Name}} = State) ->
    Error = case Reason of
                {shutdown, {error, Why}} -> {error, Why};
                _ -> {error, {realm_unavailable, Name}}
            end,
    logger:error("cambrian: the realm ~ts was not saved: ~tp", [Name, Error]),
    reply_all(Error, Waiters),
    Again = save_within(?SAVE_MS, State#state{changed = true}),
    case Again of
        #state{waiters = [_ | _]} -> begin_save(Again);
        _ -> Again
    end.

reply_all(Written, Waiters) ->
    lists:foreach(fun({From, Answer}) ->
                      gen_server:reply(From, case Written of ok -> Answer; _ -> Written end) end,
                  lists:reverse(Waiters)).

%% Completes the save in progress, and then saves later changes.
terminate(_Reason, #state{saving = {packing, Waiters}, waiters = New} = State) ->
    last_save(State#state{changed = true, waiters = New ++ Waiters});
terminate(_Reason, #state{saving = {{writing, Ref}, Waiters}} = State) ->
    receive
        {'DOWN', Ref, process, _, {shutdown, {written, Last, Noted}}} ->
            reply_all(Noted, Waiters),
            last_save(State#state{number = Last});
        {'DOWN', Ref, process, _, _} ->
            last_save(State#state{changed = true, waiters = State#state.waiters ++ Waiters})
    end;
terminate(_Reason, State) -> last_save(State).

last_save(#state{changed = true, conf = #conf{name = Name}, realm = Realm, number = Number,
                 waiters = Waiters, audit = Audit})
  when Realm =/= undefined ->
    Packed = cambrian_realm_file:pack_all(cambrian_realm:save(Realm)),
    Written = case cambrian_realm_file:write(Name, Number + 1, Packed) of
                  {ok, _} -> ok;
                  Error -> Error
              end,
    _ = [logger:error("cambrian: the realm ~ts was not saved: ~tp", [Name, Written])
         || Written =/= ok],
    reply_all(Written, Waiters),
    cambrian_audit:close(Audit);
last_save(#state{audit = Audit}) -> cambrian_audit:close(Audit).
