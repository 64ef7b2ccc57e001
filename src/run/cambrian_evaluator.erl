%% @private
%% Evaluates the genotypes of a population with the user's code, on this node and, if the options
%% say so, on other nodes. An evaluation that crashes, hangs, takes too much memory or returns no
%% number fails; the other evaluations continue.
%%
%% Each node has a crew ({@link cambrian_crew}), which gets a share of every round in one message. A
%% crew without work gets half of the waiting work of the crew with the most. Any crew may evaluate
%% any genotype: each outcome has the genotype's index.
%%
%% The evaluator leaves a node out if the node is lost, has another version or other code of the
%% task, or sends a wrong answer. Other crews do its share. The evaluator logs that once, and tries
%% the node again when it connects anew or after some rounds.
-module(cambrian_evaluator).
-behaviour(gen_server).

-export([start_link/1, expect/3, change/2, evaluate/6, fitness/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([options/0, outcome/0, fault/0]).

%% `timeout', in ms, and `memory', in bytes, are for one evaluation.
-type options() :: #{name := term(), how := cambrian_task:evaluation(), timeout := timeout(),
                     memory := pos_integer() | infinity, nodes := connected | [node()]}.
-type outcome() :: cambrian_score:score() | failed | skipped.
%% Only a number is a fitness. A genotype is `skipped' if the time was up before its evaluation.
-type fault() :: cambrian_fault:fault().

-record(crew,
        {node :: node(),
         %% of a crew on another node
         monitor = none :: none | reference(),
         size :: pos_integer(),
         %% indices that this crew has and has not answered
         open = #{} :: #{pos_integer() => []},
         %% whether the evaluator asked the crew to give work back, and waits for the answer
         is_asked = false :: boolean(),
         %% whether the crew had nothing to give back, and has sent nothing since
         is_bare = false :: boolean()}).

-record(state,
        {owner :: pid(),
         monitor :: reference(),
         options :: options(),
         local :: pid(),
         crews :: #{pid() => #crew{}},
         %% nodes that the evaluator has asked to open a crew
         opening = [] :: [{erpc:request_id(), node()}],
         %% nodes that are left out until this round, and nodes whose absence is already in the log
         left_out = #{} :: #{node() => pos_integer()},
         logged = [] :: [node()],
         %% kinds of faults in the log
         kinds = [] :: [term()],
         %% how many numbers behaviours and objectives have, once one is known
         lengths = cambrian_score:no_lengths() :: cambrian_score:lengths(),
         %% whether a score needs a fitness
         needs_fitness = true :: boolean(),
         round = 0 :: non_neg_integer(),
         tag :: undefined | reference(),
         genotypes = {} :: tuple(),
         network :: undefined | cambrian_worker:network(),
         %% the timer that ends the round, if the round has a limit, and whether the limit has
         %% passed
         limit :: undefined | reference(),
         is_late = false :: boolean(),
         %% the result for which a late round still waits
         needed = nothing :: nothing | outcome | fitness,
         left = 0 :: non_neg_integer(),
         results = [] :: [{pos_integer(), cambrian_worker:score()}],
         %% indices that no crew has, and crews without work
         unassigned = [] :: [pos_integer()],
         idle = [] :: [pid()]}).

%% The most kinds of faults that are logged.
-define(MAX_KINDS, 16).
%% A node is left out for so many rounds.
-define(ROUNDS_OUT, 50).
%% In ms.
-define(IDLE, 1000).
-define(SLACK, 200).
-define(MAX_MS, 16#FFFFFFFF).

%% @doc Stops silently when its caller exits; only the caller logs.
-spec start_link(options()) -> {ok, pid()}.
start_link(Options) ->
    {ok, Evaluator} = gen_server:start(?MODULE, {self(), Options}, []),
    link(Evaluator),
    {ok, Evaluator}.

%% @doc Starts a round, once the round before has ended. The process that started the evaluator gets
%% `{Tag, {ok, [Outcome], [{Index, Fault}]}}'; with the statistics of observations as a fourth
%% element if the evaluation observes.
%%
%% `Network' makes a network from a genotype on this node; other nodes always compile the genotype
%% itself. A score without a fitness is a fault if the search `NeedsFitness'. After `Ms' the round
%% ends with the results that it has. If a `fitness' is needed, the round continues until it has
%% one, but for no longer than one evaluation may take.
-spec evaluate(pid(), reference(), [cambrian_genotype:genotype()], cambrian_worker:network(),
               NeedsFitness :: boolean(),
               infinity | {Ms :: non_neg_integer(), Needed :: nothing | fitness}) -> ok.
evaluate(Evaluator, Tag, Genotypes, Network, NeedsFitness, Limit) ->
    gen_server:cast(Evaluator, {evaluate, Tag, Genotypes, Network, NeedsFitness, Limit}).

%% @doc Sets how many numbers a behaviour must have, or how many objectives there must be, in later
%% rounds.
-spec expect(pid(), behaviour | objectives, non_neg_integer()) -> ok.
expect(Evaluator, What, Length) -> gen_server:cast(Evaluator, {expect, What, Length}).

%% @doc Evaluates later rounds in another way of the same kind, which only works without nodes.
-spec change(pid(), cambrian_task:evaluation()) -> ok.
change(Evaluator, How) -> gen_server:cast(Evaluator, {change, How}).

%% @doc The fitness in an outcome, or the reason why there is none.
-spec fitness(outcome()) -> float() | failed | skipped.
fitness(Word) when is_atom(Word) -> Word;
fitness(Score) -> cambrian_score:fitness(Score).

%%% ---- a gen_server -----------------------------------------------------------------------

init({Owner, #{nodes := Nodes} = Options}) ->
    process_flag(trap_exit, true),
    Monitor = monitor(process, Owner),
    _ = [net_kernel:monitor_nodes(true) || Nodes =/= []],
    {ok, Local} = cambrian_crew:start_link(crew_options(Options)),
    Size = erlang:system_info(schedulers_online),
    {ok, #state{owner = Owner, monitor = Monitor, options = Options, local = Local,
                crews = #{Local => #crew{node = node(), size = Size}}}}.

crew_options(Options) -> (maps:with([how, timeout, memory], Options))#{boss => self()}.

handle_call(_, _From, State) -> {reply, {error, unknown_call}, State}.

handle_cast({evaluate, Tag, Genotypes, Network, NeedsFitness, Within},
            #state{left = 0} = State) ->
    #state{round = Round, crews = Crews} = State,
    {Limit, Needed} = case Within of
                          infinity -> {undefined, nothing};
                          {Ms, Wanted} -> {erlang:start_timer(Ms, self(), limit), Wanted}
                      end,
    Ready = maps:map(fun(_, Crew) -> Crew#crew{is_asked = false, is_bare = false} end, Crews),
    Begun = State#state{tag = Tag, genotypes = list_to_tuple(Genotypes), network = Network,
                        round = Round + 1, limit = Limit, is_late = false, needed = Needed,
                        needs_fitness = NeedsFitness, left = length(Genotypes),
                        results = [], idle = maps:keys(Crews),
                        crews = Ready},
    go_on(share_out(lists:seq(1, length(Genotypes)), call_nodes(Begun)));
handle_cast({change, How}, #state{left = 0, local = Local, options = Options} = State) ->
    ok = cambrian_crew:change(Local, How),
    {noreply, State#state{options = Options#{how := How}}};
handle_cast({expect, What, Length}, #state{lengths = Lengths} = State) ->
    {noreply, State#state{lengths = cambrian_score:expect(What, Length, Lengths)}};
handle_cast({results, Pid, Round, Results, NeedsWork}, #state{round = Round} = State) ->
    #state{crews = Crews} = State,
    case Crews of
        #{Pid := Crew} -> go_on(take_results(Pid, Crew, Results, NeedsWork, State));
        _ -> {noreply, State}
    end;
handle_cast({given_back, Pid, Round, Indices}, #state{round = Round, crews = Crews} = State) ->
    case Crews of
        #{Pid := Crew} -> go_on(take_back(Pid, Crew, Indices, State));
        _ -> {noreply, State}
    end;
handle_cast(_, State) -> {noreply, State}.

handle_info({'EXIT', Local, Reason}, #state{local = Local} = State) ->
    {stop, {crew_failed, Reason}, State};
handle_info({'EXIT', Owner, _}, #state{owner = Owner} = State) -> {stop, normal, State};
handle_info({'DOWN', Monitor, process, _, _}, #state{monitor = Monitor} = State) ->
    {stop, normal, State};
handle_info({'DOWN', Monitor, process, Pid, Reason} = Down, #state{crews = Crews} = State) ->
    case Crews of
        #{Pid := #crew{monitor = Monitor}} -> go_on(remove_crew(Pid, Reason, State));
        _ -> go_on(opened(Down, State#state.opening, State))
    end;
handle_info(timeout, State) -> {noreply, State, hibernate};
handle_info({timeout, Limit, limit}, #state{limit = Limit} = State) ->
    #state{options = #{timeout := Timeout}} = State,
    go_on(State#state{is_late = true, limit = start_grace(Timeout)});
handle_info({timeout, Limit, grace}, #state{limit = Limit, options = #{how := How}} = State) ->
    Needed = case How of
                 {each, _} -> outcome;
                 %% no limit for a batch while it makes progress: a hanging program, for example, is
                 %% killed and started again
                 {together, _} -> nothing
             end,
    go_on(State#state{needed = Needed, limit = undefined});
handle_info({nodeup, Node}, #state{left_out = LeftOut} = State) ->
    {noreply, State#state{left_out = maps:remove(Node, LeftOut)}};
handle_info(Message, #state{opening = Opening} = State) -> go_on(opened(Message, Opening, State)).

%% The last step of handling any message: ends the round, or gives work to idle crews.
go_on(#state{left = 0, tag = Tag} = State) when Tag =/= undefined ->
    {noreply, finish(State), ?IDLE};
go_on(#state{is_late = true, tag = Tag, needed = Needed, results = Results} = State)
  when Tag =/= undefined ->
    case has(Needed, Results) of
        true -> {noreply, finish(abandon(State)), ?IDLE};
        false -> {noreply, feed(State)}
    end;
go_on(State) -> {noreply, feed(State)}.

has(nothing, _Results) -> true;
has(outcome, Results) -> Results =/= [];
has(fitness, Results) -> lists:any(fun({_, Score}) -> not is_fault(Score) end, Results).

%% Crews check their workers several times in a timeout, so after this time all evaluations that
%% were running at the limit have ended.
start_grace(infinity) -> undefined;
start_grace(Timeout) ->
    Ms = min(?MAX_MS, Timeout + Timeout div 4 + ?SLACK),
    erlang:start_timer(Ms, self(), grace).

%% Drops the evaluations that are running or waiting.
abandon(#state{crews = Crews, round = Round} = State) ->
    _ = [gen_server:cast(Pid, {abandon, Round}) || Pid <- maps:keys(Crews)],
    Empty = maps:map(fun(_, Crew) -> Crew#crew{open = #{}} end, Crews),
    State#state{left = 0, unassigned = [], crews = Empty}.

%%% ---- nodes ------------------------------------------------------------------------------

call_nodes(#state{options = #{nodes := []}} = State) -> State;
call_nodes(#state{options = #{nodes := Wanted} = Options, opening = Opening} = State) ->
    #state{crews = Crews, left_out = LeftOut, round = Round} = State,
    Nodes = case Wanted of connected -> nodes(); List -> lists:usort(List) end,
    Known = [Node || #crew{node = Node} <- maps:values(Crews)]
            ++ [Node || {_, Node} <- Opening]
            ++ [Node || {Node, Until} <- maps:to_list(LeftOut), Until > Round],
    New = [Node || Node <- Nodes -- Known, Node =/= node()],
    State#state{opening = [{call(Node, Options), Node} || Node <- New] ++ Opening}.

call(Node, #{how := How} = Options) ->
    Requirements = cambrian_crew:requirements(How),
    erpc:send_request(Node, cambrian_crew, open, [maps:merge(crew_options(Options), Requirements)]).

%% The message may be an answer to a call of `call_nodes/1'.
opened(_Message, [], State) -> State;
opened(Message, [{Request, Node} = Call | Calls], State) ->
    try erpc:check_response(Message, Request) of
        no_response -> opened(Message, Calls, State);
        {response, Answer} -> add_crew(Node, Answer, without_call(Call, State))
    catch
        Class:Reason -> leave_out(Node, call_failed(Class, Reason), without_call(Call, State))
    end.

without_call(Call, #state{opening = Opening} = State) ->
    State#state{opening = lists:delete(Call, Opening)}.

call_failed(error, {exception, Reason, _Stack}) -> Reason;
call_failed(error, {erpc, Reason}) -> Reason;
call_failed(_, Reason) -> Reason.

add_crew(Node, {ok, Pid, Size}, #state{crews = Crews, idle = Idle} = State)
  when is_pid(Pid), node(Pid) =:= Node, is_integer(Size), Size > 0 ->
    Crew = #crew{node = Node, monitor = monitor(process, Pid), size = Size},
    State#state{crews = Crews#{Pid => Crew}, idle = [Pid | Idle]};
add_crew(Node, {error, Reason}, State) -> leave_out(Node, Reason, State);
add_crew(Node, Answer, State) -> leave_out(Node, {unexpected, Answer}, State).

%% Other crews do the work that the crew has not done.
remove_crew(Pid, Reason, #state{crews = Crews, unassigned = Unassigned, idle = Idle} = State) ->
    {#crew{node = Node, open = Open}, Left} = maps:take(Pid, Crews),
    exit(Pid, kill),
    leave_out(Node, Reason, State#state{crews = Left, idle = lists:delete(Pid, Idle),
                                        unassigned = lists:sort(maps:keys(Open)) ++ Unassigned}).

leave_out(Node, Reason, #state{left_out = LeftOut, logged = Logged, round = Round} = State) ->
    #state{options = #{name := Name}} = State,
    Why = case Reason of
              {crashed, _} -> Reason;
              _ -> element(2, cambrian_fault:crashed(Reason))
          end,
    _ = [logger:warning("population ~tp: ~tp takes no part in the evaluations: ~0tp; "
                        "it is tried again later", [Name, Node, Why])
         || not lists:member(Node, Logged)],
    State#state{left_out = LeftOut#{Node => Round + ?ROUNDS_OUT},
                logged = lists:usort([Node | Logged])}.

%%% ---- sharing ----------------------------------------------------------------------------

%% Shares the indices in proportion to the workers of each crew; this node gets the first indices.
share_out(Indices, #state{crews = Crews, local = Local} = State) ->
    Others = lists:keysort(1, maps:to_list(maps:remove(Local, Crews))),
    All = [{Local, maps:get(Local, Crews)} | Others],
    Sizes = lists:sum([Size || {_, #crew{size = Size}} <- All]),
    share_out(Indices, length(Indices), All, Sizes, State).

share_out([], _, _, _, State) -> State;
share_out(Indices, Count, [{Pid, #crew{size = Size}} | Crews], Sizes, State) ->
    {Share, Rest} = lists:split((Count * Size + Sizes - 1) div Sizes, Indices),
    share_out(Rest, Count - length(Share), Crews, Sizes - Size, give(Share, Pid, State)).

give(Indices, Pid, #state{crews = Crews, round = Round, idle = Idle} = State) ->
    #{Pid := #crew{open = Open} = Crew} = Crews,
    {Network, Items} = work(Indices, Pid, State),
    gen_server:cast(Pid, {work, Round, Network, Items}),
    More = maps:merge(Open, maps:from_list([{Index, []} || Index <- Indices])),
    State#state{crews = Crews#{Pid := Crew#crew{open = More, is_bare = false}},
                idle = lists:delete(Pid, Idle)}.

work(Indices, Local, #state{local = Local, genotypes = Genotypes, network = Network}) ->
    {Network, [{Index, element(Index, Genotypes)} || Index <- Indices]};
work(Indices, _, #state{genotypes = Genotypes}) ->
    {fun cambrian_worker:network_of/1,
     [{Index, cambrian_genotype:to_binary(element(Index, Genotypes))} || Index <- Indices]}.

%% Crews without work get the indices that no crew has. If there are none, the crew with the most
%% work gives some of it back.
feed(#state{idle = []} = State) -> State;
feed(#state{idle = Idle, unassigned = [_ | _] = Indices} = State) ->
    [Pid | Others] = lists:reverse(Idle),
    Count = (length(Indices) + length(Others)) div (length(Others) + 1),
    {Share, Rest} = lists:split(Count, Indices),
    feed(give(Share, Pid, State#state{unassigned = Rest}));
feed(#state{crews = Crews, round = Round} = State) ->
    case [{maps:size(Open) - Size, Pid}
          || {Pid, #crew{open = Open, size = Size, is_bare = false}} <- maps:to_list(Crews),
             maps:size(Open) > Size] of
        [] -> State;
        Rich ->
            {Spare, Pid} = lists:max(Rich),
            #{Pid := #crew{is_asked = IsAsked} = Crew} = Crews,
            _ = [gen_server:cast(Pid, {give_back, Round, (Spare + 1) div 2}) || not IsAsked],
            State#state{crews = Crews#{Pid := Crew#crew{is_asked = true}}}
    end.

take_back(Pid, Crew, [], #state{crews = Crews} = State) ->
    State#state{crews = Crews#{Pid := Crew#crew{is_asked = false, is_bare = true}}};
take_back(Pid, #crew{open = Open} = Crew, Indices, State) ->
    #state{crews = Crews, unassigned = Unassigned} = State,
    case is_list(Indices) andalso lists:all(fun(Index) -> is_map_key(Index, Open) end, Indices) of
        true ->
            Less = Crew#crew{open = maps:without(Indices, Open), is_asked = false},
            State#state{crews = Crews#{Pid := Less}, unassigned = Unassigned ++ Indices};
        false -> remove_crew(Pid, {unexpected, Indices}, State)
    end.

%%% ---- results ----------------------------------------------------------------------------

take_results(Local, Crew, Results, NeedsWork, #state{local = Local} = State) ->
    accept(Local, Crew, Results, NeedsWork, State);
take_results(Pid, #crew{open = Open} = Crew, Results, NeedsWork, State) ->
    case refused(Results, Open) of
        none -> accept(Pid, Crew, Results, NeedsWork, State);
        Reason -> remove_crew(Pid, Reason, State)
    end.

accept(Pid, #crew{open = Open} = Crew, New, NeedsWork, State) ->
    #state{crews = Crews, results = Results, left = Left, idle = All} = State,
    Less = maps:without([Index || {Index, _} <- New], Open),
    State#state{crews = Crews#{Pid := Crew#crew{open = Less, is_bare = false}},
                results = New ++ Results, left = Left - length(New),
                idle = case NeedsWork of true -> [Pid | lists:delete(Pid, All)]; false -> All end}.

%% Why an answer from another node is refused, or `none'.
refused([], _Open) -> none;
refused([{Index, Score} | Results], Open) when is_map_key(Index, Open) ->
    case reason_to_refuse(Score) of
        none -> refused(Results, maps:remove(Index, Open));
        Reason -> Reason
    end;
refused(Other, _Open) -> {unexpected, Other}.

reason_to_refuse({fault, Fault}) ->
    case cambrian_fault:is_missing_code(Fault) of
        true -> Fault;
        false -> none
    end;
reason_to_refuse({unfit, Reason}) -> {unfit, Reason};
reason_to_refuse(Score) ->
    case cambrian_score:is_score(Score) of
        true -> none;
        false -> {unexpected, Score}
    end.

finish(#state{owner = Owner, tag = Tag, genotypes = Genotypes, limit = Limit} = State) ->
    #state{results = Results, needs_fitness = NeedsFitness, lengths = Known} = State,
    _ = [erlang:cancel_timer(Limit) || Limit =/= undefined],
    {InOrder, Observed} = lists:mapfoldl(fun observe/2, none, lists:keysort(1, Results)),
    Fit = case NeedsFitness of true -> cambrian_score:with_fitness(InOrder); false -> InOrder end,
    {Sorted, Lengths} = cambrian_score:same_lengths(Fit, Known),
    Faults = [{Index, Fault} || {Index, {fault, Fault}} <- Sorted],
    Outcomes = outcomes(1, tuple_size(Genotypes), Sorted),
    Owner ! {Tag, case Observed of
                      none -> {ok, Outcomes, Faults};
                      _ -> {ok, Outcomes, Faults, Observed}
                  end},
    log_new(Faults, State#state{lengths = Lengths, tag = undefined, genotypes = {},
                                network = undefined,
                                limit = undefined, results = [], idle = []}).

%% Merged in the order of genotypes, so that the bits do not depend on who was ready first.
observe({Index, {observed, Statistics, Score}}, none) -> {{Index, Score}, Statistics};
observe({Index, {observed, Statistics, Score}}, Before) ->
    {{Index, Score}, cambrian_statistics:merge(Before, Statistics)};
observe(Result, Before) -> {Result, Before}.

outcomes(Index, Count, []) -> lists:duplicate(Count - Index + 1, skipped);
outcomes(Index, Count, [{Index, Score} | Scores]) ->
    [case is_fault(Score) of true -> failed; false -> Score end
     | outcomes(Index + 1, Count, Scores)];
outcomes(Index, Count, Scores) -> [skipped | outcomes(Index + 1, Count, Scores)].

is_fault({fault, _}) -> true;
is_fault(_) -> false.

%% Logs each kind of fault once, up to a limit of kinds.
log_new(Faults, #state{kinds = Kinds, options = #{name := Name}} = State) ->
    New = [{cambrian_fault:kind(Fault), Fault} || {_, Fault} <- Faults],
    State#state{kinds = log_new(New, Name, Kinds)}.

log_new([], _Name, Seen) -> Seen;
log_new([{Kind, Fault} | More], Name, Seen) ->
    case length(Seen) < ?MAX_KINDS andalso not lists:member(Kind, Seen) of
        true ->
            Count = length([Kind || {Another, _} <- More, Another =:= Kind]) + 1,
            logger:warning("population ~tp: an evaluation failed (~b in this generation; later "
                           "ones of this kind are counted and not logged): ~ts",
                           [Name, Count, cambrian_fault:text(Fault)]),
            log_new(More, Name, [Kind | Seen]);
        false -> log_new(More, Name, Seen)
    end.
