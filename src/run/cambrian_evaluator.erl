%% @private
%% Evaluates the genotypes of a population with the code of a user: on this node, and on others if there are any to help.
%% What crashes, hangs, takes too much memory or answers rubbish costs that one evaluation.
%%
%% Each node has a crew ({@link cambrian_crew}), which gets a share of every round in one message. One that runs dry gets
%% half of what waits at the crew with the most. Who does what changes no result: an outcome belongs to its index.
%%
%% A node that is lost, is of another version, has not the code of the task or answers rubbish is left out, and what it had
%% not done is done elsewhere. That is logged once. It is tried again when it connects anew, or after some rounds.
-module(cambrian_evaluator).
-behaviour(gen_server).

-export([start_link/1, evaluate/5, fitness/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([options/0, outcome/0, fault/0]).

%% `timeout', in ms, and `memory', in bytes, are for one evaluation.
-type options() :: #{name := term(), how := cambrian_task:evaluation(), timeout := timeout(),
                     memory := pos_integer() | infinity, nodes := connected | [node()]}.
-type outcome() :: float() | {float(), Cases :: [float()]} | failed | skipped.
%% Only a number is a fitness. `skipped' was not evaluated, as the time was up.
-type fault() :: cambrian_fault:fault().

-record(crew,
        {node :: node(),
         %% of one elsewhere
         monitor = none :: none | reference(),
         size :: pos_integer(),
         %% the indices that it has
         open = #{} :: #{pos_integer() => []},
         %% asked to give back, and not answered
         asked = false :: boolean(),
         %% had nothing to give back, and has not been heard of since
         bare = false :: boolean()}).

-record(state,
        {owner :: pid(),
         monitor :: reference(),
         options :: options(),
         local :: pid(),
         crews :: #{pid() => #crew{}},
         opening = [] :: [{erpc:request_id(), node()}],
         %% nodes that are left out until a round, and those of which that was said
         out = #{} :: #{node() => pos_integer()},
         told = [] :: [node()],
         %% of faults that were seen
         kinds = [] :: [term()],
         round = 0 :: non_neg_integer(),
         tag :: undefined | reference(),
         genotypes = {} :: tuple(),
         network :: undefined | cambrian_worker:network(),
         %% ends the round, where it has a limit; and whether it has come
         limit :: undefined | reference(),
         is_late = false :: boolean(),
         %% what it waits for all the same
         needed = nothing :: nothing | outcome | fitness,
         left = 0 :: non_neg_integer(),
         results = [] :: [{pos_integer(), cambrian_worker:score()}],
         unassigned = [] :: [pos_integer()],
         hungry = [] :: [pid()]}).

-define(MAX_KINDS, 16).
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

%% @doc Sends `{Tag, {ok, [Outcome], [{Index, Fault}]}}' to who started it, one round after another.
%%
%% `Network' makes a network of a genotype on this node; on others that is always the one it stands for by itself. After
%% `Ms' the round ends with what it has by then. Where a `fitness' is needed it goes on until there is one, but for no longer
%% than one evaluation may take.
-spec evaluate(pid(), reference(), [cambrian_genotype:genotype()], cambrian_worker:network(),
               infinity | {Ms :: non_neg_integer(), Needed :: nothing | fitness}) -> ok.
evaluate(Evaluator, Tag, Genotypes, Network, Limit) ->
    gen_server:cast(Evaluator, {evaluate, Tag, Genotypes, Network, Limit}).

%% @doc Of an outcome, the fitness or why there is none.
-spec fitness(outcome()) -> float() | failed | skipped.
fitness({Fitness, _Cases}) -> Fitness;
fitness(Other) -> Other.

%%% ---- a gen_server -----------------------------------------------------------------------

init({Owner, #{nodes := Nodes} = Options}) ->
    process_flag(trap_exit, true),
    Monitor = monitor(process, Owner),
    _ = [net_kernel:monitor_nodes(true) || Nodes =/= []],
    {ok, Local} = cambrian_crew:start_link(crew_options(Options)),
    {ok, #state{owner = Owner, monitor = Monitor, options = Options, local = Local,
                crews = #{Local => #crew{node = node(), size = erlang:system_info(schedulers_online)}}}}.

crew_options(Options) -> (maps:with([how, timeout, memory], Options))#{boss => self()}.

handle_call(_, _From, State) -> {reply, {error, unknown_call}, State}.

handle_cast({evaluate, Tag, Genotypes, Network, Within}, #state{left = 0, round = Round, crews = Crews} = State) ->
    {Limit, Needed} = case Within of
                          infinity -> {undefined, nothing};
                          {Ms, Wanted} -> {erlang:start_timer(Ms, self(), limit), Wanted}
                      end,
    Begun = State#state{tag = Tag, genotypes = list_to_tuple(Genotypes), network = Network, round = Round + 1,
                        limit = Limit, is_late = false, needed = Needed, left = length(Genotypes), results = [], hungry = maps:keys(Crews),
                        crews = maps:map(fun(_, Crew) -> Crew#crew{asked = false, bare = false} end, Crews)},
    go_on(share_out(lists:seq(1, length(Genotypes)), call_nodes(Begun)));
handle_cast({results, Pid, Round, Results, Hungry}, #state{round = Round, crews = Crews} = State) ->
    case Crews of
        #{Pid := Crew} -> go_on(take_results(Pid, Crew, Results, Hungry, State));
        _ -> {noreply, State}
    end;
handle_cast({given_back, Pid, Round, Indices}, #state{round = Round, crews = Crews} = State) ->
    case Crews of
        #{Pid := Crew} -> go_on(take_back(Pid, Crew, Indices, State));
        _ -> {noreply, State}
    end;
handle_cast(_, State) -> {noreply, State}.

handle_info({'EXIT', Local, Reason}, #state{local = Local} = State) -> {stop, {crew_failed, Reason}, State};
handle_info({'EXIT', Owner, _}, #state{owner = Owner} = State) -> {stop, normal, State};
handle_info({'DOWN', Monitor, process, _, _}, #state{monitor = Monitor} = State) -> {stop, normal, State};
handle_info({'DOWN', Monitor, process, Pid, Reason} = Down, #state{crews = Crews} = State) ->
    case Crews of
        #{Pid := #crew{monitor = Monitor}} -> go_on(leave_out(Pid, Reason, State));
        _ -> go_on(opened(Down, State#state.opening, State))
    end;
handle_info(timeout, State) -> {noreply, State, hibernate};
handle_info({timeout, Limit, limit}, #state{limit = Limit, options = #{timeout := Timeout}} = State) ->
    go_on(State#state{is_late = true, limit = start_grace(Timeout)});
handle_info({timeout, Limit, grace}, #state{limit = Limit} = State) ->
    go_on(State#state{needed = outcome, limit = undefined});
handle_info({nodeup, Node}, #state{out = Out} = State) -> {noreply, State#state{out = maps:remove(Node, Out)}};
handle_info(Message, #state{opening = Opening} = State) -> go_on(opened(Message, Opening, State)).

%% After whatever happened: done, or somebody has nothing to do.
go_on(#state{left = 0, tag = Tag} = State) when Tag =/= undefined -> {noreply, finish(State), ?IDLE};
go_on(#state{is_late = true, tag = Tag, needed = Needed, results = Results} = State) when Tag =/= undefined ->
    case has(Needed, Results) of
        true -> {noreply, finish(abandon(State)), ?IDLE};
        false -> {noreply, feed(State)}
    end;
go_on(State) -> {noreply, feed(State)}.

has(nothing, _Results) -> true;
has(outcome, Results) -> Results =/= [];
has(fitness, Results) -> lists:any(fun({_, Score}) -> not is_fault(Score) end, Results).

%% What was under way at the limit is known by then, as the crews look at their workers several times in a timeout.
start_grace(infinity) -> undefined;
start_grace(Timeout) -> erlang:start_timer(min(?MAX_MS, Timeout + Timeout div 4 + ?SLACK), self(), grace).

%% What is under way is dropped, and what waits is not begun.
abandon(#state{crews = Crews, round = Round} = State) ->
    _ = [gen_server:cast(Pid, {abandon, Round}) || Pid <- maps:keys(Crews)],
    State#state{left = 0, unassigned = [], crews = maps:map(fun(_, Crew) -> Crew#crew{open = #{}} end, Crews)}.

%%% ---- nodes ------------------------------------------------------------------------------

call_nodes(#state{options = #{nodes := []}} = State) -> State;
call_nodes(#state{options = #{nodes := Wanted} = Options, crews = Crews, opening = Opening, out = Out, round = Round} = State) ->
    Nodes = case Wanted of connected -> nodes(); List -> lists:usort(List) end,
    Known = [Node || #crew{node = Node} <- maps:values(Crews)] ++ [Node || {_, Node} <- Opening]
            ++ [Node || {Node, Until} <- maps:to_list(Out), Until > Round],
    New = [Node || Node <- Nodes -- Known, Node =/= node()],
    State#state{opening = [{call(Node, Options), Node} || Node <- New] ++ Opening}.

call(Node, #{how := How} = Options) ->
    erpc:send_request(Node, cambrian_crew, open, [maps:merge(crew_options(Options), cambrian_crew:requirements(How))]).

%% An answer to one of the calls, or anything else.
opened(_Message, [], State) -> State;
opened(Message, [{Request, Node} = Call | Calls], #state{opening = Opening} = State) ->
    try erpc:check_response(Message, Request) of
        no_response -> opened(Message, Calls, State);
        {response, Answer} -> welcome(Node, Answer, State#state{opening = lists:delete(Call, Opening)})
    catch
        Class:Reason -> out(Node, call_failed(Class, Reason), State#state{opening = lists:delete(Call, Opening)})
    end.

call_failed(error, {exception, Reason, _Stack}) -> Reason;
call_failed(error, {erpc, Reason}) -> Reason;
call_failed(_, Reason) -> Reason.

welcome(Node, {ok, Pid, Size}, #state{crews = Crews, hungry = Hungry} = State)
  when is_pid(Pid), node(Pid) =:= Node, is_integer(Size), Size > 0 ->
    Crew = #crew{node = Node, monitor = monitor(process, Pid), size = Size},
    State#state{crews = Crews#{Pid => Crew}, hungry = [Pid | Hungry]};
welcome(Node, {error, Reason}, State) -> out(Node, Reason, State);
welcome(Node, Answer, State) -> out(Node, {unexpected, Answer}, State).

%% What it had is to be done by others.
leave_out(Pid, Reason, #state{crews = Crews, unassigned = Unassigned, hungry = Hungry} = State) ->
    {#crew{node = Node, open = Open}, Left} = maps:take(Pid, Crews),
    exit(Pid, kill),
    out(Node, Reason, State#state{crews = Left, unassigned = lists:sort(maps:keys(Open)) ++ Unassigned,
                                  hungry = lists:delete(Pid, Hungry)}).

out(Node, Reason, #state{out = Out, told = Told, round = Round, options = #{name := Name}} = State) ->
    Why = case Reason of
              {crashed, _} -> Reason;
              _ -> element(2, cambrian_fault:crashed(Reason))
          end,
    _ = [logger:warning("population ~tp: ~tp takes no part in the evaluations: ~0tp; it is tried again later",
                        [Name, Node, Why]) || not lists:member(Node, Told)],
    State#state{out = Out#{Node => Round + ?ROUNDS_OUT}, told = lists:usort([Node | Told])}.

%%% ---- sharing ----------------------------------------------------------------------------

%% By the number of their workers, the first of them to this node.
share_out(Indices, #state{crews = Crews, local = Local} = State) ->
    Sizes = [{Local, maps:get(Local, Crews)} | lists:keysort(1, maps:to_list(maps:remove(Local, Crews)))],
    share_out(Indices, length(Indices), Sizes, lists:sum([Size || {_, #crew{size = Size}} <- Sizes]), State).

share_out([], _, _, _, State) -> State;
share_out(Indices, Count, [{Pid, #crew{size = Size}} | Crews], Sizes, State) ->
    {Share, Rest} = lists:split((Count * Size + Sizes - 1) div Sizes, Indices),
    share_out(Rest, Count - length(Share), Crews, Sizes - Size, give(Share, Pid, State)).

give(Indices, Pid, #state{crews = Crews, round = Round, hungry = Hungry} = State) ->
    #{Pid := #crew{open = Open} = Crew} = Crews,
    {Network, Items} = work(Indices, Pid, State),
    gen_server:cast(Pid, {work, Round, Network, Items}),
    More = maps:merge(Open, maps:from_list([{Index, []} || Index <- Indices])),
    State#state{crews = Crews#{Pid := Crew#crew{open = More, bare = false}}, hungry = lists:delete(Pid, Hungry)}.

work(Indices, Local, #state{local = Local, genotypes = Genotypes, network = Network}) ->
    {Network, [{Index, element(Index, Genotypes)} || Index <- Indices]};
work(Indices, _, #state{genotypes = Genotypes}) ->
    {fun cambrian_worker:network_of/1, [{Index, cambrian_genotype:to_binary(element(Index, Genotypes))} || Index <- Indices]}.

%% What nobody has goes to whoever has nothing; if there is none, somebody with much gives some of it back.
feed(#state{hungry = []} = State) -> State;
feed(#state{hungry = Hungry, unassigned = [_ | _] = Indices} = State) ->
    [Pid | Others] = lists:reverse(Hungry),
    {Share, Rest} = lists:split((length(Indices) + length(Others)) div (length(Others) + 1), Indices),
    feed(give(Share, Pid, State#state{unassigned = Rest}));
feed(#state{crews = Crews, round = Round} = State) ->
    case [{maps:size(Open) - Size, Pid} || {Pid, #crew{open = Open, size = Size, bare = false}} <- maps:to_list(Crews),
                                           maps:size(Open) > Size] of
        [] -> State;
        Rich ->
            {Spare, Pid} = lists:max(Rich),
            #{Pid := #crew{asked = Asked} = Crew} = Crews,
            _ = [gen_server:cast(Pid, {give_back, Round, (Spare + 1) div 2}) || not Asked],
            State#state{crews = Crews#{Pid := Crew#crew{asked = true}}}
    end.

take_back(Pid, Crew, [], #state{crews = Crews} = State) ->
    State#state{crews = Crews#{Pid := Crew#crew{asked = false, bare = true}}};
take_back(Pid, #crew{open = Open} = Crew, Indices, #state{crews = Crews, unassigned = Unassigned} = State) ->
    case is_list(Indices) andalso lists:all(fun(Index) -> is_map_key(Index, Open) end, Indices) of
        true -> State#state{crews = Crews#{Pid := Crew#crew{open = maps:without(Indices, Open), asked = false}},
                            unassigned = Unassigned ++ Indices};
        false -> leave_out(Pid, {unexpected, Indices}, State)
    end.

%%% ---- results ----------------------------------------------------------------------------

take_results(Local, Crew, Results, Hungry, #state{local = Local} = State) ->
    accept(Local, Crew, Results, Hungry, State);
take_results(Pid, #crew{open = Open} = Crew, Results, Hungry, State) ->
    case refused(Results, Open) of
        none -> accept(Pid, Crew, Results, Hungry, State);
        Reason -> leave_out(Pid, Reason, State)
    end.

accept(Pid, #crew{open = Open} = Crew, New, Hungry, State) ->
    #state{crews = Crews, results = Results, left = Left, hungry = All} = State,
    Less = maps:without([Index || {Index, _} <- New], Open),
    State#state{crews = Crews#{Pid := Crew#crew{open = Less, bare = false}}, results = New ++ Results, left = Left - length(New),
                hungry = case Hungry of true -> [Pid | lists:delete(Pid, All)]; false -> All end}.

%% Why another node's answer is not taken; once is enough.
refused([], _Open) -> none;
refused([{Index, Score} | Results], Open) when is_map_key(Index, Open) ->
    case reason_to_refuse(Score) of
        none -> refused(Results, maps:remove(Index, Open));
        Reason -> Reason
    end;
refused(Other, _Open) -> {unexpected, Other}.

reason_to_refuse(Fitness) when is_float(Fitness) -> none;
reason_to_refuse({fault, Fault}) ->
    case cambrian_fault:is_missing_code(Fault) of
        true -> Fault;
        false -> none
    end;
reason_to_refuse({unfit, Reason}) -> {unfit, Reason};
reason_to_refuse({Fitness, Cases} = Score) ->
    case is_float(Fitness) andalso is_list(Cases) andalso lists:all(fun is_float/1, Cases) of
        true -> none;
        false -> {unexpected, Score}
    end;
reason_to_refuse(Score) -> {unexpected, Score}.

finish(#state{owner = Owner, tag = Tag, genotypes = Genotypes, limit = Limit, results = Results} = State) ->
    _ = [erlang:cancel_timer(Limit) || Limit =/= undefined],
    Sorted = lists:keysort(1, Results),
    Faults = [{Index, Fault} || {Index, {fault, Fault}} <- Sorted],
    Owner ! {Tag, {ok, outcomes(1, tuple_size(Genotypes), Sorted), Faults}},
    log_new(Faults, State#state{tag = undefined, genotypes = {}, network = undefined, limit = undefined, results = [], hungry = []}).

outcomes(Index, Count, []) -> lists:duplicate(Count - Index + 1, skipped);
outcomes(Index, Count, [{Index, Score} | Scores]) ->
    [case is_fault(Score) of true -> failed; false -> Score end | outcomes(Index + 1, Count, Scores)];
outcomes(Index, Count, Scores) -> [skipped | outcomes(Index + 1, Count, Scores)].

is_fault({fault, _}) -> true;
is_fault(_) -> false.

%% A kind of fault is worth a line when it is first seen; kinds that are all different are soon worth none.
log_new(Faults, #state{kinds = Kinds, options = #{name := Name}} = State) ->
    New = [{cambrian_fault:kind(Fault), Fault} || {_, Fault} <- Faults],
    State#state{kinds = log_new(New, Name, Kinds)}.

log_new([], _Name, Seen) -> Seen;
log_new([{Kind, Fault} | More], Name, Seen) ->
    case length(Seen) < ?MAX_KINDS andalso not lists:member(Kind, Seen) of
        true ->
            Count = length([Kind || {Another, _} <- More, Another =:= Kind]) + 1,
            logger:warning("population ~tp: an evaluation failed (~b in this generation; later ones of this kind are counted "
                           "and not logged): ~ts", [Name, Count, cambrian_fault:text(Fault)]),
            log_new(More, Name, [Kind | Seen]);
        false -> log_new(More, Name, Seen)
    end.
