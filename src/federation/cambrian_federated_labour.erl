%% @private
%% The long work of a population that several nodes evolve together, in place of {@link
%% cambrian_labour}.
%%
%% Every member holds the population. A generation is a function of the one before, the seed and
%% its scores, so only scores and the orders of users are agreed on: each is a record of the
%% federation's {@link cambrian_log}. Every member breeds by itself. The coordinator lets all
%% connected nodes evaluate, and proposes the scores as a record.
%%
%% A member applies a record only while its population waits for one: for the scores of a round, or
%% for an order while it is idle. So all members apply each record at the same point of evolution,
%% however fast they are.
-module(cambrian_federated_labour).

-export([restore/1, new/1, start/2, drop/2, order/3, next/1, mark/1, handle_message/2, stop/1]).
-export_type([labour/0]).

-type id() :: {cambrian_record:member(), reference()}.

-record(shared,
        {name :: atom(),
         task :: atom(),
         inner :: cambrian_labour:labour(),
         log :: cambrian_log:log(),
         me :: cambrian_record:member(),
         %% tells this federation from another one of the same name
         origin :: binary(),
         coordinator = none :: none | cambrian_record:epoch(),
         %% the last record that was applied, and those that wait
         applied :: cambrian_record:record(),
         records = queue:new() :: queue:queue(cambrian_record:record()),
         %% the last record before the scores of the present generation, once it has some
         before = none :: none | cambrian_record:record(),
         %% the scores that evolution waits for, those that records have, and those that this
         %% coordinator has measured, as parts
         scoring = none :: none | cambrian_evolution:effect(),
         parts = cambrian_score_parts:none() :: cambrian_score_parts:parts(),
         measured = none :: none | [binary()],
         %% whether a proposal is under way, or was refused, until the next record
         has_proposed = false :: boolean(),
         %% orders of this member's users that no record has yet
         own = #{} :: #{id() => {cambrian_run:caller(), Request :: term()}},
         %% the timer that tells of a federation that cannot go on
         watch = none :: none | reference(),
         %% orders that this coordinator has heard of, and the last that were applied
         heard = [] :: [{id(), Request :: term()}],
         seen = [] :: [id()],
         %% how many coordinators this member has followed, and the bytes of the records it applied
         coordinators = 0 :: non_neg_integer(),
         bytes = 0 :: non_neg_integer()}).
-opaque labour() :: #shared{}.

%% An order comes again if the coordinator changes before its record is committed.
-define(SEEN, 1000).
%% A federation that waits so long for a coordinator or a record says so.
-define(STUCK_MS, 10_000).
%% How often two federations of one name compare their records, until one joins the other.
-define(COMPARE_MS, 1000).

%%% ---- the start --------------------------------------------------------------------------

