%% @private
%% A mesh of honest and lying nodes and the network between them, in one process and in virtual
%% time. All randomness comes from the seed, and the only queue is the one of {@link
%% cambrian_ether}, so the same options give the same events.
%%
%% A node is a module and its value: {@link cambrian_island} or {@link cambrian_liar}.
-module(cambrian_world).

-export([new/1, run/1, alarm/3, fault/2, stop_breeding/1, watch/2, watched/1,
         beginning/0, honest/1, liars/1, value/2, keys/2, best/2, is_up/2, pace/2,
         failures/1, floor/1, uploads/1, traffic/1, events/1]).
-export_type([world/0, options/0, fault/0, failure/0, index/0, pace/0]).

-type index() :: pos_integer().
%% The first nodes are the liars. `generation_ms' and `lie_ms' are the times between two generations
%% and between two lies. `evaluation_ms' is the time for measuring a newcomer that costs as much as
%% the population's own genotypes. A node measures its newcomers one after the other; if the island
%% `works', that delays the next generation, as on one core. `patience_ms' is how long a caller
%% waits for an answer. `island' returns the options of one node.
-type options() :: #{seed := integer(), nodes := pos_integer(), liars => non_neg_integer(),
                     task => cambrian_task:native(), agents => pos_integer(), params => map(),
                     generation_ms => pos_integer(), lie_ms => pos_integer(),
                     evaluation_ms => non_neg_integer(), patience_ms => pos_integer(),
                     exchange => map(), trust => map(),
                     latency => cambrian_ether:latency(), loss => float(), duplication => float(),
                     liar => map(), island => fun((index()) -> map()),
                     trace => fun((integer(), index(), term()) -> term())}.
-type fault() :: {split, [[index()]]} | heal | {crash, [index()]} | {restart, [index()]}
               | {add, index(), cambrian_genotype:genotype()}.
%% The exception of an honest node, and the event that it was handling.
-type failure() :: {crashed, index(), What :: term(),
                    {Class :: atom(), Reason :: term(), Stack :: list()}}.

%% The time of a node: its generations, how long it was up, and for how many of these ms it measured
%% newcomers of each key.
-type pace() :: #{generations := non_neg_integer(), lives := pos_integer(),
                  up_ms := non_neg_integer(),
                  measured_ms := #{cambrian_identity:key() => non_neg_integer()}}.

-record(node, {module :: cambrian_island | cambrian_liar, options :: map(),
               %% the node's value or, while it is down, what it has stored
               value = none :: term(), up = true :: boolean(), life = 1 :: pos_integer(),
               wake = infinity :: integer() | infinity, busy_until = 0 :: integer(),
               generations = 0 :: non_neg_integer(), up_since :: integer(),
               up_ms = 0 :: non_neg_integer(),
               %% the time for newcomers, which delays the next generation
               owed_ms = 0 :: non_neg_integer(),
               measured_ms = #{} :: #{cambrian_identity:key() => non_neg_integer()},
               pending = #{} :: #{term() => waiting}, uploaded = 0 :: non_neg_integer(),
               best = none :: none | {float(), cambrian_genotype:id()}}).

-record(world, {options :: map(), now :: integer(), ether :: cambrian_ether:ether(),
                nodes = #{} :: #{index() => #node{}}, addresses = #{} :: #{binary() => index()},
                contents = #{} :: #{binary() => {index(), binary()}},
                breeding = true :: boolean(), floor = none :: none | float(),
                failures = [] :: [failure()], events = #{} :: #{atom() => pos_integer()},
                watched = none :: none | {Fitness :: float(), Since :: integer(),
                                          #{index() => integer()}}}).
-opaque world() :: #world{}.

-define(BEGINNING, 1_800_000_000_000).
-define(REALM, <<"org.example.simulation">>).
%% The request for a blob.
-define(FETCH_BYTES, 64).

-spec new(options()) -> world().
new(#{seed := Seed, nodes := Count} = Given) ->
    Options = maps:merge(#{liars => 0, task => 'xor', agents => 20, params => #{},
                           generation_ms => 60_000, lie_ms => 3000,
                           evaluation_ms => 5, patience_ms => 5000, exchange => #{}, trust => #{},
                           latency => {5, 80}, liar => #{}, island => fun(_) -> #{} end,
                           trace => fun(_, _, _) -> ok end}, Given),
    Ether = cambrian_ether:new((maps:with([latency, loss, duplication], Options))#{seed => Seed}),
    World = #world{options = Options, now = ?BEGINNING, ether = Ether,
                   addresses = maps:from_list([{address(Index), Index}
                                               || Index <- lists:seq(1, Count)])},
    lists:foldl(fun begin_node/2, World, lists:seq(1, Count)).

address(Index) -> integer_to_binary(Index).

begin_node(Index, #world{options = #{liars := Liars}} = World) ->
    Module = if Index =< Liars -> cambrian_liar; true -> cambrian_island end,
    Node = #node{module = Module, options = node_options(Module, Index, World),
                 up_since = World#world.now},
    live(Index, fun(#node{options = Options}) -> Module:start(Options, World#world.now) end,
         put_node(Index, Node, World)).

node_options(Module, Index,
             #world{options = #{seed := Seed, island := Own, liar := Liar} = Options}) ->
    maps:merge((maps:with([task, agents, params, trust, exchange], Options))
                   #{realm => ?REALM, secret => crypto:hash(sha256, <<Seed:64, Index:32>>),
                     address => address(Index),
                     seed => erlang:phash2({Seed, Index}, 1 bsl 32)},
               case Module of cambrian_liar -> Liar; cambrian_island -> Own(Index) end).

put_node(Index, Node, #world{nodes = Nodes} = World) -> World#world{nodes = Nodes#{Index => Node}}.

%%% ---- time -------------------------------------------------------------------------------

%% @doc Runs until the next alarm, or until an honest node crashes.
-spec run(world()) -> {term(), world()} | {failed, world()} | {over, world()}.
run(#world{failures = [_ | _]} = World) -> {failed, World};
run(#world{ether = Ether} = World) ->
    case cambrian_ether:next(Ether) of
        {At, world, world, {alarm, What}, Left} -> {What, World#world{now = At, ether = Left}};
        {At, From, To, Message, Left} ->
            run(message(Message, From, To, World#world{now = At, ether = Left}));
        none -> {over, World}
    end.

%% @doc Sets an alarm for so many ms from now.
-spec alarm(term(), Ms :: non_neg_integer(), world()) -> world().
alarm(What, Ms, World) -> later(world, {alarm, What}, Ms, World).

later(Index, Message, Ms, #world{ether = Ether, now = Now} = World) ->
    World#world{ether = cambrian_ether:later(Index, Message, Now + Ms, Ether)}.

send(From, To, Message, Bytes, #world{ether = Ether, now = Now} = World) ->
    World#world{ether = cambrian_ether:send(From, To, Message, Bytes, Now, Ether)}.

%%% ---- deliveries -------------------------------------------------------------------------

message({topic, Bytes}, _From, To, World) ->
    step(To, {heard, Bytes}, World);
message({request, Life, Ref, Bytes}, From, To, World) ->
    answer(Life, Ref, Bytes, From, To, World);
message({fetch, Life, Ref, Content}, From, To, #world{contents = Contents} = World) ->
    case Contents of
        #{Content := {To, Blob}} ->
            respond(To, From, Life, Ref, {ok, Blob}, byte_size(Blob), World);
        _ -> respond(To, From, Life, Ref, {error, not_found}, ?FETCH_BYTES, World)
    end;
message({response, Life, Ref, Result}, _From, To, World) ->
    answered(Life, Ref, Result, To, World);
message({timeout, Life, Ref}, _, To, World) ->
    answered(Life, Ref, {error, timeout}, To, World);
message({Timer, Life}, _, To, #world{nodes = Nodes} = World) ->
    case Nodes of
        #{To := #node{life = Life}} -> timer(Timer, To, World);
        _ -> World
    end.

%% A node's own timers. An outdated wake-up is ignored.
timer({wake, At}, To, #world{nodes = Nodes} = World) ->
    case Nodes of
        #{To := #node{wake = At} = Node} ->
            step(To, tick, put_node(To, Node#node{wake = infinity}, World));
        _ -> World
    end;
timer(generation, To, #world{breeding = false} = World) -> step(To, rest, World);
timer(generation, To, World) ->
    case node(To, World) of
        #node{owed_ms = Owed, life = Life} = Node when Owed > 0 ->
            later(To, {generation, Life}, Owed, put_node(To, Node#node{owed_ms = 0}, World));
        #node{generations = Generations} = Node ->
            step(To, generation,
                 breed_later(To, put_node(To, Node#node{generations = Generations + 1}, World)))
    end;
timer(lie, To, World) -> step(To, generation, breed_later(To, World));
timer({evaluate, Genotype, From}, To, World) -> step(To, {evaluate, {Genotype, From}}, World).

breed_later(Index, #world{options = #{generation_ms := Generation, lie_ms := Lie}} = World) ->
    case node(Index, World) of
        #node{module = cambrian_island, life = Life} ->
            later(Index, {generation, Life}, Generation, World);
        #node{module = cambrian_liar, life = Life} -> later(Index, {lie, Life}, Lie, World)
    end.

node(Index, #world{nodes = Nodes}) -> maps:get(Index, Nodes).

answer(Life, Ref, Bytes, From, To, World) ->
    #node{module = Module, value = Value} = Node = node(To, World),
    case guarded(Module, fun() -> Module:asked(Bytes, address(From), World#world.now, Value) end) of
        {ok, {Effects, never, Next}} ->
            perform(Effects, To, put_node(To, Node#node{value = Next}, World));
        {ok, {Effects, busy, Next}} ->
            Performed = perform(Effects, To, put_node(To, Node#node{value = Next}, World)),
            respond(To, From, Life, Ref, {error, busy}, 1, Performed);
        {ok, {Effects, Answer, Next}} ->
            Performed = perform(Effects, To, put_node(To, Node#node{value = Next}, World)),
            respond(To, From, Life, Ref, {ok, Answer}, byte_size(Answer), Performed);
        {crashed, Why} -> failed(To, {asked, Bytes}, Why, World)
    end.

respond(From, To, Life, Ref, Result, Bytes, World) ->
    send(From, To, {response, Life, Ref, Result}, Bytes, uploaded(From, Bytes, World)).

answered(Life, Ref, Result, To, World) ->
    case node(To, World) of
        #node{life = Life, pending = #{Ref := waiting} = Pending} = Node ->
            step(To, {answered, Ref, Result},
                 put_node(To, Node#node{pending = maps:remove(Ref, Pending)}, World));
        _ -> World
    end.

%%% ---- a node -----------------------------------------------------------------------------

step(Index, What, #world{now = Now, options = #{trace := Trace}} = World) ->
    _ = Trace(Now, Index, What),
    live(Index, fun(#node{module = Module, value = Value}) -> told(Module, What, Now, Value) end,
         What, World).

told(Module, {heard, Bytes}, Now, Value) -> Module:heard(Bytes, Now, Value);
told(Module, {answered, Ref, Result}, Now, Value) -> Module:answered(Ref, Result, Now, Value);
told(Module, {evaluate, Work}, Now, Value) -> Module:evaluate(Work, Now, Value);
told(Module, generation, Now, Value) -> Module:generation(Now, Value);
told(cambrian_island, rest, Now, Value) -> cambrian_island:rest(Now, Value);
told(Module, tick, Now, Value) -> Module:tick(Now, Value).

%% The first event of a node after its start.
live(Index, Begin,
     #world{options = #{seed := Seed, generation_ms := Generation, lie_ms := Lie}} = World) ->
    Begun = live(Index, Begin, 'begin', World),
    #world{nodes = #{Index := #node{module = Module, life = Life}}} = Begun,
    Drawn = erlang:phash2({Seed, Index, Life}, 1 bsl 27) / (1 bsl 27),
    case Module of
        cambrian_island -> later(Index, {generation, Life}, round(Drawn * Generation), Begun);
        cambrian_liar -> later(Index, {lie, Life}, round(Drawn * Lie), Begun)
    end.

live(Index, Do, What, World) ->
    #node{module = Module} = Node = node(Index, World),
    case guarded(Module, fun() -> Do(Node) end) of
        {ok, {Effects, Next}} ->
            Told = perform(Effects, Index, put_node(Index, Node#node{value = Next}, World)),
            alert(Index, noted(What, Index, Told));
        {crashed, Why} -> failed(Index, What, Why, World)
    end.

%% The exceptions of a liar do not count as failures.
guarded(cambrian_liar, Do) -> {ok, Do()};
guarded(cambrian_island, Do) ->
    try {ok, Do()}
    catch Class:Reason:Stack -> {crashed, {Class, Reason, Stack}}
    end.

failed(Index, What, Why, #world{failures = Failures} = World) ->
    World#world{failures = [{crashed, Index, What, Why} | Failures]}.

%% Sets the timer for the node's next wake-up.
alert(Index, #world{now = Now} = World) ->
    #node{module = Module, value = Value, wake = Known, life = Life} = Node = node(Index, World),
    case Module:wake(Value) of
        infinity -> put_node(Index, Node#node{wake = infinity}, World);
        At when Known =/= infinity, Known =:= At -> World;
        At ->
            Then = max(At, Now + 1),
            case Then of
                Known -> World;
                _ ->
                    later(Index, {{wake, Then}, Life}, Then - Now,
                          put_node(Index, Node#node{wake = Then}, World))
            end
    end.

%% Only a measurement changes the best.
noted({heard, _}, _Index, World) -> World;
noted(tick, _Index, World) -> World;
noted(_What, Index, World) ->
    case node(Index, World) of
        #node{module = cambrian_island, value = Value, best = Known} = Node ->
            case cambrian_island:best(Value) of
                Known -> World;
                Best -> seen(Best, Index, put_node(Index, Node#node{best = Best}, World))
            end;
        _ -> World
    end.

seen(none, _Index, World) -> World;
seen({Fitness, _}, Index, #world{floor = Floor, watched = Watched, now = Now} = World) ->
    Raised = World#world{floor = case Floor of none -> Fitness; _ -> max(Floor, Fitness) end},
    case Watched of
        {Wanted, Since, Times} when Fitness >= Wanted, not is_map_key(Index, Times) ->
            Raised#world{watched = {Wanted, Since, Times#{Index => Now - Since}}};
        _ -> Raised
    end.

%%% ---- effects ----------------------------------------------------------------------------

perform(Effects, Index, World) ->
    lists:foldl(fun(Effect, W) -> effect(Effect, Index, W) end, World, Effects).

effect({publish, Bytes}, Index, #world{nodes = Nodes} = World) ->
    Others = [To || {To, #node{up = true}} <- lists:sort(maps:to_list(Nodes)), To =/= Index],
    send(Index, Others, {topic, Bytes}, byte_size(Bytes), uploaded(Index, byte_size(Bytes), World));
effect({ask, Ref, Address, Bytes}, Index, #world{addresses = Addresses} = World) ->
    case Addresses of
        #{Address := To} -> call(Index, To, request, Ref, Bytes, byte_size(Bytes), World);
        _ -> wait(Index, Ref, World)
    end;
effect({fetch, Ref, Content}, Index, #world{contents = Contents} = World) ->
    case Contents of
        #{Content := {To, _}} -> call(Index, To, fetch, Ref, Content, ?FETCH_BYTES, World);
        _ -> wait(Index, Ref, World)
    end;
effect({send, Blob}, Index, #world{contents = Contents} = World) ->
    World#world{contents = Contents#{crypto:hash(sha256, Blob) => {Index, Blob}}};
effect({evaluate, Genotype, From}, Index, World) ->
    #node{life = Life, busy_until = Busy, owed_ms = Owed} = Node = node(Index, World),
    Ms = duration(Genotype, Node, World),
    Done = max(Busy, World#world.now) + Ms,
    Spent = spent(Ms, From, Node#node{busy_until = Done, owed_ms = Owed + owed(Ms, Node)}),
    later(Index, {{evaluate, Genotype, From}, Life}, Done - World#world.now,
          put_node(Index, Spent, World));
effect({event, Name, Details}, Index,
       #world{events = Events, now = Now, options = #{trace := Trace}} = World) ->
    _ = Trace(Now, Index, {event, Name, Details}),
    World#world{events = maps:update_with(Name, fun(N) -> N + 1 end, 1, Events)};
effect({lineage, _, _}, _Index, World) -> World.

%% If a generation takes time, it waits for measurements.
owed(Ms, #node{options = #{works := true}}) -> Ms;
owed(_Ms, _Node) -> 0.

%% A liar measures nothing.
duration(Genotype, Node, #world{options = #{evaluation_ms := Ms}}) ->
    case Node of
        #node{module = cambrian_island, value = Island} ->
            round(Ms * cambrian_island:takes(Genotype, Island));
        #node{module = cambrian_liar} -> Ms
    end.

%% The key of the node that bred a newcomer, which may not be the node that sent it.
spent(Ms, #{breeder := Key}, #node{measured_ms = Measured} = Node) ->
    Node#node{measured_ms = maps:update_with(Key, fun(Before) -> Before + Ms end, Ms, Measured)};
spent(_Ms, _From, Node) -> Node.

call(Index, To, Kind, Ref, What, Bytes, World) ->
    #node{life = Life} = node(Index, World),
    send(Index, To, {Kind, Life, Ref, What}, Bytes,
         uploaded(Index, Bytes, wait(Index, Ref, World))).

wait(Index, Ref, #world{options = #{patience_ms := Ms}} = World) ->
    #node{life = Life, pending = Pending} = Node = node(Index, World),
    later(Index, {timeout, Life, Ref}, Ms,
          put_node(Index, Node#node{pending = Pending#{Ref => waiting}}, World)).

uploaded(Index, Bytes, World) ->
    #node{uploaded = Uploaded} = Node = node(Index, World),
    put_node(Index, Node#node{uploaded = Uploaded + Bytes}, World).

%%% ---- faults -----------------------------------------------------------------------------

-spec fault(fault(), world()) -> world().
fault({split, Groups}, #world{ether = Ether} = World) ->
    World#world{ether = cambrian_ether:split(Groups, Ether)};
fault(heal, #world{ether = Ether} = World) -> World#world{ether = cambrian_ether:heal(Ether)};
fault({crash, Indices}, World) -> lists:foldl(fun crash/2, World, Indices);
fault({restart, Indices}, World) -> lists:foldl(fun restart/2, World, Indices);
fault({add, Index, Genotype}, #world{now = Now} = World) ->
    live(Index, fun(#node{value = Value}) -> cambrian_island:add(Genotype, Now, Value) end, add,
         World).

crash(Index, #world{ether = Ether} = World) ->
    case node(Index, World) of
        #node{up = true, module = Module, value = Value, up_ms = Ms, up_since = Since} = Node ->
            Kept = Node#node{up = false, up_ms = Ms + World#world.now - Since,
                             value = Module:crash(Value), wake = infinity,
                             pending = #{}, busy_until = 0, owed_ms = 0},
            Down = put_node(Index, Kept, World#world{ether = cambrian_ether:crash(Index, Ether)}),
            Down#world{floor = left(Down)};
        _ -> World
    end.

%% The knowledge that only the crashed node had, and had not stored, is lost.
left(#world{nodes = Nodes}) ->
    case [Fitness || #node{module = cambrian_island} = Node <- maps:values(Nodes),
                     {Fitness, _} <- [known(Node)]] of
        [] -> none;
        All -> lists:max(All)
    end.

known(#node{up = true, best = Best}) -> Best;
known(#node{up = false, value = #{champion := Champion}}) -> Champion.

restart(Index, #world{ether = Ether, now = Now} = World) ->
    case node(Index, World) of
        #node{up = false, module = Module, value = Kept, life = Life} = Node ->
            Up = put_node(Index, Node#node{up = true, up_since = Now, life = Life + 1, best = none},
                          World#world{ether = cambrian_ether:restart(Index, Ether)}),
            live(Index, fun(#node{options = Options}) -> Module:restart(Kept, Options, Now) end,
                 Up);
        _ -> World
    end.

%% @doc Ends all generations; liars continue.
-spec stop_breeding(world()) -> world().
stop_breeding(World) -> World#world{breeding = false}.

%% @doc Records from now on when each honest node has measured a fitness at least as high.
-spec watch(Fitness :: float(), world()) -> world().
watch(Fitness, #world{now = Now} = World) -> World#world{watched = {Fitness, Now, #{}}}.

%% @doc How many ms each node took.
-spec watched(world()) -> #{index() => integer()}.
watched(#world{watched = {_, _, Times}}) -> Times.

%%% ---- questions --------------------------------------------------------------------------

%% @doc The time at which a simulation begins: a fixed day, so that no time is negative.
-spec beginning() -> integer().
beginning() -> ?BEGINNING.

-spec honest(world()) -> [index()].
honest(World) -> those(cambrian_island, World).

-spec liars(world()) -> [index()].
liars(World) -> those(cambrian_liar, World).

those(Module, #world{nodes = Nodes}) ->
    lists:sort([Index || {Index, #node{module = M}} <- maps:to_list(Nodes), M =:= Module]).

-spec value(index(), world()) -> cambrian_island:island() | cambrian_liar:liar().
value(Index, World) -> (node(Index, World))#node.value.

%% @doc The keys with which a node signs.
-spec keys(index(), world()) -> [cambrian_identity:key()].
keys(Index, World) ->
    #node{module = Module, options = #{secret := Secret} = Options} = node(Index, World),
    cambrian_memo:once({keys, Module, Secret}, fun() -> Module:keys(Options) end).

%% @doc The best fitness that the node measured, or that it kept through a crash.
-spec best(index(), world()) -> none | {float(), cambrian_genotype:id()}.
best(Index, World) -> known(node(Index, World)).

-spec is_up(index(), world()) -> boolean().
is_up(Index, World) -> (node(Index, World))#node.up.

-spec pace(index(), world()) -> pace().
pace(Index, #world{now = Now} = World) ->
    #node{generations = Generations, life = Lives, up = Up, up_ms = Ms, up_since = Since,
          measured_ms = Measured} = node(Index, World),
    #{generations => Generations, lives => Lives,
      up_ms => Ms + case Up of true -> Now - Since; false -> 0 end, measured_ms => Measured}.

-spec failures(world()) -> [failure()].
failures(#world{failures = Failures}) -> Failures.

%% @doc The best fitness that an honest node measured and that no crash lost.
-spec floor(world()) -> none | float().
floor(#world{floor = Floor}) -> Floor.

%% @doc The bytes that each node sent, with each publication counted once: the cost if other nodes
%% spread it.
-spec uploads(world()) -> #{index() => non_neg_integer()}.
uploads(#world{nodes = Nodes}) ->
    maps:map(fun(_, #node{uploaded = Uploaded}) -> Uploaded end, Nodes).

%% @doc The traffic of the network, with each publication counted once for each receiver.
-spec traffic(world()) -> #{index() => cambrian_ether:traffic()}.
traffic(#world{ether = Ether}) -> cambrian_ether:traffic(Ether).

%% @doc How often each event happened.
-spec events(world()) -> #{atom() => pos_integer()}.
events(#world{events = Events}) -> Events.