%% @doc Decides how the population begins, as {@link cambrian_restore:begin_with/1}: by itself, if
%% no connected node has it, else from a checkpoint of a member. {@link new/1} follows; meanwhile
%% no other node of the cluster starts it.
-spec restore(map()) -> {ok, map()} | {error, term()}.
restore(#{name := Name} = Options) ->
    true = global:set_lock({{?MODULE, Name}, self()}, [node() | nodes()]),
    case cambrian_federation:members(Name) of
        [] -> found(cambrian_restore:begin_with(Options));
        Nodes -> join(Nodes, Options)
    end.

found({ok, Begin}) ->
    Origin = crypto:strong_rand_bytes(16),
    {ok, Begin#{log => #{found => term_to_binary({found, Origin})}, origin => Origin}};
found(Error) -> Error.

join(Nodes, #{name := Name, task := Task} = Options) ->
    Requirements = cambrian_crew:requirements(evaluation(Task)),
    case cambrian_federation:checkpoint(Nodes, Name, Requirements) of
        {ok, #{record := Record, origin := Origin}, Saved} ->
            case cambrian_restore:begin_with(Options#{checkpoint => Saved}) of
                {ok, Begin} ->
                    Members = [atom_to_binary(Node) || Node <- Nodes],
                    {ok, Begin#{log => #{record => Record, members => Members},
                                origin => Origin}};
                Error -> Error
            end;
        Error -> Error
    end.

%% Other members evaluate so.
evaluation(#{on_workers := How}) -> How;
evaluation(#{evaluate := How}) -> How.

-spec new(map()) -> labour().
new(#{name := Name, log := Begin, origin := Origin, federation := Federation} = Options) ->
    ok = net_kernel:monitor_nodes(true),
    Log = start_log(Begin#{name => atom_to_binary(Name),
                           engine => cambrian_log_quorum,
                           coordinator => maps:get(coordinator, Federation, auto),
                           seats => maps:get(voters, Federation, 3)}),
    _ = global:del_lock({{?MODULE, Name}, self()}, [node() | nodes()]),
    #{member := Me} = cambrian_log:status(Log),
    #{task := #{name := Task}} = Options,
    #shared{name = Name, task = Task, inner = cambrian_labour:new(Options), log = Log, me = Me,
            origin = Origin, applied = first(Log, Begin)}.

%% The log of this population before a crash may be about to end.
start_log(Options) ->
    case cambrian_log:start_link(Options) of
        {ok, Log} -> Log;
        {error, {already_started, Old}} ->
            Monitor = monitor(process, Old),
            receive {'DOWN', Monitor, process, _, _} -> start_log(Options) end
    end.

%% A log that begins has told its first record by now.
first(_Log, #{record := Record}) -> Record;
first(Log, #{found := _}) -> receive {cambrian_log, Log, {committed, First}} -> First end.

%%% ---- effects of evolution ---------------------------------------------------------------

-spec start(cambrian_evolution:effect(), labour()) -> labour().
start({score, _, _, _} = Effect, S) ->
    evaluate(S#shared{scoring = Effect, parts = cambrian_score_parts:none()});
start({breed, _, _} = Effect, S) -> work(Effect, S#shared{before = none});
start(Effect, S) -> work(Effect, S).

work(Effect, #shared{inner = Inner} = S) ->
    S#shared{inner = cambrian_labour:start(Effect, Inner)}.

%% Only the coordinator lets the members evaluate.
evaluate(#shared{scoring = {score, _, _, _} = Effect, measured = none, inner = Inner} = S) ->
    case coordinates(S) andalso not cambrian_labour:is_working(Inner) of
        true -> S#shared{inner = cambrian_labour:start(Effect, Inner)};
        false -> S
    end;
evaluate(S) -> S.

coordinates(#shared{me = Me, coordinator = {_, Me}}) -> true;
coordinates(_) -> false.

-spec drop(job | measurement, labour()) -> labour().
drop(job, S) -> stop_evaluation(S#shared{scoring = none});
drop(What, #shared{inner = Inner} = S) -> S#shared{inner = cambrian_labour:drop(What, Inner)}.

stop_evaluation(#shared{inner = Inner} = S) ->
    Stopped = case cambrian_labour:is_working(Inner) of
                  true -> cambrian_labour:drop(job, Inner);
                  false -> Inner
              end,
    S#shared{inner = Stopped, measured = none}.

%% @doc For a checkpoint: the records up to this one are in it. A checkpoint has a generation
%% without its scores, also if they are known by now.
-spec mark(labour()) -> cambrian_federation:mark().
mark(#shared{before = none, applied = Applied, origin = Origin}) ->
    #{record => Applied, origin => Origin};
mark(#shared{before = Before, origin = Origin}) -> #{record => Before, origin => Origin}.

-spec stop(labour()) -> ok.
stop(#shared{inner = Inner}) -> cambrian_labour:stop(Inner).

%%% ---- orders of users --------------------------------------------------------------------

%% @doc What changes the course of evolution becomes a record, and is carried out when that is
%% committed. Genotypes from the mesh are refused: when one is measured is not agreed on.
-spec order(cambrian_run:caller(), Request :: term(), labour()) ->
          {ordered, labour()} | {answer, term()} | no.
order(_From, {inject, _, #{bound := _}}, _S) -> {answer, {error, busy}};
order(_From, {run, Goal}, _S) when is_map_key(timeout, Goal); is_map_key(until, Goal) ->
    [Option | _] = maps:keys(maps:with([timeout, until], Goal)),
    {answer, {error, {bad_option, {Option, map_get(Option, Goal), <<"none in a federation">>}}}};
order(From, {What, _} = Request, S) when What =:= run; What =:= step; What =:= purge ->
    ordered(From, Request, S);
order(From, {inject, _, _} = Request, S) -> ordered(From, Request, S);
order(From, pause, S) -> ordered(From, pause, S);
order(_From, federation, S) -> {answer, status(S)};
order(_From, _Request, _S) -> no.

ordered(From, Request, #shared{me = Me, own = Own} = S) ->
    Id = {Me, make_ref()},
    Packed = packed(Request),
    Size = byte_size(term_to_binary({order, Id, Packed})),
    case Size > cambrian_record:max_body() of
        true -> {answer, {error, {too_large, Size}}};
        false -> {ordered, send(Id, Packed, S#shared{own = Own#{Id => {From, Packed}}})}
    end.

send(Id, Request, #shared{name = Name, coordinator = {_, Coordinator}} = S) ->
    case coordinates(S) of
        true -> hear(Id, Request, S);
        false ->
            {Name, cambrian_federation:node_of(Coordinator)} ! {?MODULE, Id, Request},
            S
    end;
%% comes again with the next coordinator
send(_Id, _Request, S) -> S.

hear(Id, Request, #shared{heard = Heard} = S) ->
    S#shared{heard = lists:keystore(Id, 1, Heard, {Id, Request})}.

packed({inject, Shape, #{genotype := Genotype} = Newcomer}) ->
    {inject, Shape, Newcomer#{genotype := cambrian_genotype:to_binary(Genotype)}};
packed(Request) -> Request.

unpacked({inject, Shape, #{genotype := Bytes} = Newcomer}) ->
    {ok, Genotype} = cambrian_genotype:from_binary(Bytes),
    {inject, Shape, Newcomer#{genotype := Genotype}};
unpacked(Request) -> Request.

status(#shared{log = Log, coordinator = Coordinator, applied = #{number := Number},
               coordinators = Coordinators, bytes = Bytes}) ->
    #{members := Members, voters := Voters, member := Me} = cambrian_log:status(Log),
    Nodes = lists:usort([cambrian_federation:node_of(Member)
                         || Member <- [Me | maps:keys(Members)]]),
    #{coordinator => case Coordinator of
                         {_, Member} -> cambrian_federation:node_of(Member);
                         none -> none
                     end,
      epoch => case Coordinator of {Epoch, _} -> Epoch; none -> none end,
      members => Nodes, voters => [cambrian_federation:node_of(Voter) || Voter <- Voters],
      record => Number, coordinators => Coordinators, bytes => Bytes}.

%%% ---- records ----------------------------------------------------------------------------

%% @doc The next event for evolution, once it has carried out the one before.
-spec next(labour()) -> {cambrian_evolution:event(), labour()} | {none, labour()}
              | {stop, Reason :: term(), labour()}.
next(#shared{records = Records, scoring = Scoring, inner = Inner} = S) ->
    IsWaiting = Scoring =/= none orelse not cambrian_labour:is_working(Inner),
    case IsWaiting andalso queue:out(Records) of
        {{value, Record}, Left} -> apply_record(Record, S#shared{records = Left});
        {empty, _} -> {none, propose(S)};
        false -> {none, S}
    end.

%% A member that joined while others took steps has not heard of these: it takes one step for the
%% scores of each generation.
apply_record(#{body := Body} = Record, #shared{scoring = Scoring, records = Left} = S) ->
    case binary_to_term(Body) of
        {found, _} -> next(applied(Record, S));
        {order, Id, Request} -> apply_order(Id, Request, applied(Record, S));
        {scores, _, _} when Scoring =:= none ->
            {{call, elsewhere, {step, 1}}, S#shared{records = queue:in_r(Record, Left)}};
        {scores, Of, Part} -> apply_scores(Of, Part, before_scores(S, applied(Record, S)))
    end.

applied(#{number := Number, body := Body} = Record, #shared{bytes = Bytes} = S) ->
    Measurements = #{record => Number, bytes => byte_size(Body)},
    execute([cambrian, federation, committed], Measurements, #{}, S),
    S#shared{applied = Record, has_proposed = false, bytes = Bytes + byte_size(Body)}.

before_scores(#shared{before = none, applied = Before}, S) -> S#shared{before = Before};
before_scores(_, S) -> S.

apply_order(Id, Request, #shared{own = Own, heard = Heard, seen = Seen} = S) ->
    Left = S#shared{own = maps:remove(Id, Own), heard = lists:keydelete(Id, 1, Heard),
                    seen = lists:sublist([Id | Seen], ?SEEN)},
    Caller = case Own of #{Id := {From, _}} -> From; _ -> elsewhere end,
    case lists:member(Id, Seen) of
        true -> next(Left);
        false -> {{call, Caller, unpacked(Request)}, Left}
    end.

%% Members whose genotypes differ have evolved apart, as their code or their libraries differ.
apply_scores(Of, Part, #shared{scoring = Scoring, parts = Parts, applied = Record} = S) ->
    case {digest(Scoring), cambrian_score_parts:add(Part, Parts)} of
        {Of, {partial, Known}} -> next(S#shared{parts = Known});
        {Of, {whole, {Outcomes, Faults}}} ->
            {{scored, Outcomes, Faults}, (stop_evaluation(S))#shared{scoring = none}};
        _ -> {stop, {federation_diverged, maps:get(number, Record)}, S}
    end.

digest({score, _Population, Genotypes, _Limit}) ->
    crypto:hash(sha256, [cambrian_genotype:id(Genotype) || Genotype <- Genotypes]).

propose(#shared{has_proposed = false, log = Log, coordinator = Epoch} = S) ->
    #shared{applied = #{number := Number}} = S,
    case coordinates(S) andalso proposal(S) of
        Body when is_binary(Body) ->
            ok = cambrian_log:propose(Log, Epoch, Number + 1, Body),
            watch(S#shared{has_proposed = true});
        _ -> S
    end;
propose(S) -> S.

proposal(#shared{heard = [{Id, Request} | _]}) -> term_to_binary({order, Id, Request});
proposal(#shared{measured = [_ | _] = Measured, scoring = Scoring} = S) ->
    #shared{coordinator = Epoch, parts = Parts} = S,
    Nth = cambrian_score_parts:next(Epoch, Parts),
    Part = {Epoch, Nth, length(Measured), lists:nth(Nth, Measured)},
    term_to_binary({scores, digest(Scoring), Part});
proposal(_) -> none.

%%% ---- messages ---------------------------------------------------------------------------

%% Nodes that were not connected yet may each have begun the population. The one with fewer records
%% ends, and its supervisor starts it again as a member of the other. Both read what the other
%% reads, but not at the same moment, so they look again.
compare(Node, #shared{name = Name, origin = Origin}) ->
    case {cambrian_federation:mark(Name), cambrian_federation:mark(Node, Name)} of
        {_, #{origin := Origin}} -> ignored;
        {#{record := #{number := Own}}, #{record := #{number := Theirs}, origin := Other}}
          when {Theirs, Other} > {Own, Origin} ->
            {stop, {joins_the_federation_of, Node}};
        {_, #{}} ->
            _ = erlang:start_timer(?COMPARE_MS, self(), {compare, Node}),
            ignored;
        {_, none} -> ignored
    end.

watch(#shared{watch = none, applied = #{number := Number}} = S) ->
    S#shared{watch = erlang:start_timer(?STUCK_MS, self(), {stuck, Number})};
watch(S) -> S.

%% Said once for each record that does not come.
tell_if_stuck(Number, #shared{applied = #{number := Number}, name = Name} = S) ->
    #shared{has_proposed = HasProposed, coordinator = Coordinator} = S,
    _ = [logger:warning("population ~tp waits: fewer than half of the voters of its federation can "
                        "be reached, which are ~0tp", [Name, maps:get(voters, status(S))])
         || HasProposed orelse Coordinator =:= none],
    S;
tell_if_stuck(_Before, #shared{has_proposed = HasProposed, coordinator = Coordinator} = S) ->
    case HasProposed orelse Coordinator =:= none of
        true -> watch(S);
        false -> S
    end.

%% @doc As {@link cambrian_labour:handle_message/2}; `changed' says that {@link next/1} may have an
%% event now.
-spec handle_message(Message :: term(), labour()) ->
          {ok, cambrian_evolution:event(), labour()} | {changed, labour()}
        | {stop, Reason :: term()} | ignored.
handle_message({cambrian_log, Log, Event}, #shared{log = Log} = S) -> logged(Event, S);
handle_message({?MODULE, Id, Request}, S) -> {changed, hear(Id, Request, S)};
handle_message({nodeup, Node}, S) -> compare(Node, S);
handle_message({timeout, _, {compare, Node}}, S) -> compare(Node, S);
handle_message({timeout, Watch, {stuck, Number}}, #shared{watch = Watch} = S) ->
    {changed, tell_if_stuck(Number, S#shared{watch = none})};
handle_message({'EXIT', Log, Reason}, #shared{log = Log}) -> {stop, {log_failed, Reason}};
handle_message(Message, #shared{inner = Inner} = S) ->
    case cambrian_labour:handle_message(Message, Inner) of
        {ok, {scored, Outcomes, Faults}, Next} ->
            measured(cambrian_score_parts:split({Outcomes, Faults}), S#shared{inner = Next});
        {ok, Event, Next} -> {ok, Event, S#shared{inner = Next}};
        Other -> Other
    end.

measured({ok, Parts}, S) -> {changed, S#shared{measured = Parts}};
measured({too_large, Bytes}, _S) ->
    {stop, {federation, {scores_too_large, Bytes, cambrian_score_parts:most()}}}.

logged({committed, Record}, #shared{records = Records} = S) ->
    {changed, S#shared{records = queue:in(Record, Records)}};
logged({coordinator, none}, S) -> {changed, watch(S#shared{coordinator = none})};
logged({coordinator, {N, Member} = Epoch}, #shared{own = Own, coordinators = Count} = S) ->
    execute([cambrian, federation, coordinator], #{epoch => N},
            #{coordinator => cambrian_federation:node_of(Member)}, S),
    Known = S#shared{coordinator = Epoch, has_proposed = false, coordinators = Count + 1},
    Settled = case coordinates(Known) of
                  true -> evaluate(Known);
                  false when Known#shared.scoring =/= none -> stop_evaluation(Known);
                  false -> Known
              end,
    {changed, maps:fold(fun(Id, {_, Request}, Next) -> send(Id, Request, Next) end, Settled, Own)};
logged({rejected, _Number, too_large}, _S) -> {stop, {federation, record_too_large}};
%% the next record or coordinator comes
logged({rejected, _Number, _Reason}, _S) -> ignored;
%% The records since the last checkpoint are gone everywhere: start from a newer one.
logged({behind, Number, _Member}, _S) -> {stop, {federation, {behind, Number}}}.

execute(Event, Measurements, Metadata, #shared{name = Name, task = Task}) ->
    cambrian_telemetry:execute(Event, Measurements, Metadata#{population => Name, task => Task}).
